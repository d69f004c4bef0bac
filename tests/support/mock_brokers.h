/* mock_brokers.h - librdkafka's mock cluster for tests of what a real broker cannot be made to do
 * at will: fail with a given error. It speaks the protocol over sockets of this host, but makes no
 * topics, finds no offsets by time, and keeps 5 MiB of each partition.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_MOCK_BROKERS_H
#define TESTS_SUPPORT_MOCK_BROKERS_H

#include "bus/transport/kafka/topics.h"

#include <librdkafka/rdkafka_mock.h>

#define MOCK_BROKERS 3
#define MOCK_MESSAGE_BYTES (4 << 20) /* of a message that it keeps, at most */

typedef struct {
    rd_kafka_t              *keeper;
    rd_kafka_mock_cluster_t *cluster;
} mock_brokers;

/* Starts it with all topics of settings in their shape, and sets settings->servers. */
void mock_brokers_start(mock_brokers *brokers, bus_kafka_settings *settings);
void mock_brokers_stop(mock_brokers *brokers);
/* All of them stop to answer, or answer again. */
void mock_brokers_set_down(mock_brokers *brokers, bool down);

#endif
