/* decode_plain.c - the short road from JSON text to a C struct: one pass, no tree.
 *
 * What is in doubt is left to jansson and decode.c: escapes in strings, exponents, numbers of more
 * digits than a double keeps, values of any kind (BUS_KIND_JSON), unknown members, and everything
 * that breaks the contract, so that problems are told in one place. What the kernel writes
 * (bus_encode) and what clients mostly send is plain; a tree of it took several times as long as
 * all the rest that is done with an event.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/decode_internal.h"
#include "bus/contract/format.h"
#include "bus/contract/pattern.h"

#include <string.h>

#define INT_DIGITS_MAX 18    /* fit into 64 bits */
#define NUMBER_DIGITS_MAX 15 /* a double keeps them all */
#define ITEMS_FIRST 4        /* room of an array, doubled when it is full */
#define UNIQUE_ITEMS_MAX 256 /* compared with each other before the text is known to be JSON */

typedef struct {
    const char       *at, *end;
    bus_arena        *arena;
    bus_personal_form form;
    int               depth; /* of open brackets */
} reader;

static bool read_value(reader *r, const bus_shape *shape, void *out);

/* --- text ---------------------------------------------------------------------- */

static void
pass_space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static bool
take_char(reader *r, char c)
{
    pass_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool
take_word(reader *r, bus_str word)
{
    pass_space(r);
    if ((size_t)(r->end - r->at) < word.len || memcmp(r->at, word.at, word.len) != 0)
        return false;
    r->at += word.len;
    return true;
}

/* A string without escapes, as a view of the text. */
static bool
take_string(reader *r, bus_str *out)
{
    const char *begin;

    if (!take_char(r, '"'))
        return false;
    for (begin = r->at; r->at < r->end && *r->at != '"';) {
        unsigned char c = (unsigned char)*r->at;
        size_t        bytes = c < 0x80 ? 1 : bus_utf8_sequence(r->at, (size_t)(r->end - r->at));

        if (c < 0x20 || c == '\\' || bytes == 0)
            return false;
        r->at += bytes;
    }
    *out = (bus_str){begin, (uint32_t)(r->at - begin)};
    return take_char(r, '"');
}

static bool
is_digit(const reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* Adds the digits here to *value; how many there were. */
static int
take_digits(reader *r, int most, int64_t *value)
{
    int count = 0;

    for (; count < most && is_digit(r); count++)
        *value = *value * 10 + (*r->at++ - '0');
    return count;
}

/* -?(0|[1-9][0-9]*), as far as the digits are few enough. *count: digits. */
static bool
take_whole(reader *r, int most, bool *minus, int64_t *value, int *count)
{
    bool zero;

    pass_space(r);
    *minus = r->at < r->end && *r->at == '-';
    r->at += *minus;
    zero = r->at < r->end && *r->at == '0';
    *value = 0;
    *count = take_digits(r, most, value);
    return *count > 0 && (!zero || *count == 1) && !is_digit(r);
}

static bool
ends_number(const reader *r)
{
    return r->at == r->end || (*r->at != '.' && *r->at != 'e' && *r->at != 'E');
}

/* --- scalars ------------------------------------------------------------------- */

static bool
read_int(reader *r, const bus_shape *shape, int64_t *out)
{
    bool    minus;
    int64_t value;
    int     count;

    if (!take_whole(r, INT_DIGITS_MAX, &minus, &value, &count) || !ends_number(r))
        return false;
    *out = minus ? -value : value;
    return *out >= shape->minimum && *out <= shape->maximum &&
           (shape->multiple_of == 0 || *out % shape->multiple_of == 0);
}

/* Digits and a power of ten, both exact as doubles, give the nearest double in one division
 * (W. D. Clinger, "How to read floating point numbers accurately", 1990). */
static bool
take_number(reader *r, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool                minus;
    int64_t             value;
    int                 count, fraction = 0;

    if (!take_whole(r, NUMBER_DIGITS_MAX, &minus, &value, &count))
        return false;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        fraction = take_digits(r, NUMBER_DIGITS_MAX - count, &value);
        if (fraction == 0 || is_digit(r))
            return false;
    }
    if (!ends_number(r))
        return false;
    *out = (double)value / powers[fraction];
    if (minus && (value != 0 || fraction > 0)) /* -0 is the integer 0, -0.0 is not */
        *out = -*out;
    return true;
}

static bool
read_number(reader *r, const bus_shape *shape, double *out)
{
    return take_number(r, out) && *out >= shape->number_minimum && *out <= shape->number_maximum &&
           !(shape->number_minimum_exclusive && *out <= shape->number_minimum) &&
           !(shape->number_maximum_exclusive && *out >= shape->number_maximum) &&
           (shape->number_multiple_of == 0 ||
            bus_format_number_multiple(*out, shape->number_multiple_of));
}

static bool
fits(const bus_shape *shape, bus_str s)
{
    int64_t length = bus_utf8_length(s);

    return length >= shape->minimum && length <= shape->maximum &&
           (shape->pattern == NULL || bus_pattern_matches(shape, s)) &&
           (shape->format != BUS_FORMAT_EMAIL || bus_format_email(s)) &&
           (shape->format != BUS_FORMAT_E164 || bus_format_e164(s));
}

static bool
read_string(reader *r, const bus_shape *shape, bus_str *out)
{
    bus_str s;

    if (!take_string(r, &s) || !fits(shape, s))
        return false;
    *out = bus_arena_copy(r->arena, s.at, s.len);
    return true;
}

static bool
read_personal(reader *r, const bus_shape *shape, bus_str *out)
{
    const bus_str prefix = BUS_STR(BUS_SEALED_PREFIX);
    bus_str       s;

    BUS_INVARIANT(shape->kind == BUS_KIND_STRING);
    if (r->form == BUS_PERSONAL_CLEAR)
        return read_string(r, shape, out);
    if (!take_string(r, &s))
        return false;
    if (s.len > 0 && r->form == BUS_PERSONAL_OPENED && !fits(shape, s))
        return false;
    if (s.len > 0 && r->form == BUS_PERSONAL_SEALED &&
        (s.len <= prefix.len || memcmp(s.at, prefix.at, prefix.len) != 0))
        return false;
    *out = bus_arena_copy(r->arena, s.at, s.len);
    return true;
}

static bool
read_enum(reader *r, const bus_shape *shape, int32_t *out)
{
    bus_str s;

    if (!take_string(r, &s))
        return false;
    *out = bus_shape_name(shape, s);
    return *out >= 0;
}

static bool
read_bool(reader *r, bool *out)
{
    *out = take_word(r, BUS_STR("true"));
    return *out || take_word(r, BUS_STR("false"));
}

/* --- objects ------------------------------------------------------------------- */

static bool
open_bracket(reader *r, char bracket)
{
    return ++r->depth <= BUS_JSON_DEPTH_MAX && take_char(r, bracket);
}

static bool
close_bracket(reader *r, char bracket)
{
    if (!take_char(r, bracket))
        return false;
    r->depth--;
    return true;
}

/* One member's value. Null is absence. */
static bool
read_member(reader *r, const bus_field *field, char *object)
{
    void *out = object + field->offset;

    if (field->nullable && take_word(r, BUS_STR("null")))
        return true;
    if (field->has_offset != BUS_NO_OFFSET)
        *(bool *)(object + field->has_offset) = true;
    return field->personal != NULL ? read_personal(r, field->shape, out)
                                   : read_value(r, field->shape, out);
}

/* What is absent: an optional without default, or its default. */
static bool
fill_absent(reader *r, const bus_field *field, char *object)
{
    const char *text = field->default_json;
    reader      given = {.at = text, .arena = r->arena, .form = r->form};

    if (field->required || text == NULL)
        return !field->required;
    if (strcmp(text, "null") == 0)
        return true;
    if (field->has_offset != BUS_NO_OFFSET)
        *(bool *)(object + field->has_offset) = true;
    given.end = text + strlen(text);
    return read_value(&given, field->shape, object + field->offset);
}

/* The members after those that were read, and the closing bracket. */
static bool
read_members(reader *r, const bus_shape *shape, char *object, bool first)
{
    bool     seen[BUS_FIELDS_MAX];
    uint32_t hint = 0, count = 0;

    BUS_INVARIANT(shape->fields_count <= BUS_FIELDS_MAX);
    memset(seen, 0, shape->fields_count);
    for (; !close_bracket(r, '}'); first = false) {
        const bus_field *field;
        bus_str          name;

        if ((!first && !take_char(r, ',')) || !take_string(r, &name) || !take_char(r, ':'))
            return false;
        field = bus_shape_field(shape, name, &hint);
        if (field == NULL || seen[field - shape->fields] || !read_member(r, field, object))
            return false;
        seen[field - shape->fields] = true;
        count++;
    }
    for (uint32_t f = 0; count < shape->fields_count && f < shape->fields_count; f++)
        if (!seen[f] && !fill_absent(r, &shape->fields[f], object))
            return false;
    return true;
}

/* Only with its tag first, as bus_encode writes it. */
static bool
read_union(reader *r, const bus_shape *shape, char *out)
{
    bus_str name, tag;

    if (!open_bracket(r, '{') || !take_string(r, &name) || !bus_str_is(name, shape->tag) ||
        !take_char(r, ':') || !take_string(r, &tag))
        return false;
    for (uint32_t i = 0; i < shape->variants_count; i++) {
        const bus_shape *variant = shape->variants[i].shape;
        int32_t          kind = (int32_t)i;

        if (!bus_str_is(tag, shape->variants[i].tag_value))
            continue;
        memcpy(out, &kind, sizeof(kind));
        return read_members(r, variant, out + shape->variants_offset, false);
    }
    return false;
}

/* --- arrays -------------------------------------------------------------------- */

typedef struct {
    void    *items;
    uint32_t count, capacity;
} any_array;

static void *
next_item(reader *r, any_array *array, size_t item_bytes)
{
    if (array->count == array->capacity) {
        uint32_t capacity = array->capacity == 0 ? ITEMS_FIRST : array->capacity * 2;
        void    *items = bus_arena_alloc(r->arena, (size_t)capacity * item_bytes);

        if (array->count > 0)
            memcpy(items, array->items, (size_t)array->count * item_bytes);
        array->items = items;
        array->capacity = capacity;
    }
    return (char *)array->items + (size_t)array->count++ * item_bytes;
}

/* What is equal as JSON is equal as a value: who finds no equal values need not look at the JSON.
 */
static bool
all_differ(const bus_shape *item, const any_array *array)
{
    const char *items = array->items;

    for (uint32_t i = 1; i < array->count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (bus_equal(item, items + (size_t)i * item->size, items + (size_t)j * item->size))
                return false;
    return true;
}

static bool
read_array(reader *r, const bus_shape *shape, void *out)
{
    any_array array = {0};

    if (!open_bracket(r, '['))
        return false;
    for (bool first = true; !close_bracket(r, ']'); first = false) {
        if ((!first && !take_char(r, ',')) || (int64_t)array.count >= shape->maximum ||
            !read_value(r, shape->item, next_item(r, &array, shape->item->size)))
            return false;
    }
    if ((int64_t)array.count < shape->minimum ||
        (shape->unique_items &&
         (array.count > UNIQUE_ITEMS_MAX || !all_differ(shape->item, &array))))
        return false;
    if (array.items == NULL)
        array.items = bus_arena_alloc(r->arena, 1);
    array.capacity = array.count; /* who appends gets an array of his own, as from decode.c */
    memcpy(out, &array, sizeof(array));
    return true;
}

/* --- all ----------------------------------------------------------------------- */

static bool
read_value(reader *r, const bus_shape *shape, void *out)
{
    bus_str s;

    switch (shape->kind) {
    case BUS_KIND_BOOL: return read_bool(r, out);
    case BUS_KIND_INT: return read_int(r, shape, out);
    case BUS_KIND_NUMBER: return read_number(r, shape, out);
    case BUS_KIND_STRING: return read_string(r, shape, out);
    case BUS_KIND_ENUM: return read_enum(r, shape, out);
    case BUS_KIND_UUID: return take_string(r, &s) && bus_id_parse(s, out);
    case BUS_KIND_DATE: return take_string(r, &s) && bus_format_date(s, out);
    case BUS_KIND_TIME: return take_string(r, &s) && bus_format_time(s, out);
    case BUS_KIND_OBJECT: return open_bracket(r, '{') && read_members(r, shape, out, true);
    case BUS_KIND_ARRAY: return read_array(r, shape, out);
    case BUS_KIND_UNION: return read_union(r, shape, out);
    case BUS_KIND_JSON: return false;
    }
    BUS_UNREACHABLE();
}

bool
bus_decode_plain(bus_personal_form form, const bus_shape *shape, bus_str text, bus_arena *arena,
                 void *out)
{
    reader r = {.at = text.at, .arena = arena, .form = form};

    if (text.len == 0)
        return false;
    r.end = text.at + text.len;
    memset(out, 0, shape->size);
    if (!read_value(&r, shape, out))
        return false;
    pass_space(&r);
    return r.at == r.end;
}
