/* topic_check_test.c - what is in a topic and not in its log, or the other way round, is found.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/topic_check.h"
#include "bus/store/memory/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define STORE "topic_check_test"
#define OPS bus_store_memory
#define EVENTS 1300 /* more than two pages */

static bus_store          *st;
static bus_topic_check    *check;
static bus_runtime_options options = {
    .store = &OPS, .store_options = {.url = STORE}, .partitions = 1};
static int64_t epoch, messages;
static char    last_fault[256];

static bus_record
nth(int64_t n)
{
    return (bus_record){.offset = n,
                        .epoch = epoch,
                        .stream = bus_id_v5(BUS_ID_NIL, &n, sizeof(n)),
                        .version = 1,
                        .command_id = bus_id_v5_text(bus_id_v5(BUS_ID_NIL, &n, sizeof(n)), "c"),
                        .at_ms = 1764000000000,
                        .aggregate = BUS_STR("thing"),
                        .type = BUS_STR("things.made.v1"),
                        .actor = BUS_STR("{}"),
                        .data = BUS_STR("{}")};
}

static void
note_fault(void *context, const char *fault)
{
    (void)context;
    (void)snprintf(last_fault, sizeof(last_fault), "%s", fault);
}

static int
start(void **state)
{
    static bus_record    events[EVENTS];
    bus_lease            lease = {.partition = 0};
    bus_append_partition part = {.partition = 0};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = events, .events_count = EVENTS};
    bus_error err = {0};

    (void)state;
    assert_int_equal(OPS.open(&st, &options.store_options, &err), BUS_OK);
    assert_int_equal(OPS.create_domain(st, "things", 1, &err), BUS_OK);
    assert_int_equal(OPS.lease_take(st, "things", "me", true, &lease, 1, &err), BUS_OK);
    epoch = part.epoch = lease.epoch;
    for (int i = 0; i < EVENTS; i++)
        events[i] = nth(i + 1);
    events[0].sends = BUS_STR("[]"); /* which no topic has */
    assert_int_equal(OPS.append(st, "things", &batch, &err), BUS_OK);
    assert_int_equal(bus_topic_check_open(&check, &options, "things", note_fault, NULL, &err),
                     BUS_OK);
    messages = 0;
    last_fault[0] = '\0';
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    bus_topic_check_close(check);
    OPS.close(st);
    bus_store_memory_forget(STORE);
    return 0;
}

static void
feed(const bus_record *r)
{
    bus_error err = {0};

    if (bus_topic_check_event(check, r, messages++, &err) != BUS_OK)
        fail_msg("%s", err.text);
}

static void
feed_range(int64_t from, int64_t to)
{
    for (int64_t n = from; n <= to; n++) {
        const bus_record r = nth(n);

        feed(&r);
    }
}

static void
found(int64_t events, int64_t repeats, int64_t aged_out, int64_t behind, int64_t faults)
{
    bus_topic_counts c;

    bus_topic_check_counts(check, &c);
    assert_int_equal(c.events, events);
    assert_int_equal(c.repeats, repeats);
    assert_int_equal(c.aged_out, aged_out);
    assert_int_equal(c.behind, behind);
    assert_int_equal(c.faults, faults);
}

static void
a_whole_topic_has_no_faults(void **state)
{
    (void)state;
    feed_range(1, EVENTS);
    found(EVENTS, 0, 0, 0, 0);
}

static void
repeats_are_counted(void **state)
{
    (void)state;
    feed_range(1, 900);
    feed_range(600, EVENTS);
    feed_range(1, 5);
    found(EVENTS, 301 + 5, 0, 0, 0);
}

static void
what_is_not_there_yet_is_no_fault(void **state)
{
    (void)state;
    feed_range(1, 1000);
    found(1000, 0, 0, EVENTS - 1000, 0);
}

static void
what_has_aged_out_is_no_fault(void **state)
{
    (void)state;
    messages = 100;
    feed_range(101, EVENTS);
    found(EVENTS - 100, 0, 100, 0, 0);
}

static void
a_hole_is_a_fault(void **state)
{
    (void)state;
    feed_range(1, 10);
    feed_range(12, EVENTS);
    found(EVENTS - 1, 0, 0, 0, 1);
    assert_non_null(strstr(last_fault, "things partition 0 offset 11: is missing"));
}

static void
a_hole_at_the_beginning_is_a_fault(void **state)
{
    (void)state;
    feed_range(2, EVENTS); /* as the topic's very first message */
    found(EVENTS - 1, 0, 0, 0, 1);
    assert_non_null(strstr(last_fault, "offset 1: is missing"));
}

static void
what_goes_back_and_was_not_there_is_a_fault(void **state)
{
    (void)state;
    messages = 100;
    feed_range(101, EVENTS);
    feed_range(50, 50);
    found(EVENTS - 100, 0, 100, 0, 1);
    assert_non_null(strstr(last_fault, "offset 50: comes after a later one"));
}

static void
differs(bus_record r, const char *what)
{
    bus_topic_counts before, after;

    bus_topic_check_counts(check, &before);
    feed(&r);
    bus_topic_check_counts(check, &after);
    assert_int_equal(after.faults, before.faults + 1);
    if (strstr(last_fault, what) == NULL)
        fail_msg("%s is not %s", last_fault, what);
}

static void
what_differs_from_the_log_is_a_fault(void **state)
{
    bus_record r;

    (void)state;
    feed_range(1, 10);
    differs((r = nth(10), r.nth = 1, r), "the id is another");
    differs((r = nth(10), r.version = 2, r), "stream, version");
    differs((r = nth(10), r.type = BUS_STR("things.made.v2"), r), "type differs");
    differs((r = nth(10), r.data = BUS_STR("{} "), r), "data differ");
    differs((r = nth(10), r.actor = BUS_STR(""), r), "tenant or actor");
    differs((r = nth(10), r.at_ms++, r), "times differ");
    differs((r = nth(10), r.causation_id = BUS_STR("x"), r), "causation differ");
    feed_range(11, EVENTS);
    differs(nth(EVENTS + 1), "is not in the log");
}

static void
messages_of_others_are_faults(void **state)
{
    (void)state;
    feed_range(1, EVENTS);
    bus_topic_check_foreign(check, 0, 17, "the header ce_id is missing");
    found(EVENTS, 0, 0, 0, 1);
    assert_non_null(strstr(last_fault, "message 17 is no event: the header ce_id is missing"));
}

int
main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(a_whole_topic_has_no_faults),
        STORY(repeats_are_counted),
        STORY(what_is_not_there_yet_is_no_fault),
        STORY(what_has_aged_out_is_no_fault),
        STORY(a_hole_is_a_fault),
        STORY(a_hole_at_the_beginning_is_a_fault),
        STORY(what_goes_back_and_was_not_there_is_a_fault),
        STORY(what_differs_from_the_log_is_a_fault),
        STORY(messages_of_others_are_faults),
    };

    return cmocka_run_group_tests(stories, NULL, NULL);
}
