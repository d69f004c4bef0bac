/* delivery_punctuality_test.c - on time by customer and day.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view delivery_punctuality_projection;

/* v5(CUSTOMER, number of the day in four bytes) */
#define A_23 "bfe39de2-086b-51aa-a393-e398844d7854"
#define A_24 "da4d625c-fe4f-56ab-b93d-431035a38ecd"
#define B_23 "cb4ca470-cd0e-5835-9ab9-3ad6ab2bfa56"

/* Three arrivals: an hour early, on the dot, 61 s late: 2 of 3 are 6666 basis points. */
static void
test_arrivals_count_by_their_window(void **state)
{
    (void)state;
    view_story(&delivery_punctuality_projection);
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", -3600));
    projects("deliveries.arrived.v1", OTHER_DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", 0));
    then_row(A_23, "{'on_time_bp':10000,'late_s':0}");
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", 61));
    then_row(A_23, "{'customer_id':'" CUSTOMER_A
                   "','day':'2026-11-23','arrived':3,'on_time':2,'late_s':61,'on_time_bp':6666,"
                   "'completed':0,'first_attempt':0,'failed':0,'first_attempt_bp':null}");
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-24", 5));
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_B, "2026-11-23", 0));
    then_row(A_23, "{'arrived':3}");
    then_row(A_24, "{'day':'2026-11-24','arrived':1,'on_time':0,'on_time_bp':0}");
    then_row(B_23, "{'customer_id':'" CUSTOMER_B "','arrived':1,'on_time_bp':10000}");
}

/* Handed over: two at the first attempt (one in part), one at the second: 2 of 3. */
static void
test_first_attempts(void **state)
{
    (void)state;
    view_story(&delivery_punctuality_projection);
    projects("deliveries.completed.v1", DELIVERY, COMPLETED(CUSTOMER_A, "2026-11-23", 1));
    projects("deliveries.completed_partly.v1", DELIVERY, PARTLY(CUSTOMER_A, "2026-11-23", 1));
    projects("deliveries.completed.v1", DELIVERY, COMPLETED(CUSTOMER_A, "2026-11-23", 2));
    projects("deliveries.failed.v1", DELIVERY, FAILED(CUSTOMER_A, "2026-11-23", "REFUSED"));
    then_row(A_23, "{'arrived':0,'on_time_bp':null,'completed':3,'first_attempt':2,"
                   "'first_attempt_bp':6666,'failed':1}");
    then_no_row(A_24);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrivals_count_by_their_window),
        cmocka_unit_test(test_first_attempts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
