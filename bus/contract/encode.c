/* encode.c - the C structs of a contract to canonical JSON; copies; comparison.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/contract/format.h"

#include <string.h>

typedef struct {
    void    *items;
    uint32_t count, capacity;
} any_array;

static any_array
array_at(const void *value)
{
    any_array array;

    memcpy(&array, value, sizeof(array));
    return array;
}

static int32_t
int32_at(const void *value)
{
    int32_t n;

    memcpy(&n, value, sizeof(n));
    return n;
}

static bool
is_there(const bus_field *field, const char *object)
{
    return field->has_offset == BUS_NO_OFFSET || *(const bool *)(object + field->has_offset);
}

/* --- encoding ------------------------------------------------------------------- */

/* Members with commas between; first: nothing was written before them. */
static void
encode_members(const bus_shape *shape, const char *object, bus_buf *out, bool first)
{
    for (uint32_t f = 0; f < shape->fields_count; f++) {
        const bus_field *field = &shape->fields[f];
        bool             there = is_there(field, object);

        /* an absent one with a default is null, or reading would put the default there */
        if (!there && !field->required && (field->default_json == NULL || !field->nullable))
            continue;
        if (!first)
            bus_buf_add_char(out, ',');
        first = false;
        bus_buf_add_char(out, '"');
        bus_buf_add_text(out, field->name);
        bus_buf_add(out, "\":", 2);
        if (there)
            bus_encode(field->shape, object + field->offset, out);
        else
            bus_buf_add(out, "null", 4);
    }
}

static void
encode_union(const bus_shape *shape, const char *value, bus_buf *out)
{
    int32_t            kind = int32_at(value);
    const bus_variant *variant;

    BUS_INVARIANT(kind >= 0 && (uint32_t)kind < shape->variants_count);
    variant = &shape->variants[kind];
    bus_buf_add_char(out, '{');
    bus_buf_add_json(out, bus_str_of(shape->tag));
    bus_buf_add_char(out, ':');
    bus_buf_add_json(out, bus_str_of(variant->tag_value));
    encode_members(variant->shape, value + shape->variants_offset, out, false);
    bus_buf_add_char(out, '}');
}

static void
encode_array(const bus_shape *shape, const void *value, bus_buf *out)
{
    any_array array = array_at(value);

    bus_buf_add_char(out, '[');
    for (uint32_t i = 0; i < array.count; i++) {
        if (i > 0)
            bus_buf_add_char(out, ',');
        bus_encode(shape->item, (const char *)array.items + (size_t)i * shape->item->size, out);
    }
    bus_buf_add_char(out, ']');
}

void
bus_encode(const bus_shape *shape, const void *value, bus_buf *out)
{
    char text[BUS_ID_TEXT_BYTES + 3];

    switch (shape->kind) {
    case BUS_KIND_BOOL: bus_buf_add_text(out, *(const bool *)value ? "true" : "false"); return;
    case BUS_KIND_INT: bus_buf_add_int(out, *(const int64_t *)value); return;
    case BUS_KIND_NUMBER:
        bus_format_number_text(*(const double *)value, text);
        bus_buf_add_text(out, text);
        return;
    case BUS_KIND_STRING: bus_buf_add_json(out, *(const bus_str *)value); return;
    case BUS_KIND_ENUM: {
        int32_t i = int32_at(value);

        BUS_INVARIANT(i >= 0 && (uint32_t)i < shape->names_count);
        bus_buf_add_json(out, bus_str_of(shape->names[i]));
        return;
    }
    case BUS_KIND_UUID:
        text[0] = '"';
        (void)bus_id_format(*(const bus_id *)value, text + 1);
        text[37] = '"';
        bus_buf_add(out, text, 38);
        return;
    case BUS_KIND_DATE:
        bus_format_date_text(*(const int32_t *)value, text);
        bus_buf_add_json(out, bus_str_of(text));
        return;
    case BUS_KIND_TIME:
        bus_format_time_text(*(const int64_t *)value, text);
        bus_buf_add_json(out, bus_str_of(text));
        return;
    case BUS_KIND_OBJECT:
        bus_buf_add_char(out, '{');
        encode_members(shape, value, out, true);
        bus_buf_add_char(out, '}');
        return;
    case BUS_KIND_ARRAY: encode_array(shape, value, out); return;
    case BUS_KIND_UNION: encode_union(shape, value, out); return;
    case BUS_KIND_JSON: {
        bus_str s = *(const bus_str *)value;

        bus_buf_add_str(out, s.len > 0 ? s : BUS_STR("null"));
        return;
    }
    }
}

/* --- copying --------------------------------------------------------------------------- */

static void
copy_members(const bus_shape *shape, const char *from, char *to, bus_arena *arena)
{
    for (uint32_t f = 0; f < shape->fields_count; f++) {
        const bus_field *field = &shape->fields[f];

        if (field->has_offset != BUS_NO_OFFSET)
            *(bool *)(to + field->has_offset) = is_there(field, from);
        if (is_there(field, from))
            bus_copy(field->shape, from + field->offset, to + field->offset, arena);
        else
            memset(to + field->offset, 0, field->shape->size);
    }
}

void
bus_copy(const bus_shape *shape, const void *from, void *to, bus_arena *arena)
{
    switch (shape->kind) {
    case BUS_KIND_BOOL:
    case BUS_KIND_INT:
    case BUS_KIND_NUMBER:
    case BUS_KIND_ENUM:
    case BUS_KIND_UUID:
    case BUS_KIND_DATE:
    case BUS_KIND_TIME: memcpy(to, from, shape->size); return;
    case BUS_KIND_STRING:
    case BUS_KIND_JSON: {
        bus_str s = *(const bus_str *)from;

        s = bus_arena_copy(arena, s.at, s.len);
        memcpy(to, &s, sizeof(s));
        return;
    }
    case BUS_KIND_OBJECT: copy_members(shape, from, to, arena); return;
    case BUS_KIND_UNION: {
        int32_t kind = int32_at(from);

        BUS_INVARIANT(kind >= 0 && (uint32_t)kind < shape->variants_count);
        memset(to, 0, shape->size);
        memcpy(to, &kind, sizeof(kind));
        copy_members(shape->variants[kind].shape, (const char *)from + shape->variants_offset,
                     (char *)to + shape->variants_offset, arena);
        return;
    }
    case BUS_KIND_ARRAY: {
        any_array array = array_at(from), copy = {.count = array.count, .capacity = array.count};
        size_t    item = shape->item->size;

        copy.items = bus_arena_alloc(arena, array.count * item + 1);
        for (uint32_t i = 0; i < array.count; i++)
            bus_copy(shape->item, (const char *)array.items + i * item,
                     (char *)copy.items + i * item, arena);
        memcpy(to, &copy, sizeof(copy));
        return;
    }
    }
}

/* --- comparing -------------------------------------------------------------------------- */

static bool
equal_members(const bus_shape *shape, const char *a, const char *b)
{
    for (uint32_t f = 0; f < shape->fields_count; f++) {
        const bus_field *field = &shape->fields[f];

        if (is_there(field, a) != is_there(field, b))
            return false;
        if (is_there(field, a) && !bus_equal(field->shape, a + field->offset, b + field->offset))
            return false;
    }
    return true;
}

bool
bus_equal(const bus_shape *shape, const void *a, const void *b)
{
    switch (shape->kind) {
    case BUS_KIND_BOOL: return *(const bool *)a == *(const bool *)b;
    case BUS_KIND_INT:
    case BUS_KIND_TIME: return *(const int64_t *)a == *(const int64_t *)b;
    case BUS_KIND_NUMBER: return *(const double *)a == *(const double *)b;
    case BUS_KIND_ENUM:
    case BUS_KIND_DATE: return int32_at(a) == int32_at(b);
    case BUS_KIND_UUID: return bus_id_equal(*(const bus_id *)a, *(const bus_id *)b);
    case BUS_KIND_STRING:
    case BUS_KIND_JSON: return bus_str_equal(*(const bus_str *)a, *(const bus_str *)b);
    case BUS_KIND_OBJECT: return equal_members(shape, a, b);
    case BUS_KIND_UNION:
        return int32_at(a) == int32_at(b) &&
               equal_members(shape->variants[int32_at(a)].shape,
                             (const char *)a + shape->variants_offset,
                             (const char *)b + shape->variants_offset);
    case BUS_KIND_ARRAY: {
        any_array x = array_at(a), y = array_at(b);

        if (x.count != y.count)
            return false;
        for (uint32_t i = 0; i < x.count; i++)
            if (!bus_equal(shape->item, (const char *)x.items + (size_t)i * shape->item->size,
                           (const char *)y.items + (size_t)i * shape->item->size))
                return false;
        return true;
    }
    }
    return false;
}
