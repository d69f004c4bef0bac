/* rate.h - how often something may happen: a bucket of tokens for each of many ids. Internal.
 * A bounded table of as many buckets as it has: ids that meet in a place, which nobody can tell
 * beforehand, share what is in it.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_INGEST_RATE_H
#define API_EDGE_INGEST_RATE_H

#include "bus/base/id.h"

/* So many that a crowd of thousands a second seldom meets who is not of it. */
#define EDGE_RATES_PLACES 65536

typedef struct edge_rates edge_rates;

/* per_s: tokens a second; a full bucket holds twice as many. */
edge_rates *edge_rates_create(int per_s);
void        edge_rates_destroy(edge_rates *rates); /* accepts NULL */
/* Takes a token of what a tenant has under that id (nil: of nobody's tenant). False: there is none.
 */
bool edge_rates_take(edge_rates *rates, bus_id tenant, bus_id id, int64_t now_us);

#endif
