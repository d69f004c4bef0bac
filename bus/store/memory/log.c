/* log.c - the log in memory: every check of a batch comes before its first write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/planted.h"
#include "bus/store/memory/memory.h"

#include <stdlib.h>
#include <string.h>

/* --- keys ----------------------------------------------------------------- */

static bus_str
claim_key(bus_buf *buf, const bus_claim_write *c)
{
    bus_buf_reset(buf);
    bus_buf_add(buf, c->tenant.bytes, sizeof(c->tenant.bytes));
    bus_buf_add(buf, c->kind, strlen(c->kind) + 1);
    bus_buf_add_str(buf, c->value);
    return bus_buf_str(buf);
}

static bus_str
timer_key(bus_buf *buf, const bus_timer_write *t)
{
    bus_buf_reset(buf);
    bus_buf_add(buf, t->stream.bytes, sizeof(t->stream.bytes));
    bus_buf_add_text(buf, t->name);
    return bus_buf_str(buf);
}

static mem_stream *
find_stream(mem_domain *d, const bus_id *id)
{
    mem_stream *s = NULL;

    HASH_FIND(hh, d->streams, id, sizeof(*id), s);
    return s;
}

static mem_record *
find_command(mem_domain *d, const bus_id *id)
{
    mem_record *r = NULL;

    HASH_FIND(by_command, d->commands, id, sizeof(*id), r);
    return r;
}

/* --- checks, in the order of the real store ------------------------------- */

static bus_code
check_epochs(mem_domain *d, bus_append_partition *partitions, int count, bus_error *err)
{
    bool fenced = false;

    for (int i = 0; i < count; i++) {
        bus_append_partition *p = &partitions[i];

        p->fenced =
            p->partition >= d->partitions_count || d->partitions[p->partition].epoch != p->epoch;
        fenced = fenced || p->fenced;
    }
    return fenced && !BUS_PLANTED("store.no_epoch_check") ? bus_fail(err, BUS_FENCED, "fenced")
                                                          : BUS_OK;
}

static bus_code
check_commands(mem_domain *d, bus_append *batch, bus_error *err)
{
    bool found = false;

    for (int i = 0; i < batch->commands_count; i++) {
        batch->commands[i].found = find_command(d, &batch->commands[i].id) != NULL;
        found = found || batch->commands[i].found;
    }
    return found && !BUS_PLANTED("store.no_dedup") ? bus_fail(err, BUS_DUPLICATE, "duplicate")
                                                   : BUS_OK;
}

static bool
same_key(const bus_claim_write *a, const bus_claim_write *b)
{
    return bus_id_equal(a->tenant, b->tenant) && strcmp(a->kind, b->kind) == 0 &&
           bus_str_equal(a->value, b->value);
}

/* Does the batch release this key for its holder? */
static bool
is_released(const bus_append *batch, const bus_claim_write *take, bus_id holder)
{
    for (int i = 0; i < batch->claims_count; i++) {
        const bus_claim_write *c = &batch->claims[i];

        if (c->release && bus_id_equal(c->stream, holder) && same_key(c, take))
            return true;
    }
    return false;
}

static bus_code
check_claims(mem_domain *d, bus_append *batch, bus_buf *key, bus_error *err)
{
    bool taken = false;

    for (int i = 0; i < batch->claims_count; i++) {
        bus_claim_write *c = &batch->claims[i];
        bus_str          k = claim_key(key, c);
        const mem_row   *row = mem_row_get(d->claims, k.at, k.len);

        c->taken = !c->release && row != NULL && !bus_id_equal(row->stream, c->stream) &&
                   !is_released(batch, c, row->stream);
        if (c->taken)
            c->holder = row->stream;
        taken = taken || c->taken;
        for (int j = 0; j < i; j++) {
            const bus_claim_write *other = &batch->claims[j];

            if (!c->release && !other->release && !bus_id_equal(c->stream, other->stream) &&
                same_key(c, other))
                return bus_fail(err, BUS_CONFLICT, "two streams of a batch take one value");
        }
    }
    return taken ? bus_fail(err, BUS_CLAIMED, "claimed") : BUS_OK;
}

static bool
has_version(const mem_stream *s, int32_t version)
{
    for (int i = s->count - 1; i >= 0 && s->records[i]->record.version >= version; i--) {
        if (s->records[i]->record.version == version)
            return true;
    }
    return false;
}

static bus_code
check_conflicts(mem_domain *d, const bus_append *batch, bus_error *err)
{
    for (int i = 0; i < batch->events_count; i++) {
        const bus_record *e = &batch->events[i];
        const mem_stream *s = find_stream(d, &e->stream);

        if (s != NULL && has_version(s, e->version))
            return bus_fail(err, BUS_CONFLICT, "the stream has moved on");
        if (e->nth == 0 && !BUS_PLANTED("store.no_dedup") &&
            find_command(d, &e->command_id) != NULL)
            return bus_fail(err, BUS_CONFLICT, "the command is in the log");
        for (int j = 0; j < i; j++) {
            const bus_record *other = &batch->events[j];

            if (other->version == e->version && bus_id_equal(other->stream, e->stream))
                return bus_fail(err, BUS_CONFLICT, "two events of one version");
            if (e->nth == 0 && other->nth == 0 && bus_id_equal(other->command_id, e->command_id))
                return bus_fail(err, BUS_CONFLICT, "two first events of one command");
        }
    }
    return BUS_OK;
}

/* --- writes --------------------------------------------------------------- */

static bus_str
keep(char **room, bus_str s)
{
    bus_str kept = {*room, s.len};

    if (s.len == 0)
        return (bus_str){0};
    memcpy(*room, s.at, s.len);
    *room += s.len;
    return kept;
}

static mem_record *
copy_record(const bus_record *e)
{
    size_t bytes = (size_t)e->aggregate.len + e->type.len + e->causation_id.len + e->actor.len +
                   e->sends.len + e->data.len;
    mem_record *r = calloc(1, sizeof(*r) + bytes);
    char       *room = (char *)(r + 1);

    if (r == NULL)
        abort();
    r->record = *e;
    r->record.aggregate = keep(&room, e->aggregate);
    r->record.type = keep(&room, e->type);
    r->record.causation_id = keep(&room, e->causation_id);
    r->record.actor = keep(&room, e->actor);
    r->record.sends = keep(&room, e->sends);
    r->record.data = keep(&room, e->data);
    return r;
}

static void
add_to_stream(mem_domain *d, mem_record *r)
{
    mem_stream *s = find_stream(d, &r->record.stream);
    int         at;

    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            abort();
        s->stream = r->record.stream;
        HASH_ADD(hh, d->streams, stream, sizeof(s->stream), s);
    }
    if (s->count == s->room) {
        s->room = s->room == 0 ? 4 : s->room * 2;
        s->records = realloc(s->records, sizeof(mem_record *) * (size_t)s->room);
        if (s->records == NULL)
            abort();
    }
    for (at = s->count; at > 0 && s->records[at - 1]->record.version > r->record.version; at--)
        s->records[at] = s->records[at - 1];
    s->records[at] = r;
    s->count++;
}

static void
add_to_partition(mem_partition *p, mem_record *r)
{
    int64_t count = p->head - p->archived_count;

    if (count == p->room) {
        p->room = p->room == 0 ? 64 : p->room * 2;
        p->records = realloc(p->records, sizeof(mem_record *) * (size_t)p->room);
        if (p->records == NULL)
            abort();
    }
    p->records[count] = r;
    p->head++;
}

mem_record *
mem_record_at(const mem_partition *p, int64_t offset)
{
    BUS_INVARIANT(offset >= 1 && offset <= p->head);
    return offset <= p->archived_count ? p->archived[offset - 1]
                                       : p->records[offset - 1 - p->archived_count];
}

static void
write_events(mem_domain *d, bus_append *batch)
{
    int at = 0;

    for (int i = 0; i < batch->partitions_count; i++)
        batch->partitions[i].first_offset = d->partitions[batch->partitions[i].partition].head + 1;
    for (int i = 0; i < batch->events_count; i++) {
        bus_record *e = &batch->events[i];
        mem_record *r;

        while (at < batch->partitions_count && batch->partitions[at].partition != e->partition)
            at++;
        BUS_INVARIANT(at < batch->partitions_count); /* named, and in ascending order */
        e->epoch = batch->partitions[at].epoch;
        e->offset = d->partitions[e->partition].head + 1;
        r = copy_record(e);
        add_to_partition(&d->partitions[e->partition], r);
        add_to_stream(d, r);
        if (e->nth == 0)
            HASH_ADD(by_command, d->commands, record.command_id, sizeof(bus_id), r);
    }
}

static void
write_claims(mem_domain *d, const bus_append *batch, bool release, bus_buf *key)
{
    for (int i = 0; i < batch->claims_count; i++) {
        const bus_claim_write *c = &batch->claims[i];
        bus_str                k = claim_key(key, c);
        mem_row               *row = mem_row_get(d->claims, k.at, k.len);

        if (c->release != release)
            continue;
        if (release && row != NULL && bus_id_equal(row->stream, c->stream))
            mem_row_remove(&d->claims, row);
        if (!release && row == NULL)
            mem_row_add(&d->claims, k.at, k.len)->stream = c->stream;
    }
}

static void
write_timers(mem_domain *d, const bus_append *batch, bus_buf *key)
{
    for (int i = 0; i < batch->timers_count; i++) {
        const bus_timer_write *t = &batch->timers[i];
        bus_str                k = timer_key(key, t);
        mem_row               *row = mem_row_get(d->timers, k.at, k.len);

        if (t->due_at_ms == 0 || t->fired) {
            if (row != NULL && (t->due_at_ms == 0 || row->at == t->due_at_ms))
                mem_row_remove(&d->timers, row);
            continue;
        }
        if (row == NULL) {
            row = mem_row_add(&d->timers, k.at, k.len);
            row->stream = t->stream;
            row->text = mem_copy(t->name, strlen(t->name));
        }
        row->partition = t->partition;
        row->at = t->due_at_ms;
    }
}

static bus_code
check_batch(mem_domain *d, bus_append *batch, bus_buf *key, bus_error *err)
{
    bus_code rc;

    if ((rc = check_epochs(d, batch->partitions, batch->partitions_count, err)) != BUS_OK ||
        (rc = check_commands(d, batch, err)) != BUS_OK ||
        (rc = check_claims(d, batch, key, err)) != BUS_OK)
        return rc;
    return check_conflicts(d, batch, err);
}

bus_code
mem_append(bus_store *st, const char *domain, bus_append *batch, bus_error *err)
{
    int64_t     until_ms = bus_now_ms(st->clock) + BUS_LEASE_MS;
    bus_buf     key = {0};
    mem_domain *d;
    bus_code    rc;

    BUS_INVARIANT(batch->partitions_count > 0);
    (void)pthread_mutex_lock(&st->shared->lock);
    if ((rc = mem_fault_take(st->shared, BUS_FAULT_APPEND, true, err)) != BUS_OK)
        goto done;
    d = mem_find_domain(st->shared, domain);
    if (d == NULL) {
        rc = mem_no_domain(domain, err);
        goto done;
    }
    if ((rc = check_batch(d, batch, &key, err)) != BUS_OK)
        goto done;
    write_events(d, batch);
    write_claims(d, batch, true, &key);
    write_claims(d, batch, false, &key);
    write_timers(d, batch, &key);
    for (int i = 0; i < batch->partitions_count; i++)
        d->partitions[batch->partitions[i].partition].lease_until_ms = until_ms;
    rc = mem_fault_take(st->shared, BUS_FAULT_APPEND, false, err);

done:
    (void)pthread_mutex_unlock(&st->shared->lock);
    bus_buf_fini(&key);
    return rc;
}

/* --- reading --------------------------------------------------------------- */

/* Records picked under the lock, to be visited after it. */
typedef struct {
    const mem_record **records;
    size_t             count, room;
} picked;

static void
pick(picked *list, const mem_record *r)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 64 : list->room * 2;
        list->records = realloc(list->records, sizeof(mem_record *) * list->room);
        if (list->records == NULL)
            abort();
    }
    list->records[list->count++] = r;
}

static bus_code
visit_picked(picked *list, bus_record_visit visit, void *context, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (size_t i = 0; rc == BUS_OK && i < list->count; i++) {
        bus_record record = list->records[i]->record; /* the visitor may not write to ours */

        rc = visit(context, &record, err);
    }
    free(list->records);
    return rc;
}

/* Locks and finds the domain; on failure the lock is given back. */
static bus_code
begin_read(bus_store *st, const char *domain, mem_domain **out, bus_error *err)
{
    bus_code rc;

    (void)pthread_mutex_lock(&st->shared->lock);
    rc = mem_fault_take(st->shared, BUS_FAULT_READ, true, err);
    if (rc == BUS_OK && (*out = mem_find_domain(st->shared, domain)) == NULL)
        rc = mem_no_domain(domain, err);
    if (rc != BUS_OK)
        (void)pthread_mutex_unlock(&st->shared->lock);
    return rc;
}

static void
pick_command(mem_domain *d, const bus_id *id, picked *list)
{
    const mem_record *first = find_command(d, id);
    const mem_stream *s = first == NULL ? NULL : find_stream(d, &first->record.stream);

    for (int i = 0; s != NULL && i < s->count; i++) {
        if (bus_id_equal(s->records[i]->record.command_id, *id))
            pick(list, s->records[i]);
    }
}

bus_code
mem_find(bus_store *st, const char *domain, bus_append_partition *partitions, int partitions_count,
         const bus_id *ids, int ids_count, bus_record_visit visit, void *context, bus_error *err)
{
    picked      list = {0};
    mem_domain *d;
    bus_code    rc;

    if ((rc = begin_read(st, domain, &d, err)) != BUS_OK)
        return rc;
    rc = check_epochs(d, partitions, partitions_count, err);
    for (int i = 0; rc == BUS_OK && i < ids_count; i++)
        pick_command(d, &ids[i], &list);
    (void)pthread_mutex_unlock(&st->shared->lock);
    if (rc != BUS_OK)
        return rc;
    return visit_picked(&list, visit, context, err);
}

bool
mem_stream_has(mem_domain *d, bus_id stream, int32_t version)
{
    const mem_stream *s = find_stream(d, &stream);

    return s != NULL && has_version(s, version);
}

bus_code
mem_load(bus_store *st, const char *domain, const bus_id *streams, int count,
         bus_record_visit visit, void *context, bus_error *err)
{
    return mem_load_after(st, domain, streams, NULL, count, visit, context, err);
}

/* versions == NULL: all events. */
bus_code
mem_load_after(bus_store *st, const char *domain, const bus_id *streams, const int32_t *versions,
               int count, bus_record_visit visit, void *context, bus_error *err)
{
    picked      list = {0};
    mem_domain *d;
    bus_code    rc;

    if ((rc = begin_read(st, domain, &d, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < count; i++) {
        const mem_stream *s = find_stream(d, &streams[i]);

        for (int j = 0; s != NULL && j < s->count; j++) {
            if (versions == NULL || s->records[j]->record.version > versions[i])
                pick(&list, s->records[j]);
        }
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    return visit_picked(&list, visit, context, err);
}

bus_code
mem_read(bus_store *st, const char *domain, uint16_t partition, int64_t after, int limit,
         bus_record_visit visit, void *context, bus_error *err)
{
    picked      list = {0};
    mem_domain *d;
    bus_code    rc;

    if ((rc = begin_read(st, domain, &d, err)) != BUS_OK)
        return rc;
    for (int64_t at = after < 0 ? 0 : after;
         partition < d->partitions_count && at < d->partitions[partition].head &&
         list.count < (size_t)limit;
         at++)
        pick(&list, mem_record_at(&d->partitions[partition], at + 1));
    (void)pthread_mutex_unlock(&st->shared->lock);
    return visit_picked(&list, visit, context, err);
}

bus_code
mem_heads(bus_store *st, const char *domain, int64_t *heads, int count, bus_error *err)
{
    mem_domain *d;
    bus_code    rc;

    if ((rc = begin_read(st, domain, &d, err)) != BUS_OK)
        return rc;
    for (int i = 0; i < count; i++)
        heads[i] = i < d->partitions_count ? d->partitions[i].head : 0;
    (void)pthread_mutex_unlock(&st->shared->lock);
    return BUS_OK;
}

/* --- timers ---------------------------------------------------------------- */

static int
compare_due(const void *a, const void *b)
{
    const bus_timer *x = a, *y = b;
    int              by_stream = bus_id_compare(x->stream, y->stream);

    if (x->due_at_ms != y->due_at_ms)
        return x->due_at_ms < y->due_at_ms ? -1 : 1;
    return by_stream != 0 ? by_stream : strcmp(x->name.at, y->name.at);
}

static bool
is_among(const uint16_t *partitions, int count, uint16_t partition)
{
    for (int i = 0; i < count; i++) {
        if (partitions[i] == partition)
            return true;
    }
    return false;
}

static bus_timer
copy_timer(mem_domain *d, const mem_row *row, bus_arena *arena)
{
    const mem_stream *s = find_stream(d, &row->stream);
    bus_timer         timer = {.partition = row->partition,
                               .stream = row->stream,
                               .name = bus_arena_copy(arena, row->text, strlen(row->text)),
                               .due_at_ms = row->at};

    if (s != NULL) {
        const bus_record *first = &s->records[0]->record;

        timer.tenant = first->tenant;
        timer.aggregate = bus_arena_copy(arena, first->aggregate.at, first->aggregate.len);
    }
    return timer;
}

bus_code
mem_timers_due(bus_store *st, const char *domain, const uint16_t *partitions, int partitions_count,
               int64_t now_ms, int limit, bus_arena *arena, bus_timer **out, int *count,
               int64_t *next_ms, bus_error *err)
{
    mem_domain *d;
    bus_timer  *all;
    int         n = 0;
    bus_code    rc;

    *count = 0;
    *next_ms = 0;
    if ((rc = begin_read(st, domain, &d, err)) != BUS_OK)
        return rc;
    all = BUS_ARENA_ARRAY(arena, bus_timer, (size_t)HASH_COUNT(d->timers) + 1);
    for (const mem_row *row = d->timers; row != NULL; row = row->hh.next) {
        if (is_among(partitions, partitions_count, row->partition))
            all[n++] = copy_timer(d, row, arena);
    }
    (void)pthread_mutex_unlock(&st->shared->lock);
    if (n > 0)
        qsort(all, (size_t)n, sizeof(*all), compare_due);
    while (*count < n && *count < limit && all[*count].due_at_ms <= now_ms)
        (*count)++;
    if (*count < n)
        *next_ms = all[*count].due_at_ms;
    *out = all;
    return BUS_OK;
}
