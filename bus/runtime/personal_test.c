/* personal_test.c - personal members on the whole road of the kernel: event, send, answer, claim,
 * snapshot, and what happens while the keys are out of reach or one of them is gone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/memory/memory.h"
#include "bus/runtime/runtime.h"
#include "bus/runtime/verify.h"
#include "bus/store/memory/faults.h"
#include "tests/support/kernel/kernel_modules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define URL "runtime personal"
#define PARTITIONS 4
#define PATIENCE_MS 10000
#define NAME "Anna Karenina"
#define KEY "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const bus_contract *const contracts[] = {&inventory_contract, &orders_contract};
static const bus_module *const   modules[] = {&orders_module};
static bus_transport            *transport;
static bus_runtime_options       options;
static bus_service              *service;
static bus_client               *client;
static bus_store                *store;
static bus_key_store            *keep;
static bus_master_keys          *masters;
static bus_id                    tenant;
static bus_arena                 arena;
static bus_error                 err;

static void
start_service(void)
{
    assert_int_equal(bus_service_start(&service, &orders_module, &options, &err), BUS_OK);
}

static int
begin(void **state)
{
    const bus_transport_options how = {.url = "personal", .queue_max = 256, .batches_max = 256};

    (void)state;
    assert_int_equal(bus_master_keys_parse(&masters, KEY, &err), BUS_OK);
    assert_int_equal(bus_key_store_memory.open(&keep, URL, NULL, NULL, &err), BUS_OK);
    assert_int_equal(bus_transport_inproc.open(&transport, &how, &err), BUS_OK);
    options = (bus_runtime_options){
        .store = &bus_store_memory,
        .store_options = {.url = URL, .clock = bus_clock_system()},
        .transport_ops = &bus_transport_inproc,
        .transport = transport,
        .clock = bus_clock_system(),
        .contracts = contracts,
        .contracts_count = 2,
        .partitions = PARTITIONS,
        .process = "personal",
        .sole = true,
        .states_bytes_max = 1 << 20,
        .batch_max = 64,
        .snapshot_events = 2,
        .modules = modules,
        .modules_count = 1,
        .key_store = &bus_key_store_memory,
        .master_keys = masters,
    };
    tenant = bus_new_v7(bus_clock_system());
    assert_int_equal(bus_store_memory.open(&store, &options.store_options, &err), BUS_OK);
    assert_int_equal(bus_transport_inproc.connect(transport, NULL, NULL, &client, &err), BUS_OK);
    start_service();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    bus_service_stop(service);
    bus_transport_inproc.disconnect(client);
    bus_store_memory.close(store);
    bus_transport_inproc.close(transport);
    bus_store_memory_forget(URL);
    bus_key_store_memory.close(keep);
    bus_master_keys_destroy(masters);
    bus_arena_fini(&arena);
    return 0;
}

/* --- asking --------------------------------------------------------------------------- */

static bus_answer_status
greet(bus_id order, const char *buyer)
{
    bus_partition_info *infos;
    bus_envelope       *env;
    bus_command         c = {.command_id = bus_new_v7(bus_clock_system()),
                             .type = BUS_STR("orders.greet"),
                             .tenant = tenant,
                             .stream = order,
                             .partition = (uint16_t)bus_id_partition(order, PARTITIONS),
                             .origin = BUS_ORIGIN_CLIENT,
                             .actor = {.id = tenant, .roles = BUS_ROLE_ADMIN},
                             .expected_version = -1};
    bus_answer_status   status;
    int                 count;

    c.data = bus_arena_printf(&arena, "{\"buyer\":\"%s\"}", buyer);
    assert_int_equal(bus_store_memory.partitions(store, "orders", &arena, &infos, &count, &err),
                     BUS_OK);
    assert_int_equal(bus_transport_inproc.send(
                         client,
                         bus_arena_printf(&arena, "%.*s", BUS_STR_ARG(infos[c.partition].owner)).at,
                         bus_envelope_of_command(&c), 1, &err),
                     BUS_OK);
    assert_int_equal(bus_transport_inproc.replies(client, &env, 1, PATIENCE_MS), 1);
    status = env->reply.status;
    bus_envelope_release(env);
    return status;
}

typedef struct {
    int         count;
    bus_record  records[16];
    const char *leak; /* the first column that holds NAME */
} seen;

static bus_str
kept(bus_str s)
{
    return bus_arena_copy(&arena, s.at == NULL ? "" : s.at, s.len);
}

static bus_code
see(void *context, const bus_record *record, bus_error *ignored)
{
    seen       *s = context;
    bus_record *r = &s->records[s->count++];

    (void)ignored;
    *r = *record;
    r->type = kept(record->type);
    r->data = kept(record->data);
    r->sends = kept(record->sends);
    if (strstr(r->data.at, "Anna") != NULL || strstr(r->sends.at, "Anna") != NULL)
        s->leak = r->type.at;
    return BUS_OK;
}

/* The stream's events, when there are so many. */
static seen
wait_for(bus_id stream, int count)
{
    seen s = {0};

    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        s = (seen){0};
        assert_int_equal(bus_store_memory.load(store, "orders", &stream, 1, see, &s, &err), BUS_OK);
        if (s.count >= count)
            return s;
        (void)usleep(5000);
    }
    fail_msg("%d events, not %d", s.count, count);
    return s;
}

static bus_str
opened(bus_id stream, const bus_record *record)
{
    const bus_personal_options how = {.store = &bus_key_store_memory,
                                      .url = URL,
                                      .masters = masters,
                                      .clock = bus_clock_system()};
    bus_personal              *p = bus_personal_create(&how);
    bus_str                    out;

    assert_int_equal(bus_personal_open_data(p, tenant, stream,
                                            bus_contract_event(&orders_contract, record->type),
                                            record->data, &arena, &out, &err),
                     BUS_OK);
    bus_personal_destroy(p);
    return out;
}

static void
print_fault(void *context, const bus_verify_fault *fault)
{
    (void)context;
    (void)fprintf(stderr, "%s: %s\n", bus_verify_check_name(fault->check), fault->text);
}

static int64_t
faults(void)
{
    bus_verify_counts counts;

    assert_int_equal(
        bus_verify(&options, contracts + 1, 1, NULL, 0, print_fault, NULL, &counts, &err), BUS_OK);
    return counts.faults;
}

/* --- tests ---------------------------------------------------------------------------------- */

static void
test_events_sends_and_answers_are_encrypted(void **state)
{
    bus_id order = bus_new_v7(bus_clock_system()), buyer = kernel_buyer_stream(order);
    seen   of_order, of_buyer;

    (void)state;
    assert_int_equal(greet(order, NAME), BUS_ANSWER_DONE);
    of_order = wait_for(order, 2);
    of_buyer = wait_for(buyer, 1);
    assert_null(of_order.leak);
    assert_null(of_buyer.leak);
    assert_non_null(strstr(of_order.records[0].sends.at, "\"name\":\"enc:1:"));
    assert_string_equal(opened(order, &of_order.records[0]).at, "{\"buyer\":\"" NAME "\"}");
    assert_string_equal(opened(order, &of_order.records[1]).at, "{\"name\":\"" NAME "\"}");
    assert_string_equal(opened(buyer, &of_buyer.records[0]).at, "{\"name\":\"" NAME "\"}");
    assert_int_equal(faults(), 0);
}

/* Another order's buyer of the same name: the claim is met though nobody sees it. */
static void
test_a_claim_on_a_hash_is_met(void **state)
{
    bus_id first = bus_new_v7(bus_clock_system()), second = bus_new_v7(bus_clock_system());

    (void)state;
    assert_int_equal(greet(first, NAME), BUS_ANSWER_DONE);
    (void)wait_for(kernel_buyer_stream(first), 1);
    assert_int_equal(greet(second, NAME), BUS_ANSWER_DONE);
    (void)usleep(300000);
    {
        seen   s = {0};
        bus_id buyer = kernel_buyer_stream(second);

        assert_int_equal(bus_store_memory.load(store, "orders", &buyer, 1, see, &s, &err), BUS_OK);
        assert_int_equal(s.count, 0);
    }
}

static void
test_without_keys_nothing_is_written_and_all_goes_on_later(void **state)
{
    bus_id order = bus_new_v7(bus_clock_system());
    seen   s = {0};

    (void)state;
    key_store_memory_down(URL, true);
    assert_int_equal(greet(order, NAME), BUS_ANSWER_FAILED);
    assert_int_equal(bus_store_memory.load(store, "orders", &order, 1, see, &s, &err), BUS_OK);
    assert_int_equal(s.count, 0);
    key_store_memory_down(URL, false);
    assert_int_equal(greet(order, NAME), BUS_ANSWER_DONE);
    s = wait_for(order, 2);
    assert_null(s.leak);
    /* states that are not in memory cannot be read without keys: failed, not set aside */
    bus_service_stop(service);
    start_service();
    key_store_memory_down(URL, true);
    assert_int_equal(greet(order, "Another Name"), BUS_ANSWER_FAILED);
    key_store_memory_down(URL, false);
    assert_int_equal(greet(order, "Another Name"), BUS_ANSWER_DONE);
    (void)wait_for(order, 4);
    assert_int_equal(faults(), 0);
}

static void
test_a_stream_whose_key_is_gone_goes_on(void **state)
{
    bus_id order = bus_new_v7(bus_clock_system()), buyer = kernel_buyer_stream(order);
    seen   s;

    (void)state;
    for (int i = 0; i < 4; i++) /* long enough for snapshots */
        assert_int_equal(greet(order, i == 3 ? NAME : "First Name"), BUS_ANSWER_DONE);
    (void)wait_for(order, 8);
    (void)wait_for(buyer, 4);
    bus_service_stop(service);
    assert_int_equal(bus_key_store_memory.forget(keep, tenant, order, &err), BUS_OK);
    assert_int_equal(bus_key_store_memory.forget(keep, tenant, buyer, &err), BUS_OK);
    start_service();
    s = wait_for(order, 8);
    assert_string_equal(opened(order, &s.records[7]).at, "{\"name\":\"\"}");
    assert_int_equal(faults(), 0);
    assert_int_equal(greet(order, "Told Anew"), BUS_ANSWER_DONE);
    s = wait_for(order, 10);
    assert_string_equal(opened(order, &s.records[7]).at, "{\"name\":\"\"}");
    assert_null(s.leak);
    assert_string_equal(opened(order, &s.records[8]).at, "{\"buyer\":\"\"}"); /* at once */
    assert_int_equal(faults(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_events_sends_and_answers_are_encrypted, begin, end),
        cmocka_unit_test_setup_teardown(test_a_claim_on_a_hash_is_met, begin, end),
        cmocka_unit_test_setup_teardown(test_without_keys_nothing_is_written_and_all_goes_on_later,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_a_stream_whose_key_is_gone_goes_on, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
