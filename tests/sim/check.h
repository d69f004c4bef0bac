/* check.h - is what is left of a history what it must be?
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "tests/sim/world.h"

#include <stddef.h>

/* What is not finished yet, into text; false: everything is. From no fiber. */
bool sim_check_pending(sim_world *w, char *text, size_t bytes);
/* Everything is finished: all that must hold of it. Violations are told by sim_fail(). */
void sim_check_all(sim_world *w);

/* --- windows.c --- */
void sim_check_windows(sim_world *w);

/* --- sink.c --- */
void sim_check_topics(sim_world *w);

#endif
