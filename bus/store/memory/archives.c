/* archives.c - archives in memory: the oldest events move to a list of their own, which the calls
 * that read the log know.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/memory.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 1000 /* of one "file", so that tests have several */

static void
move(mem_partition *p, int64_t count)
{
    int64_t left = p->head - p->archived_count - count;

    p->archived = realloc(p->archived, sizeof(*p->archived) * (size_t)(p->archived_count + count));
    p->archive_ends =
        realloc(p->archive_ends, sizeof(*p->archive_ends) * (size_t)(p->archives_count + 1));
    if (p->archived == NULL || p->archive_ends == NULL)
        abort();
    memcpy(&p->archived[p->archived_count], p->records, sizeof(*p->archived) * (size_t)count);
    memmove(p->records, &p->records[count], sizeof(*p->records) * (size_t)left);
    p->archived_count += count;
    p->archive_ends[p->archives_count++] = p->archived_count;
}

bus_code
mem_archive(bus_store *st, const char *domain, uint16_t partition, int64_t up_to, int64_t *reached,
            bus_error *err)
{
    mem_domain    *d;
    mem_partition *p;
    bus_code       rc = BUS_OK;

    *reached = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
        goto done;
    }
    p = &d->partitions[partition];
    if (partition >= d->partitions_count || up_to >= p->head) {
        rc = bus_fail(err, BUS_INVALID,
                      "%s, partition %d: only events below the last one can be "
                      "archived",
                      domain, (int)partition);
        goto done;
    }
    if (up_to > p->archived_count)
        move(p, up_to - p->archived_count < EVENTS_MAX ? up_to - p->archived_count : EVENTS_MAX);
    *reached = p->archived_count;

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_archives(bus_store *st, const char *domain, bus_arena *arena, bus_archive_info **out,
             int *count, bus_error *err)
{
    mem_domain *d;
    bus_code    rc = BUS_OK;
    int         room = 1;

    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
        goto done;
    }
    for (int i = 0; i < d->partitions_count; i++)
        room += d->partitions[i].archives_count;
    *out = BUS_ARENA_ARRAY(arena, bus_archive_info, (size_t)room);
    for (int i = 0; i < d->partitions_count; i++) {
        const mem_partition *p = &d->partitions[i];

        for (int k = 0; k < p->archives_count; k++)
            (*out)[(*count)++] =
                (bus_archive_info){.partition = (uint16_t)i,
                                   .first = k == 0 ? 1 : p->archive_ends[k - 1] + 1,
                                   .last = p->archive_ends[k],
                                   .made_at_ms = bus_now_ms(st->clock),
                                   .file = BUS_STR("memory")};
    }

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

/* Memory is always there. */
bus_code
mem_archive_check(bus_store *st, const char *domain, const bus_archive_info *info, bus_error *err)
{
    (void)st;
    (void)domain;
    (void)info;
    (void)err;
    return BUS_OK;
}
