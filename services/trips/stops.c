/* stops.c - the road: departure, the stops one by one, and the end.
 * The one rule: times are the business's own (the device's where it gave one), never the
 * moment at which a message happened to arrive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/trips/trip.h"

#include <string.h>

static const char *const stop_status_names[] = {
    [TRIPS_STOP_STATUS_PENDING] = "PENDING", [TRIPS_STOP_STATUS_ARRIVED] = "ARRIVED",
    [TRIPS_STOP_STATUS_DONE] = "DONE",       [TRIPS_STOP_STATUS_FAILED] = "FAILED",
    [TRIPS_STOP_STATUS_SKIPPED] = "SKIPPED",
};

static bool
is_closed(const struct trip_stop *stop)
{
    return stop->status != TRIPS_STOP_STATUS_PENDING && stop->status != TRIPS_STOP_STATUS_ARRIVED;
}

static int64_t
count_stops(const struct trip *s, enum trips_stop_status status)
{
    int64_t count = 0;

    for (int32_t i = 0; i < s->stops_count; i++)
        if (s->stops[i].status == status)
            count++;
    return count;
}

/* Is the stop there, and in the status that the command needs? */
static bus_verdict
check_stop(const struct trip *s, int64_t seq, enum trips_stop_status needed, bus_decision *out)
{
    if (seq > s->stops_count)
        return trip_stop_unknown_refuse(out, &(struct trip_stop_unknown_params){.seq = seq});
    if (s->stops[seq - 1].status != needed)
        return trip_stop_state_refuse(
            out,
            &(struct trip_stop_state_params){
                .seq = seq, .status = bus_str_of(stop_status_names[s->stops[seq - 1].status])});
    return BUS_ACCEPTED;
}

/* --- departure -------------------------------------------------------------------------- */

bus_verdict
trip_depart(const struct trip *s, const struct trips_depart *cmd, const bus_meta *meta,
            bus_decision *out)
{
    int32_t utc_offset_min = (int32_t)trip_settings(meta)->utc_offset_min;
    int64_t departed_at = bus_meta_business_ms(meta);
    bus_id  ids[TRIP_DELIVERIES_MAX];

    if (s->boxes_loaded < s->boxes_sorted && !cmd->short_load)
        return trip_boxes_missing_refuse(
            out, &(struct trip_boxes_missing_params){.sorted = s->boxes_sorted,
                                                     .loaded = s->boxes_loaded});
    return trips_emit_trip_departed(
        out, &(struct trips_trip_departed){
                 .reservation_id = s->assignment_id,
                 .vehicle_id = s->vehicle_id,
                 .driver_id = s->driver_id,
                 .has_co_driver_id = !bus_id_is_nil(s->co_driver_id),
                 .co_driver_id = s->co_driver_id,
                 .odometer_m = cmd->odometer_m,
                 .departed_at = departed_at,
                 .day = bus_day_of(departed_at, utc_offset_min),
                 .utc_offset_min = utc_offset_min,
                 .short_load = cmd->short_load,
                 .delivery_ids = {ids, trip_delivery_ids(s, 0, ids), TRIP_DELIVERIES_MAX}});
}

/* --- stops --------------------------------------------------------------------------------- */

bus_verdict
trip_arrive_stop(const struct trip *s, const struct trips_arrive_stop *cmd, const bus_meta *meta,
                 bus_decision *out)
{
    int64_t arrived_at = bus_meta_business_ms(meta);
    int64_t planned_at;

    if (check_stop(s, cmd->seq, TRIPS_STOP_STATUS_PENDING, out) == BUS_REFUSED)
        return BUS_REFUSED;
    for (int32_t i = 0; i < s->stops_count; i++) {
        const struct trip_stop *stop = &s->stops[s->order[i] - 1];

        if (stop->status == TRIPS_STOP_STATUS_ARRIVED)
            return trip_stop_open_refuse(out, &(struct trip_stop_open_params){.seq = s->order[i]});
        if (s->order[i] == cmd->seq)
            break;
        if (!is_closed(stop))
            return trip_stop_order_refuse(
                out, &(struct trip_stop_order_params){.next_seq = s->order[i]});
    }
    planned_at = s->planned_from_at + (int64_t)s->stops[cmd->seq - 1].arrive_s * 1000;
    return trips_emit_stop_arrived(
        out, &(struct trips_stop_arrived){.seq = cmd->seq,
                                          .arrived_at = arrived_at,
                                          .planned_arrival_at = planned_at,
                                          .late_s = (arrived_at - planned_at) / 1000});
}

static bool
is_among(const bus_id *ids, uint32_t count, bus_id id)
{
    for (uint32_t i = 0; i < count; i++)
        if (bus_id_equal(ids[i], id))
            return true;
    return false;
}

bus_verdict
trip_complete_stop(const struct trip *s, const struct trips_complete_stop *cmd,
                   const bus_meta *meta, bus_decision *out)
{
    const bus_id *undelivered = cmd->undelivered.items;
    uint32_t      undelivered_count = cmd->undelivered.count;
    bus_id        here[TRIP_DELIVERIES_MAX], handed[TRIP_DELIVERIES_MAX], kept[TRIP_DELIVERIES_MAX];
    uint32_t      here_count, handed_count = 0, kept_count = 0;

    if (check_stop(s, cmd->seq, TRIPS_STOP_STATUS_ARRIVED, out) == BUS_REFUSED)
        return BUS_REFUSED;
    here_count = trip_delivery_ids(s, cmd->seq, here);
    for (uint32_t i = 0; i < undelivered_count; i++) {
        if (trip_find_delivery(s, undelivered[i]) < 0)
            return bus_refuse(out, TRIP_DELIVERY_UNKNOWN);
        if (!is_among(here, here_count, undelivered[i]))
            return trip_delivery_elsewhere_refuse(
                out, &(struct trip_delivery_elsewhere_params){.seq = cmd->seq});
    }
    for (uint32_t i = 0; i < here_count; i++) {
        if (is_among(undelivered, undelivered_count, here[i]))
            kept[kept_count++] = here[i];
        else
            handed[handed_count++] = here[i];
    }
    return trips_emit_stop_completed(
        out,
        &(struct trips_stop_completed){.seq = cmd->seq,
                                       .completed_at = bus_meta_business_ms(meta),
                                       .delivery_ids = {handed, handed_count, TRIP_DELIVERIES_MAX},
                                       .undelivered = {kept, kept_count, TRIP_DELIVERIES_MAX}});
}

void
trip_apply_stop_completed(struct trip *s, const struct trips_stop_completed *e)
{
    s->stops[e->seq - 1].status = TRIPS_STOP_STATUS_DONE;
    for (uint32_t i = 0; i < e->undelivered.count; i++) {
        int found = trip_find_delivery(s, e->undelivered.items[i]);

        BUS_INVARIANT(found >= 0);
        s->deliveries[found].undelivered = true;
    }
}

bus_verdict
trip_fail_stop(const struct trip *s, const struct trips_fail_stop *cmd, const bus_meta *meta,
               bus_decision *out)
{
    bus_id ids[TRIP_DELIVERIES_MAX];

    if (check_stop(s, cmd->seq, TRIPS_STOP_STATUS_ARRIVED, out) == BUS_REFUSED)
        return BUS_REFUSED;
    return trips_emit_stop_failed(
        out, &(struct trips_stop_failed){
                 .seq = cmd->seq,
                 .failed_at = bus_meta_business_ms(meta),
                 .reason = cmd->reason,
                 .has_note = cmd->has_note,
                 .note = cmd->note,
                 .delivery_ids = {ids, trip_delivery_ids(s, cmd->seq, ids), TRIP_DELIVERIES_MAX}});
}

bus_verdict
trip_skip_stop(const struct trip *s, const struct trips_skip_stop *cmd, const bus_meta *meta,
               bus_decision *out)
{
    bus_id ids[TRIP_DELIVERIES_MAX];

    if (check_stop(s, cmd->seq, TRIPS_STOP_STATUS_PENDING, out) == BUS_REFUSED)
        return BUS_REFUSED;
    return trips_emit_stop_skipped(
        out, &(struct trips_stop_skipped){
                 .seq = cmd->seq,
                 .skipped_at = bus_meta_business_ms(meta),
                 .reason = cmd->reason,
                 .has_note = cmd->has_note,
                 .note = cmd->note,
                 .delivery_ids = {ids, trip_delivery_ids(s, cmd->seq, ids), TRIP_DELIVERIES_MAX}});
}

/* The contract has checked that no seq is named twice. */
bus_verdict
trip_reorder(const struct trip *s, const struct trips_reorder_remaining *cmd, bus_decision *out)
{
    struct trips_remaining_reordered e = {
        .seqs = {cmd->seqs.items, cmd->seqs.count, cmd->seqs.capacity},
    };

    if ((int64_t)cmd->seqs.count != count_stops(s, TRIPS_STOP_STATUS_PENDING))
        return trip_reorder_incomplete_refuse(
            out, &(struct trip_reorder_incomplete_params){
                     .pending = count_stops(s, TRIPS_STOP_STATUS_PENDING)});
    for (uint32_t i = 0; i < cmd->seqs.count; i++)
        if (check_stop(s, cmd->seqs.items[i], TRIPS_STOP_STATUS_PENDING, out) == BUS_REFUSED)
            return BUS_REFUSED;
    return trips_emit_remaining_reordered(out, &e);
}

/* What is closed or reached keeps its place before the rest. */
void
trip_apply_reordered(struct trip *s, const struct trips_remaining_reordered *e)
{
    int32_t place = 0;

    for (int32_t i = 0; i < s->stops_count; i++)
        if (s->stops[s->order[i] - 1].status != TRIPS_STOP_STATUS_PENDING)
            s->order[place++] = s->order[i];
    BUS_INVARIANT(place + (int32_t)e->seqs.count == s->stops_count);
    for (uint32_t i = 0; i < e->seqs.count; i++)
        s->order[place++] = (uint8_t)e->seqs.items[i];
}

/* --- the end ---------------------------------------------------------------------------------- */

/* The vehicle's day hears of the seconds, and the trip settles by itself some days later. */
static void
close_the_road(const struct trip *s, int64_t duration_s, const bus_meta *meta, bus_decision *out)
{
    if (s->departed_at != 0)
        trips_send_count_day_seconds(
            out, vehicle_day_stream(s->vehicle_id, s->day),
            &(struct trips_count_day_seconds){.trip_id = meta->stream,
                                              .vehicle_id = s->vehicle_id,
                                              .day = s->day,
                                              .fixed_kop_day = s->fixed_kop_day,
                                              .duration_s = duration_s},
            NULL);
    bus_wake_at(out, &trips_settlement_due_command,
                meta->at_ms + trip_settings(meta)->settle_after_s * 1000);
}

static bus_verdict
check_odometer(const struct trip *s, int64_t odometer_m, bool explained, const bus_meta *meta,
               bus_decision *out)
{
    int64_t driven_m = odometer_m - s->odometer_start_m;
    int64_t apart_m = driven_m > s->gps_m ? driven_m - s->gps_m : s->gps_m - driven_m;

    if (driven_m < 0)
        return trip_odometer_back_refuse(
            out, &(struct trip_odometer_back_params){.start_m = s->odometer_start_m});
    if (s->gps_m > 0 && !explained &&
        apart_m * 10000 > s->gps_m * trip_settings(meta)->gps_tolerance_bp)
        return trip_odometer_deviates_refuse(
            out, &(struct trip_odometer_deviates_params){.driven_m = driven_m, .gps_m = s->gps_m});
    return BUS_ACCEPTED;
}

bus_verdict
trip_finish(const struct trip *s, const struct trips_finish *cmd, const bus_meta *meta,
            bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_TRIP_COMPLETED};
    int64_t                 open =
        count_stops(s, TRIPS_STOP_STATUS_PENDING) + count_stops(s, TRIPS_STOP_STATUS_ARRIVED);
    int64_t finished_at = bus_meta_business_ms(meta);
    bus_id  ids[TRIP_DELIVERIES_MAX];

    if (open > 0)
        return trip_stops_pending_refuse(out, &(struct trip_stops_pending_params){.count = open});
    if (finished_at < s->departed_at)
        return trip_stale(s->departed_at, meta, out);
    if (check_odometer(s, cmd->odometer_m, cmd->has_reason, meta, out) == BUS_REFUSED)
        return BUS_REFUSED;
    event.trip_completed = (struct trips_trip_completed){
        .reservation_id = s->assignment_id,
        .vehicle_id = s->vehicle_id,
        .driver_id = s->driver_id,
        .has_co_driver_id = !bus_id_is_nil(s->co_driver_id),
        .co_driver_id = s->co_driver_id,
        .odometer_m = cmd->odometer_m,
        .driven_m = cmd->odometer_m - s->odometer_start_m,
        .departed_at = s->departed_at,
        .finished_at = finished_at,
        .duration_s = (finished_at - s->departed_at) / 1000,
        .day = s->day,
        .has_gps_m = s->gps_m > 0,
        .gps_m = s->gps_m,
        .has_stops_arrived = true,
        .stops_arrived = s->stops_arrived,
        .has_stops_on_time = true,
        .stops_on_time = s->stops_on_time,
        .has_stops_damaged = true,
        .stops_damaged = s->stops_damaged,
        .has_reason = cmd->has_reason,
        .reason = cmd->reason,
        .delivery_ids = {ids, trip_delivery_ids(s, 0, ids), TRIP_DELIVERIES_MAX},
    };
    (void)trips_emit_trip_completed(out, &event.trip_completed);
    close_the_road(s, event.trip_completed.duration_s, meta, out);
    return trip_emit_profit_after(s, &event, TRIPS_STAGE_PROVISIONAL, meta, out);
}

/* Without a reading of the odometer GPS tells how far it came. */
bus_verdict
trip_abort(const struct trip *s, const struct trips_abort *cmd, const bus_meta *meta,
           bus_decision *out)
{
    struct trips_trip_event event = {.kind = TRIPS_TRIP_ABORTED};
    int32_t                 utc_offset_min = (int32_t)trip_settings(meta)->utc_offset_min;
    int64_t                 finished_at = bus_meta_business_ms(meta);
    bool                    left = s->departed_at != 0;
    bool                    read = left && cmd->has_odometer_m;
    bus_id                  ids[TRIP_DELIVERIES_MAX];
    uint32_t                count = 0;

    if (left && finished_at < s->departed_at)
        return trip_stale(s->departed_at, meta, out);
    if (read && cmd->odometer_m < s->odometer_start_m)
        return trip_odometer_back_refuse(
            out, &(struct trip_odometer_back_params){.start_m = s->odometer_start_m});
    for (int32_t i = 0; i < s->deliveries_count; i++) {
        const struct trip_delivery *d = &s->deliveries[i];

        if (s->stops[d->stop - 1].status != TRIPS_STOP_STATUS_DONE || d->undelivered)
            ids[count++] = d->id;
    }
    event.trip_aborted = (struct trips_trip_aborted){
        .reservation_id = s->assignment_id,
        .vehicle_id = s->vehicle_id,
        .driver_id = s->driver_id,
        .has_co_driver_id = !bus_id_is_nil(s->co_driver_id),
        .co_driver_id = s->co_driver_id,
        .has_odometer_m = read,
        .odometer_m = cmd->odometer_m,
        .driven_m = read   ? cmd->odometer_m - s->odometer_start_m
                    : left ? s->gps_m
                           : 0,
        .has_departed_at = left,
        .departed_at = s->departed_at,
        .finished_at = finished_at,
        .duration_s = left ? (finished_at - s->departed_at) / 1000 : 0,
        .day = left ? s->day : bus_day_of(finished_at, utc_offset_min),
        .utc_offset_min = utc_offset_min,
        .has_stops_arrived = true,
        .stops_arrived = s->stops_arrived,
        .has_stops_on_time = true,
        .stops_on_time = s->stops_on_time,
        .has_stops_damaged = true,
        .stops_damaged = s->stops_damaged,
        .reason = cmd->reason,
        .delivery_ids = {ids, count, TRIP_DELIVERIES_MAX},
    };
    (void)trips_emit_trip_aborted(out, &event.trip_aborted);
    close_the_road(s, event.trip_aborted.duration_s, meta, out);
    return trip_emit_profit_after(s, &event, TRIPS_STAGE_PROVISIONAL, meta, out);
}
