/* row.c - rows of views as JSON and as columns.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/row.h"
#include "bus/base/clock.h"
#include "bus/contract/codec.h"

#include <string.h>

bus_str
bus_row_encode(const bus_shape *shape, const void *row, bus_id id, int32_t version,
               bus_arena *arena)
{
    char    text[BUS_ID_TEXT_BYTES];
    bus_buf rest = {0};
    bus_str body;

    bus_encode(shape, row, &rest);
    BUS_INVARIANT(rest.len >= 2);
    body = bus_arena_printf(arena, "{\"id\":\"%s\",\"version\":%d%s%s", bus_id_format(id, text),
                            (int)version, rest.len > 2 ? "," : "", rest.at + 1);
    bus_buf_fini(&rest);
    return body;
}

/* The body without the "id" and "version" that bus_row_encode put before the rest. */
static bus_str
without_prefix(bus_str body, bus_arena *arena)
{
    const uint32_t prefix = sizeof("{\"id\":\"\",\"version\":") - 1 + 36;
    uint32_t       at = prefix;
    char          *copy;

    if (body.len <= prefix)
        return (bus_str){NULL, 0};
    while (at < body.len && body.at[at] != ',' && body.at[at] != '}')
        at++;
    copy = bus_arena_alloc(arena, body.len - at + 2);
    copy[0] = '{';
    if (at < body.len && body.at[at] == ',')
        at++;
    memcpy(copy + 1, body.at + at, body.len - at);
    return (bus_str){copy, body.len - at + 1};
}

bus_code
bus_row_decode(const bus_shape *shape, const char *name, bus_str body, bus_arena *arena, void *row,
               bus_error *err)
{
    bus_problems problems;

    problems.count = 0;
    if (bus_decode_as(BUS_PERSONAL_OPENED, shape, without_prefix(body, arena), arena, row,
                      &problems) != BUS_OK)
        return bus_fail(err, BUS_INVALID, "a row of %s: %s: %s", name, problems.items[0].pointer,
                        problems.items[0].message);
    return BUS_OK;
}

static bus_str
column_text(const bus_field *field, const void *row, bus_arena *arena)
{
    const char      *at = (const char *)row + field->offset;
    const bus_shape *shape = field->shape;
    bus_str          none = {NULL, 0};
    char             text[BUS_ID_TEXT_BYTES];
    int32_t          year, month, day;

    if (field->has_offset != BUS_NO_OFFSET &&
        !*(const bool *)((const char *)row + field->has_offset))
        return none;
    switch (shape->kind) {
    case BUS_KIND_BOOL: return *(const bool *)at ? BUS_STR("t") : BUS_STR("f");
    case BUS_KIND_INT:
    case BUS_KIND_TIME:
        return bus_arena_printf(arena, "%lld", (long long)*(const int64_t *)(const void *)at);
    case BUS_KIND_NUMBER:
        return bus_arena_printf(arena, "%.17g", *(const double *)(const void *)at);
    case BUS_KIND_STRING: {
        bus_str s = *(const bus_str *)(const void *)at;

        return s.at == NULL ? BUS_STR("") : s;
    }
    case BUS_KIND_ENUM: return bus_str_of(shape->names[*(const int32_t *)(const void *)at]);
    case BUS_KIND_UUID:
        return bus_arena_printf(arena, "%s",
                                bus_id_format(*(const bus_id *)(const void *)at, text));
    case BUS_KIND_DATE:
        bus_civil_from_days(*(const int32_t *)(const void *)at, &year, &month, &day);
        return bus_arena_printf(arena, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION:
    case BUS_KIND_JSON: BUS_UNREACHABLE(); /* the schema compiler lets only scalars be columns */
    }
    BUS_UNREACHABLE();
}

const bus_str *
bus_row_columns(const bus_view_contract *view, const void *row, bus_arena *arena)
{
    bus_str *columns = BUS_ARENA_ARRAY(arena, bus_str, (size_t)view->columns_count + 1);

    for (int c = 0; c < view->columns_count; c++)
        columns[c] = column_text(view->columns[c].field, row, arena);
    return columns;
}
