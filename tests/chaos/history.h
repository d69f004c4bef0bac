/* history.h - is what the clients were told what the log says, and is nothing left over?
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_HISTORY_H
#define TESTS_CHAOS_HISTORY_H

#include "tests/support/shina.h"

/* Waits until processes and sends have come to their end: no trip is ASSIGNING, nothing is awaited,
 * every reservation is one of an ASSIGNED trip, no reaction or send is under way or parked. The
 * number of seconds it took; ends the program after patience_s, saying what hangs. */
int history_settle(const tests_shina *shina, const char *token, int patience_s);

/* Reads the journal's file and the logs (`shina events`), and the claims in the database; says each
 * fault and returns their number:
 *   - an acknowledged command is in the log once, where its answer said, with all its events;
 *   - one that was refused has left nothing; an unknown one is there at most once;
 *   - no client's command is in the log that the journal does not know;
 *   - who read behind an acknowledged command, with X-After, saw it, and nothing that is not in the
 * log;
 *   - reservations of vehicles and drivers are those of ASSIGNED trips, deliveries aboard agree
 * with their trips, and a unique value is claimed by exactly the streams that hold it;
 *   - `shina verify` finds no fault. */
int history_check(const tests_shina *shina, const char *token, const char *journal_path);

#endif
