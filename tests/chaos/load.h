/* load.h - clients that drive a carrier's commands over HTTP while things die.
 *
 * Vehicles and drivers with few plates and phones, so that unique values collide; deliveries with
 * few orders and boxes; trips that are planned, assigned by process P1 and called off. Whatever is
 * not answered is sent again with the same key until it is; a few calls are given up instead, and
 * a few acknowledged ones are repeated, whose answer must be the same, and a few read back with
 * X-After.
 * Threads: one controls it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_LOAD_H
#define TESTS_CHAOS_LOAD_H

#include "tests/chaos/journal.h"
#include "tests/support/shina.h"

#include <stdint.h>

typedef struct load load;

typedef struct {
    long calls, acknowledged, refused, unknown; /* by what came of them */
    long retried;     /* calls that were sent more than once until an answer came */
    long unavailable; /* answers 503 and 504 on the way */
    long repeats;     /* acknowledged calls sent once more: the same answer came */
    long reads;       /* acknowledged calls whose row was read */
    long silence_ms;  /* the longest time in which no client got an answer that ended a call */
} load_counts;

load *load_start(const tests_shina *shina, journal *j, const char *token, uint64_t seed,
                 int threads);
/* No new calls; those under way are sent until they are answered. Then everything in the counts is
 * final. Ends the program when that takes more than patience_s. */
load_counts load_stop(load *l, int patience_s);
load_counts load_so_far(load *l);
void        load_say_calls(load *l); /* the call that each client is at, and its last answer */
/* Calls that never ended well: answers that no client should ever see (5xx for good, a repeat with
 * another answer). Their texts were said. */
long load_faults(const load *l);
void load_destroy(load *l); /* a stopped one */

#endif
