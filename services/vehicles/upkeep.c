/* upkeep.c - what keeps a vehicle on the road: papers, service plans, the workshop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/vehicle.h"

/* --- papers ------------------------------------------------------------------------------- */

bus_verdict
vehicle_decide_add_document(const struct vehicle *s, const struct vehicles_add_document *cmd,
                            bus_decision *out)
{
    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    if (cmd->from_on > cmd->to_on)
        return bus_refuse(out, VEHICLE_INTERVAL_EMPTY);
    return vehicles_emit_document_added(out,
                                        &(struct vehicles_document_added){.kind = cmd->kind,
                                                                          .number = cmd->number,
                                                                          .from_on = cmd->from_on,
                                                                          .to_on = cmd->to_on});
}

/* Where a paper goes: over the one of its number, to a free place, over the one that ends
 * first. */
static struct vehicle_paper *
place_for(struct vehicle *s, enum vehicles_document_kind kind, bus_str number)
{
    struct vehicle_paper *papers = s->papers[kind], *first = &papers[0];

    for (int32_t i = 0; i < s->papers_count[kind]; i++) {
        if (bus_str_is(number, papers[i].number))
            return &papers[i];
        if (papers[i].to_on < first->to_on)
            first = &papers[i];
    }
    if (s->papers_count[kind] == VEHICLE_PAPERS_MAX)
        return first;
    return &papers[s->papers_count[kind]++];
}

void
vehicle_apply_document(struct vehicle *s, const struct vehicles_document_added *e)
{
    struct vehicle_paper *paper = place_for(s, e->kind, e->number);

    bus_str_store(paper->number, sizeof(paper->number), e->number);
    paper->from_on = e->from_on;
    paper->to_on = e->to_on;
}

/* The last day to which the papers that hold on a day reach; the day before it: none does. */
static int32_t
reach(const struct vehicle *s, enum vehicles_document_kind kind, int32_t day)
{
    int32_t until = day - 1;

    for (int32_t i = 0; i < s->papers_count[kind]; i++)
        if (s->papers[kind][i].from_on <= day && s->papers[kind][i].to_on > until)
            until = s->papers[kind][i].to_on;
    return until;
}

bool
vehicle_papers_cover(const struct vehicle *s, enum vehicles_document_kind kind, int32_t first,
                     int32_t last, int32_t *until)
{
    int32_t day = first;

    for (int32_t i = 0; i < VEHICLE_PAPERS_MAX && day <= last; i++)
        day = reach(s, kind, day) + 1;
    *until = day - 1;
    if (day == first) /* none holds on the first day: say when the latest ends or ended */
        for (int32_t i = 0; i < s->papers_count[kind]; i++)
            if (i == 0 || s->papers[kind][i].to_on > *until)
                *until = s->papers[kind][i].to_on;
    return day > last;
}

/* --- service plans ------------------------------------------------------------------------ */

static bool
has_plan(const struct vehicle *s, bus_id plan_id)
{
    for (int32_t i = 0; i < s->plans_count; i++)
        if (bus_id_equal(s->plans[i], plan_id))
            return true;
    return false;
}

static int32_t
today(const bus_meta *meta)
{
    const struct vehicles_settings *rules = meta->settings;

    return bus_day_of(meta->at_ms, (int32_t)rules->utc_offset_min);
}

bus_verdict
vehicle_decide_add_plan(const struct vehicle *s, const struct vehicles_add_service_plan *cmd,
                        const bus_meta *meta, bus_decision *out)
{
    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    if (!cmd->has_every_m && !cmd->has_every_days)
        return bus_refuse(out, VEHICLE_PLAN_EMPTY);
    if (has_plan(s, cmd->plan_id))
        return bus_accept(out);
    if (s->plans_count == VEHICLE_PLANS_MAX)
        return vehicle_plans_full_refuse(
            out, &(struct vehicle_plans_full_params){.max = VEHICLE_PLANS_MAX});
    return vehicles_emit_service_planned(
        out, &(struct vehicles_service_planned){.plan_id = cmd->plan_id,
                                                .name = cmd->name,
                                                .has_every_m = cmd->has_every_m,
                                                .every_m = cmd->every_m,
                                                .has_every_days = cmd->has_every_days,
                                                .every_days = cmd->every_days,
                                                .last_m = s->odometer_m,
                                                .last_on = today(meta)});
}

void
vehicle_apply_plan(struct vehicle *s, const struct vehicles_service_planned *e)
{
    BUS_INVARIANT(s->plans_count < VEHICLE_PLANS_MAX);
    s->plans[s->plans_count++] = e->plan_id;
}

/* --- maintenance windows ------------------------------------------------------------------ */

static int32_t
find_window(const struct vehicle *s, bus_id id)
{
    for (int32_t i = 0; i < s->windows_count; i++)
        if (bus_id_equal(s->windows[i].id, id))
            return i;
    return -1;
}

static bus_verdict
check_window(const struct vehicle *s, const struct vehicles_plan_maintenance *cmd,
             const bus_meta *meta, bus_decision *out)
{
    int32_t ahead = 0;

    if (vehicle_check_interval(cmd->from_at, cmd->to_at, out) == BUS_REFUSED)
        return BUS_REFUSED;
    for (int32_t i = 0; i < s->reservations_count; i++)
        if (cmd->from_at < s->reservations[i].to_at && s->reservations[i].from_at < cmd->to_at)
            return vehicle_window_taken_refuse(
                out, &(struct vehicle_window_taken_params){.trip_id = s->reservations[i].trip_id});
    for (int32_t i = 0; i < s->windows_count; i++)
        ahead += s->windows[i].to_at > meta->at_ms ? 1 : 0;
    if (ahead == VEHICLE_WINDOWS_MAX)
        return vehicle_windows_full_refuse(
            out, &(struct vehicle_windows_full_params){.max = VEHICLE_WINDOWS_MAX});
    return BUS_ACCEPTED;
}

bus_verdict
vehicle_decide_plan_window(const struct vehicle *s, const struct vehicles_plan_maintenance *cmd,
                           const bus_meta *meta, bus_decision *out)
{
    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    if (find_window(s, cmd->window_id) >= 0)
        return bus_accept(out);
    if (check_window(s, cmd, meta, out) == BUS_REFUSED)
        return BUS_REFUSED;
    return vehicles_emit_maintenance_planned(
        out, &(struct vehicles_maintenance_planned){.window_id = cmd->window_id,
                                                    .from_at = cmd->from_at,
                                                    .to_at = cmd->to_at,
                                                    .has_kind = cmd->has_kind,
                                                    .kind = cmd->kind});
}

bus_verdict
vehicle_decide_cancel_window(const struct vehicle *s, const struct vehicles_cancel_maintenance *cmd,
                             const bus_meta *meta, bus_decision *out)
{
    if (find_window(s, cmd->window_id) < 0)
        return bus_refuse(out, VEHICLE_WINDOW_UNKNOWN);
    return vehicles_emit_maintenance_cancelled(
        out, &(struct vehicles_maintenance_cancelled){.window_id = cmd->window_id,
                                                      .cancelled_at = meta->at_ms});
}

void
vehicle_apply_window(struct vehicle *s, const struct vehicles_maintenance_planned *e)
{
    int32_t at = s->windows_count;

    if (at < VEHICLE_WINDOWS_MAX) {
        s->windows_count++;
    } else { /* decide saw to it that one is past: the one that ended first gives way */
        at = 0;
        for (int32_t i = 1; i < VEHICLE_WINDOWS_MAX; i++)
            if (s->windows[i].to_at < s->windows[at].to_at)
                at = i;
    }
    s->windows[at] =
        (struct vehicle_window){.id = e->window_id, .from_at = e->from_at, .to_at = e->to_at};
}

void
vehicle_apply_window_gone(struct vehicle *s, const struct vehicles_maintenance_cancelled *e)
{
    int32_t i = find_window(s, e->window_id);

    BUS_INVARIANT(i >= 0);
    s->windows[i] = s->windows[--s->windows_count];
    s->windows[s->windows_count] = (struct vehicle_window){0};
}

/* --- the workshop -------------------------------------------------------------------------- */

bus_verdict
vehicle_decide_return(const struct vehicle *s, const struct vehicles_return_from_maintenance *cmd,
                      const bus_meta *meta, bus_decision *out)
{
    const struct vehicles_odometer_recorded reading = {
        .odometer_m = cmd->odometer_m, .source = VEHICLES_SOURCE_SERVICE, .read_at = meta->at_ms};

    if (cmd->has_plan_id && !has_plan(s, cmd->plan_id))
        return bus_refuse(out, VEHICLE_PLAN_UNKNOWN);
    if (cmd->odometer_m < s->odometer_m)
        return vehicle_odometer_back_refuse(
            out, &(struct vehicle_odometer_back_params){.last_m = s->odometer_m});
    (void)vehicles_emit_returned_from_maintenance(
        out, &(struct vehicles_returned_from_maintenance){.cost_kop = cmd->cost_kop,
                                                          .returned_at = meta->at_ms,
                                                          .returned_on = today(meta)});
    if (cmd->has_plan_id) /* a plan never counts from a reading that cannot be */
        (void)vehicles_emit_service_done(
            out, &(struct vehicles_service_done){
                     .plan_id = cmd->plan_id,
                     .odometer_m =
                         vehicle_is_too_fast(s, &reading, meta) ? s->odometer_m : cmd->odometer_m,
                     .done_on = today(meta)});
    return vehicle_take_reading(s, &reading, meta, out);
}
