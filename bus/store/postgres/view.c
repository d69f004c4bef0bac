/* view.c - the tables of views: made, filled, read back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/operations.h"
#include "bus/store/view_table.h"

#include <stdio.h>

#define SCAN_PAGE 500 /* rows */

bus_code
pg_view_create(bus_store *st, const bus_view_contract *view, int view_version, bus_error *err)
{
    char      name[BUS_VIEW_TABLE_BYTES], qualified[BUS_VIEW_TABLE_BYTES + 16];
    PGresult *res = NULL;
    bool      there;
    bus_code  rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    bus_view_table_name(view, view_version, name);
    (void)snprintf(qualified, sizeof(qualified), "views.\"%s\"", name);
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(qualified));
    rc = pg_run(st, "select to_regclass($1) is not null", "", PG_HARMLESS, &res, err);
    there = rc == BUS_OK && pg_get_bool(res, 0, 0);
    PQclear(res);
    if (rc != BUS_OK || there)
        return rc;
    bus_buf_reset(&st->sql);
    bus_view_table_ddl(view, view_version, &st->sql);
    rc = pg_simple(st, st->sql.at, PG_HARMLESS, err);
    if (rc != BUS_OK)
        pg_rollback(st);
    return rc;
}

bus_code
pg_view_analyze(bus_store *st, const bus_view_contract *view, int view_version, bus_error *err)
{
    char     name[BUS_VIEW_TABLE_BYTES];
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    bus_view_table_name(view, view_version, name);
    bus_buf_reset(&st->sql);
    bus_buf_printf(&st->sql, "analyze views.\"%s\"", name);
    return pg_simple(st, st->sql.at, PG_HARMLESS, err);
}

/* insert ... select from unnest of one array per column; the casts read the text forms. */
static void
write_upsert(const bus_view_contract *view, const char *table, bus_buf *out)
{
    const bus_column *c = view->columns;

    bus_buf_printf(out, "insert into views.\"%s\" (tenant, id, version, body", table);
    for (int i = 0; i < view->columns_count; i++)
        bus_buf_printf(out, ", \"%s\"", c[i].name);
    bus_buf_add_text(out, ") select k.tenant, k.id, k.version, k.body");
    for (int i = 0; i < view->columns_count; i++)
        bus_buf_printf(out, ", k.c%d::%s", i, bus_view_column_type(&c[i]));
    bus_buf_add_text(out, " from unnest($1::uuid[], $2::uuid[], $3::int4[], $4::text[]");
    for (int i = 0; i < view->columns_count; i++)
        bus_buf_printf(out, ", $%d::text[]", i + 5);
    bus_buf_add_text(out, ") k(tenant, id, version, body");
    for (int i = 0; i < view->columns_count; i++)
        bus_buf_printf(out, ", c%d", i);
    bus_buf_add_text(out, ") on conflict (tenant, id) do update set version = excluded.version,"
                          " body = excluded.body");
    for (int i = 0; i < view->columns_count; i++)
        bus_buf_printf(out, ", \"%s\" = excluded.\"%s\"", c[i].name, c[i].name);
}

bus_code
pg_prepare_view(bus_store *st, const bus_view_contract *view, const char *table,
                const char **upsert, const char **remove, bus_error *err)
{
    char     key[BUS_VIEW_TABLE_BYTES + 8];
    bus_code rc;

    (void)snprintf(key, sizeof(key), "upsert:%s", table);
    bus_buf_reset(&st->sql);
    write_upsert(view, table, &st->sql);
    if ((rc = pg_prepare_text(st, key, st->sql.at, upsert, err)) != BUS_OK)
        return rc;
    (void)snprintf(key, sizeof(key), "remove:%s", table);
    bus_buf_reset(&st->sql);
    bus_buf_printf(&st->sql,
                   "delete from views.\"%s\" v using unnest($1::uuid[], $2::uuid[]) k(tenant, id)"
                   " where v.tenant = k.tenant and v.id = k.id",
                   table);
    return pg_prepare_text(st, key, st->sql.at, remove, err);
}

static void
add_ids(pg_params *params, const bus_id *ids, int count)
{
    PG_ARRAY(params, PG_UUID, count, pg_put_id(&params->bytes, ids[row]));
}

bus_code
pg_table_rows(bus_store *st, const char *table, const bus_id *tenants, const bus_id *ids, int count,
              bus_arena *arena, bus_str *bodies, int32_t *versions, bus_error *err)
{
    static const char sql[] =
        "select k.n, v.version, v.body"
        " from unnest($1::uuid[], $2::uuid[]) with ordinality k(tenant, id, n)"
        " join views.{d} v on v.tenant = k.tenant and v.id = k.id";
    PGresult *res = NULL;
    bus_code  rc;

    for (int i = 0; i < count; i++) {
        bodies[i] = (bus_str){0};
        versions[i] = 0;
    }
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    add_ids(&st->params, tenants, count);
    add_ids(&st->params, ids, count);
    if ((rc = pg_run(st, sql, table, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    for (int row = 0; row < PQntuples(res); row++) {
        int64_t n = pg_get_int8(res, row, 0) - 1;
        bus_str body = pg_get_str(res, row, 2);

        BUS_INVARIANT(n >= 0 && n < count);
        versions[n] = pg_get_int4(res, row, 1);
        bodies[n] = bus_arena_copy(arena, body.at, body.len);
    }

done:
    PQclear(res);
    return rc;
}

bus_code
pg_view_rows(bus_store *st, const bus_view_contract *view, int view_version, const bus_id *tenants,
             const bus_id *ids, int count, bus_arena *arena, bus_str *bodies, int32_t *versions,
             bus_error *err)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_table_name(view, view_version, table);
    return pg_table_rows(st, table, tenants, ids, count, arena, bodies, versions, err);
}

static bus_code
scan_table(bus_store *st, const char *table,
           bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body,
                             bus_error *err),
           void *context, bus_error *err)
{
    static const char sql[] = "select tenant, id, version, body from views.{d}"
                              " where (tenant, id) > ($1::uuid, $2::uuid)"
                              " order by tenant, id limit $3::int4";
    bus_id            tenant = BUS_ID_NIL, id = BUS_ID_NIL;
    bool              more = true;
    bus_code          rc = BUS_OK;

    while (rc == BUS_OK && more) {
        PGresult *res = NULL;

        if ((rc = pg_ready(st, err)) != BUS_OK)
            return rc;
        pg_params_reset(&st->params);
        pg_add_id(&st->params, tenant);
        pg_add_id(&st->params, id);
        pg_add_int4(&st->params, SCAN_PAGE);
        rc = pg_run(st, sql, table, PG_HARMLESS, &res, err);
        more = rc == BUS_OK && PQntuples(res) == SCAN_PAGE;
        for (int row = 0; rc == BUS_OK && row < PQntuples(res); row++) {
            tenant = pg_get_id(res, row, 0);
            id = pg_get_id(res, row, 1);
            rc = visit(context, tenant, id, pg_get_int4(res, row, 2), pg_get_str(res, row, 3), err);
        }
        PQclear(res);
    }
    return rc;
}

bus_code
pg_view_scan(bus_store *st, const bus_view_contract *view, int view_version,
             bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                               bus_str body, bus_error *err),
             void *context, bus_error *err)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_table_name(view, view_version, table);
    return scan_table(st, table, visit, context, err);
}

bus_code
pg_build_scan(bus_store *st, const bus_view_contract *view, int view_version,
              bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                bus_str body, bus_error *err),
              void *context, bus_error *err)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_build_name(view, view_version, table);
    return scan_table(st, table, visit, context, err);
}

bus_code
pg_windows_due(bus_store *st, const bus_view_contract *view, int view_version, bool closed,
               int64_t at_ms, int limit,
               bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                 bus_str body, bus_error *err),
               void *context, bus_error *err)
{
    static const char to_close[] = "select tenant, id, version, body from views.{d}"
                                   " where not closed and to_at <= $1::int8"
                                   " order by to_at limit $2::int4";
    static const char to_open[] = "select tenant, id, version, body from views.{d}"
                                  " where closed and to_at > $1::int8"
                                  " order by to_at limit $2::int4";
    char              table[BUS_VIEW_TABLE_BYTES];
    PGresult         *res = NULL;
    bus_code          rc;

    bus_view_table_name(view, view_version, table);
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_int8(&st->params, at_ms);
    pg_add_int4(&st->params, limit);
    rc = pg_run(st, closed ? to_open : to_close, table, PG_HARMLESS, &res, err);
    for (int row = 0; rc == BUS_OK && row < PQntuples(res); row++)
        rc = visit(context, pg_get_id(res, row, 0), pg_get_id(res, row, 1),
                   pg_get_int4(res, row, 2), pg_get_str(res, row, 3), err);
    PQclear(res);
    return rc;
}
