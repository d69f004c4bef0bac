/* wire.h - the bytes of messages between processes: numbers little-endian, texts behind their
 * length. Reading checks every length: the first thing that does not fit is remembered, and all
 * that follows reads as zero, so that a decoder checks once, at its end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_ENVELOPE_WIRE_H
#define BUS_ENVELOPE_WIRE_H

#include "bus/base/id.h"
#include "bus/base/str.h"

#include <stdint.h>

void bus_wire_put_u8(bus_buf *out, uint8_t value);
void bus_wire_put_u16(bus_buf *out, uint16_t value);
void bus_wire_put_u32(bus_buf *out, uint32_t value);
void bus_wire_put_u64(bus_buf *out, uint64_t value);
void bus_wire_put_id(bus_buf *out, bus_id id);
void bus_wire_put_str(bus_buf *out, bus_str s);
/* Writes value over the four bytes at place. */
void bus_wire_set_u32(bus_buf *out, size_t place, uint32_t value);

/* What is left to read of borrowed bytes. */
typedef struct {
    const char *at;
    uint32_t    left;
    const char *wrong; /* the first member that did not fit; NULL: all right so far */
} bus_wire;

uint8_t  bus_wire_u8(bus_wire *in, const char *member);
uint16_t bus_wire_u16(bus_wire *in, const char *member);
uint32_t bus_wire_u32(bus_wire *in, const char *member);
uint64_t bus_wire_u64(bus_wire *in, const char *member);
/* A signed number from minimum to maximum; else wrong, and minimum is returned. */
int64_t bus_wire_int(bus_wire *in, const char *member, int64_t minimum, int64_t maximum);
bus_id  bus_wire_id(bus_wire *in, const char *member);
bus_str bus_wire_str(bus_wire *in, const char *member); /* borrowed from the bytes */

#endif
