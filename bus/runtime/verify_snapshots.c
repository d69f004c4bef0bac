/* verify_snapshots.c - is every snapshot what its stream's events make of a new state?
 *
 * States are compared by their bytes, and padding lies: a struct that was built on the stack and
 * copied into the state brings along what the stack held between its members. So where bytes
 * differ, the stream is replayed twice more over stacks that were filled with two different
 * bytes: what differs between those two is no value of the module's, since apply is a function of
 * state and event, and is left out. What is left is a real difference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/snapshot.h"
#include "bus/runtime/verify_internal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 32           /* snapshots read at once */
#define STACK_BYTES 16384 /* of a filled stack: more than any apply needs */

/* One stream's events applied to a new state, as far as a version. */
typedef struct {
    const bus_contract  *contract;
    bus_personal        *personal;
    const bus_aggregate *aggregate;
    const bus_record    *record;
    const bus_event     *event;
    void                *state;
    int32_t              up_to, version;
    int                  fill; /* of the stack; -1: as it is */
    bus_arena            scratch;
    bool                 unreadable; /* an event that cannot be applied: reported elsewhere */
} replay;

typedef struct {
    verify           *v;
    const verify_log *log;
    const bus_module *module;
    bus_arena         arena; /* of one page */
    bus_snapshot      page[PAGE];
    int               count;
} looking;

static __attribute__((noinline)) void
fill_stack(int with)
{
    volatile unsigned char bytes[STACK_BYTES];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)with;
}

static void
apply_guarded(void *context)
{
    replay *r = context;

    r->aggregate->apply(r->state, r->event->tagged);
}

static bus_code
replay_record(void *context, const bus_record *record, bus_error *err)
{
    replay   *r = context;
    bus_event event;
    bus_error fault;

    (void)err;
    if (r->unreadable || record->version > r->up_to)
        return BUS_OK;
    r->version = record->version;
    bus_arena_reset(&r->scratch);
    if (bus_event_of_record(&r->contract, 1, record, r->personal, &r->scratch, &event, &fault) !=
            BUS_OK ||
        event.type->aggregate != r->aggregate->of) {
        r->unreadable = true;
        return BUS_OK;
    }
    r->event = &event;
    if (r->fill >= 0)
        fill_stack(r->fill);
    if (bus_guarded(apply_guarded, r, &fault) != BUS_OK)
        r->unreadable = true;
    return BUS_OK;
}

static bus_code
run_replay(const looking *l, const bus_snapshot *s, replay *r, bus_error *err)
{
    bus_code rc;

    r->contract = l->module->contract;
    r->personal = l->v->personal;
    r->up_to = s->version;
    memset(r->state, 0, r->aggregate->state_size);
    rc = l->v->options->store->load(l->log->store, l->module->contract->module, &s->stream, 1,
                                    replay_record, r, err);
    bus_arena_fini(&r->scratch);
    return rc;
}

static bus_verify_fault
fault_of(const looking *l, const bus_snapshot *s)
{
    return (bus_verify_fault){.check = BUS_VERIFY_SNAPSHOT,
                              .domain = l->module->contract->module,
                              .partition = bus_id_partition(s->stream, l->log->partitions),
                              .stream = s->stream};
}

/* The bytes differ: is that more than padding? */
static bus_code
judge(const looking *l, const bus_snapshot *s, const bus_aggregate *aggregate,
      const unsigned char *kept, const unsigned char *plain, bus_error *err)
{
    size_t         bytes = aggregate->state_size;
    unsigned char *a = malloc(bytes), *b = malloc(bytes);
    replay         first = {.aggregate = aggregate, .state = a, .fill = 0x5a};
    replay         second = {.aggregate = aggregate, .state = b, .fill = 0xa5};
    bus_code       rc;

    if (a == NULL || b == NULL)
        abort();
    if ((rc = run_replay(l, s, &first, err)) == BUS_OK &&
        (rc = run_replay(l, s, &second, err)) == BUS_OK) {
        for (size_t i = 0; i < bytes; i++) {
            if (kept[i] == plain[i] || a[i] != b[i])
                continue;
            verify_report(
                l->v, fault_of(l, s),
                "the snapshot of version %d is not what its events make, from byte %zu of "
                "%zu on",
                (int)s->version, i, bytes);
            break;
        }
    }
    free(a);
    free(b);
    return rc;
}

static bus_code
check_one(const looking *l, const bus_snapshot *s, const bus_aggregate *aggregate, bus_arena *arena,
          bus_error *err)
{
    bus_snapshot_form form = bus_snapshot_form_of(aggregate);
    unsigned char    *kept = malloc(aggregate->state_size);
    unsigned char    *plain = malloc(aggregate->state_size);
    replay            r = {.aggregate = aggregate, .state = plain, .fill = -1};
    bus_error         unfit;
    bus_code          rc;

    if (kept == NULL || plain == NULL)
        abort();
    l->v->counts->snapshots++;
    rc = bus_snapshot_open(&form, s, l->v->personal, arena, kept, &unfit);
    if (bus_is_outage(rc)) {
        *err = unfit;
        goto done;
    }
    if (rc != BUS_OK) {
        if (rc == BUS_INVALID)
            verify_report(l->v, fault_of(l, s), "%s", unfit.text);
        rc = BUS_OK; /* of another shape: it is passed over and replaced */
        goto done;
    }
    if ((rc = run_replay(l, s, &r, err)) != BUS_OK || r.unreadable)
        goto done;
    if (r.version < s->version)
        verify_report(l->v, fault_of(l, s), "a snapshot of version %d, of %d events",
                      (int)s->version, (int)r.version);
    else if (memcmp(kept, plain, aggregate->state_size) != 0)
        rc = judge(l, s, aggregate, kept, plain, err);

done:
    free(kept);
    free(plain);
    return rc;
}

static const bus_aggregate *
aggregate_named(const bus_module *module, bus_str name)
{
    for (int i = 0; i < module->aggregates_count; i++) {
        if (bus_str_is(name, module->aggregates[i].of->name))
            return &module->aggregates[i];
    }
    return NULL;
}

static bus_code
take_snapshot(void *context, const bus_snapshot *snapshot, bus_error *err)
{
    looking      *l = context;
    bus_snapshot *s = &l->page[l->count++];

    (void)err;
    *s = *snapshot;
    s->aggregate = bus_arena_copy(&l->arena, snapshot->aggregate.at, snapshot->aggregate.len);
    s->state = bus_arena_copy(&l->arena, snapshot->state.at, snapshot->state.len);
    return BUS_OK;
}

static bus_code
check_log(looking *l, bus_error *err)
{
    bus_id   after = BUS_ID_NIL;
    bus_code rc;

    do {
        bus_arena_reset(&l->arena);
        l->count = 0;
        rc = l->v->options->store->snapshots_scan(l->log->store, l->module->contract->module, after,
                                                  PAGE, take_snapshot, l, err);
        for (int i = 0; rc == BUS_OK && i < l->count; i++) {
            const bus_aggregate *aggregate = aggregate_named(l->module, l->page[i].aggregate);

            after = l->page[i].stream;
            if (aggregate != NULL)
                rc = check_one(l, &l->page[i], aggregate, &l->arena, err);
        }
    } while (rc == BUS_OK && l->count == PAGE);
    bus_arena_fini(&l->arena);
    return rc;
}

bus_code
verify_snapshots(verify *v, bus_error *err)
{
    bus_code rc = BUS_OK;

    for (int i = 0; rc == BUS_OK && i < v->logs_count; i++) {
        for (int m = 0; rc == BUS_OK && m < v->options->modules_count; m++) {
            looking l = {.v = v, .log = &v->logs[i], .module = v->options->modules[m]};

            if (l.module->contract == l.log->contract && l.log->partitions > 0 &&
                l.log->lost_count == 0)
                rc = check_log(&l, err);
        }
    }
    return rc;
}
