/* filter.h - one query parameter of a list, checked against its column. Pure but for memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_QUERY_FILTER_H
#define API_EDGE_QUERY_FILTER_H

#include "bus/contract/codec.h"
#include "bus/contract/contract.h"

#define EDGE_FILTER_VALUES_MAX 100
#define EDGE_FILTER_BYTES_MAX 512 /* of one value */

typedef struct {
    const char *operator_sql; /* "=", ">=", ...; "any": one of several */
    const char *value;        /* text for SQL, in arena; of "any" an array literal */
} edge_filter;

/* "status" or "registered_at.gte" to its column and operator; NULL: no such filter. Ranges are for
 * numbers, times and dates. */
const bus_column *edge_filter_column(const bus_view_contract *view, bus_str name,
                                     const char **operator_sql);

/* "A,B" (a backslash before a comma of a string keeps it) to SQL. False: a problem was added
 * under /query/<name>. */
bool edge_filter_parse(const bus_column *column, const char *operator_sql, bus_str name,
                       bus_str text, bus_arena *arena, edge_filter *out, bus_problems *problems);

#endif
