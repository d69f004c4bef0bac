/* runtime_test.c - the kernel as its users meet it, over the memory store in one process and as
 * if each service were a process of its own, then over a real PostgreSQL: commands, repeats,
 * claims, faults, sends, wakes, reactions, views.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/envelope/command.h"
#include "bus/log/log.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/rebuild.h"
#include "bus/runtime/runtime.h"
#include "bus/runtime/sends.h"
#include "bus/runtime/snapshot.h"
#include "bus/runtime/verify.h"
#include "bus/runtime/writer.h"
#include "bus/store/memory/faults.h"
#include "bus/store/view_table.h"
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

#define PATIENCE_MS 8000
#define PARTITIONS 4
#define SNAPSHOT_EVENTS 7

static const bus_contract *const contracts[] = {&inventory_contract, &orders_contract};
static const bus_view *const     views[] = {&items_projection, &stock_projection};

/* Who has a transport: between threads all share one, between processes each has its own. */
enum { FOR_ASKING, FOR_INVENTORY, FOR_ORDERS, FOR_VIEWS, ROLES };

/* Services, a projector, and a client to ask them. */
typedef struct {
    bus_runtime_options options;                       /* the inventory's */
    bus_runtime_options orders_options, views_options; /* the same with their transports */
    bus_transport      *transports[ROLES];
    bus_service        *inventory, *orders;
    bus_projector      *projector;
    bus_client         *client;
    bus_store          *store; /* for looking */
    bus_arena           arena;
    char                process[32];
} world;

static const bus_store_ops     *ops;
static const bus_transport_ops *between;    /* how they talk to each other */
static char                     folder[64]; /* of the sockets */
static char                     url[512];
static bus_id                   tenant;
static world                    w;
static unsigned                 last_number;

/* The system's clock, whose monotonic time the tests can move on: pauses of the couriers. */
static _Atomic int64_t ahead_us;

static int64_t
test_now_ms(void *context)
{
    (void)context;
    return bus_now_ms(bus_clock_system());
}

static int64_t
test_mono_us(void *context)
{
    (void)context;
    return bus_mono_us(bus_clock_system()) + ahead_us;
}

static void
test_random(void *context, void *out, size_t bytes)
{
    (void)context;
    bus_clock_system()->random(bus_clock_system()->context, out, bytes);
}

static const bus_clock test_clock = {NULL, test_now_ms, test_mono_us, test_random};

static bus_transport *
open_transport(void)
{
    static unsigned sockets;
    char            at[128];
    bus_transport  *transport = NULL;
    bus_error       err = {0};

    (void)snprintf(at, sizeof(at), "ipc://%s/%u", folder, ++sockets);
    const bus_transport_options options = {.url = at, .queue_max = 4096, .batches_max = 256};
    if (between->open(&transport, &options, &err) != BUS_OK)
        fail_msg("%s", err.text);
    return transport;
}

/* Each hears the batches of all others. */
static void
open_transports(world *x)
{
    const char *urls[ROLES];
    bool        shared = between == &bus_transport_inproc;

    for (int role = 0; role < ROLES; role++) {
        x->transports[role] = shared && role > 0 ? x->transports[0] : open_transport();
        urls[role] = between->url(x->transports[role]);
    }
    for (int role = 0; role < ROLES; role++)
        between->peers(x->transports[role], urls, ROLES);
}

static void
close_transports(world *x)
{
    for (int role = ROLES - 1; role >= 0; role--)
        if (role == 0 || x->transports[role] != x->transports[0])
            between->close(x->transports[role]);
}

static void
open_world(world *x, const char *process, size_t states_bytes)
{
    bus_error err = {0};

    memset(x, 0, sizeof(*x));
    (void)snprintf(x->process, sizeof(x->process), "%s", process);
    open_transports(x);
    const bus_runtime_options options = {
        .store = ops,
        .store_options = {.url = url, .clock = bus_clock_system()},
        .transport_ops = between,
        .clock = &test_clock,
        .contracts = contracts,
        .contracts_count = 2,
        .partitions = PARTITIONS,
        .process = x->process,
        .sole = true,
        .states_bytes_max = states_bytes,
        .batch_max = 256,
        .snapshot_events = SNAPSHOT_EVENTS,
    };
    x->options = x->orders_options = x->views_options = options;
    x->options.transport = x->transports[FOR_INVENTORY];
    x->orders_options.transport = x->transports[FOR_ORDERS];
    x->views_options.transport = x->transports[FOR_VIEWS];
    assert_int_equal(ops->open(&x->store, &options.store_options, &err), BUS_OK);
    assert_int_equal(between->connect(x->transports[FOR_ASKING], NULL, NULL, &x->client, &err),
                     BUS_OK);
}

static void
start_services(world *x)
{
    bus_error err = {0};

    assert_int_equal(bus_service_start(&x->inventory, &inventory_module, &x->options, &err),
                     BUS_OK);
    assert_int_equal(bus_service_start(&x->orders, &orders_module, &x->orders_options, &err),
                     BUS_OK);
}

static void
start_projector(world *x)
{
    bus_error err = {0};

    assert_int_equal(
        bus_projector_start(&x->projector, &inventory_contract, views, 2, &x->views_options, &err),
        BUS_OK);
}

static void
close_world(world *x)
{
    bus_projector_stop(x->projector);
    bus_service_stop(x->orders);
    bus_service_stop(x->inventory);
    between->disconnect(x->client);
    ops->close(x->store);
    close_transports(x);
    bus_arena_fini(&x->arena);
    memset(x, 0, sizeof(*x));
}

static int
setup(void **state)
{
    char name[64];

    (void)state;
    /* A tenant of its own: tests over one database do not meet. */
    (void)snprintf(name, sizeof(name), "tenant %u of %ld", ++last_number, (long)getpid());
    tenant = bus_id_v5_text(BUS_ID_NIL, name);
    if (ops == &bus_store_memory)
        (void)snprintf(url, sizeof(url), "runtime %u", last_number);
    open_world(&w, "first", 1 << 20);
    start_services(&w);
    return 0;
}

/* What one test set aside is not the next one's. */
static void
clear_stuck(void)
{
    bus_parked *rows;
    bus_error   err = {0};
    int         count;

    assert_int_equal(
        ops->parked(w.store, "inventory", BUS_WRITER_READER, &w.arena, &rows, &count, &err),
        BUS_OK);
    for (int i = 0; i < count; i++) {
        const bus_park_write park = {
            .stream = rows[i].stream, .partition = rows[i].partition, .reason = "", .remove = true};

        assert_int_equal(
            ops->park(w.store, "inventory", BUS_WRITER_READER, "inventory", &park, NULL, 1, &err),
            BUS_OK);
    }
}

static int
teardown(void **state)
{
    (void)state;
    clear_stuck();
    if (ops == &bus_store_memory)
        bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_OK, true, 0);
    close_world(&w);
    return 0;
}

/* --- asking -------------------------------------------------------------------------- */

static bus_id
new_id(void)
{
    return bus_new_v7(bus_clock_system());
}

static bus_id
of_new(bus_id command_id)
{
    return bus_stream_of_new(command_id);
}

/* The address of a partition's owner. */
static const char *
owner(world *x, const char *domain, int partition)
{
    bus_partition_info *infos;
    bus_error           err = {0};
    int                 count;

    assert_int_equal(ops->partitions(x->store, domain, &x->arena, &infos, &count, &err), BUS_OK);
    assert_in_range(partition, 0, count - 1);
    return bus_arena_printf(&x->arena, "%.*s", BUS_STR_ARG(infos[partition].owner)).at;
}

static bus_command
command(const char *type, bus_id id, bus_id stream, const char *data)
{
    return (bus_command){.command_id = id,
                         .type = bus_str_of(type),
                         .tenant = tenant,
                         .stream = stream,
                         .partition = (uint16_t)bus_id_partition(stream, PARTITIONS),
                         .origin = BUS_ORIGIN_CLIENT,
                         .actor = {.id = tenant, .roles = BUS_ROLE_ADMIN},
                         .correlation_id = id,
                         .expected_version = -1,
                         .data = bus_str_of(data)};
}

static void
post(world *x, const bus_command *c, uint64_t ticket)
{
    char          domain[64];
    bus_envelope *env = bus_envelope_of_command(c);
    bus_error     err = {0};

    (void)snprintf(domain, sizeof(domain), "%.*s", (int)strcspn(c->type.at, "."), c->type.at);
    assert_int_equal(between->send(x->client, owner(x, domain, c->partition), env, ticket, &err),
                     BUS_OK);
}

/* The next reply; the caller releases it. */
static bus_envelope *
reply(world *x)
{
    bus_envelope *env = NULL;

    assert_int_equal(between->replies(x->client, &env, 1, PATIENCE_MS), 1);
    return env;
}

/* Asks and waits. The reply's strings live until the next ask. */
static bus_reply
ask_command(world *x, const bus_command *c)
{
    static bus_envelope *last;

    bus_envelope_release(last);
    post(x, c, 1);
    last = reply(x);
    return last->reply;
}

static bus_reply
ask(const char *type, bus_id id, bus_id stream, const char *data)
{
    bus_command c = command(type, id, stream, data);

    return ask_command(&w, &c);
}

/* An item with a name of its own. */
static bus_id
add_item(int quantity)
{
    bus_id    id = new_id();
    char      data[160], text[BUS_ID_TEXT_BYTES];
    bus_reply r;

    (void)snprintf(data, sizeof(data), "{\"name\":\"%s\",\"quantity\":%d}", bus_id_format(id, text),
                   quantity);
    r = ask("inventory.add", id, of_new(id), data);
    assert_int_equal(r.status, BUS_ANSWER_DONE);
    return of_new(id);
}

static bus_reply
take(bus_id item, int quantity)
{
    char data[64];

    (void)snprintf(data, sizeof(data), "{\"quantity\":%d}", quantity);
    return ask("inventory.take", new_id(), item, data);
}

#define assert_refused(r, text)                          \
    do {                                                 \
        bus_reply r_ = (r);                              \
        assert_int_equal(r_.status, BUS_ANSWER_REFUSED); \
        assert_true(bus_str_is(r_.code, text));          \
    } while (0)

/* --- looking ----------------------------------------------------------------------------- */

typedef struct {
    int     count;
    int32_t version;
    char    types[32][48];
} stream_seen;

static bus_code
see(void *context, const bus_record *record, bus_error *err)
{
    stream_seen *s = context;

    (void)err;
    s->version = record->version;
    if (s->count < 32)
        (void)snprintf(s->types[s->count], sizeof(s->types[0]), "%.*s", BUS_STR_ARG(record->type));
    s->count++;
    return BUS_OK;
}

static stream_seen
look_at(const char *domain, bus_id stream)
{
    stream_seen seen = {0};
    bus_error   err = {0};

    assert_int_equal(ops->load(w.store, domain, &stream, 1, see, &seen, &err), BUS_OK);
    return seen;
}

/* Waits until the stream has so many events. */
static stream_seen
wait_for_events(const char *domain, bus_id stream, int count)
{
    stream_seen seen = look_at(domain, stream);

    for (int i = 0; i < PATIENCE_MS / 5 && seen.count < count; i++) {
        (void)usleep(5000);
        seen = look_at(domain, stream);
    }
    assert_int_equal(seen.count, count);
    return seen;
}

static bus_str
row_of(const bus_view *view, bus_id id)
{
    bus_str   body = {NULL, 0};
    int32_t   version;
    bus_error err = {0};
    bus_code  rc = ops->view_rows(w.store, view->of, view->view_version, &tenant, &id, 1, &w.arena,
                                  &body, &version, &err);

    assert_true(rc == BUS_OK || rc == BUS_NOT_FOUND); /* its table may still be in the making */
    return body;
}

/* Waits until the row holds the text. */
static void
wait_for_row(const bus_view *view, bus_id id, const char *text)
{
    bus_str body = {NULL, 0};

    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        body = row_of(view, id);
        if (body.at != NULL && strstr(body.at, text) != NULL)
            return;
        (void)usleep(5000);
    }
    fail_msg("the row is %.*s, expected %s in it", BUS_STR_ARG(body), text);
}

/* --- commands and repeats ----------------------------------------------------------------------
 */

static void
test_a_command_is_answered_when_it_is_in_the_log(void **state)
{
    bus_id      item = add_item(10);
    bus_reply   r = take(item, 3);
    stream_seen seen = look_at("inventory", item);

    (void)state;
    assert_int_equal(r.status, BUS_ANSWER_DONE);
    assert_int_equal(r.version, 2);
    assert_true(r.offset > 0);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.types[0], "inventory.added.v3");
    assert_string_equal(seen.types[1], "inventory.taken.v1");
}

static void
test_a_repeat_gets_the_first_answer(void **state)
{
    bus_id    item = add_item(10), id = new_id();
    bus_reply first = ask("inventory.take", id, item, "{\"quantity\":4}");
    int64_t   offset = first.offset;
    bus_reply again = ask("inventory.take", id, item, "{\"quantity\":4}");

    (void)state;
    assert_int_equal(again.status, BUS_ANSWER_DONE);
    assert_true(again.repeated);
    assert_int_equal(again.version, 2);
    assert_true(again.offset == offset);
    assert_int_equal(look_at("inventory", item).count, 2);
    assert_refused(ask("inventory.take", id, item, "{\"quantity\":5}"), "IDEMPOTENCY_KEY_REUSED");
}

static void
test_a_repeat_after_a_restart_too(void **state)
{
    bus_id item = add_item(10), id = new_id();

    (void)state;
    assert_int_equal(ask("inventory.take", id, item, "{\"quantity\":10}").version, 3);
    close_world(&w);
    open_world(&w, "second", 1 << 20);
    start_services(&w);
    {
        bus_reply again = ask("inventory.take", id, item, "{\"quantity\":10}");

        assert_int_equal(again.status, BUS_ANSWER_DONE); /* though it would be refused now */
        assert_true(again.repeated);
        assert_int_equal(again.version, 3);
    }
    assert_refused(ask("inventory.take", id, item, "{\"quantity\":1}"), "IDEMPOTENCY_KEY_REUSED");
    assert_refused(take(item, 1), "ITEM_SHORT");
}

static void
test_a_repeated_create_meets_its_first_self(void **state)
{
    bus_id    id = new_id();
    bus_reply r;

    (void)state;
    for (int i = 0; i < 2; i++) {
        r = ask("inventory.add", id, of_new(id), "{\"name\":\"once only\",\"quantity\":1}");
        assert_int_equal(r.status, BUS_ANSWER_DONE);
        assert_int_equal(r.version, 1);
        assert_int_equal(r.repeated, i == 1);
    }
    close_world(&w);
    open_world(&w, "second", 1 << 20);
    start_services(&w);
    r = ask("inventory.add", id, of_new(id), "{\"name\":\"once only\",\"quantity\":1}");
    assert_int_equal(r.status, BUS_ANSWER_DONE);
    assert_true(r.repeated);
    assert_int_equal(look_at("inventory", of_new(id)).count, 1);
}

/* The first of two came too late, the second did not: two answers, and none about the key. */
static void
test_a_twin_of_a_late_one_is_carried_out(void **state)
{
    enum { PAIRS = 200 };
    bus_id item = add_item(1000);

    (void)state;
    for (int n = 0; n < PAIRS; n++) {
        bus_command c = command("inventory.take", new_id(), item, "{\"quantity\":1}");

        c.expires_at_ms = 1;
        post(&w, &c, (uint64_t)n * 2);
        c.expires_at_ms = 0;
        post(&w, &c, (uint64_t)n * 2 + 1);
    }
    for (int n = 0; n < 2 * PAIRS; n++) {
        bus_envelope *env = reply(&w);

        assert_int_equal(env->reply.status,
                         env->ticket % 2 == 0 ? BUS_ANSWER_EXPIRED : BUS_ANSWER_DONE);
        bus_envelope_release(env);
    }
}

/* Another command made the stream, and nothing of it is in memory. */
static void
test_a_stream_is_made_once(void **state)
{
    bus_id item = add_item(5);

    (void)state;
    assert_refused(ask("inventory.add", new_id(), item, "{\"name\":\"warm\",\"quantity\":1}"),
                   "ALREADY_EXISTS");
    close_world(&w);
    open_world(&w, "second", 1 << 20);
    start_services(&w);
    assert_refused(ask("inventory.add", new_id(), item, "{\"name\":\"cold\",\"quantity\":1}"),
                   "ALREADY_EXISTS");
    assert_int_equal(look_at("inventory", item).count, 1);
}

static void
test_many_at_once_with_twins_and_refusals(void **state)
{
    enum { COMMANDS = 600 };
    bus_id item = add_item(100), ids[COMMANDS / 2];
    int    done = 0, refused = 0;

    (void)state;
    for (int i = 0; i < COMMANDS / 2; i++)
        ids[i] = new_id();
    for (int i = 0; i < COMMANDS; i++) { /* each twice, side by side */
        bus_command c = command("inventory.take", ids[i / 2], item, "{\"quantity\":1}");

        post(&w, &c, (uint64_t)i);
    }
    for (int i = 0; i < COMMANDS; i++) {
        bus_envelope *env = reply(&w);

        done += env->reply.status == BUS_ANSWER_DONE;
        refused += env->reply.status == BUS_ANSWER_REFUSED;
        bus_envelope_release(env);
    }
    assert_int_equal(done, 200);
    assert_int_equal(refused, COMMANDS - 200);
    assert_int_equal(look_at("inventory", item).count, 1 + 100 + 1);
}

static void
test_refusals_leave_nothing(void **state)
{
    bus_id      item = add_item(2);
    bus_command c;

    (void)state;
    assert_refused(take(item, 3), "ITEM_SHORT");
    assert_true(bus_str_is(take(item, 3).params, "{\"left\":2}"));
    assert_true(bus_str_is(take(item, 3).detail, "Only 2 left."));
    assert_refused(take(new_id(), 1), "NOT_FOUND");
    assert_int_equal(ask("inventory.take", new_id(), item, "{\"quantity\":0}").status,
                     BUS_ANSWER_INVALID);
    assert_int_equal(ask("inventory.nothing", new_id(), item, "{}").status, BUS_ANSWER_INVALID);
    assert_int_equal(ask("inventory.promise_over", new_id(), item, "{}").status,
                     BUS_ANSWER_INVALID); /* only timers may */
    c = command("inventory.take", new_id(), item, "{\"quantity\":1}");
    c.tenant = bus_id_v5_text(tenant, "another");
    assert_refused(ask_command(&w, &c), "NOT_FOUND");
    c = command("inventory.take", new_id(), item, "{\"quantity\":1}");
    c.actor.roles = BUS_ROLE_VIEWER;
    assert_refused(ask_command(&w, &c), "FORBIDDEN");
    c.actor.roles = BUS_ROLE_DRIVER; /* own only, and it is nobody's own */
    assert_refused(ask_command(&w, &c), "NOT_FOUND");
    c = command("inventory.take", new_id(), item, "{\"quantity\":1}");
    c.expected_version = 7;
    assert_refused(ask_command(&w, &c), "VERSION_MISMATCH");
    c = command("inventory.take", new_id(), item, "{\"quantity\":1}");
    c.expires_at_ms = bus_now_ms(bus_clock_system()) - 1;
    assert_int_equal(ask_command(&w, &c).status, BUS_ANSWER_EXPIRED);
    assert_int_equal(ask("inventory.look", new_id(), item, "{}").status, BUS_ANSWER_DONE);
    assert_int_equal(look_at("inventory", item).count, 1);
}

/* A client asks, gets no answer, asks again and is refused. Then the first copy arrives, and by now
 * it could be done: it is not. Asked once more, it is. */
static void
test_what_was_refused_is_not_done_by_an_older_copy(void **state)
{
    bus_id        holder = new_id(), item = add_item(2);
    const int64_t first_ms = bus_now_ms(bus_clock_system()) + 60000;
    bus_command   c = command("inventory.rename", new_id(), item, "{\"name\":\"wanted\"}");

    (void)state;
    assert_int_equal(
        ask("inventory.add", holder, of_new(holder), "{\"name\":\"wanted\",\"quantity\":1}").status,
        BUS_ANSWER_DONE);
    c.expires_at_ms = first_ms + 1000;
    assert_refused(ask_command(&w, &c), "ITEM_NAME_TAKEN");
    assert_int_equal(
        ask("inventory.rename", new_id(), of_new(holder), "{\"name\":\"unwanted\"}").status,
        BUS_ANSWER_DONE);
    c.expires_at_ms = first_ms;
    assert_int_equal(ask_command(&w, &c).status, BUS_ANSWER_EXPIRED);
    assert_int_equal(ask_command(&w, &c).status, BUS_ANSWER_EXPIRED);
    assert_int_equal(look_at("inventory", item).count, 1);
    c.expires_at_ms = first_ms + 2000;
    assert_int_equal(ask_command(&w, &c).status, BUS_ANSWER_DONE);
    c.expires_at_ms = first_ms; /* what is done is done */
    assert_int_equal(ask_command(&w, &c).status, BUS_ANSWER_DONE);
}

static void
test_states_do_not_depend_on_memory(void **state)
{
    bus_id items[40];

    (void)state;
    close_world(&w);
    open_world(&w, "small", 1); /* nothing stays in memory between batches */
    start_services(&w);
    for (int i = 0; i < 40; i++)
        items[i] = add_item(3);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 40; i++)
            assert_int_equal(take(items[i], 1).status, BUS_ANSWER_DONE);
    for (int i = 0; i < 40; i++)
        assert_refused(take(items[i], 1), "ITEM_SHORT");
}

/* --- claims -------------------------------------------------------------------------------------
 */

static void
test_a_name_is_given_once(void **state)
{
    bus_id    one = new_id(), two = new_id();
    bus_reply r;
    char      text[BUS_ID_TEXT_BYTES];

    (void)state;
    assert_int_equal(
        ask("inventory.add", one, of_new(one), "{\"name\":\"n\",\"quantity\":1}").status,
        BUS_ANSWER_DONE);
    r = ask("inventory.add", two, of_new(two), "{\"name\":\"n\",\"quantity\":1}");
    assert_refused(r, "ITEM_NAME_TAKEN");
    assert_non_null(strstr(r.params.at, bus_id_format(of_new(one), text)));
    assert_int_equal(look_at("inventory", of_new(two)).count, 0);
    assert_int_equal(ask("inventory.rename", new_id(), of_new(one), "{\"name\":\"m\"}").status,
                     BUS_ANSWER_DONE);
    assert_int_equal(
        ask("inventory.add", two, of_new(two), "{\"name\":\"n\",\"quantity\":1}").status,
        BUS_ANSWER_DONE);
    assert_refused(ask("inventory.rename", new_id(), of_new(one), "{\"name\":\"n\"}"),
                   "ITEM_NAME_TAKEN");
}

/* Taken and given back in one batch: that another holds it counts all the same. */
static void
test_a_name_of_another_is_not_even_passed_through(void **state)
{
    enum { PAIRS = 200 };
    bus_id item = add_item(1), holder = new_id();
    char   data[PAIRS][64];

    (void)state;
    assert_int_equal(
        ask("inventory.add", holder, of_new(holder), "{\"name\":\"held\",\"quantity\":1}").status,
        BUS_ANSWER_DONE);
    for (int n = 0; n < PAIRS; n++) {
        bus_command c = command("inventory.rename", new_id(), item, "{\"name\":\"held\"}");

        post(&w, &c, (uint64_t)n * 2);
        (void)snprintf(data[n], sizeof(data[n]), "{\"name\":\"free %d\"}", n);
        c = command("inventory.rename", new_id(), item, data[n]);
        post(&w, &c, (uint64_t)n * 2 + 1);
    }
    for (int n = 0; n < 2 * PAIRS; n++) {
        bus_envelope *env = reply(&w);

        assert_int_equal(env->reply.status,
                         env->ticket % 2 == 0 ? BUS_ANSWER_REFUSED : BUS_ANSWER_DONE);
        bus_envelope_release(env);
    }
}

static void
test_one_of_many_gets_the_name(void **state)
{
    enum { MANY = 64 };
    int done = 0, refused = 0;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        bus_id      id = new_id();
        bus_command c =
            command("inventory.add", id, of_new(id), "{\"name\":\"wanted\",\"quantity\":1}");

        post(&w, &c, (uint64_t)i);
    }
    for (int i = 0; i < MANY; i++) {
        bus_envelope *env = reply(&w);

        done += env->reply.status == BUS_ANSWER_DONE;
        refused += env->reply.status == BUS_ANSWER_REFUSED &&
                   bus_str_is(env->reply.code, "ITEM_NAME_TAKEN");
        bus_envelope_release(env);
    }
    assert_int_equal(done, 1);
    assert_int_equal(refused, MANY - 1);
}

/* --- faults of modules ---------------------------------------------------------------------------
 */

static void
test_a_broken_invariant_stays_with_its_stream(void **state)
{
    bus_id item = add_item(5), other = add_item(5);

    (void)state;
    assert_refused(ask("inventory.break", new_id(), item, "{\"where\":\"DECIDE\"}"),
                   "STREAM_FAULT");
    assert_refused(take(item, 1), "STREAM_FAULT"); /* set aside */
    assert_int_equal(take(other, 1).status, BUS_ANSWER_DONE);
    assert_refused(ask("inventory.break", new_id(), other, "{\"where\":\"APPLY\"}"),
                   "STREAM_FAULT");
    assert_int_equal(look_at("inventory", other).count, 2); /* nothing of it is in the log */
    {
        bus_health health[BUS_HEALTH_MAX];

        assert_true(bus_service_health(w.inventory, health) >= 1);
        assert_int_equal(health[0].quarantined, 2);
    }
}

/* --- faults of the store (memory only: it can be told to fail)
 * --------------------------------------- */

static void
test_an_unknown_outcome_is_found_out(void **state)
{
    bus_id item = add_item(10);

    (void)state;
    if (ops != &bus_store_memory)
        skip();
    bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_UNKNOWN, false, 1); /* it was committed */
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    assert_int_equal(look_at("inventory", item).count, 2);
    bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_UNKNOWN, true, 1); /* it was not */
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    assert_int_equal(look_at("inventory", item).count, 3);
    assert_int_equal(take(item, 8).status, BUS_ANSWER_DONE);
    assert_refused(take(item, 1), "ITEM_SHORT");
}

/* FAILED would say that it was not carried out; it was. */
static void
test_an_outcome_that_stays_unknown_is_not_called_a_failure(void **state)
{
    bus_id        item = add_item(10), id = new_id();
    bus_command   c = command("inventory.take", id, item, "{\"quantity\":1}");
    bus_envelope *env;

    (void)state;
    if (ops != &bus_store_memory)
        skip();
    bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_UNKNOWN, false, 1);
    bus_store_memory_fail(url, BUS_FAULT_LEASE, BUS_UNAVAILABLE, true, 1000000);
    post(&w, &c, 1);
    for (int i = 0; i < PATIENCE_MS / 5 && look_at("inventory", item).count < 2; i++)
        (void)usleep(5000);
    bus_service_stop(w.inventory); /* before the store tells */
    w.inventory = NULL;
    env = reply(&w);
    assert_int_equal(env->reply.status, BUS_ANSWER_EXPIRED);
    bus_envelope_release(env);
    bus_store_memory_fail(url, BUS_FAULT_LEASE, BUS_OK, true, 0);
}

static void
test_a_store_that_fails_fails_the_command_alone(void **state)
{
    bus_id item = add_item(10), id = new_id();

    (void)state;
    if (ops != &bus_store_memory)
        skip();
    bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_FULL, true, 1);
    assert_int_equal(ask("inventory.take", id, item, "{\"quantity\":10}").status,
                     BUS_ANSWER_FAILED);
    assert_int_equal(look_at("inventory", item).count, 1);
    assert_int_equal(ask("inventory.take", id, item, "{\"quantity\":10}").status, BUS_ANSWER_DONE);
    bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_CONFLICT, true, 2);
    assert_int_equal(ask("inventory.promise", new_id(), item, "{}").status, BUS_ANSWER_DONE);
    bus_store_memory_fail(url, BUS_FAULT_READ, BUS_UNAVAILABLE, true, 1000);
    assert_int_equal(take(new_id(), 1).status, BUS_ANSWER_FAILED); /* not: there is none */
    bus_store_memory_fail(url, BUS_FAULT_READ, BUS_OK, true, 0);
    assert_refused(take(new_id(), 1), "NOT_FOUND");
}

/* What the store cannot take is the fault of one command, not of its neighbours. */
static void
test_an_invalid_append_is_narrowed_down(void **state)
{
    enum { COMMANDS = 400 };
    bus_id item = add_item(COMMANDS);
    int    failed = 0;

    (void)state;
    if (ops != &bus_store_memory)
        return;
    for (int n = 0; n < COMMANDS; n++) {
        bus_command c = command("inventory.take", new_id(), item, "{\"quantity\":1}");

        if (n == COMMANDS / 2)
            bus_store_memory_fail(url, BUS_FAULT_APPEND, BUS_INVALID, true, 1);
        post(&w, &c, (uint64_t)n);
    }
    for (int n = 0; n < COMMANDS; n++) {
        bus_envelope *env = reply(&w);

        failed += env->reply.status != BUS_ANSWER_DONE;
        bus_envelope_release(env);
    }
    assert_in_range(failed, 0, 1); /* 1: it was alone in its batch */
}

static void
test_a_stale_owner_answers_nothing(void **state)
{
    bus_id      item = add_item(10);
    bus_lease   lease = {.partition = (uint16_t)bus_id_partition(item, PARTITIONS)};
    bus_error   err = {0};
    bus_command c = command("inventory.take", new_id(), item, "{\"quantity\":99}");
    char        address[512];

    (void)state;
    (void)snprintf(address, sizeof(address), "%s", owner(&w, "inventory", lease.partition));
    assert_int_equal(ops->lease_take(w.store, "inventory", "elsewhere", true, &lease, 1, &err),
                     BUS_OK);
    assert_true(lease.held);
    /* It still believes that the partition is its own: neither refuses nor appends. */
    assert_int_equal(between->send(w.client, address, bus_envelope_of_command(&c), 1, &err),
                     BUS_OK);
    {
        bus_envelope *env = reply(&w);

        assert_int_equal(env->reply.status, BUS_ANSWER_NOT_OWNER);
        bus_envelope_release(env);
    }
    assert_int_equal(look_at("inventory", item).count, 1);
}

/* A second process over the same store waits until the first is gone, and takes over then. */
static void
test_a_second_process_stands_by(void **state)
{
    bus_id    item = add_item(10);
    world     second;
    bus_error err = {0};

    (void)state;
    open_world(&second, "second", 1 << 20);
    second.options.sole = false;
    assert_int_equal(bus_service_start(&second.inventory, &inventory_module, &second.options, &err),
                     BUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
        (void)usleep(20000);
    }
    bus_service_stop(w.inventory);
    w.inventory = NULL;
    ahead_us += 2000000; /* to its next look at the leases */
    for (int i = 0; i < PATIENCE_MS / 20 &&
                    owner(&second, "inventory", bus_id_partition(item, PARTITIONS))[0] == '\0';
         i++)
        (void)usleep(20000);
    {
        bus_command c = command("inventory.take", new_id(), item, "{\"quantity\":1}");

        assert_int_equal(ask_command(&second, &c).status, BUS_ANSWER_DONE);
    }
    close_world(&second);
}

/* --- sends, answers, reactions, wakes
 * ---------------------------------------------------------------- */

static bus_id
place(const bus_id *items, int count, int quantity)
{
    bus_id    id = new_id();
    bus_str   list = BUS_STR("");
    char      text[BUS_ID_TEXT_BYTES];
    bus_reply r;

    for (int i = 0; i < count; i++)
        list = bus_arena_printf(&w.arena, "%.*s%s\"%s\"", BUS_STR_ARG(list), i == 0 ? "" : ",",
                                bus_id_format(items[i], text));
    r = ask("orders.place", id, of_new(id),
            bus_arena_printf(&w.arena, "{\"items\":[%.*s],\"quantity\":%d}", BUS_STR_ARG(list),
                             quantity)
                .at);
    assert_int_equal(r.status, BUS_ANSWER_DONE);
    return of_new(id);
}

static void
test_sends_go_in_order_and_their_answers_come_back(void **state)
{
    bus_id      items[4], order;
    stream_seen seen;

    (void)state;
    for (int i = 0; i < 3; i++)
        items[i] = add_item(i == 1 ? 1 : 10);
    items[3] = new_id(); /* does not exist */
    order = place(items, 4, 2);
    seen = wait_for_events("orders", order, 5);
    assert_string_equal(seen.types[0], "orders.placed.v1");
    assert_string_equal(seen.types[1], "orders.item_got.v1");
    assert_string_equal(seen.types[2], "orders.item_missed.v1");
    assert_string_equal(seen.types[3], "orders.item_got.v1");
    assert_string_equal(seen.types[4], "orders.item_missed.v1");
    assert_int_equal(look_at("inventory", items[0]).count, 2);
    assert_int_equal(look_at("inventory", items[1]).count, 1);
}

static void
test_sends_survive_a_restart(void **state)
{
    enum { ORDERS = 20 };
    bus_id item = add_item(1000), orders[ORDERS];

    (void)state;
    for (int i = 0; i < ORDERS; i++)
        orders[i] = place(&item, 1, 1);
    close_world(&w); /* in the middle of it */
    open_world(&w, "second", 1 << 20);
    start_services(&w);
    for (int i = 0; i < ORDERS; i++)
        (void)wait_for_events("orders", orders[i], 2);
    assert_int_equal(look_at("inventory", item).count, 1 + ORDERS);
}

/* The target is down; so is this process before it comes back. */
static void
test_a_stop_with_sends_under_way(void **state)
{
    bus_id items[3], order;

    (void)state;
    for (int i = 0; i < 3; i++)
        items[i] = add_item(10);
    bus_service_stop(w.inventory);
    w.inventory = NULL;
    order = place(items, 3, 1);
    (void)usleep(100000); /* the first of them is tried by now */
    close_world(&w);
    open_world(&w, "second", 1 << 20);
    start_services(&w);
    (void)wait_for_events("orders", order, 4);
}

static int
parked_count(const char *home)
{
    bus_parked *parked;
    bus_error   err = {0};
    int         count;

    assert_int_equal(ops->parked(w.store, home, NULL, &w.arena, &parked, &count, &err), BUS_OK);
    return count;
}

/* Moves the clock on until the domain's parked streams are so many. */
static void
wait_for_parked(const char *home, int count)
{
    for (int i = 0; i < PATIENCE_MS / 50 && parked_count(home) != count; i++) {
        ahead_us += 31000000; /* longer than a target is tried, and than a parked stream rests */
        (void)usleep(50000);
    }
    assert_int_equal(parked_count(home), count);
}

static void
test_a_target_that_stays_down_parks_the_stream(void **state)
{
    bus_id    items[3], order, other;
    bus_error err = {0};
    char      data[160], text[BUS_ID_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 3; i++)
        items[i] = add_item(10);
    bus_service_stop(w.inventory);
    w.inventory = NULL;
    order = place(items, 3, 1);
    other = place(items, 2, 1);
    wait_for_parked("orders", 2);
    ahead_us += 31000000; /* tried again: its events are taken in anew */
    (void)usleep(200000);
    (void)snprintf(data, sizeof(data), "{\"items\":[\"%s\"],\"quantity\":2}",
                   bus_id_format(items[0], text));
    assert_int_equal(ask("orders.place_more", new_id(), order, data).status, BUS_ANSWER_DONE);
    (void)usleep(200000); /* ... and passed over, since the stream is parked */
    assert_int_equal(bus_service_start(&w.inventory, &inventory_module, &w.options, &err), BUS_OK);
    wait_for_parked("orders", 0);
    (void)wait_for_events("orders", order, 6);
    (void)wait_for_events("orders", other, 3);
    assert_int_equal(look_at("inventory", items[0]).count, 4);
}

static void
test_a_sent_refusal_is_durable(void **state)
{
    bus_id      item = add_item(1), id = new_id();
    bus_command c = command("inventory.take", id, item, "{\"quantity\":5}");
    bus_reply   r;

    (void)state;
    c.origin = BUS_ORIGIN_SEND;
    c.actor.roles = BUS_ROLE_SERVICE;
    assert_refused(ask_command(&w, &c), "ITEM_SHORT");
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    r = ask_command(&w, &c); /* whatever has changed meanwhile */
    assert_refused(r, "ITEM_SHORT");
    assert_true(r.repeated);
    assert_true(bus_str_is(r.params, "{\"left\":1}"));
}

static void
test_a_reaction_happens_once(void **state)
{
    bus_id item = add_item(3);

    (void)state;
    assert_int_equal(take(item, 3).status, BUS_ANSWER_DONE);
    (void)wait_for_events("orders", kernel_depletion_stream(item), 1);
    close_world(&w);
    open_world(&w, "second", 1 << 20); /* reads again what its checkpoint does not cover */
    start_services(&w);
    (void)usleep(300000);
    assert_int_equal(look_at("orders", kernel_depletion_stream(item)).count, 1);
}

static void
test_a_wake_comes_once(void **state)
{
    bus_id      item = add_item(3), forgotten = add_item(3);
    stream_seen seen;

    (void)state;
    assert_int_equal(ask("inventory.promise", new_id(), item, "{}").status, BUS_ANSWER_DONE);
    assert_int_equal(ask("inventory.promise", new_id(), forgotten, "{}").status, BUS_ANSWER_DONE);
    assert_int_equal(ask("inventory.forget_promise", new_id(), forgotten, "{}").status,
                     BUS_ANSWER_DONE);
    seen = wait_for_events("inventory", item, 3);
    assert_string_equal(seen.types[2], "inventory.promise_ended.v1");
    (void)usleep(200000);
    assert_int_equal(look_at("inventory", item).count, 3);
    assert_int_equal(look_at("inventory", forgotten).count, 3);
}

/* --- views
 * ---------------------------------------------------------------------------------------------- */

static void
test_views_follow(void **state)
{
    bus_id item, stock = bus_id_v5_text(tenant, "stock");

    (void)state;
    start_projector(&w);
    item = add_item(100);
    (void)add_item(50);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(take(item, i).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, item, "\"version\":4,");
    wait_for_row(&items_projection, item, "\"quantity\":94,\"takes\":[1,2,3]");
    wait_for_row(&stock_projection, stock, "\"added\":150,\"taken\":6");
    bus_projector_stop(w.projector);
    w.projector = NULL;
    assert_int_equal(take(item, 4).status, BUS_ANSWER_DONE);
    start_projector(&w); /* goes on where it was */
    wait_for_row(&items_projection, item, "\"quantity\":90,\"takes\":[1,2,3,4]");
    wait_for_row(&stock_projection, stock, "\"added\":150,\"taken\":10");
}

static void
test_a_view_that_cannot_handle_an_event_parks_its_stream(void **state)
{
    bus_id item, other, stock = bus_id_v5_text(tenant, "stock");

    (void)state;
    start_projector(&w);
    item = add_item(10);
    other = add_item(10);
    assert_int_equal(ask("inventory.break", new_id(), item, "{\"where\":\"VIEW\"}").status,
                     BUS_ANSWER_DONE);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    assert_int_equal(take(other, 2).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, other, "\"quantity\":8");
    wait_for_row(&stock_projection, stock, "\"taken\":3"); /* the other view goes on */
    assert_non_null(strstr(row_of(&items_projection, item).at, "\"quantity\":10"));
}

static void
keys_two_logs(const bus_event *event, bus_projection *out)
{
    bus_row_key(out, event->tenant);
}

static void
project_two_logs(void *state, const bus_event *event, bus_projection *out)
{
    (void)state;
    (void)out;
    BUS_INVARIANT(event->type != &inventory_broken_event);
}

/* Of several logs that a view follows, the parking names the one that the stream is in. */
static void
test_a_parking_names_its_log(void **state)
{
    static const bus_message *const follows[] = {&orders_placed_event, &inventory_broken_event};
    bus_contract                    contract = inventory_contract; /* that lets it read orders */
    bus_view_contract               of = stock_view;
    const bus_view                  view = {
                         .of = &of, .view_version = 9, .project = project_two_logs, .keys = keys_two_logs};
    const bus_view *one[] = {&view};
    bus_parked     *parked = NULL;
    bus_error       err = {0};
    bus_id          item;
    int             count = 0, named = 0;

    (void)state;
    contract.follows = of.follows = follows;
    contract.follows_count = of.follows_count = 2;
    assert_int_equal(/* before there are events: the projector itself parks, not its builder */
                     bus_projector_start(&w.projector, &contract, one, 1, &w.options, &err),
                     BUS_OK);
    item = add_item(1);
    assert_int_equal(ask("inventory.break", new_id(), item, "{\"where\":\"VIEW\"}").status,
                     BUS_ANSWER_DONE);
    for (int i = 0; i < PATIENCE_MS / 5 && named == 0; i++) {
        (void)usleep(5000);
        assert_int_equal(ops->parked(w.store, "inventory", NULL, &w.arena, &parked, &count, &err),
                         BUS_OK);
        for (int k = 0; k < count; k++)
            if (bus_id_equal(parked[k].stream, item)) {
                assert_true(bus_str_is(parked[k].domain, "inventory"));
                named++;
            }
    }
    assert_int_equal(named, 1);
    bus_projector_stop(w.projector); /* it borrows the view of this test */
    w.projector = NULL;
}

static bool
all_ready(void)
{
    bus_health health[BUS_HEALTH_MAX];
    int        count = bus_service_health(w.orders, health); /* with a courier of its sends */
    bool       ready = true;

    for (int i = 0; i < count; i++)
        ready = ready && health[i].ready;
    return ready;
}

/* Also when nothing happens: what was out of reach and is back is told by the next renewal. */
static void
test_a_store_that_is_back_is_noticed_when_idle(void **state)
{
    (void)state;
    if (ops != &bus_store_memory)
        skip();
    assert_true(all_ready());
    bus_store_memory_fail(url, BUS_FAULT_LEASE, BUS_UNAVAILABLE, true, 1000000);
    for (int i = 0; i < 400 && all_ready(); i++)
        (void)usleep(10000);
    (void)usleep(2000000); /* the writer and the couriers */
    assert_false(all_ready());
    bus_store_memory_fail(url, BUS_FAULT_LEASE, BUS_OK, true, 0);
    for (int i = 0; i < 400 && !all_ready(); i++)
        (void)usleep(10000);
    assert_true(all_ready());
}

/* A commit of the projector whose outcome nobody knows is neither lost nor done twice. */
static void
test_a_fold_of_unknown_outcome_counts_once(void **state)
{
    bus_id stock = bus_id_v5_text(tenant, "stock");

    (void)state;
    if (ops != &bus_store_memory)
        return; /* the fault is the memory store's */
    for (int before = 0; before < 2; before++) {
        char text[64];

        if (w.inventory == NULL)
            start_services(&w);
        (void)add_item(100);
        bus_service_stop(w.orders); /* their couriers must not take the fault */
        bus_service_stop(w.inventory);
        w.orders = w.inventory = NULL;
        bus_store_memory_fail(url, BUS_FAULT_EFFECT, BUS_UNKNOWN, before == 1, 1);
        start_projector(&w);
        (void)usleep(400000);
        (void)snprintf(text, sizeof(text), "\"added\":%d,", 100 * (before + 1));
        wait_for_row(&stock_projection, stock, text);
        bus_projector_stop(w.projector);
        w.projector = NULL;
    }
}

static int64_t
courier_epochs(void)
{
    bus_checkpoint_info *infos;
    bus_error            err = {0};
    int                  count;
    int64_t              sum = 0;

    assert_int_equal(ops->checkpoints(w.store, "orders", &w.arena, &infos, &count, &err), BUS_OK);
    for (int i = 0; i < count; i++)
        sum += infos[i].epoch; /* of sends and of reactions: one of them meets the fault */
    return sum;
}

/* It could still happen, after a later one: all is taken anew, so that it cannot. */
static void
test_a_checkpoint_of_unknown_outcome_is_fenced_off(void **state)
{
    bus_id  item;
    int64_t before;

    (void)state;
    if (ops != &bus_store_memory)
        return;
    item = add_item(10);
    for (int i = 0; i < PATIENCE_MS / 5 && courier_epochs() < 2 * PARTITIONS; i++)
        (void)usleep(5000); /* both have taken theirs */
    before = courier_epochs();
    bus_store_memory_fail(url, BUS_FAULT_EFFECT, BUS_UNKNOWN, true, 1);
    (void)place(&item, 1, 3);
    for (int i = 0; i < PATIENCE_MS / 5 && courier_epochs() < before + PARTITIONS; i++)
        (void)usleep(5000);
    assert_true(courier_epochs() >= before + PARTITIONS);
    bus_store_memory_fail(url, BUS_FAULT_EFFECT, BUS_OK, true, 0);
}

static void
test_a_parking_survives_a_failed_turn(void **state)
{
    bus_id item, other;

    (void)state;
    if (ops != &bus_store_memory)
        return;
    item = add_item(10);
    other = add_item(10);
    assert_int_equal(ask("inventory.break", new_id(), item, "{\"where\":\"VIEW\"}").status,
                     BUS_ANSWER_DONE);
    assert_int_equal(take(other, 2).status, BUS_ANSWER_DONE);
    bus_service_stop(w.orders);
    bus_service_stop(w.inventory);
    w.orders = w.inventory = NULL;
    bus_store_memory_fail(url, BUS_FAULT_EFFECT, BUS_UNAVAILABLE, true, 1);
    start_projector(&w);
    wait_for_row(&items_projection, other, "\"quantity\":8");
    assert_int_equal(parked_count("inventory"), 1);
}

static void
count_view_fault(void *context, const bus_verify_fault *fault)
{
    if (fault->check == BUS_VERIFY_VIEW) {
        (void)fprintf(stderr, "%s: %s\n", fault->view, fault->text);
        ++*(int *)context;
    }
}

/* Every row is the fold of the log, whoever wrote it. */
static void
assert_views_are_right(void)
{
    bus_verify_counts counts = {0};
    bus_error         err = {0};
    int               faults = 0;

    assert_int_equal(
        bus_verify(&w.options, contracts, 2, views, 2, count_view_fault, &faults, &counts, &err),
        BUS_OK);
    assert_int_equal(faults, 0);
    assert_int_equal(counts.unsure, 0);
}

/* --- what an operator does with a parked stream
 * ---------------------------------------------------------------------------------------------- */

static void
ask_reader(const bus_view *view, bus_id stream, bus_ask ask)
{
    bus_error err = {0};
    char      table[BUS_VIEW_TABLE_BYTES], reader[96];

    bus_view_table_name(view->of, view->view_version, table);
    (void)snprintf(reader, sizeof(reader), "view.%s", table);
    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        if (ops->park_ask(w.store, "inventory", reader, "inventory", stream, ask, &err) == BUS_OK)
            return;
        assert_int_equal(err.code, BUS_NOT_FOUND); /* not parked yet */
        (void)usleep(5000);
    }
    fail_msg("%s", err.text);
}

static void
test_an_operator_has_a_view_skip_an_event(void **state)
{
    bus_id item;

    (void)state;
    start_projector(&w);
    item = add_item(10);
    assert_int_equal(ask("inventory.break", new_id(), item, "{\"where\":\"VIEW\"}").status,
                     BUS_ANSWER_DONE);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    ask_reader(&items_projection, item, BUS_ASK_RETRY); /* in vain: it breaks again */
    (void)usleep(2500000);
    assert_non_null(strstr(row_of(&items_projection, item).at, "\"quantity\":10"));
    ask_reader(&items_projection, item, BUS_ASK_SKIP);
    wait_for_row(&items_projection, item, "\"quantity\":9");
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, item, "\"quantity\":8"); /* and goes on by itself */
    assert_views_are_right();
}

/* --- tables made anew
 * ----------------------------------------------------------------------------------------------
 */

typedef struct {
    int     passes, calls, stop_at_call;
    int64_t done, total, rows;
} told;

static void
note_progress(void *context, const bus_rebuild_progress *progress)
{
    told *t = context;

    t->passes = progress->pass;
    t->done = progress->done;
    t->total = progress->total;
    t->rows = progress->rows;
}

static bool
go_on(void *context)
{
    told *t = context;

    return ++t->calls != t->stop_at_call;
}

static bus_code
rebuild(told *t, size_t bytes, bus_error *err)
{
    bus_runtime_options options = w.options;
    const bus_rebuild   what = {.home = &inventory_contract,
                                .views = views,
                                .views_count = 2,
                                .builder = "by hand",
                                .go_on = go_on,
                                .progress = note_progress,
                                .context = t};

    options.rebuild_bytes = bytes;
    return bus_rebuild_run(&options, &what, err);
}

static void
test_tables_are_built_anew_in_passes_under_load(void **state)
{
    enum { ITEMS = 60, TAKES = 30 };
    bus_id    items[ITEMS], stock = bus_id_v5_text(tenant, "stock");
    told      t = {0};
    bus_error err = {0};
    char      text[64];

    (void)state;
    start_projector(&w);
    for (int i = 0; i < ITEMS; i++)
        items[i] = add_item(1000);
    wait_for_row(&items_projection, items[ITEMS - 1], "\"quantity\":1000");
    for (int n = 0; n < ITEMS * TAKES; n++) {
        bus_command c = command("inventory.take", new_id(), items[n % ITEMS], "{\"quantity\":1}");

        post(&w, &c, (uint64_t)n);
    }
    if (rebuild(&t, 2 * 1024, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_true(t.passes > w.options.partitions + 1); /* more than with memory for all */
    assert_true(t.rows >= ITEMS);
    assert_int_equal(t.done, t.total);
    for (int n = 0; n < ITEMS * TAKES; n++)
        bus_envelope_release(reply(&w));
    (void)snprintf(text, sizeof(text), "\"added\":%d,\"taken\":%d", ITEMS * 1000, ITEMS * TAKES);
    wait_for_row(&stock_projection, stock, text);
    for (int i = 0; i < ITEMS; i++)
        wait_for_row(&items_projection, items[i], "\"quantity\":970");
    assert_views_are_right();
}

/* Its tables are filled in their places: to build one beside is refused, and nothing is left. */
static void
test_an_analytic_is_not_rebuilt(void **state)
{
    static const bus_windows windows;
    bus_view_contract        contract = *items_projection.of;
    bus_view                 view = items_projection;
    const bus_view          *list[] = {&stock_projection, &view};
    const bus_rebuild        what = {
               .home = &inventory_contract, .views = list, .views_count = 2, .builder = "by hand"};
    bus_error err = {0};

    (void)state;
    start_projector(&w);
    contract.windows = &windows;
    view.of = &contract;
    assert_int_equal(bus_rebuild_run(&w.options, &what, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "is of an analytic"));
}

static void
test_a_build_that_is_stopped_leaves_the_old_table(void **state)
{
    bus_view_info *infos;
    bus_id         item;
    told           t = {.stop_at_call = 1};
    bus_error      err = {0};
    int            count;

    (void)state;
    start_projector(&w);
    item = add_item(100);
    wait_for_row(&items_projection, item, "\"quantity\":100");
    assert_int_equal(rebuild(&t, 0, &err), BUS_CLOSED);
    wait_for_row(&items_projection, item, "\"quantity\":100");
    assert_int_equal(ops->view_infos(w.store, "inventory", &w.arena, &infos, &count, &err), BUS_OK);
    for (int i = 0; i < count; i++)
        assert_true(infos[i].live && infos[i].builder.len == 0);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, item, "\"quantity\":99"); /* its projector was not disturbed */
}

/* A view with two rows of each item; only the second cannot be made of a break. */
static void
keys_twice(const bus_event *event, bus_projection *out)
{
    bus_row_key(out, event->stream);
    bus_row_key(out, bus_id_v5_text(event->stream, "second"));
}

static void
project_twice(void *row, const bus_event *event, bus_projection *out)
{
    if (event->type == &inventory_broken_event)
        BUS_INVARIANT(bus_id_equal(out->row, event->stream));
    else
        items_projection.project(row, event, out);
}

/* The rows of one event are made in different passes: what a later one leaves out must not be in
 * the rows of an earlier one. */
static void
test_a_build_leaves_out_in_all_passes(void **state)
{
    enum { ITEMS_MAX = 2000, ITEMS_MIN = 100 };
    bus_view            view = items_projection;
    const bus_view     *one[] = {&view};
    bus_runtime_options options = w.options;
    told                t = {0};
    const bus_rebuild   what = {.home = &inventory_contract,
                                .views = one,
                                .views_count = 1,
                                .builder = "by hand",
                                .go_on = go_on,
                                .progress = note_progress,
                                .context = &t};
    bus_id              item = {0};
    bus_error           err = {0};
    bool                found = false;

    (void)state;
    view.view_version = 9;
    view.keys = keys_twice;
    view.project = project_twice;
    for (int i = 0; i < ITEMS_MAX && (!found || i < ITEMS_MIN); i++) {
        bus_id next = add_item(10);

        /* read when the first pass has been made smaller, its rows in the first and a later one */
        if (found || bus_id_partition(next, w.options.partitions) != w.options.partitions - 1 ||
            bus_row_hash(next) >= UINT64_C(1) << 29 ||
            bus_row_hash(bus_id_v5_text(next, "second")) < UINT64_C(1) << 31)
            continue;
        item = next;
        found = true;
    }
    assert_true(found);
    assert_int_equal(ask("inventory.break", new_id(), item, "{\"where\":\"VIEW\"}").status,
                     BUS_ANSWER_DONE);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    options.rebuild_bytes = 16 * 1024;
    if (bus_rebuild_run(&options, &what, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_true(t.passes > 1);
    assert_non_null(strstr(row_of(&view, item).at, "\"quantity\":10"));
}

static void
test_a_build_parks_what_it_cannot_fold(void **state)
{
    bus_id    item, other;
    told      t = {0};
    bus_error err = {0};

    (void)state;
    item = add_item(10);
    other = add_item(20);
    assert_int_equal(ask("inventory.break", new_id(), item, "{\"where\":\"VIEW\"}").status,
                     BUS_ANSWER_DONE);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    if (rebuild(&t, 0, &err) != BUS_OK)
        fail_msg("%s", err.text);
    assert_non_null(strstr(row_of(&items_projection, item).at, "\"quantity\":10"));
    assert_non_null(strstr(row_of(&items_projection, other).at, "\"quantity\":20"));
    start_projector(&w);
    assert_int_equal(take(other, 1).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, other, "\"quantity\":19");
    assert_non_null(strstr(row_of(&items_projection, item).at, "\"quantity\":10"));
    assert_views_are_right();
}

static void
test_many_events_in_many_turns(void **state)
{
    enum { ITEMS = 50, TAKES = 40 };
    bus_id items[ITEMS], stock = bus_id_v5_text(tenant, "stock");
    char   text[64];

    (void)state;
    start_projector(&w);
    for (int i = 0; i < ITEMS; i++)
        items[i] = add_item(1000);
    for (int n = 0; n < ITEMS * TAKES; n++) {
        bus_command c = command("inventory.take", new_id(), items[n % ITEMS], "{\"quantity\":1}");

        post(&w, &c, (uint64_t)n);
    }
    for (int n = 0; n < ITEMS * TAKES; n++) {
        bus_envelope *env = reply(&w);

        assert_int_equal(env->reply.status, BUS_ANSWER_DONE);
        bus_envelope_release(env);
    }
    (void)snprintf(text, sizeof(text), "\"added\":%d,\"taken\":%d", ITEMS * 1000, ITEMS * TAKES);
    wait_for_row(&stock_projection, stock, text);
    for (int i = 0; i < ITEMS; i++)
        wait_for_row(&items_projection, items[i], "\"quantity\":960");
}

/* --- snapshots ---------------------------------------------------------------------- */

/* The state of an item, as kernel_modules.c has it. */
struct item_state {
    char    name[44];
    int64_t quantity;
    bool    promised;
};

typedef struct {
    bus_snapshot s;
    char        *bytes; /* of its state, in the arena of the world */
} snapshot_seen;

static bus_code
see_snapshot(void *context, const bus_snapshot *snapshot, bus_error *err)
{
    snapshot_seen *seen = context;

    (void)err;
    assert_in_range(snapshot->state.len, 1, 256);
    seen->s = *snapshot;
    seen->bytes = bus_arena_alloc(&w.arena, snapshot->state.len);
    memcpy(seen->bytes, snapshot->state.at, snapshot->state.len);
    seen->s.state.at = seen->bytes;
    seen->s.aggregate = BUS_STR("item");
    return BUS_OK;
}

/* Waits until the item's snapshot is of this version. */
static snapshot_seen
wait_for_snapshot(bus_id item, int32_t version)
{
    snapshot_seen seen = {0};
    bus_error     err = {0};

    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        assert_int_equal(
            ops->snapshots_read(w.store, "inventory", &item, 1, see_snapshot, &seen, &err), BUS_OK);
        if (seen.s.version == version)
            return seen;
        (void)usleep(5000);
    }
    fail_msg("the snapshot is of version %d, not %d", (int)seen.s.version, (int)version);
    return seen;
}

/* Writes a snapshot as the owner of its partition would. */
static void
put_snapshot(bus_snapshot s)
{
    bus_partition_info *infos;
    bus_error           err = {0};
    int                 count;

    s.partition = (uint16_t)bus_id_partition(s.stream, PARTITIONS);
    assert_int_equal(ops->partitions(w.store, "inventory", &w.arena, &infos, &count, &err), BUS_OK);
    s.epoch = infos[s.partition].epoch;
    assert_int_equal(ops->snapshots_write(w.store, "inventory", &s, 1, &err), BUS_OK);
}

static void
restart_inventory(void)
{
    bus_error err = {0};

    bus_service_stop(w.inventory);
    assert_int_equal(bus_service_start(&w.inventory, &inventory_module, &w.options, &err), BUS_OK);
}

/* How many are left, as a refusal tells it. */
static int
left_of(bus_id item)
{
    bus_reply r = take(item, 1000000);
    int       left = -1;

    assert_refused(r, "ITEM_SHORT");
    assert_int_equal(sscanf(r.params.at, "{\"left\":%d}", &left), 1);
    return left;
}

static void
test_a_long_stream_begins_at_its_snapshot(void **state)
{
    bus_id            item = add_item(100);
    bus_snapshot_form form = bus_snapshot_form_of(&inventory_module.aggregates[0]);
    struct item_state lie = {.name = "a lie", .quantity = 5000};
    snapshot_seen     seen;
    bus_buf           bytes = {0};
    bus_error         err = {0};

    (void)state;
    for (int i = 0; i < 9; i++)
        assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    seen = wait_for_snapshot(item, SNAPSHOT_EVENTS);
    seen.s.state.at = seen.bytes; /* of this copy */
    assert_int_equal(bus_snapshot_open(&form, &seen.s, NULL, NULL, &lie, &err), BUS_OK);
    assert_int_equal(lie.quantity, 100 - (SNAPSHOT_EVENTS - 1));
    restart_inventory();
    assert_int_equal(left_of(item), 91);

    /* It is the snapshot that was used, with the three events behind it: another one shows. */
    lie.quantity = 5000;
    assert_int_equal(bus_snapshot_seal(&form, seen.s.tenant, item, SNAPSHOT_EVENTS, &lie, NULL,
                                       NULL, &bytes, &err),
                     BUS_OK);
    seen.s.state = bus_buf_str(&bytes);
    put_snapshot(seen.s);
    restart_inventory();
    assert_int_equal(left_of(item), 4997);
    bus_buf_fini(&bytes);
}

static void
test_a_snapshot_that_does_not_fit_is_passed_over_and_replaced(void **state)
{
    bus_id        item = add_item(100);
    snapshot_seen seen;

    (void)state;
    for (int i = 0; i < 9; i++)
        assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    seen = wait_for_snapshot(item, SNAPSHOT_EVENTS);
    seen.bytes[seen.s.state.len - 1] ^= 1; /* damaged */
    put_snapshot(seen.s);
    restart_inventory();
    assert_int_equal(left_of(item), 91);
    (void)wait_for_snapshot(item, 10); /* read in full, it was long enough for a new one */

    seen = wait_for_snapshot(item, 10);
    seen.s.snapshot_version = 99; /* of another binary */
    seen.s.version = 8;
    put_snapshot(seen.s);
    restart_inventory();
    assert_int_equal(left_of(item), 91);
    seen = wait_for_snapshot(item, 10);
    assert_int_equal(seen.s.snapshot_version, 1);
}

static void
test_snapshots_that_fail_harm_nobody(void **state)
{
    bus_id        item = add_item(100);
    snapshot_seen seen = {0};
    bus_error     err = {0};

    (void)state;
    if (ops != &bus_store_memory)
        return; /* the memory store fails on purpose; conformance_faults shows the real one */
    bus_store_memory_fail(url, BUS_FAULT_SNAPSHOT, BUS_FULL, true, 1);
    for (int i = 0; i < SNAPSHOT_EVENTS + 2; i++)
        assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    assert_int_equal(ops->snapshots_read(w.store, "inventory", &item, 1, see_snapshot, &seen, &err),
                     BUS_OK);
    assert_int_equal(seen.s.version, 0);
    for (int i = 0; i < SNAPSHOT_EVENTS; i++)
        assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    (void)wait_for_snapshot(item, 2 * SNAPSHOT_EVENTS); /* the next time it is there */
}

/* --- events of older versions -------------------------------------------------------- */

/* Appends an event as an older binary did, while nobody writes. */
static void
append_old(bus_id stream, int32_t version, const char *type, const char *data)
{
    int                  p = bus_id_partition(stream, PARTITIONS);
    bus_lease            lease = {.partition = (uint16_t)p};
    bus_append_partition part = {.partition = (uint16_t)p};
    bus_actor            actor = {.id = tenant, .roles = BUS_ROLE_ADMIN};
    bus_buf              who = {0};
    bus_command_id       id = {.id = new_id()};
    bus_record           event = {.partition = (uint16_t)p,
                                  .stream = stream,
                                  .aggregate = BUS_STR("item"),
                                  .version = version,
                                  .tenant = tenant,
                                  .type = bus_str_of(type),
                                  .command_id = id.id,
                                  .correlation_id = id.id,
                                  .at_ms = bus_now_ms(bus_clock_system()),
                                  .data = bus_str_of(data)};
    bus_append           batch = {.partitions = &part,
                                  .partitions_count = 1,
                                  .events = &event,
                                  .events_count = 1,
                                  .commands = &id,
                                  .commands_count = 1};
    bus_error            err = {0};

    bus_actor_encode(&actor, &who);
    event.actor = bus_buf_str(&who);
    assert_int_equal(ops->lease_take(w.store, "inventory", "old", true, &lease, 1, &err), BUS_OK);
    part.epoch = lease.epoch;
    assert_int_equal(ops->append(w.store, "inventory", &batch, &err), BUS_OK);
    assert_int_equal(ops->lease_release(w.store, "inventory", &lease, 1, &err), BUS_OK);
    bus_buf_fini(&who);
}

static void
start_inventory(void)
{
    bus_error err = {0};

    assert_int_equal(bus_service_start(&w.inventory, &inventory_module, &w.options, &err), BUS_OK);
}

static void
stop_inventory(void)
{
    bus_service_stop(w.inventory);
    w.inventory = NULL;
}

/* A log that knows version 1 only: states, views and reactions see the newest. */
static void
test_old_events_are_read_as_the_newest(void **state)
{
    bus_id      item = new_id(), stock = bus_id_v5_text(tenant, "stock");
    stream_seen seen;

    (void)state;
    stop_inventory();
    append_old(item, 1, "inventory.added.v1", "{\"name\":\"old bolt\",\"quantity\":12}");
    append_old(item, 2, "inventory.taken.v1", "{\"quantity\":2,\"left\":10}");
    append_old(item, 3, "inventory.depleted.v1", "{}");
    start_inventory();
    start_projector(&w);
    assert_int_equal(left_of(item), 10);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, item, "\"name\":\"old bolt\",\"quantity\":9,\"takes\":[2,1]");
    wait_for_row(&stock_projection, stock, "\"added\":12,\"taken\":3");
    (void)wait_for_events("orders", kernel_depletion_stream(item), 1);
    seen = look_at("inventory", item); /* in the log they stay what they were */
    assert_string_equal(seen.types[0], "inventory.added.v1");
    assert_string_equal(seen.types[2], "inventory.depleted.v1");
}

/* An event between the versions goes the rest of the way. */
static void
test_an_event_of_the_middle_version_too(void **state)
{
    bus_id item = new_id();

    (void)state;
    stop_inventory();
    append_old(item, 1, "inventory.added.v2",
               "{\"name\":\"nut\",\"quantity\":5,\"origin\":\"BOUGHT\"}");
    start_inventory();
    start_projector(&w);
    assert_int_equal(left_of(item), 5);
    wait_for_row(&items_projection, item, "\"name\":\"nut\",\"quantity\":5");
}

/* Its stream is set aside, for commands and for views; its neighbours go on. */
static void
test_an_upcaster_that_breaks_sets_one_stream_aside(void **state)
{
    bus_id item = new_id(), other;

    (void)state;
    stop_inventory();
    append_old(item, 1, "inventory.added.v1", "{\"name\":\"unreadable\",\"quantity\":1}");
    start_inventory();
    start_projector(&w);
    other = add_item(3);
    assert_refused(take(item, 1), "STREAM_FAULT");
    assert_int_equal(take(other, 1).status, BUS_ANSWER_DONE);
    wait_for_row(&items_projection, other, "\"quantity\":2");
    assert_null(row_of(&items_projection, item).at);
}

/* What is answered out of an old log: the asker sees the newest too. */
static void
test_answers_carry_the_newest(void **state)
{
    static const char text[] =
        "{\"command\":\"inventory.add\",\"stream\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
        "\"accepted\":true,\"version\":1,\"events\":[{\"type\":\"inventory.added.v1\","
        "\"data\":{\"name\":\"bolt\",\"quantity\":4}}]}";
    const struct inventory_added_v3 *added;
    bus_answer                       answer;
    bus_error                        err = {0};

    (void)state;
    assert_int_equal(
        bus_answer_decode(BUS_STR(text), contracts, 2, NULL, tenant, &w.arena, &answer, &err),
        BUS_OK);
    assert_int_equal(answer.events_count, 1);
    assert_ptr_equal(answer.events[0].type, &inventory_added_v3_event);
    added = answer.events[0].data;
    assert_int_equal(added->lots.count, 1);
    assert_int_equal(added->lots.items[0].quantity, 4);
}

/* --- streams set aside ------------------------------------------------------------------ */

static int
quarantined(void)
{
    bus_health health[BUS_HEALTH_MAX];

    assert_true(bus_service_health(w.inventory, health) >= 1);
    return health[0].quarantined;
}

/* The item's row on the stuck list; its reason, or empty. */
static bus_str
stuck(bus_id item)
{
    bus_parked *rows;
    bus_error   err = {0};
    int         count;

    assert_int_equal(
        ops->parked(w.store, "inventory", BUS_WRITER_READER, &w.arena, &rows, &count, &err),
        BUS_OK);
    for (int i = 0; i < count; i++)
        if (bus_id_equal(rows[i].stream, item))
            return rows[i].reason;
    return (bus_str){NULL, 0};
}

/* As `shina parked` does it. */
static void
release(bus_id item)
{
    const bus_park_write park = {.stream = item,
                                 .partition = (uint16_t)bus_id_partition(item, PARTITIONS),
                                 .reason = "",
                                 .remove = true};
    bus_error            err = {0};

    assert_int_equal(
        ops->park(w.store, "inventory", BUS_WRITER_READER, "inventory", &park, NULL, 1, &err),
        BUS_OK);
}

static void
wait_until_stuck(bus_id item, bool expected)
{
    for (int i = 0; i < PATIENCE_MS / 5 && (stuck(item).len > 0) != expected; i++)
        (void)usleep(5000);
    assert_int_equal(stuck(item).len > 0, expected);
}

static void
test_a_stream_set_aside_is_on_the_stuck_list_until_released(void **state)
{
    bus_id item = add_item(5);

    (void)state;
    assert_refused(ask("inventory.break", new_id(), item, "{\"where\":\"DECIDE\"}"),
                   "STREAM_FAULT");
    wait_until_stuck(item, true);
    assert_non_null(strstr(stuck(item).at, "kernel_modules.c"));
    (void)usleep(2000000); /* it stays while its row does */
    assert_refused(take(item, 1), "STREAM_FAULT");
    release(item);
    for (int i = 0; i < PATIENCE_MS / 5 && quarantined() > 0; i++)
        (void)usleep(5000);
    assert_int_equal(quarantined(), 0);
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
}

static void
test_a_new_writer_tries_once_what_was_set_aside(void **state)
{
    bus_id item = add_item(5), broken = new_id();

    (void)state;
    stop_inventory();
    append_old(broken, 1, "inventory.added.v1", "{\"name\":\"unreadable\",\"quantity\":1}");
    start_inventory();
    assert_refused(take(broken, 1), "STREAM_FAULT");
    assert_refused(ask("inventory.break", new_id(), item, "{\"where\":\"DECIDE\"}"),
                   "STREAM_FAULT");
    wait_until_stuck(item, true);
    wait_until_stuck(broken, true);
    stop_inventory();
    start_inventory();
    for (int i = 0; i < PATIENCE_MS / 5 && quarantined() < 2; i++)
        (void)usleep(5000);
    assert_int_equal(quarantined(), 2); /* counted until tried */
    assert_refused(take(broken, 1), "STREAM_FAULT");
    assert_int_equal(take(item, 1).status, BUS_ANSWER_DONE);
    wait_until_stuck(item, false);
    wait_until_stuck(broken, true);
    for (int i = 0; i < PATIENCE_MS / 5 && quarantined() > 1; i++)
        (void)usleep(5000); /* the row goes first */
    assert_int_equal(quarantined(), 1);
    release(broken);
}

static void
test_a_stuck_list_that_cannot_be_written_is_written_later(void **state)
{
    bus_id item = add_item(5);

    (void)state;
    if (ops != &bus_store_memory)
        skip();
    bus_store_memory_fail(url, BUS_FAULT_EFFECT, BUS_UNAVAILABLE, true, 1);
    assert_refused(ask("inventory.break", new_id(), item, "{\"where\":\"DECIDE\"}"),
                   "STREAM_FAULT");
    assert_refused(take(item, 1), "STREAM_FAULT");
    wait_until_stuck(item, true);
    assert_refused(take(item, 1), "STREAM_FAULT");
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int
run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        STORY(test_a_command_is_answered_when_it_is_in_the_log),
        STORY(test_a_repeat_gets_the_first_answer),
        STORY(test_a_repeat_after_a_restart_too),
        STORY(test_a_repeated_create_meets_its_first_self),
        STORY(test_a_twin_of_a_late_one_is_carried_out),
        STORY(test_a_stream_is_made_once),
        STORY(test_many_at_once_with_twins_and_refusals),
        STORY(test_refusals_leave_nothing),
        STORY(test_what_was_refused_is_not_done_by_an_older_copy),
        STORY(test_states_do_not_depend_on_memory),
        STORY(test_a_name_is_given_once),
        STORY(test_a_name_of_another_is_not_even_passed_through),
        STORY(test_one_of_many_gets_the_name),
        STORY(test_a_broken_invariant_stays_with_its_stream),
        STORY(test_an_unknown_outcome_is_found_out),
        STORY(test_an_outcome_that_stays_unknown_is_not_called_a_failure),
        STORY(test_a_store_that_fails_fails_the_command_alone),
        STORY(test_an_invalid_append_is_narrowed_down),
        STORY(test_a_stale_owner_answers_nothing),
        STORY(test_a_second_process_stands_by),
        STORY(test_sends_go_in_order_and_their_answers_come_back),
        STORY(test_sends_survive_a_restart),
        STORY(test_a_stop_with_sends_under_way),
        STORY(test_a_target_that_stays_down_parks_the_stream),
        STORY(test_a_sent_refusal_is_durable),
        STORY(test_a_reaction_happens_once),
        STORY(test_a_wake_comes_once),
        STORY(test_views_follow),
        STORY(test_a_view_that_cannot_handle_an_event_parks_its_stream),
        STORY(test_a_parking_names_its_log),
        STORY(test_a_store_that_is_back_is_noticed_when_idle),
        STORY(test_a_fold_of_unknown_outcome_counts_once),
        STORY(test_a_checkpoint_of_unknown_outcome_is_fenced_off),
        STORY(test_a_parking_survives_a_failed_turn),
        STORY(test_many_events_in_many_turns),
        STORY(test_a_long_stream_begins_at_its_snapshot),
        STORY(test_a_snapshot_that_does_not_fit_is_passed_over_and_replaced),
        STORY(test_snapshots_that_fail_harm_nobody),
        STORY(test_a_stream_set_aside_is_on_the_stuck_list_until_released),
        STORY(test_a_new_writer_tries_once_what_was_set_aside),
        STORY(test_a_stuck_list_that_cannot_be_written_is_written_later),
        STORY(test_old_events_are_read_as_the_newest),
        STORY(test_an_event_of_the_middle_version_too),
        STORY(test_an_upcaster_that_breaks_sets_one_stream_aside),
        STORY(test_answers_carry_the_newest),
        STORY(test_an_operator_has_a_view_skip_an_event),
        STORY(test_tables_are_built_anew_in_passes_under_load),
        STORY(test_an_analytic_is_not_rebuilt),
        STORY(test_a_build_that_is_stopped_leaves_the_old_table),
        STORY(test_a_build_parks_what_it_cannot_fold),
        STORY(test_a_build_leaves_out_in_all_passes),
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int
main(void)
{
    tests_postgres *pg;
    int             failed, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char            command_line[96];

    if (getenv("SHINA_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("SHINA_TEST_ONLY"));
    bus_log_start(BUS_LOG_WARN, getenv("SHINA_TEST_LOG") != NULL ? STDERR_FILENO : null);
    (void)snprintf(folder, sizeof(folder), "/tmp/shina_runtime_XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    between = &bus_transport_inproc;
    ops = &bus_store_memory;
    failed = run_all("memory, one process");
    between = &bus_transport_nng;
    failed += run_all("memory, a process each");
    pg = tests_postgres_start(false);
    ops = &bus_store_postgres;
    (void)snprintf(url, sizeof(url), "%s", tests_postgres_url(pg));
    between = &bus_transport_inproc;
    failed += run_all("postgres");
    tests_postgres_stop(pg);
    (void)snprintf(command_line, sizeof(command_line), "rm -rf '%s'", folder);
    failed += system(command_line) != 0; // NOLINT(cert-env33-c)
    (void)close(null);
    return failed;
}
