/* metrics_test.c - the text form, to the letter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#define THREADS 4
#define TIMES 10000

static void
renders(const char *expected)
{
    bus_buf out = {0};

    bus_metrics_render(&out);
    assert_string_equal(out.at == NULL ? "" : out.at, expected);
    bus_buf_fini(&out);
}

/* Two tables with one name: one heading, sorted by labels, as the format demands. */
static void
test_same_names_come_together(void **state)
{
    static bus_metric trips[] = {
        {.name = "bus_t_commands_total",
         .help = "Commands.",
         .kind = BUS_METRIC_COUNTER,
         .labels = "domain=\"trips\""},
        {.name = "bus_t_behind_events", .help = "Behind.", .kind = BUS_METRIC_GAUGE},
    };
    static bus_metric drivers[] = {
        {.name = "bus_t_commands_total",
         .help = "Commands.",
         .kind = BUS_METRIC_COUNTER,
         .labels = "domain=\"drivers\""},
    };

    (void)state;
    bus_metrics_register(trips, 2);
    bus_metrics_register(drivers, 1);
    bus_metric_add(&trips[0], 2);
    bus_metric_add(&trips[0], 3);
    bus_metric_set(&trips[1], 9);
    bus_metric_set(&trips[1], -4);
    renders("# HELP bus_t_behind_events Behind.\n# TYPE bus_t_behind_events gauge\n"
            "bus_t_behind_events -4\n"
            "# HELP bus_t_commands_total Commands.\n# TYPE bus_t_commands_total counter\n"
            "bus_t_commands_total{domain=\"drivers\"} 0\n"
            "bus_t_commands_total{domain=\"trips\"} 5\n");
    bus_metrics_unregister(trips);
    renders("# HELP bus_t_commands_total Commands.\n# TYPE bus_t_commands_total counter\n"
            "bus_t_commands_total{domain=\"drivers\"} 0\n");
    bus_metrics_unregister(drivers);
    bus_metrics_unregister(drivers); /* not there: nothing happens */
    renders("");
}

static void
has(const bus_buf *out, const char *line)
{
    if (strstr(out->at, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, out->at);
}

/* Buckets are cumulative, a bound belongs to its own bucket, the last holds all. */
static void
test_a_histogram(void **state)
{
    static bus_metric times[] = {{.name = "bus_t_append_seconds",
                                  .help = "Appends.",
                                  .kind = BUS_METRIC_HISTOGRAM,
                                  .labels = "domain=\"trips\""}};
    bus_buf           out = {0};

    (void)state;
    bus_metrics_register(times, 1);
    bus_metric_observe_us(&times[0], 0);
    bus_metric_observe_us(&times[0], 50);
    bus_metric_observe_us(&times[0], 51);
    bus_metric_observe_us(&times[0], 3600 * INT64_C(1000000));
    bus_metrics_render(&out);
    has(&out, "# TYPE bus_t_append_seconds histogram\n");
    has(&out, "\nbus_t_append_seconds_bucket{domain=\"trips\",le=\"5e-05\"} 2\n");
    has(&out, "\nbus_t_append_seconds_bucket{domain=\"trips\",le=\"0.0001\"} 3\n");
    has(&out, "\nbus_t_append_seconds_bucket{domain=\"trips\",le=\"13.1072\"} 3\n");
    has(&out, "\nbus_t_append_seconds_bucket{domain=\"trips\",le=\"+Inf\"} 4\n");
    has(&out, "\nbus_t_append_seconds_sum{domain=\"trips\"} 3600.000101\n");
    has(&out, "\nbus_t_append_seconds_count{domain=\"trips\"} 4\n");
    bus_buf_fini(&out);
    bus_metrics_unregister(times);
}

static void *
count_many(void *context)
{
    bus_metric *metric = context;

    for (int i = 0; i < TIMES; i++)
        bus_metric_add(metric, 1);
    return NULL;
}

static void
test_no_count_is_lost(void **state)
{
    static bus_metric counter[] = {
        {.name = "bus_t_total", .help = "All.", .kind = BUS_METRIC_COUNTER}};
    pthread_t threads[THREADS];

    (void)state;
    bus_metrics_register(counter, 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, &counter[0]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    renders("# HELP bus_t_total All.\n# TYPE bus_t_total counter\nbus_t_total 40000\n");
    bus_metrics_unregister(counter);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_names_come_together),
        cmocka_unit_test(test_a_histogram),
        cmocka_unit_test(test_no_count_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
