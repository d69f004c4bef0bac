/* socket_fuzz.c - any bytes as what a client sends over a WebSocket of a feed.
 *
 * The handshake is libmicrohttpd's affair (http_fuzz.c); here its upgrade is handed to
 * api-edge/live/socket.c with one end of a pair of sockets. The first byte says how much of the
 * input came right behind the handshake, in 16ths; the second with its bits: events are put, a
 * beat, an end of ours, all before the client has sent the rest.
 * What must hold: what comes back are whole frames of a server, unmasked, after whose close comes
 * nothing; when the client has gone the feed has let go.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/metrics.h"
#include "api-edge/http/request.h"
#include "api-edge/live/feed_internal.h"
#include "bus/log/log.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 64
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static edge      e;
static edge_loop loop;

/* What the upgrade is to call, and the connection that it would get. */
static struct {
    MHD_UpgradeHandler handler;
    void              *context;
    int                ours;   /* the server's end */
    bool               closed; /* given back */
    bus_buf            came;   /* at the client */
} up;

/* --- instead of libmicrohttpd's, by the linker's --wrap ------------------------------ */

struct MHD_Response *__wrap_MHD_create_response_for_upgrade(MHD_UpgradeHandler handler,
                                                            void              *context);
enum MHD_Result      __wrap_MHD_upgrade_action(struct MHD_UpgradeResponseHandle *handle,
                                               enum MHD_UpgradeAction            action, ...);
const char          *__wrap_MHD_lookup_connection_value(struct MHD_Connection *connection,
                                                        enum MHD_ValueKind kind, const char *name);
/* Of feed.c: there is no log to have a place in. */
bus_str __wrap_edge_feed_cursor(edge_feed *feed);

struct MHD_Response *
__wrap_MHD_create_response_for_upgrade(MHD_UpgradeHandler handler, void *context)
{
    up.handler = handler;
    up.context = context;
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result
__wrap_MHD_upgrade_action(struct MHD_UpgradeResponseHandle *handle, enum MHD_UpgradeAction action,
                          ...)
{
    (void)handle;
    BUS_INVARIANT(action == MHD_UPGRADE_ACTION_CLOSE && !up.closed);
    up.closed = true;
    (void)shutdown(up.ours, SHUT_RDWR);
    return MHD_YES;
}

const char *
__wrap_MHD_lookup_connection_value(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                   const char *name)
{
    (void)connection;
    (void)kind;
    return strcmp(name, "Sec-WebSocket-Key") == 0 ? KEY : NULL;
}

bus_str
__wrap_edge_feed_cursor(edge_feed *feed)
{
    (void)feed;
    return BUS_STR("~vehicles~1~00000000");
}

/* --- start and stop -------------------------------------------------------------------- */

static void
stop(void)
{
    BUS_INVARIANT(uv_loop_close(&loop.uv) == 0);
    bus_buf_fini(&up.came);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    edge_metrics_start();
    BUS_INVARIANT(uv_loop_init(&loop.uv) == 0);
    e.options.clock = bus_clock_system();
    loop.e = &e;
    loop.random_used = EDGE_RANDOM_BYTES;
    BUS_INVARIANT(atexit(stop) == 0);
    return 0;
}

/* --- the client --------------------------------------------------------------------------- */

static void
receive_all(int client)
{
    char    bytes[4096];
    ssize_t got;

    while ((got = recv(client, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        bus_buf_add(&up.came, bytes, (size_t)got);
}

/* Lets both sides go on until the loop has nothing left to do now. */
static void
turn(int client)
{
    for (int i = 0; i < 4; i++) {
        (void)uv_run(&loop.uv, UV_RUN_NOWAIT);
        receive_all(client);
    }
}

static void
send_all(int client, bus_str bytes)
{
    uint32_t sent = 0;

    for (int i = 0; sent < bytes.len && i < TURNS_MAX; i++) {
        ssize_t n = send(client, bytes.at + sent, bytes.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            sent += (uint32_t)n;
        turn(client);
    }
}

/* --- what must hold ------------------------------------------------------------------------- */

static size_t
payload_bytes(const uint8_t *frame, size_t left, size_t *head)
{
    size_t len = frame[1], extended = len == 126 ? 2 : len == 127 ? 8 : 0;

    *head = 2 + extended;
    if (extended == 0 || left < *head)
        return extended == 0 ? len : 0;
    len = 0;
    for (size_t i = 0; i < extended; i++)
        len = len << 8 | frame[2 + i];
    return len;
}

/* Whole frames, but for the last one, where the connection may have ended. */
static void
check_frames(void)
{
    const uint8_t *at = (const uint8_t *)up.came.at;
    size_t         left = up.came.len, head, len;
    bool           closed = false;

    while (left >= 2) {
        uint8_t opcode = at[0] & 15;

        BUS_INVARIANT(!closed && (at[0] & 0x70) == 0 && (at[0] & 0x80) != 0);
        BUS_INVARIANT(opcode == 1 || opcode == 8 || opcode == 9 || opcode == 10);
        BUS_INVARIANT((at[1] & 0x80) == 0); /* a server does not mask */
        closed = opcode == 8;
        len = payload_bytes(at, left, &head);
        if (left < head + len)
            return;
        at += head + len;
        left -= head + len;
    }
}

/* --- one feed --------------------------------------------------------------------------------- */

static void
act(edge_feed *feed, uint8_t what)
{
    if ((what & 1) != 0 && feed->way->room(feed))
        feed->way->put(feed, BUS_STR("{\"specversion\":\"1.0\"}"));
    if ((what & 2) != 0)
        feed->way->settle(feed, true);
    if ((what & 4) != 0 && feed->state == EDGE_FEED_OPEN)
        feed->way->beat(feed);
    if ((what & 8) != 0 && feed->state == EDGE_FEED_OPEN) {
        feed->state = EDGE_FEED_ENDED;
        feed->ended_us = edge_feed_now_us(feed);
        feed->way->end(feed, EDGE_FEED_STOPPING);
    }
    feed->way->tick(feed, edge_feed_now_us(feed));
}

static void
converse(edge_feed *feed, int client, uint8_t share, uint8_t what, bus_str bytes)
{
    uint32_t early = (uint32_t)((uint64_t)bytes.len * (share % 16) / 16);

    up.handler(up.context, NULL, NULL, early > 0 ? bytes.at : NULL, early, up.ours, NULL);
    turn(client);
    act(feed, what);
    send_all(client, (bus_str){bytes.at + early, bytes.len - early});
    act(feed, what >> 4);
    turn(client);
    (void)shutdown(client, SHUT_WR);
    turn(client);
    feed->way->tick(feed, INT64_MAX); /* who does not leave is not waited for for ever */
    if (feed->socket != NULL) {       /* not ended before: the loop stops */
        feed->state = EDGE_FEED_ENDED;
        feed->way->tick(feed, INT64_MAX);
    }
    turn(client);
    BUS_INVARIANT(feed->socket == NULL && up.closed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str      input = fuzz_input(data, size);
    int          ends[2];
    edge_request r = {.loop = &loop};
    edge_feed    feed = {
           .state = EDGE_FEED_OPEN, .way = &edge_feed_socket, .r = &r, .loop = &loop, .pumping = true};

    if (input.len < 2)
        return 0;
    BUS_INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    up.ours = ends[0];
    up.closed = false;
    bus_buf_reset(&up.came);
    feed.way->open(&feed);
    BUS_INVARIANT(r.answered && r.status == 101);
    converse(&feed, ends[1], data[0], data[1], (bus_str){input.at + 2, input.len - 2});
    check_frames();
    feed.way->fini(&feed);
    MHD_destroy_response(r.held);
    bus_arena_fini(&r.arena);
    bus_buf_fini(&feed.out);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}
