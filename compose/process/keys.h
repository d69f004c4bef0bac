/* keys.h - the master keys of this process, proven.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_KEYS_H
#define COMPOSE_PROCESS_KEYS_H

#include "bus/personal/master.h"
#include "compose/process/home.h"

/* Reads the master keys and proves them against the default database, whose migrations are applied.
 * begin: for what serves; makes master.key at the first time. Destroyed by the caller.
 * BUS_DENIED: they are not the keys that this database was begun with. */
BUS_CHECKED bus_code shina_master_keys(const shina_home *home, const bus_config *config,
                                       const char *database_url, bool begin, bus_master_keys **out,
                                       bus_error *err);

#endif
