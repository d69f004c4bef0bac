/* metrics.h - what the edge counts.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_METRICS_H
#define API_EDGE_HTTP_METRICS_H

#include "api-edge/http/loop.h"
#include "bus/metrics/metrics.h"

/* What came of what a source has pushed: of requests, but accepted and repeated ones of events. */
typedef enum {
    EDGE_INGEST_ACCEPTED,
    EDGE_INGEST_REPEATED,
    EDGE_INGEST_UNKNOWN,
    EDGE_INGEST_BAD_SIGNATURE,
    EDGE_INGEST_LIMITED,
    EDGE_INGEST_INVALID,
    EDGE_INGEST_FAILED,
    EDGE_INGEST_OUTCOMES
} edge_ingest_outcome;
void edge_metrics_ingest(edge_ingest_outcome outcome, int count);

void edge_metrics_start(void); /* registers the tables, once */
void edge_metrics_request(edge_class class, int status, int64_t us);
void edge_metrics_connections(int change);
void edge_metrics_commands(int change); /* in flight */
void edge_metrics_resent(void);
void edge_metrics_queries(int waiting); /* sampled at each flush */
void edge_metrics_feeds(int change);
void edge_metrics_feed_events(int count);
void edge_metrics_feed_cut(void);
void edge_metrics_audit_written(int notes);
void edge_metrics_audit_waiting(int notes);
void edge_metrics_audit_lost(int notes);

#endif
