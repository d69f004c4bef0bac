/* own_sessions.c - where am I logged in? The list of GET /sessions is for ADMINs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/problem.h"
#include "api-edge/login/job.h"

#include <stdio.h>

/* Its id is among the members of the row. */
static void
write_row(const edge_request *r, const PGresult *res, int row, bus_buf *out)
{
    const char *id = PQgetvalue(res, row, 0), *body = PQgetvalue(res, row, 1);
    char        own[BUS_ID_TEXT_BYTES];
    bool        present = bus_str_is(bus_str_of(id), bus_id_format(r->caller.session, own));

    bus_buf_printf(out, "%s{\"present\":%s%s%s", row == 0 ? "" : ",", present ? "true" : "false",
                   body[0] == '{' && body[1] != '}' ? "," : "", body[0] == '{' ? body + 1 : "}");
}

static void
on_rows(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_request *r = query->context;

    if (rc != BUS_OK) {
        edge_problem(r, rc == BUS_NOT_FOUND ? EDGE_VIEW_REBUILDING : EDGE_UNAVAILABLE, NULL);
        return;
    }
    bus_buf_reset(&r->out);
    bus_buf_add_text(&r->out, "{\"items\":[");
    for (int i = 0; i < PQntuples(res); i++)
        write_row(r, res, i, &r->out);
    bus_buf_add_text(&r->out, "]}");
    PQclear(res);
    edge_answer(r, &(edge_reply){.status = 200, .body = bus_buf_str(&r->out)});
}

static const char *
id_text(edge_request *r, bus_id id)
{
    char text[BUS_ID_TEXT_BYTES];

    return bus_arena_copy(&r->arena, bus_id_format(id, text), BUS_ID_TEXT_BYTES - 1).at;
}

void
edge_own_sessions_handle(edge_request *r)
{
    edge_db_query *query = BUS_ARENA_NEW(&r->arena, edge_db_query);
    bus_error      err;
    bus_code       rc;

    *query = (edge_db_query){
        .sql = r->loop->e->login.list_sql,
        .values = {id_text(r, r->caller.tenant), id_text(r, r->caller.actor.id),
                   bus_arena_printf(&r->arena, "%lld", (long long)r->loop->now_ms).at},
        .count = 3,
        .for_tenant = true,
        .tenant = r->caller.tenant,
        .done = on_rows,
        .context = r};
    rc = edge_db_submit(r->loop->lists, query, &err);
    if (rc == BUS_OK)
        edge_request_suspend(r);
    else
        edge_problem(r, rc == BUS_FULL ? EDGE_OVERLOADED : EDGE_UNAVAILABLE, NULL);
}
