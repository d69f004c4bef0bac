/* tenancy_test.c - the second wall, in the database: the role by which the edge reads sees the rows
 * of one tenant without a where, and none without a tenant; the role of each domain writes its own
 * schema and reads the logs that its contract follows, and nothing else. All of it is tried, and
 * that the services do work in these roles.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shina.h"
#include "tests/system/carrier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENANT_A "aaaaaaaa-3333-4333-8333-333333333333"
#define TENANT_B "bbbbbbbb-4444-4444-8444-444444444444"
#define DENIED "42501"
#define DOMAINS_MAX 32

static tests_shina *shina;
static carrier      a, b;
static PGconn      *owner; /* makes the tables, passes by all walls */
static json_t      *contracts[DOMAINS_MAX];
static int          contracts_count;

/* --- SQL ------------------------------------------------------------------------------------ */

static PGconn *
connect_as(const char *role)
{
    char    url[2048], sql[128];
    PGconn *conn;

    tests_shina_database_url(shina, url);
    conn = PQconnectdb(url);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    if (role != NULL) {
        (void)snprintf(sql, sizeof(sql), "set session authorization %s", role);
        PQclear(PQexec(conn, sql));
        PQclear(PQexec(conn, "set lock_timeout = '5s'"));
    }
    return conn;
}

static PGresult *rows_of(PGconn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static PGresult *
rows_of(PGconn *conn, const char *format, ...)
{
    char      sql[1024];
    va_list   args;
    PGresult *res;

    va_start(args, format);
    (void)vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    return res;
}

static long long
number_of(PGresult *res)
{
    long long out = strtoll(PQgetvalue(res, 0, 0), NULL, 10);

    PQclear(res);
    return out;
}

/* The SQLSTATE of a statement that is taken back; "" when it may be done. */
static void try_it(PGconn *conn, char state[6], const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
try_it(PGconn *conn, char state[6], const char *format, ...)
{
    char      sql[1024];
    va_list   args;
    PGresult *res;

    va_start(args, format);
    (void)vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    PQclear(PQexec(conn, "begin"));
    res = PQexec(conn, sql);
    (void)snprintf(
        state, 6, "%s",
        PQresultStatus(res) == PGRES_FATAL_ERROR ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : "");
    PQclear(res);
    PQclear(PQexec(conn, "rollback"));
}

static void
expect_done(PGconn *conn, const char *role, bool may, const char *sql)
{
    char state[6];

    try_it(conn, state, "%s", sql);
    if (strcmp(state, may ? "" : DENIED) != 0)
        fail_msg("%s: %s: \"%s\", not \"%s\"", role, sql, state, may ? "" : DENIED);
}

/* --- the edge --------------------------------------------------------------------------------- */

/* Tables and views of our schemas; is there a column tenant? */
static const char all_tables[] =
    "select format('%I.%I', n.nspname, c.relname), exists (select from pg_attribute t"
    " where t.attrelid = c.oid and t.attname = 'tenant'),"
    " has_schema_privilege('shina_edge', n.oid, 'usage')"
    "  and has_table_privilege('shina_edge', c.oid, 'select')"
    " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    " where c.relkind in ('r', 'v', 'm', 'p', 'f') and n.nspname !~ '^pg_'"
    " and n.nspname <> 'information_schema' order by 1";

static void
check_rows(PGconn *edge, const char *table)
{
    long long of_a =
        number_of(rows_of(owner, "select count(*) from %s where tenant = '" TENANT_A "'", table));

    PQclear(rows_of(edge, "reset shina.tenant"));
    if (number_of(rows_of(edge, "select count(*) from %s", table)) != 0)
        fail_msg("%s has rows for nobody", table);
    PQclear(rows_of(edge, "set shina.tenant = ''"));
    if (number_of(rows_of(edge, "select count(*) from %s", table)) != 0)
        fail_msg("%s has rows for an empty tenant", table);
    PQclear(rows_of(edge, "set shina.tenant = '" TENANT_A "'"));
    if (number_of(rows_of(edge, "select count(*) from %s where tenant <> '" TENANT_A "'", table)) !=
        0)
        fail_msg("%s has rows of others", table);
    if (number_of(rows_of(edge, "select count(*) from %s", table)) != of_a)
        fail_msg("%s does not have the tenant's %lld rows", table, of_a);
}

/* What stands behind the view of a log: all events are in it, of both. */
static bool
is_of_a_log(const char *table)
{
    return strstr(table, ".tenant_events") != NULL;
}

static void
test_the_edge_sees_one_tenant_without_a_where(void **state)
{
    PGconn   *edge = connect_as("shina_edge");
    PGresult *tables = rows_of(owner, "%s", all_tables);
    int       seen = 0, logs = 0;

    (void)state;
    for (int i = 0; i < PQntuples(tables); i++) {
        const char *table = PQgetvalue(tables, i, 0);
        bool        has_tenant = PQgetvalue(tables, i, 1)[0] == 't',
             may = PQgetvalue(tables, i, 2)[0] == 't';
        char got[6];

        try_it(edge, got, "select from %s", table);
        assert_string_equal(got, may ? "" : DENIED);
        if (!may)
            continue;
        if (!has_tenant && strcmp(table, "views.registry") != 0)
            fail_msg("the edge reads %s, which has no tenant", table);
        if (has_tenant && !is_of_a_log(table))
            check_rows(edge, table);
        seen += has_tenant;
        logs += is_of_a_log(table);
    }
    assert_true(seen > 40);
    assert_int_equal(logs, contracts_count);
    PQclear(tables);
    PQfinish(edge);
}

/* It is the wall that keeps them out: without it the same query shows them. */
static void
test_without_the_wall_others_are_seen(void **state)
{
    PGconn   *edge = connect_as("shina_edge");
    PGresult *name = rows_of(owner, "select table_name from views.registry where view = 'trips'");
    char      table[128];

    (void)state;
    (void)snprintf(table, sizeof(table), "views.\"%s\"", PQgetvalue(name, 0, 0));
    PQclear(name);
    PQclear(rows_of(edge, "set shina.tenant = '" TENANT_A "'"));
    PQclear(rows_of(owner, "alter table %s disable row level security", table));
    assert_true(number_of(rows_of(edge, "select count(*) from %s where tenant <> '" TENANT_A "'",
                                  table)) > 0);
    PQclear(rows_of(owner, "alter table %s enable row level security", table));
    assert_int_equal(
        number_of(rows_of(edge, "select count(*) from %s where tenant <> '" TENANT_A "'", table)),
        0);
    PQfinish(edge);
}

static void
test_so_it_is_with_logs(void **state)
{
    PGconn *edge = connect_as("shina_edge");

    (void)state;
    for (int i = 0; i < contracts_count; i++) {
        const char *domain = carrier_text(contracts[i], "module");
        long long   of_a = number_of(
              rows_of(owner, "select count(*) from %s.events where tenant = '" TENANT_A "'", domain));

        assert_true(of_a > 0);
        PQclear(rows_of(edge, "reset shina.tenant"));
        assert_int_equal(number_of(rows_of(edge, "select count(*) from %s.tenant_events", domain)),
                         0);
        PQclear(rows_of(edge, "set shina.tenant = '" TENANT_A "'"));
        assert_int_equal(number_of(rows_of(edge, "select count(*) from %s.tenant_events", domain)),
                         of_a);
        assert_int_equal(
            number_of(rows_of(
                edge, "select count(*) from %s.tenant_events where tenant <> '" TENANT_A "'",
                domain)),
            0);
    }
    PQfinish(edge);
}

/* No place to write, and no function of ours to call. */
static void
test_the_edge_only_reads(void **state)
{
    (void)state;
    assert_int_equal(
        number_of(rows_of(owner,
                          "select count(*) from pg_class c join pg_namespace n on n.oid ="
                          " c.relnamespace where n.nspname !~ '^pg_' and c.relkind in"
                          " ('r', 'v', 'm', 'p', 'f') and n.nspname <> 'information_schema' and"
                          " has_table_privilege('shina_edge', c.oid,"
                          " 'insert, update, delete, truncate, references, trigger')")),
        0);
    assert_int_equal(number_of(rows_of(owner, "select count(*) from pg_namespace where"
                                              " nspname !~ '^pg_' and has_schema_privilege("
                                              "'shina_edge', oid, 'create')")),
                     0);
    assert_int_equal(
        number_of(rows_of(owner, "select count(*) from pg_proc p join pg_namespace n on n.oid ="
                                 " p.pronamespace join shina.domains d on d.name = n.nspname"
                                 " where has_function_privilege('shina_edge', p.oid, 'execute')")),
        0);
}

/* --- the domains --------------------------------------------------------------------------------
 */

static bool
names_domain(const json_t *list, const char *domain)
{
    const json_t *name;
    size_t        i, len = strlen(domain);

    json_array_foreach(list, i, name)
    {
        const char *text = json_string_value(name);

        if (strncmp(text, domain, len) == 0 && text[len] == '.')
            return true;
    }
    return false;
}

typedef struct {
    bool read, insert, change;
} rights;

/* What a contract allows its domain on a table of another's schema, or of its own. */
static rights
rights_of(const json_t *contract, const char *domain, const char *table)
{
    bool is_told_all = strcmp(carrier_text(contract, "module"), "webhooks") == 0; /* its worker */
    bool follows = is_told_all || names_domain(json_object_get(contract, "follows"), domain);
    bool sends = names_domain(json_object_get(contract, "sends"), domain);

    if (strcmp(table, "tenant_events") == 0)
        return (rights){.read = false};
    if (strcmp(carrier_text(contract, "module"), domain) == 0)
        return (rights){.read = true,
                        .insert = strcmp(table, "archives") != 0,
                        .change = strcmp(table, "archives") != 0 && strcmp(table, "events") != 0};
    if (strcmp(table, "partitions") == 0)
        return (rights){.read = follows || sends};
    return (rights){.read = follows &&
                            (strcmp(table, "events") == 0 || strcmp(table, "archives") == 0)};
}

/* Each statement in earnest, on no row. */
static void
try_table(PGconn *conn, const char *role, const char *schema, const char *table, const char *column,
          rights may)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql), "select 1 from %s.%s limit 1", schema, table);
    expect_done(conn, role, may.read, sql);
    (void)snprintf(sql, sizeof(sql), "insert into %s.%s (\"%s\") select null where false", schema,
                   table, column);
    expect_done(conn, role, may.insert, sql);
    (void)snprintf(sql, sizeof(sql), "update %s.%s set \"%s\" = null where false", schema, table,
                   column);
    expect_done(conn, role, may.change, sql);
    (void)snprintf(sql, sizeof(sql), "delete from %s.%s where false", schema, table);
    expect_done(conn, role, may.change, sql);
    (void)snprintf(sql, sizeof(sql), "truncate %s.%s", schema, table);
    try_it(conn, sql, "truncate %s.%s", schema, table);
    if (strcmp(sql, DENIED) != 0 && strcmp(sql, "42809") != 0) /* 42809: a view has no rows */
        fail_msg("%s: truncate %s.%s: \"%s\"", role, schema, table, sql);
}

static void
try_schema(PGconn *conn, const json_t *contract, const char *role, const char *domain)
{
    bool      is_own = strcmp(carrier_text(contract, "module"), domain) == 0;
    char      sql[512];
    PGresult *tables =
        rows_of(owner,
                "select c.relname, (select attname from pg_attribute where attrelid = c.oid and"
                " attnum = 1) from pg_class c where c.relnamespace = '%s'::regnamespace"
                " and c.relkind in ('r', 'v', 'm', 'p', 'f')",
                domain);

    assert_true(PQntuples(tables) >= 10);
    for (int i = 0; i < PQntuples(tables); i++) {
        const char *table = PQgetvalue(tables, i, 0);

        try_table(conn, role, domain, table, PQgetvalue(tables, i, 1),
                  rights_of(contract, domain, table));
    }
    PQclear(tables);
    (void)snprintf(sql, sizeof(sql), "select %s.evict_writers('{}')", domain);
    expect_done(conn, role, is_own, sql);
    (void)snprintf(sql, sizeof(sql), "create table %s.mine (x int)", domain);
    expect_done(conn, role, false, sql);
    if (is_own)
        return;
    (void)snprintf(sql, sizeof(sql), "grant select on all tables in schema %s to %s", domain, role);
    expect_done(conn, role, false, sql);
    (void)snprintf(sql, sizeof(sql), "set role shina_%s", domain);
    expect_done(conn, role, false, sql);
}

/* Rows of views, keys and the tables that say which domains there are. */
static void
try_common(PGconn *conn, const char *role)
{
    PGresult *views = rows_of(owner, "select table_name, domain from views.registry");
    char      sql[512];

    for (int i = 0; i < PQntuples(views); i++) {
        bool is_own = strcmp(role + strlen("shina_"), PQgetvalue(views, i, 1)) == 0;

        (void)snprintf(sql, sizeof(sql), "select from views.\"%s\"", PQgetvalue(views, i, 0));
        expect_done(conn, role, is_own, sql);
        (void)snprintf(sql, sizeof(sql), "delete from views.\"%s\" where false",
                       PQgetvalue(views, i, 0));
        expect_done(conn, role, is_own, sql);
    }
    PQclear(views);
    (void)snprintf(sql, sizeof(sql),
                   "with changed as (update views.registry set live = false where domain <> '%s'"
                   " returning 1) select count(*) from changed",
                   role + strlen("shina_"));
    assert_int_equal(number_of(rows_of(conn, "%s", sql)), 0); /* rows of others are not seen */
    expect_done(
        conn, role, false,
        "insert into views.registry (table_name, view, domain) values ('x', 'x', 'nobody')");
    expect_done(conn, role, false, "delete from keys.subjects where false");
    expect_done(conn, role, false, "update keys.subjects set kid = '' where false");
    expect_done(conn, role, false, "update keys.masters set kid = '' where false");
    expect_done(conn, role, false, "insert into shina.domains (name, partitions) values ('x', 1)");
    expect_done(conn, role, false, "delete from shina.domains where false");
    expect_done(conn, role, false, "select shina.create_domain('intruder', 1)");
    expect_done(conn, role, false, "create schema intruder");
    expect_done(conn, role, false, "create role intruder");
}

static void
test_a_domain_writes_its_own_and_reads_what_it_follows(void **state)
{
    (void)state;
    for (int i = 0; i < contracts_count; i++) {
        char    role[64];
        PGconn *conn;

        (void)snprintf(role, sizeof(role), "shina_%s", carrier_text(contracts[i], "module"));
        conn = connect_as(role);
        for (int k = 0; k < contracts_count; k++)
            try_schema(conn, contracts[i], role, carrier_text(contracts[k], "module"));
        try_common(conn, role);
        PQfinish(conn);
    }
}

/* Whoever writes is written down. */
static void
watch_writers(void)
{
    static const char *const tables[] = {"events",    "claims",      "timers",
                                         "snapshots", "checkpoints", "partitions"};

    PQclear(rows_of(owner, "create table public.writers (of text, by text, unique (of, by));"
                           "grant select, insert on public.writers to public;"
                           "create function public.watch_writer() returns trigger"
                           " language plpgsql as $$ begin"
                           " insert into public.writers values (tg_table_schema, current_user)"
                           " on conflict do nothing; return null; end $$"));
    for (int i = 0; i < contracts_count; i++)
        for (size_t k = 0; k < sizeof(tables) / sizeof(tables[0]); k++)
            PQclear(rows_of(owner,
                            "create trigger watch after insert or update or delete on %s.%s"
                            " for each statement execute function public.watch_writer()",
                            carrier_text(contracts[i], "module"), tables[k]));
    PQclear(rows_of(owner, "create trigger watch after insert on keys.subjects"
                           " for each statement execute function public.watch_writer()"));
}

/* What carrier b did was written by each service in its role. */
static void
test_services_work_in_their_roles(void **state)
{
    static const char strangers[] =
        "select string_agg(of || ' by ' || by, ', ') from public.writers"
        " where by <> 'shina_' || of and of <> 'keys'"
        " or of = 'keys' and by !~ '^shina_'";
    PGresult *res = rows_of(owner, strangers);

    (void)state;
    if (!PQgetisnull(res, 0, 0))
        fail_msg("written in another role: %s", PQgetvalue(res, 0, 0));
    PQclear(res);
    assert_true(number_of(rows_of(owner, "select count(distinct of) from public.writers")) > 4);
    assert_int_equal(
        number_of(rows_of(owner, "select count(*) from public.writers where of = 'keys'"
                                 " and by = 'shina_drivers'")),
        1);
    PQclear(rows_of(owner, "drop function public.watch_writer() cascade;"
                           "drop table public.writers"));
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

static void
read_contracts(void)
{
    PGresult *names = rows_of(owner, "select name from shina.domains order by 1");

    assert_true(PQntuples(names) > 5 && PQntuples(names) <= DOMAINS_MAX);
    for (int i = 0; i < PQntuples(names); i++) {
        char path[512];

        (void)snprintf(path, sizeof(path), SCHEMAS "/%s.json", PQgetvalue(names, i, 0));
        contracts[contracts_count] = json_load_file(path, 0, NULL);
        assert_non_null(contracts[contracts_count++]);
    }
    PQclear(names);
}

static int
set_up(void **state)
{
    (void)state;
    if (setenv("SHINA_LOGIN_RATE", "1000", 1) != 0 || setenv("SHINA_BCRYPT_COST", "10", 1) != 0)
        return -1;
    shina = tests_shina_start();
    carrier_open(&a, shina, TENANT_A, 3);
    owner = connect_as(NULL);
    read_contracts();
    watch_writers();
    carrier_open(&b, shina, TENANT_B, 4);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < contracts_count; i++)
        json_decref(contracts[i]);
    PQfinish(owner);
    carrier_close(&a);
    carrier_close(&b);
    tests_shina_stop(shina);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_work_in_their_roles), /* first: its table is everybody's */
        cmocka_unit_test(test_the_edge_sees_one_tenant_without_a_where),
        cmocka_unit_test(test_without_the_wall_others_are_seen),
        cmocka_unit_test(test_so_it_is_with_logs),
        cmocka_unit_test(test_the_edge_only_reads),
        cmocka_unit_test(test_a_domain_writes_its_own_and_reads_what_it_follows),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
