/* interleaving_test.c - process P1 under every order that a seed can think of: answers, time-out,
 * cancelling, reactions and releases overtake each other, messages come twice.
 *
 * The process and its compensations are the real ones; trip, drivers and vehicle are models of
 * what their contracts promise. In the end all is reserved and the trip has it, or nothing is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/arena.h"
#include "bus/contract/codec.h"
#include "bus/module/decision.h"
#include "bus/module/module.h"
#include "contracts/assignment.h"
#include "contracts/drivers.h"
#include "contracts/trips.h"
#include "contracts/vehicles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

extern const bus_module assignment_module;

enum { DRIVER, CO_DRIVER, VEHICLE, RESOURCES };
enum { QUEUE_MAX = 64 };

/* One who can be reserved: by one, and not after a release that came first. */
struct resource {
    bool busy, reserved, tombstone, answered;
    bool first_answer; /* a repeat gets the same */
};

struct queue {
    const bus_message *command[QUEUE_MAX];
    const bus_message *answer[QUEUE_MAX];
    int                resource[QUEUE_MAX]; /* RESOURCES: the trip */
    int                head, tail;
};

static struct {
    bus_arena            arena;
    uint64_t             seed;
    const bus_aggregate *process, *compensation;
    void                *state;
    bus_meta             meta;
    struct resource      resources[RESOURCES];
    enum { ASSIGNING, ASSIGNED, PLANNED, CANCELLED } trip;
    bool                     confirm_answered, confirm_answer;
    struct queue             sends;    /* of the process: one after another */
    struct queue             releases; /* of the compensations: in any order */
    bool                     failed_told, withdrawn_told, wake;
    const bus_decided_event *ended; /* failed or withdrawn, not yet reacted to */
    bool                     has_co_driver;
} sim;

static uint64_t
draw(uint64_t below)
{
    sim.seed ^= sim.seed << 13;
    sim.seed ^= sim.seed >> 7;
    sim.seed ^= sim.seed << 17;
    return sim.seed % below;
}

static bus_id
id_of(int resource)
{
    return (bus_id){{0, 1, (uint8_t)(resource + 1)}};
}

static int
resource_of(bus_id id)
{
    return id.bytes[1] == 1 ? id.bytes[2] - 1 : RESOURCES;
}

static void
put(struct queue *q, const bus_message *command, const bus_message *answer, int resource)
{
    assert_true(q->tail < QUEUE_MAX);
    q->command[q->tail] = command;
    q->answer[q->tail] = answer;
    q->resource[q->tail++] = resource;
}

/* What the runtime does with a decision. */
static void
decide(const bus_message *type, const void *data)
{
    bus_decision *out = bus_arena_alloc(&sim.arena, sizeof(*out));

    bus_decision_begin(out, &sim.arena);
    assert_int_equal(
        sim.process->decide(sim.state, bus_tagged(&sim.arena, type, data), &sim.meta, out),
        BUS_ACCEPTED);
    for (int i = 0; i < out->events_count; i++) {
        const bus_decided_event *e = &out->events[i];

        sim.process->apply(sim.state, bus_tagged(&sim.arena, e->type, e->data));
        if (e->type == &assignment_failed_event || e->type == &assignment_withdrawn_event) {
            assert_null(sim.ended); /* it ends once */
            sim.ended = e;
        }
    }
    for (int i = 0; i < out->sends_count; i++)
        put(&sim.sends, out->sends[i].command, out->sends[i].answer,
            resource_of(out->sends[i].stream));
    for (int i = 0; i < out->wakes_count; i++)
        sim.wake = out->wakes[i].at_ms != 0;
}

static bool
reserve(struct resource *r)
{
    if (!r->answered) {
        r->answered = true;
        r->first_answer = !r->busy && !r->tombstone;
        r->reserved = r->first_answer;
    }
    return r->first_answer;
}

static bool
confirm(void)
{
    if (!sim.confirm_answered) {
        sim.confirm_answered = true;
        sim.confirm_answer = sim.trip == ASSIGNING;
        if (sim.confirm_answer)
            sim.trip = ASSIGNED;
    }
    return sim.confirm_answer;
}

/* The head of the process's sends reaches its target, perhaps twice, and is answered. */
static void
deliver_send(void)
{
    struct queue            *q = &sim.sends;
    int                      resource = q->resource[q->head];
    struct drivers_reserved  driver = {.per_trip_kop = 1};
    struct vehicles_reserved vehicle = {.payload_g = 1};
    bus_answer_event         event = {0};
    bus_answer               answer = {.command = q->command[q->head], .events = &event};

    for (uint64_t times = 1 + draw(2); times > 0; times--)
        answer.accepted = resource == RESOURCES ? confirm() : reserve(&sim.resources[resource]);
    if (answer.accepted && resource != RESOURCES) {
        event.type = resource == VEHICLE ? &vehicles_reserved_event : &drivers_reserved_event;
        event.data = resource == VEHICLE ? (const void *)&vehicle : (const void *)&driver;
        answer.events_count = 1;
    }
    if (!answer.accepted)
        answer.code = answer.detail = BUS_STR("BUSY");
    decide(q->answer[q->head], &answer);
    q->head++;
}

/* Its reactions to its own end: compensations; and the trip's reaction to failing. */
static void
react_to_the_end(void)
{
    bus_reaction_out out = {.arena = &sim.arena};
    bus_event event = {.type = sim.ended->type, .data = sim.ended->data, .stream = sim.meta.stream};

    for (int i = 0; i < assignment_module.reactions_count; i++)
        if (assignment_module.reactions[i].on == event.type)
            assignment_module.reactions[i].react(&event, &out);
    for (int i = 0; i < out.commands_count; i++) {
        bus_problems  problems = {0};
        bus_decision *decision = bus_arena_alloc(&sim.arena, sizeof(*decision));
        void         *data = bus_arena_alloc(&sim.arena, out.commands[i].command->shape->size);
        void         *state = bus_arena_alloc(&sim.arena, sim.compensation->state_size);

        assert_int_equal(bus_decode(out.commands[i].command->shape, out.commands[i].data,
                                    &sim.arena, data, &problems),
                         BUS_OK);
        bus_decision_begin(decision, &sim.arena);
        (void)sim.compensation->decide(state, bus_tagged(&sim.arena, out.commands[i].command, data),
                                       &sim.meta, decision);
        assert_int_equal(decision->sends_count, 1);
        put(&sim.releases, decision->sends[0].command, NULL,
            resource_of(decision->sends[0].stream));
    }
    sim.failed_told = event.type != &assignment_failed_event;
    sim.ended = NULL;
}

/* One of the releases, whichever; a repeat of one finds it done. */
static void
deliver_release(void)
{
    struct queue    *q = &sim.releases;
    int              nth = q->head + (int)draw((uint64_t)(q->tail - q->head));
    int              resource = q->resource[nth];
    struct resource *r = &sim.resources[resource];

    if (r->reserved)
        r->reserved = false;
    else if (!r->answered)
        r->tombstone = true;
    q->resource[nth] = q->resource[q->head++];
}

static void
cancel(void)
{
    sim.trip = CANCELLED;
    sim.withdrawn_told = false;
}

static void
begin(uint64_t seed)
{
    static const struct assignment_settings settings = {.timeout_s = 30};
    struct assignment_start start = {.trip_id = {{9}}, .attempt = 1, .planned_to_at = 1};

    bus_arena_fini(&sim.arena);
    memset(&sim, 0, sizeof(sim));
    sim.seed = seed * 2654435761u + 88172645463325252u;
    sim.process = &assignment_module.aggregates[0];
    sim.compensation = &assignment_module.aggregates[1];
    sim.state = bus_arena_alloc(&sim.arena, sim.process->state_size);
    sim.meta.stream = (bus_id){{7}};
    sim.meta.settings = &settings;
    sim.failed_told = sim.withdrawn_told = true;
    for (int i = 0; i < RESOURCES; i++)
        sim.resources[i].busy = draw(6) == 0;
    sim.has_co_driver = draw(2) == 0;
    start.driver_id = id_of(DRIVER);
    start.vehicle_id = id_of(VEHICLE);
    start.has_co_driver_id = sim.has_co_driver;
    start.co_driver_id = id_of(CO_DRIVER);
    decide(&assignment_start_command, &start);
}

/* Does one thing that can happen now. False: nothing is left to do. */
static bool
step(void)
{
    bool sends = sim.sends.head < sim.sends.tail, releases = sim.releases.head < sim.releases.tail;

    if (!sends && !releases && sim.ended == NULL && sim.failed_told && sim.withdrawn_told)
        return false;
    switch (draw(8)) {
    case 0:
    case 1:
    case 2:
        if (sends)
            deliver_send();
        break;
    case 3:
        if (releases)
            deliver_release();
        break;
    case 4:
        if (sim.ended != NULL)
            react_to_the_end();
        break;
    case 5: /* trips.fail_assignment: stale ones are passed over */
        if (!sim.failed_told && sim.trip == ASSIGNING)
            sim.trip = PLANNED;
        sim.failed_told = true;
        break;
    case 6:
        if (!sim.withdrawn_told)
            decide(&assignment_withdraw_command, &(struct assignment_withdraw){.trip_id = {{9}}});
        sim.withdrawn_told = true;
        if (sim.trip == ASSIGNING && draw(8) == 0)
            cancel();
        break;
    case 7:
        if (sim.wake && draw(4) == 0)
            decide(&assignment_time_out_command, &(struct { char none; }){0});
        break;
    }
    return true;
}

static void
test_all_or_none(void **state)
{
    int assigned = 0, planned = 0, cancelled = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        begin(seed);
        for (int steps = 0; step(); steps++)
            assert_true(steps < 10000);
        assert_int_not_equal(sim.trip, ASSIGNING); /* nobody waits for ever */
        assert_false(sim.wake);
        for (int i = 0; i < RESOURCES; i++)
            if (i != CO_DRIVER || sim.has_co_driver)
                assert_int_equal(sim.resources[i].reserved, sim.trip == ASSIGNED);
        assigned += sim.trip == ASSIGNED;
        planned += sim.trip == PLANNED;
        cancelled += sim.trip == CANCELLED;
    }
    bus_arena_fini(&sim.arena);
    /* The seeds reach every end often enough to mean something. */
    assert_true(assigned > 2000 && planned > 2000 && cancelled > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
