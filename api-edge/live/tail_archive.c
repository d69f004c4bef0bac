/* tail_archive.c - pages whose events are in archives: the table has only their rows, so they are
 * read through the store, in a thread of the pool that knows nothing but its job.
 * Threads: read_in_pool in the pool's; the rest in the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/live/tail_internal.h"
#include "bus/log/log.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uv_work_t  work;
    edge_page *page;
    bus_store *st; /* of the tail, lent; or NULL: to be opened */
    uint16_t   partition;
    int64_t    after;
    bus_code   rc;
    bus_error  err;
} job;

static bus_code
take_record(void *context, const bus_record *record, bus_error *err)
{
    edge_page *page = context;
    bus_record seen = *record;

    (void)err;
    if (page->count == EDGE_PAGE_EVENTS)
        return BUS_OK;
    if (!bus_id_is_nil(page->tenant) && !bus_id_equal(page->tenant, record->tenant))
        seen.data = (bus_str){NULL, 0};
    page->events[page->count++] = edge_event_of(&seen, page->tail->contract);
    return BUS_OK;
}

static void
read_in_pool(uv_work_t *work)
{
    job                *j = work->data;
    const edge_options *o = &j->page->tail->tails->loop->e->options;
    const char         *domain = j->page->tail->contract->module;
    bus_store_options   options = o->store_options;
    const char         *own = o->url_of == NULL ? NULL : o->url_of(o->url_context, domain);

    if (own != NULL)
        options.url = own;
    options.application = "shina edge archives";
    j->rc = j->st != NULL ? BUS_OK : o->store->open(&j->st, &options, &j->err);
    if (j->rc == BUS_OK)
        j->rc = o->store->read(j->st, domain, j->partition, j->after, EDGE_PAGE_EVENTS, take_record,
                               j->page, &j->err);
}

/* What came before a failure is in order and without gaps: it is given. */
static void
on_read(uv_work_t *work, int status)
{
    job       *j = work->data;
    edge_page *page = j->page;
    edge_tail *tail = page->tail;
    bus_code   rc = status != 0 ? BUS_CLOSED : page->count > 0 ? BUS_OK : j->rc;

    if (j->rc != BUS_OK)
        bus_log_error("edge.feed_archive_unread", BUS_KV("domain", tail->contract->module),
                      BUS_KV_INT("partition", j->partition), BUS_KV_ERR(&j->err));
    if (tail->archive == NULL)
        tail->archive = j->st;
    else
        tail->tails->loop->e->options.store->close(j->st);
    free(j);
    page->done(page, rc);
}

bool
edge_tail_read_archive(edge_page *page, int partition, int64_t after)
{
    edge_tail *tail = page->tail;
    job       *j = calloc(1, sizeof(*j));

    if (j == NULL)
        abort();
    j->work.data = j;
    j->page = page;
    j->partition = (uint16_t)partition;
    j->after = after;
    j->st = tail->archive;
    if (tail->tails->closing ||
        uv_queue_work(&tail->tails->loop->uv, &j->work, read_in_pool, on_read) != 0) {
        free(j);
        return false;
    }
    tail->archive = NULL;
    return true;
}
