/* connection.h - one blocking libpq connection: parameters in binary, statements prepared when
 * first used, failures told apart. Internal to the postgres store.
 * Threads: one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_POSTGRES_CONNECTION_H
#define BUS_STORE_POSTGRES_CONNECTION_H

#include "bus/store/store.h"

#include <libpq-fe.h>

#define PG_PARAMS_MAX 64

/* Types of the items of arrays. */
typedef enum {
    PG_BOOL = 16,
    PG_BYTEA = 17, /* items as of text */
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_JSON = 114,
    PG_TIME = 1184, /* timestamptz */
    PG_UUID = 2950
} pg_type;

/* The parameters of one statement, encoded as they go on the wire; their types are told by the
 * statement. Zero is empty. */
typedef struct {
    bus_buf bytes;
    size_t  starts[PG_PARAMS_MAX];
    int     lengths[PG_PARAMS_MAX]; /* -1: null */
    int     count;
} pg_params;

void pg_params_reset(pg_params *params);
void pg_params_fini(pg_params *params);

void pg_add_null(pg_params *params); /* of any type, arrays too */
void pg_add_bool(pg_params *params, bool value);
void pg_add_int2(pg_params *params, int value);
void pg_add_int4(pg_params *params, int32_t value);
void pg_add_int8(pg_params *params, int64_t value);
void pg_add_time(pg_params *params, int64_t at_ms);
void pg_add_text(pg_params *params, bus_str value);
void pg_add_id(pg_params *params, bus_id id);

/* An array of count items: begin, then each item with a pg_put, then end. */
void pg_array_begin(pg_params *params, pg_type type, int count);
void pg_array_end(pg_params *params);
/* An array whose item `row` is written by `put`, a call of pg_put_ into params->bytes. */
#define PG_ARRAY(params, type, n, put)         \
    do {                                       \
        pg_array_begin((params), (type), (n)); \
        for (int row = 0; row < (n); row++) {  \
            put;                               \
        }                                      \
        pg_array_end(params);                  \
    } while (0)

/* One item with its length, into an array or a COPY row. */
void pg_put_null(bus_buf *out);
void pg_put_bool(bus_buf *out, bool value);
void pg_put_int2(bus_buf *out, int value);
void pg_put_int4(bus_buf *out, int32_t value);
void pg_put_int8(bus_buf *out, int64_t value);
void pg_put_time(bus_buf *out, int64_t at_ms);
void pg_put_id(bus_buf *out, bus_id id);
void pg_put_text(bus_buf *out, bus_str value);
/* Without a length, for headers. */
void pg_raw_int2(bus_buf *out, int value);
void pg_raw_int4(bus_buf *out, int32_t value);

/* Cells of a binary result. */
bool    pg_is_null(const PGresult *res, int row, int column);
bool    pg_get_bool(const PGresult *res, int row, int column);
int     pg_get_int2(const PGresult *res, int row, int column);
int32_t pg_get_int4(const PGresult *res, int row, int column);
int64_t pg_get_int8(const PGresult *res, int row, int column);
int64_t pg_get_time_ms(const PGresult *res, int row, int column);
bus_id  pg_get_id(const PGresult *res, int row, int column);
bus_str pg_get_str(const PGresult *res, int row, int column); /* empty when null */

/* What a lost connection means for the statement under way. */
typedef enum {
    PG_HARMLESS, /* may be repeated: BUS_UNAVAILABLE */
    PG_COMMITS   /* may have been committed: BUS_UNKNOWN */
} pg_stake;

typedef struct pg_prepared pg_prepared;

struct bus_store {
    PGconn             *conn; /* NULL: connect before the next statement */
    char               *url;
    char                application[64];
    char                role[64];    /* taken in each session; "": none */
    int                 patience_ms; /* as of bus_store_options */
    bool                stale; /* its statements or its answers do not fit any more: connect anew */
    pg_prepared        *prepared; /* statements that this connection knows */
    int                 prepared_count;
    pg_params           params; /* of the statement being built */
    bus_buf             sql;
    bus_buf             copy;
    bus_arena           arena;    /* of one call */
    char               *archive;  /* folder; NULL: none */
    struct pg_archives *archives; /* what is known of its files; NULL: nothing yet */
};

/* Connects if need be. BUS_UNAVAILABLE, BUS_INVALID (the URL is none), BUS_DENIED. */
BUS_CHECKED bus_code pg_ready(bus_store *st, bus_error *err);
void                 pg_disconnect(bus_store *st);

/* For what only the owner of the schemas may: back to who logged in, and then, whatever became of
 * it (rc), to the role again. The second returns rc, or why the role cannot be taken. */
BUS_CHECKED bus_code pg_leave_role(bus_store *st, bus_error *err);
BUS_CHECKED bus_code pg_back_to_role(bus_store *st, bus_code rc, bus_error *err);

/* Writes sql to out with each "{d}" as the quoted domain. */
void pg_expand(bus_buf *out, const char *sql, const char *domain);

/* Prepares sql once per connection; each "{d}" in it becomes the quoted domain. The template is
 * known by its address and must be constant. *name lives as long as the connection. */
BUS_CHECKED bus_code pg_prepare(bus_store *st, const char *sql, const char *domain,
                                const char **name, bus_error *err);
/* The same for text that is built, known by its key. */
BUS_CHECKED bus_code pg_prepare_text(bus_store *st, const char *key, const char *text,
                                     const char **name, bus_error *err);

/* Runs a prepared statement with st->params, which are reset, and gives its rows in binary. The
 * caller clears *out. On failure *out, if not NULL, is the server's refusal. */
BUS_CHECKED bus_code pg_run(bus_store *st, const char *sql, const char *domain, pg_stake stake,
                            PGresult **out, bus_error *err);
/* Plain text without parameters, such as "begin"; several statements are one transaction. */
BUS_CHECKED bus_code pg_simple(bus_store *st, const char *text, pg_stake stake, bus_error *err);
/* The same, row by row as they come: visit is called for each result of one row. */
BUS_CHECKED bus_code pg_run_rows(bus_store *st, const char *sql, const char *domain,
                                 bus_code (*visit)(void *context, const PGresult *res,
                                                   bus_error *err),
                                 void *context, bus_error *err);
/* Sends st->params (borrowed, not reset) in a pipeline that the caller runs. */
BUS_CHECKED bus_code pg_send(bus_store *st, const char *name, bus_error *err);
/* Ends an open transaction after a failure; disconnects if that fails too. */
void pg_rollback(bus_store *st);

/* Fills err from a result that is not a success and from the state of the connection. The text
 * never holds what the server says in DETAIL, where values of rows stand. */
bus_code pg_fail(bus_store *st, const PGresult *res, pg_stake stake, bus_error *err);

#endif
