/* event.c - events in memory, and as CloudEvents 1.0.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/event.h"
#include "api-edge/http/header.h"
#include "bus/contract/format.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_BYTES 56

/* --- memory -------------------------------------------------------------- */

static bus_str
put(char **at, bus_str s)
{
    bus_str copy = {*at, s.len};

    if (s.len > 0)
        memcpy(*at, s.at, s.len);
    *at += s.len;
    return copy;
}

edge_event *
edge_event_of(const bus_record *record, const bus_contract *contract)
{
    size_t texts = (size_t)record->aggregate.len + record->type.len + record->causation_id.len +
                   record->actor.len + record->data.len;
    edge_event *event = calloc(1, sizeof(*event) + texts);
    char       *at;

    if (event == NULL)
        abort();
    at = (char *)(event + 1);
    event->record = *record;
    event->record.aggregate = put(&at, record->aggregate);
    event->record.type = put(&at, record->type);
    event->record.causation_id = put(&at, record->causation_id);
    event->record.actor = put(&at, record->actor);
    event->record.data = put(&at, record->data);
    event->record.sends = (bus_str){NULL, 0}; /* the kernel's own business */
    event->message = bus_contract_event(contract, event->record.type);
    event->bytes = sizeof(*event) + texts + EDGE_TEXTS_MAX * (texts + 512); /* and as text */
    event->references = 1;
    return event;
}

edge_event *
edge_event_hold(edge_event *event)
{
    event->references++;
    return event;
}

static void
free_text(edge_event *event, int i)
{
    union {
        const char *in;
        char       *out;
    } at = {.in = event->texts[i].text.at};

    free(at.out);
    event->texts[i].used = false;
}

void
edge_event_release(edge_event *event)
{
    if (event == NULL || --event->references > 0)
        return;
    for (int i = 0; i < EDGE_TEXTS_MAX; i++)
        if (event->texts[i].used)
            free_text(event, i);
    free(event);
}

bool
edge_event_is_owned(const edge_event *event, bus_id driver, int64_t now_ms)
{
    BUS_INVARIANT(event->owner_state == EDGE_OWNER_KNOWN);
    return event->has_owner && !bus_id_is_nil(driver) && bus_id_equal(event->owner, driver) &&
           (!event->has_from || event->from_ms <= now_ms) &&
           (!event->has_until || event->until_ms > now_ms);
}

/* --- the CloudEvent ------------------------------------------------------ */

static void
add_member(bus_buf *out, const char *name, bus_str text)
{
    bus_buf_printf(out, ",\"%s\":", name);
    bus_buf_add_json(out, text);
}

/* The trace that the command came with; the span is the command's own. */
static void
add_traceparent(const bus_record *record, bus_buf *out)
{
    edge_trace trace = {.trace_id = record->correlation_id};
    char       text[TRACE_BYTES];

    if (bus_id_is_nil(record->correlation_id))
        return;
    edge_trace_format(&trace, record->command_id.bytes + 8, text);
    add_member(out, "traceparent", bus_str_of(text));
}

/* Who did it, and what it followed from: for ADMIN. */
static void
add_origin(const bus_record *record, bus_buf *out)
{
    bus_actor actor;
    bus_error err;
    char      text[BUS_ID_TEXT_BYTES];

    if (bus_actor_decode(record->actor, &actor, &err) == BUS_OK)
        add_member(out, "actor", bus_str_of(bus_id_format(actor.id, text)));
    if (record->causation_id.len > 0)
        add_member(out, "causation", record->causation_id);
}

/* Whole numbers of CloudEvents have 32 bits, so the offset is a text. */
static void
render(const edge_event *event, const edge_feed_scope *scope, const edge_access *access,
       bus_buf *out)
{
    const bus_record *r = &event->record;
    char              text[BUS_ID_TEXT_BYTES], time[32];

    bus_buf_printf(out, "{\"specversion\":\"1.0\",\"id\":\"%s:%d\",\"source\":\"/shina/%s\"",
                   bus_id_format(r->command_id, text), (int)r->nth, scope->contract->module);
    add_member(out, "type", r->type);
    bus_buf_printf(out, ",\"subject\":\"%s\"", bus_id_format(r->stream, text));
    bus_format_time_text(r->at_ms, time);
    bus_buf_printf(out, ",\"time\":\"%s\",\"datacontenttype\":\"application/json\"", time);
    bus_buf_printf(out, ",\"partition\":%d,\"offset\":\"%lld\",\"streamversion\":%d", r->partition,
                   (long long)r->offset, (int)r->version);
    bus_buf_printf(out, ",\"tenant\":\"%s\"", bus_id_format(r->tenant, text));
    add_traceparent(r, out);
    if (scope->all)
        add_origin(r, out);
    bus_buf_add_text(out, ",\"data\":");
    edge_event_data(scope, event->message, access, r->data, out);
    bus_buf_add_char(out, '}');
}

bus_str
edge_event_text(edge_event *event, const edge_feed_scope *scope, const edge_access *access)
{
    bus_buf out = {0};
    int     i;

    for (i = 0; i < EDGE_TEXTS_MAX && event->texts[i].used; i++)
        if (event->texts[i].roles == access->roles && event->texts[i].grants == access->grants)
            return event->texts[i].text;
    if (i == EDGE_TEXTS_MAX)
        free_text(event, --i);
    render(event, scope, access, &out);
    event->texts[i].used = true;
    event->texts[i].roles = access->roles;
    event->texts[i].grants = access->grants;
    event->texts[i].text = bus_buf_str(&out);
    return event->texts[i].text;
}
