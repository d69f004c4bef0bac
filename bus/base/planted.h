/* planted.h - bugs that are put in on purpose, to see that tests find them.
 *
 * Only a build with -DSHINA_PLANTED=ON has any; in every other one each place is the constant false
 * and leaves nothing in the program (tests/sim/planted_test.sh looks). One is chosen at run time.
 * Threads: choose before threads are started. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_PLANTED_H
#define BUS_BASE_PLANTED_H

#include <stdbool.h>

typedef struct {
    const char *name, *what; /* for people: what the kernel does wrong then */
} bus_plant;

#ifdef SHINA_PLANTED

/* Every bug there is; ends with a row without name. */
extern const bus_plant bus_plants[];

/* From now on this one is there. False: there is no such bug. */
bool bus_plant_choose(const char *name);
bool bus_is_planted(const char *name);

#define BUS_PLANTED(name) bus_is_planted(name)
#else
#define BUS_PLANTED(name) false
#endif

#endif
