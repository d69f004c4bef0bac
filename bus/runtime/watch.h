/* watch.h - how the services and projections of all processes are, as the store tells it: which
 * partitions have a live owner, which views are filled and how far behind they are.
 *
 * For a process that has none of them itself: an edge. One thread, a few short queries a second.
 * Threads: start and stop from one; bus_watch_health from any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_WATCH_H
#define BUS_RUNTIME_WATCH_H

#include "bus/runtime/runtime.h"

typedef struct bus_watch bus_watch;

/* Watches all contracts of options, and these views. Everything is borrowed until stop. */
BUS_CHECKED bus_code bus_watch_start(bus_watch **out, const bus_runtime_options *options,
                                     const bus_view *const *views, int views_count, bus_error *err);
void                 bus_watch_stop(bus_watch *watch); /* accepts NULL */

/* "service vehicles" and "projector vehicles" of each domain, at most max; how many. Not ready:
 * some partition has no live owner, or a view has not caught up once since it was watched. Never
 * waits for the store. `part` lives as long as the watch. */
int bus_watch_health(bus_watch *watch, bus_health *out, int max);

#endif
