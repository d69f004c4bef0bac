/* rebuild.h - makes the tables of views out of the whole log, beside the tables that are read.
 *
 * In passes over ranges of the rows' hash that fit into a bound of memory: fold the log, partition
 * by partition for views whose rows are streams and at once for the others, copy the finished rows;
 * then indexes; then what was written meanwhile, row by row; at last the new table takes the place
 * of the old one in one short transaction. Until then readers see the old table, and its projector
 * goes on. Only that transaction moves checkpoints, so a build that dies leaves nothing but a table
 * that the next build drops. Threads: any; it opens stores of its own and blocks until it is done.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_REBUILD_H
#define BUS_RUNTIME_REBUILD_H

#include "bus/runtime/runtime.h"

#define BUS_REBUILD_BYTES (64u << 20) /* default of options.rebuild_bytes */
#define BUS_REBUILD_VIEWS_MAX 32      /* built at once, of one domain */

typedef struct {
    int64_t done, total; /* events to be folded, as if each were read in one pass */
    int     pass;        /* 1.., at least one per partition for views whose rows are streams */
    int64_t rows;        /* copied so far */
} bus_rebuild_progress;

typedef struct {
    const bus_contract    *home;  /* the domain of the views */
    const bus_view *const *views; /* all of that domain */
    int                    views_count;
    const char            *builder; /* unique name of who builds */
    /* Called at least once a second. False: stop, nothing has changed. Either may be NULL. */
    bool (*go_on)(void *context);
    void (*progress)(void *context, const bus_rebuild_progress *progress);
    void *context;
} bus_rebuild;

/* BUS_OK: all tables are in their places, their checkpoints are nobody's. BUS_DENIED: another
 * builder is at one of them. BUS_CLOSED: go_on said stop. Else the failure; some views may be in
 * place already, the others are as before. */
BUS_CHECKED bus_code bus_rebuild_run(const bus_runtime_options *options, const bus_rebuild *what,
                                     bus_error *err);

#endif
