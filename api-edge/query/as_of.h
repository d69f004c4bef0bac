/* as_of.h - time travel: an item as it was, folded from the log (?as_of=<position or time>).
 * Internal.
 *
 * The events of the item's stream are read in pages over connections of their own, then folded by
 * the view's project() in a thread of libuv's pool, so that a loop never waits; both are bounded.
 * What came out takes the place of the view's row in the query of an item: tenant, row scope, masks
 * and joined members are the same as of a read of the view. Row scope is judged by the row as it
 * was and by the clock as it is; joined members are of now.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_QUERY_AS_OF_H
#define API_EDGE_QUERY_AS_OF_H

#include "api-edge/http/problem.h"
#include "api-edge/query/view.h"

typedef struct edge_history edge_history; /* of a loop */

edge_history *edge_history_open(edge_loop *loop);
void          edge_history_flush(edge_history *history); /* once a turn */
/* Answers 503 to all that wait and closes the connections: at the end of a stop. */
void edge_history_abandon(edge_history *history);
void edge_history_free(edge_history *history); /* after the loop has run out; accepts NULL */

/* Answers the item `id` of r's view as of `when`, a query parameter. r->query is begun. */
void edge_as_of_handle(edge_request *r, const edge_scope *scope, bus_id id, const char *when);

/* Is the view folded from one stream, so that its past can be told? */
bool edge_as_of_fits(const edge_view *view);

/* What a command has made of an item: its row before and after, JSON of the view without joined
 * members; empty: there was none. */
typedef struct {
    bus_str           before, after; /* live as long as the call */
    bool              known;
    edge_problem_kind problem; /* why it is not known */
} edge_change;
/* Folds what the command did to the item `id` of a view that fits, by the events up to the
 * command's last one at `position`, and calls done(), once, unless r is answered meanwhile because
 * we stop. r is suspended. */
void edge_as_of_change(edge_request *r, const edge_view *view, bus_id id, bus_id command_id,
                       const char *position,
                       void (*done)(edge_request *r, const edge_change *change));

/* The texts of a view's queries of that kind: as those of an item, but of a row that comes with
 * the query: version $3, body $4, then the columns that edge_as_of_columns names. */
void edge_as_of_sql(const edge_view *view, bus_buf *out);

/* Indexes of the columns that joins and row scope need; returns how many, at most
 * EDGE_AS_OF_COLUMNS_MAX. */
#define EDGE_AS_OF_COLUMNS_MAX (EDGE_JOINS_MAX + 3)
int edge_as_of_columns(const edge_view *view, int columns[EDGE_AS_OF_COLUMNS_MAX]);

#endif
