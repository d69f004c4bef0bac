/* archive_test.c - most of a log moves to files under a whole shina: commands, views, verify and a
 * rebuild go on as before; an archiver that is killed loses nothing; a file that is lost or changed
 * is named. Snapshots are off, so that old streams have to be read from their files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENANT "55555555-5555-4555-8555-555555555555"
#define VEHICLES 60
#define RECORDS 4 /* of each vehicle's odometer, after it was registered */
#define EVENTS (VEHICLES * (RECORDS + 1))
#define TRIES 300

static tests_shina *shina;
static char        *token;
static char         vehicles[VEHICLES][40];
static char         registered[VEHICLES][64]; /* positions */

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

/* --- requests --------------------------------------------------------------- */

/* A command under a key; again until there is an answer that is no outage. */
static tests_response
command(const char *path, const char *key, const char *body)
{
    char                key_line[96];
    const char         *headers[] = {key_line, NULL};
    const tests_request request = {
        .method = "POST", .path = path, .token = token, .body = body, .headers = headers};
    tests_response r;

    (void)snprintf(key_line, sizeof(key_line), "Idempotency-Key: %s", key);
    for (int i = 0;; i++) {
        r = tests_shina_ask(shina, &request);
        if ((r.status != 0 && r.status < 500) || i == TRIES)
            return r;
        json_decref(r.json);
        (void)usleep(100000);
    }
}

static tests_response
register_vehicle(int i, const char *vin)
{
    char body[512], key[32];

    (void)snprintf(key, sizeof(key), "register-%d", i);
    (void)snprintf(
        body, sizeof(body),
        "{\"plate\":\"B%03dBC77\",\"vin\":\"%s%09d\",\"odometer_m\":1000,\"specs\":{"
        "\"class\":\"VAN\",\"payload_g\":1500000,\"cargo_ml\":9000000,\"tank_ml\":80000,"
        "\"fuel\":\"DIESEL\",\"norm_summer_ml_100km\":9500,\"norm_winter_ml_100km\":10500,"
        "\"wear_kop_km\":350,\"fixed_kop_day\":250000}}",
        i, vin, i);
    return command("/api/v1/vehicles", key, body);
}

static tests_response
record_odometer(int vehicle, int nth, int odometer_m)
{
    char path[96], body[64], key[32];

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", vehicles[vehicle]);
    (void)snprintf(body, sizeof(body), "{\"odometer_m\":%d,\"source\":\"SERVICE\"}", odometer_m);
    (void)snprintf(key, sizeof(key), "odometer-%d-%d", vehicle, nth);
    return command(path, key, body);
}

static void
expect(tests_response r, long status, const char *code)
{
    if (r.status != status || (code != NULL && strcmp(text_of(r.json, "code"), code) != 0))
        fail_msg("%ld instead of %ld: %s", r.status, status, json_dumps(r.json, 0));
    json_decref(r.json);
}

/* Every vehicle as the view has it, by id; waits until it has so many events. */
static json_t *
all_vehicles(int version)
{
    json_t *all = json_object();

    for (int i = 0; i < VEHICLES; i++) {
        char path[96];

        (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s", vehicles[i]);
        for (int tries = 0;; tries++) {
            tests_response r = tests_shina_get(shina, token, path);

            if (r.status == 200 &&
                json_integer_value(json_object_get(r.json, "version")) >= version) {
                assert_int_equal(json_object_set_new(all, vehicles[i], r.json), 0);
                break;
            }
            json_decref(r.json);
            if (tries == TRIES)
                fail_msg("%s: %ld", path, r.status);
            (void)usleep(100000);
        }
    }
    return all;
}

/* The feed of all there is, by position. */
static json_t *
all_events(void)
{
    json_t        *all = json_object(), *event;
    tests_response r = tests_shina_get(shina, token, "/api/v1/events/vehicles?limit=1000");
    size_t         i;

    if (r.status != 200)
        fail_msg("the feed: %ld %s", r.status, json_dumps(r.json, 0));
    json_array_foreach(r.json, i, event)
    {
        char place[64];

        (void)snprintf(place, sizeof(place), "%lld:%s",
                       json_integer_value(json_object_get(event, "partition")),
                       text_of(event, "offset"));
        assert_int_equal(json_object_set(all, place, event), 0);
    }
    json_decref(r.json);
    return all;
}

/* A vehicle as it was when it was registered. */
static tests_response
first_state(int vehicle)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s?as_of=%s", vehicles[vehicle],
                   registered[vehicle]);
    return tests_shina_get(shina, token, path);
}

/* --- verbs -------------------------------------------------------------------- */

static void
must_say(const char *got, const char *what)
{
    if (strstr(got, what) == NULL)
        fail_msg("no \"%s\" in:\n%s", what, got);
}

static void
verify_finds(const char *what, int expected)
{
    const char *args[] = {"verify", NULL};
    int         code;
    char       *out = tests_shina_verb(shina, args, &code);

    if (code != expected)
        fail_msg("verify: %d\n%s", code, out);
    must_say(out, what);
    free(out);
}

/* Exit code of an archive; what it says is freed by the caller. */
static char *
archive(const char *keep, int *code)
{
    const char *args[] = {"archive", "vehicles", "--keep-events", keep, NULL};

    return tests_shina_verb(shina, args, code);
}

/* Archives until no reader holds anything back. */
static void
archive_all_but(const char *keep)
{
    for (int tries = 0; tries < TRIES; tries++) {
        int   code;
        char *out = archive(keep, &code);
        bool  held = strstr(out, "held back") != NULL;

        if (code != 0)
            fail_msg("archive: %d\n%s", code, out);
        free(out);
        if (!held)
            return;
        (void)usleep(100000);
    }
    fail_msg("a reader holds the log back for ever");
}

/* Kills all that hold states or places in memory. */
static void
restart_all(void)
{
    for (int i = 0; i < tests_shina_processes(shina); i++) {
        if (strcmp(tests_shina_process_name(shina, i), "servers") == 0)
            continue;
        tests_shina_kill(shina, i);
        tests_shina_restart(shina, i);
    }
    assert_true(tests_shina_wait_ready(shina, 60));
}

/* --- files -------------------------------------------------------------------- */

static int
count_files(char first[512])
{
    char           folder[256];
    struct dirent *entry;
    DIR           *dir;
    int            count = 0;

    (void)snprintf(folder, sizeof(folder), "%.200s/archive/vehicles", tests_shina_home(shina));
    if ((dir = opendir(folder)) == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot == NULL || strcmp(dot, ".zst") != 0)
            continue;
        (void)snprintf(first, 512, "%s/%s", folder, entry->d_name);
        count++;
    }
    (void)closedir(dir);
    return count;
}

static void
change_byte(const char *path, off_t at)
{
    int           fd = open(path, O_RDWR);
    unsigned char byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

/* --- tests ---------------------------------------------------------------------- */

static int
start(void **state)
{
    (void)state;
    if (setenv("SHINA_SNAPSHOT_EVENTS", "0", 1) != 0)
        return 1;
    shina = tests_shina_start();
    token = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    for (int i = 0; i < VEHICLES; i++) {
        tests_response r = register_vehicle(i, "XTA21099");

        (void)snprintf(vehicles[i], sizeof(vehicles[i]), "%s", text_of(r.json, "id"));
        (void)snprintf(registered[i], sizeof(registered[i]), "%s", text_of(r.json, "position"));
        expect(r, 201, NULL);
    }
    for (int n = 1; n <= RECORDS; n++)
        for (int i = 0; i < VEHICLES; i++)
            expect(record_odometer(i, n, 1000 + n * 1000), 200, NULL);
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

static void
test_it_says_what_it_would_do(void **state)
{
    static const char *const plan[] = {"archive",   "vehicles", "--before", "2099-01-01T00:00:00Z",
                                       "--dry-run", NULL};
    static const char *const old[] = {"archive", "vehicles", "--before", "30d", NULL};
    static const char *const wrong[][5] = {{"archive", "vehicles", NULL},
                                           {"archive", "nowhere", "--keep-events", "1", NULL},
                                           {"archive", "--keep-events", "1", NULL},
                                           {"archive", "vehicles", "--keep-events", "0", NULL},
                                           {"archive", "vehicles", "--before", "soon", NULL}};
    char                     first[512], *out;
    int                      code;

    (void)state;
    json_decref(all_vehicles(RECORDS + 1));
    out = tests_shina_verb(shina, plan, NULL);
    must_say(out, "vehicles partition 0: ");
    must_say(out, " would go");
    free(out);
    out = tests_shina_verb(shina, old, NULL); /* nothing is so old */
    must_say(out, "vehicles: 0 events moved");
    free(out);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        free(tests_shina_verb(shina, wrong[i], &code));
        assert_int_equal(code, 2);
    }
    assert_int_equal(count_files(first), 0);
}

static void
test_an_archiver_that_is_killed_loses_nothing(void **state)
{
    static const char *const places[] = {"archive.kept_name", "archive.written", "archive.named",
                                         "archive.recorded", "archive.stripped"};

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char keep[16], *out;
        int  code;

        (void)snprintf(keep, sizeof(keep), "%d", 25 - (int)i * 3);
        assert_int_equal(setenv("SHINA_TEST_FAIL_POINT", places[i], 1), 0);
        out = archive(keep, &code);
        assert_int_equal(unsetenv("SHINA_TEST_FAIL_POINT"), 0);
        if (code != -1) /* of a signal */
            fail_msg("%s: %d\n%s", places[i], code, out);
        free(out);
        verify_finds(" 0 faults", 0);
    }
}

static void
test_all_is_as_before(void **state)
{
    static const char *const rebuild[] = {"rebuild", "vehicles", NULL};
    static const char *const events[] = {"events", "vehicles", NULL};
    json_t                  *before = all_vehicles(RECORDS + 1), *after;
    json_t                  *feed = all_events(), *feed_after;
    char                     first[512], *out, *again;
    int                      lines = 0;

    (void)state;
    out = tests_shina_verb(shina, events, NULL);
    archive_all_but("1");
    assert_true(count_files(first) >= 8);
    again = tests_shina_verb(shina, events, NULL);
    assert_string_equal(again, out);
    for (const char *c = out; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines + 1, EVENTS);
    free(out);
    free(again);
    verify_finds(" 0 faults", 0);
    restart_all();
    free(tests_shina_verb(shina, rebuild, NULL));
    after = all_vehicles(RECORDS + 1);
    assert_true(json_equal(before, after));
    feed_after = all_events();
    assert_int_equal(json_object_size(feed), EVENTS);
    assert_int_equal(json_object_size(feed_after), EVENTS);
    assert_true(json_equal(feed, feed_after));
    for (int i = 0; i < VEHICLES; i += 9) {
        tests_response r = first_state(i);

        assert_int_equal(json_integer_value(json_object_get(r.json, "version")), 1);
        assert_int_equal(json_integer_value(json_object_get(r.json, "odometer_m")), 1000);
        expect(r, 200, NULL);
    }
    verify_finds(" 0 faults", 0);
    json_decref(before);
    json_decref(after);
    json_decref(feed);
    json_decref(feed_after);
}

static void
test_old_commands_are_known_and_old_streams_go_on(void **state)
{
    (void)state;
    restart_all(); /* no state, no recent answer is in memory */
    for (int i = 0; i < VEHICLES; i += 7) {
        tests_response r = register_vehicle(i, "XTA21099");

        assert_string_equal(text_of(r.json, "id"), vehicles[i]);
        expect(r, 201, NULL);
        expect(register_vehicle(i, "XTA21100"), 422, "IDEMPOTENCY_KEY_REUSED");
        expect(record_odometer(i, 2, 3000), 200, NULL);
        r = record_odometer(i, RECORDS + 1, 900000);
        assert_int_equal(json_integer_value(json_object_get(r.json, "version")), RECORDS + 2);
        expect(r, 200, NULL);
        expect(record_odometer(i, RECORDS + 2, 5000), 409, "VEHICLE_ODOMETER_BACK");
    }
    archive_all_but("1");
    json_decref(all_vehicles(RECORDS + 1));
    verify_finds(" 0 faults", 0);
}

/* --- all vehicles at once ---------------------------------------------------------- */

typedef struct {
    int  vehicle, odometer_m;
    long status;
} reading;

static void *
send_reading(void *context)
{
    reading            *r = context;
    char                path[96], body[64];
    const tests_request request = {.method = "POST", .path = path, .token = token, .body = body};
    tests_response      answer;

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", vehicles[r->vehicle]);
    (void)snprintf(body, sizeof(body), "{\"odometer_m\":%d,\"source\":\"SERVICE\"}", r->odometer_m);
    answer = tests_shina_ask_edge(shina, 0, &request);
    r->status = answer.status;
    json_decref(answer.json);
    return NULL;
}

/* Each from a thread of its own, so that they meet in batches of the writer. How many were turned
 * away; the others were done. */
static int
record_all(int odometer_m)
{
    reading   readings[VEHICLES];
    pthread_t threads[VEHICLES];
    int       failed = 0;

    for (int i = 0; i < VEHICLES; i++) {
        readings[i] = (reading){.vehicle = i, .odometer_m = odometer_m};
        assert_int_equal(pthread_create(&threads[i], NULL, send_reading, &readings[i]), 0);
    }
    for (int i = 0; i < VEHICLES; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (readings[i].status == 200)
            continue;
        assert_true(readings[i].status == 503 || readings[i].status == 504);
        failed++;
    }
    return failed;
}

/* Until fewer than that fail: after a restart the leases of those killed have to run out first. */
static int
record_all_until(int odometer_m, int fewer_than)
{
    int failed = record_all(odometer_m);

    for (int i = 1; i < TRIES && failed >= fewer_than; i++) {
        (void)usleep(100000);
        failed = record_all(odometer_m + i);
    }
    return failed;
}

static void
test_a_lost_file_harms_its_own_streams_only(void **state)
{
    char path[512], away[600];
    int  failed;

    (void)state;
    tests_shina_await_kills(shina);
    assert_true(count_files(path) > 0);
    (void)snprintf(away, sizeof(away), "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    restart_all(); /* no file is open any more */
    failed = record_all_until(910000, VEHICLES / 2);
    assert_int_equal(rename(away, path), 0);
    assert_in_range(failed, 1, VEHICLES / 2 - 1);
    assert_int_equal(record_all_until(920000, 1), 0);
    verify_finds(" 0 faults", 0);
}

static void
test_a_lost_or_changed_file_is_named(void **state)
{
    char path[512], away[600];

    (void)state;
    assert_true(count_files(path) > 0);
    (void)snprintf(away, sizeof(away), "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    verify_finds("FAULT ARCHIVE    vehicles", 1);
    verify_finds(strrchr(path, '/') + 1, 1);
    verify_finds(" 1 faults", 1);
    assert_int_equal(rename(away, path), 0);
    change_byte(path, 700);
    verify_finds("is damaged", 1);
    verify_finds(" 1 faults", 1);
    change_byte(path, 700);
    verify_finds(" 0 faults", 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_what_it_would_do),
        cmocka_unit_test(test_an_archiver_that_is_killed_loses_nothing),
        cmocka_unit_test(test_all_is_as_before),
        cmocka_unit_test(test_old_commands_are_known_and_old_streams_go_on),
        cmocka_unit_test(test_a_lost_file_harms_its_own_streams_only),
        cmocka_unit_test(test_a_lost_or_changed_file_is_named),
    };

    return cmocka_run_group_tests_name("archives", tests, start, stop);
}
