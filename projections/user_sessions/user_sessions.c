/* user_sessions.c - who is logged in where. The edge asks it on requests: is the session still
 * open? SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/users.h"

static void
begin(struct user_sessions_row *row, const struct users_session_began *e, const bus_event *event)
{
    row->user_id = e->user_id;
    row->generation = e->generation;
    row->status = USER_SESSIONS_ROW_STATUS_OPEN;
    row->has_device = e->has_device;
    row->device = e->device;
    row->began_at = event->at_ms;
    row->expires_at = e->expires_at;
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct user_sessions_row         *row = state;
    const struct users_session_event *e = event->tagged;
    (void)out;

    switch (e->kind) {
    case USERS_SESSION_BEGAN: begin(row, &e->session_began, event); break;
    case USERS_SESSION_REFRESHED:
        row->has_refreshed_at = true;
        row->refreshed_at = event->at_ms;
        break;
    case USERS_SESSION_REVOKED:
        row->status = USER_SESSIONS_ROW_STATUS_ENDED;
        row->has_ended_at = row->has_end_reason = true;
        row->ended_at = event->at_ms;
        row->end_reason = e->session_revoked.reason;
        break;
    }
}

const bus_view user_sessions_projection = {
    .of = &user_sessions_view, .view_version = 1, .project = project};
