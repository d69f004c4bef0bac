/* id.h - identifiers: UUIDs (RFC 9562) in 16 bytes, network order.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_ID_H
#define BUS_BASE_ID_H

#include "bus/base/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint8_t bytes[16];
} bus_id;

#define BUS_ID_TEXT_BYTES 37 /* 36 characters and a NUL */

extern const bus_id BUS_ID_NIL;

bool bus_id_equal(bus_id a, bus_id b);
bool bus_id_is_nil(bus_id id);
int  bus_id_compare(bus_id a, bus_id b); /* as memcmp, for sorting */

/* Accepts 8-4-4-4-12 hexadecimal in either case; false on anything else. */
bool bus_id_parse(bus_str text, bus_id *out);
/* Writes lower case text and a NUL; returns text. */
char *bus_id_format(bus_id id, char text[BUS_ID_TEXT_BYTES]);

/* UUIDv5: SHA-1 of the name, of any length, within a namespace. Pure. */
bus_id bus_id_v5(bus_id name_space, const void *name, size_t name_bytes);
bus_id bus_id_v5_text(bus_id name_space, const char *name);
/* UUIDv7 from a UTC millisecond and 10 random bytes. */
bus_id bus_id_v7(int64_t at_ms, const uint8_t random[10]);
bool   bus_id_is_v7(bus_id id);
/* Gives id the 48 time bits and the version of a UUIDv7, for index locality. */
bus_id bus_id_with_time_of(bus_id id, bus_id v7);

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
uint64_t bus_fnv1a64(const void *bytes, size_t len);
/* Partition of a stream: FNV-1a-64 over its 16 bytes, modulo partitions. */
int bus_id_partition(bus_id stream, int partitions);

#endif
