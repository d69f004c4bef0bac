/* refresh.c - a refresh token as text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/refresh.h"
#include "bus/base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define PADDED_BYTES ((EDGE_REFRESH_BYTES + 2) / 3 * 4)
#define TEXT_LEN (EDGE_REFRESH_TEXT_BYTES - 1)

_Static_assert(TEXT_LEN == PADDED_BYTES - 2, "112 bytes are padded by two signs");

void
edge_refresh_format(const edge_refresh *token, char out[EDGE_REFRESH_TEXT_BYTES])
{
    uint8_t bytes[EDGE_REFRESH_BYTES];
    char    text[PADDED_BYTES + 1];

    memcpy(bytes, token->tenant.bytes, 16);
    memcpy(bytes + 16, token->session.bytes, 16);
    memcpy(bytes + 32, token->user.bytes, 16);
    memcpy(bytes + 48, token->family, EDGE_REFRESH_SECRET_BYTES);
    memcpy(bytes + 48 + EDGE_REFRESH_SECRET_BYTES, token->own, EDGE_REFRESH_SECRET_BYTES);
    BUS_INVARIANT(EVP_EncodeBlock((uint8_t *)text, bytes, sizeof(bytes)) == PADDED_BYTES);
    for (int i = 0; i < TEXT_LEN; i++)
        out[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    out[TEXT_LEN] = '\0';
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
}

bool
edge_refresh_parse(bus_str text, edge_refresh *out)
{
    uint8_t padded[PADDED_BYTES], bytes[PADDED_BYTES];
    bool    right = text.len == TEXT_LEN;

    for (int i = 0; right && i < TEXT_LEN; i++) {
        char c = text.at[i];

        right = c != '+' && c != '/' && c != '=';
        padded[i] = (uint8_t)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    if (!right)
        return false;
    memset(padded + TEXT_LEN, '=', 2);
    right = EVP_DecodeBlock(bytes, padded, PADDED_BYTES) == PADDED_BYTES / 4 * 3;
    if (right) {
        memcpy(out->tenant.bytes, bytes, 16);
        memcpy(out->session.bytes, bytes + 16, 16);
        memcpy(out->user.bytes, bytes + 32, 16);
        memcpy(out->family, bytes + 48, EDGE_REFRESH_SECRET_BYTES);
        memcpy(out->own, bytes + 48 + EDGE_REFRESH_SECRET_BYTES, EDGE_REFRESH_SECRET_BYTES);
    }
    OPENSSL_cleanse(padded, sizeof(padded));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return right;
}

void
edge_refresh_hex(const uint8_t secret[EDGE_REFRESH_SECRET_BYTES], char out[EDGE_REFRESH_HEX_BYTES])
{
    for (int i = 0; i < EDGE_REFRESH_SECRET_BYTES; i++)
        (void)snprintf(out + (ptrdiff_t)2 * i, 3, "%02x", secret[i]);
}
