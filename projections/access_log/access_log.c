/* access_log.c - who came in, and who tried: a row for each log-in, under the id of its command.
 * From where is not in it: of many rows of one user nobody finds all when he is forgotten.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/module/module.h"
#include "contracts/users.h"

static void
keys(const bus_event *event, bus_projection *out)
{
    const struct users_user_event *e = event->tagged;

    if (e->kind == USERS_LOCKED && e->locked.by == USERS_LOCK_REASON_BY_HAND)
        return; /* nobody came */
    bus_row_key(out, event->command_id);
}

static void
project(void *state, const bus_event *event, bus_projection *out)
{
    struct access_log_row         *row = state;
    const struct users_user_event *e = event->tagged;
    (void)out;

    row->user_id = event->stream;
    row->at = event->at_ms;
    if (e->kind == USERS_LOGGED_IN) {
        row->outcome = ACCESS_LOG_ROW_OUTCOME_LOGGED_IN;
        row->has_session_id = true;
        row->session_id = e->logged_in.session_id;
    } else if (e->kind == USERS_LOG_IN_FAILED) {
        row->outcome = ACCESS_LOG_ROW_OUTCOME_FAILED;
    } else {
        BUS_INVARIANT(e->kind == USERS_LOCKED);
        row->outcome = ACCESS_LOG_ROW_OUTCOME_LOCKED; /* by the failure of the same command */
    }
}

const bus_view access_log_projection = {
    .of = &access_log_view, .view_version = 2, .project = project, .keys = keys};
