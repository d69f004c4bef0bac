/* registry.h - what is linked into this binary: its domains, their views, and the contracts that
 * these name. Of `shina` all; of a shina-<domain> its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_PROCESS_REGISTRY_H
#define COMPOSE_PROCESS_REGISTRY_H

#include "bus/module/module.h"
#include "bus/runtime/worker.h"

extern const bus_module *const shina_modules[];
extern const int               shina_modules_count;

extern const bus_view *const shina_views[];
extern const int             shina_views_count;

extern const bus_worker *const shina_workers[];
extern const int               shina_workers_count;

/* First those of the modules, in their order; then those that they follow or send to. */
extern const bus_contract *const shina_contracts[];
extern const int                 shina_contracts_count;

/* The views of a contract; out has room for shina_views_count. */
int shina_views_of(const bus_contract *contract, const bus_view **out);

/* The module of this name, NULL: it is not in this binary. */
const bus_module *shina_module_named(const char *name);

#endif
