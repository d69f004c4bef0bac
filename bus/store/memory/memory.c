/* memory.c - the store in this process's memory: for tests, the simulator and trying things out.
 * It keeps every rule of the real one but durability.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/memory.h"

#include <stdlib.h>
#include <string.h>

/* The stores with a name. They live until forgotten, as a database outlives its clients. */
static pthread_mutex_t named_lock = PTHREAD_MUTEX_INITIALIZER;
static mem_shared     *named;

char *
mem_copy(const char *bytes, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy == NULL)
        abort();
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

mem_row *
mem_row_get(mem_row *table, const void *key, size_t key_bytes)
{
    mem_row *row = NULL;

    HASH_FIND(hh, table, key, key_bytes, row);
    return row;
}

mem_row *
mem_row_add(mem_row **table, const void *key, size_t key_bytes)
{
    mem_row *row = calloc(1, sizeof(*row));

    if (row == NULL)
        abort();
    row->key = mem_copy(key, key_bytes);
    row->key_bytes = key_bytes;
    HASH_ADD_KEYPTR(hh, *table, row->key, row->key_bytes, row);
    return row;
}

void
mem_row_remove(mem_row **table, mem_row *row)
{
    if (row == NULL)
        return;
    HASH_DEL(*table, row);
    for (int i = 0; i < row->columns_count; i++)
        free(row->columns[i]);
    free(row->columns);
    free(row->reader);
    free(row->domain);
    free(row->text);
    free(row->key);
    free(row);
}

void
mem_rows_free(mem_row **table)
{
    while (*table != NULL)
        mem_row_remove(table, *table);
}

mem_domain *
mem_find_domain(mem_shared *shared, const char *name)
{
    mem_domain *d = shared->domains;

    while (d != NULL && strcmp(d->name, name) != 0)
        d = d->next;
    return d;
}

bus_code
mem_no_domain(const char *name, bus_error *err)
{
    return bus_fail(err, BUS_NOT_FOUND, "there is no domain %s", name);
}

static void
free_domain(mem_domain *d)
{
    mem_stream *s, *next;

    HASH_CLEAR(by_command, d->commands);
    HASH_ITER(hh, d->streams, s, next)
    {
        HASH_DEL(d->streams, s);
        free(s->records);
        free(s);
    }
    for (int p = 0; p < d->partitions_count; p++) {
        for (int64_t offset = 1; offset <= d->partitions[p].head; offset++)
            free(mem_record_at(&d->partitions[p], offset));
        free(d->partitions[p].records);
        free(d->partitions[p].archived);
        free(d->partitions[p].archive_ends);
        free(d->partitions[p].owner);
    }
    mem_rows_free(&d->claims);
    mem_rows_free(&d->timers);
    mem_rows_free(&d->checkpoints);
    mem_rows_free(&d->parked);
    mem_rows_free(&d->skipped);
    mem_rows_free(&d->snapshots);
    free(d->name);
    free(d);
}

static void
free_shared(mem_shared *shared)
{
    while (shared->domains != NULL) {
        mem_domain *d = shared->domains;

        shared->domains = d->next;
        free_domain(d);
    }
    while (shared->views != NULL) {
        mem_view *v = shared->views;

        shared->views = v->next;
        mem_view_free(v);
    }
    mem_rows_free(&shared->members);
    (void)pthread_mutex_destroy(&shared->lock);
    free(shared->name);
    free(shared);
}

static mem_shared *
make_shared(const char *name)
{
    mem_shared *shared = calloc(1, sizeof(*shared));

    if (shared == NULL || pthread_mutex_init(&shared->lock, NULL) != 0)
        abort();
    if (name != NULL)
        shared->name = mem_copy(name, strlen(name));
    return shared;
}

/* Under named_lock. Makes it if it is not there. */
static mem_shared *
get_named(const char *name)
{
    mem_shared *shared = named;

    while (shared != NULL && strcmp(shared->name, name) != 0)
        shared = shared->next;
    if (shared == NULL) {
        shared = make_shared(name);
        shared->next = named;
        named = shared;
    }
    return shared;
}

static bus_code
open_store(bus_store **out, const bus_store_options *options, bus_error *err)
{
    bus_store *st = calloc(1, sizeof(*st));

    (void)err; /* memory is always there */
    if (st == NULL)
        abort();
    st->clock = options->clock != NULL ? options->clock : bus_clock_system();
    if (options->url == NULL || options->url[0] == '\0') {
        st->shared = make_shared(NULL);
    } else {
        (void)pthread_mutex_lock(&named_lock);
        st->shared = get_named(options->url);
        st->shared->open_count++;
        (void)pthread_mutex_unlock(&named_lock);
    }
    *out = st;
    return BUS_OK;
}

static void
close_store(bus_store *st)
{
    if (st == NULL)
        return;
    if (st->shared->name == NULL) {
        free_shared(st->shared);
    } else {
        (void)pthread_mutex_lock(&named_lock);
        st->shared->open_count--;
        (void)pthread_mutex_unlock(&named_lock);
    }
    free(st);
}

void
bus_store_memory_forget(const char *name)
{
    mem_shared **at, *shared;

    (void)pthread_mutex_lock(&named_lock);
    for (at = &named; *at != NULL && strcmp((*at)->name, name) != 0; at = &(*at)->next)
        continue;
    shared = *at;
    if (shared != NULL) {
        BUS_INVARIANT(shared->open_count == 0);
        *at = shared->next;
        free_shared(shared);
    }
    (void)pthread_mutex_unlock(&named_lock);
}

void
bus_store_memory_fail(const char *name, bus_store_fault_place place, bus_code code, bool before,
                      int times)
{
    mem_shared *shared;

    (void)pthread_mutex_lock(&named_lock);
    shared = get_named(name);
    (void)pthread_mutex_lock(&shared->lock);
    shared->faults[place] = (mem_fault){code, before, times};
    (void)pthread_mutex_unlock(&shared->lock);
    (void)pthread_mutex_unlock(&named_lock);
}

bus_code
mem_fault_take(mem_shared *shared, bus_store_fault_place place, bool before, bus_error *err)
{
    mem_fault *fault = &shared->faults[place];

    if (fault->times <= 0 || fault->before != before)
        return BUS_OK;
    fault->times--;
    return bus_fail(err, fault->code, "a fault made on purpose");
}

void
bus_store_memory_expire(const char *name)
{
    mem_shared *shared;

    (void)pthread_mutex_lock(&named_lock);
    shared = get_named(name);
    (void)pthread_mutex_lock(&shared->lock);
    for (mem_domain *d = shared->domains; d != NULL; d = d->next) {
        for (int i = 0; i < d->partitions_count; i++)
            d->partitions[i].lease_until_ms = INT64_MIN;
        for (mem_row *c = d->checkpoints; c != NULL; c = c->hh.next)
            c->lease_until_ms = INT64_MIN;
    }
    for (mem_row *m = shared->members; m != NULL; m = m->hh.next)
        m->lease_until_ms = INT64_MIN;
    (void)pthread_mutex_unlock(&shared->lock);
    (void)pthread_mutex_unlock(&named_lock);
}

const bus_store_ops bus_store_memory = {
    .name = "memory",
    .open = open_store,
    .close = close_store,
    .create_domain = mem_create_domain,
    .partitions = mem_partitions,
    .lease_take = mem_lease_take,
    .lease_renew = mem_lease_renew,
    .lease_release = mem_lease_release,
    .append = mem_append,
    .find = mem_find,
    .load = mem_load,
    .load_after = mem_load_after,
    .snapshots_write = mem_snapshots_write,
    .snapshots_read = mem_snapshots_read,
    .snapshots_scan = mem_snapshots_scan,
    .read = mem_read,
    .archive = mem_archive,
    .archives = mem_archives,
    .archive_check = mem_archive_check,
    .heads = mem_heads,
    .timers_due = mem_timers_due,
    .checkpoint_take = mem_checkpoint_take,
    .checkpoint_renew = mem_checkpoint_renew,
    .checkpoint_release = mem_checkpoint_release,
    .checkpoint_forget = mem_checkpoint_forget,
    .effect = mem_effect,
    .parked = mem_parked,
    .park = mem_park,
    .view_create = mem_view_create,
    .view_analyze = mem_view_analyze,
    .view_rows = mem_view_rows,
    .view_scan = mem_view_scan,
    .windows_due = mem_windows_due,
    .checkpoints = mem_checkpoints,
    .park_ask = mem_park_ask,
    .skipped = mem_skipped,
    .view_infos = mem_view_infos,
    .build_begin = mem_build_begin,
    .build_report = mem_build_report,
    .build_fill = mem_build_fill,
    .build_index = mem_build_index,
    .build_rows = mem_build_rows,
    .build_scan = mem_build_scan,
    .build_write = mem_build_write,
    .build_swap = mem_build_swap,
    .build_abandon = mem_build_abandon,
    .view_use = mem_view_use,
    .view_drop_unused = mem_view_drop_unused,
    .follow_domain = mem_follow_domain,
    .reach_domain = mem_follow_domain,
    .let_forget = mem_let_forget,
    .member_beat = mem_member_beat,
    .member_leave = mem_member_leave,
};
