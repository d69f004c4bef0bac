/* story_drivers.h - the driver that the stories of this folder tell of: categories B and C,
 * papers to the end of 2027.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_DRIVERS_STORY_DRIVERS_H
#define SERVICES_DRIVERS_STORY_DRIVERS_H

#include "tests/support/story.h"

extern const bus_module drivers_module;

#define T0 INT64_C(1795420800000) /* 2026-11-23T08:00:00Z, a Monday; 11:00 in Moscow */
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

#define TRIP_1 "00000000-0000-4000-8000-000000000031"
#define TRIP_2 "00000000-0000-4000-8000-000000000032"
#define RES_1 "00000000-0000-4000-8000-000000000051"
#define RES_2 "00000000-0000-4000-8000-000000000052"
#define RES_3 "00000000-0000-4000-8000-000000000053"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define OTHER_DRIVER "00000000-0000-4000-8000-0000000000d2"

#define PAY(per_trip)                                                                            \
    "{'per_trip_kop':" #per_trip ",'per_km_kop':900,'per_point_kop':10000,'per_hour_kop':20000," \
    "'pct_bp':500}"
#define LICENCE(number, categories, valid_to) \
    "{'number':'" number "','categories':[" categories "],'valid_to':'" valid_to "'}"
#define HIRE_WITH(more) "{'full_name':'Иванов Иван','phone_e164':'+79161234567'" more "}"
#define HIRE                         \
    HIRE_WITH(",'licence':" LICENCE( \
        "99 12 345678", "'B','C'",   \
        "2027-12-31") ",'medical_valid_to':'2027-12-31','tacho_card':'RUD1','pay':" PAY(100000))
#define RESERVE(id, trip, from, to) \
    "{'reservation_id':'" id "','trip_id':'" trip "','from_at':" #from ",'to_at':" #to "}"
/* 12:00 to 15:00 UTC on the day of the stories. */
#define AT_NOON(id, trip) RESERVE(id, trip, 1795435200000, 1795446000000)
#define START(id, trip, at) "{'reservation_id':'" id "','trip_id':'" trip "','departed_at':" #at "}"
#define END(id, trip, at) "{'reservation_id':'" id "','trip_id':'" trip "','ended_at':" #at "}"

static inline void
a_new_driver(void)
{
    story(&drivers_module, "driver");
    when("drivers.hire", HIRE);
}

static inline void
a_driver(void)
{
    a_new_driver();
    when("drivers.activate", "{}");
}

/* On TRIP_1 by RES_1 since 12:00 UTC. */
static inline void
a_driver_on_a_trip(void)
{
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    at_time(T0 + 4 * HOUR_MS);
    when("drivers.start_trip", START(RES_1, TRIP_1, 1795435200000));
}

#endif
