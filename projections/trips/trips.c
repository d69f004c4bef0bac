/* trips.c - the dispatch board: one row per trip, with all that a dispatcher orders by.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/trips.h"
#include "bus/module/module.h"
#include "projections/trip_scope.h"

static void
draft(struct trips_row *row, const struct trips_trip_drafted *e, int64_t at_ms)
{
    row->status = TRIPS_STATUS_DRAFT;
    row->has_name = e->has_name;
    row->name = e->name;
    row->drafted_at = row->board_at = at_ms;
    TRIP_SCOPE_HIDE(row);
}

static void
plan(struct trips_row *row, const struct trips_trip_planned *e)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_planned_from_at = row->has_planned_to_at = true;
    row->planned_from_at = row->board_at = e->planned_from_at;
    row->planned_to_at = e->planned_to_at;
    row->has_route_id = e->has_route_id;
    row->route_id = e->route_id;
    row->has_route_version = e->has_route_version;
    row->route_version = e->route_version;
    row->stops = e->stops.count;
    row->planned_m = e->planned_m;
    row->planned_s = e->planned_s;
}

static void
add_delivery(struct trips_row *row, const struct trips_delivery_added *e)
{
    row->deliveries++;
    row->deliveries_awaited++;
    row->load_g += e->load_g;
    row->load_ml += e->load_ml;
}

static void
remove_delivery(struct trips_row *row, int64_t load_g, int64_t load_ml, bool confirmed)
{
    row->deliveries--;
    row->deliveries_awaited -= confirmed ? 0 : 1;
    row->load_g -= load_g;
    row->load_ml -= load_ml;
}

/* Asked for, not yet ours: shown, so that the board tells what it waits for. */
static void
ask(struct trips_row *row, const struct trips_assignment_requested *e)
{
    row->status = TRIPS_STATUS_ASSIGNING;
    row->has_vehicle_id = row->has_driver_id = true;
    row->vehicle_id = e->vehicle_id;
    row->driver_id = e->driver_id;
    row->has_co_driver_id = e->has_co_driver_id;
    row->co_driver_id = e->co_driver_id;
    row->attempt = e->attempt;
    row->has_failure_code = row->has_failure_detail = false;
}

static void
lose_resources(struct trips_row *row, bus_str code, bus_str detail)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_vehicle_id = row->has_driver_id = row->has_co_driver_id = false;
    row->has_reservation_id = false;
    row->has_failure_code = row->has_failure_detail = true;
    row->failure_code = code;
    row->failure_detail = detail;
    TRIP_SCOPE_HIDE(row);
}

static void
depart(struct trips_row *row, const struct trips_trip_departed *e)
{
    row->status = TRIPS_STATUS_IN_TRANSIT;
    row->has_departed_at = row->has_day = true;
    row->departed_at = e->departed_at;
    row->day = e->day;
}

static void
end(struct trips_row *row, enum trips_status status, int64_t finished_at, int32_t day)
{
    row->status = status;
    row->has_finished_at = row->has_day = true;
    row->finished_at = finished_at;
    row->day = day;
    TRIP_SCOPE_END(row, finished_at);
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct trips_row              *row = state;
    const struct trips_trip_event *e = event->tagged;
    (void)out;

    switch (e->kind) {
    case TRIPS_TRIP_DRAFTED: draft(row, &e->trip_drafted, event->at_ms); break;
    case TRIPS_TRIP_PLANNED: plan(row, &e->trip_planned); break;
    case TRIPS_DELIVERY_ADDED: add_delivery(row, &e->delivery_added); break;
    case TRIPS_DELIVERY_CONFIRMED: row->deliveries_awaited--; break;
    case TRIPS_DELIVERY_REJECTED:
        remove_delivery(row, e->delivery_rejected.load_g, e->delivery_rejected.load_ml, false);
        row->has_failure_code = row->has_failure_detail = true;
        row->failure_code = e->delivery_rejected.code;
        row->failure_detail = e->delivery_rejected.detail;
        break;
    case TRIPS_DELIVERY_REMOVED:
        remove_delivery(row, e->delivery_removed.load_g, e->delivery_removed.load_ml,
                        e->delivery_removed.confirmed);
        break;
    case TRIPS_ASSIGNMENT_REQUESTED: ask(row, &e->assignment_requested); break;
    case TRIPS_ASSIGNMENT_FAILED:
        lose_resources(row, e->assignment_failed.code, e->assignment_failed.detail);
        break;
    case TRIPS_RESOURCES_ASSIGNED:
        row->status = TRIPS_STATUS_ASSIGNED;
        row->has_reservation_id = true;
        row->reservation_id = e->resources_assigned.reservation_id;
        break;
    case TRIPS_TRIP_DISPATCHED:
        row->status = TRIPS_STATUS_DISPATCHED;
        TRIP_SCOPE_SHOW(row, event->at_ms);
        break;
    case TRIPS_TRIP_ACCEPTED: row->status = TRIPS_STATUS_LOADING; break;
    case TRIPS_DRIVER_REFUSED:
        lose_resources(row, BUS_STR("DRIVER_REFUSED"), e->driver_refused.reason);
        break;
    case TRIPS_TRIP_DEPARTED: depart(row, &e->trip_departed); break;
    case TRIPS_STOP_COMPLETED:
    case TRIPS_STOP_FAILED:
    case TRIPS_STOP_SKIPPED: row->stops_closed++; break;
    case TRIPS_TRIP_COMPLETED:
        end(row, TRIPS_STATUS_COMPLETED, e->trip_completed.finished_at, e->trip_completed.day);
        break;
    case TRIPS_TRIP_ABORTED:
        end(row, TRIPS_STATUS_ABORTED, e->trip_aborted.finished_at, e->trip_aborted.day);
        break;
    case TRIPS_TRIP_CANCELLED:
        row->status = TRIPS_STATUS_CANCELLED;
        TRIP_SCOPE_HIDE(row);
        break;
    case TRIPS_COST_ADDED: row->costs_pending++; break;
    case TRIPS_COST_APPROVED:
    case TRIPS_COST_REJECTED: row->costs_pending--; break;
    case TRIPS_SETTLEMENT_REQUESTED: row->settling = true; break;
    case TRIPS_SETTLEMENT_POSTPONED:
        row->has_failure_code = true;
        row->failure_code = e->settlement_postponed.code;
        row->has_failure_detail = false;
        break;
    case TRIPS_TRIP_SETTLED:
        row->status = TRIPS_STATUS_SETTLED;
        row->settling = false;
        row->has_failure_code = row->has_failure_detail = false;
        break;
    case TRIPS_DELIVERY_RELEASED:
    case TRIPS_ASSIGNMENT_WITHDRAWN:
    case TRIPS_PROFIT_COMPUTED:
    case TRIPS_LOADING_STARTED:
    case TRIPS_STOP_ARRIVED:
    case TRIPS_REMAINING_REORDERED:
    case TRIPS_REVENUE_ADDED:
    case TRIPS_REVENUE_VOIDED:
    case TRIPS_FUEL_COST_RECORDED:
    case TRIPS_UNMATCHED_FUEL_NOTED:
    case TRIPS_UNMATCHED_FUEL_CLEARED:
    case TRIPS_INCIDENT_COST_RECORDED:
    case TRIPS_BOXES_RECORDED:
    case TRIPS_GPS_RECORDED:
    case TRIPS_DAY_SHARE_CHANGED:
    case TRIPS_TRIP_ADJUSTED: break;
    }
}

const bus_view trips_projection = {.of = &trips_view, .view_version = 1, .project = project};
