/* places_test.c - the places that a load over HTTP does not pass: the kernel dies there and starts
 * again over the same PostgreSQL.
 *
 * A child, this program executed anew with the name of the place, plays the scenario until it is
 * killed by its own hand; then the test itself goes on over what the child left.
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
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 3500 /* more than an append takes without COPY */
#define ITEMS 30
#define STAYS_ALIVE 3 /* exit code */

static tests_postgres *pg;
static int             view_version = 100;

static bus_id
tenant_of(const char *place)
{
    return bus_id_v5_text(BUS_ID_NIL, place);
}

static bus_id
nth_id(const kernel_world *w, int n)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "item %d", n);
    return bus_id_v5_text(w->tenant, name);
}

static void
add_items(kernel_world *w, int count)
{
    for (int i = 0; i < count; i++) {
        char        data[160];
        bus_command c = kernel_add(w, nth_id(w, i), data);
        bus_reply   r = kernel_ask(w, &c);

        assert_int_equal(r.status, BUS_ANSWER_DONE);
    }
}

/* --- in the child ---------------------------------------------------------------------------- */

static const char *deadly;
static atomic_bool batches_wait;

/* Dies at the place; holds writers while a batch is being gathered. */
static void
at_place(void *context, const char *name)
{
    (void)context;
    if (strcmp(name, deadly) == 0)
        (void)kill(getpid(), SIGKILL);
    while (strcmp(name, "batch.taken") == 0 && atomic_load(&batches_wait))
        chaos_pause_ms(1);
}

static void
post_many(kernel_world *w, int count)
{
    atomic_store(&batches_wait, true);
    for (int i = 0; i < count; i++) {
        char        data[160];
        bus_command c = kernel_add(w, nth_id(w, i), data);

        kernel_post(w, &c, (uint64_t)i + 1);
    }
    atomic_store(&batches_wait, false);
}

static void
promise(kernel_world *w)
{
    bus_command c = kernel_command(w, "inventory.promise", bus_id_v5_text(w->tenant, "promise"),
                                   bus_stream_of_new(nth_id(w, 0)), "{}");

    assert_int_equal(kernel_ask(w, &c).status, BUS_ANSWER_DONE);
}

static int
play(const char *place, const char *url, int version)
{
    kernel_world w;

    deadly = place;
    bus_fail_points_hook(at_place, NULL);
    kernel_open(&w, url, "first", tenant_of(place), true);
    kernel_start(&w);
    if (strcmp(place, "append.before_commit") == 0) {
        post_many(&w, MANY);
    } else if (strcmp(place, "timer.fire") == 0) {
        add_items(&w, 1);
        promise(&w);
    } else {
        add_items(&w, ITEMS);
        kernel_start_view(&w, version);
    }
    chaos_pause_ms(10000);
    return STAYS_ALIVE;
}

/* --- in the test --------------------------------------------------------------------------------
 */

static void
dies_at(const char *place)
{
    char        version[16];
    const char *argv[] = {"places_test", place, tests_postgres_url(pg), version, NULL};
    int         status;
    pid_t       pid;

    (void)snprintf(version, sizeof(version), "%d", view_version);
    pid = fork();
    if (pid == 0) {
        (void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not passed: status %d", place, status);
}

/* What the dead one left, with a process that knows that it is alone. */
static void
go_on(kernel_world *w, const char *place)
{
    kernel_open(w, tests_postgres_url(pg), "second", tenant_of(place), true);
    kernel_start(w);
}

/* A batch that was copied in and not committed is not there; asked again, all of it happens. */
static void
test_a_copied_batch(void **state)
{
    kernel_world w;
    int          done = 0, first = 0;

    (void)state;
    dies_at("append.before_commit");
    go_on(&w, "append.before_commit");
    /* The first ones may have been a batch of their own, which was committed. */
    while (first < MANY &&
           kernel_events_of(&w, "inventory", bus_stream_of_new(nth_id(&w, first)), NULL) == 1)
        first++;
    assert_true(first < MANY / 2);
    for (int i = first; i < MANY; i += 50)
        assert_int_equal(kernel_events_of(&w, "inventory", bus_stream_of_new(nth_id(&w, i)), NULL),
                         0);
    for (int i = 0; i < MANY; i++) {
        char        data[160];
        bus_command c = kernel_add(&w, nth_id(&w, i), data);

        kernel_post(&w, &c, 1);
    }
    while (done < MANY) {
        bus_envelope *env = kernel_reply(&w, 10000);

        assert_non_null(env);
        assert_int_equal(env->reply.status, BUS_ANSWER_DONE);
        bus_envelope_release(env);
        done++;
    }
    kernel_verify(&w, 0);
    kernel_close(&w);
}

/* A wake that was found due and not carried out fires after the start, once. */
static void
test_a_due_timer(void **state)
{
    kernel_world w;
    bus_id       item;

    (void)state;
    dies_at("timer.fire");
    go_on(&w, "timer.fire");
    item = bus_stream_of_new(nth_id(&w, 0));
    for (int i = 0; i < 500 && kernel_events_of(&w, "inventory", item, NULL) < 3; i++)
        chaos_pause_ms(20);
    chaos_pause_ms(200);
    assert_int_equal(kernel_events_of(&w, "inventory", item, NULL), 3);
    assert_int_equal(kernel_events_of(&w, "inventory", item, "inventory.promise_ended.v1"), 1);
    kernel_verify(&w, 0);
    kernel_close(&w);
}

/* The table of a changed view is whole, wherever its making was interrupted. */
static void
test_a_new_table_of_a_view(void **state)
{
    static const char *const places[] = {"rebuild.filled", "rebuild.swap", "rebuild.swapped"};

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        kernel_world w;

        view_version++;
        dies_at(places[i]);
        go_on(&w, places[i]);
        kernel_start_view(&w, view_version);
        kernel_verify(&w, view_version);
        kernel_close(&w);
    }
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
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copied_batch),
        cmocka_unit_test(test_a_due_timer),
        cmocka_unit_test(test_a_new_table_of_a_view),
    };

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    if (argc == 4)
        return play(argv[1], argv[2], (int)strtol(argv[3], NULL, 10));
    return cmocka_run_group_tests(tests, start, stop);
}
