/* courier.h - carries what events ask for to where it goes: sent commands with their answers,
 * and reactions; and forgets who is to be forgotten.
 *
 * A courier follows one log with a checkpoint. What the events of one stream ask for goes one
 * at a time, in order: the next leaves when the answer to the one before is committed. Streams
 * do not wait for each other. A target that stays down parks the streams that wait for it, in
 * the checkpoint's transaction; they are tried again later.
 * All ids are derived from the events, so repeating after a crash is harmless.
 * Threads: one of its own; start and stop from one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_COURIER_H
#define BUS_RUNTIME_COURIER_H

#include "bus/runtime/runtime.h"

typedef struct bus_courier bus_courier;

/* Carries the sends of the module's own events. */
BUS_CHECKED bus_code bus_courier_start_sends(bus_courier **out, const bus_module *module,
                                             const bus_runtime_options *options, bus_error *err);
/* Carries the module's reactions to the events of `domain`. */
BUS_CHECKED bus_code bus_courier_start_reactions(bus_courier **out, const bus_module *module,
                                                 const char                *domain,
                                                 const bus_runtime_options *options,
                                                 bus_error                 *err);
/* Forgets those whom the module's own events forget: deletes their keys. */
BUS_CHECKED bus_code bus_courier_start_forgetting(bus_courier **out, const bus_module *module,
                                                  const bus_runtime_options *options,
                                                  bus_error                 *err);
void                 bus_courier_stop(bus_courier *courier); /* accepts NULL */
void                 bus_courier_health(const bus_courier *courier, bus_health *out);

#endif
