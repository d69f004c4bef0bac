/* profit_customers.c - profit by customer and month: each customer's part of settled trips and
 * of their adjustments.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "projections/profit_figures.h"

static void
add_keys(bus_id tenant, const struct trips_customer_share *shares, uint32_t count, int32_t day,
         bus_projection *out)
{
    for (uint32_t i = 0; i < count; i++)
        bus_row_key(out,
                    profit_row_id(tenant, shares[i].has_customer_id, shares[i].customer_id, day));
}

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct trips_trip_event *e = event->tagged;

    if (event->type == &trips_trip_settled_event)
        add_keys(event->tenant, e->trip_settled.customers.items, e->trip_settled.customers.count,
                 e->trip_settled.day, out);
    else if (event->type == &trips_trip_adjusted_event)
        add_keys(event->tenant, e->trip_adjusted.customers.items, e->trip_adjusted.customers.count,
                 e->trip_adjusted.day, out);
}

/* The share that belongs to this row, or NULL. */
static const struct trips_customer_share *
find_share(bus_id tenant, const struct trips_customer_share *shares, uint32_t count, int32_t day,
           const bus_projection *out)
{
    for (uint32_t i = 0; i < count; i++)
        if (bus_id_equal(
                profit_row_id(tenant, shares[i].has_customer_id, shares[i].customer_id, day),
                bus_row_id(out)))
            return &shares[i];
    return NULL;
}

static void
name_row(struct profit_customers_row *row, const struct trips_customer_share *share, int32_t day,
         bus_projection *out)
{
    PROFIT_MONTH(row, day, out);
    row->has_customer_id = share->has_customer_id;
    row->customer_id = share->customer_id;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct profit_customers_row       *row = state;
    const struct trips_trip_event     *e = event->tagged;
    const struct trips_customer_share *share;

    if (event->type == &trips_trip_settled_event) {
        share = find_share(event->tenant, e->trip_settled.customers.items,
                           e->trip_settled.customers.count, e->trip_settled.day, out);
        BUS_INVARIANT(share != NULL);
        name_row(row, share, e->trip_settled.day, out);
        PROFIT_ADD_SETTLED(row, share->revenue_kop, share->cost_kop);
    } else if (event->type == &trips_trip_adjusted_event) {
        share = find_share(event->tenant, e->trip_adjusted.customers.items,
                           e->trip_adjusted.customers.count, e->trip_adjusted.day, out);
        BUS_INVARIANT(share != NULL);
        name_row(row, share, e->trip_adjusted.day, out);
        PROFIT_ADD_ADJUSTED(row, share->revenue_kop, share->cost_kop);
    }
}

const bus_view profit_customers_projection = {
    .of = &profit_customers_view, .view_version = 2, .project = project, .keys = keys};
