/* peer_test.c - which proxies are trusted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/peer.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool
has(const char *proxies, const char *address)
{
    edge_network parsed[EDGE_PROXIES_MAX];
    uint8_t      bytes[16] = {[10] = 0xff, [11] = 0xff};
    bus_error    err;
    int          count;

    assert_int_equal(edge_proxies_parse(proxies, parsed, &count, &err), BUS_OK);
    if (inet_pton(AF_INET, address, bytes + 12) != 1)
        assert_int_equal(inet_pton(AF_INET6, address, bytes), 1);
    return edge_proxies_have(parsed, count, bytes);
}

static void
test_networks(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8,::1", "10.200.3.4"));
    assert_true(has("10.0.0.0/8,::1", "::1"));
    assert_false(has("10.0.0.0/8,::1", "11.0.0.1"));
    assert_true(has("192.168.4.0/22", "192.168.7.255"));
    assert_false(has("192.168.4.0/22", "192.168.8.0"));
    assert_true(has("203.0.113.7", "203.0.113.7"));
    assert_false(has("203.0.113.7", "203.0.113.6"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("0.0.0.0/0", "1.2.3.4"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_false(has("", "127.0.0.1"));
}

static void
test_what_is_no_network(void **state)
{
    static const char *const wrong[] = {"10.0.0.0/33", "10.0.0/8",  "10.0.0.0/", "proxy.example",
                                        "::1/129",     "10.0.0.1;", " 10.0.0.1", "10.0.0.0/-1"};
    edge_network             parsed[EDGE_PROXIES_MAX];
    bus_error                err;
    int                      count;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(edge_proxies_parse(wrong[i], parsed, &count, &err), BUS_INVALID);
        assert_non_null(strstr(err.text, wrong[i]));
    }
    assert_int_equal(edge_proxies_parse("::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,"
                                        "::1,::1,::1",
                                        parsed, &count, &err),
                     BUS_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_what_is_no_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
