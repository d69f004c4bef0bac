/* payroll_test.c - pay by month is the pay in the profits of the trips.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view payroll_projection;

/* v5(DRIVER, "2026-11") */
#define ROW "6b67dbd3-65e4-5e57-b2f2-67ec56fbfe2c"
#define NOTHING                                                                         \
    "'revenue_fixed_kop':0,'revenue_per_box_kop':0,'revenue_per_km_kop':0,"             \
    "'revenue_per_point_kop':0,'revenue_waiting_kop':0,'revenue_penalty_kop':0,"        \
    "'cost_fuel_kop':0,'cost_expenses_kop':0,'cost_wear_kop':0,'cost_day_share_kop':0," \
    "'cost_incidents_kop':0,'revenue_kop':0"
#define PAY_ADJUSTED                                                                    \
    "{'adjustment_no':3,'line':'COST_DRIVER_PAY','amount_kop':5000,'reason':'waiting'," \
    "'reference':'memo 7'," DIMENSIONS ",'customers':[],'delta':{" NOTHING              \
    ",'cost_driver_pay_kop':5000,'cost_kop':5000,'profit_kop':-5000},"                  \
    "'revenue_kop':220000,'cost_kop':433792,'profit_kop':-213792}"

static void
test_pay_of_settled_trips_and_its_adjustments(void **state)
{
    (void)state;
    view_story(&payroll_projection);
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(ROW, "{'driver_id':'" DRIVER "','month':'2026-11','trips':1,'distance_m':52000,"
                  "'duration_s':7200,'points':2,'pay_kop':197000,'adjusted_kop':0}");
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    projects("trips.trip_adjusted.v1", TRIP, PAY_ADJUSTED);
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    then_row(ROW, "{'trips':2,'distance_m':104000,'duration_s':14400,'points':4,"
                  "'pay_kop':399000,'adjusted_kop':5000}");
}

static void
test_only_adjustments_of_pay_make_a_row(void **state)
{
    (void)state;
    view_story(&payroll_projection);
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    projects("trips.trip_settled.v1", TRIP,
             SETTLED("'vehicle_id':'" VEHICLE "','day':'2026-11-23'"));
    then_no_row(ROW);
    projects("trips.trip_adjusted.v1", TRIP, PAY_ADJUSTED);
    then_row(ROW, "{'driver_id':'" DRIVER "','month':'2026-11','trips':0,'pay_kop':5000,"
                  "'adjusted_kop':5000}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pay_of_settled_trips_and_its_adjustments),
        cmocka_unit_test(test_only_adjustments_of_pay_make_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
