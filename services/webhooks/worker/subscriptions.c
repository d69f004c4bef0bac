/* subscriptions.c - who wants what.
 *
 * What is subscribed is folded from our own log, from its beginning, whenever the lease is gained.
 * What was asked for (a replay) is noted when it is read for the first time; how far that has come
 * is the checkpoint of the lease itself. SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "services/webhooks/worker/worker_internal.h"

#include <stdlib.h>
#include <string.h>

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
    cursors_name(s->id, s->reader, s->back_reader);
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

/* Only remembered, and saved before the control checkpoint: the log may be out of reach now. */
static bus_code
replay(worker *w, subscription *s, const struct webhooks_replay_asked *e, bus_error *err)
{
    bus_code rc = BUS_OK;

    begin_anew(w, s);
    for (int i = 0; i < w->logs_count && rc == BUS_OK; i++) {
        if (!s->wanted[i] || (!e->has_from_at && !bus_str_is(e->after.domain, w->logs[i].domain)))
            continue;
        rc = cursors_own(w, s, i, err);
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
        (rc = cursors_forget(w, event->stream, err)) != BUS_OK)
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
    bus_code rc = cursors_save(w, true, err);

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
