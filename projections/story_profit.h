/* story_profit.h - a settled trip and its adjustments, for the stories of the profit reports.
 * Revenue 2200.00, cost 4287.92; customer A has 1500.00 and 2923.59 of them, B 700.00 and
 * 1364.33. Then fuel falls by 120.00 (A 81.82, B 38.18), and B is charged a penalty of 50.00.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STORY_PROFIT_H
#define PROJECTIONS_STORY_PROFIT_H

#include "tests/support/story.h"

#define TRIP "00000000-0000-4000-8000-000000000031"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define ROUTE "00000000-0000-4000-8000-0000000000c1"
#define CUSTOMER_A "00000000-0000-4000-8000-0000000000a1"
#define CUSTOMER_B "00000000-0000-4000-8000-0000000000a2"

#define DIMENSIONS                                                                               \
    "'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "','route_id':'" ROUTE "','day':'2026-11-" \
    "23'"
#define PROFIT                                                                    \
    "{'revenue_fixed_kop':220000,'revenue_per_box_kop':0,'revenue_per_km_kop':0," \
    "'revenue_per_point_kop':0,'revenue_waiting_kop':0,'revenue_penalty_kop':0,"  \
    "'cost_fuel_kop':36192,'cost_driver_pay_kop':197000,'cost_expenses_kop':0,"   \
    "'cost_wear_kop':15600,'cost_day_share_kop':180000,'cost_incidents_kop':0,"   \
    "'revenue_kop':220000,'cost_kop':428792,'profit_kop':-208792,'margin_bp':-9490}"
#define SETTLED(dimensions)                                                    \
    "{" dimensions ",'profit':" PROFIT ",'customers':["                        \
    "{'customer_id':'" CUSTOMER_A "','revenue_kop':150000,'cost_kop':292359}," \
    "{'customer_id':'" CUSTOMER_B "','revenue_kop':70000,'cost_kop':136433}]," \
    "'distance_m':52000,'duration_s':7200,'points':2,'fuel_ml':6240,'fuel_litre_kop':5800}"
#define DELTA(penalty, fuel, revenue, cost, profit)                                           \
    "{'revenue_fixed_kop':0,'revenue_per_box_kop':0,'revenue_per_km_kop':0,"                  \
    "'revenue_per_point_kop':0,'revenue_waiting_kop':0,'revenue_penalty_kop':" #penalty       \
    ",'cost_fuel_kop':" #fuel ",'cost_driver_pay_kop':0,'cost_expenses_kop':0,"               \
    "'cost_wear_kop':0,'cost_day_share_kop':0,'cost_incidents_kop':0,'revenue_kop':" #revenue \
    ",'cost_kop':" #cost ",'profit_kop':" #profit "}"
#define FUEL_ADJUSTED(dimensions)                                                  \
    "{'adjustment_no':1,'line':'COST_FUEL','amount_kop':-12000,'reason':'storno'," \
    "'reference':'OPTI 41'," dimensions ",'customers':["                           \
    "{'customer_id':'" CUSTOMER_A "','revenue_kop':0,'cost_kop':-8182},"           \
    "{'customer_id':'" CUSTOMER_B "','revenue_kop':0,'cost_kop':-3818}],"          \
    "'delta':" DELTA(0, -12000, 0, -12000,                                         \
                     12000) ",'revenue_kop':220000,"                               \
                            "'cost_kop':416792,'profit_kop':-196792,'margin_bp':-8945}"
#define PENALTY_ADJUSTED(dimensions)                                                  \
    "{'adjustment_no':2,'line':'REVENUE_PENALTY','amount_kop':-5000,'reason':'late'," \
    "'reference':'act 3'," dimensions ",'customers':["                                \
    "{'customer_id':'" CUSTOMER_B "','revenue_kop':-5000,'cost_kop':0}],"             \
    "'delta':" DELTA(-5000, 0, -5000, 0,                                              \
                     -5000) ",'revenue_kop':215000,"                                  \
                            "'cost_kop':416792,'profit_kop':-201792,'margin_bp':-9385}"

/* The trip settles, and is adjusted twice. */
static inline void
a_settled_and_adjusted_trip(void)
{
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    projects("trips.trip_adjusted.v1", TRIP, PENALTY_ADJUSTED(DIMENSIONS));
}

#endif
