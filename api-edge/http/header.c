/* header.c - reading request headers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/header.h"
#include "bus/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bus_str
trimmed(const char *at, size_t len)
{
    while (len > 0 && is_space(*at)) {
        at++;
        len--;
    }
    while (len > 0 && is_space(at[len - 1]))
        len--;
    return (bus_str){at, (uint32_t)len};
}

/* --- language ------------------------------------------------------------ */

/* ";q=0.8" to 800; none is 1000, nonsense 0. */
static int
quality_of(bus_str parameters)
{
    const char *q = memmem(parameters.at, parameters.len, "q=", 2);
    const char *end = parameters.at + parameters.len;
    int         value, unit = 100;

    if (q == NULL)
        return 1000;
    q += 2;
    if (q == end || (*q != '0' && *q != '1'))
        return 0;
    value = (*q++ - '0') * 1000;
    if (q < end && *q == '.')
        q++;
    for (; q < end && is_digit(*q) && unit > 0; q++, unit /= 10)
        value += (*q - '0') * unit;
    return value > 1000 ? 1000 : value;
}

/* Is the range this language, or a regional form of it? */
static bool
range_is(bus_str range, const char *language)
{
    return range.len >= 2 && strncasecmp(range.at, language, 2) == 0 &&
           (range.len == 2 || range.at[2] == '-');
}

edge_language
edge_language_of(const char *accept_language)
{
    int en = -1, ru = -1, any = -1;

    for (const char *at = accept_language; at != NULL && *at != '\0';) {
        size_t      len = strcspn(at, ",");
        const char *semicolon = memchr(at, ';', len);
        size_t      range_len = semicolon == NULL ? len : (size_t)(semicolon - at);
        bus_str     range = trimmed(at, range_len);
        int         q = quality_of((bus_str){at + range_len, (uint32_t)(len - range_len)});

        if (range_is(range, "en"))
            en = q > en ? q : en;
        else if (range_is(range, "ru"))
            ru = q > ru ? q : ru;
        else if (bus_str_is(range, "*"))
            any = q;
        at += len + (at[len] == ',');
    }
    en = en < 0 ? any : en;
    ru = ru < 0 ? any : ru;
    return ru > 0 && ru > en ? EDGE_RU : EDGE_EN;
}

/* --- trace context ------------------------------------------------------- */

static int
lower_hex(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads bytes of lower case hexadecimal; false: other characters, or all zero where that is
 * not allowed. */
static bool
read_hex(const char *text, uint8_t *out, int bytes, bool zero_allowed)
{
    uint8_t any = 0;

    for (int i = 0; i < bytes; i++) {
        int high = lower_hex(text[2 * i]), low = high < 0 ? -1 : lower_hex(text[2 * i + 1]);

        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        any |= out[i];
    }
    return zero_allowed || any != 0;
}

bool
edge_trace_parse(const char *traceparent, edge_trace *out)
{
    uint8_t version, span[8];
    size_t  len = traceparent == NULL ? 0 : strnlen(traceparent, 512);

    if (len < 55 || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-')
        return false;
    if (!read_hex(traceparent, &version, 1, true) || version == 0xff)
        return false;
    if (version == 0 ? len != 55 : len > 55 && traceparent[55] != '-')
        return false;
    return read_hex(traceparent + 3, out->trace_id.bytes, 16, false) &&
           read_hex(traceparent + 36, span, 8, false) &&
           read_hex(traceparent + 53, &out->flags, 1, true);
}

static char *
write_hex(char *to, const uint8_t *bytes, int count)
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 0; i < count; i++) {
        *to++ = hex[bytes[i] >> 4];
        *to++ = hex[bytes[i] & 15];
    }
    return to;
}

void
edge_trace_format(const edge_trace *trace, const uint8_t span[8], char out[EDGE_TRACEPARENT_BYTES])
{
    uint8_t flags = trace->flags & 1;
    char   *at = out;

    memcpy(at, "00-", 3);
    at = write_hex(at + 3, trace->trace_id.bytes, 16);
    *at++ = '-';
    at = write_hex(at, span, 8);
    *at++ = '-';
    at = write_hex(at, &flags, 1);
    *at = '\0';
}

char *
edge_trace_id_format(bus_id trace_id, char out[EDGE_TRACE_ID_BYTES])
{
    *write_hex(out, trace_id.bytes, 16) = '\0';
    return out;
}

/* --- entity tags --------------------------------------------------------- */

/* "17" in quotes to 17. */
static bool
tag_version(bus_str tag, int32_t *version)
{
    int64_t value;

    if (tag.len < 3 || tag.at[0] != '"' || tag.at[tag.len - 1] != '"' ||
        !edge_int_parse((bus_str){tag.at + 1, tag.len - 2}, &value) || value < 0 ||
        value > INT32_MAX)
        return false;
    *version = (int32_t)value;
    return true;
}

bool
edge_if_match_parse(const char *if_match, int32_t *version)
{
    bus_str tag;

    *version = -1;
    if (if_match == NULL)
        return true;
    tag = trimmed(if_match, strlen(if_match));
    return bus_str_is(tag, "*") || tag_version(tag, version);
}

bool
edge_if_none_match(const char *if_none_match, int32_t version)
{
    for (const char *at = if_none_match; at != NULL && *at != '\0';) {
        size_t  len = strcspn(at, ",");
        bus_str tag = trimmed(at, len);
        int32_t value;

        if (bus_str_is(tag, "*"))
            return true;
        if (tag.len > 2 && tag.at[0] == 'W' && tag.at[1] == '/')
            tag = (bus_str){tag.at + 2, tag.len - 2};
        if (tag_version(tag, &value) && value == version)
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* --- others -------------------------------------------------------------- */

bool
edge_idempotency_key_parse(const char *header, bus_str *out)
{
    bus_str key = trimmed(header, strnlen(header, 1024));

    if (key.len >= 2 && key.at[0] == '"' && key.at[key.len - 1] == '"')
        key = (bus_str){key.at + 1, key.len - 2};
    if (key.len == 0 || key.len > EDGE_IDEMPOTENCY_KEY_MAX)
        return false;
    for (uint32_t i = 0; i < key.len; i++)
        if (key.at[i] < ' ' || key.at[i] > '~')
            return false;
    *out = key;
    return true;
}

const char *
edge_path_of_target(const char *target)
{
    const char *path;

    if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
        return target;
    path = strchr(strchr(target, ':') + 3, '/');
    return path == NULL ? "/" : path;
}

bool
edge_is_media_type(const char *content_type, const char *wanted)
{
    const char *semicolon;
    bus_str     type, rest;

    if (content_type == NULL)
        return false;
    semicolon = strchr(content_type, ';');
    type = trimmed(content_type,
                   semicolon == NULL ? strlen(content_type) : (size_t)(semicolon - content_type));
    if (type.len != strlen(wanted) || strncasecmp(type.at, wanted, type.len) != 0)
        return false;
    if (semicolon == NULL)
        return true;
    rest = trimmed(semicolon + 1, strlen(semicolon + 1));
    return rest.len == 0 ||
           (rest.len == strlen("charset=utf-8") &&
            strncasecmp(rest.at, "charset=utf-8", rest.len) == 0) ||
           (rest.len == strlen("charset=\"utf-8\"") &&
            strncasecmp(rest.at, "charset=\"utf-8\"", rest.len) == 0);
}

bool
edge_is_json(const char *content_type)
{
    return edge_is_media_type(content_type, "application/json");
}

bool
edge_int_parse(bus_str text, int64_t *value)
{
    bool     negative = text.len > 0 && text.at[0] == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, sum = 0;
    uint32_t at = negative ? 1 : 0;

    if (at == text.len || text.len - at > 19)
        return false;
    for (; at < text.len; at++) {
        if (!is_digit(text.at[at]))
            return false;
        sum = sum * 10 + (uint64_t)(text.at[at] - '0');
    }
    if (sum > limit)
        return false;
    *value = negative ? (int64_t)(UINT64_C(0) - sum) : (int64_t)sum;
    return true;
}

/* Exactly `count` digits at *at; moves on. */
static bool
read_digits(const char **at, const char *end, int count, int32_t *value)
{
    *value = 0;
    if (end - *at < count)
        return false;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!is_digit(**at))
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool
read_char(const char **at, const char *end, const char *wanted)
{
    if (*at == end || **at == '\0' || strchr(wanted, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static bool
read_date(const char **at, const char *end, int32_t *days)
{
    int32_t year, month, day, y, m, d;

    if (!read_digits(at, end, 4, &year) || !read_char(at, end, "-") ||
        !read_digits(at, end, 2, &month) || !read_char(at, end, "-") ||
        !read_digits(at, end, 2, &day) || year < 1 || month < 1 || month > 12 || day < 1 ||
        day > 31)
        return false;
    *days = bus_days_from_civil(year, month, day);
    bus_civil_from_days(*days, &y, &m, &d);
    return y == year && m == month && d == day; /* no 31st of April */
}

bool
edge_date_parse(bus_str text, int32_t *days)
{
    const char *at = text.at, *end = text.at + text.len;

    return read_date(&at, end, days) && at == end;
}

/* ".123456" to milliseconds, cut off. */
static bool
read_fraction(const char **at, const char *end, int32_t *ms)
{
    int unit = 100;

    *ms = 0;
    if (*at == end || **at != '.')
        return true;
    (*at)++;
    if (*at == end || !is_digit(**at))
        return false;
    for (; *at < end && is_digit(**at); (*at)++, unit /= 10)
        *ms += (**at - '0') * unit;
    return true;
}

static bool
read_zone(const char **at, const char *end, int32_t *minutes)
{
    int32_t hour, minute, sign;

    *minutes = 0;
    if (*at < end && (**at == 'Z' || **at == 'z')) {
        (*at)++;
        return true;
    }
    sign = *at < end && **at == '-' ? -1 : 1;
    if (!read_char(at, end, "+-") || !read_digits(at, end, 2, &hour) || !read_char(at, end, ":") ||
        !read_digits(at, end, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *minutes = sign * (hour * 60 + minute);
    return true;
}

#define TIME_MS_MAX INT64_C(253402300799999) /* the end of 9999 */

bool
edge_time_parse(bus_str text, int64_t *at_ms)
{
    const char *at = text.at, *end = text.at + text.len;
    int32_t     days, hour, minute, second, ms, zone;

    if (edge_int_parse(text, at_ms))
        return *at_ms >= 0 && *at_ms <= TIME_MS_MAX;
    if (!read_date(&at, end, &days) || !read_char(&at, end, "Tt ") ||
        !read_digits(&at, end, 2, &hour) || !read_char(&at, end, ":") ||
        !read_digits(&at, end, 2, &minute) || !read_char(&at, end, ":") ||
        !read_digits(&at, end, 2, &second) || hour > 23 || minute > 59 || second > 60 ||
        !read_fraction(&at, end, &ms) || !read_zone(&at, end, &zone) || at != end)
        return false;
    *at_ms =
        days * BUS_DAY_MS +
        ((int64_t)hour * 3600 + minute * 60 + (second == 60 ? 59 : second) - zone * 60) * 1000 + ms;
    return *at_ms >= 0 && *at_ms <= TIME_MS_MAX;
}

#define DEVICE_TIME_MS_MIN INT64_C(946684800000) /* the beginning of 2000 */

bool
edge_device_time_parse(bus_str text, int64_t *at_ms)
{
    return edge_time_parse(text, at_ms) && *at_ms >= DEVICE_TIME_MS_MIN;
}

bool
edge_position_parse(const char *text, edge_position *out)
{
    const char *first = strchr(text, ':'), *second = first == NULL ? NULL : strchr(first + 1, ':');
    int64_t     partition;

    if (second == NULL || first == text || first - text > 63)
        return false;
    out->domain = (bus_str){text, (uint32_t)(first - text)};
    for (uint32_t i = 0; i < out->domain.len; i++)
        if (!(text[i] >= 'a' && text[i] <= 'z') && !is_digit(text[i]) && text[i] != '_')
            return false;
    if (!edge_int_parse((bus_str){first + 1, (uint32_t)(second - first - 1)}, &partition) ||
        !edge_int_parse(bus_str_of(second + 1), &out->offset) || partition < 0 ||
        partition > UINT16_MAX || out->offset < 0)
        return false;
    out->partition = (int)partition;
    return true;
}
