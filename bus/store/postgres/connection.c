/* connection.c - connecting, preparing, running, and what each failure means.
 *
 * A statement that commits is sent only over a connection that looked alive just before; once
 * it was sent, a broken connection means that nobody knows (BUS_UNKNOWN).
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/connection.h"
#include "bus/log/log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define CONNECT_TIMEOUT_S 5
#define SILENT_MS 15000
#define NO_SUCH_ROLE "22023" /* of SET ROLE */
#define REFUSED "42501"
#define PREPARED_MAX 1024 /* statements of one connection; then it is made anew */

struct pg_prepared {
    char          *key;
    char           name[16];
    UT_hash_handle hh;
};

/* Every statement here is served by an index. The planner must not choose otherwise because a
 * table was small, or not analysed yet, when the plan was made: plans are kept for long. A
 * process that stops in the middle of a transaction must not hold its rows for ever. */
static const char session_settings[] =
    "set client_min_messages = warning; set client_encoding = 'UTF8'; set timezone = 'UTC';"
    "set plan_cache_mode = force_generic_plan; set jit = off; set enable_seqscan = off;"
    "set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off;"
    "set default_transaction_isolation = 'read committed';"
    "set idle_in_transaction_session_timeout = '5s'; set lock_timeout = '6s';"
    /* An answer means durable, whatever the server's default is. */
    "select set_config('synchronous_commit', 'on', false)"
    " where current_setting('synchronous_commit') = 'off'";

static void
forget_prepared(bus_store *st)
{
    pg_prepared *p, *next;

    HASH_ITER(hh, st->prepared, p, next)
    {
        HASH_DEL(st->prepared, p);
        free(p->key);
        free(p);
    }
    st->prepared_count = 0;
}

void
pg_disconnect(bus_store *st)
{
    forget_prepared(st);
    PQfinish(st->conn);
    st->conn = NULL;
    st->stale = false;
}

/* First line of a message of libpq, which holds no password. */
static void
first_line(char *to, size_t to_bytes, const char *text)
{
    size_t len = text == NULL ? 0 : strcspn(text, "\n");

    if (len >= to_bytes)
        len = to_bytes - 1;
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
}

static void
drop_notice(void *context, const PGresult *res)
{
    (void)context; /* notices of the server are not ours to print */
    (void)res;
}

static bus_code
connect_failed(bus_store *st, bus_error *err)
{
    char        line[200];
    const char *text = PQerrorMessage(st->conn);
    bus_code    code = BUS_UNAVAILABLE;

    first_line(line, sizeof(line), text);
    if (strstr(line, "authentication failed") != NULL || strstr(line, "no pg_hba.conf") != NULL)
        code = BUS_DENIED;
    pg_disconnect(st);
    return bus_fail(err, code, "the database cannot be reached: %s", line);
}

/* libpq's own complaint about a URL quotes parts of it, so it is not passed on. */
static bus_code
check_url(const char *url, bus_error *err)
{
    char             *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);

    PQfreemem(message);
    if (options == NULL)
        return bus_fail(err, BUS_INVALID, "the database URL is not one that libpq can read");
    PQconninfoFree(options);
    return BUS_OK;
}

/* Does the login own the schema of the role's domain? Then it has the role's rights anyway. */
static bool
owns_domain(bus_store *st)
{
    static const char sql[] = "select 1 from pg_namespace where 'shina_' || nspname = $1"
                              " and pg_has_role(current_user, nspowner, 'usage')";
    const char *const values[] = {st->role};
    PGresult         *res = PQexecParams(st->conn, sql, 1, NULL, values, NULL, NULL, 0);
    const bool        owns = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1;

    PQclear(res);
    return owns;
}

/* A role that is not there yet is made with its domain; a server whose login may make none has
 * none, or those that another shina has made there. */
static bus_code
take_role(bus_store *st, bus_error *err)
{
    char        text[80];
    PGresult   *res;
    const char *state;
    bus_code    rc = BUS_OK;

    if (st->role[0] == '\0')
        return BUS_OK;
    (void)snprintf(text, sizeof(text), "set role \"%s\"", st->role);
    res = PQexec(st->conn, text);
    state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (state != NULL && strcmp(state, REFUSED) == 0 && owns_domain(st))
        bus_log_warn("store.role_refused", BUS_KV("role", st->role));
    else if (state != NULL && strcmp(state, REFUSED) == 0)
        rc = bus_fail(err, BUS_DENIED,
                      "who logs in to the database may not take the role %s: "
                      "`grant %s to` it",
                      st->role, st->role);
    else if (PQresultStatus(res) != PGRES_COMMAND_OK &&
             (state == NULL || strcmp(state, NO_SUCH_ROLE) != 0))
        rc = pg_fail(st, res, PG_HARMLESS, err);
    PQclear(res);
    return rc;
}

bus_code
pg_leave_role(bus_store *st, bus_error *err)
{
    return st->role[0] == '\0' ? BUS_OK : pg_simple(st, "reset role", PG_HARMLESS, err);
}

bus_code
pg_back_to_role(bus_store *st, bus_code rc, bus_error *err)
{
    bus_error why;

    if (st->conn == NULL || take_role(st, &why) == BUS_OK)
        return rc;
    pg_disconnect(st); /* the next connection takes it, or fails */
    if (rc != BUS_OK)
        return rc;
    *err = why;
    return why.code;
}

/* A server that has gone without a word, as when a firewall forgets the connection, is noticed
 * after silent_ms: what was sent and not acknowledged tells it (tcp_user_timeout); who only waits
 * for an answer asks for a sign of life, and once more when none comes. Linux ends the connection
 * at the first probe after that time, so the pause between them is part of it. */
static bus_code
connect(bus_store *st, bus_error *err)
{
    const char *const keywords[] = {"dbname",
                                    "application_name",
                                    "connect_timeout",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "tcp_user_timeout",
                                    "client_encoding",
                                    NULL};
    char              connect_s[16], silent_ms[16], idle_s[16], interval_s[16];
    const char *const values[] = {st->url,    st->application, connect_s, idle_s,
                                  interval_s, silent_ms,       "UTF8",    NULL};
    const int         silent = st->patience_ms == 0 ? SILENT_MS : st->patience_ms;
    const int         probe_s = silent < 3000 ? 1 : silent / 3000; /* whole seconds, at least one */
    bus_code          rc;

    (void)snprintf(connect_s, sizeof(connect_s), "%d",
                   st->patience_ms == 0     ? CONNECT_TIMEOUT_S
                   : st->patience_ms < 2000 ? 2 /* libpq's least */
                                            : st->patience_ms / 1000);
    (void)snprintf(silent_ms, sizeof(silent_ms), "%d", silent);
    (void)snprintf(idle_s, sizeof(idle_s), "%d", 2 * probe_s);
    (void)snprintf(interval_s, sizeof(interval_s), "%d", probe_s);
    if ((rc = check_url(st->url, err)) != BUS_OK)
        return rc;
    st->conn = PQconnectdbParams(keywords, values, 1);
    if (st->conn == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "no memory for a database connection");
    if (PQstatus(st->conn) != CONNECTION_OK)
        return connect_failed(st, err);
    (void)PQsetNoticeReceiver(st->conn, drop_notice, NULL);
    if ((rc = pg_simple(st, session_settings, PG_HARMLESS, err)) != BUS_OK ||
        (rc = take_role(st, err)) != BUS_OK)
        pg_disconnect(st);
    return rc;
}

/* Has the server hung up while nothing was asked? Then its farewell or the end of the stream is
 * there to be read. */
static bool
hung_up(PGconn *conn)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN | POLLRDHUP};

    if (PQstatus(conn) != CONNECTION_OK || fd.fd < 0)
        return true;
    if (poll(&fd, 1, 0) <= 0)
        return false;
    return PQconsumeInput(conn) == 0 || PQstatus(conn) != CONNECTION_OK ||
           (fd.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
}

bus_code
pg_ready(bus_store *st, bus_error *err)
{
    if (st->conn != NULL && (st->stale || hung_up(st->conn) || st->prepared_count >= PREPARED_MAX))
        pg_disconnect(st);
    if (st->conn == NULL)
        return connect(st, err);
    return BUS_OK;
}

static bus_code
code_of_state(const char *state)
{
    static const struct {
        const char *state;
        bus_code    code;
    } known[] = {
        {"SH001", BUS_FENCED},      {"SH002", BUS_DUPLICATE},   {"SH003", BUS_CLAIMED},
        {"SH004", BUS_INVALID},     {"SH005", BUS_NOT_FOUND},   {"23505", BUS_CONFLICT},
        {"40001", BUS_CONFLICT},    {"40P01", BUS_CONFLICT},    {"55P03", BUS_CONFLICT},
        {"53100", BUS_FULL},        {"25006", BUS_FULL},        {"53200", BUS_FULL},
        {"53300", BUS_UNAVAILABLE}, {"57P03", BUS_UNAVAILABLE}, {"57014", BUS_TIMEOUT},
        {"42501", BUS_DENIED},      {"3F000", BUS_NOT_FOUND},   {"42P01", BUS_NOT_FOUND},
        {"42883", BUS_NOT_FOUND},   {"0A000", BUS_UNAVAILABLE}, {"26000", BUS_UNAVAILABLE},
        {"58030", BUS_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(state, known[i].state) == 0)
            return known[i].code;
    }
    return BUS_INVALID;
}

bus_code
pg_fail(bus_store *st, const PGresult *res, pg_stake stake, bus_error *err)
{
    const char *state = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *primary = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    char        line[160];

    if (PQstatus(st->conn) != CONNECTION_OK) {
        first_line(line, sizeof(line), primary != NULL ? primary : PQerrorMessage(st->conn));
        if (stake == PG_COMMITS)
            return bus_fail(err, BUS_UNKNOWN, "the connection broke during a commit: %s", line);
        return bus_fail(err, BUS_UNAVAILABLE, "the connection broke: %s", line);
    }
    /* libpq itself: out of memory, a wait that the system refused, or a use that it refuses. Then
     * the answer may still be on its way, and libpq would give it to whoever asks next. */
    if (state == NULL) {
        st->stale = true;
        first_line(line, sizeof(line), PQerrorMessage(st->conn));
        if (stake == PG_COMMITS)
            return bus_fail(err, BUS_UNKNOWN, "libpq failed during a commit: %s", line);
        return bus_fail(err, BUS_UNAVAILABLE, "libpq: %s", line);
    }
    /* A migration changed what a statement returns, or a pooler handed us another session. */
    st->stale = st->stale || strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0;
    first_line(line, sizeof(line), primary);
    return bus_fail(err, code_of_state(state), "database: %s (%s)", line, state);
}

void
pg_expand(bus_buf *out, const char *sql, const char *domain)
{
    const char *rest = sql, *mark;

    bus_buf_reset(out);
    while ((mark = strstr(rest, "{d}")) != NULL) {
        bus_buf_add(out, rest, (size_t)(mark - rest));
        bus_buf_add_char(out, '"');
        for (const char *c = domain; *c != '\0'; c++) {
            if (*c == '"')
                bus_buf_add_char(out, '"');
            bus_buf_add_char(out, *c);
        }
        bus_buf_add_char(out, '"');
        rest = mark + 3;
    }
    bus_buf_add_text(out, rest);
}

static pg_prepared *
find_prepared(bus_store *st, const char *key)
{
    pg_prepared *p = NULL;

    HASH_FIND_STR(st->prepared, key, p);
    return p;
}

bus_code
pg_prepare_text(bus_store *st, const char *key, const char *text, const char **name, bus_error *err)
{
    pg_prepared *p = find_prepared(st, key);
    PGresult    *res;
    bus_code     rc;

    if (p != NULL) {
        *name = p->name;
        return BUS_OK;
    }
    p = calloc(1, sizeof(*p));
    if (p == NULL || (p->key = strdup(key)) == NULL)
        abort();
    (void)snprintf(p->name, sizeof(p->name), "s%d", st->prepared_count);
    res = PQprepare(st->conn, p->name, text, 0, NULL);
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        rc = pg_fail(st, res, PG_HARMLESS, err);
        PQclear(res);
        free(p->key);
        free(p);
        return rc;
    }
    PQclear(res);
    HASH_ADD_KEYPTR(hh, st->prepared, p->key, strlen(p->key), p);
    st->prepared_count++;
    *name = p->name;
    return BUS_OK;
}

bus_code
pg_prepare(bus_store *st, const char *sql, const char *domain, const char **name, bus_error *err)
{
    char         key[128];
    pg_prepared *p;

    (void)snprintf(key, sizeof(key), "%p:%.64s", (const void *)sql, domain);
    if ((p = find_prepared(st, key)) != NULL) {
        *name = p->name;
        return BUS_OK;
    }
    pg_expand(&st->sql, sql, domain);
    return pg_prepare_text(st, key, st->sql.at, name, err);
}

static void
point_at_values(const pg_params *params, const char *values[PG_PARAMS_MAX],
                int formats[PG_PARAMS_MAX])
{
    for (int i = 0; i < params->count; i++) {
        values[i] = params->lengths[i] < 0 ? NULL : params->bytes.at + params->starts[i];
        if (params->lengths[i] == 0)
            values[i] = "";
        formats[i] = 1;
    }
}

bus_code
pg_send(bus_store *st, const char *name, bus_error *err)
{
    const char *values[PG_PARAMS_MAX];
    int         formats[PG_PARAMS_MAX];

    point_at_values(&st->params, values, formats);
    if (PQsendQueryPrepared(st->conn, name, st->params.count, values, st->params.lengths, formats,
                            1) == 1)
        return BUS_OK;
    return pg_fail(st, NULL, PG_HARMLESS, err);
}

static bool
succeeded(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

bus_code
pg_run(bus_store *st, const char *sql, const char *domain, pg_stake stake, PGresult **out,
       bus_error *err)
{
    const char *values[PG_PARAMS_MAX], *name;
    int         formats[PG_PARAMS_MAX];
    bus_code    rc;

    *out = NULL;
    if ((rc = pg_prepare(st, sql, domain, &name, err)) != BUS_OK)
        goto done;
    point_at_values(&st->params, values, formats);
    *out = PQexecPrepared(st->conn, name, st->params.count, values, st->params.lengths, formats, 1);
    if (!succeeded(*out))
        rc = pg_fail(st, *out, stake, err);

done:
    pg_params_reset(&st->params);
    return rc;
}

bus_code
pg_simple(bus_store *st, const char *text, pg_stake stake, bus_error *err)
{
    PGresult *res = PQexec(st->conn, text);
    bus_code  rc = BUS_OK;

    if (!succeeded(res))
        rc = pg_fail(st, res, stake, err);
    PQclear(res);
    return rc;
}

bus_code
pg_run_rows(bus_store *st, const char *sql, const char *domain,
            bus_code (*visit)(void *context, const PGresult *res, bus_error *err), void *context,
            bus_error *err)
{
    const char *name;
    PGresult   *res;
    bus_error   later;
    bus_code    rc;

    if ((rc = pg_prepare(st, sql, domain, &name, err)) != BUS_OK ||
        (rc = pg_send(st, name, err)) != BUS_OK)
        goto done;
    (void)PQsetSingleRowMode(st->conn); /* without it all rows come in one result: as good */
    while ((res = PQgetResult(st->conn)) != NULL) {
        if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
            if (rc == BUS_OK)
                rc = visit(context, res, err);
        } else if (!succeeded(res) && rc == BUS_OK) {
            rc = pg_fail(st, res, PG_HARMLESS, err);
        } else if (!succeeded(res)) {
            (void)pg_fail(st, res, PG_HARMLESS, &later); /* may find the connection stale */
        }
        PQclear(res);
    }

done:
    pg_params_reset(&st->params);
    return rc;
}

void
pg_rollback(bus_store *st)
{
    bus_error ignored;

    if (st->conn == NULL || PQstatus(st->conn) != CONNECTION_OK)
        return;
    if (!st->stale && PQtransactionStatus(st->conn) == PQTRANS_IDLE)
        return;
    if (st->stale || pg_simple(st, "rollback", PG_HARMLESS, &ignored) != BUS_OK)
        pg_disconnect(st);
}
