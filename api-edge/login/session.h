/* session.h - is the session of a token still open? Asked before each request of a session's token.
 * Internal.
 *
 * The views user_sessions, users and tenants are the truth: the session is open, its generation is
 * still its user's, the user is not kept out, the tenant is not closed. What they said is believed
 * for SESSION_BELIEVED_MS, in this loop and, for all edges, in Redis; so what is revoked is out
 * within a second, whichever edge is asked. Redis also holds, for as long as an access token may
 * live, what an edge has ended itself. Without Redis the views are asked more often, and that is
 * all: nobody is let in by its loss.
 * Of a token of no session it is asked whether its tenant may write, likewise: not one that is
 * suspended or closed. Nobody waits for that when the answer is known from a moment ago, and where
 * the views cannot be asked the last one holds.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_SESSION_H
#define API_EDGE_LOGIN_SESSION_H

#include "api-edge/http/request.h"

/* Finds the views; before loops start. False: this edge has none of them, and takes no token of a
 * session. */
bool edge_sessions_ready(edge *e);

edge_sessions *edge_sessions_open(edge_loop *loop);
/* Those that wait are answered 503, or go on to a database that answers them so: before the
 * databases close. Accepts NULL. */
void edge_sessions_abandon(edge_sessions *sessions);
void
edge_sessions_close(edge_sessions *sessions);     /* accepts NULL; handles go with the next turns */
void edge_sessions_free(edge_sessions *sessions); /* accepts NULL; after the loop has run out */

/* The request may go on to its handler. False: it is answered, or suspended and its handler is
 * called by and by. */
bool edge_session_check(edge_request *r);
/* Was it over when it was looked at last? Asks nobody. */
bool edge_session_was_denied(const edge_request *r);
/* Is the session of a feed known to be over? Asked again and again; looks it up by and by. */
bool edge_session_is_over(edge_loop *loop, const edge_caller *caller);
/* This edge has just ended it: no edge need ask for that. */
void edge_session_ended(edge_loop *loop, bus_id tenant, bus_id session);

#endif
