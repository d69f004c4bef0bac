/* peer.h - another process: a connection to it, and what waits to go over it.
 *
 * One PUSH socket with one dialer, which tries until it is connected; when the connection ends,
 * another socket takes its place. While one frame is on its way, what is put gathers; when it has
 * gone, all that waits goes as the next: no delay when idle, large frames under load.
 * Locks: peer->lock guards what waits. nng is never called under it, and its callbacks take
 * no other lock but that, the gate and the keeper's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_NNG_PEER_H
#define BUS_TRANSPORT_NNG_PEER_H

#include "bus/transport/local.h"
#include "bus/transport/nng/frame.h"

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>

#define PEER_GRACE_US                                                           \
    1000000 /* without a connection for longer: unavailable, what waits dropped \
             */

#define PEER_SPENT 4 /* sockets that wait to be closed */

/* Of this process: what a peer must know of it. */
typedef struct {
    char     url[BUS_URL_BYTES];
    uint64_t incarnation;
    uint32_t queue_max, batches_max; /* commands, answers; batches waiting for one peer */
    void (*poke)(void *context);     /* a connection came or went; from any thread, never blocks */
    void *context;
} peer_self;

typedef struct peer {
    const peer_self *self;
    char             url[BUS_URL_BYTES];
    uint16_t         slot; /* in the table of peers */
    nng_socket       socket;
    nng_dialer       dialer;
    nng_aio         *sending;
    nng_socket       spent[PEER_SPENT]; /* whose connections have ended; closed in turn, later */
    unsigned         spent_count;
    pthread_mutex_t  gate;    /* what is sent goes through it, and the end of a connection */
    atomic_bool      had_one; /* connection; a socket has no other */
    atomic_bool      ended;   /* that was it: nothing may be sent over this socket any more */
    atomic_bool      connected;
    _Atomic int64_t  changed_us; /* when connected changed, monotonic */
    int64_t          dialled_us; /* when it was dialled anew; the keeper's */
    atomic_bool      wanted;     /* we take its batches */
    atomic_bool      told;       /* ... and it knows which, over this connection */

    pthread_mutex_t lock;
    bus_buf         waiting;                    /* entries */
    uint32_t        commands, answers, batches; /* how many of each */
    bool            in_flight;
    uint16_t        generation;      /* raised with each incarnation: old ways back lead nowhere */
    uint64_t        incarnation;     /* 0: never heard of */
    char (*topics)[BUS_TOPIC_BYTES]; /* what it takes of us */
    uint32_t topics_count;
} peer;

/* Dials url. BUS_INVALID: it is no url; BUS_UNAVAILABLE: nng has no more sockets. */
BUS_CHECKED bus_code bus_peer_create(peer **out, const peer_self *self, const char *url,
                                     uint16_t slot, bus_error *err);
void                 bus_peer_destroy(peer *p); /* not from a callback of nng; accepts NULL */

/* Copies env into what waits, and sends it. target: of commands. Never blocks.
 * BUS_FULL, BUS_UNAVAILABLE, BUS_INVALID: larger than any frame. */
BUS_CHECKED bus_code bus_peer_put(peer *p, bus_str target, const bus_envelope *env, bus_error *err);
/* An encoded batch: dropped when there is no room. */
void bus_peer_put_batch(peer *p, bus_str encoded);
/* The body of a TOPICS entry. False: no room now. */
bool bus_peer_put_topics(peer *p, bus_str body);
bool bus_peer_takes(peer *p, bus_str topic);
/* Heard from it: returns the generation of ways back to it. */
uint16_t bus_peer_heard(peer *p, uint64_t incarnation);
uint16_t bus_peer_generation(peer *p);
/* Reads a TOPICS body. */
BUS_CHECKED bus_code bus_peer_set_topics(peer *p, bus_str body, bus_error *err);

bool bus_peer_connected(const peer *p);
bool bus_peer_unreachable(const peer *p); /* past the grace */
/* Another socket if the connection has ended. The keeper's, whenever it is called. */
void bus_peer_renew(peer *p);
/* Dials anew if it is high time: nng may have given the dialer up. The keeper's, now and then. */
void bus_peer_look(peer *p);
void bus_peer_forget_waiting(peer *p);
bool bus_peer_idle(peer *p); /* nothing waits, nothing is on its way */

#endif
