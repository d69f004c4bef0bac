/* failpoint.h - named places where a test may stop, slow down or kill the process.
 *
 * A place costs one predictable branch while nothing is armed, which in production is always. All
 * names stand in one table (failpoint.c); a test compares it with the sources.
 *
 *   SHINA_TEST_FAIL_POINT="append.committed"          kill -9 at the first pass
 *   SHINA_TEST_FAIL_POINT="append.committed:7"        ... at the seventh
 *   SHINA_TEST_FAIL_POINT="lease.renew:2,stop"        SIGSTOP: until somebody sends SIGCONT
 *   SHINA_TEST_FAIL_POINT="edge.command_sent,sleep:3000"   that thread sleeps so many ms
 *
 * Threads: places are passed on any; arm before threads are started.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_FAILPOINT_H
#define BUS_BASE_FAILPOINT_H

#include "bus/base/error.h"

#include <stdbool.h>

#define BUS_FAIL_POINT(name)                            \
    do {                                                \
        if (__builtin_expect(bus_fail_points_armed, 0)) \
            bus_fail_point_pass(name);                  \
    } while (0)

extern bool bus_fail_points_armed; /* for the macro */

typedef struct {
    const char *name, *where; /* for people: what has happened there, and what has not */
} bus_fail_point;

/* Every place there is; ends with a row without name. */
extern const bus_fail_point bus_fail_points[];

/* What SHINA_TEST_FAIL_POINT says; NULL or empty: nothing is armed. BUS_INVALID: it names no place
 * or no action. */
BUS_CHECKED bus_code bus_fail_points_arm(const char *spec, bus_error *err);

/* For tests in the same process: hook is called at every place instead, on the thread that passes
 * it. NULL: no more. */
void bus_fail_points_hook(void (*hook)(void *context, const char *name), void *context);

/* Called by the macro only. */
void bus_fail_point_pass(const char *name);

#endif
