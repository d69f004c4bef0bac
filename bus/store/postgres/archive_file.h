/* archive_file.h - one file of archived events: written once, then only read.
 *
 * FOLDER/DOMAIN/PPP-FFFFFFFFFFFFFFFFFFF.zst, of the partition's number and the first offset. It is
 * a sequence of Zstandard frames (RFC 8878), so `zstd -dc FILE` prints it whole: one event per
 * line, in the order of offsets and without gaps, in the text format of PostgreSQL's COPY with the
 * columns of ARCHIVE_COLUMNS; `psql -c 'copy DOMAIN.events (...) from stdin'` takes them back.
 *
 *   header   a skippable frame: what the file is, in words, with the columns
 *   blocks   frames with a checksum, of whole lines, of about ARCHIVE_BLOCK_BYTES before packing
 *   footer   a skippable frame: per block its first offset (u64), its place in the file (u64) and
 *            its bytes, packed and not (u32 each); then the first and last offset (u64), the
 *            number of blocks (u32), the format's number 1 (u32), the SHA-256 of all that stands
 *            before the footer, and "shinaarc". All little-endian.
 *
 * Threads: one at a time per object.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_POSTGRES_ARCHIVE_FILE_H
#define BUS_STORE_POSTGRES_ARCHIVE_FILE_H

#include "bus/base/error.h"
#include "bus/base/str.h"

#include <stdint.h>

/* Small, because a stream's events lie far from each other: each costs one block to unpack. */
#define ARCHIVE_BLOCK_BYTES 65536u
#define ARCHIVE_LINE_MAX (256u << 20) /* bytes of one event, at most */

#define ARCHIVE_COLUMNS                                                                    \
    "partition, \"offset\", epoch, stream, aggregate, version, tenant, type, command_id, " \
    "nth, digest, correlation_id, causation_id, actor, at, device_at, sends, data"

typedef struct {
    const char *folder, *domain;
    uint16_t    partition;
    int64_t     first; /* offset */
} archive_name;

typedef struct {
    int64_t first, last, bytes;
    uint8_t sha256[32]; /* of the whole file, as sha256sum prints it */
} archive_sum;

/* Below the folder: "vehicles/003-0000000000000000001.zst". */
void archive_file_name(bus_buf *out, const archive_name *name);
/* Is there anything under that name? */
bool archive_file_exists(const archive_name *name);

/* --- writing ---------------------------------------------------------------- */

typedef struct archive_writer archive_writer;

/* Makes the folders and begins a file beside its name; what an earlier try left is overwritten.
 * BUS_FULL, BUS_DENIED, BUS_UNAVAILABLE. */
BUS_CHECKED bus_code archive_writer_open(archive_writer **out, const archive_name *name,
                                         bus_error *err);
/* The next event, with its newline. BUS_INVALID: its offset is not the next one. */
BUS_CHECKED bus_code archive_writer_add(archive_writer *w, bus_str line, bus_error *err);
int64_t              archive_writer_raw_bytes(const archive_writer *w); /* so far */
/* Makes it durable and gives it its name, in place of what is there. */
BUS_CHECKED bus_code archive_writer_finish(archive_writer *w, archive_sum *out, bus_error *err);
/* After finish, or to give up; accepts NULL. */
void archive_writer_close(archive_writer *w);

/* --- reading ---------------------------------------------------------------- */

typedef struct archive_file archive_file;

/* Reads the footer. BUS_NOT_FOUND: it is not there. BUS_INVALID: it is none, or damaged. */
BUS_CHECKED bus_code archive_file_open(archive_file **out, const archive_name *name,
                                       bus_error *err);
void                 archive_file_close(archive_file *file); /* accepts NULL */
int64_t              archive_file_last(const archive_file *file);
/* The line of an event, without its newline, until the next call. One block is kept unpacked, so
 * reading in order unpacks each once. */
BUS_CHECKED bus_code archive_file_line(archive_file *file, int64_t offset, bus_str *out,
                                       bus_error *err);
/* Reads it from end to end: its checksum, its footer's, and every line by `visit`. */
BUS_CHECKED bus_code archive_file_check(const archive_name *name, const archive_sum *expected,
                                        bus_code (*visit)(void *context, int64_t offset,
                                                          bus_str line, bus_error *err),
                                        void *context, bus_error *err);

#endif
