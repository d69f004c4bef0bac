/* params.c - values in PostgreSQL's binary form, to the server and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/postgres/connection.h"

#include <endian.h>
#include <string.h>

#define EPOCH_2000_US INT64_C(946684800000000) /* PostgreSQL counts from 2000-01-01 */

void
pg_params_reset(pg_params *params)
{
    params->count = 0;
    bus_buf_reset(&params->bytes);
}

void
pg_params_fini(pg_params *params)
{
    bus_buf_fini(&params->bytes);
    params->count = 0;
}

static void
begin_param(pg_params *params)
{
    BUS_INVARIANT(params->count < PG_PARAMS_MAX);
    params->starts[params->count] = params->bytes.len;
    params->count++;
}

static void
end_param(pg_params *params)
{
    int n = params->count - 1;

    params->lengths[n] = (int)(params->bytes.len - params->starts[n]);
}

void
pg_add_null(pg_params *params)
{
    begin_param(params);
    params->lengths[params->count - 1] = -1;
}

void
pg_raw_int2(bus_buf *out, int value)
{
    uint16_t wire = htobe16((uint16_t)value);

    bus_buf_add(out, &wire, sizeof(wire));
}

void
pg_raw_int4(bus_buf *out, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);

    bus_buf_add(out, &wire, sizeof(wire));
}

static void
raw_int8(bus_buf *out, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);

    bus_buf_add(out, &wire, sizeof(wire));
}

void
pg_add_bool(pg_params *params, bool value)
{
    begin_param(params);
    bus_buf_add_char(&params->bytes, value ? 1 : 0);
    end_param(params);
}

void
pg_add_int2(pg_params *params, int value)
{
    begin_param(params);
    pg_raw_int2(&params->bytes, value);
    end_param(params);
}

void
pg_add_int4(pg_params *params, int32_t value)
{
    begin_param(params);
    pg_raw_int4(&params->bytes, value);
    end_param(params);
}

void
pg_add_int8(pg_params *params, int64_t value)
{
    begin_param(params);
    raw_int8(&params->bytes, value);
    end_param(params);
}

void
pg_add_time(pg_params *params, int64_t at_ms)
{
    begin_param(params);
    raw_int8(&params->bytes, at_ms * 1000 - EPOCH_2000_US);
    end_param(params);
}

void
pg_add_text(pg_params *params, bus_str value)
{
    begin_param(params);
    bus_buf_add_str(&params->bytes, value);
    end_param(params);
}

void
pg_add_id(pg_params *params, bus_id id)
{
    begin_param(params);
    bus_buf_add(&params->bytes, id.bytes, sizeof(id.bytes));
    end_param(params);
}

void
pg_array_begin(pg_params *params, pg_type type, int count)
{
    begin_param(params);
    pg_raw_int4(&params->bytes, count > 0 ? 1 : 0); /* dimensions */
    pg_raw_int4(&params->bytes, 1);                 /* may hold nulls */
    pg_raw_int4(&params->bytes, (int32_t)type);
    if (count > 0) {
        pg_raw_int4(&params->bytes, count);
        pg_raw_int4(&params->bytes, 1); /* lower bound */
    }
}

void
pg_array_end(pg_params *params)
{
    end_param(params);
}

void
pg_put_null(bus_buf *out)
{
    pg_raw_int4(out, -1);
}

void
pg_put_bool(bus_buf *out, bool value)
{
    pg_raw_int4(out, 1);
    bus_buf_add_char(out, value ? 1 : 0);
}

void
pg_put_int2(bus_buf *out, int value)
{
    pg_raw_int4(out, 2);
    pg_raw_int2(out, value);
}

void
pg_put_int4(bus_buf *out, int32_t value)
{
    pg_raw_int4(out, 4);
    pg_raw_int4(out, value);
}

void
pg_put_int8(bus_buf *out, int64_t value)
{
    pg_raw_int4(out, 8);
    raw_int8(out, value);
}

void
pg_put_time(bus_buf *out, int64_t at_ms)
{
    pg_put_int8(out, at_ms * 1000 - EPOCH_2000_US);
}

void
pg_put_id(bus_buf *out, bus_id id)
{
    pg_raw_int4(out, (int32_t)sizeof(id.bytes));
    bus_buf_add(out, id.bytes, sizeof(id.bytes));
}

void
pg_put_text(bus_buf *out, bus_str value)
{
    pg_raw_int4(out, (int32_t)value.len);
    bus_buf_add_str(out, value);
}

bool
pg_is_null(const PGresult *res, int row, int column)
{
    return PQgetisnull(res, row, column) != 0;
}

/* The bytes of a cell that must have this size. */
static const char *
cell(const PGresult *res, int row, int column, int bytes)
{
    BUS_INVARIANT(PQgetlength(res, row, column) == bytes);
    return PQgetvalue(res, row, column);
}

bool
pg_get_bool(const PGresult *res, int row, int column)
{
    return *cell(res, row, column, 1) != 0;
}

int
pg_get_int2(const PGresult *res, int row, int column)
{
    uint16_t wire;

    memcpy(&wire, cell(res, row, column, 2), sizeof(wire));
    return (int16_t)be16toh(wire);
}

int32_t
pg_get_int4(const PGresult *res, int row, int column)
{
    uint32_t wire;

    memcpy(&wire, cell(res, row, column, 4), sizeof(wire));
    return (int32_t)be32toh(wire);
}

int64_t
pg_get_int8(const PGresult *res, int row, int column)
{
    uint64_t wire;

    memcpy(&wire, cell(res, row, column, 8), sizeof(wire));
    return (int64_t)be64toh(wire);
}

int64_t
pg_get_time_ms(const PGresult *res, int row, int column)
{
    return (pg_get_int8(res, row, column) + EPOCH_2000_US) / 1000;
}

bus_id
pg_get_id(const PGresult *res, int row, int column)
{
    bus_id id;

    memcpy(id.bytes, cell(res, row, column, (int)sizeof(id.bytes)), sizeof(id.bytes));
    return id;
}

bus_str
pg_get_str(const PGresult *res, int row, int column)
{
    if (pg_is_null(res, row, column))
        return (bus_str){0};
    return (bus_str){PQgetvalue(res, row, column), (uint32_t)PQgetlength(res, row, column)};
}
