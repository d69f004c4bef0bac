/* stream_table.c - rows named, loaded, written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/stream_table.h"
#include "bus/contract/row.h"
#include "bus/runtime/fold.h"

bus_code
bus_stream_load_named(bus_stream_batch *batch, bus_stream_table table, int view_version,
                      bus_store *st, bus_rows_reader read, bus_error *err)
{
    int              count = 0, n = (int)HASH_COUNT(batch->rows[table]);
    bus_id          *tenants = BUS_ARENA_ARRAY(batch->arena, bus_id, (size_t)n + 1);
    bus_id          *ids = BUS_ARENA_ARRAY(batch->arena, bus_id, (size_t)n + 1);
    bus_stream_row **rows = BUS_ARENA_ARRAY(batch->arena, bus_stream_row *, (size_t)n + 1);
    bus_str         *bodies = BUS_ARENA_ARRAY(batch->arena, bus_str, (size_t)n + 1);
    int32_t         *versions = BUS_ARENA_ARRAY(batch->arena, int32_t, (size_t)n + 1);
    bus_code         rc = BUS_OK;

    for (bus_stream_row *row = batch->rows[table]; row != NULL; row = row->hh.next) {
        if (row->loaded)
            continue;
        tenants[count] = row->key.tenant;
        ids[count] = row->key.id;
        rows[count++] = row;
    }
    if (count > 0)
        rc = read(st, bus_stream_table_of(batch->of, table), view_version, tenants, ids, count,
                  batch->arena, bodies, versions, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        rc = bus_stream_load(batch, table, rows[i], bodies[i], versions[i], err);
    return rc;
}

static bus_row_write
write_of(const bus_stream_batch *batch, bus_stream_table table, int view_version,
         const bus_stream_row *row)
{
    const bus_view_contract *of = bus_stream_table_of(batch->of, table);
    bus_row_write            write = {.view = of,
                                      .view_version = view_version,
                                      .tenant = row->key.tenant,
                                      .id = row->key.id,
                                      .remove = !row->there,
                                      .version = row->version};

    if (!row->there)
        return write;
    write.columns = bus_row_columns(of, row->row, batch->arena);
    write.body = bus_stream_body(batch, table, row);
    return write;
}

int
bus_stream_writes(const bus_stream_batch *batch, bus_stream_table table, int view_version,
                  bus_row_write *out)
{
    int count = 0;

    for (const bus_stream_row *row = batch->rows[table]; row != NULL; row = row->hh.next)
        if (row->changed)
            out[count++] = write_of(batch, table, view_version, row);
    bus_row_writes_sort(out, count);
    return count;
}
