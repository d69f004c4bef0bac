/* migrate.h - bringing databases to the form that this binary works with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_MIGRATE_H
#define COMPOSE_PROCESS_MIGRATE_H

#include "bus/config/config.h"

/* Runs the migrations of the default database, and of each that SHINA_DATABASE_URL_<DOMAIN> gives
 * to a domain of this binary; each under an advisory lock, so that processes may start at once. A
 * user who may not make schemas there changes nothing: somebody else has to (`shina migrate`).
 * BUS_INVALID: a domain that has events in the default database was given another, empty one. */
BUS_CHECKED bus_code shina_migrate(const char *database_url, const bus_config *config,
                                   bus_error *err);

#endif
