/* scenes.h - the scenes of `make chaos`: each starts a real shina, loads it, makes one kind of
 * fault again and again at times that follow from SEED, ends it, and proves that nothing was lost.
 *
 * Each is played in a process of its own, which it may end at any time (chaos_die). 0: proven.
 * PLAY_SKIPPED: it cannot be played here, and said why. Else: what is wrong was said.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_SCENES_H
#define TESTS_CHAOS_SCENES_H

#define PLAY_SKIPPED 77

/* Processes die: kills.c, fail_points.c, cluster.c, hosts.c. */
int play_kills(void);
int play_fail_points(void);
int play_cluster(void);
int play_hosts(void);

/* They are stopped and go on: stops.c. */
int play_stopped_processes(void);
int play_stopped_postgres(void);

/* The network between clients, edge, PostgreSQL and Redis: cuts.c. */
int play_cut_clients(void);
int play_cut_postgres(void);
int play_cut_redis(void);

/* What shina stands on: redis_gone.c, disk_full.c, wal_full.c, slow_disk.c. */
int play_redis_gone(void);
int play_disk_full(void);
int play_wal_full(void);
int play_slow_disk(void);

/* Calls of the C library fail, files run out, the clock jumps: calls_fail.c, files_out.c, clock.c.
 */
int play_no_memory(void);
int play_bad_calls(void);
int play_files_out(void);
int play_clock(void);

#endif
