/* forget_test.c - a driver with a name that nobody else has works, is dismissed and forgotten; then
 * his name, phone, licence and card are looked for in every spelling, in every place: tables of all
 * schemas, Redis, files, archives, topics, answers, webhooks. It is done again when views were made
 * anew and when every process has started with nothing in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/leaks.h"
#include "tests/support/shina.h"
#include "tests/system/receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "66666666-6666-4666-8666-666666666666"
#define FORENAME "Ксенофонт"
#define SURNAME "Неповторимый"
#define NAME SURNAME " " FORENAME " Лукич"
#define LATER_NAME SURNAME "-Второй " FORENAME
#define PHONE "79161230987"
#define LATER_PHONE "79165647382"
#define LICENCE "9977135790"
#define CARD "RUDX19283746"
#define EMAIL "nepovtorimy@example.org"
#define OTHER_NAME "Иванов Иван"
#define TOMBSTONES_S 30 /* until a view shows them, at most; processes may be killed meanwhile */
#define KEYS_S 6        /* an opened key is used so long elsewhere */

static const char *const values[] = {FORENAME, SURNAME, PHONE, LATER_PHONE,
                                     LICENCE,  CARD,    EMAIL, NULL};

static tests_shina     *shina;
static tests_spellings *spellings;
static char            *admin, *dispatcher, *viewer;
static char             database[2048], driver[40], other[40], trip[40], user[40], webhook[64];
static char             past[8][64]; /* positions at which he was known */
static int              port, past_count;

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

/* --- asking ------------------------------------------------------------------------------- */

static tests_response
post(const char *token, const char *body, const char *path, ...)
{
    char    full[256];
    va_list args;

    va_start(args, path);
    (void)vsnprintf(full, sizeof(full), path, args);
    va_end(args);
    return tests_shina_post(shina, token, full, body);
}

static void
must(tests_response r, long status, char id[40])
{
    if (r.status != status)
        fail_msg("answered %ld %s %s, not %ld", r.status, text_of(r.json, "code"),
                 text_of(r.json, "detail"), status);
    if (id != NULL)
        (void)snprintf(id, 40, "%s", text_of(r.json, "id"));
    json_decref(r.json);
}

/* A command to the driver, and where it stands in the log. */
static void
tell(const char *body, const char *path)
{
    tests_response r = post(admin, body, "/api/v1/drivers/%s/%s", driver, path);

    assert_true(past_count < 8);
    (void)snprintf(past[past_count++], sizeof(past[0]), "%s", text_of(r.json, "position"));
    must(r, 200, NULL);
}

static void
must_refuse(tests_response r, const char *code)
{
    assert_string_equal(text_of(r.json, "code"), code);
    json_decref(r.json);
}

/* Waits until the member of the item shows the value. */
static void
wait_for(const char *path, const char *member, const char *value)
{
    char seen[256] = "";

    for (int i = 0; i < TOMBSTONES_S * 20; i++) {
        tests_response r = tests_shina_get(shina, admin, path);
        const json_t  *at = json_object_get(r.json, member);

        (void)snprintf(seen, sizeof(seen), "%s",
                       json_is_string(at) ? json_string_value(at) : "nothing");
        json_decref(r.json);
        if (strcmp(seen, value) == 0)
            return;
        pause_ms(50);
    }
    fail_msg("%s of %s is \"%s\", not \"%s\"", member, path, seen, value);
}

static const char *
item(const char *collection, const char *id)
{
    static char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s", collection, id);
    return path;
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

static void
wait_for_sql(const char *text, const char *value)
{
    for (int i = 0; i < TOMBSTONES_S * 20 && strcmp(sql(text), value) != 0; i++)
        pause_ms(50);
    assert_string_equal(sql(text), value);
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

static bool
is_servers(int process)
{
    return strcmp(tests_shina_process_name(shina, process), "servers") == 0;
}

/* Everything in memory is gone. */
static void
restart_all(void)
{
    for (int i = 0; i < tests_shina_processes(shina); i++)
        if (!is_servers(i))
            tests_shina_kill(shina, i);
    for (int i = 0; i < tests_shina_processes(shina); i++)
        if (!is_servers(i))
            tests_shina_restart(shina, i);
    assert_true(tests_shina_wait_ready(shina, 60));
}

/* --- looking everywhere -------------------------------------------------------------------- */

static int
spelt_in_answer(const char *token, const char *path, int *answered)
{
    tests_response r = tests_shina_get(shina, token, path);
    char          *text = r.json == NULL ? strdup("") : json_dumps(r.json, 0);
    int            found = tests_spelt_in(spellings, path, text, strlen(text));

    *answered += r.status == 200;
    free(text);
    json_decref(r.json);
    return found;
}

/* All lists that there are, the items of what he had to do with, his past, and the feeds. */
static int
spelt_in_answers(const char *token, int least)
{
    static const char *const feeds[] = {"drivers", "trips", "assignment", "vehicles", "deliveries"};
    tests_response           document = tests_shina_get(shina, admin, "/openapi.json");
    json_t                  *paths = json_object_get(document.json, "paths"), *ways;
    const char              *path;
    char                     text[256];
    int                      found = 0, answered = 0, ignored = 0;

    json_object_foreach(paths, path, ways)
    {
        if (json_object_get(ways, "get") == NULL || strchr(path, '{') != NULL ||
            strncmp(path, "/api/v1/", 8) != 0 || strstr(path, "/events") != NULL)
            continue;
        (void)snprintf(text, sizeof(text), "%s?limit=100", path);
        found += spelt_in_answer(token, text, &answered);
    }
    json_decref(document.json);
    if (answered < least)
        fail_msg("only %d lists were answered", answered);
    found += spelt_in_answer(token, item("drivers", driver), &ignored);
    found += spelt_in_answer(token, item("trips", trip), &ignored);
    for (int i = 0; i < past_count; i++) {
        (void)snprintf(text, sizeof(text), "/api/v1/drivers/%s?as_of=%s", driver, past[i]);
        found += spelt_in_answer(token, text, &ignored);
    }
    for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
        (void)snprintf(text, sizeof(text), "/api/v1/events/%s?limit=1000", feeds[i]);
        found += spelt_in_answer(token, text, &ignored);
    }
    return found;
}

static int
spelt_in_verbs(void)
{
    static const char *const verbs[][5] = {{"events", "drivers", NULL},
                                           {"events", "drivers", "--clear", NULL},
                                           {"events", "trips", "--clear", NULL},
                                           {"status", NULL},
                                           {"parked", NULL}};
    int                      found = 0;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        int   code; /* of status: a process that was killed may not be ready yet */
        char *text = tests_shina_verb(shina, verbs[i], &code);

        found += tests_spelt_in(spellings, verbs[i][0], text, strlen(text));
        free(text);
    }
    return found;
}

typedef struct {
    const tests_spellings *wanted;
    const char            *servers;
    int                    found, topics;
} listing;

/* A line of what kcat says of the brokers: maybe of a topic, which is read whole then. */
static void
search_topic(void *context, char *line, size_t len)
{
    static const char before[] = "  topic \"";
    listing          *l = context;

    (void)len;
    if (strncmp(line, before, sizeof(before) - 1) != 0)
        return;
    line += sizeof(before) - 1;
    line[strcspn(line, "\"")] = '\0';
    l->topics++;
    l->found += tests_spelt_in_output(
        l->wanted,
        (const char *const[]){"kcat", "-C", "-q", "-e", "-o", "beginning", "-f", "%k %h %s\n", "-X",
                              "fetch.wait.max.ms=10", "-b", l->servers, "-t", line, NULL});
}

/* All that the brokers hold, headers and all. */
static int
spelt_in_topics(const tests_spellings *wanted)
{
    listing l = {.wanted = wanted};

    if (tests_shina_kafka(shina) == NULL)
        return 0;
    l.servers = tests_kafka_servers(tests_shina_kafka(shina));
    tests_lines_of((const char *const[]){"kcat", "-L", "-b", l.servers, NULL}, search_topic, &l);
    assert_true(l.topics > 10);
    return l.found;
}

static int
spelt_in_logs(void)
{
    char path[1200];
    int  found = 0;

    for (int i = 0; i < tests_shina_processes(shina); i++) {
        tests_shina_log_path(shina, i, path);
        assert_int_equal(access(path, R_OK), 0);
        found += tests_spelt_in_files(spellings, path);
    }
    return found;
}

static void
assert_nowhere(void)
{
    int found = tests_spelt_in_tables(spellings, database);

    found += tests_spelt_in_redis(spellings, tests_shina_home(shina));
    found += tests_spelt_in_home(spellings, tests_shina_home(shina));
    found += spelt_in_logs();
    found += spelt_in_topics(spellings);
    found += spelt_in_answers(admin, 15);
    found += spelt_in_answers(dispatcher, 10);
    found += spelt_in_answers(viewer, 5);
    found += spelt_in_verbs();
    assert_int_equal(found, 0);
}

/* --- the story, one step after another ----------------------------------------------------- */

#define PAPERS                                                                       \
    "'licence':{'number':'" LICENCE "','categories':['B'],'valid_to':'2099-01-01'}," \
    "'medical_valid_to':'2099-01-01'"

static void
hire(const char *name, const char *phone, const char *more, char id[40])
{
    char body[600];

    (void)snprintf(body, sizeof(body), "{'full_name':'%s','phone_e164':'+%s'%s}", name, phone,
                   more);
    must(post(admin, body, "/api/v1/drivers"), 201, id);
}

static void
make_trip(void)
{
    int64_t begins = ((int64_t)time(NULL) / 86400 + 2) * 86400000;
    char    vehicle[40], body[300];

    must(post(admin,
              "{'plate':'A777AA77','vin':'XTA21099000000777','odometer_m':1000,'specs':{'class':"
              "'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"
              "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"
              "'fixed_kop_day':250000}}",
              "/api/v1/vehicles"),
         201, vehicle);
    must(post(admin, "{'kind':'OSAGO','number':'1','from_on':'2020-01-01','to_on':'2099-01-01'}",
              "/api/v1/vehicles/%s/documents", vehicle),
         200, NULL);
    must(post(admin,
              "{'kind':'INSPECTION','number':'1','from_on':'2020-01-01','to_on':'2099-01-01'}",
              "/api/v1/vehicles/%s/documents", vehicle),
         200, NULL);
    must(post(admin, "{}", "/api/v1/trips"), 201, trip);
    (void)snprintf(body, sizeof(body),
                   "{'planned_from_at':%lld,'planned_to_at':%lld,'stops':[{'kind':'PVZ',"
                   "'distance_m':9000,'duration_s':1200,'service_s':600}]}",
                   (long long)begins, (long long)(begins + 4 * 3600000));
    must(post(admin, body, "/api/v1/trips/%s/plan", trip), 200, NULL);
    (void)snprintf(body, sizeof(body), "{'vehicle_id':'%s','driver_id':'%s'}", vehicle, driver);
    must(post(admin, body, "/api/v1/trips/%s/assign", trip), 200, NULL);
    wait_for(item("trips", trip), "status", "ASSIGNED");
}

/* The receiver takes nothing yet: what he is told of waits. */
static void
subscribe(void)
{
    char           body[200];
    tests_response r;

    receiver_set("/hook", RECEIVER_FAILS);
    (void)snprintf(body, sizeof(body),
                   "{'url':'http://127.0.0.1:%d/hook','domains':['drivers','trips']}", port);
    r = post(admin, body, "/api/v1/webhooks");
    assert_int_equal(r.status, 201);
    (void)snprintf(webhook, sizeof(webhook), "%s", text_of(r.json, "id"));
    receiver_secret("/hook", text_of(r.json, "secret"));
    json_decref(r.json);
}

static void
test_he_works_here(void **state)
{
    const char *headers[] = {"Content-Type: application/x-ndjson", NULL};
    char        body[400];

    (void)state;
    subscribe();
    hire(OTHER_NAME, "79990001122", "", other);
    hire(NAME, PHONE, ",'tacho_card':'" CARD "'," PAPERS, driver);
    (void)snprintf(body, sizeof(body),
                   "{'email':'" EMAIL "','full_name':'" NAME "','phone_e164':'+" PHONE "',"
                   "'role':'DRIVER','driver_id':'%s'}",
                   driver);
    must(post(admin, body, "/api/v1/users"), 201, user);
    tell("{}", "activate");
    tell("{'full_name':'" LATER_NAME "','phone_e164':'+" LATER_PHONE "'}", "contact");
    /* escaped as other clients do, by way of a batch; and what is refused */
    (void)snprintf(body, sizeof(body),
                   "{\"command\":\"drivers.change_contact\",\"id\":\"%s\",\"data\":{\"full_name\":"
                   "\"\\u041d\\u0435\\u043f\\u043e\\u0432\\u0442\\u043e\\u0440\\u0438\\u043c\\u044b"
                   "\\u0439\"}}\n",
                   driver);
    must(tests_shina_ask(shina, &(tests_request){.method = "POST",
                                                 .path = "/api/v1/batch",
                                                 .token = admin,
                                                 .body = body,
                                                 .headers = headers,
                                                 .raw_content_type = true}),
         200, NULL);
    wait_for(item("drivers", driver), "full_name", SURNAME);
    tell("{'full_name':'" LATER_NAME "'}", "contact");
    must_refuse(
        post(admin, "{'full_name':'" NAME "','phone_e164':'+" LATER_PHONE "'}", "/api/v1/drivers"),
        "DRIVER_PHONE_TAKEN");
    must_refuse(post(admin, "{'full_name':'" NAME "','phone_e164':'" PHONE "'}", "/api/v1/drivers"),
                "INVALID");
    make_trip();
    wait_for(item("trips", trip), "driver_name", LATER_NAME);
    wait_for(item("drivers", driver), "licence_number", LICENCE);
    wait_for(item("users", user), "email", EMAIL);
    (void)sql("analyze");
    /* he can be found while he works here: what looks for him works */
    assert_true(tests_spelt_in_tables(spellings, database) > 0);
    assert_true(spelt_in_answers(admin, 15) > 0);
    assert_int_equal(spelt_in_topics(spellings), 0); /* events are sealed, commands covered */
    if (tests_shina_kafka(shina) != NULL) {
        const char *const there[] = {"drivers.hired.v1", NULL};
        tests_spellings  *of_events = tests_spellings_of(there);

        for (int i = 0; i < 100 && spelt_in_topics(of_events) == 0; i++)
            pause_ms(100);
        assert_true(spelt_in_topics(of_events) > 0);
        tests_spellings_destroy(of_events);
    }
    assert_int_equal(spelt_in_logs(), 0);
    must_verify();
}

static void
test_who_works_here_is_not_forgotten(void **state)
{
    (void)state;
    must_refuse(post(admin, "{}", "/api/v1/drivers/%s/forget", driver), "DRIVER_WRONG_STATE");
    must_refuse(post(admin, "{'reason':'moved away'}", "/api/v1/drivers/%s/dismiss", driver),
                "DRIVER_HAS_TRIPS");
    must(post(admin, "{'reason':'changed'}", "/api/v1/trips/%s/cancel", trip), 200, NULL);
    for (int i = 0;; i++) { /* until his time is given back */
        tests_response r =
            post(admin, "{'reason':'moved away'}", "/api/v1/drivers/%s/dismiss", driver);

        if (r.status == 200 || i == 400) {
            must(r, 200, NULL);
            break;
        }
        json_decref(r.json);
        pause_ms(50);
    }
    assert_int_equal(post(dispatcher, "{}", "/api/v1/drivers/%s/forget", driver).status, 403);
    wait_for(item("drivers", driver), "full_name", LATER_NAME);
}

/* The process dies when the log says that he is forgotten and his key is there yet. */
static void
forget_and_die(void)
{
    char           gone[200], path[160];
    tests_response r;
    int            process = tests_shina_processes(shina) == 1 ? 0 : -1;

    for (int i = 0; process < 0 && i < tests_shina_processes(shina); i++)
        if (strcmp(tests_shina_process_name(shina, i), "service drivers") == 0)
            process = i;
    (void)snprintf(gone, sizeof(gone),
                   "select count(*) from keys.subjects where subject = '%s' and wrapped is null",
                   driver);
    if (process >= 0) { /* over Kafka any host may have the partition */
        tests_shina_await_kills(shina);
        tests_shina_kill(shina, process);
        tests_shina_restart_with(shina, process, "SHINA_TEST_FAIL_POINT=courier.forget:1");
        assert_true(tests_shina_wait_ready(shina, 60));
    }
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/forget", driver);
    r = tests_shina_ask_edge(
        shina, 0, &(tests_request){.method = "POST", .path = path, .token = admin, .body = "{}"});
    json_decref(r.json);
    if (process < 0) /* else who should answer may have died first */
        assert_int_equal(r.status, 200);
    if (process >= 0) {
        for (int i = 0; i < 600 && !tests_shina_has_ended(shina, process); i++)
            pause_ms(50);
        assert_true(tests_shina_has_ended(shina, process));
        assert_string_equal(sql(gone), "0");
        assert_string_equal(
            sql("select count(*) from drivers.events where type = 'drivers.forgotten.v1'"), "1");
        tests_shina_restart(shina, process);
        assert_true(tests_shina_wait_ready(shina, 60));
    }
    wait_for_sql(gone, "1");
}

static void
test_he_is_forgotten(void **state)
{
    char text[300];

    (void)state;
    forget_and_die();
    wait_for(item("drivers", driver), "full_name", "");
    wait_for(item("drivers", driver), "phone_e164", "");
    wait_for(item("drivers", driver), "licence_number", "");
    wait_for(item("drivers", driver), "tacho_card", "");
    wait_for(item("drivers", driver), "status", "DISMISSED");
    wait_for(item("trips", trip), "driver_name", "");
    wait_for(item("users", user), "full_name", "");
    wait_for(item("users", user), "email", "");
    wait_for(item("drivers", other), "full_name", OTHER_NAME);
    (void)snprintf(text, sizeof(text), "select count(*) from drivers.claims where stream = '%s'",
                   driver);
    assert_string_equal(sql(text), "0");
    must(post(admin, "{}", "/api/v1/drivers/%s/forget", driver), 200, NULL); /* again */
    must_refuse(post(admin, "{'full_name':'" NAME "'}", "/api/v1/drivers/%s/contact", driver),
                "DRIVER_WRONG_STATE");
    pause_ms(KEYS_S * 1000L);
    assert_nowhere();
    must_verify();
}

/* What could not be sent while he was known is sent now, without him. */
static void
test_webhooks_that_waited_do_not_tell_of_him(void **state)
{
    int            first = receiver_attempts("/hook");
    tests_response r = post(admin, "{}", "/api/v1/webhooks/%s/resume", webhook);

    (void)state;
    assert_true(first > 0);
    assert_true(r.status == 200 || r.status == 409); /* it is parked, or not yet */
    json_decref(r.json);
    receiver_set("/hook", RECEIVER_TAKES);
    must(post(admin, "{'full_name':'" OTHER_NAME "'}", "/api/v1/drivers/%s/contact", other), 200,
         NULL);
    assert_true(receiver_wait("/hook", 5, 60));
    for (int i = first; i < receiver_attempts("/hook"); i++) {
        const char *body = receiver_at("/hook", i)->body;

        if (receiver_at("/hook", i)->taken)
            assert_int_equal(tests_spelt_in(spellings, "a webhook", body, strlen(body)), 0);
    }
    must(tests_shina_ask(shina, &(tests_request){.method = "DELETE",
                                                 .path = item("webhooks", webhook),
                                                 .token = admin,
                                                 .body = "{}"}),
         200, NULL);
}

static void
test_views_made_anew_do_not_know_him(void **state)
{
    static const char *const views[] = {"drivers", "trips"};

    (void)state;
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        const char *args[] = {"rebuild", views[i], NULL};

        free(tests_shina_verb(shina, args, NULL));
    }
    (void)sql("analyze");
    wait_for(item("drivers", driver), "full_name", "");
    wait_for(item("trips", trip), "driver_name", "");
    assert_nowhere();
    must_verify();
}

static void
test_archives_do_not_know_him(void **state)
{
    const char *args[] = {"archive", "drivers", "--keep-events", "1", NULL};
    char       *out;
    bool        held = true;

    (void)state;
    for (int i = 0; held && i < 300; i++) {
        out = tests_shina_verb(shina, args, NULL);
        held = strstr(out, "held back") != NULL;
        if (held && i == 299)
            (void)printf("%s\n", out);
        free(out);
        if (held)
            pause_ms(200);
    }
    assert_false(held);
    assert_string_equal(sql("select count(*) > 0 from drivers.archives"), "t");
    assert_nowhere();
    must_verify();
}

/* Nothing personal is in the event, so it needs no keys; the key goes when they are back. */
static void
test_forgetting_waits_for_the_keys(void **state)
{
    char gone[200];

    (void)state;
    tests_shina_await_kills(shina); /* nothing starts without its keys */
    (void)snprintf(gone, sizeof(gone),
                   "select count(*) from keys.subjects where subject = '%s' and wrapped is null",
                   other);
    must(post(admin, "{'reason':'moved away'}", "/api/v1/drivers/%s/dismiss", other), 200, NULL);
    (void)sql("alter schema keys rename to keys_gone");
    must(post(admin, "{}", "/api/v1/drivers/%s/forget", other), 200, NULL);
    pause_ms(1000);
    (void)sql("alter schema keys_gone rename to keys");
    wait_for_sql(gone, "1");
    wait_for(item("drivers", other), "full_name", "");
    must_verify();
}

static void
test_nobody_knows_him_after_a_cold_start(void **state)
{
    (void)state;
    restart_all();
    wait_for(item("drivers", driver), "full_name", "");
    assert_nowhere();
    must_verify();
}

/* Who comes back is somebody new: phone and licence are free. */
static void
test_his_phone_and_licence_are_free(void **state)
{
    char again[40];

    (void)state;
    hire("Снова Здесь", LATER_PHONE, "," PAPERS, again);
    assert_string_not_equal(again, driver);
    wait_for(item("drivers", again), "licence_number", LICENCE);
    wait_for(item("drivers", driver), "full_name", "");
    wait_for(item("drivers", driver), "licence_number", "");
    must_verify();
}

/* --- the stage ----------------------------------------------------------------------------- */

static int
start(void **state)
{
    (void)state;
    port = receiver_start();
    if (setenv("SHINA_SNAPSHOT_EVENTS", "2", 1) != 0 ||
        setenv("SHINA_WEBHOOK_PRIVATE", "true", 1) != 0 ||
        setenv("SHINA_WEBHOOK_RETRIES", "2,2,2,2,2,2,2,2,2,2,2,2", 1) != 0)
        return -1;
    spellings = tests_spellings_of(values);
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    dispatcher = tests_shina_token(shina, TENANT, "DISPATCHER", NULL);
    viewer = tests_shina_token(shina, TENANT, "VIEWER", NULL);
    tests_leaks_database(tests_shina_home(shina), database, sizeof(database));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    free(dispatcher);
    free(viewer);
    tests_shina_stop(shina);
    tests_spellings_destroy(spellings);
    receiver_stop();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_he_works_here),
        cmocka_unit_test(test_who_works_here_is_not_forgotten),
        cmocka_unit_test(test_he_is_forgotten),
        cmocka_unit_test(test_webhooks_that_waited_do_not_tell_of_him),
        cmocka_unit_test(test_views_made_anew_do_not_know_him),
        cmocka_unit_test(test_archives_do_not_know_him),
        cmocka_unit_test(test_forgetting_waits_for_the_keys),
        cmocka_unit_test(test_nobody_knows_him_after_a_cold_start),
        cmocka_unit_test(test_his_phone_and_licence_are_free),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
