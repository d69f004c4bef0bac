/* story_trip.h - the events of one trip, for the stories of its views: two stops, a delivery at
 * each, assigned, dispatched, under way.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STORY_TRIP_H
#define PROJECTIONS_STORY_TRIP_H

#include "projections/story_profit.h"

#define DELIVERY_1 "00000000-0000-4000-8000-0000000000e1"
#define DELIVERY_2 "00000000-0000-4000-8000-0000000000e2"
#define ASSIGNMENT "00000000-0000-4000-8000-000000000051"
#define NEVER "253402300799999"

#define RESOURCES \
    "'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "'"
#define STOP_PLAN "{'kind':'PVZ','distance_m':20000,'duration_s':1800,'service_s':300}"

static inline void
a_planned_trip(const bus_view *view)
{
    view_story(view);
    projects("trips.trip_drafted.v1", TRIP, "{'name':'morning'}");
    projects("trips.trip_planned.v1", TRIP,
             "{'route_id':'" ROUTE "','route_version':3,'planned_from_at':1795420800000,"
             "'planned_to_at':1795426500000,'loading_s':600,'planned_m':50000,'planned_s':5700,"
             "'driving_s':4200,'return_distance_m':10000,'return_duration_s':600,'stops':["
             "{'seq':1,'planned_arrival_at':1795423200000,'stop':" STOP_PLAN "},"
             "{'seq':2,'planned_arrival_at':1795424400000,'stop':" STOP_PLAN "}]}");
    projects("trips.delivery_added.v1", TRIP,
             "{'delivery_id':'" DELIVERY_1 "','stop_seq':1,'customer_id':'" CUSTOMER_A
             "','load_g':300,'load_ml':1000,'boxes':1,'price_kop':150000}");
    projects("trips.delivery_added.v1", TRIP,
             "{'delivery_id':'" DELIVERY_2 "','stop_seq':2,'customer_id':'" CUSTOMER_B
             "','load_g':200,'load_ml':500,'boxes':2,'price_kop':70000}");
    projects("trips.delivery_confirmed.v1", TRIP, "{'delivery_id':'" DELIVERY_1 "','version':3}");
}

static inline void
an_assigned_trip(const bus_view *view)
{
    a_planned_trip(view);
    projects("trips.delivery_confirmed.v1", TRIP, "{'delivery_id':'" DELIVERY_2 "','version':3}");
    projects("trips.assignment_requested.v1", TRIP,
             "{'assignment_id':'" ASSIGNMENT "','attempt':1,'vehicle_id':'" VEHICLE
             "','driver_id':'" DRIVER "','planned_from_at':1795420800000,"
             "'planned_to_at':1795426500000,'load_g':500,'load_ml':1500,'driving_s':4200}");
    projects("trips.resources_assigned.v1", TRIP,
             "{" RESOURCES ",'payload_g':1000,'cargo_ml':5000,'wear_kop_km':300,"
             "'fixed_kop_day':300000,'norm_ml_100km':12000,'pay':{'per_trip_kop':0,"
             "'per_km_kop':0,'per_point_kop':0,'per_hour_kop':0,'pct_bp':0},'attempt':1,"
             "'planned_from_at':1795420800000,'planned_to_at':1795426500000}");
}

static inline void
a_dispatched_trip(const bus_view *view)
{
    an_assigned_trip(view);
    projects("trips.trip_dispatched.v1", TRIP, "{" RESOURCES ",'planned_from_at':1795420800000}");
}

static inline void
a_trip_on_the_road(const bus_view *view)
{
    a_dispatched_trip(view);
    projects("trips.trip_accepted.v1", TRIP, "{'driver_id':'" DRIVER "'}");
    projects(
        "trips.trip_departed.v1", TRIP,
        "{" RESOURCES ",'odometer_m':1000000,'departed_at':1795421400000,"
        "'day':'2026-11-23','utc_offset_min':180,'short_load':false,'delivery_ids':['" DELIVERY_1
        "','" DELIVERY_2 "']}");
}

#define COMPLETED                                                                       \
    "{" RESOURCES ",'odometer_m':1052000,'driven_m':52000,'departed_at':1795421400000," \
    "'finished_at':1795428600000,'duration_s':7200,'day':'2026-11-23','delivery_ids':[]}"

#endif
