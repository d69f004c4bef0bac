/* rebuild.c - passes over the log, then what came meanwhile, then the swap.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/rebuild.h"
#include "bus/base/failpoint.h"
#include "bus/log/log.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/owners.h"
#include "bus/store/view_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASHES (UINT64_C(1) << 32) /* values of bus_row_hash */
#define LOGS_MAX 16                /* followed by the views of one domain */
#define PAGE 1000                  /* records of one read */
#define FILL_ROWS 4000             /* rows of one copy: far less than a second */
#define REPORT_US 1000000
#define SKIPPED_MAX 1000 /* streams that cannot be folded, of one view; beyond: give up */
#define NEAR 500         /* events behind: near enough to take the projector's place */
#define CHASES_MAX 1000  /* turns of catching up before that, at most */
#define SWAP_TRIES 10    /* a long read may be in the way */
#define SWAP_PAUSE_MS 500

typedef struct {
    const bus_contract *contract;
    bus_store          *store;
    int64_t             head[BUS_PARTITIONS_MAX]; /* when the build began */
    int64_t             at[BUS_PARTITIONS_MAX];   /* folded so far */
} source;

/* A stream that the view cannot fold from an event on: it will be parked. */
typedef struct {
    int            log;
    bus_park_write park;
} skipped;

typedef struct {
    const bus_view *view;
    char            reader[16 + BUS_VIEW_TABLE_BYTES];
    bool            follows[LOGS_MAX];
    bus_fold        fold;
    skipped        *skip;
    int             skip_count;
    bool            alone;   /* all events of a row are in one partition of one log */
    bool            in_unit; /* it is folded now */
    bool            placed;  /* it has taken its place */
} target;

/* What is folded at a time: one partition, for the views whose rows have all their events there; or
 * all that the other views follow. The fewer rows come together, the fewer are the passes. */
typedef struct {
    int     log, partition; /* -1: all */
    int64_t events, before; /* of this one, of those before it */
    int64_t rows_before;
} unit;

/* An event that was read while catching up. */
typedef struct {
    bus_event event;
    int       log;
    uint16_t  partition;
    int64_t   offset;
} caught;

typedef struct {
    const bus_runtime_options *options;
    const bus_store_ops       *ops;
    const bus_rebuild         *what;
    bus_store                 *home;
    bus_personal              *personal; /* NULL: there are no keys here */
    source                     logs[LOGS_MAX];
    int                        logs_count;
    target                    *targets;
    int                        targets_count;
    int                        partitions;

    bus_arena lasting; /* skips: as long as the build */
    bus_arena rows;    /* rows and events of the pass */
    bus_arena page;    /* of one turn */
    size_t    kept_bytes, budget_bytes;

    unit     unit;
    uint64_t from, to; /* the pass: rows with these hashes */
    uint64_t size;     /* of a pass, as it turned out to be possible */
    bool     again;    /* the pass is spoilt: a stream is left out from now on */
    bool     afresh;   /* ... and those before it too: rows of theirs have events of it */
    bool     half;     /* a page was not written to all tables: what is built is worth nothing */
    int64_t  read;     /* events of the pass */
    int64_t  reported_us;
    caught  *caught; /* PAGE of them */
    int      caught_count;

    bus_rebuild_progress progress;
} rebuild;

/* --- what is left out -------------------------------------------------------------- */

static bool
leaves_out(const target *t, int log, bus_id stream, int64_t offset)
{
    for (int i = 0; i < t->skip_count; i++) {
        if (t->skip[i].log == log && bus_id_equal(t->skip[i].park.stream, stream) &&
            offset >= t->skip[i].park.from_offset)
            return true;
    }
    return false;
}

static bus_code
leave_out(rebuild *r, target *t, int log, bus_id stream, uint16_t partition, int64_t offset,
          bus_error *err)
{
    const bus_error why = *err;

    if (t->skip_count == SKIPPED_MAX)
        return bus_fail(err, BUS_INVALID, "%s cannot fold more than %d streams; the last: %s",
                        t->view->of->name, SKIPPED_MAX, why.text);
    bus_log_error("rebuild.parked", BUS_KV("view", t->view->of->name), BUS_KV_ID("stream", stream),
                  BUS_KV_ERR(&why));
    if (t->skip == NULL)
        t->skip = BUS_ARENA_ARRAY(&r->lasting, skipped, SKIPPED_MAX);
    t->skip[t->skip_count++] =
        (skipped){.log = log,
                  .park = {.stream = stream,
                           .partition = partition,
                           .from_offset = offset,
                           .reason = bus_arena_printf(&r->lasting, "%s", why.text).at}};
    return BUS_OK;
}

static bool
takes(const target *t, int log, const bus_message *type, bus_id stream, int64_t offset)
{
    return t->in_unit && !t->placed && t->follows[log] && bus_fold_follows(t->view, type) &&
           (t->view->keys != NULL || bus_fold_takes(&t->fold, stream)) &&
           !leaves_out(t, log, stream, offset);
}

/* --- telling ------------------------------------------------------------------------- */

/* Tells how far it is and keeps other builders away; about once a second. */
static bus_code
tell(rebuild *r, bus_error *err)
{
    int64_t  now_us = bus_mono_us(r->options->clock);
    bus_code rc = BUS_OK;

    if (now_us - r->reported_us < REPORT_US)
        return BUS_OK;
    r->reported_us = now_us;
    if (r->what->go_on != NULL && !r->what->go_on(r->what->context)) {
        return bus_fail(err, BUS_CLOSED, "the build was stopped");
    }
    for (int i = 0; rc == BUS_OK && i < r->targets_count; i++) {
        if (!r->targets[i].placed)
            rc = r->ops->build_report(r->home, r->targets[i].view->of,
                                      r->targets[i].view->view_version, r->what->builder,
                                      r->progress.done, r->progress.total, err);
    }
    if (r->what->progress != NULL)
        r->what->progress(r->what->context, &r->progress);
    return rc;
}

/* Units and passes before this one and this one's part, as a share of all events. */
static void
count_progress(rebuild *r)
{
    double before = (double)r->from / (double)HASHES;
    double share = (double)(r->to - r->from) / (double)HASHES;

    r->progress.done =
        r->unit.before + (int64_t)((double)r->unit.events * before + (double)r->read * share);
}

/* --- one pass -------------------------------------------------------------------------- */

typedef struct {
    rebuild *r;
    int      log, partition;
    int64_t  last; /* offset */
} reading;

static bus_code
fold_into(rebuild *r, target *t, const bus_event *event, bus_error *err)
{
    bus_code rc;

    t->fold.arena = &r->rows;
    rc = bus_fold_touch(&t->fold, event, err);
    return rc == BUS_OK ? bus_fold_event(&t->fold, event, err) : rc;
}

static bus_code
fold_record(void *context, const bus_record *record, bus_error *err)
{
    reading            *at = context;
    rebuild            *r = at->r;
    const bus_contract *contract = r->logs[at->log].contract;
    const bus_message  *type = bus_message_newest(bus_contract_event(contract, record->type));
    bus_event           event;
    bool                decoded = false;

    at->last = record->offset;
    r->read++;
    for (int i = 0; i < r->targets_count && !r->again; i++) {
        target  *t = &r->targets[i];
        bus_code rc = BUS_OK;

        if (type == NULL || !takes(t, at->log, type, record->stream, record->offset))
            continue;
        if (!decoded)
            rc = bus_event_of_record(&contract, 1, record, r->personal, &r->rows, &event, err);
        decoded = rc == BUS_OK;
        if (rc == BUS_OK && (rc = fold_into(r, t, &event, err)) == BUS_FAULT)
            r->again = true; /* its row is spoilt */
        r->afresh = r->afresh || (rc == BUS_FAULT && t->view->keys != NULL && r->from > 0);
        if (rc == BUS_FAULT)
            rc = leave_out(r, t, at->log, record->stream, record->partition, record->offset, err);
        if (rc != BUS_OK)
            return rc;
    }
    return BUS_OK;
}

/* Moves all rows into a fresh arena, without those beyond the pass. */
static bus_code
tighten(rebuild *r, bus_error *err)
{
    bus_arena tight = {0};
    bus_code  rc = BUS_OK;

    for (int i = 0; i < r->targets_count; i++) {
        target *t = &r->targets[i];

        t->fold.hash_from = r->from;
        t->fold.hash_to = r->to;
        if (rc == BUS_OK)
            rc = bus_fold_tighten(&t->fold, &tight, err);
        else
            bus_fold_fini(&t->fold);
    }
    bus_arena_fini(&r->rows);
    r->rows = tight;
    r->kept_bytes = tight.used_bytes;
    return rc;
}

/* Keeps within the budget, if need be with a smaller pass. */
static bus_code
bound_memory(rebuild *r, bus_error *err)
{
    bus_code rc;

    if (r->rows.used_bytes < r->budget_bytes || r->rows.used_bytes < 2 * r->kept_bytes)
        return BUS_OK;
    rc = tighten(r, err);
    while (rc == BUS_OK && r->kept_bytes > r->budget_bytes / 2 && r->to - r->from > 1) {
        r->to = r->from + (r->to - r->from) / 2;
        rc = tighten(r, err);
    }
    return rc;
}

static void
forget_rows(rebuild *r)
{
    for (int i = 0; i < r->targets_count; i++)
        bus_fold_fini(&r->targets[i].fold);
    bus_arena_reset(&r->rows);
    r->kept_bytes = 0;
}

static void
begin_pass(rebuild *r)
{
    forget_rows(r);
    r->again = false;
    r->read = 0;
    for (int i = 0; i < r->targets_count; i++) {
        r->targets[i].fold = (bus_fold){.view = r->targets[i].view,
                                        .arena = &r->rows,
                                        .fresh = true,
                                        .hash_from = r->from,
                                        .hash_to = r->to};
    }
}

static bus_code
read_partition(rebuild *r, int log, int partition, bus_error *err)
{
    source  *s = &r->logs[log];
    reading  at = {.r = r, .log = log, .partition = partition};
    bus_code rc = BUS_OK;

    while (rc == BUS_OK && !r->again && at.last < s->head[partition]) {
        int64_t left = s->head[partition] - at.last, before = at.last;

        rc = bus_read_records(r->ops, s->store, s->contract, (uint16_t)partition, at.last,
                              left < PAGE ? (int)left : PAGE, r->personal, fold_record, &at, err);
        if (rc == BUS_OK && at.last == before)
            rc = bus_fail(err, BUS_INVALID, "%s: partition %d ends at offset %lld before its head",
                          s->contract->module, partition, (long long)at.last);
        if (rc == BUS_OK && (rc = bound_memory(r, err)) == BUS_OK) {
            count_progress(r);
            rc = tell(r, err);
        }
    }
    return rc;
}

static int
compare_rows(const void *a, const void *b)
{
    const bus_row *x = *(const bus_row *const *)a, *y = *(const bus_row *const *)b;
    int            order = bus_id_compare(x->key.tenant, y->key.tenant);

    return order != 0 ? order : bus_id_compare(x->key.id, y->key.id);
}

static bus_code
copy_rows(rebuild *r, target *t, bus_error *err)
{
    bus_row **sorted = calloc((size_t)HASH_COUNT(t->fold.rows) + 1, sizeof(bus_row *));
    bus_fold  writing = t->fold; /* texts go into the arena of the page */
    int       n = 0;
    bus_code  rc = BUS_OK;

    if (sorted == NULL)
        abort();
    for (bus_row *row = t->fold.rows; row != NULL; row = row->hh.next) {
        if (row->there)
            sorted[n++] = row;
    }
    qsort(sorted, (size_t)n, sizeof(bus_row *), compare_rows);
    writing.arena = &r->page;
    for (int at = 0; rc == BUS_OK && at < n; at += FILL_ROWS) {
        int            count = n - at < FILL_ROWS ? n - at : FILL_ROWS;
        bus_row_write *writes;

        bus_arena_reset(&r->page);
        writes = BUS_ARENA_ARRAY(&r->page, bus_row_write, (size_t)count);
        for (int i = 0; i < count; i++)
            writes[i] = bus_row_write_of(&writing, sorted[at + i]);
        rc = r->ops->build_fill(r->home, r->what->builder, writes, count, err);
        BUS_FAIL_POINT("rebuild.filled");
        r->progress.rows += count;
        if (rc == BUS_OK)
            rc = tell(r, err);
    }
    free(sorted);
    return rc;
}

/* Is this partition of the log read for the unit? */
static bool
is_of_unit(const rebuild *r, int log, int partition)
{
    if (r->unit.log >= 0)
        return log == r->unit.log && partition == r->unit.partition;
    for (int i = 0; i < r->targets_count; i++)
        if (r->targets[i].in_unit && r->targets[i].follows[log])
            return true;
    return false;
}

static bus_code
run_pass(rebuild *r, bus_error *err)
{
    bus_code rc = BUS_OK;

    do {
        begin_pass(r);
        for (int log = 0; log < r->logs_count; log++)
            for (int p = 0; rc == BUS_OK && !r->again && p < r->partitions; p++)
                if (is_of_unit(r, log, p))
                    rc = read_partition(r, log, p, err);
    } while (rc == BUS_OK && r->again && !r->afresh);
    for (int i = 0; rc == BUS_OK && !r->afresh && i < r->targets_count; i++)
        if (r->targets[i].in_unit)
            rc = copy_rows(r, &r->targets[i], err);
    return rc;
}

/* All rows of the unit again, into empty tables, without the streams that are left out by now. Only
 * views with keys ask for it, and they are built in one unit. */
static bus_code
begin_afresh(rebuild *r, bus_error *err)
{
    bus_code rc = BUS_OK;

    r->afresh = false;
    r->progress.rows = r->unit.rows_before;
    for (int i = 0; rc == BUS_OK && i < r->targets_count; i++)
        if (r->targets[i].in_unit)
            rc = r->ops->build_begin(r->home, r->targets[i].view->of,
                                     r->targets[i].view->view_version, r->what->builder, err);
    return rc;
}

/* As if all before it were done. */
static void
choose_unit(rebuild *r, int log, int partition)
{
    r->unit = (unit){.log = log,
                     .partition = partition,
                     .before = r->unit.before + r->unit.events,
                     .rows_before = r->progress.rows};
    for (int i = 0; i < r->targets_count; i++) {
        target *t = &r->targets[i];

        t->in_unit = log < 0 ? !t->alone : t->alone && t->follows[log];
    }
    for (int l = 0; l < r->logs_count; l++)
        for (int p = 0; p < r->partitions; p++)
            if (is_of_unit(r, l, p))
                r->unit.events += r->logs[l].head[p];
}

static bus_code
run_unit(rebuild *r, int log, int partition, bus_error *err)
{
    bus_code rc = BUS_OK;

    choose_unit(r, log, partition);
    if (r->unit.events == 0)
        return BUS_OK;
    r->from = 0;
    while (rc == BUS_OK && r->from < HASHES) {
        r->progress.pass++;
        /* Twice what the last one could be: one row alone may have filled it. */
        r->to = HASHES - r->from < 2 * r->size ? HASHES : r->from + 2 * r->size;
        rc = run_pass(r, err);
        if (r->to < HASHES)
            r->size = r->to - r->from;
        r->from = r->afresh ? 0 : r->to;
        if (rc == BUS_OK && r->afresh)
            rc = begin_afresh(r, err);
    }
    return rc;
}

static bool
has_alone(const rebuild *r, int log)
{
    for (int i = 0; i < r->targets_count; i++)
        if (r->targets[i].alone && r->targets[i].follows[log])
            return true;
    return false;
}

static bus_code
run_units(rebuild *r, bus_error *err)
{
    bus_code rc = BUS_OK;

    r->size = HASHES;
    for (int log = 0; log < r->logs_count; log++)
        for (int p = 0; rc == BUS_OK && has_alone(r, log) && p < r->partitions; p++)
            rc = run_unit(r, log, p, err);
    r->size = HASHES;
    return rc == BUS_OK ? run_unit(r, -1, -1, err) : rc;
}

/* All events that the units will fold. */
static void
count_total(rebuild *r)
{
    for (int log = 0; log < r->logs_count; log++) {
        bool others = false;

        for (int i = 0; i < r->targets_count; i++)
            others = others || (!r->targets[i].alone && r->targets[i].follows[log]);
        for (int p = 0; p < r->partitions; p++)
            r->progress.total += r->logs[log].head[p] * ((has_alone(r, log) ? 1 : 0) + others);
    }
}

static bus_code
run_passes(rebuild *r, bus_error *err)
{
    bus_code rc;

    count_total(r);
    rc = run_units(r, err);
    forget_rows(r);
    for (int i = 0; i < r->targets_count; i++) {
        r->targets[i].fold.hash_to = 0; /* from here on all rows of all */
        r->targets[i].in_unit = true;
    }
    for (int log = 0; log < r->logs_count; log++)
        memcpy(r->logs[log].at, r->logs[log].head, sizeof(r->logs[log].at));
    for (int i = 0; rc == BUS_OK && i < r->targets_count; i++)
        rc = r->ops->build_index(r->home, r->targets[i].view->of, r->targets[i].view->view_version,
                                 r->what->builder, err);
    return rc;
}

/* --- what came meanwhile ------------------------------------------------------------------ */

static bus_code
catch_record(void *context, const bus_record *record, bus_error *err)
{
    reading            *at = context;
    rebuild            *r = at->r;
    const bus_contract *contract = r->logs[at->log].contract;
    const bus_message  *type = bus_message_newest(bus_contract_event(contract, record->type));
    caught             *c = &r->caught[r->caught_count];
    bool                wanted = false;
    bus_code            rc;

    at->last = record->offset;
    for (int i = 0; type != NULL && i < r->targets_count; i++)
        wanted = wanted || takes(&r->targets[i], at->log, type, record->stream, record->offset);
    if (!wanted)
        return BUS_OK;
    *c = (caught){.log = at->log, .partition = record->partition, .offset = record->offset};
    rc = bus_event_of_record(&contract, 1, record, r->personal, &r->page, &c->event, err);
    if (rc == BUS_OK) {
        r->caught_count++;
        return BUS_OK;
    }
    for (int i = 0; rc == BUS_FAULT && i < r->targets_count; i++) {
        target *t = &r->targets[i];

        if (takes(t, at->log, type, record->stream, record->offset) &&
            (rc = leave_out(r, t, at->log, record->stream, record->partition, record->offset,
                            err)) == BUS_OK)
            rc = BUS_FAULT;
    }
    return rc == BUS_FAULT ? BUS_OK : rc;
}

static bus_code
load_rows(rebuild *r, bus_fold *fold, bus_error *err)
{
    size_t    n = HASH_COUNT(fold->rows);
    bus_id   *tenants = BUS_ARENA_ARRAY(&r->page, bus_id, n + 1);
    bus_id   *ids = BUS_ARENA_ARRAY(&r->page, bus_id, n + 1);
    bus_row **rows = BUS_ARENA_ARRAY(&r->page, bus_row *, n + 1);
    bus_str  *bodies = BUS_ARENA_ARRAY(&r->page, bus_str, n + 1);
    int32_t  *versions = BUS_ARENA_ARRAY(&r->page, int32_t, n + 1);
    int       count = 0;
    bus_code  rc = BUS_OK;

    for (bus_row *row = fold->rows; row != NULL; row = row->hh.next) {
        if (row->loaded)
            continue;
        tenants[count] = row->key.tenant;
        ids[count] = row->key.id;
        rows[count++] = row;
    }
    if (count > 0)
        rc = r->ops->build_rows(r->home, fold->view->of, fold->view->view_version, tenants, ids,
                                count, &r->page, bodies, versions, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        rc = bus_fold_load(fold, rows[i], bodies[i], versions[i], err);
    return rc;
}

/* Folds what was caught for one view; BUS_FAULT: one more stream is left out, fold anew. */
static bus_code
fold_caught(rebuild *r, target *t, bus_fold *fold, bus_error *err)
{
    const caught *c = r->caught;
    bus_code      rc = BUS_OK;
    int           at;

    *fold = (bus_fold){.view = t->view, .arena = &r->page};
    for (int loaded = 0; loaded < 2; loaded++) { /* touch all, load, fold all */
        for (at = 0; at < r->caught_count; at++) {
            if (!takes(t, c[at].log, c[at].event.type, c[at].event.stream, c[at].offset))
                continue;
            rc = loaded ? bus_fold_event(fold, &c[at].event, err)
                        : bus_fold_touch(fold, &c[at].event, err);
            if (rc != BUS_OK)
                goto failed;
        }
        if (!loaded && (rc = load_rows(r, fold, err)) != BUS_OK)
            return rc;
    }
    return BUS_OK;

failed:
    if (rc == BUS_FAULT && (rc = leave_out(r, t, c[at].log, c[at].event.stream, c[at].partition,
                                           c[at].offset, err)) == BUS_OK)
        return BUS_FAULT;
    return rc;
}

static bus_code
write_caught(rebuild *r, target *t, bus_error *err)
{
    bus_fold       fold;
    bus_row_write *writes;
    int            count = 0;
    bus_code       rc;

    while ((rc = fold_caught(r, t, &fold, err)) == BUS_FAULT)
        bus_fold_fini(&fold);
    if (rc == BUS_OK) {
        writes = BUS_ARENA_ARRAY(&r->page, bus_row_write, (size_t)HASH_COUNT(fold.rows) + 1);
        for (const bus_row *row = fold.rows; row != NULL; row = row->hh.next) {
            if (row->changed)
                writes[count++] = bus_row_write_of(&fold, row);
        }
        bus_row_writes_sort(writes, count);
        rc = r->ops->build_write(r->home, r->what->builder, writes, count, err);
    }
    bus_fold_fini(&fold);
    return rc;
}

/* One page of what every log has beyond our place. *behind: about how much is left. */
static bus_code
catch_up(rebuild *r, int64_t *behind, bus_error *err)
{
    int64_t  heads[BUS_PARTITIONS_MAX];
    int64_t  reached[LOGS_MAX][BUS_PARTITIONS_MAX];
    int      room = PAGE;
    bus_code rc = BUS_OK;

    *behind = 0;
    bus_arena_reset(&r->page);
    r->caught_count = 0;
    for (int log = 0; rc == BUS_OK && log < r->logs_count; log++) {
        source *s = &r->logs[log];

        rc = r->ops->heads(s->store, s->contract->module, heads, r->partitions, err);
        for (int p = 0; rc == BUS_OK && p < r->partitions; p++) {
            reading at = {.r = r, .log = log, .partition = p, .last = s->at[p]};

            if (heads[p] > s->at[p] && room > 0)
                rc = bus_read_records(r->ops, s->store, s->contract, (uint16_t)p, s->at[p], room,
                                      r->personal, catch_record, &at, err);
            room -= (int)(at.last - s->at[p]);
            reached[log][p] = at.last;
            *behind += heads[p] > at.last ? heads[p] - at.last : 0;
        }
    }
    r->half = rc == BUS_OK;
    for (int i = 0; rc == BUS_OK && i < r->targets_count; i++) {
        if (!r->targets[i].placed)
            rc = write_caught(r, &r->targets[i], err);
    }
    if (rc != BUS_OK)
        return rc;
    for (int log = 0; log < r->logs_count; log++)
        memcpy(r->logs[log].at, reached[log], sizeof(reached[log]));
    r->half = false;
    return tell(r, err);
}

/* --- taking its place ------------------------------------------------------------------------ */

static bool
is_short_of(const rebuild *r, const target *t, bus_checkpoint at[][BUS_PARTITIONS_MAX])
{
    for (int log = 0; log < r->logs_count; log++)
        for (int p = 0; t->follows[log] && p < r->partitions; p++)
            if (r->logs[log].at[p] < at[log][p].offset)
                return true;
    return false;
}

static bus_code
swap(rebuild *r, target *t, bus_checkpoint at[][BUS_PARTITIONS_MAX], bus_error *err)
{
    bus_effect     effects[LOGS_MAX];
    bus_park_write parks[SKIPPED_MAX];
    int            count = 0, parks_count = 0;

    for (int log = 0; log < r->logs_count; log++) {
        bus_effect *e = &effects[count];

        if (!t->follows[log])
            continue;
        *e = (bus_effect){.home = r->what->home->module,
                          .reader = t->reader,
                          .domain = r->logs[log].contract->module,
                          .checkpoints = at[log],
                          .checkpoints_count = r->partitions,
                          .parks = &parks[parks_count],
                          .also = count > 0 ? &effects[count - 1] : NULL};
        for (int p = 0; p < r->partitions; p++)
            at[log][p].offset = r->logs[log].at[p];
        for (int i = 0; i < t->skip_count; i++) {
            if (t->skip[i].log != log)
                continue;
            parks[parks_count++] = t->skip[i].park;
            e->parks_count++;
        }
        count++;
    }
    return r->ops->build_swap(r->home, t->view->of, t->view->view_version, r->what->builder,
                              count > 0 ? &effects[count - 1] : NULL, err);
}

/* Stops the projector of the old table by its checkpoints, catches up with it, and swaps. */
static bus_code
try_to_place(rebuild *r, target *t, bus_error *err)
{
    bus_checkpoint(*at)[BUS_PARTITIONS_MAX] = calloc(LOGS_MAX, sizeof(*at));
    int64_t  behind;
    bus_code rc = BUS_OK;

    if (at == NULL)
        abort();
    for (int log = 0; rc == BUS_OK && log < r->logs_count; log++) {
        if (t->follows[log])
            rc = r->ops->checkpoint_take(r->home, r->what->home->module, t->reader,
                                         r->logs[log].contract->module, r->what->builder, true,
                                         at[log], r->partitions, err);
    }
    while (rc == BUS_OK && is_short_of(r, t, at))
        rc = catch_up(r, &behind, err);
    BUS_FAIL_POINT("rebuild.swap");
    if (rc == BUS_OK)
        rc = swap(r, t, at, err);
    BUS_FAIL_POINT("rebuild.swapped");
    free(at);
    t->placed = rc == BUS_OK;
    return rc;
}

static bus_code
place(rebuild *r, target *t, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int tries = 0; tries < SWAP_TRIES; tries++) {
        if (tries > 0) {
            bus_thread_sleep(r->options->threads, SWAP_PAUSE_MS);
            if ((rc = tell(r, err)) != BUS_OK)
                break;
        }
        rc = try_to_place(r, t, err);
        if (rc == BUS_OK || rc == BUS_UNKNOWN || rc == BUS_CLOSED || r->half)
            break; /* a page that some table has already is not to be folded once more */
        bus_log_warn("rebuild.swap_failed", BUS_KV("view", t->view->of->name), BUS_KV_ERR(err));
    }
    return rc;
}

static bus_code
place_all(rebuild *r, bus_error *err)
{
    int64_t  behind = INT64_MAX;
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && behind > NEAR && i < CHASES_MAX; i++)
        rc = catch_up(r, &behind, err);
    for (int i = 0; rc == BUS_OK && i < r->targets_count; i++)
        rc = place(r, &r->targets[i], err);
    return rc;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static bus_code
log_of(rebuild *r, const bus_contract *contract, int *out, bus_error *err)
{
    const char *domain = contract->module;
    source     *s = &r->logs[r->logs_count];
    bus_code    rc;

    for (*out = 0; *out < r->logs_count; (*out)++) {
        if (r->logs[*out].contract == contract)
            return BUS_OK;
    }
    if (r->logs_count == LOGS_MAX)
        return bus_fail(err, BUS_INVALID, "the views of %s follow more than %d domains",
                        r->what->home->module, LOGS_MAX);
    s->contract = contract;
    r->logs_count++;
    if ((rc = bus_runtime_store(r->options, r->what->home->module, domain, "shina rebuild",
                                &s->store, err)) != BUS_OK ||
        (rc = r->ops->create_domain(s->store, domain, r->partitions, err)) != BUS_OK ||
        (rc = r->ops->heads(s->store, domain, s->head, r->partitions, err)) != BUS_OK)
        return rc;
    return BUS_OK;
}

static bus_code
begin_target(rebuild *r, target *t, const bus_view *view, bus_error *err)
{
    char     table[BUS_VIEW_TABLE_BYTES];
    int      logs = 0;
    bus_code rc = BUS_OK;

    t->view = view; /* end() asks it */
    if (view->of->windows != NULL || view->of->part_of != NULL)
        return bus_fail(err, BUS_INVALID,
                        "%s is of an analytic, which is filled anew when its version is raised",
                        view->of->name);
    bus_view_table_name(view->of, view->view_version, table);
    (void)snprintf(t->reader, sizeof(t->reader), "view.%s", table);
    for (int i = 0; rc == BUS_OK && i < view->of->follows_count; i++) {
        int log;

        rc = log_of(r, view->of->follows[i]->aggregate->contract, &log, err);
        if (rc == BUS_OK && !t->follows[log]) {
            t->follows[log] = true;
            logs++;
        }
    }
    t->alone = view->keys == NULL && logs == 1; /* its rows are streams */
    return rc == BUS_OK
               ? r->ops->build_begin(r->home, view->of, view->view_version, r->what->builder, err)
               : rc;
}

static bus_code
begin(rebuild *r, bus_error *err)
{
    const char *home = r->what->home->module;
    bus_code    rc;

    if (r->what->views_count > BUS_REBUILD_VIEWS_MAX)
        return bus_fail(err, BUS_INVALID, "at most %d views are built at once",
                        BUS_REBUILD_VIEWS_MAX);
    if ((rc = bus_runtime_views_store(r->options, home, "shina rebuild", &r->home, err)) !=
            BUS_OK ||
        (rc = r->ops->create_domain(r->home, home, r->partitions, err)) != BUS_OK)
        return rc;
    for (int i = 0; rc == BUS_OK && i < r->what->views_count; i++) {
        r->targets_count = i + 1;
        rc = begin_target(r, &r->targets[i], r->what->views[i], err);
    }
    return rc;
}

static void
end(rebuild *r)
{
    bus_error ignored;

    for (int i = 0; i < r->targets_count; i++) {
        target *t = &r->targets[i];

        bus_fold_fini(&t->fold);
        if (!t->placed && r->ops->build_abandon(r->home, t->view->of, t->view->view_version,
                                                r->what->builder, &ignored) != BUS_OK)
            bus_log_warn("rebuild.abandon_failed", BUS_KV("view", t->view->of->name),
                         BUS_KV_ERR(&ignored));
    }
    for (int i = 0; i < r->logs_count; i++) {
        if (r->logs[i].store != NULL)
            r->ops->close(r->logs[i].store);
    }
    if (r->home != NULL)
        r->ops->close(r->home);
    bus_arena_fini(&r->lasting);
    bus_arena_fini(&r->rows);
    bus_arena_fini(&r->page);
    free(r->targets);
    free(r->caught);
    free(r);
}

bus_code
bus_rebuild_run(const bus_runtime_options *options, const bus_rebuild *what, bus_error *err)
{
    rebuild *r = calloc(1, sizeof(*r));
    bus_code rc;

    if (r == NULL)
        abort();
    r->options = options;
    r->ops = options->store;
    r->what = what;
    r->partitions = options->partitions;
    r->personal = bus_runtime_personal(options, what->home->module, "shina rebuild");
    r->budget_bytes = options->rebuild_bytes > 0 ? options->rebuild_bytes : BUS_REBUILD_BYTES;
    r->targets = calloc((size_t)what->views_count + 1, sizeof(*r->targets));
    r->caught = calloc(PAGE, sizeof(*r->caught));
    if (r->targets == NULL || r->caught == NULL)
        abort();
    if ((rc = begin(r, err)) == BUS_OK && (rc = run_passes(r, err)) == BUS_OK)
        rc = place_all(r, err);
    if (rc == BUS_OK && what->progress != NULL) {
        r->progress.done = r->progress.total;
        what->progress(what->context, &r->progress);
    }
    bus_personal_destroy(r->personal);
    end(r);
    return rc;
}
