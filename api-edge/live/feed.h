/* feed.h - feeds of events to consumers: GET /api/v1/events/{domain}. Internal.
 *
 * A feed has a place in each partition of a domain's log and moves it on event by event, never
 * past one that was not read; what its caller may see goes out (live/scope.h). It takes as much
 * as its way out has room for and no more, so a reader that stops costs a bounded buffer, and is
 * cut off after a while. Three ways out: one answer after a wait (long poll), server-sent events,
 * a WebSocket.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_FEED_H
#define API_EDGE_LIVE_FEED_H

#include "api-edge/http/request.h"

typedef struct edge_feed  edge_feed;
typedef struct edge_feeds edge_feeds; /* of a loop */

edge_feeds *edge_feeds_open(edge_loop *loop);
void        edge_feeds_batches(edge_feeds *feeds); /* takes what the bus has */
void        edge_feeds_flush(edge_feeds *feeds);   /* sends the gathered queries: once a turn */
void        edge_feeds_stop(edge_feeds *feeds);    /* tells all clients that the server stops */
void        edge_feeds_abandon(edge_feeds *feeds); /* ends what is left, at once */
void        edge_feeds_close(edge_feeds *feeds);   /* accepts NULL */
void        edge_feeds_free(edge_feeds *feeds);    /* after the loop has run out; accepts NULL */

/* handle() of the route. */
void edge_feed_handle(edge_request *r);
/* The request is completed: its client is gone, or has it all. Accepts NULL. */
void edge_feed_leave(edge_feed *feed);

/* The token of a WebSocket's handshake that came as a subprotocol ("bearer.<token>"), for browsers,
 * which cannot set headers. Borrowed from the request's arena; NULL: none. */
const char *edge_feed_bearer(edge_request *r);

#endif
