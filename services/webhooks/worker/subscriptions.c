/* subscriptions.c - who wants what, and how far each is.
 *
 * What is subscribed is folded from our own log, from its beginning, whenever the lease is gained.
 * How far each is stands in checkpoints of a reader of its own, one for each partition of each log
 * that it wants something of, fenced by their epochs. What was asked for (a replay) is done when it
 * is read for the first time; how far that has come is the checkpoint of the lease itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "services/webhooks/worker/worker_internal.h"

#include <stdlib.h>
#include <string.h>

#define SCAN_MAX 256 /* records of one lane looked at in one turn */
/* Saved where a subscription was told to go back to the very first event: 0 is one that never was
 * placed. */
#define FROM_THE_FIRST INT64_C(-1)
#define EFFECTS_MAX 64 /* readers saved in one transaction */

/* --- the table ------------------------------------------------------------------------------- */

static subscription *
find(worker *w, bus_id id)
{
    subscription *s;

    HASH_FIND(hh, w->subscriptions, &id, sizeof(id), s);
    return s;
}

static void
forget(worker *w, subscription *s)
{
    deliver_cancel_all(w, s);
    ask_forget(s);
    HASH_DEL(w->subscriptions, s);
    for (int i = 0; i < w->logs_count; i++)
        free(s->lanes[i]);
    bus_arena_fini(&s->arena);
    free(s);
    w->count--;
}

void
subscriptions_forget(worker *w)
{
    subscription *s, *next;

    HASH_ITER(hh, w->subscriptions, s, next)
    forget(w, s);
    memset(w->control_read, 0, sizeof(w->control_read));
}

/* --- filters --------------------------------------------------------------------------------- */

static bool
type_is_of(bus_str type, const char *domain)
{
    size_t len = strlen(domain);

    return type.len > len && memcmp(type.at, domain, len) == 0 && type.at[len] == '.';
}

/* May an event of this log pass? */
static bool
wants_log(const struct webhooks_subscribed *wants, const char *domain)
{
    bool named = wants->domains.count == 0, typed = wants->types.count == 0;

    for (uint32_t i = 0; i < wants->domains.count; i++)
        named = named || bus_str_is(wants->domains.items[i], domain);
    for (uint32_t i = 0; i < wants->types.count; i++)
        typed = typed || type_is_of(wants->types.items[i], domain);
    return named && typed;
}

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

/* --- cursors -----------------------------------------------------------------------------------
 */

/* Reads the cursors of a log, and makes them ours. One that never moved begins where it was
 * subscribed. */
static bus_code
place(worker *w, subscription *s, int log, bus_error *err)
{
    const bus_runtime_options *o = w->options;
    bus_checkpoint             found[BUS_PARTITIONS_MAX];
    lane                      *lanes;
    bus_code                   rc;

    rc = o->store->checkpoint_take(w->store, HOME, s->reader, w->logs[log].domain, o->process, true,
                                   found, o->partitions, err);
    if (rc != BUS_OK)
        return rc;
    lanes = calloc((size_t)o->partitions, sizeof(*lanes));
    if (lanes == NULL)
        abort();
    for (int p = 0; p < o->partitions && rc == BUS_OK; p++) {
        lanes[p].offset = found[p].offset;
        lanes[p].epoch = found[p].epoch;
        if (found[p].offset == 0 && w->logs[log].heads[p] > 0) {
            rc = logs_before(w, log, p, s->subscribed_at_ms, &lanes[p].offset, err);
            lanes[p].moved = true;
        }
        if (lanes[p].offset == FROM_THE_FIRST)
            lanes[p].offset = 0;
    }
    if (rc != BUS_OK) {
        free(lanes);
        return rc;
    }
    s->lanes[log] = lanes;
    return BUS_OK;
}

static bus_code
place_all(worker *w, subscription *s, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; i < w->logs_count && rc == BUS_OK; i++)
        if (s->wanted[i] && s->lanes[i] == NULL && w->logs[i].known)
            rc = place(w, s, i, err);
    return rc;
}

/* What is to be saved of one reader in one log; NULL: nothing. */
static bus_effect *
effect_of(worker *w, subscription *s, int log, bool all)
{
    bus_checkpoint *places = NULL;
    bus_effect     *effect;
    int             count = 0;

    for (int p = 0; s->lanes[log] != NULL && p < w->options->partitions; p++) {
        const lane *l = &s->lanes[log][p];

        if (!l->moved || (!all && !l->acknowledged))
            continue;
        if (places == NULL)
            places = BUS_ARENA_ARRAY(&w->scratch, bus_checkpoint, (size_t)w->options->partitions);
        places[count++] = (bus_checkpoint){.partition = (uint16_t)p,
                                           .offset = l->offset == 0 ? FROM_THE_FIRST : l->offset,
                                           .epoch = l->epoch};
    }
    if (count == 0)
        return NULL;
    effect = BUS_ARENA_NEW(&w->scratch, bus_effect);
    *effect = (bus_effect){.home = HOME,
                           .reader = s->reader,
                           .domain = w->logs[log].domain,
                           .checkpoints = places,
                           .checkpoints_count = count};
    return effect;
}

static void
note_saved(worker *w, subscription *s, int log, bool all)
{
    for (int p = 0; s->lanes[log] != NULL && p < w->options->partitions; p++) {
        lane *l = &s->lanes[log][p];

        if (l->moved && (all || l->acknowledged))
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
    for (int i = 0; i < w->logs_count; i++) {
        bus_effect *effect = count < EFFECTS_MAX ? effect_of(w, s, i, all) : NULL;

        if (effect == NULL)
            continue;
        effect->also = chain;
        chain = effect;
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
subscriptions_save(worker *w, bool all, bus_error *err)
{
    int      count;
    bus_code rc;

    do
        rc = save_some(w, all, &count, err);
    while (rc == BUS_OK && all && count == EFFECTS_MAX);
    if (rc == BUS_OK && count == EFFECTS_MAX)
        w->more = true; /* the rest in the next turn */
    return rc;
}

/* --- what was asked for -------------------------------------------------------------------------
 */

static void
begin_anew(worker *w, subscription *s)
{
    deliver_cancel_all(w, s);
    for (int i = 0; i < w->logs_count; i++)
        for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++)
            s->lanes[i][p].failures = 0;
    s->trouble = NULL;
    s->window = 1;
    s->not_before_us = 0;
}

static void
subscribe(worker *w, const bus_event *event, const struct webhooks_subscribed *e)
{
    char          text[BUS_ID_TEXT_BYTES];
    subscription *s;

    if (w->count == SUBSCRIPTIONS_MAX) {
        atomic_fetch_add(&w->unserved, 1);
        bus_log_error("webhooks.too_many", BUS_KV_ID("subscription", event->stream));
        return;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    s->id = event->stream;
    s->tenant = event->tenant;
    s->subscribed_at_ms = event->at_ms;
    s->window = 1;
    bus_copy(webhooks_subscribed_event.shape, e, &s->wants, &s->arena);
    s->secret = s->wants.secret;
    (void)snprintf(s->reader, sizeof(s->reader), "webhook %s", bus_id_format(s->id, text));
    for (int i = 0; i < w->logs_count; i++)
        s->wanted[i] = wants_log(&s->wants, w->logs[i].domain);
    HASH_ADD(hh, w->subscriptions, id, sizeof(s->id), s);
    w->count++;
}

static void
rotate(subscription *s, const struct webhooks_secret_rotated *e)
{
    s->previous_secret = s->secret;
    s->previous_until_ms = e->previous_until_at;
    s->secret = bus_arena_copy(&s->arena, e->secret.at, e->secret.len);
}

static void
go_back(lane *l, int64_t offset)
{
    if (offset < l->offset) {
        l->offset = offset;
        l->moved = true;
    }
}

static bus_code
go_back_to(worker *w, subscription *s, int64_t from_ms, bus_error *err)
{
    for (int i = 0; i < w->logs_count; i++)
        for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++) {
            int64_t  offset;
            bus_code rc = logs_before(w, i, p, from_ms, &offset, err);

            if (rc != BUS_OK)
                return rc;
            go_back(&s->lanes[i][p], offset);
        }
    return BUS_OK;
}

/* Never forward: what was not sent is not left out. */
static bus_code
replay(worker *w, subscription *s, const struct webhooks_replay_asked *e, bus_error *err)
{
    bus_code rc = place_all(w, s, err);

    if (rc != BUS_OK)
        return rc;
    begin_anew(w, s);
    if (e->has_from_at)
        return go_back_to(w, s, e->from_at, err);
    for (int i = 0; i < w->logs_count; i++)
        if (s->lanes[i] != NULL && bus_str_is(e->after.domain, w->logs[i].domain) &&
            e->after.partition < w->options->partitions)
            go_back(&s->lanes[i][e->after.partition], e->after.offset);
    return BUS_OK;
}

static void
stop(worker *w, subscription *s, int status)
{
    deliver_cancel_all(w, s);
    ask_forget(s);
    s->status = status;
}

/* afresh: for the first time, so what it asks for is to be done. */
static bus_code
fold(worker *w, const bus_event *event, bool afresh, bus_error *err)
{
    const struct webhooks_subscription_event *e = event->tagged;
    subscription                             *s = find(w, event->stream);

    if (e->kind == WEBHOOKS_SUBSCRIBED && s == NULL)
        subscribe(w, event, &e->subscribed);
    if (s == NULL)
        return BUS_OK;
    s->version = event->version;
    switch (e->kind) {
    case WEBHOOKS_SUBSCRIBED: break;
    case WEBHOOKS_PAUSED: stop(w, s, SUBSCRIPTION_WAITS); break;
    case WEBHOOKS_RESUMED:
        begin_anew(w, s);
        s->status = SUBSCRIPTION_ACTIVE;
        break;
    case WEBHOOKS_DELETED: forget(w, s); break;
    case WEBHOOKS_SECRET_ROTATED: rotate(s, &e->secret_rotated); break;
    case WEBHOOKS_REPLAY_ASKED: return afresh ? replay(w, s, &e->replay_asked, err) : BUS_OK;
    case WEBHOOKS_PARKED: stop(w, s, SUBSCRIPTION_PARKED); break;
    case WEBHOOKS_DISABLED: stop(w, s, SUBSCRIPTION_WAITS); break;
    }
    return BUS_OK;
}

static bus_code
fold_record(worker *w, const bus_record *r, bool afresh, bus_error *err)
{
    const bus_contract *own = w->logs[w->own_log].contract;
    bus_event           event;
    bus_code            rc = bus_event_of_record(&own, 1, r, NULL, &w->scratch, &event, err);

    if (rc == BUS_NOT_FOUND)
        return BUS_OK; /* a refusal, or newer than we are */
    if (rc == BUS_FAULT) {
        bus_log_error("webhooks.event_unreadable", BUS_KV_ERR(err), BUS_KV_ID("stream", r->stream));
        return BUS_OK;
    }
    return rc == BUS_OK ? fold(w, &event, afresh, err) : rc;
}

/* What was done is remembered, its effects first. */
static bus_code
save_control(worker *w, int partition, bus_error *err)
{
    bus_checkpoint   at = w->control[partition];
    const bus_effect effect = {
        .home = HOME, .reader = HOME, .domain = HOME, .checkpoints = &at, .checkpoints_count = 1};
    bus_code rc = subscriptions_save(w, true, err);

    at.offset = w->control_read[partition];
    if (rc == BUS_OK)
        rc = w->options->store->effect(w->store, &effect, err);
    if (rc == BUS_OK)
        w->control[partition].offset = at.offset;
    return rc;
}

bus_code
subscriptions_follow(worker *w, bus_error *err)
{
    for (int p = 0; p < w->options->partitions; p++) {
        const bus_record *r;
        bus_code          rc;

        do {
            rc = logs_record(w, w->own_log, p, w->control_read[p] + 1, &r, err);
            if (rc == BUS_OK && r != NULL)
                rc = fold_record(w, r, r->offset > w->control[p].offset, err);
            if (rc != BUS_OK)
                return rc;
            if (r != NULL)
                w->control_read[p]++;
        } while (r != NULL);
        if (w->control_read[p] > w->control[p].offset && (rc = save_control(w, p, err)) != BUS_OK)
            return rc;
    }
    return BUS_OK;
}

/* --- sending
 * -------------------------------------------------------------------------------------- */

/* Passes over what is not for it, and sends the next that is. */
static bus_code
advance(worker *w, subscription *s, int log, int partition, bus_error *err)
{
    lane *l = &s->lanes[log][partition];

    for (int i = 0; i < SCAN_MAX; i++) {
        const bus_record *r;
        bus_code          rc = logs_record(w, log, partition, l->offset + 1, &r, err);

        if (rc != BUS_OK || r == NULL)
            return rc;
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
    return w->flying < FLYING_MAX && s->flying < s->window && !s->asking &&
           worker_now_us(w) >= s->not_before_us;
}

/* One failed: until it goes through it is the only one that is tried. */
static bus_code
try_again(worker *w, subscription *s, bus_error *err)
{
    if (s->flying > 0)
        return BUS_OK;
    for (int i = 0; i < w->logs_count; i++)
        for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++)
            if (&s->lanes[i][p] == s->trouble)
                return advance(w, s, i, p, err);
    return BUS_OK;
}

/* All lanes in turn, so that a busy one holds up no other. */
static bus_code
send_of(worker *w, subscription *s, bus_error *err)
{
    int      lanes = w->logs_count * w->options->partitions;
    bus_code rc = place_all(w, s, err);

    if (rc != BUS_OK || !may_fly(w, s))
        return rc;
    if (s->trouble != NULL)
        return try_again(w, s, err);
    for (int n = 0; n < lanes && may_fly(w, s) && rc == BUS_OK; n++) {
        int at = (s->next + n) % lanes, log = at / w->options->partitions;
        int partition = at % w->options->partitions;

        if (s->lanes[log] != NULL && s->lanes[log][partition].flying == NULL)
            rc = advance(w, s, log, partition, err);
    }
    s->next = (s->next + 1) % lanes;
    return rc;
}

/* When all that may fly is taken, it is not always the same ones that come too late. */
static void
rotate_turns(worker *w)
{
    subscription *first = w->subscriptions;

    if (first == NULL || w->flying < FLYING_MAX)
        return;
    HASH_DEL(w->subscriptions, first);
    HASH_ADD(hh, w->subscriptions, id, sizeof(first->id), first);
}

/* The subscription's own trouble is not the others'. */
bus_code
subscriptions_send(worker *w, bus_error *err)
{
    subscription *s, *next;
    int64_t       behind = 0;
    int           parked = 0;
    bus_code      first = BUS_OK;

    rotate_turns(w);
    HASH_ITER(hh, w->subscriptions, s, next)
    {
        bus_error why = {0};
        bus_code  rc = s->status == SUBSCRIPTION_ACTIVE ? send_of(w, s, &why) : BUS_OK;

        parked += s->status == SUBSCRIPTION_PARKED;
        for (int i = 0; s->status == SUBSCRIPTION_ACTIVE && i < w->logs_count; i++)
            for (int p = 0; s->lanes[i] != NULL && p < w->options->partitions; p++)
                behind += w->logs[i].heads[p] - s->lanes[i][p].offset;
        if (rc != BUS_OK && first == BUS_OK) {
            first = rc;
            *err = why;
        }
    }
    atomic_store(&w->parked, parked);
    atomic_store(&w->behind, behind);
    return first;
}
