/* worker.h - the companion of a domain that acts in the world: it reads the log and speaks to
 * others outside, which the domain itself, being pure, cannot.
 * Threads: start and stop from one; a worker has threads of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_WORKER_H
#define BUS_RUNTIME_WORKER_H

#include "bus/config/config.h"
#include "bus/runtime/runtime.h"

typedef struct bus_worker {
    const char *domain; /* whose service it is started with */
    /* options and config are borrowed until stop. BUS_INVALID: a value of the configuration. */
    BUS_CHECKED bus_code (*start)(void **out, const bus_runtime_options *options,
                                  const bus_config *config, bus_error *err);
    void (*stop)(void *worker); /* accepts NULL */
    void (*health)(const void *worker, bus_health *out);
} bus_worker;

#endif
