/* snapshot.h - a state as bytes that outlive the process. The one place where the bytes of
 * snapshots are made and read.
 *
 * A snapshot is a help, never the truth: what does not fit exactly is passed over and the stream is
 * read from its first event. It fits when the aggregate's snapshot_version, the size of its state,
 * this machine's byte order and word, and the shapes of the aggregate's events and commands (whose
 * structs and enums a state may hold) are those it was made with, and its checksum over tenant,
 * stream, version and state is right.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_SNAPSHOT_H
#define BUS_RUNTIME_SNAPSHOT_H

#include "bus/module/module.h"
#include "bus/store/store.h"

#define BUS_SNAPSHOT_STATE_MAX (1u << 20) /* larger states are not kept, bytes */

/* What a snapshot of an aggregate must fit. */
typedef struct {
    const bus_aggregate *aggregate;
    uint64_t             layout;
} bus_snapshot_form;

bus_snapshot_form bus_snapshot_form_of(const bus_aggregate *aggregate);

/* Adds the bytes to out. */
void bus_snapshot_seal(const bus_snapshot_form *form, bus_id tenant, bus_id stream, int32_t version,
                       const void *state, bus_buf *out);
/* Fills state (state_size bytes). BUS_CONFLICT: it is of another shape. BUS_INVALID: it is
 * damaged. In both cases state is not to be used. */
BUS_CHECKED bus_code bus_snapshot_open(const bus_snapshot_form *form, const bus_snapshot *snapshot,
                                       void *state, bus_error *err);

#endif
