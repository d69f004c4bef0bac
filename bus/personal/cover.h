/* cover.h - bytes made unreadable on their way through hands that are not ours, such as a broker
 * that keeps them for a while: by the key of secrets, so every process of a system reads them.
 *
 * Covered are: salt 16, nonce 12, bytes, tag 16 (AES-256-GCM). Each cover has a key of its own,
 * which follows from its salt, and counts its nonces, so none is used twice however many there are.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_COVER_H
#define BUS_PERSONAL_COVER_H

#include "bus/base/clock.h"
#include "bus/base/str.h"
#include "bus/personal/master.h"

#define BUS_COVER_EXTRA_BYTES 44

typedef struct bus_cover bus_cover;

/* Of one process. Borrows masters, which are checked, until destroy. */
bus_cover *bus_cover_create(const bus_master_keys *masters, const bus_clock *clock);
void       bus_cover_destroy(bus_cover *cover); /* wipes; accepts NULL */

/* Appends the covered bytes to out. cover: a bus_cover. */
void bus_cover_put(void *cover, bus_str bytes, bus_buf *out);
/* Appends what was covered, by this or another process. False: damaged, by another system, or
 * nothing of this kind; out is as before. */
bool bus_cover_take(void *cover, bus_str covered, bus_buf *out);

#endif
