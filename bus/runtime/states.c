/* states.c - a hash of states and a list from newest to oldest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/states.h"

#include <stdlib.h>

struct bus_states {
    bus_state *by_stream; /* uthash */
    bus_state *newest, *oldest;
    size_t     bytes, bytes_max;
};

static size_t
bytes_of(const bus_state *state)
{
    return sizeof(*state) + (state->aggregate != NULL ? state->aggregate->state_size : 0);
}

bus_states *
bus_states_create(size_t bytes_max)
{
    bus_states *states = calloc(1, sizeof(*states));

    if (states == NULL)
        abort();
    states->bytes_max = bytes_max;
    return states;
}

void
bus_states_destroy(bus_states *states)
{
    if (states == NULL)
        return;
    bus_states_evict_all(states);
    free(states);
}

static void
unlink_state(bus_states *states, bus_state *state)
{
    if (state->newer != NULL)
        state->newer->older = state->older;
    else
        states->newest = state->older;
    if (state->older != NULL)
        state->older->newer = state->newer;
    else
        states->oldest = state->newer;
}

static void
link_newest(bus_states *states, bus_state *state)
{
    state->newer = NULL;
    state->older = states->newest;
    if (states->newest != NULL)
        states->newest->newer = state;
    else
        states->oldest = state;
    states->newest = state;
}

bus_state *
bus_states_find(bus_states *states, bus_id stream)
{
    bus_state *state;

    HASH_FIND(hh, states->by_stream, &stream, sizeof(stream), state);
    if (state != NULL && state != states->newest) {
        unlink_state(states, state);
        link_newest(states, state);
    }
    return state;
}

bus_state *
bus_states_add(bus_states *states, bus_id stream, const bus_aggregate *aggregate)
{
    bus_state *state = calloc(1, sizeof(*state));

    if (state == NULL)
        abort();
    state->stream = stream;
    state->aggregate = aggregate;
    if (aggregate != NULL) {
        state->data = calloc(1, aggregate->state_size);
        if (state->data == NULL)
            abort();
    }
    HASH_ADD(hh, states->by_stream, stream, sizeof(state->stream), state);
    link_newest(states, state);
    states->bytes += bytes_of(state);
    return state;
}

void
bus_states_evict(bus_states *states, bus_state *state)
{
    HASH_DELETE(hh, states->by_stream, state);
    unlink_state(states, state);
    states->bytes -= bytes_of(state);
    free(state->data);
    free(state);
}

void
bus_states_evict_all(bus_states *states)
{
    while (states->newest != NULL)
        bus_states_evict(states, states->newest);
}

void
bus_states_evict_partition(bus_states *states, int partition, int partitions)
{
    bus_state *state, *next;

    HASH_ITER(hh, states->by_stream, state, next)
    {
        if (bus_id_partition(state->stream, partitions) == partition)
            bus_states_evict(states, state);
    }
}

void
bus_states_trim(bus_states *states)
{
    while (states->bytes > states->bytes_max && states->oldest != NULL)
        bus_states_evict(states, states->oldest);
}

size_t
bus_states_bytes(const bus_states *states)
{
    return states->bytes;
}
