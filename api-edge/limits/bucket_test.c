/* bucket_test.c - tokens that come, are taken, and are owed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/limits/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S_US INT64_C(1000000)

static void
test_fills_by_itself(void **state)
{
    edge_bucket b;

    (void)state;
    edge_bucket_fill(&b, 60, 5 * S_US);
    assert_int_equal(b.tokens_m, 60000);
    b.tokens_m = 0;
    edge_bucket_refill(&b, 60, 6 * S_US); /* one a second */
    assert_int_equal(b.tokens_m, 1000);
    edge_bucket_refill(&b, 60, 4 * S_US); /* time goes back */
    assert_int_equal(b.tokens_m, 1000);
    edge_bucket_refill(&b, 60, 600 * S_US);
    assert_int_equal(b.tokens_m, 60000); /* not more than full */
}

/* Asked very often, it fills as fast as asked seldom. */
static void
test_small_steps_are_not_lost(void **state)
{
    edge_bucket b = {.tokens_m = 0, .at_us = 0};

    (void)state;
    for (int64_t us = 0; us <= 10 * S_US; us += 100)
        edge_bucket_refill(&b, 1, us);
    assert_in_range(b.tokens_m, 160, 167); /* a sixth of a token */
}

static void
test_how_long_to_wait(void **state)
{
    edge_bucket b = {.tokens_m = 0};

    (void)state;
    assert_int_equal(edge_bucket_wait_s(&b, 60), 1);
    assert_int_equal(edge_bucket_wait_s(&b, 6), 10);
    assert_int_equal(edge_bucket_wait_s(&b, 60000), 1);
    assert_int_equal(edge_bucket_full_s(&b, 60), 60);
    b.tokens_m = -60000; /* the deepest debt */
    assert_int_equal(edge_bucket_wait_s(&b, 60), 61);
    edge_bucket_fill(&b, 60, 0);
    assert_int_equal(edge_bucket_full_s(&b, 60), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_by_itself),
        cmocka_unit_test(test_small_steps_are_not_lost),
        cmocka_unit_test(test_how_long_to_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
