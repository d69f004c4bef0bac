/* duty_days.h - a stretch of work cut at midnights of the tenant's day.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_DUTY_DAYS_H
#define PROJECTIONS_DUTY_DAYS_H

#include "bus/module/module.h"
#include "contracts/drivers.h"

static inline int32_t
duty_first_day(const struct drivers_duty_recorded *e)
{
    return bus_day_of(e->from_at, (int32_t)e->utc_offset_min);
}

static inline int32_t
duty_last_day(const struct drivers_duty_recorded *e)
{
    return bus_day_of(e->to_at - 1, (int32_t)e->utc_offset_min);
}

/* Monday of the week: 1970-01-01 was a Thursday. */
static inline int32_t
duty_monday_of(int32_t day)
{
    int32_t weekday = (day + 3) % 7;

    return day - (weekday < 0 ? weekday + 7 : weekday);
}

/* Seconds of the stretch that lie on the days first..last, both inclusive. */
static inline int64_t
duty_seconds(const struct drivers_duty_recorded *e, int32_t first, int32_t last)
{
    int64_t zone_ms = e->utc_offset_min * 60000;
    int64_t from_at = first * BUS_DAY_MS - zone_ms, to_at = (last + 1) * BUS_DAY_MS - zone_ms;

    if (from_at < e->from_at)
        from_at = e->from_at;
    if (to_at > e->to_at)
        to_at = e->to_at;
    return to_at > from_at ? (to_at - from_at) / 1000 : 0;
}

static inline bus_id
duty_row_id(bus_id driver, int32_t day)
{
    char text[BUS_DAY_TEXT_BYTES];

    (void)bus_day_text(day, text);
    return bus_id_v5_text(driver, text);
}

/* Which of the rows of an event it is: those of every step'th day from the first. */
static inline int32_t
duty_day_of_row(const bus_event *event, bus_id row, int32_t first, int32_t step)
{
    for (int32_t day = first; day <= duty_last_day(event->data); day += step)
        if (bus_id_equal(duty_row_id(event->stream, day), row))
            return day;
    BUS_UNREACHABLE();
}

#endif
