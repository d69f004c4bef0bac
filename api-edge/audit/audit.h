/* audit.h - what is noted of requests: who, what, when, from where, and what came of it. Internal.
 *
 * Noted are commands, done or refused; log-ins and what else is asked of /api/v1/auth; reads that
 * show personal data in clear, and those that were denied. A request with no valid token that names
 * nobody is only counted (bus_edge_requests_total).
 *
 * A note waits in memory for at most FLUSH_MS and goes with all others of its loop in one batch to
 * audit.note(), which adds them to the chains of their tenants (bus/audit/chain.h). A batch is sent
 * until it is in there, under its number, so once. Nothing is dropped: with too many that wait, as
 * when the database is away, requests are answered 503 before anything is done. Lost are notes only
 * with the process: those of the last FLUSH_MS and the batch under way when it is killed, and what
 * a stop could not write in its time, which the log tells. Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_AUDIT_AUDIT_H
#define API_EDGE_AUDIT_AUDIT_H

#include "api-edge/http/command.h"

edge_audit *edge_audit_open(edge_loop *loop);
/* Sends what waits: once a turn. */
void edge_audit_flush(edge_audit *audit);
/* Too much waits: nothing more may be begun. */
bool edge_audit_is_full(const edge_audit *audit);
int  edge_audit_waiting(const edge_audit *audit);
/* Closes its connection; what waits is lost, and the log tells how much. Accepts NULL. */
void edge_audit_abandon(edge_audit *audit);
void edge_audit_close(edge_audit *audit); /* accepts NULL */
void edge_audit_free(edge_audit *audit);  /* after the loop has run out; accepts NULL */

/* A command of r's caller has ended so. */
void edge_audit_command(edge_request *r, const edge_command *command, const edge_verdict *verdict,
                        const bus_reply *reply);
/* One that was not sent, because of `code`. */
void edge_audit_refused(edge_request *r, const bus_message *command, bus_str code);
/* r is being answered with r->status: notes it, if it is to be noted and was not yet. */
void edge_audit_answered(edge_request *r);

/* handle() of GET /api/v1/audit and /api/v1/audit/{seq}: audit/search.c. */
void edge_audit_list_handle(edge_request *r);
void edge_audit_item_handle(edge_request *r);

#endif
