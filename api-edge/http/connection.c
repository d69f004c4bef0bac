/* connection.c - connections by network, gone through every second.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/connection.h"
#include "api-edge/http/peer.h"
#include "bus/base/error.h"
#include "bus/log/log.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <uthash.h>

#define LOOK_MS 1000
#define TIMES_IDLE 2
#define BYTES_S 4096
#define OVER_S 2 /* for one that there was no place for */
/* Over the bound: as many of networks that have more than their share, who are answered 503, and
 * then as many of others, who take the place of one of those. */
#define SPARE 64

/* Those of a network: of IPv4 an address, of IPv6 a /64. */
typedef struct edge_clients {
    bus_id           id; /* nil: not known */
    edge_connection *connections;
    int              count, held;
    UT_hash_handle   hh;
} edge_clients;

static int64_t
now_us(const edge_loop *loop)
{
    return bus_mono_us(loop->e->options.clock);
}

/* --- networks ------------------------------------------------------------ */

static edge_clients *
find_network(const edge_loop *loop, bus_id id)
{
    edge_clients *n, *all = loop->clients;

    HASH_FIND(hh, all, &id, sizeof(id), n);
    return n;
}

static edge_clients *
network_of(edge_loop *loop, bus_id id)
{
    edge_clients *n = find_network(loop, id);

    if (n != NULL)
        return n;
    n = calloc(1, sizeof(*n));
    if (n == NULL)
        abort();
    n->id = id;
    HASH_ADD(hh, loop->clients, id, sizeof(n->id), n);
    return n;
}

/* NULL: there is none. */
static edge_clients *
biggest(const edge_loop *loop)
{
    edge_clients *found = NULL;

    for (edge_clients *n = loop->clients; n != NULL; n = n->hh.next)
        if (found == NULL || n->count > found->count)
            found = n;
    return found;
}

static void
cut(edge_connection *c)
{
    c->cut = true;
    (void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd finds the end there, and closes */
}

static edge_connection *
longest_waiting(const edge_clients *n)
{
    edge_connection *found = NULL;

    for (edge_connection *c = n->connections; c != NULL; c = c->next)
        if ((c->state == EDGE_READS_HEAD || c->state == EDGE_READS_BODY) && !c->cut && c->fd >= 0 &&
            (found == NULL || c->since_us < found->since_us))
            found = c;
    return found;
}

/* Takes a place from whom has the most. */
static bool
make_place(const edge_loop *loop, const edge_clients *own)
{
    const edge_clients *most = biggest(loop);
    edge_connection    *victim =
        most == NULL || most->count <= own->count ? NULL : longest_waiting(most);

    if (victim == NULL)
        return false;
    cut(victim);
    return true;
}

bool
edge_connection_may_come(const edge_loop *loop, const struct sockaddr *from)
{
    const edge_clients *most, *own;
    bus_id              id;

    if (loop->connections < loop->e->options.connections_max + SPARE)
        return true;
    if (!edge_address_network(from, &id))
        return false;
    own = find_network(loop, id);
    most = biggest(loop);
    return most != NULL && (own == NULL ? 0 : own->count) < most->count / 2;
}

unsigned
edge_connections_bound(const edge_loop *loop)
{
    return (unsigned)(loop->e->options.connections_max + 2 * SPARE + 1);
}

/* --- a connection -------------------------------------------------------- */

static bus_id
network_id(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    bus_id id;

    return info != NULL && edge_address_network(info->client_addr, &id) ? id : BUS_ID_NIL;
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
    c->network = network_of(loop, network_id(connection));
    c->over =
        loop->connections >= loop->e->options.connections_max && !make_place(loop, c->network);
    c->network->count++;
    c->next = c->network->connections;
    c->link = &c->network->connections;
    if (c->next != NULL)
        c->next->link = &c->next;
    c->network->connections = c;
    edge_connection_reads_head(c);
    return c;
}

void
edge_connection_close(edge_connection *c)
{
    edge_clients *n = c->network;

    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    if (--n->count == 0) {
        HASH_DELETE(hh, c->loop->clients, n);
        free(n);
    }
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
begin(edge_connection *c, int state, size_t bytes)
{
    c->state = state;
    c->since_us = now_us(c->loop);
    c->bytes = bytes;
}

void
edge_connection_reads_head(edge_connection *c)
{
    begin(c, EDGE_READS_HEAD, 0);
}

void
edge_connection_reads_body(edge_connection *c)
{
    begin(c, EDGE_READS_BODY, 0);
}

void
edge_connection_works(edge_connection *c)
{
    begin(c, EDGE_AT_WORK, 0);
}

void
edge_connection_writes(edge_connection *c, uint64_t bytes)
{
    begin(c, EDGE_WRITES, (size_t)bytes);
}

/* --- places ------------------------------------------------------------- */

bool
edge_connection_hold(edge_request *r, int most)
{
    edge_clients *clients = edge_connection_of(r->connection)->network;

    if (edge_peer_is_proxy(r))
        return true;
    if (clients->held >= most)
        return false;
    clients->held++;
    r->held_place = true;
    return true;
}

void
edge_connection_let_go(edge_request *r)
{
    if (r->held_place)
        edge_connection_of(r->connection)->network->held--;
    r->held_place = false;
}

/* --- slow ones ----------------------------------------------------------- */

static bool
is_too_slow(const edge_connection *c, int64_t now)
{
    const int64_t room_s = c->over ? OVER_S
                                   : (int64_t)TIMES_IDLE * c->loop->e->options.idle_timeout_s +
                                         (int64_t)(c->bytes / BYTES_S);

    return c->state != EDGE_AT_WORK && now - c->since_us > room_s * 1000000;
}

void
edge_connections_look(edge_loop *loop)
{
    const int64_t now = now_us(loop);
    int           slow = 0;

    for (edge_clients *n = loop->clients; n != NULL; n = n->hh.next)
        for (edge_connection *c = n->connections; c != NULL; c = c->next) {
            if (c->cut || c->fd < 0 || !is_too_slow(c, now))
                continue;
            cut(c);
            slow++;
        }
    if (slow > 0)
        bus_log_info("edge.slow_clients", BUS_KV_INT("cut", slow));
}

static void
on_look(uv_timer_t *timer)
{
    edge_connections_look(timer->data);
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
