/* reader.c - checkpoints of readers, and what they did, in one transaction.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/operations.h"
#include "bus/store/view_table.h"

#include <string.h>

static void
add_places(pg_params *params, const bus_checkpoint *checkpoints, int count)
{
    pg_array_begin(params, PG_INT2, count);
    for (int i = 0; i < count; i++)
        pg_put_int2(&params->bytes, checkpoints[i].partition);
    pg_array_end(params);
    pg_array_begin(params, PG_INT8, count);
    for (int i = 0; i < count; i++)
        pg_put_int8(&params->bytes, checkpoints[i].epoch);
    pg_array_end(params);
}

bus_code
pg_checkpoint_take(bus_store *st, const char *home, const char *reader, const char *domain,
                   const char *owner, bool steal, bus_checkpoint *checkpoints, int count,
                   bus_error *err)
{
    static const char sql[] = "select partition, \"offset\", epoch"
                              " from {d}.checkpoint_take($1, $2, $3, $4, $5, $6)";
    pg_params        *params = &st->params;
    PGresult         *res = NULL;
    bus_code          rc;

    for (int i = 0; i < count; i++)
        checkpoints[i] = (bus_checkpoint){.partition = (uint16_t)i};
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(params);
    pg_add_int4(params, BUS_LEASE_MS);
    pg_add_text(params, bus_str_of(reader));
    pg_add_text(params, bus_str_of(domain));
    pg_add_text(params, bus_str_of(owner));
    pg_add_bool(params, steal);
    pg_add_int4(params, count);
    if ((rc = pg_run(st, sql, home, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    for (int i = 0; i < PQntuples(res); i++) {
        bus_checkpoint *c = &checkpoints[pg_get_int2(res, i, 0)];

        c->offset = pg_get_int8(res, i, 1);
        c->epoch = pg_get_int8(res, i, 2);
        c->held = true;
    }

done:
    PQclear(res);
    return rc;
}

bus_code
pg_checkpoint_renew(bus_store *st, const char *home, const char *reader, const char *domain,
                    bus_checkpoint *checkpoints, int count, bus_error *err)
{
    pg_params *params = &st->params;
    PGresult  *res = NULL;
    bus_code   rc;

    for (int i = 0; i < count; i++)
        checkpoints[i].held = false;
    if (count == 0)
        return BUS_OK;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(params);
    pg_add_int4(params, BUS_LEASE_MS);
    pg_add_text(params, bus_str_of(reader));
    pg_add_text(params, bus_str_of(domain));
    add_places(params, checkpoints, count);
    rc =
        pg_run(st, "select {d}.checkpoint_renew($1, $2, $3, $4, $5)", home, PG_HARMLESS, &res, err);
    for (int row = 0; rc == BUS_OK && row < PQntuples(res); row++) {
        for (int i = 0; i < count; i++) {
            if (checkpoints[i].partition == pg_get_int2(res, row, 0))
                checkpoints[i].held = true;
        }
    }
    PQclear(res);
    return rc;
}

bus_code
pg_checkpoint_release(bus_store *st, const char *home, const char *reader, const char *domain,
                      const bus_checkpoint *checkpoints, int count, bus_error *err)
{
    pg_params *params = &st->params;
    PGresult  *res = NULL;
    bus_code   rc;

    if (count == 0)
        return BUS_OK;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(params);
    pg_add_text(params, bus_str_of(reader));
    pg_add_text(params, bus_str_of(domain));
    add_places(params, checkpoints, count);
    rc = pg_run(st, "select {d}.checkpoint_release($1, $2, $3, $4)", home, PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}

bus_code
pg_checkpoint_forget(bus_store *st, const char *home, const char *reader, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(reader));
    rc = pg_run(st, "delete from {d}.checkpoints where reader = $1", home, PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}

bus_code
pg_checkpoints(bus_store *st, const char *home, bus_arena *arena, bus_checkpoint_info **out,
               int *count, bus_error *err)
{
    static const char sql[] = "select reader, domain, owner, partition, \"offset\", epoch,"
                              " owner is not null and lease_until > clock_timestamp()"
                              " from {d}.checkpoints order by reader, domain, partition";
    PGresult         *res = NULL;
    bus_code          rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    if ((rc = pg_run(st, sql, home, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *count = PQntuples(res);
    *out = BUS_ARENA_ARRAY(arena, bus_checkpoint_info, (size_t)*count);
    for (int i = 0; i < *count; i++) {
        bus_str reader = pg_get_str(res, i, 0), domain = pg_get_str(res, i, 1);
        bus_str owner = pg_get_str(res, i, 2);

        (*out)[i] = (bus_checkpoint_info){.reader = bus_arena_copy(arena, reader.at, reader.len),
                                          .domain = bus_arena_copy(arena, domain.at, domain.len),
                                          .owner = bus_arena_copy(arena, owner.at, owner.len),
                                          .partition = (uint16_t)pg_get_int2(res, i, 3),
                                          .offset = pg_get_int8(res, i, 4),
                                          .epoch = pg_get_int8(res, i, 5),
                                          .live = pg_get_bool(res, i, 6)};
    }

done:
    PQclear(res);
    return rc;
}

/* --- effect ---------------------------------------------------------------- */

static const char advance_sql[] =
    "select {d}.advance($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

static void
add_parks(pg_params *params, const bus_effect *effect)
{
    const bus_park_write *p = effect->parks;
    int                   n = effect->parks_count;
    bus_buf              *out = &params->bytes;

    if (n == 0) {
        for (int i = 0; i < 6; i++)
            pg_add_null(params);
        return;
    }
    PG_ARRAY(params, PG_UUID, n, pg_put_id(out, p[row].stream));
    PG_ARRAY(params, PG_INT2, n, pg_put_int2(out, p[row].partition));
    PG_ARRAY(params, PG_INT8, n, pg_put_int8(out, p[row].from_offset));
    PG_ARRAY(params, PG_TEXT, n, pg_put_text(out, bus_str_of(p[row].reason)));
    PG_ARRAY(params, PG_BOOL, n, pg_put_bool(out, p[row].remove));
    PG_ARRAY(params, PG_INT8, n, pg_put_int8(out, p[row].skip_offset));
}

static void
add_advance(pg_params *params, const bus_effect *effect)
{
    const bus_checkpoint *c = effect->checkpoints;
    int                   n = effect->checkpoints_count;

    pg_params_reset(params);
    pg_add_int4(params, BUS_LEASE_MS);
    pg_add_text(params, bus_str_of(effect->reader));
    pg_add_text(params, bus_str_of(effect->domain));
    add_places(params, c, n);
    PG_ARRAY(params, PG_INT8, n, pg_put_int8(&params->bytes, c[row].offset));
    add_parks(params, effect);
}

static bool
same_table(const bus_row_write *a, const bus_row_write *b)
{
    return a->view == b->view && a->view_version == b->view_version;
}

/* How many rows from `rows` on are of one table. */
static int
group_of(const bus_row_write *rows, int count)
{
    int n = 1;

    while (n < count && same_table(&rows[0], &rows[n]))
        n++;
    return n;
}

static void
put_column(bus_buf *out, bus_str value)
{
    if (value.at == NULL)
        pg_put_null(out);
    else
        pg_put_text(out, value);
}

/* Adds an array over the rows that stay, or over those that go. */
#define ROWS(type, n, put)                      \
    do {                                        \
        pg_array_begin(params, (type), (n));    \
        for (int row = 0; row < count; row++) { \
            if (rows[row].remove == remove) {   \
                put;                            \
            }                                   \
        }                                       \
        pg_array_end(params);                   \
    } while (0)

static void
add_rows(pg_params *params, const bus_row_write *rows, int count, int of_kind, bool remove)
{
    bus_buf *out = &params->bytes;

    pg_params_reset(params);
    ROWS(PG_UUID, of_kind, pg_put_id(out, rows[row].tenant));
    ROWS(PG_UUID, of_kind, pg_put_id(out, rows[row].id));
    if (remove)
        return;
    ROWS(PG_INT4, of_kind, pg_put_int4(out, rows[row].version));
    ROWS(PG_TEXT, of_kind, pg_put_text(out, rows[row].body));
    for (int column = 0; column < rows[0].view->columns_count; column++)
        ROWS(PG_TEXT, of_kind, put_column(out, rows[row].columns[column]));
}

static bus_code
send_rows(bus_store *st, const char *table, const bus_row_write *rows, int count, bus_error *err)
{
    const char *upsert, *remove;
    int         removed = 0;
    bus_code    rc;

    for (int i = 0; i < count; i++)
        removed += rows[i].remove;
    if ((rc = pg_prepare_view(st, rows[0].view, table, &upsert, &remove, err)) != BUS_OK)
        return rc;
    if (removed < count) {
        add_rows(&st->params, rows, count, count - removed, false);
        if ((rc = pg_send(st, upsert, err)) != BUS_OK)
            return rc;
    }
    if (removed > 0) {
        add_rows(&st->params, rows, count, removed, true);
        rc = pg_send(st, remove, err);
    }
    return rc;
}

static bus_code
send_effect(bus_store *st, const bus_effect *effect, const char *advance, bus_error *err)
{
    const bus_effect *e;
    char              table[BUS_VIEW_TABLE_BYTES];
    bus_code          rc = BUS_OK;

    for (e = effect; rc == BUS_OK && e != NULL; e = e->also) {
        add_advance(&st->params, e); /* first: it takes the locks and the fence */
        rc = pg_send(st, advance, err);
    }
    for (e = effect; e != NULL; e = e->also) {
        for (int at = 0, n; rc == BUS_OK && at < e->rows_count; at += n) {
            n = group_of(e->rows + at, e->rows_count - at);
            bus_view_table_name(e->rows[at].view, e->rows[at].view_version, table);
            rc = send_rows(st, table, e->rows + at, n, err);
        }
    }
    return rc;
}

/* Takes the results of the pipeline up to its sync; the first failure is the one. */
static bus_code
end_pipeline(bus_store *st, bus_error *err)
{
    PGresult *res;
    bus_error later;
    bus_code  rc = BUS_OK;
    bool      synced = false;

    while (!synced) {
        ExecStatusType status;

        res = PQgetResult(st->conn);
        if (res == NULL) {
            if (PQstatus(st->conn) != CONNECTION_OK) {
                if (rc == BUS_OK)
                    rc = pg_fail(st, NULL, PG_COMMITS, err);
                return rc;
            }
            continue; /* the end of one statement's results */
        }
        status = PQresultStatus(res);
        synced = status == PGRES_PIPELINE_SYNC;
        if (status == PGRES_FATAL_ERROR && rc == BUS_OK)
            rc = pg_fail(st, res, PG_COMMITS, err);
        else if (status == PGRES_FATAL_ERROR)
            (void)pg_fail(st, res, PG_COMMITS, &later); /* may find the connection stale */
        PQclear(res);
        if (st->stale) /* libpq takes the answers for over, though they are on their way */
            return rc;
    }
    return rc;
}

/* After everything was sent, or could not be. */
static bus_code
close_pipeline(bus_store *st, bus_code rc, bus_error *err)
{
    pg_params_reset(&st->params);
    if (rc != BUS_OK || PQpipelineSync(st->conn) != 1) {
        if (rc == BUS_OK)
            rc = pg_fail(st, NULL, PG_COMMITS, err);
        pg_disconnect(st); /* without its sync the pipeline is rolled back */
        return rc;
    }
    rc = end_pipeline(st, err);
    if (PQexitPipelineMode(st->conn) != 1)
        pg_disconnect(st);
    return rc;
}

/* The statements must be known before the pipeline begins: preparing waits for its answer. */
static bus_code
prepare_effect(bus_store *st, const bus_effect *effect, const char **advance, bus_error *err)
{
    const char *upsert, *remove;
    char        table[BUS_VIEW_TABLE_BYTES];
    bus_code    rc = pg_prepare(st, advance_sql, effect->home, advance, err);

    for (const bus_effect *e = effect; e != NULL; e = e->also) {
        BUS_INVARIANT(strcmp(e->home, effect->home) == 0);
        for (int at = 0; rc == BUS_OK && at < e->rows_count;
             at += group_of(e->rows + at, e->rows_count - at)) {
            bus_view_table_name(e->rows[at].view, e->rows[at].view_version, table);
            rc = pg_prepare_view(st, e->rows[at].view, table, &upsert, &remove, err);
        }
    }
    return rc;
}

bus_code
pg_effect(bus_store *st, const bus_effect *effect, bus_error *err)
{
    const char *advance;
    PGresult   *res = NULL;
    bus_code    rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    if (effect->rows_count == 0 && effect->also == NULL) {
        add_advance(&st->params, effect);
        rc = pg_run(st, advance_sql, effect->home, PG_COMMITS, &res, err);
        PQclear(res);
        return rc;
    }
    if ((rc = prepare_effect(st, effect, &advance, err)) != BUS_OK)
        return rc;
    if (PQenterPipelineMode(st->conn) != 1)
        return pg_fail(st, NULL, PG_HARMLESS, err);
    return close_pipeline(st, send_effect(st, effect, advance, err), err);
}

bus_code
pg_advance(bus_store *st, const bus_effect *effect, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    add_advance(&st->params, effect);
    rc = pg_run(st, advance_sql, effect->home, PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}

/* One statement: no stream is both parked and released. */
static const char park_sql[] =
    "with k as materialized (select k.* from"
    "  unnest($3::uuid[], $4::int2[], $5::int8[], $6::text[], $7::bool[], $8::int8[])"
    "  k(stream, partition, from_offset, reason, remove, epoch)"
    "  left join {d}.partitions p on p.partition = k.partition and p.epoch = k.epoch"
    "  where k.epoch is null or p.partition is not null),"
    " gone as (delete from {d}.parked p using k where k.remove and p.reader = $1 and p.domain = $2"
    "  and p.stream = k.stream)"
    " insert into {d}.parked (reader, domain, stream, partition, from_offset, reason)"
    " select $1, $2, k.stream, k.partition, k.from_offset, k.reason from k where not k.remove"
    "  order by k.stream"
    " on conflict (reader, domain, stream) do update set partition = excluded.partition,"
    "  from_offset = excluded.from_offset, reason = excluded.reason, asked = null";

bus_code
pg_park(bus_store *st, const char *home, const char *reader, const char *domain,
        const bus_park_write *parks, const int64_t *epochs, int count, bus_error *err)
{
    pg_params            *params = &st->params;
    bus_buf              *out = &params->bytes;
    const bus_park_write *p = parks;
    PGresult             *res = NULL;
    bus_code              rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(params);
    pg_add_text(params, bus_str_of(reader));
    pg_add_text(params, bus_str_of(domain));
    PG_ARRAY(params, PG_UUID, count, pg_put_id(out, p[row].stream));
    PG_ARRAY(params, PG_INT2, count, pg_put_int2(out, p[row].partition));
    PG_ARRAY(params, PG_INT8, count, pg_put_int8(out, p[row].from_offset));
    PG_ARRAY(params, PG_TEXT, count, pg_put_text(out, bus_str_of(p[row].reason)));
    PG_ARRAY(params, PG_BOOL, count, pg_put_bool(out, p[row].remove));
    PG_ARRAY(params, PG_INT8, count,
             epochs == NULL ? pg_put_null(out) : pg_put_int8(out, epochs[row]));
    rc = pg_run(st, park_sql, home, PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}

bus_code
pg_write_rows(bus_store *st, const char *table, const bus_row_write *rows, int count,
              bus_error *err)
{
    const char *upsert, *remove;
    bus_code    rc;

    if ((rc = pg_prepare_view(st, rows[0].view, table, &upsert, &remove, err)) != BUS_OK)
        return rc;
    if (PQenterPipelineMode(st->conn) != 1)
        return pg_fail(st, NULL, PG_HARMLESS, err);
    return close_pipeline(st, send_rows(st, table, rows, count, err), err);
}

static const char *const asks[] = {[BUS_ASK_RETRY] = "retry", [BUS_ASK_SKIP] = "skip"};

static bus_ask
ask_of(bus_str text)
{
    for (int i = BUS_ASK_RETRY; i <= BUS_ASK_SKIP; i++) {
        if (bus_str_is(text, asks[i]))
            return (bus_ask)i;
    }
    return BUS_ASK_NONE;
}

bus_code
pg_park_ask(bus_store *st, const char *home, const char *reader, const char *domain, bus_id stream,
            bus_ask ask, bus_error *err)
{
    static const char sql[] = "update {d}.parked set asked = $4"
                              " where reader = $1 and domain = $2 and stream = $3 returning 1";
    PGresult         *res = NULL;
    bus_code          rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(reader));
    pg_add_text(&st->params, bus_str_of(domain));
    pg_add_id(&st->params, stream);
    if (ask == BUS_ASK_NONE)
        pg_add_null(&st->params);
    else
        pg_add_text(&st->params, bus_str_of(asks[ask]));
    rc = pg_run(st, sql, home, PG_HARMLESS, &res, err);
    if (rc == BUS_OK && PQntuples(res) == 0)
        rc = bus_fail(err, BUS_NOT_FOUND, "that stream is not parked by %s", reader);
    PQclear(res);
    return rc;
}

bus_code
pg_skipped(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
           bus_skipped **out, int *count, bus_error *err)
{
    static const char sql[] =
        "select reader, domain, stream, partition, \"offset\" from {d}.skipped"
        " where $1::text is null or reader = $1 order by reader, domain, partition, \"offset\"";
    PGresult *res = NULL;
    bus_code  rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    if (reader_or_null == NULL)
        pg_add_null(&st->params);
    else
        pg_add_text(&st->params, bus_str_of(reader_or_null));
    if ((rc = pg_run(st, sql, home, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *count = PQntuples(res);
    *out = BUS_ARENA_ARRAY(arena, bus_skipped, (size_t)*count + 1);
    for (int i = 0; i < *count; i++) {
        bus_str reader = pg_get_str(res, i, 0), domain = pg_get_str(res, i, 1);

        (*out)[i] = (bus_skipped){.reader = bus_arena_copy(arena, reader.at, reader.len),
                                  .domain = bus_arena_copy(arena, domain.at, domain.len),
                                  .stream = pg_get_id(res, i, 2),
                                  .partition = (uint16_t)pg_get_int2(res, i, 3),
                                  .offset = pg_get_int8(res, i, 4)};
    }

done:
    PQclear(res);
    return rc;
}

bus_code
pg_parked(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
          bus_parked **out, int *count, bus_error *err)
{
    static const char sql[] =
        "select reader, domain, stream, partition, from_offset, reason, asked from {d}.parked"
        " where $1::text is null or reader = $1 order by reader, domain, stream";
    PGresult *res = NULL;
    bus_code  rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    if (reader_or_null == NULL)
        pg_add_null(&st->params);
    else
        pg_add_text(&st->params, bus_str_of(reader_or_null));
    if ((rc = pg_run(st, sql, home, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *count = PQntuples(res);
    *out = BUS_ARENA_ARRAY(arena, bus_parked, (size_t)*count);
    for (int i = 0; i < *count; i++) {
        bus_str reader = pg_get_str(res, i, 0), domain = pg_get_str(res, i, 1);
        bus_str reason = pg_get_str(res, i, 5);

        (*out)[i] = (bus_parked){.reader = bus_arena_copy(arena, reader.at, reader.len),
                                 .domain = bus_arena_copy(arena, domain.at, domain.len),
                                 .stream = pg_get_id(res, i, 2),
                                 .partition = (uint16_t)pg_get_int2(res, i, 3),
                                 .from_offset = pg_get_int8(res, i, 4),
                                 .reason = bus_arena_copy(arena, reason.at, reason.len),
                                 .asked = ask_of(pg_get_str(res, i, 6))};
    }

done:
    PQclear(res);
    return rc;
}
