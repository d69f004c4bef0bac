/* login.h - /api/v1/auth: log-in, refresh, log-out, passwords, one's own sessions. Internal.
 *
 * Passwords are looked at in threads of libuv's pool; what came of it goes to the domain users as a
 * command, which decides (services/users/README.md). A command carries a bcrypt hash, sealed, or
 * hashes of codes and tokens, never what came from a client.
 * Nobody is told whether a user exists: what fails is answered alike, after the same work, and
 * without waiting for the count of failures.
 * Threads: the loop's, but for the pool's part of a job.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_LOGIN_H
#define API_EDGE_LOGIN_LOGIN_H

#include "api-edge/http/request.h"

/* Finds the domain's commands and views. False: this edge serves no users. */
bool edge_logins_ready(edge *e);

edge_logins *edge_logins_open(edge_loop *loop); /* NULL: not ready */
/* Answers 503 to those whose passwords are being looked at: at the end of a stop, after databases
 * and commands were abandoned. Accepts NULL. */
void edge_logins_abandon(edge_logins *logins);
void edge_logins_free(edge_logins *logins); /* accepts NULL; after the loop has run out */

#endif
