/* journal.h - what the clients asked for, and what they were told.
 *
 * Every answer is judged when it comes: an acknowledged command is in the log at that moment, and
 * all its answers are the same. The rest is judged at the end (check.c). Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_JOURNAL_H
#define TESTS_SIM_JOURNAL_H

#include "bus/envelope/envelope.h"
#include "tests/sim/sched.h"

#include <uthash.h>

#define SIM_DATA_BYTES 320

typedef struct sim_world   sim_world;
typedef struct sim_journal sim_journal;

typedef struct sim_entry {
    bus_id         id, stream;
    char           type[40], domain[24];
    char           data[SIM_DATA_BYTES];
    uint16_t       partition;
    int            taken;    /* copies of it that some writer took */
    bool           of_there; /* its stream was acknowledged before it was asked */
    bool           done;     /* acknowledged; with events if offset > 0 */
    bool           refused;  /* ... or refused, by the answers that came */
    int64_t        offset;
    int32_t        version;
    char          *events; /* of the first answer that told them; owned */
    UT_hash_handle hh;
} sim_entry;

/* One sending of a command. */
typedef struct {
    sim_entry *entry;
    bool       after; /* its acknowledgement had come */
} sim_sending;

struct sim_journal {
    sim_world   *world;
    sim_sending *sendings; /* by ticket - 1 */
    int          sendings_count, sendings_room;
    sim_entry  **entries; /* in the order in which they were asked */
    int          count, room;
    sim_entry   *by_id; /* uthash */
    int64_t      answers, repeats;
};

sim_journal *sim_journal_create(sim_world *world);
void         sim_journal_destroy(sim_journal *j);

/* A new command of a client; the caller fills it. Lives as long as the journal. */
sim_entry *sim_journal_add(sim_journal *j, bus_id id);
/* It is sent (again); the ticket of that. */
uint64_t sim_journal_sent(sim_journal *j, sim_entry *entry);
/* A writer takes it. */
void sim_journal_taken(sim_journal *j, const bus_command *command);
/* A client is answered. Violations end the run. */
void sim_journal_answered(sim_journal *j, uint64_t ticket, const bus_reply *reply);

#endif
