/* chain_test.c - the chain of the audit: its bytes are a format, so they are spelled out here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/audit/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <string.h>

#define TENANT "11111111-1111-4111-8111-111111111111"

static const bus_audit_row row = {.at_ms = {"1700000000000", 13},
                                  .action = {"COMMAND", 7},
                                  .outcome = {"ACCEPTED", 8},
                                  .actor = {"22222222-2222-4222-8222-222222222222", 36},
                                  .domain = {"vehicles", 8},
                                  .type = {"vehicles.register", 17},
                                  .detail = {"{}", 2}};

static void
sha256(const void *bytes, size_t len, uint8_t out[BUS_AUDIT_HASH_BYTES])
{
    assert_int_equal(EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL), 1);
}

static void
test_the_bytes_of_a_digest(void **state)
{
    static const char before[] =
        "13:1700000000000,7:COMMAND,8:ACCEPTED,-36:22222222-2222-4222-8222-222222222222,"
        "8:vehicles,17:vehicles.register,-2:{},32:";
    char    text[sizeof(before) - 1 + BUS_AUDIT_HASH_BYTES + 1];
    uint8_t origin[BUS_AUDIT_HASH_BYTES], expected[BUS_AUDIT_HASH_BYTES], got[BUS_AUDIT_HASH_BYTES];

    (void)state;
    sha256("2:ab,9:127.0.0.1,-", 18, expected);
    bus_audit_origin(BUS_STR("ab"), BUS_STR("127.0.0.1"), (bus_str){NULL, 0}, origin);
    assert_memory_equal(origin, expected, sizeof(expected));
    memcpy(text, before, sizeof(before) - 1);
    memcpy(text + sizeof(before) - 1, origin, sizeof(origin));
    text[sizeof(text) - 1] = ',';
    sha256(text, sizeof(text), expected);
    bus_audit_digest(&row, origin, got);
    assert_memory_equal(got, expected, sizeof(expected));
}

static void
test_the_bytes_of_a_link(void **state)
{
    uint8_t text[32 + 16 + 8 + 32], hash[32], digest[32], expected[32];
    bus_id  tenant;

    (void)state;
    assert_true(bus_id_parse(BUS_STR(TENANT), &tenant));
    memset(hash, 7, sizeof(hash));
    memset(digest, 9, sizeof(digest));
    memset(text, 7, 32);
    memcpy(text + 32, tenant.bytes, 16);
    memcpy(text + 48, "\0\0\0\0\0\0\1\2", 8);
    memset(text + 56, 9, 32);
    sha256(text, sizeof(text), expected);
    bus_audit_link(tenant, 258, digest, hash);
    assert_memory_equal(hash, expected, sizeof(expected));
}

/* Whatever is changed, the digest is another; also where values only move from one to the next. */
static void
test_each_value_counts(void **state)
{
    uint8_t        origin[32] = {0}, before[32], after[32];
    bus_audit_row  changed = row;
    bus_str *const values[] = {&changed.at_ms, &changed.action, &changed.outcome,
                               &changed.code,  &changed.actor,  &changed.domain,
                               &changed.type,  &changed.entity, &changed.detail};

    (void)state;
    bus_audit_digest(&row, origin, before);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        changed = row;
        *values[i] = values[i]->at == NULL ? BUS_STR("") : BUS_STR("x");
        bus_audit_digest(&changed, origin, after);
        assert_memory_not_equal(before, after, sizeof(after));
    }
    changed = row;
    changed.domain = BUS_STR("vehicles1");
    changed.type = BUS_STR("7:vehicles.register");
    bus_audit_digest(&changed, origin, after);
    assert_memory_not_equal(before, after, sizeof(after));
    origin[31] = 1;
    bus_audit_digest(&row, origin, after);
    assert_memory_not_equal(before, after, sizeof(after));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bytes_of_a_digest),
        cmocka_unit_test(test_the_bytes_of_a_link),
        cmocka_unit_test(test_each_value_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
