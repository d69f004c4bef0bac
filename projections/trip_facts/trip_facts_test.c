/* trip_facts_test.c - plan and fact side by side.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view trip_facts_projection;

#define COMPUTED(stage, fuel)               \
    "{'stage':'" stage "','profit':" PROFIT \
    ",'distance_m':0,'duration_s':0,'points':0,'fuel_ml':" #fuel ",'fuel_litre_kop':5800}"

static void
test_plan_and_fact(void **state)
{
    (void)state;
    an_assigned_trip(&trip_facts_projection);
    projects("trips.profit_computed.v1", TRIP, COMPUTED("ESTIMATED", 6000));
    then_row(TRIP, "{'planned_m':50000,'planned_s':5100,'stops_planned':2,"
                   "'deliveries_planned':2,'fuel_norm_ml':6000,'fuel_ml':null,'day':null}");
    projects("trips.trip_departed.v1", TRIP,
             "{" RESOURCES ",'odometer_m':1000000,'departed_at':1795421400000,"
             "'day':'2026-11-23','utc_offset_min':180,'short_load':false,'delivery_ids':[]}");
    projects("trips.stop_arrived.v1", TRIP,
             "{'seq':1,'arrived_at':1,'planned_arrival_at':1,'late_s':0}");
    projects("trips.stop_completed.v1", TRIP,
             "{'seq':1,'completed_at':1,'delivery_ids':['" DELIVERY_1 "'],'undelivered':[]}");
    projects("trips.stop_arrived.v1", TRIP,
             "{'seq':2,'arrived_at':2001,'planned_arrival_at':1,'late_s':2}");
    projects("trips.stop_failed.v1", TRIP,
             "{'seq':2,'failed_at':1,'reason':'GATE_CLOSED','delivery_ids':['" DELIVERY_2 "']}");
    projects("trips.gps_recorded.v1", TRIP, "{'gps_m':51000}");
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    projects("trips.profit_computed.v1", TRIP, COMPUTED("PROVISIONAL", 6240));
    then_row(TRIP, "{'status':'COMPLETED','day':'2026-11-23','driven_m':52000,'gps_m':51000,"
                   "'driven_s':7200,'stops_done':1,'stops_failed':1,'stops_skipped':0,"
                   "'stops_on_time':1,'late_s':2,'deliveries_handed':1,'fuel_ml':6240}");
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(TRIP, "{'status':'SETTLED','fuel_ml':6240}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_and_fact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
