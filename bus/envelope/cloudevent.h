/* cloudevent.h - an event of the log as a CloudEvent 1.0: the attributes, the same in the topics of
 * Kafka, in the feeds of the edge and in webhooks.
 *
 * In Kafka it is in binary mode (CloudEvents, "Kafka Protocol Binding", version 1.0.2): an
 * attribute is a header, the data is the message's value. The key is the subject, the time of the
 * message is the event's. Only there are also the attributes of the log itself, so that a reader of
 * the topic gets the record that a reader of the log gets. What is not in a topic is `sends`: which
 * commands the kernel will make of an event is its own business, done by couriers, who read the
 * log. Threads: any. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_ENVELOPE_CLOUDEVENT_H
#define BUS_ENVELOPE_CLOUDEVENT_H

#include "bus/base/error.h"
#include "bus/envelope/record.h"

/* Names of attributes have at most 20 lower-case letters and digits. In the order in which they are
 * written. */
typedef enum {
    BUS_CE_SPECVERSION, /* "1.0" */
    BUS_CE_ID,          /* "<command id>:<nth event of it>" */
    BUS_CE_SOURCE,      /* "/shina/<domain>" */
    BUS_CE_TYPE,        /* "vehicles.registered.v1" */
    BUS_CE_SUBJECT,     /* the stream */
    BUS_CE_TIME,        /* RFC 3339, milliseconds, UTC */
    BUS_CE_DATACONTENTTYPE,
    BUS_CE_PARTITION,     /* of the log: the topic's is the same */
    BUS_CE_OFFSET,        /* of the log, not of the topic: gapless */
    BUS_CE_STREAMVERSION, /* gapless within the stream */
    BUS_CE_TENANT,
    BUS_CE_TRACEPARENT, /* W3C Trace Context; the trace is the correlation, the span the command */
    BUS_CE_ACTOR,       /* id of who did it */
    BUS_CE_CAUSATION,   /* id of the event that it follows from */
    /* only in topics */
    BUS_CE_AGGREGATE,
    BUS_CE_EPOCH,      /* of the writer's lease */
    BUS_CE_DIGEST,     /* of the command, a signed number */
    BUS_CE_DEVICETIME, /* when a device says it was */
    BUS_CE_ACTORJSON,  /* as in the log: id, roles, grants, driver_id */
    BUS_CE_ATTRIBUTES
} bus_cloudevent_attribute;

#define BUS_CLOUDEVENT_TEXT_BYTES 640
#define BUS_CLOUDEVENT_DOMAIN_BYTES 64 /* of the domain's name in the source, with its NUL */

/* In the caller's memory. */
typedef struct {
    bus_str values[BUS_CE_ATTRIBUTES]; /* .at NULL: it has none */
    char    text[BUS_CLOUDEVENT_TEXT_BYTES];
} bus_cloudevent;

/* "ce_id"; "content-type" and "traceparent" have no prefix: the one is Kafka's own, by the other
 * tracing tools find their trace. */
const char *bus_cloudevent_header(bus_cloudevent_attribute attribute);

/* The attributes of a record of the domain's log; they point into out->text and to the record's
 * own strings. BUS_INVALID, naming the attribute: a record that no log can hold. */
BUS_CHECKED bus_code bus_cloudevent_of(const bus_record *record, const char *domain,
                                       bus_cloudevent *out, bus_error *err);

/* Writes the attributes in JSON format, as members without braces: {"specversion":"1.0",… but for
 * the brace; those of the log alone are left out. origin: also who did it and what it follows
 * from. */
void bus_cloudevent_json(const bus_cloudevent *event, bool origin, bus_buf *out);

/* The other way. First all headers of a message, on a zeroed event, which borrows the values; those
 * that are not known are passed over. BUS_INVALID: one that was there already. */
BUS_CHECKED bus_code bus_cloudevent_take(bus_cloudevent *event, const char *header, bus_str value,
                                         bus_error *err);
/* Then the record; its strings are borrowed from the event's values and from data; sends are empty.
 * BUS_INVALID, naming the header: it is missing, not what it must be, or of another domain. */
BUS_CHECKED bus_code bus_cloudevent_record(const bus_cloudevent *event, const char *domain,
                                           bus_str data, bus_record *out, bus_error *err);

#endif
