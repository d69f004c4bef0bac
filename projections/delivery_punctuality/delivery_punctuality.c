/* delivery_punctuality.c - on time by customer and local day: an arrival within the window is on
 * time, whatever is done afterwards; a delivery counts as first attempt if it was handed over at
 * its first one. Shares are in basis points of what they are shares of.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/deliveries.h"

/* UUIDv5 of the customer's id and the day's number. */
static bus_id
row_id(bus_id customer_id, int32_t day)
{
    uint8_t name[4] = {(uint8_t)((uint32_t)day >> 24), (uint8_t)((uint32_t)day >> 16),
                       (uint8_t)((uint32_t)day >> 8), (uint8_t)(uint32_t)day};

    return bus_id_v5(customer_id, name, sizeof(name));
}

/* Whose and which day the event counts for; false: for none. */
static bool
place_of(const struct deliveries_delivery_event *e, bus_id *customer_id, int32_t *day)
{
    switch (e->kind) {
    case DELIVERIES_ARRIVED:
        *customer_id = e->arrived.customer_id;
        *day = e->arrived.day;
        return true;
    case DELIVERIES_COMPLETED:
        *customer_id = e->completed.customer_id;
        *day = e->completed.day;
        return true;
    case DELIVERIES_COMPLETED_PARTLY:
        *customer_id = e->completed_partly.customer_id;
        *day = e->completed_partly.day;
        return true;
    case DELIVERIES_FAILED:
        *customer_id = e->failed.customer_id;
        *day = e->failed.day;
        return true;
    case DELIVERIES_CREATED:
    case DELIVERIES_CONFIRMED:
    case DELIVERIES_WINDOW_CHANGED:
    case DELIVERIES_BOXES_ATTACHED:
    case DELIVERIES_BOXES_SCANNED:
    case DELIVERIES_PLANNED:
    case DELIVERIES_UNPLANNED:
    case DELIVERIES_STARTED:
    case DELIVERIES_CALL_LINKED:
    case DELIVERIES_RESCHEDULED:
    case DELIVERIES_RETURN_STARTED:
    case DELIVERIES_RETURNED:
    case DELIVERIES_CANCELLED: return false;
    }
    BUS_UNREACHABLE();
}

static void
keys(const bus_event *event, bus_projection *out)
{
    bus_id  customer_id;
    int32_t day;

    if (place_of(event->tagged, &customer_id, &day))
        bus_row_key(out, row_id(customer_id, day));
}

static void
count_completed(struct delivery_punctuality_row *row, int64_t attempt)
{
    row->completed++;
    row->first_attempt += attempt == 1;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct delivery_punctuality_row        *row = state;
    const struct deliveries_delivery_event *e = event->tagged;

    (void)out;
    if (!place_of(e, &row->customer_id, &row->day))
        return;
    if (e->kind == DELIVERIES_ARRIVED) {
        row->arrived++;
        row->on_time += e->arrived.late_s <= 0;
        row->late_s += e->arrived.late_s > 0 ? e->arrived.late_s : 0;
    } else if (e->kind == DELIVERIES_COMPLETED) {
        count_completed(row, e->completed.attempt);
    } else if (e->kind == DELIVERIES_COMPLETED_PARTLY) {
        count_completed(row, e->completed_partly.attempt);
    } else if (e->kind == DELIVERIES_FAILED) {
        row->failed++;
    }
    row->has_on_time_bp = row->arrived > 0;
    if (row->has_on_time_bp)
        row->on_time_bp = row->on_time * 10000 / row->arrived;
    row->has_first_attempt_bp = row->completed > 0;
    if (row->has_first_attempt_bp)
        row->first_attempt_bp = row->first_attempt * 10000 / row->completed;
}

const bus_view delivery_punctuality_projection = {
    .of = &delivery_punctuality_view, .view_version = 1, .project = project, .keys = keys};
