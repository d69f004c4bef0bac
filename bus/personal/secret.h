/* secret.h - secrets that shina itself has to use later: keys of webhooks, passwords of others.
 *
 * They are sealed before they get onto the bus, so commands, log, views and topics only ever hold
 * "sec:1:<kid>:<base64 of nonce 12, text, tag 16>" (AES-256-GCM), tied to tenant, stream and label.
 * The key is the store's own for secrets, kid "@", which lies there wrapped by a master key
 * (bus_master_keys_check): so a change of the master key leaves what is in the log readable. Where
 * there is none, as in keys that were never checked, it is the first master key. Whoever has to use
 * one opens it. Sealing is deterministic (its nonce follows from the text and its place), so that a
 * repeated command is the same command; two equal secrets look alike only in the same place.
 * Threads: any; all of it pure computation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_SECRET_H
#define BUS_PERSONAL_SECRET_H

#include "bus/base/arena.h"
#include "bus/contract/shape.h"
#include "bus/personal/master.h"

/* secret: BUS_SECRET_MIN to BUS_SECRET_MAX bytes (BUS_INVARIANT). At most BUS_SEALED_SECRET_MAX
 * come out. */
bus_str bus_secret_seal(const bus_master_keys *masters, bus_id tenant, bus_id stream,
                        const char *label, bus_str secret, bus_arena *arena);
/* BUS_DENIED: its master key is not configured. BUS_FAULT: damaged, or of another place. */
BUS_CHECKED bus_code bus_secret_open(const bus_master_keys *masters, bus_id tenant, bus_id stream,
                                     const char *label, bus_str sealed, bus_arena *arena,
                                     bus_str *out, bus_error *err);
/* A new one, "whsec_" and 32 bytes in base64. The same for the same command, so that a repeat is
 * told the same; to others as good as random. */
bus_str bus_secret_make(const bus_master_keys *masters, bus_id tenant, bus_id command_id,
                        const char *label, bus_arena *arena);

/* Of a secret that is only ever compared: "sha256:" and 64 hexadecimal digits. Only for secrets of
 * chance, which nobody can guess one after the other: never for passwords. */
bus_str bus_secret_hash(bus_str secret, bus_arena *arena);
/* A new one for that: 32 bytes in base64url, fit for addresses. As bus_secret_make. */
bus_str bus_secret_make_code(const bus_master_keys *masters, bus_id tenant, bus_id command_id,
                             const char *label, bus_arena *arena);

#endif
