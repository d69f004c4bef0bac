/* str.c - borrowed bytes and the growing buffer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/str.h"
#include "bus/base/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bus_str
bus_str_of(const char *nul_terminated)
{
    if (nul_terminated == NULL)
        return (bus_str){NULL, 0};
    return (bus_str){nul_terminated, (uint32_t)strlen(nul_terminated)};
}

bool
bus_str_equal(bus_str a, bus_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool
bus_str_is(bus_str a, const char *nul_terminated)
{
    return bus_str_equal(a, bus_str_of(nul_terminated));
}

void
bus_str_store(char *to, size_t to_bytes, bus_str s)
{
    BUS_INVARIANT(s.len < to_bytes);
    if (s.len > 0)
        memmove(to, s.at, s.len);
    memset(to + s.len, 0, to_bytes - s.len);
}

bus_str
bus_str_load(const char *fixed)
{
    return bus_str_of(fixed);
}

/* Is at[nth] there, and between the two? */
static bool
is_byte(const char *at, size_t room, size_t nth, unsigned char from, unsigned char to)
{
    return nth < room && (unsigned char)at[nth] >= from && (unsigned char)at[nth] <= to;
}

/* The table of RFC 3629, section 4: the second byte's bounds keep out forms that are too long,
 * surrogates and what is beyond U+10FFFF. */
size_t
bus_utf8_sequence(const char *at, size_t room)
{
    unsigned char c = room == 0 ? 0xff : (unsigned char)*at;
    size_t        bytes = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    unsigned char from = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char to = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

    if (bytes == 1)
        return 1;
    if (c < 0xc2 || c > 0xf4 || !is_byte(at, room, 1, from, to))
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if (!is_byte(at, room, i, 0x80, 0xbf))
            return 0;
    return bytes;
}

int64_t
bus_utf8_length(bus_str s)
{
    int64_t n = 0;

    for (uint32_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.at[i] & 0xc0) != 0x80;
    return n;
}

static void
reserve(bus_buf *buf, size_t more)
{
    size_t need = buf->len + more + 1, capacity = buf->capacity;
    char  *at;

    BUS_INVARIANT(more < SIZE_MAX / 4);
    if (need <= capacity)
        return;
    if (capacity < 256)
        capacity = 256;
    while (capacity < need)
        capacity *= 2;
    at = realloc(buf->at, capacity);
    if (at == NULL)
        abort();
    buf->at = at;
    buf->capacity = capacity;
}

void
bus_buf_add(bus_buf *buf, const void *bytes, size_t len)
{
    reserve(buf, len);
    if (len > 0)
        memcpy(buf->at + buf->len, bytes, len);
    buf->len += len;
    buf->at[buf->len] = '\0';
}

void
bus_buf_add_str(bus_buf *buf, bus_str s)
{
    bus_buf_add(buf, s.at, s.len);
}

void
bus_buf_add_text(bus_buf *buf, const char *nul_terminated)
{
    bus_buf_add(buf, nul_terminated, strlen(nul_terminated));
}

void
bus_buf_add_char(bus_buf *buf, char c)
{
    bus_buf_add(buf, &c, 1);
}

void
bus_buf_add_int(bus_buf *buf, int64_t value)
{
    char     digits[24];
    size_t   at = sizeof(digits);
    uint64_t rest = value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        digits[--at] = '-';
    bus_buf_add(buf, digits + at, sizeof(digits) - at);
}

void
bus_buf_printf(bus_buf *buf, const char *fmt, ...)
{
    va_list args;
    int     len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    BUS_INVARIANT(len >= 0);
    reserve(buf, (size_t)len);
    va_start(args, fmt);
    (void)vsnprintf(buf->at + buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)len;
}

/* The two-character escape of c, or 0. */
static char
short_escape(unsigned char c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

void
bus_buf_add_json(bus_buf *buf, bus_str s)
{
    static const char hex[] = "0123456789abcdef";
    uint32_t          plain = 0;

    reserve(buf, (size_t)s.len + 2);
    bus_buf_add_char(buf, '"');
    for (uint32_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        bus_buf_add(buf, s.at + plain, i - plain);
        plain = i + 1;
        if (short_escape(c) != 0) {
            bus_buf_add(buf, (char[]){'\\', short_escape(c)}, 2);
        } else {
            bus_buf_add(buf, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
        }
    }
    bus_buf_add(buf, s.at == NULL ? "" : s.at + plain, s.len - plain);
    bus_buf_add_char(buf, '"');
}

bus_str
bus_buf_str(const bus_buf *buf)
{
    BUS_INVARIANT(buf->len < UINT32_MAX);
    return (bus_str){buf->at, (uint32_t)buf->len};
}

void
bus_buf_reset(bus_buf *buf)
{
    buf->len = 0;
    if (buf->at != NULL)
        buf->at[0] = '\0';
}

void
bus_buf_fini(bus_buf *buf)
{
    free(buf->at);
    *buf = (bus_buf){0};
}
