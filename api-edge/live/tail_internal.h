/* tail_internal.h - what the files of the tail share.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_TAIL_INTERNAL_H
#define API_EDGE_LIVE_TAIL_INTERNAL_H

#include "api-edge/live/tail.h"

#define EDGE_OWN_EVENTS 128 /* asked about at once, of one tenant and view */
#define EDGE_OWN_WAITING 4096

/* Recent events of one partition: offsets head - count + 1 to head, at offset % RING_MAX. */
typedef struct {
    int64_t      head, known; /* last offset in the ring; last one known to be written */
    uint32_t     count;
    edge_event **slots; /* NULL: none yet */
} edge_ring;

/* Questions whose stream an event's is: tail_own.c. */
typedef struct {
    edge_event      *event;
    const edge_view *view;
} edge_question;

typedef struct {
    edge_question waiting[EDGE_OWN_WAITING];
    int           waiting_count;
    /* of the job that is on its way */
    enum { EDGE_OWN_IDLE, EDGE_OWN_REACH, EDGE_OWN_ROWS } state;
    const edge_view *view;
    bus_id           tenant;
    edge_event      *events[EDGE_OWN_EVENTS];
    int              count;
    int64_t          retry_us; /* the view is behind: not before */
    edge_db_query    query;
    char             tenant_text[BUS_ID_TEXT_BYTES];
    char             ids[EDGE_OWN_EVENTS * BUS_ID_TEXT_BYTES + 2];
    char             reach_sql[160], rows_sql[512];
} edge_own_work;

struct edge_tail {
    edge_tails         *tails;
    const bus_contract *contract;
    edge_db            *log; /* of tails */
    bool                awake, ready, looking, filling, gone;
    int                 partitions;
    uint64_t            round;
    int64_t             looked_us, idle_us;
    bus_subscriber     *subscriber;
    edge_listener      *listeners;
    edge_ring           rings[BUS_PARTITIONS_MAX];
    edge_event         *oldest, *youngest; /* of all rings, as they came */
    size_t              bytes;
    char                look_sql[128], page_sql[1024];
    edge_db_query       look;
    edge_page           fill; /* of all tenants */
    edge_own_work       own;
    bus_store          *archive; /* for the next page of archived events; NULL: none is open */
};

struct edge_tails {
    edge_loop *loop;
    edge_db   *log, *views; /* the main database; views: under the role of the edge */
    edge_db  **others;      /* databases that domains have for themselves */
    int        others_count;
    bool       closing;
    edge_tail *all; /* by contract */
    int        count;
};

void edge_tail_wake(edge_tail *tail); /* begins to listen to the bus and to look at the log */
void edge_tail_tell(edge_tail *tail); /* more() to all that listen */

/* Reads a page of archived events of one partition and calls its done(). False: not now.
 * tail_archive.c */
bool edge_tail_read_archive(edge_page *page, int partition, int64_t after);

/* tail_own.c */
void edge_own_go(edge_tail *tail);     /* asks what waits, if it may now */
void edge_own_forget(edge_tail *tail); /* lets go of what waits */

#endif
