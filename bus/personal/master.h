/* master.h - the master keys of the configuration, which wrap the keys of subjects and tenants.
 *
 * "kid:base64,kid:base64": the first one wraps, all of them unwrap, so a key is changed by putting
 * a new one in front. A wrapped key is tied to its tenant, its subject and its kid.
 * Threads: constant once parsed; any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_MASTER_H
#define BUS_PERSONAL_MASTER_H

#include "bus/personal/key_store.h"

#define BUS_MASTER_KEYS_MAX 8

typedef struct bus_master_keys bus_master_keys;

/* Copies text. BUS_INVALID: says which part of it is wrong, never what it is. */
BUS_CHECKED bus_code bus_master_keys_parse(bus_master_keys **out, const char *text, bus_error *err);
void                 bus_master_keys_destroy(bus_master_keys *masters); /* wipes; accepts NULL */

/* Proves at start that they are the keys which the store was begun with. begin: of a kid that it
 * has not seen the store remembers a value wrapped by it; else nothing is written. BUS_DENIED: a
 * kid with another key, or keys in the store that none of these unwraps. */
BUS_CHECKED bus_code bus_master_keys_check(const bus_master_keys   *masters,
                                           const bus_key_store_ops *ops, const char *url,
                                           bool begin, bus_error *err);

#endif
