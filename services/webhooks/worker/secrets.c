/* secrets.c - what nobody is told of an event: members that are masked for ADMIN himself, as sealed
 * secrets and hashes of passwords and codes are. They are null, as in feeds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/secrets.h"
#include "bus/base/error.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* "ADMIN DISPATCHER", not "ADMIN+grant". */
static bool
is_secret(const bus_field *field)
{
    const char *at = field->masked_for;

    for (; at != NULL && *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");

        if (len == 5 && memcmp(at, "ADMIN", 5) == 0)
            return true;
        at += len;
    }
    return false;
}

bool
webhooks_has_secrets(const bus_shape *shape)
{
    if (shape->kind == BUS_KIND_ARRAY)
        return webhooks_has_secrets(shape->item);
    if (shape->kind == BUS_KIND_UNION)
        for (uint32_t i = 0; i < shape->variants_count; i++)
            if (webhooks_has_secrets(shape->variants[i].shape))
                return true;
    if (shape->kind == BUS_KIND_OBJECT)
        for (uint32_t i = 0; i < shape->fields_count; i++)
            if (is_secret(&shape->fields[i]) || webhooks_has_secrets(shape->fields[i].shape))
                return true;
    return false;
}

/* Depth is the contract's. A union hides what any of its variants hides. */
static void
hide(const bus_shape *shape, json_t *value)
{
    size_t  i;
    json_t *item;

    if (shape->kind == BUS_KIND_ARRAY)
        json_array_foreach(value, i, item) hide(shape->item, item);
    if (shape->kind == BUS_KIND_UNION)
        for (uint32_t v = 0; v < shape->variants_count; v++)
            hide(shape->variants[v].shape, value);
    if (shape->kind != BUS_KIND_OBJECT)
        return;
    for (uint32_t f = 0; f < shape->fields_count; f++) {
        item = json_object_get(value, shape->fields[f].name);
        if (item != NULL && is_secret(&shape->fields[f]))
            BUS_INVARIANT(json_object_set_new(value, shape->fields[f].name, json_null()) == 0);
        else if (item != NULL)
            hide(shape->fields[f].shape, item);
    }
}

bus_str
webhooks_without_secrets(const bus_shape *shape, bus_str data, bus_arena *arena)
{
    json_t *value = json_loadb(data.at, data.len, JSON_DECODE_ANY, NULL);
    char   *text = NULL;
    bus_str out = BUS_STR("{}"); /* what cannot be read shows nothing */

    if (value != NULL) {
        hide(shape, value);
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    }
    if (text != NULL)
        out = bus_arena_copy(arena, text, strlen(text));
    free(text);
    json_decref(value);
    return out;
}
