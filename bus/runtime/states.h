/* states.h - the states of streams in memory: a bounded LRU.
 * A state never holds what was not committed: what a failed batch touched is evicted.
 * Threads: one, the writer's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_STATES_H
#define BUS_RUNTIME_STATES_H

#include "bus/module/module.h"

#include <uthash.h>

typedef struct bus_states bus_states;

typedef struct bus_state {
    bus_id               stream;
    bus_id               tenant;    /* nil while version is 0 */
    const bus_aggregate *aggregate; /* NULL: the stream belongs to none that we know */
    int32_t              version;   /* 0: new */
    int32_t              kept;      /* version of its snapshot; 0: none */
    bool                 faulty;    /* an invariant broke: not to be used */
    bool                 touched;   /* in the batch being decided */
    bool                 waits;     /* a command on it was left for the next round */
    void                *data;      /* the module's state; owned */

    struct bus_state *newer, *older; /* private to states.c */
    UT_hash_handle    hh;
} bus_state;

bus_states *bus_states_create(size_t bytes_max);
void        bus_states_destroy(bus_states *states); /* accepts NULL */

/* The stream's state or NULL; makes it the newest. */
bus_state *bus_states_find(bus_states *states, bus_id stream);
/* A new entry at version 0; it must not be there. Never evicts. */
bus_state *bus_states_add(bus_states *states, bus_id stream, const bus_aggregate *aggregate);
void       bus_states_evict(bus_states *states, bus_state *state);
void       bus_states_evict_all(bus_states *states);
/* Those of one of `partitions` partitions. */
void bus_states_evict_partition(bus_states *states, int partition, int partitions);
/* Down to the bound, oldest first. Between batches only. */
void   bus_states_trim(bus_states *states);
size_t bus_states_bytes(const bus_states *states);

#endif
