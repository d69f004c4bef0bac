/* refresh_test.c - refresh tokens there and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/refresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static edge_refresh
some(uint8_t from)
{
    edge_refresh token;
    uint8_t      bytes[sizeof(token)];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(from + 7 * i);
    memcpy(&token, bytes, sizeof(token));
    return token;
}

static void
test_there_and_back(void **state)
{
    (void)state;
    for (int from = 0; from < 256; from++) {
        edge_refresh token = some((uint8_t)from), back;
        char         text[EDGE_REFRESH_TEXT_BYTES];

        edge_refresh_format(&token, text);
        assert_int_equal(strlen(text), 150);
        assert_int_equal(
            strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 150);
        assert_true(edge_refresh_parse(bus_str_of(text), &back));
        assert_true(bus_id_equal(back.tenant, token.tenant));
        assert_true(bus_id_equal(back.session, token.session));
        assert_true(bus_id_equal(back.user, token.user));
        assert_memory_equal(back.family, token.family, sizeof(token.family));
        assert_memory_equal(back.own, token.own, sizeof(token.own));
    }
}

static void
test_what_is_none(void **state)
{
    edge_refresh token = some(3);
    char         text[EDGE_REFRESH_TEXT_BYTES + 1];

    (void)state;
    edge_refresh_format(&token, text);
    assert_false(edge_refresh_parse((bus_str){text, 149}, &token));
    text[150] = 'A';
    assert_false(edge_refresh_parse((bus_str){text, 151}, &token));
    for (const char *wrong = "+/=. \n\"!"; *wrong != '\0'; wrong++) {
        text[77] = *wrong;
        assert_false(edge_refresh_parse((bus_str){text, 150}, &token));
    }
    assert_false(edge_refresh_parse((bus_str){NULL, 0}, &token));
}

static void
test_hexadecimal(void **state)
{
    uint8_t secret[EDGE_REFRESH_SECRET_BYTES] = {0x00, 0x0f, 0xab};
    char    text[EDGE_REFRESH_HEX_BYTES];

    (void)state;
    edge_refresh_hex(secret, text);
    assert_int_equal(strlen(text), 64);
    assert_memory_equal(text, "000fab0000", 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_hexadecimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
