/* driver_account.c - which user a driver has, so that he is no user when he has left the carrier
 * (P12), and is forgotten with him. A stream for each driver of a tenant. The one rule: whichever
 * comes last, the user or the dismissal, tells the user to leave. SPDX-License-Identifier:
 * Apache-2.0 */
#include "contracts/drivers.h"
#include "services/users/user.h"

bus_id
driver_account_stream(bus_id tenant, bus_id driver)
{
    return bus_id_v5(bus_id_v5_text(tenant, "driver_account"), driver.bytes, sizeof(driver.bytes));
}

static void
tell_to_leave(bus_id user, bus_id driver, bus_decision *out)
{
    users_send_leave(out, user, &(struct users_leave){.driver_id = driver}, NULL);
}

static void
tell_to_forget(bus_id user, bus_id driver, bus_decision *out)
{
    users_send_forget(out, user, &(struct users_forget){.driver_id = driver}, NULL);
}

static bus_verdict
decide_open(const struct driver_account *s, const struct users_open_account *cmd, bus_decision *out)
{
    bus_verdict verdict;

    if (bus_id_equal(s->user_id, cmd->user_id))
        return bus_accept(out);
    verdict =
        users_emit_account_opened(out, &(struct users_account_opened){.user_id = cmd->user_id});
    if (s->left)
        tell_to_leave(cmd->user_id, cmd->driver_id, out);
    if (s->forgotten)
        tell_to_forget(cmd->user_id, cmd->driver_id, out);
    return verdict;
}

/* Another user may be the driver's by now. */
static bus_verdict
decide_close(const struct driver_account *s, const struct users_close_account *cmd,
             bus_decision *out)
{
    if (!bus_id_equal(s->user_id, cmd->user_id))
        return bus_accept(out);
    return users_emit_account_closed(out, &(struct users_account_closed){0});
}

static bus_verdict
decide_left(const struct driver_account *s, const struct users_note_left *cmd, bus_decision *out)
{
    bus_verdict verdict;

    if (s->left)
        return bus_accept(out);
    verdict = users_emit_driver_left(out, &(struct users_driver_left){0});
    if (!bus_id_is_nil(s->user_id))
        tell_to_leave(s->user_id, cmd->driver_id, out);
    return verdict;
}

static bus_verdict
decide_forgotten(const struct driver_account *s, const struct users_note_forgotten *cmd,
                 bus_decision *out)
{
    bus_verdict verdict;

    if (s->forgotten)
        return bus_accept(out);
    verdict = users_emit_driver_forgotten(out, &(struct users_driver_forgotten){0});
    if (!bus_id_is_nil(s->user_id))
        tell_to_forget(s->user_id, cmd->driver_id, out);
    return verdict;
}

bus_verdict
driver_account_decide(const void *state, const void *command, const bus_meta *meta,
                      bus_decision *out)
{
    const struct driver_account               *s = state;
    const struct users_driver_account_command *c = command;

    (void)meta;
    switch (c->kind) {
    case USERS_OPEN_ACCOUNT: return decide_open(s, &c->open_account, out);
    case USERS_CLOSE_ACCOUNT: return decide_close(s, &c->close_account, out);
    case USERS_NOTE_FORGOTTEN: return decide_forgotten(s, &c->note_forgotten, out);
    case USERS_NOTE_LEFT: return decide_left(s, &c->note_left, out);
    }
    BUS_UNREACHABLE();
}

void
driver_account_apply(void *state, const void *event)
{
    struct driver_account                   *s = state;
    const struct users_driver_account_event *e = event;

    switch (e->kind) {
    case USERS_ACCOUNT_OPENED: s->user_id = e->account_opened.user_id; break;
    case USERS_ACCOUNT_CLOSED: s->user_id = BUS_ID_NIL; break;
    case USERS_DRIVER_FORGOTTEN: s->forgotten = true; break;
    case USERS_DRIVER_LEFT: s->left = true; break;
    }
}

/* Of drivers: the stream of the event is the driver. */
void
driver_account_on_dismissed(const bus_event *event, bus_reaction_out *out)
{
    users_react_note_left(out, driver_account_stream(event->tenant, event->stream),
                          &(struct users_note_left){.driver_id = event->stream});
}

void
driver_account_on_forgotten(const bus_event *event, bus_reaction_out *out)
{
    users_react_note_forgotten(out, driver_account_stream(event->tenant, event->stream),
                               &(struct users_note_forgotten){.driver_id = event->stream});
}
