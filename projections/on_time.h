/* on_time.h - what the on-time analytics have in common: arrivals within the window, by the
 * business's time of arrival.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_ON_TIME_H
#define PROJECTIONS_ON_TIME_H

#include "contracts/deliveries.h"
#include "projections/stream/analytic.h"

/* How far local time is ahead where the event's day was found. Events of before that was written
 * tell the day: the usual offset, or else one that gives this day. */
static inline int32_t
on_time_zone_min(const struct deliveries_arrived *e)
{
    const int32_t usual_min = 180;

    if (e->has_utc_offset_min)
        return (int32_t)e->utc_offset_min;
    if (bus_day_of(e->arrived_at, usual_min) == e->day)
        return usual_min;
    return e->day > bus_day_of(e->arrived_at, 0)    ? 840
           : e->day == bus_day_of(e->arrived_at, 0) ? 0
                                                    : -720;
}

/* For any row with these members: what one arrival adds. */
#define ON_TIME_ONE(e)                                                  \
    .day = (e)->day, .arrived = 1, .on_time = (e)->late_s <= 0 ? 1 : 0, \
    .late_s = (e)->late_s > 0 ? (e)->late_s : 0

#define ON_TIME_STEP(row, one, sign)                 \
    do {                                             \
        (row)->day = (one)->day; /* of the window */ \
        (row)->arrived += (sign) * (one)->arrived;   \
        (row)->on_time += (sign) * (one)->on_time;   \
        (row)->late_s += (sign) * (one)->late_s;     \
    } while (0)

/* Null without arrivals. */
#define ON_TIME_FINISH(row)                                                                      \
    do {                                                                                         \
        (row)->has_on_time_bp = (row)->arrived > 0;                                              \
        (row)->on_time_bp = (row)->has_on_time_bp ? (row)->on_time * 10000 / (row)->arrived : 0; \
    } while (0)

#endif
