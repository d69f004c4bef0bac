/* telegram.c - a user and his account of Telegram: he is told a code, the bot is shown it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/user.h"

static bool
is_his(const bus_meta *meta)
{
    return bus_id_equal(meta->stream, meta->actor_id) ||
           (meta->roles & (BUS_ROLE_ADMIN | BUS_ROLE_SERVICE)) != 0;
}

bus_verdict
user_decide_telegram_code(const struct user *s, const struct users_make_telegram_code *c,
                          const bus_meta *meta, bus_decision *out)
{
    const struct users_settings *rules = meta->settings;

    if (!is_his(meta))
        return bus_refuse(out, USER_NOT_YOURS);
    if (s->status != USERS_STATUS_ACTIVE)
        return user_wrong_state(s, out);
    if (!c->has_code || !user_is_hash(c->code))
        return bus_refuse(out, USER_CODE_NEEDED);
    return users_emit_telegram_code_made(
        out, &(struct users_telegram_code_made){
                 .code = c->code, .expires_at = meta->at_ms + rules->telegram_code_s * 1000});
}

bus_verdict
user_decide_link_telegram(const struct user *s, const struct users_link_telegram *cmd,
                          const bus_meta *meta, bus_decision *out)
{
    bus_verdict verdict;

    if ((meta->grants & BUS_GRANT_TELEGRAM_LINK) == 0 && (meta->roles & BUS_ROLE_SERVICE) == 0)
        return bus_refuse(out, USER_BY_BOT);
    if (s->status != USERS_STATUS_ACTIVE)
        return user_wrong_state(s, out);
    if ((verdict = user_code_check(&s->telegram_code, cmd->code, meta->at_ms, out)) != BUS_ACCEPTED)
        return verdict;
    if (s->telegram_id[0] != '\0' && !bus_str_is(cmd->telegram_id, s->telegram_id))
        bus_release_personal(out, "user_telegram", bus_str_load(s->telegram_id));
    bus_claim_personal(out, "user_telegram", cmd->telegram_id, USER_TELEGRAM_TAKEN);
    return users_emit_telegram_linked(
        out, &(struct users_telegram_linked){.telegram_id = cmd->telegram_id});
}

bus_verdict
user_decide_unlink_telegram(const struct user *s, const bus_meta *meta, bus_decision *out)
{
    if (!is_his(meta))
        return bus_refuse(out, USER_NOT_YOURS);
    if (s->telegram_id[0] == '\0')
        return bus_accept(out);
    bus_release_personal(out, "user_telegram", bus_str_load(s->telegram_id));
    return users_emit_telegram_unlinked(out, &(struct users_telegram_unlinked){0});
}

void
user_apply_telegram(struct user *s, const struct users_user_event *e)
{
    if (e->kind == USERS_TELEGRAM_CODE_MADE) {
        user_code_keep(&s->telegram_code, e->telegram_code_made.code,
                       e->telegram_code_made.expires_at);
    } else if (e->kind == USERS_TELEGRAM_LINKED) {
        bus_str_store(s->telegram_id, sizeof(s->telegram_id), e->telegram_linked.telegram_id);
        s->telegram_code = (struct user_code){{0}, 0};
    } else {
        BUS_INVARIANT(e->kind == USERS_TELEGRAM_UNLINKED);
        s->telegram_id[0] = '\0';
    }
}
