/* rule.c - no route without a rule.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/rule.h"
#include "api-edge/query/view.h"

static bool
has_roles(const edge_route *route)
{
    if (route->command != NULL)
        return (route->command->roles | route->command->roles_own) != 0;
    return route->view != NULL && (route->view->of->roles | route->view->of->roles_own |
                                   route->view->of->roles_granted) != 0;
}

bus_code
edge_rule_check(const edge_route *route, const char *method, const char *path, bus_error *err)
{
    bool of_contract = route->command != NULL || route->view != NULL;

    if (route->rule <= EDGE_RULE_NONE || route->rule >= EDGE_RULES)
        return bus_fail(err, BUS_INVALID, "%s %s has no rule who may call it", method, path);
    if (of_contract != (route->rule == EDGE_RULE_ROLES))
        return bus_fail(err, BUS_INVALID, "%s %s: its rule does not fit what is behind it", method,
                        path);
    if (of_contract && !has_roles(route))
        return bus_fail(err, BUS_INVALID, "%s %s: no role may call it", method, path);
    return BUS_OK;
}
