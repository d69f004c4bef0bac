/* cipher.h - AES-256-GCM with a random nonce before and the tag behind: nonce 12, text, tag 16.
 * Private to bus/personal. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_CIPHER_H
#define BUS_PERSONAL_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY_BYTES 32
#define CIPHER_NONCE_BYTES 12
#define CIPHER_TAG_BYTES 16
#define CIPHER_EXTRA_BYTES (CIPHER_NONCE_BYTES + CIPHER_TAG_BYTES)

/* Threads: one at a time. */
typedef struct cipher cipher;

cipher *cipher_create(void);       /* aborts without memory or without AES-256-GCM */
void    cipher_destroy(cipher *c); /* accepts NULL */

/* out has room for len + CIPHER_EXTRA_BYTES. bound: what the text is tied to; it is not stored. */
void cipher_seal(cipher *c, const uint8_t key[CIPHER_KEY_BYTES],
                 const uint8_t nonce[CIPHER_NONCE_BYTES], const void *bound, size_t bound_bytes,
                 const void *text, size_t len, uint8_t *out);
/* sealed_bytes >= CIPHER_EXTRA_BYTES; out has room for the rest. False: another key, tied to
 * something else, or damaged; out is wiped. */
bool cipher_open(cipher *c, const uint8_t key[CIPHER_KEY_BYTES], const void *bound,
                 size_t bound_bytes, const uint8_t *sealed, size_t sealed_bytes, void *out);

#endif
