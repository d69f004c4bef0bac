/* logs.c - the logs of all domains, read where somebody is in them.
 *
 * The log itself is the queue of every subscription. Of each partition the records that were read
 * last are kept, so those who are at the same place, mostly its end, share one reading.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/log/log.h"
#include "services/webhooks/worker/worker_internal.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_US INT64_C(1000000)
#define DOWN_FIRST_US INT64_C(2000000) /* what is out of reach is tried again, ever later */
#define DOWN_LAST_US INT64_C(60000000)
#define PATIENCE_MS 2000 /* with a server that says nothing: the lease is not renewed meanwhile */
#define TOPIC_PREFIX "events."

void
logs_init(worker *w)
{
    for (int i = 0; i < w->options->contracts_count && w->logs_count < LOGS_MAX; i++) {
        domain_log *log = &w->logs[w->logs_count];

        log->contract = w->options->contracts[i];
        log->domain = log->contract->module;
        if (strcmp(log->domain, HOME) == 0)
            w->own_log = w->logs_count;
        w->logs_count++;
    }
}

void
logs_fini(worker *w)
{
    for (int i = 0; i < w->logs_count; i++) {
        for (int p = 0; p < BUS_PARTITIONS_MAX; p++)
            bus_arena_fini(&w->logs[i].pages[p].arena);
        if (w->logs[i].store != NULL)
            w->options->store->close(w->logs[i].store);
    }
}

/* A domain whose service was never started has no log yet: it gets an empty one. */
static void
make_log(worker *w, domain_log *log)
{
    const bus_store_ops *ops = w->options->store;
    bus_error            why;

    log->made =
        ops->create_domain(log->store, log->domain, w->options->partitions, &why) == BUS_OK &&
        (strcmp(log->domain, HOME) == 0 ||
         ops->follow_domain(log->store, HOME, log->domain, &why) == BUS_OK);
    if (!log->made)
        bus_log_debug("webhooks.log_not_made", BUS_KV("domain", log->domain),
                      BUS_KV("why", why.text));
}

static bus_code
open_log(worker *w, domain_log *log, bus_error *err)
{
    bus_runtime_options options = *w->options;
    bus_code            rc = BUS_OK;

    options.store_options.patience_ms = PATIENCE_MS;
    if (log->store == NULL)
        rc = bus_runtime_store(&options, HOME, log->domain, "shina webhooks", &log->store, err);
    if (rc == BUS_OK && !log->made)
        make_log(w, log);
    return rc;
}

/* --- out of reach ----------------------------------------------------------------------------
 */

static bool
is_out_of_reach(bus_code code)
{
    return code == BUS_UNAVAILABLE || code == BUS_TIMEOUT || code == BUS_UNKNOWN;
}

static void
note_down(worker *w, domain_log *log, const bus_error *err)
{
    if (log->down_us == 0) {
        bus_log_warn("webhooks.log_out_of_reach", BUS_KV("domain", log->domain), BUS_KV_ERR(err));
        log->pause_us = DOWN_FIRST_US;
    } else if (log->pause_us < DOWN_LAST_US) {
        log->pause_us *= 2;
    }
    log->down_us = worker_now_us(w) + log->pause_us;
}

/* After a read: what cannot be read of one place, as when an archive is missing, says nothing of
 * the others. */
static bus_code
read_failed(worker *w, domain_log *log, bus_code rc, const bus_error *err)
{
    if (is_out_of_reach(rc))
        note_down(w, log, err);
    return rc;
}

bool
logs_usable(const worker *w, int log)
{
    return w->logs[log].known && w->logs[log].down_us == 0;
}

const char *
logs_down(const worker *w)
{
    for (int i = 0; i < w->logs_count; i++)
        if (w->logs[i].down_us != 0)
            return w->logs[i].domain;
    return NULL;
}

/* --- where they end ----------------------------------------------------------------------------
 */

static bus_code
look_at(worker *w, domain_log *log, bus_error *err)
{
    int64_t  heads[BUS_PARTITIONS_MAX];
    bus_code rc = open_log(w, log, err);

    if (rc == BUS_OK)
        rc = w->options->store->heads(log->store, log->domain, heads, w->options->partitions, err);
    if (rc != BUS_OK) {
        log->made = log->made && rc != BUS_DENIED; /* the right to it was lost: ask for it again */
        note_down(w, log, err);
        return rc;
    }
    log->down_us = 0;
    log->known = true;
    for (int p = 0; p < w->options->partitions; p++)
        if (heads[p] > log->heads[p])
            log->heads[p] = heads[p];
    return BUS_OK;
}

/* To try one that is out of reach may take long, so at most one at a time. */
bus_code
logs_look(worker *w, bus_error *err)
{
    bool     tried = false;
    bus_code rc = BUS_OK;

    if (w->looked_us != 0 && worker_now_us(w) - w->looked_us < LOOK_US)
        return BUS_OK;
    w->looked_us = worker_now_us(w);
    for (int i = 0; i < w->logs_count && rc == BUS_OK; i++) {
        domain_log *log = &w->logs[i];
        bus_error   why = {0};

        if (i == w->own_log) {
            rc = look_at(w, log, err);
        } else if (log->down_us == 0 || (!tried && worker_now_us(w) >= log->down_us)) {
            tried = tried || log->down_us != 0;
            if (look_at(w, log, &why) != BUS_OK)
                tried = true;
        }
        if (rc == BUS_OK)
            rc = worker_renew(w, err);
    }
    return rc;
}

/* Only where the logs end is taken from the bus. */
void
logs_take_batches(worker *w)
{
    bus_batch *batch;

    while ((batch = w->options->transport_ops->next(w->subscriber, 0)) != NULL) {
        bus_str domain = {batch->topic.at + strlen(TOPIC_PREFIX),
                          batch->topic.len - (uint32_t)strlen(TOPIC_PREFIX)};

        for (int i = 0; i < w->logs_count; i++)
            if (bus_str_is(domain, w->logs[i].domain) &&
                batch->partition < w->options->partitions &&
                batch->first_offset + batch->count - 1 > w->logs[i].heads[batch->partition])
                w->logs[i].heads[batch->partition] = batch->first_offset + batch->count - 1;
        bus_batch_release(batch);
    }
}

static bus_code
take_record(void *context, const bus_record *record, bus_error *err)
{
    log_page   *page = context;
    bus_record *r;
    (void)err;

    if (page->count == 0)
        page->first = record->offset;
    r = &page->records[page->count++];
    *r = *record;
    r->aggregate = bus_arena_copy(&page->arena, r->aggregate.at, r->aggregate.len);
    r->type = bus_arena_copy(&page->arena, r->type.at, r->type.len);
    r->causation_id = bus_arena_copy(&page->arena, r->causation_id.at, r->causation_id.len);
    r->actor = bus_arena_copy(&page->arena, r->actor.at, r->actor.len);
    r->data = bus_arena_copy(&page->arena, r->data.at, r->data.len);
    r->sends = (bus_str){NULL, 0};
    return BUS_OK;
}

bus_code
logs_record(worker *w, int log, int partition, int64_t offset, const bus_record **out,
            bus_error *err)
{
    domain_log *l = &w->logs[log];
    log_page   *page = &l->pages[partition];
    bus_code    rc;

    *out = NULL;
    if (offset > l->heads[partition])
        return BUS_OK;
    if (offset < page->first || offset >= page->first + page->count) {
        if ((rc = open_log(w, l, err)) != BUS_OK)
            return read_failed(w, l, rc, err);
        bus_arena_reset(&page->arena);
        page->count = 0;
        page->records = BUS_ARENA_ARRAY(&page->arena, bus_record, PAGE_RECORDS);
        rc = w->options->store->read(l->store, l->domain, (uint16_t)partition, offset - 1,
                                     PAGE_RECORDS, take_record, page, err);
        if (rc != BUS_OK) {
            page->count = 0;
            return read_failed(w, l, rc, err);
        }
    }
    if (offset >= page->first && offset < page->first + page->count)
        *out = &page->records[offset - page->first];
    return BUS_OK;
}

static bus_code
take_time(void *context, const bus_record *record, bus_error *err)
{
    (void)err;
    *(int64_t *)context = record->at_ms;
    return BUS_OK;
}

/* `at` never goes back within a partition, so it is found by halving. */
bus_code
logs_before(worker *w, int log, int partition, int64_t at_ms, int64_t *out, bus_error *err)
{
    domain_log *l = &w->logs[log];
    int64_t     low = 0, high = l->heads[partition]; /* low is before the time, high + 1 is not */
    bus_code    rc = open_log(w, l, err);

    while (rc == BUS_OK && low < high) {
        int64_t middle = low + (high - low + 1) / 2, found_ms = INT64_MAX;

        rc = w->options->store->read(l->store, l->domain, (uint16_t)partition, middle - 1, 1,
                                     take_time, &found_ms, err);
        if (found_ms < at_ms)
            low = middle;
        else
            high = middle - 1;
    }
    *out = low;
    return rc == BUS_OK ? rc : read_failed(w, l, rc, err);
}
