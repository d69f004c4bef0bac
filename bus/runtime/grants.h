/* grants.h - lets the role of a domain read what its contract names of others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_GRANTS_H
#define BUS_RUNTIME_GRANTS_H

#include "bus/runtime/runtime.h"

/* Makes the domains that the contract follows or sends to where they are missing, and lets the
 * contract's role read the logs of the first and find the owners of the second; and forget persons,
 * if it has an event for that. A process that may
 * not do that needs nothing if another did it before; so what fails here is only logged. */
void bus_runtime_grant(const bus_runtime_options *options, const bus_contract *contract);
/* Of these, that `as` finds the owners of the other: asked for again where it is refused, since the
 * database of that one may not have answered before. */
void bus_runtime_grant_reach(const bus_runtime_options *options, const char *as,
                             const char *domain);

/* A domain with a database of its own has its role in the default one, too, where the keys are.
 * Before it uses any. */
void bus_runtime_grant_keys(const bus_runtime_options *options, const bus_contract *contract);

#endif
