/* window_test.c - a successor begins at the lowest that is not answered, in whatever order answers
 * come.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static void
test_the_front_is_the_lowest_without_answer(void **state)
{
    bus_kafka_window w = {0};

    (void)state;
    bus_kafka_window_start(&w, 10);
    assert_int_equal(bus_kafka_window_front(&w), 10);
    for (int64_t offset = 12; offset < 18; offset += 2) /* transactions and the like leave holes */
        assert_true(bus_kafka_window_take(&w, offset, 100));
    assert_int_equal(bus_kafka_window_front(&w), 12);
    bus_kafka_window_answer(&w, 14);
    assert_int_equal(bus_kafka_window_front(&w), 12);
    bus_kafka_window_answer(&w, 12);
    assert_int_equal(bus_kafka_window_front(&w), 16);
    bus_kafka_window_answer(&w, 13); /* never taken */
    bus_kafka_window_answer(&w, 12); /* again */
    bus_kafka_window_answer(&w, 99);
    assert_int_equal(bus_kafka_window_front(&w), 16);
    bus_kafka_window_answer(&w, 16);
    assert_int_equal(bus_kafka_window_front(&w), 17);
    bus_kafka_window_fini(&w);
}

static void
test_it_grows_up_to_its_bound(void **state)
{
    bus_kafka_window w = {0};

    (void)state;
    bus_kafka_window_start(&w, 0);
    for (int64_t offset = 0; offset < 1000; offset++)
        assert_true(bus_kafka_window_take(&w, offset, 1000));
    assert_false(bus_kafka_window_take(&w, 1000, 1000));
    assert_int_equal(bus_kafka_window_front(&w), 0);
    for (int64_t offset = 0; offset < 500; offset++)
        bus_kafka_window_answer(&w, offset);
    assert_true(bus_kafka_window_take(&w, 1000, 1000));
    assert_int_equal(bus_kafka_window_front(&w), 500);
    bus_kafka_window_start(&w, 7);
    assert_int_equal(bus_kafka_window_front(&w), 7);
    bus_kafka_window_fini(&w);
}

/* Against the plain way: a list of all, looked through from its beginning. */
static void
test_any_order_of_answers(void **state)
{
    enum { ALL = 3000 };
    bool             answered[ALL] = {false};
    bus_kafka_window w = {0};
    unsigned         seed = 5;
    int64_t          taken = 0, lowest = 0;

    (void)state;
    bus_kafka_window_start(&w, 0);
    while (lowest < ALL) {
        int64_t pick = taken == 0 ? 0 : (int64_t)(rand_r(&seed) % (unsigned)taken);

        if (taken < ALL && rand_r(&seed) % 2 == 0)
            assert_true(bus_kafka_window_take(&w, taken++, ALL));
        if (taken == ALL) /* towards the end the lowest, so that it ends */
            pick = lowest;
        if (taken > 0) {
            bus_kafka_window_answer(&w, pick);
            answered[pick] = true;
        }
        while (lowest < taken && answered[lowest])
            lowest++;
        assert_int_equal(bus_kafka_window_front(&w), lowest);
    }
    bus_kafka_window_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_front_is_the_lowest_without_answer),
        cmocka_unit_test(test_it_grows_up_to_its_bound),
        cmocka_unit_test(test_any_order_of_answers),
    };

    return cmocka_run_group_tests_name("kafka windows", tests, NULL, NULL);
}
