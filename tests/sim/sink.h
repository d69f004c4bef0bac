/* sink.h - the topics that the relays of all processes fill, and what a consumer of them sees.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SINK_H
#define TESTS_SIM_SINK_H

#include "bus/transport/sink.h"
#include "tests/sim/world.h"

typedef struct {
    sim_process *process;
} sim_sink_settings;

extern const bus_sink_ops sim_sink_ops;

sim_topics *sim_topics_create(void);
void        sim_topics_destroy(sim_topics *topics);

#endif
