/* chaos.c - what befalls the world besides the faults of single messages and calls.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/faults.h"
#include "tests/sim/world.h"

#include <string.h>

#define DOWN_US 9000000    /* a process stays away, at most */
#define STALL_US 15000000  /* ... or stands still */
#define OUTAGE_US 8000000  /* the store is away, at most */
#define CUT_US 9000000     /* a process hears nobody, at most */
#define JUMP_MS 20000      /* a process's clock is wrong, at most */
#define LET_LIVE_US 100000 /* between two looks */

static int64_t
from_now(const sim_world *w, int64_t most_us)
{
    return sim_now_us(w->sched) + sim_between(w->sched, 1000, most_us);
}

/* A process that is down comes back by itself. */
static void
revive(sim_world *w)
{
    for (int i = 0; i < SIM_PROCESSES; i++)
        if (!w->processes[i].alive && (w->calm || sim_chance(w->sched, 300)))
            sim_process_start(w, i, sim_chance(w->sched, 5000));
}

static void
kill_or_stop(sim_world *w, int index)
{
    if (w->faults.kills && sim_chance(w->sched, 7000))
        sim_process_kill(w, index);
    else if (w->faults.stops && !w->processes[index].stopping)
        sim_process_stop(w, index);
}

static void
stall(sim_world *w, int index)
{
    w->met[SIM_MET_STALL]++;
    if (sim_chance(w->sched, 5000)) {
        sim_stall_one(w->sched, index, from_now(w, STALL_US));
    } else {
        sim_note(w->sched, "%s stands still", w->processes[index].name);
        sim_stall_group(w->sched, index, from_now(w, STALL_US));
    }
}

static void
jump(sim_world *w, int index)
{
    w->met[SIM_MET_JUMP]++;
    w->processes[index].skew_ms = sim_between(w->sched, -JUMP_MS, JUMP_MS);
    sim_note(w->sched, "the clock of %s is %lld ms wrong", w->processes[index].name,
             (long long)w->processes[index].skew_ms);
}

static void
befall(sim_world *w)
{
    int          index = (int)sim_roll(w->sched, SIM_PROCESSES);
    sim_process *p = &w->processes[index];

    switch (sim_roll(w->sched, 8)) {
    case 6:
    case 7:
    case 0:
        if (p->alive)
            kill_or_stop(w, index);
        break;
    case 1:
        if (w->faults.stalls && p->alive)
            stall(w, index);
        break;
    case 2:
        if (w->faults.outages) {
            w->met[SIM_MET_OUTAGE]++;
            w->outage_until_us = from_now(w, OUTAGE_US);
            sim_note(w->sched, "the store is away");
        }
        break;
    case 3:
        if (w->faults.partitions_net) {
            p->cut_off = !p->cut_off;
            w->met[SIM_MET_CUT] += p->cut_off;
        }
        break;
    case 4:
        if (w->faults.jumps)
            jump(w, index);
        break;
    case 5:
        if (w->faults.expiries) {
            w->met[SIM_MET_EXPIRY]++;
            sim_note(w->sched, "all leases run out");
            bus_store_memory_expire(SIM_URL);
        }
        break;
    }
}

/* An operator looks at what views have parked, and has it tried again, or the event left out. */
static void
operate(sim_world *w)
{
    bus_arena   arena = {0};
    bus_parked *parked;
    bus_error   err = {0};
    int         count = 0;

    if (bus_store_memory.parked(w->store, "inventory", NULL, &arena, &parked, &count, &err) !=
        BUS_OK)
        sim_fail(w->sched, "%s", err.text);
    for (int i = 0; i < count; i++) {
        bool        skip = w->calm || sim_chance(w->sched, 5000);
        const char *reader = bus_arena_printf(&arena, "%.*s", BUS_STR_ARG(parked[i].reader)).at;

        if (strncmp(reader, "view.", 5) != 0 || parked[i].asked != BUS_ASK_NONE)
            continue;
        w->met[SIM_MET_PARKED]++;
        sim_note(w->sched, "an operator asks %s to %s", reader, skip ? "skip" : "retry");
        if (bus_store_memory.park_ask(w->store, "inventory", reader, "inventory", parked[i].stream,
                                      skip ? BUS_ASK_SKIP : BUS_ASK_RETRY, &err) != BUS_OK)
            sim_fail(w->sched, "%s", err.text);
    }
    bus_arena_fini(&arena);
}

/* Nothing goes wrong from here on, and everybody is there. */
static void
calm_down(sim_world *w)
{
    w->calm = true;
    w->outage_until_us = 0;
    for (int i = 0; i < SIM_PROCESSES; i++) {
        w->processes[i].cut_off = false;
        w->processes[i].skew_ms = 0;
        sim_stall_group(w->sched, i, 0);
    }
    sim_note(w->sched, "nothing goes wrong from here on");
}

void *
sim_chaos_main(void *context)
{
    sim_world *w = context;

    for (int i = 0; i < SIM_PROCESSES; i++)
        sim_process_start(w, i, true);
    while (sim_now_us(w->sched) < w->faults_until_us) {
        sim_sleep(w->sched, LET_LIVE_US);
        revive(w);
        if (sim_chance(w->sched, 500))
            operate(w);
        if (sim_chance(w->sched, 1000))
            befall(w);
    }
    calm_down(w);
    for (;;) {
        revive(w);
        if (sim_chance(w->sched, 500))
            operate(w);
        sim_sleep(w->sched, LET_LIVE_US);
    }
}
