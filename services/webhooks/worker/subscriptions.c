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

static void
serve_if_there_is_room(worker *w, subscription *s)
{
    s->served = w->served < SUBSCRIPTIONS_MAX && s->share->served < SUBSCRIPTIONS_OF_TENANT_MAX;
    w->served += s->served;
    s->share->served += s->served;
}

/* Somebody has gone: one that came too late has its place. */
static void
fill_up(worker *w)
{
    subscription *s, *next;

    if (w->count == w->served)
        return;
    HASH_ITER(hh, w->subscriptions, s, next)
    {
        if (!s->served)
            serve_if_there_is_room(w, s);
    }
}

static void
give_share_back(worker *w, subscription *s)
{
    tenant_share *share = s->share;

    w->served -= s->served;
    share->served -= s->served;
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

static void
drop_wish(worker *w, replay_wish **at)
{
    replay_wish *wish = *at;

    *at = wish->next;
    w->replays_count--;
    free(wish);
}

void
subscriptions_forget(worker *w)
{
    subscription *s, *next;

    HASH_ITER(hh, w->subscriptions, s, next)
    forget(w, s);
    while (w->replays != NULL)
        drop_wish(w, &w->replays);
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
subscribe(worker *w, const bus_event *event, const struct webhooks_subscribed *e)
{
    char          text[BUS_ID_TEXT_BYTES];
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
    (void)snprintf(s->reader, sizeof(s->reader), "webhook %s", bus_id_format(s->id, text));
    for (int i = 0; i < w->logs_count; i++)
        s->wanted[i] = wants_log(&s->wants, w->logs[i].contract);
    s->share = share_of(w, s->tenant);
    s->share->known++;
    HASH_ADD(hh, w->subscriptions, id, sizeof(s->id), s);
    w->count++;
    serve_if_there_is_room(w, s);
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

/* Never forward: what was not sent is not left out. */
static bus_code
go_back_in_log(worker *w, subscription *s, const replay_wish *wish, bus_error *err)
{
    lane    *lanes;
    bus_code rc = BUS_OK;

    if (!logs_usable(w, wish->log))
        return bus_fail(err, BUS_UNAVAILABLE, "the log of %s is out of reach",
                        w->logs[wish->log].domain);
    if (s->lanes[wish->log] == NULL && (rc = place(w, s, wish->log, err)) != BUS_OK)
        return rc;
    lanes = s->lanes[wish->log];
    if (!wish->by_time) {
        if (wish->partition < w->options->partitions)
            go_back(&lanes[wish->partition], wish->offset);
        return BUS_OK;
    }
    for (int p = 0; p < w->options->partitions && rc == BUS_OK; p++) {
        int64_t offset;

        if ((rc = logs_before(w, wish->log, p, wish->from_ms, &offset, err)) == BUS_OK)
            go_back(&lanes[p], offset);
    }
    return rc;
}

/* What cannot be done yet is not forgotten: the control checkpoint stays before it. */
static bus_code
wait_for_log(worker *w, const replay_wish *wish, bus_error *err)
{
    replay_wish *kept;

    if (w->replays_count == REPLAYS_WAITING_MAX)
        return bus_fail(err, BUS_FULL, "%d replays wait for logs that are out of reach",
                        w->replays_count);
    kept = malloc(sizeof(*kept));
    if (kept == NULL)
        abort();
    *kept = *wish;
    kept->next = w->replays;
    w->replays = kept;
    w->replays_count++;
    return BUS_OK;
}

static bus_code
replay(worker *w, subscription *s, const bus_record *r, const struct webhooks_replay_asked *e,
       bus_error *err)
{
    bus_code rc = BUS_OK;

    begin_anew(w, s);
    for (int i = 0; i < w->logs_count && rc == BUS_OK; i++) {
        const replay_wish wish = {.subscription = s->id,
                                  .log = i,
                                  .by_time = e->has_from_at,
                                  .from_ms = e->has_from_at ? e->from_at : 0,
                                  .partition = e->has_from_at ? 0 : (int)e->after.partition,
                                  .offset = e->has_from_at ? 0 : e->after.offset,
                                  .control_partition = r->partition,
                                  .control_offset = r->offset};
        bus_error         why = {0};

        if (!s->wanted[i] || (!e->has_from_at && !bus_str_is(e->after.domain, w->logs[i].domain)))
            continue;
        if (go_back_in_log(w, s, &wish, &why) != BUS_OK)
            rc = wait_for_log(w, &wish, err);
    }
    return rc;
}

static void
replay_what_waited(worker *w)
{
    for (replay_wish **at = &w->replays; *at != NULL;) {
        subscription *s = find(w, (*at)->subscription);
        bus_error     why = {0};

        if (s != NULL && logs_usable(w, (*at)->log))
            begin_anew(w, s); /* what flies would move its cursor forward again */
        if (s == NULL || go_back_in_log(w, s, *at, &why) == BUS_OK)
            drop_wish(w, at);
        else
            at = &(*at)->next;
    }
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
fold(worker *w, const bus_record *r, const bus_event *event, bool afresh, bus_error *err)
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
    case WEBHOOKS_DELETED:
        forget(w, s);
        fill_up(w);
        break;
    case WEBHOOKS_SECRET_ROTATED: rotate(s, &e->secret_rotated); break;
    case WEBHOOKS_REPLAY_ASKED: return afresh ? replay(w, s, r, &e->replay_asked, err) : BUS_OK;
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
    return rc == BUS_OK ? fold(w, r, &event, afresh, err) : rc;
}

/* All up to here has been done. */
static int64_t
done_up_to(const worker *w, int partition)
{
    int64_t done = w->control_read[partition];

    for (const replay_wish *wish = w->replays; wish != NULL; wish = wish->next)
        if (wish->control_partition == partition && wish->control_offset <= done)
            done = wish->control_offset - 1;
    return done;
}

/* What was done is remembered, its effects first. */
static bus_code
save_control(worker *w, int partition, bus_error *err)
{
    bus_checkpoint   at = w->control[partition];
    const bus_effect effect = {
        .home = HOME, .reader = HOME, .domain = HOME, .checkpoints = &at, .checkpoints_count = 1};
    bus_code rc = subscriptions_save(w, true, err);

    at.offset = done_up_to(w, partition);
    if (rc == BUS_OK)
        rc = w->options->store->effect(w->store, &effect, err);
    if (rc == BUS_OK)
        w->control[partition].offset = at.offset;
    return rc;
}

bus_code
subscriptions_follow(worker *w, bus_error *err)
{
    replay_what_waited(w);
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
        if (done_up_to(w, p) > w->control[p].offset && (rc = save_control(w, p, err)) != BUS_OK)
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
    return w->flying < FLYING_MAX && s->share->flying < FLYING_OF_TENANT_MAX &&
           s->flying < s->window && !s->asking && worker_now_us(w) >= s->not_before_us;
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
                return logs_usable(w, i) ? advance(w, s, i, p, err) : BUS_OK;
    return BUS_OK;
}

/* All lanes in turn, so that a busy one holds up no other. */
static bus_code
send_of(worker *w, subscription *s, bus_error *err)
{
    int      lanes = w->logs_count * w->options->partitions;
    bus_code first = place_all(w, s, err);

    if (!may_fly(w, s))
        return first;
    if (s->trouble != NULL)
        return try_again(w, s, err);
    for (int n = 0; n < lanes && may_fly(w, s); n++) {
        int       at = (s->next + n) % lanes, log = at / w->options->partitions;
        int       partition = at % w->options->partitions;
        bus_error why = {0};
        bus_code  rc = BUS_OK;

        if (s->lanes[log] != NULL && s->lanes[log][partition].flying == NULL && logs_usable(w, log))
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
        HASH_DEL(w->subscriptions, s); /* behind all others */
        HASH_ADD(hh, w->subscriptions, id, sizeof(s->id), s);
        rc = s->served && s->status == SUBSCRIPTION_ACTIVE ? send_of(w, s, &why) : BUS_OK;
        if (rc != BUS_OK && first == BUS_OK) {
            first = rc;
            *err = why;
        }
    }
    return first;
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
                behind += w->logs[i].heads[p] - s->lanes[i][p].offset;
    }
    atomic_store(&w->parked, parked);
    atomic_store(&w->behind, behind);
    atomic_store(&w->unserved, w->count - w->served + w->dropped);
}
