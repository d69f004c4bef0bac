/* vehicle_days.c - a vehicle's day: its trips' seconds and their shares of the fixed cost.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"

static struct vehicle_days_row_trips_item *
find_trip(struct vehicle_days_row *row, bus_id trip_id)
{
    for (uint32_t i = 0; i < row->trips.count; i++)
        if (bus_id_equal(row->trips.items[i].trip_id, trip_id))
            return &row->trips.items[i];
    BUS_UNREACHABLE();
}

static void
add_trip(struct vehicle_days_row *row, const struct trips_day_trip_counted *e, bus_projection *out)
{
    struct vehicle_days_row_trips_item *item = BUS_ROW_PUSH(out, &row->trips);

    row->has_vehicle_id = row->has_day = true;
    row->vehicle_id = e->vehicle_id;
    row->day = e->day;
    row->fixed_kop_day = e->fixed_kop_day;
    item->trip_id = e->trip_id;
    item->duration_s = e->duration_s;
}

static void
set_shares(struct vehicle_days_row *row, const struct trips_day_shares_changed *e)
{
    for (uint32_t i = 0; i < e->shares.count; i++)
        find_trip(row, e->shares.items[i].trip_id)->share_kop = e->shares.items[i].share_kop;
    row->shared_kop = 0;
    for (uint32_t i = 0; i < row->trips.count; i++)
        row->shared_kop += row->trips.items[i].share_kop;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct vehicle_days_row              *row = state;
    const struct trips_vehicle_day_event *e = event->tagged;

    switch (e->kind) {
    case TRIPS_DAY_TRIP_COUNTED: add_trip(row, &e->day_trip_counted, out); break;
    case TRIPS_DAY_SHARES_CHANGED: set_shares(row, &e->day_shares_changed); break;
    case TRIPS_DAY_SHARE_FROZEN: find_trip(row, e->day_share_frozen.trip_id)->frozen = true; break;
    }
}

const bus_view vehicle_days_projection = {
    .of = &vehicle_days_view, .view_version = 1, .project = project};
