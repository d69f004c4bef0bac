/* topic_check.h - is a domain's topic what its log is? Every event once or again, as it stands in
 * the log, in order, without holes, as far back as the topic goes.
 *
 * It is fed with the messages of the topic, partition by partition in their order, and compares
 * each with the log's own record. Memory is bounded. It may run beside a working relay: what was
 * appended after it began does not count. Threads: one. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_TOPIC_CHECK_H
#define BUS_RUNTIME_TOPIC_CHECK_H

#include "bus/runtime/runtime.h"

typedef struct bus_topic_check bus_topic_check;

typedef struct {
    int64_t events;   /* of the log that are in the topic */
    int64_t repeats;  /* messages that were there before */
    int64_t aged_out; /* events that came before the oldest message of their partition */
    int64_t behind;   /* events at the end of the log that are not in the topic yet */
    int64_t faults;   /* holes, what goes back, what differs, what is no event */
} bus_topic_counts;

/* options: store, store_options, url_of. report: a fault, with the domain's name, the partition and
 * the log's offset (0: none) in it; may be NULL. Options and context are borrowed until close. */
BUS_CHECKED bus_code bus_topic_check_open(bus_topic_check **out, const bus_runtime_options *options,
                                          const char *domain,
                                          void (*report)(void *context, const char *fault),
                                          void *context, bus_error *err);
/* The next message; its place in the topic is message_offset. Only failures of the store are. */
BUS_CHECKED bus_code bus_topic_check_event(bus_topic_check *check, const bus_record *record,
                                           int64_t message_offset, bus_error *err);
/* One that is no event of the domain. */
void bus_topic_check_foreign(bus_topic_check *check, int partition, int64_t message_offset,
                             const char *why);
/* After the last one: what was found. */
void bus_topic_check_counts(bus_topic_check *check, bus_topic_counts *out);
void bus_topic_check_close(bus_topic_check *check); /* accepts NULL */

#endif
