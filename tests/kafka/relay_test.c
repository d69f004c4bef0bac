/* relay_test.c - the relay into a real Apache Kafka: what a client that is not ours (kcat) reads
 * there, and what is there after brokers were killed. The log is the store in memory, so that only
 * Kafka and the relay are at work. Where no real broker can be had nothing of this is proved, and
 * the test says that it was skipped. SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/log/log.h"
#include "bus/runtime/relay.h"
#include "bus/store/memory/faults.h"
#include "bus/transport/kafka/publisher.h"
#include "bus/transport/kafka/topics.h"
#include "bus/transport/kafka/walk.h"
#include "tests/kafka/broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORE "kafka_relay_test"
#define OPS bus_store_memory
#define PARTITIONS 4
#define STREAMS 10
#define PATIENCE_US INT64_C(90000000)

static const bus_contract        things = {.module = "things"};
static const bus_contract *const contracts[] = {&things};
static const char                topic_name[] = "shina.things.events";

static struct {
    tests_kafka        *kafka;
    bus_store          *store;
    bus_transport      *transport;
    bus_runtime_options options;
    bus_kafka_settings  settings;
    bus_relay          *relay;
    bus_lease           leases[PARTITIONS];
    bus_id              streams[STREAMS];
    int32_t             versions[STREAMS];
    int64_t             heads[PARTITIONS];
    int                 appended;
    int64_t             began_ms;
} w;

/* --- the world -----------------------------------------------------------------------------------
 */

static void
start_relay(void)
{
    bus_error err = {0};

    if (bus_relay_start(&w.relay, contracts, 1, &w.options, &bus_kafka_publisher, &w.settings,
                        &err) != BUS_OK)
        fail_msg("%s", err.text);
}

static void
open_log(void)
{
    const bus_transport_options transport = {.queue_max = 64, .batches_max = 64};
    bus_error                   err = {0};

    w.options = (bus_runtime_options){.store = &OPS,
                                      .store_options = {.url = STORE, .clock = bus_clock_system()},
                                      .transport_ops = &bus_transport_inproc,
                                      .clock = bus_clock_system(),
                                      .contracts = contracts,
                                      .contracts_count = 1,
                                      .partitions = PARTITIONS,
                                      .process = "relay-1"};
    assert_int_equal(OPS.open(&w.store, &w.options.store_options, &err), BUS_OK);
    assert_int_equal(OPS.create_domain(w.store, "things", PARTITIONS, &err), BUS_OK);
    for (int p = 0; p < PARTITIONS; p++)
        w.leases[p] = (bus_lease){.partition = (uint16_t)p};
    assert_int_equal(OPS.lease_take(w.store, "things", "writer", true, w.leases, PARTITIONS, &err),
                     BUS_OK);
    for (int s = 0; s < STREAMS; s++)
        w.streams[s] = bus_id_v5(BUS_ID_NIL, &s, sizeof(s));
    assert_int_equal(bus_transport_inproc.open(&w.transport, &transport, &err), BUS_OK);
    w.options.transport = w.transport;
}

static void
start(int nodes)
{
    memset(&w, 0, sizeof(w));
    w.began_ms = bus_now_ms(bus_clock_system()) - 3600000;
    w.kafka = tests_kafka_start(nodes);
    if (!tests_kafka_is_real(w.kafka)) { /* it makes no topics, and dies and comes back otherwise */
        tests_kafka_stop(w.kafka);
        w.kafka = NULL;
        skip();
    }
    w.settings = (bus_kafka_settings){.servers = tests_kafka_servers(w.kafka),
                                      .prefix = "shina",
                                      .process = "relay-1",
                                      .partitions = PARTITIONS,
                                      .answers = 1,
                                      .edge = -1,
                                      .replication = nodes};
    open_log();
}

static int
stop(void **state)
{
    (void)state;
    if (w.kafka == NULL)
        return 0;
    bus_relay_stop(w.relay);
    bus_transport_inproc.close(w.transport);
    OPS.close(w.store);
    bus_store_memory_forget(STORE);
    tests_kafka_stop(w.kafka);
    w.kafka = NULL;
    return 0;
}

/* One event of a stream. */
static void
append(int stream, bus_str data)
{
    int                  partition = bus_id_partition(w.streams[stream], PARTITIONS);
    bus_append_partition part = {.partition = (uint16_t)partition,
                                 .epoch = w.leases[partition].epoch};
    bus_record           event = {.partition = (uint16_t)partition,
                                  .stream = w.streams[stream],
                                  .version = ++w.versions[stream],
                                  .tenant = w.streams[0],
                                  .command_id = bus_new_v7(bus_clock_system()),
                                  .correlation_id = bus_new_v7(bus_clock_system()),
                                  .digest = -7,
                                  .at_ms = w.began_ms + ++w.appended, /* by it brokers tell what is old */
                                  .aggregate = BUS_STR("thing"),
                                  .type = BUS_STR("things.made.v1"),
                                  .actor = BUS_STR("{\"id\":\"00000000-0000-4000-8000-00000000000a\","
                                                             "\"roles\":[\"ADMIN\"]}"),
                                  .data = data};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = &event, .events_count = 1};
    bus_error err = {0};

    if (OPS.append(w.store, "things", &batch, &err) != BUS_OK)
        fail_msg("%s", err.text);
    w.heads[partition]++;
}

static void
append_many(int count)
{
    for (int i = 0; i < count; i++)
        append(i % STREAMS, BUS_STR("{\"what\":\"снег\"}"));
}

static bus_health
health(void)
{
    bus_health h;

    assert_int_equal(bus_relay_health(w.relay, &h, 1), 1);
    return h;
}

static bool
wait_health(bool (*is)(const bus_health *h))
{
    int64_t until_us = bus_mono_us(bus_clock_system()) + PATIENCE_US;

    while (bus_mono_us(bus_clock_system()) < until_us) {
        const bus_health h = health();

        if (is(&h))
            return true;
        (void)usleep(20000);
    }
    (void)fprintf(stderr, "the relay: ready %d, behind %lld, %s\n", health().ready,
                  (long long)health().behind, health().detail);
    return false;
}

static bool
is_complete(const bus_health *h)
{
    return h->ready && h->behind == 0 && h->partitions == PARTITIONS && h->parked == 0;
}

static bool
is_not_ready(const bus_health *h)
{
    return !h->ready;
}

static bool
is_stopped(const bus_health *h)
{
    return h->parked == 1;
}

/* The heads are looked at once a second: what was just appended may not be known of yet. */
static void
wait_complete(void)
{
    (void)usleep(1500000);
    assert_true(wait_health(is_complete));
}

/* --- what is in the topic
 * ------------------------------------------------------------------------- */

typedef struct {
    int64_t highest[PARTITIONS], repeats;
} seen;

static bus_code
see(void *context, const bus_record *r, int64_t message_offset, bus_error *err)
{
    seen *s = context;

    (void)message_offset;
    if (r->offset <= s->highest[r->partition])
        s->repeats++;
    else if (r->offset != ++s->highest[r->partition])
        return bus_fail(err, BUS_INVALID, "partition %d goes to %lld", r->partition,
                        (long long)r->offset);
    return BUS_OK;
}

/* Every event is there, none before one before it. Returns how many are there again. */
static int64_t
check_topic(void)
{
    seen                 s = {0};
    bus_error            err = {0};
    const bus_kafka_walk walk = {.domain = "things", .event = see, .context = &s};

    if (bus_kafka_topic_walk(&w.settings, &walk, &err) != BUS_OK)
        fail_msg("%s", err.text);
    for (int p = 0; p < PARTITIONS; p++)
        assert_int_equal(s.highest[p], w.heads[p]);
    return s.repeats;
}

/* --- kcat
 * ------------------------------------------------------------------------------------------- */

static const char *
header(const json_t *message, const char *name)
{
    const json_t *headers = json_object_get(message, "headers");

    for (size_t i = 0; i + 1 < json_array_size(headers); i += 2)
        if (strcmp(json_string_value(json_array_get(headers, i)), name) == 0)
            return json_string_value(json_array_get(headers, i + 1));
    fail_msg("there is no header %s", name);
    return NULL;
}

static int
stream_of(const json_t *message)
{
    bus_id id;

    assert_true(bus_id_parse(bus_str_of(header(message, "ce_subject")), &id));
    for (int s = 0; s < STREAMS; s++)
        if (bus_id_equal(id, w.streams[s]))
            return s;
    fail_msg("a stream of nobody");
    return -1;
}

/* One line of kcat -J: the attributes of CloudEvents, and the order of its stream. */
static void
check_message(const json_t *message, int32_t versions[STREAMS])
{
    int  stream = stream_of(message);
    char id[64];

    assert_string_equal(header(message, "ce_specversion"), "1.0");
    assert_string_equal(header(message, "ce_source"), "/shina/things");
    assert_string_equal(header(message, "ce_type"), "things.made.v1");
    assert_string_equal(header(message, "content-type"), "application/json");
    assert_string_equal(header(message, "ce_actor"), "00000000-0000-4000-8000-00000000000a");
    assert_string_equal(header(message, "ce_digest"), "-7");
    assert_int_equal(strlen(header(message, "traceparent")), 55);
    assert_int_equal(strlen(header(message, "ce_id")), 38);
    assert_int_equal(strtol(header(message, "ce_partition"), NULL, 10),
                     json_integer_value(json_object_get(message, "partition")));
    (void)snprintf(id, sizeof(id), "%s", header(message, "ce_subject"));
    assert_string_equal(json_string_value(json_object_get(message, "key")), id);
    assert_string_equal(json_string_value(json_object_get(message, "payload")),
                        "{\"what\":\"снег\"}");
    assert_in_range(json_integer_value(json_object_get(message, "ts")), w.began_ms + 1,
                    w.began_ms + w.appended);
    assert_int_equal(strtol(header(message, "ce_streamversion"), NULL, 10), ++versions[stream]);
}

/* Starts kcat, which prints the whole topic, a JSON line per message. */
static FILE *
start_kcat(pid_t *pid)
{
    const char *const words[] = {
        "kcat", "-C",       "-q", "-e", "-J", "-o", "beginning", "-b", w.settings.servers,
        "-t",   topic_name, NULL};
    char                      *argv[sizeof(words) / sizeof(words[0])];
    posix_spawn_file_actions_t actions;
    int                        ends[2];
    FILE                      *out;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        argv[i] = (char *)(uintptr_t)words[i]; /* which exec does not write to */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawnp(pid, "kcat", &actions, NULL, argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    out = fdopen(ends[0], "r");
    assert_non_null(out);
    return out;
}

static void
kcat_reads_cloud_events_in_order(void **state)
{
    int32_t versions[STREAMS] = {0};
    char   *line = NULL;
    size_t  room = 0;
    int     count = 0, status;
    pid_t   pid;
    FILE   *kcat;

    (void)state;
    start(1);
    append_many(1000);
    start_relay();
    wait_complete();
    kcat = start_kcat(&pid);
    while (getline(&line, &room, kcat) > 0) {
        json_t *message = json_loads(line, 0, NULL);

        assert_non_null(message);
        check_message(message, versions);
        json_decref(message);
        count++;
    }
    free(line);
    (void)fclose(kcat);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(count, 1000);
    for (int s = 0; s < STREAMS; s++)
        assert_int_equal(versions[s], w.versions[s]);
}

/* --- brokers that die
 * ------------------------------------------------------------------------------- */

static void
what_came_while_the_broker_was_away_comes_later(void **state)
{
    (void)state;
    start(1);
    append_many(500);
    start_relay();
    wait_complete();
    append_many(5000);
    tests_kafka_kill(w.kafka, 0); /* in the midst of it */
    append_many(5000);
    assert_true(wait_health(is_not_ready));
    tests_kafka_restart(w.kafka, 0);
    wait_complete();
    (void)check_topic();
    bus_relay_stop(w.relay); /* and with the broker away from the start */
    w.relay = NULL;
    tests_kafka_end(w.kafka, 0);
    append_many(100);
    start_relay();
    assert_true(wait_health(is_not_ready));
    tests_kafka_restart(w.kafka, 0);
    wait_complete();
    (void)check_topic();
}

static void
a_leader_may_die_in_the_midst_of_it(void **state)
{
    int leader;

    (void)state;
    start(3);
    append_many(500);
    start_relay();
    wait_complete();
    leader = tests_kafka_leader(w.kafka, topic_name, 0);
    assert_true(leader >= 0);
    append_many(10000);
    tests_kafka_kill(w.kafka, leader);
    append_many(10000);
    wait_complete();
    (void)check_topic();
    tests_kafka_restart(w.kafka, leader);
    assert_true(tests_kafka_wait(w.kafka, 3, 90));
    append_many(100);
    wait_complete();
    (void)check_topic();
}

/* --- topics that are not as they should be
 * ----------------------------------------------------------- */

/* By Kafka's own words: max.message.bytes of the topic. */
static void
set_bound(const char *bytes)
{
    const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER, .role = "test"};
    bus_kafka_client              *client;
    bus_error                      err = {0};
    rd_kafka_ConfigResource_t     *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic_name);
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;

    assert_int_equal(bus_kafka_client_create(&client, &w.settings, &options, &err), BUS_OK);
    queue = rd_kafka_queue_new(bus_kafka_client_handle(client));
    assert_int_equal(rd_kafka_ConfigResource_set_config(resource, "max.message.bytes", bytes),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_AlterConfigs(bus_kafka_client_handle(client), &resource, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    bus_kafka_client_destroy(client);
}

static void
an_event_too_large_for_its_topic_stops_its_partition(void **state)
{
    static char large[200000];

    (void)state;
    memset(large, ' ', sizeof(large));
    start(1);
    append_many(50);
    start_relay();
    wait_complete();
    set_bound("100000");
    append_many(20);
    append(0, (bus_str){large, sizeof(large)});
    append_many(200);
    assert_true(wait_health(is_stopped));
    assert_non_null(strstr(health().detail, "stands at "));
    (void)usleep(2000000);
    assert_int_equal(health().parked, 1);
    set_bound("1000000");
    wait_complete(); /* within half a minute it is tried again */
    (void)check_topic();
}

static void
a_topic_of_another_shape_is_not_written(void **state)
{
    bus_kafka_settings             other;
    const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER, .role = "test"};
    bus_kafka_client              *client;
    bus_error                      err = {0};

    (void)state;
    start(1);
    other = w.settings;
    other.partitions = 2;
    assert_int_equal(bus_kafka_client_create(&client, &other, &options, &err), BUS_OK);
    assert_int_equal(
        bus_kafka_topic_ensure(client, &other, BUS_KAFKA_EVENTS, "things", 20000, &err), BUS_OK);
    bus_kafka_client_destroy(client);
    append_many(10);
    start_relay();
    for (int i = 0; i < 200 && strstr(health().detail, "4 partitions are wanted") == NULL; i++)
        (void)usleep(50000);
    assert_non_null(strstr(health().detail, topic_name));
    assert_non_null(strstr(health().detail, "4 partitions are wanted, found are 2"));
    assert_false(health().ready);
}

int
main(void)
{
#define STORY(name) cmocka_unit_test_teardown(name, stop)
    const struct CMUnitTest stories[] = {
        STORY(kcat_reads_cloud_events_in_order),
        STORY(what_came_while_the_broker_was_away_comes_later),
        STORY(a_leader_may_die_in_the_midst_of_it),
        STORY(an_event_too_large_for_its_topic_stops_its_partition),
        STORY(a_topic_of_another_shape_is_not_written),
    };

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    return cmocka_run_group_tests(stories, NULL, NULL);
}
