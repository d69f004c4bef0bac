/* delivery_on_time_hours_test.c - on time by hour, of all, of a customer and of a driver.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view delivery_on_time_hours_projection;

/* 2026-11-23, 14:00 in Moscow is 11:00 UTC. */
#define NOON INT64_C(1795431600000)
#define MINUTE INT64_C(60000)
#define DELIVERY_OF(n) "00000000-0000-4000-8000-0000000000e" #n
#define STARTED                                                                \
    "{'attempt':1,'trip_id':'" TRIP "','driver_id':'" DRIVER "','started_at':" \
    "1795420800000}"
#define AT_PLACE(customer, at, late_s)                    \
    "{'attempt':1,'arrived_at':" #at ",'late_s':" #late_s \
    "," OF(customer, "2026-11-23") ",'utc_offset_min':180}"

/* Three arrivals of one hour, two on time, one of them by a driver whose name nobody told. */
static void
test_all_customers_and_drivers(void **state)
{
    (void)state;
    analytic_story(&delivery_on_time_hours_projection);
    happens("deliveries.started.v1", DELIVERY_OF(1), NOON - 60 * MINUTE, STARTED);
    happens("deliveries.started.v1", DELIVERY_OF(2), NOON - 60 * MINUTE, STARTED);
    happens("deliveries.arrived.v1", DELIVERY_OF(1), NOON, AT_PLACE(CUSTOMER_A, 1795431600000, -5));
    happens("deliveries.arrived.v1", DELIVERY_OF(2), NOON, AT_PLACE(CUSTOMER_B, 1795431600000, 61));
    happens("deliveries.arrived.v1", DELIVERY_OF(3), NOON, AT_PLACE(CUSTOMER_A, 1795435199999, 0));
    then_windows(4);
    then_window("{'by':'ALL','arrived':3,'on_time':2,'late_s':61,'on_time_bp':6666,"
                "'from_at':1795431600000,'to_at':1795435200000,'day':'2026-11-23',"
                "'closed':false,'customer_id':null,'driver_id':null}");
    then_window("{'by':'CUSTOMER','customer_id':'" CUSTOMER_A
                "','arrived':2,'on_time':2,'late_s':0,'on_time_bp':10000}");
    then_window("{'by':'CUSTOMER','customer_id':'" CUSTOMER_B "','arrived':1,'on_time':0}");
    then_window("{'by':'DRIVER','driver_id':'" DRIVER "','arrived':2,'on_time':1}");
    then_the_same_in_any_order();
}

/* The hour is that of the arrival, however late the driver's telephone told of it. */
static void
test_the_time_of_arrival_counts(void **state)
{
    (void)state;
    analytic_story(&delivery_on_time_hours_projection);
    happens("deliveries.arrived.v1", DELIVERY_OF(1), NOON + 300 * MINUTE,
            AT_PLACE(CUSTOMER_A, 1795431600000, 0));
    happens("deliveries.arrived.v1", DELIVERY_OF(2), NOON + 301 * MINUTE,
            AT_PLACE(CUSTOMER_A, 1795435200000, 0));
    then_window("{'by':'ALL','from_at':1795431600000,'arrived':1}");
    then_window("{'by':'ALL','from_at':1795435200000,'arrived':1}");
    then_late(0);
    then_the_same_in_any_order();
}

/* An hour takes arrivals for a day after its end and an hour after the newest of the partition. */
static void
test_a_telephone_that_was_off_for_days(void **state)
{
    (void)state;
    analytic_story(&delivery_on_time_hours_projection);
    happens("deliveries.arrived.v1", DELIVERY_OF(1), NOON, AT_PLACE(CUSTOMER_A, 1795431600000, 0));
    happens("deliveries.arrived.v1", DELIVERY_OF(1), NOON + 26 * 60 * MINUTE,
            AT_PLACE(CUSTOMER_A, 1795525200000, 0));
    happens("deliveries.arrived.v1", DELIVERY_OF(1), NOON + 26 * 60 * MINUTE + 1,
            AT_PLACE(CUSTOMER_A, 1795435199999, 0));
    then_late(1);
    then_window("{'by':'ALL','from_at':1795431600000,'arrived':1}");
    then_the_same_in_any_order();
}

/* The driver is remembered as long as the attempt lasts. */
static void
test_the_driver_is_forgotten_with_the_attempt(void **state)
{
    (void)state;
    analytic_story(&delivery_on_time_hours_projection);
    happens("deliveries.started.v1", DELIVERY_OF(1), NOON - 60 * MINUTE, STARTED);
    then_remembered(1);
    happens("deliveries.arrived.v1", DELIVERY_OF(1), NOON, AT_PLACE(CUSTOMER_A, 1795431600000, 0));
    happens("deliveries.failed.v1", DELIVERY_OF(1), NOON + 1,
            FAILED(CUSTOMER_A, "2026-11-23", "REFUSED"));
    then_remembered(0);
    then_window("{'by':'DRIVER','arrived':1}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_customers_and_drivers),
        cmocka_unit_test(test_the_time_of_arrival_counts),
        cmocka_unit_test(test_a_telephone_that_was_off_for_days),
        cmocka_unit_test(test_the_driver_is_forgotten_with_the_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
