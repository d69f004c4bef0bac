/* token_fuzz.c - any bytes as a bearer token.
 *
 * Of an input that begins with "raw\n" the rest is the token. Otherwise its first line is the
 * header's JSON (empty: the usual one) and the rest the claims' JSON, and both are signed with a
 * key of ours: what an issuer that shares the key might write.
 * What must hold: a refusal says why; who is let in has a user and a tenant, is not SERVICE and
 * has not expired; the cache says the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/cache.h"
#include "bus/contract/contract.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES "0123456789abcdef0123456789abcdef"
#define KEYS "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define NOW_S 1700000000

static edge_keys         keys;
static edge_token_cache *cache;

static void
close_cache(void)
{
    edge_token_cache_destroy(cache);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    bus_error err;

    (void)argc;
    (void)argv;
    BUS_INVARIANT(edge_keys_parse(&keys, KEYS, &err) == BUS_OK);
    cache = edge_token_cache_create(&keys);
    BUS_INVARIANT(atexit(close_cache) == 0);
    return 0;
}

static void
add_base64url(bus_str bytes, bus_buf *out)
{
    unsigned char *text = malloc((size_t)bytes.len / 3 * 4 + 8);
    int            len;

    BUS_INVARIANT(text != NULL);
    len = EVP_EncodeBlock(text, (const unsigned char *)bytes.at, (int)bytes.len);
    for (int i = 0; i < len && text[i] != '='; i++)
        bus_buf_add_char(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i]);
    free(text);
}

static void
add_signed(bus_str header, bus_str claims, bus_buf *out)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned      bytes = 0;

    if (header.len == 0)
        header = BUS_STR("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
    add_base64url(header, out);
    bus_buf_add_char(out, '.');
    add_base64url(claims, out);
    BUS_INVARIANT(HMAC(EVP_sha256(), KEY_BYTES, sizeof(KEY_BYTES) - 1,
                       (const unsigned char *)out->at, out->len, mac, &bytes) != NULL);
    bus_buf_add_char(out, '.');
    add_base64url((bus_str){(const char *)mac, bytes}, out);
}

static void
check_caller(const edge_caller *caller)
{
    BUS_INVARIANT(!bus_id_is_nil(caller->actor.id) && !bus_id_is_nil(caller->tenant));
    BUS_INVARIANT((caller->actor.roles & BUS_ROLE_SERVICE) == 0);
    BUS_INVARIANT(caller->expires_at_s > NOW_S);
    BUS_INVARIANT(caller->not_before_s <= NOW_S + EDGE_CLOCK_SKEW_S);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str     rest = fuzz_input(data, size), first = fuzz_cut(&rest, '\n');
    bus_buf     made = {0};
    edge_caller caller, cached;
    bus_error   err = {0}, again = {0};
    bus_code    rc;
    char       *token;

    if (!bus_str_is(first, "raw"))
        add_signed(first, rest, &made);
    token = fuzz_text(bus_str_is(first, "raw") ? rest : bus_buf_str(&made));
    rc = edge_token_verify(&keys, token, NOW_S, &caller, &err);
    if (rc == BUS_OK)
        check_caller(&caller);
    else
        fuzz_check_failure(rc, &err);
    for (int i = 0; i < 2; i++) /* the second time out of the cache */
        BUS_INVARIANT(edge_token_cache_verify(cache, token, NOW_S, &cached, &again) == rc);
    BUS_INVARIANT(rc != BUS_OK || (cached.actor.roles == caller.actor.roles &&
                                   cached.expires_at_s == caller.expires_at_s &&
                                   bus_id_equal(cached.tenant, caller.tenant)));
    free(token);
    bus_buf_fini(&made);
    return 0;
}
