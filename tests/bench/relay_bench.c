/* relay_bench.c - the relay's events a second from a log in PostgreSQL into Kafka, and kcat's of as
 * many bytes with the same settings, one after the other.
 *
 *   relay_bench ROUNDS SERVERS [EVENTS]
 * Each round prints a line of JSON. The topics have names of the round's own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/clock.h"
#include "bus/envelope/cloudevent.h"
#include "bus/runtime/relay.h"
#include "bus/transport/kafka/publisher.h"
#include "bus/transport/kafka/topics.h"
#include "tests/support/postgres.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PARTITIONS 8
#define BATCH 4096
#define EVENTS 500000
#define STREAMS 5000
#define LINE_BYTES 4096
#define GIVE_UP_US INT64_C(180000000)

static const bus_contract        things = {.module = "things"};
static const bus_contract *const contracts[] = {&things};

static struct {
    bus_store *st;
    bus_lease  leases[PARTITIONS];
    int32_t    versions[STREAMS];
    bus_record events[BATCH];
    int64_t    written, bytes; /* bytes: of all messages with their headers */
} log_;

static void
check(bus_code rc, const bus_error *err)
{
    if (rc == BUS_OK)
        return;
    (void)fprintf(stderr, "relay_bench: %s %s\n", bus_code_name(rc), err->text);
    exit(1);
}

static void
require(bool right, const char *what)
{
    if (right)
        return;
    perror(what);
    exit(1);
}

/* --- the log -----------------------------------------------------------------------------------
 */

static bus_id
stream(int n)
{
    return bus_id_v5(BUS_ID_NIL, &n, sizeof(n));
}

static int64_t
bytes_of(const bus_record *r)
{
    bus_cloudevent event;
    bus_error      err;
    int64_t        bytes = r->data.len + 36;

    check(bus_cloudevent_of(r, "things", &event, &err), &err);
    for (int i = 0; i < BUS_CE_ATTRIBUTES; i++)
        if (event.values[i].at != NULL)
            bytes += (int64_t)strlen(bus_cloudevent_header((bus_cloudevent_attribute)i)) +
                     event.values[i].len;
    return bytes;
}

/* A batch for one partition: streams of it in turn. */
static void
append_batch(int partition, int count)
{
    bus_append_partition part = {.partition = (uint16_t)partition,
                                 .epoch = log_.leases[partition].epoch};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = log_.events, .events_count = count};
    bus_error err = {0};

    for (int i = 0, n = 0; i < count; n = (n + 1) % STREAMS) {
        bus_id id = stream(n);

        if (bus_id_partition(id, PARTITIONS) != partition)
            continue;
        log_.events[i++] = (bus_record){
            .partition = (uint16_t)partition,
            .stream = id,
            .aggregate = BUS_STR("thing"),
            .version = ++log_.versions[n],
            .tenant = stream(0),
            .type = BUS_STR("things.odometer_recorded.v1"),
            .command_id = bus_new_v7(bus_clock_system()),
            .correlation_id = bus_new_v7(bus_clock_system()),
            .digest = INT64_C(-1234567890123456789),
            .actor = BUS_STR("{\"id\":\"00000000-0000-4000-8000-00000000000a\",\"roles\":"
                             "[\"ADMIN\"]}"),
            .at_ms = bus_now_ms(bus_clock_system()),
            .data = BUS_STR("{\"odometer_m\":123456789,\"source\":\"GPS\",\"read_at\":"
                            "1764144000123,\"note\":\"some eighty bytes more, as events mostly "
                            "have, to be of a usual length\"}")};
    }
    check(bus_store_postgres.append(log_.st, "things", &batch, &err), &err);
    log_.events[0].offset = 1; /* as the others: for the count of bytes */
    log_.events[0].epoch = 1;
    log_.bytes += count * bytes_of(&log_.events[0]);
    log_.written += count;
}

static void
fill(const bus_runtime_options *options, int64_t events)
{
    bus_error err = {0};

    check(bus_store_postgres.open(&log_.st, &options->store_options, &err), &err);
    check(bus_store_postgres.create_domain(log_.st, "things", PARTITIONS, &err), &err);
    for (int p = 0; p < PARTITIONS; p++)
        log_.leases[p].partition = (uint16_t)p;
    check(bus_store_postgres.lease_take(log_.st, "things", "bench", true, log_.leases, PARTITIONS,
                                        &err),
          &err);
    for (int p = 0; log_.written < events; p = (p + 1) % PARTITIONS)
        append_batch(p, events - log_.written < BATCH ? (int)(events - log_.written) : BATCH);
    bus_store_postgres.close(log_.st);
}

/* --- the topics ----------------------------------------------------------------------------------
 */

static bool
has_leader(bus_kafka_client *client, const char *topic, int partition)
{
    int64_t low, high;

    return rd_kafka_query_watermark_offsets(bus_kafka_client_handle(client), topic, partition, &low,
                                            &high,
                                            BUS_KAFKA_TOPICS_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The domain's topic, with a leader for each partition: neither side waits for that, which takes a
 * broker a moment after it has said that the topic is there. */
static void
make_topic(const bus_kafka_settings *settings, const char *domain)
{
    const bus_kafka_client_options options = {.type = RD_KAFKA_PRODUCER, .role = "bench"};
    int64_t                        began_us = bus_mono_us(bus_clock_system());
    bus_kafka_client              *client;
    char                           topic[BUS_KAFKA_TOPIC_BYTES];
    bus_error                      err = {0};

    check(bus_kafka_client_create(&client, settings, &options, &err), &err);
    check(bus_kafka_topic_ensure(client, settings, BUS_KAFKA_EVENTS, domain, BUS_KAFKA_TOPICS_MS,
                                 &err),
          &err);
    (void)bus_kafka_topic_name(settings, BUS_KAFKA_EVENTS, domain, topic);
    for (int p = 0; p < PARTITIONS; p++)
        while (!has_leader(client, topic, p)) {
            if (bus_mono_us(bus_clock_system()) - began_us > GIVE_UP_US)
                check(BUS_TIMEOUT, &(bus_error){.text = "a partition has no leader"});
            (void)usleep(10000);
        }
    bus_kafka_client_destroy(client);
}

/* --- the relay -----------------------------------------------------------------------------------
 */

static bool
complete(const bus_relay *relay)
{
    bus_health h;

    return bus_relay_health(relay, &h, 1) == 1 && h.ready && h.partitions == PARTITIONS &&
           h.behind == 0;
}

static double
relay_per_s(const bus_runtime_options *options, const bus_kafka_settings *settings, double *cpu_us)
{
    int64_t    began_us = bus_mono_us(bus_clock_system());
    bus_relay *relay = NULL;
    bus_error  err = {0};
    clock_t    cpu = clock();

    check(bus_relay_start(&relay, contracts, 1, options, &bus_kafka_publisher, settings, &err),
          &err);
    while (!complete(relay)) {
        if (bus_mono_us(bus_clock_system()) - began_us > GIVE_UP_US)
            check(BUS_TIMEOUT, &(bus_error){.text = "the relay does not come to an end"});
        (void)usleep(1000);
    }
    began_us = bus_mono_us(bus_clock_system()) - began_us;
    bus_relay_stop(relay);
    *cpu_us = (double)(clock() - cpu) * 1e6 / CLOCKS_PER_SEC / (double)log_.written;
    return (double)log_.written * 1e6 / (double)began_us;
}

/* --- kcat ----------------------------------------------------------------------------------------
 */

static void
write_lines(const char *path)
{
    char  line[LINE_BYTES];
    FILE *f = fopen(path, "we");
    int   bytes = (int)(log_.bytes / log_.written);

    require(f != NULL && bytes < LINE_BYTES, path);
    memset(line, 'x', (size_t)bytes);
    line[bytes] = '\n';
    for (int64_t i = 0; i < log_.written; i++)
        require(fwrite(line, (size_t)bytes + 1, 1, f) == 1, path);
    require(fclose(f) == 0, path);
}

static double
kcat_per_s(const bus_kafka_settings *settings)
{
    char              path[] = "/tmp/shina-bench-kcat-XXXXXX", topic[BUS_KAFKA_TOPIC_BYTES];
    const char *const words[] = {"kcat", "-P",          "-b", settings->servers,
                                 "-t",   topic,         "-X", "enable.idempotence=true",
                                 "-X",   "linger.ms=5", "-X", "socket.nagle.disable=true",
                                 "-l",   path,          NULL};
    char             *argv[sizeof(words) / sizeof(words[0])];
    int               fd = mkstemp(path), status;
    int64_t           began_us;
    pid_t             pid;

    require(fd >= 0 && close(fd) == 0, path);
    write_lines(path);
    make_topic(settings, "kcat");
    (void)bus_kafka_topic_name(settings, BUS_KAFKA_EVENTS, "kcat", topic);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        argv[i] = (char *)(uintptr_t)words[i]; /* which exec does not write to */
    began_us = bus_mono_us(bus_clock_system());
    require(posix_spawnp(&pid, "kcat", NULL, NULL, argv, environ) == 0, "kcat");
    require(waitpid(pid, &status, 0) == pid && status == 0, "kcat");
    began_us = bus_mono_us(bus_clock_system()) - began_us;
    (void)unlink(path);
    return (double)log_.written * 1e6 / (double)began_us;
}

/* --- a round
 * --------------------------------------------------------------------------------------- */

static void
measure(const char *servers, int64_t events)
{
    const bus_transport_options transport = {.queue_max = 64, .batches_max = 64};
    tests_postgres             *pg = tests_postgres_start(true);
    char                        prefix[64];
    bus_error                   err = {0};
    bus_runtime_options         options = {
                .store = &bus_store_postgres,
                .store_options = {.url = tests_postgres_url(pg), .application = "relay_bench"},
                .transport_ops = &bus_transport_inproc,
                .clock = bus_clock_system(),
                .contracts = contracts,
                .contracts_count = 1,
                .partitions = PARTITIONS,
                .process = "relay"};
    const bus_kafka_settings settings = {.servers = servers,
                                         .prefix = prefix,
                                         .process = "bench",
                                         .partitions = PARTITIONS,
                                         .answers = 1,
                                         .edge = -1};
    double                   relayed, produced, cpu_us;

    (void)snprintf(prefix, sizeof(prefix), "bench-%d-%lld", (int)getpid(),
                   (long long)bus_mono_us(bus_clock_system()));
    memset(&log_, 0, sizeof(log_));
    check(bus_transport_inproc.open(&options.transport, &transport, &err), &err);
    fill(&options, events);
    make_topic(&settings, "things");
    relayed = relay_per_s(&options, &settings, &cpu_us);
    produced = kcat_per_s(&settings);
    (void)printf("{\"events\": %lld, \"bytes\": %lld, \"relay_per_s\": %.0f, "
                 "\"relay_cpu_us\": %.2f, \"kcat_per_s\": %.0f, \"ratio\": %.3f}\n",
                 (long long)log_.written, (long long)(log_.bytes / log_.written), relayed, cpu_us,
                 produced, relayed / produced);
    (void)fflush(stdout);
    bus_transport_inproc.close(options.transport);
    tests_postgres_stop(pg);
}

int
main(int argc, char **argv)
{
    const long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    const long events = argc > 3 ? strtol(argv[3], NULL, 10) : EVENTS;

    if (rounds < 1 || events < 1) {
        (void)fputs("usage: relay_bench ROUNDS SERVERS [EVENTS]\n", stderr);
        return 2;
    }
    for (long i = 0; i < rounds; i++)
        measure(argv[2], events);
    return 0;
}
