/* projector.c - fills the views of one domain.
 *
 * Each view's table has checkpoints of its own. One that is not there yet is built beside the
 * work on the others, by a thread of its own (bus/runtime/rebuild.h). One turn: take records of
 * every log that a view follows, fold them for all views in memory, write each changed row once
 * together with the checkpoints. An event that a view cannot handle parks its stream for that
 * view; the rest goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "bus/runtime/grants.h"
#include "bus/runtime/projector_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RENEW_US 1500000
#define IDLE_MS 1000
#define TROUBLE_MS 250 /* pause while the store is out of reach */
/* A turn costs the store some rows for each view and partition, however few events it has. So when
 * many come, but not as many as would fill a turn, some are left to gather for the next. */
#define BUSY_EVENTS 32
#define GATHER_MS 10
#define ANALYZE_ROWS 1000 /* written, until the store looks at a table for the first time */

void
projector_store_trouble(bus_projector *p, const char *doing, const bus_error *err)
{
    if (!atomic_exchange(&p->trouble, true))
        bus_log_warn("projector.store_failed", BUS_KV("domain", p->home), BUS_KV("doing", doing),
                     BUS_KV_ERR(err));
}

/* --- one turn ------------------------------------------------------------------------ */

static bus_code
take_records(bus_projector *p, projector_harvest *h, bus_error *err)
{
    bus_code rc = BUS_OK;

    h->count = 0;
    for (int s = 0; rc == BUS_OK && s < p->sources_count && h->count < RECORDS_MAX; s++) {
        int count, end;

        rc = bus_follow_next(p->sources[s].follow, &p->arena, &h->records[h->count],
                             RECORDS_MAX - h->count, &count, err);
        for (end = h->count + count; h->count < end; h->count++) {
            const bus_record *r = &h->records[h->count];

            p->sources[s].at[r->partition] = r->offset;
            h->source[h->count] = s;
            h->events[h->count].type = NULL;
        }
    }
    return rc;
}

static bool
followed(const bus_projector *p, const bus_message *type)
{
    for (int t = 0; t < p->tables_count; t++)
        if (p->tables[t].held && bus_fold_follows(p->tables[t].view, type))
            return true;
    return false;
}

/* Reads the events that some view follows; one that cannot be read is parked by each of them. Not
 * BUS_OK: the keys of personal data are out of reach. */
static bus_code
decode(bus_projector *p, projector_harvest *h, bus_error *out)
{
    const bus_message **types =
        BUS_ARENA_ARRAY(&p->arena, const bus_message *, (size_t)h->count + 1);
    bus_code rc;

    for (int i = 0; i < h->count; i++) {
        types[i] = bus_contract_event(p->sources[h->source[i]].contract, h->records[i].type);
        if (types[i] != NULL && !followed(p, bus_message_newest(types[i])))
            types[i] = NULL;
    }
    rc = bus_prepare_records(p->personal, types, h->records, h->count, &p->arena, out);
    for (int i = 0; rc == BUS_OK && i < h->count; i++) {
        const bus_contract *contract = p->sources[h->source[i]].contract;
        bus_error           err = {0};
        bus_code            read;

        if (types[i] == NULL)
            continue;
        read = bus_event_of_record(&contract, 1, &h->records[i], p->personal, &p->arena,
                                   &h->events[i], &err);
        if (bus_is_outage(read)) {
            *out = err;
            rc = read;
        } else if (read != BUS_OK) {
            bus_log_error("projector.event_unreadable", BUS_KV("domain", p->home),
                          BUS_KV_ID("stream", h->records[i].stream), BUS_KV_ERR(&err));
            h->events[i].type = bus_message_newest(types[i]); /* its folds will fault */
            h->events[i].data = NULL;
        }
    }
    return rc;
}

bool
projector_takes(const bus_projector *p, int t, const projector_harvest *h, int i)
{
    const bus_record     *record = &h->records[i];
    const projector_skip *skip = projector_skip_of(p, t, record->stream);

    return h->events[i].type != NULL && bus_fold_follows(p->tables[t].view, h->events[i].type) &&
           record->offset > p->tables[t].at[h->source[i]][record->partition].offset &&
           (skip == NULL || record->offset < skip->from_offset);
}

bus_code
projector_load_rows(bus_projector *p, bus_fold *fold, bus_error *err)
{
    int       count = 0, n = (int)HASH_COUNT(fold->rows);
    bus_id   *tenants = BUS_ARENA_ARRAY(&p->arena, bus_id, (size_t)n + 1);
    bus_id   *ids = BUS_ARENA_ARRAY(&p->arena, bus_id, (size_t)n + 1);
    bus_row **rows = BUS_ARENA_ARRAY(&p->arena, bus_row *, (size_t)n + 1);
    bus_str  *bodies = BUS_ARENA_ARRAY(&p->arena, bus_str, (size_t)n + 1);
    int32_t  *versions = BUS_ARENA_ARRAY(&p->arena, int32_t, (size_t)n + 1);
    bus_code  rc = BUS_OK;

    for (bus_row *row = fold->rows; row != NULL; row = row->hh.next) {
        if (row->loaded)
            continue;
        tenants[count] = row->key.tenant;
        ids[count] = row->key.id;
        rows[count++] = row;
    }
    if (count > 0)
        rc = p->options->store->view_rows(p->store, fold->view->of, fold->view->view_version,
                                          tenants, ids, count, &p->arena, bodies, versions, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        rc = bus_fold_load(fold, rows[i], bodies[i], versions[i], err);
    return rc;
}

void
projector_park(bus_projector *p, int t, const bus_record *record, int of_source,
               const bus_error *why, projector_parkings *parks)
{
    bus_log_error("projector.parked", BUS_KV("view", p->tables[t].view->of->name),
                  BUS_KV_ID("stream", record->stream), BUS_KV_STR("type", record->type),
                  BUS_KV_ERR(why));
    bus_metric_add(&p->metrics[METRIC_PARKED], 1);
    parks->sources[parks->count] = of_source;
    parks->writes[parks->count++] = (bus_park_write){
        .stream = record->stream,
        .partition = record->partition,
        .from_offset = record->offset,
        .reason = bus_arena_printf(&p->arena, "%s", why->text).at,
    };
    projector_add_skip(p, t, record->stream, record->offset, false);
}

/* Folds the harvest for one table. BUS_FAULT: one more stream is parked; fold anew. */
static bus_code
fold_once(bus_projector *p, int t, const projector_harvest *h, bus_fold *fold,
          projector_parkings *parks, bus_error *err)
{
    bus_code rc = BUS_OK;
    int      i;

    *fold = (bus_fold){.view = p->tables[t].view, .arena = &p->arena};
    for (i = 0; i < h->count; i++) {
        if (!projector_takes(p, t, h, i))
            continue;
        rc = h->events[i].data == NULL ? bus_fail(err, BUS_FAULT, "the event breaks its contract")
                                       : bus_fold_touch(fold, &h->events[i], err);
        if (rc != BUS_OK)
            break;
    }
    if (rc == BUS_OK && (rc = projector_load_rows(p, fold, err)) != BUS_OK)
        return rc;
    for (i = rc == BUS_OK ? 0 : i; rc == BUS_OK && i < h->count; i++) {
        if (!projector_takes(p, t, h, i))
            continue;
        rc = bus_fold_event(fold, &h->events[i], err);
        if (rc != BUS_OK)
            break;
    }
    if (rc == BUS_FAULT)
        projector_park(p, t, &h->records[i], h->source[i], err, parks);
    return rc;
}

void
projector_gather_rows(const bus_fold *fold, bus_effect *effect)
{
    effect->rows = BUS_ARENA_ARRAY(fold->arena, bus_row_write, (size_t)HASH_COUNT(fold->rows) + 1);
    for (const bus_row *row = fold->rows; row != NULL; row = row->hh.next)
        if (row->changed)
            effect->rows[effect->rows_count++] = bus_row_write_of(fold, row);
    bus_row_writes_sort(effect->rows, effect->rows_count);
}

/* The table's effects: one per log it follows, the rows with the first. Prepends to *chain. */
static void
add_effects(bus_projector *p, int t, const bus_effect *rows, const projector_parkings *parks,
            const bus_effect **chain)
{
    bool first = true;

    for (int s = 0; s < p->sources_count; s++) {
        bus_effect *effect;

        if (!p->tables[t].follows[s])
            continue;
        effect = BUS_ARENA_NEW(&p->arena, bus_effect);
        if (first)
            *effect = *rows;
        first = false;
        effect->home = p->home;
        effect->reader = p->tables[t].reader;
        effect->domain = p->sources[s].contract->module;
        effect->checkpoints = BUS_ARENA_ARRAY(&p->arena, bus_checkpoint, (size_t)p->partitions);
        for (int part = 0; part < p->partitions; part++) {
            bus_checkpoint now = p->tables[t].at[s][part];

            if (p->sources[s].at[part] <= now.offset)
                continue;
            now.offset = p->sources[s].at[part];
            effect->checkpoints[effect->checkpoints_count++] = now;
        }
        effect->parks = BUS_ARENA_ARRAY(&p->arena, bus_park_write, (size_t)parks->count + 1);
        for (int i = 0; i < parks->count; i++)
            if (parks->sources[i] == s)
                effect->parks[effect->parks_count++] = parks->writes[i];
        if (effect->checkpoints_count == 0 && effect->rows_count == 0 && effect->parks_count == 0)
            continue;
        effect->also = *chain;
        *chain = effect;
    }
}

static bus_code
fold_table(bus_projector *p, int t, const projector_harvest *h, const bus_effect **chain,
           bus_error *err)
{
    bus_effect         rows = {0};
    projector_parkings parks = {
        .writes = BUS_ARENA_ARRAY(&p->arena, bus_park_write, (size_t)h->count + 1),
        .sources = BUS_ARENA_ARRAY(&p->arena, int, (size_t)h->count + 1),
    };
    bus_fold fold = {0};
    bus_code rc;

    for (;;) { /* each time one stream less: it ends */
        rc = p->tables[t].stream != NULL ? projector_fold_stream(p, t, h, &rows, &parks, err)
                                         : fold_once(p, t, h, &fold, &parks, err);
        if (rc != BUS_FAULT)
            break;
        bus_fold_fini(&fold);
    }
    if (rc == BUS_OK && p->tables[t].stream == NULL)
        projector_gather_rows(&fold, &rows);
    bus_fold_fini(&fold);
    if (rc != BUS_OK)
        return rc;
    bus_metric_add(&p->metrics[METRIC_ROWS], rows.rows_count);
    p->tables[t].written += rows.rows_count;
    add_effects(p, t, &rows, &parks, chain);
    return BUS_OK;
}

/* Tells the edges how far the views of our own log have come (read your writes). */
static void
publish_progress(bus_projector *p, const bus_effect *chain)
{
    bool changed[BUS_PARTITIONS_MAX] = {false};

    if (p->held_count < p->tables_count)
        return; /* others fill some: the edge asks the store */
    for (; chain != NULL; chain = chain->also)
        for (int i = 0; strcmp(chain->domain, p->home) == 0 && i < chain->checkpoints_count; i++)
            changed[chain->checkpoints[i].partition] = true;
    for (int part = 0; part < p->partitions; part++) {
        bus_batch  batch = {.topic = bus_str_of(p->topic), .partition = (uint16_t)part};
        bus_batch *owned;

        if (!changed[part])
            continue;
        for (int s = 0; s < p->sources_count; s++)
            if (p->sources[s].contract == p->contract)
                batch.first_offset = p->sources[s].at[part];
        owned = bus_batch_of(&batch);
        p->options->transport_ops->publish(p->options->transport, owned);
        bus_batch_release(owned);
    }
}

/* The checkpoints of the tables are now where the logs were taken to. */
static void
advance(bus_projector *p)
{
    for (int t = 0; t < p->tables_count; t++)
        for (int s = 0; s < p->sources_count; s++)
            for (int part = 0; p->tables[t].held && p->tables[t].follows[s] && part < p->partitions;
                 part++)
                if (p->sources[s].at[part] > p->tables[t].at[s][part].offset)
                    p->tables[t].at[s][part].offset = p->sources[s].at[part];
}

/* A table that grows is looked at after a thousand rows, and whenever they have doubled: a database
 * that still believes it small sorts all of it for a page. Trouble with that is no trouble of ours.
 */
static void
analyze_grown(bus_projector *p)
{
    for (int t = 0; t < p->tables_count; t++) {
        projector_table *tb = &p->tables[t];
        bus_error        err;

        if (tb->written < tb->analyze_at)
            continue;
        tb->analyze_at = tb->written * 2;
        if (p->options->store->view_analyze(p->store, tb->view->of, tb->view->view_version, &err) !=
            BUS_OK)
            bus_log_warn("projector.analyze_failed", BUS_KV("view", tb->name), BUS_KV_ERR(&err));
    }
}

/* BUS_OK with *idle: there was nothing to do. */
static bus_code
turn(bus_projector *p, bool *idle, bus_error *err)
{
    projector_harvest *h = &p->harvest;
    const bus_effect  *chain = NULL;
    int64_t            began = bus_mono_us(p->options->clock);
    bus_code           rc = take_records(p, h, err);

    *idle = h->count == 0;
    if (rc != BUS_OK || h->count == 0)
        return rc;
    rc = decode(p, h, err);
    for (int t = 0; rc == BUS_OK && t < p->tables_count; t++)
        if (p->tables[t].held)
            rc = fold_table(p, t, h, &chain, err);
    BUS_FAIL_POINT("projector.effect");
    if (rc == BUS_OK && chain != NULL)
        rc = p->options->store->effect(p->store, chain, err);
    for (int t = 0; t < p->tables_count; t++)
        projector_end_stream(&p->tables[t], rc == BUS_OK);
    if (rc != BUS_OK)
        return rc;
    BUS_FAIL_POINT("projector.effected");
    advance(p);
    for (projector_skip *s = p->skip; s != NULL; s = s->hh.next)
        s->written = true;
    publish_progress(p, chain);
    BUS_FAIL_POINT("projector.published");
    analyze_grown(p);
    bus_metric_add(&p->metrics[METRIC_EVENTS], h->count);
    bus_metric_observe_us(&p->metrics[METRIC_TURN_US], bus_mono_us(p->options->clock) - began);
    return BUS_OK;
}

/* A turn failed: nothing of it happened, so the logs are read from the checkpoints again. Where
 * nobody knows whether it happened, the checkpoints are taken anew: the old connection cannot
 * commit any more then, and the store tells how far it came. */
static void
step_back(bus_projector *p, bus_code rc, const bus_error *err)
{
    projector_store_trouble(p, "folding", err);
    projector_forget_skips(p, false);
    if (rc == BUS_FENCED)
        projector_renew(p); /* tells which tables are another's */
    if (rc == BUS_UNKNOWN && !BUS_PLANTED("projector.unknown_is_lost"))
        projector_forget_tables(p);
    else
        projector_place_sources(p);
    bus_bell_wait(&p->bell, TROUBLE_MS);
}

static void
note_behind(bus_projector *p)
{
    int64_t behind = 0;
    bool    caught_up = true;

    for (int s = 0; s < p->sources_count; s++) {
        behind += bus_follow_behind(p->sources[s].follow);
        caught_up = caught_up && bus_follow_caught_up(p->sources[s].follow);
    }
    atomic_store(&p->behind, behind);
    if (caught_up)
        atomic_store(&p->caught_up, true);
}

static void
let_events_gather(bus_projector *p)
{
    if (p->harvest.count >= BUSY_EVENTS && p->harvest.count < RECORDS_MAX / 4)
        bus_thread_sleep(p->options->threads, GATHER_MS);
}

static void *
projector_main(void *context)
{
    bus_projector *p = context;

    bus_thread_name("views", p->home);
    projector_take_tables(p);
    p->renewed_us = bus_mono_us(p->options->clock);
    while (!atomic_load(&p->stopping)) {
        bus_error err = {0};
        bus_code  rc;
        bool      idle = true;

        if (bus_mono_us(p->options->clock) - p->renewed_us >= RENEW_US)
            projector_renew(p);
        bus_arena_reset(&p->arena);
        if (atomic_exchange(&p->built, false)) {
            projector_take_built(p);
            projector_take_tables(p);
            p->renewed_us = bus_mono_us(p->options->clock);
        }
        projector_tidy(p);
        if (p->tried_us + RENEW_US <= bus_mono_us(p->options->clock)) {
            p->tried_us = bus_mono_us(p->options->clock);
            projector_try_parked(p);
        }
        if (p->held_count > 0) {
            rc = turn(p, &idle, &err);
            if (rc == BUS_OK && idle)
                rc = projector_settle_streams(p, &idle, &err);
            if (rc != BUS_OK) {
                step_back(p, rc, &err);
                continue;
            }
            atomic_store(&p->trouble, false);
            note_behind(p);
            let_events_gather(p);
        }
        if (idle)
            bus_bell_wait(&p->bell, IDLE_MS);
    }
    projector_release_tables(p); /* one that stands by may go on at once */
    return NULL;
}

/* --- starting and stopping --------------------------------------------------------------- */

static int
source_of(bus_projector *p, const bus_contract *contract)
{
    for (int s = 0; s < p->sources_count; s++)
        if (p->sources[s].contract == contract)
            return s;
    BUS_INVARIANT(p->sources_count < SOURCES_MAX);
    p->sources[p->sources_count].contract = contract;
    return p->sources_count++;
}

static bus_code
open_sources(bus_projector *p, bus_error *err)
{
    for (int s = 0; s < p->sources_count; s++) {
        projector_source *src = &p->sources[s];
        const char       *domain = src->contract->module;
        bus_code          rc;

        if ((rc = bus_runtime_store(p->options, p->home, domain, p->part, &src->store, err)) !=
                BUS_OK ||
            (rc = p->options->store->create_domain(src->store, domain, p->partitions, err)) !=
                BUS_OK ||
            (rc = bus_follow_open(&src->follow, p->options, src->store, domain, false, &p->bell,
                                  err)) != BUS_OK)
            return rc;
    }
    return BUS_OK;
}

/* The view and its inputs. */
static void
open_table(bus_projector *p, int t, const bus_view *view)
{
    projector_table *tb = &p->tables[t];

    tb->view = view;
    tb->analyze_at = ANALYZE_ROWS;
    projector_open_stream(p, tb);
    bus_view_table_name(view->of, view->view_version, tb->name);
    (void)snprintf(tb->reader, sizeof(tb->reader), "view.%s", tb->name);
    for (int i = 0; i < view->of->follows_count; i++)
        tb->follows[source_of(p, view->of->follows[i]->aggregate->contract)] = true;
}

static void
init_metrics(bus_projector *p)
{
    static const struct {
        const char *name, *help;
        int         kind;
    } rows[METRICS] = {
        [METRIC_EVENTS] = {"bus_projector_events_total", "Events folded.", BUS_METRIC_COUNTER},
        [METRIC_ROWS] = {"bus_projector_rows_total", "Rows of views written.", BUS_METRIC_COUNTER},
        [METRIC_TURN_US] = {"bus_projector_turn_seconds", "Time of one turn.",
                            BUS_METRIC_HISTOGRAM},
        [METRIC_PARKED] = {"bus_projector_parked_total", "Streams parked.", BUS_METRIC_COUNTER},
    };

    (void)snprintf(p->labels, sizeof(p->labels), "domain=\"%s\"", p->home);
    for (int i = 0; i < METRICS; i++) {
        p->metrics[i].name = rows[i].name;
        p->metrics[i].help = rows[i].help;
        p->metrics[i].kind = (__typeof__(p->metrics[i].kind))rows[i].kind;
        p->metrics[i].labels = p->labels;
    }
    bus_metrics_register(p->metrics, METRICS);
}

static void
make_harvest(projector_harvest *h)
{
    h->records = malloc(sizeof(*h->records) * RECORDS_MAX);
    h->events = malloc(sizeof(*h->events) * RECORDS_MAX);
    h->source = malloc(sizeof(*h->source) * RECORDS_MAX);
    if (h->records == NULL || h->events == NULL || h->source == NULL)
        abort();
}

static void
free_harvest(projector_harvest *h)
{
    free(h->records);
    free(h->events);
    free(h->source);
}

static void
free_projector(bus_projector *p)
{
    bus_metrics_unregister(p->metrics);
    projector_forget_skips(p, true);
    for (int i = 0; i < p->sources_count; i++) {
        bus_follow_close(p->sources[i].follow);
        if (p->sources[i].store != NULL)
            p->options->store->close(p->sources[i].store);
    }
    if (p->store != NULL)
        p->options->store->close(p->store);
    bus_personal_destroy(p->personal);
    bus_bell_fini(&p->bell);
    bus_arena_fini(&p->arena);
    for (int t = 0; t < p->tables_count; t++)
        projector_close_stream(&p->tables[t]);
    free_harvest(&p->harvest);
    free(p->tables);
    free(p);
}

/* Of all views that the edge reads, also those that are filled with others. */
static void
name_topic(bus_projector *p, const bus_view *const *views, int count)
{
    const bus_view_contract *contracts[VIEWS_MAX];
    int                      versions[VIEWS_MAX];

    for (int i = 0; i < count; i++) {
        contracts[i] = views[i]->of;
        versions[i] = views[i]->view_version;
    }
    bus_views_topic(p->home, contracts, versions, count, p->topic);
}

bus_code
bus_projector_start(bus_projector **out, const bus_contract *contract, const bus_view *const *views,
                    int views_count, const bus_runtime_options *options, bus_error *err)
{
    bus_projector *p = calloc(1, sizeof(*p));
    bus_code       rc = BUS_OK;

    if (p == NULL)
        abort();
    p->contract = contract;
    p->options = options;
    p->home = contract->module;
    p->partitions = options->partitions;
    p->tables = calloc((size_t)views_count + 1, sizeof(*p->tables));
    if (p->tables == NULL)
        abort();
    make_harvest(&p->harvest);
    (void)snprintf(p->part, sizeof(p->part), "projector %.80s", p->home);
    init_metrics(p);
    p->personal = bus_runtime_personal(options, p->home, p->part);
    bus_bell_init(&p->bell, p->options->threads);
    if (views_count > VIEWS_MAX)
        rc = bus_fail(err, BUS_INVALID, "%s has more than %d views", p->home, VIEWS_MAX);
    if (rc != BUS_OK ||
        (rc = bus_runtime_views_store(options, p->home, p->part, &p->store, err)) != BUS_OK ||
        (rc = options->store->create_domain(p->store, p->home, p->partitions, err)) != BUS_OK)
        goto failed;
    bus_runtime_grant(options, contract);
    for (int i = 0; i < views_count; i++)
        if (views[i]->of->part_of == NULL)
            open_table(p, p->tables_count++, views[i]);
    name_topic(p, views, views_count);
    if ((rc = open_sources(p, err)) != BUS_OK || (rc = projector_find_tables(p, err)) != BUS_OK)
        goto failed;
    if ((rc = projector_start_builder(p, err)) != BUS_OK)
        goto failed;
    if (!bus_thread_start(&p->thread, p->options->threads, projector_main, p)) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "no thread for the %s", p->part);
        projector_stop_builder(p);
        goto failed;
    }
    *out = p;
    return BUS_OK;

failed:
    free_projector(p);
    return rc;
}

void
bus_projector_stop(bus_projector *p)
{
    if (p == NULL)
        return;
    atomic_store(&p->stopping, true);
    bus_bell_ring(&p->bell);
    bus_thread_join(&p->thread);
    projector_stop_builder(p);
    free_projector(p);
}

int
bus_projector_health(const bus_projector *p, bus_health *out)
{
    *out = (bus_health){.part = p->part,
                        .partitions = p->partitions,
                        .of = p->partitions,
                        .behind = atomic_load(&p->behind),
                        .parked = atomic_load(&p->parked)};
    out->ready = !atomic_load(&p->trouble) && !atomic_load(&p->building) &&
                 (atomic_load(&p->caught_up) || atomic_load(&p->stands_by));
    if (atomic_load(&p->stands_by))
        out->partitions = 0;
    if (atomic_load(&p->building))
        (void)snprintf(out->detail, sizeof(out->detail), "building new tables: %d %%",
                       atomic_load(&p->build_percent));
    else if (atomic_load(&p->stands_by) && out->ready)
        (void)snprintf(out->detail, sizeof(out->detail), "stands by: another process fills them");
    else if (atomic_load(&p->trouble))
        (void)snprintf(out->detail, sizeof(out->detail), "the store is out of reach");
    else if (!out->ready)
        (void)snprintf(out->detail, sizeof(out->detail), "catching up: %lld events behind",
                       (long long)out->behind);
    return 1;
}
