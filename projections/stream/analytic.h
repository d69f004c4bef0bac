/* analytic.h - what the author of an analytic writes: three pure functions over the events of one
 * or several logs. Windows, lateness, state and the feed of changes are the library's (stream.h).
 *
 * The terms are those of Kafka Streams and Beam. A *source* is a log that the contract's follows
 * name. map() filters, maps and keys: of an event it makes none, one or several *contributions*,
 * each a row of the analytic (the generated struct <analytic>_row) that holds only what this event
 * adds, with its key members set. step() adds a contribution to a window, or takes it back.
 * finish() sets what follows from the rest (shares, means).
 *
 * What several partitions bring has no order, so step() must be a sum: commutative and
 * associative, with the zeroed row as its zero. The library folds the events of a batch into panes
 * with step() and the panes into windows with the same step().
 * No I/O, clock, randomness, allocation or globals in any of them.
 * Threads: any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STREAM_ANALYTIC_H
#define PROJECTIONS_STREAM_ANALYTIC_H

#include "bus/module/module.h"

typedef struct bus_analytic   bus_analytic;
typedef struct bus_stream_out bus_stream_out;

struct bus_analytic {
    /* memory: what is remembered under the event's key (the generated struct <analytic>_memory_row,
     * zeroed when new; NULL: the contract declares none). It is the table of a stream-table join,
     * the ids of a dedup. Events of one stream come in their order; those of several streams in
     * any, and then what comes out must be the same for each (bus/projections: join.h helps). */
    void (*map)(void *memory, const bus_event *event, bus_stream_out *out);
    /* Adds `one` to the window (sign 1), or takes back what was added before (sign -1). Key
     * members, from_at, to_at, closed and change are none of its business. */
    void (*step)(void *window, const void *one, int sign);
    /* Sets derived members of a window that changed; NULL: there are none. */
    void (*finish)(void *window);
    /* The id under which memory is kept for this event; NULL: its stream. False: this event needs
     * none, and map() gets NULL. */
    bool (*remember)(const bus_event *event, bus_id *id);
};

/* Within map(). Times are UTC milliseconds of the business, from the event, never the clock's.
 * zone_min: minutes that local time is ahead of UTC; windows begin at local midnight and whole
 * multiples of their length after it. `one` is copied. */

/* Adds it to the windows that at_ms lies in, unless it is late for them. */
void bus_stream_put(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min);
/* Takes it back, unless it is late. What was put must be named exactly. */
void bus_stream_take_back(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min);
/* Is at_ms too late to be put by this event? A function of the event's partition up to this event
 * and of nothing else, so it may be remembered. */
bool bus_stream_is_late(const bus_stream_out *out, int64_t at_ms, int32_t zone_min);
/* Puts or takes back without asking whether it is late: for what corrects a contribution whose own
 * event was not. May change windows that are closed already; their followers see another change. */
void bus_stream_correct(bus_stream_out *out, const void *one, int64_t at_ms, int32_t zone_min,
                        int sign);
/* Nothing to put, but the business's time has come this far. put and take_back say so themselves.
 */
void bus_stream_tick(bus_stream_out *out, int64_t at_ms);
/* What is remembered under this key is not needed any more. */
void bus_stream_forget(bus_stream_out *out);
/* Room for one more item of an array member of memory, zeroed, as BUS_ROW_PUSH in views. */
void *bus_stream_push(bus_stream_out *out, void *items_pointer, uint32_t *count, uint32_t *capacity,
                      size_t item_bytes);
#define BUS_STREAM_PUSH(out, array)                                                       \
    ((__typeof__((array)->items))bus_stream_push((out), &(array)->items, &(array)->count, \
                                                 &(array)->capacity, sizeof(*(array)->items)))

/* Where this event stands in all logs: for choosing one of several, whatever their order. */
typedef struct {
    int     source;    /* number of the log among those that the analytic follows */
    int     partition; /* of it */
    int64_t offset;
    int64_t at_ms; /* when it was appended; never goes back within a partition */
} bus_stream_place;
bus_stream_place bus_stream_place_of(const bus_stream_out *out);

/* An analytic's views, for the registry of the build. version: raise it when map, step, finish or
 * remember change: new tables are filled from the beginning of the logs. */
#define BUS_ANALYTIC(name, raised, how)                                    \
    const bus_view name##_projection = {                                   \
        .of = &name##_view, .view_version = (raised), .analytic = &(how)}; \
    const bus_view name##_late_projection = {.of = &name##_late_view, .view_version = (raised)}

#endif
