/* topic_check.c - a topic beside its log, a page of the log at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/topic_check.h"
#include "bus/runtime/owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 512 /* records of the log in memory */

typedef struct {
    int64_t head;           /* of the log, when it began */
    int64_t first, highest; /* offsets seen; 0: none */
} place;

struct bus_topic_check {
    const bus_runtime_options *options;
    char                       domain[96];
    void (*report)(void *context, const char *fault);
    void            *context;
    bus_store       *store;
    int              partitions;
    place            places[BUS_PARTITIONS_MAX];
    bus_topic_counts counts;

    bus_arena  arena; /* of the page: */
    int        page_partition, page_count;
    bus_record page[PAGE_MAX];
};

static void
fault(bus_topic_check *c, int partition, int64_t offset, const char *what)
{
    char text[256];

    c->counts.faults++;
    (void)snprintf(text, sizeof(text), "%s partition %d offset %lld: %.160s", c->domain, partition,
                   (long long)offset, what);
    if (c->report != NULL)
        c->report(c->context, text);
}

/* --- the log's own record ----------------------------------------------------------------------
 */

static bus_str
kept(bus_topic_check *c, bus_str s)
{
    return bus_arena_copy(&c->arena, s.at, s.len);
}

static bus_code
keep_record(void *context, const bus_record *from, bus_error *err)
{
    bus_topic_check *c = context;
    bus_record      *r = &c->page[c->page_count++];

    (void)err;
    *r = *from;
    r->aggregate = kept(c, from->aggregate);
    r->type = kept(c, from->type);
    r->causation_id = kept(c, from->causation_id);
    r->actor = kept(c, from->actor);
    r->sends = (bus_str){NULL, 0}; /* stay in the log */
    r->data = kept(c, from->data);
    return BUS_OK;
}

/* NULL: there is none of that offset. */
static bus_code
find(bus_topic_check *c, int partition, int64_t offset, const bus_record **out, bus_error *err)
{
    bus_code rc = BUS_OK;

    *out = NULL;
    if (c->page_partition != partition || c->page_count == 0 || offset < c->page[0].offset ||
        offset >= c->page[0].offset + c->page_count) {
        bus_arena_reset(&c->arena);
        c->page_partition = partition;
        c->page_count = 0;
        rc = c->options->store->read(c->store, c->domain, (uint16_t)partition, offset - 1, PAGE_MAX,
                                     keep_record, c, err);
    }
    if (rc == BUS_OK && c->page_count > 0 && c->page[0].offset <= offset)
        *out = &c->page[offset - c->page[0].offset];
    return rc;
}

/* The first member that differs; NULL: none. */
static const char *
difference(const bus_record *a, const bus_record *b)
{
    if (!bus_id_equal(a->command_id, b->command_id) || a->nth != b->nth)
        return "the id is another";
    if (!bus_id_equal(a->stream, b->stream) || a->version != b->version ||
        !bus_str_equal(a->aggregate, b->aggregate))
        return "stream, version or aggregate differ from the log";
    if (!bus_str_equal(a->type, b->type))
        return "the type differs from the log";
    if (!bus_str_equal(a->data, b->data))
        return "the data differ from the log";
    if (!bus_id_equal(a->tenant, b->tenant) || !bus_str_equal(a->actor, b->actor))
        return "tenant or actor differ from the log";
    if (a->epoch != b->epoch || a->digest != b->digest || a->at_ms != b->at_ms ||
        a->device_at_ms != b->device_at_ms)
        return "epoch, digest or times differ from the log";
    if (!bus_id_equal(a->correlation_id, b->correlation_id) ||
        !bus_str_equal(a->causation_id, b->causation_id))
        return "correlation or causation differ from the log";
    return NULL;
}

/* --- messages ----------------------------------------------------------------------------------
 */

/* Is it the next one, or one that was there before? Else it is a hole, which is told once. */
static void
note_offset(bus_topic_check *c, const bus_record *r, int64_t message_offset)
{
    place *p = &c->places[r->partition];

    if (p->first == 0 && message_offset > 0 && r->offset > 1) {
        p->first = r->offset; /* older messages have been deleted */
        p->highest = r->offset - 1;
    } else if (p->first == 0) {
        p->first = 1;
    }
    if (r->offset <= p->highest && r->offset >= p->first) {
        c->counts.repeats++;
        return;
    }
    if (r->offset < p->first) {
        fault(c, r->partition, r->offset, "comes after a later one");
        return;
    }
    if (r->offset > p->highest + 1)
        fault(c, r->partition, p->highest + 1, "is missing, perhaps with some behind it");
    c->counts.events++;
    p->highest = r->offset;
}

bus_code
bus_topic_check_event(bus_topic_check *c, const bus_record *r, int64_t message_offset,
                      bus_error *err)
{
    const bus_record *in_log;
    const char       *what;
    bus_code          rc;

    if (r->partition >= c->partitions) {
        fault(c, r->partition, r->offset, "the log has no such partition");
        return BUS_OK;
    }
    if ((rc = find(c, r->partition, r->offset, &in_log, err)) != BUS_OK)
        return rc;
    what = in_log == NULL ? "is not in the log" : difference(r, in_log);
    if (what != NULL)
        fault(c, r->partition, r->offset, what);
    note_offset(c, r, message_offset);
    return BUS_OK;
}

void
bus_topic_check_foreign(bus_topic_check *c, int partition, int64_t message_offset, const char *why)
{
    char text[200];

    (void)snprintf(text, sizeof(text), "message %lld is no event: %.150s",
                   (long long)message_offset, why);
    fault(c, partition, 0, text);
}

void
bus_topic_check_counts(bus_topic_check *c, bus_topic_counts *out)
{
    *out = c->counts;
    for (int p = 0; p < c->partitions; p++) {
        if (c->places[p].first > 1)
            out->aged_out += c->places[p].first - 1;
        if (c->places[p].head > c->places[p].highest)
            out->behind += c->places[p].head - c->places[p].highest;
    }
}

/* --- opening -------------------------------------------------------------------------------------
 */

void
bus_topic_check_close(bus_topic_check *c)
{
    if (c == NULL)
        return;
    if (c->store != NULL)
        c->options->store->close(c->store);
    bus_arena_fini(&c->arena);
    free(c);
}

static bus_code
read_heads(bus_topic_check *c, bus_error *err)
{
    bus_partition_info *infos;
    bus_code            rc =
        c->options->store->partitions(c->store, c->domain, &c->arena, &infos, &c->partitions, err);

    for (int i = 0; rc == BUS_OK && i < c->partitions; i++)
        c->places[infos[i].partition].head = infos[i].head;
    return rc;
}

bus_code
bus_topic_check_open(bus_topic_check **out, const bus_runtime_options *options, const char *domain,
                     void (*report)(void *context, const char *fault), void *context,
                     bus_error *err)
{
    bus_topic_check *c = calloc(1, sizeof(*c));
    bus_code         rc;

    if (c == NULL)
        abort();
    c->options = options;
    (void)snprintf(c->domain, sizeof(c->domain), "%s", domain);
    c->report = report;
    c->context = context;
    if ((rc = bus_runtime_store(options, NULL, domain, "shina verify", &c->store, err)) != BUS_OK ||
        (rc = read_heads(c, err)) != BUS_OK) {
        bus_topic_check_close(c);
        return rc;
    }
    *out = c;
    return BUS_OK;
}
