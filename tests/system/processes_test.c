/* processes_test.c - several processes of one kind share or stand by; an edge tells when nobody
 * carries out a domain's commands; a domain in a database of its own works with the others; a
 * service needs no more than its own role's rights.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/postgres.h"
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "55555555-5555-4555-8555-555555555555"
#define HANDOVER_MS 6000  /* until all have their share */
#define TAKEOVER_MS 12000 /* a lease of 5 s, and a machine that does much else */

#define VEHICLE                                                                           \
    "{'plate':'A%03dBC77','vin':'XTA21099%09d','odometer_m':1000,'specs':{'class':'VAN'," \
    "'payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"             \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"         \
    "'fixed_kop_day':250000}}"
#define DRIVER                                                                          \
    "{'full_name':'Ivan','phone_e164':'+79161234567','licence':{'number':'9912345678'," \
    "'categories':['B'],'valid_to':'2099-05-20'},'medical_valid_to':'2099-05-20'}"

static tests_shina *shina;
static char        *token;

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- looking into the database --------------------------------------------------- */

/* The first cell of what a statement gives; the caller frees it. */
static char *
sql(const char *url, const char *text)
{
    PGconn   *conn = PQconnectdb(url);
    PGresult *res = PQexec(conn, text);
    char     *out;

    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    out = strdup(PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    PQfinish(conn);
    return out;
}

static void
expect_sql(const char *url, const char *text, const char *expected, int within_ms)
{
    int64_t until = now_ms() + within_ms;

    for (;;) {
        char *got = sql(url, text);
        bool  right = strcmp(got, expected) == 0;

        if (!right && now_ms() > until)
            fail_msg("%s gives %s instead of %s after %d ms", text, got, expected, within_ms);
        free(got);
        if (right)
            return;
        pause_ms(50);
    }
}

/* --- asking -------------------------------------------------------------------------- */

static void
expect_ready(long status, const char *part, int within_ms)
{
    const tests_request request = {.method = "GET", .path = "/readyz"};
    int64_t             until = now_ms() + within_ms;

    for (;;) {
        tests_response r = tests_shina_ask_edge(shina, 0, &request);
        char          *text = json_dumps(r.json, JSON_COMPACT);
        bool           right = r.status == status && (part == NULL || strstr(text, part) != NULL);

        if (!right && now_ms() > until)
            fail_msg("/readyz says %ld %s instead of %ld with %s", r.status, text, status,
                     part == NULL ? "" : part);
        free(text);
        json_decref(r.json);
        if (right)
            return;
        pause_ms(50);
    }
}

/* A command that makes something, and a look at it in its view when it is there. */
static void
make_and_see(const char *path, const char *body)
{
    tests_response r = tests_shina_post(shina, token, path, body);
    char           item[256], after[160];
    const char    *headers[] = {after, NULL};

    if (r.status != 201)
        fail_msg("%s was answered %ld", path, r.status);
    (void)snprintf(item, sizeof(item), "%s/%s", path,
                   json_string_value(json_object_get(r.json, "id")));
    (void)snprintf(after, sizeof(after), "X-After: %s",
                   json_string_value(json_object_get(r.json, "position")));
    json_decref(r.json);
    r = tests_shina_ask(
        shina, &(tests_request){.method = "GET", .path = item, .token = token, .headers = headers});
    assert_int_equal(r.status, 200);
    json_decref(r.json);
}

static void
make_vehicle(int n)
{
    char body[512];

    (void)snprintf(body, sizeof(body), VEHICLE, n, n);
    make_and_see("/api/v1/vehicles", body);
}

static void
expect_verified(void)
{
    const char *args[] = {"verify", NULL};
    char       *out = tests_shina_verb(shina, args, NULL);

    assert_non_null(strstr(out, " 0 faults"));
    free(out);
}

/* --- sharing --------------------------------------------------------------------------- */

/* How many partitions each live owner has, sorted: "4,4". */
static const char shares_sql[] =
    "select coalesce(string_agg(n::text, ',' order by n), '') from (select count(*) n"
    " from vehicles.partitions where lease_until > clock_timestamp() group by owner) s";

static void
test_services_share_and_take_over(const char *url)
{
    int second;

    expect_sql(url, shares_sql, "8", HANDOVER_MS);
    second = tests_shina_add(shina, "service", "vehicles");
    expect_sql(url, shares_sql, "4,4", HANDOVER_MS);
    for (int n = 0; n < 20; n++) /* at streams of both */
        make_vehicle(n);
    tests_shina_kill(shina, second);
    expect_sql(url, shares_sql, "8", TAKEOVER_MS);
    for (int n = 20; n < 40; n++)
        make_vehicle(n);
    tests_shina_restart(shina, second);
    expect_sql(url, shares_sql, "4,4", HANDOVER_MS);
    tests_shina_kill(shina, tests_shina_process_named(shina, "service vehicles"));
    for (int n = 40; n < 50; n++) /* waits for the other one to take over */
        make_vehicle(n);
    expect_sql(url, shares_sql, "8", TAKEOVER_MS);
    tests_shina_restart(shina, tests_shina_process_named(shina, "service vehicles"));
    expect_sql(url, shares_sql, "4,4", HANDOVER_MS);
}

static void
test_a_projection_stands_by(const char *url)
{
    static const char owners[] = "select count(distinct owner) from vehicles.checkpoints"
                                 " where reader like 'view.%' and lease_until > clock_timestamp()";
    int               first = tests_shina_process_named(shina, "projection vehicles");

    (void)tests_shina_add(shina, "projection", "vehicles");
    expect_sql(url, "select count(*) from shina.members where 'projector vehicles' = any (parts)",
               "2", HANDOVER_MS);
    expect_sql(url, owners, "1", HANDOVER_MS);
    tests_shina_kill(shina, first);
    pause_ms(5000);
    for (int n = 50; n < 55; n++)
        make_vehicle(n);
    tests_shina_restart(shina, first);
    expect_sql(url, owners, "1", HANDOVER_MS);
}

static void
test_an_edge_tells_who_is_missing(void)
{
    int drivers = tests_shina_process_named(shina, "service drivers");

    expect_ready(200, NULL, HANDOVER_MS);
    tests_shina_kill(shina, drivers);
    expect_ready(503, "8 partitions have no live owner", TAKEOVER_MS);
    tests_shina_restart(shina, drivers);
    expect_ready(200, NULL, HANDOVER_MS);
    tests_shina_kill(shina, tests_shina_process_named(shina, "projection drivers"));
    expect_ready(503, "nobody fills its views", TAKEOVER_MS);
    tests_shina_restart(shina, tests_shina_process_named(shina, "projection drivers"));
    expect_ready(200, NULL, HANDOVER_MS);
}

static void
test_status_shows_all_processes(void)
{
    const char   *args[] = {"status", "--json", NULL};
    char         *out = tests_shina_verb(shina, args, NULL);
    json_t       *status = json_loads(out, 0, NULL);
    const json_t *processes = json_object_get(status, "processes"), *process;
    int           live = 0;
    size_t        i;

    json_array_foreach(processes, i, process) live +=
        json_is_true(json_object_get(process, "live"));
    /* All but the servers are members. */
    assert_int_equal(live, tests_shina_processes(shina) - 1);
    assert_non_null(strstr(out, "\"service vehicles\""));
    assert_non_null(strstr(out, "\"projector trips\""));
    assert_non_null(strstr(out, "\"edge 127.0.0.1:"));
    json_decref(status);
    free(out);
}

static void
test_many_of_a_kind(void **state)
{
    char url[1200];

    (void)state;
    shina = tests_shina_start_processes(NULL);
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    (void)snprintf(url, sizeof(url), "postgres://shina@/shina?host=%s/run",
                   tests_shina_home(shina));
    test_services_share_and_take_over(url);
    test_a_projection_stands_by(url);
    test_an_edge_tells_who_is_missing();
    test_status_shows_all_processes();
    expect_verified();
    tests_shina_stop(shina);
    free(token);
}

/* --- databases and roles --------------------------------------------------------------- */

/* A service and a projection that log in as their domain's own role. */
static void
test_a_role_of_its_own_is_enough(const char *url)
{
    int   service = tests_shina_process_named(shina, "service vehicles");
    int   projection = tests_shina_process_named(shina, "projection vehicles");
    char  variable[2048];
    char *at = strstr(url, "://");

    free(sql(url, "alter role shina_vehicles login"));
    assert_non_null(at);
    (void)snprintf(variable, sizeof(variable), "SHINA_DATABASE_URL=postgres://shina_vehicles%s",
                   strchr(at, '@'));
    tests_shina_kill(shina, service);
    tests_shina_kill(shina, projection);
    tests_shina_restart_with(shina, service, variable);
    tests_shina_restart_with(shina, projection, variable);
    for (int n = 2; n < 10; n++)
        make_vehicle(n);
    expect_sql(url,
               "select count(*) > 0 from pg_stat_activity where usename = 'shina_vehicles'"
               " and application_name = 'projector vehicles'",
               "t", HANDOVER_MS);
    expect_sql(url,
               "select count(*) > 0 from pg_stat_activity where usename = 'shina_vehicles'"
               " and application_name = 'shina writer vehicles'",
               "t", HANDOVER_MS);
    free(sql(url, "alter role shina_vehicles nologin"));
}

/* A log is not left behind by a change of configuration: the service says so and ends. */
static void
expect_no_empty_log(tests_postgres *pg)
{
    char       *empty = tests_postgres_database(pg, "vehicles_nowhere");
    const char *service[] = {"service", "vehicles", NULL};
    int         code = 0;

    assert_int_equal(setenv("SHINA_DATABASE_URL_VEHICLES", empty, 1), 0);
    free(tests_shina_verb(shina, service, &code));
    assert_int_equal(code, 1);
    expect_sql(empty, "select count(*) from shina.domains", "0", 0);
    assert_int_equal(unsetenv("SHINA_DATABASE_URL_VEHICLES"), 0);
    free(empty);
}

static void
test_a_domain_in_a_database_of_its_own(void **state)
{
    tests_postgres *pg = tests_postgres_start(false);
    char           *own = tests_postgres_database(pg, "drivers_alone");
    const char     *events[] = {"events", "drivers", NULL};
    char           *out;

    (void)state;
    assert_int_equal(setenv("SHINA_DATABASE_URL_DRIVERS", own, 1), 0);
    shina = tests_shina_start_processes(tests_postgres_url(pg));
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    make_vehicle(1);
    make_and_see("/api/v1/drivers", DRIVER);
    out = tests_shina_verb(shina, events, NULL);
    assert_non_null(strstr(out, "drivers.hired.v1"));
    free(out);
    expect_sql(own, "select count(*) > 0 from drivers.events", "t", 0);
    expect_sql(tests_postgres_url(pg), "select count(*) from drivers.events", "0", 0);
    expect_sql(own, "select count(*) from pg_namespace where nspname = 'vehicles'", "0", 0);
    expect_no_empty_log(pg);
    test_a_role_of_its_own_is_enough(tests_postgres_url(pg));
    expect_verified();
    tests_shina_stop(shina);
    assert_int_equal(unsetenv("SHINA_DATABASE_URL_DRIVERS"), 0);
    free(token);
    free(own);
    tests_postgres_stop(pg);
}

/* A shina whose login owns its database and is not superuser; attributes: what else it may. The
 * tables of views belong to whom? */
static void
play_under(tests_postgres *pg, const char *login, const char *attributes, const char *owner)
{
    const char *main = tests_postgres_url(pg);
    char        url[2048], own[2048], text[256];

    (void)snprintf(text, sizeof(text), "create role %s login %s", login, attributes);
    free(sql(main, text));
    (void)snprintf(text, sizeof(text), "create database %s owner %s", login, login);
    free(sql(main, text));
    assert_non_null(strchr(main, '?'));
    (void)snprintf(url, sizeof(url), "postgres://shina@/%s%s", login, strchr(main, '?'));
    (void)snprintf(own, sizeof(own), "postgres://%s@/%s%s", login, login, strchr(main, '?'));
    shina = tests_shina_start_processes(own);
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    make_vehicle(1);
    make_and_see("/api/v1/drivers", DRIVER);
    expect_sql(url,
               "select string_agg(distinct tableowner, ',') from pg_tables"
               " where schemaname = 'views' and tablename like 'vehicles_%'",
               owner, 0);
    expect_verified();
    tests_shina_stop(shina);
    free(token);
}

/* As where PostgreSQL is somebody else's: one that may not make roles, then one that may. */
static void
test_owners_that_are_no_superusers(void **state)
{
    tests_postgres *pg = tests_postgres_start(false);

    (void)state;
    free(sql(tests_postgres_url(pg), "drop owned by shina_edge; drop role shina_edge"));
    play_under(pg, "plain", "", "plain");
    play_under(pg, "carrier", "createrole", "shina_vehicles");
    tests_postgres_stop(pg);
}

int
main(void)
{
    const char             *only = getenv("PROCESSES_TEST_FILTER"); /* one of them, by name */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_of_a_kind),
        cmocka_unit_test(test_a_domain_in_a_database_of_its_own),
        cmocka_unit_test(test_owners_that_are_no_superusers),
    };

    cmocka_set_test_filter(only);
    return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
