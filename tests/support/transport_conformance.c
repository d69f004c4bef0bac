/* transport_conformance.c - one set of tests for all transports.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/transport_conformance.h"

#include "bus/base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_MAX 64
#define BATCHES_MAX 16
#define PATIENCE_MS 5000

static struct {
    const bus_transport_ops *ops;
    const char              *url;
    bus_transport           *transport;
} t;

static int
open_transport(void **state)
{
    const bus_transport_options options = {
        .url = t.url, .queue_max = QUEUE_MAX, .batches_max = BATCHES_MAX};
    bus_error err;

    (void)state;
    return t.ops->open(&t.transport, &options, &err) == BUS_OK ? 0 : -1;
}

static int
close_transport(void **state)
{
    (void)state;
    t.ops->close(t.transport);
    return 0;
}

static bus_server *
serve(const char *domain)
{
    bus_server *server = NULL;
    bus_error   err = {0};

    assert_int_equal(t.ops->serve(t.transport, domain, &server, &err), BUS_OK);
    return server;
}

static bus_client *
client(bus_ready on_ready, void *context)
{
    bus_client *c = NULL;
    bus_error   err = {0};

    assert_int_equal(t.ops->connect(t.transport, on_ready, context, &c, &err), BUS_OK);
    return c;
}

static bus_envelope *
command(int n)
{
    char        data[64];
    bus_command c = {.type = BUS_STR("inventory.reserve"),
                     .partition = (uint16_t)(n % 8),
                     .expected_version = -1,
                     .causation_id = BUS_STR("cause:0")};

    (void)snprintf(data, sizeof(data), "{\"n\":%d}", n);
    c.data = bus_str_of(data);
    c.command_id.bytes[0] = (uint8_t)n;
    return bus_envelope_of_command(&c);
}

static void
answer(bus_server *server, bus_envelope *request)
{
    bus_reply reply = {.command_id = request->command.command_id,
                       .status = BUS_ANSWER_DONE,
                       .version = 7,
                       .params = request->command.data};

    t.ops->reply(server, request, bus_envelope_of_reply(&reply));
    bus_envelope_release(request);
}

static bus_envelope *
take_one(bus_server *server)
{
    bus_envelope *env = NULL;

    assert_int_equal(t.ops->take(server, &env, 1, PATIENCE_MS), 1);
    return env;
}

static bus_envelope *
reply_one(bus_client *c)
{
    bus_envelope *env = NULL;

    assert_int_equal(t.ops->replies(c, &env, 1, PATIENCE_MS), 1);
    return env;
}

static void
test_a_command_goes_and_its_reply_comes_back(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env;
    bus_error     err;

    (void)state;
    assert_int_equal(t.ops->send(c, t.ops->address(server), command(5), 42, &err), BUS_OK);
    env = take_one(server);
    assert_int_equal(env->kind, BUS_ENVELOPE_COMMAND);
    assert_true(bus_str_is(env->command.type, "inventory.reserve"));
    assert_true(bus_str_is(env->command.data, "{\"n\":5}"));
    assert_true(bus_str_is(env->command.causation_id, "cause:0"));
    assert_int_equal(env->command.expected_version, -1);
    answer(server, env);
    env = reply_one(c);
    assert_int_equal(env->kind, BUS_ENVELOPE_REPLY);
    assert_true(env->ticket == 42);
    assert_int_equal(env->reply.version, 7);
    assert_true(bus_str_is(env->reply.params, "{\"n\":5}"));
    bus_envelope_release(env);
    t.ops->disconnect(c);
    t.ops->stop(server);
}

static void
test_order_is_kept_from_one_sender(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *envs[QUEUE_MAX];
    bus_error     err;
    uint32_t      got = 0;

    (void)state;
    for (int i = 0; i < QUEUE_MAX; i++)
        assert_int_equal(t.ops->send(c, t.ops->address(server), command(i), (uint64_t)i, &err),
                         BUS_OK);
    while (got < QUEUE_MAX) {
        uint32_t n = t.ops->take(server, envs + got, QUEUE_MAX - got, PATIENCE_MS);

        assert_int_not_equal(n, 0);
        got += n;
    }
    for (int i = 0; i < QUEUE_MAX; i++) {
        assert_int_equal(envs[i]->command.command_id.bytes[0], i);
        answer(server, envs[i]);
    }
    for (int i = 0; i < QUEUE_MAX; i++) {
        bus_envelope *env = reply_one(c);

        assert_true(env->ticket == (uint64_t)i);
        bus_envelope_release(env);
    }
    t.ops->disconnect(c);
    t.ops->stop(server);
}

static void
test_a_full_queue_pushes_back(void **state)
{
    bus_server *server = serve("inventory");
    bus_client *c = client(NULL, NULL);
    bus_error   err = {0};
    bus_code    rc = BUS_OK;
    int         sent = 0;

    (void)state;
    while (sent < 100 * QUEUE_MAX) {
        bus_envelope *env = command(sent % 200);

        rc = t.ops->send(c, t.ops->address(server), env, (uint64_t)sent, &err);
        if (rc != BUS_OK) {
            bus_envelope_release(env); /* it stayed ours */
            break;
        }
        sent++;
    }
    assert_int_equal(rc, BUS_FULL);
    assert_true(err.retryable);
    assert_true(sent >= QUEUE_MAX);
    t.ops->stop(server); /* what waited is answered BUSY */
    for (int i = 0; i < QUEUE_MAX; i++) {
        bus_envelope *env = reply_one(c);

        assert_int_equal(env->reply.status, BUS_ANSWER_BUSY);
        bus_envelope_release(env);
    }
    t.ops->disconnect(c);
}

static void
test_nobody_listens(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env = command(1);
    bus_error     err = {0};
    char          address[128];

    (void)state;
    (void)snprintf(address, sizeof(address), "%s", t.ops->address(server));
    t.ops->stop(server);
    assert_int_equal(t.ops->send(c, address, env, 1, &err), BUS_UNAVAILABLE);
    bus_envelope_release(env);
    t.ops->disconnect(c);
}

static void
test_a_reply_to_one_who_left_is_dropped(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env;
    bus_error     err;

    (void)state;
    assert_int_equal(t.ops->send(c, t.ops->address(server), command(1), 1, &err), BUS_OK);
    env = take_one(server);
    t.ops->disconnect(c);
    answer(server, env);
    t.ops->stop(server);
}

static void
test_two_servers_have_two_addresses(void **state)
{
    bus_server   *one = serve("inventory"), *two = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env;
    bus_error     err;

    (void)state;
    assert_string_not_equal(t.ops->address(one), t.ops->address(two));
    assert_int_equal(t.ops->send(c, t.ops->address(two), command(2), 2, &err), BUS_OK);
    env = take_one(two);
    assert_int_equal(t.ops->take(one, &env, 1, 20), 0);
    answer(two, env);
    bus_envelope_release(reply_one(c));
    t.ops->disconnect(c);
    t.ops->stop(one);
    t.ops->stop(two);
}

static void *
wake_soon(void *server)
{
    (void)usleep(20000);
    t.ops->wake(server);
    return NULL;
}

static void
test_sleep_ends_by_time_and_by_wake(void **state)
{
    bus_server      *server = serve("inventory");
    bus_envelope    *env;
    const bus_clock *clock = bus_clock_system();
    int64_t          began = bus_mono_us(clock);
    pthread_t        thread;

    (void)state;
    assert_int_equal(t.ops->take(server, &env, 1, 50), 0);
    assert_true(bus_mono_us(clock) - began >= 45000);
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, server), 0);
    began = bus_mono_us(clock);
    assert_int_equal(t.ops->take(server, &env, 1, PATIENCE_MS), 0);
    assert_true(bus_mono_us(clock) - began < PATIENCE_MS * 500);
    assert_int_equal(pthread_join(thread, NULL), 0);
    t.ops->stop(server);
}

static void
count_ready(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void
test_ready_is_told_when_something_comes(void **state)
{
    atomic_int    told = 0;
    bus_server   *server = serve("inventory");
    bus_client   *c = client(count_ready, &told);
    bus_envelope *env;
    bus_error     err;

    (void)state;
    assert_int_equal(t.ops->send(c, t.ops->address(server), command(1), 1, &err), BUS_OK);
    answer(server, take_one(server));
    for (int i = 0; i < PATIENCE_MS && atomic_load(&told) == 0; i++)
        (void)usleep(1000);
    assert_int_equal(atomic_load(&told), 1);
    assert_int_equal(t.ops->replies(c, &env, 1, 0), 1);
    bus_envelope_release(env);
    t.ops->disconnect(c);
    t.ops->stop(server);
}

/* --- batches ------------------------------------------------------------------ */

static bus_batch *
batch(const char *topic, int64_t first_offset, uint32_t count)
{
    bus_record records[8] = {0};
    bus_batch  b = {.topic = bus_str_of(topic),
                    .partition = 3,
                    .first_offset = first_offset,
                    .count = count,
                    .records = records};

    for (uint32_t i = 0; i < count; i++) {
        records[i].partition = 3;
        records[i].offset = first_offset + i;
        records[i].type = BUS_STR("inventory.reserved.v1");
        records[i].data = BUS_STR("{\"quantity\":1}");
    }
    return bus_batch_of(&b);
}

static bus_subscriber *
subscribe(const char *topic)
{
    const char     *topics[] = {topic};
    bus_subscriber *s = NULL;
    bus_error       err = {0};

    assert_int_equal(t.ops->subscribe(t.transport, topics, 1, NULL, NULL, &s, &err), BUS_OK);
    return s;
}

/* Publishing until it arrives: a subscription over a network takes a moment. */
static void
wait_for_subscription(bus_subscriber *s, const char *topic)
{
    for (int i = 0; i < 100; i++) {
        bus_batch *b = batch(topic, 1, 1), *got;

        t.ops->publish(t.transport, b);
        bus_batch_release(b);
        got = t.ops->next(s, 50);
        bus_batch_release(got);
        if (got != NULL)
            break;
    }
    for (;;) {
        bus_batch *got = t.ops->next(s, 50);

        if (got == NULL)
            return;
        bus_batch_release(got);
    }
}

static void
test_batches_reach_those_who_subscribed(void **state)
{
    bus_subscriber *s = subscribe("events.inventory"), *other = subscribe("events.orders");
    bus_batch      *b = batch("events.inventory", 10, 3), *got;

    (void)state;
    wait_for_subscription(s, "events.inventory");
    t.ops->publish(t.transport, b);
    bus_batch_release(b);
    got = t.ops->next(s, PATIENCE_MS);
    assert_non_null(got);
    assert_true(bus_str_is(got->topic, "events.inventory"));
    assert_int_equal(got->partition, 3);
    assert_true(got->first_offset == 10);
    assert_int_equal(got->count, 3);
    assert_true(got->records[2].offset == 12);
    assert_true(bus_str_is(got->records[2].data, "{\"quantity\":1}"));
    bus_batch_release(got);
    assert_null(t.ops->next(other, 20));
    t.ops->unsubscribe(s);
    t.ops->unsubscribe(other);
}

static void
test_a_slow_subscriber_sees_a_gap(void **state)
{
    bus_subscriber *s = subscribe("events.inventory");
    int64_t         last = 0;
    bus_batch      *got;
    int             taken = 0;

    (void)state;
    wait_for_subscription(s, "events.inventory");
    for (int i = 0; i < 2000; i++) {
        bus_batch *b = batch("events.inventory", 100 + i, 1);

        t.ops->publish(t.transport, b);
        bus_batch_release(b);
    }
    while ((got = t.ops->next(s, 100)) != NULL) {
        assert_true(got->first_offset > last);
        last = got->first_offset;
        taken++;
        bus_batch_release(got);
    }
    assert_in_range(taken, 1, 1999);
    t.ops->unsubscribe(s);
}

/* --- many at once ---------------------------------------------------------------- */

#define CLIENTS 4
#define ROUNDS 2000

static atomic_bool serving;

static void *
serve_all(void *context)
{
    bus_server   *server = context;
    bus_envelope *envs[QUEUE_MAX];

    while (atomic_load(&serving)) {
        uint32_t n = t.ops->take(server, envs, QUEUE_MAX, 100);

        for (uint32_t i = 0; i < n; i++)
            answer(server, envs[i]);
    }
    return NULL;
}

static void *
ask_all(void *context)
{
    const char *address = context;
    bus_error   err = {0};
    bus_client *c = NULL;
    uint64_t    asked = 0, answered = 0;

    if (t.ops->connect(t.transport, NULL, NULL, &c, &err) != BUS_OK)
        return NULL;
    while (answered < ROUNDS) {
        bus_envelope *env;

        while (asked < ROUNDS && asked - answered < 8) {
            env = command((int)(asked % 200));
            if (t.ops->send(c, address, env, asked, &err) != BUS_OK) {
                bus_envelope_release(env);
                break;
            }
            asked++;
        }
        if (t.ops->replies(c, &env, 1, PATIENCE_MS) != 1)
            break;
        if (env->ticket != answered)
            break;
        answered++;
        bus_envelope_release(env);
    }
    t.ops->disconnect(c);
    return (void *)(uintptr_t)answered;
}

static void
test_many_clients_at_once(void **state)
{
    bus_server *server = serve("inventory");
    pthread_t   one, many[CLIENTS];
    char        address[128];

    (void)state;
    (void)snprintf(address, sizeof(address), "%s", t.ops->address(server));
    atomic_store(&serving, true);
    assert_int_equal(pthread_create(&one, NULL, serve_all, server), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&many[i], NULL, ask_all, address), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *answered;

        assert_int_equal(pthread_join(many[i], &answered), 0);
        assert_int_equal((uintptr_t)answered, ROUNDS);
    }
    atomic_store(&serving, false);
    t.ops->wake(server);
    assert_int_equal(pthread_join(one, NULL), 0);
    t.ops->stop(server);
}

#define WITH_TRANSPORT(test) cmocka_unit_test_setup_teardown(test, open_transport, close_transport)

int
transport_conformance(const bus_transport_ops *ops, const char *url)
{
    const struct CMUnitTest tests[] = {
        WITH_TRANSPORT(test_a_command_goes_and_its_reply_comes_back),
        WITH_TRANSPORT(test_order_is_kept_from_one_sender),
        WITH_TRANSPORT(test_a_full_queue_pushes_back),
        WITH_TRANSPORT(test_nobody_listens),
        WITH_TRANSPORT(test_a_reply_to_one_who_left_is_dropped),
        WITH_TRANSPORT(test_two_servers_have_two_addresses),
        WITH_TRANSPORT(test_sleep_ends_by_time_and_by_wake),
        WITH_TRANSPORT(test_ready_is_told_when_something_comes),
        WITH_TRANSPORT(test_batches_reach_those_who_subscribed),
        WITH_TRANSPORT(test_a_slow_subscriber_sees_a_gap),
        WITH_TRANSPORT(test_many_clients_at_once),
    };

    t.ops = ops;
    t.url = url;
    return cmocka_run_group_tests_name(ops->name, tests, NULL, NULL);
}
