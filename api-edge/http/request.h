/* request.h - one HTTP request on its way, and how it is answered. Internal.
 * Everything a request needs lies in its arena, its buffers or its database result; all of it
 * lives until libmicrohttpd has sent the answer.
 * Threads: its loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_REQUEST_H
#define API_EDGE_HTTP_REQUEST_H

#include "api-edge/http/header.h"
#include "api-edge/http/loop.h"
#include "bus/contract/codec.h"

typedef struct edge_command     edge_command;
typedef struct edge_command_end edge_command_end; /* http/command.h */

/* A command on its way (http/command.h), in the memory of who asks, until done() was called. */
struct edge_command {
    const edge_route *route; /* of the command */
    bus_command       value; /* its strings are borrowed */
    bool              is_new;
    void (*done)(edge_command *command, const edge_command_end *end);
    void                  *context;
    const bus_master_keys *masters;
    bus_str  made; /* a secret that the edge has made: told in the answer, and never again */
    uint32_t slot; /* private: in the table of commands in flight */
};

/* A query on its way: query/. */
typedef struct {
    edge_db_query query;
    int           limit;    /* LIST */
    uint64_t      binding;  /* LIST: what a cursor is bound to */
    uint32_t masking_roles; /* that decide what is masked, with the caller's grants; 0: sees all */
    const char *if_none_match;
    /* X-After */
    edge_position        after;
    bool                 waits;
    int64_t              wait_until_us;
    struct edge_request *next_waiting;
    edge_db_query        check;
    bool                 checking;
} edge_query_work;

/* What the audit is told of a request, beside route, caller and status (audit/audit.h). */
typedef struct {
    bus_id      tenant, actor; /* of one without a token: whom it names; nil: nobody */
    bus_id      entity;        /* that it is about; nil: several, or none */
    const char *code;          /* of the problem it was answered with, or NULL */
    const char *type;          /* what was read; NULL: the route tells */
    int         rows;          /* that were shown */
    bool        personal;      /* personal data was shown */
    bool        done;          /* it is noted already, or is not to be */
} edge_audit_facts;

/* What RateLimit tells: limits/limits.h. quota 0: nothing. */
typedef struct {
    edge_limit_kind kind;
    int             quota, left, reset_s;
    bool            refused;
} edge_request_limit;

struct edge_request {
    edge_loop             *loop;
    struct MHD_Connection *connection;
    edge_request          *newer, *older; /* in the list of suspended ones, or of free ones */
    const edge_route      *route;
    edge_class class;
    const char          *path;
    bus_str              parameter; /* what stood for {id} */
    edge_caller          caller;
    edge_language        language;
    edge_trace           trace;
    int64_t              started_us;
    size_t               uri_bytes, dropped_bytes;
    bool                 begun, head, suspended, was_suspended, answered, too_large;
    bool                 misframed; /* where it ends is unclear */
    bool                 nul_in_path, space_in_address, ends_connection;
    bool                 ingests;         /* is counted in loop->ingests */
    bool                 held_place;      /* is counted in its network: http/connection.h */
    bool                 session_checked; /* login/session.h */
    edge_request_limit   limit;
    int                  status;
    bool                 flows;        /* its answer has no end that we know */
    uint64_t             answer_bytes; /* else */
    struct MHD_Response *held;         /* made, waits until the handler may queue it */
    bus_arena            arena;
    bus_buf              body, out;
    PGresult            *result; /* lent to the answer */
    struct edge_feed    *feed;   /* what it is answered by, or NULL */
    edge_audit_facts     audit;
    union {
        edge_command       command;
        struct edge_batch *batch; /* http/batch.c */
        struct edge_push  *push;  /* ingest/ingest.c */
        edge_query_work    query;
    };
};

/* Header of the request or NULL. */
const char *edge_request_header(const edge_request *r, const char *name);

/* From now on the request is answered later; its handler returns. */
void edge_request_suspend(edge_request *r);
/* The other way out of it, without an answer: its handler is called again. */
void edge_request_go_on(edge_request *r);

typedef struct {
    int         status;
    const char *content_type; /* NULL: application/json */
    bus_str     body;         /* borrowed until sent: of r->out, r->result or constant */
    int32_t     version;      /* ETag, with has_version */
    bool        has_version, repeated;
    const char *location, *allow, *policy; /* policy: Content-Security-Policy */
    const char *cache;                     /* Cache-Control; NULL: no-store */
    int         retry_after_s;             /* 0: none */
    int         fd;                        /* body is this file of fd_bytes, taken over; 0: none */
    uint64_t    fd_bytes;
    const char *cursor, *link; /* X-Cursor, Link */
    const char *cookie;        /* Set-Cookie */
    /* A response made elsewhere, taken over, in place of a body; with what a WebSocket's handshake
     * answers. */
    struct MHD_Response *response;
    const char          *socket_accept, *socket_protocol;
} edge_reply;

/* Answers: exactly once per request. */
void edge_answer(edge_request *r, const edge_reply *reply);

#endif
