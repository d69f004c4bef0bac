/* profit_vehicles_test.c - settled trips and adjustments add up in the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view profit_vehicles_projection;

/* v5(VEHICLE, "2026-11") */
#define ROW "1d04bc39-a369-5cd1-bab2-e605c5c16c3b"

static void
test_a_trip_and_its_adjustments(void **state)
{
    (void)state;
    view_story(&profit_vehicles_projection);
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(ROW, "{'month':'2026-11','vehicle_id':'" VEHICLE "','trips':1,'revenue_kop':220000,"
                  "'cost_kop':428792,'profit_kop':-208792,'margin_bp':-9490,'adjustments':0,"
                  "'adjusted_kop':0}");
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    projects("trips.trip_adjusted.v1", TRIP, PENALTY_ADJUSTED(DIMENSIONS));
    then_row(ROW, "{'trips':1,'revenue_kop':215000,'cost_kop':416792,'profit_kop':-201792,"
                  "'margin_bp':-9385,'adjustments':2,'adjusted_kop':7000}");
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(ROW, "{'trips':2,'revenue_kop':435000,'cost_kop':845584,'profit_kop':-410584}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trip_and_its_adjustments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
