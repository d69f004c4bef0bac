/* archive_row_test.c - lines of COPY come apart as they were put together; others are refused.
 * That PostgreSQL writes such lines is in the conformance test.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"
#define GOOD                                                                                \
    "3\t17\t2\t" ID "\tthing\t4\t" ID "\tthings.made.v1\t" ID "\t1\t-77\t" ID "\t\\N\t{}\t" \
    "2026-01-31 23:59:59.123456+00\t1969-12-31 23:59:59.9+00\t[\\n]\t{\"a\":\"\\\\\\\\n\\t\"}"

static void
test_a_line_comes_apart(void **state)
{
    bus_buf    scratch = {0};
    bus_record r;
    bus_error  err;

    (void)state;
    if (archive_row_parse(BUS_STR(GOOD), &scratch, &r, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(r.partition, 3);
    assert_int_equal(r.offset, 17);
    assert_int_equal(r.version, 4);
    assert_int_equal(r.nth, 1);
    assert_int_equal(r.digest, -77);
    assert_int_equal(r.causation_id.len, 0);
    assert_true(bus_str_is(r.type, "things.made.v1"));
    assert_true(r.at_ms == INT64_C(1769903999123));
    assert_true(r.device_at_ms == -100);
    assert_true(bus_str_is(r.sends, "[\n]"));
    assert_true(bus_str_is(r.data, "{\"a\":\"\\\\n\t\"}"));
    bus_buf_fini(&scratch);
}

static void
refuses(const char *line, size_t len)
{
    bus_buf    scratch = {0};
    bus_record r;
    bus_error  err;

    assert_int_equal(archive_row_parse((bus_str){line, (uint32_t)len}, &scratch, &r, &err),
                     BUS_INVALID);
    bus_buf_fini(&scratch);
}

static void
test_other_lines_are_refused(void **state)
{
    static const char good[] = GOOD;
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"3\t17", "x\t17"},
        {"3\t17", "3\t"},
        {"3\t17", "70000\t17"},
        {"\t17\t", "\t0\t"},
        {"\t17\t", "\t1 7\t"},
        {"thing\t4", "thing\t0"},
        {"thing\t4", "\\N\t4"},
        {"0a5d", "0a5g"},
        {"{}", "\\N"},
        {"2026-01", "2026-13"},
        {"123456+00", "123456+01"},
        {"123456+00", "12x+00"},
        {"2026-01-31 23:59:59.123456+00", "\\N"},
        {"\t{}\t", "\t{}\t\t"},
        {"\t{}\t", "\t"},
        {"-77", "99999999999999999999"},
    };
    char line[sizeof(good) + 64];

    (void)state;
    for (size_t len = 0; len < sizeof(good) - 40; len += 3)
        refuses(good, len);
    refuses("3\t17\0\t", 6);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *at = strstr(good, changes[i].from);
        size_t      before = (size_t)(at - good);

        assert_non_null(at);
        memcpy(line, good, before);
        (void)snprintf(line + before, sizeof(line) - before, "%s%s", changes[i].to,
                       at + strlen(changes[i].from));
        refuses(line, strlen(line));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_comes_apart),
        cmocka_unit_test(test_other_lines_are_refused),
    };

    return cmocka_run_group_tests_name("archive rows", tests, NULL, NULL);
}
