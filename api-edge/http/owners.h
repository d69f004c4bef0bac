/* owners.h - who owns which partition, as the store tells. Internal.
 * The store blocks, so it is read in libuv's thread pool; the answer is swapped in on the loop.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_OWNERS_H
#define API_EDGE_HTTP_OWNERS_H

#include "api-edge/http/loop.h"

typedef struct edge_owners edge_owners;

/* on_fresh is called on the loop after each reading. Reads a first time before it returns; a
 * store that is out of reach is no error. */
edge_owners *edge_owners_open(edge_loop *loop, void (*on_fresh)(void *context), void *context);
void         edge_owners_close(edge_owners *owners);
void         edge_owners_free(edge_owners *owners); /* after the loop has run out */

/* The partition of a stream of a domain, and the address of its owner; false: not known (yet). */
bool edge_owners_find(const edge_owners *owners, const bus_contract *contract, bus_id stream,
                      uint16_t *partition, const char **address);
/* How many partitions a domain has; 0: not known (yet). */
int edge_owners_partitions(const edge_owners *owners, const bus_contract *contract);
/* What is known is wrong: reads it again, soon but not too often. */
void edge_owners_refresh(edge_owners *owners);

#endif
