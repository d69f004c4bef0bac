/* assignment.c - process P1: a trip asks for a vehicle and its drivers, and gets all or none.
 * The one rule: what was asked for is confirmed to the trip or given back, whatever is lost,
 * late or repeated on the way.
 *
 * A stream is one attempt; its id is the assignment's and also the reservations'. The asks go
 * one after another: the vehicle first, because its class tells which licence the drivers need,
 * then driver, co-driver, and the trip. What must be given back is given back
 * by streams of its own (aggregate compensation), because the sends of one stream wait for
 * each other, and the very reason for giving up may be a domain that does not answer. A release
 * that overtakes its reserve leaves a tombstone there, and the reserve is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/assignment.h"
#include "bus/module/module.h"
#include "contracts/drivers.h"
#include "contracts/trips.h"
#include "contracts/vehicles.h"

/* State: only what the next decision needs. */
struct assignment {
    bool                               known; /* started or withdrawn */
    enum assignment_status             status;
    bus_id                             trip_id, vehicle_id, driver_id, co_driver_id; /* nil: none */
    int64_t                            attempt, planned_from_at, planned_to_at, driving_s;
    struct assignment_vehicle_reserved vehicle; /* its terms */
    struct assignment_pay              pay;     /* the driver's */
};

static bool
has_co_driver(const struct assignment *s)
{
    return !bus_id_is_nil(s->co_driver_id);
}

static bool
is_over(const struct assignment *s)
{
    return s->status >= ASSIGNMENT_STATUS_DONE;
}

/* --- the asks, one after another ----------------------------------------------------------- */

static void
ask_vehicle(const struct assignment_start *cmd, const bus_meta *meta, bus_decision *out)
{
    vehicles_send_reserve(out, cmd->vehicle_id,
                          &(struct vehicles_reserve){.reservation_id = meta->stream,
                                                     .trip_id = cmd->trip_id,
                                                     .from_at = cmd->planned_from_at,
                                                     .to_at = cmd->planned_to_at,
                                                     .has_load_g = true,
                                                     .load_g = cmd->load_g,
                                                     .has_load_ml = true,
                                                     .load_ml = cmd->load_ml},
                          &assignment_vehicle_answered_command);
}

/* The same names in each contract; -Wswitch tells when one of them gets another. */
static enum drivers_vehicle_class
class_to_drive(enum assignment_vehicle_class vehicle_class)
{
    switch (vehicle_class) {
    case ASSIGNMENT_VEHICLE_CLASS_VAN: return DRIVERS_VEHICLE_CLASS_VAN;
    case ASSIGNMENT_VEHICLE_CLASS_TRUCK_5T: return DRIVERS_VEHICLE_CLASS_TRUCK_5T;
    case ASSIGNMENT_VEHICLE_CLASS_TRUCK_10T: return DRIVERS_VEHICLE_CLASS_TRUCK_10T;
    case ASSIGNMENT_VEHICLE_CLASS_TRACTOR: return DRIVERS_VEHICLE_CLASS_TRACTOR;
    }
    BUS_UNREACHABLE();
}

static enum assignment_vehicle_class
class_of(enum vehicles_class vehicle_class)
{
    switch (vehicle_class) {
    case VEHICLES_CLASS_VAN: return ASSIGNMENT_VEHICLE_CLASS_VAN;
    case VEHICLES_CLASS_TRUCK_5T: return ASSIGNMENT_VEHICLE_CLASS_TRUCK_5T;
    case VEHICLES_CLASS_TRUCK_10T: return ASSIGNMENT_VEHICLE_CLASS_TRUCK_10T;
    case VEHICLES_CLASS_TRACTOR: return ASSIGNMENT_VEHICLE_CLASS_TRACTOR;
    }
    BUS_UNREACHABLE();
}

static void
ask_driver(const struct assignment *s, bus_id driver_id,
           enum assignment_vehicle_class vehicle_class, const bus_message *answer,
           const bus_meta *meta, bus_decision *out)
{
    drivers_send_reserve(out, driver_id,
                         &(struct drivers_reserve){.reservation_id = meta->stream,
                                                   .trip_id = s->trip_id,
                                                   .from_at = s->planned_from_at,
                                                   .to_at = s->planned_to_at,
                                                   .has_vehicle_class = true,
                                                   .vehicle_class = class_to_drive(vehicle_class),
                                                   .has_driving_s = true,
                                                   .driving_s = s->driving_s},
                         answer);
}

static struct trips_pay
trip_pay(const struct assignment_pay *pay)
{
    return (struct trips_pay){.per_trip_kop = pay->per_trip_kop,
                              .per_km_kop = pay->per_km_kop,
                              .per_point_kop = pay->per_point_kop,
                              .per_hour_kop = pay->per_hour_kop,
                              .pct_bp = pay->pct_bp};
}

static void
tell_trip(const struct assignment *s, const struct assignment_pay *pay,
          const struct assignment_pay *co_pay, const bus_meta *meta, bus_decision *out)
{
    trips_send_confirm_assignment(
        out, s->trip_id,
        &(struct trips_confirm_assignment){.assignment_id = meta->stream,
                                           .vehicle_id = s->vehicle_id,
                                           .driver_id = s->driver_id,
                                           .has_co_driver_id = has_co_driver(s),
                                           .co_driver_id = s->co_driver_id,
                                           .payload_g = s->vehicle.payload_g,
                                           .cargo_ml = s->vehicle.cargo_ml,
                                           .wear_kop_km = s->vehicle.wear_kop_km,
                                           .fixed_kop_day = s->vehicle.fixed_kop_day,
                                           .norm_ml_100km = s->vehicle.norm_ml_100km,
                                           .pay = trip_pay(pay),
                                           .has_co_pay = has_co_driver(s),
                                           .co_pay = trip_pay(co_pay)},
        &assignment_trip_answered_command);
}

/* --- beginning and end --------------------------------------------------------------------- */

static bus_verdict
decide_start(const struct assignment *s, const struct assignment_start *cmd, const bus_meta *meta,
             bus_decision *out)
{
    const struct assignment_settings *settings = meta->settings;
    int64_t                           due_at = meta->at_ms + settings->timeout_s * 1000;

    if (s->known) /* begun before, or withdrawn before it could begin */
        return bus_accept(out);
    (void)assignment_emit_started(
        out, &(struct assignment_started){.trip_id = cmd->trip_id,
                                          .attempt = cmd->attempt,
                                          .vehicle_id = cmd->vehicle_id,
                                          .driver_id = cmd->driver_id,
                                          .has_co_driver_id = cmd->has_co_driver_id,
                                          .co_driver_id = cmd->co_driver_id,
                                          .planned_from_at = cmd->planned_from_at,
                                          .planned_to_at = cmd->planned_to_at,
                                          .load_g = cmd->load_g,
                                          .load_ml = cmd->load_ml,
                                          .driving_s = cmd->driving_s,
                                          .due_at = due_at});
    ask_vehicle(cmd, meta, out);
    bus_wake_at(out, &assignment_time_out_command, due_at);
    return BUS_ACCEPTED;
}

/* Whom have we asked who has not refused? `refused` is the one who just did. */
struct to_release {
    bool driver, co_driver, vehicle;
};

static struct to_release
asked_by_now(const struct assignment *s, bool refused)
{
    enum assignment_status at = s->status;

    return (struct to_release){
        .vehicle = s->known && !(refused && at == ASSIGNMENT_STATUS_RESERVING_VEHICLE),
        .driver = at >= ASSIGNMENT_STATUS_RESERVING_DRIVER &&
                  !(refused && at == ASSIGNMENT_STATUS_RESERVING_DRIVER),
        .co_driver = has_co_driver(s) && at >= ASSIGNMENT_STATUS_RESERVING_CO_DRIVER &&
                     !(refused && at == ASSIGNMENT_STATUS_RESERVING_CO_DRIVER),
    };
}

static bus_verdict
give_up(const struct assignment *s, bool refused, bus_str code, bus_str detail, bus_decision *out)
{
    struct to_release release = asked_by_now(s, refused);

    (void)assignment_emit_failed(out,
                                 &(struct assignment_failed){.trip_id = s->trip_id,
                                                             .attempt = s->attempt,
                                                             .vehicle_id = s->vehicle_id,
                                                             .driver_id = s->driver_id,
                                                             .has_co_driver_id = has_co_driver(s),
                                                             .co_driver_id = s->co_driver_id,
                                                             .code = code,
                                                             .detail = detail,
                                                             .release_driver = release.driver,
                                                             .release_co_driver = release.co_driver,
                                                             .release_vehicle = release.vehicle});
    bus_wake_cancel(out, &assignment_time_out_command);
    return BUS_ACCEPTED;
}

static bus_verdict
give_up_refused(const struct assignment *s, const bus_answer *answer, bus_decision *out)
{
    return give_up(s, true, answer->code, answer->detail, out);
}

/* While the trip is being told it may already have taken them: its answer will come and
 * decides. Nothing is given back before it. */
static bus_verdict
decide_time_out(const struct assignment *s, bus_decision *out)
{
    if (is_over(s) || s->status == ASSIGNMENT_STATUS_CONFIRMING)
        return bus_accept(out);
    return give_up(s, false, BUS_STR("ASSIGNMENT_TIMEOUT"),
                   BUS_STR("Vehicle and driver did not answer in time."), out);
}

/* The trip was cancelled while it was ASSIGNING, so it cannot have taken them. */
static bus_verdict
decide_withdraw(const struct assignment *s, const struct assignment_withdraw *cmd,
                bus_decision *out)
{
    struct to_release release = asked_by_now(s, false);

    if (s->known && is_over(s))
        return bus_accept(out);
    (void)assignment_emit_withdrawn(
        out, &(struct assignment_withdrawn){.trip_id = cmd->trip_id,
                                            .has_vehicle_id = s->known,
                                            .vehicle_id = s->vehicle_id,
                                            .has_driver_id = s->known,
                                            .driver_id = s->driver_id,
                                            .has_co_driver_id = has_co_driver(s),
                                            .co_driver_id = s->co_driver_id,
                                            .release_driver = release.driver,
                                            .release_co_driver = release.co_driver,
                                            .release_vehicle = release.vehicle});
    bus_wake_cancel(out, &assignment_time_out_command);
    return BUS_ACCEPTED;
}

/* --- the answers ------------------------------------------------------------------------------ */

/* The event of an answer, or NULL. */
static const void *
find_event(const bus_answer *answer, const bus_message *type)
{
    for (uint32_t i = 0; i < answer->events_count; i++)
        if (answer->events[i].type == type)
            return answer->events[i].data;
    return NULL;
}

static struct assignment_pay
pay_of(const bus_answer *answer)
{
    const struct drivers_reserved *e = find_event(answer, &drivers_reserved_event);

    BUS_INVARIANT(e != NULL);
    return (struct assignment_pay){.per_trip_kop = e->per_trip_kop,
                                   .per_km_kop = e->per_km_kop,
                                   .per_point_kop = e->per_point_kop,
                                   .per_hour_kop = e->per_hour_kop,
                                   .pct_bp = e->pct_bp};
}

/* An answer that comes when it is no more waited for is an answer to nothing: what it gave is
 * being given back already. */
static bus_verdict
decide_vehicle_answered(const struct assignment *s, const bus_answer *answer, const bus_meta *meta,
                        bus_decision *out)
{
    const struct vehicles_reserved    *terms;
    struct assignment_vehicle_reserved e;

    if (s->status != ASSIGNMENT_STATUS_RESERVING_VEHICLE)
        return bus_accept(out);
    if (!answer->accepted)
        return give_up_refused(s, answer, out);
    terms = find_event(answer, &vehicles_reserved_event);
    BUS_INVARIANT(terms != NULL);
    e = (struct assignment_vehicle_reserved){.vehicle_class = class_of(terms->class),
                                             .payload_g = terms->payload_g,
                                             .cargo_ml = terms->cargo_ml,
                                             .wear_kop_km = terms->wear_kop_km,
                                             .fixed_kop_day = terms->fixed_kop_day,
                                             .norm_ml_100km = terms->norm_ml_100km};
    (void)assignment_emit_vehicle_reserved(out, &e);
    ask_driver(s, s->driver_id, e.vehicle_class, &assignment_driver_answered_command, meta, out);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_driver_answered(const struct assignment *s, const bus_answer *answer, const bus_meta *meta,
                       bus_decision *out)
{
    struct assignment_driver_reserved e;

    if (s->status != ASSIGNMENT_STATUS_RESERVING_DRIVER)
        return bus_accept(out);
    if (!answer->accepted)
        return give_up_refused(s, answer, out);
    e.pay = pay_of(answer);
    (void)assignment_emit_driver_reserved(out, &e);
    if (has_co_driver(s))
        ask_driver(s, s->co_driver_id, s->vehicle.vehicle_class,
                   &assignment_co_driver_answered_command, meta, out);
    else
        tell_trip(s, &e.pay, &(struct assignment_pay){0}, meta, out);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_co_driver_answered(const struct assignment *s, const bus_answer *answer,
                          const bus_meta *meta, bus_decision *out)
{
    struct assignment_co_driver_reserved e;

    if (s->status != ASSIGNMENT_STATUS_RESERVING_CO_DRIVER)
        return bus_accept(out);
    if (!answer->accepted)
        return give_up_refused(s, answer, out);
    e.pay = pay_of(answer);
    (void)assignment_emit_co_driver_reserved(out, &e);
    tell_trip(s, &s->pay, &e.pay, meta, out);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_trip_answered(const struct assignment *s, const bus_answer *answer, bus_decision *out)
{
    if (s->status != ASSIGNMENT_STATUS_CONFIRMING)
        return bus_accept(out);
    if (!answer->accepted)
        return give_up(s, false, answer->code, answer->detail, out);
    (void)assignment_emit_completed(
        out, &(struct assignment_completed){.trip_id = s->trip_id,
                                            .attempt = s->attempt,
                                            .vehicle_id = s->vehicle_id,
                                            .driver_id = s->driver_id,
                                            .has_co_driver_id = has_co_driver(s),
                                            .co_driver_id = s->co_driver_id});
    bus_wake_cancel(out, &assignment_time_out_command);
    return BUS_ACCEPTED;
}

/* May it happen? Changes nothing. */
static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct assignment                    *s = state;
    const struct assignment_assignment_command *c = command;

    switch (c->kind) {
    case ASSIGNMENT_START: return decide_start(s, &c->start, meta, out);
    case ASSIGNMENT_DRIVER_ANSWERED:
        return decide_driver_answered(s, &c->driver_answered, meta, out);
    case ASSIGNMENT_CO_DRIVER_ANSWERED:
        return decide_co_driver_answered(s, &c->co_driver_answered, meta, out);
    case ASSIGNMENT_VEHICLE_ANSWERED:
        return decide_vehicle_answered(s, &c->vehicle_answered, meta, out);
    case ASSIGNMENT_TRIP_ANSWERED: return decide_trip_answered(s, &c->trip_answered, out);
    case ASSIGNMENT_WITHDRAW: return decide_withdraw(s, &c->withdraw, out);
    case ASSIGNMENT_TIME_OUT: return decide_time_out(s, out);
    }
    BUS_UNREACHABLE();
}

/* --- it happened ---------------------------------------------------------------------------- */

static void
apply_started(struct assignment *s, const struct assignment_started *e)
{
    s->known = true;
    s->status = ASSIGNMENT_STATUS_RESERVING_VEHICLE;
    s->trip_id = e->trip_id;
    s->attempt = e->attempt;
    s->vehicle_id = e->vehicle_id;
    s->driver_id = e->driver_id;
    s->co_driver_id = e->has_co_driver_id ? e->co_driver_id : BUS_ID_NIL;
    s->planned_from_at = e->planned_from_at;
    s->planned_to_at = e->planned_to_at;
    s->driving_s = e->driving_s;
}

static void
apply(void *state, const void *event)
{
    struct assignment                        *s = state;
    const struct assignment_assignment_event *e = event;

    switch (e->kind) {
    case ASSIGNMENT_STARTED: apply_started(s, &e->started); break;
    case ASSIGNMENT_VEHICLE_RESERVED:
        s->status = ASSIGNMENT_STATUS_RESERVING_DRIVER;
        s->vehicle = e->vehicle_reserved;
        break;
    case ASSIGNMENT_DRIVER_RESERVED:
        s->status =
            has_co_driver(s) ? ASSIGNMENT_STATUS_RESERVING_CO_DRIVER : ASSIGNMENT_STATUS_CONFIRMING;
        s->pay = e->driver_reserved.pay;
        break;
    case ASSIGNMENT_CO_DRIVER_RESERVED: s->status = ASSIGNMENT_STATUS_CONFIRMING; break;
    case ASSIGNMENT_COMPLETED: s->status = ASSIGNMENT_STATUS_DONE; break;
    case ASSIGNMENT_FAILED: s->status = ASSIGNMENT_STATUS_FAILED; break;
    case ASSIGNMENT_WITHDRAWN:
        s->known = true;
        s->trip_id = e->withdrawn.trip_id;
        s->status = ASSIGNMENT_STATUS_WITHDRAWN;
        break;
    }
}

/* --- giving back ------------------------------------------------------------------------------ */

struct compensation {
    bool done;
};

static bus_verdict
compensation_decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct compensation                    *s = state;
    const struct assignment_compensation_command *c = command;
    const struct assignment_compensate           *cmd = &c->compensate;
    (void)meta;

    if (s->done)
        return bus_accept(out);
    (void)assignment_emit_compensated(
        out, &(struct assignment_compensated){.assignment_id = cmd->assignment_id,
                                              .resource = cmd->resource,
                                              .resource_id = cmd->resource_id,
                                              .reason = cmd->reason});
    switch (cmd->resource) {
    case ASSIGNMENT_RESOURCE_DRIVER:
        drivers_send_release(out, cmd->resource_id,
                             &(struct drivers_release){.reservation_id = cmd->assignment_id,
                                                       .has_reason = true,
                                                       .reason = cmd->reason},
                             NULL);
        break;
    case ASSIGNMENT_RESOURCE_VEHICLE:
        vehicles_send_release(out, cmd->resource_id,
                              &(struct vehicles_release){.reservation_id = cmd->assignment_id,
                                                         .has_reason = true,
                                                         .reason = cmd->reason},
                              NULL);
        break;
    }
    return BUS_ACCEPTED;
}

static void
compensation_apply(void *state, const void *event)
{
    struct compensation *s = state;

    (void)event; /* there is only one */
    s->done = true;
}

/* --- what others tell, and we ourselves ---------------------------------------------------------
 */

static void
on_requested(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_assignment_requested *e = event->data;

    assignment_react_start(out, e->assignment_id,
                           &(struct assignment_start){.trip_id = event->stream,
                                                      .attempt = e->attempt,
                                                      .vehicle_id = e->vehicle_id,
                                                      .driver_id = e->driver_id,
                                                      .has_co_driver_id = e->has_co_driver_id,
                                                      .co_driver_id = e->co_driver_id,
                                                      .planned_from_at = e->planned_from_at,
                                                      .planned_to_at = e->planned_to_at,
                                                      .load_g = e->load_g,
                                                      .load_ml = e->load_ml,
                                                      .driving_s = e->driving_s});
}

static void
on_cancelled(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_assignment_withdrawn *e = event->data;

    assignment_react_withdraw(out, e->assignment_id,
                              &(struct assignment_withdraw){.trip_id = event->stream});
}

static void
compensate(bus_id assignment_id, enum assignment_resource resource, bus_id resource_id,
           bus_str reason, bus_reaction_out *out)
{
    assignment_react_compensate(out, bus_id_v5(assignment_id, resource_id.bytes, 16),
                                &(struct assignment_compensate){.assignment_id = assignment_id,
                                                                .resource = resource,
                                                                .resource_id = resource_id,
                                                                .reason = reason});
}

static void
on_failed(const bus_event *event, bus_reaction_out *out)
{
    const struct assignment_failed *e = event->data;

    if (e->release_driver)
        compensate(event->stream, ASSIGNMENT_RESOURCE_DRIVER, e->driver_id, e->code, out);
    if (e->release_co_driver)
        compensate(event->stream, ASSIGNMENT_RESOURCE_DRIVER, e->co_driver_id, e->code, out);
    if (e->release_vehicle)
        compensate(event->stream, ASSIGNMENT_RESOURCE_VEHICLE, e->vehicle_id, e->code, out);
}

static void
on_withdrawn(const bus_event *event, bus_reaction_out *out)
{
    const struct assignment_withdrawn *e = event->data;
    bus_str                            reason = BUS_STR("The trip was cancelled.");

    if (e->release_driver)
        compensate(event->stream, ASSIGNMENT_RESOURCE_DRIVER, e->driver_id, reason, out);
    if (e->release_co_driver)
        compensate(event->stream, ASSIGNMENT_RESOURCE_DRIVER, e->co_driver_id, reason, out);
    if (e->release_vehicle)
        compensate(event->stream, ASSIGNMENT_RESOURCE_VEHICLE, e->vehicle_id, reason, out);
}

static const bus_aggregate aggregates[] = {
    {.of = &assignment_assignment,
     .snapshot_version = 1,
     .state_size = sizeof(struct assignment),
     .decide = decide,
     .apply = apply},
    {.of = &assignment_compensation,
     .snapshot_version = 1,
     .state_size = sizeof(struct compensation),
     .decide = compensation_decide,
     .apply = compensation_apply},
};

static const bus_reaction reactions[] = {
    {.on = &trips_assignment_requested_event, .react = on_requested},
    {.on = &trips_assignment_withdrawn_event, .react = on_cancelled},
    {.on = &assignment_failed_event, .react = on_failed},
    {.on = &assignment_withdrawn_event, .react = on_withdrawn},
};

const bus_module assignment_module = BUS_MODULE_WITH_REACTIONS(assignment, aggregates, reactions);
