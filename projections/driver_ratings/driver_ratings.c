/* driver_ratings.c - what speaks for a driver: one row each, only sums, so the order in which
 * trips are heard of does not matter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/drivers.h"
#include "contracts/trips.h"

#define OVER_NORM_MAX_BP INT64_C(1000000000000) /* as in the contract */

static bus_id
driver_of(const bus_event *event)
{
    if (event->type == &trips_trip_completed_event)
        return ((const struct trips_trip_completed *)event->data)->driver_id;
    if (event->type == &trips_trip_aborted_event)
        return ((const struct trips_trip_aborted *)event->data)->driver_id;
    if (event->type == &trips_driver_refused_event)
        return ((const struct trips_driver_refused *)event->data)->driver_id;
    if (event->type == &trips_trip_settled_event)
        return ((const struct trips_trip_settled *)event->data)->driver_id;
    if (event->type == &trips_trip_adjusted_event)
        return ((const struct trips_trip_adjusted *)event->data)->driver_id;
    return event->stream; /* hired */
}

static void
keys(const bus_event *event, bus_projection *out)
{
    bus_id driver = driver_of(event);

    if (!bus_id_is_nil(driver)) /* a trip may be settled without one */
        bus_row_key(out, driver);
}

/* A stop is arrived at before it fails, so there are never more damaged than arrived. */
static void
count_stops(struct driver_ratings_row *row, int64_t arrived, int64_t on_time, int64_t damaged)
{
    row->stops_arrived += arrived;
    row->stops_on_time += on_time;
    row->stops_damaged += damaged;
    row->has_on_time_bp = row->has_damage_bp = row->stops_arrived > 0;
    if (row->stops_arrived == 0)
        return;
    row->on_time_bp = row->stops_on_time * 10000 / row->stops_arrived;
    row->damage_bp = row->stops_damaged * 10000 / row->stops_arrived;
}

/* Only trips whose litres were counted say anything about the driver. */
static void
count_fuel(struct driver_ratings_row *row, const struct trips_trip_settled *e)
{
    if (!e->has_fuel_norm_ml)
        return;
    row->fuel_ml += e->fuel_ml;
    row->fuel_norm_ml += e->fuel_norm_ml;
    row->has_fuel_over_norm_bp = row->fuel_norm_ml > 0;
    if (!row->has_fuel_over_norm_bp)
        return;
    row->fuel_over_norm_bp = (row->fuel_ml - row->fuel_norm_ml) * 10000 / row->fuel_norm_ml;
    if (row->fuel_over_norm_bp > OVER_NORM_MAX_BP)
        row->fuel_over_norm_bp = OVER_NORM_MAX_BP;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct driver_ratings_row *row = state;
    (void)out;

    row->driver_id = driver_of(event);
    if (event->type == &trips_trip_completed_event) {
        const struct trips_trip_completed *e = event->data;

        row->completed++;
        row->driven_m += e->driven_m;
        row->on_trip_s += e->duration_s;
        count_stops(row, e->stops_arrived, e->stops_on_time, e->stops_damaged);
    } else if (event->type == &trips_trip_aborted_event) {
        const struct trips_trip_aborted *e = event->data;

        row->aborted++;
        row->driven_m += e->driven_m;
        row->on_trip_s += e->duration_s;
        count_stops(row, e->stops_arrived, e->stops_on_time, e->stops_damaged);
    } else if (event->type == &trips_driver_refused_event) {
        row->refused++;
    } else if (event->type == &trips_trip_settled_event) {
        const struct trips_trip_settled *e = event->data;

        row->incidents_kop += e->profit.cost_incidents_kop;
        count_fuel(row, e);
    } else if (event->type == &trips_trip_adjusted_event) {
        row->incidents_kop +=
            ((const struct trips_trip_adjusted *)event->data)->delta.cost_incidents_kop;
    }
}

const bus_view driver_ratings_projection = {
    .of = &driver_ratings_view, .view_version = 3, .project = project, .keys = keys};
