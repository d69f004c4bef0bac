/* decode.c - JSON to the C structs of a contract, checking every keyword.
 *
 * The walk goes on after a problem, so that the caller learns of all of them at once; what it
 * fills is then not to be used.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/decode_internal.h"
#include "bus/contract/format.h"
#include "bus/contract/pattern.h"
#include "bus/contract/pointer.h"
#include "bus/contract/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 60 /* bytes of a member's name in a message */

/* Where we are, as a linked list on the stack: a pointer is only written when needed. */
typedef struct place {
    const struct place *outer;
    const char         *name; /* member, or NULL: */
    size_t              index;
} place;

typedef struct {
    bus_arena        *arena;
    bus_problems     *problems;
    bus_personal_form form;
    bool              failed; /* also when problems had no room left to say so */
} walk;

/* Writes the pointer of at, or of the innermost place around it that there is room for. */
static bool
write_pointer(const place *at, char *out, size_t room)
{
    if (at == NULL)
        return true;
    if (!write_pointer(at->outer, out, room))
        return false;
    return at->name != NULL ? bus_pointer_add_name(out, room, at->name)
                            : bus_pointer_add_index(out, room, at->index);
}

static bool
is_full(const walk *w)
{
    return w->problems->count == BUS_PROBLEMS_MAX;
}

/* Nothing that is still unread could change the answer. */
static bool
is_over(const walk *w)
{
    return w->failed && is_full(w);
}

/* Only a walk with room for more problems spends time on their texts. */
#define PROBLEM(w, at, ...)                                              \
    do {                                                                 \
        (w)->failed = true;                                              \
        if (!is_full(w)) {                                               \
            char pointer_[sizeof((w)->problems->items[0].pointer)] = ""; \
            (void)write_pointer((at), pointer_, sizeof(pointer_));       \
            bus_problem_add((w)->problems, pointer_, __VA_ARGS__);       \
        }                                                                \
    } while (0)

static void decode(walk *w, const place *at, const bus_shape *shape, const json_t *value,
                   void *out);

/* --- scalars ------------------------------------------------------------------ */

static void
decode_int(walk *w, const place *at, const bus_shape *shape, const json_t *value, int64_t *out)
{
    int64_t n;

    if (json_is_integer(value)) {
        n = json_integer_value(value);
    } else if (!json_is_real(value) || json_real_value(value) != floor(json_real_value(value))) {
        PROBLEM(w, at, "must be an integer");
        return;
    } else if (fabs(json_real_value(value)) >= 0x1p53) {
        PROBLEM(w, at, "must be written without fraction or exponent to be exact");
        return;
    } else {
        n = (int64_t)json_real_value(value); /* 1.0 is an integer, says JSON Schema */
    }
    if (n < shape->minimum)
        PROBLEM(w, at, "must be at least %lld", (long long)shape->minimum);
    else if (n > shape->maximum)
        PROBLEM(w, at, "must be at most %lld", (long long)shape->maximum);
    else if (shape->multiple_of != 0 && n % shape->multiple_of != 0)
        PROBLEM(w, at, "must be a multiple of %lld", (long long)shape->multiple_of);
    *out = n;
}

static void
decode_number(walk *w, const place *at, const bus_shape *shape, const json_t *value, double *out)
{
    double n = json_number_value(value);

    if (!json_is_number(value)) {
        PROBLEM(w, at, "must be a number");
        return;
    }
    if (n < shape->number_minimum ||
        (shape->number_minimum_exclusive && n <= shape->number_minimum))
        PROBLEM(w, at, "must be %s %g", shape->number_minimum_exclusive ? "above" : "at least",
                shape->number_minimum);
    else if (n > shape->number_maximum ||
             (shape->number_maximum_exclusive && n >= shape->number_maximum))
        PROBLEM(w, at, "must be %s %g", shape->number_maximum_exclusive ? "below" : "at most",
                shape->number_maximum);
    else if (shape->number_multiple_of != 0 &&
             !bus_format_number_multiple(n, shape->number_multiple_of))
        PROBLEM(w, at, "must be a multiple of %g", shape->number_multiple_of);
    *out = n;
}

static bus_str
text_of(const json_t *value)
{
    return (bus_str){json_string_value(value), (uint32_t)json_string_length(value)};
}

static void
decode_string(walk *w, const place *at, const bus_shape *shape, const json_t *value, bus_str *out)
{
    bus_str s = text_of(value);
    int64_t length;

    if (!json_is_string(value)) {
        PROBLEM(w, at, "must be a string");
        return;
    }
    length = bus_utf8_length(s);
    if (length < shape->minimum)
        PROBLEM(w, at, "must have at least %lld characters", (long long)shape->minimum);
    else if (length > shape->maximum) {
        PROBLEM(w, at, "must have at most %lld characters", (long long)shape->maximum);
        return; /* no pattern is tried on a text of any length */
    }
    if (shape->pattern != NULL && !bus_pattern_matches(shape, s))
        PROBLEM(w, at, "must match %s", shape->pattern);
    switch (shape->format) {
    case BUS_FORMAT_NONE: break;
    case BUS_FORMAT_EMAIL:
        if (!bus_format_email(s))
            PROBLEM(w, at, "must be an e-mail address");
        break;
    case BUS_FORMAT_E164:
        if (!bus_format_e164(s))
            PROBLEM(w, at, "must be a phone number in the E.164 form, such as +79001234567");
        break;
    }
    *out = bus_arena_copy(w->arena, s.at, s.len);
}

int
bus_shape_name(const bus_shape *shape, bus_str s)
{
    for (uint32_t i = 0; i < shape->names_count; i++)
        if (bus_str_is(s, shape->names[i]))
            return (int)i;
    return -1;
}

static void
decode_enum(walk *w, const place *at, const bus_shape *shape, const json_t *value, int32_t *out)
{
    int    i = json_is_string(value) ? bus_shape_name(shape, text_of(value)) : -1;
    char   list[120] = "";
    size_t used = 0;

    if (i >= 0) {
        *out = i;
        return;
    }
    for (uint32_t n = 0; n < shape->names_count && used + 40 < sizeof(list); n++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%.30s", n == 0 ? "" : ", ",
                                 shape->names[n]);
    PROBLEM(w, at, shape->names_count == 1 ? "must be %s" : "must be one of %s", list);
}

static void
decode_json_text(walk *w, const json_t *value, bus_str *out)
{
    bus_buf text = {0};

    bus_value_write(value, w->arena, &text);
    *out = bus_arena_copy(w->arena, text.at, text.len);
    bus_buf_fini(&text);
}

/* --- objects -------------------------------------------------------------------- */

const bus_field *
bus_shape_field(const bus_shape *shape, bus_str name, uint32_t *hint)
{
    for (uint32_t i = 0; i < shape->fields_count; i++) {
        uint32_t f = (*hint + i) % shape->fields_count;

        if (bus_str_is(name, shape->fields[f].name)) {
            *hint = f + 1;
            return &shape->fields[f];
        }
    }
    return NULL;
}

static void
set_has(const bus_field *field, char *out)
{
    if (field->has_offset != BUS_NO_OFFSET)
        *(bool *)(out + field->has_offset) = true;
}

static void
decode_default(walk *w, const place *at, const bus_field *field, char *out)
{
    json_t *value = json_loads(field->default_json, JSON_DECODE_ANY, NULL);

    BUS_INVARIANT(value != NULL); /* the schema compiler has checked it */
    if (!json_is_null(value)) {
        decode(w, at, field->shape, value, out + field->offset);
        set_has(field, out);
    }
    json_decref(value);
}

/* A name too long for a pointer is told in the message, at the object that has it. */
static void
tell_unknown(walk *w, const place *at, const char *name)
{
    const place here = {.outer = at, .name = name};

    if (strlen(name) <= NAME_SHOWN)
        PROBLEM(w, &here, "is not known here");
    else
        PROBLEM(w, at, "has a member that is not known here: %.*s...", NAME_SHOWN, name);
}

/* A personal member in the form that it has within. True: it is taken, or a problem was told. */
static bool
decode_personal(walk *w, const place *at, const bus_field *field, const json_t *value, void *out)
{
    bus_str s = text_of(value);

    if (w->form == BUS_PERSONAL_CLEAR || !json_is_string(value))
        return false;
    if (s.len > 0 && w->form == BUS_PERSONAL_OPENED)
        return false;
    BUS_INVARIANT(field->shape->kind == BUS_KIND_STRING);
    if (s.len > 0 && (s.len < sizeof(BUS_SEALED_PREFIX) ||
                      memcmp(s.at, BUS_SEALED_PREFIX, sizeof(BUS_SEALED_PREFIX) - 1) != 0)) {
        PROBLEM(w, at, "is personal and must be encrypted");
        return true;
    }
    *(bus_str *)out = bus_arena_copy(w->arena, s.at, s.len);
    return true;
}

/* tag: member that belongs to the union around this object, or NULL. */
static void
decode_object(walk *w, const place *at, const bus_shape *shape, const json_t *value, char *out,
              const char *tag)
{
    bool        seen[BUS_FIELDS_MAX] = {false};
    const char *name;
    json_t     *member;
    uint32_t    hint = 0;

    if (!json_is_object(value)) {
        PROBLEM(w, at, "must be an object");
        return;
    }
    BUS_INVARIANT(shape->fields_count <= BUS_FIELDS_MAX);
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        const place      here = {.outer = at, .name = name};
        const bus_field *field;

        if (tag != NULL && strcmp(name, tag) == 0)
            continue;
        field = bus_shape_field(shape, bus_str_of(name), &hint);
        if (field == NULL) {
            if (!shape->additional_properties)
                tell_unknown(w, at, name);
            if (is_over(w))
                return;
            continue;
        }
        seen[field - shape->fields] = true;
        if (json_is_null(member) && field->nullable)
            continue;
        if (field->personal == NULL ||
            !decode_personal(w, &here, field, member, out + field->offset))
            decode(w, &here, field->shape, member, out + field->offset);
        set_has(field, out);
    }
    for (uint32_t f = 0; f < shape->fields_count; f++) {
        const bus_field *field = &shape->fields[f];
        const place      here = {.outer = at, .name = field->name};

        if (seen[f])
            continue;
        if (field->default_json != NULL && !field->required)
            decode_default(w, &here, field, out);
        else if (field->required)
            PROBLEM(w, &here, "is required");
    }
}

static void
decode_union(walk *w, const place *at, const bus_shape *shape, const json_t *value, char *out)
{
    const json_t *tag = json_object_get(value, shape->tag);
    const place   here = {.outer = at, .name = shape->tag};

    if (!json_is_object(value)) {
        PROBLEM(w, at, "must be an object");
        return;
    }
    if (tag == NULL) {
        PROBLEM(w, &here, "is required");
        return;
    }
    for (uint32_t i = 0; json_is_string(tag) && i < shape->variants_count; i++) {
        int32_t kind = (int32_t)i;

        if (!bus_str_is(text_of(tag), shape->variants[i].tag_value))
            continue;
        memcpy(out, &kind, sizeof(kind));
        decode_object(w, at, shape->variants[i].shape, value, out + shape->variants_offset,
                      shape->tag);
        return;
    }
    PROBLEM(w, &here, "names none of the known kinds");
}

/* --- arrays ------------------------------------------------------------------------ */

/* The array's struct: { T *items; uint32_t count, capacity; } */
typedef struct {
    void    *items;
    uint32_t count, capacity;
} any_array;

static void
decode_array(walk *w, const place *at, const bus_shape *shape, const json_t *value, void *out)
{
    size_t    count = json_array_size(value);
    any_array array = {0};

    if (!json_is_array(value)) {
        PROBLEM(w, at, "must be an array");
        return;
    }
    if ((int64_t)count < shape->minimum) {
        PROBLEM(w, at, "must have at least %lld items", (long long)shape->minimum);
    } else if ((int64_t)count > shape->maximum) {
        PROBLEM(w, at, "must have at most %lld items", (long long)shape->maximum);
        return;
    }
    array.items = bus_arena_alloc(w->arena, count * shape->item->size + 1);
    array.count = array.capacity = (uint32_t)count;
    for (size_t i = 0; i < count && !is_over(w); i++) {
        const place here = {.outer = at, .index = i};

        decode(w, &here, shape->item, json_array_get(value, i),
               (char *)array.items + i * shape->item->size);
        for (size_t j = 0; shape->unique_items && j < i; j++)
            if (bus_value_equal(json_array_get(value, i), json_array_get(value, j))) {
                PROBLEM(w, &here, "is there twice");
                break;
            }
    }
    memcpy(out, &array, sizeof(array));
}

/* --- all ------------------------------------------------------------------------------ */

static void
decode(walk *w, const place *at, const bus_shape *shape, const json_t *value, void *out)
{
    bus_str s = text_of(value);

    switch (shape->kind) {
    case BUS_KIND_BOOL:
        if (!json_is_boolean(value))
            PROBLEM(w, at, "must be true or false");
        *(bool *)out = json_is_true(value);
        return;
    case BUS_KIND_INT: decode_int(w, at, shape, value, out); return;
    case BUS_KIND_NUMBER: decode_number(w, at, shape, value, out); return;
    case BUS_KIND_STRING: decode_string(w, at, shape, value, out); return;
    case BUS_KIND_ENUM: decode_enum(w, at, shape, value, out); return;
    case BUS_KIND_UUID:
        if (!json_is_string(value) || !bus_id_parse(s, out))
            PROBLEM(w, at, "must be a UUID");
        return;
    case BUS_KIND_DATE:
        if (!json_is_string(value) || !bus_format_date(s, out))
            PROBLEM(w, at, "must be a date such as 2026-11-23");
        return;
    case BUS_KIND_TIME:
        if (!json_is_string(value) || !bus_format_time(s, out))
            PROBLEM(w, at, "must be a time such as 2026-11-23T08:00:00Z");
        return;
    case BUS_KIND_OBJECT: decode_object(w, at, shape, value, out, NULL); return;
    case BUS_KIND_ARRAY: decode_array(w, at, shape, value, out); return;
    case BUS_KIND_UNION: decode_union(w, at, shape, value, out); return;
    case BUS_KIND_JSON: decode_json_text(w, value, out); return;
    }
}

bus_code
bus_decode_json_as(bus_personal_form form, const bus_shape *shape, const json_t *value,
                   bus_arena *arena, void *out, bus_problems *problems)
{
    walk w = {.arena = arena, .problems = problems, .form = form};

    memset(out, 0, shape->size);
    decode(&w, NULL, shape, value, out);
    return w.failed ? BUS_INVALID : BUS_OK;
}

bus_code
bus_decode_as(bus_personal_form form, const bus_shape *shape, bus_str text, bus_arena *arena,
              void *out, bus_problems *problems)
{
    json_t  *value;
    bus_code rc;

    if (bus_decode_plain(form, shape, text, arena, out))
        return BUS_OK;
    value = bus_json_parse(text, problems);
    if (value == NULL)
        return BUS_INVALID;
    rc = bus_decode_json_as(form, shape, value, arena, out, problems);
    json_decref(value);
    return rc;
}

bus_code
bus_decode_json(const bus_shape *shape, const json_t *value, bus_arena *arena, void *out,
                bus_problems *problems)
{
    return bus_decode_json_as(BUS_PERSONAL_CLEAR, shape, value, arena, out, problems);
}

bus_code
bus_decode(const bus_shape *shape, bus_str text, bus_arena *arena, void *out,
           bus_problems *problems)
{
    return bus_decode_as(BUS_PERSONAL_CLEAR, shape, text, arena, out, problems);
}
