/* members.c - the processes that are there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/operations.h"

#include <string.h>

static bus_code
write_member(bus_store *st, const bus_member *self, bus_error *err)
{
    static const char sql[] =
        "with gone as (delete from shina.members"
        " where process <> $1 and lease_until < clock_timestamp() - interval '1 min')"
        " insert into shina.members (process, url, parts, lease_until)"
        " values ($1, $2, $3, clock_timestamp() + $4::int * interval '1 ms')"
        " on conflict (process) do update set url = excluded.url, parts = excluded.parts,"
        " lease_until = excluded.lease_until";
    pg_params *params = &st->params;
    PGresult  *res = NULL;
    bus_code   rc;

    pg_params_reset(params);
    pg_add_text(params, self->process);
    pg_add_text(params, self->url);
    PG_ARRAY(params, PG_TEXT, self->parts_count, pg_put_text(&params->bytes, self->parts[row]));
    pg_add_int4(params, BUS_LEASE_MS);
    rc = pg_run(st, sql, "", PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}

/* Parts come one a line. */
static void
split_parts(bus_member *m, bus_str lines, bus_arena *arena)
{
    bus_str *parts = BUS_ARENA_ARRAY(arena, bus_str, BUS_MEMBER_PARTS_MAX);
    uint32_t at = 0;

    while (at < lines.len && m->parts_count < BUS_MEMBER_PARTS_MAX) {
        const char *end = memchr(lines.at + at, '\n', lines.len - at);
        uint32_t    len = end == NULL ? lines.len - at : (uint32_t)(end - lines.at) - at;

        parts[m->parts_count++] = bus_arena_copy(arena, lines.at + at, len);
        at += len + 1;
    }
    m->parts = parts;
}

bus_code
pg_member_beat(bus_store *st, const bus_member *self, bus_arena *arena, bus_member **out,
               int *count, bus_error *err)
{
    static const char sql[] = "select process, url, array_to_string(parts, E'\\n'),"
                              " lease_until > clock_timestamp()"
                              " from shina.members order by process";
    PGresult         *res = NULL;
    bus_code          rc;

    *count = 0;
    if ((rc = pg_ready(st, err)) != BUS_OK ||
        (self != NULL && (rc = write_member(st, self, err)) != BUS_OK))
        return rc;
    pg_params_reset(&st->params);
    if ((rc = pg_run(st, sql, "", PG_HARMLESS, &res, err)) != BUS_OK)
        goto done;
    *count = PQntuples(res);
    *out = BUS_ARENA_ARRAY(arena, bus_member, (size_t)*count + 1);
    for (int i = 0; i < *count; i++) {
        bus_str process = pg_get_str(res, i, 0), url = pg_get_str(res, i, 1);

        (*out)[i] = (bus_member){.process = bus_arena_copy(arena, process.at, process.len),
                                 .url = bus_arena_copy(arena, url.at, url.len),
                                 .live = pg_get_bool(res, i, 3)};
        split_parts(&(*out)[i], pg_get_str(res, i, 2), arena);
    }

done:
    PQclear(res);
    return rc;
}

bus_code
pg_member_leave(bus_store *st, const char *process, bus_error *err)
{
    PGresult *res = NULL;
    bus_code  rc;

    if ((rc = pg_ready(st, err)) != BUS_OK)
        return rc;
    pg_params_reset(&st->params);
    pg_add_text(&st->params, bus_str_of(process));
    rc = pg_run(st, "delete from shina.members where process = $1", "", PG_HARMLESS, &res, err);
    PQclear(res);
    return rc;
}
