/* listen.c - the inbox of this process, and the url under which others find it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/transport/nng/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <nng/protocol/pipeline0/pull.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define IPC "ipc://"
#define TCP "tcp://"
#define PROBES_LOST_MAX 2

static bool
begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The folder of the socket, one level, for us alone. */
static bus_code
make_folder(const char *path, bus_error *err)
{
    char  folder[BUS_URL_BYTES];
    char *slash;

    (void)snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return BUS_OK;
    *slash = '\0';
    if (mkdir(folder, 0700) == 0 || errno == EEXIST)
        return BUS_OK;
    return bus_fail(err, BUS_INVALID, "%s: %s", folder, strerror(errno));
}

static bus_code
check_ipc(const char *url, bus_error *err)
{
    const char *path = url + sizeof(IPC) - 1;
    size_t      most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (*path != '/')
        return bus_fail(err, BUS_INVALID, "%s: the path must begin with /, as in ipc:///run/a.sock",
                        url);
    if (strlen(path) > most)
        return bus_fail(err, BUS_INVALID, "%s: a socket's path has at most %zu bytes", url, most);
    return make_folder(path, err);
}

static bus_code
check_tcp(const char *url, bus_error *err)
{
    const char *host = url + sizeof(TCP) - 1;
    const char *port = strrchr(host, ':');

    if (port == NULL || port == host || port[1] == '\0' ||
        strspn(port + 1, "0123456789") != strlen(port + 1) || strtol(port + 1, NULL, 10) > 65535)
        return bus_fail(err, BUS_INVALID, "%s: not tcp://host:port", url);
    if (begins(host, "*:") || begins(host, "0.0.0.0:") || begins(host, "[::]:"))
        return bus_fail(err, BUS_INVALID,
                        "%s: name the address under which other processes reach this one", url);
    return BUS_OK;
}

/* With port 0 the one that was taken. */
static bus_code
publish_url(bus_transport *t, nng_listener listener, const char *url, bus_error *err)
{
    const char *port = strrchr(url, ':');
    int         number, rv;

    (void)snprintf(t->self.url, sizeof(t->self.url), "%s", url);
    if (!begins(url, TCP) || strtol(port + 1, NULL, 10) != 0)
        return BUS_OK;
    rv = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &number);
    if (rv != 0)
        return bus_fail(err, BUS_UNAVAILABLE, "%s: which port? %s", url, nng_strerror(rv));
    if (snprintf(t->self.url, sizeof(t->self.url), "%.*s:%d", (int)(port - url), url, number) >=
        (int)sizeof(t->self.url))
        return bus_fail(err, BUS_INVALID, "%s: too long", url);
    return BUS_OK;
}

/* nng's callback, under locks of its own. */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev event, void *transport)
{
    bus_transport *t = transport;

    (void)pipe;
    if (event == NNG_PIPE_EV_ADD_POST)
        atomic_fetch_add(&t->arrivals, 1);
    bus_nng_changed(t);
}

/* A listener on the inbox, at t->self.url or, the first time, at url. */
static int
listen_at(bus_transport *t, const char *url)
{
    int rv;

    if ((rv = nng_listener_create(&t->listener, t->inbox, url)) != 0)
        return rv;
    if ((rv = nng_listener_set_size(t->listener, NNG_OPT_RECVMAXSZ, FRAME_BYTES_MAX)) != 0 ||
        (begins(url, IPC) &&
         (rv = nng_listener_set_int(t->listener, NNG_OPT_IPC_PERMISSIONS, 0600)) != 0) ||
        (rv = nng_listener_start(t->listener, 0)) != 0) {
        (void)nng_listener_close(t->listener);
        return rv;
    }
    t->listens = true;
    return 0;
}

static int
open_at(bus_transport *t, const char *url)
{
    int rv;

    atomic_init(&t->arrivals, 0);
    t->probe = -1;
    if ((rv = nng_pull0_open(&t->inbox)) != 0 ||
        (rv = nng_pipe_notify(t->inbox, NNG_PIPE_EV_ADD_POST, on_pipe, t)) != 0 ||
        (rv = nng_pipe_notify(t->inbox, NNG_PIPE_EV_REM_POST, on_pipe, t)) != 0)
        return rv;
    return listen_at(t, url);
}

bus_code
bus_nng_inbox_open(bus_transport *t, const char *url, bus_error *err)
{
    bus_code rc;
    int      rv;

    if (url == NULL || strlen(url) >= BUS_URL_BYTES || strchr(url, '#') != NULL ||
        (!begins(url, IPC) && !begins(url, TCP)))
        return bus_fail(err, BUS_INVALID,
                        "%.100s: where to listen must be ipc:///path or tcp://host:port, without #",
                        url != NULL ? url : "(no url)");
    rc = begins(url, IPC) ? check_ipc(url, err) : check_tcp(url, err);
    if (rc != BUS_OK)
        return rc;
    rv = open_at(t, url);
    if (rv == NNG_EADDRINUSE)
        return bus_fail(err, BUS_UNAVAILABLE, "%s: another process listens there", url);
    if (rv != 0)
        return bus_fail(err, BUS_INVALID, "%s: cannot listen there: %s", url, nng_strerror(rv));
    return publish_url(t, t->listener, url, err);
}

/* --- a listener that nng has given up ------------------------------------ */

/* Where the listener is, as the kernel knows it. 0: unknown. */
static socklen_t
own_address(const bus_transport *t, struct sockaddr_storage *out)
{
    struct sockaddr_un  *un = (struct sockaddr_un *)out;
    struct sockaddr_in  *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    nng_sockaddr         at;

    memset(out, 0, sizeof(*out));
    if (nng_listener_get_addr(t->listener, NNG_OPT_LOCADDR, &at) != 0)
        return 0;
    switch (at.s_family) {
    case NNG_AF_IPC:
        un->sun_family = AF_UNIX;
        (void)snprintf(un->sun_path, sizeof(un->sun_path), "%s", at.s_ipc.sa_path);
        return sizeof(*un);
    case NNG_AF_INET:
        in->sin_family = AF_INET;
        in->sin_port = at.s_in.sa_port;
        in->sin_addr.s_addr = at.s_in.sa_addr;
        return sizeof(*in);
    case NNG_AF_INET6:
        in6->sin6_family = AF_INET6;
        in6->sin6_port = at.s_in6.sa_port;
        memcpy(&in6->sin6_addr, at.s_in6.sa_addr, sizeof(in6->sin6_addr));
        return sizeof(*in6);
    default: return 0;
    }
}

/* A connection as a PUSH socket begins one (SP over TCP, RFC of nanomsg: 0, "SP", 0, the protocol,
 * 0, 0), which never says more. -1: it cannot be made. */
static int
connect_to_ourselves(const bus_transport *t)
{
    static const unsigned char greeting[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
    struct sockaddr_storage    address;
    socklen_t                  length = own_address(t, &address);
    int                        fd;

    if (length == 0)
        return -1;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&address, length) != 0 ||
        send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL) != (ssize_t)sizeof(greeting)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void
bus_nng_inbox_forget_probe(bus_transport *t)
{
    if (t->probe >= 0)
        (void)close(t->probe);
    t->probe = -1;
}

static void
listen_again(bus_transport *t)
{
    int rv;

    bus_log_warn("nng.listens_again", BUS_KV("url", t->self.url));
    if (t->listens)
        (void)nng_listener_close(t->listener);
    t->listens = false;
    if ((rv = listen_at(t, t->self.url)) != 0)
        bus_log_error("nng.cannot_listen", BUS_KV("url", t->self.url),
                      BUS_KV("detail", nng_strerror(rv)));
}

/* Who connects and goes away at once, killed or a port scan, makes nng 1.5 fail to send its
 * greeting with EPIPE, which it takes for NNG_ECLOSED: it thinks that the listener is closed and
 * hands on nobody any more (core/listener.c, listener_accept_cb). The kernel still accepts, so all
 * that can be seen is that nobody arrives; therefore we call ourselves. */
void
bus_nng_inbox_look(bus_transport *t)
{
    unsigned arrivals = atomic_load(&t->arrivals);

    if (t->probe >= 0)
        t->probes_lost = arrivals == t->probed_at ? t->probes_lost + 1 : 0;
    bus_nng_inbox_forget_probe(t);
    if (!t->listens || t->probes_lost >= PROBES_LOST_MAX) {
        t->probes_lost = 0;
        listen_again(t);
    }
    if (t->listens)
        t->probe = connect_to_ourselves(t);
    t->probed_at = arrivals;
}
