/* clock.c - the wall clock of shina's process jumps by minutes, forth and back, by libfaketime;
 * that of the database does not, and it alone judges leases. It never goes back behind
 * the hour of the clients' token, which would rightly be refused.
 *
 *   JUMPS=8 SEED=123 chaos clock
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/servers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAKETIME "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
#define JUMPS 8
#define JUMP_MAX_S 1800 /* a token must stay valid */
#define THREADS 6
#define PATIENCE_S 60
#define SETTLE_S 120
#define AFTER_MS 3000

/* The process reads it once a second. */
static void
set_clock(const char *path, int offset_s)
{
    char  fresh[96];
    FILE *f;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    f = fopen(fresh, "we");
    if (f == NULL || fprintf(f, "%+d\n", offset_s) < 0 || fclose(f) != 0 ||
        rename(fresh, path) != 0)
        chaos_die("%s: %s", path, strerror(errno));
}

static void
start_under_faketime(scene *s, const char *path)
{
    char              file[128];
    const char *const variables[] = {"LD_PRELOAD=" FAKETIME,      file,
                                     "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
                                     "DONT_FAKE_MONOTONIC=1",     NULL};

    (void)snprintf(file, sizeof(file), "FAKETIME_TIMESTAMP_FILE=%s", path);
    for (int i = 0; i < tests_shina_processes(s->shina); i++) {
        tests_shina_kill(s->shina, i);
        tests_shina_restart_in(s->shina, i, variables);
    }
    scene_wait_ready(s);
}

int
play_clock(void)
{
    uint64_t      random = chaos_seed(), jumps = chaos_number("JUMPS", JUMPS);
    char          path[64];
    chaos_servers servers;
    scene         s;
    int           wrong;

    if (access(FAKETIME, R_OK) != 0) {
        chaos_say("SKIPPED: there is no libfaketime");
        return PLAY_SKIPPED;
    }
    (void)snprintf(path, sizeof(path), "/tmp/shina-clock-%d", (int)getpid());
    set_clock(path, 0);
    chaos_servers_start(&servers);
    scene_start(&s, servers.database_url, servers.redis_url);
    start_under_faketime(&s, path);
    scene_load(&s, NULL, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 50, PATIENCE_S);
    for (uint64_t i = 0; i < jumps; i++) {
        int offset_s = (int)chaos_random(&random, JUMP_MAX_S);

        chaos_pause_ms((long)chaos_random(&random, 1000));
        scene_fault(&s, "the clock is %+d s off", offset_s);
        set_clock(path, offset_s);
        chaos_pause_ms(AFTER_MS);
        scene_over(&s, PATIENCE_S);
    }
    if (s.starts != 0)
        chaos_die("shina did not stay up");
    wrong = scene_close(&s, SETTLE_S);
    chaos_servers_stop(&servers);
    (void)unlink(path);
    return wrong == 0 ? 0 : 1;
}
