/* kafka_test.c - the transport does what every transport does.
 * The brokers are librdkafka's mock cluster, which speaks the protocol over sockets but makes no
 * topics, knows no times and keeps 5 MiB; with --broker it is a real one (tests/kafka/broker.h), or
 * those of SHINA_TEST_KAFKA=host:port,...
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/cloudevent.h"
#include "bus/transport/kafka/topics.h"
#include "tests/kafka/broker.h"
#include "tests/support/mock_brokers.h"
#include "tests/support/transport_conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const domains[] = {TRANSPORT_CONFORMANCE_DOMAINS};

static struct {
    const char        *real; /* brokers; NULL: a mock */
    mock_brokers       mock;
    bus_kafka_settings near, far;
    bus_kafka_client  *publisher;
    char               prefix[64];
    int                nth;
} w;

/* Brokers as new: of a mock, or under a prefix that nobody used before. */
static int
before(void **state)
{
    static const bus_kafka_client_options publisher = {.type = RD_KAFKA_PRODUCER,
                                                       .role = "test-publisher"};
    bus_error                             err = {0};

    (void)state;
    (void)snprintf(w.prefix, sizeof(w.prefix), "shina-test-%ld-%d", (long)getpid(), ++w.nth);
    w.near = (bus_kafka_settings){.servers = w.real,
                                  .prefix = w.prefix,
                                  .process = "near-1.test",
                                  .partitions = TRANSPORT_CONFORMANCE_PARTITIONS,
                                  .answers = 4,
                                  .edge = 0,
                                  .domains = domains,
                                  .domains_count = sizeof(domains) / sizeof(domains[0])};
    if (w.real == NULL)
        mock_brokers_start(&w.mock, &w.near);
    w.far = w.near;
    w.far.process = "far-1.test";
    if (bus_kafka_client_create(&w.publisher, &w.near, &publisher, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int
after(void **state)
{
    (void)state;
    assert_int_equal(rd_kafka_flush(bus_kafka_client_handle(w.publisher), 10000),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    bus_kafka_client_destroy(w.publisher);
    if (w.real == NULL)
        mock_brokers_stop(&w.mock);
    return 0;
}

static void
publish_record(const char *topic, const char *domain, const bus_record *record)
{
    rd_kafka_t         *handle = bus_kafka_client_handle(w.publisher);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(BUS_CE_ATTRIBUTES);
    bus_cloudevent      event = {0};
    bus_error           err = {0};

    if (bus_cloudevent_of(record, domain, &event, &err) != BUS_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++)
        if (event.values[i].at != NULL)
            assert_int_equal(rd_kafka_header_add(headers,
                                                 bus_cloudevent_header((bus_cloudevent_attribute)i),
                                                 -1, event.values[i].at, event.values[i].len),
                             RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(
        rd_kafka_producev(handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(record->partition),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)record->data.at, record->data.len),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
                          RD_KAFKA_V_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    (void)rd_kafka_poll(handle, 0);
}

/* In place of the relay. */
static void
publish_events(const bus_batch *batch)
{
    char topic[BUS_KAFKA_TOPIC_BYTES], domain[65];

    (void)snprintf(domain, sizeof(domain), "%.*s", (int)(batch->topic.len - 7),
                   batch->topic.at + 7); /* behind "events." */
    (void)bus_kafka_topic_name(&w.near, BUS_KAFKA_EVENTS, domain, topic);
    for (uint32_t i = 0; i < batch->count; i++)
        publish_record(topic, domain, &batch->records[i]);
}

int
main(int argc, char **argv)
{
    transport_conformance_broker broker = {.name = "kafka",
                                           .ops = &bus_transport_kafka,
                                           .near = &w.near,
                                           .far = &w.far,
                                           .before = before,
                                           .after = after,
                                           .message_bytes_max = UINT32_MAX,
                                           .publish_events = publish_events};
    tests_kafka                 *kafka = NULL;
    int                          failed;

    w.real = getenv("SHINA_TEST_KAFKA");
    if (w.real == NULL && argc == 2 && strcmp(argv[1], "--broker") == 0) {
        kafka = tests_kafka_start(1);
        w.real = tests_kafka_is_real(kafka) ? tests_kafka_servers(kafka) : NULL;
    }
    if (w.real == NULL) {
        (void)printf("the brokers are a mock: librdkafka's own\n");
        broker.message_bytes_max = MOCK_MESSAGE_BYTES;
    }
    failed = transport_conformance_brokered(&broker);
    tests_kafka_stop(kafka);
    return failed;
}
