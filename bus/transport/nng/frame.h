/* frame.h - what goes over a connection at once: who sends it, then many entries.
 *
 *   frame   "shb1", from, to: 8 bytes each, url of the sender; then entries to the end
 *   entry   kind: 1 byte, its length: 4 bytes, its body
 *   body    COMMAND: target, envelope; REPLY: envelope; BATCH: batch;
 *           TOPICS: count: 2 bytes, topics - the whole list of what the sender takes of us
 *
 * from and to are incarnations, random numbers of a process's life: an answer to a question of the
 * process that had this url before is dropped. to is 0 where the sender has not yet heard of us.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_NNG_FRAME_H
#define BUS_TRANSPORT_NNG_FRAME_H

#include "bus/base/error.h"
#include "bus/envelope/wire.h"

#define FRAME_TOPICS_MAX 1024
#define FRAME_ENTRY_BYTES_MAX ((size_t)80 << 20) /* beyond the largest body (64 MiB) */
#define FRAME_HEAD_BYTES_MAX 512
#define FRAME_BYTES_MAX (FRAME_ENTRY_BYTES_MAX + FRAME_HEAD_BYTES_MAX + 64)

typedef enum { FRAME_COMMAND = 1, FRAME_REPLY, FRAME_BATCH, FRAME_TOPICS } frame_kind;

typedef struct {
    uint64_t from, to;
    bus_str  url;
} frame_head;

void bus_frame_put_head(bus_buf *out, const frame_head *head);
/* Begins an entry; returns its place, for bus_frame_end once its body is written. */
size_t bus_frame_begin(bus_buf *out, frame_kind kind);
void   bus_frame_end(bus_buf *out, size_t place);

BUS_CHECKED bus_code bus_frame_read_head(bus_wire *in, frame_head *out, bus_error *err);
/* The next entry; *body has no bytes and *kind is 0 at the end. */
BUS_CHECKED bus_code bus_frame_read_entry(bus_wire *in, frame_kind *kind, bus_str *body,
                                          bus_error *err);

#endif
