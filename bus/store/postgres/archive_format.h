/* archive_format.h - the bytes of an archive file, for those who write and read them. Internal.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_POSTGRES_ARCHIVE_FORMAT_H
#define BUS_STORE_POSTGRES_ARCHIVE_FORMAT_H

#include "bus/store/postgres/archive_file.h"

#define ARCHIVE_MAGIC "shinaarc"
#define ARCHIVE_FORMAT 1u
#define ARCHIVE_HEADER 0x184D2A50u /* skippable frames of zstd: 0x184D2A50 to 5F */
#define ARCHIVE_FOOTER 0x184D2A51u

/* All members little-endian; none of the structs has padding. */
typedef struct {
    uint32_t magic, bytes; /* of what follows */
} archive_frame;

typedef struct {
    uint64_t first, position;
    uint32_t packed_bytes, raw_bytes;
} archive_entry;

typedef struct {
    uint64_t first, last;
    uint32_t blocks, format;
    uint8_t  sha256[32];
    char     magic[8];
} archive_trailer;

_Static_assert(sizeof(archive_frame) == 8 && sizeof(archive_entry) == 24 &&
                   sizeof(archive_trailer) == 64,
               "as they are on disk");

/* Freed by the caller. */
char *archive_path(const archive_name *name);
/* From errno: "the archive PATH cannot be WHAT: why". */
bus_code archive_failed(const char *what, const char *path, bus_error *err);

#endif
