/* connection.c - a list of connections, gone through every second.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/connection.h"
#include "bus/base/error.h"
#include "bus/log/log.h"

#include <stdlib.h>
#include <sys/socket.h>

#define LOOK_MS 1000
#define TIMES_IDLE 2
#define BODY_BYTES_S 4096

static int64_t
now_us(const edge_loop *loop)
{
    return bus_mono_us(loop->e->options.clock);
}

edge_connection *
edge_connection_open(edge_loop *loop, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    edge_connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->loop = loop;
    c->fd = info == NULL ? -1 : info->connect_fd;
    c->next = loop->open_connections;
    c->link = &loop->open_connections;
    if (c->next != NULL)
        c->next->link = &c->next;
    loop->open_connections = c;
    edge_connection_reads_head(c);
    return c;
}

void
edge_connection_close(edge_connection *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    free(c);
}

edge_connection *
edge_connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    BUS_INVARIANT(info != NULL && info->socket_context != NULL);
    return info->socket_context;
}

static void
begin(edge_connection *c, int state)
{
    c->state = state;
    c->since_us = now_us(c->loop);
    c->bytes = 0;
}

void
edge_connection_reads_head(edge_connection *c)
{
    begin(c, EDGE_READS_HEAD);
}

void
edge_connection_reads_body(edge_connection *c)
{
    begin(c, EDGE_READS_BODY);
}

void
edge_connection_works(edge_connection *c)
{
    begin(c, EDGE_AT_WORK);
}

static bool
is_too_slow(const edge_connection *c, int64_t now)
{
    const int64_t room_s = (int64_t)TIMES_IDLE * c->loop->e->options.idle_timeout_s +
                           (int64_t)(c->bytes / BODY_BYTES_S);

    return c->state != EDGE_AT_WORK && now - c->since_us > room_s * 1000000;
}

/* The socket is libmicrohttpd's: it finds the end there, and closes. */
static void
on_look(uv_timer_t *timer)
{
    edge_loop    *loop = timer->data;
    const int64_t now = now_us(loop);
    int           cut = 0;

    for (edge_connection *c = loop->open_connections; c != NULL; c = c->next) {
        if (!is_too_slow(c, now) || c->fd < 0)
            continue;
        (void)shutdown(c->fd, SHUT_RDWR);
        edge_connection_works(c); /* once is enough */
        cut++;
    }
    if (cut > 0)
        bus_log_info("edge.slow_clients", BUS_KV_INT("cut", cut));
}

void
edge_connections_watch(edge_loop *loop)
{
    BUS_INVARIANT(uv_timer_init(&loop->uv, &loop->slow_timer) == 0);
    loop->slow_timer.data = loop;
    BUS_INVARIANT(uv_timer_start(&loop->slow_timer, on_look, LOOK_MS, LOOK_MS) == 0);
}

void
edge_connections_end(edge_loop *loop)
{
    uv_close((uv_handle_t *)&loop->slow_timer, NULL);
}
