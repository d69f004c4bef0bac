/* vehicle_costs.c - what a vehicle's kilometre costs, by month. Only sums, so the order in which
 * trips and the workshop are heard of does not matter. The driver's pay is not the vehicle's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "contracts/vehicles.h"
#include "projections/profit_figures.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    if (event->type == &trips_trip_settled_event) {
        const struct trips_trip_settled *e = event->data;

        if (e->has_vehicle_id)
            bus_row_key(out, profit_row_id(event->tenant, true, e->vehicle_id, e->day));
    } else if (event->type == &trips_trip_adjusted_event) {
        const struct trips_trip_adjusted *e = event->data;

        if (e->has_vehicle_id)
            bus_row_key(out, profit_row_id(event->tenant, true, e->vehicle_id, e->day));
    } else if (event->type == &vehicles_returned_from_maintenance_event) {
        const struct vehicles_returned_from_maintenance *e = event->data;

        bus_row_key(out, profit_row_id(event->tenant, true, event->stream, e->returned_on));
    }
}

static void
begin(struct vehicle_costs_row *row, bus_id vehicle, int32_t day, bus_projection *out)
{
    row->vehicle_id = vehicle;
    PROFIT_MONTH(row, day, out);
}

/* Rounded to the nearest, halves away from zero; nothing for a vehicle that stood. */
static void
divide(struct vehicle_costs_row *row)
{
    int64_t half = row->distance_m / 2;

    row->has_cost_kop_km = row->distance_m > 0;
    if (row->has_cost_kop_km) {
        __int128 scaled = (__int128)row->cost_kop * 1000;

        row->cost_kop_km = (int64_t)((scaled + (scaled < 0 ? -half : half)) / row->distance_m);
    }
}

static void
add(struct vehicle_costs_row *row, const struct trips_profit *part)
{
    row->fuel_kop += part->cost_fuel_kop;
    row->wear_kop += part->cost_wear_kop;
    row->day_share_kop += part->cost_day_share_kop;
    row->expenses_kop += part->cost_expenses_kop;
    row->incidents_kop += part->cost_incidents_kop;
    row->cost_kop =
        row->fuel_kop + row->wear_kop + row->day_share_kop + row->expenses_kop + row->incidents_kop;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct vehicle_costs_row *row = state;

    if (event->type == &trips_trip_settled_event) {
        const struct trips_trip_settled *e = event->data;

        begin(row, e->vehicle_id, e->day, out);
        row->trips++;
        row->distance_m += e->distance_m;
        add(row, &e->profit);
    } else if (event->type == &trips_trip_adjusted_event) {
        const struct trips_trip_adjusted *e = event->data;

        begin(row, e->vehicle_id, e->day, out);
        add(row, &e->delta);
    } else if (event->type == &vehicles_returned_from_maintenance_event) {
        const struct vehicles_returned_from_maintenance *e = event->data;

        begin(row, event->stream, e->returned_on, out);
        row->workshop_kop += e->cost_kop;
    }
    divide(row);
}

const bus_view vehicle_costs_projection = {
    .of = &vehicle_costs_view, .view_version = 1, .project = project, .keys = keys};
