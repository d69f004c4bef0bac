/* fail_points.c - every named place, under load: the process that passes it dies there, is started
 * again, and in the end nothing was lost, doubled or left over.
 *
 *   SEED=123 PLACE=append.committed (only this one) chaos fail_points
 *
 * A place that this load does not pass is named in `elsewhere`, with the test that passes it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "tests/chaos/say.h"
#include "tests/chaos/scene.h"
#include "tests/chaos/scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 6
#define SETTLE_S 120
#define PASSED_S 40 /* a place must be passed within */

/* Names, or what they begin with. In tests/chaos/places_test.c; archives in
 * tests/system/archive_test.c, webhooks in tests/system/webhooks_test.c, the relay in
 * bus/runtime/relay_test.c, forgetting in tests/system/forget_test.c,
 * master keys in tests/system/rotate_test.c. */
static const char *const elsewhere[] = {
    "append.before_commit", "timer.fire", "rebuild.", "archive.", "webhook.", "relay.",
    "courier.forg",         "keys."};

static bool
starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
is_elsewhere(const char *name)
{
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        if (starts_with(name, elsewhere[i]))
            return true;
    return false;
}

/* The process that passes the place; all do the same in one process. */
static int
process_of(const scene *s, const char *place)
{
    const char *name = starts_with(place, "edge.")            ? "edge 1"
                       : starts_with(place, "projector.")     ? "projection trips"
                       : starts_with(place, "courier.answer") ? "service assignment"
                                                              : "service trips";

    return tests_shina_processes(s->shina) == 1 ? 0 : tests_shina_process_named(s->shina, name);
}

/* Dies there at the nth pass and is started again. False: it was not passed. */
static bool
die_at(scene *s, const char *place, int nth)
{
    int     process = process_of(s, place);
    char    variable[128];
    int64_t until = chaos_now_ms() + PASSED_S * 1000;

    (void)snprintf(variable, sizeof(variable), "SHINA_TEST_FAIL_POINT=%s:%d", place, nth);
    if (!tests_shina_has_ended(s->shina, process))
        tests_shina_kill(s->shina, process);
    tests_shina_restart_with(s->shina, process, variable);
    while (!tests_shina_has_ended(s->shina, process)) {
        if (chaos_now_ms() > until)
            return false;
        chaos_pause_ms(5);
    }
    return true;
}

int
play_fail_points(void)
{
    uint64_t    random = chaos_seed();
    const char *only = getenv("PLACE");
    scene       s;
    int         faults = 0, places = 0;

    scene_open(&s, random, (int)chaos_number("THREADS", THREADS));
    scene_wait_acknowledged(&s, 50, 60);
    for (const bus_fail_point *p = bus_fail_points; p->name != NULL; p++) {
        int nth = 1 + (int)chaos_random(&random, 5);

        if (starts_with(p->name, "lease.take") || starts_with(p->name, "edge.loop"))
            nth = 1; /* passed while it starts, once for each part */
        if (is_elsewhere(p->name) || (only != NULL && strcmp(only, p->name) != 0))
            continue;
        if (die_at(&s, p->name, nth)) {
            places++;
            scene_fault(&s, "died at %s:%d, where %s", p->name, nth, p->where);
        } else {
            faults++;
            chaos_say("FAULT %s:%d was not passed", p->name, nth);
        }
        scene_keep_running(&s);
        if (places % 4 == 0) /* else the next one dies while it comes up */
            scene_wait_acknowledged(&s, 20, 60);
    }
    faults += scene_close(&s, SETTLE_S);
    chaos_say("%d places", places);
    return faults == 0 ? 0 : 1;
}
