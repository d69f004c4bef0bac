/* secrets_test.c - what nobody is told of an event.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const bus_shape text = {.kind = BUS_KIND_STRING};
static const bus_field inner_fields[] = {
    {.name = "code", .shape = &text, .masked_for = "DRIVER ADMIN VIEWER"},
    {.name = "note", .shape = &text, .masked_for = "VIEWER"},
};
static const bus_shape inner = {.kind = BUS_KIND_OBJECT, .fields = inner_fields, .fields_count = 2};
static const bus_shape list = {.kind = BUS_KIND_ARRAY, .item = &inner};
static const bus_field fields[] = {
    {.name = "password", .shape = &text, .masked_for = "ADMIN"},
    {.name = "phone", .shape = &text, .masked_for = "DISPATCHER ADMIN+finance.read"},
    {.name = "all", .shape = &list},
};
static const bus_shape whole = {.kind = BUS_KIND_OBJECT, .fields = fields, .fields_count = 3};

static void
test_secrets_are_null(void **state)
{
    bus_arena arena = {0};
    bus_str   out = webhooks_without_secrets(
          &whole,
          BUS_STR(
              "{\"password\":\"sec:1:k:AA\",\"phone\":\"1\",\"all\":[{\"code\":\"c\",\"note\":\"n\"},"
                "{\"note\":\"m\"}],\"more\":2}"),
          &arena);

    (void)state;
    assert_true(webhooks_has_secrets(&whole));
    assert_true(webhooks_has_secrets(&list));
    assert_false(webhooks_has_secrets(&text));
    assert_true(bus_str_is(out, "{\"password\":null,\"phone\":\"1\",\"all\":[{\"code\":null,"
                                "\"note\":\"n\"},{\"note\":\"m\"}],\"more\":2}"));
    assert_true(bus_str_is(webhooks_without_secrets(&whole, BUS_STR("{\"pass"), &arena), "{}"));
    bus_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_secrets_are_null)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
