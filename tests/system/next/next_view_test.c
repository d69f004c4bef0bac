/* next_view_test.c - a release that changes a view is rolled out beside the one that runs: the new
 * table is built with progress, no read of the old one fails, then the new one is there, whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TENANT "66666666-6666-4666-8666-666666666666"
#define VEHICLES_BEFORE 120
#define VEHICLES_MAX 2000
#define PATIENCE_S 60

static tests_shina *shina;
static char        *token;
static char         ids[VEHICLES_MAX][40];
static atomic_int   made, reads, failed_reads, wrong_rows;
static atomic_bool  enough;

static bool
make_vehicle(int n)
{
    char           body[700];
    tests_response r;
    const char    *id;

    (void)snprintf(body, sizeof(body),
                   "{'plate':'C%03dBC%02d','vin':'XTA21099%09d','odometer_m':1000,'specs':{'class':"
                   "'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"
                   "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"
                   "'fixed_kop_day':250000}}",
                   n % 1000, n / 1000 + 10, n);
    r = tests_shina_post(shina, token, "/api/v1/vehicles", body);
    id = json_string_value(json_object_get(r.json, "id"));
    if (r.status == 201 && id != NULL)
        (void)snprintf(ids[n], sizeof(ids[n]), "%s", id);
    json_decref(r.json);
    return r.status == 201 && id != NULL;
}

static void *
keep_writing(void *context)
{
    (void)context;
    while (!atomic_load(&enough) && atomic_load(&made) < VEHICLES_MAX) {
        if (!make_vehicle(atomic_load(&made)))
            atomic_fetch_add(&failed_reads, 1000000); /* a write counts too */
        else
            atomic_fetch_add(&made, 1);
    }
    return NULL;
}

static int64_t
odometer_of(const tests_response *r)
{
    return json_integer_value(json_object_get(r->json, "odometer_m"));
}

/* The readers of today's release: items and lists, in turn, at both edges. */
static void *
keep_reading(void *context)
{
    (void)context;
    for (int n = 0; !atomic_load(&enough); n++) {
        char          path[128];
        tests_request request = {.method = "GET", .path = path, .token = token};

        if (n % 4 == 0)
            (void)snprintf(path, sizeof(path), "/api/v1/vehicles?limit=50");
        else
            (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s", ids[n % VEHICLES_BEFORE]);
        tests_response r = tests_shina_ask_edge(shina, n % 2, &request);

        atomic_fetch_add(&reads, 1);
        if (r.status != 200)
            atomic_fetch_add(&failed_reads, 1);
        else if (n % 4 != 0 && odometer_of(&r) != 1000)
            atomic_fetch_add(&wrong_rows, 1);
        json_decref(r.json);
    }
    return NULL;
}

/* --- the next release ------------------------------------------------------------------- */

static int
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(address.sin_port);
}

static pid_t
start_next(const char *verb, const char *name, const char *http)
{
    char  log[1200];
    pid_t pid;

    (void)snprintf(log, sizeof(log), "%s.next-%s.log", tests_shina_home(shina), verb);
    pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    if (freopen(log, "w", stdout) == NULL || dup2(1, 2) < 0 ||
        setenv("SHINA_HOME", tests_shina_home(shina), 1) != 0 ||
        (http != NULL && setenv("SHINA_HTTP", http, 1) != 0) ||
        setenv("SHINA_TEST_FAIL_POINT", "rebuild.filled,sleep:3000", 1) != 0 || chdir("/") != 0)
        _exit(125);
    (void)execl(SHINA_NEXT, "shina-next", verb, name, (char *)NULL);
    _exit(127);
}

static void
stop_next(pid_t pid)
{
    int status = -1;

    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What its /readyz says of the projector of vehicles; the text lives until the decref. */
static const char *
detail_of_vehicles(const tests_response *r)
{
    const json_t *part;
    size_t        i;

    json_array_foreach(json_object_get(r->json, "parts"), i, part)
    {
        const char *name = json_string_value(json_object_get(part, "part"));
        const char *detail = json_string_value(json_object_get(part, "detail"));

        if (name != NULL && strcmp(name, "projector vehicles") == 0)
            return detail == NULL ? "" : detail;
    }
    return "";
}

static void
wait_for_an_answer(const tests_shina *next)
{
    const tests_request alive = {.method = "GET", .path = "/healthz"};
    long                status = 0;

    for (int i = 0; i < PATIENCE_S * 10 && status != 200; i++) {
        tests_response r = tests_shina_ask_edge(next, 0, &alive);

        status = r.status;
        json_decref(r.json);
        (void)usleep(100000);
    }
    assert_int_equal(status, 200);
}

/* Watches the next release's edge until it is ready; what was seen on the way must be told. */
static void
wait_for_next(const tests_shina *next)
{
    const tests_request ready = {.method = "GET", .path = "/readyz"};
    const tests_request list = {.method = "GET", .path = "/api/v1/vehicles", .token = token};
    bool                told = false, refused = false;

    for (int i = 0; i < PATIENCE_S * 10; i++) {
        tests_response r = tests_shina_ask_edge(next, 0, &ready), rows;
        bool           is_ready = r.status == 200;

        told = told || strstr(detail_of_vehicles(&r), "being built") != NULL;
        if (i == PATIENCE_S * 10 - 1)
            (void)json_dumpf(r.json, stderr, JSON_INDENT(1));
        json_decref(r.json);
        if (is_ready) {
            assert_true(told);
            assert_true(refused);
            return;
        }
        rows = tests_shina_ask_edge(next, 0, &list);
        if (rows.status == 503) {
            const char *code = json_string_value(json_object_get(rows.json, "code"));

            refused = refused || (code != NULL && strcmp(code, "VIEW_REBUILDING") == 0);
        }
        json_decref(rows.json);
        (void)usleep(100000);
    }
    fail_msg("the next release did not get ready");
}

static void
check_rows(const tests_shina *next, int count)
{
    for (int i = 0; i < count; i++) {
        char                path[128];
        const tests_request request = {.method = "GET", .path = path, .token = token};
        tests_response      r = {0};

        (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s", ids[i]);
        for (int tries = 0; tries < 50; tries++) { /* the last ones may still be on their way */
            r = tests_shina_ask_edge(next, 0, &request);
            if (r.status == 200)
                break;
            json_decref(r.json);
            (void)usleep(100000);
        }
        assert_int_equal(r.status, 200);
        assert_int_equal(odometer_of(&r), 1007);
        json_decref(r.json);
    }
}

static void
test_a_changed_view_is_built_beside_the_old_one(void **state)
{
    char         http[64], url[80];
    pthread_t    writer, reader;
    pid_t        projection, edge;
    tests_shina *next;
    char        *verified;

    (void)state;
    for (int i = 0; i < VEHICLES_BEFORE; i++)
        assert_true(make_vehicle(i));
    atomic_store(&made, VEHICLES_BEFORE);
    (void)usleep(1000000); /* the views follow */
    assert_int_equal(pthread_create(&writer, NULL, keep_writing, NULL), 0);
    assert_int_equal(pthread_create(&reader, NULL, keep_reading, NULL), 0);

    (void)snprintf(http, sizeof(http), "127.0.0.1:%d", free_port());
    (void)snprintf(url, sizeof(url), "http://%s", http);
    edge = start_next("edge", NULL, http);
    next = tests_shina_attach(url, tests_shina_home(shina));
    wait_for_an_answer(next);
    projection = start_next("projection", "vehicles", NULL);
    wait_for_next(next);
    (void)usleep(500000); /* both at work */
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(pthread_join(reader, NULL), 0);

    (void)printf("%d vehicles, %d reads of the old release, %d failed\n", atomic_load(&made),
                 atomic_load(&reads), atomic_load(&failed_reads));
    assert_true(atomic_load(&made) > VEHICLES_BEFORE);
    assert_true(atomic_load(&reads) > 100);
    assert_int_equal(atomic_load(&failed_reads), 0);
    assert_int_equal(atomic_load(&wrong_rows), 0);
    check_rows(next, atomic_load(&made));
    tests_shina_stop(next);
    stop_next(edge);
    stop_next(projection);
    verified = tests_shina_verb(shina, (const char *const[]){"verify", NULL}, NULL);
    free(verified);
}

static int
start(void **state)
{
    (void)state;
    if (setenv("SHINA_TEST_LAYOUT", "processes", 1) != 0)
        return -1;
    shina = tests_shina_start();
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(token);
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_changed_view_is_built_beside_the_old_one),
    };

    return cmocka_run_group_tests_name("next_view", tests, start, stop);
}
