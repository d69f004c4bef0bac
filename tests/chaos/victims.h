/* victims.h - the processes of a shina in a test, and how they die.
 *
 * The test becomes the parent of all that lose theirs (PR_SET_CHILD_SUBREAPER), so that what is
 * killed is gone and not a zombie whose number a pid file still names.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_VICTIMS_H
#define TESTS_CHAOS_VICTIMS_H

#include "tests/support/shina.h"

#include <stdint.h>

typedef enum {
    VICTIM_SHINA,      /* all its processes, of which there may be one */
    VICTIM_BOTH,       /* it and every process of its PostgreSQL */
    VICTIM_POSTGRES,   /* every process of PostgreSQL at once, as when the machine fails */
    VICTIM_POSTMASTER, /* the postmaster alone; its backends notice in their own time */
    VICTIM_BACKEND,    /* one backend: PostgreSQL ends all others and recovers */
    VICTIM_REDIS,
    VICTIM_COUNT
} victim;

extern const char *const victim_names[VICTIM_COUNT];

/* First of all: chaos_die and a normal end leave no process behind. */
void victims_begin(void);
/* For whatever ends: also called by chaos_die. */
void victims_end_all(void);

/* Kills -9, and waits until those processes are gone. False: there was nothing to kill. */
bool victims_kill(tests_shina *shina, victim who, uint64_t random);

/* Sends a signal to the postmaster and all its children. False: there is none. */
bool victims_signal_postgres(const tests_shina *shina, int signal_number);

/* The state of a process as the kernel shows it: 'R', 'S', 'T' when it is stopped, 'Z'. */
char victims_state(pid_t pid);

/* The numbers in the pid files; 0: none. */
pid_t victims_postmaster(const tests_shina *shina);
pid_t victims_redis(const tests_shina *shina);

#endif
