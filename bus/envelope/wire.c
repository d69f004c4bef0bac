/* wire.c - numbers, ids and texts as bytes, and back with every length checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/wire.h"

#include <string.h>

static void
put(bus_buf *out, uint64_t value, size_t bytes)
{
    uint8_t text[8];

    for (size_t i = 0; i < bytes; i++)
        text[i] = (uint8_t)(value >> (8 * i));
    bus_buf_add(out, text, bytes);
}

void
bus_wire_put_u8(bus_buf *out, uint8_t value)
{
    put(out, value, 1);
}

void
bus_wire_put_u16(bus_buf *out, uint16_t value)
{
    put(out, value, 2);
}

void
bus_wire_put_u32(bus_buf *out, uint32_t value)
{
    put(out, value, 4);
}

void
bus_wire_put_u64(bus_buf *out, uint64_t value)
{
    put(out, value, 8);
}

void
bus_wire_put_id(bus_buf *out, bus_id id)
{
    bus_buf_add(out, id.bytes, sizeof(id.bytes));
}

void
bus_wire_put_str(bus_buf *out, bus_str s)
{
    bus_wire_put_u32(out, s.len);
    if (s.len > 0)
        bus_buf_add(out, s.at, s.len);
}

void
bus_wire_set_u32(bus_buf *out, size_t place, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        out->at[place + i] = (char)(uint8_t)(value >> (8 * i));
}

/* --- reading ------------------------------------------------------------- */

/* The next bytes, or NULL where they are not all there. */
static const char *
take(bus_wire *in, uint32_t bytes, const char *member)
{
    const char *at = in->at;

    if (in->wrong == NULL && bytes > in->left)
        in->wrong = member;
    if (in->wrong != NULL)
        return NULL;
    in->at += bytes;
    in->left -= bytes;
    return at;
}

static uint64_t
get(bus_wire *in, uint32_t bytes, const char *member)
{
    const char *at = take(in, bytes, member);
    uint64_t    value = 0;

    if (at == NULL)
        return 0;
    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)(uint8_t)at[i] << (8 * i);
    return value;
}

uint8_t
bus_wire_u8(bus_wire *in, const char *member)
{
    return (uint8_t)get(in, 1, member);
}

uint16_t
bus_wire_u16(bus_wire *in, const char *member)
{
    return (uint16_t)get(in, 2, member);
}

uint32_t
bus_wire_u32(bus_wire *in, const char *member)
{
    return (uint32_t)get(in, 4, member);
}

uint64_t
bus_wire_u64(bus_wire *in, const char *member)
{
    return get(in, 8, member);
}

int64_t
bus_wire_int(bus_wire *in, const char *member, int64_t minimum, int64_t maximum)
{
    int64_t value = (int64_t)get(in, 8, member);

    if (value >= minimum && value <= maximum)
        return value;
    if (in->wrong == NULL)
        in->wrong = member;
    return minimum;
}

bus_id
bus_wire_id(bus_wire *in, const char *member)
{
    const char *at = take(in, sizeof(bus_id), member);
    bus_id      id = BUS_ID_NIL;

    if (at != NULL)
        memcpy(id.bytes, at, sizeof(id.bytes));
    return id;
}

bus_str
bus_wire_str(bus_wire *in, const char *member)
{
    uint32_t    len = bus_wire_u32(in, member);
    const char *at = take(in, len, member);

    if (at == NULL || len == 0)
        return (bus_str){NULL, 0};
    return (bus_str){at, len};
}
