/* webhook.c - signatures of Standard Webhooks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/webhook/webhook.h"
#include "bus/base/error.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "whsec_"
#define SIGNATURES_MAX 16

bool
bus_webhook_key_of(bus_str secret, bus_webhook_key *out)
{
    const size_t before = sizeof(PREFIX) - 1;
    uint8_t      bytes[BUS_WEBHOOK_KEY_MAX + 3];
    size_t       len = secret.len > before ? secret.len - before : 0;
    const char  *text = len > 0 ? secret.at + before : "";
    int          decoded;

    *out = (bus_webhook_key){.len = 0};
    if (len > 0 && len % 4 == 0 && len / 4 * 3 <= sizeof(bytes) &&
        memcmp(secret.at, PREFIX, before) == 0 &&
        (decoded = EVP_DecodeBlock(bytes, (const uint8_t *)text, (int)len)) > 0) {
        out->len =
            (size_t)decoded - (size_t)(text[len - 1] == '=') - (size_t)(text[len - 2] == '=');
        if (out->len <= BUS_WEBHOOK_KEY_MAX)
            memcpy(out->bytes, bytes, out->len);
    } else if (secret.len <= BUS_WEBHOOK_KEY_MAX) {
        out->len = secret.len;
        if (secret.len > 0)
            memcpy(out->bytes, secret.at, secret.len);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return out->len > 0 && out->len <= BUS_WEBHOOK_KEY_MAX;
}

/* "<id>.<timestamp>.<body>" under the key. */
static void
sign(const bus_webhook_key *key, bus_str id, bus_str timestamp, bus_str body,
     char out[BUS_WEBHOOK_SIGNATURE_BYTES])
{
    EVP_MAC     *kind = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(kind);
    char         digest[] = "SHA256";
    OSSL_PARAM   params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                             OSSL_PARAM_construct_end()};
    uint8_t      hash[SHA256_DIGEST_LENGTH];
    size_t       bytes = 0;

    BUS_INVARIANT(context != NULL && EVP_MAC_init(context, key->bytes, key->len, params) == 1);
    BUS_INVARIANT(EVP_MAC_update(context, (const uint8_t *)id.at, id.len) == 1 &&
                  EVP_MAC_update(context, (const uint8_t *)".", 1) == 1 &&
                  EVP_MAC_update(context, (const uint8_t *)timestamp.at, timestamp.len) == 1 &&
                  EVP_MAC_update(context, (const uint8_t *)".", 1) == 1 &&
                  EVP_MAC_update(context, (const uint8_t *)body.at, body.len) == 1);
    BUS_INVARIANT(EVP_MAC_final(context, hash, &bytes, sizeof(hash)) == 1 && bytes == sizeof(hash));
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(kind);
    (void)snprintf(out, BUS_WEBHOOK_SIGNATURE_BYTES, "v1,");
    (void)EVP_EncodeBlock((uint8_t *)out + 3, hash, sizeof(hash));
}

void
bus_webhook_sign(const bus_webhook_key *key, bus_str id, int64_t at_s, bus_str body,
                 char out[BUS_WEBHOOK_SIGNATURE_BYTES])
{
    char timestamp[24];

    (void)snprintf(timestamp, sizeof(timestamp), "%" PRId64, at_s);
    sign(key, id, bus_str_of(timestamp), body, out);
}

/* Seconds since 1970 in digits; false: something else. */
static bool
parse_time(bus_str text, int64_t *out)
{
    *out = 0;
    if (text.len == 0 || text.len > 12)
        return false;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        *out = *out * 10 + (text.at[i] - '0');
    }
    return true;
}

static bool
is_among(bus_str signatures, const char wanted[BUS_WEBHOOK_SIGNATURE_BYTES])
{
    const size_t len = BUS_WEBHOOK_SIGNATURE_BYTES - 1;
    bool         found = false;
    uint32_t     at = 0;

    for (int i = 0; i < SIGNATURES_MAX && at < signatures.len; i++) {
        const char *end = memchr(signatures.at + at, ' ', signatures.len - at);
        size_t      part = end == NULL ? signatures.len - at : (size_t)(end - signatures.at) - at;

        if (part == len && CRYPTO_memcmp(signatures.at + at, wanted, len) == 0)
            found = true;
        at += (uint32_t)part + 1;
    }
    return found;
}

bool
bus_webhook_check(const bus_webhook_key *key, bus_str id, bus_str timestamp, bus_str signatures,
                  bus_str body, int64_t now_s)
{
    char    wanted[BUS_WEBHOOK_SIGNATURE_BYTES];
    int64_t at_s;
    bool    timely = parse_time(timestamp, &at_s) && at_s >= now_s - BUS_WEBHOOK_TOLERANCE_S &&
                  at_s <= now_s + BUS_WEBHOOK_TOLERANCE_S;
    bool named = id.len > 0 && id.len <= BUS_WEBHOOK_ID_MAX, found;

    sign(key, id, timestamp, body, wanted);
    found = is_among(signatures, wanted);
    return found && timely && named;
}

bool
bus_webhook_same_secret(bus_str a, bus_str b)
{
    uint8_t x[SHA256_DIGEST_LENGTH], y[SHA256_DIGEST_LENGTH];

    BUS_INVARIANT(SHA256((const uint8_t *)a.at, a.len, x) != NULL &&
                  SHA256((const uint8_t *)b.at, b.len, y) != NULL);
    return CRYPTO_memcmp(x, y, sizeof(x)) == 0;
}
