/* keys.c - a bounded cache of opened keys over the key store.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
keys_init(key_ring *ring, const bus_personal_options *options)
{
    *ring = (key_ring){.options = *options, .url = strdup(options->url)};
    if (ring->url == NULL)
        abort();
    (void)snprintf(ring->application, sizeof(ring->application), "%s",
                   options->application == NULL ? "shina keys" : options->application);
    (void)snprintf(ring->role, sizeof(ring->role), "%s",
                   options->role == NULL ? "" : options->role);
    if (ring->options.keys_max == 0)
        ring->options.keys_max = BUS_PERSONAL_KEYS_MAX;
    ring->cipher = cipher_create();
}

static void
drop(key_ring *ring, held_key *k)
{
    HASH_DEL(ring->held, k);
    OPENSSL_cleanse(k, sizeof(*k));
    free(k);
}

void
keys_fini(key_ring *ring)
{
    held_key *k, *next;

    HASH_ITER(hh, ring->held, k, next) { drop(ring, k); }
    if (ring->store != NULL)
        ring->options.store->close(ring->store);
    cipher_destroy(ring->cipher);
    bus_arena_fini(&ring->arena);
    free(ring->url);
}

/* --- what is at hand ---------------------------------------------------------------- */

static held_key *
find(const key_ring *ring, bus_subject of)
{
    held_key *k;

    HASH_FIND(hh, ring->held, &of, sizeof(of), k);
    return k;
}

/* It may have been deleted meanwhile. */
static bool
is_fresh(const key_ring *ring, const held_key *k)
{
    return bus_mono_us(ring->options.clock) - k->at_us < BUS_PERSONAL_TTL_MS * INT64_C(1000);
}

/* The oldest go; what is left of the bound belongs to the next call. */
static void
trim(key_ring *ring)
{
    held_key *k, *next;

    HASH_ITER(hh, ring->held, k, next)
    {
        if ((int)HASH_COUNT(ring->held) <= ring->options.keys_max && is_fresh(ring, k))
            return;
        drop(ring, k);
    }
}

/* Tells two keys of one subject apart without telling anything of either. */
static void
mark_of(const uint8_t key[CIPHER_KEY_BYTES], uint8_t mark[KEY_MARK_BYTES])
{
    static const unsigned char text[] = "shina: mark of a key";
    uint8_t                    full[EVP_MAX_MD_SIZE];
    unsigned                   len = 0;

    BUS_INVARIANT(HMAC(EVP_sha256(), key, CIPHER_KEY_BYTES, text, sizeof(text) - 1, full, &len) !=
                  NULL);
    memcpy(mark, full, KEY_MARK_BYTES);
}

static bus_code
hold(key_ring *ring, const bus_key_row *row, bus_error *err)
{
    bus_subject of = {row->tenant, row->subject};
    held_key   *k = find(ring, of);
    bus_code    rc = BUS_OK;

    if (k != NULL)
        drop(ring, k);
    k = calloc(1, sizeof(*k));
    if (k == NULL)
        abort();
    k->of = of;
    k->at_us = bus_mono_us(ring->options.clock);
    k->there = row->found;
    k->forgotten = row->forgotten;
    if (row->found)
        rc = master_unwrap(ring->options.masters, ring->cipher, row, k->key, err);
    if (rc != BUS_OK) {
        OPENSSL_cleanse(k, sizeof(*k));
        free(k);
        return rc;
    }
    if (row->found)
        mark_of(k->key, k->mark);
    HASH_ADD(hh, ring->held, of, sizeof(k->of), k);
    return BUS_OK;
}

/* --- the store ------------------------------------------------------------------------ */

static void
new_key(const key_ring *ring, bus_key_row *row)
{
    uint8_t key[CIPHER_KEY_BYTES];

    ring->options.clock->random(ring->options.clock->context, key, sizeof(key));
    master_wrap(ring->options.masters, ring->cipher, ring->options.clock, key, row);
    OPENSSL_cleanse(key, sizeof(key));
}

/* Whatever is wrong with the store: the same call may go well later. */
static bus_code
unreachable(bus_error *err)
{
    char text[sizeof(err->text)];

    memcpy(text, err->text, sizeof(text));
    return bus_fail(err, BUS_UNAVAILABLE, "the keys of personal data: %.200s", text);
}

static bus_code
ask_store(key_ring *ring, bus_key_row *rows, int count, bool make, bus_error *err)
{
    const bus_key_store_ops *ops = ring->options.store;
    bus_code                 rc = BUS_OK;

    if (count == 0)
        return BUS_OK;
    if (ring->store == NULL)
        rc = ops->open(&ring->store, ring->url, ring->application,
                       ring->role[0] == '\0' ? NULL : ring->role, err);
    if (rc == BUS_OK)
        rc = make ? ops->put(ring->store, rows, count, err)
                  : ops->get(ring->store, rows, count, err);
    if (rc != BUS_OK)
        return unreachable(err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        rc = hold(ring, &rows[i], err);
    return rc;
}

static int
compare_subjects(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(bus_subject));
}

bus_code
keys_prepare(key_ring *ring, const bus_subject *subjects, int count, bool make, bus_error *err)
{
    bus_subject *wanted;
    bus_key_row *rows;
    int          wanted_count = 0, rows_count = 0;

    trim(ring);
    if (count == 0)
        return BUS_OK;
    bus_arena_reset(&ring->arena);
    wanted = BUS_ARENA_ARRAY(&ring->arena, bus_subject, (size_t)count);
    for (int i = 0; i < count; i++) {
        const held_key *k = find(ring, subjects[i]);

        if (k == NULL || !is_fresh(ring, k) || (make && !k->there && !k->forgotten))
            wanted[wanted_count++] = subjects[i];
    }
    qsort(wanted, (size_t)wanted_count, sizeof(*wanted), compare_subjects);
    rows = BUS_ARENA_ARRAY(&ring->arena, bus_key_row, (size_t)wanted_count + 1);
    for (int i = 0; i < wanted_count; i++) {
        if (i > 0 && compare_subjects(&wanted[i - 1], &wanted[i]) == 0)
            continue;
        rows[rows_count].tenant = wanted[i].tenant;
        rows[rows_count].subject = wanted[i].subject;
        if (make)
            new_key(ring, &rows[rows_count]);
        rows_count++;
    }
    return ask_store(ring, rows, rows_count, make, err);
}

bus_code
keys_to_seal(key_ring *ring, bus_subject of, const held_key **out, bus_error *err)
{
    bus_code rc;

    *out = find(ring, of);
    if (*out != NULL && (*out)->there && is_fresh(ring, *out))
        return BUS_OK;
    if ((rc = keys_prepare(ring, &of, 1, true, err)) != BUS_OK)
        return rc;
    *out = find(ring, of);
    BUS_INVARIANT(*out != NULL && ((*out)->there || (*out)->forgotten));
    if (!(*out)->there)
        *out = NULL;
    return BUS_OK;
}

bus_code
keys_forget(key_ring *ring, bus_subject of, bus_error *err)
{
    const bus_key_store_ops *ops = ring->options.store;
    held_key                *k = find(ring, of);
    bus_code                 rc = BUS_OK;

    if (k != NULL)
        drop(ring, k);
    if (ring->store == NULL)
        rc = ops->open(&ring->store, ring->url, ring->application,
                       ring->role[0] == '\0' ? NULL : ring->role, err);
    if (rc == BUS_OK)
        rc = ops->forget(ring->store, of.tenant, of.subject, err);
    return rc == BUS_OK ? BUS_OK : unreachable(err);
}

bus_code
keys_there(key_ring *ring, bus_subject of, const held_key **out, bus_error *err)
{
    const held_key *k;
    bus_code        rc = keys_prepare(ring, &of, 1, false, err);

    if (rc != BUS_OK)
        return rc;
    k = find(ring, of);
    BUS_INVARIANT(k != NULL);
    *out = k->there ? k : NULL;
    return BUS_OK;
}

/* Is it known, from having looked after the value was there, whether this very key exists? */
static bool
is_known(const key_ring *ring, const held_key *k, const uint8_t mark[KEY_MARK_BYTES])
{
    if (k == NULL || !is_fresh(ring, k))
        return false;
    if (k->there && memcmp(k->mark, mark, KEY_MARK_BYTES) == 0)
        return true;
    return k->missed_known && memcmp(k->missed, mark, KEY_MARK_BYTES) == 0;
}

bus_code
keys_to_open(key_ring *ring, bus_subject of, const uint8_t mark[KEY_MARK_BYTES],
             const held_key **out, bus_error *err)
{
    held_key *k = find(ring, of);
    bus_code  rc;

    if (!is_known(ring, k, mark)) {
        bus_key_row row = {.tenant = of.tenant, .subject = of.subject};

        trim(ring);
        if ((rc = ask_store(ring, &row, 1, false, err)) != BUS_OK)
            return rc;
        k = find(ring, of);
        BUS_INVARIANT(k != NULL);
    }
    if (k->there && memcmp(k->mark, mark, KEY_MARK_BYTES) == 0) {
        *out = k;
        return BUS_OK;
    }
    memcpy(k->missed, mark, KEY_MARK_BYTES);
    k->missed_known = true;
    *out = NULL;
    return BUS_OK;
}
