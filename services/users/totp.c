/* totp.c - one-time passwords (RFC 6238). The edge, which alone opens the secret, has looked at
 * them; here is seen to it that each is taken once. SPDX-License-Identifier: Apache-2.0 */
#include "services/users/user.h"

bus_verdict
user_decide_begin_totp(const struct user *s, const struct users_begin_totp *cmd, bus_decision *out)
{
    BUS_INVARIANT(user_is_sealed(cmd->totp_secret));
    if (s->status != USERS_STATUS_ACTIVE)
        return user_wrong_state(s, out);
    if (s->totp)
        return bus_refuse(out, USER_TOTP_ON);
    return users_emit_totp_begun(out, &(struct users_totp_begun){.totp_secret = cmd->totp_secret});
}

/* checked: the sealed secret that the password was of. */
bus_verdict
user_decide_enable_totp(const struct user *s, const struct users_enable_totp *cmd,
                        bus_decision *out)
{
    if (s->status != USERS_STATUS_ACTIVE)
        return user_wrong_state(s, out);
    if (s->totp)
        return bus_refuse(out, USER_TOTP_ON);
    if (s->totp_secret[0] == '\0' || !bus_str_is(cmd->checked, s->totp_secret))
        return bus_refuse(out, USER_STALE);
    return users_emit_totp_enabled(
        out, &(struct users_totp_enabled){.step = cmd->step, .generation = s->generation + 1});
}

static bus_verdict
switch_off(const struct user *s, bus_decision *out)
{
    return users_emit_totp_disabled(out,
                                    &(struct users_totp_disabled){.generation = s->generation + 1});
}

/* By himself: each one-time password is taken once, here as at a log-in. */
bus_verdict
user_decide_end_totp(const struct user *s, const struct users_end_totp *cmd, bus_decision *out)
{
    if (s->status != USERS_STATUS_ACTIVE)
        return user_wrong_state(s, out);
    if (!s->totp)
        return bus_refuse(out, USER_TOTP_OFF);
    if (cmd->step <= s->totp_step)
        return bus_refuse(out, USER_TOTP_USED);
    return switch_off(s, out);
}

/* By an ADMIN, whose token proves neither his password nor his device. */
bus_verdict
user_decide_disable_totp(const struct user *s, const bus_meta *meta, bus_decision *out)
{
    if (bus_id_equal(meta->stream, meta->actor_id))
        return bus_refuse(out, USER_PROOF_NEEDED);
    if (!s->totp)
        return bus_refuse(out, USER_TOTP_OFF);
    return switch_off(s, out);
}

bus_verdict
user_check_totp(const struct user *s, const struct users_log_in *cmd, bus_decision *out)
{
    if (!s->totp)
        return BUS_ACCEPTED;
    if (!cmd->has_totp_step)
        return bus_refuse(out, USER_TOTP_NEEDED);
    return cmd->totp_step > s->totp_step ? BUS_ACCEPTED : bus_refuse(out, USER_TOTP_USED);
}

void
user_apply_totp(struct user *s, const struct users_user_event *e)
{
    if (e->kind == USERS_TOTP_BEGUN) {
        bus_str_store(s->totp_secret, sizeof(s->totp_secret), e->totp_begun.totp_secret);
    } else if (e->kind == USERS_TOTP_ENABLED) {
        s->totp = true;
        s->totp_step = e->totp_enabled.step;
        s->generation = e->totp_enabled.generation;
    } else {
        BUS_INVARIANT(e->kind == USERS_TOTP_DISABLED);
        s->totp = false;
        s->totp_secret[0] = '\0';
        s->generation = e->totp_disabled.generation;
    }
}
