/* day_window.h - analytics by local day whose events name the day and no clock: the window of the
 * day is put at midnight UTC of its date, so that it is the same whatever the zone was.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_DAY_WINDOW_H
#define PROJECTIONS_DAY_WINDOW_H

#include <stdint.h>

#define DAY_WINDOW_ZONE_MIN 0

/* day: days since 1970-01-01. */
static inline int64_t
day_window_ms(int32_t day)
{
    return (int64_t)day * 86400000;
}

#endif
