/* progress.h - how far the views are, for X-After: read your writes. Internal.
 *
 * Progress comes as batches on the topics of bus_views_topic(); where none is known, or another
 * process fills the view, checkpoints are looked up in the store every 50 ms.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_PROGRESS_H
#define API_EDGE_LIVE_PROGRESS_H

#include "api-edge/http/request.h"

BUS_CHECKED bus_code edge_progress_open(edge_progress **out, edge_loop *loop, bus_error *err);
void                 edge_progress_close(edge_progress *progress);
void edge_progress_free(edge_progress *progress); /* after the loop has run out; accepts NULL */

/* Takes batches that wait: when the transport told so. */
void edge_progress_batches(edge_progress *progress);

/* Goes on with the query of r (edge_query_send) as soon as its view has r->query.after, at once
 * if it has it; answers VIEW_BEHIND when that takes too long. */
void edge_progress_wait(edge_request *r);
/* Answers 503 to all that wait: at the end of a stop. */
void edge_progress_abandon(edge_progress *progress);

#endif
