/* SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char one, two, three;

static void
test_literals_go_before_parameters(void **state)
{
    edge_router *router = edge_router_create();
    edge_match   match;
    bus_error    err;

    (void)state;
    assert_int_equal(edge_router_add(router, EDGE_GET, "/api/v1/trips/{id}", &one, &err), BUS_OK);
    assert_int_equal(edge_router_add(router, EDGE_GET, "/api/v1/trips/late", &two, &err), BUS_OK);
    assert_int_equal(edge_router_add(router, EDGE_POST, "/api/v1/trips/{id}/late", &three, &err),
                     BUS_OK);
    assert_true(edge_router_find(router, "/api/v1/trips/7", &match));
    assert_ptr_equal(match.targets[EDGE_GET], &one);
    assert_null(match.targets[EDGE_POST]);
    assert_true(bus_str_is(match.parameter, "7"));
    assert_true(edge_router_find(router, "/api/v1/trips/late", &match));
    assert_ptr_equal(match.targets[EDGE_GET], &two);
    assert_int_equal(match.parameter.len, 0);
    /* The literal leads nowhere here, so the parameter is tried. */
    assert_true(edge_router_find(router, "/api/v1/trips/late/late", &match));
    assert_ptr_equal(match.targets[EDGE_POST], &three);
    assert_true(bus_str_is(match.parameter, "late"));
    edge_router_destroy(router);
}

static void
test_what_is_not_there(void **state)
{
    static const char *const paths[] = {"",       "/",           "/api",     "/api/v1/trips/",
                                        "trips",  "//",          "/api//v1", "/api/v1/trips/7/8",
                                        "/api/v", "/api/v1/trip"};
    edge_router             *router = edge_router_create();
    edge_match               match;
    bus_error                err;

    (void)state;
    assert_int_equal(edge_router_add(router, EDGE_GET, "/api/v1/trips/{id}", &one, &err), BUS_OK);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_false(edge_router_find(router, paths[i], &match));
    edge_router_destroy(router);
}

static void
test_bad_routes(void **state)
{
    static const char *const paths[] = {"", "/", "x", "/a/", "/a//b", "/{a}/{b}", "/{a", "/a}"};
    edge_router             *router = edge_router_create();
    bus_error                err;

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(edge_router_add(router, EDGE_GET, paths[i], &one, &err), BUS_INVALID);
    assert_int_equal(edge_router_add(router, EDGE_GET, "/a", &one, &err), BUS_OK);
    assert_int_equal(edge_router_add(router, EDGE_GET, "/a", &two, &err), BUS_CONFLICT);
    assert_int_equal(edge_router_add(router, EDGE_PUT, "/a", &two, &err), BUS_OK);
    edge_router_destroy(router);
}

static void
test_methods(void **state)
{
    edge_method method;

    (void)state;
    assert_true(edge_method_parse("HEAD", &method));
    assert_int_equal(method, EDGE_GET);
    assert_true(edge_method_parse("DELETE", &method));
    assert_string_equal(edge_method_name(method), "DELETE");
    assert_false(edge_method_parse("get", &method));
    assert_false(edge_method_parse("BREW", &method));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals_go_before_parameters),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_bad_routes),
        cmocka_unit_test(test_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
