/* what_if_test.c - a settled trip at other rates, with figures worked by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/story_trips.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define VEHICLE_DAY "00000000-0000-4000-8000-0000000000f9"
#define SETTLED "trips.trip_settled.v1"

/* The day froze 180000: cost 36192 + 197000 + 15600 + 180000 = 428792 (money_test.c). */
static void
a_trip_that_settles(void)
{
    a_finished_trip();
    when("trips.settle", "{}");
    when_answer_from(VEHICLE_DAY, "trips.day_frozen", "trips.freeze_day_share",
                     "trips.day_share_frozen.v1",
                     "{'trip_id':'" STORY_STREAM "','share_kop':180000}");
}

static void
test_without_rules_it_is_the_same(void **state)
{
    (void)state;
    a_trip_that_settles();
    what_if(SETTLED, "{}");
    then_exactly(
        SETTLED,
        "{'vehicle_id':'" VEHICLE "','driver_id':'" DRIVER "','route_id':'" ROUTE
        "','day':'2026-11-23','profit':{'revenue_fixed_kop':220000,'revenue_per_box_kop':0,"
        "'revenue_per_km_kop':0,'revenue_per_point_kop':0,'revenue_waiting_kop':0,"
        "'revenue_penalty_kop':0,'cost_fuel_kop':36192,'cost_driver_pay_kop':197000,"
        "'cost_expenses_kop':0,'cost_wear_kop':15600,'cost_day_share_kop':180000,"
        "'cost_incidents_kop':0,'revenue_kop':220000,'cost_kop':428792,"
        "'profit_kop':-208792,'margin_bp':-9490},'customers':[{'customer_id':'" CUSTOMER_A
        "','revenue_kop':150000,'cost_kop':292359},{'customer_id':'" CUSTOMER_B
        "','revenue_kop':70000,'cost_kop':136433}],'distance_m':52000,'duration_s':7200,"
        "'points':2,'fuel_ml':6240,'fuel_litre_kop':5800}");
}

/* 52 km, 6.24 l of the norm. Wear 4 roubles a kilometre: 20800. Fuel at 70 roubles: 43680. */
static void
test_rates_of_the_road(void **state)
{
    (void)state;
    a_trip_that_settles();
    what_if(SETTLED, "{'wear_kop_km':400,'fuel_litre_kop':7000}");
    then_event(SETTLED, "{'profit':{'cost_wear_kop':20800,'cost_fuel_kop':43680,"
                        "'cost_driver_pay_kop':197000,'revenue_kop':220000,'cost_kop':441480},"
                        "'fuel_litre_kop':7000}");
    a_trip_that_settles();
    what_if(SETTLED, "{'norm_ml_100km':10000}"); /* 5.2 l at the price that was */
    then_event(SETTLED, "{'profit':{'cost_fuel_kop':30160}}");
}

/* Counted litres keep their number: 7 l at 70 roubles are 49000. */
static void
test_counted_fuel_at_another_price(void **state)
{
    (void)state;
    a_finished_trip();
    when("trips.record_fuel_cost",
         "{'consumed_ml':7000,'cost_kop':41000,'basis':'LEDGER','reference':'tank 4'}");
    when("trips.settle", "{}");
    when_answer_from(VEHICLE_DAY, "trips.day_frozen", "trips.freeze_day_share",
                     "trips.day_share_frozen.v1", "{'trip_id':'" STORY_STREAM "','share_kop':1}");
    what_if(SETTLED, "{'fuel_litre_kop':7000,'norm_ml_100km':1}");
    then_event(SETTLED, "{'profit':{'cost_fuel_kop':49000},'fuel_ml':7000}");
}

/* Ten per cent dearer: 165000 and 77000. Pay follows the revenue by 5 %: 1100 more. */
static void
test_prices(void **state)
{
    (void)state;
    a_trip_that_settles();
    what_if(SETTLED, "{'price_bp':11000}");
    then_event(SETTLED, "{'profit':{'revenue_fixed_kop':242000,'revenue_kop':242000,"
                        "'cost_driver_pay_kop':198100,'cost_kop':429892,'profit_kop':-187892}}");
}

/* 52 km at 33 kopecks are 1716; one per cent more are 1733.16: the rate itself would not change. */
static void
test_a_price_by_the_kilometre(void **state)
{
    (void)state;
    a_finished_trip();
    when("trips.add_revenue", "{'kind':'PER_KM','rate_kop':33}");
    when("trips.settle", "{}");
    when_answer_from(VEHICLE_DAY, "trips.day_frozen", "trips.freeze_day_share",
                     "trips.day_share_frozen.v1", "{'trip_id':'" STORY_STREAM "','share_kop':1}");
    then_event(SETTLED, "{'profit':{'revenue_per_km_kop':1716}}");
    what_if(SETTLED, "{'price_bp':10100}");
    then_event(SETTLED, "{'profit':{'revenue_per_km_kop':1733,'revenue_fixed_kop':222200}}");
}

/* A day of half the cost: half the share. A driver paid by the trip alone. */
static void
test_the_day_and_the_pay(void **state)
{
    (void)state;
    a_trip_that_settles();
    what_if(SETTLED, "{'fixed_kop_day':150000,'per_trip_kop':50000,'per_km_kop':0,"
                     "'per_point_kop':0,'per_hour_kop':0,'pct_bp':0}");
    then_event(SETTLED, "{'profit':{'cost_day_share_kop':90000,'cost_driver_pay_kop':50000,"
                        "'cost_kop':191792}}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_rules_it_is_the_same),
        cmocka_unit_test(test_rates_of_the_road),
        cmocka_unit_test(test_counted_fuel_at_another_price),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_a_price_by_the_kilometre),
        cmocka_unit_test(test_the_day_and_the_pay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
