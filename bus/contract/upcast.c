/* upcast.c - decode, then one step after another.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/upcast.h"

#include <stdio.h>
#include <string.h>

struct bus_upcasting {
    bus_arena *arena;
};

void *
bus_upcast_room(bus_upcasting *out, uint32_t count, size_t item_bytes)
{
    return bus_arena_alloc(out->arena, count * item_bytes);
}

bus_str
bus_upcast_printf(bus_upcasting *out, const char *fmt, ...)
{
    char    text[512];
    va_list args;
    int     len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    BUS_INVARIANT(len >= 0 && (size_t)len < sizeof(text));
    return bus_arena_copy(out->arena, text, (size_t)len);
}

typedef struct {
    const bus_message *type;
    const void        *from;
    void              *to;
    bus_upcasting      out;
} step;

static void
upcast_guarded(void *context)
{
    step *s = context;

    s->type->upcast(s->from, s->to, &s->out);
}

static bus_code
climb(const bus_message **type, bus_arena *arena, void **data, bus_error *err)
{
    bus_code rc = BUS_OK;

    while (rc == BUS_OK && (*type)->upcast_to != NULL) {
        step s = {.type = *type, .from = *data, .out = {arena}};

        s.to = bus_arena_alloc(arena, (*type)->upcast_to->shape->size);
        rc = bus_guarded(upcast_guarded, &s, err);
        *data = s.to;
        *type = (*type)->upcast_to;
    }
    return rc;
}

static bus_code
broken(const bus_message *type, const bus_problems *problems, bus_error *err)
{
    return bus_fail(err, BUS_FAULT, "%s: %s: %s", type->type, problems->items[0].pointer,
                    problems->items[0].message);
}

static bus_code
open_and_climb(const bus_message **type, bus_event_open open, void *context, bus_arena *arena,
               void **data, bus_error *err)
{
    bus_code rc = open == NULL ? BUS_OK : open(context, (*type)->shape, *data, err);

    return rc == BUS_OK ? climb(type, arena, data, err) : rc;
}

bus_code
bus_event_decode_as(bus_personal_form form, const bus_message **type, bus_str json,
                    bus_event_open open, void *context, bus_arena *arena, void **data,
                    bus_error *err)
{
    bus_problems problems; /* 10 kB: not zeroed for each event */

    problems.count = 0;
    *data = bus_arena_alloc(arena, (*type)->shape->size);
    if (bus_decode_as(form, (*type)->shape, json, arena, *data, &problems) != BUS_OK)
        return broken(*type, &problems, err);
    return open_and_climb(type, open, context, arena, data, err);
}

bus_code
bus_event_decode(const bus_message **type, bus_str json, bus_arena *arena, void **data,
                 bus_error *err)
{
    return bus_event_decode_as(BUS_PERSONAL_OPENED, type, json, NULL, NULL, arena, data, err);
}

bus_code
bus_event_decode_json(bus_personal_form form, const bus_message **type, const json_t *value,
                      bus_event_open open, void *context, bus_arena *arena, void **data,
                      bus_error *err)
{
    bus_problems problems; /* 10 kB: not zeroed for each event */

    problems.count = 0;
    *data = bus_arena_alloc(arena, (*type)->shape->size);
    if (bus_decode_json_as(form, (*type)->shape, value, arena, *data, &problems) != BUS_OK)
        return broken(*type, &problems, err);
    return open_and_climb(type, open, context, arena, data, err);
}
