/* check.c - what can only be judged when all contracts are known: names that must be unique,
 * references from one to another; and defaults and examples, tried by the decoder itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/error.h"
#include "bus/base/id.h"
#include "bus/contract/codec.h"
#include "bus/contract/compiler/model.h"
#include "bus/contract/pattern.h"

#include <stdlib.h>
#include <string.h>

/* --- names -------------------------------------------------------------------------------------
 */

#define CLAIMS_MAX 65536 /* a power of two */

typedef struct {
    const char *key, *file, *pointer;
} claim;

/* Shapes with a pattern, whose compiled form is not in our memory. */
typedef struct kept_pattern {
    bus_shape           *shape;
    struct kept_pattern *next;
} kept_pattern;

static kept_pattern *kept_patterns;

static void
keep_pattern(bus_shape *shape)
{
    kept_pattern *kept = BUS_ARENA_NEW(&compiler_memory, kept_pattern);

    shape->pattern_code = BUS_ARENA_NEW(&compiler_memory, void *);
    *kept = (kept_pattern){.shape = shape, .next = kept_patterns};
    kept_patterns = kept;
}

void
compiler_forget_patterns(void)
{
    for (; kept_patterns != NULL; kept_patterns = kept_patterns->next)
        bus_pattern_forget(kept_patterns->shape);
}

static claim *claims;
static int    claims_count;

/* Every key once; who comes second is told of the first. */
static void
claim_once(const char *key, const char *file, const char *pointer)
{
    uint64_t at = bus_fnv1a64(key, strlen(key));

    for (at &= CLAIMS_MAX - 1; claims[at].key != NULL; at = (at + 1) & (CLAIMS_MAX - 1))
        if (strcmp(claims[at].key, key) == 0)
            die(file, pointer, "the name %s is taken by %s: %s", key, claims[at].file,
                claims[at].pointer);
    if (++claims_count > CLAIMS_MAX / 2)
        die(file, pointer, "too many names");
    claims[at] = (claim){key, file, pointer};
}

/* Names that C gives to a type and what it is made of. Struct and enum tags share one name
 * space; so do constants, variables, functions. */
static void
claim_type(type *t)
{
    if (t->named)
        return;
    t->named = true;
    for (int i = 0; i < t->members_count; i++)
        claim_type(t->members[i].type);
    if (t->item != NULL)
        claim_type(t->item);
    for (int i = 0; i < t->variants_count; i++)
        claim_type(t->variants[i]);
    if (t->c_name == NULL)
        return;
    claim_once(text("tag %s", t->c_name), t->file, t->pointer);
    for (int i = 0; i < t->names_count; i++)
        claim_once(text("%s_%s", upper(t->c_name), upper(t->names[i])), t->file, t->pointer);
    if (t->kind == BUS_KIND_UNION)
        claim_once(text("tag %s_kind", t->c_name), t->file, t->pointer);
    for (int i = 0; i < t->variants_count; i++)
        claim_once(text("%s_%s", upper(t->c_name), upper(t->tag_values[i])), t->file, t->pointer);
}

static void
claim_message(const contract *c, const message *m)
{
    const char *symbol = m->version > 0 ? event_symbol(m->type) : command_symbol(m->type);

    if (strcmp(m->c_name, "kind") == 0)
        die(c->file, m->pointer, "kind is the name of the tag in C");
    claim_once(m->type, c->file, m->pointer);
    claim_once(symbol, c->file, m->pointer);
    claim_once(text("%s_%s", upper(c->module), upper(m->c_name)), c->file, m->pointer);
    if (m->data != NULL)
        claim_type(m->data);
    if (m->upcast_to != NULL) {
        claim_once(upcast_symbol(c->module, m), c->file, m->pointer);
    } else if (m->version > 0) {
        claim_once(text("%s_emit_%s", c->module, m->c_name), c->file, m->pointer);
    } else {
        claim_once(text("%s_send_%s", c->module, m->c_name), c->file, m->pointer);
        claim_once(text("%s_react_%s", c->module, m->c_name), c->file, m->pointer);
    }
    if (m->path != NULL)
        claim_once(text("%s %s", m->method, m->path), c->file, text("%s/http", m->pointer));
}

static void
claim_aggregate(const contract *c, const aggregate *a)
{
    const char *at = text("/aggregates/%s", a->name);
    const char *name = text("%s_%s", c->module, a->name);

    claim_once(name, c->file, at);
    claim_once(text("tag %s_command", name), c->file, at);
    claim_once(text("tag %s_command_kind", name), c->file, at);
    claim_once(text("tag %s_event", name), c->file, at);
    claim_once(text("tag %s_event_kind", name), c->file, at);
    for (int i = 0; i < a->commands_count; i++)
        claim_message(c, &a->commands[i]);
    for (int i = 0; i < a->events_count; i++)
        claim_message(c, &a->events[i]);
}

static void
claim_view(const contract *c, const view *v)
{
    claim_type(v->row);
    claim_once(text("%s_view", v->name), c->file, v->pointer);
    if (v->list != NULL)
        claim_once(text("GET %s", v->list), c->file, text("%s/http/list", v->pointer));
    if (v->item != NULL)
        claim_once(text("GET %s", v->item), c->file, text("%s/http/item", v->pointer));
}

static void
claim_contract(const contract *c)
{
    for (int i = 0; i < c->defs_count; i++)
        claim_type(c->defs[i]);
    if (c->settings != NULL)
        claim_type(c->settings);
    if (c->what_if != NULL)
        claim_type(c->what_if);
    claim_once(text("%s_contract", c->module), c->file, "/module");
    claim_once(text("%s_refusals", c->module), c->file, "/module");
    for (int i = 0; i < c->aggregates_count; i++)
        claim_aggregate(c, &c->aggregates[i]);
    for (int i = 0; i < c->refusals_count; i++) {
        const char *at = text("/refusals/%s", c->refusals[i].code);

        claim_once(c->refusals[i].code, c->file, at);
        claim_once(text("%s_refuse", c->refusals[i].lower), c->file, at);
        if (c->refusals[i].params != NULL)
            claim_type(c->refusals[i].params);
    }
    for (int i = 0; i < c->views_count; i++)
        claim_view(c, &c->views[i]);
}

/* Codes that the kernel and the edge answer with. */
static void
claim_kernel(void)
{
    static const char *const codes[] = {
        "NOT_FOUND",
        "FORBIDDEN",
        "VERSION_MISMATCH",
        "IDEMPOTENCY_KEY_REUSED",
        "ALREADY_EXISTS",
        "STREAM_FAULT",
        "UNAUTHENTICATED",
        "METHOD_NOT_ALLOWED",
        "INVALID",
        "BAD_REQUEST",
        "OVERLOADED",
        "UNSUPPORTED_MEDIA_TYPE",
        "BODY_TOO_LARGE",
        "URI_TOO_LONG",
        "UNAVAILABLE",
        "VIEW_BEHIND",
        "VIEW_REBUILDING",
        "TIMEOUT",
        "QUERY_TIMEOUT",
        "INTERNAL",
        "EXPIRED",
        "NOT_OWNER",
        "STALE",
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        claim_once(codes[i], "the kernel", "its own codes");
}

/* --- references
 * --------------------------------------------------------------------------------------- */

static const message *
find_message(contract *const *all, int count, const char *full_type, bool event)
{
    for (int c = 0; c < count; c++)
        for (int a = 0; a < all[c]->aggregates_count; a++) {
            const aggregate *ag = &all[c]->aggregates[a];
            const message   *m = event ? ag->events : ag->commands;
            int              n = event ? ag->events_count : ag->commands_count;

            for (int i = 0; i < n; i++)
                if (strcmp(m[i].type, full_type) == 0)
                    return &m[i];
        }
    return NULL;
}

/* Readers know the newest version of an event only. */
static void
check_followed(contract *const *all, int count, const contract *c, const char *at,
               const char *full_type)
{
    const message *m = find_message(all, count, full_type, true);

    if (m == NULL)
        die(c->file, at, "there is no event %s", full_type);
    if (m->upcast_to != NULL)
        die(c->file, at, "%s is superseded: follow %s, which it is read as", full_type,
            m->upcast_to->type);
}

static const view *
find_view(contract *const *all, int count, const char *name)
{
    for (int k = 0; k < count; k++)
        for (int n = 0; n < all[k]->views_count; n++)
            if (strcmp(all[k]->views[n].name, name) == 0)
                return &all[k]->views[n];
    return NULL;
}

static void
check_joins(contract *const *all, int count, const contract *c, const view *v)
{
    const json_t *joins = json_object_get(v->json, "joins"), *join;
    size_t        i;

    json_array_foreach(joins, i, join)
    {
        const char *name = json_string_value(json_object_get(join, "view"));
        const char *take = json_string_value(json_object_get(join, "take"));
        const char *pointer = text("%s/joins/%zu", v->pointer, i);
        const view *other = find_view(all, count, name);

        if (other == NULL)
            die(c->file, text("%s/view", pointer), "there is no view %s", name);
        if (member_named(other->row, take) == NULL)
            die(c->file, text("%s/take", pointer), "%s has no member %s", name, take);
    }
}

static bool
is_listed(const char *name, const char *const *list, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static const aggregate *
aggregate_of(contract *const *all, int count, const char *event)
{
    for (int k = 0; k < count; k++)
        for (int a = 0; a < all[k]->aggregates_count; a++)
            for (int e = 0; e < all[k]->aggregates[a].events_count; e++)
                if (strcmp(all[k]->aggregates[a].events[e].type, event) == 0)
                    return &all[k]->aggregates[a];
    return NULL;
}

/* A view shows what is personal until it hears that its subject is forgotten. */
static void
check_hears_of_forgetting(contract *const *all, int count, const contract *c, const view *v)
{
    if (!is_personal(v->row))
        return;
    for (int f = 0; f < v->follows_count; f++) {
        const aggregate *a = aggregate_of(all, count, v->follows[f]);

        for (int e = 0; a != NULL && e < a->events_count; e++)
            if (a->events[e].forgets && a->events[e].upcast_to == NULL &&
                !is_listed(a->events[e].type, v->follows, v->follows_count))
                die(c->file, text("%s/follows", v->pointer),
                    "has personal members, so it must follow %s too", a->events[e].type);
    }
}

static void
check_view(contract *const *all, int count, const contract *c, const view *v)
{
    for (int f = 0; f < v->follows_count; f++) {
        const char *at = text("%s/follows/%d", v->pointer, f);

        check_followed(all, count, c, at, v->follows[f]);
        if (strcmp(domain_of(v->follows[f]), c->module) != 0 &&
            !is_listed(v->follows[f], c->follows, c->follows_count))
            die(c->file, at, "an event of another domain must be in /follows too");
    }
    check_joins(all, count, c, v);
    check_hears_of_forgetting(all, count, c, v);
}

static void
check_sends(contract *const *all, int count, const contract *c)
{
    for (int i = 0; i < c->sends_count; i++) {
        const message *m = find_message(all, count, c->sends[i], false);

        if (m == NULL)
            die(c->file, text("/sends/%d", i), "there is no command %s", c->sends[i]);
        if (m->by == BUS_BY_WAKE || m->by == BUS_BY_ANSWER)
            die(c->file, text("/sends/%d", i), "%s is a wake or an answer: nobody sends it",
                c->sends[i]);
    }
}

static void
check_refuses(contract *const *all, int count, const contract *c, const message *m)
{
    const json_t *list = json_object_get(m->json, "refuses"), *code;
    size_t        i;

    if (list != NULL && !json_is_array(list))
        die(c->file, text("%s/refuses", m->pointer), "must be a list of codes");
    json_array_foreach(list, i, code)
    {
        bool found = false;

        for (int k = 0; k < count; k++)
            for (int r = 0; r < all[k]->refusals_count && json_is_string(code); r++)
                found = found || strcmp(all[k]->refusals[r].code, json_string_value(code)) == 0;
        if (!found)
            die(c->file, text("%s/refuses/%zu", m->pointer, i), "there is no such refusal");
    }
}

/* --- personal members
 * ------------------------------------------------------------------------------------ */

/* Does the pointer lead from the whole document to an id? */
static bool
leads_to_id(const type *t, const char *pointer)
{
    while (*pointer == '/') {
        size_t        len = strcspn(++pointer, "/");
        const member *m =
            t->kind == BUS_KIND_OBJECT ? member_named(t, text("%.*s", (int)len, pointer)) : NULL;

        if (m == NULL)
            return false;
        t = m->type;
        pointer += len;
    }
    return t->kind == BUS_KIND_UUID;
}

static void
check_personal(const type *document, const type *t)
{
    if (t->item != NULL)
        check_personal(document, t->item);
    for (int i = 0; i < t->variants_count; i++)
        check_personal(document, t->variants[i]);
    for (int i = 0; i < t->members_count; i++) {
        const member *m = &t->members[i];

        if (m->personal != NULL && m->type->kind != BUS_KIND_STRING)
            die(t->file, text("%s/x-personal", m->pointer),
                "only a string can be personal (no enum, id, date or number)");
        if (m->personal != NULL && m->default_json != NULL)
            die(t->file, text("%s/default", m->pointer), "a personal member has no default");
        if (m->personal != NULL && *m->personal != '\0' && !leads_to_id(document, m->personal))
            die(t->file, text("%s/x-personal/subject", m->pointer), "%s leads to no uuid",
                m->personal);
        check_personal(document, m->type);
    }
}

/* The edge seals secrets, and looks for them among the members of a command itself. */
static void
check_secrets(const type *t, bool of_command)
{
    if (t->item != NULL)
        check_secrets(t->item, false);
    for (int i = 0; i < t->variants_count; i++)
        check_secrets(t->variants[i], false);
    for (int i = 0; i < t->members_count; i++) {
        const member *m = &t->members[i];

        if (m->secret && !of_command)
            die(t->file, text("%s/x-secret", m->pointer),
                "stands on members of a command itself, and nowhere else");
        if (m->secret && (m->type->kind != BUS_KIND_STRING || m->personal != NULL))
            die(t->file, text("%s/x-secret", m->pointer),
                "only a string that is not personal can be secret");
        if (m->secret && m->type->maximum < BUS_SEALED_SECRET_MAX)
            die(t->file, text("%s/maxLength", m->pointer), "a secret needs %d, to hold it sealed",
                BUS_SEALED_SECRET_MAX);
        check_secrets(m->type, false);
    }
}

/* Params of refusals are kept in the log in clear, and logged. */
static void
check_refusals(const contract *c)
{
    for (int r = 0; r < c->refusals_count; r++) {
        const type *params = c->refusals[r].params;

        for (int i = 0; params != NULL && i < params->members_count; i++)
            if (params->members[i].personal != NULL)
                die(c->file, text("%s/x-personal", params->members[i].pointer),
                    "a param of a refusal is never encrypted and cannot be personal");
    }
}

/* --- trying
 * -----------------------------------------------------------------------------------------------
 */

static const bus_shape *runtime_shape(type *t);

/* Next place of a value: everything is aligned to 16 bytes. */
static uint32_t
room(uint32_t *size, uint32_t bytes)
{
    uint32_t at = *size;

    *size += (bytes + 15) / 16 * 16;
    return at;
}

static void
fill_object(type *t, bus_shape *s)
{
    bus_field *fields = BUS_ARENA_ARRAY(&compiler_memory, bus_field, (size_t)t->members_count + 1);

    s->size = 16;
    for (int i = 0; i < t->members_count; i++) {
        const member *m = &t->members[i];
        bus_field    *f = &fields[i];

        f->name = m->name;
        f->shape = runtime_shape(m->type);
        f->offset = room(&s->size, f->shape->size);
        f->has_offset = m->has ? room(&s->size, sizeof(bool)) : BUS_NO_OFFSET;
        f->required = m->required;
        f->nullable = m->nullable;
        f->default_json = m->default_json;
    }
    s->fields = fields;
    s->fields_count = (uint32_t)t->members_count;
    s->additional_properties = t->additional;
}

static void
fill_union(type *t, bus_shape *s)
{
    bus_variant *variants =
        BUS_ARENA_ARRAY(&compiler_memory, bus_variant, (size_t)t->variants_count);
    uint32_t largest = 0;

    for (int i = 0; i < t->variants_count; i++) {
        variants[i].tag_value = t->tag_values[i];
        variants[i].shape = runtime_shape(t->variants[i]);
        if (variants[i].shape->size > largest)
            largest = variants[i].shape->size;
    }
    s->tag = t->tag;
    s->variants = variants;
    s->variants_count = (uint32_t)t->variants_count;
    s->variants_offset = 16;
    s->size = 16 + largest;
}

static uint32_t
scalar_bytes(bus_kind kind)
{
    switch (kind) {
    case BUS_KIND_BOOL: return sizeof(bool);
    case BUS_KIND_INT:
    case BUS_KIND_TIME: return sizeof(int64_t);
    case BUS_KIND_NUMBER: return sizeof(double);
    case BUS_KIND_STRING:
    case BUS_KIND_JSON: return sizeof(bus_str);
    case BUS_KIND_ENUM:
    case BUS_KIND_DATE: return sizeof(int32_t);
    case BUS_KIND_UUID: return sizeof(bus_id);
    case BUS_KIND_ARRAY:
        return sizeof(struct {
            void    *items;
            uint32_t count, capacity;
        });
    case BUS_KIND_OBJECT:
    case BUS_KIND_UNION: return 0; /* of what they are made of */
    }
    BUS_UNREACHABLE();
}

/* The table that tables.c would write, with offsets of our own. */
static const bus_shape *
runtime_shape(type *t)
{
    bus_shape *s;

    if (t->runtime != NULL)
        return t->runtime;
    s = BUS_ARENA_NEW(&compiler_memory, bus_shape);
    s->kind = t->kind;
    s->size = scalar_bytes(t->kind);
    s->minimum = t->minimum;
    s->maximum = t->maximum;
    s->multiple_of = t->multiple_of;
    s->number_minimum = t->number_minimum;
    s->number_maximum = t->number_maximum;
    s->number_multiple_of = t->number_multiple_of;
    s->number_minimum_exclusive = t->number_minimum_exclusive;
    s->number_maximum_exclusive = t->number_maximum_exclusive;
    s->pattern = t->pattern;
    if (t->pattern != NULL)
        keep_pattern(s);
    s->format = t->format;
    s->names = t->names;
    s->names_count = (uint32_t)t->names_count;
    s->unique_items = t->unique;
    if (t->kind == BUS_KIND_ARRAY)
        s->item = runtime_shape(t->item);
    if (t->kind == BUS_KIND_OBJECT)
        fill_object(t, s);
    if (t->kind == BUS_KIND_UNION)
        fill_union(t, s);
    t->runtime = s;
    return s;
}

/* Does the value fit? If not, problems tells where. */
static bool
fits(type *t, const json_t *value, bus_problems *problems)
{
    const bus_shape *s = runtime_shape(t);

    problems->count = 0;
    if (json_is_null(value) && t->nullable)
        return true;
    return bus_decode_json(s, value, &compiler_memory,
                           bus_arena_alloc(&compiler_memory, s->size + 1), problems) == BUS_OK;
}

static void
check_defaults(type *t)
{
    bus_problems problems;

    if (t->item != NULL)
        check_defaults(t->item);
    for (int i = 0; i < t->variants_count; i++)
        check_defaults(t->variants[i]);
    for (int i = 0; i < t->members_count; i++) {
        const member *m = &t->members[i];
        json_t       *value;

        check_defaults(m->type);
        if (m->default_json == NULL)
            continue;
        value = json_loads(m->default_json, JSON_DECODE_ANY, NULL);
        BUS_INVARIANT(value != NULL);
        if (!fits(m->type, value, &problems))
            die(t->file, text("%s/default%s", m->pointer, problems.items[0].pointer), "%s",
                problems.items[0].message);
        json_decref(value);
    }
}

static void
check_examples(const contract *c, const message *m)
{
    static const char *const known[] = {"valid", "invalid", NULL};
    const char              *at = text("%s/examples", m->pointer);
    const json_t            *examples = json_object_get(m->json, "examples"), *one;
    bus_problems             problems;
    size_t                   i;

    if (examples == NULL)
        return;
    check_keywords(c->file, at, examples, known);
    for (i = 0; known[i] != NULL; i++)
        if (json_object_get(examples, known[i]) != NULL &&
            !json_is_array(json_object_get(examples, known[i])))
            die(c->file, text("%s/%s", at, known[i]), "must be a list");
    json_array_foreach(json_object_get(examples, "valid"), i,
                       one) if (!fits(m->data, one, &problems))
        die(c->file, text("%s/valid/%zu%s", at, i, problems.items[0].pointer), "%s",
            problems.items[0].message);
    json_array_foreach(json_object_get(examples, "invalid"), i,
                       one) if (fits(m->data, one, &problems))
        die(c->file, text("%s/invalid/%zu", at, i), "is valid");
}

/* Nesting of a document of this type. */
static int
depth_of(const type *t)
{
    int deepest = 0;

    if (t->item != NULL)
        deepest = depth_of(t->item);
    for (int i = 0; i < t->members_count; i++) {
        int depth = depth_of(t->members[i].type);

        if (depth > deepest)
            deepest = depth;
    }
    for (int i = 0; i < t->variants_count; i++) {
        int depth = depth_of(t->variants[i]) - 1; /* the branch is the union's own level */

        if (depth > deepest)
            deepest = depth;
    }
    return deepest +
           (t->kind == BUS_KIND_OBJECT || t->kind == BUS_KIND_ARRAY || t->kind == BUS_KIND_UNION);
}

static void
check_document(const contract *c, type *t, bool of_command)
{
    check_personal(t, t);
    check_secrets(t, of_command);
    check_defaults(t);
    if (depth_of(t) > BUS_JSON_DEPTH_MAX)
        die(c->file, t->pointer, "is nested deeper than the %d levels of a document",
            BUS_JSON_DEPTH_MAX);
}

static void
check_messages(contract *const *all, int count, const contract *c)
{
    for (int a = 0; a < c->aggregates_count; a++) {
        const aggregate *ag = &c->aggregates[a];

        for (int i = 0; i < ag->commands_count; i++) {
            check_refuses(all, count, c, &ag->commands[i]);
            if (ag->commands[i].data == NULL)
                continue;
            check_document(c, ag->commands[i].data, true);
            check_examples(c, &ag->commands[i]);
        }
        for (int i = 0; i < ag->events_count; i++) {
            check_document(c, ag->events[i].data, false);
            if (ag->events[i].forgets && is_personal(ag->events[i].data))
                die(c->file, text("%s/forgets", ag->events[i].pointer),
                    "an event with which somebody is forgotten holds nothing personal");
            check_examples(c, &ag->events[i]);
        }
    }
}

void
check_all(contract *const *all, int count)
{
    claims = BUS_ARENA_ARRAY(&compiler_memory, claim, CLAIMS_MAX);
    claim_kernel();
    for (int k = 0; k < count; k++) {
        const contract *c = all[k];

        claim_contract(c);
        for (int i = 0; i < c->follows_count; i++)
            check_followed(all, count, c, text("/follows/%d", i), c->follows[i]);
        check_sends(all, count, c);
        for (int i = 0; i < c->views_count; i++) {
            check_view(all, count, c, &c->views[i]);
            check_document(c, c->views[i].row, false);
        }
        if (c->settings != NULL)
            check_document(c, c->settings, false);
        if (c->what_if != NULL)
            check_document(c, c->what_if, false);
        check_refusals(c);
        check_messages(all, count, c);
    }
}
