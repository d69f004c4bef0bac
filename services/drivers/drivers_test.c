/* drivers_test.c - stories of drivers: hiring, papers, states, pay, the working day, dismissal.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/story_drivers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* --- hiring and papers ---------------------------------------------------------------------- */

static void
test_hiring_claims_phone_and_licence(void **state)
{
    (void)state;
    a_new_driver();
    then_exactly("drivers.hired.v1",
                 "{'driver_id':'" STORY_STREAM "','full_name':'Иванов Иван',"
                 "'phone_e164':'+79161234567','licence':" LICENCE(
                     "9912345678", "'B','C'",
                     "2027-12-31") ",'medical_valid_to':'2027-12-31','tacho_card':'RUD1','pay'"
                                   ":" PAY(100000) ",'hired_at':1795420800000}");
    then_claimed("driver_phone", "+79161234567", "DRIVER_PHONE_TAKEN");
    then_claimed("driver_licence", "9912345678", "DRIVER_LICENCE_TAKEN");
    then_owned_by(STORY_STREAM, true);
    then_owned_by(OTHER_DRIVER, false);
    when("drivers.hire", HIRE_WITH(",'medical_valid_to':'soon'"));
    then_invalid("/medical_valid_to");
}

static void
test_terms_of_pay_are_an_admins(void **state)
{
    (void)state;
    story(&drivers_module, "driver");
    as_role("DISPATCHER");
    when("drivers.hire", HIRE);
    then_refused("DRIVER_PAY_BY_ADMIN");
    when("drivers.hire", HIRE_WITH(""));
    then_exactly("drivers.hired.v1", "{'driver_id':'" STORY_STREAM "','full_name':'Иванов Иван',"
                                     "'phone_e164':'+79161234567','hired_at':1795420800000}");
}

static void
test_activation_needs_licence_and_medical(void **state)
{
    (void)state;
    story(&drivers_module, "driver");
    when("drivers.hire", HIRE_WITH(""));
    when("drivers.activate", "{}");
    then_refused("DRIVER_LICENCE_MISSING");
    when("drivers.change_documents", "{'licence':" LICENCE("9912345678", "'B'", "2026-11-22") "}");
    when("drivers.activate", "{}");
    then_refused("DRIVER_LICENCE_MISSING"); /* ended yesterday */
    when("drivers.change_documents", "{'licence':" LICENCE("9912345678", "'B'", "2026-11-23") "}");
    when("drivers.activate", "{}");
    then_refused("DRIVER_MEDICAL_MISSING");
    when("drivers.change_documents", "{'medical_valid_to':'2026-11-22'}");
    when("drivers.activate", "{}");
    then_refused("DRIVER_MEDICAL_MISSING");
    when("drivers.change_documents", "{'medical_valid_to':'2026-11-23'}");
    when("drivers.activate", "{}");
    then_exactly("drivers.activated.v1", "{'activated_at':1795420800000}");
}

static void
test_other_papers_other_claims(void **state)
{
    (void)state;
    a_driver();
    when("drivers.change_documents",
         "{'licence':" LICENCE("99 12 345678", "'B'", "2036-01-01") "}");
    then_exactly("drivers.documents_changed.v1",
                 "{'licence':" LICENCE("9912345678", "'B'", "2036-01-01") "}");
    when("drivers.change_documents",
         "{'licence':" LICENCE("9913 000001", "'CE'", "2036-01-01") ",'tacho_card':'RUD2'}");
    then_event("drivers.documents_changed.v1", "{'tacho_card':'RUD2'}");
    then_claimed("driver_licence", "9913000001", "DRIVER_LICENCE_TAKEN");
    then_released("driver_licence", "9912345678");
    when("drivers.change_documents", "{}");
    then_nothing_more();
}

static void
test_another_phone_another_claim(void **state)
{
    (void)state;
    a_driver();
    when("drivers.change_contact", "{'full_name':'Иванов Иван Иванович'}");
    then_exactly("drivers.contact_changed.v1", "{'full_name':'Иванов Иван Иванович'}");
    when("drivers.change_contact", "{'phone_e164':'+79160000000'}");
    then_exactly("drivers.contact_changed.v1", "{'phone_e164':'+79160000000'}");
    then_claimed("driver_phone", "+79160000000", "DRIVER_PHONE_TAKEN");
    then_released("driver_phone", "+79161234567");
    when("drivers.change_contact", "{}");
    then_nothing_more();
    when("drivers.change_contact", "{'phone_e164':'8 916'}");
    then_invalid("/phone_e164");
}

/* --- states ----------------------------------------------------------------------------------- */

static void
test_the_lifecycle(void **state)
{
    (void)state;
    a_new_driver();
    when("drivers.suspend", "{'reason':'x'}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'ONBOARDING'}");
    when("drivers.activate", "{}");
    when("drivers.activate", "{}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'ACTIVE'}");
    when("drivers.end_leave", "{}");
    then_refused("DRIVER_WRONG_STATE");
    when("drivers.start_leave", "{'until_at':1796025600000,'reason':'holiday'}");
    then_exactly("drivers.leave_started.v1", "{'started_at':1795420800000,"
                                             "'until_at':1796025600000,'reason':'holiday'}");
    when("drivers.suspend", "{'reason':'x'}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'ON_LEAVE'}");
    when("drivers.end_leave", "{}");
    then_exactly("drivers.leave_ended.v1", "{'ended_at':1795420800000}");
    when("drivers.suspend", "{'reason':'medical ended'}");
    then_exactly("drivers.suspended.v1", "{'reason':'medical ended','suspended_at':1795420800000}");
    when("drivers.start_leave", "{}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'SUSPENDED'}");
    when("drivers.reinstate", "{}");
    then_exactly("drivers.reinstated.v1", "{'reinstated_at':1795420800000}");
    when("drivers.reinstate", "{}");
    then_refused("DRIVER_WRONG_STATE");
}

static void
test_leave_does_not_take_promised_time(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    when("drivers.start_leave", "{}");
    then_refused_with("DRIVER_HAS_TRIPS", "{'count':1}");
    when("drivers.start_leave", "{'until_at':1795435200001}");
    then_refused("DRIVER_HAS_TRIPS");
    when("drivers.start_leave", "{'until_at':1795435200000}"); /* back just in time */
    then_event("drivers.leave_started.v1", "{}");
}

static void
test_dismissal_waits_for_open_trips(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    when("drivers.dismiss", "{'reason':'moved away'}");
    then_refused_with("DRIVER_HAS_TRIPS", "{'count':1}");
    when("drivers.release", "{'reservation_id':'" RES_1 "'}");
    when("drivers.start_trip", START(RES_2, TRIP_2, 1795420800000)); /* without a reservation */
    when("drivers.dismiss", "{'reason':'moved away'}");
    then_refused_with("DRIVER_HAS_TRIPS", "{'count':1}");
    when("drivers.end_reservation", END(RES_2, TRIP_2, 1795420800000));
    then_event("drivers.reservation_ended.v1", "{'trip_id':'" TRIP_2 "'}");
    when("drivers.dismiss", "{'reason':'moved away'}");
    then_exactly("drivers.dismissed.v1", "{'reason':'moved away','dismissed_at':1795420800000}");
    then_released("driver_phone", "+79161234567");
    then_released("driver_licence", "9912345678");
}

static void
test_the_dismissed_do_nothing_more(void **state)
{
    static const struct {
        const char *command, *json;
    } refused[] = {
        {"drivers.dismiss", "{'reason':'again'}"},
        {"drivers.activate", "{}"},
        {"drivers.change_documents", "{'medical_valid_to':'2028-01-01'}"},
        {"drivers.change_contact", "{'full_name':'Other'}"},
        {"drivers.start_duty", "{}"},
        {"drivers.record_duty", "{'kind':'REST','from_at':1795410000000,'to_at':1795413600000}"},
        {"drivers.change_pay", "{'from_at':1795420800000,'pay':" PAY(1) "}"},
        {"drivers.start_trip", START(RES_1, TRIP_1, 1795420800000)},
    };

    (void)state;
    a_driver();
    when("drivers.start_duty", "{}");
    when("drivers.dismiss", "{'reason':'moved away'}");
    for (int i = 0; i < BUS_COUNT(refused); i++) {
        when(refused[i].command, refused[i].json);
        then_refused_with("DRIVER_WRONG_STATE", "{'status':'DISMISSED'}");
    }
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("DRIVER_NOT_ACTIVE", "{'status':'DISMISSED'}");
    when("drivers.end_duty", "{}");
    then_refused("DRIVER_NOT_ON_DUTY");
}

/* --- forgetting ----------------------------------------------------------------------------- */

static void
test_only_the_dismissed_are_forgotten(void **state)
{
    (void)state;
    a_driver();
    when("drivers.forget", "{}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'ACTIVE'}");
    when("drivers.suspend", "{'reason':'papers'}");
    when("drivers.forget", "{}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'SUSPENDED'}");
    when("drivers.dismiss", "{'reason':'moved away'}");
    when("drivers.forget", "{}");
    then_event("drivers.forgotten.v1", "{}");
    when("drivers.forget", "{}"); /* again: nothing more to forget */
    then_nothing_more();
}

/* What comes late of his trips is noted, and nothing of it is personal. */
static void
test_the_forgotten_say_nothing_more_of_themselves(void **state)
{
    static const struct {
        const char *command, *json;
    } refused[] = {
        {"drivers.change_documents",
         "{'licence':{'number':'99 12 345678','categories':['B'],'valid_to':'2031-05-20'}}"},
        {"drivers.change_contact", "{'full_name':'Other','phone_e164':'+79161234567'}"},
        {"drivers.reinstate", "{}"},
    };

    (void)state;
    a_driver();
    when("drivers.dismiss", "{'reason':'moved away'}");
    when("drivers.forget", "{}");
    for (int i = 0; i < BUS_COUNT(refused); i++) {
        when(refused[i].command, refused[i].json);
        then_refused_with("DRIVER_WRONG_STATE", "{'status':'DISMISSED'}");
    }
}

/* --- the working day ------------------------------------------------------------------------- */

#define STRETCH(kind, from, to) "{'kind':'" kind "','from_at':" #from ",'to_at':" #to "}"

static void
test_a_working_day(void **state)
{
    (void)state;
    a_driver();
    when("drivers.end_duty", "{}");
    then_refused("DRIVER_NOT_ON_DUTY");
    device_at(T0 - 60000);
    when("drivers.start_duty", "{}");
    then_exactly("drivers.duty_started.v1", "{'started_at':1795420740000}");
    when("drivers.start_duty", "{}");
    then_refused("DRIVER_ALREADY_ON_DUTY");
    device_at(0);
    later_ms(5 * HOUR_MS);
    when("drivers.record_duty", STRETCH("DRIVING", 1795420800000, 1795437000000));
    then_exactly("drivers.duty_recorded.v1",
                 "{'kind':'DRIVING','from_at':1795420800000,'to_at':1795437000000,"
                 "'utc_offset_min':180,'drive_day_max_s':32400,'drive_week_max_s':201600}");
    device_at(T0 + DAY_MS); /* a clock that runs ahead counts as now */
    when("drivers.end_duty", "{}");
    then_exactly("drivers.duty_ended.v1", "{'ended_at':1795438800000}");
    when("drivers.start_duty", "{}");
    then_event("drivers.duty_started.v1", "{}");
}

static void
test_only_the_active_begin_a_day(void **state)
{
    (void)state;
    a_new_driver();
    when("drivers.start_duty", "{}");
    then_refused_with("DRIVER_WRONG_STATE", "{'status':'ONBOARDING'}");
    when("drivers.record_duty", STRETCH("REST", 1795410000000, 1795413600000));
    then_refused("DRIVER_WRONG_STATE");
}

static void
test_stretches_come_in_any_order_and_do_not_overlap(void **state)
{
    (void)state;
    a_driver();
    when("drivers.record_duty", STRETCH("DRIVING", 1795413600000, 1795417200000));
    when("drivers.record_duty", STRETCH("ON_DUTY", 1795410000000, 1795413600001));
    then_refused_with("DRIVER_DUTY_OVERLAPS", "{'from_at':1795413600000,'to_at':1795417200000,"
                                              "'from':'2026-11-23 09:00','to':'2026-11-23 10:00'}");
    when("drivers.record_duty", STRETCH("ON_DUTY", 1795410000000, 1795413600000));
    then_event("drivers.duty_recorded.v1", "{'kind':'ON_DUTY'}");
    when("drivers.record_duty", STRETCH("REST", 1795417200000, 1795417200000));
    then_refused("DRIVER_INTERVAL_EMPTY");
    when("drivers.record_duty", STRETCH("REST", 1790000000000, 1795410000000));
    then_refused_with("DRIVER_INTERVAL_TOO_LONG", "{'max_days':31}");
    when("drivers.record_duty", STRETCH("REST", 1795417200000, 1795420800001));
    then_refused("DRIVER_DUTY_IN_FUTURE");
    when("drivers.record_duty", STRETCH("REST", 1795417200000, 1795420800000));
    then_event("drivers.duty_recorded.v1", "{'kind':'REST'}");
}

static void
test_what_lies_before_the_kept_stretches_is_too_late(void **state)
{
    char json[120];

    (void)state;
    a_driver();
    later_ms(100 * HOUR_MS);
    for (int i = 0; i < 65; i++) {
        (void)snprintf(json, sizeof(json), "{'kind':'DRIVING','from_at':%lld,'to_at':%lld}",
                       (long long)(T0 + i * HOUR_MS), (long long)(T0 + (i + 1) * HOUR_MS));
        when("drivers.record_duty", json);
        then_event("drivers.duty_recorded.v1", "{}");
    }
    when("drivers.record_duty", STRETCH("REST", 1795413600000, 1795417200000));
    then_refused_with("STALE", "{'last_at':1795424400000,'last':'2026-11-23 12:00'}");
    when("drivers.record_duty", STRETCH("REST", 1795424400000, 1795428000000));
    then_refused("DRIVER_DUTY_OVERLAPS");
}

/* --- pay ---------------------------------------------------------------------------------------
 */

#define CHANGE_PAY(from, per_trip) "{'from_at':" #from ",'pay':" PAY(per_trip) "}"

static void
reserved_at_terms(const char *reserve, const char *terms)
{
    when("drivers.reserve", reserve);
    then_event("drivers.reserved.v1", terms);
}

static void
test_terms_hold_from_a_time_on(void **state)
{
    (void)state;
    a_driver();
    when("drivers.change_pay", CHANGE_PAY(1795507200000, 200000)); /* in a day */
    then_exactly("drivers.pay_changed.v1", CHANGE_PAY(1795507200000, 200000));
    when("drivers.change_pay", CHANGE_PAY(1795464000000, 150000)); /* in 12 hours */
    reserved_at_terms(AT_NOON(RES_1, TRIP_1), "{'per_trip_kop':100000}");
    reserved_at_terms(RESERVE(RES_2, TRIP_1, 1795464000000, 1795467600000),
                      "{'per_trip_kop':150000,'per_km_kop':900,'per_point_kop':10000,"
                      "'per_hour_kop':20000,'pct_bp':500}");
    reserved_at_terms(RESERVE(RES_3, TRIP_1, 1795507200000, 1795510800000),
                      "{'per_trip_kop':200000}");
    when("drivers.change_pay", CHANGE_PAY(1795507200000, 210000)); /* replaces */
    reserved_at_terms(RESERVE(TRIP_2, TRIP_1, 1795510800000, 1795514400000),
                      "{'per_trip_kop':210000}");
}

static void
test_terms_of_a_settled_period_stay(void **state)
{
    (void)state;
    a_driver();
    when("drivers.note_settled", "{'settled_on':'2026-11-23'}");
    then_exactly("drivers.pay_settled.v1", "{'settled_until_at':1795467600000}");
    when("drivers.note_settled", "{'settled_on':'2026-11-22'}");
    then_nothing_more();
    when("drivers.change_pay", CHANGE_PAY(1795467599999, 150000));
    then_refused_with("DRIVER_PAY_SETTLED",
                      "{'settled_until_at':1795467600000,'until':'2026-11-24 00:00'}");
    when("drivers.change_pay", CHANGE_PAY(1795467600000, 150000)); /* midnight in Moscow */
    then_event("drivers.pay_changed.v1", "{}");
}

static void
test_at_most_seven_changes_that_are_not_settled(void **state)
{
    char json[200];

    (void)state;
    a_driver();
    for (int i = 1; i <= 8; i++) {
        (void)snprintf(json, sizeof(json), CHANGE_PAY(% lld, 1), (long long)(T0 + i * DAY_MS));
        when("drivers.change_pay", json);
        if (i <= 7)
            then_event("drivers.pay_changed.v1", "{}");
    }
    then_refused_with("DRIVER_PAY_CHANGES_FULL", "{'max':7}");
    when("drivers.change_pay", CHANGE_PAY(1795507200000, 2)); /* replacing is no new one */
    then_event("drivers.pay_changed.v1", "{}");
    when("drivers.note_settled", "{'settled_on':'2026-11-24'}");
    when("drivers.change_pay", json);
    then_event("drivers.pay_changed.v1", "{}"); /* the first is settled and gives way */
    reserved_at_terms(RESERVE(RES_1, TRIP_1, 1795507200000, 1795510800000), "{'per_trip_kop':2}");
}

/* --- listening to trips ------------------------------------------------------------------------
 */

#define RESOURCES                                                                        \
    "'reservation_id':'" RES_1 "','vehicle_id':'" VEHICLE "','driver_id':'" STORY_STREAM \
    "','co_driver_id':'" OTHER_DRIVER "'"

static void
test_trips_move_their_drivers(void **state)
{
    (void)state;
    reacts(&drivers_module, "trips.trip_departed.v1",
           "{" RESOURCES ",'odometer_m':120000500,'departed_at':1795435200000,"
           "'day':'2026-11-23','utc_offset_min':180,'short_load':false,'delivery_ids':[]}");
    then_command("drivers.start_trip", STORY_STREAM,
                 "{'reservation_id':'" RES_1 "','departed_at':1795435200000}");
    then_command("drivers.start_trip", OTHER_DRIVER, "{'reservation_id':'" RES_1 "'}");
    reacts(&drivers_module, "trips.trip_completed.v1",
           "{" RESOURCES ",'odometer_m':120050500,'driven_m':50000,'departed_at':1795435200000,"
           "'finished_at':1795446000000,'duration_s':10800,'day':'2026-11-23',"
           "'delivery_ids':[]}");
    then_command("drivers.end_reservation", STORY_STREAM,
                 "{'reservation_id':'" RES_1 "','ended_at':1795446000000}");
    then_command("drivers.end_reservation", OTHER_DRIVER, "{'reservation_id':'" RES_1 "'}");
    reacts(&drivers_module, "trips.trip_aborted.v1",
           "{'reservation_id':'" RES_1 "','vehicle_id':'" VEHICLE "','driver_id':'" STORY_STREAM
           "','driven_m':0,'finished_at':1795446000000,'duration_s':0,"
           "'day':'2026-11-23','utc_offset_min':180,'reason':'accident','delivery_ids':[]}");
    then_command("drivers.end_reservation", STORY_STREAM,
                 "{'reservation_id':'" RES_1 "','ended_at':1795446000000}");
}

static void
test_trips_that_do_not_happen_give_their_drivers_back(void **state)
{
    (void)state;
    reacts(&drivers_module, "trips.trip_cancelled.v1",
           "{" RESOURCES ",'reason':'no cargo','delivery_ids':[]}");
    then_command("drivers.release", STORY_STREAM, "{'reservation_id':'" RES_1 "'}");
    then_command("drivers.release", OTHER_DRIVER, "{'reservation_id':'" RES_1 "'}");
    reacts(&drivers_module, "trips.driver_refused.v1", "{" RESOURCES ",'reason':'ill'}");
    then_command("drivers.release", STORY_STREAM, "{'reservation_id':'" RES_1 "'}");
    then_command("drivers.release", OTHER_DRIVER, "{'reservation_id':'" RES_1 "'}");
}

/* --- personal data forgotten ------------------------------------------------------------------ */

/* What is read when a driver's key is gone: empty strings, in every event that holds any. */
static void
test_a_forgotten_driver_goes_on(void **state)
{
    (void)state;
    story(&drivers_module, "driver");
    given("drivers.hired.v1",
          "{'driver_id':'" STORY_STREAM "','full_name':'','phone_e164':'','licence':{'number':'',"
          "'categories':['B'],'valid_to':'2027-12-31'},'medical_valid_to':'2027-12-31',"
          "'tacho_card':'','hired_at':1795420800000}");
    given("drivers.contact_changed.v1", "{'full_name':'','phone_e164':''}");
    given("drivers.documents_changed.v1", "{'licence':{'number':'','categories':['B','C'],"
                                          "'valid_to':'2028-12-31'},'tacho_card':''}");
    when("drivers.activate", "{}");
    then_event("drivers.activated.v1", "{}");
    /* told anew: nothing is known that could be released */
    when("drivers.change_contact", "{'phone_e164':'+79990000001'}");
    then_event("drivers.contact_changed.v1", "{'phone_e164':'+79990000001'}");
    then_claimed("driver_phone", "+79990000001", "DRIVER_PHONE_TAKEN");
    then_nothing_more();
    when("drivers.change_contact", "{'full_name':''}"); /* nobody tells a tombstone */
    then_invalid("/full_name");
    when("drivers.dismiss", "{'reason':'gone'}");
    then_event("drivers.dismissed.v1", "{}");
    then_released("driver_phone", "+79990000001");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_forgotten_driver_goes_on),
        cmocka_unit_test(test_hiring_claims_phone_and_licence),
        cmocka_unit_test(test_terms_of_pay_are_an_admins),
        cmocka_unit_test(test_activation_needs_licence_and_medical),
        cmocka_unit_test(test_other_papers_other_claims),
        cmocka_unit_test(test_another_phone_another_claim),
        cmocka_unit_test(test_the_lifecycle),
        cmocka_unit_test(test_leave_does_not_take_promised_time),
        cmocka_unit_test(test_dismissal_waits_for_open_trips),
        cmocka_unit_test(test_the_dismissed_do_nothing_more),
        cmocka_unit_test(test_only_the_dismissed_are_forgotten),
        cmocka_unit_test(test_the_forgotten_say_nothing_more_of_themselves),
        cmocka_unit_test(test_a_working_day),
        cmocka_unit_test(test_only_the_active_begin_a_day),
        cmocka_unit_test(test_stretches_come_in_any_order_and_do_not_overlap),
        cmocka_unit_test(test_what_lies_before_the_kept_stretches_is_too_late),
        cmocka_unit_test(test_terms_hold_from_a_time_on),
        cmocka_unit_test(test_terms_of_a_settled_period_stay),
        cmocka_unit_test(test_at_most_seven_changes_that_are_not_settled),
        cmocka_unit_test(test_trips_move_their_drivers),
        cmocka_unit_test(test_trips_that_do_not_happen_give_their_drivers_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
