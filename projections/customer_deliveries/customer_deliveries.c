/* customer_deliveries.c - what a customer's cabinet shows: where things are, not who drives them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/deliveries.h"

static void
project_created(struct customer_deliveries_row *row, const struct deliveries_created *e)
{
    row->customer_id = e->customer_id;
    row->status = DELIVERIES_STATUS_CREATED;
    row->kind = e->kind;
    row->has_wb_order_id = e->has_wb_order_id;
    row->wb_order_id = e->wb_order_id;
    row->has_supply_id = e->has_supply_id;
    row->supply_id = e->supply_id;
    row->window = e->window;
    row->created_at = e->created_at;
}

static void
complete(struct customer_deliveries_row *row, enum deliveries_status status, int64_t at_ms)
{
    row->status = status;
    row->has_completed_at = true;
    row->completed_at = at_ms;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct customer_deliveries_row         *row = state;
    const struct deliveries_delivery_event *e = event->tagged;

    (void)out;
    switch (e->kind) {
    case DELIVERIES_CREATED: project_created(row, &e->created); break;
    case DELIVERIES_CONFIRMED: row->status = DELIVERIES_STATUS_CONFIRMED; break;
    case DELIVERIES_WINDOW_CHANGED: row->window = e->window_changed.window; break;
    case DELIVERIES_PLANNED:
        row->status = DELIVERIES_STATUS_PLANNED;
        row->has_planned_arrival_at = e->planned.has_planned_arrival_at;
        row->planned_arrival_at = e->planned.planned_arrival_at;
        break;
    case DELIVERIES_UNPLANNED:
        row->status = DELIVERIES_STATUS_CONFIRMED;
        row->has_planned_arrival_at = false;
        break;
    case DELIVERIES_STARTED:
        row->status = DELIVERIES_STATUS_OUT;
        row->has_arrived_at = row->has_failure = false;
        break;
    case DELIVERIES_ARRIVED:
        row->has_arrived_at = true;
        row->arrived_at = e->arrived.arrived_at;
        break;
    case DELIVERIES_COMPLETED:
        complete(row, DELIVERIES_STATUS_DELIVERED, e->completed.pod.at);
        break;
    case DELIVERIES_COMPLETED_PARTLY:
        complete(row, DELIVERIES_STATUS_PARTIAL, e->completed_partly.pod.at);
        break;
    case DELIVERIES_FAILED:
        row->status = DELIVERIES_STATUS_FAILED;
        row->has_failure = true;
        row->failure = e->failed.reason;
        break;
    case DELIVERIES_RESCHEDULED:
        row->status = DELIVERIES_STATUS_CONFIRMED;
        row->has_planned_arrival_at = false;
        row->window = e->rescheduled.window;
        break;
    case DELIVERIES_RETURN_STARTED: row->status = DELIVERIES_STATUS_RETURNING; break;
    case DELIVERIES_RETURNED: row->status = DELIVERIES_STATUS_RETURNED; break;
    case DELIVERIES_CANCELLED: row->status = DELIVERIES_STATUS_CANCELLED; break;
    case DELIVERIES_BOXES_ATTACHED:
    case DELIVERIES_BOXES_SCANNED:
    case DELIVERIES_CALL_LINKED: break;
    }
}

const bus_view customer_deliveries_projection = {
    .of = &customer_deliveries_view, .view_version = 1, .project = project};
