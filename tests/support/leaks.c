/* leaks.c - COPY of every table, searched.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/leaks.h"
#include "compose/process/servers.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 64
#define HEX_BYTES 512

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

void
tests_leaks_database(const char *home, char *url, size_t url_bytes)
{
    bus_config   *config;
    shina_home    of;
    shina_servers servers;
    bus_error     err = {0};

    if (setenv("SHINA_HOME", home, 1) != 0 || bus_config_load(&config, NULL, &err) != BUS_OK ||
        shina_home_open(&of, config, false, &err) != BUS_OK)
        die("the home %s: %s", home, err.text);
    shina_servers_urls(&servers, &of, config);
    if (snprintf(url, url_bytes, "%s", servers.database_url) >= (int)url_bytes)
        die("the URL of the database is too long");
    bus_config_free(config);
}

static void
to_hex(const char *value, char out[HEX_BYTES])
{
    size_t len = strlen(value);

    if (2 * len >= HEX_BYTES)
        die("a value of %zu bytes", len);
    for (size_t i = 0; i < len; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", (unsigned char)value[i]);
    out[2 * len] = '\0';
}

static PGresult *
query(PGconn *conn, const char *sql, ExecStatusType wanted)
{
    PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) != wanted)
        die("%s: %s", sql, PQerrorMessage(conn));
    return res;
}

static int
search_row(const char *row, const char *table, const char *const *values, long *rows)
{
    (*rows)++;
    for (int i = 0; values[i] != NULL; i++) {
        char hex[HEX_BYTES];

        to_hex(values[i], hex);
        if (strstr(row, values[i]) == NULL && strstr(row, hex) == NULL)
            continue;
        (void)printf("LEAK: \"%s\" stands in %s: %.300s\n", values[i], table, row);
        return 1;
    }
    return 0;
}

static int
search_table(PGconn *conn, const char *table, const char *const *values, long *rows)
{
    char sql[512], *row;
    int  leaks = 0, len;

    (void)snprintf(sql, sizeof(sql), "copy (select * from %s) to stdout", table);
    PQclear(query(conn, sql, PGRES_COPY_OUT));
    while ((len = PQgetCopyData(conn, &row, 0)) > 0) {
        leaks += search_row(row, table, values, rows);
        PQfreemem(row);
    }
    if (len != -1)
        die("%s: %s", sql, PQerrorMessage(conn));
    PQclear(PQgetResult(conn));
    while (PQgetResult(conn) != NULL)
        ;
    return leaks;
}

int
tests_leaks(const char *database_url, const char *const *values)
{
    PGconn   *conn = PQconnectdb(database_url);
    PGresult *tables;
    long      rows = 0, events = 0;
    int       leaks = 0;

    if (PQstatus(conn) != CONNECTION_OK)
        die("%s", PQerrorMessage(conn));
    tables = query(conn,
                   "select quote_ident(table_schema) || '.' || quote_ident(table_name), table_name"
                   "  from information_schema.tables"
                   " where table_type = 'BASE TABLE' and table_schema not in"
                   "       ('views', 'information_schema', 'pg_catalog') order by 1",
                   PGRES_TUPLES_OK);
    for (int i = 0; i < PQntuples(tables); i++) {
        long before = rows;

        leaks += search_table(conn, PQgetvalue(tables, i, 0), values, &rows);
        if (strcmp(PQgetvalue(tables, i, 1), "events") == 0)
            events += rows - before;
    }
    PQclear(tables);
    PQfinish(conn);
    if (events == 0)
        die("there are no events to search");
    return leaks;
}
