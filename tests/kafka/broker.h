/* broker.h - Apache Kafka for tests: one node or several on free ports, in a folder of its own.
 *
 * The real one, from the jars that cmake/install-packages.sh copies to .tools/kafka. Where they
 * could not be had, librdkafka's mock cluster stands in (rdkafka_mock.h) and says so on stderr: it
 * speaks the protocol and keeps messages in memory, but is no proof of what a broker does.
 * The nodes die with the program that started them. All functions end the program when the broker
 * does not do as told. Threads: one at a time; the program's main thread starts it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KAFKA_BROKER_H
#define TESTS_KAFKA_BROKER_H

#include <stdbool.h>

#define TESTS_KAFKA_NODES_MAX 3

typedef struct tests_kafka tests_kafka;

/* Starts so many nodes and waits until all are there. Topics are kept on as many of them. */
tests_kafka *tests_kafka_start(int nodes);
void         tests_kafka_stop(tests_kafka *kafka); /* and removes the folder; accepts NULL */

/* "127.0.0.1:40001,127.0.0.1:40002": bootstrap.servers. Valid until stop. */
const char *tests_kafka_servers(const tests_kafka *kafka);
bool        tests_kafka_is_real(const tests_kafka *kafka);
int         tests_kafka_nodes(const tests_kafka *kafka);

/* Nodes count from 0. kill: SIGKILL, what it had not written is lost; stop one: SIGTERM. */
void tests_kafka_kill(tests_kafka *kafka, int node);
void tests_kafka_end(tests_kafka *kafka, int node);
void tests_kafka_restart(tests_kafka *kafka, int node); /* one that was killed or ended */
/* Until so many nodes answer; false: not in so many seconds. */
bool tests_kafka_wait(const tests_kafka *kafka, int nodes, int seconds);
/* The node that leads a partition; -1: none does, or there is no such topic. */
int tests_kafka_leader(const tests_kafka *kafka, const char *topic, int partition);

#endif
