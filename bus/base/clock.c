/* clock.c - the system's time and randomness, and calendar arithmetic.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/base/error.h"

#include <sys/random.h>
#include <time.h>

static int64_t
system_now_ms(void *context)
{
    struct timespec t;

    (void)context;
    BUS_INVARIANT(clock_gettime(CLOCK_REALTIME, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
system_mono_us(void *context)
{
    struct timespec t;

    (void)context;
    BUS_INVARIANT(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
system_random(void *context, void *out, size_t bytes)
{
    char *at = out;

    (void)context;
    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes > 256 ? 256 : bytes, 0);

        if (got < 0)
            continue; /* EINTR only: the pool is ready long before we start */
        at += got;
        bytes -= (size_t)got;
    }
}

const bus_clock *
bus_clock_system(void)
{
    static const bus_clock system_clock = {
        .now_ms = system_now_ms,
        .mono_us = system_mono_us,
        .random = system_random,
    };

    return &system_clock;
}

int64_t
bus_now_ms(const bus_clock *clock)
{
    return clock->now_ms(clock->context);
}

int64_t
bus_mono_us(const bus_clock *clock)
{
    return clock->mono_us(clock->context);
}

bus_id
bus_new_v7(const bus_clock *clock)
{
    uint8_t random[10];

    clock->random(clock->context, random, sizeof(random));
    return bus_id_v7(bus_now_ms(clock), random);
}

int32_t
bus_days_from_civil(int32_t year, int32_t month, int32_t day)
{
    int32_t  era, y = month <= 2 ? year - 1 : year;
    uint32_t year_of_era, day_of_year, day_of_era;

    era = (y >= 0 ? y : y - 399) / 400;
    year_of_era = (uint32_t)(y - era * 400);
    day_of_year = (uint32_t)((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1);
    day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int32_t)day_of_era - 719468;
}

void
bus_civil_from_days(int32_t days, int32_t *year, int32_t *month, int32_t *day)
{
    int32_t  era, z = days + 719468;
    uint32_t day_of_era, year_of_era, day_of_year, shifted_month;

    era = (z >= 0 ? z : z - 146096) / 146097;
    day_of_era = (uint32_t)(z - era * 146097);
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    shifted_month = (5 * day_of_year + 2) / 153;
    *day = (int32_t)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int32_t)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = (int32_t)year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

int32_t
bus_day_of(int64_t at_ms, int32_t utc_offset_min)
{
    int64_t local = at_ms + (int64_t)utc_offset_min * 60000;

    return (int32_t)((local >= 0 ? local : local - (BUS_DAY_MS - 1)) / BUS_DAY_MS);
}

static void
write_digits(char *to, int digits, int64_t value)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
}

bus_str
bus_day_text(int32_t day, char text[BUS_DAY_TEXT_BYTES])
{
    int32_t year, month, date;

    bus_civil_from_days(day, &year, &month, &date);
    write_digits(text, 4, year < 0 ? 0 : year > 9999 ? 9999 : year);
    write_digits(text + 5, 2, month);
    write_digits(text + 8, 2, date);
    text[4] = text[7] = '-';
    text[10] = '\0';
    return bus_str_load(text);
}

bus_str
bus_minute_text(int64_t at_ms, int32_t utc_offset_min, char text[BUS_MINUTE_TEXT_BYTES])
{
    int32_t day = bus_day_of(at_ms, utc_offset_min);
    int64_t minute = (at_ms + (int64_t)utc_offset_min * 60000 - (int64_t)day * BUS_DAY_MS) / 60000;

    (void)bus_day_text(day, text);
    text[10] = ' ';
    write_digits(text + 11, 2, minute / 60);
    text[13] = ':';
    write_digits(text + 14, 2, minute % 60);
    text[16] = '\0';
    return bus_str_load(text);
}
