/* figures.h - what librdkafka tells of itself once a second, as metrics.
 * Source: STATISTICS.md of librdkafka.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_FIGURES_H
#define BUS_TRANSPORT_KAFKA_FIGURES_H

#include "bus/metrics/metrics.h"
#include "bus/transport/kafka/client.h"

enum {
    FIGURE_QUEUE_MESSAGES,
    FIGURE_QUEUE_BYTES,
    FIGURE_SENT_MESSAGES,
    FIGURE_RECEIVED_MESSAGES,
    FIGURE_SENT_BYTES,
    FIGURE_RECEIVED_BYTES,
    FIGURE_BROKERS_UP,
    FIGURE_BROKER_ERRORS,
    FIGURE_RETRIES,
    FIGURE_ROUND_TRIP_US,
    FIGURES_OF_STATISTICS,
    FIGURE_ERRORS = FIGURES_OF_STATISTICS, /* one by class from here on */
    FIGURES = FIGURE_ERRORS + BUS_KAFKA_CLASSES - 1
};

typedef struct {
    char       labels[64];
    char       error_labels[BUS_KAFKA_CLASSES][96];
    bus_metric metrics[FIGURES];
} bus_kafka_figures;

/* Registers the metrics under the label client="role". */
void bus_kafka_figures_init(bus_kafka_figures *figures, const char *role);
void bus_kafka_figures_fini(bus_kafka_figures *figures);
/* Reads one statistics document, {json, bytes}; what is missing in it stays as it was. */
void bus_kafka_figures_read(bus_kafka_figures *figures, const char *json, size_t bytes);
void bus_kafka_figures_count(bus_kafka_figures *figures, bus_kafka_class class);

#endif
