/* feeds_test.c - consumers of events over a whole shina: whoever reconnects at random sees every
 * event of its scope once and in order; who stops reading is cut off and slows nobody.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/feed_client.h"
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TENANT "55555555-5555-4555-8555-555555555555"
#define OTHER_TENANT "66666666-6666-4666-8666-666666666666"
#define RECONNECTS 100
#define VEHICLES 12
#define DRIVERS 4
#define SEEN_MAX 40000
#define SURPLUS_MS 1000   /* so long nothing more must come after the last one */
#define PATIENCE_MS 60000 /* for the last events to come */
#define STOPPED 20
#define STREAMS "200"
/* A stopped reader is cut off by then, and can still read why. The kernel's buffers take a little
 * more for some seconds, each time the sender tries again. */
#define CUT_MS 18000

static tests_shina *shina;
static char        *admin, *dispatcher, *other_admin, *driver_tokens[2];
static char         vehicles[VEHICLES][40], drivers[DRIVERS][40], other_driver[40];
static atomic_int   reconnecting; /* consumers that have not reconnected often enough */

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

/* --- commands ------------------------------------------------------------ */

/* id may be NULL. */
static void
must(const char *token, char id[40], const char *path, const char *fmt, ...)
{
    char           body[1024];
    va_list        args;
    tests_response r;

    va_start(args, fmt);
    (void)vsnprintf(body, sizeof(body), fmt, args);
    va_end(args);
    r = tests_shina_post(shina, token, path, body);
    if (r.status != 200 && r.status != 201) {
        (void)fprintf(stderr, "%s %s was answered %ld %s %s\n", path, body, r.status,
                      text_of(r.json, "code"), text_of(r.json, "detail"));
        exit(1); /* also from a thread */
    }
    if (id != NULL)
        (void)snprintf(id, 40, "%s", text_of(r.json, "id"));
    json_decref(r.json);
}

static void
register_vehicle(const char *token, char id[40], int number)
{
    must(token, id, "/api/v1/vehicles",
         "{'plate':'B%03dBC77','vin':'XTA21099%09d','odometer_m':1000,'specs':{'class':'VAN',"
         "'payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL',"
         "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"
         "'fixed_kop_day':250000}}",
         number, number);
}

static void
hire(const char *token, char id[40], int number)
{
    must(token, id, "/api/v1/drivers",
         "{'full_name':'Driver %d','phone_e164':'+7900%07d','licence':{'number':'77%08d',"
         "'categories':['B'],'valid_to':'2099-01-01'},'medical_valid_to':'2099-01-01',"
         "'pay':{'per_trip_kop':100,'per_km_kop':1,'per_point_kop':1,'per_hour_kop':0,'pct_bp':0}}",
         number, number, number);
}

static char *
token_of(const char *tenant, const char *role, const char *driver)
{
    return tests_shina_token(shina, tenant, role, driver);
}

static int
set_up(void **state)
{
    (void)state;
    assert_int_equal(setenv("SHINA_STREAMS", STREAMS, 1), 0);
    shina = tests_shina_start();
    admin = token_of(TENANT, "ADMIN", NULL);
    dispatcher = token_of(TENANT, "DISPATCHER", NULL);
    other_admin = token_of(OTHER_TENANT, "ADMIN", NULL);
    for (int i = 0; i < VEHICLES; i++)
        register_vehicle(i % 4 == 3 ? other_admin : admin, vehicles[i], i);
    for (int i = 0; i < DRIVERS; i++)
        hire(admin, drivers[i], i);
    hire(other_admin, other_driver, DRIVERS);
    driver_tokens[0] = token_of(TENANT, "DRIVER", drivers[0]);
    driver_tokens[1] = token_of(TENANT, "DRIVER", drivers[1]);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    tests_shina_stop(shina);
    free(admin);
    free(dispatcher);
    free(other_admin);
    free(driver_tokens[0]);
    free(driver_tokens[1]);
    return 0;
}

/* Commands of both tenants until all consumers have reconnected often enough. */
static void *
make_load(void *context)
{
    int  lane = *(const int *)context;
    char path[128];

    for (int n = 1; atomic_load(&reconnecting) > 0; n++) {
        int v = (n * 2 + lane) % VEHICLES, d = (n * 2 + lane) % (DRIVERS + 1);

        (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", vehicles[v]);
        must(v % 4 == 3 ? other_admin : admin, NULL, path, "{'odometer_m':%d,'source':'GPS'}",
             1000 + n);
        (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/contact",
                       d == DRIVERS ? other_driver : drivers[d]);
        must(d == DRIVERS ? other_admin : admin, NULL, path,
             "{'full_name':'Driver %d','phone_e164':'+7901%d%06d'}", n, lane, n);
    }
    return NULL;
}

/* --- consumers ----------------------------------------------------------- */

typedef struct {
    const char    *name, *domain, *token, *tenant;
    const char    *stream; /* NULL: of all streams */
    tests_feed_way way;
    unsigned       seed;
    char           cursor[TESTS_CURSOR_BYTES];
    char         **seen; /* "<partition>:<offset> <id>" in the order in which they came */
    int            seen_count, reconnects;
    atomic_int     expected; /* events in all; -1: not known yet */
    bool           leaked;
    pthread_t      thread;
} consumer;

static void
note(consumer *c, const json_t *event)
{
    char line[160];

    (void)snprintf(line, sizeof(line), "%lld:%s %s %s %lld",
                   (long long)json_integer_value(json_object_get(event, "partition")),
                   text_of(event, "offset"), text_of(event, "id"), text_of(event, "subject"),
                   (long long)json_integer_value(json_object_get(event, "streamversion")));
    if (c->seen_count == SEEN_MAX || (c->seen[c->seen_count++] = strdup(line)) == NULL)
        exit(1);
    if (strcmp(text_of(event, "tenant"), c->tenant) != 0 ||
        (c->stream != NULL && strcmp(text_of(event, "subject"), c->stream) != 0) ||
        json_object_get(event, "sends") != NULL ||
        (json_object_get(event, "actor") != NULL) != (c->token == admin || c->token == other_admin))
        c->leaked = true;
}

/* One connection, left after so many events or at that time. */
static void
consume(consumer *c, int events, int64_t until_ms)
{
    const tests_feed_options options = {.url = tests_shina_url(shina),
                                        .domain = c->domain,
                                        .token = c->token,
                                        .way = c->way,
                                        .cursor = c->cursor[0] == '\0' ? NULL : c->cursor};
    long                     status;
    tests_feed              *feed = tests_feed_open(&options, &status);
    tests_feed_item          item;

    if (feed == NULL && status != 0 && status != 503) {
        (void)fprintf(stderr, "%s: the feed was answered %ld\n", c->name, status);
        exit(1);
    }
    if (feed == NULL)
        pause_ms(100);
    while (feed != NULL && events > 0 && now_ms() < until_ms) {
        tests_feed_kind kind = tests_feed_next(feed, 50, &item);

        if (kind == TESTS_FEED_ENDED || kind == TESTS_FEED_LAST)
            break;
        if (item.cursor[0] != '\0')
            memcpy(c->cursor, item.cursor, sizeof(c->cursor));
        if (kind == TESTS_FEED_EVENT) {
            note(c, item.event);
            json_decref(item.event);
            events--;
        }
    }
    tests_feed_close(feed);
}

static void *
run_consumer(void *context)
{
    consumer *c = context;
    int64_t   patience_ms = 0;

    while (c->reconnects < RECONNECTS) {
        int64_t until_ms = now_ms() + rand_r(&c->seed) % 300;

        consume(c, 1 + rand_r(&c->seed) % 40, until_ms);
        c->reconnects++;
    }
    atomic_fetch_sub(&reconnecting, 1);
    for (;;) {
        int expected = atomic_load(&c->expected);

        if (expected >= 0 && patience_ms == 0)
            patience_ms = now_ms() + PATIENCE_MS;
        if (expected >= 0 && (c->seen_count >= expected || now_ms() > patience_ms))
            break;
        consume(c, SEEN_MAX, now_ms() + 300);
    }
    consume(c, SEEN_MAX, now_ms() + SURPLUS_MS);
    return NULL;
}

/* --- what they must have seen -------------------------------------------- */

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The log as `shina events` prints it, for a consumer. Sorted. Returns how many. */
static int
expected_of(const consumer *c, char **out)
{
    const char *const args[] = {"events", c->domain, NULL};
    char             *text = tests_shina_verb(shina, args, NULL), *save = NULL;
    int               count = 0;

    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        json_t *event = json_loads(line, 0, NULL);
        char    entry[160];

        assert_non_null(event);
        (void)snprintf(entry, sizeof(entry), "%lld:%lld %s %s %lld",
                       (long long)json_integer_value(json_object_get(event, "partition")),
                       (long long)json_integer_value(json_object_get(event, "offset")),
                       text_of(event, "id"), text_of(event, "subject"),
                       (long long)json_integer_value(json_object_get(event, "streamversion")));
        if (strcmp(text_of(event, "tenant"), c->tenant) == 0 &&
            (c->stream == NULL || strcmp(text_of(event, "subject"), c->stream) == 0)) {
            assert_true(count < SEEN_MAX);
            out[count++] = strdup(entry);
        }
        json_decref(event);
    }
    free(text);
    qsort(out, (size_t)count, sizeof(*out), compare_lines);
    return count;
}

static void
tell_expected(consumer *c)
{
    char **expected = calloc(SEEN_MAX, sizeof(*expected));
    int    count;

    assert_non_null(expected);
    count = expected_of(c, expected);
    for (int i = 0; i < count; i++)
        free(expected[i]);
    free(expected);
    atomic_store(&c->expected, count);
}

/* Offsets ascend within each partition, so versions do within each stream. */
static void
check_order(const consumer *c)
{
    long long last[256] = {0};

    for (int i = 0; i < c->seen_count; i++) {
        char     *end;
        long      partition = strtol(c->seen[i], &end, 10);
        long long offset = strtoll(end + 1, NULL, 10);

        if (partition < 0 || partition > 255 || offset <= last[partition])
            fail_msg("%s: %s after offset %lld", c->name, c->seen[i], last[partition]);
        last[partition] = offset;
    }
}

static void
check_consumer(consumer *c)
{
    char **expected = calloc(SEEN_MAX, sizeof(*expected));
    int    count;

    assert_non_null(expected);
    count = expected_of(c, expected);
    check_order(c);
    assert_false(c->leaked);
    assert_int_equal(c->reconnects, RECONNECTS);
    qsort(c->seen, (size_t)c->seen_count, sizeof(*c->seen), compare_lines);
    for (int i = 0; i < count || i < c->seen_count; i++)
        if (i >= count || i >= c->seen_count || strcmp(expected[i], c->seen[i]) != 0)
            fail_msg("%s: %s instead of %s (%d of %d)", c->name,
                     i < c->seen_count ? c->seen[i] : "nothing",
                     i < count ? expected[i] : "nothing", c->seen_count, count);
    (void)printf("%s: %d events, %d reconnections\n", c->name, count, c->reconnects);
    for (int i = 0; i < count; i++) {
        free(expected[i]);
        free(c->seen[i]);
    }
    free(expected);
    free(c->seen);
}

static void
test_reconnecting(void **state)
{
    consumer consumers[] = {
        {.name = "SSE ADMIN", .domain = "vehicles", .token = admin, .way = TESTS_FEED_SSE},
        {.name = "WebSocket DISPATCHER",
         .domain = "vehicles",
         .token = dispatcher,
         .way = TESTS_FEED_SOCKET},
        {.name = "SSE ADMIN of another tenant",
         .domain = "vehicles",
         .token = other_admin,
         .tenant = OTHER_TENANT,
         .way = TESTS_FEED_SSE},
        {.name = "SSE DRIVER",
         .domain = "drivers",
         .token = driver_tokens[0],
         .stream = drivers[0],
         .way = TESTS_FEED_SSE},
        {.name = "WebSocket DRIVER in a browser",
         .domain = "drivers",
         .token = driver_tokens[1],
         .stream = drivers[1],
         .way = TESTS_FEED_BROWSER_SOCKET},
    };
    enum { COUNT = sizeof(consumers) / sizeof(consumers[0]) };
    pthread_t loads[2];
    int       lanes[2] = {0, 1};

    (void)state;
    atomic_store(&reconnecting, COUNT);
    for (int i = 0; i < COUNT; i++) {
        if (consumers[i].tenant == NULL)
            consumers[i].tenant = TENANT;
        atomic_store(&consumers[i].expected, -1);
        consumers[i].seed = (unsigned)i + 7;
        consumers[i].seen = calloc(SEEN_MAX, sizeof(char *));
        assert_non_null(consumers[i].seen);
        assert_int_equal(pthread_create(&consumers[i].thread, NULL, run_consumer, &consumers[i]),
                         0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&loads[i], NULL, make_load, &lanes[i]), 0);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(loads[i], NULL);
    for (int i = 0; i < COUNT; i++)
        tell_expected(&consumers[i]);
    for (int i = 0; i < COUNT; i++)
        (void)pthread_join(consumers[i].thread, NULL);
    for (int i = 0; i < COUNT; i++)
        check_consumer(&consumers[i]);
}

/* --- slow readers -------------------------------------------------------- */

static tests_feed *
open_feed(const char *token, tests_feed_way way, const char *cursor, int receive_bytes)
{
    long        status;
    tests_feed *feed = tests_feed_open(&(tests_feed_options){.url = tests_shina_url(shina),
                                                             .domain = "vehicles",
                                                             .token = token,
                                                             .way = way,
                                                             .cursor = cursor,
                                                             .receive_bytes = receive_bytes},
                                       &status);

    if (feed == NULL)
        fail_msg("no feed: %ld", status);
    return feed;
}

/* How long an event takes from its command to an open feed. */
static int64_t
latency_ms(tests_feed *feed, int n)
{
    tests_feed_item item;
    char            path[128];
    int64_t         began = now_ms();

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", vehicles[0]);
    must(admin, NULL, path, "{'odometer_m':%d,'source':'GPS'}", 2000000 + n);
    for (;;) {
        tests_feed_kind kind = tests_feed_next(feed, 10000, &item);

        if (kind == TESTS_FEED_NOTHING || kind == TESTS_FEED_ENDED || kind == TESTS_FEED_LAST)
            fail_msg("the event did not come: %d", (int)kind);
        if (kind == TESTS_FEED_EVENT) {
            json_decref(item.event);
            return now_ms() - began;
        }
    }
}

/* Reads to the end; the last word's code. */
static int
last_word(tests_feed *feed, char reason[256])
{
    tests_feed_item item;

    for (;;) {
        tests_feed_kind kind = tests_feed_next(feed, 10000, &item);

        if (kind == TESTS_FEED_EVENT)
            json_decref(item.event);
        if (kind == TESTS_FEED_LAST) {
            memcpy(reason, item.reason, 256);
            return item.code;
        }
        if (kind == TESTS_FEED_NOTHING || kind == TESTS_FEED_ENDED)
            return 0;
    }
}

typedef struct {
    tests_feed *feed;
    pthread_t   thread;
    int         code;
    char        reason[256];
} stopped_reader;

static void *
go_on_reading(void *context)
{
    stopped_reader *s = context;

    s->code = last_word(s->feed, s->reason);
    return NULL;
}

/* More than the edge, the kernel and a reader who does not read can hold: some 700 bytes each. */
static void
fill_the_log(void)
{
    enum { BATCHES = 4, LINES = 500, LINE_BYTES = 160 };
    char *lines = malloc(LINES * LINE_BYTES);

    assert_non_null(lines);
    for (int b = 0; b < BATCHES; b++) {
        tests_request batch = {
            .method = "POST",
            .path = "/api/v1/batch",
            .token = admin,
            .body = lines,
            .headers = (const char *const[]){"Content-Type: application/x-ndjson", NULL},
            .raw_content_type = true};
        tests_response r;
        size_t         len = 0;

        for (int i = 0; i < LINES; i++)
            len += (size_t)snprintf(lines + len, LINE_BYTES,
                                    "{\"command\":\"vehicles.record_odometer\",\"id\":\"%s\","
                                    "\"data\":{\"odometer_m\":%d,\"source\":\"GPS\"}}\n",
                                    vehicles[0], 2000000 + b * LINES + i);
        batch.body_bytes = len;
        r = tests_shina_ask(shina, &batch);
        assert_int_equal(r.status, 200);
        json_decref(r.json);
    }
    free(lines);
}

/* An edge that is killed cuts its readers off without a word, so the killing must be over. */
static void
test_stopped_readers(void **state)
{
    tests_feed    *good;
    stopped_reader stopped[STOPPED] = {0};
    int64_t        before_ms = 0, with_ms = 0, worst_ms = 0, began;

    (void)state;
    tests_shina_await_kills(shina);
    fill_the_log();
    good = open_feed(admin, TESTS_FEED_SSE, "latest", 0);
    for (int n = 0; n < 50; n++)
        before_ms += latency_ms(good, n);
    began = now_ms();
    for (int i = 0; i < STOPPED; i++) /* from the beginning: more than anything buffers */
        stopped[i].feed =
            open_feed(admin, i % 2 == 0 ? TESTS_FEED_SSE : TESTS_FEED_SOCKET, NULL, 65536);
    for (int n = 0; n < 50; n++) {
        int64_t ms = latency_ms(good, 100 + n);

        with_ms += ms;
        worst_ms = ms > worst_ms ? ms : worst_ms;
    }
    (void)printf("an event takes %.1f ms, beside %d stopped readers %.1f ms, at most %lld ms\n",
                 (double)before_ms / 50, STOPPED, (double)with_ms / 50, (long long)worst_ms);
    assert_true(with_ms / 50 < 5 * before_ms / 50 + 50);
    pause_ms((long)(began + CUT_MS - now_ms()));
    /* All at once: the edge keeps the last word for a while only. */
    for (int i = 0; i < STOPPED; i++)
        assert_int_equal(pthread_create(&stopped[i].thread, NULL, go_on_reading, &stopped[i]), 0);
    for (int i = 0; i < STOPPED; i++)
        assert_int_equal(pthread_join(stopped[i].thread, NULL), 0);
    for (int i = 0; i < STOPPED; i++) {
        if (i % 2 == 0) {
            assert_int_equal(stopped[i].code, 503);
            assert_string_equal(stopped[i].reason, "SLOW_READER");
        } else {
            assert_int_equal(stopped[i].code, 1008);
            assert_non_null(strstr(stopped[i].reason, "SLOW_READER: "));
        }
        tests_feed_close(stopped[i].feed);
    }
    (void)latency_ms(good, 200); /* it was not among them */
    tests_feed_close(good);
}

/* Each ping wants a pong: who does not take them is not read from any more. */
static void
test_flood_of_pings(void **state)
{
    enum { AT_MOST = 64 * 1024 * 1024, KERNEL = 16 * 1024 * 1024 };
    tests_feed *good = open_feed(admin, TESTS_FEED_SSE, "latest", 0);
    tests_feed *flood = open_feed(admin, TESTS_FEED_SOCKET, "latest", 4096);
    size_t      taken = tests_feed_flood(flood, AT_MOST, 1500);

    (void)state;
    (void)printf("of a flood of pings %zu bytes were taken\n", taken);
    assert_in_range(taken, 1, KERNEL);
    assert_in_range(latency_ms(good, 300), 0, 2000);
    tests_feed_close(flood);
    tests_feed_close(good);
}

/* --- other ends ---------------------------------------------------------- */

static void
test_expired_token(void **state)
{
    static const char tenant[] = "--tenant=" TENANT;
    const char *const args[] = {"token", tenant, "--role=VIEWER", "--ttl=3", NULL};
    char             *token = tests_shina_verb(shina, args, NULL), reason[256] = "";
    tests_feed       *sse = open_feed(token, TESTS_FEED_SSE, "latest", 0);
    tests_feed       *ws = open_feed(token, TESTS_FEED_SOCKET, "latest", 0);

    (void)state;
    assert_int_equal(last_word(sse, reason), 401);
    assert_string_equal(reason, "TOKEN_EXPIRED");
    assert_int_equal(last_word(ws, reason), 1008);
    tests_feed_close(sse);
    tests_feed_close(ws);
    free(token);
}

static void
test_too_many(void **state)
{
    enum { MANY = 300 };
    tests_feed *feeds[MANY];
    long        status = 0;
    int         count = 0;

    (void)state;
    while (count < MANY &&
           (feeds[count] = tests_feed_open(&(tests_feed_options){.url = tests_shina_url(shina),
                                                                 .domain = "trips",
                                                                 .token = admin,
                                                                 .way = TESTS_FEED_SOCKET,
                                                                 .cursor = "latest"},
                                           &status)) != NULL)
        count++;
    assert_int_equal(status, 503);
    assert_in_range(count, 100, 200);
    while (count > 0)
        tests_feed_close(feeds[--count]);
}

/* Who goes away leaves room at once: all may come again together. */
static void
test_gone_readers(void **state)
{
    enum { MANY = 300 };
    tests_feed *feeds[MANY];
    long        status = 0;

    (void)state;
    for (int round = 0; round < 2; round++) {
        int count = 0;

        while (count < MANY &&
               (feeds[count] = tests_feed_open(&(tests_feed_options){.url = tests_shina_url(shina),
                                                                     .domain = "trips",
                                                                     .token = admin,
                                                                     .way = TESTS_FEED_SSE,
                                                                     .cursor = "latest"},
                                               &status)) != NULL)
            count++;
        assert_int_equal(status, 503);
        assert_in_range(count, 100, 200);
        while (count > 0)
            tests_feed_close(feeds[--count]);
        pause_ms(2500);
    }
}

static void
refuse(const char *token, const char *path, long status, const char *pointer)
{
    tests_response r = tests_shina_get(shina, token, path);
    const char    *found = text_of(json_array_get(json_object_get(r.json, "errors"), 0), "pointer");

    if (r.status != status || strcmp(found, pointer) != 0)
        fail_msg("%s was answered %ld at \"%s\"", path, r.status, found);
    json_decref(r.json);
}

static void
test_refused(void **state)
{
    (void)state;
    refuse(admin, "/api/v1/events/nothing", 404, "");
    refuse(driver_tokens[0], "/api/v1/events/assignment", 403, "");
    refuse(admin, "/api/v1/events/vehicles?after=drivers:0:1", 422, "/query/after");
    refuse(admin, "/api/v1/events/vehicles?after=vehicles:0:99999999", 422, "/query/after");
    refuse(admin, "/api/v1/events/vehicles?after=~vehicles~0.0~00000000", 422, "/query/after");
    refuse(admin, "/api/v1/events/vehicles?limit=0", 422, "/query/limit");
    refuse(admin, "/api/v1/events/vehicles?wait_s=31", 422, "/query/wait_s");
    refuse(admin, "/api/v1/events/vehicles?token=abc", 422, "/query/token");
    refuse(NULL, "/api/v1/events/vehicles", 401, "");
}

static char *
granted_viewer(void)
{
    const char *args[] = {"token",  "--tenant", TENANT,         "--role",
                          "VIEWER", "--grant",  "finance.read", NULL};

    return tests_shina_verb(shina, args, NULL);
}

/* Money is shown to a VIEWER with the grant, in events and in lists; a phone is not. */
static void
test_a_grant_lifts_a_mask(void **state)
{
    char          *granted = granted_viewer();
    tests_response events = tests_shina_get(shina, granted, "/api/v1/events/drivers?limit=1");
    tests_response list = tests_shina_get(shina, granted, "/api/v1/drivers?limit=1");
    const json_t  *event = json_object_get(json_array_get(events.json, 0), "data");
    const json_t  *row;

    (void)state;
    for (int i = 0; i < 500 && json_array_size(json_object_get(list.json, "items")) == 0; i++) {
        json_decref(list.json); /* the view may be a moment behind */
        pause_ms(20);
        list = tests_shina_get(shina, granted, "/api/v1/drivers?limit=1");
    }
    row = json_array_get(json_object_get(list.json, "items"), 0);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(event, "pay"), "per_trip_kop")), 100);
    assert_true(json_is_null(json_object_get(event, "phone_e164")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(row, "pay"), "per_trip_kop")), 100);
    assert_true(json_is_null(json_object_get(row, "phone_e164")));
    json_decref(events.json);
    json_decref(list.json);
    free(granted);
}

/* What a role must not see in an event either. */
static void
test_masked(void **state)
{
    char          *viewer = token_of(TENANT, "VIEWER", NULL);
    const char    *path = "/api/v1/events/drivers?limit=1";
    tests_response seen = tests_shina_get(shina, viewer, path);
    tests_response all = tests_shina_get(shina, admin, path);
    const json_t  *some = json_object_get(json_array_get(seen.json, 0), "data");
    const json_t  *whole = json_object_get(json_array_get(all.json, 0), "data");

    (void)state;
    assert_int_equal(seen.status, 200);
    assert_string_equal(seen.content_type, "application/cloudevents-batch+json");
    assert_true(json_is_string(json_object_get(some, "full_name"))); /* the list shows it */
    assert_true(json_is_null(json_object_get(some, "phone_e164")));
    assert_true(json_is_null(json_object_get(some, "pay")));
    assert_true(json_is_object(json_object_get(whole, "pay")));
    json_decref(seen.json);
    json_decref(all.json);
    free(viewer);
}

static void
test_stopping(void **state)
{
    tests_feed *sse = open_feed(admin, TESTS_FEED_SSE, "latest", 0);
    tests_feed *ws = open_feed(admin, TESTS_FEED_SOCKET, "latest", 0);
    char        reason[256] = "";

    (void)state;
    tests_shina_stop(shina); /* it must end cleanly, with feeds open */
    shina = NULL;
    assert_int_equal(last_word(sse, reason), 503);
    assert_string_equal(reason, "STOPPING");
    assert_int_equal(last_word(ws, reason), 1001);
    tests_feed_close(sse);
    tests_feed_close(ws);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_a_grant_lifts_a_mask),
        cmocka_unit_test(test_reconnecting),
        cmocka_unit_test(test_stopped_readers),
        cmocka_unit_test(test_flood_of_pings),
        cmocka_unit_test(test_expired_token),
        cmocka_unit_test(test_gone_readers),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_stopping),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
