/* odometer_test.c - stories of readings: they only grow, and what cannot be is not applied.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/story_vehicles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_a_reading_names_its_driver(void **state)
{
    (void)state;
    a_van_on_a_trip();
    as_driver(DRIVER);
    when("vehicles.record_odometer",
         "{'odometer_m':120010000,'source':'DRIVER','driver_id':'" OTHER_DRIVER "'}");
    then_exactly("vehicles.odometer_recorded.v1", "{'odometer_m':120010000,'driver_id':'" DRIVER
                                                  "','source':'DRIVER','read_at':1795435200000}");
    as_role("DISPATCHER");
    when("vehicles.record_odometer",
         "{'odometer_m':120010000,'source':'SERVICE','driver_id':'" OTHER_DRIVER "'}");
    then_event("vehicles.odometer_recorded.v1", "{'driver_id':'" OTHER_DRIVER "'}");
    when("vehicles.record_odometer", "{'odometer_m':120010000,'source':'GPS'}");
    then_event("vehicles.odometer_recorded.v1", "{'source':'GPS','driver_id':'" DRIVER "'}");

    a_van();
    when("vehicles.record_odometer", "{'odometer_m':120010000,'source':'GPS'}");
    then_exactly("vehicles.odometer_recorded.v1",
                 "{'odometer_m':120010000,'source':'GPS','read_at':1795420800000}");
}

static void
test_what_a_person_reads_does_not_go_back(void **state)
{
    (void)state;
    a_van();
    when("vehicles.record_odometer", "{'odometer_m':119999999,'source':'DRIVER'}");
    then_refused_with("VEHICLE_ODOMETER_BACK", "{'last_m':120000000}");
    when("vehicles.record_odometer", "{'odometer_m':119999999,'source':'SERVICE'}");
    then_refused("VEHICLE_ODOMETER_BACK");
    when("vehicles.record_odometer", "{'odometer_m':120000000,'source':'DRIVER'}");
    then_event("vehicles.odometer_recorded.v1", "{'odometer_m':120000000}");
    when("vehicles.record_odometer",
         "{'odometer_m':120000001,'source':'DRIVER','read_at':1795420799999}");
    then_refused_with("STALE", "{'last_at':1795420800000,'last':'2026-11-23 11:00'}");
}

static void
test_what_a_feed_sends_wrongly_is_kept_as_suspect(void **state)
{
    (void)state;
    a_van();
    when("vehicles.record_odometer", "{'odometer_m':119999999,'source':'FUEL'}");
    then_exactly("vehicles.odometer_suspected.v1",
                 "{'odometer_m':119999999,'last_m':120000000,'source':'FUEL',"
                 "'read_at':1795420800000,'why':'BACK'}");
    when("vehicles.record_odometer",
         "{'odometer_m':120000001,'source':'GPS','read_at':1795420799999}");
    then_event("vehicles.odometer_suspected.v1", "{'why':'BACK'}"); /* earlier, and yet further */
    when("vehicles.record_odometer",
         "{'odometer_m':119000000,'source':'FUEL','read_at':1795420799999}");
    then_nothing_more(); /* older news that agree */
    when("vehicles.correct_odometer", "{'odometer_m':120000000,'reason':'x'}");
    then_refused_with("VEHICLE_ODOMETER_UNCHANGED", "{'last_m':120000000}"); /* none applied */
}

static void
test_more_than_a_day_can_be_driven_is_suspect(void **state)
{
    (void)state;
    a_van();
    when("vehicles.record_odometer", "{'odometer_m':121500001,'source':'DRIVER'}");
    then_event("vehicles.odometer_suspected.v1",
               "{'odometer_m':121500001,'last_m':120000000,'why':'TOO_FAST'}");
    when("vehicles.record_odometer", "{'odometer_m':121500000,'source':'DRIVER'}");
    then_event("vehicles.odometer_recorded.v1", "{}");
    later_ms(DAY_MS); /* a second day has begun */
    when("vehicles.record_odometer", "{'odometer_m':124500001,'source':'DRIVER'}");
    then_event("vehicles.odometer_suspected.v1", "{'why':'TOO_FAST'}");
    when("vehicles.record_odometer", "{'odometer_m':124500000,'source':'DRIVER'}");
    then_event("vehicles.odometer_recorded.v1", "{}");
    with_setting("{'odometer_day_max_m':1000}");
    when("vehicles.record_odometer", "{'odometer_m':124501001,'source':'DRIVER'}");
    then_event("vehicles.odometer_suspected.v1", "{'why':'TOO_FAST'}");
}

static void
test_a_clock_that_runs_ahead_counts_as_now(void **state)
{
    (void)state;
    a_van();
    when("vehicles.record_odometer",
         "{'odometer_m':120001000,'source':'DRIVER','read_at':1895420800000}");
    then_event("vehicles.odometer_recorded.v1", "{'read_at':1795420800000}");
    device_at(T0 + DAY_MS);
    when("vehicles.record_odometer", "{'odometer_m':120002000,'source':'DRIVER'}");
    then_event("vehicles.odometer_recorded.v1", "{'read_at':1795420800000}");
    device_at(0);
    later_ms(1);
    when("vehicles.record_odometer", "{'odometer_m':120003000,'source':'DRIVER'}");
    then_event("vehicles.odometer_recorded.v1", "{'read_at':1795420800001}");
}

static void
test_an_admin_corrects_with_a_reason(void **state)
{
    (void)state;
    a_van();
    later_ms(HOUR_MS);
    when("vehicles.correct_odometer", "{'odometer_m':5000,'reason':'odometer replaced'}");
    then_exactly("vehicles.odometer_corrected.v1",
                 "{'odometer_m':5000,'from_m':120000000,'reason':'odometer replaced',"
                 "'corrected_at':1795424400000}");
    when("vehicles.record_odometer", "{'odometer_m':6000,'source':'DRIVER'}");
    then_event("vehicles.odometer_recorded.v1", "{'odometer_m':6000}");
    when("vehicles.correct_odometer", "{'odometer_m':7000,'reason':''}");
    then_invalid("/reason");
}

static void
test_a_trip_is_not_stopped_by_its_odometer(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    at_time(T0 + 4 * HOUR_MS);
    when("vehicles.start_trip", START(RES_1, TRIP_1, 12000000, 1795435200000));
    then_event("vehicles.trip_started.v1", "{}");
    then_event("vehicles.odometer_suspected.v1",
               "{'odometer_m':12000000,'source':'TRIP','why':'BACK'}");
    then_nothing_more();
}

static void
test_a_client_does_not_speak_for_a_trip(void **state)
{
    (void)state;
    a_van();
    when("vehicles.record_odometer", "{'odometer_m':120000000,'source':'TRIP'}");
    then_invalid("/source");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reading_names_its_driver),
        cmocka_unit_test(test_what_a_person_reads_does_not_go_back),
        cmocka_unit_test(test_what_a_feed_sends_wrongly_is_kept_as_suspect),
        cmocka_unit_test(test_more_than_a_day_can_be_driven_is_suspect),
        cmocka_unit_test(test_a_clock_that_runs_ahead_counts_as_now),
        cmocka_unit_test(test_an_admin_corrects_with_a_reason),
        cmocka_unit_test(test_a_trip_is_not_stopped_by_its_odometer),
        cmocka_unit_test(test_a_client_does_not_speak_for_a_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
