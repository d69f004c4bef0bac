/* time_travel_test.c - ?as_of= against a whole shina: what an item was, in clear where its view is,
 * whatever happened to it since.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"

#define SPECS                                                                                \
    "{'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL'," \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"            \
    "'fixed_kop_day':250000}"
#define VEHICLE "{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1000}"
#define OTHER_VEHICLE \
    "{'plate':'B456CC77','vin':'XTA210990Y1234568','specs':" SPECS ",'odometer_m':1000}"
#define DRIVER                                                                                    \
    "{'full_name':'Anna Ivanova','phone_e164':'+79990000001','licence':{'number':'99 12 345678'," \
    "'categories':['B','C'],'valid_to':'2031-05-20'},'medical_valid_to':'2031-01-01','pay':{"     \
    "'per_trip_kop':150000,'per_km_kop':900,'per_point_kop':10000,'per_hour_kop':0,'pct_bp':0}}"

static tests_shina *shina;
static char        *admin, *stranger;

static int
start(void **state)
{
    (void)state;
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    stranger = tests_shina_token(shina, OTHER_TENANT, "ADMIN", NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    free(stranger);
    tests_shina_await_kills(shina); /* the stories are short */
    tests_shina_stop(shina);
    return 0;
}

typedef struct {
    char id[64], position[96];
} answered;

/* Posts, which must go well. */
static answered
post(const char *path, const char *body)
{
    answered       a;
    tests_response r = tests_shina_post(shina, admin, path, body);

    if (r.status != 200 && r.status != 201) {
        char *text = json_dumps(r.json, 0);

        fail_msg("%s: %ld %s", path, r.status, text);
    }
    (void)snprintf(a.id, sizeof(a.id), "%s", json_string_value(json_object_get(r.json, "id")));
    (void)snprintf(a.position, sizeof(a.position), "%s",
                   json_string_value(json_object_get(r.json, "position")));
    json_decref(r.json);
    return a;
}

static tests_response
as_of(const char *token, const char *collection, const char *id, const char *when)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s?as_of=%s", collection, id, when);
    return tests_shina_get(shina, token, path);
}

static void
refused(tests_response r, long status)
{
    assert_int_equal(r.status, status);
    json_decref(r.json);
}

static int64_t
number(const tests_response *r, const char *name)
{
    return json_integer_value(json_object_get(r->json, name));
}

static void
now_text(char out[40])
{
    struct timespec now;
    struct tm       utc;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    assert_non_null(gmtime_r(&now.tv_sec, &utc));
    (void)snprintf(out, 40, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   now.tv_nsec / 1000000);
}

static void
test_a_vehicle_as_it_was(void **state)
{
    answered       made = post("/api/v1/vehicles", VEHICLE), moved;
    char           path[160], between[40];
    tests_response r;

    (void)state;
    (void)usleep(20000);
    now_text(between);
    (void)usleep(20000);
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", made.id);
    moved = post(path, "{'odometer_m':5000,'source':'DRIVER'}");

    r = as_of(admin, "vehicles", made.id, made.position);
    assert_int_equal(r.status, 200);
    assert_int_equal(number(&r, "odometer_m"), 1000);
    json_decref(r.json);
    r = as_of(admin, "vehicles", made.id, between);
    assert_int_equal(r.status, 200);
    assert_int_equal(number(&r, "odometer_m"), 1000);
    json_decref(r.json);
    r = as_of(admin, "vehicles", made.id, moved.position);
    assert_int_equal(r.status, 200);
    assert_int_equal(number(&r, "odometer_m"), 5000);
    json_decref(r.json);

    refused(as_of(admin, "vehicles", made.id, "2020-01-01T00:00:00Z"), 404);
    refused(as_of(stranger, "vehicles", made.id, moved.position), 404);
    refused(as_of(admin, "vehicles", made.id, "drivers:0:1"), 422);
    refused(as_of(admin, "profit-days", made.id, between), 422);
}

/* Its first event goes to a file: the past is still there. */
static void
test_an_archived_past(void **state)
{
    static const char *const args[] = {"archive", "vehicles", "--keep-events", "1", NULL};
    static const char *const verify[] = {"verify", NULL};
    answered                 made = post("/api/v1/vehicles", OTHER_VEHICLE);
    char                     path[160], *seen;
    bool                     archived = false;
    tests_response           r;

    (void)state;
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", made.id);
    (void)post(path, "{'odometer_m':7000,'source':'DRIVER'}");
    for (int i = 0; i < 50 && !archived; i++) { /* readers that are being killed hold it back */
        free(tests_shina_verb(shina, args, NULL));
        seen = tests_shina_verb(shina, verify, NULL);
        archived = strstr(seen, " 0 archives") == NULL;
        free(seen);
        (void)usleep(archived ? 0 : 200000);
    }
    assert_true(archived);
    r = as_of(admin, "vehicles", made.id, made.position);
    assert_int_equal(r.status, 200);
    assert_int_equal(number(&r, "odometer_m"), 1000);
    json_decref(r.json);
}

/* Personal members are encrypted in the log; the past is as clear as the view is. */
static void
test_a_driver_as_they_were(void **state)
{
    answered       hired = post("/api/v1/drivers", DRIVER);
    char           path[160];
    tests_response r;

    (void)state;
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/contact", hired.id);
    (void)post(path, "{'full_name':'Anna Petrova','phone_e164':'+79990000002'}");
    r = as_of(admin, "drivers", hired.id, hired.position);
    assert_int_equal(r.status, 200);
    assert_string_equal(json_string_value(json_object_get(r.json, "full_name")), "Anna Ivanova");
    assert_string_equal(json_string_value(json_object_get(r.json, "phone_e164")), "+79990000001");
    json_decref(r.json);
    r = as_of(admin, "drivers", hired.id, "2999-01-01T00:00:00Z");
    assert_string_equal(json_string_value(json_object_get(r.json, "full_name")), "Anna Petrova");
    json_decref(r.json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vehicle_as_it_was),
        cmocka_unit_test(test_a_driver_as_they_were),
        cmocka_unit_test(test_an_archived_past),
    };

    return cmocka_run_group_tests_name("time travel", tests, start, stop);
}
