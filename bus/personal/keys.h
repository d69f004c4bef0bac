/* keys.h - the keys at hand: fetched, made, opened, kept for a while, wiped.
 * Private to bus/personal. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_KEYS_H
#define BUS_PERSONAL_KEYS_H

#include "bus/personal/master_internal.h"
#include "bus/personal/personal.h"

#include <uthash.h>

#define KEY_MARK_BYTES 8 /* tells a key from one that was made for the subject after it */

typedef struct {
    bus_subject    of; /* subject nil: the tenant's own */
    bool           there;
    bool           forgotten; /* not there, and none is made */
    uint8_t        key[CIPHER_KEY_BYTES], mark[KEY_MARK_BYTES];
    bool           missed_known;           /* missed is set: */
    uint8_t        missed[KEY_MARK_BYTES]; /* the mark that was last looked for in vain */
    int64_t        at_us;                  /* when it was read, monotonic */
    UT_hash_handle hh;                     /* in order of reading */
} held_key;

typedef struct {
    bus_personal_options options;
    bus_key_store       *store; /* NULL: connect before the next call */
    char                *url, application[64], role[64];
    cipher              *cipher;
    held_key            *held;  /* uthash */
    bus_arena            arena; /* of one call */
} key_ring;

void keys_init(key_ring *ring, const bus_personal_options *options);
void keys_fini(key_ring *ring);

/* As bus_personal_prepare. */
BUS_CHECKED bus_code keys_prepare(key_ring *ring, const bus_subject *subjects, int count, bool make,
                                  bus_error *err);
/* The subject's key; made if it does not exist. *out NULL: it is forgotten. The entry lives until
 * the next call. */
BUS_CHECKED bus_code keys_to_seal(key_ring *ring, bus_subject of, const held_key **out,
                                  bus_error *err);
/* The subject's key. *out NULL: there is none. */
BUS_CHECKED bus_code keys_there(key_ring *ring, bus_subject of, const held_key **out,
                                bus_error *err);
/* Deletes the subject's key for good. */
BUS_CHECKED bus_code keys_forget(key_ring *ring, bus_subject of, bus_error *err);
/* The key with that mark. *out NULL: it is gone. */
BUS_CHECKED bus_code keys_to_open(key_ring *ring, bus_subject of,
                                  const uint8_t mark[KEY_MARK_BYTES], const held_key **out,
                                  bus_error *err);

#endif
