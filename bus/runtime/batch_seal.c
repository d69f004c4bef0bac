/* batch_seal.c - what is personal does not reach the log in clear: members of events and sends are
 * encrypted, values of claims are hashed. One rule: the keys are durable before the first event
 * that needs them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/log/log.h"
#include "bus/runtime/batch.h"
#include "bus/runtime/sends.h"

#include <string.h>

static bool
sends_personal(const bus_decision *decision, int nth)
{
    for (int i = 0; i < decision->sends_count; i++)
        if (decision->sends[i].event == nth && decision->sends[i].command->shape->personal)
            return true;
    return false;
}

bool
batch_seal_later(batch *b, const item *it, const bus_decision *decision, int nth)
{
    const bus_decided_event *e = &decision->events[nth];

    if (!e->type->shape->personal && !sends_personal(decision, nth))
        return false;
    if (b->sealings_count == b->sealings_room) {
        int            room = b->sealings_room == 0 ? 64 : b->sealings_room * 2;
        batch_sealing *all = BUS_ARENA_ARRAY(b->arena, batch_sealing, (size_t)room);

        if (b->sealings_count > 0)
            memcpy(all, b->sealings, (size_t)b->sealings_count * sizeof(*all));
        b->sealings = all;
        b->sealings_room = room;
    }
    b->sealings[b->sealings_count++] = (batch_sealing){.record = b->records_count - 1,
                                                       .item = (int)(it - b->items),
                                                       .type = e->type,
                                                       .data = e->data,
                                                       .sends = decision->sends,
                                                       .sends_count = decision->sends_count,
                                                       .nth = nth};
    return true;
}

bus_code
batch_seal_claims(batch *b, const item *it, bus_decision *decision, bus_error *err)
{
    int kept = 0;

    for (int i = 0; i < decision->claims_count; i++) {
        bus_decided_claim *c = &decision->claims[i];

        if (c->personal && c->value.len == 0)
            continue; /* nobody knows any more what it was */
        if (c->personal) {
            bus_code rc = bus_personal_claim(b->w->personal, it->cmd->tenant, c->kind, c->value,
                                             b->arena, &c->value, err);

            if (rc != BUS_OK)
                return rc;
        }
        decision->claims[kept++] = *c;
    }
    decision->claims_count = kept;
    return BUS_OK;
}

/* --- the records that were left --------------------------------------------------------- */

/* A sent command's data as a struct again. */
static bus_code
decode_send(batch *b, const bus_decided_send *send, void **out, bus_error *err)
{
    const bus_shape *shape = send->command->shape;
    bus_problems     problems = {0};

    *out = bus_arena_alloc(b->arena, shape->size);
    if (bus_decode_as(BUS_PERSONAL_OPENED, shape, send->data, b->arena, *out, &problems) != BUS_OK)
        return bus_fail(err, BUS_FAULT, "a send of %s breaks its contract: %s: %s",
                        send->command->type, problems.items[0].pointer, problems.items[0].message);
    return BUS_OK;
}

static bool
is_left(const batch_sealing *s, const bus_decided_send *send)
{
    return send->event == s->nth && send->command->shape->personal;
}

/* Everybody whose key will be needed. */
static bus_code
prepare(batch *b, bus_error *err)
{
    bus_subjects subjects = {0};

    for (int i = 0; i < b->sealings_count; i++) {
        const batch_sealing *s = &b->sealings[i];
        const bus_record    *record = &b->records[s->record];

        bus_subjects_of(&subjects, record->tenant, record->stream, s->type->shape, s->data,
                        b->arena);
        for (int k = 0; k < s->sends_count; k++) {
            void    *data;
            bus_code rc;

            if (!is_left(s, &s->sends[k]))
                continue;
            if ((rc = decode_send(b, &s->sends[k], &data, err)) != BUS_OK)
                return rc;
            bus_subjects_of(&subjects, record->tenant, s->sends[k].stream,
                            s->sends[k].command->shape, data, b->arena);
        }
    }
    if (subjects.count == 0)
        return BUS_OK;
    if (b->w->personal == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "there are no keys for personal data here");
    return bus_personal_prepare(b->w->personal, subjects.items, subjects.count, true, err);
}

static bus_code
seal_sends(batch *b, const batch_sealing *s, bus_record *record, bus_error *err)
{
    bus_decided_send *sends = BUS_ARENA_ARRAY(b->arena, bus_decided_send, (size_t)s->sends_count);
    bus_buf           buf = {0};

    for (int k = 0; k < s->sends_count; k++) {
        const bus_shape *shape = s->sends[k].command->shape;
        void            *data;
        bus_code         rc;

        sends[k] = s->sends[k];
        if (!is_left(s, &sends[k]))
            continue;
        if ((rc = decode_send(b, &sends[k], &data, err)) != BUS_OK ||
            (rc = bus_personal_seal(b->w->personal, record->tenant, sends[k].stream, shape, data,
                                    b->arena, err)) != BUS_OK)
            return rc;
        bus_encode(shape, data, &buf);
        sends[k].data = batch_keep(b, &buf);
    }
    bus_sends_encode(sends, s->sends_count, s->nth, &buf);
    record->sends = batch_keep(b, &buf);
    return BUS_OK;
}

static bus_code
seal_record(batch *b, const batch_sealing *s, bus_error *err)
{
    bus_record *record = &b->records[s->record];
    bus_buf     buf = {0};
    bus_code rc = bus_personal_seal(b->w->personal, record->tenant, record->stream, s->type->shape,
                                    s->data, b->arena, err);

    if (rc != BUS_OK)
        return rc;
    bus_encode(s->type->shape, s->data, &buf);
    record->data = batch_keep(b, &buf);
    return seal_sends(b, s, record, err);
}

bus_code
batch_seal(batch *b, bus_error *err)
{
    bus_code rc = BUS_OK;

    if (b->sealings_count == 0)
        return BUS_OK;
    rc = prepare(b, err);
    for (int i = 0; rc == BUS_OK && i < b->sealings_count; i++)
        rc = seal_record(b, &b->sealings[i], err);
    if (rc == BUS_OK)
        return BUS_OK;
    bus_log_warn("writer.sealing_failed", BUS_KV("domain", b->w->domain), BUS_KV_ERR(err),
                 BUS_KV_INT("events", b->sealings_count));
    for (int i = 0; i < b->sealings_count; i++)
        batch_settle(&b->items[b->sealings[i].item], BUS_ANSWER_FAILED, "UNAVAILABLE",
                     bus_arena_printf(b->arena, "%s", err->text));
    return rc;
}
