/* delivery_on_time_days_test.c - on time by local day, of all, of a customer and of a driver.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view delivery_on_time_days_projection;

/* 2026-11-24 begins at 21:00 UTC of the 23rd in Moscow, at 14:00 UTC in Vladivostok. */
#define MIDNIGHT INT64_C(1795467600000)
#define ARRIVED_AT(at, day, zone) \
    "{'attempt':1,'arrived_at':" #at ",'late_s':0," OF(CUSTOMER_A, day) zone "}"

static void
test_days_begin_at_local_midnight(void **state)
{
    (void)state;
    analytic_story(&delivery_on_time_days_projection);
    happens("deliveries.arrived.v1", DELIVERY, MIDNIGHT,
            ARRIVED_AT(1795467599999, "2026-11-23", ",'utc_offset_min':180"));
    happens("deliveries.arrived.v1", OTHER_DELIVERY, MIDNIGHT,
            ARRIVED_AT(1795467600000, "2026-11-24", ",'utc_offset_min':180"));
    then_window("{'by':'ALL','day':'2026-11-23','from_at':1795381200000,'to_at':1795467600000,"
                "'arrived':1,'on_time_bp':10000}");
    then_window("{'by':'ALL','day':'2026-11-24','from_at':1795467600000,'arrived':1}");
    then_window("{'by':'CUSTOMER','day':'2026-11-24','arrived':1}");
    then_no_window("{'by':'DRIVER'}");
    happens("deliveries.arrived.v1", OTHER_DELIVERY, MIDNIGHT + 1,
            ARRIVED_AT(1795442400000, "2026-11-24", ",'utc_offset_min':600"));
    then_window("{'by':'ALL','day':'2026-11-24','from_at':1795442400000,'arrived':1}");
    then_the_same_in_any_order();
}

/* Events of before they told the offset are counted by their day. */
static void
test_days_of_old_events(void **state)
{
    (void)state;
    analytic_story(&delivery_on_time_days_projection);
    happens("deliveries.arrived.v1", DELIVERY, MIDNIGHT,
            ARRIVED_AT(1795467600000, "2026-11-24", ""));
    happens("deliveries.arrived.v1", OTHER_DELIVERY, MIDNIGHT,
            ARRIVED_AT(1795467600000, "2026-11-23", ""));
    then_window("{'by':'ALL','day':'2026-11-24','from_at':1795467600000,'arrived':1}");
    then_window("{'by':'ALL','day':'2026-11-23','from_at':1795392000000,'arrived':1}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days_begin_at_local_midnight),
        cmocka_unit_test(test_days_of_old_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
