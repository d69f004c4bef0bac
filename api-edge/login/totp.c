/* totp.c - one-time passwords over liboath.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/totp.h"

#include <liboath/oath.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 1 /* steps before and after: clocks of phones */
#define ACCOUNT_BYTES 65

bus_code
edge_totp_start(bus_error *err)
{
    int rc = oath_init();

    return rc == OATH_OK ? BUS_OK
                         : bus_fail(err, BUS_UNAVAILABLE, "liboath: %s", oath_strerror(rc));
}

void
edge_totp_format(const uint8_t secret[EDGE_TOTP_SECRET_BYTES], char out[EDGE_TOTP_TEXT_BYTES])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 6 */
    uint32_t          bits = 0;
    int               have = 0, used = 0;

    for (int i = 0; i < EDGE_TOTP_SECRET_BYTES; i++) {
        bits = (bits << 8 | secret[i]) & 0xfff;
        for (have += 8; have >= 5; have -= 5)
            out[used++] = letters[bits >> (have - 5) & 31];
    }
    out[used] = '\0';
}

void
edge_totp_uri(const char *secret, const char *account, char out[EDGE_TOTP_URI_BYTES])
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@.-_";
    char name[ACCOUNT_BYTES];
    int  used = 0;

    for (const char *c = account; *c != '\0' && used < ACCOUNT_BYTES - 1; c++)
        if (strchr(plain, *c) != NULL)
            name[used++] = *c;
    name[used] = '\0';
    (void)snprintf(
        out, EDGE_TOTP_URI_BYTES,
        "otpauth://totp/shina:%s?secret=%s&issuer=shina&algorithm=SHA1&digits=6&period=%d", name,
        secret, EDGE_TOTP_STEP_S);
}

bool
edge_totp_check(const char *secret, const char *password, int64_t now_s, int64_t *step)
{
    char  *bytes = NULL;
    size_t len = 0;
    int    offset = 0, rc;

    if (strlen(password) != 6 || strspn(password, "0123456789") != 6 ||
        oath_base32_decode(secret, strlen(secret), &bytes, &len) != OATH_OK)
        return false;
    rc = oath_totp_validate2(bytes, len, (time_t)now_s, EDGE_TOTP_STEP_S, 0, WINDOW, &offset,
                             password);
    OPENSSL_cleanse(bytes, len);
    free(bytes);
    if (rc < 0)
        return false;
    *step = now_s / EDGE_TOTP_STEP_S + offset;
    return true;
}
