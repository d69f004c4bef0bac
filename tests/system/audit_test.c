/* audit_test.c - the audit of a whole shina: what is noted is found by who, what, when and where,
 * by those who may; and whatever is done to it behind our back is found by `shina audit verify`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/str.h"
#include "tests/support/shina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define CROWD "33333333-3333-4333-8333-333333333333"
#define PASSWORD "kr7-wolke-zimt"
#define EMAIL "anna@example.com"
#define AGENT "audit-test/1.0 (\"quoted\\\")"
#define SPECS                                                                                \
    "{'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'tank_ml':80000,'fuel':'DIESEL'," \
    "'norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500,'wear_kop_km':350,"            \
    "'fixed_kop_day':250000}"
#define PATIENCE_MS 10000

static tests_shina *shina;
static char        *admin, *dispatcher, *stranger, *viewer;
static char         anna[64], vehicle[64], driver[64];

/* --- requests ------------------------------------------------------------ */

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static void
pause_ms(int ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
                    NULL);
}

/* With our user agent; single quotes stand for double ones. */
static tests_response
ask(const char *method, const char *token, const char *path, const char *body)
{
    static const char *const headers[] = {"User-Agent: " AGENT, NULL};
    char                     text[2000];

    (void)snprintf(text, sizeof(text), "%s", body == NULL ? "" : body);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    return tests_shina_ask(shina, &(tests_request){.method = method,
                                                   .path = path,
                                                   .token = token,
                                                   .body = body == NULL ? NULL : text,
                                                   .headers = headers});
}

static long
status_of(tests_response r)
{
    json_decref(r.json);
    return r.status;
}

static void
make(const char *token, const char *path, const char *body, char id[64])
{
    tests_response r = ask("POST", token, path, body);

    if (r.status != 201)
        fail_msg("%s: %ld %s %s", path, r.status, text_of(r.json, "code"),
                 text_of(r.json, "detail"));
    (void)snprintf(id, 64, "%s", text_of(r.json, "id"));
    json_decref(r.json);
}

static tests_response
log_in(const char *password)
{
    char body[400];

    (void)snprintf(body, sizeof(body),
                   "{'tenant':'" TENANT "','email':'" EMAIL "','password':'%s'}", password);
    return ask("POST", NULL, "/api/v1/auth/login", body);
}

/* --- the audit ----------------------------------------------------------- */

/* The rows of a search; the caller frees it. */
static json_t *
search(const char *token, const char *query)
{
    char           path[600];
    tests_response r;
    json_t        *items;

    (void)snprintf(path, sizeof(path), "/api/v1/audit?%s", query);
    r = ask("GET", token, path, NULL);
    if (r.status != 200)
        fail_msg("%s: %ld %s", path, r.status, text_of(r.json, "code"));
    items = json_incref(json_object_get(r.json, "items"));
    assert_true(json_is_array(items));
    json_decref(r.json);
    return items;
}

/* The newest row of a search, once it is there: notes are written by and by. */
static json_t *
found(const char *token, const char *query)
{
    json_t *items, *first;

    for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
        items = search(token, query);
        if (json_array_size(items) > 0) {
            first = json_incref(json_array_get(items, 0));
            json_decref(items);
            return first;
        }
        json_decref(items);
        pause_ms(20);
    }
    fail_msg("nothing is found by %s", query);
    return NULL;
}

static void
expect_row(json_t *row, const char *type, const char *outcome, const char *code, const char *actor)
{
    assert_string_equal(text_of(row, "type"), type);
    assert_string_equal(text_of(row, "outcome"), outcome);
    assert_string_equal(text_of(row, "code"), code);
    if (actor != NULL)
        assert_string_equal(text_of(row, "actor"), actor);
    assert_string_equal(text_of(row, "agent"), AGENT);
    assert_int_equal(strncmp(text_of(row, "address"), "127.0.0.", 8), 0);
    assert_int_equal(strlen(text_of(row, "hash")), 64);
}

/* What the verb prints; the caller frees it. */
static char *
verify(const char *tenant, const char *anchors, int *exit_code)
{
    const char *args[8] = {"audit", "verify"};
    int         count = 2;

    if (tenant != NULL) {
        args[count++] = "--tenant";
        args[count++] = tenant;
    }
    if (anchors != NULL) {
        args[count++] = "--anchors";
        args[count++] = anchors;
    }
    return tests_shina_verb(shina, args, exit_code);
}

static void
expect_whole(void)
{
    int   exit_code = -1;
    char *said = verify(NULL, NULL, &exit_code);

    if (exit_code != 0 || strstr(said, " 0 faults") == NULL)
        fail_msg("%s", said);
    free(said);
}

/* `fault` is among what is said of the tenant's row. */
static void
expect_fault(const char *tenant, const char *anchors, long long seq, const char *words)
{
    char  line[200];
    int   exit_code = -1;
    char *said = verify(NULL, anchors, &exit_code);

    (void)snprintf(line, sizeof(line), "FAULT AUDIT tenant %s row %lld: %s", tenant, seq, words);
    if (exit_code != 1 || strstr(said, line) == NULL)
        fail_msg("exit code %d, no \"%s\" in: %s", exit_code, line, said);
    free(said);
}

/* As one who may do everything. The number of rows that it touched or gave; value: the first. */
static int sql(char value[200], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int
sql(char value[200], const char *format, ...)
{
    char      url[2048], text[1500];
    va_list   args;
    PGconn   *conn;
    PGresult *res;
    int       rows;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tests_shina_database_url(shina, url);
    conn = PQconnectdb(url);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    res = PQexec(conn, text);
    if (PQresultStatus(res) == PGRES_TUPLES_OK) {
        rows = PQntuples(res);
        if (rows > 0 && value != NULL)
            (void)snprintf(value, 200, "%s", PQgetvalue(res, 0, 0));
    } else if (PQresultStatus(res) == PGRES_COMMAND_OK) {
        rows = (int)strtol(PQcmdTuples(res), NULL, 10);
    } else {
        rows = -1;
        if (value != NULL)
            (void)snprintf(value, 200, "%s", PQresultErrorMessage(res));
    }
    PQclear(res);
    PQfinish(conn);
    return rows;
}

/* --- stories ------------------------------------------------------------- */

static void
test_an_accepted_command(void **state)
{
    char    query[200];
    json_t *row, *detail;

    (void)state;
    make(admin, "/api/v1/vehicles",
         "{'plate':'A123BC77','vin':'XTA210990Y1234567','specs':" SPECS ",'odometer_m':1000}",
         vehicle);
    (void)snprintf(query, sizeof(query), "entity=%s&outcome=ACCEPTED", vehicle);
    row = found(admin, query);
    expect_row(row, "vehicles.register", "ACCEPTED", "", NULL);
    assert_string_equal(text_of(row, "action"), "COMMAND");
    assert_string_equal(text_of(row, "domain"), "vehicles");
    detail = json_object_get(row, "detail");
    assert_int_equal(strncmp(text_of(detail, "position"), "vehicles:", 9), 0);
    assert_int_equal(json_integer_value(json_object_get(detail, "version")), 1);
    json_decref(row);
}

static void
test_what_was_refused(void **state)
{
    char    path[200], query[200];
    json_t *row;

    (void)state;
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", vehicle);
    assert_int_equal(status_of(ask("POST", admin, path, "{'odometer_m':1,'source':'DRIVER'}")),
                     409);
    (void)snprintf(query, sizeof(query), "entity=%s&outcome=REFUSED", vehicle);
    row = found(admin, query);
    expect_row(row, "vehicles.record_odometer", "REFUSED", "VEHICLE_ODOMETER_BACK", NULL);
    json_decref(row);

    assert_int_equal(status_of(ask("POST", viewer, path, "{'odometer_m':2000,'source':'DRIVER'}")),
                     403);
    row = found(admin, "code=FORBIDDEN");
    expect_row(row, "vehicles.record_odometer", "REFUSED", "FORBIDDEN", NULL);
    assert_string_equal(text_of(row, "entity"), vehicle);
    json_decref(row);

    assert_int_equal(status_of(ask("POST", admin, "/api/v1/vehicles", "{'plate':7}")), 422);
    row = found(admin, "code=INVALID");
    expect_row(row, "vehicles.register", "REFUSED", "INVALID", NULL);
    json_decref(row);
}

static void
test_log_ins(void **state)
{
    tests_response r;
    char           query[200];
    json_t        *row;

    (void)state;
    for (int i = 0; i < 200; i++) { /* his row may be a moment behind */
        r = log_in(PASSWORD);
        if (status_of(r) == 200)
            break;
        pause_ms(50);
    }
    assert_int_equal(r.status, 200);
    (void)snprintf(query, sizeof(query), "actor=%s&type=auth.login&outcome=ACCEPTED", anna);
    row = found(admin, query);
    expect_row(row, "auth.login", "ACCEPTED", "", anna);
    json_decref(row);
    assert_int_equal(status_of(log_in("not it")), 401);
    (void)snprintf(query, sizeof(query), "actor=%s&type=auth.login&code=AUTH_FAILED", anna);
    row = found(admin, query);
    expect_row(row, "auth.login", "REFUSED", "AUTH_FAILED", anna);
    json_decref(row);
}

/* A guesser makes no chains of tenants that there are not. */
static void
test_a_tenant_that_is_none(void **state)
{
    char count[200] = "";

    (void)state;
    assert_int_equal(
        status_of(ask("POST", NULL, "/api/v1/auth/login",
                      "{'tenant':'99999999-9999-4999-8999-999999999999','email':'a@b.example',"
                      "'password':'guess'}")),
        401);
    for (int i = 0; i < PATIENCE_MS && strcmp(count, "1") != 0; i += 20) {
        assert_int_equal(sql(count, "select count(*) from audit.entries where tenant ="
                                    " '00000000-0000-0000-0000-000000000000'"),
                         1);
        pause_ms(20);
    }
    assert_string_equal(count, "1");
    assert_int_equal(sql(NULL, "select from audit.heads where tenant ="
                               " '99999999-9999-4999-8999-999999999999'"),
                     0);
}

static void
test_reads_of_personal_data(void **state)
{
    char    path[200], query[200];
    json_t *row;

    (void)state;
    make(admin, "/api/v1/drivers", "{'full_name':'Пётр Седов','phone_e164':'+79161234567'}",
         driver);
    (void)snprintf(path, sizeof(path), "/api/v1/drivers/%s", driver);
    for (int i = 0; i < 200 && status_of(ask("GET", dispatcher, path, NULL)) != 200; i++)
        pause_ms(20);
    (void)snprintf(query, sizeof(query), "entity=%s&action=READ", driver);
    row = found(admin, query);
    expect_row(row, "drivers", "ACCEPTED", "", NULL);
    json_decref(row);
    assert_int_equal(status_of(ask("GET", admin, "/api/v1/drivers?limit=10", NULL)), 200);
    for (int i = 0; i < 200; i++) {
        row = found(admin, "type=drivers&action=READ");
        if (text_of(row, "entity")[0] == '\0')
            break;
        json_decref(row);
        pause_ms(20);
    }
    assert_int_equal(json_integer_value(json_object_get(json_object_get(row, "detail"), "rows")),
                     1);
    json_decref(row);

    /* A vehicle is no person. */
    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s", vehicle);
    assert_int_equal(status_of(ask("GET", admin, path, NULL)), 200);
    /* To look at the audit is to read of persons. */
    json_decref(found(admin, "type=audit&action=READ"));
    row = search(admin, "type=vehicles&action=READ");
    assert_int_equal(json_array_size(row), 0);
    json_decref(row);
}

static void
test_who_may_look(void **state)
{
    json_t *rows, *row;
    size_t  i;
    char    own[64];

    (void)state;
    assert_int_equal(status_of(ask("GET", viewer, "/api/v1/audit", NULL)), 403);
    assert_int_equal(status_of(ask("GET", NULL, "/api/v1/audit", NULL)), 401);
    assert_int_equal(status_of(ask("GET", admin, "/api/v1/audit?colour=red", NULL)), 422);
    assert_int_equal(status_of(ask("GET", admin, "/api/v1/audit?entity=x", NULL)), 422);

    /* A dispatcher what he did himself. */
    row = found(dispatcher, "type=drivers");
    (void)snprintf(own, sizeof(own), "%s", text_of(row, "actor"));
    json_decref(row);
    rows = search(dispatcher, "limit=200");
    json_array_foreach(rows, i, row) assert_string_equal(text_of(row, "actor"), own);
    json_decref(rows);

    /* Another tenant nothing of it. */
    rows = search(stranger, "limit=200");
    json_array_foreach(rows, i, row) assert_string_equal(text_of(row, "type"), "audit");
    json_decref(rows);
}

/* The row of a search with what it changed; the caller decrefs it. */
static json_t *
read_found(const char *token, const char *query)
{
    json_t        *row = found(token, query);
    char           path[200];
    tests_response r;

    (void)snprintf(path, sizeof(path), "/api/v1/audit/%lld",
                   (long long)json_integer_value(json_object_get(row, "seq")));
    json_decref(row);
    r = ask("GET", token, path, NULL);
    assert_int_equal(r.status, 200);
    return r.json;
}

static size_t
rows_of(const char *query)
{
    json_t      *rows = search(admin, query);
    const size_t count = json_array_size(rows);

    json_decref(rows);
    return count;
}

static void
await_rows(const char *query, size_t wanted)
{
    for (int i = 0; i < 500; i++) {
        if (rows_of(query) == wanted)
            return;
        pause_ms(20);
    }
    fail_msg("there are not %zu rows of %s", wanted, query);
}

/* They come from the events; of a person, opened, and only as long as his key is there. */
static void
test_before_and_after(void **state)
{
    char    path[200], query[200];
    json_t *row;

    (void)state;
    (void)snprintf(query, sizeof(query), "entity=%s&outcome=ACCEPTED&type=vehicles.register",
                   vehicle);
    row = read_found(admin, query);
    assert_string_equal(text_of(row, "view"), "vehicles");
    assert_true(json_is_null(json_object_get(row, "before")));
    assert_string_equal(text_of(json_object_get(row, "after"), "plate"), "A123BC77");
    json_decref(row);

    (void)snprintf(path, sizeof(path), "/api/v1/vehicles/%s/odometer", vehicle);
    (void)snprintf(query, sizeof(query), "entity=%s&outcome=ACCEPTED&type=vehicles.record_odometer",
                   vehicle);
    for (int m = 3000; m <= 4000; m += 1000) {
        char body[100];

        (void)snprintf(body, sizeof(body), "{'odometer_m':%d,'source':'DRIVER'}", m);
        assert_int_equal(status_of(ask("POST", admin, path, body)), 200);
        await_rows(query, (size_t)m / 1000 - 2); /* of two edges either may note first */
    }
    row = read_found(admin, query);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(row, "before"), "odometer_m")), 3000);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(row, "after"), "odometer_m")), 4000);
    json_decref(row);

    (void)snprintf(query, sizeof(query), "entity=%s&type=drivers.hire", driver);
    row = read_found(admin, query);
    assert_string_equal(text_of(json_object_get(row, "after"), "full_name"), "Пётр Седов");
    json_decref(row);
    row = read_found(admin, "outcome=REFUSED");
    assert_null(json_object_get(row, "after"));
    json_decref(row);
    assert_int_equal(status_of(ask("GET", admin, "/api/v1/audit/1000000", NULL)), 404);
    assert_int_equal(status_of(ask("GET", admin, "/api/v1/audit/x", NULL)), 404);
    assert_int_equal(status_of(ask("GET", stranger, "/api/v1/audit/5", NULL)), 404);
    assert_int_equal(status_of(ask("GET", viewer, "/api/v1/audit/5", NULL)), 403);
}

static void
test_pages_and_times(void **state)
{
    char           path[200], query[200];
    tests_response first = ask("GET", admin, "/api/v1/audit?limit=2", NULL), second;
    json_t        *row, *rows;
    int64_t        at, seq;

    (void)state;
    assert_int_equal(json_array_size(json_object_get(first.json, "items")), 2);
    row = json_array_get(json_object_get(first.json, "items"), 1);
    seq = json_integer_value(json_object_get(row, "seq"));
    at = json_integer_value(json_object_get(row, "at"));
    (void)snprintf(path, sizeof(path), "/api/v1/audit?limit=2&cursor=%s",
                   text_of(first.json, "next_cursor"));
    second = ask("GET", admin, path, NULL);
    row = json_array_get(json_object_get(second.json, "items"), 0);
    assert_int_equal(json_integer_value(json_object_get(row, "seq")), seq - 1);
    (void)snprintf(query, sizeof(query), "from=%lld&to=%lld", (long long)at, (long long)at + 1);
    json_decref(found(admin, query));
    rows = search(admin, "to=2001-01-01T00:00:00Z");
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
    json_decref(first.json);
    json_decref(second.json);
}

/* --- what is done to it -------------------------------------------------- */

#define OFF "set session_replication_role = replica; " /* the triggers, as a superuser can */

static void
test_nothing_changes_it(void **state)
{
    char error[200];

    (void)state;
    expect_whole();
    assert_int_equal(sql(error, "update audit.entries set outcome = 'ACCEPTED' where seq = 2"), -1);
    assert_non_null(strstr(error, "only added to"));
    assert_int_equal(sql(error, "delete from audit.entries where seq = 2"), -1);
    assert_int_equal(sql(error, "truncate audit.entries"), -1);
    assert_int_equal(sql(error, "set role shina_edge; update audit.entries set outcome = ''"), -1);
    assert_int_equal(sql(error, "set role shina_edge; insert into audit.heads values"
                                " (gen_random_uuid(), 1, '')"),
                     -1);
    expect_whole();
}

static void
test_a_changed_row_is_found(void **state)
{
    (void)state;
    assert_int_equal(sql(NULL, OFF "update audit.entries set actor = gen_random_uuid()"
                                   " where tenant = '" TENANT "' and seq = 3"),
                     1);
    expect_fault(TENANT, NULL, 3, "it was changed");
}

static void
test_a_changed_address_is_found(void **state)
{
    (void)state;
    expect_whole();
    assert_int_equal(sql(NULL, OFF "update audit.entries set address = '10.0.0.1'"
                                   " where tenant = '" TENANT "' and seq = 3"),
                     1);
    expect_fault(TENANT, NULL, 3, "its address or user agent was changed");
}

/* As if its actor had been forgotten. */
static void
test_an_erased_address_is_found(void **state)
{
    (void)state;
    assert_int_equal(sql(NULL, "update audit.entries set salt = null, address = null, agent = null"
                               " where tenant = '" TENANT "' and seq = 3"),
                     1);
    expect_fault(TENANT, NULL, 3,
                 "its address and user agent were erased, and its actor was not forgotten");
}

static void
test_a_missing_row_is_found(void **state)
{
    (void)state;
    assert_int_equal(
        sql(NULL, OFF "delete from audit.entries where tenant = '" TENANT "' and seq = 4"), 1);
    expect_fault(TENANT, NULL, 4, "missing, up to 4");
}

static void
test_a_missing_end_is_found(void **state)
{
    char last[200];

    (void)state;
    assert_int_equal(sql(last, "select max(seq) from audit.entries where tenant = '" TENANT "'"),
                     1);
    assert_int_equal(
        sql(NULL, OFF "delete from audit.entries where tenant = '" TENANT "' and seq = %s", last),
        1);
    expect_fault(TENANT, NULL, strtoll(last, NULL, 10), "missing, and all up to");
}

static void
test_two_that_have_changed_places_are_found(void **state)
{
    (void)state;
    assert_int_equal(sql(NULL, OFF "update audit.entries set seq = case seq when 3 then -4 else -3"
                                   " end where tenant = '" TENANT "' and seq in (3, 4)"),
                     2);
    assert_int_equal(sql(NULL, OFF "update audit.entries set seq = -seq where tenant = '" TENANT
                                   "' and seq < 0"),
                     2);
    expect_fault(TENANT, NULL, 3, "it was changed");
    expect_fault(TENANT, NULL, 4, "it was changed");
}

/* All together, chain and head: then only one who remembers sees it. */
static void
test_a_cut_end_is_found_by_its_anchor(void **state)
{
    char  path[] = "/tmp/shina-anchors-XXXXXX", last[200];
    int   fd = mkstemp(path), exit_code = -1;
    char *said;

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    said = verify(NULL, path, &exit_code);
    assert_int_equal(exit_code, 0);
    free(said);
    said = verify(NULL, path, &exit_code); /* they are still there */
    assert_int_equal(exit_code, 0);
    assert_null(strstr(said, " 0 anchors"));
    free(said);
    assert_int_equal(sql(last, "select max(seq) from audit.entries where tenant = '" TENANT "'"),
                     1);
    assert_int_equal(
        sql(NULL, OFF "delete from audit.entries where tenant = '" TENANT "' and seq = %s", last),
        1);
    assert_int_equal(sql(NULL, OFF "update audit.heads h set seq = e.seq, hash = e.hash from"
                                   " (select * from audit.entries where tenant = '" TENANT "'"
                                   " order by seq desc limit 1) e where h.tenant = e.tenant"),
                     1);
    expect_whole();
    expect_fault(TENANT, path, strtoll(last, NULL, 10), "missing: the anchor tells of it");
    (void)unlink(path);
}

static void
test_where_from_can_be_erased(void **state)
{
    int     exit_code = -1;
    char   *said, query[200];
    json_t *row;
    size_t  rows;

    (void)state;
    assert_int_equal(sql(NULL, "select keys.forget('" TENANT "', '%s')", anna), 1);
    said = verify(TENANT, NULL, &exit_code);
    assert_int_equal(exit_code, 0);
    assert_null(strstr(said, " 0 without their origin"));
    free(said);
    (void)snprintf(query, sizeof(query), "actor=%s&type=auth.login&code=AUTH_FAILED", anna);
    row = found(admin, query);
    assert_null(json_object_get(row, "address"));
    json_decref(row);
    /* What is noted later, too: the last requests of who is forgotten may come after that. */
    rows = rows_of(query);
    assert_int_equal(status_of(log_in("not it")), 401);
    await_rows(query, rows + 1);
    row = found(admin, query);
    assert_null(json_object_get(row, "address"));
    json_decref(row);
    free(verify(TENANT, NULL, &exit_code));
    assert_int_equal(exit_code, 0);
}

/* Before what is done to it, and after: as it was. */
static int
keep(void **state)
{
    (void)state;
    pause_ms(300); /* what was noted last is written by then */
    return sql(NULL, "create schema kept; create table kept.entries as table audit.entries;"
                     " create table kept.heads as table audit.heads") < 0;
}

static int
put_back(void **state)
{
    (void)state;
    return sql(NULL, OFF "lock table audit.heads in access exclusive mode;" /* a note may come */
                         " delete from audit.entries; insert into audit.entries table kept.entries;"
                         " delete from audit.heads; insert into audit.heads table kept.heads;"
                         " drop schema kept cascade") < 0;
}

/* --- many at once -------------------------------------------------------- */

#define WRITERS 8
#define EACH 60

static void *
write_some(void *context)
{
    char *token = context;

    for (int i = 0; i < EACH; i++) {
        char           body[600];
        tests_response r;

        (void)snprintf(body, sizeof(body), "{'plate':'bad','nr':%d}", i);
        r = ask("POST", token, "/api/v1/vehicles", body);
        json_decref(r.json);
        if (r.status != 422)
            return context; /* not refused */
    }
    return NULL;
}

/* From as many edges as there are: one chain, none missing. */
static void
test_many_make_one_chain(void **state)
{
    pthread_t threads[WRITERS];
    char     *crowd = tests_shina_token(shina, CROWD, "ADMIN", NULL), count[200] = "";
    void     *wrong;

    (void)state;
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, crowd), 0);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    for (int i = 0; i < PATIENCE_MS && strtol(count, NULL, 10) != (long)WRITERS * EACH; i += 50) {
        assert_int_equal(sql(count, "select count(*) from audit.entries where tenant = '" CROWD
                                    "' and code = 'INVALID'"),
                         1);
        pause_ms(50);
    }
    assert_int_equal(strtol(count, NULL, 10), (long)WRITERS * EACH);
    expect_whole();
    free(crowd);
}

/* --- notes that cannot be written -------------------------------------------------------- */

#define FULL_TENANT "44444444-4444-4444-8444-444444444444"
#define LINES 1000
#define BATCHES 40 /* of as many lines, at most: more than may wait */

/* Nobody can write to the audit until the caller ends the transaction. */
static PGconn *
lock_audit(void)
{
    char      url[2048];
    PGconn   *conn;
    PGresult *res;

    tests_shina_database_url(shina, url);
    conn = PQconnectdb(url);
    res = PQexec(conn, "begin; lock table audit.heads in access exclusive mode");
    assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
    PQclear(res);
    return conn;
}

static tests_response
ask_first_edge(const char *method, const char *token, const char *path, const char *body,
               const char *type)
{
    const char *const headers[] = {type, NULL};

    return tests_shina_ask_edge(shina, 0,
                                &(tests_request){.method = method,
                                                 .path = path,
                                                 .token = token,
                                                 .body = body,
                                                 .raw_content_type = true,
                                                 .headers = headers});
}

static long
heads_of_log(void)
{
    char sum[200] = "";

    assert_int_equal(sql(sum, "select sum(head) from vehicles.partitions"), 1);
    return strtol(sum, NULL, 10);
}

/* Batches of lines that are refused, each of them noted, until no more are taken: how many. */
static long
fill_audit(const char *token)
{
    static const char line[] = "{\"command\":\"vehicles.register\",\"data\":{\"plate\":7}}\n";
    bus_buf           lines = {0};
    long              taken = 0, status = 200;

    for (int i = 0; i < LINES; i++)
        bus_buf_add_text(&lines, line);
    for (int i = 0; i < BATCHES && status == 200; i++) {
        status = status_of(ask_first_edge("POST", token, "/api/v1/batch", lines.at,
                                          "Content-Type: application/x-ndjson"));
        taken += status == 200 ? LINES : 0;
    }
    bus_buf_fini(&lines);
    assert_int_equal(status, 503);
    return taken;
}

/* What cannot be noted is not done; once it can be, nothing that was answered is missing. */
static void
test_a_full_audit_stops_work(void **state)
{
    static const char good[] =
        "{\"plate\":\"B777BB77\",\"vin\":\"XTA210990Y7654321\",\"odometer_m\":1,"
        "\"specs\":{\"class\":\"VAN\",\"payload_g\":1500000,\"cargo_ml\":9000000,"
        "\"tank_ml\":80000,\"fuel\":\"DIESEL\",\"norm_summer_ml_100km\":9500,"
        "\"norm_winter_ml_100km\":10500,\"wear_kop_km\":350,"
        "\"fixed_kop_day\":250000}}";
    static const char json[] = "Content-Type: application/json";
    char             *token = tests_shina_token(shina, FULL_TENANT, "ADMIN", NULL);
    char              count[200] = "";
    long              before, taken, status = 0;
    PGconn           *locked;
    tests_response    r;

    (void)state;
    before = heads_of_log();
    locked = lock_audit();
    taken = fill_audit(token);
    print_message("%ld notes waited\n", taken);
    r = ask_first_edge("POST", token, "/api/v1/vehicles", good, json);
    assert_int_equal(r.status, 503);
    assert_string_equal(text_of(r.json, "code"), "OVERLOADED");
    json_decref(r.json);
    assert_int_equal(status_of(ask_first_edge("GET", token, "/api/v1/vehicles", NULL, json)), 503);
    assert_int_equal(status_of(ask_first_edge("GET", NULL, "/healthz", NULL, json)), 200);
    assert_true(heads_of_log() == before);
    PQfinish(locked);
    for (int i = 0; i < PATIENCE_MS && status != 201; i += 20) {
        status = status_of(ask_first_edge("POST", token, "/api/v1/vehicles", good, json));
        assert_true(status == 201 || status == 503);
        pause_ms(20);
    }
    assert_int_equal(status, 201);
    for (int i = 0; i < PATIENCE_MS && strtol(count, NULL, 10) < taken; i += 50) {
        assert_int_equal(sql(count, "select count(*) from audit.entries where tenant ="
                                    " '" FULL_TENANT "' and code = 'INVALID'"),
                         1);
        pause_ms(50);
    }
    assert_int_equal(strtol(count, NULL, 10), taken);
    expect_whole();
    free(token);
}

/* Killed while notes are written, again and again: the chains hold. */
static void
test_a_killed_edge_breaks_no_chain(void **state)
{
    char *crowd = tests_shina_token(shina, CROWD, "ADMIN", NULL);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int nth = 0; nth < tests_shina_processes(shina); nth++) {
            const char *name = tests_shina_process_name(shina, nth);
            pthread_t   thread;
            void       *wrong;

            if (strncmp(name, "edge", 4) != 0 && strcmp(name, "run") != 0)
                continue;
            assert_int_equal(pthread_create(&thread, NULL, write_some, crowd), 0);
            pause_ms(20 + 30 * round);
            tests_shina_kill(shina, nth);
            assert_int_equal(pthread_join(thread, &wrong), 0); /* some found nobody */
            tests_shina_restart(shina, nth);
            assert_true(tests_shina_wait_ready(shina, 60));
        }
    }
    pause_ms(300);
    expect_whole();
    free(crowd);
}

/* --- the group ----------------------------------------------------------- */

static void
create_admin(void)
{
    const char *args[] = {"admin",  "create", "--tenant",      TENANT,       "--email", EMAIL,
                          "--name", "Анна",   "--tenant-name", "Перевозчик", NULL};
    FILE       *line = tmpfile();
    int         before = dup(STDIN_FILENO);
    char       *out;

    assert_true(line != NULL && before >= 0 && fprintf(line, "%s\n", PASSWORD) > 0);
    rewind(line);
    assert_int_equal(dup2(fileno(line), STDIN_FILENO), STDIN_FILENO);
    out = tests_shina_verb(shina, args, NULL);
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    (void)close(before);
    (void)fclose(line);
    (void)snprintf(anna, sizeof(anna), "%s", out);
    free(out);
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
    create_admin();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    tests_shina_stop(shina);
    free(admin);
    free(dispatcher);
    free(viewer);
    free(stranger);
    return 0;
}

#define TAMPERED(test) cmocka_unit_test_setup_teardown(test, keep, put_back)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_accepted_command),
        cmocka_unit_test(test_what_was_refused),
        cmocka_unit_test(test_log_ins),
        cmocka_unit_test(test_a_tenant_that_is_none),
        cmocka_unit_test(test_reads_of_personal_data),
        cmocka_unit_test(test_who_may_look),
        cmocka_unit_test(test_before_and_after),
        cmocka_unit_test(test_pages_and_times),
        cmocka_unit_test(test_nothing_changes_it),
        TAMPERED(test_a_changed_row_is_found),
        TAMPERED(test_a_changed_address_is_found),
        TAMPERED(test_an_erased_address_is_found),
        TAMPERED(test_a_missing_row_is_found),
        TAMPERED(test_a_missing_end_is_found),
        TAMPERED(test_two_that_have_changed_places_are_found),
        TAMPERED(test_a_cut_end_is_found_by_its_anchor),
        TAMPERED(test_where_from_can_be_erased),
        cmocka_unit_test(test_many_make_one_chain),
        cmocka_unit_test(test_a_full_audit_stops_work),
        cmocka_unit_test(test_a_killed_edge_breaks_no_chain),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
