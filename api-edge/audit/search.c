/* search.c - who may see the audit, and how it is searched.
 * Newest first; pages go by the number in the chain. An ADMIN sees all of his tenant, a DISPATCHER
 * what he did himself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/audit/audit.h"
#include "api-edge/query/as_of.h"

#include <string.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200
#define PARAMETERS_MAX 32
#define TEXT_MAX 200

/* A row as it is shown; "status" and the like stand in its detail. */
#define ENTRY                                                                             \
    "json_strip_nulls(json_build_object('seq', e.seq, 'at', e.at_ms, 'action', e.action," \
    " 'outcome', e.outcome, 'code', e.code, 'actor', e.actor, 'domain', e.domain,"        \
    " 'type', e.type, 'entity', e.entity, 'address', e.address, 'agent', e.agent,"        \
    " 'detail', e.detail::json, 'hash', encode(e.hash, 'hex')))::text"

typedef enum { TEXT, ID, TIME_FROM, TIME_TO } filter_kind;

/* clang-format off */
static const struct {
    const char *name, *condition; /* with the number of its parameter at the end */
    filter_kind kind;
    const char *cast;
} filters[] = {
    {"entity",  "e.entity = $",  ID,        "uuid"},
    {"actor",   "e.actor = $",   ID,        "uuid"},
    {"domain",  "e.domain = $",  TEXT,      "text"},
    {"type",    "e.type = $",    TEXT,      "text"},
    {"action",  "e.action = $",  TEXT,      "text"},
    {"outcome", "e.outcome = $", TEXT,      "text"},
    {"code",    "e.code = $",    TEXT,      "text"},
    {"address", "e.address = $", TEXT,      "text"},
    {"from",    "e.at_ms >= $",  TIME_FROM, "int8"},
    {"to",      "e.at_ms < $",   TIME_TO,   "int8"},
};
/* clang-format on */

typedef struct {
    edge_request *r;
    bus_problems *problems;
    bus_buf       sql;
    uint32_t      seen; /* filters that were given */
    bool          has_limit, has_cursor;
} search;

static int
add_value(edge_request *r, bus_str value)
{
    edge_db_query *query = &r->query.query;

    query->values[query->count] = bus_arena_copy(&r->arena, value.at, value.len).at;
    return ++query->count;
}

static void
add_number(edge_request *r, bus_buf *sql, const char *condition, int64_t value)
{
    bus_buf_printf(sql, "%s$%d::int8", condition,
                   add_value(r, bus_arena_printf(&r->arena, "%lld", (long long)value)));
}

static void
wrong(search *s, const char *name, const char *message)
{
    bus_problem_add(s->problems, bus_arena_printf(&s->r->arena, "/query/%.60s", name).at, "%s",
                    message);
}

/* --- parameters ---------------------------------------------------------- */

static void
read_filter(search *s, size_t i, bus_str value)
{
    int64_t number;
    bus_id  id;

    if ((s->seen & 1U << i) != 0) {
        wrong(s, filters[i].name, "is given twice");
        return;
    }
    s->seen |= 1U << i;
    switch (filters[i].kind) {
    case TEXT:
        if (value.len == 0 || value.len > TEXT_MAX || memchr(value.at, '\0', value.len) != NULL)
            wrong(s, filters[i].name, "must have 1 to 200 bytes");
        break;
    case ID:
        if (!bus_id_parse(value, &id))
            wrong(s, filters[i].name, "must be a UUID");
        break;
    case TIME_FROM:
    case TIME_TO:
        if (!edge_time_parse(value, &number))
            wrong(s, filters[i].name, "must be RFC 3339, or UTC milliseconds");
        else
            value = bus_arena_printf(&s->r->arena, "%lld", (long long)number);
        break;
    }
    bus_buf_printf(&s->sql, " and %s%d::%s", filters[i].condition, add_value(s->r, value),
                   filters[i].cast);
}

static void
read_limit(search *s, bus_str value)
{
    int64_t limit;

    if (s->has_limit || !edge_int_parse(value, &limit) || limit < 1 || limit > LIMIT_MAX)
        wrong(s, "limit", "must be 1 to 200, once");
    else
        s->r->query.limit = (int)limit;
    s->has_limit = true;
}

/* The number of the last row that was seen. */
static void
read_cursor(search *s, bus_str value)
{
    int64_t seq;

    if (s->has_cursor || !edge_int_parse(value, &seq) || seq < 1)
        wrong(s, "cursor", "is not a cursor of this list");
    else
        add_number(s->r, &s->sql, " and e.seq < ", seq);
    s->has_cursor = true;
}

static enum MHD_Result
on_parameter(void *context, enum MHD_ValueKind kind, const char *key, size_t key_bytes,
             const char *text, size_t text_bytes)
{
    search *s = context;
    bus_str name = {key, (uint32_t)key_bytes};
    bus_str value = {text == NULL ? "" : text, text == NULL ? 0 : (uint32_t)text_bytes};

    (void)kind;
    if (bus_str_is(name, "limit")) {
        read_limit(s, value);
        return MHD_YES;
    }
    if (bus_str_is(name, "cursor")) {
        read_cursor(s, value);
        return MHD_YES;
    }
    for (size_t i = 0; i < BUS_COUNT(filters); i++)
        if (bus_str_is(name, filters[i].name)) {
            read_filter(s, i, value);
            return MHD_YES;
        }
    wrong(s, bus_arena_copy(&s->r->arena, key, key_bytes).at, "is not a parameter of this list");
    return s->problems->count < PARAMETERS_MAX ? MHD_YES : MHD_NO;
}

/* --- the list ------------------------------------------------------------ */

static void
answer_failure(edge_request *r, bus_code rc)
{
    edge_problem(r,
                 rc == BUS_TIMEOUT     ? EDGE_QUERY_TIMEOUT
                 : rc == BUS_NOT_FOUND ? EDGE_UNAVAILABLE
                 : rc == BUS_INVALID   ? EDGE_BAD_REQUEST
                 : rc == BUS_FAULT     ? EDGE_INTERNAL
                                       : EDGE_UNAVAILABLE,
                 NULL);
}

static void
on_list(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request *r = query->context;
    int           rows, shown;

    if (rc != BUS_OK) {
        answer_failure(r, rc);
        return;
    }
    r->result = res;
    rows = PQntuples(res);
    shown = rows < r->query.limit ? rows : r->query.limit;
    bus_buf_reset(&r->out);
    bus_buf_add_text(&r->out, "{\"items\":[");
    for (int i = 0; i < shown; i++) {
        if (i > 0)
            bus_buf_add_char(&r->out, ',');
        bus_buf_add(&r->out, PQgetvalue(res, i, 1), (size_t)PQgetlength(res, i, 1));
    }
    bus_buf_add_text(&r->out, "],\"next_cursor\":");
    if (rows > shown)
        bus_buf_printf(&r->out, "\"%s\"", PQgetvalue(res, shown - 1, 0));
    else
        bus_buf_add_text(&r->out, "null");
    bus_buf_add_char(&r->out, '}');
    r->audit.personal = shown > 0; /* addresses */
    r->audit.rows = shown;
    edge_answer(r, &(edge_reply){.status = 200, .body = bus_buf_str(&r->out)});
}

/* What every query of the audit begins with. */
static void
begin(edge_request *r, void (*done)(edge_db_query *query, bus_code rc, PGresult *res))
{
    edge_query_work *work = &r->query;
    char             tenant[BUS_ID_TEXT_BYTES];

    memset(work, 0, sizeof(*work));
    work->limit = LIMIT_DEFAULT;
    work->query.context = r;
    work->query.done = done;
    work->query.for_tenant = true;
    work->query.tenant = r->caller.tenant;
    (void)add_value(r, bus_str_of(bus_id_format(r->caller.tenant, tenant)));
}

static void
add_own(edge_request *r, bus_buf *sql)
{
    char id[BUS_ID_TEXT_BYTES];

    if ((r->caller.actor.roles & BUS_ROLE_ADMIN) == 0)
        bus_buf_printf(sql, " and e.actor = $%d::uuid",
                       add_value(r, bus_str_of(bus_id_format(r->caller.actor.id, id))));
}

static void
send_query(edge_request *r, bus_buf *sql)
{
    bus_error err;
    bus_code  rc;

    r->query.query.sql = bus_arena_copy(&r->arena, sql->at, sql->len).at;
    edge_request_suspend(r);
    rc = edge_db_submit(r->loop->lists, &r->query.query, &err);
    if (rc != BUS_OK)
        edge_problem(r, rc == BUS_FULL ? EDGE_OVERLOADED : EDGE_UNAVAILABLE, NULL);
}

void
edge_audit_list_handle(edge_request *r)
{
    search s = {.r = r};

    begin(r, on_list);
    s.problems = BUS_ARENA_NEW(&r->arena, bus_problems);
    bus_buf_add_text(&s.sql, "select e.seq, " ENTRY " from audit.entries e"
                             " where e.tenant = $1::uuid");
    add_own(r, &s.sql);
    (void)MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &s);
    add_number(r, &s.sql, " order by e.seq desc limit ", r->query.limit + 1);
    if (s.problems->count > 0)
        edge_problem_invalid(r, s.problems);
    else
        send_query(r, &s.sql);
    bus_buf_fini(&s.sql);
}

/* --- one row, with what it has changed ----------------------------------- */

/* Where the change is seen; NULL: nowhere, or not by this caller. */
static const edge_view *
view_of(const edge_request *r, const char *type)
{
    const edge       *e = r->loop->e;
    const edge_route *command = edge_find_command(e, bus_str_of(type));

    for (int i = 0; command != NULL && i < e->views_count; i++) {
        const edge_view *view = &e->views[i];
        const edge_scope scope = edge_view_scope(view, &r->caller.actor);

        if (view->of->of == command->command->aggregate && view->of->http_item != NULL &&
            edge_as_of_fits(view) && scope.allowed && !scope.own_only)
            return view;
    }
    return NULL;
}

static void
add_body(edge_request *r, const edge_view *view, const char *name, bus_str body)
{
    const edge_scope  scope = edge_view_scope(view, &r->caller.actor);
    const edge_reader reader = {.roles = scope.roles, .grants = r->caller.actor.grants};

    bus_buf_printf(&r->out, ",\"%s\":", name);
    if (body.len == 0)
        bus_buf_add_text(&r->out, "null");
    else
        edge_body_add(view, body, &reader, &r->out);
}

static void
answer_item(edge_request *r)
{
    bus_buf_add_char(&r->out, '}');
    r->audit.personal = true;
    r->audit.rows = 1;
    edge_answer(r, &(edge_reply){.status = 200, .body = bus_buf_str(&r->out)});
}

static void
on_change(edge_request *r, const edge_change *change)
{
    const edge_view *view = view_of(r, PQgetvalue(r->result, 0, 1));

    if (change->known) {
        bus_buf_printf(&r->out, ",\"view\":\"%s\"", view->of->name);
        add_body(r, view, "before", change->before);
        add_body(r, view, "after", change->after);
    } else {
        bus_buf_add_text(&r->out, ",\"unknown\":\"");
        bus_buf_add_str(&r->out, edge_trouble_code(&(edge_trouble){.kind = change->problem}));
        bus_buf_add_char(&r->out, '"');
    }
    answer_item(r);
}

/* Columns: the entry, type, entity, position and command of what was accepted. */
static void
on_item(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request    *r = query->context;
    const edge_view *view;
    bus_id           command_id;

    if (rc != BUS_OK) {
        answer_failure(r, rc);
        return;
    }
    r->result = res;
    if (PQntuples(res) == 0) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return;
    }
    bus_buf_reset(&r->out);
    bus_buf_add(&r->out, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0) - 1);
    if (!bus_id_parse(bus_str_of(PQgetvalue(res, 0, 2)), &r->audit.entity))
        r->audit.entity = BUS_ID_NIL;
    view = view_of(r, PQgetvalue(res, 0, 1));
    if (view == NULL || bus_id_is_nil(r->audit.entity) || PQgetisnull(res, 0, 3) ||
        !bus_id_parse(bus_str_of(PQgetvalue(res, 0, 4)), &command_id))
        answer_item(r);
    else
        edge_as_of_change(r, view, r->audit.entity, command_id, PQgetvalue(res, 0, 3), on_change);
}

void
edge_audit_item_handle(edge_request *r)
{
    bus_buf sql = {0};
    int64_t seq;

    begin(r, on_item);
    if (!edge_int_parse(r->parameter, &seq)) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return;
    }
    bus_buf_add_text(&sql, "select " ENTRY ", e.type, e.entity,"
                           " case when e.outcome = 'ACCEPTED'"
                           " then e.detail::json ->> 'position' end,"
                           " e.detail::json ->> 'command_id'"
                           " from audit.entries e where e.tenant = $1::uuid");
    add_own(r, &sql);
    add_number(r, &sql, " and e.seq = ", seq);
    send_query(r, &sql);
    bus_buf_fini(&sql);
}
