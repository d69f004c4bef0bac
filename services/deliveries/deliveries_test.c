/* deliveries_test.c - stories of a delivery, from order to proof: every command, event, refusal.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/deliveries/delivery.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

extern const bus_module deliveries_module;

#define CUSTOMER "00000000-0000-4000-8000-0000000000c1"
#define TRIP "00000000-0000-4000-8000-0000000000d1"
#define OTHER_TRIP "00000000-0000-4000-8000-0000000000d2"
#define DRIVER "00000000-0000-4000-8000-0000000000e1"
#define CALL "00000000-0000-4000-8000-0000000000f1"
/* The window is 10:00 to 12:00 UTC of the stories' day, 2026-11-23. */
#define WINDOW "'window':{'from_at':1795428000000,'to_at':1795435200000}"
#define ORDER(kind, more)                                                                          \
    "{'kind':'" kind "','customer_id':'" CUSTOMER "','from':{'lat_e6':55700000,'lon_e6':37600000}" \
    ",'to':{'lat_e6':55750000,'lon_e6':37610000}," WINDOW ",'price_kop':25000" more "}"
#define BOXES                                                      \
    ",'boxes':[{'barcode':'b-1','gross_g':1000,'volume_ml':5000}," \
    "{'barcode':'b-2','gross_g':2000,'volume_ml':6000}]"
#define CREATED(kind, boxes)                                                                       \
    "{'kind':'" kind "','customer_id':'" CUSTOMER "','from':{'lat_e6':55700000,'lon_e6':37600000}" \
    ",'to':{'lat_e6':55750000,'lon_e6':37610000}," WINDOW boxes                                    \
    ",'cod_kop':0,'price_kop':25000,'created_at':1795400000000}"
#define POD(more) "{'pod':{'receiver':'Anna','at':1795431900000" more "}}"

static void
a_delivery(const char *kind_json)
{
    story(&deliveries_module, "delivery");
    given("deliveries.created.v1", kind_json);
}

static void
one_on_its_way(const char *kind_json)
{
    a_delivery(kind_json);
    given("deliveries.confirmed.v1", "{'confirmed_at':1795400000001}");
    given("deliveries.planned.v1", "{'trip_id':'" TRIP "','stop_seq':3}");
    given("deliveries.started.v1",
          "{'attempt':1,'trip_id':'" TRIP "','driver_id':'" DRIVER "','started_at':1795420800000}");
}

#define DBS CREATED("DBS_TO_BUYER", ",'boxes':[]")
#define FBS CREATED("FBS_TO_WB", BOXES)
#define PVZ CREATED("WB_TO_PVZ", BOXES)

/* --- ordering ---------------------------------------------------------------------------- */

static void
test_an_order_claims_its_boxes(void **state)
{
    (void)state;
    story(&deliveries_module, "delivery");
    when("deliveries.create", ORDER("FBS_TO_WB", BOXES ",'wb_order_id':'5632423'"));
    then_event("deliveries.created.v1", "{'kind':'FBS_TO_WB','cod_kop':0,'price_kop':25000}");
    then_claimed("delivery_box", "b-1", "DELIVERY_BOX_TAKEN");
    then_claimed("delivery_box", "b-2", "DELIVERY_BOX_TAKEN");
    then_claimed("delivery_order", "5632423", "DELIVERY_ORDER_TAKEN");
    then_nothing_more();
    when("deliveries.confirm", "{}");
    then_event("deliveries.confirmed.v1", "{}");
    when("deliveries.confirm", "{}");
    then_refused_with("DELIVERY_WRONG_STATE", "{'status':'CONFIRMED'}");
}

static void
test_an_order_must_make_sense(void **state)
{
    (void)state;
    story(&deliveries_module, "delivery");
    when("deliveries.create",
         "{'kind':'RETURN','customer_id':'" CUSTOMER "','from':{'lat_e6':1,'lon_e6':1},'to':"
         "{'lat_e6':1,'lon_e6':1},'window':{'from_at':5,'to_at':5},'price_kop':1}");
    then_refused("DELIVERY_WINDOW_EMPTY");
    when("deliveries.create", ORDER("FBS_TO_WB", ",'boxes':[{'barcode':'x','gross_g':1,'volume_ml':"
                                                 "1},{'barcode':'x','gross_g':1,'volume_ml':1}]"));
    then_refused_with("DELIVERY_BOX_TWICE", "{'barcode':'x'}");
    when("deliveries.create", "{'kind':'BY_DRONE'}");
    then_invalid("/kind");
}

static void
test_boxes_are_added_never_replaced(void **state)
{
    (void)state;
    a_delivery(FBS);
    when("deliveries.attach_boxes", "{'boxes':[{'barcode':'b-3','gross_g':1,'volume_ml':1}]}");
    then_event("deliveries.boxes_attached.v1", "{'boxes':[{'barcode':'b-3'}]}");
    then_claimed("delivery_box", "b-3", "DELIVERY_BOX_TAKEN");
    when("deliveries.attach_boxes", "{'boxes':[{'barcode':'b-1','gross_g':1,'volume_ml':1}]}");
    then_refused("DELIVERY_BOX_TWICE");
}

/* 64 letters of two bytes each: what the state has no room for stands there by its UUIDv5. */
#define LETTERS_8 "щщщщщщщщ"
#define LETTERS LETTERS_8 LETTERS_8 LETTERS_8 LETTERS_8 LETTERS_8 LETTERS_8 LETTERS_8
#define LONG_A LETTERS "щщщщщщщA"
#define LONG_B LETTERS "щщщщщщщB"
#define NAME_A "c95fb32e-e3be-55db-a56a-07d604316a88" /* v5(nil, LONG_A) */

static void
test_long_barcodes_are_told_apart(void **state)
{
    (void)state;
    story(&deliveries_module, "delivery");
    when("deliveries.create",
         ORDER("FBS_TO_WB",
               ",'wb_order_id':'" LONG_A "','boxes':[{'barcode':'" LONG_A
               "','gross_g':1,'volume_ml':1},{'barcode':'" LONG_B "','gross_g':1,'volume_ml':1}]"));
    then_event("deliveries.created.v1", "{'wb_order_id':'" LONG_A "'}");
    then_claimed("delivery_box", NAME_A, "DELIVERY_BOX_TAKEN");
    then_claimed("delivery_order", NAME_A, "DELIVERY_ORDER_TAKEN");
    when("deliveries.attach_boxes",
         "{'boxes':[{'barcode':'" LONG_B "','gross_g':1,'volume_ml':1}]}");
    then_refused_with("DELIVERY_BOX_TWICE", "{'barcode':'" LONG_B "'}");
    when("deliveries.cancel", "{'reason':'x'}");
    then_released("delivery_box", NAME_A);
    then_released("delivery_order", NAME_A);
}

static void
test_so_many_boxes_and_no_more(void **state)
{
    char json[256];

    (void)state;
    a_delivery(FBS);
    for (int i = 2; i < DELIVERY_BOXES_MAX; i++) {
        (void)snprintf(json, sizeof(json),
                       "{'boxes':[{'barcode':'more-%d','gross_g':1,'volume_ml':1}]}", i);
        given("deliveries.boxes_attached.v1", json);
    }
    when("deliveries.attach_boxes", "{'boxes':[{'barcode':'last','gross_g':1,'volume_ml':1}]}");
    then_refused_with("DELIVERY_BOXES_FULL", "{'max':200}");
}

static void
test_another_window(void **state)
{
    (void)state;
    a_delivery(DBS);
    when("deliveries.change_window", "{'window':{'from_at':100,'to_at':200}}");
    then_event("deliveries.window_changed.v1", "{'window':{'from_at':100,'to_at':200}}");
    when("deliveries.change_window", "{'window':{'from_at':200,'to_at':100}}");
    then_refused("DELIVERY_WINDOW_EMPTY");
}

static void
test_cancelling_is_for_before_it_leaves(void **state)
{
    (void)state;
    a_delivery(CREATED("FBS_TO_WB", BOXES ",'wb_order_id':'77'"));
    given("deliveries.confirmed.v1", "{'confirmed_at':1795400000001}");
    given("deliveries.planned.v1", "{'trip_id':'" TRIP "','stop_seq':3}");
    when("deliveries.cancel", "{'reason':'changed his mind'}");
    then_event("deliveries.unplanned.v1", "{'trip_id':'" TRIP "'}"); /* the trip hears of it */
    then_event("deliveries.cancelled.v1", "{'reason':'changed his mind'}");
    then_released("delivery_box", "b-1");
    then_released("delivery_order", "77");
    when("deliveries.confirm", "{}");
    then_refused("DELIVERY_WRONG_STATE");
    one_on_its_way(DBS);
    when("deliveries.cancel", "{'reason':'too late'}");
    then_refused_with("DELIVERY_TOO_LATE_TO_CANCEL", "{'status':'OUT'}");
}

/* --- trips ---------------------------------------------------------------------------------- */

static void
test_on_at_most_one_open_trip(void **state)
{
    (void)state;
    a_delivery(DBS);
    as_role("SERVICE");
    when("deliveries.plan", "{'trip_id':'" TRIP "','stop_seq':1}");
    then_refused_with("DELIVERY_WRONG_STATE", "{'status':'CREATED'}");
    given("deliveries.confirmed.v1", "{'confirmed_at':1}");
    when("deliveries.plan", "{'trip_id':'" TRIP "','stop_seq':1,'planned_arrival_at':7}");
    then_event("deliveries.planned.v1",
               "{'trip_id':'" TRIP "','stop_seq':1,'planned_arrival_at':7}");
    when("deliveries.plan", "{'trip_id':'" TRIP "','stop_seq':1}"); /* again: as if once */
    then_nothing_more();
    when("deliveries.plan", "{'trip_id':'" OTHER_TRIP "','stop_seq':1}");
    then_refused_with("DELIVERY_ON_OTHER_TRIP", "{'trip_id':'" TRIP "'}");
    when("deliveries.unplan", "{'trip_id':'" OTHER_TRIP "'}"); /* not its business */
    then_nothing_more();
    when("deliveries.unplan", "{'trip_id':'" TRIP "','reason':'cancelled'}");
    then_event("deliveries.unplanned.v1", "{'trip_id':'" TRIP "','reason':'cancelled'}");
    when("deliveries.plan", "{'trip_id':'" OTHER_TRIP "','stop_seq':2}");
    then_event("deliveries.planned.v1", "{'trip_id':'" OTHER_TRIP "'}");
}

static void
test_it_leaves_with_its_trip(void **state)
{
    (void)state;
    a_delivery(DBS);
    when("deliveries.start", "{}");
    then_refused("DELIVERY_WRONG_STATE");
    given("deliveries.confirmed.v1", "{'confirmed_at':1}");
    given("deliveries.planned.v1", "{'trip_id':'" TRIP "','stop_seq':3}");
    when("deliveries.start", "{'trip_id':'" OTHER_TRIP "'}");
    then_refused("DELIVERY_OTHER_TRIP");
    when("deliveries.start",
         "{'trip_id':'" TRIP "','driver_id':'" DRIVER "','started_at':1795420800000}");
    then_event("deliveries.started.v1", "{'attempt':1,'trip_id':'" TRIP "','driver_id':'" DRIVER
                                        "','started_at':1795420800000}");
    then_owned_by(DRIVER, true);
    then_owned_by(TRIP, false);
    when("deliveries.start", "{'trip_id':'" TRIP "'}");
    then_nothing_more();
}

#define DEPARTED                                                                            \
    "{'reservation_id':'" TRIP "','vehicle_id':'" TRIP "','driver_id':'" DRIVER             \
    "','odometer_m':1,'departed_at':1795420800000,'day':'2026-11-23','utc_offset_min':180," \
    "'short_load':false,'delivery_ids':['" CUSTOMER "','" CALL "']}"

static void
test_what_trips_say_becomes_commands(void **state)
{
    (void)state;
    story(&deliveries_module, "delivery");
    reacts(&deliveries_module, "trips.trip_departed.v1", DEPARTED);
    then_command("deliveries.start", CUSTOMER,
                 "{'trip_id':'" STORY_STREAM "','driver_id':'" DRIVER
                 "','started_at':1795420800000}");
    then_command("deliveries.start", CALL, "{}");
    reacts(&deliveries_module, "trips.trip_cancelled.v1",
           "{'reason':'no driver','delivery_ids':['" CUSTOMER "']}");
    then_command("deliveries.unplan", CUSTOMER,
                 "{'trip_id':'" STORY_STREAM "','reason':'no driver'}");
    reacts(&deliveries_module, "trips.trip_aborted.v1",
           "{'reservation_id':'" TRIP "','vehicle_id':'" TRIP "','driver_id':'" DRIVER
           "','driven_m':1,'finished_at':5,'duration_s':1,'day':'2026-11-23','utc_offset_min':180,"
           "'reason':'engine','delivery_ids':['" CUSTOMER "']}");
    then_command("deliveries.unplan", CUSTOMER, "{'reason':'engine'}");
}

/* --- at the place ------------------------------------------------------------------------------
 */

/* 10:00 to 12:00: an arrival at 11:00 is 3600 s early, one at 12:00:00.001 is late. */
static void
test_on_time_is_measured_at_arrival(void **state)
{
    (void)state;
    one_on_its_way(DBS);
    when("deliveries.record_arrival", "{'arrived_at':1795431600000,'trip_id':'" TRIP "'}");
    then_event("deliveries.arrived.v1", "{'arrived_at':1795431600000,'late_s':-3600,'attempt':1,"
                                        "'day':'2026-11-23'}");
    when("deliveries.record_arrival", "{'arrived_at':1795431600000}");
    then_nothing_more();
    one_on_its_way(DBS);
    when("deliveries.record_arrival", "{'arrived_at':1795435200001}");
    then_event("deliveries.arrived.v1", "{'late_s':1}");
    one_on_its_way(DBS);
    when("deliveries.record_arrival", "{'arrived_at':1795435200000}");
    then_event("deliveries.arrived.v1", "{'late_s':0}");
    one_on_its_way(DBS);
    when("deliveries.record_arrival", "{'arrived_at':1795420799999}");
    then_refused_with("STALE", "{'last_at':1795420800000,'last':'2026-11-23 11:00'}");
    when("deliveries.record_arrival", "{'arrived_at':1795431600000,'trip_id':'" OTHER_TRIP "'}");
    then_refused("DELIVERY_OTHER_TRIP");
    a_delivery(DBS);
    when("deliveries.record_arrival", "{'arrived_at':1795431600000}");
    then_refused("DELIVERY_WRONG_STATE");
}

static void
test_a_buyer_gives_his_code(void **state)
{
    (void)state;
    one_on_its_way(DBS);
    when("deliveries.complete", POD(",'photo':'p'"));
    then_refused("DELIVERY_CODE_MISSING");
    when("deliveries.complete", POD(",'code':'741852'"));
    then_event("deliveries.completed.v1", "{'attempt':1,'customer_id':'" CUSTOMER
                                          "','kind':'DBS_TO_BUYER','day':'2026-11-23'}");
    then_owned_by(DRIVER, false);
    when("deliveries.complete", POD(",'code':'741852'"));
    then_refused_with("DELIVERY_WRONG_STATE", "{'status':'DELIVERED'}");
}

static void
test_wildberries_takes_what_was_scanned(void **state)
{
    (void)state;
    one_on_its_way(FBS);
    when("deliveries.complete", POD(""));
    then_refused("DELIVERY_OFFICE_MISSING");
    when("deliveries.complete", POD(",'office_id':'15'"));
    then_refused_with("DELIVERY_BOXES_UNSCANNED", "{'count':2}");
    when("deliveries.scan_boxes", "{'barcodes':['b-9']}");
    then_refused_with("DELIVERY_BOX_UNKNOWN", "{'barcode':'b-9'}");
    when("deliveries.scan_boxes", "{'barcodes':['b-2']}");
    then_event("deliveries.boxes_scanned.v1", "{'barcodes':['b-2']}");
    when("deliveries.complete", POD(",'office_id':'15'"));
    then_refused_with("DELIVERY_BOXES_UNSCANNED", "{'count':1}");
    given("deliveries.boxes_scanned.v1", "{'barcodes':['b-1']}");
    when("deliveries.complete", POD(",'office_id':'15'"));
    then_event("deliveries.completed.v1", "{'kind':'FBS_TO_WB'}");
    then_released("delivery_box", "b-1");
}

static void
test_others_need_a_photo_or_a_signature(void **state)
{
    (void)state;
    one_on_its_way(PVZ);
    when("deliveries.complete", POD(""));
    then_refused("DELIVERY_PROOF_MISSING");
    when("deliveries.complete", POD(",'signature':'s'"));
    then_event("deliveries.completed.v1", "{}");
    one_on_its_way(PVZ);
    when("deliveries.complete", POD(",'photo':'p'"));
    then_event("deliveries.completed.v1", "{}");
    one_on_its_way(PVZ);
    when("deliveries.complete", "{'pod':{'receiver':'Anna','at':1795420799999,'photo':'p'}}");
    then_refused("STALE");
}

/* 0.01 degrees of latitude are 0.01 * 111194.927 = 1111.9 m. */
static void
test_a_proof_is_given_at_the_place(void **state)
{
    (void)state;
    one_on_its_way(PVZ);
    when("deliveries.complete", POD(",'photo':'p','lat_e6':55760000,'lon_e6':37610000"));
    then_refused_with("DELIVERY_PROOF_FAR", "{'distance_m':1111}");
    when("deliveries.complete",
         POD(",'photo':'p','lat_e6':55760000,'lon_e6':37610000,'far_reason':'next gate'"));
    then_event("deliveries.completed.v1", "{'distance_m':1111}");
    one_on_its_way(PVZ);
    with_setting("{'proof_distance_max_m':2000}");
    when("deliveries.complete", POD(",'photo':'p','lat_e6':55760000,'lon_e6':37610000"));
    then_event("deliveries.completed.v1", "{'distance_m':1111}");
}

static void
test_some_boxes(void **state)
{
    (void)state;
    one_on_its_way(PVZ);
    when("deliveries.complete_partly",
         "{'barcodes':['b-1','b-2'],'pod':{'receiver':'Anna','at':1795431900000,'photo':'p'}}");
    then_refused("DELIVERY_ALL_BOXES");
    when("deliveries.complete_partly",
         "{'barcodes':['b-7'],'pod':{'receiver':'Anna','at':1795431900000,'photo':'p'}}");
    then_refused("DELIVERY_BOX_UNKNOWN");
    when("deliveries.complete_partly", "{'barcodes':['b-1'],'reason':'DAMAGED','pod':{'receiver':"
                                       "'Anna','at':1795431900000,'photo':'p'}}");
    then_event("deliveries.completed_partly.v1", "{'barcodes':['b-1'],'reason':'DAMAGED'}");
    when("deliveries.return_to_sender", "{'reason':'damaged'}");
    then_event("deliveries.return_started.v1", "{'reason':'damaged'}");
}

#define PARTLY(barcodes) \
    "{'barcodes':[" barcodes "],'pod':{'receiver':'Anna','at':1795431900000,'office_id':'15'}}"

/* Wildberries takes part of it: what was scanned. The rest comes again and is scanned again. */
static void
test_the_rest_of_the_boxes(void **state)
{
    (void)state;
    one_on_its_way(FBS);
    when("deliveries.complete_partly", PARTLY("'b-1'"));
    then_refused_with("DELIVERY_BOXES_UNSCANNED", "{'count':1}");
    when("deliveries.scan_boxes", "{'barcodes':['b-1']}");
    then_event("deliveries.boxes_scanned.v1", "{'barcodes':['b-1']}");
    when("deliveries.scan_boxes", "{'barcodes':['b-1']}"); /* again: as if once */
    then_nothing_more();
    when("deliveries.scan_boxes", "{'barcodes':['b-1','b-2']}");
    then_exactly("deliveries.boxes_scanned.v1", "{'barcodes':['b-2']}");
    when("deliveries.complete_partly", PARTLY("'b-1'"));
    then_event("deliveries.completed_partly.v1", "{'barcodes':['b-1']}");
    when("deliveries.reschedule", "{" WINDOW "}");
    then_event("deliveries.rescheduled.v1", "{}");
    given("deliveries.planned.v1", "{'trip_id':'" OTHER_TRIP "','stop_seq':1}");
    given("deliveries.started.v1", "{'attempt':2,'started_at':1795431900000}");
    when("deliveries.scan_boxes", "{'barcodes':['b-1']}");
    then_refused_with("DELIVERY_BOX_HANDED_OVER", "{'barcode':'b-1'}");
    when("deliveries.complete_partly", PARTLY("'b-2'"));
    then_refused("DELIVERY_ALL_BOXES"); /* all that is left */
    when("deliveries.complete", POD(",'office_id':'15'"));
    then_refused_with("DELIVERY_BOXES_UNSCANNED", "{'count':1}");
    given("deliveries.boxes_scanned.v1", "{'barcodes':['b-2']}");
    when("deliveries.complete", POD(",'office_id':'15'"));
    then_event("deliveries.completed.v1", "{'attempt':2}");
}

/* --- when it fails -----------------------------------------------------------------------------
 */

static void
test_no_answer_needs_two_calls(void **state)
{
    (void)state;
    one_on_its_way(DBS);
    when("deliveries.fail", "{'reason':'NO_ANSWER','at':1795431900000}");
    then_refused_with("DELIVERY_CALLS_MISSING", "{'needed':2,'count':0}");
    when("deliveries.link_call", "{'call_id':'" CALL "','direction':'OUT'}");
    then_event("deliveries.call_linked.v1", "{'direction':'OUT'}");
    given("deliveries.call_linked.v1", "{'call_id':'" CALL "','direction':'IN'}");
    when("deliveries.fail", "{'reason':'NO_ANSWER','at':1795431900000}");
    then_refused_with("DELIVERY_CALLS_MISSING", "{'needed':2,'count':1}");
    given("deliveries.call_linked.v1", "{'call_id':'" TRIP "','direction':'OUT'}");
    when("deliveries.fail", "{'reason':'NO_ANSWER','at':1795431900000,'note':'twice'}");
    then_event("deliveries.failed.v1", "{'reason':'NO_ANSWER','attempt':1,'note':'twice',"
                                       "'failed_at':1795431900000,'day':'2026-11-23'}");
}

static void
test_failing_is_for_those_on_their_way(void **state)
{
    (void)state;
    a_delivery(DBS);
    when("deliveries.fail", "{'reason':'REFUSED'}");
    then_refused("DELIVERY_WRONG_STATE");
    one_on_its_way(DBS);
    when("deliveries.fail", "{'reason':'REFUSED','at':1795420799999}");
    then_refused("STALE");
    when("deliveries.link_call", "{'call_id':'" CALL "','direction':'IN'}");
    then_event("deliveries.call_linked.v1", "{}");
}

static void
test_three_attempts_then_an_admin(void **state)
{
    (void)state;
    one_on_its_way(DBS);
    for (int attempt = 1; attempt <= 3; attempt++) {
        char json[200];

        given("deliveries.failed.v1",
              "{'reason':'GATE_CLOSED','failed_at':1795431900000,'attempt':"
              "1,'customer_id':'" CUSTOMER "','kind':'DBS_TO_BUYER','day':'2026-11-23'}");
        as_role("DISPATCHER");
        when("deliveries.reschedule", "{" WINDOW "}");
        if (attempt == 3)
            break;
        then_event("deliveries.rescheduled.v1", "{}");
        given("deliveries.planned.v1", "{'trip_id':'" TRIP "','stop_seq':1}");
        (void)snprintf(json, sizeof(json), "{'attempt':%d,'started_at':1795432000000}",
                       attempt + 1);
        given("deliveries.started.v1", json);
    }
    then_refused_with("DELIVERY_ATTEMPTS_SPENT", "{'max':3}");
    as_role("ADMIN");
    when("deliveries.reschedule", "{'window':{'from_at':9,'to_at':9}}");
    then_refused("DELIVERY_WINDOW_EMPTY");
    when("deliveries.reschedule", "{" WINDOW "}");
    then_event("deliveries.rescheduled.v1", "{" WINDOW "}");
}

static void
test_back_to_the_sender(void **state)
{
    (void)state;
    one_on_its_way(PVZ);
    when("deliveries.return_to_sender", "{}");
    then_refused("DELIVERY_WRONG_STATE");
    given("deliveries.failed.v1",
          "{'reason':'REFUSED','failed_at':1795431900000,'attempt':1,"
          "'customer_id':'" CUSTOMER "','kind':'WB_TO_PVZ','day':'2026-11-23'}");
    then_owned_by(DRIVER, true); /* he has it aboard, and brings it back */
    when("deliveries.complete_return", "{}");
    then_refused_with("DELIVERY_WRONG_STATE", "{'status':'FAILED'}");
    when("deliveries.return_to_sender", "{}");
    then_event("deliveries.return_started.v1", "{}");
    when("deliveries.complete_return", "{}");
    then_event("deliveries.returned.v1", "{}");
    then_owned_by(DRIVER, false);
    then_released("delivery_box", "b-2");
    when("deliveries.link_call", "{'call_id':'" CALL "','direction':'IN'}");
    then_refused_with("DELIVERY_WRONG_STATE", "{'status':'RETURNED'}");
}

/* --- personal data forgotten ------------------------------------------------------------- */

/* What is read when a delivery's key is gone: empty strings at both places and in the proof. */
static void
test_a_forgotten_delivery_goes_on(void **state)
{
    static const char forgotten[] =
        "{'kind':'DBS_TO_BUYER','customer_id':'" CUSTOMER "',"
        "'from':{'lat_e6':55700000,'lon_e6':37600000,'name':'','address':'','phone_e164':''},"
        "'to':{'lat_e6':55750000,'lon_e6':37610000,'name':'','address':'','phone_e164':''}," WINDOW
        ",'boxes':[],'cod_kop':0,'price_kop':25000,'created_at':1795400000000}";

    (void)state;
    one_on_its_way(forgotten);
    when("deliveries.record_arrival", "{'arrived_at':1795431600000}");
    then_event("deliveries.arrived.v1", "{}");
    when("deliveries.complete", "{'pod':{'code':'741852','receiver':'','at':1795431900000}}");
    then_invalid("/pod/receiver"); /* nobody tells a tombstone */
    when("deliveries.complete", "{'pod':{'code':'741852','receiver':'Anna','at':1795431900000}}");
    then_event("deliveries.completed.v1", "{'pod':{'receiver':'Anna'}}");

    one_on_its_way(forgotten);
    when("deliveries.fail", "{'reason':'CUSTOMER_ABSENT','at':1795431900000}");
    then_event("deliveries.failed.v1", "{}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_forgotten_delivery_goes_on),
        cmocka_unit_test(test_an_order_claims_its_boxes),
        cmocka_unit_test(test_an_order_must_make_sense),
        cmocka_unit_test(test_boxes_are_added_never_replaced),
        cmocka_unit_test(test_long_barcodes_are_told_apart),
        cmocka_unit_test(test_so_many_boxes_and_no_more),
        cmocka_unit_test(test_another_window),
        cmocka_unit_test(test_cancelling_is_for_before_it_leaves),
        cmocka_unit_test(test_on_at_most_one_open_trip),
        cmocka_unit_test(test_it_leaves_with_its_trip),
        cmocka_unit_test(test_what_trips_say_becomes_commands),
        cmocka_unit_test(test_on_time_is_measured_at_arrival),
        cmocka_unit_test(test_a_buyer_gives_his_code),
        cmocka_unit_test(test_wildberries_takes_what_was_scanned),
        cmocka_unit_test(test_others_need_a_photo_or_a_signature),
        cmocka_unit_test(test_a_proof_is_given_at_the_place),
        cmocka_unit_test(test_some_boxes),
        cmocka_unit_test(test_the_rest_of_the_boxes),
        cmocka_unit_test(test_no_answer_needs_two_calls),
        cmocka_unit_test(test_failing_is_for_those_on_their_way),
        cmocka_unit_test(test_three_attempts_then_an_admin),
        cmocka_unit_test(test_back_to_the_sender),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
