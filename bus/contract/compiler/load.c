/* load.c - contracts from their files: messages, refusals, views.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/base/id.h"
#include "bus/contract/compiler/model.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIEWS_OF_AN_ANALYTIC 4

static contract *loaded[CONTRACTS_MAX];
static int       loaded_count;
static contract *common;

int
load_list(const contract *c, const char *pointer, const json_t *list, const char **out)
{
    const json_t *item;
    size_t        i;
    int           count = 0;

    if (list != NULL && !json_is_array(list))
        die(c->file, pointer, "must be a list");
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item) || count == LIST_MAX)
            die(c->file, text("%s/%zu", pointer, i), "must be a string, and at most the %dth",
                LIST_MAX);
        for (int k = 0; k < count; k++)
            if (strcmp(out[k], json_string_value(item)) == 0)
                die(c->file, text("%s/%zu", pointer, i), "is there twice");
        out[count++] = json_string_value(item);
    }
    return count;
}

/* A text, or {"en": text, "ru": text}. */
static void
check_description(const contract *c, const char *pointer, const json_t *object)
{
    static const char *const languages[] = {"en", "ru", NULL};
    const json_t            *description = json_object_get(object, "description");
    const char              *here = text("%s/description", pointer);

    if (description == NULL || json_is_string(description))
        return;
    if (!json_is_object(description))
        die(c->file, here, "must be a string, or one for each of en and ru");
    check_keywords(c->file, here, description, languages);
    (void)string_member(c->file, here, description, "en", true);
    (void)string_member(c->file, here, description, "ru", true);
}

/* --- messages --------------------------------------------------------------------------------- */

/* "ADMIN", "DRIVER:own", "VIEWER+finance.read" */
static void
parse_roles(const contract *c, const char *pointer, const json_t *list, uint32_t *roles,
            uint32_t *own, uint32_t *granted, uint32_t *grants)
{
    const json_t *item;
    size_t        i;

    if (list != NULL && !json_is_array(list))
        die(c->file, text("%s/roles", pointer), "must be a list");
    json_array_foreach(list, i, item)
    {
        const char *here = text("%s/roles/%zu", pointer, i);
        const char *s = json_string_value(item);
        const char *mark = s == NULL ? NULL : strpbrk(s, ":+");
        size_t      len = s == NULL ? 0 : mark == NULL ? strlen(s) : (size_t)(mark - s);
        uint32_t    role = s == NULL ? 0 : bus_role_parse((bus_str){s, (uint32_t)len});

        if (role == 0)
            die(c->file, here, "is no role");
        if (((*roles | *own) & role) != 0 || (granted != NULL && (*granted & role) != 0))
            die(c->file, here, "the role is there twice");
        if (mark == NULL) {
            *roles |= role;
        } else if (strcmp(mark, ":own") == 0) {
            *own |= role;
        } else if (*mark == '+' && granted != NULL && bus_grant_parse(bus_str_of(mark + 1)) != 0) {
            *granted |= role;
            *grants |= bus_grant_parse(bus_str_of(mark + 1));
        } else {
            die(c->file, here, "%s is not known here", mark);
        }
    }
}

/* "/vehicles/{id}/odometer": segments of lower case letters, digits, - and _, or {id} once. */
static void
check_path(const contract *c, const char *pointer, const char *path)
{
    const char *s = path;
    int         ids = 0;

    while (*s == '/') {
        size_t len = strcspn(++s, "/");

        if (len == 4 && strncmp(s, "{id}", 4) == 0) {
            ids++;
        } else {
            for (size_t i = 0; i < len; i++)
                if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-' &&
                    s[i] != '_')
                    die(c->file, pointer,
                        "a path is of lower case letters, digits, - and _, and {id} once");
        }
        if (len == 0)
            die(c->file, pointer, "an empty segment");
        s += len;
    }
    if (s == path || *s != '\0' || ids > 1 || strlen(path) > 120)
        die(c->file, pointer, "a path starts with / and has {id} at most once");
}

static void
parse_command_route(const contract *c, const char *pointer, const char *http, message *m)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
    const char              *space = strchr(http, ' ');

    pointer = text("%s/http", pointer);
    if (m->by != BUS_BY_CLIENT)
        die(c->file, pointer, "only a client's command has a route");
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]) && space != NULL; i++)
        if (strncmp(http, methods[i], (size_t)(space - http)) == 0 &&
            strlen(methods[i]) == (size_t)(space - http))
            m->method = methods[i];
    if (m->method == NULL)
        die(c->file, pointer, "must be POST, PUT, PATCH or DELETE, and a path");
    m->path = space + 1;
    check_path(c, pointer, m->path);
    if ((m->on == BUS_ON_NEW) == (strstr(m->path, "{id}") != NULL))
        die(c->file, pointer, "{id} goes with on: existing or any, and only with it");
}

static bus_on
parse_on(const contract *c, const char *pointer, const json_t *json)
{
    const char *on = string_member(c->file, pointer, json, "on", false);

    if (on == NULL || strcmp(on, "existing") == 0)
        return BUS_ON_EXISTING;
    if (strcmp(on, "new") == 0)
        return BUS_ON_NEW;
    if (strcmp(on, "any") == 0)
        return BUS_ON_ANY;
    die(c->file, text("%s/on", pointer), "must be existing, new or any");
}

static bus_by
parse_by(const contract *c, const char *pointer, const json_t *json)
{
    const char *by = string_member(c->file, pointer, json, "by", false);

    if (by == NULL)
        return BUS_BY_CLIENT;
    if (strcmp(by, "service") == 0)
        return BUS_BY_SERVICE;
    if (strcmp(by, "wake") == 0)
        return BUS_BY_WAKE;
    if (strcmp(by, "answer") == 0)
        return BUS_BY_ANSWER;
    die(c->file, text("%s/by", pointer), "must be service, wake or answer");
}

static type *
build_data(contract *c, const char *pointer, const char *c_name, const json_t *json)
{
    const where at = {c, text("%s/schema", pointer), c_name};
    type       *t;

    if (json_object_get(json, "schema") == NULL)
        die(c->file, pointer, "needs a schema");
    t = build_type(&at, json_object_get(json, "schema"));
    if (t->kind != BUS_KIND_OBJECT || t->nullable)
        die(c->file, at.pointer, "must be an object");
    return t;
}

static void
load_command(contract *c, const char *pointer, const char *name, const json_t *json, message *m)
{
    static const char *const known[] = {"description", "http",     "on",      "by", "roles",
                                        "schema",      "examples", "refuses", NULL};
    const char              *http;

    check_keywords(c->file, pointer, json, known);
    check_description(c, pointer, json);
    if (!is_identifier(name))
        die(c->file, pointer, "a name is lower case letters, digits and _, at most 63");
    m->name = m->c_name = name;
    m->pointer = pointer;
    m->type = text("%s.%s", c->module, name);
    m->json = json;
    m->on = parse_on(c, pointer, json);
    m->by = parse_by(c, pointer, json);
    http = string_member(c->file, pointer, json, "http", false);
    if (http != NULL)
        parse_command_route(c, pointer, http, m);
    parse_roles(c, pointer, json_object_get(json, "roles"), &m->roles, &m->roles_own, NULL, NULL);
    if (http != NULL && (m->roles | m->roles_own) == 0)
        die(c->file, pointer, "a route needs roles");
    if (m->by != BUS_BY_CLIENT && json_object_get(json, "roles") != NULL)
        die(c->file, text("%s/roles", pointer), "only a client's command has roles");
    if (m->by != BUS_BY_WAKE && m->by != BUS_BY_ANSWER) {
        m->data = build_data(c, pointer, text("%s_%s", c->module, name), json);
        return;
    }
    if (json_object_get(json, "schema") != NULL)
        die(c->file, text("%s/schema", pointer), "a command by wake or answer has none");
    if (json_object_get(json, "examples") != NULL)
        die(c->file, text("%s/examples", pointer), "a command by wake or answer has none");
    if (m->by == BUS_BY_WAKE)
        m->data = empty_object(c, pointer, text("%s_%s", c->module, name));
}

static void
load_event(contract *c, const char *pointer, const char *name, const json_t *json, message *m)
{
    static const char *const known[] = {"description", "schema",  "examples",
                                        "upcast_to",   "forgets", NULL};
    const json_t            *forgets = json_object_get(json, "forgets");
    const char              *dot = strrchr(name, '.');
    char                    *end = NULL;
    long version = dot == NULL || dot[1] != 'v' || !isdigit((unsigned char)dot[2]) || dot[2] == '0'
                       ? 0
                       : strtol(dot + 2, &end, 10);

    check_keywords(c->file, pointer, json, known);
    check_description(c, pointer, json);
    if (version < 1 || version > 999 || *end != '\0')
        die(c->file, pointer, "an event's name ends in .v1 or a later version");
    m->name = text("%.*s", (int)(dot - name), name);
    if (!is_identifier(m->name))
        die(c->file, pointer, "a name is lower case letters, digits and _, at most 63");
    m->pointer = pointer;
    m->version = (int)version;
    m->c_name = m->version == 1 ? m->name : text("%s_v%d", m->name, m->version);
    m->type = text("%s.%s", c->module, name);
    m->json = json;
    m->data = build_data(c, pointer, text("%s_%s", c->module, m->c_name), json);
    if (forgets != NULL && !json_is_true(forgets))
        die(c->file, text("%s/forgets", pointer), "must be true, or left out");
    m->forgets = forgets != NULL;
}

/* The event `name` of the aggregate, as "registered.v2". */
static const message *
event_named(const contract *c, const aggregate *a, const char *name)
{
    const char *full_type = text("%s.%s", c->module, name);

    for (int i = 0; i < a->events_count; i++)
        if (strcmp(a->events[i].type, full_type) == 0)
            return &a->events[i];
    return NULL;
}

/* Every version but the newest says what it is read as, and shows what it looked like: its
 * upcaster is tried with that. */
static void
load_upcasts(const contract *c, aggregate *a)
{
    for (int i = 0; i < a->events_count; i++) {
        message    *m = &a->events[i];
        const char *at = text("%s/upcast_to", m->pointer);
        const char *to = string_member(c->file, m->pointer, m->json, "upcast_to", false);
        int         newest = m->version;

        for (int other = 0; other < a->events_count; other++)
            if (strcmp(a->events[other].name, m->name) == 0 && a->events[other].version > newest)
                newest = a->events[other].version;
        if (to == NULL && newest > m->version)
            die(c->file, m->pointer, "is superseded by %s.v%d: needs upcast_to", m->name, newest);
        if (to == NULL)
            continue;
        m->upcast_to = event_named(c, a, to);
        if (m->upcast_to == NULL)
            die(c->file, at, "there is no event %s of %s", to, a->name);
        if (strcmp(m->upcast_to->name, m->name) != 0 || m->upcast_to->version <= m->version)
            die(c->file, at, "must be a newer version of %s", m->name);
        if (json_array_size(json_object_get(json_object_get(m->json, "examples"), "valid")) == 0)
            die(c->file, m->pointer,
                "is superseded: needs valid examples to try its upcaster with");
    }
}

static void
load_aggregate(contract *c, const char *name, const json_t *json, aggregate *a)
{
    static const char *const known[] = {"description", "roles", "commands", "events", NULL};
    const char              *pointer = text("/aggregates/%s", name), *message_name;
    json_t                  *commands, *events, *m;
    uint32_t                 own = 0;

    check_keywords(c->file, pointer, json, known);
    check_description(c, pointer, json);
    parse_roles(c, pointer, json_object_get(json, "roles"), &a->feed_roles, &own, NULL, NULL);
    if (own != 0)
        die(c->file, text("%s/roles", pointer),
            "of events are no rows: whose own is told by the views");
    if (!is_identifier(name))
        die(c->file, pointer, "a name is lower case letters, digits and _, at most 63");
    commands = json_object_get(json, "commands");
    events = json_object_get(json, "events");
    if (json_object_size(commands) == 0 || json_object_size(events) == 0)
        die(c->file, pointer, "needs commands and events");
    a->name = name;
    a->commands = BUS_ARENA_ARRAY(&compiler_memory, message, json_object_size(commands));
    a->events = BUS_ARENA_ARRAY(&compiler_memory, message, json_object_size(events));
    json_object_foreach(commands, message_name, m)
        load_command(c, text("%s/commands/%s", pointer, message_name), message_name, m,
                     &a->commands[a->commands_count++]);
    json_object_foreach(events, message_name, m)
        load_event(c, text("%s/events/%s", pointer, message_name), message_name, m,
                   &a->events[a->events_count++]);
    load_upcasts(c, a);
}

static void
load_aggregates(contract *c)
{
    const json_t *all = json_object_get(c->json, "aggregates");
    const char   *name;
    json_t       *value;

    if (json_object_size(all) == 0)
        die(c->file, "", "needs aggregates");
    c->aggregates = BUS_ARENA_ARRAY(&compiler_memory, aggregate, json_object_size(all));
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
        load_aggregate(c, name, value, &c->aggregates[c->aggregates_count++]);
}

/* --- refusals, settings
 * --------------------------------------------------------------------------- */

static void
check_placeholders(const contract *c, const char *pointer, const char *words, const type *params)
{
    for (const char *open = strchr(words, '{'); open != NULL; open = strchr(open + 1, '{')) {
        const char *close = strchr(open, '}');
        bool        found = false;

        if (close == NULL)
            die(c->file, pointer, "{ without }");
        if (params != NULL)
            found = member_named(params, text("%.*s", (int)(close - open - 1), open + 1)) != NULL;
        if (!found)
            die(c->file, pointer, "%.*s is not among the params", (int)(close - open + 1), open);
    }
}

static type *
load_params(contract *c, const char *pointer, const char *c_name, const json_t *params)
{
    const where at = {c, text("%s/params", pointer), c_name};
    type       *t = empty_object(c, at.pointer, c_name);
    const char *name;
    json_t     *schema;

    if (!json_is_object(params))
        die(c->file, at.pointer, "must be an object, by name");
    t->members = BUS_ARENA_ARRAY(&compiler_memory, member, json_object_size(params) + 1);
    json_object_foreach((json_t *)(uintptr_t)params, name, schema)
    {
        member *m = &t->members[t->members_count++];

        if (t->members_count > MEMBERS_MAX)
            die(c->file, at.pointer, "more than %d", MEMBERS_MAX);
        build_member(&at, name, schema, true, m);
        if (m->type->kind >= BUS_KIND_OBJECT)
            die(c->file, text("%s/%s", at.pointer, name), "must be a scalar: it is part of a text");
    }
    return t->members_count == 0 ? NULL : t;
}

static void
load_refusal(contract *c, const char *code, const json_t *json, refusal *r)
{
    static const char *const known[] = {"status", "params", "en", "ru", "description", NULL};
    const char              *pointer = text("/refusals/%s", code);
    const json_t            *params = json_object_get(json, "params");

    check_keywords(c->file, pointer, json, known);
    check_description(c, pointer, json);
    r->code = code;
    r->lower = lower(code);
    if (!isupper((unsigned char)code[0]) || strcmp(upper(code), code) != 0 || strlen(code) > 63)
        die(c->file, pointer, "a code is capital letters, digits and _, at most 63");
    if (!json_is_integer(json_object_get(json, "status")))
        die(c->file, text("%s/status", pointer), "must be an integer");
    r->status = (int)json_integer_value(json_object_get(json, "status"));
    if (r->status < 400 || r->status > 499)
        die(c->file, text("%s/status", pointer), "must be 400 to 499");
    r->en = string_member(c->file, pointer, json, "en", true);
    r->ru = string_member(c->file, pointer, json, "ru", true);
    if (params != NULL)
        r->params = load_params(c, pointer, text("%s_params", r->lower), params);
    check_placeholders(c, text("%s/en", pointer), r->en, r->params);
    check_placeholders(c, text("%s/ru", pointer), r->ru, r->params);
}

static void
load_refusals(contract *c)
{
    const json_t *all = json_object_get(c->json, "refusals");
    const char   *code;
    json_t       *value;

    if (all != NULL && !json_is_object(all))
        die(c->file, "/refusals", "must be an object, by code");
    c->refusals = BUS_ARENA_ARRAY(&compiler_memory, refusal, json_object_size(all) + 1);
    json_object_foreach((json_t *)(uintptr_t)all, code, value)
        load_refusal(c, code, value, &c->refusals[c->refusals_count++]);
}

static void
load_settings(contract *c)
{
    const json_t *settings = json_object_get(c->json, "settings");
    const where   at = {c, "/settings", text("%s_settings", c->module)};

    if (settings == NULL)
        return;
    c->settings = build_type(&at, settings);
    if (c->settings->kind != BUS_KIND_OBJECT || c->settings->nullable)
        die(c->file, at.pointer, "must be an object");
    for (int i = 0; i < c->settings->members_count; i++)
        if (c->settings->members[i].default_json == NULL)
            die(c->file, c->settings->members[i].pointer, "a setting needs a default");
}

/* What `shina replay --rules` may say: whatever is left out stays as it was. */
static void
load_what_if(contract *c)
{
    const json_t *what_if = json_object_get(c->json, "what_if");
    const where   at = {c, "/what_if", text("%s_what_if", c->module)};

    if (what_if == NULL)
        return;
    c->what_if = build_type(&at, what_if);
    if (c->what_if->kind != BUS_KIND_OBJECT || c->what_if->nullable)
        die(c->file, at.pointer, "must be an object");
    for (int i = 0; i < c->what_if->members_count; i++)
        if (c->what_if->members[i].required)
            die(c->file, c->what_if->members[i].pointer, "a rule may not be required");
}

/* --- views
 * --------------------------------------------------------------------------------------------- */

static void
add_column(const contract *c, const char *pointer, view *v, const char *name, bool filter,
           bool sort)
{
    const member *m = member_named(v->row, name);
    int           i = 0;

    if (m == NULL)
        die(c->file, pointer, "%s is no member of the row", name);
    if (m->type->kind >= BUS_KIND_OBJECT)
        die(c->file, pointer, "%s is no scalar, so it cannot be a column", name);
    while (i < v->columns_count && strcmp(v->columns[i].name, name) != 0)
        i++;
    if (i == COLUMNS_MAX)
        die(c->file, pointer, "more than %d columns", COLUMNS_MAX);
    if (i == v->columns_count)
        v->columns[v->columns_count++].name = name;
    v->columns[i].filter = v->columns[i].filter || filter;
    v->columns[i].sort = v->columns[i].sort || sort;
}

static const char *
route_of(const contract *c, const char *pointer, const json_t *http, const char *name)
{
    const char *route = string_member(c->file, pointer, http, name, false);
    const char *here = text("%s/%s", pointer, name);

    if (route == NULL)
        return NULL;
    if (strncmp(route, "GET /", 5) != 0)
        die(c->file, here, "must be GET /path");
    check_path(c, here, route + 4);
    if ((strcmp(name, "item") == 0) != (strstr(route, "{id}") != NULL))
        die(c->file, here, "an item has {id}, a list has not");
    return route + 4;
}

static void
check_kind(const contract *c, const char *pointer, const view *v, const char *name, bus_kind kind,
           const char *what)
{
    if (member_named(v->row, name)->type->kind != kind)
        die(c->file, pointer, "%s must be %s", name, what);
}

static void
load_own(contract *c, view *v)
{
    static const char *const known[] = {"field", "from", "until", NULL};
    const json_t            *own = json_object_get(v->json, "own");
    const char              *pointer = text("%s/own", v->pointer);

    if (own == NULL)
        return;
    if (json_is_string(own)) {
        v->own = json_string_value(own);
    } else {
        check_keywords(c->file, pointer, own, known);
        v->own = string_member(c->file, pointer, own, "field", true);
        v->own_from = string_member(c->file, pointer, own, "from", false);
        v->own_until = string_member(c->file, pointer, own, "until", false);
    }
    if (strcmp(v->own, "id") != 0) {
        add_column(c, pointer, v, v->own, false, false);
        check_kind(c, pointer, v, v->own, BUS_KIND_UUID, "a uuid");
    }
    if (v->own_from != NULL) {
        add_column(c, text("%s/from", pointer), v, v->own_from, false, false);
        check_kind(c, text("%s/from", pointer), v, v->own_from, BUS_KIND_INT, "UTC milliseconds");
    }
    if (v->own_until != NULL) {
        add_column(c, text("%s/until", pointer), v, v->own_until, false, false);
        check_kind(c, text("%s/until", pointer), v, v->own_until, BUS_KIND_INT, "UTC milliseconds");
    }
}

static void
load_joins(contract *c, view *v)
{
    static const char *const known[] = {"view", "by", "take", "as", NULL};
    const json_t            *list = json_object_get(v->json, "joins"), *join;
    size_t                   i;

    if (list != NULL && !json_is_array(list))
        die(c->file, text("%s/joins", v->pointer), "must be a list");
    json_array_foreach(list, i, join)
    {
        const char *here = text("%s/joins/%zu", v->pointer, i);
        const char *as, *by;

        check_keywords(c->file, here, join, known);
        (void)string_member(c->file, here, join, "view", true);
        (void)string_member(c->file, here, join, "take", true);
        as = string_member(c->file, here, join, "as", true);
        by = string_member(c->file, here, join, "by", true);
        if (!is_identifier(as) || member_named(v->row, as) != NULL || strcmp(as, "id") == 0 ||
            strcmp(as, "version") == 0)
            die(c->file, text("%s/as", here), "is no name, or the row has a member of that name");
        for (size_t k = 0; k < i; k++)
            if (strcmp(as, json_string_value(json_object_get(json_array_get(list, k), "as"))) == 0)
                die(c->file, text("%s/as", here), "is there twice");
        add_column(c, text("%s/by", here), v, by, true, false);
        check_kind(c, text("%s/by", here), v, by, BUS_KIND_UUID, "a uuid");
    }
}

/* Filters whose values the domain folds before it keeps them. */
static void
load_folded(const contract *c, view *v)
{
    const char *list[LIST_MAX];
    const char *pointer = text("%s/folded", v->pointer);
    int         n = load_list(c, pointer, json_object_get(v->json, "folded"), list);

    for (int i = 0; i < n; i++) {
        int at = 0;

        while (at < v->columns_count && strcmp(v->columns[at].name, list[i]) != 0)
            at++;
        if (at == v->columns_count || !v->columns[at].filter)
            die(c->file, text("%s/%d", pointer, i), "%s is no filter", list[i]);
        check_kind(c, text("%s/%d", pointer, i), v, list[i], BUS_KIND_STRING, "a string");
        v->columns[at].folded = true;
    }
}

static void
load_columns(contract *c, view *v)
{
    const char *list[LIST_MAX];
    int n = load_list(c, text("%s/filters", v->pointer), json_object_get(v->json, "filters"), list);

    for (int i = 0; i < n; i++)
        add_column(c, text("%s/filters/%d", v->pointer, i), v, list[i], true, false);
    load_folded(c, v);
    n = load_list(c, text("%s/sorts", v->pointer), json_object_get(v->json, "sorts"), list);
    for (int i = 0; i < n; i++)
        add_column(c, text("%s/sorts/%d", v->pointer, i), v, list[i], false, true);
    v->default_sort = string_member(c->file, v->pointer, v->json, "default_sort", false);
    if (v->default_sort != NULL)
        add_column(c, text("%s/default_sort", v->pointer), v,
                   v->default_sort + (v->default_sort[0] == '-'), false, true);
    load_joins(c, v);
    load_own(c, v);
    if (v->roles_own != 0 && v->own == NULL)
        die(c->file, v->pointer, "a role with :own asks for own");
}

static void
load_view_follows(contract *c, view *v)
{
    v->follows_count = load_list(c, text("%s/follows", v->pointer),
                                 json_object_get(v->json, "follows"), v->follows);
    for (int a = 0; a < c->aggregates_count && v->follows_count == 0; a++) {
        if (v->of == NULL || strcmp(c->aggregates[a].name, v->of) != 0)
            continue;
        if (c->aggregates[a].events_count > LIST_MAX)
            die(c->file, v->pointer, "follows more than %d events", LIST_MAX);
        for (int e = 0; e < c->aggregates[a].events_count; e++)
            if (c->aggregates[a].events[e].upcast_to == NULL)
                v->follows[v->follows_count++] = c->aggregates[a].events[e].type;
    }
    if (v->follows_count == 0)
        die(c->file, v->pointer, "needs follows");
}

/* Only words: what they say changes no row. */
static void
drop_words(json_t *json)
{
    static const char *const words[] = {"title", "description", "examples", "x-masked"};
    const char              *name;
    json_t                  *value;
    size_t                   i;

    if (json_is_array(json))
        json_array_foreach(json, i, value) drop_words(value);
    for (i = 0; i < sizeof(words) / sizeof(words[0]) && json_is_object(json); i++) {
        const json_t *word = json_object_get(json, words[i]);

        /* a member of a row may have such a name; then it is a shape */
        if (word != NULL && !json_is_object(word))
            (void)json_object_del(json, words[i]);
    }
    if (json_is_object(json))
        json_object_foreach(json, name, value) drop_words(value);
}

/* All tables of an analytic are filled together, so each has the hash of all. */
static json_t *
hashed_analytic(const contract *c, const json_t *json)
{
    static const char *const words[] = {"http",  "roles", "filters",      "emit",
                                        "sorts", "joins", "default_sort", "memory"};
    json_t                  *all = json_deep_copy(json), *memory = json_object_get(json, "memory");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        (void)json_object_del(all, words[i]);
    (void)json_object_set_new(all, "schema", resolved(c, json_object_get(json, "schema")));
    if (memory != NULL)
        (void)json_object_set_new(all, "memory", resolved(c, memory));
    drop_words(all);
    return all;
}

/* Of all that decides what the table holds and which columns it has. */
static uint64_t
hash_of(const contract *c, const view *v)
{
    json_t     *rows = json_object(), *columns = json_array(), *schema;
    const char *whole;

    schema = resolved(c, json_object_get(v->json, "schema"));
    drop_words(schema);
    (void)json_object_set_new(rows, "schema", schema);
    (void)json_object_set_new(rows, "of", v->of == NULL ? json_null() : json_string(v->of));
    for (int i = 0; i < v->columns_count; i++)
        (void)json_array_append_new(columns, json_pack("[sbb]", v->columns[i].name,
                                                       v->columns[i].filter, v->columns[i].sort));
    (void)json_object_set_new(rows, "columns", columns);
    columns = json_array();
    for (int i = 0; i < v->follows_count; i++)
        (void)json_array_append_new(columns, json_string(v->follows[i]));
    (void)json_object_set_new(rows, "follows", columns);
    if (v->analytic != NULL)
        (void)json_object_set_new(rows, "analytic", hashed_analytic(c, v->analytic->json));
    whole = canonical(rows);
    json_decref(rows);
    return bus_fnv1a64(whole, strlen(whole));
}

static void
load_view_routes(contract *c, view *v)
{
    static const char *const known[] = {"list", "item", NULL};
    const json_t            *http = json_object_get(v->json, "http");
    const char              *pointer = text("%s/http", v->pointer);

    parse_roles(c, v->pointer, json_object_get(v->json, "roles"), &v->roles, &v->roles_own,
                &v->roles_granted, &v->grants);
    if (http == NULL)
        return;
    check_keywords(c->file, pointer, http, known);
    v->list = route_of(c, pointer, http, "list");
    v->item = route_of(c, pointer, http, "item");
    if ((v->roles | v->roles_own | v->roles_granted) == 0)
        die(c->file, v->pointer, "a route needs roles");
}

void
load_view(contract *c, const char *name, const char *pointer, const json_t *json, view *v)
{
    static const char *const known[] = {
        "description", "of",           "key",   "http",    "roles",  "own",    "filters",
        "sorts",       "default_sort", "joins", "follows", "folded", "schema", NULL};
    const json_t *key = json_object_get(json, "key");
    where         at = {c, text("%s/schema", pointer), text("%s_row", name)};

    v->name = name;
    v->pointer = pointer;
    v->json = json;
    check_keywords(c->file, v->pointer, json, known);
    check_description(c, v->pointer, json);
    if (!is_identifier(name) || strlen(name) > 40)
        die(c->file, v->pointer, "a view's name is lower case letters, digits and _, at most 40");
    v->of = string_member(c->file, v->pointer, json, "of", false);
    if ((key != NULL && !json_is_true(key)) || (v->of == NULL) != (key != NULL))
        die(c->file, v->pointer, "needs either of, or key: true");
    if (v->of != NULL && json_object_get(json_object_get(c->json, "aggregates"), v->of) == NULL)
        die(c->file, text("%s/of", v->pointer), "there is no aggregate %s", v->of);
    if (json_object_get(json, "schema") == NULL)
        die(c->file, v->pointer, "needs a schema");
    v->row = build_type(&at, json_object_get(json, "schema"));
    if (v->row->kind != BUS_KIND_OBJECT || v->row->nullable || member_named(v->row, "id") != NULL ||
        member_named(v->row, "version") != NULL)
        die(c->file, at.pointer, "must be an object without id and version: they are added");
    load_view_routes(c, v);
    load_columns(c, v);
    load_view_follows(c, v);
    v->hash = hash_of(c, v);
}

static void
load_views(contract *c)
{
    const json_t *all = json_object_get(c->json, "views");
    const char   *name;
    json_t       *value;
    size_t        room = json_object_size(all) +
                  VIEWS_OF_AN_ANALYTIC * json_object_size(json_object_get(c->json, "analytics"));

    if (all != NULL && !json_is_object(all))
        die(c->file, "/views", "must be an object, by name");
    c->views = BUS_ARENA_ARRAY(&compiler_memory, view, room + 1);
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
        load_view(c, name, text("/views/%s", name), value, &c->views[c->views_count++]);
    load_analytics(c);
}

/* --- files
 * -------------------------------------------------------------------------------------------------
 */

json_t *
read_json(const char *file)
{
    json_error_t error;
    json_t      *json = json_load_file(file, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL) {
        if (error.line > 0)
            (void)fprintf(stderr, "%s:%d:%d: %s\n", file, error.line, error.column, error.text);
        else
            (void)fprintf(stderr, "%s: %s\n", file, error.text);
        exit(1);
    }
    return json;
}

contract *
load_common(const char *folder)
{
    static const char *const known[] = {"$defs", "description", NULL};
    const char              *file = text("%s/common.json", folder);
    FILE                    *there = fopen(file, "r");

    if (common != NULL || there == NULL) {
        if (there != NULL)
            (void)fclose(there);
        return common;
    }
    (void)fclose(there);
    common = BUS_ARENA_NEW(&compiler_memory, contract);
    common->module = "common";
    common->file = file;
    common->json = read_json(file);
    check_keywords(file, "", common->json, known);
    build_definitions(common, common);
    return common;
}

contract *
load_contract(const char *folder, const char *domain)
{
    static const char *const known[] = {"module",     "description", "settings",  "$defs",
                                        "aggregates", "views",       "analytics", "refusals",
                                        "follows",    "sends",       "what_if",   NULL};
    contract                *c;

    for (int i = 0; i < loaded_count; i++)
        if (strcmp(loaded[i]->module, domain) == 0)
            return loaded[i];
    (void)load_common(folder);
    c = BUS_ARENA_NEW(&compiler_memory, contract);
    c->file = text("%s/%s.json", folder, domain);
    c->json = read_json(c->file);
    c->module = text("%s", domain);
    if (loaded_count == CONTRACTS_MAX)
        die(c->file, "", "more than %d contracts", CONTRACTS_MAX);
    loaded[loaded_count++] = c;
    check_keywords(c->file, "", c->json, known);
    check_description(c, "", c->json);
    if (strcmp(string_member(c->file, "", c->json, "module", true), domain) != 0)
        die(c->file, "/module", "must be %s, as the file is named", domain);
    if (!is_identifier(domain) || strcmp(domain, "bus") == 0 || strcmp(domain, "edge") == 0)
        die(c->file, "/module", "is no name for a module");
    build_definitions(c, common);
    load_settings(c);
    load_what_if(c);
    load_aggregates(c);
    load_refusals(c);
    c->follows_count = load_list(c, "/follows", json_object_get(c->json, "follows"), c->follows);
    c->sends_count = load_list(c, "/sends", json_object_get(c->json, "sends"), c->sends);
    load_views(c);
    return c;
}

void
unload_all(void)
{
    for (int i = 0; i < loaded_count; i++) {
        json_decref(loaded[i]->json);
        json_decref(loaded[i]->expanded);
    }
    if (common != NULL)
        json_decref(common->json);
    loaded_count = 0;
    common = NULL;
    compiler_forget_patterns();
    bus_arena_fini(&compiler_memory);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
list_domains(const char *folder, const char **out, int max)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;
    int            count = 0;

    if (dir == NULL)
        die(folder, "", "is no folder");
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len < 6 || strcmp(entry->d_name + len - 5, ".json") != 0 ||
            strcmp(entry->d_name, "common.json") == 0 || entry->d_name[0] == '.')
            continue;
        if (count == max)
            die(folder, "", "more than %d contracts", max);
        out[count++] = text("%.*s", (int)(len - 5), entry->d_name);
    }
    (void)closedir(dir);
    qsort(out, (size_t)count, sizeof(*out), compare_names);
    return count;
}
