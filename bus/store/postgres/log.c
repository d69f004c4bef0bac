/* log.c - reading the log: by command, by stream, by position; and the timers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/archive.h"
#include "bus/store/postgres/operations.h"

#include <string.h>

/* The columns of an event, in the order in which read_record takes them. */
#define EVENT_COLUMNS                                                                         \
    "e.partition, e.\"offset\", e.epoch, e.stream, e.aggregate, e.version, e.tenant, e.type," \
    " e.command_id, e.nth, e.digest, e.correlation_id, e.causation_id, e.actor, e.at,"        \
    " e.device_at, e.sends, e.data, e.archive"

/* What an archived event's row has lost is null: the ids nil, the texts empty. */
static bus_record
read_row(const PGresult *res, int row)
{
    return (bus_record){
        .partition = (uint16_t)pg_get_int2(res, row, 0),
        .offset = pg_get_int8(res, row, 1),
        .epoch = pg_get_int8(res, row, 2),
        .stream = pg_get_id(res, row, 3),
        .aggregate = pg_get_str(res, row, 4),
        .version = pg_get_int4(res, row, 5),
        .tenant = pg_get_id(res, row, 6),
        .type = pg_get_str(res, row, 7),
        .command_id = pg_get_id(res, row, 8),
        .nth = (int16_t)pg_get_int2(res, row, 9),
        .digest = pg_get_int8(res, row, 10),
        .correlation_id = pg_is_null(res, row, 11) ? BUS_ID_NIL : pg_get_id(res, row, 11),
        .causation_id = pg_get_str(res, row, 12),
        .actor = pg_get_str(res, row, 13),
        .at_ms = pg_get_time_ms(res, row, 14),
        .device_at_ms = pg_is_null(res, row, 15) ? 0 : pg_get_time_ms(res, row, 15),
        .sends = pg_get_str(res, row, 16),
        .data = pg_get_str(res, row, 17),
    };
}

static bool
is_archived(const PGresult *res, int row)
{
    return !pg_is_null(res, row, 18);
}

/* The event of a row, from its file if need be: then its strings live until the next call. */
static bus_code
read_record(bus_store *st, const char *domain, const PGresult *res, int row, bus_record *out,
            bus_error *err)
{
    *out = read_row(res, row);
    if (is_archived(res, row))
        return pg_archive_fill(st, domain, pg_get_int8(res, row, 18), out, err);
    return BUS_OK;
}

static void
add_ids(pg_params *params, const bus_id *ids, int count)
{
    pg_array_begin(params, PG_UUID, count);
    for (int i = 0; i < count; i++)
        pg_put_id(&params->bytes, ids[i]);
    pg_array_end(params);
}

/* A row of find that names a lost partition has no offset. */
static bool
mark_fenced(const PGresult *res, bus_append_partition *partitions, int count)
{
    bool fenced = false;

    for (int row = 0; row < PQntuples(res) && pg_is_null(res, row, 1); row++) {
        for (int i = 0; i < count; i++) {
            if (partitions[i].partition == pg_get_int2(res, row, 0))
                partitions[i].fenced = fenced = true;
        }
    }
    return fenced;
}

/* The events of a command lie side by side in one stream. */
static const char find_sql[] =
    "with lost as materialized ("
    " select k.partition from unnest($1::int2[], $2::int8[]) k(partition, epoch)"
    " where not exists (select from {d}.partitions p"
    "   where p.partition = k.partition and p.epoch = k.epoch))"
    " select l.partition, null::int8, null::int8, null::uuid, null, null::int4, null::uuid, null,"
    "  null::uuid, null::int2, null::int8, null::uuid, null, null::json, null::timestamptz,"
    "  null::timestamptz, null::json, null::json, null::int8 from lost l"
    " union all"
    " select " EVENT_COLUMNS " from unnest($3::uuid[]) k(id)"
    " cross join lateral (select f.stream, f.version from {d}.events f"
    "  where f.command_id = k.id and f.nth = 0 offset 0) f"
    " cross join lateral (select * from {d}.events e where e.stream = f.stream"
    "  and e.version between f.version and f.version + $4::int4 - 1 and e.command_id = k.id"
    "  order by e.version) e"
    " where not exists (select from lost)";

bus_code
pg_find(bus_store *st, const char *domain, bus_append_partition *partitions, int partitions_count,
        const bus_id *ids, int ids_count, bus_record_visit visit, void *context, bus_error *err)
{
    pg_params *params = &st->params;
    PGresult  *res = NULL;
    bus_code   rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(params);
    pg_array_begin(params, PG_INT2, partitions_count);
    for (int i = 0; i < partitions_count; i++) {
        partitions[i].fenced = false;
        pg_put_int2(&params->bytes, partitions[i].partition);
    }
    pg_array_end(params);
    pg_array_begin(params, PG_INT8, partitions_count);
    for (int i = 0; i < partitions_count; i++)
        pg_put_int8(&params->bytes, partitions[i].epoch);
    pg_array_end(params);
    add_ids(params, ids, ids_count);
    pg_add_int4(params, BUS_COMMAND_EVENTS_MAX);
    if ((rc = pg_run(st, find_sql, domain, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    if (mark_fenced(res, partitions, partitions_count)) {
        rc = bus_fail(err, BUS_FENCED, "a partition of %s is another's now", domain);
        goto done;
    }
    for (int i = 0; rc == BUS_OK && i < PQntuples(res); i++) {
        bus_record record;

        rc = read_record(st, domain, res, i, &record, err);
        if (rc == BUS_OK)
            rc = visit(context, &record, err);
    }

done:
    PQclear(res);
    return rc;
}

typedef struct {
    bus_store       *st;
    const char      *domain;
    bus_record_visit visit;
    void            *context;
} visitor;

static bus_code
visit_row(void *context, const PGresult *res, bus_error *err)
{
    const visitor *v = context;
    bus_record     record;
    bus_code       rc = read_record(v->st, v->domain, res, 0, &record, err);

    return rc == BUS_OK ? v->visit(v->context, &record, err) : rc;
}

bus_code
pg_load(bus_store *st, const char *domain, const bus_id *streams, int count, bus_record_visit visit,
        void *context, bus_error *err)
{
    /* The inner order by keeps the planner from anything but one index scan per stream. */
    static const char sql[] = "select " EVENT_COLUMNS " from unnest($1::uuid[]) k(id)"
                              " cross join lateral (select * from {d}.events e"
                              "  where e.stream = k.id order by e.version) e";
    visitor           v = {st, domain, visit, context};
    bus_code          rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    add_ids(&st->params, streams, count);
    return pg_run_rows(st, sql, domain, visit_row, &v, err);
}

bus_code
pg_load_after(bus_store *st, const char *domain, const bus_id *streams, const int32_t *versions,
              int count, bus_record_visit visit, void *context, bus_error *err)
{
    static const char sql[] =
        "select " EVENT_COLUMNS " from unnest($1::uuid[], $2::int4[]) k(id, version)"
        " cross join lateral (select * from {d}.events e"
        "  where e.stream = k.id and e.version > k.version order by e.version) e";
    visitor  v = {st, domain, visit, context};
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    add_ids(&st->params, streams, count);
    PG_ARRAY(&st->params, PG_INT4, count, pg_put_int4(&st->params.bytes, versions[row]));
    return pg_run_rows(st, sql, domain, visit_row, &v, err);
}

/* Reading a partition from its table. */
typedef struct {
    visitor to;
    int64_t last;  /* offset that was visited */
    int     left;  /* events that are still wanted */
    bool    stale; /* the first one is in a file that we did not know of */
} table_reading;

static bus_code
visit_table_row(void *context, const PGresult *res, bus_error *err)
{
    table_reading *t = context;
    bus_record     record;

    if (t->stale || is_archived(res, 0)) {
        t->stale = true;
        return BUS_OK;
    }
    record = read_row(res, 0);
    t->last = record.offset;
    t->left--;
    return t->to.visit(t->to.context, &record, err);
}

static bus_code
read_table(bus_store *st, const char *domain, uint16_t partition, table_reading *t, bus_error *err)
{
    static const char sql[] = "select " EVENT_COLUMNS " from {d}.events e"
                              " where e.partition = $1::int2 and e.\"offset\" > $2::int8"
                              " order by e.\"offset\" limit $3::int4";

    t->stale = false;
    pg_params_reset(&st->params);
    pg_add_int2(&st->params, partition);
    pg_add_int8(&st->params, t->last);
    pg_add_int4(&st->params, t->left);
    return pg_run_rows(st, sql, domain, visit_table_row, t, err);
}

/* First what is in files, as far as is known, then the table, which tells if there are more. */
bus_code
pg_read(bus_store *st, const char *domain, uint16_t partition, int64_t after, int limit,
        bus_record_visit visit, void *context, bus_error *err)
{
    table_reading t = {.to = {st, domain, visit, context}, .last = after, .left = limit};
    bus_code      rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    do {
        if (t.last < pg_archive_known(st, domain, partition) &&
            (rc = pg_archive_read(st, domain, partition, &t.last, &t.left, visit, context, err)) !=
                BUS_OK)
            return rc;
        if (t.left <= 0)
            return BUS_OK;
        rc = read_table(st, domain, partition, &t, err);
        if (rc == BUS_OK && t.stale && (rc = pg_archive_learn(st, domain, err)) == BUS_OK &&
            t.last >= pg_archive_known(st, domain, partition))
            rc = bus_fail(err, BUS_INVALID,
                          "%s, partition %d: the event behind offset %lld is archived in a file "
                          "that is not in the list",
                          domain, (int)partition, (long long)t.last);
    } while (rc == BUS_OK && t.stale);
    return rc;
}

bus_code
pg_heads(bus_store *st, const char *domain, int64_t *heads, int count, bus_error *err)
{
    static const char sql[] =
        "select partition, head from {d}.partitions where partition < $1::int4";
    PGresult *res = NULL;
    bus_code  rc;

    memset(heads, 0, sizeof(*heads) * (size_t)count);
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_int4(&st->params, count);
    if ((rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    for (int i = 0; i < PQntuples(res); i++)
        heads[pg_get_int2(res, i, 0)] = pg_get_int8(res, i, 1);

done:
    PQclear(res);
    return rc;
}

/* One timer more than asked for tells when the next is due. */
static const char timers_sql[] =
    "select t.partition, t.stream, t.name, t.due_at, e.tenant, e.aggregate from ("
    " select t.partition, t.stream, t.name, t.due_at from unnest($1::int2[]) k(partition)"
    "  cross join lateral (select * from {d}.timers t where t.partition = k.partition"
    "   order by t.due_at limit $2::int4 + 1) t"
    "  order by t.due_at, t.stream, t.name limit $2::int4 + 1) t"
    " left join lateral (select e.tenant, e.aggregate from {d}.events e"
    "  where e.stream = t.stream and e.version = 1) e on true"
    " order by t.due_at, t.stream, t.name";

bus_code
pg_timers_due(bus_store *st, const char *domain, const uint16_t *partitions, int partitions_count,
              int64_t now_ms, int limit, bus_arena *arena, bus_timer **out, int *count,
              int64_t *next_ms, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    *count = 0;
    *next_ms = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_array_begin(&st->params, PG_INT2, partitions_count);
    for (int i = 0; i < partitions_count; i++)
        pg_put_int2(&st->params.bytes, partitions[i]);
    pg_array_end(&st->params);
    pg_add_int4(&st->params, limit);
    if ((rc = pg_run(st, timers_sql, domain, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *out = BUS_ARENA_ARRAY(arena, bus_timer, (size_t)limit + 1);
    for (int i = 0; i < PQntuples(res); i++) {
        int64_t due_at_ms = pg_get_time_ms(res, i, 3);
        bus_str name = pg_get_str(res, i, 2), aggregate = pg_get_str(res, i, 5);

        if (due_at_ms > now_ms || *count == limit) {
            *next_ms = due_at_ms;
            break;
        }
        (*out)[(*count)++] = (bus_timer){
            .partition = (uint16_t)pg_get_int2(res, i, 0),
            .stream = pg_get_id(res, i, 1),
            .name = bus_arena_copy(arena, name.at, name.len),
            .due_at_ms = due_at_ms,
            .tenant = pg_is_null(res, i, 4) ? BUS_ID_NIL : pg_get_id(res, i, 4),
            .aggregate = bus_arena_copy(arena, aggregate.at, aggregate.len),
        };
    }

done:
    PQclear(res);
    return rc;
}
