/* wal_full.c - the disk of PostgreSQL's write-ahead log alone is full. PostgreSQL panics then, and
 * does not come up before there is space; shina stays up, acknowledges nothing, and goes on after.
 *
 *   ROUNDS=2 SEED=123 chaos wal_full
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/disk.h"
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"
#include "tests/chaos/servers.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_MIB 200
#define ROUNDS 2
#define THREADS 4
#define FULL_S 60
#define QUIET_MS 3000 /* nothing acknowledged for so long: it is full */
#define FULL_MS 4000  /* and stays so for so long at most */
#define PATIENCE_S 90
#define SETTLE_S 120

/* The folder of the log, which PostgreSQL's user owns. */
static void
make_wal(const chaos_disk *disk, char out[CHAOS_DISK_BYTES + 16])
{
    const struct passwd *user = getpwnam("postgres");

    (void)snprintf(out, CHAOS_DISK_BYTES + 16, "%s/wal", disk->place);
    if (mkdir(out, 0700) != 0 || (user != NULL && chown(out, user->pw_uid, user->pw_gid) != 0))
        chaos_die("%s: %s", out, strerror(errno));
}

static void
fill_until_quiet(scene *s, const char *filler)
{
    int64_t     began = chaos_now_ms(), changed = began;
    load_counts last = load_so_far(s->clients), now = last;

    scene_fault(s, "no space for the write-ahead log");
    while (chaos_now_ms() - changed < QUIET_MS) {
        chaos_disk_fill(filler);
        now = load_so_far(s->clients);
        if (now.acknowledged != last.acknowledged)
            changed = chaos_now_ms();
        last = now;
        if (chaos_now_ms() - began > FULL_S * 1000)
            chaos_die("the disk does not get full: %ld acknowledged", now.acknowledged);
        chaos_pause_ms(20);
    }
}

int
play_wal_full(void)
{
    uint64_t      random = chaos_seed(), rounds = chaos_number("ROUNDS", ROUNDS);
    char          wal[CHAOS_DISK_BYTES + 16], filler[CHAOS_DISK_BYTES + 32];
    chaos_disk    disk;
    chaos_servers servers;
    scene         s;
    int           wrong;

    if (!chaos_disk_make(&disk, DISK_MIB))
        return PLAY_SKIPPED;
    make_wal(&disk, wal);
    (void)snprintf(filler, sizeof(filler), "%s/filler", disk.place);
    chaos_servers_start_with(&servers, wal, NULL);
    scene_start(&s, servers.database_url, servers.redis_url);
    scene_load(&s, NULL, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 100, PATIENCE_S);
    for (uint64_t i = 0; i < rounds; i++) {
        fill_until_quiet(&s, filler);
        chaos_pause_ms((long)chaos_random(&random, FULL_MS));
        chaos_say("PostgreSQL has %s", tests_postgres_has_ended(servers.postgres)
                                           ? "ended"
                                           : "not ended, and acknowledges nothing");
        if (unlink(filler) != 0)
            chaos_die("%s: %s", filler, strerror(errno));
        if (tests_postgres_has_ended(servers.postgres))
            (void)tests_postgres_revive(servers.postgres);
        scene_over(&s, PATIENCE_S);
    }
    if (s.starts != 0)
        chaos_die("shina did not stay up");
    wrong = scene_close(&s, SETTLE_S);
    chaos_servers_stop(&servers);
    chaos_disk_remove(&disk);
    return wrong == 0 ? 0 : 1;
}
