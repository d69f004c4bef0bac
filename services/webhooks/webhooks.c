/* webhooks.c - who wants to be told of what, and whether it is being told.
 * The one rule: nothing is lost while a subscription waits; it goes on where it stopped. (How far
 * it is, the worker knows: services/webhooks/worker.)
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/webhooks.h"
#include "bus/module/module.h"

#include <string.h>

/* State: only what the next decision needs. Secrets are not. */
struct subscription {
    enum { ACTIVE, PAUSED, PARKED, DISABLED, DELETED } status;
};

/* Sealed by the edge: in clear it must not get into the log. */
static bool
is_sealed(bool has, bus_str secret)
{
    static const char prefix[] = "sec:1:";

    return has && secret.len > sizeof(prefix) - 1 &&
           memcmp(secret.at, prefix, sizeof(prefix) - 1) == 0;
}

static bus_verdict
decide_subscribe(const struct webhooks_subscribe *cmd, bus_decision *out)
{
    struct webhooks_subscribed event = {.url = cmd->url,
                                        .has_domains = cmd->has_domains,
                                        .domains = cmd->domains,
                                        .has_types = cmd->has_types,
                                        .types = cmd->types,
                                        .has_streams = cmd->has_streams,
                                        .streams = cmd->streams,
                                        .personal = cmd->personal,
                                        .secret = cmd->secret};

    if (!is_sealed(cmd->has_secret, cmd->secret))
        return bus_refuse(out, WEBHOOK_SECRET_NEEDED);
    return webhooks_emit_subscribed(out, &event);
}

static bus_verdict
decide_pause(const struct subscription *s, bus_decision *out)
{
    if (s->status != ACTIVE)
        return bus_refuse(out, WEBHOOK_NOT_ACTIVE);
    return webhooks_emit_paused(out, &(struct webhooks_paused){0});
}

static bus_verdict
decide_resume(const struct subscription *s, bus_decision *out)
{
    if (s->status == ACTIVE)
        return bus_refuse(out, WEBHOOK_ALREADY_ACTIVE);
    return webhooks_emit_resumed(out, &(struct webhooks_resumed){0});
}

static bus_verdict
decide_rotate_secret(const struct webhooks_rotate_secret *cmd, const bus_meta *meta,
                     bus_decision *out)
{
    const struct webhooks_secret_rotated event = {
        .secret = cmd->secret, .previous_until_at = meta->at_ms + cmd->overlap_s * 1000};

    if (!is_sealed(cmd->has_secret, cmd->secret))
        return bus_refuse(out, WEBHOOK_SECRET_NEEDED);
    return webhooks_emit_secret_rotated(out, &event);
}

static bus_verdict
decide_replay(const struct webhooks_replay *cmd, bus_decision *out)
{
    const struct webhooks_replay_asked event = {.has_from_at = cmd->has_from_at,
                                                .from_at = cmd->from_at,
                                                .has_after = cmd->has_after,
                                                .after = cmd->after};

    if (cmd->has_from_at == cmd->has_after)
        return bus_refuse(out, WEBHOOK_REPLAY_FROM);
    return webhooks_emit_replay_asked(out, &event);
}

/* The worker's word comes late where a person was faster: then it changes nothing. */
static bus_verdict
decide_park(const struct subscription *s, const struct webhooks_park *cmd, bus_decision *out)
{
    if (s->status != ACTIVE)
        return bus_accept(out);
    return webhooks_emit_parked(out,
                                &(struct webhooks_parked){.reason = cmd->reason, .at = cmd->at});
}

static bus_verdict
decide_disable(const struct subscription *s, const struct webhooks_disable *cmd, bus_decision *out)
{
    if (s->status != ACTIVE)
        return bus_accept(out);
    return webhooks_emit_disabled(
        out, &(struct webhooks_disabled){.reason = cmd->reason, .at = cmd->at});
}

/* May it happen? Changes nothing. */
static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct subscription                  *s = state;
    const struct webhooks_subscription_command *c = command;
    bool internal = c->kind == WEBHOOKS_PARK || c->kind == WEBHOOKS_DISABLE;

    if (s->status == DELETED && !internal)
        return bus_refuse(out, WEBHOOK_DELETED);
    switch (c->kind) {
    case WEBHOOKS_SUBSCRIBE: return decide_subscribe(&c->subscribe, out);
    case WEBHOOKS_PAUSE: return decide_pause(s, out);
    case WEBHOOKS_RESUME: return decide_resume(s, out);
    case WEBHOOKS_DELETE: return webhooks_emit_deleted(out, &(struct webhooks_deleted){0});
    case WEBHOOKS_ROTATE_SECRET: return decide_rotate_secret(&c->rotate_secret, meta, out);
    case WEBHOOKS_REPLAY: return decide_replay(&c->replay, out);
    case WEBHOOKS_PARK: return decide_park(s, &c->park, out);
    case WEBHOOKS_DISABLE: return decide_disable(s, &c->disable, out);
    }
    BUS_UNREACHABLE();
}

/* It happened: cannot refuse, cannot fail. */
static void
apply(void *state, const void *event)
{
    struct subscription                      *s = state;
    const struct webhooks_subscription_event *e = event;

    switch (e->kind) {
    case WEBHOOKS_SUBSCRIBED: s->status = ACTIVE; break;
    case WEBHOOKS_PAUSED: s->status = PAUSED; break;
    case WEBHOOKS_RESUMED: s->status = ACTIVE; break;
    case WEBHOOKS_DELETED: s->status = DELETED; break;
    case WEBHOOKS_SECRET_ROTATED: break;
    case WEBHOOKS_REPLAY_ASKED: break;
    case WEBHOOKS_PARKED: s->status = PARKED; break;
    case WEBHOOKS_DISABLED: s->status = DISABLED; break;
    }
}

static const bus_aggregate aggregates[] = {
    {.of = &webhooks_subscription,
     .snapshot_version = 1,
     .state_size = sizeof(struct subscription),
     .decide = decide,
     .apply = apply},
};

const bus_module webhooks_module = BUS_MODULE(webhooks, aggregates);
