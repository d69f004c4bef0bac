/* metrics.h - counters, gauges and histograms, one constant table per part, shown in the
 * Prometheus text format (version 0.0.4). Names: bus_<part>_<noun>_<unit>.
 * Threads: any; updates are relaxed atomics.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_METRICS_METRICS_H
#define BUS_METRICS_METRICS_H

#include "bus/base/str.h"

#include <stdatomic.h>
#include <stdint.h>

#define BUS_HISTOGRAM_BUCKETS 20 /* upper bounds 50 us * 2^n, the last is +Inf */

typedef struct {
    const char *name; /* "bus_writer_commands_total" */
    const char *help;
    enum { BUS_METRIC_COUNTER, BUS_METRIC_GAUGE, BUS_METRIC_HISTOGRAM } kind;
    const char     *labels; /* "domain=\"vehicles\"" or NULL */
    _Atomic int64_t value;
    _Atomic int64_t buckets[BUS_HISTOGRAM_BUCKETS]; /* HISTOGRAM of microseconds */
    _Atomic int64_t sum_us;
} bus_metric;

/* Adds a table that lives until the process ends (static) or until unregistered. */
void bus_metrics_register(bus_metric *table, int count);
void bus_metrics_unregister(bus_metric *table);

void bus_metric_add(bus_metric *metric, int64_t n);
void bus_metric_set(bus_metric *metric, int64_t value);
void bus_metric_observe_us(bus_metric *metric, int64_t us);

/* Renders all registered tables, grouped by name as the format demands. */
void bus_metrics_render(bus_buf *out);

#endif
