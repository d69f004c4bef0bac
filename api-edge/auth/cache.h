/* cache.h - tokens verified lately, so that a signature is checked once and not per request.
 * Times are checked on each use. Bounded: a token replaces whatever has its slot.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_AUTH_CACHE_H
#define API_EDGE_AUTH_CACHE_H

#include "api-edge/auth/token.h"

typedef struct edge_token_cache edge_token_cache;

edge_token_cache *edge_token_cache_create(const edge_keys *keys);    /* keys are borrowed */
void              edge_token_cache_destroy(edge_token_cache *cache); /* accepts NULL */

/* As edge_token_verify. */
BUS_CHECKED bus_code edge_token_cache_verify(edge_token_cache *cache, const char *token,
                                             int64_t now_s, edge_caller *out, bus_error *err);

#endif
