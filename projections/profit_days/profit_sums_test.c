/* profit_sums_test.c - one set of trips, five reports: each sums to the trips, to the kopeck.
 *
 * Hundreds of settled trips and adjustments with random figures, dimensions and days, from a
 * seed. What the trips made is added up beside the views; every report must say the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/arena.h"
#include "bus/module/decision.h"
#include "bus/module/module.h"
#include "contracts/trips.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view profit_customers_projection, profit_days_projection,
    profit_drivers_projection, profit_routes_projection, profit_vehicles_projection;

enum { ROWS_MAX = 4096, CUSTOMERS = 5 };

static struct {
    bus_arena arena;
    uint64_t  seed;
    struct report {
        const bus_view *view;
        bus_id          ids[ROWS_MAX];
        void           *rows[ROWS_MAX];
        int             count;
    } reports[5];
    int64_t revenue_kop, cost_kop, adjusted_kop;
    int64_t trips;
} sim;

static int64_t
draw(int64_t below)
{
    sim.seed ^= sim.seed << 13;
    sim.seed ^= sim.seed >> 7;
    sim.seed ^= sim.seed << 17;
    return (int64_t)(sim.seed % (uint64_t)below);
}

static bus_id
an_id(uint8_t kind, int64_t nth)
{
    return (bus_id){{kind, (uint8_t)nth}};
}

static void *
row_of(struct report *report, bus_id id)
{
    for (int i = 0; i < report->count; i++)
        if (bus_id_equal(report->ids[i], id))
            return report->rows[i];
    assert_true(report->count < ROWS_MAX);
    report->ids[report->count] = id;
    report->rows[report->count] = bus_arena_alloc(&sim.arena, report->view->of->row->size);
    return report->rows[report->count++];
}

static void
see(const bus_message *type, const void *data)
{
    bus_event event = {.type = type,
                       .data = data,
                       .tagged = bus_tagged(&sim.arena, type, data),
                       .tenant = an_id('t', 1)};

    for (int r = 0; r < 5; r++) {
        bus_projection keys = {.arena = &sim.arena};

        sim.reports[r].view->keys(&event, &keys);
        assert_true(keys.keys_count > 0);
        for (int k = 0; k < keys.keys_count; k++) {
            bus_projection out = {.arena = &sim.arena, .row = keys.keys[k]};

            sim.reports[r].view->project(row_of(&sim.reports[r], keys.keys[k]), &event, &out);
        }
    }
}

/* Random parts of customers (nobody among them) that sum to the given revenue and cost. */
static uint32_t
share_out(struct trips_customer_share *shares, int64_t revenue_kop, int64_t cost_kop)
{
    uint32_t count = 1 + (uint32_t)draw(CUSTOMERS);

    for (uint32_t i = 0; i < count; i++) {
        bool last = i + 1 == count;

        shares[i] = (struct trips_customer_share){
            .has_customer_id = i > 0,
            .customer_id = i > 0 ? an_id('c', i) : BUS_ID_NIL,
            .revenue_kop = last ? revenue_kop : draw(1000) - 500,
            .cost_kop = last ? cost_kop : draw(1000) - 500,
        };
        revenue_kop -= shares[i].revenue_kop;
        cost_kop -= shares[i].cost_kop;
    }
    return count;
}

static void
settle(int32_t day)
{
    struct trips_customer_share shares[CUSTOMERS];
    struct trips_trip_settled   e = {.day = day};

    e.has_vehicle_id = e.has_driver_id = true;
    e.vehicle_id = an_id('v', draw(7));
    e.driver_id = an_id('d', draw(7));
    e.has_route_id = draw(3) > 0;
    e.route_id = an_id('r', draw(3));
    e.profit.revenue_kop = draw(10000000);
    e.profit.cost_kop = draw(10000000);
    e.profit.profit_kop = e.profit.revenue_kop - e.profit.cost_kop;
    e.customers.items = shares;
    e.customers.count = share_out(shares, e.profit.revenue_kop, e.profit.cost_kop);
    sim.revenue_kop += e.profit.revenue_kop;
    sim.cost_kop += e.profit.cost_kop;
    sim.trips++;
    see(&trips_trip_settled_event, &e);
}

static void
adjust(int32_t day)
{
    struct trips_customer_share shares[CUSTOMERS];
    struct trips_trip_adjusted  e = {.day = day};

    e.has_vehicle_id = e.has_driver_id = true;
    e.vehicle_id = an_id('v', draw(7));
    e.driver_id = an_id('d', draw(7));
    e.delta.revenue_kop = draw(2) == 0 ? draw(20000) - 10000 : 0;
    e.delta.cost_kop = e.delta.revenue_kop == 0 ? draw(20000) - 10000 : 0;
    e.delta.profit_kop = e.delta.revenue_kop - e.delta.cost_kop;
    e.customers.items = shares;
    e.customers.count = share_out(shares, e.delta.revenue_kop, e.delta.cost_kop);
    sim.revenue_kop += e.delta.revenue_kop;
    sim.cost_kop += e.delta.cost_kop;
    sim.adjusted_kop += e.delta.profit_kop;
    see(&trips_trip_adjusted_event, &e);
}

#define SUM_UP(report, row_type, trips_count)                                               \
    do {                                                                                    \
        int64_t revenue_kop = 0, cost_kop = 0, profit_kop = 0, adjusted_kop = 0, trips = 0; \
        for (int i = 0; i < (report)->count; i++) {                                         \
            const struct row_type *row = (report)->rows[i];                                 \
            assert_true(row->profit_kop == row->revenue_kop - row->cost_kop);               \
            revenue_kop += row->revenue_kop;                                                \
            cost_kop += row->cost_kop;                                                      \
            profit_kop += row->profit_kop;                                                  \
            adjusted_kop += row->adjusted_kop;                                              \
            trips += row->trips;                                                            \
        }                                                                                   \
        assert_true(revenue_kop == sim.revenue_kop);                                        \
        assert_true(cost_kop == sim.cost_kop);                                              \
        assert_true(profit_kop == sim.revenue_kop - sim.cost_kop);                          \
        assert_true(adjusted_kop == sim.adjusted_kop);                                      \
        if (trips_count)                                                                    \
            assert_int_equal(trips, sim.trips);                                             \
    } while (0)

static void
test_every_report_sums_to_the_trips(void **state)
{
    (void)state;
    sim.seed = 88172645463325252u;
    sim.reports[0].view = &profit_customers_projection;
    sim.reports[1].view = &profit_days_projection;
    sim.reports[2].view = &profit_drivers_projection;
    sim.reports[3].view = &profit_routes_projection;
    sim.reports[4].view = &profit_vehicles_projection;
    for (int i = 0; i < 3000; i++) {
        int32_t day = 20780 + (int32_t)draw(400);

        if (draw(4) == 0)
            adjust(day);
        else
            settle(day);
    }
    SUM_UP(&sim.reports[0], profit_customers_row, false); /* a trip has several customers */
    SUM_UP(&sim.reports[1], profit_days_row, true);
    SUM_UP(&sim.reports[2], profit_drivers_row, true);
    SUM_UP(&sim.reports[3], profit_routes_row, true);
    SUM_UP(&sim.reports[4], profit_vehicles_row, true);
    bus_arena_fini(&sim.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_report_sums_to_the_trips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
