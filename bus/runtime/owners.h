/* owners.h - who owns the partitions of a domain: addresses read from the store and kept until
 * somebody says that they are stale.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_OWNERS_H
#define BUS_RUNTIME_OWNERS_H

#include "bus/runtime/runtime.h"

typedef struct bus_owners bus_owners;

/* as: as of bus_runtime_store(), borrowed. */
bus_owners *bus_owners_create(const bus_runtime_options *options, const char *as);
void        bus_owners_destroy(bus_owners *owners); /* accepts NULL */

/* The address to send to, or NULL: nobody owns it, or the store is out of reach; borrowed until
 * the next call. Reads the store at most every 100 ms per domain. */
const char *bus_owners_of(bus_owners *owners, const char *domain, int partition);
/* The address was wrong: read the store at the next question. */
void bus_owners_stale(bus_owners *owners, const char *domain);

/* Opens a store for a domain, in its own database if it has one. as: the domain whose service or
 * projector asks, which then has the rights of its role (shina_<domain>); NULL: those of the login.
 */
BUS_CHECKED bus_code bus_runtime_store(const bus_runtime_options *options, const char *as,
                                       const char *domain, const char *application, bus_store **out,
                                       bus_error *err);

/* The same for the database where all views are, with their checkpoints: the default one. */
BUS_CHECKED bus_code bus_runtime_views_store(const bus_runtime_options *options, const char *as,
                                             const char *application, bus_store **out,
                                             bus_error *err);

/* Personal data for one thread; NULL without keys. Destroyed by the caller. as: as above; a domain
 * with a database of its own has its rights there, and not where the keys are. */
bus_personal *bus_runtime_personal(const bus_runtime_options *options, const char *as,
                                   const char *application);

#endif
