/* address_test.c - ours are refused in whatever form, the world's are not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

static bool
is_public(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in     *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6    *v6 = (struct sockaddr_in6 *)&storage;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
    return webhook_address_is_public((struct sockaddr *)&storage);
}

static void
test_the_world(void **state)
{
    static const char *const addresses[] = {
        "1.1.1.1",          "8.8.8.8",         "9.255.255.255",        "11.0.0.0",
        "100.63.255.255",   "100.128.0.0",     "126.255.255.255",      "128.0.0.1",
        "172.15.255.255",   "172.32.0.0",      "192.167.255.255",      "192.169.0.0",
        "223.255.255.255",  "2606:4700::1111", "2a00:1450:4001::200e", "2002:0808:0808::1",
        "64:ff9b::808:808", "::ffff:8.8.8.8",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        if (!is_public(addresses[i]))
            fail_msg("%s", addresses[i]);
}

static void
test_our_own_house(void **state)
{
    static const char *const addresses[] = {
        "0.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "3fff::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "100::1",
    };
    const struct sockaddr local = {.sa_family = AF_UNIX};

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        if (is_public(addresses[i]))
            fail_msg("%s", addresses[i]);
    assert_false(webhook_address_is_public(&local));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_world),
        cmocka_unit_test(test_our_own_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
