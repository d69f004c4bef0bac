/* SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/auth/cache.h"
#include "api-edge/auth/token.h"
#include "bus/contract/contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_1 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define SECRET_2 "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA"
#define KEYS "k1:" SECRET_1 ",k2:" SECRET_2
#define NOW 1700000000

static const char user[] = "01900000-0000-7000-8000-000000000001";
static const char tenant[] = "01900000-0000-7000-8000-000000000002";
static edge_keys  keys;

static int
set_up(void **state)
{
    bus_error err;

    (void)state;
    return edge_keys_parse(&keys, KEYS, &err) == BUS_OK ? 0 : -1;
}

/* A token with these claims, signed as told; kid NULL: none. */
static char *
sign(const char *claims, const char *kid, jwt_alg_t alg, const edge_key *key)
{
    jwt_t *jwt = NULL;
    char  *token;

    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    if (kid != NULL)
        assert_int_equal(jwt_add_header(jwt, "kid", kid), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, alg == JWT_ALG_NONE ? NULL : key->secret,
                                 alg == JWT_ALG_NONE ? 0 : (int)key->secret_bytes),
                     0);
    token = jwt_encode_str(jwt);
    jwt_free(jwt);
    assert_non_null(token);
    return token;
}

static void
check_denied(char *token, const char *why)
{
    edge_caller caller;
    bus_error   err;

    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_DENIED);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    free(token);
}

static char *
claims_with(const char *rest)
{
    static char text[1024];

    (void)snprintf(text, sizeof(text), "{\"sub\":\"%s\",\"tenant\":\"%s\"%s}", user, tenant, rest);
    return text;
}

#define TIMES ",\"exp\":1700000100,\"iat\":1700000000"

static void
test_made_and_verified(void **state)
{
    edge_token_request request = {
        .roles = "DRIVER,VIEWER", .grants = "finance.read", .now_s = NOW, .ttl_s = 60};
    edge_caller caller;
    bus_error   err;
    char       *token;

    (void)state;
    assert_true(bus_id_parse(bus_str_of(user), &request.user));
    assert_true(bus_id_parse(bus_str_of(tenant), &request.tenant));
    request.driver_id = request.user;
    assert_int_equal(edge_token_make(&token, KEYS, &request, &err), BUS_OK);
    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_OK);
    assert_true(bus_id_equal(caller.tenant, request.tenant));
    assert_true(bus_id_equal(caller.actor.id, request.user));
    assert_true(bus_id_equal(caller.actor.driver_id, request.user));
    assert_int_equal(caller.actor.roles, BUS_ROLE_DRIVER | BUS_ROLE_VIEWER);
    assert_int_equal(caller.actor.grants, BUS_GRANT_FINANCE_READ);
    assert_int_equal(edge_token_verify(&keys, token, NOW + 59, &caller, &err), BUS_OK);
    assert_int_equal(edge_token_verify(&keys, token, NOW + 60, &caller, &err), BUS_DENIED);
    free(token);
    request.roles = "CAPTAIN";
    assert_int_equal(edge_token_make(&token, KEYS, &request, &err), BUS_INVALID);
    request.roles = "";
    assert_int_equal(edge_token_make(&token, KEYS, &request, &err), BUS_INVALID);
}

static void
test_signatures(void **state)
{
    const char *claims = claims_with(",\"roles\":[\"ADMIN\"]" TIMES);
    char       *token;
    edge_caller caller;
    bus_error   err;

    (void)state;
    token = sign(claims, "k2", JWT_ALG_HS256, &keys.keys[1]);
    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_OK);
    token[strlen(token) - 10] = token[strlen(token) - 10] == 'A' ? 'B' : 'A';
    check_denied(token, "signature");
    token = sign(claims, "k1", JWT_ALG_HS256, &keys.keys[0]);
    token[30] = token[30] == 'A' ? 'B' : 'A';
    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_DENIED);
    free(token);
    check_denied(sign(claims, "k1", JWT_ALG_HS256, &keys.keys[1]), "signature");
    check_denied(sign(claims, "k3", JWT_ALG_HS256, &keys.keys[0]), "key");
    check_denied(sign(claims, NULL, JWT_ALG_HS256, &keys.keys[0]), "key");
    check_denied(sign(claims, "k1", JWT_ALG_NONE, NULL), "");
    check_denied(sign(claims, "k1", JWT_ALG_HS512, &keys.keys[0]), "signature");
    check_denied(strdup(""), "key");
    check_denied(strdup("a.b.c"), "key");
    token = malloc(EDGE_TOKEN_BYTES_MAX + 1);
    assert_non_null(token);
    memset(token, 'a', EDGE_TOKEN_BYTES_MAX);
    token[EDGE_TOKEN_BYTES_MAX] = '\0';
    check_denied(token, "too long");
}

static char *
signed_rest(const char *rest)
{
    return sign(claims_with(rest), "k1", JWT_ALG_HS256, &keys.keys[0]);
}

static void
test_claims(void **state)
{
    edge_caller caller;
    bus_error   err;
    char       *token;

    (void)state;
    check_denied(signed_rest(",\"roles\":[\"ADMIN\"],\"exp\":1700000000,\"iat\":1"), "expired");
    check_denied(signed_rest(",\"roles\":[\"ADMIN\"],\"iat\":1"), "exp");
    check_denied(signed_rest(",\"roles\":[\"ADMIN\"],\"exp\":1700000100"), "iat");
    check_denied(signed_rest(",\"roles\":[\"ADMIN\"],\"exp\":\"1700000100\",\"iat\":1"), "exp");
    check_denied(signed_rest(",\"roles\":[\"ADMIN\"],\"nbf\":1700000031" TIMES), "not valid yet");
    check_denied(signed_rest(",\"roles\":[\"ADMIN\"],\"exp\":1700000100,\"iat\":1700000031"),
                 "future");
    check_denied(signed_rest(TIMES), "roles");
    check_denied(signed_rest(",\"roles\":\"ADMIN\"" TIMES), "roles");
    check_denied(signed_rest(",\"roles\":[],\"driver_id\":\"x\"" TIMES), "driver_id");
    check_denied(sign("{\"sub\":\"x\",\"tenant\":\"01900000-0000-7000-8000-000000000002\","
                      "\"roles\":[]" TIMES "}",
                      "k1", JWT_ALG_HS256, &keys.keys[0]),
                 "sub");
    check_denied(sign("{\"sub\":\"01900000-0000-7000-8000-000000000002\",\"roles\":[]" TIMES "}",
                      "k1", JWT_ALG_HS256, &keys.keys[0]),
                 "tenant");
    token = signed_rest(",\"roles\":[\"SERVICE\",\"CAPTAIN\",\"VIEWER\"]" TIMES);
    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_OK);
    assert_int_equal(caller.actor.roles, BUS_ROLE_VIEWER); /* SERVICE is never given */
    free(token);
}

static void
test_keys(void **state)
{
    static const char *const bad[] = {"",
                                      "k1",
                                      "k1:",
                                      ":" SECRET_1,
                                      "k1:c2hvcnQ=",
                                      "k1:!" SECRET_1,
                                      "k 1:" SECRET_1,
                                      "k1:" SECRET_1 ",",
                                      "k1:" SECRET_1 ",k1:" SECRET_2};
    edge_keys                parsed;
    bus_error                err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(edge_keys_parse(&parsed, bad[i], &err), BUS_INVALID);
        assert_null(strstr(err.text, "MDEy")); /* no secret in an error */
    }
    assert_int_equal(edge_keys_parse(&parsed, NULL, &err), BUS_INVALID);
    assert_int_equal(keys.count, 2);
    assert_int_equal(keys.keys[1].secret_bytes, 32);
    assert_memory_equal(keys.keys[1].secret, "fedcba9876543210fedcba9876543210", 32);
}

static void
test_cache(void **state)
{
    edge_token_cache *cache = edge_token_cache_create(&keys);
    char             *token = signed_rest(",\"roles\":[\"ADMIN\"]" TIMES);
    edge_caller       caller;
    bus_error         err;

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(edge_token_cache_verify(cache, token, NOW, &caller, &err), BUS_OK);
    assert_int_equal(caller.actor.roles, BUS_ROLE_ADMIN);
    assert_int_equal(edge_token_cache_verify(cache, token, NOW + 100, &caller, &err), BUS_DENIED);
    token[strlen(token) - 10] = token[strlen(token) - 10] == 'A' ? 'B' : 'A';
    assert_int_equal(edge_token_cache_verify(cache, token, NOW, &caller, &err), BUS_DENIED);
    free(token);
    edge_token_cache_destroy(cache);
}

static void
test_sessions(void **state)
{
    static const char  session[] = "01900000-0000-7000-8000-000000000003";
    edge_token_request request = {.roles = "VIEWER", .now_s = NOW, .ttl_s = 900, .generation = 7};
    edge_caller        caller;
    bus_error          err;
    char              *token;

    (void)state;
    assert_true(bus_id_parse(bus_str_of(user), &request.user) &&
                bus_id_parse(bus_str_of(tenant), &request.tenant) &&
                bus_id_parse(bus_str_of(session), &request.session));
    assert_int_equal(edge_token_make(&token, KEYS, &request, &err), BUS_OK);
    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_OK);
    assert_true(bus_id_equal(caller.session, request.session));
    assert_int_equal(caller.generation, 7);
    free(token);
    request.session = BUS_ID_NIL; /* an operator's */
    assert_int_equal(edge_token_make(&token, KEYS, &request, &err), BUS_OK);
    assert_int_equal(edge_token_verify(&keys, token, NOW, &caller, &err), BUS_OK);
    assert_true(bus_id_is_nil(caller.session));
    free(token);
    check_denied(sign(claims_with(",\"roles\":[]" TIMES ",\"sid\":\"nonsense\",\"gen\":1"), "k1",
                      JWT_ALG_HS256, &keys.keys[0]),
                 "sid and gen");
    check_denied(
        sign(claims_with(",\"roles\":[]" TIMES ",\"sid\":\"01900000-0000-7000-8000-000000000003\""),
             "k1", JWT_ALG_HS256, &keys.keys[0]),
        "sid and gen");
    check_denied(
        sign(claims_with(",\"roles\":[]" TIMES ",\"gen\":1"), "k1", JWT_ALG_HS256, &keys.keys[0]),
        "sid and gen");
}

/* --- RS256 and ES256 ------------------------------------------------------- */

/* "kid:KIND:base64 of PEM" of a new key, and of its public half. */
static void
make_key(EVP_PKEY *pkey, const char *kid_and_kind, bool private_one,
         char out[EDGE_KEY_PEM_BYTES * 2])
{
    BIO  *bio = BIO_new(BIO_s_mem());
    char *pem;
    long  len;
    int   used = snprintf(out, (size_t)EDGE_KEY_PEM_BYTES * 2, "%s:", kid_and_kind);

    assert_int_equal(private_one ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                 : PEM_write_bio_PUBKEY(bio, pkey),
                     1);
    len = BIO_get_mem_data(bio, &pem);
    (void)EVP_EncodeBlock((unsigned char *)out + used, (const unsigned char *)pem, (int)len);
    BIO_free(bio);
}

static char *
make_token(const char *of_keys)
{
    edge_token_request request = {.roles = "VIEWER", .now_s = NOW, .ttl_s = 900};
    char              *token = NULL;
    bus_error          err;

    assert_true(bus_id_parse(bus_str_of(user), &request.user) &&
                bus_id_parse(bus_str_of(tenant), &request.tenant));
    assert_int_equal(edge_token_make(&token, of_keys, &request, &err), BUS_OK);
    return token;
}

/* Is it good by these keys? */
static bool
is_good(const char *by_keys, const char *token)
{
    edge_keys  *parsed = calloc(1, sizeof(*parsed));
    edge_caller caller;
    bus_error   err;
    bool        good;

    assert_non_null(parsed);
    assert_int_equal(edge_keys_parse(parsed, by_keys, &err), BUS_OK);
    good = edge_token_verify(parsed, token, NOW, &caller, &err) == BUS_OK;
    free(parsed);
    return good;
}

static bool
is_refused(const char *entry)
{
    edge_keys *parsed = calloc(1, sizeof(*parsed));
    bus_error  err;
    bool       refused;

    assert_non_null(parsed);
    refused = edge_keys_parse(parsed, entry, &err) == BUS_INVALID;
    free(parsed);
    return refused;
}

static void
check_pair(EVP_PKEY *pkey, EVP_PKEY *other, const char *kind)
{
    static char own[EDGE_KEY_PEM_BYTES * 2], public_one[EDGE_KEY_PEM_BYTES * 2];
    static char others[EDGE_KEY_PEM_BYTES * 2], list[EDGE_KEY_PEM_BYTES * 5];
    char        name[32], *token, *old = make_token(KEYS);

    (void)snprintf(name, sizeof(name), "new:%s", kind);
    make_key(pkey, name, true, own);
    make_key(pkey, name, false, public_one);
    make_key(other, name, true, others);
    token = make_token(own);
    assert_true(is_good(own, token));
    assert_false(is_good(others, token)); /* the same kid */
    assert_false(is_good(KEYS, token));
    /* the overlap: behind the old key, then before it */
    (void)snprintf(list, sizeof(list), "%s,%s", KEYS, public_one);
    assert_true(is_good(list, token) && is_good(list, old));
    (void)snprintf(list, sizeof(list), "%s,%s", own, KEYS);
    assert_true(is_good(list, token) && is_good(list, old));
    assert_false(is_good(own, old));
    assert_true(is_refused(public_one)); /* it does not sign */
    token[strlen(token) - 3] = token[strlen(token) - 3] == 'A' ? 'B' : 'A';
    assert_false(is_good(own, token));
    free(token);
    free(old);
}

static void
test_public_keys(void **state)
{
    EVP_PKEY   *rsa = EVP_RSA_gen(2048), *rsa_2 = EVP_RSA_gen(2048), *small = EVP_RSA_gen(1024);
    EVP_PKEY   *ec = EVP_EC_gen("P-256"), *ec_2 = EVP_EC_gen("P-256"), *curve = EVP_EC_gen("P-384");
    static char text[EDGE_KEY_PEM_BYTES * 2];

    (void)state;
    check_pair(rsa, rsa_2, "RS256");
    check_pair(ec, ec_2, "ES256");
    make_key(small, "k:RS256", true, text);
    assert_true(is_refused(text));
    make_key(curve, "k:ES256", true, text);
    assert_true(is_refused(text));
    make_key(rsa, "k:ES256", true, text);
    assert_true(is_refused(text));
    assert_true(is_refused("k:RS256:" SECRET_1));
    assert_true(is_refused("k:ES256:"));
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(rsa_2);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ec_2);
    EVP_PKEY_free(curve);
}

/* The old trick: the public key, which all may know, as the secret of HS256. */
static void
test_a_public_key_is_no_secret(void **state)
{
    EVP_PKEY   *rsa = EVP_RSA_gen(2048);
    static char own[EDGE_KEY_PEM_BYTES * 2];
    edge_keys  *parsed = calloc(1, sizeof(*parsed));
    edge_key    forged = {.kind = EDGE_KEY_HS256};
    char       *token;
    bus_error   err;

    (void)state;
    assert_non_null(parsed);
    make_key(rsa, "k1:RS256", true, own);
    assert_int_equal(edge_keys_parse(parsed, own, &err), BUS_OK);
    forged.secret_bytes = (uint32_t)strlen(parsed->keys[0].public_pem);
    memcpy(forged.secret, parsed->keys[0].public_pem, forged.secret_bytes);
    token = sign(claims_with(",\"roles\":[\"ADMIN\"]" TIMES), "k1", JWT_ALG_HS256, &forged);
    assert_false(is_good(own, token));
    free(token);
    free(parsed);
    EVP_PKEY_free(rsa);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_and_verified),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_public_keys),
        cmocka_unit_test(test_a_public_key_is_no_secret),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
