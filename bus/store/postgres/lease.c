/* lease.c - domains, and who writes which partition of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/operations.h"

#include <string.h>

/* Runs it with st->params as who logged in. */
static bus_code
run_as_login(bus_store *st, const char *sql, const char *domain, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc = pg_leave_role(st, err);

    if (rc == BUS_OK)
        rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err);
    PQclear(res);
    return pg_back_to_role(st, rc, err);
}

bus_code
pg_create_domain(bus_store *st, const char *domain, int partitions, bus_error *err)
{
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(domain));
    pg_add_int4(&st->params, partitions);
    return run_as_login(st, "select shina.create_domain($1, $2)", "", err);
}

static bus_code
grant(bus_store *st, const char *sql, const char *to, const char *of, bus_error *err)
{
    bus_code rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(to));
    if (of != NULL)
        pg_add_text(&st->params, bus_str_of(of));
    return run_as_login(st, sql, "", err);
}

bus_code
pg_follow(bus_store *st, const char *reader, const char *followed, bus_error *err)
{
    static const char sql[] = "select shina.follow_domain($1, $2)";

    return grant(st, sql, reader, followed, err);
}

bus_code
pg_reach(bus_store *st, const char *sender, const char *target, bus_error *err)
{
    static const char sql[] = "select shina.reach_domain($1, $2)";

    return grant(st, sql, sender, target, err);
}

bus_code
pg_let_forget(bus_store *st, const char *domain, bus_error *err)
{
    return grant(st, "select shina.let_forget($1)", domain, NULL, err);
}

bus_code
pg_partitions(bus_store *st, const char *domain, bus_arena *arena, bus_partition_info **out,
              int *count, bus_error *err)
{
    static const char sql[] = "select partition, epoch, head, owner,"
                              " owner is not null and lease_until > clock_timestamp()"
                              " from {d}.partitions order by partition";
    PGresult         *res = NULL;
    bus_code          rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    if ((rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *count = PQntuples(res);
    *out = BUS_ARENA_ARRAY(arena, bus_partition_info, (size_t)*count);
    for (int i = 0; i < *count; i++) {
        bus_str owner = pg_get_str(res, i, 3);

        (*out)[i] = (bus_partition_info){.partition = (uint16_t)pg_get_int2(res, i, 0),
                                         .epoch = pg_get_int8(res, i, 1),
                                         .head = pg_get_int8(res, i, 2),
                                         .owner = bus_arena_copy(arena, owner.at, owner.len),
                                         .live = pg_get_bool(res, i, 4)};
    }

done:
    PQclear(res);
    return rc;
}

static void
add_partitions(pg_params *params, const bus_lease *leases, int count)
{
    pg_array_begin(params, PG_INT2, count);
    for (int i = 0; i < count; i++)
        pg_put_int2(&params->bytes, leases[i].partition);
    pg_array_end(params);
}

static void
add_epochs(pg_params *params, const bus_lease *leases, int count)
{
    pg_array_begin(params, PG_INT8, count);
    for (int i = 0; i < count; i++)
        pg_put_int8(&params->bytes, leases[i].epoch);
    pg_array_end(params);
}

static bus_lease *
lease_of(bus_lease *leases, int count, int partition)
{
    for (int i = 0; i < count; i++) {
        if (leases[i].partition == partition)
            return &leases[i];
    }
    BUS_UNREACHABLE();
}

static bus_code
take(bus_store *st, const char *domain, const char *owner, bool steal, bus_lease *leases, int count,
     bool *waited_too_long, bus_error *err)
{
    static const char sql[] =
        "select partition, epoch, head, at from {d}.lease_take($1, $2, $3, $4)";
    PGresult *res = NULL;
    bus_code  rc;

    pg_params_reset(&st->params);
    pg_add_int4(&st->params, BUS_LEASE_MS);
    pg_add_text(&st->params, bus_str_of(owner));
    pg_add_bool(&st->params, steal);
    add_partitions(&st->params, leases, count);
    if ((rc = pg_run(st, sql, domain, PG_HARMLESS, &res, err)) != BUS_OK) {
        const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

        *waited_too_long = state != NULL && strcmp(state, "55P03") == 0;
        goto done;
    }
    for (int i = 0; i < PQntuples(res); i++) {
        bus_lease *lease = lease_of(leases, count, pg_get_int2(res, i, 0));

        lease->held = true;
        lease->epoch = pg_get_int8(res, i, 1);
        lease->head = pg_get_int8(res, i, 2);
        lease->at_ms = pg_is_null(res, i, 3) ? 0 : pg_get_time_ms(res, i, 3);
    }

done:
    PQclear(res);
    return rc;
}

/* Somebody held a row for longer than any commit takes: their backend is ended, by who has the
 * rights of its login. */
static bus_code
evict_writers(bus_store *st, const char *domain, const bus_lease *leases, int count, bus_error *err)
{
    pg_params_reset(&st->params);
    add_partitions(&st->params, leases, count);
    return run_as_login(st, "select {d}.evict_writers($1)", domain, err);
}

bus_code
pg_lease_take(bus_store *st, const char *domain, const char *owner, bool steal, bus_lease *leases,
              int count, bus_error *err)
{
    bool     waited_too_long = false;
    bus_code rc;

    for (int i = 0; i < count; i++)
        leases[i].held = false;
    if (count == 0)
        return BUS_OK;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    rc = take(st, domain, owner, steal, leases, count, &waited_too_long, err);
    if (waited_too_long && (rc = evict_writers(st, domain, leases, count, err)) == BUS_OK)
        rc = take(st, domain, owner, steal, leases, count, &waited_too_long, err);
    return rc;
}

bus_code
pg_lease_renew(bus_store *st, const char *domain, bus_lease *leases, int count, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    for (int i = 0; i < count; i++)
        leases[i].held = false;
    if (count == 0)
        return BUS_OK;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_int4(&st->params, BUS_LEASE_MS);
    add_partitions(&st->params, leases, count);
    add_epochs(&st->params, leases, count);
    rc = pg_run(st, "select {d}.lease_renew($1, $2, $3)", domain, PG_HARMLESS, &res, err);
    for (int i = 0; rc == BUS_OK && i < PQntuples(res); i++)
        lease_of(leases, count, pg_get_int2(res, i, 0))->held = true;
    PQclear(res);
    return rc;
}

bus_code
pg_lease_release(bus_store *st, const char *domain, const bus_lease *leases, int count,
                 bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    if (count == 0)
        return BUS_OK;
    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    add_partitions(&st->params, leases, count);
    add_epochs(&st->params, leases, count);
    rc = pg_run(st, "select {d}.lease_release($1, $2)", domain, PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}
