/* load_bench.c - how long the first command to a long stream waits for its state, without a
 * snapshot and with one.
 *
 *   load_bench [events]
 * Each line is a fresh service over a private PostgreSQL, so nothing is in its memory; the time is
 * of the whole command, commit included, as its client sees it. A warm command is printed beside
 * it. SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/command.h"
#include "bus/log/log.h"
#include "bus/runtime/runtime.h"
#include "tests/support/kernel/kernel_modules.h"
#include "tests/support/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS 10000
#define STEP 1000
#define ROUNDS 9

static const bus_contract *const contracts[] = {&inventory_contract};

static bus_runtime_options options;
static bus_client         *client;
static bus_id              tenant = {{7}}, stream;
static int32_t             version;

static void
check(bus_code rc, const bus_error *err)
{
    if (rc == BUS_OK)
        return;
    (void)fprintf(stderr, "load_bench: %s %s\n", bus_code_name(rc), err->text);
    exit(1);
}

/* Events of the stream, written as a service would have. */
static void
append(bus_store *st, const bus_lease *lease, int count)
{
    static bus_record     events[STEP];
    static bus_command_id ids[STEP];
    bus_append_partition  part = {.partition = 0, .epoch = lease->epoch};
    bus_append            batch = {.partitions = &part,
                                   .partitions_count = 1,
                                   .events = events,
                                   .events_count = count,
                                   .commands = ids,
                                   .commands_count = count};
    bus_error             err;

    for (int i = 0; i < count; i++) {
        ids[i] = (bus_command_id){.id = bus_new_v7(bus_clock_system())};
        version++;
        events[i] = (bus_record){
            .stream = stream,
            .aggregate = BUS_STR("item"),
            .version = version,
            .tenant = tenant,
            .type = version == 1 ? BUS_STR("inventory.added.v1") : BUS_STR("inventory.taken.v1"),
            .command_id = ids[i].id,
            .correlation_id = ids[i].id,
            .actor =
                BUS_STR("{\"id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"roles\":[\"ADMIN\"]}"),
            .at_ms = bus_now_ms(bus_clock_system()),
            .data = version == 1 ? BUS_STR("{\"name\":\"bolt\",\"quantity\":1000000}")
                                 : BUS_STR("{\"quantity\":1,\"left\":1}")};
    }
    check(options.store->append(st, "inventory", &batch, &err), &err);
}

static void
make_stream(int events)
{
    bus_lease  lease = {.partition = 0};
    bus_store *st;
    bus_error  err;

    check(options.store->open(&st, &options.store_options, &err), &err);
    check(options.store->create_domain(st, "inventory", 1, &err), &err);
    check(options.store->lease_take(st, "inventory", "bench", true, &lease, 1, &err), &err);
    stream = bus_new_v7(bus_clock_system());
    version = 0;
    for (int left = events; left > 0; left -= STEP)
        append(st, &lease, left < STEP ? left : STEP);
    check(options.store->lease_release(st, "inventory", &lease, 1, &err), &err);
    options.store->close(st);
}

/* One command, as its client waits for it, in microseconds. */
static int64_t
ask(const char *owner)
{
    const bus_command c = {.command_id = bus_new_v7(bus_clock_system()),
                           .type = BUS_STR("inventory.take"),
                           .tenant = tenant,
                           .stream = stream,
                           .origin = BUS_ORIGIN_CLIENT,
                           .actor = {.id = tenant, .roles = BUS_ROLE_ADMIN},
                           .expected_version = -1,
                           .data = BUS_STR("{\"quantity\":1}")};
    int64_t           began = bus_mono_us(bus_clock_system());
    bus_envelope     *answer;
    bus_error         err;

    check(bus_transport_inproc.send(client, owner, bus_envelope_of_command(&c), 1, &err), &err);
    if (bus_transport_inproc.replies(client, &answer, 1, 60000) != 1 ||
        answer->reply.status != BUS_ANSWER_DONE) {
        (void)fprintf(stderr, "load_bench: no answer\n");
        exit(1);
    }
    bus_envelope_release(answer);
    return bus_mono_us(bus_clock_system()) - began;
}

static const char *
owner_of(bus_arena *arena)
{
    bus_store          *st;
    bus_partition_info *infos;
    bus_error           err;
    int                 count;

    check(options.store->open(&st, &options.store_options, &err), &err);
    check(options.store->partitions(st, "inventory", arena, &infos, &count, &err), &err);
    options.store->close(st);
    return bus_arena_printf(arena, "%.*s", BUS_STR_ARG(infos[0].owner)).at;
}

static int
by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Median of ROUNDS fresh services. *warm: of a second command. */
static int64_t
measure(int snapshot_events, int64_t *warm)
{
    int64_t cold[ROUNDS], after[ROUNDS];

    options.snapshot_events = snapshot_events;
    for (int i = 0; i < ROUNDS; i++) {
        bus_service *service;
        bus_arena    arena = {0};
        bus_error    err;
        const char  *owner;

        check(bus_service_start(&service, &inventory_module, &options, &err), &err);
        owner = owner_of(&arena);
        cold[i] = ask(owner);
        after[i] = ask(owner);
        bus_service_stop(service);
        bus_arena_fini(&arena);
    }
    qsort(cold, ROUNDS, sizeof(cold[0]), by_size);
    qsort(after, ROUNDS, sizeof(after[0]), by_size);
    *warm = after[ROUNDS / 2];
    return cold[ROUNDS / 2];
}

int
main(int argc, char **argv)
{
    const bus_transport_options transport = {.url = "", .queue_max = 16, .batches_max = 16};
    int                         events = argc > 1 ? (int)strtol(argv[1], NULL, 10) : EVENTS;
    tests_postgres             *pg = tests_postgres_start(true);
    bus_transport              *t;
    int64_t                     without, with, warm;
    bus_error                   err;

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    check(bus_transport_inproc.open(&t, &transport, &err), &err);
    check(bus_transport_inproc.connect(t, NULL, NULL, &client, &err), &err);
    options = (bus_runtime_options){.store = &bus_store_postgres,
                                    .store_options = {.url = tests_postgres_url(pg)},
                                    .transport_ops = &bus_transport_inproc,
                                    .transport = t,
                                    .clock = bus_clock_system(),
                                    .contracts = contracts,
                                    .contracts_count = 1,
                                    .partitions = 1,
                                    .process = "bench",
                                    .sole = true,
                                    .states_bytes_max = 1 << 20,
                                    .batch_max = 16};
    make_stream(events < 1 ? 1 : events);
    without = measure(0, &warm);
    (void)measure(100, &warm); /* makes the snapshot */
    with = measure(100, &warm);
    (void)printf("a stream of %d events, its first command: %.1f ms without a snapshot, %.1f ms "
                 "with (warm: %.1f ms)\n",
                 events, (double)without / 1000, (double)with / 1000, (double)warm / 1000);
    bus_transport_inproc.disconnect(client);
    bus_transport_inproc.close(t);
    tests_postgres_stop(pg);
    return 0;
}
