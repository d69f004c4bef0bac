/* profit_group_days_test.c - a day's profit by each kind of group; each sums to the whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view profit_group_days_projection;

#define NOON INT64_C(1795431600000)
#define MONTH_MS INT64_C(2678400000)
#define OTHER_TRIP "00000000-0000-4000-8000-000000000032"
#define NO_ROUTE "'vehicle_id':'" VEHICLE "','day':'2026-11-23'"

static void
a_day(void)
{
    analytic_story(&profit_group_days_projection);
    happens("trips.trip_settled.v1", TRIP, NOON, SETTLED(DIMENSIONS));
    happens("trips.trip_adjusted.v1", TRIP, NOON + 1, FUEL_ADJUSTED(DIMENSIONS));
    happens("trips.trip_adjusted.v1", TRIP, NOON + 2, PENALTY_ADJUSTED(DIMENSIONS));
    happens("trips.trip_settled.v1", OTHER_TRIP, NOON, SETTLED(NO_ROUTE));
}

static void
test_each_kind_sums_to_the_whole(void **state)
{
    (void)state;
    a_day();
    then_windows(8);
    then_window("{'by':'ALL','trips':2,'revenue_kop':435000,'cost_kop':845584,'profit_kop':-410584,"
                "'adjustments':2,'adjusted_kop':7000,'margin_bp':-9438,'day':'2026-11-23'}");
    then_window("{'by':'VEHICLE','vehicle_id':'" VEHICLE "','trips':2,'profit_kop':-410584}");
    then_window("{'by':'ROUTE','route_id':'" ROUTE "','trips':1,'profit_kop':-201792}");
    then_window("{'by':'ROUTE','route_id':null,'trips':1,'profit_kop':-208792}");
    then_window("{'by':'DRIVER','driver_id':'" DRIVER "','trips':1,'profit_kop':-201792}");
    then_window("{'by':'DRIVER','driver_id':null,'trips':1,'profit_kop':-208792}");
    then_window("{'by':'CUSTOMER','customer_id':'" CUSTOMER_A
                "','trips':2,'revenue_kop':300000,'cost_kop':576536}");
    then_window("{'by':'CUSTOMER','customer_id':'" CUSTOMER_B
                "','trips':2,'revenue_kop':135000,'cost_kop':269048,'adjustments':2}");
    then_the_same_in_any_order();
}

/* Money is never too late. */
static void
test_an_adjustment_after_months(void **state)
{
    (void)state;
    analytic_story(&profit_group_days_projection);
    happens("trips.trip_settled.v1", OTHER_TRIP, NOON + 3 * MONTH_MS,
            SETTLED("'vehicle_id':'" VEHICLE "','day':'2027-02-20'"));
    happens("trips.trip_settled.v1", OTHER_TRIP, NOON + 3 * MONTH_MS + 1, SETTLED(NO_ROUTE));
    then_late(0);
    then_window("{'by':'ALL','day':'2026-11-23','trips':1,'profit_kop':-208792}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_sums_to_the_whole),
        cmocka_unit_test(test_an_adjustment_after_months),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
