/* redis_gone.c - Redis hangs, then dies, under load: commands go on being acknowledged, /readyz
 * says what is the matter, and Redis is started again. SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/victims.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define THREADS 4
#define NOTICE_S 30
#define SETTLE_S 120

/* What /readyz says of Redis within the time; ends the program otherwise. */
static void
wait_for_redis_state(const scene *s, const char *wanted)
{
    int64_t until = chaos_now_ms() + NOTICE_S * 1000;
    char    last[64] = "";

    while (strcmp(last, wanted) != 0) {
        tests_response r = tests_shina_get(s->shina, NULL, "/readyz");
        const char    *text = json_string_value(json_object_get(r.json, "redis"));

        (void)snprintf(last, sizeof(last), "%s", text == NULL ? "" : text);
        if (r.status != 200)
            chaos_die("/readyz answers %ld because of Redis", r.status);
        json_decref(r.json);
        if (chaos_now_ms() > until)
            chaos_die("/readyz says that Redis is \"%s\", not \"%s\"", last, wanted);
        chaos_pause_ms(50);
    }
    chaos_say("/readyz: Redis is %s", wanted);
}

int
play_redis_gone(void)
{
    uint64_t random = chaos_seed();
    scene    s;
    pid_t    first;

    scene_open(&s, random, THREADS);
    wait_for_redis_state(&s, "ok");
    first = victims_redis(s.shina);
    if (first == 0 || kill(first, SIGSTOP) != 0)
        chaos_die("there is no Redis to stop");
    scene_fault(&s, "Redis hangs");
    wait_for_redis_state(&s, "degraded");
    scene_wait_acknowledged(&s, 100, 20);
    if (kill(first, SIGCONT) != 0)
        chaos_die("Redis has died");
    wait_for_redis_state(&s, "ok");
    if (!victims_kill(s.shina, VICTIM_REDIS, 0))
        chaos_die("there is no Redis to kill");
    scene_fault(&s, "Redis is killed");
    scene_wait_acknowledged(&s, 100, 20);
    wait_for_redis_state(&s, "ok");
    scene_over(&s, NOTICE_S);
    if (victims_redis(s.shina) == 0 || victims_redis(s.shina) == first)
        chaos_die("Redis was not started again");
    return scene_close(&s, SETTLE_S) == 0 ? 0 : 1;
}
