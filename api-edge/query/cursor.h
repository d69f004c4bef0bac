/* cursor.h - opaque places in a sorted list: the sort value and id of the last row seen,
 * bound to the list's view, sort and filters by a checksum. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_QUERY_CURSOR_H
#define API_EDGE_QUERY_CURSOR_H

#include "bus/base/arena.h"
#include "bus/base/id.h"

#include <stdbool.h>

#define EDGE_CURSOR_VALUE_MAX 1024

typedef struct {
    bus_id  id;
    bool    is_null; /* the sort value was SQL null */
    bus_str value;   /* its text form */
} edge_cursor;

/* base64url text; a value over the bound is cut off at it by no caller: BUS_INVARIANT. */
void edge_cursor_encode(const edge_cursor *cursor, uint64_t binding, bus_buf *out);
/* False: not one of ours, or of another list. The value lies in arena. */
bool edge_cursor_decode(bus_str text, uint64_t binding, bus_arena *arena, edge_cursor *out);

#endif
