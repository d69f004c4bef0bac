/* module.c - collecting what pure code asks for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "bus/base/arena.h"
#include "bus/contract/codec.h"
#include "bus/module/decision.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int64_t
bus_meta_business_ms(const bus_meta *meta)
{
    return meta->device_at_ms != 0 ? meta->device_at_ms : meta->at_ms;
}

bus_id
bus_meta_new_id(const bus_meta *meta, unsigned nth)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "new:%u", nth);
    return bus_id_v5_text(meta->command_id, name);
}

/* One more place at the end of an arena array; the old array stays in the arena. */
static void *
one_more(bus_arena *arena, void *items, int *count, int *room, size_t item_bytes, int max)
{
    char *all = items;

    BUS_INVARIANT(*count < max);
    if (*count == *room) {
        int more = *room == 0 ? 8 : *room * 2;

        all = bus_arena_alloc(arena, (size_t)more * item_bytes);
        if (*count > 0)
            memcpy(all, items, (size_t)*count * item_bytes);
        *room = more;
    }
    *count += 1;
    return all;
}

static bus_str
encoded(bus_arena *arena, const bus_shape *shape, const void *data)
{
    bus_buf buf = {0};
    bus_str copy;

    bus_encode(shape, data, &buf);
    copy = bus_arena_copy(arena, buf.at, buf.len);
    bus_buf_fini(&buf);
    return copy;
}

void
bus_decision_begin(bus_decision *decision, bus_arena *arena)
{
    decision->arena = arena;
    decision->events_count = 0;
    decision->refusal = NULL;
    decision->params = (bus_str){NULL, 0};
    decision->claims = NULL;
    decision->claims_count = decision->claims_room = 0;
    decision->sends = NULL;
    decision->sends_count = decision->sends_room = 0;
    decision->wakes_count = 0;
}

bus_verdict
bus_accept(bus_decision *out)
{
    (void)out;
    return BUS_ACCEPTED;
}

bus_verdict
bus_emit(bus_decision *out, const bus_message *event, const void *data)
{
    bus_decided_event *e;

    BUS_INVARIANT(out->events_count < BUS_EVENTS_MAX);
    e = &out->events[out->events_count++];
    e->type = event;
    e->data = bus_arena_alloc(out->arena, event->shape->size);
    bus_copy(event->shape, data, e->data, out->arena);
    return BUS_ACCEPTED;
}

bus_verdict
bus_refuse(bus_decision *out, const bus_refusal *refusal)
{
    return bus_refuse_with(out, refusal, NULL);
}

bus_verdict
bus_refuse_with(bus_decision *out, const bus_refusal *refusal, const void *params)
{
    out->refusal = refusal;
    if (params != NULL && refusal->params != NULL)
        out->params = encoded(out->arena, refusal->params, params);
    return BUS_REFUSED;
}

bus_verdict
bus_refuse_stale(bus_decision *out, int64_t last_at_ms, int32_t utc_offset_min)
{
    char                    text[BUS_MINUTE_TEXT_BYTES];
    struct bus_stale_params params = {.last_at = last_at_ms,
                                      .last = bus_minute_text(last_at_ms, utc_offset_min, text)};

    return bus_refuse_with(out, &BUS_STALE_REFUSAL, &params);
}

static void
add_claim(bus_decision *out, const char *kind, bus_str value, const bus_refusal *taken,
          bool personal)
{
    BUS_INVARIANT(strlen(kind) <= 64 && value.len <= 256);
    out->claims = one_more(out->arena, out->claims, &out->claims_count, &out->claims_room,
                           sizeof(*out->claims), BUS_CLAIMS_MAX);
    out->claims[out->claims_count - 1] = (bus_decided_claim){
        .kind = kind,
        .value = bus_arena_copy(out->arena, value.at, value.len),
        .taken = taken,
        .personal = personal,
    };
}

void
bus_claim(bus_decision *out, const char *kind, bus_str value, const bus_refusal *taken)
{
    BUS_INVARIANT(taken != NULL);
    add_claim(out, kind, value, taken, false);
}

void
bus_release(bus_decision *out, const char *kind, bus_str value)
{
    add_claim(out, kind, value, NULL, false);
}

void
bus_claim_personal(bus_decision *out, const char *kind, bus_str value, const bus_refusal *taken)
{
    BUS_INVARIANT(taken != NULL);
    add_claim(out, kind, value, taken, true);
}

void
bus_release_personal(bus_decision *out, const char *kind, bus_str value)
{
    add_claim(out, kind, value, NULL, true);
}

void
bus_send(bus_decision *out, const bus_message *command, bus_id stream, const void *data,
         const bus_message *answer)
{
    BUS_INVARIANT(out->events_count > 0);
    BUS_INVARIANT(answer == NULL || answer->by == BUS_BY_ANSWER);
    out->sends = one_more(out->arena, out->sends, &out->sends_count, &out->sends_room,
                          sizeof(*out->sends), BUS_SENDS_MAX);
    out->sends[out->sends_count - 1] = (bus_decided_send){
        .event = out->events_count - 1,
        .command = command,
        .stream = stream,
        .data = encoded(out->arena, command->shape, data),
        .answer = answer,
    };
}

static void
set_wake(bus_decision *out, const bus_message *wake, int64_t at_ms)
{
    int i = 0;

    BUS_INVARIANT(wake->by == BUS_BY_WAKE);
    while (i < out->wakes_count && out->wakes[i].command != wake)
        i++;
    BUS_INVARIANT(i < BUS_WAKES_MAX);
    out->wakes[i] = (bus_decided_wake){.command = wake, .at_ms = at_ms};
    if (i == out->wakes_count)
        out->wakes_count++;
}

void
bus_wake_at(bus_decision *out, const bus_message *wake, int64_t at_ms)
{
    BUS_INVARIANT(out->events_count > 0 && at_ms > 0);
    set_wake(out, wake, at_ms);
}

void
bus_wake_cancel(bus_decision *out, const bus_message *wake)
{
    set_wake(out, wake, 0);
}

void
bus_react(bus_reaction_out *out, const bus_message *command, bus_id stream, const void *data)
{
    out->commands = one_more(out->arena, out->commands, &out->commands_count, &out->commands_room,
                             sizeof(*out->commands), BUS_REACTIONS_MAX);
    out->commands[out->commands_count - 1] = (bus_reacted_command){
        .command = command,
        .stream = stream,
        .data = encoded(out->arena, command->shape, data),
    };
}

void
bus_row_key(bus_projection *out, bus_id id)
{
    for (int i = 0; i < out->keys_count; i++)
        if (bus_id_equal(out->keys[i], id))
            return;
    BUS_INVARIANT(out->keys_count < BUS_ROW_KEYS_MAX);
    out->keys[out->keys_count++] = id;
}

bus_id
bus_row_id(const bus_projection *out)
{
    return out->row;
}

void
bus_row_delete(bus_projection *out)
{
    out->removed = true;
}

void *
bus_row_push(bus_projection *out, void *items_pointer, uint32_t *count, uint32_t *capacity,
             size_t item_bytes)
{
    void *items;
    char *all;

    memcpy(&items, items_pointer, sizeof(items)); /* any T **; not read through void ** */
    all = items;
    if (*count >= *capacity) {
        uint32_t room = *count < 4 ? 8 : *count * 2;

        all = bus_arena_alloc(out->arena, room * item_bytes);
        if (*count > 0)
            memcpy(all, items, *count * item_bytes);
        *capacity = room;
        items = all;
        memcpy(items_pointer, &items, sizeof(items));
    }
    memset(all + *count * item_bytes, 0, item_bytes);
    *count += 1;
    return all + (*count - 1) * item_bytes;
}

bus_str
bus_row_printf(bus_projection *out, const char *fmt, ...)
{
    va_list args;
    char    text[1024];
    int     len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    BUS_INVARIANT(len >= 0 && (size_t)len < sizeof(text));
    return bus_arena_copy(out->arena, text, (size_t)len);
}

void *
bus_tagged(bus_arena *arena, const bus_message *message, const void *data)
{
    const bus_aggregate_contract *of = message->aggregate;
    bool                          event = message->version > 0;
    size_t data_bytes = message->shape != NULL ? message->shape->size : sizeof(bus_answer);
    char  *tagged = bus_arena_alloc(arena, event ? of->event_size : of->command_size);

    memcpy(tagged, &message->kind, sizeof(message->kind));
    memcpy(tagged + (event ? of->event_data_offset : of->command_data_offset), data, data_bytes);
    return tagged;
}
