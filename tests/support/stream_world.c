/* stream_world.c - histories, and a reader that crashes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/stream_world.h"
#include "bus/contract/row.h"
#include "tests/support/dice.h"
#include "tests/support/stream_world_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BATCH_MAX 48
#define SETTLE_MAX 5 /* windows of one batch of closing */

static const bus_id TENANT = {.bytes = {0xaa, 1}};

static uint64_t
roll(world *w, uint64_t n)
{
    return tests_roll(&w->random, n);
}

/* --- making and writing -------------------------------------------------------- */

static void
declare(world *w)
{
    w->windows.key = world_key;
    w->windows.key_count = 1;
    w->windows.from_at = world_from_at;
    w->windows.to_at = world_to_at;
    w->windows.closed = world_closed;
    w->windows.change = world_change;
    w->windows.late = &world_late;
    w->windows.clocks = &world_clocks;
    w->windows.memory = &world_memory;
    w->view = (bus_view_contract){.name = "world",
                                  .row = &world_window_shape,
                                  .follows = world_follows,
                                  .follows_count = WORLD_SOURCES,
                                  .windows = &w->windows};
    w->of = (bus_view){.of = &w->view, .view_version = 1, .analytic = &world_analytic};
}

world *
world_create(uint64_t seed)
{
    world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    w->windows.every_ms = 60000 * (int64_t)(1 + roll(w, 5));
    w->windows.size_ms = w->windows.every_ms * (int64_t)(1 + roll(w, 2) * roll(w, 5));
    w->windows.bound_ms = 1000 * (int64_t)roll(w, 120);
    w->windows.grace_ms = 1000 * (int64_t)roll(w, 180);
    w->windows.idle_ms = 1000 * (int64_t)(30 + roll(w, 600));
    declare(w);
    return w;
}

world *
world_create_again(const world *w)
{
    world      *again = world_create(w->random);
    bus_windows windows = w->windows;

    memcpy(again->logs, w->logs, sizeof(w->logs));
    for (int log = 0; log < WORLD_LOGS; log++)
        again->logs[log].visible = again->logs[log].read = 0;
    again->windows = windows;
    return again;
}

static void
forget_rows(world_row **rows)
{
    world_row *row, *next;

    HASH_ITER(hh, *rows, row, next)
    {
        HASH_DEL(*rows, row);
        free(row->body);
        free(row);
    }
}

void
world_destroy(world *w)
{
    bus_stream_destroy(w->stream);
    forget_rows(&w->kept);
    forget_rows(&w->followed);
    bus_arena_fini(&w->arena);
    free(w);
}

void
world_append(world *w, int log, int stream, int64_t at_ms, world_data data)
{
    world_log *l = &w->logs[log];

    assert_true(l->count < WORLD_RECORDS);
    assert_true(l->count == 0 || l->records[l->count - 1].at_ms <= at_ms);
    l->records[l->count++] = (world_record){.stream = stream, .at_ms = at_ms, .data = data};
}

/* Mostly in time, some of it within the bound, some long after, a little in the future. */
static int64_t
delay_of(world *w)
{
    switch (roll(w, 16)) {
    case 0:
    case 1: return 1000 * (int64_t)roll(w, 3600);
    case 2: return -1000 * (int64_t)roll(w, 300);
    case 3:
    case 4:
    case 5: return w->windows.bound_ms + w->windows.grace_ms + (int64_t)roll(w, 400000);
    default: return (int64_t)roll(w, (uint64_t)w->windows.bound_ms + 1000);
    }
}

void
world_write_history(world *w)
{
    int64_t at_ms = INT64_C(1795000000000) + (int64_t)roll(w, 1000000);
    int     records = 40 + (int)roll(w, 90), quiet = -1;

    for (int i = 0; i < records; i++) {
        int           log = (int)roll(w, WORLD_LOGS), stream = (int)roll(w, WORLD_STREAMS);
        world_log    *l = &w->logs[log];
        world_record *before = l->count > 0 ? &l->records[l->count - 1] : NULL;
        world_data    d = {.id = i,
                           .key = (int64_t)roll(w, 3),
                           .value = (int64_t)roll(w, 1000) - 200,
                           .corrects = roll(w, 5) == 0};

        at_ms += roll(w, 12) == 0 ? (int64_t)roll(w, 2400000) : (int64_t)roll(w, 20000);
        if (roll(w, 20) == 0) /* one partition falls silent, or another one instead */
            quiet = (int)roll(w, WORLD_LOGS);
        if (log == quiet)
            continue;
        d.time_ms = at_ms - delay_of(w);
        if (before != NULL && roll(w, 12) == 0) {
            stream = before->stream;
            d = before->data; /* the same once more */
        }
        world_append(w, log, stream, at_ms, d);
        l->records[l->count - 1].other = roll(w, 8) == 0;
    }
}

/* --- the database -------------------------------------------------------------- */

static world_row *
row_of(world_row *rows, int table, bus_id tenant, bus_id id)
{
    world_row probe, *row;

    memset(&probe.key, 0, sizeof(probe.key));
    probe.key.tenant = tenant;
    probe.key.id = id;
    probe.key.table = table;
    HASH_FIND(hh, rows, &probe.key, sizeof(probe.key), row);
    return row;
}

static void
read_window(world_row *row)
{
    bus_arena arena = {0};
    bus_error err = {0};

    memset(&row->window, 0, sizeof(row->window));
    assert_int_equal(bus_row_decode(&world_window_shape, "world", bus_str_of(row->body), &arena,
                                    &row->window, &err),
                     BUS_OK);
    bus_arena_fini(&arena);
}

static void
keep(world_row **rows, int table, bus_id tenant, bus_id id, int32_t version, bus_str body)
{
    world_row *row = row_of(*rows, table, tenant, id);

    if (row == NULL) {
        row = calloc(1, sizeof(*row));
        assert_non_null(row);
        row->key.tenant = tenant;
        row->key.id = id;
        row->key.table = table;
        HASH_ADD(hh, *rows, key, sizeof(row->key), row);
    }
    free(row->body);
    row->body = strndup(body.at, body.len);
    row->version = version;
    if (table == BUS_STREAM_WINDOWS)
        read_window(row);
}

static void
keep_batch(world *w, bus_stream_batch *batch)
{
    for (int t = 0; t < BUS_STREAM_TABLES; t++)
        for (const bus_stream_row *row = batch->rows[t]; row != NULL; row = row->hh.next)
            if (row->changed) {
                assert_true(row->there); /* this analytic forgets nothing */
                keep(&w->kept, t, row->key.tenant, row->key.id, row->version,
                     bus_stream_body(batch, (bus_stream_table)t, row));
            }
}

static void
load_named(world *w, bus_stream_batch *batch, bus_stream_table table)
{
    bus_error err = {0};

    for (bus_stream_row *row = batch->rows[table]; row != NULL; row = row->hh.next) {
        const world_row *kept = row_of(w->kept, table, row->key.tenant, row->key.id);
        bus_str          body = {NULL, 0};

        if (row->loaded)
            continue;
        if (kept != NULL)
            body = bus_str_of(kept->body);
        assert_int_equal(
            bus_stream_load(batch, table, row, body, kept == NULL ? 0 : kept->version, &err),
            BUS_OK);
    }
}

int
world_count(const world *w, bus_stream_table table)
{
    int count = 0;

    for (const world_row *row = w->kept; row != NULL; row = row->hh.next)
        count += row->key.table == table;
    return count;
}

/* --- the reader ---------------------------------------------------------------- */

/* A process begins: it knows what is kept and nothing else. */
static void
start(world *w)
{
    bus_stream_batch batch;
    bus_error        err = {0};

    bus_stream_destroy(w->stream);
    bus_arena_reset(&w->arena);
    w->stream = bus_stream_create(&w->of, WORLD_PARTITIONS);
    bus_stream_begin(&batch, w->stream, &w->arena);
    bus_stream_name_clocks(&batch);
    load_named(w, &batch, BUS_STREAM_CLOCKS);
    assert_int_equal(bus_stream_restore(&batch, &err), BUS_OK);
    bus_stream_fini(&batch);
    for (int log = 0; log < WORLD_LOGS; log++)
        w->logs[log].read =
            (int)bus_stream_offset(w->stream, log / WORLD_PARTITIONS, log % WORLD_PARTITIONS);
}

typedef struct {
    bus_stream_place places[BATCH_MAX];
    bus_event        events[BATCH_MAX];
    world_record    *records[BATCH_MAX];
    int              count;
} harvest;

static void
take_one(world *w, harvest *h, int log)
{
    world_log    *l = &w->logs[log];
    world_record *r = &l->records[l->read++];

    h->records[h->count] = r;
    h->places[h->count] = (bus_stream_place){.source = log / WORLD_PARTITIONS,
                                             .partition = log % WORLD_PARTITIONS,
                                             .offset = l->read,
                                             .at_ms = r->at_ms};
    h->events[h->count] = (bus_event){.type = &world_events[log / WORLD_PARTITIONS],
                                      .data = &r->data,
                                      .stream = {.bytes = {(uint8_t)log, (uint8_t)r->stream}},
                                      .tenant = TENANT};
    h->count++;
}

static void
harvest_some(world *w, harvest *h, bool breaks)
{
    int wanted = 1 + (int)roll(w, BATCH_MAX), tries = 4 * BATCH_MAX;

    h->count = 0;
    if (breaks && roll(w, 4) == 0) { /* some of it comes a second time */
        world_log *l = &w->logs[roll(w, WORLD_LOGS)];

        if (l->read > 0)
            l->read -= 1 + (int)roll(w, (uint64_t)l->read);
    }
    while (h->count < wanted && tries-- > 0) {
        int log = (int)roll(w, WORLD_LOGS);

        if (w->logs[log].read < w->logs[log].visible)
            take_one(w, h, log);
    }
}

static bus_code
take_all(world *w, bus_stream_batch *batch, const harvest *h, bus_stream_place *culprit)
{
    bus_error err = {0};
    bus_code  rc = BUS_OK;

    for (int i = 0; i < h->count; i++)
        if (!h->records[i]->other && !h->records[i]->left_out)
            assert_int_equal(bus_stream_remember(batch, &h->events[i], &err), BUS_OK);
    load_named(w, batch, BUS_STREAM_MEMORY);
    for (int i = 0; rc == BUS_OK && i < h->count; i++) {
        const world_record *r = h->records[i];

        *culprit = h->places[i];
        rc = bus_stream_take(batch, &h->places[i], r->other || r->left_out ? NULL : &h->events[i],
                             &err);
    }
    if (rc != BUS_OK)
        return rc;
    bus_stream_name(batch);
    load_named(w, batch, BUS_STREAM_WINDOWS);
    return bus_stream_step(batch, culprit, &err);
}

/* True: the process went on; false: it died, and started again. */
static bool
end_batch(world *w, bus_stream_batch *batch, bool breaks)
{
    bool dies = breaks && roll(w, 5) == 0, kept = !dies || roll(w, 2) == 0;

    bus_stream_finish(batch);
    if (kept)
        keep_batch(w, batch);
    if (!dies)
        bus_stream_commit(batch);
    bus_stream_fini(batch);
    w->crashes += dies;
    if (dies)
        start(w);
    return !dies;
}

static void
run_batch(world *w, const harvest *h, bool breaks)
{
    bus_stream_batch batch;
    bus_stream_place culprit = {0};

    bus_arena_reset(&w->arena);
    bus_stream_begin(&batch, w->stream, &w->arena);
    while (take_all(w, &batch, h, &culprit) != BUS_OK) {
        int log = culprit.source * WORLD_PARTITIONS + culprit.partition;

        w->logs[log].records[culprit.offset - 1].left_out = true;
        w->left_out++;
        bus_stream_fini(&batch);
        bus_stream_begin(&batch, w->stream, &w->arena);
    }
    (void)end_batch(w, &batch, breaks);
}

static bool
is_due(const world_row *row, const bus_stream_due *due)
{
    const world_window *one = &row->window;

    if (row->key.table != BUS_STREAM_WINDOWS)
        return false;
    return due->close ? !one->closed && one->to_at <= due->before_ms
                      : one->closed && one->to_at > due->before_ms;
}

static void
settle(world *w, bool breaks)
{
    for (;;) {
        bus_stream_due   due = bus_stream_settle(w->stream);
        bus_stream_batch batch;
        bus_error        err = {0};
        int              count = 0;

        if (!due.due)
            return;
        bus_arena_reset(&w->arena);
        bus_stream_begin(&batch, w->stream, &w->arena);
        for (const world_row *row = w->kept; row != NULL && count < SETTLE_MAX; row = row->hh.next)
            if (is_due(row, &due)) {
                assert_int_equal(bus_stream_settle_row(&batch, row->key.tenant, row->key.id,
                                                       bus_str_of(row->body), row->version, &err),
                                 BUS_OK);
                count++;
                w->reopened += !due.close;
            }
        if (count < SETTLE_MAX)
            bus_stream_settled(&batch);
        (void)end_batch(w, &batch, breaks);
    }
}

/* --- the follower -------------------------------------------------------------- */

/* One page of the feed: what changed after the cursor, in order. */
static bool
follow_page(world *w, int limit)
{
    bool some = false;

    for (int i = 0; i < limit; i++) {
        const world_row *next = NULL;

        for (const world_row *row = w->kept; row != NULL; row = row->hh.next)
            if (row->key.table == BUS_STREAM_WINDOWS && row->window.change > w->cursor &&
                (next == NULL || row->window.change < next->window.change))
                next = row;
        if (next == NULL)
            return some;
        keep(&w->followed, BUS_STREAM_WINDOWS, next->key.tenant, next->key.id, next->version,
             bus_str_of(next->body));
        w->cursor = next->window.change;
        some = true;
    }
    return some;
}

void
world_assert_followed(world *w)
{
    while (follow_page(w, 1000)) {
    }
    assert_int_equal(HASH_COUNT(w->followed), world_count(w, BUS_STREAM_WINDOWS));
    for (const world_row *row = w->followed; row != NULL; row = row->hh.next) {
        const world_row *kept = row_of(w->kept, BUS_STREAM_WINDOWS, row->key.tenant, row->key.id);

        assert_non_null(kept);
        assert_string_equal(row->body, kept->body);
    }
}

/* --- running ------------------------------------------------------------------- */

static bool
everything_is_read(const world *w)
{
    for (int log = 0; log < WORLD_LOGS; log++)
        if (w->logs[log].read < w->logs[log].visible)
            return false;
    return true;
}

/* The logs grow up to a moment. False: they were at their ends. */
static bool
grow(world *w)
{
    int64_t next_ms = INT64_MAX;
    bool    grew = false;

    for (int log = 0; log < WORLD_LOGS; log++)
        if (w->logs[log].visible < w->logs[log].count &&
            w->logs[log].records[w->logs[log].visible].at_ms < next_ms)
            next_ms = w->logs[log].records[w->logs[log].visible].at_ms;
    if (next_ms == INT64_MAX)
        return false;
    next_ms += 1000 * (int64_t)roll(w, 1800);
    for (int log = 0; log < WORLD_LOGS; log++)
        while (w->logs[log].visible < w->logs[log].count &&
               w->logs[log].records[w->logs[log].visible].at_ms <= next_ms) {
            w->logs[log].visible++;
            grew = true;
        }
    return grew;
}

void
world_run(world *w, bool breaks)
{
    harvest h;

    start(w);
    for (bool grows = true; grows || !everything_is_read(w);) {
        if (roll(w, 3) == 0 || everything_is_read(w))
            grows = grow(w);
        harvest_some(w, &h, breaks);
        if (h.count > 0)
            run_batch(w, &h, breaks);
        if (breaks && roll(w, 4) == 0)
            (void)follow_page(w, 7);
        if (everything_is_read(w) && roll(w, 2) == 0)
            settle(w, breaks);
    }
    settle(w, breaks);
}

/* Bodies without the value of "change". */
static void
assert_same_but_change(const char *a, const char *b)
{
    const char *mark = "\"change\":";
    const char *in_a = strstr(a, mark), *in_b = strstr(b, mark);

    if (in_a == NULL || in_b == NULL) {
        assert_string_equal(a, b);
        return;
    }
    assert_int_equal(in_a - a, in_b - b);
    assert_memory_equal(a, b, (size_t)(in_a - a));
    in_a += strlen(mark);
    in_b += strlen(mark);
    assert_string_equal(in_a + strspn(in_a, "0123456789"), in_b + strspn(in_b, "0123456789"));
}

void
world_assert_same_bytes(const world *a, const world *b)
{
    assert_int_equal(HASH_COUNT(a->kept), HASH_COUNT(b->kept));
    for (const world_row *row = a->kept; row != NULL; row = row->hh.next) {
        const world_row *other = row_of(b->kept, (int)row->key.table, row->key.tenant, row->key.id);

        assert_non_null(other);
        assert_int_equal(row->version, other->version);
        assert_same_but_change(row->body, other->body);
    }
}
