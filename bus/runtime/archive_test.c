/* archive_test.c - what may go to files: as much as is wished, and no more than every reader has
 * read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/archive.h"
#include "bus/store/memory/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME "archive_test"
#define OPS bus_store_memory
#define EVENTS 100
#define FIRST_MS INT64_C(1764000000000)

static const bus_contract        things = {.module = "things"}, others = {.module = "others"};
static const bus_contract *const contracts[] = {&things, &others};

static bus_store          *st;
static bus_error           err;
static bus_runtime_options options = {
    .store = &OPS, .store_options = {.url = NAME}, .contracts = contracts, .contracts_count = 2};
static bus_archive_plan last; /* that was told */

static bus_id
numbered(int n)
{
    return (bus_id){{(uint8_t)n, (uint8_t)(n >> 8), 7}};
}

/* One partition of EVENTS events, a millisecond apart, each a stream of its own. */
static int
start(void **state)
{
    bus_lease            lease = {.partition = 0};
    bus_record           events[EVENTS];
    bus_append_partition part = {.partition = 0};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = events, .events_count = EVENTS};

    (void)state;
    assert_int_equal(OPS.open(&st, &options.store_options, &err), BUS_OK);
    assert_int_equal(OPS.create_domain(st, "things", 1, &err), BUS_OK);
    assert_int_equal(OPS.create_domain(st, "others", 1, &err), BUS_OK);
    assert_int_equal(OPS.lease_take(st, "things", "me", true, &lease, 1, &err), BUS_OK);
    part.epoch = lease.epoch;
    for (int i = 0; i < EVENTS; i++)
        events[i] = (bus_record){.stream = numbered(i),
                                 .version = 1,
                                 .command_id = numbered(1000 + i),
                                 .at_ms = FIRST_MS + i,
                                 .aggregate = BUS_STR("thing"),
                                 .type = BUS_STR("things.made.v1"),
                                 .actor = BUS_STR("{}"),
                                 .data = BUS_STR("{}")};
    assert_int_equal(OPS.append(st, "things", &batch, &err), BUS_OK);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    OPS.close(st);
    bus_store_memory_forget(NAME);
    return 0;
}

/* A reader of things, at home in a domain, that has come so far. */
static void
read_up_to(const char *home, const char *reader, int64_t offset)
{
    bus_checkpoint c = {.partition = 0};
    bus_effect     effect = {.home = home,
                             .reader = reader,
                             .domain = "things",
                             .checkpoints = &c,
                             .checkpoints_count = 1};

    assert_int_equal(OPS.checkpoint_take(st, home, reader, "things", "me", true, &c, 1, &err),
                     BUS_OK);
    c.offset = offset;
    assert_int_equal(OPS.effect(st, &effect, &err), BUS_OK);
}

static void
tell(void *context, const bus_archive_plan *plan)
{
    (void)context;
    last = *plan;
}

static int64_t
run(int64_t before_ms, int64_t keep, bool dry_run)
{
    const bus_archive_wish wish = {.domain = &things,
                                   .before_ms = before_ms,
                                   .keep = keep,
                                   .dry_run = dry_run,
                                   .progress = tell};
    int64_t                events = -1;

    if (bus_archive_run(&options, &wish, &events, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return events;
}

static void
test_a_wish_is_the_bound(void **state)
{
    (void)state;
    assert_int_equal(run(0, 0, true), 0);
    assert_int_equal(last.up_to, EVENTS - 1); /* never the last one */
    (void)run(0, 30, true);
    assert_int_equal(last.up_to, 70);
    (void)run(0, EVENTS + 5, true);
    assert_int_equal(last.up_to, 0);
    (void)run(FIRST_MS + 42, 1, true); /* events 1 to 42 are of before */
    assert_int_equal(last.up_to, 42);
    (void)run(FIRST_MS + 42, 70, true); /* both bounds */
    assert_int_equal(last.up_to, 30);
    (void)run(FIRST_MS, 1, true);
    assert_int_equal(last.up_to, 0);
    (void)run(FIRST_MS + 5000, 1, true);
    assert_int_equal(last.up_to, EVENTS - 1);
    assert_int_equal(last.archived, 0); /* nothing of it was done */
}

/* A time in the place of an offset, as of a replay that waits: nothing is held back by it. */
static void
test_a_reader_that_keeps_a_time_holds_nothing_back(void **state)
{
    (void)state;
    read_up_to("others", BUS_TIME_READER "018f", 0);
    (void)run(0, 1, true);
    assert_int_equal(last.up_to, EVENTS - 1);
    read_up_to("others", BUS_TIME_READER "018f", FIRST_MS);
    (void)run(0, 1, true);
    assert_int_equal(last.up_to, EVENTS - 1);
}

static void
test_no_reader_is_overtaken(void **state)
{
    bus_park_write park = {
        .stream = numbered(20), .partition = 0, .from_offset = 21, .reason = "it cannot be read"};

    (void)state;
    read_up_to("things", "sends", 80);
    read_up_to("others", "reactions", 55);
    (void)run(0, 1, true);
    assert_int_equal(last.up_to, 55);
    assert_string_equal(last.held_by, "reactions of others");
    (void)run(FIRST_MS + 10, 1, true); /* the wish is narrower */
    assert_int_equal(last.up_to, 10);
    assert_string_equal(last.held_by, "");
    assert_int_equal(OPS.park(st, "others", "reactions", "things", &park, NULL, 1, &err), BUS_OK);
    (void)run(0, 1, true);
    assert_int_equal(last.up_to, 20);
    assert_non_null(strstr(last.held_by, "parked"));
}

static void
test_what_goes_is_counted_and_goes_once(void **state)
{
    (void)state;
    assert_int_equal(run(0, 40, false), 60);
    assert_int_equal(last.archived, 60);
    assert_int_equal(run(0, 40, false), 0);
    assert_int_equal(run(FIRST_MS + 20, 1, false), 0); /* it is there already */
    assert_int_equal(run(FIRST_MS + 75, 1, false), 15);
    read_up_to("others", "reactions", 10); /* a new reader begins among what is in files */
    assert_int_equal(run(0, 1, false), 0);
    assert_int_equal(last.archived, 75);
}

static bool
no(void *context)
{
    (void)context;
    return false;
}

static void
test_it_stops_when_it_is_told(void **state)
{
    const bus_archive_wish wish = {.domain = &things, .keep = 1, .go_on = no};
    int64_t                events;

    (void)state;
    assert_int_equal(bus_archive_run(&options, &wish, &events, &err), BUS_CLOSED);
    assert_int_equal(events, 0);
}

int
main(void)
{
#define ARCHIVE_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        ARCHIVE_TEST(test_a_wish_is_the_bound),
        ARCHIVE_TEST(test_a_reader_that_keeps_a_time_holds_nothing_back),
        ARCHIVE_TEST(test_no_reader_is_overtaken),
        ARCHIVE_TEST(test_what_goes_is_counted_and_goes_once),
        ARCHIVE_TEST(test_it_stops_when_it_is_told),
    };

    return cmocka_run_group_tests_name("what may be archived", tests, NULL, NULL);
}
