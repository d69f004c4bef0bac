/* windows.c - the windows of the meters against a walk over their log that shares no code with the
 * kernel: what is late is judged here by the words of ARCHITECTURE.md, "Windows".
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"
#include "tests/sim/meters.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* As tests/sim/schemas/meters.json says. */
#define EVERY_MS 2000
#define SIZE_MS 4000
#define BOUND_MS 1000
#define GRACE_MS 1000
#define IDLE_MS 2000

typedef struct {
    struct {
        int64_t key, from_ms;
    } of;
    int64_t        count, sum, order;
    UT_hash_handle hh;
} window;

typedef struct {
    sim_world *world;
    bus_arena  arena;
    window    *windows; /* uthash; what the tables say is taken off */
    int64_t    late, late_rows;
    /* of the partition being walked */
    bool    known;
    int64_t watermark_ms, at_ms;
} walk;

/* --- the walk -------------------------------------------------------------------- */

static void
add(walk *w, int64_t key, int64_t from_ms, int64_t count, int64_t sum, int64_t order)
{
    window  probe = {.of = {key, from_ms}};
    window *it;

    HASH_FIND(hh, w->windows, &probe.of, sizeof(probe.of), it);
    if (it == NULL) {
        it = BUS_ARENA_NEW(&w->arena, window);
        it->of.key = key;
        it->of.from_ms = from_ms;
        HASH_ADD(hh, w->windows, of, sizeof(it->of), it);
    }
    it->count += count;
    it->sum += sum;
    it->order += order;
}

static int64_t
greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t
number(const json_t *data, const char *name)
{
    return json_integer_value(json_object_get(data, name));
}

static bus_code
walk_record(void *context, const bus_record *r, bus_error *err)
{
    walk   *w = context;
    json_t *data = json_loadb(r->data.at, r->data.len, 0, NULL);
    int64_t time_ms = number(data, "at"), value = number(data, "value");
    int64_t pane_ms = time_ms - time_ms % EVERY_MS;
    int64_t judged_ms = w->watermark_ms + greater(0, r->at_ms - w->at_ms - IDLE_MS);
    bool    late = w->known && judged_ms >= pane_ms + EVERY_MS + GRACE_MS;
    int64_t told_ms = (time_ms < r->at_ms ? time_ms : r->at_ms) - BOUND_MS;

    (void)err;
    w->watermark_ms = w->known ? greater(told_ms, judged_ms) : told_ms;
    w->at_ms = r->at_ms;
    w->known = true;
    w->late += late;
    for (int64_t from = pane_ms - SIZE_MS + EVERY_MS; !late && from <= pane_ms; from += EVERY_MS)
        add(w, number(data, "key"), from, 1, value, value * r->version);
    json_decref(data);
    return BUS_OK;
}

static void
walk_log(walk *w)
{
    bus_error err = {0};

    for (int p = 0; p < w->world->partitions; p++) {
        w->known = false;
        if (bus_store_memory.read(w->world->store, "meters", (uint16_t)p, 0, INT32_MAX, walk_record,
                                  w, &err) != BUS_OK)
            sim_fail(w->world->sched, "meters: %s", err.text);
    }
}

/* --- the tables -------------------------------------------------------------------- */

static bus_code
take_window(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    walk   *w = context;
    json_t *row = json_loadb(body.at, body.len, 0, NULL);

    (void)tenant, (void)id, (void)version, (void)err;
    add(w, number(row, "key"), number(row, "from_at"), -number(row, "count"), -number(row, "sum"),
        -number(row, "order"));
    json_decref(row);
    return BUS_OK;
}

static bus_code
count_late(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    (void)tenant, (void)id, (void)version, (void)body, (void)err;
    ((walk *)context)->late_rows++;
    return BUS_OK;
}

static void
take_tables(walk *w)
{
    bus_store *st = w->world->store;
    bus_error  err = {0};

    if (bus_store_memory.view_scan(st, &meter_loads_view, 1, take_window, w, &err) != BUS_OK ||
        bus_store_memory.view_scan(st, &meter_loads_late_view, 1, count_late, w, &err) != BUS_OK)
        sim_fail(w->world->sched, "windows: %s", err.text);
}

void
sim_check_windows(sim_world *world)
{
    walk w = {.world = world};

    walk_log(&w);
    world->windows = HASH_COUNT(w.windows);
    world->late = w.late;
    take_tables(&w);
    for (const window *it = w.windows; it != NULL; it = it->hh.next)
        if (it->count != 0 || it->sum != 0 || it->order != 0)
            sim_fail(world->sched,
                     "the window of key %lld from %lld lacks %lld events with sum %lld, order %lld",
                     (long long)it->of.key, (long long)it->of.from_ms, (long long)it->count,
                     (long long)it->sum, (long long)it->order);
    if (w.late != w.late_rows)
        sim_fail(world->sched, "%lld events were late, %lld are told of", (long long)w.late,
                 (long long)w.late_rows);
    HASH_CLEAR(hh, w.windows);
    bus_arena_fini(&w.arena);
}
