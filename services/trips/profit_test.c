/* profit_test.c - the arithmetic by itself: rounding, splitting, bounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_rounding_is_to_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(trip_mul_div(1, 1, 2), 1);   /* 0.5 */
    assert_int_equal(trip_mul_div(-1, 1, 2), -1); /* away from zero */
    assert_int_equal(trip_mul_div(1, 1, 3), 0);
    assert_int_equal(trip_mul_div(2, 1, 3), 1);
    assert_int_equal(trip_mul_div(INT64_MAX, INT64_MAX, INT64_MAX), INT64_MAX);
    assert_int_equal(trip_mul_div(5000000000, 10000000, 1000), INT64_C(50000000000000));
}

static void
test_margin(void **state)
{
    int64_t margin_bp;

    (void)state;
    assert_true(trip_margin_bp(25, 100, &margin_bp));
    assert_int_equal(margin_bp, 2500);
    assert_true(trip_margin_bp(-1, 3, &margin_bp));
    assert_int_equal(margin_bp, -3333);
    assert_false(trip_margin_bp(-5, 0, &margin_bp));
    assert_false(trip_margin_bp(-5, -10, &margin_bp));
    assert_true(trip_margin_bp(-9000000000000000, 1, &margin_bp));
    assert_int_equal(margin_bp, INT64_C(-1000000000000));
}

static void
test_the_remainder_goes_to_the_largest(void **state)
{
    int64_t parts[3];

    (void)state;
    trip_split(100, (int64_t[]){1, 1, 1}, 3, parts);
    assert_int_equal(parts[0], 34);
    assert_int_equal(parts[1], 33);
    assert_int_equal(parts[2], 33);
    trip_split(-100, (int64_t[]){1, 1, 4}, 3, parts); /* -16.7, -16.7, -66.7 */
    assert_int_equal(parts[0], -16);
    assert_int_equal(parts[1], -16);
    assert_int_equal(parts[2], -68);
    trip_split(7, (int64_t[]){0, 0, 0}, 3, parts);
    assert_int_equal(parts[0], 7);
    assert_int_equal(parts[1], 0);
}

/* For thousands of totals and weights, large ones too: the parts sum to the whole, and none is
 * further from its exact share than the number of parts. */
static void
test_parts_sum_to_the_whole(void **state)
{
    uint64_t seed = 1181783497276652981u;
    int64_t  weights[TRIP_PARTS_MAX], parts[TRIP_PARTS_MAX];

    (void)state;
    for (int round = 0; round < 5000; round++) {
        int32_t count = 1 + round % TRIP_PARTS_MAX;
        int64_t total, sum = 0;

        for (int32_t i = 0; i < count; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            weights[i] = (int64_t)(seed % 20000000000000u) >> (seed % 40);
        }
        total = (int64_t)(seed % 18000000000000000u) - 9000000000000000;
        trip_split(total, weights, count, parts);
        for (int32_t i = 0; i < count; i++)
            sum += parts[i];
        assert_true(sum == total);
    }
}

/* A full trip: 200 deliveries of 48 customers with awkward prices. The customers' parts are the
 * trip's revenue and cost. */
static void
test_customers_sum_to_the_trip(void **state)
{
    static struct trip  trip; /* too large for a small stack */
    struct trips_profit profit;
    struct trip_parts   parts;
    struct trip_measure m = {.stage = TRIPS_STAGE_FINAL,
                             .left = true,
                             .distance_m = 77777,
                             .duration_s = 33333,
                             .points = 3,
                             .fuel_kop = 123457,
                             .day_share_kop = 99991};
    int64_t             revenue_kop = 0, cost_kop = 0;

    (void)state;
    trip.stops_count = 1;
    trip.stops[0].status = TRIPS_STOP_STATUS_DONE;
    trip.customers_count = TRIP_CUSTOMERS_MAX;
    trip.wear_kop_km = 333;
    trip.pay.per_hour_kop = 17777;
    for (int i = 0; i < TRIP_CUSTOMERS_MAX; i++)
        trip.customers[i].bytes[0] = (uint8_t)(i + 1);
    for (int i = 0; i < TRIP_DELIVERIES_MAX; i++)
        trip.deliveries[trip.deliveries_count++] = (struct trip_delivery){
            .price_kop = i * 1009 % 7919, .stop = 1, .customer = (uint8_t)(i * 7 % 48)};
    trip_profit(&trip, &m, &profit, &parts);
    for (int i = 0; i < parts.count; i++) {
        revenue_kop += parts.revenue_kop[i];
        cost_kop += parts.cost_kop[i];
    }
    assert_true(profit.revenue_kop > 0);
    assert_int_equal(revenue_kop, profit.revenue_kop);
    assert_int_equal(cost_kop, profit.cost_kop);
    /* wear 77.777 km x 333 = 25899.74; pay 33333 s x 17777 / 3600 = 164600.2 */
    assert_int_equal(profit.cost_wear_kop, 25900);
    assert_int_equal(profit.cost_driver_pay_kop, 164600);
    assert_int_equal(profit.cost_kop, 123457 + 99991 + 25900 + 164600);
    assert_int_equal(profit.profit_kop, profit.revenue_kop - profit.cost_kop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding_is_to_the_nearest),
        cmocka_unit_test(test_margin),
        cmocka_unit_test(test_the_remainder_goes_to_the_largest),
        cmocka_unit_test(test_parts_sum_to_the_whole),
        cmocka_unit_test(test_customers_sum_to_the_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
