/* deliveries_in_flight_test.c - what is under way at each minute.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view deliveries_in_flight_projection;

/* 8:00 UTC. */
#define BEGUN INT64_C(1795420800000)
#define MINUTE INT64_C(60000)
#define DELIVERY_OF(n) "00000000-0000-4000-8000-0000000000e" #n
#define STARTED(at) "{'attempt':1,'driver_id':'" DRIVER "','started_at':" #at "}"
#define CANCELLED(at) "{'reason':'none','cancelled_at':" #at "}"

/* Two begin at 8:00 and 8:10, one ends at 8:30. */
static void
test_each_minute(void **state)
{
    (void)state;
    analytic_story(&deliveries_in_flight_projection);
    happens("deliveries.started.v1", DELIVERY_OF(1), BEGUN, STARTED(1795420800000));
    happens("deliveries.started.v1", DELIVERY_OF(2), BEGUN + 10 * MINUTE, STARTED(1795421400000));
    then_window("{'by':'ALL','to_at':1795420860000,'begun':1,'ended':0,'in_flight':1}"); /* 8:01 */
    then_window("{'by':'ALL','to_at':1795421460000,'begun':2,'ended':0,'in_flight':2}"); /* 8:11 */
    happens("deliveries.cancelled.v1", DELIVERY_OF(1), BEGUN + 30 * MINUTE,
            CANCELLED(1795422600000));
    then_window("{'by':'ALL','to_at':1795421400000,'begun':1,'ended':0,'in_flight':0}"); /* 8:10 */
    then_window("{'by':'ALL','to_at':1795422600000,'begun':2,'ended':0,'in_flight':1}"); /* 8:30 */
    then_window("{'by':'ALL','to_at':1795422660000,'begun':2,'ended':1,'in_flight':1}"); /* 8:31 */
    then_window("{'by':'DRIVER','driver_id':'" DRIVER "','to_at':1795422660000,'in_flight':1}");
    then_window("{'by':'ALL','to_at':1795428000000,'begun':2,'ended':1,'in_flight':1}"); /* 10:00 */
    then_window("{'by':'ALL','to_at':1795428060000,'begun':1,'ended':1,'in_flight':1}"); /* 10:01 */
    then_window("{'by':'ALL','to_at':1795429800000,'begun':0,'ended':1,'in_flight':0}"); /* 10:30 */
    then_no_window("{'by':'ALL','to_at':1795429860000}");
    then_remembered(1);
    then_the_same_in_any_order();
}

/* A second start is the end of the first. */
static void
test_an_attempt_whose_end_nobody_told(void **state)
{
    (void)state;
    analytic_story(&deliveries_in_flight_projection);
    happens("deliveries.started.v1", DELIVERY_OF(1), BEGUN, STARTED(1795420800000));
    happens("deliveries.started.v1", DELIVERY_OF(1), BEGUN + 10 * MINUTE, STARTED(1795421400000));
    then_window("{'by':'ALL','to_at':1795421400000,'in_flight':0}");
    then_window("{'by':'ALL','to_at':1795421460000,'begun':2,'ended':1,'in_flight':1}");
    then_no_window("{'by':'ALL','in_flight':2}");
    then_the_same_in_any_order();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_minute),
        cmocka_unit_test(test_an_attempt_whose_end_nobody_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
