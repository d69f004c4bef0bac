/* event.h - one event of the log in memory, counted, and its CloudEvent. Internal.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_EVENT_H
#define API_EDGE_LIVE_EVENT_H

#include "api-edge/live/scope.h"
#include "bus/envelope/record.h"

#define EDGE_TEXTS_MAX 2 /* kept renderings of one event */

typedef enum {
    EDGE_OWNER_UNKNOWN,
    EDGE_OWNER_ASKED, /* on its way */
    EDGE_OWNER_KNOWN
} edge_owner_state;

typedef struct edge_event edge_event;
struct edge_event {
    bus_record         record;  /* its strings lie behind this struct; data empty: not read */
    const bus_message *message; /* NULL: none of the contract */
    size_t             bytes;   /* of it all */
    int                references;
    edge_event        *younger; /* in the ring: the next one that was put in */

    /* Whose its stream is, by the row of one view; once KNOWN. */
    edge_owner_state owner_state;
    const edge_view *owner_view;
    bool             has_owner, has_from, has_until;
    bus_id           owner;
    int64_t          from_ms, until_ms;

    struct {
        bool     used;
        uint32_t roles, grants; /* 0: all */
        bus_str  text;
    } texts[EDGE_TEXTS_MAX];
};

edge_event *edge_event_of(const bus_record *record, const bus_contract *contract);
edge_event *edge_event_hold(edge_event *event);
void        edge_event_release(edge_event *event); /* accepts NULL */

/* Is the stream the driver's at now_ms? */
bool edge_event_is_owned(const edge_event *event, bus_id driver, int64_t now_ms);

/* The CloudEvent (JSON format) as such a caller may see it; lives as long as the event, or until
 * the next call for another caller. */
bus_str edge_event_text(edge_event *event, const edge_feed_scope *scope, const edge_access *access);

#endif
