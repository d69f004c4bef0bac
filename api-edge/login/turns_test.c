/* turns_test.c - who comes first, and whom a flood keeps out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MANY 300

static const bus_id one = {{1}}, other = {{2}}, third = {{3}}, office = {{10}}, cafe = {{11}};
static edge_turn    turns_of[MANY];
static edge_turns  *turns;

static int
begin(void **state)
{
    (void)state;
    turns = edge_turns_create();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    while (edge_turns_next(turns) != NULL)
        ;
    edge_turns_destroy(turns);
    return 0;
}

/* Which one; -1: nobody waits. */
static int
next(void)
{
    const edge_turn *turn = edge_turns_next(turns);

    return turn == NULL ? -1 : (int)(turn - turns_of);
}

static void
test_lines_take_turns(void **state)
{
    (void)state;
    assert_int_equal(next(), -1);
    for (int i = 0; i < 4; i++)
        assert_true(edge_turns_wait(turns, &turns_of[i], one, false));
    assert_true(edge_turns_wait(turns, &turns_of[4], other, false));
    assert_true(edge_turns_wait(turns, &turns_of[5], other, false));
    assert_int_equal(next(), 0);
    assert_int_equal(next(), 4);
    assert_int_equal(next(), 1);
    /* Who comes now stands behind all lines that are there. */
    assert_true(edge_turns_wait(turns, &turns_of[6], third, false));
    assert_int_equal(next(), 5);
    assert_int_equal(next(), 2);
    assert_int_equal(next(), 6);
    assert_int_equal(next(), 3);
    assert_int_equal(next(), -1);
}

static void
test_whom_we_know_goes_first(void **state)
{
    (void)state;
    assert_true(edge_turns_wait(turns, &turns_of[0], one, false));
    assert_true(edge_turns_wait(turns, &turns_of[1], one, true));
    assert_true(edge_turns_wait(turns, &turns_of[2], one, true));
    assert_int_equal(next(), 1);
    assert_int_equal(next(), 2);
    assert_int_equal(next(), 0);
}

static void
test_places_are_kept_for_whom_we_know(void **state)
{
    int i = 0;

    (void)state;
    while (i < EDGE_STRANGERS_MAX)
        assert_true(edge_turns_wait(turns, &turns_of[i++], one, false));
    assert_false(edge_turns_wait(turns, &turns_of[i], one, false));
    assert_true(edge_turns_wait(turns, &turns_of[i++], other, false)); /* has a line of its own */
    for (int known = EDGE_STRANGERS_MAX; known < EDGE_LINE_MAX; known++)
        assert_true(edge_turns_wait(turns, &turns_of[i++], one, true));
    assert_false(edge_turns_wait(turns, &turns_of[i], one, true));
    (void)next();
    assert_true(edge_turns_wait(turns, &turns_of[i], one, true));
}

static void
test_strangers_of_all_tenants_are_bounded(void **state)
{
    int waiting = 0;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        bus_id tenant = {{100, (uint8_t)(i % 200)}};

        waiting += edge_turns_wait(turns, &turns_of[i], tenant, false);
    }
    assert_int_equal(waiting, EDGE_STRANGERS_ALL);
    assert_true(edge_turns_wait(turns, &turns_of[MANY - 1], one, true));
    while (next() >= 0)
        waiting--;
    assert_int_equal(waiting, -1);
    assert_true(edge_turns_wait(turns, &turns_of[0], one, false));
}

static void
test_networks(void **state)
{
    (void)state;
    assert_false(edge_turns_knows(turns, one, office));
    edge_turns_welcome(turns, one, office);
    assert_true(edge_turns_knows(turns, one, office));
    assert_false(edge_turns_knows(turns, one, cafe));
    assert_false(edge_turns_knows(turns, other, office));
    assert_false(edge_turns_knows(turns, BUS_ID_NIL, office));
    assert_true(edge_turns_knows_network(turns, office));
    assert_false(edge_turns_knows_network(turns, cafe));
    assert_false(edge_turns_knows_network(turns, BUS_ID_NIL));
    assert_false(edge_turns_knows(turns, BUS_ID_NIL, BUS_ID_NIL)); /* a place that is free */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_take_turns, begin, end),
        cmocka_unit_test_setup_teardown(test_whom_we_know_goes_first, begin, end),
        cmocka_unit_test_setup_teardown(test_places_are_kept_for_whom_we_know, begin, end),
        cmocka_unit_test_setup_teardown(test_strangers_of_all_tenants_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_networks, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
