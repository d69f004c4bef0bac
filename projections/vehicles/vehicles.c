/* vehicles.c - the fleet board: one row per vehicle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/vehicles.h"
#include "bus/module/module.h"

#define RESERVATIONS_MAX 64
#define WINDOWS_MAX 16
#define PAPERS_MAX 4 /* of one kind, as the module keeps them */

static void
register_vehicle(struct vehicles_row *row, const struct vehicles_registered *e)
{
    row->status = VEHICLES_STATUS_AVAILABLE;
    row->plate = e->plate;
    row->vin = e->vin;
    row->class = e->specs.class;
    row->specs = e->specs;
    row->odometer_m = e->odometer_m;
    row->has_odometer_at = true;
    row->odometer_at = row->registered_at = e->registered_at;
}

/* --- reservations ------------------------------------------------------------------------- */

static void
remove_reservation(struct vehicles_row *row, uint32_t at)
{
    struct vehicles_row_reservations *all = &row->reservations;

    all->count--;
    for (uint32_t i = at; i < all->count; i++)
        all->items[i] = all->items[i + 1];
}

/* The board is as long as the module's memory: what ended first gives way. */
static void
make_room(struct vehicles_row *row)
{
    const struct vehicles_row_reservations *all = &row->reservations;
    uint32_t                                first = 0;

    if (all->count < RESERVATIONS_MAX)
        return;
    for (uint32_t i = 1; i < all->count; i++)
        if (all->items[i].to_at < all->items[first].to_at)
            first = i;
    remove_reservation(row, first);
}

static void
reserve(struct vehicles_row *row, const struct vehicles_reserved *e, bus_projection *out)
{
    struct vehicles_row_reservations_item *item;

    make_room(row);
    item = BUS_ROW_PUSH(out, &row->reservations);
    item->reservation_id = e->reservation_id;
    item->trip_id = e->trip_id;
    item->from_at = e->from_at;
    item->to_at = e->to_at;
}

static void
release(struct vehicles_row *row, bus_id reservation)
{
    for (uint32_t i = 0; i < row->reservations.count; i++)
        if (bus_id_equal(row->reservations.items[i].reservation_id, reservation)) {
            remove_reservation(row, i);
            return;
        }
}

/* --- trips -------------------------------------------------------------------------------- */

static void
start(struct vehicles_row *row, const struct vehicles_trip_started *e)
{
    if (row->has_trip_id && e->started_at < row->trip_since_at)
        return; /* an earlier trip of which we hear late */
    row->has_trip_id = row->has_driver_id = row->has_trip_since_at = true;
    row->trip_id = e->trip_id;
    row->driver_id = e->driver_id;
    row->trip_since_at = e->started_at;
    if (row->status == VEHICLES_STATUS_AVAILABLE)
        row->status = VEHICLES_STATUS_ON_TRIP;
}

static void
finish(struct vehicles_row *row, const struct vehicles_trip_finished *e)
{
    release(row, e->reservation_id);
    if (!e->was_on_trip)
        return;
    row->has_trip_id = row->has_driver_id = row->has_trip_since_at = false;
    if (row->status == VEHICLES_STATUS_ON_TRIP)
        row->status = VEHICLES_STATUS_AVAILABLE;
}

static void
come_free(struct vehicles_row *row)
{
    row->status = row->has_trip_id ? VEHICLES_STATUS_ON_TRIP : VEHICLES_STATUS_AVAILABLE;
    row->has_blocked_reason = false;
    row->has_maintenance_kind = row->has_maintenance_until_at = false;
}

/* --- papers and windows ------------------------------------------------------------------- */

/* Over the one of its number, to a free place, over the one of its kind that ends first. */
static struct vehicles_row_documents_item *
place_for(struct vehicles_row *row, const struct vehicles_document_added *e, bus_projection *out)
{
    struct vehicles_row_documents_item *first = NULL;
    uint32_t                            of_kind = 0;

    for (uint32_t i = 0; i < row->documents.count; i++) {
        struct vehicles_row_documents_item *item = &row->documents.items[i];

        if (item->kind != e->kind)
            continue;
        if (bus_str_equal(item->number, e->number))
            return item;
        of_kind++;
        if (first == NULL || item->to_on < first->to_on)
            first = item;
    }
    return of_kind == PAPERS_MAX ? first : BUS_ROW_PUSH(out, &row->documents);
}

static void
add_document(struct vehicles_row *row, const struct vehicles_document_added *e, bus_projection *out)
{
    struct vehicles_row_documents_item *item = place_for(row, e, out);

    item->kind = e->kind;
    item->number = e->number;
    item->from_on = e->from_on;
    item->to_on = e->to_on;
}

static void
remove_window(struct vehicles_row *row, uint32_t at)
{
    struct vehicles_row_windows *all = &row->windows;

    all->count--;
    for (uint32_t i = at; i < all->count; i++)
        all->items[i] = all->items[i + 1];
}

static void
add_window(struct vehicles_row *row, const struct vehicles_maintenance_planned *e,
           bus_projection *out)
{
    struct vehicles_row_windows_item *item;
    uint32_t                          first = 0;

    if (row->windows.count == WINDOWS_MAX) {
        for (uint32_t i = 1; i < row->windows.count; i++)
            if (row->windows.items[i].to_at < row->windows.items[first].to_at)
                first = i;
        remove_window(row, first);
    }
    item = BUS_ROW_PUSH(out, &row->windows);
    item->window_id = e->window_id;
    item->from_at = e->from_at;
    item->to_at = e->to_at;
    item->has_kind = e->has_kind;
    item->kind = e->kind;
}

static void
cancel_window(struct vehicles_row *row, bus_id window)
{
    for (uint32_t i = 0; i < row->windows.count; i++)
        if (bus_id_equal(row->windows.items[i].window_id, window)) {
            remove_window(row, i);
            return;
        }
}

/* --- the row ------------------------------------------------------------------------------ */

static void
read_odometer(struct vehicles_row *row, int64_t odometer_m, int64_t at_ms)
{
    row->odometer_m = odometer_m;
    row->odometer_at = at_ms;
}

static void
send_to_maintenance(struct vehicles_row *row, const struct vehicles_sent_to_maintenance *e)
{
    row->status = VEHICLES_STATUS_MAINTENANCE;
    row->has_maintenance_kind = true;
    row->maintenance_kind = e->kind;
    row->has_maintenance_until_at = e->has_until_at;
    row->maintenance_until_at = e->until_at;
}

static void
block(struct vehicles_row *row, const struct vehicles_blocked *e)
{
    row->status = VEHICLES_STATUS_BLOCKED;
    row->has_blocked_reason = true;
    row->blocked_reason = e->reason;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct vehicles_row                 *row = state;
    const struct vehicles_vehicle_event *e = event->tagged;

    switch (e->kind) {
    case VEHICLES_REGISTERED: register_vehicle(row, &e->registered); break;
    case VEHICLES_SPECS_CHANGED:
        row->specs = e->specs_changed.specs;
        row->class = row->specs.class;
        break;
    case VEHICLES_RESERVED: reserve(row, &e->reserved, out); break;
    case VEHICLES_RELEASED: release(row, e->released.reservation_id); break;
    case VEHICLES_TRIP_STARTED: start(row, &e->trip_started); break;
    case VEHICLES_TRIP_FINISHED: finish(row, &e->trip_finished); break;
    case VEHICLES_ODOMETER_RECORDED:
        read_odometer(row, e->odometer_recorded.odometer_m, e->odometer_recorded.read_at);
        break;
    case VEHICLES_ODOMETER_SUSPECTED: row->suspect_readings++; break;
    case VEHICLES_ODOMETER_CORRECTED:
        read_odometer(row, e->odometer_corrected.odometer_m, e->odometer_corrected.corrected_at);
        break;
    case VEHICLES_DOCUMENT_ADDED: add_document(row, &e->document_added, out); break;
    case VEHICLES_MAINTENANCE_PLANNED: add_window(row, &e->maintenance_planned, out); break;
    case VEHICLES_MAINTENANCE_CANCELLED:
        cancel_window(row, e->maintenance_cancelled.window_id);
        break;
    case VEHICLES_SENT_TO_MAINTENANCE: send_to_maintenance(row, &e->sent_to_maintenance); break;
    case VEHICLES_RETURNED_FROM_MAINTENANCE:
    case VEHICLES_UNBLOCKED: come_free(row); break;
    case VEHICLES_BLOCKED: block(row, &e->blocked); break;
    case VEHICLES_RETIRED:
        row->status = VEHICLES_STATUS_RETIRED;
        row->has_retired_at = true;
        row->retired_at = e->retired.retired_at;
        break;
    case VEHICLES_RESERVATION_BARRED:
    case VEHICLES_SERVICE_PLANNED:
    case VEHICLES_SERVICE_DONE: break;
    }
}

const bus_view vehicles_projection = {.of = &vehicles_view, .view_version = 1, .project = project};
