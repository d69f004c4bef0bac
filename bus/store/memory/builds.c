/* builds.c - tables of views built beside the one that is read, in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
mem_view_free(mem_view *v)
{
    mem_rows_free(&v->rows);
    mem_rows_free(&v->built);
    free(v->table);
    free(v->view);
    free(v->domain);
    free(v->builder);
    free(v);
}

static bool
is_built_by(const mem_view *v, const char *builder)
{
    return v->builder != NULL && strcmp(v->builder, builder) == 0;
}

static void
set_builder(mem_view *v, const char *builder, int64_t until_ms)
{
    free(v->builder);
    v->builder = builder == NULL ? NULL : mem_copy(builder, strlen(builder));
    v->builder_until_ms = until_ms;
}

static bus_code
lost(const mem_view *v, bus_error *err)
{
    return bus_fail(err, BUS_FENCED, "another process builds the view %s now", v->view);
}

static bus_str
copied(bus_arena *arena, const char *text)
{
    return text == NULL ? (bus_str){0} : bus_arena_copy(arena, text, strlen(text));
}

static int
compare_infos(const void *a, const void *b)
{
    return strcmp(((const bus_view_info *)a)->table.at, ((const bus_view_info *)b)->table.at);
}

bus_code
mem_view_infos(bus_store *st, const char *domain, bus_arena *arena, bus_view_info **out, int *count,
               bus_error *err)
{
    int64_t now_ms = bus_now_ms(st->clock);
    size_t  room = 1;

    (void)err; /* memory is always there */
    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    for (const mem_view *v = st->shared->views; v != NULL; v = v->next)
        room++;
    *out = BUS_ARENA_ARRAY(arena, bus_view_info, room);
    for (const mem_view *v = st->shared->views; v != NULL; v = v->next) {
        if (strcmp(v->domain, domain) != 0)
            continue;
        (*out)[(*count)++] = (bus_view_info){
            .view = copied(arena, v->view),
            .table = copied(arena, v->table),
            .builder = copied(arena, v->builder_until_ms > now_ms ? v->builder : NULL),
            .live = v->live,
            .done = v->done,
            .total = v->total};
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    qsort(*out, (size_t)*count, sizeof(**out), compare_infos);
    return BUS_OK;
}

bus_code
mem_build_begin(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
                bus_error *err)
{
    int64_t   now_ms = bus_now_ms(st->clock);
    bus_code  rc = BUS_OK;
    mem_view *v;

    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_get(st, view, view_version);
    if (v->builder != NULL && !is_built_by(v, builder) && v->builder_until_ms > now_ms) {
        rc = bus_fail(err, BUS_DENIED, "another process builds the view %s", view->name);
    } else {
        mem_rows_free(&v->built);
        set_builder(v, builder, now_ms + BUS_LEASE_MS);
        v->done = v->total = 0;
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_build_report(bus_store *st, const bus_view_contract *view, int view_version,
                 const char *builder, int64_t done, int64_t total, bus_error *err)
{
    bus_code  rc = BUS_OK;
    mem_view *v;

    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_get(st, view, view_version);
    if (is_built_by(v, builder)) {
        v->done = done;
        v->total = total;
        v->builder_until_ms = bus_now_ms(st->clock) + BUS_LEASE_MS;
    } else {
        rc = lost(v, err);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_build_write(bus_store *st, const char *builder, const bus_row_write *rows, int count,
                bus_error *err)
{
    bus_code  rc = BUS_OK;
    mem_view *v;

    if (count == 0)
        return BUS_OK;
    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_get(st, rows[0].view, rows[0].view_version);
    if (!is_built_by(v, builder))
        rc = lost(v, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        mem_write_row(&v->built, &rows[i]);
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_build_fill(bus_store *st, const char *builder, const bus_row_write *rows, int count,
               bus_error *err)
{
    return mem_build_write(st, builder, rows, count, err);
}

bus_code
mem_build_index(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
                bus_error *err)
{
    bus_code  rc = BUS_OK; /* rows are found by their keys in any case */
    mem_view *v;

    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_get(st, view, view_version);
    if (!is_built_by(v, builder))
        rc = lost(v, err);
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_build_rows(bus_store *st, const bus_view_contract *view, int view_version,
               const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
               bus_str *bodies, int32_t *versions, bus_error *err)
{
    (void)err; /* memory is always there */
    (void)pthread_mutex_lock(&st->shared->lock);
    mem_read_rows(mem_view_get(st, view, view_version)->built, tenants, ids, count, arena, bodies,
                  versions);
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}

static void
forget_reader(mem_row **table, const char *reader, const char *domain)
{
    mem_row *row, *next;

    HASH_ITER(hh, *table, row, next)
    {
        if (strcmp(row->reader, reader) == 0 &&
            (domain == NULL || strcmp(row->domain, domain) == 0))
            mem_row_remove(table, row);
    }
}

static void
release_reader(mem_domain *d, const bus_effect *effect)
{
    for (mem_row *row = d->checkpoints; row != NULL; row = row->hh.next) {
        if (strcmp(row->reader, effect->reader) != 0 || strcmp(row->domain, effect->domain) != 0)
            continue;
        free(row->text);
        row->text = NULL;
        row->lease_until_ms = INT64_MIN;
    }
}

bus_code
mem_build_swap(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
               const bus_effect *effects, bus_error *err)
{
    bus_buf     buf = {0};
    bus_code    rc = BUS_OK;
    mem_domain *d;
    mem_view   *v;

    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_get(st, view, view_version);
    d = effects == NULL ? NULL : mem_find_domain(st->shared, effects->home);
    if (!is_built_by(v, builder))
        rc = lost(v, err);
    else if (effects != NULL && d == NULL)
        rc = mem_no_domain(effects->home, err);
    for (const bus_effect *e = effects; rc == BUS_OK && e != NULL; e = e->also)
        rc = mem_check_effect(st->shared, d, e, &buf, err);
    for (const bus_effect *e = effects; rc == BUS_OK && e != NULL; e = e->also) {
        forget_reader(&d->parked, e->reader, e->domain);
        forget_reader(&d->skipped, e->reader, e->domain);
        mem_write_effect(st->shared, d, e, 0, &buf);
        release_reader(d, e);
    }
    if (rc == BUS_OK) {
        mem_rows_free(&v->rows);
        v->rows = v->built;
        v->built = NULL;
        v->live = true;
        v->used_at_ms = bus_now_ms(st->clock);
        set_builder(v, NULL, 0);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

bus_code
mem_build_abandon(bus_store *st, const bus_view_contract *view, int view_version,
                  const char *builder, bus_error *err)
{
    mem_view *v;

    (void)err; /* memory is always there */
    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_get(st, view, view_version);
    if (is_built_by(v, builder)) {
        mem_rows_free(&v->built);
        set_builder(v, NULL, 0);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}

bus_code
mem_view_use(bus_store *st, const bus_view_contract *const *views, const int *view_versions,
             int count, bus_error *err)
{
    (void)err; /* memory is always there */
    (void)pthread_mutex_lock(&st->shared->lock);
    for (int i = 0; i < count; i++) {
        mem_view *v = mem_view_live(st->shared, views[i], view_versions[i]);

        if (v != NULL)
            v->used_at_ms = bus_now_ms(st->clock);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}

bus_code
mem_view_drop_unused(bus_store *st, const char *domain, int64_t grace_ms, bus_arena *arena,
                     bus_str **dropped, int *count, bus_error *err)
{
    int64_t     now_ms = bus_now_ms(st->clock);
    size_t      room = 1;
    mem_domain *d;
    mem_view  **at;

    (void)err; /* memory is always there */
    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, domain);
    for (const mem_view *v = st->shared->views; v != NULL; v = v->next)
        room++;
    *dropped = BUS_ARENA_ARRAY(arena, bus_str, room);
    for (at = &st->shared->views; *at != NULL;) {
        mem_view *v = *at;
        char      reader[96];

        if (strcmp(v->domain, domain) != 0 || v->used_at_ms >= now_ms - grace_ms ||
            v->builder_until_ms > now_ms) {
            at = &v->next;
            continue;
        }
        (void)snprintf(reader, sizeof(reader), "view.%s", v->table);
        if (d != NULL) {
            forget_reader(&d->checkpoints, reader, NULL);
            forget_reader(&d->parked, reader, NULL);
            forget_reader(&d->skipped, reader, NULL);
        }
        (*dropped)[(*count)++] = copied(arena, v->table);
        *at = v->next;
        mem_view_free(v);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}
