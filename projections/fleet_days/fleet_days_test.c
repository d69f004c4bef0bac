/* fleet_days_test.c - kilometres and use of the fleet by day.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view fleet_days_projection;

#define NOON INT64_C(1795431600000)
#define TRIP_OF(n) "00000000-0000-4000-8000-00000000003" #n
#define OTHER_VEHICLE "00000000-0000-4000-8000-0000000000f2"
#define ABORTED                                                                                \
    "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" OTHER_VEHICLE "','driver_id':'" DRIVER \
    "','driven_m':10000,'finished_at':1795428600000,'duration_s':3600,'day':'2026-11-23',"     \
    "'utc_offset_min':180,'reason':'breakdown','delivery_ids':[]}"

static void
test_a_vehicle_counts_once_a_day(void **state)
{
    (void)state;
    analytic_story(&fleet_days_projection);
    happens("trips.trip_completed.v1", TRIP_OF(1), NOON, COMPLETED);
    happens("trips.trip_completed.v1", TRIP_OF(2), NOON, COMPLETED);
    happens("trips.trip_aborted.v1", TRIP_OF(3), NOON, ABORTED);
    then_windows(3);
    then_window("{'by':'ALL','trips':3,'aborted':1,'driven_m':114000,'on_trip_s':18000,"
                "'vehicles':2,'used_bp':1041,'day':'2026-11-23'}");
    then_window("{'by':'VEHICLE','vehicle_id':'" VEHICLE
                "','trips':2,'vehicles':1,'driven_m':104000,'used_bp':1666}");
    then_window("{'by':'VEHICLE','vehicle_id':'" OTHER_VEHICLE "','trips':1,'aborted':1}");
    then_the_same_in_any_order();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vehicle_counts_once_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
