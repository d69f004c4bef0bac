/* vehicle_utilisation.c - how a vehicle was used: a row for each local day on which it departed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "contracts/vehicles.h"

#define DAY_S 86400

static void
key(bus_id vehicle, int32_t day, bus_projection *out)
{
    char text[BUS_DAY_TEXT_BYTES];

    (void)bus_day_text(day, text);
    bus_row_key(out, bus_id_v5_text(vehicle, text));
}

static void
keys(const bus_event *event, bus_projection *out)
{
    if (event->type == &trips_trip_completed_event) {
        const struct trips_trip_completed *e = event->data;

        key(e->vehicle_id, e->day, out);
    } else if (event->type == &trips_trip_aborted_event) {
        const struct trips_trip_aborted *e = event->data;

        key(e->vehicle_id, e->day, out);
    }
}

static void
add(struct vehicle_utilisation_row *row, bus_id vehicle, int32_t day, int64_t driven_m,
    int64_t duration_s)
{
    row->vehicle_id = vehicle;
    row->day = day;
    row->trips++;
    row->driven_m += driven_m;
    row->on_trip_s += duration_s;
    row->used_bp = row->on_trip_s * 10000 / DAY_S;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct vehicle_utilisation_row *row = state;
    (void)out;

    if (event->type == &trips_trip_completed_event) {
        const struct trips_trip_completed *e = event->data;

        add(row, e->vehicle_id, e->day, e->driven_m, e->duration_s);
    } else if (event->type == &trips_trip_aborted_event) {
        const struct trips_trip_aborted *e = event->data;

        add(row, e->vehicle_id, e->day, e->driven_m, e->duration_s);
        row->aborted++;
    }
}

const bus_view vehicle_utilisation_projection = {
    .of = &vehicle_utilisation_view, .view_version = 1, .project = project, .keys = keys};
