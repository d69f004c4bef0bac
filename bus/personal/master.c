/* master.c - parsing the master keys, wrapping with them, proving and changing them.
 * One rule: what was a key once stays one while the process runs, in its place; so whoever has read
 * how many there are may read them without a lock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/master_internal.h"

#include "bus/base/failpoint.h"
#include "bus/log/log.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KNOWN_MAX (4 * BUS_MASTER_KEYS_MAX) /* those of a file that changed again and again */
#define LOOK_US 1000000                     /* at the file, at most so often */

typedef struct {
    char    kid[BUS_KID_BYTES];
    uint8_t key[CIPHER_KEY_BYTES];
} master;

/* What came to be known since it was parsed is behind the pointer, as all have it as const. */
typedef struct {
    master     keys[KNOWN_MAX];
    atomic_int count, first; /* set when what it counts is there; the one that wraps */
    uint8_t    secrets[CIPHER_KEY_BYTES];
    bool       has_secrets;

    pthread_mutex_t lock; /* over what follows, and adding keys */
    char           *path; /* NULL: they came from no file */
    struct stat     read; /* how the file was */
    _Atomic int64_t looked_us;
} known_keys;

struct bus_master_keys {
    known_keys *known;
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
parse_one(master *keys, int *count, const char *at, size_t len)
{
    const char *colon = memchr(at, ':', len);
    size_t      kid_len = colon == NULL ? 0 : (size_t)(colon - at);
    int         n = *count;

    if (n == BUS_MASTER_KEYS_MAX)
        return "there are too many";
    if (!is_kid(at, kid_len))
        return "needs a kid of letters, digits, - _ . and a colon before the key";
    if (!decode_key(colon + 1, len - kid_len - 1, keys[n].key))
        return "must be 32 bytes in base64, with its = at the end";
    memset(keys[n].kid, 0, sizeof(keys[n].kid));
    memcpy(keys[n].kid, at, kid_len);
    for (int i = 0; i < n; i++)
        if (strcmp(keys[i].kid, keys[n].kid) == 0)
            return "has a kid that was there before";
    (*count)++;
    return NULL;
}

static bus_code
parse(const char *text, master keys[BUS_MASTER_KEYS_MAX], int *count, bus_error *err)
{
    const char *at = text, *wrong;

    *count = 0;
    for (;;) {
        size_t len = strcspn(at, ",");

        wrong = parse_one(keys, count, at, len);
        if (wrong != NULL || at[len] == '\0')
            break;
        at += len + 1;
    }
    if (wrong != NULL)
        return bus_fail(err, BUS_INVALID, "SHINA_MASTER_KEYS: key %d %s", *count + 1, wrong);
    return BUS_OK;
}

bus_code
bus_master_keys_parse(bus_master_keys **out, const char *text, bus_error *err)
{
    bus_master_keys *masters = calloc(1, sizeof(*masters));
    known_keys      *known = calloc(1, sizeof(*known));
    int              count;
    bus_code         rc;

    if (masters == NULL || known == NULL || pthread_mutex_init(&known->lock, NULL) != 0)
        abort();
    masters->known = known;
    rc = parse(text, known->keys, &count, err);
    if (rc != BUS_OK) {
        bus_master_keys_destroy(masters);
        return rc;
    }
    atomic_store(&known->count, count);
    *out = masters;
    return BUS_OK;
}

void
bus_master_keys_destroy(bus_master_keys *masters)
{
    if (masters == NULL)
        return;
    (void)pthread_mutex_destroy(&masters->known->lock);
    free(masters->known->path);
    OPENSSL_cleanse(masters->known, sizeof(*masters->known));
    free(masters->known);
    free(masters);
}

static int
find(const known_keys *known, const char *kid)
{
    int count = atomic_load(&known->count);

    for (int i = 0; i < count; i++)
        if (strcmp(known->keys[i].kid, kid) == 0)
            return i;
    return -1;
}

const char *
bus_master_keys_first(const bus_master_keys *masters)
{
    return masters->known->keys[atomic_load(&masters->known->first)].kid;
}

const char *
bus_master_keys_kid(const bus_master_keys *masters, int nth)
{
    return nth < atomic_load(&masters->known->count) ? masters->known->keys[nth].kid : NULL;
}

/* --- a file that changes ------------------------------------------------------------ */

bus_code
bus_master_keys_read(const char *path, char **out, bus_error *err)
{
    char  line[2048] = "";
    FILE *f = fopen(path, "re");

    if (f == NULL || setvbuf(f, NULL, _IONBF, 0) != 0 || fgets(line, sizeof(line), f) == NULL) {
        if (f != NULL)
            (void)fclose(f);
        return bus_fail(err, BUS_DENIED, "cannot read %.150s: %s", path, strerror(errno));
    }
    (void)fclose(f);
    line[strcspn(line, "\r\n")] = '\0';
    *out = strdup(line);
    OPENSSL_cleanse(line, sizeof(line));
    if (*out == NULL)
        abort();
    return BUS_OK;
}

/* The keys that are new take their places behind the others; then the file's first one wraps. */
static bus_code
take_keys(known_keys *known, const master *keys, int count, bus_error *err)
{
    for (int i = 0; i < count; i++) {
        int nth = find(known, keys[i].kid), next = atomic_load(&known->count);

        if (nth >= 0 && CRYPTO_memcmp(known->keys[nth].key, keys[i].key, CIPHER_KEY_BYTES) != 0)
            return bus_fail(err, BUS_DENIED, "%s is another key than before", keys[i].kid);
        if (nth >= 0)
            continue;
        if (next == KNOWN_MAX)
            return bus_fail(err, BUS_FULL, "too many keys in the life of one process");
        known->keys[next] = keys[i];
        atomic_store(&known->count, next + 1);
    }
    atomic_store(&known->first, find(known, keys[0].kid));
    return BUS_OK;
}

static bool
is_as_read(const struct stat *now, const struct stat *read)
{
    return now->st_ino == read->st_ino && now->st_dev == read->st_dev &&
           now->st_size == read->st_size && now->st_mtim.tv_sec == read->st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == read->st_mtim.tv_nsec;
}

/* What is wrong with the file is told once; the keys that are known serve on. */
static void
read_again(known_keys *known)
{
    master      keys[BUS_MASTER_KEYS_MAX];
    struct stat now;
    char       *text = NULL;
    int         count, first = atomic_load(&known->first);
    bus_error   err = {0};
    bus_code    rc;

    if (stat(known->path, &now) != 0 || is_as_read(&now, &known->read))
        return;
    known->read = now;
    rc = bus_master_keys_read(known->path, &text, &err);
    if (rc == BUS_OK)
        rc = parse(text, keys, &count, &err);
    if (rc == BUS_OK)
        rc = take_keys(known, keys, count, &err);
    if (rc != BUS_OK)
        bus_log_warn("keys.not_read", BUS_KV_ERR(&err));
    else if (atomic_load(&known->first) != first)
        bus_log_info("keys.another_wraps", BUS_KV("kid", keys[0].kid));
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
    OPENSSL_cleanse(keys, sizeof(keys));
}

/* at_once: something cannot be done with the keys that are known. */
static void
look(const bus_master_keys *masters, bool at_once)
{
    known_keys *known = masters->known;
    int64_t     now = bus_mono_us(bus_clock_system());

    if (known->path == NULL || (!at_once && now - atomic_load(&known->looked_us) < LOOK_US))
        return;
    (void)pthread_mutex_lock(&known->lock);
    atomic_store(&known->looked_us, now);
    read_again(known);
    (void)pthread_mutex_unlock(&known->lock);
}

void
bus_master_keys_watch(bus_master_keys *masters, const char *path)
{
    masters->known->path = strdup(path);
    if (masters->known->path == NULL)
        abort();
    look(masters, true); /* how it is; what was parsed may be older */
}

/* The number of a kid, which may have come since; -1: there is none. */
static int
nth_of(const bus_master_keys *masters, const char *kid)
{
    int nth = find(masters->known, kid);

    if (nth >= 0)
        return nth;
    look(masters, true);
    return find(masters->known, kid);
}

const uint8_t *
master_secrets(const bus_master_keys *masters, const char **kid)
{
    const known_keys *known = masters->known;
    int               first = atomic_load(&known->first);

    *kid = known->has_secrets ? MASTER_OF_SECRETS : known->keys[first].kid;
    return known->has_secrets ? known->secrets : known->keys[first].key;
}

const uint8_t *
master_secrets_named(const bus_master_keys *masters, const char *kid)
{
    int nth;

    if (strcmp(kid, MASTER_OF_SECRETS) == 0)
        return masters->known->has_secrets ? masters->known->secrets : NULL;
    nth = nth_of(masters, kid);
    return nth < 0 ? NULL : masters->known->keys[nth].key;
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
    memcpy(row->kid, masters->known->keys[nth].kid, sizeof(row->kid));
    bound_of(row, bound);
    clock->random(clock->context, nonce, sizeof(nonce));
    cipher_seal(c, masters->known->keys[nth].key, nonce, bound, sizeof(bound), key,
                CIPHER_KEY_BYTES, row->wrapped);
}

void
master_wrap(const bus_master_keys *masters, cipher *c, const bus_clock *clock,
            const uint8_t key[CIPHER_KEY_BYTES], bus_key_row *row)
{
    look(masters, false);
    wrap_by(masters, atomic_load(&masters->known->first), c, clock, key, row);
}

bus_code
master_unwrap(const bus_master_keys *masters, cipher *c, const bus_key_row *row,
              uint8_t key[CIPHER_KEY_BYTES], bus_error *err)
{
    uint8_t bound[BOUND_BYTES];
    int     nth = nth_of(masters, row->kid);

    if (nth < 0)
        return bus_fail(err, BUS_DENIED,
                        "a key is wrapped by the master key %s, which SHINA_MASTER_KEYS lacks",
                        row->kid);
    bound_of(row, bound);
    if (!cipher_open(c, masters->known->keys[nth].key, bound, sizeof(bound), row->wrapped,
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
            bus_key_store *ks, bool known[KNOWN_MAX], bus_error *err)
{
    bus_arena       arena = {0};
    bus_master_row *rows;
    int             count;
    bus_code        rc = ops->masters(ks, false, &arena, &rows, &count, err);

    for (int i = 0; rc == BUS_OK && i < count; i++) {
        int nth = nth_of(masters, rows[i].kid);

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

/* Secrets have a key of their own, wrapped like those of people, so that what is sealed by it is
 * readable under any later master key. */
static bus_code
find_secrets(bus_master_keys *masters, cipher *c, const bus_key_store_ops *ops, bus_key_store *ks,
             bool begin, bus_error *err)
{
    const bus_clock *clock = bus_clock_system();
    known_keys      *known = masters->known;
    bus_key_row      row = {0}; /* of nobody */
    uint8_t          key[CIPHER_KEY_BYTES];
    bus_code         rc;

    if (begin) {
        clock->random(clock->context, key, sizeof(key));
        master_wrap(masters, c, clock, key, &row);
        OPENSSL_cleanse(key, sizeof(key));
    }
    rc = begin ? ops->put(ks, &row, 1, err) : ops->get(ks, &row, 1, err);
    if (rc != BUS_OK || !row.found)
        return rc;
    rc = master_unwrap(masters, c, &row, known->secrets, err);
    known->has_secrets = rc == BUS_OK;
    return rc;
}

bus_code
bus_master_keys_check(bus_master_keys *masters, const bus_key_store_ops *ops, const char *url,
                      bool begin, bus_error *err)
{
    bool           known[KNOWN_MAX] = {false};
    bus_key_store *ks;
    cipher        *c;
    bus_code       rc = ops->open(&ks, url, "shina keys", NULL, err);

    if (rc != BUS_OK)
        return rc;
    c = cipher_create();
    rc = check_known(masters, c, ops, ks, known, err);
    for (int i = 0; rc == BUS_OK && begin && i < atomic_load(&masters->known->count); i++)
        if (!known[i])
            rc = begin_with(masters, i, c, ops, ks, err);
    if (rc == BUS_OK)
        rc = find_secrets(masters, c, ops, ks, begin, err);
    cipher_destroy(c);
    ops->close(ks);
    return rc;
}

/* --- changing ---------------------------------------------------------------------------- */

#define ROTATED_AT_ONCE 256

static bus_code
rewrap_some(const bus_master_keys *masters, cipher *c, const bus_key_store_ops *ops,
            bus_key_store *ks, const bus_key_row *was, int count, int64_t *done, bus_error *err)
{
    bus_key_row rows[ROTATED_AT_ONCE];
    bus_code    rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < count; i++) {
        uint8_t key[CIPHER_KEY_BYTES];

        rows[i] = (bus_key_row){.tenant = was[i].tenant, .subject = was[i].subject};
        if ((rc = master_unwrap(masters, c, &was[i], key, err)) == BUS_OK)
            master_wrap(masters, c, bus_clock_system(), key, &rows[i]);
        OPENSSL_cleanse(key, sizeof(key));
    }
    if (rc == BUS_OK)
        rc = ops->rewrap(ks, was, rows, count, err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        *done += rows[i].found;
    return rc;
}

bus_code
bus_master_keys_rotate(const bus_master_keys *masters, const bus_key_store_ops *ops,
                       const char *url, void (*told)(void *context, int64_t count), void *context,
                       int64_t *count, bus_error *err)
{
    bus_key_row    was[ROTATED_AT_ONCE];
    bus_key_store *ks;
    cipher        *c;
    int            some = 0;
    bus_code       rc = ops->open(&ks, url, "shina keys", NULL, err);

    *count = 0;
    if (rc != BUS_OK)
        return rc;
    c = cipher_create();
    do {
        some = ROTATED_AT_ONCE;
        rc = ops->wrapped_by_others(ks, bus_master_keys_first(masters), was, &some, err);
        if (rc == BUS_OK && some > 0)
            rc = rewrap_some(masters, c, ops, ks, was, some, count, err);
        if (rc == BUS_OK && some > 0 && told != NULL)
            told(context, *count);
        BUS_FAIL_POINT("keys.rewrapped");
    } while (rc == BUS_OK && some > 0);
    cipher_destroy(c);
    ops->close(ks);
    return rc;
}
