/* SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/command.h"
#include "api-edge/http/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void
check_filled(const char *text, const char *params, const char *expected)
{
    json_t *values = json_loads(params, 0, NULL);
    bus_buf out = {0};

    edge_text_fill(text, values, &out);
    bus_buf_add_text(&out, "");
    assert_string_equal(out.at, expected);
    bus_buf_fini(&out);
    json_decref(values);
}

static void
test_text_is_filled(void **state)
{
    (void)state;
    check_filled("at {last_m} m", "{\"last_m\":12}", "at 12 m");
    check_filled("{who}: {n}, {yes}", "{\"who\":\"A\\\"ня\",\"n\":-1,\"yes\":true}",
                 "A\"ня: -1, true");
    check_filled("{none} {", "{}", "{none} {");
    check_filled("{a}{a}", "{\"a\":\"{a}\"}", "{a}{a}"); /* what is put in is not looked at */
    check_filled("", "{}", "");
    check_filled("{a}", "null", "{a}");
}

static void
test_command_ids(void **state)
{
    bus_id  tenant = {{1}}, actor = {{2}}, v7, id;
    bus_str key = BUS_STR("01922222-3333-7444-8555-666666666666");
    char    text[BUS_ID_TEXT_BYTES];

    (void)state;
    id = edge_command_id_of_key(tenant, actor, BUS_STR("order-1"));
    /* Part of the log's format: a change here would carry repeated commands out twice. */
    assert_string_equal(bus_id_format(id, text), "63639465-a930-524b-88a6-39dffa63fd9c");
    assert_true(bus_id_equal(id, edge_command_id_of_key(tenant, actor, BUS_STR("order-1"))));
    assert_false(bus_id_equal(id, edge_command_id_of_key(actor, tenant, BUS_STR("order-1"))));
    assert_false(bus_id_equal(id, edge_command_id_of_key(tenant, actor, BUS_STR("order-2"))));
    assert_true(bus_id_parse(key, &v7));
    id = edge_command_id_of_key(tenant, actor, key);
    assert_true(bus_id_is_v7(id));
    assert_memory_equal(id.bytes, v7.bytes, 6);
    assert_false(bus_id_equal(id, v7));
}

static void
test_line_ids(void **state)
{
    bus_id batch = {{3}}, v7, id;
    char   text[BUS_ID_TEXT_BYTES];

    (void)state;
    id = edge_command_id_of_line(batch, 1);
    /* Part of the log's format, as above. */
    assert_string_equal(bus_id_format(id, text), "342d2602-830d-5520-a14e-a14564e6f56e");
    assert_false(bus_id_equal(id, edge_command_id_of_line(batch, 2)));
    assert_false(bus_id_equal(id, edge_command_id_of_line((bus_id){{4}}, 1)));
    assert_true(bus_id_parse(BUS_STR("01922222-3333-7444-8555-666666666666"), &v7));
    id = edge_command_id_of_line(v7, 1);
    assert_true(bus_id_is_v7(id));
    assert_memory_equal(id.bytes, v7.bytes, 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_filled),
        cmocka_unit_test(test_command_ids),
        cmocka_unit_test(test_line_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
