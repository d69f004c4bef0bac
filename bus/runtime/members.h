/* members.h - which processes are there, and how they share what there is to do.
 *
 * One thread per process says every second that the process is there (a row of shina.members with
 * a lease, by the database's clock), reads who else is, and has the transport receive their
 * batches. Who holds which partition is decided by the leases in the log alone; this only tells
 * how many a process should hold: the writers and couriers of one domain in n live processes hold
 * total / n each, and the first ones by name one more when that does not come out even, so that the
 * shares make the total and nobody looks for more. A process that comes gets its part as soon as
 * the others have heard of it and given back what they have too much, within about three seconds;
 * what a dead one held is taken when its leases have run out (BUS_LEASE_MS). A wrong list of
 * members can never give a partition two owners. Threads: start, leave and stop from one thread;
 * bus_members_share from any. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_MEMBERS_H
#define BUS_RUNTIME_MEMBERS_H

#include "bus/runtime/runtime.h"

#define BUS_MEMBERS_BEAT_MS 1000  /* the list of members is that old at most */
#define BUS_MEMBERS_SHARE_MS 500  /* writers and couriers look at their share so often */
#define BUS_MEMBERS_PART_BYTES 96 /* of a part's name, with its NUL */

/* Is in the table, and knows the others, when it returns. parts: what this process does, such as
 * "service vehicles"; copied. Uses the store, the transport, the clock and the process's name of
 * options, which are borrowed until stop. BUS_INVALID: too many parts, or too long a name. */
BUS_CHECKED bus_code bus_members_start(bus_members **out, const bus_runtime_options *options,
                                       const char *const *parts, int parts_count, bus_error *err);
/* Leaves the table at once, so that the others may take over; the last share stays. Before the
 * services are stopped. Accepts NULL. */
void bus_members_leave(bus_members *members);
/* Leaves if need be and frees. After all that ask for their share are stopped. Accepts NULL. */
void bus_members_stop(bus_members *members);

/* How many of `total` partitions this process should hold of a part of its own. members NULL, or
 * a part that is not ours: all. Never blocks. */
int bus_members_share(const bus_members *members, const char *part, int total);

#endif
