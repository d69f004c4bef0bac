/* batch_lookup.c - what is in the log already, what others hold, what is not ours any more, and how
 * an unknown commit ended.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "bus/runtime/batch.h"
#include "bus/runtime/sends.h"

#define OUTCOME_TRIES 40 /* times the store is asked how an unknown commit ended */
#define OUTCOME_PAUSE_MS 250

typedef struct {
    batch   *b;
    bus_buf *events; /* JSON arrays under way, one per item */
} finding;

/* One more event of a command's reply: [{"type","data"}, without the closing bracket. */
void
batch_add_event(bus_buf *events, const bus_record *record)
{
    bus_buf_add_char(events, record->nth == 0 ? '[' : ',');
    bus_buf_printf(events, "{\"type\":\"%.*s\",\"data\":", BUS_STR_ARG(record->type));
    bus_buf_add_str(events, record->data);
    bus_buf_add_char(events, '}');
}

static void
found_refusal(batch *b, item *it, const bus_record *record)
{
    bus_refused refusal;
    bus_error   err;

    batch_settle(it, BUS_ANSWER_REFUSED, "INVALID", (bus_str){NULL, 0});
    if (bus_refused_decode(record->data, b->arena, &refusal, &err) != BUS_OK) {
        bus_log_error("writer.refusal_unreadable", BUS_KV_ERR(&err));
        return;
    }
    it->reply.code = refusal.code;
    it->reply.params = refusal.params;
    it->reply.detail = refusal.detail;
}

/* One event of a command that is in the log: its reply is rebuilt from them all. */
static bus_code
found_record(void *context, const bus_record *record, bus_error *err)
{
    finding *f = context;
    batch   *b = f->b;
    bus_buf *events;
    item    *it;

    (void)err;
    HASH_FIND(hh, b->by_id, &record->command_id, sizeof(record->command_id), it);
    if (it == NULL || (record->nth > 0 && it->reply.status != BUS_ANSWER_DONE))
        return BUS_OK;
    if (batch_is_client(it) && record->digest != it->digest) {
        batch_refuse(b, it, &BUS_KEY_REUSED_REFUSAL, (bus_str){NULL, 0});
        it->status = ITEM_SETTLED;
        return BUS_OK;
    }
    if (bus_is_refused_event(record->type)) {
        found_refusal(b, it, record);
    } else {
        batch_settle(it, BUS_ANSWER_DONE, NULL, (bus_str){NULL, 0});
        it->reply.stream = record->stream;
        it->reply.version = record->version;
        it->reply.partition = record->partition;
        it->reply.offset = record->offset;
        events = &f->events[it - b->items];
        batch_add_event(events, record);
    }
    it->reply.repeated = true;
    return BUS_OK;
}

static void
not_owner(bus_writer *w, item *it)
{
    w->leases[it->cmd->partition].held = false;
    batch_settle(it, BUS_ANSWER_NOT_OWNER, "NOT_OWNER",
                 BUS_STR("the partition belongs to another process"));
}

/* One command cannot be read, because its archive is lost or damaged: each by itself, so that only
 * that one fails. */
static bus_code
find_one_by_one(batch *b, const bool *wanted, bus_append_partition *partitions,
                int partitions_count, finding *f, bus_error *err)
{
    bus_writer *w = b->w;

    for (int i = 0; i < b->count; i++) {
        item    *it = &b->items[i];
        bus_code rc;

        if (!wanted[i])
            continue;
        bus_buf_fini(&f->events[i]); /* what the first try found of it */
        rc = w->options->store->find(w->store, w->domain, partitions, partitions_count,
                                     &it->cmd->command_id, 1, found_record, f, err);
        if (rc == BUS_INVALID) {
            bus_log_error("writer.command_unreadable", BUS_KV("domain", w->domain),
                          BUS_KV_ID("command", it->cmd->command_id), BUS_KV_ERR(err));
            bus_buf_fini(&f->events[i]);
            batch_settle(it, BUS_ANSWER_FAILED, "UNAVAILABLE",
                         BUS_STR("its events cannot be read"));
        } else if (rc != BUS_OK) {
            return rc;
        }
    }
    return BUS_OK;
}

/* Looks the ids of the items with wanted[i] up and settles those that are in the log; in the
 * same query the epochs of their partitions are checked. */
bus_code
batch_look_up(batch *b, const bool *wanted, bus_error *err)
{
    bus_writer           *w = b->w;
    bus_id               *ids = BUS_ARENA_ARRAY(b->arena, bus_id, (size_t)b->count);
    bus_append_partition *partitions =
        BUS_ARENA_ARRAY(b->arena, bus_append_partition, (size_t)w->partitions);
    finding  f = {.b = b, .events = BUS_ARENA_ARRAY(b->arena, bus_buf, (size_t)b->count)};
    bool     used[BUS_PARTITIONS_MAX] = {false};
    int      ids_count = 0, partitions_count = 0;
    bus_code rc;

    for (int i = 0; i < b->count; i++)
        if (wanted[i])
            used[b->items[i].cmd->partition] = true;
    for (int p = 0; p < w->partitions; p++) {
        if (used[p])
            partitions[partitions_count++] =
                (bus_append_partition){.partition = (uint16_t)p, .epoch = w->leases[p].epoch};
    }
    for (int i = 0; i < b->count; i++)
        if (wanted[i])
            ids[ids_count++] = b->items[i].cmd->command_id;
    if (ids_count == 0)
        return BUS_OK;
    rc = w->options->store->find(w->store, w->domain, partitions, partitions_count, ids, ids_count,
                                 found_record, &f, err);
    if (rc == BUS_INVALID)
        rc = find_one_by_one(b, wanted, partitions, partitions_count, &f, err);
    if (rc == BUS_FENCED) {
        for (int p = 0; p < partitions_count; p++)
            for (int i = 0; partitions[p].fenced && i < b->count; i++)
                if (wanted[i] && b->items[i].cmd->partition == partitions[p].partition)
                    not_owner(w, &b->items[i]);
    }
    for (int i = 0; i < b->count; i++) {
        if (f.events[i].len > 0) {
            bus_buf_add_char(&f.events[i], ']');
            b->items[i].reply.events = batch_keep(b, &f.events[i]);
        }
    }
    return rc;
}

/* Items whose ids the append named as being in the log. */
bus_code
batch_settle_duplicates(batch *b, bus_error *err)
{
    bool *wanted = BUS_ARENA_ARRAY(b->arena, bool, (size_t)b->count);

    for (int c = 0; c < b->append.commands_count; c++) {
        item *it;

        if (!b->append.commands[c].found)
            continue;
        HASH_FIND(hh, b->by_id, &b->append.commands[c].id, sizeof(bus_id), it);
        BUS_INVARIANT(it != NULL);
        wanted[it - b->items] = true;
        bus_metric_add(&b->w->metrics[BUS_WRITER_REPEATS], 1);
    }
    return batch_look_up(b, wanted, err);
}

/* Items whose claims others hold: refused when they are decided again. */
void
batch_mark_claimed(batch *b)
{
    char text[BUS_ID_TEXT_BYTES];

    for (int c = 0; c < b->append.claims_count; c++) {
        const bus_claim_write *write = &b->append.claims[c];
        const batch_claim     *entry;
        item                  *it;

        if (!write->taken)
            continue;
        entry = batch_find_claim(b, batch_claim_key(b, write->tenant, write->kind, write->value));
        BUS_INVARIANT(entry != NULL);
        it = &b->items[entry->item];
        it->lost = entry->refusal;
        it->lost_params = entry->refusal->params == NULL
                              ? (bus_str){NULL, 0}
                              : bus_arena_printf(b->arena, "{\"holder\":\"%s\"}",
                                                 bus_id_format(write->holder, text));
    }
}

void
batch_settle_fenced(batch *b)
{
    for (int p = 0; p < b->append.partitions_count; p++)
        for (int i = 0; b->append.partitions[p].fenced && i < b->count; i++) {
            item *it = &b->items[i];

            if (it->status != ITEM_SETTLED && it->status != ITEM_TWIN &&
                it->cmd->partition == b->append.partitions[p].partition)
                not_owner(b->w, it);
        }
}

/* The connection broke during commit. With new epochs the old backend can no longer commit, so
 * what the log says then is final. */
bus_code
batch_settle_unknown(batch *b, bus_error *err)
{
    bool    *wanted = BUS_ARENA_ARRAY(b->arena, bool, (size_t)b->count);
    bus_code rc = BUS_UNKNOWN;

    for (int i = 0; i < b->count; i++)
        wanted[i] = b->items[i].status == ITEM_APPENDS;
    for (int i = 0; i < OUTCOME_TRIES && !atomic_load(&b->w->stopping); i++) {
        if (BUS_PLANTED("writer.unknown_not_fenced") || bus_writer_lease(b->w, true)) {
            rc = batch_look_up(b, wanted, err);
            if (rc == BUS_OK || rc == BUS_FENCED)
                return BUS_OK;
        }
        bus_thread_sleep(b->w->options->threads, OUTCOME_PAUSE_MS);
    }
    /* FAILED would say that they were not carried out, which nobody knows. */
    for (int i = 0; i < b->count; i++)
        if (wanted[i])
            batch_settle(&b->items[i], BUS_ANSWER_EXPIRED, "EXPIRED",
                         BUS_STR("its outcome is not known"));
    return rc;
}
