/* master.h - the master keys of the configuration, which wrap the keys of subjects and tenants.
 *
 * "kid:base64,kid:base64": the first one wraps, all of them unwrap, so a key is changed by putting
 * a new one in front. A wrapped key is tied to its tenant, its subject and its kid.
 * Keys that came from a file are read from there again when it has changed, so a process that runs
 * goes on through a rotation; none is forgotten before the process ends.
 * Threads: any, once parsed and checked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_MASTER_H
#define BUS_PERSONAL_MASTER_H

#include "bus/personal/key_store.h"

#define BUS_MASTER_KEYS_MAX 8

typedef struct bus_master_keys bus_master_keys;

/* Copies text. BUS_INVALID: says which part of it is wrong, never what it is. */
BUS_CHECKED bus_code bus_master_keys_parse(bus_master_keys **out, const char *text, bus_error *err);
void                 bus_master_keys_destroy(bus_master_keys *masters); /* wipes; accepts NULL */

/* The text of keys in a file, one line, which the caller wipes and frees. BUS_DENIED: it cannot be
 * read. */
BUS_CHECKED bus_code bus_master_keys_read(const char *path, char **out, bus_error *err);
/* They came from that file: looks now and then, and when a kid is met that is not among them,
 * whether it has changed. To be called before other threads know the keys. */
void bus_master_keys_watch(bus_master_keys *masters, const char *path);

/* Proves at start that they are the keys which the store was begun with. begin: of a kid that it
 * has not seen the store remembers a value wrapped by it; else nothing is written. Also finds the
 * store's key of secrets (bus/personal/secret.h), or makes it. To be called before other threads
 * know the keys. BUS_DENIED: a kid with another key, or keys in the store that none of these
 * unwraps. */
BUS_CHECKED bus_code bus_master_keys_check(bus_master_keys *masters, const bus_key_store_ops *ops,
                                           const char *url, bool begin, bus_error *err);

/* Wraps all keys of the store by the first master key, some in each transaction: stopped or killed,
 * it goes on with the next run. Works beside processes that run; what those wrap meanwhile by a
 * key that is not the first any more is found as well. told: how many so far; may be NULL. *count:
 * how many in all. As the calls of the store; BUS_DENIED: a master key is lacking. */
BUS_CHECKED bus_code bus_master_keys_rotate(const bus_master_keys   *masters,
                                            const bus_key_store_ops *ops, const char *url,
                                            void (*told)(void *context, int64_t count),
                                            void *context, int64_t *count, bus_error *err);

/* The name of the one that wraps; of the nth in its order of coming, NULL: there are no more. */
const char *bus_master_keys_first(const bus_master_keys *masters);
const char *bus_master_keys_kid(const bus_master_keys *masters, int nth);

#endif
