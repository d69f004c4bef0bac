/* conformance.c - one set of tests for every key store.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/conformance/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const bus_key_store_ops *ops;
static const char              *url;
static bus_error                err;

static bus_id
id(const char *name)
{
    return bus_id_v5_text(BUS_ID_NIL, name);
}

static bus_key_row
row(const char *tenant, const char *subject, const char *kid, uint8_t fill)
{
    bus_key_row r = {.tenant = id(tenant), .subject = *subject == '\0' ? BUS_ID_NIL : id(subject)};

    (void)snprintf(r.kid, sizeof(r.kid), "%s", kid);
    memset(r.wrapped, fill, sizeof(r.wrapped));
    return r;
}

static bus_key_store *
opened(void)
{
    bus_key_store *ks = NULL;

    assert_int_equal(ops->open(&ks, url, "conformance", NULL, &err), BUS_OK);
    return ks;
}

static void
test_what_is_not_there_is_not_found(void **state)
{
    bus_key_store *ks = opened();
    bus_key_row    rows[] = {row("nobody", "a", "", 0), row("nobody", "", "", 0)};

    (void)state;
    rows[0].found = rows[1].found = true;
    assert_int_equal(ops->get(ks, rows, 2, &err), BUS_OK);
    assert_false(rows[0].found);
    assert_false(rows[1].found);
    ops->close(ks);
}

static void
test_the_first_one_stays(void **state)
{
    bus_key_store *ks = opened();
    bus_key_row    first[] = {row("t", "a", "k1", 1), row("t", "", "k1", 2)};
    bus_key_row second[] = {row("t", "a", "k2", 3), row("t", "", "k2", 4), row("t", "b", "k2", 5)};

    (void)state;
    assert_int_equal(ops->put(ks, first, 2, &err), BUS_OK);
    assert_true(first[0].found && first[1].found);
    assert_int_equal(first[0].wrapped[59], 1);
    assert_int_equal(ops->put(ks, second, 3, &err), BUS_OK);
    assert_string_equal(second[0].kid, "k1");
    assert_int_equal(second[0].wrapped[0], 1);
    assert_string_equal(second[1].kid, "k1");
    assert_int_equal(second[1].wrapped[0], 2);
    assert_string_equal(second[2].kid, "k2");
    assert_int_equal(second[2].wrapped[0], 5);
    ops->close(ks);
}

static void
test_tenants_and_subjects_do_not_mix(void **state)
{
    bus_key_store *ks = opened();
    bus_key_row    rows[] = {row("t1", "x", "k", 1), row("t2", "x", "k", 2), row("t1", "", "k", 3)};
    bus_key_row    asked[] = {row("t2", "x", "", 0), row("t1", "", "", 0), row("t2", "", "", 0),
                              row("t1", "x", "", 0)};

    (void)state;
    assert_int_equal(ops->put(ks, rows, 3, &err), BUS_OK);
    assert_int_equal(ops->get(ks, asked, 4, &err), BUS_OK);
    assert_int_equal(asked[0].wrapped[7], 2);
    assert_int_equal(asked[1].wrapped[7], 3);
    assert_false(asked[2].found);
    assert_int_equal(asked[3].wrapped[7], 1);
    ops->close(ks);
}

static void
test_another_connection_sees_it(void **state)
{
    bus_key_store *one = opened(), *two = opened();
    bus_key_row    put = row("t", "shared", "k", 9), got = row("t", "shared", "", 0);

    (void)state;
    assert_int_equal(ops->put(one, &put, 1, &err), BUS_OK);
    assert_int_equal(ops->get(two, &got, 1, &err), BUS_OK);
    assert_true(got.found);
    assert_int_equal(got.wrapped[0], 9);
    ops->close(one);
    ops->close(two);
}

/* --- several at once ------------------------------------------------------------------ */

#define RACERS 4
#define RACED 200

typedef struct {
    uint8_t     fill;
    bus_key_row rows[RACED];
    bus_code    rc;
} racer;

static void *
race(void *context)
{
    racer         *r = context;
    bus_key_store *ks = NULL;
    bus_error      mine;
    char           name[32];

    for (int i = 0; i < RACED; i++) {
        int n = r->fill % 2 == 0 ? i : RACED - 1 - i; /* in both directions */

        (void)snprintf(name, sizeof(name), "raced %d", n);
        r->rows[n] = row("race", name, "k", r->fill);
    }
    r->rc = ops->open(&ks, url, "racer", NULL, &mine);
    if (r->rc == BUS_OK)
        r->rc = ops->put(ks, r->rows, RACED, &mine);
    ops->close(ks);
    return NULL;
}

static void
test_all_get_what_the_first_one_put(void **state)
{
    static racer racers[RACERS];
    pthread_t    threads[RACERS];

    (void)state;
    for (int i = 0; i < RACERS; i++) {
        racers[i].fill = (uint8_t)(10 + i);
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(racers[i].rc, BUS_OK);
        for (int k = 0; k < RACED; k++) {
            assert_true(racers[i].rows[k].found);
            assert_memory_equal(racers[i].rows[k].wrapped, racers[0].rows[k].wrapped,
                                BUS_WRAPPED_BYTES);
        }
    }
}

/* --- masters ------------------------------------------------------------------------------ */

static void
test_masters_stay_and_tell_whether_they_are_used(void **state)
{
    bus_key_store  *ks = opened();
    bus_arena       arena = {0};
    bus_master_row  used = {.kid = "used"}, idle = {.kid = "idle"}, again = {.kid = "used"};
    bus_key_row     key = row("t", "of a master", "used", 1);
    bus_master_row *all;
    int             count, found = 0;

    (void)state;
    memset(used.wrapped, 1, sizeof(used.wrapped));
    memset(again.wrapped, 2, sizeof(again.wrapped));
    assert_int_equal(ops->put_master(ks, &used, &err), BUS_OK);
    assert_int_equal(ops->put_master(ks, &idle, &err), BUS_OK);
    assert_int_equal(ops->put_master(ks, &again, &err), BUS_OK);
    assert_memory_equal(again.wrapped, used.wrapped, sizeof(used.wrapped));
    assert_int_equal(ops->put(ks, &key, 1, &err), BUS_OK);
    assert_int_equal(ops->masters(ks, true, &arena, &all, &count, &err), BUS_OK);
    for (int i = 0; i < count; i++) {
        found += strcmp(all[i].kid, "used") == 0 && all[i].used && all[i].keys == 1;
        found += strcmp(all[i].kid, "idle") == 0 && !all[i].used;
    }
    assert_int_equal(found, 2);
    assert_int_equal(ops->drop_master(ks, "used", &err), BUS_CONFLICT);
    assert_int_equal(ops->drop_master(ks, "idle", &err), BUS_OK);
    assert_int_equal(ops->drop_master(ks, "idle", &err), BUS_OK);
    assert_int_equal(ops->masters(ks, false, &arena, &all, &count, &err), BUS_OK);
    for (int i = 0; i < count; i++) {
        assert_string_not_equal(all[i].kid, "idle");
        found += strcmp(all[i].kid, "used") == 0 && all[i].used;
    }
    assert_int_equal(found, 3);
    bus_arena_fini(&arena);
    ops->close(ks);
}

/* --- forgetting --------------------------------------------------------------------------- */

static void
test_what_is_forgotten_stays_forgotten(void **state)
{
    bus_key_store *ks = opened(), *other = opened();
    bus_key_row    key = row("f", "gone", "k1", 1), again = row("f", "gone", "k1", 2);
    bus_key_row    next = row("f", "beside", "k1", 3), elsewhere = row("g", "gone", "k1", 4);

    (void)state;
    assert_int_equal(ops->put(ks, &key, 1, &err), BUS_OK);
    assert_int_equal(ops->put(ks, &next, 1, &err), BUS_OK);
    assert_int_equal(ops->put(ks, &elsewhere, 1, &err), BUS_OK);
    assert_false(key.forgotten);
    assert_int_equal(ops->forget(other, key.tenant, key.subject, &err), BUS_OK);
    assert_int_equal(ops->get(ks, &key, 1, &err), BUS_OK);
    assert_false(key.found);
    assert_true(key.forgotten);
    assert_int_equal(ops->put(ks, &again, 1, &err), BUS_OK);
    assert_false(again.found);
    assert_true(again.forgotten);
    assert_int_equal(ops->forget(ks, key.tenant, key.subject, &err), BUS_OK); /* a repeat */
    assert_int_equal(ops->get(other, &again, 1, &err), BUS_OK);
    assert_true(again.forgotten && !again.found);
    assert_int_equal(ops->get(ks, &next, 1, &err), BUS_OK);
    assert_true(next.found && !next.forgotten);
    assert_int_equal(ops->get(ks, &elsewhere, 1, &err), BUS_OK);
    assert_true(elsewhere.found && !elsewhere.forgotten);
    ops->close(ks);
    ops->close(other);
}

/* Who is forgotten before anything personal was said of him gets no key either. */
static void
test_who_never_had_a_key_is_forgotten_too(void **state)
{
    bus_key_store *ks = opened();
    bus_key_row    key = row("f", "never", "k1", 1);

    (void)state;
    assert_int_equal(ops->forget(ks, key.tenant, key.subject, &err), BUS_OK);
    assert_int_equal(ops->put(ks, &key, 1, &err), BUS_OK);
    assert_true(key.forgotten && !key.found);
    ops->close(ks);
}

/* --- rotation ----------------------------------------------------------------------------- */

static bool
is_among(const bus_key_row *rows, int count, const bus_key_row *wanted)
{
    for (int i = 0; i < count; i++)
        if (bus_id_equal(rows[i].tenant, wanted->tenant) &&
            bus_id_equal(rows[i].subject, wanted->subject))
            return true;
    return false;
}

static void
test_keys_are_wrapped_anew(void **state)
{
    bus_key_store     *ks = opened();
    bus_key_row        own = row("r", "", "old", 1), one = row("r", "one", "old", 2);
    bus_key_row        gone = row("r", "gone", "old", 3), done = row("r", "done", "new", 4);
    static bus_key_row was[1024], now[4]; /* other tests have left some */
    int                count = 1024;

    (void)state;
    assert_int_equal(ops->put(ks, &own, 1, &err), BUS_OK);
    assert_int_equal(ops->put(ks, &one, 1, &err), BUS_OK);
    assert_int_equal(ops->put(ks, &gone, 1, &err), BUS_OK);
    assert_int_equal(ops->put(ks, &done, 1, &err), BUS_OK);
    assert_int_equal(ops->forget(ks, gone.tenant, gone.subject, &err), BUS_OK);
    assert_int_equal(ops->wrapped_by_others(ks, "new", was, &count, &err), BUS_OK);
    assert_true(is_among(was, count, &own) && is_among(was, count, &one));
    assert_false(is_among(was, count, &gone) || is_among(was, count, &done));
    was[0] = own;
    was[1] = one;
    was[2] = one;
    was[2].wrapped[5] = 99; /* it is something else by now */
    now[0] = row("r", "", "new", 11);
    now[1] = row("r", "one", "new", 12);
    now[2] = row("r", "one", "new", 13);
    assert_int_equal(ops->rewrap(ks, &was[2], &now[2], 1, &err), BUS_OK);
    assert_false(now[2].found);
    assert_int_equal(ops->rewrap(ks, was, now, 2, &err), BUS_OK);
    assert_true(now[0].found && now[1].found);
    assert_int_equal(ops->get(ks, &own, 1, &err), BUS_OK);
    assert_int_equal(ops->get(ks, &one, 1, &err), BUS_OK);
    assert_string_equal(own.kid, "new");
    assert_int_equal(own.wrapped[0], 11);
    assert_string_equal(one.kid, "new");
    assert_int_equal(one.wrapped[0], 12);
    assert_int_equal(ops->rewrap(ks, was, now, 2, &err), BUS_OK); /* a repeat finds nothing */
    assert_false(now[0].found || now[1].found);
    count = 1;
    assert_int_equal(ops->wrapped_by_others(ks, "none", was, &count, &err), BUS_OK);
    assert_int_equal(count, 1);
    ops->close(ks);
}

/* Between reading and putting somebody was forgotten. */
static void
test_wrapping_anew_brings_nobody_back(void **state)
{
    bus_key_store *ks = opened();
    bus_key_row    was = row("r", "late", "old", 1), now = row("r", "late", "new", 2);

    (void)state;
    assert_int_equal(ops->put(ks, &was, 1, &err), BUS_OK);
    assert_int_equal(ops->forget(ks, was.tenant, was.subject, &err), BUS_OK);
    assert_int_equal(ops->rewrap(ks, &was, &now, 1, &err), BUS_OK);
    assert_false(now.found);
    assert_int_equal(ops->get(ks, &was, 1, &err), BUS_OK);
    assert_true(was.forgotten && !was.found);
    ops->close(ks);
}

int
keys_conformance_run(const char *name, const bus_key_store_ops *of, const char *at)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_the_first_one_stays),
        cmocka_unit_test(test_tenants_and_subjects_do_not_mix),
        cmocka_unit_test(test_another_connection_sees_it),
        cmocka_unit_test(test_all_get_what_the_first_one_put),
        cmocka_unit_test(test_masters_stay_and_tell_whether_they_are_used),
        cmocka_unit_test(test_what_is_forgotten_stays_forgotten),
        cmocka_unit_test(test_who_never_had_a_key_is_forgotten_too),
        cmocka_unit_test(test_keys_are_wrapped_anew),
        cmocka_unit_test(test_wrapping_anew_brings_nobody_back),
    };

    bus_key_store *keep = NULL; /* keys in memory last as long as somebody has them open */
    int            failed;

    ops = of;
    url = at;
    if (ops->open(&keep, url, "conformance", NULL, &err) != BUS_OK)
        return 1;
    failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    ops->close(keep);
    return failed;
}
