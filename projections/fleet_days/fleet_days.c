/* fleet_days.c - the fleet's day and each vehicle's: trips, kilometres, time on trips, and how much
 * of their 24 hours the vehicles that were out were used.
 *
 * A vehicle counts once a day, whichever of its trips is read first: what is remembered under the
 * vehicle and the day says whether it was counted. A trip that comes too late does not count it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/trips.h"
#include "projections/day_window.h"
#include "projections/stream/analytic.h"

#define DAY_S 86400

typedef struct fleet_days_memory_row memory_t;
typedef struct fleet_days_row        row_t;

/* Of a trip that ended. */
static void
vehicle_and_day(const bus_event *event, bus_id *vehicle_id, int32_t *day)
{
    const struct trips_trip_event *e = event->tagged;
    bool                           aborted = event->type == &trips_trip_aborted_event;

    *vehicle_id = aborted ? e->trip_aborted.vehicle_id : e->trip_completed.vehicle_id;
    *day = aborted ? e->trip_aborted.day : e->trip_completed.day;
}

static bool
remember(const bus_event *event, bus_id *id)
{
    char    text[BUS_DAY_TEXT_BYTES];
    bus_id  vehicle_id;
    int32_t day;

    vehicle_and_day(event, &vehicle_id, &day);
    (void)bus_day_text(day, text);
    *id = bus_id_v5_text(vehicle_id, text);
    return true;
}

static row_t
trip_of(const bus_event *event)
{
    const struct trips_trip_event *e = event->tagged;

    if (event->type == &trips_trip_aborted_event)
        return (row_t){.trips = 1,
                       .aborted = 1,
                       .driven_m = e->trip_aborted.driven_m,
                       .on_trip_s = e->trip_aborted.duration_s};
    return (row_t){.trips = 1,
                   .driven_m = e->trip_completed.driven_m,
                   .on_trip_s = e->trip_completed.duration_s};
}

static void
map(void *state, const bus_event *event, bus_stream_out *out)
{
    memory_t *memory = state;
    row_t     one = trip_of(event);
    bus_id    vehicle_id;
    int64_t   at_ms;

    vehicle_and_day(event, &vehicle_id, &one.day);
    at_ms = day_window_ms(one.day);
    if (!bus_stream_is_late(out, at_ms, DAY_WINDOW_ZONE_MIN)) {
        one.vehicles = memory->counted ? 0 : 1;
        memory->has_counted = memory->counted = true;
    }
    one.by = FLEET_DAYS_ROW_BY_ALL;
    bus_stream_put(out, &one, at_ms, DAY_WINDOW_ZONE_MIN);
    one.by = FLEET_DAYS_ROW_BY_VEHICLE;
    one.has_vehicle_id = true;
    one.vehicle_id = vehicle_id;
    bus_stream_put(out, &one, at_ms, DAY_WINDOW_ZONE_MIN);
}

static void
step(void *window, const void *contribution, int sign)
{
    row_t       *row = window;
    const row_t *one = contribution;

    row->day = one->day; /* of the window */
    row->trips += sign * one->trips;
    row->aborted += sign * one->aborted;
    row->driven_m += sign * one->driven_m;
    row->on_trip_s += sign * one->on_trip_s;
    row->vehicles += sign * one->vehicles;
}

static void
finish(void *window)
{
    row_t *row = window;

    row->has_used_bp = row->vehicles > 0;
    row->used_bp = row->has_used_bp ? row->on_trip_s * 10000 / (row->vehicles * DAY_S) : 0;
}

static const bus_analytic analytic = {
    .map = map, .step = step, .finish = finish, .remember = remember};

BUS_ANALYTIC(fleet_days, 1, analytic);
