/* row_scope_test.c - what each role gets to see, of all there is: everything is read that a caller
 * can read, lists, items, their past, and feeds by all their ways. A driver finds nothing of
 * another driver in it, and nobody a member that is masked for him. What is looked for is found by
 * somebody, or the search would prove nothing. SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/feed_client.h"
#include "tests/support/shina.h"
#include "tests/system/carrier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TENANT "aaaaaaaa-5555-4555-8555-555555555555"
#define TENANT_B "bbbbbbbb-6666-4666-8666-666666666666"
#define NOW "2999-01-01T00:00:00Z"
#define PATIENCE_MS 10000

typedef enum { ADMIN, DISPATCHER, DRIVER, VIEWER, FINANCE, CALLERS } caller;

static tests_shina *shina;
static carrier      world, others;
static json_t      *openapi;
static char        *tokens[CALLERS];
static json_t      *seen[CALLERS]; /* by address, what was answered; feeds by "FEED domain" */

static const char *const names[CALLERS] = {"ADMIN", "DISPATCHER", "DRIVER", "VIEWER", "FINANCE"};
static const char *const domains[] = {"users",      "vehicles",   "drivers", "trips",
                                      "deliveries", "assignment", "ingest",  "webhooks"};

/* --- everything that a caller can read ------------------------------------------------------ */

static void
keep(caller who, const char *path, tests_response r)
{
    if (r.status == 200)
        assert_int_equal(json_object_set(seen[who], path, r.json), 0);
    else if (r.status != 403 && r.status != 404)
        fail_msg("%s by %s: %ld", path, names[who], r.status);
    json_decref(r.json);
}

static void
read_list(caller who, const char *list)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s?limit=200", list);
    keep(who, path, tests_shina_get(shina, tokens[who], path));
}

/* Ids that ADMIN has seen in any list. */
static json_t *
known_ids(void)
{
    json_t       *ids = json_object(), *answer;
    const json_t *row;
    const char   *path;
    size_t        i;

    json_object_foreach(seen[ADMIN], path, answer)
    {
        json_array_foreach(json_object_get(answer, "items"), i, row)(void)
            json_object_set_new(ids, carrier_text(row, "id"), json_true());
    }
    return ids;
}

/* Of each id that there is, as it is and as it was. */
static void
read_items(caller who, const char *item, const json_t *ids)
{
    const char *id, *end = strstr(item, "/{id}") + 5;
    json_t     *value;
    char        path[300];

    json_object_foreach((json_t *)(uintptr_t)ids, id, value)
    {
        tests_response r;

        (void)snprintf(path, sizeof(path), "%.*s/%s%s", (int)(end - 5 - item), item, id, end);
        r = tests_shina_get(shina, tokens[who], path);
        if (r.status == 200) {
            tests_response past;
            size_t         len = strlen(path);

            (void)snprintf(path + len, sizeof(path) - len, "?as_of=" NOW);
            past = tests_shina_get(shina, tokens[who], path);
            path[len] = '\0';
            if (past.status == 200 && !json_equal(past.json, r.json))
                fail_msg("%s by %s: the past is another", path, names[who]);
            json_decref(past.json);
        }
        keep(who, path, r);
    }
}

static void
read_feed(caller who, const char *domain)
{
    char           path[200];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/events/%s?limit=1000", domain);
    r = tests_shina_get(shina, tokens[who], path);
    (void)snprintf(path, sizeof(path), "FEED %s", domain);
    keep(who, path, r);
}

static void
read_all(caller who)
{
    json_t     *ids = NULL, *operations;
    const char *path;

    seen[who] = json_object();
    json_object_foreach(
        json_object_get(openapi, "paths"), path,
        operations) if (json_object_get(operations, "get") != NULL && strchr(path, '{') == NULL &&
                        strncmp(path, "/api/v1/", 8) == 0 &&
                        strncmp(path, "/api/v1/auth/", 13) != 0) read_list(who, path);
    ids = known_ids();
    json_object_foreach(json_object_get(openapi, "paths"), path,
                        operations) if (json_object_get(operations, "get") != NULL &&
                                        strstr(path, "/{id}") != NULL) read_items(who, path, ids);
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
        read_feed(who, domains[i]);
    json_decref(ids);
}

/* --- feeds by all ways are alike ------------------------------------------------------------- */

static const json_t *
events_of(caller who, const char *domain)
{
    char          path[100];
    const json_t *answer;

    (void)snprintf(path, sizeof(path), "FEED %s", domain);
    answer = json_object_get(seen[who], path);
    return json_is_array(answer) ? answer : json_object_get(answer, "events");
}

static const json_t *
event_of(const json_t *events, const char *id)
{
    const json_t *event;
    size_t        i;

    json_array_foreach(events, i,
                       event) if (strcmp(carrier_text(event, "id"), id) == 0) return event;
    return NULL;
}

/* As many as were read at once, each the same, and then nothing for a moment. */
static void
compare_feed(caller who, const char *domain, tests_feed_way way)
{
    const json_t *events = events_of(who, domain);
    size_t        left = json_array_size(events);
    long          status = 0;
    tests_feed   *feed = tests_feed_open(
          &(tests_feed_options){
              .url = tests_shina_url(shina), .domain = domain, .token = tokens[who], .way = way},
          &status);
    tests_feed_item item;

    assert_non_null(feed);
    for (;;) {
        tests_feed_kind kind = tests_feed_next(feed, left > 0 ? PATIENCE_MS : 200, &item);

        if (kind == TESTS_FEED_NOTHING)
            break;
        assert_true(kind == TESTS_FEED_EVENT || kind == TESTS_FEED_CURSOR ||
                    kind == TESTS_FEED_BEAT);
        if (kind != TESTS_FEED_EVENT)
            continue;
        if (left-- == 0 ||
            !json_equal(item.event, event_of(events, carrier_text(item.event, "id"))))
            fail_msg("%s of %s by %s, way %d: is not what was read at once", domain,
                     carrier_text(item.event, "type"), names[who], (int)way);
        json_decref(item.event);
    }
    if (left != 0)
        fail_msg("%s by %s, way %d: %zu events are missing", domain, names[who], (int)way, left);
    tests_feed_close(feed);
}

static void
test_feeds_tell_the_same_by_all_ways(void **state)
{
    (void)state;
    for (caller who = ADMIN; who < CALLERS; who++)
        for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
            if (events_of(who, domains[i]) != NULL) {
                compare_feed(who, domains[i], TESTS_FEED_SSE);
                compare_feed(who, domains[i], TESTS_FEED_SOCKET);
            }
}

/* --- looking for what must not be there ---------------------------------------------------------
 */

/* Is there a member of that name which is not null, or a text with that in it? */
static bool
has(const json_t *value, const char *member, const char *text)
{
    const char   *name;
    const json_t *item;
    json_t       *of;
    size_t        i;

    if (json_is_string(value))
        return text != NULL && strstr(json_string_value(value), text) != NULL;
    json_array_foreach(value, i, item) if (has(item, member, text)) return true;
    json_object_foreach((json_t *)(uintptr_t)value, name, of)
    {
        if (member != NULL && strcmp(name, member) == 0 && !json_is_null(of))
            return true;
        if (has(of, member, text))
            return true;
    }
    return false;
}

/* Where it is: the address of an answer, or NULL. */
static const char *
find(caller who, const char *member, const char *text)
{
    const char *path;
    json_t     *answer;

    json_object_foreach(seen[who], path, answer) if (has(answer, member, text)) return path;
    return NULL;
}

/* Texts of another driver: ids, names, phones, what he drives and carries. */
static void
check_no_mark(const char *mark)
{
    const char *path = find(DRIVER, NULL, mark);

    if (path != NULL)
        fail_msg("a driver finds %s in %s", mark, path);
    if (find(ADMIN, NULL, mark) == NULL)
        fail_msg("nobody finds %s", mark);
}

static void
test_a_driver_finds_nothing_of_another(void **state)
{
    const carrier_driver *he = &world.drivers[0], *other = &world.drivers[1];

    (void)state;
    check_no_mark(other->id);
    check_no_mark(other->phone);
    check_no_mark(other->user);
    check_no_mark(other->vehicle);
    check_no_mark("Driver 51");
    check_no_mark("A051BC77");
    check_no_mark("driver51@example.com");
    for (int i = 0; i < 3; i++) {
        check_no_mark(other->trips[i]);
        check_no_mark(other->deliveries[i]);
    }
    check_no_mark(he->deliveries[2]); /* of which he is told when its trip is dispatched */
    check_no_mark(world.user);
    for (int i = 0; i < 2; i++) {
        assert_non_null(find(DRIVER, NULL, he->trips[i]));
        assert_non_null(find(DRIVER, NULL, he->deliveries[i]));
    }
}

/* Rows of his own there are, in all that he may read; and each is his. */
static void
test_a_driver_has_his_own(void **state)
{
    static const struct {
        const char *list, *own;
    } lists[] = {
        {"trips", "driver_id"},    {"deliveries", "driver_id"},   {"drivers", "id"},
        {"vehicles", "driver_id"}, {"driver-hours", "driver_id"}, {"driver-weeks", "driver_id"},
        {"driver-ratings", "id"},  {"payroll", "driver_id"},      {"users", "driver_id"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char          path[100];
        const json_t *rows, *row;
        size_t        k;

        (void)snprintf(path, sizeof(path), "/api/v1/%s?limit=200", lists[i].list);
        rows = json_object_get(json_object_get(seen[DRIVER], path), "items");
        if (json_array_size(rows) == 0)
            fail_msg("a driver has nothing in %s", path);
        json_array_foreach(rows, k, row)
            assert_string_equal(carrier_text(row, lists[i].own), world.drivers[0].id);
    }
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(seen[DRIVER], "/api/v1/trips?limit=200"), "items")),
                     2);           /* not the one that waits for its dispatch */
    for (size_t i = 0; i < 5; i++) /* all but assignment, ingest and webhooks */
        if (json_array_size(events_of(DRIVER, domains[i])) == 0)
            fail_msg("a driver hears nothing of %s", domains[i]);
}

/* Asked for by name it is not there, either: filters, items, their past, and commands. */
static void
test_what_is_anothers_is_not_there(void **state)
{
    static const char *const items[] = {"trips/%s", "trips/%s/live", "trips/%s?as_of=" NOW,
                                        "trips/%s/live?as_of=" NOW};
    static const char *const lists[] = {"trips", "deliveries", "vehicles", "driver-hours",
                                        "payroll"};
    const carrier_driver    *other = &world.drivers[1];
    char                     path[200], below[100];
    tests_response           r;

    (void)state;
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
        for (int k = 0; k < 4; k++) {
            (void)snprintf(below, sizeof(below), items[i],
                           k < 3 ? other->trips[k] : world.drivers[0].trips[2]);
            (void)snprintf(path, sizeof(path), "/api/v1/%s", below);
            r = tests_shina_get(shina, tokens[DRIVER], path);
            if (r.status != 404)
                fail_msg("%s: %ld", path, r.status);
            json_decref(r.json);
        }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        (void)snprintf(path, sizeof(path), "/api/v1/%s?driver_id=%s", lists[i], other->id);
        r = tests_shina_get(shina, tokens[DRIVER], path);
        if (r.status != 422 &&
            (r.status != 200 || json_array_size(json_object_get(r.json, "items")) != 0))
            fail_msg("%s: %ld", path, r.status);
        json_decref(r.json);
    }
    for (int k = 0; k < 4; k++) {
        (void)snprintf(path, sizeof(path), "/api/v1/trips/%s/accept",
                       k < 3 ? other->trips[k] : world.drivers[0].trips[2]);
        r = tests_shina_post(shina, tokens[DRIVER], path, "{}");
        if (r.status != 404)
            fail_msg("%s: %ld", path, r.status);
        json_decref(r.json);
    }
}

/* --- masks
 * ----------------------------------------------------------------------------------------- */

#define A (1u << ADMIN)
#define D (1u << DISPATCHER)
#define R (1u << DRIVER)
#define V (1u << VIEWER)
#define F (1u << FINANCE)

/* Who finds it, anywhere; nobody else does. By hand, from the table of roles in the domain model.
 */
static const struct {
    const char *member, *text; /* one of both */
    unsigned    found_by;
} masked[] = {
    {NULL, "+79000000050", A | D | R}, /* a driver's phone; R is he */
    {NULL, "+79167778899", A | D | R}, /* a buyer's; R brings it to him */
    {NULL, "7700000050", A | D | R},   /* a licence */
    {NULL, "An aunt", A | D},          /* a receiver */
    {"per_trip_kop", NULL, A | R | F}, /* pay; R has his own */
    {"pay_kop", NULL, A | R | F},
    {"profit_kop", NULL, A | F}, /* of which the pay would follow, and so of the cost */
    {"cost_driver_pay_kop", NULL, A | F},
    {"margin_bp", NULL, A | F},
    {"revenue_kop", NULL, A | D | F},
    {"price_kop", NULL, A | D | F},
    {"wear_kop_km", NULL, A | D | F},
    {"fixed_kop_day", NULL, A | D | F},
    {NULL, "+79160000005", A}, /* a user's phone, and his address */
    {NULL, "anna5@example.com", A},
    {"status_reason", NULL, 0},
    {"password", NULL, 0}, /* secrets, sealed or hashed: not even ADMIN */
    {"totp_secret", NULL, 0},
    {"previous_secret", NULL, 0},
};

static void
test_masks(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
        for (caller who = ADMIN; who < CALLERS; who++) {
            const char *path = find(who, masked[i].member, masked[i].text);

            if ((path != NULL) != ((masked[i].found_by >> who & 1) != 0)) {
                print_error("%s%s: %s finds it in %s\n",
                            masked[i].member == NULL ? "" : masked[i].member,
                            masked[i].text == NULL ? "" : masked[i].text, names[who],
                            path == NULL ? "nothing" : path);
                wrong++;
            }
        }
    assert_int_equal(wrong, 0);
}

/* Hashes of codes and sealed secrets: what the log has of them nobody is told. */
static void
test_nobody_is_told_secrets(void **state)
{
    (void)state;
    for (caller who = ADMIN; who < CALLERS; who++) {
        const char *path = find(who, NULL, "sha256:");

        if (path == NULL)
            path = find(who, NULL, "$2b$");
        if (path == NULL)
            path = find(who, NULL, "sec:1:");
        if (path == NULL)
            path = find(who, NULL, world.secret);
        if (path != NULL)
            fail_msg("%s is told a secret by %s", names[who], path);
    }
}

/* --- the whole
 * -------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
    tests_response document;

    (void)state;
    if (setenv("SHINA_LOGIN_RATE", "1000", 1) != 0 || setenv("SHINA_BCRYPT_COST", "10", 1) != 0)
        return -1;
    shina = tests_shina_start();
    carrier_open(&world, shina, TENANT, 5);
    carrier_open(&others, shina, TENANT_B, 6);
    for (caller who = ADMIN; who < CALLERS; who++)
        tokens[who] = carrier_token(&world, who == FINANCE ? "VIEWER" : names[who],
                                    who == FINANCE ? "finance.read" : NULL,
                                    who == DRIVER ? world.drivers[0].id : NULL);
    document = tests_shina_get(shina, NULL, "/openapi.json");
    openapi = document.json;
    (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL); /* what is under way goes on in views */
    for (caller who = ADMIN; who < CALLERS; who++)
        read_all(who);
    return document.status == 200 ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    for (caller who = ADMIN; who < CALLERS; who++) {
        free(tokens[who]);
        json_decref(seen[who]);
    }
    json_decref(openapi);
    carrier_close(&world);
    carrier_close(&others);
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feeds_tell_the_same_by_all_ways),
        cmocka_unit_test(test_a_driver_finds_nothing_of_another),
        cmocka_unit_test(test_a_driver_has_his_own),
        cmocka_unit_test(test_what_is_anothers_is_not_there),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_nobody_is_told_secrets),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
