/* store.c - the memory store behind a connection that is slow, breaks, and does not always say what
 * became of a commit.
 *
 * An append or an effect is a flight: it is copied when it leaves, and carried out later, whether
 * or not who sent it still lives or waits, as a database does with what it was sent before the
 * connection broke. Only then its epochs are looked at. Everything else is carried out when its
 * request arrives and answered a while later; a broken connection is BUS_UNAVAILABLE then.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_US 15000000 /* of a client that waits for the database */
#define SLOW_US 20000000     /* a slow commit, at most */
#define OVERTAKEN_US 500000  /* what a broken connection brought is carried out later, at most */

typedef struct {
    bus_store   *inner;
    sim_process *process;
} connection;

static connection *
connection_of(bus_store *st)
{
    return (connection *)(void *)st;
}

static bus_store *
inner_of(bus_store *st)
{
    return connection_of(st)->inner;
}

/* --- the connection --------------------------------------------------------------- */

static bool
is_wrong(const sim_world *w, int per_10000)
{
    return !w->calm && sim_chance(w->sched, per_10000);
}

/* From us to the store, or back. */
static int64_t
way_us(const sim_world *w)
{
    return sim_between(w->sched, w->faults.latency_us / 4, w->faults.latency_us);
}

static bus_code
broken(connection *c, const char *what, bus_code code, bus_error *err)
{
    c->process->world->met[code == BUS_UNKNOWN ? SIM_MET_UNKNOWN : SIM_MET_BROKEN]++;
    sim_note(c->process->world->sched, "%s: %s", what, bus_code_name(code));
    return bus_fail(err, code, "%s: the connection broke", what);
}

/* The request arrives, or nothing happens. */
static bus_code
reach(connection *c, const char *what, bus_error *err)
{
    sim_world *w = c->process->world;

    if (sim_group(w->sched) >= 0)
        sim_sleep(w->sched, way_us(w));
    if (w->outage_until_us > sim_now_us(w->sched) || is_wrong(w, w->faults.unavailable))
        return broken(c, what, BUS_UNAVAILABLE, err);
    return BUS_OK;
}

/* The answer comes back. */
static bus_code
back(connection *c, const char *what, bus_code rc, bus_error *err)
{
    sim_world *w = c->process->world;

    sim_note(w->sched, "%s: %s", what, bus_code_name(rc));
    if (sim_group(w->sched) >= 0)
        sim_sleep(w->sched, way_us(w));
    if (is_wrong(w, w->faults.answer_lost))
        return broken(c, what, BUS_UNAVAILABLE, err);
    return rc;
}

/* A call that is carried out when its request arrives. */
#define CALL(what, ...)                                      \
    do {                                                     \
        connection *c_ = connection_of(st);                  \
        bus_code    rc_ = reach(c_, #what, err);             \
                                                             \
        if (rc_ != BUS_OK)                                   \
            return rc_;                                      \
        rc_ = bus_store_memory.what(c_->inner, __VA_ARGS__); \
        return back(c_, #what, rc_, err);                    \
    } while (0)

/* --- flights ------------------------------------------------------------------------ */

typedef struct {
    sim_world  *world;
    bus_arena   arena;
    int         process, life; /* whose it is */
    const char *domain;        /* of an append */
    bus_append  append;
    bus_effect *effect; /* or NULL */
    bus_code    rc;
    bus_error   err;
    bool        landed; /* rc is what came of it */
    bool        lost;   /* it never arrives */
    bool        left;   /* nobody waits for it any more */
} flight;

static bus_str
copy_str(bus_arena *arena, bus_str s)
{
    return s.at == NULL ? s : bus_arena_copy(arena, s.at, s.len);
}

static const char *
copy_text(bus_arena *arena, const char *text)
{
    return text == NULL ? NULL : bus_arena_copy(arena, text, strlen(text) + 1).at;
}

#define COPY_ARRAY(arena, array, count, type) \
    memcpy(BUS_ARENA_ARRAY(arena, type, (size_t)(count) + 1), array, sizeof(type) * (size_t)(count))

static bus_append
copy_append(bus_arena *arena, const bus_append *from)
{
    bus_append a = *from;

    a.partitions = BUS_ARENA_ARRAY(arena, bus_append_partition, (size_t)a.partitions_count + 1);
    a.events = BUS_ARENA_ARRAY(arena, bus_record, (size_t)a.events_count + 1);
    a.claims = BUS_ARENA_ARRAY(arena, bus_claim_write, (size_t)a.claims_count + 1);
    a.timers = BUS_ARENA_ARRAY(arena, bus_timer_write, (size_t)a.timers_count + 1);
    a.commands = BUS_ARENA_ARRAY(arena, bus_command_id, (size_t)a.commands_count + 1);
    for (int i = 0; i < a.partitions_count; i++)
        a.partitions[i] = from->partitions[i];
    for (int i = 0; i < a.events_count; i++) {
        bus_record *e = &a.events[i];

        *e = from->events[i];
        e->aggregate = copy_str(arena, e->aggregate);
        e->type = copy_str(arena, e->type);
        e->causation_id = copy_str(arena, e->causation_id);
        e->actor = copy_str(arena, e->actor);
        e->sends = copy_str(arena, e->sends);
        e->data = copy_str(arena, e->data);
    }
    for (int i = 0; i < a.claims_count; i++) {
        a.claims[i] = from->claims[i];
        a.claims[i].kind = copy_text(arena, a.claims[i].kind);
        a.claims[i].value = copy_str(arena, a.claims[i].value);
    }
    for (int i = 0; i < a.timers_count; i++) {
        a.timers[i] = from->timers[i];
        a.timers[i].name = copy_text(arena, a.timers[i].name);
    }
    for (int i = 0; i < a.commands_count; i++)
        a.commands[i] = from->commands[i];
    return a;
}

static bus_row_write
copy_row(bus_arena *arena, const bus_row_write *from)
{
    bus_row_write row = *from;
    bus_str      *columns = BUS_ARENA_ARRAY(arena, bus_str, (size_t)row.view->columns_count + 1);

    for (int i = 0; row.columns != NULL && i < row.view->columns_count; i++)
        columns[i] = copy_str(arena, from->columns[i]);
    row.columns = row.columns == NULL ? NULL : columns;
    row.body = copy_str(arena, row.body);
    return row;
}

static bus_effect *
copy_effect(bus_arena *arena, const bus_effect *from)
{
    bus_effect *e = BUS_ARENA_NEW(arena, bus_effect);

    *e = *from;
    e->home = copy_text(arena, e->home);
    e->reader = copy_text(arena, e->reader);
    e->domain = copy_text(arena, e->domain);
    e->checkpoints = BUS_ARENA_ARRAY(arena, bus_checkpoint, (size_t)e->checkpoints_count + 1);
    e->rows = BUS_ARENA_ARRAY(arena, bus_row_write, (size_t)e->rows_count + 1);
    e->parks = BUS_ARENA_ARRAY(arena, bus_park_write, (size_t)e->parks_count + 1);
    for (int i = 0; i < e->checkpoints_count; i++)
        e->checkpoints[i] = from->checkpoints[i];
    for (int i = 0; i < e->rows_count; i++)
        e->rows[i] = copy_row(arena, &from->rows[i]);
    for (int i = 0; i < e->parks_count; i++) {
        e->parks[i] = from->parks[i];
        e->parks[i].reason = copy_text(arena, e->parks[i].reason);
    }
    if (from->also != NULL)
        e->also = copy_effect(arena, from->also);
    return e;
}

static void
free_flight(flight *f)
{
    bus_arena_fini(&f->arena);
    free(f);
}

/* What a dead process had sent may have left its machine, or not. */
static bool
never_left(const flight *f)
{
    const sim_process *p = &f->world->processes[f->process];

    return (!p->alive || p->life != f->life) && sim_chance(f->world->sched, 5000);
}

static bus_code
carry_out(flight *f)
{
    sim_world *w = f->world;

    if (w->outage_until_us > sim_now_us(w->sched))
        return bus_fail(&f->err, BUS_UNAVAILABLE, "the database is away");
    if (is_wrong(w, w->faults.conflict))
        return bus_fail(&f->err, BUS_CONFLICT, "a serialisation failure");
    if (is_wrong(w, w->faults.full))
        return bus_fail(&f->err, BUS_FULL, "the disk is full");
    if (f->effect != NULL)
        return bus_store_memory.effect(w->store, f->effect, &f->err);
    return bus_store_memory.append(w->store, f->domain, &f->append, &f->err);
}

static void
land(void *context)
{
    flight *f = context;

    if (!f->lost && !never_left(f)) {
        f->rc = carry_out(f);
        f->landed = true;
        f->world->met[SIM_MET_LATE] += f->left && f->rc == BUS_OK;
        f->world->met[SIM_MET_FENCED] += f->rc == BUS_FENCED;
        sim_note(f->world->sched, "%s of p%d lands: %s%s",
                 f->effect != NULL ? f->effect->reader : f->domain, f->process,
                 bus_code_name(f->rc), f->left ? ", nobody waits for it" : "");
    }
    if (f->left)
        free_flight(f);
}

static bool
has_landed(const void *context)
{
    return ((const flight *)context)->landed;
}

static int64_t
flight_us(const sim_world *w)
{
    if (is_wrong(w, w->faults.slow))
        return sim_between(w->sched, w->faults.latency_us, SLOW_US);
    return way_us(w) * 2;
}

/* BUS_OK: it has landed. BUS_UNKNOWN: the connection broke, or patience is at its end. */
static bus_code
fly(connection *c, flight *f, const char *what, bus_error *err)
{
    sim_world *w = c->process->world;
    int64_t    patience_us = PATIENCE_US, lasts_us = flight_us(w);

    f->world = w;
    f->process = c->process->index;
    f->life = c->process->life;
    if (w->outage_until_us > sim_now_us(w->sched) || is_wrong(w, w->faults.unavailable)) {
        free_flight(f);
        return broken(c, what, BUS_UNAVAILABLE, err);
    }
    if (is_wrong(w, w->faults.unknown)) { /* it breaks at some time: there, or back */
        patience_us = sim_between(w->sched, 0, 3 * w->faults.latency_us);
        f->lost = sim_chance(w->sched, 3000);
        if (sim_chance(w->sched, 5000)) /* the database notices late */
            lasts_us += sim_between(w->sched, 0, OVERTAKEN_US);
    }
    sim_at(w->sched, sim_now_us(w->sched) + lasts_us, land, f);
    if (sim_await(w->sched, has_landed, f, patience_us))
        sim_sleep(w->sched, way_us(w));
    if (!f->landed)
        f->left = true;
    if (!f->landed || is_wrong(w, w->faults.answer_lost)) {
        bool landed = f->landed;

        if (landed)
            free_flight(f);
        return broken(c, what, BUS_UNKNOWN, err);
    }
    return BUS_OK;
}

static flight *
new_flight(void)
{
    flight *f = calloc(1, sizeof(*f));

    if (f == NULL)
        abort();
    return f;
}

static bus_code
sim_append(bus_store *st, const char *domain, bus_append *batch, bus_error *err)
{
    flight  *f = new_flight();
    bus_code rc;

    f->domain = copy_text(&f->arena, domain);
    f->append = copy_append(&f->arena, batch);
    if ((rc = fly(connection_of(st), f, "append", err)) != BUS_OK)
        return rc;
    for (int i = 0; i < batch->partitions_count; i++)
        batch->partitions[i] = f->append.partitions[i];
    for (int i = 0; i < batch->events_count; i++) {
        batch->events[i].offset = f->append.events[i].offset;
        batch->events[i].epoch = f->append.events[i].epoch;
    }
    for (int i = 0; i < batch->claims_count; i++) {
        batch->claims[i].taken = f->append.claims[i].taken;
        batch->claims[i].holder = f->append.claims[i].holder;
    }
    for (int i = 0; i < batch->commands_count; i++)
        batch->commands[i].found = f->append.commands[i].found;
    rc = f->rc;
    if (rc != BUS_OK)
        *err = f->err;
    free_flight(f);
    return rc;
}

static bus_code
sim_effect(bus_store *st, const bus_effect *effect, bus_error *err)
{
    flight  *f = new_flight();
    bus_code rc;

    f->effect = copy_effect(&f->arena, effect);
    if ((rc = fly(connection_of(st), f, effect->reader, err)) != BUS_OK)
        return rc;
    rc = f->rc;
    if (rc != BUS_OK)
        *err = f->err;
    free_flight(f);
    return rc;
}

/* --- opening ------------------------------------------------------------------------- */

static bus_code
sim_open(bus_store **out, const bus_store_options *options, bus_error *err)
{
    connection       *c = calloc(1, sizeof(*c));
    bus_store_options inner = *options;
    bus_code          rc;

    if (c == NULL)
        abort();
    c->process = options->clock->context;
    inner.clock = &c->process->world->clock; /* time is the database's */
    if ((rc = reach(c, "open", err)) != BUS_OK ||
        (rc = bus_store_memory.open(&c->inner, &inner, err)) != BUS_OK) {
        free(c);
        return rc;
    }
    *out = (bus_store *)(void *)c;
    return BUS_OK;
}

static void
sim_close(bus_store *st)
{
    if (st == NULL)
        return;
    bus_store_memory.close(inner_of(st));
    free(connection_of(st));
}

/* --- leases: what was not heard of is not held ------------------------------------------ */

static bus_code
sim_lease_take(bus_store *st, const char *domain, const char *owner, bool steal, bus_lease *leases,
               int count, bus_error *err)
{
    connection *c = connection_of(st);
    bus_code    rc = reach(c, "lease_take", err);

    if (rc == BUS_OK) {
        rc = bus_store_memory.lease_take(c->inner, domain, owner, steal, leases, count, err);
        rc = back(c, "lease_take", rc, err);
    }
    for (int i = 0; rc != BUS_OK && i < count; i++)
        leases[i].held = false;
    return rc;
}

static bus_code
sim_checkpoint_take(bus_store *st, const char *home, const char *reader, const char *domain,
                    const char *owner, bool steal, bus_checkpoint *checkpoints, int count,
                    bus_error *err)
{
    connection *c = connection_of(st);
    bus_code    rc = reach(c, "checkpoint_take", err);

    if (rc == BUS_OK) {
        rc = bus_store_memory.checkpoint_take(c->inner, home, reader, domain, owner, steal,
                                              checkpoints, count, err);
        rc = back(c, "checkpoint_take", rc, err);
    }
    for (int i = 0; rc != BUS_OK && i < count; i++)
        checkpoints[i].held = false;
    return rc;
}

/* --- the rest ------------------------------------------------------------------------------ */

static bus_code
sim_create_domain(bus_store *st, const char *domain, int partitions, bus_error *err)
{
    CALL(create_domain, domain, partitions, err);
}

static bus_code
sim_partitions(bus_store *st, const char *domain, bus_arena *arena, bus_partition_info **out,
               int *count, bus_error *err)
{
    CALL(partitions, domain, arena, out, count, err);
}

static bus_code
sim_lease_renew(bus_store *st, const char *domain, bus_lease *leases, int count, bus_error *err)
{
    CALL(lease_renew, domain, leases, count, err);
}

static bus_code
sim_lease_release(bus_store *st, const char *domain, const bus_lease *leases, int count,
                  bus_error *err)
{
    CALL(lease_release, domain, leases, count, err);
}

static bus_code
sim_find(bus_store *st, const char *domain, bus_append_partition *partitions, int partitions_count,
         const bus_id *ids, int ids_count, bus_record_visit visit, void *context, bus_error *err)
{
    CALL(find, domain, partitions, partitions_count, ids, ids_count, visit, context, err);
}

static bus_code
sim_load(bus_store *st, const char *domain, const bus_id *streams, int count,
         bus_record_visit visit, void *context, bus_error *err)
{
    CALL(load, domain, streams, count, visit, context, err);
}

static bus_code
sim_load_after(bus_store *st, const char *domain, const bus_id *streams, const int32_t *versions,
               int count, bus_record_visit visit, void *context, bus_error *err)
{
    CALL(load_after, domain, streams, versions, count, visit, context, err);
}

static bus_code
sim_snapshots_write(bus_store *st, const char *domain, const bus_snapshot *snapshots, int count,
                    bus_error *err)
{
    CALL(snapshots_write, domain, snapshots, count, err);
}

static bus_code
sim_snapshots_read(bus_store *st, const char *domain, const bus_id *streams, int count,
                   bus_snapshot_visit visit, void *context, bus_error *err)
{
    CALL(snapshots_read, domain, streams, count, visit, context, err);
}

static bus_code
sim_snapshots_scan(bus_store *st, const char *domain, bus_id after, int limit,
                   bus_snapshot_visit visit, void *context, bus_error *err)
{
    CALL(snapshots_scan, domain, after, limit, visit, context, err);
}

static bus_code
sim_read(bus_store *st, const char *domain, uint16_t partition, int64_t after, int limit,
         bus_record_visit visit, void *context, bus_error *err)
{
    CALL(read, domain, partition, after, limit, visit, context, err);
}

static bus_code
sim_archive(bus_store *st, const char *domain, uint16_t partition, int64_t up_to, int64_t *reached,
            bus_error *err)
{
    CALL(archive, domain, partition, up_to, reached, err);
}

static bus_code
sim_archives(bus_store *st, const char *domain, bus_arena *arena, bus_archive_info **out,
             int *count, bus_error *err)
{
    CALL(archives, domain, arena, out, count, err);
}

static bus_code
sim_archive_check(bus_store *st, const char *domain, const bus_archive_info *info, bus_error *err)
{
    CALL(archive_check, domain, info, err);
}

static bus_code
sim_heads(bus_store *st, const char *domain, int64_t *heads, int count, bus_error *err)
{
    CALL(heads, domain, heads, count, err);
}

static bus_code
sim_timers_due(bus_store *st, const char *domain, const uint16_t *partitions, int partitions_count,
               int64_t now_ms, int limit, bus_arena *arena, bus_timer **out, int *count,
               int64_t *next_ms, bus_error *err)
{
    CALL(timers_due, domain, partitions, partitions_count, now_ms, limit, arena, out, count,
         next_ms, err);
}

static bus_code
sim_checkpoint_renew(bus_store *st, const char *home, const char *reader, const char *domain,
                     bus_checkpoint *checkpoints, int count, bus_error *err)
{
    CALL(checkpoint_renew, home, reader, domain, checkpoints, count, err);
}

static bus_code
sim_checkpoint_release(bus_store *st, const char *home, const char *reader, const char *domain,
                       const bus_checkpoint *checkpoints, int count, bus_error *err)
{
    CALL(checkpoint_release, home, reader, domain, checkpoints, count, err);
}

static bus_code
sim_checkpoint_forget(bus_store *st, const char *home, const char *reader, bus_error *err)
{
    CALL(checkpoint_forget, home, reader, err);
}

static bus_code
sim_parked(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
           bus_parked **out, int *count, bus_error *err)
{
    CALL(parked, home, reader_or_null, arena, out, count, err);
}

static bus_code
sim_park(bus_store *st, const char *home, const char *reader, const char *domain,
         const bus_park_write *parks, const int64_t *epochs, int count, bus_error *err)
{
    CALL(park, home, reader, domain, parks, epochs, count, err);
}

static bus_code
sim_park_ask(bus_store *st, const char *home, const char *reader, const char *domain, bus_id stream,
             bus_ask ask, bus_error *err)
{
    CALL(park_ask, home, reader, domain, stream, ask, err);
}

static bus_code
sim_skipped(bus_store *st, const char *home, const char *reader_or_null, bus_arena *arena,
            bus_skipped **out, int *count, bus_error *err)
{
    CALL(skipped, home, reader_or_null, arena, out, count, err);
}

static bus_code
sim_view_create(bus_store *st, const bus_view_contract *view, int view_version, bus_error *err)
{
    CALL(view_create, view, view_version, err);
}

static bus_code
sim_view_analyze(bus_store *st, const bus_view_contract *view, int view_version, bus_error *err)
{
    CALL(view_analyze, view, view_version, err);
}

static bus_code
sim_view_rows(bus_store *st, const bus_view_contract *view, int view_version, const bus_id *tenants,
              const bus_id *ids, int count, bus_arena *arena, bus_str *bodies, int32_t *versions,
              bus_error *err)
{
    CALL(view_rows, view, view_version, tenants, ids, count, arena, bodies, versions, err);
}

static bus_code
sim_view_scan(bus_store *st, const bus_view_contract *view, int view_version,
              bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                bus_str body, bus_error *err),
              void *context, bus_error *err)
{
    CALL(view_scan, view, view_version, visit, context, err);
}

static bus_code
sim_windows_due(bus_store *st, const bus_view_contract *view, int view_version, bool closed,
                int64_t at_ms, int limit,
                bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                  bus_str body, bus_error *err),
                void *context, bus_error *err)
{
    CALL(windows_due, view, view_version, closed, at_ms, limit, visit, context, err);
}

static bus_code
sim_view_infos(bus_store *st, const char *domain, bus_arena *arena, bus_view_info **out, int *count,
               bus_error *err)
{
    CALL(view_infos, domain, arena, out, count, err);
}

static bus_code
sim_build_begin(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
                bus_error *err)
{
    CALL(build_begin, view, view_version, builder, err);
}

static bus_code
sim_build_report(bus_store *st, const bus_view_contract *view, int view_version,
                 const char *builder, int64_t done, int64_t total, bus_error *err)
{
    CALL(build_report, view, view_version, builder, done, total, err);
}

static bus_code
sim_build_fill(bus_store *st, const char *builder, const bus_row_write *rows, int count,
               bus_error *err)
{
    CALL(build_fill, builder, rows, count, err);
}

static bus_code
sim_build_index(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
                bus_error *err)
{
    CALL(build_index, view, view_version, builder, err);
}

static bus_code
sim_build_rows(bus_store *st, const bus_view_contract *view, int view_version,
               const bus_id *tenants, const bus_id *ids, int count, bus_arena *arena,
               bus_str *bodies, int32_t *versions, bus_error *err)
{
    CALL(build_rows, view, view_version, tenants, ids, count, arena, bodies, versions, err);
}

static bus_code
sim_build_scan(bus_store *st, const bus_view_contract *view, int view_version,
               bus_code (*visit)(void *context, bus_id tenant, bus_id id, int32_t version,
                                 bus_str body, bus_error *err),
               void *context, bus_error *err)
{
    CALL(build_scan, view, view_version, visit, context, err);
}

static bus_code
sim_build_write(bus_store *st, const char *builder, const bus_row_write *rows, int count,
                bus_error *err)
{
    CALL(build_write, builder, rows, count, err);
}

static bus_code
sim_build_swap(bus_store *st, const bus_view_contract *view, int view_version, const char *builder,
               const bus_effect *effects, bus_error *err)
{
    CALL(build_swap, view, view_version, builder, effects, err);
}

static bus_code
sim_build_abandon(bus_store *st, const bus_view_contract *view, int view_version,
                  const char *builder, bus_error *err)
{
    CALL(build_abandon, view, view_version, builder, err);
}

static bus_code
sim_view_use(bus_store *st, const bus_view_contract *const *views, const int *view_versions,
             int count, bus_error *err)
{
    CALL(view_use, views, view_versions, count, err);
}

static bus_code
sim_view_drop_unused(bus_store *st, const char *domain, int64_t grace_ms, bus_arena *arena,
                     bus_str **dropped, int *count, bus_error *err)
{
    CALL(view_drop_unused, domain, grace_ms, arena, dropped, count, err);
}

static bus_code
sim_checkpoints(bus_store *st, const char *home, bus_arena *arena, bus_checkpoint_info **out,
                int *count, bus_error *err)
{
    CALL(checkpoints, home, arena, out, count, err);
}

static bus_code
sim_follow_domain(bus_store *st, const char *reader, const char *followed, bus_error *err)
{
    CALL(follow_domain, reader, followed, err);
}

static bus_code
sim_reach_domain(bus_store *st, const char *sender, const char *target, bus_error *err)
{
    CALL(reach_domain, sender, target, err);
}

static bus_code
sim_let_forget(bus_store *st, const char *domain, bus_error *err)
{
    CALL(let_forget, domain, err);
}

static bus_code
sim_member_beat(bus_store *st, const bus_member *self, bus_arena *arena, bus_member **out,
                int *count, bus_error *err)
{
    CALL(member_beat, self, arena, out, count, err);
}

static bus_code
sim_member_leave(bus_store *st, const char *process, bus_error *err)
{
    CALL(member_leave, process, err);
}

const bus_store_ops sim_store_ops = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .append = sim_append,
    .effect = sim_effect,
    .lease_take = sim_lease_take,
    .checkpoint_take = sim_checkpoint_take,
    .create_domain = sim_create_domain,
    .partitions = sim_partitions,
    .lease_renew = sim_lease_renew,
    .lease_release = sim_lease_release,
    .find = sim_find,
    .load = sim_load,
    .load_after = sim_load_after,
    .snapshots_write = sim_snapshots_write,
    .snapshots_read = sim_snapshots_read,
    .snapshots_scan = sim_snapshots_scan,
    .read = sim_read,
    .archive = sim_archive,
    .archives = sim_archives,
    .archive_check = sim_archive_check,
    .heads = sim_heads,
    .timers_due = sim_timers_due,
    .checkpoint_renew = sim_checkpoint_renew,
    .checkpoint_release = sim_checkpoint_release,
    .checkpoint_forget = sim_checkpoint_forget,
    .parked = sim_parked,
    .park = sim_park,
    .park_ask = sim_park_ask,
    .skipped = sim_skipped,
    .view_create = sim_view_create,
    .view_analyze = sim_view_analyze,
    .view_rows = sim_view_rows,
    .view_scan = sim_view_scan,
    .windows_due = sim_windows_due,
    .view_infos = sim_view_infos,
    .build_begin = sim_build_begin,
    .build_report = sim_build_report,
    .build_fill = sim_build_fill,
    .build_index = sim_build_index,
    .build_rows = sim_build_rows,
    .build_scan = sim_build_scan,
    .build_write = sim_build_write,
    .build_swap = sim_build_swap,
    .build_abandon = sim_build_abandon,
    .view_use = sim_view_use,
    .view_drop_unused = sim_view_drop_unused,
    .checkpoints = sim_checkpoints,
    .follow_domain = sim_follow_domain,
    .reach_domain = sim_reach_domain,
    .let_forget = sim_let_forget,
    .member_beat = sim_member_beat,
    .member_leave = sim_member_leave,
};
