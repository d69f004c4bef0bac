/* sched.h - simulated time, chance and threads, all of one seed.
 *
 * Every thread of the kernel is a fiber; one of them runs at a time, until it sleeps, waits or
 * passes a place. Then whoever is due next goes on, and the simulated time is his. The same seed
 * makes the same choices, so it replays the same history, which is kept as a digest and its last
 * lines. A fiber that is killed is never resumed: what it holds is lost, as a process's memory is.
 * Threads: one. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SCHED_H
#define TESTS_SIM_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_FIBERS_MAX 512 /* alive at a time */
#define SIM_LINES 50       /* of the history that are kept */
#define SIM_LINE_BYTES 200

typedef struct sim_sched sim_sched;
typedef struct sim_fiber sim_fiber;

sim_sched *sim_sched_create(uint64_t seed);
/* Not from a fiber. What killed fibers held is not freed. */
void sim_sched_destroy(sim_sched *s);

/* --- chance ------------------------------------------------------------------ */

uint64_t sim_roll(sim_sched *s, uint64_t below); /* 0 to below - 1 */
int64_t  sim_between(sim_sched *s, int64_t least, int64_t most);
bool     sim_chance(sim_sched *s, int per_10000);

/* --- time -------------------------------------------------------------------- */

int64_t sim_now_us(const sim_sched *s); /* since the beginning */
/* Calls happen(context) at that time, from no fiber; it may not sleep. */
void sim_at(sim_sched *s, int64_t at_us, void (*happen)(void *context), void *context);

/* --- fibers ------------------------------------------------------------------ */

/* Runs main(argument) as a fiber of that group, from now on. name is copied. */
sim_fiber *sim_spawn(sim_sched *s, int group, const char *name, void *(*main)(void *argument),
                     void *argument);
bool       sim_done(const sim_fiber *fiber);
/* No fiber of the group goes on any more; not from one of them. */
void sim_kill_group(sim_sched *s, int group);
/* No fiber of the group goes on before that time. */
void sim_stall_group(sim_sched *s, int group, int64_t until_us);
/* One fiber of the group, by chance, does not go on before that time. */
void sim_stall_one(sim_sched *s, int group, int64_t until_us);
int  sim_group(const sim_sched *s); /* of who runs now; -1: no fiber does */

/* The running fiber sleeps. */
void sim_sleep(sim_sched *s, int64_t us);
/* ... until ready(context), which may not sleep, or the time has passed. What it says now. */
bool sim_await(sim_sched *s, bool (*ready)(const void *context), const void *context,
               int64_t timeout_us);

/* Until the time has come, or failed. */
void sim_run(sim_sched *s, int64_t until_us);

/* --- the history --------------------------------------------------------------- */

/* One line: who runs, and this. Must be the same in every run of the seed. */
void     sim_note(sim_sched *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t sim_digest(const sim_sched *s);
uint64_t sim_steps(const sim_sched *s);
/* Every line goes here as well; NULL: to nobody. */
void sim_trace(sim_sched *s, FILE *to);
void sim_print_lines(const sim_sched *s, FILE *to);

/* The first thing that was violated ends the run. */
void        sim_fail(sim_sched *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *sim_failed(const sim_sched *s); /* NULL: nothing was */

#endif
