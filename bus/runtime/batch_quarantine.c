/* batch_quarantine.c - streams that are set aside, because their module broke an invariant on them.
 *
 * Such a stream answers STREAM_FAULT, its neighbours go on. It is on the stuck list too (`parked`,
 * reader "writer"), and that row decides: who takes it away releases the stream. A writer that
 * finds rows of an earlier one puts them on trial: a new binary may be the one with the fix. The
 * first command that goes through takes the row away; another fault sets the stream aside again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/runtime/batch.h"

#include <stdio.h>
#include <stdlib.h>

#define QUARANTINED_MAX 10000 /* in memory; beyond, a stream is tried with each command */
#define WRITES_MAX 128        /* rows written at once */

static bus_quarantined *
find(const bus_writer *w, bus_id stream)
{
    bus_quarantined *q;

    HASH_FIND(hh, w->quarantined, &stream, sizeof(stream), q);
    return q;
}

static bus_quarantined *
add(bus_writer *w, bus_id stream)
{
    bus_quarantined *q = calloc(1, sizeof(*q));

    if (q == NULL)
        abort();
    q->stream = stream;
    HASH_ADD(hh, w->quarantined, stream, sizeof(q->stream), q);
    atomic_fetch_add(&w->quarantined_count, 1);
    return q;
}

static void
drop(bus_writer *w, bus_quarantined *q)
{
    HASH_DELETE(hh, w->quarantined, q);
    atomic_fetch_sub(&w->quarantined_count, 1);
    free(q);
}

void
batch_quarantine(bus_writer *w, bus_id stream, int64_t offset, const bus_error *err)
{
    bus_quarantined *q = find(w, stream);

    bus_log_error("writer.stream_fault", BUS_KV("domain", w->domain), BUS_KV_ID("stream", stream),
                  BUS_KV_ERR(err));
    bus_metric_add(&w->metrics[BUS_WRITER_FAULTS], 1);
    if (q == NULL && HASH_COUNT(w->quarantined) >= QUARANTINED_MAX)
        return;
    if (q == NULL)
        q = add(w, stream);
    q->from_offset = offset;
    (void)snprintf(q->reason, sizeof(q->reason), "%s", err->text);
    q->trial = q->passed = q->written = false;
}

bool
batch_is_quarantined(const bus_writer *w, bus_id stream)
{
    const bus_quarantined *q = find(w, stream);

    return q != NULL && !q->trial;
}

void
batch_end_trials(batch *b)
{
    bus_writer *w = b->w;

    if (HASH_COUNT(w->quarantined) == 0)
        return;
    for (int i = 0; i < b->count; i++) {
        const item      *it = &b->items[i];
        bus_quarantined *q = find(w, it->cmd->stream);

        if (q != NULL && q->trial && it->decided &&
            (it->reply.status == BUS_ANSWER_DONE || it->reply.status == BUS_ANSWER_REFUSED))
            q->passed = true;
    }
    batch_write_quarantine(w);
}

static bool
holds(const bus_writer *w, bus_id stream)
{
    return w->leases[bus_id_partition(stream, w->partitions)].held;
}

/* What of the quarantine is not in the store yet; those that are another's now are forgotten. */
static int
gather(bus_writer *w, bus_park_write *parks, int64_t *epochs)
{
    bus_quarantined *q, *next;
    int              count = 0;

    HASH_ITER(hh, w->quarantined, q, next)
    {
        int p = bus_id_partition(q->stream, w->partitions);

        if (!w->leases[p].held) {
            drop(w, q);
            continue;
        }
        if ((q->written && !q->passed) || count == WRITES_MAX)
            continue;
        epochs[count] = w->leases[p].epoch;
        parks[count++] = (bus_park_write){.stream = q->stream,
                                          .partition = (uint16_t)p,
                                          .from_offset = q->from_offset,
                                          .reason = q->reason,
                                          .remove = q->passed};
    }
    return count;
}

bool
batch_write_quarantine(bus_writer *w)
{
    bus_park_write parks[WRITES_MAX];
    int64_t        epochs[WRITES_MAX];
    bus_error      err = {0};
    int            count = gather(w, parks, epochs);

    if (count == 0)
        return true;
    if (w->options->store->park(w->store, w->domain, BUS_WRITER_READER, w->domain, parks, epochs,
                                count, &err) != BUS_OK) {
        bus_log_warn("writer.quarantine_unwritten", BUS_KV("domain", w->domain), BUS_KV_ERR(&err));
        return false; /* again at the next look */
    }
    for (int i = 0; i < count; i++) {
        bus_quarantined *q = find(w, parks[i].stream);

        if (parks[i].remove) {
            bus_log_info("writer.stream_works_again", BUS_KV("domain", w->domain),
                         BUS_KV_ID("stream", q->stream));
            drop(w, q);
        } else {
            q->written = true;
        }
    }
    return true;
}

/* --- looking at the list ---------------------------------------------------------- */

static int
compare_stream(const void *key, const void *row)
{
    return bus_id_compare(*(const bus_id *)key, ((const bus_parked *)row)->stream);
}

/* Whose row is gone may go on; rows that we do not know are of an earlier writer. */
static void
compare(bus_writer *w, const bus_parked *rows, int count)
{
    bus_quarantined *q, *next;

    HASH_ITER(hh, w->quarantined, q, next)
    {
        if (!q->written ||
            (count > 0 && bsearch(&q->stream, rows, (size_t)count, sizeof(*rows), compare_stream)))
            continue;
        bus_log_info("writer.stream_released", BUS_KV("domain", w->domain),
                     BUS_KV_ID("stream", q->stream));
        drop(w, q);
    }
    for (int i = 0; i < count && HASH_COUNT(w->quarantined) < QUARANTINED_MAX; i++) {
        if (!holds(w, rows[i].stream) || find(w, rows[i].stream) != NULL)
            continue;
        q = add(w, rows[i].stream);
        q->from_offset = rows[i].from_offset;
        bus_str_store(q->reason, sizeof(q->reason),
                      (bus_str){rows[i].reason.at, rows[i].reason.len < sizeof(q->reason)
                                                       ? rows[i].reason.len
                                                       : (uint32_t)sizeof(q->reason) - 1});
        q->trial = q->written = true;
    }
}

void
bus_writer_look_at_quarantine(bus_writer *w)
{
    bus_arena   arena = {0};
    bus_parked *rows;
    bus_error   err = {0};
    int         count;

    if (HASH_COUNT(w->quarantined) == 0 && !w->took_partitions)
        return;
    if (!batch_write_quarantine(w))
        return;
    if (w->options->store->parked(w->store, w->domain, BUS_WRITER_READER, &arena, &rows, &count,
                                  &err) == BUS_OK) {
        compare(w, rows, count);
        w->took_partitions = false;
    }
    bus_arena_fini(&arena);
}

void
batch_forget_quarantine(bus_writer *w)
{
    bus_quarantined *q, *next;

    HASH_ITER(hh, w->quarantined, q, next) { drop(w, q); }
}
