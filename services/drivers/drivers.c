/* drivers.c - who drives: papers, states, working days, pay.
 * The one rule: nobody is promised to two trips at once, nor beyond what papers and law allow.
 * Time is in reservations.c, the law in limits.c, the working day in duty.c, pay in pay.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/drivers/driver.h"

#include "contracts/trips.h"

#include <string.h>

/* --- the lifecycle ------------------------------------------------------------------------ */

/* clang-format off */
static const struct {
    enum drivers_status              from;
    enum drivers_driver_command_kind command;
    enum drivers_status              to;
} lifecycle[] = {
    { DRIVERS_STATUS_ONBOARDING, DRIVERS_ACTIVATE,    DRIVERS_STATUS_ACTIVE },
    { DRIVERS_STATUS_ACTIVE,     DRIVERS_START_LEAVE, DRIVERS_STATUS_ON_LEAVE },
    { DRIVERS_STATUS_ON_LEAVE,   DRIVERS_END_LEAVE,   DRIVERS_STATUS_ACTIVE },
    { DRIVERS_STATUS_ACTIVE,     DRIVERS_SUSPEND,     DRIVERS_STATUS_SUSPENDED },
    { DRIVERS_STATUS_SUSPENDED,  DRIVERS_REINSTATE,   DRIVERS_STATUS_ACTIVE },
    { DRIVERS_STATUS_ONBOARDING, DRIVERS_DISMISS,     DRIVERS_STATUS_DISMISSED },
    { DRIVERS_STATUS_ACTIVE,     DRIVERS_DISMISS,     DRIVERS_STATUS_DISMISSED },
    { DRIVERS_STATUS_ON_LEAVE,   DRIVERS_DISMISS,     DRIVERS_STATUS_DISMISSED },
    { DRIVERS_STATUS_SUSPENDED,  DRIVERS_DISMISS,     DRIVERS_STATUS_DISMISSED },
};
/* clang-format on */

/* Where a command leads; NULL: it is not for this state. */
static const enum drivers_status *
next(enum drivers_status from, enum drivers_driver_command_kind command)
{
    for (int i = 0; i < BUS_COUNT(lifecycle); i++)
        if (lifecycle[i].from == from && lifecycle[i].command == command)
            return &lifecycle[i].to;
    return NULL;
}

static void
move(struct driver *s, enum drivers_driver_command_kind command)
{
    const enum drivers_status *to = next(s->status, command);

    BUS_INVARIANT(to != NULL);
    s->status = *to;
}

const char *
driver_status_name(enum drivers_status status)
{
    switch (status) {
    case DRIVERS_STATUS_ONBOARDING: return "ONBOARDING";
    case DRIVERS_STATUS_ACTIVE: return "ACTIVE";
    case DRIVERS_STATUS_ON_LEAVE: return "ON_LEAVE";
    case DRIVERS_STATUS_SUSPENDED: return "SUSPENDED";
    case DRIVERS_STATUS_DISMISSED: return "DISMISSED";
    }
    BUS_UNREACHABLE();
}

bus_verdict
driver_wrong_state(const struct driver *s, bus_decision *out)
{
    return driver_wrong_state_refuse(
        out,
        &(struct driver_wrong_state_params){.status = bus_str_load(driver_status_name(s->status))});
}

int32_t
driver_zone(const bus_meta *meta)
{
    const struct drivers_settings *rules = meta->settings;

    return (int32_t)rules->utc_offset_min;
}

/* --- papers and contact ------------------------------------------------------------------- */

/* "99 12 345678" and "9912345678" are one licence. */
static struct drivers_licence
without_blanks(const struct drivers_licence *licence, char text[64])
{
    struct drivers_licence bare = *licence;
    uint32_t               length = 0;

    for (uint32_t i = 0; i < licence->number.len; i++)
        if (licence->number.at[i] != ' ') {
            BUS_INVARIANT(length < 63);
            text[length++] = licence->number.at[i];
        }
    text[length] = '\0';
    bare.number = bus_str_load(text);
    return bare;
}

static bus_verdict
decide_hire(const struct drivers_hire *cmd, const bus_meta *meta, bus_decision *out)
{
    char                 text[64];
    struct drivers_hired hired = {.driver_id = meta->stream,
                                  .full_name = cmd->full_name,
                                  .phone_e164 = cmd->phone_e164,
                                  .has_licence = cmd->has_licence,
                                  .has_medical_valid_to = cmd->has_medical_valid_to,
                                  .medical_valid_to = cmd->medical_valid_to,
                                  .has_tacho_card = cmd->has_tacho_card,
                                  .tacho_card = cmd->tacho_card,
                                  .has_pay = cmd->has_pay,
                                  .pay = cmd->pay,
                                  .hired_at = meta->at_ms};

    if (cmd->has_pay && (meta->roles & (BUS_ROLE_ADMIN | BUS_ROLE_SERVICE)) == 0)
        return bus_refuse(out, DRIVER_PAY_BY_ADMIN);
    bus_claim_personal(out, "driver_phone", cmd->phone_e164, DRIVER_PHONE_TAKEN);
    if (cmd->has_licence) {
        hired.licence = without_blanks(&cmd->licence, text);
        bus_claim_personal(out, "driver_licence", hired.licence.number, DRIVER_LICENCE_TAKEN);
    }
    return drivers_emit_hired(out, &hired);
}

static void
change_claim(const char *kind, const char *held, bus_str wanted, const bus_refusal *taken,
             bus_decision *out)
{
    if (bus_str_is(wanted, held))
        return;
    if (held[0] != '\0')
        bus_release_personal(out, kind, bus_str_load(held));
    bus_claim_personal(out, kind, wanted, taken);
}

static bus_verdict
decide_change_documents(const struct driver *s, const struct drivers_change_documents *cmd,
                        bus_decision *out)
{
    char                             text[64];
    struct drivers_documents_changed changed = {.has_licence = cmd->has_licence,
                                                .has_medical_valid_to = cmd->has_medical_valid_to,
                                                .medical_valid_to = cmd->medical_valid_to,
                                                .has_tacho_card = cmd->has_tacho_card,
                                                .tacho_card = cmd->tacho_card};

    if (s->status == DRIVERS_STATUS_DISMISSED)
        return driver_wrong_state(s, out);
    if (!cmd->has_licence && !cmd->has_medical_valid_to && !cmd->has_tacho_card)
        return bus_accept(out);
    if (cmd->has_licence) {
        changed.licence = without_blanks(&cmd->licence, text);
        change_claim("driver_licence", s->licence, changed.licence.number, DRIVER_LICENCE_TAKEN,
                     out);
    }
    return drivers_emit_documents_changed(out, &changed);
}

static bus_verdict
decide_change_contact(const struct driver *s, const struct drivers_change_contact *cmd,
                      bus_decision *out)
{
    if (s->status == DRIVERS_STATUS_DISMISSED)
        return driver_wrong_state(s, out);
    if (!cmd->has_full_name && !cmd->has_phone_e164)
        return bus_accept(out);
    if (cmd->has_phone_e164)
        change_claim("driver_phone", s->phone, cmd->phone_e164, DRIVER_PHONE_TAKEN, out);
    return drivers_emit_contact_changed(
        out, &(struct drivers_contact_changed){.has_full_name = cmd->has_full_name,
                                               .full_name = cmd->full_name,
                                               .has_phone_e164 = cmd->has_phone_e164,
                                               .phone_e164 = cmd->phone_e164});
}

/* --- states ------------------------------------------------------------------------------- */

static bus_verdict
decide_activate(const struct driver *s, const bus_meta *meta, bus_decision *out)
{
    int32_t today = bus_day_of(meta->at_ms, driver_zone(meta));

    if (!s->has_licence || s->licence_valid_to < today)
        return bus_refuse(out, DRIVER_LICENCE_MISSING);
    if (!s->has_medical || s->medical_valid_to < today)
        return bus_refuse(out, DRIVER_MEDICAL_MISSING);
    return drivers_emit_activated(out, &(struct drivers_activated){.activated_at = meta->at_ms});
}

/* Trips that are not over before a time, now or later. */
static int32_t
trips_before(const struct driver *s, int64_t now_ms, int64_t until_ms)
{
    int32_t count = bus_id_is_nil(s->on_trip) ? 0 : 1;

    for (int32_t i = 0; i < s->open_count; i++)
        if (s->open[i].to_at > now_ms && s->open[i].from_at < until_ms &&
            !bus_id_equal(s->open[i].id, s->on_trip))
            count++;
    return count;
}

static bus_verdict
has_trips(int32_t count, bus_decision *out)
{
    return driver_has_trips_refuse(out, &(struct driver_has_trips_params){.count = count});
}

static bus_verdict
decide_start_leave(const struct driver *s, const struct drivers_start_leave *cmd,
                   const bus_meta *meta, bus_decision *out)
{
    int32_t trips = trips_before(s, meta->at_ms, cmd->has_until_at ? cmd->until_at : INT64_MAX);

    if (trips > 0)
        return has_trips(trips, out);
    return drivers_emit_leave_started(
        out, &(struct drivers_leave_started){.started_at = meta->at_ms,
                                             .has_until_at = cmd->has_until_at,
                                             .until_at = cmd->until_at,
                                             .has_reason = cmd->has_reason,
                                             .reason = cmd->reason});
}

/* A reservation whose time is over may still be a trip that is late: it is released first. */
static bus_verdict
decide_dismiss(const struct driver *s, const struct drivers_dismiss *cmd, const bus_meta *meta,
               bus_decision *out)
{
    if (s->open_count > 0 || !bus_id_is_nil(s->on_trip))
        return has_trips(s->open_count > 0 ? s->open_count : 1, out);
    if (s->phone[0] != '\0')
        bus_release_personal(out, "driver_phone", bus_str_load(s->phone));
    if (s->licence[0] != '\0')
        bus_release_personal(out, "driver_licence", bus_str_load(s->licence));
    return drivers_emit_dismissed(
        out, &(struct drivers_dismissed){.reason = cmd->reason, .dismissed_at = meta->at_ms});
}

/* Who still works here has a phone and papers. The kernel deletes the key when this is in the log;
 * what was claimed was given back with the dismissal. */
static bus_verdict
decide_forget(const struct driver *s, const bus_meta *meta, bus_decision *out)
{
    if (s->status != DRIVERS_STATUS_DISMISSED)
        return driver_wrong_state(s, out);
    if (s->forgotten)
        return bus_accept(out);
    return drivers_emit_forgotten(out, &(struct drivers_forgotten){.forgotten_at = meta->at_ms});
}

/* --- may it happen? ----------------------------------------------------------------------- */

/* Commands of the lifecycle. */
static bus_verdict
decide_move(const struct driver *s, const struct drivers_driver_command *c, const bus_meta *meta,
            bus_decision *out)
{
    if (next(s->status, c->kind) == NULL)
        return driver_wrong_state(s, out);
    if (c->kind == DRIVERS_ACTIVATE)
        return decide_activate(s, meta, out);
    if (c->kind == DRIVERS_START_LEAVE)
        return decide_start_leave(s, &c->start_leave, meta, out);
    if (c->kind == DRIVERS_END_LEAVE)
        return drivers_emit_leave_ended(out,
                                        &(struct drivers_leave_ended){.ended_at = meta->at_ms});
    if (c->kind == DRIVERS_SUSPEND)
        return drivers_emit_suspended(
            out,
            &(struct drivers_suspended){.reason = c->suspend.reason, .suspended_at = meta->at_ms});
    if (c->kind == DRIVERS_REINSTATE)
        return drivers_emit_reinstated(out,
                                       &(struct drivers_reinstated){.reinstated_at = meta->at_ms});
    BUS_INVARIANT(c->kind == DRIVERS_DISMISS);
    return decide_dismiss(s, &c->dismiss, meta, out);
}

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct driver                 *s = state;
    const struct drivers_driver_command *c = command;

    switch (c->kind) {
    case DRIVERS_HIRE: return decide_hire(&c->hire, meta, out);
    case DRIVERS_CHANGE_DOCUMENTS: return decide_change_documents(s, &c->change_documents, out);
    case DRIVERS_CHANGE_CONTACT: return decide_change_contact(s, &c->change_contact, out);
    case DRIVERS_RESERVE: return driver_decide_reserve(s, &c->reserve, meta, out);
    case DRIVERS_RELEASE: return driver_decide_release(s, &c->release, meta, out);
    case DRIVERS_START_TRIP: return driver_decide_start_trip(s, &c->start_trip, out);
    case DRIVERS_END_RESERVATION: return driver_decide_end(s, &c->end_reservation, out);
    case DRIVERS_START_DUTY: return driver_decide_start_duty(s, meta, out);
    case DRIVERS_RECORD_DUTY: return driver_decide_record_duty(s, &c->record_duty, meta, out);
    case DRIVERS_END_DUTY: return driver_decide_end_duty(s, meta, out);
    case DRIVERS_CHANGE_PAY: return driver_decide_change_pay(s, &c->change_pay, meta, out);
    case DRIVERS_NOTE_SETTLED: return driver_decide_note_settled(s, &c->note_settled, meta, out);
    case DRIVERS_FORGET: return decide_forget(s, meta, out);
    case DRIVERS_ACTIVATE:
    case DRIVERS_START_LEAVE:
    case DRIVERS_END_LEAVE:
    case DRIVERS_SUSPEND:
    case DRIVERS_REINSTATE:
    case DRIVERS_DISMISS: return decide_move(s, c, meta, out);
    }
    BUS_UNREACHABLE();
}

/* --- it happened -------------------------------------------------------------------------- */

static void
remember_licence(struct driver *s, const struct drivers_licence *licence)
{
    s->has_licence = true;
    bus_str_store(s->licence, sizeof(s->licence), licence->number);
    s->licence_valid_to = licence->valid_to;
    s->categories = 0;
    for (uint32_t i = 0; i < licence->categories.count; i++)
        s->categories |= 1u << licence->categories.items[i];
}

static void
remember_medical(struct driver *s, int32_t valid_to)
{
    s->has_medical = true;
    s->medical_valid_to = valid_to;
}

static void
apply_hired(struct driver *s, const struct drivers_hired *e)
{
    s->id = e->driver_id;
    s->status = DRIVERS_STATUS_ONBOARDING;
    bus_str_store(s->phone, sizeof(s->phone), e->phone_e164);
    if (e->has_licence)
        remember_licence(s, &e->licence);
    if (e->has_medical_valid_to)
        remember_medical(s, e->medical_valid_to);
    s->pays[0].from_at = 0;
    if (e->has_pay)
        s->pays[0].pay = e->pay;
    s->pays_count = 1;
}

static void
apply(void *state, const void *event)
{
    struct driver                     *s = state;
    const struct drivers_driver_event *e = event;

    switch (e->kind) {
    case DRIVERS_HIRED: apply_hired(s, &e->hired); break;
    case DRIVERS_DOCUMENTS_CHANGED:
        if (e->documents_changed.has_licence)
            remember_licence(s, &e->documents_changed.licence);
        if (e->documents_changed.has_medical_valid_to)
            remember_medical(s, e->documents_changed.medical_valid_to);
        break;
    case DRIVERS_CONTACT_CHANGED:
        if (e->contact_changed.has_phone_e164)
            bus_str_store(s->phone, sizeof(s->phone), e->contact_changed.phone_e164);
        break;
    case DRIVERS_ACTIVATED: move(s, DRIVERS_ACTIVATE); break;
    case DRIVERS_RESERVED: driver_apply_reserved(s, &e->reserved); break;
    case DRIVERS_RELEASED: driver_apply_released(s, &e->released); break;
    case DRIVERS_RESERVATION_BARRED: driver_apply_barred(s, &e->reservation_barred); break;
    case DRIVERS_TRIP_STARTED: driver_apply_started(s, &e->trip_started); break;
    case DRIVERS_RESERVATION_ENDED: driver_apply_ended(s, &e->reservation_ended); break;
    case DRIVERS_DUTY_STARTED: s->on_duty = true; break;
    case DRIVERS_DUTY_RECORDED: driver_apply_duty(s, &e->duty_recorded); break;
    case DRIVERS_DUTY_ENDED: s->on_duty = false; break;
    case DRIVERS_LEAVE_STARTED: move(s, DRIVERS_START_LEAVE); break;
    case DRIVERS_LEAVE_ENDED: move(s, DRIVERS_END_LEAVE); break;
    case DRIVERS_SUSPENDED: move(s, DRIVERS_SUSPEND); break;
    case DRIVERS_REINSTATED: move(s, DRIVERS_REINSTATE); break;
    case DRIVERS_PAY_CHANGED: driver_apply_pay_changed(s, &e->pay_changed); break;
    case DRIVERS_PAY_SETTLED: s->settled_until_at = e->pay_settled.settled_until_at; break;
    case DRIVERS_DISMISSED:
        move(s, DRIVERS_DISMISS);
        s->on_duty = false;
        memset(s->phone, 0, sizeof(s->phone)); /* given back */
        memset(s->licence, 0, sizeof(s->licence));
        break;
    case DRIVERS_FORGOTTEN: s->forgotten = true; break;
    }
}

static bool
owned_by(const void *state, bus_id driver_id)
{
    const struct driver *s = state;

    return !bus_id_is_nil(driver_id) && bus_id_equal(s->id, driver_id);
}

/* --- listening to trips: the stream of their events is the trip ---------------------------- */

static void
start_for(bool has, bus_id driver, const bus_event *event, bus_id reservation, int64_t departed_at,
          bus_reaction_out *out)
{
    if (has)
        drivers_react_start_trip(out, driver,
                                 &(struct drivers_start_trip){.reservation_id = reservation,
                                                              .trip_id = event->stream,
                                                              .departed_at = departed_at});
}

static void
end_for(bool has, bus_id driver, const bus_event *event, bus_id reservation, int64_t ended_at,
        bus_reaction_out *out)
{
    if (has)
        drivers_react_end_reservation(
            out, driver,
            &(struct drivers_end_reservation){
                .reservation_id = reservation, .trip_id = event->stream, .ended_at = ended_at});
}

static void
release_for(bool has, bus_id driver, bus_id reservation, bus_reaction_out *out)
{
    if (has)
        drivers_react_release(out, driver,
                              &(struct drivers_release){.reservation_id = reservation});
}

static void
on_departed(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_departed *e = event->data;

    start_for(true, e->driver_id, event, e->reservation_id, e->departed_at, out);
    start_for(e->has_co_driver_id, e->co_driver_id, event, e->reservation_id, e->departed_at, out);
}

static void
on_completed(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_completed *e = event->data;

    end_for(true, e->driver_id, event, e->reservation_id, e->finished_at, out);
    end_for(e->has_co_driver_id, e->co_driver_id, event, e->reservation_id, e->finished_at, out);
}

static void
on_aborted(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_aborted *e = event->data;

    end_for(true, e->driver_id, event, e->reservation_id, e->finished_at, out);
    end_for(e->has_co_driver_id, e->co_driver_id, event, e->reservation_id, e->finished_at, out);
}

static void
on_cancelled(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_cancelled *e = event->data;

    if (!e->has_reservation_id)
        return;
    release_for(e->has_driver_id, e->driver_id, e->reservation_id, out);
    release_for(e->has_co_driver_id, e->co_driver_id, e->reservation_id, out);
}

static void
on_refused(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_driver_refused *e = event->data;

    release_for(true, e->driver_id, e->reservation_id, out);
    release_for(e->has_co_driver_id, e->co_driver_id, e->reservation_id, out);
}

static void
on_settled(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_settled *e = event->data;

    if (e->has_driver_id)
        drivers_react_note_settled(out, e->driver_id,
                                   &(struct drivers_note_settled){.settled_on = e->day});
}

static const bus_reaction reactions[] = {
    {.on = &trips_trip_departed_event, .react = on_departed},
    {.on = &trips_trip_completed_event, .react = on_completed},
    {.on = &trips_trip_aborted_event, .react = on_aborted},
    {.on = &trips_trip_cancelled_event, .react = on_cancelled},
    {.on = &trips_driver_refused_event, .react = on_refused},
    {.on = &trips_trip_settled_event, .react = on_settled},
};

static const bus_aggregate aggregates[] = {
    {.of = &drivers_driver,
     .snapshot_version = 3,
     .state_size = sizeof(struct driver),
     .decide = decide,
     .apply = apply,
     .owned_by = owned_by},
};

const bus_module drivers_module = BUS_MODULE_WITH_REACTIONS(drivers, aggregates, reactions);
