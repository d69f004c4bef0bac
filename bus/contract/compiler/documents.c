/* documents.c - one JSON Schema per message, and what the documents have in common.
 *
 * What is published is plain JSON Schema 2020-12: what x-format and the like add for the
 * compiler is said again in words that any validator knows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/compiler/model.h"

#include <string.h>

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

json_t *
parsed(const char *single_quoted)
{
    char        *copy = bus_arena_alloc(&compiler_memory, strlen(single_quoted) + 1);
    json_error_t error;
    json_t      *json;

    for (size_t i = 0; single_quoted[i] != '\0'; i++)
        copy[i] = single_quoted[i] == '\'' ? '"' : single_quoted[i];
    json = json_loads(copy, JSON_DECODE_ANY, &error);
    if (json == NULL)
        die("shina-contract", "", "line %d: %s in %s", error.line, error.text, copy);
    return json;
}

void
put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        die("shina-contract", name, "is no JSON value");
}

void
put_text(json_t *object, const char *name, const char *value)
{
    if (value != NULL)
        put(object, name, json_string(value));
}

void
add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        die("shina-contract", "", "is no JSON value");
}

/* e164 as a pattern; any JSON as no condition. */
static void
make_plain(json_t *schema)
{
    const char *name;
    json_t     *value, *item;
    size_t      i;

    if (json_is_array(schema))
        json_array_foreach(schema, i, item) make_plain(item);
    if (!json_is_object(schema))
        return;
    if (json_is_string(json_object_get(schema, "x-format")) &&
        json_object_get(schema, "pattern") == NULL)
        put_text(schema, "pattern", "^\\+[1-9][0-9]{1,14}$");
    if (json_is_true(json_object_get(schema, "x-json")))
        (void)json_object_del(schema, "x-json");
    if (json_object_get(schema, "x-secret") != NULL &&
        !json_is_object(json_object_get(schema, "x-secret"))) { /* else a member of that name */
        (void)json_object_del(schema, "x-secret");
        put(schema, "writeOnly", json_true());
    }
    json_object_foreach(schema, name, value) make_plain(value);
}

json_t *
plain_schema(const contract *c, const json_t *schema)
{
    json_t *out = schema == NULL ? parsed("{'type':'object','additionalProperties':false}")
                                 : resolved(c, schema);

    make_plain(out);
    return out;
}

/* "#/$defs/x" to "#/components/schemas/<module>.x". */
static void
move_references(const contract *c, json_t *schema)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    const char *name;
    json_t     *value, *item;
    size_t      i;

    if (json_is_array(schema))
        json_array_foreach(schema, i, item) move_references(c, item);
    if (!json_is_object(schema))
        return;
    if (ref != NULL)
        put_text(schema, "$ref",
                 text("#/components/schemas/%s.%s", ref[0] == '#' ? c->module : "common",
                      strstr(ref, "#/$defs/") + 8));
    json_object_foreach(schema, name, value) move_references(c, value);
}

json_t *
shared_schema(const contract *c, const json_t *schema)
{
    json_t *out = json_deep_copy(schema);

    make_plain(out);
    move_references(c, out);
    return out;
}

const char *
description_of(const json_t *json)
{
    const json_t *d = json_object_get(json, "description");

    return json_string_value(json_is_object(d) ? json_object_get(d, "en") : d);
}

static void
add_schema(json_t *files, const contract *c, const message *m)
{
    json_t       *schema = plain_schema(c, json_object_get(m->json, "schema"));
    const json_t *valid = json_object_get(json_object_get(m->json, "examples"), "valid");

    put_text(schema, "$schema", DIALECT);
    put_text(schema, "$id", text("urn:shina:%s", m->type));
    put_text(schema, "title", m->type);
    if (json_object_get(schema, "description") == NULL)
        put_text(schema, "description", description_of(m->json));
    if (m->upcast_to != NULL)
        put(schema, "deprecated", json_true());
    if (json_array_size(valid) > 0)
        put(schema, "examples", json_deep_copy(valid));
    put(files, text("%s.json", m->type), schema);
}

json_t *
schemas_of(contract *const *all, int count)
{
    json_t *files = json_object();

    for (int c = 0; c < count; c++)
        for (int a = 0; a < all[c]->aggregates_count; a++) {
            const aggregate *ag = &all[c]->aggregates[a];

            for (int i = 0; i < ag->commands_count; i++)
                if (ag->commands[i].by == BUS_BY_CLIENT || ag->commands[i].by == BUS_BY_SERVICE)
                    add_schema(files, all[c], &ag->commands[i]);
            for (int i = 0; i < ag->events_count; i++)
                add_schema(files, all[c], &ag->events[i]);
        }
    return files;
}
