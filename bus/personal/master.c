/* master.c - parsing the master keys, wrapping with them, proving them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/master_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bus_master_keys {
    struct {
        char    kid[BUS_KID_BYTES];
        uint8_t key[CIPHER_KEY_BYTES];
    } keys[BUS_MASTER_KEYS_MAX];
    int count;
};

#define KEY_BASE64_BYTES 44 /* of 32 bytes */

/* --- parsing ---------------------------------------------------------------------- */

static bool
is_kid(const char *at, size_t len)
{
    if (len == 0 || len >= BUS_KID_BYTES)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

static bool
decode_key(const char *at, size_t len, uint8_t key[CIPHER_KEY_BYTES])
{
    uint8_t bytes[KEY_BASE64_BYTES / 4 * 3];
    bool    right = len == KEY_BASE64_BYTES && at[len - 1] == '=' && at[len - 2] != '=' &&
                 EVP_DecodeBlock(bytes, (const uint8_t *)at, KEY_BASE64_BYTES) == sizeof(bytes);

    if (right)
        memcpy(key, bytes, CIPHER_KEY_BYTES);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return right;
}

static const char *
parse_one(bus_master_keys *masters, const char *at, size_t len)
{
    const char *colon = memchr(at, ':', len);
    size_t      kid_len = colon == NULL ? 0 : (size_t)(colon - at);
    int         n = masters->count;

    if (n == BUS_MASTER_KEYS_MAX)
        return "there are too many";
    if (!is_kid(at, kid_len))
        return "needs a kid of letters, digits, - _ . and a colon before the key";
    if (!decode_key(colon + 1, len - kid_len - 1, masters->keys[n].key))
        return "must be 32 bytes in base64, with its = at the end";
    memcpy(masters->keys[n].kid, at, kid_len);
    for (int i = 0; i < n; i++)
        if (strcmp(masters->keys[i].kid, masters->keys[n].kid) == 0)
            return "has a kid that was there before";
    masters->count++;
    return NULL;
}

bus_code
bus_master_keys_parse(bus_master_keys **out, const char *text, bus_error *err)
{
    bus_master_keys *masters = calloc(1, sizeof(*masters));
    const char      *at = text, *wrong = NULL;

    if (masters == NULL)
        abort();
    for (;;) {
        size_t len = strcspn(at, ",");

        wrong = parse_one(masters, at, len);
        if (wrong != NULL || at[len] == '\0')
            break;
        at += len + 1;
    }
    if (wrong != NULL) {
        int nth = masters->count + 1;

        bus_master_keys_destroy(masters);
        return bus_fail(err, BUS_INVALID, "SHINA_MASTER_KEYS: key %d %s", nth, wrong);
    }
    *out = masters;
    return BUS_OK;
}

void
bus_master_keys_destroy(bus_master_keys *masters)
{
    if (masters == NULL)
        return;
    OPENSSL_cleanse(masters, sizeof(*masters));
    free(masters);
}

int
master_nth(const bus_master_keys *masters, const char *kid)
{
    for (int i = 0; i < masters->count; i++)
        if (strcmp(masters->keys[i].kid, kid) == 0)
            return i;
    return -1;
}

const uint8_t *
master_key(const bus_master_keys *masters, int nth)
{
    return masters->keys[nth].key;
}

const char *
master_kid(const bus_master_keys *masters, int nth)
{
    return masters->keys[nth].kid;
}

/* --- wrapping --------------------------------------------------------------------- */

#define BOUND_BYTES (16 + 16 + BUS_KID_BYTES)

/* What a wrapped key is tied to. */
static void
bound_of(const bus_key_row *row, uint8_t bound[BOUND_BYTES])
{
    memset(bound, 0, BOUND_BYTES);
    memcpy(bound, row->tenant.bytes, 16);
    memcpy(bound + 16, row->subject.bytes, 16);
    memcpy(bound + 32, row->kid, strnlen(row->kid, BUS_KID_BYTES - 1));
}

static void
wrap_by(const bus_master_keys *masters, int nth, cipher *c, const bus_clock *clock,
        const uint8_t key[CIPHER_KEY_BYTES], bus_key_row *row)
{
    uint8_t bound[BOUND_BYTES], nonce[CIPHER_NONCE_BYTES];

    _Static_assert(BUS_WRAPPED_BYTES == CIPHER_KEY_BYTES + CIPHER_EXTRA_BYTES, "a wrapped key");
    memcpy(row->kid, masters->keys[nth].kid, sizeof(row->kid));
    bound_of(row, bound);
    clock->random(clock->context, nonce, sizeof(nonce));
    cipher_seal(c, masters->keys[nth].key, nonce, bound, sizeof(bound), key, CIPHER_KEY_BYTES,
                row->wrapped);
}

void
master_wrap(const bus_master_keys *masters, cipher *c, const bus_clock *clock,
            const uint8_t key[CIPHER_KEY_BYTES], bus_key_row *row)
{
    wrap_by(masters, 0, c, clock, key, row);
}

bus_code
master_unwrap(const bus_master_keys *masters, cipher *c, const bus_key_row *row,
              uint8_t key[CIPHER_KEY_BYTES], bus_error *err)
{
    uint8_t bound[BOUND_BYTES];
    int     nth = master_nth(masters, row->kid);

    if (nth < 0)
        return bus_fail(err, BUS_DENIED,
                        "a key is wrapped by the master key %s, which SHINA_MASTER_KEYS lacks",
                        row->kid);
    bound_of(row, bound);
    if (!cipher_open(c, masters->keys[nth].key, bound, sizeof(bound), row->wrapped,
                     sizeof(row->wrapped), key))
        return bus_fail(err, BUS_FAULT,
                        "a key is damaged, or the master key %s is not the one that wrapped it",
                        row->kid);
    return BUS_OK;
}

/* --- proving ---------------------------------------------------------------------- */

static const uint8_t proof[CIPHER_KEY_BYTES] = "shina: the master key is right";

static bus_code
prove(const bus_master_keys *masters, cipher *c, const bus_master_row *there, bus_error *err)
{
    bus_key_row row = {0};
    uint8_t     opened[CIPHER_KEY_BYTES];

    memcpy(row.kid, there->kid, sizeof(row.kid));
    memcpy(row.wrapped, there->wrapped, sizeof(row.wrapped));
    if (master_unwrap(masters, c, &row, opened, err) != BUS_OK ||
        memcmp(opened, proof, sizeof(proof)) != 0)
        return bus_fail(err, BUS_DENIED,
                        "SHINA_MASTER_KEYS: the key of %s is not the one that this database was "
                        "begun with",
                        row.kid);
    return BUS_OK;
}

/* Those that the store knows: each is ours and right, or nothing needs it. */
static bus_code
check_known(const bus_master_keys *masters, cipher *c, const bus_key_store_ops *ops,
            bus_key_store *ks, bool known[BUS_MASTER_KEYS_MAX], bus_error *err)
{
    bus_arena       arena = {0};
    bus_master_row *rows;
    int             count;
    bus_code        rc = ops->masters(ks, false, &arena, &rows, &count, err);

    for (int i = 0; rc == BUS_OK && i < count; i++) {
        int nth = master_nth(masters, rows[i].kid);

        if (nth >= 0) {
            known[nth] = true;
            rc = prove(masters, c, &rows[i], err);
        } else if (rows[i].used) {
            rc = bus_fail(err, BUS_DENIED,
                          "SHINA_MASTER_KEYS lacks %s: keys in this database are wrapped by it",
                          rows[i].kid);
        }
    }
    bus_arena_fini(&arena);
    return rc;
}

static bus_code
begin_with(const bus_master_keys *masters, int nth, cipher *c, const bus_key_store_ops *ops,
           bus_key_store *ks, bus_error *err)
{
    bus_key_row    wrapped = {0};
    bus_master_row row = {0};
    bus_code       rc;

    wrap_by(masters, nth, c, bus_clock_system(), proof, &wrapped);
    memcpy(row.kid, wrapped.kid, sizeof(row.kid));
    memcpy(row.wrapped, wrapped.wrapped, sizeof(row.wrapped));
    if ((rc = ops->put_master(ks, &row, err)) != BUS_OK)
        return rc;
    return prove(masters, c, &row, err); /* another may have been first */
}

bus_code
bus_master_keys_check(const bus_master_keys *masters, const bus_key_store_ops *ops, const char *url,
                      bool begin, bus_error *err)
{
    bool           known[BUS_MASTER_KEYS_MAX] = {false};
    bus_key_store *ks;
    cipher        *c;
    bus_code       rc = ops->open(&ks, url, "shina keys", err);

    if (rc != BUS_OK)
        return rc;
    c = cipher_create();
    rc = check_known(masters, c, ops, ks, known, err);
    for (int i = 0; rc == BUS_OK && begin && i < masters->count; i++)
        if (!known[i])
            rc = begin_with(masters, i, c, ops, ks, err);
    cipher_destroy(c);
    ops->close(ks);
    return rc;
}
