/* registry.h - every domain and every view of this binary: the one list.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPOSE_SHINA_REGISTRY_H
#define COMPOSE_SHINA_REGISTRY_H

#include "bus/module/module.h"

extern const bus_module *const shina_modules[];
extern const int               shina_modules_count;

extern const bus_view *const shina_views[];
extern const int             shina_views_count;

/* The contracts of the modules, in their order. */
const bus_contract *const *shina_contracts(void);

/* The views of a contract; out has room for shina_views_count. */
int shina_views_of(const bus_contract *contract, const bus_view **out);

#endif
