/* trip_facts.c - plan and fact of a trip side by side. A stop is on time when it was reached no
 * later than planned.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/trips.h"

static void
plan(struct trip_facts_row *row, const struct trips_trip_planned *e)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_route_id = e->has_route_id;
    row->route_id = e->route_id;
    row->has_planned_from_at = row->has_planned_to_at = true;
    row->planned_from_at = e->planned_from_at;
    row->planned_to_at = e->planned_to_at;
    row->planned_m = e->planned_m;
    row->planned_s = e->planned_s - e->loading_s;
    row->stops_planned = e->stops.count;
}

static void
assign(struct trip_facts_row *row, const struct trips_resources_assigned *e)
{
    row->status = TRIPS_STATUS_ASSIGNED;
    row->has_vehicle_id = row->has_driver_id = true;
    row->vehicle_id = e->vehicle_id;
    row->driver_id = e->driver_id;
}

static void
lose_resources(struct trip_facts_row *row)
{
    row->status = TRIPS_STATUS_PLANNED;
    row->has_vehicle_id = row->has_driver_id = false;
}

static void
end(struct trip_facts_row *row, enum trips_status status, int64_t finished_at, int32_t day,
    int64_t driven_m, int64_t duration_s)
{
    row->status = status;
    row->has_finished_at = row->has_day = true;
    row->finished_at = finished_at;
    row->day = day;
    row->driven_m = driven_m;
    row->driven_s = duration_s;
}

/* Fuel by the norm for the metres planned, and what was counted in the end. */
static void
compare_fuel(struct trip_facts_row *row, const struct trips_profit_computed *e)
{
    if (e->stage == TRIPS_STAGE_ESTIMATED) {
        row->fuel_norm_ml = e->fuel_ml;
        return;
    }
    row->has_fuel_ml = true;
    row->fuel_ml = e->fuel_ml;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct trip_facts_row         *row = state;
    const struct trips_trip_event *e = event->tagged;
    (void)out;

    switch (e->kind) {
    case TRIPS_TRIP_DRAFTED:
        row->status = TRIPS_STATUS_DRAFT;
        row->drafted_at = event->at_ms;
        break;
    case TRIPS_TRIP_PLANNED: plan(row, &e->trip_planned); break;
    case TRIPS_DELIVERY_ADDED: row->deliveries_planned++; break;
    case TRIPS_DELIVERY_REJECTED:
    case TRIPS_DELIVERY_REMOVED: row->deliveries_planned--; break;
    case TRIPS_ASSIGNMENT_REQUESTED: row->status = TRIPS_STATUS_ASSIGNING; break;
    case TRIPS_ASSIGNMENT_FAILED:
    case TRIPS_DRIVER_REFUSED: lose_resources(row); break;
    case TRIPS_RESOURCES_ASSIGNED: assign(row, &e->resources_assigned); break;
    case TRIPS_PROFIT_COMPUTED: compare_fuel(row, &e->profit_computed); break;
    case TRIPS_TRIP_DISPATCHED: row->status = TRIPS_STATUS_DISPATCHED; break;
    case TRIPS_TRIP_ACCEPTED: row->status = TRIPS_STATUS_LOADING; break;
    case TRIPS_LOADING_STARTED:
        row->has_loading_started_at = true;
        row->loading_started_at = event->device_at_ms != 0 ? event->device_at_ms : event->at_ms;
        break;
    case TRIPS_TRIP_DEPARTED:
        row->status = TRIPS_STATUS_IN_TRANSIT;
        row->has_departed_at = row->has_day = true;
        row->departed_at = e->trip_departed.departed_at;
        row->day = e->trip_departed.day;
        break;
    case TRIPS_STOP_ARRIVED:
        row->stops_on_time += e->stop_arrived.late_s <= 0 ? 1 : 0;
        row->late_s = e->stop_arrived.late_s;
        break;
    case TRIPS_STOP_COMPLETED:
        row->stops_done++;
        row->deliveries_handed += e->stop_completed.delivery_ids.count;
        break;
    case TRIPS_STOP_FAILED: row->stops_failed++; break;
    case TRIPS_STOP_SKIPPED: row->stops_skipped++; break;
    case TRIPS_GPS_RECORDED: row->gps_m = e->gps_recorded.gps_m; break;
    case TRIPS_TRIP_COMPLETED:
        end(row, TRIPS_STATUS_COMPLETED, e->trip_completed.finished_at, e->trip_completed.day,
            e->trip_completed.driven_m, e->trip_completed.duration_s);
        break;
    case TRIPS_TRIP_ABORTED:
        end(row, TRIPS_STATUS_ABORTED, e->trip_aborted.finished_at, e->trip_aborted.day,
            e->trip_aborted.driven_m, e->trip_aborted.duration_s);
        break;
    case TRIPS_TRIP_CANCELLED: row->status = TRIPS_STATUS_CANCELLED; break;
    case TRIPS_TRIP_SETTLED:
        row->status = TRIPS_STATUS_SETTLED;
        row->has_fuel_ml = true;
        row->fuel_ml = e->trip_settled.fuel_ml;
        break;
    case TRIPS_DELIVERY_CONFIRMED:
    case TRIPS_DELIVERY_RELEASED:
    case TRIPS_ASSIGNMENT_WITHDRAWN:
    case TRIPS_REMAINING_REORDERED:
    case TRIPS_REVENUE_ADDED:
    case TRIPS_REVENUE_VOIDED:
    case TRIPS_COST_ADDED:
    case TRIPS_COST_APPROVED:
    case TRIPS_COST_REJECTED:
    case TRIPS_FUEL_COST_RECORDED:
    case TRIPS_UNMATCHED_FUEL_NOTED:
    case TRIPS_UNMATCHED_FUEL_CLEARED:
    case TRIPS_INCIDENT_COST_RECORDED:
    case TRIPS_BOXES_RECORDED:
    case TRIPS_DAY_SHARE_CHANGED:
    case TRIPS_SETTLEMENT_REQUESTED:
    case TRIPS_SETTLEMENT_POSTPONED:
    case TRIPS_TRIP_ADJUSTED: break;
    }
}

const bus_view trip_facts_projection = {
    .of = &trip_facts_view, .view_version = 1, .project = project};
