/* lade_test.c - real courier deliveries (LaDe, Jilin): distances and lateness over all rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/deliveries/delivery.h"
#include "tests/support/lade.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const bus_module deliveries_module;

#define ROWS 38
#define CUSTOMER "00000000-0000-4000-8000-0000000000c1"

static lade_order rows[ROWS];
static int        count;

static int
read_rows(void **state)
{
    (void)state;
    count = lade_read(LADE_DATA, 2026, rows, ROWS);
    return count == ROWS ? 0 : -1;
}

static int64_t
e6(double degrees)
{
    return (int64_t)llround(degrees * 1e6);
}

/* Row 1: 43.84112,126.56526 to 43.84248,126.56919. North 0.00136 * 111194.927 = 151.2 m; east
 * 0.00393 * 111194.927 * cos 43.8418 (0.721275) = 315.2 m; together 349.6 m. */
static void
test_a_row_by_hand(void **state)
{
    (void)state;
    assert_int_equal(delivery_distance_m(e6(rows[0].lat), e6(rows[0].lng), e6(rows[0].gps_lat),
                                         e6(rows[0].gps_lng)),
                     349);
    /* 08:08 to 11:32: 3 h 24 min */
    assert_int_equal((rows[0].delivered_at - rows[0].accepted_at) / 1000, 12240);
}

/* Row 22: 43.86558,126.56255 to 43.87069,126.56618, which is the depot: the courier reported it
 * late or from afar. North 0.00511 * 111194.927 = 568.2 m; east 0.00363 * 111194.927 * cos 43.8681
 * (0.720957) = 291.0 m; together 638.4 m. 08:01 to 13:55: 5 h 54 min. */
static void
test_another_row_by_hand(void **state)
{
    const lade_order *r = &rows[21];

    (void)state;
    assert_int_equal(delivery_distance_m(e6(r->lat), e6(r->lng), e6(r->gps_lat), e6(r->gps_lng)),
                     638);
    assert_int_equal((r->delivered_at - r->accepted_at) / 1000, 21240);
}

/* Integer arithmetic agrees with the great circle (haversine) within 0.1 % and 2 m. */
static void
test_all_rows_agree_with_the_great_circle(void **state)
{
    const double degree = M_PI / 180, radius = 6371008.8;
    int          compared = 0;

    (void)state;
    for (int i = 0; i < count; i++) {
        const lade_order *r = &rows[i];
        double            a, metres;
        int64_t           ours;

        if (isnan(r->gps_lat) || isnan(r->gps_lng))
            continue;
        a = pow(sin((r->gps_lat - r->lat) * degree / 2), 2) +
            cos(r->lat * degree) * cos(r->gps_lat * degree) *
                pow(sin((r->gps_lng - r->lng) * degree / 2), 2);
        metres = 2 * radius * asin(sqrt(a));
        ours = delivery_distance_m(e6(r->lat), e6(r->lng), e6(r->gps_lat), e6(r->gps_lng));
        assert_true(fabs((double)ours - metres) <= metres * 0.001 + 2);
        compared++;
    }
    assert_true(compared > 0);
    print_message("%d of %d rows have GPS at delivery\n", compared, count);
}

/* Each row is a delivery whose window is four hours from acceptance on. */
static void
test_all_rows_are_told_as_stories(void **state)
{
    int late = 0, expected = 0;

    (void)state;
    for (int i = 0; i < count; i++) {
        const lade_order *r = &rows[i];
        int64_t           until = r->accepted_at + 4 * INT64_C(3600000);
        int64_t           late_ms = r->delivered_at - until;
        int64_t           late_s = late_ms > 0 ? (late_ms + 999) / 1000 : late_ms / 1000;
        char              json[640];

        story(&deliveries_module, "delivery");
        (void)snprintf(json, sizeof(json),
                       "{'kind':'WB_TO_PVZ','customer_id':'" CUSTOMER
                       "','from':{'lat_e6':0,'lon_e6':0},'to':{'lat_e6':%lld,'lon_e6':%lld},"
                       "'window':{'from_at':%lld,'to_at':%lld},'boxes':[],'cod_kop':0,"
                       "'price_kop':1,'created_at':1}",
                       (long long)e6(r->lat), (long long)e6(r->lng), (long long)r->accepted_at,
                       (long long)until);
        given("deliveries.created.v1", json);
        (void)snprintf(json, sizeof(json), "{'attempt':1,'started_at':%lld}",
                       (long long)r->accepted_at);
        given("deliveries.started.v1", json);
        (void)snprintf(json, sizeof(json), "{'arrived_at':%lld}", (long long)r->delivered_at);
        when("deliveries.record_arrival", json);
        (void)snprintf(json, sizeof(json), "{'late_s':%lld}", (long long)late_s);
        then_event("deliveries.arrived.v1", json);
        late += late_s > 0;
        expected += r->delivered_at > until;
    }
    assert_int_equal(late, expected);
    print_message("%d of %d arrived after four hours\n", late, count);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_by_hand),
        cmocka_unit_test(test_another_row_by_hand),
        cmocka_unit_test(test_all_rows_agree_with_the_great_circle),
        cmocka_unit_test(test_all_rows_are_told_as_stories),
    };

    return cmocka_run_group_tests(tests, read_rows, NULL);
}
