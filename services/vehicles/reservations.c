/* reservations.c - a vehicle's time: intervals held for trips. No two overlap, none lies in a
 * maintenance window or beyond the papers that the road asks for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/vehicle.h"

static int32_t
find_reservation(const struct vehicle *s, bus_id id)
{
    for (int32_t i = 0; i < s->reservations_count; i++)
        if (bus_id_equal(s->reservations[i].id, id))
            return i;
    return -1;
}

static bool
is_barred(const struct vehicle *s, bus_id id)
{
    for (int32_t i = 0; i < s->barred_count; i++)
        if (bus_id_equal(s->barred[i], id))
            return true;
    return false;
}

static bool
is_under_way(const struct vehicle *s, bus_id reservation)
{
    return !bus_id_is_nil(s->on_trip) && bus_id_equal(s->on_trip, reservation);
}

/* The one that ended first of those that are over and not under way; -1: all are needed. */
static int32_t
find_over(const struct vehicle *s, int64_t now_ms)
{
    int32_t over = -1;

    for (int32_t i = 0; i < s->reservations_count; i++)
        if (s->reservations[i].to_at <= now_ms && !is_under_way(s, s->reservations[i].id) &&
            (over < 0 || s->reservations[i].to_at < s->reservations[over].to_at))
            over = i;
    return over;
}

/* --- may it be reserved? ------------------------------------------------------------------ */

bus_verdict
vehicle_check_interval(int64_t from_at, int64_t to_at, bus_decision *out)
{
    if (from_at >= to_at)
        return bus_refuse(out, VEHICLE_INTERVAL_EMPTY);
    if (to_at - from_at > VEHICLE_INTERVAL_MAX_DAYS * BUS_DAY_MS)
        return vehicle_interval_too_long_refuse(
            out, &(struct vehicle_interval_too_long_params){.max_days = VEHICLE_INTERVAL_MAX_DAYS});
    return BUS_ACCEPTED;
}

/* A trip that is late holds its vehicle until it is over, whatever was planned. */
static bus_verdict
check_reservations(const struct vehicle *s, const struct vehicles_reserve *cmd,
                   const bus_meta *meta, bus_decision *out)
{
    const struct vehicles_settings *rules = meta->settings;
    int32_t                         zone = (int32_t)rules->utc_offset_min;
    char                            from[BUS_MINUTE_TEXT_BYTES], to[BUS_MINUTE_TEXT_BYTES];

    for (int32_t i = 0; i < s->reservations_count; i++) {
        const struct vehicle_reservation *r = &s->reservations[i];
        int64_t to_at = is_under_way(s, r->id) && r->to_at < meta->at_ms ? meta->at_ms : r->to_at;

        if (cmd->from_at < to_at && r->from_at < cmd->to_at)
            return vehicle_busy_refuse(
                out, &(struct vehicle_busy_params){.trip_id = r->trip_id,
                                                   .from_at = r->from_at,
                                                   .to_at = to_at,
                                                   .from = bus_minute_text(r->from_at, zone, from),
                                                   .to = bus_minute_text(to_at, zone, to)});
    }
    return BUS_ACCEPTED;
}

static bus_verdict
in_maintenance(int64_t from_at, int64_t to_at, const struct vehicles_settings *rules,
               bus_decision *out)
{
    int32_t zone = (int32_t)rules->utc_offset_min;
    char    from[BUS_MINUTE_TEXT_BYTES], to[BUS_MINUTE_TEXT_BYTES];

    return vehicle_in_maintenance_refuse(
        out, &(struct vehicle_in_maintenance_params){.from_at = from_at,
                                                     .to_at = to_at,
                                                     .from = bus_minute_text(from_at, zone, from),
                                                     .to = bus_minute_text(to_at, zone, to)});
}

static bus_verdict
check_maintenance(const struct vehicle *s, const struct vehicles_reserve *cmd, const bus_meta *meta,
                  bus_decision *out)
{
    if (s->status == VEHICLES_STATUS_MAINTENANCE && cmd->from_at < s->maintenance_until_at)
        return in_maintenance(meta->at_ms < s->maintenance_until_at ? meta->at_ms : cmd->from_at,
                              s->maintenance_until_at, meta->settings, out);
    for (int32_t i = 0; i < s->windows_count; i++)
        if (cmd->from_at < s->windows[i].to_at && s->windows[i].from_at < cmd->to_at)
            return in_maintenance(s->windows[i].from_at, s->windows[i].to_at, meta->settings, out);
    return BUS_ACCEPTED;
}

static bus_verdict
check_paper(const struct vehicle *s, enum vehicles_document_kind kind, const char *name,
            int32_t first, int32_t last, bus_decision *out)
{
    char    text[BUS_DAY_TEXT_BYTES];
    int32_t until;

    if (s->papers_count[kind] == 0)
        return vehicle_document_missing_refuse(
            out, &(struct vehicle_document_missing_params){.kind = bus_str_load(name)});
    if (vehicle_papers_cover(s, kind, first, last, &until))
        return BUS_ACCEPTED;
    return vehicle_document_expires_refuse(
        out, &(struct vehicle_document_expires_params){.kind = bus_str_load(name),
                                                       .to_on = bus_day_text(until, text)});
}

static bus_verdict
check_papers(const struct vehicle *s, const struct vehicles_reserve *cmd,
             const struct vehicles_settings *rules, bus_decision *out)
{
    int32_t zone = (int32_t)rules->utc_offset_min;
    int32_t first = bus_day_of(cmd->from_at, zone), last = bus_day_of(cmd->to_at - 1, zone);

    if (rules->osago_required &&
        check_paper(s, VEHICLES_DOCUMENT_KIND_OSAGO, "OSAGO", first, last, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if (rules->inspection_required)
        return check_paper(s, VEHICLES_DOCUMENT_KIND_INSPECTION, "INSPECTION", first, last, out);
    return BUS_ACCEPTED;
}

static bus_verdict
check_load(const struct vehicle *s, const struct vehicles_reserve *cmd, bus_decision *out)
{
    int64_t load_g = cmd->has_load_g ? cmd->load_g : 0;
    int64_t load_ml = cmd->has_load_ml ? cmd->load_ml : 0;

    if (load_g <= s->specs.payload_g && load_ml <= s->specs.cargo_ml)
        return BUS_ACCEPTED;
    return vehicle_overloaded_refuse(
        out, &(struct vehicle_overloaded_params){.load_g = load_g,
                                                 .load_ml = load_ml,
                                                 .payload_g = s->specs.payload_g,
                                                 .cargo_ml = s->specs.cargo_ml});
}

static bus_verdict
check_state(const struct vehicle *s, bus_decision *out)
{
    const char *unusable = NULL;

    switch (s->status) {
    case VEHICLES_STATUS_AVAILABLE:
    case VEHICLES_STATUS_ON_TRIP: break;
    case VEHICLES_STATUS_MAINTENANCE: /* usable again, if it is known when */
        unusable = s->maintenance_until_at == 0 ? "MAINTENANCE" : NULL;
        break;
    case VEHICLES_STATUS_BLOCKED: unusable = "BLOCKED"; break;
    case VEHICLES_STATUS_RETIRED: unusable = "RETIRED"; break;
    }
    if (unusable == NULL)
        return BUS_ACCEPTED;
    return vehicle_unusable_refuse(
        out, &(struct vehicle_unusable_params){.status = bus_str_load(unusable)});
}

/* The norm of the season in which the trip begins. */
static int64_t
norm_at(const struct vehicle *s, int64_t at_ms, const struct vehicles_settings *rules)
{
    int64_t first = rules->winter_from_month, last = rules->winter_to_month;
    int32_t year, month, day;
    bool    winter;

    bus_civil_from_days(bus_day_of(at_ms, (int32_t)rules->utc_offset_min), &year, &month, &day);
    winter = first <= last ? month >= first && month <= last : month >= first || month <= last;
    return winter ? s->specs.norm_winter_ml_100km : s->specs.norm_summer_ml_100km;
}

static bus_verdict
emit_reserved(const struct vehicle *s, const struct vehicles_reserve *cmd, const bus_meta *meta,
              bus_decision *out)
{
    return vehicles_emit_reserved(
        out, &(struct vehicles_reserved){.reservation_id = cmd->reservation_id,
                                         .trip_id = cmd->trip_id,
                                         .from_at = cmd->from_at,
                                         .to_at = cmd->to_at,
                                         .load_g = cmd->has_load_g ? cmd->load_g : 0,
                                         .load_ml = cmd->has_load_ml ? cmd->load_ml : 0,
                                         .norm_ml_100km = norm_at(s, cmd->from_at, meta->settings),
                                         .fuel = s->specs.fuel,
                                         .odometer_m = s->odometer_m,
                                         .class = s->specs.class,
                                         .payload_g = s->specs.payload_g,
                                         .cargo_ml = s->specs.cargo_ml,
                                         .wear_kop_km = s->specs.wear_kop_km,
                                         .fixed_kop_day = s->specs.fixed_kop_day,
                                         .has_reserved_at = true,
                                         .reserved_at = meta->at_ms});
}

static bus_verdict
decide_again(const struct vehicle_reservation *held, const struct vehicles_reserve *cmd,
             bus_decision *out)
{
    if (bus_id_equal(held->trip_id, cmd->trip_id) && held->from_at == cmd->from_at &&
        held->to_at == cmd->to_at)
        return bus_accept(out);
    return bus_refuse(out, VEHICLE_RESERVATION_DIFFERS);
}

bus_verdict
vehicle_decide_reserve(const struct vehicle *s, const struct vehicles_reserve *cmd,
                       const bus_meta *meta, bus_decision *out)
{
    int32_t held = find_reservation(s, cmd->reservation_id);

    if (held >= 0)
        return decide_again(&s->reservations[held], cmd, out);
    if (is_barred(s, cmd->reservation_id))
        return bus_refuse(out, VEHICLE_RESERVATION_BARRED);
    if (check_state(s, out) == BUS_REFUSED ||
        vehicle_check_interval(cmd->from_at, cmd->to_at, out) == BUS_REFUSED ||
        check_reservations(s, cmd, meta, out) == BUS_REFUSED ||
        check_maintenance(s, cmd, meta, out) == BUS_REFUSED ||
        check_papers(s, cmd, meta->settings, out) == BUS_REFUSED ||
        check_load(s, cmd, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if (s->reservations_count == VEHICLE_RESERVATIONS_MAX && find_over(s, meta->at_ms) < 0)
        return vehicle_reservations_full_refuse(
            out, &(struct vehicle_reservations_full_params){.max = VEHICLE_RESERVATIONS_MAX});
    return emit_reserved(s, cmd, meta, out);
}

bus_verdict
vehicle_decide_release(const struct vehicle *s, const struct vehicles_release *cmd,
                       const bus_meta *meta, bus_decision *out)
{
    int32_t i = find_reservation(s, cmd->reservation_id);

    if (is_under_way(s, cmd->reservation_id))
        return vehicle_trip_under_way_refuse(
            out, &(struct vehicle_trip_under_way_params){.trip_id = s->on_trip_id});
    if (i >= 0)
        return vehicles_emit_released(
            out, &(struct vehicles_released){.reservation_id = cmd->reservation_id,
                                             .trip_id = s->reservations[i].trip_id,
                                             .released_at = meta->at_ms,
                                             .has_reason = cmd->has_reason,
                                             .reason = cmd->reason});
    if (is_barred(s, cmd->reservation_id))
        return bus_accept(out);
    return vehicles_emit_reservation_barred(
        out, &(struct vehicles_reservation_barred){.reservation_id = cmd->reservation_id});
}

/* --- on the road --------------------------------------------------------------------------- */

/* A departure is a fact: it counts even if somebody took the reservation back. */
bus_verdict
vehicle_decide_start(const struct vehicle *s, const struct vehicles_start_trip *cmd,
                     const bus_meta *meta, bus_decision *out)
{
    if (is_under_way(s, cmd->reservation_id))
        return bus_accept(out);
    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    (void)vehicles_emit_trip_started(
        out, &(struct vehicles_trip_started){.reservation_id = cmd->reservation_id,
                                             .trip_id = cmd->trip_id,
                                             .driver_id = cmd->driver_id,
                                             .started_at = cmd->departed_at});
    return vehicle_take_reading(s,
                                &(struct vehicles_odometer_recorded){.odometer_m = cmd->odometer_m,
                                                                     .has_driver_id = true,
                                                                     .driver_id = cmd->driver_id,
                                                                     .source = VEHICLES_SOURCE_TRIP,
                                                                     .read_at = cmd->departed_at},
                                meta, out);
}

bus_verdict
vehicle_decide_finish(const struct vehicle *s, const struct vehicles_finish_trip *cmd,
                      const bus_meta *meta, bus_decision *out)
{
    bool under_way = is_under_way(s, cmd->reservation_id);

    if (!under_way && find_reservation(s, cmd->reservation_id) < 0)
        return bus_accept(out);
    (void)vehicles_emit_trip_finished(
        out, &(struct vehicles_trip_finished){.reservation_id = cmd->reservation_id,
                                              .trip_id = cmd->trip_id,
                                              .finished_at = cmd->finished_at,
                                              .was_on_trip = under_way});
    if (!cmd->has_odometer_m)
        return BUS_ACCEPTED;
    return vehicle_take_reading(
        s,
        &(struct vehicles_odometer_recorded){.odometer_m = cmd->odometer_m,
                                             .has_driver_id = cmd->has_driver_id,
                                             .driver_id = cmd->driver_id,
                                             .source = VEHICLES_SOURCE_TRIP,
                                             .read_at = cmd->finished_at},
        meta, out);
}

/* --- apply ----------------------------------------------------------------------------------- */

void
vehicle_apply_barred(struct vehicle *s, bus_id reservation)
{
    s->barred[s->barred_next] = reservation;
    s->barred_next = (s->barred_next + 1) % VEHICLE_BARRED_MAX;
    if (s->barred_count < VEHICLE_BARRED_MAX)
        s->barred_count++;
}

static void
remove_at(struct vehicle *s, int32_t i)
{
    s->reservations[i] = s->reservations[--s->reservations_count];
    s->reservations[s->reservations_count] = (struct vehicle_reservation){0};
}

void
vehicle_apply_reserved(struct vehicle *s, const struct vehicles_reserved *e)
{
    if (s->reservations_count == VEHICLE_RESERVATIONS_MAX && e->has_reserved_at) {
        int32_t over = find_over(s, e->reserved_at);

        BUS_INVARIANT(over >= 0);
        remove_at(s, over);
    }
    BUS_INVARIANT(s->reservations_count < VEHICLE_RESERVATIONS_MAX);
    s->reservations[s->reservations_count++] = (struct vehicle_reservation){.id = e->reservation_id,
                                                                            .trip_id = e->trip_id,
                                                                            .from_at = e->from_at,
                                                                            .to_at = e->to_at,
                                                                            .load_g = e->load_g,
                                                                            .load_ml = e->load_ml};
}

void
vehicle_apply_released(struct vehicle *s, const struct vehicles_released *e)
{
    int32_t i = find_reservation(s, e->reservation_id);

    BUS_INVARIANT(i >= 0);
    remove_at(s, i);
    vehicle_apply_barred(s, e->reservation_id);
}

/* Trips are told of in any order: the one that departed last is the one under way. */
void
vehicle_apply_started(struct vehicle *s, const struct vehicles_trip_started *e)
{
    if (!bus_id_is_nil(s->on_trip) && e->started_at < s->on_trip_since_at)
        return;
    s->on_trip = e->reservation_id;
    s->on_trip_id = e->trip_id;
    s->on_trip_since_at = e->started_at;
    s->driver_id = e->driver_id;
}

void
vehicle_apply_finished(struct vehicle *s, const struct vehicles_trip_finished *e)
{
    int32_t i = find_reservation(s, e->reservation_id);

    if (i >= 0)
        remove_at(s, i);
    vehicle_apply_barred(s, e->reservation_id);
    if (!e->was_on_trip)
        return;
    s->on_trip = s->on_trip_id = s->driver_id = BUS_ID_NIL;
    s->on_trip_since_at = 0;
}
