/* tenant.c - what a carrier may at all, and who its active ADMINs are.
 * The one rule: there is always an active ADMIN. A seat is taken after its user has become one and
 * is given up before he ceases to be one, so those who have seats are ADMINs at any time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/user.h"

static const char *
status_name(enum users_tenant_status status)
{
    switch (status) {
    case USERS_TENANT_STATUS_TRIAL: return "TRIAL";
    case USERS_TENANT_STATUS_ACTIVE: return "ACTIVE";
    case USERS_TENANT_STATUS_SUSPENDED: return "SUSPENDED";
    case USERS_TENANT_STATUS_CLOSED: return "CLOSED";
    }
    BUS_UNREACHABLE();
}

static int32_t
find_admin(const struct tenant *s, bus_id user)
{
    for (int32_t i = 0; i < s->admins_count; i++)
        if (bus_id_equal(s->admins[i], user))
            return i;
    return -1;
}

static bus_verdict
decide_open(const struct tenant *s, const struct users_open *cmd, const bus_meta *meta,
            bus_decision *out)
{
    if (!bus_id_equal(meta->stream, meta->tenant))
        return bus_refuse(out, TENANT_ELSEWHERE);
    if (!bus_id_is_nil(s->id))
        return bus_accept(out);
    return users_emit_tenant_opened(
        out, &(struct users_tenant_opened){.tenant_id = meta->stream, .name = cmd->name});
}

static bool
may_move(enum users_tenant_status from, enum users_tenant_command_kind command)
{
    if (from == USERS_TENANT_STATUS_CLOSED)
        return false;
    if (command == USERS_ACTIVATE)
        return from != USERS_TENANT_STATUS_ACTIVE;
    return command == USERS_CLOSE || from != USERS_TENANT_STATUS_SUSPENDED;
}

/* What an operator decides: activate, suspend, close. */
static bus_verdict
decide_move(const struct tenant *s, const struct users_tenant_command *c, const bus_meta *meta,
            bus_decision *out)
{
    if ((meta->grants & BUS_GRANT_TENANTS_MANAGE) == 0)
        return bus_refuse(out, TENANT_BY_OPERATOR);
    if (!may_move(s->status, c->kind))
        return tenant_wrong_state_refuse(out, &(struct tenant_wrong_state_params){
                                                  .status = bus_str_load(status_name(s->status))});
    if (c->kind == USERS_ACTIVATE)
        return users_emit_tenant_activated(out, &(struct users_tenant_activated){0});
    if (c->kind == USERS_SUSPEND)
        return users_emit_tenant_suspended(
            out, &(struct users_tenant_suspended){.reason = c->suspend.reason});
    BUS_INVARIANT(c->kind == USERS_CLOSE);
    return users_emit_tenant_closed(out, &(struct users_tenant_closed){.reason = c->close.reason});
}

/* Who has no seat could not be removed by anybody, so he does not stay an ADMIN. */
static bus_verdict
turn_away(const struct users_seat_admin *cmd, bus_decision *out)
{
    bus_verdict verdict =
        users_emit_admin_unseated(out, &(struct users_admin_unseated){.user_id = cmd->user_id});

    users_send_take_role(out, cmd->user_id,
                         &(struct users_take_role){.role = USERS_LESSER_ROLE_VIEWER}, NULL);
    return verdict;
}

static bus_verdict
decide_seat_admin(const struct tenant *s, const struct users_seat_admin *cmd, bus_decision *out)
{
    if (find_admin(s, cmd->user_id) >= 0)
        return bus_accept(out);
    if (s->admins_count == TENANT_ADMINS_MAX)
        return turn_away(cmd, out);
    return users_emit_admin_seated(out, &(struct users_admin_seated){.user_id = cmd->user_id});
}

static bus_verdict
decide_remove_admin(const struct tenant *s, const struct users_remove_admin *cmd,
                    const bus_meta *meta, bus_decision *out)
{
    bus_verdict verdict;

    if (bus_id_equal(cmd->user_id, meta->actor_id))
        return bus_refuse(out, USER_OWN_ROLE);
    if (find_admin(s, cmd->user_id) < 0)
        return bus_refuse(out, USER_NOT_ADMIN);
    if (s->admins_count == 1)
        return bus_refuse(out, USER_LAST_ADMIN);
    verdict = users_emit_admin_removed(
        out, &(struct users_admin_removed){.user_id = cmd->user_id, .role = cmd->role});
    users_send_take_role(out, cmd->user_id, &(struct users_take_role){.role = cmd->role}, NULL);
    return verdict;
}

bus_verdict
tenant_decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct tenant               *s = state;
    const struct users_tenant_command *c = command;

    switch (c->kind) {
    case USERS_OPEN: return decide_open(s, &c->open, meta, out);
    case USERS_ACTIVATE:
    case USERS_SUSPEND:
    case USERS_CLOSE: return decide_move(s, c, meta, out);
    case USERS_REMOVE_ADMIN: return decide_remove_admin(s, &c->remove_admin, meta, out);
    case USERS_SEAT_ADMIN: return decide_seat_admin(s, &c->seat_admin, out);
    }
    BUS_UNREACHABLE();
}

void
tenant_apply(void *state, const void *event)
{
    struct tenant                   *s = state;
    const struct users_tenant_event *e = event;
    int32_t                          at;

    switch (e->kind) {
    case USERS_TENANT_OPENED: s->id = e->tenant_opened.tenant_id; break;
    case USERS_TENANT_ACTIVATED: s->status = USERS_TENANT_STATUS_ACTIVE; break;
    case USERS_TENANT_SUSPENDED: s->status = USERS_TENANT_STATUS_SUSPENDED; break;
    case USERS_TENANT_CLOSED: s->status = USERS_TENANT_STATUS_CLOSED; break;
    case USERS_ADMIN_SEATED: s->admins[s->admins_count++] = e->admin_seated.user_id; break;
    case USERS_ADMIN_UNSEATED: break;
    case USERS_ADMIN_REMOVED:
        at = find_admin(s, e->admin_removed.user_id);
        BUS_INVARIANT(at >= 0 && s->admins_count > 1);
        s->admins[at] = s->admins[--s->admins_count];
        break;
    }
}
