/* cursor.c - opaque places in a sorted list.
 * Bytes: checksum (8), is null (1), id (16), value.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/cursor.h"
#include "bus/base/error.h"

#include <string.h>

#define HEAD_BYTES 25
#define BYTES_MAX (HEAD_BYTES + EDGE_CURSOR_VALUE_MAX)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static uint64_t
checksum(const uint8_t *bytes, size_t len, uint64_t binding)
{
    uint64_t hash[2] = {binding, bus_fnv1a64(bytes + 8, len - 8)};

    return bus_fnv1a64(hash, sizeof(hash));
}

static void
add_base64url(const uint8_t *bytes, size_t len, bus_buf *out)
{
    uint32_t bits = 0;
    int      held = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            bus_buf_add_char(out, alphabet[bits >> (held - 6) & 63]);
    }
    if (held > 0)
        bus_buf_add_char(out, alphabet[bits << (6 - held) & 63]);
}

void
edge_cursor_encode(const edge_cursor *cursor, uint64_t binding, bus_buf *out)
{
    uint8_t  bytes[BYTES_MAX];
    size_t   len = HEAD_BYTES + cursor->value.len;
    uint64_t sum;

    BUS_INVARIANT(cursor->value.len <= EDGE_CURSOR_VALUE_MAX);
    bytes[8] = cursor->is_null;
    memcpy(bytes + 9, cursor->id.bytes, 16);
    if (cursor->value.len > 0)
        memcpy(bytes + HEAD_BYTES, cursor->value.at, cursor->value.len);
    sum = checksum(bytes, len, binding);
    memcpy(bytes, &sum, sizeof(sum));
    add_base64url(bytes, len, out);
}

bool
edge_cursor_decode(bus_str text, uint64_t binding, bus_arena *arena, edge_cursor *out)
{
    uint8_t  bytes[BYTES_MAX];
    size_t   len = 0;
    uint64_t sum;
    uint32_t bits = 0;
    int      held = 0;

    for (uint32_t i = 0; i < text.len; i++) {
        const char *digit = text.at[i] == '\0' ? NULL : strchr(alphabet, text.at[i]);

        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (len == sizeof(bytes))
                return false;
            bytes[len++] = (uint8_t)(bits >> held);
        }
    }
    if (len < HEAD_BYTES || held >= 6 || (bits & ((1u << held) - 1)) != 0)
        return false;
    memcpy(&sum, bytes, sizeof(sum));
    if (sum != checksum(bytes, len, binding) || bytes[8] > 1)
        return false;
    out->is_null = bytes[8] == 1;
    memcpy(out->id.bytes, bytes + 9, 16);
    out->value = bus_arena_copy(arena, (const char *)bytes + HEAD_BYTES, len - HEAD_BYTES);
    return true;
}
