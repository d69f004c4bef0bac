/* token.h - bearer tokens: JWT, HS256, RS256 or ES256, with a key id; made and verified.
 *
 * Claims: sub (user, UUID), tenant (UUID), roles (array of names), exp, iat; optional nbf,
 * grants (array of names), driver_id (UUID), and together sid (session, UUID) and gen (the user's
 * generation at its log-in): a token without them is an operator's. Unknown roles and grants are
 * passed over; SERVICE is never given by a token. Threads: keys are constant after edge_keys_parse;
 * making and verifying from any thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_AUTH_TOKEN_H
#define API_EDGE_AUTH_TOKEN_H

#include "bus/base/error.h"
#include "bus/base/id.h"
#include "bus/base/str.h"
#include "bus/envelope/envelope.h"

#define EDGE_TOKEN_BYTES_MAX 4096
#define EDGE_KEYS_MAX 16
#define EDGE_KEY_ID_BYTES 64
#define EDGE_KEY_BYTES_MIN 32 /* RFC 7518 3.2: as long as the hash */
#define EDGE_KEY_BYTES_MAX 256
#define EDGE_KEY_RSA_BITS_MIN 2048 /* RFC 7518 3.3 */
#define EDGE_KEY_PEM_BYTES 3584    /* with a NUL; RSA of 4096 bits, private, fits */
#define EDGE_CLOCK_SKEW_S 30       /* nbf and iat may be so far ahead of our clock */

typedef enum { EDGE_KEY_HS256, EDGE_KEY_RS256, EDGE_KEY_ES256 } edge_key_kind;

/* secret: HS256: the bytes. Else the private key in PEM, of secret_bytes with its NUL; 0: there is
 * only the public one, which verifies and does not sign. */
typedef struct {
    char          id[EDGE_KEY_ID_BYTES];
    edge_key_kind kind;
    uint8_t       secret[EDGE_KEY_PEM_BYTES];
    uint32_t      secret_bytes;
    char          public_pem[EDGE_KEY_PEM_BYTES]; /* not of HS256 */
} edge_key;

typedef struct {
    edge_key keys[EDGE_KEYS_MAX];
    int      count;
} edge_keys;

/* "kid1:base64secret,kid2:ES256:base64pem,kid3:RS256:base64pem"; base64 or base64url. A PEM is a
 * private key, or a public one. The first key signs, all verify: a key is changed by putting the
 * new one behind it at all edges, then in front, then leaving out the old one when its tokens have
 * expired. A token is good by the kind of its key alone, whatever its header says.
 * BUS_INVALID: err tells which entry is wrong, never what is in it. */
BUS_CHECKED bus_code edge_keys_parse(edge_keys *out, const char *text, bus_error *err);

typedef struct {
    bus_id      tenant, user;
    bus_id      driver_id;    /* nil: not a driver */
    const char *roles;        /* names joined by commas, "ADMIN,DISPATCHER"; must all be known */
    const char *grants;       /* likewise, or NULL */
    int64_t     now_s, ttl_s; /* ttl_s at least 1 */
    bus_id      session;      /* nil: of no session */
    int64_t     generation;   /* with a session, at least 1 */
} edge_token_request;

/* Makes a token signed with the first key of `keys` (the text of the configuration). The caller
 * frees *out with free(). BUS_INVALID: bad keys, an unknown role or grant, a bad ttl. */
BUS_CHECKED bus_code edge_token_make(char **out, const char *keys,
                                     const edge_token_request *request, bus_error *err);

/* Who calls, out of a verified token. */
typedef struct {
    bus_actor actor;
    bus_id    tenant;
    int64_t   expires_at_s, not_before_s;
    bus_id    session;    /* nil: an operator's token */
    int64_t   generation; /* of the user, as the session has it */
} edge_caller;

/* BUS_DENIED: not a token of ours, or not now; err says why, for the log and the caller. */
BUS_CHECKED bus_code edge_token_verify(const edge_keys *keys, const char *token, int64_t now_s,
                                       edge_caller *out, bus_error *err);

#endif
