/* rule.h - who may call a route: no route is without a rule. Internal.
 * A contract's routes go by its roles, which the contract's compiler asks for; the edge's own are
 * in tables that name a rule each. SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_RULE_H
#define API_EDGE_HTTP_RULE_H

#include "api-edge/http/loop.h"

/* A route that no contract declares. */
typedef struct {
    const char *method, *path;
    edge_class class;
    edge_rule rule;
    bool      writes;
    void (*handle)(edge_request *r);
} edge_own_route;

extern const edge_own_route edge_own_routes[]; /* edge.c */
extern const int            edge_own_routes_count;
extern const edge_own_route edge_login_routes[]; /* login/login.c */
extern const int            edge_login_routes_count;

/* BUS_INVALID: the route has no rule, or one that does not fit what is behind it. */
BUS_CHECKED bus_code edge_rule_check(const edge_route *route, const char *method, const char *path,
                                     bus_error *err);

#endif
