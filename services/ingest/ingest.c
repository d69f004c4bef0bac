/* ingest.c - what others push to us: who may, and what came.
 * The one rule: what comes twice is one event. The id of its stream follows from its source and its
 * own id (api-edge/ingest), so the second finds the first one there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/ingest.h"
#include "bus/module/module.h"

#include <string.h>

/* State: only what the next decision needs. Secrets are not. */
struct source {
    bool disabled;
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
decide_register(const struct ingest_register *cmd, bus_decision *out)
{
    if (!is_sealed(cmd->has_secret, cmd->secret))
        return bus_refuse(out, INGEST_SECRET_NEEDED);
    bus_claim(out, "source_name", cmd->name, INGEST_NAME_TAKEN);
    return ingest_emit_source_registered(
        out,
        &(struct ingest_source_registered){
            .name = cmd->name, .kind = cmd->kind, .scheme = cmd->scheme, .secret = cmd->secret});
}

static bus_verdict
decide_rotate_secret(const struct ingest_rotate_secret *cmd, const bus_meta *meta,
                     bus_decision *out)
{
    if (!is_sealed(cmd->has_secret, cmd->secret))
        return bus_refuse(out, INGEST_SECRET_NEEDED);
    return ingest_emit_secret_rotated(
        out, &(struct ingest_secret_rotated){
                 .secret = cmd->secret, .previous_until_at = meta->at_ms + cmd->overlap_s * 1000});
}

static bus_verdict
decide_disable(const struct source *s, bus_decision *out)
{
    if (s->disabled)
        return bus_refuse(out, INGEST_ALREADY_DISABLED);
    return ingest_emit_source_disabled(out, &(struct ingest_source_disabled){0});
}

static bus_verdict
decide_enable(const struct source *s, bus_decision *out)
{
    if (!s->disabled)
        return bus_refuse(out, INGEST_ALREADY_ENABLED);
    return ingest_emit_source_enabled(out, &(struct ingest_source_enabled){0});
}

/* May it happen? Changes nothing. */
static bus_verdict
decide_source(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct source                *s = state;
    const struct ingest_source_command *c = command;

    switch (c->kind) {
    case INGEST_REGISTER: return decide_register(&c->register_, out);
    case INGEST_ROTATE_SECRET: return decide_rotate_secret(&c->rotate_secret, meta, out);
    case INGEST_DISABLE: return decide_disable(s, out);
    case INGEST_ENABLE: return decide_enable(s, out);
    }
    BUS_UNREACHABLE();
}

/* It happened: cannot refuse, cannot fail. */
static void
apply_source(void *state, const void *event)
{
    struct source                    *s = state;
    const struct ingest_source_event *e = event;

    switch (e->kind) {
    case INGEST_SOURCE_REGISTERED: s->disabled = false; break;
    case INGEST_SECRET_ROTATED: break;
    case INGEST_SOURCE_DISABLED: s->disabled = true; break;
    case INGEST_SOURCE_ENABLED: s->disabled = false; break;
    }
}

/* --- what came ------------------------------------------------------------ */

struct received {
    bool there;
};

static bus_verdict
decide_receive(const struct received *s, const struct ingest_receive *cmd, bus_decision *out)
{
    if (s->there)
        return bus_accept(out);
    return ingest_emit_received(out,
                                &(struct ingest_received){.source_id = cmd->source_id,
                                                          .event_id = cmd->event_id,
                                                          .event_source = cmd->event_source,
                                                          .event_type = cmd->event_type,
                                                          .has_subject = cmd->has_subject,
                                                          .subject = cmd->subject,
                                                          .has_occurred_at = cmd->has_occurred_at,
                                                          .occurred_at = cmd->occurred_at,
                                                          .has_content_type = cmd->has_content_type,
                                                          .content_type = cmd->content_type,
                                                          .has_data_schema = cmd->has_data_schema,
                                                          .data_schema = cmd->data_schema,
                                                          .has_extensions = cmd->has_extensions,
                                                          .extensions = cmd->extensions,
                                                          .form = cmd->form,
                                                          .has_data = cmd->has_data,
                                                          .data = cmd->data});
}

static bus_verdict
decide_received(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct ingest_received_command *c = command;
    (void)meta;

    switch (c->kind) {
    case INGEST_RECEIVE: return decide_receive(state, &c->receive, out);
    }
    BUS_UNREACHABLE();
}

static void
apply_received(void *state, const void *event)
{
    struct received *s = state;
    (void)event; /* there is but one */

    s->there = true;
}

static const bus_aggregate aggregates[] = {
    {.of = &ingest_source,
     .snapshot_version = 1,
     .state_size = sizeof(struct source),
     .decide = decide_source,
     .apply = apply_source},
    {.of = &ingest_received,
     .snapshot_version = 1,
     .state_size = sizeof(struct received),
     .decide = decide_received,
     .apply = apply_received},
};

const bus_module ingest_module = BUS_MODULE(ingest, aggregates);
