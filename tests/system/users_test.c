/* users_test.c - users against a whole shina: the first ADMIN, invitations, log-in, refresh, what
 * is taken away within a second, and no password, code or token in the log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <liboath/oath.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define PASSWORD "kr7-wolke-zimt"
#define NEW_PASSWORD "regen.lampe.9qx"
#define WITHIN_MS 1000

static tests_shina *shina;
static char         anna[64]; /* the first ADMIN's id */

typedef struct {
    char access[2048], refresh[200], session[64];
} tokens;

static tokens admin;

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int64_t
now_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
pause_ms(int ms)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* --- requests ----------------------------------------------------------------------- */

static tests_response post(const char *token, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static tests_response
post(const char *token, const char *path, const char *format, ...)
{
    char    body[2000];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(body, sizeof(body), format, args);
    va_end(args);
    return tests_shina_post(shina, token, path, body);
}

static void
expect(tests_response r, long status, const char *code)
{
    if (r.status != status || strcmp(text_of(r.json, "code"), code) != 0)
        fail_msg("%ld %s (%s), not %ld %s", r.status, text_of(r.json, "code"),
                 text_of(r.json, "detail"), status, code);
    json_decref(r.json);
}

static long
status_of(tests_response r)
{
    json_decref(r.json);
    return r.status;
}

static void
expect_done(tests_response r)
{
    expect(r, r.status == 201 ? 201 : 200, "");
}

static tests_response
try_log_in(const char *tenant, const char *email, const char *password)
{
    return post(NULL, "/api/v1/auth/login",
                "{'tenant':'%s','email':'%s','password':'%s','device':'a test'}", tenant, email,
                password);
}

static tokens
tokens_of(tests_response r)
{
    tokens out;

    assert_int_equal(r.status, 200);
    (void)snprintf(out.access, sizeof(out.access), "%s", text_of(r.json, "access_token"));
    (void)snprintf(out.refresh, sizeof(out.refresh), "%s", text_of(r.json, "refresh_token"));
    (void)snprintf(out.session, sizeof(out.session), "%s", text_of(r.json, "session_id"));
    assert_int_equal(strlen(out.refresh), 150);
    json_decref(r.json);
    return out;
}

/* The view may be a moment behind: then it is asked again. */
static tokens
log_in(const char *email, const char *password)
{
    tests_response r;

    for (int i = 0; i < 100; i++) {
        r = try_log_in(TENANT, email, password);
        if (r.status == 200)
            return tokens_of(r);
        json_decref(r.json);
        pause_ms(20);
    }
    fail_msg("%s cannot log in: %ld", email, r.status);
    return (tokens){.access = ""};
}

static tests_response
refresh(const char *token)
{
    return post(NULL, "/api/v1/auth/refresh", "{'refresh_token':'%s'}", token);
}

/* Waits until the token is answered so, and fails if that takes a second. */
static void
expect_soon(const char *token, long status)
{
    int64_t began = now_ms();
    long    got;

    do {
        tests_response r = tests_shina_get(shina, token, "/api/v1/auth/sessions");

        got = r.status;
        json_decref(r.json);
    } while (got != status && now_ms() - began < WITHIN_MS);
    assert_int_equal(got, status);
}

typedef struct {
    char id[64], code[128];
} invited;

static invited
invite(const char *email, const char *more)
{
    tests_response r = post(admin.access, "/api/v1/users",
                            "{'email':'%s','full_name':'Иванов Иван'%s}", email, more);
    invited        out;

    assert_int_equal(r.status, 201);
    (void)snprintf(out.id, sizeof(out.id), "%s", text_of(r.json, "id"));
    (void)snprintf(out.code, sizeof(out.code), "%s", text_of(r.json, "secret"));
    json_decref(r.json);
    return out;
}

static tests_response
set_password(const invited *who, const char *code, const char *password)
{
    return post(NULL, "/api/v1/auth/set-password",
                "{'tenant':'" TENANT "','user_id':'%s','code':'%s','password':'%s'}", who->id, code,
                password);
}

static invited
a_user(const char *email, const char *more)
{
    invited who = invite(email, more);

    expect_done(set_password(&who, who.code, PASSWORD));
    return who;
}

static tests_response
of_user(const invited *who, const char *command, const char *body)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "/api/v1/users/%s/%s", who->id, command);
    return post(admin.access, path, "%s", body);
}

/* --- the first ADMIN -------------------------------------------------------------------- */

/* The verb, with a line on its standard input. */
static char *
create_admin(const char *email, const char *password, int *exit_code)
{
    const char *args[] = {"admin",  "create",       "--tenant",      TENANT,       "--email", email,
                          "--name", "Анна Петрова", "--tenant-name", "Перевозчик", NULL};
    FILE       *line = tmpfile();
    int         before = dup(STDIN_FILENO);
    char       *out;

    assert_non_null(line);
    assert_true(before >= 0 && fprintf(line, "%s\n", password) > 0);
    rewind(line);
    assert_int_equal(dup2(fileno(line), STDIN_FILENO), STDIN_FILENO);
    out = tests_shina_verb(shina, args, exit_code);
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    (void)close(before);
    (void)fclose(line);
    return out;
}

static int
start(void **state)
{
    int   exit_code;
    char *id;

    (void)state;
    assert_int_equal(setenv("SHINA_BCRYPT_COST", "10", 1), 0);
    assert_int_equal(setenv("SHINA_LOGIN_RATE", "50", 1), 0); /* more than who waits can ask */
    shina = tests_shina_start();
    id = create_admin("Anna@Example.com", PASSWORD, &exit_code);
    assert_int_equal(exit_code, 0);
    (void)snprintf(anna, sizeof(anna), "%s", id);
    assert_int_equal(strlen(anna), 36);
    free(id);
    admin = log_in("anna@example.com", PASSWORD);
    return 0;
}

static size_t
drop_bytes(char *bytes, size_t size, size_t count, void *to)
{
    (void)bytes;
    (void)to;
    return size * count;
}

/* Somebody logs in, whatever comes of it. */
static void *
try_at(void *url)
{
    CURL              *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

    (void)curl_easy_setopt(curl, CURLOPT_URL, (const char *)url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                           "{\"tenant\":\"" TENANT "\",\"email\":\"rita@example.com\","
                           "\"password\":\"" PASSWORD "\"}");
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_bytes);
    (void)curl_easy_perform(curl);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return NULL;
}

#define LATE_ONES 12

/* It stops cleanly while passwords are being looked at. */
static int
stop(void **state)
{
    char      url[300];
    pthread_t late[LATE_ONES];

    (void)state;
    (void)snprintf(url, sizeof(url), "%s/api/v1/auth/login", tests_shina_url(shina));
    for (int i = 0; i < LATE_ONES; i++)
        assert_int_equal(pthread_create(&late[i], NULL, try_at, url), 0);
    pause_ms(60);
    tests_shina_stop(shina);
    for (int i = 0; i < LATE_ONES; i++)
        assert_int_equal(pthread_join(late[i], NULL), 0);
    return 0;
}

/* A command for the first ADMIN himself. */
static const char *
own(const char *command)
{
    static char path[200];

    (void)snprintf(path, sizeof(path), "/api/v1/users/%s/%s", anna, command);
    return path;
}

static void
test_the_first_admin(void **state)
{
    int            exit_code;
    char          *said = create_admin("boris@example.com", "1234567890", &exit_code);
    tests_response r = tests_shina_get(shina, admin.access, "/api/v1/tenants/" TENANT);

    (void)state;
    assert_int_equal(exit_code, 1); /* too common, and nobody was invited */
    free(said);
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(r.json, "name"), "Перевозчик");
    assert_string_equal(text_of(r.json, "status"), "TRIAL");
    json_decref(r.json);
    expect(post(admin.access, "/api/v1/tenants/" TENANT "/remove-admin",
                "{'user_id':'%s','role':'VIEWER'}", anna),
           403, "USER_OWN_ROLE");
    expect(post(admin.access, own("reset-password"), "{}"), 403, "USER_PROOF_NEEDED");
    expect(post(admin.access, own("disable-totp"), "{}"), 403, "USER_PROOF_NEEDED");
}

/* --- who is let in ------------------------------------------------------------------------ */

/* The same answer, but for its trace. */
static void
test_nobody_learns_who_is_there(void **state)
{
    tests_response wrong = try_log_in(TENANT, "anna@example.com", "not this one");
    tests_response unknown = try_log_in(TENANT, "nobody@example.com", "not this one");
    tests_response elsewhere = try_log_in(OTHER_TENANT, "anna@example.com", PASSWORD);

    (void)state;
    assert_int_equal(wrong.status, 401);
    assert_int_equal(unknown.status, 401);
    assert_int_equal(elsewhere.status, 401);
    assert_int_equal(json_object_del(wrong.json, "trace_id"), 0);
    assert_int_equal(json_object_del(unknown.json, "trace_id"), 0);
    assert_int_equal(json_object_del(elsewhere.json, "trace_id"), 0);
    assert_true(json_equal(wrong.json, unknown.json));
    assert_true(json_equal(wrong.json, elsewhere.json));
    json_decref(wrong.json);
    json_decref(unknown.json);
    json_decref(elsewhere.json);
}

#define TRIES 9 /* less than lock */

static int64_t
took_us(const char *email)
{
    struct timespec from, to;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &from), 0);
    expect(try_log_in(TENANT, email, "not this one"), 401, "AUTH_FAILED");
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &to), 0);
    return (int64_t)(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

/* Nor by the time: the hash is made where there is none, and nobody waits for the count. A hash
 * takes 50 ms and more; without it the answer would be there in one or two. */
static void
test_nor_by_the_time(void **state)
{
    invited who = a_user("timed@example.com", ",'role':'VIEWER'");
    int64_t known = INT64_MAX, unknown = INT64_MAX;

    (void)state;
    (void)log_in("timed@example.com", PASSWORD);
    for (int i = 0; i < TRIES; i++) {
        int64_t there = took_us("timed@example.com"), not_there = took_us("not-there@example.com");

        known = there < known ? there : known;
        unknown = not_there < unknown ? not_there : unknown;
    }
    assert_in_range(unknown, known * 6 / 10, known * 16 / 10);
    expect_done(of_user(&who, "disable", "{'reason':'done'}"));
}

static void
test_an_invitation_is_accepted_once(void **state)
{
    invited        who = invite("dora@example.com", ",'role':'DISPATCHER'");
    tests_response r = set_password(&who, who.code, "password1234");

    (void)state;
    assert_int_equal(r.status, 422);
    assert_string_equal(text_of(json_array_get(json_object_get(r.json, "errors"), 0), "pointer"),
                        "/password");
    json_decref(r.json);
    r = set_password(&who, who.code, "short");
    assert_int_equal(r.status, 422);
    json_decref(r.json);
    expect(try_log_in(TENANT, "dora@example.com", PASSWORD), 401, "AUTH_FAILED");
    expect(set_password(&who, "another-code-than-that-one", PASSWORD), 403, "USER_CODE_WRONG");
    expect_done(set_password(&who, who.code, PASSWORD));
    expect(set_password(&who, who.code, NEW_PASSWORD), 403, "USER_CODE_WRONG");
    who.id[0] = who.id[0] == '1' ? '2' : '1'; /* who is nobody is told the same */
    expect(set_password(&who, who.code, NEW_PASSWORD), 403, "USER_CODE_WRONG");
}

/* Nobody chooses a code: what a person thinks of is guessed from its hash. Nor is that told. */
static void
test_codes_are_made_here(void **state)
{
    invited who = invite("code@example.com", ",'role':'VIEWER'");

    (void)state;
    expect(post(admin.access, "/api/v1/users",
                "{'email':'weak@example.com','full_name':'Имя','role':'VIEWER',"
                "'code':'1111111111111111'}"),
           422, "INVALID");
    expect(of_user(&who, "reinvite", "{'code':'1111111111111111'}"), 422, "INVALID");
    expect_done(of_user(&who, "reinvite", "{}"));
}

static void
test_roles_are_those_of_the_user(void **state)
{
    static const char driver[] = "33333333-3333-4333-8333-333333333333";
    char              more[100];
    tokens            t;
    tests_response    r;

    (void)state;
    (void)snprintf(more, sizeof(more), ",'role':'DRIVER','driver_id':'%s'", driver);
    (void)a_user("driver@example.com", more);
    t = log_in("driver@example.com", PASSWORD);
    expect(post(t.access, "/api/v1/users",
                "{'email':'x@example.com','full_name':'Имя',"
                "'role':'ADMIN'}"),
           403, "FORBIDDEN");
    r = tests_shina_get(shina, t.access, "/api/v1/users"); /* his own row */
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 1);
    assert_string_equal(text_of(json_array_get(json_object_get(r.json, "items"), 0), "driver_id"),
                        driver);
    json_decref(r.json);
}

/* --- refresh --------------------------------------------------------------------------------- */

static void
test_a_used_refresh_token_ends_the_session(void **state)
{
    tokens first, second, other;

    (void)state;
    (void)a_user("eva@example.com", ",'role':'VIEWER'");
    first = log_in("eva@example.com", PASSWORD);
    other = log_in("eva@example.com", PASSWORD);
    second = tokens_of(refresh(first.refresh));
    assert_string_equal(second.session, first.session);
    assert_string_not_equal(second.refresh, first.refresh);
    expect_soon(second.access, 200);
    expect_soon(first.access, 200);
    expect(refresh(first.refresh), 401, "AUTH_FAILED"); /* a thief, or his victim */
    expect(refresh(second.refresh), 401, "AUTH_FAILED");
    expect_soon(second.access, 401);
    expect_soon(first.access, 401);
    expect_soon(other.access, 200); /* of another family */
    (void)tokens_of(refresh(other.refresh));
}

static void
test_what_is_no_refresh_token(void **state)
{
    tokens t;

    (void)state;
    (void)a_user("gleb@example.com", ",'role':'VIEWER'");
    t = log_in("gleb@example.com", PASSWORD);
    expect(refresh("AAAA"), 401, "AUTH_FAILED");
    expect(post(NULL, "/api/v1/auth/refresh", "{}"), 401, "AUTH_FAILED");
    t.refresh[80] = t.refresh[80] == 'A' ? 'B' : 'A'; /* of the family's secret: a guess */
    expect(refresh(t.refresh), 401, "AUTH_FAILED");
    expect_soon(t.access, 200);
}

typedef struct {
    char cookie[600], body[4000];
    long status;
} browsed;

static size_t
take_header(char *bytes, size_t size, size_t count, void *to)
{
    browsed *b = to;

    if (size * count > 12 && strncasecmp(bytes, "Set-Cookie: ", 12) == 0)
        (void)snprintf(b->cookie, sizeof(b->cookie), "%.*s", (int)(size * count - 14), bytes + 12);
    return size * count;
}

static size_t
take_bytes(char *bytes, size_t size, size_t count, void *to)
{
    browsed *b = to;
    size_t   used = strlen(b->body);

    (void)snprintf(b->body + used, sizeof(b->body) - used, "%.*s", (int)(size * count), bytes);
    return size * count;
}

/* As a browser asks: with its cookie, whose value is what a script cannot see. */
static browsed
browse(const char *path, const char *body, const char *cookie)
{
    CURL              *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char               url[300];
    browsed            b = {.status = 0};

    (void)snprintf(url, sizeof(url), "%s%s", tests_shina_url(shina), path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &b);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
    if (cookie != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_COOKIE, cookie);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &b.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return b;
}

static void
test_browsers_keep_it_in_a_cookie(void **state)
{
    static const char attributes[] =
        "; Path=/api/v1/auth; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict";
    browsed b, again;
    char    value[300];

    (void)state;
    (void)a_user("fedor@example.com", ",'role':'VIEWER'");
    (void)log_in("fedor@example.com", PASSWORD);
    b = browse("/api/v1/auth/login",
               "{\"tenant\":\"" TENANT "\",\"email\":\"fedor@example.com\",\"password\":\"" PASSWORD
               "\",\"cookie\":true}",
               NULL);
    assert_int_equal(b.status, 200);
    assert_null(strstr(b.body, "refresh_token"));
    assert_memory_equal(b.cookie, "shina_refresh=", 14);
    assert_string_equal(strchr(b.cookie, ';'), attributes);
    (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(b.cookie, ";"), b.cookie);
    again = browse("/api/v1/auth/refresh", "{}", value);
    assert_int_equal(again.status, 200);
    assert_null(strstr(again.body, "refresh_token"));
    assert_string_equal(strchr(again.cookie, ';'), attributes);
    assert_string_not_equal(again.cookie, b.cookie);
    assert_int_equal(browse("/api/v1/auth/refresh", "{}", value).status, 401);
}

/* --- what is taken away ------------------------------------------------------------------------
 */

static void
test_log_out(void **state)
{
    tokens         here, there;
    tests_response r;

    (void)state;
    (void)a_user("hanna@example.com", ",'role':'VIEWER'");
    here = log_in("hanna@example.com", PASSWORD);
    there = log_in("hanna@example.com", PASSWORD);
    expect_soon(here.access, 200);
    pause_ms(300);
    r = tests_shina_get(shina, here.access, "/api/v1/auth/sessions");
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 2);
    json_decref(r.json);
    r = post(here.access, "/api/v1/auth/logout", "{}");
    assert_int_equal(r.status, 204);
    json_decref(r.json);
    expect_soon(here.access, 401);
    expect(refresh(here.refresh), 401, "AUTH_FAILED");
    expect_soon(there.access, 200);
}

static void
test_a_session_is_revoked(void **state)
{
    tokens ida, karl;
    char   path[200];

    (void)state;
    (void)a_user("ida@example.com", ",'role':'VIEWER'");
    (void)a_user("karl@example.com", ",'role':'DISPATCHER'");
    ida = log_in("ida@example.com", PASSWORD);
    karl = log_in("karl@example.com", PASSWORD);
    expect_soon(ida.access, 200);
    (void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/revoke", ida.session);
    expect(post(karl.access, path, "{}"), 403, "SESSION_NOT_YOURS");
    expect_done(post(ida.access, path, "{}"));
    expect_soon(ida.access, 401);
    (void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/revoke", karl.session);
    expect_done(post(admin.access, path, "{}"));
    expect_soon(karl.access, 401);
}

static void
test_disabled_within_a_second(void **state)
{
    invited who = a_user("lena@example.com", ",'role':'VIEWER'");
    tokens  t = log_in("lena@example.com", PASSWORD);
    long    status;

    (void)state;
    expect_soon(t.access, 200);
    expect_done(of_user(&who, "disable", "{'reason':'left'}"));
    status = status_of(refresh(t.refresh)); /* at once: however far behind the view is */
    assert_true(status == 401 || status == 503);
    expect_soon(t.access, 401);
    expect(refresh(t.refresh), 401, "AUTH_FAILED");
    expect(try_log_in(TENANT, "lena@example.com", PASSWORD), 401, "AUTH_FAILED");
    expect_done(of_user(&who, "enable", "{}"));
    expect_soon(t.access, 401); /* its generation is over */
    (void)log_in("lena@example.com", PASSWORD);
}

/* A feed that is open; how long it was, in milliseconds. */
static void *
follow(void *token)
{
    CURL              *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
    char               url[300], line[2200];
    browsed            b = {.status = 0};
    int64_t           *took = malloc(sizeof(*took)), began = now_ms();

    assert_non_null(took);
    (void)snprintf(url, sizeof(url), "%s/api/v1/events/users", tests_shina_url(shina));
    (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", (const char *)token);
    headers = curl_slist_append(headers, line);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
    (void)curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &b.status);
    *took = b.status == 200 ? now_ms() - began : -1;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return took;
}

/* Who drives no more is no user either: P12 of the domain model. */
static void
test_a_dismissed_driver_is_out(void **state)
{
    tests_response r = post(admin.access, "/api/v1/drivers",
                            "{'full_name':'Ушедший Пётр','phone_e164':'+79160001234'}");
    char           driver[64], more[200], path[200], body[300], status[32] = "";
    char          *stranger = tests_shina_token(shina, OTHER_TENANT, "ADMIN", NULL);
    invited        who;
    tokens         t;

    (void)state;
    assert_int_equal(r.status, 201);
    (void)snprintf(driver, sizeof(driver), "%s", text_of(r.json, "id"));
    json_decref(r.json);
    /* Another tenant says that the driver is his: it changes nothing here. */
    (void)snprintf(body, sizeof(body),
                   "{'email':'thief@example.com','full_name':'A Thief','role':'DRIVER',"
                   "'driver_id':'%s'}",
                   driver);
    r = post(stranger, "/api/v1/users", "%s", body);
    assert_int_equal(r.status, 201);
    json_decref(r.json);
    free(stranger);
    (void)snprintf(more, sizeof(more), ",'role':'DRIVER','driver_id':'%s'", driver);
    who = a_user("gone@example.com", more);
    t = log_in("gone@example.com", PASSWORD);
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s/dismiss", driver);
    expect_done(post(admin.access, path, "{'reason':'he has left'}"));
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s", who.id);
    for (int i = 0; i < 500 && strcmp(status, "DISABLED") != 0; i++) {
        r = tests_shina_get(shina, admin.access, path);
        (void)snprintf(status, sizeof(status), "%s", text_of(r.json, "status"));
        json_decref(r.json);
        pause_ms(20);
    }
    assert_string_equal(status, "DISABLED");
    expect_soon(t.access, 401);
    expect(refresh(t.refresh), 401, "AUTH_FAILED");
    expect(try_log_in(TENANT, "gone@example.com", PASSWORD), 401, "AUTH_FAILED");
    /* Forgotten, he is so as a user, too. */
    (void)snprintf(more, sizeof(more), "/api/v1/drivers/%s/forget", driver);
    expect_done(post(admin.access, more, "{}"));
    for (int i = 0; i < 500 && status[0] != '\0'; i++) {
        r = tests_shina_get(shina, admin.access, path);
        (void)snprintf(status, sizeof(status), "%s", text_of(r.json, "email"));
        assert_string_equal(text_of(r.json, "status"), "DISABLED");
        json_decref(r.json);
        pause_ms(20);
    }
    assert_string_equal(status, "");
    (void)invite("gone@example.com", ",'role':'VIEWER'"); /* his e-mail is free */
}

static void
test_a_feed_ends_with_its_session(void **state)
{
    tokens         t = log_in("anna@example.com", PASSWORD);
    pthread_t      reader;
    void          *took = NULL;
    tests_response r;

    (void)state;
    expect_soon(t.access, 200);
    assert_int_equal(pthread_create(&reader, NULL, follow, t.access), 0);
    pause_ms(900);
    pause_ms(900); /* it goes on as long as it may */
    r = post(t.access, "/api/v1/auth/logout", "{}");
    assert_int_equal(r.status, 204);
    json_decref(r.json);
    assert_int_equal(pthread_join(reader, &took), 0);
    assert_in_range(*(int64_t *)took, 1700, 1800 + 2500);
    free(took);
}

static void
test_another_role_asks_for_another_log_in(void **state)
{
    invited        who = a_user("mark@example.com", ",'role':'VIEWER'");
    tokens         t = log_in("mark@example.com", PASSWORD);
    tests_response r;

    (void)state;
    expect_soon(t.access, 200);
    expect_done(of_user(&who, "role", "{'role':'DISPATCHER'}"));
    expect_soon(t.access, 401);
    t = log_in("mark@example.com", PASSWORD);
    r = tests_shina_get(shina, t.access, "/api/v1/users");
    assert_int_equal(r.status, 200);
    json_decref(r.json);
}

static void
test_a_password_is_changed(void **state)
{
    tokens t;

    (void)state;
    (void)a_user("nina@example.com", ",'role':'VIEWER'");
    t = log_in("nina@example.com", PASSWORD);
    expect(post(t.access, "/api/v1/auth/password",
                "{'password':'not this one','new_password':'" NEW_PASSWORD "'}"),
           401, "AUTH_FAILED");
    expect(post(t.access, "/api/v1/auth/password",
                "{'password':'" PASSWORD "','new_password':'qwertyuiop'}"),
           422, "INVALID");
    expect_done(post(t.access, "/api/v1/auth/password",
                     "{'password':'" PASSWORD "','new_password':'" NEW_PASSWORD "'}"));
    expect_soon(t.access, 401);
    (void)log_in("nina@example.com", NEW_PASSWORD);
    expect(try_log_in(TENANT, "nina@example.com", PASSWORD), 401, "AUTH_FAILED");
}

/* Another password is not made of the e-mail, be it the first, or one by which another is replaced.
 */
static void
test_no_password_is_the_e_mail(void **state)
{
    invited who = invite("zwirbelkranz@example.com", ",'role':'VIEWER'");
    long    status = 0;
    tokens  t;

    (void)state;
    for (int i = 0; i < 100 && status != 422; i++) { /* the view may be a moment behind */
        tests_response r = set_password(&who, "another-code-than-that-one", "zwirbelkranz7");

        status = r.status;
        json_decref(r.json);
        pause_ms(20);
    }
    assert_int_equal(status, 422);
    expect_done(set_password(&who, who.code, PASSWORD));
    t = log_in("zwirbelkranz@example.com", PASSWORD);
    expect(post(t.access, "/api/v1/auth/password",
                "{'password':'" PASSWORD "','new_password':'zwirbelkranz7'}"),
           422, "INVALID");
}

static void
test_a_password_is_reset(void **state)
{
    invited        who = a_user("olga@example.com", ",'role':'VIEWER'");
    tests_response r = of_user(&who, "reset-password", "{}");
    char           code[128];

    (void)state;
    assert_int_equal(r.status, 200);
    (void)snprintf(code, sizeof(code), "%s", text_of(r.json, "secret"));
    json_decref(r.json);
    expect_done(set_password(&who, code, NEW_PASSWORD));
    (void)log_in("olga@example.com", NEW_PASSWORD);
}

static void
test_ten_failures_lock(void **state)
{
    invited        who = a_user("pavel@example.com", ",'role':'VIEWER'");
    tokens         t = log_in("pavel@example.com", PASSWORD);
    char           path[200];
    tests_response r;
    bool           locked = false;

    (void)state;
    for (int i = 0; i < 10; i++)
        expect(try_log_in(TENANT, "pavel@example.com", "not this one"), 401, "AUTH_FAILED");
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s", who.id);
    for (int i = 0; i < 100 && !locked; i++) {
        r = tests_shina_get(shina, admin.access, path);
        locked = strcmp(text_of(r.json, "status"), "LOCKED") == 0;
        json_decref(r.json);
        pause_ms(20);
    }
    assert_true(locked);
    expect(try_log_in(TENANT, "pavel@example.com", PASSWORD), 401, "AUTH_FAILED");
    expect_soon(t.access, 200); /* who guesses throws nobody out */
    expect_done(of_user(&who, "unlock", "{}"));
    (void)log_in("pavel@example.com", PASSWORD);
    (void)snprintf(path, sizeof(path), "/api/v1/access-log?user_id=%s&limit=50", who.id);
    r = tests_shina_get(shina, admin.access, path);
    assert_int_equal(r.status, 200);
    assert_true(json_array_size(json_object_get(r.json, "items")) >= 11);
    json_decref(r.json);
}

static void
test_the_last_admin_stays(void **state)
{
    invited who = a_user("rita@example.com", ",'role':'ADMIN'");
    tokens  rita = log_in("rita@example.com", PASSWORD);
    long    status = 0;

    (void)state;
    expect(of_user(&who, "disable", "{'reason':'left'}"), 409, "USER_IS_ADMIN");
    for (int i = 0; i < 100 && status != 200; i++) { /* her seat comes a moment later */
        tests_response r = post(rita.access, "/api/v1/tenants/" TENANT "/remove-admin",
                                "{'user_id':'%s','role':'DISPATCHER'}", anna);

        status = r.status;
        json_decref(r.json);
        pause_ms(20);
    }
    assert_int_equal(status, 200);
    expect_soon(admin.access, 401);
    admin = rita;
    expect(post(rita.access, "/api/v1/tenants/" TENANT "/remove-admin",
                "{'user_id':'%s','role':'VIEWER'}", who.id),
           403, "USER_OWN_ROLE");
}

static char *
operator_token(void)
{
    const char *args[] = {"token", "--tenant", TENANT,           "--role",
                          "ADMIN", "--grant",  "tenants.manage", NULL};

    return tests_shina_verb(shina, args, NULL);
}

/* Of no session, either, and may not make the tenant active. */
static char *
service_token(void)
{
    const char *args[] = {"token", "--tenant", TENANT, "--role", "ADMIN", NULL};

    return tests_shina_verb(shina, args, NULL);
}

/* Waits until commands of that token are answered so, by all edges; 422: it may write. */
static void
expect_writes_soon(const char *token, long status)
{
    int in_a_row = 0;

    for (int64_t began = now_ms(); in_a_row < 4 && now_ms() - began < 2 * WITHIN_MS;) {
        tests_response r = post(token, "/api/v1/users", "{'email':'no'}");

        in_a_row = r.status == status ? in_a_row + 1 : 0;
        json_decref(r.json);
    }
    assert_int_equal(in_a_row, 4);
}

typedef struct {
    char address[200], secret[100];
} source;

static source
a_source(void)
{
    source         s;
    tests_response r = post(admin.access, "/api/v1/ingest/sources",
                            "{'name':'shop','kind':'CLOUDEVENTS','scheme':'BEARER'}");

    assert_int_equal(r.status, 201);
    (void)snprintf(s.address, sizeof(s.address), "/api/v1/ingest/" TENANT ".%s",
                   text_of(r.json, "id"));
    (void)snprintf(s.secret, sizeof(s.secret), "%s", text_of(r.json, "secret"));
    json_decref(r.json);
    return s;
}

/* Waits until what is pushed is answered so: the view of sources may be behind. */
static void
expect_push_soon(const source *s, long status)
{
    char           line[200];
    const char    *headers[] = {line, "Content-Type: application/cloudevents+json", NULL};
    int64_t        began = now_ms();
    tests_response r = {.status = 0};

    (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", s->secret);
    while (r.status != status && now_ms() - began < 5 * WITHIN_MS) {
        r = tests_shina_ask(shina,
                            &(tests_request){.method = "POST",
                                             .path = s->address,
                                             .body = "{\"specversion\":\"1.0\",\"id\":\"1\","
                                                     "\"source\":\"/shop\",\"type\":\"shop.sold\","
                                                     "\"data\":{}}",
                                             .headers = headers,
                                             .raw_content_type = true});
        json_decref(r.json);
        pause_ms(20);
    }
    assert_int_equal(r.status, status);
}

static void
test_a_suspended_tenant_reads(void **state)
{
    char  *operator_is = operator_token(), *service = service_token();
    source shop = a_source();
    long   status = 0;
    int    rights = 0;

    (void)state;
    expect(post(admin.access, "/api/v1/tenants/" TENANT "/suspend", "{'reason':'unpaid'}"), 403,
           "TENANT_BY_OPERATOR");
    expect_writes_soon(service, 422);
    expect_push_soon(&shop, 202);
    expect_done(post(operator_is, "/api/v1/tenants/" TENANT "/suspend", "{'reason':'unpaid'}"));
    for (int64_t began = now_ms(); status != 403 && now_ms() - began < WITHIN_MS;) {
        tests_response r = post(admin.access, "/api/v1/users", "{'email':'no'}");

        status = r.status; /* 422 until then */
        json_decref(r.json);
    }
    assert_int_equal(status, 403);
    expect_soon(admin.access, 200);
    expect_writes_soon(service, 403);
    expect_soon(service, 200);
    expect_push_soon(&shop, 403);
    admin = tokens_of(refresh(admin.refresh));
    expect_done(post(operator_is, "/api/v1/tenants/" TENANT "/activate", "{}"));
    for (int64_t began = now_ms(); rights < 4 && now_ms() - began < 2 * WITHIN_MS;) {
        tests_response r = post(admin.access, "/api/v1/users", "{'email':'no'}");

        rights = r.status == 422 ? rights + 1 : 0; /* in a row: of all edges */
        json_decref(r.json);
    }
    assert_int_equal(rights, 4);
    expect_writes_soon(service, 422);
    expect_push_soon(&shop, 202);
    free(operator_is);
    free(service);
}

/* --- Telegram ------------------------------ */

static void
test_telegram_is_linked_by_a_code(void **state)
{
    const char    *args[] = {"token",  "--tenant", TENANT,          "--role",
                             "VIEWER", "--grant",  "telegram.link", NULL};
    char          *bot = tests_shina_verb(shina, args, NULL);
    invited        who = a_user("sasha@example.com", ",'role':'DISPATCHER'");
    tokens         t = log_in("sasha@example.com", PASSWORD);
    char           path[200], code[128];
    tests_response r;

    (void)state;
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s/telegram-code", who.id);
    r = post(t.access, path, "{}");
    assert_int_equal(r.status, 200);
    (void)snprintf(code, sizeof(code), "%s", text_of(r.json, "secret"));
    json_decref(r.json);
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s/telegram", who.id);
    expect(post(admin.access, path, "{'code':'%s','telegram_id':'42'}", code), 403, "USER_BY_BOT");
    expect_done(post(bot, path, "{'code':'%s','telegram_id':'42'}", code));
    expect(post(bot, path, "{'code':'%s','telegram_id':'43'}", code), 403, "USER_CODE_WRONG");
    free(bot);
}

/* --- one-time passwords ------------------------------ */

/* What an authenticator program shows, a number of steps from now. */
static void
show_totp(const char *secret, int steps, char out[7])
{
    char  *bytes = NULL;
    size_t len = 0;

    assert_int_equal(oath_base32_decode(secret, strlen(secret), &bytes, &len), OATH_OK);
    assert_int_equal(oath_totp_generate(bytes, len, time(NULL) + (time_t)steps * 30, 30, 0, 6, out),
                     OATH_OK);
    free(bytes);
}

static tests_response
log_in_with(const char *email, const char *totp)
{
    return post(NULL, "/api/v1/auth/login",
                "{'tenant':'" TENANT "','email':'%s','password':'" PASSWORD "','totp':'%s'}", email,
                totp);
}

/* Until the view knows: an answer of that code. */
static void
expect_log_in_soon(const char *email, const char *code)
{
    char got[64] = "none";

    for (int i = 0; i < 100 && strcmp(got, code) != 0; i++) {
        tests_response r = try_log_in(TENANT, email, PASSWORD);

        (void)snprintf(got, sizeof(got), "%s", text_of(r.json, "code"));
        json_decref(r.json);
        pause_ms(20);
    }
    assert_string_equal(got, code);
}

static tests_response
confirm(const char *token, const char *totp)
{
    tests_response r = {.status = 503};

    for (int i = 0; i < 100 && r.status == 503; i++) { /* the view may be behind */
        r = post(token, "/api/v1/auth/totp/confirm", "{'totp':'%s'}", totp);
        if (r.status == 503)
            json_decref(r.json);
        pause_ms(20);
    }
    return r;
}

static void
test_one_time_passwords(void **state)
{
    invited        who = a_user("ulla@example.com", ",'role':'VIEWER'");
    tokens         t = log_in("ulla@example.com", PASSWORD);
    char           secret[64], totp[7];
    tests_response r;

    (void)state;
    expect(post(t.access, "/api/v1/auth/totp", "{'password':'not this one'}"), 401, "AUTH_FAILED");
    r = post(t.access, "/api/v1/auth/totp", "{'password':'" PASSWORD "'}");
    assert_int_equal(r.status, 200);
    (void)snprintf(secret, sizeof(secret), "%s", text_of(r.json, "secret"));
    assert_int_equal(strlen(secret), 32);
    assert_non_null(strstr(text_of(r.json, "uri"), secret));
    json_decref(r.json);
    expect(confirm(t.access, "000000"), 401, "AUTH_FAILED");
    show_totp(secret, -1, totp); /* of the step before: the present one is for the log-in */
    expect_done(confirm(t.access, totp));
    expect_log_in_soon("ulla@example.com", "TOTP_NEEDED");
    expect(log_in_with("ulla@example.com", totp), 401, "AUTH_FAILED"); /* it was taken */
    show_totp(secret, 0, totp);
    t = tokens_of(log_in_with("ulla@example.com", totp));
    expect(log_in_with("ulla@example.com", totp), 401, "AUTH_FAILED");
    expect_soon(t.access, 200);
    expect(post(t.access, "/api/v1/auth/totp/disable", "{'password':'" PASSWORD "','totp':'%s'}",
                totp),
           403, "USER_TOTP_USED");
    expect_done(of_user(&who, "disable-totp", "{}")); /* a lost device */
    (void)log_in("ulla@example.com", PASSWORD);
}

/* --- bounds ------------------------------ */

/* Who asks too often is held off, and does not keep others from refreshing or leaving. */
static void
test_who_asks_too_often_is_held_off(void **state)
{
    invited who = a_user("vera@example.com", ",'role':'VIEWER'");
    tokens  t = log_in("vera@example.com", PASSWORD);
    long    status = 0;

    (void)state;
    for (int i = 0; i < 2000 && status != 429; i++) {
        tests_response r = set_password(&who, "another-code-than-that-one", "short");

        status = r.status; /* 422, after no hash: soon */
        if (status == 429)
            assert_string_equal(text_of(r.json, "code"), "RATE_LIMITED");
        json_decref(r.json);
    }
    assert_int_equal(status, 429);
    t = tokens_of(refresh(t.refresh));
    expect_soon(t.access, 200);
    pause_ms(200);
    expect(set_password(&who, "another-code-than-that-one", "short"), 422, "INVALID");
}

/* --- the log ------------------------------ */

static void
test_no_secret_is_in_the_log(void **state)
{
    const char *args[] = {"events", "users", "--clear", NULL};
    invited     who = invite("toma@example.com", ",'role':'VIEWER'");
    tokens      t;
    char       *log;

    (void)state;
    expect_done(set_password(&who, who.code, PASSWORD));
    t = log_in("toma@example.com", PASSWORD);
    log = tests_shina_verb(shina, args, NULL);
    assert_non_null(strstr(log, "users.invitation_accepted.v1"));
    assert_non_null(strstr(log, "toma@example.com")); /* in clear, as asked for */
    assert_null(strstr(log, PASSWORD));
    assert_null(strstr(log, NEW_PASSWORD));
    assert_null(strstr(log, who.code));
    assert_null(strstr(log, "$2b$"));
    assert_null(strstr(log, t.access));
    assert_null(strstr(log, t.refresh + 64)); /* its secrets; before them are ids */
    free(log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_admin),
        cmocka_unit_test(test_nobody_learns_who_is_there),
        cmocka_unit_test(test_nor_by_the_time),
        cmocka_unit_test(test_an_invitation_is_accepted_once),
        cmocka_unit_test(test_codes_are_made_here),
        cmocka_unit_test(test_roles_are_those_of_the_user),
        cmocka_unit_test(test_a_used_refresh_token_ends_the_session),
        cmocka_unit_test(test_what_is_no_refresh_token),
        cmocka_unit_test(test_browsers_keep_it_in_a_cookie),
        cmocka_unit_test(test_log_out),
        cmocka_unit_test(test_a_session_is_revoked),
        cmocka_unit_test(test_disabled_within_a_second),
        cmocka_unit_test(test_a_dismissed_driver_is_out),
        cmocka_unit_test(test_a_feed_ends_with_its_session),
        cmocka_unit_test(test_another_role_asks_for_another_log_in),
        cmocka_unit_test(test_a_password_is_changed),
        cmocka_unit_test(test_no_password_is_the_e_mail),
        cmocka_unit_test(test_a_password_is_reset),
        cmocka_unit_test(test_ten_failures_lock),
        cmocka_unit_test(test_the_last_admin_stays),
        cmocka_unit_test(test_a_suspended_tenant_reads),
        cmocka_unit_test(test_telegram_is_linked_by_a_code),
        cmocka_unit_test(test_one_time_passwords),
        cmocka_unit_test(test_who_asks_too_often_is_held_off),
        cmocka_unit_test(test_no_secret_is_in_the_log),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
