/* deliveries_in_flight.c - how many deliveries are under way at each minute: of all, and by driver.
 *
 * A window of two hours ends at each minute; its figure is that of its end: deliveries begun within
 * the window and not ended by then. A sum cannot ask whether both lie in one window, but with
 * in(t) for "the windows that t lies in", begun at s, ended at f and windows of length L:
 *
 *     begun before the end:                    in(s)
 *     begun in the window, ended before its end:   in(f) - in(s+L) + in(f+L)    for f < s+L
 *
 * since windows that f lies in and s does not begin within (s, f], which are those that s+L lies in
 * less those that begin after f and so hold f+L. So the end takes back three contributions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/deliveries.h"
#include "projections/stream/analytic.h"

#define LENGTH_MS INT64_C(7200000) /* size_s of the contract */
#define ZONE_MIN 0                 /* minutes are the same everywhere */

typedef struct deliveries_in_flight_memory_row memory_t;
typedef struct deliveries_in_flight_row        row_t;

/* One delivery more or less (sign), of all and of the driver. */
static void
count(const memory_t *memory, int64_t at_ms, int sign, bus_stream_out *out)
{
    const row_t all = {.by = DELIVERIES_IN_FLIGHT_ROW_BY_ALL, .in_flight = 1};
    const row_t driver = {.by = DELIVERIES_IN_FLIGHT_ROW_BY_DRIVER,
                          .has_driver_id = true,
                          .driver_id = memory->driver_id,
                          .in_flight = 1};

    bus_stream_correct(out, &all, at_ms, ZONE_MIN, sign);
    if (memory->has_driver_id)
        bus_stream_correct(out, &driver, at_ms, ZONE_MIN, sign);
}

static void
end(const memory_t *memory, int64_t ended_at, bus_stream_out *out)
{
    int64_t begun_at = memory->started_at;
    int64_t at_ms = ended_at > begun_at ? ended_at : begun_at;

    if (!memory->has_started_at || at_ms >= begun_at + LENGTH_MS)
        return;
    count(memory, at_ms, -1, out);
    count(memory, begun_at + LENGTH_MS, 1, out);
    count(memory, at_ms + LENGTH_MS, -1, out);
}

/* What is begun too late is listed and counted as any late event, and then never ends. */
static void
begin(memory_t *memory, const struct deliveries_started *e, bus_stream_out *out)
{
    const row_t refused = {.by = DELIVERIES_IN_FLIGHT_ROW_BY_ALL, .in_flight = 1};

    memory->has_driver_id = e->has_driver_id;
    memory->driver_id = e->driver_id;
    memory->has_started_at = !bus_stream_is_late(out, e->started_at, ZONE_MIN);
    memory->started_at = e->started_at;
    bus_stream_tick(out, e->started_at);
    if (memory->has_started_at)
        count(memory, e->started_at, 1, out);
    else
        bus_stream_put(out, &refused, e->started_at, ZONE_MIN);
}

/* The business's time of the end; what has none ends when it is written. */
static int64_t
end_of(const bus_event *event, const bus_stream_out *out)
{
    const struct deliveries_delivery_event *e = event->tagged;

    if (event->type == &deliveries_completed_event)
        return e->completed.pod.at;
    if (event->type == &deliveries_completed_partly_event)
        return e->completed_partly.pod.at;
    if (event->type == &deliveries_failed_event)
        return e->failed.failed_at;
    if (event->type == &deliveries_cancelled_event)
        return e->cancelled.cancelled_at;
    return bus_stream_place_of(out).at_ms;
}

static void
map(void *state, const bus_event *event, bus_stream_out *out)
{
    const struct deliveries_delivery_event *e = event->tagged;
    memory_t                               *memory = state;

    if (event->type == &deliveries_started_event) {
        end(memory, e->started.started_at, out); /* an attempt whose end nobody told */
        begin(memory, &e->started, out);
        return;
    }
    end(memory, end_of(event, out), out);
    bus_stream_tick(out, end_of(event, out));
    bus_stream_forget(out);
}

static void
step(void *window, const void *one, int sign)
{
    ((row_t *)window)->in_flight += sign * ((const row_t *)one)->in_flight;
}

static const bus_analytic analytic = {.map = map, .step = step};

BUS_ANALYTIC(deliveries_in_flight, 1, analytic);
