/* event.c - events in memory, and as CloudEvents 1.0.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/event.h"
#include "bus/envelope/cloudevent.h"

#include <stdlib.h>
#include <string.h>

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
render(const edge_event *event, const edge_feed_scope *scope, const edge_access *access,
       bus_buf *out)
{
    bus_cloudevent attributes;
    bus_error      err;

    /* All that is in the log can be written. */
    BUS_INVARIANT(bus_cloudevent_of(&event->record, scope->contract->module, &attributes, &err) ==
                  BUS_OK);
    bus_buf_add_char(out, '{');
    bus_cloudevent_json(&attributes, scope->all, out);
    bus_buf_add_text(out, ",\"data\":");
    edge_event_data(scope, event->message, access, event->record.data, out);
    bus_buf_add_char(out, '}');
}

bus_str
edge_event_text(edge_event *event, const edge_feed_scope *scope, const edge_access *access)
{
    bus_buf out = {0};
    int     i;

    for (i = 0; i < EDGE_TEXTS_MAX && event->texts[i].used; i++)
        if (event->texts[i].roles == access->reader.roles &&
            event->texts[i].grants == access->reader.grants)
            return event->texts[i].text;
    if (i == EDGE_TEXTS_MAX)
        free_text(event, --i);
    render(event, scope, access, &out);
    event->texts[i].used = true;
    event->texts[i].roles = access->reader.roles;
    event->texts[i].grants = access->reader.grants;
    event->texts[i].text = bus_buf_str(&out);
    return event->texts[i].text;
}
