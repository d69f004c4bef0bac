/* meters.c - whatever is measured is an event; its windows hang on the time that it tells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/meters.h"
#include "projections/stream/analytic.h"

struct meter {
    int64_t measured;
};

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct meters_meter_command *c = command;

    (void)state, (void)meta;
    return meters_emit_measured(out, &(struct meters_measured){.key = c->measure.key,
                                                               .value = c->measure.value,
                                                               .at = c->measure.at});
}

static void
apply(void *state, const void *event)
{
    (void)event;
    ((struct meter *)state)->measured++;
}

static const bus_aggregate aggregates[] = {
    {.of = &meters_meter,
     .snapshot_version = 1,
     .state_size = sizeof(struct meter),
     .decide = decide,
     .apply = apply},
};

const bus_module meters_module = BUS_MODULE(meters, aggregates);

/* --- windows -------------------------------------------------------------------- */

/* Each value counts by its place among those of its meter: memory must neither lose nor repeat. */
static void
map(void *memory, const bus_event *event, bus_stream_out *out)
{
    struct meter_loads_memory_row *m = memory;
    const struct meters_measured  *e = event->data;
    struct meter_loads_row         one = {.key = e->key, .count = 1, .sum = e->value};

    m->seen++;
    one.order = e->value * m->seen;
    bus_stream_put(out, &one, e->at, 0);
}

static void
step(void *window, const void *contribution, int sign)
{
    struct meter_loads_row       *row = window;
    const struct meter_loads_row *one = contribution;

    row->count += sign * one->count;
    row->sum += sign * one->sum;
    row->order += sign * one->order;
}

static const bus_analytic analytic = {.map = map, .step = step};

BUS_ANALYTIC(meter_loads, 1, analytic);
