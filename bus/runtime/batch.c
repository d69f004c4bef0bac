/* batch.c - one batch of commands, from the envelope to the answer.
 *
 * The story is bus_writer_batch(): receive, then rounds of load, decide, append, until the append
 * went through or what it named has been answered; then confirm what appended nothing, publish,
 * answer. One rule: nobody is answered before it is known that we own the partition and that
 * what we say is committed. A round that fails leaves no trace: every state it touched is
 * evicted and decided again from the log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/batch.h"
#include "bus/base/failpoint.h"
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "bus/runtime/derive.h"

#define ROUNDS_MAX 64   /* appends tried for one batch before its rest is given up */
#define CONFLICTS_MAX 3 /* ... that failed without naming anything */

/* A round is over: a failed one leaves nothing of what it touched. */
static void
end_round(batch *b, bool committed)
{
    for (int i = 0; i < b->touched_count; i++) {
        b->touched[i]->touched = b->touched[i]->waits = false;
        if (!committed || b->touched[i]->faulty)
            bus_states_evict(b->w->states, b->touched[i]);
    }
    b->touched_count = 0;
}

static void
begin_round(batch *b)
{
    int open = 0;

    b->touched = NULL;
    b->touched_count = b->touched_room = 0;
    b->records = NULL;
    b->records_count = b->records_room = 0;
    b->sealings = NULL;
    b->sealings_count = b->sealings_room = 0;
    HASH_CLEAR(hh, b->claims); /* the entries are the arena's */
    HASH_CLEAR(hh, b->timers);
    b->append = (bus_append){0};
    for (int i = 0; i < b->count; i++) {
        item *it = &b->items[i];

        if (it->status == ITEM_APPENDS || it->status == ITEM_LATER || it->status == ITEM_QUIET)
            it->status = ITEM_OPEN;
        if (it->status == ITEM_OPEN && open++ >= b->limit)
            it->status = ITEM_LATER;
    }
}

static int
open_items(const batch *b)
{
    int open = 0;

    for (int i = 0; i < b->count; i++)
        open += b->items[i].status == ITEM_OPEN;
    return open;
}

static void
decide_all(batch *b)
{
    bus_decision *decision = BUS_ARENA_NEW(b->arena, bus_decision);
    int64_t       now_ms = bus_now_ms(b->w->options->clock);

    for (int i = 0; i < b->count; i++)
        if (b->items[i].status == ITEM_OPEN)
            batch_decide(b, &b->items[i], decision, now_ms);
}

/* What the module cannot be asked about again: everything open fails. */
static void
fail_open(batch *b, const bus_error *err)
{
    bus_log_warn("writer.batch_failed", BUS_KV("domain", b->w->domain), BUS_KV_ERR(err),
                 BUS_KV_INT("commands", open_items(b)));
    for (int i = 0; i < b->count; i++)
        if (b->items[i].status != ITEM_SETTLED && b->items[i].status != ITEM_TWIN)
            batch_settle(&b->items[i], BUS_ANSWER_FAILED, "UNAVAILABLE",
                         bus_arena_printf(b->arena, "%s", bus_code_name(err->code)));
}

/* New streams that nobody made, and what a fault spoilt, are not kept. */
static void
drop_empty(batch *b)
{
    for (int i = 0; i < b->count; i++) {
        bus_state *state = bus_states_find(b->w->states, b->items[i].cmd->stream);

        if (state != NULL && (state->version == 0 || state->faulty))
            bus_states_evict(b->w->states, state);
    }
}

/* --- the rounds ---------------------------------------------------------------- */

/* One try to append what is open. BUS_OK: it is committed, or there was nothing. */
static bus_code
try_round(batch *b, bus_error *err)
{
    bus_writer *w = b->w;
    int64_t     began = bus_mono_us(w->options->clock);
    bus_code    rc;

    begin_round(b);
    if (open_items(b) == 0)
        return BUS_OK;
    if ((rc = batch_load(b, err)) != BUS_OK)
        return rc;
    decide_all(b);
    if (batch_seal(b, err) != BUS_OK) {
        end_round(b, false);
        return BUS_CONFLICT;
    }
    if (!batch_gather(b)) {
        end_round(b, true);
        return BUS_OK;
    }
    began = bus_mono_us(w->options->clock);
    BUS_FAIL_POINT("append.begin");
    rc = w->options->store->append(w->store, w->domain, &b->append, err);
    if (BUS_PLANTED("writer.ack_before_commit") ||
        (BUS_PLANTED("writer.unknown_is_done") && rc == BUS_UNKNOWN))
        rc = BUS_OK;
    bus_metric_observe_us(&w->metrics[BUS_WRITER_APPEND_US],
                          bus_mono_us(w->options->clock) - began);
    if (rc == BUS_OK) {
        BUS_FAIL_POINT("append.committed");
        bus_metric_add(&w->metrics[BUS_WRITER_APPENDS], 1);
        bus_metric_add(&w->metrics[BUS_WRITER_EVENTS], b->append.events_count);
        batch_committed(b);
        batch_publish(b);
        BUS_FAIL_POINT("append.published");
    } else {
        bus_metric_add(&w->metrics[BUS_WRITER_APPEND_FAILURES], 1);
    }
    end_round(b, rc == BUS_OK);
    return rc;
}

static bool
some_wait(const batch *b)
{
    for (int i = 0; i < b->count; i++)
        if (b->items[i].status == ITEM_LATER)
            return true;
    return false;
}

/* A constraint failed without a name, or the store cannot take what it was given: the next round
 * takes half, down to the one command that is to blame, which fails alone. False: nothing was
 * decided, so it was none of the commands. */
static bool
narrow(batch *b, const bus_error *err)
{
    int decided = 0;

    for (int i = 0; i < b->count; i++)
        decided += b->items[i].status == ITEM_APPENDS || b->items[i].status == ITEM_QUIET;
    if (decided == 0)
        return false;
    if (decided > 1) {
        b->limit = (decided + 1) / 2;
        return true;
    }
    bus_log_error("writer.command_conflicts", BUS_KV("domain", b->w->domain), BUS_KV_ERR(err));
    for (int i = 0; i < b->count; i++)
        if (b->items[i].status == ITEM_APPENDS || b->items[i].status == ITEM_QUIET)
            batch_settle(&b->items[i], BUS_ANSWER_FAILED, "CONFLICT", (bus_str){NULL, 0});
    return true;
}

/* What a failed append means. False: the rest of the batch is given up. */
static bool
overcome(batch *b, bus_code rc, int *conflicts, bus_error *err)
{
    switch (rc) {
    case BUS_DUPLICATE:
    case BUS_CLAIMED:
        batch_mark_claimed(b);
        rc = batch_settle_duplicates(b, err);
        return rc == BUS_OK || rc == BUS_FENCED;
    case BUS_FENCED: batch_settle_fenced(b); return true;
    case BUS_UNKNOWN: return batch_settle_unknown(b, err) == BUS_OK;
    case BUS_CONFLICT: b->load_new = true; return ++*conflicts < CONFLICTS_MAX || narrow(b, err);
    case BUS_OK: return true;
    case BUS_INVALID: return narrow(b, err);
    case BUS_NOT_FOUND:
    case BUS_NOT_OWNER:
    case BUS_UNAVAILABLE:
    case BUS_FULL:
    case BUS_TIMEOUT:
    case BUS_DENIED:
    case BUS_CLOSED:
    case BUS_FAULT: return false;
    }
    BUS_UNREACHABLE();
}

/* Appends what can be appended; what is left is quiet or settled. */
static void
append_all(batch *b)
{
    bus_error err = {0};
    int       conflicts = 0;

    b->limit = b->count;
    for (int round = 0; round < ROUNDS_MAX + 4 * b->count; round++) {
        bus_code rc = try_round(b, &err);

        if (rc == BUS_OK && !some_wait(b))
            return;
        if (rc == BUS_OK) { /* the rest, what was quiet decided anew with it */
            b->limit = b->count;
            conflicts = 0;
            drop_empty(b);
        } else if (!overcome(b, rc, &conflicts, &err)) {
            fail_open(b, &err);
            return;
        } else {
            drop_empty(b); /* the next round may have to look for them */
        }
    }
    (void)bus_fail(&err, BUS_CONFLICT, "the batch did not come to an end");
    fail_open(b, &err);
}

/* Before an answer that appends nothing: is it a repeat, and are we the owner still? */
static void
confirm(batch *b)
{
    bool     *wanted = BUS_ARENA_ARRAY(b->arena, bool, (size_t)b->count);
    bus_error err = {0};
    bus_code  rc = BUS_OK;
    int       left = 0;

    for (int round = 0; round < b->w->partitions + 1; round++) {
        left = 0;
        for (int i = 0; i < b->count; i++) {
            wanted[i] = b->items[i].status == ITEM_QUIET;
            left += wanted[i];
        }
        if (left == 0)
            return;
        BUS_FAIL_POINT("confirm.begin");
        rc = BUS_PLANTED("writer.no_confirm") ? BUS_OK : batch_look_up(b, wanted, &err);
        if (rc != BUS_FENCED)
            break;
    }
    if (rc != BUS_OK) {
        fail_open(b, &err);
        return;
    }
    for (int i = 0; i < b->count; i++) {
        item *it = &b->items[i];

        if (it->status == ITEM_QUIET) {
            if (it->reply.status == BUS_ANSWER_REFUSED)
                bus_metric_add(&b->w->metrics[BUS_WRITER_REFUSALS], 1);
            it->status = ITEM_SETTLED;
        }
    }
}

/* --- afterwards ------------------------------------------------------------------ */

/* Is a refusal of the same command remembered which was asked for longer? */
static bool
asked_later(const bus_recent *refused, const bus_recent_answer *answer)
{
    const bus_recent_answer *last = bus_recent_find(refused, answer->command_id);

    return last != NULL && last->expires_at_ms >= answer->expires_at_ms;
}

static void
keep_recent(bus_writer *w, const item *it)
{
    const bus_recent_answer answer = {.command_id = it->cmd->command_id,
                                      .stream = it->reply.stream,
                                      .digest = it->digest,
                                      .offset = it->reply.offset,
                                      .version = it->reply.version,
                                      .partition = it->reply.partition,
                                      .expires_at_ms = it->cmd->expires_at_ms};

    if (it->reply.status == BUS_ANSWER_DONE && it->reply.offset > 0 && batch_is_client(it))
        bus_recent_put(w->recent, &answer);
    if (it->reply.status == BUS_ANSWER_REFUSED && answer.expires_at_ms != 0 &&
        batch_is_client(it) && !bus_str_is(it->reply.code, BUS_KEY_REUSED_REFUSAL.code) &&
        !asked_later(w->refused, &answer))
        bus_recent_put(w->refused, &answer);
}

/* Its first self stands before it and is settled. */
static void
settle_twin(batch *b, item *it)
{
    if (batch_is_client(it) && it->digest != it->twin->digest)
        batch_refuse(b, it, &BUS_KEY_REUSED_REFUSAL, (bus_str){NULL, 0});
    else
        it->reply = it->twin->reply;
    it->status = ITEM_SETTLED;
}

static void
answer_all(batch *b)
{
    bus_writer *w = b->w;

    for (int i = 0; i < b->count; i++) {
        item *it = &b->items[i];

        if (it->status == ITEM_TWIN)
            settle_twin(b, it);
        BUS_INVARIANT(it->status == ITEM_SETTLED);
        keep_recent(w, it);
        if (it->env != NULL)
            w->options->transport_ops->reply(w->server, it->env, bus_envelope_of_reply(&it->reply));
    }
}

static bus_command *
command_of_timer(batch *b, const bus_timer *timer)
{
    bus_writer  *w = b->w;
    bus_command *c = BUS_ARENA_NEW(b->arena, bus_command);

    c->command_id = bus_derive_wake(timer->stream, timer->name, timer->due_at_ms);
    c->type = bus_arena_printf(b->arena, "%s.%.*s", w->domain, BUS_STR_ARG(timer->name));
    c->tenant = timer->tenant;
    c->stream = timer->stream;
    c->partition = timer->partition;
    c->origin = BUS_ORIGIN_WAKE;
    c->actor.roles = BUS_ROLE_SERVICE;
    c->correlation_id = c->command_id;
    c->expected_version = -1;
    c->due_at_ms = timer->due_at_ms;
    c->data = BUS_STR("{}");
    return c;
}

void
bus_writer_batch(bus_writer *w, bus_envelope **envs, int envs_count, const bus_timer *timers,
                 int timers_count)
{
    batch   b = {.w = w, .arena = &w->arena, .count = envs_count + timers_count};
    int64_t now_ms = bus_now_ms(w->options->clock);

    bus_arena_reset(&w->arena);
    b.items = BUS_ARENA_ARRAY(b.arena, item, (size_t)b.count);
    for (int i = 0; i < b.count; i++) {
        item *it = &b.items[i];

        if (i < envs_count) {
            it->env = envs[i];
            it->cmd = &envs[i]->command;
        } else {
            it->timer = &timers[i - envs_count];
            it->cmd = command_of_timer(&b, it->timer);
        }
        batch_receive(&b, it, now_ms);
    }
    bus_metric_add(&w->metrics[BUS_WRITER_COMMANDS], b.count);
    append_all(&b);
    confirm(&b);
    drop_empty(&b);
    BUS_FAIL_POINT("answer.begin");
    answer_all(&b);
    BUS_FAIL_POINT("answer.sent");
    batch_end_trials(&b);
    batch_snapshots(&b);
    HASH_CLEAR(hh, b.claims);
    HASH_CLEAR(hh, b.timers);
    HASH_CLEAR(hh, b.by_id);
    for (int i = 0; i < envs_count; i++) /* the commands lie in them */
        bus_envelope_release(envs[i]);
    bus_states_trim(w->states);
}
