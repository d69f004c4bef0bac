/* cipher.c - AES-256-GCM by OpenSSL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/cipher.h"
#include "bus/base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct cipher {
    EVP_CIPHER     *kind;
    EVP_CIPHER_CTX *context;
};

cipher *
cipher_create(void)
{
    cipher *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->kind = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    c->context = EVP_CIPHER_CTX_new();
    BUS_INVARIANT(c->kind != NULL && c->context != NULL);
    return c;
}

void
cipher_destroy(cipher *c)
{
    if (c == NULL)
        return;
    EVP_CIPHER_CTX_free(c->context); /* wipes the key schedule */
    EVP_CIPHER_free(c->kind);
    free(c);
}

/* With a right key, nonce and lengths none of the steps can fail: they are OpenSSL's or our bug. */
void
cipher_seal(cipher *c, const uint8_t key[CIPHER_KEY_BYTES], const uint8_t nonce[CIPHER_NONCE_BYTES],
            const void *bound, size_t bound_bytes, const void *text, size_t len, uint8_t *out)
{
    int      done = 0;
    uint8_t *sealed = out + CIPHER_NONCE_BYTES;

    memcpy(out, nonce, CIPHER_NONCE_BYTES);
    BUS_INVARIANT(EVP_EncryptInit_ex2(c->context, c->kind, key, nonce, NULL) == 1);
    BUS_INVARIANT(EVP_EncryptUpdate(c->context, NULL, &done, bound, (int)bound_bytes) == 1);
    BUS_INVARIANT(EVP_EncryptUpdate(c->context, sealed, &done, text, (int)len) == 1);
    BUS_INVARIANT((size_t)done == len);
    BUS_INVARIANT(EVP_EncryptFinal_ex(c->context, sealed + len, &done) == 1 && done == 0);
    BUS_INVARIANT(EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG_BYTES,
                                      sealed + len) == 1);
}

bool
cipher_open(cipher *c, const uint8_t key[CIPHER_KEY_BYTES], const void *bound, size_t bound_bytes,
            const uint8_t *sealed, size_t sealed_bytes, void *out)
{
    size_t  len = sealed_bytes - CIPHER_EXTRA_BYTES;
    uint8_t tag[CIPHER_TAG_BYTES];
    int     done = 0;

    BUS_INVARIANT(sealed_bytes >= CIPHER_EXTRA_BYTES);
    memcpy(tag, sealed + CIPHER_NONCE_BYTES + len, sizeof(tag));
    if (EVP_DecryptInit_ex2(c->context, c->kind, key, sealed, NULL) == 1 &&
        EVP_DecryptUpdate(c->context, NULL, &done, bound, (int)bound_bytes) == 1 &&
        EVP_DecryptUpdate(c->context, out, &done, sealed + CIPHER_NONCE_BYTES, (int)len) == 1 &&
        EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG_BYTES, tag) == 1 &&
        EVP_DecryptFinal_ex(c->context, (uint8_t *)out + len, &done) == 1)
        return true;
    OPENSSL_cleanse(out, len);
    return false;
}
