/* stops.c - processes are stopped by SIGSTOP, longer than their leases, and go on: what they
 * believe to hold has gone to others meanwhile, and they must not write. And PostgreSQL as a whole
 * stands still, as when its machine is paused.
 *
 *   STOPS=5 SEED=123 chaos stopped_processes
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/victims.h"

#include <signal.h>
#include <stdlib.h>

#define STOPS 5
#define TOGETHER 4 /* processes at once */
#define THREADS 6
#define PATIENCE_S 90
#define SETTLE_S 180
#define LEASE_PAST_MS 5500 /* a lease lasts 5 s */
#define LONGER_MS 3500
#define POSTGRES_MIN_MS 3000
#define POSTGRES_MAX_MS 15000

/* Some processes other than the servers, each once. One edge at most, so that clients get in. */
static int
choose(const scene *s, uint64_t *random, int chosen[TOGETHER])
{
    int count = 0, edge = tests_shina_process_named(s->shina, "edge 1");

    while (count < TOGETHER) {
        int  one = 1 + (int)chaos_random(random, (uint64_t)tests_shina_processes(s->shina) - 1);
        bool twice = one == edge;

        for (int i = 0; i < count; i++)
            twice = twice || chosen[i] == one;
        if (!twice)
            chosen[count++] = one;
    }
    return count;
}

int
play_stopped_processes(void)
{
    uint64_t random = chaos_seed(), stops = chaos_number("STOPS", STOPS);
    int      chosen[TOGETHER];
    scene    s;

    if (setenv("SHINA_TEST_LAYOUT", "processes", 1) != 0)
        abort();
    scene_open(&s, random, (int)chaos_number("THREADS", THREADS));
    (void)tests_shina_add_service(s.shina, "trips");
    (void)tests_shina_add_service(s.shina, "vehicles");
    (void)tests_shina_add_service(s.shina, "assignment");
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < stops; i++) {
        int count = choose(&s, &random, chosen);

        chaos_pause_ms((long)chaos_random(&random, 1500));
        for (int k = 0; k < count; k++) {
            tests_shina_signal(s.shina, chosen[k], SIGSTOP);
            scene_fault(&s, "%s stopped", tests_shina_process_name(s.shina, chosen[k]));
        }
        chaos_pause_ms(LEASE_PAST_MS + (long)chaos_random(&random, LONGER_MS));
        for (int k = 0; k < count; k++)
            tests_shina_signal(s.shina, chosen[k], SIGCONT);
        scene_over(&s, PATIENCE_S);
    }
    if (s.starts != 0)
        chaos_die("a process did not stay up");
    return scene_close(&s, SETTLE_S) == 0 ? 0 : 1;
}

int
play_stopped_postgres(void)
{
    uint64_t random = chaos_seed(), stops = chaos_number("STOPS", STOPS);
    scene    s;

    scene_open(&s, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < stops; i++) {
        long ms = POSTGRES_MIN_MS + (long)chaos_random(&random, POSTGRES_MAX_MS - POSTGRES_MIN_MS);

        chaos_pause_ms((long)chaos_random(&random, 1500));
        scene_fault(&s, "PostgreSQL stands still for %ld ms", ms);
        if (!victims_signal_postgres(s.shina, SIGSTOP))
            chaos_die("there is no PostgreSQL to stop");
        chaos_pause_ms(ms);
        if (!victims_signal_postgres(s.shina, SIGCONT))
            chaos_die("PostgreSQL was ended");
        scene_over(&s, PATIENCE_S);
    }
    if (s.starts != 0)
        chaos_die("shina did not stay up");
    return scene_close(&s, SETTLE_S) == 0 ? 0 : 1;
}
