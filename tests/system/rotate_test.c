/* rotate_test.c - the master key is changed beside a shina that works: commands and reads go on,
 * the change is killed at each of its steps and goes on, everything that was sealed before is read
 * afterwards without the old key: people's data, passwords, secrets of sources.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/leaks.h"
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TENANT "77777777-7777-4777-8777-777777777777"
#define EMAIL "keeper@example.org"
#define PASSWORD "four wet tyres on ice"
#define DRIVERS 600 /* more than two transactions of a change */

static tests_shina *shina;
static char        *admin, database[2048], key_file[1200], first_driver[40];
static atomic_bool  working;
static atomic_int   hired, refused;

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

/* The first cell of the first row, or "". */
static char *
sql(const char *text)
{
    static char cell[256];
    PGconn     *conn = PQconnectdb(database);
    PGresult   *res = PQexec(conn, text);

    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    (void)snprintf(cell, sizeof(cell), "%s", PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    PQfinish(conn);
    return cell;
}

static long
hire(int nth, char id[40])
{
    char           body[200];
    tests_response r;

    (void)snprintf(body, sizeof(body), "{'full_name':'Driver %d','phone_e164':'+7900%07d'}", nth,
                   nth);
    r = tests_shina_post(shina, admin, "/api/v1/drivers", body);
    if (id != NULL)
        (void)snprintf(id, 40, "%s", text_of(r.json, "id"));
    json_decref(r.json);
    return r.status;
}

/* Takes someone on again and again. */
static void *
work(void *context)
{
    (void)context;
    while (atomic_load(&working)) {
        if (hire(100000 + atomic_load(&hired), NULL) == 201)
            atomic_fetch_add(&hired, 1);
        else
            atomic_fetch_add(&refused, 1);
        (void)usleep(20000);
    }
    return NULL;
}

static char *
keys(const char *what, const char *kid, int *code)
{
    const char *args[] = {"keys", what, kid, NULL};

    return tests_shina_verb(shina, args, code);
}

/* Rotates and dies at a place. */
static void
rotate_and_die(const char *place)
{
    char  fail[64];
    int   code = 0;
    char *out;

    (void)snprintf(fail, sizeof(fail), "%s:1", place);
    assert_int_equal(setenv("SHINA_TEST_FAIL_POINT", fail, 1), 0);
    out = keys("rotate", NULL, &code);
    assert_int_equal(unsetenv("SHINA_TEST_FAIL_POINT"), 0);
    assert_int_not_equal(code, 0);
    free(out);
}

static void
must_verify(void)
{
    const char *args[] = {"verify", NULL};
    int         code = -1;
    char       *out = tests_shina_verb(shina, args, &code);

    if (code != 0)
        fail_msg("%s", out);
    free(out);
}

static long
log_in(void)
{
    tests_response r =
        tests_shina_post(shina, NULL, "/api/v1/auth/login",
                         "{'tenant':'" TENANT "','email':'" EMAIL "','password':'" PASSWORD "'}");

    json_decref(r.json);
    return r.status;
}

/* A user whose password is sealed in the log. */
static void
make_user(void)
{
    char           body[400];
    tests_response r =
        tests_shina_post(shina, admin, "/api/v1/users",
                         "{'email':'" EMAIL "','full_name':'Keeper of Keys','role':'DISPATCHER'}");

    assert_int_equal(r.status, 201);
    (void)snprintf(body, sizeof(body),
                   "{'tenant':'" TENANT "','user_id':'%s','code':'%s','password':'" PASSWORD "'}",
                   text_of(r.json, "id"), text_of(r.json, "secret"));
    json_decref(r.json);
    for (int i = 0; i < 100; i++) { /* the view may be behind */
        r = tests_shina_post(shina, NULL, "/api/v1/auth/set-password", body);
        json_decref(r.json);
        if (r.status < 300)
            break;
        (void)usleep(100000);
    }
    assert_true(r.status < 300);
    for (int i = 0; i < 100 && log_in() != 200; i++)
        (void)usleep(100000);
    assert_int_equal(log_in(), 200);
}

/* --- the story ----------------------------------------------------------------------------- */

static void
test_before(void **state)
{
    (void)state;
    make_user();
    assert_int_equal(hire(0, first_driver), 201);
    for (int i = 1; i < DRIVERS; i++)
        assert_int_equal(hire(i, NULL), 201);
    assert_string_equal(sql("select string_agg(distinct kid, ',') from keys.subjects"), "m1");
}

static void
test_a_change_that_is_killed_goes_on(void **state)
{
    pthread_t worker;
    char     *out;

    (void)state;
    atomic_store(&working, true);
    assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
    rotate_and_die("keys.made");
    assert_string_equal(sql("select count(*) >= 600 from keys.subjects where kid = 'm1'"), "t");
    rotate_and_die("keys.rewrapped");
    assert_string_equal(sql("select count(distinct kid) from keys.subjects"), "2");
    out = keys("rotate", NULL, NULL);
    assert_non_null(strstr(out, "m2 wraps all keys"));
    free(out);
    (void)usleep(500000);
    atomic_store(&working, false);
    (void)pthread_join(worker, NULL);
    assert_string_equal(sql("select string_agg(distinct kid, ',') from (select kid from"
                            " keys.subjects union select kid from keys.tenants) k"),
                        "m2");
    assert_true(atomic_load(&hired) > 50);
    assert_int_equal(atomic_load(&refused), 0);
    assert_int_equal(log_in(), 200);
    must_verify();
}

static void
test_the_old_key_is_dropped(void **state)
{
    char   *out;
    int     code = 0;
    PGconn *locked;

    (void)state;
    locked = PQconnectdb(database);
    PQclear(PQexec(locked, "select pg_advisory_lock(hashtextextended('shina.keys', 0))"));
    out = keys("drop", "m1", &code); /* another one is at work */
    assert_int_equal(code, 1);
    free(out);
    PQfinish(locked);
    out = keys("drop", "nope", &code); /* there is no such one */
    assert_int_equal(code, 1);
    free(out);
    out = keys("drop", "m2", &code); /* not the one that wraps */
    assert_int_equal(code, 1);
    free(out);
    out = keys("list", NULL, NULL);
    assert_non_null(strstr(out, "m1: 0 keys, may be dropped"));
    free(out);
    out = keys("drop", "m1", NULL);
    free(out);
    out = keys("list", NULL, NULL);
    assert_null(strstr(out, "m1"));
    free(out);
    {
        FILE *f = fopen(key_file, "re");
        char  line[512];

        assert_non_null(f);
        assert_non_null(fgets(line, sizeof(line), f));
        (void)fclose(f);
        assert_memory_equal(line, "m2:", 3);
        assert_null(strchr(line, ','));
    }
}

/* Nobody has the old key in memory any more. */
static void
test_everything_is_read_without_it(void **state)
{
    char           path[128];
    tests_response r;

    (void)state;
    for (int i = 0; i < tests_shina_processes(shina); i++)
        if (strcmp(tests_shina_process_name(shina, i), "servers") != 0) {
            tests_shina_kill(shina, i);
            tests_shina_restart(shina, i);
        }
    assert_true(tests_shina_wait_ready(shina, 60));
    assert_int_equal(log_in(), 200);
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/contact", first_driver);
    r = tests_shina_post(shina, admin, path, "{'full_name':'Renamed'}");
    assert_int_equal(r.status, 200);
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s?as_of=%s", first_driver,
                   text_of(r.json, "position"));
    json_decref(r.json);
    r = tests_shina_get(shina, admin, path);
    assert_string_equal(text_of(r.json, "full_name"), "Renamed");
    assert_string_equal(text_of(r.json, "phone_e164"), "+79000000000");
    json_decref(r.json);
    assert_int_equal(hire(1, NULL), 409); /* claims hold: their keys came along */
    must_verify();
}

static int
start(void **state)
{
    (void)state;
    if (unsetenv("SHINA_MASTER_KEYS") != 0)
        return -1;
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    tests_leaks_database(tests_shina_home(shina), database, sizeof(database));
    (void)snprintf(key_file, sizeof(key_file), "%s/master.key", tests_shina_home(shina));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before),
        cmocka_unit_test(test_a_change_that_is_killed_goes_on),
        cmocka_unit_test(test_the_old_key_is_dropped),
        cmocka_unit_test(test_everything_is_read_without_it),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
