/* worker_internal.h - what the parts of the worker share.
 *
 * worker.c is the thread and its lease; logs.c reads the logs of all domains; subscriptions.c knows
 * who wants what, cursors.c how far each is; sending.c says what goes next, deliver.c sends it;
 * ask.c tells the domain what came of it. All of it runs on the worker's one thread, so nothing
 * here is locked. SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_WEBHOOKS_WORKER_WORKER_INTERNAL_H
#define SERVICES_WEBHOOKS_WORKER_WORKER_INTERNAL_H

#include "bus/runtime/fold.h"
#include "bus/runtime/owners.h"
#include "bus/runtime/worker.h"
#include "contracts/webhooks.h"
#include "services/webhooks/worker/schedule.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#define HOME "webhooks" /* our domain, in whose schema the cursors lie */
#define PAGE_RECORDS 64
#define LOGS_MAX 64
#define FLYING_MAX 400 /* deliveries at once */
#define FLYING_OF_TENANT_MAX 100
#define FLYING_OF_ONE_MAX 8    /* of one subscription */
#define SUBSCRIPTIONS_MAX 4096 /* more are not served, and health says so */
#define SUBSCRIPTIONS_OF_TENANT_MAX 256
#define SUBSCRIPTIONS_KNOWN_MAX \
    65536                      /* served or not; more are not looked at, and health says so */
#define BODY_DROPPED_MAX 65536 /* of a receiver's answer; then we hang up */
#define SECRET_LABEL "webhooks.secret"

typedef struct delivery     delivery;
typedef struct subscription subscription;

/* --- logs.c ------------------------------------------------------------------------------- */

/* The records that were last read of a partition. */
typedef struct {
    int64_t     first; /* offset of records[0] */
    int         count;
    bus_record *records;
    bus_arena   arena;
} log_page;

typedef struct {
    const bus_contract *contract;
    const char         *domain;
    bus_store          *store;    /* NULL: not open */
    bool                made;     /* and we may read it */
    bool                known;    /* heads are */
    int64_t             down_us;  /* out of reach: not tried before; 0: it is not */
    int64_t             pause_us; /* ... and then not for so long */
    int64_t             heads[BUS_PARTITIONS_MAX];
    log_page            pages[BUS_PARTITIONS_MAX];
} domain_log;

/* --- subscriptions.c ------------------------------------------------------------------------ */

#define LANE_NOT_PLACED INT64_MAX /* offset: nothing is taken yet, it begins by back_to_ms */
#define LANE_GOES_ON INT64_MAX    /* back_to_ms: it goes on where it is */

/* How far a subscription is in one partition of one log. What goes there goes in order, one after
 * the other. */
typedef struct {
    int64_t   offset;       /* all up to here was taken by the receiver, or was not for it */
    int64_t   epoch;        /* of its checkpoint */
    bool      moved;        /* offset is not saved */
    bool      acknowledged; /* ... and what is not saved was taken by the receiver */
    int64_t   back_to_ms;   /* before it goes on, back to the first event of this time */
    int64_t   back_epoch;   /* of the checkpoint that remembers that */
    bool      back_moved;   /* back_to_ms is not saved */
    int64_t   retry_us;     /* its log cannot be read here: not before */
    int       failures;     /* of the event after it */
    delivery *flying;
} lane;

/* What the subscriptions of one tenant take up. */
typedef struct {
    bus_id         id;
    int            known, served, flying;
    UT_hash_handle hh;
} tenant_share;

struct subscription {
    bus_id        id, tenant;
    tenant_share *share;
    bool          served;  /* within the bounds */
    int32_t       version; /* of its stream */
    enum { SUBSCRIPTION_ACTIVE, SUBSCRIPTION_WAITS, SUBSCRIPTION_PARKED } status;
    bus_arena                  arena; /* of what was subscribed */
    struct webhooks_subscribed wants;
    int64_t                    subscribed_at_ms;
    bus_str                    secret, previous_secret; /* sealed */
    int64_t                    previous_until_ms;
    char                       reader[64];       /* whose checkpoints its cursors are */
    char                       back_reader[64];  /* ... and, once replayed, where to go back to */
    bool                       replayed;         /* a replay was ever asked for */
    bool                       wanted[LOGS_MAX]; /* by log: something of it passes the filter */
    lane                      *lanes[LOGS_MAX];  /* by log; NULL: its cursors were not read yet */
    int                        flying, next;     /* next: the lane to be looked at first */
    int                        window; /* so many may fly: grows with what is taken, falls to one */
    lane                      *trouble; /* that whose event failed last, or NULL */
    int64_t                    not_before_us;
    /* A word to the domain that is on its way: it is parked, or gone. */
    bool           asking;
    bus_envelope  *ask; /* the command; owned */
    int64_t        ask_at_us;
    UT_hash_handle hh;
};

/* --- the worker ------------------------------------------------------------------------------- */

typedef struct {
    const bus_runtime_options *options;
    bus_store                 *store; /* of our own domain */
    bus_personal              *personal;
    bus_owners                *owners;
    bus_client                *client;
    bus_subscriber            *subscriber;
    CURLM                     *multi;
    webhook_schedule           schedule;
    int64_t                    timeout_ms;
    bool                       private_allowed;
    domain_log                 logs[LOGS_MAX];
    int                        logs_count, own_log; /* own_log: ours among them */
    int64_t                    looked_us, renewed_us, saved_us, warned_us;
    bool                       lease_trouble; /* taking or renewing it failed last time */

    bool           held;                        /* the lease: we are the one that sends */
    bus_checkpoint control[BUS_PARTITIONS_MAX]; /* how far what was asked for has been done */
    int64_t        control_read[BUS_PARTITIONS_MAX];
    subscription  *subscriptions;                  /* uthash; whose turn is next is first */
    tenant_share  *tenants;                        /* uthash */
    bool           unsettled;                      /* who is served is to be settled anew */
    int            count, served, dropped, flying; /* dropped: more than can be known */
    bool           more;                           /* there is something to do at once */
    bus_arena      scratch, folding;               /* of a turn; of one record that is folded */

    pthread_t   thread;
    atomic_bool stopping;
    /* for health */
    atomic_int      leads, parked, unserved;
    _Atomic int64_t behind;
    atomic_bool     trouble, caught_up; /* with what was asked for */
} worker;

int64_t worker_now_us(const worker *w);
/* Says so once in a while, and makes health say so. */
void worker_trouble(worker *w, const char *what, const bus_error *err);
/* Renews the lease if it is time, amid whatever takes long. BUS_FENCED: it is lost. */
BUS_CHECKED bus_code worker_renew(worker *w, bus_error *err);

void logs_init(worker *w);
void logs_fini(worker *w);
void logs_take_batches(worker *w); /* of the bus: how far the logs are */
/* Once a second the logs themselves are asked. An error is that of our own log; another one that is
 * out of reach is down for a while, and what can be done without it goes on. */
BUS_CHECKED bus_code logs_look(worker *w, bus_error *err);
bool                 logs_usable(const worker *w, int log);
const char *logs_down(const worker *w); /* a domain whose log is out of reach; NULL: none */
/* The record at an offset; *out NULL: it is not there (yet). Borrowed until the next call. */
BUS_CHECKED bus_code logs_record(worker *w, int log, int partition, int64_t offset,
                                 const bus_record **out, bus_error *err);
/* The last offset before a time. */
BUS_CHECKED bus_code logs_before(worker *w, int log, int partition, int64_t at_ms, int64_t *out,
                                 bus_error *err);

/* Reads what was asked for since, and does it. */
BUS_CHECKED bus_code subscriptions_follow(worker *w, bus_error *err);
void                 subscriptions_forget(worker *w); /* all: the lease is lost */

/* cursors.c */
/* The names of a subscription's readers: of its cursors, and of where they are to go back to. */
void cursors_name(bus_id id, char reader[64], char back[64]);
/* Reads those that are not known yet, of logs that are in reach, and makes them ours. */
BUS_CHECKED bus_code cursors_place_all(worker *w, subscription *s, bus_error *err);
/* Those of one log are ours, also the ones that keep a time. */
BUS_CHECKED bus_code cursors_own(worker *w, subscription *s, int log, bus_error *err);
/* Where a lane goes on, which its log must tell. */
BUS_CHECKED bus_code cursors_go_back(worker *w, subscription *s, int log, int partition,
                                     bus_error *err);
/* Saves those that a receiver has moved, or (all) whatever has moved. */
BUS_CHECKED bus_code cursors_save(worker *w, bool all, bus_error *err);
/* Archives do not wait for who is gone. */
BUS_CHECKED bus_code cursors_forget(worker *w, bus_id id, bus_error *err);

/* sending.c */
/* Begins deliveries where it can, for as long as a turn may take; who had no turn comes first in
 * the next. */
BUS_CHECKED bus_code sending_turn(worker *w, bus_error *err);
void                 sending_show(worker *w); /* for health */

/* Sends a record. BUS_OK: it flies, or will be tried later. */
BUS_CHECKED bus_code deliver(worker *w, subscription *s, int log, int partition,
                             const bus_record *record, bus_error *err);
void                 deliver_take_done(worker *w);
void                 deliver_cancel(worker *w, delivery *d);
/* Nothing of a subscription flies any more. */
void deliver_cancel_all(worker *w, subscription *s);

/* Tells the domain that the subscription is stuck at a place; disable: for good. */
void ask_to_stop(worker *w, subscription *s, bool disable, const char *reason, int log,
                 int partition, int64_t offset);
void ask_take_replies(worker *w);
void ask_again(worker *w); /* those that have no answer yet */
void ask_forget(subscription *s);

/* --- metrics.c ---------------------------------------------------------------------------- */

typedef enum { COUNT_DELIVERED, COUNT_FAILED, COUNT_PARKED, COUNT_GONE, COUNTS } worker_count;
void worker_metrics_start(void); /* once */
void worker_counted(worker_count which);

#endif
