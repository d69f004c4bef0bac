/* client.h - what every Kafka client of shina is made of: settings, one librdkafka handle with its
 * log and figures, and what its errors mean to us.
 *
 * librdkafka (https://github.com/confluentinc/librdkafka, its INTRODUCTION.md and
 * CONFIGURATION.md) keeps its own threads; it is asked by those who own the client.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_CLIENT_H
#define BUS_TRANSPORT_KAFKA_CLIENT_H

#include "bus/base/error.h"

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#define BUS_KAFKA_MESSAGE_BYTES_MAX (80 << 20) /* beyond the largest body (64 MiB) */
#define BUS_KAFKA_ROLE_BYTES 32

/* How the brokers are reached and what our topics look like. Strings are borrowed and must outlive
 * all clients. */
typedef struct bus_kafka_settings {
    const char *servers;        /* "host:port,host:port": bootstrap.servers */
    const char *properties;     /* path of a file of properties of librdkafka; NULL: none */
    const char *prefix;         /* of all topics: "shina" */
    const char *process;        /* unique name of this process: client.id, its address */
    int         partitions;     /* of a domain's topics, as of its log */
    int         answers;        /* partitions of the topic of answers */
    int         edge;           /* ours among them; -1: by a hash of process */
    int         replication;    /* copies of each partition; 0: what the brokers do by default */
    const char *const *domains; /* all that may be asked or followed: their topics are checked */
    int                domains_count;
    /* Asked while the brokers are waited for at a start; true ends that with BUS_CLOSED. NULL: they
     * are waited for as long as there is time. */
    bool (*gives_up)(void);
} bus_kafka_settings;

/* One handle. Threads: any, as librdkafka's own functions. */
typedef struct bus_kafka_client bus_kafka_client;

/* Called on whichever thread polls the client. */
typedef void (*bus_kafka_delivered)(void *context, const rd_kafka_message_t *message);

typedef struct {
    rd_kafka_type_t type;
    const char     *role; /* "commands": in client.id, in log lines and as the label of metrics */
    /* Properties of librdkafka that this client cannot do without: key, value, ..., NULL. They go
     * before those of the settings' file, which may not name them. NULL: none. */
    const char *const  *properties;
    bus_kafka_delivered delivered; /* producers: each message's fate; NULL: nobody asks */
    void               *context;
} bus_kafka_client_options;

/* Makes a handle; connects in the background, so that brokers out of reach are no error here.
 * Borrows settings and options->context until destroyed. BUS_INVALID: a property is wrong, with
 * file and line; no value of a secret one is told. */
BUS_CHECKED bus_code bus_kafka_client_create(bus_kafka_client              **out,
                                             const bus_kafka_settings       *settings,
                                             const bus_kafka_client_options *options,
                                             bus_error                      *err);
/* Gives up what has not been sent, and what was read but not committed. Waits for librdkafka's
 * threads, which takes milliseconds. Accepts NULL. */
void bus_kafka_client_destroy(bus_kafka_client *client);

rd_kafka_t *bus_kafka_client_handle(const bus_kafka_client *client); /* borrowed */

/* Checks the settings' file alone, as a start of the process does. BUS_INVALID as above. */
BUS_CHECKED bus_code bus_kafka_settings_check(const bus_kafka_settings *settings, bus_error *err);

/* --- errors ---------------------------------------------------------------- */

/* What can be done about an error. */
typedef enum {
    BUS_KAFKA_FINE,          /* it is none */
    BUS_KAFKA_RETRIABLE,     /* brokers out of reach, a leader that moves: passes by itself */
    BUS_KAFKA_TIMED_OUT,     /* not done in time; may have happened */
    BUS_KAFKA_FULL,          /* the local queue has no room: push back */
    BUS_KAFKA_PURGED,        /* we gave it up ourselves, by closing or by purging */
    BUS_KAFKA_UNKNOWN_TOPIC, /* no such topic or partition */
    BUS_KAFKA_DENIED,        /* authentication, authorisation, TLS */
    BUS_KAFKA_REFUSED,       /* the request or the message itself is wrong; it will never pass */
    BUS_KAFKA_FATAL,         /* the handle is of no more use: make another */
    BUS_KAFKA_CLASSES
} bus_kafka_class;

bus_kafka_class bus_kafka_class_of(rd_kafka_resp_err_t error);
const char *bus_kafka_class_name(bus_kafka_class class); /* "unknown_topic": for metrics, logs */

/* Fills err, after fmt, with librdkafka's words for the error, and returns the code of its class:
 * UNAVAILABLE, TIMEOUT, FULL, CLOSED, NOT_FOUND, DENIED, INVALID; UNAVAILABLE when fatal, for
 * another handle may do. */
bus_code bus_kafka_fail(bus_error *err, rd_kafka_resp_err_t error, const char *fmt, ...)
    BUS_PRINTF(3, 4);
bus_code bus_kafka_code_of(rd_kafka_resp_err_t error);

/* Counts an error that was met with this client, by class, for /metrics. */
void bus_kafka_client_count(bus_kafka_client *client, rd_kafka_resp_err_t error);
/* The error that made the handle useless; BUS_KAFKA_FINE's NO_ERROR while there is none. */
rd_kafka_resp_err_t bus_kafka_client_fatal(const bus_kafka_client *client);
/* No broker can be reached, for all that librdkafka knows just now. */
bool bus_kafka_client_down(const bus_kafka_client *client);

#endif
