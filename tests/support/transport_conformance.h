/* transport_conformance.h - what every transport must do, whatever carries it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_TRANSPORT_CONFORMANCE_H
#define TESTS_SUPPORT_TRANSPORT_CONFORMANCE_H

#include "bus/transport/transport.h"

/* Runs all tests over one implementation; name: of the group. The asker and the subscriber are
 * reached at url, the server and the publisher at far_url, each a transport of its own as if they
 * were two processes; NULL: all of them share one transport. Returns the number of failed tests,
 * as main() should. */
int transport_conformance(const char *name, const bus_transport_ops *ops, const char *url,
                          const char *far_url);

/* The same for a transport by way of a broker, which differs in what must be: a command lies there
 * until an owner of its partition takes it, nobody is dialled or hung up, and a partition must be
 * one of the topic's. Events are not published by the transport, but by the relay, from the log. */
typedef struct {
    const char              *name;
    const bus_transport_ops *ops;
    /* Of the one process and of the other: as options.kafka. */
    const struct bus_kafka_settings *near, *far;
    uint32_t message_bytes_max; /* larger ones are not sent, and that is said */
    /* Before and after each test, in which a broker is as new. 0: done. */
    int (*before)(void **state);
    int (*after)(void **state);
    /* As ops->publish, from far, of "events.*". Its records come without what was to be sent. */
    void (*publish_events)(const bus_batch *batch);
} transport_conformance_broker;

int transport_conformance_brokered(const transport_conformance_broker *broker);

/* The domains that the tests ask and follow, and the partitions that each has. */
#define TRANSPORT_CONFORMANCE_DOMAINS "inventory", "orders"
#define TRANSPORT_CONFORMANCE_PARTITIONS 8

#endif
