/* internal.h - what the files of the transport share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_TRANSPORT_NNG_INTERNAL_H
#define BUS_TRANSPORT_NNG_INTERNAL_H

#include "bus/transport/nng/peer.h"

#define PEERS_MAX 1024

struct bus_transport {
    bus_local local;
    peer_self self;
    char      prefix[BUS_URL_BYTES + 1]; /* of our servers' addresses: "<url>#" */

    nng_socket   inbox; /* PULL: whoever knows our url sends here */
    nng_listener listener;
    bool         listens;     /* false: starting it again failed; the keeper's, as what follows */
    int          probe;       /* a connection to ourselves, or -1 */
    int          probes_lost; /* one after another */
    unsigned     probed_at;   /* arrivals before the probe */
    atomic_uint  arrivals;    /* connections that came, counted */
    nng_aio     *receiving;
    int64_t      complained_us; /* when a broken frame was last logged; the receiver's */

    _Atomic int64_t changed_us; /* when a connection was last dialled, came or went */

    /* The lock guards the table; a peer is used only under it. Taken before any other. */
    pthread_rwlock_t peers_lock;
    peer            *peers[PEERS_MAX]; /* by slot */
    int              peers_end;        /* one behind the last slot in use */
    /* Where a slot's next peer begins: a way back to the one before must not lead to it. */
    uint16_t generations[PEERS_MAX];

    /* A thread that tells peers our topics, and forgets those that are gone for good. */
    pthread_t       keeper;
    pthread_mutex_t keeper_lock;
    pthread_cond_t  keeper_called;
    bool            keeper_poked, keeper_ends;
};

/* listen.c: where we are reached. Fills t->self.url with what others can dial. */
BUS_CHECKED bus_code bus_nng_inbox_open(bus_transport *t, const char *url, bus_error *err);
/* Listens anew if nng has stopped accepting. The keeper's, once a second. */
void bus_nng_inbox_look(bus_transport *t);
void bus_nng_inbox_forget_probe(bus_transport *t);

/* receive.c: takes frames until the inbox is closed. */
BUS_CHECKED bus_code bus_nng_receiving_start(bus_transport *t, bus_error *err);
void                 bus_nng_receiving_stop(bus_transport *t);
/* One frame, as it came. BUS_INVALID: it is broken; the entries before that were taken. */
BUS_CHECKED bus_code bus_nng_frame_take(bus_transport *t, bus_str frame, bus_error *err);

/* peers.c: the peer, dialled if need be; the table is left read locked only on success.
 * BUS_INVALID, BUS_UNAVAILABLE, BUS_FULL. */
BUS_CHECKED bus_code bus_nng_peers_hold(bus_transport *t, bus_str url, peer **out, bus_error *err);
void                 bus_nng_peers_release(bus_transport *t);
void                 bus_nng_peers_want(bus_transport *t, const char *const *urls, int count);
void                 bus_nng_peers_topics_changed(bus_transport *t);
/* The way back to a client of a peer, and from it. Local ways are below 2^32. */
uint64_t bus_nng_route_of(const peer *p, uint16_t generation, uint32_t client);
void     bus_nng_route_reply(bus_transport *t, uint64_t route, bus_envelope *reply);

void bus_nng_keeper_poke(void *transport);
/* The same, for a connection that came or went. */
void bus_nng_changed(void *transport);
void bus_nng_keeper_start(bus_transport *t);
void bus_nng_keeper_stop(bus_transport *t);
/* Waits a moment for what is on its way. */
void bus_nng_linger(bus_transport *t);
void bus_nng_peers_close(bus_transport *t); /* hangs all up */

#endif
