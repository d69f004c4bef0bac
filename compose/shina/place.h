/* place.h - the database of a system, for the verbs that look at it from outside.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_PLACE_H
#define COMPOSE_SHINA_PLACE_H

#include "bus/personal/personal.h"
#include "bus/runtime/runtime.h"
#include "compose/process/registry.h"
#include "compose/process/servers.h"

typedef struct {
    shina_home        home;
    shina_servers     servers;
    bus_store_options options;
    const bus_config *config;
    bus_master_keys  *master_keys; /* NULL until shina_place_keys */
} shina_place;

/* Whether or not it runs: the configured database, or that of SHINA_HOME. */
BUS_CHECKED bus_code shina_place_find(shina_place *place, const bus_config *config, bus_error *err);
/* For what reads personal data: proves the keys, and writes nothing. */
BUS_CHECKED bus_code shina_place_keys(shina_place *place, bus_error *err);
void                 shina_place_leave(shina_place *place); /* wipes the keys */
bus_personal        *shina_place_personal(const shina_place *place);
bool                 shina_place_has_own(shina_place *place, const char *domain);
/* A domain's log may lie in a database of its own. */
BUS_CHECKED bus_code shina_place_log(bus_store **out, shina_place *place, const char *domain,
                                     bus_error *err);

/* For what reads or builds through the runtime; borrows place. */
bus_runtime_options shina_place_runtime(shina_place *place);

/* Is there such a domain? If not, stderr tells which there are. */
bool shina_place_knows(const char *verb, const char *domain);

#endif
