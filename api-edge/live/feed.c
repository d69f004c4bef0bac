/* feed.c - feeds: who asks, from where, and the turn from the log to the way out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/metrics.h"
#include "api-edge/http/problem.h"
#include "api-edge/limits/limits.h"
#include "api-edge/live/feed_internal.h"
#include "api-edge/live/place.h"
#include "api-edge/login/session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define TICK_MS 100
#define READY_US 3000000 /* the log's end is not known until then: 503 */
#define OF_USER_MAX 16   /* feeds of one user */
#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define WAIT_MAX_S 30
#define PARAMETERS_MAX 8
#define LEFT_US 1000000 /* so often it is looked whether the client is still there */
#define AHEAD_MAX 128   /* events whose owner is asked for at once */

/* 1013 (try again later) would fit a slow reader, but some clients take it for a broken frame. */
const edge_feed_end_text edge_feed_ends[EDGE_FEED_REASONS] = {
    [EDGE_FEED_SLOW] = {503, 1008, "SLOW_READER",
                        "You read too slowly; connect again with the last cursor you have."},
    [EDGE_FEED_EXPIRED] = {401, 1008, "TOKEN_EXPIRED",
                           "The token has expired; connect again with a new one."},
    [EDGE_FEED_STOPPING] = {503, 1001, "STOPPING", "The server stops; connect again."},
    [EDGE_FEED_GONE] = {410, 1008, "CURSOR_GONE",
                        "The log does not go back to this cursor any more."},
    [EDGE_FEED_LEFT] = {400, 1001, "CLIENT_LEFT", "You have closed your side of the connection."},
};

struct edge_feeds {
    edge_loop  *loop;
    edge_tails *tails;
    uv_timer_t  tick;
    edge_feed  *all;
    int         count;
    bool        stopping;
};

int64_t
edge_feed_now_us(const edge_feed *feed)
{
    return bus_mono_us(feed->loop->e->options.clock);
}

bus_str
edge_feed_cursor(edge_feed *feed)
{
    bus_buf_reset(&feed->cursor);
    edge_place_encode(edge_tail_contract(feed->tail)->module, feed->offsets,
                      edge_tail_partitions(feed->tail), &feed->cursor);
    return bus_buf_str(&feed->cursor);
}

void
edge_feed_problem(const edge_feed *feed, edge_feed_reason reason, bus_buf *out)
{
    const edge_feed_end_text *text = &edge_feed_ends[reason];
    char                      trace[EDGE_TRACE_ID_BYTES];

    bus_buf_printf(out,
                   "{\"type\":\"urn:shina:problem:%s\",\"title\":\"%s\",\"status\":%d,"
                   "\"code\":\"%s\",\"detail\":\"%s\",\"trace_id\":\"%s\"}",
                   text->code, MHD_get_reason_phrase_for((unsigned)text->status), text->status,
                   text->code, text->detail, edge_trace_id_format(feed->r->trace.trace_id, trace));
}

void
edge_feed_bound_socket(int fd)
{
    const int bytes = EDGE_FEED_SOCKET_BYTES;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)); /* else the default */
}

/* --- one event ----------------------------------------------------------- */

typedef enum { TAKEN, BLOCKED } taking;

/* Asks at once about what comes next, so that not each event waits for its own answer. */
static void
ask_ahead(edge_feed *feed, const edge_event *event)
{
    int partition = event->record.partition;

    for (int i = 1; i < AHEAD_MAX; i++) {
        edge_event *next =
            feed->page_count > 0
                ? (i < feed->page_count ? feed->page.events[feed->page_at + i] : NULL)
                : edge_tail_event(feed->tail, partition, event->record.offset + i);
        const edge_access *access;

        if (next == NULL)
            return;
        access = edge_feed_access(&feed->scope, next->message);
        if (access->sees == EDGE_SEES_OWN &&
            bus_id_equal(next->record.tenant, feed->r->caller.tenant))
            edge_tail_own(feed->tail, access->own, next);
    }
}

static taking
consider(edge_feed *feed, edge_event *event)
{
    const edge_caller *caller = &feed->r->caller;
    const edge_access *access = edge_feed_access(&feed->scope, event->message);
    bool               shown =
        bus_id_equal(event->record.tenant, caller->tenant) && access->sees != EDGE_SEES_NONE;

    if (shown && access->sees == EDGE_SEES_OWN) {
        if (event->owner_state == EDGE_OWNER_KNOWN && event->owner_view != access->own)
            event->owner_state = EDGE_OWNER_UNKNOWN;
        if (event->owner_state != EDGE_OWNER_KNOWN) {
            edge_tail_own(feed->tail, access->own, event);
            ask_ahead(feed, event);
            return BLOCKED;
        }
        shown = edge_event_is_owned(event, caller->actor.driver_id, feed->loop->now_ms);
    }
    BUS_INVARIANT(event->record.offset == feed->offsets[event->record.partition] + 1);
    feed->offsets[event->record.partition] = event->record.offset;
    feed->moved = true;
    if (shown) {
        bus_str text = edge_event_text(event, &feed->scope, access);

        feed->put_us = edge_feed_now_us(feed);
        feed->way->put(feed, text);
        edge_metrics_feed_events(1);
    }
    return TAKEN;
}

/* --- the page and the ring ----------------------------------------------- */

static void
drop_page(edge_feed *feed)
{
    while (feed->page_count > 0) {
        edge_event_release(feed->page.events[feed->page_at++]);
        feed->page_count--;
    }
}

/* False: it waits for an answer. */
static bool
take_page(edge_feed *feed)
{
    while (feed->page_count > 0 && feed->way->room(feed)) {
        edge_event *event = feed->page.events[feed->page_at];

        if (consider(feed, event) == BLOCKED)
            return false;
        edge_event_release(event);
        feed->page_at++;
        feed->page_count--;
    }
    return true;
}

/* What one partition's ring has. False: it waits for an answer. */
static bool
take_ring(edge_feed *feed, int partition)
{
    edge_event *event;

    while (feed->way->room(feed) &&
           (event = edge_tail_event(feed->tail, partition, feed->offsets[partition] + 1)) != NULL)
        if (consider(feed, event) == BLOCKED)
            return false;
    return true;
}

static void
on_page(edge_page *page, bus_code rc)
{
    edge_feed *feed = (edge_feed *)((char *)page - offsetof(edge_feed, page));

    feed->reading = false;
    feed->page_at = 0;
    feed->page_count = page->count;
    if (feed->r == NULL) {
        drop_page(feed);
        free(feed->offsets);
        free(feed);
        return;
    }
    if (rc == BUS_OK && page->count == 0)
        edge_feed_end(feed, EDGE_FEED_GONE);
    else if (rc == BUS_OK)
        edge_feed_pump(feed);
}

static bool
is_caught_up(const edge_feed *feed)
{
    if (feed->page_count > 0 || feed->reading)
        return false;
    for (int p = 0; p < edge_tail_partitions(feed->tail); p++)
        if (feed->offsets[p] < edge_tail_head(feed->tail, p))
            return false;
    return true;
}

static void
take_some(edge_feed *feed)
{
    int  partitions = edge_tail_partitions(feed->tail);
    bool flowing = take_page(feed);

    for (int i = 0; i < partitions && flowing && feed->page_count == 0; i++)
        (void)take_ring(feed, (feed->turn + i) % partitions);
    feed->turn = (feed->turn + 1) % partitions;
    if (!feed->way->room(feed) && flowing)
        drop_page(feed); /* it is read again when there is room: memory stays bounded */
    if (feed->way->room(feed) && feed->page_count == 0 && !feed->reading) {
        feed->page.tenant = feed->r->caller.tenant;
        feed->page.done = on_page;
        feed->reading = edge_tail_page(feed->tail, &feed->page, feed->offsets);
    }
}

void
edge_feed_pump(edge_feed *feed)
{
    if (feed->pumping)
        return;
    feed->pumping = true;
    do {
        if (feed->state != EDGE_FEED_OPEN)
            break;
        feed->again = false;
        take_some(feed);
        feed->way->settle(feed, is_caught_up(feed));
    } while (feed->again);
    feed->pumping = false;
}

/* --- ends ---------------------------------------------------------------- */

void
edge_feed_leave_tail(edge_feed *feed)
{
    if (feed->listener.link != NULL)
        edge_tail_leave(feed->tail, &feed->listener);
    drop_page(feed);
}

void
edge_feed_end(edge_feed *feed, edge_feed_reason reason)
{
    edge_feed_state before = feed->state;

    if (before == EDGE_FEED_ENDED)
        return;
    feed->state = EDGE_FEED_ENDED;
    feed->ended_us = edge_feed_now_us(feed);
    edge_feed_leave_tail(feed);
    if (reason == EDGE_FEED_SLOW)
        edge_metrics_feed_cut();
    if (before == EDGE_FEED_WAITING)
        edge_problem(feed->r, EDGE_UNAVAILABLE, edge_feed_ends[reason].detail);
    else
        feed->way->end(feed, reason);
}

void
edge_feed_leave(edge_feed *feed)
{
    if (feed == NULL)
        return;
    edge_feed_leave_tail(feed);
    feed->way->fini(feed);
    if (feed->newer != NULL)
        feed->newer->older = feed->older;
    else
        feed->feeds->all = feed->older;
    if (feed->older != NULL)
        feed->older->newer = feed->newer;
    feed->feeds->count--;
    edge_metrics_feeds(-1);
    bus_buf_fini(&feed->cursor);
    bus_buf_fini(&feed->out);
    feed->state = EDGE_FEED_ENDED;
    feed->r = NULL;
    if (feed->reading)
        return; /* on_page frees it */
    free(feed->offsets);
    free(feed);
}

/* --- beginning ----------------------------------------------------------- */

static void
refuse_after(edge_feed *feed, const char *why)
{
    bus_problems *problems = BUS_ARENA_NEW(&feed->r->arena, bus_problems);

    bus_problem_add(problems, feed->after_pointer, "%s", why);
    feed->state = EDGE_FEED_ENDED;
    edge_feed_leave_tail(feed);
    edge_problem_invalid(feed->r, problems);
}

/* Is the cursor beyond the log's end, as far as that is known? */
static bool
is_beyond(const edge_feed *feed)
{
    for (int p = 0; p < edge_tail_partitions(feed->tail); p++)
        if (feed->offsets[p] > edge_tail_known(feed->tail, p))
            return true;
    return false;
}

/* The log's end is known. */
static void
begin(edge_feed *feed)
{
    int             partitions = edge_tail_partitions(feed->tail);
    edge_place_kind kind;
    const char     *why;

    if (feed->offsets == NULL &&
        (feed->offsets = calloc((size_t)partitions, sizeof(int64_t))) == NULL)
        abort();
    if (!edge_place_decode(feed->after, edge_tail_contract(feed->tail)->module, partitions,
                           feed->offsets, &kind, &why)) {
        refuse_after(feed, why);
        return;
    }
    if (kind == EDGE_PLACE_LATEST) {
        for (int p = 0; p < partitions; p++)
            feed->offsets[p] = edge_tail_known(feed->tail, p);
    } else if (is_beyond(feed)) {
        if (feed->looked) {
            refuse_after(feed, "is beyond the end of the log");
            return;
        }
        feed->looked = true; /* the bus may be late */
        feed->look_round = edge_tail_round(feed->tail) + 1;
        edge_tail_look(feed->tail);
        return;
    }
    feed->state = EDGE_FEED_OPEN;
    feed->opened_us = feed->put_us = feed->mark_us = edge_feed_now_us(feed);
    feed->way->open(feed);
    edge_feed_pump(feed);
}

static void
on_more(edge_listener *listener)
{
    edge_feed *feed = (edge_feed *)listener;

    if (feed->state == EDGE_FEED_OPEN)
        edge_feed_pump(feed);
    else if (feed->state == EDGE_FEED_WAITING && edge_tail_ready(feed->tail) &&
             edge_tail_round(feed->tail) >= feed->look_round)
        begin(feed);
}

/* --- the request --------------------------------------------------------- */

typedef struct {
    edge_feed    *feed;
    bus_problems *problems;
    int           count;
} parameters;

static bool
number_in(bus_str text, int64_t minimum, int64_t maximum, int *out)
{
    int64_t value;

    if (!edge_int_parse(text, &value) || value < minimum || value > maximum)
        return false;
    *out = (int)value;
    return true;
}

static enum MHD_Result
on_parameter(void *context, enum MHD_ValueKind kind, const char *key, size_t key_bytes,
             const char *text, size_t text_bytes)
{
    parameters *p = context;
    edge_feed  *feed = p->feed;
    bus_str     name = {key, (uint32_t)key_bytes};
    bus_str     value = {text == NULL ? "" : text, text == NULL ? 0 : (uint32_t)text_bytes};
    char        pointer[160];

    (void)kind;
    if (++p->count > PARAMETERS_MAX)
        return MHD_NO;
    if (bus_str_is(name, "after")) {
        feed->after = bus_arena_copy(&feed->r->arena, value.at, value.len);
    } else if (bus_str_is(name, "limit")) {
        if (!number_in(value, 1, LIMIT_MAX, &feed->limit))
            bus_problem_add(p->problems, "/query/limit", "must be 1 to %d", LIMIT_MAX);
    } else if (bus_str_is(name, "wait_s")) {
        if (!number_in(value, 0, WAIT_MAX_S, &feed->wait_s))
            bus_problem_add(p->problems, "/query/wait_s", "must be 0 to %d", WAIT_MAX_S);
    } else {
        (void)snprintf(pointer, sizeof(pointer), "/query/%.*s", BUS_STR_ARG(name));
        bus_problem_add(p->problems, pointer, "is not a parameter of a feed");
    }
    return MHD_YES;
}

static const edge_feed_way *
way_of(const edge_request *r)
{
    const char *accept = edge_request_header(r, "Accept");

    if (edge_feed_is_socket(r))
        return &edge_feed_socket;
    return accept != NULL && strcasestr(accept, "text/event-stream") != NULL ? &edge_feed_sse
                                                                             : &edge_feed_poll;
}

/* False: answered. */
static bool
read_request(edge_feed *feed)
{
    edge_request *r = feed->r;
    parameters    p = {.feed = feed, .problems = BUS_ARENA_NEW(&r->arena, bus_problems)};
    const char   *last_id;

    feed->limit = LIMIT_DEFAULT;
    feed->after_pointer = "/query/after";
    (void)MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &p);
    if (p.problems->count > 0) {
        edge_problem_invalid(r, p.problems);
        return false;
    }
    /* What the client has seen counts more than what its address once said. */
    last_id = edge_request_header(r, "Last-Event-ID");
    if (feed->way == &edge_feed_sse && last_id != NULL && *last_id != '\0') {
        feed->after = bus_str_of(last_id);
        feed->after_pointer = "/header/Last-Event-ID";
    }
    return feed->way != &edge_feed_socket || edge_feed_check_socket(r);
}

static edge_feed *
new_feed(edge_request *r, edge_tail *tail, const edge_feed_scope *scope)
{
    edge_feeds *feeds = r->loop->feeds;
    edge_feed  *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        abort();
    feed->listener.more = on_more;
    feed->feeds = feeds;
    feed->loop = r->loop;
    feed->r = r;
    feed->tail = tail;
    feed->scope = *scope;
    feed->tenant = r->caller.tenant;
    feed->user = r->caller.actor.id;
    feed->way = way_of(r);
    feed->opened_us = edge_feed_now_us(feed);
    feed->older = feeds->all;
    if (feed->older != NULL)
        feed->older->newer = feed;
    feeds->all = feed;
    feeds->count++;
    edge_metrics_feeds(1);
    r->feed = feed;
    return feed;
}

/* One user has a few of them, one tenant half of all at most. Tokens of no session have no bound,
 * as in limits/limits.h. */
static bool
has_enough(const edge_feeds *feeds, const edge_caller *caller)
{
    int of_user = 0, of_tenant = 0;

    if (bus_id_is_nil(caller->session))
        return false;
    for (const edge_feed *feed = feeds->all; feed != NULL; feed = feed->older) {
        if (feed->state == EDGE_FEED_ENDED)
            continue; /* goes with the next turns */
        of_tenant += bus_id_equal(feed->tenant, caller->tenant);
        of_user += bus_id_equal(feed->user, caller->actor.id);
    }
    return of_user >= OF_USER_MAX || of_tenant >= (feeds->loop->e->options.streams_max + 1) / 2;
}

static void on_tick(uv_timer_t *timer);

void
edge_feed_handle(edge_request *r)
{
    edge_feeds     *feeds = r->loop->feeds;
    edge_tail      *tail = edge_tail_of(feeds->tails, r->parameter);
    edge_feed_scope scope;
    edge_feed      *feed;

    if (tail == NULL) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return;
    }
    if (!edge_feed_scope_of(r->loop->e, edge_tail_contract(tail), &r->caller.actor, &scope)) {
        edge_problem(r, EDGE_FORBIDDEN, NULL);
        return;
    }
    if (feeds->stopping || feeds->count >= r->loop->e->options.streams_max) {
        edge_problem(r, EDGE_OVERLOADED, "Too many feeds are open; try again later.");
        return;
    }
    if (has_enough(feeds, &r->caller)) {
        edge_limits_refuse(r, "Too many feeds of yours are open; close one first.");
        return;
    }
    feed = new_feed(r, tail, &scope);
    if (!read_request(feed)) {
        feed->state = EDGE_FEED_ENDED;
        return;
    }
    edge_request_suspend(r);
    edge_tail_join(tail, &feed->listener);
    if (!uv_is_active((uv_handle_t *)&feeds->tick))
        (void)uv_timer_start(&feeds->tick, on_tick, TICK_MS, TICK_MS);
    if (edge_tail_ready(tail))
        begin(feed);
}

/* --- time ---------------------------------------------------------------- */

/* What had to be sent when the mark was set is still not sent. */
static bool
is_slow(edge_feed *feed, int64_t now)
{
    if (feed->sent_bytes >= feed->mark_bytes) {
        feed->mark_bytes = feed->put_bytes;
        feed->mark_us = now;
    }
    return feed->sent_bytes < feed->mark_bytes &&
           now - feed->mark_us >= (int64_t)feed->loop->e->options.slow_ms * 1000;
}

/* libmicrohttpd does not look at a connection while it sleeps, and a socket of ours is polled: only
 * the others would be open for a client that is gone, and keep their places from those who come. */
static bool
has_left(edge_feed *feed, int64_t now)
{
    const union MHD_ConnectionInfo *info;
    struct pollfd                   p = {.events = POLLRDHUP};

    if (feed->way == &edge_feed_socket || now - feed->looked_us < LEFT_US)
        return false;
    feed->looked_us = now;
    info = MHD_get_connection_info(feed->r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL)
        return false;
    p.fd = info->connect_fd;
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
tick_feed(edge_feed *feed, int64_t now)
{
    const edge_options *o = &feed->loop->e->options;

    if (feed->state == EDGE_FEED_WAITING && now - feed->opened_us > READY_US) {
        feed->state = EDGE_FEED_ENDED;
        edge_feed_leave_tail(feed);
        edge_problem(feed->r, EDGE_UNAVAILABLE, NULL);
        return;
    }
    if (feed->state == EDGE_FEED_OPEN) {
        if (feed->loop->now_ms / 1000 >= feed->r->caller.expires_at_s ||
            edge_session_is_over(feed->loop, &feed->r->caller))
            edge_feed_end(feed, EDGE_FEED_EXPIRED);
        else if (is_slow(feed, now))
            edge_feed_end(feed, EDGE_FEED_SLOW);
        else if (has_left(feed, now))
            edge_feed_end(feed, EDGE_FEED_LEFT);
        else if (now - feed->put_us >= (int64_t)o->heartbeat_ms * 1000) {
            feed->put_us = now;
            feed->way->beat(feed);
        }
    }
    feed->way->tick(feed, now);
}

static void
on_tick(uv_timer_t *timer)
{
    edge_feeds *feeds = timer->data;
    int64_t     now = bus_mono_us(feeds->loop->e->options.clock);
    edge_feed  *older;

    feeds->loop->now_ms = bus_now_ms(feeds->loop->e->options.clock);
    for (edge_feed *feed = feeds->all; feed != NULL; feed = older) {
        older = feed->older;
        tick_feed(feed, now);
    }
    edge_tails_tick(feeds->tails);
    if (feeds->all == NULL && !edge_tails_awake(feeds->tails))
        (void)uv_timer_stop(&feeds->tick);
}

/* --- the part ------------------------------------------------------------ */

edge_feeds *
edge_feeds_open(edge_loop *loop)
{
    edge_feeds *feeds = calloc(1, sizeof(*feeds));

    if (feeds == NULL)
        abort();
    feeds->loop = loop;
    feeds->tails = edge_tails_open(loop);
    BUS_INVARIANT(uv_timer_init(&loop->uv, &feeds->tick) == 0);
    feeds->tick.data = feeds;
    return feeds;
}

void
edge_feeds_batches(edge_feeds *feeds)
{
    edge_tails_batches(feeds->tails);
}

void
edge_feeds_flush(edge_feeds *feeds)
{
    edge_tails_flush(feeds->tails);
}

void
edge_feeds_stop(edge_feeds *feeds)
{
    edge_feed *older;

    feeds->stopping = true;
    for (edge_feed *feed = feeds->all; feed != NULL; feed = older) {
        older = feed->older;
        edge_feed_end(feed, EDGE_FEED_STOPPING);
    }
}

void
edge_feeds_abandon(edge_feeds *feeds)
{
    if (feeds == NULL)
        return;
    edge_feeds_stop(feeds);
    for (edge_feed *feed = feeds->all; feed != NULL; feed = feed->older)
        feed->way->tick(feed, INT64_MAX); /* its time to linger is over */
    edge_tails_close(feeds->tails);
}

void
edge_feeds_close(edge_feeds *feeds)
{
    if (feeds != NULL)
        uv_close((uv_handle_t *)&feeds->tick, NULL);
}

void
edge_feeds_free(edge_feeds *feeds)
{
    if (feeds == NULL)
        return;
    edge_tails_free(feeds->tails);
    free(feeds);
}
