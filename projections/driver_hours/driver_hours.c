/* driver_hours.c - recorded work of a driver by local day.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/duty_days.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct drivers_duty_recorded *e = event->data;

    for (int32_t day = duty_first_day(e); day <= duty_last_day(e); day++)
        bus_row_key(out, duty_row_id(event->stream, day));
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct driver_hours_row            *row = state;
    const struct drivers_duty_recorded *e = event->data;
    int32_t day = duty_day_of_row(event, bus_row_id(out), duty_first_day(e), 1);
    int64_t seconds = duty_seconds(e, day, day);

    row->driver_id = event->stream;
    row->day = day;
    row->week = duty_monday_of(day);
    switch (e->kind) {
    case DRIVERS_DUTY_KIND_DRIVING:
        row->driving_s += seconds;
        row->work_s += seconds;
        break;
    case DRIVERS_DUTY_KIND_ON_DUTY: row->work_s += seconds; break;
    case DRIVERS_DUTY_KIND_REST: row->rest_s += seconds; break;
    }
    row->left_today_s = e->drive_day_max_s - row->driving_s;
}

const bus_view driver_hours_projection = {
    .of = &driver_hours_view, .view_version = 1, .project = project, .keys = keys};
