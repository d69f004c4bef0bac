/* metrics.c - what webhooks count.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/metrics/metrics.h"
#include "services/webhooks/worker/worker_internal.h"

#define DELIVERIES(outcome)                                                             \
    {                                                                                   \
        .name = "bus_webhook_deliveries_total",                                         \
        .help = "Attempts to deliver, by what came of it.", .kind = BUS_METRIC_COUNTER, \
        .labels = "outcome=\"" outcome "\""                                             \
    }

static bus_metric counts[COUNTS] = {
    [COUNT_DELIVERED] = DELIVERIES("delivered"),
    [COUNT_FAILED] = DELIVERIES("failed"),
    [COUNT_PARKED] = DELIVERIES("parked"),
    [COUNT_GONE] = DELIVERIES("gone"),
};

static void
register_counts(void)
{
    bus_metrics_register(counts, COUNTS);
}

void
worker_metrics_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    BUS_INVARIANT(pthread_once(&once, register_counts) == 0);
}

void
worker_counted(worker_count which)
{
    bus_metric_add(&counts[which], 1);
}
