/* snapshot.c - states kept beside the log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/operations.h"

#define SNAPSHOT_COLUMNS "s.stream, s.tenant, s.aggregate, s.version, s.snapshot_version, s.state"

/* The log itself says what may be kept: no snapshot is ahead of it. A writer that was overtaken
 * may still write one that is older than the new owner's; it is right all the same, and the last
 * condition keeps it out in most cases. */
static const char write_sql[] =
    "insert into {d}.snapshots as s (stream, tenant, aggregate, version, snapshot_version, state)"
    " select k.stream, k.tenant, k.aggregate, k.version, k.snapshot_version, k.state"
    " from unnest($1::int2[], $2::int8[], $3::uuid[], $4::uuid[], $5::text[], $6::int4[],"
    "  $7::int4[], $8::bytea[])"
    "  k(partition, epoch, stream, tenant, aggregate, version, snapshot_version, state)"
    " join {d}.partitions p on p.partition = k.partition and p.epoch = k.epoch"
    " where exists (select from {d}.events e where e.stream = k.stream and e.version = k.version)"
    " order by k.stream"
    " on conflict (stream) do update set tenant = excluded.tenant, aggregate = excluded.aggregate,"
    "  version = excluded.version, snapshot_version = excluded.snapshot_version,"
    "  state = excluded.state"
    " where s.snapshot_version <> excluded.snapshot_version or s.version <= excluded.version";

bus_code
pg_snapshots_write(bus_store *st, const char *domain, const bus_snapshot *snapshots, int count,
                   bus_error *err)
{
    pg_params          *params = &st->params;
    bus_buf            *out = &params->bytes;
    const bus_snapshot *s = snapshots;
    PGresult           *res = NULL;
    bus_code            rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(params);
    PG_ARRAY(params, PG_INT2, count, pg_put_int2(out, s[row].partition));
    PG_ARRAY(params, PG_INT8, count, pg_put_int8(out, s[row].epoch));
    PG_ARRAY(params, PG_UUID, count, pg_put_id(out, s[row].stream));
    PG_ARRAY(params, PG_UUID, count, pg_put_id(out, s[row].tenant));
    PG_ARRAY(params, PG_TEXT, count, pg_put_text(out, s[row].aggregate));
    PG_ARRAY(params, PG_INT4, count, pg_put_int4(out, s[row].version));
    PG_ARRAY(params, PG_INT4, count, pg_put_int4(out, s[row].snapshot_version));
    PG_ARRAY(params, PG_BYTEA, count, pg_put_text(out, s[row].state));
    rc = pg_run(st, write_sql, domain, PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}

static bus_code
visit_all(const PGresult *res, bus_snapshot_visit visit, void *context, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < PQntuples(res); i++) {
        const bus_snapshot s = {.stream = pg_get_id(res, i, 0),
                                .tenant = pg_get_id(res, i, 1),
                                .aggregate = pg_get_str(res, i, 2),
                                .version = pg_get_int4(res, i, 3),
                                .snapshot_version = pg_get_int4(res, i, 4),
                                .state = pg_get_str(res, i, 5)};

        rc = visit(context, &s, err);
    }
    return rc;
}

bus_code
pg_snapshots_read(bus_store *st, const char *domain, const bus_id *streams, int count,
                  bus_snapshot_visit visit, void *context, bus_error *err)
{
    static const char sql[] =
        "select " SNAPSHOT_COLUMNS " from {d}.snapshots s where s.stream = any ($1::uuid[])";
    PGresult *res = NULL;
    bus_code  rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    PG_ARRAY(&st->params, PG_UUID, count, pg_put_id(&st->params.bytes, streams[row]));
    rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err);
    if (rc == BUS_OK)
        rc = visit_all(res, visit, context, err);
    PQclear(res);
    return rc;
}

bus_code
pg_snapshots_scan(bus_store *st, const char *domain, bus_id after, int limit,
                  bus_snapshot_visit visit, void *context, bus_error *err)
{
    static const char sql[] = "select " SNAPSHOT_COLUMNS " from {d}.snapshots s"
                              " where s.stream > $1::uuid order by s.stream limit $2::int4";
    PGresult         *res = NULL;
    bus_code          rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_id(&st->params, after);
    pg_add_int4(&st->params, limit);
    rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err);
    if (rc == BUS_OK)
        rc = visit_all(res, visit, context, err);
    PQclear(res);
    return rc;
}
