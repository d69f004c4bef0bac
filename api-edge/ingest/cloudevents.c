/* cloudevents.c - what a source has pushed, as the data of ingest.receive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/ingest/cloudevents.h"
#include "api-edge/http/header.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_RULE "the name of an attribute is lower case letters and digits"
#define ATTRIBUTE_BYTES 1024 /* a decoded header, with its NUL */

/* Attributes of CloudEvents, and the members of ingest.receive that they are. */
static const struct {
    const char *attribute, *member;
    bool        needed;
} attributes[] = {
    {"id", "event_id", true},
    {"source", "event_source", true},
    {"type", "event_type", true},
    {"subject", "subject", false},
    {"time", "occurred_at", false},
    {"datacontenttype", "content_type", false},
    {"dataschema", "data_schema", false},
};
#define ATTRIBUTES ((int)(sizeof(attributes) / sizeof(attributes[0])))

static void
put(json_t *object, const char *name, json_t *value)
{
    if (value == NULL || json_object_set_new(object, name, value) != 0)
        abort(); /* out of memory: all else was checked */
}

static void
put_text(json_t *object, const char *name, const char *value)
{
    put(object, name, json_string(value));
}

static bool
is_media(const char *content_type, const char *wanted)
{
    size_t len = strlen(wanted);

    return content_type != NULL && strncasecmp(content_type, wanted, len) == 0 &&
           (content_type[len] == '\0' || content_type[len] == ';' || content_type[len] == ' ');
}

/* application/json, text/json, or something that ends with +json. */
static bool
is_json(const char *content_type)
{
    size_t len = content_type == NULL ? 0 : strcspn(content_type, "; ");

    return is_media(content_type, "application/json") || is_media(content_type, "text/json") ||
           (len > 5 && strncasecmp(content_type + len - 5, "+json", 5) == 0);
}

const char *
edge_cloudevents_pointer(const char *pointer)
{
    static const char *const pointers[][2] = {
        {"/event_id", "/id"},
        {"/event_source", "/source"},
        {"/event_type", "/type"},
        {"/occurred_at", "/time"},
        {"/content_type", "/datacontenttype"},
        {"/data_schema", "/dataschema"},
    };

    for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
        if (strcmp(pointer, pointers[i][0]) == 0)
            return pointers[i][1];
    return strncmp(pointer, "/extensions", 11) == 0 ? "" : pointer;
}

/* Is what came in a header text? It may have any bytes, or not be there. False: problems tells. */
static bool
is_header_text(const char *header, const char *value, bus_problems *problems)
{
    json_t *text = value == NULL ? json_null() : json_string(value); /* NULL unless UTF-8 */
    char    pointer[40];

    json_decref(text);
    if (text != NULL)
        return true;
    (void)snprintf(pointer, sizeof(pointer), "/header/%s", header);
    bus_problem_add(problems, pointer, "is no UTF-8");
    return false;
}

/* --- data ------------------------------------------------------------------ */

static void
put_base64(json_t *event, bus_str bytes)
{
    char *text = malloc((size_t)bytes.len / 3 * 4 + 5);

    if (text == NULL)
        abort();
    (void)EVP_EncodeBlock((uint8_t *)text, (const uint8_t *)bytes.at, (int)bytes.len);
    put_text(event, "form", "BASE64");
    put_text(event, "data", text);
    free(text);
}

/* Bytes that are no JSON: as text if they are one. */
static void
put_bytes(json_t *event, bus_str bytes)
{
    json_t *text =
        memchr(bytes.at, 0, bytes.len) != NULL ? NULL : json_stringn(bytes.at, bytes.len);

    if (text == NULL) {
        put_base64(event, bytes);
        return;
    }
    put_text(event, "form", "TEXT");
    put(event, "data", text);
}

/* The body of a request. False: it says that it is JSON, and is none. */
static bool
put_body(json_t *event, bus_str body, const char *content_type, bus_problems *problems)
{
    json_t *parsed;

    if (body.len == 0) {
        put_text(event, "form", "TEXT");
        return true;
    }
    if (!is_json(content_type)) {
        put_bytes(event, body);
        return true;
    }
    parsed = bus_json_parse(body, problems);
    if (parsed == NULL)
        return false;
    json_decref(parsed);
    put_text(event, "form", "JSON");
    put(event, "data", json_stringn(body.at, body.len));
    return true;
}

/* RFC 4648, section 4: whole groups of four, padded. */
static bool
is_base64(const char *text, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t coded = strspn(text, alphabet);

    return len % 4 == 0 && len - coded <= 2 && strspn(text + coded, "=") == len - coded;
}

/* The members data and data_base64 of a structured event. False: problems tells. */
static bool
put_members(json_t *event, const json_t *from, bus_problems *problems)
{
    const json_t *data = json_object_get(from, "data");
    const json_t *base64 = json_object_get(from, "data_base64");
    const char   *type = json_string_value(json_object_get(from, "datacontenttype"));
    char         *text;

    if (data != NULL && base64 != NULL) {
        bus_problem_add(problems, "/data_base64", "stands beside data");
        return false;
    }
    if (base64 != NULL && !(json_is_string(base64) &&
                            is_base64(json_string_value(base64), json_string_length(base64)))) {
        bus_problem_add(problems, "/data_base64", "must be base64");
        return false;
    }
    if (base64 != NULL) {
        put_text(event, "form", "BASE64");
        put(event, "data", json_incref((json_t *)(uintptr_t)base64));
        return true;
    }
    if (data == NULL || (json_is_string(data) && type != NULL && !is_json(type))) {
        put_text(event, "form", "TEXT");
        if (data != NULL)
            put(event, "data", json_incref((json_t *)(uintptr_t)data));
        return true;
    }
    text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        abort();
    put_text(event, "form", "JSON");
    put_text(event, "data", text);
    free(text);
    return true;
}

/* --- attributes ------------------------------------------------------------ */

/* CloudEvents 1.0, naming conventions. */
static bool
is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");

    return len > 0 && name[len] == '\0';
}

/* One attribute by its text; false: problems tells. */
static bool
put_attribute(json_t *event, const char *name, const char *value, bus_problems *problems)
{
    char    pointer[32];
    int64_t at_ms;
    json_t *extension, *extensions;

    for (int i = 0; i < ATTRIBUTES; i++) {
        if (strcmp(name, attributes[i].attribute) != 0)
            continue;
        (void)snprintf(pointer, sizeof(pointer), "/%s", name);
        if (strcmp(name, "time") != 0) {
            put_text(event, attributes[i].member, value);
            return true;
        }
        if (!edge_time_parse(bus_str_of(value), &at_ms)) {
            bus_problem_add(problems, pointer, "must be a time of RFC 3339");
            return false;
        }
        put(event, attributes[i].member, json_integer(at_ms));
        return true;
    }
    if (!is_name(name)) {
        bus_problem_add(problems, "", NAME_RULE);
        return false;
    }
    extensions = json_object_get(event, "extensions");
    if (extensions == NULL)
        put(event, "extensions", extensions = json_array());
    extension = json_pack("{ssss}", "name", name, "value", value);
    if (extension == NULL || json_array_append_new(extensions, extension) != 0)
        abort();
    return true;
}

static json_t *
new_event(const edge_pushed *pushed)
{
    char    id[BUS_ID_TEXT_BYTES];
    json_t *event = json_object();

    put_text(event, "source_id", bus_id_format(pushed->source_id, id));
    return event;
}

static bool
is_complete(const json_t *event, bus_problems *problems)
{
    char pointer[32];

    for (int i = 0; i < ATTRIBUTES; i++)
        if (attributes[i].needed && json_object_get(event, attributes[i].member) == NULL) {
            (void)snprintf(pointer, sizeof(pointer), "/%s", attributes[i].attribute);
            bus_problem_add(problems, pointer, "is needed");
        }
    return problems->count == 0;
}

static bool
is_version(const char *version, bus_problems *problems)
{
    if (version != NULL && strcmp(version, "1.0") == 0)
        return true;
    bus_problem_add(problems, "/specversion", "must be 1.0");
    return false;
}

/* --- binary ---------------------------------------------------------------- */

static int
hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A header's value, percent-decoded (CloudEvents HTTP binding, 3.1.3.2). False: too long, or not
 * UTF-8 then. */
static bool
decode_value(const char *value, char out[ATTRIBUTE_BYTES])
{
    size_t  len = 0;
    json_t *text;

    while (*value != '\0' && len + 1 < ATTRIBUTE_BYTES) {
        bool encoded = value[0] == '%' && hex(value[1]) >= 0 && hex(value[2]) >= 0;

        out[len++] = encoded ? (char)(hex(value[1]) * 16 + hex(value[2])) : *value;
        value += encoded ? 3 : 1;
    }
    out[len] = '\0';
    if (*value != '\0' || strlen(out) != len)
        return false;
    text = json_string(out);
    json_decref(text);
    return text != NULL;
}

static const char *
header_of(const edge_pushed *pushed, const char *name)
{
    for (int i = 0; i < pushed->attributes_count; i++)
        if (strcmp(pushed->attributes[i].name, name) == 0)
            return pushed->attributes[i].value;
    return NULL;
}

static json_t *
read_binary(const edge_pushed *pushed, bus_problems *problems)
{
    json_t *event;
    bool    good = is_version(header_of(pushed, "specversion"), problems);

    if (!good || !is_header_text("Content-Type", pushed->content_type, problems))
        return NULL;
    event = new_event(pushed);
    for (int i = 0; i < pushed->attributes_count && good; i++) {
        const edge_attribute *a = &pushed->attributes[i];
        char                  value[ATTRIBUTE_BYTES], pointer[64];

        if (strcmp(a->name, "specversion") == 0)
            continue;
        good = is_name(a->name) && decode_value(a->value, value);
        if (!is_name(a->name)) {
            bus_problem_add(problems, "", NAME_RULE);
        } else if (good) {
            good = put_attribute(event, a->name, value, problems);
        } else {
            (void)snprintf(pointer, sizeof(pointer), "/%.60s", a->name);
            bus_problem_add(problems, pointer, "is too long, or no UTF-8");
        }
    }
    good = good && is_complete(event, problems);
    if (good && pushed->content_type != NULL && pushed->body.len > 0)
        put_text(event, "content_type", pushed->content_type);
    if (good && put_body(event, pushed->body, pushed->content_type, problems))
        return event;
    json_decref(event);
    return NULL;
}

/* --- structured ------------------------------------------------------------ */

/* Attributes are texts; extensions also whole numbers and truth values, by their text. */
static bool
put_value(json_t *event, const char *name, const json_t *value, bus_problems *problems)
{
    char pointer[80], number[24];

    if (json_is_string(value))
        return put_attribute(event, name, json_string_value(value), problems);
    if (json_is_null(value))
        return true; /* as if it were not there */
    for (int i = 0; i < ATTRIBUTES; i++)
        if (strcmp(name, attributes[i].attribute) == 0)
            value = NULL;
    if (json_is_boolean(value))
        return put_attribute(event, name, json_is_true(value) ? "true" : "false", problems);
    if (json_is_integer(value)) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        return put_attribute(event, name, number, problems);
    }
    (void)snprintf(pointer, sizeof(pointer), "/%.60s", name);
    bus_problem_add(problems, pointer, "must be a string");
    return false;
}

static json_t *
read_structured(const edge_pushed *pushed, json_t *from, bus_problems *problems)
{
    json_t     *event, *value;
    const char *name;
    bool        good = true;

    if (!json_is_object(from)) {
        bus_problem_add(problems, "", "must be an object");
        return NULL;
    }
    if (!is_version(json_string_value(json_object_get(from, "specversion")), problems))
        return NULL;
    event = new_event(pushed);
    json_object_foreach(from, name, value)
    {
        if (strcmp(name, "specversion") != 0 && strcmp(name, "data") != 0 &&
            strcmp(name, "data_base64") != 0)
            good = good && put_value(event, name, value, problems);
    }
    if (good && is_complete(event, problems) && put_members(event, from, problems))
        return event;
    json_decref(event);
    return NULL;
}

/* --- a form of the source's own ---------------------------------------------- */

/* Without an id of the sender's the same bytes are the same event. */
static void
put_own_id(json_t *event, const edge_pushed *pushed)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char    text[sizeof("sha256:") + sizeof(hash) * 2] = "sha256:";
    size_t  len = strlen(text);

    if (pushed->webhook_id != NULL) {
        put_text(event, "event_id", pushed->webhook_id);
        return;
    }
    (void)SHA256((const uint8_t *)pushed->body.at, pushed->body.len, hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%02x", hash[i]);
    put_text(event, "event_id", text);
}

/* "type" or "event" of a JSON body, where it is a string that can be one. */
static void
put_own_type(json_t *event, const edge_pushed *pushed)
{
    json_t     *body = is_json(pushed->content_type)
                           ? json_loadb(pushed->body.at, pushed->body.len, 0, NULL)
                           : NULL;
    const char *type = json_string_value(json_object_get(body, "type"));

    if (type == NULL)
        type = json_string_value(json_object_get(body, "event"));
    put_text(event, "event_type",
             type == NULL || *type == '\0' || strlen(type) > 255 ? "webhook" : type);
    json_decref(body);
}

static json_t *
read_own(const edge_pushed *pushed, bus_problems *problems)
{
    json_t *event;

    if (!is_header_text("webhook-id", pushed->webhook_id, problems) ||
        !is_header_text("Content-Type", pushed->content_type, problems))
        return NULL;
    event = new_event(pushed);
    put_text(event, "event_source", "webhook");
    put_own_id(event, pushed);
    if (pushed->content_type != NULL)
        put_text(event, "content_type", pushed->content_type);
    if (!put_body(event, pushed->body, pushed->content_type, problems)) {
        json_decref(event);
        return NULL;
    }
    put_own_type(event, pushed);
    return event;
}

/* --- all of it --------------------------------------------------------------- */

/* Problems of the nth event lie below its number. */
static void
move_below(bus_problems *problems, size_t n)
{
    for (int i = 0; i < problems->count; i++) {
        char *pointer = problems->items[i].pointer, moved[sizeof(problems->items[i].pointer)];

        (void)snprintf(moved, sizeof(moved), "/%zu%s", n, pointer);
        memcpy(pointer, moved, sizeof(moved));
    }
}

static edge_push_code
read_batch(const edge_pushed *pushed, json_t *from, json_t *events, bus_problems *problems)
{
    json_t *item;
    size_t  n;

    if (!json_is_array(from)) {
        bus_problem_add(problems, "", "must be an array");
        return EDGE_PUSH_INVALID;
    }
    if (json_array_size(from) > EDGE_PUSH_EVENTS_MAX)
        return EDGE_PUSH_TOO_MANY;
    json_array_foreach(from, n, item)
    {
        json_t *event = read_structured(pushed, item, problems);

        move_below(problems, n);
        if (event == NULL)
            return EDGE_PUSH_INVALID;
        if (json_array_append_new(events, event) != 0)
            abort();
    }
    return EDGE_PUSH_OK;
}

static edge_push_code
read_one(json_t *event, json_t *events)
{
    if (event == NULL)
        return EDGE_PUSH_INVALID;
    if (json_array_append_new(events, event) != 0)
        abort();
    return EDGE_PUSH_OK;
}

static edge_push_code
read_all(const edge_pushed *pushed, json_t *events, bus_problems *problems)
{
    bool           batch = is_media(pushed->content_type, "application/cloudevents-batch+json");
    bool           one = is_media(pushed->content_type, "application/cloudevents+json");
    json_t        *body;
    edge_push_code code;

    if (pushed->own_form)
        return read_one(read_own(pushed, problems), events);
    if (!batch && !one)
        return header_of(pushed, "specversion") == NULL
                   ? EDGE_PUSH_UNSUPPORTED
                   : read_one(read_binary(pushed, problems), events);
    body = bus_json_parse(pushed->body, problems);
    if (body == NULL)
        return EDGE_PUSH_INVALID;
    code = batch ? read_batch(pushed, body, events, problems)
                 : read_one(read_structured(pushed, body, problems), events);
    json_decref(body);
    return code;
}

edge_push_code
edge_cloudevents_read(const edge_pushed *pushed, json_t **out, bus_problems *problems)
{
    json_t        *events = json_array();
    edge_push_code code;

    if (events == NULL)
        abort();
    code = read_all(pushed, events, problems);
    if (code == EDGE_PUSH_OK) {
        *out = events;
    } else {
        json_decref(events);
        *out = NULL;
    }
    return code;
}
