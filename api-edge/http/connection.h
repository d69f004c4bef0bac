/* connection.h - open connections: who has them, and which are about a request for too long.
 * Internal.
 *
 * libmicrohttpd ends a connection that is silent for idle_timeout_s; one that sends a byte now and
 * then it keeps, and some hundred of them would take all room. So a head has to be there within
 * twice that time since the last request or the beginning, and a body as long after, and a second
 * more for each BYTES_S that have come. An answer has to be read in that time, too, with a second
 * more for each BYTES_S of it; a feed has none.
 *
 * When all places are taken, a new connection costs one of those of the network that has the most:
 * the one that has waited longest for a head or a body. So who opens them by the thousand closes
 * his own. Without such a one, or if his own network is that, it is told 503.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_CONNECTION_H
#define API_EDGE_HTTP_CONNECTION_H

#include "api-edge/http/loop.h"

/* What libmicrohttpd keeps for a connection. */
typedef struct edge_connection {
    edge_loop    *loop;
    edge_request *unhandled; /* one that ends before its head is whole is never handled */
    int           fd;
    enum { EDGE_READS_HEAD, EDGE_READS_BODY, EDGE_AT_WORK, EDGE_WRITES } state;
    int64_t                 since_us;
    size_t                  bytes; /* of the body, or of the answer */
    bool                    over;  /* there was no place for it */
    bool                    cut;   /* its socket is shut down already */
    struct edge_clients    *network;
    struct edge_connection *next, **link; /* of its network */
} edge_connection;

edge_connection *edge_connection_open(edge_loop *loop, struct MHD_Connection *connection);
void             edge_connection_close(edge_connection *c);
edge_connection *edge_connection_of(struct MHD_Connection *connection);

void edge_connection_reads_head(edge_connection *c);
void edge_connection_reads_body(edge_connection *c);
void edge_connection_works(edge_connection *c);
/* An answer of so many bytes is on its way. */
void edge_connection_writes(edge_connection *c, uint64_t bytes);

/* May another one come from there? Else it is closed at once, unanswered. */
bool edge_connection_may_come(const edge_loop *loop, const struct sockaddr *from);
/* How many there are at most, for libmicrohttpd. */
unsigned edge_connections_bound(const edge_loop *loop);

/* A network may hold so many places of a kind at once, until it has shown who it is; one behind a
 * proxy that we trust any number. False: it holds them. */
bool edge_connection_hold(edge_request *r, int most);
/* Accepts one that holds none. */
void edge_connection_let_go(edge_request *r);

/* Cuts those that are too slow. */
void edge_connections_look(edge_loop *loop);
/* Looks every second; until edge_connections_end. */
void edge_connections_watch(edge_loop *loop);
void edge_connections_end(edge_loop *loop);

#endif
