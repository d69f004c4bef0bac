/* database.c - pipelined queries.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/database.h"
#include "api-edge/http/look_up.h"
#include "bus/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define HOST_BYTES 256       /* of a name in the DNS, with NUL */
#define NO_SUCH_ROLE "22023" /* of SET ROLE; 42501: it is there, and is refused */
#define STATEMENTS_MAX 256   /* kept prepared per connection; others are parsed each time */
#define ATTEMPTS_MAX 16
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000
#define CONNECT_TIMEOUT_MS 10000
/* A server that has gone without a word is noticed after so long, as in
 * bus/store/postgres/connection.c, whether something was sent or an answer is awaited. */
#define SILENT_MS "15000"
#define SILENT_IDLE_S "10"
#define SILENT_INTERVAL_S "5"

typedef struct {
    char          *sql;
    char           name[16];
    bool           prepared; /* sent, and not known to have failed */
    UT_hash_handle hh;
} statement;

/* What the server will answer next, in order. */
typedef struct {
    enum { ENTRY_TENANT, ENTRY_PREPARE, ENTRY_QUERY, ENTRY_SYNC } kind;
    edge_db_query *query;
    statement     *statement; /* PREPARE, and QUERY of a prepared one */
    bool           answered;
    PGresult      *rows; /* QUERY: handed over when its command ends */
} entry;

typedef enum {
    CONNECTION_CLOSED,     /* waits for the timer */
    CONNECTION_LOOKING_UP, /* the address of the host; the timer bounds it */
    CONNECTION_CONNECTING, /* PQconnectPoll goes on */
    CONNECTION_SETTING,    /* session settings are on their way */
    CONNECTION_ROLE,       /* SET ROLE is on its way */
    CONNECTION_READY       /* in pipeline mode */
} connection_state;

typedef struct {
    edge_db         *db;
    connection_state state;
    PGconn          *pg;
    edge_look_up    *look_up; /* NULL: none is under way */
    uv_poll_t       *poll;    /* closes by itself, hence on the heap */
    int              polled_fd, polled_events;
    uv_timer_t       timer; /* pause before connecting, or bound of connecting */
    int              pause_ms;
    statement       *statements;
    bool             tenant_prepared;
    bool             setup_failed, no_such_role; /* of the step of the setup that is under way */
    entry           *entries;                    /* ring */
    uint32_t         entries_room, entries_first, entries_count;
    int              in_flight;
} connection;

struct edge_db {
    uv_loop_t      *loop;
    edge_db_options options;
    char            host[HOST_BYTES]; /* a name whose address is looked up; "": libpq does all */
    edge_db_query  *first, **last;
    int             waiting;
    bool            closing, role_missing;
    int             open_handles;
    connection      connections[];
};

static void connect_now(connection *c);
static void on_socket(uv_poll_t *poll, int status, int events);

/* --- the queue ----------------------------------------------------------- */

static void
push_last(edge_db *db, edge_db_query *query)
{
    query->next = NULL;
    *db->last = query;
    db->last = &query->next;
    db->waiting++;
}

static void
push_first(edge_db *db, edge_db_query *query)
{
    query->next = db->first;
    if (db->first == NULL)
        db->last = &query->next;
    db->first = query;
    db->waiting++;
}

static edge_db_query *
pop_first(edge_db *db)
{
    edge_db_query *query = db->first;

    if (query == NULL)
        return NULL;
    db->first = query->next;
    if (db->first == NULL)
        db->last = &db->first;
    db->waiting--;
    return query;
}

/* --- what is in flight --------------------------------------------------- */

static entry *
push_entry(connection *c)
{
    entry *e;

    BUS_INVARIANT(c->entries_count < c->entries_room);
    e = &c->entries[(c->entries_first + c->entries_count++) % c->entries_room];
    *e = (entry){.kind = ENTRY_SYNC};
    return e;
}

static entry *
first_entry(connection *c)
{
    return c->entries_count == 0 ? NULL : &c->entries[c->entries_first];
}

static void
drop_entry(connection *c)
{
    c->entries_first = (c->entries_first + 1) % c->entries_room;
    c->entries_count--;
}

/* Tells all that wait for this connection that it is gone. */
static void
fail_in_flight(connection *c)
{
    entry *e;

    while ((e = first_entry(c)) != NULL) {
        entry gone = *e;

        drop_entry(c);
        PQclear(gone.rows);
        if (gone.kind == ENTRY_QUERY) {
            c->in_flight--;
            gone.query->done(gone.query, BUS_UNAVAILABLE, NULL);
        }
    }
}

static void
fail_waiting(edge_db *db)
{
    edge_db_query *query;

    while ((query = pop_first(db)) != NULL)
        query->done(query, BUS_UNAVAILABLE, NULL);
}

/* --- polling ------------------------------------------------------------- */

static void
free_poll(uv_handle_t *handle)
{
    connection *c = handle->data;

    c->db->open_handles--;
    free(handle);
    if (c->db->closing && c->db->open_handles == 0)
        free(c->db);
}

static void
stop_polling(connection *c)
{
    if (c->poll == NULL)
        return;
    uv_close((uv_handle_t *)c->poll, free_poll);
    c->poll = NULL;
    c->polled_events = 0;
}

/* Watches the connection's socket, which libpq may change while connecting. */
static void
watch(connection *c, int events)
{
    int fd = PQsocket(c->pg);

    if (c->poll != NULL && c->polled_fd != fd)
        stop_polling(c);
    if (c->poll == NULL) {
        c->poll = calloc(1, sizeof(*c->poll));
        if (c->poll == NULL)
            abort();
        if (uv_poll_init(c->db->loop, c->poll, fd) != 0) {
            free(c->poll);
            c->poll = NULL;
            return; /* the timer of connecting ends this */
        }
        c->poll->data = c;
        c->polled_fd = fd;
        c->polled_events = 0;
        c->db->open_handles++;
    }
    if (c->polled_events != events && uv_poll_start(c->poll, events, on_socket) == 0)
        c->polled_events = events;
}

/* --- losing and making the connection ------------------------------------ */

static void
forget_statements(connection *c)
{
    statement *s, *next;

    HASH_ITER(hh, c->statements, s, next)
    {
        HASH_DEL(c->statements, s);
        free(s->sql);
        free(s);
    }
    c->tenant_prepared = false;
}

static void
give_up_look_up(connection *c)
{
    if (c->look_up != NULL)
        edge_look_up_cancel(c->look_up);
    c->look_up = NULL;
}

static void
on_pause_over(uv_timer_t *timer)
{
    connect_now(timer->data);
}

static void
lose(connection *c, const char *why)
{
    bus_error err;

    if (c->state == CONNECTION_READY || c->pause_ms == PAUSE_FIRST_MS) {
        (void)bus_fail(&err, BUS_UNAVAILABLE, "%.*s", (int)strcspn(why, "\n"), why);
        bus_log_warn("edge.database_lost", BUS_KV_ERR(&err),
                     BUS_KV("pool", c->db->options.application));
    }
    give_up_look_up(c);
    stop_polling(c);
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = CONNECTION_CLOSED;
    forget_statements(c);
    fail_in_flight(c);
    if (!edge_db_ready(c->db))
        fail_waiting(c->db);
    if (c->db->closing)
        return;
    (void)uv_timer_start(&c->timer, on_pause_over, (uint64_t)c->pause_ms, 0);
    c->pause_ms = c->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : c->pause_ms * 2;
}

static void
on_connect_timeout(uv_timer_t *timer)
{
    lose(timer->data, "connecting took too long");
}

static void
poll_connecting(connection *c)
{
    char settings[256];

    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING: watch(c, UV_READABLE); return;
    case PGRES_POLLING_WRITING: watch(c, UV_WRITABLE); return;
    case PGRES_POLLING_OK: break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE: lose(c, PQerrorMessage(c->pg)); return;
    }
    (void)snprintf(settings, sizeof(settings),
                   "set default_transaction_read_only = %s; set datestyle = 'ISO';"
                   " set timezone = 'UTC'; set jit = off; set statement_timeout = %d",
                   c->db->options.writes ? "off" : "on", c->db->options.statement_timeout_ms);
    if (PQsetnonblocking(c->pg, 1) != 0 || PQsendQuery(c->pg, settings) != 1) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    c->state = CONNECTION_SETTING;
    c->setup_failed = c->no_such_role = false;
    watch(c, UV_READABLE | UV_WRITABLE);
}

/* addresses: of the host, with commas; NULL: what the URL says. libpq wants the name as often. */
static void
connect_to(connection *c, const char *addresses)
{
    char   hosts[EDGE_ADDRESSES_MAX * HOST_BYTES] = "";
    size_t used = 0;

    for (const char *at = addresses; at != NULL;
         at = strchr(at, ',') == NULL ? NULL : strchr(at, ',') + 1)
        used += (size_t)snprintf(hosts + used, sizeof(hosts) - used, "%s%s", used == 0 ? "" : ",",
                                 c->db->host);
    c->pg = PQconnectStartParams(
        (const char *const[]){"dbname", "fallback_application_name", "keepalives_idle",
                              "keepalives_interval", "tcp_user_timeout", "client_encoding",
                              addresses == NULL ? NULL : "host", "hostaddr", NULL},
        (const char *const[]){c->db->options.url, c->db->options.application, SILENT_IDLE_S,
                              SILENT_INTERVAL_S, SILENT_MS, "UTF8", hosts, addresses, NULL},
        1);
    if (c->pg == NULL)
        abort();
    if (PQstatus(c->pg) == CONNECTION_BAD) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    c->state = CONNECTION_CONNECTING;
    (void)uv_timer_start(&c->timer, on_connect_timeout, CONNECT_TIMEOUT_MS, 0);
    watch(c, UV_WRITABLE);
}

static void
on_looked_up(void *context, const char *addresses, const char *why)
{
    connection *c = context;

    c->look_up = NULL;
    if (addresses != NULL)
        connect_to(c, addresses);
    else
        lose(c, why);
}

static void
connect_now(connection *c)
{
    if (c->db->host[0] == '\0') {
        connect_to(c, NULL);
        return;
    }
    c->look_up = edge_look_up_begin(c->db->loop, c->db->host, on_looked_up, c);
    if (c->look_up == NULL) {
        lose(c, "the address of the host cannot be looked up");
        return;
    }
    c->state = CONNECTION_LOOKING_UP;
    (void)uv_timer_start(&c->timer, on_connect_timeout, CONNECT_TIMEOUT_MS, 0);
}

/* libpq would look the name up while the loop waits. Several hosts, a path, digits, and what comes
 * of a service file or the environment are left to it. */
static void
find_host(const char *url, char out[HOST_BYTES])
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    const char       *host = NULL, *address = NULL;

    out[0] = '\0';
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "host") == 0)
            host = o->val;
        else if (strcmp(o->keyword, "hostaddr") == 0)
            address = o->val;
    }
    if (host != NULL && address == NULL && strpbrk(host, ",/@") == NULL && !edge_is_numeric(host) &&
        strlen(host) < HOST_BYTES)
        (void)snprintf(out, HOST_BYTES, "%s", host);
    PQconninfoFree(options);
}

static void
become_ready(connection *c)
{
    if (PQenterPipelineMode(c->pg) != 1) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    (void)uv_timer_stop(&c->timer);
    c->state = CONNECTION_READY;
    c->pause_ms = PAUSE_FIRST_MS;
    watch(c, UV_READABLE);
}

/* There is no such role where it could not be made: the tenant in every query still holds. */
static void
take_role(connection *c)
{
    char sql[128];

    if (c->db->options.role == NULL || c->db->role_missing) {
        become_ready(c);
        return;
    }
    (void)snprintf(sql, sizeof(sql), "set role %s", c->db->options.role);
    if (PQsendQuery(c->pg, sql) != 1) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    c->state = CONNECTION_ROLE;
    watch(c, UV_READABLE | UV_WRITABLE);
}

static void
finish_setup_step(connection *c, bool ok)
{
    if (c->state == CONNECTION_ROLE) {
        if (!ok && !c->no_such_role) {
            lose(c, "the role was refused");
            return;
        }
        if (!ok) {
            c->db->role_missing = true;
            bus_log_warn("edge.role_missing", BUS_KV("role", c->db->options.role),
                         BUS_KV("pool", c->db->options.application));
        }
        become_ready(c);
    } else if (ok) {
        take_role(c);
    } else {
        lose(c, "the session settings were refused");
    }
}

static void
read_setup(connection *c)
{
    if (PQconsumeInput(c->pg) != 1) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    if (PQflush(c->pg) == 0)
        watch(c, UV_READABLE);
    while (PQisBusy(c->pg) == 0) {
        PGresult *res = PQgetResult(c->pg);

        if (res == NULL) {
            const bool ok = !c->setup_failed;

            c->setup_failed = false;
            finish_setup_step(c, ok);
            return;
        }
        if (PQresultStatus(res) != PGRES_COMMAND_OK) {
            const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

            c->setup_failed = true; /* what ends this answer may come later */
            c->no_such_role = state != NULL && strcmp(state, NO_SUCH_ROLE) == 0;
        }
        PQclear(res);
    }
}

/* --- sending ------------------------------------------------------------- */

static statement *
statement_of(connection *c, const char *sql)
{
    statement *s;

    HASH_FIND_STR(c->statements, sql, s);
    if (s != NULL || HASH_COUNT(c->statements) >= STATEMENTS_MAX)
        return s;
    s = calloc(1, sizeof(*s));
    if (s == NULL || (s->sql = strdup(sql)) == NULL)
        abort();
    (void)snprintf(s->name, sizeof(s->name), "q%u", HASH_COUNT(c->statements));
    HASH_ADD_KEYPTR(hh, c->statements, s->sql, strlen(s->sql), s);
    return s;
}

static bool
send_tenant(connection *c, edge_db_query *query)
{
    static const char sql[] = "select set_config('shina.tenant', $1, true)";
    char              text[BUS_ID_TEXT_BYTES];

    if (!c->tenant_prepared) {
        if (PQsendPrepare(c->pg, "tenant", sql, 0, NULL) != 1)
            return false;
        *push_entry(c) = (entry){.kind = ENTRY_PREPARE, .query = query};
        c->tenant_prepared = true;
    }
    if (PQsendQueryPrepared(c->pg, "tenant", 1,
                            (const char *const[]){bus_id_format(query->tenant, text)}, NULL, NULL,
                            0) != 1)
        return false;
    *push_entry(c) = (entry){.kind = ENTRY_TENANT, .query = query};
    return true;
}

static bool
send_query(connection *c, edge_db_query *query)
{
    statement *s = statement_of(c, query->sql);
    int        formats[EDGE_PARAMS_MAX], sent;

    if (s != NULL && !s->prepared) {
        if (PQsendPrepare(c->pg, s->name, s->sql, 0, NULL) != 1)
            return false;
        *push_entry(c) = (entry){.kind = ENTRY_PREPARE, .query = query, .statement = s};
        s->prepared = true;
    }
    for (int i = 0; i < query->count; i++)
        formats[i] = query->lengths != NULL;
    sent = s != NULL ? PQsendQueryPrepared(c->pg, s->name, query->count, query->values,
                                           query->lengths, formats, 0)
                     : PQsendQueryParams(c->pg, query->sql, query->count, NULL, query->values,
                                         query->lengths, formats, 0);
    if (sent != 1)
        return false;
    *push_entry(c) = (entry){.kind = ENTRY_QUERY, .query = query, .statement = s};
    c->in_flight++;
    return true;
}

/* One group of what waits. False: the connection is broken. */
static bool
send_group(connection *c)
{
    const edge_db_query *before = NULL;
    edge_db_query       *query;
    int                  sent = 0;

    while (sent < c->db->options.group_max && c->in_flight < c->db->options.in_flight_max &&
           (query = pop_first(c->db)) != NULL) {
        query->failure = BUS_OK;
        /* The setting lasts to the end of the group, so one serves its neighbours too. */
        if (query->for_tenant &&
            (before == NULL || !before->for_tenant || !bus_id_equal(before->tenant, query->tenant)))
            if (!send_tenant(c, query)) {
                push_first(c->db, query);
                return false;
            }
        if (!send_query(c, query)) {
            push_first(c->db, query);
            return false;
        }
        if (query->for_tenant)
            before = query;
        sent++;
    }
    if (PQpipelineSync(c->pg) != 1)
        return false;
    *push_entry(c) = (entry){.kind = ENTRY_SYNC};
    return true;
}

void
edge_db_flush(edge_db *db)
{
    for (int i = 0; i < db->options.connections && db->first != NULL; i++) {
        connection *c = &db->connections[i];
        int         left;

        if (c->state != CONNECTION_READY)
            continue;
        /* Room for a tenant, two preparations, the query and a Sync each. */
        while (db->first != NULL && c->in_flight < db->options.in_flight_max &&
               c->entries_count + 5 * (uint32_t)db->options.group_max < c->entries_room)
            if (!send_group(c)) {
                lose(c, PQerrorMessage(c->pg));
                break;
            }
        if (c->state != CONNECTION_READY)
            continue;
        left = PQflush(c->pg);
        if (left < 0)
            lose(c, PQerrorMessage(c->pg));
        else
            watch(c, left == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE);
    }
}

/* --- receiving ----------------------------------------------------------- */

static bus_code
code_of(const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    if (state == NULL)
        return BUS_UNAVAILABLE;
    if (strcmp(state, "57014") == 0)
        return BUS_TIMEOUT;
    if (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0)
        return BUS_NOT_FOUND;
    if (strncmp(state, "22", 2) == 0)
        return BUS_INVALID;
    if (strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 ||
        strncmp(state, "53", 2) == 0)
        return BUS_UNAVAILABLE;
    return BUS_FAULT;
}

static void
log_failure(const connection *c, const PGresult *res, bus_code rc)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (rc == BUS_FAULT || rc == BUS_NOT_FOUND)
        bus_log_warn("edge.query_failed", BUS_KV("sqlstate", state == NULL ? "" : state),
                     BUS_KV("reason", text == NULL ? "" : text),
                     BUS_KV("pool", c->db->options.application));
}

/* A query that was aborted by a neighbour, or whose statement is gone, goes again. */
static void
send_again(connection *c, edge_db_query *query)
{
    if (++query->attempts > ATTEMPTS_MAX)
        query->done(query, BUS_FAULT, NULL);
    else
        push_first(c->db, query);
}

static void
take_error(connection *c, entry *e, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    bus_code    rc = code_of(res);

    if (e->kind == ENTRY_QUERY && e->statement != NULL && state != NULL &&
        strcmp(state, "26000") == 0) {
        e->statement->prepared = false; /* its preparation was aborted: BUS_OK sends it again */
        return;
    }
    if (e->kind == ENTRY_TENANT && state != NULL && strcmp(state, "26000") == 0) {
        c->tenant_prepared = false;
        return;
    }
    log_failure(c, res, rc);
    if (e->query != NULL)
        e->query->failure = rc;
}

static void
not_prepared(connection *c, const entry *e)
{
    if (e->kind != ENTRY_PREPARE)
        return;
    if (e->statement != NULL)
        e->statement->prepared = false;
    else
        c->tenant_prepared = false;
}

static void
take_result(connection *c, entry *e, PGresult *res)
{
    e->answered = true;
    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
        if (e->kind == ENTRY_QUERY) {
            PQclear(e->rows);
            e->rows = res;
            return;
        }
        break;
    case PGRES_COMMAND_OK: break;
    case PGRES_PIPELINE_ABORTED: not_prepared(c, e); break;
    default: /* not a contract's enum: libpq's, all else is an error */
        not_prepared(c, e);
        take_error(c, e, res);
        break;
    }
    PQclear(res);
}

/* A command has ended: NULL came, or its Sync. */
static void
end_entry(connection *c)
{
    entry          done = *first_entry(c);
    edge_db_query *query = done.query;

    drop_entry(c);
    if (done.kind != ENTRY_QUERY)
        return;
    c->in_flight--;
    if (done.rows != NULL)
        query->done(query, BUS_OK, done.rows);
    else if (query->failure != BUS_OK)
        query->done(query, query->failure, NULL);
    else
        send_again(c, query);
}

static void
read_results(connection *c)
{
    int nothing = 0;

    if (PQconsumeInput(c->pg) != 1) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    while (c->entries_count > 0 && nothing < 2 && PQisBusy(c->pg) == 0) {
        PGresult *res = PQgetResult(c->pg);
        entry    *e = first_entry(c);

        if (res == NULL) {
            nothing = e->answered ? 0 : nothing + 1;
            if (e->answered)
                end_entry(c);
            continue;
        }
        nothing = 0;
        if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            BUS_INVARIANT(e->kind == ENTRY_SYNC);
            drop_entry(c);
        } else {
            take_result(c, e, res);
        }
    }
    if (PQstatus(c->pg) == CONNECTION_BAD)
        lose(c, PQerrorMessage(c->pg));
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
    connection *c = poll->data;

    (void)events;
    if (c->state == CONNECTION_CONNECTING) {
        poll_connecting(c);
        return;
    }
    if (status < 0) {
        lose(c, uv_strerror(status));
        return;
    }
    if (c->state == CONNECTION_READY) {
        int left = PQflush(c->pg);

        if (left < 0) {
            lose(c, PQerrorMessage(c->pg));
            return;
        }
        watch(c, left == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE);
        read_results(c);
    } else if (c->state != CONNECTION_CLOSED) {
        read_setup(c);
    }
}

/* --- the pool ------------------------------------------------------------ */

edge_db *
edge_db_open(uv_loop_t *loop, const edge_db_options *options)
{
    edge_db *db = calloc(1, sizeof(*db) + (size_t)options->connections * sizeof(connection));

    if (db == NULL)
        abort();
    db->loop = loop;
    db->options = *options;
    db->last = &db->first;
    find_host(options->url, db->host);
    for (int i = 0; i < options->connections; i++) {
        connection *c = &db->connections[i];

        c->db = db;
        c->pause_ms = PAUSE_FIRST_MS;
        c->entries_room = 5 * (uint32_t)(options->in_flight_max + options->group_max) + 1;
        c->entries = calloc(c->entries_room, sizeof(*c->entries));
        if (c->entries == NULL)
            abort();
        BUS_INVARIANT(uv_timer_init(loop, &c->timer) == 0);
        c->timer.data = c;
        db->open_handles++;
        connect_now(c);
    }
    return db;
}

static void
on_timer_closed(uv_handle_t *handle)
{
    connection *c = handle->data;

    c->db->open_handles--;
    if (c->db->open_handles == 0)
        free(c->db);
}

void
edge_db_close(edge_db *db)
{
    if (db == NULL)
        return;
    db->closing = true;
    for (int i = 0; i < db->options.connections; i++) {
        connection *c = &db->connections[i];

        give_up_look_up(c);
        stop_polling(c);
        PQfinish(c->pg);
        c->pg = NULL;
        c->state = CONNECTION_CLOSED;
        forget_statements(c);
        fail_in_flight(c);
        free(c->entries);
    }
    fail_waiting(db);
    for (int i = 0; i < db->options.connections; i++)
        uv_close((uv_handle_t *)&db->connections[i].timer, on_timer_closed);
}

bool
edge_db_ready(const edge_db *db)
{
    for (int i = 0; i < db->options.connections; i++)
        if (db->connections[i].state == CONNECTION_READY)
            return true;
    return false;
}

int
edge_db_waiting(const edge_db *db)
{
    int count = db->waiting;

    for (int i = 0; i < db->options.connections; i++)
        count += db->connections[i].in_flight;
    return count;
}

bus_code
edge_db_submit(edge_db *db, edge_db_query *query, bus_error *err)
{
    if (db->closing || !edge_db_ready(db))
        return bus_fail(err, BUS_UNAVAILABLE, "the database is not connected");
    if (db->waiting >= db->options.waiting_max)
        return bus_fail(err, BUS_FULL, "%d queries wait already", db->waiting);
    query->attempts = 0;
    push_last(db, query);
    return BUS_OK;
}
