/* lade_stops_test.c - the whole LaDe sample as stops: each order is a trip of one stop. The sample
 * has no arrivals, so a stop begins when its order was accepted: what is compared with the plan is
 * the time from there to the handing over. Written to the log up to an hour late, trips mixed; each
 * day and driver has what a walk over the file says. SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"
#include "tests/support/analytic_story.h"
#include "tests/support/dice.h"
#include "tests/support/lade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

extern const bus_view stop_service_days_projection;

#define ORDERS_MAX 60
#define YEAR 2022 /* the file has none */
#define HOUR_MS INT64_C(3600000)
#define ZONE_MIN 480 /* Jilin */
#define DRIVERS 5
#define PLAN_S 10800 /* three hours */

static lade_order orders[ORDERS_MAX];
static int        orders_count;
static uint64_t   dice = TESTS_DICE;

static int
read_sample(void **state)
{
    (void)state;
    orders_count = lade_read(LADE_SAMPLE, YEAR, orders, ORDERS_MAX);
    for (int i = 0; i < orders_count; i++) { /* the file has local times */
        orders[i].accepted_at -= ZONE_MIN * INT64_C(60000);
        orders[i].delivered_at -= ZONE_MIN * INT64_C(60000);
    }
    return orders_count > 30 ? 0 : -1;
}

/* When something of an order was written. */
typedef struct {
    int64_t at_ms;
    int     order, step;
} telling;

static int
by_time(const void *a, const void *b)
{
    const telling *x = a, *y = b;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->order != y->order ? x->order - y->order : x->step - y->step;
}

static void
tell(const telling *told)
{
    const lade_order *o = &orders[told->order];
    char              stream[40], json[700];

    (void)snprintf(stream, sizeof(stream), "00000000-0000-4000-8000-%012d", told->order + 1);
    switch (told->step) {
    case 0:
        (void)snprintf(json, sizeof(json),
                       "{'planned_from_at':%lld,'planned_to_at':%lld,'loading_s':0,'planned_m':1,"
                       "'planned_s':1,'driving_s':1,'return_distance_m':1,'return_duration_s':1,"
                       "'stops':[{'seq':1,'planned_arrival_at':%lld,'stop':{'kind':'BUYER',"
                       "'distance_m':1,'duration_s':1,'service_s':%d}}]}",
                       (long long)o->accepted_at, (long long)o->accepted_at + 1,
                       (long long)o->accepted_at, PLAN_S);
        happens("trips.trip_planned.v1", stream, told->at_ms, json);
        return;
    case 1:
        (void)snprintf(json, sizeof(json),
                       "{'reservation_id':'" ASSIGNMENT "','vehicle_id':'" VEHICLE
                       "','driver_id':'00000000-0000-4000-8000-0000000000d%d','odometer_m':1,"
                       "'departed_at':%lld,'day':'2022-06-01','utc_offset_min':%d,'short_load':"
                       "false,'delivery_ids':[]}",
                       told->order % DRIVERS, (long long)o->accepted_at, ZONE_MIN);
        happens("trips.trip_departed.v1", stream, told->at_ms, json);
        return;
    case 2:
        (void)snprintf(json, sizeof(json),
                       "{'seq':1,'arrived_at':%lld,'planned_arrival_at':%lld,'late_s':0}",
                       (long long)o->accepted_at, (long long)o->accepted_at);
        happens("trips.stop_arrived.v1", stream, told->at_ms, json);
        return;
    default:
        (void)snprintf(json, sizeof(json),
                       "{'seq':1,'completed_at':%lld,'delivery_ids':[],'undelivered':[]}",
                       (long long)o->delivered_at);
        happens("trips.stop_completed.v1", stream, told->at_ms, json);
    }
}

/* Each step up to an hour late, but after the one before it. */
static void
tell_all(void)
{
    telling all[4 * ORDERS_MAX];
    int     count = 0;

    for (int i = 0; i < orders_count; i++)
        for (int step = 0; step < 4; step++) {
            int64_t at_ms = (step < 3 ? orders[i].accepted_at : orders[i].delivered_at) +
                            (int64_t)tests_roll(&dice, (uint64_t)HOUR_MS);

            if (step > 0 && at_ms < all[count - 1].at_ms)
                at_ms = all[count - 1].at_ms;
            all[count++] = (telling){.at_ms = at_ms, .order = i, .step = step};
        }
    qsort(all, (size_t)count, sizeof(all[0]), by_time);
    for (int i = 0; i < count; i++)
        tell(&all[i]);
}

/* driver < 0: all of them. */
static int
check_day(int32_t day, int driver)
{
    int32_t year, month, date;
    int     stops = 0, over = 0;
    int64_t service_s = 0, over_s = 0;
    char    of[80] = "'by':'ALL'", json[300];

    for (int i = 0; i < orders_count; i++) {
        const int64_t s = (orders[i].delivered_at - orders[i].accepted_at) / 1000;

        if (bus_day_of(orders[i].delivered_at, ZONE_MIN) != day ||
            (driver >= 0 && i % DRIVERS != driver))
            continue;
        stops++;
        service_s += s;
        over += s > PLAN_S;
        over_s += s > PLAN_S ? s - PLAN_S : 0;
    }
    if (stops == 0)
        return 0;
    if (driver >= 0)
        (void)snprintf(of, sizeof(of),
                       "'by':'DRIVER','driver_id':'00000000-0000-4000-8000-0000000000d%d'", driver);
    bus_civil_from_days(day, &year, &month, &date);
    (void)snprintf(json, sizeof(json),
                   "{%s,'day':'%04d-%02d-%02d','stops':%d,'service_s':%lld,'planned_s':%d,"
                   "'over':%d,'over_s':%lld,'mean_s':%lld}",
                   of, (int)year, (int)month, (int)date, stops, (long long)service_s,
                   stops * PLAN_S, over, (long long)over_s, (long long)service_s / stops);
    then_window(json);
    return stops;
}

static void
test_the_sample_against_a_plan(void **state)
{
    int seen = 0, last = -1, of_drivers = 0;

    (void)state;
    analytic_story(&stop_service_days_projection);
    tell_all();
    then_late(0);
    for (int i = 0; i < orders_count; i++) {
        const int32_t day = bus_day_of(orders[i].delivered_at, ZONE_MIN);
        bool          first = true;

        for (int k = 0; k < i; k++)
            first = first && bus_day_of(orders[k].delivered_at, ZONE_MIN) != day;
        if (!first)
            continue;
        last = check_day(day, -1);
        seen += last;
        for (int driver = 0; driver < DRIVERS; driver++)
            of_drivers += check_day(day, driver);
    }
    assert_int_equal(seen, orders_count);
    assert_int_equal(of_drivers, orders_count);
    then_the_same_in_any_order();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample_against_a_plan),
    };

    return cmocka_run_group_tests(tests, read_sample, NULL);
}
