/* driver_ratings.c - what speaks for a driver: one row each, only sums, so the order in which
 * trips are heard of does not matter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/drivers.h"
#include "contracts/trips.h"

static bus_id
driver_of(const bus_event *event)
{
    if (event->type == &trips_trip_completed_event)
        return ((const struct trips_trip_completed *)event->data)->driver_id;
    if (event->type == &trips_trip_aborted_event)
        return ((const struct trips_trip_aborted *)event->data)->driver_id;
    if (event->type == &trips_driver_refused_event)
        return ((const struct trips_driver_refused *)event->data)->driver_id;
    return event->stream; /* hired */
}

static void
keys(const bus_event *event, bus_projection *out)
{
    bus_row_key(out, driver_of(event));
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
    } else if (event->type == &trips_trip_aborted_event) {
        const struct trips_trip_aborted *e = event->data;

        row->aborted++;
        row->driven_m += e->driven_m;
        row->on_trip_s += e->duration_s;
    } else if (event->type == &trips_driver_refused_event) {
        row->refused++;
    }
}

const bus_view driver_ratings_projection = {
    .of = &driver_ratings_view, .view_version = 1, .project = project, .keys = keys};
