/* profit_routes_test.c - settled trips and adjustments add up in the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view profit_routes_projection;

#define ROW "7e115ca6-3c72-58a3-b02f-ee6694ef8d63"      /* v5(ROUTE, "2026-11") */
#define NO_ROUTE "bd4de5b0-c1c9-544a-b6af-008a06bc6e4d" /* v5(STORY_TENANT, "2026-11") */

static void
test_a_trip_and_its_adjustments(void **state)
{
    (void)state;
    view_story(&profit_routes_projection);
    a_settled_and_adjusted_trip();
    then_row(ROW, "{'month':'2026-11','route_id':'" ROUTE
                  "','trips':1,'revenue_kop':215000,'cost_kop':416792,'profit_kop':-201792,"
                  "'margin_bp':-9385,'adjustments':2,'adjusted_kop':7000}");
    then_no_row(NO_ROUTE);
}

static void
test_trips_without_a_route_have_a_row_too(void **state)
{
    (void)state;
    view_story(&profit_routes_projection);
    projects("trips.trip_settled.v1", TRIP, SETTLED("'day':'2026-11-30'"));
    then_row(NO_ROUTE, "{'month':'2026-11','route_id':null,'trips':1,'profit_kop':-208792}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trip_and_its_adjustments),
        cmocka_unit_test(test_trips_without_a_route_have_a_row_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
