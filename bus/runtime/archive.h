/* archive.h - moves old events of a domain's log to files, as far as nobody needs them in the
 * table.
 *
 * Of each partition the oldest go. None goes that a reader has still to read for the first time
 * (its checkpoint, or a parked stream of it), so that views, couriers and other followers keep
 * reading the table; and never the last event. Whoever reads the log through the store sees no
 * difference afterwards. It may be stopped or die at any moment, and runs beside a working system.
 * Threads: any; it opens stores of its own and blocks until it is done.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_ARCHIVE_H
#define BUS_RUNTIME_ARCHIVE_H

#include "bus/runtime/runtime.h"

/* One partition. */
typedef struct {
    int     partition;
    int64_t head;
    int64_t archived;     /* last offset that is in files */
    int64_t up_to;        /* last one that is to be; not above archived: nothing is to be done */
    char    held_by[128]; /* the reader because of which it is not more; empty: none */
} bus_archive_plan;

typedef struct {
    const bus_contract *domain;
    int64_t             before_ms; /* only events of before that time; 0: of any */
    int64_t             keep;      /* so many of each partition stay; below 1: 1 */
    bool                dry_run;   /* only plan */
    /* Called with each plan before it is carried out, and after each file, when .archived has
     * moved. May be NULL. */
    void (*progress)(void *context, const bus_archive_plan *plan);
    /* Called between two files. False: stop. May be NULL. */
    bool (*go_on)(void *context);
    void *context;
} bus_archive_wish;

/* options: store, store_options (with .archive), url_of and contracts, all that may follow the
 * domain. *events: how many were moved. BUS_DENIED: another archiver is at work in the domain.
 * BUS_CLOSED: go_on said stop. */
BUS_CHECKED bus_code bus_archive_run(const bus_runtime_options *options,
                                     const bus_archive_wish *wish, int64_t *events, bus_error *err);

#endif
