/* profit_group_sums_test.c - random trips and adjustments, and sums kept beside them: every window
 * of every kind of group is right, to the kopeck. SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/analytic_story.h"
#include "tests/support/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

extern const bus_view profit_group_days_projection;

#define HISTORIES 20
#define TRIPS 60
#define DAYS 3
#define IDS 4 /* of each kind; 0: none */
#define NOON INT64_C(1795431600000)

typedef enum { ALL, CUSTOMER, ROUTE, VEHICLE, DRIVER, KINDS } kind;
static const char *const names[KINDS] = {"ALL", "CUSTOMER", "ROUTE", "VEHICLE", "DRIVER"};
static const char *const members[KINDS] = {NULL, "customer_id", "route_id", "vehicle_id",
                                           "driver_id"};

static struct {
    int64_t revenue_kop, cost_kop, adjusted_kop;
    int     trips, adjustments;
} sums[KINDS][DAYS][IDS];
static uint64_t dice = TESTS_DICE;

static int64_t
roll(int64_t below)
{
    return (int64_t)tests_roll(&dice, (uint64_t)below);
}

static void
add(kind of, int day, int id, bool adjusts, int64_t revenue_kop, int64_t cost_kop)
{
    sums[of][day][id].revenue_kop += revenue_kop;
    sums[of][day][id].cost_kop += cost_kop;
    sums[of][day][id].trips += !adjusts;
    sums[of][day][id].adjustments += adjusts;
    sums[of][day][id].adjusted_kop += adjusts ? revenue_kop - cost_kop : 0;
}

/* "'route_id':'…'" and a comma; empty for none. */
static void
member(kind of, int id, char out[80])
{
    out[0] = '\0';
    if (id > 0)
        (void)snprintf(out, 80, "'%s':'00000000-0000-4000-8000-0000000%d000%d',", members[of],
                       (int)of, id);
}

#define PARTS                                                                    \
    "'revenue_fixed_kop':0,'revenue_per_box_kop':0,'revenue_per_km_kop':0,"      \
    "'revenue_per_point_kop':0,'revenue_waiting_kop':0,'revenue_penalty_kop':0," \
    "'cost_fuel_kop':0,'cost_driver_pay_kop':0,'cost_expenses_kop':0,"           \
    "'cost_wear_kop':0,'cost_day_share_kop':0,'cost_incidents_kop':0,"

/* A trip that settles, or an adjustment, of one or two customers. */
static void
tell(int nth)
{
    const bool    adjusts = roll(3) == 0;
    const int     day = (int)roll(DAYS), first = (int)roll(IDS), second = (first + 1) % IDS;
    const int64_t revenue_kop = roll(1000000) - (adjusts ? 500000 : 0), cost_kop = roll(900000);
    const int64_t share_kop = roll(1000), part_kop = roll(1000);
    char          ids[KINDS][80], a[80], b[80], stream[40], figures[160], json[1600];

    for (kind k = ROUTE; k < KINDS; k++) {
        int id = (int)roll(IDS);

        member(k, id, ids[k]);
        add(k, day, id, adjusts, revenue_kop, cost_kop);
    }
    member(CUSTOMER, first, a);
    member(CUSTOMER, second, b);
    add(ALL, day, 0, adjusts, revenue_kop, cost_kop);
    add(CUSTOMER, day, first, adjusts, revenue_kop - share_kop, cost_kop - part_kop);
    add(CUSTOMER, day, second, adjusts, share_kop, part_kop);
    (void)snprintf(figures, sizeof(figures), "'revenue_kop':%lld,'cost_kop':%lld,'profit_kop':%lld",
                   (long long)revenue_kop, (long long)cost_kop,
                   (long long)(revenue_kop - cost_kop));
    (void)snprintf(json, sizeof(json),
                   "{%s%s%s'day':'2026-11-2%d','customers':[{%s'revenue_kop':%lld,'cost_kop':%lld},"
                   "{%s'revenue_kop':%lld,'cost_kop':%lld}],'%s':{" PARTS "%s},%s%s}",
                   ids[ROUTE], ids[VEHICLE], ids[DRIVER], day + 1, a,
                   (long long)(revenue_kop - share_kop), (long long)(cost_kop - part_kop), b,
                   (long long)share_kop, (long long)part_kop, adjusts ? "delta" : "profit", figures,
                   adjusts ? "'adjustment_no':1,'line':'COST_FUEL','amount_kop':1,'reason':'r',"
                             "'reference':'r',"
                           : "'distance_m':1,'duration_s':1,'points':1,'fuel_ml':0,"
                             "'fuel_litre_kop':0",
                   adjusts ? figures : "");
    (void)snprintf(stream, sizeof(stream), "00000000-0000-4000-8000-%012d", nth + 1);
    happens(adjusts ? "trips.trip_adjusted.v1" : "trips.trip_settled.v1", stream,
            NOON + roll(1000000), json);
}

static void
expect(kind of, int day, int id)
{
    char json[500], none[60] = "", own[80] = "";

    if (of != ALL && id == 0)
        (void)snprintf(none, sizeof(none), "'%s':null,", members[of]);
    else if (of != ALL)
        member(of, id, own);
    (void)snprintf(json, sizeof(json),
                   "{%s%s'by':'%s','day':'2026-11-2%d','trips':%d,'adjustments':%d,'revenue_kop':"
                   "%lld,'cost_kop':%lld,'profit_kop':%lld,'adjusted_kop':%lld}",
                   none, own, names[of], day + 1, sums[of][day][id].trips,
                   sums[of][day][id].adjustments, (long long)sums[of][day][id].revenue_kop,
                   (long long)sums[of][day][id].cost_kop,
                   (long long)(sums[of][day][id].revenue_kop - sums[of][day][id].cost_kop),
                   (long long)sums[of][day][id].adjusted_kop);
    then_window(json);
}

static void
test_every_group_has_its_sum(void **state)
{
    (void)state;
    for (int history = 0; history < HISTORIES; history++) {
        int windows = 0;

        memset(sums, 0, sizeof(sums));
        analytic_story(&profit_group_days_projection);
        for (int i = 0; i < TRIPS; i++)
            tell(i);
        for (kind k = ALL; k < KINDS; k++)
            for (int day = 0; day < DAYS; day++)
                for (int id = 0; id < IDS; id++)
                    if (sums[k][day][id].trips + sums[k][day][id].adjustments > 0) {
                        expect(k, day, id);
                        windows++;
                    }
        then_windows(windows);
        then_late(0);
    }
    then_the_same_in_any_order();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_group_has_its_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
