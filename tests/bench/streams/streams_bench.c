/* streams_bench.c - events a second of windows of event time over a log in PostgreSQL: a million
 * events of some 200 bytes over 1,000 keys, counted and summed in tumbling windows of a second, by
 * one projector, each batch of windows durable with its checkpoint. Its peer is StreamsPeer.java.
 *
 *   streams_bench EVENTS
 * Prints a line of JSON. SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/row.h"
#include "bus/runtime/runtime.h"
#include "contracts/meter.h"
#include "projections/stream/analytic.h"
#include "tests/support/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEYS 1000
#define PARTITIONS 8
#define EVENTS_A_MS 10
#define BEGINS_AT INT64_C(1795400000000)
#define BATCH 4096
#define NOTE_BYTES 140
#define GIVE_UP_US INT64_C(600000000)

/* --- the analytic ------------------------------------------------------------------------------
 */

static void
map(void *memory, const bus_event *event, bus_stream_out *out)
{
    const struct meter_measured   *e = event->data;
    const struct meter_seconds_row one = {.key = e->key, .count = 1, .sum = e->value};

    (void)memory;
    bus_stream_put(out, &one, e->at, 0);
}

static void
step(void *window, const void *contribution, int sign)
{
    struct meter_seconds_row       *row = window;
    const struct meter_seconds_row *one = contribution;

    row->count += sign * one->count;
    row->sum += sign * one->sum;
}

static const bus_analytic analytic = {.map = map, .step = step};

BUS_ANALYTIC(meter_seconds, 1, analytic);

/* --- the log -----------------------------------------------------------------------------------
 */

static const bus_contract *const contracts[] = {&meter_contract};

static void
check(bus_code rc, const bus_error *err)
{
    if (rc == BUS_OK)
        return;
    (void)fprintf(stderr, "streams_bench: %s %s\n", bus_code_name(rc), err->text);
    exit(1);
}

static struct {
    bus_store *st;
    bus_lease  leases[PARTITIONS];
    bus_id     streams[KEYS];
    int32_t    versions[KEYS];
    bus_record events[PARTITIONS][BATCH];
    int        count[PARTITIONS];
    bus_arena  arena;
    bus_str    actor;
} log_;

static void
flush(int partition)
{
    bus_append_partition part = {.partition = (uint16_t)partition,
                                 .epoch = log_.leases[partition].epoch};
    bus_append           batch = {.partitions = &part,
                                  .partitions_count = 1,
                                  .events = log_.events[partition],
                                  .events_count = log_.count[partition]};
    bus_error            err = {0};

    if (log_.count[partition] > 0)
        check(bus_store_postgres.append(log_.st, "meter", &batch, &err), &err);
    log_.count[partition] = 0;
}

static void
flush_all(void)
{
    for (int p = 0; p < PARTITIONS; p++)
        flush(p);
    bus_arena_reset(&log_.arena);
}

static void
measure(int64_t i, const char *note)
{
    const int     key = (int)(i * 7919 % KEYS);
    const int64_t at_ms = BEGINS_AT + i / EVENTS_A_MS;
    const int     partition = bus_id_partition(log_.streams[key], PARTITIONS);

    if (log_.count[partition] == BATCH)
        flush_all();
    log_.events[partition][log_.count[partition]++] =
        (bus_record){.partition = (uint16_t)partition,
                     .stream = log_.streams[key],
                     .aggregate = BUS_STR("meter"),
                     .version = ++log_.versions[key],
                     .tenant = log_.streams[0],
                     .type = BUS_STR("meter.measured.v1"),
                     .command_id = bus_new_v7(bus_clock_system()),
                     .correlation_id = log_.streams[0],
                     .actor = log_.actor,
                     .at_ms = at_ms,
                     .data = bus_arena_printf(
                         &log_.arena, "{\"key\":%d,\"value\":%d,\"at\":%lld,\"note\":\"%s\"}", key,
                         (int)(i % 1000), (long long)at_ms, note)};
}

static void
fill(const bus_runtime_options *options, int64_t events)
{
    char      note[NOTE_BYTES + 1];
    bus_buf   actor = {0};
    bus_error err = {0};

    memset(note, 'n', NOTE_BYTES);
    note[NOTE_BYTES] = '\0';
    check(bus_store_postgres.open(&log_.st, &options->store_options, &err), &err);
    check(bus_store_postgres.create_domain(log_.st, "meter", PARTITIONS, &err), &err);
    for (int p = 0; p < PARTITIONS; p++)
        log_.leases[p].partition = (uint16_t)p;
    check(bus_store_postgres.lease_take(log_.st, "meter", "bench", true, log_.leases, PARTITIONS,
                                        &err),
          &err);
    for (int i = 0; i < KEYS; i++)
        log_.streams[i] = bus_id_v5(BUS_ID_NIL, &i, sizeof(i));
    bus_actor_encode(&(bus_actor){.id = log_.streams[0], .roles = BUS_ROLE_SERVICE}, &actor);
    log_.actor = bus_buf_str(&actor);
    for (int64_t i = 0; i < events; i++)
        measure(i, note);
    flush_all();
    bus_buf_fini(&actor);
    bus_arena_fini(&log_.arena);
    bus_store_postgres.close(log_.st);
}

/* --- the projector -----------------------------------------------------------------------------
 */

static double
resident_mb(void)
{
    FILE  *f = fopen("/proc/self/statm", "re");
    long   pages = 0;
    double mb = 0;

    if (f != NULL && fscanf(f, "%*d %ld", &pages) == 1)
        mb = (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
    if (f != NULL)
        (void)fclose(f);
    return mb;
}

static bus_code
add_count(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    struct meter_seconds_row row;

    (void)tenant, (void)id, (void)version;
    bus_arena_reset(&log_.arena);
    check(bus_row_decode(meter_seconds_view.row, "meter_seconds", body, &log_.arena, &row, err),
          err);
    *(int64_t *)context += row.count;
    return BUS_OK;
}

/* Every event is in a window, once. */
static void
check_windows(const bus_runtime_options *options, int64_t events)
{
    bus_store *st;
    int64_t    count = 0;
    bus_error  err = {0};

    check(bus_store_postgres.open(&st, &options->store_options, &err), &err);
    check(bus_store_postgres.view_scan(st, &meter_seconds_view, 1, add_count, &count, &err), &err);
    bus_store_postgres.close(st);
    bus_arena_fini(&log_.arena);
    if (count != events)
        check(BUS_FAULT, &(bus_error){.text = "the windows do not hold all events"});
}

static bool
is_done(const bus_projector *projector)
{
    bus_health parts[BUS_HEALTH_MAX];
    int        count = bus_projector_health(projector, parts);

    return count > 0 && parts[0].ready && parts[0].behind == 0;
}

static void
run(const tests_postgres *pg, const bus_runtime_options *options, int64_t events)
{
    const bus_view *const views[] = {&meter_seconds_projection, &meter_seconds_late_projection};
    const int64_t         servers_us = tests_postgres_cpu_us(pg);
    const clock_t         cpu = clock();
    double                own_us;
    int64_t               us = bus_mono_us(bus_clock_system());
    bus_projector        *projector;
    bus_error             err = {0};

    check(bus_projector_start(&projector, &meter_contract, views, 2, options, &err), &err);
    while (!is_done(projector)) {
        if (bus_mono_us(bus_clock_system()) - us > GIVE_UP_US)
            check(BUS_TIMEOUT, &(bus_error){.text = "the projector does not come to an end"});
        (void)usleep(20000);
    }
    us = bus_mono_us(bus_clock_system()) - us;
    own_us = (double)(clock() - cpu) * 1e6 / CLOCKS_PER_SEC;
    (void)printf("{\"events\": %lld, \"per_s\": %.0f, \"cpu_us\": %.2f, \"all_cpu_us\": %.2f, "
                 "\"mb\": %.0f}\n",
                 (long long)events, (double)events * 1e6 / (double)us, own_us / (double)events,
                 (own_us + (double)(tests_postgres_cpu_us(pg) - servers_us)) / (double)events,
                 resident_mb());
    bus_projector_stop(projector);
}

int
main(int argc, char **argv)
{
    const bus_transport_options transport = {.queue_max = 64, .batches_max = 64};
    const long                  events = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    tests_postgres             *pg;
    bus_runtime_options         options;
    bus_error                   err = {0};

    if (events < 1) {
        (void)fputs("usage: streams_bench EVENTS\n", stderr);
        return 2;
    }
    pg = tests_postgres_start(true);
    options = (bus_runtime_options){
        .store = &bus_store_postgres,
        .store_options = {.url = tests_postgres_url(pg), .application = "streams_bench"},
        .transport_ops = &bus_transport_inproc,
        .clock = bus_clock_system(),
        .contracts = contracts,
        .contracts_count = 1,
        .partitions = PARTITIONS,
        .process = "bench",
        .sole = true};
    check(bus_transport_inproc.open(&options.transport, &transport, &err), &err);
    fill(&options, events);
    run(pg, &options, events);
    check_windows(&options, events);
    bus_transport_inproc.close(options.transport);
    tests_postgres_stop(pg);
    return 0;
}
