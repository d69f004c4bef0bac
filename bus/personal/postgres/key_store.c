/* key_store.c - keys in the schema `keys` of the default database.
 *
 * Adding and reading are two statements, so that each is simple; a key that another process added
 * between them is the one that is read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/key_store.h"
#include "bus/store/postgres/connection.h"

#include <stdlib.h>
#include <string.h>

#define PG_BYTEA 17

struct bus_key_store {
    bus_store *st;
};

static bus_code
open_keys(bus_key_store **out, const char *url, const char *application, const char *role,
          bus_error *err)
{
    const bus_store_options options = {.url = url, .application = application, .role = role};
    bus_key_store          *ks = calloc(1, sizeof(*ks));
    bus_code                rc;

    if (ks == NULL)
        abort();
    if ((rc = bus_store_postgres.open(&ks->st, &options, err)) != BUS_OK) {
        free(ks);
        return rc;
    }
    *out = ks;
    return BUS_OK;
}

static void
close_keys(bus_key_store *ks)
{
    if (ks == NULL)
        return;
    bus_store_postgres.close(ks->st);
    free(ks);
}

/* Checked cells: what stands there was written by us or by nobody we know. */
static bool
take_wrapped(const PGresult *res, int row, int column, char kid[BUS_KID_BYTES],
             uint8_t wrapped[BUS_WRAPPED_BYTES])
{
    bus_str name = pg_get_str(res, row, column), bytes = pg_get_str(res, row, column + 1);

    if (name.len >= BUS_KID_BYTES || bytes.len != BUS_WRAPPED_BYTES)
        return false;
    bus_str_store(kid, BUS_KID_BYTES, name);
    memcpy(wrapped, bytes.at, BUS_WRAPPED_BYTES);
    return true;
}

static void
add_places(pg_params *params, const bus_key_row *rows, int count)
{
    PG_ARRAY(params, PG_UUID, count, pg_put_id(&params->bytes, rows[row].tenant));
    PG_ARRAY(params, PG_UUID, count, pg_put_id(&params->bytes, rows[row].subject));
}

static void
add_wrapped(pg_params *params, const bus_key_row *rows, int count)
{
    PG_ARRAY(params, PG_TEXT, count, pg_put_text(&params->bytes, bus_str_of(rows[row].kid)));
    PG_ARRAY(
        params, (pg_type)PG_BYTEA, count,
        pg_put_text(&params->bytes, (bus_str){(const char *)rows[row].wrapped, BUS_WRAPPED_BYTES}));
}

static bus_code
get(bus_key_store *ks, bus_key_row *rows, int count, bus_error *err)
{
    static const char sql[] =
        "select k.n, s.kid, s.wrapped, s.forgotten_at is not null"
        "  from unnest($1::uuid[], $2::uuid[]) with ordinality k(tenant, subject, n)"
        "  join keys.subjects s on s.tenant = k.tenant and s.subject = k.subject"
        " union all "
        "select k.n, t.kid, t.wrapped, false"
        "  from unnest($1::uuid[], $2::uuid[]) with ordinality k(tenant, subject, n)"
        "  join keys.tenants t on t.tenant = k.tenant"
        " where k.subject = '00000000-0000-0000-0000-000000000000'";
    PGresult *res = NULL;
    bus_code  rc;

    for (int i = 0; i < count; i++)
        rows[i].found = rows[i].forgotten = false;
    if ((rc = pg_ready(ks->st, err)) != BUS_OK)
        return rc;
    add_places(&ks->st->params, rows, count);
    rc = pg_run(ks->st, sql, "", PG_HARMLESS, &res, err);
    for (int r = 0; rc == BUS_OK && r < PQntuples(res); r++) {
        int64_t n = pg_get_int8(res, r, 0);

        BUS_INVARIANT(n >= 1 && n <= count);
        rows[n - 1].forgotten = pg_get_bool(res, r, 3);
        if (rows[n - 1].forgotten)
            continue;
        if (!take_wrapped(res, r, 1, rows[n - 1].kid, rows[n - 1].wrapped))
            rc = bus_fail(err, BUS_INVALID, "a row of schema keys is not a wrapped key");
        rows[n - 1].found = true;
    }
    PQclear(res);
    return rc;
}

static bus_code
put(bus_key_store *ks, bus_key_row *rows, int count, bus_error *err)
{
    /* sorted, so that two processes never wait for each other in a circle */
    static const char sql[] =
        "with k as materialized ("
        "  select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[])"
        "    k(tenant, subject, kid, wrapped)),"
        " own as ("
        "  insert into keys.tenants (tenant, kid, wrapped)"
        "  select k.tenant, k.kid, k.wrapped from k"
        "   where k.subject = '00000000-0000-0000-0000-000000000000' order by k.tenant"
        "  on conflict do nothing)"
        " insert into keys.subjects (tenant, subject, kid, wrapped)"
        " select k.tenant, k.subject, k.kid, k.wrapped from k"
        "  where k.subject <> '00000000-0000-0000-0000-000000000000'"
        "  order by k.tenant, k.subject"
        " on conflict do nothing";
    bus_store *st = ks->st;
    PGresult  *res = NULL;
    bus_code   rc = pg_ready(st, err);

    if (rc != BUS_OK)
        return rc;
    add_places(&st->params, rows, count);
    add_wrapped(&st->params, rows, count);
    rc = pg_run(st, sql, "", PG_COMMITS, &res, err);
    PQclear(res);
    return rc == BUS_OK ? get(ks, rows, count, err) : rc;
}

/* A function of the schema's owner: a domain's role may forget keys, but not overwrite them. */
static bus_code
forget(bus_key_store *ks, bus_id tenant, bus_id subject, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc = pg_ready(ks->st, err);

    BUS_INVARIANT(!bus_id_is_nil(subject));
    if (rc != BUS_OK)
        return rc;
    pg_add_id(&ks->st->params, tenant);
    pg_add_id(&ks->st->params, subject);
    rc = pg_run(ks->st, "select keys.forget($1::uuid, $2::uuid)", "", PG_COMMITS, &res, err);
    PQclear(res);
    return rc;
}

/* --- rotation --------------------------------------------------------------------------- */

static bus_code
wrapped_by_others(bus_key_store *ks, const char *kid, bus_key_row *rows, int *count, bus_error *err)
{
    static const char sql[] =
        "(select t.tenant, '00000000-0000-0000-0000-000000000000'::uuid, t.kid, t.wrapped"
        "   from keys.tenants t where t.kid <> $1::text limit $2::int8)"
        " union all "
        "(select s.tenant, s.subject, s.kid, s.wrapped"
        "   from keys.subjects s where s.kid <> $1::text limit $2::int8)"
        " limit $2::int8";
    PGresult *res = NULL;
    bus_code  rc = pg_ready(ks->st, err);
    int       room = *count;

    *count = 0;
    if (rc != BUS_OK)
        return rc;
    pg_add_text(&ks->st->params, bus_str_of(kid));
    pg_add_int8(&ks->st->params, room);
    rc = pg_run(ks->st, sql, "", PG_HARMLESS, &res, err);
    for (int r = 0; rc == BUS_OK && r < PQntuples(res); r++) {
        bus_key_row *row = &rows[(*count)++];

        *row = (bus_key_row){.tenant = pg_get_id(res, r, 0), .subject = pg_get_id(res, r, 1)};
        if (!take_wrapped(res, r, 2, row->kid, row->wrapped))
            rc = bus_fail(err, BUS_INVALID, "a row of schema keys is not a wrapped key");
        row->found = true;
    }
    PQclear(res);
    return rc;
}

static bus_code
rewrap(bus_key_store *ks, const bus_key_row *was, bus_key_row *rows, int count, bus_error *err)
{
    static const char sql[] =
        "with k as materialized ("
        "  select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::text[],"
        "                       $6::bytea[])"
        "    with ordinality k(tenant, subject, old_kid, old, kid, wrapped, n)),"
        " own as ("
        "  update keys.tenants t set kid = k.kid, wrapped = k.wrapped from k"
        "   where k.subject = '00000000-0000-0000-0000-000000000000' and t.tenant = k.tenant"
        "     and t.kid = k.old_kid and t.wrapped = k.old returning k.n),"
        " others as ("
        "  update keys.subjects s set kid = k.kid, wrapped = k.wrapped from k"
        "   where s.tenant = k.tenant and s.subject = k.subject"
        "     and s.kid = k.old_kid and s.wrapped = k.old returning k.n)"
        " select n from own union all select n from others";
    bus_store *st = ks->st;
    PGresult  *res = NULL;
    bus_code   rc = pg_ready(st, err);

    for (int i = 0; i < count; i++)
        rows[i].found = false;
    if (rc != BUS_OK)
        return rc;
    add_places(&st->params, was, count);
    add_wrapped(&st->params, was, count);
    add_wrapped(&st->params, rows, count);
    rc = pg_run(st, sql, "", PG_COMMITS, &res, err);
    for (int r = 0; rc == BUS_OK && r < PQntuples(res); r++) {
        int64_t n = pg_get_int8(res, r, 0);

        BUS_INVARIANT(n >= 1 && n <= count);
        rows[n - 1].found = true;
    }
    PQclear(res);
    return rc;
}

/* --- masters ---------------------------------------------------------------------------- */

static bus_code
put_master(bus_key_store *ks, bus_master_row *row, bus_error *err)
{
    static const char insert[] = "insert into keys.masters (kid, wrapped)"
                                 " values ($1::text, $2::bytea) on conflict do nothing";
    static const char select[] =
        "select m.kid, m.wrapped from keys.masters m where m.kid = $1::text";
    bus_store *st = ks->st;
    PGresult  *res = NULL;
    bus_code   rc = pg_ready(st, err);

    if (rc != BUS_OK)
        return rc;
    pg_add_text(&st->params, bus_str_of(row->kid));
    pg_add_text(&st->params, (bus_str){(const char *)row->wrapped, BUS_WRAPPED_BYTES});
    rc = pg_run(st, insert, "", PG_COMMITS, &res, err);
    PQclear(res);
    if (rc != BUS_OK)
        return rc;
    pg_add_text(&st->params, bus_str_of(row->kid));
    rc = pg_run(st, select, "", PG_HARMLESS, &res, err);
    if (rc == BUS_OK && (PQntuples(res) != 1 || !take_wrapped(res, 0, 0, row->kid, row->wrapped)))
        rc = bus_fail(err, BUS_INVALID, "keys.masters has no right row for %s", row->kid);
    PQclear(res);
    return rc;
}

static bus_code
masters(bus_key_store *ks, bool counted, bus_arena *arena, bus_master_row **out, int *count,
        bus_error *err)
{
    static const char sql[] =
        "select m.kid, m.wrapped, exists (select from keys.subjects s where s.kid = m.kid)"
        "       or exists (select from keys.tenants t where t.kid = m.kid),"
        "       case when $1::bool then"
        "         (select count(*) from keys.subjects s where s.kid = m.kid)"
        "         + (select count(*) from keys.tenants t where t.kid = m.kid) else 0 end"
        "  from keys.masters m order by m.kid";
    PGresult *res = NULL;
    bus_code  rc = pg_ready(ks->st, err);

    *count = 0;
    if (rc != BUS_OK)
        return rc;
    pg_add_bool(&ks->st->params, counted);
    rc = pg_run(ks->st, sql, "", PG_HARMLESS, &res, err);
    if (rc == BUS_OK) {
        *out = BUS_ARENA_ARRAY(arena, bus_master_row, (size_t)PQntuples(res) + 1);
        for (int r = 0; rc == BUS_OK && r < PQntuples(res); r++) {
            if (!take_wrapped(res, r, 0, (*out)[r].kid, (*out)[r].wrapped))
                rc = bus_fail(err, BUS_INVALID, "a row of keys.masters is not what it must be");
            (*out)[r].used = pg_get_bool(res, r, 2);
            (*out)[r].keys = pg_get_int8(res, r, 3);
            (*count)++;
        }
    }
    PQclear(res);
    return rc;
}

static bus_code
drop_master(bus_key_store *ks, const char *kid, bus_error *err)
{
    static const char sql[] =
        "with gone as ("
        "  delete from keys.masters m where m.kid = $1::text"
        "     and not exists (select from keys.subjects s where s.kid = m.kid)"
        "     and not exists (select from keys.tenants t where t.kid = m.kid))"
        " select exists (select from keys.subjects s where s.kid = $1::text)"
        "     or exists (select from keys.tenants t where t.kid = $1::text)";
    PGresult *res = NULL;
    bus_code  rc = pg_ready(ks->st, err);

    if (rc != BUS_OK)
        return rc;
    pg_add_text(&ks->st->params, bus_str_of(kid));
    rc = pg_run(ks->st, sql, "", PG_COMMITS, &res, err);
    if (rc == BUS_OK && pg_get_bool(res, 0, 0))
        rc = bus_fail(err, BUS_CONFLICT, "there are keys that %s has wrapped", kid);
    PQclear(res);
    return rc;
}

const bus_key_store_ops bus_key_store_postgres = {
    .name = "postgres",
    .open = open_keys,
    .close = close_keys,
    .get = get,
    .put = put,
    .forget = forget,
    .wrapped_by_others = wrapped_by_others,
    .rewrap = rewrap,
    .put_master = put_master,
    .masters = masters,
    .drop_master = drop_master,
};
