/* refresh.h - a refresh token as text. Internal.
 *
 * base64url, without padding, of tenant, session and user (16 bytes each) and two secrets of 32
 * bytes: the family's, which all tokens of a session share, and the token's own. The ids only say
 * where to look; whether it is good the session alone knows (services/users/session.c).
 * Threads: any; pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_REFRESH_H
#define API_EDGE_LOGIN_REFRESH_H

#include "bus/base/id.h"
#include "bus/base/str.h"

#include <stdbool.h>

#define EDGE_REFRESH_SECRET_BYTES 32
#define EDGE_REFRESH_BYTES (3 * 16 + 2 * EDGE_REFRESH_SECRET_BYTES)
#define EDGE_REFRESH_TEXT_BYTES 151 /* with a NUL */

typedef struct {
    bus_id  tenant, session, user;
    uint8_t family[EDGE_REFRESH_SECRET_BYTES], own[EDGE_REFRESH_SECRET_BYTES];
} edge_refresh;

void edge_refresh_format(const edge_refresh *token, char out[EDGE_REFRESH_TEXT_BYTES]);
/* False: it is none of ours. */
bool edge_refresh_parse(bus_str text, edge_refresh *out);

/* A secret as commands carry it: 64 hexadecimal digits and a NUL. */
#define EDGE_REFRESH_HEX_BYTES (2 * EDGE_REFRESH_SECRET_BYTES + 1)
void edge_refresh_hex(const uint8_t secret[EDGE_REFRESH_SECRET_BYTES],
                      char          out[EDGE_REFRESH_HEX_BYTES]);

#endif
