/* replay.h - what would an analytic say today if its code, or the rates of a domain, had been
 * others all along? It is run over the whole log into tables beside those that are read, and what
 * differs is told; then these tables are dropped.
 *
 * The whole log is read, as what a window holds may hang on what came before it; only windows that
 * begin within a range are compared. It is read as far as today's tables are: rows that change
 * while they are compared are counted apart. Memory is bounded by a page of the log. What is not
 * compared: `change`, a row's place in the feed, and `closed`.
 * Threads: any; it opens stores of its own and blocks until it is done.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_REPLAY_H
#define BUS_RUNTIME_REPLAY_H

#include "bus/runtime/runtime.h"

typedef struct {
    int64_t events, total; /* read of those to be read */
    int64_t computed;      /* of these, made anew by rules */
    int64_t windows;       /* compared */
    int64_t differ;        /* of these: not the same in both, or in one only */
    int64_t moved;         /* changed meanwhile: not compared */
} bus_replay_counts;

typedef struct {
    const bus_view *analytic; /* of this binary; its tables are those that are read today */
    const char     *builder;  /* unique name of who replays */
    /* The generated what_if struct of a module of options->modules, NULL: as it was. May be NULL.
     */
    const void *(*rules_of)(void *context, const bus_module *module);
    int64_t from_ms, to_ms; /* windows that begin at from_ms or later, and before to_ms */
    bus_id  tenant;         /* nil: all */
    /* A window that differs, as JSON; at == NULL: there is none. They live until the call returns.
     */
    void (*differs)(void *context, bus_id tenant, bus_str today, bus_str replayed);
    /* Called at least once a second. False: stop, nothing is left behind. Either may be NULL. */
    bool (*go_on)(void *context);
    void (*progress)(void *context, const bus_replay_counts *counts);
    void *context;
} bus_replay;

/* BUS_NOT_FOUND: nobody has filled the analytic yet. BUS_DENIED: somebody else replays it now.
 * BUS_FAULT: an event that breaks the analytic or the rules; err names it. BUS_CLOSED: go_on said
 * stop. */
BUS_CHECKED bus_code bus_replay_run(const bus_runtime_options *options, const bus_replay *what,
                                    bus_replay_counts *counts, bus_error *err);

#endif
