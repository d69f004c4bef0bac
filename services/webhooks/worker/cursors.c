/* cursors.c - how far each subscription is, as the store keeps it.
 *
 * A cursor in each partition of each log that it wants something of: checkpoints of a reader of its
 * own, fenced by their epochs. Once a replay was asked for, a second reader keeps the time to which
 * a cursor is to go back, until the log could be asked where that is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/worker_internal.h"

#include <stdlib.h>
#include <string.h>

/* Saved where a subscription was told to go back to the very first event: 0 is one that never was
 * placed. */
#define FROM_THE_FIRST INT64_C(-1)
#define EFFECTS_MAX 32 /* subscriptions in one log, saved in one transaction */

void
cursors_name(bus_id id, char reader[64], char back[64])
{
    char text[BUS_ID_TEXT_BYTES];

    (void)snprintf(reader, 64, "webhook %s", bus_id_format(id, text));
    (void)snprintf(back, 64, BUS_TIME_READER "%s", text);
}

/* Reads the cursors of a log, and makes them ours: our own database has them, the log itself is not
 * asked. One that never moved begins where it was subscribed. */
static bus_code
place(worker *w, subscription *s, int log, bus_error *err)
{
    const bus_runtime_options *o = w->options;
    const char                *domain = w->logs[log].domain;
    bus_checkpoint             found[BUS_PARTITIONS_MAX], back[BUS_PARTITIONS_MAX];
    lane                      *lanes;
    bus_code                   rc;

    memset(back, 0, sizeof(back));
    rc = o->store->checkpoint_take(w->store, HOME, s->reader, domain, o->process, true, found,
                                   o->partitions, err);
    if (rc == BUS_OK && s->replayed)
        rc = o->store->checkpoint_take(w->store, HOME, s->back_reader, domain, o->process, true,
                                       back, o->partitions, err);
    if (rc != BUS_OK)
        return rc;
    lanes = calloc((size_t)o->partitions, sizeof(*lanes));
    if (lanes == NULL)
        abort();
    for (int p = 0; p < o->partitions; p++) {
        const bool never = found[p].offset == 0;

        lanes[p] = (lane){.offset = never                               ? LANE_NOT_PLACED
                                    : found[p].offset == FROM_THE_FIRST ? 0
                                                                        : found[p].offset,
                          .epoch = found[p].epoch,
                          .back_to_ms = never ? s->subscribed_at_ms : LANE_GOES_ON,
                          .back_epoch = back[p].epoch};
        if (back[p].offset > 0 && back[p].offset - 1 < lanes[p].back_to_ms)
            lanes[p].back_to_ms = back[p].offset - 1;
    }
    s->lanes[log] = lanes;
    return BUS_OK;
}

/* Where a lane goes on, which its log must tell: never forward, what was not sent is not left out.
 */
bus_code
cursors_go_back(worker *w, subscription *s, int log, int partition, bus_error *err)
{
    lane    *l = &s->lanes[log][partition];
    int64_t  offset;
    bus_code rc;

    if (l->back_to_ms == LANE_GOES_ON)
        return BUS_OK;
    if ((rc = logs_before(w, log, partition, l->back_to_ms, &offset, err)) != BUS_OK)
        return rc;
    if (offset < l->offset) {
        l->offset = offset;
        l->moved = true;
    }
    l->back_to_ms = LANE_GOES_ON;
    l->back_moved = l->back_epoch != 0; /* else nothing was ever remembered */
    return BUS_OK;
}

bus_code
cursors_place_all(worker *w, subscription *s, bus_error *err)
{
    bus_code first = BUS_OK;

    for (int i = 0; i < w->logs_count; i++) {
        bus_error why = {0};
        bus_code  rc = BUS_OK;

        if (s->wanted[i] && s->lanes[i] == NULL && logs_usable(w, i))
            rc = place(w, s, i, &why);
        if (rc != BUS_OK && first == BUS_OK) { /* the other logs go on */
            first = rc;
            *err = why;
        }
    }
    return first;
}

static bool
is_to_be_saved(const lane *l, bool all)
{
    return l->back_moved || (l->moved && l->offset != LANE_NOT_PLACED && (all || l->acknowledged));
}

static bus_effect *
effect_for(worker *w, const char *reader, int log, bus_checkpoint *places, int count,
           bus_effect *also)
{
    bus_effect *effect;

    if (count == 0)
        return also;
    effect = BUS_ARENA_NEW(&w->scratch, bus_effect);
    *effect = (bus_effect){.home = HOME,
                           .reader = reader,
                           .domain = w->logs[log].domain,
                           .checkpoints = places,
                           .checkpoints_count = count,
                           .also = also};
    return effect;
}

/* What is to be saved of one subscription in one log, before `also`: its cursors, and where they
 * are to go back to, in one transaction. */
static bus_effect *
effects_of(worker *w, subscription *s, int log, bool all, bus_effect *also)
{
    const size_t    room = (size_t)w->options->partitions;
    bus_checkpoint *places = NULL, *backs = NULL;
    int             count = 0, backs_count = 0;

    for (int p = 0; s->lanes[log] != NULL && p < w->options->partitions; p++) {
        const lane *l = &s->lanes[log][p];

        if (!is_to_be_saved(l, all))
            continue;
        if (places == NULL) {
            places = BUS_ARENA_ARRAY(&w->scratch, bus_checkpoint, room);
            backs = BUS_ARENA_ARRAY(&w->scratch, bus_checkpoint, room);
        }
        if (l->moved && l->offset != LANE_NOT_PLACED)
            places[count++] =
                (bus_checkpoint){.partition = (uint16_t)p,
                                 .offset = l->offset == 0 ? FROM_THE_FIRST : l->offset,
                                 .epoch = l->epoch};
        if (l->back_moved)
            backs[backs_count++] =
                (bus_checkpoint){.partition = (uint16_t)p,
                                 .offset = l->back_to_ms == LANE_GOES_ON ? 0 : l->back_to_ms + 1,
                                 .epoch = l->back_epoch};
    }
    also = effect_for(w, s->back_reader, log, backs, backs_count, also);
    return effect_for(w, s->reader, log, places, count, also);
}

static void
note_saved(worker *w, subscription *s, int log, bool all)
{
    for (int p = 0; s->lanes[log] != NULL && p < w->options->partitions; p++) {
        lane *l = &s->lanes[log][p];

        if (!is_to_be_saved(l, all))
            continue;
        l->back_moved = false;
        if (l->offset != LANE_NOT_PLACED)
            l->moved = l->acknowledged = false;
    }
}

/* So many at most as one transaction takes; *count says how many. */
static bus_code
save_some(worker *w, bool all, int *saved_count, bus_error *err)
{
    struct {
        subscription *s;
        int           log;
    } saved[EFFECTS_MAX];
    bus_effect   *chain = NULL;
    subscription *s, *next;
    int           count = 0;
    bus_code      rc = BUS_OK;

    HASH_ITER(hh, w->subscriptions, s, next)
    for (int i = 0; i < w->logs_count && count < EFFECTS_MAX; i++) {
        bus_effect *longer = effects_of(w, s, i, all, chain);

        if (longer == chain)
            continue;
        chain = longer;
        saved[count].s = s;
        saved[count++].log = i;
    }
    if (chain != NULL)
        rc = w->options->store->effect(w->store, chain, err);
    for (int i = 0; i < count && rc == BUS_OK; i++)
        note_saved(w, saved[i].s, saved[i].log, all);
    *saved_count = count;
    return rc;
}

bus_code
cursors_save(worker *w, bool all, bus_error *err)
{
    int      count;
    bus_code rc;

    do
        if ((rc = save_some(w, all, &count, err)) == BUS_OK)
            rc = worker_renew(w, err);
    while (rc == BUS_OK && all && count == EFFECTS_MAX);
    if (rc == BUS_OK && count == EFFECTS_MAX)
        w->more = true; /* the rest in the next turn */
    return rc;
}

/* Its cursors in a log are ours, also the ones that remember where to go back to. */
bus_code
cursors_own(worker *w, subscription *s, int log, bus_error *err)
{
    const bus_runtime_options *o = w->options;
    bus_checkpoint             back[BUS_PARTITIONS_MAX];
    bus_code                   rc;

    if (s->lanes[log] == NULL)
        return place(w, s, log, err);
    rc = o->store->checkpoint_take(w->store, HOME, s->back_reader, w->logs[log].domain, o->process,
                                   true, back, o->partitions, err);
    for (int p = 0; rc == BUS_OK && p < o->partitions; p++)
        s->lanes[log][p].back_epoch = back[p].epoch;
    return rc;
}

/* Archives do not wait for who is gone. */
bus_code
cursors_forget(worker *w, bus_id id, bus_error *err)
{
    const bus_store_ops *ops = w->options->store;
    char                 reader[64], back[64];
    bus_code             rc;

    cursors_name(id, reader, back);
    if ((rc = ops->checkpoint_forget(w->store, HOME, reader, err)) == BUS_OK)
        rc = ops->checkpoint_forget(w->store, HOME, back, err);
    return rc;
}
