/* append.c - one batch into the log: one call of one function, or for a large one the same
 * call without events and then COPY, in one transaction.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/store/postgres/operations.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* From so many events on COPY is faster than arrays, whose memory grows with them: measured with
 * tests/bench/append_bench.c, where both stay within a fifth of plain COPY from 32 rows up. */
#define COPY_FROM_EVENTS 2048
#define COPY_CHUNK_BYTES (1u << 20)

static const char append_sql[] =
    "select {d}.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
    " $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)";

#define EVENT_PARAMS 17

/* The same for the batch of a lone command: one event, nothing claimed, no timers, no look-up. It
 * runs in two thirds of the time. No row: the epoch is not ours any more. */
static const char append_one_sql[] =
    "with raised as (update {d}.partitions p set head = p.head + 1,"
    "  lease_until = greatest(p.lease_until, clock_timestamp() + $1::int * interval '1 ms')"
    "  where p.partition = $2 and p.epoch = $3 returning p.head)"
    " insert into {d}.events (partition, \"offset\", epoch, stream, aggregate, version, tenant,"
    "  type, command_id, nth, digest, correlation_id, causation_id, actor, at, device_at, sends,"
    "  data)"
    " select $2, r.head, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18"
    " from raised r returning \"offset\"";

static void
put_text_or_null(bus_buf *out, bus_str value)
{
    if (value.len == 0)
        pg_put_null(out);
    else
        pg_put_text(out, value);
}

static void
put_time_or_null(bus_buf *out, int64_t at_ms)
{
    if (at_ms == 0)
        pg_put_null(out);
    else
        pg_put_time(out, at_ms);
}

static void
add_nulls(pg_params *params, int count)
{
    for (int i = 0; i < count; i++)
        pg_add_null(params);
}

static void
add_partitions(pg_params *params, const bus_append *batch, const int *counts)
{
    const bus_append_partition *p = batch->partitions;
    int                         n = batch->partitions_count;

    PG_ARRAY(params, PG_INT2, n, pg_put_int2(&params->bytes, p[row].partition));
    PG_ARRAY(params, PG_INT8, n, pg_put_int8(&params->bytes, p[row].epoch));
    PG_ARRAY(params, PG_INT4, n, pg_put_int4(&params->bytes, counts[row]));
}

static void
add_commands(pg_params *params, const bus_append *batch, bool look_up)
{
    if (batch->commands_count == 0 || !look_up)
        pg_add_null(params);
    else
        PG_ARRAY(params, PG_UUID, batch->commands_count,
                 pg_put_id(&params->bytes, batch->commands[row].id));
}

static void
add_claims(pg_params *params, const bus_append *batch)
{
    const bus_claim_write *c = batch->claims;
    int                    n = batch->claims_count;

    if (n == 0) {
        add_nulls(params, 5);
        return;
    }
    PG_ARRAY(params, PG_UUID, n, pg_put_id(&params->bytes, c[row].tenant));
    PG_ARRAY(params, PG_TEXT, n, pg_put_text(&params->bytes, bus_str_of(c[row].kind)));
    PG_ARRAY(params, PG_TEXT, n, pg_put_text(&params->bytes, c[row].value));
    PG_ARRAY(params, PG_UUID, n, pg_put_id(&params->bytes, c[row].stream));
    PG_ARRAY(params, PG_BOOL, n, pg_put_bool(&params->bytes, c[row].release));
}

static void
add_timers(pg_params *params, const bus_append *batch)
{
    const bus_timer_write *t = batch->timers;
    int                    n = batch->timers_count;

    if (n == 0) {
        add_nulls(params, 5);
        return;
    }
    PG_ARRAY(params, PG_INT2, n, pg_put_int2(&params->bytes, t[row].partition));
    PG_ARRAY(params, PG_UUID, n, pg_put_id(&params->bytes, t[row].stream));
    PG_ARRAY(params, PG_TEXT, n, pg_put_text(&params->bytes, bus_str_of(t[row].name)));
    PG_ARRAY(params, PG_TIME, n, put_time_or_null(&params->bytes, t[row].due_at_ms));
    PG_ARRAY(params, PG_BOOL, n, pg_put_bool(&params->bytes, t[row].fired));
}

/* How one try goes, and where its events stand. */
typedef struct {
    bool     look_up;                    /* the command ids; else only their unique index watches */
    int      counts[BUS_PARTITIONS_MAX]; /* events by index of the partition in the batch */
    int16_t *places;                     /* by event: 1-based index of its partition in the batch */
    int32_t *steps;                      /* by event: its number within the partition, from 0 */
} placing;

static void
add_events(pg_params *params, const bus_append *batch, const placing *where)
{
    const bus_record *e = batch->events;
    int               n = batch->events_count;
    bus_buf          *out = &params->bytes;

    PG_ARRAY(params, PG_INT2, n, pg_put_int2(out, where->places[row]));
    PG_ARRAY(params, PG_INT4, n, pg_put_int4(out, where->steps[row]));
    PG_ARRAY(params, PG_UUID, n, pg_put_id(out, e[row].stream));
    PG_ARRAY(params, PG_TEXT, n, pg_put_text(out, e[row].aggregate));
    PG_ARRAY(params, PG_INT4, n, pg_put_int4(out, e[row].version));
    PG_ARRAY(params, PG_UUID, n, pg_put_id(out, e[row].tenant));
    PG_ARRAY(params, PG_TEXT, n, pg_put_text(out, e[row].type));
    PG_ARRAY(params, PG_UUID, n, pg_put_id(out, e[row].command_id));
    PG_ARRAY(params, PG_INT2, n, pg_put_int2(out, e[row].nth));
    PG_ARRAY(params, PG_INT8, n, pg_put_int8(out, e[row].digest));
    PG_ARRAY(params, PG_UUID, n, pg_put_id(out, e[row].correlation_id));
    PG_ARRAY(params, PG_TEXT, n, put_text_or_null(out, e[row].causation_id));
    PG_ARRAY(params, PG_JSON, n, pg_put_text(out, e[row].actor));
    PG_ARRAY(params, PG_TIME, n, pg_put_time(out, e[row].at_ms));
    PG_ARRAY(params, PG_TIME, n, put_time_or_null(out, e[row].device_at_ms));
    PG_ARRAY(params, PG_JSON, n, put_text_or_null(out, e[row].sends));
    PG_ARRAY(params, PG_JSON, n, pg_put_text(out, e[row].data));
}

/* A row of COPY BINARY, in the order of copy_sql. */
static void
add_copy_row(bus_buf *out, const bus_record *e)
{
    pg_raw_int2(out, 18);
    pg_put_int2(out, e->partition);
    pg_put_int8(out, e->offset);
    pg_put_int8(out, e->epoch);
    pg_put_id(out, e->stream);
    pg_put_text(out, e->aggregate);
    pg_put_int4(out, e->version);
    pg_put_id(out, e->tenant);
    pg_put_text(out, e->type);
    pg_put_id(out, e->command_id);
    pg_put_int2(out, e->nth);
    pg_put_int8(out, e->digest);
    pg_put_id(out, e->correlation_id);
    put_text_or_null(out, e->causation_id);
    pg_put_text(out, e->actor);
    pg_put_time(out, e->at_ms);
    put_time_or_null(out, e->device_at_ms);
    put_text_or_null(out, e->sends);
    pg_put_text(out, e->data);
}

static const char copy_sql[] =
    "copy {d}.events (partition, \"offset\", epoch, stream, aggregate, version, tenant, type,"
    " command_id, nth, digest, correlation_id, causation_id, actor, at, device_at, sends, data)"
    " from stdin (format binary)";

/* --- what the server named ------------------------------------------------ */

/* Calls each for every comma-separated item of the DETAIL of res. */
static void
each_named(const PGresult *res, void (*each)(bus_append *batch, bus_str item), bus_append *batch)
{
    const char *at = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");

        each(batch, (bus_str){at, (uint32_t)len});
        at += at[len] == ',' ? len + 1 : len;
    }
}

static void
name_fenced(bus_append *batch, bus_str item)
{
    long partition = strtol(item.at, NULL, 10);

    for (int i = 0; i < batch->partitions_count; i++) {
        if (batch->partitions[i].partition == partition)
            batch->partitions[i].fenced = true;
    }
}

static void
name_found(bus_append *batch, bus_str item)
{
    bus_id id;

    BUS_INVARIANT(bus_id_parse(item, &id));
    for (int i = 0; i < batch->commands_count; i++) {
        if (bus_id_equal(batch->commands[i].id, id))
            batch->commands[i].found = true;
    }
}

/* "<1-based index>:<holder>" */
static void
name_taken(bus_append *batch, bus_str item)
{
    char   *end;
    long    n = strtol(item.at, &end, 10);
    bus_str holder = {end + 1, (uint32_t)(item.at + item.len - end - 1)};

    BUS_INVARIANT(n >= 1 && n <= batch->claims_count && *end == ':');
    batch->claims[n - 1].taken = true;
    BUS_INVARIANT(bus_id_parse(holder, &batch->claims[n - 1].holder));
}

static bus_code
name_failure(const PGresult *res, bus_append *batch, bus_code rc)
{
    if (rc == BUS_FENCED)
        each_named(res, name_fenced, batch);
    if (rc == BUS_DUPLICATE)
        each_named(res, name_found, batch);
    if (rc == BUS_CLAIMED)
        each_named(res, name_taken, batch);
    return rc;
}

/* --- the three ways -------------------------------------------------------- */

/* Says where each event stands. */
static void
place_events(const bus_append *batch, placing *where)
{
    int p = 0;

    for (int i = 0; i < batch->events_count; i++) {
        while (p < batch->partitions_count &&
               batch->partitions[p].partition != batch->events[i].partition)
            p++;
        BUS_INVARIANT(p < batch->partitions_count); /* named, and in ascending order */
        where->places[i] = (int16_t)(p + 1);
        where->steps[i] = where->counts[p]++;
    }
}

/* Takes the offsets from the array of first offsets in res. */
static void
fill_offsets(const PGresult *res, bus_append *batch, const placing *where)
{
    const char *wire = PQgetvalue(res, 0, 0);
    const int   header_bytes = 20, item_bytes = 12;

    BUS_INVARIANT(PQgetlength(res, 0, 0) == header_bytes + item_bytes * batch->partitions_count);
    for (int i = 0; i < batch->partitions_count; i++) {
        uint64_t item;

        memcpy(&item, wire + header_bytes + item_bytes * i + 4, sizeof(item));
        batch->partitions[i].first_offset = (int64_t)be64toh(item);
    }
    for (int i = 0; i < batch->events_count; i++) {
        const bus_append_partition *p = &batch->partitions[where->places[i] - 1];

        batch->events[i].offset = p->first_offset + where->steps[i];
        batch->events[i].epoch = p->epoch;
    }
}

static bus_code
copy_failed(bus_store *st, bus_error *err)
{
    return pg_fail(st, NULL, PG_HARMLESS, err);
}

static bus_code
send_copy(bus_store *st, const bus_append *batch, bus_error *err)
{
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    bus_buf          *out = &st->copy;

    bus_buf_reset(out);
    bus_buf_add(out, header, sizeof(header) - 1);
    for (int i = 0; i < batch->events_count; i++) {
        add_copy_row(out, &batch->events[i]);
        if (out->len < COPY_CHUNK_BYTES)
            continue;
        if (PQputCopyData(st->conn, out->at, (int)out->len) != 1)
            return copy_failed(st, err);
        bus_buf_reset(out);
    }
    pg_raw_int2(out, -1);
    if (PQputCopyData(st->conn, out->at, (int)out->len) != 1 || PQputCopyEnd(st->conn, NULL) != 1)
        return copy_failed(st, err);
    return BUS_OK;
}

/* Waits for the end of the COPY and takes every result there is. */
bus_code
pg_end_copy(bus_store *st, bus_error *err)
{
    PGresult *res;
    bus_code  rc = BUS_OK;

    while ((res = PQgetResult(st->conn)) != NULL) {
        ExecStatusType status = PQresultStatus(res);

        if (status == PGRES_COPY_IN) /* sending failed: only this ends the state */
            (void)PQputCopyEnd(st->conn, "not all rows could be sent");
        else if (status != PGRES_COMMAND_OK && rc == BUS_OK)
            rc = pg_fail(st, res, PG_HARMLESS, err);
        PQclear(res);
        if (PQstatus(st->conn) != CONNECTION_OK && rc != BUS_OK)
            break;
    }
    return rc;
}

static bus_code
copy_events(bus_store *st, const char *domain, const bus_append *batch, bus_error *err)
{
    PGresult *res;
    bus_code  rc, ended;
    bus_error end_err = {0};

    pg_expand(&st->sql, copy_sql, domain);
    res = PQexec(st->conn, st->sql.at);
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        rc = pg_fail(st, res, PG_HARMLESS, err);
        PQclear(res);
        return rc;
    }
    PQclear(res);
    rc = send_copy(st, batch, err);
    ended = pg_end_copy(st, &end_err);
    if (rc == BUS_OK && ended != BUS_OK) {
        *err = end_err;
        rc = ended;
    }
    return rc;
}

/* Adds all parameters but the events. */
static void
add_common(bus_store *st, const bus_append *batch, const placing *where)
{
    pg_params_reset(&st->params);
    pg_add_int4(&st->params, BUS_LEASE_MS);
    add_partitions(&st->params, batch, where->counts);
    add_commands(&st->params, batch, where->look_up);
    add_claims(&st->params, batch);
    add_timers(&st->params, batch);
}

static bus_code
append_by_arrays(bus_store *st, const char *domain, bus_append *batch, const placing *where,
                 bus_error *err)
{
    PGresult *res;
    bus_code  rc;

    add_common(st, batch, where);
    if (batch->events_count == 0)
        add_nulls(&st->params, EVENT_PARAMS);
    else
        add_events(&st->params, batch, where);
    rc = pg_run(st, append_sql, domain, PG_COMMITS, &res, err);
    if (rc == BUS_OK)
        fill_offsets(res, batch, where);
    else
        (void)name_failure(res, batch, rc);
    PQclear(res);
    return rc;
}

static void
add_text_or_null(pg_params *params, bus_str value)
{
    if (value.len == 0)
        pg_add_null(params);
    else
        pg_add_text(params, value);
}

static void
add_event(pg_params *params, const bus_record *e)
{
    pg_add_id(params, e->stream);
    pg_add_text(params, e->aggregate);
    pg_add_int4(params, e->version);
    pg_add_id(params, e->tenant);
    pg_add_text(params, e->type);
    pg_add_id(params, e->command_id);
    pg_add_int2(params, e->nth);
    pg_add_int8(params, e->digest);
    pg_add_id(params, e->correlation_id);
    add_text_or_null(params, e->causation_id);
    pg_add_text(params, e->actor);
    pg_add_time(params, e->at_ms);
    if (e->device_at_ms == 0)
        pg_add_null(params);
    else
        pg_add_time(params, e->device_at_ms);
    add_text_or_null(params, e->sends);
    pg_add_text(params, e->data);
}

static bool
is_plain(const bus_append *batch, const placing *where)
{
    return batch->events_count == 1 && batch->partitions_count == 1 && batch->claims_count == 0 &&
           batch->timers_count == 0 && !where->look_up;
}

static bus_code
append_one(bus_store *st, const char *domain, bus_append *batch, bus_error *err)
{
    bus_append_partition *p = &batch->partitions[0];
    PGresult             *res;
    bus_code              rc;

    pg_params_reset(&st->params);
    pg_add_int4(&st->params, BUS_LEASE_MS);
    pg_add_int2(&st->params, p->partition);
    pg_add_int8(&st->params, p->epoch);
    add_event(&st->params, &batch->events[0]);
    rc = pg_run(st, append_one_sql, domain, PG_COMMITS, &res, err);
    if (rc == BUS_OK && PQntuples(res) == 0) {
        p->fenced = true;
        rc = bus_fail(err, BUS_FENCED, "partition %d belongs to another epoch", (int)p->partition);
    } else if (rc == BUS_OK) {
        p->first_offset = batch->events[0].offset = pg_get_int8(res, 0, 0);
        batch->events[0].epoch = p->epoch;
    }
    PQclear(res);
    return rc;
}

static bus_code
append_by_copy(bus_store *st, const char *domain, bus_append *batch, const placing *where,
               bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    if ((rc = pg_simple(st, "begin", PG_HARMLESS, err)) != BUS_OK)
        return rc;
    add_common(st, batch, where);
    add_nulls(&st->params, EVENT_PARAMS);
    if ((rc = pg_run(st, append_sql, domain, PG_HARMLESS, &res, err)) != BUS_OK) {
        (void)name_failure(res, batch, rc);
        goto done;
    }
    fill_offsets(res, batch, where);
    if ((rc = copy_events(st, domain, batch, err)) != BUS_OK)
        goto done;
    BUS_FAIL_POINT("append.before_commit");
    rc = pg_simple(st, "commit", PG_COMMITS, err);

done:
    if (rc != BUS_OK)
        pg_rollback(st);
    PQclear(res);
    return rc;
}

/* What an earlier try may have left in the outputs. */
static void
clear_outputs(bus_append *batch)
{
    for (int i = 0; i < batch->partitions_count; i++)
        batch->partitions[i].fenced = false;
    for (int i = 0; i < batch->commands_count; i++)
        batch->commands[i].found = false;
    for (int i = 0; i < batch->claims_count; i++)
        batch->claims[i].taken = false;
}

static bus_code
try_append(bus_store *st, const char *domain, bus_append *batch, const placing *where,
           bus_error *err)
{
    if (is_plain(batch, where))
        return append_one(st, domain, batch, err);
    if (batch->events_count < COPY_FROM_EVENTS)
        return append_by_arrays(st, domain, batch, where, err);
    return append_by_copy(st, domain, batch, where, err);
}

/* Most batches meet nothing: the first try leaves the command ids to their unique index. When
 * something was in the way, a second one looks them up, since repeats are to be named first. */
bus_code
pg_append(bus_store *st, const char *domain, bus_append *batch, bus_error *err)
{
    placing  where = {0};
    bus_code rc;

    BUS_INVARIANT(batch->partitions_count > 0 && batch->partitions_count <= BUS_PARTITIONS_MAX);
    clear_outputs(batch);
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    bus_arena_reset(&st->arena);
    where.places = BUS_ARENA_ARRAY(&st->arena, int16_t, (size_t)batch->events_count + 1);
    where.steps = BUS_ARENA_ARRAY(&st->arena, int32_t, (size_t)batch->events_count + 1);
    place_events(batch, &where);
    rc = try_append(st, domain, batch, &where, err);
    if ((rc == BUS_CONFLICT || rc == BUS_CLAIMED) && batch->commands_count > 0) {
        clear_outputs(batch);
        where.look_up = true;
        rc = try_append(st, domain, batch, &where, err);
    }
    return rc;
}
