/* turns.c - lines in the order of their turns: the first one's is next, then it goes to the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/login/turns.h"

#include "bus/base/error.h"

#include <stdlib.h>
#include <sys/random.h>
#include <uthash.h>

#define NETWORKS 4096 /* a place that is taken goes to the new one */

enum { KNOWN, STRANGER, RANKS };

typedef struct {
    edge_turn *first, **last;
    int        count;
} queue;

typedef struct line {
    bus_id         tenant;
    queue          of[RANKS];
    UT_hash_handle hh;
} line;

typedef struct {
    bus_id tenant, network;
} place;

struct edge_turns {
    line  *lines; /* uthash, in the order of their turns; none is empty */
    int    strangers;
    bus_id salt; /* else who has many networks could choose whose place they take */
    place  networks[NETWORKS];
    bus_id of_any_tenant[NETWORKS];
};

edge_turns *
edge_turns_create(void)
{
    edge_turns *turns = calloc(1, sizeof(*turns));

    if (turns == NULL ||
        getrandom(turns->salt.bytes, sizeof(turns->salt.bytes), 0) != sizeof(turns->salt.bytes))
        abort();
    return turns;
}

void
edge_turns_destroy(edge_turns *turns)
{
    if (turns != NULL)
        BUS_INVARIANT(turns->lines == NULL);
    free(turns);
}

/* --- networks ------------------------------------------------------------------------------- */

static size_t
place_of(const edge_turns *turns, bus_id tenant, bus_id network)
{
    bus_id ids[3] = {turns->salt, tenant, network};

    return (bus_fnv1a64(ids, sizeof(ids)) >> 40) % NETWORKS;
}

void
edge_turns_welcome(edge_turns *turns, bus_id tenant, bus_id network)
{
    turns->networks[place_of(turns, tenant, network)] = (place){tenant, network};
    turns->of_any_tenant[place_of(turns, BUS_ID_NIL, network)] = network;
}

bool
edge_turns_knows(const edge_turns *turns, bus_id tenant, bus_id network)
{
    const place *p = &turns->networks[place_of(turns, tenant, network)];

    return !bus_id_is_nil(network) && bus_id_equal(p->tenant, tenant) &&
           bus_id_equal(p->network, network);
}

bool
edge_turns_knows_network(const edge_turns *turns, bus_id network)
{
    return !bus_id_is_nil(network) &&
           bus_id_equal(turns->of_any_tenant[place_of(turns, BUS_ID_NIL, network)], network);
}

/* --- lines ---------------------------------------------------------------------------------- */

static line *
line_of(edge_turns *turns, bus_id tenant)
{
    line *l;

    HASH_FIND(hh, turns->lines, &tenant, sizeof(tenant), l);
    if (l != NULL)
        return l;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        abort();
    l->tenant = tenant;
    for (int i = 0; i < RANKS; i++)
        l->of[i].last = &l->of[i].first;
    HASH_ADD(hh, turns->lines, tenant, sizeof(l->tenant), l);
    return l;
}

static void
drop_empty(edge_turns *turns, line *l)
{
    if (l->of[KNOWN].count + l->of[STRANGER].count > 0)
        return;
    HASH_DELETE(hh, turns->lines, l);
    free(l);
}

static bool
has_room(const edge_turns *turns, const line *l, int rank)
{
    return l->of[KNOWN].count + l->of[STRANGER].count < EDGE_LINE_MAX &&
           (rank == KNOWN ||
            (l->of[STRANGER].count < EDGE_STRANGERS_MAX && turns->strangers < EDGE_STRANGERS_ALL));
}

bool
edge_turns_wait(edge_turns *turns, edge_turn *turn, bus_id tenant, bool known)
{
    const int rank = known ? KNOWN : STRANGER;
    line     *l = line_of(turns, tenant);
    queue    *q = &l->of[rank];

    if (!has_room(turns, l, rank)) {
        drop_empty(turns, l);
        return false;
    }
    turn->behind = NULL;
    *q->last = turn;
    q->last = &turn->behind;
    q->count++;
    turns->strangers += rank == STRANGER;
    return true;
}

static edge_turn *
take_first(queue *q)
{
    edge_turn *turn = q->first;

    q->first = turn->behind;
    if (q->first == NULL)
        q->last = &q->first;
    q->count--;
    return turn;
}

edge_turn *
edge_turns_next(edge_turns *turns)
{
    line      *l = turns->lines;
    const int  rank = l == NULL || l->of[KNOWN].count > 0 ? KNOWN : STRANGER;
    edge_turn *turn;

    if (l == NULL)
        return NULL;
    turn = take_first(&l->of[rank]);
    turns->strangers -= rank == STRANGER;
    HASH_DELETE(hh, turns->lines, l);
    HASH_ADD(hh, turns->lines, tenant, sizeof(l->tenant), l);
    drop_empty(turns, l);
    return turn;
}
