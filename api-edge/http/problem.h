/* problem.h - errors as application/problem+json (RFC 9457), in English and Russian.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_PROBLEM_H
#define API_EDGE_HTTP_PROBLEM_H

#include "api-edge/http/request.h"

/* What the edge itself answers; the code is the constant's name without prefix. */
typedef enum {
    EDGE_UNAUTHENTICATED,
    EDGE_AUTH_FAILED,
    EDGE_TOTP_NEEDED,
    EDGE_FORBIDDEN,
    EDGE_TENANT_SUSPENDED,
    EDGE_BAD_SIGNATURE,
    EDGE_NOT_FOUND,
    EDGE_METHOD_NOT_ALLOWED,
    EDGE_UNSUPPORTED_MEDIA_TYPE,
    EDGE_BODY_TOO_LARGE,
    EDGE_URI_TOO_LONG,
    EDGE_INVALID,
    EDGE_BAD_REQUEST,
    EDGE_RATE_LIMITED,
    EDGE_OVERLOADED,
    EDGE_UNAVAILABLE,
    EDGE_VIEW_BEHIND,
    EDGE_VIEW_REBUILDING,
    EDGE_QUERY_TIMEOUT,
    EDGE_TIMEOUT,
    EDGE_LOGIN_TIMEOUT,
    EDGE_AS_OF_TIMEOUT,
    EDGE_HISTORY_TOO_LONG,
    EDGE_HISTORY_ARCHIVED,
    EDGE_INTERNAL,
    EDGE_PROBLEMS
} edge_problem_kind;

/* What is wrong, before it is written. The first that is set counts. */
typedef struct {
    const bus_problems *problems; /* 422 with the places ... */
    const char         *below;    /* ... all of which lie below this pointer; NULL: "" */
    const bus_refusal  *refusal;  /* of a module or the kernel, its text filled with params, */
    bus_str             params;   /* a JSON object, or empty */
    bus_str             code;     /* a refusal that no contract here knows, */
    int                 status;   /* with its status */
    bus_str             text;     /* and what it says */
    edge_problem_kind   kind;     /* else */
    const char         *detail;   /* more than the kind's own text says, English; NULL: that text
                                   * in the caller's language */
} edge_trouble;

/* Adds the members of the document, without its braces, in the caller's language. Returns the
 * status. */
int edge_trouble_write(const edge_request *r, const edge_trouble *trouble, bus_buf *out);
/* Its code. */
bus_str edge_trouble_code(const edge_trouble *trouble);
/* Answers with it. */
void edge_trouble_answer(edge_request *r, const edge_trouble *trouble);

/* Answers with a problem of the edge's own; detail as above. */
void edge_problem(edge_request *r, edge_problem_kind kind, const char *detail);
/* 405 with what is allowed there. */
void edge_problem_method(edge_request *r, const char *allow);
/* 422 with the places. */
void edge_problem_invalid(edge_request *r, const bus_problems *problems);
/* A refusal that no contract here knows. */
void edge_problem_code(edge_request *r, int status, bus_str code, bus_str detail);

/* The text with {name} replaced by params.name; what is not there stays as it is. Pure. */
void edge_text_fill(const char *text, const json_t *params, bus_buf *out);

#endif
