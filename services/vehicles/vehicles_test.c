/* vehicles_test.c - stories of the fleet: joining it, states, capacity, leaving it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/story_vehicles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* --- joining ------------------------------------------------------------------------------ */

static void
test_plates_are_folded_to_latin(void **state)
{
    (void)state;
    story(&vehicles_module, "vehicle");
    when("vehicles.register", REGISTER("а 123 вс-77", "xta21099y1234567x"));
    then_event("vehicles.registered.v1",
               "{'plate':'A123BC77','vin':'XTA21099Y1234567X','odometer_m':120000000,"
               "'registered_at':1795420800000,'specs':{'payload_g':1500000}}");
    then_claimed("vehicle_plate", "A123BC77", "VEHICLE_PLATE_TAKEN");
    then_claimed("vehicle_vin", "XTA21099Y1234567X", "VEHICLE_VIN_TAKEN");
    then_nothing_more();

    story(&vehicles_module, "vehicle");
    when("vehicles.register", REGISTER("ЕКМНОРТУХ", "XTA21099Y1234567X"));
    then_event("vehicles.registered.v1", "{'plate':'EKMHOPTYX'}");
}

static void
test_plates_that_are_none(void **state)
{
    static const char *const bad[] = {
        REGISTER("A12 3B", "XTA21099Y1234567X"),    REGISTER("A123BC7777", "XTA21099Y1234567X"),
        REGISTER("Б123ВС77", "XTA21099Y1234567X"),  REGISTER("A123_BC77", "XTA21099Y1234567X"),
        REGISTER("A123BC77é", "XTA21099Y1234567X"), REGISTER("A123BC77Я", "XTA21099Y1234567X"),
    };

    (void)state;
    for (int i = 0; i < BUS_COUNT(bad); i++) {
        story(&vehicles_module, "vehicle");
        when("vehicles.register", bad[i]);
        then_refused("VEHICLE_PLATE_INVALID");
    }
}

static void
test_a_vin_has_no_i_o_q(void **state)
{
    static const char *const bad[] = {
        REGISTER("A123BC77", "XTA21099Y123456IX"), REGISTER("A123BC77", "XTA21099Y123456OX"),
        REGISTER("A123BC77", "XTA21099Y123456QX"), REGISTER("A123BC77", "XTA21099Y12345 7X"),
        REGISTER("A123BC77", "XTA21099Y12345ЖЖX"),
    };

    (void)state;
    for (int i = 0; i < BUS_COUNT(bad); i++) {
        story(&vehicles_module, "vehicle");
        when("vehicles.register", bad[i]);
        then_refused("VEHICLE_VIN_INVALID");
    }
    when("vehicles.register", REGISTER("A123BC77", "XTA21099Y123456"));
    then_invalid("/vin");
}

static void
test_capacity_may_not_shrink_below_what_is_promised(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                             "','from_at':1795435200000,'to_at':1795446000000,'load_g':900000,"
                             "'load_ml':4000000}");
    when("vehicles.change_specs", "{'specs':" SPECS(899999, 9000000) "}");
    then_refused_with("VEHICLE_CAPACITY_PROMISED", "{'load_g':900000,'load_ml':4000000}");
    when("vehicles.change_specs", "{'specs':" SPECS(1500000, 3999999) "}");
    then_refused("VEHICLE_CAPACITY_PROMISED");
    when("vehicles.change_specs", "{'specs':" SPECS(900000, 4000000) "}");
    then_event("vehicles.specs_changed.v1", "{'specs':{'payload_g':900000,'cargo_ml':4000000}}");
}

/* --- states ------------------------------------------------------------------------------- */

static void
test_to_the_workshop_and_back(void **state)
{
    (void)state;
    a_van();
    when("vehicles.send_to_maintenance", "{'kind':'brakes','until_at':1795507200000}");
    then_exactly("vehicles.sent_to_maintenance.v1",
                 "{'kind':'brakes','until_at':1795507200000,'sent_at':1795420800000}");
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'MAINTENANCE'}");
    when("vehicles.return_from_maintenance", "{'cost_kop':1250000,'odometer_m':119999999}");
    then_refused_with("VEHICLE_ODOMETER_BACK", "{'last_m':120000000}");
    at_date("2026-11-23T22:30:00Z");
    when("vehicles.return_from_maintenance", "{'cost_kop':1250000,'odometer_m':120004000}");
    then_exactly("vehicles.returned_from_maintenance.v1", /* the next day in Moscow */
                 "{'cost_kop':1250000,'returned_at':1795473000000,'returned_on':'2026-11-24'}");
    then_event("vehicles.odometer_recorded.v1", "{'odometer_m':120004000,'source':'SERVICE'}");
    then_nothing_more();
    when("vehicles.return_from_maintenance", "{'cost_kop':0,'odometer_m':120004000}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'AVAILABLE'}");
}

static void
test_blocked_until_unblocked(void **state)
{
    (void)state;
    a_van();
    when("vehicles.unblock", "{}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'AVAILABLE'}");
    when("vehicles.block", "{'reason':'OSAGO ended'}");
    then_exactly("vehicles.blocked.v1", "{'reason':'OSAGO ended','blocked_at':1795420800000}");
    when("vehicles.block", "{'reason':'again'}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'BLOCKED'}");
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}");
    then_refused("VEHICLE_WRONG_STATE");
    when("vehicles.unblock", "{}");
    then_exactly("vehicles.unblocked.v1", "{'unblocked_at':1795420800000}");
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}");
    when("vehicles.block", "{'reason':'frame is cracked'}");
    then_event("vehicles.blocked.v1", "{}");
}

static void
test_a_vehicle_blocked_on_its_trip_is_back_on_it_when_unblocked(void **state)
{
    (void)state;
    a_van_on_a_trip();
    when("vehicles.block", "{'reason':'accident'}");
    then_event("vehicles.blocked.v1", "{}");
    when("vehicles.unblock", "{}");
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'ON_TRIP'}");
    when("vehicles.block", "{'reason':'accident'}");
    when("vehicles.finish_trip", FINISH(RES_1, TRIP_1, 120050000, 1795442400000));
    then_event("vehicles.trip_finished.v1", "{'was_on_trip':true}");
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'BLOCKED'}");
    when("vehicles.unblock", "{}");
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}");
    then_event("vehicles.sent_to_maintenance.v1", "{'kind':'brakes'}");
}

static void
test_leaving_the_fleet(void **state)
{
    static const struct {
        const char *command, *json;
    } refused[] = {
        {"vehicles.retire", "{'reason':'sold'}"},
        {"vehicles.block", "{'reason':'x'}"},
        {"vehicles.change_specs", "{'specs':" SPECS(1500000, 9000000) "}"},
        {"vehicles.record_odometer", "{'odometer_m':120000001,'source':'DRIVER'}"},
        {"vehicles.correct_odometer", "{'odometer_m':1,'reason':'x'}"},
        {"vehicles.add_document",
         "{'kind':'OSAGO','number':'1','from_on':'2026-01-01','to_on':'2027-01-01'}"},
        {"vehicles.add_service_plan", "{'plan_id':'" PLAN "','name':'oil','every_days':365}"},
        {"vehicles.plan_maintenance",
         "{'window_id':'" WINDOW "','from_at':1795507200000,'to_at':1795510800000}"},
        {"vehicles.send_to_maintenance", "{'kind':'x'}"},
        {"vehicles.start_trip", START(RES_1, TRIP_1, 120000000, 1795435200000)},
    };

    (void)state;
    a_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    when("vehicles.retire", "{'reason':'sold'}");
    then_refused_with("VEHICLE_HAS_RESERVATIONS", "{'count':1}");
    when("vehicles.release", "{'reservation_id':'" RES_1 "'}");
    when("vehicles.retire", "{'reason':'sold'}");
    then_exactly("vehicles.retired.v1", "{'reason':'sold','retired_at':1795420800000}");
    then_released("vehicle_plate", "A123BC77");
    then_released("vehicle_vin", "XTA21099Y1234567X");
    for (int i = 0; i < BUS_COUNT(refused); i++) {
        when(refused[i].command, refused[i].json);
        then_refused_with("VEHICLE_WRONG_STATE", "{'status':'RETIRED'}");
    }
    when("vehicles.reserve", AT_NOON(RES_2, TRIP_2));
    then_refused_with("VEHICLE_UNUSABLE", "{'status':'RETIRED'}");
}

/* --- service ------------------------------------------------------------------------------ */

static void
test_service_plans_count_from_the_last_service(void **state)
{
    (void)state;
    a_van();
    when("vehicles.add_service_plan", "{'plan_id':'" PLAN "','name':'oil'}");
    then_refused("VEHICLE_PLAN_EMPTY");
    when("vehicles.add_service_plan",
         "{'plan_id':'" PLAN "','name':'oil','every_m':15000000,'every_days':365}");
    then_exactly("vehicles.service_planned.v1",
                 "{'plan_id':'" PLAN "','name':'oil','every_m':15000000,'every_days':365,"
                 "'last_m':120000000,'last_on':'2026-11-23'}");
    when("vehicles.add_service_plan", "{'plan_id':'" PLAN "','name':'oil','every_days':30}");
    then_nothing_more();
    when("vehicles.send_to_maintenance", "{'kind':'oil'}");
    when("vehicles.return_from_maintenance",
         "{'cost_kop':800000,'odometer_m':120001000,'plan_id':'" RES_1 "'}");
    then_refused("VEHICLE_PLAN_UNKNOWN");
    when("vehicles.return_from_maintenance",
         "{'cost_kop':800000,'odometer_m':120001000,'plan_id':'" PLAN "'}");
    then_event("vehicles.returned_from_maintenance.v1", "{'cost_kop':800000}");
    then_exactly("vehicles.service_done.v1",
                 "{'plan_id':'" PLAN "','odometer_m':120001000,'done_on':'2026-11-23'}");
    then_event("vehicles.odometer_recorded.v1", "{'odometer_m':120001000}");
    then_nothing_more();
}

static void
test_a_plan_never_counts_from_a_suspect_reading(void **state)
{
    (void)state;
    a_van();
    when("vehicles.add_service_plan", "{'plan_id':'" PLAN "','name':'oil','every_m':15000000}");
    when("vehicles.send_to_maintenance", "{'kind':'oil'}");
    when("vehicles.return_from_maintenance",
         "{'cost_kop':0,'odometer_m':1200010000,'plan_id':'" PLAN "'}");
    then_event("vehicles.returned_from_maintenance.v1", "{}");
    then_event("vehicles.service_done.v1", "{'odometer_m':120000000}");
    then_event("vehicles.odometer_suspected.v1",
               "{'odometer_m':1200010000,'last_m':120000000,'why':'TOO_FAST'}");
    then_nothing_more();
}

static void
test_at_most_sixteen_plans(void **state)
{
    char json[160];

    (void)state;
    a_van();
    for (int i = 0; i <= 16; i++) {
        (void)snprintf(json, sizeof(json),
                       "{'plan_id':'00000000-0000-4000-8000-0000000001%02d','name':'p',"
                       "'every_days':30}",
                       i);
        when("vehicles.add_service_plan", json);
        if (i < 16)
            then_event("vehicles.service_planned.v1", "{}");
    }
    then_refused_with("VEHICLE_PLANS_FULL", "{'max':16}");
}

static void
test_papers_end_after_they_begin(void **state)
{
    (void)state;
    a_new_van();
    when("vehicles.add_document",
         "{'kind':'MOSCOW_PASS','number':'77 1','from_on':'2026-12-02','to_on':'2026-12-01'}");
    then_refused("VEHICLE_INTERVAL_EMPTY");
    when("vehicles.add_document",
         "{'kind':'TACHOGRAPH','number':'T 1','from_on':'2026-12-01','to_on':'2026-12-01'}");
    then_exactly("vehicles.document_added.v1",
                 "{'kind':'TACHOGRAPH','number':'T 1','from_on':'2026-12-01',"
                 "'to_on':'2026-12-01'}");
}

/* --- listening to trips ------------------------------------------------------------------- */

#define RESOURCES \
    "'reservation_id':'" RES_1 "','vehicle_id':'" STORY_STREAM "','driver_id':'" DRIVER "'"

static void
test_trips_move_their_vehicle(void **state)
{
    (void)state;
    reacts(&vehicles_module, "trips.trip_departed.v1",
           "{" RESOURCES ",'odometer_m':120000500,'departed_at':1795435200000,"
           "'day':'2026-11-23','utc_offset_min':180,'short_load':false,'delivery_ids':[]}");
    then_command("vehicles.start_trip", STORY_STREAM,
                 "{'reservation_id':'" RES_1 "','odometer_m':120000500,'driver_id':'" DRIVER
                 "','departed_at':1795435200000}");
    reacts(&vehicles_module, "trips.trip_completed.v1",
           "{" RESOURCES ",'odometer_m':120050500,'driven_m':50000,'departed_at':1795435200000,"
           "'finished_at':1795446000000,'duration_s':10800,'day':'2026-11-23',"
           "'delivery_ids':[]}");
    then_command("vehicles.finish_trip", STORY_STREAM,
                 "{'reservation_id':'" RES_1 "','odometer_m':120050500,'driver_id':'" DRIVER
                 "','finished_at':1795446000000}");
    reacts(&vehicles_module, "trips.trip_aborted.v1",
           "{" RESOURCES ",'driven_m':0,'finished_at':1795446000000,'duration_s':0,"
           "'day':'2026-11-23','utc_offset_min':180,'reason':'accident','delivery_ids':[]}");
    then_command("vehicles.finish_trip", STORY_STREAM,
                 "{'reservation_id':'" RES_1 "','driver_id':'" DRIVER
                 "','finished_at':1795446000000}");
}

static void
test_trips_that_do_not_happen_give_their_vehicle_back(void **state)
{
    (void)state;
    reacts(&vehicles_module, "trips.trip_cancelled.v1",
           "{" RESOURCES ",'reason':'no cargo','delivery_ids':[]}");
    then_command("vehicles.release", STORY_STREAM, "{'reservation_id':'" RES_1 "'}");
    reacts(&vehicles_module, "trips.driver_refused.v1", "{" RESOURCES ",'reason':'ill'}");
    then_command("vehicles.release", STORY_STREAM, "{'reservation_id':'" RES_1 "'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plates_are_folded_to_latin),
        cmocka_unit_test(test_plates_that_are_none),
        cmocka_unit_test(test_a_vin_has_no_i_o_q),
        cmocka_unit_test(test_capacity_may_not_shrink_below_what_is_promised),
        cmocka_unit_test(test_to_the_workshop_and_back),
        cmocka_unit_test(test_blocked_until_unblocked),
        cmocka_unit_test(test_a_vehicle_blocked_on_its_trip_is_back_on_it_when_unblocked),
        cmocka_unit_test(test_leaving_the_fleet),
        cmocka_unit_test(test_service_plans_count_from_the_last_service),
        cmocka_unit_test(test_a_plan_never_counts_from_a_suspect_reading),
        cmocka_unit_test(test_at_most_sixteen_plans),
        cmocka_unit_test(test_papers_end_after_they_begin),
        cmocka_unit_test(test_trips_move_their_vehicle),
        cmocka_unit_test(test_trips_that_do_not_happen_give_their_vehicle_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
