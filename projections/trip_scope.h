/* trip_scope.h - when a driver sees a trip: from dispatch until a week after its end.
 * For the views of trips; the columns are visible_from_at and visible_until_at.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_TRIP_SCOPE_H
#define PROJECTIONS_TRIP_SCOPE_H

#include <stdint.h>

#define TRIP_NEVER_MS INT64_C(253402300799999) /* the last millisecond of the year 9999 */
#define TRIP_VISIBLE_AFTER_MS (7 * INT64_C(86400000))

/* Not his yet, or not any more. */
#define TRIP_SCOPE_HIDE(row) \
    ((row)->visible_from_at = TRIP_NEVER_MS, (row)->visible_until_at = TRIP_NEVER_MS)
#define TRIP_SCOPE_SHOW(row, at_ms) \
    ((row)->visible_from_at = (at_ms), (row)->visible_until_at = TRIP_NEVER_MS)
#define TRIP_SCOPE_END(row, at_ms) ((row)->visible_until_at = (at_ms) + TRIP_VISIBLE_AFTER_MS)

#endif
