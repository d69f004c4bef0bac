/* hosts.c - three hosts over a Kafka of three nodes: each host is killed and started again under
 * load, the node that leads is killed, all brokers are away for a while, and a host is stopped by
 * SIGSTOP past its leases and continued. After it the topics hold what the logs hold.
 *
 *   ROUNDS=3 OUT_S=60 SEED=123 chaos hosts
 *
 * Where there is no Apache Kafka, librdkafka's mock stands in, with one node: the hosts are killed
 * all the same, the brokers are not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/victims.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 6
#define SETTLE_S 180
#define PATIENCE_S 90
#define LEASE_PAST_MS 8000 /* stopped so long: a lease lasts 5 s */
#define OUT_S 15           /* all brokers */

static void
kill_each(scene *s, uint64_t *random)
{
    int hosts = tests_shina_processes(s->shina);

    for (int i = 0; i < hosts; i++) {
        int doomed = (int)chaos_random(random, (uint64_t)hosts);

        chaos_pause_ms((long)chaos_random(random, 1500));
        if (!tests_shina_has_ended(s->shina, doomed))
            tests_shina_kill(s->shina, doomed);
        scene_fault(s, "killed %s", tests_shina_process_name(s->shina, doomed));
        chaos_pause_ms((long)chaos_random(random, 500));
        scene_keep_running(s);
    }
}

static void
kill_leader(scene *s)
{
    tests_kafka *kafka = tests_shina_kafka(s->shina);
    int          leader = tests_kafka_leader(kafka, "shina.trips.commands", 0);

    if (leader < 0)
        chaos_die("nobody leads shina.trips.commands");
    tests_kafka_kill(kafka, leader);
    scene_fault(s, "killed node %d, which led", leader);
    scene_wait_acknowledged(s, 50, PATIENCE_S);
    tests_kafka_restart(kafka, leader);
    if (!tests_kafka_wait(kafka, tests_kafka_nodes(kafka), PATIENCE_S))
        chaos_die("node %d does not come back", leader);
    scene_wait_acknowledged(s, 50, PATIENCE_S);
}

/* Views are read all the while; commands are told to come again, and none is lost. */
static void
take_brokers_away(scene *s, long seconds)
{
    tests_kafka   *kafka = tests_shina_kafka(s->shina);
    load_counts    before, after;
    tests_response r;

    for (int n = 0; n < tests_kafka_nodes(kafka); n++)
        tests_kafka_end(kafka, n);
    before = load_so_far(s->clients);
    scene_fault(s, "no broker for %ld s", seconds);
    chaos_pause_ms(seconds * 1000);
    r = tests_shina_get(s->shina, s->token, "/api/v1/trips?limit=1");
    if (r.status != 200)
        chaos_die("a view answered %ld without brokers", r.status);
    json_decref(r.json);
    after = load_so_far(s->clients);
    for (int n = 0; n < tests_kafka_nodes(kafka); n++)
        tests_kafka_restart(kafka, n);
    chaos_say("meanwhile %ld were acknowledged, %ld were told to come again",
              after.acknowledged - before.acknowledged, after.unavailable - before.unavailable);
    if (seconds >= OUT_S && after.unavailable == before.unavailable)
        chaos_die("no client was told to come again");
    if (!tests_kafka_wait(kafka, tests_kafka_nodes(kafka), PATIENCE_S))
        chaos_die("the brokers do not come back");
    scene_wait_acknowledged(s, 50, PATIENCE_S);
}

static void
stop_past_lease(scene *s)
{
    int host = tests_shina_process_named(s->shina, "host 2");

    tests_shina_signal(s->shina, host, SIGSTOP);
    scene_fault(s, "stopped host 2");
    chaos_pause_ms(LEASE_PAST_MS);
    scene_wait_acknowledged(s, 3, PATIENCE_S); /* who asks host 2 waits half a minute in vain */
    tests_shina_signal(s->shina, host, SIGCONT);
    chaos_say("it goes on, after %ld acknowledged", load_so_far(s->clients).acknowledged);
    scene_wait_acknowledged(s, 50, PATIENCE_S);
}

int
play_hosts(void)
{
    uint64_t random = chaos_seed(), rounds = chaos_number("ROUNDS", 1);
    bool     real;
    scene    s;

    if (setenv("SHINA_TEST_LAYOUT", "kafka", 1) != 0 ||
        setenv("SHINA_TEST_KAFKA_NODES", "3", 0) != 0)
        abort();
    scene_open(&s, random, (int)chaos_number("THREADS", THREADS));
    real = tests_kafka_is_real(tests_shina_kafka(s.shina));
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < rounds; i++) {
        kill_each(&s, &random);
        scene_wait_acknowledged(&s, 20, PATIENCE_S);
        if (real) {
            kill_leader(&s);
            take_brokers_away(&s, (long)chaos_number("OUT_S", OUT_S));
        }
        stop_past_lease(&s);
    }
    return scene_close(&s, SETTLE_S) == 0 ? 0 : 1;
}
