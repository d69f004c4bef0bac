/* disk_full.c - PostgreSQL's disk is full under load: commands are answered 503, shina stays up,
 * and when there is space again it goes on and nothing was lost.
 *
 * All of shina's home is on a small tmpfs, in a mount namespace of this process, so that nothing is
 * left of it. Where that may not be made the test is skipped (exit code 77) and says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/victims.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE "size=320m,mode=1777"
#define THREADS 4
#define SKIPPED 77
#define QUIET_MS 3000 /* nothing acknowledged for so long: it is full */
#define FULL_S 120
#define BACK_S 120
#define SETTLE_S 120

static char place[] = "/tmp/shina-disk-XXXXXX";

static bool
make_disk(void)
{
    if (mkdtemp(place) == NULL || chmod(place, 0755) != 0)
        chaos_die("%s: %s", place, strerror(errno));
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, SIZE) != 0) {
        chaos_say("SKIPPED: no tmpfs may be mounted here: %s", strerror(errno));
        (void)rmdir(place);
        return false;
    }
    if (setenv("TMPDIR", place, 1) != 0)
        abort();
    return true;
}

/* Takes what is free, down to less than a page of PostgreSQL. */
static void
fill_up(const char *path)
{
    int   fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    off_t at = 0;

    if (fd < 0 || (at = lseek(fd, 0, SEEK_END)) < 0)
        chaos_die("%s: %s", path, strerror(errno));
    for (off_t chunk = 1 << 24; chunk >= 4096; chunk /= 2)
        while (posix_fallocate(fd, at, chunk) == 0)
            at += chunk;
    (void)close(fd);
}

/* Fills until nothing is acknowledged any more. */
static void
wait_until_full(scene *s, const char *filler)
{
    int64_t     began = chaos_now_ms(), changed = began;
    load_counts first = load_so_far(s->clients), last = first, now = first;

    while (chaos_now_ms() - changed < QUIET_MS || now.unavailable == first.unavailable) {
        fill_up(filler);
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
main(void)
{
    uint64_t random = chaos_seed();
    char     filler[64];
    scene    s;
    int      faults;

    if (!make_disk())
        return SKIPPED;
    (void)snprintf(filler, sizeof(filler), "%s/filler", place);
    scene_open(&s, random, THREADS);
    scene_wait_acknowledged(&s, 100, 60);
    wait_until_full(&s, filler);
    check_up(&s);
    if (unlink(filler) != 0)
        chaos_die("%s: %s", filler, strerror(errno));
    chaos_say("there is space again");
    scene_wait_acknowledged(&s, 200, BACK_S);
    if (s.starts > 0)
        chaos_die("shina did not stay up");
    faults = scene_close(&s, SETTLE_S);
    (void)umount2(place, MNT_DETACH);
    (void)rmdir(place);
    return faults == 0 ? 0 : 1;
}
