/* delivery_failures_test.c - failures by reason and day.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view delivery_failures_projection;

/* v5(STORY_TENANT, number of the reason in one byte, that of the day in four): CUSTOMER_ABSENT is
 * 0, GATE_CLOSED is 7 */
#define ABSENT_23 "9fa94662-6ce5-5ec3-9295-8c9fdf3a2b84"
#define GATE_23 "786934d2-ede7-5616-8179-aac50351866e"
#define GATE_24 "22aa959f-2f4a-5bcc-a5a8-62d10f40e055"

static void
test_each_reason_and_day_has_a_row(void **state)
{
    (void)state;
    view_story(&delivery_failures_projection);
    projects("deliveries.failed.v1", DELIVERY, FAILED(CUSTOMER_A, "2026-11-23", "GATE_CLOSED"));
    projects("deliveries.failed.v1", OTHER_DELIVERY,
             FAILED(CUSTOMER_B, "2026-11-23", "GATE_CLOSED"));
    then_no_row(ABSENT_23);
    projects("deliveries.failed.v1", DELIVERY, FAILED(CUSTOMER_A, "2026-11-23", "CUSTOMER_ABSENT"));
    projects("deliveries.failed.v1", DELIVERY, FAILED(CUSTOMER_A, "2026-11-24", "GATE_CLOSED"));
    then_row(GATE_23, "{'reason':'GATE_CLOSED','day':'2026-11-23','count':2}");
    then_row(ABSENT_23, "{'reason':'CUSTOMER_ABSENT','day':'2026-11-23','count':1}");
    then_row(GATE_24, "{'reason':'GATE_CLOSED','day':'2026-11-24','count':1}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reason_and_day_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
