/* value.c - comparing jansson values, and writing them in canonical form.
 * Both recurse as deep as the value: BUS_JSON_DEPTH_MAX for whatever came from outside.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/value.h"
#include "bus/base/error.h"
#include "bus/contract/format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
equal_numbers(const json_t *a, const json_t *b)
{
    double real;

    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    if (json_is_real(a) && json_is_real(b))
        return json_real_value(a) == json_real_value(b);
    if (json_is_integer(b))
        return equal_numbers(b, a);
    real = json_real_value(b);
    return real == floor(real) && real >= -0x1p63 && real < 0x1p63 &&
           (json_int_t)real == json_integer_value(a);
}

static bool
equal_arrays(const json_t *a, const json_t *b)
{
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!bus_value_equal(json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

static bool
equal_objects(const json_t *a, const json_t *b)
{
    const char *name;
    json_t     *member;

    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach((json_t *)(uintptr_t)a, name, member)
    {
        const json_t *other = json_object_get(b, name);

        if (other == NULL || !bus_value_equal(member, other))
            return false;
    }
    return true;
}

bool
bus_value_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return equal_numbers(a, b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a))
        return equal_arrays(a, b);
    if (json_is_object(a))
        return equal_objects(a, b);
    if (json_is_string(a))
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    return true; /* true, false and null are their types */
}

/* --- writing -------------------------------------------------------------------- */

static int
by_bytes(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void
write_object(const json_t *value, bus_arena *arena, bus_buf *out)
{
    size_t       count = 0;
    const char **names = BUS_ARENA_ARRAY(arena, const char *, json_object_size(value) + 1);
    const char  *name;
    json_t      *member;

    json_object_foreach((json_t *)(uintptr_t)value, name, member) names[count++] = name;
    qsort(names, count, sizeof(*names), by_bytes);
    bus_buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            bus_buf_add_char(out, ',');
        bus_buf_add_json(out, bus_str_of(names[i]));
        bus_buf_add_char(out, ':');
        bus_value_write(json_object_get(value, names[i]), arena, out);
    }
    bus_buf_add_char(out, '}');
}

static void
write_array(const json_t *value, bus_arena *arena, bus_buf *out)
{
    bus_buf_add_char(out, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i > 0)
            bus_buf_add_char(out, ',');
        bus_value_write(json_array_get(value, i), arena, out);
    }
    bus_buf_add_char(out, ']');
}

void
bus_value_write(const json_t *value, bus_arena *arena, bus_buf *out)
{
    char number[BUS_NUMBER_TEXT_BYTES];

    switch (json_typeof(value)) {
    case JSON_OBJECT: write_object(value, arena, out); return;
    case JSON_ARRAY: write_array(value, arena, out); return;
    case JSON_STRING:
        bus_buf_add_json(out,
                         (bus_str){json_string_value(value), (uint32_t)json_string_length(value)});
        return;
    case JSON_INTEGER: bus_buf_add_int(out, json_integer_value(value)); return;
    case JSON_REAL:
        bus_format_number_text(json_real_value(value), number);
        bus_buf_add_text(out, number);
        return;
    case JSON_TRUE: bus_buf_add(out, "true", 4); return;
    case JSON_FALSE: bus_buf_add(out, "false", 5); return;
    case JSON_NULL: bus_buf_add(out, "null", 4); return;
    }
    BUS_UNREACHABLE();
}
