/* profit_group_days.c - profit by day: of all, and by customer, route, vehicle and driver.
 *
 * Money is never too late: a trip that is settled long after its day, and every adjustment, counts
 * as a correction of that day. Every event counts once in each kind, under "none" if it has no such
 * dimension, so each kind sums to the whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/day_window.h"
#include "projections/profit_figures.h"
#include "projections/stream/analytic.h"

typedef struct profit_group_days_row row_t;

/* What settled trips and adjustments have in common. */
typedef struct {
    bool                               has_vehicle_id, has_driver_id, has_route_id;
    bus_id                             vehicle_id, driver_id, route_id;
    const struct trips_customer_share *shares;
    uint32_t                           shares_count;
    row_t                              whole; /* by is not set */
} change;

static row_t
figures(int32_t day, bool adjusts, int64_t revenue_kop, int64_t cost_kop)
{
    return (row_t){.day = day,
                   .trips = adjusts ? 0 : 1,
                   .revenue_kop = revenue_kop,
                   .cost_kop = cost_kop,
                   .profit_kop = revenue_kop - cost_kop,
                   .adjustments = adjusts ? 1 : 0,
                   .adjusted_kop = adjusts ? revenue_kop - cost_kop : 0};
}

static void
put(row_t one, enum profit_group_days_row_by by, bus_stream_out *out)
{
    one.by = by;
    bus_stream_correct(out, &one, day_window_ms(one.day), DAY_WINDOW_ZONE_MIN, 1);
}

static void
put_customers(const change *c, bus_stream_out *out)
{
    for (uint32_t i = 0; i < c->shares_count; i++) {
        const struct trips_customer_share *share = &c->shares[i];
        row_t                              one =
            figures(c->whole.day, c->whole.adjustments > 0, share->revenue_kop, share->cost_kop);

        one.has_customer_id = share->has_customer_id;
        one.customer_id = share->customer_id;
        put(one, PROFIT_GROUP_DAYS_ROW_BY_CUSTOMER, out);
    }
}

static void
put_all(const change *c, bus_stream_out *out)
{
    row_t one = c->whole;

    bus_stream_tick(out, day_window_ms(one.day));
    put(one, PROFIT_GROUP_DAYS_ROW_BY_ALL, out);
    put_customers(c, out);
    one.has_route_id = c->has_route_id;
    one.route_id = c->route_id;
    put(one, PROFIT_GROUP_DAYS_ROW_BY_ROUTE, out);
    one = c->whole;
    one.has_vehicle_id = c->has_vehicle_id;
    one.vehicle_id = c->vehicle_id;
    put(one, PROFIT_GROUP_DAYS_ROW_BY_VEHICLE, out);
    one = c->whole;
    one.has_driver_id = c->has_driver_id;
    one.driver_id = c->driver_id;
    put(one, PROFIT_GROUP_DAYS_ROW_BY_DRIVER, out);
}

#define CHANGE_OF(e, figures_of_it)                                           \
    (change)                                                                  \
    {                                                                         \
        .has_vehicle_id = (e)->has_vehicle_id, .vehicle_id = (e)->vehicle_id, \
        .has_driver_id = (e)->has_driver_id, .driver_id = (e)->driver_id,     \
        .has_route_id = (e)->has_route_id, .route_id = (e)->route_id,         \
        .shares = (e)->customers.items, .shares_count = (e)->customers.count, \
        .whole = figures_of_it                                                \
    }

static void
map(void *memory, const bus_event *event, bus_stream_out *out)
{
    const struct trips_trip_event *e = event->tagged;
    change                         c;

    (void)memory;
    if (event->type == &trips_trip_settled_event)
        c = CHANGE_OF(&e->trip_settled,
                      figures(e->trip_settled.day, false, e->trip_settled.profit.revenue_kop,
                              e->trip_settled.profit.cost_kop));
    else
        c = CHANGE_OF(&e->trip_adjusted,
                      figures(e->trip_adjusted.day, true, e->trip_adjusted.delta.revenue_kop,
                              e->trip_adjusted.delta.cost_kop));
    put_all(&c, out);
}

static void
step(void *window, const void *contribution, int sign)
{
    row_t       *row = window;
    const row_t *one = contribution;

    row->day = one->day; /* of the window */
    row->trips += sign * one->trips;
    row->revenue_kop += sign * one->revenue_kop;
    row->cost_kop += sign * one->cost_kop;
    row->profit_kop += sign * one->profit_kop;
    row->adjustments += sign * one->adjustments;
    row->adjusted_kop += sign * one->adjusted_kop;
}

static void
finish(void *window)
{
    row_t *row = window;

    row->has_margin_bp = profit_margin_bp(row->profit_kop, row->revenue_kop, &row->margin_bp);
}

static const bus_analytic analytic = {.map = map, .step = step, .finish = finish};

BUS_ANALYTIC(profit_group_days, 1, analytic);
