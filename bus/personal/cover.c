/* cover.c - bytes made unreadable on their way.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/cover.h"
#include "bus/personal/master_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SALT_BYTES 16

_Static_assert(BUS_COVER_EXTRA_BYTES == SALT_BYTES + CIPHER_EXTRA_BYTES, "what a cover adds");

struct bus_cover {
    const bus_master_keys *masters;
    uint8_t                salt[SALT_BYTES], key[CIPHER_KEY_BYTES];
    _Atomic uint64_t       used; /* nonces */
};

static void
key_of(const bus_master_keys *masters, const uint8_t salt[SALT_BYTES],
       uint8_t key[CIPHER_KEY_BYTES])
{
    static const char purpose[] = "shina cover";
    uint8_t           text[sizeof(purpose) + SALT_BYTES];
    const char       *kid;
    unsigned          bytes = CIPHER_KEY_BYTES;

    memcpy(text, purpose, sizeof(purpose));
    memcpy(text + sizeof(purpose), salt, SALT_BYTES);
    BUS_INVARIANT(HMAC(EVP_sha256(), master_secrets(masters, &kid), CIPHER_KEY_BYTES, text,
                       sizeof(text), key, &bytes) != NULL &&
                  bytes == CIPHER_KEY_BYTES);
}

bus_cover *
bus_cover_create(const bus_master_keys *masters, const bus_clock *clock)
{
    bus_cover *cover = calloc(1, sizeof(*cover));

    if (cover == NULL)
        abort();
    cover->masters = masters;
    clock->random(clock->context, cover->salt, sizeof(cover->salt));
    key_of(masters, cover->salt, cover->key);
    return cover;
}

void
bus_cover_destroy(bus_cover *cover)
{
    if (cover == NULL)
        return;
    OPENSSL_cleanse(cover->key, sizeof(cover->key));
    free(cover);
}

void
bus_cover_put(void *context, bus_str bytes, bus_buf *out)
{
    bus_cover *cover = context;
    uint64_t   number = atomic_fetch_add(&cover->used, 1);
    uint8_t    nonce[CIPHER_NONCE_BYTES] = {0};
    uint8_t   *sealed = malloc((size_t)bytes.len + CIPHER_EXTRA_BYTES);
    cipher    *c = cipher_create();

    if (sealed == NULL)
        abort();
    memcpy(nonce, &number, sizeof(number));
    cipher_seal(c, cover->key, nonce, cover->salt, SALT_BYTES, bytes.at, bytes.len, sealed);
    cipher_destroy(c);
    bus_buf_add(out, (const char *)cover->salt, SALT_BYTES);
    bus_buf_add(out, (const char *)sealed, (size_t)bytes.len + CIPHER_EXTRA_BYTES);
    free(sealed);
}

bool
bus_cover_take(void *context, bus_str covered, bus_buf *out)
{
    const bus_cover *cover = context;
    const uint8_t   *at = (const uint8_t *)covered.at;
    uint8_t          key[CIPHER_KEY_BYTES], *bytes;
    size_t           len = covered.len;
    cipher          *c;
    bool             opened;

    if (len < BUS_COVER_EXTRA_BYTES)
        return false;
    bytes = malloc(len);
    if (bytes == NULL)
        abort();
    key_of(cover->masters, at, key);
    c = cipher_create();
    opened = cipher_open(c, key, at, SALT_BYTES, at + SALT_BYTES, len - SALT_BYTES, bytes);
    cipher_destroy(c);
    OPENSSL_cleanse(key, sizeof(key));
    if (opened)
        bus_buf_add(out, (const char *)bytes, len - BUS_COVER_EXTRA_BYTES);
    free(bytes);
    return opened;
}
