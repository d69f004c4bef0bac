/* rows.c - the rows that a batch touches.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/row.h"
#include "projections/stream/stream_internal.h"

#include <string.h>

int64_t *
bus_stream_int(void *row, const bus_field *field)
{
    return (int64_t *)(void *)((char *)row + field->offset);
}

const bus_field *
bus_stream_member(const bus_shape *shape, const char *name)
{
    uint32_t i = 0;

    while (i < shape->fields_count && strcmp(shape->fields[i].name, name) != 0)
        i++;
    BUS_INVARIANT(i < shape->fields_count);
    return &shape->fields[i];
}

void
bus_stream_set_int(const bus_shape *shape, void *row, const char *name, int64_t value)
{
    const bus_field *field = bus_stream_member(shape, name);

    if (field->shape->kind == BUS_KIND_BOOL)
        *(bool *)((char *)row + field->offset) = value != 0;
    else
        *bus_stream_int(row, field) = value;
}

void
bus_stream_set_text(const bus_shape *shape, void *row, const char *name, bus_str value)
{
    *(bus_str *)(void *)((char *)row + bus_stream_member(shape, name)->offset) = value;
}

bus_stream_row *
bus_stream_find(const bus_stream_batch *batch, bus_stream_table table, bus_id tenant, bus_id id)
{
    bus_stream_row probe, *row;

    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.tenant = tenant;
    probe.key.id = id;
    HASH_FIND(hh, batch->rows[table], &probe.key, sizeof(probe.key), row);
    return row;
}

bus_stream_row *
bus_stream_touch(bus_stream_batch *batch, bus_stream_table table, bus_id tenant, bus_id id)
{
    bus_stream_row *row = bus_stream_find(batch, table, tenant, id);

    if (row != NULL)
        return row;
    row = BUS_ARENA_NEW(batch->arena, bus_stream_row);
    row->key.tenant = tenant;
    row->key.id = id;
    row->row = bus_arena_alloc(batch->arena, batch->of->tables[table]->row->size);
    HASH_ADD(hh, batch->rows[table], key, sizeof(row->key), row);
    return row;
}

bus_stream_row *
bus_stream_write(bus_stream_batch *batch, bus_stream_table table, bus_id tenant, bus_id id)
{
    bus_stream_row *row = bus_stream_touch(batch, table, tenant, id);

    row->loaded = row->there = row->changed = true;
    row->version = 1;
    return row;
}

bus_code
bus_stream_load(bus_stream_batch *batch, bus_stream_table table, bus_stream_row *row, bus_str body,
                int32_t version, bus_error *err)
{
    const bus_view_contract *of = batch->of->tables[table];
    bus_code                 rc;

    row->loaded = true;
    if (body.at == NULL)
        return BUS_OK;
    if ((rc = bus_row_decode(of->row, of->name, body, batch->arena, row->row, err)) != BUS_OK)
        return rc;
    row->there = true;
    row->version = version;
    return BUS_OK;
}

bus_str
bus_stream_body(const bus_stream_batch *batch, bus_stream_table table, const bus_stream_row *row)
{
    return bus_row_encode(batch->of->tables[table]->row, row->row, row->key.id, row->version,
                          batch->arena);
}
