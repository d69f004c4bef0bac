/* view_table_test.c - names and columns of the tables of views.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/view_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const bus_shape  time_shape = {.kind = BUS_KIND_TIME};
static const bus_field  made_at = {.name = "made_at", .shape = &time_shape};
static const bus_field  plate = {.name = "plate",
                                 .shape = &(const bus_shape){.kind = BUS_KIND_STRING}};
static const bus_column columns[] = {
    {.name = "made_at", .field = &made_at, .sort = true},
    {.name = "plate", .field = &plate, .filter = true},
};

static const bus_contract home = {.module = "depot"};

static bus_view_contract
view_of(const char *name, uint64_t hash)
{
    return (bus_view_contract){
        .name = name, .contract = &home, .columns = columns, .columns_count = 2, .hash = hash};
}

static void
test_the_name_tells_contract_and_version_apart(void **state)
{
    bus_view_contract a = view_of("vehicles", 1), b = view_of("vehicles", UINT64_C(1) << 40);
    char              a1[BUS_VIEW_TABLE_BYTES], a2[BUS_VIEW_TABLE_BYTES], b1[BUS_VIEW_TABLE_BYTES];
    char              again[BUS_VIEW_TABLE_BYTES];

    (void)state;
    bus_view_table_name(&a, 1, a1);
    bus_view_table_name(&a, 1, again);
    bus_view_table_name(&a, 2, a2);
    bus_view_table_name(&b, 1, b1);
    assert_string_equal(a1, again);
    assert_string_not_equal(a1, a2);
    assert_string_not_equal(a1, b1);
    assert_int_equal(strlen(a1), strlen("vehicles_01234567"));
    assert_memory_equal(a1, "vehicles_", 9);
}

static void
test_a_long_name_keeps_its_hash(void **state)
{
    bus_view_contract a =
        view_of("a_name_that_is_longer_than_what_the_database_takes_for_a_name", 1);
    char one[BUS_VIEW_TABLE_BYTES], two[BUS_VIEW_TABLE_BYTES];

    (void)state;
    bus_view_table_name(&a, 1, one);
    bus_view_table_name(&a, 2, two);
    assert_true(strlen(one) <= 63);
    assert_string_not_equal(one, two);
    bus_view_build_name(&a, 1, two); /* not cut short either */
    assert_true(strlen(two) <= 63);
    assert_memory_equal(one, two, strlen(one));
    assert_string_equal(two + strlen(one), "_new");
}

static void
test_the_topic_tells_two_releases_apart(void **state)
{
    bus_view_contract        a = view_of("vehicles", 1), b = view_of("documents", 2);
    const bus_view_contract *views[] = {&a, &b}, *turned[] = {&b, &a};
    const int                today[] = {1, 1}, next[] = {2, 1}, next_turned[] = {1, 2};
    char one[BUS_VIEWS_TOPIC_BYTES], two[BUS_VIEWS_TOPIC_BYTES], three[BUS_VIEWS_TOPIC_BYTES];

    (void)state;
    bus_views_topic("depot", views, today, 2, one);
    bus_views_topic("depot", views, next, 2, two);
    bus_views_topic("depot", turned, next_turned, 2, three);
    assert_memory_equal(one, "views.depot.", 12);
    assert_string_not_equal(one, two);
    assert_string_equal(two, three);
}

static void
test_the_ddl_has_columns_indexes_and_a_wall(void **state)
{
    bus_view_contract view = view_of("vehicles", 1);
    bus_buf           ddl = {0};

    (void)state;
    bus_view_table_ddl(&view, 1, &ddl);
    assert_non_null(strstr(ddl.at, "\"made_at\" bigint"));
    assert_non_null(strstr(ddl.at, "\"plate\" text"));
    assert_non_null(strstr(ddl.at, "(tenant, \"made_at\", id)"));
    assert_null(strstr(ddl.at, "(tenant, \"plate\", id)"));
    assert_non_null(strstr(ddl.at, "enable row level security"));
    bus_buf_fini(&ddl);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_name_tells_contract_and_version_apart),
        cmocka_unit_test(test_a_long_name_keeps_its_hash),
        cmocka_unit_test(test_the_topic_tells_two_releases_apart),
        cmocka_unit_test(test_the_ddl_has_columns_indexes_and_a_wall),
    };

    return cmocka_run_group_tests_name("view_table", tests, NULL, NULL);
}
