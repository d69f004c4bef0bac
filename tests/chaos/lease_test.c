/* lease_test.c - writers that are held past their lease, while another process takes over and the
 * world goes on: their late append does not happen, and neither it nor a late refusal is answered
 * as if they owned the partition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/envelope/command.h"
#include "bus/log/log.h"
#include "tests/chaos/kernel_world.h"
#include "tests/chaos/say.h"
#include "tests/support/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TAKE_OVER_MS 20000
#define APPEND_TICKET 1
#define REFUSAL_TICKET 2

/* The first thread that passes the place is held there. */
typedef struct {
    const char *place;
    atomic_bool armed, held, go;
} holding;

static holding append = {.place = "append.begin"}, refusal = {.place = "confirm.begin"};

static void
hold(holding *h, const char *name)
{
    if (strcmp(name, h->place) != 0 || !atomic_exchange(&h->armed, false))
        return;
    atomic_store(&h->held, true);
    while (!atomic_load(&h->go))
        chaos_pause_ms(5);
}

static void
at_place(void *context, const char *name)
{
    (void)context;
    hold(&append, name);
    hold(&refusal, name);
}

static void
wait_until_held(holding *h)
{
    for (int i = 0; i < 2000 && !atomic_load(&h->held); i++)
        chaos_pause_ms(5);
    assert_true(atomic_load(&h->held));
}

static tests_postgres *pg;
static kernel_world    a, b;
static bus_id          one, other; /* items */
static char            other_name[64];

static bus_id
named_id(const char *name)
{
    return bus_id_v5_text(a.tenant, name);
}

static bus_id
add_item(const char *name)
{
    char        data[160];
    bus_command c = kernel_add(&a, named_id(name), data);

    assert_int_equal(kernel_ask(&a, &c).status, BUS_ANSWER_DONE);
    return bus_stream_of_new(named_id(name));
}

static bus_command
place_order(char data[160])
{
    char   item[BUS_ID_TEXT_BYTES];
    bus_id id = named_id("the order");

    (void)snprintf(data, 160, "{\"items\":[\"%s\"],\"quantity\":1}", bus_id_format(one, item));
    return kernel_command(&a, "orders.place", id, bus_stream_of_new(id), data);
}

/* Wants the name of the other item. */
static bus_command
rename_one(char data[160])
{
    (void)snprintf(data, 160, "{\"name\":\"%s\"}", other_name);
    return kernel_command(&a, "inventory.rename", named_id("the renaming"), one, data);
}

/* Every partition has a live owner that is not the one of before. */
static void
wait_until_owned_by_other(const char *domain, const char *before)
{
    int moved = 0;

    for (int i = 0; i < TAKE_OVER_MS / 50 && moved < KERNEL_PARTITIONS; i++) {
        moved = 0;
        for (int p = 0; p < KERNEL_PARTITIONS; p++) {
            const char *now = kernel_owner(&b, domain, p);

            moved += now[0] != '\0' && strcmp(now, before) != 0;
        }
        chaos_pause_ms(50);
    }
    assert_int_equal(moved, KERNEL_PARTITIONS);
}

static void
hold_both(void)
{
    char        order_data[160], rename_data[160];
    bus_command order = place_order(order_data), renaming = rename_one(rename_data);

    atomic_store(&append.armed, true);
    kernel_post(&a, &order, APPEND_TICKET);
    wait_until_held(&append); /* the writer of orders; that of inventory passes freely from here */
    atomic_store(&refusal.armed, true);
    kernel_post(&a, &renaming, REFUSAL_TICKET);
    wait_until_held(&refusal);
}

/* The new owner carries out the same order, asked again, and makes the refusal untrue. */
static void
world_goes_on(void)
{
    char        data[160];
    bus_command order = place_order(data);
    bus_command renaming = kernel_command(&b, "inventory.rename", named_id("giving it up"), other,
                                          "{\"name\":\"another\"}");

    assert_int_equal(kernel_ask(&b, &order).status, BUS_ANSWER_DONE);
    assert_int_equal(kernel_ask(&b, &renaming).status, BUS_ANSWER_DONE);
}

static void
check_late_replies(void)
{
    for (int i = 0; i < 2; i++) {
        bus_envelope *env = kernel_reply(&a, 10000);

        assert_non_null(env);
        if (env->reply.status != BUS_ANSWER_NOT_OWNER)
            fail_msg("the late %s was answered with %d",
                     env->ticket == APPEND_TICKET ? "append" : "refusal", (int)env->reply.status);
        bus_envelope_release(env);
    }
}

static void
test_held_past_the_lease(void **state)
{
    char        data[160];
    const char *orders_before, *inventory_before;
    bus_command renaming;

    (void)state;
    kernel_open(&a, tests_postgres_url(pg), "a", bus_id_v5_text(BUS_ID_NIL, "lease"), false);
    kernel_start(&a);
    one = add_item("one");
    other = add_item("other");
    (void)bus_id_format(named_id("other"), other_name);
    orders_before = kernel_owner(&a, "orders", 0);
    inventory_before = kernel_owner(&a, "inventory", 0);
    bus_fail_points_hook(at_place, NULL);
    hold_both();
    kernel_open(&b, tests_postgres_url(pg), "b", a.tenant, false);
    kernel_start(&b);
    wait_until_owned_by_other("orders", orders_before);
    wait_until_owned_by_other("inventory", inventory_before);
    world_goes_on();
    atomic_store(&append.go, true);
    atomic_store(&refusal.go, true);
    check_late_replies();
    renaming = rename_one(data);
    assert_int_equal(kernel_ask(&b, &renaming).status, BUS_ANSWER_DONE);
    assert_int_equal(kernel_events_of(&b, "orders", bus_stream_of_new(named_id("the order")),
                                      "orders.placed.v1"),
                     1);
    assert_int_equal(kernel_events_of(&b, "inventory", one, "inventory.renamed.v1"), 1);
    bus_fail_points_hook(NULL, NULL);
    kernel_verify(&b, 0);
    kernel_close(&a);
    kernel_close(&b);
}

static int
start(void **state)
{
    (void)state;
    pg = tests_postgres_start(true);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    tests_postgres_stop(pg);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_held_past_the_lease)};

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    return cmocka_run_group_tests(tests, start, stop);
}
