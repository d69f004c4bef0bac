/* members_test.c - several processes of one kind share the partitions, over the memory store and
 * over PostgreSQL: who comes gets a part, what a dead one held is taken, nothing is lost or done
 * twice meanwhile. The processes are sets of services over one inproc transport, each with a name
 * and an address of its own; one that dies is a row and leases that nobody renews.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/command.h"
#include "bus/log/log.h"
#include "bus/runtime/members.h"
#include "bus/runtime/verify.h"
#include "bus/store/memory/faults.h"
#include "tests/support/kernel/kernel_modules.h"
#include "tests/support/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTITIONS 8
#define HANDOVER_MS 4000 /* of a partition from one to another, and until all have their share */
#define TAKEOVER_MS (BUS_LEASE_MS + HANDOVER_MS)
#define ORDERS_MAX 4000
#define STEP_US 10000

static const bus_contract *const contracts[] = {&inventory_contract, &orders_contract};
static const bus_view *const     views[] = {&items_projection, &stock_projection};
static const char *const parts[] = {"service inventory", "service orders", "projector inventory"};

typedef struct {
    bus_runtime_options options;
    bus_members        *members;
    bus_service        *inventory, *orders;
    bus_projector      *projector;
} process;

static const bus_store_ops *ops;
static char                 url[512];

static struct {
    bus_transport *transport;
    bus_client    *client;
    bus_store     *store;
    bus_arena      arena;
    bus_id         tenant, item;
    bus_id         orders[ORDERS_MAX]; /* their commands */
    bool           placed[ORDERS_MAX];
    int            orders_count;
    int64_t        unowned_since_us[2][PARTITIONS], unowned_us; /* the longest */
} world;

static int64_t
now_us(void)
{
    return bus_mono_us(bus_clock_system());
}

/* --- processes --------------------------------------------------------------------- */

static void
start_process(process *p, const char *name)
{
    bus_error err = {0};

    memset(p, 0, sizeof(*p));
    p->options = (bus_runtime_options){
        .store = ops,
        .store_options = {.url = url, .clock = bus_clock_system()},
        .transport_ops = &bus_transport_inproc,
        .transport = world.transport,
        .clock = bus_clock_system(),
        .contracts = contracts,
        .contracts_count = 2,
        .partitions = PARTITIONS,
        .process = name,
        .states_bytes_max = 1 << 20,
        .batch_max = 256,
    };
    assert_int_equal(bus_members_start(&p->members, &p->options, parts, 3, &err), BUS_OK);
    p->options.members = p->members;
    assert_int_equal(bus_service_start(&p->inventory, &inventory_module, &p->options, &err),
                     BUS_OK);
    assert_int_equal(bus_service_start(&p->orders, &orders_module, &p->options, &err), BUS_OK);
    assert_int_equal(
        bus_projector_start(&p->projector, &inventory_contract, views, 2, &p->options, &err),
        BUS_OK);
}

static void
stop_process(process *p)
{
    bus_members_leave(p->members);
    bus_projector_stop(p->projector);
    bus_service_stop(p->orders);
    bus_service_stop(p->inventory);
    bus_members_stop(p->members);
    memset(p, 0, sizeof(*p));
}

/* Do the parts of both services all hold so many partitions? */
static bool
holds(const process *p, int partitions)
{
    bus_health health[2 * BUS_HEALTH_MAX];
    int        count = bus_service_health(p->inventory, health);

    count += bus_service_health(p->orders, health + count);
    assert_in_range(count, 4, 2 * BUS_HEALTH_MAX); /* two writers, sends, reactions */
    for (int i = 0; i < count; i++)
        if (health[i].partitions != partitions)
            return false;
    return true;
}

static bool
stands_by(const process *p)
{
    bus_health health;

    (void)bus_projector_health(p->projector, &health);
    return strncmp(health.detail, "stands by", strlen("stands by")) == 0;
}

/* --- load -------------------------------------------------------------------------- */

static const bus_partition_info *
partitions_of(const char *domain)
{
    bus_partition_info *infos;
    bus_error           err = {0};
    int                 count;

    assert_int_equal(ops->partitions(world.store, domain, &world.arena, &infos, &count, &err),
                     BUS_OK);
    assert_int_equal(count, PARTITIONS);
    return infos;
}

/* Sends to the owner; false: there is none, or it does not listen any more. */
static bool
post(const char *domain, const char *type, bus_id id, bus_id stream, const char *data,
     uint64_t ticket)
{
    int                       partition = bus_id_partition(stream, PARTITIONS);
    const bus_partition_info *info = &partitions_of(domain)[partition];
    bus_command               c = {.command_id = id,
                                   .type = bus_str_of(type),
                                   .tenant = world.tenant,
                                   .stream = stream,
                                   .partition = (uint16_t)partition,
                                   .origin = BUS_ORIGIN_CLIENT,
                                   .actor = {.id = world.tenant, .roles = BUS_ROLE_ADMIN},
                                   .correlation_id = id,
                                   .expected_version = -1,
                                   .data = bus_str_of(data)};
    bus_envelope             *env;
    bus_error                 err = {0};

    if (!info->live)
        return false;
    env = bus_envelope_of_command(&c);
    if (bus_transport_inproc.send(world.client, info->owner.at, env, ticket, &err) == BUS_OK)
        return true;
    bus_envelope_release(env);
    return false;
}

static void
place(int nth)
{
    char data[128], text[BUS_ID_TEXT_BYTES];

    (void)snprintf(data, sizeof(data), "{\"items\":[\"%s\"],\"quantity\":1}",
                   bus_id_format(world.item, text));
    (void)post("orders", "orders.place", world.orders[nth], bus_stream_of_new(world.orders[nth]),
               data, (uint64_t)nth);
}

static void
take_replies(void)
{
    bus_envelope *replies[64];
    uint32_t      count = bus_transport_inproc.replies(world.client, replies, 64, 0);

    for (uint32_t i = 0; i < count; i++) {
        if (replies[i]->reply.status == BUS_ANSWER_DONE && replies[i]->ticket < ORDERS_MAX)
            world.placed[replies[i]->ticket] = true;
        bus_envelope_release(replies[i]);
    }
}

static void
note_unowned(void)
{
    static const char *const domains[] = {"inventory", "orders"};

    for (int d = 0; d < 2; d++) {
        const bus_partition_info *infos = partitions_of(domains[d]);

        for (int p = 0; p < PARTITIONS; p++) {
            int64_t *since = &world.unowned_since_us[d][p];

            if (infos[p].live) {
                *since = 0;
            } else if (*since == 0) {
                *since = now_us();
            } else if (now_us() - *since > world.unowned_us) {
                world.unowned_us = now_us() - *since;
            }
        }
    }
}

/* One order more, the ones that were not answered again, and a look at who owns what. */
static void
step(void)
{
    bus_arena_reset(&world.arena);
    if (world.orders_count < ORDERS_MAX) {
        world.orders[world.orders_count] = bus_new_v7(bus_clock_system());
        place(world.orders_count++);
    }
    if (world.orders_count % 16 == 0)
        for (int i = world.orders_count - 400 < 0 ? 0 : world.orders_count - 400;
             i < world.orders_count - 16; i++)
            if (!world.placed[i])
                place(i);
    take_replies();
    note_unowned();
    (void)usleep(STEP_US);
}

static void
expect_shares(const process *p, int count, const int *shares, int within_ms)
{
    int64_t until_us = now_us() + within_ms * INT64_C(1000);
    bool    all;

    world.unowned_us = 0;
    do {
        step();
        all = true;
        for (int i = 0; i < count; i++)
            all = all && holds(&p[i], shares[i]);
    } while (!all && now_us() < until_us);
    if (!all)
        fail_msg("the shares were not reached within %d ms", within_ms);
    for (int i = 0; i < 100; i++) { /* and they stay: nothing goes to and fro */
        step();
        for (int k = 0; k < count; k++)
            assert_true(holds(&p[k], shares[k]));
    }
    assert_in_range(world.unowned_us / 1000, 0, within_ms);
}

/* --- the end: everything happened, once -------------------------------------------- */

static bus_code
count_event(void *context, const bus_record *record, bus_error *err)
{
    (void)record;
    (void)err;
    ++*(int *)context;
    return BUS_OK;
}

static int
events_of(const char *domain, bus_id stream)
{
    bus_error err = {0};
    int       count = 0;

    assert_int_equal(ops->load(world.store, domain, &stream, 1, count_event, &count, &err), BUS_OK);
    return count;
}

static void
print_fault(void *context, const bus_verify_fault *f)
{
    (void)context;
    print_error("%s: %s\n", f->domain, f->text);
}

static void
expect_all_done(const process *p)
{
    bus_verify_counts counts = {0};
    bus_error         err = {0};
    bool              done = false;
    int64_t           until_us = now_us() + 20000000;

    for (int i = 0; i < world.orders_count; i++)
        while (!world.placed[i] && now_us() < until_us) {
            bus_arena_reset(&world.arena);
            place(i);
            (void)usleep(STEP_US);
            take_replies();
        }
    for (int i = 0; i < world.orders_count; i++)
        assert_true(world.placed[i]);
    while (!done && now_us() < until_us) {
        done = events_of("inventory", world.item) == 1 + world.orders_count;
        (void)usleep(STEP_US);
    }
    for (int i = 0; i < world.orders_count; i++)
        while (events_of("orders", bus_stream_of_new(world.orders[i])) < 2 && now_us() < until_us)
            (void)usleep(STEP_US);
    for (int i = 0; i < world.orders_count; i++)
        assert_int_equal(events_of("orders", bus_stream_of_new(world.orders[i])), 2);
    assert_int_equal(events_of("inventory", world.item), 1 + world.orders_count);
    assert_int_equal(
        bus_verify(&p->options, contracts, 2, views, 2, print_fault, NULL, &counts, &err), BUS_OK);
    assert_int_equal(counts.faults, 0);
    assert_true(counts.commands > world.orders_count);
}

/* --- the tests ----------------------------------------------------------------------- */

static int
setup(void **state)
{
    const bus_transport_options transport_options = {
        .url = "", .queue_max = 4096, .batches_max = 256};
    bus_store_options store_options = {.url = url, .clock = bus_clock_system()};
    bus_error         err = {0};

    (void)state;
    memset(&world, 0, sizeof(world));
    if (ops == &bus_store_memory)
        (void)snprintf(url, sizeof(url), "members");
    world.tenant = bus_new_v7(bus_clock_system());
    assert_int_equal(bus_transport_inproc.open(&world.transport, &transport_options, &err), BUS_OK);
    assert_int_equal(bus_transport_inproc.connect(world.transport, NULL, NULL, &world.client, &err),
                     BUS_OK);
    assert_int_equal(ops->open(&world.store, &store_options, &err), BUS_OK);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    bus_transport_inproc.disconnect(world.client);
    ops->close(world.store);
    bus_transport_inproc.close(world.transport);
    bus_arena_fini(&world.arena);
    if (ops == &bus_store_memory)
        bus_store_memory_forget(url);
    return 0;
}

static void
add_item(void)
{
    bus_id        id = bus_new_v7(bus_clock_system());
    bus_envelope *env = NULL;

    world.item = bus_stream_of_new(id);
    assert_true(post("inventory", "inventory.add", id, world.item,
                     "{\"name\":\"thing\",\"quantity\":100000}", ORDERS_MAX));
    assert_int_equal(bus_transport_inproc.replies(world.client, &env, 1, 5000), 1);
    assert_int_equal(env->reply.status, BUS_ANSWER_DONE);
    bus_envelope_release(env);
}

/* A process that said that it is there, holds its part, and is not heard of any more. */
static void
leave_a_ghost(const process *living)
{
    static const char *const domains[] = {"inventory", "orders"};
    bus_str                  names[3];
    const bus_member ghost = {.process = BUS_STR("ghost"), .parts = names, .parts_count = 3};
    bus_member      *list;
    bus_checkpoint   checkpoints[PARTITIONS];
    bus_error        err = {0};
    int              count, held[2] = {0, 0};

    for (int i = 0; i < 3; i++)
        names[i] = bus_str_of(parts[i]);
    assert_int_equal(ops->member_beat(world.store, &ghost, &world.arena, &list, &count, &err),
                     BUS_OK);
    while (!holds(&living[0], 3) || !holds(&living[1], 3))
        step();
    for (int d = 0; d < 2; d++) {
        bus_lease leases[PARTITIONS];

        for (int p = 0; p < PARTITIONS; p++)
            leases[p] = (bus_lease){.partition = (uint16_t)p};
        assert_int_equal(ops->lease_take(world.store, domains[d], "inproc://gone/0", false, leases,
                                         PARTITIONS, &err),
                         BUS_OK);
        for (int p = 0; p < PARTITIONS; p++)
            held[d] += leases[p].held;
    }
    assert_int_equal(held[0], 2);
    assert_int_equal(held[1], 2);
    assert_int_equal(ops->checkpoint_take(world.store, "orders", "sends", "orders", "ghost", false,
                                          checkpoints, PARTITIONS, &err),
                     BUS_OK);
}

static void
test_partitions_are_shared_by_who_is_there(void **state)
{
    process p[3];

    (void)state;
    start_process(&p[0], "a");
    while (bus_arena_reset(&world.arena), !holds(&p[0], PARTITIONS))
        (void)usleep(STEP_US);
    add_item();
    expect_shares(p, 1, (const int[]){8}, HANDOVER_MS);
    start_process(&p[1], "b");
    expect_shares(p, 2, (const int[]){4, 4}, HANDOVER_MS);
    assert_true(stands_by(&p[1]));
    start_process(&p[2], "c");
    expect_shares(p, 3, (const int[]){3, 3, 2}, HANDOVER_MS);
    stop_process(&p[2]);
    expect_shares(p, 2, (const int[]){4, 4}, HANDOVER_MS);
    leave_a_ghost(p);
    expect_shares(p, 2, (const int[]){4, 4}, TAKEOVER_MS);
    stop_process(&p[0]); /* it filled the views; b goes on */
    expect_shares(&p[1], 1, (const int[]){8}, HANDOVER_MS);
    assert_false(stands_by(&p[1]));
    expect_all_done(&p[1]);
    stop_process(&p[1]);
}

static void
test_shares_make_the_total(void **state)
{
    bus_member  member[11];
    char        names[11][8];
    bus_str     part = BUS_STR("service inventory");
    bus_member *list;
    bus_error   err = {0};
    process     p = {0};
    int         count;

    (void)state;
    assert_int_equal(bus_members_share(NULL, "service inventory", 8), 8);
    for (int n = 0; n < 11; n++) {
        (void)snprintf(names[n], sizeof(names[n]), "m%02d", n);
        member[n] = (bus_member){.process = bus_str_of(names[n]), .parts = &part, .parts_count = 1};
        assert_int_equal(
            ops->member_beat(world.store, &member[n], &world.arena, &list, &count, &err), BUS_OK);
    }
    for (int partitions = 1; partitions <= 24; partitions += 7) {
        int sum = 0;

        for (int n = 0; n < 11; n++) {
            int share;

            p.options =
                (bus_runtime_options){.store = ops,
                                      .store_options = {.url = url, .clock = bus_clock_system()},
                                      .transport_ops = &bus_transport_inproc,
                                      .transport = world.transport,
                                      .process = names[n]};
            assert_int_equal(bus_members_start(&p.members, &p.options, parts, 1, &err), BUS_OK);
            share = bus_members_share(p.members, "service inventory", partitions);
            assert_in_range(share, partitions / 11, partitions / 11 + 1);
            assert_int_equal(bus_members_share(p.members, "another", partitions), partitions);
            sum += share;
            bus_members_stop(p.members);
            assert_int_equal(
                ops->member_beat(world.store, &member[n], &world.arena, &list, &count, &err),
                BUS_OK);
        }
        assert_int_equal(sum, partitions);
    }
    for (int n = 0; n < 11; n++)
        assert_int_equal(ops->member_leave(world.store, names[n], &err), BUS_OK);
}

static int
run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shares_make_the_total, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partitions_are_shared_by_who_is_there, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int
main(void)
{
    tests_postgres *pg;
    int             failed, null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    bus_log_start(BUS_LOG_INFO, getenv("SHINA_TEST_LOG") != NULL ? STDERR_FILENO : null);
    ops = &bus_store_memory;
    failed = run_all("memory");
    pg = tests_postgres_start(false);
    ops = &bus_store_postgres;
    (void)snprintf(url, sizeof(url), "%s", tests_postgres_url(pg));
    failed += run_all("postgres");
    tests_postgres_stop(pg);
    (void)close(null);
    return failed;
}
