/* scene.h - what every crash test has: a shina, clients that load it, a journal, an end with proof.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_SCENE_H
#define TESTS_CHAOS_SCENE_H

#include "tests/chaos/load.h"

typedef struct {
    tests_shina *shina;
    tests_shina *front; /* whom clients talk to: shina, or what stands before it */
    journal     *j;
    load        *clients;
    char        *token;
    char         journal_path[64];
    int          starts; /* of processes, after the first */
    int          failed_starts;
    int          faults;      /* that were made */
    int64_t      recovery_ms; /* the longest, from the end of a fault to acknowledged commands */
} scene;

/* Starts shina (one process or many, see tests/support/shina.h) over servers of the test's own, or
 * embedded ones (NULL). */
void scene_start(scene *s, const char *database_url, const char *redis_url);
/* Begins the load, through what stands before shina, or directly (NULL). */
void scene_load(scene *s, const char *client_url, uint64_t seed, int threads);
/* Both, embedded and directly. */
void scene_open(scene *s, uint64_t seed, int threads);

/* A fault begins: counts it and says what it is. */
__attribute__((format(printf, 2, 3))) void scene_fault(scene *s, const char *fmt, ...);
/* ... and is over: shina must be ready and acknowledge again. Ends the program otherwise. */
void scene_over(scene *s, int patience_s);

/* Starts again what has ended; ends the program when that happens again and again. */
void scene_keep_running(scene *s);
/* Keeps it running until it is ready; ends the program after two minutes. */
void scene_wait_ready(scene *s);
/* Waits until clients had so many more calls acknowledged. */
void scene_wait_acknowledged(scene *s, long more, int patience_s);

/* Ends the load, waits until all is quiet, checks the history, stops shina cleanly, says the
 * figures and adds them to the file that CHAOS_FIGURES names. How much was wrong; the journal stays
 * when something was. */
int scene_close(scene *s, int settle_s);

/* In one process or many: the number of a process by its name, of the only one if it is one. */
int scene_process(const scene *s, const char *name);

#endif
