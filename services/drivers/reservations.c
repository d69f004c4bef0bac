/* reservations.c - a driver's time: what is held for trips, and what the papers allow.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/driver.h"

static int32_t
find_open(const struct driver *s, bus_id id)
{
    for (int32_t i = 0; i < s->open_count; i++)
        if (bus_id_equal(s->open[i].id, id))
            return i;
    return -1;
}

static int32_t
find_past(const struct driver *s, bus_id id)
{
    for (int32_t i = 0; i < s->past_count; i++)
        if (bus_id_equal(s->past[i].id, id))
            return i;
    return -1;
}

static bool
is_barred(const struct driver *s, bus_id id)
{
    for (int32_t i = 0; i < s->barred_count; i++)
        if (bus_id_equal(s->barred[i], id))
            return true;
    return false;
}

static bool
is_under_way(const struct driver *s, bus_id reservation)
{
    return !bus_id_is_nil(s->on_trip) && bus_id_equal(s->on_trip, reservation);
}

/* The one that ended first of those that are over and not under way; -1: all are needed. */
static int32_t
find_over(const struct driver *s, int64_t now_ms)
{
    int32_t over = -1;

    for (int32_t i = 0; i < s->open_count; i++)
        if (s->open[i].to_at <= now_ms && !is_under_way(s, s->open[i].id) &&
            (over < 0 || s->open[i].to_at < s->open[over].to_at))
            over = i;
    return over;
}

/* --- may the driver drive that? -------------------------------------------------------- */

bus_verdict
driver_check_interval(int64_t from_at, int64_t to_at, bus_decision *out)
{
    if (from_at >= to_at)
        return bus_refuse(out, DRIVER_INTERVAL_EMPTY);
    if (to_at - from_at > DRIVER_INTERVAL_MAX_DAYS * BUS_DAY_MS)
        return driver_interval_too_long_refuse(
            out, &(struct driver_interval_too_long_params){.max_days = DRIVER_INTERVAL_MAX_DAYS});
    return BUS_ACCEPTED;
}

/* A trip that is late holds its driver until it is over, whatever was planned. */
static bus_verdict
check_reservations(const struct driver *s, const struct drivers_reserve *cmd, const bus_meta *meta,
                   bus_decision *out)
{
    int32_t zone = driver_zone(meta);
    char    from[BUS_MINUTE_TEXT_BYTES], to[BUS_MINUTE_TEXT_BYTES];

    for (int32_t i = 0; i < s->open_count; i++) {
        const struct driver_reservation *r = &s->open[i];
        int64_t to_at = is_under_way(s, r->id) && r->to_at < meta->at_ms ? meta->at_ms : r->to_at;

        if (cmd->from_at < to_at && r->from_at < cmd->to_at)
            return driver_busy_refuse(
                out, &(struct driver_busy_params){.trip_id = r->trip_id,
                                                  .from_at = r->from_at,
                                                  .to_at = to_at,
                                                  .from = bus_minute_text(r->from_at, zone, from),
                                                  .to = bus_minute_text(to_at, zone, to)});
    }
    return BUS_ACCEPTED;
}

#define CATEGORY(name) (1u << DRIVERS_CATEGORY_##name)

/* What a class of vehicles asks of a licence: a van up to 3.5 t, a truck up to 7.5 t, any truck,
 * a truck with a trailer (Federal law 196-FZ, article 25). */
static uint32_t
categories_for(enum drivers_vehicle_class vehicle_class, const char **name)
{
    switch (vehicle_class) {
    case DRIVERS_VEHICLE_CLASS_VAN: *name = "VAN"; return CATEGORY(B) | CATEGORY(BE);
    case DRIVERS_VEHICLE_CLASS_TRUCK_5T:
        *name = "TRUCK_5T";
        return CATEGORY(C1) | CATEGORY(C1E) | CATEGORY(C) | CATEGORY(CE);
    case DRIVERS_VEHICLE_CLASS_TRUCK_10T: *name = "TRUCK_10T"; return CATEGORY(C) | CATEGORY(CE);
    case DRIVERS_VEHICLE_CLASS_TRACTOR: *name = "TRACTOR"; return CATEGORY(CE);
    }
    BUS_UNREACHABLE();
}

static bus_verdict
check_category(const struct driver *s, const struct drivers_reserve *cmd, bus_decision *out)
{
    const char *name;

    if (!cmd->has_vehicle_class || (s->categories & categories_for(cmd->vehicle_class, &name)) != 0)
        return BUS_ACCEPTED;
    return driver_category_unfit_refuse(
        out, &(struct driver_category_unfit_params){.vehicle_class = bus_str_load(name)});
}

static bus_verdict
check_papers(const struct driver *s, const struct drivers_reserve *cmd, const bus_meta *meta,
             bus_decision *out)
{
    int32_t last_day = bus_day_of(cmd->to_at - 1, driver_zone(meta));
    char    text[BUS_DAY_TEXT_BYTES];

    if (s->licence_valid_to < last_day)
        return driver_licence_expires_refuse(
            out, &(struct driver_licence_expires_params){
                     .valid_to = bus_day_text(s->licence_valid_to, text)});
    if (s->medical_valid_to < last_day)
        return driver_medical_expires_refuse(
            out, &(struct driver_medical_expires_params){
                     .valid_to = bus_day_text(s->medical_valid_to, text)});
    return BUS_ACCEPTED;
}

/* --- reserve, release ------------------------------------------------------------------ */

static bus_verdict
emit_reserved(const struct driver *s, const struct drivers_reserve *cmd, const bus_meta *meta,
              bus_decision *out)
{
    const struct drivers_pay *pay = driver_pay_at(s, cmd->from_at);

    return drivers_emit_reserved(
        out, &(struct drivers_reserved){.reservation_id = cmd->reservation_id,
                                        .trip_id = cmd->trip_id,
                                        .from_at = cmd->from_at,
                                        .to_at = cmd->to_at,
                                        .driving_s = cmd->has_driving_s ? cmd->driving_s : 0,
                                        .reserved_at = meta->at_ms,
                                        .per_trip_kop = pay->per_trip_kop,
                                        .per_km_kop = pay->per_km_kop,
                                        .per_point_kop = pay->per_point_kop,
                                        .per_hour_kop = pay->per_hour_kop,
                                        .pct_bp = pay->pct_bp});
}

static bus_verdict
decide_again(const struct driver_reservation *held, const struct drivers_reserve *cmd,
             bus_decision *out)
{
    if (bus_id_equal(held->trip_id, cmd->trip_id) && held->from_at == cmd->from_at &&
        held->to_at == cmd->to_at)
        return bus_accept(out);
    return bus_refuse(out, DRIVER_RESERVATION_DIFFERS);
}

bus_verdict
driver_decide_reserve(const struct driver *s, const struct drivers_reserve *cmd,
                      const bus_meta *meta, bus_decision *out)
{
    int32_t open = find_open(s, cmd->reservation_id), past = find_past(s, cmd->reservation_id);

    if (open >= 0 || past >= 0)
        return decide_again(open >= 0 ? &s->open[open] : &s->past[past], cmd, out);
    if (is_barred(s, cmd->reservation_id))
        return bus_refuse(out, DRIVER_RESERVATION_BARRED);
    if (s->status != DRIVERS_STATUS_ACTIVE)
        return driver_not_active_refuse(out,
                                        &(struct driver_not_active_params){
                                            .status = bus_str_load(driver_status_name(s->status))});
    if (driver_check_interval(cmd->from_at, cmd->to_at, out) == BUS_REFUSED ||
        check_reservations(s, cmd, meta, out) == BUS_REFUSED ||
        check_category(s, cmd, out) == BUS_REFUSED ||
        check_papers(s, cmd, meta, out) == BUS_REFUSED ||
        driver_check_limits(s, cmd, meta->settings, out) == BUS_REFUSED)
        return BUS_REFUSED;
    if (s->open_count == DRIVER_RESERVATIONS_MAX && find_over(s, meta->at_ms) < 0)
        return driver_reservations_full_refuse(
            out, &(struct driver_reservations_full_params){.max = DRIVER_RESERVATIONS_MAX});
    return emit_reserved(s, cmd, meta, out);
}

bus_verdict
driver_decide_release(const struct driver *s, const struct drivers_release *cmd,
                      const bus_meta *meta, bus_decision *out)
{
    int32_t i = find_open(s, cmd->reservation_id);

    if (is_under_way(s, cmd->reservation_id))
        return driver_trip_under_way_refuse(
            out, &(struct driver_trip_under_way_params){.trip_id = s->on_trip_id});
    if (i >= 0)
        return drivers_emit_released(
            out, &(struct drivers_released){.reservation_id = cmd->reservation_id,
                                            .trip_id = s->open[i].trip_id,
                                            .released_at = meta->at_ms,
                                            .has_reason = cmd->has_reason,
                                            .reason = cmd->reason});
    if (is_barred(s, cmd->reservation_id) || find_past(s, cmd->reservation_id) >= 0)
        return bus_accept(out);
    return drivers_emit_reservation_barred(
        out, &(struct drivers_reservation_barred){.reservation_id = cmd->reservation_id});
}

/* --- on the road ----------------------------------------------------------------------- */

/* A departure is a fact: it counts even if somebody took the reservation back. */
bus_verdict
driver_decide_start_trip(const struct driver *s, const struct drivers_start_trip *cmd,
                         bus_decision *out)
{
    if (is_under_way(s, cmd->reservation_id))
        return bus_accept(out);
    if (s->status == DRIVERS_STATUS_DISMISSED)
        return driver_wrong_state(s, out);
    return drivers_emit_trip_started(
        out, &(struct drivers_trip_started){.reservation_id = cmd->reservation_id,
                                            .trip_id = cmd->trip_id,
                                            .started_at = cmd->departed_at});
}

bus_verdict
driver_decide_end(const struct driver *s, const struct drivers_end_reservation *cmd,
                  bus_decision *out)
{
    if (!is_under_way(s, cmd->reservation_id) && find_open(s, cmd->reservation_id) < 0)
        return bus_accept(out);
    return drivers_emit_reservation_ended(
        out, &(struct drivers_reservation_ended){.reservation_id = cmd->reservation_id,
                                                 .trip_id = cmd->trip_id,
                                                 .ended_at = cmd->ended_at});
}

/* --- apply -------------------------------------------------------------------------------- */

static void
bar(struct driver *s, bus_id id)
{
    s->barred[s->barred_next] = id;
    s->barred_next = (s->barred_next + 1) % DRIVER_BARRED_MAX;
    if (s->barred_count < DRIVER_BARRED_MAX)
        s->barred_count++;
}

static void
remove_open(struct driver *s, int32_t i)
{
    s->open[i] = s->open[--s->open_count];
    s->open[s->open_count] = (struct driver_reservation){0};
}

/* It counts towards the limits of its days for as long as it is kept. */
static void
make_past(struct driver *s, int32_t i)
{
    s->past[s->past_next] = s->open[i];
    s->past_next = (s->past_next + 1) % DRIVER_PAST_MAX;
    if (s->past_count < DRIVER_PAST_MAX)
        s->past_count++;
    remove_open(s, i);
}

void
driver_apply_reserved(struct driver *s, const struct drivers_reserved *e)
{
    if (s->open_count == DRIVER_RESERVATIONS_MAX) {
        int32_t over = find_over(s, e->reserved_at);

        BUS_INVARIANT(over >= 0);
        make_past(s, over);
    }
    s->open[s->open_count++] = (struct driver_reservation){.id = e->reservation_id,
                                                           .trip_id = e->trip_id,
                                                           .from_at = e->from_at,
                                                           .to_at = e->to_at,
                                                           .driving_s = e->driving_s};
}

void
driver_apply_released(struct driver *s, const struct drivers_released *e)
{
    int32_t i = find_open(s, e->reservation_id);

    BUS_INVARIANT(i >= 0);
    remove_open(s, i);
    bar(s, e->reservation_id);
}

void
driver_apply_barred(struct driver *s, const struct drivers_reservation_barred *e)
{
    bar(s, e->reservation_id);
}

/* Trips are told of in any order: the one that departed last is the one under way. */
void
driver_apply_started(struct driver *s, const struct drivers_trip_started *e)
{
    if (!bus_id_is_nil(s->on_trip) && e->started_at < s->on_trip_since_at)
        return;
    s->on_trip = e->reservation_id;
    s->on_trip_id = e->trip_id;
    s->on_trip_since_at = e->started_at;
}

void
driver_apply_ended(struct driver *s, const struct drivers_reservation_ended *e)
{
    int32_t i = find_open(s, e->reservation_id);

    if (is_under_way(s, e->reservation_id)) {
        s->on_trip = s->on_trip_id = BUS_ID_NIL;
        s->on_trip_since_at = 0;
    }
    if (i >= 0)
        make_past(s, i);
}
