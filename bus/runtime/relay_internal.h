/* relay_internal.h - what the files of the relay share. All of it is the thread's, but for what is
 * said to be under the lock.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_RELAY_INTERNAL_H
#define BUS_RUNTIME_RELAY_INTERNAL_H

#include "bus/metrics/metrics.h"
#include "bus/runtime/bell.h"
#include "bus/runtime/follow.h"
#include "bus/runtime/members.h"
#include "bus/runtime/relay.h"

#include <pthread.h>
#include <stdatomic.h>

enum { RELAY_METRIC_LAG, RELAY_METRIC_EVENTS, RELAY_METRIC_STOPPED, RELAY_METRICS };

typedef enum {
    PLACE_NOT_OURS,
    PLACE_TAKEN,  /* the lease is ours; what is in the topic is not known yet */
    PLACE_OPEN,   /* events go through it */
    PLACE_STOPPED /* something that a person must see to; tried again at retry_us */
} relay_place_state;

typedef struct {
    relay_place_state state;
    bus_checkpoint    checkpoint; /* as committed; held: the lease is ours */
    int64_t           sent;       /* last offset that the sink took */
    int64_t           delivered;  /* last one that is in the topic, with all before it */
    int64_t           retry_us;   /* TAKEN, STOPPED: not before */
} relay_place;

/* One domain. */
typedef struct {
    const char *domain;
    char        part[BUS_MEMBERS_PART_BYTES];
    bus_store  *store; /* of its database */
    bool        owns_store;
    bus_follow *follow;
    int         topic;       /* in the sink; -1: not prepared */
    int64_t     prepare_us;  /* tried again then */
    int         opened_next; /* the place that is asked about first: all get their turn */
    relay_place place[BUS_PARTITIONS_MAX];
    int64_t     committed_us, renewed_us, shared_us;
    bool        store_down, sink_trouble;
    int64_t     told_us;   /* of trouble with the sink, last */
    char        why[128];  /* what is wrong with the sink, or why a place is stopped */
    bus_health  shown;     /* under the lock */
    char        label[96]; /* of the metrics */
    bus_metric  metrics[RELAY_METRICS];
} relay_log;

struct bus_relay {
    const bus_runtime_options *options;
    const bus_sink_ops        *ops;
    bus_sink                  *sink;
    bus_store                 *store; /* the default database */
    bus_bell                   bell;
    bus_arena                  arena; /* of one turn */
    int                        partitions;
    relay_log                 *logs;
    int                        logs_count, first; /* whose turn is first: all get theirs */
    bool                       troubled;          /* the sink is to be reset, at resume_us */
    int64_t                    resume_us, pause_us;
    int64_t                    ask_until_us; /* the sink may be waited for in this round */

    bus_thread       thread;
    atomic_bool      stopping;
    pthread_mutex_t *lock; /* guards what is shown; behind a pointer: health is const */
};

int64_t relay_now_us(const bus_relay *relay);
/* Logs it once, until the store works again. */
void relay_store_trouble(relay_log *log, const char *what, const bus_error *err);
/* Events that the sink took and has not delivered. */
int64_t relay_in_flight(const bus_relay *relay);

/* relay_leases.c: which partitions are ours. What is taken is PLACE_TAKEN. */
void relay_share(bus_relay *relay, relay_log *log);
void relay_renew(bus_relay *relay, relay_log *log);
/* Keeps how far the delivered ones go; BUS_FENCED: nothing of the log is ours any more. */
bus_code relay_commit(bus_relay *relay, relay_log *log);
void     relay_give_back(bus_relay *relay, relay_log *log);

#endif
