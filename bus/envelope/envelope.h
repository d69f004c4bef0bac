/* envelope.h - the messages of the bus: commands and their answers.
 *
 * An envelope and all it points to is one heap block owned by its holder, so that it may
 * cross threads; hold/release count references. Immutable once sent.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_ENVELOPE_ENVELOPE_H
#define BUS_ENVELOPE_ENVELOPE_H

#include "bus/base/error.h"
#include "bus/base/id.h"
#include "bus/base/str.h"

#include <stdint.h>

/* Who asks: a user with a token, or shina itself (BUS_ROLE_SERVICE). */
typedef struct {
    bus_id   id;
    uint32_t roles, grants; /* bits of bus/contract/contract.h */
    bus_id   driver_id;     /* nil: not a driver */
} bus_actor;

/* Why a command came: what is derived from what. */
typedef enum {
    BUS_ORIGIN_CLIENT,   /* refusals leave nothing and are decided anew */
    BUS_ORIGIN_SEND,     /* refusals are durable */
    BUS_ORIGIN_REACTION, /* refusals are durable and land on the stuck list */
    BUS_ORIGIN_ANSWER,   /* the answer to a send */
    BUS_ORIGIN_WAKE      /* a timer fired */
} bus_origin;

/* All strings are borrowed in a value being built, owned in an envelope. */
typedef struct {
    bus_id     command_id;
    bus_str    type; /* "vehicles.register" */
    bus_id     tenant, stream;
    uint16_t   partition;
    bus_origin origin;
    bus_actor  actor;
    bus_id     correlation_id;   /* the W3C trace id, the same 16 bytes */
    bus_str    causation_id;     /* "<command_id>:<nth>" of the event that asked; may be empty */
    int64_t    expires_at_ms;    /* UTC; later it is answered EXPIRED, never carried out */
    int32_t    expected_version; /* If-Match; -1: any */
    int64_t    device_at_ms;     /* 0: not given */
    int64_t    due_at_ms;        /* WAKE: the due time of the timer that fired */
    bus_str    data;             /* JSON, canonical form of the contract */
} bus_command;

typedef enum {
    BUS_ANSWER_DONE,      /* committed (or accepted without events) */
    BUS_ANSWER_REFUSED,   /* code, params; status from the contract */
    BUS_ANSWER_INVALID,   /* data broke the contract: code INVALID, detail */
    BUS_ANSWER_EXPIRED,   /* came after expires_at_ms; or the store did not tell in time what became
                           * of it: the same id asked again meets it */
    BUS_ANSWER_NOT_OWNER, /* the partition is another's: read partitions again. Whether it was
                           * carried out before that is not said: the owner knows */
    BUS_ANSWER_BUSY,      /* queue full: try again later */
    BUS_ANSWER_FAILED     /* storage failed; not carried out; try again with the same id */
} bus_answer_status;

typedef struct {
    bus_id            command_id;
    bus_answer_status status;
    bool              repeated; /* the first answer, given again */
    bus_id            stream;
    int32_t           version;
    uint16_t          partition;
    int64_t           offset; /* of the command's last event; 0: it has none */
    bus_str           code;   /* refusal code */
    bus_str           params; /* JSON object of the refusal's params; may be empty */
    bus_str           detail; /* for people; INVALID and FAILED */
    bus_str           events; /* JSON array [{"type","data"}] of the command's events */
} bus_reply;

/* An owned, counted message: one of the two. */
typedef struct bus_envelope {
    enum { BUS_ENVELOPE_COMMAND, BUS_ENVELOPE_REPLY } kind;
    union {
        bus_command command;
        bus_reply   reply;
    };
    uint64_t ticket; /* the asker's; a transport carries it there and back */
    uint64_t route;  /* set by a transport on a request: the way back */
    int64_t  place;  /* set by a transport on a request: where it lay; never leaves the process */
} bus_envelope;

/* Deep copies into one owned block with one reference. */
bus_envelope *bus_envelope_of_command(const bus_command *command);
bus_envelope *bus_envelope_of_reply(const bus_reply *reply);
bus_envelope *bus_envelope_hold(bus_envelope *env);
void          bus_envelope_release(bus_envelope *env); /* accepts NULL */

/* Frame form for transports between processes: bytes (bus/envelope/wire.h), with ticket and
 * route. Decoding checks every length and range; BUS_INVALID names the member. */
void                 bus_envelope_encode(const bus_envelope *env, bus_buf *out);
BUS_CHECKED bus_code bus_envelope_decode(bus_str bytes, bus_envelope **out, bus_error *err);

/* Actor as stored in the log: {"id","roles":["ADMIN"],"grants":[],"driver_id"}. */
void                 bus_actor_encode(const bus_actor *actor, bus_buf *out);
BUS_CHECKED bus_code bus_actor_decode(bus_str text, bus_actor *out, bus_error *err);
/* Only the id; nil if there is none. Where it stands first, as bus_actor_encode writes it, the rest
 * is not looked at: who has to know that all is right calls bus_actor_decode. */
BUS_CHECKED bus_code bus_actor_id(bus_str text, bus_id *out, bus_error *err);

#endif
