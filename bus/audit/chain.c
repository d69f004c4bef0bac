/* chain.c - the chain of the audit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/audit/chain.h"
#include "bus/base/error.h"

#include <openssl/evp.h>

static void
hash_of(bus_buf *text, uint8_t out[BUS_AUDIT_HASH_BYTES])
{
    unsigned bytes = 0;

    BUS_INVARIANT(EVP_Digest(text->at, text->len, out, &bytes, EVP_sha256(), NULL) == 1 &&
                  bytes == BUS_AUDIT_HASH_BYTES);
    bus_buf_fini(text);
}

static void
add_value(bus_buf *text, bus_str value)
{
    if (value.at == NULL) {
        bus_buf_add_char(text, '-');
        return;
    }
    bus_buf_add_int(text, value.len);
    bus_buf_add_char(text, ':');
    bus_buf_add_str(text, value);
    bus_buf_add_char(text, ',');
}

void
bus_audit_origin(bus_str salt, bus_str address, bus_str agent, uint8_t origin[BUS_AUDIT_HASH_BYTES])
{
    bus_buf text = {0};

    add_value(&text, salt);
    add_value(&text, address);
    add_value(&text, agent);
    hash_of(&text, origin);
}

void
bus_audit_digest(const bus_audit_row *row, const uint8_t origin[BUS_AUDIT_HASH_BYTES],
                 uint8_t digest[BUS_AUDIT_HASH_BYTES])
{
    const bus_str values[] = {row->at_ms,  row->action, row->outcome, row->code,  row->actor,
                              row->domain, row->type,   row->entity,  row->detail};
    bus_buf       text = {0};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        add_value(&text, values[i]);
    add_value(&text, (bus_str){(const char *)origin, BUS_AUDIT_HASH_BYTES});
    hash_of(&text, digest);
}

void
bus_audit_link(bus_id tenant, int64_t seq, const uint8_t digest[BUS_AUDIT_HASH_BYTES],
               uint8_t hash[BUS_AUDIT_HASH_BYTES])
{
    bus_buf text = {0};
    uint8_t number[8];

    for (int i = 0; i < 8; i++)
        number[i] = (uint8_t)((uint64_t)seq >> (56 - 8 * i));
    bus_buf_add(&text, hash, BUS_AUDIT_HASH_BYTES);
    bus_buf_add(&text, tenant.bytes, sizeof(tenant.bytes));
    bus_buf_add(&text, number, sizeof(number));
    bus_buf_add(&text, digest, BUS_AUDIT_HASH_BYTES);
    hash_of(&text, hash);
}
