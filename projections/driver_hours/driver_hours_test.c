/* driver_hours_test.c - work by day, cut at midnight in the tenant's zone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view driver_hours_projection;

#define DRIVER "00000000-0000-4000-8000-0000000000d1"
/* v5(DRIVER, the day) */
#define ROW_22 "bc87a67c-9134-5631-83cd-badcffe5364b"
#define ROW_23 "b3d89f84-8cc9-5be1-9fc0-87929017e91a"
#define ROW_24 "fbb626df-ce17-5de7-b169-ffc8ae73eea7"
#define STRETCH(kind, from, to)                           \
    "{'kind':'" kind "','from_at':" #from ",'to_at':" #to \
    ",'utc_offset_min':180,'drive_day_max_s':32400,'drive_week_max_s':201600}"

static void
test_kinds_of_work_add_up(void **state)
{
    (void)state;
    view_story(&driver_hours_projection);
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 1795420800000, 1795424400000));
    then_row(ROW_23, "{'driver_id':'" DRIVER "','day':'2026-11-23','week':'2026-11-23',"
                     "'driving_s':3600,'work_s':3600,'rest_s':0,'left_today_s':28800}");
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("ON_DUTY", 1795424400000, 1795426200000));
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("REST", 1795426200000, 1795429800000));
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 1795429800000, 1795431600000));
    then_row(ROW_23, "{'driving_s':5400,'work_s':7200,'rest_s':3600,'left_today_s':27000}");
}

static void
test_a_night_belongs_to_two_days(void **state)
{
    (void)state;
    view_story(&driver_hours_projection); /* 20:00Z to 22:00Z: 23:00 to 01:00 in Moscow */
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 1795464000000, 1795471200000));
    then_row(ROW_23, "{'day':'2026-11-23','driving_s':3600}");
    then_row(ROW_24, "{'day':'2026-11-24','week':'2026-11-23','driving_s':3600}");
    then_no_row(ROW_22);
}

static void
test_to_midnight_is_one_day(void **state)
{
    (void)state;
    view_story(&driver_hours_projection); /* Sunday 00:00 to 24:00 in Moscow */
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 1795294800000, 1795381200000));
    then_row(ROW_22, "{'day':'2026-11-22','week':'2026-11-16','driving_s':86400,"
                     "'left_today_s':-54000}");
    then_no_row(ROW_23);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_work_add_up),
        cmocka_unit_test(test_a_night_belongs_to_two_days),
        cmocka_unit_test(test_to_midnight_is_one_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
