/* place.c - cursors of feeds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/place.h"
#include "api-edge/http/header.h"

#include <inttypes.h>
#include <string.h>

#define SUM_DIGITS 8

static const char other_domain[] = "is of another domain";
static const char not_ours[] = "is not a cursor of a feed or a position that an answer carried";

static uint32_t
checksum(const char *at, size_t len)
{
    uint64_t hash = bus_fnv1a64(at, len);

    return (uint32_t)(hash ^ hash >> 32);
}

void
edge_place_encode(const char *domain, const int64_t *offsets, int partitions, bus_buf *out)
{
    size_t start = out->len;

    bus_buf_add_char(out, '~');
    bus_buf_add_text(out, domain);
    for (int p = 0; p < partitions; p++)
        bus_buf_printf(out, "%c%" PRIx64, p == 0 ? '~' : '.', (uint64_t)offsets[p]);
    bus_buf_printf(out, "~%08" PRIx32, checksum(out->at + start, out->len - start));
}

/* Hexadecimal digits up to `end`; false: none, too many, or something else. */
static bool
read_hex(const char **at, const char *end, uint64_t *out)
{
    const char *begin = *at;

    *out = 0;
    for (; *at < end && *at - begin < 16; ++*at) {
        char c = **at;

        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    return *at > begin;
}

static bool
read_offsets(const char *at, const char *end, int partitions, int64_t *offsets, const char **why)
{
    int      count = 0;
    uint64_t offset;

    for (;;) {
        if (!read_hex(&at, end, &offset) || offset > INT64_MAX) {
            *why = not_ours;
            return false;
        }
        if (count < partitions)
            offsets[count] = (int64_t)offset;
        count++;
        if (at == end)
            break;
        if (*at++ != '.') {
            *why = not_ours;
            return false;
        }
    }
    *why = "is of a log with another number of partitions";
    return count == partitions;
}

static bool
read_cursor(bus_str text, const char *domain, int partitions, int64_t *offsets, const char **why)
{
    const char *body_end = text.at + text.len - SUM_DIGITS - 1, *name_end;
    const char *at = body_end + 1;
    uint64_t    sum;

    *why = not_ours;
    if (text.len < SUM_DIGITS + 4 || *body_end != '~' || !read_hex(&at, text.at + text.len, &sum) ||
        at != text.at + text.len || sum != checksum(text.at, (size_t)(body_end - text.at)) ||
        (name_end = memchr(text.at + 1, '~', (size_t)(body_end - text.at - 1))) == NULL)
        return false;
    *why = other_domain;
    if (!bus_str_is((bus_str){text.at + 1, (uint32_t)(name_end - text.at - 1)}, domain))
        return false;
    return read_offsets(name_end + 1, body_end, partitions, offsets, why);
}

static bool
read_position(bus_str text, const char *domain, int partitions, int64_t *offsets, const char **why)
{
    char          copy[128];
    edge_position position;

    *why = not_ours;
    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (!edge_position_parse(copy, &position))
        return false;
    *why = other_domain;
    if (!bus_str_is(position.domain, domain))
        return false;
    *why = "names a partition that the log does not have";
    if (position.partition >= partitions)
        return false;
    offsets[position.partition] = position.offset;
    return true;
}

bool
edge_place_decode(bus_str text, const char *domain, int partitions, int64_t *offsets,
                  edge_place_kind *kind, const char **why)
{
    memset(offsets, 0, sizeof(*offsets) * (size_t)partitions);
    *kind = EDGE_PLACE_GIVEN;
    if (text.len == 0)
        return true;
    if (bus_str_is(text, "latest")) {
        *kind = EDGE_PLACE_LATEST;
        return true;
    }
    return text.at[0] == '~' ? read_cursor(text, domain, partitions, offsets, why)
                             : read_position(text, domain, partitions, offsets, why);
}
