/* courier.c - sends and reactions on their way; and who is forgotten.
 *
 * The third kind of courier asks nobody: it deletes the keys of those whom an event of its domain
 * forgets, before its checkpoint passes that event. So a key goes, whenever the process dies.
 *
 * Three things are kept: the places (per partition: how far it was read, which events are not
 * done yet), the lanes (per stream: errands in order, the first is under way), and the errands
 * under way (by ticket). The checkpoint of a partition is the offset before its first event that
 * is not done.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/courier.h"
#include "bus/base/failpoint.h"
#include "bus/base/planted.h"
#include "bus/log/log.h"
#include "bus/metrics/metrics.h"
#include "bus/module/decision.h"
#include "bus/runtime/bell.h"
#include "bus/runtime/derive.h"
#include "bus/runtime/fold.h"
#include "bus/runtime/follow.h"
#include "bus/runtime/members.h"
#include "bus/runtime/owners.h"
#include "bus/runtime/sends.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define EVENTS_MAX 2048       /* events not done, over all partitions */
#define PARKED_EVENTS_MAX 512 /* ... and of parked streams being tried again, beside those */
#define READ_MAX 256          /* records read at once */
#define REPLIES_MAX 256       /* taken at once */
#define COMMIT_US 250000      /* checkpoints are written so often */
#define RENEW_US 1500000      /* ... and renewed */
#define SHARE_US (BUS_MEMBERS_SHARE_MS * 1000)
#define REPLY_US 3000000     /* without a reply the command goes again */
#define RETRY_FIRST_US 20000 /* pause after a failure, doubled up to */
#define RETRY_LAST_US 2000000
#define PARK_AFTER_US 30000000 /* of failing: the stream is parked */
#define UNPARK_US 30000000     /* parked streams are tried again */
#define EXPIRES_MS 10000

typedef struct errand errand;
typedef struct lane   lane;

/* An event that asked for something. */
typedef struct event {
    uint16_t      partition;
    int64_t       offset;
    int           left;        /* errands not done */
    bool          parked;      /* read again from a parked stream: no place waits for it */
    struct event *prev, *next; /* in its place, by offset */
} event;

struct errand {
    event         *of;
    lane          *in;
    bus_envelope  *command;
    char          *answer; /* type of the answer's command, or NULL */
    bool           answering;
    bus_envelope  *answer_command;
    uint64_t       ticket; /* 0: not under way */
    int64_t        sent_us, retry_us, failing_since_us;
    int64_t        pause_us;
    errand        *prev, *next;               /* in its lane */
    errand        *active_prev, *active_next; /* among the first of the lanes */
    UT_hash_handle hh;                        /* by ticket */
};

/* What one stream asked for. */
struct lane {
    bus_id         stream;
    uint16_t       partition;
    errand        *errands;
    bool           unparking;
    UT_hash_handle hh;
};

/* A stream that waits. */
typedef struct parking {
    bus_id         stream;
    uint16_t       partition;
    int64_t        from_offset;
    int64_t        loaded;    /* last offset taken in when it was tried again */
    int64_t        skipped;   /* last offset that was passed over because it is parked */
    int64_t        stuck;     /* an event that could not be read when it was tried again; 0: none */
    char          *unwritten; /* the reason, until it is in the store with the checkpoint; owned */
    UT_hash_handle hh;
} parking;

struct bus_courier {
    const bus_module          *module;
    const bus_runtime_options *options;
    const char *home, *domain; /* whose schema has the checkpoint; whose log is read */
    char        reader[96], part[BUS_MEMBERS_PART_BYTES];
    bool        reactions, forgets; /* neither: sends */

    bus_store    *home_store, *log_store;
    bus_client   *client;
    bus_follow   *follow;
    bus_owners   *owners;
    bus_personal *personal; /* of reactions, and to forget; sends travel as they stand */
    bus_bell      bell;
    bus_arena     arena;

    int partitions;
    struct {
        bus_checkpoint checkpoint; /* as committed */
        int64_t        read;       /* last offset taken in */
        event         *events;     /* not done, by offset */
    } place[BUS_PARTITIONS_MAX];
    int      events_count, parked_events_count;
    bool     lost; /* fenced: what is in memory is another's */
    lane    *lanes;
    errand  *active;  /* first errands of all lanes */
    errand  *tickets; /* uthash */
    uint64_t last_ticket;
    parking *parkings; /* uthash */
    int64_t  committed_us, renewed_us, shared_us, unparked_us;

    bus_thread      thread;
    atomic_bool     stopping, store_down, caught_up;
    atomic_int      held, parked_count;
    _Atomic int64_t behind;
};

static int64_t
now_us(const bus_courier *c)
{
    return bus_mono_us(c->options->clock);
}

static void
store_trouble(bus_courier *c, const char *what, const bus_error *err)
{
    if (!atomic_exchange(&c->store_down, true))
        bus_log_warn("courier.store_failed", BUS_KV("reader", c->reader), BUS_KV("doing", what),
                     BUS_KV_ERR(err));
}

/* --- events and errands ------------------------------------------------------- */

static lane *
lane_of(bus_courier *c, bus_id stream, uint16_t partition)
{
    lane *l;

    HASH_FIND(hh, c->lanes, &stream, sizeof(stream), l);
    if (l != NULL)
        return l;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        abort();
    l->stream = stream;
    l->partition = partition;
    HASH_ADD(hh, c->lanes, stream, sizeof(l->stream), l);
    return l;
}

static void
activate(bus_courier *c, errand *e)
{
    e->retry_us = 0;
    e->failing_since_us = 0;
    e->pause_us = RETRY_FIRST_US;
    DL_APPEND2(c->active, e, active_prev, active_next);
}

static event *
new_event(bus_courier *c, const bus_record *record, bool parked)
{
    event *ev = calloc(1, sizeof(*ev));

    if (ev == NULL)
        abort();
    ev->partition = record->partition;
    ev->offset = record->offset;
    ev->parked = parked;
    *(parked ? &c->parked_events_count : &c->events_count) += 1;
    if (!parked)
        DL_APPEND(c->place[record->partition].events, ev);
    return ev;
}

static void
add_errand(bus_courier *c, lane *l, event *ev, const bus_command *command, bus_str answer)
{
    errand *e = calloc(1, sizeof(*e));

    if (e == NULL)
        abort();
    e->of = ev;
    e->in = l;
    e->command = bus_envelope_of_command(command);
    if (answer.len > 0) {
        e->answer = strndup(answer.at, answer.len);
        if (e->answer == NULL)
            abort();
    }
    ev->left++;
    DL_APPEND(l->errands, e);
    if (l->errands == e || BUS_PLANTED("courier.all_at_once"))
        activate(c, e);
}

static void
free_errand(bus_courier *c, errand *e)
{
    if (e->ticket != 0)
        HASH_DELETE(hh, c->tickets, e);
    if (e->active_prev != NULL) /* only the first of a lane is among the active */
        DL_DELETE2(c->active, e, active_prev, active_next);
    DL_DELETE(e->in->errands, e);
    bus_envelope_release(e->command);
    bus_envelope_release(e->answer_command);
    free(e->answer);
    if (--e->of->left == 0) {
        if (!e->of->parked)
            DL_DELETE(c->place[e->of->partition].events, e->of);
        *(e->of->parked ? &c->parked_events_count : &c->events_count) -= 1;
        free(e->of);
    }
    free(e);
}

/* --- what an event asks for ------------------------------------------------------ */

static bus_command
command_of(const bus_courier *c, const bus_record *record, bus_origin origin, bus_id command_id,
           bus_str type, bus_id stream, bus_str data, bus_str causation)
{
    bus_id    actor;
    bus_error ignored;

    if (bus_actor_id(record->actor, &actor, &ignored) != BUS_OK)
        actor = BUS_ID_NIL; /* it cannot be read: nobody, as SERVICE */
    return (bus_command){.command_id = command_id,
                         .type = type,
                         .tenant = record->tenant,
                         .stream = stream,
                         .partition = (uint16_t)bus_id_partition(stream, c->partitions),
                         .origin = origin,
                         .actor = {.id = actor, .roles = BUS_ROLE_SERVICE},
                         .correlation_id = record->correlation_id,
                         .causation_id = causation,
                         .expected_version = -1,
                         .device_at_ms = origin == BUS_ORIGIN_REACTION ? record->device_at_ms : 0,
                         .data = data};
}

static bus_str
event_id(bus_courier *c, const bus_record *record)
{
    char text[BUS_ID_TEXT_BYTES];

    return bus_arena_printf(&c->arena, "%s:%d", bus_id_format(record->command_id, text),
                            (int)record->nth);
}

static bus_code
take_sends(bus_courier *c, const bus_record *record, bool parked, bus_error *err)
{
    bus_sent *sends;
    event    *ev;
    lane     *l;
    int       count;
    bus_code  rc;

    if (record->sends.len == 0)
        return BUS_OK;
    if ((rc = bus_sends_decode(record->sends, &c->arena, &sends, &count, err)) != BUS_OK)
        return rc;
    if (count == 0)
        return BUS_OK;
    ev = new_event(c, record, parked);
    l = lane_of(c, record->stream, record->partition);
    for (int i = 0; i < count; i++) {
        bus_command command = command_of(
            c, record, BUS_ORIGIN_SEND, bus_derive_send(record->command_id, record->nth, i),
            sends[i].to, sends[i].stream, sends[i].data, event_id(c, record));

        add_errand(c, l, ev, &command, sends[i].answer);
    }
    return BUS_OK;
}

typedef struct {
    const bus_reaction *reaction;
    const bus_event    *event;
    bus_reaction_out    out;
} reacting;

static void
react_guarded(void *context)
{
    reacting *r = context;

    r->reaction->react(r->event, &r->out);
}

static bus_code
take_reactions(bus_courier *c, const bus_record *record, bool parked, bus_error *err)
{
    const bus_reaction *reaction = NULL;
    const bus_message  *type = bus_message_newest(
         bus_find_event(c->options->contracts, c->options->contracts_count, record->type));
    bus_event seen;
    reacting  r;
    event    *ev;
    bus_code  rc;

    for (int i = 0; i < c->module->reactions_count; i++)
        if (type == c->module->reactions[i].on)
            reaction = &c->module->reactions[i];
    if (reaction == NULL)
        return BUS_OK;
    rc = bus_event_of_record(c->options->contracts, c->options->contracts_count, record,
                             c->personal, &c->arena, &seen, err);
    if (rc != BUS_OK)
        return rc;
    r = (reacting){.reaction = reaction, .event = &seen, .out = {.arena = &c->arena}};
    if ((rc = bus_guarded(react_guarded, &r, err)) != BUS_OK || r.out.commands_count == 0)
        return rc;
    ev = new_event(c, record, parked);
    for (int i = 0; i < r.out.commands_count; i++) {
        const bus_reacted_command *asked = &r.out.commands[i];
        bus_command                command = command_of(
                           c, record, BUS_ORIGIN_REACTION,
                           bus_derive_reaction(c->home, record->command_id, record->nth, i),
                           bus_str_of(asked->command->type), asked->stream, asked->data, event_id(c, record));

        add_errand(c, lane_of(c, record->stream, record->partition), ev, &command,
                   (bus_str){NULL, 0});
    }
    return BUS_OK;
}

/* Deletes the key of who is forgotten. The event is committed, so nobody will emit anything
 * personal of him any more; what was read before opens for some seconds yet (BUS_PERSONAL_TTL_MS).
 */
static bus_code
take_forgetting(bus_courier *c, const bus_record *record, bus_error *err)
{
    const bus_message *type = bus_contract_event(c->module->contract, record->type);
    bus_code           rc;

    if (type == NULL || !type->forgets)
        return BUS_OK;
    if (c->personal == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "there are no keys for personal data here");
    BUS_FAIL_POINT("courier.forget");
    rc = bus_personal_forget(c->personal, record->tenant, record->stream, err);
    if (rc != BUS_OK)
        return rc;
    BUS_FAIL_POINT("courier.forgotten");
    bus_log_info("courier.forgotten", BUS_KV("home", c->home), BUS_KV_ID("stream", record->stream));
    return BUS_OK;
}

/* --- parking ------------------------------------------------------------------------ */

static parking *
parking_of(const bus_courier *c, bus_id stream)
{
    parking *p;

    HASH_FIND(hh, c->parkings, &stream, sizeof(stream), p);
    return p;
}

/* reason: it goes into the store with the next checkpoint. NULL: it is there. */
static void
remember_parking(bus_courier *c, bus_id stream, uint16_t partition, int64_t from_offset,
                 const char *reason)
{
    parking *p = parking_of(c, stream);

    if (p == NULL) {
        p = calloc(1, sizeof(*p));
        if (p == NULL)
            abort();
        p->stream = stream;
        p->partition = partition;
        p->from_offset = INT64_MAX;
        HASH_ADD(hh, c->parkings, stream, sizeof(p->stream), p);
        atomic_fetch_add(&c->parked_count, 1);
    }
    if (from_offset >= p->from_offset)
        return;
    p->from_offset = from_offset;
    if (reason == NULL)
        return;
    free(p->unwritten);
    p->unwritten = strdup(reason);
    if (p->unwritten == NULL)
        abort();
}

static void
forget_parking(bus_courier *c, parking *p)
{
    HASH_DELETE(hh, c->parkings, p);
    free(p->unwritten);
    free(p);
    atomic_fetch_sub(&c->parked_count, 1);
}

/* How far each partition is done. */
static int
progress(const bus_courier *c, bus_checkpoint *out)
{
    int count = 0;

    for (int p = 0; p < c->partitions; p++) {
        const event   *first = c->place[p].events;
        bus_checkpoint now = c->place[p].checkpoint;

        now.offset = first != NULL && !BUS_PLANTED("courier.checkpoint_before_effect")
                         ? first->offset - 1
                         : c->place[p].read;
        if (now.held && now.offset > c->place[p].checkpoint.offset)
            out[count++] = now;
    }
    return count;
}

/* What is ours is another's, or nobody knows how far the store is: all is taken anew, under new
 * epochs, under which nothing old can be committed any more. What is in memory is dropped by the
 * thread's loop: whoever calls this may hold some of it. */
static void
lose_all(bus_courier *c)
{
    bus_log_warn("courier.fenced", BUS_KV("reader", c->reader), BUS_KV("home", c->home));
    for (int p = 0; p < c->partitions; p++) {
        c->place[p].checkpoint.held = false;
        bus_follow_drop(c->follow, p);
    }
    c->lost = true;
    atomic_store(&c->held, 0);
}

/* The parkings that are not in the store yet, and the removal if there is one. */
static int
gather_parks(bus_courier *c, const bus_park_write *removal, bus_park_write **out)
{
    int count = 0;

    *out = BUS_ARENA_ARRAY(&c->arena, bus_park_write, (size_t)HASH_COUNT(c->parkings) + 1);
    for (const parking *p = c->parkings; p != NULL; p = p->hh.next)
        if (p->unwritten != NULL && (removal == NULL || !bus_id_equal(p->stream, removal->stream)))
            (*out)[count++] = (bus_park_write){.stream = p->stream,
                                               .partition = p->partition,
                                               .from_offset = p->from_offset,
                                               .reason = p->unwritten};
    if (removal != NULL)
        (*out)[count++] = *removal;
    return count;
}

/* Checkpoints and what is newly parked, in one transaction. removal: ends a parking; may be NULL.
 */
static bus_code
commit(bus_courier *c, const bus_park_write *removal)
{
    bus_checkpoint done[BUS_PARTITIONS_MAX];
    bus_effect     effect = {.home = c->home,
                             .reader = c->reader,
                             .domain = c->domain,
                             .checkpoints = done,
                             .checkpoints_count = progress(c, done)};
    bus_error      err = {0};
    bus_code       rc;

    c->committed_us = now_us(c);
    effect.parks_count = gather_parks(c, removal, &effect.parks);
    if (c->lost || (effect.checkpoints_count == 0 && effect.parks_count == 0))
        return c->lost ? BUS_FENCED : BUS_OK;
    BUS_FAIL_POINT("courier.checkpoint");
    rc = c->options->store->effect(c->home_store, &effect, &err);
    if (rc == BUS_FENCED ||
        (rc == BUS_UNKNOWN &&
         !BUS_PLANTED("courier.unknown_goes_on"))) { /* it could come late, after our next one */
        lose_all(c);
        return rc;
    }
    if (rc != BUS_OK) {
        store_trouble(c, "checkpoint", &err);
        return rc;
    }
    BUS_FAIL_POINT("courier.checkpointed");
    atomic_store(&c->store_down, false);
    for (int i = 0; i < effect.checkpoints_count; i++)
        c->place[done[i].partition].checkpoint.offset = done[i].offset;
    for (parking *p = c->parkings; p != NULL; p = p->hh.next) {
        free(p->unwritten);
        p->unwritten = NULL;
    }
    return BUS_OK;
}

/* The stream's errands are put aside, from this event on; the rest go on. The checkpoint passes
 * them only together with the parking. */
static void
park(bus_courier *c, lane *l, const char *reason)
{
    bus_log_warn("courier.parked", BUS_KV("reader", c->reader), BUS_KV("home", c->home),
                 BUS_KV_ID("stream", l->stream), BUS_KV("reason", reason));
    remember_parking(c, l->stream, l->partition, l->errands->of->offset, reason);
    while (l->errands != NULL)
        free_errand(c, l->errands);
    HASH_DELETE(hh, c->lanes, l);
    free(l);
}

static void
park_record(bus_courier *c, const bus_record *record, const bus_error *why)
{
    parking *p = parking_of(c, record->stream);

    bus_log_error("courier.parked", BUS_KV("reader", c->reader), BUS_KV("home", c->home),
                  BUS_KV_ID("stream", record->stream), BUS_KV_ERR(why));
    if (p != NULL)
        p->stuck = record->offset; /* tried again, it does not come past this */
    else
        remember_parking(c, record->stream, record->partition, record->offset, why->text);
}

/* An outage of the keys says nothing about the event: it is read again later. */
static bus_code
take_record(bus_courier *c, const bus_record *record, bool parked)
{
    bus_error err = {0};
    bus_code  rc = c->reactions ? take_reactions(c, record, parked, &err)
                   : c->forgets ? take_forgetting(c, record, &err)
                                : take_sends(c, record, parked, &err);

    if (bus_is_outage(rc) && !parked)
        store_trouble(c, "reading personal data", &err);
    else if (rc != BUS_OK)
        park_record(c, record, &err);
    return rc;
}

/* A stream that is parked is tried again from its first event. */
typedef struct {
    bus_courier *c;
    parking     *p;
} unparking;

static bus_code
unpark_record(void *context, const bus_record *record, bus_error *err)
{
    unparking *u = context;

    (void)err;
    if (record->offset < u->p->from_offset || u->p->stuck != 0)
        return BUS_OK;
    if (take_record(u->c, record, true) == BUS_OK)
        u->p->loaded = record->offset;
    return BUS_OK;
}

static void
end_parking(bus_courier *c, parking *p)
{
    const bus_park_write removal = {.stream = p->stream,
                                    .partition = p->partition,
                                    .from_offset = p->from_offset,
                                    .reason = "",
                                    .remove = true};

    if (commit(c, &removal) != BUS_OK)
        return;
    bus_log_info("courier.unparked", BUS_KV("reader", c->reader), BUS_KV_ID("stream", p->stream));
    forget_parking(c, p);
}

/* Takes the events of a parked stream in again; without errands the parking ends at once. */
static void
unpark(bus_courier *c, parking *p)
{
    unparking u = {.c = c, .p = p};
    bus_error err = {0};
    lane     *l;

    p->loaded = 0;
    p->stuck = 0;
    if (c->options->store->load(c->log_store, c->domain, &p->stream, 1, unpark_record, &u, &err) !=
        BUS_OK) {
        store_trouble(c, "reading a parked stream", &err);
        p->stuck = p->from_offset; /* what was taken in is not the whole */
    }
    HASH_FIND(hh, c->lanes, &p->stream, sizeof(p->stream), l);
    if (l != NULL)
        l->unparking = true;
    else if (p->stuck == 0)
        end_parking(c, p);
}

/* The errands of a parked stream are done. Events that came meanwhile were passed over. */
static void
parking_done(bus_courier *c, parking *p)
{
    if (p->stuck != 0)
        return; /* tried again later, from where it was: repeats are harmless */
    if (p->skipped > p->loaded) {
        p->from_offset = p->loaded + 1;
        unpark(c, p);
    } else {
        end_parking(c, p);
    }
}

/* Each in its turn, so that those whose target stays down do not keep the others from theirs. */
static void
try_parked(bus_courier *c)
{
    c->unparked_us = now_us(c);
    for (unsigned n = HASH_COUNT(c->parkings);
         n > 0 && c->parked_events_count < PARKED_EVENTS_MAX && !c->lost; n--) {
        parking *p = c->parkings;
        lane    *l;

        HASH_DELETE(hh, c->parkings, p);
        HASH_ADD(hh, c->parkings, stream, sizeof(p->stream), p);
        HASH_FIND(hh, c->lanes, &p->stream, sizeof(p->stream), l);
        if (l == NULL) /* else it is under way already */
            unpark(c, p);
    }
}

/* Leaves out the event that the stream is stuck at, for good. */
static bool
skip_event(bus_courier *c, parking *p, bus_str reason)
{
    const bus_park_write write = {
        .stream = p->stream,
        .partition = p->partition,
        .from_offset = p->from_offset + 1,
        .reason = bus_arena_copy(&c->arena, reason.at, reason.len).at,
        .skip_offset = p->from_offset,
    };

    if (commit(c, &write) != BUS_OK)
        return false;
    bus_log_warn("courier.skipped", BUS_KV("reader", c->reader), BUS_KV("home", c->home),
                 BUS_KV_ID("stream", p->stream), BUS_KV_INT("offset", p->from_offset));
    p->from_offset++;
    return true;
}

/* What an operator asks for (`shina parked`): once each time, not until it works. */
static void
heed_operator(bus_courier *c)
{
    bus_parked *rows;
    bus_error   err = {0};
    int         count;

    if (c->parkings == NULL)
        return;
    if (c->options->store->parked(c->home_store, c->home, c->reader, &c->arena, &rows, &count,
                                  &err) != BUS_OK) {
        store_trouble(c, "reading what is parked", &err);
        return;
    }
    for (int i = 0; i < count && !c->lost; i++) {
        parking *p = parking_of(c, rows[i].stream);
        lane    *l;

        HASH_FIND(hh, c->lanes, &rows[i].stream, sizeof(rows[i].stream), l);
        if (rows[i].asked == BUS_ASK_NONE || !bus_str_is(rows[i].domain, c->domain) || p == NULL ||
            p->unwritten != NULL || l != NULL)
            continue; /* not ours, or under way already: later */
        if (rows[i].asked == BUS_ASK_SKIP && !skip_event(c, p, rows[i].reason))
            return;
        if (rows[i].asked == BUS_ASK_RETRY &&
            c->options->store->park_ask(c->home_store, c->home, c->reader, c->domain, p->stream,
                                        BUS_ASK_NONE, &err) != BUS_OK)
            return;
        unpark(c, p);
    }
}

/* --- errands under way ----------------------------------------------------------------- */

static void
set_ticket(bus_courier *c, errand *e, uint64_t ticket)
{
    if (e->ticket != 0)
        HASH_DELETE(hh, c->tickets, e);
    e->ticket = ticket;
    if (ticket != 0)
        HASH_ADD(hh, c->tickets, ticket, sizeof(e->ticket), e);
}

static void
fail(bus_courier *c, errand *e, const char *reason)
{
    int64_t now = now_us(c);

    set_ticket(c, e, 0);
    if (e->failing_since_us == 0)
        e->failing_since_us = now;
    e->retry_us = now + e->pause_us;
    e->pause_us = e->pause_us * 2 > RETRY_LAST_US ? RETRY_LAST_US : e->pause_us * 2;
    if (now - e->failing_since_us > PARK_AFTER_US)
        park(c, e->in, reason);
}

static void
domain_of(bus_str type, char out[64])
{
    const char *dot = memchr(type.at, '.', type.len);
    size_t      len = dot == NULL ? 0 : (size_t)(dot - type.at);

    if (len >= 64)
        len = 0;
    memcpy(out, type.at, len);
    out[len] = '\0';
}

static void
send_errand(bus_courier *c, errand *e)
{
    const bus_command *template = e->answering ? &e->answer_command->command : &e->command->command;
    bus_command   command = *template;
    char          domain[64];
    const char   *address;
    bus_envelope *env;
    bus_error     err = {0};

    domain_of(command.type, domain);
    address = bus_owners_of(c->owners, domain, command.partition);
    if (address == NULL) {
        fail(c, e, "nobody owns the partition it goes to");
        return;
    }
    command.expires_at_ms = bus_now_ms(c->options->clock) + EXPIRES_MS;
    env = bus_envelope_of_command(&command);
    BUS_FAIL_POINT("courier.send");
    set_ticket(c, e, ++c->last_ticket);
    e->sent_us = now_us(c);
    if (c->options->transport_ops->send(c->client, address, env, e->ticket, &err) != BUS_OK) {
        bus_envelope_release(env);
        if (err.code == BUS_UNAVAILABLE)
            bus_owners_stale(c->owners, domain);
        fail(c, e, err.text);
    }
}

static void
finish(bus_courier *c, errand *e)
{
    lane    *l = e->in;
    parking *p;

    free_errand(c, e);
    if (l->errands != NULL && BUS_PLANTED("courier.all_at_once"))
        return;
    if (l->errands != NULL) {
        activate(c, l->errands);
        send_errand(c, l->errands);
        return;
    }
    p = l->unparking ? parking_of(c, l->stream) : NULL;
    HASH_DELETE(hh, c->lanes, l);
    free(l);
    if (p != NULL)
        parking_done(c, p);
}

/* The answer goes back to the stream that asked, as a command of its own. */
static void
answer(bus_courier *c, errand *e, const bus_reply *reply)
{
    const bus_command *sent = &e->command->command;
    bus_command        command = *sent;
    bus_buf            data = {0};

    bus_answer_encode(sent->type, sent->stream, reply, &data);
    command.command_id = bus_derive_answer(sent->command_id);
    command.type = bus_str_of(e->answer);
    command.stream = e->in->stream;
    command.partition = e->of->partition;
    command.origin = BUS_ORIGIN_ANSWER;
    command.data = bus_buf_str(&data);
    e->answer_command = bus_envelope_of_command(&command);
    bus_buf_fini(&data);
    e->answering = true;
    e->failing_since_us = 0;
    e->pause_us = RETRY_FIRST_US;
    BUS_FAIL_POINT("courier.answer_received");
    send_errand(c, e);
    BUS_FAIL_POINT("courier.answer_sent");
}

static void
note_refusal(const bus_courier *c, const errand *e, const bus_reply *reply)
{
    const bus_command *sent = e->answering ? &e->answer_command->command : &e->command->command;

    bus_log_warn(c->reactions ? "courier.reaction_refused" : "courier.answer_refused",
                 BUS_KV("home", c->home), BUS_KV_STR("command", sent->type),
                 BUS_KV_ID("stream", sent->stream), BUS_KV_STR("code", reply->code),
                 BUS_KV_STR("detail", reply->detail));
}

static void
take_reply(bus_courier *c, const bus_envelope *env)
{
    const bus_reply *reply = &env->reply;
    errand          *e;
    char             domain[64];

    HASH_FIND(hh, c->tickets, &env->ticket, sizeof(env->ticket), e);
    if (e == NULL)
        return; /* of an earlier try */
    switch (reply->status) {
    case BUS_ANSWER_DONE:
    case BUS_ANSWER_REFUSED:
    case BUS_ANSWER_INVALID:
        set_ticket(c, e, 0);
        if (reply->status != BUS_ANSWER_DONE && (e->answering || e->answer == NULL))
            note_refusal(c, e, reply);
        if (!e->answering && e->answer != NULL)
            answer(c, e, reply);
        else
            finish(c, e);
        return;
    case BUS_ANSWER_NOT_OWNER:
        domain_of(e->answering ? e->answer_command->command.type : e->command->command.type,
                  domain);
        bus_owners_stale(c->owners, domain);
        fail(c, e, "the partition moves between owners");
        return;
    case BUS_ANSWER_EXPIRED: fail(c, e, "the target is too slow"); return;
    case BUS_ANSWER_BUSY: fail(c, e, "the target is busy"); return;
    case BUS_ANSWER_FAILED: fail(c, e, "the target failed"); return;
    }
}

/* Sends what waits for its first try or its next one, and what got no reply. */
static void
pump(bus_courier *c)
{
    int64_t now = now_us(c);
    errand *e = c->active, *next;
    char    domain[64];

    for (; e != NULL; e = next) {
        next = e->active_next;
        if (e->ticket == 0 && e->retry_us <= now)
            send_errand(c, e);
        else if (e->ticket != 0 && now - e->sent_us > REPLY_US) {
            /* Who does not answer may own the partition no more, and cannot say so. */
            domain_of(e->answering ? e->answer_command->command.type : e->command->command.type,
                      domain);
            bus_owners_stale(c->owners, domain);
            fail(c, e, "no reply");
        }
    }
}

/* --- reading ---------------------------------------------------------------------------- */

/* What is parked in partitions that were just taken. */
static bus_code
load_parkings(bus_courier *c, const bool fresh[BUS_PARTITIONS_MAX], bus_error *err)
{
    bus_parked *parked;
    int         count;
    bus_code    rc;

    rc = c->options->store->parked(c->home_store, c->home, c->reader, &c->arena, &parked, &count,
                                   err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        if (bus_str_is(parked[i].domain, c->domain) && parked[i].partition < c->partitions &&
            fresh[parked[i].partition])
            remember_parking(c, parked[i].stream, parked[i].partition, parked[i].from_offset, NULL);
    return rc;
}

static int
held_partitions(const bus_courier *c)
{
    int held = 0;

    for (int p = 0; p < c->partitions; p++)
        held += c->place[p].checkpoint.held;
    return held;
}

static void
drop_lane(bus_courier *c, lane *l)
{
    while (l->errands != NULL)
        free_errand(c, l->errands);
    HASH_DELETE(hh, c->lanes, l);
    free(l);
}

/* Nothing of the partition is read, under way or remembered any more. By the thread's loop only:
 * others may hold some of it. */
static void
drop_partition(bus_courier *c, int partition)
{
    lane    *l, *next_lane;
    parking *p, *next_parking;

    c->place[partition].checkpoint.held = false;
    bus_follow_drop(c->follow, partition);
    HASH_ITER(hh, c->lanes, l, next_lane)
    {
        if (l->partition == partition)
            drop_lane(c, l);
    }
    HASH_ITER(hh, c->parkings, p, next_parking)
    {
        if (p->partition == partition)
            forget_parking(c, p);
    }
    BUS_INVARIANT(c->place[partition].events == NULL);
}

/* Gives back what is ours in the store, when all of it is dropped here. */
static void
release(bus_courier *c, const bus_checkpoint *surplus, int count)
{
    bus_error err = {0};

    for (int i = 0; i < count; i++)
        drop_partition(c, surplus[i].partition);
    if (count > 0 &&
        c->options->store->checkpoint_release(c->home_store, c->home, c->reader, c->domain, surplus,
                                              count, &err) != BUS_OK)
        store_trouble(c, "giving checkpoints back", &err); /* they run out */
}

/* Begins to read the partitions that were just taken. */
static void
begin_partitions(bus_courier *c, const bool fresh[BUS_PARTITIONS_MAX])
{
    bus_error err = {0};

    if (load_parkings(c, fresh, &err) != BUS_OK) {
        store_trouble(c, "reading what is parked", &err);
        lose_all(c); /* without it sends could leave out of order */
        return;
    }
    atomic_store(&c->store_down, false);
    for (int p = 0; p < c->partitions; p++) {
        if (!fresh[p])
            continue;
        c->place[p].read = c->place[p].checkpoint.offset;
        bus_follow_partition(c->follow, p, c->place[p].read);
    }
}

/* Takes what is free, up to the share; what is held already is held on under a new epoch, what
 * came beyond the share goes back unread. */
static void
take_partitions(bus_courier *c, int share)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX], surplus[BUS_PARTITIONS_MAX];
    bool           fresh[BUS_PARTITIONS_MAX] = {false};
    bus_error      err = {0};
    int            held = held_partitions(c), surplus_count = 0;

    for (int p = 0; p < c->partitions; p++)
        mine[p] = (bus_checkpoint){.partition = (uint16_t)p};
    if (c->options->store->checkpoint_take(c->home_store, c->home, c->reader, c->domain,
                                           c->options->process, c->options->sole, mine,
                                           c->partitions, &err) != BUS_OK) {
        store_trouble(c, "taking checkpoints", &err);
        return;
    }
    for (int p = 0; p < c->partitions; p++) {
        if (c->place[p].checkpoint.held && !mine[p].held) {
            lose_all(c);
            return;
        }
        fresh[p] = mine[p].held && !c->place[p].checkpoint.held && held < share;
        held += fresh[p];
        if (fresh[p] || c->place[p].checkpoint.held)
            c->place[p].checkpoint = mine[p];
        else if (mine[p].held)
            surplus[surplus_count++] = mine[p];
    }
    release(c, surplus, surplus_count);
    begin_partitions(c, fresh);
}

/* Brings what we hold to our share: what is too much is committed, dropped and given back. */
static void
share_partitions(bus_courier *c)
{
    bus_checkpoint surplus[BUS_PARTITIONS_MAX];
    int            share = bus_members_share(c->options->members, c->part, c->partitions);
    int            count = 0, held = held_partitions(c);

    c->shared_us = now_us(c);
    if (held < share) {
        take_partitions(c, share);
    } else if (held > share && commit(c, NULL) == BUS_OK) {
        for (int p = c->partitions - 1; p >= 0 && held - count > share; p--)
            if (c->place[p].checkpoint.held)
                surplus[count++] = c->place[p].checkpoint;
        release(c, surplus, count);
    }
    held = held_partitions(c);
    if (held != atomic_exchange(&c->held, held))
        bus_log_info("courier.leases", BUS_KV("home", c->home), BUS_KV("reader", c->reader),
                     BUS_KV("of", c->domain), BUS_KV_INT("held", held));
}

static void
renew(bus_courier *c)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX];
    bus_error      err = {0};
    int            count = 0;

    c->renewed_us = now_us(c);
    for (int p = 0; p < c->partitions; p++)
        if (c->place[p].checkpoint.held)
            mine[count++] = c->place[p].checkpoint;
    if (c->options->store->checkpoint_renew(c->home_store, c->home, c->reader, c->domain, mine,
                                            count, &err) != BUS_OK) {
        store_trouble(c, "renewing checkpoints", &err);
        return;
    }
    if (count > 0)
        atomic_store(&c->store_down, false); /* idle, nothing else would tell */
    for (int i = 0; i < count; i++)
        if (!mine[i].held) {
            bus_log_warn("courier.partition_lost", BUS_KV("reader", c->reader),
                         BUS_KV("home", c->home), BUS_KV_INT("partition", mine[i].partition));
            drop_partition(c, mine[i].partition);
        }
    heed_operator(c);
}

/* True: there may be more at once. */
static bool
read_log(bus_courier *c)
{
    bus_record records[READ_MAX];
    bus_error  err = {0};
    int        count, room = EVENTS_MAX - c->events_count;
    bool       held_up[BUS_PARTITIONS_MAX] = {false}, waits = false;
    bus_code   rc;

    if (room <= 0)
        return false;
    rc = bus_follow_next(c->follow, &c->arena, records, room < READ_MAX ? room : READ_MAX, &count,
                         &err);
    if (rc != BUS_OK)
        store_trouble(c, "reading the log", &err);
    for (int i = 0; i < count; i++) {
        uint16_t partition = records[i].partition;
        parking *p = parking_of(c, records[i].stream);

        if (held_up[partition])
            continue;
        if (p != NULL)
            p->skipped = records[i].offset;
        else if (bus_is_outage(take_record(c, &records[i], false)))
            held_up[partition] = true;
        if (held_up[partition])
            bus_follow_partition(c->follow, partition, records[i].offset - 1);
        else
            c->place[partition].read = records[i].offset;
        waits = waits || held_up[partition];
    }
    atomic_store(&c->behind, bus_follow_behind(c->follow) + c->events_count);
    if (rc == BUS_OK && bus_follow_caught_up(c->follow))
        atomic_store(&c->caught_up, true);
    return rc == BUS_OK && count > 0 && !waits;
}

static bool
take_replies(bus_courier *c)
{
    bus_envelope *replies[REPLIES_MAX];
    uint32_t      count = c->options->transport_ops->replies(c->client, replies, REPLIES_MAX, 0);

    for (uint32_t i = 0; i < count; i++) {
        take_reply(c, replies[i]);
        bus_envelope_release(replies[i]);
    }
    return count > 0;
}

static void
forget_all(bus_courier *c)
{
    while (c->lanes != NULL)
        drop_lane(c, c->lanes);
    while (c->parkings != NULL)
        forget_parking(c, c->parkings);
}

/* A clean stop: another may go on at once. */
static void
give_all_back(bus_courier *c)
{
    bus_checkpoint mine[BUS_PARTITIONS_MAX];
    int            count = 0;

    if (commit(c, NULL) != BUS_OK)
        return;
    for (int p = 0; p < c->partitions; p++)
        if (c->place[p].checkpoint.held)
            mine[count++] = c->place[p].checkpoint;
    release(c, mine, count);
}

static void *
courier_main(void *context)
{
    bus_courier *c = context;

    bus_thread_name(c->reactions ? "react" : c->forgets ? "forget" : "send", c->home);
    share_partitions(c);
    c->renewed_us = c->unparked_us = now_us(c);
    while (!atomic_load(&c->stopping)) {
        bool more;

        bus_arena_reset(&c->arena);
        if (c->lost) {
            forget_all(c); /* taken anew with the next look at our share, from the checkpoints */
            c->lost = false;
        }
        more = read_log(c);
        pump(c);
        more = take_replies(c) || more;
        if (now_us(c) - c->renewed_us >= RENEW_US)
            renew(c);
        if (now_us(c) - c->shared_us >= SHARE_US && !c->lost)
            share_partitions(c);
        if (now_us(c) - c->committed_us >= COMMIT_US)
            (void)commit(c, NULL);
        if (now_us(c) - c->unparked_us >= UNPARK_US)
            try_parked(c);
        if (!more)
            bus_bell_wait(&c->bell, c->active != NULL ? 20 : BUS_MEMBERS_SHARE_MS);
    }
    give_all_back(c);
    return NULL;
}

/* --- starting and stopping ----------------------------------------------------------------- */

static void
free_courier(bus_courier *c)
{
    forget_all(c);
    bus_follow_close(c->follow);
    c->options->transport_ops->disconnect(c->client);
    bus_owners_destroy(c->owners);
    if (c->log_store != NULL)
        c->options->store->close(c->log_store);
    if (c->home_store != NULL)
        c->options->store->close(c->home_store);
    bus_personal_destroy(c->personal);
    bus_bell_fini(&c->bell);
    bus_arena_fini(&c->arena);
    free(c);
}

static bus_code
start(bus_courier **out, bus_courier *c, bus_error *err)
{
    const bus_runtime_options *options = c->options;
    bus_code                   rc;

    c->partitions = options->partitions;
    bus_bell_init(&c->bell, c->options->threads);
    c->owners = bus_owners_create(options, c->home);
    if (c->reactions || c->forgets)
        c->personal = bus_runtime_personal(options, c->home, c->reader);
    if ((rc = bus_runtime_store(options, c->home, c->home, c->reader, &c->home_store, err)) !=
            BUS_OK ||
        (rc = bus_runtime_store(options, c->home, c->domain, c->reader, &c->log_store, err)) !=
            BUS_OK ||
        (rc = options->store->create_domain(c->log_store, c->domain, c->partitions, err)) !=
            BUS_OK ||
        (rc = options->store->create_domain(c->home_store, c->home, c->partitions, err)) !=
            BUS_OK ||
        (rc = options->transport_ops->connect(options->transport, bus_bell_ring, &c->bell,
                                              &c->client, err)) != BUS_OK ||
        (rc = bus_follow_open(&c->follow, options, c->log_store, c->domain,
                              !c->reactions && !c->forgets, &c->bell, err)) != BUS_OK)
        goto failed;
    if (!bus_thread_start(&c->thread, c->options->threads, courier_main, c)) {
        rc = bus_fail(err, BUS_UNAVAILABLE, "no thread for %s of %s", c->reader, c->home);
        goto failed;
    }
    *out = c;
    return BUS_OK;

failed:
    free_courier(c);
    return rc;
}

static bus_courier *
new_courier(const bus_module *module, const bus_runtime_options *options)
{
    bus_courier *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    c->module = module;
    c->options = options;
    c->home = c->domain = module->contract->module;
    (void)snprintf(c->part, sizeof(c->part), "service %.80s", c->home);
    return c;
}

bus_code
bus_courier_start_sends(bus_courier **out, const bus_module *module,
                        const bus_runtime_options *options, bus_error *err)
{
    bus_courier *c = new_courier(module, options);

    (void)snprintf(c->reader, sizeof(c->reader), "sends");
    return start(out, c, err);
}

bus_code
bus_courier_start_reactions(bus_courier **out, const bus_module *module, const char *domain,
                            const bus_runtime_options *options, bus_error *err)
{
    bus_courier *c = new_courier(module, options);

    c->domain = domain;
    c->reactions = true;
    (void)snprintf(c->reader, sizeof(c->reader), "reactions");
    return start(out, c, err);
}

bus_code
bus_courier_start_forgetting(bus_courier **out, const bus_module *module,
                             const bus_runtime_options *options, bus_error *err)
{
    bus_courier *c = new_courier(module, options);

    c->forgets = true;
    (void)snprintf(c->reader, sizeof(c->reader), "forgets");
    return start(out, c, err);
}

void
bus_courier_stop(bus_courier *c)
{
    if (c == NULL)
        return;
    atomic_store(&c->stopping, true);
    bus_bell_ring(&c->bell);
    bus_thread_join(&c->thread);
    free_courier(c);
}

void
bus_courier_health(const bus_courier *c, bus_health *out)
{
    *out = (bus_health){.partitions = atomic_load(&c->held),
                        .of = c->partitions,
                        .behind = atomic_load(&c->behind),
                        .parked = atomic_load(&c->parked_count)};
    out->ready = !atomic_load(&c->store_down);
    if (!out->ready)
        (void)snprintf(out->detail, sizeof(out->detail), "the store is out of reach");
}
