/* edge.h - the HTTP face: commands onto the bus, queries out of the views, documents, health.
 *
 * Routes, roles, filters and messages all come from the contracts. Each loop is one thread with
 * its own listener, database connections and transport client; nothing is shared between loops
 * but constant tables.
 * Threads: start and stop from one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_EDGE_H
#define API_EDGE_EDGE_H

#include "bus/base/clock.h"
#include "bus/module/module.h"
#include "bus/personal/master.h"
#include "bus/runtime/runtime.h"
#include "bus/store/store.h"
#include "bus/transport/transport.h"

typedef struct edge edge;

/* Whose requests are counted, limits/limits.h. */
typedef enum {
    EDGE_LIMIT_QUERIES, /* of a user ... */
    EDGE_LIMIT_COMMANDS,
    EDGE_LIMIT_STREAMS,   /* feeds that are opened */
    EDGE_LIMIT_TENANT,    /* of all its users */
    EDGE_LIMIT_ADDRESS,   /* of users who come from there */
    EDGE_LIMIT_ANONYMOUS, /* of who is nobody's user, from one address */
    EDGE_LIMIT_REFRESH,   /* of who shows a refresh token, from one address */
    EDGE_LIMIT_KINDS
} edge_limit_kind;

/* Zero in a bound means its default, in brackets. Everything pointed to is borrowed until
 * edge_stop returns. */
typedef struct {
    /* The bus: commands go through the transport to the owner that the store names. */
    const bus_transport_ops *transport_ops;
    bus_transport           *transport;
    const bus_store_ops *store; /* its partitions() and, for archived events, read() and load() are
                                   used, off the loop */
    bus_store_options store_options;
    const char *(*url_of)(void *context, const char *domain); /* as bus_runtime_options; or NULL */
    void            *url_context;
    const bus_clock *clock;

    /* What is served. */
    const bus_contract *const *contracts;
    int                        contracts_count;
    const bus_view *const     *views; /* every view that a binary of this version fills */
    int                        views_count;
    int                        partitions; /* of a domain, as long as the store does not tell */

    const char *database_url; /* libpq URL of the database of the views */
    /* Keys of personal data, for ?as_of=; they lie in that database too. NULL: the past of items
     * with personal members is not to be had. The master keys also seal the secrets of commands
     * (x-secret) and open those of sources; NULL: neither can be. */
    const bus_key_store_ops *key_store;
    const bus_master_keys   *master_keys;
    const char *redis_url; /* redis://[:password@]host[:port][/db] or unix:/path; NULL: none */
    const char *listen;    /* "127.0.0.1:8080", "[::1]:8080", ":8080"; port 0: any free one */
    /* TLS: a certificate, with those above it, and its key, in PEM; NULL: plain HTTP. */
    const char *tls_certificate, *tls_key;
    const char *cors_origins; /* "https://panel.example,https://other.example"; NULL: none */
    const char *jwt_keys;     /* "kid1:base64secret,kid2:..."; a secret has at least 32 bytes */

    /* Folder with openapi.json, asyncapi.json, schemas/; and that of the documentation viewer
     * (the unpacked npm package swagger-ui-dist). NULL or missing: 404 there. */
    const char *documents_dir, *viewer_dir;

    /* For /readyz: fills up to max entries, returns how many. Called on a loop's thread, must not
     * block. May be NULL. */
    int (*health)(void *context, bus_health *out, int max);
    void *health_context;

    int loops;            /* threads [1] */
    int connections_max;  /* per loop; beyond: 503 [4096] */
    int commands_max;     /* in flight per loop; beyond: 503 [4096] */
    int queries_max;      /* waiting per loop; beyond: 503 [4096] */
    int list_connections; /* database connections for lists, per loop [4] */
    int list_timeout_ms;  /* statement_timeout of lists [5000] */
    int body_bytes_max;   /* [1 MiB] */
    int ingest_bytes_max; /* body of POST /ingest/<source> [256 KiB] */
    int ingest_rate;      /* requests a second of one source, per loop; beyond: 429 [200] */
    int login_rate;       /* log-ins and other looks at passwords a second, of one address, or of
                           * one user once he is known, per loop; beyond: 429 [5] */
    int limits_per_min[EDGE_LIMIT_KINDS]; /* requests; beyond: 429; 0: as many as come */
    /* Proxies before the edge: the last address of X-Forwarded-For that is none of them is the
     * client's. "10.0.0.0/8,::1"; NULL: none. */
    const char *trusted_proxies;
    int         batch_lines_max; /* commands of one POST /batch [1000] */
    int         access_token_s; /* an access token of a session lives so long, at most 3600 [900] */
    int         bcrypt_cost;    /* of passwords [12] */
    int         password_chars_min;      /* a password has at least so many characters [10] */
    bool        operator_tokens_refused; /* only tokens of sessions are taken */
    int         idle_timeout_s;          /* of a connection, also of a slow sender [30] */
    int         command_deadline_ms;     /* unanswered until then: 504 [10000] */
    int         after_deadline_ms;       /* X-After waits at most so long: 503 VIEW_BEHIND [2000] */
    int         stop_deadline_ms;        /* requests in flight may finish within [5000] */
    int         streams_max;             /* open feeds per loop; beyond: 503 [512] */
    int         heartbeat_ms; /* a feed that is silent so long says that it is there [15000] */
    int         slow_ms;      /* a feed's reader who leaves 64 KiB so long is cut off [10000] */
} edge_options;

/* Listens and serves when it returns. BUS_INVALID: an option, a key or a contract's route is
 * wrong; BUS_UNAVAILABLE: cannot listen there. A database or owner that is not there yet is no
 * error: requests get 503 until it is. */
BUS_CHECKED bus_code edge_start(edge **out, const edge_options *options, bus_error *err);

/* Stops accepting, lets requests finish within stop_deadline_ms, answers the rest 503.
 * Accepts NULL. */
void edge_stop(edge *e);

/* Where it listens. */
int         edge_port(const edge *e);
const char *edge_address(const edge *e); /* "http://127.0.0.1:8080" */

#endif
