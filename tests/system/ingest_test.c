/* ingest_test.c - what others push, against a whole shina: signed or refused, kept once, whoever
 * pushes it how often; its secrets and its data in clear nowhere but where they belong.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/webhook/webhook.h"
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

#define TENANT "11111111-1111-4111-8111-111111111111"
#define PUSHERS 6
#define EVENTS 20
#define ROUNDS 3
#define PHONE "+79161234567"

static tests_shina *shina;
static char        *admin, *dispatcher;

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int
start(void **state)
{
    (void)state;
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    dispatcher = tests_shina_token(shina, TENANT, "DISPATCHER", NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    free(dispatcher);
    tests_shina_stop(shina);
    return 0;
}

/* --- sources --------------------------------------------------------------- */

typedef struct {
    char id[64], address[160], secret[160];
} source;

/* Registers a source and waits until the edge knows it. */
static source
register_source(const char *name, const char *kind, const char *scheme, const char *secret)
{
    source         s = {0};
    char           body[400], path[300];
    tests_response r;

    (void)snprintf(body, sizeof(body), "{'name':'%s','kind':'%s','scheme':'%s'%s%s%s}", name, kind,
                   scheme, secret == NULL ? "" : ",'secret':'", secret == NULL ? "" : secret,
                   secret == NULL ? "" : "'");
    r = tests_shina_post(shina, admin, "/api/v1/ingest/sources", body);
    assert_int_equal(r.status, 201);
    (void)snprintf(s.id, sizeof(s.id), "%s", text_of(r.json, "id"));
    (void)snprintf(s.secret, sizeof(s.secret), "%s",
                   secret == NULL ? text_of(r.json, "secret") : secret);
    if (secret == NULL)
        assert_memory_equal(s.secret, "whsec_", 6);
    else
        assert_null(json_object_get(r.json, "secret"));
    (void)snprintf(s.address, sizeof(s.address), "/api/v1/ingest/" TENANT ".%s", s.id);
    json_decref(r.json);
    (void)snprintf(path, sizeof(path), "/api/v1/ingest/sources/%s", s.id);
    for (int i = 0; i < 400; i++) {
        r = tests_shina_get(shina, admin, path);
        if (r.status == 200)
            break;
        json_decref(r.json);
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(r.json, "address"), s.address);
    assert_true(json_is_null(json_object_get(r.json, "secret")));
    json_decref(r.json);
    return s;
}

static void
command(const source *s, const char *name, const char *body, long status)
{
    char           path[200];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/ingest/sources/%s/%s", s->id, name);
    r = tests_shina_post(shina, admin, path, body);
    assert_int_equal(r.status, status);
    json_decref(r.json);
}

/* --- pushes ---------------------------------------------------------------- */

typedef struct {
    const char *type, *body, *id;
    int64_t     off_s; /* added to now */
    const char *extra[8];
} push;

static tests_response
push_signed(const source *s, const char *secret, const push *p)
{
    char            headers[4][200], signature[BUS_WEBHOOK_SIGNATURE_BYTES];
    const char     *lines[16] = {NULL};
    int64_t         now_s = (int64_t)time(NULL) + p->off_s;
    bus_webhook_key key;
    int             n = 0;

    assert_true(bus_webhook_key_of(bus_str_of(secret), &key));
    bus_webhook_sign(&key, bus_str_of(p->id), now_s, bus_str_of(p->body), signature);
    (void)snprintf(headers[0], sizeof(headers[0]), "Content-Type: %s", p->type);
    (void)snprintf(headers[1], sizeof(headers[1]), "webhook-id: %s", p->id);
    (void)snprintf(headers[2], sizeof(headers[2]), "webhook-timestamp: %lld", (long long)now_s);
    (void)snprintf(headers[3], sizeof(headers[3]), "webhook-signature: v1,AAAA %s", signature);
    for (; n < 4; n++)
        lines[n] = headers[n];
    for (int i = 0; p->extra[i] != NULL; i++)
        lines[n++] = p->extra[i];
    return tests_shina_ask(shina, &(tests_request){.method = "POST",
                                                   .path = s->address,
                                                   .body = p->body,
                                                   .headers = lines,
                                                   .raw_content_type = true});
}

static tests_response
push_event(const source *s, const char *secret, const char *event_id)
{
    char body[300];
    push p = {.type = "application/cloudevents+json", .body = body, .id = event_id};

    (void)snprintf(
        body, sizeof(body),
        "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/pbx\",\"type\":\"call.ended\","
        "\"data\":{\"phone\":\"" PHONE "\"}}",
        event_id);
    return push_signed(s, secret, &p);
}

static void
expect(tests_response r, long status, const char *code)
{
    if (r.status != status || strcmp(text_of(r.json, "code"), code) != 0) {
        char *text = json_dumps(r.json, 0);

        fail_msg("%ld instead of %ld %s: %s", r.status, status, code, text == NULL ? "" : text);
    }
    json_decref(r.json);
}

static char *
whole_log(void)
{
    const char *args[] = {"events", "ingest", NULL};

    return tests_shina_verb(shina, args, NULL);
}

static int
count(const char *text, const char *word)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

/* A repeat of the command is told the same secret; others are told nothing. */
static void
test_a_secret_is_told_once(void **state)
{
    const char   *headers[] = {"Idempotency-Key: told", NULL};
    tests_request request = {
        .method = "POST",
        .path = "/api/v1/ingest/sources",
        .token = admin,
        .headers = headers,
        .body = "{\"name\":\"told\",\"kind\":\"CLOUDEVENTS\",\"scheme\":\"STANDARD_WEBHOOKS\"}"};
    tests_response first = tests_shina_ask(shina, &request);
    tests_response again = tests_shina_ask(shina, &request), list;
    char          *text;

    (void)state;
    assert_int_equal(first.status, 201);
    assert_int_equal(again.status, 201);
    assert_string_equal(text_of(first.json, "id"), text_of(again.json, "id"));
    assert_string_equal(text_of(first.json, "secret"), text_of(again.json, "secret"));
    list = tests_shina_get(shina, admin, "/api/v1/ingest/sources");
    text = json_dumps(list.json, 0);
    assert_null(strstr(text, text_of(first.json, "secret")));
    assert_null(strstr(text, "sec:1:"));
    free(text);
    json_decref(first.json);
    json_decref(again.json);
    json_decref(list.json);
}

static void
test_too_large(void **state)
{
    source        s = register_source("large", "WEBHOOK", "BEARER", "sixteen or more.");
    char         *body = malloc(300 * 1024);
    const char   *headers[] = {"X-Webhook-Secret: sixteen or more.", "Content-Type: text/plain",
                               "Expect:", NULL};
    tests_request request = {.method = "POST",
                             .path = s.address,
                             .headers = headers,
                             .body = body,
                             .raw_content_type = true};

    (void)state;
    assert_non_null(body);
    memset(body, 'x', 300 * 1024);
    request.body_bytes = 300 * 1024; /* more than a body may have */
    expect(tests_shina_ask(shina, &request), 413, "BODY_TOO_LARGE");
    request.body_bytes = 100 * 1024; /* more than an event may have */
    expect(tests_shina_ask(shina, &request), 422, "INVALID");
    request.body_bytes = 65536;
    expect(tests_shina_ask(shina, &request), 202, "");
    free(body);
}

/* Who pushes in the name of a source is on record. */
static void
await_noted(const source *s)
{
    char   path[200];
    size_t rows = 0;

    (void)snprintf(path, sizeof(path),
                   "/api/v1/audit?type=ingest.receive&code=BAD_SIGNATURE&actor=%s", s->id);
    for (int i = 0; i < 300 && rows < 2; i++) {
        tests_response r = tests_shina_get(shina, admin, path);

        rows = json_array_size(json_object_get(r.json, "items"));
        json_decref(r.json);
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    assert_int_equal(rows, 2);
}

/* --- stories --------------------------------------------------------------- */

static void
test_signed_or_refused(void **state)
{
    source     s = register_source("signed", "CLOUDEVENTS", "STANDARD_WEBHOOKS", NULL);
    source     nobody = s, elsewhere = s, nonsense = s;
    const push early = {
        .type = "application/cloudevents+json", .body = "{}", .id = "x", .off_s = -400};
    const push other_type = {.type = "text/plain", .body = "x", .id = "x"};
    const push bad = {
        .type = "application/cloudevents+json", .body = "{\"specversion\":\"1.0\"}", .id = "x"};
    char           repeated[64];
    tests_response r;

    (void)state;
    r = push_event(&s, s.secret, "one");
    assert_int_equal(r.status, 202);
    (void)snprintf(repeated, sizeof(repeated), "%s",
                   text_of(json_array_get(json_object_get(r.json, "events"), 0), "position"));
    assert_memory_equal(repeated, "ingest:", 7);
    json_decref(r.json);
    r = push_event(&s, s.secret, "one");
    assert_int_equal(r.status, 202);
    assert_string_equal(text_of(json_array_get(json_object_get(r.json, "events"), 0), "position"),
                        repeated);
    assert_true(json_is_true(
        json_object_get(json_array_get(json_object_get(r.json, "events"), 0), "repeated")));
    json_decref(r.json);

    expect(push_event(&s, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "two"), 403, "BAD_SIGNATURE");
    expect(push_signed(&s, s.secret, &early), 403, "BAD_SIGNATURE");
    await_noted(&s);
    nobody.address[strlen(nobody.address) - 1] ^= 1;
    expect(push_event(&nobody, s.secret, "two"), 404, "NOT_FOUND");
    memcpy(elsewhere.address + strlen("/api/v1/ingest/"), "2", 1); /* another tenant's */
    expect(push_event(&elsewhere, s.secret, "two"), 404, "NOT_FOUND");
    (void)snprintf(nonsense.address, sizeof(nonsense.address), "/api/v1/ingest/signed");
    expect(push_event(&nonsense, s.secret, "two"), 404, "NOT_FOUND");
    expect(push_signed(&s, s.secret, &other_type), 415, "UNSUPPORTED_MEDIA_TYPE");
    expect(push_signed(&s, s.secret, &bad), 422, "INVALID");
    command(&s, "disable", "{}", 200);
    command(&s, "disable", "{}", 409);
    for (int i = 0; i < 400; i++) { /* the edge learns it from the view */
        r = push_event(&s, s.secret, "one");
        json_decref(r.json);
        if (r.status == 404)
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    assert_int_equal(r.status, 404);
}

static void
test_secrets_change(void **state)
{
    source         s = register_source("changing", "CLOUDEVENTS", "STANDARD_WEBHOOKS", NULL);
    char           path[200], second[160];
    tests_response r;

    (void)state;
    (void)snprintf(path, sizeof(path), "/api/v1/ingest/sources/%s/rotate-secret", s.id);
    r = tests_shina_post(shina, admin, path, "{'overlap_s':600}");
    assert_int_equal(r.status, 200);
    (void)snprintf(second, sizeof(second), "%s", text_of(r.json, "secret"));
    json_decref(r.json);
    assert_memory_equal(second, "whsec_", 6);
    assert_string_not_equal(second, s.secret);
    for (int i = 0; i < 400; i++) {
        r = push_event(&s, second, "new");
        json_decref(r.json);
        if (r.status == 202)
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    assert_int_equal(r.status, 202);
    expect(push_event(&s, s.secret, "old"), 202, "");
    r = tests_shina_post(shina, admin, path,
                         "{'overlap_s':0,'secret':'a third, of our own making'}");
    assert_int_equal(r.status, 200);
    json_decref(r.json);
    for (int i = 0; i < 400; i++) {
        r = push_event(&s, second, "late");
        json_decref(r.json);
        if (r.status == 403)
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    assert_int_equal(r.status, 403);
    expect(push_event(&s, "a third, of our own making", "third"), 202, "");
}

static tests_response
push_own(const source *s, const char *header, const char *body)
{
    const char *headers[] = {header, "Content-Type: application/x-www-form-urlencoded", NULL};

    return tests_shina_ask(shina, &(tests_request){.method = "POST",
                                                   .path = s->address,
                                                   .body = body,
                                                   .headers = headers,
                                                   .raw_content_type = true});
}

/* A secret of the sender's own in a header, and a body that is no CloudEvent. */
static void
test_own_form(void **state)
{
    source s = register_source("zadarma", "WEBHOOK", "BEARER", "sixteen or more.");
    char  *log;

    (void)state;
    expect(push_own(&s, "Authorization: Bearer sixteen or more.", "event=NOTIFY_START"), 202, "");
    expect(push_own(&s, "X-Webhook-Secret: sixteen or more.", "event=NOTIFY_START"), 202, "");
    expect(push_own(&s, "X-Webhook-Secret: sixteen or more.", "event=NOTIFY_END"), 202, "");
    expect(push_own(&s, "Authorization: Bearer sixteen or more", "event=NOTIFY_END"), 403,
           "BAD_SIGNATURE");
    expect(push_own(&s, "X-Other: 1", "event=NOTIFY_END"), 403, "BAD_SIGNATURE");
    log = whole_log();
    assert_int_equal(count(log, "\"event_id\":\"sha256:"), 2);
    free(log);
}

/* Many at once, the same again and again: each is one event. */
static source shared;

static void *
pusher(void *unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < EVENTS; i++) {
            char           id[32];
            tests_response r;

            (void)snprintf(id, sizeof(id), "call-%d", i);
            r = push_event(&shared, shared.secret, id);
            if (r.status != 202)
                (void)fprintf(stderr, "%ld for %s\n", r.status, id);
            json_decref(r.json);
            if (r.status != 202)
                return (void *)1;
        }
    return NULL;
}

static void
test_once_whoever_pushes(void **state)
{
    pthread_t      threads[PUSHERS];
    char          *log;
    char           path[200];
    tests_response r;

    (void)state;
    shared = register_source("shared", "CLOUDEVENTS", "STANDARD_WEBHOOKS", NULL);
    for (int i = 0; i < PUSHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pusher, NULL), 0);
    for (int i = 0; i < PUSHERS; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    log = whole_log();
    for (int i = 0; i < EVENTS; i++) {
        char word[48];

        (void)snprintf(word, sizeof(word), "\"event_id\":\"call-%d\"", i);
        assert_int_equal(count(log, word), 1);
    }
    assert_null(strstr(log, PHONE));             /* what came is encrypted there, */
    assert_null(strstr(log, shared.secret + 6)); /* and so are secrets */
    assert_non_null(strstr(log, "enc:1:"));
    free(log);
    /* and may be looked up */
    (void)snprintf(path, sizeof(path), "/api/v1/ingest/events?source_id=%s&event_id=call-7",
                   shared.id);
    for (int i = 0; i < 400; i++) {
        r = tests_shina_get(shina, admin, path);
        if (json_array_size(json_object_get(r.json, "items")) == 1)
            break;
        json_decref(r.json);
        (void)nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    assert_string_equal(text_of(json_array_get(json_object_get(r.json, "items"), 0), "data"),
                        "{\"phone\":\"" PHONE "\"}");
    json_decref(r.json);
    r = tests_shina_get(shina, dispatcher, path);
    expect(r, 403, "FORBIDDEN");
}

/* Of any length that is taken, and what is too long is refused: neither may harm the edge. */
static void
test_lengths(void **state)
{
    enum { LONG = 200000 };
    source s = register_source("lengths", "CLOUDEVENTS", "STANDARD_WEBHOOKS", NULL);
    char  *body = malloc(LONG + 200), *fill = malloc(LONG + 1), *log;
    push   p = {.type = "application/cloudevents+json", .body = body, .id = "lengths"};

    (void)state;
    assert_non_null(body);
    assert_non_null(fill);
    memset(fill, 'x', LONG);
    fill[LONG] = '\0';
    for (int bytes = 3000; bytes <= 60000; bytes += 3000) {
        (void)snprintf(
            body, LONG + 200,
            "{\"specversion\":\"1.0\",\"id\":\"len-%d\",\"source\":\"/s\",\"type\":\"t\","
            "\"data\":{\"x\":\"%.*s\"}}",
            bytes, bytes, fill);
        expect(push_signed(&s, s.secret, &p), 202, "");
    }
    (void)snprintf(body, LONG + 200,
                   "{\"specversion\":\"1.0\",\"id\":\"%.5000s\",\"source\":\"/s\",\"type\":\"t\"}",
                   fill);
    expect(push_signed(&s, s.secret, &p), 422, "INVALID");
    log = whole_log();
    assert_int_equal(count(log, "\"event_id\":\"len-"), 20);
    free(log);
    free(fill);
    free(body);
}

static void
test_batches(void **state)
{
    source     s = register_source("batches", "CLOUDEVENTS", "STANDARD_WEBHOOKS", NULL);
    const push twins = {
        .type = "application/cloudevents-batch+json",
        .id = "batch",
        .body = "[{\"specversion\":\"1.0\",\"id\":\"b-1\",\"source\":\"/s\",\"type\":\"t\"},"
                "{\"specversion\":\"1.0\",\"id\":\"b-1\",\"source\":\"/s\",\"type\":\"t\"},"
                "{\"specversion\":\"1.0\",\"id\":\"b-1\",\"source\":\"/other\",\"type\":\"t\"}]"};
    const push half = {
        .type = "application/cloudevents-batch+json",
        .id = "half",
        .body = "[{\"specversion\":\"1.0\",\"id\":\"h-1\",\"source\":\"/s\",\"type\":\"t\"},"
                "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"}]"};
    const push binary = {
        .type = "application/json",
        .id = "binary",
        .body = "{\"n\":1}",
        .extra = {"ce-specversion: 1.0", "ce-id: bin-1", "ce-source: /s", "ce-type: t", NULL}};
    const push empty = {.type = "application/cloudevents-batch+json", .id = "empty", .body = "[]"};
    char      *log;
    tests_response r;

    (void)state;
    r = push_signed(&s, s.secret, &twins);
    assert_int_equal(r.status, 202);
    assert_int_equal(json_array_size(json_object_get(r.json, "events")), 3);
    json_decref(r.json);
    r = push_signed(&s, s.secret, &half);
    assert_string_equal(text_of(json_array_get(json_object_get(r.json, "errors"), 0), "pointer"),
                        "/1/id");
    expect(r, 422, "INVALID");
    expect(push_signed(&s, s.secret, &binary), 202, "");
    expect(push_signed(&s, s.secret, &empty), 202, "");
    log = whole_log();
    assert_int_equal(count(log, "\"event_id\":\"b-1\""), 2);
    assert_int_equal(count(log, "\"event_id\":\"h-1\""), 0); /* all or nothing of it is right */
    assert_int_equal(count(log, "\"event_id\":\"bin-1\""), 1);
    free(log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_secret_is_told_once),
        cmocka_unit_test(test_signed_or_refused),
        cmocka_unit_test(test_secrets_change),
        cmocka_unit_test(test_own_form),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_once_whoever_pushes),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
