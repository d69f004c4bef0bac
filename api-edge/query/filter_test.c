/* SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/edge_test_contract.h"
#include "api-edge/query/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

/* The SQL value, or the message of the problem. The arena's. */
static const char *
parse(bus_arena *arena, const char *name, const char *text, const char **operator_sql)
{
    bus_problems     *problems = BUS_ARENA_NEW(arena, bus_problems);
    const bus_column *column =
        edge_filter_column(&vehicles_contract, bus_str_of(name), operator_sql);
    edge_filter filter;

    if (column == NULL)
        return "no such filter";
    if (!edge_filter_parse(column, *operator_sql, bus_str_of(name), bus_str_of(text), arena,
                           &filter, problems))
        return problems->items[0].message;
    *operator_sql = filter.operator_sql;
    return filter.value;
}

static void
test_values(void **state)
{
    static const struct {
        const char *name, *text, *operator_sql, *value;
    } cases[] = {
        {"status", "AVAILABLE", "=", "AVAILABLE"},
        {"status", "AVAILABLE,RETIRED", "any", "{\"AVAILABLE\",\"RETIRED\"}"},
        {"plate", "a\\,b", "=", "a,b"},
        {"plate", "a\\\\,b\"", "any", "{\"a\\\\\",\"b\\\"\"}"},
        {"electric", "true", "=", "t"},
        {"odometer_m.gte", "-5", ">=", "-5"},
        {"registered_at.lt", "1970-01-01T00:00:01Z", "<", "1000"},
        {"load_factor.gt", "1e3", ">", "1e3"},
        {"made_on", "2020-02-29", "=", "2020-02-29"},
    };
    static const struct {
        const char *name, *text;
    } bad[] = {
        {"status", ""},          {"status", "AVAILABLE,"}, {"status", ",AVAILABLE"},
        {"status", "available"}, {"status.gt", "RETIRED"}, {"electric", "1"},
        {"odometer_m", "5.0"},   {"odometer_m.lt", "1,2"}, {"load_factor", "nan"},
        {"load_factor", " 1"},   {"load_factor", "1x"},    {"made_on", "2020-02-30"},
        {"driver_id", "d1"},     {"from_at", "1"},         {"id", "1"},
        {".gte", "1"},           {"plate.", "1"},
    };
    bus_arena   arena = {0};
    const char *operator_sql;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(parse(&arena, cases[i].name, cases[i].text, &operator_sql),
                            cases[i].value);
        assert_string_equal(operator_sql, cases[i].operator_sql);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *said = parse(&arena, bad[i].name, bad[i].text, &operator_sql);

        if (strncmp(said, "must", 4) != 0 && strcmp(said, "no such filter") != 0)
            fail_msg("%s=%s gave %s", bad[i].name, bad[i].text, said);
    }
    bus_arena_fini(&arena);
}

static void
test_folded(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"А001ВС77", "A001BC77"},
        {"a 001 bc-77", "A001BC77"},
        {"А001ВС77,в002ор199", "{\"A001BC77\",\"B002OP199\"}"},
        {"Ж001", "Ж001"},
        {"-", "-"},
    };
    bus_arena   arena = {0};
    const char *operator_sql;
    bus_column  plate = *edge_filter_column(&vehicles_contract, BUS_STR("plate"), &operator_sql);

    (void)state;
    plate.folded = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bus_problems *problems = BUS_ARENA_NEW(&arena, bus_problems);
        edge_filter   filter;

        assert_true(edge_filter_parse(&plate, "=", BUS_STR("plate"), bus_str_of(cases[i].text),
                                      &arena, &filter, problems));
        assert_string_equal(filter.value, cases[i].value);
    }
    bus_arena_fini(&arena);
}

static void
test_too_many(void **state)
{
    bus_arena   arena = {0};
    const char *operator_sql;
    char        text[2 * EDGE_FILTER_VALUES_MAX + 4];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 == 0 ? '1' : ',';
    text[2 * EDGE_FILTER_VALUES_MAX - 1] = '\0';
    assert_int_equal(parse(&arena, "odometer_m", text, &operator_sql)[0], '{');
    text[2 * EDGE_FILTER_VALUES_MAX - 1] = ',';
    text[2 * EDGE_FILTER_VALUES_MAX + 1] = '\0';
    assert_non_null(strstr(parse(&arena, "odometer_m", text, &operator_sql), "more than"));
    bus_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_too_many),
    };

    (void)all_contracts;
    (void)depot_views;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
