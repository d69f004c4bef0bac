/* snapshot.h - a state as bytes that outlive the process. The one place where the bytes of
 * snapshots are made and read.
 *
 * A snapshot is a help, never the truth: what does not fit exactly is passed over and the stream is
 * read from its first event. It fits when the aggregate's snapshot_version, the size of its state,
 * this machine's byte order and word, and the shapes of the aggregate's events and commands (whose
 * structs and enums a state may hold) are those it was made with, and its checksum over tenant,
 * stream, version and state is right.
 * A state with personal data is encrypted as a whole by its stream's key and so goes with it.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_SNAPSHOT_H
#define BUS_RUNTIME_SNAPSHOT_H

#include "bus/module/module.h"
#include "bus/personal/personal.h"
#include "bus/store/store.h"

#define BUS_SNAPSHOT_STATE_MAX (1u << 20) /* larger states are not kept, bytes */

/* Whose personal data a state may hold, by what its events say. */
typedef enum {
    BUS_SNAPSHOT_NOBODYS,
    BUS_SNAPSHOT_STREAMS, /* the stream is the subject: the snapshot is encrypted by its key */
    BUS_SNAPSHOT_OTHERS   /* of several subjects: there are no snapshots */
} bus_snapshot_personal;

/* What a snapshot of an aggregate must fit. */
typedef struct {
    const bus_aggregate  *aggregate;
    uint64_t              layout;
    bus_snapshot_personal personal;
} bus_snapshot_form;

bus_snapshot_form bus_snapshot_form_of(const bus_aggregate *aggregate);

/* Adds the bytes to out. personal and arena are for those with personal data. BUS_NOT_FOUND: it is
 * not to be kept, for want of a key of its stream or for too many subjects; BUS_UNAVAILABLE and the
 * like: the keys. */
BUS_CHECKED bus_code bus_snapshot_seal(const bus_snapshot_form *form, bus_id tenant, bus_id stream,
                                       int32_t version, const void *state, bus_personal *personal,
                                       bus_arena *arena, bus_buf *out, bus_error *err);
/* Fills state (state_size bytes). BUS_CONFLICT: it is of another shape, or its key is gone.
 * BUS_INVALID: it is damaged. BUS_UNAVAILABLE, BUS_DENIED: the keys (bus_is_outage). In all these
 * cases state is not to be used. */
BUS_CHECKED bus_code bus_snapshot_open(const bus_snapshot_form *form, const bus_snapshot *snapshot,
                                       bus_personal *personal, bus_arena *arena, void *state,
                                       bus_error *err);

#endif
