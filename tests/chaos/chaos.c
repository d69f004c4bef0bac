/* chaos.c - the table of scenes. `chaos NAME` plays one; `chaos --list` names all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name, *what;
    int (*play)(void);
} chaos_scene;

/* In the order in which `make chaos` plays them. */
/* clang-format off */
static const chaos_scene scenes[] = {
    { "fail_points", "dies once at every named place that the load passes (PLACE=name: only there)", play_fail_points },
    { "kills", "kill -9 of shina, PostgreSQL, its postmaster, a backend, Redis at random (KILLS=n)", play_kills },
    { "cluster", "kill -9 of each process of a cluster; writers stopped past their lease (ROUNDS=n)", play_cluster },
    { "stopped_processes", "SIGSTOP of processes of a cluster past their leases, then SIGCONT", play_stopped_processes },
    { "stopped_postgres", "SIGSTOP of all of PostgreSQL for 3 to 15 s", play_stopped_postgres },
    { "cut_clients", "resets, silence, a trickle, half-open connections between clients and edge", play_cut_clients },
    { "cut_postgres", "the same between shina and PostgreSQL", play_cut_postgres },
    { "cut_redis", "the same between shina and Redis", play_cut_redis },
    { "redis_gone", "Redis hangs, then is killed", play_redis_gone },
    { "disk_full", "PostgreSQL's disk is full, then has space again", play_disk_full },
    { "wal_full", "the disk of PostgreSQL's write-ahead log is full, PostgreSQL panics", play_wal_full },
    { "slow_disk", "a commit takes up to a second for a while", play_slow_disk },
    { "no_memory", "malloc fails at random in a shina", play_no_memory },
    { "bad_calls", "read, write, fsync and calls of sockets fail at random in a shina", play_bad_calls },
    { "files_out", "no file descriptor is left", play_files_out },
    { "clock", "the wall clock jumps by minutes, there and back", play_clock },
    { "hosts", "three hosts over Kafka, its brokers and leader; only when named (ROUNDS=n)", play_hosts },
};
/* clang-format on */

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static int
list(FILE *to)
{
    for (size_t i = 0; i < SCENES; i++)
        if (fprintf(to, "%-18s %s\n", scenes[i].name, scenes[i].what) < 0)
            return 1;
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list(stdout);
    for (size_t i = 0; argc == 2 && i < SCENES; i++)
        if (strcmp(scenes[i].name, argv[1]) == 0) {
            if (setenv("CHAOS_SCENE", scenes[i].name, 1) != 0)
                return 1;
            return scenes[i].play();
        }
    (void)fprintf(stderr, "chaos NAME, of:\n");
    (void)list(stderr);
    return 2;
}
