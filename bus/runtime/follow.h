/* follow.h - reading the log of one domain in order per partition: from the bus while what
 * comes is contiguous, from the store when behind. A look at the heads once a second is the
 * safety net. Which partitions are read, and from where, the caller decides.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_FOLLOW_H
#define BUS_RUNTIME_FOLLOW_H

#include "bus/base/arena.h"
#include "bus/runtime/bell.h"
#include "bus/runtime/runtime.h"

typedef struct bus_follow bus_follow;

/* st is borrowed: the connection of the calling thread to the domain's database. The bell is
 * rung when there may be something to read. sends: what events ask to be sent is wanted as well,
 * which batches over Kafka do not bring: their records are read from the log. */
BUS_CHECKED bus_code bus_follow_open(bus_follow **out, const bus_runtime_options *options,
                                     bus_store *st, const char *domain, bool sends, bus_bell *bell,
                                     bus_error *err);
/* The same from the log alone, for who writes what others then get from the bus (the relay): over a
 * transport that tells of a commit with a doorbell, "heads.<domain>", only that is taken. */
BUS_CHECKED bus_code bus_follow_open_log(bus_follow **out, const bus_runtime_options *options,
                                         bus_store *st, const char *domain, bus_bell *bell,
                                         bus_error *err);
void                 bus_follow_close(bus_follow *follow); /* accepts NULL */

/* Reads a partition after `offset` from now on; again: from there anew. */
void bus_follow_partition(bus_follow *follow, int partition, int64_t offset);
void bus_follow_drop(bus_follow *follow, int partition); /* not read any more */

/* The next records into out, at most max, their bytes copied to arena; in order within a partition.
 * *count 0: there is nothing now. BUS_UNAVAILABLE and the like: the store; the *count that came
 * before are right. */
BUS_CHECKED bus_code bus_follow_next(bus_follow *follow, bus_arena *arena, bus_record *out, int max,
                                     int *count, bus_error *err);

/* The last offset known to be written. */
int64_t bus_follow_head(const bus_follow *follow, int partition);
/* Events known to be written and not yet returned. */
int64_t bus_follow_behind(const bus_follow *follow);
/* Has everything that was written when it was last looked been returned? */
bool bus_follow_caught_up(const bus_follow *follow);

#endif
