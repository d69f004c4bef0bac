/* scope.h - which events of a domain a caller may see, and what of them. Pure.
 *
 * Derived from the views, so that a feed tells nobody what the lists would not:
 * - only events of the caller's tenant, ever;
 * - ADMIN sees all of them as they are in the log, durable refusals too, but for what is masked for
 *   ADMIN himself: sealed secrets and hashes of passwords and codes;
 * - another role sees the events of an aggregate if it may read a view that is keyed by the
 *   aggregate's streams; if only rows of its own (`X:own`), then the events of those streams whose
 *   row is its own when the view has reached the event;
 * - of an aggregate that names roles in its contract, other roles see nothing;
 * - an aggregate without such a view, durable refusals, and what no contract knows: ADMIN only;
 * - members that are masked (`x-masked`) in the event or, by the same name, in one of those
 *   views are null; so are personal members and amounts (`_kop`, `_kop_km`, `_kop_day`, `_bp`)
 *   which none of those views shows to the caller.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_LIVE_SCOPE_H
#define API_EDGE_LIVE_SCOPE_H

#include "api-edge/query/view.h"

#define EDGE_AGGREGATES_MAX 16 /* of one domain */

typedef struct {
    enum { EDGE_SEES_NONE, EDGE_SEES_OWN, EDGE_SEES_ALL } sees;
    const edge_view *own;    /* OWN: the view whose rows tell whose a stream is */
    edge_reader      reader; /* the roles that give this access, and the caller's grants */
} edge_access;

typedef struct {
    const edge         *e;
    const bus_contract *contract;
    bool                all;                         /* ADMIN */
    edge_access         access[EDGE_AGGREGATES_MAX]; /* by the contract's aggregates */
} edge_feed_scope;

/* False: the caller may see nothing of this domain. */
bool edge_feed_scope_of(const edge *e, const bus_contract *contract, const bus_actor *actor,
                        edge_feed_scope *out);

/* What the caller may see of an event; type as in the log. message: the event's, or NULL: none
 * that the contract knows. */
const edge_access *edge_feed_access(const edge_feed_scope *scope, const bus_message *message);

/* Adds an event's data as a caller may see it: the one place where it is rendered. access NULL:
 * as it is. What cannot be read shows nothing. */
void edge_event_data(const edge_feed_scope *scope, const bus_message *message,
                     const edge_access *access, bus_str data, bus_buf *out);

#endif
