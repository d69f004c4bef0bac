/* personal.h - personal members (x-personal) encrypted and read again.
 *
 * In the log, in sends and in topics a personal string stands as
 *     enc:1:<subject>:<base64 of key's mark 8, nonce 12, text, tag 16>
 * by AES-256-GCM under the key of (tenant, subject), which the key store holds wrapped by a master
 * key. It is tied to tenant, subject and the member's name: in another place it does not open. When
 * the subject is forgotten its key is gone: the value reads as the tombstone, the empty string, and
 * what would be encrypted for it from then on becomes one.
 * Opened keys are kept for some seconds, a bounded number of them, and wiped; so a deleted key
 * stops working a few seconds later.
 * Threads: one bus_personal per thread.
 * Failures of all calls: BUS_UNAVAILABLE (the key store is out of reach; nothing of the call has
 * an effect), BUS_DENIED (a master key is lacking), BUS_FAULT (what is there is damaged, stands in
 * the wrong place, or is in clear). Errors never hold a personal value.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_PERSONAL_H
#define BUS_PERSONAL_PERSONAL_H

#include "bus/base/clock.h"
#include "bus/contract/codec.h"
#include "bus/contract/contract.h"
#include "bus/personal/key_store.h"
#include "bus/personal/master.h"

#define BUS_PERSONAL_TTL_MS 5000   /* an opened key is used so long before it is read anew */
#define BUS_PERSONAL_KEYS_MAX 8192 /* ... and so many are kept between two calls of prepare */

typedef struct bus_personal bus_personal;

/* Borrowed until bus_personal_destroy, but url, application and role, which are copied. */
typedef struct {
    const bus_key_store_ops *store;
    const char              *url; /* keys always lie in the default database */
    const char              *application;
    const char              *role; /* as of bus_store_options; may be NULL */
    const bus_master_keys   *masters;
    const bus_clock         *clock;
    int                      keys_max; /* 0: BUS_PERSONAL_KEYS_MAX */
} bus_personal_options;

/* Connects when it is first needed. */
bus_personal *bus_personal_create(const bus_personal_options *options);
void          bus_personal_destroy(bus_personal *p); /* wipes its keys; accepts NULL */

typedef struct {
    bus_id tenant, subject;
} bus_subject;

/* Fetches keys that will be needed soon, all that are not at hand in one call, instead of one by
 * one. make: those that do not exist are made, and are durable when it returns: to be called
 * before sealing. Repetitions among the subjects are fine. */
BUS_CHECKED bus_code bus_personal_prepare(bus_personal *p, const bus_subject *subjects, int count,
                                          bool make, bus_error *err);

/* Deletes the subject's key for good; durable when it returns, and no key of it is made any more. A
 * repeat is harmless. Elsewhere the key may be at hand for BUS_PERSONAL_TTL_MS more. */
BUS_CHECKED bus_code bus_personal_forget(bus_personal *p, bus_id tenant, bus_id subject,
                                         bus_error *err);

/* Subjects of a value's personal members: what to prepare. Zero is empty; items lie in the arena.
 */
typedef struct {
    bus_subject *items;
    int          count, room;
} bus_subjects;
void bus_subjects_add(bus_subjects *list, bus_id tenant, bus_id subject, bus_arena *arena);
void bus_subjects_of(bus_subjects *list, bus_id tenant, bus_id stream, const bus_shape *shape,
                     void *value, bus_arena *arena);

/* Encrypts every personal member of the value, in place: their text lies in the arena then. An
 * empty string, a tombstone, stays one. */
BUS_CHECKED bus_code bus_personal_seal(bus_personal *p, bus_id tenant, bus_id stream,
                                       const bus_shape *shape, void *value, bus_arena *arena,
                                       bus_error *err);
/* Decrypts them, in place: the other way. */
BUS_CHECKED bus_code bus_personal_open(bus_personal *p, bus_id tenant, bus_id stream,
                                       const bus_shape *shape, void *value, bus_arena *arena,
                                       bus_error *err);

/* An event's data as it stands in the log, as a struct in the newest version: decoded, opened, and
 * upcast (bus/contract/upcast.h). *type as bus_event_decode. BUS_FAULT also when it breaks its
 * contract. p may be NULL for what has no personal members. */
BUS_CHECKED bus_code bus_personal_event(bus_personal *p, bus_id tenant, bus_id stream,
                                        const bus_message **type, bus_str json, bus_arena *arena,
                                        void **data, bus_error *err);
BUS_CHECKED bus_code bus_personal_event_json(bus_personal *p, bus_id tenant, bus_id stream,
                                             const bus_message **type, const json_t *value,
                                             bus_arena *arena, void **data, bus_error *err);

/* The data of an event as it stands in the log, as JSON with its personal members in clear, or
 * tombstones: for feeds and webhooks. Data without personal members comes back as it is; p may be
 * NULL then. BUS_FAULT also when it does not fit the message's contract. */
BUS_CHECKED bus_code bus_personal_open_data(bus_personal *p, bus_id tenant, bus_id stream,
                                            const bus_message *message, bus_str data,
                                            bus_arena *arena, bus_str *out, bus_error *err);

/* Any bytes that belong to one subject, such as a snapshot: mark, nonce, bytes, tag. label ties
 * them to their place, at most 128 bytes. BUS_NOT_FOUND: there is no such key (any more); none is
 * made for this, or what was forgotten would come back. */
BUS_CHECKED bus_code bus_personal_seal_bytes(bus_personal *p, bus_id tenant, bus_id subject,
                                             const char *label, bus_str bytes, bus_arena *arena,
                                             bus_str *out, bus_error *err);
BUS_CHECKED bus_code bus_personal_open_bytes(bus_personal *p, bus_id tenant, bus_id subject,
                                             const char *label, bus_str sealed, bus_arena *arena,
                                             bus_str *out, bus_error *err);

/* What a claim on a personal value holds instead of it: "hmac:1:<hex>", HMAC-SHA-256 of kind and
 * value under a key of the tenant, which is made at the first time and never changes. */
BUS_CHECKED bus_code bus_personal_claim(bus_personal *p, bus_id tenant, const char *kind,
                                        bus_str value, bus_arena *arena, bus_str *out,
                                        bus_error *err);

#endif
