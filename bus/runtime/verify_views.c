/* verify_views.c - folds the log as a projector does, and compares with the tables.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/verify_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- beginning -------------------------------------------------------------- */

static int
log_of(const verify *v, bus_str module)
{
    for (int i = 0; i < v->logs_count; i++) {
        if (bus_str_is(module, v->logs[i].contract->module))
            return i;
    }
    return -1;
}

static void
find_followed_logs(const verify *v, verify_view *vw)
{
    const bus_view_contract *of = vw->view->of;

    for (int i = 0; i < of->follows_count; i++) {
        int log = log_of(v, bus_str_of(of->follows[i]->aggregate->contract->module));

        if (log >= 0)
            vw->follows_log[log] = true;
    }
}

static bus_code
read_checkpoints(verify *v, verify_view *vw, int64_t up_to[][BUS_PARTITIONS_MAX], bus_arena *arena,
                 bus_error *err)
{
    const verify_log    *home = &v->logs[vw->home];
    bus_checkpoint_info *list;
    int                  count;
    bus_code             rc;

    rc = v->options->store->checkpoints(home->views, home->contract->module, arena, &list, &count,
                                        err);
    if (rc == BUS_NOT_FOUND) /* no projector was there yet */
        return BUS_OK;
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        int log = log_of(v, list[i].domain);

        if (log >= 0 && bus_str_is(list[i].reader, vw->reader))
            up_to[log][list[i].partition] = list[i].offset;
    }
    return rc;
}

static bus_code
begin_view(verify *v, verify_view *vw, const bus_view *view, bus_error *err)
{
    char     table[BUS_VIEW_TABLE_BYTES];
    bus_code rc;

    vw->view = view;
    vw->home = log_of(v, bus_str_of(view->of->contract->module));
    if (vw->home < 0)
        return bus_fail(err, BUS_INVALID, "the domain of the view %s is not among the contracts",
                        view->of->name);
    bus_view_table_name(view->of, view->view_version, table);
    (void)snprintf(vw->reader, sizeof(vw->reader), "view.%s", table);
    find_followed_logs(v, vw);
    if (v->logs[vw->home].partitions == 0) {
        vw->spoilt = true;
        return BUS_OK;
    }
    if ((rc = read_checkpoints(v, vw, vw->up_to, &v->arena, err)) != BUS_OK)
        return rc;
    rc = v->options->store->parked(v->logs[vw->home].views, v->logs[vw->home].contract->module,
                                   vw->reader, &v->arena, &vw->parked, &vw->parked_count, err);
    if (rc == BUS_OK)
        rc = v->options->store->skipped(v->logs[vw->home].views, v->logs[vw->home].contract->module,
                                        vw->reader, &v->arena, &vw->skipped, &vw->skipped_count,
                                        err);
    return rc == BUS_NOT_FOUND ? BUS_OK : rc;
}

bus_code
verify_views_begin(verify *v, const bus_view *const *views, int count, bus_error *err)
{
    bus_code rc = BUS_OK;

    v->views = BUS_ARENA_ARRAY(&v->arena, verify_view, (size_t)count + 1);
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        if (views[i]->of->windows != NULL || views[i]->of->part_of != NULL)
            continue; /* verify_streams.c */
        rc = begin_view(v, &v->views[v->views_count++], views[i], err);
    }
    v->counts->views = v->views_count;
    return rc;
}

/* --- folding ----------------------------------------------------------------- */

static bool
is_left_out(const verify *v, const verify_view *vw, int log, const bus_record *record)
{
    for (int i = 0; i < vw->parked_count; i++) {
        const bus_parked *p = &vw->parked[i];

        if (bus_id_equal(p->stream, record->stream) && record->offset >= p->from_offset &&
            bus_str_is(p->domain, v->logs[log].contract->module))
            return true;
    }
    for (int i = 0; i < vw->skipped_count; i++) {
        const bus_skipped *left = &vw->skipped[i];

        if (left->partition == record->partition && left->offset == record->offset &&
            bus_str_is(left->domain, v->logs[log].contract->module))
            return true;
    }
    return false;
}

void
verify_views_without_lost(verify *v)
{
    for (int i = 0; i < v->views_count; i++)
        for (int log = 0; log < v->logs_count; log++)
            if (v->logs[log].lost_count > 0 && v->views[i].follows_log[log])
                v->views[i].spoilt = true;
}

/* Rows of a stream go with its share; rows with keys of their own are few and go with the first. */
static bool
wants(const verify *v, const verify_view *vw, int log, const bus_record *record,
      const bus_message *type)
{
    if (vw->spoilt || !vw->follows_log[log] || !bus_fold_follows(vw->view, type))
        return false;
    if (vw->view->keys == NULL ? !verify_in_pass(v, record->stream) : v->pass != 0)
        return false;
    return record->offset <= vw->up_to[log][record->partition] && !is_left_out(v, vw, log, record);
}

bool
verify_views_want(const verify *v, int log, const bus_record *record, const bus_message *type)
{
    for (int i = 0; i < v->views_count; i++) {
        if (wants(v, &v->views[i], log, record, type))
            return true;
    }
    return false;
}

void
verify_views_event(verify *v, int log, const bus_record *record, const bus_event *event)
{
    for (int i = 0; i < v->views_count; i++) {
        verify_view *vw = &v->views[i];
        bus_error    err = {0};
        bus_code     rc;

        if (!wants(v, vw, log, record, event->type))
            continue;
        vw->fold.view = vw->view;
        vw->fold.arena = &v->folds;
        vw->fold.fresh = true;
        rc = bus_fold_touch(&vw->fold, event, &err);
        if (rc == BUS_OK)
            rc = bus_fold_event(&vw->fold, event, &err);
        if (rc == BUS_OK)
            continue;
        vw->spoilt = true;
        verify_report(v,
                      (bus_verify_fault){.check = BUS_VERIFY_VIEW,
                                         .domain = v->logs[log].contract->module,
                                         .view = vw->view->of->name,
                                         .partition = record->partition,
                                         .offset = record->offset,
                                         .stream = record->stream},
                      "the event cannot be folded though it is not parked: %s", err.text);
    }
}

bus_code
verify_views_tighten(verify *v, bus_error *err)
{
    bus_arena tight = {0};
    bus_code  rc = BUS_OK;

    if (v->folds.used_bytes < v->tighten_bytes || v->folds.used_bytes < 3 * v->folds_kept_bytes)
        return BUS_OK;
    for (int i = 0; rc == BUS_OK && i < v->views_count; i++) {
        if (v->views[i].fold.rows != NULL)
            rc = bus_fold_tighten(&v->views[i].fold, &tight, err);
        v->views[i].fold.arena = &v->folds;
    }
    bus_arena_fini(&v->folds);
    v->folds = tight;
    v->folds_kept_bytes = v->folds.used_bytes;
    return rc;
}

/* --- comparing ---------------------------------------------------------------- */

/* Differences are judged after the scan: if the table went on meanwhile, they are no faults. */
typedef struct {
    verify      *v;
    verify_view *vw;
    struct {
        bus_id      id;
        const char *what;
    } differences[BUS_VERIFY_REPORTS_MAX];
    int64_t differences_count;
} comparison;

static void
differs(comparison *c, bus_id id, const char *what)
{
    if (c->differences_count < BUS_VERIFY_REPORTS_MAX) {
        c->differences[c->differences_count].id = id;
        c->differences[c->differences_count].what = what;
    }
    c->differences_count++;
}

static void
judge(const comparison *c, bool moved)
{
    int64_t named = c->differences_count < BUS_VERIFY_REPORTS_MAX ? c->differences_count
                                                                  : BUS_VERIFY_REPORTS_MAX;

    if (moved) {
        c->v->counts->unsure += c->differences_count;
        return;
    }
    for (int64_t i = 0; i < named; i++)
        verify_report(c->v,
                      (bus_verify_fault){.check = BUS_VERIFY_VIEW,
                                         .domain = c->vw->view->of->contract->module,
                                         .view = c->vw->view->of->name,
                                         .partition = -1,
                                         .stream = c->differences[i].id},
                      "%s", c->differences[i].what);
    c->v->counts->faults += c->differences_count - named;
}

static bus_code
compare_row(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    comparison *c = context;
    bus_row     probe, *row = NULL;

    (void)err;
    if (c->vw->view->keys == NULL ? !verify_in_pass(c->v, id) : c->v->pass != 0)
        return BUS_OK;
    c->v->counts->rows++;
    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.tenant = tenant;
    probe.key.id = id;
    HASH_FIND(hh, c->vw->fold.rows, &probe.key, sizeof(probe.key), row);
    if (row == NULL || !row->there) {
        differs(c, id, "the row should not be there");
        return BUS_OK;
    }
    row->changed = false; /* seen */
    if (row->version != version)
        differs(c, id, "the row's version differs from the fold of the log");
    else if (!bus_str_equal(bus_row_body(&c->vw->fold, row), body))
        differs(c, id, "the row differs from the fold of the log");
    return BUS_OK;
}

/* Has the table come further than when we began? */
static bus_code
has_moved(verify *v, verify_view *vw, bool *out, bus_error *err)
{
    int64_t(*now)[BUS_PARTITIONS_MAX];
    bus_arena arena = {0};
    bus_code  rc;

    now = bus_arena_alloc(&arena, sizeof(vw->up_to));
    rc = read_checkpoints(v, vw, now, &arena, err);
    *out = false;
    for (int log = 0; rc == BUS_OK && log < v->logs_count; log++) {
        for (int p = 0; p < v->logs[log].partitions; p++)
            *out = *out || now[log][p] != vw->up_to[log][p];
    }
    bus_arena_fini(&arena);
    return rc;
}

static bus_code
compare_view(verify *v, verify_view *vw, comparison *c, bus_error *err)
{
    int      expected = 0;
    bool     moved;
    bus_code rc;

    *c = (comparison){.v = v, .vw = vw};
    vw->fold.view = vw->view;
    vw->fold.arena = &v->folds;
    for (bus_row *row = vw->fold.rows; row != NULL; row = row->hh.next) {
        row->changed = row->there; /* not seen yet */
        expected += row->there;
    }
    rc = v->options->store->view_scan(v->logs[vw->home].views, vw->view->of, vw->view->view_version,
                                      compare_row, c, err);
    if (rc == BUS_NOT_FOUND) {
        if (expected > 0)
            differs(c, BUS_ID_NIL, "the view has no table");
    } else if (rc == BUS_OK) {
        for (const bus_row *row = vw->fold.rows; row != NULL; row = row->hh.next) {
            if (row->changed)
                differs(c, row->key.id, "the row is missing");
        }
    } else {
        return rc;
    }
    if (c->differences_count == 0)
        return BUS_OK;
    if ((rc = has_moved(v, vw, &moved, err)) == BUS_OK)
        judge(c, moved);
    return rc;
}

void
verify_views_end(verify *v)
{
    for (int i = 0; i < v->views_count; i++) {
        HASH_CLEAR(hh, v->views[i].fold.rows);
        v->views[i].fold = (bus_fold){0};
    }
    bus_arena_reset(&v->folds);
    v->folds_kept_bytes = 0;
}

bus_code
verify_views_compare(verify *v, bus_error *err)
{
    comparison *c = calloc(1, sizeof(*c));
    bus_code    rc = BUS_OK;

    if (c == NULL)
        abort();
    for (int i = 0; rc == BUS_OK && i < v->views_count; i++) {
        if (!v->views[i].spoilt)
            rc = compare_view(v, &v->views[i], c, err);
    }
    free(c);
    verify_views_end(v);
    return rc;
}
