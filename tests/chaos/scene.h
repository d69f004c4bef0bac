/* scene.h - what every crash test has: a shina, clients that load it, a journal, an end with proof.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_SCENE_H
#define TESTS_CHAOS_SCENE_H

#include "tests/chaos/load.h"

typedef struct {
    tests_shina *shina;
    journal     *j;
    load        *clients;
    char        *token;
    char         journal_path[64];
    int          starts; /* of processes, after the first */
    int          failed_starts;
} scene;

/* Starts shina (one process or many, see tests/support/shina.h), begins the load. */
void scene_open(scene *s, uint64_t seed, int threads);

/* Starts again what has ended; ends the program when that happens again and again. */
void scene_keep_running(scene *s);
/* Keeps it running until it is ready; ends the program after two minutes. */
void scene_wait_ready(scene *s);
/* Waits until clients had so many more calls acknowledged. */
void scene_wait_acknowledged(scene *s, long more, int patience_s);

/* Ends the load, waits until all is quiet, checks the history, stops shina cleanly, says the
 * figures. The number of faults; the journal stays when there are some. */
int scene_close(scene *s, int settle_s);

#endif
