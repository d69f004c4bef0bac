/* trip_live.c - a trip under way: its stops in the order in which they are driven, what is
 * late, what is aboard.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"
#include "projections/trip_scope.h"

static void
plan(struct trip_live_row *row, const struct trips_trip_planned *e, bus_projection *out)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_planned_from_at = row->has_planned_to_at = true;
    row->planned_from_at = e->planned_from_at;
    row->planned_to_at = e->planned_to_at;
    row->stops.count = 0;
    for (uint32_t i = 0; i < e->stops.count; i++) {
        struct trip_live_row_stops_item *stop = BUS_ROW_PUSH(out, &row->stops);

        stop->seq = e->stops.items[i].seq;
        stop->status = TRIPS_STOP_STATUS_PENDING;
        stop->stop = e->stops.items[i].stop;
        stop->planned_arrival_at = e->stops.items[i].planned_arrival_at;
    }
}

static struct trip_live_row_stops_item *
find_stop(struct trip_live_row *row, int64_t seq)
{
    for (uint32_t i = 0; i < row->stops.count; i++)
        if (row->stops.items[i].seq == seq)
            return &row->stops.items[i];
    BUS_UNREACHABLE();
}

static void
set_next(struct trip_live_row *row)
{
    row->has_next_seq = false;
    for (uint32_t i = 0; i < row->stops.count && !row->has_next_seq; i++)
        if (row->stops.items[i].status == TRIPS_STOP_STATUS_PENDING) {
            row->has_next_seq = true;
            row->next_seq = row->stops.items[i].seq;
        }
}

static void
close_stop(struct trip_live_row *row, int64_t seq, enum trips_stop_status status, int64_t at)
{
    struct trip_live_row_stops_item *stop = find_stop(row, seq);

    stop->status = status;
    stop->has_closed_at = true;
    stop->closed_at = at;
    set_next(row);
}

static void
arrive(struct trip_live_row *row, const struct trips_stop_arrived *e)
{
    struct trip_live_row_stops_item *stop = find_stop(row, e->seq);

    stop->status = TRIPS_STOP_STATUS_ARRIVED;
    stop->has_arrived_at = stop->has_late_s = true;
    stop->arrived_at = e->arrived_at;
    stop->late_s = row->late_s = e->late_s;
    set_next(row);
}

static void
explain(struct trip_live_row *row, int64_t seq, enum trips_stop_reason reason, bool has_note,
        bus_str note)
{
    struct trip_live_row_stops_item *stop = find_stop(row, seq);

    stop->has_reason = true;
    stop->reason = reason;
    stop->has_note = has_note;
    stop->note = note;
}

/* Swaps the named stops into the places of the PENDING ones, which are the last. */
static void
reorder(struct trip_live_row *row, const struct trips_remaining_reordered *e)
{
    uint32_t first = row->stops.count - e->seqs.count;

    for (uint32_t i = 0; i < e->seqs.count; i++) {
        struct trip_live_row_stops_item *found = find_stop(row, e->seqs.items[i]);
        struct trip_live_row_stops_item  moved = *found;

        for (; found > &row->stops.items[first + i]; found--)
            *found = found[-1];
        *found = moved;
    }
    set_next(row);
}

/* Stops that were skipped out of turn go before the PENDING ones. */
static void
settle_order(struct trip_live_row *row)
{
    uint32_t place = 0;

    for (uint32_t i = 0; i < row->stops.count; i++)
        if (row->stops.items[i].status != TRIPS_STOP_STATUS_PENDING) {
            struct trip_live_row_stops_item closed = row->stops.items[i];

            for (uint32_t j = i; j > place; j--)
                row->stops.items[j] = row->stops.items[j - 1];
            row->stops.items[place++] = closed;
        }
}

static void
add_delivery(struct trip_live_row *row, const struct trips_delivery_added *e, bus_projection *out)
{
    struct trip_live_row_deliveries_item *item = BUS_ROW_PUSH(out, &row->deliveries);

    item->delivery_id = e->delivery_id;
    item->stop_seq = e->stop_seq;
    item->customer_id = e->customer_id;
    item->load_g = e->load_g;
    item->load_ml = e->load_ml;
    item->boxes = e->boxes;
}

static struct trip_live_row_deliveries_item *
find_delivery(struct trip_live_row *row, bus_id id)
{
    for (uint32_t i = 0; i < row->deliveries.count; i++)
        if (bus_id_equal(row->deliveries.items[i].delivery_id, id))
            return &row->deliveries.items[i];
    BUS_UNREACHABLE();
}

static void
remove_delivery(struct trip_live_row *row, bus_id id)
{
    struct trip_live_row_deliveries_item *item = find_delivery(row, id);

    for (; item + 1 < row->deliveries.items + row->deliveries.count; item++)
        *item = item[1];
    row->deliveries.count--;
}

static void
assign(struct trip_live_row *row, const struct trips_resources_assigned *e)
{
    row->status = TRIPS_STATUS_ASSIGNED;
    row->has_vehicle_id = row->has_driver_id = true;
    row->vehicle_id = e->vehicle_id;
    row->driver_id = e->driver_id;
}

static void
lose_resources(struct trip_live_row *row)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_vehicle_id = row->has_driver_id = false;
    TRIP_SCOPE_HIDE(row);
}

static void
end(struct trip_live_row *row, enum trips_status status, int64_t finished_at)
{
    row->status = status;
    row->has_finished_at = true;
    row->finished_at = finished_at;
    row->has_next_seq = false;
    TRIP_SCOPE_END(row, finished_at);
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct trip_live_row          *row = state;
    const struct trips_trip_event *e = event->tagged;

    switch (e->kind) {
    case TRIPS_TRIP_DRAFTED:
        row->status = TRIPS_STATUS_DRAFT;
        TRIP_SCOPE_HIDE(row);
        break;
    case TRIPS_TRIP_PLANNED:
        plan(row, &e->trip_planned, out);
        set_next(row);
        break;
    case TRIPS_DELIVERY_ADDED: add_delivery(row, &e->delivery_added, out); break;
    case TRIPS_DELIVERY_CONFIRMED:
        find_delivery(row, e->delivery_confirmed.delivery_id)->confirmed = true;
        break;
    case TRIPS_DELIVERY_REJECTED: remove_delivery(row, e->delivery_rejected.delivery_id); break;
    case TRIPS_DELIVERY_REMOVED: remove_delivery(row, e->delivery_removed.delivery_id); break;
    case TRIPS_ASSIGNMENT_REQUESTED: row->status = TRIPS_STATUS_ASSIGNING; break;
    case TRIPS_ASSIGNMENT_FAILED: lose_resources(row); break;
    case TRIPS_RESOURCES_ASSIGNED: assign(row, &e->resources_assigned); break;
    case TRIPS_TRIP_DISPATCHED:
        row->status = TRIPS_STATUS_DISPATCHED;
        TRIP_SCOPE_SHOW(row, event->at_ms);
        break;
    case TRIPS_TRIP_ACCEPTED: row->status = TRIPS_STATUS_LOADING; break;
    case TRIPS_DRIVER_REFUSED: lose_resources(row); break;
    case TRIPS_TRIP_DEPARTED:
        row->status = TRIPS_STATUS_IN_TRANSIT;
        row->has_departed_at = true;
        row->departed_at = e->trip_departed.departed_at;
        break;
    case TRIPS_STOP_ARRIVED: arrive(row, &e->stop_arrived); break;
    case TRIPS_STOP_COMPLETED:
        close_stop(row, e->stop_completed.seq, TRIPS_STOP_STATUS_DONE,
                   e->stop_completed.completed_at);
        for (uint32_t i = 0; i < e->stop_completed.undelivered.count; i++)
            find_delivery(row, e->stop_completed.undelivered.items[i])->undelivered = true;
        break;
    case TRIPS_STOP_FAILED:
        close_stop(row, e->stop_failed.seq, TRIPS_STOP_STATUS_FAILED, e->stop_failed.failed_at);
        explain(row, e->stop_failed.seq, e->stop_failed.reason, e->stop_failed.has_note,
                e->stop_failed.note);
        break;
    case TRIPS_STOP_SKIPPED:
        close_stop(row, e->stop_skipped.seq, TRIPS_STOP_STATUS_SKIPPED, e->stop_skipped.skipped_at);
        explain(row, e->stop_skipped.seq, e->stop_skipped.reason, e->stop_skipped.has_note,
                e->stop_skipped.note);
        break;
    case TRIPS_REMAINING_REORDERED:
        settle_order(row);
        reorder(row, &e->remaining_reordered);
        break;
    case TRIPS_BOXES_RECORDED:
        row->boxes_sorted = e->boxes_recorded.sorted;
        row->boxes_loaded = e->boxes_recorded.loaded;
        break;
    case TRIPS_GPS_RECORDED: row->gps_m = e->gps_recorded.gps_m; break;
    case TRIPS_TRIP_COMPLETED:
        end(row, TRIPS_STATUS_COMPLETED, e->trip_completed.finished_at);
        break;
    case TRIPS_TRIP_ABORTED: end(row, TRIPS_STATUS_ABORTED, e->trip_aborted.finished_at); break;
    case TRIPS_TRIP_CANCELLED:
        row->status = TRIPS_STATUS_CANCELLED;
        TRIP_SCOPE_HIDE(row);
        break;
    case TRIPS_TRIP_SETTLED: row->status = TRIPS_STATUS_SETTLED; break;
    case TRIPS_DELIVERY_RELEASED:
    case TRIPS_ASSIGNMENT_WITHDRAWN:
    case TRIPS_PROFIT_COMPUTED:
    case TRIPS_LOADING_STARTED:
    case TRIPS_REVENUE_ADDED:
    case TRIPS_REVENUE_VOIDED:
    case TRIPS_COST_ADDED:
    case TRIPS_COST_APPROVED:
    case TRIPS_COST_REJECTED:
    case TRIPS_FUEL_COST_RECORDED:
    case TRIPS_UNMATCHED_FUEL_NOTED:
    case TRIPS_UNMATCHED_FUEL_CLEARED:
    case TRIPS_INCIDENT_COST_RECORDED:
    case TRIPS_DAY_SHARE_CHANGED:
    case TRIPS_SETTLEMENT_REQUESTED:
    case TRIPS_SETTLEMENT_POSTPONED:
    case TRIPS_TRIP_ADJUSTED: break;
    }
}

const bus_view trip_live_projection = {
    .of = &trip_live_view, .view_version = 1, .project = project};
