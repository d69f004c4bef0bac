/* service_due_test.c - a plan is due so long after the last service.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view service_due_projection;

#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define PLAN "00000000-0000-4000-8000-000000000091"
/* v5(VEHICLE, the bytes of PLAN) */
#define ROW "434130fc-f531-568a-9545-d2914b36519f"

static void
test_a_plan_counts_from_the_last_service(void **state)
{
    (void)state;
    view_story(&service_due_projection);
    projects("vehicles.service_planned.v1", VEHICLE,
             "{'plan_id':'" PLAN "','name':'oil','every_m':15000000,'every_days':365,"
             "'last_m':120000000,'last_on':'2026-11-23'}");
    then_row(ROW, "{'vehicle_id':'" VEHICLE "','plan_id':'" PLAN "','name':'oil',"
                  "'every_m':15000000,'every_days':365,'last_m':120000000,"
                  "'last_on':'2026-11-23','due_m':135000000,'due_on':'2027-11-23'}");
    projects("vehicles.service_done.v1", VEHICLE,
             "{'plan_id':'" PLAN "','odometer_m':130000000,'done_on':'2027-05-01'}");
    then_row(ROW, "{'name':'oil','last_m':130000000,'last_on':'2027-05-01','due_m':145000000,"
                  "'due_on':'2028-04-30'}");
}

static void
test_a_plan_by_days_alone(void **state)
{
    (void)state;
    view_story(&service_due_projection);
    projects("vehicles.service_planned.v1", VEHICLE,
             "{'plan_id':'" PLAN "','name':'fire extinguisher','every_days':30,"
             "'last_m':120000000,'last_on':'2026-11-23'}");
    then_row(ROW, "{'every_m':null,'due_m':null,'due_on':'2026-12-23'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plan_counts_from_the_last_service),
        cmocka_unit_test(test_a_plan_by_days_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
