/* webhook_test.c - signatures, with the vectors that Standard Webhooks publishes with its
 * libraries. SPDX-License-Identifier: Apache-2.0 */
#include "bus/webhook/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT_S 1614265330
#define AT "1614265330"
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static bus_webhook_key
key(const char *secret)
{
    bus_webhook_key out;

    assert_true(bus_webhook_key_of(bus_str_of(secret), &out));
    return out;
}

static bool
check(const char *id, const char *at, const char *signatures, const char *body, int64_t now_s)
{
    bus_webhook_key k = key(SECRET);

    return bus_webhook_check(&k, bus_str_of(id), bus_str_of(at), bus_str_of(signatures),
                             bus_str_of(body), now_s);
}

static void
test_published_vector(void **state)
{
    bus_webhook_key k = key(SECRET);
    char            out[BUS_WEBHOOK_SIGNATURE_BYTES];

    (void)state;
    bus_webhook_sign(&k, BUS_STR(ID), AT_S, BUS_STR(BODY), out);
    assert_string_equal(out, SIGNATURE);
    assert_true(check(ID, AT, SIGNATURE, BODY, AT_S));
}

static void
test_keys(void **state)
{
    static const uint8_t plain[] = "a secret of our own";
    bus_webhook_key      k = key("a secret of our own");
    char                 text[400];

    (void)state;
    assert_int_equal(k.len, sizeof(plain) - 1);
    assert_memory_equal(k.bytes, plain, k.len);
    k = key("whsec_YQ==");
    assert_int_equal(k.len, 1);
    k = key("whsec_not base64!"); /* its own bytes, then */
    assert_int_equal(k.len, 17);
    assert_false(bus_webhook_key_of(BUS_STR(""), &k));
    assert_false(bus_webhook_key_of((bus_str){NULL, 0}, &k));
    memset(text, 'A', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "whsec_", 6);
    assert_false(bus_webhook_key_of(bus_str_of(text), &k));
    text[BUS_WEBHOOK_KEY_MAX + 1] = '\0';
    text[0] = 'x';
    assert_false(bus_webhook_key_of(bus_str_of(text), &k));
    text[BUS_WEBHOOK_KEY_MAX] = '\0';
    assert_true(bus_webhook_key_of(bus_str_of(text), &k));
}

static void
test_what_is_refused(void **state)
{
    (void)state;
    assert_false(check("msg_other", AT, SIGNATURE, BODY, AT_S));
    assert_false(check(ID, "1614265331", SIGNATURE, BODY, AT_S));
    assert_false(check(ID, AT, SIGNATURE, BODY " ", AT_S));
    assert_false(check(ID, AT, "", BODY, AT_S));
    assert_false(check(ID, AT, "v1,", BODY, AT_S));
    assert_false(check(ID, AT, "v2" SIGNATURE, BODY, AT_S));
    assert_false(check(ID, AT, "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, AT_S));
    assert_false(check(ID, AT, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", BODY, AT_S));
    /* too old, too new, no time */
    assert_true(check(ID, AT, SIGNATURE, BODY, AT_S + BUS_WEBHOOK_TOLERANCE_S));
    assert_false(check(ID, AT, SIGNATURE, BODY, AT_S + BUS_WEBHOOK_TOLERANCE_S + 1));
    assert_true(check(ID, AT, SIGNATURE, BODY, AT_S - BUS_WEBHOOK_TOLERANCE_S));
    assert_false(check(ID, AT, SIGNATURE, BODY, AT_S - BUS_WEBHOOK_TOLERANCE_S - 1));
    assert_false(check(ID, "", SIGNATURE, BODY, AT_S));
    assert_false(check(ID, "-1614265330", SIGNATURE, BODY, AT_S));
    assert_false(check(ID, "99999999999999999999", SIGNATURE, BODY, AT_S));
}

/* While a secret is changed the sender signs with both; other versions are passed over. */
static void
test_several_signatures(void **state)
{
    bus_buf many = {0};

    (void)state;
    assert_true(check(ID, AT, "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,x " SIGNATURE,
                      BODY, AT_S));
    assert_true(
        check(ID, AT, SIGNATURE " v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=", BODY, AT_S));
    assert_true(check(ID, AT, "  " SIGNATURE " ", BODY, AT_S));
    for (int i = 0; i < 16; i++)
        bus_buf_add_text(&many, "v1,x ");
    bus_buf_add_text(&many, SIGNATURE);
    assert_false(check(ID, AT, many.at, BODY, AT_S));
    bus_buf_fini(&many);
}

static void
test_plain_secrets(void **state)
{
    (void)state;
    assert_true(bus_webhook_same_secret(BUS_STR("one secret"), BUS_STR("one secret")));
    assert_false(bus_webhook_same_secret(BUS_STR("one secret"), BUS_STR("one secreT")));
    assert_false(bus_webhook_same_secret(BUS_STR("one secret"), BUS_STR("one secret ")));
    assert_false(bus_webhook_same_secret(BUS_STR("one secret"), (bus_str){NULL, 0}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vector), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_what_is_refused),  cmocka_unit_test(test_several_signatures),
        cmocka_unit_test(test_plain_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
