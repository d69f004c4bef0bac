/* watch.c - reads partitions and checkpoints once a second.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/watch.h"
#include "bus/log/log.h"
#include "bus/runtime/bell.h"
#include "bus/runtime/owners.h"
#include "bus/runtime/relay.h"
#include "bus/store/view_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000
#define PART_BYTES 96

/* What is known of one domain. */
typedef struct {
    const bus_contract *contract;
    bus_store          *store; /* of its log; of the thread */
    char                service[PART_BYTES], projector[PART_BYTES], relay[PART_BYTES];
    int64_t             heads[BUS_PARTITIONS_MAX];
    bus_health          owners, views, relayed; /* under the lock */
    bool                has_views, caught_up;
    bool                has_relay; /* under the lock: somebody has relayed it, ever */
} domain;

struct bus_watch {
    const bus_runtime_options *options;
    const bus_view *const     *views;
    int                        views_count;
    domain                    *domains;
    bus_store                 *store; /* the default database: views and their checkpoints */
    bus_arena                  arena;
    pthread_mutex_t            lock;
    bus_bell                   bell;
    bus_thread                 thread;
    atomic_bool                stopping;
};

static void
set(bus_watch *watch, bus_health *of, bus_health now)
{
    (void)pthread_mutex_lock(&watch->lock);
    *of = now;
    (void)pthread_mutex_unlock(&watch->lock);
}

static void
out_of_reach(bus_watch *watch, bus_health *of, const bus_error *err)
{
    static const char unreachable[] = "the store is out of reach";
    bus_health        now = *of;

    /* Why is for those who read the log: /readyz is public, and the store's words are not. */
    if (strcmp(of->detail, unreachable) != 0)
        bus_log_warn("watch.out_of_reach", BUS_KV("part", now.part), BUS_KV_ERR(err));
    now.ready = false;
    (void)snprintf(now.detail, sizeof(now.detail), "%s", unreachable);
    set(watch, of, now);
}

/* --- owners ------------------------------------------------------------------------ */

static void
look_at_owners(bus_watch *watch, domain *d)
{
    const bus_store_ops *store = watch->options->store;
    bus_health           now = {.part = d->service, .of = watch->options->partitions};
    bus_partition_info  *infos;
    bus_error            err = {0};
    int                  count;

    if ((d->store == NULL && bus_runtime_store(watch->options, NULL, d->contract->module,
                                               "shina watch", &d->store, &err) != BUS_OK) ||
        store->partitions(d->store, d->contract->module, &watch->arena, &infos, &count, &err) !=
            BUS_OK) {
        out_of_reach(watch, &d->owners, &err);
        return;
    }
    now.of = count;
    for (int i = 0; i < count; i++) {
        d->heads[infos[i].partition] = infos[i].head;
        now.partitions += infos[i].live && infos[i].owner.len > 0;
    }
    now.ready = now.partitions == now.of;
    if (!now.ready)
        (void)snprintf(now.detail, sizeof(now.detail), "%d partitions have no live owner",
                       now.of - now.partitions);
    set(watch, &d->owners, now);
}

/* --- views --------------------------------------------------------------------------- */

static const domain *
domain_named(const bus_watch *watch, bus_str name)
{
    for (int i = 0; i < watch->options->contracts_count; i++)
        if (bus_str_is(name, watch->domains[i].contract->module))
            return &watch->domains[i];
    return NULL;
}

/* Is it a checkpoint of a view that this binary reads? */
static bool
is_ours(const bus_watch *watch, const domain *d, const bus_checkpoint_info *c)
{
    char table[BUS_VIEW_TABLE_BYTES], reader[16 + BUS_VIEW_TABLE_BYTES];

    for (int i = 0; i < watch->views_count; i++) {
        if (watch->views[i]->of->contract != d->contract)
            continue;
        bus_view_table_name(watch->views[i]->of, watch->views[i]->view_version, table);
        (void)snprintf(reader, sizeof(reader), "view.%s", table);
        if (bus_str_is(c->reader, reader))
            return true;
    }
    return false;
}

/* How many of the views' tables are not there yet; the text tells how far their builders are. */
static bus_code
count_missing(bus_watch *watch, const domain *d, int *missing, char *text, size_t room,
              bus_error *err)
{
    bus_view_info *infos;
    int64_t        done = 0, total = 0;
    int            count;
    bus_code       rc = watch->options->store->view_infos(watch->store, d->contract->module,
                                                          &watch->arena, &infos, &count, err);

    *missing = 0;
    for (int i = 0; rc == BUS_OK && i < watch->views_count; i++) {
        char table[BUS_VIEW_TABLE_BYTES];
        bool live = false;

        if (watch->views[i]->of->contract != d->contract)
            continue;
        bus_view_table_name(watch->views[i]->of, watch->views[i]->view_version, table);
        for (int k = 0; k < count; k++) {
            if (!bus_str_is(infos[k].table, table))
                continue;
            live = infos[k].live;
            done += live ? 0 : infos[k].done;
            total += live ? 0 : infos[k].total;
        }
        *missing += !live;
    }
    if (*missing > 0)
        (void)snprintf(text, room, "%d views are being built: %d %%", *missing,
                       total == 0 ? 0 : (int)(done * 100 / total));
    return rc;
}

static void
look_at_views(bus_watch *watch, domain *d)
{
    bus_health           now = {.part = d->projector, .of = watch->options->partitions};
    bus_checkpoint_info *list;
    bus_error            err = {0};
    int                  count, missing = 0, seen = 0, dead = 0;

    if (count_missing(watch, d, &missing, now.detail, sizeof(now.detail), &err) != BUS_OK ||
        watch->options->store->checkpoints(watch->store, d->contract->module, &watch->arena, &list,
                                           &count, &err) != BUS_OK) {
        out_of_reach(watch, &d->views, &err);
        return;
    }
    for (int i = 0; i < count; i++) {
        const domain *log = domain_named(watch, list[i].domain);

        if (log == NULL || !is_ours(watch, d, &list[i]))
            continue;
        seen++;
        dead += !list[i].live || list[i].owner.len == 0;
        if (log->heads[list[i].partition] > list[i].offset)
            now.behind += log->heads[list[i].partition] - list[i].offset;
    }
    d->caught_up = d->caught_up || (missing == 0 && seen > 0 && dead == 0 && now.behind == 0);
    now.partitions = seen > 0 && dead == 0 ? now.of : 0;
    now.ready = d->caught_up && now.partitions > 0;
    if (missing > 0)
        now.ready = false; /* it says how far they are */
    else if (now.partitions == 0)
        (void)snprintf(now.detail, sizeof(now.detail), "nobody fills its views");
    else if (!now.ready)
        (void)snprintf(now.detail, sizeof(now.detail), "catching up: %lld events behind",
                       (long long)now.behind);
    set(watch, &d->views, now);
}

/* --- relays --------------------------------------------------------------------------- */

/* How far the topic is, by the checkpoints of relays. */
static void
look_at_relay(bus_watch *watch, domain *d)
{
    bus_health           now = {.part = d->relay, .of = watch->options->partitions, .aside = true};
    bus_checkpoint_info *list;
    bus_error            err = {0};
    int                  count, seen = 0;

    if (d->store == NULL)
        return; /* out of reach, as its owners say */
    if (watch->options->store->checkpoints(d->store, d->contract->module, &watch->arena, &list,
                                           &count, &err) != BUS_OK) {
        out_of_reach(watch, &d->relayed, &err);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (!bus_str_is(list[i].reader, BUS_RELAY_READER))
            continue;
        seen++;
        now.partitions += list[i].live && list[i].owner.len > 0;
        if (d->heads[list[i].partition] > list[i].offset)
            now.behind += d->heads[list[i].partition] - list[i].offset;
    }
    now.ready = now.partitions == now.of;
    if (!now.ready)
        (void)snprintf(now.detail, sizeof(now.detail), "nobody relays %d partitions",
                       now.of - now.partitions);
    set(watch, &d->relayed, now);
    (void)pthread_mutex_lock(&watch->lock);
    d->has_relay = seen > 0;
    (void)pthread_mutex_unlock(&watch->lock);
}

/* --- the thread ------------------------------------------------------------------------ */

static void
look(bus_watch *watch)
{
    bus_arena_reset(&watch->arena);
    for (int i = 0; i < watch->options->contracts_count; i++)
        look_at_owners(watch, &watch->domains[i]);
    for (int i = 0; i < watch->options->contracts_count; i++)
        if (watch->domains[i].has_views)
            look_at_views(watch, &watch->domains[i]);
    for (int i = 0; i < watch->options->contracts_count; i++)
        look_at_relay(watch, &watch->domains[i]);
}

static void *
watch_main(void *context)
{
    bus_watch *watch = context;

    bus_thread_name("watch", NULL);
    while (!atomic_load(&watch->stopping)) {
        look(watch);
        bus_bell_wait(&watch->bell, LOOK_MS);
    }
    return NULL;
}

static void
free_watch(bus_watch *watch)
{
    for (int i = 0; i < watch->options->contracts_count; i++)
        if (watch->domains[i].store != NULL)
            watch->options->store->close(watch->domains[i].store);
    if (watch->store != NULL)
        watch->options->store->close(watch->store);
    (void)pthread_mutex_destroy(&watch->lock);
    bus_bell_fini(&watch->bell);
    bus_arena_fini(&watch->arena);
    free(watch->domains);
    free(watch);
}

static void
init_domain(bus_watch *watch, domain *d, const bus_contract *contract)
{
    d->contract = contract;
    (void)snprintf(d->service, sizeof(d->service), "service %.80s", contract->module);
    (void)snprintf(d->projector, sizeof(d->projector), "projector %.80s", contract->module);
    (void)snprintf(d->relay, sizeof(d->relay), "relay %.80s", contract->module);
    d->relayed = (bus_health){.part = d->relay, .of = watch->options->partitions, .aside = true};
    d->owners = (bus_health){.part = d->service, .of = watch->options->partitions};
    d->views = (bus_health){.part = d->projector, .of = watch->options->partitions};
    for (int i = 0; i < watch->views_count; i++)
        d->has_views = d->has_views || watch->views[i]->of->contract == contract;
}

bus_code
bus_watch_start(bus_watch **out, const bus_runtime_options *options, const bus_view *const *views,
                int views_count, bus_error *err)
{
    bus_store_options store_options = options->store_options;
    bus_watch        *watch = calloc(1, sizeof(*watch));
    bus_code          rc;

    if (watch == NULL)
        abort();
    watch->options = options;
    watch->views = views;
    watch->views_count = views_count;
    watch->domains = calloc((size_t)options->contracts_count + 1, sizeof(*watch->domains));
    if (watch->domains == NULL || pthread_mutex_init(&watch->lock, NULL) != 0)
        abort();
    bus_bell_init(&watch->bell, watch->options->threads);
    for (int i = 0; i < options->contracts_count; i++)
        init_domain(watch, &watch->domains[i], options->contracts[i]);
    store_options.application = "shina watch";
    if ((rc = options->store->open(&watch->store, &store_options, err)) != BUS_OK)
        goto failed;
    if (!bus_thread_start(&watch->thread, watch->options->threads, watch_main, watch)) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "no thread to watch the other processes");
        goto failed;
    }
    *out = watch;
    return BUS_OK;

failed:
    free_watch(watch);
    return rc;
}

void
bus_watch_stop(bus_watch *watch)
{
    if (watch == NULL)
        return;
    atomic_store(&watch->stopping, true);
    bus_bell_ring(&watch->bell);
    bus_thread_join(&watch->thread);
    free_watch(watch);
}

int
bus_watch_health(bus_watch *watch, bus_health *out, int max)
{
    int count = 0;

    (void)pthread_mutex_lock(&watch->lock);
    for (int i = 0; i < watch->options->contracts_count && count < max; i++) {
        out[count++] = watch->domains[i].owners;
        if (watch->domains[i].has_views && count < max)
            out[count++] = watch->domains[i].views;
        if (watch->domains[i].has_relay && count < max)
            out[count++] = watch->domains[i].relayed;
    }
    (void)pthread_mutex_unlock(&watch->lock);
    return count;
}
