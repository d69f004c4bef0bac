/* deliveries.c - from order to proof.
 * The one rule: a delivery is on at most one open trip, and nothing counts as delivered without
 * the proof that its kind asks for (proof.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/deliveries/delivery.h"

#include "contracts/trips.h"

/* --- the lifecycle ------------------------------------------------------------------------- */

static const struct {
    enum deliveries_status                from;
    enum deliveries_delivery_command_kind command;
    enum deliveries_status                to;
} lifecycle[] = {
    {DELIVERIES_STATUS_CREATED, DELIVERIES_CONFIRM, DELIVERIES_STATUS_CONFIRMED},
    {DELIVERIES_STATUS_CONFIRMED, DELIVERIES_PLAN, DELIVERIES_STATUS_PLANNED},
    {DELIVERIES_STATUS_PLANNED, DELIVERIES_UNPLAN, DELIVERIES_STATUS_CONFIRMED},
    {DELIVERIES_STATUS_PLANNED, DELIVERIES_START, DELIVERIES_STATUS_OUT},
    {DELIVERIES_STATUS_OUT, DELIVERIES_UNPLAN, DELIVERIES_STATUS_CONFIRMED},
    {DELIVERIES_STATUS_OUT, DELIVERIES_COMPLETE, DELIVERIES_STATUS_DELIVERED},
    {DELIVERIES_STATUS_OUT, DELIVERIES_COMPLETE_PARTLY, DELIVERIES_STATUS_PARTIAL},
    {DELIVERIES_STATUS_OUT, DELIVERIES_FAIL, DELIVERIES_STATUS_FAILED},
    {DELIVERIES_STATUS_FAILED, DELIVERIES_RESCHEDULE, DELIVERIES_STATUS_CONFIRMED},
    {DELIVERIES_STATUS_PARTIAL, DELIVERIES_RESCHEDULE, DELIVERIES_STATUS_CONFIRMED},
    {DELIVERIES_STATUS_FAILED, DELIVERIES_RETURN_TO_SENDER, DELIVERIES_STATUS_RETURNING},
    {DELIVERIES_STATUS_PARTIAL, DELIVERIES_RETURN_TO_SENDER, DELIVERIES_STATUS_RETURNING},
    {DELIVERIES_STATUS_RETURNING, DELIVERIES_COMPLETE_RETURN, DELIVERIES_STATUS_RETURNED},
    {DELIVERIES_STATUS_CREATED, DELIVERIES_CANCEL, DELIVERIES_STATUS_CANCELLED},
    {DELIVERIES_STATUS_CONFIRMED, DELIVERIES_CANCEL, DELIVERIES_STATUS_CANCELLED},
    {DELIVERIES_STATUS_PLANNED, DELIVERIES_CANCEL, DELIVERIES_STATUS_CANCELLED},
};

static bool
may(const struct delivery *s, enum deliveries_delivery_command_kind command)
{
    for (int i = 0; i < BUS_COUNT(lifecycle); i++)
        if (lifecycle[i].from == s->status && lifecycle[i].command == command)
            return true;
    return false;
}

static bus_str
status_name(const struct delivery *s)
{
    switch (s->status) {
    case DELIVERIES_STATUS_CREATED: return bus_str_load("CREATED");
    case DELIVERIES_STATUS_CONFIRMED: return bus_str_load("CONFIRMED");
    case DELIVERIES_STATUS_PLANNED: return bus_str_load("PLANNED");
    case DELIVERIES_STATUS_OUT: return bus_str_load("OUT");
    case DELIVERIES_STATUS_DELIVERED: return bus_str_load("DELIVERED");
    case DELIVERIES_STATUS_PARTIAL: return bus_str_load("PARTIAL");
    case DELIVERIES_STATUS_FAILED: return bus_str_load("FAILED");
    case DELIVERIES_STATUS_RETURNING: return bus_str_load("RETURNING");
    case DELIVERIES_STATUS_RETURNED: return bus_str_load("RETURNED");
    case DELIVERIES_STATUS_CANCELLED: return bus_str_load("CANCELLED");
    }
    BUS_UNREACHABLE();
}

bus_verdict
delivery_refuse_state(const struct delivery *s, bus_decision *out)
{
    return delivery_wrong_state_refuse(
        out, &(struct delivery_wrong_state_params){.status = status_name(s)});
}

static bool
is_closed(const struct delivery *s)
{
    return s->status == DELIVERIES_STATUS_DELIVERED || s->status == DELIVERIES_STATUS_RETURNED ||
           s->status == DELIVERIES_STATUS_CANCELLED;
}

/* --- ordering
 * -------------------------------------------------------------------------------------- */

static bus_verdict
decide_create(const struct deliveries_create *cmd, const bus_meta *meta, bus_decision *out)
{
    if (cmd->window.from_at >= cmd->window.to_at)
        return bus_refuse(out, DELIVERY_WINDOW_EMPTY);
    if (cmd->has_boxes &&
        delivery_claim_boxes(cmd->boxes.items, cmd->boxes.count, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if (cmd->has_wb_order_id)
        delivery_claim("delivery_order", cmd->wb_order_id, DELIVERY_ORDER_TAKEN, out);
    return deliveries_emit_created(
        out, &(struct deliveries_created){
                 .kind = cmd->kind,
                 .customer_id = cmd->customer_id,
                 .has_wb_account_id = cmd->has_wb_account_id,
                 .wb_account_id = cmd->wb_account_id,
                 .has_supply_id = cmd->has_supply_id,
                 .supply_id = cmd->supply_id,
                 .has_wb_order_id = cmd->has_wb_order_id,
                 .wb_order_id = cmd->wb_order_id,
                 .from = cmd->from,
                 .to = cmd->to,
                 .window = cmd->window,
                 .boxes = {cmd->boxes.items, cmd->boxes.count, cmd->boxes.capacity},
                 .cod_kop = cmd->cod_kop,
                 .price_kop = cmd->price_kop,
                 .created_at = meta->at_ms});
}

static bus_verdict
decide_change_window(const struct delivery *s, const struct deliveries_change_window *cmd,
                     bus_decision *out)
{
    if (is_closed(s) || s->status == DELIVERIES_STATUS_RETURNING)
        return delivery_refuse_state(s, out);
    if (cmd->window.from_at >= cmd->window.to_at)
        return bus_refuse(out, DELIVERY_WINDOW_EMPTY);
    return deliveries_emit_window_changed(
        out, &(struct deliveries_window_changed){.window = cmd->window});
}

static bus_verdict
decide_cancel(const struct delivery *s, const struct deliveries_cancel *cmd, const bus_meta *meta,
              bus_decision *out)
{
    if (!may(s, DELIVERIES_CANCEL))
        return delivery_too_late_to_cancel_refuse(
            out, &(struct delivery_too_late_to_cancel_params){.status = status_name(s)});
    delivery_release_claims(s, true, out);
    if (!bus_id_is_nil(s->trip_id)) /* the trip takes it off */
        (void)deliveries_emit_unplanned(out, &(struct deliveries_unplanned){.trip_id = s->trip_id,
                                                                            .has_reason = true,
                                                                            .reason = cmd->reason});
    return deliveries_emit_cancelled(
        out, &(struct deliveries_cancelled){.reason = cmd->reason, .cancelled_at = meta->at_ms});
}

/* --- on and off trips
 * --------------------------------------------------------------------------------- */

static bus_verdict
decide_plan(const struct delivery *s, const struct deliveries_plan *cmd, bus_decision *out)
{
    if (bus_id_equal(s->trip_id, cmd->trip_id))
        return bus_accept(out);
    if (!bus_id_is_nil(s->trip_id))
        return delivery_on_other_trip_refuse(
            out, &(struct delivery_on_other_trip_params){.trip_id = s->trip_id});
    if (!may(s, DELIVERIES_PLAN))
        return delivery_refuse_state(s, out);
    return deliveries_emit_planned(
        out, &(struct deliveries_planned){.trip_id = cmd->trip_id,
                                          .stop_seq = cmd->stop_seq,
                                          .has_planned_arrival_at = cmd->has_planned_arrival_at,
                                          .planned_arrival_at = cmd->planned_arrival_at});
}

/* A trip lets go of what it may have: what it does not have is none of its business. */
static bus_verdict
decide_unplan(const struct delivery *s, const struct deliveries_unplan *cmd, bus_decision *out)
{
    if (!bus_id_equal(s->trip_id, cmd->trip_id) || !may(s, DELIVERIES_UNPLAN))
        return bus_accept(out);
    return deliveries_emit_unplanned(
        out, &(struct deliveries_unplanned){
                 .trip_id = cmd->trip_id, .has_reason = cmd->has_reason, .reason = cmd->reason});
}

static bus_verdict
decide_start(const struct delivery *s, const struct deliveries_start *cmd, const bus_meta *meta,
             bus_decision *out)
{
    if (cmd->has_trip_id && !bus_id_equal(cmd->trip_id, s->trip_id))
        return bus_refuse(out, DELIVERY_OTHER_TRIP);
    if (s->status == DELIVERIES_STATUS_OUT)
        return bus_accept(out);
    if (!may(s, DELIVERIES_START))
        return delivery_refuse_state(s, out);
    return deliveries_emit_started(
        out, &(struct deliveries_started){
                 .attempt = s->attempts + 1,
                 .has_trip_id = !bus_id_is_nil(s->trip_id),
                 .trip_id = s->trip_id,
                 .has_driver_id = cmd->has_driver_id,
                 .driver_id = cmd->driver_id,
                 .started_at = cmd->has_started_at ? cmd->started_at : bus_meta_business_ms(meta)});
}

/* --- at the place
 * ----------------------------------------------------------------------------------------- */

/* The local day on which something is counted. */
static int32_t
day_of(int64_t at_ms, const bus_meta *meta)
{
    const struct deliveries_settings *rules = meta->settings;

    return bus_day_of(at_ms, (int32_t)rules->utc_offset_min);
}

/* Seconds after the window's end; negative or 0: in time. Started seconds count. */
static int64_t
late_s(const struct delivery *s, int64_t at_ms)
{
    int64_t late_ms = at_ms - s->to_at;

    return late_ms > 0 ? (late_ms + 999) / 1000 : late_ms / 1000;
}

static bus_verdict
stale(const struct delivery *s, const bus_meta *meta, bus_decision *out)
{
    const struct deliveries_settings *rules = meta->settings;

    return bus_refuse_stale(out, s->last_at, (int32_t)rules->utc_offset_min);
}

static bus_verdict
decide_arrival(const struct delivery *s, const struct deliveries_record_arrival *cmd,
               const bus_meta *meta, bus_decision *out)
{
    const struct deliveries_settings *rules = meta->settings;

    if (cmd->has_trip_id && !bus_id_equal(cmd->trip_id, s->trip_id))
        return bus_refuse(out, DELIVERY_OTHER_TRIP);
    if (s->status != DELIVERIES_STATUS_OUT)
        return delivery_refuse_state(s, out);
    if (s->arrived_at != 0)
        return bus_accept(out);
    if (cmd->arrived_at < s->last_at)
        return stale(s, meta, out);
    return deliveries_emit_arrived(
        out, &(struct deliveries_arrived){.arrived_at = cmd->arrived_at,
                                          .attempt = s->attempts,
                                          .late_s = late_s(s, cmd->arrived_at),
                                          .customer_id = s->customer_id,
                                          .kind = s->kind,
                                          .day = day_of(cmd->arrived_at, meta),
                                          .has_utc_offset_min = true,
                                          .utc_offset_min = rules->utc_offset_min});
}

/* How far the proof is from the place; false: nobody knows. */
static bool
distance_of(const struct delivery *s, const struct deliveries_proof *pod, int64_t *distance_m)
{
    if (!pod->has_lat_e6 || !pod->has_lon_e6)
        return false;
    *distance_m = delivery_distance_m(s->lat_e6, s->lon_e6, pod->lat_e6, pod->lon_e6);
    return true;
}

static bus_verdict
decide_complete(const struct delivery *s, const struct deliveries_complete *cmd,
                const bus_meta *meta, bus_decision *out)
{
    struct deliveries_completed e = {.attempt = s->attempts,
                                     .customer_id = s->customer_id,
                                     .kind = s->kind,
                                     .day = day_of(cmd->pod.at, meta),
                                     .pod = cmd->pod};

    if (!may(s, DELIVERIES_COMPLETE))
        return delivery_refuse_state(s, out);
    if (cmd->pod.at < s->last_at)
        return stale(s, meta, out);
    if (delivery_check_proof(s, &cmd->pod, delivery_count_unscanned(s), meta, out) == BUS_REFUSED)
        return BUS_REFUSED;
    e.has_distance_m = distance_of(s, &cmd->pod, &e.distance_m);
    delivery_release_claims(s, false, out);
    return deliveries_emit_completed(out, &e);
}

static bus_verdict
decide_complete_partly(const struct delivery *s, const struct deliveries_complete_partly *cmd,
                       const bus_meta *meta, bus_decision *out)
{
    struct deliveries_completed_partly e = {
        .attempt = s->attempts,
        .customer_id = s->customer_id,
        .kind = s->kind,
        .day = day_of(cmd->pod.at, meta),
        .barcodes = {cmd->barcodes.items, cmd->barcodes.count, cmd->barcodes.capacity},
        .has_reason = cmd->has_reason,
        .reason = cmd->reason,
        .pod = cmd->pod,
    };
    int32_t unscanned = 0;

    if (!may(s, DELIVERIES_COMPLETE_PARTLY))
        return delivery_refuse_state(s, out);
    if (cmd->pod.at < s->last_at)
        return stale(s, meta, out);
    if (delivery_check_barcodes(s, cmd->barcodes.items, cmd->barcodes.count, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if ((int32_t)cmd->barcodes.count >= delivery_count_left(s))
        return bus_refuse(out, DELIVERY_ALL_BOXES);
    for (uint32_t i = 0; i < cmd->barcodes.count; i++)
        unscanned += delivery_needs_scan(&s->boxes[delivery_find_box(s, cmd->barcodes.items[i])]);
    if (delivery_check_proof(s, &cmd->pod, unscanned, meta, out) == BUS_REFUSED)
        return BUS_REFUSED;
    e.has_distance_m = distance_of(s, &cmd->pod, &e.distance_m);
    return deliveries_emit_completed_partly(out, &e);
}

static bus_verdict
decide_fail(const struct delivery *s, const struct deliveries_fail *cmd, const bus_meta *meta,
            bus_decision *out)
{
    const struct deliveries_settings *rules = meta->settings;
    int64_t                           at_ms = cmd->has_at ? cmd->at : bus_meta_business_ms(meta);

    if (!may(s, DELIVERIES_FAIL))
        return delivery_refuse_state(s, out);
    if (at_ms < s->last_at)
        return stale(s, meta, out);
    if (cmd->reason == DELIVERIES_FAILURE_NO_ANSWER && s->outgoing_calls < rules->no_answer_calls)
        return delivery_calls_missing_refuse(
            out, &(struct delivery_calls_missing_params){.needed = rules->no_answer_calls,
                                                         .count = s->outgoing_calls});
    return deliveries_emit_failed(out, &(struct deliveries_failed){.reason = cmd->reason,
                                                                   .has_note = cmd->has_note,
                                                                   .note = cmd->note,
                                                                   .failed_at = at_ms,
                                                                   .attempt = s->attempts,
                                                                   .customer_id = s->customer_id,
                                                                   .kind = s->kind,
                                                                   .day = day_of(at_ms, meta)});
}

/* --- afterwards
 * ------------------------------------------------------------------------------------------------
 */

static bus_verdict
decide_reschedule(const struct delivery *s, const struct deliveries_reschedule *cmd,
                  const bus_meta *meta, bus_decision *out)
{
    const struct deliveries_settings *rules = meta->settings;

    if (!may(s, DELIVERIES_RESCHEDULE))
        return delivery_refuse_state(s, out);
    if (cmd->window.from_at >= cmd->window.to_at)
        return bus_refuse(out, DELIVERY_WINDOW_EMPTY);
    if (s->attempts >= rules->attempts_max && (meta->roles & BUS_ROLE_ADMIN) == 0)
        return delivery_attempts_spent_refuse(
            out, &(struct delivery_attempts_spent_params){.max = rules->attempts_max});
    return deliveries_emit_rescheduled(out,
                                       &(struct deliveries_rescheduled){.window = cmd->window});
}

static bus_verdict
decide_complete_return(const struct delivery *s, const bus_meta *meta, bus_decision *out)
{
    if (!may(s, DELIVERIES_COMPLETE_RETURN))
        return delivery_refuse_state(s, out);
    delivery_release_claims(s, true, out);
    return deliveries_emit_returned(
        out, &(struct deliveries_returned){.returned_at = bus_meta_business_ms(meta)});
}

static bus_verdict
decide_link_call(const struct delivery *s, const struct deliveries_link_call *cmd,
                 bus_decision *out)
{
    if (is_closed(s))
        return delivery_refuse_state(s, out);
    return deliveries_emit_call_linked(
        out, &(struct deliveries_call_linked){
                 .call_id = cmd->call_id,
                 .direction = (enum deliveries_call_linked_direction)cmd->direction,
                 .has_at = cmd->has_at,
                 .at = cmd->at});
}

/* --- may it happen?
 * ------------------------------------------------------------------------------------------------
 */

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct delivery                    *s = state;
    const struct deliveries_delivery_command *c = command;

    switch (c->kind) {
    case DELIVERIES_CREATE: return decide_create(&c->create, meta, out);
    case DELIVERIES_CONFIRM:
        if (!may(s, DELIVERIES_CONFIRM))
            return delivery_refuse_state(s, out);
        return deliveries_emit_confirmed(
            out, &(struct deliveries_confirmed){.confirmed_at = meta->at_ms});
    case DELIVERIES_CHANGE_WINDOW: return decide_change_window(s, &c->change_window, out);
    case DELIVERIES_ATTACH_BOXES: return delivery_attach_boxes(s, &c->attach_boxes, out);
    case DELIVERIES_SCAN_BOXES: return delivery_scan_boxes(s, &c->scan_boxes, out);
    case DELIVERIES_PLAN: return decide_plan(s, &c->plan, out);
    case DELIVERIES_UNPLAN: return decide_unplan(s, &c->unplan, out);
    case DELIVERIES_START: return decide_start(s, &c->start, meta, out);
    case DELIVERIES_RECORD_ARRIVAL: return decide_arrival(s, &c->record_arrival, meta, out);
    case DELIVERIES_COMPLETE: return decide_complete(s, &c->complete, meta, out);
    case DELIVERIES_COMPLETE_PARTLY:
        return decide_complete_partly(s, &c->complete_partly, meta, out);
    case DELIVERIES_FAIL: return decide_fail(s, &c->fail, meta, out);
    case DELIVERIES_LINK_CALL: return decide_link_call(s, &c->link_call, out);
    case DELIVERIES_RESCHEDULE: return decide_reschedule(s, &c->reschedule, meta, out);
    case DELIVERIES_RETURN_TO_SENDER:
        if (!may(s, DELIVERIES_RETURN_TO_SENDER))
            return delivery_refuse_state(s, out);
        return deliveries_emit_return_started(
            out, &(struct deliveries_return_started){.started_at = bus_meta_business_ms(meta),
                                                     .has_reason = c->return_to_sender.has_reason,
                                                     .reason = c->return_to_sender.reason});
    case DELIVERIES_COMPLETE_RETURN: return decide_complete_return(s, meta, out);
    case DELIVERIES_CANCEL: return decide_cancel(s, &c->cancel, meta, out);
    }
    BUS_UNREACHABLE();
}

/* --- it happened
 * ------------------------------------------------------------------------------------------------------
 */

static void
remember_window(struct delivery *s, const struct deliveries_window *window)
{
    s->from_at = window->from_at;
    s->to_at = window->to_at;
}

static void
apply_created(struct delivery *s, const struct deliveries_created *e)
{
    s->status = DELIVERIES_STATUS_CREATED;
    s->kind = e->kind;
    s->customer_id = e->customer_id;
    s->lat_e6 = (int32_t)e->to.lat_e6;
    s->lon_e6 = (int32_t)e->to.lon_e6;
    s->has_order = e->has_wb_order_id;
    if (e->has_wb_order_id)
        s->order = delivery_name_of(e->wb_order_id);
    remember_window(s, &e->window);
    delivery_remember_boxes(s, e->boxes.items, e->boxes.count);
}

static void
off_the_trip(struct delivery *s, enum deliveries_status status)
{
    s->status = status;
    s->trip_id = BUS_ID_NIL;
    s->driver_id = BUS_ID_NIL;
}

/* What was not handed over is still aboard: the driver stays, to bring it back. */
static void
stay_aboard(struct delivery *s, enum deliveries_status status)
{
    s->status = status;
    s->trip_id = BUS_ID_NIL;
}

static void
apply_started(struct delivery *s, const struct deliveries_started *e)
{
    s->status = DELIVERIES_STATUS_OUT;
    s->attempts = (int32_t)e->attempt;
    s->arrived_at = 0;
    s->last_at = e->started_at;
    s->driver_id = e->has_driver_id ? e->driver_id : BUS_ID_NIL;
    for (int32_t i = 0; i < s->boxes_count; i++)
        s->boxes[i].scanned = false;
}

static void
apply_partly(struct delivery *s, const struct deliveries_completed_partly *e)
{
    s->last_at = e->pod.at;
    stay_aboard(s, DELIVERIES_STATUS_PARTIAL);
    for (uint32_t i = 0; i < e->barcodes.count; i++) {
        int32_t box = delivery_find_box(s, e->barcodes.items[i]);

        BUS_INVARIANT(box >= 0);
        s->boxes[box].handed = true;
    }
}

static void
apply_scanned(struct delivery *s, const struct deliveries_boxes_scanned *e)
{
    for (uint32_t i = 0; i < e->barcodes.count; i++) {
        int32_t box = delivery_find_box(s, e->barcodes.items[i]);

        BUS_INVARIANT(box >= 0);
        s->boxes[box].scanned = true;
    }
}

static void
apply(void *state, const void *event)
{
    struct delivery                        *s = state;
    const struct deliveries_delivery_event *e = event;

    switch (e->kind) {
    case DELIVERIES_CREATED: apply_created(s, &e->created); break;
    case DELIVERIES_CONFIRMED: s->status = DELIVERIES_STATUS_CONFIRMED; break;
    case DELIVERIES_WINDOW_CHANGED: remember_window(s, &e->window_changed.window); break;
    case DELIVERIES_BOXES_ATTACHED:
        delivery_remember_boxes(s, e->boxes_attached.boxes.items, e->boxes_attached.boxes.count);
        break;
    case DELIVERIES_BOXES_SCANNED: apply_scanned(s, &e->boxes_scanned); break;
    case DELIVERIES_PLANNED:
        s->status = DELIVERIES_STATUS_PLANNED;
        s->trip_id = e->planned.trip_id;
        break;
    case DELIVERIES_UNPLANNED: off_the_trip(s, DELIVERIES_STATUS_CONFIRMED); break;
    case DELIVERIES_STARTED: apply_started(s, &e->started); break;
    case DELIVERIES_ARRIVED:
        s->arrived_at = e->arrived.arrived_at;
        s->last_at = e->arrived.arrived_at;
        break;
    case DELIVERIES_COMPLETED:
        s->last_at = e->completed.pod.at;
        off_the_trip(s, DELIVERIES_STATUS_DELIVERED);
        break;
    case DELIVERIES_COMPLETED_PARTLY: apply_partly(s, &e->completed_partly); break;
    case DELIVERIES_FAILED:
        s->last_at = e->failed.failed_at;
        stay_aboard(s, DELIVERIES_STATUS_FAILED);
        break;
    case DELIVERIES_CALL_LINKED:
        if (e->call_linked.direction == DELIVERIES_CALL_LINKED_DIRECTION_OUT)
            s->outgoing_calls++;
        break;
    case DELIVERIES_RESCHEDULED:
        off_the_trip(s, DELIVERIES_STATUS_CONFIRMED);
        s->outgoing_calls = 0;
        remember_window(s, &e->rescheduled.window);
        break;
    case DELIVERIES_RETURN_STARTED: s->status = DELIVERIES_STATUS_RETURNING; break;
    case DELIVERIES_RETURNED: off_the_trip(s, DELIVERIES_STATUS_RETURNED); break;
    case DELIVERIES_CANCELLED: off_the_trip(s, DELIVERIES_STATUS_CANCELLED); break;
    }
}

/* The driver who has it aboard. */
static bool
owned_by(const void *state, bus_id driver_id)
{
    const struct delivery *s = state;

    return bus_id_equal(s->driver_id, driver_id);
}

/* --- listening to trips
 * -----------------------------------------------------------------------------------------------------
 */

static void
on_departed(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_departed *e = event->data;

    for (uint32_t i = 0; i < e->delivery_ids.count; i++)
        deliveries_react_start(out, e->delivery_ids.items[i],
                               &(struct deliveries_start){.has_trip_id = true,
                                                          .trip_id = event->stream,
                                                          .has_driver_id = true,
                                                          .driver_id = e->driver_id,
                                                          .has_started_at = true,
                                                          .started_at = e->departed_at});
}

static void
unplan(bus_id trip_id, const bus_id *ids, uint32_t count, bus_str reason, bus_reaction_out *out)
{
    for (uint32_t i = 0; i < count; i++)
        deliveries_react_unplan(
            out, ids[i],
            &(struct deliveries_unplan){.trip_id = trip_id, .has_reason = true, .reason = reason});
}

static void
on_cancelled(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_cancelled *e = event->data;

    unplan(event->stream, e->delivery_ids.items, e->delivery_ids.count, e->reason, out);
}

static void
on_aborted(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_aborted *e = event->data;

    unplan(event->stream, e->delivery_ids.items, e->delivery_ids.count, e->reason, out);
}

static const bus_reaction reactions[] = {
    {.on = &trips_trip_departed_event, .react = on_departed},
    {.on = &trips_trip_cancelled_event, .react = on_cancelled},
    {.on = &trips_trip_aborted_event, .react = on_aborted},
};

static const bus_aggregate aggregates[] = {
    {.of = &deliveries_delivery,
     .snapshot_version = 2,
     .state_size = sizeof(struct delivery),
     .decide = decide,
     .apply = apply,
     .owned_by = owned_by},
};

const bus_module deliveries_module = BUS_MODULE_WITH_REACTIONS(deliveries, aggregates, reactions);
