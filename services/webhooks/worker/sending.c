/* sending.c - what can be sent is sent: each subscription in its turn, each of its lanes in turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/webhooks/worker/worker_internal.h"

#define SCAN_MAX 256               /* records of one lane looked at in one turn */
#define RETRY_US INT64_C(10000000) /* where a log cannot be read */
#define TURN_US INT64_C(500000)

static bool
wants_record(const subscription *s, const bus_record *r)
{
    const struct webhooks_subscribed *wants = &s->wants;
    bool typed = wants->types.count == 0, named = wants->streams.count == 0;

    if (!bus_id_equal(r->tenant, s->tenant))
        return false;
    for (uint32_t i = 0; i < wants->types.count && !typed; i++)
        typed = bus_str_equal(wants->types.items[i], r->type);
    for (uint32_t i = 0; i < wants->streams.count && !named; i++)
        named = bus_id_equal(wants->streams.items[i], r->stream);
    return typed && named;
}

/* What lies there cannot be read, as when an archive is missing: nobody else is held up by it. */
static bus_code
wait_here(worker *w, lane *l, bus_code rc)
{
    if (rc != BUS_OK)
        l->retry_us = worker_now_us(w) + RETRY_US;
    return rc;
}

/* Passes over what is not for it, and sends the next that is. */
static bus_code
advance(worker *w, subscription *s, int log, int partition, bus_error *err)
{
    lane    *l = &s->lanes[log][partition];
    bus_code rc = cursors_go_back(w, s, log, partition, err);

    if (rc != BUS_OK)
        return wait_here(w, l, rc);
    for (int i = 0; i < SCAN_MAX; i++) {
        const bus_record *r;

        if ((rc = logs_record(w, log, partition, l->offset + 1, &r, err)) != BUS_OK || r == NULL)
            return wait_here(w, l, rc);
        if (wants_record(s, r))
            return deliver(w, s, log, partition, r, err);
        l->offset = r->offset;
        l->moved = true;
    }
    w->more = true;
    return BUS_OK;
}

static bool
may_fly(const worker *w, const subscription *s)
{
    return w->flying < FLYING_MAX && s->share->flying < FLYING_OF_TENANT_MAX &&
           s->flying < s->window && !s->asking && worker_now_us(w) >= s->not_before_us;
}

static bool
is_readable(const worker *w, const subscription *s, int log, int partition)
{
    return s->lanes[log] != NULL && logs_usable(w, log) &&
           worker_now_us(w) >= s->lanes[log][partition].retry_us;
}

/* One failed: until it goes through it is the only one that is tried. False: it cannot be read now,
 * so the others are. */
static bool
try_again(worker *w, subscription *s, bus_code *rc, bus_error *err)
{
    for (int i = 0; i < w->logs_count; i++)
        for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++) {
            if (&s->lanes[i][p] != s->trouble)
                continue;
            if (!is_readable(w, s, i, p))
                return false;
            if (s->flying == 0)
                *rc = advance(w, s, i, p, err);
            return true;
        }
    BUS_UNREACHABLE();
}

/* All lanes in turn, so that a busy one holds up no other. */
static bus_code
send_of(worker *w, subscription *s, int64_t until_us, bus_error *err)
{
    int      lanes = w->logs_count * w->options->partitions;
    bus_code first = cursors_place_all(w, s, err);

    if (!may_fly(w, s))
        return first;
    if (s->trouble != NULL && try_again(w, s, &first, err))
        return first;
    s->trouble = NULL;
    for (int n = 0; n < lanes && may_fly(w, s); n++) {
        if (n > 0 && worker_now_us(w) >= until_us) { /* goes on here in its next turn */
            s->next = (s->next + n) % lanes;
            w->more = true;
            return first;
        }
        int       at = (s->next + n) % lanes, log = at / w->options->partitions;
        int       partition = at % w->options->partitions;
        bus_error why = {0};
        bus_code  rc = BUS_OK;

        if (is_readable(w, s, log, partition) && s->lanes[log][partition].flying == NULL)
            rc = advance(w, s, log, partition, &why);
        if (rc != BUS_OK && first == BUS_OK) { /* the other lanes go on */
            first = rc;
            *err = why;
        }
    }
    s->next = (s->next + 1) % lanes;
    return first;
}

/* The subscription's own trouble is not the others'. */
bus_code
sending_turn(worker *w, bus_error *err)
{
    const int64_t until_us = worker_now_us(w) + TURN_US;
    int           left = w->count;
    bus_code      first = BUS_OK;

    for (; left > 0; left--) {
        subscription *s = w->subscriptions;
        bus_error     why = {0};
        bus_code      rc;

        if (worker_now_us(w) >= until_us) {
            w->more = true;
            break;
        }
        if ((rc = worker_renew(w, err)) != BUS_OK)
            return rc;
        HASH_DEL(w->subscriptions, s); /* behind all others */
        HASH_ADD(hh, w->subscriptions, id, sizeof(s->id), s);
        rc = s->served && s->status == SUBSCRIPTION_ACTIVE ? send_of(w, s, until_us, &why) : BUS_OK;
        if (rc != BUS_OK && first == BUS_OK) {
            first = rc;
            *err = why;
        }
    }
    /* When room is short, it is not always the same that have it. Who had no turn stays first. */
    if (left == 0 && w->subscriptions != NULL) {
        subscription *s = w->subscriptions;

        HASH_DEL(w->subscriptions, s);
        HASH_ADD(hh, w->subscriptions, id, sizeof(s->id), s);
    }
    return first;
}

/* What is not sent yet. Where it begins may not be known. */
static int64_t
behind_of(const worker *w, const subscription *s, int log, int partition)
{
    const lane *l = &s->lanes[log][partition];

    return w->logs[log].heads[partition] - (l->offset == LANE_NOT_PLACED ? 0 : l->offset);
}

void
sending_show(worker *w)
{
    subscription *s, *next;
    int64_t       behind = 0;
    int           parked = 0;

    HASH_ITER(hh, w->subscriptions, s, next)
    {
        parked += s->status == SUBSCRIPTION_PARKED;
        for (int i = 0; s->status == SUBSCRIPTION_ACTIVE && i < w->logs_count; i++)
            for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++)
                behind += behind_of(w, s, i, p);
    }
    atomic_store(&w->parked, parked);
    atomic_store(&w->behind, behind);
    atomic_store(&w->unserved, w->count - w->served + w->dropped);
}
