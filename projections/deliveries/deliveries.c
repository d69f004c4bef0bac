/* deliveries.c - the delivery board.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/deliveries.h"
#include "bus/module/module.h"

static void
add_boxes(struct deliveries_row *row, const struct deliveries_box *boxes, uint32_t count,
          bus_projection *out)
{
    for (uint32_t i = 0; i < count; i++) {
        struct deliveries_row_boxes *all = &row->boxes;

        *BUS_ROW_PUSH(out, all) = boxes[i];
    }
}

static void
set_window(struct deliveries_row *row, const struct deliveries_window *window)
{
    row->window = *window;
    row->window_from_at = window->from_at;
}

static void
project_created(struct deliveries_row *row, const struct deliveries_created *e, bus_projection *out)
{
    row->status = DELIVERIES_STATUS_CREATED;
    row->kind = e->kind;
    row->customer_id = e->customer_id;
    row->has_wb_account_id = e->has_wb_account_id;
    row->wb_account_id = e->wb_account_id;
    row->has_supply_id = e->has_supply_id;
    row->supply_id = e->supply_id;
    row->has_wb_order_id = e->has_wb_order_id;
    row->wb_order_id = e->wb_order_id;
    row->from = e->from;
    row->to = e->to;
    set_window(row, &e->window);
    add_boxes(row, e->boxes.items, e->boxes.count, out);
    row->price_kop = e->price_kop;
    row->cod_kop = e->cod_kop;
    row->created_at = e->created_at;
}

static void
leave_trip(struct deliveries_row *row, enum deliveries_status status)
{
    row->status = status;
    row->has_trip_id = row->has_stop_seq = row->has_planned_arrival_at = row->has_driver_id = false;
}

static void
project_started(struct deliveries_row *row, const struct deliveries_started *e)
{
    row->status = DELIVERIES_STATUS_OUT;
    row->attempts = e->attempt;
    row->has_driver_id = e->has_driver_id;
    row->driver_id = e->driver_id;
    row->scanned = 0; /* each attempt scans anew */
    row->has_arrived_at = row->has_late_s = row->has_failure = row->has_note = false;
}

static void
project_finished(struct deliveries_row *row, enum deliveries_status status, int64_t at_ms)
{
    row->status = status; /* trip and driver stay: it is known who brought it */
    row->has_completed_at = true;
    row->completed_at = at_ms;
}

/* The driver stays: he has it aboard. */
static void
project_failed(struct deliveries_row *row, const struct deliveries_failed *e)
{
    row->status = DELIVERIES_STATUS_FAILED;
    row->has_trip_id = row->has_stop_seq = row->has_planned_arrival_at = false;
    row->has_failure = true;
    row->failure = e->reason;
    row->has_note = e->has_note;
    row->note = e->note;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct deliveries_row                  *row = state;
    const struct deliveries_delivery_event *e = event->tagged;

    switch (e->kind) {
    case DELIVERIES_CREATED: project_created(row, &e->created, out); break;
    case DELIVERIES_CONFIRMED: row->status = DELIVERIES_STATUS_CONFIRMED; break;
    case DELIVERIES_WINDOW_CHANGED: set_window(row, &e->window_changed.window); break;
    case DELIVERIES_BOXES_ATTACHED:
        add_boxes(row, e->boxes_attached.boxes.items, e->boxes_attached.boxes.count, out);
        break;
    case DELIVERIES_BOXES_SCANNED: row->scanned += e->boxes_scanned.barcodes.count; break;
    case DELIVERIES_PLANNED:
        row->status = DELIVERIES_STATUS_PLANNED;
        row->has_trip_id = row->has_stop_seq = true;
        row->trip_id = e->planned.trip_id;
        row->stop_seq = e->planned.stop_seq;
        row->has_planned_arrival_at = e->planned.has_planned_arrival_at;
        row->planned_arrival_at = e->planned.planned_arrival_at;
        break;
    case DELIVERIES_UNPLANNED: leave_trip(row, DELIVERIES_STATUS_CONFIRMED); break;
    case DELIVERIES_STARTED: project_started(row, &e->started); break;
    case DELIVERIES_ARRIVED:
        row->has_arrived_at = row->has_late_s = true;
        row->arrived_at = e->arrived.arrived_at;
        row->late_s = e->arrived.late_s;
        break;
    case DELIVERIES_COMPLETED:
        project_finished(row, DELIVERIES_STATUS_DELIVERED, e->completed.pod.at);
        break;
    case DELIVERIES_COMPLETED_PARTLY:
        project_finished(row, DELIVERIES_STATUS_PARTIAL, e->completed_partly.pod.at);
        break;
    case DELIVERIES_FAILED: project_failed(row, &e->failed); break;
    case DELIVERIES_CALL_LINKED:
        row->outgoing_calls += e->call_linked.direction == DELIVERIES_CALL_LINKED_DIRECTION_OUT;
        break;
    case DELIVERIES_RESCHEDULED:
        leave_trip(row, DELIVERIES_STATUS_CONFIRMED);
        row->outgoing_calls = 0;
        set_window(row, &e->rescheduled.window);
        break;
    case DELIVERIES_RETURN_STARTED: row->status = DELIVERIES_STATUS_RETURNING; break;
    case DELIVERIES_RETURNED: row->status = DELIVERIES_STATUS_RETURNED; break;
    case DELIVERIES_CANCELLED: leave_trip(row, DELIVERIES_STATUS_CANCELLED); break;
    }
}

const bus_view deliveries_projection = {
    .of = &deliveries_view, .view_version = 2, .project = project};
