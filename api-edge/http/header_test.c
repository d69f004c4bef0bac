/* SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void
test_language(void **state)
{
    (void)state;
    assert_int_equal(edge_language_of(NULL), EDGE_EN);
    assert_int_equal(edge_language_of(""), EDGE_EN);
    assert_int_equal(edge_language_of("ru"), EDGE_RU);
    assert_int_equal(edge_language_of("ru-RU,ru;q=0.9,en-US;q=0.8"), EDGE_RU);
    assert_int_equal(edge_language_of("en;q=0.5, ru ; q=0.6"), EDGE_RU);
    assert_int_equal(edge_language_of("ru;q=0.5,en"), EDGE_EN);
    assert_int_equal(edge_language_of("de, ru;q=0.1"), EDGE_RU);
    assert_int_equal(edge_language_of("de, *;q=0.5, en;q=0"), EDGE_RU);
    assert_int_equal(edge_language_of("ru;q=0"), EDGE_EN);
    assert_int_equal(edge_language_of("run"), EDGE_EN);
    assert_int_equal(edge_language_of("ru;q=x"), EDGE_EN);
}

static void
test_trace(void **state)
{
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "00-0af7651916cd43dd8448eb211c80319cxb7ad6b7169203331-01",
    };
    const uint8_t span[8] = {1, 2, 3, 4, 5, 6, 7, 0xff};
    edge_trace    trace;
    char          text[EDGE_TRACEPARENT_BYTES];

    (void)state;
    assert_true(
        edge_trace_parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &trace));
    edge_trace_format(&trace, span, text);
    assert_string_equal(text, "00-0af7651916cd43dd8448eb211c80319c-01020304050607ff-01");
    assert_true(edge_trace_parse(
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-what-comes-later", &trace));
    assert_int_equal(trace.flags, 0);
    assert_false(edge_trace_parse(NULL, &trace));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(edge_trace_parse(bad[i], &trace));
}

static void
test_entity_tags(void **state)
{
    int32_t version;

    (void)state;
    assert_true(edge_if_match_parse(NULL, &version));
    assert_int_equal(version, -1);
    assert_true(edge_if_match_parse(" * ", &version));
    assert_int_equal(version, -1);
    assert_true(edge_if_match_parse("\"17\"", &version));
    assert_int_equal(version, 17);
    assert_false(edge_if_match_parse("W/\"17\"", &version));
    assert_false(edge_if_match_parse("17", &version));
    assert_false(edge_if_match_parse("\"\"", &version));
    assert_false(edge_if_match_parse("\"-1\"", &version));
    assert_false(edge_if_match_parse("\"1\", \"2\"", &version));
    assert_false(edge_if_match_parse("\"2147483648\"", &version));
    assert_true(edge_if_none_match("W/\"3\", \"17\"", 17));
    assert_true(edge_if_none_match("W/\"3\"", 3));
    assert_true(edge_if_none_match("*", 3));
    assert_false(edge_if_none_match("\"4\"", 3));
    assert_false(edge_if_none_match(NULL, 3));
}

static void
test_idempotency_key(void **state)
{
    char    long_key[300];
    bus_str key;

    (void)state;
    assert_true(edge_idempotency_key_parse(" \"a b\" ", &key));
    assert_true(bus_str_is(key, "a b"));
    assert_true(edge_idempotency_key_parse("plain", &key));
    assert_false(edge_idempotency_key_parse("", &key));
    assert_false(edge_idempotency_key_parse("\"\"", &key));
    assert_false(edge_idempotency_key_parse("tab\tinside", &key));
    memset(long_key, 'x', sizeof(long_key));
    long_key[255] = '\0';
    assert_true(edge_idempotency_key_parse(long_key, &key));
    long_key[255] = 'x';
    long_key[256] = '\0';
    assert_false(edge_idempotency_key_parse(long_key, &key));
}

static void
test_media_type(void **state)
{
    (void)state;
    assert_true(edge_is_json("application/json"));
    assert_true(edge_is_json("Application/JSON; charset=UTF-8"));
    assert_true(edge_is_json("application/json;charset=\"utf-8\""));
    assert_false(edge_is_json("application/json; charset=cp1251"));
    assert_false(edge_is_json("application/jsonp"));
    assert_false(edge_is_json("text/plain"));
    assert_false(edge_is_json(NULL));
}

static void
test_values(void **state)
{
    int64_t n;
    int32_t days;

    (void)state;
    assert_true(edge_int_parse(BUS_STR("-9223372036854775808"), &n));
    assert_true(n == INT64_MIN);
    assert_true(edge_int_parse(BUS_STR("9223372036854775807"), &n));
    assert_true(n == INT64_MAX);
    assert_false(edge_int_parse(BUS_STR("9223372036854775808"), &n));
    assert_false(edge_int_parse(BUS_STR("99999999999999999999"), &n));
    assert_false(edge_int_parse(BUS_STR(""), &n));
    assert_false(edge_int_parse(BUS_STR("-"), &n));
    assert_false(edge_int_parse(BUS_STR("+1"), &n));
    assert_false(edge_int_parse(BUS_STR("1 "), &n));
    assert_true(edge_date_parse(BUS_STR("2024-02-29"), &days));
    assert_int_equal(days, 19782);
    assert_false(edge_date_parse(BUS_STR("2023-02-29"), &days));
    assert_false(edge_date_parse(BUS_STR("2023-2-9"), &days));
    assert_false(edge_date_parse((bus_str){"2024\00002\00029", 10}, &days));
    assert_true(edge_time_parse(BUS_STR("2024-02-29T12:34:56.789+03:00"), &n));
    assert_true(n == INT64_C(1709199296789));
    assert_true(edge_time_parse(BUS_STR("1709199296789"), &n));
    assert_true(n == INT64_C(1709199296789));
    assert_false(edge_time_parse(BUS_STR("2024-02-29T12:34:56"), &n));
    assert_false(edge_time_parse(BUS_STR("2024-02-29T25:34:56Z"), &n));
    assert_false(edge_time_parse(BUS_STR("2024-02-29T12:34:56.Z"), &n));
    assert_false(edge_time_parse(BUS_STR("-5"), &n));
    assert_true(edge_time_parse(BUS_STR("0"), &n));
    assert_true(n == 0);
    assert_true(edge_device_time_parse(BUS_STR("2000-01-01T00:00:00Z"), &n));
    assert_true(n == INT64_C(946684800000));
    assert_false(edge_device_time_parse(BUS_STR("946684799999"), &n));
    assert_false(edge_device_time_parse(BUS_STR("0"), &n));
    assert_false(edge_device_time_parse(BUS_STR("1970-01-01T00:00:00Z"), &n));
    assert_false(edge_device_time_parse(BUS_STR("yesterday"), &n));
}

static void
test_position(void **state)
{
    static const char *const bad[] = {
        "",         "trips", "trips:1",    ":1:2",        "trips::2",
        "trips:1:", "T:1:2", "trips:-1:2", "trips:1:2:3", "trips:70000:1"};
    edge_position position;

    (void)state;
    assert_true(edge_position_parse("trips:7:12345678901", &position));
    assert_true(bus_str_is(position.domain, "trips"));
    assert_int_equal(position.partition, 7);
    assert_true(position.offset == INT64_C(12345678901));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(edge_position_parse(bad[i], &position));
}

static void
test_target(void **state)
{
    (void)state;
    assert_string_equal(edge_path_of_target("/healthz"), "/healthz");
    assert_string_equal(edge_path_of_target("http://x/healthz"), "/healthz");
    assert_string_equal(edge_path_of_target("HTTPS://x:1/api/v1"), "/api/v1");
    assert_string_equal(edge_path_of_target("http://x"), "/");
    assert_string_equal(edge_path_of_target("http:///y"), "/y");
    assert_string_equal(edge_path_of_target("ftp://x/y"), "ftp://x/y");
    assert_string_equal(edge_path_of_target("/a/http://x/y"), "/a/http://x/y");
    assert_string_equal(edge_path_of_target(""), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_language),    cmocka_unit_test(test_trace),
        cmocka_unit_test(test_entity_tags), cmocka_unit_test(test_idempotency_key),
        cmocka_unit_test(test_media_type),  cmocka_unit_test(test_values),
        cmocka_unit_test(test_position),    cmocka_unit_test(test_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
