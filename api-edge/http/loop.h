/* loop.h - what the parts of the edge share. Internal.
 *
 * One turn of a loop: sockets are polled and their callbacks run (database results, replies of
 * the bus, progress of views), which answer requests; then, before the next poll, libmicrohttpd
 * runs (sends answers, reads requests, calls handlers) and at last the gathered queries are
 * flushed, one Sync per connection.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_LOOP_H
#define API_EDGE_HTTP_LOOP_H

#include "api-edge/auth/cache.h"
#include "api-edge/edge.h"
#include "api-edge/http/router.h"
#include "api-edge/query/database.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <uv.h>

typedef struct edge_loop     edge_loop;
typedef struct edge_request  edge_request;
typedef struct edge_route    edge_route;
typedef struct edge_view     edge_view;     /* query/view.h */
typedef struct edge_commands edge_commands; /* http/command.h */
typedef struct edge_progress edge_progress; /* live/progress.h */
typedef struct edge_feeds    edge_feeds;    /* live/feed.h */
typedef struct edge_rates    edge_rates;    /* ingest/rate.h */
typedef struct edge_redis    edge_redis;    /* admin/redis.h */
typedef struct edge_history  edge_history;  /* query/as_of.h */
typedef struct edge_sessions edge_sessions; /* login/session.h */
typedef struct edge_logins   edge_logins;   /* login/login.h */
typedef struct edge_limits   edge_limits;   /* limits/limits.h */
typedef struct edge_audit    edge_audit;    /* audit/audit.h */

/* Classes of routes, as metrics tell them apart. */
typedef enum {
    EDGE_CLASS_COMMAND,
    EDGE_CLASS_ITEM,
    EDGE_CLASS_LIST,
    EDGE_CLASS_FEED,
    EDGE_CLASS_INGEST,
    EDGE_CLASS_LOGIN, /* tokens and passwords */
    EDGE_CLASS_ADMIN, /* documents, health, metrics */
    EDGE_CLASS_NONE,  /* no route */
    EDGE_CLASSES
} edge_class;

/* Who may call a route. Every route has a rule (http/rule.h). */
typedef enum {
    EDGE_RULE_NONE,      /* forgotten: the edge does not start */
    EDGE_RULE_OPEN,      /* anybody, at any time */
    EDGE_RULE_ANONYMOUS, /* anybody, who waits his turn as others do: the body proves who it is */
    EDGE_RULE_SIGNED,    /* whose signature fits the body (ingest/ingest.h) */
    EDGE_RULE_TOKEN,     /* any token: its handler judges each line, row or event */
    EDGE_RULE_OFFICE,    /* ADMIN and DISPATCHER: its handler chooses the rows */
    EDGE_RULE_ROLES,     /* the roles of its command or view */
    EDGE_RULES
} edge_rule;

/* What stands behind a method and a path. handle() runs when the body is there; it answers, or
 * suspends the request and sees to it that it is answered later. */
struct edge_route {
    edge_class class;
    edge_rule rule;
    bool      writes; /* refused while the tenant may only read */
    void (*handle)(edge_request *r);
    const bus_message *command; /* EDGE_CLASS_COMMAND */
    char *collection;      /* EDGE_CLASS_COMMAND; owned: "/api/v1/vehicles", to build Location */
    const edge_view *view; /* EDGE_CLASS_ITEM, EDGE_CLASS_LIST */
};

/* What POST /ingest/<source> needs: ingest/ingest.h. */
typedef struct {
    edge_route       command; /* of ingest.receive; no HTTP route of its own */
    const edge_view *sources;
    char             sql[512];
    char             decoy[BUS_SEALED_SECRET_MAX + 1]; /* opened where there is no source */
} edge_ingest;

/* What login/ needs; ready: the domain users is served. */
typedef enum {
    EDGE_LOGIN_SET_PASSWORD,
    EDGE_LOGIN_CHANGE_PASSWORD,
    EDGE_LOGIN_LOG_IN,
    EDGE_LOGIN_NOTE_FAILURE,
    EDGE_LOGIN_STAY,
    EDGE_LOGIN_BEGIN,
    EDGE_LOGIN_BEGIN_TOTP,
    EDGE_LOGIN_ENABLE_TOTP,
    EDGE_LOGIN_END_TOTP,
    EDGE_LOGIN_REFRESH,
    EDGE_LOGIN_CONFIRM,
    EDGE_LOGIN_END,
    EDGE_LOGIN_COMMANDS
} edge_login_command;
typedef struct {
    bool       ready;
    edge_route commands[EDGE_LOGIN_COMMANDS]; /* none has an HTTP route of its own */
    char       session_sql[1024], by_email_sql[512], by_id_sql[512], list_sql[512];
} edge_login;

#define EDGE_PROXIES_MAX 16

/* Addresses whose first bits are these; an IPv4 one as IPv6 knows it (::ffff:0:0/96). */
typedef struct {
    uint8_t first[16];
    int     bits;
} edge_network;

struct edge {
    edge_options       options; /* defaults filled in */
    edge_keys          keys;
    edge_network       proxies[EDGE_PROXIES_MAX];
    int                proxies_count;
    edge_router       *router;
    edge_route        *routes;
    int                routes_count;
    const edge_route **commands; /* by the type of their command */
    int                commands_count;
    edge_view         *views;
    int                views_count;
    edge_ingest        ingest;
    edge_login         login;
    int                documents_fd, viewer_fd; /* -1: none */
    edge_loop        **loops;
    int                loops_count;
    int                port;
    char               address[96];
    atomic_bool        stopping;
};

#define EDGE_RANDOM_BYTES 1024

struct edge_loop {
    edge        *e;
    int          number;
    uv_loop_t    uv;
    uv_thread_t  thread;
    uv_poll_t    http_poll;
    uv_timer_t   http_timer, stop_timer, slow_timer;
    uv_prepare_t prepare;
    uv_async_t   wake; /* from any thread: replies, batches, stop */

    struct MHD_Daemon   *daemon;
    bool                 http_due; /* libmicrohttpd has something to do */
    bool                 stopping;
    int64_t              stop_by_us;
    int                  connections;
    int                  busy;    /* requests begun and not completed */
    int                  batches; /* of commands, at work */
    int                  ingests; /* requests of sources, from their headers to their end */
    struct edge_clients *clients; /* by network, uthash: http/connection.h */
    edge_request        *free_requests;
    int                  free_count;
    edge_request        *suspended; /* list of those waiting for an answer */

    edge_token_cache *tokens;
    edge_db          *items, *lists, *control;
    edge_commands    *commands;
    edge_progress    *progress;
    edge_feeds       *feeds;
    edge_history     *history;
    edge_rates       *rates; /* ingest/rate.h */
    edge_limits      *limits;
    edge_redis       *redis;    /* NULL: none */
    edge_sessions    *sessions; /* NULL: there are none here */
    edge_logins      *logins;
    edge_audit       *audit;
    uint8_t           random[EDGE_RANDOM_BYTES];
    int               random_used;
    int64_t           now_ms; /* of this turn */
};

/* http/server.c: makes what listens and its thread; fd is owned by the loop from then on. */
BUS_CHECKED bus_code edge_loop_start(edge_loop **out, edge *e, int number, int listen_fd,
                                     bus_error *err);
void                 edge_loop_stop(edge_loop *loop); /* waits for the thread; accepts NULL */

/* edge.c: the route of a command that clients may give; NULL: there is none of that type. */
const edge_route *edge_find_command(const edge *e, bus_str type);

/* Random bytes out of the loop's store; count at most 64. */
void edge_loop_random(edge_loop *loop, void *out, int count);

#endif
