/* publisher_test.c - the sink on librdkafka's mock cluster, which can be made to answer with any
 * error: events come in order and without holes, whatever happens to them. With a real broker:
 * tests/kafka/relay_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/transport/kafka/event.h"
#include "bus/transport/kafka/publisher.h"
#include "bus/transport/kafka/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOPIC "shina.things.events"
#define PARTITIONS 3
#define API_PRODUCE 0
#define PATIENCE_US 15000000
#define SINK bus_kafka_publisher

static struct {
    rd_kafka_t              *keeper; /* of the mock */
    rd_kafka_mock_cluster_t *brokers;
    bus_kafka_settings       settings;
    bus_sink                *sink;
    int                      topic;
    int64_t                  put[PARTITIONS];
} t;

static atomic_int news_count;

static void
news(void *context)
{
    (void)context;
    atomic_fetch_add(&news_count, 1);
}

static void
prepare(void)
{
    bus_error err = {0};

    if (SINK.prepare(t.sink, "things", 10000, &t.topic, &err) != BUS_OK)
        fail_msg("%s", err.text);
}

static int
start_with(int brokers)
{
    bus_error err = {0};
    char      why[200];

    memset(&t, 0, sizeof(t));
    t.keeper = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
    assert_non_null(t.keeper);
    t.brokers = rd_kafka_mock_cluster_new(t.keeper, brokers);
    assert_non_null(t.brokers);
    assert_int_equal(rd_kafka_mock_topic_create(t.brokers, TOPIC, PARTITIONS, brokers),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    t.settings = (bus_kafka_settings){.servers = rd_kafka_mock_cluster_bootstraps(t.brokers),
                                      .prefix = "shina",
                                      .process = "test",
                                      .partitions = PARTITIONS,
                                      .answers = 1,
                                      .edge = -1};
    if (SINK.open(&t.sink, &t.settings, news, NULL, &err) != BUS_OK)
        fail_msg("%s", err.text);
    prepare();
    for (int p = 0; p < PARTITIONS; p++)
        SINK.begin(t.sink, t.topic, (uint16_t)p, 0);
    return 0;
}

static int
start(void **state)
{
    (void)state;
    return start_with(1);
}

static int
start_two(void **state)
{
    (void)state;
    return start_with(2);
}

static int
stop(void **state)
{
    (void)state;
    SINK.close(t.sink);
    rd_kafka_mock_cluster_destroy(t.brokers);
    rd_kafka_destroy(t.keeper);
    return 0;
}

static bus_record
nth(int partition, int64_t offset)
{
    return (bus_record){.partition = (uint16_t)partition,
                        .offset = offset,
                        .epoch = 1,
                        .stream = bus_id_v5_text(BUS_ID_NIL, "stream"),
                        .aggregate = BUS_STR("thing"),
                        .version = (int32_t)offset,
                        .type = BUS_STR("things.made.v1"),
                        .command_id = bus_id_v5(BUS_ID_NIL, &offset, sizeof(offset)),
                        .actor = BUS_STR("{}"),
                        .at_ms = 1764144000123,
                        .data = BUS_STR("{\"a\":1}")};
}

/* Waits where the sink is full; ends early if there is trouble. */
static void
put(int partition, int count)
{
    int64_t          until_us = bus_mono_us(bus_clock_system()) + PATIENCE_US;
    bus_sink_trouble trouble;

    for (int i = 0; i < count; i++) {
        const bus_record r = nth(partition, t.put[partition] + 1);
        bus_error        err = {0};
        bus_code         rc;

        while ((rc = SINK.put(t.sink, t.topic, &r, &err)) == BUS_FULL &&
               bus_mono_us(bus_clock_system()) < until_us) {
            (void)usleep(1000);
            SINK.poll(t.sink);
            if (SINK.trouble(t.sink, &trouble))
                return;
        }
        if (rc != BUS_OK)
            fail_msg("%s", err.text);
        t.put[partition]++;
    }
}

/* Polls until all of the partition is delivered, or there is trouble; true: delivered. */
static bool
settles(int partition, bus_sink_trouble *trouble)
{
    int64_t until_us = bus_mono_us(bus_clock_system()) + PATIENCE_US;

    while (bus_mono_us(bus_clock_system()) < until_us) {
        SINK.poll(t.sink);
        if (SINK.trouble(t.sink, trouble))
            return false;
        if (SINK.delivered(t.sink, t.topic, (uint16_t)partition) == t.put[partition])
            return true;
        (void)usleep(1000);
    }
    fail_msg("partition %d: %lld of %lld were delivered in time", partition,
             (long long)SINK.delivered(t.sink, t.topic, (uint16_t)partition),
             (long long)t.put[partition]);
    return false;
}

/* As the relay does after trouble. */
static void
go_back(void)
{
    bus_error err = {0};

    if (SINK.reset(t.sink, &err) != BUS_OK)
        fail_msg("%s", err.text);
    prepare();
    for (int p = 0; p < PARTITIONS; p++) {
        t.put[p] = SINK.delivered(t.sink, t.topic, (uint16_t)p);
        SINK.begin(t.sink, t.topic, (uint16_t)p, t.put[p]);
    }
}

typedef struct {
    int64_t highest[PARTITIONS], repeats;
} seen;

static bus_code
see(void *context, const bus_record *r, int64_t message_offset, bus_error *err)
{
    seen      *s = context;
    bus_record expected = nth(r->partition, r->offset);
    bus_buf    a = {0}, b = {0};

    (void)message_offset;
    (void)err;
    bus_record_encode(r, &a);
    bus_record_encode(&expected, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.at, b.at, a.len);
    bus_buf_fini(&a);
    bus_buf_fini(&b);
    if (r->offset <= s->highest[r->partition])
        s->repeats++;
    else
        assert_int_equal(r->offset, ++s->highest[r->partition]);
    return BUS_OK;
}

/* All that was put is there, in order, as it was put. Returns how many are there again. */
static int64_t
check_topic(void)
{
    seen                 s = {0};
    bus_error            err = {0};
    const bus_kafka_walk walk = {.domain = "things", .event = see, .context = &s};

    if (bus_kafka_topic_walk(&t.settings, &walk, &err) != BUS_OK)
        fail_msg("%s", err.text);
    for (int p = 0; p < PARTITIONS; p++)
        assert_int_equal(s.highest[p], t.put[p]);
    return s.repeats;
}

/* --- stories
 * -------------------------------------------------------------------------------------- */

static void
events_arrive_as_they_are_in_the_log(void **state)
{
    bus_sink_trouble trouble;

    (void)state;
    put(0, 500);
    put(2, 3);
    assert_true(settles(0, &trouble));
    assert_true(settles(2, &trouble));
    assert_true(atomic_load(&news_count) > 0); /* the relay may sleep */
    assert_false(SINK.away(t.sink));
    assert_int_equal(check_topic(), 0);
}

static void
the_last_event_is_found(void **state)
{
    const bus_record expected = nth(1, 7);
    bus_sink_last    last;
    bus_sink_trouble trouble;
    bus_error        err = {0};

    (void)state;
    put(1, 7);
    assert_true(settles(1, &trouble));
    if (SINK.last(t.sink, t.topic, 1, 5000, &last, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_true(last.readable && !last.untouched);
    assert_int_equal(last.offset, 7);
    assert_true(bus_id_equal(last.command_id, expected.command_id));
    if (SINK.last(t.sink, t.topic, 0, 5000, &last, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_true(last.untouched && !last.readable);
}

/* A relay that had looked at a partition before its leader changed asked the old one for minutes.
 */
static void
the_last_event_is_found_at_another_leader(void **state)
{
    const int64_t    until_us = bus_mono_us(bus_clock_system()) + PATIENCE_US;
    bus_sink_last    last = {0};
    bus_sink_trouble trouble;
    bus_error        err = {0};

    (void)state;
    put(1, 7);
    assert_true(settles(1, &trouble));
    for (int leader = 1; leader <= 2; leader++) {
        assert_int_equal(rd_kafka_mock_partition_set_leader(t.brokers, TOPIC, 1, leader),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        while (SINK.last(t.sink, t.topic, 1, 5000, &last, &err) != BUS_OK)
            if (bus_mono_us(bus_clock_system()) > until_us)
                fail_msg("node %d: %s", leader, err.text);
        assert_int_equal(last.offset, 7);
    }
}

static void
brokers_that_stumble_are_tried_again(void **state)
{
    bus_sink_trouble trouble;

    (void)state;
    rd_kafka_mock_push_request_errors(
        t.brokers, API_PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    put(0, 50);
    assert_true(settles(0, &trouble));
    assert_int_equal(check_topic(), 0);
}

static void
a_useless_producer_is_made_anew(void **state)
{
    bus_sink_trouble trouble;
    const bus_record next = nth(0, 21);
    bus_error        err = {0};

    (void)state;
    put(0, 10);
    assert_true(settles(0, &trouble));
    rd_kafka_mock_push_request_errors(t.brokers, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    put(0, 10);
    assert_false(settles(0, &trouble));
    assert_int_equal(trouble.err.code, BUS_UNAVAILABLE);
    assert_int_equal(trouble.offset, 0);
    assert_int_not_equal(SINK.put(t.sink, t.topic, &next, &err), BUS_OK);
    go_back();
    assert_int_equal(t.put[0], 10);
    put(0, 10);
    assert_true(settles(0, &trouble));
    (void)check_topic();
}

/* The file of properties is broken when another producer is to be made: later it is right again. */
static void
a_reset_that_fails_leaves_it_as_it_was(void **state)
{
    bus_sink_trouble trouble;
    bus_error        err = {0};

    (void)state;
    put(0, 10);
    assert_true(settles(0, &trouble));
    rd_kafka_mock_push_request_errors(t.brokers, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    put(0, 10);
    assert_false(settles(0, &trouble));
    t.settings.properties = "/nowhere/kafka.properties";
    assert_int_equal(SINK.reset(t.sink, &err), BUS_INVALID);
    SINK.poll(t.sink);
    assert_true(SINK.trouble(t.sink, &trouble));
    t.settings.properties = NULL;
    go_back();
    put(0, 10);
    assert_true(settles(0, &trouble));
    (void)check_topic();
}

/* A broker takes a producer that is new to it at any number, so until the first event is there no
 * other may be under way: were the first refused, the others would stand behind a hole. */
static void
the_first_event_goes_alone(void **state)
{
    const bus_record second = nth(0, 2);
    bus_sink_trouble trouble;
    bus_error        err = {0};

    (void)state;
    put(0, 1);
    assert_int_equal(SINK.put(t.sink, t.topic, &second, &err), BUS_FULL);
    assert_true(settles(0, &trouble));
    for (int i = 0; i < 5; i++) {
        const bus_record next = nth(0, t.put[0] + 1);

        assert_int_equal(SINK.put(t.sink, t.topic, &next, &err), BUS_OK);
        t.put[0]++;
    }
    assert_true(settles(0, &trouble));
    assert_int_equal(check_topic(), 0);
}

static void
who_is_to_blame_for_a_refused_batch_is_found(void **state)
{
    bus_sink_trouble trouble;
    const bus_record third = nth(0, 3);
    bus_error        err = {0};

    (void)state;
    put(0, 1);
    assert_true(settles(0, &trouble)); /* now they go in batches */
    rd_kafka_mock_push_request_errors(t.brokers, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    put(0, 10);
    put(1, 0);
    assert_false(settles(0, &trouble));
    assert_int_equal(trouble.offset, 0); /* one of ten */
    go_back();
    assert_int_equal(t.put[0], 1); /* nothing went behind it */
    put(0, 1);
    assert_int_equal(SINK.put(t.sink, t.topic, &third, &err), BUS_FULL); /* one by one */
    put(1, 5);                                                           /* others as before */
    assert_true(settles(0, &trouble));
    assert_true(settles(1, &trouble));
    rd_kafka_mock_push_request_errors(t.brokers, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    put(0, 1);
    assert_false(settles(0, &trouble));
    assert_int_equal(trouble.err.code, BUS_INVALID);
    assert_int_equal(trouble.partition, 0);
    assert_int_equal(trouble.offset, 3);
    go_back();
    put(0, 1);
    assert_true(settles(0, &trouble));
    assert_int_equal(check_topic(), 0);
}

static void
brokers_that_are_away_are_waited_for_within_a_bound(void **state)
{
    static char      large[1 << 20];
    bus_sink_trouble trouble;
    bus_error        err = {0};
    bus_code         rc = BUS_OK;
    int              taken = 0;

    (void)state;
    memset(large, ' ', sizeof(large));
    put(0, 1);
    put(2, 1);
    assert_true(settles(0, &trouble) && settles(2, &trouble));
    assert_int_equal(rd_kafka_mock_broker_set_down(t.brokers, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    put(0, 5);
    for (int64_t until_us = bus_mono_us(bus_clock_system()) + PATIENCE_US;
         !SINK.away(t.sink) && bus_mono_us(bus_clock_system()) < until_us;) {
        SINK.poll(t.sink);
        (void)usleep(10000);
    }
    assert_true(SINK.away(t.sink));
    assert_int_equal(SINK.prepare(t.sink, "others", 1000, &t.topic, &err), BUS_UNAVAILABLE);
    for (; rc == BUS_OK && taken < 100; taken++) {
        bus_record r = nth(2, taken + 2);

        r.data = (bus_str){large, sizeof(large)};
        rc = SINK.put(t.sink, t.topic, &r, &err);
    }
    assert_int_equal(rc, BUS_FULL);
    assert_in_range(taken, 8, 20); /* 16 MiB */
    assert_int_equal(rd_kafka_mock_broker_set_up(t.brokers, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_true(settles(0, &trouble));
    assert_false(SINK.away(t.sink));
}

/* A leader that goes, or hears and says nothing, when it is known already. */
static void
what_is_there_is_asked_for_within_its_time(void **state)
{
    const bus_clock *clock = bus_clock_system();
    bus_sink_last    last;
    bus_sink_trouble trouble;
    bus_error        err = {0};
    int64_t          began_us;

    (void)state;
    put(1, 7);
    assert_true(settles(1, &trouble));
    assert_int_equal(SINK.last(t.sink, t.topic, 1, 5000, &last, &err), BUS_OK);
    for (int story = 0; story < 2; story++) {
        assert_int_equal(story == 0 ? rd_kafka_mock_broker_set_rtt(t.brokers, 1, 60000)
                                    : rd_kafka_mock_broker_set_down(t.brokers, 1),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        began_us = bus_mono_us(clock);
        assert_int_not_equal(SINK.last(t.sink, t.topic, 1, 1000, &last, &err), BUS_OK);
        assert_true(err.retryable);
        assert_in_range(bus_mono_us(clock) - began_us, 0, 10000000); /* not minutes */
    }
}

static void
what_is_no_event_of_ours_is_named(void **state)
{
    static const char *const headers[][2] = {{"ce_specversion", "1.0"}, {NULL, NULL}};
    bus_sink_last            last;
    bus_error                err = {0};
    char                     why[200];
    rd_kafka_conf_t         *conf = rd_kafka_conf_new();
    rd_kafka_t              *other;

    (void)state;
    assert_int_equal(
        rd_kafka_conf_set(conf, "bootstrap.servers", t.settings.servers, why, sizeof(why)),
        RD_KAFKA_CONF_OK);
    other = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(other);
    assert_int_equal(rd_kafka_producev(other, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(1),
                                       RD_KAFKA_V_HEADER(headers[0][0], headers[0][1], -1),
                                       RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_flush(other, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(other);
    if (SINK.last(t.sink, t.topic, 1, 5000, &last, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_true(!last.readable && !last.untouched);
    const bus_kafka_walk walk = {.domain = "things", .event = see};
    assert_int_equal(bus_kafka_topic_walk(&t.settings, &walk, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, TOPIC ", partition 1, offset 0: the header ce_"));
}

int
main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(events_arrive_as_they_are_in_the_log),
        STORY(the_last_event_is_found),
        cmocka_unit_test_setup_teardown(the_last_event_is_found_at_another_leader, start_two, stop),
        STORY(brokers_that_stumble_are_tried_again),
        STORY(a_useless_producer_is_made_anew),
        STORY(a_reset_that_fails_leaves_it_as_it_was),
        STORY(the_first_event_goes_alone),
        STORY(who_is_to_blame_for_a_refused_batch_is_found),
        STORY(brokers_that_are_away_are_waited_for_within_a_bound),
        STORY(what_is_there_is_asked_for_within_its_time),
        STORY(what_is_no_event_of_ours_is_named),
    };

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    return cmocka_run_group_tests(stories, NULL, NULL);
}
