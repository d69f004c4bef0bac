/* tail.c - the end of the logs: the ring, and what goes into it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/header.h"
#include "api-edge/live/tail_internal.h"
#include "bus/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US 1000000    /* the safety net: so often the log is asked for its end */
#define LINGER_US 30000000 /* a tail stays so long after its last listener */
#define RING_MAX 1024      /* events of one partition */
#define RING_BYTES_MAX ((size_t)8 * 1024 * 1024) /* of one domain */
#define FILL_MAX 4096                            /* a gap over this is left to the feeds */
#define CONNECTIONS 2
#define WAITING_MAX 8192 /* each feed has one query on its way, at most */
#define STATEMENT_MS 10000

static int64_t
now_us(const edge_tail *tail)
{
    return bus_mono_us(tail->tails->loop->e->options.clock);
}

/* --- listeners ----------------------------------------------------------- */

void
edge_tail_join(edge_tail *tail, edge_listener *listener)
{
    listener->next = tail->listeners;
    listener->link = &tail->listeners;
    if (listener->next != NULL)
        listener->next->link = &listener->next;
    tail->listeners = listener;
    edge_tail_wake(tail);
}

void
edge_tail_leave(edge_tail *tail, edge_listener *listener)
{
    *listener->link = listener->next;
    if (listener->next != NULL)
        listener->next->link = listener->link;
    listener->link = NULL;
    tail->idle_us = now_us(tail);
}

void
edge_tail_tell(edge_tail *tail)
{
    edge_listener *next;

    for (edge_listener *listener = tail->listeners; listener != NULL; listener = next) {
        next = listener->next;
        listener->more(listener);
    }
}

/* --- the ring ------------------------------------------------------------ */

static edge_event **
slot_of(edge_ring *ring, int64_t offset)
{
    return &ring->slots[offset % RING_MAX];
}

static void
drop_oldest(edge_tail *tail)
{
    edge_event *event = tail->oldest;
    edge_ring  *ring = &tail->rings[event->record.partition];

    BUS_INVARIANT(event->record.offset == ring->head - ring->count + 1);
    *slot_of(ring, event->record.offset) = NULL;
    ring->count--;
    tail->oldest = event->younger;
    if (tail->oldest == NULL)
        tail->youngest = NULL;
    event->younger = NULL;
    tail->bytes -= event->bytes;
    edge_event_release(event);
}

/* Takes the reference. Its offset is the next one of its partition. */
static void
put_in(edge_tail *tail, edge_event *event)
{
    edge_ring *ring = &tail->rings[event->record.partition];

    BUS_INVARIANT(event->record.offset == ring->head + 1);
    if (ring->slots == NULL) {
        ring->slots = calloc(RING_MAX, sizeof(edge_event *));
        if (ring->slots == NULL)
            abort();
    }
    while (ring->count == RING_MAX || (tail->bytes > RING_BYTES_MAX && tail->oldest != NULL))
        drop_oldest(tail);
    *slot_of(ring, event->record.offset) = event;
    ring->count++;
    ring->head = event->record.offset;
    if (ring->known < ring->head)
        ring->known = ring->head;
    event->younger = NULL;
    if (tail->youngest != NULL)
        tail->youngest->younger = event;
    else
        tail->oldest = event;
    tail->youngest = event;
    tail->bytes += event->bytes;
}

edge_event *
edge_tail_event(const edge_tail *tail, int partition, int64_t offset)
{
    const edge_ring *ring = &tail->rings[partition];

    if (offset > ring->head || offset <= ring->head - ring->count)
        return NULL;
    return ring->slots[offset % RING_MAX];
}

static void
empty_rings(edge_tail *tail)
{
    while (tail->oldest != NULL)
        drop_oldest(tail);
    for (int p = 0; p < BUS_PARTITIONS_MAX; p++) {
        free(tail->rings[p].slots);
        tail->rings[p] = (edge_ring){0};
    }
}

/* --- the bus ------------------------------------------------------------- */

/* What the batch has beyond the ring; a gap only tells that there is more. */
static bool
take_batch(edge_tail *tail, const bus_batch *batch)
{
    edge_ring *ring = &tail->rings[batch->partition];
    int64_t    last = batch->first_offset + batch->count - 1;
    bool       some = false;

    if (batch->partition >= tail->partitions || batch->records == NULL)
        return false;
    if (ring->known < last)
        ring->known = last;
    while (ring->head + 1 >= batch->first_offset && ring->head < last) {
        const bus_record *record = &batch->records[ring->head + 1 - batch->first_offset];

        if (record->offset != ring->head + 1) {
            bus_log_error("edge.feed_batch_broken", BUS_KV("domain", tail->contract->module));
            break;
        }
        put_in(tail, edge_event_of(record, tail->contract));
        some = true;
    }
    return some;
}

static void fill(edge_tail *tail);

void
edge_tails_batches(edge_tails *tails)
{
    const bus_transport_ops *ops = tails->loop->e->options.transport_ops;

    for (int i = 0; i < tails->count; i++) {
        edge_tail *tail = &tails->all[i];
        bus_batch *batch;
        bool       some = false;

        while (tail->subscriber != NULL && (batch = ops->next(tail->subscriber, 0)) != NULL) {
            some = (tail->ready && take_batch(tail, batch)) || some;
            bus_batch_release(batch);
        }
        if (some)
            edge_tail_tell(tail);
        fill(tail);
        edge_own_go(tail); /* it may be a view's progress that woke us */
    }
}

static void
on_batches(void *context)
{
    edge_loop *loop = context;

    (void)uv_async_send(&loop->wake);
}

/* --- the log's end ------------------------------------------------------- */

static void
take_heads(edge_tail *tail, const PGresult *res)
{
    int count = PQntuples(res);

    if (count < 1 || count > BUS_PARTITIONS_MAX) {
        bus_log_error("edge.feed_no_partitions", BUS_KV("domain", tail->contract->module));
        return;
    }
    tail->partitions = count;
    for (int p = 0; p < count; p++) {
        edge_ring *ring = &tail->rings[p];
        int64_t    head;

        if (!edge_int_parse(bus_str_of(PQgetvalue(res, p, 0)), &head))
            continue;
        if (!tail->ready)
            ring->head = head;
        if (ring->known < head)
            ring->known = head;
    }
    tail->ready = true;
    tail->round++;
}

static void
on_looked(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_tail *tail = query->context;

    tail->looking = false;
    if (rc == BUS_OK && tail->awake) {
        take_heads(tail, res);
        edge_tail_tell(tail);
        fill(tail);
    }
    PQclear(res);
}

void
edge_tail_look(edge_tail *tail)
{
    bus_error err;

    if (tail->looking)
        return;
    tail->looked_us = now_us(tail);
    tail->look.sql = tail->look_sql;
    tail->look.count = 0;
    tail->look.done = on_looked;
    tail->look.context = tail;
    tail->looking = edge_db_submit(tail->log, &tail->look, &err) == BUS_OK;
}

/* --- pages --------------------------------------------------------------- */

enum {
    PARTITION,
    OFFSET,
    STREAM,
    AGGREGATE,
    VERSION,
    TENANT,
    TYPE,
    COMMAND_ID,
    NTH,
    CORRELATION_ID,
    CAUSATION_ID,
    ACTOR,
    AT_MS,
    DATA,
    ARCHIVED
};

static bus_str
text_of(const PGresult *res, int row, int column)
{
    return (bus_str){PQgetvalue(res, row, column), (uint32_t)PQgetlength(res, row, column)};
}

static int64_t
int_of(const PGresult *res, int row, int column)
{
    int64_t value = 0;

    (void)edge_int_parse(text_of(res, row, column), &value);
    return value;
}

static bus_id
id_of(const PGresult *res, int row, int column)
{
    bus_id id = BUS_ID_NIL;

    (void)bus_id_parse(text_of(res, row, column), &id);
    return id;
}

static bus_record
record_of(const PGresult *res, int row)
{
    return (bus_record){.partition = (uint16_t)int_of(res, row, PARTITION),
                        .offset = int_of(res, row, OFFSET),
                        .stream = id_of(res, row, STREAM),
                        .aggregate = text_of(res, row, AGGREGATE),
                        .version = (int32_t)int_of(res, row, VERSION),
                        .tenant = id_of(res, row, TENANT),
                        .type = text_of(res, row, TYPE),
                        .command_id = id_of(res, row, COMMAND_ID),
                        .nth = (int16_t)int_of(res, row, NTH),
                        .correlation_id = id_of(res, row, CORRELATION_ID),
                        .causation_id = text_of(res, row, CAUSATION_ID),
                        .actor = text_of(res, row, ACTOR),
                        .at_ms = int_of(res, row, AT_MS),
                        .data = text_of(res, row, DATA)};
}

/* Offsets have no gaps, so a page that begins later is of a log whose beginning is gone. */
static void
take_page(edge_page *page, const PGresult *res)
{
    for (int row = 0; row < PQntuples(res) && page->count < EDGE_PAGE_EVENTS; row++) {
        bus_record record = record_of(res, row);

        if (record.partition >= page->tail->partitions ||
            record.offset != page->after[record.partition] + 1) {
            page->gone = record.partition;
            return;
        }
        if (bus_str_is(text_of(res, row, ARCHIVED), "t")) {
            page->archived = record.partition;
            return;
        }
        page->after[record.partition] = record.offset;
        page->events[page->count++] = edge_event_of(&record, page->tail->contract);
    }
}

static void
on_page(edge_db_query *query, bus_code rc, PGresult *res)
{
    edge_page *page = query->context;

    if (rc == BUS_OK)
        take_page(page, res);
    PQclear(res);
    if (page->count == 0 && page->archived >= 0) {
        if (edge_tail_read_archive(page, page->archived, page->after[page->archived]))
            return;
        rc = BUS_UNAVAILABLE;
    }
    page->done(page, rc);
}

static bool
send_page(edge_tail *tail, edge_page *page, const int64_t *after, const bool *wanted, int count)
{
    size_t    p_len = 0, o_len = 0;
    bus_error err;

    for (int p = 0; p < tail->partitions; p++) {
        if (!wanted[p])
            continue;
        p_len += (size_t)snprintf(page->partitions + p_len, sizeof(page->partitions) - p_len,
                                  "%c%d", p_len == 0 ? '{' : ',', p);
        o_len += (size_t)snprintf(page->offsets + o_len, sizeof(page->offsets) - o_len, "%c%lld",
                                  o_len == 0 ? '{' : ',', (long long)after[p]);
        page->after[p] = after[p];
    }
    (void)snprintf(page->partitions + p_len, sizeof(page->partitions) - p_len, "}");
    (void)snprintf(page->offsets + o_len, sizeof(page->offsets) - o_len, "}");
    (void)snprintf(page->limit, sizeof(page->limit), "%d", EDGE_PAGE_EVENTS / count);
    page->tail = tail;
    page->count = 0;
    page->gone = page->archived = -1;
    page->query = (edge_db_query){.sql = tail->page_sql, .count = 4, .done = on_page};
    page->query.context = page;
    page->query.values[0] = page->partitions;
    page->query.values[1] = page->offsets;
    page->query.values[2] = page->limit;
    page->query.values[3] =
        bus_id_is_nil(page->tenant) ? NULL : bus_id_format(page->tenant, page->tenant_text);
    return edge_db_submit(tail->log, &page->query, &err) == BUS_OK;
}

bool
edge_tail_page(edge_tail *tail, edge_page *page, const int64_t *after)
{
    bool wanted[BUS_PARTITIONS_MAX] = {false};
    int  count = 0;

    for (int p = 0; p < tail->partitions && count < EDGE_PAGE_EVENTS; p++) {
        wanted[p] = after[p] < tail->rings[p].head - tail->rings[p].count;
        count += wanted[p];
    }
    return count > 0 && send_page(tail, page, after, wanted, count);
}

/* --- gaps that the bus left ---------------------------------------------- */

static void
on_filled(edge_page *page, bus_code rc)
{
    edge_tail *tail = page->tail;

    tail->filling = false;
    if (rc == BUS_OK && page->gone >= 0)
        bus_log_error("edge.feed_log_broken", BUS_KV("domain", tail->contract->module),
                      BUS_KV_INT("partition", page->gone));
    for (int i = 0; i < page->count; i++) {
        const bus_record *record = &page->events[i]->record;

        /* The bus may have brought it meanwhile. */
        if (tail->awake && record->offset == tail->rings[record->partition].head + 1)
            put_in(tail, page->events[i]);
        else
            edge_event_release(page->events[i]);
    }
    if (rc != BUS_OK || page->count == 0)
        return; /* the next look tries again */
    edge_tail_tell(tail);
    fill(tail);
}

/* So much is missing that the feeds had better read it for themselves. */
static void
skip(edge_tail *tail, edge_ring *ring)
{
    int64_t known = ring->known;

    while (ring->count > 0)
        drop_oldest(tail);
    ring->head = known;
}

static void
fill(edge_tail *tail)
{
    bool    wanted[BUS_PARTITIONS_MAX] = {false}, skipped = false;
    int64_t after[BUS_PARTITIONS_MAX];
    int     count = 0;

    if (!tail->ready || tail->filling || tail->listeners == NULL)
        return;
    for (int p = 0; p < tail->partitions; p++) {
        edge_ring *ring = &tail->rings[p];

        if (ring->known - ring->head > FILL_MAX) {
            skip(tail, ring);
            skipped = true;
        }
        after[p] = ring->head;
        wanted[p] = ring->known > ring->head && count < EDGE_PAGE_EVENTS;
        count += wanted[p];
    }
    tail->fill.tenant = BUS_ID_NIL;
    tail->fill.done = on_filled;
    tail->filling = count > 0 && send_page(tail, &tail->fill, after, wanted, count);
    if (skipped)
        edge_tail_tell(tail);
}

/* --- waking and sleeping ------------------------------------------------- */

void
edge_tail_wake(edge_tail *tail)
{
    const edge_options *o = &tail->tails->loop->e->options;
    char                topic[96];
    const char         *topics[] = {topic};
    bus_error           err;

    if (tail->awake)
        return;
    tail->awake = true;
    (void)snprintf(topic, sizeof(topic), "events.%s", tail->contract->module);
    if (o->transport_ops->subscribe(o->transport, topics, 1, on_batches, tail->tails->loop,
                                    &tail->subscriber, &err) != BUS_OK) {
        bus_log_warn("edge.feed_not_subscribed", BUS_KV_ERR(&err)); /* the looks go on */
        tail->subscriber = NULL;
    }
    edge_tail_look(tail);
}

static void
sleep_now(edge_tail *tail)
{
    tail->awake = tail->ready = false;
    if (tail->subscriber != NULL)
        tail->tails->loop->e->options.transport_ops->unsubscribe(tail->subscriber);
    tail->subscriber = NULL;
    edge_own_forget(tail);
    empty_rings(tail);
}

void
edge_tails_tick(edge_tails *tails)
{
    for (int i = 0; i < tails->count; i++) {
        edge_tail *tail = &tails->all[i];
        int64_t    now = now_us(tail);

        if (!tail->awake)
            continue;
        if (tail->listeners == NULL && now - tail->idle_us > LINGER_US) {
            sleep_now(tail);
            continue;
        }
        edge_own_go(tail);
        if ((tail->listeners != NULL || !tail->ready) && now - tail->looked_us >= LOOK_US)
            edge_tail_look(tail);
    }
}

bool
edge_tails_awake(const edge_tails *tails)
{
    for (int i = 0; i < tails->count; i++)
        if (tails->all[i].awake)
            return true;
    return false;
}

/* --- the part ------------------------------------------------------------ */

static edge_db *
open_log(edge_loop *loop, const char *url)
{
    return edge_db_open(&loop->uv, &(edge_db_options){.url = url,
                                                      .application = "shina edge feeds",
                                                      .connections = CONNECTIONS,
                                                      .in_flight_max = 8,
                                                      .group_max = 4,
                                                      .waiting_max = WAITING_MAX,
                                                      .statement_timeout_ms = STATEMENT_MS});
}

static void
write_sql(edge_tail *tail)
{
    const char *module = tail->contract->module;

    (void)snprintf(tail->look_sql, sizeof(tail->look_sql),
                   "select head from \"%s\".partitions order by partition", module);
    (void)snprintf(
        tail->page_sql, sizeof(tail->page_sql),
        "select e.partition, e.\"offset\", e.stream, e.aggregate, e.version, e.tenant, e.type,"
        " e.command_id, e.nth, e.correlation_id, e.causation_id, e.actor,"
        " (extract(epoch from e.at) * 1000)::bigint,"
        " case when $4::uuid is null or e.tenant = $4::uuid then e.data end,"
        " e.archive is not null"
        " from unnest($1::int2[], $2::int8[]) k(partition, after)"
        " cross join lateral (select * from \"%s\".events e where e.partition = k.partition"
        " and e.\"offset\" > k.after order by e.\"offset\" limit $3::int) e"
        " order by e.partition, e.\"offset\"",
        module);
}

edge_tails *
edge_tails_open(edge_loop *loop)
{
    const edge_options *o = &loop->e->options;
    edge_tails         *tails = calloc(1, sizeof(*tails));

    if (tails == NULL ||
        (tails->all = calloc((size_t)o->contracts_count + 1, sizeof(*tails->all))) == NULL ||
        (tails->others = calloc((size_t)o->contracts_count + 1, sizeof(edge_db *))) == NULL)
        abort();
    tails->loop = loop;
    tails->count = o->contracts_count;
    tails->log = open_log(loop, o->database_url);
    tails->views =
        edge_db_open(&loop->uv, &(edge_db_options){.url = o->database_url,
                                                   .application = "shina edge scopes",
                                                   .role = "shina_edge",
                                                   .connections = 1,
                                                   .in_flight_max = 32,
                                                   .group_max = 8,
                                                   .waiting_max = WAITING_MAX,
                                                   .statement_timeout_ms = STATEMENT_MS});
    for (int i = 0; i < tails->count; i++) {
        edge_tail  *tail = &tails->all[i];
        const char *url =
            o->url_of == NULL ? NULL : o->url_of(o->url_context, o->contracts[i]->module);

        tail->tails = tails;
        tail->contract = o->contracts[i];
        write_sql(tail);
        tail->log = url == NULL ? tails->log : open_log(loop, url);
        if (url != NULL)
            tails->others[tails->others_count++] = tail->log;
    }
    return tails;
}

void
edge_tails_close(edge_tails *tails)
{
    if (tails == NULL || tails->closing)
        return;
    tails->closing = true;
    edge_db_close(tails->log);
    edge_db_close(tails->views);
    for (int i = 0; i < tails->others_count; i++)
        edge_db_close(tails->others[i]);
    for (int i = 0; i < tails->count; i++)
        if (tails->all[i].awake)
            sleep_now(&tails->all[i]);
}

void
edge_tails_free(edge_tails *tails)
{
    if (tails == NULL)
        return;
    for (int i = 0; i < tails->count; i++)
        if (tails->all[i].archive != NULL)
            tails->loop->e->options.store->close(tails->all[i].archive);
    free(tails->all);
    free(tails->others);
    free(tails);
}

void
edge_tails_flush(edge_tails *tails)
{
    edge_db_flush(tails->log);
    edge_db_flush(tails->views);
    for (int i = 0; i < tails->others_count; i++)
        edge_db_flush(tails->others[i]);
}

edge_tail *
edge_tail_of(edge_tails *tails, bus_str domain)
{
    for (int i = 0; i < tails->count; i++)
        if (bus_str_is(domain, tails->all[i].contract->module))
            return &tails->all[i];
    return NULL;
}

const bus_contract *
edge_tail_contract(const edge_tail *tail)
{
    return tail->contract;
}

bool
edge_tail_ready(const edge_tail *tail)
{
    return tail->ready;
}

int
edge_tail_partitions(const edge_tail *tail)
{
    return tail->partitions;
}

int64_t
edge_tail_head(const edge_tail *tail, int partition)
{
    return tail->rings[partition].head;
}

int64_t
edge_tail_known(const edge_tail *tail, int partition)
{
    return tail->rings[partition].known;
}

uint64_t
edge_tail_round(const edge_tail *tail)
{
    return tail->round;
}
