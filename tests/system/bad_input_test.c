/* bad_input_test.c - what comes from outside and is wrong, by the hundred, against a whole shina:
 * each is answered with a problem document that names the place, and nothing is written.
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

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define NOBODY "33333333-3333-4333-8333-333333333333"

#define SPECS                                                                                \
    "{'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL'," \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"            \
    "'fixed_kop_day':250000}"
#define VEHICLE "{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1000}"

static tests_shina *shina;
static char        *admin, *viewer, *granted, *stranger;
static char         vehicle[64], odometer_path[160];

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int
start(void **state)
{
    tests_response r;

    (void)state;
    shina = tests_shina_start();
    admin = tests_shina_token(shina, TENANT, "ADMIN", NULL);
    viewer = tests_shina_token(shina, TENANT, "VIEWER", NULL);
    granted = tests_shina_verb(shina,
                               (const char *const[]){"token", "--tenant", TENANT, "--role",
                                                     "VIEWER", "--grant", "finance.read", NULL},
                               NULL);
    stranger = tests_shina_token(shina, OTHER_TENANT, "ADMIN", NULL);
    r = tests_shina_post(shina, admin, "/api/v1/vehicles", VEHICLE);
    if (r.status != 201)
        return -1;
    (void)snprintf(vehicle, sizeof(vehicle), "%s", text_of(r.json, "id"));
    (void)snprintf(odometer_path, sizeof(odometer_path), "/api/v1/vehicles/%s/odometer", vehicle);
    json_decref(r.json);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(admin);
    free(viewer);
    free(granted);
    free(stranger);
    tests_shina_stop(shina);
    return 0;
}

/* Every test must leave the log as it was. */
static char *
whole_log(void)
{
    const char *args[] = {"events", "vehicles", NULL};

    return tests_shina_verb(shina, args, NULL);
}

static char *log_before;

static int
remember_log(void **state)
{
    (void)state;
    log_before = whole_log();
    return 0;
}

static int
compare_log(void **state)
{
    char *now = whole_log();
    int   same = strcmp(now, log_before) == 0;

    (void)state;
    free(now);
    free(log_before);
    return same ? 0 : -1;
}

static void
assert_problem(tests_response r, long status, const char *code, const char *pointer,
               const char *what)
{
    const json_t *errors = json_object_get(r.json, "errors"), *error;
    bool          found = pointer == NULL;
    size_t        i;

    json_array_foreach(errors, i, error) found =
        found || strcmp(text_of(error, "pointer"), pointer) == 0;
    if (r.status != status || strncmp(r.content_type, "application/problem+json", 24) != 0 ||
        strcmp(text_of(r.json, "code"), code) != 0 || !found ||
        json_integer_value(json_object_get(r.json, "status")) != status ||
        text_of(r.json, "title")[0] == '\0' || text_of(r.json, "trace_id")[0] == '\0') {
        char *dump = r.json == NULL ? NULL : json_dumps(r.json, JSON_COMPACT);

        fail_msg("%s: expected %ld %s at %s, got %ld %s %s", what, status, code,
                 pointer == NULL ? "-" : pointer, r.status, r.content_type,
                 dump == NULL ? "" : dump);
    }
    json_decref(r.json);
}

/* --- bodies -------------------------------------------------------------------------- */

static void
test_wrong_values_name_their_place(void **state)
{
    static const struct {
        const char *body, *pointer;
    } wrong[] = {
        {"{'plate':7,'vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1}", "/plate"},
        {"{'plate':null,'vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1}", "/plate"},
        {"{'plate':'A1','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1}", "/plate"},
        {"{'plate':'A123BC77A123BC77A123BC77','vin':'XTA210990Y1234567','specs':" SPECS
         ",'odometer_m':1}",
         "/plate"},
        {"{'plate':['A123BC77'],'vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1}",
         "/plate"},
        {"{'plate':'A123BC77','vin':'short','specs':" SPECS ",'odometer_m':1}", "/vin"},
        {"{'vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1}", "/plate"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','odometer_m':1}", "/specs"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':[],'odometer_m':1}", "/specs"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':{},'odometer_m':1}",
         "/specs/payload_g"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':-1}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':5000000001}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1.5}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':'1'}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':true}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1e400}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS
         ",'odometer_m':99999999999999999999}",
         "/odometer_m"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS
         ",'odometer_m':1,'colour':'red'}",
         "/colour"},
        {"{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS
         ",'odometer_m':1,'a/b~c':'red'}",
         "/a~1b~0c"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_problem(tests_shina_post(shina, admin, "/api/v1/vehicles", wrong[i].body), 422,
                       "INVALID", wrong[i].pointer, wrong[i].body);
}

static void
test_every_member_of_the_specs_is_checked(void **state)
{
    static const char *const members[] = {
        "payload_g",   "cargo_ml",      "tank_ml", "norm_summer_ml_100km", "norm_winter_ml_100km",
        "wear_kop_km", "fixed_kop_day",
    };
    static const char *const values[] = {"-1", "'1'", "null", "[]", "{}", "true", "0.5", "1e18"};
    char                     body[1024], pointer[64];

    (void)state;
    for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++)
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            /* The member twice would be another mistake, so the specs are written anew. */
            size_t used = (size_t)snprintf(body, sizeof(body),
                                           "{'specs':{'class':'VAN',"
                                           "'fuel':'DIESEL'");

            for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++)
                used += (size_t)snprintf(body + used, sizeof(body) - used, ",'%s':%s", members[k],
                                         k == m ? values[v] : "1");
            (void)snprintf(body + used, sizeof(body) - used, "}}");
            (void)snprintf(pointer, sizeof(pointer), "/specs/%s", members[m]);
            {
                char path[160];

                (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/specs", vehicle);
                assert_problem(tests_shina_post(shina, admin, path, body), 422, "INVALID", pointer,
                               body);
            }
        }
}

static void
test_broken_documents(void **state)
{
    static const char *const broken[] = {
        " ",
        "{",
        "}",
        "{'odometer_m'}",
        "{'odometer_m':}",
        "{'a':1,}",
        "[1,2",
        "nul",
        "{'a':01}",
        "{'a':+1}",
        "{'a':NaN}",
        "{a:1}",
        "{'a':1} x",
        "{'a':'\x01'}",
        "{'a':'\\u00'}",
        "{'a':'\\ud800'}",
        "{'a':'\xff'}",
        "{'a':'\xc3'}",
        "{'a':'\xed\xa0\x80'}",
        "{'a':'\xf8\x88\x80\x80\x80'}",
        "\xef\xbb\xbf{'odometer_m':1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_problem(tests_shina_post(shina, admin, odometer_path, broken[i]), 422, "INVALID", "",
                       broken[i]);
    assert_problem(tests_shina_post(shina, admin, odometer_path, "{'odometer_m':1,'odometer_m':2}"),
                   422, "INVALID", "/odometer_m", "a member twice");
    assert_problem(tests_shina_post(shina, admin, odometer_path, ""), 422, "INVALID", "/odometer_m",
                   "no body is an empty object");
    assert_problem(tests_shina_post(shina, admin, odometer_path, "[]"), 422, "INVALID", "", "[]");
    assert_problem(tests_shina_post(shina, admin, odometer_path, "null"), 422, "INVALID", "",
                   "null");
    assert_problem(tests_shina_post(shina, admin, odometer_path, "7"), 422, "INVALID", "", "7");
}

static void
test_deep_and_long_documents(void **state)
{
    size_t bytes = 2u << 20;
    char  *body = malloc(bytes + 1);

    (void)state;
    assert_non_null(body);
    memset(body, '[', 100000);
    body[100000] = '\0';
    assert_problem(tests_shina_post(shina, admin, odometer_path, body), 422, "INVALID", "",
                   "deep nesting");
    memset(body, ' ', bytes);
    body[bytes] = '\0';
    assert_problem(tests_shina_post(shina, admin, odometer_path, body), 413, "BODY_TOO_LARGE", NULL,
                   "two megabytes");
    free(body);
}

/* --- who asks --------------------------------------------------------------------------- */

static void
test_bad_tokens(void **state)
{
    static const char *const garbage[] = {
        "x",
        "a.b.c",
        "..",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Im5vbmUifQ.e30.AAAA",
    };
    char *tampered = strdup(admin);

    (void)state;
    assert_non_null(tampered);
    assert_problem(tests_shina_get(shina, NULL, "/api/v1/vehicles"), 401, "UNAUTHENTICATED", NULL,
                   "no token");
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
        assert_problem(tests_shina_post(shina, garbage[i], odometer_path,
                                        "{'odometer_m':2000,'source':'GPS'}"),
                       401, "UNAUTHENTICATED", NULL, garbage[i]);
    for (size_t i = 0; i < strlen(admin); i += 7) { /* each change spoils it */
        if (tampered[i] == '.')
            continue;
        tampered[i] = tampered[i] == 'A' ? 'B' : 'A';
        assert_problem(tests_shina_get(shina, tampered, "/api/v1/vehicles"), 401, "UNAUTHENTICATED",
                       NULL, "a token changed at one place");
        tampered[i] = admin[i];
    }
    free(tampered);
}

static void
test_roles_and_tenants(void **state)
{
    char path[160];

    (void)state;
    assert_problem(tests_shina_post(shina, viewer, "/api/v1/vehicles", VEHICLE), 403, "FORBIDDEN",
                   NULL, "a viewer registers");
    assert_problem(
        tests_shina_post(shina, stranger, odometer_path, "{'odometer_m':2000,'source':'GPS'}"), 404,
        "NOT_FOUND", NULL, "another tenant's vehicle");
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s", vehicle);
    assert_problem(tests_shina_get(shina, stranger, path), 404, "NOT_FOUND", NULL,
                   "another tenant's vehicle");
    assert_problem(tests_shina_post(shina, admin, "/api/v1/vehicles/" NOBODY "/odometer",
                                    "{'odometer_m':2000,'source':'GPS'}"),
                   404, "NOT_FOUND", NULL, "nobody's vehicle");
}

/* The rates of the vehicle as a list shows them; 0: null. */
static int
wear_seen_by(const char *token)
{
    tests_response r = tests_shina_get(shina, token, "/api/v1/vehicles");
    const json_t  *row = json_array_get(json_object_get(r.json, "items"), 0);
    const json_t  *wear = json_object_get(json_object_get(row, "specs"), "wear_kop_km");
    int            seen = (int)json_integer_value(wear);

    assert_int_equal(r.status, 200);
    assert_non_null(wear);
    json_decref(r.json);
    return seen;
}

static void
test_who_sees_money(void **state)
{
    tests_response r;

    (void)state;
    assert_int_equal(wear_seen_by(admin), 350);
    assert_int_equal(wear_seen_by(viewer), 0);
    assert_int_equal(wear_seen_by(granted), 350);
    assert_problem(tests_shina_get(shina, viewer, "/api/v1/payroll"), 403, "FORBIDDEN", NULL,
                   "pay without the grant");
    r = tests_shina_get(shina, granted, "/api/v1/payroll");
    assert_int_equal(r.status, 200);
    json_decref(r.json);
}

/* Nor does an order tell what is masked: the list's own order is by profit. */
static void
test_orders_by_what_is_masked(void **state)
{
    char          *dispatcher = tests_shina_token(shina, TENANT, "DISPATCHER", NULL);
    tests_response r = tests_shina_get(shina, dispatcher, "/api/v1/profit-customers");

    (void)state;
    assert_int_equal(r.status, 200);
    json_decref(r.json);
    assert_problem(tests_shina_get(shina, dispatcher, "/api/v1/profit-customers?sort=-profit_kop"),
                   422, "INVALID", "/query/sort", "an order by profit");
    free(dispatcher);
}

/* --- the request around the body ------------------------------------------------------------ */

static tests_response
post_with(const char *path, const char *body, const char *header)
{
    const char *headers[] = {header, NULL};

    return tests_shina_ask(
        shina, &(tests_request){.method = "POST",
                                .path = path,
                                .token = admin,
                                .body = body,
                                .headers = headers,
                                .raw_content_type = strncmp(header, "Content-Type", 12) == 0});
}

static void
test_versions(void **state)
{
    static const char body[] = "{\"odometer_m\":2000,\"source\":\"GPS\"}";

    (void)state;
    assert_problem(post_with(odometer_path, body, "If-Match: \"7\""), 412, "VERSION_MISMATCH", NULL,
                   "another version");
    assert_problem(post_with(odometer_path, body, "If-Match: 7"), 400, "BAD_REQUEST", NULL,
                   "no quotes");
    assert_problem(post_with(odometer_path, body, "If-Match: W/\"1\""), 400, "BAD_REQUEST", NULL,
                   "weak");
    assert_problem(post_with(odometer_path, body, "If-Match: \"-1\""), 400, "BAD_REQUEST", NULL,
                   "negative");
}

static void
test_methods_paths_and_types(void **state)
{
    static const char body[] = "{\"odometer_m\":2000,\"source\":\"GPS\"}";
    tests_request     request = {.method = "DELETE", .path = odometer_path, .token = admin};

    (void)state;
    assert_problem(tests_shina_ask(shina, &request), 405, "METHOD_NOT_ALLOWED", NULL, "DELETE");
    assert_problem(tests_shina_get(shina, admin, "/api/v1/nothing"), 404, "NOT_FOUND", NULL,
                   "no such route");
    assert_problem(tests_shina_get(shina, admin, "/api/v1/vehicles/not-a-uuid"), 404, "NOT_FOUND",
                   NULL, "no UUID");
    assert_problem(tests_shina_get(shina, admin, "/api/v1/../../etc/passwd"), 404, "NOT_FOUND",
                   NULL, "out of the tree");
    assert_problem(post_with(odometer_path, body, "Content-Type: text/plain"), 415,
                   "UNSUPPORTED_MEDIA_TYPE", NULL, "text/plain");
    assert_problem(post_with(odometer_path, body, "Content-Encoding: gzip"), 415,
                   "UNSUPPORTED_MEDIA_TYPE", NULL, "gzip");
}

static void
test_queries(void **state)
{
    static const char *const wrong[] = {
        "colour=red",
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-5",
        "sort=vin",
        "sort=-",
        "sort=plate,",
        "cursor=x",
        "cursor=AAAA",
        "status=FLYING",
        "status=",
        "status.gte=AVAILABLE",
        "registered_at=x",
    };
    char path[160];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tests_response r;

        (void)snprintf(path, sizeof(path), "/api/v1/vehicles?%s", wrong[i]);
        r = tests_shina_get(shina, admin, path);
        if (r.status != 400 && r.status != 422)
            fail_msg("%s was answered %ld", path, r.status);
        assert_true(strncmp(r.content_type, "application/problem+json", 24) == 0);
        assert_true(text_of(r.json, "code")[0] != '\0');
        json_decref(r.json);
    }
}

/* What one delivery claims another cannot have: its order, its boxes. */
static void
test_claims_of_deliveries(void **state)
{
#define DELIVERY(more)                                                               \
    "{'kind':'WB_TO_PVZ','customer_id':'" NOBODY "','from':{'lat_e6':1,'lon_e6':1}," \
    "'to':{'lat_e6':2,'lon_e6':2},'window':{'from_at':1,'to_at':2},'price_kop':1," more "}"
#define BOX(code) "{'barcode':'" code "','gross_g':1,'volume_ml':1}"
    tests_response r = tests_shina_post(shina, admin, "/api/v1/deliveries",
                                        DELIVERY("'wb_order_id':'77','boxes':[" BOX("b-1") "]"));

    (void)state;
    assert_int_equal(r.status, 201);
    json_decref(r.json);
    assert_problem(
        tests_shina_post(shina, admin, "/api/v1/deliveries", DELIVERY("'wb_order_id':'77'")), 409,
        "DELIVERY_ORDER_TAKEN", NULL, "an order delivered twice");
    assert_problem(tests_shina_post(shina, admin, "/api/v1/deliveries",
                                    DELIVERY("'boxes':[" BOX("b-2") "," BOX("b-1") "]")),
                   409, "DELIVERY_BOX_TAKEN", NULL, "a box in two deliveries");
    r = tests_shina_post(shina, admin, "/api/v1/deliveries", DELIVERY("'boxes':[" BOX("b-2") "]"));
    assert_int_equal(r.status, 201); /* the refused one kept nothing */
    json_decref(r.json);
}

/* A key used again. */
static void
test_repeated_keys(void **state)
{
    static const char first[] = "{\"odometer_m\":1500,\"source\":\"GPS\"}";
    static const char other[] = "{\"odometer_m\":1600,\"source\":\"GPS\"}";
    tests_response    a, b;
    char             *before, *after;

    (void)state;
    a = post_with(odometer_path, first, "Idempotency-Key: once");
    assert_int_equal(a.status, 200);
    before = whole_log();
    for (int i = 0; i < 20; i++) {
        b = post_with(odometer_path, first, "Idempotency-Key: once");
        assert_int_equal(b.status, 200);
        assert_true(json_equal(a.json, b.json));
        assert_string_equal(a.etag, b.etag);
        json_decref(b.json);
        assert_problem(post_with(odometer_path, other, "Idempotency-Key: once"), 422,
                       "IDEMPOTENCY_KEY_REUSED", NULL, "the same key, another body");
    }
    json_decref(a.json);
    after = whole_log();
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void
test_the_log_is_as_it_must_be(void **state)
{
    const char *args[] = {"verify", NULL};
    char       *out;

    (void)state;
    tests_shina_await_kills(shina);
    out = tests_shina_verb(shina, args, NULL);
    assert_non_null(strstr(out, " 0 faults"));
    free(out);
}

#define LEAVES_NOTHING(test) cmocka_unit_test_setup_teardown(test, remember_log, compare_log)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEAVES_NOTHING(test_wrong_values_name_their_place),
        LEAVES_NOTHING(test_every_member_of_the_specs_is_checked),
        LEAVES_NOTHING(test_broken_documents),
        LEAVES_NOTHING(test_deep_and_long_documents),
        LEAVES_NOTHING(test_bad_tokens),
        LEAVES_NOTHING(test_roles_and_tenants),
        LEAVES_NOTHING(test_who_sees_money),
        LEAVES_NOTHING(test_orders_by_what_is_masked),
        LEAVES_NOTHING(test_versions),
        LEAVES_NOTHING(test_methods_paths_and_types),
        LEAVES_NOTHING(test_queries),
        LEAVES_NOTHING(test_claims_of_deliveries),
        cmocka_unit_test(test_repeated_keys),
        cmocka_unit_test(test_the_log_is_as_it_must_be),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
