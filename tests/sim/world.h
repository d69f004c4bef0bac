/* world.h - the real kernel in a simulated world: processes over one store and one network.
 *
 * A process is what `shina run` starts for two small domains (tests/support/kernel): members,
 * services with their couriers, a projector. Its threads are fibers (sched.h), its store is the
 * memory store behind a connection that breaks (store.c), its transport a network that loses
 * (network.c), its clock is its own. The clients are a process of their own that never dies: who
 * asks keeps the journal. Threads: one. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "bus/runtime/members.h"
#include "bus/runtime/relay.h"
#include "bus/runtime/runtime.h"
#include "tests/sim/sched.h"

#define SIM_DOMAINS 3
#define SIM_PROCESSES 3
#define SIM_CLIENTS SIM_PROCESSES   /* the group of the clients, and its process */
#define SIM_GOD (SIM_PROCESSES + 1) /* ... of what makes the faults */
#define SIM_URL "sim"
#define SIM_NAMES 24                        /* of items, so that they meet */
#define SIM_EPOCH_MS INT64_C(1764547200000) /* UTC when a history begins */

typedef struct sim_world   sim_world;
typedef struct sim_journal sim_journal;
typedef struct sim_topics  sim_topics;

/* How often what goes wrong, in 10,000; drawn anew for each seed, many of them 0, so that each
 * fault is met alone and in company. */
typedef struct {
    int     lost, late, doubled;      /* messages between processes */
    int     unavailable, answer_lost; /* calls of the store: not done; done, but nobody hears */
    int     unknown, conflict, full, slow; /* appends and effects */
    int     place_stall;                   /* a thread sleeps at one of the kernel's places */
    bool    kills, stops, stalls, outages, partitions_net, jumps, expiries;
    int64_t latency_us; /* of a call of the store, about */
} sim_faults;

/* What befell the world, counted: a fault that is never met proves nothing. */
typedef enum {
    SIM_MET_KILL,
    SIM_MET_STOP,
    SIM_MET_STALL,
    SIM_MET_OUTAGE,
    SIM_MET_CUT,
    SIM_MET_JUMP,
    SIM_MET_EXPIRY,
    SIM_MET_LOST,
    SIM_MET_DOUBLED,
    SIM_MET_BUSY,
    SIM_MET_BROKEN,
    SIM_MET_UNKNOWN,
    SIM_MET_LATE,
    SIM_MET_FENCED,
    SIM_MET_PARKED,
    SIM_METS
} sim_met;
extern const char *const sim_met_names[SIM_METS];

typedef struct sim_process {
    sim_world          *world;
    int                 index;
    char                name[32];
    int                 life; /* counts its starts */
    bool                alive, stopping, cut_off;
    bus_transport      *transport;
    bus_clock           clock;
    int64_t             skew_ms; /* of its UTC */
    bus_runtime_options options;
    bus_members        *members;
    bus_service        *inventory, *orders, *meters;
    bus_projector      *items, *loads;
    bus_relay          *relay;
    bus_sink           *sink; /* of the relay that runs; NULL: none */
} sim_process;

struct sim_world {
    sim_sched   *sched;
    sim_faults   faults;
    sim_journal *journal;
    sim_topics  *topics;
    sim_process  processes[SIM_PROCESSES + 1];
    bus_clock    clock; /* the store's */
    bus_threads  threads;
    bus_store   *store; /* for looking: nothing goes wrong with it */
    int64_t      outage_until_us;
    int64_t      faults_until_us; /* afterwards nothing goes wrong any more */
    bool         calm;            /* ... and that is now */
    bool         over;            /* the clients have finished */
    int          partitions;
    int64_t      met[SIM_METS];
    int64_t      windows, late, landed; /* found at the end: there was something to compare */
};

/* Opens all but starts nothing. */
sim_world *sim_world_create(uint64_t seed);
/* After the fibers are gone: not all of it comes back. */
void sim_world_destroy(sim_world *w);

void sim_process_start(sim_world *w, int index, bool same_name);
void sim_process_kill(sim_world *w, int index);
/* Asks it to stop in order. */
void sim_process_stop(sim_world *w, int index);

/* --- store.c --- */
extern const bus_store_ops sim_store_ops;

/* --- network.c --- */
extern const bus_transport_ops sim_transport_ops;
bus_transport                 *sim_transport_open(sim_process *process);
/* The process is dead: nothing reaches it any more. */
void sim_transport_kill(bus_transport *transport);

/* --- chaos.c: a fiber --- */
void *sim_chaos_main(void *world);

#endif
