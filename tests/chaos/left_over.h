/* left_over.h - what nobody holds any more, or two hold: reservations, loads, claims.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_LEFT_OVER_H
#define TESTS_CHAOS_LEFT_OVER_H

#include "tests/support/shina.h"

#include <stdbool.h>

/* By the views: trips under way, reservations that are of no ASSIGNED trip or overlap, deliveries
 * that disagree with their trip. Says each if aloud. */
int left_over_reservations(const tests_shina *shina, const char *token, bool aloud);

/* By the logs and the tables of claims: unique values and who holds them; timers of processes that
 * have ended. Only when all is quiet. Says each. */
int left_over_claims(const tests_shina *shina);

/* By the tables: events whose reactions and sends are not done, and streams that are parked until
 * their target answers again. Says each if aloud. */
int left_over_errands(const tests_shina *shina, bool aloud);

/* Says what each session of the database is at, and who holds it up. */
void left_over_sessions(const tests_shina *shina);

#endif
