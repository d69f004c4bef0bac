/* kills.c - kill -9 at random in the middle of load: shina, its PostgreSQL, both.
 *
 *   KILLS=50 SEED=123 THREADS=8 chaos kills
 *
 * ACKNOWLEDGED=n: so many commands before the first kill. VICTIM=n: only that one of victims.h.
 * CHASE=n: percent of the kills that come within half a second after a start.
 *
 * What was killed is started again by the harness (shina) or by shina itself (PostgreSQL). At the
 * end the history check: see tests/chaos/history.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/history.h"
#include "tests/chaos/load.h"
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/victims.h"

#include <stdio.h>

#define KILLS 6
#define THREADS 8
#define SETTLE_S 120
#define AGAIN_S 120

static victim
choose(uint64_t *random)
{
    uint64_t n = chaos_random(random, 100), only = chaos_number("VICTIM", VICTIM_COUNT);

    if (only < VICTIM_COUNT)
        return (victim)only;
    return n < 40   ? VICTIM_SHINA
           : n < 60 ? VICTIM_BOTH
           : n < 75 ? VICTIM_POSTGRES
           : n < 85 ? VICTIM_POSTMASTER
           : n < 95 ? VICTIM_BACKEND
                    : VICTIM_REDIS;
}

/* Until the edge serves at all: parts may not be ready yet. */
static void
wait_until_up(scene *s)
{
    int64_t until = chaos_now_ms() + 60000;
    long    status = 0;

    while (status == 0 && chaos_now_ms() < until) {
        tests_response r = tests_shina_get(s->shina, NULL, "/healthz");

        status = r.status;
        json_decref(r.json);
        scene_keep_running(s);
        chaos_pause_ms(10);
    }
}

/* Most kills meet a working system; some one that is coming up, some one that is just up. */
static void
wait_before_kill(scene *s, uint64_t *random)
{
    if (chaos_random(random, 100) < chaos_number("CHASE", 20)) {
        wait_until_up(s);
        chaos_pause_ms((long)chaos_random(random, 500));
        return;
    }
    if (chaos_random(random, 4) != 0)
        scene_over(s, AGAIN_S);
    chaos_pause_ms((long)chaos_random(random, 1500));
    scene_keep_running(s);
}

int
play_kills(void)
{
    uint64_t random = chaos_seed(), kills = chaos_number("KILLS", KILLS);
    int      by_victim[VICTIM_COUNT] = {0};
    scene    s;
    int      faults;

    scene_open(&s, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, (long)chaos_number("ACKNOWLEDGED", 100), 120);
    for (uint64_t k = 1; k <= kills; k++) {
        victim who = choose(&random);

        wait_before_kill(&s, &random);
        if (victims_kill(s.shina, who, chaos_random(&random, 1 << 20))) {
            by_victim[who]++;
            scene_fault(&s, "killed %s", victim_names[who]);
        } else {
            k--;
        }
        scene_keep_running(&s);
    }
    faults = scene_close(&s, SETTLE_S);
    for (int v = 0; v < VICTIM_COUNT; v++)
        chaos_say("killed %-22s %d times", victim_names[v], by_victim[v]);
    return faults == 0 ? 0 : 1;
}
