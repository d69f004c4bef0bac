/* totp.h - one-time passwords by time (RFC 6238): SHA-1, 6 digits, 30 seconds, as authenticator
 * programs know them. Internal.
 * Threads: any, after edge_totp_start; pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_TOTP_H
#define API_EDGE_LOGIN_TOTP_H

#include "bus/base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define EDGE_TOTP_STEP_S 30
#define EDGE_TOTP_SECRET_BYTES 20 /* RFC 4226 4: 160 bits */
#define EDGE_TOTP_TEXT_BYTES 33   /* in base32, with a NUL */
#define EDGE_TOTP_URI_BYTES 512

/* Once, before the others. */
BUS_CHECKED bus_code edge_totp_start(bus_error *err);

/* A secret as a person may type it. */
void edge_totp_format(const uint8_t secret[EDGE_TOTP_SECRET_BYTES], char out[EDGE_TOTP_TEXT_BYTES]);
/* "otpauth://totp/...", which programs read as a QR code. account: at most 64 of its characters
 * that need no quoting are in it. */
void edge_totp_uri(const char *secret, const char *account, char out[EDGE_TOTP_URI_BYTES]);
/* Is it the password of that time, or of the step before or after it? *step tells of which. */
bool edge_totp_check(const char *secret, const char *password, int64_t now_s, int64_t *step);

#endif
