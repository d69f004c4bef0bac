/* driver_weeks_test.c - work by week from Monday, in the tenant's zone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view driver_weeks_projection;

#define DRIVER "00000000-0000-4000-8000-0000000000d1"
/* v5(DRIVER, the Monday) */
#define ROW_16 "1a1451c4-0fb0-5c92-bcbd-44ff728fe1c9"
#define ROW_23 "b3d89f84-8cc9-5be1-9fc0-87929017e91a"
#define ROW_30 "3751cc57-530c-5904-b84a-a6dae59e2364"
#define STRETCH(kind, from, to)                           \
    "{'kind':'" kind "','from_at':" #from ",'to_at':" #to \
    ",'utc_offset_min':180,'drive_day_max_s':32400,'drive_week_max_s':201600}"

static void
test_work_of_a_week_adds_up(void **state)
{
    (void)state;
    view_story(&driver_weeks_projection);
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 1795420800000, 1795424400000));
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("ON_DUTY", 1795507200000, 1795509000000));
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("REST", 1795509000000, 1795512600000));
    then_row(ROW_23, "{'driver_id':'" DRIVER "','week':'2026-11-23','driving_s':3600,"
                     "'work_s':5400,'left_week_s':198000}");
    then_no_row(ROW_16);
}

static void
test_a_night_from_sunday_to_monday(void **state)
{
    (void)state;
    view_story(&driver_weeks_projection); /* 2026-11-22 23:00 to 2026-11-23 02:00 in Moscow */
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 1795377600000, 1795388400000));
    then_row(ROW_16, "{'week':'2026-11-16','driving_s':3600,'left_week_s':198000}");
    then_row(ROW_23, "{'week':'2026-11-23','driving_s':7200,'left_week_s':194400}");
    then_no_row(ROW_30);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_of_a_week_adds_up),
        cmocka_unit_test(test_a_night_from_sunday_to_monday),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
