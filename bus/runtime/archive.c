/* archive.c - plans what may go to files, and has the store move it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/archive.h"
#include "bus/runtime/owners.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const bus_runtime_options *options;
    const bus_archive_wish    *wish;
    bus_store                 *log, *views; /* of the domain, of the default database */
    bus_arena                  arena;
    bus_archive_plan           plans[BUS_PARTITIONS_MAX];
    int                        count;
} work;

/* --- what stays ----------------------------------------------------------------- */

static void
hold(work *w, int partition, int64_t up_to, bus_str reader, const char *home, const char *why)
{
    bus_archive_plan *p = &w->plans[partition];

    if (partition >= w->count || up_to >= p->up_to)
        return;
    p->up_to = up_to;
    (void)snprintf(p->held_by, sizeof(p->held_by), "%.*s of %s%s", BUS_STR_ARG(reader), home, why);
}

/* The readers whose checkpoints are in one home, in one database. */
static bus_code
hold_for_home(work *w, bus_store *st, const char *home, bus_error *err)
{
    const bus_store_ops *ops = w->options->store;
    const char          *domain = w->wish->domain->module;
    bus_checkpoint_info *checkpoints;
    bus_parked          *parked;
    int                  count;
    bus_code             rc = ops->checkpoints(st, home, &w->arena, &checkpoints, &count, err);

    if (rc != BUS_OK)
        return rc == BUS_NOT_FOUND ? BUS_OK : rc; /* there is no such home here */
    for (int i = 0; i < count; i++)
        if (bus_str_is(checkpoints[i].domain, domain) &&
            !bus_reader_keeps_time(checkpoints[i].reader))
            hold(w, checkpoints[i].partition, checkpoints[i].offset, checkpoints[i].reader, home,
                 "");
    if ((rc = ops->parked(st, home, NULL, &w->arena, &parked, &count, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < count; i++)
        if (bus_str_is(parked[i].domain, domain))
            hold(w, parked[i].partition, parked[i].from_offset - 1, parked[i].reader, home,
                 ", which has a stream parked");
    return BUS_OK;
}

/* Checkpoints lie in a domain's own database (couriers) and in the default one (views). */
static bus_code
hold_for_readers(work *w, bus_error *err)
{
    const bus_runtime_options *o = w->options;
    bus_code                   rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < o->contracts_count; i++) {
        const char *home = o->contracts[i]->module;
        bus_store  *own = NULL;

        rc = hold_for_home(w, w->views, home, err);
        if (rc != BUS_OK || o->url_of == NULL || o->url_of(o->url_context, home) == NULL)
            continue;
        if ((rc = bus_runtime_store(o, NULL, home, "shina archive", &own, err)) == BUS_OK)
            rc = hold_for_home(w, own, home, err);
        o->store->close(own);
    }
    return rc;
}

/* --- the time --------------------------------------------------------------------- */

static bus_code
see_time(void *context, const bus_record *record, bus_error *err)
{
    (void)err;
    *(int64_t *)context = record->at_ms;
    return BUS_OK;
}

/* Times do not go back within a partition, so the last event of before a time is found by halves.
 */
static bus_code
hold_for_time(work *w, bus_archive_plan *p, bus_error *err)
{
    int64_t low = p->archived, high = p->up_to; /* low is of before, or archived already */

    while (low < high) {
        int64_t  middle = low + (high - low + 1) / 2, at_ms = INT64_MAX;
        bus_code rc =
            w->options->store->read(w->log, w->wish->domain->module, (uint16_t)p->partition,
                                    middle - 1, 1, see_time, &at_ms, err);

        if (rc != BUS_OK)
            return rc;
        if (at_ms < w->wish->before_ms)
            low = middle;
        else
            high = middle - 1;
    }
    if (low < p->up_to) {
        p->up_to = low;
        p->held_by[0] = '\0'; /* the wish itself is the bound */
    }
    return BUS_OK;
}

/* --- the plan ------------------------------------------------------------------------ */

static bus_code
begin_plans(work *w, bus_error *err)
{
    const bus_store_ops *ops = w->options->store;
    const char          *domain = w->wish->domain->module;
    int64_t              keep = w->wish->keep < 1 ? 1 : w->wish->keep;
    bus_partition_info  *infos;
    bus_archive_info    *archives;
    int                  archives_count;
    bus_code             rc = ops->partitions(w->log, domain, &w->arena, &infos, &w->count, err);

    if (rc != BUS_OK ||
        (rc = ops->archives(w->log, domain, &w->arena, &archives, &archives_count, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < w->count; i++)
        w->plans[i] = (bus_archive_plan){
            .partition = i,
            .head = infos[i].head,
            .up_to = infos[i].head > keep ? infos[i].head - keep : 0,
        };
    for (int i = 0; i < archives_count; i++)
        w->plans[archives[i].partition].archived = archives[i].last; /* in order */
    return BUS_OK;
}

static bus_code
plan(work *w, bus_error *err)
{
    bus_code rc;

    if ((rc = begin_plans(w, err)) != BUS_OK || (rc = hold_for_readers(w, err)) != BUS_OK)
        return rc;
    for (int i = 0; rc == BUS_OK && w->wish->before_ms != 0 && i < w->count; i++)
        rc = hold_for_time(w, &w->plans[i], err);
    return rc;
}

/* --- carrying it out ------------------------------------------------------------------ */

static bool
go_on(const work *w)
{
    return w->wish->go_on == NULL || w->wish->go_on(w->wish->context);
}

/* File by file. One that an earlier run began is finished even if no more is to go. */
static bus_code
carry_out(work *w, bus_archive_plan *p, int64_t *events, bus_error *err)
{
    const bus_archive_wish *wish = w->wish;
    int64_t                 up_to = p->up_to > p->archived ? p->up_to : p->archived, reached;

    if (wish->progress != NULL)
        wish->progress(wish->context, p);
    if (wish->dry_run || up_to == 0)
        return BUS_OK;
    do {
        bus_code rc;

        if (!go_on(w))
            return bus_fail(err, BUS_CLOSED, "stopped");
        rc = w->options->store->archive(w->log, wish->domain->module, (uint16_t)p->partition, up_to,
                                        &reached, err);
        if (rc != BUS_OK)
            return rc;
        if (reached <= p->archived)
            break;
        *events += reached - p->archived;
        p->archived = reached;
        if (wish->progress != NULL)
            wish->progress(wish->context, p);
    } while (p->archived < up_to);
    return BUS_OK;
}

bus_code
bus_archive_run(const bus_runtime_options *options, const bus_archive_wish *wish, int64_t *events,
                bus_error *err)
{
    work     w = {.options = options, .wish = wish};
    bus_code rc;

    *events = 0;
    rc = bus_runtime_store(options, NULL, wish->domain->module, "shina archive", &w.log, err);
    if (rc == BUS_OK)
        rc = bus_runtime_views_store(options, NULL, "shina archive", &w.views, err);
    if (rc == BUS_OK)
        rc = plan(&w, err);
    for (int i = 0; rc == BUS_OK && i < w.count; i++)
        rc = carry_out(&w, &w.plans[i], events, err);
    options->store->close(w.views);
    options->store->close(w.log);
    bus_arena_fini(&w.arena);
    return rc;
}
