/* trips_test.c - the dispatch board.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view trips_projection;

static void
test_a_plan_with_deliveries(void **state)
{
    (void)state;
    a_planned_trip(&trips_projection);
    then_row(TRIP, "{'name':'morning','status':'PLANNED','route_id':'" ROUTE
                   "','stops':2,'stops_closed':0,'deliveries':2,'deliveries_awaited':1,"
                   "'load_g':500,'load_ml':1500,'planned_m':50000,'planned_s':5700,"
                   "'drafted_at':1795420800000,'vehicle_id':null}");
    projects("trips.delivery_rejected.v1", TRIP,
             "{'delivery_id':'" DELIVERY_2 "','load_g':200,'load_ml':500,'code':'DELIVERY_BUSY',"
             "'detail':'busy'}");
    then_row(TRIP, "{'deliveries':1,'deliveries_awaited':0,'load_g':300,'load_ml':1000,"
                   "'failure_code':'DELIVERY_BUSY'}");
    projects("trips.delivery_removed.v1", TRIP,
             "{'delivery_id':'" DELIVERY_1 "','load_g':300,'load_ml':1000,'confirmed':true}");
    then_row(TRIP, "{'deliveries':0,'deliveries_awaited':0,'load_g':0,'load_ml':0}");
}

/* The driver sees it from dispatch until seven days after its end, and not before. */
static void
test_the_drivers_scope(void **state)
{
    (void)state;
    an_assigned_trip(&trips_projection);
    then_row(TRIP, "{'status':'ASSIGNED','driver_id':'" DRIVER "','reservation_id':'" ASSIGNMENT
                   "','visible_from_at':" NEVER ",'visible_until_at':" NEVER "}");
    a_dispatched_trip(&trips_projection);
    then_row(TRIP, "{'status':'DISPATCHED','visible_from_at':1795420800000,"
                   "'visible_until_at':" NEVER "}");
    a_trip_on_the_road(&trips_projection);
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    then_row(TRIP, "{'status':'COMPLETED','visible_from_at':1795420800000,"
                   "'visible_until_at':1796033400000,'finished_at':1795428600000}");
    a_dispatched_trip(&trips_projection);
    projects("trips.driver_refused.v1", TRIP, "{" RESOURCES ",'reason':'ill'}");
    then_row(TRIP, "{'status':'PLANNED','driver_id':null,'visible_from_at':" NEVER
                   ",'failure_code':'DRIVER_REFUSED','failure_detail':'ill'}");
}

static void
test_a_failed_assignment(void **state)
{
    (void)state;
    a_planned_trip(&trips_projection);
    projects("trips.assignment_requested.v1", TRIP,
             "{'assignment_id':'" ASSIGNMENT "','attempt':1,'vehicle_id':'" VEHICLE
             "','driver_id':'" DRIVER "','planned_from_at':1795420800000,"
             "'planned_to_at':1795426500000,'load_g':500,'load_ml':1500,'driving_s':4200}");
    then_row(TRIP, "{'status':'ASSIGNING','vehicle_id':'" VEHICLE "','reservation_id':null}");
    projects("trips.assignment_failed.v1", TRIP,
             "{'assignment_id':'" ASSIGNMENT "','code':'VEHICLE_BUSY','detail':'busy'}");
    then_row(TRIP, "{'status':'PLANNED','vehicle_id':null,'failure_code':'VEHICLE_BUSY',"
                   "'failure_detail':'busy'}");
    projects("trips.trip_cancelled.v1", TRIP, "{'reason':'x','delivery_ids':[]}");
    then_row(TRIP, "{'status':'CANCELLED'}");
}

static void
test_to_the_end(void **state)
{
    (void)state;
    a_trip_on_the_road(&trips_projection);
    then_row(TRIP, "{'status':'IN_TRANSIT','day':'2026-11-23','departed_at':1795421400000}");
    projects("trips.stop_completed.v1", TRIP,
             "{'seq':1,'completed_at':1,'delivery_ids':[],'undelivered':[]}");
    projects("trips.stop_skipped.v1", TRIP,
             "{'seq':2,'skipped_at':1,'reason':'OTHER','delivery_ids':[]}");
    projects("trips.cost_added.v1", TRIP, "{'cost_no':1,'kind':'TOLL','amount_kop':5}");
    then_row(TRIP, "{'stops_closed':2,'costs_pending':1}");
    projects("trips.trip_aborted.v1", TRIP,
             "{" RESOURCES ",'driven_m':1,'finished_at':1795428600000,'duration_s':1,"
             "'day':'2026-11-23','utc_offset_min':180,'reason':'x','delivery_ids':[]}");
    then_row(TRIP, "{'status':'ABORTED'}");
    projects("trips.settlement_postponed.v1", TRIP,
             "{'code':'TRIP_COSTS_UNAPPROVED','retry_at':1,'attempt':1}");
    then_row(TRIP, "{'failure_code':'TRIP_COSTS_UNAPPROVED'}");
    projects("trips.cost_approved.v1", TRIP, "{'cost_no':1,'amount_kop':5}");
    projects("trips.settlement_requested.v1", TRIP, "{'automatic':true}");
    then_row(TRIP, "{'settling':true,'costs_pending':0}");
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(TRIP, "{'status':'SETTLED','settling':false,'failure_code':null}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plan_with_deliveries),
        cmocka_unit_test(test_the_drivers_scope),
        cmocka_unit_test(test_a_failed_assignment),
        cmocka_unit_test(test_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
