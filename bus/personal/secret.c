/* secret.c - secrets sealed by their own key, which the master keys wrap.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/secret.h"
#include "bus/personal/master_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "sec:1:"
#define LABEL_MAX 64
#define SEALED_BYTES_MAX (BUS_SECRET_MAX + CIPHER_EXTRA_BYTES)
#define BASE64_BYTES(n) (((n) + 2) / 3 * 4)
#define MADE_BYTES (BASE64_BYTES(CIPHER_KEY_BYTES) + 1)

_Static_assert(sizeof(PREFIX) - 1 + BUS_KID_BYTES + BASE64_BYTES(SEALED_BYTES_MAX) <=
                   BUS_SEALED_SECRET_MAX,
               "a sealed secret");

/* Where a secret belongs: what it is tied to. */
typedef struct {
    uint8_t bytes[16 + 16 + LABEL_MAX];
    size_t  len;
} place;

static place
place_of(bus_id tenant, bus_id stream, const char *label)
{
    place  p;
    size_t len = strlen(label);

    BUS_INVARIANT(len <= LABEL_MAX);
    memcpy(p.bytes, tenant.bytes, 16);
    memcpy(p.bytes + 16, stream.bytes, 16);
    memcpy(p.bytes + 32, label, len);
    p.len = 32 + len;
    return p;
}

/* HMAC-SHA-256. The master key itself only wraps; all else has keys that follow from it. */
static void
hmac(const uint8_t key[CIPHER_KEY_BYTES], const void *text, size_t len,
     uint8_t out[CIPHER_KEY_BYTES])
{
    unsigned bytes = CIPHER_KEY_BYTES;

    BUS_INVARIANT(HMAC(EVP_sha256(), key, CIPHER_KEY_BYTES, text, len, out, &bytes) != NULL &&
                  bytes == CIPHER_KEY_BYTES);
}

static void
derive(const uint8_t master[CIPHER_KEY_BYTES], const char *purpose, uint8_t out[CIPHER_KEY_BYTES])
{
    hmac(master, purpose, strlen(purpose), out);
}

static void
nonce_of(const uint8_t master[CIPHER_KEY_BYTES], const place *p, bus_str secret,
         uint8_t nonce[CIPHER_NONCE_BYTES])
{
    uint8_t key[CIPHER_KEY_BYTES], text[sizeof(p->bytes) + 1 + BUS_SECRET_MAX];
    uint8_t hash[CIPHER_KEY_BYTES];

    derive(master, "shina secret: nonce", key);
    memcpy(text, p->bytes, p->len);
    text[p->len] = 0; /* no label has it: where the place ends is clear */
    memcpy(text + p->len + 1, secret.at, secret.len);
    hmac(key, text, p->len + 1 + secret.len, hash);
    memcpy(nonce, hash, CIPHER_NONCE_BYTES);
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(text, sizeof(text));
}

bus_str
bus_secret_seal(const bus_master_keys *masters, bus_id tenant, bus_id stream, const char *label,
                bus_str secret, bus_arena *arena)
{
    const char    *kid;
    const uint8_t *master = master_secrets(masters, &kid);
    place          p = place_of(tenant, stream, label);
    uint8_t        key[CIPHER_KEY_BYTES], nonce[CIPHER_NONCE_BYTES], sealed[SEALED_BYTES_MAX];
    char           text[BASE64_BYTES(SEALED_BYTES_MAX) + 1];
    cipher        *c = cipher_create();

    BUS_INVARIANT(secret.len >= BUS_SECRET_MIN && secret.len <= BUS_SECRET_MAX);
    derive(master, "shina secret: seal", key);
    nonce_of(master, &p, secret, nonce);
    cipher_seal(c, key, nonce, p.bytes, p.len, secret.at, secret.len, sealed);
    cipher_destroy(c);
    OPENSSL_cleanse(key, sizeof(key));
    (void)EVP_EncodeBlock((uint8_t *)text, sealed, (int)(secret.len + CIPHER_EXTRA_BYTES));
    return bus_arena_printf(arena, PREFIX "%s:%s", kid, text);
}

/* The parts of the text: false: it is none of ours. */
static bool
split(bus_str sealed, char kid[BUS_KID_BYTES], uint8_t bytes[SEALED_BYTES_MAX + 3], size_t *len)
{
    const size_t before = sizeof(PREFIX) - 1;
    const char  *colon;
    size_t       kid_len, rest;
    int          decoded;

    if (sealed.len <= before || sealed.len > BUS_SEALED_SECRET_MAX ||
        memcmp(sealed.at, PREFIX, before) != 0)
        return false;
    colon = memchr(sealed.at + before, ':', sealed.len - before);
    kid_len = colon == NULL ? 0 : (size_t)(colon - sealed.at) - before;
    rest = colon == NULL ? 0 : sealed.len - before - kid_len - 1;
    if (kid_len == 0 || kid_len >= BUS_KID_BYTES || rest == 0 || rest % 4 != 0 ||
        rest > BASE64_BYTES(SEALED_BYTES_MAX))
        return false;
    memcpy(kid, sealed.at + before, kid_len);
    kid[kid_len] = '\0';
    decoded = EVP_DecodeBlock(bytes, (const uint8_t *)colon + 1, (int)rest);
    if (decoded < 0)
        return false;
    *len = (size_t)decoded - (size_t)(colon[rest] == '=') - (size_t)(colon[rest - 1] == '=');
    return *len >= CIPHER_EXTRA_BYTES + BUS_SECRET_MIN && *len <= SEALED_BYTES_MAX;
}

bus_code
bus_secret_open(const bus_master_keys *masters, bus_id tenant, bus_id stream, const char *label,
                bus_str sealed, bus_arena *arena, bus_str *out, bus_error *err)
{
    place   p = place_of(tenant, stream, label);
    char    kid[BUS_KID_BYTES];
    uint8_t bytes[SEALED_BYTES_MAX + 3], key[CIPHER_KEY_BYTES], clear[BUS_SECRET_MAX];
    size_t  len;
    cipher *c;
    bool    opened;

    const uint8_t *master;

    if (!split(sealed, kid, bytes, &len))
        return bus_fail(err, BUS_FAULT, "what should be a sealed secret is none");
    master = master_secrets_named(masters, kid);
    if (master == NULL)
        return bus_fail(err, BUS_DENIED,
                        "a secret is sealed by the master key %s, which SHINA_MASTER_KEYS lacks",
                        kid);
    derive(master, "shina secret: seal", key);
    c = cipher_create();
    opened = cipher_open(c, key, p.bytes, p.len, bytes, len, clear);
    cipher_destroy(c);
    OPENSSL_cleanse(key, sizeof(key));
    if (!opened)
        return bus_fail(err, BUS_FAULT, "a sealed secret is damaged, or of another place");
    *out = bus_arena_copy(arena, (const char *)clear, len - CIPHER_EXTRA_BYTES);
    OPENSSL_cleanse(clear, sizeof(clear));
    return BUS_OK;
}

/* What follows from a command and a purpose: 32 bytes in base64. */
static void
make(const bus_master_keys *masters, const char *purpose, const place *p, char text[MADE_BYTES])
{
    uint8_t     key[CIPHER_KEY_BYTES], made[CIPHER_KEY_BYTES];
    const char *kid;

    derive(master_secrets(masters, &kid), purpose, key);
    hmac(key, p->bytes, p->len, made);
    (void)EVP_EncodeBlock((uint8_t *)text, made, sizeof(made));
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(made, sizeof(made));
}

bus_str
bus_secret_make(const bus_master_keys *masters, bus_id tenant, bus_id command_id, const char *label,
                bus_arena *arena)
{
    place   p = place_of(tenant, command_id, label);
    char    text[MADE_BYTES];
    bus_str out;

    make(masters, "shina secret: make", &p, text);
    out = bus_arena_printf(arena, "whsec_%s", text);
    OPENSSL_cleanse(text, sizeof(text));
    return out;
}

bus_str
bus_secret_make_code(const bus_master_keys *masters, bus_id tenant, bus_id command_id,
                     const char *label, bus_arena *arena)
{
    place   p = place_of(tenant, command_id, label);
    char    text[MADE_BYTES];
    bus_str out;

    make(masters, "shina secret: code", &p, text);
    text[strcspn(text, "=")] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
    out = bus_arena_printf(arena, "%s", text);
    OPENSSL_cleanse(text, sizeof(text));
    return out;
}

bus_str
bus_secret_hash(bus_str secret, bus_arena *arena)
{
    uint8_t  hash[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    char     text[2 * EVP_MAX_MD_SIZE + 1];

    BUS_INVARIANT(EVP_Digest(secret.at, secret.len, hash, &bytes, EVP_sha256(), NULL) == 1);
    for (unsigned i = 0; i < bytes; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
    return bus_arena_printf(arena, "sha256:%s", text);
}
