/* deliveries_in_flight.c - for each minute, of the two hours before it: how many deliveries were
 * begun, how many ended, and how many of those begun are still under way; of all, and by driver.
 *
 * What was begun is put when it is begun, and taken back from the same windows when it ends. So the
 * newest minute tells what is in flight, and an old one which of its deliveries never ended.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/deliveries.h"
#include "projections/stream/analytic.h"

#define ZONE_MIN 0 /* minutes are the same everywhere */

typedef struct deliveries_in_flight_memory_row memory_t;
typedef struct deliveries_in_flight_row        row_t;

/* The same for all and for the driver. */
static void
put(const memory_t *memory, const row_t *figures, int64_t at_ms, int sign, bus_stream_out *out)
{
    row_t one = *figures;

    one.by = DELIVERIES_IN_FLIGHT_ROW_BY_ALL;
    bus_stream_correct(out, &one, at_ms, ZONE_MIN, sign);
    one.by = DELIVERIES_IN_FLIGHT_ROW_BY_DRIVER;
    one.has_driver_id = true;
    one.driver_id = memory->driver_id;
    if (memory->has_driver_id)
        bus_stream_correct(out, &one, at_ms, ZONE_MIN, sign);
}

static void
end(const memory_t *memory, int64_t ended_at, bus_stream_out *out)
{
    const row_t ended = {.ended = 1}, open = {.in_flight = 1};

    if (!memory->has_started_at)
        return;
    put(memory, &open, memory->started_at, -1, out);
    put(memory, &ended, ended_at > memory->started_at ? ended_at : memory->started_at, 1, out);
}

/* What is begun too late is listed and counted as any late event, and then never ends. */
static void
begin(memory_t *memory, const struct deliveries_started *e, bus_stream_out *out)
{
    const row_t begun = {.begun = 1, .in_flight = 1};

    memory->has_driver_id = e->has_driver_id;
    memory->driver_id = e->driver_id;
    memory->has_started_at = !bus_stream_is_late(out, e->started_at, ZONE_MIN);
    memory->started_at = e->started_at;
    bus_stream_tick(out, e->started_at);
    if (memory->has_started_at)
        put(memory, &begun, e->started_at, 1, out);
    else
        bus_stream_put(out, &begun, e->started_at, ZONE_MIN);
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
step(void *window, const void *contribution, int sign)
{
    row_t       *row = window;
    const row_t *one = contribution;

    row->begun += sign * one->begun;
    row->ended += sign * one->ended;
    row->in_flight += sign * one->in_flight;
}

static const bus_analytic analytic = {.map = map, .step = step};

BUS_ANALYTIC(deliveries_in_flight, 1, analytic);
