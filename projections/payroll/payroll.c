/* payroll.c - the payroll register: pay of a driver by month of departure, of settled trips and
 * their adjustments. Only sums, so it equals the pay in the profits of the trips.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/drivers.h"
#include "contracts/trips.h"
#include "projections/profit_figures.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    if (event->type == &trips_trip_settled_event) {
        const struct trips_trip_settled *e = event->data;

        if (e->has_driver_id)
            bus_row_key(out, profit_row_id(event->tenant, true, e->driver_id, e->day));
    } else if (event->type == &trips_trip_adjusted_event) {
        const struct trips_trip_adjusted *e = event->data;

        if (e->has_driver_id && e->delta.cost_driver_pay_kop != 0)
            bus_row_key(out, profit_row_id(event->tenant, true, e->driver_id, e->day));
    }
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct payroll_row *row = state;

    if (event->type == &trips_trip_settled_event) {
        const struct trips_trip_settled *e = event->data;

        PROFIT_MONTH(row, e->day, out);
        row->driver_id = e->driver_id;
        row->trips++;
        row->distance_m += e->distance_m;
        row->duration_s += e->duration_s;
        row->points += e->points;
        row->pay_kop += e->profit.cost_driver_pay_kop;
    } else if (event->type == &trips_trip_adjusted_event) {
        const struct trips_trip_adjusted *e = event->data;

        PROFIT_MONTH(row, e->day, out);
        row->driver_id = e->driver_id;
        row->pay_kop += e->delta.cost_driver_pay_kop;
        row->adjusted_kop += e->delta.cost_driver_pay_kop;
    }
}

const bus_view payroll_projection = {
    .of = &payroll_view, .view_version = 1, .project = project, .keys = keys};
