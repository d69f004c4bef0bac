/* codec.c - envelopes as JSON, one object each: what crosses between processes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/contract.h"
#include "bus/envelope/envelope.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)16 * 1024 * 1024) /* of one envelope */

static const char *const origins[] = {"client", "send", "reaction", "answer", "wake"};
static const char *const statuses[] = {"done",      "refused", "invalid", "expired",
                                       "not_owner", "busy",    "failed"};

static void
add_id(bus_buf *out, const char *name, bus_id id)
{
    char text[BUS_ID_TEXT_BYTES];

    bus_buf_printf(out, ",\"%s\":\"%s\"", name, bus_id_format(id, text));
}

static void
add_int(bus_buf *out, const char *name, int64_t value)
{
    bus_buf_printf(out, ",\"%s\":", name);
    bus_buf_add_int(out, value);
}

static void
add_str(bus_buf *out, const char *name, bus_str s)
{
    if (s.len == 0)
        return;
    bus_buf_printf(out, ",\"%s\":", name);
    bus_buf_add_json(out, s);
}

static void
encode_command(const bus_command *c, bus_buf *out)
{
    bus_buf_add_text(out, "{\"kind\":\"command\"");
    add_id(out, "command_id", c->command_id);
    add_str(out, "type", c->type);
    add_id(out, "tenant", c->tenant);
    add_id(out, "stream", c->stream);
    add_int(out, "partition", c->partition);
    add_str(out, "origin", bus_str_of(origins[c->origin]));
    bus_buf_add_text(out, ",\"actor\":");
    bus_actor_encode(&c->actor, out);
    add_id(out, "correlation_id", c->correlation_id);
    add_str(out, "causation_id", c->causation_id);
    add_int(out, "expires_at_ms", c->expires_at_ms);
    add_int(out, "expected_version", c->expected_version);
    add_int(out, "device_at_ms", c->device_at_ms);
    add_int(out, "due_at_ms", c->due_at_ms);
    add_str(out, "data", c->data);
    bus_buf_add_char(out, '}');
}

static void
encode_reply(const bus_reply *r, uint64_t ticket, bus_buf *out)
{
    bus_buf_add_text(out, "{\"kind\":\"reply\"");
    add_int(out, "ticket", (int64_t)ticket);
    add_id(out, "command_id", r->command_id);
    add_str(out, "status", bus_str_of(statuses[r->status]));
    add_int(out, "repeated", r->repeated);
    add_id(out, "stream", r->stream);
    add_int(out, "version", r->version);
    add_int(out, "partition", r->partition);
    add_int(out, "offset", r->offset);
    add_str(out, "code", r->code);
    add_str(out, "params", r->params);
    add_str(out, "detail", r->detail);
    add_str(out, "events", r->events);
    bus_buf_add_char(out, '}');
}

void
bus_envelope_encode(const bus_envelope *env, bus_buf *out)
{
    if (env->kind == BUS_ENVELOPE_COMMAND)
        encode_command(&env->command, out);
    else
        encode_reply(&env->reply, env->ticket, out);
}

/* --- decoding: the first wrong member is remembered, the rest passed over --- */

typedef struct {
    const json_t *object;
    const char   *wrong; /* NULL: all right so far */
} reading;

static bus_id
get_id(reading *r, const char *name)
{
    const char *text = json_string_value(json_object_get(r->object, name));
    bus_id      id = BUS_ID_NIL;

    if ((text == NULL || !bus_id_parse(bus_str_of(text), &id)) && r->wrong == NULL)
        r->wrong = name;
    return id;
}

static int64_t
get_int(reading *r, const char *name, int64_t minimum, int64_t maximum)
{
    const json_t *value = json_object_get(r->object, name);
    int64_t       n = json_integer_value(value);

    if (!json_is_integer(value) || n < minimum || n > maximum) {
        if (r->wrong == NULL)
            r->wrong = name;
        return minimum;
    }
    return n;
}

static bus_str
get_str(reading *r, const char *name)
{
    const json_t *value = json_object_get(r->object, name);

    if (value == NULL)
        return (bus_str){NULL, 0};
    if (!json_is_string(value) || json_string_length(value) > TEXT_BYTES_MAX) {
        if (r->wrong == NULL)
            r->wrong = name;
        return (bus_str){NULL, 0};
    }
    return (bus_str){json_string_value(value), (uint32_t)json_string_length(value)};
}

static int
get_name(reading *r, const char *member, const char *const *names, int count)
{
    bus_str s = get_str(r, member);

    for (int i = 0; i < count; i++)
        if (bus_str_is(s, names[i]))
            return i;
    if (r->wrong == NULL)
        r->wrong = member;
    return 0;
}

static void
get_actor(reading *r, bus_actor *out)
{
    json_t   *actor = json_object_get(r->object, "actor");
    char     *text = json_dumps(actor, JSON_COMPACT);
    bus_error ignored;

    if ((text == NULL || bus_actor_decode(bus_str_of(text), out, &ignored) != BUS_OK) &&
        r->wrong == NULL)
        r->wrong = "actor";
    free(text);
}

static bus_envelope *
decode_command(reading *r)
{
    bus_command c = {
        .command_id = get_id(r, "command_id"),
        .type = get_str(r, "type"),
        .tenant = get_id(r, "tenant"),
        .stream = get_id(r, "stream"),
        .partition = (uint16_t)get_int(r, "partition", 0, UINT16_MAX),
        .origin = (bus_origin)get_name(r, "origin", origins, 5),
        .correlation_id = get_id(r, "correlation_id"),
        .causation_id = get_str(r, "causation_id"),
        .expires_at_ms = get_int(r, "expires_at_ms", 0, INT64_MAX),
        .expected_version = (int32_t)get_int(r, "expected_version", -1, INT32_MAX),
        .device_at_ms = get_int(r, "device_at_ms", 0, INT64_MAX),
        .due_at_ms = get_int(r, "due_at_ms", 0, INT64_MAX),
        .data = get_str(r, "data"),
    };

    get_actor(r, &c.actor);
    return r->wrong == NULL ? bus_envelope_of_command(&c) : NULL;
}

static bus_envelope *
decode_reply(reading *r)
{
    uint64_t  ticket = (uint64_t)get_int(r, "ticket", INT64_MIN, INT64_MAX);
    bus_reply reply = {
        .command_id = get_id(r, "command_id"),
        .status = (bus_answer_status)get_name(r, "status", statuses, 7),
        .repeated = get_int(r, "repeated", 0, 1) == 1,
        .stream = get_id(r, "stream"),
        .version = (int32_t)get_int(r, "version", 0, INT32_MAX),
        .partition = (uint16_t)get_int(r, "partition", 0, UINT16_MAX),
        .offset = get_int(r, "offset", 0, INT64_MAX),
        .code = get_str(r, "code"),
        .params = get_str(r, "params"),
        .detail = get_str(r, "detail"),
        .events = get_str(r, "events"),
    };
    bus_envelope *env = r->wrong == NULL ? bus_envelope_of_reply(&reply) : NULL;

    if (env != NULL)
        env->ticket = ticket;
    return env;
}

bus_code
bus_envelope_decode(bus_str text, bus_envelope **out, bus_error *err)
{
    json_error_t where;
    json_t      *object = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES, &where);
    reading      r = {.object = object};
    const char  *kind = json_string_value(json_object_get(object, "kind"));
    bus_code     rc = BUS_OK;

    *out = NULL;
    if (object == NULL)
        rc = bus_fail(err, BUS_INVALID, "envelope: line %d, column %d: %s", where.line,
                      where.column, where.text);
    else if (kind != NULL && strcmp(kind, "command") == 0)
        *out = decode_command(&r);
    else if (kind != NULL && strcmp(kind, "reply") == 0)
        *out = decode_reply(&r);
    else
        r.wrong = "kind";
    if (rc == BUS_OK && *out == NULL)
        rc = bus_fail(err, BUS_INVALID, "envelope: /%s is missing or wrong",
                      r.wrong != NULL ? r.wrong : "");
    json_decref(object);
    return rc;
}
