/* TEMPLATE_test.c - stories of a thing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_module TEMPLATE_module;

static void
test_it_is_opened_and_closed(void **state)
{
    (void)state;
    story(&TEMPLATE_module, "thing");
    when("TEMPLATE.open", "{'name':'first'}");
    then_event("TEMPLATE.opened.v1", "{'name':'first'}");
    when("TEMPLATE.close", "{}");
    then_event("TEMPLATE.closed.v1", "{}");
    then_nothing_more();
}

static void
test_nothing_is_closed_twice(void **state)
{
    (void)state;
    story(&TEMPLATE_module, "thing");
    given("TEMPLATE.opened.v1", "{'name':'first','opened_at':1}");
    given("TEMPLATE.closed.v1", "{}");
    when("TEMPLATE.close", "{}");
    then_refused("UPPER_ENDED");
}

static void
test_a_name_is_needed(void **state)
{
    (void)state;
    story(&TEMPLATE_module, "thing");
    when("TEMPLATE.open", "{}");
    then_invalid("/name");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_opened_and_closed),
        cmocka_unit_test(test_nothing_is_closed_twice),
        cmocka_unit_test(test_a_name_is_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
