/* redis.h - a connection to Redis, and whether it is there. Sessions lie in it (login/session.h);
 * without it the edge goes on.
 * Threads: the loop's, but for edge_redis_state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_ADMIN_REDIS_H
#define API_EDGE_ADMIN_REDIS_H

#include <stdbool.h>
#include <uv.h>

struct redisReply;

typedef struct edge_redis edge_redis;

/* Begins to connect, pings every few seconds, connects again when it is gone. url:
 * redis://[:password@]host[:port][/db] or unix:/path. NULL for a NULL url. */
edge_redis *edge_redis_open(uv_loop_t *loop, const char *url);
void        edge_redis_close(edge_redis *redis); /* memory goes with the loop's next turns */

/* Gives the connection up: each command on its way gets its answer, none. For the end of a stop;
 * accepts NULL. */
void edge_redis_abandon(edge_redis *redis);

/* answer: the reply, which lives as long as the call; NULL: there is none, and will be none. */
typedef void edge_redis_answer(void *context, const struct redisReply *answer);
#define EDGE_REDIS_WORDS_MAX 128
/* Sends a command of `count` words; done may be NULL. False: Redis is not there, done will not be
 * called. */
bool edge_redis_send(edge_redis *redis, edge_redis_answer *done, void *context, int count,
                     const char *const *words);

/* "ok", "degraded", or "none" for NULL. From any thread. */
const char *edge_redis_state(const edge_redis *redis);

#endif
