/* look_up.h - the addresses of a host's name, without waiting for them: libraries that connect
 * would ask the resolver in the loop's thread, and every request would wait with them. Internal.
 * Threads: the loop's. SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_LOOK_UP_H
#define API_EDGE_HTTP_LOOK_UP_H

#include <stdbool.h>
#include <uv.h>

typedef struct edge_look_up edge_look_up;

#define EDGE_ADDRESSES_MAX 8

/* Called once. addresses: in digits, as the resolver sorts them, with commas between; NULL: there
 * is none, why tells. Both live as long as the call. */
typedef void edge_looked_up(void *context, const char *addresses, const char *why);

/* NULL: it cannot be begun, done will not be called. host is copied. */
edge_look_up *edge_look_up_begin(uv_loop_t *loop, const char *host, edge_looked_up *done,
                                 void *context);
/* done will not be called; memory goes with the loop's next turns. */
void edge_look_up_cancel(edge_look_up *look_up);

/* An address in digits needs no look-up. */
bool edge_is_numeric(const char *host);

#endif
