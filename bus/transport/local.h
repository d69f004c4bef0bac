/* local.h - what every transport has within its process: servers, clients and subscribers, each
 * with a bounded queue. inproc is nothing else; the others add what comes from outside.
 *
 * Locks: the registry's lock guards who is there; each queue has a lock of its own, always taken
 * after it. on_ready is called under both, so that nobody can be told after it has left.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_LOCAL_H
#define BUS_TRANSPORT_LOCAL_H

#include "bus/transport/queue.h"

#define BUS_TOPICS_MAX 16 /* of a subscriber */
#define BUS_TOPIC_BYTES 96
#define BUS_ADDRESS_BYTES (BUS_URL_BYTES + 96) /* of a server's address, with its NUL */

typedef struct {
    uint32_t         queue_max, batches_max;
    pthread_rwlock_t lock;
    bus_server      *servers;
    bus_client      *clients;
    bus_subscriber  *subscribers;
    uint32_t         last_number;
} bus_local;

struct bus_server {
    bus_transport *transport;
    bus_local     *local;
    bus_server    *next;
    char           domain[65];
    char           address[BUS_ADDRESS_BYTES];
    const char    *target; /* within address: "vehicles/7" */
    bus_queue      inbox;
};

struct bus_client {
    bus_transport *transport;
    bus_local     *local;
    bus_client    *next;
    uint32_t       number; /* its way back: the route of its commands */
    bus_queue      inbox;
};

struct bus_subscriber {
    bus_transport  *transport;
    bus_local      *local;
    bus_subscriber *next;
    char            topics[BUS_TOPICS_MAX][BUS_TOPIC_BYTES];
    int             topics_count;
    bus_queue       inbox;
};

/* BUS_INVALID: a queue without room. */
BUS_CHECKED bus_code bus_local_init(bus_local *local, const bus_transport_options *options,
                                    bus_error *err);
void bus_local_check_left(const bus_local *local); /* a bug while somebody is still there */
void bus_local_fini(bus_local *local);
bool bus_local_away(const bus_transport *transport); /* never: there is nobody in between */

/* The members of bus_transport_ops of the same names; a server's address is its target behind
 * prefix. stop needs the transport's own reply. */
BUS_CHECKED bus_code bus_local_serve(bus_local *local, bus_transport *transport, const char *prefix,
                                     const char *domain, bus_server **out, bus_error *err);
const char          *bus_local_address(const bus_server *server);
uint32_t    bus_local_take(bus_server *server, bus_envelope **out, uint32_t max, int timeout_ms);
void        bus_local_wake(bus_server *server);
void        bus_local_stop(bus_server *server,
                           void (*reply)(bus_server *, const bus_envelope *, bus_envelope *));
bus_client *bus_local_connect(bus_local *local, bus_transport *transport, bus_ready on_ready,
                              void *context);
uint32_t    bus_local_replies(bus_client *client, bus_envelope **out, uint32_t max, int timeout_ms);
void        bus_local_rouse_client(bus_client *client);
void        bus_local_disconnect(bus_client *client);
void        bus_local_publish(bus_local *local, bus_batch *batch);
BUS_CHECKED bus_code bus_local_subscribe(bus_local *local, bus_transport *transport,
                                         const char *const *topics, int topics_count,
                                         bus_ready on_ready, void *context, bus_subscriber **out,
                                         bus_error *err);
bus_batch           *bus_local_next(bus_subscriber *subscriber, int timeout_ms);
void                 bus_local_rouse(bus_subscriber *subscriber);
void                 bus_local_unsubscribe(bus_subscriber *subscriber);

/* What becomes of a command that arrived for target, "vehicles/7": the server of that name, else
 * one of the same domain (a process that was started again at the same url). */
typedef enum { BUS_DELIVERED, BUS_NO_ROOM, BUS_NOBODY } bus_delivery;
/* Takes ownership of env only when BUS_DELIVERED. */
bus_delivery bus_local_deliver(bus_local *local, bus_str target, bus_envelope *env);
/* Takes ownership of reply: to the client of that number, dropped if it left or is full. */
void bus_local_reply(bus_local *local, uint32_t client, bus_envelope *reply);
/* An answer of the transport itself: BUSY, NOT_OWNER. Borrows request. */
bus_envelope *bus_local_answer(const bus_envelope *request, bus_answer_status status);
/* Calls found for each topic that somebody here takes; repeats happen. */
void bus_local_topics(bus_local *local, void (*found)(void *context, bus_str topic), void *context);

#endif
