/* producer_test.c - each message's fate is told once, whatever becomes of the producer.
 * The brokers are librdkafka's mock, which fails as it is told to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/transport/kafka/producer.h"
#include "tests/support/mock_brokers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES 100
#define PATIENCE_MS 10000

static const char *const domains[] = {"inventory"};

static struct {
    mock_brokers        brokers;
    bus_kafka_settings  settings;
    bus_kafka_producer *producer;
    char                topic[BUS_KAFKA_TOPIC_BYTES];
    atomic_int          told[MESSAGES], total, by_class[BUS_KAFKA_CLASSES];
} t;

static void
on_delivered(void *context, const rd_kafka_message_t *message)
{
    (void)context;
    atomic_fetch_add((atomic_int *)message->_private, 1);
    atomic_fetch_add(&t.by_class[bus_kafka_class_of(message->err)], 1);
    atomic_fetch_add(&t.total, 1);
}

static int
start(void **state)
{
    bus_error err = {0};

    (void)state;
    memset(&t, 0, sizeof(t));
    t.settings = (bus_kafka_settings){.prefix = "shina",
                                      .process = "test-1.abc",
                                      .partitions = 2,
                                      .answers = 1,
                                      .edge = -1,
                                      .domains = domains,
                                      .domains_count = 1};
    mock_brokers_start(&t.brokers, &t.settings);
    (void)bus_kafka_topic_name(&t.settings, BUS_KAFKA_COMMANDS, "inventory", t.topic);
    if (bus_kafka_producer_create(&t.producer, &t.settings, MESSAGES, on_delivered, NULL, &err) !=
        BUS_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    bus_kafka_producer_destroy(t.producer, 1000);
    mock_brokers_stop(&t.brokers);
    return 0;
}

static bus_code
send_nth(int nth, bus_error *err)
{
    bus_buf  value = {0};
    bus_code rc;

    bus_buf_printf(&value, "message %d", nth);
    rc = bus_kafka_producer_send(t.producer, t.topic, nth % 2, &value, &t.told[nth], err);
    assert_int_equal(value.at == NULL, rc == BUS_OK); /* taken only on success */
    bus_buf_fini(&value);
    return rc;
}

static bool
told_within(int total, int ms)
{
    for (int i = 0; i < ms && atomic_load(&t.total) < total; i++)
        (void)usleep(1000);
    return atomic_load(&t.total) == total;
}

static void
push_errors(rd_kafka_resp_err_t error, int times)
{
    for (int i = 0; i < times; i++)
        rd_kafka_mock_push_request_errors(t.brokers.cluster, 0 /* Produce */, 1, error);
}

/* One message meets an error that no repeating mends. */
static void
fails_at_once(rd_kafka_resp_err_t error, bus_kafka_class class)
{
    bus_error err = {0};

    push_errors(error, 1);
    assert_int_equal(send_nth(0, &err), BUS_OK);
    assert_true(told_within(1, 3000));
    assert_int_equal(t.by_class[class], 1);
}

static void
test_delivered(void **state)
{
    bus_error err = {0};

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(send_nth(i, &err), BUS_OK);
    assert_true(told_within(MESSAGES, PATIENCE_MS));
    assert_int_equal(t.by_class[BUS_KAFKA_FINE], MESSAGES);
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(t.told[i], 1);
}

static void
test_what_passes_by_itself_is_repeated(void **state)
{
    bus_error err = {0};

    (void)state;
    push_errors(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 2);
    push_errors(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 1);
    push_errors(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                1);                               /* a broker that has yet to hear of it */
    push_errors(RD_KAFKA_RESP_ERR__TRANSPORT, 1); /* the connection breaks */
    assert_int_equal(send_nth(0, &err), BUS_OK);
    assert_true(told_within(1, PATIENCE_MS));
    assert_int_equal(t.by_class[BUS_KAFKA_FINE], 1);
}

static void
test_not_authorised(void **state)
{
    (void)state;
    fails_at_once(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, BUS_KAFKA_DENIED);
}

static void
test_too_large_for_the_topic(void **state)
{
    (void)state;
    fails_at_once(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, BUS_KAFKA_REFUSED);
}

/* Said by send() as soon as it is known, else told. */
static void
test_no_such_partition(void **state)
{
    bus_buf   value = {0};
    bus_error err = {0};
    bus_code  rc;

    (void)state;
    assert_int_equal(send_nth(0, &err), BUS_OK);
    assert_true(told_within(1, PATIENCE_MS));
    bus_buf_add_text(&value, "lost");
    rc = bus_kafka_producer_send(t.producer, t.topic, 77, &value, &t.told[1], &err);
    bus_buf_fini(&value);
    if (rc == BUS_OK) {
        assert_true(told_within(2, 3000));
        assert_int_equal(t.by_class[BUS_KAFKA_UNKNOWN_TOPIC], 1);
    } else {
        assert_int_equal(rc, BUS_NOT_FOUND);
        assert_non_null(strstr(err.text, t.topic));
    }
}

static void
test_no_room(void **state)
{
    bus_error err = {0};
    int       sent = 0;

    (void)state;
    for (int broker = 1; broker <= MOCK_BROKERS; broker++)
        assert_int_equal(rd_kafka_mock_broker_set_rtt(t.brokers.cluster, broker, 500),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    while (sent < MESSAGES && send_nth(sent, &err) == BUS_OK)
        sent++;
    assert_int_equal(sent, MESSAGES);
    assert_int_equal(send_nth(0, &err), BUS_FULL); /* one more than it was made for */
    assert_true(err.retryable);
    assert_true(told_within(MESSAGES, PATIENCE_MS));
}

/* The producer is of no more use: what it held is told, another takes its place. */
static void
test_a_fatal_error(void **state)
{
    bus_error err = {0};
    int       sent = 0;

    (void)state;
    mock_brokers_set_down(&t.brokers, true);
    while (sent < 5 && send_nth(sent, &err) == BUS_OK)
        sent++;
    assert_in_range(sent, 1, 5);
    (void)rd_kafka_test_fatal_error(bus_kafka_client_handle(bus_kafka_producer_hold(t.producer)),
                                    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                    "as the test wants it");
    (void)usleep(500000);
    assert_int_equal(told_within(1, 0), 0); /* who asks the brokers with it may go on */
    bus_kafka_producer_release(t.producer);
    assert_true(told_within(sent, PATIENCE_MS));
    assert_int_equal(t.by_class[BUS_KAFKA_FINE], 0);
    mock_brokers_set_down(&t.brokers, false);
    for (int i = 0; i < PATIENCE_MS / 10 && send_nth(sent, &err) != BUS_OK; i++) {
        assert_int_equal(err.code, BUS_UNAVAILABLE);
        (void)usleep(10000);
    }
    assert_true(told_within(sent + 1, PATIENCE_MS));
    assert_int_equal(t.by_class[BUS_KAFKA_FINE], 1);
}

static void
test_brokers_away_and_back(void **state)
{
    const bus_clock *clock = bus_clock_system();
    bus_error        err = {0};
    int64_t          began_us;
    int              sent = 0, refused = 0;

    (void)state;
    assert_int_equal(send_nth(sent++, &err), BUS_OK);
    assert_true(told_within(sent, PATIENCE_MS));
    mock_brokers_set_down(&t.brokers, true);
    began_us = bus_mono_us(clock);
    while (refused < 3 && bus_mono_us(clock) - began_us < PATIENCE_MS * INT64_C(1000)) {
        bus_code rc = sent < MESSAGES - 1 ? send_nth(sent, &err) : BUS_FULL;

        refused += rc == BUS_UNAVAILABLE; /* said at once */
        sent += rc == BUS_OK;
        (void)usleep(100000);
    }
    assert_int_equal(refused, 3);
    assert_true(told_within(sent, BUS_KAFKA_DELIVERY_MS + 3000)); /* given up in time */
    assert_int_equal(t.by_class[BUS_KAFKA_TIMED_OUT], sent - 1);
    mock_brokers_set_down(&t.brokers, false);
    for (int i = 0; i < PATIENCE_MS / 10 && send_nth(sent, &err) != BUS_OK; i++)
        (void)usleep(10000);
    assert_true(told_within(sent + 1, PATIENCE_MS));
    assert_int_equal(t.by_class[BUS_KAFKA_FINE], 2);
}

static void
test_what_is_left_at_the_end_is_told_as_purged(void **state)
{
    bus_error err = {0};
    int       sent = 0;

    (void)state;
    mock_brokers_set_down(&t.brokers, true);
    while (sent < 3 && send_nth(sent, &err) == BUS_OK) /* until it sees that nobody is there */
        sent++;
    assert_in_range(sent, 1, 3);
    bus_kafka_producer_destroy(t.producer, 100);
    t.producer = NULL;
    assert_int_equal(t.total, sent);
    assert_int_equal(t.by_class[BUS_KAFKA_PURGED], sent);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_delivered),
        STORY(test_what_passes_by_itself_is_repeated),
        STORY(test_not_authorised),
        STORY(test_too_large_for_the_topic),
        STORY(test_no_such_partition),
        STORY(test_no_room),
        STORY(test_a_fatal_error),
        STORY(test_brokers_away_and_back),
        STORY(test_what_is_left_at_the_end_is_told_as_purged),
    };

    return cmocka_run_group_tests_name("kafka producer", tests, NULL, NULL);
}
