/* verify.c - reads every log in order and checks what must hold between its events.
 *
 * Pass 0 checks each event by itself and beside its neighbour. What needs a memory (versions of
 * streams, ids of commands, rows of views) is shared out over the passes by a hash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/runtime/owners.h"
#include "bus/runtime/sends.h"
#include "bus/runtime/verify_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000 /* records of one read */

/* What bounds the memory of a pass: about 100 MB of ids and as much of rows. */
static int64_t events_per_pass = 1000000;
static size_t  tighten_bytes = 64u << 20;

void
verify_set_limits(int64_t new_events_per_pass, size_t new_tighten_bytes)
{
    events_per_pass = new_events_per_pass;
    tighten_bytes = new_tighten_bytes;
}

const char *
bus_verify_check_name(bus_verify_check check)
{
    switch (check) {
    case BUS_VERIFY_DOMAIN: return "DOMAIN";
    case BUS_VERIFY_OFFSET: return "OFFSET";
    case BUS_VERIFY_EPOCH: return "EPOCH";
    case BUS_VERIFY_TIME: return "TIME";
    case BUS_VERIFY_PARTITION: return "PARTITION";
    case BUS_VERIFY_STREAM: return "STREAM";
    case BUS_VERIFY_COMMAND: return "COMMAND";
    case BUS_VERIFY_ARCHIVE: return "ARCHIVE";
    case BUS_VERIFY_CONTRACT: return "CONTRACT";
    case BUS_VERIFY_CHECKPOINT: return "CHECKPOINT";
    case BUS_VERIFY_PARKED: return "PARKED";
    case BUS_VERIFY_SNAPSHOT: return "SNAPSHOT";
    case BUS_VERIFY_VIEW: return "VIEW";
    }
    BUS_UNREACHABLE();
}

void
verify_report(verify *v, bus_verify_fault fault, const char *fmt, ...)
{
    va_list args;

    v->counts->faults++;
    if (v->report == NULL || v->counts->faults > BUS_VERIFY_REPORTS_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(fault.text, sizeof(fault.text), fmt, args);
    va_end(args);
    v->report(v->context, &fault);
}

bool
verify_in_pass(const verify *v, bus_id id)
{
    /* Not the low bits: they choose the partition. */
    return (int)((bus_fnv1a64(id.bytes, sizeof(id.bytes)) >> 32) % (uint64_t)v->passes) == v->pass;
}

/* --- a table from ids to what was last seen of them ---------------------------- */

typedef struct {
    bus_id   id;
    int32_t  version; /* 0: the slot is free */
    uint32_t same;    /* of streams: hash of tenant and aggregate */
} slot;

typedef struct {
    slot  *slots;
    size_t count, room; /* room is a power of two */
} table;

static slot *
find_slot(slot *slots, size_t room, bus_id id)
{
    size_t at = bus_fnv1a64(id.bytes, sizeof(id.bytes)) & (room - 1);

    while (slots[at].version != 0 && !bus_id_equal(slots[at].id, id))
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static void
grow(table *t)
{
    size_t room = t->room == 0 ? 1024 : t->room * 2;
    slot  *slots = calloc(room, sizeof(*slots));

    if (slots == NULL)
        abort();
    for (size_t i = 0; i < t->room; i++) {
        if (t->slots[i].version != 0)
            *find_slot(slots, room, t->slots[i].id) = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->room = room;
}

/* The slot of an id; a new one has version 0, which the caller must change. */
static slot *
slot_of(table *t, bus_id id)
{
    slot *s;

    if (t->count * 2 >= t->room)
        grow(t);
    s = find_slot(t->slots, t->room, id);
    if (s->version == 0) {
        s->id = id;
        t->count++;
    }
    return s;
}

static void
free_table(table *t)
{
    free(t->slots);
    *t = (table){0};
}

/* --- one log -------------------------------------------------------------------- */

/* Going through one partition. */
typedef struct {
    verify    *v;
    int        log;
    table     *streams, *commands;
    bus_record last;    /* the record before; its strings are gone */
    bus_arena  scratch; /* of one event */
    bool       done;
    bool       gap;  /* the events before this one are lost */
    bool       gaps; /* some events of the partition are */
} walk;

static bus_verify_fault
fault_at(const walk *w, bus_verify_check check, const bus_record *record)
{
    return (bus_verify_fault){.check = check,
                              .domain = w->v->logs[w->log].contract->module,
                              .partition = record->partition,
                              .offset = record->offset,
                              .stream = record->stream};
}

static void
check_neighbours(walk *w, const bus_record *record)
{
    const verify_log *log = &w->v->logs[w->log];
    const bus_record *last = &w->last;

    if (record->offset != last->offset + 1)
        verify_report(w->v, fault_at(w, BUS_VERIFY_OFFSET, record),
                      "offset %" PRId64 " follows %" PRId64, record->offset, last->offset);
    if (record->epoch < last->epoch)
        verify_report(w->v, fault_at(w, BUS_VERIFY_EPOCH, record),
                      "epoch %" PRId64 " follows %" PRId64, record->epoch, last->epoch);
    if (record->epoch > log->epochs[record->partition])
        verify_report(w->v, fault_at(w, BUS_VERIFY_EPOCH, record),
                      "epoch %" PRId64 " is above the partition's, %" PRId64, record->epoch,
                      log->epochs[record->partition]);
    if (record->at_ms < last->at_ms)
        verify_report(w->v, fault_at(w, BUS_VERIFY_TIME, record),
                      "its time is %" PRId64 " ms before that of the event before it",
                      last->at_ms - record->at_ms);
    if (bus_id_partition(record->stream, log->partitions) != record->partition)
        verify_report(w->v, fault_at(w, BUS_VERIFY_PARTITION, record),
                      "its stream belongs to partition %d",
                      bus_id_partition(record->stream, log->partitions));
    if (record->nth != 0 && !w->gap &&
        (record->nth != last->nth + 1 || record->version != last->version + 1 ||
         !bus_id_equal(record->command_id, last->command_id) ||
         !bus_id_equal(record->stream, last->stream)))
        verify_report(w->v, fault_at(w, BUS_VERIFY_COMMAND, record),
                      "event %d of its command does not stand behind event %d", record->nth,
                      record->nth - 1);
}

static void
check_stream(walk *w, const bus_record *record)
{
    uint64_t of_tenant = bus_fnv1a64(record->tenant.bytes, sizeof(record->tenant.bytes));
    uint32_t same =
        (uint32_t)(of_tenant ^ bus_fnv1a64(record->aggregate.at, record->aggregate.len));
    slot *s = slot_of(w->streams, record->stream);

    if (s->version == 0) {
        s->same = same;
        w->v->counts->streams++;
    }
    if (w->gaps ? record->version <= s->version : record->version != s->version + 1)
        verify_report(w->v, fault_at(w, BUS_VERIFY_STREAM, record),
                      "version %d follows %d in its stream", record->version, s->version);
    if (same != s->same)
        verify_report(w->v, fault_at(w, BUS_VERIFY_STREAM, record),
                      "its tenant or aggregate differs from that of its stream");
    s->version = record->version > 0 ? record->version : 1;
}

static void
check_command(walk *w, const bus_record *record)
{
    slot *s = slot_of(w->commands, record->command_id);

    w->v->counts->commands++;
    if (s->version != 0)
        verify_report(w->v, fault_at(w, BUS_VERIFY_COMMAND, record),
                      "its command has another first event in the log");
    s->version = 1;
}

/* What was encrypted had not been checked: it keeps to its contract, or is a tombstone. */
static bus_code
check_opened(const bus_message *type, const void *data, bus_arena *arena, bus_error *err)
{
    bus_problems problems = {0};
    bus_buf      text = {0};
    void        *again = bus_arena_alloc(arena, type->shape->size);
    bus_code     rc;

    bus_encode(type->shape, data, &text);
    rc = bus_decode_as(BUS_PERSONAL_OPENED, type->shape, bus_buf_str(&text), arena, again,
                       &problems);
    bus_buf_fini(&text);
    if (rc != BUS_OK)
        return bus_fail(err, BUS_FAULT, "%s: %s: %s", type->type, problems.items[0].pointer,
                        problems.items[0].message);
    return BUS_OK;
}

/* What the event sends: personal members are encrypted there as well. */
static bus_code
check_sends(walk *w, const bus_record *record, bus_error *err)
{
    verify   *v = w->v;
    bus_sent *sends;
    bus_error wrong = {0};
    int       count = 0;
    bus_code  rc;

    if (record->sends.len == 0)
        return BUS_OK;
    rc = bus_sends_decode(record->sends, &w->scratch, &sends, &count, &wrong);
    for (int i = 0; rc == BUS_OK && i < count; i++) {
        const bus_message *command =
            bus_find_command(v->contracts, v->contracts_count, sends[i].to);
        bus_str opened;

        if (command != NULL)
            rc = bus_personal_open_data(v->personal, record->tenant, sends[i].stream, command,
                                        sends[i].data, &w->scratch, &opened, &wrong);
    }
    if (bus_is_outage(rc)) {
        *err = wrong;
        return rc;
    }
    if (rc != BUS_OK)
        verify_report(v, fault_at(w, BUS_VERIFY_CONTRACT, record), "its sends: %s", wrong.text);
    return BUS_OK;
}

/* Decodes the event if this pass needs it, and folds it. Not BUS_OK: the keys of personal data are
 * out of reach. */
static bus_code
check_content(walk *w, const bus_record *record, bus_error *out)
{
    verify             *v = w->v;
    const bus_contract *contract = v->logs[w->log].contract;
    const bus_message  *type = bus_message_newest(bus_contract_event(contract, record->type));
    bool                fold = type != NULL && verify_views_want(v, w->log, record, type);
    bus_error           err = {0};
    bus_actor           actor;
    bus_event           event;
    bus_code            rc;

    if (v->pass == 0) {
        bus_arena_reset(&w->scratch);
        if ((rc = check_sends(w, record, out)) != BUS_OK)
            return rc;
    }
    if (type == NULL) {
        if (v->pass == 0 && !bus_is_refused_event(record->type))
            verify_report(v, fault_at(w, BUS_VERIFY_CONTRACT, record), "unknown event %.*s",
                          BUS_STR_ARG(record->type));
        return BUS_OK;
    }
    if (!fold && v->pass != 0)
        return BUS_OK;
    bus_arena_reset(&w->scratch);
    rc = bus_event_of_record(&contract, 1, record, v->personal, fold ? &v->folds : &w->scratch,
                             &event, &err);
    if (bus_is_outage(rc)) {
        *out = err;
        return rc;
    }
    if (rc == BUS_OK && v->pass == 0)
        rc = bus_actor_decode(record->actor, &actor, &err); /* whole, not only who it was */
    if (rc == BUS_OK && v->pass == 0 && type->shape->personal)
        rc = check_opened(type, event.data, &w->scratch, &err);
    if (rc != BUS_OK) {
        if (v->pass == 0 || fold)
            verify_report(v, fault_at(w, BUS_VERIFY_CONTRACT, record), "%s", err.text);
        return BUS_OK;
    }
    if (fold)
        verify_views_event(v, w->log, record, &event);
    return BUS_OK;
}

static bus_code
check_record(void *context, const bus_record *record, bus_error *err)
{
    walk   *w = context;
    verify *v = w->v;

    if (record->offset > v->logs[w->log].heads[record->partition]) {
        w->done = true; /* written since we began */
        return BUS_OK;
    }
    if (v->pass == 0) {
        v->counts->events++;
        check_neighbours(w, record);
    }
    if (verify_in_pass(v, record->stream))
        check_stream(w, record);
    if (record->nth == 0 && verify_in_pass(v, record->command_id))
        check_command(w, record);
    w->last = *record;
    w->gap = false;
    return check_content(w, record, err);
}

/* How much may be read at once: not into what is lost, which is stepped over. */
static int
room_to_read(walk *w, int partition)
{
    const verify_log  *log = &w->v->logs[w->log];
    const verify_span *lost;

    while ((lost = verify_lost_after(log, partition, w->last.offset)) != NULL &&
           lost->first == w->last.offset + 1) {
        w->last = (bus_record){.partition = (uint16_t)partition, .offset = lost->last};
        w->gap = w->gaps = true;
    }
    if (lost != NULL && lost->first - w->last.offset - 1 < PAGE)
        return (int)(lost->first - w->last.offset - 1);
    return PAGE;
}

static bus_code
walk_partition(walk *w, int partition, bus_error *err)
{
    verify           *v = w->v;
    const verify_log *log = &v->logs[w->log];
    int64_t           before;
    bus_code          rc;

    w->last = (bus_record){.partition = (uint16_t)partition};
    w->done = w->gap = w->gaps = false;
    do {
        int room = room_to_read(w, partition);

        before = w->last.offset;
        rc = bus_read_records(v->options->store, log->store, log->contract, (uint16_t)partition,
                              before, room, v->personal, check_record, w, err);
        if (rc == BUS_OK)
            rc = verify_views_tighten(v, err);
    } while (rc == BUS_OK && !w->done && w->last.offset > before &&
             w->last.offset < log->heads[partition]);
    if (rc == BUS_OK && v->pass == 0 && w->last.offset != log->heads[partition])
        verify_report(v, fault_at(w, BUS_VERIFY_OFFSET, &w->last),
                      "the last event has offset %" PRId64 ", the head is %" PRId64, w->last.offset,
                      log->heads[partition]);
    return rc;
}

static bus_code
walk_logs(verify *v, bus_error *err)
{
    table    streams = {0}, commands = {0};
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < v->logs_count; i++) {
        walk w = {.v = v, .log = i, .streams = &streams, .commands = &commands};

        for (int p = 0; rc == BUS_OK && p < v->logs[i].partitions; p++)
            rc = walk_partition(&w, p, err);
        bus_arena_fini(&w.scratch);
        free_table(&streams); /* ids of one domain mean nothing in another */
        free_table(&commands);
    }
    return rc;
}

/* --- beginning ------------------------------------------------------------------- */

static bus_code
open_log(verify *v, verify_log *log, bus_error *err)
{
    const bus_runtime_options *o = v->options;
    bus_store_options          options = o->store_options;
    const char                *url = NULL;
    bus_partition_info        *infos;
    int                        count;
    bus_code                   rc;

    if (o->url_of != NULL)
        url = o->url_of(o->url_context, log->contract->module);
    if (url != NULL && options.url != NULL && strcmp(url, options.url) == 0)
        url = NULL;
    if (url != NULL)
        options.url = url;
    if ((rc = o->store->open(&log->store, &options, err)) != BUS_OK)
        return rc;
    log->views = log->store;
    if (url != NULL && (rc = o->store->open(&log->views, &o->store_options, err)) != BUS_OK)
        return rc;
    rc = o->store->partitions(log->store, log->contract->module, &v->arena, &infos, &count, err);
    if (rc == BUS_NOT_FOUND || (rc == BUS_OK && o->partitions != 0 && count != o->partitions)) {
        verify_report(v,
                      (bus_verify_fault){.check = BUS_VERIFY_DOMAIN,
                                         .domain = log->contract->module,
                                         .partition = -1},
                      "%s",
                      rc == BUS_OK ? "it has another number of partitions than is configured"
                                   : "it has no log here");
        return BUS_OK;
    }
    if (rc != BUS_OK)
        return rc;
    log->partitions = count;
    v->counts->domains++;
    v->counts->partitions += count;
    return BUS_OK;
}

static verify_log *
find_log(verify *v, bus_str module)
{
    for (int i = 0; i < v->logs_count; i++) {
        if (bus_str_is(module, v->logs[i].contract->module))
            return &v->logs[i];
    }
    return NULL;
}

/* Heads and epochs of one moment. */
static bus_code
read_heads(verify *v, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < v->logs_count; i++) {
        verify_log         *log = &v->logs[i];
        bus_partition_info *infos;
        int                 count = 0;

        if (log->partitions > 0)
            rc = v->options->store->partitions(log->store, log->contract->module, &v->arena, &infos,
                                               &count, err);
        for (int p = 0; rc == BUS_OK && p < count; p++) {
            log->heads[p] = infos[p].head;
            log->epochs[p] = infos[p].epoch;
        }
    }
    return rc;
}

/* Checkpoints were read before the heads, so none of them may be ahead. */
static void
check_checkpoints(verify *v, const verify_log *home, const bus_checkpoint_info *list, int count)
{
    for (int i = 0; i < count; i++) {
        const bus_checkpoint_info *c = &list[i];
        const verify_log          *log = find_log(v, c->domain);

        v->counts->checkpoints++;
        if (log == NULL || log->partitions == 0 || bus_reader_keeps_time(c->reader))
            continue;
        if (c->partition < log->partitions && c->offset <= log->heads[c->partition])
            continue;
        verify_report(v,
                      (bus_verify_fault){.check = BUS_VERIFY_CHECKPOINT,
                                         .domain = home->contract->module,
                                         .partition = c->partition,
                                         .offset = c->offset},
                      "%.*s has read further in %.*s than there are events", BUS_STR_ARG(c->reader),
                      BUS_STR_ARG(c->domain));
    }
}

static bus_code
check_parked(verify *v, const verify_log *home, bus_store *st, bus_error *err)
{
    bus_parked *list;
    int         count;
    bus_code    rc =
        v->options->store->parked(st, home->contract->module, NULL, &v->arena, &list, &count, err);

    for (int i = 0; rc == BUS_OK && i < count; i++) {
        v->counts->parked++;
        verify_report(v,
                      (bus_verify_fault){.check = BUS_VERIFY_PARKED,
                                         .domain = home->contract->module,
                                         .partition = list[i].partition,
                                         .offset = list[i].from_offset,
                                         .stream = list[i].stream},
                      "%.*s left it out in %.*s: %.*s", BUS_STR_ARG(list[i].reader),
                      BUS_STR_ARG(list[i].domain), BUS_STR_ARG(list[i].reason));
    }
    return rc;
}

/* The readers of a domain: couriers beside its log, its views in the default database. */
typedef struct {
    bus_checkpoint_info *list;
    int                  count;
} readers;

static bus_code
read_readers(verify *v, const verify_log *home, bus_store *st, readers *out, bus_error *err)
{
    bus_code rc = v->options->store->checkpoints(st, home->contract->module, &v->arena, &out->list,
                                                 &out->count, err);

    if (rc != BUS_NOT_FOUND || st == home->store)
        return rc;
    out->count = 0; /* no projector was there yet */
    return BUS_OK;
}

static bus_code
check_readers(verify *v, const bus_view *const *views, int views_count, bus_error *err)
{
    readers  logs[VERIFY_LOGS_MAX] = {0}, views_of[VERIFY_LOGS_MAX] = {0};
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < v->logs_count; i++) {
        const verify_log *log = &v->logs[i];

        if (log->partitions > 0)
            rc = read_readers(v, log, log->store, &logs[i], err);
        if (rc == BUS_OK && log->partitions > 0 && log->views != log->store)
            rc = read_readers(v, log, log->views, &views_of[i], err);
    }
    if (rc != BUS_OK || (rc = verify_views_begin(v, views, views_count, err)) != BUS_OK ||
        (rc = read_heads(v, err)) != BUS_OK)
        return rc;
    for (int i = 0; rc == BUS_OK && i < v->logs_count; i++) {
        const verify_log *log = &v->logs[i];

        if (log->partitions == 0)
            continue;
        check_checkpoints(v, log, logs[i].list, logs[i].count);
        check_checkpoints(v, log, views_of[i].list, views_of[i].count);
        rc = check_parked(v, log, log->store, err);
        if (rc == BUS_OK && log->views != log->store &&
            (rc = check_parked(v, log, log->views, err)) == BUS_NOT_FOUND)
            rc = BUS_OK;
    }
    return rc;
}

static bus_code
run_passes(verify *v, bus_error *err)
{
    int64_t  events = 0;
    bus_code rc = BUS_OK;

    for (int i = 0; i < v->logs_count; i++) {
        for (int p = 0; p < v->logs[i].partitions; p++)
            events += v->logs[i].heads[p];
    }
    v->passes = (int)(1 + events / events_per_pass);
    for (v->pass = 0; rc == BUS_OK && v->pass < v->passes; v->pass++) {
        rc = walk_logs(v, err);
        if (rc == BUS_OK)
            rc = verify_views_compare(v, err);
        v->counts->passes++;
    }
    return rc;
}

bus_code
bus_verify(const bus_runtime_options *options, const bus_contract *const *contracts,
           int contracts_count, const bus_view *const *views, int views_count,
           void (*report)(void *context, const bus_verify_fault *fault), void *context,
           bus_verify_counts *counts, bus_error *err)
{
    verify   v = {.options = options,
                  .report = report,
                  .context = context,
                  .counts = counts,
                  .tighten_bytes = tighten_bytes,
                  .contracts = contracts,
                  .contracts_count = contracts_count,
                  .personal = bus_runtime_personal(options, NULL, "shina verify")};
    bus_code rc = BUS_OK;

    *counts = (bus_verify_counts){0};
    BUS_INVARIANT(contracts_count <= VERIFY_LOGS_MAX);
    v.logs = BUS_ARENA_ARRAY(&v.arena, verify_log, (size_t)contracts_count + 1);
    for (int i = 0; rc == BUS_OK && i < contracts_count; i++) {
        v.logs[i].contract = contracts[i];
        v.logs_count = i + 1;
        rc = open_log(&v, &v.logs[i], err);
    }
    if (rc == BUS_OK && (rc = check_readers(&v, views, views_count, err)) == BUS_OK &&
        (rc = verify_archives(&v, err)) == BUS_OK)
        rc = run_passes(&v, err);
    if (rc == BUS_OK)
        rc = verify_snapshots(&v, err);

    verify_views_end(&v);
    for (int i = 0; i < v.logs_count; i++) {
        if (v.logs[i].views != v.logs[i].store)
            options->store->close(v.logs[i].views);
        options->store->close(v.logs[i].store);
    }
    bus_personal_destroy(v.personal);
    bus_arena_fini(&v.folds);
    bus_arena_fini(&v.arena);
    return rc;
}
