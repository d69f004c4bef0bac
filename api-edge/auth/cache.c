/* cache.c - a table of verified tokens with one place per hash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/cache.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 2048

typedef struct {
    char       *token; /* NULL: empty */
    size_t      bytes;
    edge_caller caller;
} slot;

struct edge_token_cache {
    const edge_keys *keys;
    slot             slots[SLOTS];
};

edge_token_cache *
edge_token_cache_create(const edge_keys *keys)
{
    edge_token_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        abort();
    cache->keys = keys;
    return cache;
}

static void
forget(slot *s)
{
    if (s->token != NULL)
        OPENSSL_cleanse(s->token, s->bytes);
    free(s->token);
    s->token = NULL;
}

void
edge_token_cache_destroy(edge_token_cache *cache)
{
    if (cache == NULL)
        return;
    for (int i = 0; i < SLOTS; i++)
        forget(&cache->slots[i]);
    free(cache);
}

bus_code
edge_token_cache_verify(edge_token_cache *cache, const char *token, int64_t now_s, edge_caller *out,
                        bus_error *err)
{
    size_t   bytes = strnlen(token, EDGE_TOKEN_BYTES_MAX);
    slot    *s = &cache->slots[bus_fnv1a64(token, bytes) % SLOTS];
    bus_code rc;

    if (s->token != NULL && s->bytes == bytes && CRYPTO_memcmp(s->token, token, bytes) == 0 &&
        s->caller.expires_at_s > now_s && s->caller.not_before_s <= now_s + EDGE_CLOCK_SKEW_S) {
        *out = s->caller;
        return BUS_OK;
    }
    if ((rc = edge_token_verify(cache->keys, token, now_s, out, err)) != BUS_OK)
        return rc;
    forget(s);
    s->token = strndup(token, bytes);
    if (s->token == NULL)
        abort();
    s->bytes = bytes;
    s->caller = *out;
    return BUS_OK;
}
