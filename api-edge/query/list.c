/* list.c - the parameters of a list, and its SQL.
 * Only what the contract declares may be filtered and sorted by; pages are by key, never offset.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/problem.h"
#include "api-edge/query/cursor.h"
#include "api-edge/query/filter.h"
#include "api-edge/query/view.h"

#include <string.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200
#define PARAMETERS_MAX 32 /* of one address */

typedef struct {
    edge_request     *r;
    const edge_view  *view;
    const edge_scope *scope;
    bus_problems     *problems;
    bus_buf           where; /* conditions, each with " and " before it */
    const bus_column *sort;  /* NULL: by id */
    bool              descending;
    bool              sort_given;
    bus_str           cursor; /* as given; empty: from the start */
    uint64_t          binding;
    bus_str           names[PARAMETERS_MAX]; /* given so far */
    int               parameters;
} list;

static int
add_value(list *l, const char *value)
{
    edge_db_query *query = &l->r->query.query;

    query->values[query->count] = value;
    return ++query->count;
}

/* --- parameters ---------------------------------------------------------- */

static bool
is_visible(const list *l, const bus_column *column)
{
    return !edge_is_masked(
        column->field->masked_for,
        &(edge_reader){.roles = l->scope->roles, .grants = l->r->caller.actor.grants});
}

/* "-registered_at"; false: not declared. */
static bool
find_sort(list *l, bus_str text)
{
    const bus_view_contract *of = l->view->of;

    l->descending = text.len > 0 && text.at[0] == '-';
    if (l->descending)
        text = (bus_str){text.at + 1, text.len - 1};
    for (int i = 0; i < of->columns_count; i++)
        if (of->columns[i].sort && bus_str_is(text, of->columns[i].name) &&
            is_visible(l, &of->columns[i])) {
            l->sort = &of->columns[i];
            return true;
        }
    return false;
}

static void
read_limit(list *l, bus_str value)
{
    int64_t limit;

    if (edge_int_parse(value, &limit) && limit >= 1 && limit <= LIMIT_MAX)
        l->r->query.limit = (int)limit;
    else
        bus_problem_add(l->problems, "/query/limit", "must be 1 to %d", LIMIT_MAX);
}

static void
read_filter(list *l, bus_str name, bus_str value)
{
    const char       *operator_sql;
    const bus_column *column = edge_filter_column(l->view->of, name, &operator_sql);
    edge_filter       filter;
    const char       *type;
    char              pointer[160];

    if (column == NULL || !is_visible(l, column)) {
        (void)snprintf(pointer, sizeof(pointer), "/query/%.*s", BUS_STR_ARG(name));
        bus_problem_add(l->problems, pointer, "is not a parameter of this list");
        return;
    }
    if (!edge_filter_parse(column, operator_sql, name, value, &l->r->arena, &filter, l->problems))
        return;
    type = bus_view_column_type(column);
    if (strcmp(filter.operator_sql, "any") == 0)
        bus_buf_printf(&l->where, " and v.\"%s\" = any ($%d::%s[])", column->name,
                       add_value(l, filter.value), type);
    else
        bus_buf_printf(&l->where, " and v.\"%s\" %s $%d::%s", column->name, filter.operator_sql,
                       add_value(l, filter.value), type);
}

/* Order of the parameters does not matter to a cursor, so their hashes are summed. */
static void
add_binding(list *l, bus_str name, bus_str value)
{
    uint64_t hash[2] = {bus_fnv1a64(name.at, name.len), bus_fnv1a64(value.at, value.len)};

    l->binding += bus_fnv1a64(hash, sizeof(hash));
}

static bool
is_repeated(const list *l, bus_str name)
{
    for (int i = 0; i < l->parameters; i++)
        if (bus_str_equal(l->names[i], name))
            return true;
    return false;
}

static enum MHD_Result
on_parameter(void *context, enum MHD_ValueKind kind, const char *key, size_t key_bytes,
             const char *text, size_t text_bytes)
{
    list   *l = context;
    bus_str name = {key, (uint32_t)key_bytes};
    bus_str value = {text == NULL ? "" : text, text == NULL ? 0 : (uint32_t)text_bytes};
    char    pointer[160];

    (void)kind;
    if (l->parameters == PARAMETERS_MAX) {
        bus_problem_add(l->problems, "/query", "must not have more than %d parameters",
                        PARAMETERS_MAX);
        return MHD_NO;
    }
    if (is_repeated(l, name)) {
        (void)snprintf(pointer, sizeof(pointer), "/query/%.*s", BUS_STR_ARG(name));
        bus_problem_add(l->problems, pointer, "is given twice");
        return MHD_YES;
    }
    l->names[l->parameters++] = name;
    if (bus_str_is(name, "limit")) {
        read_limit(l, value);
    } else if (bus_str_is(name, "cursor")) {
        l->cursor = value;
    } else if (bus_str_is(name, "sort")) {
        l->sort_given = true;
        if (!find_sort(l, value))
            bus_problem_add(l->problems, "/query/sort", "is not a sort of this list");
    } else {
        add_binding(l, name, value);
        read_filter(l, name, value);
    }
    return MHD_YES;
}

/* --- the SQL ------------------------------------------------------------- */

static bool
is_nullable(const bus_column *column)
{
    return column->field->nullable || column->field->has_offset != BUS_NO_OFFSET;
}

static const char *
id_text(list *l, bus_id id)
{
    char text[BUS_ID_TEXT_BYTES];

    return bus_arena_copy(&l->r->arena, bus_id_format(id, text), BUS_ID_TEXT_BYTES - 1).at;
}

/* Rows after the cursor. Ascending has nulls last, descending first, as the index does. */
static void
add_keyset(list *l, const edge_cursor *cursor)
{
    const char *sign = l->descending ? "<" : ">";
    const char *column = l->sort == NULL ? NULL : l->sort->name;
    int         value, id = add_value(l, id_text(l, cursor->id));

    if (column == NULL) {
        bus_buf_printf(&l->where, " and v.id %s $%d::uuid", sign, id);
        return;
    }
    if (cursor->is_null) {
        bus_buf_printf(&l->where, " and ((v.\"%s\" is null and v.id %s $%d::uuid)", column, sign,
                       id);
        bus_buf_printf(&l->where, l->descending ? " or v.\"%s\" is not null)" : ")", column);
        return;
    }
    value = add_value(l, cursor->value.at);
    bus_buf_printf(&l->where, " and ((v.\"%s\", v.id) %s ($%d::%s, $%d::uuid)", column, sign, value,
                   bus_view_column_type(l->sort), id);
    if (!l->descending && is_nullable(l->sort))
        bus_buf_printf(&l->where, " or v.\"%s\" is null", column);
    bus_buf_add_char(&l->where, ')');
}

static void
read_cursor(list *l)
{
    edge_cursor cursor;
    bus_str     name = bus_str_of(l->sort == NULL ? "id" : l->sort->name);

    add_binding(l, BUS_STR("sort"), name);
    add_binding(l, l->descending ? BUS_STR("desc") : BUS_STR("asc"), bus_str_of(l->view->table));
    l->r->query.binding = l->binding;
    if (l->cursor.len == 0)
        return;
    if (edge_cursor_decode(l->cursor, l->binding, &l->r->arena, &cursor))
        add_keyset(l, &cursor);
    else
        bus_problem_add(l->problems, "/query/cursor",
                        "is not a cursor of this list with these filters and this sort");
}

static void
write_sql(list *l)
{
    const char *direction = l->descending ? "desc" : "asc";
    bus_buf     sql = {0};

    if (l->sort == NULL)
        bus_buf_add_text(&sql, "select v.body, v.id::text, v.id");
    else
        bus_buf_printf(&sql, "select v.body, v.\"%s\"::text, v.id", l->sort->name);
    bus_buf_add_text(&sql, l->view->select_sql);
    bus_buf_add_text(&sql, " where v.tenant = $1::uuid");
    if (l->view->of->windows != NULL && l->view->of->windows->on_close)
        bus_buf_add_text(&sql, " and v.closed");
    bus_buf_add_str(&sql, bus_buf_str(&l->where));
    if (l->sort == NULL)
        bus_buf_printf(&sql, " order by v.id %s", direction);
    else
        bus_buf_printf(&sql, " order by v.\"%s\" %s, v.id %s", l->sort->name, direction, direction);
    bus_buf_printf(&sql, " limit $%d::int",
                   add_value(l, bus_arena_printf(&l->r->arena, "%d", l->r->query.limit + 1).at));
    l->r->query.query.sql = bus_arena_copy(&l->r->arena, sql.at, sql.len).at;
    bus_buf_fini(&sql);
}

bool
edge_list_query(edge_request *r, const edge_scope *scope)
{
    list l = {.r = r, .view = r->route->view, .scope = scope};

    l.problems = BUS_ARENA_NEW(&r->arena, bus_problems);
    r->query.limit = LIMIT_DEFAULT;
    (void)MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &l);
    if (!l.sort_given && l.view->of->default_sort != NULL)
        (void)find_sort(&l, bus_str_of(l.view->of->default_sort));
    if (scope->own_only) {
        int first = r->query.query.count + 1;

        r->query.query.count += edge_scope_values(l.view, r, &r->query.query.values[first - 1]);
        edge_scope_sql(l.view, &l.where, first);
    }
    read_cursor(&l);
    if (l.problems->count > 0)
        edge_problem_invalid(r, l.problems);
    else
        write_sql(&l);
    bus_buf_fini(&l.where);
    return l.problems->count == 0;
}
