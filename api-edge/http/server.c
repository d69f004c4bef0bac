/* server.c - libmicrohttpd on a uv loop: connections, requests, turns.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/admin/admin.h"
#include "api-edge/admin/redis.h"
#include "api-edge/audit/audit.h"
#include "api-edge/http/command.h"
#include "api-edge/http/connection.h"
#include "api-edge/http/head.h"
#include "api-edge/http/metrics.h"
#include "api-edge/http/problem.h"
#include "api-edge/ingest/ingest.h"
#include "api-edge/ingest/rate.h"
#include "api-edge/limits/limits.h"
#include "api-edge/live/feed.h"
#include "api-edge/live/progress.h"
#include "api-edge/login/login.h"
#include "api-edge/login/session.h"
#include "api-edge/query/as_of.h"
#include "bus/base/failpoint.h"
#include "bus/base/thread.h"
#include "bus/log/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define URI_BYTES_MAX 4096
#define CONNECTION_BYTES ((size_t)32 * 1024)      /* headers in, headers out, of one connection */
#define URI_MEMORY_MAX (CONNECTION_BYTES * 3 / 8) /* an address and its parameters, parsed */
#define PARAMETER_BYTES 64                        /* that libmicrohttpd takes for each, at least */
#define FREE_REQUESTS_MAX 512
#define KEEP_BUFFER_BYTES ((size_t)64 * 1024) /* a larger one is not kept for the next request */
/* With TLS 1.2, too, only forward secrecy and authenticated encryption (RFC 9325). */
#define TLS_PRIORITIES                                                                        \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:" \
    "+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD"
#define DISCARD_FACTOR 4 /* so many times the allowed body is read and dropped, for a clean 413 */

void
edge_loop_random(edge_loop *loop, void *out, int count)
{
    const bus_clock *clock = loop->e->options.clock;

    if (loop->random_used + count > EDGE_RANDOM_BYTES) {
        clock->random(clock->context, loop->random, sizeof(loop->random));
        loop->random_used = 0;
    }
    memcpy(out, loop->random + loop->random_used, (size_t)count);
    loop->random_used += count;
}

/* --- requests ------------------------------------------------------------ */

static edge_request *
new_request(edge_loop *loop)
{
    edge_request *r = loop->free_requests;

    if (r != NULL) {
        loop->free_requests = r->newer;
        loop->free_count--;
    } else {
        r = calloc(1, sizeof(*r));
        if (r == NULL)
            abort();
    }
    r->loop = loop;
    loop->busy++;
    return r;
}

static void
destroy_request(edge_request *r)
{
    bus_arena_fini(&r->arena);
    bus_buf_fini(&r->body);
    bus_buf_fini(&r->out);
    free(r);
}

/* Back to zero, but for the memory that is worth keeping. */
static void
free_request(edge_request *r)
{
    edge_loop *loop = r->loop;
    bus_arena  arena;
    bus_buf    body = r->body, out = r->out;

    edge_feed_leave(r->feed);
    PQclear(r->result);
    edge_connection_let_go(r);
    loop->busy--;
    loop->ingests -= r->ingests;
    if (loop->free_count >= FREE_REQUESTS_MAX) {
        destroy_request(r);
        return;
    }
    bus_arena_reset(&r->arena);
    if (body.capacity > KEEP_BUFFER_BYTES)
        bus_buf_fini(&body);
    if (out.capacity > KEEP_BUFFER_BYTES)
        bus_buf_fini(&out);
    bus_buf_reset(&body);
    bus_buf_reset(&out);
    arena = r->arena;
    *r = (edge_request){.arena = arena, .body = body, .out = out};
    r->newer = loop->free_requests;
    loop->free_requests = r;
    loop->free_count++;
}

const char *
edge_request_header(const edge_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

void
edge_request_suspend(edge_request *r)
{
    edge_loop *loop = r->loop;

    BUS_INVARIANT(!r->suspended && !r->answered);
    MHD_suspend_connection(r->connection);
    r->suspended = r->was_suspended = true;
    r->newer = NULL;
    r->older = loop->suspended;
    if (r->older != NULL)
        r->older->newer = r;
    loop->suspended = r;
}

static void
unlink_suspended(edge_request *r)
{
    if (r->newer != NULL)
        r->newer->older = r->older;
    else
        r->loop->suspended = r->older;
    if (r->older != NULL)
        r->older->newer = r->newer;
    r->newer = r->older = NULL;
}

void
edge_request_go_on(edge_request *r)
{
    BUS_INVARIANT(r->suspended && !r->answered);
    unlink_suspended(r);
    r->suspended = r->was_suspended = false;
    MHD_resume_connection(r->connection);
    r->loop->http_due = true;
}

static void
add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        bus_log_warn("edge.header_refused", BUS_KV("header", name));
}

static void
add_number(struct MHD_Response *response, const char *name, const char *format, int number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), format, number);
    add_header(response, name, text);
}

static void
add_feed_headers(struct MHD_Response *response, const edge_reply *reply)
{
    if (reply->cursor != NULL)
        add_header(response, "X-Cursor", reply->cursor);
    if (reply->link != NULL)
        add_header(response, "Link", reply->link);
    if (reply->socket_accept != NULL) {
        add_header(response, "Upgrade", "websocket");
        add_header(response, "Sec-WebSocket-Accept", reply->socket_accept);
    }
    if (reply->socket_protocol != NULL)
        add_header(response, "Sec-WebSocket-Protocol", reply->socket_protocol);
}

static void
start_trace(edge_request *r)
{
    edge_loop_random(r->loop, r->trace.trace_id.bytes, 16);
    r->trace.flags = 0;
}

static void
format_traceparent(const edge_request *r, char out[EDGE_TRACEPARENT_BYTES])
{
    uint8_t span[8];

    edge_loop_random(r->loop, span, sizeof(span));
    edge_trace_format(&r->trace, span, out);
}

static void
add_limit(const edge_request *r, struct MHD_Response *response)
{
    char policy[64], limit[64];

    if (!edge_limits_headers(r, policy, limit))
        return;
    add_header(response, "RateLimit-Policy", policy);
    add_header(response, "RateLimit", limit);
}

/* Scripts of other origins: only those that are named, and never with cookies. */
static bool
allows_origin(const edge *e, const char *origin)
{
    const char *at = e->options.cors_origins;
    size_t      len = strlen(origin);

    while (at != NULL && len > 0) {
        size_t next = strcspn(at, ",");

        if (next == len && strncmp(at, origin, len) == 0)
            return true;
        at = at[next] == ',' ? at + next + 1 : NULL;
    }
    return false;
}

static void
add_cors(const edge_request *r, struct MHD_Response *response)
{
    const char *origin;

    if (r->loop->e->options.cors_origins == NULL)
        return;
    add_header(response, "Vary", "Origin");
    origin = edge_request_header(r, "Origin");
    if (origin == NULL || !allows_origin(r->loop->e, origin))
        return;
    add_header(response, "Access-Control-Allow-Origin", origin);
    add_header(response, "Access-Control-Expose-Headers",
               "ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, traceparent, "
               "Idempotency-Replayed, X-Cursor");
    if (edge_request_header(r, "Access-Control-Request-Method") == NULL)
        return;
    add_header(response, "Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
    add_header(response, "Access-Control-Allow-Headers",
               "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-After, "
               "X-Device-At, Accept-Language, traceparent, Last-Event-ID");
    add_header(response, "Access-Control-Max-Age", "600");
}

static void
add_headers(edge_request *r, struct MHD_Response *response, const edge_reply *reply)
{
    char traceparent[EDGE_TRACEPARENT_BYTES];

    if (reply->status != 101 && reply->status != 204 && reply->status != 304)
        add_header(response, "Content-Type",
                   reply->content_type == NULL ? "application/json" : reply->content_type);
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Referrer-Policy", "no-referrer");
    add_header(response, "X-Frame-Options", "DENY");
    if (r->loop->e->options.tls_certificate != NULL)
        add_header(response, "Strict-Transport-Security", "max-age=31536000");
    add_cors(r, response);
    add_header(response, "Cache-Control", reply->cache == NULL ? "no-store" : reply->cache);
    format_traceparent(r, traceparent);
    add_header(response, "traceparent", traceparent);
    if (reply->has_version)
        add_number(response, "ETag", "\"%d\"", reply->version);
    if (reply->location != NULL)
        add_header(response, "Location", reply->location);
    if (reply->allow != NULL)
        add_header(response, "Allow", reply->allow);
    if (reply->policy != NULL)
        add_header(response, "Content-Security-Policy", reply->policy);
    if (reply->cookie != NULL)
        add_header(response, "Set-Cookie", reply->cookie);
    if (r->limit.refused)
        add_number(response, "Retry-After", "%d", r->limit.reset_s);
    else if (reply->retry_after_s > 0)
        add_number(response, "Retry-After", "%d", reply->retry_after_s);
    add_limit(r, response);
    if (reply->repeated)
        add_header(response, "Idempotency-Replayed", "true");
    if (reply->status == 401)
        add_header(response, "WWW-Authenticate", "Bearer realm=\"shina\"");
    if ((r->loop->stopping || r->too_large || r->misframed || r->ends_connection) &&
        reply->status != 101)
        add_header(response, "Connection", "close");
    add_feed_headers(response, reply);
}

static struct MHD_Response *
response_of(const edge_reply *reply)
{
    union {
        const void *in;
        void       *out;
    } bytes = {.in = reply->body.at}; /* libmicrohttpd only reads, its type does not say so */

    if (reply->response != NULL)
        return reply->response;
    if (reply->fd > 0)
        return MHD_create_response_from_fd64(reply->fd_bytes, reply->fd);
    return MHD_create_response_from_buffer(reply->body.len, bytes.out, MHD_RESPMEM_PERSISTENT);
}

void
edge_answer(edge_request *r, const edge_reply *reply)
{
    struct MHD_Response *response = response_of(reply);

    BUS_INVARIANT(response != NULL && !r->answered);
    add_headers(r, response, reply);
    r->answered = true;
    r->status = reply->status;
    r->flows = reply->response != NULL;
    r->answer_bytes = reply->fd > 0 ? reply->fd_bytes : reply->body.len;
    edge_metrics_request(r->class, reply->status,
                         bus_mono_us(r->loop->e->options.clock) - r->started_us);
    edge_audit_answered(r);
    if (r->suspended) {
        /* Its handler runs once more after the resume and queues it then. */
        unlink_suspended(r);
        r->suspended = false;
        r->held = response;
        MHD_resume_connection(r->connection);
        r->loop->http_due = true;
        return;
    }
    r->held = response;
}

/* --- routing ------------------------------------------------------------- */

static void
allowed_methods(const edge_match *match, char out[64])
{
    size_t len = 0;

    for (int i = 0; i < EDGE_METHODS; i++)
        if (match->targets[i] != NULL)
            len +=
                (size_t)snprintf(out + len, 64 - len, "%s%s%s", len == 0 ? "" : ", ",
                                 edge_method_name((edge_method)i), i == EDGE_GET ? ", HEAD" : "");
    (void)snprintf(out + len, 64 - len, ", OPTIONS");
}

/* Where no route is; whoever asks, it is the address that pays, but for OPTIONS, which browsers
 * send before each request to another origin. match: of the path, or NULL. */
static void
answer_without_route(edge_request *r, const char *method, const edge_match *match)
{
    const bool is_options = strcmp(method, "OPTIONS") == 0;
    char       allow[64];

    if (!(is_options && match != NULL) && !edge_limits_take_anonymous(r))
        return;
    if (strcmp(r->path, "/") == 0 || strcmp(r->path, "/docs/") == 0) {
        edge_answer(r, &(edge_reply){.status = 308, .location = "/docs"});
    } else if (match == NULL) {
        edge_problem(r, EDGE_NOT_FOUND, NULL);
    } else {
        allowed_methods(match, allow);
        if (is_options)
            edge_answer(r, &(edge_reply){.status = 204, .allow = allow});
        else
            edge_problem_method(r, allow);
    }
}

/* Finds the route; false: answered. */
static bool
find_route(edge_request *r, const char *method)
{
    edge_match  match;
    edge_method parsed;

    if (r->nul_in_path || !edge_router_find(r->loop->e->router, r->path, &match)) {
        answer_without_route(r, method, NULL);
        return false;
    }
    r->parameter = match.parameter;
    if (edge_method_parse(method, &parsed) && match.targets[parsed] != NULL) {
        r->route = match.targets[parsed];
        r->class = r->route->class;
        r->head = strcmp(method, "HEAD") == 0;
        return true;
    }
    answer_without_route(r, method, &match);
    return false;
}

/* Who tries tokens is nobody's user. False, always. */
static bool
refuse_token(edge_request *r, const char *detail)
{
    if (edge_limits_take_anonymous(r))
        edge_problem(r, EDGE_UNAUTHENTICATED, detail);
    return false;
}

/* Who calls? False: answered 401, 403 or 429. */
static bool
authenticate(edge_request *r)
{
    const char *header = edge_request_header(r, "Authorization"), *token = NULL;
    bus_error   err;

    if (header == NULL)
        token = edge_feed_bearer(r);
    else if (strncasecmp(header, "Bearer ", 7) == 0)
        token = header + 7 + strspn(header + 7, " ");
    if (token == NULL)
        return refuse_token(r, NULL);
    if (edge_token_cache_verify(r->loop->tokens, token, r->loop->now_ms / 1000, &r->caller, &err) !=
        BUS_OK)
        return refuse_token(r, err.text);
    if (bus_id_is_nil(r->caller.session) && r->loop->e->options.operator_tokens_refused)
        return refuse_token(r, "The token is of no session.");
    /* Whose session is over spends nothing of its user's; that it is the session check answers. */
    if (edge_session_was_denied(r) ? !edge_limits_take_anonymous(r) : !edge_limits_take(r))
        return false;
    if (r->route->rule == EDGE_RULE_OFFICE &&
        (r->caller.actor.roles & (BUS_ROLE_ADMIN | BUS_ROLE_DISPATCHER)) == 0) {
        edge_problem(r, EDGE_FORBIDDEN, NULL);
        return false;
    }
    return true;
}

/* A body over the bound. True: answered before it comes, and the connection is closed after that:
 * the client waits for our word (Expect), or has more to send than we are willing to drop. Else it
 * is read to its end first: closing while the client still writes would reset the connection and
 * with it our answer. */
static bool
announces_too_much(edge_request *r)
{
    const char *length = edge_request_header(r, "Content-Length");
    int64_t     room = r->loop->e->options.body_bytes_max, bytes;

    if (length == NULL)
        return false;
    if (!edge_int_parse(bus_str_of(length), &bytes))
        bytes = INT64_MAX; /* libmicrohttpd has seen that it is a number */
    if (bytes <= room)
        return false;
    r->too_large = true;
    if (edge_request_header(r, "Expect") == NULL && bytes <= room * DISCARD_FACTOR)
        return false;
    edge_problem(r, EDGE_BODY_TOO_LARGE, NULL);
    return true;
}

/* False: answered. */
static bool
check_head(edge_request *r, const char *version)
{
    edge_head_faults faults = edge_head_check(r->connection, version);

    if (r->space_in_address)
        faults.framing = "The address has a space.";
    if (faults.framing != NULL) {
        r->misframed = true;
        edge_problem(r, EDGE_BAD_REQUEST, faults.framing);
    } else if (faults.twice != NULL) {
        edge_problem(r, EDGE_BAD_REQUEST, faults.twice);
    }
    return !r->answered;
}

/* False: answered. A packed body would be told that it is no JSON, which it may well be. */
static bool
check_coding(edge_request *r)
{
    const char *coding = edge_request_header(r, "Content-Encoding");

    if (coding == NULL || coding[0] == '\0' || strcasecmp(coding, "identity") == 0)
        return true;
    edge_problem(r, EDGE_UNSUPPORTED_MEDIA_TYPE, "The body must have no Content-Encoding.");
    return false;
}

/* Asked by machines that look after this one. */
static bool
is_probe(const edge_request *r)
{
    return r->route->handle == edge_healthz_handle || r->route->handle == edge_readyz_handle ||
           r->route->handle == edge_metrics_handle;
}

/* Headers are there, the body is not. False: answered. */
static bool
begin_request(edge_request *r, const char *path, const char *method, const char *version)
{
    edge_loop *loop = r->loop;

    r->path = edge_path_of_target(path);
    r->class = EDGE_CLASS_NONE;
    r->language = edge_language_of(edge_request_header(r, "Accept-Language"));
    if (!edge_trace_parse(edge_request_header(r, "traceparent"), &r->trace))
        start_trace(r);
    if (!check_head(r, version) || announces_too_much(r))
        return false;
    if (r->uri_bytes > URI_BYTES_MAX) {
        edge_problem(r, EDGE_URI_TOO_LONG, NULL);
        return false;
    }
    if (!find_route(r, method) || !check_coding(r))
        return false;
    if (r->route->rule != EDGE_RULE_OPEN) {
        if (loop->stopping || edge_connection_of(r->connection)->over) {
            r->ends_connection = true; /* makes room */
            edge_problem(r, EDGE_OVERLOADED, NULL);
            return false;
        }
        if (edge_audit_is_full(loop->audit)) { /* what cannot be noted is not done */
            r->audit.done = true;
            edge_problem(r, EDGE_OVERLOADED, NULL);
            return false;
        }
        if (r->route->rule == EDGE_RULE_SIGNED)
            return edge_ingest_begin(r);
        return r->route->rule == EDGE_RULE_ANONYMOUS || authenticate(r);
    }
    return is_probe(r) || edge_limits_take_anonymous(r);
}

static enum MHD_Result
queue_held(edge_request *r)
{
    enum MHD_Result queued = MHD_queue_response(r->connection, (unsigned)r->status, r->held);

    if (!r->flows)
        edge_connection_writes(edge_connection_of(r->connection), r->answer_bytes);
    MHD_destroy_response(r->held);
    r->held = NULL;
    return queued;
}

/* Some of the body. MHD_NO: far too much of it, the connection goes. */
static enum MHD_Result
take_body(edge_request *r, const char *data, size_t *bytes)
{
    const edge_options *o = &r->loop->e->options;
    size_t              room = (size_t)(r->ingests ? o->ingest_bytes_max : o->body_bytes_max);

    if (r->body.len + *bytes > room)
        r->too_large = true;
    if (r->too_large || r->answered) {
        r->dropped_bytes += *bytes;
        if (r->dropped_bytes > room * DISCARD_FACTOR)
            return MHD_NO;
    } else {
        bus_buf_add(&r->body, data, *bytes);
    }
    *bytes = 0;
    return MHD_YES;
}

/* libmicrohttpd calls this when the headers are there, for each piece of the body, at its end,
 * and again after a resume. */
static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *upload_data, size_t *upload_data_size, void **slot)
{
    edge_request *r = *slot;

    (void)context;
    if (!r->begun) {
        r->begun = true;
        edge_connection_of(connection)->unhandled = NULL;
        edge_connection_reads_body(edge_connection_of(connection));
        r->connection = connection;
        /* What is answered before its body is read closes the connection; a refused body is read
         * to its end, within bounds, so that the client gets to see the answer. */
        if (!begin_request(r, url, method, version) && (r->too_large || r->misframed))
            return queue_held(r);
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        edge_connection_of(connection)->bytes += *upload_data_size;
        return take_body(r, upload_data, upload_data_size);
    }
    edge_connection_works(edge_connection_of(connection));
    if (r->held != NULL)
        return queue_held(r);
    if (r->too_large)
        edge_problem(r, EDGE_BODY_TOO_LARGE, NULL);
    else if (edge_session_check(r))
        r->route->handle(r);
    /* What was suspended comes back here after its resume, even if it is answered already. */
    return r->held != NULL && !r->was_suspended ? queue_held(r) : MHD_YES;
}

/* A path with an encoded NUL, which would seem to end there once it is decoded. */
static bool
has_nul(const char *path, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++)
        if (memcmp(path + i, "%00", 3) == 0)
            return true;
    return false;
}

/* The one answer that does not go through libmicrohttpd. It parses the parameters next, and when it
 * has no memory for all of them it leaves the connection hanging, unanswered. Earlier answers are
 * out by now: the requests of a connection are taken one after another. No header is read yet, so
 * the trace is a new one and the language English. */
static void
refuse_address(edge_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    bus_buf body = {0}, answer = {0};
    char    traceparent[EDGE_TRACEPARENT_BYTES];

    start_trace(r);
    format_traceparent(r, traceparent);
    bus_buf_add_char(&body, '{');
    (void)edge_trouble_write(r,
                             &(edge_trouble){.kind = EDGE_URI_TOO_LONG,
                                             .detail = "The address has too many parameters."},
                             &body);
    bus_buf_add_char(&body, '}');
    bus_buf_printf(&answer,
                   "HTTP/1.1 414 URI Too Long\r\nContent-Type: application/problem+json\r\n"
                   "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
                   "traceparent: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                   traceparent, body.len, body.at);
    if (r->loop->e->options.tls_certificate == NULL) /* else it would not be understood */
        (void)send(info->connect_fd, answer.at, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(info->connect_fd, SHUT_RDWR);
    bus_buf_fini(&answer);
    bus_buf_fini(&body);
}

static size_t
parsed_bytes(const char *uri)
{
    size_t bytes = strlen(uri);

    for (const char *at = strchr(uri, '?'); at != NULL; at = strchr(at + 1, '&'))
        bytes += PARAMETER_BYTES;
    return bytes;
}

static void *
on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    edge_request *r = new_request(context);

    edge_connection_of(connection)->unhandled = r;
    r->connection = connection;
    r->started_us = bus_mono_us(r->loop->e->options.clock);
    r->uri_bytes = strlen(uri);
    r->space_in_address = strchr(uri, ' ') != NULL;
    r->nul_in_path = has_nul(uri, strcspn(uri, "?"));
    if (parsed_bytes(uri) > URI_MEMORY_MAX) {
        refuse_address(r);
        r->uri_bytes = SIZE_MAX; /* in case that it gets as far as a handler */
    }
    return r;
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **slot,
             enum MHD_RequestTerminationCode code)
{
    edge_request *r = *slot;

    (void)context;
    (void)code;
    if (r == NULL)
        return;
    edge_connection_of(connection)->unhandled = NULL; /* libmicrohttpd may answer by itself, too */
    edge_connection_reads_head(edge_connection_of(connection));
    BUS_INVARIANT(!r->suspended);
    if (r->held != NULL)
        MHD_destroy_response(r->held);
    free_request(r);
    *slot = NULL;
}

/* Over the bounds a new connection is closed at once: libmicrohttpd's own limit would leave it
 * waiting, accepted by nobody. */
static enum MHD_Result
on_accept(void *context, const struct sockaddr *address, socklen_t address_bytes)
{
    (void)address_bytes;
    return edge_connection_may_come(context, address) ? MHD_YES : MHD_NO;
}

static void
on_connection(void *context, struct MHD_Connection *connection, void **slot,
              enum MHD_ConnectionNotificationCode code)
{
    edge_loop       *loop = context;
    edge_connection *kept = *slot;
    int              change = code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = edge_connection_open(loop, connection);
    } else {
        if (kept->unhandled != NULL)
            free_request(kept->unhandled);
        edge_connection_close(kept);
        *slot = NULL;
    }
    loop->connections += change;
    edge_metrics_connections(change);
}

static void
on_http_log(void *context, const char *format, va_list args)
{
    char text[200];

    (void)context;
    (void)vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    bus_log_debug("edge.http", BUS_KV("text", text));
}

/* --- turns --------------------------------------------------------------- */

static void
on_http_ready(uv_poll_t *poll, int status, int events)
{
    edge_loop *loop = poll->data;

    (void)status;
    (void)events;
    loop->http_due = true;
}

static void
on_http_timer(uv_timer_t *timer)
{
    edge_loop *loop = timer->data;

    loop->http_due = true;
}

/* Lets libmicrohttpd do what it can, and arms the timer for what it cannot yet. */
static void
run_http(edge_loop *loop)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    bool                   due = loop->http_due;

    loop->http_due = false;
    if (due && MHD_run(loop->daemon) != MHD_YES)
        bus_log_error("edge.http_run_failed", BUS_KV_INT("loop", loop->number));
    if (MHD_get_timeout(loop->daemon, &timeout_ms) != MHD_YES)
        timeout_ms = UINT64_MAX;
    if (timeout_ms == 0 || loop->http_due) {
        loop->http_due = true;
        (void)uv_timer_start(&loop->http_timer, on_http_timer, 0, 0);
    } else if (timeout_ms == UINT64_MAX) {
        (void)uv_timer_stop(&loop->http_timer);
    } else if (!uv_is_active((uv_handle_t *)&loop->http_timer) ||
               uv_timer_get_due_in(&loop->http_timer) > timeout_ms) {
        (void)uv_timer_start(&loop->http_timer, on_http_timer, timeout_ms, 0);
    }
}

static void finish_stop(edge_loop *loop);

static void
on_prepare(uv_prepare_t *prepare)
{
    edge_loop *loop = prepare->data;

    loop->now_ms = bus_now_ms(loop->e->options.clock);
    run_http(loop);
    edge_metrics_queries(edge_db_waiting(loop->items) + edge_db_waiting(loop->lists));
    edge_db_flush(loop->items);
    edge_db_flush(loop->lists);
    edge_db_flush(loop->control);
    edge_feeds_flush(loop->feeds);
    edge_history_flush(loop->history);
    edge_audit_flush(loop->audit);
    if (loop->stopping)
        finish_stop(loop);
}

/* --- stopping ------------------------------------------------------------ */

/* Fails what waits for the database, the bus or a view; each answers its request. */
static void
abandon(edge_loop *loop)
{
    edge_sessions_abandon(loop->sessions);
    edge_redis_abandon(loop->redis);
    edge_db_close(loop->items);
    edge_db_close(loop->lists);
    edge_db_close(loop->control);
    edge_feeds_abandon(loop->feeds);
    edge_history_abandon(loop->history);
    edge_commands_abandon(loop->commands);
    edge_logins_abandon(loop->logins);
    edge_progress_abandon(loop->progress);
    edge_audit_abandon(loop->audit); /* last: all are answered */
}

static void
close_handles(edge_loop *loop)
{
    edge_commands_close(loop->commands); /* from here on nobody wakes us */
    edge_progress_close(loop->progress);
    edge_redis_close(loop->redis);
    edge_limits_close(loop->limits);
    edge_sessions_close(loop->sessions);
    edge_feeds_close(loop->feeds);
    edge_audit_close(loop->audit);
    uv_close((uv_handle_t *)&loop->http_timer, NULL);
    uv_close((uv_handle_t *)&loop->stop_timer, NULL);
    edge_connections_end(loop);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
}

/* Before the daemon, whose epoll it watches. */
static void
close_daemon(edge_loop *loop)
{
    if (loop->http_poll.loop != NULL)
        uv_close((uv_handle_t *)&loop->http_poll, NULL);
    if (loop->daemon != NULL)
        MHD_stop_daemon(loop->daemon);
    loop->daemon = NULL;
}

/* Once nothing is in flight, or the time is up. */
static void
finish_stop(edge_loop *loop)
{
    if ((loop->busy > 0 || edge_audit_waiting(loop->audit) > 0) &&
        bus_mono_us(loop->e->options.clock) < loop->stop_by_us)
        return;
    abandon(loop);
    BUS_INVARIANT(loop->suspended == NULL);
    (void)MHD_run(loop->daemon); /* sends what was just answered */
    close_daemon(loop);
    close_handles(loop);
}

static void
on_stop_timer(uv_timer_t *timer)
{
    (void)timer; /* only makes a turn */
}

static void
begin_stop(edge_loop *loop)
{
    int fd;

    loop->stopping = true;
    loop->stop_by_us =
        bus_mono_us(loop->e->options.clock) + (int64_t)loop->e->options.stop_deadline_ms * 1000;
    fd = MHD_quiesce_daemon(loop->daemon);
    if (fd >= 0)
        (void)close(fd);
    (void)uv_timer_start(&loop->stop_timer, on_stop_timer, 20, 20);
    edge_feeds_stop(loop->feeds);
}

static void
on_wake(uv_async_t *wake)
{
    edge_loop *loop = wake->data;

    edge_commands_replies(loop->commands);
    edge_progress_batches(loop->progress);
    edge_feeds_batches(loop->feeds);
    if (atomic_load(&loop->e->stopping) && !loop->stopping)
        begin_stop(loop);
}

/* --- starting ------------------------------------------------------------ */

static bus_code
open_daemon(edge_loop *loop, int listen_fd, bus_error *err)
{
    const edge_options         *o = &loop->e->options;
    const union MHD_DaemonInfo *info;
    union {
        const char *in;
        void       *out;
    } certificate = {.in = o->tls_certificate}, key = {.in = o->tls_key}; /* only read */
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate.out},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, key.out},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    const bool            secure = o->tls_certificate != NULL;

    loop->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_TURBO |
            MHD_USE_ERROR_LOG | (secure ? MHD_USE_TLS : 0),
        0, on_accept, loop, on_request, loop, MHD_OPTION_EXTERNAL_LOGGER, on_http_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, loop,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, loop, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, loop, MHD_OPTION_CONNECTION_LIMIT, edge_connections_bound(loop),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        /* Strict, it would answer in HTML, with two heads; check_head() sees the same. */
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_ARRAY, secure ? tls : none, MHD_OPTION_END);
    info =
        loop->daemon == NULL ? NULL : MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return bus_fail(err, BUS_UNAVAILABLE, "the HTTP server does not start");
    BUS_INVARIANT(uv_poll_init(&loop->uv, &loop->http_poll, info->epoll_fd) == 0 &&
                  uv_poll_start(&loop->http_poll, UV_READABLE, on_http_ready) == 0);
    loop->http_poll.data = loop;
    return BUS_OK;
}

static void
open_databases(edge_loop *loop)
{
    const edge_options *o = &loop->e->options;
    edge_db_options     db = {.url = o->database_url,
                              .application = "shina edge items",
                              .role = "shina_edge",
                              .connections = 1,
                              .in_flight_max = 512,
                              .group_max = 64,
                              .waiting_max = o->queries_max,
                              .statement_timeout_ms = o->list_timeout_ms};

    loop->items = edge_db_open(&loop->uv, &db);
    db.application = "shina edge lists";
    db.connections = o->list_connections;
    db.in_flight_max = db.group_max = 1; /* a slow list holds up its own connection only */
    loop->lists = edge_db_open(&loop->uv, &db);
    db.application = "shina edge control"; /* reads checkpoints, which the role may not */
    db.role = NULL;
    db.connections = 1;
    db.in_flight_max = db.group_max = 32;
    loop->control = edge_db_open(&loop->uv, &db);
    loop->history = edge_history_open(loop);
}

static void
run_loop(void *context)
{
    edge_loop *loop = context;

    bus_thread_name("edge", NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        ;
}

static void
free_loop(edge_loop *loop)
{
    edge_request *r;

    while ((r = loop->free_requests) != NULL) {
        loop->free_requests = r->newer;
        destroy_request(r);
    }
    edge_commands_free(loop->commands);
    edge_progress_free(loop->progress);
    edge_feeds_free(loop->feeds);
    edge_history_free(loop->history);
    edge_sessions_free(loop->sessions);
    edge_logins_free(loop->logins);
    edge_audit_free(loop->audit);
    edge_token_cache_destroy(loop->tokens);
    edge_rates_destroy(loop->rates);
    BUS_INVARIANT(uv_loop_close(&loop->uv) == 0);
    free(loop);
}

bus_code
edge_loop_start(edge_loop **out, edge *e, int number, int listen_fd, bus_error *err)
{
    edge_loop *loop = calloc(1, sizeof(*loop));
    bus_code   rc;

    if (loop == NULL)
        abort();
    loop->e = e;
    loop->number = number;
    loop->random_used = EDGE_RANDOM_BYTES;
    loop->now_ms = bus_now_ms(e->options.clock);
    loop->tokens = edge_token_cache_create(&e->keys);
    loop->rates = edge_rates_create(e->options.ingest_rate);
    BUS_INVARIANT(uv_loop_init(&loop->uv) == 0 &&
                  uv_timer_init(&loop->uv, &loop->http_timer) == 0 &&
                  uv_timer_init(&loop->uv, &loop->stop_timer) == 0 &&
                  uv_prepare_init(&loop->uv, &loop->prepare) == 0 &&
                  uv_async_init(&loop->uv, &loop->wake, on_wake) == 0 &&
                  uv_prepare_start(&loop->prepare, on_prepare) == 0);
    loop->http_timer.data = loop->stop_timer.data = loop->prepare.data = loop->wake.data = loop;
    edge_connections_watch(loop);
    if ((rc = open_daemon(loop, listen_fd, err)) != BUS_OK)
        goto fail;
    open_databases(loop);
    loop->feeds = edge_feeds_open(loop);
    loop->sessions = edge_sessions_open(loop);
    loop->logins = edge_logins_open(loop);
    loop->limits = edge_limits_open(loop);
    loop->audit = edge_audit_open(loop);
    if ((rc = edge_commands_open(&loop->commands, loop, err)) != BUS_OK ||
        (rc = edge_progress_open(&loop->progress, loop, err)) != BUS_OK)
        goto fail;
    loop->redis = edge_redis_open(&loop->uv, e->options.redis_url);
    loop->http_due = true;
    *out = loop; /* the loop answers at once, and health looks at the first of all */
    if (uv_thread_create(&loop->thread, run_loop, loop) != 0) {
        *out = NULL;
        rc = bus_fail(err, BUS_UNAVAILABLE, "the edge's thread does not start");
        goto fail;
    }
    BUS_FAIL_POINT("edge.loop_started");
    return BUS_OK;

fail:
    abandon(loop);
    close_daemon(loop);
    close_handles(loop);
    run_loop(loop);
    free_loop(loop);
    return rc;
}

void
edge_loop_stop(edge_loop *loop)
{
    if (loop == NULL)
        return;
    (void)uv_async_send(&loop->wake);
    (void)uv_thread_join(&loop->thread);
    free_loop(loop);
}
