/* database.h - queries on a uv loop, over libpq in pipeline mode.
 *
 * A pool has one queue and a few connections. Queries gather during a turn of the loop;
 * edge_db_flush sends what waits, in groups that each end with one Sync. Each query is preceded
 * by the setting shina.tenant, which row level security reads; a group is one implicit
 * transaction. When a query fails, the others of its group are sent again, and only the failed
 * one gets the error. A lost connection fails what was on it and is made again with a growing
 * pause. The host of a URL is looked up without waiting for it, if there is one.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_QUERY_DATABASE_H
#define API_EDGE_QUERY_DATABASE_H

#include "bus/base/error.h"
#include "bus/base/id.h"

#include <libpq-fe.h>
#include <uv.h>

#define EDGE_PARAMS_MAX 48

typedef struct edge_db       edge_db;
typedef struct edge_db_query edge_db_query;

/* In the caller's memory, which lives until done() was called, once.
 * BUS_OK: res holds the rows and is the callee's to PQclear. Else res is NULL:
 * BUS_UNAVAILABLE: no connection; BUS_TIMEOUT: statement_timeout; BUS_NOT_FOUND: there is no such
 * table or schema (yet); BUS_INVALID: a value that the type does not take; BUS_FAULT: else. */
struct edge_db_query {
    const char *sql; /* one statement; kept prepared, so not too many different ones */
    const char *values[EDGE_PARAMS_MAX]; /* NULL is SQL null */
    const int  *lengths; /* of each, which is in binary form then; NULL: all are texts */
    int         count;
    bool        for_tenant;
    bus_id      tenant; /* with for_tenant */
    void (*done)(edge_db_query *query, bus_code rc, PGresult *res);
    void *context;

    /* private */
    edge_db_query *next;
    bus_code       failure;
    int            attempts;
};

typedef struct {
    const char *url, *application;
    const char *role;   /* taken by SET ROLE where it exists, or NULL */
    bool        writes; /* else what would write fails */
    int         connections;
    int         in_flight_max;        /* queries on one connection */
    int         group_max;            /* queries between two Syncs */
    int         waiting_max;          /* in the queue; beyond: not taken */
    int         statement_timeout_ms; /* 0: none */
} edge_db_options;

/* Begins to connect; options' strings are borrowed. */
edge_db *edge_db_open(uv_loop_t *loop, const edge_db_options *options);
/* Fails what waits with BUS_UNAVAILABLE and closes; memory goes with the loop's next turns. */
void edge_db_close(edge_db *db);

/* BUS_FULL: the queue is; BUS_UNAVAILABLE: not connected. Then done() is not called. */
BUS_CHECKED bus_code edge_db_submit(edge_db *db, edge_db_query *query, bus_error *err);
/* Sends what has gathered: once a turn. */
void edge_db_flush(edge_db *db);

bool edge_db_ready(const edge_db *db);   /* some connection stands */
int  edge_db_waiting(const edge_db *db); /* queued or in flight */

#endif
