/* module.h - all that a business module may see: pure rules over states and events.
 *
 * decide(state, command, meta) says what happens; apply(state, event) is how it is
 * remembered. Neither does I/O, reads a clock, draws randomness, allocates or logs.
 * What a module asks for goes into bus_decision and is carried out by the runtime.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_MODULE_MODULE_H
#define BUS_MODULE_MODULE_H

#include "bus/base/clock.h" /* calendar arithmetic; no clock is reachable from a module */
#include "bus/base/error.h" /* BUS_INVARIANT */
#include "bus/base/fold.h"
#include "bus/base/id.h"
#include "bus/base/str.h"
#include "bus/contract/contract.h"

typedef struct bus_decision     bus_decision;     /* out of decide */
typedef struct bus_reaction_out bus_reaction_out; /* out of a reaction */
typedef struct bus_projection   bus_projection;   /* around a row that is projected */

typedef enum { BUS_ACCEPTED, BUS_REFUSED } bus_verdict;

/* What decide sees besides state and command. */
typedef struct bus_meta {
    bus_id      command_id, tenant, stream;
    bus_id      actor_id;
    uint32_t    roles;        /* BUS_ROLE_ bits of the caller */
    uint32_t    grants;       /* BUS_GRANT_ bits */
    bus_id      driver_id;    /* of the calling user; nil: not a driver */
    int64_t     at_ms;        /* UTC now; never goes back within a partition */
    int64_t     device_at_ms; /* when the device says it happened; 0: not given */
    int32_t     version;      /* events in the stream so far; 0: new */
    const void *settings;     /* the module's generated settings struct, or NULL */
} bus_meta;

/* The business time of a command: device_at_ms if given, else at_ms. */
int64_t bus_meta_business_ms(const bus_meta *meta);

/* The nth id that may be given out while deciding: derived from command_id, so that a
 * repeat gives the same. */
bus_id bus_meta_new_id(const bus_meta *meta, unsigned nth);

/* --- decide's output ---------------------------------------------------- */

/* Nothing to remember: the command was right and changes nothing. */
bus_verdict bus_accept(bus_decision *out);

/* It happens. *data is copied. Modules call the generated <module>_emit_<event>(). At
 * most BUS_EVENTS_MAX per command. */
#define BUS_EVENTS_MAX 64
bus_verdict bus_emit(bus_decision *out, const bus_message *event, const void *data);

/* It may not happen. All other output of this decide is dropped. */
bus_verdict bus_refuse(bus_decision *out, const bus_refusal *refusal);
/* With its declared params; modules call the generated <refusal>_refuse(). */
bus_verdict bus_refuse_with(bus_decision *out, const bus_refusal *refusal, const void *params);
/* STALE, the one code by which a device knows that what it sends was overtaken: it happened before
 * last_at_ms, the latest that is on record. utc_offset_min: of the tenant, minutes east of UTC. */
bus_verdict bus_refuse_stale(bus_decision *out, int64_t last_at_ms, int32_t utc_offset_min);

/* This stream takes the unique value (tenant, kind, value), or the command is refused
 * with `taken` and the holder's id as the param "holder" where it declares one. Claiming
 * what this stream already holds is fine. kind and value: at most 64 and 256 bytes. */
void bus_claim(bus_decision *out, const char *kind, bus_str value, const bus_refusal *taken);
void bus_release(bus_decision *out, const char *kind, bus_str value);
/* The same for a personal value: the store holds a keyed hash of it and never the value. A
 * tombstone (the empty string) claims and releases nothing. */
void bus_claim_personal(bus_decision *out, const char *kind, bus_str value,
                        const bus_refusal *taken);
void bus_release_personal(bus_decision *out, const char *kind, bus_str value);

/* After an emit: send a command to a stream (of this or another module). It leaves after
 * the commit, in order with the other sends of this stream, and its answer comes back as
 * the command `answer` of this aggregate (by: "answer"; NULL: the answer is only waited
 * for). Modules call the generated <target>_send_<command>(). */
void bus_send(bus_decision *out, const bus_message *command, bus_id stream, const void *data,
              const bus_message *answer);

/* After an emit: ask for the command `wake` (by: "wake") at a time. One wake per name and
 * stream: a later call replaces the earlier one. */
void bus_wake_at(bus_decision *out, const bus_message *wake, int64_t at_ms);
void bus_wake_cancel(bus_decision *out, const bus_message *wake);

/* The struct of a command with by: "answer". */
typedef struct bus_answer_event {
    const bus_message *type;
    const void        *data; /* the event's generated struct */
} bus_answer_event;

typedef struct bus_answer {
    const bus_message      *command; /* what was sent */
    bus_id                  stream;  /* to whom */
    bool                    accepted;
    bus_str                 code;    /* refusal code when not accepted */
    bus_str                 detail;  /* the refusal's English text, params filled in */
    int32_t                 version; /* of the target after it */
    const bus_answer_event *events;  /* what happened there */
    uint32_t                events_count;
} bus_answer;

/* --- declarations -------------------------------------------------------- */

/* One aggregate. State: flat, bounded, no pointers, zero when new. */
typedef struct bus_aggregate {
    const bus_aggregate_contract *of;
    int    snapshot_version; /* raise when the state's shape or apply changes */
    size_t state_size;
    bus_verdict (*decide)(const void *state, const void *command, const bus_meta *meta,
                          bus_decision *out);
    void (*apply)(void *state, const void *event);
    /* Is the stream theirs, for roles with ":own"? NULL: never. */
    bool (*owned_by)(const void *state, bus_id driver_id);
} bus_aggregate;

/* An event as reactions and projections see it. */
typedef struct bus_event {
    const bus_message *type;
    const void        *data;   /* the event's generated struct */
    const void        *tagged; /* the aggregate's tagged union holding it */
    bus_id             stream, tenant, command_id;
    int32_t            version;
    int16_t            nth;
    int64_t            at_ms, device_at_ms;
    bus_id             actor_id;
} bus_event;

/* Listening to another domain (or one's own): event to commands of this module. */
typedef struct bus_reaction {
    const bus_message *on;
    void (*react)(const bus_event *event, bus_reaction_out *out);
} bus_reaction;

void bus_react(bus_reaction_out *out, const bus_message *command, bus_id stream, const void *data);

/* What other rules (rates, prices) would have made of an event that stands in the log: for `shina
 * replay`. Pure, as all of a module. */
typedef struct bus_what_if {
    const bus_message *on;
    /* rules: the contract's generated what_if struct; what is left out stays as it was, so that
     * without any the same event comes out. state: of the stream, before the event. Emits the
     * event as it would have been: one, of the same type. */
    void (*compute)(const void *rules, const void *state, const bus_event *event,
                    bus_decision *out);
} bus_what_if;

typedef struct bus_module {
    const bus_contract  *contract;
    const bus_aggregate *aggregates;
    int                  aggregates_count;
    const bus_reaction  *reactions;
    int                  reactions_count;
    const bus_what_if   *what_ifs;
    int                  what_ifs_count;
} bus_module;

/* const bus_module inventory_module = BUS_MODULE(inventory, aggregates); */
#define BUS_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define BUS_MODULE(name, aggregate_table)                              \
    {                                                                  \
        .contract = &name##_contract, .aggregates = (aggregate_table), \
        .aggregates_count = BUS_COUNT(aggregate_table)                 \
    }
#define BUS_MODULE_WITH_REACTIONS(name, aggregate_table, reaction_table)               \
    {                                                                                  \
        .contract = &name##_contract, .aggregates = (aggregate_table),                 \
        .aggregates_count = BUS_COUNT(aggregate_table), .reactions = (reaction_table), \
        .reactions_count = BUS_COUNT(reaction_table)                                   \
    }

/* --- views --------------------------------------------------------------- */

/* project() folds one event into a row (the generated struct <view>_row, zero when new).
 * Strings may be borrowed from the event. A view with a key of its own has keys(), which
 * names the rows that an event touches; then project() runs once for each. */
typedef struct bus_view {
    const bus_view_contract *of;
    int                      view_version; /* raise when project() changes */
    void (*project)(void *row, const bus_event *event, bus_projection *out);
    void (*keys)(const bus_event *event, bus_projection *out);
    /* Of an analytic, in place of both (projections/stream/analytic.h); else NULL. */
    const struct bus_analytic *analytic;
} bus_view;

/* Within keys(): the row's id, at most BUS_ROW_KEYS_MAX per event. Within project() of a
 * keyed view bus_row_id() tells which one it is. */
#define BUS_ROW_KEYS_MAX 64
void   bus_row_key(bus_projection *out, bus_id id);
bus_id bus_row_id(const bus_projection *out);
/* The row goes away (a later event makes a new one). */
void bus_row_delete(bus_projection *out);
/* Room for one more item at the end of an array member of the row; zeroed.
 *   struct trip_row_stops *a = &row->stops; BUS_ROW_PUSH(out, a)->seq = 1; */
void *bus_row_push(bus_projection *out, void *items_pointer, uint32_t *count, uint32_t *capacity,
                   size_t item_bytes);
#define BUS_ROW_PUSH(out, array)                                                       \
    ((__typeof__((array)->items))bus_row_push((out), &(array)->items, &(array)->count, \
                                              &(array)->capacity, sizeof(*(array)->items)))
/* A formatted string that lives as long as the row. */
bus_str bus_row_printf(bus_projection *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
