/* roles_test.c - who may what: every published route, every caller. The routes and the bodies come
 * from the documents of the running system, what is expected from a table that was written by hand,
 * roles.txt. Nothing of what is asked here may reach the log: heads are compared at the end.
 *
 * First each caller asks with an id that is none and a body that is no JSON: who may not is told so
 * before either is looked at. Then with ids of another tenant and bodies that are right: there is
 * no such thing, on every route. At last the tenant is suspended: no route writes any more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/rule.h"
#include "tests/support/feed_client.h"
#include "tests/support/shina.h"
#include "tests/system/carrier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TENANT_A "aaaaaaaa-1111-4111-8111-111111111111"
#define TENANT_B "bbbbbbbb-2222-4222-8222-222222222222"
#define RULES_MAX 400
#define BODY "{\"no"
#define NO_ID "not-an-id"
#define NOBODY_ID "0192f7c1-0000-7000-8000-0000000000ff"
#define PATIENCE_MS 5000

typedef enum { ADMIN, DISPATCHER, DRIVER, VIEWER, FINANCE, COLUMNS } column;
typedef enum { NO, OWN, YES } access_kind;
typedef enum { BY_ROLE, OPEN, ANONYMOUS, SIGNED, ANY } rule_kind;

typedef struct {
    char        method[8], path[100]; /* FEED and the domain */
    rule_kind   kind;
    access_kind may[COLUMNS];
    bool        met; /* there is such a route */
} rule;

typedef struct {
    const char *name;
    column      column;
    char       *token;
    const char *role, *grant; /* what the token is made of */
    enum { NO_DRIVER, THE_DRIVER, NOBODY } driver;
} caller;

static tests_shina *shina;
static carrier      a, b;
static rule         rules[RULES_MAX];
static int          rules_count;
static json_t      *openapi;
static caller       callers[] = {
          {.name = "ADMIN", .column = ADMIN, .role = "ADMIN"},
          {.name = "DISPATCHER", .column = DISPATCHER, .role = "DISPATCHER"},
          {.name = "DRIVER", .column = DRIVER, .role = "DRIVER", .driver = THE_DRIVER},
          {.name = "DRIVER of nobody", .column = DRIVER, .role = "DRIVER", .driver = NOBODY},
          {.name = "VIEWER", .column = VIEWER, .role = "VIEWER"},
          {.name = "VIEWER, finance.read", .column = FINANCE, .role = "VIEWER", .grant = "finance.read"},
          {.name = "VIEWER, tenants.manage",
           .column = VIEWER,
           .role = "VIEWER",
           .grant = "tenants.manage"},
          {.name = "VIEWER, telegram.link", .column = VIEWER, .role = "VIEWER", .grant = "telegram.link"},
          {.name = "DRIVER, finance.read",
           .column = DRIVER,
           .role = "DRIVER",
           .grant = "finance.read",
           .driver = THE_DRIVER},
          {.name = "DISPATCHER, tenants.manage",
           .column = DISPATCHER,
           .role = "DISPATCHER",
           .grant = "tenants.manage"},
};
#define CALLERS (int)(sizeof(callers) / sizeof(callers[0]))

/* --- the table ------------------------------------------------------------------------------ */

static bool
read_kind(const char *word, rule_kind *out)
{
    static const char *const words[] = {
        [OPEN] = "open", [ANONYMOUS] = "anonymous", [SIGNED] = "signed", [ANY] = "any"};

    for (rule_kind kind = OPEN; kind <= ANY; kind++)
        if (strcmp(word, words[kind]) == 0) {
            *out = kind;
            return true;
        }
    return false;
}

static access_kind
read_access(const char *word, int line)
{
    if (strcmp(word, "yes") == 0)
        return YES;
    if (strcmp(word, "own") == 0)
        return OWN;
    if (strcmp(word, "-") != 0)
        fail_msg("roles.txt:%d: \"%s\" is not yes, own or -", line, word);
    return NO;
}

static void
read_rule(const char *text, int line)
{
    rule *r = &rules[rules_count];
    char  words[COLUMNS][16] = {""};
    int   count = sscanf(text, "%7s %99s %15s %15s %15s %15s %15s", r->method, r->path, words[0],
                         words[1], words[2], words[3], words[4]);

    if (count == 3 && read_kind(words[0], &r->kind)) {
        rules_count++;
        return;
    }
    if (count != 2 + COLUMNS)
        fail_msg("roles.txt:%d: a row has a column for each role", line);
    for (int i = 0; i < COLUMNS; i++)
        r->may[i] = read_access(words[i], line);
    rules_count++;
}

static void
read_rules(void)
{
    FILE *file = fopen(ROLES_TABLE, "r");
    char  line[300];

    assert_non_null(file);
    for (int number = 1; fgets(line, sizeof(line), file) != NULL; number++)
        if (line[0] != '#' && line[strspn(line, " \n")] != '\0') {
            assert_true(rules_count < RULES_MAX);
            read_rule(line, number);
        }
    assert_int_equal(fclose(file), 0);
}

/* A route without a rule ends the test. */
static rule *
rule_of(const char *method, const char *path)
{
    for (int i = 0; i < rules_count; i++)
        if (strcmp(rules[i].path, path) == 0 && strcasecmp(rules[i].method, method) == 0)
            return &rules[i];
    fail_msg("%s %s is published and has no row in roles.txt", method, path);
    return NULL;
}

/* --- routes ----------------------------------------------------------------------------------- */

typedef struct {
    char          method[8];
    const char   *path; /* with {id} */
    const json_t *operation;
    const rule   *rule;
} route;

/* Of all routes. */
static void
each_route(void (*visit)(const route *r))
{
    const char *path, *method;
    json_t     *operations, *operation;

    json_object_foreach(json_object_get(openapi, "paths"), path, operations)
    {
        json_object_foreach(operations, method, operation)
        {
            route r = {.path = path, .operation = operation, .rule = rule_of(method, path)};

            for (size_t i = 0; method[i] != '\0' && i + 1 < sizeof(r.method); i++)
                r.method[i] = (char)toupper((unsigned char)method[i]);
            visit(&r);
        }
    }
}

static bool
is_get(const route *r)
{
    return strcmp(r->method, "GET") == 0;
}

static bool
has_id(const route *r)
{
    return strchr(r->path, '{') != NULL;
}

/* The path with an id in the place of its parameter, and more behind it. */
static void
path_with(const route *r, const char *id, const char *more, char out[300])
{
    const char *brace = strchr(r->path, '{'), *end = brace == NULL ? NULL : strchr(brace, '}');

    if (brace == NULL)
        (void)snprintf(out, 300, "%s%s", r->path, more);
    else
        (void)snprintf(out, 300, "%.*s%s%s%s", (int)(brace - r->path), r->path, id, end + 1, more);
}

/* HEAD is no way round: it is told what GET is. */
static void
ask_head(const char *path, const char *token, long status)
{
    tests_response got =
        tests_shina_ask(shina, &(tests_request){.method = "HEAD", .path = path, .token = token});

    if (got.status != status || got.json != NULL)
        fail_msg("HEAD %s: %ld, GET: %ld", path, got.status, status);
}

static tests_response
ask(const route *r, const char *token, const char *id, const char *more, const char *body)
{
    char           path[300];
    tests_response got;

    path_with(r, id, more, path);
    got = tests_shina_ask(shina, &(tests_request){.method = r->method,
                                                  .path = path,
                                                  .token = token,
                                                  .body = is_get(r) ? NULL : body});
    if (is_get(r))
        ask_head(path, token, got.status);
    return got;
}

static void
expect(const route *r, const char *who, tests_response got, long status, const char *code)
{
    const char *told = carrier_text(got.json, "code");

    if (got.status != status || (code != NULL && strcmp(told, code) != 0))
        fail_msg("%s %s by %s: %ld %s (%s), not %ld %s", r->method, r->path, who, got.status, told,
                 carrier_text(got.json, "detail"), status, code == NULL ? "" : code);
    json_decref(got.json);
}

/* --- bodies that are right -------------------------------------------------------------------- */

static const json_t *
resolve(const json_t *schema)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    if (ref == NULL)
        return schema;
    assert_int_equal(strncmp(ref, "#/components/schemas/", 21), 0);
    schema = json_object_get(json_object_get(json_object_get(openapi, "components"), "schemas"),
                             ref + 21);
    assert_non_null(schema);
    return resolve(schema);
}

static json_t *make_value(const json_t *schema, const char *name);

static json_t *
make_object(const json_t *schema)
{
    json_t       *out = json_object();
    const json_t *name;
    size_t        i;

    json_array_foreach(json_object_get(schema, "required"), i, name)
    {
        const char *text = json_string_value(name);

        assert_int_equal(
            json_object_set_new(
                out, text,
                make_value(json_object_get(json_object_get(schema, "properties"), text), text)),
            0);
    }
    return out;
}

static json_t *
make_string(const json_t *schema, const char *name)
{
    const char *format = carrier_text(schema, "format");
    json_int_t  least = json_integer_value(json_object_get(schema, "minLength"));
    char        text[300];

    if (strcmp(format, "uuid") == 0)
        return json_string("0192f7c1-0000-7000-8000-0000000000aa");
    if (strcmp(format, "date") == 0)
        return json_string("2030-01-01");
    if (strcmp(format, "email") == 0)
        return json_string("a@example.com");
    if (strcmp(name, "phone_e164") == 0)
        return json_string("+79160000000");
    assert_true(least < (json_int_t)sizeof(text));
    (void)snprintf(text, sizeof(text), "%0*d", least < 1 ? 1 : (int)least, 1);
    return json_string(text);
}

/* The least that fits; what is more than that needs an example in the contract. */
static json_t *
make_value(const json_t *schema, const char *name)
{
    const json_t *type;
    const char   *kind;

    schema = resolve(schema);
    if (json_object_get(schema, "const") != NULL)
        return json_deep_copy(json_object_get(schema, "const"));
    if (json_object_get(schema, "enum") != NULL)
        return json_deep_copy(json_array_get(json_object_get(schema, "enum"), 0));
    if (json_object_get(schema, "oneOf") != NULL)
        return make_value(json_array_get(json_object_get(schema, "oneOf"), 0), name);
    type = json_object_get(schema, "type");
    kind =
        json_is_array(type) ? json_string_value(json_array_get(type, 0)) : json_string_value(type);
    assert_non_null(kind);
    if (strcmp(kind, "object") == 0)
        return make_object(schema);
    if (strcmp(kind, "string") == 0)
        return make_string(schema, name);
    if (strcmp(kind, "integer") == 0) {
        json_int_t least = json_integer_value(json_object_get(schema, "minimum"));

        return json_integer(least > 0 ? least : 0);
    }
    if (strcmp(kind, "boolean") == 0)
        return json_true();
    if (strcmp(kind, "array") == 0) {
        json_t    *out = json_array();
        json_int_t least = json_integer_value(json_object_get(schema, "minItems"));

        for (json_int_t i = 0; i < least; i++)
            (void)json_array_append_new(out, make_value(json_object_get(schema, "items"), name));
        return out;
    }
    fail_msg("no value of the type %s can be made", kind);
    return NULL;
}

/* A body that its contract takes: the first example, else one that is made. */
static json_t *
right_body(const route *r)
{
    const json_t *content =
        json_object_get(json_object_get(json_object_get(r->operation, "requestBody"), "content"),
                        "application/json");
    const json_t *example = json_object_get(
        json_object_get(json_object_get(content, "examples"), "example_1"), "value");

    if (example != NULL)
        return json_deep_copy(example);
    return content == NULL ? json_object() : make_value(json_object_get(content, "schema"), "");
}

static char *
right_text(const route *r)
{
    json_t *body = right_body(r);
    char   *text = json_dumps(body, JSON_COMPACT);

    json_decref(body);
    assert_non_null(text);
    return text;
}

/* --- what the log has ------------------------------------------------------------------------- */

static long long
number_of(const char *sql)
{
    char      url[2048];
    PGconn   *conn;
    PGresult *res;
    long long out;

    tests_shina_database_url(shina, url);
    conn = PQconnectdb(url);
    res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    out = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    PQfinish(conn);
    return out;
}

/* Events in all logs. */
static long long
all_events(void)
{
    static const char sql[] =
        "select sum((xpath('/row/n/text()', query_to_xml(format('select coalesce(sum(head), 0) as n"
        " from %I.partitions', name), false, true, '')))[1]::text::bigint) from shina.domains";
    const struct timespec a_moment = {.tv_nsec = 300000000};
    long long             before = number_of(sql), now;

    for (;; before = now) { /* what the world set off goes on for a moment */
        (void)nanosleep(&a_moment, NULL);
        now = number_of(sql);
        if (now == before)
            return now;
    }
}

/* --- the walk ----------------------------------------------------------------------------------
 */

static void
ask_without(const route *r)
{
    char broken[4200];

    (void)snprintf(broken, sizeof(broken), "%s", callers[0].token);
    broken[strlen(broken) - 3] = broken[strlen(broken) - 3] == 'A' ? 'B' : 'A';
    switch (r->rule->kind) {
    case BY_ROLE:
    case ANY:
        expect(r, "nobody", ask(r, NULL, NO_ID, "", BODY), 401, "UNAUTHENTICATED");
        expect(r, "a broken token", ask(r, broken, NO_ID, "", BODY), 401, "UNAUTHENTICATED");
        return;
    case OPEN:
        expect(r, "nobody", ask(r, NULL, "no-such.json", "", NULL), has_id(r) ? 404 : 200, NULL);
        return;
    case ANONYMOUS:
        expect(r, "nobody", ask(r, NULL, "", "", BODY), 422, "INVALID");
        expect(r, "a broken token", ask(r, broken, "", "", BODY), 422, "INVALID");
        return;
    case SIGNED:
        expect(r, "nobody", ask(r, NULL, NO_ID, "", BODY), 404, "NOT_FOUND");
        expect(r, "ADMIN", ask(r, callers[0].token, NO_ID, "", BODY), 404, "NOT_FOUND");
        return;
    }
}

static void
ask_as(const route *r, const caller *who)
{
    bool may = r->rule->may[who->column] != NO;

    if (!may) {
        expect(r, who->name, ask(r, who->token, NO_ID, is_get(r) ? "?limit=none" : "", BODY), 403,
               "FORBIDDEN");
        return;
    }
    if (has_id(r))
        expect(r, who->name, ask(r, who->token, NO_ID, "", BODY), 404, "NOT_FOUND");
    else if (is_get(r))
        expect(r, who->name, ask(r, who->token, NO_ID, "", NULL), 200, NULL);
    else
        expect(r, who->name, ask(r, who->token, NO_ID, "", BODY), 422, "INVALID");
}

static void
visit_with_rubbish(const route *r)
{
    rule_of(r->method, r->path)->met = true;
    ask_without(r);
    if (r->rule->kind == BY_ROLE)
        for (int i = 0; i < CALLERS; i++)
            ask_as(r, &callers[i]);
}

/* What the edge adds by itself is published too, and by the rule that the table names. */
static void
check_own(const edge_own_route *own)
{
    static const rule_kind kinds[] = {[EDGE_RULE_OPEN] = OPEN,
                                      [EDGE_RULE_ANONYMOUS] = ANONYMOUS,
                                      [EDGE_RULE_SIGNED] = SIGNED,
                                      [EDGE_RULE_TOKEN] = ANY,
                                      [EDGE_RULE_OFFICE] = BY_ROLE};
    const rule            *of = rule_of(own->method, own->path);

    assert_true(own->rule > EDGE_RULE_NONE && own->rule < EDGE_RULE_ROLES);
    if (!of->met || of->kind != kinds[own->rule])
        fail_msg("%s %s: is not published, or by another rule", own->method, own->path);
}

static void
test_who_may_not_is_told_first(void **state)
{
    long long before = all_events();

    (void)state;
    each_route(visit_with_rubbish);
    assert_true(all_events() == before);
    for (int i = 0; i < rules_count; i++)
        if (!rules[i].met && strcmp(rules[i].method, "FEED") != 0)
            fail_msg("%s %s has a row in roles.txt, and is not published", rules[i].method,
                     rules[i].path);
    for (int i = 0; i < edge_own_routes_count; i++)
        check_own(&edge_own_routes[i]);
    for (int i = 0; i < edge_login_routes_count; i++)
        check_own(&edge_login_routes[i]);
}

/* --- feeds --------------------------------------------------------------------------------------
 */

static const json_t *
domains(void)
{
    const json_t *get = json_object_get(
        json_object_get(json_object_get(openapi, "paths"), "/api/v1/events/{domain}"), "get");

    return json_object_get(
        json_object_get(json_array_get(json_object_get(get, "parameters"), 0), "schema"), "enum");
}

static void
ask_feed(const rule *of, const char *token, const char *who, bool may)
{
    static const tests_feed_way ways[] = {TESTS_FEED_SSE, TESTS_FEED_SOCKET,
                                          TESTS_FEED_BROWSER_SOCKET};
    route                       r = {.method = "GET", .path = "/api/v1/events/{domain}"};
    long                        refused = token == NULL ? 401 : 403;

    expect(&r, who, ask(&r, token, of->path, "", NULL), may ? 200 : refused, NULL);
    expect(&r, who, ask(&r, token, of->path, "?after=rubbish", NULL), may ? 422 : refused, NULL);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        long        status = 0;
        tests_feed *feed =
            tests_feed_open(&(tests_feed_options){.url = tests_shina_url(shina),
                                                  .domain = of->path,
                                                  .token = token == NULL ? "" : token,
                                                  .way = ways[i]},
                            &status);

        if ((feed != NULL) != may || (feed == NULL && status != refused))
            fail_msg("the feed of %s by %s, way %zu: %ld", of->path, who, i, status);
        tests_feed_close(feed);
    }
}

static void
test_feeds(void **state)
{
    const json_t *domain;
    size_t        i;
    int           known = 0;

    (void)state;
    json_array_foreach(domains(), i, domain)
    {
        const rule *of = rule_of("FEED", json_string_value(domain));

        ask_feed(of, NULL, "nobody", false);
        for (int k = 0; k < CALLERS; k++)
            ask_feed(of, callers[k].token, callers[k].name, of->may[callers[k].column] != NO);
    }
    for (int k = 0; k < rules_count; k++)
        known += strcmp(rules[k].method, "FEED") == 0;
    assert_int_equal(known, json_array_size(domains()));
}

/* --- the other tenant ---------------------------------------------------------------------------
 */

/* Ids of the collection that a path is below: "/api/v1/trips/{id}/plan" is of /api/v1/trips. */
static json_t *
ids_of(const route *r, const carrier *whose)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%.*s?limit=200", (int)(strstr(r->path, "/{id}") - r->path),
                   r->path);
    return carrier_get(whose, whose->admin, path);
}

/* An item that its own ADMIN reads there. */
static void
find_item(const route *r, const carrier *whose, char id[40])
{
    json_t       *list = ids_of(r, whose);
    const json_t *row;
    size_t        i;

    id[0] = '\0';
    json_array_foreach(json_object_get(list, "items"), i, row)
    {
        const char    *text = carrier_text(row, "id");
        tests_response got;

        if (!is_get(r)) {
            (void)snprintf(id, 40, "%s", text);
            break;
        }
        got = ask(r, whose->admin, text, "", NULL);
        json_decref(got.json);
        if (got.status == 200) {
            (void)snprintf(id, 40, "%s", text);
            break;
        }
    }
    json_decref(list);
    if (id[0] == '\0')
        fail_msg("%s %s: the other tenant has none to try", r->method, r->path);
}

/* Does the item tell its past? */
static bool
has_past(const route *r)
{
    const json_t *parameter;
    size_t        i;

    json_array_foreach(json_object_get(r->operation, "parameters"), i,
                       parameter) if (strcmp(carrier_text(parameter, "$ref"),
                                             "#/components/parameters/AsOf") == 0) return true;
    return false;
}

static int visited;

static void
visit_of_the_other(const route *r)
{
    char id[40], *body;

    if (r->rule->kind != BY_ROLE || strstr(r->path, "/{id}") == NULL)
        return;
    visited++;
    find_item(r, &b, id);
    body = is_get(r) ? NULL : right_text(r);
    for (int i = 0; i < CALLERS; i++) {
        bool may = r->rule->may[callers[i].column] != NO;

        /* One that nobody has is answered alike: so the body is right. */
        if (strstr(r->path, "/open") == NULL)
            expect(r, callers[i].name, ask(r, callers[i].token, NOBODY_ID, "", body),
                   may ? 404 : 403, may ? "NOT_FOUND" : "FORBIDDEN");
        expect(r, callers[i].name, ask(r, callers[i].token, id, "", body), may ? 404 : 403,
               may ? "NOT_FOUND" : "FORBIDDEN");
        if (has_past(r))
            expect(r, callers[i].name,
                   ask(r, callers[i].token, id, "?as_of=2999-01-01T00:00:00Z", NULL),
                   may ? 404 : 403, NULL);
    }
    free(body);
}

static void
test_what_another_tenant_has_is_not_there(void **state)
{
    long long before = all_events();

    (void)state;
    each_route(visit_of_the_other);
    assert_true(visited > 100);
    assert_true(all_events() == before);
}

/* No list has a row of the other's, whatever is asked for. */
static void
visit_lists(const route *r)
{
    char          path[300];
    json_t       *theirs, *ours;
    const json_t *row, *other;
    size_t        i, k;

    if (!is_get(r) || has_id(r) || r->rule->kind != BY_ROLE)
        return;
    path_with(r, "", "?limit=200", path);
    theirs = carrier_get(&b, b.admin, path);
    ours = carrier_get(&a, a.admin, path);
    if (strstr(r->path, "/late") == NULL && json_array_size(json_object_get(theirs, "items")) == 0)
        fail_msg("%s: the other tenant has no row", r->path);
    json_array_foreach(json_object_get(theirs, "items"), i, row) json_array_foreach(
        json_object_get(ours, "items"), k,
        other) if (strcmp(carrier_text(row, "id"), carrier_text(other, "id")) == 0 &&
                   json_equal(row, other))
        fail_msg("%s: both see %s", r->path, carrier_text(row, "id"));
    json_decref(theirs);
    json_decref(ours);
}

static void
test_lists_are_of_one_tenant(void **state)
{
    (void)state;
    each_route(visit_lists);
}

/* Whole feeds, page after page: as many events as the log has of the tenant, and none of others. */
static void
test_feeds_are_of_one_tenant(void **state)
{
    const json_t *domain, *event;
    size_t        i, k;

    (void)state;
    json_array_foreach(domains(), i, domain)
    {
        const char *name = json_string_value(domain);
        char        path[600], cursor[400] = "", sql[300];
        long long   count = 0, page;

        do {
            json_t *batch;

            (void)snprintf(path, sizeof(path), "/api/v1/events/%s?limit=1000%s%s", name,
                           cursor[0] == '\0' ? "" : "&after=", cursor);
            batch = carrier_get(&a, a.admin, path);
            page = 0;
            json_array_foreach(json_is_array(batch) ? batch : json_object_get(batch, "events"), k,
                               event)
            {
                assert_string_equal(carrier_text(event, "tenant"), TENANT_A);
                page++;
            }
            count += page;
            (void)snprintf(cursor, sizeof(cursor), "%s", carrier_text(batch, "cursor"));
            json_decref(batch);
        } while (page > 0 && cursor[0] != '\0');
        (void)snprintf(sql, sizeof(sql), "select count(*) from %s.events where tenant = '%s'", name,
                       TENANT_A);
        if (count != number_of(sql))
            fail_msg("%s: %lld events, not %lld", name, count, number_of(sql));
    }
}

/* --- batches
 * --------------------------------------------------------------------------------------- */

static char       *lines;
static size_t      lines_bytes;
static FILE       *lines_file;
static const rule *line_rules[RULES_MAX];
static int         line_count;

/* A line for each command, on what the other tenant has. */
static void
add_line(const route *r)
{
    char    id[40];
    json_t *line;

    if (r->rule->kind != BY_ROLE || is_get(r))
        return;
    line = json_pack("{s:s,s:o}", "command", carrier_text(r->operation, "operationId"), "data",
                     right_body(r));
    if (has_id(r)) {
        find_item(r, &b, id);
        (void)json_object_set_new(line, "id", json_string(id));
    } else {
        (void)json_object_set_new(json_object_get(line, "data"), "no_such_member", json_true());
    }
    assert_int_equal(json_dumpf(line, lines_file, JSON_COMPACT), 0);
    (void)fputc('\n', lines_file);
    line_rules[line_count++] = r->rule;
    json_decref(line);
}

/* Line by line: the answer to one is JSON. */
static void
check_batch(const caller *who)
{
    static const char *const headers[] = {"Content-Type: application/x-ndjson", NULL};
    const char              *at = lines;

    for (int i = 0; i < line_count; i++) {
        const char    *end = strchr(at, '\n');
        bool           may = line_rules[i]->may[who->column] != NO;
        bool           is_new = strchr(line_rules[i]->path, '{') == NULL;
        long           status;
        tests_response r = tests_shina_ask(shina, &(tests_request){.method = "POST",
                                                                   .path = "/api/v1/batch",
                                                                   .token = who->token,
                                                                   .body = at,
                                                                   .body_bytes = (size_t)(end - at),
                                                                   .headers = headers,
                                                                   .raw_content_type = true});

        assert_int_equal(r.status, 200);
        status = (long)json_integer_value(json_object_get(r.json, "status"));
        if (status != (may ? (is_new ? 422 : 404) : 403))
            fail_msg("a line %s by %s: %ld %s", line_rules[i]->path, who->name, status,
                     carrier_text(r.json, "code"));
        json_decref(r.json);
        at = end + 1;
    }
}

static void
test_batches(void **state)
{
    long long before;

    (void)state;
    lines_file = open_memstream(&lines, &lines_bytes);
    assert_non_null(lines_file);
    each_route(add_line);
    assert_int_equal(fclose(lines_file), 0);
    assert_true(line_count > 80);
    before = all_events();
    for (int i = 0; i < CALLERS; i++)
        check_batch(&callers[i]);
    assert_true(all_events() == before);
    free(lines);
}

/* --- a suspended tenant
 * ------------------------------------------------------------------------------ */

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until all edges say so. */
static void
await_suspension(const char *token)
{
    int64_t began = now_ms();
    int     in_a_row = 0;

    while (in_a_row < 4 && now_ms() - began < PATIENCE_MS) {
        tests_response r = tests_shina_post(shina, token, "/api/v1/users", "{'email':'no'}");

        in_a_row = r.status == 403 ? in_a_row + 1 : 0;
        json_decref(r.json);
    }
    assert_int_equal(in_a_row, 4);
}

/* What one has to say to read at all, and to stop reading. */
static bool
is_about_reading(const route *r)
{
    static const char *const paths[] = {"/api/v1/auth/login", "/api/v1/auth/refresh",
                                        "/api/v1/auth/logout"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strcmp(r->path, paths[i]) == 0)
            return true;
    return false;
}

static void
ask_suspended(const route *r, const char *who, const char *token)
{
    if (is_get(r) && r->rule->kind == BY_ROLE)
        expect(r, who, ask(r, token, NO_ID, "", NULL), has_id(r) ? 404 : 200, NULL);
    else if (!is_get(r) && (r->rule->kind == BY_ROLE || r->rule->kind == ANY) &&
             !is_about_reading(r))
        expect(r, who, ask(r, token, NO_ID, "", BODY), 403, "TENANT_SUSPENDED");
}

static void
visit_suspended(const route *r)
{
    ask_suspended(r, "a session", b.session);
    ask_suspended(r, "a token of no session", b.admin);
}

static void
test_a_suspended_tenant_reads_only(void **state)
{
    char     *operator_is = carrier_token(&b, "ADMIN", "tenants.manage", NULL);
    long long before;

    (void)state;
    carrier_must(&b, operator_is, NULL, "/api/v1/tenants/" TENANT_B "/suspend",
                 "{'reason':'unpaid'}");
    await_suspension(b.admin);
    await_suspension(b.session);
    before = all_events();
    each_route(visit_suspended);
    assert_true(all_events() == before);
    carrier_must(&b, operator_is, NULL, "/api/v1/tenants/" TENANT_B "/activate", "{}");
    free(operator_is);
}

/* --- the whole
 * ------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
    const char    *drivers[] = {[NO_DRIVER] = NULL, [NOBODY] = NOBODY_ID};
    tests_response document;

    (void)state;
    read_rules();
    if (setenv("SHINA_LOGIN_RATE", "1000", 1) != 0 || setenv("SHINA_BCRYPT_COST", "10", 1) != 0)
        return -1;
    shina = tests_shina_start();
    carrier_open(&a, shina, TENANT_A, 1);
    carrier_open(&b, shina, TENANT_B, 2);
    drivers[THE_DRIVER] = a.drivers[0].id;
    for (int i = 0; i < CALLERS; i++)
        callers[i].token =
            carrier_token(&a, callers[i].role, callers[i].grant, drivers[callers[i].driver]);
    document = tests_shina_get(shina, NULL, "/openapi.json");
    openapi = document.json;
    return document.status == 200 ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < CALLERS; i++)
        free(callers[i].token);
    carrier_close(&a);
    carrier_close(&b);
    json_decref(openapi);
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_not_is_told_first),
        cmocka_unit_test(test_feeds),
        cmocka_unit_test(test_what_another_tenant_has_is_not_there),
        cmocka_unit_test(test_lists_are_of_one_tenant),
        cmocka_unit_test(test_feeds_are_of_one_tenant),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_a_suspended_tenant_reads_only),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
