/* sends.c - what the kernel writes into the log, and reads back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/sends.h"
#include "bus/runtime/fold.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void
bus_sends_encode(const bus_decided_send *sends, int count, int nth, bus_buf *out)
{
    char text[BUS_ID_TEXT_BYTES];
    char before = '[';

    for (int i = 0; i < count; i++) {
        const bus_decided_send *s = &sends[i];

        if (s->event != nth)
            continue;
        bus_buf_add_char(out, before);
        before = ',';
        bus_buf_printf(out, "{\"to\":\"%s\",\"stream\":\"%s\",\"data\":", s->command->type,
                       bus_id_format(s->stream, text));
        bus_buf_add_str(out, s->data);
        if (s->answer != NULL)
            bus_buf_printf(out, ",\"answer\":\"%s\"", s->answer->type);
        bus_buf_add_char(out, '}');
    }
    if (before == ',')
        bus_buf_add_char(out, ']');
}

/* A string member, in the arena; empty if it is not there. */
static bus_str
text_of(const json_t *object, const char *name, bus_arena *arena)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        return (bus_str){NULL, 0};
    return bus_arena_copy(arena, json_string_value(value), json_string_length(value));
}

static bool
id_of(const json_t *object, const char *name, bus_id *out)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) && bus_id_parse(bus_str_of(json_string_value(value)), out);
}

/* Any member as JSON text, in the arena; empty if it is not there. */
static bus_str
json_of(const json_t *object, const char *name, bus_arena *arena)
{
    const json_t *value = json_object_get(object, name);
    char         *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    bus_str       copy = {NULL, 0};

    if (text != NULL)
        copy = bus_arena_copy(arena, text, strlen(text));
    free(text);
    return copy;
}

bus_code
bus_sends_decode(bus_str text, bus_arena *arena, bus_sent **out, int *count, bus_error *err)
{
    json_t  *list = json_loadb(text.at, text.len, 0, NULL);
    json_t  *item;
    size_t   i;
    bus_code rc = BUS_OK;

    *count = (int)json_array_size(list);
    *out = BUS_ARENA_ARRAY(arena, bus_sent, (size_t)*count);
    if (!json_is_array(list))
        rc = bus_fail(err, BUS_INVALID, "the sends of the event are not a list");
    json_array_foreach(list, i, item)
    {
        bus_sent *s = &(*out)[i];

        s->to = text_of(item, "to", arena);
        s->data = json_of(item, "data", arena);
        s->answer = text_of(item, "answer", arena);
        if (s->to.len == 0 || s->data.len == 0 || !id_of(item, "stream", &s->stream))
            rc =
                bus_fail(err, BUS_INVALID, "send %d of the event lacks to, stream or data", (int)i);
    }
    json_decref(list);
    return rc;
}

bool
bus_is_refused_event(bus_str type)
{
    static const char tail[] = "." BUS_REFUSED_EVENT;
    const uint32_t    len = sizeof(tail) - 1;

    return type.len > len && memcmp(type.at + type.len - len, tail, len) == 0;
}

void
bus_refused_encode(const bus_refused *refused, bus_buf *out)
{
    char text[BUS_ID_TEXT_BYTES];

    bus_buf_add_text(out, "{\"command\":");
    bus_buf_add_json(out, refused->command);
    bus_buf_printf(out, ",\"stream\":\"%s\",\"origin\":", bus_id_format(refused->stream, text));
    bus_buf_add_json(out, refused->origin);
    bus_buf_add_text(out, ",\"code\":");
    bus_buf_add_json(out, refused->code);
    if (refused->params.len > 0) {
        bus_buf_add_text(out, ",\"params\":");
        bus_buf_add_str(out, refused->params);
    }
    bus_buf_add_text(out, ",\"detail\":");
    bus_buf_add_json(out, refused->detail);
    bus_buf_add_char(out, '}');
}

bus_code
bus_refused_decode(bus_str text, bus_arena *arena, bus_refused *out, bus_error *err)
{
    json_t *object = json_loadb(text.at, text.len, 0, NULL);
    bool    right;

    *out = (bus_refused){.command = text_of(object, "command", arena),
                         .origin = text_of(object, "origin", arena),
                         .code = text_of(object, "code", arena),
                         .params = json_of(object, "params", arena),
                         .detail = text_of(object, "detail", arena)};
    right = id_of(object, "stream", &out->stream) && out->code.len > 0;
    json_decref(object);
    if (!right)
        return bus_fail(err, BUS_INVALID, "a durable refusal without stream or code");
    return BUS_OK;
}

void
bus_answer_encode(bus_str command, bus_id stream, const bus_reply *reply, bus_buf *out)
{
    char text[BUS_ID_TEXT_BYTES];

    bus_buf_add_text(out, "{\"command\":");
    bus_buf_add_json(out, command);
    bus_buf_printf(out, ",\"stream\":\"%s\",\"accepted\":%s,\"version\":%d",
                   bus_id_format(stream, text), reply->status == BUS_ANSWER_DONE ? "true" : "false",
                   (int)reply->version);
    if (reply->code.len > 0) {
        bus_buf_add_text(out, ",\"code\":");
        bus_buf_add_json(out, reply->code);
    }
    if (reply->detail.len > 0) {
        bus_buf_add_text(out, ",\"detail\":");
        bus_buf_add_json(out, reply->detail);
    }
    if (reply->params.len > 0) {
        bus_buf_add_text(out, ",\"params\":");
        bus_buf_add_str(out, reply->params);
    }
    if (reply->events.len > 0) {
        bus_buf_add_text(out, ",\"events\":");
        bus_buf_add_str(out, reply->events);
    }
    bus_buf_add_char(out, '}');
}

const bus_message *
bus_find_command(const bus_contract *const *contracts, int count, bus_str type)
{
    const bus_message *message = NULL;

    for (int i = 0; i < count && message == NULL; i++)
        message = bus_contract_command(contracts[i], type);
    return message;
}

const bus_message *
bus_find_event(const bus_contract *const *contracts, int count, bus_str type)
{
    const bus_message *message = NULL;

    for (int i = 0; i < count && message == NULL; i++)
        message = bus_contract_event(contracts[i], type);
    return message;
}

/* The events of an answer; an event of a newer contract than ours is passed over. */
static bus_code
decode_events(const json_t *list, const bus_contract *const *contracts, int contracts_count,
              bus_personal *personal, bus_id tenant, bus_arena *arena, bus_answer *out,
              bus_error *err)
{
    bus_answer_event *events = BUS_ARENA_ARRAY(arena, bus_answer_event, json_array_size(list));
    const json_t     *item;
    size_t            i;

    out->events = events;
    json_array_foreach(list, i, item)
    {
        const bus_message *type =
            bus_find_event(contracts, contracts_count, text_of(item, "type", arena));
        bus_error problem;
        void     *data;
        bus_code  rc;

        if (type == NULL)
            continue;
        rc = bus_personal_event_json(personal, tenant, out->stream, &type,
                                     json_object_get(item, "data"), arena, &data, &problem);
        if (rc != BUS_OK)
            return bus_fail(err, bus_is_outage(rc) ? rc : BUS_INVALID, "an answer's event %s",
                            problem.text);
        events[out->events_count++] = (bus_answer_event){.type = type, .data = data};
    }
    return BUS_OK;
}

bus_code
bus_answer_decode(bus_str text, const bus_contract *const *contracts, int contracts_count,
                  bus_personal *personal, bus_id tenant, bus_arena *arena, bus_answer *out,
                  bus_error *err)
{
    json_t  *object = json_loadb(text.at, text.len, 0, NULL);
    bus_code rc = BUS_OK;

    *out = (bus_answer){
        .command = bus_find_command(contracts, contracts_count, text_of(object, "command", arena)),
        .accepted = json_is_true(json_object_get(object, "accepted")),
        .code = text_of(object, "code", arena),
        .detail = text_of(object, "detail", arena),
        .version = (int32_t)json_integer_value(json_object_get(object, "version")),
    };
    if (out->command == NULL || !id_of(object, "stream", &out->stream))
        rc = bus_fail(err, BUS_INVALID, "an answer without a known command or stream");
    else
        rc = decode_events(json_object_get(object, "events"), contracts, contracts_count, personal,
                           tenant, arena, out, err);
    json_decref(object);
    return rc;
}

bus_str
bus_refusal_text(const bus_refusal *refusal, bus_str params, bus_arena *arena)
{
    json_t     *values = params.len == 0 ? NULL : json_loadb(params.at, params.len, 0, NULL);
    bus_buf     out = {0};
    const char *at = refusal->en;
    bus_str     text;

    while (*at != '\0') {
        const char *open = strchr(at, '{'), *close = open == NULL ? NULL : strchr(open, '}');
        char        name[64];
        bus_str     value;

        if (close == NULL || (size_t)(close - open) > sizeof(name))
            break;
        bus_buf_add(&out, at, (size_t)(open - at));
        memcpy(name, open + 1, (size_t)(close - open - 1));
        name[close - open - 1] = '\0';
        value = text_of(values, name, arena);
        bus_buf_add_str(&out, value.len > 0 ? value : json_of(values, name, arena));
        at = close + 1;
    }
    bus_buf_add_text(&out, at);
    text = bus_arena_copy(arena, out.at, out.len);
    bus_buf_fini(&out);
    json_decref(values);
    return text;
}
