/* story_vehicles.h - the van that the stories of this folder tell of: 1.5 t, 9 m3, papers to the
 * end of 2027, 120 000 km on the odometer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_VEHICLES_STORY_VEHICLES_H
#define SERVICES_VEHICLES_STORY_VEHICLES_H

#include "tests/support/story.h"

extern const bus_module vehicles_module;

#define T0 INT64_C(1795420800000) /* 2026-11-23T08:00:00Z, when stories begin; 11:00 in Moscow */
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

#define TRIP_1 "00000000-0000-4000-8000-000000000031"
#define TRIP_2 "00000000-0000-4000-8000-000000000032"
#define RES_1 "00000000-0000-4000-8000-000000000051"
#define RES_2 "00000000-0000-4000-8000-000000000052"
#define RES_3 "00000000-0000-4000-8000-000000000053"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define OTHER_DRIVER "00000000-0000-4000-8000-0000000000d2"
#define PLAN "00000000-0000-4000-8000-000000000091"
#define WINDOW "00000000-0000-4000-8000-000000000081"

#define SPECS(payload, cargo)                                                                    \
    "{'class':'VAN','payload_g':" #payload ",'cargo_ml':" #cargo                                 \
    ",'tank_ml':80000,'fuel':'DIESEL','norm_summer_ml_100km':9500,'norm_winter_ml_100km':10500," \
    "'wear_kop_km':350,'fixed_kop_day':250000}"
#define REGISTER(plate, vin)           \
    "{'plate':'" plate "','vin':'" vin \
    "','specs':" SPECS(1500000, 9000000) ",'odometer_m':120000000}"
#define RESERVE(id, trip, from, to) \
    "{'reservation_id':'" id "','trip_id':'" trip "','from_at':" #from ",'to_at':" #to "}"
/* 12:00 to 15:00 UTC on the day of the stories. */
#define AT_NOON(id, trip) RESERVE(id, trip, 1795435200000, 1795446000000)
#define START(id, trip, odometer, at)                                         \
    "{'reservation_id':'" id "','trip_id':'" trip "','odometer_m':" #odometer \
    ",'driver_id':'" DRIVER "','departed_at':" #at "}"
#define FINISH(id, trip, odometer, at)                                        \
    "{'reservation_id':'" id "','trip_id':'" trip "','odometer_m':" #odometer \
    ",'driver_id':'" DRIVER "','finished_at':" #at "}"

static inline void
a_new_van(void)
{
    story(&vehicles_module, "vehicle");
    when("vehicles.register", REGISTER("A123BC77", "XTA21099Y1234567X"));
}

static inline void
a_van(void)
{
    a_new_van();
    when("vehicles.add_document",
         "{'kind':'OSAGO','number':'OSAGO 1','from_on':'2026-01-01','to_on':'2027-12-31'}");
    when("vehicles.add_document",
         "{'kind':'INSPECTION','number':'TO 1','from_on':'2026-01-01','to_on':'2027-12-31'}");
}

/* A van on TRIP_1 by RES_1 since 12:00 UTC. */
static inline void
a_van_on_a_trip(void)
{
    a_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    at_time(T0 + 4 * HOUR_MS);
    when("vehicles.start_trip", START(RES_1, TRIP_1, 120000000, 1795435200000));
}

#endif
