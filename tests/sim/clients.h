/* clients.h - who asks: some at a time, each one command after another, again and again under the
 * same id until it is answered, as the edge does.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_CLIENTS_H
#define TESTS_SIM_CLIENTS_H

#include "tests/sim/world.h"

#define SIM_CLIENTS_MAX 5

/* Starts the clients. They ask until faults_until_us, then once more for what they do not know and
 * for some of what they know; then w->over. */
void sim_clients_start(sim_world *w);

#endif
