/* assignment_test.c - stories of process P1: all or none, whatever is late or lost.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_module assignment_module;

#define T0 INT64_C(1795420800000) /* 2026-11-23T08:00:00Z, when stories begin */
#define TRIP "00000000-0000-4000-8000-000000000031"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define CO_DRIVER "00000000-0000-4000-8000-0000000000d2"

#define ASK                                                                          \
    "'planned_from_at':1795420800000,'planned_to_at':1795426500000,'load_g':600000," \
    "'load_ml':2000000,'driving_s':4200}"
#define START \
    "{'trip_id':'" TRIP "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'," ASK
#define START_WITH_CO_DRIVER                                                            \
    "{'trip_id':'" TRIP "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER \
    "','co_driver_id':'" CO_DRIVER "'," ASK
#define RESERVED                                            \
    "{'reservation_id':'" STORY_STREAM "','trip_id':'" TRIP \
    "','from_at':1795420800000,'to_at':1795426500000,"
#define DRIVER_RESERVED                                                            \
    RESERVED "'driving_s':4200,'reserved_at':1795420800000,'per_trip_kop':100000," \
             "'per_km_kop':500,'per_point_kop':10000,'per_hour_kop':20000,'pct_bp':500}"
#define VEHICLE_RESERVED                                                                \
    RESERVED "'load_g':600000,'load_ml':2000000,'class':'TRACTOR','payload_g':1000000," \
             "'cargo_ml':5000000,'wear_kop_km':300,'fixed_kop_day':300000,"             \
             "'norm_ml_100km':12000,'fuel':'DIESEL','odometer_m':1000000}"

static void
driver_agrees(void)
{
    when_answer_from(DRIVER, "assignment.driver_answered", "drivers.reserve", "drivers.reserved.v1",
                     DRIVER_RESERVED);
}

static void
vehicle_agrees(void)
{
    when_answer_from(VEHICLE, "assignment.vehicle_answered", "vehicles.reserve",
                     "vehicles.reserved.v1", VEHICLE_RESERVED);
}

static void
a_begun_assignment(void)
{
    story(&assignment_module, "assignment");
    when("assignment.start", START);
}

static void
test_all_are_reserved(void **state)
{
    (void)state;
    a_begun_assignment();
    then_event("assignment.started.v1", "{'trip_id':'" TRIP "','due_at':1795420830000}");
    then_sent("vehicles.reserve", VEHICLE,
              "{'reservation_id':'" STORY_STREAM "','trip_id':'" TRIP
              "','from_at':1795420800000,'to_at':1795426500000,'load_g':600000,"
              "'load_ml':2000000}");
    then_wakes_at("assignment.time_out", T0 + 30000);
    vehicle_agrees();
    then_exactly("assignment.vehicle_reserved.v1",
                 "{'vehicle_class':'TRACTOR','payload_g':1000000,'cargo_ml':5000000,"
                 "'wear_kop_km':300,'fixed_kop_day':300000,'norm_ml_100km':12000}");
    then_sent("drivers.reserve", DRIVER, /* the class tells which licence is needed */
              "{'reservation_id':'" STORY_STREAM "','trip_id':'" TRIP
              "','from_at':1795420800000,'to_at':1795426500000,'vehicle_class':'TRACTOR',"
              "'driving_s':4200}");
    driver_agrees();
    then_exactly("assignment.driver_reserved.v1",
                 "{'pay':{'per_trip_kop':100000,'per_km_kop':500,'per_point_kop':10000,"
                 "'per_hour_kop':20000,'pct_bp':500}}");
    then_sent("trips.confirm_assignment", TRIP,
              "{'assignment_id':'" STORY_STREAM "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
              "','payload_g':1000000,'cargo_ml':5000000,'wear_kop_km':300,"
              "'fixed_kop_day':300000,'norm_ml_100km':12000,'pay':{'per_trip_kop':100000},"
              "'co_pay':null}");
    when_answer_from(TRIP, "assignment.trip_answered", "trips.confirm_assignment", NULL, NULL);
    then_exactly("assignment.completed.v1",
                 "{'trip_id':'" TRIP "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
                 "'}");
    then_wakes_at("assignment.time_out", 0);
}

static void
test_a_co_driver_is_asked_too(void **state)
{
    (void)state;
    story(&assignment_module, "assignment");
    when("assignment.start", START_WITH_CO_DRIVER);
    vehicle_agrees();
    driver_agrees();
    then_event("assignment.driver_reserved.v1", "{}");
    then_sent("drivers.reserve", CO_DRIVER,
              "{'reservation_id':'" STORY_STREAM "','vehicle_class':'TRACTOR'}");
    when_answer_from(CO_DRIVER, "assignment.co_driver_answered", "drivers.reserve",
                     "drivers.reserved.v1", DRIVER_RESERVED);
    then_event("assignment.co_driver_reserved.v1", "{'pay':{'per_trip_kop':100000}}");
    then_sent("trips.confirm_assignment", TRIP,
              "{'co_driver_id':'" CO_DRIVER
              "','pay':{'per_trip_kop':100000},'co_pay':{'per_trip_kop':100000}}");
    when_refusal_from(TRIP, "assignment.trip_answered", "trips.confirm_assignment",
                      "TRIP_OVER_PAYLOAD");
    then_event("assignment.failed.v1",
               "{'code':'TRIP_OVER_PAYLOAD','co_driver_id':'" CO_DRIVER
               "','release_driver':true,'release_co_driver':true,'release_vehicle':true}");
}

static void
test_a_busy_vehicle_ends_it(void **state)
{
    (void)state;
    a_begun_assignment();
    when_refusal_from(VEHICLE, "assignment.vehicle_answered", "vehicles.reserve", "VEHICLE_BUSY");
    then_exactly("assignment.failed.v1",
                 "{'trip_id':'" TRIP "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
                 "','code':'VEHICLE_BUSY','detail':'VEHICLE_BUSY','release_driver':false,"
                 "'release_co_driver':false,'release_vehicle':false}");
    then_wakes_at("assignment.time_out", 0);
}

static void
test_a_busy_driver_gives_the_vehicle_back(void **state)
{
    (void)state;
    a_begun_assignment();
    vehicle_agrees();
    when_refusal_from(DRIVER, "assignment.driver_answered", "drivers.reserve", "DRIVER_BUSY");
    then_event("assignment.failed.v1",
               "{'code':'DRIVER_BUSY','release_driver':false,'release_vehicle':true}");
}

static void
test_a_busy_co_driver_gives_both_back(void **state)
{
    (void)state;
    story(&assignment_module, "assignment");
    when("assignment.start", START_WITH_CO_DRIVER);
    vehicle_agrees();
    driver_agrees();
    when_refusal_from(CO_DRIVER, "assignment.co_driver_answered", "drivers.reserve", "DRIVER_BUSY");
    then_event("assignment.failed.v1",
               "{'release_driver':true,'release_co_driver':false,'release_vehicle':true}");
    when_answer_from(CO_DRIVER, "assignment.co_driver_answered", "drivers.reserve",
                     "drivers.reserved.v1", DRIVER_RESERVED);
    then_nothing_more();
}

/* The trip was cancelled, or became too heavy, in the meantime. */
static void
test_a_trip_that_says_no_gives_both_back(void **state)
{
    (void)state;
    a_begun_assignment();
    vehicle_agrees();
    driver_agrees();
    when_refusal_from(TRIP, "assignment.trip_answered", "trips.confirm_assignment",
                      "TRIP_NOT_RESERVED");
    then_event("assignment.failed.v1",
               "{'code':'TRIP_NOT_RESERVED','release_driver':true,'release_vehicle':true}");
}

/* Whoever did not answer is given back as well: his yes may be on its way. */
static void
test_time_out_gives_back_what_was_asked_for(void **state)
{
    (void)state;
    a_begun_assignment();
    when("assignment.time_out", "{}");
    then_event("assignment.failed.v1",
               "{'code':'ASSIGNMENT_TIMEOUT','release_driver':false,'release_vehicle':true}");
    vehicle_agrees(); /* too late */
    then_nothing_more();
    when("assignment.time_out", "{}");
    then_nothing_more();

    a_begun_assignment();
    vehicle_agrees();
    when("assignment.time_out", "{}");
    then_event("assignment.failed.v1", "{'release_driver':true,'release_vehicle':true}");
    driver_agrees();
    then_nothing_more();
}

/* The trip may have taken them already: only its answer tells. */
static void
test_no_time_out_while_the_trip_is_told(void **state)
{
    (void)state;
    a_begun_assignment();
    vehicle_agrees();
    driver_agrees();
    when("assignment.time_out", "{}");
    then_nothing_more();
    when_answer_from(TRIP, "assignment.trip_answered", "trips.confirm_assignment", NULL, NULL);
    then_event("assignment.completed.v1", "{}");
    when_refusal_from(TRIP, "assignment.trip_answered", "trips.confirm_assignment",
                      "TRIP_NOT_RESERVED");
    then_nothing_more();
    when("assignment.withdraw", "{'trip_id':'" TRIP "'}");
    then_nothing_more();
}

static void
test_a_cancelled_trip_withdraws(void **state)
{
    (void)state;
    a_begun_assignment();
    vehicle_agrees();
    when("assignment.withdraw", "{'trip_id':'" TRIP "'}");
    then_exactly("assignment.withdrawn.v1",
                 "{'trip_id':'" TRIP "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
                 "','release_driver':true,'release_co_driver':false,'release_vehicle':true}");
    then_wakes_at("assignment.time_out", 0);
    driver_agrees();
    then_nothing_more();
    when("assignment.withdraw", "{'trip_id':'" TRIP "'}");
    then_nothing_more();
}

static void
test_withdrawn_before_it_began(void **state)
{
    (void)state;
    story(&assignment_module, "assignment");
    when("assignment.withdraw", "{'trip_id':'" TRIP "'}");
    then_exactly("assignment.withdrawn.v1",
                 "{'trip_id':'" TRIP "','release_driver':false,'release_co_driver':false,"
                 "'release_vehicle':false}");
    when("assignment.start", START);
    then_nothing_more();
}

static void
test_beginning_twice_is_beginning_once(void **state)
{
    (void)state;
    a_begun_assignment();
    when("assignment.start", START);
    then_nothing_more();
}

static void
test_the_time_out_is_a_setting(void **state)
{
    (void)state;
    story(&assignment_module, "assignment");
    with_setting("{'timeout_s':5}");
    when("assignment.start", START);
    then_wakes_at("assignment.time_out", T0 + 5000);
}

/* --- reactions ------------------------------------------------------------------------------- */

static void
test_a_trips_request_begins_it(void **state)
{
    (void)state;
    story(&assignment_module, "assignment");
    reacts(&assignment_module, "trips.assignment_requested.v1",
           "{'assignment_id':'" TRIP "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
           "'," ASK);
    then_command("assignment.start", TRIP,
                 "{'trip_id':'" STORY_STREAM "','attempt':1,'vehicle_id':'" VEHICLE
                 "','driver_id':'" DRIVER "'," ASK);
    reacts(&assignment_module, "trips.assignment_withdrawn.v1", "{'assignment_id':'" TRIP "'}");
    then_command("assignment.withdraw", TRIP, "{'trip_id':'" STORY_STREAM "'}");
}

/* Each release has a stream of its own: v5(assignment, the resource's 16 bytes). */
static void
test_failing_gives_back(void **state)
{
    (void)state;
    story(&assignment_module, "assignment");
    reacts(&assignment_module, "assignment.failed.v1",
           "{'trip_id':'" TRIP "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
           "','co_driver_id':'" CO_DRIVER "','code':'ASSIGNMENT_TIMEOUT','detail':'',"
           "'release_driver':true,'release_co_driver':true,'release_vehicle':true}");
    then_command("assignment.compensate", NULL,
                 "{'assignment_id':'" STORY_STREAM "','resource':'DRIVER','resource_id':'" DRIVER
                 "','reason':'ASSIGNMENT_TIMEOUT'}");
    then_command("assignment.compensate", NULL, "{'resource_id':'" CO_DRIVER "'}");
    then_command("assignment.compensate", NULL,
                 "{'resource':'VEHICLE','resource_id':'" VEHICLE "'}");
    reacts(&assignment_module, "assignment.withdrawn.v1",
           "{'trip_id':'" TRIP "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
           "','release_driver':true,'release_co_driver':false,'release_vehicle':false}");
    then_command("assignment.compensate", NULL, "{'resource':'DRIVER'}");
}

static void
test_a_compensation_releases_once(void **state)
{
    (void)state;
    story(&assignment_module, "compensation");
    when("assignment.compensate",
         "{'assignment_id':'" TRIP "','resource':'DRIVER','resource_id':'" DRIVER
         "','reason':'ASSIGNMENT_TIMEOUT'}");
    then_event("assignment.compensated.v1", "{'resource':'DRIVER'}");
    then_sent("drivers.release", DRIVER, "{'reservation_id':'" TRIP "'}");
    when("assignment.compensate",
         "{'assignment_id':'" TRIP "','resource':'DRIVER','resource_id':'" DRIVER
         "','reason':'ASSIGNMENT_TIMEOUT'}");
    then_nothing_more();

    story(&assignment_module, "compensation");
    when("assignment.compensate",
         "{'assignment_id':'" TRIP "','resource':'VEHICLE','resource_id':'" VEHICLE
         "','reason':'ASSIGNMENT_TIMEOUT'}");
    then_event("assignment.compensated.v1", "{'resource':'VEHICLE'}");
    then_sent("vehicles.release", VEHICLE, "{'reservation_id':'" TRIP "'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_reserved),
        cmocka_unit_test(test_a_co_driver_is_asked_too),
        cmocka_unit_test(test_a_busy_vehicle_ends_it),
        cmocka_unit_test(test_a_busy_co_driver_gives_both_back),
        cmocka_unit_test(test_a_busy_driver_gives_the_vehicle_back),
        cmocka_unit_test(test_a_trip_that_says_no_gives_both_back),
        cmocka_unit_test(test_time_out_gives_back_what_was_asked_for),
        cmocka_unit_test(test_no_time_out_while_the_trip_is_told),
        cmocka_unit_test(test_a_cancelled_trip_withdraws),
        cmocka_unit_test(test_withdrawn_before_it_began),
        cmocka_unit_test(test_beginning_twice_is_beginning_once),
        cmocka_unit_test(test_the_time_out_is_a_setting),
        cmocka_unit_test(test_a_trips_request_begins_it),
        cmocka_unit_test(test_failing_gives_back),
        cmocka_unit_test(test_a_compensation_releases_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
