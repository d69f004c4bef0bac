/* stream_world_contract.h - the contract of the analytic of stream_world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_STREAM_WORLD_CONTRACT_H
#define TESTS_SUPPORT_STREAM_WORLD_CONTRACT_H

#include "tests/support/stream_world.h"

extern const bus_shape        world_window_shape;
extern const bus_field *const world_key[1];
extern const bus_field *const world_from_at, *const world_to_at, *const world_closed,
                                                                     *const world_change;
extern const bus_view_contract  world_late, world_clocks, world_memory;
extern const bus_message        world_events[WORLD_SOURCES];
extern const bus_message *const world_follows[WORLD_SOURCES];
extern const bus_analytic       world_analytic;

#endif
