/* kernel_world.h - the two small domains of tests/support/kernel/ running over PostgreSQL in this
 * process, to be killed or held at exact places.
 *
 * What fails here fails the running cmocka test; in a forked child that ends it with 3.
 * Threads: one; the world has its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CHAOS_KERNEL_WORLD_H
#define TESTS_CHAOS_KERNEL_WORLD_H

#include "bus/runtime/runtime.h"

#define KERNEL_PARTITIONS 4
#define KERNEL_BATCH 8192

typedef struct {
    bus_runtime_options options;
    bus_transport      *transport;
    bus_service        *inventory, *orders;
    bus_projector      *projector;
    bus_client         *client;
    bus_store          *store; /* for looking */
    bus_arena           arena;
    bus_id              tenant;
    char                process[32];
} kernel_world;

/* Nothing runs in it yet. sole: takes every lease at once. */
void kernel_open(kernel_world *w, const char *url, const char *process, bus_id tenant, bool sole);
void kernel_start(kernel_world *w); /* both services */
/* The view of items, as if its contract had been changed to this version. */
void kernel_start_view(kernel_world *w, int version);
void kernel_close(kernel_world *w);

/* A client's command for a stream. The strings are borrowed. */
bus_command kernel_command(const kernel_world *w, const char *type, bus_id id, bus_id stream,
                           const char *data);
/* An item's: its stream is that of the id, its name too. Writes data. */
bus_command kernel_add(const kernel_world *w, bus_id id, char data[160]);
/* Sends to the owner of the partition; does not wait. */
void kernel_post(kernel_world *w, const bus_command *c, uint64_t ticket);
/* The next reply within the time; NULL: none. The caller releases it. */
bus_envelope *kernel_reply(kernel_world *w, int timeout_ms);
/* Posts and waits; NOT_OWNER is asked again. The reply's strings live until the next call. */
bus_reply kernel_ask(kernel_world *w, const bus_command *c);

/* How many events a stream of a domain has; of one type if that is not NULL. */
int kernel_events_of(kernel_world *w, const char *domain, bus_id stream, const char *type);
/* Owner's address; empty: nobody, or its lease has run out. */
const char *kernel_owner(kernel_world *w, const char *domain, int partition);
/* The whole log and the view of that version; 0: no view. */
void kernel_verify(kernel_world *w, int view_version);

#endif
