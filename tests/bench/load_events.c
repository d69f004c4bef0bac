/* load_events.c - a long log in little time: valid events of vehicles appended by the store itself,
 * in batches of COPY, as a writer would append them.
 *
 *   load_events URL TENANT STREAMS EVENTS [IDS [TENANTS]]
 * The domain's schema must be there and nobody may write to it. Vehicles are registered all along;
 * between, the odometers of those that are there are read, at random. `shina verify` finds nothing
 * wrong afterwards. The claims on plates are not made: no plate is used twice. IDS is a file for
 * the ids of the streams and of their tenants, a line each. With TENANTS the streams belong to so
 * many in turn: TENANT is the first, and the next ones' last two bytes are their numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/envelope.h"
#include "bus/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096
#define REPORT_US 2000000
#define DOMAIN "vehicles"
#define TENANTS_MAX 65536

typedef struct {
    bus_id  id;
    int32_t version;
    int64_t odometer_m;
} vehicle;

typedef struct {
    bus_store *st;
    bus_lease  leases[BUS_PARTITIONS_MAX];
    int        partitions;
    bus_id     tenant; /* the first one */
    bus_str    actor;
    int64_t    streams, events, tenants;

    vehicle *fleet;
    int64_t  registered, written;
    int64_t  at_ms;
    uint64_t random;

    bus_record           made[BATCH], sorted[BATCH];
    bus_command_id       commands[BATCH];
    bus_append_partition parts[BUS_PARTITIONS_MAX];
    bus_arena            arena;
} loader;

static loader l;

static void
check(bus_code rc, const bus_error *err)
{
    if (rc == BUS_OK)
        return;
    (void)fprintf(stderr, "load_events: %s %s\n", bus_code_name(rc), err->text);
    exit(1);
}

/* xorshift64: the same log each time but for its ids. */
static uint64_t
next_random(void)
{
    l.random ^= l.random << 13;
    l.random ^= l.random >> 7;
    l.random ^= l.random << 17;
    return l.random;
}

/* Whose the nth stream is. */
static bus_id
tenant_of(int64_t nth)
{
    bus_id  tenant = l.tenant;
    int64_t number = nth % l.tenants;

    if (number == 0)
        return tenant;
    tenant.bytes[14] = (uint8_t)(number >> 8);
    tenant.bytes[15] = (uint8_t)number;
    return tenant;
}

static bus_str
data_of_registered(int64_t nth, int64_t odometer_m)
{
    return bus_arena_printf(
        &l.arena,
        "{\"plate\":\"C%07lldBC\",\"vin\":\"XTA21%012lld\",\"specs\":{\"class\":\"VAN\","
        "\"payload_g\":1500000,\"cargo_ml\":9000000,\"tank_ml\":80000,\"fuel\":\"DIESEL\","
        "\"norm_summer_ml_100km\":9500,\"norm_winter_ml_100km\":10500,\"wear_kop_km\":350,"
        "\"fixed_kop_day\":250000},\"odometer_m\":%lld,\"registered_at\":%lld}",
        (long long)nth, (long long)nth, (long long)odometer_m, (long long)l.at_ms);
}

static bus_str
data_of_reading(int64_t odometer_m)
{
    return bus_arena_printf(&l.arena, "{\"odometer_m\":%lld,\"source\":\"GPS\",\"read_at\":%lld}",
                            (long long)odometer_m, (long long)l.at_ms);
}

/* The next event: a new vehicle whenever their share of the events so far is behind. */
static bus_record
next_event(int64_t nth)
{
    bool     registers = l.registered * l.events <= nth * l.streams && l.registered < l.streams;
    int64_t  which = registers ? l.registered : (int64_t)(next_random() % l.registered);
    vehicle *v = &l.fleet[which];

    if (registers)
        *v = (vehicle){.id = bus_new_v7(bus_clock_system()), .odometer_m = 1000};
    else
        v->odometer_m += 1 + (int64_t)(next_random() % 100000);
    v->version++;
    return (bus_record){
        .partition = (uint16_t)bus_id_partition(v->id, l.partitions),
        .stream = v->id,
        .aggregate = BUS_STR("vehicle"),
        .version = v->version,
        .tenant = tenant_of(which),
        .type = registers ? BUS_STR("vehicles.registered.v1")
                          : BUS_STR("vehicles.odometer_recorded.v1"),
        .command_id = bus_new_v7(bus_clock_system()),
        .digest = (int64_t)next_random(),
        .correlation_id = bus_new_v7(bus_clock_system()),
        .actor = l.actor,
        .at_ms = l.at_ms,
        .data = registers ? data_of_registered(l.registered++, v->odometer_m)
                          : data_of_reading(v->odometer_m),
    };
}

/* Sorts by partition, keeping the order within one, and names the partitions; returns how many. */
static int
sort_by_partition(int count)
{
    int starts[BUS_PARTITIONS_MAX + 1] = {0}, used = 0;

    for (int i = 0; i < count; i++)
        starts[l.made[i].partition + 1]++;
    for (int p = 0; p < l.partitions; p++) {
        if (starts[p + 1] > 0)
            l.parts[used++] =
                (bus_append_partition){.partition = (uint16_t)p, .epoch = l.leases[p].epoch};
        starts[p + 1] += starts[p];
    }
    for (int i = 0; i < count; i++)
        l.sorted[starts[l.made[i].partition]++] = l.made[i];
    return used;
}

static void
append_batch(int count)
{
    bus_append batch = {.partitions = l.parts,
                        .events = l.sorted,
                        .events_count = count,
                        .commands = l.commands,
                        .commands_count = count};
    bus_error  err = {0};
    int64_t    now_ms = bus_now_ms(bus_clock_system());

    l.at_ms = now_ms > l.at_ms ? now_ms : l.at_ms;
    bus_arena_reset(&l.arena);
    for (int i = 0; i < count; i++) {
        l.made[i] = next_event(l.written + i);
        l.commands[i] = (bus_command_id){.id = l.made[i].command_id};
    }
    batch.partitions_count = sort_by_partition(count);
    check(bus_store_postgres.append(l.st, DOMAIN, &batch, &err), &err);
    l.written += count;
}

static void
write_ids(const char *path)
{
    FILE *f = fopen(path, "w");
    char  text[BUS_ID_TEXT_BYTES], tenant[BUS_ID_TEXT_BYTES];
    bool  failed = f == NULL;

    for (int64_t i = 0; !failed && i < l.registered; i++)
        failed = fprintf(f, "%s %s\n", bus_id_format(l.fleet[i].id, text),
                         bus_id_format(tenant_of(i), tenant)) < 0;
    if (failed || fclose(f) != 0) {
        perror("load_events: the file of ids");
        exit(1);
    }
}

static void
take_partitions(void)
{
    bus_partition_info *infos;
    bus_arena           arena = {0};
    bus_error           err = {0};

    check(bus_store_postgres.partitions(l.st, DOMAIN, &arena, &infos, &l.partitions, &err), &err);
    bus_arena_fini(&arena);
    for (int p = 0; p < l.partitions; p++)
        l.leases[p].partition = (uint16_t)p;
    check(bus_store_postgres.lease_take(l.st, DOMAIN, "load_events", false, l.leases, l.partitions,
                                        &err),
          &err);
    for (int p = 0; p < l.partitions; p++) {
        if (!l.leases[p].held) {
            (void)fprintf(stderr, "load_events: somebody writes to %s\n", DOMAIN);
            exit(1);
        }
        l.at_ms = l.leases[p].at_ms > l.at_ms ? l.leases[p].at_ms : l.at_ms;
    }
}

static void
load(void)
{
    int64_t began_us = bus_mono_us(bus_clock_system()), told_us = began_us;

    while (l.written < l.events) {
        append_batch(l.events - l.written < BATCH ? (int)(l.events - l.written) : BATCH);
        if (bus_mono_us(bus_clock_system()) - told_us < REPORT_US)
            continue;
        told_us = bus_mono_us(bus_clock_system());
        (void)fprintf(stderr, "  %lld of %lld events are in the log\n", (long long)l.written,
                      (long long)l.events);
    }
    (void)printf("{\"events\": %lld, \"streams\": %lld, \"seconds\": %.3f}\n", (long long)l.written,
                 (long long)l.registered,
                 (double)(bus_mono_us(bus_clock_system()) - began_us) / 1e6);
}

int
main(int argc, char **argv)
{
    bus_store_options options = {.url = argc > 1 ? argv[1] : NULL, .application = "load_events"};
    bus_actor         actor = {.roles = BUS_ROLE_ADMIN, .id = {{1}}};
    bus_buf           text = {0};
    bus_error         err = {0};

    if (argc < 5 || !bus_id_parse(bus_str_of(argv[2]), &l.tenant) ||
        (l.streams = strtoll(argv[3], NULL, 10)) < 1 ||
        (l.events = strtoll(argv[4], NULL, 10)) < l.streams ||
        (l.tenants = argc > 6 ? strtoll(argv[6], NULL, 10) : 1) < 1 || l.tenants > TENANTS_MAX) {
        (void)fputs("load_events URL TENANT STREAMS EVENTS [IDS [TENANTS]], EVENTS >= STREAMS >= 1,"
                    " at most 65536 TENANTS\n",
                    stderr);
        return 2;
    }
    l.random = 88172645463325252U;
    l.fleet = calloc((size_t)l.streams, sizeof(*l.fleet));
    if (l.fleet == NULL)
        abort();
    bus_actor_encode(&actor, &text);
    l.actor = (bus_str){text.at, (uint32_t)text.len};
    check(bus_store_postgres.open(&l.st, &options, &err), &err);
    take_partitions();
    load();
    check(bus_store_postgres.lease_release(l.st, DOMAIN, l.leases, l.partitions, &err), &err);
    if (argc > 5)
        write_ids(argv[5]);
    bus_store_postgres.close(l.st);
    bus_arena_fini(&l.arena);
    bus_buf_fini(&text);
    free(l.fleet);
    return 0;
}
