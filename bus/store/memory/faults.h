/* faults.h - making the memory store fail on purpose, for tests and the simulator.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_MEMORY_FAULTS_H
#define BUS_STORE_MEMORY_FAULTS_H

#include "bus/base/error.h"

typedef enum {
    BUS_FAULT_APPEND,   /* append */
    BUS_FAULT_EFFECT,   /* effect, park */
    BUS_FAULT_LEASE,    /* lease_take, lease_renew, the same of checkpoints, member_beat */
    BUS_FAULT_SNAPSHOT, /* snapshots_write */
    BUS_FAULT_READ      /* find, load, read, heads, timers_due, view_rows */
} bus_store_fault_place;

/* The next `times` calls of that place on the store of this name return code. before: nothing
 * was done; else it was done all the same, as when an answer is lost (only append and effect).
 * BUS_UNKNOWN both ways, BUS_UNAVAILABLE and BUS_FULL before are what a database does. A later
 * call replaces an earlier one; times 0 ends it. */
void bus_store_memory_fail(const char *name, bus_store_fault_place place, bus_code code,
                           bool before, int times);

/* Lets every lease of the store, of partitions, checkpoints and members, run out now. */
void bus_store_memory_expire(const char *name);

/* Forgets the store of this name and all it holds. Nobody may have it open. A store without a
 * name (options.url NULL or "") is its opener's alone and goes when it is closed. */
void bus_store_memory_forget(const char *name);

#endif
