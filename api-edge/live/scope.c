/* scope.c - who sees which events.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/scope.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const edge_access everything = {.sees = EDGE_SEES_ALL, .reader.roles = BUS_ROLE_ADMIN};
static const edge_access nothing = {.sees = EDGE_SEES_NONE};

/* --- who ----------------------------------------------------------------- */

static edge_access
access_of(const edge *e, const bus_aggregate_contract *aggregate, const bus_actor *actor)
{
    const bus_actor of = {
        .id = actor->id,
        .driver_id = actor->driver_id,
        .roles = aggregate->feed_roles == 0 ? actor->roles : actor->roles & aggregate->feed_roles,
        .grants = actor->grants};
    edge_access access = {.reader.grants = actor->grants};

    for (int i = 0; i < e->views_count; i++) {
        const edge_view *view = &e->views[i];
        edge_scope       scope;

        if (view->of->of != aggregate)
            continue;
        scope = edge_view_scope(view, &of);
        if (!scope.allowed || (scope.own_only && access.sees == EDGE_SEES_ALL))
            continue;
        if (!scope.own_only && access.sees == EDGE_SEES_OWN)
            access = (edge_access){.reader.grants = actor->grants};
        if (access.sees == EDGE_SEES_NONE)
            access.own = scope.own_only ? view : NULL;
        access.sees = scope.own_only ? EDGE_SEES_OWN : EDGE_SEES_ALL;
        access.reader.roles |= scope.roles;
    }
    return access;
}

bool
edge_feed_scope_of(const edge *e, const bus_contract *contract, const bus_actor *actor,
                   edge_feed_scope *out)
{
    bool some = false;

    *out = (edge_feed_scope){.e = e, .contract = contract};
    out->all = (actor->roles & BUS_ROLE_ADMIN) != 0;
    for (int a = 0; a < contract->aggregates_count && a < EDGE_AGGREGATES_MAX; a++) {
        out->access[a] = access_of(e, contract->aggregates[a], actor);
        some = some || out->access[a].sees != EDGE_SEES_NONE;
    }
    return some || out->all;
}

const edge_access *
edge_feed_access(const edge_feed_scope *scope, const bus_message *message)
{
    if (scope->all)
        return &everything;
    for (int a = 0; message != NULL && a < scope->contract->aggregates_count; a++)
        if (a < EDGE_AGGREGATES_MAX && scope->contract->aggregates[a] == message->aggregate)
            return &scope->access[a];
    return &nothing;
}

/* --- what ---------------------------------------------------------------- */

typedef struct {
    const edge        *e;
    const bus_message *message;
    const edge_access *access;
    bool               all; /* for ADMIN, for whom only secrets are masked */
} rendering;

enum { SHOWN = 1, MASKED = 2 };

/* Is there a member of that name anywhere in a row, and is it masked for the reader? */
static int
find_in(const bus_shape *shape, const char *name, const edge_reader *reader)
{
    int found = 0;

    if (shape->kind == BUS_KIND_ARRAY)
        return find_in(shape->item, name, reader);
    if (shape->kind == BUS_KIND_UNION)
        for (uint32_t i = 0; i < shape->variants_count; i++)
            found |= find_in(shape->variants[i].shape, name, reader);
    if (shape->kind != BUS_KIND_OBJECT)
        return found;
    for (uint32_t i = 0; i < shape->fields_count; i++) {
        const bus_field *field = &shape->fields[i];
        bool             masked = edge_is_masked(field->masked_for, reader);

        if (strcmp(field->name, name) == 0)
            found |= masked ? MASKED : SHOWN;
        if (!masked)
            found |= find_in(field->shape, name, reader);
    }
    return found;
}

/* What the views of the aggregate that the caller may read have of that name, each as its list
 * shows it: to those of the caller's roles that open it. */
static int
find_in_views(const rendering *r, const char *name)
{
    const bus_actor actor = {.roles = r->access->reader.roles, .grants = r->access->reader.grants};
    int             found = 0;

    for (int i = 0; i < r->e->views_count; i++) {
        const edge_view  *view = &r->e->views[i];
        const edge_scope  scope = edge_view_scope(view, &actor);
        const edge_reader reader = {.roles = scope.roles, .grants = actor.grants};

        if (view->of->of == r->message->aggregate && scope.allowed)
            found |= find_in(view->of->row, name, &reader);
    }
    return found;
}

static bool
is_amount(const char *name)
{
    static const char *const units[] = {"_kop", "_kop_km", "_kop_day", "_bp"};
    size_t                   len = strlen(name);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t unit_len = strlen(units[i]);

        if (len > unit_len && strcmp(name + len - unit_len, units[i]) == 0)
            return true;
    }
    return false;
}

static bool
is_hidden(const rendering *r, const bus_field *field)
{
    int found;

    if (edge_is_masked(field->masked_for, &r->access->reader))
        return true;
    found = find_in_views(r, field->name);
    if ((found & MASKED) != 0)
        return true;
    return !r->all && found == 0 && (field->personal != NULL || is_amount(field->name));
}

static void hide_in(const rendering *r, const bus_shape *shape, json_t *value);

static void
hide_members(const rendering *r, const bus_shape *shape, json_t *object)
{
    for (uint32_t i = 0; i < shape->fields_count; i++) {
        const bus_field *field = &shape->fields[i];
        json_t          *value = json_object_get(object, field->name);

        if (value == NULL || json_is_null(value))
            continue;
        if (is_hidden(r, field))
            BUS_INVARIANT(json_object_set_new(object, field->name, json_null()) == 0);
        else
            hide_in(r, field->shape, value);
    }
}

/* Depth is the contract's. */
static void
hide_in(const rendering *r, const bus_shape *shape, json_t *value)
{
    size_t  i;
    json_t *item;

    if (shape->kind == BUS_KIND_OBJECT)
        hide_members(r, shape, value);
    else if (shape->kind == BUS_KIND_ARRAY)
        json_array_foreach(value, i, item) hide_in(r, shape->item, item);
    else if (shape->kind == BUS_KIND_UNION)
        for (uint32_t v = 0; v < shape->variants_count; v++) {
            const char *tag = json_string_value(json_object_get(value, shape->tag));

            if (tag != NULL && strcmp(tag, shape->variants[v].tag_value) == 0)
                hide_members(r, shape->variants[v].shape, value);
        }
}

/* Is anything hidden in this shape, whatever a document holds? */
static bool
hides_some(const rendering *r, const bus_shape *shape)
{
    if (shape->kind == BUS_KIND_ARRAY)
        return hides_some(r, shape->item);
    if (shape->kind == BUS_KIND_UNION)
        for (uint32_t v = 0; v < shape->variants_count; v++)
            if (hides_some(r, shape->variants[v].shape))
                return true;
    if (shape->kind != BUS_KIND_OBJECT)
        return false;
    for (uint32_t i = 0; i < shape->fields_count; i++)
        if (is_hidden(r, &shape->fields[i]) || hides_some(r, shape->fields[i].shape))
            return true;
    return false;
}

void
edge_event_data(const edge_feed_scope *scope, const bus_message *message, const edge_access *access,
                bus_str data, bus_buf *out)
{
    const rendering r = {.e = scope->e, .message = message, .access = access, .all = scope->all};
    json_t         *value;
    char           *text = NULL;

    if ((scope->all && message == NULL) || !hides_some(&r, message->shape)) {
        bus_buf_add_str(out, data);
        return;
    }
    value = json_loadb(data.at, data.len, 0, NULL);
    if (json_is_object(value)) {
        hide_in(&r, message->shape, value);
        text = json_dumps(value, JSON_COMPACT);
    }
    bus_buf_add_text(out, text == NULL ? "{}" : text);
    free(text);
    json_decref(value);
}
