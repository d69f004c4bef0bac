/* format.c - dates, times, addresses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/format.h"
#include "bus/base/clock.h"
#include "bus/base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_DAY (-719162) /* 0001-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */

/* Digits at s.at[from..from+count) as a number; -1: something else. */
static int32_t
digits(bus_str s, uint32_t from, uint32_t count)
{
    int32_t value = 0;

    if (from + count > s.len)
        return -1;
    for (uint32_t i = from; i < from + count; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return -1;
        value = value * 10 + (s.at[i] - '0');
    }
    return value;
}

static bool
date_at_start(bus_str s, int32_t *days)
{
    int32_t year = digits(s, 0, 4), month = digits(s, 5, 2), day = digits(s, 8, 2);
    int32_t y, m, d;

    if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || s.at[4] != '-' ||
        s.at[7] != '-')
        return false;
    *days = bus_days_from_civil(year, month, day);
    bus_civil_from_days(*days, &y, &m, &d);
    return d == day && m == month;
}

bool
bus_format_date(bus_str s, int32_t *days)
{
    return s.len == 10 && date_at_start(s, days);
}

void
bus_format_date_text(int32_t days, char out[16])
{
    int32_t year, month, day;

    BUS_INVARIANT(days >= FIRST_DAY && days <= LAST_DAY);
    bus_civil_from_days(days, &year, &month, &day);
    (void)snprintf(out, 16, "%04d-%02d-%02d", (int)year % 10000, (int)month % 100, (int)day % 100);
}

/* "Z" or "+hh:mm" at from, to the end. *offset_min east of UTC. */
static bool
zone(bus_str s, uint32_t from, int32_t *offset_min)
{
    int32_t hour, minute;

    if (from + 1 == s.len && (s.at[from] == 'Z' || s.at[from] == 'z')) {
        *offset_min = 0;
        return true;
    }
    if (from + 6 != s.len || (s.at[from] != '+' && s.at[from] != '-') || s.at[from + 3] != ':')
        return false;
    hour = digits(s, from + 1, 2);
    minute = digits(s, from + 4, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return false;
    *offset_min = (s.at[from] == '-' ? -1 : 1) * (hour * 60 + minute);
    return true;
}

bool
bus_format_time(bus_str s, int64_t *at_ms)
{
    int32_t  days, hour, minute, second, offset_min, ms = 0, scale = 100;
    uint32_t at = 19;

    if (s.len < 20 || !date_at_start(s, &days) || (s.at[10] != 'T' && s.at[10] != 't') ||
        s.at[13] != ':' || s.at[16] != ':')
        return false;
    hour = digits(s, 11, 2);
    minute = digits(s, 14, 2);
    second = digits(s, 17, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    if (s.at[at] == '.') {
        if (digits(s, at + 1, 1) < 0)
            return false;
        for (at++; at < s.len && s.at[at] >= '0' && s.at[at] <= '9'; at++, scale /= 10)
            ms += (s.at[at] - '0') * scale;
    }
    if (at >= s.len || !zone(s, at, &offset_min))
        return false;
    if (second == 60) { /* only where a leap second can be: the last of a UTC day */
        int32_t utc_min = (hour * 60 + minute - offset_min + 2880) % 1440;

        if (utc_min != 1439)
            return false;
    }
    *at_ms = (int64_t)days * BUS_DAY_MS + ((int64_t)hour * 3600 + minute * 60 + second) * 1000 +
             ms - (int64_t)offset_min * 60000;
    return *at_ms >= FIRST_DAY * BUS_DAY_MS && *at_ms < (LAST_DAY + 1) * BUS_DAY_MS;
}

/* n in so many digits, with zeros in front. */
static void
put_digits(char *to, int32_t n, int count)
{
    while (count-- > 0) {
        to[count] = (char)('0' + n % 10);
        n /= 10;
    }
}

/* Every event that goes out has one, so it is not left to printf. */
void
bus_format_time_text(int64_t at_ms, char out[32])
{
    int32_t days, ms, year, month, day;

    BUS_INVARIANT(at_ms >= FIRST_DAY * BUS_DAY_MS && at_ms < (LAST_DAY + 1) * BUS_DAY_MS);
    days = bus_day_of(at_ms, 0);
    ms = (int32_t)(at_ms - (int64_t)days * BUS_DAY_MS);
    bus_civil_from_days(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000Z", 25);
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, ms / 3600000, 2);
    put_digits(out + 14, ms / 60000 % 60, 2);
    put_digits(out + 17, ms / 1000 % 60, 2);
    put_digits(out + 20, ms % 1000, 3);
}

/* n in the form %e, in as few digits from 15 on as read back as n. Returns how many. */
static int
write_digits(double n, char out[BUS_NUMBER_TEXT_BYTES])
{
    int count = 15;

    BUS_INVARIANT(isfinite(n));
    for (;; count++) {
        (void)snprintf(out, BUS_NUMBER_TEXT_BYTES, "%.*e", count - 1, n);
        if (count == 17 || strtod(out, NULL) == n)
            return count;
    }
}

void
bus_format_number_text(double n, char out[BUS_NUMBER_TEXT_BYTES])
{
    int count = write_digits(n, out);

    /* equal values give equal bytes: no "-0" */
    (void)snprintf(out, BUS_NUMBER_TEXT_BYTES, "%.*g", count, n == 0 ? 0.0 : n);
    for (char *c = out; *c != '\0'; c++)
        if (*c == ',')
            *c = '.'; /* whatever locale a library may have set */
}

/* |n| as digits * 10^exponent, exactly as it is written; no trailing zeros. */
static uint64_t
decimal(double n, int *exponent)
{
    char        text[BUS_NUMBER_TEXT_BYTES];
    int         count = write_digits(fabs(n), text);
    uint64_t    value = 0;
    const char *c = text;

    for (; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9')
            value = value * 10 + (uint64_t)(*c - '0');
    *exponent = (int)strtol(c + 1, NULL, 10) - (count - 1);
    for (; value != 0 && value % 10 == 0; value /= 10)
        ++*exponent;
    return value;
}

bool
bus_format_number_multiple(double n, double of)
{
    int      exponent, of_exponent;
    uint64_t value = decimal(n, &exponent), of_value = decimal(of, &of_exponent), rest;

    BUS_INVARIANT(of_value != 0);
    if (value == 0)
        return true;
    for (; of_exponent > exponent && of_value <= value; of_exponent--)
        of_value *= 10;
    if (of_exponent > exponent)
        return false; /* n is smaller, or has finer digits */
    rest = value % of_value;
    for (; exponent > of_exponent && rest != 0; exponent--)
        rest = rest * 10 % of_value;
    return rest == 0;
}

static bool
is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
bus_format_email(bus_str s)
{
    const char *at = s.len == 0 ? NULL : memchr(s.at, '@', s.len);
    uint32_t    local, label = 0;
    bool        dotted = false;

    if (at == NULL)
        return false;
    local = (uint32_t)(at - s.at);
    if (local == 0 || local > 64 || s.len - local - 1 > 253 || s.at[0] == '.' ||
        s.at[local - 1] == '.')
        return false;
    for (uint32_t i = 0; i < local; i++) {
        if (!is_alnum(s.at[i]) && strchr("!#$%&'*+-/=?^_`{|}~.", s.at[i]) == NULL)
            return false;
        if (s.at[i] == '.' && s.at[i + 1] == '.')
            return false;
    }
    for (uint32_t i = local + 1; i < s.len; i++) {
        if (s.at[i] == '.') {
            if (label == 0 || s.at[i - 1] == '-')
                return false;
            label = 0;
            dotted = true;
        } else if (is_alnum(s.at[i]) || (s.at[i] == '-' && label > 0)) {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return dotted && label > 0 && s.at[s.len - 1] != '-';
}

bool
bus_format_e164(bus_str s)
{
    if (s.len < 3 || s.len > 16 || s.at[0] != '+' || s.at[1] == '0')
        return false;
    for (uint32_t i = 1; i < s.len; i++)
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
    return true;
}
