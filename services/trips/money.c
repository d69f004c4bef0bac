/* money.c - the lines of a trip's profit, settling, and what may change afterwards.
 * The one rule: a settled figure changes by adjustments alone, each with its reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/trip.h"

#include <string.h>

#define TRIP_RETRY_S INT64_C(86400)

bool
trip_has_ended(const struct trip *s)
{
    return s->status == TRIPS_STATUS_COMPLETED || s->status == TRIPS_STATUS_ABORTED;
}

bus_verdict
trip_emit_profit(const struct trip *s, enum trips_stage stage, const bus_meta *meta,
                 bus_decision *out)
{
    struct trip_measure          m;
    struct trip_parts            parts;
    struct trips_profit_computed e = {.stage = stage};

    trip_measure(s, stage, trip_settings(meta), &m);
    trip_profit(s, &m, &e.profit, &parts);
    e.distance_m = m.distance_m;
    e.duration_s = m.duration_s;
    e.points = m.points;
    e.fuel_ml = m.fuel_ml;
    e.fuel_litre_kop = m.fuel_litre_kop;
    return trips_emit_profit_computed(out, &e);
}

bus_verdict
trip_emit_profit_after(const struct trip *s, const struct trips_trip_event *event,
                       enum trips_stage stage, const bus_meta *meta, bus_decision *out)
{
    struct trip after = *s;

    trip_apply(&after, event);
    return trip_emit_profit(&after, stage, meta, out);
}

/* After the end every change of a figure is seen in PROVISIONAL at once. */
static bus_verdict
emit_provisional_after(const struct trip *s, const struct trips_trip_event *event,
                       const bus_meta *meta, bus_decision *out)
{
    if (!trip_has_ended(s))
        return BUS_ACCEPTED;
    return trip_emit_profit_after(s, event, TRIPS_STAGE_PROVISIONAL, meta, out);
}

static bus_verdict
refuse_lines_full(int64_t max, bus_decision *out)
{
    return trip_lines_full_refuse(out, &(struct trip_lines_full_params){.max = max});
}

/* --- revenue --------------------------------------------------------------------------------- */

static bool
can_be_measured(enum trips_revenue_kind kind)
{
    return kind == TRIPS_REVENUE_KIND_PER_KM || kind == TRIPS_REVENUE_KIND_PER_POINT;
}

/* What a line with a quantity of its own is worth; qty and rate are bounded by the contract. */
static int64_t
amount_of(enum trips_revenue_kind kind, int64_t qty, int64_t rate_kop, int64_t free_s)
{
    switch (kind) {
    case TRIPS_REVENUE_KIND_FIXED:
    case TRIPS_REVENUE_KIND_PER_BOX:
    case TRIPS_REVENUE_KIND_PER_POINT: return qty * rate_kop;
    case TRIPS_REVENUE_KIND_PER_KM: return trip_mul_div(qty, rate_kop, 1000);
    case TRIPS_REVENUE_KIND_WAITING: /* started minutes */
        return qty > free_s ? (qty - free_s + 59) / 60 * rate_kop : 0;
    case TRIPS_REVENUE_KIND_PENALTY: return -(qty * rate_kop);
    }
    BUS_UNREACHABLE();
}

bus_verdict
trip_add_revenue(const struct trip *s, const struct trips_add_revenue *cmd, const bus_meta *meta,
                 bus_decision *out)
{
    bool    waiting = cmd->kind == TRIPS_REVENUE_KIND_WAITING;
    int64_t free_s = cmd->has_free_s ? cmd->free_s : trip_settings(meta)->waiting_free_s;
    int64_t amount_kop = cmd->has_qty ? amount_of(cmd->kind, cmd->qty, cmd->rate_kop, free_s) : 0;
    struct trips_trip_event event = {.kind = TRIPS_REVENUE_ADDED};

    if (!cmd->has_qty && !can_be_measured(cmd->kind))
        return bus_refuse(out, TRIP_QTY_MISSING);
    if (!cmd->has_qty && cmd->kind == TRIPS_REVENUE_KIND_PER_KM &&
        cmd->rate_kop > TRIP_RATE_MAX_KOP_KM)
        return trip_amount_too_large_refuse(
            out, &(struct trip_amount_too_large_params){.max_kop = TRIP_RATE_MAX_KOP_KM});
    if (amount_kop > TRIP_AMOUNT_MAX_KOP || amount_kop < -TRIP_AMOUNT_MAX_KOP)
        return trip_amount_too_large_refuse(
            out, &(struct trip_amount_too_large_params){.max_kop = TRIP_AMOUNT_MAX_KOP});
    if (s->revenue_count == TRIP_LINES_MAX)
        return refuse_lines_full(TRIP_LINES_MAX, out);
    if (!trip_has_room_for_customer(s, cmd->has_customer_id ? cmd->customer_id : BUS_ID_NIL))
        return trip_customers_full_refuse(
            out, &(struct trip_customers_full_params){.max = TRIP_CUSTOMERS_MAX});
    event.revenue_added = (struct trips_revenue_added){
        .line_no = s->revenue_count + 1,
        .kind = cmd->kind,
        .has_qty = cmd->has_qty,
        .qty = cmd->qty,
        .rate_kop = cmd->rate_kop,
        .has_free_s = waiting,
        .free_s = free_s,
        .has_amount_kop = cmd->has_qty,
        .amount_kop = amount_kop,
        .has_customer_id = cmd->has_customer_id,
        .customer_id = cmd->customer_id,
        .has_reference = cmd->has_reference,
        .reference = cmd->reference,
    };
    (void)trips_emit_revenue_added(out, &event.revenue_added);
    return emit_provisional_after(s, &event, meta, out);
}

void
trip_apply_revenue_added(struct trip *s, const struct trips_revenue_added *e)
{
    BUS_INVARIANT(s->revenue_count < TRIP_LINES_MAX);
    s->revenue[s->revenue_count++] = (struct trip_revenue){
        .rate_kop = e->rate_kop,
        .amount_kop = e->has_amount_kop ? e->amount_kop : 0,
        .kind = (uint8_t)e->kind,
        .customer =
            (uint8_t)trip_intern_customer(s, e->has_customer_id ? e->customer_id : BUS_ID_NIL),
        .measured = !e->has_amount_kop,
    };
}

bus_verdict
trip_void_revenue(const struct trip *s, const struct trips_void_revenue *cmd, const bus_meta *meta,
                  bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_REVENUE_VOIDED};

    if (cmd->line_no > s->revenue_count || s->revenue[cmd->line_no - 1].voided)
        return trip_line_unknown_refuse(
            out, &(struct trip_line_unknown_params){.line_no = cmd->line_no});
    event.revenue_voided =
        (struct trips_revenue_voided){.line_no = cmd->line_no, .reason = cmd->reason};
    (void)trips_emit_revenue_voided(out, &event.revenue_voided);
    return emit_provisional_after(s, &event, meta, out);
}

/* --- expenses ------------------------------------------------------------------------------------
 */

bus_verdict
trip_add_cost(const struct trip *s, const struct trips_add_cost *cmd, bus_decision *out)
{
    if (s->expenses_count == TRIP_LINES_MAX)
        return refuse_lines_full(TRIP_LINES_MAX, out);
    return trips_emit_cost_added(out, &(struct trips_cost_added){.cost_no = s->expenses_count + 1,
                                                                 .kind = cmd->kind,
                                                                 .amount_kop = cmd->amount_kop,
                                                                 .has_receipt = cmd->has_receipt,
                                                                 .receipt = cmd->receipt});
}

static bus_verdict
check_undecided(const struct trip *s, int64_t cost_no, bus_decision *out)
{
    if (cost_no > s->expenses_count)
        return trip_cost_unknown_refuse(out,
                                        &(struct trip_cost_unknown_params){.cost_no = cost_no});
    if (s->expenses[cost_no - 1].status != EXPENSE_PENDING)
        return trip_cost_decided_refuse(out,
                                        &(struct trip_cost_decided_params){.cost_no = cost_no});
    return BUS_ACCEPTED;
}

bus_verdict
trip_approve_cost(const struct trip *s, const struct trips_approve_cost *cmd, const bus_meta *meta,
                  bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_COST_APPROVED};

    if (check_undecided(s, cmd->cost_no, out) == BUS_REFUSED)
        return BUS_REFUSED;
    event.cost_approved = (struct trips_cost_approved){
        .cost_no = cmd->cost_no, .amount_kop = s->expenses[cmd->cost_no - 1].amount_kop};
    (void)trips_emit_cost_approved(out, &event.cost_approved);
    return emit_provisional_after(s, &event, meta, out);
}

bus_verdict
trip_reject_cost(const struct trip *s, const struct trips_reject_cost *cmd, bus_decision *out)
{
    if (check_undecided(s, cmd->cost_no, out) == BUS_REFUSED)
        return BUS_REFUSED;
    return trips_emit_cost_rejected(
        out, &(struct trips_cost_rejected){.cost_no = cmd->cost_no, .reason = cmd->reason});
}

/* --- adjusting
 * -------------------------------------------------------------------------------------- */

/* The part of a profit that a line names. */
static int64_t *
part_of(struct trips_profit *p, enum trips_profit_line line)
{
    switch (line) {
    case TRIPS_PROFIT_LINE_REVENUE_FIXED: return &p->revenue_fixed_kop;
    case TRIPS_PROFIT_LINE_REVENUE_PER_BOX: return &p->revenue_per_box_kop;
    case TRIPS_PROFIT_LINE_REVENUE_PER_KM: return &p->revenue_per_km_kop;
    case TRIPS_PROFIT_LINE_REVENUE_PER_POINT: return &p->revenue_per_point_kop;
    case TRIPS_PROFIT_LINE_REVENUE_WAITING: return &p->revenue_waiting_kop;
    case TRIPS_PROFIT_LINE_REVENUE_PENALTY: return &p->revenue_penalty_kop;
    case TRIPS_PROFIT_LINE_COST_FUEL: return &p->cost_fuel_kop;
    case TRIPS_PROFIT_LINE_COST_DRIVER_PAY: return &p->cost_driver_pay_kop;
    case TRIPS_PROFIT_LINE_COST_EXPENSES: return &p->cost_expenses_kop;
    case TRIPS_PROFIT_LINE_COST_WEAR: return &p->cost_wear_kop;
    case TRIPS_PROFIT_LINE_COST_DAY_SHARE: return &p->cost_day_share_kop;
    case TRIPS_PROFIT_LINE_COST_INCIDENTS: return &p->cost_incidents_kop;
    }
    BUS_UNREACHABLE();
}

/* Customers whose part is not nothing. */
static uint32_t
shares_of(const struct trip_parts *parts, struct trips_customer_share *shares)
{
    uint32_t count = 0;

    for (int32_t i = 0; i < parts->count; i++)
        if (parts->revenue_kop[i] != 0 || parts->cost_kop[i] != 0)
            shares[count++] = (struct trips_customer_share){
                .has_customer_id = !bus_id_is_nil(parts->customers[i]),
                .customer_id = parts->customers[i],
                .revenue_kop = parts->revenue_kop[i],
                .cost_kop = parts->cost_kop[i],
            };
    return count;
}

/* The whole change to one customer, or to all by the weights that settling used. */
static void
divide_change(struct trip_parts *parts, int customer, int64_t amount_kop, bool revenue)
{
    int64_t *to = revenue ? parts->revenue_kop : parts->cost_kop;

    memset(parts->revenue_kop, 0, sizeof(parts->revenue_kop));
    memset(parts->cost_kop, 0, sizeof(parts->cost_kop));
    if (customer >= 0)
        to[customer] = amount_kop;
    else
        trip_split(amount_kop, parts->weights, parts->count, to);
}

struct change {
    enum trips_profit_line line;
    int64_t                amount_kop;
    int                    customer; /* index, or -1: all */
    bus_str                reason, reference;
};

static bus_verdict
emit_adjusted(const struct trip *s, const struct change *change, bus_decision *out)
{
    const struct trips_settings prices = {.work_day_s = 1}; /* weights need revenue alone */
    bool                        revenue = change->line <= TRIPS_PROFIT_LINE_REVENUE_PENALTY;
    struct trip_measure         m;
    struct trips_profit         settled;
    struct trip_parts           parts;
    struct trips_customer_share shares[TRIP_PARTS_MAX];
    struct trips_trip_adjusted  e = {.adjustment_no = s->adjustments + 1};

    if (s->adjustments == TRIP_ADJUSTMENTS_MAX)
        return refuse_lines_full(TRIP_ADJUSTMENTS_MAX, out);
    trip_measure(s, TRIPS_STAGE_FINAL, &prices, &m);
    trip_profit(s, &m, &settled, &parts);
    divide_change(&parts, change->customer, change->amount_kop, revenue);
    *part_of(&e.delta, change->line) = change->amount_kop;
    e.delta.revenue_kop = revenue ? change->amount_kop : 0;
    e.delta.cost_kop = revenue ? 0 : change->amount_kop;
    e.delta.profit_kop = e.delta.revenue_kop - e.delta.cost_kop;
    e.line = change->line;
    e.amount_kop = change->amount_kop;
    e.reason = change->reason;
    e.reference = change->reference;
    e.has_vehicle_id = e.has_driver_id = true;
    e.vehicle_id = s->vehicle_id;
    e.driver_id = s->driver_id;
    e.has_route_id = s->has_route;
    e.route_id = s->route_id;
    e.day = s->day;
    e.customers =
        (struct trips_trip_adjusted_customers){shares, shares_of(&parts, shares), TRIP_PARTS_MAX};
    e.revenue_kop = s->revenue_kop + e.delta.revenue_kop;
    e.cost_kop = s->cost_kop + e.delta.cost_kop;
    e.profit_kop = e.revenue_kop - e.cost_kop;
    e.has_margin_bp = trip_margin_bp(e.profit_kop, e.revenue_kop, &e.margin_bp);
    return trips_emit_trip_adjusted(out, &e);
}

bus_verdict
trip_adjust(const struct trip *s, const struct trips_adjust_settled *cmd, bus_decision *out)
{
    int customer = cmd->has_customer_id ? trip_find_customer(s, cmd->customer_id) : -1;

    if (s->status != TRIPS_STATUS_SETTLED)
        return bus_refuse(out, TRIP_NOT_SETTLED);
    if (cmd->has_customer_id && customer < 0)
        return bus_refuse(out, TRIP_CUSTOMER_UNKNOWN);
    return emit_adjusted(s,
                         &(struct change){.line = cmd->line,
                                          .amount_kop = cmd->amount_kop,
                                          .customer = customer,
                                          .reason = cmd->reason,
                                          .reference = cmd->reference},
                         out);
}

/* --- what other domains feed
 * ---------------------------------------------------------------------------- */

/* A later value than the settled one is an adjustment by the difference. */
bus_verdict
trip_record_fuel_cost(const struct trip *s, const struct trips_record_fuel_cost *cmd,
                      const bus_meta *meta, bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_FUEL_COST_RECORDED};
    int64_t                 change_kop = cmd->cost_kop - s->fuel_kop;

    event.fuel_cost_recorded = (struct trips_fuel_cost_recorded){
        .consumed_ml = cmd->consumed_ml,
        .cost_kop = cmd->cost_kop,
        .basis = cmd->basis,
        .has_reference = cmd->has_reference,
        .reference = cmd->reference,
    };
    (void)trips_emit_fuel_cost_recorded(out, &event.fuel_cost_recorded);
    if (s->status != TRIPS_STATUS_SETTLED)
        return emit_provisional_after(s, &event, meta, out);
    if (change_kop == 0)
        return BUS_ACCEPTED;
    return emit_adjusted(
        s,
        &(struct change){.line = TRIPS_PROFIT_LINE_COST_FUEL,
                         .amount_kop = change_kop,
                         .customer = -1,
                         .reason = BUS_STR("Fuel cost came after settling."),
                         .reference = cmd->has_reference ? cmd->reference : BUS_STR("fuel")},
        out);
}

static int
find_unmatched(const struct trip *s, bus_id id)
{
    for (int32_t i = 0; i < s->unmatched_count; i++)
        if (bus_id_equal(s->unmatched[i].id, id))
            return i;
    return -1;
}

bus_verdict
trip_note_unmatched_fuel(const struct trip *s, const struct trips_note_unmatched_fuel *cmd,
                         bus_decision *out)
{
    if (find_unmatched(s, cmd->transaction_id) >= 0)
        return bus_accept(out);
    if (s->unmatched_count == TRIP_UNMATCHED_MAX)
        return refuse_lines_full(TRIP_UNMATCHED_MAX, out);
    return trips_emit_unmatched_fuel_noted(
        out,
        &(struct trips_unmatched_fuel_noted){.transaction_id = cmd->transaction_id, .at = cmd->at});
}

void
trip_apply_unmatched_noted(struct trip *s, const struct trips_unmatched_fuel_noted *e)
{
    BUS_INVARIANT(s->unmatched_count < TRIP_UNMATCHED_MAX);
    s->unmatched[s->unmatched_count].id = e->transaction_id;
    s->unmatched[s->unmatched_count++].at = e->at;
}

bus_verdict
trip_clear_unmatched_fuel(const struct trip *s, const struct trips_clear_unmatched_fuel *cmd,
                          bus_decision *out)
{
    if (find_unmatched(s, cmd->transaction_id) < 0)
        return bus_accept(out);
    return trips_emit_unmatched_fuel_cleared(
        out, &(struct trips_unmatched_fuel_cleared){.transaction_id = cmd->transaction_id});
}

void
trip_apply_unmatched_cleared(struct trip *s, const struct trips_unmatched_fuel_cleared *e)
{
    int found = find_unmatched(s, e->transaction_id);

    BUS_INVARIANT(found >= 0);
    s->unmatched[found] = s->unmatched[--s->unmatched_count];
}

static int
find_incident(const struct trip *s, bus_id id)
{
    for (int32_t i = 0; i < s->incidents_count; i++)
        if (bus_id_equal(s->incidents[i].id, id))
            return i;
    return -1;
}

bus_verdict
trip_record_incident_cost(const struct trip *s, const struct trips_record_incident_cost *cmd,
                          const bus_meta *meta, bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_INCIDENT_COST_RECORDED};
    int                     found = find_incident(s, cmd->incident_id);
    int64_t change_kop = cmd->amount_kop - (found >= 0 ? s->incidents[found].amount_kop : 0);

    if (change_kop == 0)
        return bus_accept(out);
    if (found < 0 && s->incidents_count == TRIP_INCIDENTS_MAX)
        return refuse_lines_full(TRIP_INCIDENTS_MAX, out);
    event.incident_cost_recorded = (struct trips_incident_cost_recorded){
        .incident_id = cmd->incident_id, .amount_kop = cmd->amount_kop};
    (void)trips_emit_incident_cost_recorded(out, &event.incident_cost_recorded);
    if (s->status != TRIPS_STATUS_SETTLED)
        return emit_provisional_after(s, &event, meta, out);
    return emit_adjusted(s,
                         &(struct change){.line = TRIPS_PROFIT_LINE_COST_INCIDENTS,
                                          .amount_kop = change_kop,
                                          .customer = -1,
                                          .reason = BUS_STR("Incident cost came after settling."),
                                          .reference = BUS_STR("incident")},
                         out);
}

void
trip_apply_incident_cost(struct trip *s, const struct trips_incident_cost_recorded *e)
{
    int found = find_incident(s, e->incident_id);

    if (found < 0) {
        BUS_INVARIANT(s->incidents_count < TRIP_INCIDENTS_MAX);
        found = s->incidents_count++;
        s->incidents[found].id = e->incident_id;
    }
    s->incidents[found].amount_kop = e->amount_kop;
}

/* A share that comes while or after the day froze ours is an old one. */
bus_verdict
trip_take_day_share(const struct trip *s, const struct trips_take_day_share *cmd,
                    const bus_meta *meta, bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_DAY_SHARE_CHANGED};

    if (!trip_has_ended(s) || s->settling ||
        (s->has_day_share && s->day_share_kop == cmd->share_kop))
        return bus_accept(out);
    event.day_share_changed = (struct trips_day_share_changed){.share_kop = cmd->share_kop};
    (void)trips_emit_day_share_changed(out, &event.day_share_changed);
    return emit_provisional_after(s, &event, meta, out);
}

/* --- settling
 * -------------------------------------------------------------------------------------------- */

static int64_t
count_pending(const struct trip *s)
{
    int64_t count = 0;

    for (int32_t i = 0; i < s->expenses_count; i++)
        if (s->expenses[i].status == EXPENSE_PENDING)
            count++;
    return count;
}

static int64_t
count_young_unmatched(const struct trip *s, const bus_meta *meta)
{
    int64_t since = meta->at_ms - trip_settings(meta)->fuel_match_s * 1000;
    int64_t count = 0;

    for (int32_t i = 0; i < s->unmatched_count; i++)
        if (s->unmatched[i].at > since)
            count++;
    return count;
}

bus_verdict
trip_emit_settled(const struct trip *s, const struct trip_measure *m, bus_decision *out)
{
    struct trip_parts           parts;
    struct trips_customer_share shares[TRIP_PARTS_MAX];
    struct trips_trip_settled   e = {0};

    trip_profit(s, m, &e.profit, &parts);
    e.has_vehicle_id = e.has_driver_id = true;
    e.vehicle_id = s->vehicle_id;
    e.driver_id = s->driver_id;
    e.has_route_id = s->has_route;
    e.route_id = s->route_id;
    e.day = s->day;
    e.customers =
        (struct trips_trip_settled_customers){shares, shares_of(&parts, shares), TRIP_PARTS_MAX};
    e.distance_m = m->distance_m;
    e.duration_s = m->duration_s;
    e.points = m->points;
    e.fuel_ml = m->fuel_ml;
    e.has_fuel_norm_ml = s->has_fuel;
    e.fuel_norm_ml = trip_norm_ml(s, m->distance_m);
    e.fuel_litre_kop = m->fuel_litre_kop;
    return trips_emit_trip_settled(out, &e);
}

static bus_verdict
emit_settled(const struct trip *s, int64_t day_share_kop, const bus_meta *meta, bus_decision *out)
{
    struct trip_measure m;

    trip_measure(s, TRIPS_STAGE_FINAL, trip_settings(meta), &m);
    m.day_share_kop = day_share_kop;
    return trip_emit_settled(s, &m, out);
}

/* A trip that never left has no share in a day. The others ask their vehicle's day to freeze
 * the share first: only so do the shares of a day sum to its cost, whoever settles when. */
static bus_verdict
begin_settling(const struct trip *s, bool automatic, const bus_meta *meta, bus_decision *out)
{
    (void)trips_emit_settlement_requested(
        out, &(struct trips_settlement_requested){.automatic = automatic});
    bus_wake_cancel(out, &trips_settlement_due_command);
    if (s->departed_at == 0)
        return emit_settled(s, 0, meta, out);
    trips_send_freeze_day_share(out, vehicle_day_stream(s->vehicle_id, s->day),
                                &(struct trips_freeze_day_share){.trip_id = meta->stream},
                                &trips_day_frozen_command);
    return BUS_ACCEPTED;
}

bus_verdict
trip_settle(const struct trip *s, const bus_meta *meta, bus_decision *out)
{
    int64_t pending = count_pending(s), unmatched = count_young_unmatched(s, meta);

    if (pending > 0)
        return trip_costs_unapproved_refuse(
            out, &(struct trip_costs_unapproved_params){.count = pending});
    if (unmatched > 0)
        return trip_fuel_unmatched_refuse(out,
                                          &(struct trip_fuel_unmatched_params){.count = unmatched});
    return begin_settling(s, false, meta, out);
}

/* P10: some days after its end a trip settles by itself; what is in the way is named, and it
 * is tried again daily for two weeks. */
bus_verdict
trip_settlement_due(const struct trip *s, const bus_meta *meta, bus_decision *out)
{
    int64_t retry_at = meta->at_ms + TRIP_RETRY_S * 1000;
    bool    pending = count_pending(s) > 0;

    if (!trip_has_ended(s) || s->settling || s->settle_attempts == TRIP_SETTLE_ATTEMPTS_MAX)
        return bus_accept(out);
    if (!pending && count_young_unmatched(s, meta) == 0)
        return begin_settling(s, true, meta, out);
    (void)trips_emit_settlement_postponed(
        out, &(struct trips_settlement_postponed){.code = pending ? BUS_STR("TRIP_COSTS_UNAPPROVED")
                                                                  : BUS_STR("TRIP_FUEL_UNMATCHED"),
                                                  .retry_at = retry_at,
                                                  .attempt = s->settle_attempts + 1});
    bus_wake_at(out, &trips_settlement_due_command, retry_at);
    return BUS_ACCEPTED;
}

/* A day that had no room for the trip refuses: then the others bear its whole cost. */
bus_verdict
trip_day_frozen(const struct trip *s, const bus_answer *answer, const bus_meta *meta,
                bus_decision *out)
{
    int64_t share_kop = 0;

    if (!s->settling)
        return bus_accept(out);
    for (uint32_t i = 0; answer->accepted && i < answer->events_count; i++)
        if (answer->events[i].type == &trips_day_share_frozen_event) {
            const struct trips_day_share_frozen *frozen = answer->events[i].data;

            share_kop = frozen->share_kop;
        }
    return emit_settled(s, share_kop, meta, out);
}
