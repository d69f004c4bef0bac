/* head.h - is it clear where a request ends, and what its headers say?
 * Whoever stands between us and the client may read an unclear head in another way than
 * libmicrohttpd does: what the one takes for a body is the next request to the other, and the
 * header that the one has checked is not the one that counts to the other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_HEAD_H
#define API_EDGE_HTTP_HEAD_H

#include <microhttpd.h>

/* Constant English texts; NULL: nothing wrong. */
typedef struct {
    const char *framing; /* nobody can say where the request ends: nothing more can be read */
    const char *twice;   /* a header with one value came twice */
} edge_head_faults;

/* Looks at the head that libmicrohttpd has just read; version: its HTTP version. */
edge_head_faults edge_head_check(struct MHD_Connection *connection, const char *version);

#endif
