/* batch.h - one batch of commands at work. Private to the writer.
 *
 * batch.c tells the story; each step has a file of its own. Everything lies in the batch's arena.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_BATCH_H
#define BUS_RUNTIME_BATCH_H

#include "bus/module/decision.h"
#include "bus/runtime/writer.h"

/* How far a command has come. From SETTLED on nothing changes it any more. */
typedef enum {
    ITEM_OPEN,    /* to be decided in this round */
    ITEM_APPENDS, /* decided: events, or a fired timer, are in the batch */
    ITEM_QUIET,   /* decided: nothing to append; the epoch is to be confirmed */
    ITEM_LATER,   /* left for a later round: a conflict is being narrowed down, or it lets go
                   * what its stream takes in this one */
    ITEM_TWIN,    /* the same command once more in this batch: gets its first self's reply */
    ITEM_SETTLED  /* reply is final */
} batch_item_status;

typedef struct item {
    bus_envelope      *env;   /* NULL: a wake of our own timers */
    const bus_timer   *timer; /* of a wake */
    const bus_command *cmd;
    const bus_message *message;
    void              *data; /* decoded */
    int64_t            digest;
    batch_item_status  status;
    bus_reply          reply;
    const struct item *twin;    /* ITEM_TWIN: its first self */
    bool               decided; /* the module was asked and answered */
    const bus_refusal *lost;    /* a claim that the store says others hold */
    bus_str            lost_params;
    bus_state         *state;                     /* of this round */
    int                first_event, events_count; /* in records */
    UT_hash_handle     hh;                        /* by command id */
} item;

/* One unique value within the batch: who let it go and who takes it in the end. */
typedef struct batch_claim {
    bus_str            key; /* tenant, kind, value */
    bus_id             tenant, holder;
    const char        *kind;
    bus_str            value;
    bool               taken;
    int                item;
    const bus_refusal *refusal;
    bus_id            *released; /* streams that let it go */
    int                released_count;
    UT_hash_handle     hh;
} batch_claim;

typedef struct batch_timer {
    struct {
        bus_id stream;
        char   name[64];
    } key;
    bus_timer_write write;
    UT_hash_handle  hh;
} batch_timer;

/* A record whose data, or whose sends, have personal members: encoded when all are decided. */
typedef struct {
    int                     record, item; /* in records, in items */
    const bus_message      *type;
    void                   *data; /* the event's struct */
    const bus_decided_send *sends;
    int                     sends_count, nth;
} batch_sealing;

typedef struct batch {
    bus_writer *w;
    bus_arena  *arena;
    item       *items;
    int         count;
    item       *by_id;    /* uthash: the first item of each command id */
    int         limit;    /* items decided in one round, at most */
    bool        load_new; /* streams to be made are looked for as well: something was there */

    /* of this round */
    bus_state    **touched;
    int            touched_count, touched_room;
    bus_record    *records;
    int            records_count, records_room;
    batch_sealing *sealings;
    int            sealings_count, sealings_room;
    batch_claim   *claims; /* uthash */
    batch_timer   *timers; /* uthash */
    bus_append     append;
    int           *places; /* of append.events in records */
} batch;

/* For bus_guarded: applies an event to a state. */
typedef struct {
    const bus_aggregate *aggregate;
    void                *state;
    const void          *tagged;
} batch_applying;

/* --- all steps ---------------------------------------------------------------------- */

/* The reply is final: nothing of the batch changes it any more. code may be NULL. */
void batch_settle(item *it, bus_answer_status status, const char *code, bus_str detail);
/* The reply of a refusal; final only when it is settled. */
void      batch_refuse(batch *b, item *it, const bus_refusal *refusal, bus_str params);
bus_reply batch_reply_to(const item *it);
bool      batch_is_client(const item *it);
/* --- batch_receive.c: decodes a command, checks the way it came, meets repeats. */
void batch_receive(batch *b, item *it, int64_t now_ms);
/* --- batch_load.c: every open item gets its state; what is not in memory is read at once. */
bus_code batch_load(batch *b, bus_error *err);
/* The state is changed in this round: a failed round evicts it. */
void batch_touch(batch *b, bus_state *state);
/* For bus_guarded: context is a batch_applying. */
void batch_apply(void *context);
/* --- batch_quarantine.c: the stream's module broke an invariant: it is set aside. offset: of the
 * event that did it; 0: a command did. */
void batch_quarantine(bus_writer *w, bus_id stream, int64_t offset, const bus_error *err);
bool batch_is_quarantined(const bus_writer *w, bus_id stream);
/* After the answers: writes what is new to the stuck list, and takes off it what went well. */
void batch_end_trials(batch *b);
/* False: the store could not. */
bool batch_write_quarantine(bus_writer *w);
/* --- batch_snapshot.c: keeps the states of the batch's streams that have grown long. After the
 * answers: commands are never in flight while it runs, and a failure is only logged. */
void                     batch_snapshots(batch *b);
const bus_snapshot_form *batch_form_of(const bus_writer *w, const bus_aggregate *aggregate);
/* --- batch_decide.c: asks the module; what it wants is collected in the batch. */
void         batch_decide(batch *b, item *it, bus_decision *decision, int64_t now_ms);
bus_str      batch_claim_key(batch *b, bus_id tenant, const char *kind, bus_str value);
batch_claim *batch_find_claim(batch *b, bus_str key);
/* The buffer's text in the arena; the buffer is emptied and its memory given back. */
bus_str batch_keep(batch *b, bus_buf *buf);
/* --- batch_seal.c: personal members are encrypted, claims on them hashed. Does event nth of the
 * decision, or what it sends, have any? Then the record added last is left to batch_seal. */
bool batch_seal_later(batch *b, const item *it, const bus_decision *decision, int nth);
/* Claims on personal values get what stands for them; those on tombstones go. */
bus_code batch_seal_claims(batch *b, const item *it, bus_decision *decision, bus_error *err);
/* Encodes what was left. Keys that are made for it are durable first. Not BUS_OK: the items that
 * cannot be encrypted are settled, and the round is to be begun again without them. */
bus_code batch_seal(batch *b, bus_error *err);
/* --- batch_append.c: what was decided as one bus_append. False: there is nothing. */
bool batch_gather(batch *b);
/* After the append went through: offsets and replies. */
void batch_committed(batch *b);
/* Tells readers of what was committed. */
void batch_publish(batch *b);
/* --- batch_lookup.c: what is in the log already. One more event of a reply's JSON. */
void batch_add_event(bus_buf *events, const bus_record *record);
/* Looks up the ids of items with wanted[i], settles those found; checks the epochs too. */
bus_code batch_look_up(batch *b, const bool *wanted, bus_error *err);
bus_code batch_settle_duplicates(batch *b, bus_error *err);
void     batch_mark_claimed(batch *b);
void     batch_settle_fenced(batch *b);
bus_code batch_settle_unknown(batch *b, bus_error *err);

#endif
