/* vehicles.c - the fleet: what a vehicle is, whether it can be used, what it has to have.
 * The one rule: a vehicle is promised to one trip at a time, and only while it may be on the
 * road. Time is in reservations.c, readings in odometer.c, papers and service in upkeep.c,
 * plates in plate.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/vehicles/vehicle.h"

#include "contracts/trips.h"

/* --- the lifecycle ------------------------------------------------------------------------ */

/* clang-format off */
static const struct {
    enum vehicles_status               from;
    enum vehicles_vehicle_command_kind command;
    enum vehicles_status               to;
} lifecycle[] = {
    { VEHICLES_STATUS_AVAILABLE,   VEHICLES_START_TRIP,              VEHICLES_STATUS_ON_TRIP },
    { VEHICLES_STATUS_ON_TRIP,     VEHICLES_FINISH_TRIP,             VEHICLES_STATUS_AVAILABLE },
    { VEHICLES_STATUS_AVAILABLE,   VEHICLES_SEND_TO_MAINTENANCE,     VEHICLES_STATUS_MAINTENANCE },
    { VEHICLES_STATUS_MAINTENANCE, VEHICLES_RETURN_FROM_MAINTENANCE, VEHICLES_STATUS_AVAILABLE },
    { VEHICLES_STATUS_AVAILABLE,   VEHICLES_BLOCK,                   VEHICLES_STATUS_BLOCKED },
    { VEHICLES_STATUS_ON_TRIP,     VEHICLES_BLOCK,                   VEHICLES_STATUS_BLOCKED },
    { VEHICLES_STATUS_MAINTENANCE, VEHICLES_BLOCK,                   VEHICLES_STATUS_BLOCKED },
    { VEHICLES_STATUS_BLOCKED,     VEHICLES_UNBLOCK,                 VEHICLES_STATUS_AVAILABLE },
    { VEHICLES_STATUS_AVAILABLE,   VEHICLES_RETIRE,                  VEHICLES_STATUS_RETIRED },
};
/* clang-format on */

/* Where a command leads; NULL: it is not for this state. */
static const enum vehicles_status *
next(enum vehicles_status from, enum vehicles_vehicle_command_kind command)
{
    for (int i = 0; i < BUS_COUNT(lifecycle); i++)
        if (lifecycle[i].from == from && lifecycle[i].command == command)
            return &lifecycle[i].to;
    return NULL;
}

static bool
may(const struct vehicle *s, enum vehicles_vehicle_command_kind command)
{
    return next(s->status, command) != NULL;
}

/* Trips depart and end whatever the state is; the rest decide has seen to. A vehicle that comes
 * free while its trip is still under way is on that trip. */
static void
move(struct vehicle *s, enum vehicles_vehicle_command_kind command)
{
    const enum vehicles_status *to = next(s->status, command);

    if (to != NULL)
        s->status = *to;
    if (s->status == VEHICLES_STATUS_AVAILABLE && !bus_id_is_nil(s->on_trip))
        s->status = VEHICLES_STATUS_ON_TRIP;
}

bus_verdict
vehicle_wrong_state(const struct vehicle *s, bus_decision *out)
{
    static const char *const names[] = {[VEHICLES_STATUS_AVAILABLE] = "AVAILABLE",
                                        [VEHICLES_STATUS_ON_TRIP] = "ON_TRIP",
                                        [VEHICLES_STATUS_MAINTENANCE] = "MAINTENANCE",
                                        [VEHICLES_STATUS_BLOCKED] = "BLOCKED",
                                        [VEHICLES_STATUS_RETIRED] = "RETIRED"};

    return vehicle_wrong_state_refuse(
        out, &(struct vehicle_wrong_state_params){.status = bus_str_load(names[s->status])});
}

/* --- in the fleet ------------------------------------------------------------------------- */

static bus_verdict
decide_register(const struct vehicles_register *cmd, const bus_meta *meta, bus_decision *out)
{
    char plate[16], vin[20];

    if (!vehicle_fold_plate(cmd->plate, plate))
        return bus_refuse(out, VEHICLE_PLATE_INVALID);
    if (!vehicle_fold_vin(cmd->vin, vin))
        return bus_refuse(out, VEHICLE_VIN_INVALID);
    bus_claim(out, "vehicle_plate", bus_str_load(plate), VEHICLE_PLATE_TAKEN);
    bus_claim(out, "vehicle_vin", bus_str_load(vin), VEHICLE_VIN_TAKEN);
    return vehicles_emit_registered(out,
                                    &(struct vehicles_registered){.plate = bus_str_load(plate),
                                                                  .vin = bus_str_load(vin),
                                                                  .specs = cmd->specs,
                                                                  .odometer_m = cmd->odometer_m,
                                                                  .registered_at = meta->at_ms});
}

/* Capacity may not shrink below what is planned already. */
static bus_verdict
decide_change_specs(const struct vehicle *s, const struct vehicles_change_specs *cmd,
                    bus_decision *out)
{
    if (s->status == VEHICLES_STATUS_RETIRED)
        return vehicle_wrong_state(s, out);
    for (int32_t i = 0; i < s->reservations_count; i++)
        if (s->reservations[i].load_g > cmd->specs.payload_g ||
            s->reservations[i].load_ml > cmd->specs.cargo_ml)
            return vehicle_capacity_promised_refuse(
                out,
                &(struct vehicle_capacity_promised_params){.load_g = s->reservations[i].load_g,
                                                           .load_ml = s->reservations[i].load_ml});
    return vehicles_emit_specs_changed(out, &(struct vehicles_specs_changed){.specs = cmd->specs});
}

static bus_verdict
emit_sent_to_maintenance(const struct vehicles_send_to_maintenance *cmd, const bus_meta *meta,
                         bus_decision *out)
{
    return vehicles_emit_sent_to_maintenance(
        out, &(struct vehicles_sent_to_maintenance){.kind = cmd->kind,
                                                    .has_until_at = cmd->has_until_at,
                                                    .until_at = cmd->until_at,
                                                    .sent_at = meta->at_ms});
}

static bus_verdict
decide_retire(const struct vehicle *s, const struct vehicles_retire *cmd, const bus_meta *meta,
              bus_decision *out)
{
    if (s->reservations_count > 0)
        return vehicle_has_reservations_refuse(
            out, &(struct vehicle_has_reservations_params){.count = s->reservations_count});
    bus_release(out, "vehicle_plate", bus_str_load(s->plate));
    bus_release(out, "vehicle_vin", bus_str_load(s->vin));
    return vehicles_emit_retired(
        out, &(struct vehicles_retired){.reason = cmd->reason, .retired_at = meta->at_ms});
}

/* --- may it happen? ----------------------------------------------------------------------- */

/* Commands of the lifecycle that a client gives: the table has been asked. */
static bus_verdict
decide_move(const struct vehicle *s, const struct vehicles_vehicle_command *c, const bus_meta *meta,
            bus_decision *out)
{
    if (!may(s, c->kind))
        return vehicle_wrong_state(s, out);
    if (c->kind == VEHICLES_SEND_TO_MAINTENANCE)
        return emit_sent_to_maintenance(&c->send_to_maintenance, meta, out);
    if (c->kind == VEHICLES_RETURN_FROM_MAINTENANCE)
        return vehicle_decide_return(s, &c->return_from_maintenance, meta, out);
    if (c->kind == VEHICLES_BLOCK)
        return vehicles_emit_blocked(
            out, &(struct vehicles_blocked){.reason = c->block.reason, .blocked_at = meta->at_ms});
    if (c->kind == VEHICLES_UNBLOCK)
        return vehicles_emit_unblocked(out,
                                       &(struct vehicles_unblocked){.unblocked_at = meta->at_ms});
    BUS_INVARIANT(c->kind == VEHICLES_RETIRE);
    return decide_retire(s, &c->retire, meta, out);
}

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct vehicle                  *s = state;
    const struct vehicles_vehicle_command *c = command;

    switch (c->kind) {
    case VEHICLES_REGISTER: return decide_register(&c->register_, meta, out);
    case VEHICLES_CHANGE_SPECS: return decide_change_specs(s, &c->change_specs, out);
    case VEHICLES_RESERVE: return vehicle_decide_reserve(s, &c->reserve, meta, out);
    case VEHICLES_RELEASE: return vehicle_decide_release(s, &c->release, meta, out);
    case VEHICLES_START_TRIP: return vehicle_decide_start(s, &c->start_trip, meta, out);
    case VEHICLES_FINISH_TRIP: return vehicle_decide_finish(s, &c->finish_trip, meta, out);
    case VEHICLES_RECORD_ODOMETER:
        return vehicle_decide_record_odometer(s, &c->record_odometer, meta, out);
    case VEHICLES_CORRECT_ODOMETER:
        return vehicle_decide_correct_odometer(s, &c->correct_odometer, meta, out);
    case VEHICLES_ADD_DOCUMENT: return vehicle_decide_add_document(s, &c->add_document, out);
    case VEHICLES_ADD_SERVICE_PLAN:
        return vehicle_decide_add_plan(s, &c->add_service_plan, meta, out);
    case VEHICLES_PLAN_MAINTENANCE:
        return vehicle_decide_plan_window(s, &c->plan_maintenance, meta, out);
    case VEHICLES_CANCEL_MAINTENANCE:
        return vehicle_decide_cancel_window(s, &c->cancel_maintenance, meta, out);
    case VEHICLES_SEND_TO_MAINTENANCE:
    case VEHICLES_RETURN_FROM_MAINTENANCE:
    case VEHICLES_BLOCK:
    case VEHICLES_UNBLOCK:
    case VEHICLES_RETIRE: return decide_move(s, c, meta, out);
    }
    BUS_UNREACHABLE();
}

/* --- it happened -------------------------------------------------------------------------- */

static void
apply_registered(struct vehicle *s, const struct vehicles_registered *e)
{
    s->status = VEHICLES_STATUS_AVAILABLE;
    bus_str_store(s->plate, sizeof(s->plate), e->plate);
    bus_str_store(s->vin, sizeof(s->vin), e->vin);
    s->specs = e->specs;
    s->odometer_m = e->odometer_m;
    s->odometer_at = e->registered_at;
}

static void
apply(void *state, const void *event)
{
    struct vehicle                      *s = state;
    const struct vehicles_vehicle_event *e = event;

    switch (e->kind) {
    case VEHICLES_REGISTERED: apply_registered(s, &e->registered); break;
    case VEHICLES_SPECS_CHANGED: s->specs = e->specs_changed.specs; break;
    case VEHICLES_RESERVED: vehicle_apply_reserved(s, &e->reserved); break;
    case VEHICLES_RELEASED: vehicle_apply_released(s, &e->released); break;
    case VEHICLES_RESERVATION_BARRED:
        vehicle_apply_barred(s, e->reservation_barred.reservation_id);
        break;
    case VEHICLES_TRIP_STARTED:
        vehicle_apply_started(s, &e->trip_started);
        move(s, VEHICLES_START_TRIP);
        break;
    case VEHICLES_TRIP_FINISHED:
        vehicle_apply_finished(s, &e->trip_finished);
        move(s, VEHICLES_FINISH_TRIP);
        break;
    case VEHICLES_ODOMETER_RECORDED:
        s->odometer_m = e->odometer_recorded.odometer_m;
        s->odometer_at = e->odometer_recorded.read_at;
        break;
    case VEHICLES_ODOMETER_SUSPECTED: break; /* kept in the log, not applied */
    case VEHICLES_ODOMETER_CORRECTED:
        s->odometer_m = e->odometer_corrected.odometer_m;
        s->odometer_at = e->odometer_corrected.corrected_at;
        break;
    case VEHICLES_DOCUMENT_ADDED: vehicle_apply_document(s, &e->document_added); break;
    case VEHICLES_SERVICE_PLANNED: vehicle_apply_plan(s, &e->service_planned); break;
    case VEHICLES_SERVICE_DONE: break; /* the view counts from it */
    case VEHICLES_MAINTENANCE_PLANNED: vehicle_apply_window(s, &e->maintenance_planned); break;
    case VEHICLES_MAINTENANCE_CANCELLED:
        vehicle_apply_window_gone(s, &e->maintenance_cancelled);
        break;
    case VEHICLES_SENT_TO_MAINTENANCE:
        move(s, VEHICLES_SEND_TO_MAINTENANCE);
        s->maintenance_until_at =
            e->sent_to_maintenance.has_until_at ? e->sent_to_maintenance.until_at : 0;
        break;
    case VEHICLES_RETURNED_FROM_MAINTENANCE: move(s, VEHICLES_RETURN_FROM_MAINTENANCE); break;
    case VEHICLES_BLOCKED: move(s, VEHICLES_BLOCK); break;
    case VEHICLES_UNBLOCKED: move(s, VEHICLES_UNBLOCK); break;
    case VEHICLES_RETIRED: move(s, VEHICLES_RETIRE); break;
    }
}

/* The trip's driver may read the odometer of the vehicle he drives. */
static bool
owned_by(const void *state, bus_id driver_id)
{
    const struct vehicle *s = state;

    return !bus_id_is_nil(driver_id) && bus_id_equal(s->driver_id, driver_id);
}

/* --- listening to trips: the stream of their events is the trip --------------------------------
 */

static void
on_departed(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_departed *e = event->data;

    vehicles_react_start_trip(out, e->vehicle_id,
                              &(struct vehicles_start_trip){.reservation_id = e->reservation_id,
                                                            .trip_id = event->stream,
                                                            .odometer_m = e->odometer_m,
                                                            .driver_id = e->driver_id,
                                                            .departed_at = e->departed_at});
}

static void
on_completed(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_completed *e = event->data;

    vehicles_react_finish_trip(out, e->vehicle_id,
                               &(struct vehicles_finish_trip){.reservation_id = e->reservation_id,
                                                              .trip_id = event->stream,
                                                              .has_odometer_m = true,
                                                              .odometer_m = e->odometer_m,
                                                              .has_driver_id = true,
                                                              .driver_id = e->driver_id,
                                                              .finished_at = e->finished_at});
}

static void
on_aborted(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_aborted *e = event->data;

    vehicles_react_finish_trip(out, e->vehicle_id,
                               &(struct vehicles_finish_trip){.reservation_id = e->reservation_id,
                                                              .trip_id = event->stream,
                                                              .has_odometer_m = e->has_odometer_m,
                                                              .odometer_m = e->odometer_m,
                                                              .has_driver_id = true,
                                                              .driver_id = e->driver_id,
                                                              .finished_at = e->finished_at});
}

static void
on_cancelled(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_trip_cancelled *e = event->data;

    if (e->has_reservation_id && e->has_vehicle_id)
        vehicles_react_release(out, e->vehicle_id,
                               &(struct vehicles_release){.reservation_id = e->reservation_id});
}

static void
on_refused(const bus_event *event, bus_reaction_out *out)
{
    const struct trips_driver_refused *e = event->data;

    vehicles_react_release(out, e->vehicle_id,
                           &(struct vehicles_release){.reservation_id = e->reservation_id});
}

static const bus_reaction reactions[] = {
    {.on = &trips_trip_departed_event, .react = on_departed},
    {.on = &trips_trip_completed_event, .react = on_completed},
    {.on = &trips_trip_aborted_event, .react = on_aborted},
    {.on = &trips_trip_cancelled_event, .react = on_cancelled},
    {.on = &trips_driver_refused_event, .react = on_refused},
};

static const bus_aggregate aggregates[] = {
    {.of = &vehicles_vehicle,
     .snapshot_version = 2,
     .state_size = sizeof(struct vehicle),
     .decide = decide,
     .apply = apply,
     .owned_by = owned_by},
};

const bus_module vehicles_module = BUS_MODULE_WITH_REACTIONS(vehicles, aggregates, reactions);
