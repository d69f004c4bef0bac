/* sse.c - a feed as server-sent events (WHATWG HTML, 9.2).
 * libmicrohttpd takes what waits in the buffer; while there is nothing its connection sleeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/problem.h"
#include "api-edge/live/feed_internal.h"

#include <string.h>
#include <sys/socket.h>

#define BLOCK_BYTES ((size_t)16 * 1024)
#define RETRY_MS 2000 /* after which a client connects again by itself */

/* libmicrohttpd has room for max bytes. */
static ssize_t
on_room(void *context, uint64_t position, char *bytes, size_t max)
{
    edge_feed *feed = context;
    size_t     waiting = feed->out.len - feed->out_at, take = waiting < max ? waiting : max;

    (void)position;
    if (take == 0 && feed->state == EDGE_FEED_ENDED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (take == 0) {
        feed->parked = true;
        MHD_suspend_connection(feed->r->connection);
        return 0;
    }
    memcpy(bytes, feed->out.at + feed->out_at, take);
    feed->out_at += take;
    feed->sent_bytes += take;
    feed->half = feed->out_at < 2 || memcmp(feed->out.at + feed->out_at - 2, "\n\n", 2) != 0;
    if (feed->out_at == feed->out.len) {
        bus_buf_reset(&feed->out);
        feed->out_at = 0;
    }
    if (feed->full && feed->out.len - feed->out_at < EDGE_FEED_LOW_BYTES) {
        feed->full = false;
        edge_feed_pump(feed);
    }
    return (ssize_t)take;
}

/* There is something to take. */
static void
rouse(edge_feed *feed)
{
    if (!feed->parked)
        return;
    feed->parked = false;
    MHD_resume_connection(feed->r->connection);
    feed->r->loop->http_due = true;
}

/* After whatever was added. */
static void
note_added(edge_feed *feed, size_t before)
{
    feed->put_bytes += feed->out.len - before;
    feed->full = feed->full || feed->out.len - feed->out_at >= EDGE_FEED_HIGH_BYTES;
}

/* Moves what waits to the front, before more is added. */
static void
make_room(edge_feed *feed)
{
    if (feed->out_at == 0)
        return;
    memmove(feed->out.at, feed->out.at + feed->out_at, feed->out.len - feed->out_at);
    feed->out.len -= feed->out_at;
    feed->out_at = 0;
}

static void
sse_open(edge_feed *feed)
{
    edge_request                   *r = feed->r;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_room, feed, NULL);

    if (info != NULL)
        edge_feed_bound_socket(info->connect_fd);
    bus_buf_printf(&feed->out, "retry: %d\n\n", RETRY_MS);
    note_added(feed, 0);
    edge_answer(
        r, &(edge_reply){.status = 200, .content_type = "text/event-stream", .response = response});
}

static bool
sse_room(edge_feed *feed)
{
    return !feed->full;
}

/* A CloudEvent is one line: JSON has no line breaks of its own. */
static void
sse_put(edge_feed *feed, bus_str event)
{
    size_t before;

    make_room(feed);
    before = feed->out.len;
    bus_buf_add_text(&feed->out, "id: ");
    bus_buf_add_str(&feed->out, edge_feed_cursor(feed));
    bus_buf_add_text(&feed->out, "\ndata: ");
    bus_buf_add_str(&feed->out, event);
    bus_buf_add_text(&feed->out, "\n\n");
    feed->moved = false;
    note_added(feed, before);
}

static void
sse_settle(edge_feed *feed, bool caught_up)
{
    (void)caught_up;
    if (feed->out.len > feed->out_at)
        rouse(feed);
}

/* A comment; where the place has moved past what the client may not see, its id alone, which
 * clients remember without an event being dispatched. */
static void
sse_beat(edge_feed *feed)
{
    size_t before;

    if (feed->out.len > feed->out_at)
        return; /* something waits to be sent anyway */
    before = feed->out.len;
    if (feed->moved) {
        bus_buf_add_text(&feed->out, "id: ");
        bus_buf_add_str(&feed->out, edge_feed_cursor(feed));
        bus_buf_add_text(&feed->out, "\n\n");
        feed->moved = false;
    } else {
        bus_buf_add_text(&feed->out, ":\n\n");
    }
    note_added(feed, before);
    rouse(feed);
}

static void
sse_tick(edge_feed *feed, int64_t now_us)
{
    const union MHD_ConnectionInfo *info;

    if (feed->state != EDGE_FEED_ENDED || feed->ended_us == 0 || feed->out.len == feed->out_at ||
        (now_us != INT64_MAX && now_us - feed->ended_us < EDGE_FEED_LINGER_US))
        return;
    info = MHD_get_connection_info(feed->r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL)
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* libmicrohttpd sees that it is broken */
}

/* What waits goes, but for an event that is half sent; then the last word, without an id, so that
 * the client goes on from the last event that it has got. */
static void
sse_end(edge_feed *feed, edge_feed_reason reason)
{
    size_t before, keep = feed->out_at;
    char  *end;

    if (reason == EDGE_FEED_SLOW && feed->half && keep < feed->out.len) {
        end = memmem(feed->out.at + keep, feed->out.len - keep, "\n\n", 2);
        keep = end == NULL ? feed->out.len : (size_t)(end - feed->out.at) + 2;
    }
    if (reason == EDGE_FEED_SLOW)
        feed->out.len = keep;
    before = feed->out.len;
    bus_buf_add_text(&feed->out, "event: error\ndata: ");
    edge_feed_problem(feed, reason, &feed->out);
    bus_buf_add_text(&feed->out, "\n\n");
    note_added(feed, before);
    rouse(feed);
}

static void
sse_fini(edge_feed *feed)
{
    (void)feed;
}

const edge_feed_way edge_feed_sse = {
    .open = sse_open,
    .room = sse_room,
    .put = sse_put,
    .settle = sse_settle,
    .beat = sse_beat,
    .tick = sse_tick,
    .end = sse_end,
    .fini = sse_fini,
};
