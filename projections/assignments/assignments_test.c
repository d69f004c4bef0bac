/* assignments_test.c - process P1 as people see it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view assignments_projection;

#define TRIP "00000000-0000-4000-8000-000000000031"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define STARTED                                                                               \
    "{'trip_id':'" TRIP "','attempt':2,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER       \
    "','planned_from_at':1795420800000,'planned_to_at':1795426500000,'load_g':1,'load_ml':1," \
    "'driving_s':4200,'due_at':1795420830000}"
#define PAY \
    "{'pay':{'per_trip_kop':0,'per_km_kop':0,'per_point_kop':0,'per_hour_kop':0,'pct_bp':0}}"

static void
test_one_that_succeeds(void **state)
{
    (void)state;
    view_story(&assignments_projection);
    projects("assignment.started.v1", STORY_STREAM, STARTED);
    then_row(STORY_STREAM,
             "{'status':'RESERVING_VEHICLE','trip_id':'" TRIP "','attempt':2,'vehicle_id':'" VEHICLE
             "','started_at':1795420800000,'due_at':1795420830000,'ended_at':null}");
    projects("assignment.vehicle_reserved.v1", STORY_STREAM,
             "{'vehicle_class':'VAN','payload_g':1,'cargo_ml':1,'wear_kop_km':1,'fixed_kop_day':1,"
             "'norm_ml_100km':1}");
    then_row(STORY_STREAM, "{'status':'RESERVING_DRIVER'}");
    projects("assignment.driver_reserved.v1", STORY_STREAM, PAY);
    then_row(STORY_STREAM, "{'status':'CONFIRMING'}");
    projects("assignment.completed.v1", STORY_STREAM,
             "{'trip_id':'" TRIP "','attempt':2,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
             "'}");
    then_row(STORY_STREAM, "{'status':'DONE','ended_at':1795420800000}");
}

static void
test_one_that_fails(void **state)
{
    (void)state;
    view_story(&assignments_projection);
    projects("assignment.started.v1", STORY_STREAM, STARTED);
    projects("assignment.failed.v1", STORY_STREAM,
             "{'trip_id':'" TRIP "','attempt':2,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
             "','code':'DRIVER_BUSY','detail':'busy','release_driver':false,"
             "'release_co_driver':false,'release_vehicle':false}");
    then_row(STORY_STREAM, "{'status':'FAILED','code':'DRIVER_BUSY','detail':'busy'}");
}

static void
test_one_withdrawn_before_it_began(void **state)
{
    (void)state;
    view_story(&assignments_projection);
    projects("assignment.withdrawn.v1", STORY_STREAM,
             "{'trip_id':'" TRIP "','release_driver':false,'release_co_driver':false,"
             "'release_vehicle':false}");
    then_row(STORY_STREAM, "{'status':'WITHDRAWN','trip_id':'" TRIP "'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_succeeds),
        cmocka_unit_test(test_one_that_fails),
        cmocka_unit_test(test_one_withdrawn_before_it_began),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
