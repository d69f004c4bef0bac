/* say.h - the words of crash tests, and their end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_SAY_H
#define TESTS_CHAOS_SAY_H

#include <stdint.h>

/* A line on stdout, at once, with the seconds since the start. Threads: any. */
__attribute__((format(printf, 1, 2))) void chaos_say(const char *fmt, ...);
/* The test cannot go on: says why, ends what it started (chaos_end_all) and the program. */
__attribute__((format(printf, 1, 2), noreturn)) void chaos_die(const char *fmt, ...);
/* What chaos_die calls first; NULL: nothing. */
void chaos_at_death(void (*end_all)(void));

void    chaos_pause_ms(long ms);
int64_t chaos_now_ms(void); /* monotonic */

/* A pseudo-random number below n; xorshift64*, never 0 as a state. */
uint64_t chaos_random(uint64_t *state, uint64_t n);
/* From the environment, or the given one. */
uint64_t chaos_number(const char *name, uint64_t otherwise);
/* SEED from the environment or the clock; says which. */
uint64_t chaos_seed(void);

#endif
