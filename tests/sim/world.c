/* world.c - making the world, and starting, stopping and killing its processes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"
#include "bus/base/failpoint.h"
#include "bus/store/memory/faults.h"
#include "tests/sim/journal.h"
#include "tests/sim/meters.h"
#include "tests/sim/sink.h"
#include "tests/support/kernel/kernel_modules.h"

#include <stdlib.h>
#include <string.h>

#define STALL_US 14000000 /* at a place, at most: past a lease */
#define RETRY_US 400000   /* of a process that could not start */
#define LOOK_US 100000

static const bus_contract *const contracts[SIM_DOMAINS] = {&inventory_contract, &orders_contract,
                                                           &meters_contract};
static const bus_module *const   modules[SIM_DOMAINS] = {&inventory_module, &orders_module,
                                                         &meters_module};
static const bus_view *const     views[] = {&items_projection, &stock_projection};
static const bus_view *const     loads[] = {&meter_loads_projection, &meter_loads_late_projection};

const char *const sim_met_names[SIM_METS] = {
    [SIM_MET_KILL] = "processes killed",
    [SIM_MET_STOP] = "processes stopped in order",
    [SIM_MET_STALL] = "stalls of processes and threads",
    [SIM_MET_OUTAGE] = "outages of the store",
    [SIM_MET_CUT] = "processes cut off",
    [SIM_MET_JUMP] = "clocks that jumped",
    [SIM_MET_EXPIRY] = "times that all leases ran out",
    [SIM_MET_LOST] = "messages lost",
    [SIM_MET_DOUBLED] = "messages doubled",
    [SIM_MET_BUSY] = "commands that found a full queue",
    [SIM_MET_BROKEN] = "calls of the store that failed",
    [SIM_MET_UNKNOWN] = "commits of unknown outcome",
    [SIM_MET_LATE] = "commits that happened when nobody waited for them",
    [SIM_MET_FENCED] = "commits that were fenced off",
    [SIM_MET_PARKED] = "parked streams that an operator minded",
};

/* --- clocks ------------------------------------------------------------------- */

static int64_t
process_now_ms(void *context)
{
    const sim_process *p = context;

    return SIM_EPOCH_MS + sim_now_us(p->world->sched) / 1000 + p->skew_ms;
}

static int64_t
process_mono_us(void *context)
{
    const sim_process *p = context;

    return 1000000 + sim_now_us(p->world->sched);
}

static void
process_random(void *context, void *out, size_t bytes)
{
    const sim_process *p = context;

    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)out)[i] = (uint8_t)sim_roll(p->world->sched, 256);
}

static int64_t
store_now_ms(void *context)
{
    return SIM_EPOCH_MS + sim_now_us(((const sim_world *)context)->sched) / 1000;
}

static int64_t
store_mono_us(void *context)
{
    return sim_now_us(((const sim_world *)context)->sched);
}

static void
store_random(void *context, void *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)out)[i] = (uint8_t)sim_roll(((sim_world *)context)->sched, 256);
}

/* --- threads ------------------------------------------------------------------- */

static void *
start_thread(void *context, void *(*main)(void *argument), void *argument)
{
    sim_world         *w = context;
    int                group = sim_group(w->sched);
    const sim_process *p = &w->processes[group];
    char               name[40];
    static unsigned    number; /* of this run; it runs in a process of its own */

    (void)snprintf(name, sizeof(name), "%s thread %u", p->name, ++number);
    return sim_spawn(w->sched, group, name, main, argument);
}

static bool
is_done(const void *context)
{
    return sim_done(context);
}

static void
join_thread(void *context, void *thread)
{
    sim_world *w = context;

    while (!sim_await(w->sched, is_done, thread, 1000000))
        ;
}

static void
sleep_thread(void *context, int ms)
{
    sim_sleep(((sim_world *)context)->sched, (int64_t)ms * 1000);
}

static bool
is_set(const void *context)
{
    return *(const bool *)context;
}

static void
await_flag(void *context, const bool *flag, int timeout_ms)
{
    (void)sim_await(((sim_world *)context)->sched, is_set, flag, (int64_t)timeout_ms * 1000);
}

/* --- places -------------------------------------------------------------------- */

/* A step of the kernel: others may go before it, and now and then it comes very late. */
static void
at_place(void *context, const char *name)
{
    sim_world *w = context;
    int64_t    us = sim_between(w->sched, 0, 50);

    if (sim_group(w->sched) < 0)
        return;
    if (!w->calm && sim_chance(w->sched, w->faults.place_stall)) {
        us = sim_between(w->sched, 1000, STALL_US);
        w->met[SIM_MET_STALL]++;
        sim_note(w->sched, "stalls %lld us at %s", (long long)us, name);
    } else {
        sim_note(w->sched, "is at %s", name);
    }
    sim_sleep(w->sched, us);
}

/* --- the world ------------------------------------------------------------------ */

/* Half of the seeds know a fault, some of them often. */
static int
draw_rate(sim_sched *s, int most)
{
    return sim_chance(s, 5000) ? 0 : (int)sim_between(s, 1, sim_chance(s, 3000) ? most : most / 8);
}

static sim_faults
draw_faults(sim_sched *s)
{
    return (sim_faults){
        .lost = draw_rate(s, 2000),
        .late = draw_rate(s, 2000),
        .doubled = draw_rate(s, 2000),
        .unavailable = draw_rate(s, 400),
        .answer_lost = draw_rate(s, 400),
        .unknown = draw_rate(s, 1500),
        .conflict = draw_rate(s, 1000),
        .full = draw_rate(s, 200),
        .slow = draw_rate(s, 300),
        .place_stall = draw_rate(s, 60),
        .kills = sim_chance(s, 6000),
        .stops = sim_chance(s, 4000),
        .stalls = sim_chance(s, 5000),
        .outages = sim_chance(s, 4000),
        .partitions_net = sim_chance(s, 4000),
        .jumps = sim_chance(s, 3000),
        .expiries = sim_chance(s, 3000),
        .latency_us = sim_chance(s, 3000) ? 20000 : 1500,
    };
}

static void
init_process(sim_world *w, int index)
{
    sim_process *p = &w->processes[index];

    p->world = w;
    p->index = index;
    p->clock = (bus_clock){p, process_now_ms, process_mono_us, process_random};
    (void)snprintf(p->name, sizeof(p->name), index == SIM_CLIENTS ? "clients" : "p%d", index);
    p->options = (bus_runtime_options){
        .store = &sim_store_ops,
        .store_options = {.url = SIM_URL, .clock = &p->clock},
        .transport_ops = &sim_transport_ops,
        .clock = &p->clock,
        .threads = &w->threads,
        .contracts = contracts,
        .contracts_count = SIM_DOMAINS,
        .modules = modules,
        .modules_count = SIM_DOMAINS,
        .partitions = w->partitions,
        .process = p->name,
        .states_bytes_max = sim_chance(w->sched, 3000) ? 2000 : 1 << 20,
        .batch_max = sim_chance(w->sched, 3000) ? 3 : 64,
        .snapshot_events = sim_chance(w->sched, 3000) ? 0 : 4,
    };
}

sim_world *
sim_world_create(uint64_t seed)
{
    sim_world              *w = calloc(1, sizeof(*w));
    const bus_store_options options = {.url = SIM_URL, .clock = &w->clock};
    bus_error               err = {0};

    if (w == NULL)
        abort();
    w->sched = sim_sched_create(seed);
    w->faults = draw_faults(w->sched);
    w->journal = sim_journal_create(w);
    w->topics = sim_topics_create();
    w->partitions = (int)sim_between(w->sched, 1, 6);
    w->clock = (bus_clock){w, store_now_ms, store_mono_us, store_random};
    w->threads = (bus_threads){w, start_thread, join_thread, sleep_thread, await_flag};
    for (int i = 0; i <= SIM_PROCESSES; i++)
        init_process(w, i);
    if (bus_store_memory.open(&w->store, &options, &err) != BUS_OK)
        abort();
    for (int i = 0; i < SIM_DOMAINS; i++)
        if (bus_store_memory.create_domain(w->store, contracts[i]->module, w->partitions, &err) !=
            BUS_OK)
            abort();
    w->processes[SIM_CLIENTS].transport = sim_transport_open(&w->processes[SIM_CLIENTS]);
    w->processes[SIM_CLIENTS].options.transport = w->processes[SIM_CLIENTS].transport;
    w->processes[SIM_CLIENTS].alive = true;
    bus_fail_points_hook(at_place, w);
    return w;
}

void
sim_world_destroy(sim_world *w)
{
    if (w == NULL)
        return;
    bus_fail_points_hook(NULL, NULL);
    bus_store_memory.close(w->store);
    sim_sched_destroy(w->sched);
    sim_journal_destroy(w->journal);
    sim_topics_destroy(w->topics);
    free(w);
}

/* --- processes -------------------------------------------------------------------- */

static const char *const parts[] = {"service inventory", "service orders", "service meters",
                                    "relay inventory",   "relay orders",   "relay meters"};

static bus_code
start_parts(sim_process *p, bus_error *err)
{
    const bus_runtime_options *o = &p->options;
    const sim_sink_settings    settings = {p}; /* read when the sink is opened, and no more */
    bus_code                   rc;

    if ((p->members == NULL && (rc = bus_members_start(&p->members, o, parts, 6, err)) != BUS_OK))
        return rc;
    p->options.members = p->members;
    if ((p->inventory == NULL &&
         (rc = bus_service_start(&p->inventory, &inventory_module, o, err)) != BUS_OK) ||
        (p->orders == NULL &&
         (rc = bus_service_start(&p->orders, &orders_module, o, err)) != BUS_OK) ||
        (p->meters == NULL &&
         (rc = bus_service_start(&p->meters, &meters_module, o, err)) != BUS_OK) ||
        (p->items == NULL &&
         (rc = bus_projector_start(&p->items, &inventory_contract, views, 2, o, err)) != BUS_OK) ||
        (p->loads == NULL &&
         (rc = bus_projector_start(&p->loads, &meters_contract, loads, 2, o, err)) != BUS_OK) ||
        (p->relay == NULL && (rc = bus_relay_start(&p->relay, contracts, SIM_DOMAINS, o,
                                                   &sim_sink_ops, &settings, err)) != BUS_OK))
        return rc;
    return BUS_OK;
}

static void
stop_parts(sim_process *p)
{
    bus_members_leave(p->members);
    bus_relay_stop(p->relay);
    bus_projector_stop(p->loads);
    bus_projector_stop(p->items);
    bus_service_stop(p->meters);
    bus_service_stop(p->orders);
    bus_service_stop(p->inventory);
    bus_members_stop(p->members);
}

static void *
process_main(void *context)
{
    sim_process *p = context;
    sim_world   *w = p->world;
    bus_error    err = {0};

    while (!p->stopping && start_parts(p, &err) != BUS_OK) {
        sim_note(w->sched, "cannot start: %s", err.text);
        sim_sleep(w->sched, RETRY_US);
    }
    sim_note(w->sched, "is started");
    while (!p->stopping)
        sim_sleep(w->sched, LOOK_US);
    stop_parts(p);
    sim_transport_ops.close(p->transport);
    p->alive = false;
    sim_note(w->sched, "is stopped");
    return NULL;
}

void
sim_process_start(sim_world *w, int index, bool same_name)
{
    sim_process *p = &w->processes[index];

    p->life++;
    if (!same_name)
        (void)snprintf(p->name, sizeof(p->name), "p%d.%d", index, p->life);
    p->alive = true;
    p->stopping = p->cut_off = false;
    p->members = NULL;
    p->inventory = p->orders = p->meters = NULL;
    p->items = p->loads = NULL;
    p->relay = NULL;
    p->sink = NULL;
    p->options.members = NULL;
    p->options.transport = p->transport = sim_transport_open(p);
    sim_note(w->sched, "%s starts", p->name);
    (void)sim_spawn(w->sched, index, p->name, process_main, p);
}

void
sim_process_kill(sim_world *w, int index)
{
    sim_process *p = &w->processes[index];

    sim_note(w->sched, "%s is killed", p->name);
    w->met[SIM_MET_KILL]++;
    sim_kill_group(w->sched, index);
    sim_transport_kill(p->transport);
    p->alive = false;
}

void
sim_process_stop(sim_world *w, int index)
{
    sim_note(w->sched, "%s is asked to stop", w->processes[index].name);
    w->processes[index].stopping = true;
    w->met[SIM_MET_STOP]++;
}
