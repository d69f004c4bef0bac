/* owasp_test.c - the OWASP API Security Top 10 of 2023, each by its name, against a whole shina.
 * https://owasp.org/API-Security/editions/2023/en/0x11-t10/
 *
 * Each story tries what its text warns of at one or two places that stand for the rest; the tests
 * that go through every place are named beside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define SPECS                                                                                \
    "{'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL'," \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"            \
    "'fixed_kop_day':250000}"
#define VEHICLE "{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1000}"
#define PASSWORD "kr7-wolke-zimt"

static tests_shina *shina;
static char        *admin, *dispatcher, *viewer, *driver, *stranger;
static char         vehicle[64], driver_id[64];

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static tests_response get(const char *token, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static tests_response
get(const char *token, const char *format, ...)
{
    char    path[600];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    return tests_shina_get(shina, token, path);
}

static tests_response post(const char *token, const char *body, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static tests_response
post(const char *token, const char *body, const char *format, ...)
{
    char    path[600];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(path, sizeof(path), format, args);
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

/* The id of what the request makes. */
static void
make(tests_response r, char id[64])
{
    if (r.status != 201)
        fail_msg("%ld %s (%s)", r.status, text_of(r.json, "code"), text_of(r.json, "detail"));
    (void)snprintf(id, 64, "%s", text_of(r.json, "id"));
    json_decref(r.json);
}

static void
pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Until the view has it. */
static void
await(const char *token, const char *path, const char *id)
{
    for (int i = 0; i < 400; i++) {
        tests_response r = get(token, "%s/%s", path, id);

        json_decref(r.json);
        if (r.status == 200)
            return;
        pause_ms(25);
    }
    fail_msg("%s/%s does not come into its view", path, id);
}

/* --- API1 ------------------------------------------------------------------------------------- */

/* Ids of others: of another tenant, of another driver. Every route: system_routes. */
static void
test_api1_broken_object_level_authorization(void **state)
{
    char other[64];

    (void)state;
    expect(get(stranger, "/api/v1/vehicles/%s", vehicle), 404, "NOT_FOUND");
    expect(post(stranger, "{'odometer_m':2000,'source':'GPS'}", "/api/v1/vehicles/%s/odometer",
                vehicle),
           404, "NOT_FOUND");
    make(post(admin, "{'full_name':'Other Driver','phone_e164':'+79160000002'}", "/api/v1/drivers"),
         other);
    await(admin, "/api/v1/drivers", other);
    await(driver, "/api/v1/drivers", driver_id);
    expect(get(driver, "/api/v1/drivers/%s", other), 404, "NOT_FOUND");
}

/* --- API2 ------------------------------------------------------------------------------------- */

/* Tokens that are none, passwords that are guessed. More: system_users, system_bad_input. */
static void
test_api2_broken_authentication(void **state)
{
    static const char *const tokens[] = {
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMTExMTExMS0xMTExLTQxMTEtODExMS0xMTExMTExMTExMTEifQ.",
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Im5vbmUifQ.e30.AAAA", "x"};
    tests_response r;

    (void)state;
    expect(get(NULL, "/api/v1/vehicles"), 401, "UNAUTHENTICATED");
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        expect(get(tokens[i], "/api/v1/vehicles"), 401, "UNAUTHENTICATED");
    /* A token belongs into a header: addresses stand in logs. */
    r = get(NULL, "/api/v1/vehicles?access_token=%s", admin);
    assert_int_equal(r.status, 401);
    json_decref(r.json);
    /* Whether there is such a user is not told. */
    expect(post(NULL, "{'tenant':'" TENANT "','email':'nobody@example.com','password':'guess-9'}",
                "/api/v1/auth/login"),
           401, "AUTH_FAILED");
    expect(post(NULL, "{'refresh_token':'guess'}", "/api/v1/auth/refresh"), 401, "AUTH_FAILED");
}

/* --- API3 ------------------------------------------------------------------------------------- */

/* Members that are not theirs to read or to write. Every mask: system_routes, contracts_money. */
static void
test_api3_broken_object_property_level_authorization(void **state)
{
    tests_response r;

    (void)state;
    expect(post(admin,
                "{'plate':'B123BC77','vin':'XTA210990Y1234568','specs':" SPECS
                ",'odometer_m':1000,'status':'RETIRED'}",
                "/api/v1/vehicles"),
           422, "INVALID");
    expect(post(admin,
                "{'plate':'B123BC77','vin':'XTA210990Y1234568','specs':" SPECS
                ",'odometer_m':1000,'tenant':'" OTHER_TENANT "'}",
                "/api/v1/vehicles"),
           422, "INVALID");
    r = get(viewer, "/api/v1/drivers/%s", driver_id);
    assert_int_equal(r.status, 200);
    assert_true(json_is_null(json_object_get(r.json, "phone_e164")));
    json_decref(r.json);
    r = get(admin, "/api/v1/drivers/%s", driver_id);
    assert_string_equal(text_of(r.json, "phone_e164"), "+79160000001");
    json_decref(r.json);
    /* Nor to find out by asking for it. */
    r = get(viewer, "/api/v1/drivers?phone_e164=%%2B79160000001");
    assert_int_not_equal(r.status, 200);
    json_decref(r.json);
}

/* --- API4 ------------------------------------------------------------------------------------- */

/* Bodies, pages, depth and rate have bounds. More: system_limits, edge_test, http_fuzz. */
static void
test_api4_unrestricted_resource_consumption(void **state)
{
    const size_t bytes = (size_t)3 * 1024 * 1024;
    char        *body = malloc(bytes + 1);
    long         status = 0;

    (void)state;
    assert_non_null(body);
    memset(body, ' ', bytes);
    body[0] = '{';
    body[bytes - 1] = '}';
    body[bytes] = '\0';
    expect(post(admin, body, "/api/v1/vehicles"), 413, "BODY_TOO_LARGE");
    /* Deep documents are not read to their end. */
    memset(body, '[', 10000);
    body[10000] = '\0';
    expect(post(admin, body, "/api/v1/vehicles"), 422, "INVALID");
    free(body);
    expect(get(admin, "/api/v1/vehicles?limit=100000"), 422, "INVALID");
    /* One address that guesses is held off soon; each guess costs a bcrypt. */
    for (int i = 0; i < 3000 && status != 429; i++) {
        tests_response r = post(NULL,
                                "{'tenant':'" TENANT "','user_id':'" TENANT "','code':"
                                "'not-such-a-code-at-all','password':'short'}",
                                "/api/v1/auth/set-password");

        status = r.status;
        json_decref(r.json);
    }
    assert_int_equal(status, 429);
}

/* --- API5 ------------------------------------------------------------------------------------- */

/* What another role does. Every route by every role: system_routes. */
static void
test_api5_broken_function_level_authorization(void **state)
{
    tests_response r;

    (void)state;
    expect(post(viewer, VEHICLE, "/api/v1/vehicles"), 403, "FORBIDDEN");
    expect(post(driver, VEHICLE, "/api/v1/vehicles"), 403, "FORBIDDEN");
    expect(post(dispatcher, "{'email':'x@example.com','full_name':'X Y'}", "/api/v1/users"), 403,
           "FORBIDDEN");
    expect(get(dispatcher, "/api/v1/access-log"), 403, "FORBIDDEN");
    r = post(admin, "{'name':'Carrier'}", "/api/v1/tenants/" TENANT "/open");
    assert_in_range(r.status, 200, 201);
    json_decref(r.json);
    /* An operator's business is not an ADMIN's: it takes a grant. */
    expect(post(admin, "{'reason':'mine'}", "/api/v1/tenants/" TENANT "/suspend"), 403,
           "TENANT_BY_OPERATOR");
}

/* --- API6 ------------------------------------------------------------------------------------- */

typedef struct {
    char path[200];
    long done, refused;
} racer;

static pthread_mutex_t race = PTHREAD_MUTEX_INITIALIZER;

static void *
run_race(void *argument)
{
    racer *r = argument;

    for (int i = 0; i < 10; i++) {
        tests_response answer = tests_shina_post(shina, admin, r->path, "{}");

        (void)pthread_mutex_lock(&race);
        r->done += answer.status == 200;
        r->refused += answer.status == 409 || answer.status == 422;
        (void)pthread_mutex_unlock(&race);
        json_decref(answer.json);
    }
    return NULL;
}

/* What may happen once happens once, however many robots ask at once. Scarce things are claimed:
 * system_p1_concurrency. */
static void
test_api6_unrestricted_access_to_sensitive_business_flows(void **state)
{
    pthread_t      threads[8];
    racer          r = {.done = 0};
    char           id[64];
    tests_response made;

    (void)state;
    make(post(admin,
              "{'full_name':'Robot Target','phone_e164':'+79160000003','licence':{'number':"
              "'9955443322','categories':['B'],'valid_to':'2099-01-01'},"
              "'medical_valid_to':'2099-01-01'}",
              "/api/v1/drivers"),
         id);
    (void)snprintf(r.path, sizeof(r.path), "/api/v1/drivers/%s/activate", id);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_race, &r), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.refused, 79);
    /* An invitation has a code that nobody chooses or guesses. */
    made = post(admin, "{'email':'once@example.com','full_name':'Once Only','code':'chosen'}",
                "/api/v1/users");
    assert_int_not_equal(made.status, 201);
    json_decref(made.json);
}

/* --- API7 ------------------------------------------------------------------------------------- */

/* A webhook into our own house, by several spellings of it. More: address_test, system_webhooks. */
static void
test_api7_server_side_request_forgery(void **state)
{
    static const char *const urls[] = {"https://127.0.0.1/x",  "https://localhost/x",
                                       "https://[::1]/x",      "https://169.254.169.254/x",
                                       "https://10.1.2.3/x",   "https://2130706433/x",
                                       "https://0x7f000001/x", "https://[::ffff:127.0.0.1]/x"};
    char                     ids[sizeof(urls) / sizeof(urls[0])][64], body[200], other[64];

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        tests_response r;

        (void)snprintf(body, sizeof(body), "{'url':'%s'}", urls[i]);
        r = post(admin, body, "/api/v1/webhooks");
        ids[i][0] = '\0';
        if (r.status == 201)
            (void)snprintf(ids[i], sizeof(ids[i]), "%s", text_of(r.json, "id"));
        else
            assert_int_equal(r.status, 422);
        json_decref(r.json);
    }
    for (int i = 0; i < 2; i++) { /* schemes that are none of ours */
        static const char *const schemes[] = {"file:///etc/passwd", "gopher://127.0.0.1/x"};

        (void)snprintf(body, sizeof(body), "{'url':'%s'}", schemes[i]);
        expect(post(admin, body, "/api/v1/webhooks"), 422, "INVALID");
    }
    make(post(admin,
              "{'plate':'C123BC77','vin':'XTA210990Y1234569','specs':" SPECS ",'odometer_m':1}",
              "/api/v1/vehicles"),
         other);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char why[300] = "";

        for (int k = 0; ids[i][0] != '\0' && k < 1200; k++) {
            tests_response r = get(admin, "/api/v1/webhooks/%s", ids[i]);
            const bool     parked = strcmp(text_of(r.json, "status"), "PARKED") == 0;

            (void)snprintf(why, sizeof(why), "%s", text_of(r.json, "reason"));
            json_decref(r.json);
            if (parked)
                break;
            pause_ms(25);
        }
        if (ids[i][0] != '\0' && strstr(why, "not a public one") == NULL)
            fail_msg("%s was asked: %s", urls[i], why);
    }
}

/* --- API8 ------------------------------------------------------------------------------------- */

static size_t
gather(char *bytes, size_t size, size_t count, void *to)
{
    char  *text = to;
    size_t used = strlen(text);

    (void)snprintf(text + used, 8000 - used, "%.*s", (int)(size * count), bytes);
    return size * count;
}

/* Status and headers of any method, as lines. */
static long
heads(const char *method, const char *path, char text[8000])
{
    CURL *curl = curl_easy_init();
    char  url[300];
    long  status = 0;

    (void)snprintf(url, sizeof(url), "%s%s", tests_shina_url(shina), path);
    text[0] = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, gather);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, text);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, gather);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

/* Headers, methods, and errors that tell nothing of the inside. More: edge_test, system_tls. */
static void
test_api8_security_misconfiguration(void **state)
{
    static const char *const paths[] = {"/api/v1/vehicles", "/docs", "/healthz", "/nothing"};
    char                     text[8000];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)heads("GET", paths[i], text);
        assert_non_null(strcasestr(text, "\r\nX-Content-Type-Options: nosniff\r\n"));
        assert_null(strcasestr(text, "\r\nServer:"));
        assert_null(strcasestr(text, "\r\nAccess-Control-Allow-Origin:"));
        assert_null(strstr(text, "/home/"));
        assert_null(strcasestr(text, "postgres"));
    }
    assert_int_equal(heads("TRACE", "/api/v1/vehicles", text), 405);
    assert_null(strcasestr(text, "TRACE /api"));
    (void)heads("GET", "/docs", text);
    assert_non_null(strcasestr(text, "\r\nContent-Security-Policy: "));
}

/* --- API9 ------------------------------------------------------------------------------------- */

/* All that is there is told, and there is no older or hidden door. Every route: system_routes. */
static void
test_api9_improper_inventory_management(void **state)
{
    static const char *const hidden[] = {"/api/v0/vehicles",
                                         "/api/v2/vehicles",
                                         "/api/vehicles",
                                         "/admin",
                                         "/debug",
                                         "/debug/pprof",
                                         "/.env",
                                         "/.git/config",
                                         "/actuator",
                                         "/docs/../.env",
                                         "/docs/%2e%2e/.env"};
    static const char *const told[] = {"/api/v1/vehicles", "/api/v1/auth/login", "/api/v1/users"};
    tests_response           r;

    (void)state;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        r = get(admin, "%s", hidden[i]);
        if (r.status != 404 && r.status != 400)
            fail_msg("%s: %ld", hidden[i], r.status);
        json_decref(r.json);
    }
    r = get(NULL, "/openapi.json");
    assert_int_equal(r.status, 200);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        assert_non_null(json_object_get(json_object_get(r.json, "paths"), told[i]));
    json_decref(r.json);
}

/* --- API10 ------------------------------------------------------------------------------------ */

/* What others push is believed only with their signature, and checked like everything else. More:
 * system_ingest, cloudevents_fuzz; what answers to webhooks is not read: deliver_test. */
static void
test_api10_unsafe_consumption_of_apis(void **state)
{
    tests_response r =
        post(admin, "{'name':'fuel-cards','kind':'CLOUDEVENTS','scheme':'STANDARD_WEBHOOKS'}",
             "/api/v1/ingest/sources");
    char id[64], path[200];
    long status = 0;

    (void)state;
    make(r, id);
    (void)snprintf(path, sizeof(path), "/api/v1/ingest/" TENANT ".%s", id);
    for (int i = 0; i < 200; i++) { /* moments after it was registered it is known */
        r = post(NULL, "{'specversion':'1.0','id':'1','source':'/x','type':'t','data':{}}", "%s",
                 path);
        status = r.status;
        json_decref(r.json);
        if (status == 403)
            break;
        pause_ms(25);
    }
    assert_int_equal(status, 403);
    r = get(admin, "/api/v1/ingest/events");
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(json_object_get(r.json, "items")), 0);
    json_decref(r.json);
}

static int
start(void **state)
{
    (void)state;
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    dispatcher = tests_shina_token(shina, TENANT, "DISPATCHER", NULL);
    viewer = tests_shina_token(shina, TENANT, "VIEWER", NULL);
    stranger = tests_shina_token(shina, OTHER_TENANT, "ADMIN", NULL);
    make(post(admin, VEHICLE, "/api/v1/vehicles"), vehicle);
    make(post(admin, "{'full_name':'One Driver','phone_e164':'+79160000001'}", "/api/v1/drivers"),
         driver_id);
    driver = tests_shina_token(shina, TENANT, "DRIVER", driver_id);
    await(admin, "/api/v1/vehicles", vehicle);
    await(admin, "/api/v1/drivers", driver_id);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    free(dispatcher);
    free(viewer);
    free(stranger);
    free(driver);
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api1_broken_object_level_authorization),
        cmocka_unit_test(test_api2_broken_authentication),
        cmocka_unit_test(test_api3_broken_object_property_level_authorization),
        cmocka_unit_test(test_api5_broken_function_level_authorization),
        cmocka_unit_test(test_api6_unrestricted_access_to_sensitive_business_flows),
        cmocka_unit_test(test_api7_server_side_request_forgery),
        cmocka_unit_test(test_api8_security_misconfiguration),
        cmocka_unit_test(test_api9_improper_inventory_management),
        cmocka_unit_test(test_api10_unsafe_consumption_of_apis),
        cmocka_unit_test(test_api4_unrestricted_resource_consumption), /* last: it is held off */
    };

    return cmocka_run_group_tests(tests, start, stop);
}
