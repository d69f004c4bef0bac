/* cluster.c - every domain, every projection and two edges as processes of their own, over nng:
 * each is killed in turn under load; then writers of two domains, which have a second process, are
 * stopped by SIGSTOP past their lease in the middle of an append and of a refusal, and continued.
 *
 *   ROUNDS=3 SEED=123 chaos cluster
 *
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
#define LEASE_PAST_MS 8000 /* stopped so long: a lease lasts 5 s */
#define STOPPED_S 40

static void
kill_each(scene *s, uint64_t *random)
{
    for (int i = 0; i < tests_shina_processes(s->shina); i++) {
        chaos_pause_ms((long)chaos_random(random, 700));
        if (!tests_shina_has_ended(s->shina, i))
            tests_shina_kill(s->shina, i);
        scene_fault(s, "killed %s", tests_shina_process_name(s->shina, i));
        chaos_pause_ms((long)chaos_random(random, 300));
        scene_keep_running(s);
    }
}

/* Starts it anew so that it stops itself at a place. */
static int
will_stop_at(scene *s, const char *name, const char *place)
{
    static char variables[2][128]; /* one each for two at a time: the environment borrows them */
    static int  turn;
    int         process = tests_shina_process_named(s->shina, name);

    turn = (turn + 1) % 2;
    (void)snprintf(variables[turn], sizeof(variables[turn]), "SHINA_TEST_FAIL_POINT=%s,stop",
                   place);
    if (!tests_shina_has_ended(s->shina, process))
        tests_shina_kill(s->shina, process);
    tests_shina_restart_with(s->shina, process, variables[turn]);
    return process;
}

static void
wait_until_stopped(scene *s, int process)
{
    int64_t until = chaos_now_ms() + STOPPED_S * 1000;

    while (victims_state(tests_shina_process_pid(s->shina, process)) != 'T') {
        if (chaos_now_ms() > until) {
            tests_shina_print_logs(s->shina);
            chaos_die("%s did not stop itself; %ld acknowledged",
                      tests_shina_process_name(s->shina, process),
                      load_so_far(s->clients).acknowledged);
        }
        chaos_pause_ms(10);
    }
    scene_fault(s, "%s has stopped", tests_shina_process_name(s->shina, process));
}

/* Two at once. Meanwhile the others take over and commands are acknowledged. */
static void
stop_past_lease(scene *s, uint64_t *random)
{
    char append[64], refusal[64];
    int  trips, vehicles;

    (void)snprintf(append, sizeof(append), "append.begin:%d", 10 + (int)chaos_random(random, 40));
    (void)snprintf(refusal, sizeof(refusal), "confirm.begin:%d", 1 + (int)chaos_random(random, 5));
    trips = will_stop_at(s, "service trips", append);
    vehicles = will_stop_at(s, "service vehicles", refusal);
    wait_until_stopped(s, trips);
    wait_until_stopped(s, vehicles);
    chaos_pause_ms(LEASE_PAST_MS);
    scene_wait_acknowledged(s, 20, 60);
    tests_shina_signal(s->shina, trips, SIGCONT);
    tests_shina_signal(s->shina, vehicles, SIGCONT);
    chaos_say("both go on, after %ld acknowledged", load_so_far(s->clients).acknowledged);
    scene_wait_acknowledged(s, 50, 60);
}

int
play_cluster(void)
{
    uint64_t random = chaos_seed(), rounds = chaos_number("ROUNDS", 1);
    scene    s;

    if (setenv("SHINA_TEST_LAYOUT", "processes", 1) != 0)
        abort();
    scene_open(&s, random, (int)chaos_number("THREADS", THREADS));
    (void)tests_shina_add_service(s.shina, "trips");
    (void)tests_shina_add_service(s.shina, "vehicles");
    scene_wait_acknowledged(&s, 100, 60);
    for (uint64_t i = 0; i < rounds; i++) {
        kill_each(&s, &random);
        scene_wait_acknowledged(&s, 20, 60);
        stop_past_lease(&s, &random);
    }
    return scene_close(&s, SETTLE_S) == 0 ? 0 : 1;
}
