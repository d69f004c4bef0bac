/* TEMPLATE.c - the smallest module: a thing is opened and closed.
 * The one rule: nothing is closed twice.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/TEMPLATE.h"
#include "bus/module/module.h"

/* State: only what the next decision needs. */
struct thing {
    bool closed;
};

static bus_verdict
decide_open(const struct TEMPLATE_open *cmd, const bus_meta *meta, bus_decision *out)
{
    return TEMPLATE_emit_opened(
        out, &(struct TEMPLATE_opened){.name = cmd->name, .opened_at = meta->at_ms});
}

static bus_verdict
decide_close(const struct thing *s, bus_decision *out)
{
    if (s->closed)
        return bus_refuse(out, UPPER_ENDED);
    return TEMPLATE_emit_closed(out, &(struct TEMPLATE_closed){0});
}

/* May it happen? Changes nothing. */
static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct thing                  *s = state;
    const struct TEMPLATE_thing_command *c = command;

    switch (c->kind) {
    case UPPER_OPEN: return decide_open(&c->open, meta, out);
    case UPPER_CLOSE: return decide_close(s, out);
    }
    BUS_UNREACHABLE();
}

/* It happened: cannot refuse, cannot fail. */
static void
apply(void *state, const void *event)
{
    struct thing                      *s = state;
    const struct TEMPLATE_thing_event *e = event;

    switch (e->kind) {
    case UPPER_OPENED: s->closed = false; break;
    case UPPER_CLOSED: s->closed = true; break;
    }
}

static const bus_aggregate aggregates[] = {
    {.of = &TEMPLATE_thing,
     .snapshot_version = 1,
     .state_size = sizeof(struct thing),
     .decide = decide,
     .apply = apply},
};

const bus_module TEMPLATE_module = BUS_MODULE(TEMPLATE, aggregates);
