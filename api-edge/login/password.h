/* password.h - passwords: which may be used, and their bcrypt hashes. Internal.
 *
 * Hashing is slow on purpose (some tenths of a second): for threads of libuv's pool only.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_PASSWORD_H
#define API_EDGE_LOGIN_PASSWORD_H

#include "bus/base/error.h"
#include "bus/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define EDGE_PASSWORD_BYTES_MAX 72 /* bcrypt looks at no more */
#define EDGE_PASSWORD_HASH_BYTES 64
#define EDGE_PASSWORD_SALT_BYTES 16

/* What is against a new password. */
typedef enum {
    EDGE_PASSWORD_FINE,
    EDGE_PASSWORD_SHORT,  /* less than chars_min characters (not bytes) */
    EDGE_PASSWORD_LONG,   /* more than EDGE_PASSWORD_BYTES_MAX bytes, or a NUL is in it */
    EDGE_PASSWORD_COMMON, /* a word of cracklib's dictionary, or made of one, or of the e-mail */
    EDGE_PASSWORD_UNKNOWN /* the dictionary cannot be read: nobody can tell */
} edge_password_fault;
/* password: UTF-8. email: whose it will be, or NULL. Reads the dictionary of the package
 * cracklib-runtime. */
edge_password_fault edge_password_check(bus_str password, int chars_min, const char *email);

/* "$2b$12$..." of a password that is fine. cost: 4 to 31, each doubles the time.
 * BUS_FAULT: libcrypt does not do it. */
BUS_CHECKED bus_code edge_password_hash(const char *password, int cost,
                                        const uint8_t salt[EDGE_PASSWORD_SALT_BYTES],
                                        char out[EDGE_PASSWORD_HASH_BYTES], bus_error *err);
/* Is it the password of this hash? One that is longer than may be is not. hash NULL: there is none,
 * which is false. It takes as long as a hash of that cost, whatever is wrong, and if that of the
 * hash is lower, too. */
bool edge_password_is(const char *password, const char *hash, int cost);

#endif
