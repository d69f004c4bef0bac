/* writer.c - the writer's thread: hold the leases, fire what is due, carry out what came.
 *
 * Natural batching: while one append is in flight commands gather in the server's queue; when
 * it returns, all of them make the next batch. Nothing waits when nothing is in flight.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/writer.h"
#include "bus/base/failpoint.h"
#include "bus/contract/codec.h"
#include "bus/log/log.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RENEW_US 1500000 /* leases are renewed so often, also when idle */
#define SHARE_US (BUS_MEMBERS_SHARE_MS * 1000)
#define TIMERS_POLL_MS 1000 /* timers are looked for at least so often */
#define TIMERS_MAX 256      /* fired in one batch */
#define TIMERS_MORE_MS 10   /* ... and when there are more, the next so soon */
#define RECENT_ANSWERS 16384

static const struct {
    const char *name, *help;
    int         kind;
} metric_rows[BUS_WRITER_METRICS] = {
    [BUS_WRITER_COMMANDS] = {"bus_writer_commands_total", "Commands carried out.",
                             BUS_METRIC_COUNTER},
    [BUS_WRITER_EVENTS] = {"bus_writer_events_total", "Events appended.", BUS_METRIC_COUNTER},
    [BUS_WRITER_REFUSALS] = {"bus_writer_refusals_total", "Commands refused to clients.",
                             BUS_METRIC_COUNTER},
    [BUS_WRITER_REPEATS] = {"bus_writer_repeats_total", "Commands found in the log already.",
                            BUS_METRIC_COUNTER},
    [BUS_WRITER_FAULTS] = {"bus_writer_faults_total", "Broken invariants of the module.",
                           BUS_METRIC_COUNTER},
    [BUS_WRITER_APPENDS] = {"bus_writer_appends_total", "Batches appended.", BUS_METRIC_COUNTER},
    [BUS_WRITER_APPEND_FAILURES] = {"bus_writer_append_failures_total",
                                    "Appends that did not go through.", BUS_METRIC_COUNTER},
    [BUS_WRITER_APPEND_US] = {"bus_writer_append_seconds", "Time of one append.",
                              BUS_METRIC_HISTOGRAM},
    [BUS_WRITER_SNAPSHOTS] = {"bus_writer_snapshots_total", "States of streams kept.",
                              BUS_METRIC_COUNTER},
    [BUS_WRITER_SNAPSHOT_FAILURES] = {"bus_writer_snapshot_failures_total",
                                      "Times that states could not be kept.", BUS_METRIC_COUNTER},
};

/* --- leases ------------------------------------------------------------------ */

static int
held_partitions(const bus_writer *w)
{
    int held = 0;

    for (int p = 0; p < w->partitions; p++)
        held += w->leases[p].held;
    return held;
}

static void
store_trouble(bus_writer *w, const char *event, const bus_error *err)
{
    if (!atomic_exchange(&w->store_down, true))
        bus_log_warn(event, BUS_KV("domain", w->domain), BUS_KV_ERR(err));
}

static void
store_fine(bus_writer *w)
{
    if (atomic_exchange(&w->store_down, false))
        bus_log_info("writer.store_back", BUS_KV("domain", w->domain));
}

/* Takes those of `wanted` that may be taken. */
static bool
take_leases(bus_writer *w, bus_lease *wanted, int count)
{
    bus_error err = {0};

    if (count == 0)
        return true;
    BUS_FAIL_POINT("lease.take");
    if (w->options->store->lease_take(w->store, w->domain,
                                      w->options->transport_ops->address(w->server),
                                      w->options->sole, wanted, count, &err) != BUS_OK) {
        store_trouble(w, "writer.lease_failed", &err);
        return false;
    }
    store_fine(w);
    BUS_FAIL_POINT("lease.taken");
    for (int i = 0; i < count; i++) {
        bus_lease *lease = &w->leases[wanted[i].partition];

        /* What another wrote meanwhile is not in our states: one epoch more is our own taking. */
        if (wanted[i].held && (!lease->held || wanted[i].epoch != lease->epoch + 1))
            bus_states_evict_partition(w->states, wanted[i].partition, w->partitions);
        if (wanted[i].held && !lease->held)
            w->took_partitions = true;
        if (wanted[i].at_ms < lease->at_ms)
            wanted[i].at_ms = lease->at_ms;
        *lease = wanted[i];
    }
    return true;
}

/* The partitions that nobody holds, or that are ours by name; at most max of those that we do
 * not hold. -1: store out of reach. */
static int
find_free(bus_writer *w, bus_lease *wanted, int max)
{
    const char         *address = w->options->transport_ops->address(w->server);
    bus_arena           arena = {0};
    bus_partition_info *infos;
    bus_error           err = {0};
    int                 infos_count, count = 0;

    if (w->options->store->partitions(w->store, w->domain, &arena, &infos, &infos_count, &err) !=
        BUS_OK) {
        store_trouble(w, "writer.partitions_failed", &err);
        count = -1;
    } else {
        store_fine(w); /* with nothing to take, nothing else would tell */
    }
    for (int i = 0; count >= 0 && i < infos_count && count < max; i++)
        if (!w->leases[infos[i].partition].held &&
            (!infos[i].live || w->options->sole || bus_str_is(infos[i].owner, address)))
            wanted[count++] = (bus_lease){.partition = infos[i].partition};
    bus_arena_fini(&arena);
    return count;
}

static void
note_held(bus_writer *w)
{
    int held = held_partitions(w);

    if (held != atomic_load(&w->held))
        bus_log_info("writer.leases", BUS_KV("domain", w->domain), BUS_KV_INT("held", held),
                     BUS_KV_INT("of", w->partitions));
    atomic_store(&w->held, held);
}

bool
bus_writer_lease(bus_writer *w, bool again)
{
    bus_lease wanted[BUS_PARTITIONS_MAX];
    int       count = 0, missing;

    if (again) {
        for (int p = 0; p < w->partitions; p++)
            if (w->leases[p].held)
                wanted[count++] = (bus_lease){.partition = (uint16_t)p};
        if (!take_leases(w, wanted, count))
            return false;
    }
    missing = bus_members_share(w->options->members, w->part, w->partitions) - held_partitions(w);
    count = missing > 0 ? find_free(w, wanted, missing) : 0;
    if (count < 0 || !take_leases(w, wanted, count))
        return false;
    note_held(w);
    return true;
}

/* Gives back what we hold beyond our share, between two batches: the others wait for it. */
static void
give_back(bus_writer *w)
{
    bus_lease surplus[BUS_PARTITIONS_MAX];
    bus_error err = {0};
    int       share = bus_members_share(w->options->members, w->part, w->partitions);
    int       count = 0, held = held_partitions(w);

    for (int p = w->partitions - 1; p >= 0 && held - count > share; p--)
        if (w->leases[p].held)
            surplus[count++] = w->leases[p];
    if (count == 0)
        return;
    /* Not ours from here on, whether or not the others hear of it now. */
    for (int i = 0; i < count; i++) {
        w->leases[surplus[i].partition].held = false;
        bus_states_evict_partition(w->states, surplus[i].partition, w->partitions);
    }
    if (w->options->store->lease_release(w->store, w->domain, surplus, count, &err) != BUS_OK)
        store_trouble(w, "writer.release_failed", &err); /* they run out */
    note_held(w);
}

/* Brings what we hold to our share. */
static void
share_partitions(bus_writer *w)
{
    w->shared_us = bus_mono_us(w->options->clock);
    if (held_partitions(w) > bus_members_share(w->options->members, w->part, w->partitions))
        give_back(w);
    else
        (void)bus_writer_lease(w, false);
}

/* Renews what we hold; what has moved on is lost. */
static void
renew(bus_writer *w)
{
    bus_lease mine[BUS_PARTITIONS_MAX];
    bus_error err = {0};
    int       count = 0;

    for (int p = 0; p < w->partitions; p++)
        if (w->leases[p].held)
            mine[count++] = w->leases[p];
    if (count > 0) {
        BUS_FAIL_POINT("lease.renew");
        if (w->options->store->lease_renew(w->store, w->domain, mine, count, &err) != BUS_OK) {
            store_trouble(w, "writer.renew_failed", &err);
            return;
        }
        store_fine(w);
        BUS_FAIL_POINT("lease.renewed");
    }
    for (int i = 0; i < count; i++)
        if (!mine[i].held)
            w->leases[mine[i].partition].held = false;
    note_held(w);
}

/* Tells the transport which partitions are ours, when that has changed. */
static void
tell_transport(bus_writer *w)
{
    uint16_t mine[BUS_PARTITIONS_MAX];
    int      count = 0;
    bool     changed = false;

    for (int p = 0; p < w->partitions; p++) {
        changed = changed || w->told[p] != w->leases[p].held;
        w->told[p] = w->leases[p].held;
        if (w->told[p])
            mine[count++] = (uint16_t)p;
    }
    if (changed)
        w->options->transport_ops->own(w->server, mine, count);
}

/* --- timers -------------------------------------------------------------------- */

/* The wakes that are due, in arena memory; how many. */
static int
due_timers(bus_writer *w, bus_arena *arena, bus_timer **out)
{
    int64_t   now_ms = bus_now_ms(w->options->clock), next_ms = 0;
    uint16_t  mine[BUS_PARTITIONS_MAX];
    bus_error err = {0};
    int       mine_count = 0, count = 0;

    if (now_ms < w->next_timer_ms)
        return 0;
    for (int p = 0; p < w->partitions; p++)
        if (w->leases[p].held)
            mine[mine_count++] = (uint16_t)p;
    if (mine_count == 0) {
        w->next_timer_ms = now_ms + TIMERS_POLL_MS; /* idle, not spinning */
        return 0;
    }
    if (w->options->store->timers_due(w->store, w->domain, mine, mine_count, now_ms, TIMERS_MAX,
                                      arena, out, &count, &next_ms, &err) != BUS_OK) {
        store_trouble(w, "writer.timers_failed", &err);
        w->next_timer_ms = now_ms + TIMERS_POLL_MS;
        return 0;
    }
    w->next_timer_ms = now_ms + TIMERS_POLL_MS;
    if (next_ms > now_ms && next_ms < w->next_timer_ms)
        w->next_timer_ms = next_ms;
    if (count == TIMERS_MAX) /* after an outage: soon, but not as fast as a fault could loop */
        w->next_timer_ms = now_ms + TIMERS_MORE_MS;
    return count;
}

/* --- the thread ------------------------------------------------------------------ */

static int
sleep_ms(const bus_writer *w)
{
    int64_t lease_ms = (w->shared_us + SHARE_US - bus_mono_us(w->options->clock)) / 1000;
    int64_t timer_ms = w->next_timer_ms - bus_now_ms(w->options->clock);
    int64_t ms = lease_ms < timer_ms ? lease_ms : timer_ms;

    return ms < 1 ? 1 : (int)ms;
}

static void *
writer_main(void *context)
{
    bus_writer    *w = context;
    bus_envelope **envs = calloc((size_t)w->options->batch_max, sizeof(bus_envelope *));
    bus_arena      arena = {0};

    bus_thread_name("writer", w->domain);
    if (envs == NULL)
        abort();
    bus_writer_look_at_quarantine(w);
    while (!atomic_load(&w->stopping)) {
        bus_timer *timers = NULL;
        int        timers_count;
        uint32_t   count;

        if (bus_mono_us(w->options->clock) - w->renewed_us >= RENEW_US) {
            w->renewed_us = bus_mono_us(w->options->clock);
            renew(w);
            bus_writer_look_at_quarantine(w);
        }
        if (bus_mono_us(w->options->clock) - w->shared_us >= SHARE_US)
            share_partitions(w);
        tell_transport(w);
        bus_arena_reset(&arena);
        timers_count = due_timers(w, &arena, &timers);
        count = w->options->transport_ops->take(w->server, envs, (uint32_t)w->options->batch_max,
                                                timers_count > 0 ? 0 : sleep_ms(w));
        if (timers_count > 0)
            BUS_FAIL_POINT("timer.fire");
        if (count > 0)
            BUS_FAIL_POINT("batch.taken");
        if (count > 0 || timers_count > 0)
            bus_writer_batch(w, envs, (int)count, timers, timers_count);
    }
    bus_arena_fini(&arena);
    free(envs);
    return NULL;
}

/* --- starting and stopping --------------------------------------------------------- */

static void
init_metrics(bus_writer *w)
{
    (void)snprintf(w->labels, sizeof(w->labels), "domain=\"%s\"", w->domain);
    for (int i = 0; i < BUS_WRITER_METRICS; i++) {
        w->metrics[i].name = metric_rows[i].name;
        w->metrics[i].help = metric_rows[i].help;
        w->metrics[i].kind = (__typeof__(w->metrics[i].kind))metric_rows[i].kind;
        w->metrics[i].labels = w->labels;
    }
    bus_metrics_register(w->metrics, BUS_WRITER_METRICS);
}

static bus_code
default_settings(bus_writer *w, bus_error *err)
{
    const bus_shape *shape = w->module->contract->settings;
    bus_problems     problems = {0};

    if (shape == NULL)
        return BUS_OK;
    w->default_settings = bus_arena_alloc(&w->settings_arena, shape->size);
    if (bus_decode(shape, BUS_STR("{}"), &w->settings_arena, w->default_settings, &problems) !=
        BUS_OK)
        return bus_fail(err, BUS_INVALID, "%s: the defaults of the settings: %s: %s", w->domain,
                        problems.items[0].pointer, problems.items[0].message);
    return BUS_OK;
}

static void
free_writer(bus_writer *w)
{
    bus_metrics_unregister(w->metrics);
    batch_forget_quarantine(w);
    w->options->transport_ops->stop(w->server);
    w->options->store->close(w->store);
    bus_personal_destroy(w->personal);
    bus_states_destroy(w->states);
    bus_recent_destroy(w->recent);
    bus_recent_destroy(w->refused);
    free(w->forms);
    bus_arena_fini(&w->arena);
    bus_arena_fini(&w->scratch);
    bus_arena_fini(&w->settings_arena);
    free(w);
}

bus_code
bus_writer_start(bus_writer **out, const bus_module *module, const bus_runtime_options *options,
                 bus_error *err)
{
    bus_writer *w = calloc(1, sizeof(*w));
    char        application[64];
    bus_code    rc;

    if (w == NULL)
        abort();
    w->module = module;
    w->options = options;
    w->domain = module->contract->module;
    w->partitions = options->partitions;
    (void)snprintf(w->part, sizeof(w->part), "service %.80s", w->domain);
    w->states = bus_states_create(options->states_bytes_max);
    w->recent = bus_recent_create(RECENT_ANSWERS);
    w->refused = bus_recent_create(RECENT_ANSWERS);
    w->forms = calloc((size_t)module->aggregates_count + 1, sizeof(*w->forms));
    if (w->forms == NULL)
        abort();
    for (int i = 0; i < module->aggregates_count; i++)
        w->forms[i] = bus_snapshot_form_of(&module->aggregates[i]);
    init_metrics(w);
    (void)snprintf(application, sizeof(application), "shina writer %s", w->domain);
    w->any_personal = bus_contract_is_personal(module->contract);
    w->personal = bus_runtime_personal(options, w->domain, application);
    if ((rc = default_settings(w, err)) != BUS_OK ||
        (rc = bus_runtime_store(options, w->domain, w->domain, application, &w->store, err)) !=
            BUS_OK ||
        (rc = options->store->create_domain(w->store, w->domain, w->partitions, err)) != BUS_OK ||
        (rc = options->transport_ops->serve(options->transport, w->domain, &w->server, err)) !=
            BUS_OK)
        goto failed;
    w->renewed_us = w->shared_us = bus_mono_us(options->clock);
    (void)bus_writer_lease(w, false); /* what is not free yet is taken later */
    if (!bus_thread_start(&w->thread, w->options->threads, writer_main, w)) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "no thread for the writer of %s", w->domain);
        goto failed;
    }
    *out = w;
    return BUS_OK;

failed:
    free_writer(w);
    return rc;
}

void
bus_writer_stop(bus_writer *w)
{
    bus_lease mine[BUS_PARTITIONS_MAX];
    bus_error err = {0};
    int       count = 0;

    if (w == NULL)
        return;
    atomic_store(&w->stopping, true);
    w->options->transport_ops->wake(w->server);
    bus_thread_join(&w->thread);
    for (int p = 0; p < w->partitions; p++)
        if (w->leases[p].held)
            mine[count++] = w->leases[p];
    if (count > 0 &&
        w->options->store->lease_release(w->store, w->domain, mine, count, &err) != BUS_OK)
        bus_log_warn("writer.release_failed", BUS_KV("domain", w->domain), BUS_KV_ERR(&err));
    free_writer(w);
}

void
bus_writer_health(const bus_writer *w, bus_health *out)
{
    *out = (bus_health){.partitions = atomic_load(&w->held),
                        .of = w->partitions,
                        .quarantined = atomic_load(&w->quarantined_count)};
    out->ready = !atomic_load(&w->store_down);
    if (!out->ready)
        (void)snprintf(out->detail, sizeof(out->detail), "the store is out of reach");
}
