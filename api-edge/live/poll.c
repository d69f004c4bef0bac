/* poll.c - a feed as one answer: a batch of CloudEvents, or an empty one after a wait.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/problem.h"
#include "api-edge/live/feed_internal.h"

#define BODY_BYTES_MAX ((size_t)1024 * 1024) /* no further event is begun beyond it */
#define READ_US 5000000 /* reading what there is may take so long, even if nobody would wait */

static void
answer(edge_feed *feed)
{
    edge_request *r = feed->r;
    bus_str       cursor = edge_feed_cursor(feed);
    const char   *next;

    feed->state = EDGE_FEED_ENDED;
    if (feed->count == 0)
        bus_buf_add_char(&feed->out, '[');
    bus_buf_add_char(&feed->out, ']');
    next = bus_arena_printf(&r->arena, "<%s?after=%.*s&limit=%d&wait_s=%d>; rel=\"next\"", r->path,
                            BUS_STR_ARG(cursor), feed->limit, feed->wait_s)
               .at;
    edge_answer(r, &(edge_reply){.status = 200,
                                 .content_type = "application/cloudevents-batch+json",
                                 .body = bus_buf_str(&feed->out),
                                 .cursor = cursor.at,
                                 .link = next});
}

static void
poll_open(edge_feed *feed)
{
    (void)feed; /* the request stays suspended until there is an answer */
}

static bool
poll_room(edge_feed *feed)
{
    return feed->count < feed->limit && feed->out.len < BODY_BYTES_MAX;
}

static void
poll_put(edge_feed *feed, bus_str event)
{
    bus_buf_add_char(&feed->out, feed->count++ == 0 ? '[' : ',');
    bus_buf_add_str(&feed->out, event);
}

static void
poll_settle(edge_feed *feed, bool caught_up)
{
    if (!poll_room(feed) || (caught_up && (feed->count > 0 || feed->wait_s == 0)))
        answer(feed);
}

static void
poll_beat(edge_feed *feed)
{
    (void)feed;
}

static void
poll_tick(edge_feed *feed, int64_t now_us)
{
    int64_t wait_us = (int64_t)feed->wait_s * 1000000;

    if (feed->state == EDGE_FEED_OPEN &&
        now_us - feed->opened_us >= (wait_us > 0 ? wait_us : READ_US))
        answer(feed);
}

static void
poll_end(edge_feed *feed, edge_feed_reason reason)
{
    if (reason == EDGE_FEED_GONE)
        edge_problem_code(feed->r, edge_feed_ends[reason].status,
                          bus_str_of(edge_feed_ends[reason].code),
                          bus_str_of(edge_feed_ends[reason].detail));
    else
        answer(feed); /* what it has, and where to go on */
}

static void
poll_fini(edge_feed *feed)
{
    (void)feed;
}

const edge_feed_way edge_feed_poll = {
    .open = poll_open,
    .room = poll_room,
    .put = poll_put,
    .settle = poll_settle,
    .beat = poll_beat,
    .tick = poll_tick,
    .end = poll_end,
    .fini = poll_fini,
};
