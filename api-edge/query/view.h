/* view.h - a view as the edge reads it: its table, its joins, who sees what. Internal.
 * Threads: constant after edge_views_open.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_QUERY_VIEW_H
#define API_EDGE_QUERY_VIEW_H

#include "api-edge/http/loop.h"
#include "bus/store/view_table.h"

#define EDGE_JOINS_MAX 16

typedef struct {
    const bus_join  *of;
    const edge_view *other;
    const char      *masked_for; /* as in bus_field */
    bool             personal;
} edge_join;

struct edge_view {
    const bus_view          *view;
    const bus_view_contract *of;
    char                     table[BUS_VIEW_TABLE_BYTES];
    char      reader[BUS_VIEW_TABLE_BYTES + 8]; /* whose checkpoints tell how far it is */
    edge_join joins[EDGE_JOINS_MAX];
    int       joins_count;
    uint32_t  masked_for; /* roles for which some member, at any depth, may be masked */
    char     *item_sql, *item_own_sql;
    char     *select_sql;                /* of a list: up to "where" */
    char     *as_of_sql, *as_of_own_sql; /* query/as_of.h */
};

/* Makes e->views of e->options. BUS_INVALID: a join names a view or a member that is not there. */
BUS_CHECKED bus_code edge_views_open(edge *e, bus_error *err);
void                 edge_views_close(edge *e);

/* What a caller may see of a view. */
typedef struct {
    bool     allowed;
    bool     own_only; /* rows of their own */
    uint32_t roles;    /* that give this access: what decides on masking */
} edge_scope;
edge_scope edge_view_scope(const edge_view *view, const bus_actor *actor);

/* Who reads, as far as masks ask. */
typedef struct {
    uint32_t roles, grants;
} edge_reader;

/* Does one with all these roles see null in what is masked for `masked_for`, as in bus_field? No
 * roles: no. */
bool edge_is_masked(const char *masked_for, const edge_reader *reader);

/* Does one who reads so see personal data (x-personal) in the view's rows? */
bool edge_shows_personal(const edge_view *view, const edge_reader *reader);

/* handle() of the routes of a view. */
void edge_item_handle(edge_request *r);
void edge_list_handle(edge_request *r);
/* Sends r's query, which is suspended already or not. */
void edge_query_send(edge_request *r);

/* query/list.c: reads the parameters and writes r->query.query. False: answered. */
bool edge_list_query(edge_request *r, const edge_scope *scope);
/* query/row.c: adds the row's JSON with its joined members (texts from column first_join on),
 * masked members nulled. */
void edge_row_add(const edge_view *view, const PGresult *res, int row, int body_column,
                  int first_join, const edge_reader *reader, bus_buf *out);

/* The same of a row's body by itself. */
void edge_body_add(const edge_view *view, bus_str body, const edge_reader *reader, bus_buf *out);

/* " and v.own = $n ..." for rows of the caller's own; adds the values. */
void edge_scope_sql(const edge_view *view, bus_buf *sql, int first_parameter);
int  edge_scope_values(const edge_view *view, edge_request *r, const char **values);

#endif
