/* rule_test.c - no route without a rule.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/rule.h"
#include "api-edge/query/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const bus_message       roleless_command = {.type = "things.make"};
static const bus_message       command = {.type = "things.make", .roles_own = BUS_ROLE_DRIVER};
static const bus_view_contract roleless_contract = {.name = "things"};
static const bus_view_contract contract = {.name = "things", .roles_granted = BUS_ROLE_VIEWER};
static const edge_view         roleless_view = {.of = &roleless_contract};
static const edge_view         view = {.of = &contract};

static bus_code
check(const edge_route *route, const char *text)
{
    bus_error err = {.text = ""};
    bus_code  rc = edge_rule_check(route, "GET", "/things", &err);

    if (text != NULL && strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    return rc;
}

static void
test_a_route_without_a_rule_is_none(void **state)
{
    (void)state;
    assert_int_equal(check(&(edge_route){0}, "GET /things has no rule"), BUS_INVALID);
    assert_int_equal(check(&(edge_route){.command = &command}, "has no rule"), BUS_INVALID);
    assert_int_equal(check(&(edge_route){.rule = EDGE_RULES}, "has no rule"), BUS_INVALID);
    assert_int_equal(check(&(edge_route){.rule = EDGE_RULE_OPEN}, NULL), BUS_OK);
    assert_int_equal(check(&(edge_route){.rule = EDGE_RULE_TOKEN}, NULL), BUS_OK);
}

static void
test_what_contracts_declare_goes_by_roles(void **state)
{
    (void)state;
    for (edge_rule rule = EDGE_RULE_OPEN; rule < EDGE_RULE_ROLES; rule++) {
        assert_int_equal(check(&(edge_route){.rule = rule, .command = &command}, "does not fit"),
                         BUS_INVALID);
        assert_int_equal(check(&(edge_route){.rule = rule, .view = &view}, "does not fit"),
                         BUS_INVALID);
    }
    assert_int_equal(check(&(edge_route){.rule = EDGE_RULE_ROLES}, "does not fit"), BUS_INVALID);
    assert_int_equal(
        check(&(edge_route){.rule = EDGE_RULE_ROLES, .command = &roleless_command}, "no role may"),
        BUS_INVALID);
    assert_int_equal(
        check(&(edge_route){.rule = EDGE_RULE_ROLES, .view = &roleless_view}, "no role may"),
        BUS_INVALID);
    assert_int_equal(check(&(edge_route){.rule = EDGE_RULE_ROLES, .command = &command}, NULL),
                     BUS_OK);
    assert_int_equal(check(&(edge_route){.rule = EDGE_RULE_ROLES, .view = &view}, NULL), BUS_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_route_without_a_rule_is_none),
        cmocka_unit_test(test_what_contracts_declare_goes_by_roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
