/* snapshots.c - snapshots in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/memory.h"

#include <stdlib.h>
#include <string.h>

static void
write_one(mem_domain *d, const bus_snapshot *s)
{
    mem_row *row = mem_row_get(d->snapshots, &s->stream, sizeof(s->stream));

    if (s->partition >= d->partitions_count || d->partitions[s->partition].epoch != s->epoch ||
        !mem_stream_has(d, s->stream, s->version))
        return;
    if (row != NULL && row->snapshot_version == s->snapshot_version && row->version > s->version)
        return;
    mem_row_remove(&d->snapshots, row);
    row = mem_row_add(&d->snapshots, &s->stream, sizeof(s->stream));
    row->stream = s->stream;
    row->tenant = s->tenant;
    row->domain = mem_copy(s->aggregate.at, s->aggregate.len);
    row->version = s->version;
    row->snapshot_version = s->snapshot_version;
    row->text = mem_copy(s->state.at, s->state.len);
    row->text_bytes = s->state.len;
}

bus_code
mem_snapshots_write(bus_store *st, const char *domain, const bus_snapshot *snapshots, int count,
                    bus_error *err)
{
    mem_domain *d;
    bus_code    rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    rc = mem_fault_take(st->shared, BUS_FAULT_SNAPSHOT, true, err);
    d = mem_find_domain(st->shared, domain);
    if (rc == BUS_OK && d == NULL)
        rc = mem_no_domain(domain, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        write_one(d, &snapshots[i]);
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

/* Copies of rows, made under the lock, to be visited after it. */
typedef struct {
    bus_arena     arena;
    bus_snapshot *items;
    int           count;
} copies;

static void
copy_row(copies *c, const mem_row *row)
{
    c->items[c->count++] =
        (bus_snapshot){.stream = row->stream,
                       .tenant = row->tenant,
                       .aggregate = bus_arena_copy(&c->arena, row->domain, strlen(row->domain)),
                       .version = row->version,
                       .snapshot_version = row->snapshot_version,
                       .state = bus_arena_copy(&c->arena, row->text, row->text_bytes)};
}

static bus_code
visit_copies(copies *c, int limit, bus_snapshot_visit visit, void *context, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < c->count && i < limit; i++)
        rc = visit(context, &c->items[i], err);
    bus_arena_fini(&c->arena);
    return rc;
}

bus_code
mem_snapshots_read(bus_store *st, const char *domain, const bus_id *streams, int count,
                   bus_snapshot_visit visit, void *context, bus_error *err)
{
    copies            c = {0};
    const mem_domain *d;
    bus_code          rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    c.items = BUS_ARENA_ARRAY(&c.arena, bus_snapshot, (size_t)count + 1);
    d = mem_find_domain(st->shared, domain);
    if (d == NULL)
        rc = mem_no_domain(domain, err);
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        const mem_row *row = mem_row_get(d->snapshots, &streams[i], sizeof(streams[i]));

        if (row != NULL)
            copy_row(&c, row);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    if (rc == BUS_OK)
        return visit_copies(&c, count, visit, context, err);
    bus_arena_fini(&c.arena);
    return rc;
}

static int
compare_streams(const void *a, const void *b)
{
    const bus_snapshot *x = a, *y = b;

    return bus_id_compare(x->stream, y->stream);
}

bus_code
mem_snapshots_scan(bus_store *st, const char *domain, bus_id after, int limit,
                   bus_snapshot_visit visit, void *context, bus_error *err)
{
    copies            c = {0};
    const mem_domain *d;
    bus_code          rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
    } else {
        c.items = BUS_ARENA_ARRAY(&c.arena, bus_snapshot, (size_t)HASH_COUNT(d->snapshots) + 1);
        for (const mem_row *row = d->snapshots; row != NULL; row = row->hh.next) {
            if (bus_id_compare(row->stream, after) > 0)
                copy_row(&c, row);
        }
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    if (rc != BUS_OK) {
        bus_arena_fini(&c.arena);
        return rc;
    }
    if (c.count > 0)
        qsort(c.items, (size_t)c.count, sizeof(*c.items), compare_streams);
    return visit_copies(&c, limit, visit, context, err);
}
