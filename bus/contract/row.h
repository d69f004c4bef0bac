/* row.h - a row of a view as it is kept: the JSON body that clients get, and text for each column.
 * Used by whatever folds events into rows. Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_ROW_H
#define BUS_CONTRACT_ROW_H

#include "bus/base/arena.h"
#include "bus/base/error.h"
#include "bus/contract/contract.h"

/* {"id","version",...}, in the arena. row: the generated struct of shape. */
bus_str bus_row_encode(const bus_shape *shape, const void *row, bus_id id, int32_t version,
                       bus_arena *arena);
/* The members of such a body into row (shape->size bytes), its strings in the arena. BUS_INVALID:
 * it breaks the contract; name: of the view, for the message. */
BUS_CHECKED bus_code bus_row_decode(const bus_shape *shape, const char *name, bus_str body,
                                    bus_arena *arena, void *row, bus_error *err);
/* The text of each column of the view as bus_row_write (bus/store/store.h) takes it, in the arena;
 * .at == NULL: null. */
const bus_str *bus_row_columns(const bus_view_contract *view, const void *row, bus_arena *arena);

#endif
