/* ingest.h - POST /api/v1/ingest/<source>: what others push to us. Internal.
 *
 * <source> is "<tenant>.<id>", as the view ingest_sources shows it; nobody needs a token, the
 * request proves itself by its signature. The source is read from its view, its secret opened here;
 * the signature is checked before anything is parsed. An unknown source takes as long as a bad
 * signature. Each event becomes the command ingest.receive, whose stream follows from the source,
 * the event's source and its id: a repeat finds the first one there. 202 means that all of them are
 * durable; if one is not, the sender repeats the whole, and those that are there already are
 * dropped.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_INGEST_INGEST_H
#define API_EDGE_INGEST_INGEST_H

#include "api-edge/http/request.h"

/* Finds the contract's parts. False: this edge serves no such domain. */
bool edge_ingest_open(edge *e);
/* The headers are there, the body is not: is there room for one more? False: answered. */
bool edge_ingest_begin(edge_request *r);
/* handle() of its route. */
void edge_ingest_handle(edge_request *r);

/* The stream of an event. Part of the log's format. Pure. */
bus_id edge_ingest_stream(bus_id source, bus_str event_source, bus_str event_id);

#endif
