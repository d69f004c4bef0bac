/* plan.c - a trip before the road: its route, the deliveries aboard, vehicle and drivers.
 * The one rule: what is promised to a delivery, a vehicle or a driver is taken back when the
 * trip does not keep it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/deliveries.h"
#include "services/trips/trip.h"

#include <string.h>

/* --- the plan -------------------------------------------------------------------------- */

bus_verdict
trip_plan(const struct trip *s, const struct trips_plan *cmd, bus_decision *out)
{
    struct trips_trip_planned_stops_item items[TRIP_STOPS_MAX];
    struct trips_trip_planned            e = {0};
    int64_t                              elapsed_s = cmd->loading_s;

    if (s->deliveries_count > 0)
        return trip_has_deliveries_refuse(
            out, &(struct trip_has_deliveries_params){.count = s->deliveries_count});
    BUS_INVARIANT(cmd->stops.count <= TRIP_STOPS_MAX);
    e.planned_m = cmd->return_distance_m;
    e.driving_s = cmd->return_duration_s;
    for (uint32_t i = 0; i < cmd->stops.count; i++) {
        const struct trips_stop_plan *stop = &cmd->stops.items[i];

        if (stop->has_window_from_min && stop->has_window_to_min &&
            stop->window_from_min >= stop->window_to_min)
            return trip_stop_window_refuse(
                out, &(struct trip_stop_window_params){.seq = (int64_t)i + 1});
        elapsed_s += stop->duration_s;
        items[i] = (struct trips_trip_planned_stops_item){
            .seq = (int64_t)i + 1,
            .planned_arrival_at = cmd->planned_from_at + elapsed_s * 1000,
            .stop = *stop,
        };
        elapsed_s += stop->service_s;
        e.planned_m += stop->distance_m;
        e.driving_s += stop->duration_s;
    }
    elapsed_s += cmd->return_duration_s;
    e.planned_from_at = cmd->planned_from_at;
    e.planned_to_at =
        cmd->has_planned_to_at ? cmd->planned_to_at : cmd->planned_from_at + elapsed_s * 1000;
    if (elapsed_s > TRIP_PLAN_MAX_S)
        return trip_plan_too_long_refuse(out, &(struct trip_plan_too_long_params){
                                                  .needs_s = elapsed_s, .max_s = TRIP_PLAN_MAX_S});
    if (e.planned_to_at < cmd->planned_from_at + elapsed_s * 1000)
        return trip_plan_too_short_refuse(
            out,
            &(struct trip_plan_too_short_params){
                .needs_s = elapsed_s, .given_s = (e.planned_to_at - cmd->planned_from_at) / 1000});
    e.has_route_id = cmd->has_route_id;
    e.route_id = cmd->route_id;
    e.has_route_version = cmd->has_route_version;
    e.route_version = cmd->route_version;
    e.loading_s = cmd->loading_s;
    e.planned_s = elapsed_s;
    e.return_distance_m = cmd->return_distance_m;
    e.return_duration_s = cmd->return_duration_s;
    e.stops = (struct trips_trip_planned_stops){items, cmd->stops.count, TRIP_STOPS_MAX};
    return trips_emit_trip_planned(out, &e);
}

void
trip_apply_planned(struct trip *s, const struct trips_trip_planned *e)
{
    BUS_INVARIANT(e->stops.count <= TRIP_STOPS_MAX);
    s->planned_from_at = e->planned_from_at;
    s->planned_to_at = e->planned_to_at;
    s->planned_m = e->planned_m;
    s->road_s = e->planned_s - e->loading_s;
    s->driving_s = e->driving_s;
    s->has_route = e->has_route_id;
    s->route_id = e->has_route_id ? e->route_id : BUS_ID_NIL;
    s->stops_count = (int32_t)e->stops.count;
    for (uint32_t i = 0; i < e->stops.count; i++) {
        const struct trips_trip_planned_stops_item *item = &e->stops.items[i];

        s->stops[i] = (struct trip_stop){
            .arrive_s = (int32_t)((item->planned_arrival_at - e->planned_from_at) / 1000),
            .status = TRIPS_STOP_STATUS_PENDING,
        };
        s->order[i] = (uint8_t)(i + 1);
    }
}

/* --- deliveries aboard ------------------------------------------------------------------- */

int
trip_find_delivery(const struct trip *s, bus_id id)
{
    for (int32_t i = 0; i < s->deliveries_count; i++)
        if (bus_id_equal(s->deliveries[i].id, id))
            return i;
    return -1;
}

uint32_t
trip_delivery_ids(const struct trip *s, int64_t stop_seq, bus_id *ids)
{
    uint32_t count = 0;

    for (int32_t i = 0; i < s->deliveries_count; i++)
        if (stop_seq == 0 || s->deliveries[i].stop == stop_seq)
            ids[count++] = s->deliveries[i].id;
    return count;
}

int
trip_find_customer(const struct trip *s, bus_id id)
{
    for (int32_t i = 0; i < s->customers_count; i++)
        if (bus_id_equal(s->customers[i], id))
            return i;
    return -1;
}

bool
trip_has_room_for_customer(const struct trip *s, bus_id id)
{
    return s->customers_count < TRIP_CUSTOMERS_MAX || trip_find_customer(s, id) >= 0;
}

int
trip_intern_customer(struct trip *s, bus_id id)
{
    int found = trip_find_customer(s, id);

    if (found >= 0)
        return found;
    BUS_INVARIANT(s->customers_count < TRIP_CUSTOMERS_MAX);
    s->customers[s->customers_count] = id;
    return s->customers_count++;
}

/* Does a load fit the vehicle? */
static bus_verdict
check_capacity(int64_t load_g, int64_t load_ml, int64_t payload_g, int64_t cargo_ml,
               bus_decision *out)
{
    if (load_g > payload_g)
        return trip_over_payload_refuse(
            out, &(struct trip_over_payload_params){.load_g = load_g, .payload_g = payload_g});
    if (load_ml > cargo_ml)
        return trip_over_volume_refuse(
            out, &(struct trip_over_volume_params){.load_ml = load_ml, .cargo_ml = cargo_ml});
    return BUS_ACCEPTED;
}

bus_verdict
trip_add_delivery(const struct trip *s, const struct trips_add_delivery *cmd, const bus_meta *meta,
                  bus_decision *out)
{
    if (cmd->stop_seq > s->stops_count)
        return trip_stop_unknown_refuse(out,
                                        &(struct trip_stop_unknown_params){.seq = cmd->stop_seq});
    if (trip_find_delivery(s, cmd->delivery_id) >= 0)
        return bus_refuse(out, TRIP_DELIVERY_ABOARD);
    if (s->deliveries_count == TRIP_DELIVERIES_MAX)
        return trip_full_refuse(out, &(struct trip_full_params){.max = TRIP_DELIVERIES_MAX});
    if (!trip_has_room_for_customer(s, cmd->customer_id))
        return trip_customers_full_refuse(
            out, &(struct trip_customers_full_params){.max = TRIP_CUSTOMERS_MAX});
    if (s->status == TRIPS_STATUS_ASSIGNED &&
        check_capacity(s->load_g + cmd->load_g, s->load_ml + cmd->load_ml, s->payload_g,
                       s->cargo_ml, out) == BUS_REFUSED)
        return BUS_REFUSED;
    (void)trips_emit_delivery_added(out,
                                    &(struct trips_delivery_added){.delivery_id = cmd->delivery_id,
                                                                   .stop_seq = cmd->stop_seq,
                                                                   .customer_id = cmd->customer_id,
                                                                   .load_g = cmd->load_g,
                                                                   .load_ml = cmd->load_ml,
                                                                   .boxes = cmd->boxes,
                                                                   .price_kop = cmd->price_kop});
    deliveries_send_plan(
        out, cmd->delivery_id,
        &(struct deliveries_plan){.trip_id = meta->stream,
                                  .stop_seq = cmd->stop_seq,
                                  .has_planned_arrival_at = true,
                                  .planned_arrival_at =
                                      s->planned_from_at +
                                      (int64_t)s->stops[cmd->stop_seq - 1].arrive_s * 1000},
        &trips_delivery_answered_command);
    return BUS_ACCEPTED;
}

void
trip_apply_delivery_added(struct trip *s, const struct trips_delivery_added *e)
{
    BUS_INVARIANT(s->deliveries_count < TRIP_DELIVERIES_MAX);
    s->deliveries[s->deliveries_count++] = (struct trip_delivery){
        .id = e->delivery_id,
        .price_kop = e->price_kop,
        .load_g = (int32_t)e->load_g,
        .load_ml = (int32_t)e->load_ml,
        .stop = (uint8_t)e->stop_seq,
        .customer = (uint8_t)trip_intern_customer(s, e->customer_id),
    };
    s->load_g += e->load_g;
    s->load_ml += e->load_ml;
}

static void
send_unplan(bus_id delivery_id, const bus_meta *meta, bus_decision *out)
{
    deliveries_send_unplan(out, delivery_id, &(struct deliveries_unplan){.trip_id = meta->stream},
                           NULL);
}

bus_verdict
trip_remove_delivery(const struct trip *s, const struct trips_remove_delivery *cmd,
                     const bus_meta *meta, bus_decision *out)
{
    int found = trip_find_delivery(s, cmd->delivery_id);

    if (found < 0)
        return bus_refuse(out, TRIP_DELIVERY_UNKNOWN);
    (void)trips_emit_delivery_removed(
        out, &(struct trips_delivery_removed){.delivery_id = cmd->delivery_id,
                                              .load_g = s->deliveries[found].load_g,
                                              .load_ml = s->deliveries[found].load_ml,
                                              .confirmed =
                                                  s->deliveries[found].confirmed_at_version != 0,
                                              .has_reason = cmd->has_reason,
                                              .reason = cmd->reason});
    send_unplan(cmd->delivery_id, meta, out); /* leaves after the plan that was sent before it */
    return BUS_ACCEPTED;
}

/* It was cancelled, say. What it did before it agreed to be here is of an earlier stay; from
 * loading on it is on its way, and its own affair. */
bus_verdict
trip_drop_delivery(const struct trip *s, const struct trips_drop_delivery *cmd, bus_decision *out)
{
    int found = trip_find_delivery(s, cmd->delivery_id);

    if (found < 0 || s->status >= TRIPS_STATUS_LOADING ||
        cmd->version <= s->deliveries[found].confirmed_at_version)
        return bus_accept(out);
    return trips_emit_delivery_removed(
        out, &(struct trips_delivery_removed){.delivery_id = cmd->delivery_id,
                                              .load_g = s->deliveries[found].load_g,
                                              .load_ml = s->deliveries[found].load_ml,
                                              .confirmed =
                                                  s->deliveries[found].confirmed_at_version != 0,
                                              .has_reason = true,
                                              .reason = BUS_STR("The delivery left the trip.")});
}

void
trip_apply_delivery_gone(struct trip *s, bus_id id)
{
    int found = trip_find_delivery(s, id);

    BUS_INVARIANT(found >= 0);
    s->load_g -= s->deliveries[found].load_g;
    s->load_ml -= s->deliveries[found].load_ml;
    s->deliveries_count--;
    memmove(&s->deliveries[found], &s->deliveries[found + 1],
            (size_t)(s->deliveries_count - found) * sizeof(s->deliveries[0]));
}

/* A delivery is on at most one open trip: it alone knows, and its word counts. */
bus_verdict
trip_delivery_answered(const struct trip *s, const bus_answer *answer, const bus_meta *meta,
                       bus_decision *out)
{
    int  found = trip_find_delivery(s, answer->stream);
    bool wanted = found >= 0 && s->status != TRIPS_STATUS_CANCELLED;

    if (wanted && s->deliveries[found].confirmed_at_version != 0)
        return bus_accept(out);
    if (wanted && answer->accepted)
        return trips_emit_delivery_confirmed(
            out, &(struct trips_delivery_confirmed){.delivery_id = answer->stream,
                                                    .version = answer->version});
    if (wanted)
        return trips_emit_delivery_rejected(
            out, &(struct trips_delivery_rejected){.delivery_id = answer->stream,
                                                   .load_g = s->deliveries[found].load_g,
                                                   .load_ml = s->deliveries[found].load_ml,
                                                   .code = answer->code,
                                                   .detail = answer->detail});
    if (!answer->accepted)
        return bus_accept(out);
    (void)trips_emit_delivery_released(
        out, &(struct trips_delivery_released){.delivery_id = answer->stream});
    send_unplan(answer->stream, meta, out);
    return BUS_ACCEPTED;
}

/* --- vehicle and drivers -------------------------------------------------------------------- */

bus_verdict
trip_assign(const struct trip *s, const struct trips_assign *cmd, const bus_meta *meta,
            bus_decision *out)
{
    if (cmd->has_co_driver_id && bus_id_equal(cmd->co_driver_id, cmd->driver_id))
        return bus_refuse(out, TRIP_SAME_DRIVER);
    return trips_emit_assignment_requested(
        out, &(struct trips_assignment_requested){.assignment_id = bus_meta_new_id(meta, 0),
                                                  .attempt = s->attempt + 1,
                                                  .vehicle_id = cmd->vehicle_id,
                                                  .driver_id = cmd->driver_id,
                                                  .has_co_driver_id = cmd->has_co_driver_id,
                                                  .co_driver_id = cmd->co_driver_id,
                                                  .planned_from_at = s->planned_from_at,
                                                  .planned_to_at = s->planned_to_at,
                                                  .load_g = s->load_g,
                                                  .load_ml = s->load_ml,
                                                  .driving_s = s->driving_s});
}

/* The terms are this trip's from now on: a later change of tariff or pay leaves them alone. */
bus_verdict
trip_confirm(const struct trip *s, const struct trips_confirm_assignment *cmd, const bus_meta *meta,
             bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_RESOURCES_ASSIGNED};

    if (s->status != TRIPS_STATUS_ASSIGNING || !bus_id_equal(s->assignment_id, cmd->assignment_id))
        return bus_refuse(out, TRIP_NOT_RESERVED);
    if (check_capacity(s->load_g, s->load_ml, cmd->payload_g, cmd->cargo_ml, out) == BUS_REFUSED)
        return BUS_REFUSED;
    event.resources_assigned = (struct trips_resources_assigned){
        .reservation_id = cmd->assignment_id,
        .vehicle_id = cmd->vehicle_id,
        .driver_id = cmd->driver_id,
        .has_co_driver_id = cmd->has_co_driver_id,
        .co_driver_id = cmd->co_driver_id,
        .payload_g = cmd->payload_g,
        .cargo_ml = cmd->cargo_ml,
        .wear_kop_km = cmd->wear_kop_km,
        .fixed_kop_day = cmd->fixed_kop_day,
        .norm_ml_100km = cmd->norm_ml_100km,
        .pay = cmd->pay,
        .has_co_pay = cmd->has_co_pay,
        .co_pay = cmd->co_pay,
        .attempt = s->attempt,
        .planned_from_at = s->planned_from_at,
        .planned_to_at = s->planned_to_at,
    };
    (void)trips_emit_resources_assigned(out, &event.resources_assigned);
    return trip_emit_profit_after(s, &event, TRIPS_STAGE_ESTIMATED, meta, out);
}

void
trip_apply_assigned(struct trip *s, const struct trips_resources_assigned *e)
{
    s->status = TRIPS_STATUS_ASSIGNED;
    s->vehicle_id = e->vehicle_id;
    s->driver_id = e->driver_id;
    s->co_driver_id = e->has_co_driver_id ? e->co_driver_id : BUS_ID_NIL;
    s->payload_g = e->payload_g;
    s->cargo_ml = e->cargo_ml;
    s->wear_kop_km = e->wear_kop_km;
    s->fixed_kop_day = e->fixed_kop_day;
    s->norm_ml_100km = e->norm_ml_100km;
    s->pay = e->pay;
    s->co_pay = e->co_pay;
}

/* An answer of an earlier attempt, or one that a cancel overtook, is passed over. */
bus_verdict
trip_fail_assignment(const struct trip *s, const struct trips_fail_assignment *cmd,
                     bus_decision *out)
{
    if (s->status != TRIPS_STATUS_ASSIGNING || !bus_id_equal(s->assignment_id, cmd->assignment_id))
        return bus_accept(out);
    return trips_emit_assignment_failed(
        out, &(struct trips_assignment_failed){
                 .assignment_id = cmd->assignment_id, .code = cmd->code, .detail = cmd->detail});
}

/* While P1 runs nothing is ours yet, and P1 gives back what it took. */
bus_verdict
trip_cancel(const struct trip *s, const struct trips_cancel *cmd, bus_decision *out)
{
    bool   reserved = s->status == TRIPS_STATUS_ASSIGNED || s->status == TRIPS_STATUS_DISPATCHED;
    bool   co_driver = reserved && !bus_id_is_nil(s->co_driver_id);
    bus_id ids[TRIP_DELIVERIES_MAX];
    struct trips_trip_cancelled e = {
        .has_reservation_id = reserved,
        .reservation_id = s->assignment_id,
        .has_vehicle_id = reserved,
        .vehicle_id = s->vehicle_id,
        .has_driver_id = reserved,
        .driver_id = s->driver_id,
        .has_co_driver_id = co_driver,
        .co_driver_id = s->co_driver_id,
        .reason = cmd->reason,
        .delivery_ids = {ids, trip_delivery_ids(s, 0, ids), TRIP_DELIVERIES_MAX},
    };

    if (s->status == TRIPS_STATUS_ASSIGNING)
        (void)trips_emit_assignment_withdrawn(
            out, &(struct trips_assignment_withdrawn){.assignment_id = s->assignment_id});
    return trips_emit_trip_cancelled(out, &e);
}
