/* sink.h - where the relay puts the events of the logs: the topics of Kafka, or memory in tests.
 *
 * A topic per domain, with the partitions of its log. Within a partition what is put is delivered
 * in that order, each event once or, after trouble, again: never with a hole. Nothing blocks but
 * where it says so. Threads: one, that of the relay; `news` is called from any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_SINK_H
#define BUS_TRANSPORT_SINK_H

#include "bus/base/error.h"
#include "bus/envelope/record.h"

#define BUS_SINK_TOPICS_MAX 128

typedef struct bus_sink bus_sink;

/* The last event of a partition of a topic. */
typedef struct {
    bool    untouched; /* nothing was ever put there */
    bool    readable;  /* there is one, and it is an event of the domain; else the rest is zero */
    int64_t offset;    /* of the log */
    bus_id  command_id;
    int16_t nth;
} bus_sink_last;

/* Why nothing more is delivered. */
typedef struct {
    bus_error err;  /* BUS_INVALID: the event below is at fault, it will never pass as it is.
                     * BUS_DENIED: the partition below may not be written */
    int      topic; /* -1: of none in particular */
    uint16_t partition;
    int64_t  offset; /* 0: no event is to blame */
} bus_sink_trouble;

typedef struct bus_sink_ops {
    const char *name;

    /* settings are the implementation's own, borrowed until close. news: something may have been
     * delivered; must not block. */
    BUS_CHECKED bus_code (*open)(bus_sink **out, const void *settings, void (*news)(void *context),
                                 void *context, bus_error *err);
    /* Gives up what is not delivered. Accepts NULL. */
    void (*close)(bus_sink *sink);

    /* Makes the domain's topic if it is missing and checks its shape; *topic names it from now on,
     * again the same. Blocks at most timeout_ms. BUS_INVALID: it has another shape. BUS_DENIED: it
     * may not be made or written. BUS_UNAVAILABLE, BUS_TIMEOUT: out of reach. */
    BUS_CHECKED bus_code (*prepare)(bus_sink *sink, const char *domain, int timeout_ms, int *topic,
                                    bus_error *err);
    /* Blocks at most timeout_ms. */
    BUS_CHECKED bus_code (*last)(bus_sink *sink, int topic, uint16_t partition, int timeout_ms,
                                 bus_sink_last *out, bus_error *err);
    /* The next one put into this partition is offset + 1. */
    void (*begin)(bus_sink *sink, int topic, uint16_t partition, int64_t offset);
    /* Copies the record. BUS_FULL: later, after news. BUS_INVALID: it will never pass as it is, and
     * nothing has happened. Others: the trouble that trouble() tells, too. */
    BUS_CHECKED bus_code (*put)(bus_sink *sink, int topic, const bus_record *record,
                                bus_error *err);
    /* Takes note of what came back. Called before the next three, and often. */
    void (*poll)(bus_sink *sink);
    /* All up to this offset is there, for good. */
    int64_t (*delivered)(const bus_sink *sink, int topic, uint16_t partition);
    /* True: nothing more is delivered, until reset. */
    bool (*trouble)(const bus_sink *sink, bus_sink_trouble *out);
    /* Nobody is there to deliver to, for all that is known now: what was put waits. */
    bool (*away)(const bus_sink *sink);
    /* Forgets all that is not delivered and starts anew: begin() each partition again. */
    BUS_CHECKED bus_code (*reset)(bus_sink *sink, bus_error *err);
} bus_sink_ops;

#endif
