/* connection.h - open connections, and those that are about a request for too long. Internal.
 *
 * libmicrohttpd ends a connection that is silent for idle_timeout_s; one that sends a byte now and
 * then it keeps, and some hundred of them would take all room. So a head has to be there within
 * twice that time since the last request or the beginning, and a body as long after, and a second
 * more for each BODY_BYTES_S that have come.
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
    enum { EDGE_READS_HEAD, EDGE_READS_BODY, EDGE_AT_WORK } state;
    int64_t                 since_us;
    size_t                  bytes; /* of the body */
    struct edge_connection *next, **link;
} edge_connection;

edge_connection *edge_connection_open(edge_loop *loop, struct MHD_Connection *connection);
void             edge_connection_close(edge_connection *c);
edge_connection *edge_connection_of(struct MHD_Connection *connection);

void edge_connection_reads_head(edge_connection *c);
void edge_connection_reads_body(edge_connection *c);
void edge_connection_works(edge_connection *c);

/* Looks every second; until edge_connections_end. */
void edge_connections_watch(edge_loop *loop);
void edge_connections_end(edge_loop *loop);

#endif
