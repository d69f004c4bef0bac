/* password_test.c - which passwords may be used, and whether a hash is theirs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#define COST 5

static edge_password_fault
check(const char *password)
{
    return edge_password_check(bus_str_of(password), 10, "ivan.petrov@example.com");
}

static void
test_which_may_be_used(void **state)
{
    char long_one[EDGE_PASSWORD_BYTES_MAX + 2];

    (void)state;
    assert_int_equal(check("kr7-wolke-zimt"), EDGE_PASSWORD_FINE);
    assert_int_equal(check("корова дорога луна"), EDGE_PASSWORD_FINE);
    assert_int_equal(check("kr7-wolke"), EDGE_PASSWORD_SHORT);
    assert_int_equal(check("корова"), EDGE_PASSWORD_SHORT); /* 6 characters, 12 bytes */
    assert_int_equal(edge_password_check((bus_str){"kr7-wolke\0zimt", 14}, 10, NULL),
                     EDGE_PASSWORD_LONG);
    memset(long_one, 'k', sizeof(long_one));
    assert_int_equal(
        edge_password_check((bus_str){long_one, EDGE_PASSWORD_BYTES_MAX + 1}, 10, NULL),
        EDGE_PASSWORD_LONG);
    assert_int_equal(check("aaaaaaaaaaaa"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("1234567890"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("accountant1"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("password1234"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("2026-Password!"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("1985-01-23-x"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("tnatnuocca"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("ivan.petrov"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("Ivan.Petrov@example.com"), EDGE_PASSWORD_COMMON);
    assert_int_equal(check("kr7-ivan.petrov-zimt"), EDGE_PASSWORD_COMMON);
    assert_int_equal(edge_password_check(BUS_STR("kr7-wolke-jo-zimt"), 10, "jo@example.com"),
                     EDGE_PASSWORD_FINE);
}

static void
test_a_hash_is_of_its_password(void **state)
{
    static const uint8_t salt[EDGE_PASSWORD_SALT_BYTES] = {1, 2, 3}, other[sizeof(salt)] = {9};
    char                 hash[EDGE_PASSWORD_HASH_BYTES], again[EDGE_PASSWORD_HASH_BYTES];
    char                 long_one[EDGE_PASSWORD_BYTES_MAX + 2] = "";
    bus_error            err;

    (void)state;
    assert_int_equal(edge_password_hash("kr7-wolke-zimt", COST, salt, hash, &err), BUS_OK);
    assert_int_equal(strlen(hash), 60);
    assert_memory_equal(hash, "$2b$05$", 7);
    assert_true(edge_password_is("kr7-wolke-zimt", hash, COST));
    assert_true(edge_password_is("kr7-wolke-zimt", hash, COST + 1)); /* the hash tells its cost */
    assert_false(edge_password_is("kr7-wolke-zimT", hash, COST));
    assert_false(edge_password_is("", hash, COST));
    memset(long_one, 'k', EDGE_PASSWORD_BYTES_MAX + 1);
    long_one[EDGE_PASSWORD_BYTES_MAX] = '\0';
    assert_int_equal(edge_password_hash(long_one, COST, salt, again, &err), BUS_OK);
    assert_true(edge_password_is(long_one, again, COST));
    long_one[EDGE_PASSWORD_BYTES_MAX] = 'k'; /* bcrypt would not see it */
    assert_false(edge_password_is(long_one, again, COST));
    assert_int_equal(edge_password_hash("kr7-wolke-zimt", COST, other, again, &err), BUS_OK);
    assert_string_not_equal(hash, again);
    assert_int_equal(edge_password_hash("x", 99, salt, again, &err), BUS_FAULT);
}

/* bcrypt of another implementation, and one that is damaged. */
static void
test_foreign_hashes(void **state)
{
    (void)state;
    /* the vectors of crypt_blowfish */
    assert_true(edge_password_is(
        "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", COST));
    assert_false(edge_password_is("U*U", "$2a$05$", COST));
    assert_false(edge_password_is("U*U", "", COST));
}

static int64_t
cpu_us(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Where there is no hash the time must not tell it. */
static void
test_none_takes_as_long(void **state)
{
    static const uint8_t salt[EDGE_PASSWORD_SALT_BYTES] = {1};
    char                 hash[EDGE_PASSWORD_HASH_BYTES];
    int64_t              began, with_us, without_us;
    bus_error            err;

    (void)state;
    assert_int_equal(edge_password_hash("kr7-wolke-zimt", 9, salt, hash, &err), BUS_OK);
    began = cpu_us();
    assert_false(edge_password_is("another one", hash, 9));
    with_us = cpu_us() - began;
    began = cpu_us();
    assert_false(edge_password_is("another one", NULL, 9));
    without_us = cpu_us() - began;
    assert_in_range(without_us, with_us / 2, with_us * 2);
}

static int64_t
took_us(const char *password, const char *hash, int cost)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < 3; i++) {
        int64_t began = cpu_us(), took;

        assert_false(edge_password_is(password, hash, cost));
        took = cpu_us() - began;
        least = took < least ? took : least;
    }
    return least;
}

/* Nor must it tell a password beyond what libcrypt takes (512 bytes), a hash that was made before
 * the cost was raised, or one that is damaged. */
static void
test_all_take_as_long(void **state)
{
    static const uint8_t salt[EDGE_PASSWORD_SALT_BYTES] = {1};
    char                 hash[EDGE_PASSWORD_HASH_BYTES], long_one[1001];
    int64_t              decoy_us = took_us("another one", NULL, 9);
    bus_error            err;

    (void)state;
    memset(long_one, 'k', 1000);
    long_one[1000] = '\0';
    assert_int_equal(edge_password_hash("kr7-wolke-zimt", 5, salt, hash, &err), BUS_OK);
    assert_in_range(took_us("another one", hash, 9), decoy_us * 6 / 10, decoy_us * 16 / 10);
    assert_in_range(took_us(long_one, hash, 9), decoy_us * 6 / 10, decoy_us * 16 / 10);
    assert_in_range(took_us(long_one, NULL, 9), decoy_us * 6 / 10, decoy_us * 16 / 10);
    assert_in_range(took_us("another one", "$2b$05$", 9), decoy_us * 6 / 10, decoy_us * 16 / 10);
    assert_true(edge_password_is("kr7-wolke-zimt", hash, 9));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_may_be_used), cmocka_unit_test(test_a_hash_is_of_its_password),
        cmocka_unit_test(test_foreign_hashes),    cmocka_unit_test(test_none_takes_as_long),
        cmocka_unit_test(test_all_take_as_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
