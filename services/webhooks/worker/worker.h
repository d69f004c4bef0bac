/* worker.h - the worker of the domain webhooks: sends to subscribers what they have asked for.
 *
 * It follows the logs of all domains. Each subscription has a cursor in each partition of each log
 * that it wants something of, and the log is its queue: a slow or dead receiver holds up itself
 * only. In a partition, so in a stream, events go in order, the next one when the receiver has
 * taken the one before; at least once, so receivers go by webhook-id. What fails is tried again
 * later and later, all else of that subscription waits for it, and in the end the subscription is
 * parked. See services/webhooks/README.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_WEBHOOKS_WORKER_WORKER_H
#define SERVICES_WEBHOOKS_WORKER_WORKER_H

#include "bus/runtime/worker.h"

extern const bus_worker webhooks_worker;

#endif
