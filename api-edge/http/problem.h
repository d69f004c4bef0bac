/* problem.h - errors as application/problem+json (RFC 9457), in English and Russian.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_PROBLEM_H
#define API_EDGE_HTTP_PROBLEM_H

#include "api-edge/http/request.h"

/* What the edge itself answers; the code is the constant's name without prefix. */
typedef enum {
    EDGE_UNAUTHENTICATED,
    EDGE_FORBIDDEN,
    EDGE_NOT_FOUND,
    EDGE_METHOD_NOT_ALLOWED,
    EDGE_UNSUPPORTED_MEDIA_TYPE,
    EDGE_BODY_TOO_LARGE,
    EDGE_URI_TOO_LONG,
    EDGE_INVALID,
    EDGE_BAD_REQUEST,
    EDGE_OVERLOADED,
    EDGE_UNAVAILABLE,
    EDGE_VIEW_BEHIND,
    EDGE_VIEW_REBUILDING,
    EDGE_QUERY_TIMEOUT,
    EDGE_TIMEOUT,
    EDGE_INTERNAL,
    EDGE_PROBLEMS
} edge_problem_kind;

/* detail: more than the kind's own text says, English; NULL: that text in the caller's
 * language. */
void edge_problem(edge_request *r, edge_problem_kind kind, const char *detail);
/* 405 with what is allowed there. */
void edge_problem_method(edge_request *r, const char *allow);
/* 422 with the places. */
void edge_problem_invalid(edge_request *r, const bus_problems *problems);
/* A refusal of a module, its text filled with params (a JSON object or empty). */
void edge_problem_refusal(edge_request *r, const bus_refusal *refusal, bus_str params);
/* A refusal that no contract here knows. */
void edge_problem_code(edge_request *r, int status, bus_str code, bus_str detail);

/* The text with {name} replaced by params.name; what is not there stays as it is. Pure. */
void edge_text_fill(const char *text, const json_t *params, bus_buf *out);

#endif
