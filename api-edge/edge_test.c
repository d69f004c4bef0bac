/* edge_test.c - the edge over HTTP, with a real PostgreSQL, the transport inproc, and a service
 * that answers as the plate tells it to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/token.h"
#include "api-edge/edge.h"
#include "api-edge/edge_test_contract.h"
#include "bus/base/failpoint.h"
#include "bus/envelope/command.h"
#include "bus/store/view_table.h"
#include "tests/support/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEYS "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" /* 32 bytes, for tests */
#define PARTITIONS 8

static const char *const vehicle_a = "01900000-0000-7000-8000-00000000000a";
static const char *const vehicle_b = "01900000-0000-7000-8000-00000000000b";
static const char *const vehicle_c = "01900000-0000-7000-8000-00000000000c";
static const char *const foreign = "01900000-0000-7000-8000-0000000000ff";

static struct {
    tests_postgres *pg;
    bus_transport  *transport;
    bus_server     *server, *hung; /* the second one never answers */
    pthread_t       service;
    atomic_bool     over;
    atomic_int      taken; /* commands that reached the service */
    pthread_mutex_t log_lock;
    bus_buf         log;       /* data of the commands that came */
    atomic_bool     disowned;  /* the store names nobody */
    atomic_bool     hung_owns; /* ... the one that never answers */
    edge           *e;
    bus_id          tenant, other_tenant, driver;
    char           *admin, *viewer, *finance, *driver_token, *granted_driver, *outsider;
    char            documents[64];
} t;

/* --- the service and the store ------------------------------------------- */

/* Remembers what came, in its order. */
static void
note(const bus_command *c)
{
    assert_int_equal(pthread_mutex_lock(&t.log_lock), 0);
    bus_buf_add_str(&t.log, c->data);
    bus_buf_add_char(&t.log, ' ');
    assert_int_equal(pthread_mutex_unlock(&t.log_lock), 0);
}

/* Of the first of two copies nothing comes back until the second is there; then that it was
 * refused, a moment before the second's answer. True: it was the first. */
static bool
refuse_first(bus_envelope *request, bus_reply reply)
{
    static bus_envelope *first;

    if (first == NULL) {
        first = bus_envelope_hold(request);
        return true;
    }
    reply.status = BUS_ANSWER_REFUSED;
    reply.code = BUS_STR("VEHICLE_ODOMETER_BACK");
    reply.params = BUS_STR("{\"last_m\":1200}");
    assert_true(request->command.expires_at_ms > first->command.expires_at_ms);
    bus_transport_inproc.reply(t.server, first, bus_envelope_of_reply(&reply));
    bus_envelope_release(first);
    first = NULL;
    (void)usleep(200000);
    return false;
}

static void
answer(bus_envelope *request)
{
    const bus_command *c = &request->command;
    bus_reply          reply = {.command_id = c->command_id,
                                .status = BUS_ANSWER_DONE,
                                .stream = c->stream,
                                .version = 3,
                                .partition = c->partition,
                                .offset = 41};
    bus_str            data = c->data;

    note(c);
    if (memmem(data.at, data.len, "SILENT", 6) != NULL ||
        memmem(data.at, data.len, "4040404", 7) != NULL)
        return;
    if (memmem(data.at, data.len, "TWICE", 5) != NULL && atomic_load(&t.taken) % 2 == 1)
        return; /* the first time nothing comes back */
    if (memmem(data.at, data.len, "BUSY", 4) != NULL)
        reply.status = BUS_ANSWER_BUSY;
    if (memmem(data.at, data.len, "FAIL", 4) != NULL)
        reply.status = BUS_ANSWER_FAILED;
    if (memmem(data.at, data.len, "MOVED", 5) != NULL)
        reply.status = BUS_ANSWER_NOT_OWNER;
    if (memmem(data.at, data.len, "REFUSE", 6) != NULL) {
        reply.status = BUS_ANSWER_REFUSED;
        reply.code = BUS_STR("VEHICLE_ODOMETER_BACK");
        reply.params = BUS_STR("{\"last_m\":1200}");
    }
    if (c->expected_version >= 0 && c->expected_version != 2) {
        reply.status = BUS_ANSWER_REFUSED;
        reply.code = BUS_STR("VERSION_MISMATCH");
        reply.params = BUS_STR("{\"current\":2}");
    }
    if (c->partition != bus_id_partition(c->stream, PARTITIONS) || c->actor.roles == 0 ||
        c->expires_at_ms <= bus_now_ms(bus_clock_system()))
        reply.status = BUS_ANSWER_FAILED;
    if (memmem(data.at, data.len, "CHANGED", 7) != NULL && refuse_first(request, reply))
        return;
    bus_transport_inproc.reply(t.server, request, bus_envelope_of_reply(&reply));
}

static void *
serve(void *unused)
{
    (void)unused;
    while (!atomic_load(&t.over)) {
        bus_envelope *env;

        if (bus_transport_inproc.take(t.server, &env, 1, 100) == 1) {
            atomic_fetch_add(&t.taken, 1);
            answer(env);
            bus_envelope_release(env);
        }
    }
    return NULL;
}

static bus_code
fake_open(bus_store **out, const bus_store_options *options, bus_error *err)
{
    (void)options;
    (void)err;
    *out = malloc(1);
    return BUS_OK;
}

static void
fake_close(bus_store *st)
{
    free(st);
}

static bus_code
fake_partitions(bus_store *st, const char *domain, bus_arena *arena, bus_partition_info **out,
                int *count, bus_error *err)
{
    (void)st;
    (void)err;
    assert_string_equal(domain, "depot");
    *count = PARTITIONS;
    *out = BUS_ARENA_ARRAY(arena, bus_partition_info, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        (*out)[i] = (bus_partition_info){
            .partition = (uint16_t)i,
            .owner = atomic_load(&t.disowned) ? (bus_str){NULL, 0}
                                              : bus_str_of(bus_transport_inproc.address(
                                                    atomic_load(&t.hung_owns) ? t.hung : t.server)),
            .live = true};
    return BUS_OK;
}

static const bus_store_ops fake_store = {
    .name = "fake", .open = fake_open, .close = fake_close, .partitions = fake_partitions};

static int
health(void *context, bus_health *out, int max)
{
    (void)context;
    assert_true(max >= 1);
    out[0] = (bus_health){.part = "projector depot", .partitions = 8, .of = 8, .ready = true};
    return 1;
}

/* --- HTTP ---------------------------------------------------------------- */

typedef struct {
    long    status;
    bus_buf body, headers;
    json_t *json;
} answered;

static size_t
collect(char *bytes, size_t size, size_t count, void *to)
{
    bus_buf_add(to, bytes, size * count);
    return size * count;
}

/* extra: headers separated by '\n', or NULL. The caller calls done(). */
static answered
ask_as(const char *token, const char *method, const char *path, const char *body, const char *extra)
{
    CURL              *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    answered           a = {0};
    char               url[4200], line[4200];

    (void)snprintf(url, sizeof(url), "%s%s", edge_address(t.e), path);
    if (token != NULL) {
        (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
        headers = curl_slist_append(headers, line);
    }
    if (body != NULL && (extra == NULL || strstr(extra, "Content-Type:") == NULL))
        headers = curl_slist_append(headers, "Content-Type: application/json");
    while (extra != NULL && *extra != '\0') {
        (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(extra, "\n"), extra);
        headers = curl_slist_append(headers, line);
        extra += strcspn(extra, "\n");
        extra += *extra == '\n';
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &a.headers);
    if (curl_easy_perform(curl) != CURLE_OK)
        fail_msg("no answer to %s %s", method, path);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    bus_buf_add_text(&a.body, "");
    a.json = json_loads(a.body.at, 0, NULL);
    return a;
}

static void
done(answered *a)
{
    json_decref(a->json);
    bus_buf_fini(&a->body);
    bus_buf_fini(&a->headers);
}

static answered
get(const char *path)
{
    return ask_as(t.admin, "GET", path, NULL, NULL);
}

static const char *
member(const answered *a, const char *name)
{
    const char *text = json_string_value(json_object_get(a->json, name));

    return text == NULL ? "" : text;
}

static void
check(answered a, long status, const char *code)
{
    if (a.status != status || strcmp(member(&a, "code"), code) != 0)
        fail_msg("%ld %s instead of %ld %s: %s", a.status, member(&a, "code"), status, code,
                 a.body.at);
    assert_non_null(strstr(a.headers.at, "application/problem+json"));
    assert_int_equal(strlen(member(&a, "trace_id")), 32);
    assert_int_equal(json_integer_value(json_object_get(a.json, "status")), status);
    done(&a);
}

/* 422 with exactly this pointer first. */
static void
check_pointer(answered a, const char *pointer)
{
    const json_t *error = json_array_get(json_object_get(a.json, "errors"), 0);

    if (a.status != 422 || error == NULL ||
        strcmp(json_string_value(json_object_get(error, "pointer")), pointer) != 0)
        fail_msg("no problem at %s: %ld %s", pointer, a.status, a.body.at);
    check(a, 422, "INVALID");
}

/* Plates of a list, joined by spaces, into out. */
static void
plates(const answered *a, char *out, size_t room)
{
    size_t        i, len = 0;
    const json_t *item;

    out[0] = '\0';
    json_array_foreach(json_object_get(a->json, "items"), i, item) len +=
        (size_t)snprintf(out + len, room - len, "%s%s", i == 0 ? "" : " ",
                         json_string_value(json_object_get(item, "plate")));
}

static void
check_list(const char *token, const char *path, const char *expected)
{
    answered a = ask_as(token, "GET", path, NULL, NULL);
    char     found[512];

    plates(&a, found, sizeof(found));
    if (a.status != 200 || strcmp(found, expected) != 0)
        fail_msg("%s: %ld [%s] instead of [%s]: %s", path, a.status, found, expected, a.body.at);
    done(&a);
}

/* --- commands ------------------------------------------------------------ */

static answered
post(const char *path, const char *body, const char *extra)
{
    return ask_as(t.admin, "POST", path, body, extra);
}

static void
test_create(void **state)
{
    answered a = post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", NULL);
    char     location[128];

    (void)state;
    assert_int_equal(a.status, 201);
    (void)snprintf(location, sizeof(location), "Location: /api/v1/vehicles/%s\r\n",
                   member(&a, "id"));
    assert_non_null(strstr(a.headers.at, location));
    assert_non_null(strstr(a.headers.at, "ETag: \"3\"\r\n"));
    assert_non_null(strstr(a.headers.at, "traceparent: 00-"));
    assert_int_equal(json_integer_value(json_object_get(a.json, "version")), 3);
    assert_memory_equal(member(&a, "position"), "depot:", 6);
    assert_non_null(strstr(member(&a, "position"), ":41"));
    done(&a);
}

static void
test_idempotency_key(void **state)
{
    const char *v7 = "Idempotency-Key: 01922222-3333-7444-8555-666666666666";
    answered    a = post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", "Idempotency-Key: one");
    answered    b = post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", "Idempotency-Key: \"one\"");
    answered    c = post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", "Idempotency-Key: two");
    answered    d = post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", v7);

    (void)state;
    assert_string_equal(member(&a, "id"), member(&b, "id"));
    assert_string_not_equal(member(&a, "id"), member(&c, "id"));
    assert_int_equal(d.status, 201);
    done(&a);
    done(&b);
    done(&c);
    done(&d);
    check(post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", "Idempotency-Key: \xd1\x8f"), 400,
          "BAD_REQUEST");
}

static void
test_bad_bodies(void **state)
{
    char *large = malloc(1200 * 1024);

    (void)state;
    check_pointer(post("/api/v1/vehicles", "{}", NULL), "/plate");
    check_pointer(post("/api/v1/vehicles", "{\"plate\":7}", NULL), "/plate");
    check_pointer(post("/api/v1/vehicles", "{\"plate\":\"A123\",\"x\":1}", NULL), "/x");
    check_pointer(post("/api/v1/vehicles", "{\"plate\":\"A123\",\"odometer_m\":-1}", NULL),
                  "/odometer_m");
    check_pointer(post("/api/v1/vehicles", "{\"plate\":", NULL), "");
    check_pointer(post("/api/v1/vehicles", "{\"plate\":\"\xff\xfe-\"}", NULL), "");
    check_pointer(
        post("/api/v1/vehicles", "[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]", NULL), "");
    check(ask_as(t.admin, "POST", "/api/v1/vehicles", "{}", "Content-Type: text/plain"), 415,
          "UNSUPPORTED_MEDIA_TYPE");
    check(post("/api/v1/vehicles", "\x1f\x8b\x08", "Content-Encoding: gzip"), 415,
          "UNSUPPORTED_MEDIA_TYPE");
    check(post("/api/v1/batch", "\x1f\x8b\x08",
               "Content-Type: application/x-ndjson\nContent-Encoding: br"),
          415, "UNSUPPORTED_MEDIA_TYPE");
    check_pointer(post("/api/v1/vehicles", "{}", "Content-Encoding: identity"), "/plate");
    assert_non_null(large);
    memset(large, 'x', 1200 * 1024 - 1);
    large[1200 * 1024 - 1] = '\0';
    /* Again and again: the answer once got lost, now and then, in a reset of the connection. */
    for (int i = 0; i < 40; i++)
        check(post("/api/v1/vehicles", large, "Expect:"), 413, "BODY_TOO_LARGE");
    check(post("/api/v1/vehicles", large, "Expect: 100-continue"), 413, "BODY_TOO_LARGE");
    check(post("/api/v1/vehicles", large, "Expect:\nTransfer-Encoding: chunked"), 413,
          "BODY_TOO_LARGE");
    free(large);
}

static void
test_refusals(void **state)
{
    answered a;

    (void)state;
    a = post("/api/v1/vehicles", "{\"plate\":\"REFUSE\"}", "Accept-Language: ru-RU, en;q=0.8");
    assert_string_equal(member(&a, "detail"),
                        "Одометр не может идти назад: последнее показание 1200 м.");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(a.json, "params"), "last_m")), 1200);
    check(a, 409, "VEHICLE_ODOMETER_BACK");
    a = post("/api/v1/vehicles", "{\"plate\":\"REFUSE\"}", NULL);
    assert_string_equal(member(&a, "detail"),
                        "The odometer cannot go back: the last reading is 1200 m.");
    check(a, 409, "VEHICLE_ODOMETER_BACK");
}

static void
test_existing_stream(void **state)
{
    const char *path = "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a/odometer";
    answered    a = post(path, "{\"odometer_m\":5}", "If-Match: \"2\"");

    (void)state;
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "id"), vehicle_a);
    assert_null(strstr(a.headers.at, "Location:"));
    done(&a);
    check(post(path, "{\"odometer_m\":5}", "If-Match: \"7\""), 412, "VERSION_MISMATCH");
    check(post(path, "{\"odometer_m\":5}", "If-Match: W/\"2\""), 400, "BAD_REQUEST");
    check(post(path, "{\"odometer_m\":5}", "X-Device-At: yesterday"), 400, "BAD_REQUEST");
    /* A clock that was never set is not "no time told". */
    check(post(path, "{\"odometer_m\":5}", "X-Device-At: 0"), 400, "BAD_REQUEST");
    check(post(path, "{\"odometer_m\":5}", "X-Device-At: 1970-01-01T00:00:00Z"), 400,
          "BAD_REQUEST");
    a = post(path, "{\"odometer_m\":5}", "X-Device-At: 2026-01-01T00:00:00Z");
    assert_int_equal(a.status, 200);
    done(&a);
    check(post("/api/v1/vehicles/nonsense/odometer", "{\"odometer_m\":5}", NULL), 404, "NOT_FOUND");
}

static void
test_unanswered(void **state)
{
    int      before = atomic_load(&t.taken);
    answered a;

    (void)state;
    check(post("/api/v1/vehicles", "{\"plate\":\"SILENT\"}", NULL), 504, "TIMEOUT");
    assert_true(atomic_load(&t.taken) >= before + 2); /* it was sent again */
    /* Who owns the partition no more may have carried it out while it was his. */
    check(post("/api/v1/vehicles", "{\"plate\":\"MOVED\"}", NULL), 504, "TIMEOUT");
    check(post("/api/v1/vehicles", "{\"plate\":\"BUSY\"}", NULL), 503, "OVERLOADED");
    a = post("/api/v1/vehicles", "{\"plate\":\"FAIL\"}", NULL);
    assert_non_null(strstr(a.headers.at, "Retry-After: "));
    check(a, 503, "UNAVAILABLE");
    atomic_store(&t.taken, 0);
    a = post("/api/v1/vehicles", "{\"plate\":\"TWICE\"}", NULL);
    assert_int_equal(a.status, 201);
    assert_int_equal(atomic_load(&t.taken), 2);
    done(&a);
}

/* It was sent twice, for want of an answer; the first is refused, then things change, and the
 * second is carried out. Then that is the answer. */
static void
test_a_refusal_is_not_the_answer_while_a_copy_is_under_way(void **state)
{
    answered a;

    (void)state;
    atomic_store(&t.taken, 0);
    a = post("/api/v1/vehicles", "{\"plate\":\"CHANGED\"}", NULL);
    assert_int_equal(a.status, 201);
    assert_int_equal(atomic_load(&t.taken), 2);
    done(&a);
}

/* --- batches ------------------------------------------------------------- */

#define NDJSON "Content-Type: application/x-ndjson"
#define RECORD(id, metres)                                                                      \
    "{\"command\":\"depot.record_odometer\",\"id\":\"" id "\",\"data\":{\"odometer_m\":" metres \
    "}}\n"
#define REGISTER(plate) "{\"command\":\"depot.register\",\"data\":{\"plate\":\"" plate "\"}}\n"
#define A "01900000-0000-7000-8000-00000000000a"
#define B "01900000-0000-7000-8000-00000000000b"

/* The answers as an array; their lines must be 1, 2, 3 ... but for the empty ones. */
static json_t *
batch(const char *token, const char *body, const char *extra)
{
    char     headers[256];
    answered a;
    json_t  *out = json_array();
    char    *rest;

    (void)snprintf(headers, sizeof(headers), NDJSON "\n%s", extra == NULL ? "" : extra);
    a = ask_as(token, "POST", "/api/v1/batch", body, headers);
    if (a.status != 200)
        fail_msg("%ld: %s", a.status, a.body.at);
    assert_non_null(strstr(a.headers.at, "Content-Type: application/x-ndjson"));
    for (char *line = strtok_r(a.body.at, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_error_t error;
        json_t      *one = json_loads(line, JSON_REJECT_DUPLICATES, &error);

        if (one == NULL)
            fail_msg("%s: %s", error.text, line);
        json_array_append_new(out, one);
    }
    done(&a);
    return out;
}

static int64_t
number_at(const json_t *answers, size_t i, const char *name)
{
    return json_integer_value(json_object_get(json_array_get(answers, i), name));
}

static const char *
text_at(const json_t *answers, size_t i, const char *name)
{
    const char *text = json_string_value(json_object_get(json_array_get(answers, i), name));

    return text == NULL ? "" : text;
}

static void
check_line(const json_t *answers, size_t i, int status, const char *code, const char *pointer)
{
    const json_t *errors = json_object_get(json_array_get(answers, i), "errors");
    const char   *found = json_string_value(json_object_get(json_array_get(errors, 0), "pointer"));

    if (number_at(answers, i, "status") != status ||
        strcmp(text_at(answers, i, "code"), code) != 0 ||
        strcmp(found == NULL ? "-" : found, pointer) != 0) {
        char *text = json_dumps(json_array_get(answers, i), 0);

        fail_msg("answer %zu is not %d %s %s: %s", i, status, code, pointer, text);
    }
    assert_int_equal(number_at(answers, i, "line"), (int)i + 1);
}

/* What is wrong with a line is its own affair. */
static void
test_batch_of_good_and_bad(void **state)
{
    json_t *a =
        batch(t.admin,
              REGISTER("A123BC")                                      /* 1 */
              "nonsense\n"                                            /* 2 */
              REGISTER("REFUSE")                                      /* 3 */
              RECORD(A, "-1")                                         /* 4 */
              "{\"command\":\"depot.vanish\",\"data\":{}}\n"          /* 5 */
              "{\"command\":\"depot.hide\",\"id\":\"" A "\"}\n"       /* 6 */
              "{\"command\":\"depot.record_odometer\",\"data\":{}}\n" /* 7 */
              RECORD("nobody", "1")                                   /* 8 */
              "{\"command\":\"depot.register\",\"da/ta\":{}}\n"       /* 9 */
              "{\"command\":\"depot.record_odometer\",\"id\":\"" A
              "\",\"if_match\":7,\"data\":{\"odometer_m\":3}}\n" /* 10 */
              "{\"command\":\"depot.record_odometer\",\"id\":\"" A
              "\",\"if_match\":\"\\\"2\\\"\",\"device_at\":\"2026-01-01T00:00:00Z\","
              "\"data\":{\"odometer_m\":3}}\r\n" /* 11 */
              "{\"command\":\"depot.record_odometer\",\"id\":\"" A
              "\",\"device_at\":\"yesterday\",\"data\":{\"odometer_m\":3}}\n" /* 12 */
              "[1]\n"                                                         /* 13 */
              "{\"command\":\"depot.register\",\"id\":\"" A "\",\"data\":{\"plate\":\"A12\"}}\n"
              "{\"command\":\"depot.register\"}\n" /* 15 */
              "{\"command\":\"depot.record_odometer\",\"id\":\"" A
              "\",\"device_at\":0,\"data\":{\"odometer_m\":3}}", /* 16 */
              NULL);

    (void)state;
    assert_int_equal(json_array_size(a), 16);
    check_line(a, 0, 201, "", "-");
    assert_memory_equal(text_at(a, 0, "location"), "/api/v1/vehicles/", 17);
    assert_string_equal(text_at(a, 0, "location") + 17, text_at(a, 0, "id"));
    assert_memory_equal(text_at(a, 0, "position"), "depot:", 6);
    assert_int_equal(number_at(a, 0, "version"), 3);
    check_line(a, 1, 422, "INVALID", "/2");
    check_line(a, 2, 409, "VEHICLE_ODOMETER_BACK", "-");
    assert_string_equal(text_at(a, 2, "detail"),
                        "The odometer cannot go back: the last reading is 1200 m.");
    check_line(a, 3, 422, "INVALID", "/4/data/odometer_m");
    check_line(a, 4, 422, "INVALID", "/5/command");
    check_line(a, 5, 422, "INVALID", "/6/command");
    check_line(a, 6, 422, "INVALID", "/7/id");
    check_line(a, 7, 404, "NOT_FOUND", "-");
    check_line(a, 8, 422, "INVALID", "/9/da~1ta");
    check_line(a, 9, 412, "VERSION_MISMATCH", "-");
    check_line(a, 10, 200, "", "-");
    assert_string_equal(text_at(a, 10, "id"), A);
    check_line(a, 11, 422, "INVALID", "/12/device_at");
    check_line(a, 12, 422, "INVALID", "/13");
    check_line(a, 13, 422, "INVALID", "/14/id");
    check_line(a, 14, 422, "INVALID", "/15/data/plate");
    check_line(a, 15, 422, "INVALID", "/16/device_at");
    json_decref(a);
    a = batch(t.viewer, REGISTER("A123BC") RECORD(A, "1"), NULL);
    check_line(a, 0, 403, "FORBIDDEN", "-");
    check_line(a, 1, 403, "FORBIDDEN", "-");
    json_decref(a);
    a = batch(t.driver_token, REGISTER("A123BC") RECORD(A, "1"), NULL);
    check_line(a, 0, 403, "FORBIDDEN", "-");
    check_line(a, 1, 200, "", "-"); /* whether it is theirs the service decides */
    json_decref(a);
}

/* One of them is never answered: the next of its stream waits for it, others do not. */
static void
test_batch_in_order(void **state)
{
    json_t *a;
    char   *silent, *same, *other;

    (void)state;
    bus_buf_reset(&t.log);
    a = batch(t.admin, RECORD(A, "4040404") RECORD(A, "2") RECORD(B, "3") RECORD(A, "5"), NULL);
    check_line(a, 0, 504, "TIMEOUT", "-");
    check_line(a, 1, 200, "", "-");
    check_line(a, 2, 200, "", "-");
    check_line(a, 3, 200, "", "-");
    silent = strstr(t.log.at, ":4040404}");
    other = strstr(t.log.at, ":3}");
    same = strstr(t.log.at, ":2}");
    assert_true(silent != NULL && other != NULL && same != NULL);
    silent = strstr(silent + 1, ":4040404}"); /* sent again, for want of an answer */
    assert_true(silent != NULL && other < silent && silent < same);
    assert_null(strstr(same, ":4040404}"));
    assert_non_null(strstr(same, ":5}"));
    json_decref(a);
}

/* Far more than are at work at once, of a few streams and of one each. */
static void
test_batch_of_many(void **state)
{
    bus_buf body = {0};
    json_t *a;
    char   *at;

    (void)state;
    for (int i = 0; i < 300; i++)
        if (i % 2 == 0)
            bus_buf_printf(&body, REGISTER("N%d"), 1000 + i);
        else
            bus_buf_printf(&body, RECORD("01900000-0000-7000-8000-00000000%04d", "%d"), i % 3, i);
    bus_buf_reset(&t.log);
    a = batch(t.admin, body.at, NULL);
    assert_int_equal(json_array_size(a), 300);
    for (int i = 0; i < 300; i++)
        check_line(a, (size_t)i, i % 2 == 0 ? 201 : 200, "", "-");
    for (int stream = 0; stream < 3; stream++) {
        at = t.log.at;
        for (int i = 1; i < 300; i += 2) {
            char text[32];

            if (i % 3 != stream)
                continue;
            (void)snprintf(text, sizeof(text), "{\"odometer_m\":%d} ", i);
            at = strstr(at, text); /* after the one before */
            assert_non_null(at);
        }
    }
    json_decref(a);
    /* Nothing to wait for: only bad lines, still each with its answer. */
    bus_buf_reset(&body);
    for (int i = 0; i < 299; i++)
        bus_buf_add_text(&body, "{}\n");
    a = batch(t.admin, body.at, NULL);
    assert_int_equal(json_array_size(a), 299);
    check_line(a, 298, 422, "INVALID", "/299/command");
    json_decref(a);
    bus_buf_add_text(&body, "{}\n{}\n");
    check(post("/api/v1/batch", body.at, NDJSON), 413, "BODY_TOO_LARGE");
    bus_buf_fini(&body);
}

static void
test_batch_keys(void **state)
{
    const char *line = "{\"command\":\"depot.register\",\"idempotency_key\":\"b-one\","
                       "\"data\":{\"plate\":\"A123BC\"}}\n";
    const char *two = REGISTER("A123BC") "\n" REGISTER("A123BC");
    answered single = post("/api/v1/vehicles", "{\"plate\":\"A123BC\"}", "Idempotency-Key: b-one");
    json_t  *a = batch(t.admin, line, NULL), *b = batch(t.admin, two, "Idempotency-Key: b-two");
    json_t  *c = batch(t.admin, two, "Idempotency-Key: b-two");
    json_t  *d = batch(t.admin, two, "Idempotency-Key: b-three");

    (void)state;
    assert_string_equal(text_at(a, 0, "id"), member(&single, "id"));
    assert_string_equal(text_at(b, 0, "id"), text_at(c, 0, "id"));
    assert_string_equal(text_at(b, 1, "id"), text_at(c, 1, "id"));
    assert_string_not_equal(text_at(b, 0, "id"), text_at(b, 1, "id"));
    assert_string_not_equal(text_at(b, 0, "id"), text_at(d, 0, "id"));
    assert_int_equal(json_array_size(b), 2); /* the empty line has no answer, but its number */
    assert_int_equal(number_at(b, 1, "line"), 3);
    done(&single);
    json_decref(a);
    json_decref(b);
    json_decref(c);
    json_decref(d);
}

static void
test_batch_bounds(void **state)
{
    (void)state;
    check(ask_as(NULL, "POST", "/api/v1/batch", "{}", NDJSON), 401, "UNAUTHENTICATED");
    check(post("/api/v1/batch", "{}", NULL), 415, "UNSUPPORTED_MEDIA_TYPE");
    check(post("/api/v1/batch", "", NDJSON), 400, "BAD_REQUEST");
    check(post("/api/v1/batch", "{}", NDJSON "\nIdempotency-Key: \xd1\x8f"), 400, "BAD_REQUEST");
    check(get("/api/v1/batch"), 405, "METHOD_NOT_ALLOWED");
}

static void
test_rights(void **state)
{
    const char *record = "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a/odometer";
    answered    a;

    (void)state;
    check(ask_as(NULL, "POST", "/api/v1/vehicles", "{}", NULL), 401, "UNAUTHENTICATED");
    check(ask_as("nonsense", "GET", "/api/v1/vehicles", NULL, NULL), 401, "UNAUTHENTICATED");
    check(ask_as(t.viewer, "POST", "/api/v1/vehicles", "{\"plate\":\"A123\"}", NULL), 403,
          "FORBIDDEN");
    check(ask_as(t.viewer, "POST", record, "{\"odometer_m\":5}", NULL), 403, "FORBIDDEN");
    a = ask_as(t.driver_token, "POST", record, "{\"odometer_m\":5}", NULL);
    assert_int_equal(a.status, 200); /* whether it is theirs the service decides */
    done(&a);
    check(ask_as(t.driver_token, "GET", "/api/v1/people", NULL, NULL), 403, "FORBIDDEN");
    check(ask_as(t.viewer, "GET", "/api/v1/people", NULL, NULL), 403, "FORBIDDEN");
    a = ask_as(t.finance, "GET", "/api/v1/people", NULL, NULL);
    assert_int_equal(a.status, 200);
    done(&a);
}

static void
test_routing(void **state)
{
    answered a;

    (void)state;
    check(get("/api/v1/nothing"), 404, "NOT_FOUND");
    check(get("/api/v1/vehicles/"), 404, "NOT_FOUND");
    check(get("/api/v1/vehicles%00"), 404, "NOT_FOUND");
    check(get("/api/v1/vehicles%00/none"), 404, "NOT_FOUND");
    check(ask_as(t.admin, "POST", "/api/v1/hide", "{}", NULL), 404, "NOT_FOUND");
    a = ask_as(t.admin, "DELETE", "/api/v1/vehicles", NULL, NULL);
    assert_non_null(strstr(a.headers.at, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
    check(a, 405, "METHOD_NOT_ALLOWED");
    a = ask_as(NULL, "OPTIONS", "/api/v1/vehicles", NULL, NULL);
    assert_int_equal(a.status, 204);
    assert_non_null(strstr(a.headers.at, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
    done(&a);
    a = ask_as(t.admin, "HEAD", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a", NULL,
               NULL);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.len, 0);
    assert_non_null(strstr(a.headers.at, "ETag: \"2\""));
    done(&a);
    a = ask_as(t.admin, "GET", "/api/v1/nothing", NULL,
               "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_string_equal(member(&a, "trace_id"), "0af7651916cd43dd8448eb211c80319c");
    assert_non_null(strstr(a.headers.at, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"));
    check(a, 404, "NOT_FOUND");
}

/* Sends these bytes as they are; what came back until the end of the connection, into out. False:
 * the connection was neither answered nor closed within three seconds. */
static bool
raw(const char *bytes, size_t len, char *out, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)edge_port(t.e))};
    struct timeval     patience = {.tv_sec = 3};
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t             got = 0;
    ssize_t            n = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    while (len > 0 && (n = send(fd, bytes, len, MSG_NOSIGNAL)) > 0) {
        bytes += n;
        len -= (size_t)n;
    }
    do {
        n = recv(fd, out + got, room - 1 - got, 0);
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0 && got < room - 1);
    out[got] = '\0';
    n = n < 0 && errno == ECONNRESET ? 0 : n;
    (void)close(fd);
    return n == 0;
}

/* One head, the problem, and the end: what follows is not taken for a request. */
static void
check_raw_problem(const char *request, const char *line)
{
    char        answer[4096];
    const char *body;
    json_t     *json;

    if (!raw(request, strlen(request), answer, sizeof(answer)))
        fail_msg("left open: %s", request);
    body = strstr(answer, "\r\n\r\n");
    json = body == NULL ? NULL : json_loads(body, 0, NULL);
    if (strncmp(answer, line, strlen(line)) != 0 || json == NULL ||
        strstr(answer, "Content-Type: application/problem+json\r\n") == NULL ||
        strstr(answer, "\r\ntraceparent: 00-") == NULL ||
        json_string_length(json_object_get(json, "trace_id")) != 32)
        fail_msg("no problem %s of %s: %s", line, request, answer);
    json_decref(json);
}

/* What is too much for libmicrohttpd is not left hanging, with no other traffic about. */
static void
test_unparsable(void **state)
{
    static const int counts[] = {180, 700, 6000}; /* parameters */
    char             answer[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        bus_buf request = {0};

        bus_buf_add_text(&request, "GET /api/v1/vehicles?");
        for (int n = 0; n < counts[i]; n++)
            bus_buf_add_text(&request, "a=b&");
        bus_buf_add_text(&request, "z=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        check_raw_problem(request.at, "HTTP/1.1 414 ");
        bus_buf_fini(&request);
    }
    assert_true(raw("\001\002\r\n\r\n", 6, answer, sizeof(answer)));
}

/* Where does it end? A proxy in front may think otherwise than we do. */
static void
test_unclear_framing(void **state)
{
    static const struct {
        const char *method, *version, *headers, *body;
    } unclear[] = {
        {"POST", "1.1", "Content-Length: 2\r\nContent-Length: 20\r\n", "{}"},
        {"POST", "1.1", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
        {"POST", "1.1", "Transfer-Encoding: chunked\r\nContent-Length: 45\r\n", "0\r\n\r\n"},
        {"GET", "1.1", "Transfer-Encoding: chunked\r\nContent-Length: 45\r\n", "0\r\n\r\n"},
        {"POST", "1.1", "Content-Length : 44\r\n", ""},
        {"POST", "1.1", "Content-Length\t: 44\r\n", ""},
        {"GET", "1.1", "Content-Length : 44\r\n", ""},
        {"GET", "1.1", "X A: b\r\n", ""},
        {"GET", "1.1", "X-\xff: b\r\n", ""},
        {"POST", "1.1", "Content-Length: 4\r\n 4\r\n", ""},
        {"POST", "1.1", "Content-: 44\r\n Length\r\n", ""},
        {"POST", "1.1", "Transfer-Encoding: gzip\r\n", "abc"},
        {"GET", "1.1", "Transfer-Encoding: gzip\r\n", "abc"},
        {"POST", "1.1", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"},
        {"POST", "1.1", "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"},
        {"POST", "1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", "0\r\n\r\n"},
        {"POST", "1.0", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"},
        {"GET", "1.1", "X: a\rContent-Length: 20\r\n", ""},
        {"POST", "1.1", "X: a\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
        {"GET", "1.1", "X: a\nContent-Length: 20\r\n", ""},
    };
    char request[2048];

    (void)state;
    for (size_t i = 0; i < sizeof(unclear) / sizeof(unclear[0]); i++) {
        (void)snprintf(request, sizeof(request),
                       "%s /api/v1/vehicles HTTP/%s\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: application/json\r\n%s\r\n%s"
                       "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                       unclear[i].method, unclear[i].version, t.admin, unclear[i].headers,
                       unclear[i].body);
        check_raw_problem(request, "HTTP/1.1 400 ");
    }
}

/* As a client writes it to a proxy. */
static void
test_absolute_target(void **state)
{
    static const char healthz[] = "GET http://x:80/healthz?a=b HTTP/1.1\r\nHost: x\r\n"
                                  "Connection: close\r\n\r\n";
    char              answer[4096];

    (void)state;
    assert_true(raw(healthz, sizeof(healthz) - 1, answer, sizeof(answer)));
    assert_non_null(strstr(answer, " 200 OK\r\n"));
    check_raw_problem("GET http://x/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                      "HTTP/1.1 404 ");
}

/* What libmicrohttpd would have answered by itself, in HTML or not at all. */
static void
test_bad_heads(void **state)
{
    char answer[4096];

    (void)state;
    check_raw_problem("GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    check_raw_problem("GET /health z HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ");
    check_raw_problem("POST /api/v1/vehicles HTTP/1.1\r\nHost: x\r\n"
                      "Content-Length: 9999999999999999999\r\n\r\n",
                      "HTTP/1.1 413 ");
    check_raw_problem("POST /api/v1/vehicles HTTP/1.1\r\nHost: x\r\n"
                      "Content-Length: 18446744073709551615\r\n\r\n",
                      "HTTP/1.1 413 ");
    assert_true(raw("GET /healthz HTTP/1.0\r\n\r\n", 25, answer, sizeof(answer)));
    assert_non_null(strstr(answer, " 200 OK\r\n"));
}

/* These it does answer by itself; the connection ends there. */
static void
test_lengths_that_are_none(void **state)
{
    static const struct {
        const char *length, *line;
    } lengths[] = {
        {"-1", "HTTP/1.1 400 "},
        {"abc", "HTTP/1.1 400 "},
        {"2, 2", "HTTP/1.1 400 "},
        {"99999999999999999999999", "HTTP/1.1 413 "},
    };
    char request[256], answer[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        (void)snprintf(request, sizeof(request),
                       "POST /api/v1/vehicles HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n"
                       "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                       lengths[i].length);
        assert_true(raw(request, strlen(request), answer, sizeof(answer)));
        assert_int_equal(strncmp(answer, lengths[i].line, strlen(lengths[i].line)), 0);
        assert_null(strstr(answer, " 200 "));
    }
}

/* Which of two is meant? */
static void
test_headers_twice(void **state)
{
    static const char *const twice[] = {
        "Idempotency-Key: a\r\nIdempotency-Key: b",
        "Idempotency-Key: a\r\nidempotency-key: a",
        "If-Match: \"1\"\r\nIf-Match: \"2\"",
        "X-After: depot:0:1\r\nX-After: depot:0:2",
        "X-Device-At: 2026-01-01T00:00:00Z\r\nX-Device-At: 2026-01-02T00:00:00Z",
        "Content-Type: application/json",
        "Authorization: Bearer x",
        "Host: y",
    };
    char request[2048];

    (void)state;
    for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        (void)snprintf(request, sizeof(request),
                       "POST /api/v1/vehicles HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: application/json\r\nContent-Length: 16\r\n"
                       "Connection: close\r\n%s\r\n\r\n{\"plate\":\"A123\"}",
                       t.admin, twice[i]);
        check_raw_problem(request, "HTTP/1.1 400 ");
    }
}

static void
test_long_address(void **state)
{
    char path[4100];

    (void)state;
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles?plate=");
    memset(path + strlen(path), 'x', 4090 - strlen(path));
    path[4090] = '\0';
    check(get(path), 422, "INVALID");
    memset(path + 4090, 'x', 9);
    path[4099] = '\0';
    check(get(path), 414, "URI_TOO_LONG");
}

/* --- queries ------------------------------------------------------------- */

static void
test_item(void **state)
{
    answered a = get("/api/v1/vehicles/01900000-0000-7000-8000-00000000000a");

    (void)state;
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "id"), vehicle_a);
    assert_string_equal(member(&a, "plate"), "A001");
    assert_string_equal(member(&a, "driver_name"), "Anna \"Volt\"");
    assert_string_equal(member(&a, "driver_phone"), "+79990000001");
    assert_string_equal(member(&a, "phone"), "+7111");
    assert_non_null(strstr(a.headers.at, "ETag: \"2\""));
    assert_non_null(strstr(a.headers.at, "Cache-Control: no-store"));
    done(&a);
    a = get("/api/v1/vehicles/01900000-0000-7000-8000-00000000000b");
    assert_true(json_is_null(json_object_get(a.json, "driver_name")));
    done(&a);
    a = ask_as(t.admin, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a", NULL,
               "If-None-Match: \"1\", \"2\"");
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body.len, 0);
    done(&a);
    check(get("/api/v1/vehicles/01900000-0000-7000-8000-000000000099"), 404, "NOT_FOUND");
    check(get("/api/v1/vehicles/01900000-0000-7000-8000-0000000000ff"), 404, "NOT_FOUND");
    a = ask_as(t.outsider, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-0000000000ff", NULL,
               NULL);
    assert_string_equal(member(&a, "id"), foreign);
    done(&a);
    check(get("/api/v1/lost/01900000-0000-7000-8000-00000000000a"), 503, "VIEW_REBUILDING");
}

static void
test_masks(void **state)
{
    answered a = ask_as(t.viewer, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a",
                        NULL, NULL);

    (void)state;
    assert_int_equal(a.status, 200);
    assert_true(json_is_null(json_object_get(a.json, "phone")));
    assert_true(json_is_null(json_object_get(a.json, "driver_phone")));
    assert_string_equal(member(&a, "driver_name"), "Anna \"Volt\"");
    assert_string_equal(member(&a, "plate"), "A001");
    done(&a);
    a = ask_as(t.viewer, "GET", "/api/v1/vehicles", NULL, NULL);
    assert_null(strstr(a.body.at, "+7"));
    done(&a);
    /* Nor may it be found out by filtering. */
    check_pointer(ask_as(t.viewer, "GET", "/api/v1/vehicles?phone=%2B7111", NULL, NULL),
                  "/query/phone");
    check_list(t.admin, "/api/v1/vehicles?phone=%2B7111", "A001");
}

static void
check_money(const char *token, bool price, bool pay)
{
    answered a =
        ask_as(token, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a", NULL, NULL);

    assert_int_equal(a.status, 200);
    assert_int_equal(json_integer_value(json_object_get(a.json, "price_kop")), price ? 10 : 0);
    assert_int_equal(json_integer_value(json_object_get(a.json, "driver_pay_kop")), pay ? 77 : 0);
    assert_true(json_is_null(json_object_get(a.json, "price_kop")) == !price);
    assert_true(json_is_null(json_object_get(a.json, "driver_pay_kop")) == !pay);
    done(&a);
}

static void
test_a_grant_lifts_a_mask(void **state)
{
    const char *priced = "/api/v1/vehicles?price_kop.lt=30&sort=-price_kop";
    answered    a;

    (void)state;
    check_money(t.admin, true, true);
    check_money(t.viewer, false, false);
    check_money(t.finance, true, true);
    check_money(t.driver_token, false, true);
    check_money(t.granted_driver, false, true); /* it is the VIEWER's mask that the grant lifts */
    check_list(t.finance, priced, "B002 A001");
    check_pointer(ask_as(t.viewer, "GET", priced, NULL, NULL), "/query/price_kop.lt");
    a = ask_as(t.finance, "GET", "/api/v1/vehicles", NULL, NULL);
    assert_non_null(strstr(a.body.at, "\"price_kop\":10"));
    assert_non_null(strstr(a.body.at, "\"driver_pay_kop\":77"));
    assert_null(strstr(a.body.at, "+7")); /* no grant shows a phone */
    done(&a);
}

static void
test_row_scope(void **state)
{
    answered a;

    (void)state;
    /* A001 is theirs now; C003 was until yesterday; D004 has no beginning. */
    check_list(t.driver_token, "/api/v1/vehicles", "A001");
    a = ask_as(t.driver_token, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a", NULL,
               NULL);
    assert_int_equal(a.status, 200);
    done(&a);
    check(ask_as(t.driver_token, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000b",
                 NULL, NULL),
          404, "NOT_FOUND");
    check(ask_as(t.driver_token, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000c",
                 NULL, NULL),
          404, "NOT_FOUND");
}

static void
sql(const char *text)
{
    PGconn   *conn = PQconnectdb(tests_postgres_url(t.pg));
    PGresult *res = PQexec(conn, text);

    if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    PQclear(res);
    PQfinish(conn);
}

/* --- time travel --------------------------------------------------------- */

#define PAST_MS INT64_C(1764000000000)

/* Events of a stream: count of them, from a version on, a second apart, in the partition of the
 * stream at offsets base + version. data may use v. */
static void
add_events(const char *id, int base, int from, int count, const char *type, const char *data)
{
    char   text[2048], tenant[BUS_ID_TEXT_BYTES];
    bus_id stream;

    assert_true(bus_id_parse(bus_str_of(id), &stream));
    (void)snprintf(
        text, sizeof(text),
        "insert into depot.events (partition, \"offset\", epoch, stream, aggregate, version, "
        "tenant,"
        " type, command_id, nth, digest, correlation_id, actor, at, data)"
        " select %d, %d + v, 1, '%s', 'vehicle', v, '%s', '%s', gen_random_uuid(), 0, 0,"
        " gen_random_uuid(), '{\"id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
        "\"roles\":[\"ADMIN\"]}', timestamptz 'epoch' + (%lld + v * 1000) * interval '1 ms',"
        " (%s)::json from generate_series(%d, %d) v",
        bus_id_partition(stream, PARTITIONS), base, id, bus_id_format(t.tenant, tenant), type,
        (long long)PAST_MS, data, from, from + count - 1);
    sql(text);
}

static answered
as_of(const char *token, const char *id, const char *when)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s?as_of=%s", id, when);
    return ask_as(token, "GET", path, NULL, NULL);
}

static answered
as_of_second(const char *token, const char *id, int second)
{
    char when[32];

    (void)snprintf(when, sizeof(when), "%lld", (long long)(PAST_MS + (int64_t)second * 1000 + 1));
    return as_of(token, id, when);
}

static const char *const past = "01900000-0000-7000-8000-0000000000e1";

static void
add_past(void)
{
    add_events(past, 100, 1, 1, "depot.registered.v1", "'{\"plate\":\"OLD1\"}'");
    add_events(past, 100, 2, 1, "depot.given.v1",
               "'{\"driver_id\":\"01900000-0000-7000-8000-0000000000d1\"}'");
    add_events(past, 100, 3, 1, "depot.moved.v1", "'{\"odometer_m\":500}'");
    add_events(past, 100, 4, 1, "depot.given.v1", "'{\"driver_id\":null}'");
}

static void
test_an_item_as_it_was(void **state)
{
    answered a;
    bus_id   id;
    char     when[64];

    (void)state;
    add_past();
    a = as_of_second(t.admin, past, 1);
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "id"), past);
    assert_string_equal(member(&a, "plate"), "OLD1");
    assert_string_equal(member(&a, "phone"), "+7222");
    assert_true(json_is_null(json_object_get(a.json, "driver_id")) ||
                json_object_get(a.json, "driver_id") == NULL);
    assert_true(json_is_null(json_object_get(a.json, "driver_name")));
    assert_non_null(strstr(a.headers.at, "ETag: \"1\""));
    done(&a);
    a = as_of(t.admin, past, "2025-11-24T16:00:02.500Z");
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "driver_id"), "01900000-0000-7000-8000-0000000000d1");
    assert_string_equal(member(&a, "driver_name"), "Anna \"Volt\""); /* joined, as of now */
    assert_non_null(strstr(a.headers.at, "ETag: \"2\""));
    done(&a);
    assert_true(bus_id_parse(bus_str_of(past), &id));
    (void)snprintf(when, sizeof(when), "depot:%d:103", bus_id_partition(id, PARTITIONS));
    a = as_of(t.admin, past, when);
    assert_int_equal(a.status, 200);
    assert_int_equal(json_integer_value(json_object_get(a.json, "version")), 3);
    assert_int_equal(json_integer_value(json_object_get(a.json, "odometer_m")), 500);
    done(&a);
    a = as_of(t.admin, past, "2999-01-01T00:00:00Z");
    assert_int_equal(json_integer_value(json_object_get(a.json, "version")), 4);
    done(&a);
    a = ask_as(t.admin, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-0000000000e1?as_of=0",
               NULL, "If-None-Match: *");
    assert_int_equal(a.status, 404); /* before it was made */
    done(&a);
    check(as_of(t.outsider, past, "2999-01-01T00:00:00Z"), 404, "NOT_FOUND");
    check(as_of(t.admin, vehicle_a, "2999-01-01T00:00:00Z"), 404,
          "NOT_FOUND"); /* never in the log */
}

static void
test_who_sees_the_past(void **state)
{
    answered a = as_of_second(t.viewer, past, 2);

    (void)state;
    assert_int_equal(a.status, 200);
    assert_true(json_is_null(json_object_get(a.json, "phone")));
    assert_true(json_is_null(json_object_get(a.json, "driver_phone")));
    assert_string_equal(member(&a, "driver_name"), "Anna \"Volt\"");
    done(&a);
    check(as_of_second(t.driver_token, past, 1), 404, "NOT_FOUND");
    a = as_of_second(t.driver_token, past, 3);
    assert_int_equal(a.status, 200); /* it was theirs then */
    done(&a);
    check(as_of_second(t.driver_token, past, 4), 404, "NOT_FOUND");
    check(ask_as(t.viewer, "GET", "/api/v1/people/01900000-0000-7000-8000-0000000000d1?as_of=0",
                 NULL, NULL),
          403, "FORBIDDEN");
}

static void
test_bad_moments(void **state)
{
    bus_id id;
    char   when[64];

    (void)state;
    assert_true(bus_id_parse(bus_str_of(past), &id));
    check_pointer(as_of(t.admin, past, ""), "/query/as_of");
    check_pointer(as_of(t.admin, past, "yesterday"), "/query/as_of");
    check_pointer(as_of(t.admin, past, "trips:0:1"), "/query/as_of");
    (void)snprintf(when, sizeof(when), "depot:%d:103",
                   (bus_id_partition(id, PARTITIONS) + 1) % PARTITIONS);
    check_pointer(as_of(t.admin, past, when), "/query/as_of");
    check_pointer(get("/api/v1/people/01900000-0000-7000-8000-0000000000d1?as_of=0"),
                  "/query/as_of");
}

static void
test_long_and_broken_histories(void **state)
{
    static const char *const longest = "01900000-0000-7000-8000-0000000000e2";
    static const char *const cut = "01900000-0000-7000-8000-0000000000e3";
    static const char *const broken = "01900000-0000-7000-8000-0000000000e4";
    static const char *const heavy = "01900000-0000-7000-8000-0000000000e5";
    answered                 a;

    (void)state;
    add_events(longest, 1000, 1, 1, "depot.registered.v1", "'{\"plate\":\"LONG\"}'");
    add_events(longest, 1000, 2, 10050, "depot.moved.v1", "'{\"odometer_m\":' || v || '}'");
    a = as_of_second(t.admin, longest, 2500); /* over several pages */
    assert_int_equal(a.status, 200);
    assert_int_equal(json_integer_value(json_object_get(a.json, "version")), 2500);
    assert_int_equal(json_integer_value(json_object_get(a.json, "odometer_m")), 2500);
    assert_string_equal(member(&a, "plate"), "LONG");
    done(&a);
    a = as_of_second(t.admin, longest, 10000);
    assert_int_equal(a.status, 200);
    assert_int_equal(json_integer_value(json_object_get(a.json, "version")), 10000);
    done(&a);
    check(as_of_second(t.admin, longest, 10001), 422, "HISTORY_TOO_LONG");
    /* The bound of bytes: 8 MiB a page and a half each */
    add_events(heavy, 20000, 1, 1, "depot.registered.v1", "'{\"plate\":\"HEAVY\"}'");
    add_events(heavy, 20000, 2, 12, "depot.moved.v1",
               "'{' || repeat(' ', 1500000) || '\"odometer_m\":' || v || '}'");
    a = as_of_second(t.admin, heavy, 8);
    assert_int_equal(a.status, 200);
    assert_int_equal(json_integer_value(json_object_get(a.json, "odometer_m")), 8);
    done(&a);
    check(as_of_second(t.admin, heavy, 13), 422, "HISTORY_TOO_LONG");
    add_events(cut, 30000, 5, 2, "depot.moved.v1", "'{\"odometer_m\":1}'");
    check(as_of_second(t.admin, cut, 6), 410, "HISTORY_ARCHIVED");
    add_events(broken, 30100, 1, 1, "depot.registered.v1", "'{\"plate\":1}'");
    check(as_of_second(t.admin, broken, 6), 500, "INTERNAL");
}

static void
test_filters(void **state)
{
    (void)state;
    check_list(t.admin, "/api/v1/vehicles", "D004 C003 B002 A001");
    check_list(t.outsider, "/api/v1/vehicles", "F009");
    check_list(t.admin, "/api/v1/vehicles?status=AVAILABLE", "B002 A001");
    check_list(t.admin, "/api/v1/vehicles?status=IN_USE,RETIRED", "D004 C003");
    check_list(t.admin, "/api/v1/vehicles?plate=A001,B002&status=AVAILABLE&sort=plate",
               "A001 B002");
    check_list(t.admin, "/api/v1/vehicles?odometer_m.gte=100&odometer_m.lt=300&sort=plate",
               "A001 B002");
    check_list(t.admin, "/api/v1/vehicles?registered_at.gt=1970-01-01T00:00:02Z", "D004 C003");
    check_list(t.admin, "/api/v1/vehicles?made_on.lte=2020-02-29&electric=true", "A001");
    check_list(t.admin, "/api/v1/vehicles?load_factor.gt=0.5&sort=plate", "C003 D004");
    check_list(t.admin,
               "/api/v1/vehicles?driver_id=01900000-0000-7000-8000-0000000000d1&sort=plate",
               "A001 C003 D004");
    check_list(t.admin, "/api/v1/vehicles?plate=%27%3B%20drop%20table", "");
    check_pointer(get("/api/v1/vehicles?colour=red"), "/query/colour");
    check_pointer(get("/api/v1/vehicles?from_at=1"), "/query/from_at");
    check_pointer(get("/api/v1/vehicles?status=LOST"), "/query/status");
    check_pointer(get("/api/v1/vehicles?status.gt=RETIRED"), "/query/status.gt");
    check_pointer(get("/api/v1/vehicles?odometer_m=1e3"), "/query/odometer_m");
    check_pointer(get("/api/v1/vehicles?odometer_m.gt=1,2"), "/query/odometer_m.gt");
    check_pointer(get("/api/v1/vehicles?made_on=2021-02-29"), "/query/made_on");
    check_pointer(get("/api/v1/vehicles?plate=%FF%FE%FD"), "/query/plate");
    check_pointer(get("/api/v1/vehicles?plate="), "/query/plate");
    check_pointer(get("/api/v1/vehicles?limit=0"), "/query/limit");
    check_pointer(get("/api/v1/vehicles?limit=201"), "/query/limit");
    check_pointer(get("/api/v1/vehicles?limit=1&limit=2"), "/query/limit");
    check_pointer(get("/api/v1/vehicles?sort=plate&sort=-plate"), "/query/sort");
    check_pointer(get("/api/v1/vehicles?plate=A001&plate=B002"), "/query/plate");
    check_pointer(get("/api/v1/vehicles?sort=status"), "/query/sort");
    check_pointer(get("/api/v1/vehicles?cursor=abc"), "/query/cursor");
}

/* All pages of one row each, in one string. */
static void
check_pages(const char *query, const char *expected)
{
    char cursor[512] = "", path[1024], all[256] = "";
    int  pages = 0;

    do {
        answered a;
        char     one[64];

        (void)snprintf(path, sizeof(path), "/api/v1/vehicles?limit=1%s%s%s", query,
                       cursor[0] == '\0' ? "" : "&cursor=", cursor);
        a = get(path);
        assert_int_equal(a.status, 200);
        plates(&a, one, sizeof(one));
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
                       all[0] == '\0' ? "" : " ", one);
        (void)snprintf(cursor, sizeof(cursor), "%s", member(&a, "next_cursor"));
        done(&a);
    } while (cursor[0] != '\0' && ++pages < 10);
    assert_string_equal(all, expected);
}

static void
test_pages(void **state)
{
    answered a;
    char     path[1024];

    (void)state;
    check_pages("", "D004 C003 B002 A001");
    check_pages("&sort=registered_at", "A001 B002 C003 D004");
    check_pages("&sort=plate", "A001 B002 C003 D004");
    check_pages("&sort=odometer_m", "A001 B002 C003 D004");  /* D004 has none: last */
    check_pages("&sort=-odometer_m", "D004 C003 B002 A001"); /* and first */
    check_pages("&status=AVAILABLE&sort=-plate", "B002 A001");
    /* A cursor belongs to its list. */
    a = get("/api/v1/vehicles?limit=1&sort=plate");
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles?limit=1&sort=-plate&cursor=%s",
                   member(&a, "next_cursor"));
    check_pointer(get(path), "/query/cursor");
    (void)snprintf(path, sizeof(path),
                   "/api/v1/vehicles?limit=1&sort=plate&status=AVAILABLE&cursor=%s",
                   member(&a, "next_cursor"));
    check_pointer(get(path), "/query/cursor");
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles?limit=2&sort=plate&cursor=%s",
                   member(&a, "next_cursor"));
    check_list(t.admin, path, "B002 C003");
    path[strlen(path) - 3] = path[strlen(path) - 3] == 'x' ? 'y' : 'x';
    check_pointer(get(path), "/query/cursor");
    done(&a);
}

/* --- read your writes ---------------------------------------------------- */

static void *
publish_later(void *unused)
{
    const bus_view_contract *views[3];
    int                      versions[3];
    char                     topic[BUS_VIEWS_TOPIC_BYTES];
    bus_batch                progress = {.partition = 1, .first_offset = 9}, *batch;

    (void)unused;
    for (int i = 0; i < 3; i++) {
        views[i] = depot_views[i]->of;
        versions[i] = depot_views[i]->view_version;
    }
    bus_views_topic("depot", views, versions, 3, topic);
    progress.topic = bus_str_of(topic);
    batch = bus_batch_of(&progress);
    (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    bus_transport_inproc.publish(t.transport, batch);
    bus_batch_release(batch);
    return NULL;
}

static void
test_after(void **state)
{
    const char *path = "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a";
    char        reader[128], table[BUS_VIEW_TABLE_BYTES], text[512];
    pthread_t   publisher;
    answered    a;

    (void)state;
    check(ask_as(t.admin, "GET", path, NULL, "X-After: depot"), 400, "BAD_REQUEST");
    check(ask_as(t.admin, "GET", path, NULL, "X-After: unknown:1:1"), 400, "BAD_REQUEST");
    check(ask_as(t.admin, "GET", path, NULL, "X-After: depot:8:1"), 400, "BAD_REQUEST");
    check(ask_as(t.admin, "GET", path, NULL, "X-After: depot:7:1"), 503, "VIEW_BEHIND");
    check(ask_as(t.admin, "GET", path, NULL, "X-After: depot:1:9"), 503, "VIEW_BEHIND");
    assert_int_equal(pthread_create(&publisher, NULL, publish_later, NULL), 0);
    a = ask_as(t.admin, "GET", path, NULL, "X-After: depot:1:9");
    assert_int_equal(a.status, 200);
    done(&a);
    assert_int_equal(pthread_join(publisher, NULL), 0);
    /* What nobody publishes is found in the checkpoints: of the view and of those it joins. */
    for (int i = 0; i < 2; i++) {
        const bus_view *view = depot_views[i];

        bus_view_table_name(view->of, view->view_version, table);
        (void)snprintf(reader, sizeof(reader), "view.%s", table);
        check(ask_as(t.admin, "GET", path, NULL, "X-After: depot:2:5"), 503, "VIEW_BEHIND");
        (void)snprintf(text, sizeof(text),
                       "insert into depot.checkpoints (reader, domain, partition, \"offset\")"
                       " values ('%s', 'depot', 2, 5)",
                       reader);
        sql(text);
    }
    a = ask_as(t.admin, "GET", path, NULL, "X-After: depot:2:5");
    assert_int_equal(a.status, 200);
    done(&a);
    a = ask_as(t.admin, "GET", "/api/v1/vehicles", NULL, "X-After: depot:2:5");
    assert_int_equal(a.status, 200);
    done(&a);
}

static atomic_bool no_brokers;

static bool
brokers_away(const bus_transport *transport)
{
    (void)transport;
    return atomic_load(&no_brokers);
}

/* --- documents and health ------------------------------------------------ */

static void
test_open_routes(void **state)
{
    static const char *const hidden[] = {"/docs/../edge_test.c", "/docs/..%2f..%2fetc%2fpasswd",
                                         "/docs/.hidden.js",     "/schemas/%2e%2e",
                                         "/docs/a.sh",           "/schemas/..%2fopenapi.json"};
    answered                 a;

    (void)state;
    a = ask_as(NULL, "GET", "/healthz", NULL, NULL);
    assert_int_equal(a.status, 200);
    done(&a);
    a = ask_as(NULL, "GET", "/readyz", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "status"), "ready");
    assert_string_equal(member(&a, "redis"), "degraded"); /* nobody listens there */
    assert_string_equal(member(&a, "bus"), "ok");
    assert_int_equal(json_array_size(json_object_get(a.json, "parts")), 1);
    done(&a);
    atomic_store(&no_brokers, true);
    a = ask_as(NULL, "GET", "/readyz", NULL, NULL);
    assert_int_equal(a.status, 503);
    assert_string_equal(member(&a, "bus"), "down");
    done(&a);
    atomic_store(&no_brokers, false);
    a = ask_as(NULL, "GET", "/metrics", NULL, NULL);
    assert_non_null(strstr(a.body.at, "bus_edge_requests_total"));
    done(&a);
    a = ask_as(NULL, "GET", "/openapi.json", NULL, NULL);
    assert_string_equal(member(&a, "openapi"), "3.1.0");
    done(&a);
    a = ask_as(NULL, "GET", "/schemas/depot.register.json", NULL, NULL);
    assert_int_equal(a.status, 200);
    done(&a);
    a = ask_as(NULL, "GET", "/docs", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.headers.at, "Content-Security-Policy: default-src 'none'"));
    assert_null(strstr(a.body.at, "http"));
    done(&a);
    check(ask_as(NULL, "GET", "/asyncapi.json", NULL, NULL), 404, "NOT_FOUND");
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        check(ask_as(NULL, "GET", hidden[i], NULL, NULL), 404, "NOT_FOUND");
}

/* --- when parts are gone ------------------------------------------------- */

static void
test_no_owner(void **state)
{
    edge        *own = t.e, *lonely = NULL;
    edge_options options = {.transport_ops = &bus_transport_inproc,
                            .transport = t.transport,
                            .store = &fake_store,
                            .clock = bus_clock_system(),
                            .contracts = all_contracts,
                            .contracts_count = 1,
                            .database_url = tests_postgres_url(t.pg),
                            .listen = "127.0.0.1:0",
                            .jwt_keys = KEYS,
                            .command_deadline_ms = 400};
    bus_error    err;

    (void)state;
    atomic_store(&t.disowned, true);
    assert_int_equal(edge_start(&lonely, &options, &err), BUS_OK);
    t.e = lonely;
    check(post("/api/v1/vehicles", "{\"plate\":\"A123\"}", NULL), 503, "UNAVAILABLE");
    atomic_store(&t.disowned, false);
    {
        answered a = post("/api/v1/vehicles", "{\"plate\":\"A123\"}", NULL);

        assert_int_equal(a.status, 201);
        done(&a);
    }
    edge_stop(lonely);
    options.listen = edge_address(own) + strlen("http://");
    assert_int_equal(edge_start(&lonely, &options, &err), BUS_UNAVAILABLE); /* taken */
    options.jwt_keys = "k:short";
    assert_int_equal(edge_start(&lonely, &options, &err), BUS_INVALID);
    t.e = own;
}

/* An owner that hangs cannot say that another has taken over: it is looked up. */
static void
test_hung_owner(void **state)
{
    edge        *own = t.e, *other = NULL;
    edge_options options = {.transport_ops = &bus_transport_inproc,
                            .transport = t.transport,
                            .store = &fake_store,
                            .clock = bus_clock_system(),
                            .contracts = all_contracts,
                            .contracts_count = 1,
                            .database_url = tests_postgres_url(t.pg),
                            .listen = "127.0.0.1:0",
                            .jwt_keys = KEYS,
                            .command_deadline_ms = 5000};
    answered     a;
    bus_error    err;

    (void)state;
    assert_int_equal(bus_transport_inproc.serve(t.transport, "depot", &t.hung, &err), BUS_OK);
    atomic_store(&t.hung_owns, true);
    assert_int_equal(edge_start(&other, &options, &err), BUS_OK);
    t.e = other;
    atomic_store(&t.hung_owns, false);
    a = post("/api/v1/vehicles", "{\"plate\":\"A124\"}", NULL);
    assert_int_equal(a.status, 201);
    done(&a);
    edge_stop(other);
    bus_transport_inproc.stop(t.hung);
    t.e = own;
}

static edge_options
options_of_another(const char *listen)
{
    return (edge_options){.transport_ops = &bus_transport_inproc,
                          .transport = t.transport,
                          .store = &fake_store,
                          .clock = bus_clock_system(),
                          .contracts = all_contracts,
                          .contracts_count = 1,
                          .database_url = tests_postgres_url(t.pg),
                          .listen = listen,
                          .jwt_keys = KEYS};
}

/* Where there are no users, a session's token is nobody's; and operators can be shut out. */
static void
test_whose_tokens_are_taken(void **state)
{
    edge              *own = t.e, *other = NULL;
    edge_options       options = options_of_another("127.0.0.1:0");
    edge_token_request request = {.tenant = t.tenant,
                                  .user = t.driver,
                                  .roles = "ADMIN",
                                  .now_s = bus_now_ms(bus_clock_system()) / 1000,
                                  .ttl_s = 60,
                                  .session = t.driver,
                                  .generation = 1};
    char              *of_session = NULL;
    bus_error          err;

    (void)state;
    assert_int_equal(edge_token_make(&of_session, KEYS, &request, &err), BUS_OK);
    check(ask_as(of_session, "POST", "/api/v1/vehicles", "{}", NULL), 401, "UNAUTHENTICATED");
    options.operator_tokens_refused = true;
    assert_int_equal(edge_start(&other, &options, &err), BUS_OK);
    t.e = other;
    check(ask_as(t.admin, "POST", "/api/v1/vehicles", "{}", NULL), 401, "UNAUTHENTICATED");
    check(ask_as(of_session, "POST", "/api/v1/vehicles", "{}", NULL), 401, "UNAUTHENTICATED");
    edge_stop(other);
    t.e = own;
    free(of_session);
}

static void *
start_slowly(void *listen)
{
    edge_options options = options_of_another(listen);
    edge        *slow = NULL;
    bus_error    err;

    return edge_start(&slow, &options, &err) == BUS_OK ? slow : NULL;
}

/* 0: nobody answers. */
static long
status_of(const char *url)
{
    CURL   *curl = curl_easy_init();
    bus_buf body = {0};
    long    status = 0;

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    bus_buf_fini(&body);
    return status;
}

/* The first loop serves while its edge does not know of it yet. */
static void
test_asked_while_it_starts(void **state)
{
    edge_options options = options_of_another("127.0.0.1:0");
    edge        *first = NULL;
    char         url[128];
    void        *slow = NULL;
    pthread_t    starter;
    bus_error    err;
    long         status = 0;

    (void)state;
    assert_int_equal(edge_start(&first, &options, &err), BUS_OK); /* finds a port */
    (void)snprintf(url, sizeof(url), "%s", edge_address(first));
    edge_stop(first);
    assert_int_equal(bus_fail_points_arm("edge.loop_started,sleep:1000", &err), BUS_OK);
    assert_int_equal(pthread_create(&starter, NULL, start_slowly, url + strlen("http://")), 0);
    for (int i = 0; i < 90 && status == 0; i++) {
        char readyz[160];

        (void)usleep(10000);
        (void)snprintf(readyz, sizeof(readyz), "%s/readyz", url);
        status = status_of(readyz);
    }
    assert_true(status == 200 || status == 503);
    assert_int_equal(pthread_join(starter, &slow), 0);
    assert_int_equal(bus_fail_points_arm(NULL, &err), BUS_OK);
    assert_non_null(slow);
    edge_stop(slow);
}

static int
connect_idle(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)edge_port(t.e))};
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Idle connections over the bound: the next ones are told so, those after them closed at once. */
static void
test_connections(void **state)
{
    enum { IDLE = 100 };

    static const char request[] =
        "POST /api/v1/vehicles HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    edge        *own = t.e, *narrow = NULL;
    edge_options options = {.transport_ops = &bus_transport_inproc,
                            .transport = t.transport,
                            .store = &fake_store,
                            .clock = bus_clock_system(),
                            .contracts = all_contracts,
                            .contracts_count = 1,
                            .database_url = tests_postgres_url(t.pg),
                            .listen = "127.0.0.1:0",
                            .jwt_keys = KEYS,
                            .loops = 1,
                            .connections_max = 4};
    char         answer[2048];
    int          idle[IDLE];
    bus_error    err;

    (void)state;
    assert_int_equal(edge_start(&narrow, &options, &err), BUS_OK);
    t.e = narrow;
    for (int i = 0; i < 4; i++)
        idle[i] = connect_idle();
    assert_true(raw(request, sizeof(request) - 1, answer, sizeof(answer)));
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(answer, "Retry-After: "));
    for (int i = 4; i < IDLE; i++)
        idle[i] = connect_idle();
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    assert_true(raw(request, sizeof(request) - 1, answer, sizeof(answer)));
    assert_string_equal(answer, "");
    for (int i = 0; i < IDLE; i++)
        (void)close(idle[i]);
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    check(ask_as(NULL, "POST", "/api/v1/vehicles", "{}", NULL), 401, "UNAUTHENTICATED");
    edge_stop(narrow);
    t.e = own;
}

static void *
stop_soon(void *e)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    edge_stop(e);
    return NULL;
}

/* Clients that go away within their headers leave nothing behind: else an edge that has met one
 * would use up its whole time to stop, and memory (which the address sanitizer sees). */
static void
test_half_a_request(void **state)
{
    static const char  half[] = "GET /api/v1/vehicles HTTP/1.1\r\nHost: depot\r\nX-Never";
    edge              *own = t.e, *leaving = NULL;
    edge_options       options = {.transport_ops = &bus_transport_inproc,
                                  .transport = t.transport,
                                  .store = &fake_store,
                                  .clock = bus_clock_system(),
                                  .contracts = all_contracts,
                                  .contracts_count = 1,
                                  .views = depot_views,
                                  .views_count = 3,
                                  .database_url = tests_postgres_url(t.pg),
                                  .listen = "127.0.0.1:0",
                                  .jwt_keys = KEYS,
                                  .stop_deadline_ms = 20000};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timespec    began, ended;
    bus_error          err;

    (void)state;
    assert_int_equal(edge_start(&leaving, &options, &err), BUS_OK);
    t.e = leaving;
    address.sin_port = htons((uint16_t)edge_port(leaving));
    for (int i = 0; i < 20; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)(void *)&address, sizeof(address)), 0);
        assert_int_equal(send(fd, half, sizeof(half) - 1, MSG_NOSIGNAL), sizeof(half) - 1);
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        assert_int_equal(close(fd), 0);
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    edge_stop(leaving);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    t.e = own;
    assert_true(ended.tv_sec - began.tv_sec < 15);
}

/* A request in flight is answered before the edge is gone: in time, or with a 503 at the bound. */
static void
test_stop(void **state)
{
    edge        *own = t.e, *leaving = NULL;
    edge_options options = {.transport_ops = &bus_transport_inproc,
                            .transport = t.transport,
                            .store = &fake_store,
                            .clock = bus_clock_system(),
                            .contracts = all_contracts,
                            .contracts_count = 1,
                            .views = depot_views,
                            .views_count = 3,
                            .database_url = tests_postgres_url(t.pg),
                            .listen = "127.0.0.1:0",
                            .jwt_keys = KEYS,
                            .command_deadline_ms = 5000,
                            .after_deadline_ms = 5000,
                            .stop_deadline_ms = 300};
    pthread_t    stopper;
    bus_error    err;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(edge_start(&leaving, &options, &err), BUS_OK);
        t.e = leaving;
        (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        assert_int_equal(pthread_create(&stopper, NULL, stop_soon, leaving), 0);
        if (i == 0)
            check(post("/api/v1/vehicles", "{\"plate\":\"SILENT\"}", NULL), 504, "TIMEOUT");
        else if (i == 1)
            check(ask_as(t.admin, "GET", "/api/v1/vehicles/01900000-0000-7000-8000-00000000000a",
                         NULL, "X-After: depot:7:9"),
                  503, "UNAVAILABLE");
        assert_int_equal(pthread_join(stopper, NULL), 0); /* 2: nothing in flight */
    }
    t.e = own;
}

static void
test_database_restart(void **state)
{
    answered a;
    int      tries = 0;

    (void)state;
    if (!tests_postgres_crash(t.pg))
        skip();
    check(get("/api/v1/vehicles"), 503, "UNAVAILABLE");
    a = ask_as(NULL, "GET", "/readyz", NULL, NULL);
    assert_int_equal(a.status, 503);
    assert_string_equal(member(&a, "database"), "down");
    done(&a);
    assert_true(tests_postgres_revive(t.pg));
    do {
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        a = get("/api/v1/vehicles");
        done(&a);
    } while (a.status != 200 && ++tries < 100);
    assert_int_equal(a.status, 200);
}

/* --- set-up -------------------------------------------------------------- */

static void
add_vehicle(const char *tenant, const char *id, const char *plate, const char *status, int n,
            const char *odometer, const char *driver, const char *from, const char *until)
{
    char table[BUS_VIEW_TABLE_BYTES], text[2048];

    bus_view_table_name(&vehicles_contract, 1, table);
    (void)snprintf(
        text, sizeof(text),
        "insert into views.\"%s\" (tenant, id, version, body, status, plate, registered_at,"
        " odometer_m, driver_id, from_at, until_at, electric, made_on, load_factor, phone,"
        " price_kop) values"
        " ('%s', '%s', 2, '{\"id\":\"%s\",\"version\":2,\"status\":\"%s\",\"plate\":\"%s\","
        "\"phone\":\"+7111\",\"price_kop\":%d}', '%s', '%s', %d, %s, %s, %s, %s, %s, "
        "'2020-02-%02d', %d / 4.0,"
        " '+7%d11', %d)",
        table, tenant, id, id, status, plate, n * 10, status, plate, n * 1000, odometer, driver,
        from, until, n == 1 ? "true" : "false", 28 + n % 2, n, n, n * 10);
    sql(text);
}

static void
fill_views(void)
{
    char        tenant[BUS_ID_TEXT_BYTES], other[BUS_ID_TEXT_BYTES], table[BUS_VIEW_TABLE_BYTES];
    char        text[512];
    const char *d1 = "'01900000-0000-7000-8000-0000000000d1'";
    bus_buf     ddl = {0};

    bus_id_format(t.tenant, tenant);
    bus_id_format(t.other_tenant, other);
    for (int i = 0; i < 2; i++) {
        bus_buf_reset(&ddl);
        bus_view_table_ddl(depot_views[i]->of, 1, &ddl);
        sql(ddl.at);
    }
    bus_buf_fini(&ddl);
    sql("select shina.create_domain('depot', 8)");
    add_vehicle(tenant, vehicle_a, "A001", "AVAILABLE", 1, "100", d1, "1", "null");
    add_vehicle(tenant, vehicle_b, "B002", "AVAILABLE", 2, "200", "null", "null", "null");
    add_vehicle(tenant, vehicle_c, "C003", "IN_USE", 3, "300", d1, "1", "2");
    add_vehicle(tenant, "01900000-0000-7000-8000-00000000000d", "D004", "RETIRED", 4, "null", d1,
                "null", "null");
    add_vehicle(other, foreign, "F009", "AVAILABLE", 9, "900", "null", "null", "null");
    bus_view_table_name(&people_contract, 1, table);
    (void)snprintf(
        text, sizeof(text),
        "insert into views.\"%s\" values ('%s', %s, 1, '{\"id\":%s,\"version\":1,"
        "\"full_name\":\"Anna \\\"Volt\\\"\",\"phone\":\"+79990000001\",\"pay_kop\":77}')",
        table, tenant, d1, "\"01900000-0000-7000-8000-0000000000d1\"");
    sql(text);
}

static char *
token(bus_id tenant, const char *roles, const char *grants, bus_id driver)
{
    edge_token_request request = {.tenant = tenant,
                                  .user = bus_new_v7(bus_clock_system()),
                                  .driver_id = driver,
                                  .roles = roles,
                                  .grants = grants,
                                  .now_s = bus_now_ms(bus_clock_system()) / 1000,
                                  .ttl_s = 3600};
    char              *out = NULL;
    bus_error          err;

    assert_int_equal(edge_token_make(&out, KEYS, &request, &err), BUS_OK);
    return out;
}

static void
write_file(const char *name, const char *text)
{
    char  path[160];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", t.documents, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
make_documents(void)
{
    char path[128];

    (void)snprintf(t.documents, sizeof(t.documents), "/tmp/shina-edge-XXXXXX");
    assert_non_null(mkdtemp(t.documents));
    (void)snprintf(path, sizeof(path), "mkdir %s/schemas", t.documents);
    assert_int_equal(system(path), 0);
    write_file("openapi.json", "{\"openapi\":\"3.1.0\"}");
    write_file("schemas/depot.register.json", "{}");
    write_file(".hidden.js", "x");
    write_file("a.sh", "x");
}

static int
set_up(void **state)
{
    static bus_transport_ops ops;
    bus_transport_options    transport = {.queue_max = 1000, .batches_max = 1000};
    edge_options             options = {.transport_ops = &ops,
                                        .store = &fake_store,
                                        .clock = bus_clock_system(),
                                        .contracts = all_contracts,
                                        .contracts_count = 1,
                                        .views = depot_views,
                                        .views_count = 3,
                                        .redis_url = "redis://127.0.0.1:1/0",
                                        .listen = "127.0.0.1:0",
                                        .jwt_keys = KEYS,
                                        .health = health,
                                        .loops = 2,
                                        .batch_lines_max = 300,
                                        .command_deadline_ms = 2500,
                                        .after_deadline_ms = 300};
    bus_error                err;
    answered                 a;

    (void)state;
    ops = bus_transport_inproc;
    ops.away = brokers_away;
    assert_int_equal(curl_global_init(CURL_GLOBAL_ALL), 0);
    assert_int_equal(pthread_mutex_init(&t.log_lock, NULL), 0);
    t.pg = tests_postgres_start(false);
    t.tenant = bus_new_v7(bus_clock_system());
    t.other_tenant = bus_new_v7(bus_clock_system());
    assert_true(bus_id_parse(BUS_STR("01900000-0000-7000-8000-0000000000d1"), &t.driver));
    fill_views();
    make_documents();
    t.admin = token(t.tenant, "ADMIN", NULL, BUS_ID_NIL);
    t.viewer = token(t.tenant, "VIEWER", NULL, BUS_ID_NIL);
    t.finance = token(t.tenant, "VIEWER", "finance.read", BUS_ID_NIL);
    t.driver_token = token(t.tenant, "DRIVER", NULL, t.driver);
    t.granted_driver = token(t.tenant, "DRIVER", "finance.read", t.driver);
    t.outsider = token(t.other_tenant, "ADMIN", NULL, BUS_ID_NIL);
    assert_int_equal(bus_transport_inproc.open(&t.transport, &transport, &err), BUS_OK);
    assert_int_equal(bus_transport_inproc.serve(t.transport, "depot", &t.server, &err), BUS_OK);
    assert_int_equal(pthread_create(&t.service, NULL, serve, NULL), 0);
    options.transport = t.transport;
    options.database_url = tests_postgres_url(t.pg);
    options.documents_dir = options.viewer_dir = t.documents;
    if (edge_start(&t.e, &options, &err) != BUS_OK)
        fail_msg("%s", err.text);
    do {
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        a = ask_as(NULL, "GET", "/readyz", NULL, NULL);
        done(&a);
    } while (a.status != 200);
    return 0;
}

static int
tear_down(void **state)
{
    char command[128];

    (void)state;
    edge_stop(t.e);
    atomic_store(&t.over, true);
    assert_int_equal(pthread_join(t.service, NULL), 0);
    bus_transport_inproc.stop(t.server);
    bus_transport_inproc.close(t.transport);
    tests_postgres_stop(t.pg);
    free(t.admin);
    free(t.viewer);
    free(t.finance);
    free(t.granted_driver);
    free(t.driver_token);
    free(t.outsider);
    bus_buf_fini(&t.log);
    (void)pthread_mutex_destroy(&t.log_lock);
    (void)snprintf(command, sizeof(command), "rm -r %s", t.documents);
    assert_int_equal(system(command), 0);
    curl_global_cleanup();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_idempotency_key),
        cmocka_unit_test(test_bad_bodies),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_existing_stream),
        cmocka_unit_test(test_unanswered),
        cmocka_unit_test(test_a_refusal_is_not_the_answer_while_a_copy_is_under_way),
        cmocka_unit_test(test_batch_of_good_and_bad),
        cmocka_unit_test(test_batch_in_order),
        cmocka_unit_test(test_batch_of_many),
        cmocka_unit_test(test_batch_keys),
        cmocka_unit_test(test_batch_bounds),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_routing),
        cmocka_unit_test(test_unparsable),
        cmocka_unit_test(test_unclear_framing),
        cmocka_unit_test(test_absolute_target),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_lengths_that_are_none),
        cmocka_unit_test(test_headers_twice),
        cmocka_unit_test(test_long_address),
        cmocka_unit_test(test_item),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_a_grant_lifts_a_mask),
        cmocka_unit_test(test_row_scope),
        cmocka_unit_test(test_an_item_as_it_was),
        cmocka_unit_test(test_who_sees_the_past),
        cmocka_unit_test(test_bad_moments),
        cmocka_unit_test(test_long_and_broken_histories),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_open_routes),
        cmocka_unit_test(test_no_owner),
        cmocka_unit_test(test_whose_tokens_are_taken),
        cmocka_unit_test(test_hung_owner),
        cmocka_unit_test(test_asked_while_it_starts),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_half_a_request),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_database_restart),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
