/* proxy.c - pairs of streams on one loop of libuv.
 *
 * A side reads only while what it read before has been written to the other side, so nothing is
 * held but one buffer per direction.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/proxy.h"
#include "tests/chaos/say.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define BUFFER_BYTES 65536
#define TRICKLE_BYTES 200 /* at a time */
#define TRICKLE_MS 10
#define SILENCE_MS 20 /* looks so often whether it is over */
#define BACKLOG 256
#define HOST_BYTES 64

typedef struct pair pair;

/* One end of a connection. */
typedef struct {
    pair *of;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t    tcp;
        uv_pipe_t   pipe;
    } u;
    bool       open, waits; /* its handle; its timer, with bytes that are due at the other end */
    uv_timer_t timer;
    uv_write_t write;
    char       buffer[BUFFER_BYTES];
    size_t     len;
} side;

struct pair {
    proxy *of;
    side   client, server;
    int    handles; /* not closed yet */
    bool   dead;    /* in a hole */
    pair  *next, *before;
};

struct proxy {
    uv_loop_t   loop;
    uv_thread_t thread;
    uv_tcp_t    listener;
    uv_async_t  woken;
    bool        by_path, hole;
    char        target[128], host[HOST_BYTES];
    int         port, target_port;
    atomic_int  mode;
    atomic_bool reset, stop;
    atomic_long taken, cut;
    pair       *pairs;
};

static void read_on(side *from);
static void pass_on(side *from);

static side *
other(side *s)
{
    return s == &s->of->client ? &s->of->server : &s->of->client;
}

/* --- the end of a pair ---------------------------------------------------------------------- */

static void
close_one(pair *p)
{
    if (--p->handles > 0)
        return;
    if (p->before != NULL)
        p->before->next = p->next;
    else
        p->of->pairs = p->next;
    if (p->next != NULL)
        p->next->before = p->before;
    free(p);
}

static void
on_closed(uv_handle_t *handle)
{
    close_one(handle->data);
}

static void
on_timer_closed(uv_handle_t *handle)
{
    close_one(((side *)handle->data)->of);
}

static void
close_side(side *s, bool by_reset)
{
    if (!uv_is_closing((uv_handle_t *)&s->timer))
        uv_close((uv_handle_t *)&s->timer, on_timer_closed);
    if (!s->open || uv_is_closing(&s->u.handle))
        return;
    if (!by_reset || s->u.handle.type != UV_TCP || uv_tcp_close_reset(&s->u.tcp, on_closed) != 0)
        uv_close(&s->u.handle, on_closed);
}

static void
close_pair(pair *p, bool by_reset)
{
    close_side(&p->client, by_reset);
    close_side(&p->server, by_reset);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void
on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    pair *p = handle->data;
    side *s = handle == &p->client.u.handle ? &p->client : &p->server;

    (void)wanted;
    *buf = uv_buf_init(s->buffer,
                       atomic_load(&p->of->mode) == PROXY_TRICKLE ? TRICKLE_BYTES : BUFFER_BYTES);
}

static void
on_written(uv_write_t *write, int status)
{
    side *from = write->data;

    if (status < 0)
        close_pair(from->of, false);
    else
        read_on(from);
}

static void
on_timer(uv_timer_t *timer)
{
    side *from = timer->data;

    pass_on(from);
}

/* What was read goes to the other end when the network lets it. */
static void
pass_on(side *from)
{
    int      mode = atomic_load(&from->of->of->mode);
    uv_buf_t buf = uv_buf_init(from->buffer, (unsigned)from->len);
    bool     waited = from->waits;

    if (from->of->dead)
        return; /* and nothing is read any more */
    if (mode == PROXY_SILENCE || (mode == PROXY_TRICKLE && !waited)) {
        from->waits = true;
        (void)uv_timer_start(&from->timer, on_timer,
                             mode == PROXY_SILENCE ? SILENCE_MS : TRICKLE_MS, 0);
        return;
    }
    from->waits = false;
    from->write.data = from;
    if (uv_write(&from->write, &other(from)->u.stream, &buf, 1, on_written) != 0)
        close_pair(from->of, false);
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    pair *p = stream->data;
    side *from = stream == &p->client.u.stream ? &p->client : &p->server;

    (void)buf;
    if (got == 0)
        return;
    (void)uv_read_stop(stream);
    if (got < 0) {
        close_pair(p, got == UV_ECONNRESET);
        return;
    }
    from->len = (size_t)got;
    pass_on(from);
}

static void
read_on(side *from)
{
    if (!from->open || from->of->dead || uv_is_closing(&from->u.handle))
        return;
    if (uv_read_start(&from->u.stream, on_alloc, on_read) != 0)
        close_pair(from->of, false);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void
on_connected(uv_connect_t *connect, int status)
{
    pair *p = connect->data;

    free(connect);
    if (status < 0) {
        if (status != UV_ECANCELED)
            close_pair(p, true);
        return;
    }
    read_on(&p->client);
    read_on(&p->server);
}

static bool
init_side(pair *p, side *s, bool by_path)
{
    s->of = p;
    if (uv_timer_init(&p->of->loop, &s->timer) != 0)
        abort();
    s->timer.data = s;
    if ((by_path ? uv_pipe_init(&p->of->loop, &s->u.pipe, 0)
                 : uv_tcp_init(&p->of->loop, &s->u.tcp)) != 0)
        return false;
    s->u.handle.data = p;
    s->open = true;
    return true;
}

static void
connect_to_target(pair *p)
{
    uv_connect_t      *connect = malloc(sizeof(*connect));
    struct sockaddr_in address;

    if (connect == NULL)
        abort();
    connect->data = p;
    if (p->of->by_path) {
        uv_pipe_connect(connect, &p->server.u.pipe, p->of->target, on_connected);
        return;
    }
    if (uv_ip4_addr(p->of->host, p->of->target_port, &address) != 0 ||
        uv_tcp_connect(connect, &p->server.u.tcp, (const struct sockaddr *)(const void *)&address,
                       on_connected) != 0) {
        free(connect);
        close_pair(p, true);
    }
}

static void
on_client(uv_stream_t *listener, int status)
{
    proxy *of = listener->data;
    pair  *p;

    if (status < 0)
        return;
    if ((p = calloc(1, sizeof(*p))) == NULL)
        abort();
    p->of = of;
    p->next = of->pairs;
    if (p->next != NULL)
        p->next->before = p;
    of->pairs = p;
    p->handles = 4;
    if (!init_side(p, &p->client, false) || !init_side(p, &p->server, of->by_path))
        chaos_die("the proxy has no handle for a connection");
    atomic_fetch_add(&of->taken, 1);
    if (uv_accept(listener, &p->client.u.stream) != 0)
        close_pair(p, false);
    else
        connect_to_target(p);
}

/* --- holes ------------------------------------------------------------------------------------ */

/* From now on the kernel drops what comes for this socket, before TCP sees it; or not any more. */
static void
drop_packets(const uv_handle_t *handle, bool drop)
{
    struct sock_filter      none = BPF_STMT(BPF_RET | BPF_K, 0); /* keeps no byte */
    const struct sock_fprog program = {.len = 1, .filter = &none};
    uv_os_fd_t              fd;

    if (uv_fileno(handle, &fd) != 0)
        return;
    if (drop ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0
             : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) != 0)
        chaos_die("the proxy cannot drop packets: %s", strerror(errno));
}

static void
follow_mode(proxy *of)
{
    bool hole = atomic_load(&of->mode) == PROXY_HOLE;

    for (pair *p = of->pairs; hole && p != NULL; p = p->next) {
        if (p->dead || uv_is_closing(&p->client.u.handle))
            continue;
        p->dead = true;
        drop_packets(&p->client.u.handle, true);
        (void)uv_read_stop(&p->client.u.stream);
        if (p->server.open && !uv_is_closing(&p->server.u.handle))
            (void)uv_read_stop(&p->server.u.stream);
        atomic_fetch_add(&of->cut, 1);
    }
    for (pair *p = of->pairs; !hole && p != NULL; p = p->next)
        if (p->dead)
            close_side(&p->server, true); /* whom its own keepalives would have told */
    if (hole != of->hole)
        drop_packets((uv_handle_t *)&of->listener, hole);
    of->hole = hole;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void
on_woken(uv_async_t *async)
{
    proxy *of = async->data;
    bool   stop = atomic_load(&of->stop);

    follow_mode(of);
    if (atomic_exchange(&of->reset, false) || stop)
        for (pair *p = of->pairs; p != NULL; p = p->next) {
            atomic_fetch_add(&of->cut, !uv_is_closing((uv_handle_t *)&p->client.timer));
            close_pair(p, true);
        }
    if (stop) {
        uv_close((uv_handle_t *)&of->listener, NULL);
        uv_close((uv_handle_t *)async, NULL);
    }
}

static void
run_loop(void *context)
{
    proxy *of = context;

    (void)uv_run(&of->loop, UV_RUN_DEFAULT);
}

/* "host:port" or a path. */
static void
read_target(proxy *of, const char *target)
{
    const char *colon = strrchr(target, ':');

    of->by_path = target[0] == '/';
    if (strlen(target) >= sizeof(of->target))
        chaos_die("too long for a socket: %s", target);
    memcpy(of->target, target, strlen(target) + 1);
    if (of->by_path)
        return;
    if (colon == NULL || (size_t)(colon - target) >= sizeof(of->host))
        chaos_die("not host:port: %s", target);
    memcpy(of->host, target, (size_t)(colon - target));
    of->target_port = (int)strtol(colon + 1, NULL, 10);
}

proxy *
proxy_start(const char *target)
{
    proxy             *of = calloc(1, sizeof(*of));
    struct sockaddr_in address;
    int                len = sizeof(address);

    if (of == NULL)
        abort();
    read_target(of, target);
    if (uv_loop_init(&of->loop) != 0 || uv_tcp_init(&of->loop, &of->listener) != 0 ||
        uv_async_init(&of->loop, &of->woken, on_woken) != 0 ||
        uv_ip4_addr("127.0.0.1", 0, &address) != 0 ||
        uv_tcp_bind(&of->listener, (const struct sockaddr *)(const void *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&of->listener, BACKLOG, on_client) != 0 ||
        uv_tcp_getsockname(&of->listener, (struct sockaddr *)(void *)&address, &len) != 0)
        chaos_die("the proxy has no port");
    of->listener.data = of->woken.data = of;
    of->port = ntohs(address.sin_port);
    if (uv_thread_create(&of->thread, run_loop, of) != 0)
        chaos_die("no thread for the proxy");
    return of;
}

void
proxy_stop(proxy *p)
{
    if (p == NULL)
        return;
    atomic_store(&p->stop, true);
    (void)uv_async_send(&p->woken);
    (void)uv_thread_join(&p->thread);
    if (uv_loop_close(&p->loop) != 0)
        chaos_die("the proxy has something left open");
    free(p);
}

int
proxy_port(const proxy *p)
{
    return p->port;
}

void
proxy_set(proxy *p, proxy_mode mode)
{
    atomic_store(&p->mode, mode);
    (void)uv_async_send(&p->woken);
}

void
proxy_reset(proxy *p)
{
    atomic_store(&p->reset, true);
    (void)uv_async_send(&p->woken);
}

long
proxy_taken(const proxy *p)
{
    return atomic_load(&p->taken);
}

long
proxy_cut(const proxy *p)
{
    return atomic_load(&p->cut);
}
