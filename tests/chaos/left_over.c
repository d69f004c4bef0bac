/* left_over.c - reservations by the views, claims by the logs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/left_over.h"
#include "tests/chaos/say.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

typedef struct {
    bool aloud;
    int  count;
} faults;

__attribute__((format(printf, 2, 3))) static void
fault(faults *f, const char *fmt, ...)
{
    char    text[512];
    va_list args;

    f->count++;
    if (!f->aloud)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    chaos_say("FAULT %s", text);
}

static const char *
text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int64_t
int_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* --- lists -------------------------------------------------------------------------------- */

/* All rows of a view by id, page by page; an object. NULL: it does not answer now. */
static json_t *
rows_of(const tests_shina *shina, const char *token, const char *view)
{
    json_t *rows = json_object();
    char    path[1024], cursor[512] = "";

    do {
        tests_response r;
        const json_t  *row;
        size_t         i;

        (void)snprintf(path, sizeof(path), "/api/v1/%s?limit=200%s%s", view,
                       cursor[0] == '\0' ? "" : "&cursor=", cursor);
        r = tests_shina_get(shina, token, path);
        if (r.status != 200) {
            json_decref(r.json);
            json_decref(rows);
            return NULL;
        }
        json_array_foreach(json_object_get(r.json, "items"), i, row)(void)
            json_object_set(rows, text_of(row, "id"), (json_t *)(uintptr_t)row);
        (void)snprintf(cursor, sizeof(cursor), "%s", text_of(r.json, "next_cursor"));
        json_decref(r.json);
    } while (cursor[0] != '\0');
    return rows;
}

/* --- reservations ----------------------------------------------------------------------------- */

static bool
overlap(const json_t *a, const json_t *b)
{
    return int_of(a, "to_at") > int_of(b, "from_at") && int_of(b, "to_at") > int_of(a, "from_at");
}

/* Each reservation is of an ASSIGNED trip with this very resource, and no two overlap. How many. */
static int
check_resources(faults *f, json_t *resources, const json_t *trips, const char *member)
{
    const char   *id;
    json_t       *row;
    const json_t *one, *other;
    size_t        i, k;
    int           count = 0;

    json_object_foreach(resources, id, row)
    {
        const json_t *list = json_object_get(row, "reservations");

        json_array_foreach(list, i, one)
        {
            const json_t *trip = json_object_get(trips, text_of(one, "trip_id"));

            count++;
            if (strcmp(text_of(trip, "status"), "ASSIGNED") != 0 ||
                strcmp(text_of(trip, member), id) != 0 ||
                strcmp(text_of(trip, "reservation_id"), text_of(one, "reservation_id")) != 0)
                fault(f, "%s %s is reserved for trip %s, which is %s with %s", member, id,
                      text_of(one, "trip_id"), text_of(trip, "status"), text_of(trip, member));
            json_array_foreach(list, k, other) if (k < i && overlap(one, other))
                fault(f, "%s %s is reserved twice at one time", member, id);
        }
    }
    return count;
}

/* A trip that is not called off carries as many deliveries as say that they are of it; one that is
 * called off, none. */
static void
check_loads(faults *f, json_t *deliveries, json_t *trips)
{
    json_t     *carried = json_object();
    const char *id;
    json_t     *row;

    json_object_foreach(deliveries, id, row)
    {
        const char *trip = text_of(row, "trip_id");

        if (trip[0] == '\0')
            continue;
        if (json_object_get(trips, trip) == NULL)
            fault(f, "delivery %s is of trip %s, which is not there", id, trip);
        (void)json_object_set_new(carried, trip, json_integer(int_of(carried, trip) + 1));
    }
    json_object_foreach(trips, id, row)
    {
        int64_t wanted =
            strcmp(text_of(row, "status"), "CANCELLED") == 0 ? 0 : int_of(row, "deliveries");

        if (int_of(carried, id) != wanted)
            fault(f, "trip %s (%s) carries %d deliveries, but %d say that they are of it", id,
                  text_of(row, "status"), (int)wanted, (int)int_of(carried, id));
    }
    json_decref(carried);
}

static int
count_trips(faults *f, json_t *trips)
{
    const char *id;
    json_t     *row;
    int         assigned = 0;

    json_object_foreach(trips, id, row)
    {
        const char *status = text_of(row, "status");

        assigned += strcmp(status, "ASSIGNED") == 0;
        if (strcmp(status, "ASSIGNING") == 0)
            fault(f, "trip %s is still ASSIGNING", id);
        if (int_of(row, "deliveries_awaited") != 0 && strcmp(status, "CANCELLED") != 0)
            fault(f, "trip %s (%s) still awaits %d deliveries", id, status,
                  (int)int_of(row, "deliveries_awaited"));
    }
    return assigned;
}

int
left_over_reservations(const tests_shina *shina, const char *token, bool aloud)
{
    faults  f = {.aloud = aloud};
    json_t *trips = rows_of(shina, token, "trips"), *vehicles = rows_of(shina, token, "vehicles");
    json_t *drivers = rows_of(shina, token, "drivers");
    json_t *deliveries = rows_of(shina, token, "deliveries");

    if (trips == NULL || vehicles == NULL || drivers == NULL || deliveries == NULL) {
        fault(&f, "the views do not answer");
    } else {
        int assigned = count_trips(&f, trips);
        int of_vehicles = check_resources(&f, vehicles, trips, "vehicle_id");
        int of_drivers = check_resources(&f, drivers, trips, "driver_id");

        if (of_vehicles != assigned || of_drivers != assigned)
            fault(&f, "%d trips are assigned, but %d vehicles and %d drivers reserved", assigned,
                  of_vehicles, of_drivers);
        check_loads(&f, deliveries, trips);
        if (aloud)
            chaos_say("views: %d trips, %d assigned; %d vehicles, %d drivers, %d deliveries",
                      (int)json_object_size(trips), assigned, (int)json_object_size(vehicles),
                      (int)json_object_size(drivers), (int)json_object_size(deliveries));
    }
    json_decref(trips);
    json_decref(vehicles);
    json_decref(drivers);
    json_decref(deliveries);
    return f.count;
}

/* --- claims ------------------------------------------------------------------------------------
 */

/* How many values of a kind a stream holds: by the log, and by the table. */
typedef struct {
    char           key[96]; /* kind and stream */
    int            by_log, by_table;
    UT_hash_handle hh;
} holder;

static holder *
holder_of(holder **all, const char *kind, const char *stream)
{
    holder *h;
    char    key[96];

    (void)snprintf(key, sizeof(key), "%s of %s", kind, stream);
    HASH_FIND_STR(*all, key, h);
    if (h != NULL)
        return h;
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        abort();
    memcpy(h->key, key, sizeof(key));
    HASH_ADD_STR(*all, key, h);
    return h;
}

/* What an event does to the claims of its stream, in the load's part of the business. */
static void
fold_claims(holder **all, const json_t *event)
{
    const char   *type = text_of(event, "type"), *stream = text_of(event, "subject");
    const json_t *data = json_object_get(event, "data");

    if (strcmp(type, "vehicles.registered.v1") == 0 || strcmp(type, "vehicles.retired.v1") == 0) {
        int holds = strcmp(type, "vehicles.registered.v1") == 0;

        holder_of(all, "vehicle_plate", stream)->by_log = holds;
        holder_of(all, "vehicle_vin", stream)->by_log = holds;
    } else if (strcmp(type, "drivers.hired.v1") == 0 || strcmp(type, "drivers.dismissed.v1") == 0) {
        int holds = strcmp(type, "drivers.hired.v1") == 0;

        holder_of(all, "driver_phone", stream)->by_log = holds;
        holder_of(all, "driver_licence", stream)->by_log = holds;
    } else if (strcmp(type, "deliveries.created.v1") == 0) {
        holder_of(all, "delivery_order", stream)->by_log =
            json_object_get(data, "wb_order_id") != NULL;
        holder_of(all, "delivery_box", stream)->by_log =
            (int)json_array_size(json_object_get(data, "boxes"));
    } else if (strcmp(type, "deliveries.cancelled.v1") == 0) {
        holder_of(all, "delivery_order", stream)->by_log = 0;
        holder_of(all, "delivery_box", stream)->by_log = 0;
    }
}

static void
read_holders(const tests_shina *shina, holder **all, const char *domain)
{
    const char *args[] = {"events", domain, NULL};
    char       *text = tests_shina_verb(shina, args, NULL), *line, *rest = text;

    while ((line = strsep(&rest, "\n")) != NULL) {
        json_t *event = *line == '\0' ? NULL : json_loads(line, 0, NULL);

        fold_claims(all, event);
        json_decref(event);
    }
    free(text);
}

static PGresult *
ask(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        chaos_die("%s: %s", sql, PQerrorMessage(conn));
    return res;
}

static void
read_claims(PGconn *conn, holder **all, const char *domain)
{
    char      sql[128];
    PGresult *res;

    (void)snprintf(sql, sizeof(sql), "select kind, stream, count(*) from %s.claims group by 1, 2",
                   domain);
    res = ask(conn, sql);
    for (int i = 0; i < PQntuples(res); i++)
        holder_of(all, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1))->by_table =
            (int)strtol(PQgetvalue(res, i, 2), NULL, 10);
    PQclear(res);
}

static PGconn *
connect_to(const tests_shina *shina)
{
    char    url[2048];
    PGconn *conn;

    tests_shina_database_url(shina, url);
    conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK)
        chaos_die("the database: %s", PQerrorMessage(conn));
    return conn;
}

void
left_over_sessions(const tests_shina *shina)
{
    PGconn   *conn = connect_to(shina);
    PGresult *res = ask(
        conn, "select pid, application_name, state, coalesce(wait_event, '-'), "
              "pg_blocking_pids(pid), extract(epoch from now() - xact_start)::numeric(9,1), "
              "left(query, 120) from pg_stat_activity where backend_type = 'client backend' and "
              "pid <> pg_backend_pid() and state <> 'idle' order by application_name");

    chaos_say("%d sessions are not idle", PQntuples(res));
    for (int i = 0; i < PQntuples(res); i++)
        chaos_say("  %s %s: %s, waits for %s, held up by %s, %s s: %s", PQgetvalue(res, i, 0),
                  PQgetvalue(res, i, 1), PQgetvalue(res, i, 2), PQgetvalue(res, i, 3),
                  PQgetvalue(res, i, 4), PQgetvalue(res, i, 5), PQgetvalue(res, i, 6));
    PQclear(res);
    PQfinish(conn);
}

/* Rows of four columns of which each is a fault that says them. */
static void
fault_each(faults *f, PGconn *conn, const char *sql)
{
    PGresult *res = ask(conn, sql);

    for (int i = 0; i < PQntuples(res); i++)
        fault(f, "%s: %s of %s: %s", PQgetvalue(res, i, 0), PQgetvalue(res, i, 1),
              PQgetvalue(res, i, 2), PQgetvalue(res, i, 3));
    PQclear(res);
}

int
left_over_errands(const tests_shina *shina, bool aloud)
{
    faults    f = {.aloud = aloud};
    PGconn   *conn = connect_to(shina);
    PGresult *homes =
        ask(conn, "select a.schemaname, b.schemaname from pg_tables a, pg_tables b where "
                  "a.tablename = 'checkpoints' and b.tablename = 'partitions' order by 1, 2");
    char sql[512];

    for (int i = 0; i < PQntuples(homes); i++) {
        const char *home = PQgetvalue(homes, i, 0), *domain = PQgetvalue(homes, i, 1);

        (void)snprintf(sql, sizeof(sql),
                       "select '%s', reader, domain || ' ' || stream, reason from %s.parked where "
                       "domain = '%s'",
                       home, home, domain);
        fault_each(&f, conn, sql);
        (void)snprintf(sql, sizeof(sql),
                       "select '%s', c.reader, c.domain || ' ' || c.partition, c.\"offset\" || "
                       "' of ' || p.head from %s.checkpoints c join %s.partitions p using "
                       "(partition) where c.domain = '%s' and c.reader in ('reactions', 'sends') "
                       "and c.\"offset\" < p.head",
                       home, home, domain, domain);
        fault_each(&f, conn, sql);
    }
    PQclear(homes);
    PQfinish(conn);
    return f.count;
}

int
left_over_claims(const tests_shina *shina)
{
    static const char *const with_claims[] = {"vehicles", "drivers", "deliveries"};
    faults                   f = {.aloud = true};
    holder                  *all = NULL, *h, *next;
    PGconn                  *conn = connect_to(shina);
    PGresult                *res;
    int                      held = 0;

    for (int i = 0; i < 3; i++) {
        read_holders(shina, &all, with_claims[i]);
        read_claims(conn, &all, with_claims[i]);
    }
    HASH_ITER(hh, all, h, next)
    {
        held += h->by_log;
        if (h->by_log != h->by_table)
            fault(&f, "%s: %d values by the log, %d in the table of claims", h->key, h->by_log,
                  h->by_table);
        HASH_DELETE(hh, all, h);
        free(h);
    }
    res = ask(conn, "select count(*) from assignment.timers");
    if (strcmp(PQgetvalue(res, 0, 0), "0") != 0)
        fault(&f, "%s timers of assignments that have ended", PQgetvalue(res, 0, 0));
    PQclear(res);
    PQfinish(conn);
    chaos_say("claims: %d values held", held);
    return f.count;
}
