/* drivers.c - the driver board: one row per driver.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/drivers.h"
#include "bus/module/module.h"

#define RESERVATIONS_MAX 64

static void
take_licence(struct drivers_row *row, const struct drivers_licence *licence, bus_projection *out)
{
    row->has_licence_number = row->has_categories = row->has_licence_valid_to = true;
    row->licence_number = licence->number;
    row->licence_valid_to = licence->valid_to;
    row->categories.count = 0;
    for (uint32_t i = 0; i < licence->categories.count; i++)
        *BUS_ROW_PUSH(out, &row->categories) = licence->categories.items[i];
}

static void
take_medical(struct drivers_row *row, int32_t valid_to)
{
    row->has_medical_valid_to = true;
    row->medical_valid_to = valid_to;
}

static void
take_tacho_card(struct drivers_row *row, bus_str card)
{
    row->has_tacho_card = true;
    row->tacho_card = card;
}

static void
hire(struct drivers_row *row, const struct drivers_hired *e, bus_projection *out)
{
    row->status = DRIVERS_STATUS_ONBOARDING;
    row->duty = DRIVERS_DUTY_OFF;
    row->full_name = e->full_name;
    row->phone_e164 = e->phone_e164;
    if (e->has_licence)
        take_licence(row, &e->licence, out);
    if (e->has_medical_valid_to)
        take_medical(row, e->medical_valid_to);
    if (e->has_tacho_card)
        take_tacho_card(row, e->tacho_card);
    row->has_pay = e->has_pay;
    row->pay = e->pay;
    row->hired_at = e->hired_at;
}

static void
change_documents(struct drivers_row *row, const struct drivers_documents_changed *e,
                 bus_projection *out)
{
    if (e->has_licence)
        take_licence(row, &e->licence, out);
    if (e->has_medical_valid_to)
        take_medical(row, e->medical_valid_to);
    if (e->has_tacho_card)
        take_tacho_card(row, e->tacho_card);
}

static void
change_contact(struct drivers_row *row, const struct drivers_contact_changed *e)
{
    if (e->has_full_name)
        row->full_name = e->full_name;
    if (e->has_phone_e164)
        row->phone_e164 = e->phone_e164;
}

/* --- reservations and trips --------------------------------------------------------------- */

static void
remove_reservation(struct drivers_row *row, uint32_t at)
{
    struct drivers_row_reservations *all = &row->reservations;

    all->count--;
    for (uint32_t i = at; i < all->count; i++)
        all->items[i] = all->items[i + 1];
}

static void
release(struct drivers_row *row, bus_id reservation)
{
    for (uint32_t i = 0; i < row->reservations.count; i++)
        if (bus_id_equal(row->reservations.items[i].reservation_id, reservation)) {
            remove_reservation(row, i);
            return;
        }
}

/* The board is as long as the module's memory: what ended first gives way. */
static void
reserve(struct drivers_row *row, const struct drivers_reserved *e, bus_projection *out)
{
    struct drivers_row_reservations_item *item;
    uint32_t                              first = 0;

    if (row->reservations.count == RESERVATIONS_MAX) {
        for (uint32_t i = 1; i < row->reservations.count; i++)
            if (row->reservations.items[i].to_at < row->reservations.items[first].to_at)
                first = i;
        remove_reservation(row, first);
    }
    item = BUS_ROW_PUSH(out, &row->reservations);
    item->reservation_id = e->reservation_id;
    item->trip_id = e->trip_id;
    item->from_at = e->from_at;
    item->to_at = e->to_at;
}

static void
start(struct drivers_row *row, const struct drivers_trip_started *e)
{
    if (row->has_trip_id && e->started_at < row->trip_since_at)
        return; /* an earlier trip of which we hear late */
    row->has_trip_id = row->has_trip_since_at = true;
    row->trip_id = e->trip_id;
    row->trip_since_at = e->started_at;
    if (row->duty != DRIVERS_DUTY_OFF)
        row->duty = DRIVERS_DUTY_DRIVING;
}

static void
end(struct drivers_row *row, const struct drivers_reservation_ended *e)
{
    release(row, e->reservation_id);
    if (!row->has_trip_id || !bus_id_equal(row->trip_id, e->trip_id))
        return;
    row->has_trip_id = row->has_trip_since_at = false;
    if (row->duty == DRIVERS_DUTY_DRIVING)
        row->duty = DRIVERS_DUTY_ON_DUTY;
}

/* --- the working day ------------------------------------------------------------------------ */

/* While at work a driver does what the latest stretch says. */
static void
record_duty(struct drivers_row *row, const struct drivers_duty_recorded *e)
{
    if (row->has_duty_recorded_to_at && e->from_at < row->duty_recorded_to_at)
        return;
    row->has_duty_recorded_to_at = true;
    row->duty_recorded_to_at = e->to_at;
    if (row->duty == DRIVERS_DUTY_OFF)
        return;
    switch (e->kind) {
    case DRIVERS_DUTY_KIND_ON_DUTY: row->duty = DRIVERS_DUTY_ON_DUTY; break;
    case DRIVERS_DUTY_KIND_DRIVING: row->duty = DRIVERS_DUTY_DRIVING; break;
    case DRIVERS_DUTY_KIND_REST: row->duty = DRIVERS_DUTY_REST; break;
    }
}

/* --- pay -------------------------------------------------------------------------------------- */

/* The terms given last; from when on they hold stands beside them. */
static void
change_pay(struct drivers_row *row, const struct drivers_pay_changed *e)
{
    row->has_pay = row->has_pay_from_at = true;
    row->pay = e->pay;
    row->pay_from_at = e->from_at;
}

static void
become(struct drivers_row *row, enum drivers_status status)
{
    row->status = status;
    row->has_leave_until_at = row->has_suspended_reason = false;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct drivers_row                *row = state;
    const struct drivers_driver_event *e = event->tagged;

    switch (e->kind) {
    case DRIVERS_HIRED: hire(row, &e->hired, out); break;
    case DRIVERS_DOCUMENTS_CHANGED: change_documents(row, &e->documents_changed, out); break;
    case DRIVERS_CONTACT_CHANGED: change_contact(row, &e->contact_changed); break;
    case DRIVERS_ACTIVATED:
    case DRIVERS_LEAVE_ENDED:
    case DRIVERS_REINSTATED: become(row, DRIVERS_STATUS_ACTIVE); break;
    case DRIVERS_RESERVED: reserve(row, &e->reserved, out); break;
    case DRIVERS_RELEASED: release(row, e->released.reservation_id); break;
    case DRIVERS_TRIP_STARTED: start(row, &e->trip_started); break;
    case DRIVERS_RESERVATION_ENDED: end(row, &e->reservation_ended); break;
    case DRIVERS_DUTY_STARTED:
        row->duty = row->has_trip_id ? DRIVERS_DUTY_DRIVING : DRIVERS_DUTY_ON_DUTY;
        break;
    case DRIVERS_DUTY_RECORDED: record_duty(row, &e->duty_recorded); break;
    case DRIVERS_DUTY_ENDED: row->duty = DRIVERS_DUTY_OFF; break;
    case DRIVERS_LEAVE_STARTED:
        become(row, DRIVERS_STATUS_ON_LEAVE);
        row->has_leave_until_at = e->leave_started.has_until_at;
        row->leave_until_at = e->leave_started.until_at;
        break;
    case DRIVERS_SUSPENDED:
        become(row, DRIVERS_STATUS_SUSPENDED);
        row->has_suspended_reason = true;
        row->suspended_reason = e->suspended.reason;
        break;
    case DRIVERS_PAY_CHANGED: change_pay(row, &e->pay_changed); break;
    case DRIVERS_DISMISSED:
        become(row, DRIVERS_STATUS_DISMISSED);
        row->duty = DRIVERS_DUTY_OFF;
        row->has_dismissed_at = true;
        row->dismissed_at = e->dismissed.dismissed_at;
        break;
    case DRIVERS_FORGOTTEN: /* the kernel clears what is personal */
        row->has_forgotten_at = true;
        row->forgotten_at = e->forgotten.forgotten_at;
        break;
    case DRIVERS_RESERVATION_BARRED:
    case DRIVERS_PAY_SETTLED: break;
    }
}

const bus_view drivers_projection = {.of = &drivers_view, .view_version = 2, .project = project};
