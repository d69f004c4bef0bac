/* leases.c - domains in memory, and who writes which partition of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/store/memory/memory.h"

#include <stdlib.h>
#include <string.h>

static bus_code
make_domain(mem_shared *shared, const char *domain, int partitions, bus_error *err)
{
    mem_domain *d = mem_find_domain(shared, domain);

    if (d != NULL && d->partitions_count != partitions)
        return bus_fail(err, BUS_INVALID, "domain %s has %d partitions, not %d", domain,
                        d->partitions_count, partitions);
    if (d != NULL)
        return BUS_OK;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        abort();
    d->name = mem_copy(domain, strlen(domain));
    d->partitions_count = partitions;
    for (int i = 0; i < partitions; i++)
        d->partitions[i].lease_until_ms = INT64_MIN;
    d->next = shared->domains;
    shared->domains = d;
    return BUS_OK;
}

bus_code
mem_create_domain(bus_store *st, const char *domain, int partitions, bus_error *err)
{
    bus_code rc;

    if (partitions < 1 || partitions > BUS_PARTITIONS_MAX)
        return bus_fail(err, BUS_INVALID, "a domain has 1 to %d partitions", BUS_PARTITIONS_MAX);
    (void)pthread_mutex_lock(&st->shared->lock);
    rc = make_domain(st->shared, domain, partitions, err);
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_follow_domain(bus_store *st, const char *reader, const char *followed, bus_error *err)
{
    bus_code rc = BUS_OK;

    (void)reader; /* no roles here */
    (void)pthread_mutex_lock(&st->shared->lock);
    if (mem_find_domain(st->shared, followed) == NULL)
        rc = mem_no_domain(followed, err);
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_let_forget(bus_store *st, const char *domain, bus_error *err)
{
    return mem_follow_domain(st, domain, domain, err); /* no roles here */
}

bus_code
mem_partitions(bus_store *st, const char *domain, bus_arena *arena, bus_partition_info **out,
               int *count, bus_error *err)
{
    int64_t     now_ms = bus_now_ms(st->clock);
    mem_domain *d;
    bus_code    rc = BUS_OK;

    *count = 0;
    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
        goto done;
    }
    *count = d->partitions_count;
    *out = BUS_ARENA_ARRAY(arena, bus_partition_info, (size_t)*count);
    for (int i = 0; i < *count; i++) {
        const mem_partition *p = &d->partitions[i];
        bus_str              owner = bus_str_of(p->owner);

        (*out)[i] = (bus_partition_info){.partition = (uint16_t)i,
                                         .epoch = p->epoch,
                                         .head = p->head,
                                         .owner = bus_arena_copy(arena, owner.at, owner.len),
                                         .live = p->owner != NULL && p->lease_until_ms > now_ms};
    }

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

static void
take_partition(mem_partition *p, const char *owner, bool steal, int64_t now_ms, bus_lease *lease)
{
    if (!steal && p->owner != NULL && strcmp(p->owner, owner) != 0 && p->lease_until_ms > now_ms)
        return;
    free(p->owner);
    p->owner = mem_copy(owner, strlen(owner));
    p->lease_until_ms = now_ms + BUS_LEASE_MS;
    if (p->epoch == 0 || !BUS_PLANTED("store.epoch_not_raised"))
        p->epoch++;
    lease->epoch = p->epoch;
    lease->head = p->head;
    lease->at_ms = p->head > 0 ? mem_record_at(p, p->head)->record.at_ms : 0;
    lease->held = true;
}

bus_code
mem_lease_take(bus_store *st, const char *domain, const char *owner, bool steal, bus_lease *leases,
               int count, bus_error *err)
{
    int64_t     now_ms = bus_now_ms(st->clock);
    mem_domain *d;
    bus_code    rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    for (int i = 0; i < count; i++)
        leases[i].held = false;
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_LEASE, true, err)) != BUS_OK)
        goto done;
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
        goto done;
    }
    for (int i = 0; i < count; i++) {
        if (leases[i].partition < d->partitions_count)
            take_partition(&d->partitions[leases[i].partition], owner, steal, now_ms, &leases[i]);
    }

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_lease_renew(bus_store *st, const char *domain, bus_lease *leases, int count, bus_error *err)
{
    int64_t     until_ms = bus_now_ms(st->clock) + BUS_LEASE_MS;
    mem_domain *d;
    bus_code    rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    for (int i = 0; i < count; i++)
        leases[i].held = false;
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_LEASE, true, err)) != BUS_OK)
        goto done;
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
        goto done;
    }
    for (int i = 0; i < count; i++) {
        mem_partition *p = &d->partitions[leases[i].partition];

        leases[i].held = p->epoch == leases[i].epoch;
        if (leases[i].held)
            p->lease_until_ms = until_ms;
    }

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

bus_code
mem_lease_release(bus_store *st, const char *domain, const bus_lease *leases, int count,
                  bus_error *err)
{
    mem_domain *d;
    bus_code    rc = BUS_OK;

    (void)pthread_mutex_lock(&st->shared->lock);
    d = mem_find_domain(st->shared, domain);
    if (d == NULL)
        rc = mem_no_domain(domain, err);
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        mem_partition *p = &d->partitions[leases[i].partition];

        if (p->epoch != leases[i].epoch)
            continue;
        free(p->owner);
        p->owner = NULL;
        p->lease_until_ms = INT64_MIN;
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}
