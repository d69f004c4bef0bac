/* mock_brokers.c - a mock cluster and its topics.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/mock_brokers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
make_topic(mock_brokers *b, const bus_kafka_settings *settings, bus_kafka_topic topic,
           const char *domain)
{
    char name[BUS_KAFKA_TOPIC_BYTES];

    (void)bus_kafka_topic_name(settings, topic, domain, name);
    assert_int_equal(rd_kafka_mock_topic_create(b->cluster, name,
                                                bus_kafka_topic_partitions(settings, topic),
                                                MOCK_BROKERS),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

void
mock_brokers_start(mock_brokers *b, bus_kafka_settings *settings)
{
    static const char *const properties[][2] = {{"receive.message.max.bytes", "400000000"},
                                                {"bootstrap.servers", "127.0.0.1:1"},
                                                {"log_level", "0"}};
    rd_kafka_conf_t         *conf = rd_kafka_conf_new();
    char                     why[200];

    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
        assert_int_equal(
            rd_kafka_conf_set(conf, properties[i][0], properties[i][1], why, sizeof(why)),
            RD_KAFKA_CONF_OK);
    b->keeper = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(b->keeper);
    b->cluster = rd_kafka_mock_cluster_new(b->keeper, MOCK_BROKERS);
    assert_non_null(b->cluster);
    settings->servers = rd_kafka_mock_cluster_bootstraps(b->cluster);
    make_topic(b, settings, BUS_KAFKA_ANSWERS, NULL);
    make_topic(b, settings, BUS_KAFKA_PROGRESS, NULL);
    for (int i = 0; i < settings->domains_count; i++) {
        make_topic(b, settings, BUS_KAFKA_COMMANDS, settings->domains[i]);
        make_topic(b, settings, BUS_KAFKA_EVENTS, settings->domains[i]);
    }
}

void
mock_brokers_stop(mock_brokers *b)
{
    rd_kafka_mock_cluster_destroy(b->cluster);
    rd_kafka_destroy(b->keeper);
}

void
mock_brokers_set_down(mock_brokers *b, bool down)
{
    for (int broker = 1; broker <= MOCK_BROKERS; broker++)
        assert_int_equal(down ? rd_kafka_mock_broker_set_down(b->cluster, broker)
                              : rd_kafka_mock_broker_set_up(b->cluster, broker),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
}
