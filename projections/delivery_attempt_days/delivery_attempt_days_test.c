/* delivery_attempt_days_test.c - first attempts and failures by reason, of all and of a customer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"
#include "tests/support/analytic_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view delivery_attempt_days_projection;

#define NOON INT64_C(1795431600000)
#define DAY_MS INT64_C(86400000)
#define DELIVERY_OF(n) "00000000-0000-4000-8000-0000000000e" #n

static void
test_attempts_of_a_day(void **state)
{
    (void)state;
    analytic_story(&delivery_attempt_days_projection);
    happens("deliveries.completed.v1", DELIVERY_OF(1), NOON,
            COMPLETED(CUSTOMER_A, "2026-11-23", 1));
    happens("deliveries.completed_partly.v1", DELIVERY_OF(2), NOON,
            PARTLY(CUSTOMER_B, "2026-11-23", 1));
    happens("deliveries.failed.v1", DELIVERY_OF(3), NOON,
            FAILED(CUSTOMER_A, "2026-11-23", "REFUSED"));
    happens("deliveries.completed.v1", DELIVERY_OF(3), NOON + 1,
            COMPLETED(CUSTOMER_A, "2026-11-23", 2));
    then_windows(4);
    then_window("{'by':'ALL','attempts':4,'delivered':3,'partly':1,'failed':1,'first_attempts':3,"
                "'first_delivered':2,'first_attempt_bp':6666,'day':'2026-11-23'}");
    then_window("{'by':'CUSTOMER','customer_id':'" CUSTOMER_A
                "','attempts':3,'first_attempts':2,'first_delivered':1,'first_attempt_bp':5000}");
    then_window("{'by':'CUSTOMER','customer_id':'" CUSTOMER_B "','attempts':1,'partly':1}");
    then_window("{'by':'REASON','reason':'REFUSED','failed':1,'delivered':0}");
    then_the_same_in_any_order();
}

/* Three days later a day takes no more: one day of disorder and one of grace. */
static void
test_a_day_is_over(void **state)
{
    (void)state;
    analytic_story(&delivery_attempt_days_projection);
    happens("deliveries.completed.v1", DELIVERY_OF(1), NOON + 4 * DAY_MS,
            COMPLETED(CUSTOMER_A, "2026-11-27", 1));
    happens("deliveries.completed.v1", DELIVERY_OF(1), NOON + 4 * DAY_MS + 1,
            COMPLETED(CUSTOMER_A, "2026-11-23", 1));
    then_late(1);
    then_windows(2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_of_a_day),
        cmocka_unit_test(test_a_day_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
