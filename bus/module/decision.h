/* decision.h - what a decide, a reaction, a projection asked for, as the runtime reads it.
 * Modules do not include this; they use the functions of module.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_MODULE_DECISION_H
#define BUS_MODULE_DECISION_H

#include "bus/base/arena.h"
#include "bus/module/module.h"

#define BUS_CLAIMS_MAX 512 /* claims and releases of one decision */
#define BUS_SENDS_MAX 512  /* sends of one decision */
#define BUS_WAKES_MAX 16

typedef struct {
    const bus_message *type;
    void              *data; /* deep copy in the arena */
} bus_decided_event;

typedef struct {
    const char        *kind;
    bus_str            value;
    const bus_refusal *taken; /* NULL: release */
    bool               personal;
} bus_decided_claim;

typedef struct {
    int                event; /* index of the event that asked */
    const bus_message *command;
    bus_id             stream;
    bus_str            data;   /* canonical JSON */
    const bus_message *answer; /* NULL: none */
} bus_decided_send;

typedef struct {
    const bus_message *command;
    int64_t            at_ms; /* 0: cancel */
} bus_decided_wake;

/* Everything lies in the arena. Start with bus_decision_begin. */
struct bus_decision {
    bus_arena         *arena;
    bus_decided_event  events[BUS_EVENTS_MAX];
    int                events_count;
    const bus_refusal *refusal; /* set: refused, the rest is to be ignored */
    bus_str            params;  /* JSON object of the refusal, or empty */
    bus_decided_claim *claims;
    int                claims_count, claims_room;
    bus_decided_send  *sends;
    int                sends_count, sends_room;
    bus_decided_wake   wakes[BUS_WAKES_MAX];
    int                wakes_count;
};

void bus_decision_begin(bus_decision *decision, bus_arena *arena);

typedef struct {
    const bus_message *command;
    bus_id             stream;
    bus_str            data; /* canonical JSON */
} bus_reacted_command;

#define BUS_REACTIONS_MAX 256 /* commands of one reaction to one event */

struct bus_reaction_out {
    bus_arena           *arena;
    bus_reacted_command *commands;
    int                  commands_count, commands_room;
};

struct bus_projection {
    bus_arena *arena;
    bus_id     row; /* the row being projected */
    bool       removed;
    bus_id     keys[BUS_ROW_KEYS_MAX]; /* out of keys() */
    int        keys_count;
};

/* The aggregate's tagged union { kind; union } around one message's struct, in the arena. A
 * command with by: "answer" takes a bus_answer. */
void *bus_tagged(bus_arena *arena, const bus_message *message, const void *data);

#endif
