/* stream_test.c - a thousand random histories: whatever order partitions are read in, whatever is
 * read twice, wherever it crashes, what comes out is what one walk over each log says.
 *
 * The walk (the oracle) shares no code with the library: it judges lateness and cuts windows by
 * their definitions, over the whole history in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/stream_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HISTORIES 1000

/* --- the oracle ---------------------------------------------------------------- */

typedef struct {
    int64_t key, from_ms;
    int64_t count, sum;
    int     folds;
} oracle_window;

typedef struct {
    oracle_window windows[WORLD_WINDOWS_MAX];
    int           windows_count;
    int           late;
    int64_t       horizon_ms;
} oracle;

static int64_t
floor_to(int64_t at_ms, int64_t step_ms)
{
    int64_t n = at_ms / step_ms;

    return (n * step_ms > at_ms ? n - 1 : n) * step_ms;
}

static oracle_window *
oracle_window_of(oracle *o, int64_t key, int64_t from_ms)
{
    for (int i = 0; i < o->windows_count; i++)
        if (o->windows[i].key == key && o->windows[i].from_ms == from_ms)
            return &o->windows[i];
    assert_true(o->windows_count < WORLD_WINDOWS_MAX);
    o->windows[o->windows_count] = (oracle_window){.key = key, .from_ms = from_ms};
    return &o->windows[o->windows_count++];
}

static void
oracle_add(oracle *o, const world *w, int64_t key, int64_t time_ms, int64_t value, int sign)
{
    for (int64_t from = floor_to(time_ms, w->windows.every_ms); from > time_ms - w->windows.size_ms;
         from -= w->windows.every_ms) {
        oracle_window *window = oracle_window_of(o, key, from);

        window->count += sign;
        window->sum += sign * value;
        window->folds++;
    }
}

/* One partition, from its first record to its last: what is late is decided here and only here. */
static int64_t
oracle_partition(oracle *o, const world *w, int log, int64_t newest_ms)
{
    struct {
        bool    there;
        int64_t key, time_ms, value, seen[WORLD_SEEN];
        int     seen_count;
    } last[WORLD_STREAMS] = {0};
    int64_t reached = INT64_MIN, at = 0;

    for (int i = 0; i < w->logs[log].count; i++) {
        const world_record *r = &w->logs[log].records[i];
        const world_data   *d = &r->data;
        int64_t             gap = reached == INT64_MIN ? 0 : r->at_ms - at - w->windows.idle_ms;
        int64_t             judged = reached == INT64_MIN ? reached : reached + (gap > 0 ? gap : 0);
        int64_t             time = d->time_ms < r->at_ms ? d->time_ms : r->at_ms;
        bool                late, again = false;

        if (r->other)
            continue;
        for (int k = 0; k < last[r->stream].seen_count; k++)
            again = again || last[r->stream].seen[k] == d->id;
        late = judged != INT64_MIN && judged >= floor_to(d->time_ms, w->windows.every_ms) +
                                                    w->windows.every_ms + w->windows.grace_ms;
        if (time - w->windows.bound_ms > judged)
            judged = time - w->windows.bound_ms;
        reached = judged;
        at = r->at_ms;
        if (again)
            continue;
        if (last[r->stream].seen_count < WORLD_SEEN)
            last[r->stream].seen[last[r->stream].seen_count++] = d->id;
        o->late += late;
        if (late)
            continue;
        if (d->corrects && last[r->stream].there)
            oracle_add(o, w, last[r->stream].key, last[r->stream].time_ms, last[r->stream].value,
                       -1);
        oracle_add(o, w, d->key, d->time_ms, d->value, 1);
        last[r->stream].there = true;
        last[r->stream].key = d->key;
        last[r->stream].time_ms = d->time_ms;
        last[r->stream].value = d->value;
    }
    if (reached == INT64_MIN)
        return INT64_MAX; /* holds nothing back */
    return newest_ms - at > w->windows.idle_ms ? reached + newest_ms - at - w->windows.idle_ms
                                               : reached;
}

static void
recompute(oracle *o, const world *w)
{
    int64_t newest_ms = INT64_MIN;

    o->windows_count = o->late = 0;
    o->horizon_ms = INT64_MAX;
    for (int log = 0; log < WORLD_LOGS; log++)
        if (w->logs[log].count > 0 &&
            w->logs[log].records[w->logs[log].count - 1].at_ms > newest_ms)
            newest_ms = w->logs[log].records[w->logs[log].count - 1].at_ms;
    for (int log = 0; log < WORLD_LOGS; log++) {
        int64_t reached = oracle_partition(o, w, log, newest_ms);

        if (reached < o->horizon_ms)
            o->horizon_ms = reached;
    }
}

static void
assert_as_recomputed(const world *w, const oracle *o)
{
    int rows = 0;

    for (const world_row *row = w->kept; row != NULL; row = row->hh.next) {
        world_window one = row->window;
        int          i = 0;

        if (row->key.table != BUS_STREAM_WINDOWS)
            continue;
        while (i < o->windows_count &&
               (o->windows[i].key != one.key || o->windows[i].from_ms != one.from_at))
            i++;
        assert_true(i < o->windows_count);
        assert_int_equal(one.count, o->windows[i].count);
        assert_int_equal(one.sum, o->windows[i].sum);
        assert_int_equal(row->version, o->windows[i].folds);
        assert_int_equal(one.to_at, one.from_at + w->windows.size_ms);
        assert_int_equal(one.has_mean, one.count != 0);
        if (one.has_mean)
            assert_int_equal(one.mean, one.sum / one.count);
        assert_int_equal(one.closed,
                         one.to_at + w->windows.grace_ms <= floor_to(o->horizon_ms, 60000));
        rows++;
    }
    assert_int_equal(rows, o->windows_count);
    assert_int_equal(world_count(w, BUS_STREAM_LATE), o->late);
    assert_int_equal(bus_stream_late(w->stream), o->late);
}

/* --- histories ----------------------------------------------------------------- */

static void
test_every_window_is_what_one_walk_over_the_logs_says(void **state)
{
    static oracle o;
    int64_t       windows = 0, late = 0, crashes = 0, reopened = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        world *w = world_create(seed), *again;

        world_write_history(w);
        recompute(&o, w);
        world_run(w, true);
        assert_as_recomputed(w, &o);
        world_assert_followed(w);
        again = world_create_again(w); /* the same logs, other batches, nothing breaks */
        world_run(again, false);
        world_assert_same_bytes(w, again);
        windows += o.windows_count;
        late += o.late;
        crashes += w->crashes;
        reopened += w->reopened;
        world_destroy(again);
        world_destroy(w);
    }
    /* The histories were worth it. */
    print_message("%lld windows, %lld late, %lld crashes, %lld times opened again\n",
                  (long long)windows, (long long)late, (long long)crashes, (long long)reopened);
    assert_true(windows > 20 * HISTORIES && late > HISTORIES && crashes > HISTORIES);
}

/* Of a hopping window all panes count, and each only where it lies. */
static void
test_panes_of_a_hopping_window(void **state)
{
    world *w = world_create(1);
    int    seen = 0;

    (void)state;
    w->windows.size_ms = 3 * 60000;
    w->windows.every_ms = 60000;
    world_append(w, 0, 0, 1000 * 60000, (world_data){.id = 1, .time_ms = 1000 * 60000, .value = 5});
    world_append(w, 0, 0, 1002 * 60000, (world_data){.id = 2, .time_ms = 1002 * 60000, .value = 7});
    world_run(w, false);
    for (const world_row *row = w->kept; row != NULL; row = row->hh.next) {
        int64_t minute;

        if (row->key.table != BUS_STREAM_WINDOWS)
            continue;
        minute = row->window.from_at / 60000;
        assert_in_range(minute, 998, 1002);
        assert_int_equal(row->window.sum, minute < 1000 ? 5 : minute == 1000 ? 12 : 7);
        seen++;
    }
    assert_int_equal(seen, 5);
    world_destroy(w);
}

/* A window ends, grace included, and from then on takes nothing; a minute earlier it does. */
static void
test_grace_ends_where_it_says(void **state)
{
    world *w = world_create(1);

    (void)state;
    w->windows.size_ms = w->windows.every_ms = 60000;
    w->windows.bound_ms = 10000;
    w->windows.grace_ms = 30000;
    world_append(w, 0, 0, 1100000, (world_data){.id = 1, .time_ms = 999999, .value = 1});
    world_append(w, 0, 0, 1100001, (world_data){.id = 2, .time_ms = 899999, .value = 1});
    world_run(w, false); /* watermark 989999: [840000, 900000) took events until 930000 */
    assert_int_equal(bus_stream_late(w->stream), 1);
    world_append(w, 0, 0, 1100002, (world_data){.id = 3, .time_ms = 959999, .value = 1});
    world_run(w, false); /* [900000, 960000) takes them until 990000 */
    assert_int_equal(bus_stream_late(w->stream), 1);
    world_append(w, 0, 0, 1100003, (world_data){.id = 4, .time_ms = 1000000, .value = 1});
    world_append(w, 0, 0, 1100004, (world_data){.id = 5, .time_ms = 959999, .value = 1});
    world_run(w, false); /* watermark 990000 */
    assert_int_equal(bus_stream_late(w->stream), 2);
    world_destroy(w);
}

/* A clock that is years ahead makes nobody late. */
static void
test_a_time_in_the_future_does_not_move_the_watermark_there(void **state)
{
    world *w = world_create(1);

    (void)state;
    world_append(w, 0, 0, 1000000, (world_data){.id = 1, .time_ms = INT64_C(4000000000000)});
    world_append(w, 0, 1, 1000001, (world_data){.id = 2, .time_ms = 1000000});
    world_run(w, false);
    assert_int_equal(bus_stream_late(w->stream), 0);
    world_destroy(w);
}

/* A broken step names the event; without it the rest is right. */
static void
test_a_fault_names_its_event(void **state)
{
    world *w = world_create(1);

    (void)state;
    world_append(w, 0, 0, 1000000, (world_data){.id = 1, .time_ms = 1000000, .value = 3});
    world_append(w, 0, 1, 1000001,
                 (world_data){.id = 2, .time_ms = 1000000, .value = WORLD_BREAKS});
    world_append(w, 0, 2, 1000002, (world_data){.id = 3, .time_ms = 1000000, .value = 4});
    world_run(w, false);
    assert_int_equal(w->left_out, 1);
    assert_int_equal(world_count(w, BUS_STREAM_WINDOWS), 1);
    for (const world_row *row = w->kept; row != NULL; row = row->hh.next)
        if (row->key.table == BUS_STREAM_WINDOWS)
            assert_int_equal(row->window.sum, 7);
    world_destroy(w);
}

/* The same for a key that cannot be written: here a day beyond the calendar. */
static void
test_a_key_without_a_name_is_a_fault(void **state)
{
    static const bus_shape        day = {.kind = BUS_KIND_DATE, .size = sizeof(int32_t)};
    static const bus_field        by_day = {.name = "key",
                                            .shape = &day,
                                            .offset = offsetof(world_window, key),
                                            .has_offset = BUS_NO_OFFSET,
                                            .required = true};
    static const bus_field *const key[] = {&by_day};
    world                        *w = world_create(1);

    (void)state;
    w->windows.key = key;
    world_append(w, 0, 0, 1000000, (world_data){.id = 1, .key = 1, .time_ms = 1000000, .value = 3});
    world_append(w, 0, 1, 1000001,
                 (world_data){.id = 2, .key = INT32_MAX, .time_ms = 1000000, .value = 5});
    world_run(w, false);
    assert_int_equal(w->left_out, 1);
    assert_int_equal(world_count(w, BUS_STREAM_WINDOWS), 1);
    world_destroy(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_window_is_what_one_walk_over_the_logs_says),
        cmocka_unit_test(test_panes_of_a_hopping_window),
        cmocka_unit_test(test_grace_ends_where_it_says),
        cmocka_unit_test(test_a_time_in_the_future_does_not_move_the_watermark_there),
        cmocka_unit_test(test_a_fault_names_its_event),
        cmocka_unit_test(test_a_key_without_a_name_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
