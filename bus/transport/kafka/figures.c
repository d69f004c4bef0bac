/* figures.c - one table of metrics per client.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/figures.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *name, *help, *member; /* of the statistics; NULL: summed up over the brokers */
    int         kind;
} rows[FIGURES_OF_STATISTICS] = {
    [FIGURE_QUEUE_MESSAGES]    = { "bus_kafka_queue_messages", "Messages that wait to be sent or acknowledged.", "msg_cnt", BUS_METRIC_GAUGE },
    [FIGURE_QUEUE_BYTES]       = { "bus_kafka_queue_bytes", "Their bytes.", "msg_size", BUS_METRIC_GAUGE },
    [FIGURE_SENT_MESSAGES]     = { "bus_kafka_sent_messages_total", "Messages sent.", "txmsgs", BUS_METRIC_COUNTER },
    [FIGURE_RECEIVED_MESSAGES] = { "bus_kafka_received_messages_total", "Messages received.", "rxmsgs", BUS_METRIC_COUNTER },
    [FIGURE_SENT_BYTES]        = { "bus_kafka_sent_bytes_total", "Bytes sent to brokers.", "tx_bytes", BUS_METRIC_COUNTER },
    [FIGURE_RECEIVED_BYTES]    = { "bus_kafka_received_bytes_total", "Bytes received from brokers.", "rx_bytes", BUS_METRIC_COUNTER },
    [FIGURE_BROKERS_UP]        = { "bus_kafka_brokers_up", "Brokers connected to.", NULL, BUS_METRIC_GAUGE },
    [FIGURE_BROKER_ERRORS]     = { "bus_kafka_broker_errors_total", "Requests that failed or timed out.", NULL, BUS_METRIC_COUNTER },
    [FIGURE_RETRIES]           = { "bus_kafka_retries_total", "Requests sent again.", NULL, BUS_METRIC_COUNTER },
    [FIGURE_ROUND_TRIP_US]     = { "bus_kafka_round_trip_us", "99th percentile of the slowest broker's round trips.", NULL, BUS_METRIC_GAUGE },
};
/* clang-format on */

void
bus_kafka_figures_init(bus_kafka_figures *f, const char *role)
{
    (void)snprintf(f->labels, sizeof(f->labels), "client=\"%.40s\"", role);
    for (int i = 0; i < FIGURES_OF_STATISTICS; i++) {
        f->metrics[i].name = rows[i].name;
        f->metrics[i].help = rows[i].help;
        f->metrics[i].kind = rows[i].kind;
        f->metrics[i].labels = f->labels;
    }
    for (int class = BUS_KAFKA_FINE + 1; class < BUS_KAFKA_CLASSES; class ++) {
        bus_metric *m = &f->metrics[FIGURE_ERRORS + class - 1];

        (void)snprintf(f->error_labels[class], sizeof(f->error_labels[class]),
                       "client=\"%.40s\",class=\"%s\"", role,
                       bus_kafka_class_name((bus_kafka_class) class));
        m->name = "bus_kafka_errors_total";
        m->help = "Errors met, by what can be done about them.";
        m->kind = BUS_METRIC_COUNTER;
        m->labels = f->error_labels[class];
    }
    bus_metrics_register(f->metrics, FIGURES);
}

void
bus_kafka_figures_fini(bus_kafka_figures *f)
{
    bus_metrics_unregister(f->metrics);
}

void
bus_kafka_figures_count(bus_kafka_figures *f, bus_kafka_class class)
{
    if (class != BUS_KAFKA_FINE)
        bus_metric_add(&f->metrics[FIGURE_ERRORS + (int)class - 1], 1);
}

typedef struct {
    int64_t up, errors, retries, slowest_us;
} brokers_sum;

static int64_t
number_of(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member)); /* 0: it is none */
}

/* Those of the list that the user gave, and coordinators, stand among them a second time. */
static bool
is_up(const json_t *broker)
{
    const char *state = json_string_value(json_object_get(broker, "state"));
    const char *source = json_string_value(json_object_get(broker, "source"));

    return state != NULL && strcmp(state, "UP") == 0 && number_of(broker, "nodeid") >= 0 &&
           (source == NULL || strcmp(source, "logical") != 0);
}

static brokers_sum
sum_up(json_t *brokers)
{
    brokers_sum sum = {0};
    const char *name;
    json_t     *broker;

    json_object_foreach(brokers, name, broker)
    {
        int64_t slow_us = number_of(json_object_get(broker, "rtt"), "p99");

        sum.up += is_up(broker);
        sum.errors += number_of(broker, "txerrs") + number_of(broker, "rxerrs") +
                      number_of(broker, "req_timeouts");
        sum.retries += number_of(broker, "txretries");
        if (slow_us > sum.slowest_us)
            sum.slowest_us = slow_us;
    }
    return sum;
}

void
bus_kafka_figures_read(bus_kafka_figures *f, const char *json, size_t bytes)
{
    json_t     *root = json_loadb(json, bytes, 0, NULL);
    brokers_sum sum;

    if (!json_is_object(root)) {
        json_decref(root);
        return;
    }
    for (int i = 0; i < FIGURES_OF_STATISTICS; i++) {
        const json_t *value = rows[i].member != NULL ? json_object_get(root, rows[i].member) : NULL;

        if (json_is_integer(value))
            bus_metric_set(&f->metrics[i], json_integer_value(value));
    }
    sum = sum_up(json_object_get(root, "brokers"));
    bus_metric_set(&f->metrics[FIGURE_BROKERS_UP], sum.up);
    bus_metric_set(&f->metrics[FIGURE_BROKER_ERRORS], sum.errors);
    bus_metric_set(&f->metrics[FIGURE_RETRIES], sum.retries);
    bus_metric_set(&f->metrics[FIGURE_ROUND_TRIP_US], sum.slowest_us);
    json_decref(root);
}
