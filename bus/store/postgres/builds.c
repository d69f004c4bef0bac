/* builds.c - tables of views built beside the one that is read, and those that nobody uses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/operations.h"
#include "bus/store/view_table.h"

#include <stdio.h>
#include <string.h>

#define COPY_CHUNK_BYTES (256u * 1024)
#define SWAP_LOCK_MS 2000 /* a slow list may hold the table so long; then the swap gives way */

static bus_str
table_of(const bus_view_contract *view, int view_version, char name[BUS_VIEW_TABLE_BYTES])
{
    bus_view_table_name(view, view_version, name);
    return bus_str_of(name);
}

/* Ends a transaction that began: commit, or back. */
static bus_code
end_transaction(bus_store *st, bus_code rc, bus_error *err)
{
    if (rc == BUS_OK)
        rc = pg_simple(st, "commit", PG_COMMITS, err);
    if (rc != BUS_OK)
        pg_rollback(st);
    return rc;
}

/* Runs a statement with st->params; *rows: how many it gave back. */
static bus_code
run_counted(bus_store *st, const char *sql, const char *domain, int *rows, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err);

    *rows = rc == BUS_OK ? PQntuples(res) : 0;
    PQclear(res);
    return rc;
}

static bus_code
taken_over(const bus_view_contract *view, bus_error *err)
{
    return bus_fail(err, BUS_FENCED, "another process builds the view %s now", view->name);
}

bus_code
pg_view_infos(bus_store *st, const char *domain, bus_arena *arena, bus_view_info **out, int *count,
              bus_error *err)
{
    static const char sql[] =
        "select view, table_name,"
        " case when builder_until > clock_timestamp() then coalesce(builder, '') else '' end,"
        " live, events_done, events_total from views.registry where domain = $1"
        " order by table_name";
    PGresult *res = NULL;
    bus_code  rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(domain));
    if ((rc = pg_run(st, sql, "", PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *count = PQntuples(res);
    *out = BUS_ARENA_ARRAY(arena, bus_view_info, (size_t)*count + 1);
    for (int i = 0; i < *count; i++) {
        bus_str view = pg_get_str(res, i, 0), table = pg_get_str(res, i, 1);
        bus_str builder = pg_get_str(res, i, 2);

        (*out)[i] = (bus_view_info){.view = bus_arena_copy(arena, view.at, view.len),
                                    .table = bus_arena_copy(arena, table.at, table.len),
                                    .builder = bus_arena_copy(arena, builder.at, builder.len),
                                    .live = pg_get_bool(res, i, 3),
                                    .done = pg_get_int8(res, i, 4),
                                    .total = pg_get_int8(res, i, 5)};
    }

done:
    PQclear(res);
    return rc;
}

/* --- filling ------------------------------------------------------------------- */

/* Begins a transaction that ends before another builder can take over. */
static bus_code
begin_as_builder(bus_store *st, const bus_view_contract *view, int view_version,
                 const char *builder, bus_error *err)
{
    static const char sql[] = "select 1 from views.registry"
                              " where table_name = $1 and builder = $2 for share";
    char              table[BUS_VIEW_TABLE_BYTES];
    int               rows;
    bus_code          rc;

    if ((rc = pg_ready(st, err)) != BUS_OK ||
        (rc = pg_simple(st, "begin", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, table_of(view, view_version, table));
    pg_add_text(&st->params, bus_str_of(builder));
    rc = run_counted(st, sql, "", &rows, err);
    if (rc == BUS_OK && rows == 0)
        rc = taken_over(view, err);
    if (rc != BUS_OK)
        pg_rollback(st);
    return rc;
}

/* Making indexes may outlast a lease, and cannot be interrupted to renew it: whoever does it has
 * this lock meanwhile, and whoever would take over must be able to get it. It ends with the
 * transaction. try: *rows is 0 if another has it. */
static bus_code
lock_build(bus_store *st, const char *table, bool try, int *rows, bus_error *err)
{
    static const char now[] = "select 1 where pg_try_advisory_xact_lock("
                              "hashtextextended('shina.build.' || $1::text, 0))";
    static const char wait[] =
        "select pg_advisory_xact_lock(hashtextextended('shina.build.' || $1::text, 0))";

    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(table));
    return run_counted(st, try ? now : wait, "", rows, err);
}

bus_code
pg_build_begin(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
               bus_error *err)
{
    static const char sql[] =
        "insert into views.registry as r (table_name, view, domain, builder, builder_until)"
        " values ($1, $2, $3, $4, clock_timestamp() + $5::int4 * interval '1 ms')"
        " on conflict (table_name) do update set builder = excluded.builder,"
        "  builder_until = excluded.builder_until, events_done = 0, events_total = 0"
        " where r.builder is null or r.builder = excluded.builder"
        "  or r.builder_until <= clock_timestamp() returning 1";
    char     table[BUS_VIEW_TABLE_BYTES];
    int      rows;
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK ||
        (rc = pg_simple(st, "begin", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    bus_view_table_name(view, view_version, table);
    rc = lock_build(st, table, true, &rows, err);
    if (rc == BUS_OK && rows > 0) {
        pg_params_reset(&st->params);
        pg_add_text(&st->params, bus_str_of(table));
        pg_add_text(&st->params, bus_str_of(view->name));
        pg_add_text(&st->params, bus_str_of(view->contract->module));
        pg_add_text(&st->params, bus_str_of(builder));
        pg_add_int4(&st->params, BUS_LEASE_MS);
        rc = run_counted(st, sql, "", &rows, err);
    }
    if (rc == BUS_OK && rows == 0)
        rc = bus_fail(err, BUS_DENIED, "another process builds the view %s", view->name);
    if (rc == BUS_OK) {
        bus_buf_reset(&st->sql);
        bus_view_build_ddl(view, view_version, &st->sql);
        rc = pg_simple(st, st->sql.at, PG_HARMLESS, err);
    }
    return end_transaction(st, rc, err);
}

bus_code
pg_build_report(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
                int64_t done, int64_t total, bus_error *err)
{
    static const char sql[] =
        "update views.registry set events_done = $3::int8, events_total = $4::int8,"
        " builder_until = clock_timestamp() + $5::int4 * interval '1 ms'"
        " where table_name = $1 and builder = $2 returning 1";
    char     table[BUS_VIEW_TABLE_BYTES];
    int      rows;
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, table_of(view, view_version, table));
    pg_add_text(&st->params, bus_str_of(builder));
    pg_add_int8(&st->params, done);
    pg_add_int8(&st->params, total);
    pg_add_int4(&st->params, BUS_LEASE_MS);
    rc = run_counted(st, sql, "", &rows, err);
    return rc == BUS_OK && rows == 0 ? taken_over(view, err) : rc;
}

/* One field in the text format of COPY. */
static void
put_copy_text(bus_buf *out, bus_str value)
{
    uint32_t from = 0;

    for (uint32_t i = 0; i < value.len; i++) {
        const char *escape = NULL;

        switch (value.at[i]) {
        case '\\': escape = "\\\\"; break;
        case '\t': escape = "\\t"; break;
        case '\n': escape = "\\n"; break;
        case '\r': escape = "\\r"; break;
        default: continue;
        }
        bus_buf_add(out, value.at + from, i - from);
        bus_buf_add(out, escape, 2);
        from = i + 1;
    }
    bus_buf_add(out, value.at + from, value.len - from);
}

static void
put_copy_row(bus_buf *out, const bus_row_write *row)
{
    char text[BUS_ID_TEXT_BYTES];

    bus_buf_add(out, bus_id_format(row->tenant, text), 36);
    bus_buf_add_char(out, '\t');
    bus_buf_add(out, bus_id_format(row->id, text), 36);
    bus_buf_add_char(out, '\t');
    bus_buf_add_int(out, row->version);
    bus_buf_add_char(out, '\t');
    put_copy_text(out, row->body);
    for (int i = 0; i < row->view->columns_count; i++) {
        bus_buf_add_char(out, '\t');
        if (row->columns[i].at == NULL)
            bus_buf_add(out, "\\N", 2);
        else
            put_copy_text(out, row->columns[i]);
    }
    bus_buf_add_char(out, '\n');
}

static bus_code
send_rows(bus_store *st, const bus_row_write *rows, int count, bus_error *err)
{
    bus_buf *out = &st->copy;

    bus_buf_reset(out);
    for (int i = 0; i < count; i++) {
        put_copy_row(out, &rows[i]);
        if (out->len < COPY_CHUNK_BYTES && i + 1 < count)
            continue;
        if (PQputCopyData(st->conn, out->at, (int)out->len) != 1)
            return pg_fail(st, NULL, PG_HARMLESS, err);
        bus_buf_reset(out);
    }
    return PQputCopyEnd(st->conn, NULL) == 1 ? BUS_OK : pg_fail(st, NULL, PG_HARMLESS, err);
}

static bus_code
copy_rows(bus_store *st, const bus_row_write *rows, int count, bus_error *err)
{
    char      table[BUS_VIEW_TABLE_BYTES];
    PGresult *res;
    bus_code  rc;

    bus_view_build_name(rows[0].view, rows[0].view_version, table);
    bus_buf_reset(&st->sql);
    bus_buf_printf(&st->sql, "copy views.\"%s\" (tenant, id, version, body", table);
    for (int i = 0; i < rows[0].view->columns_count; i++)
        bus_buf_printf(&st->sql, ", \"%s\"", rows[0].view->columns[i].name);
    bus_buf_add_text(&st->sql, ") from stdin");
    res = PQexec(st->conn, st->sql.at);
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        rc = pg_fail(st, res, PG_HARMLESS, err);
        PQclear(res);
        return rc;
    }
    PQclear(res);
    if ((rc = send_rows(st, rows, count, err)) != BUS_OK) {
        pg_disconnect(st);
        return rc;
    }
    return pg_end_copy(st, err);
}

bus_code
pg_build_fill(bus_store *st, const char *builder, const bus_row_write *rows, int count,
              bus_error *err)
{
    bus_code rc;

    if (count == 0)
        return BUS_OK;
    if ((rc = begin_as_builder(st, rows[0].view, rows[0].view_version, builder, err)) != BUS_OK)
        return rc;
    return end_transaction(st, copy_rows(st, rows, count, err), err);
}

bus_code
pg_build_index(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
               bus_error *err)
{
    static const char renew[] = "update views.registry set"
                                " builder_until = clock_timestamp() + $3::int4 * interval '1 ms'"
                                " where table_name = $1 and builder = $2 returning 1";
    char              table[BUS_VIEW_TABLE_BYTES];
    int               rows;
    bus_code          rc;

    if ((rc = pg_ready(st, err)) != BUS_OK ||
        (rc = pg_simple(st, "begin", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    bus_view_table_name(view, view_version, table);
    if ((rc = lock_build(st, table, false, &rows, err)) == BUS_OK) {
        bus_buf_reset(&st->sql);
        bus_view_build_index_ddl(view, view_version, &st->sql);
        rc = pg_simple(st, st->sql.at, PG_HARMLESS, err);
    }
    if (rc == BUS_OK) { /* last, so that the row is locked for a moment only */
        pg_params_reset(&st->params);
        pg_add_text(&st->params, bus_str_of(table));
        pg_add_text(&st->params, bus_str_of(builder));
        pg_add_int4(&st->params, BUS_LEASE_MS);
        rc = run_counted(st, renew, "", &rows, err);
        if (rc == BUS_OK && rows == 0)
            rc = taken_over(view, err);
    }
    return end_transaction(st, rc, err);
}

bus_code
pg_build_rows(bus_store *st, const bus_view_contract *view, int view_version, const bus_id *tenants,
              const bus_id *ids, int count, bus_arena *arena, bus_str *bodies, int32_t *versions,
              bus_error *err)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_build_name(view, view_version, table);
    return pg_table_rows(st, table, tenants, ids, count, arena, bodies, versions, err);
}

bus_code
pg_build_write(bus_store *st, const char *builder, const bus_row_write *rows, int count,
               bus_error *err)
{
    char     table[BUS_VIEW_TABLE_BYTES];
    bus_code rc;

    if (count == 0)
        return BUS_OK;
    if ((rc = begin_as_builder(st, rows[0].view, rows[0].view_version, builder, err)) != BUS_OK)
        return rc;
    bus_view_build_name(rows[0].view, rows[0].view_version, table);
    return end_transaction(st, pg_write_rows(st, table, rows, count, err), err);
}

/* --- taking its place ------------------------------------------------------------ */

static bus_code
claim_swap(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
           bus_error *err)
{
    static const char sql[] =
        "update views.registry set live = true, builder = null, builder_until = '-infinity',"
        " used_at = clock_timestamp() where table_name = $1 and builder = $2 returning 1";
    char     table[BUS_VIEW_TABLE_BYTES];
    int      rows;
    bus_code rc;

    pg_params_reset(&st->params);
    pg_add_text(&st->params, table_of(view, view_version, table));
    pg_add_text(&st->params, bus_str_of(builder));
    rc = run_counted(st, sql, "", &rows, err);
    return rc == BUS_OK && rows == 0 ? taken_over(view, err) : rc;
}

/* Checkpoints under their epochs, then nobody's; the reader's parkings anew. */
static bus_code
move_reader(bus_store *st, const bus_effect *effect, bus_error *err)
{
    static const char forget[] = "with gone as (delete from {d}.parked where reader = $1"
                                 "  and domain = $2)"
                                 " delete from {d}.skipped where reader = $1 and domain = $2";
    static const char release[] =
        "update {d}.checkpoints set owner = null, lease_until = '-infinity'"
        " where reader = $1 and domain = $2";
    int      rows;
    bus_code rc;

    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(effect->reader));
    pg_add_text(&st->params, bus_str_of(effect->domain));
    if ((rc = run_counted(st, forget, effect->home, &rows, err)) != BUS_OK ||
        (rc = pg_advance(st, effect, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(effect->reader));
    pg_add_text(&st->params, bus_str_of(effect->domain));
    return run_counted(st, release, effect->home, &rows, err);
}

bus_code
pg_build_swap(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
              const bus_effect *effects, bus_error *err)
{
    char     begin[64];
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    (void)snprintf(begin, sizeof(begin), "begin; set local lock_timeout = %d", SWAP_LOCK_MS);
    if ((rc = pg_simple(st, begin, PG_HARMLESS, err)) != BUS_OK)
        return rc;
    rc = claim_swap(st, view, view_version, builder, err);
    for (const bus_effect *e = effects; rc == BUS_OK && e != NULL; e = e->also)
        rc = move_reader(st, e, err);
    if (rc == BUS_OK) {
        bus_buf_reset(&st->sql);
        bus_view_build_swap_ddl(view, view_version, &st->sql);
        rc = pg_simple(st, st->sql.at, PG_HARMLESS, err);
    }
    return end_transaction(st, rc, err);
}

bus_code
pg_build_abandon(bus_store *st, const bus_view_contract *view, int view_version,
                 const char *builder, bus_error *err)
{
    static const char clear[] =
        "update views.registry set builder = null, builder_until = '-infinity'"
        " where table_name = $1 and builder = $2 returning 1";
    char     table[BUS_VIEW_TABLE_BYTES], drop[BUS_VIEW_TABLE_BYTES + 40];
    int      rows;
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK ||
        (rc = pg_simple(st, "begin", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, table_of(view, view_version, table));
    pg_add_text(&st->params, bus_str_of(builder));
    rc = run_counted(st, clear, "", &rows, err);
    if (rc == BUS_OK && rows > 0) {
        bus_view_build_name(view, view_version, table);
        (void)snprintf(drop, sizeof(drop), "drop table if exists views.\"%s\"", table);
        rc = pg_simple(st, drop, PG_HARMLESS, err);
    }
    return end_transaction(st, rc, err);
}

/* --- what nobody uses -------------------------------------------------------------- */

bus_code
pg_view_use(bus_store *st, const bus_view_contract *const *views, const int *view_versions,
            int count, bus_error *err)
{
    static const char sql[] = "update views.registry set used_at = clock_timestamp()"
                              " where table_name = any ($1::text[])";
    char              table[BUS_VIEW_TABLE_BYTES];
    int               rows;
    bus_code          rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    PG_ARRAY(&st->params, PG_TEXT, count,
             pg_put_text(&st->params.bytes, table_of(views[row], view_versions[row], table)));
    return run_counted(st, sql, "", &rows, err);
}

static bus_code
drop_one(bus_store *st, const char *domain, bus_str table, int64_t grace_ms, bool *dropped,
         bus_error *err)
{
    static const char claim[] = "delete from views.registry where table_name = $1"
                                " and used_at < clock_timestamp() - $2::int8 * interval '1 ms'"
                                " and builder_until <= clock_timestamp() returning 1";
    static const char forget[] = "with gone as (delete from {d}.parked where reader = $1),"
                                 " seen as (delete from {d}.skipped where reader = $1)"
                                 " delete from {d}.checkpoints where reader = $1";
    char              drop[2 * BUS_VIEW_TABLE_BYTES + 64], reader[BUS_VIEW_TABLE_BYTES + 8];
    int               rows = 0;
    bus_code          rc;

    (void)snprintf(drop, sizeof(drop),
                   "drop table if exists views.\"%.*s\"; drop table if exists views.\"%.*s_new\"",
                   BUS_STR_ARG(table), BUS_STR_ARG(table));
    (void)snprintf(reader, sizeof(reader), "view.%.*s", BUS_STR_ARG(table));
    if ((rc = pg_simple(st, "begin; set local lock_timeout = 2000", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, table);
    pg_add_int8(&st->params, grace_ms);
    rc = run_counted(st, claim, "", &rows, err);
    *dropped = rc == BUS_OK && rows > 0;
    if (*dropped) {
        pg_params_reset(&st->params);
        pg_add_text(&st->params, bus_str_of(reader));
        if ((rc = run_counted(st, forget, domain, &rows, err)) == BUS_OK)
            rc = pg_simple(st, drop, PG_HARMLESS, err);
    }
    rc = end_transaction(st, rc, err);
    *dropped = *dropped && rc == BUS_OK;
    return rc;
}

bus_code
pg_view_drop_unused(bus_store *st, const char *domain, int64_t grace_ms, bus_arena *arena,
                    bus_str **dropped, int *count, bus_error *err)
{
    static const char sql[] = "select table_name from views.registry where domain = $1"
                              " and used_at < clock_timestamp() - $2::int8 * interval '1 ms'"
                              " and builder_until <= clock_timestamp() order by table_name";
    PGresult         *res = NULL;
    bus_code          rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(domain));
    pg_add_int8(&st->params, grace_ms);
    if ((rc = pg_run(st, sql, "", PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *dropped = BUS_ARENA_ARRAY(arena, bus_str, (size_t)PQntuples(res) + 1);
    for (int i = 0; rc == BUS_OK && i < PQntuples(res); i++) {
        bus_str table = pg_get_str(res, i, 0);
        bool    gone = false;

        rc = drop_one(st, domain, table, grace_ms, &gone, err);
        if (gone)
            (*dropped)[(*count)++] = bus_arena_copy(arena, table.at, table.len);
    }

done:
    PQclear(res);
    return rc;
}
