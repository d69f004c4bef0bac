/* internal.h - what the files of the transport share.
 *
 * A message's value, numbers little-endian as in bus/envelope/wire.h:
 *
 *   "shk1", kind: 1 byte, then
 *   COMMAND   incarnation of the asker: 4 bytes, partition of its answers: 2 bytes, envelope
 *   ANSWER    incarnation of the asker: 4 bytes, envelope
 *   PROGRESS  incarnation of who tells: 4 bytes, batch
 *
 * An incarnation is a random number of a process's life: what is for a process that had the same
 * partition of answers before, or has it too, is passed over.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_KAFKA_INTERNAL_H
#define BUS_TRANSPORT_KAFKA_INTERNAL_H

#include "bus/transport/kafka/producer.h"
#include "bus/transport/kafka/reader.h"
#include "bus/transport/kafka/topics.h"
#include "bus/transport/kafka/window.h"
#include "bus/transport/local.h"

#include <stdatomic.h>

#define CLIENTS_MAX                                                                         \
    (1u << 20)           /* numbers of clients, of 32 bits on the wire, of 20 in a way back \
                          */
#define ANSWERS_MAX 4094 /* partitions of answers */
#define COMMANDS_GROUP "commands" /* behind the prefix: under it places in commands are kept */
#define NEWS_GROUP "news"         /* ... none are; librdkafka assigns nothing without a group */
/* Where the brokers cannot tell a new owner its place it begins at commands so old: those before
 * have expired (no asker gives its commands more than ten seconds), whatever the clocks say. */
#define COMMANDS_LIFE_MS 60000

typedef enum { KIND_COMMAND = 1, KIND_ANSWER, KIND_PROGRESS } message_kind;

/* A partition of a domain's commands, of its events. */
typedef struct {
    bus_server *server; /* that owns it here; NULL: none */
    bool        read;   /* the reader's: it is assigned */
    bool        missed; /* something came while nobody owned it: its place must be found anew */
    bus_kafka_window window;
    int64_t          kept; /* the offset that was last committed */
    _Atomic int64_t  told; /* the log's offset up to which its events were told here directly */
} place;

typedef struct domain {
    char   name[65];
    char   commands[BUS_KAFKA_TOPIC_BYTES], events[BUS_KAFKA_TOPIC_BYTES];
    place *places; /* settings.partitions of them; but for told under the lock */
} domain;

/* What waits in the producer, by why; each address is also the opaque of messages of that kind. */
typedef struct {
    atomic_uint commands, answers, progress;
} waiting;

typedef struct bus_kafka_news bus_kafka_news;

struct bus_transport {
    bus_local          local;
    bus_kafka_settings settings;
    char               url[BUS_URL_BYTES];        /* "kafka://<process>" */
    char               prefix[BUS_URL_BYTES + 1]; /* of our servers' addresses: "<url>#" */
    char               answers[BUS_KAFKA_TOPIC_BYTES], progress[BUS_KAFKA_TOPIC_BYTES];
    char               group[BUS_KAFKA_TOPIC_BYTES];
    uint32_t           incarnation;
    int                answers_partition;

    const bus_transport_cover *cover; /* of commands and answers; NULL: none */

    bus_kafka_producer *producer;
    waiting             waiting;

    bus_kafka_reader *road;         /* commands and answers */
    bool              answers_read; /* the reader's */
    atomic_bool       hears;        /* it has found its place among the answers */
    atomic_bool       closing;
    _Atomic int64_t   complained_us; /* when a broken message was last logged */

    pthread_mutex_t lock; /* guards the places; taken before the local ones */
    domain         *domains;

    pthread_mutex_t news_lock; /* guards news itself */
    bus_kafka_news *news;      /* NULL until somebody subscribes */
};

/* NULL: it is none that we were told of. */
domain *bus_kafka_domain(const bus_transport *t, bus_str name);

/* Logs what was wrong with a message, once a second at most. */
void bus_kafka_complain(bus_transport *t, const char *topic, const bus_error *err);

/* Begins a message's value; reads that, and the incarnation behind it. BUS_INVALID: it is none of
 * ours, or of another kind. */
void                 bus_kafka_value_begin(bus_buf *out, message_kind kind, uint32_t incarnation);
BUS_CHECKED bus_code bus_kafka_value_read(bus_wire *in, message_kind kind, uint32_t *incarnation,
                                          bus_error *err);
/* Sends unless max of its kind wait already (BUS_FULL), and counts it; what value holds is given
 * away or back in any case. opaque: counter itself, or the command. */
BUS_CHECKED bus_code bus_kafka_value_send(bus_transport *t, const char *topic, int partition,
                                          bus_buf *value, atomic_uint *counter, uint32_t max,
                                          void *opaque, bus_error *err);

/* commands.c: what the road's reader does, and the two ends of the road. */
void bus_kafka_road_turn(void *transport, bus_kafka_reader *reader);
void bus_kafka_road_message(void *transport, rd_kafka_message_t *message);
void bus_kafka_road_rest(void *transport);
void bus_kafka_road_lost(void *transport, bus_kafka_reader *reader, const char *topic,
                         int partition);
BUS_CHECKED bus_code bus_kafka_command_send(bus_client *client, bus_str target, bus_envelope *env,
                                            bus_error *err);
void bus_kafka_answer_send(bus_server *server, const bus_envelope *request, bus_envelope *reply);
void bus_kafka_own(bus_server *server, const uint16_t *partitions, int count);
/* As bus_kafka_delivered. */
void bus_kafka_delivery(void *transport, const rd_kafka_message_t *message);

/* news.c: published batches. */
void                 bus_kafka_news_publish(bus_transport *t, bus_batch *batch);
BUS_CHECKED bus_code bus_kafka_news_changed(bus_transport *t, bus_error *err);
void                 bus_kafka_news_close(bus_transport *t);

#endif
