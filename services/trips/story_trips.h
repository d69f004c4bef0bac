/* story_trips.h - the trip that the stories of this folder tell of.
 * Two stops for two customers, 50 km, from 08:00 UTC:
 *   loading 600 s; stop 1 after 20 km, 1800 s, 300 s of work; stop 2 after 10 km, 900 s, 600 s;
 *   back 20 km, 1500 s. On the road 5100 s, at the wheel 4200 s; with loading 5700 s.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_TRIPS_STORY_TRIPS_H
#define SERVICES_TRIPS_STORY_TRIPS_H

#include "tests/support/story.h"

extern const bus_module trips_module;

#define T0 INT64_C(1795420800000) /* 2026-11-23T08:00:00Z, when stories begin */
#define DAY_MS INT64_C(86400000)

#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define CO_DRIVER "00000000-0000-4000-8000-0000000000d2"
#define ROUTE "00000000-0000-4000-8000-0000000000c1"
#define CUSTOMER_A "00000000-0000-4000-8000-0000000000a1"
#define CUSTOMER_B "00000000-0000-4000-8000-0000000000a2"
#define DELIVERY_1 "00000000-0000-4000-8000-0000000000e1"
#define DELIVERY_2 "00000000-0000-4000-8000-0000000000e2"
#define DELIVERY_3 "00000000-0000-4000-8000-0000000000e3"
#define ASSIGNMENT "00000000-0000-4000-8000-000000000051"
#define INCIDENT "00000000-0000-4000-8000-000000000061"
#define FUELLING "00000000-0000-4000-8000-000000000071"

#define STOPS                                                                       \
    "'stops':[{'kind':'PVZ','distance_m':20000,'duration_s':1800,'service_s':300}," \
    "{'kind':'PVZ','distance_m':10000,'duration_s':900,'service_s':600}]"
#define PLAN                                                                                     \
    "{'route_id':'" ROUTE "','route_version':3,'planned_from_at':1795420800000,'loading_s':600," \
    "'return_distance_m':20000,'return_duration_s':1500," STOPS "}"
#define DELIVER(id, seq, customer, load_g, load_ml, price)                                       \
    "{'delivery_id':'" id "','stop_seq':" #seq ",'customer_id':'" customer "','load_g':" #load_g \
    ",'load_ml':" #load_ml ",'boxes':1,'price_kop':" #price "}"
/* Pay: 1000 roubles a trip, 5 a kilometre, 100 a stop, 200 an hour, 5 % of revenue. */
#define PAY                                                                               \
    "{'per_trip_kop':100000,'per_km_kop':500,'per_point_kop':10000,'per_hour_kop':20000," \
    "'pct_bp':500}"
#define NO_PAY "{'per_trip_kop':0,'per_km_kop':0,'per_point_kop':0,'per_hour_kop':0,'pct_bp':0}"
/* Vehicle: 1 t, 5 m3, wear 3 roubles a kilometre, 3000 a day, 12 litres per 100 km. */
#define VEHICLE_TERMS                                                                  \
    "'payload_g':1000000,'cargo_ml':5000000,'wear_kop_km':300,'fixed_kop_day':300000," \
    "'norm_ml_100km':12000"
#define ASSIGNED(pay)                                                                    \
    "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER \
    "'," VEHICLE_TERMS ",'pay':" pay ",'attempt':1,'planned_from_at':1795420800000,"     \
    "'planned_to_at':1795426500000}"
#define CONFIRM(id)                                                                                \
    "{'assignment_id':'" id "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'," VEHICLE_TERMS \
    ",'pay':" PAY "}"

/* Steps that lead to where a story begins. Each does the one before it first. */
static inline void
a_draft(void)
{
    story(&trips_module, "trip");
    when("trips.draft", "{}");
}

static inline void
a_plan(void)
{
    a_draft();
    when("trips.plan", PLAN);
}

/* Two deliveries of A at stop 1, one of B at stop 2: 1000 + 500 and 700 roubles. */
static inline void
a_load(void)
{
    a_plan();
    when("trips.add_delivery", DELIVER(DELIVERY_1, 1, CUSTOMER_A, 300000, 1000000, 100000));
    when("trips.add_delivery", DELIVER(DELIVERY_2, 1, CUSTOMER_A, 100000, 500000, 50000));
    when("trips.add_delivery", DELIVER(DELIVERY_3, 2, CUSTOMER_B, 200000, 500000, 70000));
    given("trips.delivery_confirmed.v1", "{'delivery_id':'" DELIVERY_1 "','version':3}");
    given("trips.delivery_confirmed.v1", "{'delivery_id':'" DELIVERY_2 "','version':3}");
    given("trips.delivery_confirmed.v1", "{'delivery_id':'" DELIVERY_3 "','version':3}");
}

#define REQUESTED                                                                               \
    "{'assignment_id':'" ASSIGNMENT "','attempt':1,'vehicle_id':'" VEHICLE                      \
    "','driver_id':'" DRIVER "','planned_from_at':1795420800000,'planned_to_at':1795426500000," \
    "'load_g':600000,'load_ml':2000000,'driving_s':4200}"

static inline void
an_asking_trip(void)
{
    a_load();
    given("trips.assignment_requested.v1", REQUESTED);
}

static inline void
an_assigned_trip(void)
{
    an_asking_trip();
    given("trips.resources_assigned.v1", ASSIGNED(PAY));
}

static inline void
a_dispatched_trip(void)
{
    an_assigned_trip();
    when("trips.dispatch", "{}");
}

static inline void
a_loading_trip(void)
{
    a_dispatched_trip();
    when("trips.accept", "{}");
}

/* Leaves at 08:10. */
static inline void
a_trip_on_the_road(void)
{
    a_loading_trip();
    at_time(T0 + 600000);
    when("trips.depart", "{'odometer_m':1000000}");
}

/* Both stops done; two hours on the road. */
static inline void
a_driven_trip(void)
{
    a_trip_on_the_road();
    when("trips.arrive_stop", "{'seq':1}");
    when("trips.complete_stop", "{'seq':1}");
    when("trips.arrive_stop", "{'seq':2}");
    when("trips.complete_stop", "{'seq':2}");
    at_time(T0 + 600000 + 7200000);
}

/* 52 km in two hours. */
static inline void
a_finished_trip(void)
{
    a_driven_trip();
    when("trips.finish", "{'odometer_m':1052000}");
}

/* With a share of 1800 roubles of the vehicle's day. */
static inline void
a_settled_trip(void)
{
    a_finished_trip();
    when("trips.settle", "{}");
    when_answer_from(VEHICLE, "trips.day_frozen", "trips.freeze_day_share",
                     "trips.day_share_frozen.v1",
                     "{'trip_id':'" STORY_STREAM "','share_kop':180000}");
}

#endif
