/* recent.h - the answers given last, by command id, so that a repeat is cheap.
 * Only what is committed is kept; and, in another of them, which clients' commands were refused,
 * with the time until which they were asked. Threads: one. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_RECENT_H
#define BUS_RUNTIME_RECENT_H

#include "bus/base/id.h"

#include <stdbool.h>

typedef struct bus_recent bus_recent;

typedef struct {
    bus_id   command_id, stream;
    int64_t  digest;
    int64_t  offset;
    int64_t  expires_at_ms; /* of a refused one */
    int32_t  version;
    uint16_t partition;
} bus_recent_answer;

bus_recent *bus_recent_create(int answers_max);
void        bus_recent_destroy(bus_recent *recent); /* accepts NULL */
/* Instead of what was put of the same command. When there is no room the oldest goes. */
void                     bus_recent_put(bus_recent *recent, const bus_recent_answer *answer);
const bus_recent_answer *bus_recent_find(const bus_recent *recent, bus_id command_id);

#endif
