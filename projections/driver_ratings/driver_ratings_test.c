/* driver_ratings_test.c - trips count for their driver, in whatever order they are heard of.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view driver_ratings_projection;

#define TRIP "00000000-0000-4000-8000-000000000031"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define OTHER_DRIVER "00000000-0000-4000-8000-0000000000d2"
#define RES "00000000-0000-4000-8000-000000000051"
#define RESOURCES "'reservation_id':'" RES "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'"
#define COMPLETED                                                                         \
    "{" RESOURCES ",'odometer_m':120050500,'driven_m':50000,'departed_at':1795435200000," \
    "'finished_at':1795446000000,'duration_s':10800,'day':'2026-11-23','delivery_ids':[]}"
#define ABORTED                                                                  \
    "{" RESOURCES ",'driven_m':700,'finished_at':1795446000000,'duration_s':60," \
    "'day':'2026-11-23','utc_offset_min':180,'reason':'accident','delivery_ids':[]}"
#define HIRED                                                        \
    "{'driver_id':'" DRIVER "','full_name':'Иванов Иван'," \
    "'phone_e164':'+79161234567','hired_at':1}"
#define ALL                                                                              \
    "{'driver_id':'" DRIVER "','completed':2,'aborted':1,'refused':1,'driven_m':100700," \
    "'on_trip_s':21660}"

static void
test_a_new_driver_has_a_row(void **state)
{
    (void)state;
    view_story(&driver_ratings_projection);
    projects("drivers.hired.v1", DRIVER, HIRED);
    then_row(DRIVER, "{'driver_id':'" DRIVER "','completed':0,'aborted':0,'refused':0,"
                     "'driven_m':0,'on_trip_s':0}");
    then_no_row(OTHER_DRIVER);
}

static void
test_any_order_gives_the_same(void **state)
{
    (void)state;
    view_story(&driver_ratings_projection);
    projects("drivers.hired.v1", DRIVER, HIRED);
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    projects("trips.driver_refused.v1", TRIP, "{" RESOURCES ",'reason':'ill'}");
    projects("trips.trip_aborted.v1", TRIP, ABORTED);
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    then_row(DRIVER, ALL);

    view_story(&driver_ratings_projection);
    projects("trips.trip_aborted.v1", TRIP, ABORTED);
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    projects("trips.driver_refused.v1", TRIP, "{" RESOURCES ",'reason':'ill'}");
    projects("drivers.hired.v1", DRIVER, HIRED);
    then_row(DRIVER, ALL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_driver_has_a_row),
        cmocka_unit_test(test_any_order_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
