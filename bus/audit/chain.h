/* chain.h - the chain of the audit: what is hashed, byte by byte.
 *
 * Each tenant has a chain of rows, numbered 1, 2, 3... A row's hash is SHA-256 of the hash of the
 * row before it (of the first: 32 zero bytes), the tenant's 16 bytes, its number (8 bytes, big end
 * first) and the row's digest. The digest is SHA-256 of the row's values, each as
 * "<bytes>:<value>," and "-" where there is none. Where somebody came from is in it only as its
 * origin, a salted hash: so address and user agent can be erased, and the chain holds. The function
 * audit.note() of the database links in the same way; this is a format, it never changes. Threads:
 * any; all is pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_AUDIT_CHAIN_H
#define BUS_AUDIT_CHAIN_H

#include "bus/base/id.h"
#include "bus/base/str.h"

#define BUS_AUDIT_HASH_BYTES 32

/* What a row says, as text; {NULL, 0}: there is none. Ids are in lower case, numbers decimal. */
typedef struct {
    bus_str at_ms, action, outcome, code, actor, domain, type, entity, detail;
} bus_audit_row;

/* Of salt, address and user agent. */
void bus_audit_origin(bus_str salt, bus_str address, bus_str agent,
                      uint8_t origin[BUS_AUDIT_HASH_BYTES]);
void bus_audit_digest(const bus_audit_row *row, const uint8_t origin[BUS_AUDIT_HASH_BYTES],
                      uint8_t digest[BUS_AUDIT_HASH_BYTES]);
/* hash: that of the row before goes in, that of this row comes out. */
void bus_audit_link(bus_id tenant, int64_t seq, const uint8_t digest[BUS_AUDIT_HASH_BYTES],
                    uint8_t hash[BUS_AUDIT_HASH_BYTES]);

#endif
