/* tenants.c - carriers: what they may at all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/users.h"

static void
move(struct tenants_row *row, enum users_tenant_status status, bool has_reason, bus_str reason)
{
    row->status = status;
    row->has_reason = has_reason;
    row->reason = reason;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct tenants_row              *row = state;
    const struct users_tenant_event *e = event->tagged;
    const bus_str                    none = {NULL, 0};
    (void)out;

    switch (e->kind) {
    case USERS_TENANT_OPENED:
        row->has_name = row->has_opened_at = true;
        row->name = e->tenant_opened.name;
        row->opened_at = event->at_ms;
        break;
    case USERS_TENANT_ACTIVATED: move(row, USERS_TENANT_STATUS_ACTIVE, false, none); break;
    case USERS_TENANT_SUSPENDED:
        move(row, USERS_TENANT_STATUS_SUSPENDED, true, e->tenant_suspended.reason);
        break;
    case USERS_TENANT_CLOSED:
        move(row, USERS_TENANT_STATUS_CLOSED, true, e->tenant_closed.reason);
        break;
    case USERS_ADMIN_UNSEATED: break;
    case USERS_ADMIN_SEATED: row->admins++; break;
    case USERS_ADMIN_REMOVED: row->admins--; break;
    }
}

const bus_view tenants_projection = {.of = &tenants_view, .view_version = 1, .project = project};
