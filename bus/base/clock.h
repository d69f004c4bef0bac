/* clock.h - time and randomness as ops structs, so that a simulation can own them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_CLOCK_H
#define BUS_BASE_CLOCK_H

#include "bus/base/id.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    void *context;
    int64_t (*now_ms)(void *context);  /* UTC, milliseconds since 1970 */
    int64_t (*mono_us)(void *context); /* monotonic, microseconds */
    void (*random)(void *context, void *out, size_t bytes);
} bus_clock;

/* The real one: clock_gettime and getrandom. Thread safe. */
const bus_clock *bus_clock_system(void);

int64_t bus_now_ms(const bus_clock *clock);
int64_t bus_mono_us(const bus_clock *clock);
bus_id  bus_new_v7(const bus_clock *clock); /* fresh UUIDv7 */

#define BUS_DAY_MS INT64_C(86400000)

/* Civil calendar, proleptic Gregorian (Howard Hinnant, "chrono-Compatible Low-Level
 * Date Algorithms"). Days are since 1970-01-01. Pure. */
int32_t bus_days_from_civil(int32_t year, int32_t month, int32_t day);
void    bus_civil_from_days(int32_t days, int32_t *year, int32_t *month, int32_t *day);
/* Day of a UTC millisecond in a zone of fixed offset (minutes east of UTC). Pure. */
int32_t bus_day_of(int64_t at_ms, int32_t utc_offset_min);

/* For people: "2026-11-23" and "2026-11-23 11:05"; years saturate at 0 and 9999. A borrowed
 * view of text. Pure. */
#define BUS_DAY_TEXT_BYTES 11
#define BUS_MINUTE_TEXT_BYTES 17
bus_str bus_day_text(int32_t day, char text[BUS_DAY_TEXT_BYTES]);
bus_str bus_minute_text(int64_t at_ms, int32_t utc_offset_min, char text[BUS_MINUTE_TEXT_BYTES]);

#endif
