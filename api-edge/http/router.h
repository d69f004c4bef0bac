/* router.h - from method and path to a route: a tree of path segments.
 * A segment written {name} matches anything; a literal one is tried first.
 * Threads: adding from one; finding from any afterwards.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_ROUTER_H
#define API_EDGE_HTTP_ROUTER_H

#include "bus/base/error.h"
#include "bus/base/str.h"

typedef enum { EDGE_GET, EDGE_POST, EDGE_PUT, EDGE_PATCH, EDGE_DELETE, EDGE_METHODS } edge_method;

/* HEAD is found as GET. False: none of ours. */
bool        edge_method_parse(const char *text, edge_method *out);
const char *edge_method_name(edge_method method);

typedef struct edge_router edge_router;

edge_router *edge_router_create(void);
void         edge_router_destroy(edge_router *router); /* accepts NULL */

/* path: "/api/v1/vehicles/{id}"; at most one {parameter}. target is the caller's, not NULL.
 * BUS_CONFLICT: the route is there already. BUS_INVALID: the path is not one. */
BUS_CHECKED bus_code edge_router_add(edge_router *router, edge_method method, const char *path,
                                     const void *target, bus_error *err);

typedef struct {
    const void *const *targets;   /* by method; NULL in it: that method is not served */
    bus_str            parameter; /* what stood for {...}; empty: none */
} edge_match;

/* False: no such path with any method. The path is borrowed by the match. */
bool edge_router_find(const edge_router *router, const char *path, edge_match *out);

#endif
