/* driver_time_test.c - stories of a driver's time: reservations, papers, limits of driving.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/story_drivers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* --- reservations ------------------------------------------------------------------------------
 */

static void
test_a_reservation_carries_the_terms_of_pay(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                            "','from_at':1795435200000,'to_at':1795446000000,"
                            "'vehicle_class':'TRUCK_10T','driving_s':7200}");
    then_exactly("drivers.reserved.v1",
                 "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                 "','from_at':1795435200000,'to_at':1795446000000,'driving_s':7200,"
                 "'reserved_at':1795420800000,'per_trip_kop':100000,'per_km_kop':900,"
                 "'per_point_kop':10000,'per_hour_kop':20000,'pct_bp':500}");
    then_nothing_more();
}

static void
test_reservations_do_not_overlap(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    when("drivers.reserve", RESERVE(RES_2, TRIP_2, 1795445999999, 1795449600000));
    then_refused_with("DRIVER_BUSY",
                      "{'trip_id':'" TRIP_1 "','from_at':1795435200000,'to_at':1795446000000,"
                      "'from':'2026-11-23 15:00','to':'2026-11-23 18:00'}");
    when("drivers.reserve", RESERVE(RES_2, TRIP_2, 1795431600000, 1795435200001));
    then_refused("DRIVER_BUSY");
    when("drivers.reserve", RESERVE(RES_2, TRIP_2, 1795446000000, 1795449600000));
    then_event("drivers.reserved.v1", "{'reservation_id':'" RES_2 "'}");
    when("drivers.reserve", RESERVE(RES_3, TRIP_2, 1795449600000, 1795449600000));
    then_refused("DRIVER_INTERVAL_EMPTY");
    when("drivers.reserve", RESERVE(RES_3, TRIP_2, 1795449600000, 1895449600000));
    then_refused_with("DRIVER_INTERVAL_TOO_LONG", "{'max_days':31}");
}

static void
test_the_same_reservation_again_changes_nothing(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    then_nothing_more();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_2));
    then_refused("DRIVER_RESERVATION_DIFFERS");
    when("drivers.end_reservation", END(RES_1, TRIP_1, 1795446000000));
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1)); /* it has been */
    then_nothing_more();
    when("drivers.release", "{'reservation_id':'" RES_1 "'}");
    then_nothing_more();
}

static void
test_a_release_gives_the_time_back_once(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    when("drivers.release", "{'reservation_id':'" RES_1 "','reason':'other driver'}");
    then_exactly("drivers.released.v1",
                 "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','released_at':1795420800000,"
                 "'reason':'other driver'}");
    when("drivers.release", "{'reservation_id':'" RES_1 "'}");
    then_nothing_more();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused("DRIVER_RESERVATION_BARRED");
    when("drivers.reserve", AT_NOON(RES_2, TRIP_2));
    then_event("drivers.reserved.v1", "{}");
}

static void
test_a_release_that_comes_first_bars_the_reservation(void **state)
{
    (void)state;
    a_driver();
    when("drivers.release", "{'reservation_id':'" RES_1 "'}");
    then_exactly("drivers.reservation_barred.v1", "{'reservation_id':'" RES_1 "'}");
    when("drivers.release", "{'reservation_id':'" RES_1 "'}");
    then_nothing_more();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused("DRIVER_RESERVATION_BARRED");
}

static void
test_only_the_active_are_reserved(void **state)
{
    (void)state;
    a_new_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("DRIVER_NOT_ACTIVE", "{'status':'ONBOARDING'}");
    when("drivers.activate", "{}");
    when("drivers.suspend", "{'reason':'x'}");
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("DRIVER_NOT_ACTIVE", "{'status':'SUSPENDED'}");
}

static void
test_reservations_that_are_over_make_room(void **state)
{
    char json[256];

    (void)state;
    a_driver();
    for (int i = 0; i < 64; i++) {
        (void)snprintf(
            json, sizeof(json),
            "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d','trip_id':'" TRIP_1
            "','from_at':%lld,'to_at':%lld,'driving_s':600}",
            i, (long long)(T0 + (i + 1) * HOUR_MS), (long long)(T0 + (i + 2) * HOUR_MS));
        when("drivers.reserve", json);
        then_event("drivers.reserved.v1", "{}");
    }
    when("drivers.reserve", RESERVE(RES_1, TRIP_2, 1796630400000, 1796634000000));
    then_refused_with("DRIVER_RESERVATIONS_FULL", "{'max':64}");
    later_ms(2 * HOUR_MS); /* the first has just ended */
    when("drivers.reserve", RESERVE(RES_1, TRIP_2, 1796630400000, 1796634000000));
    then_event("drivers.reserved.v1", "{}");
    with_setting("{'drive_day_max_s':8399,'drive_day_long_s':8399}"); /* 12 and this one: 8400 */
    when("drivers.reserve", "{'reservation_id':'" RES_2 "','trip_id':'" TRIP_2
                            "','from_at':1795420800000,'to_at':1795424400000,'driving_s':1200}");
    then_refused_with("DRIVER_DAY_LIMIT", "{'driving_s':8400}"); /* over, and yet it counts */
}

static void
test_a_trip_under_way_never_makes_room(void **state)
{
    char json[256];

    (void)state;
    a_driver();
    for (int i = 0; i < 64; i++) {
        (void)snprintf(
            json, sizeof(json),
            "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d','trip_id':'" TRIP_1
            "','from_at':%lld,'to_at':%lld}",
            i, (long long)(T0 + (i + 1) * HOUR_MS), (long long)(T0 + (i + 2) * HOUR_MS));
        when("drivers.reserve", json);
        then_event("drivers.reserved.v1", "{}");
    }
    when("drivers.start_trip",
         START("00000000-0000-4000-8000-000000000200", TRIP_1, 1795424400000));
    at_time(T0 + 2 * HOUR_MS); /* its time is over, it is late */
    when("drivers.reserve", RESERVE(RES_1, TRIP_2, 1796630400000, 1796634000000));
    then_refused("DRIVER_RESERVATIONS_FULL");
    at_time(T0 + 3 * HOUR_MS); /* the second has ended, unused */
    when("drivers.reserve", RESERVE(RES_1, TRIP_2, 1796630400000, 1796634000000));
    then_event("drivers.reserved.v1", "{}");
    when("drivers.end_reservation",
         END("00000000-0000-4000-8000-000000000200", TRIP_1, 1795431600000));
    then_event("drivers.reservation_ended.v1", "{}");
}

/* --- papers ---------------------------------------------------------------------------------- */

static void
test_categories_fit_classes(void **state)
{
    static const struct {
        const char *category, *fits; /* V T1 T2 X: van, 5 t, 10 t, tractor */
    } cases[] = {
        {"'B'", "y---"}, {"'BE'", "y---"}, {"'C1'", "-y--"}, {"'C1E'", "-y--"},
        {"'C'", "-yy-"}, {"'CE'", "-yyy"}, {"'D'", "----"},  {"'B','CE'", "yyyy"},
    };
    static const char *const classes[] = {"VAN", "TRUCK_5T", "TRUCK_10T", "TRACTOR"};
    char                     json[300], params[60];

    (void)state;
    for (int i = 0; i < BUS_COUNT(cases); i++)
        for (int k = 0; k < BUS_COUNT(classes); k++) {
            a_driver();
            (void)snprintf(json, sizeof(json),
                           "{'licence':{'number':'9912345678','categories':[%s],"
                           "'valid_to':'2027-12-31'}}",
                           cases[i].category);
            when("drivers.change_documents", json);
            then_event("drivers.documents_changed.v1", "{}");
            (void)snprintf(json, sizeof(json),
                           "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                           "','from_at':1795435200000,'to_at':1795446000000,"
                           "'vehicle_class':'%s'}",
                           classes[k]);
            when("drivers.reserve", json);
            if (cases[i].fits[k] == 'y') {
                then_event("drivers.reserved.v1", "{}");
                continue;
            }
            (void)snprintf(params, sizeof(params), "{'vehicle_class':'%s'}", classes[k]);
            then_refused_with("DRIVER_CATEGORY_UNFIT", params);
        }
}

static void
test_papers_hold_to_the_end_of_the_trip(void **state)
{
    (void)state;
    a_driver();
    when("drivers.change_documents", "{'licence':" LICENCE("9912345678", "'B'", "2026-11-23") "}");
    /* To midnight in Moscow, and a moment longer. */
    when("drivers.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1795467600001));
    then_refused_with("DRIVER_LICENCE_EXPIRES", "{'valid_to':'2026-11-23'}");
    when("drivers.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1795467600000));
    then_event("drivers.reserved.v1", "{}");
    when("drivers.change_documents",
         "{'licence':" LICENCE("9912345678", "'B'",
                               "2027-12-31") ",'medical_valid_to':'2026-11-23'}");
    when("drivers.reserve", RESERVE(RES_2, TRIP_1, 1795467600000, 1795467600001));
    then_refused_with("DRIVER_MEDICAL_EXPIRES", "{'valid_to':'2026-11-23'}");
}

/* --- limits of driving ----------------------------------------------------------------------- */

/* Reserves hours after T0 (11:00 on Monday in Moscow) with so much driving. */
static void
reserve_hours(int nth, int from_hour, int to_hour, int driving_s)
{
    char json[256];

    (void)snprintf(json, sizeof(json),
                   "{'reservation_id':'00000000-0000-4000-8000-0000000004%02d','trip_id':'" TRIP_1
                   "','from_at':%lld,'to_at':%lld,'driving_s':%d}",
                   nth, (long long)(T0 + from_hour * HOUR_MS), (long long)(T0 + to_hour * HOUR_MS),
                   driving_s);
    when("drivers.reserve", json);
}

#define RESERVED() then_event("drivers.reserved.v1", "{}")

static void
test_nine_hours_a_day_ten_twice_a_week(void **state)
{
    (void)state;
    a_driver();
    reserve_hours(1, 0, 5, 16200);
    RESERVED();
    reserve_hours(2, 5, 12, 19801); /* 10 h and a second */
    then_refused_with("DRIVER_DAY_LIMIT", "{'day':'2026-11-23','driving_s':36001,'max_s':36000}");
    reserve_hours(2, 5, 12, 19800); /* Monday: 10 h */
    RESERVED();
    reserve_hours(3, 24, 36, 36000); /* Tuesday: 10 h */
    RESERVED();
    reserve_hours(4, 48, 60, 32401); /* Wednesday: no third long day */
    then_refused_with("DRIVER_DAY_LIMIT", "{'day':'2026-11-25','driving_s':32401,'max_s':32400}");
    reserve_hours(4, 48, 60, 32400);
    RESERVED();
    reserve_hours(5, 168, 180, 36000); /* the next Monday begins a new week */
    RESERVED();
}

static void
test_fifty_six_hours_a_week_ninety_in_two(void **state)
{
    (void)state;
    a_driver();
    for (int day = 0; day < 6; day++) { /* Monday to Saturday: 54 h */
        reserve_hours(day, day * 24, day * 24 + 11, 32400);
        RESERVED();
    }
    reserve_hours(6, 144, 150, 7201);
    then_refused_with("DRIVER_WEEK_LIMIT",
                      "{'day':'2026-11-23','driving_s':201601,'max_s':201600}");
    reserve_hours(6, 144, 150, 7200); /* Sunday: 56 h */
    RESERVED();
    for (int day = 7; day < 10; day++) { /* 27 h more: 83 h */
        reserve_hours(day, day * 24, day * 24 + 11, 32400);
        RESERVED();
    }
    reserve_hours(10, 240, 251, 25201);
    then_refused_with("DRIVER_FORTNIGHT_LIMIT",
                      "{'day':'2026-11-23','driving_s':324001,'max_s':324000}");
    reserve_hours(10, 240, 251, 25200); /* 90 h */
    RESERVED();
}

static void
test_the_week_before_counts_as_well(void **state)
{
    (void)state;
    a_driver();
    with_setting("{'drive_fortnight_max_s':36000}");
    reserve_hours(1, 168, 176, 21600); /* the second week is promised first */
    RESERVED();
    reserve_hours(2, 0, 8, 14401);
    then_refused_with("DRIVER_FORTNIGHT_LIMIT", "{'day':'2026-11-23','driving_s':36001}");
    reserve_hours(2, 0, 8, 14400);
    RESERVED();
    reserve_hours(3, 336, 344, 14400); /* the week after the next: 10 h with the second */
    RESERVED();
}

static void
test_ended_trips_count_and_released_ones_do_not(void **state)
{
    (void)state;
    a_driver();
    reserve_hours(1, 0, 10, 32400);
    when("drivers.release", "{'reservation_id':'00000000-0000-4000-8000-000000000401'}");
    reserve_hours(2, 0, 10, 32400);
    RESERVED();
    when("drivers.end_reservation",
         END("00000000-0000-4000-8000-000000000402", TRIP_1, 1795450000000));
    reserve_hours(3, 10, 12, 3601);
    then_refused_with("DRIVER_DAY_LIMIT", "{'driving_s':36001}");
    reserve_hours(3, 10, 12, 3600);
    RESERVED();
}

static void
test_a_break_after_four_and_a_half_hours(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                            "','from_at':1795420800000,'to_at':1795437001000,'driving_s':16201}");
    then_refused_with("DRIVER_BREAKS_MISSING", "{'needed_s':18901}");
    when("drivers.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                            "','from_at':1795420800000,'to_at':1795437000000,'driving_s':16200}");
    RESERVED();
    when("drivers.reserve", "{'reservation_id':'" RES_2 "','trip_id':'" TRIP_1
                            "','from_at':1795507200000,'to_at':1795526101000,'driving_s':16201}");
    RESERVED();
}

static void
test_a_trip_of_days_is_spread_over_them(void **state)
{
    (void)state;
    a_driver();
    reserve_hours(1, 0, 60, 81001); /* 9 h of each 24, and 4 h 30 and a second of the last 12 */
    RESERVED();
    reserve_hours(2, 60, 67, 19800);
    then_refused_with("DRIVER_DAY_LIMIT", "{'day':'2026-11-25','driving_s':36001,'max_s':36000}");
    reserve_hours(2, 60, 67, 19799);
    RESERVED();
    a_driver();
    reserve_hours(1, 0, 60, 90005); /* 10 h and two seconds a day */
    then_refused_with("DRIVER_DAY_LIMIT", "{'day':'2026-11-23'}");
}

/* --- on the road ------------------------------------------------------------------------------ */

static void
test_a_trip_from_departure_to_end(void **state)
{
    (void)state;
    a_driver_on_a_trip();
    then_exactly("drivers.trip_started.v1", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                                            "','started_at':1795435200000}");
    when("drivers.start_trip", START(RES_1, TRIP_1, 1795435200000));
    then_nothing_more();
    when("drivers.release", "{'reservation_id':'" RES_1 "'}");
    then_refused_with("DRIVER_TRIP_UNDER_WAY", "{'trip_id':'" TRIP_1 "'}");
    when("drivers.start_leave", "{}");
    then_refused_with("DRIVER_HAS_TRIPS", "{'count':1}");
    when("drivers.end_reservation", END(RES_1, TRIP_1, 1795446000000));
    then_exactly("drivers.reservation_ended.v1",
                 "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','ended_at':1795446000000}");
    when("drivers.end_reservation", END(RES_1, TRIP_1, 1795446000000));
    then_nothing_more();
    when("drivers.dismiss", "{'reason':'x'}");
    then_event("drivers.dismissed.v1", "{}");
}

static void
test_a_trip_that_is_late_keeps_its_driver(void **state)
{
    (void)state;
    a_driver_on_a_trip();
    at_time(T0 + 9 * HOUR_MS); /* two hours late */
    when("drivers.reserve", RESERVE(RES_2, TRIP_2, 1795449600000, 1795456800000));
    then_refused_with("DRIVER_BUSY", "{'trip_id':'" TRIP_1 "','to':'2026-11-23 20:00'}");
    when("drivers.reserve", RESERVE(RES_2, TRIP_2, 1795453200000, 1795456800000));
    then_event("drivers.reserved.v1", "{}");
}

/* Trips are of different logs, so the second may be heard of first. */
static void
test_the_trip_that_departed_last_is_the_one_under_way(void **state)
{
    (void)state;
    a_driver();
    when("drivers.reserve", AT_NOON(RES_1, TRIP_1));
    when("drivers.reserve", RESERVE(RES_2, TRIP_2, 1795446000000, 1795453200000));
    at_time(T0 + 12 * HOUR_MS);
    when("drivers.start_trip", START(RES_2, TRIP_2, 1795446000000));
    when("drivers.start_trip", START(RES_1, TRIP_1, 1795435200000));
    then_event("drivers.trip_started.v1", "{}");
    when("drivers.release", "{'reservation_id':'" RES_2 "'}");
    then_refused_with("DRIVER_TRIP_UNDER_WAY", "{'trip_id':'" TRIP_2 "'}");
    when("drivers.end_reservation", END(RES_1, TRIP_1, 1795445000000));
    then_event("drivers.reservation_ended.v1", "{}");
    when("drivers.release", "{'reservation_id':'" RES_2 "'}");
    then_refused("DRIVER_TRIP_UNDER_WAY");
    when("drivers.end_reservation", END(RES_2, TRIP_2, 1795453200000));
    then_event("drivers.reservation_ended.v1", "{}");
    when("drivers.dismiss", "{'reason':'x'}");
    then_event("drivers.dismissed.v1", "{}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reservation_carries_the_terms_of_pay),
        cmocka_unit_test(test_reservations_do_not_overlap),
        cmocka_unit_test(test_the_same_reservation_again_changes_nothing),
        cmocka_unit_test(test_a_release_gives_the_time_back_once),
        cmocka_unit_test(test_a_release_that_comes_first_bars_the_reservation),
        cmocka_unit_test(test_only_the_active_are_reserved),
        cmocka_unit_test(test_reservations_that_are_over_make_room),
        cmocka_unit_test(test_a_trip_under_way_never_makes_room),
        cmocka_unit_test(test_categories_fit_classes),
        cmocka_unit_test(test_papers_hold_to_the_end_of_the_trip),
        cmocka_unit_test(test_nine_hours_a_day_ten_twice_a_week),
        cmocka_unit_test(test_fifty_six_hours_a_week_ninety_in_two),
        cmocka_unit_test(test_the_week_before_counts_as_well),
        cmocka_unit_test(test_ended_trips_count_and_released_ones_do_not),
        cmocka_unit_test(test_a_break_after_four_and_a_half_hours),
        cmocka_unit_test(test_a_trip_of_days_is_spread_over_them),
        cmocka_unit_test(test_a_trip_from_departure_to_end),
        cmocka_unit_test(test_a_trip_that_is_late_keeps_its_driver),
        cmocka_unit_test(test_the_trip_that_departed_last_is_the_one_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
