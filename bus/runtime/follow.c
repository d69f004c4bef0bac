/* follow.c - one reader's place in each partition of a log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/follow.h"
#include "bus/base/planted.h"
#include "bus/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADS_POLL_US 1000000

struct bus_follow {
    const bus_runtime_options *options;
    bus_store                 *store;
    const char                *domain;
    bool                       sends; /* are wanted as well */
    bus_subscriber            *subscriber;
    int                        partitions;
    struct {
        bool    read;
        int64_t at;   /* last offset returned */
        int64_t head; /* last offset known to be written */
    } place[BUS_PARTITIONS_MAX];
    int64_t    looked_us; /* when the heads were read */
    bool       looked;    /* ... at least once since a partition was added */
    bus_batch *batch;     /* taken from the bus, not yet used up */
};

static bus_code
open_topics(bus_follow **out, const bus_runtime_options *options, bus_store *st, const char *domain,
            bool sends, const char *const *topics, int topics_count, bus_bell *bell, bus_error *err)
{
    bus_follow *f = calloc(1, sizeof(*f));
    bus_code    rc;

    if (f == NULL)
        abort();
    f->options = options;
    f->store = st;
    f->domain = domain;
    f->sends = sends;
    f->partitions = options->partitions;
    rc = options->transport_ops->subscribe(options->transport, topics, topics_count, bus_bell_ring,
                                           bell, &f->subscriber, err);
    if (rc != BUS_OK) {
        free(f);
        return rc;
    }
    *out = f;
    return BUS_OK;
}

bus_code
bus_follow_open(bus_follow **out, const bus_runtime_options *options, bus_store *st,
                const char *domain, bool sends, bus_bell *bell, bus_error *err)
{
    char        events[96], heads[96];
    const char *topics[] = {events, heads};

    (void)snprintf(events, sizeof(events), "events.%s", domain);
    (void)snprintf(heads, sizeof(heads), "heads.%s", domain); /* sooner than records over Kafka */
    return open_topics(out, options, st, domain, sends, topics, sends ? 2 : 1, bell, err);
}

bus_code
bus_follow_open_log(bus_follow **out, const bus_runtime_options *options, bus_store *st,
                    const char *domain, bus_bell *bell, bus_error *err)
{
    const bool  doorbell = strcmp(options->transport_ops->name, "kafka") == 0;
    char        topic[96];
    const char *topics[] = {topic};

    (void)snprintf(topic, sizeof(topic), "%s.%s", doorbell ? "heads" : "events", domain);
    return open_topics(out, options, st, domain, false, topics, 1, bell, err);
}

void
bus_follow_close(bus_follow *f)
{
    if (f == NULL)
        return;
    bus_batch_release(f->batch);
    f->options->transport_ops->unsubscribe(f->subscriber);
    free(f);
}

void
bus_follow_partition(bus_follow *f, int partition, int64_t offset)
{
    f->place[partition].read = true;
    f->place[partition].at = offset;
    f->looked = false;
}

void
bus_follow_drop(bus_follow *f, int partition)
{
    f->place[partition].read = false;
}

static bus_record
copied(const bus_record *from, bus_arena *arena)
{
    bus_record r = *from;

    r.aggregate = bus_arena_copy(arena, r.aggregate.at, r.aggregate.len);
    r.type = bus_arena_copy(arena, r.type.at, r.type.len);
    r.causation_id = bus_arena_copy(arena, r.causation_id.at, r.causation_id.len);
    r.actor = bus_arena_copy(arena, r.actor.at, r.actor.len);
    r.sends = bus_arena_copy(arena, r.sends.at, r.sends.len);
    r.data = bus_arena_copy(arena, r.data.at, r.data.len);
    return r;
}

typedef struct {
    bus_follow *f;
    bus_arena  *arena;
    bus_record *out;
    int         count, max;
} taking;

static bus_code
take_record(void *context, const bus_record *record, bus_error *err)
{
    taking *t = context;

    if (record->offset != t->f->place[record->partition].at + 1)
        return bus_fail(err, BUS_INVALID, "%s: partition %d goes from offset %lld to %lld",
                        t->f->domain, record->partition,
                        (long long)t->f->place[record->partition].at, (long long)record->offset);
    t->out[t->count++] = copied(record, t->arena);
    t->f->place[record->partition].at = record->offset;
    return BUS_OK;
}

static bool
usable(const bus_follow *f, const bus_batch *batch)
{
    return batch->records != NULL && !(batch->lean && f->sends);
}

/* What the batch has beyond our place, which may begin before it: repeats are passed over. A gap,
 * or records without what we want of them, only raises the head, so the log is read. */
static void
take_batch(taking *t)
{
    bus_batch *batch = t->f->batch;
    int64_t    last = batch->first_offset + batch->count - 1;
    bus_error  err;

    if (batch->partition < t->f->partitions && t->f->place[batch->partition].read) {
        int64_t *at = &t->f->place[batch->partition].at;

        if (last > t->f->place[batch->partition].head)
            t->f->place[batch->partition].head = last;
        if (BUS_PLANTED("follow.gap_ignored") && *at + 1 < batch->first_offset)
            *at = batch->first_offset - 1;
        while (usable(t->f, batch) && *at + 1 >= batch->first_offset && *at < last) {
            if (t->count == t->max)
                return; /* the rest at the next call */
            if (take_record(t, &batch->records[*at + 1 - batch->first_offset], &err) != BUS_OK) {
                bus_log_error("follow.batch_broken", BUS_KV_ERR(&err));
                break;
            }
        }
    }
    bus_batch_release(batch);
    t->f->batch = NULL;
}

static bus_code
look_at_heads(bus_follow *f, bus_error *err)
{
    int64_t  heads[BUS_PARTITIONS_MAX], now_us = bus_mono_us(f->options->clock);
    bus_code rc;

    if (f->looked && now_us - f->looked_us < HEADS_POLL_US)
        return BUS_OK;
    if ((rc = f->options->store->heads(f->store, f->domain, heads, f->partitions, err)) != BUS_OK)
        return rc;
    for (int p = 0; p < f->partitions; p++)
        if (heads[p] > f->place[p].head)
            f->place[p].head = heads[p];
    f->looked = true;
    f->looked_us = now_us;
    return BUS_OK;
}

bus_code
bus_follow_next(bus_follow *f, bus_arena *arena, bus_record *out, int max, int *count,
                bus_error *err)
{
    taking   t = {.f = f, .arena = arena, .out = out, .max = max};
    bus_code rc;

    *count = 0;
    if ((rc = look_at_heads(f, err)) != BUS_OK)
        return rc;
    while (t.count < max) {
        if (f->batch == NULL)
            f->batch = f->options->transport_ops->next(f->subscriber, 0);
        if (f->batch == NULL)
            break;
        take_batch(&t);
    }
    for (int p = 0; p < f->partitions && t.count < max; p++) {
        if (!f->place[p].read || f->place[p].at >= f->place[p].head)
            continue;
        rc = f->options->store->read(f->store, f->domain, (uint16_t)p, f->place[p].at,
                                     max - t.count, take_record, &t, err);
        if (rc != BUS_OK)
            break;
        if (f->place[p].at > f->place[p].head)
            f->place[p].head = f->place[p].at;
    }
    *count = t.count;
    return rc;
}

int64_t
bus_follow_head(const bus_follow *f, int partition)
{
    return f->place[partition].head;
}

int64_t
bus_follow_behind(const bus_follow *f)
{
    int64_t behind = 0;

    for (int p = 0; p < f->partitions; p++)
        if (f->place[p].read && f->place[p].head > f->place[p].at)
            behind += f->place[p].head - f->place[p].at;
    return behind;
}

bool
bus_follow_caught_up(const bus_follow *f)
{
    return f->looked && bus_follow_behind(f) == 0;
}
