/* key_store.h - where the keys of personal data lie, wrapped. They are not the log: when a key is
 * forgotten, all that was encrypted with it is unreadable for ever.
 *
 * One ops struct, two implementations (memory, postgres), one conformance test. What a store holds
 * is of no use without the master keys (bus/personal/master.h): it never sees a key in clear.
 * All calls block; each is durable when it returns. Threads: one bus_key_store per thread.
 * Failures: BUS_UNAVAILABLE and whatever else the world does; a repeat is harmless.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_KEY_STORE_H
#define BUS_PERSONAL_KEY_STORE_H

#include "bus/base/arena.h"
#include "bus/base/error.h"
#include "bus/base/id.h"

#define BUS_KID_BYTES 33     /* a master key's name, up to 32 bytes, and a NUL */
#define BUS_WRAPPED_BYTES 60 /* nonce 12, key 32, tag 16 */

typedef struct bus_key_store bus_key_store;

/* A wrapped key of a subject; subject nil: the tenant's own, for claims; tenant nil, too: that of
 * secrets (bus/personal/secret.h). */
typedef struct {
    bus_id  tenant, subject;
    bool    found;     /* out */
    bool    forgotten; /* out: there was one, or never will be */
    char    kid[BUS_KID_BYTES];
    uint8_t wrapped[BUS_WRAPPED_BYTES];
} bus_key_row;

/* What proves a master key to be the one that this store was begun with. */
typedef struct {
    char    kid[BUS_KID_BYTES];
    uint8_t wrapped[BUS_WRAPPED_BYTES];
    bool    used; /* out: keys that it has wrapped are there */
    int64_t keys; /* out: so many, if they were to be counted */
} bus_master_row;

typedef struct bus_key_store_ops {
    const char *name;

    /* url: postgres: libpq URL; memory: names a shared store in this process. role: as of
     * bus_store_options. */
    BUS_CHECKED bus_code (*open)(bus_key_store **out, const char *url, const char *application,
                                 const char *role, bus_error *err);
    void (*close)(bus_key_store *ks);

    /* Looks the rows up by tenant and subject: found, forgotten, kid and wrapped are filled in. */
    BUS_CHECKED bus_code (*get)(bus_key_store *ks, bus_key_row *rows, int count, bus_error *err);
    /* Adds those that are not there, then looks all of them up: what came out is what everybody
     * uses, whoever of several processes was first. What is forgotten stays so: not found. No two
     * rows of one key. */
    BUS_CHECKED bus_code (*put)(bus_key_store *ks, bus_key_row *rows, int count, bus_error *err);

    /* Deletes the subject's key for good, whether there was one or not, and remembers that: no put
     * makes another. A tenant's own key cannot be forgotten (BUS_INVARIANT). */
    BUS_CHECKED bus_code (*forget)(bus_key_store *ks, bus_id tenant, bus_id subject,
                                   bus_error *err);

    /* The next keys that another master than kid has wrapped, those of tenants first, at most
     * *count; *count 0: there are none. In no order that may be built on. */
    BUS_CHECKED bus_code (*wrapped_by_others)(bus_key_store *ks, const char *kid, bus_key_row *rows,
                                              int *count, bus_error *err);
    /* Puts rows in the place of what they were read as, all of them or none: but not where that
     * stands there no more. found: it was put there. */
    BUS_CHECKED bus_code (*rewrap)(bus_key_store *ks, const bus_key_row *was, bus_key_row *rows,
                                   int count, bus_error *err);

    /* Adds the master's row if it is not there; comes back as it stands. used and keys are left
     * alone. */
    BUS_CHECKED bus_code (*put_master)(bus_key_store *ks, bus_master_row *row, bus_error *err);
    /* All masters, by kid. counted: how many keys each has wrapped, which reads all of them. */
    BUS_CHECKED bus_code (*masters)(bus_key_store *ks, bool counted, bus_arena *arena,
                                    bus_master_row **out, int *count, bus_error *err);
    /* Takes a master's row away. BUS_CONFLICT: there are keys that it has wrapped. */
    BUS_CHECKED bus_code (*drop_master)(bus_key_store *ks, const char *kid, bus_error *err);
} bus_key_store_ops;

extern const bus_key_store_ops bus_key_store_memory;
extern const bus_key_store_ops bus_key_store_postgres;

#endif
