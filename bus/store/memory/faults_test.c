/* faults_test.c - faults made on purpose come where and as often as they were ordered.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/memory/faults.h"
#include "bus/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAME "faults"
#define OPS bus_store_memory

typedef struct {
    bus_store *st;
    bus_lease  lease;
    bus_error  err;
} world;

static world w;

static int
make_world(void **state)
{
    bus_store_options options = {.url = NAME};

    (void)state;
    w = (world){0};
    assert_int_equal(OPS.open(&w.st, &options, &w.err), BUS_OK);
    assert_int_equal(OPS.create_domain(w.st, "d", 1, &w.err), BUS_OK);
    assert_int_equal(OPS.lease_take(w.st, "d", "me", false, &w.lease, 1, &w.err), BUS_OK);
    return 0;
}

static int
end_world(void **state)
{
    (void)state;
    OPS.close(w.st);
    bus_store_memory_forget(NAME);
    return 0;
}

static bus_code
append(int32_t version)
{
    bus_append_partition part = {.partition = 0, .epoch = w.lease.epoch};
    bus_record           event = {.stream = {{1}},
                                  .version = version,
                                  .command_id = {{(uint8_t)version}},
                                  .data = BUS_STR("{}")};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = &event, .events_count = 1};

    return OPS.append(w.st, "d", &batch, &w.err);
}

static int64_t
head(void)
{
    int64_t heads[1];

    assert_int_equal(OPS.heads(w.st, "d", heads, 1, &w.err), BUS_OK);
    return heads[0];
}

static void
test_before_nothing_is_written_and_after_all_is(void **state)
{
    (void)state;
    bus_store_memory_fail(NAME, BUS_FAULT_APPEND, BUS_UNAVAILABLE, true, 2);
    assert_int_equal(append(1), BUS_UNAVAILABLE);
    assert_true(w.err.retryable);
    assert_int_equal(append(1), BUS_UNAVAILABLE);
    assert_int_equal(head(), 0);
    bus_store_memory_fail(NAME, BUS_FAULT_APPEND, BUS_UNKNOWN, false, 1);
    assert_int_equal(append(1), BUS_UNKNOWN);
    assert_int_equal(head(), 1);
    assert_int_equal(append(2), BUS_OK);
}

static void
test_each_place_fails_by_itself(void **state)
{
    bus_effect effect = {.home = "d", .reader = "r", .domain = "d"};
    int64_t    heads[1];

    (void)state;
    bus_store_memory_fail(NAME, BUS_FAULT_READ, BUS_UNAVAILABLE, true, 1);
    bus_store_memory_fail(NAME, BUS_FAULT_LEASE, BUS_UNAVAILABLE, true, 1);
    bus_store_memory_fail(NAME, BUS_FAULT_EFFECT, BUS_FULL, true, 1);
    assert_int_equal(append(1), BUS_OK);
    assert_int_equal(OPS.heads(w.st, "d", heads, 1, &w.err), BUS_UNAVAILABLE);
    assert_int_equal(head(), 1);
    assert_int_equal(OPS.lease_renew(w.st, "d", &w.lease, 1, &w.err), BUS_UNAVAILABLE);
    assert_int_equal(OPS.lease_renew(w.st, "d", &w.lease, 1, &w.err), BUS_OK);
    assert_int_equal(OPS.effect(w.st, &effect, &w.err), BUS_FULL);
    assert_int_equal(OPS.effect(w.st, &effect, &w.err), BUS_OK);
}

static void
test_a_named_store_outlives_its_openers(void **state)
{
    bus_store        *again = NULL, *own = NULL;
    bus_store_options named = {.url = NAME}, unnamed = {.url = ""};
    int64_t           heads[1];

    (void)state;
    assert_int_equal(append(1), BUS_OK);
    OPS.close(w.st);
    assert_int_equal(OPS.open(&w.st, &named, &w.err), BUS_OK);
    assert_int_equal(head(), 1);
    assert_int_equal(OPS.open(&again, &named, &w.err), BUS_OK);
    assert_int_equal(append(2), BUS_OK);
    assert_int_equal(OPS.heads(again, "d", heads, 1, &w.err), BUS_OK);
    assert_int_equal(heads[0], 2); /* shared */
    assert_int_equal(OPS.open(&own, &unnamed, &w.err), BUS_OK);
    assert_int_equal(OPS.heads(own, "d", heads, 1, &w.err), BUS_NOT_FOUND); /* its own */
    OPS.close(own);
    OPS.close(again);
}

/* The time of leases is the opener's clock. */
static int64_t simulated_ms = 1000;

static int64_t
now(void *context)
{
    (void)context;
    return simulated_ms;
}

static void
test_leases_follow_the_clock_that_is_given(void **state)
{
    bus_clock         clock = *bus_clock_system();
    bus_store_options options = {.url = NAME, .clock = &clock};
    bus_store        *st = NULL;
    bus_lease         mine = {.partition = 0}, other = {.partition = 0};

    (void)state;
    clock.now_ms = now;
    assert_int_equal(OPS.open(&st, &options, &w.err), BUS_OK);
    assert_int_equal(OPS.lease_take(st, "d", "mine", true, &mine, 1, &w.err), BUS_OK);
    simulated_ms += BUS_LEASE_MS - 1;
    assert_int_equal(OPS.lease_take(st, "d", "other", false, &other, 1, &w.err), BUS_OK);
    assert_false(other.held);
    simulated_ms += 1;
    assert_int_equal(OPS.lease_take(st, "d", "other", false, &other, 1, &w.err), BUS_OK);
    assert_true(other.held);
    OPS.close(st);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_nothing_is_written_and_after_all_is, make_world,
                                        end_world),
        cmocka_unit_test_setup_teardown(test_each_place_fails_by_itself, make_world, end_world),
        cmocka_unit_test_setup_teardown(test_a_named_store_outlives_its_openers, make_world,
                                        end_world),
        cmocka_unit_test_setup_teardown(test_leases_follow_the_clock_that_is_given, make_world,
                                        end_world),
    };

    return cmocka_run_group_tests_name("store memory, faults", tests, NULL, NULL);
}
