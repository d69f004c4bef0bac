/* relay.h - copies the logs of domains to the topics of others (bus/transport/sink.h): each event
 * at least once, in order per partition, without holes.
 *
 * It tails the log itself, so what was committed while it was away, or while the brokers were,
 * comes later and not never. Its checkpoint (reader "relay", in the domain's own schema, so an
 * archive waits for it) moves when what is before it was delivered, under the lease's epoch. What a
 * crash repeats, readers know by (partition, offset). Processes share the partitions of each domain
 * as those of services, by leases.
 *
 * An event that a topic will never take as it is (too large for it) stops its partition: none is
 * left out without a word, so none behind it goes. It is tried again every half minute, for when
 * the topic's bound has been raised; the other partitions go on. Likewise a partition stops when
 * its topic turns out to hold the events of another log. Threads: one of its own; start and stop
 * from one thread, health from any. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_RELAY_H
#define BUS_RUNTIME_RELAY_H

#include "bus/runtime/runtime.h"
#include "bus/transport/sink.h"

#define BUS_RELAY_READER "relay"

typedef struct bus_relay bus_relay;

/* options and sink_settings are borrowed until stop; a domain's part among the members is
 * "relay <domain>". A sink that is out of reach is no error here: it is tried until it is there.
 * BUS_INVALID: too many domains. */
BUS_CHECKED bus_code bus_relay_start(bus_relay **out, const bus_contract *const *domains, int count,
                                     const bus_runtime_options *options,
                                     const bus_sink_ops *sink_ops, const void *sink_settings,
                                     bus_error *err);
/* Waits a moment for what is under way, keeps how far it came, gives the leases back. Accepts
 * NULL. */
void bus_relay_stop(bus_relay *relay);

/* An entry per domain, "relay vehicles"; behind: events that are not delivered yet; parked:
 * partitions that are stopped. Fills up to max and returns how many. */
int bus_relay_health(const bus_relay *relay, bus_health *out, int max);

#endif
