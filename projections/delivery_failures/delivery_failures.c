/* delivery_failures.c - failures by reason and local day.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/deliveries.h"

/* UUIDv5 of the tenant's id, the reason's number and the day's. */
static bus_id
row_id(bus_id tenant, enum deliveries_failure reason, int32_t day)
{
    uint8_t name[5] = {(uint8_t)reason, (uint8_t)((uint32_t)day >> 24),
                       (uint8_t)((uint32_t)day >> 16), (uint8_t)((uint32_t)day >> 8),
                       (uint8_t)(uint32_t)day};

    return bus_id_v5(tenant, name, sizeof(name));
}

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct deliveries_failed *e = event->data;

    bus_row_key(out, row_id(event->tenant, e->reason, e->day));
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct delivery_failures_row   *row = state;
    const struct deliveries_failed *e = event->data;

    (void)out;
    row->reason = e->reason;
    row->day = e->day;
    row->count++;
}

const bus_view delivery_failures_projection = {
    .of = &delivery_failures_view, .view_version = 1, .project = project, .keys = keys};
