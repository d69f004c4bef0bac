/* vehicle_utilisation_test.c - time on trips by day of departure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view vehicle_utilisation_projection;

#define TRIP "00000000-0000-4000-8000-000000000031"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define RES "00000000-0000-4000-8000-000000000051"
/* v5(VEHICLE, the day) */
#define ROW_23 "32164a27-73cf-596b-ac14-33edb60a76a8"
#define ROW_24 "b3ad4e4b-b13a-5b62-b56a-fed4c91d31d1"
#define RESOURCES "'reservation_id':'" RES "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'"
#define COMPLETED(day, metres, seconds)                                               \
    "{" RESOURCES ",'odometer_m':120050500,'driven_m':" #metres                       \
    ",'departed_at':1795435200000,'finished_at':1795446000000,'duration_s':" #seconds \
    ",'day':'" day "','delivery_ids':[]}"
#define ABORTED(day, metres, seconds)                                                          \
    "{" RESOURCES ",'driven_m':" #metres ",'finished_at':1795446000000,'duration_s':" #seconds \
    ",'day':'" day "','utc_offset_min':180,'reason':'accident','delivery_ids':[]}"

static void
test_trips_of_a_day_add_up(void **state)
{
    (void)state;
    view_story(&vehicle_utilisation_projection);
    projects("trips.trip_completed.v1", TRIP, COMPLETED("2026-11-23", 50000, 21600));
    then_row(ROW_23, "{'vehicle_id':'" VEHICLE "','day':'2026-11-23','trips':1,'aborted':0,"
                     "'driven_m':50000,'on_trip_s':21600,'used_bp':2500}");
    projects("trips.trip_aborted.v1", TRIP, ABORTED("2026-11-23", 1000, 8640));
    projects("trips.trip_completed.v1", TRIP, COMPLETED("2026-11-24", 7, 43200));
    then_row(ROW_23, "{'trips':2,'aborted':1,'driven_m':51000,'on_trip_s':30240,"
                     "'used_bp':3500}");
    then_row(ROW_24, "{'day':'2026-11-24','trips':1,'aborted':0,'driven_m':7,'used_bp':5000}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trips_of_a_day_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
