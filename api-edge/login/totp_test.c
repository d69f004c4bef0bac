/* totp_test.c - one-time passwords, by the vectors of RFC 6238.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static char secret[EDGE_TOTP_TEXT_BYTES];

static int
set_up(void **state)
{
    bus_error err;

    (void)state;
    edge_totp_format((const uint8_t *)"12345678901234567890", secret);
    return edge_totp_start(&err) == BUS_OK ? 0 : -1;
}

static void
test_base32(void **state)
{
    (void)state;
    assert_string_equal(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

/* Appendix B, SHA-1; its passwords have 8 digits, of which the last 6 are those of 6. */
static void
test_vectors(void **state)
{
    static const struct {
        int64_t     at_s;
        const char *password;
    } vectors[] = {
        {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
        {1234567890, "005924"}, {2000000000, "279037"}, {INT64_C(20000000000), "353130"},
    };
    int64_t step;

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(edge_totp_check(secret, vectors[i].password, vectors[i].at_s, &step));
        assert_int_equal(step, vectors[i].at_s / 30);
    }
}

static void
test_a_clock_may_be_off_by_a_step(void **state)
{
    int64_t step;

    (void)state;
    assert_true(edge_totp_check(secret, "005924", 1234567890 + 30, &step));
    assert_int_equal(step, 1234567890 / 30); /* the step is the password's, not the clock's */
    assert_true(edge_totp_check(secret, "005924", 1234567890 - 30, &step));
    assert_int_equal(step, 1234567890 / 30);
    assert_false(edge_totp_check(secret, "005924", 1234567890 + 60, &step));
    assert_false(edge_totp_check(secret, "005924", 1234567890 - 60, &step));
}

static void
test_what_is_none(void **state)
{
    int64_t step;

    (void)state;
    assert_false(edge_totp_check(secret, "005925", 1234567890, &step));
    assert_false(edge_totp_check(secret, "5924", 1234567890, &step));
    assert_false(edge_totp_check(secret, " 05924", 1234567890, &step));
    assert_false(edge_totp_check(secret, "89005924", 1234567890, &step));
    assert_false(edge_totp_check(secret, "", 1234567890, &step));
    assert_false(edge_totp_check("not base32!", "005924", 1234567890, &step));
}

static void
test_the_uri(void **state)
{
    char uri[EDGE_TOTP_URI_BYTES];

    (void)state;
    edge_totp_uri(secret, "iv?an&=%@example.com", uri);
    assert_string_equal(uri, "otpauth://totp/shina:ivan@example.com?secret="
                             "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
                             "&issuer=shina&algorithm=SHA1&digits=6&period=30");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base32),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_a_clock_may_be_off_by_a_step),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_the_uri),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
