/* rate_test.c - so often, and no more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/ingest/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
test_a_bucket(void **state)
{
    edge_rates  *rates = edge_rates_create(10);
    const bus_id one = {{8}}, other = {{9}}, a = {{1}}, b = {{2}};
    int64_t      now_us = 1000000;

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_true(edge_rates_take(rates, one, a, now_us));
    assert_false(edge_rates_take(rates, one, a, now_us));
    assert_true(edge_rates_take(rates, one, b, now_us));   /* is its own affair */
    assert_true(edge_rates_take(rates, other, a, now_us)); /* so is another tenant's of that id */
    now_us += 99000;
    assert_false(edge_rates_take(rates, one, a, now_us));
    now_us += 2000;
    assert_true(edge_rates_take(rates, one, a, now_us));
    assert_false(edge_rates_take(rates, one, a, now_us));
    now_us += 3600 * INT64_C(1000000);
    for (int i = 0; i < 20; i++)
        assert_true(edge_rates_take(rates, one, a, now_us));
    assert_false(edge_rates_take(rates, one, a, now_us)); /* no more is saved up */
    edge_rates_destroy(rates);
}

/* More ids than places: who comes back again and again gets no fresh bucket by it. */
static void
test_many_ids_share_what_there_is(void **state)
{
    edge_rates *rates = edge_rates_create(1);
    int         let = 0;

    (void)state;
    for (uint32_t i = 0; i < 6 * EDGE_RATES_PLACES; i++) {
        bus_id id = {{(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

        let += edge_rates_take(rates, (bus_id){{1}}, id, 1000000);
    }
    assert_in_range(let, 1, EDGE_RATES_PLACES * 2);
    edge_rates_destroy(rates);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_bucket),
                                       cmocka_unit_test(test_many_ids_share_what_there_is)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
