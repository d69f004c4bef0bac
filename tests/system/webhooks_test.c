/* webhooks_test.c - webhooks from a whole shina to a receiver that takes, fails, hangs, chats,
 * sends away or is gone, and a shina that is killed meanwhile: nothing is lost, the events of a
 * stream come in order, and nobody's trouble is another's. SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"
#include "tests/system/receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define NAME "Иванов Иван"
#define RETRIES 4
#define IN_FLIGHT_MAX 8 /* of one subscription: so many a crash may repeat */

#define SPECS                                                                                \
    "{'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL'," \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"            \
    "'fixed_kop_day':250000}"

static tests_shina *shina;
static char        *admin, *stranger, *dispatcher;
static int          port, vehicles_made;

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- what happens in shina ---------------------------------------------------------------------
 */

/* Registers a vehicle; its id. */
static void
make_vehicle(const char *token, char id[64])
{
    char           body[600];
    tests_response r;

    vehicles_made++;
    (void)snprintf(body, sizeof(body),
                   "{'plate':'A%03dBC%d','vin':'XTA210990Y1%06d','specs':" SPECS
                   ",'odometer_m':1000}",
                   vehicles_made % 1000, 77 + vehicles_made / 1000, vehicles_made);
    r = tests_shina_post(shina, token, "/api/v1/vehicles", body);
    assert_int_equal(r.status, 201);
    (void)snprintf(id, 64, "%s", text_of(r.json, "id"));
    json_decref(r.json);
}

/* So many readings of its odometer, one metre each, in one batch. */
static void
drive(const char *id, int from_m, int count)
{
    const char    *headers[] = {"Content-Type: application/x-ndjson", NULL};
    size_t         room = (size_t)count * 200, len = 0;
    char          *body = malloc(room);
    tests_response r;

    assert_non_null(body);
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(body + len, room - len,
                                "{\"command\":\"vehicles.record_odometer\",\"id\":\"%s\","
                                "\"data\":{\"odometer_m\":%d,\"source\":\"GPS\"}}\n",
                                id, from_m + i);
    r = tests_shina_ask(shina, &(tests_request){.method = "POST",
                                                .path = "/api/v1/batch",
                                                .token = admin,
                                                .body = body,
                                                .headers = headers,
                                                .raw_content_type = true});
    assert_int_equal(r.status, 200);
    json_decref(r.json);
    free(body);
}

/* --- subscriptions ------------------------------------------------------------------------------
 */

/* filters: more members, such as ",'domains':['vehicles']", or "". */
static void
subscribe(const char *path, const char *filters, char id[64])
{
    char           body[500];
    tests_response r;

    (void)snprintf(body, sizeof(body), "{'url':'http://127.0.0.1:%d%s'%s}", port, path, filters);
    r = tests_shina_post(shina, admin, "/api/v1/webhooks", body);
    assert_int_equal(r.status, 201);
    (void)snprintf(id, 64, "%s", text_of(r.json, "id"));
    receiver_secret(path, text_of(r.json, "secret"));
    json_decref(r.json);
}

static long
command(const char *id, const char *name, const char *body)
{
    char           path[160];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/webhooks/%s/%s", id, name);
    r = tests_shina_post(shina, admin, path, body);
    json_decref(r.json);
    return r.status;
}

static void
delete_it(const char *id)
{
    char           path[160];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/webhooks/%s", id);
    r = tests_shina_ask(
        shina, &(tests_request){.method = "DELETE", .path = path, .token = admin, .body = "{}"});
    assert_int_equal(r.status, 200);
    json_decref(r.json);
}

static void
wait_for_status(const char *id, const char *status, const char *reason)
{
    char           path[160];
    tests_response r = {0};

    (void)snprintf(path, sizeof(path), "/api/v1/webhooks/%s", id);
    for (int i = 0; i < 600; i++) {
        r = tests_shina_get(shina, admin, path);
        if (strcmp(text_of(r.json, "status"), status) == 0)
            break;
        json_decref(r.json);
        r.json = NULL;
        pause_ms(50);
    }
    assert_string_equal(text_of(r.json, "status"), status);
    if (reason != NULL)
        assert_non_null(strstr(text_of(r.json, "reason"), reason));
    json_decref(r.json);
}

/* Up to which version a stream was taken without a gap. */
static int
taken_up_to(const char *path, const char *stream)
{
    int last = 0;

    for (int i = 0; i < receiver_attempts(path); i++) {
        const receiver_event *e = receiver_at(path, i);

        last += e->taken && strcmp(e->subject, stream) == 0 && e->version == last + 1;
    }
    return last;
}

/* What was taken of a stream: versions first, first + 1 ... each at its first coming after the one
 * before. Returns how many were taken again. */
static int
check_in_order(const char *path, const char *stream, int first, int last)
{
    int wanted = first, again = 0;

    for (int i = 0; i < receiver_attempts(path); i++) {
        const receiver_event *e = receiver_at(path, i);

        if (!e->taken || strcmp(e->subject, stream) != 0)
            continue;
        assert_true(e->signed_right);
        if (e->version == wanted)
            wanted++;
        else if (e->version < wanted)
            again++;
        else
            fail_msg("%s: version %d of %s came before %d", path, e->version, stream, wanted);
    }
    assert_int_equal(wanted, last + 1);
    return again;
}

/* --- stories
 * -------------------------------------------------------------------------------------- */

/* One after the other, each until it is done, whatever dies meanwhile. */
static void
drive_on(const char *id, int from_m, int count)
{
    char path[128], body[64];

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", id);
    for (int i = 0; i < count; i++) {
        tests_response r;

        (void)snprintf(body, sizeof(body), "{'odometer_m':%d,'source':'GPS'}", from_m + i);
        r = tests_shina_post(shina, admin, path, body);
        assert_int_equal(r.status, 200);
        json_decref(r.json);
    }
}

/* While processes die, if the environment says so: at least once, in order all the same. */
static void
test_at_least_once_whatever_dies(void **state)
{
    char vehicle[64], id[64];

    (void)state;
    make_vehicle(admin, vehicle);
    subscribe("/whatever", ",'domains':['vehicles']", id);
    drive_on(vehicle, 1001, 40);
    tests_shina_await_kills(shina);
    drive_on(vehicle, 1041, 1);
    for (int i = 0; i < 600; i++) { /* until the last one came */
        int attempts = receiver_attempts("/whatever");

        if (attempts > 0 && receiver_at("/whatever", attempts - 1)->version == 42 &&
            receiver_taken("/whatever") >= 41)
            break;
        pause_ms(50);
    }
    (void)check_in_order("/whatever", vehicle, 2, 42);
    delete_it(id);
}

static void
test_all_of_it_in_order(void **state)
{
    char vehicles[3][64], foreign[64], before[64], id[64];

    (void)state;
    make_vehicle(admin, before);
    pause_ms(50);
    subscribe("/order", ",'domains':['vehicles']", id);
    for (int i = 0; i < 3; i++)
        make_vehicle(admin, vehicles[i]);
    make_vehicle(stranger, foreign);
    for (int i = 0; i < 3; i++)
        drive(vehicles[i], 1001, 40);
    assert_true(receiver_wait("/order", 3 * 41, 30));
    pause_ms(500);
    assert_int_equal(receiver_attempts("/order"), 3 * 41); /* no more, nothing twice */
    for (int i = 0; i < 3; i++)
        assert_int_equal(check_in_order("/order", vehicles[i], 1, 41), 0);
    assert_string_equal(receiver_at("/order", 0)->type, "vehicles.registered.v1");
    assert_non_null(strstr(receiver_at("/order", 0)->body, "\"source\":\"/shina/vehicles\""));
    assert_null(strstr(receiver_at("/order", 0)->body, "\"actor\"")); /* who did it stays here */
    assert_null(strstr(receiver_at("/order", 0)->body, "\"causation\""));
    delete_it(id);
}

static void
test_filters(void **state)
{
    char one[64], two[64], id[64], filters[300];

    (void)state;
    make_vehicle(admin, one);
    make_vehicle(admin, two);
    (void)snprintf(filters, sizeof(filters),
                   ",'types':['vehicles.odometer_recorded.v1','trips.planned.v1'],'streams':['%s']",
                   two);
    subscribe("/filters", filters, id);
    drive(one, 1001, 5);
    drive(two, 1001, 5);
    assert_true(receiver_wait("/filters", 5, 30));
    pause_ms(500);
    assert_int_equal(receiver_attempts("/filters"), 5);
    assert_int_equal(check_in_order("/filters", two, 2, 6), 0);
    delete_it(id);
}

static void
test_fails_and_recovers(void **state)
{
    char vehicle[64], id[64];
    int  tried;

    (void)state;
    receiver_set("/fails", RECEIVER_FAILS);
    subscribe("/fails", ",'domains':['vehicles']", id);
    make_vehicle(admin, vehicle);
    drive(vehicle, 1001, 10);
    for (int i = 0; i < 500 && receiver_attempts("/fails") < 2; i++)
        pause_ms(10);
    tried = receiver_attempts("/fails");
    assert_true(tried >= 2);
    receiver_set("/fails", RECEIVER_TAKES);
    assert_true(receiver_wait("/fails", 11, 30));
    check_in_order("/fails", vehicle, 1, 11);
    for (int i = 1; i < tried; i++) /* nothing else was tried meanwhile */
        assert_string_equal(receiver_at("/fails", i)->id, receiver_at("/fails", 0)->id);
    delete_it(id);
}

/* It hangs until it is parked; the other one gets everything meanwhile. */
static void
test_trouble_is_ones_own(void **state)
{
    char    vehicle[64], hanging[64], good[64];
    int64_t began = (int64_t)time(NULL);

    (void)state;
    receiver_set("/hangs", RECEIVER_HANGS);
    subscribe("/hangs", ",'domains':['vehicles']", hanging);
    subscribe("/good", ",'domains':['vehicles']", good);
    make_vehicle(admin, vehicle);
    drive(vehicle, 1001, 30);
    assert_true(receiver_wait("/good", 31, 30));
    assert_true((int64_t)time(NULL) - began < 20);
    assert_int_equal(receiver_taken("/hangs"), 0);
    check_in_order("/good", vehicle, 1, 31);
    wait_for_status(hanging, "PARKED", "");
    /* Once it answers it gets all that it has not taken. */
    receiver_set("/hangs", RECEIVER_TAKES);
    assert_int_equal(command(hanging, "resume", "{}"), 200);
    assert_true(receiver_wait("/hangs", 31, 30));
    check_in_order("/hangs", vehicle, 1, 31);
    delete_it(hanging);
    delete_it(good);
}

static void
test_parked_gone_sent_away(void **state)
{
    char vehicle[64], failing[64], gone[64], away[64], chatting[64];

    (void)state;
    receiver_set("/failing", RECEIVER_FAILS);
    receiver_set("/gone", RECEIVER_IS_GONE);
    receiver_set("/away", RECEIVER_REDIRECTS);
    receiver_set("/chats", RECEIVER_CHATS);
    subscribe("/failing", ",'domains':['vehicles']", failing);
    subscribe("/gone", ",'domains':['vehicles']", gone);
    subscribe("/away", ",'domains':['vehicles']", away);
    subscribe("/chats", ",'domains':['vehicles']", chatting);
    make_vehicle(admin, vehicle);
    wait_for_status(gone, "DISABLED", "HTTP 410");
    assert_int_equal(receiver_attempts("/gone"), 1);
    wait_for_status(failing, "PARKED", "HTTP 500");
    assert_int_equal(receiver_attempts("/failing"), 1 + RETRIES);
    wait_for_status(away, "PARKED", "HTTP 302");
    assert_int_equal(receiver_attempts("/trap"), 0);
    assert_true(receiver_wait("/chats", 1, 30));
    pause_ms(300);
    assert_int_equal(receiver_attempts("/chats"), 1); /* what it says is not waited for */
    /* While it is parked nothing is tried; then it goes on where it stopped. */
    drive(vehicle, 1001, 3);
    pause_ms(1500);
    assert_int_equal(receiver_attempts("/failing"), 1 + RETRIES);
    receiver_set("/failing", RECEIVER_TAKES);
    assert_int_equal(command(failing, "resume", "{}"), 200);
    assert_true(receiver_wait("/failing", 4, 30));
    check_in_order("/failing", vehicle, 1, 4);
    delete_it(failing);
    delete_it(gone);
    delete_it(away);
    delete_it(chatting);
}

static void
test_pause_and_replay(void **state)
{
    char                  vehicle[64], id[64], body[200];
    int                   again;
    int64_t               now_ms = (int64_t)time(NULL) * 1000 - 2000;
    const receiver_event *e;

    (void)state;
    subscribe("/replay", ",'domains':['vehicles']", id);
    make_vehicle(admin, vehicle);
    drive(vehicle, 1001, 5);
    assert_true(receiver_wait("/replay", 6, 30));
    assert_int_equal(command(id, "pause", "{}"), 200);
    pause_ms(800);
    drive(vehicle, 1010, 4);
    pause_ms(800);
    assert_int_equal(receiver_attempts("/replay"), 6);
    assert_int_equal(command(id, "resume", "{}"), 200);
    assert_true(receiver_wait("/replay", 10, 30));
    assert_int_equal(check_in_order("/replay", vehicle, 1, 10), 0);
    /* all since a time: of others' vehicles too, but at least these ten again */
    (void)snprintf(body, sizeof(body), "{'from_at':%lld}", (long long)now_ms);
    assert_int_equal(command(id, "replay", body), 200);
    assert_true(receiver_wait("/replay", 20, 30));
    pause_ms(500);
    again = check_in_order("/replay", vehicle, 1, 10);
    assert_int_equal(again, 10);
    /* what came after a place in one partition */
    e = receiver_at("/replay", 7);
    (void)snprintf(body, sizeof(body),
                   "{'after':{'domain':'vehicles','partition':%d,'offset':%ld}}", e->partition,
                   e->offset);
    receiver_forget("/replay");
    assert_int_equal(command(id, "replay", body), 200);
    assert_true(receiver_wait("/replay", 2, 30));
    pause_ms(500);
    assert_int_equal(receiver_taken("/replay"), 2);
    check_in_order("/replay", vehicle, 9, 10);
    delete_it(id);
}

static void
test_secrets_and_personal_data(void **state)
{
    char           clear[64], sealed[64];
    tests_response r;

    (void)state;
    subscribe("/clear", ",'domains':['drivers'],'personal':true", clear);
    subscribe("/sealed", ",'domains':['drivers']", sealed);
    r = tests_shina_post(shina, admin, "/api/v1/drivers",
                         "{'full_name':'" NAME "','phone_e164':'+79161234567','licence':{'number':"
                         "'99 12 345678','categories':['B'],'valid_to':'2036-05-20'},"
                         "'medical_valid_to':'2036-05-20'}");
    assert_int_equal(r.status, 201);
    json_decref(r.json);
    assert_true(receiver_wait("/clear", 1, 30));
    assert_true(receiver_wait("/sealed", 1, 30));
    assert_non_null(strstr(receiver_at("/clear", 0)->body, NAME));
    assert_null(strstr(receiver_at("/sealed", 0)->body, NAME));
    assert_non_null(strstr(receiver_at("/sealed", 0)->body, "enc:1:"));
    assert_true(receiver_at("/sealed", 0)->signed_right);
    /* while the secret is changed the old one is right as well */
    assert_int_equal(command(clear, "rotate-secret", "{'overlap_s':600}"), 200);
    pause_ms(800);
    assert_int_equal(command(clear, "replay", "{'from_at':0}"), 200);
    assert_true(receiver_wait("/clear", 2, 30));
    assert_true(receiver_at("/clear", 1)->signed_right);
    assert_int_equal(command(clear, "rotate-secret", "{'overlap_s':0}"), 200);
    pause_ms(800);
    assert_int_equal(command(clear, "replay", "{'from_at':0}"), 200);
    assert_true(receiver_wait("/clear", 3, 30));
    assert_false(receiver_at("/clear", 2)->signed_right);
    /* who is no ADMIN sees nothing of it, and nobody a secret */
    r = tests_shina_get(shina, dispatcher, "/api/v1/webhooks");
    assert_int_equal(r.status, 403);
    json_decref(r.json);
    r = tests_shina_get(shina, stranger, "/api/v1/webhooks");
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 0);
    json_decref(r.json);
    delete_it(clear);
    delete_it(sealed);
}

/* The process that sends, or one of the hosts of which one does. */
static int
number_of_sender(int kill)
{
    char name[16];

    if (tests_shina_processes(shina) == 1)
        return 0;
    if (tests_shina_kafka(shina) == NULL)
        return tests_shina_process_named(shina, "service webhooks");
    (void)snprintf(name, sizeof(name), "host %d", kill % 3 + 1);
    return tests_shina_process_named(shina, name);
}

/* Killed again and again in the middle: all of it comes, in order; what is taken twice is no more
 * than was on its way. */
static void
test_killed_in_between(void **state)
{
    char vehicles[4][64], id[64];
    int  again = 0, kills = 0;

    (void)state;
    receiver_set("/killed", RECEIVER_IS_SLOW);
    subscribe("/killed", ",'domains':['vehicles']", id);
    for (int i = 0; i < 4; i++) {
        make_vehicle(admin, vehicles[i]);
        drive(vehicles[i], 1001, 100);
    }
    while (receiver_taken("/killed") < 4 * 101 && kills < 4) {
        int before = receiver_taken("/killed");

        for (int i = 0; i < 1500 && receiver_taken("/killed") < before + 20; i++)
            pause_ms(10);
        tests_shina_kill(shina, number_of_sender(kills));
        tests_shina_restart(shina, number_of_sender(kills));
        kills++;
        assert_true(tests_shina_wait_ready(shina, 60));
    }
    assert_true(kills >= 2);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 1200 && taken_up_to("/killed", vehicles[i]) < 101; k++)
            pause_ms(50);
    for (int i = 0; i < 4; i++)
        again += check_in_order("/killed", vehicles[i], 1, 101);
    assert_true(again <= kills * IN_FLIGHT_MAX);
    delete_it(id);
}

/* --- the house
 * ------------------------------------------------------------------------------------- */

static void
set_environment(const char *private_allowed)
{
    assert_int_equal(setenv("SHINA_WEBHOOK_RETRIES", "0.1,0.2,0.3,0.4", 1), 0);
    assert_int_equal(setenv("SHINA_WEBHOOK_TIMEOUT_MS", "700", 1), 0);
    assert_int_equal(setenv("SHINA_WEBHOOK_PRIVATE", private_allowed, 1), 0);
}

static void
start_shina(void)
{
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    dispatcher = tests_shina_token(shina, TENANT, "DISPATCHER", NULL);
    stranger = tests_shina_token(shina, OTHER_TENANT, "ADMIN", NULL);
}

static void
stop_shina(void)
{
    const char *args[] = {"verify", NULL};

    free(tests_shina_verb(shina, args, NULL)); /* its exit code must be 0 */
    free(admin);
    free(dispatcher);
    free(stranger);
    tests_shina_stop(shina);
}

/* Without leave nothing goes into our own house, by whatever name. */
static void
test_not_into_our_own_house(void **state)
{
    char        url[200];
    const char *hosts[] = {"https://127.0.0.1", "https://localhost", "https://[::1]",
                           "https://10.0.0.1", "http://127.0.0.1"};
    char        ids[5][64], vehicle[64];

    (void)state;
    stop_shina();
    set_environment("false");
    start_shina();
    for (int i = 0; i < 5; i++) {
        tests_response r;

        (void)snprintf(url, sizeof(url), "{'url':'%s:%d/house'}", hosts[i], port);
        r = tests_shina_post(shina, admin, "/api/v1/webhooks", url);
        assert_int_equal(r.status, 201);
        (void)snprintf(ids[i], sizeof(ids[i]), "%s", text_of(r.json, "id"));
        json_decref(r.json);
    }
    make_vehicle(admin, vehicle);
    for (int i = 0; i < 4; i++)
        wait_for_status(ids[i], "PARKED", "not a public one");
    wait_for_status(ids[4], "PARKED", "");
    assert_int_equal(receiver_attempts("/house"), 0);
}

static int
start(void **state)
{
    (void)state;
    port = receiver_start();
    set_environment("true");
    start_shina();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    stop_shina();
    receiver_stop();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_least_once_whatever_dies),
        cmocka_unit_test(test_all_of_it_in_order),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_fails_and_recovers),
        cmocka_unit_test(test_trouble_is_ones_own),
        cmocka_unit_test(test_parked_gone_sent_away),
        cmocka_unit_test(test_pause_and_replay),
        cmocka_unit_test(test_secrets_and_personal_data),
        cmocka_unit_test(test_killed_in_between),
        cmocka_unit_test(test_not_into_our_own_house),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
