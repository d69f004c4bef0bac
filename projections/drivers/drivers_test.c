/* drivers_test.c - the driver board shows each driver as he is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

extern const bus_view drivers_projection;

#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define TRIP_1 "00000000-0000-4000-8000-000000000031"
#define TRIP_2 "00000000-0000-4000-8000-000000000032"
#define RES_1 "00000000-0000-4000-8000-000000000051"
#define RES_2 "00000000-0000-4000-8000-000000000052"

#define PAY(per_trip)                                                                    \
    "{'per_trip_kop':" #per_trip ",'per_km_kop':900,'per_point_kop':0,'per_hour_kop':0," \
    "'pct_bp':0}"
#define LICENCE(number, categories) \
    "{'number':'" number "','categories':[" categories "],'valid_to':'2031-05-20'}"
#define RESERVED(id, trip, from, to)                                                    \
    "{'reservation_id':'" id "','trip_id':'" trip "','from_at':" #from ",'to_at':" #to  \
    ",'driving_s':0,'reserved_at':1,'per_trip_kop':0,'per_km_kop':0,'per_point_kop':0," \
    "'per_hour_kop':0,'pct_bp':0}"
#define SLOT(id, trip, from, to) \
    "{'reservation_id':'" id "','trip_id':'" trip "','from_at':" #from ",'to_at':" #to "}"
#define STRETCH(kind, from, to)                           \
    "{'kind':'" kind "','from_at':" #from ",'to_at':" #to \
    ",'utc_offset_min':180,'drive_day_max_s':32400,'drive_week_max_s':201600}"

#define SLOT_STARTED(id, trip, at) \
    "{'reservation_id':'" id "','trip_id':'" trip "','started_at':" #at "}"

static void
a_hired_driver(void)
{
    view_story(&drivers_projection);
    projects("drivers.hired.v1", DRIVER,
             "{'driver_id':'" DRIVER "','full_name':'Иванов Иван','phone_e164':'+79161234567',"
             "'licence':" LICENCE("9912345678",
                                  "'B','C'") ",'medical_valid_to':'2027-05-20','tacho_card':'RUD1',"
                                             "'pay':" PAY(100000) ",'hired_at':1000}");
}

/* What is personal in the row the kernel clears. */
static void
test_a_forgotten_driver(void **state)
{
    (void)state;
    a_hired_driver();
    projects("drivers.dismissed.v1", DRIVER, "{'reason':'moved','dismissed_at':2000}");
    projects("drivers.forgotten.v1", DRIVER, "{'forgotten_at':3000}");
    then_row(DRIVER, "{'status':'DISMISSED','dismissed_at':2000,'forgotten_at':3000}");
}

static void
test_a_new_driver(void **state)
{
    (void)state;
    a_hired_driver();
    then_row(DRIVER, "{'status':'ONBOARDING','duty':'OFF','full_name':'Иванов Иван',"
                     "'phone_e164':'+79161234567','licence_number':'9912345678',"
                     "'categories':['B','C'],'licence_valid_to':'2031-05-20',"
                     "'medical_valid_to':'2027-05-20','tacho_card':'RUD1','pay':" PAY(
                         100000) ",'hired_at':1000,'reservations':[]}");
    projects("drivers.documents_changed.v1", DRIVER,
             "{'licence':" LICENCE("9912000000", "'CE'") ",'tacho_card':'RUD2'}");
    projects("drivers.contact_changed.v1", DRIVER, "{'phone_e164':'+79160000000'}");
    then_row(DRIVER, "{'full_name':'Иванов Иван','phone_e164':'+79160000000',"
                     "'licence_number':'9912000000','categories':['CE'],"
                     "'medical_valid_to':'2027-05-20','tacho_card':'RUD2'}");
    projects("drivers.contact_changed.v1", DRIVER, "{'full_name':'Петров Пётр'}");
    projects("drivers.documents_changed.v1", DRIVER, "{'medical_valid_to':'2028-05-20'}");
    projects("drivers.pay_changed.v1", DRIVER, "{'from_at':5000,'pay':" PAY(120000) "}");
    projects("drivers.pay_settled.v1", DRIVER, "{'settled_until_at':4000}");
    then_row(DRIVER, "{'full_name':'Петров Пётр','medical_valid_to':'2028-05-20','pay':" PAY(
                         120000) ",'pay_from_at':5000}");
}

static void
test_states_and_their_reasons(void **state)
{
    (void)state;
    a_hired_driver();
    projects("drivers.activated.v1", DRIVER, "{'activated_at':1}");
    projects("drivers.leave_started.v1", DRIVER, "{'started_at':2,'until_at':9}");
    then_row(DRIVER, "{'status':'ON_LEAVE','leave_until_at':9}");
    projects("drivers.leave_ended.v1", DRIVER, "{'ended_at':3}");
    then_row(DRIVER, "{'status':'ACTIVE','leave_until_at':null}");
    projects("drivers.suspended.v1", DRIVER, "{'reason':'medical','suspended_at':4}");
    then_row(DRIVER, "{'status':'SUSPENDED','suspended_reason':'medical'}");
    projects("drivers.reinstated.v1", DRIVER, "{'reinstated_at':5}");
    then_row(DRIVER, "{'status':'ACTIVE','suspended_reason':null}");
    projects("drivers.duty_started.v1", DRIVER, "{'started_at':5}");
    projects("drivers.dismissed.v1", DRIVER, "{'reason':'moved','dismissed_at':6}");
    then_row(DRIVER, "{'status':'DISMISSED','duty':'OFF','dismissed_at':6}");
}

static void
test_reservations_and_trips(void **state)
{
    (void)state;
    a_hired_driver();
    projects("drivers.reserved.v1", DRIVER, RESERVED(RES_1, TRIP_1, 10, 20));
    projects("drivers.reserved.v1", DRIVER, RESERVED(RES_2, TRIP_2, 20, 30));
    projects("drivers.reservation_barred.v1", DRIVER, "{'reservation_id':'" DRIVER "'}");
    then_row(DRIVER,
             "{'reservations':[" SLOT(RES_1, TRIP_1, 10, 20) "," SLOT(RES_2, TRIP_2, 20, 30) "]}");
    projects("drivers.duty_started.v1", DRIVER, "{'started_at':15}");
    projects("drivers.trip_started.v1", DRIVER, SLOT_STARTED(RES_2, TRIP_2, 20));
    projects("drivers.trip_started.v1", DRIVER, SLOT_STARTED(RES_1, TRIP_1, 10));
    then_row(DRIVER, "{'duty':'DRIVING','trip_id':'" TRIP_2 "','trip_since_at':20}");
    projects("drivers.reservation_ended.v1", DRIVER,
             "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','ended_at':20}");
    then_row(DRIVER, "{'duty':'DRIVING','trip_id':'" TRIP_2 "'}");
    projects("drivers.reservation_ended.v1", DRIVER,
             "{'reservation_id':'" RES_2 "','trip_id':'" TRIP_2 "','ended_at':30}");
    then_row(DRIVER, "{'duty':'ON_DUTY','trip_id':null,'trip_since_at':null,"
                     "'reservations':[]}");
    projects("drivers.reserved.v1", DRIVER, RESERVED(RES_1, TRIP_1, 40, 50));
    projects("drivers.released.v1", DRIVER,
             "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','released_at':35}");
    then_row(DRIVER, "{'reservations':[]}");
}

static void
test_the_board_is_bounded(void **state)
{
    char json[400];

    (void)state;
    a_hired_driver();
    projects("drivers.reserved.v1", DRIVER, RESERVED(RES_2, TRIP_2, 500, 600));
    projects("drivers.reserved.v1", DRIVER, RESERVED(RES_1, TRIP_1, 1, 2));
    for (int i = 0; i < 63; i++) {
        (void)snprintf(json, sizeof(json),
                       RESERVED("00000000-0000-4000-8000-0000000002%02d", TRIP_1, % d, % d), i,
                       10 + i, 11 + i);
        projects("drivers.reserved.v1", DRIVER, json);
    }
    for (int i = 0; i < 63; i++) {
        (void)snprintf(
            json, sizeof(json),
            "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d','trip_id':'" TRIP_1
            "','released_at':5}",
            i);
        projects("drivers.released.v1", DRIVER, json);
    }
    then_row(DRIVER, "{'reservations':[" SLOT(RES_2, TRIP_2, 500, 600) "]}");
}

static void
test_the_latest_stretch_says_what_the_driver_does(void **state)
{
    (void)state;
    a_hired_driver();
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 100, 200));
    then_row(DRIVER, "{'duty':'OFF'}");
    projects("drivers.duty_started.v1", DRIVER, "{'started_at':300}");
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("REST", 300, 400));
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 200, 300)); /* comes late */
    then_row(DRIVER, "{'duty':'REST'}");
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("ON_DUTY", 400, 500));
    then_row(DRIVER, "{'duty':'ON_DUTY'}");
    projects("drivers.duty_recorded.v1", DRIVER, STRETCH("DRIVING", 500, 600));
    then_row(DRIVER, "{'duty':'DRIVING'}");
    projects("drivers.duty_ended.v1", DRIVER, "{'ended_at':700}");
    then_row(DRIVER, "{'duty':'OFF'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_driver),
        cmocka_unit_test(test_a_forgotten_driver),
        cmocka_unit_test(test_states_and_their_reasons),
        cmocka_unit_test(test_reservations_and_trips),
        cmocka_unit_test(test_the_board_is_bounded),
        cmocka_unit_test(test_the_latest_stretch_says_what_the_driver_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
