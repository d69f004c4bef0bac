/* batch_receive.c - the first step: what came is decoded, checked, and compared with what was
 * answered lately. SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/runtime/batch.h"
#include "bus/runtime/derive.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/sends.h"

bus_reply
batch_reply_to(const item *it)
{
    return (bus_reply){.command_id = it->cmd->command_id,
                       .stream = it->cmd->stream,
                       .partition = it->cmd->partition};
}

void
batch_settle(item *it, bus_answer_status status, const char *code, bus_str detail)
{
    it->reply = batch_reply_to(it);
    it->reply.status = status;
    it->reply.code = bus_str_of(code);
    it->reply.detail = detail;
    it->status = ITEM_SETTLED;
}

/* The reply of a refusal; it is final only when confirmed. */
void
batch_refuse(batch *b, item *it, const bus_refusal *refusal, bus_str params)
{
    it->reply = batch_reply_to(it);
    it->reply.status = BUS_ANSWER_REFUSED;
    it->reply.code = bus_str_of(refusal->code);
    it->reply.params = params;
    it->reply.detail = bus_refusal_text(refusal, params, b->arena);
}

bool
batch_is_client(const item *it)
{
    return it->cmd->origin == BUS_ORIGIN_CLIENT;
}

/* --- receive: decode, check the way it came, meet repeats ------------------ */

static bus_str
first_problem(batch *b, const bus_problems *problems)
{
    return bus_arena_printf(b->arena, "%s: %s", problems->items[0].pointer,
                            problems->items[0].message);
}

/* How personal members come: a client's and a reaction's in clear, where a reaction may have read a
 * tombstone; a sent command's as they stood in the log. */
static bus_personal_form
form_of(bus_origin origin)
{
    switch (origin) {
    case BUS_ORIGIN_CLIENT: return BUS_PERSONAL_CLEAR;
    case BUS_ORIGIN_SEND:
    case BUS_ORIGIN_ANSWER: return BUS_PERSONAL_SEALED;
    case BUS_ORIGIN_REACTION:
    case BUS_ORIGIN_WAKE: return BUS_PERSONAL_OPENED;
    }
    BUS_UNREACHABLE();
}

/* What came from the log cannot be read: for now, when the keys are out of reach, or ever. */
static bool
unreadable(batch *b, item *it, bus_code rc, const bus_error *err)
{
    bool outage = bus_is_outage(rc);

    batch_settle(it, outage ? BUS_ANSWER_FAILED : BUS_ANSWER_INVALID,
                 outage ? "UNAVAILABLE" : "INVALID", bus_arena_printf(b->arena, "%s", err->text));
    return false;
}

static bool
decode_data(batch *b, item *it)
{
    const bus_runtime_options *options = b->w->options;
    bus_problems               problems; /* 10 kB: not zeroed for each command */
    bus_error                  err;
    bus_code                   rc;

    problems.count = 0;
    if (it->message->by == BUS_BY_ANSWER) {
        it->data = BUS_ARENA_NEW(b->arena, bus_answer);
        rc = bus_answer_decode(it->cmd->data, options->contracts, options->contracts_count,
                               b->w->personal, it->cmd->tenant, b->arena, it->data, &err);
        return rc == BUS_OK || unreadable(b, it, rc, &err);
    }
    it->data = bus_arena_alloc(b->arena, it->message->shape->size);
    if (bus_decode_as(form_of(it->cmd->origin), it->message->shape, it->cmd->data, b->arena,
                      it->data, &problems) != BUS_OK) {
        batch_settle(it, BUS_ANSWER_INVALID, "INVALID", first_problem(b, &problems));
        return false;
    }
    if (it->cmd->origin != BUS_ORIGIN_SEND)
        return true;
    rc = bus_personal_open(b->w->personal, it->cmd->tenant, it->cmd->stream, it->message->shape,
                           it->data, b->arena, &err);
    return rc == BUS_OK || unreadable(b, it, rc, &err);
}

/* May a command of this origin be this message? A client never reaches internal ones. */
static bool
origin_fits(bus_origin origin, bus_by by)
{
    switch (by) {
    case BUS_BY_CLIENT:
        return origin == BUS_ORIGIN_CLIENT || origin == BUS_ORIGIN_SEND ||
               origin == BUS_ORIGIN_REACTION;
    case BUS_BY_SERVICE: return origin == BUS_ORIGIN_SEND || origin == BUS_ORIGIN_REACTION;
    case BUS_BY_WAKE: return origin == BUS_ORIGIN_WAKE;
    case BUS_BY_ANSWER: return origin == BUS_ORIGIN_ANSWER;
    }
    BUS_UNREACHABLE();
}

/* A repeat of what was answered lately. */
static bool
met_before(batch *b, item *it)
{
    const bus_recent_answer *recent = bus_recent_find(b->w->recent, it->cmd->command_id);

    if (recent == NULL || it->cmd->origin != BUS_ORIGIN_CLIENT)
        return false;
    if (recent->digest != it->digest) {
        batch_refuse(b, it, &BUS_KEY_REUSED_REFUSAL, (bus_str){NULL, 0});
        it->status = ITEM_SETTLED;
        return true;
    }
    batch_settle(it, BUS_ANSWER_DONE, NULL, (bus_str){NULL, 0});
    it->reply.repeated = true;
    it->reply.stream = recent->stream;
    it->reply.version = recent->version;
    it->reply.offset = recent->offset;
    return true;
}

/* Who asks again with the same key, and is refused, must not find it done after all by a copy of
 * what was asked before: of a request that an edge gave up, or that it died with. Its deadline
 * tells which was first. Copies of one request have one deadline; the edge waits for all of them.
 */
static bool
was_refused_since(const bus_writer *w, const bus_command *c)
{
    const bus_recent_answer *refused =
        c->origin == BUS_ORIGIN_CLIENT ? bus_recent_find(w->refused, c->command_id) : NULL;

    return refused != NULL && c->expires_at_ms != 0 && c->expires_at_ms < refused->expires_at_ms &&
           bus_recent_find(w->recent, c->command_id) == NULL;
}

void
batch_receive(batch *b, item *it, int64_t now_ms)
{
    bus_writer        *w = b->w;
    const bus_command *c = it->cmd;

    item *first;

    it->status = ITEM_OPEN;
    it->digest = bus_derive_digest(c->type, c->stream, c->data);
    if (c->expires_at_ms != 0 &&
        c->expires_at_ms < now_ms) { /* nobody's twin: one may not be late */
        batch_settle(it, BUS_ANSWER_EXPIRED, "EXPIRED", BUS_STR("the command came too late"));
        return;
    }
    HASH_FIND(hh, b->by_id, &c->command_id, sizeof(c->command_id), first);
    if (first != NULL) {
        it->twin = first;
        it->status = ITEM_TWIN;
        return;
    }
    if (was_refused_since(w, c)) {
        batch_settle(it, BUS_ANSWER_EXPIRED, "EXPIRED",
                     BUS_STR("it was asked again and refused since"));
        return;
    }
    HASH_ADD_KEYPTR(hh, b->by_id, &c->command_id, sizeof(c->command_id), it);
    if (c->partition >= w->partitions || !w->leases[c->partition].held ||
        bus_id_partition(c->stream, w->partitions) != c->partition) {
        batch_settle(it, BUS_ANSWER_NOT_OWNER, "NOT_OWNER",
                     BUS_STR("the partition belongs to another process"));
        return;
    }
    it->message = bus_contract_command(w->module->contract, c->type);
    if (it->message == NULL || !origin_fits(c->origin, it->message->by)) {
        batch_settle(it, BUS_ANSWER_INVALID, "INVALID",
                     bus_arena_printf(b->arena, "no such command: %.*s", BUS_STR_ARG(c->type)));
        return;
    }
    if (!met_before(b, it))
        (void)decode_data(b, it);
}
