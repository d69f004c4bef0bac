/* readers.c - checkpoints, parkings and rows of views in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/memory.h"
#include "bus/store/view_table.h"

#include <stdlib.h>
#include <string.h>

static bus_str
reader_key(bus_buf *buf, const char *reader, const char *domain, const void *rest, size_t bytes)
{
    bus_buf_reset(buf);
    bus_buf_add(buf, reader, strlen(reader) + 1);
    bus_buf_add(buf, domain, strlen(domain) + 1);
    bus_buf_add(buf, rest, bytes);
    return bus_buf_str(buf);
}

static bus_str
checkpoint_key(bus_buf *buf, const char *reader, const char *domain, uint16_t partition)
{
    return reader_key(buf, reader, domain, &partition, sizeof(partition));
}

static void
take_checkpoint(mem_row *row, const char *owner, bool steal, int64_t now_ms, bus_checkpoint *out)
{
    if (!steal && row->text != NULL && strcmp(row->text, owner) != 0 &&
        row->lease_until_ms > now_ms)
        return;
    free(row->text);
    row->text = mem_copy(owner, strlen(owner));
    row->lease_until_ms = now_ms + BUS_LEASE_MS;
    out->epoch = ++row->epoch;
    out->offset = row->at;
    out->held = true;
}

bus_code
mem_checkpoint_take(bus_store *st, const char *home, const char *reader, const char *domain,
                    const char *owner, bool steal, bus_checkpoint *checkpoints, int count,
                    bus_error *err)
{
    int64_t     now_ms = bus_now_ms(st->clock);
    bus_buf     buf = {0};
    mem_domain *d;
    bus_code    rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_LEASE, true, err)) != BUS_OK)
        goto done;
    d = mem_find_domain(st->shared, home);
    if (d == NULL) {
        rc = mem_no_domain(home, err);
        goto done;
    }
    for (int i = 0; i < count; i++) {
        bus_str  key = checkpoint_key(&buf, reader, domain, (uint16_t)i);
        mem_row *row = mem_row_get(d->checkpoints, key.at, key.len);

        if (row == NULL) {
            row = mem_row_add(&d->checkpoints, key.at, key.len);
            row->reader = mem_copy(reader, strlen(reader));
            row->domain = mem_copy(domain, strlen(domain));
            row->partition = (uint16_t)i;
        }
        checkpoints[i] = (bus_checkpoint){.partition = (uint16_t)i};
        take_checkpoint(row, owner, steal, now_ms, &checkpoints[i]);
    }

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

bus_code
mem_checkpoint_renew(bus_store *st, const char *home, const char *reader, const char *domain,
                     bus_checkpoint *checkpoints, int count, bus_error *err)
{
    int64_t     until_ms = bus_now_ms(st->clock) + BUS_LEASE_MS;
    bus_buf     buf = {0};
    mem_domain *d;
    bus_code    rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    for (int i = 0; i < count; i++)
        checkpoints[i].held = false;
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_LEASE, true, err)) != BUS_OK)
        goto done;
    d = mem_find_domain(st->shared, home);
    if (d == NULL) {
        rc = mem_no_domain(home, err);
        goto done;
    }
    for (int i = 0; i < count; i++) {
        bus_str  key = checkpoint_key(&buf, reader, domain, checkpoints[i].partition);
        mem_row *row = mem_row_get(d->checkpoints, key.at, key.len);

        checkpoints[i].held = row != NULL && row->epoch == checkpoints[i].epoch;
        if (checkpoints[i].held)
            row->lease_until_ms = until_ms;
    }

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

bus_code
mem_checkpoint_release(bus_store *st, const char *home, const char *reader, const char *domain,
                       const bus_checkpoint *checkpoints, int count, bus_error *err)
{
    bus_buf     buf = {0};
    mem_domain *d;
    bus_code    rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, home);
    if (d == NULL)
        rc = mem_no_domain(home, err);
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        bus_str  key = checkpoint_key(&buf, reader, domain, checkpoints[i].partition);
        mem_row *row = mem_row_get(d->checkpoints, key.at, key.len);

        if (row == NULL || row->epoch != checkpoints[i].epoch)
            continue;
        free(row->text);
        row->text = NULL;
        row->lease_until_ms = INT64_MIN;
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

bus_code
mem_checkpoint_forget(bus_store *st, const char *home, const char *reader, bus_error *err)
{
    mem_domain *d;
    mem_row    *row, *next;
    bus_code    rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, home);
    if (d == NULL)
        rc = mem_no_domain(home, err);
    for (row = rc == BUS_OK ? d->checkpoints : NULL; row != NULL; row = next) {
        next = row->hh.next;
        if (strcmp(row->reader, reader) == 0)
            mem_row_remove(&d->checkpoints, row);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

static int
compare_checkpoints(const void *a, const void *b)
{
    const bus_checkpoint_info *x = a, *y = b;
    int                        order = strcmp(x->reader.at, y->reader.at);

    if (order == 0)
        order = strcmp(x->domain.at, y->domain.at);
    return order != 0 ? order : (int)x->partition - (int)y->partition;
}

bus_code
mem_checkpoints(bus_store *st, const char *home, bus_arena *arena, bus_checkpoint_info **out,
                int *count, bus_error *err)
{
    int64_t     now_ms = bus_now_ms(st->clock);
    mem_domain *d;
    bus_code    rc = BUS_OK;

    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, home);
    if (d == NULL) {
        rc = mem_no_domain(home, err);
        goto done;
    }
    *out = BUS_ARENA_ARRAY(arena, bus_checkpoint_info, (size_t)HASH_COUNT(d->checkpoints) + 1);
    for (const mem_row *row = d->checkpoints; row != NULL; row = row->hh.next) {
        bus_str owner = bus_str_of(row->text);

        (*out)[(*count)++] =
            (bus_checkpoint_info){.reader = bus_arena_copy(arena, row->reader, strlen(row->reader)),
                                  .domain = bus_arena_copy(arena, row->domain, strlen(row->domain)),
                                  .owner = bus_arena_copy(arena, owner.at, owner.len),
                                  .partition = row->partition,
                                  .offset = row->at,
                                  .epoch = row->epoch,
                                  .live = row->text != NULL && row->lease_until_ms > now_ms};
    }
    if (*count > 0)
        qsort(*out, (size_t)*count, sizeof(**out), compare_checkpoints);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

/* --- views ----------------------------------------------------------------- */

static mem_view *
find_view(mem_shared *shared, const bus_view_contract *view, int view_version)
{
    char      table[BUS_VIEW_TABLE_BYTES];
    mem_view *v = shared->views;

    bus_view_table_name(view, view_version, table);
    while (v != NULL && strcmp(v->table, table) != 0)
        v = v->next;
    return v;
}

mem_view *
mem_view_live(mem_shared *shared, const bus_view_contract *view, int view_version)
{
    mem_view *v = find_view(shared, view, view_version);

    return v != NULL && v->live ? v : NULL;
}

mem_view *
mem_view_get(bus_store *st, const bus_view_contract *view, int view_version)
{
    char      table[BUS_VIEW_TABLE_BYTES];
    mem_view *v = find_view(st->shared, view, view_version);

    if (v != NULL)
        return v;
    v = calloc(1, sizeof(*v));
    if (v == NULL)
        abort();
    bus_view_table_name(view, view_version, table);
    v->table = mem_copy(table, strlen(table));
    v->view = mem_copy(view->name, strlen(view->name));
    v->domain = mem_copy(view->contract->module, strlen(view->contract->module));
    v->used_at_ms = bus_now_ms(st->clock);
    v->next = st->shared->views;
    st->shared->views = v;
    return v;
}

static bus_code
no_view(const bus_view_contract *view, bus_error *err)
{
    return bus_fail(err, BUS_NOT_FOUND, "the view %s has no table", view->name);
}

/* Tenant and id side by side: sorts as (tenant, id). */
static void
row_key(bus_id tenant, bus_id id, uint8_t key[32])
{
    memcpy(key, tenant.bytes, 16);
    memcpy(key + 16, id.bytes, 16);
}

bus_code
mem_view_create(bus_store *st, const bus_view_contract *view, int view_version, bus_error *err)
{
    (void)err; /* memory is always there */
    (void)pthread_mutex_lock(&st->shared->lock);
    mem_view_get(st, view, view_version)->live = true;
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}

bus_code
mem_view_analyze(bus_store *st, const bus_view_contract *view, int view_version, bus_error *err)
{
    (void)st, (void)view, (void)view_version, (void)err; /* there is one way to everything here */
    return BUS_OK;
}

void
mem_write_row(mem_row **rows, const bus_row_write *write)
{
    uint8_t  key[32];
    mem_row *row;

    row_key(write->tenant, write->id, key);
    mem_row_remove(rows, mem_row_get(*rows, key, sizeof(key)));
    if (write->remove)
        return;
    row = mem_row_add(rows, key, sizeof(key));
    row->tenant = write->tenant;
    row->id = write->id;
    row->version = write->version;
    row->text = mem_copy(write->body.at, write->body.len);
    row->text_bytes = write->body.len;
    row->columns_count = write->view->columns_count;
    row->columns = calloc((size_t)row->columns_count + 1, sizeof(char *));
    if (row->columns == NULL)
        abort();
    for (int i = 0; i < row->columns_count; i++) {
        if (write->columns[i].at != NULL)
            row->columns[i] = mem_copy(write->columns[i].at, write->columns[i].len);
    }
}

void
mem_read_rows(mem_row *rows, const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
              bus_str *bodies, int32_t *versions)
{
    for (int i = 0; i < count; i++) {
        uint8_t        key[32];
        const mem_row *row;

        row_key(tenants[i], ids[i], key);
        row = mem_row_get(rows, key, sizeof(key));
        bodies[i] = (bus_str){0};
        versions[i] = 0;
        if (row == NULL)
            continue;
        bodies[i] = bus_arena_copy(arena, row->text, row->text_bytes);
        versions[i] = row->version;
    }
}

bus_code
mem_view_rows(bus_store *st, const bus_view_contract *view, int view_version, const bus_id *tenants,
              const bus_id *ids, int count, bus_arena *arena, bus_str *bodies, int32_t *versions,
              bus_error *err)
{
    mem_view *v;
    bus_code  rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_READ, true, err)) != BUS_OK)
        goto done;
    v = mem_view_live(st->shared, view, view_version);
    if (v == NULL)
        rc = no_view(view, err);
    else
        mem_read_rows(v->rows, tenants, ids, count, arena, bodies, versions);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

typedef struct {
    bus_id  tenant, id;
    int32_t version;
    bus_str body;
    int64_t to_at_ms; /* of windows */
} scanned_row;

static int
compare_rows(const void *a, const void *b)
{
    const scanned_row *x = a, *y = b;
    int                by_tenant = bus_id_compare(x->tenant, y->tenant);

    return by_tenant != 0 ? by_tenant : bus_id_compare(x->id, y->id);
}

typedef bus_code (*row_visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                              bus_str body, bus_error *err);

/* Under the lock: a copy of rows, sorted. */
static scanned_row *
copy_rows(const mem_row *rows, bus_arena *arena, size_t *count)
{
    scanned_row *copy = BUS_ARENA_ARRAY(arena, scanned_row, (size_t)HASH_COUNT(rows) + 1);

    for (const mem_row *row = rows; row != NULL; row = row->hh.next)
        copy[(*count)++] = (scanned_row){row->tenant, row->id, row->version,
                                         bus_arena_copy(arena, row->text, row->text_bytes), 0};
    if (*count > 0)
        qsort(copy, *count, sizeof(*copy), compare_rows);
    return copy;
}

static bus_code
scan(bus_store *st, const bus_view_contract *view, int view_version, bool built, row_visit visit,
     void *context, bus_error *err)
{
    bus_arena    arena = {0};
    scanned_row *rows = NULL;
    size_t       n = 0;
    mem_view    *v;
    bus_code     rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    v = built ? mem_view_get(st, view, view_version)
              : mem_view_live(st->shared, view, view_version);
    if (v == NULL)
        rc = no_view(view, err);
    else
        rows = copy_rows(built ? v->built : v->rows, &arena, &n);
    (void)pthread_mutex_unlock(&st->shared->lock);
    for (size_t i = 0; rc == BUS_OK && i < n; i++)
        rc = visit(context, rows[i].tenant, rows[i].id, rows[i].version, rows[i].body, err);
    bus_arena_fini(&arena);
    return rc;
}

bus_code
mem_view_scan(bus_store *st, const bus_view_contract *view, int view_version, row_visit visit,
              void *context, bus_error *err)
{
    return scan(st, view, view_version, false, visit, context, err);
}

bus_code
mem_build_scan(bus_store *st, const bus_view_contract *view, int view_version, row_visit visit,
               void *context, bus_error *err)
{
    return scan(st, view, view_version, true, visit, context, err);
}

static int
compare_ends(const void *a, const void *b)
{
    const scanned_row *x = a, *y = b;

    return x->to_at_ms < y->to_at_ms ? -1 : x->to_at_ms > y->to_at_ms;
}

static const char *
column_of(const bus_view_contract *view, const mem_row *row, const bus_field *field)
{
    int i = 0;

    while (view->columns[i].field != field)
        i++;
    return row->columns[i];
}

bus_code
mem_windows_due(bus_store *st, const bus_view_contract *view, int view_version, bool closed,
                int64_t at_ms, int limit,
                bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                  bus_str body, bus_error *err),
                void *context, bus_error *err)
{
    bus_arena    arena = {0};
    scanned_row *rows = NULL;
    size_t       n = 0;
    mem_view    *v;
    bus_code     rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    v = mem_view_live(st->shared, view, view_version);
    if (v == NULL)
        rc = no_view(view, err);
    else
        rows = BUS_ARENA_ARRAY(&arena, scanned_row, (size_t)HASH_COUNT(v->rows) + 1);
    for (const mem_row *row = v == NULL ? NULL : v->rows; row != NULL; row = row->hh.next) {
        int64_t to_at_ms = strtoll(column_of(view, row, view->windows->to_at), NULL, 10);

        if ((*column_of(view, row, view->windows->closed) == 't') == closed &&
            (to_at_ms > at_ms) == closed)
            rows[n++] = (scanned_row){row->tenant, row->id, row->version,
                                      bus_arena_copy(&arena, row->text, row->text_bytes), to_at_ms};
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    if (n > 0)
        qsort(rows, n, sizeof(*rows), compare_ends);
    for (size_t i = 0; rc == BUS_OK && i < n && i < (size_t)limit; i++)
        rc = visit(context, rows[i].tenant, rows[i].id, rows[i].version, rows[i].body, err);
    bus_arena_fini(&arena);
    return rc;
}

/* --- effects --------------------------------------------------------------- */

bus_code
mem_check_effect(mem_shared *shared, mem_domain *d, const bus_effect *effect, bus_buf *buf,
                 bus_error *err)
{
    for (int i = 0; i < effect->checkpoints_count; i++) {
        const bus_checkpoint *c = &effect->checkpoints[i];
        bus_str        key = checkpoint_key(buf, effect->reader, effect->domain, c->partition);
        const mem_row *row = mem_row_get(d->checkpoints, key.at, key.len);

        if (row == NULL || row->epoch != c->epoch)
            return bus_fail(err, BUS_FENCED, "partition %d is another reader's", c->partition);
    }
    for (int i = 0; i < effect->rows_count; i++) {
        if (mem_view_live(shared, effect->rows[i].view, effect->rows[i].view_version) == NULL)
            return no_view(effect->rows[i].view, err);
    }
    return BUS_OK;
}

static void
write_skip(mem_domain *d, const bus_effect *effect, const bus_park_write *park, bus_buf *buf)
{
    struct {
        uint16_t partition;
        int64_t  offset;
    } place;
    mem_row *row;
    bus_str  key;

    memset(&place, 0, sizeof(place)); /* its padding too: it is a key */
    place.partition = park->partition;
    place.offset = park->skip_offset;
    key = reader_key(buf, effect->reader, effect->domain, &place, sizeof(place));
    if (mem_row_get(d->skipped, key.at, key.len) != NULL)
        return;
    row = mem_row_add(&d->skipped, key.at, key.len);
    row->stream = park->stream;
    row->partition = park->partition;
    row->at = park->skip_offset;
    row->reader = mem_copy(effect->reader, strlen(effect->reader));
    row->domain = mem_copy(effect->domain, strlen(effect->domain));
}

static void
write_park(mem_domain *d, const bus_effect *effect, const bus_park_write *park, bus_buf *buf)
{
    bus_str  key = reader_key(buf, effect->reader, effect->domain, park->stream.bytes,
                              sizeof(park->stream.bytes));
    mem_row *row;

    mem_row_remove(&d->parked, mem_row_get(d->parked, key.at, key.len));
    if (park->skip_offset > 0)
        write_skip(d, effect, park, buf);
    if (park->remove)
        return;
    key = reader_key(buf, effect->reader, effect->domain, park->stream.bytes,
                     sizeof(park->stream.bytes));
    row = mem_row_add(&d->parked, key.at, key.len);
    row->stream = park->stream;
    row->partition = park->partition;
    row->at = park->from_offset;
    row->text = mem_copy(park->reason, strlen(park->reason));
    row->reader = mem_copy(effect->reader, strlen(effect->reader));
    row->domain = mem_copy(effect->domain, strlen(effect->domain));
}

void
mem_write_effect(mem_shared *shared, mem_domain *d, const bus_effect *effect, int64_t until_ms,
                 bus_buf *buf)
{
    for (int i = 0; i < effect->checkpoints_count; i++) {
        const bus_checkpoint *c = &effect->checkpoints[i];
        bus_str  key = checkpoint_key(buf, effect->reader, effect->domain, c->partition);
        mem_row *row = mem_row_get(d->checkpoints, key.at, key.len);

        row->at = c->offset;
        row->lease_until_ms = until_ms;
    }
    for (int i = 0; i < effect->rows_count; i++)
        mem_write_row(
            &mem_view_live(shared, effect->rows[i].view, effect->rows[i].view_version)->rows,
            &effect->rows[i]);
    for (int i = 0; i < effect->parks_count; i++)
        write_park(d, effect, &effect->parks[i], buf);
}

bus_code
mem_effect(bus_store *st, const bus_effect *effect, bus_error *err)
{
    int64_t     until_ms = bus_now_ms(st->clock) + BUS_LEASE_MS;
    bus_buf     buf = {0};
    mem_domain *d;
    bus_code    rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_EFFECT, true, err)) != BUS_OK)
        goto done;
    d = mem_find_domain(st->shared, effect->home);
    if (d == NULL) {
        rc = mem_no_domain(effect->home, err);
        goto done;
    }
    for (const bus_effect *e = effect; e != NULL; e = e->also) {
        BUS_INVARIANT(strcmp(e->home, effect->home) == 0);
        if ((rc = mem_check_effect(st->shared, d, e, &buf, err)) != BUS_OK)
            goto done;
    }
    for (const bus_effect *e = effect; e != NULL; e = e->also)
        mem_write_effect(st->shared, d, e, until_ms, &buf);
    rc = mem_fault_take(st->shared, BUS_FAULT_EFFECT, false, err);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

bus_code
mem_park(bus_store *st, const char *home, const char *reader, const char *domain,
         const bus_park_write *parks, const int64_t *epochs, int count, bus_error *err)
{
    const bus_effect effect = {.home = home, .reader = reader, .domain = domain};
    bus_buf          buf = {0};
    mem_domain      *d;
    bus_code         rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    rc = mem_fault_take(st->shared, BUS_FAULT_EFFECT, true, err);
    d = mem_find_domain(st->shared, home);
    if (rc == BUS_OK && d == NULL)
        rc = mem_no_domain(home, err);
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        if (epochs == NULL || d->partitions[parks[i].partition].epoch == epochs[i])
            write_park(d, &effect, &parks[i], &buf);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

static int
compare_parked(const void *a, const void *b)
{
    const bus_parked *x = a, *y = b;
    int               order = strcmp(x->reader.at, y->reader.at);

    if (order == 0)
        order = strcmp(x->domain.at, y->domain.at);
    return order != 0 ? order : bus_id_compare(x->stream, y->stream);
}

bus_code
mem_parked(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
           bus_parked **out, int *count, bus_error *err)
{
    mem_domain *d;
    bus_code    rc = BUS_OK;

    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, home);
    if (d == NULL) {
        rc = mem_no_domain(home, err);
        goto done;
    }
    *out = BUS_ARENA_ARRAY(arena, bus_parked, (size_t)HASH_COUNT(d->parked) + 1);
    for (const mem_row *row = d->parked; row != NULL; row = row->hh.next) {
        if (reader_or_null != NULL && strcmp(reader_or_null, row->reader) != 0)
            continue;
        (*out)[(*count)++] =
            (bus_parked){.reader = bus_arena_copy(arena, row->reader, strlen(row->reader)),
                         .domain = bus_arena_copy(arena, row->domain, strlen(row->domain)),
                         .stream = row->stream,
                         .partition = row->partition,
                         .from_offset = row->at,
                         .reason = bus_arena_copy(arena, row->text, strlen(row->text)),
                         .asked = row->asked};
    }
    if (*count > 0)
        qsort(*out, (size_t)*count, sizeof(**out), compare_parked);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_park_ask(bus_store *st, const char *home, const char *reader, const char *domain, bus_id stream,
             bus_ask ask, bus_error *err)
{
    bus_buf     buf = {0};
    mem_row    *row = NULL;
    mem_domain *d;
    bus_code    rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, home);
    if (d != NULL) {
        bus_str key = reader_key(&buf, reader, domain, stream.bytes, sizeof(stream.bytes));

        row = mem_row_get(d->parked, key.at, key.len);
    }
    if (row == NULL)
        rc = bus_fail(err, BUS_NOT_FOUND, "that stream is not parked by %s", reader);
    else
        row->asked = ask;
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&buf);
    return rc;
}

static int
compare_skipped(const void *a, const void *b)
{
    const bus_skipped *x = a, *y = b;
    int                order = strcmp(x->reader.at, y->reader.at);

    if (order == 0)
        order = strcmp(x->domain.at, y->domain.at);
    if (order == 0)
        order = (int)x->partition - (int)y->partition;
    return order != 0 ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

bus_code
mem_skipped(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
            bus_skipped **out, int *count, bus_error *err)
{
    mem_domain *d;
    bus_code    rc = BUS_OK;

    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, home);
    if (d == NULL) {
        rc = mem_no_domain(home, err);
        goto done;
    }
    *out = BUS_ARENA_ARRAY(arena, bus_skipped, (size_t)HASH_COUNT(d->skipped) + 1);
    for (const mem_row *row = d->skipped; row != NULL; row = row->hh.next) {
        if (reader_or_null != NULL && strcmp(reader_or_null, row->reader) != 0)
            continue;
        (*out)[(*count)++] =
            (bus_skipped){.reader = bus_arena_copy(arena, row->reader, strlen(row->reader)),
                          .domain = bus_arena_copy(arena, row->domain, strlen(row->domain)),
                          .stream = row->stream,
                          .partition = row->partition,
                          .offset = row->at};
    }
    if (*count > 0)
        qsort(*out, (size_t)*count, sizeof(**out), compare_skipped);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}
