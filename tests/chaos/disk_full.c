/* disk_full.c - PostgreSQL's disk is full under load: commands are answered 503, shina stays up,
 * and when there is space again it goes on and nothing was lost.
 *
 * All of shina's home is on a small disk; see tests/chaos/disk.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/disk.h"
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/victims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DISK_MIB 320
#define THREADS 4
#define QUIET_MS 3000 /* nothing acknowledged for so long: it is full */
#define FULL_S 120
#define BACK_S 120
#define SETTLE_S 120

/* Fills until nothing is acknowledged any more. */
static void
wait_until_full(scene *s, const char *filler)
{
    int64_t     began = chaos_now_ms(), changed = began;
    load_counts first = load_so_far(s->clients), last = first, now = first;

    while (chaos_now_ms() - changed < QUIET_MS || now.unavailable == first.unavailable) {
        chaos_disk_fill(filler);
        now = load_so_far(s->clients);
        if (now.acknowledged != last.acknowledged)
            changed = chaos_now_ms();
        last = now;
        if (chaos_now_ms() - began > FULL_S * 1000)
            chaos_die("the disk does not get full: %ld acknowledged", now.acknowledged);
        chaos_pause_ms(50);
    }
    chaos_say("the disk is full, after %ld acknowledged and %ld answers 503", now.acknowledged,
              now.unavailable - first.unavailable);
}

static void
check_up(const scene *s)
{
    tests_response r = tests_shina_get(s->shina, NULL, "/healthz");
    if (r.status != 200)
        chaos_die("/healthz answers %ld", r.status);
    json_decref(r.json);
    for (int i = 0; i < tests_shina_processes(s->shina); i++)
        if (tests_shina_has_ended(s->shina, i))
            chaos_die("%s did not stay up", tests_shina_process_name(s->shina, i));
}

int
play_disk_full(void)
{
    uint64_t   random = chaos_seed();
    char       filler[CHAOS_DISK_BYTES + 16];
    chaos_disk disk;
    scene      s;
    int        faults;

    if (!chaos_disk_make(&disk, DISK_MIB))
        return PLAY_SKIPPED;
    if (setenv("TMPDIR", disk.place, 1) != 0)
        abort();
    (void)snprintf(filler, sizeof(filler), "%s/filler", disk.place);
    scene_open(&s, random, THREADS);
    scene_wait_acknowledged(&s, 100, 60);
    scene_fault(&s, "no space");
    wait_until_full(&s, filler);
    check_up(&s);
    if (unlink(filler) != 0)
        chaos_die("%s: %s", filler, strerror(errno));
    chaos_say("there is space again");
    scene_over(&s, BACK_S);
    scene_wait_acknowledged(&s, 200, BACK_S);
    if (s.starts > 0)
        chaos_die("shina did not stay up");
    faults = scene_close(&s, SETTLE_S);
    chaos_disk_remove(&disk);
    return faults == 0 ? 0 : 1;
}
