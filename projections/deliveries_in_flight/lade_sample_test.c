/* lade_sample_test.c - the whole LaDe sample as a stream: real deliveries with their own times of
 * acceptance and delivery, written to the log up to an hour late and so in another order. Every
 * third is not told to have ended. Each minute has what a walk over the file says.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"
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
#include <string.h>

extern const bus_view deliveries_in_flight_projection;

#define ORDERS_MAX 60
#define YEAR 2022 /* the file has none */
#define HOUR_MS INT64_C(3600000)
#define LENGTH_MS (2 * HOUR_MS)
#define MINUTE_MS INT64_C(60000)

static lade_order orders[ORDERS_MAX];
static int        orders_count;
static uint64_t   dice = TESTS_DICE;

static int64_t
roll(int64_t below)
{
    return (int64_t)tests_roll(&dice, (uint64_t)below);
}

static int
read_sample(void **state)
{
    (void)state;
    orders_count = lade_read(LADE_SAMPLE, YEAR, orders, ORDERS_MAX);
    return orders_count > 30 ? 0 : -1;
}

/* In the order of the log: when each was written. */
typedef struct {
    int64_t at_ms;
    int     order;
    bool    ends;
} telling;

static int
by_time(const void *a, const void *b)
{
    const telling *x = a, *y = b;

    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms) : x->ends - y->ends;
}

static void
tell(const telling *told)
{
    const int64_t from = orders[told->order].accepted_at, to = orders[told->order].delivered_at;
    int32_t       year, month, day;
    char          stream[40], json[500];

    (void)snprintf(stream, sizeof(stream), "00000000-0000-4000-8000-%012d", told->order + 1);
    if (!told->ends) {
        (void)snprintf(json, sizeof(json), "{'attempt':1,'started_at':%lld}", (long long)from);
        happens("deliveries.started.v1", stream, told->at_ms, json);
        return;
    }
    bus_civil_from_days(bus_day_of(to, 0), &year, &month, &day);
    (void)snprintf(json, sizeof(json),
                   "{'attempt':1,'customer_id':'" CUSTOMER_A
                   "','kind':'DBS_TO_BUYER','day':'%04d-%02d-%02d','pod':{'receiver':'-','at':"
                   "%lld}}",
                   (int)year, (int)month, (int)day, (long long)to);
    happens("deliveries.completed.v1", stream, told->at_ms, json);
}

static bool
has_end(int order)
{
    return order % 3 != 0;
}

/* Each up to an hour late; the end of an order not before its beginning. */
static void
tell_all(void)
{
    telling all[2 * ORDERS_MAX];
    int     count = 0;

    for (int i = 0; i < orders_count; i++) {
        int64_t begins_at = orders[i].accepted_at + roll(HOUR_MS);
        int64_t ends_at = orders[i].delivered_at + roll(HOUR_MS);

        all[count++] = (telling){.at_ms = begins_at, .order = i};
        if (has_end(i))
            all[count++] = (telling){
                .at_ms = ends_at > begins_at ? ends_at : begins_at, .order = i, .ends = true};
    }
    qsort(all, (size_t)count, sizeof(all[0]), by_time);
    for (int i = 0; i < count; i++)
        tell(&all[i]);
}

typedef struct {
    int begun, ended, in_flight;
} figures;

static figures
figures_at(int64_t minute)
{
    figures f = {0};

    for (int i = 0; i < orders_count; i++) {
        bool begun = orders[i].accepted_at >= minute - LENGTH_MS && orders[i].accepted_at < minute;
        bool ended =
            orders[i].delivered_at >= minute - LENGTH_MS && orders[i].delivered_at < minute;

        f.begun += begun;
        f.ended += ended && has_end(i);
        f.in_flight += begun && !has_end(i);
    }
    return f;
}

/* The minutes around what happened to an order, and that two hours later. */
static int
check_around(int64_t at_ms)
{
    int together = 0;

    for (int i = 0; i < 4; i++) {
        int64_t minute = at_ms / MINUTE_MS * MINUTE_MS + MINUTE_MS * (i % 2) + LENGTH_MS * (i / 2);
        figures f = figures_at(minute);
        char    json[160];

        (void)snprintf(json, sizeof(json),
                       "{'by':'ALL','to_at':%lld,'begun':%d,'ended':%d,'in_flight':%d}",
                       (long long)minute, f.begun, f.ended, f.in_flight);
        if (f.begun + f.ended > 0)
            then_window(json);
        together += f.begun + f.ended > 1;
    }
    return together;
}

static void
test_the_sample_shuffled_within_an_hour(void **state)
{
    int together = 0;

    (void)state;
    analytic_story(&deliveries_in_flight_projection);
    tell_all();
    then_late(0);
    for (int i = 0; i < orders_count; i++)
        together += check_around(orders[i].accepted_at) + check_around(orders[i].delivered_at);
    assert_true(together > 0);
    then_remembered((orders_count + 2) / 3);
    then_the_same_in_any_order();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sample_shuffled_within_an_hour),
    };

    return cmocka_run_group_tests(tests, read_sample, NULL);
}
