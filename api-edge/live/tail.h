/* tail.h - the end of each domain's log, read once per loop for all feeds of it. Internal.
 *
 * Recent events lie in a bounded ring per partition, without gaps: batches from the bus go
 * straight in; where they leave a gap, and once a second in any case, the log is asked. A feed
 * that is further behind reads pages of its own. Nothing is read while nobody listens.
 * Connections are the feeds' own, so that nobody who reads history holds up a read of an item.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_TAIL_H
#define API_EDGE_LIVE_TAIL_H

#include "api-edge/live/event.h"
#include "bus/store/store.h"

#define EDGE_PAGE_EVENTS 64 /* of one page, at most */

typedef struct edge_tail  edge_tail;  /* of one domain */
typedef struct edge_tails edge_tails; /* of a loop */

edge_tails *edge_tails_open(edge_loop *loop);
void        edge_tails_close(edge_tails *tails);   /* fails what is on its way; accepts NULL */
void        edge_tails_free(edge_tails *tails);    /* after the loop has run out; accepts NULL */
void        edge_tails_flush(edge_tails *tails);   /* sends the gathered queries: once a turn */
void        edge_tails_batches(edge_tails *tails); /* takes what the bus has */
void        edge_tails_tick(edge_tails *tails);    /* several times a second */
bool        edge_tails_awake(const edge_tails *tails); /* does anything need ticks? */

/* NULL: no such domain here. */
edge_tail          *edge_tail_of(edge_tails *tails, bus_str domain);
const bus_contract *edge_tail_contract(const edge_tail *tail);

/* Someone who listens. In the caller's memory. */
typedef struct edge_listener edge_listener;
struct edge_listener {
    /* There may be more to read, or the tail has become ready. May leave itself, none other. */
    void (*more)(edge_listener *listener);
    edge_listener *next, **link; /* private */
};
void edge_tail_join(edge_tail *tail, edge_listener *listener);
void edge_tail_leave(edge_tail *tail, edge_listener *listener);

/* Are the log's partitions and its end known? If not, more() tells when they are. */
bool    edge_tail_ready(const edge_tail *tail);
int     edge_tail_partitions(const edge_tail *tail);
int64_t edge_tail_head(const edge_tail *tail, int partition);  /* last offset that was read */
int64_t edge_tail_known(const edge_tail *tail, int partition); /* last that was written */
/* Asks the log for its end: more() follows after `round` has moved on. */
void     edge_tail_look(edge_tail *tail);
uint64_t edge_tail_round(const edge_tail *tail); /* how often the log told its end */

/* The event at an offset, borrowed, or NULL: not in the ring (any more, or yet). */
edge_event *edge_tail_event(const edge_tail *tail, int partition, int64_t offset);

/* A page of events behind the ring, per partition in order and without gaps. In the caller's
 * memory, which lives until done() was called. */
typedef struct edge_page edge_page;
struct edge_page {
    bus_id tenant;                              /* events of others come without their data */
    void (*done)(edge_page *page, bus_code rc); /* OK: events are the callee's */
    edge_event *events[EDGE_PAGE_EVENTS];
    int         count;
    int         gone;     /* the partition whose log begins later; -1: none */
    int         archived; /* private: the partition whose next events are in files; -1: none */

    /* private */
    edge_tail    *tail;
    edge_db_query query;
    char          partitions[BUS_PARTITIONS_MAX * 4 + 2], offsets[BUS_PARTITIONS_MAX * 21 + 2];
    char          limit[8], tenant_text[BUS_ID_TEXT_BYTES];
    int64_t       after[BUS_PARTITIONS_MAX];
};
/* Reads after `after` in each partition where the ring begins later. False: there is none, or
 * the database is not to be had now. */
BUS_CHECKED bool edge_tail_page(edge_tail *tail, edge_page *page, const int64_t *after);

/* Finds out whose the event's stream is, by a row that is at least as new as the event; more()
 * follows, if need be much later. */
void edge_tail_own(edge_tail *tail, const edge_view *view, edge_event *event);

#endif
