/* p1_concurrency_test.c - many assignments of few vehicles and drivers at once (process P1): no
 * reservation overlaps, none leaks, losers go back to PLANNED with a reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "44444444-4444-4444-8444-444444444444"
#define HOUR_MS INT64_C(3600000)
#define RESOURCES 6 /* vehicles, and as many drivers */
#define TRIPS 60
#define SLOTS 3 /* of time: trips of one slot overlap */
#define THREADS 16
#define ROUNDS 3 /* losers try again with other resources */

static tests_shina *shina;
static char        *token;
static char         vehicles[RESOURCES][40], drivers[RESOURCES][40], trips[TRIPS][40];
static int          accepted[TRIPS]; /* assignments; a trip is one thread's */
static int64_t      day_at;

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int64_t
int_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* A command that must succeed. id may be NULL. */
static void
must(char id[40], const char *path, const char *fmt, ...)
{
    char           body[1024];
    va_list        args;
    tests_response r;

    va_start(args, fmt);
    (void)vsnprintf(body, sizeof(body), fmt, args);
    va_end(args);
    r = tests_shina_post(shina, token, path, body);
    if (r.status != 200 && r.status != 201)
        fail_msg("%s %s was answered %ld %s %s", path, body, r.status, text_of(r.json, "code"),
                 text_of(r.json, "detail"));
    if (id != NULL)
        (void)snprintf(id, 40, "%s", text_of(r.json, "id"));
    json_decref(r.json);
}

static void
make_resources(void)
{
    char path[128];

    for (int i = 0; i < RESOURCES; i++) {
        must(vehicles[i], "/api/v1/vehicles",
             "{'plate':'B%03dBC77','vin':'XTA21099%09d','odometer_m':1000,'specs':{'class':'VAN',"
             "'payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"
             "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"
             "'fixed_kop_day':250000}}",
             i, i);
        (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/documents", vehicles[i]);
        must(NULL, path,
             "{'kind':'OSAGO','number':'1','from_on':'2020-01-01','to_on':'2099-01-01'}");
        must(NULL, path,
             "{'kind':'INSPECTION','number':'1','from_on':'2020-01-01','to_on':'2099-01-01'}");
        must(drivers[i], "/api/v1/drivers",
             "{'full_name':'Driver %d','phone_e164':'+7900%07d','licence':{'number':'77%08d',"
             "'categories':['B'],'valid_to':'2099-01-01'},'medical_valid_to':'2099-01-01'}",
             i, i, i);
        (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/activate", drivers[i]);
        must(NULL, path, "{}");
    }
}

static int64_t
begins(int trip)
{
    return day_at + (6 + 5 * (trip % SLOTS)) * HOUR_MS;
}

static void
plan_trips(void)
{
    char path[128];

    for (int i = 0; i < TRIPS; i++) {
        must(trips[i], "/api/v1/trips", "{}");
        (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/plan", trips[i]);
        must(
            NULL, path,
            "{'planned_from_at':%lld,'planned_to_at':%lld,'stops':[{'kind':'PVZ','distance_m':9000,"
            "'duration_s':1200,'service_s':600}]}",
            (long long)begins(i), (long long)(begins(i) + 4 * HOUR_MS));
    }
}

static int
start(void **state)
{
    (void)state;
    shina = tests_shina_start();
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    day_at = ((int64_t)time(NULL) / 86400 + 2) * INT64_C(86400000);
    make_resources();
    plan_trips();
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

/* --- all at once ------------------------------------------------------------------------- */

static void
assign_one(int trip, unsigned *seed)
{
    char           path[128], body[256];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/assign", trips[trip]);
    (void)snprintf(body, sizeof(body), "{'vehicle_id':'%s','driver_id':'%s'}",
                   vehicles[rand_r(seed) % RESOURCES], drivers[rand_r(seed) % RESOURCES]);
    r = tests_shina_post(shina, token, path, body);
    json_decref(r.json);
    accepted[trip] += r.status == 200;
    if (r.status != 200 || trip % 10 != 9)
        return;
    (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/cancel", trips[trip]); /* in the middle */
    r = tests_shina_post(shina, token, path, "{'reason':'changed my mind'}");
    json_decref(r.json);
}

static void *
assign_some(void *context)
{
    int      thread = (int)(intptr_t)context % 100;
    unsigned seed = (unsigned)(intptr_t)context + 1;

    for (int i = thread; i < TRIPS; i += THREADS)
        assign_one(i, &seed);
    return NULL;
}

static json_t *
list(const char *path)
{
    tests_response r = tests_shina_get(shina, token, path);

    assert_int_equal(r.status, 200);
    return r.json;
}

static int
count_status(const json_t *page, const char *status)
{
    const json_t *row;
    size_t        i;
    int           n = 0;

    json_array_foreach(json_object_get(page, "items"), i, row) n +=
        strcmp(text_of(row, "status"), status) == 0;
    return n;
}

static const json_t *
row_of(const json_t *page, const char *id)
{
    const json_t *row;
    size_t        i;

    json_array_foreach(json_object_get(page, "items"), i,
                       row) if (strcmp(text_of(row, "id"), id) == 0) return row;
    return NULL;
}

static int
reservations(const json_t *page)
{
    const json_t *row;
    size_t        i;
    int           n = 0;

    json_array_foreach(json_object_get(page, "items"), i, row) n +=
        (int)json_array_size(json_object_get(row, "reservations"));
    return n;
}

/* The view knows of all that was accepted. */
static bool
knows_all(const json_t *page)
{
    for (int i = 0; i < TRIPS; i++) {
        const json_t *row = row_of(page, trips[i]);

        if (row == NULL || int_of(row, "attempt") < accepted[i])
            return false;
    }
    return true;
}

/* Every process has ended, and what it gave back is back. */
static void
wait_until_settled(void)
{
    for (int i = 0; i < 600; i++) {
        json_t *all = list("/api/v1/trips?limit=200"), *v = list("/api/v1/vehicles?limit=200");
        json_t *d = list("/api/v1/drivers?limit=200");
        int     assigned = count_status(all, "ASSIGNED");
        bool    settled = knows_all(all) && count_status(all, "ASSIGNING") == 0 &&
                       reservations(v) == assigned && reservations(d) == assigned;

        json_decref(all);
        json_decref(v);
        json_decref(d);
        if (settled)
            return;
        (void)usleep(100000);
    }
    fail_msg("assignments hang, or reservations leak");
}

/* No two of one resource overlap, and each belongs to an ASSIGNED trip of that resource. */
static void
check_reservations(const json_t *page, const json_t *all_trips, const char *member)
{
    const json_t *row, *one, *other;
    size_t        i, k, m;

    json_array_foreach(json_object_get(page, "items"), i, row)
    {
        const json_t *list_of = json_object_get(row, "reservations");

        json_array_foreach(list_of, k, one)
        {
            const json_t *trip = row_of(all_trips, text_of(one, "trip_id"));

            assert_non_null(trip);
            assert_string_equal(text_of(trip, "status"), "ASSIGNED");
            assert_string_equal(text_of(trip, member), text_of(row, "id"));
            assert_string_equal(text_of(trip, "reservation_id"), text_of(one, "reservation_id"));
            json_array_foreach(list_of, m, other) if (m < k)
                assert_true(int_of(one, "to_at") <= int_of(other, "from_at") ||
                            int_of(other, "to_at") <= int_of(one, "from_at"));
        }
    }
}

static void
test_few_resources_for_many_trips(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        json_t   *all, *v, *d, *row;
        int       lost = 0;
        size_t    i;

        for (int n = 0; n < THREADS; n++)
            assert_int_equal(
                pthread_create(&threads[n], NULL, assign_some, (void *)(intptr_t)(n + round * 100)),
                0);
        for (int n = 0; n < THREADS; n++)
            assert_int_equal(pthread_join(threads[n], NULL), 0);
        wait_until_settled();
        all = list("/api/v1/trips?limit=200");
        v = list("/api/v1/vehicles?limit=200");
        d = list("/api/v1/drivers?limit=200");
        check_reservations(v, all, "vehicle_id");
        check_reservations(d, all, "driver_id");
        json_array_foreach(json_object_get(all, "items"), i, row)
        {
            if (strcmp(text_of(row, "status"), "PLANNED") != 0 || int_of(row, "attempt") == 0)
                continue;
            lost++;
            assert_true(text_of(row, "failure_code")[0] != '\0');
            assert_true(text_of(row, "failure_detail")[0] != '\0');
        }
        print_message("round %d: %d assigned, %d lost, %d cancelled\n", round + 1,
                      count_status(all, "ASSIGNED"), lost, count_status(all, "CANCELLED"));
        assert_in_range(count_status(all, "ASSIGNED"), 1, RESOURCES * SLOTS);
        assert_true(lost > 0);
        json_decref(all);
        json_decref(v);
        json_decref(d);
    }
}

static void
test_the_log_is_as_it_must_be(void **state)
{
    const char *args[] = {"verify", NULL};
    char       *out = tests_shina_verb(shina, args, NULL);

    (void)state;
    assert_non_null(strstr(out, " 0 faults"));
    free(out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_resources_for_many_trips),
        cmocka_unit_test(test_the_log_is_as_it_must_be),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
