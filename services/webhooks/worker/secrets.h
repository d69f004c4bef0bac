/* secrets.h - what nobody is told of an event. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_WEBHOOKS_WORKER_SECRETS_H
#define SERVICES_WEBHOOKS_WORKER_SECRETS_H

#include "bus/base/arena.h"
#include "bus/base/str.h"
#include "bus/contract/shape.h"

/* Is there a member that is masked for ADMIN himself? */
bool webhooks_has_secrets(const bus_shape *shape);
/* The document with null in the place of those; in the arena. */
bus_str webhooks_without_secrets(const bus_shape *shape, bus_str data, bus_arena *arena);

#endif
