/* follow_test.c - a reader gets every event once and whole, from the bus if that will do, else from
 * the log. In the log the data is {}, on the bus {"bus":1}, so that it can be told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/follow.h"
#include "bus/store/memory/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME "follow_test"
#define STORE bus_store_memory
#define BUS bus_transport_inproc
#define EVENTS 10
#define FROM_BUS "{\"bus\":1}"
#define FROM_LOG "{}"

static bus_store          *st;
static bus_bell            bell;
static bus_follow         *follow;
static bus_arena           arena;
static bus_error           err;
static bus_runtime_options options = {
    .store = &STORE, .store_options = {.url = NAME}, .transport_ops = &BUS, .partitions = 1};

static bus_record
event(int64_t offset, bus_str data, bus_str sends)
{
    return (bus_record){.stream = {{(uint8_t)offset, 7}},
                        .offset = offset,
                        .version = 1,
                        .command_id = {{(uint8_t)offset, 8}},
                        .at_ms = 1764000000000 + offset,
                        .aggregate = BUS_STR("thing"),
                        .type = BUS_STR("things.made.v1"),
                        .actor = BUS_STR("{}"),
                        .sends = sends,
                        .data = data};
}

static void
fill_log(void)
{
    bus_lease            lease = {.partition = 0};
    bus_record           events[EVENTS];
    bus_append_partition part = {.partition = 0};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = events, .events_count = EVENTS};

    assert_int_equal(STORE.open(&st, &options.store_options, &err), BUS_OK);
    assert_int_equal(STORE.create_domain(st, "things", 1, &err), BUS_OK);
    assert_int_equal(STORE.lease_take(st, "things", "me", true, &lease, 1, &err), BUS_OK);
    part.epoch = lease.epoch;
    for (int i = 0; i < EVENTS; i++)
        events[i] = event(i + 1, BUS_STR(FROM_LOG), BUS_STR("[1]"));
    assert_int_equal(STORE.append(st, "things", &batch, &err), BUS_OK);
}

static int
start(void **state)
{
    const bus_transport_options how = {.url = NAME, .queue_max = 16, .batches_max = 16};

    (void)state;
    fill_log();
    options.clock = bus_clock_system();
    assert_int_equal(BUS.open(&options.transport, &how, &err), BUS_OK);
    bus_bell_init(&bell, NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    bus_follow_close(follow);
    bus_bell_fini(&bell);
    BUS.close(options.transport);
    STORE.close(st);
    bus_store_memory_forget(NAME);
    bus_arena_fini(&arena);
    return 0;
}

static void
follow_after(int64_t offset, bool sends)
{
    assert_int_equal(bus_follow_open(&follow, &options, st, "things", sends, &bell, &err), BUS_OK);
    bus_follow_partition(follow, 0, offset);
}

static void
publish(int64_t first_offset, uint32_t count, bool lean)
{
    bus_record records[EVENTS];
    bus_batch  batch = {.topic = BUS_STR("events.things"),
                        .first_offset = first_offset,
                        .count = count,
                        .lean = lean,
                        .records = records};
    bus_batch *owned;

    for (uint32_t i = 0; i < count; i++)
        records[i] =
            event(first_offset + i, BUS_STR(FROM_BUS), lean ? (bus_str){NULL, 0} : BUS_STR("[1]"));
    owned = bus_batch_of(&batch);
    BUS.publish(options.transport, owned);
    bus_batch_release(owned);
}

/* The next are these, without a gap, all from there. */
static void
comes(int64_t first_offset, int count, const char *from, bool sends)
{
    bus_record records[EVENTS];
    int        got;

    assert_int_equal(bus_follow_next(follow, &arena, records, EVENTS, &got, &err), BUS_OK);
    assert_int_equal(got, count);
    for (int i = 0; i < got; i++) {
        assert_true(records[i].offset == first_offset + i);
        assert_true(bus_str_is(records[i].data, from));
        assert_int_equal(records[i].sends.len > 0, sends);
    }
}

static void
test_what_is_contiguous_comes_from_the_bus(void **state)
{
    (void)state;
    follow_after(8, true);
    publish(9, 2, false);
    comes(9, 2, FROM_BUS, true);
    publish(9, 2, false); /* a repeat */
    comes(0, 0, NULL, false);
    assert_true(bus_follow_caught_up(follow));
}

static void
test_a_gap_is_read_from_the_log(void **state)
{
    (void)state;
    follow_after(5, false);
    publish(9, 2, false);
    comes(6, 5, FROM_LOG, true);
}

/* Over Kafka records come without what is to be sent: for a view that will do. */
static void
test_lean_records_will_do_for_who_sends_nothing(void **state)
{
    (void)state;
    follow_after(8, false);
    publish(9, 2, true);
    comes(9, 2, FROM_BUS, false);
}

/* For who sends it would be a loss for ever. */
static void
test_who_sends_reads_the_log_instead_of_lean_records(void **state)
{
    (void)state;
    follow_after(8, true);
    publish(9, 2, true);
    comes(9, 2, FROM_LOG, true);
}

static void
test_a_bell_without_records_makes_it_read_the_log(void **state)
{
    const bus_batch batch = {.topic = BUS_STR("heads.things"), .first_offset = 11, .count = 1};
    bus_batch      *owned = bus_batch_of(&batch);

    (void)state;
    follow_after(10, true);
    comes(0, 0, NULL, false);
    BUS.publish(options.transport, owned);
    bus_batch_release(owned);
    comes(0, 0, NULL, false); /* the log has no more */
    assert_true(bus_follow_behind(follow) == 1);
}

/* A reader over a topic as Kafka may have it: batches that come again, that are missing, that begin
 * anywhere; and the reader dies at any time and begins anew behind its checkpoint, which is kept
 * with the effect. Every event has its effect once. */
typedef struct {
    uint32_t seed;
    int64_t  checkpoint, returned; /* kept; returned since without being kept */
    int      effects[EVENTS + 1];
} reader;

static uint32_t
pick(reader *r, uint32_t below)
{
    r->seed = r->seed * 1664525 + 1013904223; /* Numerical Recipes */
    return (r->seed >> 16) % below;
}

static void
take_some(reader *r)
{
    bus_record records[4];
    int        got;

    assert_int_equal(bus_follow_next(follow, &arena, records, 1 + (int)pick(r, 4), &got, &err),
                     BUS_OK);
    for (int i = 0; i < got; i++)
        assert_true(records[i].offset == ++r->returned);
    bus_arena_reset(&arena);
}

static void
keep(reader *r)
{
    while (r->checkpoint < r->returned)
        r->effects[++r->checkpoint]++;
}

static void
die(reader *r)
{
    bus_follow_close(follow);
    r->returned = r->checkpoint;
    follow_after(r->checkpoint, false);
}

static void
publish_some(reader *r)
{
    int64_t first = 1 + pick(r, EVENTS);

    publish(first, 1 + pick(r, (uint32_t)(EVENTS - first + 1)), pick(r, 2) == 0);
}

static void
test_repeats_and_holes_give_each_event_once(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 500; round++) {
        reader r = {.seed = round};

        follow_after(0, false);
        for (int step = 0; step < 60; step++) {
            switch (pick(&r, 5)) {
            case 0:
            case 1: publish_some(&r); break;
            case 2:
            case 3: take_some(&r); break;
            default:
                if (pick(&r, 3) == 0)
                    die(&r);
                else
                    keep(&r);
            }
        }
        for (int step = 0; r.returned < EVENTS && step < 2 * EVENTS; step++)
            take_some(&r);
        keep(&r);
        for (int i = 1; i <= EVENTS; i++)
            if (r.effects[i] != 1)
                fail_msg("round %u: event %d had its effect %d times", round, i, r.effects[i]);
        bus_follow_close(follow);
        follow = NULL;
    }
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_what_is_contiguous_comes_from_the_bus),
        STORY(test_a_gap_is_read_from_the_log),
        STORY(test_lean_records_will_do_for_who_sends_nothing),
        STORY(test_who_sends_reads_the_log_instead_of_lean_records),
        STORY(test_a_bell_without_records_makes_it_read_the_log),
        STORY(test_repeats_and_holes_give_each_event_once),
    };

    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
