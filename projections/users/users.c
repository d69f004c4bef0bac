/* users.c - the list of users. The edge asks it when somebody logs in, and on requests of sessions:
 * is his generation still theirs? SPDX-License-Identifier: Apache-2.0 */
#include "contracts/users.h"
#include "bus/module/module.h"

static void
take_grants(struct users_row *row, const struct users_grants *grants, bus_projection *out)
{
    row->has_grants = true;
    row->grants.count = 0;
    for (uint32_t i = 0; i < grants->count; i++)
        *BUS_ROW_PUSH(out, &row->grants) = grants->items[i];
}

static void
invite(struct users_row *row, const struct users_invited *e, const bus_event *event,
       bus_projection *out)
{
    row->email = e->email;
    row->full_name = e->full_name;
    row->has_phone_e164 = e->has_phone_e164;
    row->phone_e164 = e->phone_e164;
    row->role = e->role;
    row->has_driver_id = e->has_driver_id;
    row->driver_id = e->driver_id;
    row->status = USERS_STATUS_INVITED;
    row->invited_at = event->at_ms;
    row->has_invitation_expires_at = true;
    row->invitation_expires_at = e->expires_at;
    row->generation = 1;
    if (e->has_grants)
        take_grants(row, &e->grants, out);
}

static void
take_password(struct users_row *row, bus_str sealed, int64_t generation)
{
    row->has_password = true;
    row->password = sealed;
    row->generation = generation;
}

static void
accept(struct users_row *row, const struct users_invitation_accepted *e, const bus_event *event)
{
    row->status = USERS_STATUS_ACTIVE;
    row->has_invitation_expires_at = false;
    row->has_accepted_at = true;
    row->accepted_at = event->at_ms;
    take_password(row, e->password, e->generation);
}

static void
take_role(struct users_row *row, const struct users_role_changed *e)
{
    row->role = e->role;
    row->has_driver_id = e->has_driver_id;
    row->driver_id = e->driver_id;
    row->generation = e->generation;
}

static void
lock(struct users_row *row, const struct users_locked *e)
{
    row->status = USERS_STATUS_LOCKED;
    row->has_status_reason = e->has_reason;
    row->status_reason = e->reason;
    row->has_locked_until_at = e->has_until_at;
    row->locked_until_at = e->until_at;
    row->generation = e->generation;
}

static void
activate(struct users_row *row)
{
    row->status = USERS_STATUS_ACTIVE;
    row->has_status_reason = row->has_locked_until_at = false;
}

static void
disable(struct users_row *row, const struct users_disabled *e)
{
    row->status = USERS_STATUS_DISABLED;
    row->has_status_reason = true;
    row->status_reason = e->reason;
    row->has_locked_until_at = false;
    row->generation = e->generation;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct users_row              *row = state;
    const struct users_user_event *e = event->tagged;

    switch (e->kind) {
    case USERS_INVITED: invite(row, &e->invited, event, out); break;
    case USERS_REINVITED: row->invitation_expires_at = e->reinvited.expires_at; break;
    case USERS_INVITATION_ACCEPTED: accept(row, &e->invitation_accepted, event); break;
    case USERS_PASSWORD_CHANGED:
        take_password(row, e->password_changed.password, e->password_changed.generation);
        break;
    case USERS_ROLE_CHANGED: take_role(row, &e->role_changed); break;
    case USERS_GRANTS_CHANGED:
        take_grants(row, &e->grants_changed.grants, out);
        row->generation = e->grants_changed.generation;
        break;
    case USERS_LOGGED_IN:
        row->has_logged_in_at = true;
        row->logged_in_at = event->at_ms;
        break;
    case USERS_LOCKED: lock(row, &e->locked); break;
    case USERS_UNLOCKED:
    case USERS_ENABLED: activate(row); break;
    case USERS_DISABLED: disable(row, &e->disabled); break;
    case USERS_TOTP_BEGUN:
        row->has_totp_secret = true;
        row->totp_secret = e->totp_begun.totp_secret;
        break;
    case USERS_TOTP_ENABLED:
        row->totp = true;
        row->generation = e->totp_enabled.generation;
        break;
    case USERS_TOTP_DISABLED:
        row->totp = row->has_totp_secret = false;
        row->generation = e->totp_disabled.generation;
        break;
    case USERS_TELEGRAM_LINKED: row->telegram = true; break;
    case USERS_TELEGRAM_UNLINKED: row->telegram = false; break;
    case USERS_FORGOTTEN:
        row->has_forgotten_at = true;
        row->forgotten_at = e->forgotten.forgotten_at;
        row->telegram = false;
        break;
    case USERS_PASSWORD_RESET:
    case USERS_LOG_IN_FAILED:
    case USERS_TELEGRAM_CODE_MADE: break;
    }
}

const bus_view users_projection = {.of = &users_view, .view_version = 1, .project = project};
