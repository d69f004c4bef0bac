/* stream_table.h - the rows of an analytic between its core (projections/stream/stream.h) and the
 * store: what the projector and `shina replay` share.
 * Threads: those of the batch.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_STREAM_TABLE_H
#define BUS_RUNTIME_STREAM_TABLE_H

#include "bus/store/store.h"
#include "projections/stream/stream.h"

/* view_rows or build_rows of a store. */
typedef bus_code (*bus_rows_reader)(bus_store *st, const bus_view_contract *view, int view_version,
                                    const bus_id *tenants, const bus_id *ids, int count,
                                    bus_arena *arena, bus_str *bodies, int32_t *versions,
                                    bus_error *err);

/* Gives the batch what it has named of a table, with one query. */
BUS_CHECKED bus_code bus_stream_load_named(bus_stream_batch *batch, bus_stream_table table,
                                           int view_version, bus_store *st, bus_rows_reader read,
                                           bus_error *err);
/* The changed rows of a table as writes, sorted by key, in the batch's arena. out has room for
 * HASH_COUNT(batch->rows[table]). How many. */
int bus_stream_writes(const bus_stream_batch *batch, bus_stream_table table, int view_version,
                      bus_row_write *out);

#endif
