/* tail_own.c - whose an event's stream is: asked once per event, for all feeds that need to know.
 * First the view must have come as far as the event; then its row tells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/header.h"
#include "api-edge/live/tail_internal.h"

#include <stdio.h>
#include <string.h>

#define RETRY_US 20000 /* between two looks at how far a view is */

static int64_t
now_us(const edge_tail *tail)
{
    return bus_mono_us(tail->tails->loop->e->options.clock);
}

/* --- the rows ------------------------------------------------------------ */

static bool
int_at(const PGresult *res, int row, int column, int64_t *out)
{
    return PQgetisnull(res, row, column) == 0 &&
           edge_int_parse(bus_str_of(PQgetvalue(res, row, column)), out);
}

/* Columns: id, own, from, until. No row: nobody's. */
static void
take_owner(edge_event *event, const edge_view *view, const PGresult *res)
{
    bus_id id;

    event->owner_state = EDGE_OWNER_KNOWN;
    event->owner_view = view;
    event->has_owner = false;
    for (int row = 0; row < PQntuples(res); row++) {
        if (!bus_id_parse(bus_str_of(PQgetvalue(res, row, 0)), &id) ||
            !bus_id_equal(id, event->record.stream))
            continue;
        event->has_owner = PQgetisnull(res, row, 1) == 0 &&
                           bus_id_parse(bus_str_of(PQgetvalue(res, row, 1)), &event->owner);
        event->has_from = int_at(res, row, 2, &event->from_ms);
        event->has_until = int_at(res, row, 3, &event->until_ms);
        if (view->of->own_from != NULL && !event->has_from)
            event->has_owner = false; /* without a beginning it is not theirs yet */
        return;
    }
}

/* Back among those that wait. */
static void
put_back(edge_tail *tail, edge_event *event, const edge_view *view)
{
    edge_own_work *own = &tail->own;

    if (!tail->awake || own->waiting_count == EDGE_OWN_WAITING) {
        event->owner_state = EDGE_OWNER_UNKNOWN;
        edge_event_release(event);
        return;
    }
    own->waiting[own->waiting_count++] = (edge_question){event, view};
}

static void
put_all_back(edge_tail *tail)
{
    for (int i = 0; i < tail->own.count; i++)
        put_back(tail, tail->own.events[i], tail->own.view);
    tail->own.count = 0;
    tail->own.state = EDGE_OWN_IDLE;
    tail->own.retry_us = now_us(tail) + RETRY_US;
}

static void
on_rows(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_tail     *tail = query->context;
    edge_own_work *own = &tail->own;

    if (rc != BUS_OK) {
        put_all_back(tail);
        PQclear(res);
        return;
    }
    for (int i = 0; i < own->count; i++) {
        take_owner(own->events[i], own->view, res);
        edge_event_release(own->events[i]);
    }
    own->count = 0;
    own->state = EDGE_OWN_IDLE;
    PQclear(res);
    edge_tail_tell(tail);
    edge_own_go(tail);
}

static void
ask_rows(edge_tail *tail)
{
    edge_own_work           *own = &tail->own;
    const bus_view_contract *of = own->view->of;
    size_t                   len = 0;
    char                     text[BUS_ID_TEXT_BYTES];
    bus_error                err;

    for (int i = 0; i < own->count; i++)
        len += (size_t)snprintf(own->ids + len, sizeof(own->ids) - len, "%c%s", i == 0 ? '{' : ',',
                                bus_id_format(own->events[i]->record.stream, text));
    (void)snprintf(own->ids + len, sizeof(own->ids) - len, "}");
    (void)snprintf(own->rows_sql, sizeof(own->rows_sql),
                   "select v.id, v.\"%s\", %s%s%s, %s%s%s from views.\"%s\" v"
                   " where v.tenant = $1::uuid and v.id = any ($2::uuid[])",
                   of->own, of->own_from == NULL ? "null" : "v.\"",
                   of->own_from == NULL ? "" : of->own_from, of->own_from == NULL ? "" : "\"",
                   of->own_until == NULL ? "null" : "v.\"",
                   of->own_until == NULL ? "" : of->own_until, of->own_until == NULL ? "" : "\"",
                   own->view->table);
    own->state = EDGE_OWN_ROWS;
    own->query = (edge_db_query){.sql = own->rows_sql,
                                 .count = 2,
                                 .for_tenant = true,
                                 .tenant = own->tenant,
                                 .done = on_rows,
                                 .context = tail};
    own->query.values[0] = bus_id_format(own->tenant, own->tenant_text);
    own->query.values[1] = own->ids;
    if (edge_db_submit(tail->tails->views, &own->query, &err) != BUS_OK)
        put_all_back(tail);
}

/* --- how far the view is ------------------------------------------------- */

static void
on_reach(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_tail     *tail = query->context;
    edge_own_work *own = &tail->own;
    int64_t        reached[BUS_PARTITIONS_MAX] = {0}, partition, offset;
    int            count = 0;

    for (int row = 0; rc == BUS_OK && row < PQntuples(res); row++)
        if (int_at(res, row, 0, &partition) && int_at(res, row, 1, &offset) && partition >= 0 &&
            partition < BUS_PARTITIONS_MAX)
            reached[partition] = offset;
    PQclear(res);
    if (!tail->awake) {
        put_all_back(tail);
        return;
    }
    for (int i = 0; i < own->count; i++) {
        edge_event *event = own->events[i];

        if (event->record.offset <= reached[event->record.partition])
            own->events[count++] = event;
        else
            put_back(tail, event, own->view);
    }
    own->count = count;
    if (own->waiting_count > 0)
        own->retry_us = now_us(tail) + RETRY_US;
    if (count > 0)
        ask_rows(tail);
    else
        own->state = EDGE_OWN_IDLE;
}

static void
ask_reach(edge_tail *tail)
{
    edge_own_work *own = &tail->own;
    bus_error      err;

    (void)snprintf(own->reach_sql, sizeof(own->reach_sql),
                   "select partition, \"offset\" from \"%s\".checkpoints where reader = $1 and"
                   " domain = $2",
                   own->view->of->contract->module);
    own->state = EDGE_OWN_REACH;
    own->query =
        (edge_db_query){.sql = own->reach_sql, .count = 2, .done = on_reach, .context = tail};
    own->query.values[0] = own->view->reader;
    own->query.values[1] = tail->contract->module;
    if (edge_db_submit(tail->tails->log, &own->query, &err) != BUS_OK)
        put_all_back(tail);
}

/* --- questions ----------------------------------------------------------- */

void
edge_own_go(edge_tail *tail)
{
    edge_own_work *own = &tail->own;
    int            kept = 0;

    if (own->state != EDGE_OWN_IDLE || own->waiting_count == 0 || now_us(tail) < own->retry_us)
        return;
    own->view = own->waiting[0].view;
    own->tenant = own->waiting[0].event->record.tenant;
    own->count = 0;
    for (int i = 0; i < own->waiting_count; i++) {
        edge_question q = own->waiting[i];

        if (q.view == own->view && own->count < EDGE_OWN_EVENTS &&
            bus_id_equal(q.event->record.tenant, own->tenant))
            own->events[own->count++] = q.event;
        else
            own->waiting[kept++] = q;
    }
    own->waiting_count = kept;
    ask_reach(tail);
}

void
edge_own_forget(edge_tail *tail)
{
    edge_own_work *own = &tail->own;

    for (int i = 0; i < own->waiting_count; i++) {
        own->waiting[i].event->owner_state = EDGE_OWNER_UNKNOWN;
        edge_event_release(own->waiting[i].event);
    }
    own->waiting_count = 0;
}

void
edge_tail_own(edge_tail *tail, const edge_view *view, edge_event *event)
{
    edge_own_work *own = &tail->own;

    if (event->owner_state != EDGE_OWNER_UNKNOWN || own->waiting_count == EDGE_OWN_WAITING)
        return; /* asked again at the next look */
    event->owner_state = EDGE_OWNER_ASKED;
    own->waiting[own->waiting_count++] = (edge_question){edge_event_hold(event), view};
    edge_own_go(tail);
}
