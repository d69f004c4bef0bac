/* id.c - UUIDs and the hash that places a stream.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/id.h"
#include "bus/base/error.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#define NAME_BYTES 256 /* longer ones are hashed where they lie */

const bus_id BUS_ID_NIL = {{0}};

bool
bus_id_equal(bus_id a, bus_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool
bus_id_is_nil(bus_id id)
{
    return bus_id_equal(id, BUS_ID_NIL);
}

int
bus_id_compare(bus_id a, bus_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool
bus_id_parse(bus_str text, bus_id *out)
{
    bus_id   id;
    uint32_t at = 0;

    if (text.len != 36)
        return false;
    for (int i = 0; i < 16; i++) {
        int high, low;

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (text.at[at++] != '-')
                return false;
        }
        high = hex_value(text.at[at]);
        low = hex_value(text.at[at + 1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *out = id;
    return true;
}

char *
bus_id_format(bus_id id, char text[BUS_ID_TEXT_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    char             *at = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = hex[id.bytes[i] >> 4];
        *at++ = hex[id.bytes[i] & 15];
    }
    *at = '\0';
    return text;
}

/* Sets version and the RFC 9562 variant. */
static bus_id
stamped(bus_id id, int version)
{
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | version << 4);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

static void
hash_long(bus_id name_space, const void *name, size_t name_bytes,
          unsigned char digest[SHA_DIGEST_LENGTH])
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned    len = 0;

    BUS_INVARIANT(hash != NULL && EVP_DigestInit_ex(hash, EVP_sha1(), NULL) == 1 &&
                  EVP_DigestUpdate(hash, name_space.bytes, sizeof(name_space.bytes)) == 1 &&
                  EVP_DigestUpdate(hash, name, name_bytes) == 1 &&
                  EVP_DigestFinal_ex(hash, digest, &len) == 1 && len == SHA_DIGEST_LENGTH);
    EVP_MD_CTX_free(hash);
}

bus_id
bus_id_v5(bus_id name_space, const void *name, size_t name_bytes)
{
    unsigned char digest[SHA_DIGEST_LENGTH], text[sizeof(bus_id) + NAME_BYTES];
    bus_id        id;

    if (name_bytes > NAME_BYTES) {
        hash_long(name_space, name, name_bytes, digest);
    } else {
        memcpy(text, name_space.bytes, sizeof(name_space.bytes));
        if (name_bytes > 0)
            memcpy(text + sizeof(name_space.bytes), name, name_bytes);
        (void)SHA1(text, sizeof(name_space.bytes) + name_bytes, digest);
    }
    memcpy(id.bytes, digest, sizeof(id.bytes));
    return stamped(id, 5);
}

bus_id
bus_id_v5_text(bus_id name_space, const char *name)
{
    return bus_id_v5(name_space, name, strlen(name));
}

bus_id
bus_id_v7(int64_t at_ms, const uint8_t random[10])
{
    bus_id id;

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)at_ms >> (40 - 8 * i));
    memcpy(id.bytes + 6, random, 10);
    return stamped(id, 7);
}

bool
bus_id_is_v7(bus_id id)
{
    return id.bytes[6] >> 4 == 7 && id.bytes[8] >> 6 == 2;
}

bus_id
bus_id_with_time_of(bus_id id, bus_id v7)
{
    memcpy(id.bytes, v7.bytes, 6);
    return stamped(id, 7);
}

uint64_t
bus_fnv1a64(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t       hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

int
bus_id_partition(bus_id stream, int partitions)
{
    return (int)(bus_fnv1a64(stream.bytes, sizeof(stream.bytes)) % (uint64_t)partitions);
}
