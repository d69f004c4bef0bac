/* log_in.c - passwords that were right or wrong, as the edge tells. What it has looked at may have
 * changed meanwhile: it names the generation that it saw, and another one is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/user.h"

#include <string.h>

/* Accepts an invitation, or ends a reset. */
bus_verdict
user_decide_set_password(const struct user *s, const struct users_set_password *cmd,
                         const bus_meta *meta, bus_decision *out)
{
    bus_verdict verdict;

    BUS_INVARIANT(user_is_sealed(cmd->password));
    if (s->status == USERS_STATUS_DISABLED)
        return user_wrong_state(s, out);
    if ((verdict = user_code_check(&s->code, cmd->code, meta->at_ms, out)) != BUS_ACCEPTED)
        return verdict;
    if (s->status != USERS_STATUS_INVITED)
        return users_emit_password_changed(
            out, &(struct users_password_changed){.password = cmd->password,
                                                  .generation = s->generation + 1});
    verdict = users_emit_invitation_accepted(
        out, &(struct users_invitation_accepted){.password = cmd->password,
                                                 .generation = s->generation + 1});
    if (s->role == USERS_ROLE_ADMIN)
        users_send_seat_admin(out, meta->tenant,
                              &(struct users_seat_admin){.user_id = meta->stream}, NULL);
    return verdict;
}

bus_verdict
user_decide_change_password(const struct user *s, const struct users_change_password *cmd,
                            bus_decision *out)
{
    BUS_INVARIANT(user_is_sealed(cmd->password));
    if (s->status != USERS_STATUS_ACTIVE)
        return user_wrong_state(s, out);
    if (s->generation != cmd->generation)
        return bus_refuse(out, USER_STALE);
    return users_emit_password_changed(
        out, &(struct users_password_changed){.password = cmd->password,
                                              .generation = s->generation + 1});
}

/* The timer that ends a lock may be late; the lock is not. */
static bool
lock_is_over(const struct user *s, int64_t at_ms)
{
    return s->status == USERS_STATUS_LOCKED && s->locked_until_at > 0 &&
           at_ms >= s->locked_until_at;
}

bus_verdict
user_decide_log_in(const struct user *s, const struct users_log_in *cmd, const bus_meta *meta,
                   bus_decision *out)
{
    bool        freed = lock_is_over(s, meta->at_ms);
    bus_verdict verdict;

    if (s->status != USERS_STATUS_ACTIVE && !freed)
        return user_wrong_state(s, out);
    if (s->generation != cmd->generation)
        return bus_refuse(out, USER_STALE);
    if ((verdict = user_check_totp(s, cmd, out)) != BUS_ACCEPTED)
        return verdict;
    if (freed) {
        (void)users_emit_unlocked(out, &(struct users_unlocked){0});
        bus_wake_cancel(out, &users_lock_ends_command);
    }
    return users_emit_logged_in(out, &(struct users_logged_in){.session_id = cmd->session_id,
                                                               .has_totp_step = cmd->has_totp_step,
                                                               .totp_step = cmd->totp_step,
                                                               .has_address = cmd->has_address,
                                                               .address = cmd->address});
}

/* The views that the edge has read may be behind; this is the truth. */
bus_verdict
user_decide_stay(const struct user *s, const struct users_stay *cmd, bus_decision *out)
{
    if (s->status != USERS_STATUS_ACTIVE && s->status != USERS_STATUS_LOCKED)
        return user_wrong_state(s, out);
    if (s->generation != cmd->generation)
        return bus_refuse(out, USER_STALE);
    return bus_accept(out);
}

/* With the one that has just come. */
static int32_t
failures_since(const struct user *s, int64_t since_at)
{
    int32_t count = 1;

    for (int32_t i = 0; i < s->failures_count; i++)
        if (s->failures[i] > since_at)
            count++;
    return count;
}

/* While nobody can log in, failures are not counted: they would only fill the log. */
bus_verdict
user_decide_failed_log_in(const struct user *s, const struct users_note_failed_log_in *cmd,
                          const bus_meta *meta, bus_decision *out)
{
    const struct users_settings *rules = meta->settings;
    bool                         freed = lock_is_over(s, meta->at_ms);
    int64_t                      until_at = meta->at_ms + rules->lock_s * 1000;
    bus_verdict                  verdict;

    if (s->status != USERS_STATUS_ACTIVE && !freed)
        return bus_accept(out);
    if (freed) {
        (void)users_emit_unlocked(out, &(struct users_unlocked){0});
        bus_wake_cancel(out, &users_lock_ends_command);
    }
    verdict =
        users_emit_log_in_failed(out, &(struct users_log_in_failed){.failed_at = meta->at_ms,
                                                                    .has_address = cmd->has_address,
                                                                    .address = cmd->address});
    if (freed ||
        failures_since(s, meta->at_ms - rules->lock_window_s * 1000) < rules->lock_failures)
        return verdict;
    verdict = users_emit_locked(out, &(struct users_locked){.by = USERS_LOCK_REASON_FAILURES,
                                                            .has_until_at = true,
                                                            .until_at = until_at,
                                                            .generation = s->generation});
    bus_wake_at(out, &users_lock_ends_command, until_at);
    return verdict;
}

void
user_apply_failure(struct user *s, int64_t failed_at)
{
    if (s->failures_count == USER_FAILURES_MAX) {
        memmove(s->failures, s->failures + 1, sizeof(s->failures) - sizeof(s->failures[0]));
        s->failures_count--;
    }
    s->failures[s->failures_count++] = failed_at;
}
