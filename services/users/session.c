/* session.c - the refresh tokens that come of one log-in: a family, of which one is good.
 * The one rule: a token is taken once. One of the family that is not the present one was used
 * before, by its owner or by a thief, and nobody knows by whom: then the session ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/user.h"

static bus_verdict
decide_begin(const struct users_begin *cmd, const bus_meta *meta, bus_decision *out)
{
    const struct users_settings *rules = meta->settings;

    BUS_INVARIANT(user_is_hash(cmd->family) && user_is_hash(cmd->token));
    return users_emit_session_began(
        out, &(struct users_session_began){.user_id = cmd->user_id,
                                           .generation = cmd->generation,
                                           .family = cmd->family,
                                           .token = cmd->token,
                                           .has_device = cmd->has_device,
                                           .device = cmd->device,
                                           .expires_at = meta->at_ms + rules->session_s * 1000});
}

static bus_verdict
end(const struct session *s, enum users_end_reason reason, bus_decision *out)
{
    if (s->over)
        return bus_accept(out);
    return users_emit_session_revoked(out, &(struct users_session_revoked){.reason = reason});
}

/* A used one is no refusal, which would leave nothing: the session ends with it, in one step. */
static bus_verdict
decide_refresh(const struct session *s, const struct users_refresh *cmd, const bus_meta *meta,
               bus_decision *out)
{
    if (!bus_id_equal(s->user_id, cmd->user_id) || !bus_str_is(cmd->family, s->family))
        return bus_refuse(out, SESSION_TOKEN_WRONG);
    if (s->over || meta->at_ms >= s->expires_at || s->generation != cmd->generation)
        return bus_refuse(out, SESSION_OVER);
    if (!bus_str_is(cmd->token, s->token))
        return end(s, USERS_END_REASON_REUSED, out);
    return users_emit_session_refreshed(out, &(struct users_session_refreshed){.token = cmd->next});
}

/* Has the refresh made it the present one? */
static bus_verdict
decide_confirm(const struct session *s, const struct users_confirm *cmd, bus_decision *out)
{
    if (s->over)
        return bus_refuse(out, SESSION_OVER);
    return bus_str_is(cmd->token, s->token) ? bus_accept(out) : bus_refuse(out, SESSION_TOKEN_USED);
}

static bus_verdict
decide_revoke(const struct session *s, const bus_meta *meta, bus_decision *out)
{
    if (!bus_id_equal(s->user_id, meta->actor_id) &&
        (meta->roles & (BUS_ROLE_ADMIN | BUS_ROLE_SERVICE)) == 0)
        return bus_refuse(out, SESSION_NOT_YOURS);
    return end(s, USERS_END_REASON_REVOKED, out);
}

bus_verdict
session_decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct session               *s = state;
    const struct users_session_command *c = command;

    switch (c->kind) {
    case USERS_BEGIN: return decide_begin(&c->begin, meta, out);
    case USERS_REFRESH: return decide_refresh(s, &c->refresh, meta, out);
    case USERS_CONFIRM: return decide_confirm(s, &c->confirm, out);
    case USERS_REVOKE: return decide_revoke(s, meta, out);
    case USERS_END: return end(s, c->end.reason, out);
    }
    BUS_UNREACHABLE();
}

void
session_apply(void *state, const void *event)
{
    struct session                   *s = state;
    const struct users_session_event *e = event;

    switch (e->kind) {
    case USERS_SESSION_BEGAN:
        s->user_id = e->session_began.user_id;
        s->generation = e->session_began.generation;
        s->expires_at = e->session_began.expires_at;
        bus_str_store(s->family, sizeof(s->family), e->session_began.family);
        bus_str_store(s->token, sizeof(s->token), e->session_began.token);
        break;
    case USERS_SESSION_REFRESHED:
        bus_str_store(s->token, sizeof(s->token), e->session_refreshed.token);
        break;
    case USERS_SESSION_REVOKED: s->over = true; break;
    }
}
