/* base_test.c - ids, calendar, arena, buffer, guards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/arena.h"
#include "bus/base/clock.h"
#include "bus/base/error.h"
#include "bus/base/fold.h"
#include "bus/base/id.h"
#include "bus/base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9562, appendix A.4: UUIDv5 of "www.example.com" in the DNS namespace. */
static void
test_v5_is_that_of_the_standard(void **state)
{
    bus_id dns;
    char   text[BUS_ID_TEXT_BYTES];

    (void)state;
    assert_true(bus_id_parse(BUS_STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), &dns));
    assert_string_equal(bus_id_format(bus_id_v5_text(dns, "www.example.com"), text),
                        "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

/* Names come from outside too: whole events are hashed. The ids are those of another program. */
static void
test_v5_of_long_names(void **state)
{
    static const struct {
        size_t      bytes;
        const char *id;
    } cases[] = {{255, "26a6979f-9d8e-5814-88f4-38f1c11e37fa"},
                 {256, "7d5e63b8-457c-5dfe-9859-f61fe6f80853"},
                 {257, "6c7151c9-bbb7-51a4-adb7-9d245987b856"},
                 {100000, "7907800d-1f92-5a2b-bcb7-8efcd36527bd"}};
    static char name[100000];
    bus_id      dns;
    char        text[BUS_ID_TEXT_BYTES];

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_true(bus_id_parse(BUS_STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), &dns));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(bus_id_format(bus_id_v5(dns, name, cases[i].bytes), text), cases[i].id);
}

/* RFC 9562, appendix A.6: UUIDv7 of 2022-02-22T19:22:22.000Z. */
static void
test_v7_is_that_of_the_standard(void **state)
{
    const uint8_t random[10] = {0x7c, 0xc3, 0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    char          text[BUS_ID_TEXT_BYTES];
    bus_id        id = bus_id_v7(INT64_C(1645557742000), random);

    (void)state;
    assert_string_equal(bus_id_format(id, text), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_true(bus_id_is_v7(id));
}

static void
test_time_of_a_key_is_kept(void **state)
{
    bus_id key = bus_new_v7(bus_clock_system());
    bus_id id = bus_id_with_time_of(bus_id_v5_text(key, "x"), key);

    (void)state;
    assert_memory_equal(id.bytes, key.bytes, 6);
    assert_true(bus_id_is_v7(id));
    assert_false(bus_id_equal(id, key));
}

static void
test_parse_refuses_what_is_no_uuid(void **state)
{
    static const char *const wrong[] = {
        "",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
        "6ba7b8109dad-11d1-80b4-00c04fd430c8-",
        "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
        "{ba7b810-9dad-11d1-80b4-00c04fd430c}",
    };
    bus_id id;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(bus_id_parse(bus_str_of(wrong[i]), &id));
    assert_true(bus_id_parse(BUS_STR("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"), &id));
}

/* http://www.isthe.com/chongo/tech/comp/fnv/: test vectors of FNV-1a, 64 bits. */
static void
test_fnv_vectors(void **state)
{
    (void)state;
    assert_true(bus_fnv1a64("", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(bus_fnv1a64("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(bus_fnv1a64("foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void
test_partitions_are_evenly_used(void **state)
{
    int used[8] = {0};

    (void)state;
    for (int i = 0; i < 8000; i++)
        used[bus_id_partition(bus_new_v7(bus_clock_system()), 8)]++;
    for (int p = 0; p < 8; p++)
        assert_in_range(used[p], 800, 1200);
}

static void
test_calendar_there_and_back(void **state)
{
    int32_t year, month, day;

    (void)state;
    assert_int_equal(bus_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(bus_days_from_civil(2000, 3, 1), 11017);
    assert_int_equal(bus_days_from_civil(2024, 2, 29) + 1, bus_days_from_civil(2024, 3, 1));
    for (int32_t d = -800000; d <= 800000; d += 37) {
        bus_civil_from_days(d, &year, &month, &day);
        assert_int_equal(bus_days_from_civil(year, month, day), d);
    }
}

static void
test_day_of_a_zone(void **state)
{
    char minute[BUS_MINUTE_TEXT_BYTES], text[BUS_DAY_TEXT_BYTES];
    (void)state;
    /* 2026-11-23T21:30Z is the 24th in Moscow (UTC+3). */
    assert_int_equal(bus_day_of(INT64_C(1795469400000), 0), bus_days_from_civil(2026, 11, 23));
    assert_int_equal(bus_day_of(INT64_C(1795469400000), 180), bus_days_from_civil(2026, 11, 24));
    assert_true(
        bus_str_is(bus_minute_text(INT64_C(1795469400000), 180, minute), "2026-11-24 00:30"));
    assert_true(bus_str_is(bus_minute_text(-60000, 0, minute), "1969-12-31 23:59"));
    assert_true(bus_str_is(bus_day_text(bus_days_from_civil(12000, 2, 3), text), "9999-02-03"));
    assert_int_equal(bus_day_of(-1, 0), -1);
}

static void
test_arena_keeps_what_it_gave(void **state)
{
    bus_arena arena = {0};
    char     *blocks[500];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            blocks[i] = bus_arena_alloc(&arena, (size_t)i * 7 + 1);
            for (int b = 0; b < i * 7 + 1; b++)
                assert_int_equal(blocks[i][b], 0);
            memset(blocks[i], i & 0xff, (size_t)i * 7 + 1);
        }
        for (int i = 0; i < 500; i++)
            assert_int_equal((unsigned char)blocks[i][i * 7], i & 0xff);
        bus_arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    assert_non_null(bus_arena_alloc(&arena, 10 * 1024 * 1024));
    bus_arena_fini(&arena);
}

static void
test_json_strings_are_escaped(void **state)
{
    bus_buf buf = {0};

    (void)state;
    bus_buf_add_json(&buf, BUS_STR("a\"b\\c\n\x01\xd0\xa8"));
    assert_string_equal(buf.at, "\"a\\\"b\\\\c\\n\\u0001\xd0\xa8\"");
    bus_buf_reset(&buf);
    bus_buf_add_json(&buf, (bus_str){NULL, 0});
    assert_string_equal(buf.at, "\"\"");
    bus_buf_fini(&buf);
}

static void
test_integers_as_text(void **state)
{
    bus_buf buf = {0};

    (void)state;
    bus_buf_add_int(&buf, 0);
    bus_buf_add_char(&buf, ' ');
    bus_buf_add_int(&buf, INT64_MIN);
    bus_buf_add_char(&buf, ' ');
    bus_buf_add_int(&buf, INT64_MAX);
    assert_string_equal(buf.at, "0 -9223372036854775808 9223372036854775807");
    bus_buf_fini(&buf);
}

static void
test_codes_are_folded_to_latin(void **state)
{
    char out[10];

    (void)state;
    assert_int_equal(bus_fold_latin(BUS_STR("А 123-вс 77"), out, 9), 8);
    assert_string_equal(out, "A123BC77");
    assert_int_equal(bus_fold_latin(BUS_STR("a123bc777"), out, 9), 9);
    assert_string_equal(out, "A123BC777");
    assert_int_equal(bus_fold_latin(BUS_STR(" -"), out, 9), 0);
    assert_string_equal(out, "");
    assert_int_equal(bus_fold_latin(BUS_STR("A123BC7777"), out, 9), -1);
    assert_int_equal(bus_fold_latin(BUS_STR("Ж123ВС77"), out, 9), -1);
    assert_int_equal(bus_fold_latin(BUS_STR("A123,BC"), out, 9), -1);
    assert_int_equal(bus_fold_latin(BUS_STR("A\xd0"), out, 9), -1);
}

static void
break_it(void *context)
{
    BUS_INVARIANT(context == NULL);
}

static void
break_inside(void *context)
{
    bus_error inner;

    assert_int_equal(bus_guarded(break_it, context, &inner), BUS_FAULT);
    BUS_UNREACHABLE();
}

static void
test_a_broken_invariant_unwinds_to_its_guard(void **state)
{
    bus_error err = {0};
    int       something = 1;

    (void)state;
    assert_int_equal(bus_guarded(break_it, NULL, &err), BUS_OK);
    assert_int_equal(bus_guarded(break_it, &something, &err), BUS_FAULT);
    assert_non_null(strstr(err.text, "context == NULL"));
    assert_int_equal(bus_guarded(break_inside, &something, &err), BUS_FAULT);
    assert_non_null(strstr(err.text, "unreachable"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v5_is_that_of_the_standard),
        cmocka_unit_test(test_v5_of_long_names),
        cmocka_unit_test(test_v7_is_that_of_the_standard),
        cmocka_unit_test(test_time_of_a_key_is_kept),
        cmocka_unit_test(test_parse_refuses_what_is_no_uuid),
        cmocka_unit_test(test_fnv_vectors),
        cmocka_unit_test(test_partitions_are_evenly_used),
        cmocka_unit_test(test_calendar_there_and_back),
        cmocka_unit_test(test_day_of_a_zone),
        cmocka_unit_test(test_arena_keeps_what_it_gave),
        cmocka_unit_test(test_json_strings_are_escaped),
        cmocka_unit_test(test_integers_as_text),
        cmocka_unit_test(test_codes_are_folded_to_latin),
        cmocka_unit_test(test_a_broken_invariant_unwinds_to_its_guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
