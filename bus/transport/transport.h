/* transport.h - how commands, replies and committed batches travel.
 *
 * One ops struct, several implementations (inproc, nng, kafka), one conformance test.
 * Everything is pull: who waits for messages takes them from its own bounded queue, and
 * may ask to be told (on_ready) when the queue stops being empty, so that it fits a thread
 * that sleeps on it as well as an event loop.
 * Delivery: at most once, no order promised between senders; in order per sender and receiver,
 * over kafka per sender and partition. Commands are repeated by whoever asked, and deduplicated by
 * id in the log. Published batches may be dropped, and over kafka come again; offsets show the gap,
 * for which the reader reads the log, and the repeat, which it passes over.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_TRANSPORT_H
#define BUS_TRANSPORT_TRANSPORT_H

#include "bus/base/error.h"
#include "bus/envelope/envelope.h"
#include "bus/envelope/record.h"

#define BUS_URL_BYTES 256 /* of a process's url, with its NUL */

typedef struct bus_transport  bus_transport;  /* one per process; thread safe */
typedef struct bus_server     bus_server;     /* receives commands; one thread takes from it */
typedef struct bus_client     bus_client;     /* sends commands, takes replies; one thread */
typedef struct bus_subscriber bus_subscriber; /* takes published batches; one thread */

/* A committed batch of one partition, or the progress of a view: counted, immutable. */
typedef struct bus_batch {
    /* "events.vehicles", "views.vehicles.1a2b3c4d"; over kafka also "heads.vehicles", as events but
     * without records: a bell for who reads them from the log. */
    bus_str     topic;
    uint16_t    partition;
    int64_t     first_offset; /* of records[0]; for views: the position reached */
    uint32_t    count;
    bool        lean;    /* sends are left out of the records: who needs them reads the log */
    bus_record *records; /* count of them; NULL for views and heads */
} bus_batch;

bus_batch *bus_batch_of(const bus_batch *from); /* deep copy, one reference */
bus_batch *bus_batch_hold(bus_batch *batch);
void       bus_batch_release(bus_batch *batch); /* accepts NULL */

/* Frame form, for transports between processes. Decoding checks every length, and that the
 * records are those of partition from first_offset on; BUS_INVALID names the member. */
void                 bus_batch_encode(const bus_batch *batch, bus_buf *out);
BUS_CHECKED bus_code bus_batch_decode(bus_str bytes, bus_batch **out, bus_error *err);

/* Makes bytes unreadable to those who only carry and keep them (bus/personal/cover.h). The same for
 * all processes of a system. Threads: any. */
typedef struct {
    void (*put)(void *context, bus_str bytes, bus_buf *out);
    bool (*take)(void *context, bus_str covered, bus_buf *out); /* false: it is none of ours */
    void *context;
} bus_transport_cover;

typedef struct {
    const char *url;      /* where this process listens: ipc:///path, or tcp://host:port, 0 for
                           * a free one; inproc ignores it */
    uint32_t queue_max;   /* envelopes waiting in a server or client; beyond: BUS_FULL */
    uint32_t batches_max; /* batches waiting in a subscriber; beyond: dropped */
    /* Of kafka (bus/transport/kafka/client.h), borrowed until close; the others ignore it. */
    const struct bus_kafka_settings *kafka;
    /* Of kafka, whose brokers keep commands and answers for a while: borrowed until close; NULL:
     * they lie there as they are. Events are not covered: what is personal in them is sealed. */
    const bus_transport_cover *cover;
} bus_transport_options;

/* Called from any thread when a queue stops being empty; must not block. */
typedef void (*bus_ready)(void *context);

typedef struct bus_transport_ops {
    const char *name;

    BUS_CHECKED bus_code (*open)(bus_transport **out, const bus_transport_options *options,
                                 bus_error *err);
    /* After all servers, clients and subscribers of it are closed. */
    void (*close)(bus_transport *transport);
    /* Instead of close, where the process ends right after: what is on its way goes out, and the
     * rest is left to the end of the process. NULL: close does as well. */
    void (*leave)(bus_transport *transport);

    /* --- processes --- */
    /* Where other processes reach this one: what the table of members shows of it. Valid until
     * close; never longer than BUS_URL_BYTES - 1. inproc: "", nobody else can. */
    const char *(*url)(const bus_transport *transport);
    /* The processes whose published batches shall be received: the whole list, each time. Those
     * not yet known are dialled, those missing from it hung up, our own url passed over; one
     * that is down is dialled until it is there. Borrows urls. Never blocks. inproc ignores it. */
    void (*peers)(bus_transport *transport, const char *const *urls, int count);
    /* Nobody in between is in reach, for all that is known now, so that no command gets through:
     * kafka's brokers; inproc and nng have none. From any thread. */
    bool (*away)(const bus_transport *transport);

    /* --- the service's side --- */
    /* Listens for the commands of a domain. The address under which others reach it is
     * bus_server's address(): what the service writes into partitions.owner. */
    BUS_CHECKED bus_code (*serve)(bus_transport *transport, const char *domain, bus_server **out,
                                  bus_error *err);
    const char *(*address)(const bus_server *server);
    /* The partitions whose leases this server holds: the whole list, each time that it changes. It
     * gets commands of these only. Never blocks. For kafka, where a command lies in its partition
     * for whoever owns it; inproc and nng deliver to the address, whatever it owns, and ignore it.
     */
    void (*own)(bus_server *server, const uint16_t *partitions, int count);
    /* Takes up to max waiting commands, sleeping at most timeout_ms for the first one.
     * Returns how many; the caller owns them. wake() ends the sleep early. */
    uint32_t (*take)(bus_server *server, bus_envelope **out, uint32_t max, int timeout_ms);
    void (*wake)(bus_server *server); /* from any thread */
    /* Answers a taken command: takes ownership of reply, whose ticket is set from request.
     * A requester that is gone is no error. */
    void (*reply)(bus_server *server, const bus_envelope *request, bus_envelope *reply);
    void (*stop)(bus_server *server); /* waiting commands are answered BUSY */

    /* --- the asker's side --- */
    BUS_CHECKED bus_code (*connect)(bus_transport *transport, bus_ready on_ready, void *context,
                                    bus_client **out, bus_error *err);
    /* Sends to the owner at address; takes ownership of env only on success. ticket is the
     * caller's, given back with the reply. BUS_FULL: push back. BUS_UNAVAILABLE: no such peer. */
    BUS_CHECKED bus_code (*send)(bus_client *client, const char *address, bus_envelope *env,
                                 uint64_t ticket, bus_error *err);
    /* Takes up to max replies, sleeping at most timeout_ms for the first (0: never sleeps). */
    uint32_t (*replies)(bus_client *client, bus_envelope **out, uint32_t max, int timeout_ms);
    void (*rouse_client)(bus_client *client); /* ends the sleep early, from any thread */
    void (*disconnect)(bus_client *client);

    /* --- committed batches --- */
    /* Borrows batch (holds it as long as it needs). Never blocks; slow subscribers lose it. */
    void (*publish)(bus_transport *transport, bus_batch *batch);
    /* topics: what to take, at most 16. */
    BUS_CHECKED bus_code (*subscribe)(bus_transport *transport, const char *const *topics,
                                      int topics_count, bus_ready on_ready, void *context,
                                      bus_subscriber **out, bus_error *err);
    /* Next batch or NULL after timeout_ms. The caller owns a reference. */
    bus_batch *(*next)(bus_subscriber *subscriber, int timeout_ms);
    void (*rouse)(bus_subscriber *subscriber); /* ends the sleep early, from any thread */
    void (*unsubscribe)(bus_subscriber *subscriber);
} bus_transport_ops;

extern const bus_transport_ops bus_transport_inproc;
extern const bus_transport_ops bus_transport_nng;
extern const bus_transport_ops bus_transport_kafka;

#endif
