/* limits.h - how many requests a minute who may make. Internal.
 *
 * Buckets of tokens: of a user, one for each class of routes; of a tenant; of an address, for those
 * who have a token, for those who have none, and for those who want the next one. A request takes
 * one of each that is its, or none and is answered 429. Tokens of operators, which are of no
 * session, are not limited; nor are /healthz, /readyz and /metrics, nor what is refused before it
 * is known who asks (400, 404, 405, 413). Log-ins and sources have rates of their own
 * (ingest/rate.h); strangers who push in the name of a source pay as those who have no token, and
 * so does whose session is over.
 *
 * A request never waits for Redis. Each loop takes from buckets of its own, and every 100 ms tells
 * Redis what it took; one Lua script there takes it from the buckets of all edges and tells what is
 * left. So edges share a limit, and for at most 100 ms each may admit what it last knew to be left:
 * what is too much then is a debt, down to a full bucket, and is paid back. Without Redis each loop
 * goes on with its own, and its limits are those of the process.
 *
 * RateLimit and RateLimit-Policy are those of draft-ietf-httpapi-ratelimit-headers-10.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIMITS_LIMITS_H
#define API_EDGE_LIMITS_LIMITS_H

#include "api-edge/http/request.h"

edge_limits *edge_limits_open(edge_loop *loop);
void         edge_limits_close(edge_limits *limits);

/* For a caller who is known. False: answered 429. */
bool edge_limits_take(edge_request *r);
/* For one who is not, by his address. False: answered 429. */
bool edge_limits_take_anonymous(edge_request *r);
/* Is there one left for such a one? Takes none. False: answered 429. */
bool edge_limits_has_anonymous(edge_request *r);
/* For one who shows a refresh token, by his address. False: answered 429. */
bool edge_limits_take_refresh(edge_request *r);
/* A request that stands for several: more tokens of the same, which may leave a debt. False: there
 * is one already, answered 429. */
bool edge_limits_add(edge_request *r, int more);
/* Requests that one may stand for at most, so that the debt is less than a bucket; 0: no bound. */
int edge_limits_commands(const edge_request *r);
/* 429 by a limit that has no bucket here: no header tells of one. */
void edge_limits_refuse(edge_request *r, const char *detail);

/* The values of RateLimit-Policy and RateLimit; false: the request was not limited. */
bool edge_limits_headers(const edge_request *r, char policy[64], char limit[64]);

#endif
