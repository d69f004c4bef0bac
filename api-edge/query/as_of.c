/* as_of.c - an item as it was.
 *
 * edge_as_of_handle() reads the parameter; on_page() gathers the events; fold_in_pool() makes the
 * row, in a thread that knows nothing but its job; show() has it answered like any item.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/as_of.h"
#include "api-edge/http/problem.h"
#include "bus/log/log.h"
#include "bus/runtime/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 10000                     /* of one answer */
#define BYTES_MAX ((size_t)16 * 1024 * 1024) /* ... and their data, about */
#define PAGE_EVENTS 1000
#define PART_EVENTS 500              /* folded between two clearings of memory */
#define PAGE_BYTES (4 * 1024 * 1024) /* ... and one event more */
#define JOBS_MAX 8                   /* at once, of one loop */
#define CONNECTIONS 1
#define WAITING_MAX 64

/* One answer on its way. Its own memory: the fold may outlive its request. */
typedef struct job {
    edge_history    *history;
    edge_request    *r; /* NULL: answered meanwhile, because we stop */
    const edge_view *view;
    edge_db         *log;
    edge_scope       scope;
    bus_id           tenant, id;
    edge_position    position; /* up to here; domain empty: at_ms */
    int64_t          at_ms;
    int64_t          until_us; /* monotonic: reading has to be over */
    /* Of a change: what the command did, told to changed(); else NULL. */
    bus_id  command_id;
    bus_str before;
    void (*changed)(edge_request *r, const edge_change *change);

    bus_arena     arena;
    edge_db_query query;
    bus_record   *records;
    int           count, room;
    size_t        bytes;
    bool          reading;  /* query is on its way */
    bool          unread;   /* they cannot be read */
    bool          archived; /* its first events are in files: all are read through the store */

    uv_work_t     work;
    bus_arena     folds[2];
    bus_code      rc; /* of the fold */
    bus_error     err;
    bool          there;
    bus_row_write row;
    struct job   *next, **link;
} job;

/* The log of a domain, in the database that it lies in. */
typedef struct {
    const char *url;
    edge_db    *db;
} history_log;

struct edge_history {
    edge_loop   *loop;
    history_log *logs; /* by contract; several may share a db */
    int          logs_count;
    bool         closing;
    job         *jobs;
    int          jobs_count;
};

/* --- connections ---------------------------------------------------------- */

edge_history *
edge_history_open(edge_loop *loop)
{
    const edge_options *o = &loop->e->options;
    edge_history       *h = calloc(1, sizeof(*h));
    edge_db_options     db = {.application = "shina edge history",
                              .role = "shina_edge",
                              .connections = CONNECTIONS,
                              .in_flight_max = 1,
                              .group_max = 1,
                              .waiting_max = WAITING_MAX,
                              .statement_timeout_ms = o->list_timeout_ms};

    if (h == NULL || (h->logs = calloc((size_t)o->contracts_count + 1, sizeof(*h->logs))) == NULL)
        abort();
    h->loop = loop;
    h->logs_count = o->contracts_count;
    for (int i = 0; i < h->logs_count; i++) {
        history_log *log = &h->logs[i];
        const char  *own =
            o->url_of == NULL ? NULL : o->url_of(o->url_context, o->contracts[i]->module);

        log->url = own == NULL ? o->database_url : own;
        for (int k = 0; k < i && log->db == NULL; k++)
            if (strcmp(h->logs[k].url, log->url) == 0)
                log->db = h->logs[k].db;
        db.url = log->url;
        if (log->db == NULL)
            log->db = edge_db_open(&loop->uv, &db);
    }
    return h;
}

/* Does this log own its connections, or does an earlier one? */
static bool
is_first(const edge_history *h, int i)
{
    for (int k = 0; k < i; k++)
        if (h->logs[k].db == h->logs[i].db)
            return false;
    return true;
}

void
edge_history_flush(edge_history *h)
{
    for (int i = 0; !h->closing && i < h->logs_count; i++)
        if (is_first(h, i))
            edge_db_flush(h->logs[i].db);
}

static edge_db *
log_of(const edge_history *h, const bus_contract *contract)
{
    const edge_options *o = &h->loop->e->options;

    for (int i = 0; i < h->logs_count; i++)
        if (o->contracts[i] == contract)
            return h->logs[i].db;
    return NULL;
}

/* --- jobs -------------------------------------------------------------------- */

static void
free_job(job *j)
{
    *j->link = j->next;
    if (j->next != NULL)
        j->next->link = j->link;
    j->history->jobs_count--;
    bus_arena_fini(&j->arena);
    bus_arena_fini(&j->folds[0]);
    bus_arena_fini(&j->folds[1]);
    free(j);
}

/* Answers with a problem, if anybody still waits, and ends the job. */
static void
end_with(job *j, edge_problem_kind kind, const char *detail)
{
    if (j->r != NULL && j->changed != NULL)
        j->changed(j->r, &(edge_change){.problem = kind});
    else if (j->r != NULL)
        edge_problem(j->r, kind, detail);
    free_job(j);
}

void
edge_history_abandon(edge_history *h)
{
    h->closing = true;
    for (int i = 0; i < h->logs_count; i++)
        if (is_first(h, i))
            edge_db_close(h->logs[i].db); /* ends the jobs that are reading */
    for (job *j = h->jobs; j != NULL; j = j->next) {
        if (j->r != NULL)
            edge_problem(j->r, EDGE_UNAVAILABLE, NULL);
        j->r = NULL; /* its thread will find nobody */
    }
}

void
edge_history_free(edge_history *h)
{
    if (h == NULL)
        return;
    BUS_INVARIANT(h->jobs == NULL);
    free(h->logs);
    free(h);
}

/* --- what was gathered ------------------------------------------------------------ */

static void
keep_record(job *j, bus_record record)
{
    if (j->count == j->room) {
        int         room = j->room == 0 ? 64 : j->room * 2;
        bus_record *all = BUS_ARENA_ARRAY(&j->arena, bus_record, (size_t)room);

        if (j->count > 0)
            memcpy(all, j->records, (size_t)j->count * sizeof(*all));
        j->records = all;
        j->room = room;
    }
    j->records[j->count++] = record;
}

/* Is the event of the time that was asked for? Positions and times go up within a stream. */
static bool
is_before(const job *j, const bus_record *record)
{
    return j->position.domain.len > 0 ? record->offset <= j->position.offset
                                      : record->at_ms <= j->at_ms;
}

static bool
is_too_long(const job *j)
{
    return j->count > EVENTS_MAX || j->bytes > BYTES_MAX;
}

/* --- the fold, in a thread of the pool ------------------------------------------ */

static bus_code
fold_one(job *j, bus_fold *fold, bus_personal *personal, const bus_record *record)
{
    const edge_options *o = &j->history->loop->e->options;
    bus_event           event;
    bus_code            rc = bus_event_of_record(o->contracts, o->contracts_count, record, personal,
                                                 fold->arena, &event, &j->err);

    if (rc == BUS_NOT_FOUND)
        return BUS_OK; /* of a newer contract than ours: the view passes it over too */
    if (rc != BUS_OK || !bus_fold_follows(fold->view, event.type))
        return rc;
    rc = bus_fold_touch(fold, &event, &j->err);
    return rc == BUS_OK ? bus_fold_event(fold, &event, &j->err) : rc;
}

/* Folds a part of the records, whose keys are fetched at once. */
static bus_code
fold_part(job *j, bus_fold *fold, bus_personal *personal, int from, int count)
{
    const bus_message *types[PART_EVENTS] = {NULL};
    bus_code           rc;

    for (int i = 0; i < count; i++)
        types[i] = bus_contract_event(j->view->of->contract, j->records[from + i].type);
    rc = bus_prepare_records(personal, types, j->records + from, count, fold->arena, &j->err);
    for (int i = 0; rc == BUS_OK && i < count; i++)
        rc = fold_one(j, fold, personal, &j->records[from + i]);
    return rc;
}

/* This thread's own; it connects when a personal member is met. NULL: there are no keys here. */
static bus_personal *
make_personal(const edge_options *o)
{
    const bus_personal_options options = {.store = o->key_store,
                                          .url = o->database_url,
                                          .application = "shina edge history",
                                          .masters = o->master_keys,
                                          .clock = o->clock};

    return o->key_store == NULL || o->master_keys == NULL ? NULL : bus_personal_create(&options);
}

static bus_str
kept(job *j, bus_str s)
{
    j->bytes += s.len;
    return bus_arena_copy(&j->arena, s.at, s.len);
}

/* An event of the stream through the store, as record_at() makes one. */
static bus_code
take_loaded(void *context, const bus_record *record, bus_error *err)
{
    job       *j = context;
    bus_record r = *record;

    (void)err;
    if (!bus_id_equal(record->tenant, j->tenant) ||
        !bus_str_is(record->aggregate, j->view->of->of->name) || !is_before(j, record) ||
        is_too_long(j))
        return BUS_OK;
    r.aggregate = bus_str_of(j->view->of->of->name);
    r.type = kept(j, record->type);
    r.actor = kept(j, record->actor);
    r.data = kept(j, record->data);
    r.causation_id = r.sends = (bus_str){NULL, 0};
    keep_record(j, r);
    return BUS_OK;
}

/* Archived events are read by the store of this one job. */
static bus_code
load_in_pool(job *j)
{
    const edge_options *o = &j->history->loop->e->options;
    const char         *domain = j->view->of->contract->module;
    bus_store_options   options = o->store_options;
    const char         *own = o->url_of == NULL ? NULL : o->url_of(o->url_context, domain);
    bus_store          *st = NULL;
    bus_code            rc;

    if (own != NULL)
        options.url = own;
    options.application = "shina edge archives";
    if ((rc = o->store->open(&st, &options, &j->err)) == BUS_OK)
        rc = o->store->load(st, domain, &j->id, 1, take_loaded, j, &j->err);
    o->store->close(st);
    return rc;
}

/* Folds the first `count` records; the row is in j->folds. */
static void
fold_records(job *j, bus_personal *personal, int count)
{
    bus_fold fold = {.view = j->view->view, .arena = &j->folds[0], .fresh = true};
    int      now = 0;

    for (int i = 0; j->rc == BUS_OK && i < count; i += PART_EVENTS) {
        j->rc = fold_part(j, &fold, personal, i, count - i < PART_EVENTS ? count - i : PART_EVENTS);
        if (j->rc == BUS_OK) /* leave dead strings behind */
            j->rc = bus_fold_tighten(&fold, &j->folds[1 - now], &j->err);
        bus_arena_fini(&j->folds[now]);
        now = 1 - now;
        fold.arena = &j->folds[now];
    }
    j->there = j->rc == BUS_OK && fold.rows != NULL && fold.rows->there;
    if (j->there)
        j->row = bus_row_write_of(&fold, fold.rows);
    bus_fold_fini(&fold);
}

/* How many records are older than the command. */
static int
count_before(const job *j)
{
    int count = 0;

    while (count < j->count && !bus_id_equal(j->records[count].command_id, j->command_id))
        count++;
    return count;
}

static void
fold_in_pool(uv_work_t *work)
{
    job          *j = work->data;
    bus_personal *personal = make_personal(&j->history->loop->e->options);

    j->rc = j->archived ? load_in_pool(j) : BUS_OK;
    j->unread = j->rc != BUS_OK;
    if (j->rc == BUS_OK && j->changed != NULL && !is_too_long(j)) {
        fold_records(j, personal, count_before(j));
        if (j->there)
            j->before = bus_arena_copy(&j->arena, j->row.body.at, j->row.body.len);
    }
    if (j->rc == BUS_OK && !is_too_long(j))
        fold_records(j, personal, j->count);
    bus_personal_destroy(personal);
}

/* --- the answer -------------------------------------------------------------------- */

static const char *
kept_text(edge_request *r, bus_str s)
{
    return s.at == NULL ? NULL : bus_arena_copy(&r->arena, s.at, s.len).at;
}

/* Has the row answered like one of the view. */
static void
show(job *j)
{
    edge_request    *r = j->r;
    edge_query_work *work = &r->query;
    int              columns[EDGE_AS_OF_COLUMNS_MAX];
    int              columns_count = edge_as_of_columns(j->view, columns);

    work->query.sql = j->scope.own_only ? j->view->as_of_own_sql : j->view->as_of_sql;
    work->query.values[2] = bus_arena_printf(&r->arena, "%d", (int)j->row.version).at;
    work->query.values[3] = kept_text(r, j->row.body);
    work->query.count = 4;
    for (int i = 0; i < columns_count; i++)
        work->query.values[work->query.count++] = kept_text(r, j->row.columns[columns[i]]);
    if (j->scope.own_only)
        work->query.count += edge_scope_values(j->view, r, &work->query.values[work->query.count]);
    free_job(j);
    edge_query_send(r);
}

static void
show_change(job *j)
{
    const edge_change change = {
        .before = j->before, .after = j->there ? j->row.body : (bus_str){NULL, 0}, .known = true};

    j->changed(j->r, &change);
    free_job(j);
}

static void
on_folded(uv_work_t *work, int status)
{
    job *j = work->data;

    if (j->r == NULL)
        free_job(j);
    else if (status != 0)
        end_with(j, EDGE_UNAVAILABLE, NULL);
    else if (j->unread) {
        bus_log_error("edge.as_of_archive_unread", BUS_KV("view", j->view->of->name),
                      BUS_KV_ID("stream", j->id), BUS_KV_ERR(&j->err));
        end_with(j, bus_is_outage(j->rc) ? EDGE_UNAVAILABLE : EDGE_HISTORY_ARCHIVED, NULL);
    } else if (is_too_long(j))
        end_with(j, EDGE_HISTORY_TOO_LONG, NULL);
    else if (j->rc != BUS_OK && bus_is_outage(j->rc))
        end_with(j, EDGE_UNAVAILABLE, NULL); /* the keys of personal data */
    else if (j->rc != BUS_OK) {
        bus_log_error("edge.as_of_failed", BUS_KV("view", j->view->of->name),
                      BUS_KV_ID("stream", j->id), BUS_KV_ERR(&j->err));
        end_with(j, EDGE_INTERNAL, "An event of it cannot be folded.");
    } else if (j->changed != NULL)
        show_change(j);
    else if (!j->there)
        end_with(j, EDGE_NOT_FOUND, NULL);
    else
        show(j);
}

static void
fold(job *j)
{
    j->work.data = j;
    if (uv_queue_work(&j->history->loop->uv, &j->work, fold_in_pool, on_folded) != 0)
        end_with(j, EDGE_UNAVAILABLE, NULL);
}

/* --- the events ---------------------------------------------------------------------- */

/* The last column tells how many events there were before large ones cut the page short. */
static const char *
page_sql(job *j)
{
    return bus_arena_printf(
               &j->arena,
               "select e.version, e.partition, e.\"offset\","
               " (extract(epoch from e.at) * 1000)::bigint,"
               " (extract(epoch from e.device_at) * 1000)::bigint,"
               " e.command_id, e.nth, e.type, e.actor, e.data, e.there, e.archive is not null"
               " from (select e.*, count(*) over () as there,"
               "  sum(coalesce(octet_length(e.data::text), 0)) over (order by e.version) as bytes"
               "  from (select * from \"%s\".tenant_events e where e.stream = $1::uuid"
               "   and e.tenant = $2::uuid and e.aggregate = $3 and e.version > $4::int"
               "   order by e.version limit %d) e) e"
               " where e.bytes - coalesce(octet_length(e.data::text), 0) < %d order by e.version",
               j->view->of->contract->module, PAGE_EVENTS, PAGE_BYTES)
        .at;
}

static int64_t
number_at(const PGresult *res, int row, int column)
{
    int64_t n = 0;

    if (!PQgetisnull(res, row, column))
        BUS_INVARIANT(edge_int_parse(bus_str_of(PQgetvalue(res, row, column)), &n));
    return n;
}

static bus_str
text_at(job *j, const PGresult *res, int row, int column)
{
    size_t len = (size_t)PQgetlength(res, row, column);

    j->bytes += len;
    return bus_arena_copy(&j->arena, PQgetvalue(res, row, column), len);
}

static bus_record
record_at(job *j, const PGresult *res, int row)
{
    bus_record record = {.stream = j->id,
                         .tenant = j->tenant,
                         .aggregate = bus_str_of(j->view->of->of->name),
                         .version = (int32_t)number_at(res, row, 0),
                         .partition = (uint16_t)number_at(res, row, 1),
                         .offset = number_at(res, row, 2),
                         .at_ms = number_at(res, row, 3),
                         .device_at_ms = number_at(res, row, 4),
                         .nth = (int16_t)number_at(res, row, 6),
                         .type = text_at(j, res, row, 7),
                         .actor = text_at(j, res, row, 8),
                         .data = text_at(j, res, row, 9)};

    BUS_INVARIANT(bus_id_parse(bus_str_of(PQgetvalue(res, row, 5)), &record.command_id));
    return record;
}

static void ask_page(job *j);

static void
invalid(job *j, const char *message)
{
    bus_problems problems = {.count = 0};

    bus_problem_add(&problems, "/query/as_of", "%s", message);
    if (j->r != NULL)
        edge_problem_invalid(j->r, &problems);
    free_job(j);
}

/* Takes the events of a page. True: there is no more to read. */
static bool
take_page(job *j, const PGresult *res)
{
    int rows = PQntuples(res);

    for (int i = 0; i < rows; i++) {
        bus_record record = record_at(j, res, i);

        if (!is_before(j, &record))
            return true;
        keep_record(j, record);
    }
    return rows == 0 || (rows < PAGE_EVENTS && number_at(res, 0, 10) == rows);
}

static void
on_page(edge_db_query *query, bus_code rc, PGresult *res)
{
    job *j = query->context;
    bool over;

    j->reading = false;
    if (rc != BUS_OK) {
        end_with(j,
                 rc == BUS_TIMEOUT     ? EDGE_AS_OF_TIMEOUT
                 : rc == BUS_NOT_FOUND ? EDGE_NOT_FOUND
                 : rc == BUS_FAULT     ? EDGE_INTERNAL
                                       : EDGE_UNAVAILABLE,
                 NULL);
        return;
    }
    if (j->count == 0 && PQntuples(res) > 0 && j->position.domain.len > 0 &&
        number_at(res, 0, 1) != j->position.partition) {
        PQclear(res);
        invalid(j, "is a position of another partition than this item's");
        return;
    }
    if (j->count == 0 && PQntuples(res) > 0 && number_at(res, 0, 0) != 1) {
        PQclear(res);
        end_with(j, EDGE_HISTORY_ARCHIVED, NULL);
        return;
    }
    if (PQntuples(res) > 0 && strcmp(PQgetvalue(res, 0, 11), "t") == 0) {
        PQclear(res);
        j->archived = true;
        j->count = 0;
        j->bytes = 0;
        fold(j); /* which loads first */
        return;
    }
    over = take_page(j, res);
    PQclear(res);
    if (j->count == 0)
        end_with(j, EDGE_NOT_FOUND, NULL); /* nor was it there then */
    else if (is_too_long(j))
        end_with(j, EDGE_HISTORY_TOO_LONG, NULL);
    else if (over)
        fold(j);
    else
        ask_page(j);
}

static void
ask_page(job *j)
{
    edge_db_query *q = &j->query;
    bus_error      err;
    bus_code       rc = BUS_TIMEOUT;

    q->values[3] =
        bus_arena_printf(&j->arena, "%d", j->count == 0 ? 0 : (int)j->records[j->count - 1].version)
            .at;
    if (bus_mono_us(j->history->loop->e->options.clock) < j->until_us)
        rc = edge_db_submit(j->log, q, &err);
    if (rc == BUS_OK)
        j->reading = true;
    else
        end_with(j,
                 rc == BUS_TIMEOUT ? EDGE_AS_OF_TIMEOUT
                 : rc == BUS_FULL  ? EDGE_OVERLOADED
                                   : EDGE_UNAVAILABLE,
                 NULL);
}

/* --- the question ----------------------------------------------------------------- */

/* NULL: it can be folded from one stream; else why not. */
static const char *
unfit(const edge_view *view)
{
    if (view->of->of == NULL || view->view->keys != NULL || view->view->project == NULL)
        return "this view gathers many streams: it is not kept as it was";
    for (int i = 0; i < view->of->follows_count; i++)
        if (view->of->follows[i]->aggregate != view->of->of)
            return "this view follows several logs: it is not kept as it was";
    return NULL;
}

/* NULL: *out is filled in; else what is wrong with it. */
static const char *
read_when(const edge_view *view, const char *when, job *out)
{
    if (edge_time_parse(bus_str_of(when), &out->at_ms)) {
        out->position.domain = (bus_str){NULL, 0};
        return NULL;
    }
    if (!edge_position_parse(when, &out->position))
        return "must be a position that an answer carried, or a time (RFC 3339)";
    if (!bus_str_is(out->position.domain, view->of->contract->module))
        return "is a position of another domain than this item's";
    return NULL;
}

bool
edge_as_of_fits(const edge_view *view)
{
    return unfit(view) == NULL;
}

static job *
new_job(edge_request *r, const edge_view *view, const edge_scope *scope, bus_id id)
{
    edge_history *h = r->loop->history;
    job          *j = calloc(1, sizeof(*j));

    if (j == NULL)
        abort();
    j->history = h;
    j->r = r;
    j->view = view;
    j->log = log_of(h, j->view->of->contract);
    j->scope = *scope;
    j->tenant = r->caller.tenant;
    j->id = id;
    j->until_us = bus_mono_us(r->loop->e->options.clock) +
                  (int64_t)r->loop->e->options.list_timeout_ms * 1000;
    j->next = h->jobs;
    j->link = &h->jobs;
    if (j->next != NULL)
        j->next->link = &j->next;
    h->jobs = j;
    h->jobs_count++;
    return j;
}

/* The query of its events. */
static void
prepare(job *j)
{
    char text[BUS_ID_TEXT_BYTES];

    if (j->position.domain.len > 0)
        j->position.domain =
            bus_arena_copy(&j->arena, j->position.domain.at, j->position.domain.len);
    j->query = (edge_db_query){.sql = page_sql(j),
                               .count = 4,
                               .for_tenant = true,
                               .tenant = j->tenant,
                               .done = on_page,
                               .context = j};
    j->query.values[0] =
        bus_arena_copy(&j->arena, bus_id_format(j->id, text), BUS_ID_TEXT_BYTES - 1).at;
    j->query.values[1] =
        bus_arena_copy(&j->arena, bus_id_format(j->tenant, text), BUS_ID_TEXT_BYTES - 1).at;
    j->query.values[2] = j->view->of->of->name;
}

void
edge_as_of_handle(edge_request *r, const edge_scope *scope, bus_id id, const char *when)
{
    edge_history *h = r->loop->history;
    const char   *wrong = unfit(r->route->view);
    job          *j;

    if (h->closing || h->jobs_count >= JOBS_MAX) {
        edge_problem(r, EDGE_OVERLOADED, NULL);
        return;
    }
    j = new_job(r, r->route->view, scope, id);
    if (wrong == NULL)
        wrong = read_when(j->view, when, j);
    if (wrong != NULL) {
        invalid(j, wrong);
        return;
    }
    prepare(j);
    edge_request_suspend(r);
    ask_page(j);
}

void
edge_as_of_change(edge_request *r, const edge_view *view, bus_id id, bus_id command_id,
                  const char *position, void (*done)(edge_request *r, const edge_change *change))
{
    edge_history    *h = r->loop->history;
    const edge_scope whole = {.allowed = true};
    job             *j;

    if (h->closing || h->jobs_count >= JOBS_MAX) {
        done(r, &(edge_change){.problem = EDGE_OVERLOADED});
        return;
    }
    j = new_job(r, view, &whole, id);
    j->command_id = command_id;
    j->changed = done;
    if (read_when(view, position, j) != NULL || j->position.domain.len == 0) {
        end_with(j, EDGE_NOT_FOUND, NULL);
        return;
    }
    prepare(j);
    ask_page(j);
}

/* --- the texts ---------------------------------------------------------------------- */

static void
need_column(const edge_view *view, const char *name, int *columns, int *count)
{
    for (int c = 0; name != NULL && c < view->of->columns_count; c++) {
        bool known = false;

        if (strcmp(view->of->columns[c].name, name) != 0)
            continue;
        for (int i = 0; i < *count; i++)
            known = known || columns[i] == c;
        if (!known)
            columns[(*count)++] = c;
    }
}

int
edge_as_of_columns(const edge_view *view, int columns[EDGE_AS_OF_COLUMNS_MAX])
{
    int count = 0;

    for (int i = 0; i < view->joins_count; i++)
        need_column(view, view->joins[i].of->by, columns, &count);
    need_column(view, view->of->own, columns, &count); /* "id" is none: every row has it */
    need_column(view, view->of->own_from, columns, &count);
    need_column(view, view->of->own_until, columns, &count);
    return count;
}

static const char *
sql_type(const bus_shape *shape)
{
    switch (shape->kind) {
    case BUS_KIND_UUID: return "uuid";
    case BUS_KIND_INT:
    case BUS_KIND_TIME: return "bigint";
    case BUS_KIND_BOOL: return "boolean";
    case BUS_KIND_NUMBER: return "double precision";
    case BUS_KIND_DATE: return "date";
    case BUS_KIND_STRING:
    case BUS_KIND_ENUM:
    case BUS_KIND_OBJECT:
    case BUS_KIND_ARRAY:
    case BUS_KIND_UNION:
    case BUS_KIND_JSON: return "text";
    }
    BUS_UNREACHABLE();
}

void
edge_as_of_sql(const edge_view *view, bus_buf *out)
{
    int columns[EDGE_AS_OF_COLUMNS_MAX];
    int count = edge_as_of_columns(view, columns);

    bus_buf_add_text(out, "(select $1::uuid as tenant, $2::uuid as id");
    for (int i = 0; i < count; i++) {
        const bus_column *column = &view->of->columns[columns[i]];

        bus_buf_printf(out, ", $%d::%s as \"%s\"", 5 + i, sql_type(column->field->shape),
                       column->name);
    }
    bus_buf_add_text(out, ") v");
}
