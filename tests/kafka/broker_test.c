/* broker_test.c - the broker of the tests does what tests ask of it: three nodes, a leader that is
 * killed, one that comes back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/kafka/broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOPIC "three"

static void
create_topic(rd_kafka_t *client, int copies)
{
    char                 text[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(TOPIC, 1, copies, text, sizeof(text));
    rd_kafka_queue_t    *queue = rd_kafka_queue_new(client);
    rd_kafka_event_t    *event;

    assert_non_null(topic);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

static void
on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    (void)client, (void)context;
    *(rd_kafka_resp_err_t *)message->_private = message->err;
}

/* Waits until it is acknowledged. */
static void
put(rd_kafka_t *client, const char *text)
{
    rd_kafka_resp_err_t result = RD_KAFKA_RESP_ERR__IN_PROGRESS;

    assert_int_equal(rd_kafka_producev(client, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE((void *)(uintptr_t)text, strlen(text)),
                                       RD_KAFKA_V_OPAQUE(&result), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(client, 60000), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(result, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static rd_kafka_t *
producer(const tests_kafka *kafka)
{
    char             text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t      *client;

    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", tests_kafka_servers(kafka), text,
                                       sizeof(text)),
                     RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text)),
                     RD_KAFKA_CONF_OK);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(client);
    return client;
}

static int
leader_within(const tests_kafka *kafka, int seconds, int other_than)
{
    for (int i = 0; i < seconds * 10; i++) {
        int leader = tests_kafka_leader(kafka, TOPIC, 0);

        if (leader >= 0 && leader != other_than)
            return leader;
        (void)usleep(100000);
    }
    fail_msg("nobody leads after %d s", seconds);
    return -1;
}

static void
test_a_killed_leader_is_replaced_and_comes_back(void **state)
{
    tests_kafka *kafka = tests_kafka_start(3);
    rd_kafka_t  *client;
    int          leader;

    (void)state;
    if (!tests_kafka_is_real(kafka)) { /* the mock moves no leaders */
        tests_kafka_stop(kafka);
        skip();
    }
    client = producer(kafka);
    create_topic(client, 3);
    leader = leader_within(kafka, 30, -1);
    put(client, "one");
    tests_kafka_kill(kafka, leader);
    put(client, "two");
    assert_int_not_equal(leader_within(kafka, 30, leader), leader);
    tests_kafka_restart(kafka, leader);
    assert_true(tests_kafka_wait(kafka, 3, 60));
    put(client, "three");
    rd_kafka_destroy(client);
    tests_kafka_stop(kafka);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_killed_leader_is_replaced_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
