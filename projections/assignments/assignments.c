/* assignments.c - process P1 as people see it: who was asked for which trip, and how it ended.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/assignment.h"

static void
begin(struct assignments_row *row, const struct assignment_started *e, int64_t at_ms)
{
    row->status = ASSIGNMENT_STATUS_RESERVING_VEHICLE;
    row->trip_id = e->trip_id;
    row->attempt = e->attempt;
    row->has_vehicle_id = row->has_driver_id = true;
    row->vehicle_id = e->vehicle_id;
    row->driver_id = e->driver_id;
    row->has_co_driver_id = e->has_co_driver_id;
    row->co_driver_id = e->co_driver_id;
    row->started_at = at_ms;
    row->has_due_at = true;
    row->due_at = e->due_at;
}

static void
end(struct assignments_row *row, enum assignment_status status, int64_t at_ms)
{
    row->status = status;
    row->has_ended_at = true;
    row->ended_at = at_ms;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct assignments_row                   *row = state;
    const struct assignment_assignment_event *e = event->tagged;
    (void)out;

    switch (e->kind) {
    case ASSIGNMENT_STARTED: begin(row, &e->started, event->at_ms); break;
    case ASSIGNMENT_VEHICLE_RESERVED: row->status = ASSIGNMENT_STATUS_RESERVING_DRIVER; break;
    case ASSIGNMENT_DRIVER_RESERVED:
        row->status = row->has_co_driver_id ? ASSIGNMENT_STATUS_RESERVING_CO_DRIVER
                                            : ASSIGNMENT_STATUS_CONFIRMING;
        break;
    case ASSIGNMENT_CO_DRIVER_RESERVED: row->status = ASSIGNMENT_STATUS_CONFIRMING; break;
    case ASSIGNMENT_COMPLETED: end(row, ASSIGNMENT_STATUS_DONE, event->at_ms); break;
    case ASSIGNMENT_FAILED:
        end(row, ASSIGNMENT_STATUS_FAILED, event->at_ms);
        row->has_code = row->has_detail = true;
        row->code = e->failed.code;
        row->detail = e->failed.detail;
        break;
    case ASSIGNMENT_WITHDRAWN:
        end(row, ASSIGNMENT_STATUS_WITHDRAWN, event->at_ms);
        row->trip_id = e->withdrawn.trip_id;
        if (row->started_at == 0) /* withdrawn before it could begin */
            row->started_at = event->at_ms;
        break;
    }
}

const bus_view assignments_projection = {
    .of = &assignments_view, .view_version = 1, .project = project};
