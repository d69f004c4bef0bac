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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_MAX 64
#define BATCHES_MAX 16
#define PATIENCE_MS 5000

static struct {
    const bus_transport_ops *ops;
    const char              *url, *far_url;
    bus_transport           *near; /* asks, and subscribes */
    bus_transport           *far;  /* serves, and publishes */

    const transport_conformance_broker *broker; /* NULL: they reach each other directly */
} t;

/* url: of near or of far; by way of a broker their settings tell them apart by that word. */
static bus_transport *
open_at(const char *url)
{
    bus_transport_options options = {
        .url = url, .queue_max = QUEUE_MAX, .batches_max = BATCHES_MAX};
    bus_transport *transport = NULL;
    bus_error      err = {0};

    if (t.broker != NULL)
        options.kafka = strstr(url, "near") != NULL ? t.broker->near : t.broker->far;
    if (t.ops->open(&transport, &options, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return transport;
}

static bool
apart(void)
{
    return t.far != t.near;
}

/* near takes the batches of far. */
static void
introduce(void)
{
    const char *urls[] = {t.ops->url(t.far)};

    t.ops->peers(t.near, urls, 1);
}

static int
open_transports(void **state)
{
    if (t.broker != NULL && t.broker->before(state) != 0)
        return -1;
    t.near = open_at(t.url);
    t.far = t.far_url != NULL ? open_at(t.far_url) : t.near;
    introduce();
    return 0;
}

static int
close_transports(void **state)
{
    if (apart())
        t.ops->close(t.far);
    t.ops->close(t.near);
    return t.broker != NULL ? t.broker->after(state) : 0;
}

/* As a writer that has taken the leases of all partitions. */
static void
own_all(bus_server *server)
{
    uint16_t all[TRANSPORT_CONFORMANCE_PARTITIONS];

    for (uint16_t p = 0; p < TRANSPORT_CONFORMANCE_PARTITIONS; p++)
        all[p] = p;
    t.ops->own(server, all, TRANSPORT_CONFORMANCE_PARTITIONS);
}

static bus_server *
serve(const char *domain)
{
    bus_server *server = NULL;
    bus_error   err = {0};

    assert_int_equal(t.ops->serve(t.far, domain, &server, &err), BUS_OK);
    own_all(server);
    return server;
}

static bus_client *
client(bus_ready on_ready, void *context)
{
    bus_client *c = NULL;
    bus_error   err = {0};

    assert_int_equal(t.ops->connect(t.near, on_ready, context, &c, &err), BUS_OK);
    return c;
}

static bus_envelope *
command(int n)
{
    char        data[64];
    bus_command c = {.type = BUS_STR("inventory.reserve"),
                     .partition = (uint16_t)(n % TRANSPORT_CONFORMANCE_PARTITIONS),
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

/* All in the order in which they were sent; by way of a broker: within each partition. */
static void
check_order(bus_envelope *const envs[QUEUE_MAX])
{
    int next[TRANSPORT_CONFORMANCE_PARTITIONS];

    for (int p = 0; p < TRANSPORT_CONFORMANCE_PARTITIONS; p++)
        next[p] = p;
    for (int i = 0; i < QUEUE_MAX; i++) {
        int n = envs[i]->command.command_id.bytes[0];

        assert_true(t.broker != NULL || n == i);
        assert_int_equal(n, next[envs[i]->command.partition]);
        next[envs[i]->command.partition] += TRANSPORT_CONFORMANCE_PARTITIONS;
    }
}

static void
test_order_is_kept_from_one_sender(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *envs[QUEUE_MAX];
    uint64_t      order[QUEUE_MAX];
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
    check_order(envs);
    for (int i = 0; i < QUEUE_MAX; i++) {
        order[i] = envs[i]->ticket;
        answer(server, envs[i]);
    }
    for (int i = 0; i < QUEUE_MAX; i++) {
        bus_envelope *env = reply_one(c);

        assert_true(env->ticket == order[i]);
        bus_envelope_release(env);
    }
    t.ops->disconnect(c);
    t.ops->stop(server);
}

/* One goes there and back: all is connected, and read. */
static void
warm_up(bus_client *c, bus_server *server)
{
    bus_error err;

    for (int i = 0; i < TRANSPORT_CONFORMANCE_PARTITIONS; i++) {
        assert_int_equal(t.ops->send(c, t.ops->address(server), command(i), 0, &err), BUS_OK);
        answer(server, take_one(server));
        bus_envelope_release(reply_one(c));
    }
}

/* Between processes the receiver may be the one that is full: it answers BUSY. */
static void
test_a_full_queue_pushes_back(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env = NULL;
    bus_error     err = {0};
    bus_code      rc = BUS_OK;
    int           sent = 0, busy = 0;

    (void)state;
    warm_up(c, server);
    while (sent < 100 * QUEUE_MAX && busy == 0) {
        env = command(sent % 200);
        rc = t.ops->send(c, t.ops->address(server), env, (uint64_t)sent, &err);
        if (rc != BUS_OK) {
            bus_envelope_release(env); /* it stayed ours */
            break;
        }
        sent++;
        if (t.ops->replies(c, &env, 1, 0) == 1) {
            assert_int_equal(env->reply.status, BUS_ANSWER_BUSY);
            bus_envelope_release(env);
            busy++;
        }
    }
    assert_true(rc == BUS_FULL || busy > 0);
    assert_true(rc == BUS_OK || err.retryable);
    assert_true(sent >= QUEUE_MAX);
    while (t.ops->replies(c, &env, 1, 200) == 1) {
        assert_int_equal(env->reply.status, BUS_ANSWER_BUSY);
        bus_envelope_release(env);
    }
    t.ops->stop(server); /* what waited is answered BUSY */
    for (int i = 0; i < QUEUE_MAX; i++) {
        env = reply_one(c);
        assert_int_equal(env->reply.status, BUS_ANSWER_BUSY);
        bus_envelope_release(env);
    }
    t.ops->disconnect(c);
}

/* By way of a broker nobody knows whether it is served: the command lies there for the next owner,
 * who answers it. */
static void
check_waits_for_an_owner(bus_client *c, bus_envelope *env)
{
    bus_server *next;

    assert_int_equal(t.ops->replies(c, &env, 1, 200), 0);
    next = serve("inventory");
    answer(next, take_one(next));
    env = reply_one(c);
    assert_int_equal(env->reply.status, BUS_ANSWER_DONE);
    assert_int_equal(env->reply.command_id.bytes[0], 1);
    assert_true(env->ticket == 9);
    bus_envelope_release(env);
    t.ops->stop(next);
}

/* Nobody serves the domain where it was: said at once, or by who was asked. */
static void
test_nobody_serves_it_any_more(void **state)
{
    bus_server   *server = serve("inventory"), *other = serve("orders");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env = command(1);
    bus_error     err = {0};
    char          address[512];
    bus_code      rc;

    (void)state;
    (void)snprintf(address, sizeof(address), "%s", t.ops->address(server));
    t.ops->stop(server);
    rc = t.ops->send(c, address, env, 9, &err);
    if (rc == BUS_OK && t.broker != NULL) {
        check_waits_for_an_owner(c, env);
        env = NULL;
    } else if (rc == BUS_OK) {
        env = reply_one(c);
        assert_int_equal(env->reply.status, BUS_ANSWER_NOT_OWNER);
        assert_int_equal(env->reply.command_id.bytes[0], 1);
        assert_true(env->ticket == 9);
    } else {
        assert_int_equal(rc, BUS_UNAVAILABLE);
        assert_true(err.retryable);
    }
    bus_envelope_release(env);
    assert_int_equal(t.ops->take(other, &env, 1, 20), 0);
    t.ops->disconnect(c);
    t.ops->stop(other);
}

static void
test_no_address_at_all(void **state)
{
    static const char *const wrong[] = {
        "", "#", "nowhere", "http://x#inventory/1", "inproc://", "#inventory/1"};
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env = command(1);
    bus_error     err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(t.ops->send(c, wrong[i], env, 1, &err), BUS_UNAVAILABLE);
    bus_envelope_release(env);
    t.ops->disconnect(c);
}

/* Nothing of a message is lost or changed; whether it is late is for the writer to say. */
static void
test_every_member_arrives(void **state)
{
    /* By way of a broker the command goes to this partition, so it must be one. */
    const uint16_t    last = t.broker != NULL ? TRANSPORT_CONFORMANCE_PARTITIONS - 1 : 65535;
    const bus_id      a = bus_id_v5_text(BUS_ID_NIL, "a"), b = bus_id_v5_text(BUS_ID_NIL, "b");
    const bus_command asked = {.command_id = a,
                               .type = BUS_STR("inventory.reserve"),
                               .tenant = b,
                               .stream = bus_id_v5_text(BUS_ID_NIL, "c"),
                               .partition = last,
                               .origin = BUS_ORIGIN_REACTION,
                               .actor = {.id = b, .roles = 5, .grants = 1, .driver_id = a},
                               .correlation_id = a,
                               .causation_id = BUS_STR("x:1"),
                               .expires_at_ms = 1, /* long ago */
                               .expected_version = INT32_MAX,
                               .device_at_ms = 2,
                               .due_at_ms = INT64_MAX,
                               .data = BUS_STR("{\"name\":\"\xd1\x88\xd0\xb8\xd0\xbd\xd0\xb0\"}")};
    const bus_reply   said = {.command_id = a,
                              .status = BUS_ANSWER_REFUSED,
                              .repeated = true,
                              .stream = b,
                              .version = 3,
                              .partition = 7,
                              .offset = INT64_MAX,
                              .code = BUS_STR("A_CODE"),
                              .params = BUS_STR("{}"),
                              .detail = BUS_STR("why"),
                              .events = BUS_STR("[]")};
    bus_server       *server = serve("inventory");
    bus_client       *c = client(NULL, NULL);
    bus_envelope     *env;
    bus_error         err;

    (void)state;
    assert_int_equal(
        t.ops->send(c, t.ops->address(server), bus_envelope_of_command(&asked), UINT64_MAX, &err),
        BUS_OK);
    env = take_one(server);
    assert_true(bus_id_equal(env->command.command_id, a));
    assert_true(bus_str_equal(env->command.type, asked.type));
    assert_true(bus_id_equal(env->command.tenant, b));
    assert_true(bus_id_equal(env->command.stream, asked.stream));
    assert_int_equal(env->command.partition, last);
    assert_int_equal(env->command.origin, BUS_ORIGIN_REACTION);
    assert_true(bus_id_equal(env->command.actor.id, b));
    assert_int_equal(env->command.actor.roles, 5);
    assert_int_equal(env->command.actor.grants, 1);
    assert_true(bus_id_equal(env->command.actor.driver_id, a));
    assert_true(bus_id_equal(env->command.correlation_id, a));
    assert_true(bus_str_equal(env->command.causation_id, asked.causation_id));
    assert_true(env->command.expires_at_ms == 1);
    assert_int_equal(env->command.expected_version, INT32_MAX);
    assert_true(env->command.device_at_ms == 2);
    assert_true(env->command.due_at_ms == INT64_MAX);
    assert_true(bus_str_equal(env->command.data, asked.data));
    t.ops->reply(server, env, bus_envelope_of_reply(&said));
    bus_envelope_release(env);
    env = reply_one(c);
    assert_true(env->ticket == UINT64_MAX);
    assert_true(bus_id_equal(env->reply.command_id, a));
    assert_int_equal(env->reply.status, BUS_ANSWER_REFUSED);
    assert_true(env->reply.repeated);
    assert_true(bus_id_equal(env->reply.stream, b));
    assert_int_equal(env->reply.version, 3);
    assert_int_equal(env->reply.partition, 7);
    assert_true(env->reply.offset == INT64_MAX);
    assert_true(bus_str_equal(env->reply.code, said.code));
    assert_true(bus_str_equal(env->reply.params, said.params));
    assert_true(bus_str_equal(env->reply.detail, said.detail));
    assert_true(bus_str_equal(env->reply.events, said.events));
    bus_envelope_release(env);
    t.ops->disconnect(c);
    t.ops->stop(server);
}

/* A body up to the largest that may be configured goes there and back. */
static void
test_large_messages_pass(void **state)
{
    static const uint32_t sizes[] = {1 << 20, 1 << 20, 5 << 20, 64 << 20, 1};
    bus_server           *server = serve("inventory");
    bus_client           *c = client(NULL, NULL);
    bus_error             err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char         *data = malloc(sizes[i]);
        bus_command   large = {.type = BUS_STR("inventory.reserve"), .expected_version = -1};
        bus_envelope *env;

        if (t.broker != NULL && sizes[i] > t.broker->message_bytes_max) {
            (void)printf("%s: not sent: %u bytes\n", t.broker->name, sizes[i]);
            free(data);
            continue;
        }
        assert_non_null(data);
        memset(data, 'a' + (int)i, sizes[i]);
        large.data = (bus_str){data, sizes[i]};
        env = bus_envelope_of_command(&large);
        assert_int_equal(t.ops->send(c, t.ops->address(server), env, i, &err), BUS_OK);
        answer(server, take_one(server));
        env = reply_one(c);
        assert_true(env->ticket == i);
        assert_true(bus_str_equal(env->reply.params, large.data));
        bus_envelope_release(env);
        free(data);
    }
    t.ops->disconnect(c);
    t.ops->stop(server);
}

/* A command that takes long does not hold up the answers of those behind it. */
static void
test_answers_may_overtake_each_other(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *slow, *env;
    uint64_t      slow_ticket;
    bus_error     err;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(t.ops->send(c, t.ops->address(server), command(i), (uint64_t)i, &err),
                         BUS_OK);
    slow = take_one(server);
    for (int i = 1; i < 3; i++) {
        bus_envelope *quick = take_one(server);
        uint64_t      ticket = quick->ticket;

        answer(server, quick);
        env = reply_one(c);
        assert_true(env->ticket == ticket);
        bus_envelope_release(env);
    }
    slow_ticket = slow->ticket;
    answer(server, slow);
    env = reply_one(c);
    assert_true(env->ticket == slow_ticket);
    bus_envelope_release(env);
    t.ops->disconnect(c);
    t.ops->stop(server);
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
        records[i].epoch = 5;
        records[i].stream.bytes[3] = 9;
        records[i].aggregate = BUS_STR("item");
        records[i].version = (int32_t)i + 1;
        records[i].tenant.bytes[15] = 8;
        records[i].command_id.bytes[1] = 7;
        records[i].nth = 2;
        records[i].digest = INT64_MIN;
        records[i].correlation_id.bytes[2] = 6;
        records[i].causation_id = BUS_STR("z:0");
        records[i].actor = BUS_STR("{}");
        records[i].at_ms = 123;
        records[i].device_at_ms = 456;
        records[i].sends = BUS_STR("[1]");
    }
    return bus_batch_of(&b);
}

static void
publish_and_release(bus_batch *b)
{
    if (t.broker != NULL && b->records != NULL)
        t.broker->publish_events(b);
    else
        t.ops->publish(t.far, b);
    bus_batch_release(b);
}

static bus_subscriber *
subscribe(const char *topic)
{
    const char     *topics[] = {topic};
    bus_subscriber *s = NULL;
    bus_error       err = {0};

    assert_int_equal(t.ops->subscribe(t.near, topics, 1, NULL, NULL, &s, &err), BUS_OK);
    return s;
}

/* Publishing until it arrives: a subscription over a network takes a moment. */
static void
wait_for_subscription(bus_subscriber *s, const char *topic)
{
    for (int i = 0; i < 100; i++) {
        bus_batch *b = batch(topic, 1, 1), *got;

        publish_and_release(b);
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
check_record(const bus_record *r, int32_t version)
{
    assert_int_equal(r->partition, 3);
    assert_true(bus_str_is(r->type, "inventory.reserved.v1"));
    assert_true(bus_str_is(r->data, "{\"quantity\":1}"));
    assert_true(r->epoch == 5);
    assert_int_equal(r->stream.bytes[3], 9);
    assert_true(bus_str_is(r->aggregate, "item"));
    assert_int_equal(r->version, version);
    assert_int_equal(r->tenant.bytes[15], 8);
    assert_int_equal(r->command_id.bytes[1], 7);
    assert_int_equal(r->nth, 2);
    assert_true(r->digest == INT64_MIN);
    assert_int_equal(r->correlation_id.bytes[2], 6);
    assert_true(bus_str_is(r->causation_id, "z:0"));
    assert_true(bus_str_is(r->actor, "{}"));
    assert_true(r->at_ms == 123);
    assert_true(r->device_at_ms == 456);
    assert_true(t.broker != NULL ? r->sends.len == 0 : bus_str_is(r->sends, "[1]"));
}

/* Three records from 10 on: at once, or by way of a broker in pieces. */
static void
check_three(bus_subscriber *s)
{
    int64_t offset = 10;

    while (offset < 13) {
        bus_batch *got = t.ops->next(s, PATIENCE_MS);

        assert_non_null(got);
        assert_true(bus_str_is(got->topic, "events.inventory"));
        assert_int_equal(got->partition, 3);
        assert_true(got->first_offset == offset);
        assert_true(t.broker != NULL || got->count == 3);
        for (uint32_t i = 0; i < got->count; i++, offset++) {
            assert_true(got->records[i].offset == offset);
            check_record(&got->records[i], (int32_t)(offset - 9));
        }
        bus_batch_release(got);
    }
    assert_true(offset == 13);
}

static void
test_batches_reach_those_who_subscribed(void **state)
{
    bus_subscriber *s = subscribe("events.inventory"), *other = subscribe("events.orders");
    bus_batch      *b = batch("events.inventory", 10, 3);

    (void)state;
    wait_for_subscription(s, "events.inventory");
    publish_and_release(b);
    check_three(s);
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

        publish_and_release(b);
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

/* What says how far a view is has no records. */
static void
test_progress_has_no_records(void **state)
{
    bus_subscriber *s = subscribe("views.inventory");
    const bus_batch progress = {
        .topic = BUS_STR("views.inventory"), .partition = 4, .first_offset = 77, .count = 1};
    bus_batch *got = NULL;

    (void)state;
    for (int i = 0; i < 100 && got == NULL; i++) {
        bus_batch *b = bus_batch_of(&progress);

        publish_and_release(b);
        got = t.ops->next(s, 50);
    }
    assert_non_null(got);
    assert_int_equal(got->partition, 4);
    assert_true(got->first_offset == 77);
    assert_int_equal(got->count, 1);
    assert_null(got->records);
    bus_batch_release(got);
    t.ops->unsubscribe(s);
}

static void
test_a_publisher_does_not_wait_for_a_slow_subscriber(void **state)
{
    bus_subscriber  *s = subscribe("events.inventory");
    const bus_clock *clock = bus_clock_system();
    int64_t          began;

    (void)state;
    wait_for_subscription(s, "events.inventory");
    began = bus_mono_us(clock);
    for (int i = 0; i < 5000; i++) { /* nobody takes any */
        bus_batch *b = batch("events.inventory", 1 + i, 1);

        publish_and_release(b);
    }
    assert_true(bus_mono_us(clock) - began < PATIENCE_MS * INT64_C(1000));
    t.ops->unsubscribe(s);
}

/* --- between two processes ------------------------------------------------------- */

/* Asks until it is answered DONE, as an edge does. */
static void
ask_until_done(bus_client *c, bus_server *server, const char *address)
{
    bus_error err;

    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        bus_envelope *env = command(1);
        bool          done = false;

        if (t.ops->send(c, address, env, 1, &err) != BUS_OK)
            bus_envelope_release(env);
        if (t.ops->take(server, &env, 1, 20) == 1)
            answer(server, env);
        while (t.ops->replies(c, &env, 1, done ? 0 : 20) == 1) {
            done = done || env->reply.status == BUS_ANSWER_DONE;
            bus_envelope_release(env);
        }
        if (done)
            return;
    }
    fail_msg("never answered");
}

/* The far process ends and another begins at the same url: commands, answers and batches flow
 * again without anybody doing anything. */
static void
test_a_process_is_started_again(void **state)
{
    bus_client     *c = client(NULL, NULL);
    bus_subscriber *s = subscribe("events.inventory");
    bus_server     *server = serve("inventory");
    char            url[BUS_URL_BYTES], address[512];
    bus_envelope   *env;
    bus_error       err;

    (void)state;
    (void)snprintf(url, sizeof(url), "%s", t.ops->url(t.far));
    (void)snprintf(address, sizeof(address), "%s", t.ops->address(server));
    for (int round = 0; apart() && round < 3; round++) {
        ask_until_done(c, server, address);
        wait_for_subscription(s, "events.inventory");
        t.ops->stop(server);
        t.ops->close(t.far);
        env = command(2); /* to nobody: taken and lost, or refused; never waits */
        if (t.ops->send(c, address, env, 2, &err) != BUS_OK)
            bus_envelope_release(env);
        t.far = open_at(url);
        server = serve("inventory");
    }
    ask_until_done(c, server, address);
    t.ops->unsubscribe(s);
    t.ops->disconnect(c);
    t.ops->stop(server);
}

/* The answer to a question of the process that had this url before must not reach its successor,
 * whose tickets may be the same. */
static void
test_answers_to_a_predecessor_are_dropped(void **state)
{
    bus_server   *server = serve("inventory");
    bus_client   *c = client(NULL, NULL);
    bus_envelope *env;
    bus_error     err;
    char          url[BUS_URL_BYTES];

    (void)state;
    assert_int_equal(t.ops->send(c, t.ops->address(server), command(1), 1, &err), BUS_OK);
    env = take_one(server);
    t.ops->disconnect(c);
    if (apart()) {
        (void)snprintf(url, sizeof(url), "%s", t.ops->url(t.near));
        t.ops->close(t.near);
        t.near = open_at(url);
    }
    c = client(NULL, NULL);
    answer(server, env);
    assert_int_equal(t.ops->replies(c, &env, 1, 300), 0);
    t.ops->disconnect(c);
    t.ops->stop(server);
}

static void
test_batches_end_when_hung_up(void **state)
{
    bus_subscriber *s = subscribe("events.inventory");
    const int64_t   begin_us = bus_mono_us(bus_clock_system());
    bus_batch      *got;
    int             sent = 0;

    (void)state;
    if (!apart() || t.broker != NULL) {
        t.ops->unsubscribe(s);
        return; /* there is nobody to hang up */
    }
    wait_for_subscription(s, "events.inventory");
    t.ops->peers(t.near, NULL, 0);
    do { /* until one is missing */
        bus_batch *b = batch("events.inventory", 50 + sent++, 1);

        publish_and_release(b);
        got = t.ops->next(s, 100);
        bus_batch_release(got);
    } while (got != NULL &&
             bus_mono_us(bus_clock_system()) - begin_us < 6 * PATIENCE_MS * INT64_C(1000));
    assert_null(got);
    introduce();
    wait_for_subscription(s, "events.inventory");
    t.ops->unsubscribe(s);
}

/* Everything is closed while all queues are full: nothing hangs, nothing leaks. */
static void
test_closing_with_messages_on_their_way(void **state)
{
    bus_server     *server = serve("inventory");
    bus_client     *c = client(NULL, NULL);
    bus_subscriber *s = subscribe("events.inventory");
    bus_error       err;

    (void)state;
    wait_for_subscription(s, "events.inventory");
    for (int i = 0; i < 4 * QUEUE_MAX; i++) {
        bus_envelope *env = command(i % 200);
        bus_batch    *b = batch("events.inventory", 100 + i, 8);

        if (t.ops->send(c, t.ops->address(server), env, 1, &err) != BUS_OK)
            bus_envelope_release(env);
        publish_and_release(b);
    }
    t.ops->disconnect(c);
    t.ops->unsubscribe(s);
    t.ops->stop(server);
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
    bool        seen[ROUNDS] = {false};

    if (t.ops->connect(t.near, NULL, NULL, &c, &err) != BUS_OK)
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
        /* Each once, and in order where nothing but the other side is in between. */
        if (env->ticket >= asked || seen[env->ticket] ||
            (t.broker == NULL && env->ticket != answered))
            break;
        seen[env->ticket] = true;
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
    char        address[512];

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

#define WITH_TRANSPORTS(test) \
    cmocka_unit_test_setup_teardown(test, open_transports, close_transports)

static int
run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        WITH_TRANSPORTS(test_a_command_goes_and_its_reply_comes_back),
        WITH_TRANSPORTS(test_every_member_arrives),
        WITH_TRANSPORTS(test_order_is_kept_from_one_sender),
        WITH_TRANSPORTS(test_answers_may_overtake_each_other),
        WITH_TRANSPORTS(test_large_messages_pass),
        WITH_TRANSPORTS(test_a_full_queue_pushes_back),
        WITH_TRANSPORTS(test_nobody_serves_it_any_more),
        WITH_TRANSPORTS(test_no_address_at_all),
        WITH_TRANSPORTS(test_a_reply_to_one_who_left_is_dropped),
        WITH_TRANSPORTS(test_two_servers_have_two_addresses),
        WITH_TRANSPORTS(test_sleep_ends_by_time_and_by_wake),
        WITH_TRANSPORTS(test_ready_is_told_when_something_comes),
        WITH_TRANSPORTS(test_batches_reach_those_who_subscribed),
        WITH_TRANSPORTS(test_progress_has_no_records),
        WITH_TRANSPORTS(test_a_slow_subscriber_sees_a_gap),
        WITH_TRANSPORTS(test_a_publisher_does_not_wait_for_a_slow_subscriber),
        WITH_TRANSPORTS(test_a_process_is_started_again),
        WITH_TRANSPORTS(test_answers_to_a_predecessor_are_dropped),
        WITH_TRANSPORTS(test_batches_end_when_hung_up),
        WITH_TRANSPORTS(test_closing_with_messages_on_their_way),
        WITH_TRANSPORTS(test_many_clients_at_once),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int
transport_conformance(const char *name, const bus_transport_ops *ops, const char *url,
                      const char *far_url)
{
    t.ops = ops;
    t.url = url;
    t.far_url = far_url;
    t.broker = NULL;
    return run_all(name);
}

int
transport_conformance_brokered(const transport_conformance_broker *broker)
{
    t.ops = broker->ops;
    t.url = "near";
    t.far_url = "far";
    t.broker = broker;
    return run_all(broker->name);
}
