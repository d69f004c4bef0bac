/* turns.h - whose password is looked at next. Internal.
 *
 * Hashing is slow on purpose, so those who make us hash wait, and a flood of them must not keep the
 * others out. Each tenant has a line of its own, and the lines take turns; whoever names no tenant
 * that there is stands in one with all his like. In a line go first those who have a token, or come
 * from a network from which somebody has logged in to that tenant before, and some places are kept
 * for them. So a flood from many addresses delays whom nobody has seen yet, in that tenant.
 * What is known of networks is this process' own, and begins anew with it.
 * Threads: one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LOGIN_TURNS_H
#define API_EDGE_LOGIN_TURNS_H

#include "bus/base/id.h"

#include <stdbool.h>

#define EDGE_LINE_MAX 32       /* that wait in a line */
#define EDGE_STRANGERS_MAX 24  /* of them, whom nobody has seen yet */
#define EDGE_STRANGERS_ALL 192 /* in all lines */

typedef struct edge_turns edge_turns;

/* One that waits; its owner's, who gets it back from edge_turns_next(). */
typedef struct edge_turn {
    struct edge_turn *behind;
} edge_turn;

edge_turns *edge_turns_create(void);
/* Nobody may wait. Accepts NULL. */
void edge_turns_destroy(edge_turns *turns);

/* Somebody has logged in to the tenant from there. */
void edge_turns_welcome(edge_turns *turns, bus_id tenant, bus_id network);
bool edge_turns_knows(const edge_turns *turns, bus_id tenant, bus_id network);
/* To any tenant. */
bool edge_turns_knows_network(const edge_turns *turns, bus_id network);

/* At the end of the tenant's line. tenant: nil for one that there is not. False: the line is full.
 */
bool edge_turns_wait(edge_turns *turns, edge_turn *turn, bus_id tenant, bool known);
/* NULL: nobody waits. */
edge_turn *edge_turns_next(edge_turns *turns);

#endif
