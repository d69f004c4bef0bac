/* stop_service_days.c - time at stops, from arrival to completion, against the plan: of all, by
 * kind of stop and by driver.
 *
 * A completion tells neither when the driver arrived nor what was planned. The trip's stream did,
 * before it: its stops are remembered until the trip is over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/trips.h"
#include "projections/stream/analytic.h"

typedef struct stop_service_days_memory_row memory_t;
typedef struct stop_service_days_row        row_t;

/* As the items of memory's stops are declared. */
#define FIND_STOP(memory, of_seq, found)                        \
    do {                                                        \
        (found) = NULL;                                         \
        for (uint32_t i_ = 0; i_ < (memory)->stops.count; i_++) \
            if ((memory)->stops.items[i_].seq == (of_seq))      \
                (found) = &(memory)->stops.items[i_];           \
    } while (0)

static void
remember_plan(memory_t *memory, const struct trips_trip_planned *e, bus_stream_out *out)
{
    memory->stops.count = 0; /* planned anew */
    for (uint32_t i = 0; i < e->stops.count; i++) {
        __typeof__(memory->stops.items) stop = BUS_STREAM_PUSH(out, &memory->stops);

        stop->seq = e->stops.items[i].seq;
        stop->kind = (__typeof__(stop->kind))e->stops.items[i].stop.kind;
        stop->planned_s = e->stops.items[i].stop.service_s;
    }
}

static void
remember_arrival(memory_t *memory, const struct trips_stop_arrived *e)
{
    __typeof__(memory->stops.items) stop;

    FIND_STOP(memory, e->seq, stop);
    if (stop == NULL)
        return;
    stop->has_arrived_at = true;
    stop->arrived_at = e->arrived_at;
}

static void
put_service(const memory_t *memory, const struct trips_stop_completed *e, bus_stream_out *out)
{
    const __typeof__(*memory->stops.items) *stop;
    row_t                                   one;
    int64_t                                 service_s;

    FIND_STOP(memory, e->seq, stop);
    if (stop == NULL || !stop->has_arrived_at || e->completed_at < stop->arrived_at)
        return;
    service_s = (e->completed_at - stop->arrived_at) / 1000;
    one = (row_t){.by = STOP_SERVICE_DAYS_ROW_BY_ALL,
                  .day = bus_day_of(e->completed_at, (int32_t)memory->utc_offset_min),
                  .stops = 1,
                  .service_s = service_s,
                  .planned_s = stop->planned_s,
                  .over = service_s > stop->planned_s ? 1 : 0,
                  .over_s = service_s > stop->planned_s ? service_s - stop->planned_s : 0};
    bus_stream_put(out, &one, e->completed_at, (int32_t)memory->utc_offset_min);
    one.by = STOP_SERVICE_DAYS_ROW_BY_KIND;
    one.has_kind = true;
    one.kind = (__typeof__(one.kind))stop->kind;
    bus_stream_put(out, &one, e->completed_at, (int32_t)memory->utc_offset_min);
    if (!memory->has_driver_id)
        return;
    one.by = STOP_SERVICE_DAYS_ROW_BY_DRIVER;
    one.has_kind = false;
    one.kind = 0;
    one.has_driver_id = true;
    one.driver_id = memory->driver_id;
    bus_stream_put(out, &one, e->completed_at, (int32_t)memory->utc_offset_min);
}

static void
map(void *state, const bus_event *event, bus_stream_out *out)
{
    memory_t                      *memory = state;
    const struct trips_trip_event *e = event->tagged;

    if (event->type == &trips_trip_planned_event) {
        remember_plan(memory, &e->trip_planned, out);
    } else if (event->type == &trips_trip_departed_event) {
        memory->has_driver_id = true;
        memory->driver_id = e->trip_departed.driver_id;
        memory->utc_offset_min = e->trip_departed.utc_offset_min;
    } else if (event->type == &trips_stop_arrived_event) {
        remember_arrival(memory, &e->stop_arrived);
    } else if (event->type == &trips_stop_completed_event) {
        put_service(memory, &e->stop_completed, out);
    } else {
        bus_stream_forget(out); /* the trip is over */
    }
}

static void
step(void *window, const void *contribution, int sign)
{
    row_t       *row = window;
    const row_t *one = contribution;

    row->day = one->day; /* of the window */
    row->stops += sign * one->stops;
    row->service_s += sign * one->service_s;
    row->planned_s += sign * one->planned_s;
    row->over += sign * one->over;
    row->over_s += sign * one->over_s;
}

static void
finish(void *window)
{
    row_t *row = window;

    row->has_mean_s = row->stops > 0;
    row->mean_s = row->has_mean_s ? row->service_s / row->stops : 0;
}

static const bus_analytic analytic = {.map = map, .step = step, .finish = finish};

BUS_ANALYTIC(stop_service_days, 1, analytic);
