/* trips_test.c - stories of a trip before and on the road.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/story_trips.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* --- the plan --------------------------------------------------------------------------- */

static void
test_a_draft_is_opened(void **state)
{
    (void)state;
    story(&trips_module, "trip");
    when("trips.draft", "{'name':'Koledino, morning'}");
    then_exactly("trips.trip_drafted.v1", "{'name':'Koledino, morning'}");
    then_nothing_more();
}

/* planned arrivals: 600 + 1800 = 2400 s and 2400 + 300 + 900 = 3600 s after the start;
 * 600 + 1800 + 300 + 900 + 600 + 1500 = 5700 s in all, 4200 of them at the wheel. */
static void
test_a_plan_adds_up(void **state)
{
    (void)state;
    a_draft();
    when("trips.plan", PLAN);
    then_event("trips.trip_planned.v1",
               "{'planned_m':50000,'planned_s':5700,'driving_s':4200,"
               "'planned_from_at':1795420800000,'planned_to_at':1795426500000,"
               "'stops':[{'seq':1,'planned_arrival_at':1795423200000},"
               "{'seq':2,'planned_arrival_at':1795424400000}]}");
    when("trips.plan", PLAN); /* as long as nothing is aboard, a plan may be replaced */
    then_event("trips.trip_planned.v1", "{'planned_m':50000}");
}

static void
test_a_plan_must_fit_its_times(void **state)
{
    (void)state;
    a_draft();
    when("trips.plan", "{'planned_from_at':1795420800000,'planned_to_at':1795424399999," STOPS "}");
    then_refused_with("TRIP_PLAN_TOO_SHORT", "{'needs_s':3600,'given_s':3599}");
    when("trips.plan", "{'planned_from_at':1795420800000,'return_duration_s':604800,'stops':["
                       "{'kind':'PVZ','distance_m':1,'duration_s':604800,'service_s':1},"
                       "{'kind':'PVZ','distance_m':1,'duration_s':604800,'service_s':1},"
                       "{'kind':'PVZ','distance_m':1,'duration_s':604800,'service_s':1},"
                       "{'kind':'PVZ','distance_m':1,'duration_s':604800,'service_s':1}]}");
    then_refused_with("TRIP_PLAN_TOO_LONG", "{'needs_s':3024004,'max_s':1209600}");
    when("trips.plan",
         "{'planned_from_at':1795420800000,'stops':[{'kind':'PVZ','distance_m':1,'duration_s':1,"
         "'service_s':1,'window_from_min':600,'window_to_min':600}]}");
    then_refused_with("TRIP_STOP_WINDOW", "{'seq':1}");
    when("trips.plan", "{'planned_from_at':1795420800000,'stops':[]}");
    then_invalid("/stops");
}

static void
test_a_plan_with_deliveries_stays(void **state)
{
    (void)state;
    a_load();
    when("trips.plan", PLAN);
    then_refused_with("TRIP_HAS_DELIVERIES", "{'count':3}");
}

/* --- deliveries --------------------------------------------------------------------------- */

static void
test_a_delivery_is_asked(void **state)
{
    (void)state;
    a_plan();
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 300000, 1000000, 100000));
    then_event("trips.delivery_added.v1", "{'delivery_id':'" DELIVERY_1 "','price_kop':100000}");
    then_sent("deliveries.plan", DELIVERY_1,
              "{'trip_id':'" STORY_STREAM "','stop_seq':1,'planned_arrival_at':1795423200000}");
    when_answer_from(DELIVERY_1, "trips.delivery_answered", "deliveries.plan", NULL, NULL);
    then_exactly("trips.delivery_confirmed.v1", "{'delivery_id':'" DELIVERY_1 "','version':1}");
    when_answer_from(DELIVERY_1, "trips.delivery_answered", "deliveries.plan", NULL, NULL);
    then_nothing_more();
    when("trips.add_delivery", DELIVER(DELIVERY_1, 2, CUSTOMER_A, 1, 1, 1));
    then_refused("TRIP_DELIVERY_ABOARD");
    when("trips.add_delivery", DELIVER(DELIVERY_2, 3, CUSTOMER_A, 1, 1, 1));
    then_refused_with("TRIP_STOP_UNKNOWN", "{'seq':3}");
}

/* A delivery is on at most one open trip: it says no, and comes off again. */
static void
test_a_delivery_of_another_trip_comes_off(void **state)
{
    (void)state;
    a_plan();
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 300000, 1000000, 100000));
    when_refusal_from(DELIVERY_1, "trips.delivery_answered", "deliveries.plan",
                      "DELIVERY_ON_OTHER_TRIP");
    then_event("trips.delivery_rejected.v1",
               "{'delivery_id':'" DELIVERY_1 "','load_g':300000,'code':'DELIVERY_ON_OTHER_TRIP'}");
    when_refusal_from(DELIVERY_1, "trips.delivery_answered", "deliveries.plan",
                      "DELIVERY_ON_OTHER_TRIP");
    then_nothing_more();
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 300000, 1000000, 100000));
    then_event("trips.delivery_added.v1", "{'delivery_id':'" DELIVERY_1 "'}");
}

static void
test_a_delivery_is_taken_off(void **state)
{
    (void)state;
    a_load();
    when("trips.remove_delivery", "{'delivery_id':'" DELIVERY_2 "','reason':'cancelled'}");
    then_event("trips.delivery_removed.v1",
               "{'delivery_id':'" DELIVERY_2 "','load_g':100000,'confirmed':true}");
    then_sent("deliveries.unplan", DELIVERY_2, "{'trip_id':'" STORY_STREAM "'}");
    when("trips.remove_delivery", "{'delivery_id':'" DELIVERY_2 "'}");
    then_refused("TRIP_DELIVERY_UNKNOWN");
    when("trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}");
    then_event("trips.assignment_requested.v1", "{'load_g':500000,'load_ml':1500000}");
}

/* It confirmed at its version 3: what is older belongs to an earlier stay on this trip. */
static void
test_a_delivery_leaves_by_itself(void **state)
{
    (void)state;
    a_load();
    reacts(&trips_module, "deliveries.unplanned.v1", "{'trip_id':'" ROUTE "'}");
    then_command("trips.drop_delivery", ROUTE, "{'delivery_id':'" STORY_STREAM "','version':1}");
    when("trips.drop_delivery", "{'delivery_id':'" DELIVERY_1 "','version':3}");
    then_nothing_more();
    when("trips.drop_delivery", "{'delivery_id':'" DELIVERY_1 "','version':4}");
    then_event("trips.delivery_removed.v1",
               "{'delivery_id':'" DELIVERY_1 "','load_g':300000,'confirmed':true}");
    when("trips.drop_delivery", "{'delivery_id':'" DELIVERY_1 "','version':4}");
    then_nothing_more();
    a_loading_trip();
    when("trips.drop_delivery", "{'delivery_id':'" DELIVERY_1 "','version':4}");
    then_nothing_more();
}

/* Its answer comes when the trip is cancelled: the delivery must not stay on it. */
static void
test_a_late_yes_is_released(void **state)
{
    (void)state;
    a_plan();
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 300000, 1000000, 100000));
    when("trips.cancel", "{'reason':'no goods'}");
    when_answer_from(DELIVERY_1, "trips.delivery_answered", "deliveries.plan", NULL, NULL);
    then_exactly("trips.delivery_released.v1", "{'delivery_id':'" DELIVERY_1 "'}");
    then_sent("deliveries.unplan", DELIVERY_1, "{'trip_id':'" STORY_STREAM "'}");
}

static void
test_a_trip_is_bounded(void **state)
{
    char text[512];

    (void)state;
    a_plan();
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof(text),
                       "{'delivery_id':'00000000-0000-4000-8000-%012d','stop_seq':1,"
                       "'customer_id':'00000000-0000-4000-8000-%012d','load_g':1,'load_ml':1}",
                       i + 1, i % 48 + 1);
        when("trips.add_delivery", text);
        then_event("trips.delivery_added.v1", "{}");
    }
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 1, 1, 1));
    then_refused_with("TRIP_FULL", "{'max':200}");
    when("trips.remove_delivery", "{'delivery_id':'00000000-0000-4000-8000-000000000001'}");
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 1, 1, 1));
    then_refused_with("TRIP_CUSTOMERS_FULL", "{'max':48}");
    when("trips.add_revenue",
         "{'kind':'FIXED','qty':1,'rate_kop':1,'customer_id':'" CUSTOMER_A "'}");
    then_refused("TRIP_CUSTOMERS_FULL");
}

/* --- vehicle and driver (P1) --------------------------------------------------------------- */

static void
test_an_assignment_is_asked_for(void **state)
{
    (void)state;
    a_load();
    when("trips.assign",
         "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "','co_driver_id':'" DRIVER "'}");
    then_refused("TRIP_SAME_DRIVER");
    when("trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}");
    then_event("trips.assignment_requested.v1",
               "{'attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
               "','planned_from_at':1795420800000,'planned_to_at':1795426500000,"
               "'load_g':600000,'load_ml':2000000,'driving_s':4200}");
    /* while ASSIGNING only cancel is allowed */
    when("trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}");
    then_refused_with("TRIP_WRONG_STATE", "{'status':'ASSIGNING'}");
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 1, 1, 1));
    then_refused("TRIP_WRONG_STATE");
    when("trips.plan", PLAN);
    then_refused("TRIP_WRONG_STATE");
    when("trips.dispatch", "{}");
    then_refused("TRIP_WRONG_STATE");
    when("trips.add_revenue", "{'kind':'FIXED','qty':1,'rate_kop':1}");
    then_refused("TRIP_WRONG_STATE");
}

static void
test_resources_are_confirmed(void **state)
{
    (void)state;
    an_asking_trip();
    when("trips.confirm_assignment", CONFIRM(INCIDENT)); /* of another attempt */
    then_refused("TRIP_NOT_RESERVED");
    when("trips.confirm_assignment", CONFIRM(ASSIGNMENT));
    then_event("trips.resources_assigned.v1",
               "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','attempt':1}");
    then_event("trips.profit_computed.v1", "{'stage':'ESTIMATED'}");
    then_nothing_more();
    when("trips.confirm_assignment", CONFIRM(ASSIGNMENT));
    then_refused("TRIP_NOT_RESERVED");
}

static void
test_a_failed_assignment_leads_back(void **state)
{
    (void)state;
    an_asking_trip();
    reacts(&trips_module, "assignment.failed.v1",
           "{'trip_id':'" ROUTE "','attempt':1,'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
           "','code':'VEHICLE_BUSY','detail':'busy','release_driver':true,"
           "'release_co_driver':false,'release_vehicle':false}");
    then_command("trips.fail_assignment", ROUTE,
                 "{'assignment_id':'" STORY_STREAM "','code':'VEHICLE_BUSY','detail':'busy'}");
    when("trips.fail_assignment",
         "{'assignment_id':'" INCIDENT "','code':'VEHICLE_BUSY','detail':'busy'}");
    then_nothing_more(); /* another attempt's: passed over */
    when("trips.fail_assignment",
         "{'assignment_id':'" ASSIGNMENT "','code':'VEHICLE_BUSY','detail':'busy'}");
    then_exactly("trips.assignment_failed.v1",
                 "{'assignment_id':'" ASSIGNMENT "','code':'VEHICLE_BUSY','detail':'busy'}");
    when("trips.fail_assignment",
         "{'assignment_id':'" ASSIGNMENT "','code':'VEHICLE_BUSY','detail':'busy'}");
    then_nothing_more();
    when("trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}");
    then_event("trips.assignment_requested.v1", "{'attempt':2}");
}

/* 600 kg are aboard; what the vehicle says it carries is 1 t and 5 m3. */
static void
test_cargo_fits_the_vehicle(void **state)
{
    (void)state;
    an_assigned_trip();
    when("trips.add_delivery", DELIVER(INCIDENT, 1, CUSTOMER_A, 400001, 1, 1));
    then_refused_with("TRIP_OVER_PAYLOAD", "{'load_g':1000001,'payload_g':1000000}");
    when("trips.add_delivery", DELIVER(INCIDENT, 1, CUSTOMER_A, 1, 3000001, 1));
    then_refused_with("TRIP_OVER_VOLUME", "{'load_ml':5000001,'cargo_ml':5000000}");
    when("trips.add_delivery", DELIVER(INCIDENT, 1, CUSTOMER_A, 400000, 3000000, 1));
    then_event("trips.delivery_added.v1", "{}");

    an_asking_trip();
    when("trips.confirm_assignment",
         "{'assignment_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
         "','payload_g':599999,'cargo_ml':5000000,'wear_kop_km':0,'fixed_kop_day':0,"
         "'norm_ml_100km':0,'pay':" PAY "}");
    then_refused("TRIP_OVER_PAYLOAD");
}

/* --- cancelling --------------------------------------------------------------------------- */

static void
test_cancelling_while_assigning_withdraws(void **state)
{
    (void)state;
    an_asking_trip();
    when("trips.cancel", "{'reason':'customer'}");
    then_exactly("trips.assignment_withdrawn.v1", "{'assignment_id':'" ASSIGNMENT "'}");
    then_exactly("trips.trip_cancelled.v1", "{'reason':'customer','delivery_ids':['" DELIVERY_1
                                            "','" DELIVERY_2 "','" DELIVERY_3 "']}");
    when("trips.confirm_assignment", CONFIRM(ASSIGNMENT));
    then_refused("TRIP_NOT_RESERVED");
    when("trips.fail_assignment",
         "{'assignment_id':'" ASSIGNMENT "','code':'VEHICLE_BUSY','detail':'busy'}");
    then_nothing_more();
}

static void
test_cancelling_frees_the_resources(void **state)
{
    (void)state;
    a_dispatched_trip();
    then_owned_by(DRIVER, true);
    when("trips.cancel", "{'reason':'customer'}");
    then_event("trips.trip_cancelled.v1", "{'reservation_id':'" ASSIGNMENT
                                          "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}");
    then_nothing_more();
    then_owned_by(DRIVER, false);
    when("trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'}");
    then_refused_with("TRIP_WRONG_STATE", "{'status':'CANCELLED'}");
    a_loading_trip();
    when("trips.cancel", "{'reason':'customer'}");
    then_refused_with("TRIP_WRONG_STATE", "{'status':'LOADING'}");
}

/* --- dispatch ------------------------------------------------------------------------------ */

static void
test_dispatch_waits_for_the_deliveries(void **state)
{
    (void)state;
    an_assigned_trip();
    then_owned_by(DRIVER, false);
    when("trips.add_delivery", DELIVER(INCIDENT, 1, CUSTOMER_A, 1, 1, 1));
    when("trips.dispatch", "{}");
    then_refused_with("TRIP_DELIVERIES_AWAITED", "{'count':1}");
    when_answer_from(INCIDENT, "trips.delivery_answered", "deliveries.plan", NULL, NULL);
    when("trips.dispatch", "{}");
    then_event("trips.trip_dispatched.v1", "{'driver_id':'" DRIVER "'}");
    then_event("trips.profit_computed.v1", "{'stage':'ESTIMATED'}");
    then_owned_by(DRIVER, true);
    then_owned_by(CO_DRIVER, false);
}

static void
test_a_driver_may_refuse(void **state)
{
    (void)state;
    a_dispatched_trip();
    as_driver(DRIVER);
    when("trips.refuse", "{'reason':'ill'}");
    then_exactly("trips.driver_refused.v1",
                 "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE
                 "','driver_id':'" DRIVER "','reason':'ill'}");
    then_owned_by(DRIVER, false);
    as_role("DISPATCHER");
    when("trips.assign", "{'vehicle_id':'" VEHICLE "','driver_id':'" CO_DRIVER "'}");
    then_event("trips.assignment_requested.v1", "{'attempt':2}");
}

static void
test_loading_begins_once(void **state)
{
    (void)state;
    a_dispatched_trip();
    when("trips.start_loading", "{}");
    then_refused_with("TRIP_WRONG_STATE", "{'status':'DISPATCHED'}");
    when("trips.accept", "{}");
    then_exactly("trips.trip_accepted.v1", "{'driver_id':'" DRIVER "'}");
    when("trips.refuse", "{'reason':'too late'}");
    then_refused("TRIP_WRONG_STATE");
    when("trips.start_loading", "{}");
    then_event("trips.loading_started.v1", "{'vehicle_id':'" VEHICLE "'}");
    when("trips.start_loading", "{}");
    then_refused("TRIP_LOADING_STARTED");
}

/* --- the road ----------------------------------------------------------------------------------
 */

static void
test_departure_needs_the_boxes(void **state)
{
    (void)state;
    a_loading_trip();
    when("trips.record_boxes", "{'sorted':12,'loaded':11}");
    then_exactly("trips.boxes_recorded.v1", "{'sorted':12,'loaded':11}");
    when("trips.depart", "{'odometer_m':1000000}");
    then_refused_with("TRIP_BOXES_MISSING", "{'sorted':12,'loaded':11}");
    when("trips.depart", "{'odometer_m':1000000,'short_load':true}");
    then_event("trips.trip_departed.v1",
               "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
               "','odometer_m':1000000,'departed_at':1795420800000,'day':'2026-11-23',"
               "'short_load':true,'utc_offset_min':180}");
}

/* 21:30 UTC is half past midnight in Moscow: the next day's. The device knows the time. */
static void
test_the_day_is_local(void **state)
{
    (void)state;
    a_loading_trip();
    at_date("2026-11-24T05:00:00Z");
    device_at(INT64_C(1795469400000)); /* 2026-11-23T21:30:00Z */
    when("trips.depart", "{'odometer_m':1000000}");
    then_event("trips.trip_departed.v1", "{'departed_at':1795469400000,'day':'2026-11-24'}");
}

/* Planned at 08:40 and 09:00; here at 08:45: 300 s late. */
static void
test_stops_are_driven_in_order(void **state)
{
    (void)state;
    a_trip_on_the_road();
    at_time(T0 + 2700000);
    when("trips.arrive_stop", "{'seq':2}");
    then_refused_with("TRIP_STOP_ORDER", "{'next_seq':1}");
    when("trips.arrive_stop", "{'seq':3}");
    then_refused_with("TRIP_STOP_UNKNOWN", "{'seq':3}");
    when("trips.complete_stop", "{'seq':1}");
    then_refused_with("TRIP_STOP_STATE", "{'seq':1,'status':'PENDING'}");
    when("trips.arrive_stop", "{'seq':1}");
    then_exactly("trips.stop_arrived.v1",
                 "{'seq':1,'arrived_at':1795423500000,'planned_arrival_at':1795423200000,"
                 "'late_s':300}");
    when("trips.arrive_stop", "{'seq':1}");
    then_refused_with("TRIP_STOP_STATE", "{'seq':1,'status':'ARRIVED'}");
    when("trips.arrive_stop", "{'seq':2}");
    then_refused_with("TRIP_STOP_OPEN", "{'seq':1}");
    when("trips.complete_stop", "{'seq':1,'undelivered':['" DELIVERY_3 "']}");
    then_refused_with("TRIP_DELIVERY_ELSEWHERE", "{'seq':1}");
    when("trips.complete_stop", "{'seq':1,'undelivered':['" INCIDENT "']}");
    then_refused("TRIP_DELIVERY_UNKNOWN");
    when("trips.complete_stop", "{'seq':1,'undelivered':['" DELIVERY_2 "']}");
    then_exactly("trips.stop_completed.v1",
                 "{'seq':1,'completed_at':1795423500000,'delivery_ids':['" DELIVERY_1
                 "'],'undelivered':['" DELIVERY_2 "']}");
    when("trips.finish", "{'odometer_m':1052000}");
    then_refused_with("TRIP_STOPS_PENDING", "{'count':1}");
    when("trips.skip_stop", "{'seq':2,'reason':'NO_PASS','note':'not ordered'}");
    then_event("trips.stop_skipped.v1",
               "{'seq':2,'reason':'NO_PASS','delivery_ids':['" DELIVERY_3 "']}");
    when("trips.skip_stop", "{'seq':2,'reason':'NO_PASS'}");
    then_refused_with("TRIP_STOP_STATE", "{'seq':2,'status':'SKIPPED'}");
}

static void
test_a_stop_may_fail(void **state)
{
    (void)state;
    a_trip_on_the_road();
    when("trips.fail_stop", "{'seq':1,'reason':'GATE_CLOSED'}");
    then_refused("TRIP_STOP_STATE");
    when("trips.arrive_stop", "{'seq':1}");
    when("trips.fail_stop", "{'seq':1,'reason':'GATE_CLOSED'}");
    then_event("trips.stop_failed.v1",
               "{'seq':1,'reason':'GATE_CLOSED','delivery_ids':['" DELIVERY_1 "','" DELIVERY_2
               "']}");
}

static void
test_the_rest_may_be_reordered(void **state)
{
    (void)state;
    a_trip_on_the_road();
    when("trips.reorder_remaining", "{'seqs':[2]}");
    then_refused_with("TRIP_REORDER_INCOMPLETE", "{'pending':2}");
    when("trips.reorder_remaining", "{'seqs':[2,2]}");
    then_invalid("/seqs/1");
    when("trips.reorder_remaining", "{'seqs':[2,1]}");
    then_exactly("trips.remaining_reordered.v1", "{'seqs':[2,1]}");
    when("trips.arrive_stop", "{'seq':1}");
    then_refused_with("TRIP_STOP_ORDER", "{'next_seq':2}");
    when("trips.arrive_stop", "{'seq':2}");
    then_event("trips.stop_arrived.v1", "{'seq':2}");
    when("trips.reorder_remaining", "{'seqs':[2]}");
    then_refused_with("TRIP_STOP_STATE", "{'seq':2,'status':'ARRIVED'}");
    when("trips.complete_stop", "{'seq':2}");
    when("trips.arrive_stop", "{'seq':1}");
    then_event("trips.stop_arrived.v1", "{'seq':1}");
}

static void
test_the_end_tells_how_punctual_it_was(void **state)
{
    (void)state;
    a_trip_on_the_road();
    when("trips.arrive_stop", "{'seq':1}");
    when("trips.complete_stop", "{'seq':1}");
    at_time(T0 + 600000 + 7200000);
    when("trips.arrive_stop", "{'seq':2}"); /* late */
    when("trips.complete_stop", "{'seq':2}");
    when("trips.finish", "{'odometer_m':1052000}");
    then_event("trips.trip_completed.v1",
               "{'stops_arrived':2,'stops_on_time':1,'stops_damaged':0}");
}

static void
test_the_end_tells_what_was_damaged(void **state)
{
    (void)state;
    a_trip_on_the_road();
    when("trips.arrive_stop", "{'seq':1}");
    when("trips.fail_stop", "{'seq':1,'reason':'DAMAGED'}");
    when("trips.arrive_stop", "{'seq':2}");
    when("trips.fail_stop", "{'seq':2,'reason':'GATE_CLOSED'}");
    when("trips.finish", "{'odometer_m':1052000}");
    then_event("trips.trip_completed.v1", "{'stops_arrived':2,'stops_damaged':1}");
}

static void
test_the_odometer_is_believed_within_reason(void **state)
{
    (void)state;
    a_driven_trip();
    when("trips.finish", "{'odometer_m':999999}");
    then_refused_with("TRIP_ODOMETER_BACK", "{'start_m':1000000}");
    when("trips.record_gps", "{'gps_m':50000}");
    then_exactly("trips.gps_recorded.v1", "{'gps_m':50000}");
    when("trips.finish", "{'odometer_m':1055001}"); /* more than a tenth apart */
    then_refused_with("TRIP_ODOMETER_DEVIATES", "{'driven_m':55001,'gps_m':50000}");
    when("trips.finish", "{'odometer_m':1044999}");
    then_refused("TRIP_ODOMETER_DEVIATES");
    when("trips.finish", "{'odometer_m':1055001,'reason':'tunnel'}");
    then_event("trips.trip_completed.v1",
               "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
               "','odometer_m':1055001,'driven_m':55001,'duration_s':7200,'day':'2026-11-23',"
               "'gps_m':50000,'stops_arrived':2,'stops_on_time':2,'reason':'tunnel'}");
    then_event("trips.profit_computed.v1", "{'stage':'PROVISIONAL'}");
    then_nothing_more();
    /* v5(VEHICLE, "day:2026-11-23") collects the seconds */
    then_sent("trips.count_day_seconds", "f23efeac-cfdb-5f73-be59-8e16fbb74a51",
              "{'trip_id':'" STORY_STREAM "','vehicle_id':'" VEHICLE
              "','day':'2026-11-23','fixed_kop_day':300000,'duration_s':7200}");
    then_wakes_at("trips.settlement_due", T0 + 7800000 + 3 * DAY_MS);
    then_owned_by(DRIVER, true);
}

/* What a device sends late is taken where the order of states allows, else it is STALE. */
static void
test_late_messages_of_a_device(void **state)
{
    (void)state;
    a_trip_on_the_road();
    device_at(T0 + 700000);
    at_time(T0 + 5000000);
    when("trips.arrive_stop", "{'seq':1}");
    then_event("trips.stop_arrived.v1", "{'arrived_at':1795421500000}");
    device_at(T0 + 100000);
    when("trips.accept", "{}");
    then_refused("STALE");
    device_at(0);
    when("trips.accept", "{}");
    then_refused("TRIP_WRONG_STATE");

    a_driven_trip();
    device_at(T0);
    when("trips.finish", "{'odometer_m':1052000}");
    then_refused("STALE");
}

static void
test_aborting_on_the_road(void **state)
{
    (void)state;
    a_trip_on_the_road();
    when("trips.arrive_stop", "{'seq':1}");
    when("trips.complete_stop", "{'seq':1,'undelivered':['" DELIVERY_2 "']}");
    when("trips.record_gps", "{'gps_m':21000}");
    later_ms(3600000);
    when("trips.abort", "{'reason':'gearbox','odometer_m':1}");
    then_refused("TRIP_ODOMETER_BACK");
    device_at(T0);
    when("trips.abort", "{'reason':'gearbox'}");
    then_refused("STALE");
    device_at(0);
    when("trips.abort", "{'reason':'gearbox'}");
    then_event("trips.trip_aborted.v1",
               "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER
               "','driven_m':21000,'duration_s':3600,'day':'2026-11-23',"
               "'delivery_ids':['" DELIVERY_2 "','" DELIVERY_3 "']}");
    then_event("trips.profit_computed.v1", "{'stage':'PROVISIONAL'}");
    then_sent("trips.count_day_seconds", NULL, "{'duration_s':3600}");
}

static void
test_a_trip_that_never_left(void **state)
{
    (void)state;
    a_loading_trip();
    when("trips.abort", "{'reason':'no goods'}");
    then_event("trips.trip_aborted.v1", "{'driven_m':0,'duration_s':0,'day':'2026-11-23'}");
    /* no metre, no second, no stop: no cost */
    then_event("trips.profit_computed.v1",
               "{'stage':'PROVISIONAL','profit':{'revenue_kop':0,'cost_kop':0,'profit_kop':0}}");
    when("trips.settle", "{}"); /* no day to ask: settled at once */
    then_event("trips.settlement_requested.v1", "{'automatic':false}");
    then_event("trips.trip_settled.v1", "{'profit':{'profit_kop':0},'customers':[]}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_draft_is_opened),
        cmocka_unit_test(test_a_plan_adds_up),
        cmocka_unit_test(test_a_plan_must_fit_its_times),
        cmocka_unit_test(test_a_plan_with_deliveries_stays),
        cmocka_unit_test(test_a_delivery_is_asked),
        cmocka_unit_test(test_a_delivery_of_another_trip_comes_off),
        cmocka_unit_test(test_a_delivery_is_taken_off),
        cmocka_unit_test(test_a_delivery_leaves_by_itself),
        cmocka_unit_test(test_a_late_yes_is_released),
        cmocka_unit_test(test_a_trip_is_bounded),
        cmocka_unit_test(test_an_assignment_is_asked_for),
        cmocka_unit_test(test_resources_are_confirmed),
        cmocka_unit_test(test_a_failed_assignment_leads_back),
        cmocka_unit_test(test_cargo_fits_the_vehicle),
        cmocka_unit_test(test_cancelling_while_assigning_withdraws),
        cmocka_unit_test(test_cancelling_frees_the_resources),
        cmocka_unit_test(test_dispatch_waits_for_the_deliveries),
        cmocka_unit_test(test_a_driver_may_refuse),
        cmocka_unit_test(test_loading_begins_once),
        cmocka_unit_test(test_departure_needs_the_boxes),
        cmocka_unit_test(test_the_day_is_local),
        cmocka_unit_test(test_stops_are_driven_in_order),
        cmocka_unit_test(test_a_stop_may_fail),
        cmocka_unit_test(test_the_rest_may_be_reordered),
        cmocka_unit_test(test_the_end_tells_how_punctual_it_was),
        cmocka_unit_test(test_the_end_tells_what_was_damaged),
        cmocka_unit_test(test_the_odometer_is_believed_within_reason),
        cmocka_unit_test(test_late_messages_of_a_device),
        cmocka_unit_test(test_aborting_on_the_road),
        cmocka_unit_test(test_a_trip_that_never_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
