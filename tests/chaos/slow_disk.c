/* slow_disk.c - PostgreSQL's disk takes up to a second for each commit, for a while: all goes on,
 * only slower, and no lease is lost.
 *
 *   TIMES=5 SEED=123 chaos slow_disk
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
#include <sys/stat.h>
#include <unistd.h>

#define TIMES 5
#define SLOW_MIN_MS 50
#define SLOW_MS 950
#define LASTS_MS 6000
#define THREADS 6
#define PATIENCE_S 60
#define SETTLE_S 120

static void
set_slowness(const char *path, long ms)
{
    FILE *f = fopen(path, "we");

    if (f == NULL || fprintf(f, "%ld\n", ms) < 0 || fclose(f) != 0 || chmod(path, 0644) != 0)
        chaos_die("%s: %s", path, strerror(errno));
}

int
play_slow_disk(void)
{
    uint64_t      random = chaos_seed(), times = chaos_number("TIMES", TIMES);
    const char   *tmp = getenv("TMPDIR");
    char          path[128];
    chaos_servers servers;
    scene         s;
    int           wrong;

    (void)snprintf(path, sizeof(path), "%.64s/shina-slow-%d", tmp == NULL ? "/tmp" : tmp,
                   (int)getpid());
    set_slowness(path, 0);
    if (setenv("SLOW_SYNC", path, 1) != 0)
        abort();
    chaos_servers_start_with(&servers, NULL, SLOW_SYNC_LIBRARY);
    scene_start(&s, servers.database_url, servers.redis_url);
    scene_load(&s, NULL, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < times; i++) {
        long ms = SLOW_MIN_MS + (long)chaos_random(&random, SLOW_MS), before, during;

        scene_fault(&s, "a commit takes %ld ms", ms);
        set_slowness(path, ms);
        before = load_so_far(s.clients).acknowledged;
        chaos_pause_ms(LASTS_MS);
        during = load_so_far(s.clients).acknowledged - before;
        set_slowness(path, 0);
        chaos_say("%ld were acknowledged meanwhile", during);
        if (during == 0 || during > THREADS * (LASTS_MS / ms + 1) * 2)
            chaos_die("the disk was not slow, or too slow: is %s preloaded?", SLOW_SYNC_LIBRARY);
        scene_over(&s, PATIENCE_S);
    }
    if (s.starts != 0)
        chaos_die("shina did not stay up");
    wrong = scene_close(&s, SETTLE_S);
    chaos_servers_stop(&servers);
    (void)unlink(path);
    return wrong == 0 ? 0 : 1;
}
