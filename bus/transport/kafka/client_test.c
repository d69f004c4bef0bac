/* client_test.c - settings are checked with file and line, no secret is told, and errors mean what
 * can be done about them. Topics are checked on librdkafka's mock cluster, which cannot make them:
 * that is for the tests with a real broker.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/metrics/metrics.h"
#include "bus/transport/kafka/client.h"
#include "bus/transport/kafka/figures.h"
#include "bus/transport/kafka/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bus_kafka_settings
settings_of(const char *properties)
{
    return (bus_kafka_settings){.servers = "127.0.0.1:1",
                                .properties = properties,
                                .prefix = "shina",
                                .process = "test-1.abc",
                                .partitions = 8,
                                .answers = 4,
                                .edge = -1,
                                .replication = 1};
}

/* --- settings ---------------------------------------------------------------- */

static char path[] = "/tmp/shina-kafka-properties-XXXXXX";

static int
make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 ? 0 : -1;
}

static int
remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static bus_code
check(const char *text, bus_error *err)
{
    const bus_kafka_settings settings = settings_of(path);
    FILE                    *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    *err = (bus_error){0};
    return bus_kafka_settings_check(&settings, err);
}

static void
refused(const char *text, const char *why, const char *secret)
{
    bus_error err;

    assert_int_equal(check(text, &err), BUS_INVALID);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s is not in %s", why, err.text);
    if (secret != NULL)
        assert_null(strstr(err.text, secret));
}

static void
test_properties_of_tls_and_sasl_pass_through(void **state)
{
    bus_error err;

    (void)state;
    assert_int_equal(check("# of the brokers\n\n"
                           "security.protocol = SASL_SSL \r\n"
                           "sasl.mechanism=SCRAM-SHA-512\nsasl.username=shina\n"
                           "sasl.password=a=b c\nssl.ca.location=/nowhere/ca.pem\n"
                           "compression.type=lz4\nfetch.min.bytes=1",
                           &err),
                     BUS_OK);
}

static void
test_a_wrong_property_is_named_with_its_place(void **state)
{
    (void)state;
    refused("\nsecurity.protocol=TLS\n", ":2: ", NULL);
    refused("security.protocol=TLS\n", "security.protocol", NULL);
    refused("no.such.thing=1\n", ":1: librdkafka has no property no.such.thing", NULL);
    refused("#\n#\nnonsense\n", ":3: key=value is wanted", NULL);
    refused("=x\n", ":1: key=value is wanted", NULL);
}

static void
test_what_the_bus_relies_on_is_not_for_the_file(void **state)
{
    (void)state;
    refused("acks=0\n", ":1: acks is set by shina itself", NULL);
    refused("enable.idempotence=false\n", "is set by shina itself", NULL);
    refused("socket.nagle.disable=false\n", "is set by shina itself", NULL);
    refused("bootstrap.servers=elsewhere:9092\n", "is set by shina itself", NULL);
    refused("test.mock.num.brokers=3\n", "is set by shina itself", NULL);
}

static void
test_no_secret_is_told(void **state)
{
    (void)state;
    refused("ssl.key.password hunter2\n", "key=value is wanted", "hunter2");
    refused("sasl.passwort=hunter2\n", "no property sasl.passwort", "hunter2");
    refused("sasl.oauthbearer.method=hunter2\n", "sasl.oauthbearer.method is not allowed",
            "hunter2");
}

static void
test_a_file_that_is_not_there_and_no_broker_at_all(void **state)
{
    bus_kafka_settings settings = settings_of("/nowhere/kafka.properties");
    bus_error          err = {0};

    (void)state;
    assert_int_equal(bus_kafka_settings_check(&settings, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "/nowhere/kafka.properties"));
    settings.properties = NULL;
    settings.servers = "";
    assert_int_equal(bus_kafka_settings_check(&settings, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "SHINA_KAFKA"));
}

static void
test_brokers_that_cannot_be_are_told_before_they_are_waited_for(void **state)
{
    static const char *const good[] = {"localhost:9092",
                                       "kafka",
                                       "10.0.0.1:1,10.0.0.2:65535",
                                       "[::1]:9092, plaintext://b.example:9093",
                                       "[::1]",
                                       "a:1,,b:2,"};
    static const char *const bad[] = {"127.0.0.1:99999", "kafka:", "kafka:0",   "kafka:9092x",
                                      ":9092",           ",",      "SSL://a:1", "a b:1",
                                      "::1:9092",        "[::1",   "a:-1",      "[::1]x:1",
                                      "http://a:1/b",    "://a:1", "a:1;b:2",   "a:1,kafak://b:2"};
    bus_kafka_settings       settings = settings_of(NULL);
    bus_error                err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        settings.servers = good[i];
        if (bus_kafka_settings_check(&settings, &err) != BUS_OK)
            fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        settings.servers = bad[i];
        if (bus_kafka_settings_check(&settings, &err) != BUS_INVALID)
            fail_msg("%s is taken", bad[i]);
        assert_non_null(strstr(err.text, "SHINA_KAFKA"));
    }
}

/* --- errors -------------------------------------------------------------------- */

static void
test_errors_by_what_can_be_done(void **state)
{
    static const struct {
        rd_kafka_resp_err_t error;
        bus_kafka_class class;
        bus_code code;
        bool     retryable;
    } rows[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, BUS_KAFKA_FINE, BUS_OK, false},
        {RD_KAFKA_RESP_ERR__TRANSPORT, BUS_KAFKA_RETRIABLE, BUS_UNAVAILABLE, true},
        {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, BUS_KAFKA_RETRIABLE, BUS_UNAVAILABLE, true},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, BUS_KAFKA_RETRIABLE, BUS_UNAVAILABLE, true},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, BUS_KAFKA_RETRIABLE, BUS_UNAVAILABLE, true},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, BUS_KAFKA_TIMED_OUT, BUS_TIMEOUT, true},
        {RD_KAFKA_RESP_ERR__QUEUE_FULL, BUS_KAFKA_FULL, BUS_FULL, true},
        {RD_KAFKA_RESP_ERR__PURGE_QUEUE, BUS_KAFKA_PURGED, BUS_CLOSED, false},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, BUS_KAFKA_UNKNOWN_TOPIC, BUS_NOT_FOUND, false},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, BUS_KAFKA_UNKNOWN_TOPIC, BUS_NOT_FOUND, false},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, BUS_KAFKA_DENIED, BUS_DENIED, false},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, BUS_KAFKA_DENIED, BUS_DENIED, false},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, BUS_KAFKA_REFUSED, BUS_INVALID, false},
        {RD_KAFKA_RESP_ERR__FATAL, BUS_KAFKA_FATAL, BUS_UNAVAILABLE, true},
        {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, BUS_KAFKA_FATAL, BUS_UNAVAILABLE, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bus_error err = {0};

        assert_int_equal(bus_kafka_class_of(rows[i].error), rows[i].class);
        assert_int_equal(bus_kafka_code_of(rows[i].error), rows[i].code);
        if (rows[i].code == BUS_OK)
            continue;
        assert_int_equal(bus_kafka_fail(&err, rows[i].error, "topic %s", "x"), rows[i].code);
        assert_int_equal(err.retryable, rows[i].retryable);
        assert_non_null(strstr(err.text, "topic x: "));
    }
}

/* --- figures ------------------------------------------------------------------- */

static bool
shown(const char *line)
{
    bus_buf out = {0};
    bool    found;

    bus_metrics_render(&out);
    found = out.at != NULL && strstr(out.at, line) != NULL;
    bus_buf_fini(&out);
    return found;
}

static void
test_statistics_become_metrics(void **state)
{
    static const char json[] =
        "{\"msg_cnt\":3,\"msg_size\":17,\"txmsgs\":5,\"tx_bytes\":600,\"rx_bytes\":70,"
        "\"brokers\":{\"a:1/1\":{\"state\":\"UP\",\"txerrs\":1,\"rxerrs\":2,\"req_timeouts\":4,"
        "\"txretries\":9,\"rtt\":{\"p99\":800}},"
        "\"c:1/bootstrap\":{\"state\":\"UP\",\"nodeid\":-1},"
        "\"GroupCoordinator\":{\"state\":\"UP\",\"nodeid\":1,\"source\":\"logical\"},"
        "\"b:1/2\":{\"state\":\"DOWN\",\"rtt\":{\"p99\":1200}}}}";
    bus_kafka_figures *f = calloc(1, sizeof(*f));

    (void)state;
    assert_non_null(f);
    bus_kafka_figures_init(f, "test");
    bus_kafka_figures_read(f, json, sizeof(json) - 1);
    bus_kafka_figures_count(f, BUS_KAFKA_DENIED);
    bus_kafka_figures_read(f, "[nonsense", 9); /* changes nothing */
    bus_kafka_figures_read(f, "[]", 2);
    assert_true(shown("bus_kafka_queue_messages{client=\"test\"} 3\n"));
    assert_true(shown("bus_kafka_queue_bytes{client=\"test\"} 17\n"));
    assert_true(shown("bus_kafka_sent_bytes_total{client=\"test\"} 600\n"));
    assert_true(shown("bus_kafka_brokers_up{client=\"test\"} 1\n"));
    assert_true(shown("bus_kafka_broker_errors_total{client=\"test\"} 7\n"));
    assert_true(shown("bus_kafka_retries_total{client=\"test\"} 9\n"));
    assert_true(shown("bus_kafka_round_trip_us{client=\"test\"} 1200\n"));
    assert_true(shown("bus_kafka_errors_total{client=\"test\",class=\"denied\"} 1\n"));
    assert_true(shown("bus_kafka_errors_total{client=\"test\",class=\"fatal\"} 0\n"));
    bus_kafka_figures_fini(f);
    assert_false(shown("client=\"test\""));
    free(f);
}

/* --- topics -------------------------------------------------------------------- */

static struct {
    rd_kafka_t              *keeper; /* of the mock */
    rd_kafka_mock_cluster_t *brokers;
    bus_kafka_settings       settings;
    bus_kafka_client        *client;
} t;

static int
start_mock(void **state)
{
    static const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER, .role = "test"};
    bus_error                             err = {0};
    char                                  why[200];

    (void)state;
    t.keeper = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
    assert_non_null(t.keeper);
    t.brokers = rd_kafka_mock_cluster_new(t.keeper, 3);
    assert_non_null(t.brokers);
    t.settings = settings_of(NULL);
    t.settings.servers = rd_kafka_mock_cluster_bootstraps(t.brokers);
    if (bus_kafka_client_create(&t.client, &t.settings, &options, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int
stop_mock(void **state)
{
    (void)state;
    bus_kafka_client_destroy(t.client);
    rd_kafka_mock_cluster_destroy(t.brokers);
    rd_kafka_destroy(t.keeper);
    return 0;
}

static bus_code
ensure(bus_kafka_topic topic, int timeout_ms, bus_error *err)
{
    return bus_kafka_topic_ensure(t.client, &t.settings, topic, "inventory", timeout_ms, err);
}

static void
test_names_of_topics(void **state)
{
    const bus_kafka_settings settings = settings_of(NULL);
    char                     name[BUS_KAFKA_TOPIC_BYTES];

    (void)state;
    assert_string_equal(bus_kafka_topic_name(&settings, BUS_KAFKA_COMMANDS, "vehicles", name),
                        "shina.vehicles.commands");
    assert_string_equal(bus_kafka_topic_name(&settings, BUS_KAFKA_EVENTS, "vehicles", name),
                        "shina.vehicles.events");
    assert_string_equal(bus_kafka_topic_name(&settings, BUS_KAFKA_ANSWERS, NULL, name),
                        "shina.answers");
    assert_string_equal(bus_kafka_topic_name(&settings, BUS_KAFKA_PROGRESS, NULL, name),
                        "shina.progress");
    assert_int_equal(bus_kafka_topic_partitions(&settings, BUS_KAFKA_EVENTS), 8);
    assert_int_equal(bus_kafka_topic_partitions(&settings, BUS_KAFKA_ANSWERS), 4);
}

static void
test_a_topic_of_the_right_shape_is_taken(void **state)
{
    bus_error err = {0};

    (void)state;
    assert_int_equal(rd_kafka_mock_topic_create(t.brokers, "shina.inventory.commands", 8, 3),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(ensure(BUS_KAFKA_COMMANDS, 5000, &err), BUS_OK);
    t.settings.replication = 0;
    assert_int_equal(ensure(BUS_KAFKA_COMMANDS, 5000, &err), BUS_OK);
}

static void
test_a_topic_of_another_shape_is_a_clear_error(void **state)
{
    bus_error err = {0};

    (void)state;
    assert_int_equal(rd_kafka_mock_topic_create(t.brokers, "shina.inventory.commands", 5, 3),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(ensure(BUS_KAFKA_COMMANDS, 5000, &err), BUS_INVALID);
    assert_string_equal(
        err.text, "kafka: topic shina.inventory.commands: 8 partitions are wanted, found are 5");
    t.settings.partitions = 5;
    t.settings.replication = 4; /* the mock gives each three */
    assert_int_equal(ensure(BUS_KAFKA_COMMANDS, 5000, &err), BUS_INVALID);
    assert_string_equal(err.text, "kafka: topic shina.inventory.commands, partition 0: "
                                  "replication 4 is wanted, found is 3");
}

static void
test_a_topic_that_may_not_be_seen(void **state)
{
    bus_error err = {0};

    (void)state;
    assert_int_equal(rd_kafka_mock_topic_create(t.brokers, "shina.inventory.commands", 8, 3),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_mock_topic_set_error(t.brokers, "shina.inventory.commands",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(ensure(BUS_KAFKA_COMMANDS, 5000, &err), BUS_DENIED);
    assert_non_null(strstr(err.text, "shina.inventory.commands"));
}

static void
test_brokers_that_are_away_are_waited_for_in_bounds(void **state)
{
    bus_error err = {0};

    (void)state;
    for (int broker = 1; broker <= 3; broker++)
        assert_int_equal(rd_kafka_mock_broker_set_down(t.brokers, broker),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_true(ensure(BUS_KAFKA_COMMANDS, 300, &err) != BUS_OK);
    assert_true(err.retryable);
    assert_non_null(strstr(err.text, "brokers"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties_of_tls_and_sasl_pass_through),
        cmocka_unit_test(test_a_wrong_property_is_named_with_its_place),
        cmocka_unit_test(test_what_the_bus_relies_on_is_not_for_the_file),
        cmocka_unit_test(test_no_secret_is_told),
        cmocka_unit_test(test_a_file_that_is_not_there_and_no_broker_at_all),
        cmocka_unit_test(test_brokers_that_cannot_be_are_told_before_they_are_waited_for),
        cmocka_unit_test(test_errors_by_what_can_be_done),
        cmocka_unit_test(test_statistics_become_metrics),
        cmocka_unit_test(test_names_of_topics),
        cmocka_unit_test_setup_teardown(test_a_topic_of_the_right_shape_is_taken, start_mock,
                                        stop_mock),
        cmocka_unit_test_setup_teardown(test_a_topic_of_another_shape_is_a_clear_error, start_mock,
                                        stop_mock),
        cmocka_unit_test_setup_teardown(test_a_topic_that_may_not_be_seen, start_mock, stop_mock),
        cmocka_unit_test_setup_teardown(test_brokers_that_are_away_are_waited_for_in_bounds,
                                        start_mock, stop_mock),
    };

    return cmocka_run_group_tests_name("kafka clients", tests, make_file, remove_file);
}
