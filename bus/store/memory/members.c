/* members.c - the processes that are there, in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/memory.h"

#include <stdlib.h>
#include <string.h>

#define FORGET_MS 60000

static void
write_member(mem_shared *shared, const bus_member *self, int64_t now_ms)
{
    mem_row *row = mem_row_get(shared->members, self->process.at, self->process.len);
    bus_buf  parts = {0};

    if (row == NULL)
        row = mem_row_add(&shared->members, self->process.at, self->process.len);
    for (int i = 0; i < self->parts_count; i++) {
        bus_buf_add_str(&parts, self->parts[i]);
        bus_buf_add_char(&parts, '\n');
    }
    free(row->text);
    free(row->reader);
    row->text = mem_copy(parts.len == 0 ? "" : parts.at, parts.len);
    row->reader = mem_copy(self->url.at == NULL ? "" : self->url.at, self->url.len);
    row->lease_until_ms = now_ms + BUS_LEASE_MS;
    bus_buf_fini(&parts);
}

static bus_member
read_member(const mem_row *row, int64_t now_ms, bus_arena *arena)
{
    bus_member m = {.process = bus_arena_copy(arena, row->key, row->key_bytes),
                    .url = bus_arena_copy(arena, row->reader, strlen(row->reader)),
                    .live = row->lease_until_ms > now_ms};
    bus_str   *parts = BUS_ARENA_ARRAY(arena, bus_str, BUS_MEMBER_PARTS_MAX);

    for (const char *at = row->text; *at != '\0' && m.parts_count < BUS_MEMBER_PARTS_MAX;) {
        size_t len = strcspn(at, "\n");

        parts[m.parts_count++] = bus_arena_copy(arena, at, len);
        at += len + 1;
    }
    m.parts = parts;
    return m;
}

static int
compare_members(const void *a, const void *b)
{
    const bus_member *x = a, *y = b;

    return strcmp(x->process.at, y->process.at);
}

bus_code
mem_member_beat(bus_store *st, const bus_member *self, bus_arena *arena, bus_member **out,
                int *count, bus_error *err)
{
    int64_t  now_ms = bus_now_ms(st->clock);
    mem_row *row, *next;
    bus_code rc;

    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_LEASE, true, err)) != BUS_OK)
        goto done;
    if (self != NULL)
        write_member(st->shared, self, now_ms);
    HASH_ITER(hh, st->shared->members, row, next)
    {
        if (row->lease_until_ms != INT64_MIN && row->lease_until_ms < now_ms - FORGET_MS)
            mem_row_remove(&st->shared->members, row);
    }
    *out = BUS_ARENA_ARRAY(arena, bus_member, (size_t)HASH_COUNT(st->shared->members) + 1);
    for (row = st->shared->members; row != NULL; row = row->hh.next)
        (*out)[(*count)++] = read_member(row, now_ms, arena);
    if (*count > 0)
        qsort(*out, (size_t)*count, sizeof(**out), compare_members);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_member_leave(bus_store *st, const char *process, bus_error *err)
{
    (void)err; /* memory is always there */
    (void)pthread_mutex_lock(&st->shared->lock);
    mem_row_remove(&st->shared->members,
                   mem_row_get(st->shared->members, process, strlen(process)));
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}
