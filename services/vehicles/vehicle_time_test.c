/* vehicle_time_test.c - stories of a vehicle's time: reservations, windows, papers, trips.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/story_vehicles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- reservations --------------------------------------------------------------------------- */

static void
test_a_reservation_carries_the_terms(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                             "','from_at':1795435200000,'to_at':1795446000000,'load_g':900000,"
                             "'load_ml':4000000}");
    then_exactly("vehicles.reserved.v1",
                 "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                 "','from_at':1795435200000,'to_at':1795446000000,'load_g':900000,"
                 "'load_ml':4000000,'norm_ml_100km':10500,'fuel':'DIESEL','odometer_m':120000000,"
                 "'class':'VAN','payload_g':1500000,'cargo_ml':9000000,'wear_kop_km':350,"
                 "'fixed_kop_day':250000,'reserved_at':1795420800000}");
    then_nothing_more();
}

static void
test_the_norm_is_that_of_the_season(void **state)
{
    static const struct {
        const char *settings, *from, *to;
        int         norm;
    } seasons[] = {
        {"{}", "1806526740000", "1806530340000", 10500}, /* 2027-03-31T23:59 in Moscow */
        {"{}", "1806526800000", "1806530400000", 9500},  /* 2027-04-01T00:00 */
        {"{'winter_from_month':4,'winter_to_month':5}", "1806526800000", "1806530400000", 10500},
        {"{'winter_from_month':4,'winter_to_month':5}", "1795435200000", "1795446000000", 9500},
    };
    char json[200], norm[40];

    (void)state;
    for (int i = 0; i < BUS_COUNT(seasons); i++) {
        a_van();
        with_setting(seasons[i].settings);
        (void)snprintf(json, sizeof(json),
                       "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                       "','from_at':%s,'to_at':%s}",
                       seasons[i].from, seasons[i].to);
        (void)snprintf(norm, sizeof(norm), "{'norm_ml_100km':%d}", seasons[i].norm);
        when("vehicles.reserve", json);
        then_event("vehicles.reserved.v1", norm);
    }
}

static void
test_reservations_do_not_overlap(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795445999999, 1795449600000));
    then_refused_with("VEHICLE_BUSY",
                      "{'trip_id':'" TRIP_1 "','from_at':1795435200000,'to_at':1795446000000,"
                      "'from':'2026-11-23 15:00','to':'2026-11-23 18:00'}");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795431600000, 1795435200001));
    then_refused("VEHICLE_BUSY");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795438800000, 1795442400000));
    then_refused("VEHICLE_BUSY");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795446000000, 1795449600000));
    then_event("vehicles.reserved.v1", "{'reservation_id':'" RES_2 "'}");
    when("vehicles.reserve", RESERVE(RES_3, TRIP_2, 1795431600000, 1795435200000));
    then_event("vehicles.reserved.v1", "{'reservation_id':'" RES_3 "'}");
}

static void
test_the_same_reservation_again_changes_nothing(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_nothing_more();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_2));
    then_refused("VEHICLE_RESERVATION_DIFFERS");
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1795446000001));
    then_refused("VEHICLE_RESERVATION_DIFFERS");
}

static void
test_a_release_gives_the_time_back_once(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    when("vehicles.release", "{'reservation_id':'" RES_1 "','reason':'other vehicle'}");
    then_exactly("vehicles.released.v1",
                 "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','released_at':1795420800000,"
                 "'reason':'other vehicle'}");
    when("vehicles.release", "{'reservation_id':'" RES_1 "'}");
    then_nothing_more();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused("VEHICLE_RESERVATION_BARRED");
    when("vehicles.reserve", AT_NOON(RES_2, TRIP_2));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_a_release_that_comes_first_bars_the_reservation(void **state)
{
    (void)state;
    a_van();
    when("vehicles.release", "{'reservation_id':'" RES_1 "'}");
    then_exactly("vehicles.reservation_barred.v1", "{'reservation_id':'" RES_1 "'}");
    when("vehicles.release", "{'reservation_id':'" RES_1 "'}");
    then_nothing_more();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused("VEHICLE_RESERVATION_BARRED");
}

static void
test_an_interval_has_a_length(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1795435200000));
    then_refused("VEHICLE_INTERVAL_EMPTY");
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1798113600001));
    then_refused_with("VEHICLE_INTERVAL_TOO_LONG", "{'max_days':31}");
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1798113600000));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_a_load_has_to_fit(void **state)
{
    (void)state;
    a_van();
    when("vehicles.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                             "','from_at':1795435200000,'to_at':1795446000000,'load_g':1500001}");
    then_refused_with("VEHICLE_OVERLOADED", "{'load_g':1500001,'load_ml':0,'payload_g':1500000,"
                                            "'cargo_ml':9000000}");
    when("vehicles.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                             "','from_at':1795435200000,'to_at':1795446000000,'load_g':1500000,"
                             "'load_ml':9000001}");
    then_refused("VEHICLE_OVERLOADED");
    when("vehicles.reserve", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                             "','from_at':1795435200000,'to_at':1795446000000,'load_g':1500000,"
                             "'load_ml':9000000}");
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_blocked_vehicles_are_not_reserved(void **state)
{
    (void)state;
    a_van();
    when("vehicles.block", "{'reason':'accident'}");
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("VEHICLE_UNUSABLE", "{'status':'BLOCKED'}");
}

static void
reserve_hours(int count, int64_t from_at)
{
    char json[256];

    for (int i = 0; i < count; i++) {
        (void)snprintf(
            json, sizeof(json),
            "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d','trip_id':'" TRIP_1
            "','from_at':%lld,'to_at':%lld}",
            i, (long long)(from_at + i * HOUR_MS), (long long)(from_at + (i + 1) * HOUR_MS));
        when("vehicles.reserve", json);
        then_event("vehicles.reserved.v1", "{}");
    }
}

static void
test_reservations_that_are_over_make_room(void **state)
{
    (void)state;
    a_van();
    reserve_hours(64, T0 + HOUR_MS);
    when("vehicles.reserve", RESERVE(RES_1, TRIP_2, 1798113600000, 1798117200000));
    then_refused_with("VEHICLE_RESERVATIONS_FULL", "{'max':64}");
    later_ms(2 * HOUR_MS); /* the first has just ended */
    when("vehicles.reserve", RESERVE(RES_1, TRIP_2, 1798113600000, 1798117200000));
    then_event("vehicles.reserved.v1", "{}");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1798117200000, 1798120800000));
    then_refused("VEHICLE_RESERVATIONS_FULL");
}

static void
test_a_trip_under_way_never_makes_room(void **state)
{
    (void)state;
    a_van();
    reserve_hours(64, T0 + HOUR_MS);
    at_time(T0 + HOUR_MS);
    when("vehicles.start_trip",
         START("00000000-0000-4000-8000-000000000200", TRIP_1, 120000000, 1795424400000));
    at_time(T0 + 2 * HOUR_MS); /* its time is over, it is late */
    when("vehicles.reserve", RESERVE(RES_1, TRIP_2, 1798113600000, 1798117200000));
    then_refused("VEHICLE_RESERVATIONS_FULL");
    at_time(T0 + 3 * HOUR_MS); /* the second has ended, unused */
    when("vehicles.reserve", RESERVE(RES_1, TRIP_2, 1798113600000, 1798117200000));
    then_event("vehicles.reserved.v1", "{}");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795424400000, 1795428000000));
    then_refused_with("VEHICLE_BUSY", "{'trip_id':'" TRIP_1 "'}");
}

/* Beside the module runs a list of what must be held. Small numbers, so that all meet. */
#define SLOTS 48
#define IDS 24

static void
test_never_two_at_once_whatever_is_asked(void **state)
{
    static struct {
        bool known, held;
        int  from, to;
    } ids[IDS];
    uint64_t seed = 20261123;
    char     json[256];
    int      refused = 0, accepted = 0;

    (void)state;
    a_van();
    memset(ids, 0, sizeof(ids));
    for (int step = 0; step < 4000; step++) {
        int  id, from, to;
        bool busy = false;

        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        id = (int)(seed >> 33) % IDS;
        from = (int)(seed >> 40) % SLOTS;
        to = from + 1 + (int)(seed >> 50) % 6;
        if (step % 500 == 0) { /* a new vehicle, or all ids are used up */
            a_van();
            memset(ids, 0, sizeof(ids));
        }
        if ((seed >> 60) % 4 == 0) {
            (void)snprintf(json, sizeof(json),
                           "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d'}", id);
            when("vehicles.release", json);
            if (ids[id].held)
                then_event("vehicles.released.v1", "{}");
            else if (!ids[id].known)
                then_event("vehicles.reservation_barred.v1", "{}");
            then_nothing_more();
            ids[id].known = true;
            ids[id].held = false;
            continue;
        }
        for (int i = 0; i < IDS; i++)
            busy = busy || (i != id && ids[i].held && ids[i].from < to && from < ids[i].to);
        (void)snprintf(
            json, sizeof(json),
            "{'reservation_id':'00000000-0000-4000-8000-0000000002%02d','trip_id':'" TRIP_1
            "','from_at':%lld,'to_at':%lld}",
            id, (long long)(T0 + from * HOUR_MS), (long long)(T0 + to * HOUR_MS));
        when("vehicles.reserve", json);
        if (ids[id].held && ids[id].from == from && ids[id].to == to) {
            then_nothing_more();
        } else if (ids[id].held) {
            then_refused("VEHICLE_RESERVATION_DIFFERS");
        } else if (ids[id].known) {
            then_refused("VEHICLE_RESERVATION_BARRED");
        } else if (busy) {
            then_refused("VEHICLE_BUSY");
            refused++;
        } else {
            then_event("vehicles.reserved.v1", "{}");
            ids[id].known = ids[id].held = true;
            ids[id].from = from;
            ids[id].to = to;
            accepted++;
        }
    }
    assert_true(refused > 50 && accepted > 50);
}

/* --- papers --------------------------------------------------------------------------------- */

#define PAPER(kind, number, from, to) \
    "{'kind':'" kind "','number':'" number "','from_on':'" from "','to_on':'" to "'}"
/* 2026-12-31T12:00 to 2027-01-02T12:00 in Moscow. */
#define NEW_YEAR(id) RESERVE(id, TRIP_1, 1798707600000, 1798880400000)

static void
test_papers_have_to_be_there(void **state)
{
    (void)state;
    a_new_van();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("VEHICLE_DOCUMENT_MISSING", "{'kind':'OSAGO'}");
    when("vehicles.add_document", PAPER("OSAGO", "1", "2026-01-01", "2027-12-31"));
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("VEHICLE_DOCUMENT_MISSING", "{'kind':'INSPECTION'}");
    with_setting("{'inspection_required':false}");
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_event("vehicles.reserved.v1", "{}");

    a_new_van();
    with_setting("{'inspection_required':false,'osago_required':false}");
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_papers_hold_to_the_end_of_the_reservation(void **state)
{
    (void)state;
    a_new_van();
    with_setting("{'inspection_required':false}");
    when("vehicles.add_document", PAPER("OSAGO", "1", "2026-01-01", "2027-01-01"));
    when("vehicles.reserve", NEW_YEAR(RES_1));
    then_refused_with("VEHICLE_DOCUMENT_EXPIRES", "{'kind':'OSAGO','to_on':'2027-01-01'}");
    when("vehicles.add_document", PAPER("OSAGO", "1", "2026-01-01", "2027-01-02"));
    when("vehicles.reserve", NEW_YEAR(RES_1));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_a_reservation_to_midnight_needs_no_paper_of_the_next_day(void **state)
{
    (void)state;
    a_new_van();
    with_setting("{'inspection_required':false}");
    when("vehicles.add_document", PAPER("OSAGO", "1", "2026-11-23", "2026-11-23"));
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1795467600001));
    then_refused_with("VEHICLE_DOCUMENT_EXPIRES", "{'to_on':'2026-11-23'}");
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435200000, 1795467600000));
    then_event("vehicles.reserved.v1", "{}");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_1, 1795381199999, 1795384800000));
    then_refused("VEHICLE_DOCUMENT_EXPIRES"); /* the day before it began */
    when("vehicles.reserve", RESERVE(RES_2, TRIP_1, 1795381200000, 1795384800000));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_a_renewal_may_be_entered_before_the_old_paper_ends(void **state)
{
    (void)state;
    a_new_van();
    with_setting("{'inspection_required':false}");
    when("vehicles.add_document", PAPER("OSAGO", "2", "2027-01-01", "2027-12-31"));
    when("vehicles.reserve", NEW_YEAR(RES_1));
    then_refused_with("VEHICLE_DOCUMENT_EXPIRES", "{'to_on':'2027-12-31'}"); /* not yet in force */
    when("vehicles.add_document", PAPER("OSAGO", "1", "2026-01-01", "2026-12-30"));
    when("vehicles.reserve", NEW_YEAR(RES_1));
    then_refused("VEHICLE_DOCUMENT_EXPIRES"); /* a day without */
    when("vehicles.add_document", PAPER("OSAGO", "1", "2026-01-01", "2026-12-31"));
    when("vehicles.reserve", NEW_YEAR(RES_1));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_of_many_papers_the_ones_that_end_last_stay(void **state)
{
    (void)state;
    a_new_van();
    with_setting("{'inspection_required':false}");
    when("vehicles.add_document", PAPER("OSAGO", "now", "2026-01-01", "2027-12-31"));
    when("vehicles.add_document", PAPER("OSAGO", "a", "2020-01-01", "2020-12-31"));
    when("vehicles.add_document", PAPER("OSAGO", "b", "2021-01-01", "2021-12-31"));
    when("vehicles.add_document", PAPER("OSAGO", "c", "2022-01-01", "2022-12-31"));
    when("vehicles.add_document", PAPER("OSAGO", "d", "2023-01-01", "2023-12-31"));
    when("vehicles.add_document", PAPER("OSAGO", "e", "2024-01-01", "2024-12-31"));
    when("vehicles.reserve", NEW_YEAR(RES_1));
    then_event("vehicles.reserved.v1", "{}");
}

/* --- maintenance ------------------------------------------------------------------------------ */

#define WINDOW_OF(id, from, to) \
    "{'window_id':'" id "','from_at':" #from ",'to_at':" #to ",'kind':'tyres'}"

static void
test_windows_and_reservations_keep_apart(void **state)
{
    (void)state;
    a_van();
    when("vehicles.plan_maintenance", WINDOW_OF(WINDOW, 1795435200000, 1795446000000));
    then_exactly("vehicles.maintenance_planned.v1",
                 WINDOW_OF(WINDOW, 1795435200000, 1795446000000));
    when("vehicles.plan_maintenance", WINDOW_OF(WINDOW, 1795435200000, 1795446000000));
    then_nothing_more();
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795431600000, 1795435200001));
    then_refused_with("VEHICLE_IN_MAINTENANCE",
                      "{'from_at':1795435200000,'to_at':1795446000000,"
                      "'from':'2026-11-23 15:00','to':'2026-11-23 18:00'}");
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795446000000, 1795449600000));
    then_event("vehicles.reserved.v1", "{}");
    when("vehicles.plan_maintenance", WINDOW_OF(RES_2, 1795446000000, 1795449600000));
    then_refused_with("VEHICLE_WINDOW_TAKEN", "{'trip_id':'" TRIP_1 "'}");
    when("vehicles.plan_maintenance", WINDOW_OF(RES_2, 1795446000000, 1795446000000));
    then_refused("VEHICLE_INTERVAL_EMPTY");
    when("vehicles.plan_maintenance", WINDOW_OF(RES_2, 1795446000000, 1895446000000));
    then_refused("VEHICLE_INTERVAL_TOO_LONG");
    when("vehicles.cancel_maintenance", "{'window_id':'" WINDOW "'}");
    then_exactly("vehicles.maintenance_cancelled.v1",
                 "{'window_id':'" WINDOW "','cancelled_at':1795420800000}");
    when("vehicles.cancel_maintenance", "{'window_id':'" WINDOW "'}");
    then_refused("VEHICLE_WINDOW_UNKNOWN");
    when("vehicles.reserve", AT_NOON(RES_2, TRIP_2));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_windows_that_are_over_make_room(void **state)
{
    char json[200];

    (void)state;
    a_van();
    for (int i = 0; i <= 16; i++) {
        (void)snprintf(json, sizeof(json),
                       "{'window_id':'00000000-0000-4000-8000-0000000003%02d','from_at':%lld,"
                       "'to_at':%lld}",
                       i, (long long)(T0 + i * DAY_MS), (long long)(T0 + i * DAY_MS + HOUR_MS));
        when("vehicles.plan_maintenance", json);
        if (i < 16)
            then_event("vehicles.maintenance_planned.v1", "{}");
    }
    then_refused_with("VEHICLE_WINDOWS_FULL", "{'max':16}");
    later_ms(HOUR_MS);
    when("vehicles.plan_maintenance", json);
    then_event("vehicles.maintenance_planned.v1", "{}");
    when("vehicles.cancel_maintenance", "{'window_id':'00000000-0000-4000-8000-000000000300'}");
    then_refused("VEHICLE_WINDOW_UNKNOWN");
}

static void
test_in_the_workshop_one_is_reserved_for_afterwards(void **state)
{
    (void)state;
    a_van();
    when("vehicles.send_to_maintenance", "{'kind':'brakes','until_at':1795435200000}");
    when("vehicles.reserve", RESERVE(RES_1, TRIP_1, 1795435199999, 1795446000000));
    then_refused_with("VEHICLE_IN_MAINTENANCE", "{'from_at':1795420800000,'to_at':1795435200000}");
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_event("vehicles.reserved.v1", "{}");

    a_van();
    when("vehicles.send_to_maintenance", "{'kind':'brakes'}"); /* nobody knows how long */
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
    then_refused_with("VEHICLE_UNUSABLE", "{'status':'MAINTENANCE'}");
}

/* --- on the road --------------------------------------------------------------------------------
 */

static void
test_a_trip_from_departure_to_end(void **state)
{
    (void)state;
    a_van_on_a_trip();
    then_exactly("vehicles.trip_started.v1",
                 "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','driver_id':'" DRIVER
                 "','started_at':1795435200000}");
    then_exactly("vehicles.odometer_recorded.v1", "{'odometer_m':120000000,'driver_id':'" DRIVER
                                                  "','source':'TRIP','read_at':1795435200000}");
    then_nothing_more();
    then_owned_by(DRIVER, true);
    then_owned_by(OTHER_DRIVER, false);
    when("vehicles.start_trip", START(RES_1, TRIP_1, 120000000, 1795435200000));
    then_nothing_more();
    when("vehicles.release", "{'reservation_id':'" RES_1 "'}");
    then_refused_with("VEHICLE_TRIP_UNDER_WAY", "{'trip_id':'" TRIP_1 "'}");
    at_time(T0 + 7 * HOUR_MS);
    when("vehicles.finish_trip", FINISH(RES_1, TRIP_1, 120050000, 1795446000000));
    then_exactly("vehicles.trip_finished.v1", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                                              "','finished_at':1795446000000,'was_on_trip':true}");
    then_event("vehicles.odometer_recorded.v1", "{'odometer_m':120050000,'source':'TRIP'}");
    then_nothing_more();
    then_owned_by(DRIVER, false);
    when("vehicles.finish_trip", FINISH(RES_1, TRIP_1, 120050000, 1795446000000));
    then_nothing_more();
    when("vehicles.reserve", AT_NOON(RES_1, TRIP_1)); /* too late to come again */
    then_refused("VEHICLE_RESERVATION_BARRED");
    when("vehicles.retire", "{'reason':'sold'}");
    then_event("vehicles.retired.v1", "{}");
}

static void
test_nobody_owns_a_vehicle_that_stands(void **state)
{
    (void)state;
    a_van();
    then_owned_by("00000000-0000-0000-0000-000000000000", false);
}

static void
test_a_trip_that_is_late_keeps_its_vehicle(void **state)
{
    (void)state;
    a_van_on_a_trip();
    at_time(T0 + 9 * HOUR_MS); /* two hours late */
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795449600000, 1795456800000));
    then_refused_with("VEHICLE_BUSY", "{'trip_id':'" TRIP_1 "','to':'2026-11-23 20:00'}");
    when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795453200000, 1795456800000));
    then_event("vehicles.reserved.v1", "{}");
}

static void
test_a_departure_counts_without_a_reservation(void **state)
{
    (void)state;
    a_van();
    when("vehicles.start_trip", START(RES_1, TRIP_1, 120000000, 1795420800000));
    then_event("vehicles.trip_started.v1", "{'trip_id':'" TRIP_1 "'}");
    when("vehicles.retire", "{'reason':'sold'}");
    then_refused_with("VEHICLE_WRONG_STATE", "{'status':'ON_TRIP'}");
    when("vehicles.finish_trip",
         "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1 "','finished_at':1795420800000}");
    then_exactly("vehicles.trip_finished.v1", "{'reservation_id':'" RES_1 "','trip_id':'" TRIP_1
                                              "','finished_at':1795420800000,'was_on_trip':true}");
    then_nothing_more();
    when("vehicles.retire", "{'reason':'sold'}");
    then_event("vehicles.retired.v1", "{}");
}

/* Two trips, one after the other, of different logs: 1 from 12:00, 2 from 15:00. Each log keeps
 * its own order; whatever comes between, the vehicle ends AVAILABLE and never stands while the
 * trip that departed last is under way. */
static void
test_two_trips_in_any_interleaving(void **state)
{
    static const char *const orders[] = {"12ab", "1a2b", "21ab", "12ba", "2b1a", "21ba"};
    /* Is it on a trip after each step? */
    static const char *const on_trip[] = {"yyyn", "ynyn", "yyyn", "yynn", "ynyn", "yynn"};

    (void)state;
    for (int i = 0; i < BUS_COUNT(orders); i++) {
        a_van();
        when("vehicles.reserve", AT_NOON(RES_1, TRIP_1));
        when("vehicles.reserve", RESERVE(RES_2, TRIP_2, 1795446000000, 1795453200000));
        at_time(T0 + 12 * HOUR_MS);
        for (int step = 0; step < 4; step++) {
            bool on = on_trip[i][step] == 'y';

            switch (orders[i][step]) {
            case '1':
                when("vehicles.start_trip", START(RES_1, TRIP_1, 120000000, 1795435200000));
                then_event("vehicles.trip_started.v1", "{}");
                break;
            case '2':
                when("vehicles.start_trip", START(RES_2, TRIP_2, 120050000, 1795446000000));
                then_event("vehicles.trip_started.v1", "{}");
                break;
            case 'a':
                when("vehicles.finish_trip", FINISH(RES_1, TRIP_1, 120050000, 1795445000000));
                then_event("vehicles.trip_finished.v1", "{}");
                break;
            case 'b':
                when("vehicles.finish_trip", FINISH(RES_2, TRIP_2, 120090000, 1795453200000));
                then_event("vehicles.trip_finished.v1", "{}");
                break;
            }
            when("vehicles.send_to_maintenance", "{'kind':'look'}");
            if (on) {
                then_refused_with("VEHICLE_WRONG_STATE", "{'status':'ON_TRIP'}");
            } else {
                then_event("vehicles.sent_to_maintenance.v1", "{}");
                when("vehicles.return_from_maintenance", "{'cost_kop':0,'odometer_m':120090000}");
                then_event("vehicles.returned_from_maintenance.v1", "{}");
            }
        }
        when("vehicles.retire", "{'reason':'sold'}");
        then_event("vehicles.retired.v1", "{}");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reservation_carries_the_terms),
        cmocka_unit_test(test_the_norm_is_that_of_the_season),
        cmocka_unit_test(test_reservations_do_not_overlap),
        cmocka_unit_test(test_the_same_reservation_again_changes_nothing),
        cmocka_unit_test(test_a_release_gives_the_time_back_once),
        cmocka_unit_test(test_a_release_that_comes_first_bars_the_reservation),
        cmocka_unit_test(test_an_interval_has_a_length),
        cmocka_unit_test(test_a_load_has_to_fit),
        cmocka_unit_test(test_blocked_vehicles_are_not_reserved),
        cmocka_unit_test(test_reservations_that_are_over_make_room),
        cmocka_unit_test(test_a_trip_under_way_never_makes_room),
        cmocka_unit_test(test_never_two_at_once_whatever_is_asked),
        cmocka_unit_test(test_papers_have_to_be_there),
        cmocka_unit_test(test_papers_hold_to_the_end_of_the_reservation),
        cmocka_unit_test(test_a_reservation_to_midnight_needs_no_paper_of_the_next_day),
        cmocka_unit_test(test_a_renewal_may_be_entered_before_the_old_paper_ends),
        cmocka_unit_test(test_of_many_papers_the_ones_that_end_last_stay),
        cmocka_unit_test(test_windows_and_reservations_keep_apart),
        cmocka_unit_test(test_windows_that_are_over_make_room),
        cmocka_unit_test(test_in_the_workshop_one_is_reserved_for_afterwards),
        cmocka_unit_test(test_a_trip_from_departure_to_end),
        cmocka_unit_test(test_nobody_owns_a_vehicle_that_stands),
        cmocka_unit_test(test_a_trip_that_is_late_keeps_its_vehicle),
        cmocka_unit_test(test_a_departure_counts_without_a_reservation),
        cmocka_unit_test(test_two_trips_in_any_interleaving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
