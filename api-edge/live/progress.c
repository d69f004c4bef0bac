/* progress.c - how far the views are, for X-After.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/progress.h"
#include "api-edge/http/command.h"
#include "api-edge/http/problem.h"
#include "api-edge/query/view.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS 50
#define TOPICS_MAX 16 /* of a subscriber */
#define VIEWS_MAX 64  /* of a domain */

typedef struct {
    char    topic[BUS_VIEWS_TOPIC_BYTES];
    int64_t reached[BUS_PARTITIONS_MAX]; /* -1: not known */
} domain_progress;

struct edge_progress {
    edge_loop       *loop;
    bus_subscriber **subscribers; /* each of up to TOPICS_MAX topics */
    int              subscribers_count;
    domain_progress *domains; /* by contract */
    edge_request    *waiting; /* linked by query.next_waiting */
    uv_timer_t       poll;
};

static void on_poll(uv_timer_t *poll);

/* --- what a request waits for -------------------------------------------- */

static bool
reads_domain(const edge_view *view, bus_str domain)
{
    if (bus_str_is(domain, view->of->contract->module))
        return true;
    for (int i = 0; i < view->of->follows_count; i++)
        if (bus_str_is(domain, view->of->follows[i]->aggregate->contract->module))
            return true;
    return false;
}

/* The views whose rows the answer shows and that read the domain: the view itself and what it
 * joins. Returns how many. */
static int
readers_of(const edge_view *view, bus_str domain, const edge_view *out[EDGE_JOINS_MAX + 1])
{
    int count = 0;

    if (reads_domain(view, domain))
        out[count++] = view;
    for (int i = 0; i < view->joins_count; i++) {
        bool seen = !reads_domain(view->joins[i].other, domain);

        for (int j = 0; j < count; j++)
            seen = seen || out[j] == view->joins[i].other;
        if (!seen)
            out[count++] = view->joins[i].other;
    }
    return count;
}

static int
domain_index(const edge_progress *progress, bus_str domain)
{
    const edge_options *o = &progress->loop->e->options;

    for (int i = 0; i < o->contracts_count; i++)
        if (bus_str_is(domain, o->contracts[i]->module))
            return i;
    return -1;
}

/* Do the published batches tell that every reader has it? */
static bool
is_reached(const edge_progress *progress, const edge_request *r)
{
    const edge_position *after = &r->query.after;
    const edge_view     *readers[EDGE_JOINS_MAX + 1];
    int                  count = readers_of(r->route->view, after->domain, readers);
    int                  domain = domain_index(progress, after->domain);

    for (int i = 0; i < count; i++)
        if (!bus_str_is(after->domain, readers[i]->of->contract->module) ||
            progress->domains[domain].reached[after->partition] < after->offset)
            return false;
    return true;
}

/* --- the list of those that wait ----------------------------------------- */

static void
add_waiting(edge_progress *progress, edge_request *r)
{
    r->query.waits = true;
    r->query.next_waiting = progress->waiting;
    progress->waiting = r;
    if (!uv_is_active((uv_handle_t *)&progress->poll))
        (void)uv_timer_start(&progress->poll, on_poll, POLL_MS, POLL_MS);
}

static void
remove_waiting(edge_progress *progress, edge_request *r)
{
    edge_request **at = &progress->waiting;

    while (*at != r)
        at = &(*at)->query.next_waiting;
    *at = r->query.next_waiting;
    r->query.waits = false;
    if (progress->waiting == NULL)
        (void)uv_timer_stop(&progress->poll);
}

static void
go_on(edge_progress *progress, edge_request *r)
{
    remove_waiting(progress, r);
    edge_query_send(r);
}

/* --- looking into the store ---------------------------------------------- */

static int64_t
now_us(const edge_progress *progress)
{
    return bus_mono_us(progress->loop->e->options.clock);
}

static void
on_checked(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request  *r = query->context;
    edge_progress *progress = r->loop->progress;
    int64_t        reached = -1;

    r->query.checking = false;
    if (rc == BUS_OK && PQntuples(res) == 1)
        (void)edge_int_parse(bus_str_of(PQgetvalue(res, 0, 0)), &reached);
    PQclear(res);
    /* A batch may have come while the look-up was on its way. */
    if (reached >= r->query.after.offset || is_reached(progress, r)) {
        go_on(progress, r);
    } else if (now_us(progress) >= r->query.wait_until_us) {
        remove_waiting(progress, r);
        edge_problem(r, EDGE_VIEW_BEHIND, NULL);
    }
}

/* "select least(coalesce((select ...), -1), ...)": the reader that is behind the others. */
static void
check(edge_request *r)
{
    const edge_position *after = &r->query.after;
    const edge_view     *readers[EDGE_JOINS_MAX + 1];
    int                  count = readers_of(r->route->view, after->domain, readers);
    edge_db_query       *query = &r->query.check;
    bus_buf              sql = {0};
    bus_error            err;

    if (query->sql == NULL) {
        bus_buf_add_text(&sql, "select least(");
        for (int i = 0; i < count; i++)
            bus_buf_printf(&sql,
                           "%scoalesce((select \"offset\" from \"%s\".checkpoints where reader = "
                           "'%s' and domain = $1 and partition = $2::smallint), -1)",
                           i == 0 ? "" : ", ", readers[i]->of->contract->module,
                           readers[i]->reader);
        bus_buf_add_char(&sql, ')');
        query->sql = bus_arena_copy(&r->arena, sql.at, sql.len).at;
        query->values[0] = bus_arena_copy(&r->arena, after->domain.at, after->domain.len).at;
        query->values[1] = bus_arena_printf(&r->arena, "%d", after->partition).at;
        query->count = 2;
        query->done = on_checked;
        query->context = r;
        bus_buf_fini(&sql);
    }
    r->query.checking = edge_db_submit(r->loop->control, query, &err) == BUS_OK;
}

static void
on_poll(uv_timer_t *poll)
{
    edge_progress *progress = poll->data;
    int64_t        now = now_us(progress);
    edge_request  *next;

    for (edge_request *r = progress->waiting; r != NULL; r = next) {
        next = r->query.next_waiting;
        if (r->query.checking)
            continue; /* its answer decides */
        if (now < r->query.wait_until_us) {
            check(r);
        } else {
            remove_waiting(progress, r);
            edge_problem(r, EDGE_VIEW_BEHIND, NULL);
        }
    }
}

/* Can an answer have carried it? As long as the store does not tell how many partitions there
 * are, any may be one. */
static bool
is_ours(const edge_progress *progress, const edge_position *after)
{
    edge_loop *loop = progress->loop;
    int        domain = domain_index(progress, after->domain);
    int        partitions;

    if (domain < 0)
        return false;
    partitions = edge_commands_partitions(loop->commands, loop->e->options.contracts[domain]);
    return after->partition < (partitions > 0 ? partitions : BUS_PARTITIONS_MAX);
}

void
edge_progress_wait(edge_request *r)
{
    edge_progress *progress = r->loop->progress;

    if (!is_ours(progress, &r->query.after)) {
        edge_problem(r, EDGE_BAD_REQUEST, "X-After names no partition of a domain of ours.");
        return;
    }
    if (is_reached(progress, r)) {
        edge_query_send(r);
        return;
    }
    r->query.wait_until_us =
        now_us(progress) + (int64_t)r->loop->e->options.after_deadline_ms * 1000;
    add_waiting(progress, r);
    check(r);
}

/* --- batches ------------------------------------------------------------- */

static void
take_batch(edge_progress *progress, const bus_batch *batch)
{
    int index = 0;

    while (index < progress->loop->e->options.contracts_count &&
           !bus_str_is(batch->topic, progress->domains[index].topic))
        index++;
    if (index == progress->loop->e->options.contracts_count ||
        batch->partition >= BUS_PARTITIONS_MAX)
        return;
    if (progress->domains[index].reached[batch->partition] < batch->first_offset)
        progress->domains[index].reached[batch->partition] = batch->first_offset;
}

void
edge_progress_batches(edge_progress *progress)
{
    const bus_transport_ops *ops = progress->loop->e->options.transport_ops;
    edge_request            *next;
    bool                     some = false;

    for (int i = 0; i < progress->subscribers_count; i++) {
        bus_batch *batch;

        while ((batch = ops->next(progress->subscribers[i], 0)) != NULL) {
            take_batch(progress, batch);
            bus_batch_release(batch);
            some = true;
        }
    }
    for (edge_request *r = some ? progress->waiting : NULL; r != NULL; r = next) {
        next = r->query.next_waiting;
        if (!r->query.checking && is_reached(progress, r))
            go_on(progress, r);
    }
}

/* --- the part ------------------------------------------------------------ */

static void
on_batches(void *context)
{
    edge_loop *loop = context;

    (void)uv_async_send(&loop->wake);
}

static bus_code
subscribe(edge_progress *progress, int first, bus_error *err)
{
    const edge_options *o = &progress->loop->e->options;
    const char         *topics[TOPICS_MAX];
    bus_code            rc;
    int                 count = 0;

    for (int i = first; i < o->contracts_count && count < TOPICS_MAX; i++)
        topics[count++] = progress->domains[i].topic;
    rc = o->transport_ops->subscribe(o->transport, topics, count, on_batches, progress->loop,
                                     &progress->subscribers[progress->subscribers_count], err);
    if (rc == BUS_OK)
        progress->subscribers_count++;
    return rc;
}

/* The topic of a domain's projector, of the release that we are of. */
static void
name_topic(const edge_options *o, const bus_contract *contract, char out[BUS_VIEWS_TOPIC_BYTES])
{
    const bus_view_contract *views[VIEWS_MAX];
    int                      versions[VIEWS_MAX], count = 0;

    for (int i = 0; i < o->views_count && count < VIEWS_MAX; i++) {
        if (o->views[i]->of->contract != contract)
            continue;
        views[count] = o->views[i]->of;
        versions[count++] = o->views[i]->view_version;
    }
    bus_views_topic(contract->module, views, versions, count, out);
}

bus_code
edge_progress_open(edge_progress **out, edge_loop *loop, bus_error *err)
{
    const edge_options *o = &loop->e->options;
    edge_progress      *progress = calloc(1, sizeof(*progress));
    bus_code            rc = BUS_OK;

    if (progress == NULL)
        abort();
    progress->loop = loop;
    progress->domains = calloc((size_t)o->contracts_count + 1, sizeof(*progress->domains));
    progress->subscribers =
        calloc((size_t)o->contracts_count / TOPICS_MAX + 1, sizeof(bus_subscriber *));
    if (progress->domains == NULL || progress->subscribers == NULL)
        abort();
    for (int i = 0; i < o->contracts_count; i++) {
        memset(progress->domains[i].reached, 0xff, sizeof(progress->domains[i].reached));
        name_topic(o, o->contracts[i], progress->domains[i].topic);
    }
    BUS_INVARIANT(uv_timer_init(&loop->uv, &progress->poll) == 0);
    progress->poll.data = progress;
    *out = progress;
    for (int i = 0; i < o->contracts_count && rc == BUS_OK; i += TOPICS_MAX)
        rc = subscribe(progress, i, err);
    return rc;
}

void
edge_progress_abandon(edge_progress *progress)
{
    while (progress != NULL && progress->waiting != NULL) {
        edge_request *r = progress->waiting;

        remove_waiting(progress, r);
        edge_problem(r, EDGE_UNAVAILABLE, NULL);
    }
}

void
edge_progress_close(edge_progress *progress)
{
    if (progress == NULL)
        return;
    for (int i = 0; i < progress->subscribers_count; i++)
        progress->loop->e->options.transport_ops->unsubscribe(progress->subscribers[i]);
    uv_close((uv_handle_t *)&progress->poll, NULL);
}

void
edge_progress_free(edge_progress *progress)
{
    if (progress == NULL)
        return;
    free(progress->domains);
    free(progress->subscribers);
    free(progress);
}
