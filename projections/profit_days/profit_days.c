/* profit_days.c - the profit and loss of a day with all its parts: settled trips and their
 * adjustments, by the local date of departure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "projections/profit_figures.h"

/* The row of a day: UUIDv5 of the tenant's id and the day's number. */
static bus_id
row_of(bus_id tenant, int32_t day)
{
    char    name[] = "day:0000000";
    int32_t rest = day;

    BUS_INVARIANT(day >= 0);
    for (int i = 10; i >= 4; i--, rest /= 10)
        name[i] = (char)('0' + rest % 10);
    return bus_id_v5_text(tenant, name);
}

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct trips_trip_event *e = event->tagged;

    if (event->type == &trips_trip_settled_event)
        bus_row_key(out, row_of(event->tenant, e->trip_settled.day));
    else if (event->type == &trips_trip_adjusted_event)
        bus_row_key(out, row_of(event->tenant, e->trip_adjusted.day));
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct profit_days_row        *row = state;
    const struct trips_trip_event *e = event->tagged;
    (void)out;

    if (event->type == &trips_trip_settled_event) {
        row->day = e->trip_settled.day;
        profit_add_parts(&row->profit, &e->trip_settled.profit);
        PROFIT_ADD_SETTLED(row, e->trip_settled.profit.revenue_kop,
                           e->trip_settled.profit.cost_kop);
    } else if (event->type == &trips_trip_adjusted_event) {
        row->day = e->trip_adjusted.day;
        profit_add_parts(&row->profit, &e->trip_adjusted.delta);
        PROFIT_ADD_ADJUSTED(row, e->trip_adjusted.delta.revenue_kop,
                            e->trip_adjusted.delta.cost_kop);
    }
}

const bus_view profit_days_projection = {
    .of = &profit_days_view, .view_version = 1, .project = project, .keys = keys};
