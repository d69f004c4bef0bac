/* vehicle_day_test.c - stories of a vehicle's day: its shares sum to its cost.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/arena.h"
#include "bus/module/decision.h"
#include "services/trips/story_trips.h"
#include "services/trips/trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TRIP_1 "00000000-0000-4000-8000-000000000001"
#define TRIP_2 "00000000-0000-4000-8000-000000000002"
#define TRIP_3 "00000000-0000-4000-8000-000000000003"
#define COUNT(trip, seconds)                       \
    "{'trip_id':'" trip "','vehicle_id':'" VEHICLE \
    "','day':'2026-11-23','fixed_kop_day':10000,'duration_s':" #seconds "}"

static void
test_a_lone_trip_bears_the_day(void **state)
{
    (void)state;
    story(&trips_module, "vehicle_day");
    when("trips.count_day_seconds", COUNT(TRIP_1, 3600));
    then_exactly("trips.day_trip_counted.v1", COUNT(TRIP_1, 3600));
    then_exactly("trips.day_shares_changed.v1",
                 "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':10000}]}");
    then_nothing_more();
    then_sent("trips.take_day_share", TRIP_1, "{'share_kop':10000}");
    when("trips.count_day_seconds", COUNT(TRIP_1, 3600)); /* counted once */
    then_nothing_more();
}

/* 10000 over 1 : 1 : 1 is 3333.3 each; the kopeck that is left goes to the first. */
static void
test_seconds_divide_the_day(void **state)
{
    (void)state;
    story(&trips_module, "vehicle_day");
    when("trips.count_day_seconds", COUNT(TRIP_1, 3600));
    when("trips.count_day_seconds", COUNT(TRIP_2, 3600));
    then_event("trips.day_trip_counted.v1", "{}");
    then_event("trips.day_shares_changed.v1",
               "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':5000},"
               "{'trip_id':'" TRIP_2 "','share_kop':5000}]}");
    when("trips.count_day_seconds", COUNT(TRIP_3, 3600));
    then_event("trips.day_trip_counted.v1", "{}");
    then_event("trips.day_shares_changed.v1",
               "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':3334},"
               "{'trip_id':'" TRIP_2 "','share_kop':3333},"
               "{'trip_id':'" TRIP_3 "','share_kop':3333}]}");
    then_sent("trips.take_day_share", TRIP_1, "{'share_kop':3334}");
    then_sent("trips.take_day_share", TRIP_2, "{'share_kop':3333}");
    then_sent("trips.take_day_share", TRIP_3, "{'share_kop':3333}");
}

/* 1 h and 3 h: 2500 and 7500. The first settles at 2500; a third of 1 h joins the second:
 * 7500 over 3 : 1 is 5625 and 1875. 2500 + 5625 + 1875 = 10000. */
static void
test_a_frozen_share_stays(void **state)
{
    (void)state;
    story(&trips_module, "vehicle_day");
    when("trips.count_day_seconds", COUNT(TRIP_1, 3600));
    when("trips.count_day_seconds", COUNT(TRIP_2, 10800));
    when("trips.freeze_day_share", "{'trip_id':'" TRIP_1 "'}");
    then_exactly("trips.day_share_frozen.v1", "{'trip_id':'" TRIP_1 "','share_kop':2500}");
    when("trips.count_day_seconds", COUNT(TRIP_3, 3600));
    then_event("trips.day_trip_counted.v1", "{}");
    then_event("trips.day_shares_changed.v1",
               "{'shares':[{'trip_id':'" TRIP_2 "','share_kop':5625},"
               "{'trip_id':'" TRIP_3 "','share_kop':1875}]}");
    when("trips.freeze_day_share", "{'trip_id':'" TRIP_1 "'}"); /* the same answer again */
    then_exactly("trips.day_share_frozen.v1", "{'trip_id':'" TRIP_1 "','share_kop':2500}");
}

/* All that ran so far are settled and bear the whole day: the next bears nothing. */
static void
test_a_trip_after_all_are_settled(void **state)
{
    (void)state;
    story(&trips_module, "vehicle_day");
    when("trips.count_day_seconds", COUNT(TRIP_1, 3600));
    when("trips.freeze_day_share", "{'trip_id':'" TRIP_1 "'}");
    when("trips.count_day_seconds", COUNT(TRIP_2, 3600));
    then_event("trips.day_trip_counted.v1", "{}");
    then_event("trips.day_shares_changed.v1",
               "{'shares':[{'trip_id':'" TRIP_2 "','share_kop':0}]}");
    when("trips.freeze_day_share", "{'trip_id':'" TRIP_3 "'}");
    then_refused("TRIP_DAY_UNKNOWN");
}

static void
test_trips_of_no_length_share_alike(void **state)
{
    (void)state;
    story(&trips_module, "vehicle_day");
    when("trips.count_day_seconds", COUNT(TRIP_1, 0));
    when("trips.count_day_seconds", COUNT(TRIP_2, 0));
    then_event("trips.day_trip_counted.v1", "{}");
    then_event("trips.day_shares_changed.v1",
               "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':5000},"
               "{'trip_id':'" TRIP_2 "','share_kop':5000}]}");
}

/* The tariff changed during the day: the first trip's counts. */
static void
test_the_first_tariff_counts(void **state)
{
    (void)state;
    story(&trips_module, "vehicle_day");
    when("trips.count_day_seconds", COUNT(TRIP_1, 3600));
    when("trips.count_day_seconds",
         "{'trip_id':'" TRIP_2 "','vehicle_id':'" VEHICLE
         "','day':'2026-11-23','fixed_kop_day':99999,'duration_s':3600}");
    then_event("trips.day_trip_counted.v1", "{'fixed_kop_day':10000}");
    then_event("trips.day_shares_changed.v1",
               "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':5000},"
               "{'trip_id':'" TRIP_2 "','share_kop':5000}]}");
}

static void
test_a_day_is_bounded(void **state)
{
    char text[256];

    (void)state;
    story(&trips_module, "vehicle_day");
    for (int i = 1; i <= 49; i++) {
        (void)snprintf(text, sizeof(text),
                       "{'trip_id':'00000000-0000-4000-8000-%012d','vehicle_id':'" VEHICLE
                       "','day':'2026-11-23','fixed_kop_day':10007,'duration_s':%d}",
                       i, i * 37 % 101);
        when("trips.count_day_seconds", text);
        if (i <= 48)
            then_event("trips.day_trip_counted.v1", "{}");
    }
    then_refused_with("TRIP_DAY_FULL", "{'max':48}");
}

static bus_verdict
carry_out(struct vehicle_day *day, const struct trips_vehicle_day_command *command,
          bus_arena *arena)
{
    static bus_decision out; /* large */
    const bus_meta      meta = {0};
    bus_verdict         verdict;

    bus_decision_begin(&out, arena);
    verdict = vehicle_day_decide(day, command, &meta, &out);
    for (int i = 0; verdict == BUS_ACCEPTED && i < out.events_count; i++)
        vehicle_day_apply(day, bus_tagged(arena, out.events[i].type, out.events[i].data));
    return verdict;
}

/* Any order of counting and freezing, from a seed: after each step the shares of the day are
 * its cost, to the kopeck, and none is negative. */
static void
test_shares_always_sum(void **state)
{
    uint64_t  seed = 88172645463325252u;
    bus_arena arena = {0};

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct vehicle_day day = {0};
        int64_t            fixed_kop = 1 + (int64_t)(seed % 1000003);

        for (int step = 0; step < 40; step++) {
            struct trips_vehicle_day_command command = {.kind = TRIPS_COUNT_DAY_SECONDS};
            int64_t                          sum = 0;

            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            if (seed % 3 == 0 && day.count > 0) {
                command.kind = TRIPS_FREEZE_DAY_SHARE;
                command.freeze_day_share.trip_id =
                    day.trips[seed / 3 % (uint64_t)day.count].trip_id;
            } else {
                command.count_day_seconds.trip_id.bytes[0] = (uint8_t)(step + 1);
                command.count_day_seconds.fixed_kop_day = fixed_kop;
                command.count_day_seconds.duration_s = (int64_t)(seed / 7 % 30000);
            }
            assert_int_equal(carry_out(&day, &command, &arena), BUS_ACCEPTED);
            for (int i = 0; i < day.count; i++) {
                assert_true(day.trips[i].share_kop >= 0);
                sum += day.trips[i].share_kop;
            }
            assert_int_equal(sum, fixed_kop);
        }
        bus_arena_reset(&arena);
    }
    bus_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lone_trip_bears_the_day),
        cmocka_unit_test(test_seconds_divide_the_day),
        cmocka_unit_test(test_a_frozen_share_stays),
        cmocka_unit_test(test_a_trip_after_all_are_settled),
        cmocka_unit_test(test_trips_of_no_length_share_alike),
        cmocka_unit_test(test_the_first_tariff_counts),
        cmocka_unit_test(test_a_day_is_bounded),
        cmocka_unit_test(test_shares_always_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
