/* stop_service_days_test.c - time at stops against the plan.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view stop_service_days_projection;

#define AT INT64_C(1795421400000)
#define PLANNED                                                            \
    "{'planned_from_at':1795420800000,'planned_to_at':1795426500000,"      \
    "'loading_s':600,'planned_m':50000,'planned_s':5700,'driving_s':4200," \
    "'return_distance_m':10000,'return_duration_s':600,'stops':["          \
    "{'seq':1,'planned_arrival_at':1795423200000,'stop':" STOP_PLAN "},"   \
    "{'seq':2,'planned_arrival_at':1795424400000,'stop':{'kind':'BUYER',"  \
    "'distance_m':20000,'duration_s':1800,'service_s':300}}]}"
#define DEPARTED                                                             \
    "{" RESOURCES ",'odometer_m':1000000,'departed_at':1795421400000,'day':" \
    "'2026-11-23','utc_offset_min':180,'short_load':false,'delivery_ids':[]}"
#define STOP_ARRIVED(seq, at) \
    "{'seq':" #seq ",'arrived_at':" #at ",'planned_arrival_at':" #at ",'late_s':0}"
#define STOP_COMPLETED(seq, at) \
    "{'seq':" #seq ",'completed_at':" #at ",'delivery_ids':[],'undelivered':[]}"

static void
a_trip(void)
{
    analytic_story(&stop_service_days_projection);
    happens("trips.trip_planned.v1", TRIP, AT, PLANNED);
    happens("trips.trip_departed.v1", TRIP, AT, DEPARTED);
    happens("trips.stop_arrived.v1", TRIP, AT, STOP_ARRIVED(1, 1795423200000));
    happens("trips.stop_completed.v1", TRIP, AT, STOP_COMPLETED(1, 1795423400000));
    happens("trips.stop_arrived.v1", TRIP, AT, STOP_ARRIVED(2, 1795424400000));
    happens("trips.stop_completed.v1", TRIP, AT, STOP_COMPLETED(2, 1795424900000));
}

static void
test_stops_against_the_plan(void **state)
{
    (void)state;
    a_trip();
    then_windows(4);
    then_window("{'by':'ALL','stops':2,'service_s':700,'planned_s':600,'over':1,'over_s':200,"
                "'mean_s':350,'day':'2026-11-23'}");
    then_window("{'by':'KIND','kind':'PVZ','stops':1,'service_s':200,'over':0}");
    then_window("{'by':'KIND','kind':'BUYER','stops':1,'service_s':500,'over':1}");
    then_window("{'by':'DRIVER','driver_id':'" DRIVER "','stops':2}");
    then_remembered(1);
    then_the_same_in_any_order();
}

static void
test_the_plan_is_forgotten_with_the_trip(void **state)
{
    (void)state;
    a_trip();
    happens("trips.trip_completed.v1", TRIP, AT, COMPLETED);
    happens("trips.stop_completed.v1", TRIP, AT, STOP_COMPLETED(2, 1795424900000));
    then_window("{'by':'ALL','stops':2}");
    then_the_same_in_any_order();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_against_the_plan),
        cmocka_unit_test(test_the_plan_is_forgotten_with_the_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
