/* batch_append.c - from what was decided to one append, and from the append to replies and readers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/runtime/batch.h"

/* Sorts the records by partition, keeping their order within one: versions stay in order. */
static void
sort_records(batch *b)
{
    int starts[BUS_PARTITIONS_MAX + 1] = {0};

    b->append.events = BUS_ARENA_ARRAY(b->arena, bus_record, (size_t)b->records_count + 1);
    b->places = BUS_ARENA_ARRAY(b->arena, int, (size_t)b->records_count + 1);
    for (int r = 0; r < b->records_count; r++)
        starts[b->records[r].partition + 1]++;
    for (int p = 0; p < BUS_PARTITIONS_MAX; p++)
        starts[p + 1] += starts[p];
    for (int r = 0; r < b->records_count; r++) {
        int at = starts[b->records[r].partition]++;

        b->append.events[at] = b->records[r];
        b->places[at] = r;
    }
}

/* Turns what was decided into one bus_append. False: there is nothing to append. */
bool
batch_gather(batch *b)
{
    bus_writer *w = b->w;
    bus_append *a = &b->append;
    bool        used[BUS_PARTITIONS_MAX] = {false};
    int         claims = 0;

    *a = (bus_append){.events = b->records, .events_count = b->records_count};
    a->partitions = BUS_ARENA_ARRAY(b->arena, bus_append_partition, (size_t)w->partitions);
    a->timers = BUS_ARENA_ARRAY(b->arena, bus_timer_write, HASH_COUNT(b->timers) + 1);
    a->commands = BUS_ARENA_ARRAY(b->arena, bus_command_id, (size_t)b->count);
    for (int r = 0; r < b->records_count; r++)
        used[b->records[r].partition] = true;
    for (const batch_timer *t = b->timers; t != NULL; t = t->hh.next)
        used[t->write.partition] = true;
    for (int p = 0; p < w->partitions; p++)
        if (used[p])
            a->partitions[a->partitions_count++] =
                (bus_append_partition){.partition = (uint16_t)p, .epoch = w->leases[p].epoch};
    for (const batch_timer *t = b->timers; t != NULL; t = t->hh.next)
        if (!t->write.fired || !BUS_PLANTED("writer.fired_timer_stays"))
            a->timers[a->timers_count++] = t->write;
    for (int i = 0; i < b->count; i++)
        if (b->items[i].status == ITEM_APPENDS && b->items[i].events_count > 0)
            a->commands[a->commands_count++].id = b->items[i].cmd->command_id;
    for (const batch_claim *c = b->claims; c != NULL; c = c->hh.next)
        claims += c->released_count + (c->taken ? 1 : 0);
    a->claims = BUS_ARENA_ARRAY(b->arena, bus_claim_write, (size_t)claims + 1);
    for (const batch_claim *c = b->claims; c != NULL; c = c->hh.next)
        for (int i = 0; i < c->released_count && !BUS_PLANTED("writer.claim_leaks"); i++)
            a->claims[a->claims_count++] = (bus_claim_write){.tenant = c->tenant,
                                                             .stream = c->released[i],
                                                             .kind = c->kind,
                                                             .value = c->value,
                                                             .release = true};
    for (const batch_claim *c = b->claims; c != NULL; c = c->hh.next)
        if (c->taken)
            a->claims[a->claims_count++] = (bus_claim_write){
                .tenant = c->tenant, .stream = c->holder, .kind = c->kind, .value = c->value};
    sort_records(b);
    return a->partitions_count > 0;
}

/* After the append went through: offsets and replies. */
void
batch_committed(batch *b)
{
    bus_writer *w = b->w;

    for (int r = 0; r < b->append.events_count; r++) {
        const bus_record *record = &b->append.events[r];

        b->records[b->places[r]].offset = record->offset;
        w->leases[record->partition].head = record->offset;
    }
    for (int i = 0; i < b->count; i++) {
        item   *it = &b->items[i];
        bus_buf events = {0};

        if (it->status != ITEM_APPENDS)
            continue;
        it->status = ITEM_SETTLED;
        if (it->events_count == 0)
            continue;
        it->reply.offset = b->records[it->first_event + it->events_count - 1].offset;
        if (it->cmd->origin != BUS_ORIGIN_SEND || it->reply.status != BUS_ANSWER_DONE)
            continue;
        for (int r = 0; r < it->events_count; r++)
            batch_add_event(&events, &b->records[it->first_event + r]);
        bus_buf_add_char(&events, ']');
        it->reply.events = batch_keep(b, &events);
    }
}

void
batch_publish(batch *b)
{
    bus_writer *w = b->w;
    bus_str     topic = bus_arena_printf(b->arena, "events.%s", w->domain);
    int         at = 0;

    while (at < b->append.events_count) {
        bus_record *first = &b->append.events[at];
        bus_batch   one = {.topic = topic,
                           .partition = first->partition,
                           .first_offset = first->offset,
                           .records = first};
        bus_batch  *owned;

        while (at < b->append.events_count && b->append.events[at].partition == first->partition) {
            one.count++;
            at++;
        }
        owned = bus_batch_of(&one);
        w->options->transport_ops->publish(w->options->transport, owned);
        bus_batch_release(owned);
    }
}
