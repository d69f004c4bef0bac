/* clock.h - event time of one partition of one log: how far the business's time has come there.
 *
 * The watermark is a function of the partition's content up to an offset and of nothing else: not
 * of how partitions interleave, nor of batches, nor of any clock of ours. So an event is late or
 * not for good, whoever reads the log, and however often. Why so is in ARCHITECTURE.md, "Windows".
 * Pure. Threads: any. All times are UTC milliseconds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STREAM_CLOCK_H
#define PROJECTIONS_STREAM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_STREAM_NEVER (INT64_MIN / 4) /* before all times, with room to add to it */

/* Of one partition, after `offset`. Zero-initialised: nothing was read. */
typedef struct {
    int64_t offset;       /* last record read */
    int64_t seen_at_ms;   /* when that was appended */
    bool    known;        /* some event told a time of the business */
    int64_t watermark_ms; /* if known: events older than this were not to be expected any more */
    int64_t at_ms;        /* if known: when the last of them was appended */
    int64_t late;         /* events that came too late, so far */
} bus_stream_clock;

/* What an analytic declares of its time. */
typedef struct {
    int64_t bound_ms; /* events come at most so much after younger ones of their partition */
    int64_t idle_ms; /* after so long without events a partition is taken along by the logs' time */
} bus_stream_pace;

/* The watermark that an event appended at at_ms is judged by, before its own time is known. A
 * partition that was idle for longer than idle_ms has moved on with the log's time meanwhile. */
int64_t bus_stream_clock_judges(const bus_stream_clock *clock, const bus_stream_pace *pace,
                                int64_t at_ms);
/* An event appended at at_ms told that the business's time has come to time_ms. A time in the
 * log's future counts as the log's: one device with a wrong clock does not make all others late. */
void bus_stream_clock_tick(bus_stream_clock *clock, const bus_stream_pace *pace, int64_t at_ms,
                           int64_t time_ms);
/* A record was read, whatever it is. False: it was read before, and is to be passed over. */
bool bus_stream_clock_read(bus_stream_clock *clock, int64_t offset, int64_t at_ms);

/* How far all partitions together are, at the cut that the clocks are: the least of the
 * watermarks, of idle partitions with the time that the other logs have come to. Partitions
 * without any time hold nothing back. BUS_STREAM_NEVER: none has one. */
int64_t bus_stream_horizon(const bus_stream_clock *clocks, int count, const bus_stream_pace *pace);

#endif
