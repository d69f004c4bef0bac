/* users.c - who may work here: invitations, roles, locks.
 * The one rule: whatever takes something away from a user raises his generation, and a session or a
 * password of an earlier one is good for nothing. Passwords and failures are in log_in.c, Telegram
 * in telegram.c, tokens in session.c, the last ADMIN in tenant.c. SPDX-License-Identifier:
 * Apache-2.0 */
#include "contracts/drivers.h"
#include "services/users/user.h"

/* --- the lifecycle ------------------------------------------------------------------------ */

/* clang-format off */
static const struct {
    enum users_status            from;
    enum users_user_command_kind command;
    enum users_status            to;
} lifecycle[] = {
    { USERS_STATUS_INVITED,  USERS_SET_PASSWORD, USERS_STATUS_ACTIVE },
    { USERS_STATUS_ACTIVE,   USERS_LOCK,         USERS_STATUS_LOCKED },
    { USERS_STATUS_LOCKED,   USERS_UNLOCK,       USERS_STATUS_ACTIVE },
    { USERS_STATUS_ACTIVE,   USERS_DISABLE,      USERS_STATUS_DISABLED },
    { USERS_STATUS_LOCKED,   USERS_DISABLE,      USERS_STATUS_DISABLED },
    { USERS_STATUS_INVITED,  USERS_LEAVE,        USERS_STATUS_DISABLED },
    { USERS_STATUS_ACTIVE,   USERS_LEAVE,        USERS_STATUS_DISABLED },
    { USERS_STATUS_LOCKED,   USERS_LEAVE,        USERS_STATUS_DISABLED },
    { USERS_STATUS_DISABLED, USERS_ENABLE,       USERS_STATUS_ACTIVE },
};
/* clang-format on */

/* Where a command leads; NULL: it is not for this state. */
static const enum users_status *
next(enum users_status from, enum users_user_command_kind command)
{
    for (int i = 0; i < BUS_COUNT(lifecycle); i++)
        if (lifecycle[i].from == from && lifecycle[i].command == command)
            return &lifecycle[i].to;
    return NULL;
}

static void
move(struct user *s, enum users_user_command_kind command)
{
    const enum users_status *to = next(s->status, command);

    BUS_INVARIANT(to != NULL);
    s->status = *to;
}

static const char *
status_name(enum users_status status)
{
    switch (status) {
    case USERS_STATUS_INVITED: return "INVITED";
    case USERS_STATUS_ACTIVE: return "ACTIVE";
    case USERS_STATUS_LOCKED: return "LOCKED";
    case USERS_STATUS_DISABLED: return "DISABLED";
    }
    BUS_UNREACHABLE();
}

bus_verdict
user_wrong_state(const struct user *s, bus_decision *out)
{
    return user_wrong_state_refuse(
        out, &(struct user_wrong_state_params){.status = bus_str_load(status_name(s->status))});
}

static bool
is_live(const struct user *s)
{
    return s->status == USERS_STATUS_ACTIVE || s->status == USERS_STATUS_LOCKED;
}

/* --- invitations and codes ---------------------------------------------------------------- */

/* E-mail as it is compared: ASCII, in small letters. */
static bus_str
small_letters(bus_str email, char text[256])
{
    BUS_INVARIANT(email.len < 256);
    for (uint32_t i = 0; i < email.len; i++)
        text[i] = (char)(email.at[i] >= 'A' && email.at[i] <= 'Z' ? email.at[i] - 'A' + 'a'
                                                                  : email.at[i]);
    text[email.len] = '\0';
    return bus_str_load(text);
}

static void
claim_driver(bus_id driver, bus_decision *out)
{
    char text[BUS_ID_TEXT_BYTES];

    bus_claim(out, "user_driver", bus_str_load(bus_id_format(driver, text)), USER_DRIVER_TAKEN);
}

static void
release_driver(bus_id driver, bus_decision *out)
{
    char text[BUS_ID_TEXT_BYTES];

    if (!bus_id_is_nil(driver))
        bus_release(out, "user_driver", bus_str_load(bus_id_format(driver, text)));
}

/* The driver's stream learns who his user is, and who is not any more. */
static void
tell_drivers(bus_id before, bool has_driver, bus_id driver, const bus_meta *meta, bus_decision *out)
{
    if (!bus_id_is_nil(before) && !(has_driver && bus_id_equal(before, driver)))
        users_send_close_account(out, driver_account_stream(meta->tenant, before),
                                 &(struct users_close_account){.user_id = meta->stream}, NULL);
    if (has_driver && !bus_id_equal(before, driver))
        users_send_open_account(
            out, driver_account_stream(meta->tenant, driver),
            &(struct users_open_account){.driver_id = driver, .user_id = meta->stream}, NULL);
}

static bus_verdict
decide_invite(const struct users_invite *cmd, const bus_meta *meta, bus_decision *out)
{
    const struct users_settings *rules = meta->settings;
    char                         text[256];
    struct users_invited         invited = {.email = small_letters(cmd->email, text),
                                            .full_name = cmd->full_name,
                                            .has_phone_e164 = cmd->has_phone_e164,
                                            .phone_e164 = cmd->phone_e164,
                                            .role = cmd->role,
                                            .has_driver_id = cmd->has_driver_id,
                                            .driver_id = cmd->driver_id,
                                            .has_grants = cmd->has_grants,
                                            .grants = cmd->grants,
                                            .code = cmd->code,
                                            .expires_at = meta->at_ms + rules->invitation_s * 1000};
    bus_verdict                  verdict;

    if (!cmd->has_code || !user_is_hash(cmd->code))
        return bus_refuse(out, USER_CODE_NEEDED);
    if ((cmd->role == USERS_ROLE_DRIVER) != cmd->has_driver_id)
        return bus_refuse(out, USER_DRIVER_NEEDED);
    bus_claim_personal(out, "user_email", invited.email, USER_EMAIL_TAKEN);
    if (cmd->has_driver_id)
        claim_driver(cmd->driver_id, out);
    verdict = users_emit_invited(out, &invited);
    tell_drivers(BUS_ID_NIL, cmd->has_driver_id, cmd->driver_id, meta, out);
    return verdict;
}

static bus_verdict
decide_reinvite(const struct user *s, const struct users_reinvite *cmd, const bus_meta *meta,
                bus_decision *out)
{
    const struct users_settings *rules = meta->settings;

    if (s->status != USERS_STATUS_INVITED)
        return user_wrong_state(s, out);
    if (!cmd->has_code || !user_is_hash(cmd->code))
        return bus_refuse(out, USER_CODE_NEEDED);
    return users_emit_reinvited(
        out, &(struct users_reinvited){.code = cmd->code,
                                       .expires_at = meta->at_ms + rules->invitation_s * 1000});
}

static bus_verdict
decide_reset_password(const struct user *s, const struct users_reset_password *cmd,
                      const bus_meta *meta, bus_decision *out)
{
    const struct users_settings *rules = meta->settings;

    if (bus_id_equal(meta->stream, meta->actor_id))
        return bus_refuse(out, USER_PROOF_NEEDED);
    if (!is_live(s))
        return user_wrong_state(s, out);
    if (!cmd->has_code || !user_is_hash(cmd->code))
        return bus_refuse(out, USER_CODE_NEEDED);
    return users_emit_password_reset(
        out, &(struct users_password_reset){.code = cmd->code,
                                            .expires_at = meta->at_ms + rules->reset_s * 1000});
}

/* --- what a user may ------------------------------------------------------------------------ */

static bus_verdict
become(const struct user *s, enum users_role role, bool has_driver, bus_id driver,
       const bus_meta *meta, bus_decision *out)
{
    bus_verdict verdict;

    if (!has_driver || !bus_id_equal(driver, s->driver_id))
        release_driver(s->driver_id, out);
    if (has_driver)
        claim_driver(driver, out);
    verdict =
        users_emit_role_changed(out, &(struct users_role_changed){.role = role,
                                                                  .has_driver_id = has_driver,
                                                                  .driver_id = driver,
                                                                  .generation = s->generation + 1});
    tell_drivers(s->driver_id, has_driver, driver, meta, out);
    if (role == USERS_ROLE_ADMIN && is_live(s))
        users_send_seat_admin(out, meta->tenant,
                              &(struct users_seat_admin){.user_id = meta->stream}, NULL);
    return verdict;
}

static bus_verdict
decide_change_role(const struct user *s, const struct users_change_role *cmd, const bus_meta *meta,
                   bus_decision *out)
{
    bool same_driver = bus_id_equal(cmd->driver_id, s->driver_id);

    if (bus_id_equal(meta->stream, meta->actor_id))
        return bus_refuse(out, USER_OWN_ROLE);
    if (s->status == USERS_STATUS_DISABLED)
        return user_wrong_state(s, out);
    if ((cmd->role == USERS_ROLE_DRIVER) != cmd->has_driver_id)
        return bus_refuse(out, USER_DRIVER_NEEDED);
    if (cmd->role == s->role && (!cmd->has_driver_id || same_driver))
        return bus_accept(out);
    if (s->role == USERS_ROLE_ADMIN && is_live(s))
        return bus_refuse(out, USER_IS_ADMIN);
    return become(s, cmd->role, cmd->has_driver_id, cmd->driver_id, meta, out);
}

/* The tenant has decided: this is no question. */
static bus_verdict
decide_take_role(const struct user *s, const struct users_take_role *cmd, const bus_meta *meta,
                 bus_decision *out)
{
    return become(
        s, cmd->role == USERS_LESSER_ROLE_DISPATCHER ? USERS_ROLE_DISPATCHER : USERS_ROLE_VIEWER,
        false, BUS_ID_NIL, meta, out);
}

static bus_verdict
decide_change_grants(const struct user *s, const struct users_change_grants *cmd,
                     const bus_meta *meta, bus_decision *out)
{
    if (bus_id_equal(meta->stream, meta->actor_id))
        return bus_refuse(out, USER_OWN_ROLE);
    if (s->status == USERS_STATUS_DISABLED)
        return user_wrong_state(s, out);
    return users_emit_grants_changed(
        out,
        &(struct users_grants_changed){.grants = cmd->grants, .generation = s->generation + 1});
}

static bus_verdict
decide_lock(const struct user *s, const struct users_lock *cmd, bus_decision *out)
{
    if (s->role == USERS_ROLE_ADMIN)
        return bus_refuse(out, USER_IS_ADMIN);
    return users_emit_locked(out, &(struct users_locked){.by = USERS_LOCK_REASON_BY_HAND,
                                                         .has_reason = true,
                                                         .reason = cmd->reason,
                                                         .generation = s->generation + 1});
}

static bus_verdict
decide_unlock(bus_decision *out)
{
    bus_verdict verdict = users_emit_unlocked(out, &(struct users_unlocked){0});

    bus_wake_cancel(out, &users_lock_ends_command);
    return verdict;
}

static bus_verdict
decide_disable(const struct user *s, const struct users_disable *cmd, bus_decision *out)
{
    bus_verdict verdict;

    if (s->role == USERS_ROLE_ADMIN)
        return bus_refuse(out, USER_IS_ADMIN);
    verdict = users_emit_disabled(
        out, &(struct users_disabled){.reason = cmd->reason, .generation = s->generation + 1});
    bus_wake_cancel(out, &users_lock_ends_command);
    return verdict;
}

/* Nor does somebody else's dismissal: his driver may be another by now. */
static bus_verdict
decide_leave(const struct user *s, const struct users_leave *cmd, bus_decision *out)
{
    bus_verdict verdict;

    if (next(s->status, USERS_LEAVE) == NULL || !bus_id_equal(s->driver_id, cmd->driver_id))
        return bus_accept(out);
    verdict = users_emit_disabled(
        out, &(struct users_disabled){.reason = bus_str_load("the driver has left the carrier"),
                                      .generation = s->generation + 1});
    bus_wake_cancel(out, &users_lock_ends_command);
    return verdict;
}

/* By his driver, who was dismissed before; an ADMIN may have let him in again since. */
static bus_verdict
decide_forget(const struct user *s, const struct users_forget *cmd, const bus_meta *meta,
              bus_decision *out)
{
    bus_verdict verdict;

    if (s->forgotten || !bus_id_equal(s->driver_id, cmd->driver_id))
        return bus_accept(out);
    if (s->status != USERS_STATUS_DISABLED)
        (void)decide_leave(s, &(struct users_leave){.driver_id = cmd->driver_id}, out);
    verdict = users_emit_forgotten(out, &(struct users_forgotten){.forgotten_at = meta->at_ms});
    if (s->email[0] != '\0')
        bus_release_personal(out, "user_email", bus_str_load(s->email));
    if (s->telegram_id[0] != '\0')
        bus_release_personal(out, "user_telegram", bus_str_load(s->telegram_id));
    return verdict;
}

/* --- may it happen? ------------------------------------------------------------------------- */

/* Commands of the lifecycle. */
static bus_verdict
decide_move(const struct user *s, const struct users_user_command *c, bus_decision *out)
{
    if (next(s->status, c->kind) == NULL || s->forgotten)
        return user_wrong_state(s, out);
    if (c->kind == USERS_LOCK)
        return decide_lock(s, &c->lock, out);
    if (c->kind == USERS_UNLOCK)
        return decide_unlock(out);
    if (c->kind == USERS_DISABLE)
        return decide_disable(s, &c->disable, out);
    BUS_INVARIANT(c->kind == USERS_ENABLE);
    return users_emit_enabled(out, &(struct users_enabled){0});
}

static bus_verdict
decide_lock_ends(const struct user *s, bus_decision *out)
{
    if (s->status != USERS_STATUS_LOCKED || s->locked_until_at == 0)
        return bus_accept(out);
    return users_emit_unlocked(out, &(struct users_unlocked){0});
}

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct user               *s = state;
    const struct users_user_command *c = command;

    switch (c->kind) {
    case USERS_INVITE: return decide_invite(&c->invite, meta, out);
    case USERS_REINVITE: return decide_reinvite(s, &c->reinvite, meta, out);
    case USERS_RESET_PASSWORD: return decide_reset_password(s, &c->reset_password, meta, out);
    case USERS_CHANGE_ROLE: return decide_change_role(s, &c->change_role, meta, out);
    case USERS_CHANGE_GRANTS: return decide_change_grants(s, &c->change_grants, meta, out);
    case USERS_LOCK:
    case USERS_UNLOCK:
    case USERS_DISABLE:
    case USERS_ENABLE: return decide_move(s, c, out);
    case USERS_MAKE_TELEGRAM_CODE:
        return user_decide_telegram_code(s, &c->make_telegram_code, meta, out);
    case USERS_LINK_TELEGRAM: return user_decide_link_telegram(s, &c->link_telegram, meta, out);
    case USERS_UNLINK_TELEGRAM: return user_decide_unlink_telegram(s, meta, out);
    case USERS_SET_PASSWORD: return user_decide_set_password(s, &c->set_password, meta, out);
    case USERS_CHANGE_PASSWORD: return user_decide_change_password(s, &c->change_password, out);
    case USERS_LOG_IN: return user_decide_log_in(s, &c->log_in, meta, out);
    case USERS_STAY: return user_decide_stay(s, &c->stay, out);
    case USERS_BEGIN_TOTP: return user_decide_begin_totp(s, &c->begin_totp, out);
    case USERS_ENABLE_TOTP: return user_decide_enable_totp(s, &c->enable_totp, out);
    case USERS_DISABLE_TOTP: return user_decide_disable_totp(s, meta, out);
    case USERS_END_TOTP: return user_decide_end_totp(s, &c->end_totp, out);
    case USERS_NOTE_FAILED_LOG_IN:
        return user_decide_failed_log_in(s, &c->note_failed_log_in, meta, out);
    case USERS_TAKE_ROLE: return decide_take_role(s, &c->take_role, meta, out);
    case USERS_LEAVE: return decide_leave(s, &c->leave, out);
    case USERS_FORGET: return decide_forget(s, &c->forget, meta, out);
    case USERS_LOCK_ENDS: return decide_lock_ends(s, out);
    }
    BUS_UNREACHABLE();
}

/* --- it happened ---------------------------------------------------------------------------- */

static void
apply_invited(struct user *s, const struct users_invited *e)
{
    s->status = USERS_STATUS_INVITED;
    bus_str_store(s->email, sizeof(s->email), e->email);
    s->role = e->role;
    s->driver_id = e->has_driver_id ? e->driver_id : BUS_ID_NIL;
    s->generation = 1;
    user_code_keep(&s->code, e->code, e->expires_at);
}

static void
apply_role(struct user *s, const struct users_role_changed *e)
{
    s->role = e->role;
    s->driver_id = e->has_driver_id ? e->driver_id : BUS_ID_NIL;
    s->generation = e->generation;
}

static void
apply_forgotten(struct user *s)
{
    s->forgotten = true;
    s->email[0] = s->telegram_id[0] = '\0';
}

static void
apply_locked(struct user *s, const struct users_locked *e)
{
    move(s, USERS_LOCK);
    s->locked_until_at = e->has_until_at ? e->until_at : 0;
    s->generation = e->generation;
    s->failures_count = 0;
}

static void
apply(void *state, const void *event)
{
    struct user                   *s = state;
    const struct users_user_event *e = event;

    switch (e->kind) {
    case USERS_INVITED: apply_invited(s, &e->invited); break;
    case USERS_REINVITED:
        user_code_keep(&s->code, e->reinvited.code, e->reinvited.expires_at);
        break;
    case USERS_INVITATION_ACCEPTED:
        move(s, USERS_SET_PASSWORD);
        s->generation = e->invitation_accepted.generation;
        s->code = (struct user_code){{0}, 0};
        break;
    case USERS_PASSWORD_RESET:
        user_code_keep(&s->code, e->password_reset.code, e->password_reset.expires_at);
        break;
    case USERS_PASSWORD_CHANGED:
        s->generation = e->password_changed.generation;
        s->code = (struct user_code){{0}, 0};
        break;
    case USERS_ROLE_CHANGED: apply_role(s, &e->role_changed); break;
    case USERS_GRANTS_CHANGED: s->generation = e->grants_changed.generation; break;
    case USERS_LOG_IN_FAILED: user_apply_failure(s, e->log_in_failed.failed_at); break;
    case USERS_LOGGED_IN:
        s->failures_count = 0;
        if (e->logged_in.has_totp_step)
            s->totp_step = e->logged_in.totp_step;
        break;
    case USERS_TOTP_BEGUN:
    case USERS_TOTP_ENABLED:
    case USERS_TOTP_DISABLED: user_apply_totp(s, e); break;
    case USERS_LOCKED: apply_locked(s, &e->locked); break;
    case USERS_UNLOCKED: move(s, USERS_UNLOCK); break;
    case USERS_DISABLED:
        move(s, USERS_LEAVE); /* from wherever disable leads there, too */
        s->generation = e->disabled.generation;
        s->code = s->telegram_code = (struct user_code){{0}, 0};
        break;
    case USERS_ENABLED: move(s, USERS_ENABLE); break;
    case USERS_TELEGRAM_CODE_MADE:
    case USERS_TELEGRAM_LINKED:
    case USERS_TELEGRAM_UNLINKED: user_apply_telegram(s, e); break;
    case USERS_FORGOTTEN: apply_forgotten(s); break;
    }
}

static const bus_aggregate aggregates[] = {
    {.of = &users_tenant,
     .snapshot_version = 1,
     .state_size = sizeof(struct tenant),
     .decide = tenant_decide,
     .apply = tenant_apply},
    {.of = &users_user,
     .snapshot_version = 2,
     .state_size = sizeof(struct user),
     .decide = decide,
     .apply = apply},
    {.of = &users_session,
     .snapshot_version = 1,
     .state_size = sizeof(struct session),
     .decide = session_decide,
     .apply = session_apply},
    {.of = &users_driver_account,
     .snapshot_version = 1,
     .state_size = sizeof(struct driver_account),
     .decide = driver_account_decide,
     .apply = driver_account_apply},
};

static const bus_reaction reactions[] = {
    {.on = &drivers_dismissed_event, .react = driver_account_on_dismissed},
    {.on = &drivers_forgotten_event, .react = driver_account_on_forgotten},
};

const bus_module users_module = BUS_MODULE_WITH_REACTIONS(users, aggregates, reactions);
