/* place_test.c - cursors survive the way there and back, and nothing else passes for one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#define PARTITIONS_MAX 256

static int64_t offsets[PARTITIONS_MAX];

static bool
reads(const char *text, const char *domain, int partitions, const char *why_expected)
{
    edge_place_kind kind;
    const char     *why = "";
    bool ok = edge_place_decode(bus_str_of(text), domain, partitions, offsets, &kind, &why);

    if (!ok && (why_expected == NULL || strstr(why, why_expected) == NULL))
        fail_msg("%s: %s", text, why);
    return ok;
}

static void
test_there_and_back(void **state)
{
    const int64_t some[] = {0, 1, 31, 4096, INT64_MAX, 0, 7, 8};
    int64_t       many[PARTITIONS_MAX];
    bus_buf       text = {0};

    (void)state;
    edge_place_encode("vehicles", some, 8, &text);
    assert_int_equal(strspn(text.at, "abcdefghijklmnopqrstuvwxyz0123456789.~"), text.len);
    assert_true(reads(text.at, "vehicles", 8, NULL));
    assert_memory_equal(offsets, some, sizeof(some));
    bus_buf_reset(&text);
    for (int p = 0; p < PARTITIONS_MAX; p++)
        many[p] = INT64_MAX - p;
    edge_place_encode("a_domain_of_the_longest_name_there_is_xx", many, PARTITIONS_MAX, &text);
    assert_true(text.len <= EDGE_PLACE_TEXT_MAX);
    assert_true(reads(text.at, "a_domain_of_the_longest_name_there_is_xx", PARTITIONS_MAX, NULL));
    assert_memory_equal(offsets, many, sizeof(many));
    bus_buf_fini(&text);
}

static void
test_of_another_feed(void **state)
{
    const int64_t some[] = {3, 4, 5, 6};
    bus_buf       text = {0};

    (void)state;
    edge_place_encode("vehicles", some, 4, &text);
    assert_false(reads(text.at, "drivers", 4, "another domain"));
    assert_false(reads(text.at, "vehicle", 4, "another domain"));
    assert_false(reads(text.at, "vehicles", 8, "number of partitions"));
    assert_false(reads(text.at, "vehicles", 2, "number of partitions"));
    bus_buf_fini(&text);
}

static void
test_damaged(void **state)
{
    const int64_t some[] = {3, 4, 5, 6};
    bus_buf       text = {0};

    (void)state;
    edge_place_encode("vehicles", some, 4, &text);
    for (size_t i = 0; i < text.len; i++) {
        char was = text.at[i];

        text.at[i] = was == '7' ? '8' : '7';
        assert_false(reads(text.at, "vehicles", 4, "is "));
        text.at[i] = was;
    }
    for (size_t len = 1; len < text.len; len++) {
        edge_place_kind kind;
        const char     *why;

        assert_false(edge_place_decode((bus_str){text.at, (uint32_t)len}, "vehicles", 4, offsets,
                                       &kind, &why));
    }
    bus_buf_fini(&text);
    assert_false(reads("~", "vehicles", 4, "is not a cursor"));
    assert_false(reads("~~~~~~~~~~~~~~~~~", "vehicles", 4, "is not a cursor"));
    assert_false(reads("yesterday", "vehicles", 4, "is not a cursor"));
}

static void
test_positions(void **state)
{
    const int64_t   expected[] = {0, 0, 17, 0};
    edge_place_kind kind;
    const char     *why;

    (void)state;
    assert_true(reads("vehicles:2:17", "vehicles", 4, NULL));
    assert_memory_equal(offsets, expected, sizeof(expected));
    assert_false(reads("drivers:2:17", "vehicles", 4, "another domain"));
    assert_false(reads("vehicles:4:17", "vehicles", 4, "partition"));
    assert_false(reads("vehicles:2", "vehicles", 4, "is not"));
    assert_true(edge_place_decode(bus_str_of("latest"), "vehicles", 4, offsets, &kind, &why));
    assert_int_equal(kind, EDGE_PLACE_LATEST);
    assert_true(reads("", "vehicles", 4, NULL));
    assert_int_equal(offsets[2], 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_of_another_feed),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
