/* actor.c - who did it, as JSON in the log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/contract.h"
#include "bus/envelope/envelope.h"

#include <jansson.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t    bit;
} roles[] = {
    {"ADMIN", BUS_ROLE_ADMIN},   {"DISPATCHER", BUS_ROLE_DISPATCHER}, {"DRIVER", BUS_ROLE_DRIVER},
    {"VIEWER", BUS_ROLE_VIEWER}, {"SERVICE", BUS_ROLE_SERVICE},
};

static const struct {
    const char *name;
    uint32_t    bit;
} grants[] = {
    {"finance.read", BUS_GRANT_FINANCE_READ},
    {"tenants.manage", BUS_GRANT_TENANTS_MANAGE},
    {"telegram.link", BUS_GRANT_TELEGRAM_LINK},
};

static void
add_grants(const bus_actor *actor, bus_buf *out)
{
    const char *comma = "";

    if (actor->grants == 0)
        return;
    bus_buf_add_text(out, ",\"grants\":[");
    for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
        if ((actor->grants & grants[i].bit) == 0)
            continue;
        bus_buf_printf(out, "%s\"%s\"", comma, grants[i].name);
        comma = ",";
    }
    bus_buf_add_char(out, ']');
}

void
bus_actor_encode(const bus_actor *actor, bus_buf *out)
{
    char        text[BUS_ID_TEXT_BYTES];
    const char *comma = "";

    bus_buf_printf(out, "{\"id\":\"%s\",\"roles\":[", bus_id_format(actor->id, text));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if ((actor->roles & roles[i].bit) == 0)
            continue;
        bus_buf_printf(out, "%s\"%s\"", comma, roles[i].name);
        comma = ",";
    }
    bus_buf_add_char(out, ']');
    add_grants(actor, out);
    if (!bus_id_is_nil(actor->driver_id))
        bus_buf_printf(out, ",\"driver_id\":\"%s\"", bus_id_format(actor->driver_id, text));
    bus_buf_add_char(out, '}');
}

static bool
id_member(const json_t *object, const char *name, bus_id *out)
{
    const json_t *value = json_object_get(object, name);

    if (value == NULL) {
        *out = BUS_ID_NIL;
        return true;
    }
    return json_is_string(value) && bus_id_parse(bus_str_of(json_string_value(value)), out);
}

static uint32_t
role_bit(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(roles) / sizeof(roles[0]); i++)
        if (bus_str_is(bus_str_of(name), roles[i].name))
            return roles[i].bit;
    return 0;
}

bus_code
bus_actor_decode(bus_str text, bus_actor *out, bus_error *err)
{
    json_t       *object = json_loadb(text.at, text.len, 0, NULL);
    const json_t *list, *item;
    size_t        i;
    bool          right = json_is_object(object);

    *out = (bus_actor){0};
    right = right && id_member(object, "id", &out->id) &&
            id_member(object, "driver_id", &out->driver_id);
    list = json_object_get(object, "roles");
    json_array_foreach(list, i, item)
    {
        uint32_t bit = role_bit(json_string_value(item));

        right = right && bit != 0;
        out->roles |= bit;
    }
    list = json_object_get(object, "grants");
    json_array_foreach(list, i, item)
    {
        uint32_t bit =
            json_is_string(item) ? bus_grant_parse(bus_str_of(json_string_value(item))) : 0;

        right = right && bit != 0;
        out->grants |= bit;
    }
    json_decref(object);
    if (!right)
        return bus_fail(err, BUS_INVALID, "the actor is not {id, roles, grants, driver_id}");
    return BUS_OK;
}

bus_code
bus_actor_id(bus_str text, bus_id *out, bus_error *err)
{
    static const char first[] = "{\"id\":\"";
    const uint32_t    at = sizeof(first) - 1, id_len = BUS_ID_TEXT_BYTES - 1;
    bus_actor         actor;
    bus_code          rc;

    if (text.len > at + id_len + 1 && memcmp(text.at, first, at) == 0 &&
        text.at[at + id_len] == '"' &&
        (text.at[at + id_len + 1] == ',' || text.at[at + id_len + 1] == '}') &&
        text.at[text.len - 1] == '}' && bus_id_parse((bus_str){text.at + at, id_len}, out))
        return BUS_OK;
    if ((rc = bus_actor_decode(text, &actor, err)) == BUS_OK)
        *out = actor.id;
    return rc;
}
