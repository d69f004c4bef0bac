/* rate.c - buckets of tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/ingest/rate.h"

#include <stdlib.h>
#include <sys/random.h>

#define BURST 2

typedef struct {
    double  tokens;
    int64_t at_us; /* when they were counted; 0: the place is free */
} bucket;

struct edge_rates {
    double per_s;
    bus_id salt; /* else who has many addresses could choose whom to meet */
    bucket buckets[EDGE_RATES_PLACES];
};

edge_rates *
edge_rates_create(int per_s)
{
    edge_rates *rates = calloc(1, sizeof(*rates));

    if (rates == NULL)
        abort();
    rates->per_s = per_s;
    if (getrandom(rates->salt.bytes, sizeof(rates->salt.bytes), 0) != sizeof(rates->salt.bytes))
        abort();
    return rates;
}

void
edge_rates_destroy(edge_rates *rates)
{
    free(rates);
}

bool
edge_rates_take(edge_rates *rates, bus_id tenant, bus_id id, int64_t now_us)
{
    bus_id  ids[3] = {rates->salt, tenant, id};
    bucket *b = &rates->buckets[(bus_fnv1a64(ids, sizeof(ids)) >> 40) % EDGE_RATES_PLACES];
    double  full = rates->per_s * BURST;

    if (b->at_us == 0)
        b->tokens = full;
    else
        b->tokens += (double)(now_us - b->at_us) / 1e6 * rates->per_s;
    b->at_us = now_us == 0 ? 1 : now_us;
    if (b->tokens > full)
        b->tokens = full;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}
