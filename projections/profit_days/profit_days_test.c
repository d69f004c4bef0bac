/* profit_days_test.c - a day's profit and loss is the sum of its trips, part by part.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view profit_days_projection;

/* v5(STORY_TENANT, "day:0020780"): 2026-11-23 is 20780 days after 1970-01-01 */
#define ROW "d81f4645-ebc7-58f9-acea-54f96125d614"

static void
test_parts_add_up(void **state)
{
    (void)state;
    view_story(&profit_days_projection);
    a_settled_and_adjusted_trip();
    projects("trips.trip_settled.v1", VEHICLE, SETTLED(DIMENSIONS)); /* another trip */
    then_row(ROW, "{'day':'2026-11-23','trips':2,'revenue_kop':435000,'cost_kop':845584,"
                  "'profit_kop':-410584,'margin_bp':-9438,'adjustments':2,'adjusted_kop':7000,"
                  "'profit':{'revenue_fixed_kop':440000,'revenue_penalty_kop':-5000,"
                  "'cost_fuel_kop':60384,'cost_driver_pay_kop':394000,'cost_wear_kop':31200,"
                  "'cost_day_share_kop':360000,'revenue_kop':435000,'cost_kop':845584,"
                  "'profit_kop':-410584,'margin_bp':-9438}}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
