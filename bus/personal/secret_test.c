/* secret_test.c - secrets sealed and opened, in their place and in others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define OLD "old:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define NEW "new:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

static const bus_id tenant = {{1}}, other = {{2}}, stream = {{3}};
static const char   label[] = "ingest.secret";

static struct {
    bus_master_keys *masters;
    bus_arena        arena;
} t;

static void
use(const char *keys)
{
    bus_error err;

    bus_master_keys_destroy(t.masters);
    assert_int_equal(bus_master_keys_parse(&t.masters, keys, &err), BUS_OK);
}

static bus_code
open_it(bus_id of_tenant, bus_id of_stream, const char *of_label, bus_str sealed, bus_str *out)
{
    bus_error err;

    return bus_secret_open(t.masters, of_tenant, of_stream, of_label, sealed, &t.arena, out, &err);
}

static void
test_sealed_and_opened(void **state)
{
    char    longest[BUS_SECRET_MAX + 1];
    bus_str sealed, out;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    for (uint32_t len = BUS_SECRET_MIN; len <= BUS_SECRET_MAX; len++) {
        bus_str secret = {longest, len};

        sealed = bus_secret_seal(t.masters, tenant, stream, label, secret, &t.arena);
        assert_true(sealed.len <= BUS_SEALED_SECRET_MAX);
        assert_null(memmem(sealed.at, sealed.len, "xxxx", 4));
        assert_int_equal(open_it(tenant, stream, label, sealed, &out), BUS_OK);
        assert_true(bus_str_equal(out, secret));
    }
}

/* A repeated command is the same command; elsewhere the same secret looks different. */
static void
test_same_text_in_same_place(void **state)
{
    bus_str secret = BUS_STR("0123456789abcdef");
    bus_str a = bus_secret_seal(t.masters, tenant, stream, label, secret, &t.arena);
    bus_str b = bus_secret_seal(t.masters, tenant, stream, label, secret, &t.arena);
    bus_str c = bus_secret_seal(t.masters, other, stream, label, secret, &t.arena);
    bus_str d =
        bus_secret_seal(t.masters, tenant, stream, label, BUS_STR("0123456789abcdeF"), &t.arena);

    (void)state;
    assert_true(bus_str_equal(a, b));
    assert_memory_not_equal(a.at + 10, c.at + 10, 16); /* the nonce, already */
    assert_memory_not_equal(a.at + 10, d.at + 10, 16);
}

static void
test_elsewhere_it_does_not_open(void **state)
{
    bus_str sealed =
        bus_secret_seal(t.masters, tenant, stream, label, BUS_STR("0123456789abcdef"), &t.arena);
    bus_str out, damaged = bus_arena_copy(&t.arena, sealed.at, sealed.len);

    (void)state;
    assert_int_equal(open_it(other, stream, label, sealed, &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, other, label, sealed, &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, stream, "webhooks.secret", sealed, &out), BUS_FAULT);
    ((char *)(uintptr_t)damaged.at)[20] ^= 1;
    assert_int_equal(open_it(tenant, stream, label, damaged, &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, stream, label, BUS_STR("0123456789abcdef"), &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, stream, label, BUS_STR("sec:1:old"), &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, stream, label, BUS_STR("sec:1:old:"), &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, stream, label, BUS_STR("sec:1:old:AAAA"), &out), BUS_FAULT);
    assert_int_equal(open_it(tenant, stream, label, (bus_str){NULL, 0}, &out), BUS_FAULT);
}

static void
test_a_new_master_key(void **state)
{
    bus_str sealed =
        bus_secret_seal(t.masters, tenant, stream, label, BUS_STR("0123456789abcdef"), &t.arena);
    bus_str out;

    (void)state;
    use(NEW "," OLD);
    assert_int_equal(open_it(tenant, stream, label, sealed, &out), BUS_OK);
    use(NEW);
    assert_int_equal(open_it(tenant, stream, label, sealed, &out), BUS_DENIED);
    use(OLD);
}

static void
test_made(void **state)
{
    bus_str a = bus_secret_make(t.masters, tenant, stream, label, &t.arena);
    bus_str b = bus_secret_make(t.masters, tenant, stream, label, &t.arena);
    bus_str c = bus_secret_make(t.masters, tenant, other, label, &t.arena);

    (void)state;
    assert_true(bus_str_equal(a, b));
    assert_false(bus_str_equal(a, c));
    assert_int_equal(a.len, 6 + 44);
    assert_memory_equal(a.at, "whsec_", 6);
}

/* A code stands in addresses, and is known by its hash alone. */
static void
test_codes_and_their_hashes(void **state)
{
    bus_str code, again, hash;

    (void)state;
    code = bus_secret_make_code(t.masters, tenant, stream, label, &t.arena);
    again = bus_secret_make_code(t.masters, tenant, stream, label, &t.arena);
    assert_true(bus_str_equal(code, again));
    assert_int_equal(code.len, 43);
    assert_int_equal(
        strspn(code.at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    again = bus_secret_make_code(t.masters, other, stream, label, &t.arena);
    assert_false(bus_str_equal(code, again));
    hash = bus_secret_hash(BUS_STR("abc"), &t.arena); /* FIPS 180-4 */
    assert_string_equal(hash.at,
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static int
set_up(void **state)
{
    (void)state;
    use(OLD);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    bus_master_keys_destroy(t.masters);
    bus_arena_fini(&t.arena);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_and_opened),
        cmocka_unit_test(test_same_text_in_same_place),
        cmocka_unit_test(test_elsewhere_it_does_not_open),
        cmocka_unit_test(test_a_new_master_key),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_codes_and_their_hashes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
