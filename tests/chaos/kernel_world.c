/* kernel_world.c - opening, asking and looking.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/kernel_world.h"
#include "bus/envelope/command.h"
#include "bus/runtime/verify.h"
#include "tests/chaos/say.h"
#include "tests/support/kernel/kernel_modules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 15000

static const bus_contract *const contracts[] = {&inventory_contract, &orders_contract};
static const bus_module *const   modules[] = {&inventory_module, &orders_module};

void
kernel_open(kernel_world *w, const char *url, const char *process, bus_id tenant, bool sole)
{
    const bus_transport_options options = {
        .url = "", .queue_max = KERNEL_BATCH, .batches_max = 256};
    bus_error err = {0};

    memset(w, 0, sizeof(*w));
    (void)snprintf(w->process, sizeof(w->process), "%s", process);
    w->tenant = tenant;
    assert_int_equal(bus_transport_inproc.open(&w->transport, &options, &err), BUS_OK);
    w->options = (bus_runtime_options){
        .store = &bus_store_postgres,
        .store_options = {.url = url, .clock = bus_clock_system()},
        .transport_ops = &bus_transport_inproc,
        .transport = w->transport,
        .clock = bus_clock_system(),
        .contracts = contracts,
        .contracts_count = 2,
        .modules = modules,
        .modules_count = 2,
        .partitions = KERNEL_PARTITIONS,
        .process = w->process,
        .sole = sole,
        .states_bytes_max = 1 << 20,
        .batch_max = KERNEL_BATCH,
        .snapshot_events = 4,
    };
    assert_int_equal(bus_store_postgres.open(&w->store, &w->options.store_options, &err), BUS_OK);
    assert_int_equal(bus_transport_inproc.connect(w->transport, NULL, NULL, &w->client, &err),
                     BUS_OK);
}

void
kernel_start(kernel_world *w)
{
    bus_error err = {0};

    assert_int_equal(bus_service_start(&w->inventory, &inventory_module, &w->options, &err),
                     BUS_OK);
    assert_int_equal(bus_service_start(&w->orders, &orders_module, &w->options, &err), BUS_OK);
}

/* The view, with its version changed. */
static const bus_view *
view_of(kernel_world *w, int version)
{
    bus_view *view = bus_arena_alloc(&w->arena, sizeof(*view));

    *view = items_projection;
    view->view_version = version;
    return view;
}

void
kernel_start_view(kernel_world *w, int version)
{
    const bus_view **views = bus_arena_alloc(&w->arena, sizeof(*views));
    bus_health       health[BUS_HEALTH_MAX];
    bus_error        err = {0};

    views[0] = view_of(w, version);
    assert_int_equal(
        bus_projector_start(&w->projector, &inventory_contract, views, 1, &w->options, &err),
        BUS_OK);
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (bus_projector_health(w->projector, health) == 1 && health[0].ready &&
            health[0].behind == 0)
            return;
        chaos_pause_ms(10);
    }
    fail_msg("the view does not catch up: %s", health[0].detail);
}

void
kernel_close(kernel_world *w)
{
    bus_projector_stop(w->projector);
    bus_service_stop(w->orders);
    bus_service_stop(w->inventory);
    bus_transport_inproc.disconnect(w->client);
    bus_store_postgres.close(w->store);
    bus_transport_inproc.close(w->transport);
    bus_arena_fini(&w->arena);
    memset(w, 0, sizeof(*w));
}

/* --- asking ------------------------------------------------------------------------------- */

bus_command
kernel_command(const kernel_world *w, const char *type, bus_id id, bus_id stream, const char *data)
{
    return (bus_command){.command_id = id,
                         .type = bus_str_of(type),
                         .tenant = w->tenant,
                         .stream = stream,
                         .partition = (uint16_t)bus_id_partition(stream, KERNEL_PARTITIONS),
                         .origin = BUS_ORIGIN_CLIENT,
                         .actor = {.id = w->tenant, .roles = BUS_ROLE_ADMIN},
                         .correlation_id = id,
                         .expected_version = -1,
                         .data = bus_str_of(data)};
}

bus_command
kernel_add(const kernel_world *w, bus_id id, char data[160])
{
    char text[BUS_ID_TEXT_BYTES];

    (void)snprintf(data, 160, "{\"name\":\"%s\",\"quantity\":10}", bus_id_format(id, text));
    return kernel_command(w, "inventory.add", id, bus_stream_of_new(id), data);
}

const char *
kernel_owner(kernel_world *w, const char *domain, int partition)
{
    bus_partition_info *infos;
    bus_error           err = {0};
    int                 count;

    assert_int_equal(
        bus_store_postgres.partitions(w->store, domain, &w->arena, &infos, &count, &err), BUS_OK);
    assert_in_range(partition, 0, count - 1);
    if (!infos[partition].live)
        return "";
    return bus_arena_printf(&w->arena, "%.*s", BUS_STR_ARG(infos[partition].owner)).at;
}

void
kernel_post(kernel_world *w, const bus_command *c, uint64_t ticket)
{
    char          domain[64];
    bus_envelope *env = bus_envelope_of_command(c);
    bus_error     err = {0};

    (void)snprintf(domain, sizeof(domain), "%.*s", (int)strcspn(c->type.at, "."), c->type.at);
    if (bus_transport_inproc.send(w->client, kernel_owner(w, domain, c->partition), env, ticket,
                                  &err) != BUS_OK)
        fail_msg("%s: %s", domain, err.text);
}

bus_envelope *
kernel_reply(kernel_world *w, int timeout_ms)
{
    bus_envelope *env = NULL;

    return bus_transport_inproc.replies(w->client, &env, 1, timeout_ms) == 1 ? env : NULL;
}

bus_reply
kernel_ask(kernel_world *w, const bus_command *c)
{
    static bus_envelope *last;

    for (int tries = 0; tries < 100; tries++) {
        bus_envelope_release(last);
        kernel_post(w, c, 1);
        last = kernel_reply(w, PATIENCE_MS);
        assert_non_null(last);
        if (last->reply.status != BUS_ANSWER_NOT_OWNER)
            break;
        chaos_pause_ms(50);
    }
    return last->reply;
}

/* --- looking -------------------------------------------------------------------------------- */

typedef struct {
    const char *type;
    int         count;
} counting;

static bus_code
count_one(void *context, const bus_record *record, bus_error *err)
{
    counting *c = context;

    (void)err;
    c->count += c->type == NULL || bus_str_is(record->type, c->type);
    return BUS_OK;
}

int
kernel_events_of(kernel_world *w, const char *domain, bus_id stream, const char *type)
{
    bus_error err = {0};
    counting  c = {.type = type};

    assert_int_equal(bus_store_postgres.load(w->store, domain, &stream, 1, count_one, &c, &err),
                     BUS_OK);
    return c.count;
}

static void
report(void *context, const bus_verify_fault *fault)
{
    (void)context;
    chaos_say("FAULT %s %s: %s", bus_verify_check_name(fault->check), fault->domain, fault->text);
}

void
kernel_verify(kernel_world *w, int view_version)
{
    const bus_view   *view = view_of(w, view_version);
    bus_verify_counts counts = {0};
    bus_error         err = {0};

    assert_int_equal(bus_verify(&w->options, contracts, 2, &view, view_version == 0 ? 0 : 1, report,
                                NULL, &counts, &err),
                     BUS_OK);
    assert_int_equal(counts.faults, 0);
    assert_true(counts.events > 0);
}
