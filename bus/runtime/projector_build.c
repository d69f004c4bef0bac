/* projector_build.c - the tables of a projector's views: found, made, built while the work on the
 * others goes on, and dropped when nobody uses them any more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/runtime/projector_internal.h"
#include "bus/runtime/rebuild.h"

#include <stdio.h>

#define BUILD_AGAIN_MS 1000
#define TIDY_US 60000000 /* tables are said to be in use, and unused ones dropped, so often */
#define VIEW_GRACE_MS BUS_DAY_MS

static bus_code
is_empty(bus_projector *p, bool *empty, bus_error *err)
{
    int64_t  heads[BUS_PARTITIONS_MAX];
    bus_code rc = BUS_OK;

    *empty = true;
    for (int s = 0; rc == BUS_OK && s < p->sources_count; s++) {
        rc = p->options->store->heads(p->sources[s].store, p->sources[s].contract->module, heads,
                                      p->partitions, err);
        for (int part = 0; rc == BUS_OK && part < p->partitions; part++)
            *empty = *empty && heads[part] == 0;
    }
    return rc;
}

bus_code
projector_find_tables(bus_projector *p, bus_error *err)
{
    bus_view_info *infos;
    bool           empty;
    int            count;
    bus_code       rc;

    if ((rc = is_empty(p, &empty, err)) != BUS_OK ||
        (rc = p->options->store->view_infos(p->store, p->home, &p->arena, &infos, &count, err)) !=
            BUS_OK)
        return rc;
    for (int t = 0; rc == BUS_OK && t < p->tables_count; t++) {
        projector_table *tb = &p->tables[t];

        for (int i = 0; i < count; i++)
            tb->live = tb->live || (infos[i].live && bus_str_is(infos[i].table, tb->name));
        if (tb->stream != NULL) {
            rc = projector_create_stream(p, tb, err);
            tb->live = rc == BUS_OK;
        } else if (!tb->live && empty) {
            rc =
                p->options->store->view_create(p->store, tb->view->of, tb->view->view_version, err);
            tb->live = rc == BUS_OK;
        }
        p->builds = p->builds || !tb->live;
    }
    atomic_store(&p->building, p->builds);
    return rc;
}

/* --- building and tidying ------------------------------------------------------------ */

static bool
build_goes_on(void *context)
{
    return !atomic_load(&((bus_projector *)context)->stopping);
}

static void
build_progress(void *context, const bus_rebuild_progress *progress)
{
    bus_projector *p = context;
    int percent = progress->total == 0 ? 100 : (int)(progress->done * 100 / progress->total);

    atomic_store(&p->build_percent, percent);
    bus_log_info("projector.building", BUS_KV("domain", p->home), BUS_KV_INT("percent", percent),
                 BUS_KV_INT("events", progress->done), BUS_KV_INT("of", progress->total),
                 BUS_KV_INT("pass", progress->pass), BUS_KV_INT("rows", progress->rows));
}

/* Those of the missing tables that another process has not made meanwhile. */
static bus_code
missing_views(bus_projector *p, bus_store *st, const bus_view **out, int *count, bus_error *err)
{
    bus_arena      arena = {0};
    bus_view_info *infos;
    int            infos_count = 0;
    bus_code rc = p->options->store->view_infos(st, p->home, &arena, &infos, &infos_count, err);

    *count = 0;
    for (int t = 0; rc == BUS_OK && t < p->tables_count; t++) {
        bool there = p->tables[t].live;

        for (int i = 0; i < infos_count; i++)
            there = there || (infos[i].live && bus_str_is(infos[i].table, p->tables[t].name));
        if (!there)
            out[(*count)++] = p->tables[t].view;
    }
    bus_arena_fini(&arena);
    return rc;
}

static bus_code
build_missing(bus_projector *p, bus_store *st, bus_error *err)
{
    const bus_view *missing[VIEWS_MAX];
    char            name[128];
    bus_rebuild     what = {.home = p->contract,
                            .views = missing,
                            .builder = name,
                            .go_on = build_goes_on,
                            .progress = build_progress,
                            .context = p};
    bus_code        rc = missing_views(p, st, missing, &what.views_count, err);

    (void)snprintf(name, sizeof(name), "build:%.100s", p->options->process);
    if (rc != BUS_OK || what.views_count == 0)
        return rc;
    bus_log_info("projector.build_begins", BUS_KV("domain", p->home),
                 BUS_KV_INT("views", what.views_count));
    return bus_rebuild_run(p->options, &what, err);
}

/* Until every table is there, whoever made it. */
static void *
builder_main(void *context)
{
    bus_projector *p = context;
    bus_store     *st = NULL;
    bus_error      err = {0};

    bus_thread_name("build", p->home);
    while (!atomic_load(&p->stopping)) {
        bus_code rc =
            st != NULL ? BUS_OK : bus_runtime_views_store(p->options, p->home, p->part, &st, &err);

        if (rc == BUS_OK)
            rc = build_missing(p, st, &err);
        if (rc == BUS_OK) {
            atomic_store(&p->built, true);
            bus_bell_ring(&p->bell);
            break;
        }
        if (rc != BUS_DENIED && rc != BUS_CLOSED)
            bus_log_warn("projector.build_failed", BUS_KV("domain", p->home), BUS_KV_ERR(&err));
        for (int ms = 0; ms < BUILD_AGAIN_MS && !atomic_load(&p->stopping); ms += 50)
            bus_thread_sleep(p->options->threads, 50);
    }
    if (st != NULL)
        p->options->store->close(st);
    return NULL;
}

void
projector_take_built(bus_projector *p)
{
    for (int t = 0; t < p->tables_count; t++)
        p->tables[t].live = true;
    bus_log_info("projector.built", BUS_KV("domain", p->home));
    atomic_store(&p->caught_up, false);
    atomic_store(&p->building, false);
}

void
projector_tidy(bus_projector *p)
{
    const bus_view_contract *used[BUS_STREAM_TABLES * VIEWS_MAX];
    int64_t   grace_ms = p->options->view_grace_ms > 0 ? p->options->view_grace_ms : VIEW_GRACE_MS;
    int       versions[BUS_STREAM_TABLES * VIEWS_MAX], count = 0;
    bus_str  *dropped;
    bus_error err = {0};

    if (p->tidied_us != 0 && bus_mono_us(p->options->clock) - p->tidied_us < TIDY_US)
        return;
    p->tidied_us = bus_mono_us(p->options->clock);
    for (int t = 0; t < p->tables_count; t++)
        for (int part = 0; part < BUS_STREAM_TABLES; part++) {
            const bus_view_contract *of =
                part == 0 ? p->tables[t].view->of
                : p->tables[t].stream == NULL
                    ? NULL
                    : bus_stream_table_of(p->tables[t].stream, (bus_stream_table)part);

            if (of == NULL)
                continue;
            used[count] = of;
            versions[count++] = p->tables[t].view->view_version;
        }
    if (p->options->store->view_use(p->store, used, versions, count, &err) != BUS_OK ||
        (p->held_count > 0 &&
         p->options->store->view_drop_unused(p->store, p->home, grace_ms, &p->arena, &dropped,
                                             &count, &err) != BUS_OK)) {
        bus_log_warn("projector.tidy_failed", BUS_KV("domain", p->home), BUS_KV_ERR(&err));
        return;
    }
    for (int i = 0; p->held_count > 0 && i < count; i++)
        bus_log_info("projector.table_dropped", BUS_KV_STR("table", dropped[i]));
}

bus_code
projector_start_builder(bus_projector *p, bus_error *err)
{
    if (p->builds && !bus_thread_start(&p->builder, p->options->threads, builder_main, p)) {
        p->builds = false;
        return bus_fail(err, BUS_UNAVAILABLE, "no thread to build the views of %s", p->home);
    }
    return BUS_OK;
}

void
projector_stop_builder(bus_projector *p)
{
    atomic_store(&p->stopping, true);
    if (p->builds)
        bus_thread_join(&p->builder);
}
