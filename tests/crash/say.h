/* say.h - the words of crash tests, and their end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CRASH_SAY_H
#define TESTS_CRASH_SAY_H

#include <stdint.h>

/* A line on stdout, at once, with the seconds since the start. Threads: any. */
__attribute__((format(printf, 1, 2))) void crash_say(const char *fmt, ...);
/* The test cannot go on: says why, ends what it started (crash_end_all) and the program. */
__attribute__((format(printf, 1, 2), noreturn)) void crash_die(const char *fmt, ...);
/* What crash_die calls first; NULL: nothing. */
void crash_at_death(void (*end_all)(void));

void    crash_pause_ms(long ms);
int64_t crash_now_ms(void); /* monotonic */

/* A pseudo-random number below n; xorshift64*, never 0 as a state. */
uint64_t crash_random(uint64_t *state, uint64_t n);
/* From the environment, or the given one. */
uint64_t crash_number(const char *name, uint64_t otherwise);
/* SEED from the environment or the clock; says which. */
uint64_t crash_seed(void);

#endif
