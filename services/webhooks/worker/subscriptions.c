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
#define EFFECTS_MAX 32             /* subscriptions in one log, saved in one transaction */
#define RETRY_US INT64_C(10000000) /* where a log cannot be read */
#define TURN_US INT64_C(500000)

/* --- the table ------------------------------------------------------------------------------- */

static subscription *
find(worker *w, bus_id id)
{
    subscription *s;

    HASH_FIND(hh, w->subscriptions, &id, sizeof(id), s);
    return s;
}

/* --- bounds ---------------------------------------------------------------------------------- */

static tenant_share *
share_of(worker *w, bus_id tenant)
{
    tenant_share *share;

    HASH_FIND(hh, w->tenants, &tenant, sizeof(tenant), share);
    if (share != NULL)
        return share;
    share = calloc(1, sizeof(*share));
    if (share == NULL)
        abort();
    share->id = tenant;
    HASH_ADD(hh, w->tenants, id, sizeof(share->id), share);
    return share;
}

static int
by_age(const void *a, const void *b)
{
    const subscription *x = *(subscription *const *)a, *y = *(subscription *const *)b;

    if (x->subscribed_at_ms != y->subscribed_at_ms)
        return x->subscribed_at_ms < y->subscribed_at_ms ? -1 : 1;
    return bus_id_compare(x->id, y->id);
}

/* The oldest are served, so that it is the same ones wherever and whenever that is settled. */
static void
settle_who_is_served(worker *w)
{
    subscription **all, *s, *next;
    tenant_share  *share, *other;
    int            count = 0;

    if (!w->unsettled)
        return;
    w->unsettled = false;
    w->served = 0;
    all = BUS_ARENA_ARRAY(&w->scratch, subscription *, (size_t)w->count + 1);
    HASH_ITER(hh, w->tenants, share, other)
    share->served = 0;
    HASH_ITER(hh, w->subscriptions, s, next)
    all[count++] = s;
    qsort(all, (size_t)count, sizeof(subscription *), by_age);
    for (int i = 0; i < count; i++) {
        s = all[i];
        s->served = w->served < SUBSCRIPTIONS_MAX && s->share->served < SUBSCRIPTIONS_OF_TENANT_MAX;
        w->served += s->served;
        s->share->served += s->served;
        if (!s->served)
            deliver_cancel_all(w, s);
    }
}

static void
give_share_back(worker *w, subscription *s)
{
    tenant_share *share = s->share;

    w->unsettled = true;
    if (--share->known > 0)
        return;
    HASH_DEL(w->tenants, share);
    free(share);
}

static void
forget(worker *w, subscription *s)
{
    deliver_cancel_all(w, s);
    ask_forget(s);
    HASH_DEL(w->subscriptions, s);
    give_share_back(w, s);
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
    w->dropped = 0;
    memset(w->control_read, 0, sizeof(w->control_read));
}

/* --- filters --------------------------------------------------------------------------------- */

static bool
type_is_of(bus_str type, const char *domain)
{
    size_t len = strlen(domain);

    return type.len > len && memcmp(type.at, domain, len) == 0 && type.at[len] == '.';
}

static bool
has_secret(const bus_shape *shape)
{
    for (uint32_t i = 0; shape != NULL && i < shape->fields_count; i++)
        if (shape->fields[i].secret)
            return true;
    return false;
}

/* Its events tell of secrets, be they sealed, and of whom we speak to: no news of the trade. */
static bool
keeps_secrets(const bus_contract *contract)
{
    for (int i = 0; i < contract->aggregates_count; i++) {
        const bus_aggregate_contract *aggregate = contract->aggregates[i];

        for (int k = 0; k < aggregate->commands_count; k++)
            if (has_secret(aggregate->commands[k]->shape))
                return true;
    }
    return false;
}

/* May an event of this log pass? Of one that keeps secrets only where it is named. */
static bool
wants_log(const struct webhooks_subscribed *wants, const bus_contract *contract)
{
    bool named = wants->domains.count == 0, typed = wants->types.count == 0;

    if (named && typed)
        return !keeps_secrets(contract);
    for (uint32_t i = 0; i < wants->domains.count; i++)
        named = named || bus_str_is(wants->domains.items[i], contract->module);
    for (uint32_t i = 0; i < wants->types.count; i++)
        typed = typed || type_is_of(wants->types.items[i], contract->module);
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
static bus_code
go_back_in_time(worker *w, subscription *s, int log, int partition, bus_error *err)
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

static bus_code
place_all(worker *w, subscription *s, bus_error *err)
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
subscriptions_save(worker *w, bool all, bus_error *err)
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
name_readers(bus_id id, char reader[64], char back[64])
{
    char text[BUS_ID_TEXT_BYTES];

    (void)snprintf(reader, 64, "webhook %s", bus_id_format(id, text));
    (void)snprintf(back, 64, BUS_TIME_READER "%s", text);
}

static void
subscribe(worker *w, const bus_event *event, const struct webhooks_subscribed *e)
{
    subscription *s;

    if (w->count == SUBSCRIPTIONS_KNOWN_MAX) {
        w->dropped++;
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
    name_readers(s->id, s->reader, s->back_reader);
    for (int i = 0; i < w->logs_count; i++)
        s->wanted[i] = wants_log(&s->wants, w->logs[i].contract);
    s->share = share_of(w, s->tenant);
    s->share->known++;
    w->unsettled = true;
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

/* Its cursors in a log are ours, also the ones that remember where to go back to. */
static bus_code
own_lanes(worker *w, subscription *s, int log, bus_error *err)
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

/* Only remembered, and saved before the control checkpoint: the log may be out of reach now. */
static bus_code
replay(worker *w, subscription *s, const struct webhooks_replay_asked *e, bus_error *err)
{
    bus_code rc = BUS_OK;

    begin_anew(w, s);
    for (int i = 0; i < w->logs_count && rc == BUS_OK; i++) {
        if (!s->wanted[i] || (!e->has_from_at && !bus_str_is(e->after.domain, w->logs[i].domain)))
            continue;
        rc = own_lanes(w, s, i, err);
        for (int p = 0; rc == BUS_OK && p < w->options->partitions; p++) {
            lane *l = &s->lanes[i][p];

            if (e->has_from_at && e->from_at < l->back_to_ms)
                l->back_to_ms = e->from_at;
            if (!e->has_from_at && p == e->after.partition && e->after.offset < l->offset) {
                l->offset = e->after.offset;
                l->moved = true;
            }
            l->back_moved = l->back_moved || l->back_to_ms != LANE_GOES_ON;
            l->retry_us = 0;
        }
    }
    return rc;
}

static void
stop(worker *w, subscription *s, int status)
{
    deliver_cancel_all(w, s);
    ask_forget(s);
    s->status = status;
}

/* Archives do not wait for who is gone. */
static bus_code
forget_cursors(worker *w, bus_id id, bus_error *err)
{
    const bus_store_ops *ops = w->options->store;
    char                 reader[64], back[64];
    bus_code             rc;

    name_readers(id, reader, back);
    if ((rc = ops->checkpoint_forget(w->store, HOME, reader, err)) == BUS_OK)
        rc = ops->checkpoint_forget(w->store, HOME, back, err);
    return rc;
}

/* afresh: for the first time, so what it asks for is to be done. */
static bus_code
fold(worker *w, const bus_event *event, bool afresh, bus_error *err)
{
    const struct webhooks_subscription_event *e = event->tagged;
    subscription                             *s = find(w, event->stream);
    bus_code                                  rc;

    if (e->kind == WEBHOOKS_SUBSCRIBED && s == NULL)
        subscribe(w, event, &e->subscribed);
    if (e->kind == WEBHOOKS_DELETED && afresh &&
        (rc = forget_cursors(w, event->stream, err)) != BUS_OK)
        return rc;
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
    case WEBHOOKS_REPLAY_ASKED:
        s->replayed = true;
        return afresh ? replay(w, s, &e->replay_asked, err) : BUS_OK;
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
    bus_code            rc;

    bus_arena_reset(&w->folding);
    rc = bus_event_of_record(&own, 1, r, NULL, &w->folding, &event, err);
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
            if ((rc = worker_renew(w, err)) == BUS_OK)
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
    settle_who_is_served(w);
    return BUS_OK;
}

/* --- sending
 * -------------------------------------------------------------------------------------- */

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
    bus_code rc = go_back_in_time(w, s, log, partition, err);

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
    bus_code first = place_all(w, s, err);

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
subscriptions_send(worker *w, bus_error *err)
{
    const int64_t until_us = worker_now_us(w) + TURN_US;
    bus_code      first = BUS_OK;

    for (int left = w->count; left > 0; left--) {
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
    if (w->subscriptions != NULL) { /* when room is short, it is not always the same that have it */
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
subscriptions_show(worker *w)
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
