/* rows.c - what a database might answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/rows.h"
#include "api-edge/query/database.h"
#include "bus/base/arena.h"
#include "bus/personal/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 8
#define HEAD 2 /* events in each partition */
#define COLUMNS_MAX 24

static struct {
    const bus_master_keys *masters;
    uv_async_t             wake;
    bool                   awake; /* wake is of a loop */
    edge_db_query         *first, **last;
} rows;

void
fuzz_rows_start(const bus_master_keys *masters)
{
    rows.masters = masters;
    rows.last = &rows.first;
}

/* --- results ------------------------------------------------------------------- */

static PGresult *
result_of(int columns)
{
    static char  name[] = "c";
    PGresAttDesc attributes[COLUMNS_MAX] = {0};
    PGresult    *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    for (int i = 0; i < columns; i++)
        attributes[i] = (PGresAttDesc){.name = name, .typid = 25, .typlen = -1, .atttypmod = -1};
    BUS_INVARIANT(res != NULL && columns <= COLUMNS_MAX &&
                  PQsetResultAttrs(res, columns, attributes) == 1);
    return res;
}

/* Borrows text; NULL: SQL null. */
static void
put(PGresult *res, int row, int column, const char *text)
{
    union {
        const char *in;
        char       *out;
    } value = {.in = text}; /* libpq only reads, its type does not say so */

    BUS_INVARIANT(PQsetvalue(res, row, column, value.out, text == NULL ? -1 : (int)strlen(text)) ==
                  1);
}

static void
put_number(PGresult *res, int row, int column, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    put(res, row, column, text);
}

/* A source of a kind and a scheme that its id tells. */
static PGresult *
source_row(const edge_db_query *query)
{
    PGresult *res = result_of(1);
    bus_arena arena = {0};
    bus_id    tenant, source;
    bus_str   sealed;
    uint8_t   kind;

    BUS_INVARIANT(bus_id_parse(bus_str_of(query->values[0]), &tenant) &&
                  bus_id_parse(bus_str_of(query->values[1]), &source));
    kind = source.bytes[15];
    sealed = bus_secret_seal(rows.masters, tenant, source, "ingest.secret",
                             BUS_STR(FUZZ_SOURCE_SECRET), &arena);
    put(res, 0, 0,
        bus_arena_printf(
            &arena, "{\"status\":\"%s\",\"kind\":\"%s\",\"scheme\":\"%s\",\"secret\":\"%.*s\"}",
            (kind & 4) != 0 ? "DISABLED" : "ACTIVE", (kind & 1) != 0 ? "WEBHOOK" : "CLOUDEVENTS",
            (kind & 2) != 0 ? "STANDARD_WEBHOOKS" : "BEARER", BUS_STR_ARG(sealed))
            .at);
    bus_arena_fini(&arena);
    return res;
}

static PGresult *
heads(void)
{
    PGresult *res = result_of(1);

    for (int p = 0; p < PARTITIONS; p++)
        put_number(res, p, 0, HEAD);
    return res;
}

/* In the order of the columns that a feed reads. */
static void
put_event(PGresult *res, int row, long partition, int64_t offset)
{
    static const char id[] = "01900000-0000-7000-8000-00000000000a";
    const char *const texts[] = {NULL,
                                 NULL,
                                 id,
                                 "vehicle",
                                 "1",
                                 "01000000-0000-0000-0000-000000000000",
                                 "vehicles.blocked.v1",
                                 id,
                                 "0",
                                 id,
                                 "",
                                 "{\"id\":\"01900000-0000-7000-8000-00000000000b\",\"roles\":[],"
                                 "\"grants\":[]}",
                                 "1700000000000",
                                 "{\"reason\":\"brakes\"}",
                                 "f"};

    for (int i = 2; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
        put(res, row, i, texts[i]);
    put_number(res, row, 0, partition);
    put_number(res, row, 1, offset);
}

/* values: "{0,1}", "{2,0}": partitions, and the offsets after which to read. */
static PGresult *
page(const edge_db_query *query)
{
    PGresult   *res = result_of(15);
    const char *partitions = query->values[0], *offsets = query->values[1];
    int         row = 0;

    while (*partitions != '}' && *offsets != '}') {
        char   *end;
        long    partition = strtol(partitions + 1, &end, 10);
        int64_t offset;

        partitions = end;
        offset = strtoll(offsets + 1, &end, 10);
        offsets = end;
        if (offset < HEAD)
            put_event(res, row++, partition, offset + 1);
    }
    return res;
}

static PGresult *
item(void)
{
    PGresult *res = result_of(COLUMNS_MAX);

    put(res, 0, 0, "3");
    put(res, 0, 1, "{\"id\":\"01900000-0000-7000-8000-00000000000a\",\"version\":3}");
    for (int i = 2; i < COLUMNS_MAX; i++)
        put(res, 0, i, i % 2 == 0 ? NULL : "\"joined\"");
    return res;
}

/* As many rows as were asked for. */
static PGresult *
list(const edge_db_query *query)
{
    PGresult *res = result_of(COLUMNS_MAX);
    long      limit = strtol(query->values[query->count - 1], NULL, 10);

    for (int row = 0; row < limit; row++) {
        put(res, row, 0, "{\"plate\":\"A123BC77\"}");
        put(res, row, 1, row % 2 == 0 ? "A123BC77" : NULL);
        put(res, row, 2, "01900000-0000-7000-8000-00000000000a");
        for (int i = 3; i < COLUMNS_MAX; i++)
            put(res, row, i, NULL);
    }
    return res;
}

/* NULL: what it asks for is not to be had. */
static PGresult *
answer_to(const edge_db_query *query)
{
    const char *sql = query->sql;
    PGresult   *res;

    if (strncmp(sql, "select body from views.\"ingest_sources", 38) == 0)
        return source_row(query);
    if (strncmp(sql, "select v.body", 13) == 0)
        return list(query);
    if (strncmp(sql, "select v.version", 16) == 0)
        return item();
    if (strncmp(sql, "select least(", 13) == 0) {
        res = result_of(1);
        put(res, 0, 0, query->values[1][0] == '0' ? "9" : "-1");
        return res;
    }
    if (strstr(sql, "unnest") != NULL && query->count == 4)
        return page(query);
    return strstr(sql, "head") != NULL ? heads() : NULL;
}

/* --- instead of database.c's, by the linker's --wrap ----------------------------- */

edge_db *__real_edge_db_open(uv_loop_t *loop, const edge_db_options *options);
void     __real_edge_db_close(edge_db *db);
edge_db *__wrap_edge_db_open(uv_loop_t *loop, const edge_db_options *options);
void     __wrap_edge_db_close(edge_db *db);
bus_code __wrap_edge_db_submit(edge_db *db, edge_db_query *query, bus_error *err);
bool     __wrap_edge_db_ready(const edge_db *db);

static edge_db_query *
take(void)
{
    edge_db_query *query = rows.first;

    if (query == NULL)
        return NULL;
    rows.first = query->next;
    if (rows.first == NULL)
        rows.last = &rows.first;
    return query;
}

static void
on_wake(uv_async_t *wake)
{
    edge_db_query *query;

    (void)wake;
    while ((query = take()) != NULL) {
        PGresult *res = answer_to(query);

        query->done(query, res == NULL ? BUS_UNAVAILABLE : BUS_OK, res);
    }
}

edge_db *
__wrap_edge_db_open(uv_loop_t *loop, const edge_db_options *options)
{
    if (!rows.awake)
        BUS_INVARIANT(uv_async_init(loop, &rows.wake, on_wake) == 0);
    rows.awake = true;
    return __real_edge_db_open(loop, options);
}

void
__wrap_edge_db_close(edge_db *db)
{
    edge_db_query *query;

    while ((query = take()) != NULL)
        query->done(query, BUS_UNAVAILABLE, NULL);
    if (rows.awake)
        uv_close((uv_handle_t *)&rows.wake, NULL);
    rows.awake = false;
    __real_edge_db_close(db);
}

bus_code
__wrap_edge_db_submit(edge_db *db, edge_db_query *query, bus_error *err)
{
    (void)db;
    if (!rows.awake)
        return bus_fail(err, BUS_UNAVAILABLE, "the loop stops");
    query->next = NULL;
    *rows.last = query;
    rows.last = &query->next;
    BUS_INVARIANT(uv_async_send(&rows.wake) == 0);
    return BUS_OK;
}

bool
__wrap_edge_db_ready(const edge_db *db)
{
    (void)db;
    return true;
}
