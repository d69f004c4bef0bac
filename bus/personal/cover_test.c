/* cover_test.c - what is covered is read by another process with the same keys, and by nobody else.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/cover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define KEY_A "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHiA="
#define TEXT "{\"full_name\":\"Anna Karenina\"}"

static bus_master_keys *
parsed(const char *text)
{
    bus_master_keys *masters = NULL;
    bus_error        err;

    assert_int_equal(bus_master_keys_parse(&masters, text, &err), BUS_OK);
    return masters;
}

static void
test_others_of_the_system_read_it(void **state)
{
    bus_master_keys *masters = parsed(KEY_A);
    bus_cover       *one = bus_cover_create(masters, bus_clock_system());
    bus_cover       *two = bus_cover_create(masters, bus_clock_system());
    bus_buf          covered = {0}, again = {0}, out = {0};

    (void)state;
    bus_cover_put(one, BUS_STR(TEXT), &covered);
    bus_cover_put(one, BUS_STR(TEXT), &again);
    assert_int_equal(covered.len, sizeof(TEXT) - 1 + BUS_COVER_EXTRA_BYTES);
    assert_null(memmem(covered.at, covered.len, "Anna", 4));
    assert_memory_not_equal(covered.at, again.at, covered.len);
    assert_true(bus_cover_take(two, bus_buf_str(&covered), &out));
    assert_true(bus_cover_take(two, bus_buf_str(&again), &out)); /* behind the first */
    assert_true(bus_str_equal(bus_buf_str(&out), BUS_STR(TEXT TEXT)));
    bus_buf_reset(&covered);
    bus_buf_reset(&out);
    bus_cover_put(one, BUS_STR(""), &covered);
    assert_true(bus_cover_take(one, bus_buf_str(&covered), &out));
    assert_int_equal(out.len, 0);
    bus_buf_fini(&covered);
    bus_buf_fini(&again);
    bus_buf_fini(&out);
    bus_cover_destroy(one);
    bus_cover_destroy(two);
    bus_master_keys_destroy(masters);
}

static void
test_nobody_else_does(void **state)
{
    bus_master_keys *masters = parsed(KEY_A), *strange = parsed(KEY_B);
    bus_cover       *one = bus_cover_create(masters, bus_clock_system());
    bus_cover       *stranger = bus_cover_create(strange, bus_clock_system());
    bus_buf          covered = {0}, out = {0};

    (void)state;
    bus_cover_put(one, BUS_STR(TEXT), &covered);
    assert_false(bus_cover_take(stranger, bus_buf_str(&covered), &out));
    for (size_t i = 0; i < covered.len; i++) {
        covered.at[i] ^= 1;
        assert_false(bus_cover_take(one, bus_buf_str(&covered), &out));
        covered.at[i] ^= 1;
        assert_false(bus_cover_take(one, (bus_str){covered.at, (uint32_t)i}, &out));
    }
    assert_int_equal(out.len, 0);
    bus_buf_fini(&covered);
    bus_buf_fini(&out);
    bus_cover_destroy(one);
    bus_cover_destroy(stranger);
    bus_master_keys_destroy(masters);
    bus_master_keys_destroy(strange);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_of_the_system_read_it),
        cmocka_unit_test(test_nobody_else_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
