/* token.c - JWTs over libjwt, which checks neither times nor the algorithm: that is done here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/token.h"
#include "bus/contract/contract.h"

#include <jansson.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* --- keys ---------------------------------------------------------------- */

/* base64 or base64url, padded or not, to bytes; false: it is neither, or too long. */
static bool
decode_base64(bus_str text, uint8_t *out, uint32_t room, uint32_t *bytes)
{
    char          padded[EDGE_KEY_PEM_BYTES * 4 / 3 + 8];
    unsigned char decoded[sizeof(padded)];
    uint32_t      len = text.len;
    int           count;

    while (len > 0 && text.at[len - 1] == '=')
        len--;
    if (len == 0 || len % 4 == 1 || len + 4 > sizeof(padded))
        return false;
    for (uint32_t i = 0; i < len; i++) {
        char c = text.at[i];

        padded[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    *bytes = len / 4 * 3 + (len % 4 > 0 ? len % 4 - 1 : 0);
    while (len % 4 != 0)
        padded[len++] = '=';
    count = EVP_DecodeBlock(decoded, (const unsigned char *)padded, (int)len);
    if (count < 0 || *bytes > room)
        return false;
    memcpy(out, decoded, *bytes);
    return true;
}

static bool
is_key_id(bus_str id)
{
    if (id.len == 0 || id.len >= EDGE_KEY_ID_BYTES)
        return false;
    for (uint32_t i = 0; i < id.len; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~' || id.at[i] == '"' || id.at[i] == '\\')
            return false;
    return true;
}

static const edge_key *
find_key(const edge_keys *keys, const char *id)
{
    for (int i = 0; i < keys->count; i++)
        if (strcmp(keys->keys[i].id, id) == 0)
            return &keys->keys[i];
    return NULL;
}

/* The PEM of the public half; 0: it does not fit. */
static bool
write_public(EVP_PKEY *pkey, char out[EDGE_KEY_PEM_BYTES])
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool fits = bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1;
    int  len = fits ? BIO_read(bio, out, EDGE_KEY_PEM_BYTES - 1) : 0;

    out[len > 0 ? len : 0] = '\0';
    fits = fits && len > 0 && BIO_pending(bio) == 0;
    BIO_free(bio);
    return fits;
}

static bool
is_of_kind(EVP_PKEY *pkey, edge_key_kind kind)
{
    char curve[32] = "";

    if (kind == EDGE_KEY_RS256)
        return EVP_PKEY_is_a(pkey, "RSA") == 1 && EVP_PKEY_get_bits(pkey) >= EDGE_KEY_RSA_BITS_MIN;
    return EVP_PKEY_is_a(pkey, "EC") == 1 &&
           EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) == 1 &&
           strcmp(curve, "prime256v1") == 0;
}

/* key->secret holds a PEM: private, or public. */
static bool
take_pem(edge_key *key)
{
    char      none[] = ""; /* the passphrase: nobody is asked for one */
    BIO      *bio = BIO_new_mem_buf(key->secret, (int)key->secret_bytes);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, none);
    bool      right;

    key->secret[key->secret_bytes++] = '\0';
    if (pkey == NULL) {
        BIO_free(bio);
        bio = BIO_new_mem_buf(key->secret, (int)key->secret_bytes - 1);
        pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
        key->secret_bytes = 0;
    }
    right = pkey != NULL && is_of_kind(pkey, key->kind) && write_public(pkey, key->public_pem);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    return right;
}

/* What stands before the key: a kind, or nothing, which is HS256. */
static bus_str
take_kind(edge_key *key, bus_str text)
{
    static const struct {
        const char   *name;
        edge_key_kind kind;
    } kinds[] = {
        {"HS256:", EDGE_KEY_HS256}, {"RS256:", EDGE_KEY_RS256}, {"ES256:", EDGE_KEY_ES256}};

    key->kind = EDGE_KEY_HS256;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (text.len > 6 && memcmp(text.at, kinds[i].name, 6) == 0) {
            key->kind = kinds[i].kind;
            return (bus_str){text.at + 6, text.len - 6};
        }
    return text;
}

static bus_code
take_key(edge_key *key, int number, bus_str text, bus_error *err)
{
    uint32_t room = key->kind == EDGE_KEY_HS256 ? EDGE_KEY_BYTES_MAX : EDGE_KEY_PEM_BYTES - 1;

    if (!decode_base64(text, key->secret, room, &key->secret_bytes))
        return bus_fail(err, BUS_INVALID,
                        "SHINA_JWT_KEYS: key %d: the secret is not base64 or too long", number);
    if (key->kind == EDGE_KEY_HS256 && key->secret_bytes < EDGE_KEY_BYTES_MIN)
        return bus_fail(err, BUS_INVALID,
                        "SHINA_JWT_KEYS: key %d: the secret has less than %d bytes", number,
                        EDGE_KEY_BYTES_MIN);
    if (key->kind != EDGE_KEY_HS256 && !take_pem(key))
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: key %d is no PEM of %s", number,
                        key->kind == EDGE_KEY_RS256 ? "an RSA key of 2048 bits or more"
                                                    : "a key of the curve P-256");
    return BUS_OK;
}

static bus_code
parse_key(edge_keys *out, bus_str entry, bus_error *err)
{
    const char *colon = memchr(entry.at, ':', entry.len);
    edge_key   *key = &out->keys[out->count];
    bus_str     id;
    bus_code    rc;

    if (out->count == EDGE_KEYS_MAX)
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: more than %d keys", EDGE_KEYS_MAX);
    if (colon == NULL)
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: key %d is not id:secret",
                        out->count + 1);
    id = (bus_str){entry.at, (uint32_t)(colon - entry.at)};
    if (!is_key_id(id))
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: key %d has a bad id", out->count + 1);
    rc = take_key(key, out->count + 1, take_kind(key, (bus_str){colon + 1, entry.len - id.len - 1}),
                  err);
    if (rc != BUS_OK)
        return rc;
    bus_str_store(key->id, sizeof(key->id), id);
    if (find_key(out, key->id) != NULL)
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: key %d repeats an id", out->count + 1);
    if (out->count == 0 && key->secret_bytes == 0)
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: key 1 signs: it must be a private one");
    out->count++;
    return BUS_OK;
}

static jwt_alg_t
algorithm_of(const edge_key *key)
{
    switch (key->kind) {
    case EDGE_KEY_HS256: return JWT_ALG_HS256;
    case EDGE_KEY_RS256: return JWT_ALG_RS256;
    case EDGE_KEY_ES256: return JWT_ALG_ES256;
    }
    BUS_UNREACHABLE();
}

bus_code
edge_keys_parse(edge_keys *out, const char *text, bus_error *err)
{
    const char *at = text;

    memset(out, 0, sizeof(*out));
    if (text == NULL || *text == '\0')
        return bus_fail(err, BUS_INVALID, "SHINA_JWT_KEYS: there is no key");
    for (;;) {
        size_t   len = strcspn(at, ",");
        bus_code rc = parse_key(out, (bus_str){at, (uint32_t)len}, err);

        if (rc != BUS_OK)
            return rc;
        at += len;
        if (*at == '\0')
            return BUS_OK;
        at++;
    }
}

/* --- making -------------------------------------------------------------- */

/* "A,B" to ["A","B"], each known to parse. NULL: one is not. */
static json_t *
names_of(const char *text, uint32_t (*parse)(bus_str name))
{
    json_t *names = json_array();

    while (text != NULL && *text != '\0') {
        size_t  len = strcspn(text, ",");
        bus_str name = {text, (uint32_t)len};

        if (parse(name) == 0 || json_array_append_new(names, json_stringn(text, len)) != 0) {
            json_decref(names);
            return NULL;
        }
        text += len;
        if (*text == ',')
            text++;
    }
    return names;
}

static void
add_session(json_t *claims, const edge_token_request *request)
{
    char session[BUS_ID_TEXT_BYTES];

    if (bus_id_is_nil(request->session))
        return;
    BUS_INVARIANT(
        json_object_set_new(claims, "sid", json_string(bus_id_format(request->session, session))) ==
            0 &&
        json_object_set_new(claims, "gen", json_integer((json_int_t)request->generation)) == 0);
}

static json_t *
claims_of(const edge_token_request *request, bus_error *err)
{
    char    user[BUS_ID_TEXT_BYTES], tenant[BUS_ID_TEXT_BYTES], driver[BUS_ID_TEXT_BYTES];
    json_t *roles = names_of(request->roles, bus_role_parse);
    json_t *grants = names_of(request->grants, bus_grant_parse);
    json_t *claims = NULL;

    if (roles == NULL || json_array_size(roles) == 0)
        (void)bus_fail(err, BUS_INVALID, "no role, or an unknown one");
    else if (grants == NULL)
        (void)bus_fail(err, BUS_INVALID, "an unknown grant");
    else if (request->ttl_s < 1)
        (void)bus_fail(err, BUS_INVALID, "a token must live at least a second");
    else
        claims = json_pack(
            "{s:s, s:s, s:O, s:O, s:I, s:I}", "sub", bus_id_format(request->user, user), "tenant",
            bus_id_format(request->tenant, tenant), "roles", roles, "grants", grants, "iat",
            (json_int_t)request->now_s, "exp", (json_int_t)(request->now_s + request->ttl_s));
    if (claims != NULL && !bus_id_is_nil(request->driver_id))
        BUS_INVARIANT(json_object_set_new(claims, "driver_id",
                                          json_string(bus_id_format(request->driver_id, driver))) ==
                      0);
    if (claims != NULL)
        add_session(claims, request);
    json_decref(roles);
    json_decref(grants);
    return claims;
}

bus_code
edge_token_make(char **out, const char *keys_text, const edge_token_request *request,
                bus_error *err)
{
    edge_keys keys;
    jwt_t    *jwt = NULL;
    json_t   *claims = NULL;
    char     *text = NULL, *token = NULL;
    bus_code  rc;

    if ((rc = edge_keys_parse(&keys, keys_text, err)) != BUS_OK)
        goto done;
    if ((claims = claims_of(request, err)) == NULL) {
        rc = err->code;
        goto done;
    }
    text = json_dumps(claims, JSON_COMPACT);
    if (text == NULL || jwt_new(&jwt) != 0 || jwt_add_grants_json(jwt, text) != 0 ||
        jwt_add_header(jwt, "kid", keys.keys[0].id) != 0 ||
        jwt_set_alg(jwt, algorithm_of(&keys.keys[0]), keys.keys[0].secret,
                    (int)keys.keys[0].secret_bytes) != 0 ||
        (token = jwt_encode_str(jwt)) == NULL) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "the token could not be signed");
        goto done;
    }
    *out = token;

done:
    jwt_free(jwt);
    free(text);
    json_decref(claims);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return rc;
}

/* --- verifying ----------------------------------------------------------- */

static uint32_t
bits_of(const json_t *names, uint32_t (*parse)(bus_str name))
{
    uint32_t bits = 0;
    size_t   i;
    json_t  *name;

    json_array_foreach(names, i, name) if (json_is_string(name)) bits |=
        parse((bus_str){json_string_value(name), (uint32_t)json_string_length(name)});
    return bits;
}

static bool
id_of(const json_t *claims, const char *name, bus_id *out)
{
    const json_t *value = json_object_get(claims, name);

    return json_is_string(value) &&
           bus_id_parse((bus_str){json_string_value(value), (uint32_t)json_string_length(value)},
                        out) &&
           !bus_id_is_nil(*out);
}

static bus_code
check_times(const json_t *claims, int64_t now_s, edge_caller *out, bus_error *err)
{
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    const json_t *iat = json_object_get(claims, "iat");

    if (!json_is_integer(exp) || !json_is_integer(iat) || (nbf != NULL && !json_is_integer(nbf)))
        return bus_fail(err, BUS_DENIED, "the token needs exp and iat as whole numbers");
    if (json_integer_value(exp) <= now_s)
        return bus_fail(err, BUS_DENIED, "the token has expired");
    if (nbf != NULL && json_integer_value(nbf) > now_s + EDGE_CLOCK_SKEW_S)
        return bus_fail(err, BUS_DENIED, "the token is not valid yet");
    if (json_integer_value(iat) > now_s + EDGE_CLOCK_SKEW_S)
        return bus_fail(err, BUS_DENIED, "the token was issued in the future");
    out->expires_at_s = json_integer_value(exp);
    out->not_before_s = nbf == NULL ? json_integer_value(iat) : json_integer_value(nbf);
    return BUS_OK;
}

/* False: half of it is there, or it is wrong. */
static bool
read_session(const json_t *claims, edge_caller *out)
{
    const json_t *session = json_object_get(claims, "sid");
    const json_t *generation = json_object_get(claims, "gen");

    if (session == NULL && generation == NULL)
        return true;
    out->generation = json_integer_value(generation);
    return out->generation >= 1 && id_of(claims, "sid", &out->session);
}

static bus_code
read_claims(const json_t *claims, int64_t now_s, edge_caller *out, bus_error *err)
{
    const json_t *roles = json_object_get(claims, "roles");
    const json_t *grants = json_object_get(claims, "grants");
    bus_code      rc;

    if ((rc = check_times(claims, now_s, out, err)) != BUS_OK)
        return rc;
    if (!id_of(claims, "sub", &out->actor.id))
        return bus_fail(err, BUS_DENIED, "the token needs sub, a UUID");
    if (!id_of(claims, "tenant", &out->tenant))
        return bus_fail(err, BUS_DENIED, "the token needs tenant, a UUID");
    if (!json_is_array(roles) || (grants != NULL && !json_is_array(grants)))
        return bus_fail(err, BUS_DENIED, "the token needs roles, an array");
    if (json_object_get(claims, "driver_id") != NULL &&
        !id_of(claims, "driver_id", &out->actor.driver_id))
        return bus_fail(err, BUS_DENIED, "the token's driver_id is not a UUID");
    if (!read_session(claims, out))
        return bus_fail(err, BUS_DENIED, "the token needs sid and gen, or neither");
    out->actor.roles = bits_of(roles, bus_role_parse) & ~(uint32_t)BUS_ROLE_SERVICE;
    out->actor.grants = grants == NULL ? 0 : bits_of(grants, bus_grant_parse);
    return BUS_OK;
}

/* The key that the token names. Nothing else of an unverified token is looked at. */
static const edge_key *
key_named_by(const edge_keys *keys, const char *token)
{
    const edge_key *key = NULL;
    jwt_t          *jwt = NULL;
    const char     *kid;

    if (jwt_decode(&jwt, token, NULL, 0) == 0 && (kid = jwt_get_header(jwt, "kid")) != NULL)
        key = find_key(keys, kid);
    jwt_free(jwt);
    return key;
}

static int
decode_by(const edge_key *key, const char *token, jwt_t **out)
{
    if (key->kind == EDGE_KEY_HS256)
        return jwt_decode(out, token, key->secret, (int)key->secret_bytes);
    return jwt_decode(out, token, (const unsigned char *)key->public_pem,
                      (int)strlen(key->public_pem));
}

bus_code
edge_token_verify(const edge_keys *keys, const char *token, int64_t now_s, edge_caller *out,
                  bus_error *err)
{
    const edge_key *key;
    jwt_t          *jwt = NULL;
    char           *text = NULL;
    json_t         *claims = NULL;
    bus_code        rc;

    *out = (edge_caller){.expires_at_s = 0};
    if (strnlen(token, EDGE_TOKEN_BYTES_MAX) == EDGE_TOKEN_BYTES_MAX)
        return bus_fail(err, BUS_DENIED, "the token is too long");
    key = key_named_by(keys, token);
    if (key == NULL)
        return bus_fail(err, BUS_DENIED, "the token names no key of ours");
    /* A header may name another algorithm, one that takes a public key for a secret: it is told
     * apart after the signature, before anything is believed. */
    if (decode_by(key, token, &jwt) != 0 || jwt_get_alg(jwt) != algorithm_of(key)) {
        rc = bus_fail(err, BUS_DENIED, "the token's signature is wrong");
        goto done;
    }
    text = jwt_get_grants_json(jwt, NULL);
    claims = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(claims)) {
        rc = bus_fail(err, BUS_DENIED, "the token's claims are not an object");
        goto done;
    }
    rc = read_claims(claims, now_s, out, err);

done:
    json_decref(claims);
    free(text);
    jwt_free(jwt);
    return rc;
}
