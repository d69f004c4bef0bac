/* trip_live_test.c - a trip under way.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view trip_live_projection;

static void
test_stops_one_by_one(void **state)
{
    (void)state;
    a_trip_on_the_road(&trip_live_projection);
    then_row(TRIP, "{'status':'IN_TRANSIT','next_seq':1,'driver_id':'" DRIVER "',"
                   "'stops':[{'seq':1,'status':'PENDING','planned_arrival_at':1795423200000},"
                   "{'seq':2,'status':'PENDING'}],"
                   "'deliveries':[{'delivery_id':'" DELIVERY_1
                   "','stop_seq':1,'confirmed':true,'undelivered':false},"
                   "{'delivery_id':'" DELIVERY_2 "','confirmed':true}]}");
    projects("trips.remaining_reordered.v1", TRIP, "{'seqs':[2,1]}");
    then_row(TRIP, "{'next_seq':2,'stops':[{'seq':2},{'seq':1}]}");
    projects("trips.stop_arrived.v1", TRIP,
             "{'seq':2,'arrived_at':1795424700000,'planned_arrival_at':1795424400000,"
             "'late_s':300}");
    then_row(TRIP, "{'next_seq':1,'late_s':300,'stops':[{'seq':2,'status':'ARRIVED',"
                   "'arrived_at':1795424700000,'late_s':300},{'seq':1}]}");
    projects("trips.stop_completed.v1", TRIP,
             "{'seq':2,'completed_at':1795425000000,'delivery_ids':[],'undelivered':['" DELIVERY_2
             "']}");
    projects("trips.stop_skipped.v1", TRIP,
             "{'seq':1,'skipped_at':1795425100000,'reason':'NO_PASS','note':'gate','delivery_ids':"
             "[]}");
    then_row(TRIP, "{'next_seq':null,'stops':[{'seq':2,'status':'DONE',"
                   "'closed_at':1795425000000},"
                   "{'seq':1,'status':'SKIPPED','reason':'NO_PASS','note':'gate'}],"
                   "'deliveries':[{'undelivered':false},{'undelivered':true}]}");
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    then_row(TRIP, "{'status':'COMPLETED','visible_until_at':1796033400000}");
}

/* Three stops, the second skipped out of turn: it goes before what is still to be driven. */
static void
test_reordering_after_a_skip(void **state)
{
    (void)state;
    view_story(&trip_live_projection);
    projects("trips.trip_drafted.v1", TRIP, "{}");
    projects("trips.trip_planned.v1", TRIP,
             "{'planned_from_at':1,'planned_to_at':2,'loading_s':0,'planned_m':1,'planned_s':1,"
             "'driving_s':1,'return_distance_m':0,'return_duration_s':0,'stops':["
             "{'seq':1,'planned_arrival_at':1,'stop':" STOP_PLAN "},"
             "{'seq':2,'planned_arrival_at':1,'stop':" STOP_PLAN "},"
             "{'seq':3,'planned_arrival_at':1,'stop':" STOP_PLAN "}]}");
    projects("trips.stop_skipped.v1", TRIP,
             "{'seq':2,'skipped_at':1,'reason':'OTHER','delivery_ids':[]}");
    projects("trips.remaining_reordered.v1", TRIP, "{'seqs':[3,1]}");
    then_row(TRIP, "{'next_seq':3,'stops':[{'seq':2},{'seq':3},{'seq':1}]}");
}

static void
test_a_delivery_comes_off(void **state)
{
    (void)state;
    a_planned_trip(&trip_live_projection);
    projects("trips.delivery_removed.v1", TRIP,
             "{'delivery_id':'" DELIVERY_1 "','load_g':300,'load_ml':1000,'confirmed':true}");
    then_row(TRIP, "{'deliveries':[{'delivery_id':'" DELIVERY_2 "','confirmed':false}],"
                   "'visible_from_at':" NEVER "}");
}

static void
test_boxes_and_gps(void **state)
{
    (void)state;
    a_dispatched_trip(&trip_live_projection);
    projects("trips.boxes_recorded.v1", TRIP, "{'sorted':12,'loaded':11}");
    projects("trips.gps_recorded.v1", TRIP, "{'gps_m':777}");
    then_row(TRIP, "{'boxes_sorted':12,'boxes_loaded':11,'gps_m':777}");
    projects("trips.driver_refused.v1", TRIP, "{" RESOURCES ",'reason':'ill'}");
    then_row(TRIP, "{'status':'PLANNED','driver_id':null,'visible_from_at':" NEVER "}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_one_by_one),
        cmocka_unit_test(test_reordering_after_a_skip),
        cmocka_unit_test(test_a_delivery_comes_off),
        cmocka_unit_test(test_boxes_and_gps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
