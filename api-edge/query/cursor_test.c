/* SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void
test_there_and_back(void **state)
{
    bus_arena arena = {0};
    bus_buf   text = {0};

    (void)state;
    for (uint32_t len = 0; len <= 40; len++) {
        char        value[] = "0123456789012345678901234567890123456789";
        edge_cursor in = {.id = {{1, 2, 3, 0xff}}, .is_null = len == 0, .value = {value, len}};
        edge_cursor out;

        bus_buf_reset(&text);
        edge_cursor_encode(&in, 42, &text);
        assert_int_equal(strspn(text.at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789-_"),
                         text.len);
        assert_true(edge_cursor_decode(bus_buf_str(&text), 42, &arena, &out));
        assert_true(bus_id_equal(in.id, out.id));
        assert_int_equal(in.is_null, out.is_null);
        assert_true(bus_str_equal(in.value, out.value));
        assert_false(edge_cursor_decode(bus_buf_str(&text), 43, &arena, &out));
    }
    bus_buf_fini(&text);
    bus_arena_fini(&arena);
}

/* No changed, shortened or lengthened cursor is one. */
static void
test_tampered(void **state)
{
    edge_cursor in = {.id = {{9}}, .value = BUS_STR("17000000")}, out;
    bus_arena   arena = {0};
    bus_buf     text = {0};

    (void)state;
    edge_cursor_encode(&in, 7, &text);
    for (size_t i = 0; i < text.len; i++) {
        char kept = text.at[i];

        text.at[i] = kept == 'A' ? 'B' : 'A';
        assert_false(edge_cursor_decode(bus_buf_str(&text), 7, &arena, &out));
        text.at[i] = '+';
        assert_false(edge_cursor_decode(bus_buf_str(&text), 7, &arena, &out));
        text.at[i] = kept;
        assert_false(edge_cursor_decode((bus_str){text.at, (uint32_t)i}, 7, &arena, &out));
    }
    bus_buf_add_char(&text, 'A');
    assert_false(edge_cursor_decode(bus_buf_str(&text), 7, &arena, &out));
    for (int i = 0; i < 3000; i++)
        bus_buf_add_char(&text, 'A');
    assert_false(edge_cursor_decode(bus_buf_str(&text), 7, &arena, &out));
    bus_buf_fini(&text);
    bus_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_tampered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
