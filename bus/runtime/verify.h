/* verify.h - the system's fsck: is the log what a log must be, and does everything derived from
 * it agree with it?
 *
 * Per partition gapless offsets, non-decreasing epochs and times, streams where they belong; per
 * stream versions 1..n of one tenant and aggregate; one answer per command; every event in its
 * contract; every archive as it was written; every snapshot what its events make; every view equal
 * to the fold of the log up to its checkpoints; no checkpoint ahead of the log; no stream parked.
 * Memory is bounded: a long log is read several times, each time for a share of its streams. It
 * writes nothing and may run beside a working system; what moves under its eyes is then counted as
 * unsure instead of a fault. Threads: any; it opens stores of its own. SPDX-License-Identifier:
 * Apache-2.0 */
#ifndef BUS_RUNTIME_VERIFY_H
#define BUS_RUNTIME_VERIFY_H

#include "bus/runtime/runtime.h"

#define BUS_VERIFY_REPORTS_MAX 1000 /* faults that are reported; more are only counted */

typedef enum {
    BUS_VERIFY_DOMAIN,     /* no schema, or another number of partitions than configured */
    BUS_VERIFY_OFFSET,     /* a gap, or a head that is not the last offset */
    BUS_VERIFY_EPOCH,      /* goes back, or is above the partition's */
    BUS_VERIFY_TIME,       /* `at` goes back within a partition */
    BUS_VERIFY_PARTITION,  /* a stream's event in another partition than its own */
    BUS_VERIFY_STREAM,     /* versions are not 1..n, or tenant or aggregate change */
    BUS_VERIFY_COMMAND,    /* two answers, or events that do not stand together */
    BUS_VERIFY_ARCHIVE,    /* a file is lost, changed, or not what the table has */
    BUS_VERIFY_CONTRACT,   /* an unknown event, or data that breaks its contract */
    BUS_VERIFY_CHECKPOINT, /* ahead of the log */
    BUS_VERIFY_PARKED,     /* a stream waits for somebody to look */
    BUS_VERIFY_SNAPSHOT,   /* damaged, ahead of the log, or not what its events make */
    BUS_VERIFY_VIEW        /* a row differs from the fold, is missing, or should not be */
} bus_verify_check;

typedef struct {
    bus_verify_check check;
    const char      *domain;
    const char      *view;      /* NULL: not about a view */
    int              partition; /* -1: none */
    int64_t          offset;    /* 0: none */
    bus_id           stream;    /* or the row's id; nil: none */
    char             text[256]; /* for people */
} bus_verify_fault;

typedef struct {
    int64_t domains, partitions, events, streams, commands, checkpoints, views, rows, parked;
    int64_t archives;  /* files */
    int64_t snapshots; /* of domains whose modules are linked here */
    int64_t passes;    /* over the log */
    int64_t unsure;    /* rows of views that moved meanwhile: run again when the system is idle */
    int64_t faults;
} bus_verify_counts;

/* "OFFSET" and so on. */
const char *bus_verify_check_name(bus_verify_check check);

/* options: store, store_options, url_of, partitions (0: any), modules are used. report may be NULL.
 * BUS_OK: it was looked at whole, counts->faults tells what was found. Others: it could not be. */
BUS_CHECKED bus_code bus_verify(const bus_runtime_options *options,
                                const bus_contract *const *contracts, int contracts_count,
                                const bus_view *const *views, int views_count,
                                void (*report)(void *context, const bus_verify_fault *fault),
                                void *context, bus_verify_counts *counts, bus_error *err);

#endif
