/* contract_test.c - finding by name, roles, and the kernel's own refusals.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/contract/contract.h"

/* cmocka asks for these before its own header */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const bus_message open_command = {.type = "shop.open", .name = "open"};
static const bus_message close_command = {.type = "shop.close", .name = "close", .kind = 1};
static const bus_message sell_command = {.type = "shop.sell", .name = "sell"};
static const bus_message opened_event = {.type = "shop.opened.v1", .name = "opened", .version = 1};
static const bus_message opened_again = {.type = "shop.opened.v2", .name = "opened", .version = 2};

static const bus_message *const door_commands[] = {&open_command, &close_command};
static const bus_message *const door_events[] = {&opened_event, &opened_again};
static const bus_message *const till_commands[] = {&sell_command};

static const bus_aggregate_contract door = {.name = "door",
                                            .commands = door_commands,
                                            .commands_count = 2,
                                            .events = door_events,
                                            .events_count = 2};
static const bus_aggregate_contract till = {
    .name = "till", .commands = till_commands, .commands_count = 1};

static const bus_aggregate_contract *const aggregates[] = {&door, &till};
static const bus_refusal                   refusals[] = {{.code = "SHOP_SHUT", .status = 409}};
static const bus_view_contract             doors_view = {.name = "doors"};
static const bus_view_contract *const      views[] = {&doors_view};

static const bus_contract shop = {.module = "shop",
                                  .aggregates = aggregates,
                                  .aggregates_count = 2,
                                  .refusals = refusals,
                                  .refusals_count = 1,
                                  .views = views,
                                  .views_count = 1};

static void
test_messages_by_type(void **state)
{
    (void)state;
    assert_ptr_equal(bus_contract_command(&shop, BUS_STR("shop.close")), &close_command);
    assert_ptr_equal(bus_contract_command(&shop, BUS_STR("shop.sell")), &sell_command);
    assert_ptr_equal(bus_contract_event(&shop, BUS_STR("shop.opened.v1")), &opened_event);
    assert_ptr_equal(bus_contract_event(&shop, BUS_STR("shop.opened.v2")), &opened_again);
    assert_null(bus_contract_command(&shop, BUS_STR("shop.opened.v1")));
    assert_null(bus_contract_event(&shop, BUS_STR("shop.open")));
    assert_null(bus_contract_event(&shop, BUS_STR("shop.opened")));
    assert_null(bus_contract_command(&shop, BUS_STR("shop.op")));
    assert_null(bus_contract_command(&shop, BUS_STR("shop.opens")));
    assert_null(bus_contract_command(&shop, BUS_STR("shop")));
    assert_null(bus_contract_command(&shop, BUS_STR("shopping.open")));
    assert_null(bus_contract_command(&shop, BUS_STR("")));
}

static void
test_refusals_and_views_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(bus_contract_refusal(&shop, BUS_STR("SHOP_SHUT")), &refusals[0]);
    assert_ptr_equal(bus_contract_refusal(&shop, BUS_STR("NOT_FOUND")), &BUS_NOT_FOUND_REFUSAL);
    assert_ptr_equal(bus_contract_refusal(&shop, BUS_STR("STALE")), &BUS_STALE_REFUSAL);
    assert_null(bus_contract_refusal(&shop, BUS_STR("SHOP_OPEN")));
    assert_null(bus_contract_refusal(&shop, BUS_STR("")));
    assert_ptr_equal(bus_contract_view(&shop, BUS_STR("doors")), &doors_view);
    assert_null(bus_contract_view(&shop, BUS_STR("door")));
}

static void
test_roles_and_grants(void **state)
{
    (void)state;
    assert_int_equal(bus_role_parse(BUS_STR("ADMIN")), BUS_ROLE_ADMIN);
    assert_int_equal(bus_role_parse(BUS_STR("DISPATCHER")), BUS_ROLE_DISPATCHER);
    assert_int_equal(bus_role_parse(BUS_STR("DRIVER")), BUS_ROLE_DRIVER);
    assert_int_equal(bus_role_parse(BUS_STR("VIEWER")), BUS_ROLE_VIEWER);
    assert_int_equal(bus_role_parse(BUS_STR("SERVICE")), 0); /* nobody may come as shina itself */
    assert_int_equal(bus_role_parse(BUS_STR("admin")), 0);
    assert_int_equal(bus_role_parse(BUS_STR("ADMIN ")), 0);
    assert_int_equal(bus_role_parse(BUS_STR("")), 0);
    assert_int_equal(bus_grant_parse(BUS_STR("finance.read")), BUS_GRANT_FINANCE_READ);
    assert_int_equal(bus_grant_parse(BUS_STR("tenants.manage")), BUS_GRANT_TENANTS_MANAGE);
    assert_int_equal(bus_grant_parse(BUS_STR("telegram.link")), BUS_GRANT_TELEGRAM_LINK);
    assert_int_equal(bus_grant_parse(BUS_STR("finance.write")), 0);
}

static void
check_refusal(const char *code, int status)
{
    const bus_refusal *refusal = bus_contract_refusal(&shop, bus_str_of(code));

    assert_non_null(refusal);
    assert_string_equal(refusal->code, code);
    assert_int_equal(refusal->status, status);
    assert_true(strlen(refusal->en) > 0 && strlen(refusal->ru) > 0);
    assert_string_not_equal(refusal->en, refusal->ru);
}

/* Every {name} in a text is a param, in both languages. */
static void
test_kernel_refusals(void **state)
{
    bus_arena    arena = {0};
    bus_problems problems = {0};
    int64_t      current;

    (void)state;
    check_refusal("NOT_FOUND", 404);
    check_refusal("FORBIDDEN", 403);
    check_refusal("VERSION_MISMATCH", 412);
    check_refusal("IDEMPOTENCY_KEY_REUSED", 422);
    check_refusal("ALREADY_EXISTS", 409);
    check_refusal("STREAM_FAULT", 500);
    assert_non_null(strstr(BUS_VERSION_REFUSAL.en, "{current}"));
    assert_non_null(strstr(BUS_VERSION_REFUSAL.ru, "{current}"));
    assert_int_equal(bus_decode(BUS_VERSION_REFUSAL.params, BUS_STR("{\"current\":7}"), &arena,
                                &current, &problems),
                     BUS_OK);
    assert_int_equal(current, 7);
    bus_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_by_type),
        cmocka_unit_test(test_refusals_and_views_by_name),
        cmocka_unit_test(test_roles_and_grants),
        cmocka_unit_test(test_kernel_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
