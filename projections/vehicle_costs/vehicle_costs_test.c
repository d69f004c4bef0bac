/* vehicle_costs_test.c - what a kilometre of a vehicle costs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view vehicle_costs_projection;

/* v5(VEHICLE, "2026-11"), v5(VEHICLE, "2026-12") */
#define NOVEMBER "1d04bc39-a369-5cd1-bab2-e605c5c16c3b"
#define DECEMBER "638e4d7b-77ff-5cab-9e0c-6f257264c0a9"

static void
test_trips_adjustments_and_the_workshop(void **state)
{
    (void)state;
    view_story(&vehicle_costs_projection);
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(NOVEMBER, "{'vehicle_id':'" VEHICLE "','month':'2026-11','trips':1,"
                       "'distance_m':52000,'fuel_kop':36192,'wear_kop':15600,"
                       "'day_share_kop':180000,'expenses_kop':0,'incidents_kop':0,"
                       "'cost_kop':231792,'cost_kop_km':4458,'workshop_kop':0}");
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    projects("vehicles.returned_from_maintenance.v1", VEHICLE,
             "{'cost_kop':1250000,'returned_at':1795473000000,'returned_on':'2026-11-24'}");
    then_row(NOVEMBER, "{'trips':1,'fuel_kop':24192,'cost_kop':219792,'cost_kop_km':4227,"
                       "'workshop_kop':1250000}");
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(NOVEMBER, "{'trips':2,'distance_m':104000,'cost_kop':451584,'cost_kop_km':4342}");
    then_no_row(DECEMBER);
}

static void
test_a_month_in_the_workshop_has_no_cost_per_kilometre(void **state)
{
    (void)state;
    view_story(&vehicle_costs_projection);
    projects("vehicles.returned_from_maintenance.v1", VEHICLE,
             "{'cost_kop':1250000,'returned_at':1796083200000,'returned_on':'2026-12-01'}");
    then_row(DECEMBER, "{'vehicle_id':'" VEHICLE "','month':'2026-12','trips':0,"
                       "'distance_m':0,'cost_kop':0,'workshop_kop':1250000,"
                       "'cost_kop_km':null}");
}

static void
test_any_order_gives_the_same(void **state)
{
    (void)state;
    view_story(&vehicle_costs_projection);
    projects("vehicles.returned_from_maintenance.v1", VEHICLE,
             "{'cost_kop':1250000,'returned_at':1795473000000,'returned_on':'2026-11-24'}");
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(NOVEMBER, "{'vehicle_id':'" VEHICLE "','month':'2026-11','trips':1,"
                       "'distance_m':52000,'fuel_kop':24192,'wear_kop':15600,"
                       "'day_share_kop':180000,'expenses_kop':0,'incidents_kop':0,"
                       "'cost_kop':219792,'cost_kop_km':4227,'workshop_kop':1250000}");
}

static void
test_trips_without_a_vehicle_cost_none_of_it(void **state)
{
    (void)state;
    view_story(&vehicle_costs_projection);
    projects("trips.trip_settled.v1", TRIP, SETTLED("'driver_id':'" DRIVER "','day':'2026-11-23'"));
    then_no_row(NOVEMBER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trips_adjustments_and_the_workshop),
        cmocka_unit_test(test_a_month_in_the_workshop_has_no_cost_per_kilometre),
        cmocka_unit_test(test_any_order_gives_the_same),
        cmocka_unit_test(test_trips_without_a_vehicle_cost_none_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
