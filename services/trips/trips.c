/* trips.c - one run of a vehicle: planned, given vehicle and drivers, driven stop by stop,
 * and accounted for to the kopeck.
 * The one rule: a trip moves only along its lifecycle, and a settled one not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/assignment.h"
#include "contracts/deliveries.h"
#include "services/trips/trip.h"

static const char *const status_names[] = {
    [TRIPS_STATUS_DRAFT] = "DRAFT",           [TRIPS_STATUS_PLANNED] = "PLANNED",
    [TRIPS_STATUS_ASSIGNING] = "ASSIGNING",   [TRIPS_STATUS_ASSIGNED] = "ASSIGNED",
    [TRIPS_STATUS_DISPATCHED] = "DISPATCHED", [TRIPS_STATUS_LOADING] = "LOADING",
    [TRIPS_STATUS_IN_TRANSIT] = "IN_TRANSIT", [TRIPS_STATUS_COMPLETED] = "COMPLETED",
    [TRIPS_STATUS_SETTLED] = "SETTLED",       [TRIPS_STATUS_CANCELLED] = "CANCELLED",
    [TRIPS_STATUS_ABORTED] = "ABORTED",
};

#define IN(status) (1u << TRIPS_STATUS_##status)
/* Before loading, while P1 does not run. */
#define BEFORE_ROAD (IN(DRAFT) | IN(PLANNED) | IN(ASSIGNED) | IN(DISPATCHED))
#define ON_ROAD (IN(LOADING) | IN(IN_TRANSIT))
#define ENDED (IN(COMPLETED) | IN(ABORTED))
#define WITH_RESOURCES (IN(ASSIGNED) | IN(DISPATCHED) | ON_ROAD | ENDED)
#define ALWAYS (~0u)

/* The lifecycle: which command is allowed in which states. Where one leads is in the README's
 * diagram and in apply. SETTLING: also while the vehicle's day is being asked. */
static const struct rule {
    uint32_t allowed;
    bool     settling;
} rules[] = {
    [TRIPS_DRAFT] = {IN(DRAFT), false},
    [TRIPS_PLAN] = {IN(DRAFT) | IN(PLANNED), false},
    [TRIPS_ADD_DELIVERY] = {IN(PLANNED) | IN(ASSIGNED), false},
    [TRIPS_REMOVE_DELIVERY] = {IN(PLANNED) | IN(ASSIGNED) | IN(DISPATCHED), false},
    [TRIPS_DROP_DELIVERY] = {ALWAYS, true},
    [TRIPS_DELIVERY_ANSWERED] = {ALWAYS, true},
    [TRIPS_ASSIGN] = {IN(PLANNED), false},
    [TRIPS_CONFIRM_ASSIGNMENT] = {ALWAYS, true}, /* TRIP_NOT_RESERVED tells more */
    [TRIPS_FAIL_ASSIGNMENT] = {ALWAYS, true},
    [TRIPS_DISPATCH] = {IN(ASSIGNED), false},
    [TRIPS_ACCEPT] = {IN(DISPATCHED), false},
    [TRIPS_REFUSE] = {IN(DISPATCHED), false},
    [TRIPS_START_LOADING] = {IN(LOADING), false},
    [TRIPS_DEPART] = {IN(LOADING), false},
    [TRIPS_ARRIVE_STOP] = {IN(IN_TRANSIT), false},
    [TRIPS_COMPLETE_STOP] = {IN(IN_TRANSIT), false},
    [TRIPS_FAIL_STOP] = {IN(IN_TRANSIT), false},
    [TRIPS_SKIP_STOP] = {IN(IN_TRANSIT), false},
    [TRIPS_REORDER_REMAINING] = {IN(IN_TRANSIT), false},
    [TRIPS_FINISH] = {IN(IN_TRANSIT), false},
    [TRIPS_ABORT] = {ON_ROAD, false},
    [TRIPS_CANCEL] = {BEFORE_ROAD | IN(ASSIGNING), false},
    [TRIPS_ADD_REVENUE] = {BEFORE_ROAD | ON_ROAD | ENDED, false},
    [TRIPS_VOID_REVENUE] = {BEFORE_ROAD | ON_ROAD | ENDED, false},
    [TRIPS_ADD_COST] = {BEFORE_ROAD | ON_ROAD | ENDED, false},
    [TRIPS_APPROVE_COST] = {BEFORE_ROAD | ON_ROAD | ENDED, false},
    [TRIPS_REJECT_COST] = {BEFORE_ROAD | ON_ROAD | ENDED, false},
    [TRIPS_RECORD_FUEL_COST] = {WITH_RESOURCES | IN(SETTLED), true},
    [TRIPS_NOTE_UNMATCHED_FUEL] = {WITH_RESOURCES | IN(SETTLED), true},
    [TRIPS_CLEAR_UNMATCHED_FUEL] = {ALWAYS, true},
    [TRIPS_RECORD_INCIDENT_COST] = {WITH_RESOURCES | IN(SETTLED), true},
    [TRIPS_RECORD_BOXES] = {WITH_RESOURCES, true},
    [TRIPS_RECORD_GPS] = {WITH_RESOURCES, true},
    [TRIPS_TAKE_DAY_SHARE] = {ALWAYS, true},
    [TRIPS_SETTLE] = {ENDED, false},
    [TRIPS_DAY_FROZEN] = {ALWAYS, true},
    [TRIPS_SETTLEMENT_DUE] = {ALWAYS, true},
    [TRIPS_ADJUST_SETTLED] = {ALWAYS, false}, /* TRIP_NOT_SETTLED tells more */
};

const struct trips_settings *
trip_settings(const bus_meta *meta)
{
    BUS_INVARIANT(meta->settings != NULL);
    return meta->settings;
}

/* What came late from a device and fits no more is for the dispatcher to look at. */
bus_verdict
trip_stale(int64_t last_at, const bus_meta *meta, bus_decision *out)
{
    return bus_refuse_stale(out, last_at, (int32_t)trip_settings(meta)->utc_offset_min);
}

static bus_verdict
check_state(const struct trip *s, enum trips_trip_command_kind kind, const bus_meta *meta,
            bus_decision *out)
{
    const struct rule *rule = &rules[kind];

    if ((rule->allowed & (1u << s->status)) != 0 && (rule->settling || !s->settling))
        return BUS_ACCEPTED;
    if (s->settling)
        return bus_refuse(out, TRIP_SETTLING);
    if (s->status == TRIPS_STATUS_SETTLED)
        return bus_refuse(out, TRIP_SETTLED);
    if (meta->device_at_ms != 0 && meta->device_at_ms < s->last_business_at)
        return trip_stale(s->last_business_at, meta, out);
    return trip_wrong_state_refuse(
        out, &(struct trip_wrong_state_params){.status = bus_str_of(status_names[s->status])});
}

/* --- small decisions --------------------------------------------------------------------- */

/* A driver must not be sent off with goods that another trip carries. */
static bus_verdict
decide_dispatch(const struct trip *s, const bus_meta *meta, bus_decision *out)
{
    int64_t awaited = 0;

    for (int32_t i = 0; i < s->deliveries_count; i++)
        if (s->deliveries[i].confirmed_at_version == 0)
            awaited++;
    if (awaited > 0)
        return trip_deliveries_awaited_refuse(
            out, &(struct trip_deliveries_awaited_params){.count = awaited});
    (void)trips_emit_trip_dispatched(
        out, &(struct trips_trip_dispatched){.reservation_id = s->assignment_id,
                                             .vehicle_id = s->vehicle_id,
                                             .driver_id = s->driver_id,
                                             .has_co_driver_id = !bus_id_is_nil(s->co_driver_id),
                                             .co_driver_id = s->co_driver_id,
                                             .planned_from_at = s->planned_from_at});
    return trip_emit_profit(s, TRIPS_STAGE_ESTIMATED, meta, out);
}

static bus_verdict
decide_refuse(const struct trip *s, const struct trips_refuse *cmd, bus_decision *out)
{
    return trips_emit_driver_refused(
        out, &(struct trips_driver_refused){.reservation_id = s->assignment_id,
                                            .vehicle_id = s->vehicle_id,
                                            .driver_id = s->driver_id,
                                            .has_co_driver_id = !bus_id_is_nil(s->co_driver_id),
                                            .co_driver_id = s->co_driver_id,
                                            .reason = cmd->reason});
}

static bus_verdict
decide_start_loading(const struct trip *s, bus_decision *out)
{
    bus_id ids[TRIP_DELIVERIES_MAX];

    if (s->loading_started)
        return bus_refuse(out, TRIP_LOADING_STARTED);
    return trips_emit_loading_started(
        out, &(struct trips_loading_started){
                 .reservation_id = s->assignment_id,
                 .vehicle_id = s->vehicle_id,
                 .driver_id = s->driver_id,
                 .has_co_driver_id = !bus_id_is_nil(s->co_driver_id),
                 .co_driver_id = s->co_driver_id,
                 .delivery_ids = {ids, trip_delivery_ids(s, 0, ids), TRIP_DELIVERIES_MAX}});
}

/* --- may it happen? ---------------------------------------------------------------------- */

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct trip               *s = state;
    const struct trips_trip_command *c = command;

    if (check_state(s, c->kind, meta, out) == BUS_REFUSED)
        return BUS_REFUSED;
    switch (c->kind) {
    case TRIPS_DRAFT:
        return trips_emit_trip_drafted(
            out,
            &(struct trips_trip_drafted){.has_name = c->draft.has_name, .name = c->draft.name});
    case TRIPS_PLAN: return trip_plan(s, &c->plan, out);
    case TRIPS_ADD_DELIVERY: return trip_add_delivery(s, &c->add_delivery, meta, out);
    case TRIPS_REMOVE_DELIVERY: return trip_remove_delivery(s, &c->remove_delivery, meta, out);
    case TRIPS_DELIVERY_ANSWERED:
        return trip_delivery_answered(s, &c->delivery_answered, meta, out);
    case TRIPS_DROP_DELIVERY: return trip_drop_delivery(s, &c->drop_delivery, out);
    case TRIPS_ASSIGN: return trip_assign(s, &c->assign, meta, out);
    case TRIPS_CONFIRM_ASSIGNMENT: return trip_confirm(s, &c->confirm_assignment, meta, out);
    case TRIPS_FAIL_ASSIGNMENT: return trip_fail_assignment(s, &c->fail_assignment, out);
    case TRIPS_DISPATCH: return decide_dispatch(s, meta, out);
    case TRIPS_ACCEPT:
        return trips_emit_trip_accepted(out,
                                        &(struct trips_trip_accepted){.driver_id = s->driver_id});
    case TRIPS_REFUSE: return decide_refuse(s, &c->refuse, out);
    case TRIPS_START_LOADING: return decide_start_loading(s, out);
    case TRIPS_DEPART: return trip_depart(s, &c->depart, meta, out);
    case TRIPS_ARRIVE_STOP: return trip_arrive_stop(s, &c->arrive_stop, meta, out);
    case TRIPS_COMPLETE_STOP: return trip_complete_stop(s, &c->complete_stop, meta, out);
    case TRIPS_FAIL_STOP: return trip_fail_stop(s, &c->fail_stop, meta, out);
    case TRIPS_SKIP_STOP: return trip_skip_stop(s, &c->skip_stop, meta, out);
    case TRIPS_REORDER_REMAINING: return trip_reorder(s, &c->reorder_remaining, out);
    case TRIPS_FINISH: return trip_finish(s, &c->finish, meta, out);
    case TRIPS_ABORT: return trip_abort(s, &c->abort, meta, out);
    case TRIPS_CANCEL: return trip_cancel(s, &c->cancel, out);
    case TRIPS_ADD_REVENUE: return trip_add_revenue(s, &c->add_revenue, meta, out);
    case TRIPS_VOID_REVENUE: return trip_void_revenue(s, &c->void_revenue, meta, out);
    case TRIPS_ADD_COST: return trip_add_cost(s, &c->add_cost, out);
    case TRIPS_APPROVE_COST: return trip_approve_cost(s, &c->approve_cost, meta, out);
    case TRIPS_REJECT_COST: return trip_reject_cost(s, &c->reject_cost, out);
    case TRIPS_RECORD_FUEL_COST: return trip_record_fuel_cost(s, &c->record_fuel_cost, meta, out);
    case TRIPS_NOTE_UNMATCHED_FUEL:
        return trip_note_unmatched_fuel(s, &c->note_unmatched_fuel, out);
    case TRIPS_CLEAR_UNMATCHED_FUEL:
        return trip_clear_unmatched_fuel(s, &c->clear_unmatched_fuel, out);
    case TRIPS_RECORD_INCIDENT_COST:
        return trip_record_incident_cost(s, &c->record_incident_cost, meta, out);
    case TRIPS_RECORD_BOXES:
        return trips_emit_boxes_recorded(
            out, &(struct trips_boxes_recorded){.sorted = c->record_boxes.sorted,
                                                .loaded = c->record_boxes.loaded});
    case TRIPS_RECORD_GPS:
        return trips_emit_gps_recorded(out,
                                       &(struct trips_gps_recorded){.gps_m = c->record_gps.gps_m});
    case TRIPS_TAKE_DAY_SHARE: return trip_take_day_share(s, &c->take_day_share, meta, out);
    case TRIPS_SETTLE: return trip_settle(s, meta, out);
    case TRIPS_DAY_FROZEN: return trip_day_frozen(s, &c->day_frozen, meta, out);
    case TRIPS_SETTLEMENT_DUE: return trip_settlement_due(s, meta, out);
    case TRIPS_ADJUST_SETTLED: return trip_adjust(s, &c->adjust_settled, out);
    }
    BUS_UNREACHABLE();
}

/* --- it happened ------------------------------------------------------------------------- */

static void
happened_at(struct trip *s, int64_t at)
{
    if (at > s->last_business_at)
        s->last_business_at = at;
}

/* The trip has no vehicle and no driver any more. */
static void
forget_resources(struct trip *s)
{
    s->status = TRIPS_STATUS_PLANNED;
    s->assignment_id = s->vehicle_id = s->driver_id = s->co_driver_id = BUS_ID_NIL;
    s->payload_g = s->cargo_ml = s->wear_kop_km = s->fixed_kop_day = s->norm_ml_100km = 0;
    s->pay = s->co_pay = (struct trips_pay){0};
}

static void
apply_ended(struct trip *s, enum trips_status status, int64_t driven_m, int64_t finished_at)
{
    s->status = status;
    s->driven_m = driven_m;
    s->finished_at = finished_at;
    happened_at(s, finished_at);
}

static void
apply_settled(struct trip *s, const struct trips_trip_settled *e)
{
    s->status = TRIPS_STATUS_SETTLED;
    s->settling = false;
    s->has_fuel = s->has_day_share = true;
    s->fuel_kop = e->profit.cost_fuel_kop;
    s->fuel_ml = e->fuel_ml;
    s->day_share_kop = e->profit.cost_day_share_kop;
    s->revenue_kop = e->profit.revenue_kop;
    s->cost_kop = e->profit.cost_kop;
}

static void
set_stop(struct trip *s, int64_t seq, enum trips_stop_status status, int64_t at)
{
    BUS_INVARIANT(seq >= 1 && seq <= s->stops_count);
    s->stops[seq - 1].status = (uint8_t)status;
    happened_at(s, at);
}

void
trip_apply(void *state, const void *event)
{
    struct trip                   *s = state;
    const struct trips_trip_event *e = event;
    int                            found;

    switch (e->kind) {
    case TRIPS_TRIP_DRAFTED: s->status = TRIPS_STATUS_DRAFT; break;
    case TRIPS_TRIP_PLANNED:
        s->status = TRIPS_STATUS_PLANNED;
        trip_apply_planned(s, &e->trip_planned);
        break;
    case TRIPS_DELIVERY_ADDED: trip_apply_delivery_added(s, &e->delivery_added); break;
    case TRIPS_DELIVERY_CONFIRMED:
        found = trip_find_delivery(s, e->delivery_confirmed.delivery_id);
        BUS_INVARIANT(found >= 0);
        s->deliveries[found].confirmed_at_version = (int32_t)e->delivery_confirmed.version;
        break;
    case TRIPS_DELIVERY_REJECTED:
        trip_apply_delivery_gone(s, e->delivery_rejected.delivery_id);
        break;
    case TRIPS_DELIVERY_REMOVED:
        trip_apply_delivery_gone(s, e->delivery_removed.delivery_id);
        break;
    case TRIPS_DELIVERY_RELEASED: break;
    case TRIPS_ASSIGNMENT_REQUESTED:
        s->status = TRIPS_STATUS_ASSIGNING;
        s->assignment_id = e->assignment_requested.assignment_id;
        s->attempt = (int32_t)e->assignment_requested.attempt;
        break;
    case TRIPS_ASSIGNMENT_FAILED: forget_resources(s); break;
    case TRIPS_ASSIGNMENT_WITHDRAWN: break;
    case TRIPS_RESOURCES_ASSIGNED: trip_apply_assigned(s, &e->resources_assigned); break;
    case TRIPS_PROFIT_COMPUTED: break;
    case TRIPS_TRIP_DISPATCHED: s->status = TRIPS_STATUS_DISPATCHED; break;
    case TRIPS_TRIP_ACCEPTED: s->status = TRIPS_STATUS_LOADING; break;
    case TRIPS_DRIVER_REFUSED: forget_resources(s); break;
    case TRIPS_LOADING_STARTED: s->loading_started = true; break;
    case TRIPS_TRIP_DEPARTED:
        s->status = TRIPS_STATUS_IN_TRANSIT;
        s->odometer_start_m = e->trip_departed.odometer_m;
        s->departed_at = e->trip_departed.departed_at;
        s->day = e->trip_departed.day;
        happened_at(s, s->departed_at);
        break;
    case TRIPS_STOP_ARRIVED:
        set_stop(s, e->stop_arrived.seq, TRIPS_STOP_STATUS_ARRIVED, e->stop_arrived.arrived_at);
        s->stops_arrived++;
        s->stops_on_time += e->stop_arrived.late_s <= 0 ? 1 : 0;
        break;
    case TRIPS_STOP_COMPLETED:
        trip_apply_stop_completed(s, &e->stop_completed);
        happened_at(s, e->stop_completed.completed_at);
        break;
    case TRIPS_STOP_FAILED:
        set_stop(s, e->stop_failed.seq, TRIPS_STOP_STATUS_FAILED, e->stop_failed.failed_at);
        s->stops_damaged += e->stop_failed.reason == TRIPS_STOP_REASON_DAMAGED ? 1 : 0;
        break;
    case TRIPS_STOP_SKIPPED:
        set_stop(s, e->stop_skipped.seq, TRIPS_STOP_STATUS_SKIPPED, e->stop_skipped.skipped_at);
        break;
    case TRIPS_REMAINING_REORDERED: trip_apply_reordered(s, &e->remaining_reordered); break;
    case TRIPS_TRIP_COMPLETED:
        apply_ended(s, TRIPS_STATUS_COMPLETED, e->trip_completed.driven_m,
                    e->trip_completed.finished_at);
        break;
    case TRIPS_TRIP_ABORTED:
        apply_ended(s, TRIPS_STATUS_ABORTED, e->trip_aborted.driven_m, e->trip_aborted.finished_at);
        s->day = e->trip_aborted.day;
        break;
    case TRIPS_TRIP_CANCELLED: s->status = TRIPS_STATUS_CANCELLED; break;
    case TRIPS_REVENUE_ADDED: trip_apply_revenue_added(s, &e->revenue_added); break;
    case TRIPS_REVENUE_VOIDED: s->revenue[e->revenue_voided.line_no - 1].voided = true; break;
    case TRIPS_COST_ADDED:
        BUS_INVARIANT(s->expenses_count < TRIP_LINES_MAX);
        s->expenses[s->expenses_count].status = EXPENSE_PENDING;
        s->expenses[s->expenses_count++].amount_kop = e->cost_added.amount_kop;
        break;
    case TRIPS_COST_APPROVED:
        s->expenses[e->cost_approved.cost_no - 1].status = EXPENSE_APPROVED;
        break;
    case TRIPS_COST_REJECTED:
        s->expenses[e->cost_rejected.cost_no - 1].status = EXPENSE_REJECTED;
        break;
    case TRIPS_FUEL_COST_RECORDED:
        s->has_fuel = true;
        s->fuel_kop = e->fuel_cost_recorded.cost_kop;
        s->fuel_ml = e->fuel_cost_recorded.consumed_ml;
        break;
    case TRIPS_UNMATCHED_FUEL_NOTED: trip_apply_unmatched_noted(s, &e->unmatched_fuel_noted); break;
    case TRIPS_UNMATCHED_FUEL_CLEARED:
        trip_apply_unmatched_cleared(s, &e->unmatched_fuel_cleared);
        break;
    case TRIPS_INCIDENT_COST_RECORDED:
        trip_apply_incident_cost(s, &e->incident_cost_recorded);
        break;
    case TRIPS_BOXES_RECORDED:
        s->boxes_sorted = e->boxes_recorded.sorted;
        s->boxes_loaded = e->boxes_recorded.loaded;
        break;
    case TRIPS_GPS_RECORDED: s->gps_m = e->gps_recorded.gps_m; break;
    case TRIPS_DAY_SHARE_CHANGED:
        s->has_day_share = true;
        s->day_share_kop = e->day_share_changed.share_kop;
        break;
    case TRIPS_SETTLEMENT_REQUESTED: s->settling = true; break;
    case TRIPS_SETTLEMENT_POSTPONED:
        s->settle_attempts = (int32_t)e->settlement_postponed.attempt;
        break;
    case TRIPS_TRIP_SETTLED: apply_settled(s, &e->trip_settled); break;
    case TRIPS_TRIP_ADJUSTED:
        s->adjustments = (int32_t)e->trip_adjusted.adjustment_no;
        s->revenue_kop = e->trip_adjusted.revenue_kop;
        s->cost_kop = e->trip_adjusted.cost_kop;
        break;
    }
}

/* A driver's own are the trips that were handed to him. */
static bool
owned_by(const void *state, bus_id driver_id)
{
    const struct trip *s = state;

    if (s->status < TRIPS_STATUS_DISPATCHED || s->status == TRIPS_STATUS_CANCELLED)
        return false;
    return !bus_id_is_nil(driver_id) &&
           (bus_id_equal(s->driver_id, driver_id) || bus_id_equal(s->co_driver_id, driver_id));
}

/* --- what others tell -------------------------------------------------------------------- */

/* P1 gave up. By reaction, not by P1's own send: that would wait in line behind an ask to a
 * domain that is down, and the trip would stay in ASSIGNING for as long. */
static void
on_assignment_failed(const bus_event *event, bus_reaction_out *out)
{
    const struct assignment_failed *e = event->data;

    trips_react_fail_assignment(out, e->trip_id,
                                &(struct trips_fail_assignment){.assignment_id = event->stream,
                                                                .code = e->code,
                                                                .detail = e->detail});
}

static void
on_delivery_unplanned(const bus_event *event, bus_reaction_out *out)
{
    const struct deliveries_unplanned *e = event->data;

    trips_react_drop_delivery(
        out, e->trip_id,
        &(struct trips_drop_delivery){.delivery_id = event->stream, .version = event->version});
}

static const bus_aggregate aggregates[] = {
    {.of = &trips_trip,
     .snapshot_version = 3,
     .state_size = sizeof(struct trip),
     .decide = decide,
     .apply = trip_apply,
     .owned_by = owned_by},
    {.of = &trips_vehicle_day,
     .snapshot_version = 1,
     .state_size = sizeof(struct vehicle_day),
     .decide = vehicle_day_decide,
     .apply = vehicle_day_apply},
};

static const bus_reaction reactions[] = {
    {.on = &assignment_failed_event, .react = on_assignment_failed},
    {.on = &deliveries_unplanned_event, .react = on_delivery_unplanned},
};

const bus_module trips_module = {.contract = &trips_contract,
                                 .aggregates = aggregates,
                                 .aggregates_count = BUS_COUNT(aggregates),
                                 .reactions = reactions,
                                 .reactions_count = BUS_COUNT(reactions),
                                 .what_ifs = trip_what_ifs,
                                 .what_ifs_count = TRIP_WHAT_IFS};
