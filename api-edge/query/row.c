/* row.c - a row's JSON as its reader may see it.
 * A row is spliced, not parsed, unless something in it is masked for the reader.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/view.h"

#include <jansson.h>
#include <stdlib.h>

static void mask_value(const bus_shape *shape, json_t *value, const edge_reader *reader);

static void
mask_object(const bus_shape *shape, json_t *object, const edge_reader *reader)
{
    for (uint32_t i = 0; i < shape->fields_count; i++) {
        const bus_field *field = &shape->fields[i];
        json_t          *value = json_object_get(object, field->name);

        if (value == NULL)
            continue;
        if (edge_is_masked(field->masked_for, reader))
            BUS_INVARIANT(json_object_set_new(object, field->name, json_null()) == 0);
        else
            mask_value(field->shape, value, reader);
    }
}

/* Depth is the contract's. */
static void
mask_value(const bus_shape *shape, json_t *value, const edge_reader *reader)
{
    size_t  i;
    json_t *item;

    if (shape->kind == BUS_KIND_OBJECT)
        mask_object(shape, value, reader);
    else if (shape->kind == BUS_KIND_ARRAY)
        json_array_foreach(value, i, item) mask_value(shape->item, item, reader);
    else if (shape->kind == BUS_KIND_UNION)
        for (uint32_t v = 0; v < shape->variants_count; v++) {
            const json_t *tag = json_object_get(value, shape->tag);

            if (json_is_string(tag) &&
                bus_str_is(bus_str_of(json_string_value(tag)), shape->variants[v].tag_value))
                mask_object(shape->variants[v].shape, value, reader);
        }
}

/* A body that cannot be read shows nothing rather than what it should hide. */
static void
add_masked(const edge_view *view, bus_str body, const edge_reader *reader, bus_buf *out)
{
    json_t *row = json_loadb(body.at, body.len, 0, NULL);
    char   *text;

    if (!json_is_object(row)) {
        json_decref(row);
        bus_buf_add_text(out, "{}");
        return;
    }
    mask_object(view->of->row, row, reader);
    text = json_dumps(row, JSON_COMPACT);
    BUS_INVARIANT(text != NULL);
    bus_buf_add_text(out, text);
    free(text);
    json_decref(row);
}

void
edge_body_add(const edge_view *view, bus_str body, const edge_reader *reader, bus_buf *out)
{
    if ((reader->roles & view->masked_for) != 0)
        add_masked(view, body, reader, out);
    else
        bus_buf_add_str(out, body);
}

void
edge_row_add(const edge_view *view, const PGresult *res, int row, int body_column, int first_join,
             const edge_reader *reader, bus_buf *out)
{
    bus_str body = {PQgetvalue(res, row, body_column),
                    (uint32_t)PQgetlength(res, row, body_column)};

    edge_body_add(view, body, reader, out);
    if (view->joins_count == 0 || out->len == 0 || out->at[out->len - 1] != '}')
        return;
    out->len--;
    for (int i = 0; i < view->joins_count; i++) {
        const edge_join *join = &view->joins[i];
        int              column = first_join + i;

        if (out->at[out->len - 1] != '{')
            bus_buf_add_char(out, ',');
        bus_buf_add_char(out, '"');
        bus_buf_add_text(out, join->of->as);
        bus_buf_add_text(out, "\":");
        if (PQgetisnull(res, row, column) || edge_is_masked(join->masked_for, reader))
            bus_buf_add_text(out, "null");
        else
            bus_buf_add(out, PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column));
    }
    bus_buf_add_char(out, '}');
}
