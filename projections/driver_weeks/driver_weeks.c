/* driver_weeks.c - recorded work of a driver by week, from Monday.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/duty_days.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct drivers_duty_recorded *e = event->data;

    for (int32_t week = duty_monday_of(duty_first_day(e)); week <= duty_last_day(e); week += 7)
        bus_row_key(out, duty_row_id(event->stream, week));
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct driver_weeks_row            *row = state;
    const struct drivers_duty_recorded *e = event->data;
    int32_t week = duty_day_of_row(event, bus_row_id(out), duty_monday_of(duty_first_day(e)), 7);
    int64_t seconds = duty_seconds(e, week, week + 6);

    row->driver_id = event->stream;
    row->week = week;
    switch (e->kind) {
    case DRIVERS_DUTY_KIND_DRIVING:
        row->driving_s += seconds;
        row->work_s += seconds;
        break;
    case DRIVERS_DUTY_KIND_ON_DUTY: row->work_s += seconds; break;
    case DRIVERS_DUTY_KIND_REST: break;
    }
    row->left_week_s = e->drive_week_max_s - row->driving_s;
}

const bus_view driver_weeks_projection = {
    .of = &driver_weeks_view, .view_version = 1, .project = project, .keys = keys};
