/* master.c - master keys: what may be configured, and what is found out at start.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/master.h"
#include "bus/personal/personal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHiA="

static bus_error err;

static bus_master_keys *
parsed(const char *text)
{
    bus_master_keys *masters = NULL;

    assert_int_equal(bus_master_keys_parse(&masters, text, &err), BUS_OK);
    return masters;
}

static void
test_what_is_no_key_is_named_but_not_shown(void **state)
{
    static const char *const wrong[][2] = {
        {"", "key 1 needs a kid"},
        {"k1", "key 1 needs a kid"},
        {":" KEY_A, "key 1 needs a kid"},
        {"k 1:" KEY_A, "key 1 needs a kid"},
        {"k1:AAEC", "key 1 must be 32 bytes"},
        {"k1:" KEY_A "=", "key 1 must be 32 bytes"},
        {"k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAA", "key 1 must be 32 bytes"},
        {"k1:" KEY_A ",", "key 2 needs a kid"},
        {"k1:" KEY_A ",k1:" KEY_B, "key 2 has a kid that was there before"},
        {"k123456789012345678901234567890123:" KEY_A, "key 1 needs a kid"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bus_master_keys *masters = NULL;

        assert_int_equal(bus_master_keys_parse(&masters, wrong[i][0], &err), BUS_INVALID);
        assert_non_null(strstr(err.text, wrong[i][1]));
        assert_null(strstr(err.text, "AAEC"));
    }
}

/* Makes a key of a subject under these masters. */
static void
use(const bus_master_keys *masters, const char *url)
{
    const bus_personal_options options = {.store = &bus_key_store_memory,
                                          .url = url,
                                          .masters = masters,
                                          .clock = bus_clock_system()};
    bus_personal              *p = bus_personal_create(&options);
    bus_subject of = {bus_id_v5_text(BUS_ID_NIL, "t"), bus_id_v5_text(BUS_ID_NIL, "s")};

    assert_int_equal(bus_personal_prepare(p, &of, 1, true, &err), BUS_OK);
    bus_personal_destroy(p);
}

static void
test_a_wrong_master_key_is_found_out_at_start(void **state)
{
    const char      *url = "masters";
    bus_key_store   *keep;
    bus_master_keys *right = parsed("k1:" KEY_A), *wrong = parsed("k1:" KEY_B),
                    *other = parsed("k2:" KEY_B), *both = parsed("k2:" KEY_B ",k1:" KEY_A);

    (void)state;
    assert_int_equal(bus_key_store_memory.open(&keep, url, NULL, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(right, &bus_key_store_memory, url, true, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(right, &bus_key_store_memory, url, true, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(wrong, &bus_key_store_memory, url, true, &err),
                     BUS_DENIED);
    assert_non_null(strstr(err.text, "the key of k1 is not the one"));
    /* another kid: fine as long as nothing was wrapped by the first */
    assert_int_equal(bus_master_keys_check(other, &bus_key_store_memory, url, true, &err), BUS_OK);
    use(right, url);
    assert_int_equal(bus_master_keys_check(other, &bus_key_store_memory, url, true, &err),
                     BUS_DENIED);
    assert_non_null(strstr(err.text, "lacks k1"));
    assert_int_equal(bus_master_keys_check(both, &bus_key_store_memory, url, true, &err), BUS_OK);
    bus_key_store_memory.close(keep);
    bus_master_keys_destroy(right);
    bus_master_keys_destroy(wrong);
    bus_master_keys_destroy(other);
    bus_master_keys_destroy(both);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_key_is_named_but_not_shown),
        cmocka_unit_test(test_a_wrong_master_key_is_found_out_at_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
