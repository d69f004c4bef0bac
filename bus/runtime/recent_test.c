/* recent_test.c - what is kept, and what goes first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
put(bus_recent *recent, uint8_t n, int64_t offset)
{
    const bus_recent_answer answer = {.command_id = {{n}}, .offset = offset};

    bus_recent_put(recent, &answer);
}

/* Its offset; 0: it is not there. */
static int64_t
found(const bus_recent *recent, uint8_t n)
{
    const bus_recent_answer *answer = bus_recent_find(recent, (bus_id){{n}});

    return answer == NULL ? 0 : answer->offset;
}

static void
test_the_oldest_goes(void **state)
{
    bus_recent *recent = bus_recent_create(3);

    (void)state;
    for (uint8_t n = 1; n <= 4; n++)
        put(recent, n, n * 10);
    assert_int_equal(found(recent, 1), 0);
    for (uint8_t n = 2; n <= 4; n++)
        assert_int_equal(found(recent, n), n * 10);
    bus_recent_destroy(recent);
}

/* Of a command that is asked again the last ask counts, for what is told and for what goes. */
static void
test_what_comes_again_is_the_newest(void **state)
{
    bus_recent *recent = bus_recent_create(3);

    (void)state;
    for (uint8_t n = 1; n <= 3; n++)
        put(recent, n, n);
    put(recent, 1, 100);
    assert_int_equal(found(recent, 1), 100);
    put(recent, 4, 4);
    put(recent, 5, 5);
    assert_int_equal(found(recent, 1), 100);
    assert_int_equal(found(recent, 2), 0);
    assert_int_equal(found(recent, 4), 4);
    assert_int_equal(found(recent, 5), 5);
    bus_recent_destroy(recent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_oldest_goes),
        cmocka_unit_test(test_what_comes_again_is_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
