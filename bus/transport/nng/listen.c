/* listen.c - the inbox of this process, and the url under which others find it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/transport/nng/internal.h"

#include <errno.h>
#include <nng/protocol/pipeline0/pull.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define IPC "ipc://"
#define TCP "tcp://"

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
    (void)pipe, (void)event;
    bus_nng_changed(transport);
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
    t->listener_errors = 0;
    return 0;
}

static int
open_at(bus_transport *t, const char *url)
{
    int rv;

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

/* Errors of the listener, but those that nng counts by kind. */
static uint64_t
errors_of(nng_listener listener)
{
    nng_stat *all, *of_it, *other;
    uint64_t  count = 0;

    if (nng_stats_get(&all) != 0)
        return 0;
    of_it = nng_stat_find_listener(all, listener);
    other = of_it == NULL ? NULL : nng_stat_find(of_it, "other");
    if (other != NULL)
        count = nng_stat_value(other);
    nng_stats_free(all);
    return count;
}

/* Who connects and goes away at once, killed or a port scan, makes nng 1.5 fail to send its
 * greeting with EPIPE, which it takes for NNG_ECLOSED: it thinks that the listener is closed and
 * accepts nobody any more (core/listener.c, listener_accept_cb). All that shows is a count. Its
 * connections end with a listener; the others dial again. */
void
bus_nng_inbox_look(bus_transport *t)
{
    uint64_t errors = t->listens ? errors_of(t->listener) : 0;
    int      rv;

    if (t->listens && errors == t->listener_errors)
        return;
    bus_log_info("nng.listens_again", BUS_KV("url", t->self.url), BUS_KV_INT("errors", errors));
    if (t->listens)
        (void)nng_listener_close(t->listener);
    t->listens = false;
    rv = listen_at(t, t->self.url);
    if (rv != 0)
        bus_log_error("nng.cannot_listen", BUS_KV("url", t->self.url),
                      BUS_KV("detail", nng_strerror(rv)));
}
