/* service_due.c - what has to be serviced: a row for each plan, counted from the last service.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/vehicles.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct vehicles_vehicle_event *e = event->tagged;

    if (e->kind == VEHICLES_SERVICE_PLANNED)
        bus_row_key(out, bus_id_v5(event->stream, e->service_planned.plan_id.bytes, 16));
    else if (e->kind == VEHICLES_SERVICE_DONE)
        bus_row_key(out, bus_id_v5(event->stream, e->service_done.plan_id.bytes, 16));
}

static void
count_from(struct service_due_row *row, int64_t last_m, int32_t last_on)
{
    row->last_m = last_m;
    row->last_on = last_on;
    row->has_due_m = row->has_every_m;
    row->due_m = row->has_every_m ? last_m + row->every_m : 0;
    row->has_due_on = row->has_every_days;
    row->due_on = row->has_every_days ? last_on + (int32_t)row->every_days : 0;
}

static void
plan(struct service_due_row *row, bus_id vehicle, const struct vehicles_service_planned *e)
{
    row->vehicle_id = vehicle;
    row->plan_id = e->plan_id;
    row->name = e->name;
    row->has_every_m = e->has_every_m;
    row->every_m = e->every_m;
    row->has_every_days = e->has_every_days;
    row->every_days = e->every_days;
    count_from(row, e->last_m, e->last_on);
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct service_due_row              *row = state;
    const struct vehicles_vehicle_event *e = event->tagged;
    (void)out;

    if (e->kind == VEHICLES_SERVICE_PLANNED)
        plan(row, event->stream, &e->service_planned);
    else if (e->kind == VEHICLES_SERVICE_DONE)
        count_from(row, e->service_done.odometer_m, e->service_done.done_on);
}

const bus_view service_due_projection = {
    .of = &service_due_view, .view_version = 1, .project = project, .keys = keys};
