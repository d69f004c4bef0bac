/* view.c - the views, and reading one item.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/view.h"
#include "api-edge/http/problem.h"
#include "api-edge/live/progress.h"
#include "api-edge/query/as_of.h"
#include "api-edge/query/cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- masks --------------------------------------------------------------- */

/* Roles of "DRIVER VIEWER+finance.read" that see null with these grants. */
static uint32_t
masked_roles(const char *masked_for, uint32_t grants)
{
    const char *at = masked_for;
    uint32_t    roles = 0;

    while (at != NULL && *at != '\0') {
        uint32_t len = (uint32_t)strcspn(at, " "), role_len = (uint32_t)strcspn(at, " +");
        bool     lifted =
            role_len < len &&
            (bus_grant_parse((bus_str){at + role_len + 1, len - role_len - 1}) & grants) != 0;

        if (!lifted)
            roles |= bus_role_parse((bus_str){at, role_len});
        at += len + (at[len] == ' ');
    }
    return roles;
}

bool
edge_is_masked(const char *masked_for, const edge_reader *reader)
{
    return masked_for != NULL && reader->roles != 0 &&
           (reader->roles & ~masked_roles(masked_for, reader->grants)) == 0;
}

/* Roles masked anywhere within a shape, at least without a grant. Its depth is the contract's. */
static uint32_t
masks_within(const bus_shape *shape)
{
    uint32_t roles = 0;

    if (shape->kind == BUS_KIND_ARRAY)
        return masks_within(shape->item);
    if (shape->kind == BUS_KIND_UNION)
        for (uint32_t i = 0; i < shape->variants_count; i++)
            roles |= masks_within(shape->variants[i].shape);
    if (shape->kind == BUS_KIND_OBJECT)
        for (uint32_t i = 0; i < shape->fields_count; i++)
            roles |=
                masked_roles(shape->fields[i].masked_for, 0) | masks_within(shape->fields[i].shape);
    return roles;
}

/* Its depth is the contract's. */
static bool
shows_personal(const bus_shape *shape, const edge_reader *reader)
{
    if (!shape->personal)
        return false;
    if (shape->kind == BUS_KIND_ARRAY)
        return shows_personal(shape->item, reader);
    if (shape->kind == BUS_KIND_UNION)
        for (uint32_t i = 0; i < shape->variants_count; i++)
            if (shows_personal(shape->variants[i].shape, reader))
                return true;
    if (shape->kind == BUS_KIND_OBJECT)
        for (uint32_t i = 0; i < shape->fields_count; i++)
            if (!edge_is_masked(shape->fields[i].masked_for, reader) &&
                (shape->fields[i].personal != NULL ||
                 shows_personal(shape->fields[i].shape, reader)))
                return true;
    return false;
}

bool
edge_shows_personal(const edge_view *view, const edge_reader *reader)
{
    for (int i = 0; i < view->joins_count; i++)
        if (view->joins[i].personal && !edge_is_masked(view->joins[i].masked_for, reader))
            return true;
    return shows_personal(view->of->row, reader);
}

/* --- the tables of views ------------------------------------------------- */

static const edge_view *
find_view(const edge *e, const char *name)
{
    for (int i = 0; i < e->views_count; i++)
        if (strcmp(e->views[i].of->name, name) == 0)
            return &e->views[i];
    return NULL;
}

static const bus_field *
find_field(const bus_shape *row, const char *name)
{
    for (uint32_t i = 0; i < row->fields_count; i++)
        if (strcmp(row->fields[i].name, name) == 0)
            return &row->fields[i];
    return NULL;
}

static bool
has_column(const bus_view_contract *view, const char *name)
{
    for (int i = 0; i < view->columns_count; i++)
        if (strcmp(view->columns[i].name, name) == 0)
            return true;
    return false;
}

static bus_code
resolve_joins(const edge *e, edge_view *view, bus_error *err)
{
    for (int i = 0; i < view->of->joins_count; i++) {
        const bus_join  *join = &view->of->joins[i];
        const edge_view *other = find_view(e, join->view);
        const bus_field *taken = other == NULL ? NULL : find_field(other->of->row, join->take);

        if (i == EDGE_JOINS_MAX)
            return bus_fail(err, BUS_INVALID, "view %s has too many joins", view->of->name);
        if (taken == NULL || !has_column(view->of, join->by))
            return bus_fail(err, BUS_INVALID, "view %s: the join %s does not fit", view->of->name,
                            join->as);
        if (masks_within(taken->shape) != 0) /* it is joined as text, nobody would look inside */
            return bus_fail(err, BUS_INVALID, "view %s: the join %s takes masked members along",
                            view->of->name, join->as);
        view->joins[i] = (edge_join){.of = join,
                                     .other = other,
                                     .masked_for = taken->masked_for,
                                     .personal = taken->personal != NULL || taken->shape->personal};
        view->joins_count++;
    }
    return BUS_OK;
}

/* ", (j0.body::json -> 'full_name')::text" and its kin, then "from ... left join ...". rows: what
 * stands for the view's table, or NULL. */
static void
add_from(const edge_view *view, const char *rows, bus_buf *sql)
{
    for (int i = 0; i < view->joins_count; i++)
        bus_buf_printf(sql, ", (j%d.body::json -> '%s')::text", i, view->joins[i].of->take);
    if (rows != NULL)
        bus_buf_printf(sql, " from %s", rows);
    else
        bus_buf_printf(sql, " from views.\"%s\" v", view->table);
    for (int i = 0; i < view->joins_count; i++)
        bus_buf_printf(sql,
                       " left join views.\"%s\" j%d on j%d.tenant = v.tenant and j%d.id = v.\"%s\"",
                       view->joins[i].other->table, i, i, i, view->joins[i].of->by);
}

void
edge_scope_sql(const edge_view *view, bus_buf *sql, int first_parameter)
{
    bus_buf_printf(sql, " and v.\"%s\" = $%d::uuid", view->of->own, first_parameter);
    if (view->of->own_from != NULL) /* without a beginning it is not theirs yet */
        bus_buf_printf(sql, " and v.\"%s\" <= $%d::bigint", view->of->own_from,
                       first_parameter + 1);
    if (view->of->own_until != NULL)
        bus_buf_printf(sql, " and (v.\"%s\" is null or v.\"%s\" > $%d::bigint)",
                       view->of->own_until, view->of->own_until, first_parameter + 1);
}

int
edge_scope_values(const edge_view *view, edge_request *r, const char **values)
{
    char driver[BUS_ID_TEXT_BYTES];

    values[0] = bus_arena_copy(&r->arena, bus_id_format(r->caller.actor.driver_id, driver),
                               BUS_ID_TEXT_BYTES - 1)
                    .at;
    if (view->of->own_from == NULL && view->of->own_until == NULL)
        return 1;
    values[1] = bus_arena_printf(&r->arena, "%lld", (long long)r->loop->now_ms).at;
    return 2;
}

/* A cursor holds the sort value, and must fit an address. */
static bus_code
check_sorts(const edge_view *view, bus_error *err)
{
    for (int i = 0; i < view->of->columns_count; i++) {
        const bus_column *column = &view->of->columns[i];

        if (column->sort && column->field->shape->kind == BUS_KIND_STRING &&
            column->field->shape->maximum > EDGE_CURSOR_VALUE_MAX / 4) /* code points */
            return bus_fail(err, BUS_INVALID, "view %s: %s is too long to sort by", view->of->name,
                            column->name);
    }
    return BUS_OK;
}

static void
write_sql(edge_view *view)
{
    bus_buf item = {0}, own = {0}, list = {0}, as_of = {0}, as_of_own = {0}, row = {0};
    int     columns[EDGE_AS_OF_COLUMNS_MAX];

    bus_buf_add_text(&item, "select v.version, v.body");
    add_from(view, NULL, &item);
    bus_buf_add_text(&item, " where v.tenant = $1::uuid and v.id = $2::uuid");
    bus_buf_add_str(&own, bus_buf_str(&item));
    if (view->of->own != NULL)
        edge_scope_sql(view, &own, 3);
    add_from(view, NULL, &list);
    edge_as_of_sql(view, &row);
    bus_buf_add_text(&as_of, "select $3::int, $4::text");
    add_from(view, row.at, &as_of);
    bus_buf_add_text(&as_of, " where true");
    bus_buf_add_str(&as_of_own, bus_buf_str(&as_of));
    if (view->of->own != NULL)
        edge_scope_sql(view, &as_of_own, 5 + edge_as_of_columns(view, columns));
    bus_buf_fini(&row);
    view->as_of_sql = as_of.at;
    view->as_of_own_sql = as_of_own.at;
    view->item_sql = item.at;
    view->item_own_sql = own.at;
    view->select_sql = list.at;
}

/* Who fills it: of an analytic's other tables, the reader of its windows. */
static void
name_reader(edge_view *view)
{
    const bus_view_contract *of = view->of->part_of != NULL ? view->of->part_of : view->of;
    char                     table[BUS_VIEW_TABLE_BYTES];

    bus_view_table_name(of, view->view->view_version, table);
    (void)snprintf(view->reader, sizeof(view->reader), "view.%s", table);
}

bus_code
edge_views_open(edge *e, bus_error *err)
{
    bus_code rc;

    e->views = calloc((size_t)e->options.views_count + 1, sizeof(*e->views));
    if (e->views == NULL)
        abort();
    e->views_count = e->options.views_count;
    for (int i = 0; i < e->views_count; i++) {
        edge_view *view = &e->views[i];

        view->view = e->options.views[i];
        view->of = view->view->of;
        view->masked_for = masks_within(view->of->row);
        bus_view_table_name(view->of, view->view->view_version, view->table);
        name_reader(view);
    }
    for (int i = 0; i < e->views_count; i++) {
        if ((rc = resolve_joins(e, &e->views[i], err)) != BUS_OK ||
            (rc = check_sorts(&e->views[i], err)) != BUS_OK)
            return rc;
        write_sql(&e->views[i]);
    }
    return BUS_OK;
}

void
edge_views_close(edge *e)
{
    for (int i = 0; i < e->views_count; i++) {
        free(e->views[i].item_sql);
        free(e->views[i].item_own_sql);
        free(e->views[i].select_sql);
        free(e->views[i].as_of_sql);
        free(e->views[i].as_of_own_sql);
    }
    free(e->views);
}

edge_scope
edge_view_scope(const edge_view *view, const bus_actor *actor)
{
    const bus_view_contract *of = view->of;
    uint32_t                 whole = actor->roles & of->roles;

    if ((actor->grants & of->grants) != 0)
        whole |= actor->roles & of->roles_granted;
    if (whole != 0)
        return (edge_scope){.allowed = true, .roles = whole};
    return (edge_scope){.allowed = (actor->roles & of->roles_own) != 0 && of->own != NULL,
                        .own_only = true,
                        .roles = actor->roles & of->roles_own};
}

/* --- queries in common --------------------------------------------------- */

static void
answer_failure(edge_request *r, bus_code rc)
{
    edge_problem(r,
                 rc == BUS_TIMEOUT       ? EDGE_QUERY_TIMEOUT
                 : rc == BUS_UNAVAILABLE ? EDGE_UNAVAILABLE
                 : rc == BUS_NOT_FOUND   ? EDGE_VIEW_REBUILDING
                 : rc == BUS_FULL        ? EDGE_OVERLOADED
                 : rc == BUS_INVALID     ? EDGE_BAD_REQUEST
                                         : EDGE_INTERNAL,
                 NULL);
}

void
edge_query_send(edge_request *r)
{
    edge_db  *db = r->class == EDGE_CLASS_ITEM ? r->loop->items : r->loop->lists;
    bus_error err;
    bus_code  rc = edge_db_submit(db, &r->query.query, &err);

    if (rc != BUS_OK)
        answer_failure(r, rc);
    else if (!r->suspended)
        edge_request_suspend(r);
}

/* X-After first, if there is one. */
static void
send_after(edge_request *r)
{
    const char *after = edge_request_header(r, "X-After");

    if (after == NULL) {
        edge_query_send(r);
    } else if (!edge_position_parse(after, &r->query.after)) {
        edge_problem(r, EDGE_BAD_REQUEST, "X-After must be a position that an answer carried.");
    } else {
        edge_request_suspend(r);
        edge_progress_wait(r);
    }
}

static edge_reader
reader_of(const edge_request *r)
{
    return (edge_reader){.roles = r->query.masking_roles, .grants = r->caller.actor.grants};
}

/* --- one item ------------------------------------------------------------ */

static void
answer_item(edge_request *r, PGresult *res)
{
    const edge_view  *view = r->route->view;
    const edge_reader reader = reader_of(r);
    int32_t           version;
    int64_t           number;
    bus_str           body;

    r->result = res;
    if (PQntuples(res) == 0) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return;
    }
    version = edge_int_parse(bus_str_of(PQgetvalue(res, 0, 0)), &number) ? (int32_t)number : 0;
    if (edge_if_none_match(r->query.if_none_match, version)) {
        edge_answer(r, &(edge_reply){.status = 304, .version = version, .has_version = true});
        return;
    }
    if (view->joins_count == 0 && reader.roles == 0) {
        body = (bus_str){PQgetvalue(res, 0, 1), (uint32_t)PQgetlength(res, 0, 1)};
    } else {
        edge_row_add(view, res, 0, 1, 2, &reader, &r->out);
        body = bus_buf_str(&r->out);
    }
    r->audit.personal = edge_shows_personal(view, &reader);
    r->audit.rows = 1;
    edge_answer(
        r, &(edge_reply){.status = 200, .body = body, .version = version, .has_version = true});
}

static void
on_item(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request *r = query->context;

    if (rc != BUS_OK)
        answer_failure(r, rc);
    else
        answer_item(r, res);
}

/* The roles that masking asks for; 0: this caller sees all. */
static uint32_t
masking_roles(const edge_view *view, const edge_scope *scope)
{
    uint32_t masked_for = view->masked_for;

    for (int i = 0; i < view->joins_count; i++)
        masked_for |= masked_roles(view->joins[i].masked_for, 0);
    return (scope->roles & masked_for) == 0 ? 0 : scope->roles;
}

/* What both kinds of queries begin with. False: answered. */
static bool
begin_query(edge_request *r, edge_scope *scope)
{
    edge_query_work *work = &r->query;
    char             tenant[BUS_ID_TEXT_BYTES];

    *scope = edge_view_scope(r->route->view, &r->caller.actor);
    if (!scope->allowed) {
        edge_problem(r, EDGE_FORBIDDEN, NULL);
        return false;
    }
    memset(work, 0, sizeof(*work));
    work->query.context = r;
    work->query.for_tenant = true;
    work->query.tenant = r->caller.tenant;
    work->query.values[0] =
        bus_arena_copy(&r->arena, bus_id_format(r->caller.tenant, tenant), BUS_ID_TEXT_BYTES - 1)
            .at;
    work->query.count = 1;
    work->masking_roles = masking_roles(r->route->view, scope);
    return true;
}

void
edge_item_handle(edge_request *r)
{
    const edge_view *view = r->route->view;
    edge_query_work *work = &r->query;
    edge_scope       scope;
    bus_id           id;
    const char      *as_of;
    char             text[BUS_ID_TEXT_BYTES];

    as_of = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "as_of");
    if (!begin_query(r, &scope))
        return;
    if (!bus_id_parse(r->parameter, &id)) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
        return;
    }
    work->if_none_match = edge_request_header(r, "If-None-Match");
    work->query.done = on_item;
    work->query.sql = scope.own_only ? view->item_own_sql : view->item_sql;
    work->query.values[1] =
        bus_arena_copy(&r->arena, bus_id_format(id, text), BUS_ID_TEXT_BYTES - 1).at;
    work->query.count = 2;
    if (as_of != NULL) { /* the log has what any position names: there is nothing to wait for */
        edge_as_of_handle(r, &scope, id, as_of);
        return;
    }
    if (scope.own_only)
        work->query.count += edge_scope_values(view, r, &work->query.values[2]);
    send_after(r);
}

/* --- lists --------------------------------------------------------------- */

/* Columns of a list: body, sort value, id, joined members. */
static void
add_next_cursor(edge_request *r, const PGresult *res, int last)
{
    edge_cursor cursor = {.is_null = PQgetisnull(res, last, 1) != 0};

    cursor.value = (bus_str){PQgetvalue(res, last, 1), (uint32_t)PQgetlength(res, last, 1)};
    BUS_INVARIANT(bus_id_parse(bus_str_of(PQgetvalue(res, last, 2)), &cursor.id));
    bus_buf_add_char(&r->out, '"');
    edge_cursor_encode(&cursor, r->query.binding, &r->out);
    bus_buf_add_char(&r->out, '"');
}

static void
on_list(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request     *r = query->context;
    const edge_reader reader = reader_of(r);
    int               rows;

    if (rc != BUS_OK) {
        answer_failure(r, rc);
        return;
    }
    r->result = res;
    rows = PQntuples(res);
    bus_buf_reset(&r->out);
    bus_buf_add_text(&r->out, "{\"items\":[");
    for (int i = 0; i < rows && i < r->query.limit; i++) {
        if (i > 0)
            bus_buf_add_char(&r->out, ',');
        edge_row_add(r->route->view, res, i, 0, 3, &reader, &r->out);
    }
    bus_buf_add_text(&r->out, "],\"next_cursor\":");
    if (rows > r->query.limit)
        add_next_cursor(r, res, r->query.limit - 1);
    else
        bus_buf_add_text(&r->out, "null");
    bus_buf_add_char(&r->out, '}');
    r->audit.rows = rows < r->query.limit ? rows : r->query.limit;
    r->audit.personal = rows > 0 && edge_shows_personal(r->route->view, &reader);
    edge_answer(r, &(edge_reply){.status = 200, .body = bus_buf_str(&r->out)});
}

void
edge_list_handle(edge_request *r)
{
    edge_scope scope;

    if (!begin_query(r, &scope) || !edge_list_query(r, &scope))
        return;
    r->query.query.done = on_list;
    send_after(r);
}
