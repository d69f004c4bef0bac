/* master.c - master keys: what may be configured, and what is found out at start.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/master.h"
#include "bus/personal/personal.h"
#include "bus/personal/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    assert_int_equal(bus_key_store_memory.open(&keep, url, NULL, NULL, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(right, &bus_key_store_memory, url, true, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(right, &bus_key_store_memory, url, true, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(wrong, &bus_key_store_memory, url, true, &err),
                     BUS_DENIED);
    assert_non_null(strstr(err.text, "the key of k1 is not the one"));
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

/* --- changing -------------------------------------------------------------------------------- */

static int64_t
keys_of(bus_key_store *ks, const char *kid)
{
    bus_arena       arena = {0};
    bus_master_row *rows;
    int             count;
    int64_t         keys = 0;

    assert_int_equal(bus_key_store_memory.masters(ks, true, &arena, &rows, &count, &err), BUS_OK);
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i].kid, kid) == 0)
            keys = rows[i].keys;
    bus_arena_fini(&arena);
    return keys;
}

static bus_personal *
created(const bus_master_keys *masters, const char *url)
{
    return bus_personal_create(&(bus_personal_options){.store = &bus_key_store_memory,
                                                       .url = url,
                                                       .masters = masters,
                                                       .clock = bus_clock_system()});
}

#define SUBJECTS 700 /* more than are wrapped at once */

static void
note_told(void *context, int64_t count)
{
    int64_t *last = context;

    assert_true(count > *last);
    *last = count;
}

/* Bytes sealed before open after the rotation, without the old key; who is forgotten stays so. */
static void
test_all_keys_are_wrapped_by_the_first(void **state)
{
    const char      *url = "rotated";
    bus_arena        arena = {0};
    bus_key_store   *keep;
    bus_master_keys *old = parsed("k1:" KEY_A), *both = parsed("k2:" KEY_B ",k1:" KEY_A),
                    *new = parsed("k2:" KEY_B), *stranger = parsed("k3:" KEY_B);
    bus_subject   subjects[SUBJECTS];
    bus_personal *p;
    bus_str       sealed, secret, out;
    int64_t       count, told = 0;

    (void)state;
    assert_int_equal(bus_key_store_memory.open(&keep, url, NULL, NULL, &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(old, &bus_key_store_memory, url, true, &err), BUS_OK);
    for (int i = 0; i < SUBJECTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%d", i);
        subjects[i] =
            (bus_subject){bus_id_v5_text(BUS_ID_NIL, "t"), bus_id_v5_text(BUS_ID_NIL, name)};
    }
    p = created(old, url);
    assert_int_equal(bus_personal_prepare(p, subjects, SUBJECTS, true, &err), BUS_OK);
    assert_int_equal(bus_personal_seal_bytes(p, subjects[0].tenant, subjects[0].subject, "x",
                                             BUS_STR("Anna"), &arena, &sealed, &err),
                     BUS_OK);
    assert_int_equal(bus_personal_forget(p, subjects[1].tenant, subjects[1].subject, &err), BUS_OK);
    bus_personal_destroy(p);
    secret = bus_secret_seal(old, subjects[0].tenant, subjects[0].subject, "x",
                             BUS_STR("0123456789abcdef"), &arena);

    assert_int_equal(bus_master_keys_check(both, &bus_key_store_memory, url, true, &err), BUS_OK);
    assert_int_equal(
        bus_master_keys_rotate(stranger, &bus_key_store_memory, url, NULL, NULL, &count, &err),
        BUS_DENIED); /* and nothing is lost */
    assert_int_equal(
        bus_master_keys_rotate(both, &bus_key_store_memory, url, note_told, &told, &count, &err),
        BUS_OK);
    assert_int_equal(count, SUBJECTS); /* one is forgotten, and secrets have one */
    assert_int_equal(told, SUBJECTS);
    assert_int_equal(keys_of(keep, "k1"), 0);
    assert_int_equal(keys_of(keep, "k2"), SUBJECTS);
    assert_int_equal(
        bus_master_keys_rotate(both, &bus_key_store_memory, url, note_told, &told, &count, &err),
        BUS_OK);
    assert_int_equal(count, 0);

    assert_int_equal(bus_key_store_memory.drop_master(keep, "k1", &err), BUS_OK);
    assert_int_equal(bus_master_keys_check(new, &bus_key_store_memory, url, true, &err), BUS_OK);
    p = created(new, url);
    assert_int_equal(bus_personal_open_bytes(p, subjects[0].tenant, subjects[0].subject, "x",
                                             sealed, &arena, &out, &err),
                     BUS_OK);
    assert_true(bus_str_equal(out, BUS_STR("Anna")));
    assert_int_equal(bus_personal_seal_bytes(p, subjects[1].tenant, subjects[1].subject, "x",
                                             BUS_STR("Anna"), &arena, &out, &err),
                     BUS_NOT_FOUND);
    bus_personal_destroy(p);
    /* secrets have a key of their own, which came along */
    assert_int_equal(bus_secret_open(new, subjects[0].tenant, subjects[0].subject, "x", secret,
                                     &arena, &out, &err),
                     BUS_OK);
    assert_true(bus_str_equal(out, BUS_STR("0123456789abcdef")));
    assert_true(
        bus_str_equal(bus_secret_make(old, subjects[0].tenant, subjects[0].subject, "x", &arena),
                      bus_secret_make(new, subjects[0].tenant, subjects[0].subject, "x", &arena)));
    bus_key_store_memory.close(keep);
    bus_arena_fini(&arena);
    bus_master_keys_destroy(old);
    bus_master_keys_destroy(both);
    bus_master_keys_destroy(new);
    bus_master_keys_destroy(stranger);
}

static void
write_file(const char *path, const char *text)
{
    char  beside[128];
    FILE *f;

    (void)snprintf(beside, sizeof(beside), "%.100s.new", path);
    f = fopen(beside, "we");
    assert_non_null(f);
    assert_true(fprintf(f, "%s\n", text) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(beside, path), 0);
}

/* A process that runs meets what another has wrapped by a key that it was not started with. */
static void
test_a_file_that_changes_is_read_again(void **state)
{
    const char      *url = "watched";
    char             path[] = "/tmp/shina-master-XXXXXX";
    bus_key_store   *keep;
    bus_master_keys *runs = parsed("k1:" KEY_A), *other = parsed("k2:" KEY_B ",k1:" KEY_A);
    bus_subject      of = {bus_id_v5_text(BUS_ID_NIL, "t"), bus_id_v5_text(BUS_ID_NIL, "s")};
    bus_personal    *p, *q;

    (void)state;
    assert_int_equal(close(mkstemp(path)), 0);
    write_file(path, "k1:" KEY_A);
    assert_int_equal(bus_key_store_memory.open(&keep, url, NULL, NULL, &err), BUS_OK);
    bus_master_keys_watch(runs, path);
    assert_int_equal(bus_master_keys_check(runs, &bus_key_store_memory, url, true, &err), BUS_OK);
    p = created(other, url);
    assert_int_equal(bus_personal_prepare(p, &of, 1, true, &err), BUS_OK);
    q = created(runs, url);
    assert_int_equal(bus_personal_prepare(q, &of, 1, false, &err), BUS_DENIED);
    write_file(path, "k2:damaged");
    assert_int_equal(bus_personal_prepare(q, &of, 1, false, &err), BUS_DENIED);
    assert_string_equal(bus_master_keys_first(runs), "k1");
    write_file(path, "k1:" KEY_B); /* another key under an old name */
    assert_int_equal(bus_personal_prepare(q, &of, 1, false, &err), BUS_DENIED);
    write_file(path, "k2:" KEY_B ",k1:" KEY_A);
    assert_int_equal(bus_personal_prepare(q, &of, 1, false, &err), BUS_OK);
    assert_string_equal(bus_master_keys_first(runs), "k2");
    write_file(path, "k2:" KEY_B); /* what was known stays so while it runs */
    of.subject = bus_id_v5_text(BUS_ID_NIL, "another");
    assert_int_equal(bus_personal_prepare(q, &of, 1, true, &err), BUS_OK);
    assert_non_null(bus_master_keys_kid(runs, 1));
    bus_personal_destroy(p);
    bus_personal_destroy(q);
    bus_key_store_memory.close(keep);
    bus_master_keys_destroy(runs);
    bus_master_keys_destroy(other);
    (void)unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_key_is_named_but_not_shown),
        cmocka_unit_test(test_a_wrong_master_key_is_found_out_at_start),
        cmocka_unit_test(test_all_keys_are_wrapped_by_the_first),
        cmocka_unit_test(test_a_file_that_changes_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
