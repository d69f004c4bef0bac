/* place.h - how far a consumer of a domain's events is: an offset for each partition. Pure.
 *
 * As text it is a cursor, opaque to clients: "~<domain>~<offsets>~<checksum>", offsets in
 * hexadecimal joined by dots, of characters that need no escaping in an address or a header. A
 * position that a command's answer carried ("<domain>:P:O") says where one partition is; nothing
 * is known of the others, so they are read from their beginning.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_PLACE_H
#define API_EDGE_LIVE_PLACE_H

#include "bus/base/str.h"

#define EDGE_PLACE_TEXT_MAX 4608 /* bytes of a cursor of 256 partitions, at the very most */

/* Adds the cursor. */
void edge_place_encode(const char *domain, const int64_t *offsets, int partitions, bus_buf *out);

typedef enum {
    EDGE_PLACE_GIVEN, /* offsets are filled in */
    EDGE_PLACE_LATEST /* "latest": whatever the log's end is */
} edge_place_kind;

/* Reads a cursor, a position, "latest", or nothing (the beginning). False: *why tells people. */
bool edge_place_decode(bus_str text, const char *domain, int partitions, int64_t *offsets,
                       edge_place_kind *kind, const char **why);

#endif
