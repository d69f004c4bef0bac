/* profit_vehicles.c - profit by vehicle and month: settled trips and their adjustments.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "projections/profit_figures.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct trips_trip_event *e = event->tagged;

    if (event->type == &trips_trip_settled_event)
        bus_row_key(out, profit_row_id(event->tenant, e->trip_settled.has_vehicle_id,
                                       e->trip_settled.vehicle_id, e->trip_settled.day));
    else if (event->type == &trips_trip_adjusted_event)
        bus_row_key(out, profit_row_id(event->tenant, e->trip_adjusted.has_vehicle_id,
                                       e->trip_adjusted.vehicle_id, e->trip_adjusted.day));
}

static void
add_settled(struct profit_vehicles_row *row, const struct trips_trip_settled *e,
            bus_projection *out)
{
    PROFIT_MONTH(row, e->day, out);
    row->has_vehicle_id = e->has_vehicle_id;
    row->vehicle_id = e->vehicle_id;
    PROFIT_ADD_SETTLED(row, e->profit.revenue_kop, e->profit.cost_kop);
}

static void
add_adjusted(struct profit_vehicles_row *row, const struct trips_trip_adjusted *e,
             bus_projection *out)
{
    PROFIT_MONTH(row, e->day, out);
    row->has_vehicle_id = e->has_vehicle_id;
    row->vehicle_id = e->vehicle_id;
    PROFIT_ADD_ADJUSTED(row, e->delta.revenue_kop, e->delta.cost_kop);
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    const struct trips_trip_event *e = event->tagged;

    if (event->type == &trips_trip_settled_event)
        add_settled(state, &e->trip_settled, out);
    else if (event->type == &trips_trip_adjusted_event)
        add_adjusted(state, &e->trip_adjusted, out);
}

const bus_view profit_vehicles_projection = {
    .of = &profit_vehicles_view, .view_version = 2, .project = project, .keys = keys};
