/* writer.h - the one writer of a domain in this process: commands in, events out.
 *
 * writer.c is the thread: leases, timers, taking commands, answering. batch.c carries out one
 * batch: receive, load, decide, append, and what a failure of the append means.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_WRITER_H
#define BUS_RUNTIME_WRITER_H

#include "bus/metrics/metrics.h"
#include "bus/runtime/members.h"
#include "bus/runtime/recent.h"
#include "bus/runtime/runtime.h"
#include "bus/runtime/snapshot.h"
#include "bus/runtime/states.h"

#include <pthread.h>
#include <stdatomic.h>

/* Under this name a writer's streams stand among the parked. */
#define BUS_WRITER_READER "writer"

/* A stream whose module broke an invariant: answered STREAM_FAULT (batch_quarantine.c). */
typedef struct {
    bus_id         stream;
    int64_t        from_offset; /* of the event that broke it; 0: a command did */
    char           reason[256];
    bool           trial;   /* an earlier writer set it aside: may be asked once more */
    bool           passed;  /* ... and that went well: its row is to go */
    bool           written; /* its row is in the store */
    UT_hash_handle hh;
} bus_quarantined;

enum {
    BUS_WRITER_COMMANDS,
    BUS_WRITER_EVENTS,
    BUS_WRITER_REFUSALS,
    BUS_WRITER_REPEATS,
    BUS_WRITER_FAULTS,
    BUS_WRITER_APPENDS,
    BUS_WRITER_APPEND_FAILURES,
    BUS_WRITER_APPEND_US,
    BUS_WRITER_SNAPSHOTS,
    BUS_WRITER_SNAPSHOT_FAILURES,
    BUS_WRITER_METRICS
};

typedef struct bus_writer {
    const bus_module          *module;
    const bus_runtime_options *options;
    const char                *domain;
    bus_store                 *store;
    bus_server                *server;
    bus_personal              *personal;     /* NULL: there are no keys here */
    bool                       any_personal; /* some event of the module has personal members */
    bus_states                *states;
    bus_recent                *recent, *refused;
    bus_snapshot_form         *forms;   /* of the module's aggregates, in their order */
    bus_arena                  arena;   /* of the batch being carried out */
    bus_arena                  scratch; /* of one event being read */
    bus_arena                  settings_arena;
    void                      *default_settings; /* the contract's defaults, or NULL */

    int       partitions;
    bus_lease leases[BUS_PARTITIONS_MAX];   /* by partition; .held: ours */
    bool      told[BUS_PARTITIONS_MAX];     /* the transport that they are ours */
    int64_t   renewed_us, shared_us;        /* monotonic */
    char      part[BUS_MEMBERS_PART_BYTES]; /* what is shared: "service vehicles" */
    int64_t   next_timer_ms;                /* when to look for due timers again, UTC */

    bus_quarantined *quarantined;     /* uthash */
    bool             took_partitions; /* whose quarantined streams were not read yet */
    char             labels[96];
    bus_metric       metrics[BUS_WRITER_METRICS];

    bus_thread  thread;
    atomic_bool stopping;
    atomic_int  held, quarantined_count; /* for health */
    atomic_bool store_down;
} bus_writer;

BUS_CHECKED bus_code bus_writer_start(bus_writer **out, const bus_module *module,
                                      const bus_runtime_options *options, bus_error *err);
void                 bus_writer_stop(bus_writer *writer); /* accepts NULL */
void                 bus_writer_health(const bus_writer *writer, bus_health *out);

/* --- between writer.c and batch.c ---------------------------------------- */

/* Carries out the commands of envs (owned, answered and released here) and the wakes of
 * timers. Borrows timers. */
void bus_writer_batch(bus_writer *w, bus_envelope **envs, int envs_count, const bus_timer *timers,
                      int timers_count);
/* Takes the leases that are missing up to our share (again: first all that are ours by name, with
 * new epochs). False: store out of reach. */
bool bus_writer_lease(bus_writer *w, bool again);
/* Streams whose row on the stuck list is gone are released; what could not be written is tried
 * again. Between two batches. */
void bus_writer_look_at_quarantine(bus_writer *w);
void batch_forget_quarantine(bus_writer *w);

#endif
