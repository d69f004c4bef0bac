/* webhooks.c - the subscriptions, and why one of them waits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/webhooks.h"
#include "bus/module/module.h"

/* The lists are the event's; the row lives as long. */
static void
subscribe(struct webhooks_row *row, const struct webhooks_subscribed *e, const bus_event *event,
          bus_projection *out)
{
    row->url = e->url;
    row->personal = e->personal;
    row->status = WEBHOOKS_ROW_STATUS_ACTIVE;
    row->subscribed_at = event->at_ms;
    row->has_domains = e->has_domains;
    for (uint32_t i = 0; i < e->domains.count; i++)
        *BUS_ROW_PUSH(out, &row->domains) = e->domains.items[i];
    row->has_types = e->has_types;
    for (uint32_t i = 0; i < e->types.count; i++)
        *BUS_ROW_PUSH(out, &row->types) = e->types.items[i];
    row->has_streams = e->has_streams;
    for (uint32_t i = 0; i < e->streams.count; i++)
        *BUS_ROW_PUSH(out, &row->streams) = e->streams.items[i];
}

static void
wait_with(struct webhooks_row *row, enum webhooks_row_status status, bus_str reason,
          struct webhooks_place at, const bus_event *event)
{
    row->status = status;
    row->has_reason = true;
    row->reason = reason;
    row->has_stuck = true;
    row->stuck = at;
    row->has_stopped_at = true;
    row->stopped_at = event->at_ms;
}

static void
go_on(struct webhooks_row *row)
{
    row->status = WEBHOOKS_ROW_STATUS_ACTIVE;
    row->has_reason = row->has_stuck = row->has_stopped_at = false;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct webhooks_row                      *row = state;
    const struct webhooks_subscription_event *e = event->tagged;

    switch (e->kind) {
    case WEBHOOKS_SUBSCRIBED: subscribe(row, &e->subscribed, event, out); break;
    case WEBHOOKS_PAUSED:
        row->status = WEBHOOKS_ROW_STATUS_PAUSED;
        row->has_stopped_at = true;
        row->stopped_at = event->at_ms;
        break;
    case WEBHOOKS_RESUMED: go_on(row); break;
    case WEBHOOKS_DELETED: bus_row_delete(out); break;
    case WEBHOOKS_SECRET_ROTATED:
        row->has_rotated_at = true;
        row->rotated_at = event->at_ms;
        break;
    case WEBHOOKS_REPLAY_ASKED: break;
    case WEBHOOKS_PARKED:
        wait_with(row, WEBHOOKS_ROW_STATUS_PARKED, e->parked.reason, e->parked.at, event);
        break;
    case WEBHOOKS_DISABLED:
        wait_with(row, WEBHOOKS_ROW_STATUS_DISABLED, e->disabled.reason, e->disabled.at, event);
        break;
    }
}

const bus_view webhooks_projection = {.of = &webhooks_view, .view_version = 1, .project = project};
