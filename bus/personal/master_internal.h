/* master_internal.h - wrapping. Private to bus/personal.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_MASTER_INTERNAL_H
#define BUS_PERSONAL_MASTER_INTERNAL_H

#include "bus/base/clock.h"
#include "bus/personal/cipher.h"
#include "bus/personal/master.h"

/* Fills kid and wrapped of the row, which names tenant and subject. */
void master_wrap(const bus_master_keys *masters, cipher *c, const bus_clock *clock,
                 const uint8_t key[CIPHER_KEY_BYTES], bus_key_row *row);
/* BUS_DENIED: its kid is not among the masters. BUS_FAULT: wrapped by something else. */
BUS_CHECKED bus_code master_unwrap(const bus_master_keys *masters, cipher *c,
                                   const bus_key_row *row, uint8_t key[CIPHER_KEY_BYTES],
                                   bus_error *err);

/* The key by which secrets are sealed from now on, and its name; the key of such a name, NULL: it
 * is not here. They are valid as long as masters. */
#define MASTER_OF_SECRETS "@" /* no kid has this */
const uint8_t *master_secrets(const bus_master_keys *masters, const char **kid);
const uint8_t *master_secrets_named(const bus_master_keys *masters, const char *kid);

#endif
