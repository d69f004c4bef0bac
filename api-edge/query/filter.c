/* filter.c - one query parameter of a list.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/filter.h"
#include "api-edge/http/header.h"
#include "bus/base/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
has_range(bus_kind kind)
{
    return kind == BUS_KIND_INT || kind == BUS_KIND_NUMBER || kind == BUS_KIND_TIME ||
           kind == BUS_KIND_DATE;
}

const bus_column *
edge_filter_column(const bus_view_contract *view, bus_str name, const char **operator_sql)
{
    static const struct {
        const char *suffix, *sql;
    } ranges[] = {{".gte", ">="}, {".gt", ">"}, {".lte", "<="}, {".lt", "<"}};
    bool range = false;

    *operator_sql = "=";
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && !range; i++) {
        uint32_t len = (uint32_t)strlen(ranges[i].suffix);

        if (name.len > len && memcmp(name.at + name.len - len, ranges[i].suffix, len) == 0) {
            name.len -= len;
            *operator_sql = ranges[i].sql;
            range = true;
        }
    }
    for (int i = 0; i < view->columns_count; i++) {
        const bus_column *column = &view->columns[i];

        /* A range may also be asked of what the list is sorted by. */
        if (bus_str_is(name, column->name) &&
            (range ? has_range(column->field->shape->kind) && (column->filter || column->sort)
                   : column->filter))
            return column;
    }
    return NULL;
}

static bool
is_utf8(bus_str text)
{
    json_t *value = json_stringn(text.at, text.len);
    bool    valid = value != NULL && memchr(text.at, '\0', text.len) == NULL;

    json_decref(value);
    return valid;
}

static bool
is_number(bus_str text)
{
    char  *end;
    double value = strtod(text.at, &end); /* in the arena, so NUL-terminated */

    return end == text.at + text.len && text.len > 0 && text.at[0] > ' ' && isfinite(value);
}

static bool
is_name(const bus_shape *shape, bus_str text)
{
    for (uint32_t i = 0; i < shape->names_count; i++)
        if (bus_str_is(text, shape->names[i]))
            return true;
    return false;
}

/* One value to its SQL text; NULL: it is not one. The text is NUL-terminated. */
static const char *
sql_value(const bus_shape *shape, bus_str text, bus_arena *arena)
{
    int64_t number;
    int32_t days;
    bus_id  id;

    switch (shape->kind) {
    case BUS_KIND_BOOL:
        return bus_str_is(text, "true") ? "t" : bus_str_is(text, "false") ? "f" : NULL;
    case BUS_KIND_INT: return edge_int_parse(text, &number) ? text.at : NULL;
    case BUS_KIND_NUMBER: return is_number(text) ? text.at : NULL;
    case BUS_KIND_STRING: return is_utf8(text) ? text.at : NULL;
    case BUS_KIND_ENUM: return is_name(shape, text) ? text.at : NULL;
    case BUS_KIND_UUID: return bus_id_parse(text, &id) ? text.at : NULL;
    case BUS_KIND_DATE: return edge_date_parse(text, &days) ? text.at : NULL;
    case BUS_KIND_TIME:
        return edge_time_parse(text, &number)
                   ? bus_arena_printf(arena, "%lld", (long long)number).at
                   : NULL;
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION:
    case BUS_KIND_JSON: return NULL; /* never a column */
    }
    BUS_UNREACHABLE();
}

/* The next value of "A,B"; of strings a backslash keeps the next character. */
static bus_str
next_value(const char **at, const char *end, bool escapes, bus_arena *arena)
{
    char    *value = bus_arena_alloc(arena, (size_t)(end - *at) + 1);
    uint32_t len = 0;

    for (; *at < end && **at != ','; (*at)++) {
        if (escapes && **at == '\\' && *at + 1 < end)
            (*at)++;
        value[len++] = **at;
    }
    return (bus_str){value, len};
}

static void
add_array_item(bus_buf *array, const char *value)
{
    bus_buf_add_char(array, array->len == 1 ? '"' : ',');
    if (array->at[array->len - 1] == ',')
        bus_buf_add_char(array, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            bus_buf_add_char(array, '\\');
        bus_buf_add_char(array, *value);
    }
    bus_buf_add_char(array, '"');
}

static const char *
expectation(const bus_shape *shape)
{
    switch (shape->kind) {
    case BUS_KIND_BOOL: return "must be true or false";
    case BUS_KIND_INT: return "must be a whole number";
    case BUS_KIND_NUMBER: return "must be a number";
    case BUS_KIND_STRING: return "must be text in UTF-8";
    case BUS_KIND_ENUM: return "must be one of the contract's values";
    case BUS_KIND_UUID: return "must be a UUID";
    case BUS_KIND_DATE: return "must be a date, YYYY-MM-DD";
    case BUS_KIND_TIME: return "must be a time, RFC 3339 or UTC milliseconds";
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION:
    case BUS_KIND_JSON: return "cannot be filtered by";
    }
    BUS_UNREACHABLE();
}

/* What cannot be folded stays: it is in no row. */
static bus_str
folded(bus_str text, bus_arena *arena)
{
    char *out = bus_arena_alloc(arena, (size_t)text.len + 1);
    int   len = bus_fold_latin(text, out, (int)text.len);

    return len > 0 ? (bus_str){out, (uint32_t)len} : text;
}

bool
edge_filter_parse(const bus_column *column, const char *operator_sql, bus_str name, bus_str text,
                  bus_arena *arena, edge_filter *out, bus_problems *problems)
{
    const bus_shape *shape = column->field->shape;
    const char      *at = text.at, *end = text.at + text.len;
    bus_buf          array = {0};
    const char      *value = NULL;
    char             pointer[160];
    int              count = 0;

    (void)snprintf(pointer, sizeof(pointer), "/query/%.*s", BUS_STR_ARG(name));
    bus_buf_add_char(&array, '{');
    for (;; at++) {
        bus_str one = next_value(&at, end, shape->kind == BUS_KIND_STRING, arena);

        if (column->folded)
            one = folded(one, arena);
        value =
            one.len == 0 || one.len > EDGE_FILTER_BYTES_MAX ? NULL : sql_value(shape, one, arena);
        if (value == NULL || ++count > EDGE_FILTER_VALUES_MAX)
            break;
        add_array_item(&array, value);
        if (at == end)
            break;
    }
    if (value == NULL)
        bus_problem_add(problems, pointer, "%s", expectation(shape));
    else if (count > EDGE_FILTER_VALUES_MAX)
        bus_problem_add(problems, pointer, "must not have more than %d values",
                        EDGE_FILTER_VALUES_MAX);
    else if (count > 1 && strcmp(operator_sql, "=") != 0)
        bus_problem_add(problems, pointer, "must be a single value");
    if (problems->count == 0 && count > 1) {
        bus_buf_add_char(&array, '}');
        *out = (edge_filter){"any", bus_arena_copy(arena, array.at, array.len).at};
    } else {
        *out = (edge_filter){operator_sql, value};
    }
    bus_buf_fini(&array);
    return problems->count == 0;
}
