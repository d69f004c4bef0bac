/* vehicles_test.c - the fleet board shows each vehicle as it is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

extern const bus_view vehicles_projection;

#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define TRIP_1 "00000000-0000-4000-8000-000000000031"
#define TRIP_2 "00000000-0000-4000-8000-000000000032"
#define RES_1 "00000000-0000-4000-8000-000000000051"
#define RES_2 "00000000-0000-4000-8000-000000000052"
#define WINDOW "00000000-0000-4000-8000-000000000081"

#define SPECS(class, payload)                                                                   \
    "{'class':'" class "','payload_g':" #payload ",'cargo_ml':9000000,'tank_ml':80000,'fuel':'" \
                       "DIESEL','norm_summer_ml_100km':9500,"                                   \
                       "'norm_winter_ml_100km':10500,'wear_kop_km':350,'fixed_kop_day':250000}"
#define RESERVED(id, trip, from, to)                                                   \
    "{'reservation_id':'" id "','trip_id':'" trip "','from_at':" #from ",'to_at':" #to \
    ",'load_g':0,'load_ml':0,'norm_ml_100km':10500,'fuel':'DIESEL','odometer_m':1,"    \
    "'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'wear_kop_km':350,"          \
    "'fixed_kop_day':250000}"
#define SLOT(id, trip, from, to) \
    "{'reservation_id':'" id "','trip_id':'" trip "','from_at':" #from ",'to_at':" #to "}"
#define PAPER(kind, number, from, to) \
    "{'kind':'" kind "','number':'" number "','from_on':'" from "','to_on':'" to "'}"

static void
a_registered_van(void)
{
    view_story(&vehicles_projection);
    projects("vehicles.registered.v1", VEHICLE,
             "{'plate':'A123BC77','vin':'XTA21099Y1234567X','specs':" SPECS(
                 "VAN", 1500000) ",'odometer_m':120000000,'registered_at':1000}");
}

static void
test_a_new_vehicle(void **state)
{
    (void)state;
    a_registered_van();
    then_row(VEHICLE, "{'status':'AVAILABLE','plate':'A123BC77','vin':'XTA21099Y1234567X',"
                      "'class':'VAN','odometer_m':120000000,'odometer_at':1000,"
                      "'suspect_readings':0,'registered_at':1000,'reservations':[],"
                      "'documents':[],'windows':[]}");
    projects("vehicles.specs_changed.v1", VEHICLE, "{'specs':" SPECS("TRUCK_5T", 5000000) "}");
    then_row(VEHICLE, "{'class':'TRUCK_5T','specs':" SPECS("TRUCK_5T", 5000000) "}");
}

static void
test_reservations_come_and_go(void **state)
{
    (void)state;
    a_registered_van();
    projects("vehicles.reserved.v1", VEHICLE, RESERVED(RES_1, TRIP_1, 10, 20));
    projects("vehicles.reserved.v1", VEHICLE, RESERVED(RES_2, TRIP_2, 20, 30));
    projects("vehicles.reservation_barred.v1", VEHICLE, "{'reservation_id':'" WINDOW "'}");
    then_row(VEHICLE,
             "{'reservations':[" SLOT(RES_1, TRIP_1, 10, 20) "," SLOT(RES_2, TRIP_2, 20, 30) "]}");
    projects("vehicles.released.v1", VEHICLE,
             "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','released_at':5}");
    then_row(VEHICLE, "{'reservations':[" SLOT(RES_2, TRIP_2, 20, 30) "]}");
}

static void
test_the_board_is_bounded(void **state)
{
    char json[400];

    (void)state;
    a_registered_van();
    projects("vehicles.reserved.v1", VEHICLE, RESERVED(RES_2, TRIP_2, 500, 600));
    projects("vehicles.reserved.v1", VEHICLE, RESERVED(RES_1, TRIP_1, 1, 2));
    for (int i = 0; i < 63; i++) {
        (void)snprintf(json, sizeof(json),
                       RESERVED("00000000-0000-4000-8000-0000000002%02d", TRIP_1, % d, % d), i,
                       10 + i, 11 + i);
        projects("vehicles.reserved.v1", VEHICLE, json);
    }
    projects("vehicles.released.v1", VEHICLE, /* it had given way */
             "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','released_at':5}");
    for (int i = 0; i < 63; i++) {
        (void)snprintf(
            json, sizeof(json),
            "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d','trip_id':'" TRIP_1
            "','released_at':5}",
            i);
        projects("vehicles.released.v1", VEHICLE, json);
    }
    then_row(VEHICLE, "{'reservations':[" SLOT(RES_2, TRIP_2, 500, 600) "]}");
}

static void
test_on_a_trip_and_back(void **state)
{
    (void)state;
    a_registered_van();
    projects("vehicles.reserved.v1", VEHICLE, RESERVED(RES_2, TRIP_2, 20, 30));
    projects("vehicles.trip_started.v1", VEHICLE,
             "{'reservation_id':'" RES_2 "','trip_id':'" TRIP_2 "','driver_id':'" DRIVER
             "','started_at':2000}");
    projects("vehicles.trip_started.v1", VEHICLE, /* an earlier one, heard of late */
             "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','driver_id':'" RES_1
             "','started_at':1000}");
    then_row(VEHICLE, "{'status':'ON_TRIP','trip_id':'" TRIP_2 "','driver_id':'" DRIVER
                      "','trip_since_at':2000}");
    projects("vehicles.blocked.v1", VEHICLE, "{'reason':'accident','blocked_at':2500}");
    then_row(VEHICLE, "{'status':'BLOCKED','blocked_reason':'accident','trip_id':'" TRIP_2 "'}");
    projects("vehicles.unblocked.v1", VEHICLE, "{'unblocked_at':2600}");
    then_row(VEHICLE, "{'status':'ON_TRIP','blocked_reason':null}");
    projects("vehicles.trip_finished.v1", VEHICLE,
             "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
             "','finished_at':3000,'was_on_trip':false}");
    then_row(VEHICLE, "{'status':'ON_TRIP','trip_id':'" TRIP_2 "'}");
    projects("vehicles.trip_finished.v1", VEHICLE,
             "{'reservation_id':'" RES_2 "','trip_id':'" TRIP_2
             "','finished_at':3000,'was_on_trip':true}");
    then_row(VEHICLE, "{'status':'AVAILABLE','trip_id':null,'driver_id':null,"
                      "'trip_since_at':null,'reservations':[]}");
}

static void
test_readings(void **state)
{
    (void)state;
    a_registered_van();
    projects("vehicles.odometer_recorded.v1", VEHICLE,
             "{'odometer_m':120001000,'source':'DRIVER','read_at':2000}");
    projects("vehicles.odometer_suspected.v1", VEHICLE,
             "{'odometer_m':1,'last_m':120001000,'source':'FUEL','read_at':3000,'why':'BACK'}");
    then_row(VEHICLE, "{'odometer_m':120001000,'odometer_at':2000,'suspect_readings':1}");
    projects("vehicles.odometer_corrected.v1", VEHICLE,
             "{'odometer_m':7,'from_m':120001000,'reason':'replaced','corrected_at':4000}");
    then_row(VEHICLE, "{'odometer_m':7,'odometer_at':4000,'suspect_readings':1}");
}

static void
test_workshop_and_windows(void **state)
{
    (void)state;
    a_registered_van();
    projects("vehicles.maintenance_planned.v1", VEHICLE,
             "{'window_id':'" WINDOW "','from_at':10,'to_at':20,'kind':'tyres'}");
    projects("vehicles.maintenance_planned.v1", VEHICLE,
             "{'window_id':'" RES_1 "','from_at':30,'to_at':40}");
    then_row(VEHICLE, "{'windows':[{'window_id':'" WINDOW "','from_at':10,'to_at':20,"
                      "'kind':'tyres'},{'window_id':'" RES_1 "','from_at':30,'to_at':40}]}");
    projects("vehicles.maintenance_cancelled.v1", VEHICLE,
             "{'window_id':'" WINDOW "','cancelled_at':5}");
    then_row(VEHICLE, "{'windows':[{'window_id':'" RES_1 "','from_at':30,'to_at':40}]}");
    projects("vehicles.sent_to_maintenance.v1", VEHICLE,
             "{'kind':'brakes','until_at':900,'sent_at':800}");
    then_row(VEHICLE, "{'status':'MAINTENANCE','maintenance_kind':'brakes',"
                      "'maintenance_until_at':900}");
    projects("vehicles.returned_from_maintenance.v1", VEHICLE,
             "{'cost_kop':1,'returned_at':850,'returned_on':'2026-11-23'}");
    then_row(VEHICLE, "{'status':'AVAILABLE','maintenance_kind':null,"
                      "'maintenance_until_at':null}");
    projects("vehicles.retired.v1", VEHICLE, "{'reason':'sold','retired_at':999}");
    then_row(VEHICLE, "{'status':'RETIRED','retired_at':999}");
}

static void
test_papers_of_a_kind_replace_each_other(void **state)
{
    (void)state;
    a_registered_van();
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "1", "2026-01-01", "2026-12-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "1", "2026-01-01", "2027-01-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("TACHOGRAPH", "1", "2020-01-01", "2027-12-31"));
    then_row(VEHICLE, "{'documents':[" PAPER("OSAGO", "1", "2026-01-01", "2027-01-31") "," PAPER(
                          "TACHOGRAPH", "1", "2020-01-01", "2027-12-31") "]}");
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "2", "2027-02-01", "2028-01-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "3", "2028-02-01", "2029-01-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "4", "2029-02-01", "2030-01-31"));
    projects("vehicles.document_added.v1", VEHICLE,
             PAPER("OSAGO", "5", "2030-02-01", "2031-01-31"));
    then_row(VEHICLE,
             "{'documents':[" PAPER("OSAGO", "5", "2030-02-01", "2031-01-31") "," PAPER(
                 "TACHOGRAPH", "1", "2020-01-01",
                 "2027-12-31") "," PAPER("OSAGO", "2", "2027-02-01",
                                         "2028-01-31") "," PAPER("OSAGO", "3", "2028-02-01",
                                                                 "2029-01-31") "," PAPER("OSAGO",
                                                                                         "4",
                                                                                         "2029-02-"
                                                                                         "01",
                                                                                         "2030-01-"
                                                                                         "31") "]"
                                                                                               "}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_vehicle),
        cmocka_unit_test(test_reservations_come_and_go),
        cmocka_unit_test(test_the_board_is_bounded),
        cmocka_unit_test(test_on_a_trip_and_back),
        cmocka_unit_test(test_readings),
        cmocka_unit_test(test_workshop_and_windows),
        cmocka_unit_test(test_papers_of_a_kind_replace_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
