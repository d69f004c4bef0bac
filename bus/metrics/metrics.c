/* metrics.c - the registered tables and their text form.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/metrics/metrics.h"
#include "bus/base/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TABLES_MAX 256
#define FIRST_BUCKET_US 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bus_metric *table;
    int         count;
} tables[TABLES_MAX];
static int tables_count;

void
bus_metrics_register(bus_metric *table, int count)
{
    (void)pthread_mutex_lock(&lock);
    BUS_INVARIANT(tables_count < TABLES_MAX);
    tables[tables_count].table = table;
    tables[tables_count++].count = count;
    (void)pthread_mutex_unlock(&lock);
}

void
bus_metrics_unregister(bus_metric *table)
{
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i < tables_count; i++)
        if (tables[i].table == table) {
            tables[i] = tables[--tables_count];
            break;
        }
    (void)pthread_mutex_unlock(&lock);
}

void
bus_metric_add(bus_metric *metric, int64_t n)
{
    atomic_fetch_add_explicit(&metric->value, n, memory_order_relaxed);
}

void
bus_metric_set(bus_metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

/* Number of the first bucket whose bound is not below us; the last has no bound. */
static int
bucket_of(int64_t us)
{
    int64_t bound = FIRST_BUCKET_US;
    int     bucket = 0;

    while (bucket < BUS_HISTOGRAM_BUCKETS - 1 && us > bound) {
        bound *= 2;
        bucket++;
    }
    return bucket;
}

void
bus_metric_observe_us(bus_metric *metric, int64_t us)
{
    atomic_fetch_add_explicit(&metric->buckets[bucket_of(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum_us, us, memory_order_relaxed);
}

static int64_t
read_of(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void
render_histogram(const bus_metric *m, bus_buf *out)
{
    const char *labels = m->labels == NULL ? "" : m->labels;
    const char *comma = *labels == '\0' ? "" : ",";
    int64_t     sum = 0, bound = FIRST_BUCKET_US;

    for (int b = 0; b < BUS_HISTOGRAM_BUCKETS; b++, bound *= 2) {
        sum += read_of(&m->buckets[b]);
        if (b < BUS_HISTOGRAM_BUCKETS - 1)
            bus_buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %lld\n", m->name, labels, comma,
                           (double)bound / 1e6, (long long)sum);
        else
            bus_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", m->name, labels, comma,
                           (long long)sum);
    }
    bus_buf_printf(out, "%s_sum{%s} %.6f\n%s_count{%s} %lld\n", m->name, labels,
                   (double)read_of(&m->sum_us) / 1e6, m->name, labels, (long long)sum);
}

static void
render_one(const bus_metric *m, bus_buf *out)
{
    if (m->kind == BUS_METRIC_HISTOGRAM) {
        render_histogram(m, out);
        return;
    }
    bus_buf_add_text(out, m->name);
    if (m->labels != NULL)
        bus_buf_printf(out, "{%s}", m->labels);
    bus_buf_printf(out, " %lld\n", (long long)read_of(&m->value));
}

static int
compare_metrics(const void *a, const void *b)
{
    const bus_metric *x = *(const bus_metric *const *)a, *y = *(const bus_metric *const *)b;
    int               order = strcmp(x->name, y->name);

    return order != 0
               ? order
               : strcmp(x->labels == NULL ? "" : x->labels, y->labels == NULL ? "" : y->labels);
}

void
bus_metrics_render(bus_buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const bus_metric       **all;
    int                      count = 0;

    (void)pthread_mutex_lock(&lock);
    for (int t = 0; t < tables_count; t++)
        count += tables[t].count;
    all = calloc((size_t)count + 1, sizeof(*all));
    if (all == NULL)
        abort();
    count = 0;
    for (int t = 0; t < tables_count; t++)
        for (int i = 0; i < tables[t].count; i++)
            all[count++] = &tables[t].table[i];
    qsort(all, (size_t)count, sizeof(*all), compare_metrics);
    for (int i = 0; i < count; i++) {
        if (i == 0 || strcmp(all[i - 1]->name, all[i]->name) != 0)
            bus_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", all[i]->name, all[i]->help,
                           all[i]->name, kinds[all[i]->kind]);
        render_one(all[i], out);
    }
    (void)pthread_mutex_unlock(&lock);
    free(all);
}
