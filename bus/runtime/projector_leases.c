/* projector_leases.c - which tables this projector fills: those all of whose checkpoints it holds.
 *
 * A table is held whole or not at all, since one projector owns all inputs of a view. Several
 * processes of one domain share its tables, or stand by for each other: of two releases at a time
 * each fills the tables that are its alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/runtime/projector_internal.h"

#include <string.h>

/* Begins reading each log where the table that is furthest behind stands. */
void
projector_place_sources(bus_projector *p)
{
    for (int s = 0; s < p->sources_count; s++)
        for (int part = 0; part < p->partitions; part++) {
            int64_t least = INT64_MAX;

            for (int t = 0; t < p->tables_count; t++)
                if (p->tables[t].held && p->tables[t].follows[s] &&
                    p->tables[t].at[s][part].offset < least)
                    least = p->tables[t].at[s][part].offset;
            if (least == INT64_MAX) {
                bus_follow_drop(p->sources[s].follow, part); /* nothing of ours follows it */
                continue;
            }
            p->sources[s].at[part] = least;
            bus_follow_partition(p->sources[s].follow, part, least);
        }
}

/* Gives back what is ours of a table: what was taken in vain too, or two could wait for each
 * other. */
static void
release_table(bus_projector *p, projector_table *tb)
{
    tb->held = false;
    for (int s = 0; s < p->sources_count; s++) {
        bus_checkpoint mine[BUS_PARTITIONS_MAX];
        bus_error      err = {0};
        int            count = 0;

        for (int part = 0; part < p->partitions; part++)
            if (tb->at[s][part].held) {
                mine[count++] = tb->at[s][part];
                tb->at[s][part].held = false;
            }
        if (count > 0 && p->options->store->checkpoint_release(p->store, p->home, tb->reader,
                                                               p->sources[s].contract->module, mine,
                                                               count, &err) != BUS_OK)
            projector_store_trouble(p, "giving checkpoints back", &err); /* they run out */
    }
}

static void
count_held(bus_projector *p)
{
    int live = 0;

    p->held_count = 0;
    for (int t = 0; t < p->tables_count; t++) {
        live += p->tables[t].live;
        p->held_count += p->tables[t].held;
    }
    atomic_store(&p->stands_by, live > 0 && p->held_count == 0 && !atomic_load(&p->trouble));
}

void
projector_release_tables(bus_projector *p)
{
    for (int t = 0; t < p->tables_count; t++)
        release_table(p, &p->tables[t]);
    count_held(p);
}

void
projector_forget_tables(bus_projector *p)
{
    for (int t = 0; t < p->tables_count; t++)
        p->tables[t].held = false;
    count_held(p);
    p->renewed_us = INT64_MIN / 2; /* taken again, by our name, at once */
}

/* Only at first are leases stolen: those that a process left whose end is proved. */
static bool
take_source(bus_projector *p, projector_table *tb, int s)
{
    bus_checkpoint *at = tb->at[s];
    bus_error       err = {0};

    for (int part = 0; part < p->partitions; part++)
        at[part] = (bus_checkpoint){.partition = (uint16_t)part};
    if (p->options->store->checkpoint_take(
            p->store, p->home, tb->reader, p->sources[s].contract->module, p->options->process,
            p->options->sole && !tb->was_held, at, p->partitions, &err) != BUS_OK) {
        projector_store_trouble(p, "taking checkpoints", &err);
        return false;
    }
    atomic_store(&p->trouble, false);
    for (int part = 0; part < p->partitions; part++)
        if (!at[part].held)
            return false; /* another's: tried again later */
    return true;
}

static bool
take_table(bus_projector *p, projector_table *tb)
{
    bus_error err = {0};
    bool      all = true;

    for (int s = 0; s < p->sources_count && all; s++)
        all = !tb->follows[s] || take_source(p, tb, s);
    if (all && projector_restore_stream(p, tb, &err) != BUS_OK) {
        projector_store_trouble(p, "reading how far an analytic is", &err);
        all = false;
    }
    if (!all) {
        release_table(p, tb);
        return false;
    }
    tb->held = tb->was_held = true;
    return true;
}

void
projector_take_tables(bus_projector *p)
{
    bus_error err = {0};
    bool      some = false;

    for (int t = 0; t < p->tables_count; t++)
        if (p->tables[t].live && !p->tables[t].held)
            some = take_table(p, &p->tables[t]) || some;
    if (some && projector_load_skips(p, &err) != BUS_OK) {
        projector_store_trouble(p, "reading what is parked", &err);
        projector_release_tables(p);
        return;
    }
    count_held(p);
    if (some)
        projector_place_sources(p);
}

/* False: some of it is another's now, or nobody knows. */
static bool
renew_table(bus_projector *p, const projector_table *tb)
{
    for (int s = 0; s < p->sources_count; s++) {
        bus_checkpoint mine[BUS_PARTITIONS_MAX];
        bus_error      err = {0};

        if (!tb->follows[s])
            continue;
        memcpy(mine, tb->at[s], sizeof(mine));
        if (p->options->store->checkpoint_renew(p->store, p->home, tb->reader,
                                                p->sources[s].contract->module, mine, p->partitions,
                                                &err) != BUS_OK) {
            projector_store_trouble(p, "renewing checkpoints", &err);
            return true; /* the next effect tells */
        }
        for (int part = 0; part < p->partitions; part++)
            if (!mine[part].held)
                return false;
    }
    return true;
}

void
projector_renew(bus_projector *p)
{
    bool lost = false;

    p->renewed_us = bus_mono_us(p->options->clock);
    for (int t = 0; t < p->tables_count; t++) {
        projector_table *tb = &p->tables[t];

        if (!tb->held || renew_table(p, tb))
            continue;
        bus_log_warn("projector.fenced", BUS_KV("domain", p->home),
                     BUS_KV("view", tb->view->of->name));
        release_table(p, tb);
        lost = true;
    }
    if (lost)
        projector_place_sources(p);
    projector_take_tables(p);
}
