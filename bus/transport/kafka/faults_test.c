/* faults_test.c - what the transport does when brokers fail, and where a new owner goes on.
 * The brokers are librdkafka's mock, which fails as it is told to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/transport/transport.h"
#include "tests/support/mock_brokers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPS bus_transport_kafka
#define PARTITIONS 2
#define QUEUE_MAX 8
#define PATIENCE_MS 15000

/* Numbers of requests: https://kafka.apache.org/protocol#protocol_api_keys */
enum { PRODUCE = 0, FETCH = 1, OFFSET_FETCH = 9 };

static const char *const domains[] = {"inventory"};

static struct {
    mock_brokers       brokers;
    bus_kafka_settings near_settings, far_settings;
    bus_transport     *near, *far; /* asks; serves */
    bus_client        *client;
    bus_server        *server;
    bus_error          err;
} t;

static bus_transport *
open_as(bus_kafka_settings *settings)
{
    const bus_transport_options options = {
        .queue_max = QUEUE_MAX, .batches_max = 8, .kafka = settings};
    bus_transport *transport = NULL;

    if (OPS.open(&transport, &options, &t.err) != BUS_OK)
        fail_msg("%s", t.err.text);
    return transport;
}

static void
serve(void)
{
    static const uint16_t all[PARTITIONS] = {0, 1};

    t.far = open_as(&t.far_settings);
    assert_int_equal(OPS.serve(t.far, "inventory", &t.server, &t.err), BUS_OK);
    OPS.own(t.server, all, PARTITIONS);
}

static void
stop_serving(void)
{
    OPS.stop(t.server);
    OPS.close(t.far);
    t.server = NULL;
    t.far = NULL;
}

static int
start(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.near_settings = (bus_kafka_settings){.prefix = "shina",
                                           .process = "near-1.test",
                                           .partitions = PARTITIONS,
                                           .answers = 1,
                                           .edge = 0,
                                           .domains = domains,
                                           .domains_count = 1};
    mock_brokers_start(&t.brokers, &t.near_settings);
    t.far_settings = t.near_settings;
    t.far_settings.process = "far-1.test";
    t.near = open_as(&t.near_settings);
    assert_int_equal(OPS.connect(t.near, NULL, NULL, &t.client, &t.err), BUS_OK);
    serve();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    if (t.far != NULL)
        stop_serving();
    OPS.disconnect(t.client);
    OPS.close(t.near);
    mock_brokers_stop(&t.brokers);
    return 0;
}

static bus_code
try_to_send(bus_client *client, int n)
{
    const bus_command c = {.type = BUS_STR("inventory.reserve"),
                           .command_id = {{(uint8_t)n}},
                           .partition = 1,
                           .expected_version = -1,
                           .data = BUS_STR("{}")};
    bus_envelope     *env = bus_envelope_of_command(&c);
    bus_code rc = OPS.send(client, "kafka://far-1.test#inventory/1", env, (uint64_t)n, &t.err);

    if (rc != BUS_OK)
        bus_envelope_release(env);
    return rc;
}

static void
ask(int n)
{
    if (try_to_send(t.client, n) != BUS_OK)
        fail_msg("%s", t.err.text);
}

static bus_envelope *
take(int n)
{
    bus_envelope *env = NULL;

    assert_int_equal(OPS.take(t.server, &env, 1, PATIENCE_MS), 1);
    assert_int_equal(env->command.command_id.bytes[0], n);
    return env;
}

static void
answer(bus_envelope *request)
{
    const bus_reply reply = {.command_id = request->command.command_id, .status = BUS_ANSWER_DONE};

    OPS.reply(t.server, request, bus_envelope_of_reply(&reply));
    bus_envelope_release(request);
}

static bus_answer_status
answered(bus_client *client, int n, int patience_ms)
{
    bus_envelope     *env = NULL;
    bus_answer_status status;

    assert_int_equal(OPS.replies(client, &env, 1, patience_ms), 1);
    assert_true(env->ticket == (uint64_t)n);
    assert_int_equal(env->reply.command_id.bytes[0], n);
    status = env->reply.status;
    if (status == BUS_ANSWER_FAILED)
        assert_true(env->reply.detail.len > 0);
    bus_envelope_release(env);
    return status;
}

/* There and back; from then on everything is connected and read. */
static void
goes_there_and_back(int n)
{
    ask(n);
    answer(take(n));
    assert_int_equal(answered(t.client, n, PATIENCE_MS), BUS_ANSWER_DONE);
}

/* --- brokers that fail ------------------------------------------------------------- */

static void
test_the_asker_is_told_at_once_what_cannot_arrive(void **state)
{
    (void)state;
    goes_there_and_back(1);
    rd_kafka_mock_push_request_errors(t.brokers.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    ask(2);
    assert_int_equal(answered(t.client, 2, 2000), BUS_ANSWER_FAILED);
    goes_there_and_back(3);
    rd_kafka_mock_push_request_errors(t.brokers.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ask(4);
    assert_int_equal(answered(t.client, 4, 2000), BUS_ANSWER_FAILED);
    /* The next one is not even tried, until librdkafka has asked the brokers anew. */
    assert_int_equal(try_to_send(t.client, 5), BUS_DENIED);
}

static void
test_what_passes_by_itself_nobody_hears_of(void **state)
{
    (void)state;
    goes_there_and_back(1);
    rd_kafka_mock_push_request_errors(t.brokers.cluster, PRODUCE, 2,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    goes_there_and_back(2);
    rd_kafka_mock_push_request_errors(
        t.brokers.cluster, FETCH, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    goes_there_and_back(3);
}

static void
test_a_leader_that_moves(void **state)
{
    (void)state;
    for (int leader = 1; leader <= MOCK_BROKERS; leader++) {
        assert_int_equal(rd_kafka_mock_partition_set_leader(t.brokers.cluster,
                                                            "shina.inventory.commands", 1, leader),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        goes_there_and_back(leader);
    }
}

/* Said while they are away, and all goes on when they are back. */
static void
test_brokers_away_and_back(void **state)
{
    const bus_clock *clock = bus_clock_system();
    int64_t          until_us;
    bus_envelope    *env = NULL;
    bus_code         rc = BUS_OK;
    int              sent = 0, failed = 0;

    (void)state;
    goes_there_and_back(1);
    mock_brokers_set_down(&t.brokers, true);
    until_us = bus_mono_us(clock) + PATIENCE_MS * INT64_C(1000);
    while (rc != BUS_UNAVAILABLE && bus_mono_us(clock) < until_us) {
        rc = try_to_send(t.client, 100);
        sent += rc == BUS_OK;
        assert_true(rc == BUS_OK || t.err.retryable);
        (void)usleep(20000);
    }
    assert_int_equal(rc, BUS_UNAVAILABLE);
    while (!OPS.away(t.near) && bus_mono_us(clock) < until_us)
        (void)usleep(20000);
    assert_true(OPS.away(t.near));
    while (failed < sent && OPS.replies(t.client, &env, 1, 8000) == 1) {
        assert_int_equal(env->reply.status, BUS_ANSWER_FAILED);
        bus_envelope_release(env);
        failed++;
    }
    assert_int_equal(failed, sent);
    mock_brokers_set_down(&t.brokers, false);
    while (OPS.away(t.near) && bus_mono_us(clock) < until_us) /* though nobody sends */
        (void)usleep(20000);
    assert_false(OPS.away(t.near));
    while (try_to_send(t.client, 2) != BUS_OK && bus_mono_us(clock) < until_us)
        (void)usleep(20000);
    answer(take(2));
    assert_int_equal(answered(t.client, 2, PATIENCE_MS), BUS_ANSWER_DONE);
}

static void
test_more_than_there_is_room_for_is_pushed_back(void **state)
{
    int sent = 0;

    (void)state;
    goes_there_and_back(1);
    for (int broker = 1; broker <= MOCK_BROKERS; broker++)
        assert_int_equal(rd_kafka_mock_broker_set_rtt(t.brokers.cluster, broker, 1000),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    while (sent <= QUEUE_MAX && try_to_send(t.client, 50 + sent) == BUS_OK)
        sent++;
    assert_int_equal(sent, QUEUE_MAX);
    assert_int_equal(t.err.code, BUS_FULL);
    assert_true(t.err.retryable);
}

/* --- where a new owner goes on -------------------------------------------------------- */

/* What was answered stays answered; what was taken and not answered comes again, in order. */
static void
test_a_new_owner_begins_at_the_lowest_without_answer(void **state)
{
    bus_envelope *second;

    (void)state;
    for (int n = 1; n <= 4; n++)
        ask(n);
    answer(take(1));
    second = take(2);
    answer(take(3));
    bus_envelope_release(second); /* never answered, as by a process that was killed */
    bus_envelope_release(take(4));
    stop_serving();
    serve();
    answer(take(2));
    answer(take(3)); /* a repeat: the writer knows it by its id */
    answer(take(4));
    stop_serving();
    serve();
    ask(5);
    answer(take(5));
}

/* Nobody owns the partition for a moment: what comes meanwhile is there for the next owner, be it
 * the same one. */
static void
test_nothing_is_lost_between_two_owners(void **state)
{
    static const uint16_t all[PARTITIONS] = {0, 1};

    (void)state;
    goes_there_and_back(1);
    OPS.own(t.server, NULL, 0);
    ask(2);
    (void)usleep(300000); /* so that it may have come already */
    OPS.own(t.server, all, PARTITIONS);
    answer(take(2));
    assert_int_equal(answered(t.client, 2, PATIENCE_MS), BUS_ANSWER_DONE);
    goes_there_and_back(3);
}

/* Without an answer to where it was, time says where to begin; the mock knows no times, so from the
 * end on. */
static void
test_the_brokers_do_not_tell_what_is_kept(void **state)
{
    (void)state;
    goes_there_and_back(1);
    stop_serving();
    for (int i = 0; i < 4; i++)
        rd_kafka_mock_push_request_errors(t.brokers.cluster, OFFSET_FETCH, 1,
                                          RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    serve();
    for (int i = 0; i < 100; i++) { /* until it reads */
        bus_envelope *env;

        ask(2);
        if (OPS.take(t.server, &env, 1, 300) == 1) {
            answer(env);
            break;
        }
    }
    assert_int_equal(answered(t.client, 2, PATIENCE_MS), BUS_ANSWER_DONE);
}

/* Keeps a place that is not there, as that of a topic which was made anew. */
static void
keep_place(int64_t offset)
{
    const char *const              properties[] = {"group.id", "shina.commands", NULL};
    const bus_kafka_client_options options = {
        .type = RD_KAFKA_CONSUMER, .role = "test", .properties = properties};
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    bus_kafka_client                *client = NULL;

    rd_kafka_topic_partition_list_add(list, "shina.inventory.commands", 1)->offset = offset;
    assert_int_equal(bus_kafka_client_create(&client, &t.near_settings, &options, &t.err), BUS_OK);
    assert_int_equal(rd_kafka_commit(bus_kafka_client_handle(client), list, 0),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    bus_kafka_client_destroy(client);
    rd_kafka_topic_partition_list_destroy(list);
}

static void
test_a_place_that_is_gone(void **state)
{
    (void)state;
    goes_there_and_back(1);
    stop_serving();
    ask(2);
    keep_place(1000);
    serve();
    answer(take(1)); /* from the beginning of what is there */
    answer(take(2));
}

/* --- what is not for us ---------------------------------------------------------------- */

static void
write_raw(const char *topic, int partition, const char *value)
{
    static const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER, .role = "test"};
    bus_kafka_client                     *client = NULL;
    rd_kafka_t                           *handle;

    assert_int_equal(bus_kafka_client_create(&client, &t.near_settings, &options, &t.err), BUS_OK);
    handle = bus_kafka_client_handle(client);
    assert_int_equal(rd_kafka_producev(handle, RD_KAFKA_V_TOPIC(topic),
                                       RD_KAFKA_V_PARTITION(partition),
                                       RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(handle, PATIENCE_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    bus_kafka_client_destroy(client);
}

static void
test_nonsense_is_passed_over(void **state)
{
    static const char *const nonsense[] = {"",
                                           "x",
                                           "shk1",
                                           "shk1\x01",
                                           "shk1\x02zzzz",
                                           "shk1\x01zzzzzz",
                                           "shk1\x01zzzz\x01\x01zzzzzzzzzzzz"};

    (void)state;
    goes_there_and_back(1);
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        write_raw("shina.inventory.commands", 1, nonsense[i]);
        write_raw("shina.answers", 0, nonsense[i]);
    }
    goes_there_and_back(2);
}

/* Two that share a partition of answers, with the same tickets. */
static void
test_answers_reach_who_asked(void **state)
{
    bus_kafka_settings settings = t.near_settings;
    bus_transport     *other;
    bus_client        *client = NULL;
    bus_envelope      *env = NULL;

    (void)state;
    settings.process = "near-2.test";
    other = open_as(&settings);
    assert_int_equal(OPS.connect(other, NULL, NULL, &client, &t.err), BUS_OK);
    goes_there_and_back(1);
    assert_int_equal(try_to_send(client, 2), BUS_OK);
    answer(take(2));
    assert_int_equal(answered(client, 2, PATIENCE_MS), BUS_ANSWER_DONE);
    ask(3);
    answer(take(3));
    assert_int_equal(answered(t.client, 3, PATIENCE_MS), BUS_ANSWER_DONE);
    assert_int_equal(OPS.replies(client, &env, 1, 300), 0);
    assert_int_equal(OPS.replies(t.client, &env, 1, 0), 0);
    OPS.disconnect(client);
    OPS.close(other);
}

/* Whoever commits rings; who commits here needs no broker to hear it. */
static void
test_bells_of_what_was_committed(void **state)
{
    const char *const topics[] = {"heads.inventory"};
    bus_record        record = {.partition = 1, .offset = 7, .data = BUS_STR("{}")};
    const bus_batch   batch = {.topic = BUS_STR("events.inventory"),
                               .partition = 1,
                               .first_offset = 7,
                               .count = 1,
                               .records = &record};
    bus_transport    *sides[] = {t.far, t.near};
    bus_subscriber   *subscriber = NULL;
    bus_batch        *owned = bus_batch_of(&batch), *got = NULL;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(OPS.subscribe(sides[i], topics, 1, NULL, NULL, &subscriber, &t.err),
                         BUS_OK);
        for (int tries = 0; got == NULL && tries < 100; tries++) {
            OPS.publish(t.far, owned);
            got = OPS.next(subscriber, i == 0 ? 0 : 100); /* within the process at once */
            assert_true(i == 1 || got != NULL);
        }
        assert_non_null(got);
        assert_true(bus_str_is(got->topic, "heads.inventory"));
        assert_int_equal(got->partition, 1);
        assert_true(got->first_offset == 7);
        assert_int_equal(got->count, 1);
        assert_null(got->records);
        bus_batch_release(got);
        got = NULL;
        OPS.unsubscribe(subscriber);
    }
    bus_batch_release(owned);
}

/* --- settings --------------------------------------------------------------------------- */

static void
refused(bus_kafka_settings *settings, bus_code code, const char *why)
{
    const bus_transport_options options = {
        .queue_max = QUEUE_MAX, .batches_max = 8, .kafka = settings};
    bus_transport *transport = NULL;

    assert_int_equal(OPS.open(&transport, &options, &t.err), code);
    if (strstr(t.err.text, why) == NULL)
        fail_msg("%s is not in %s", why, t.err.text);
}

static void
test_settings_that_do_not_fit(void **state)
{
    bus_kafka_settings settings = t.near_settings;

    (void)state;
    refused(NULL, BUS_INVALID, "no settings");
    settings.edge = 1;
    refused(&settings, BUS_INVALID, "SHINA_EDGE_ID 1");
    settings = t.near_settings;
    settings.partitions = 3;
    refused(&settings, BUS_INVALID,
            "shina.inventory.commands: 3 partitions are wanted, found are 2");
    settings = t.near_settings;
    settings.answers = 2;
    refused(&settings, BUS_INVALID, "shina.answers: 2 partitions are wanted, found are 1");
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_the_asker_is_told_at_once_what_cannot_arrive),
        STORY(test_what_passes_by_itself_nobody_hears_of),
        STORY(test_a_leader_that_moves),
        STORY(test_brokers_away_and_back),
        STORY(test_more_than_there_is_room_for_is_pushed_back),
        STORY(test_a_new_owner_begins_at_the_lowest_without_answer),
        STORY(test_nothing_is_lost_between_two_owners),
        STORY(test_the_brokers_do_not_tell_what_is_kept),
        STORY(test_a_place_that_is_gone),
        STORY(test_nonsense_is_passed_over),
        STORY(test_answers_reach_who_asked),
        STORY(test_bells_of_what_was_committed),
        STORY(test_settings_that_do_not_fit),
    };

    return cmocka_run_group_tests_name("kafka faults", tests, NULL, NULL);
}
