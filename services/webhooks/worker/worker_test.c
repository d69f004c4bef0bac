/* worker_test.c - the worker over logs in memory, which tests can put out of reach, and a receiver
 * of this host: one domain's trouble is its own, bounds are kept and given back, and health says
 * what is so. The whole road is in tests/system/webhooks_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "bus/personal/memory/memory.h"
#include "bus/personal/secret.h"
#include "bus/store/memory/faults.h"
#include "contracts/ingest.h"
#include "contracts/trips.h"
#include "contracts/vehicles.h"
#include "contracts/webhooks.h"
#include "services/webhooks/worker/worker.h"
#include "tests/support/wait.h"
#include "tests/system/receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPS bus_store_memory
#define MAIN "webhooks worker"
#define OF_TRIPS "webhooks worker trips" /* a database of its own */
#define KEY "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SECRET "sixteen or more of it"
#define PATIENCE_MS 15000
#define OF_TENANT_MAX 256

static const bus_contract *const contracts[] = {&webhooks_contract, &vehicles_contract,
                                                &trips_contract, &ingest_contract};

static struct {
    bus_runtime_options options;
    bus_config         *config;
    bus_transport      *transport;
    bus_master_keys    *masters;
    bus_key_store      *keys;
    bus_store          *main, *of_trips;
    bus_lease           leases[4]; /* by contract */
    int                 versions;
    bus_id              tenant;
    bus_arena           arena;
    void               *worker;
    int                 port;
    bus_error           err;
} t;

/* --- logs --------------------------------------------------------------------------------------
 */

static const char *
url_of(void *context, const char *domain)
{
    (void)context;
    return strcmp(domain, "trips") == 0 ? OF_TRIPS : NULL;
}

static void
append(int contract, bus_id tenant, bus_id stream, const char *type, bus_str data)
{
    const char          *domain = contracts[contract]->module;
    bus_append_partition part = {.epoch = t.leases[contract].epoch};
    bus_record           event = {.stream = stream,
                                  .version = ++t.versions,
                                  .command_id = bus_new_v7(bus_clock_system()),
                                  .tenant = tenant,
                                  .at_ms = bus_now_ms(bus_clock_system()),
                                  .aggregate = bus_str_of(contract == 0 ? "subscription" : "thing"),
                                  .type = bus_str_of(type),
                                  .actor = BUS_STR("{}"),
                                  .data = data};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = &event, .events_count = 1};

    if (OPS.append(contract == 2 ? t.of_trips : t.main, domain, &batch, &t.err) != BUS_OK)
        fail_msg("%s", t.err.text);
}

static void
happens(int contract, const char *type)
{
    append(contract, t.tenant, bus_new_v7(bus_clock_system()), type, BUS_STR("{}"));
}

/* filters: more members, as ",\"domains\":[\"trips\"]". */
static bus_id
subscribed(bus_id tenant, const char *path, const char *filters)
{
    bus_id  id = bus_new_v7(bus_clock_system());
    bus_str sealed =
        bus_secret_seal(t.masters, tenant, id, "webhooks.secret", bus_str_of(SECRET), &t.arena);

    append(0, tenant, id, "webhooks.subscribed.v1",
           bus_arena_printf(&t.arena,
                            "{\"url\":\"http://127.0.0.1:%d%s\",\"personal\":false,"
                            "\"secret\":\"%.*s\"%s}",
                            t.port, path, BUS_STR_ARG(sealed), filters));
    return id;
}

static void
asked(bus_id tenant, bus_id subscription, const char *type, const char *data)
{
    append(0, tenant, subscription, type, bus_str_of(data));
}

/* How many attempts there were of events of a domain. */
static int
attempts_of(const char *path, const char *domain)
{
    int count = 0;

    for (int i = 0; i < receiver_attempts(path); i++)
        count += strncmp(receiver_at(path, i)->type, domain, strlen(domain)) == 0;
    return count;
}

/* --- the worker ----------------------------------------------------------------------------------
 */

static void
start_worker(void)
{
    if (webhooks_worker.start(&t.worker, &t.options, t.config, &t.err) != BUS_OK)
        fail_msg("%s", t.err.text);
}

static void
stop_worker(void)
{
    webhooks_worker.stop(t.worker);
    t.worker = NULL;
}

static bus_health
health(void)
{
    bus_health now;

    webhooks_worker.health(t.worker, &now);
    return now;
}

static int
start(void **state)
{
    const bus_transport_options how = {.queue_max = 64, .batches_max = 64};
    bus_store_options           other = {.url = OF_TRIPS, .clock = bus_clock_system()};
    int                         port = t.port;

    (void)state;
    memset(&t, 0, sizeof(t));
    t.port = port;
    t.tenant = bus_new_v7(bus_clock_system());
    assert_int_equal(bus_config_load(&t.config, NULL, &t.err), BUS_OK);
    assert_int_equal(bus_master_keys_parse(&t.masters, KEY, &t.err), BUS_OK);
    assert_int_equal(bus_key_store_memory.open(&t.keys, MAIN, NULL, NULL, &t.err), BUS_OK);
    assert_int_equal(bus_transport_inproc.open(&t.transport, &how, &t.err), BUS_OK);
    t.options = (bus_runtime_options){.store = &OPS,
                                      .store_options = {.url = MAIN, .clock = bus_clock_system()},
                                      .url_of = url_of,
                                      .transport_ops = &bus_transport_inproc,
                                      .transport = t.transport,
                                      .clock = bus_clock_system(),
                                      .contracts = contracts,
                                      .contracts_count = 4,
                                      .partitions = 1,
                                      .process = "worker-1",
                                      .key_store = &bus_key_store_memory,
                                      .master_keys = t.masters};
    assert_int_equal(OPS.open(&t.main, &t.options.store_options, &t.err), BUS_OK);
    assert_int_equal(OPS.open(&t.of_trips, &other, &t.err), BUS_OK);
    for (int i = 0; i < 4; i++) {
        bus_store *at = i == 2 ? t.of_trips : t.main;

        assert_int_equal(OPS.create_domain(at, contracts[i]->module, 1, &t.err), BUS_OK);
        assert_int_equal(
            OPS.lease_take(at, contracts[i]->module, "writer", true, &t.leases[i], 1, &t.err),
            BUS_OK);
    }
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    stop_worker();
    bus_transport_inproc.close(t.transport);
    OPS.close(t.main);
    OPS.close(t.of_trips);
    bus_store_memory_forget(MAIN);
    bus_store_memory_forget(OF_TRIPS);
    bus_key_store_memory.close(t.keys);
    bus_master_keys_destroy(t.masters);
    bus_config_free(t.config);
    bus_arena_fini(&t.arena);
    return 0;
}

static void
trips_are_out_of_reach(bool out)
{
    bus_store_memory_fail(OF_TRIPS, BUS_FAULT_READ, BUS_UNAVAILABLE, true, out ? 1000000 : 0);
}

/* --- stories
 * -------------------------------------------------------------------------------------- */

/* One that wants everything gets the others' events, and that domain's when it is back. */
static void
one_domain_out_of_reach_holds_up_no_other(void **state)
{
    (void)state;
    trips_are_out_of_reach(true);
    (void)subscribed(t.tenant, "/reach", "");
    start_worker();
    happens(1, "vehicles.retired.v1");
    happens(2, "trips.planned.v1");
    assert_true(receiver_wait("/reach", 1, 15));
    happens(1, "vehicles.retired.v1");
    assert_true(receiver_wait("/reach", 2, 15));
    WAIT_UNTIL(!health().ready);
    assert_true(health().aside); /* requests are served all the same */
    trips_are_out_of_reach(false);
    assert_true(receiver_wait("/reach", 3, 15));
    assert_int_equal(attempts_of("/reach", "trips."), 1);
    WAIT_UNTIL(health().ready);
}

/* What was asked for while a log was out of reach is done when it is back, also by the process
 * after us. */
static void
a_replay_waits_for_its_log(void **state)
{
    bus_id id;

    (void)state;
    id = subscribed(t.tenant, "/again", "");
    start_worker();
    happens(1, "vehicles.retired.v1");
    happens(2, "trips.planned.v1");
    assert_true(receiver_wait("/again", 2, 15));
    WAIT_UNTIL(health().ready && health().behind == 0);
    (void)usleep(1500000); /* its cursors are saved */
    trips_are_out_of_reach(true);
    WAIT_UNTIL(!health().ready);
    asked(t.tenant, id, "webhooks.replay_asked.v1", "{\"from_at\":0}");
    WAIT_UNTIL(attempts_of("/again", "vehicles.") == 2 && receiver_taken("/again") == 3);
    assert_int_equal(attempts_of("/again", "trips."), 1);
    (void)usleep(1500000);
    stop_worker();
    start_worker();
    trips_are_out_of_reach(false);
    WAIT_UNTIL(attempts_of("/again", "trips.") == 2);
    WAIT_UNTIL(health().ready && health().behind == 0);
    stop_worker();
    start_worker(); /* and then no more */
    (void)usleep(1500000);
    assert_int_equal(attempts_of("/again", "trips."), 2);
    assert_int_equal(attempts_of("/again", "vehicles."), 2); /* what was done is not done again */
}

/* However many ask for it, and whatever they ask: the others get theirs. */
static void
many_replays_of_a_log_out_of_reach_stop_nobody(void **state)
{
    bus_id id;

    (void)state;
    id = subscribed(t.tenant, "/often", ",\"domains\":[\"trips\"]");
    (void)subscribed(t.tenant, "/calm", "");
    start_worker();
    happens(2, "trips.planned.v1");
    assert_true(receiver_wait("/often", 1, 15));
    trips_are_out_of_reach(true);
    WAIT_UNTIL(!health().ready);
    for (int i = 0; i < 1500; i++)
        asked(t.tenant, id, "webhooks.replay_asked.v1",
              i % 2 == 0 ? "{\"from_at\":0}"
                         : "{\"after\":{\"domain\":\"trips\",\"partition\":0,\"offset\":0}}");
    happens(1, "vehicles.retired.v1");
    WAIT_UNTIL(attempts_of("/calm", "vehicles.") == 1);
    assert_int_equal(receiver_attempts("/often"), 1);
    trips_are_out_of_reach(false);
    WAIT_UNTIL(receiver_taken("/often") == 2);
}

/* Its event failed, and then its log went: the receiver that works again gets all else. */
static void
a_failed_event_of_a_log_out_of_reach_holds_up_no_other(void **state)
{
    (void)state;
    receiver_set("/failed", RECEIVER_FAILS);
    (void)subscribed(t.tenant, "/failed", "");
    start_worker();
    happens(2, "trips.planned.v1");
    WAIT_UNTIL(attempts_of("/failed", "trips.") >= 1);
    trips_are_out_of_reach(true);
    WAIT_UNTIL(!health().ready);
    receiver_set("/failed", RECEIVER_TAKES);
    happens(1, "vehicles.retired.v1");
    WAIT_UNTIL(attempts_of("/failed", "vehicles.") == 1);
    trips_are_out_of_reach(false);
    WAIT_UNTIL(receiver_taken("/failed") >= 2);
}

/* The domains that keep secrets are sent to nobody who has not named them. */
static void
secrets_are_for_who_names_them(void **state)
{
    (void)state;
    (void)subscribed(t.tenant, "/all", "");
    (void)subscribed(t.tenant, "/named", ",\"domains\":[\"ingest\"]");
    (void)subscribed(t.tenant, "/typed", ",\"types\":[\"webhooks.paused.v1\"]");
    start_worker();
    happens(3, "ingest.source_registered.v1");
    append(0, t.tenant, bus_new_v7(bus_clock_system()), "webhooks.paused.v1", BUS_STR("{}"));
    happens(1, "vehicles.retired.v1");
    assert_true(receiver_wait("/all", 1, 15));
    assert_true(receiver_wait("/named", 1, 15));
    assert_true(receiver_wait("/typed", 1, 15));
    (void)usleep(300000);
    assert_int_equal(receiver_attempts("/all"), 1);
    assert_string_equal(receiver_at("/all", 0)->type, "vehicles.retired.v1");
    assert_string_equal(receiver_at("/named", 0)->type, "ingest.source_registered.v1");
    assert_string_equal(receiver_at("/typed", 0)->type, "webhooks.paused.v1");
}

static int
checkpoints_of_webhooks(void)
{
    bus_checkpoint_info *list;
    int                  count, found = 0;

    assert_int_equal(OPS.checkpoints(t.main, "webhooks", &t.arena, &list, &count, &t.err), BUS_OK);
    for (int i = 0; i < count; i++)
        found += !bus_str_is(list[i].reader, "webhooks"); /* the lease */
    return found;
}

/* An archive would wait for its cursors for ever. */
static void
a_deleted_subscription_leaves_nothing(void **state)
{
    bus_id id;

    (void)state;
    id = subscribed(t.tenant, "/gone", "");
    start_worker();
    happens(1, "vehicles.retired.v1");
    assert_true(receiver_wait("/gone", 1, 15));
    asked(t.tenant, id, "webhooks.replay_asked.v1", "{\"from_at\":0}");
    assert_true(receiver_wait("/gone", 2, 15));
    assert_true(checkpoints_of_webhooks() > 0);
    asked(t.tenant, id, "webhooks.deleted.v1", "{}");
    WAIT_UNTIL(checkpoints_of_webhooks() == 0);
    (void)usleep(1500000); /* nor are they made again */
    assert_int_equal(checkpoints_of_webhooks(), 0);
    assert_true(health().ready);
}

/* One tenant's many leave room for another's, and what is deleted makes room again. */
static void
no_tenant_takes_all_the_room(void **state)
{
    const bus_id other = bus_new_v7(bus_clock_system());
    bus_id       first = BUS_ID_NIL;

    (void)state;
    for (int i = 0; i < OF_TENANT_MAX; i++) {
        bus_id id = subscribed(t.tenant, "/many", ",\"types\":[\"vehicles.never.v1\"]");

        if (i == 0)
            first = id;
    }
    (void)usleep(5000); /* the youngest */
    (void)subscribed(t.tenant, "/beyond", "");
    (void)subscribed(other, "/other", "");
    start_worker();
    happens(1, "vehicles.retired.v1");
    append(1, other, bus_new_v7(bus_clock_system()), "vehicles.retired.v1", BUS_STR("{}"));
    assert_true(receiver_wait("/other", 1, 15));
    WAIT_UNTIL(strncmp(health().detail, "1 subscriptions are not served", 30) == 0);
    (void)usleep(300000);
    assert_int_equal(receiver_attempts("/beyond"), 0);
    asked(t.tenant, first, "webhooks.deleted.v1", "{}");
    assert_true(receiver_wait("/beyond", 1, 15)); /* what it has missed, too */
    WAIT_UNTIL(health().detail[0] == '\0');
}

static void
health_is_not_well_while_the_lease_cannot_be_kept(void **state)
{
    (void)state;
    start_worker();
    WAIT_UNTIL(health().ready && health().partitions == 1);
    bus_store_memory_fail(MAIN, BUS_FAULT_LEASE, BUS_UNAVAILABLE, true, 1000000);
    WAIT_UNTIL(!health().ready);
    for (int i = 0; i < 40; i++) { /* not only in the moment of a try */
        (void)usleep(25000);
        assert_false(health().ready);
    }
    bus_store_memory_fail(MAIN, BUS_FAULT_LEASE, BUS_OK, true, 0);
    WAIT_UNTIL(health().ready && health().partitions == 1);
}

int
main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(one_domain_out_of_reach_holds_up_no_other),
        STORY(a_replay_waits_for_its_log),
        STORY(many_replays_of_a_log_out_of_reach_stop_nobody),
        STORY(a_failed_event_of_a_log_out_of_reach_holds_up_no_other),
        STORY(secrets_are_for_who_names_them),
        STORY(a_deleted_subscription_leaves_nothing),
        STORY(no_tenant_takes_all_the_room),
        STORY(health_is_not_well_while_the_lease_cannot_be_kept),
    };
    int failed;

    bus_log_start(BUS_LOG_ERROR, STDERR_FILENO);
    if (setenv("SHINA_WEBHOOK_PRIVATE", "true", 1) != 0 ||
        setenv("SHINA_WEBHOOK_RETRIES", "0.5,1,1,1,1,1,1,1,1,1,1,1", 1) != 0)
        return 1;
    t.port = receiver_start();
    failed = cmocka_run_group_tests_name("webhooks worker", stories, NULL, NULL);
    receiver_stop();
    return failed;
}
