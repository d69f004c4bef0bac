/* redis.h - is Redis there? Sessions and caches will live in it; without it the edge goes on.
 * Threads: the loop's, but for edge_redis_state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_ADMIN_REDIS_H
#define API_EDGE_ADMIN_REDIS_H

#include <uv.h>

typedef struct edge_redis edge_redis;

/* Begins to connect, pings every few seconds, connects again when it is gone. url:
 * redis://[:password@]host[:port][/db] or unix:/path. NULL for a NULL url. */
edge_redis *edge_redis_open(uv_loop_t *loop, const char *url);
void        edge_redis_close(edge_redis *redis); /* memory goes with the loop's next turns */

/* "ok", "degraded", or "none" for NULL. From any thread. */
const char *edge_redis_state(const edge_redis *redis);

#endif
