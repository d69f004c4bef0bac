/* sends.h - the JSON that the kernel itself writes into the log: the `sends` column, durable
 * refusals, and the data of answers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_SENDS_H
#define BUS_RUNTIME_SENDS_H

#include "bus/base/arena.h"
#include "bus/base/error.h"
#include "bus/envelope/envelope.h"
#include "bus/envelope/record.h"
#include "bus/module/decision.h"
#include "bus/personal/personal.h"

/* One entry of the column: [{"to","stream","data","answer"}]. */
typedef struct {
    bus_str to; /* "drivers.reserve" */
    bus_id  stream;
    bus_str data;   /* JSON */
    bus_str answer; /* "assignment.driver_answered" or empty */
} bus_sent;

/* Those of the decided sends that event `nth` asked for; nothing is added if there are none. Their
 * data stands as it is: personal members are encrypted by then. */
void bus_sends_encode(const bus_decided_send *sends, int count, int nth, bus_buf *out);
BUS_CHECKED bus_code bus_sends_decode(bus_str text, bus_arena *arena, bus_sent **out, int *count,
                                      bus_error *err);

/* "<module>.command_refused.v1", the event of a durable refusal. */
#define BUS_REFUSED_EVENT "command_refused.v1"
bool bus_is_refused_event(bus_str type);

/* {"command","stream","origin","code","params","detail"} */
typedef struct {
    bus_str command;
    bus_id  stream;
    bus_str origin;
    bus_str code, params, detail;
} bus_refused;
void                 bus_refused_encode(const bus_refused *refused, bus_buf *out);
BUS_CHECKED bus_code bus_refused_decode(bus_str text, bus_arena *arena, bus_refused *out,
                                        bus_error *err);

/* The data of an answer command, made of the reply to a sent one. */
void bus_answer_encode(bus_str command, bus_id stream, const bus_reply *reply, bus_buf *out);
/* contracts: where the command and its events are found; their personal members are opened.
 * BUS_INVALID, and those of bus_personal_open. */
BUS_CHECKED bus_code bus_answer_decode(bus_str text, const bus_contract *const *contracts,
                                       int contracts_count, bus_personal *personal, bus_id tenant,
                                       bus_arena *arena, bus_answer *out, bus_error *err);

/* Finds over all contracts by full type; NULL: unknown. */
const bus_message *bus_find_command(const bus_contract *const *contracts, int count, bus_str type);
const bus_message *bus_find_event(const bus_contract *const *contracts, int count, bus_str type);

/* The refusal's text in English with its params filled in. */
bus_str bus_refusal_text(const bus_refusal *refusal, bus_str params, bus_arena *arena);

#endif
