/* journal.c - keeping the journal, and judging each answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/journal.h"
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

sim_journal *
sim_journal_create(sim_world *world)
{
    sim_journal *j = calloc(1, sizeof(*j));

    if (j == NULL)
        abort();
    j->world = world;
    return j;
}

void
sim_journal_destroy(sim_journal *j)
{
    if (j == NULL)
        return;
    HASH_CLEAR(hh, j->by_id);
    for (int i = 0; i < j->count; i++) {
        free(j->entries[i]->events);
        free(j->entries[i]);
    }
    free(j->entries);
    free(j->sendings);
    free(j);
}

sim_entry *
sim_journal_add(sim_journal *j, bus_id id)
{
    sim_entry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        abort();
    if (j->count == j->room) {
        j->room = j->room == 0 ? 256 : j->room * 2;
        j->entries = realloc(j->entries, sizeof(sim_entry *) * (size_t)j->room);
        if (j->entries == NULL)
            abort();
    }
    e->id = id;
    j->entries[j->count++] = e;
    HASH_ADD(hh, j->by_id, id, sizeof(e->id), e);
    return e;
}

static sim_entry *
find(const sim_journal *j, const bus_id *id)
{
    sim_entry *e;

    HASH_FIND(hh, j->by_id, id, sizeof(*id), e);
    return e;
}

uint64_t
sim_journal_sent(sim_journal *j, sim_entry *e)
{
    if (j->sendings_count == j->sendings_room) {
        j->sendings_room = j->sendings_room == 0 ? 256 : j->sendings_room * 2;
        j->sendings = realloc(j->sendings, sizeof(sim_sending) * (size_t)j->sendings_room);
        if (j->sendings == NULL)
            abort();
    }
    j->sendings[j->sendings_count++] = (sim_sending){e, e->done && e->offset > 0};
    return (uint64_t)j->sendings_count;
}

void
sim_journal_taken(sim_journal *j, const bus_command *command)
{
    sim_entry *e = find(j, &command->command_id);

    if (e != NULL)
        e->taken++;
}

/* --- judging -------------------------------------------------------------------- */

typedef struct {
    const sim_entry *entry;
    int32_t          version;
    bool             found;
} looking;

static bus_code
look(void *context, const bus_record *record, bus_error *err)
{
    looking *l = context;

    (void)err;
    l->found = bus_id_equal(record->command_id, l->entry->id) &&
               bus_id_equal(record->stream, l->entry->stream);
    l->version = record->version;
    return BUS_OK;
}

/* Acknowledged: its last event lies where the answer says, now. */
static void
check_durable(sim_journal *j, const sim_entry *e, const bus_reply *reply)
{
    looking   l = {.entry = e};
    bus_error err = {0};

    if (bus_store_memory.read(j->world->store, e->domain, reply->partition, reply->offset - 1, 1,
                              look, &l, &err) != BUS_OK)
        sim_fail(j->world->sched, "%s", err.text);
    if (!l.found || l.version != reply->version)
        sim_fail(j->world->sched, "%s is acknowledged as version %d at %s:%u:%lld, where it is not",
                 e->type, (int)reply->version, e->domain, reply->partition,
                 (long long)reply->offset);
}

static void
check_same(sim_journal *j, sim_entry *e, const bus_reply *reply)
{
    if (reply->offset != e->offset || reply->version != e->version)
        sim_fail(j->world->sched,
                 "%s was answered with offset %lld, version %d; again with %lld, %d", e->type,
                 (long long)e->offset, (int)e->version, (long long)reply->offset,
                 (int)reply->version);
    if (e->events != NULL && reply->events.len > 0 && !bus_str_is(reply->events, e->events))
        sim_fail(j->world->sched, "the events of %s were %s, and are %.*s", e->type, e->events,
                 BUS_STR_ARG(reply->events));
}

/* Renaming to the same name, and looking, change nothing. */
static bool
may_have_no_events(const sim_entry *e)
{
    return strcmp(e->type, "inventory.rename") == 0 || strcmp(e->type, "inventory.look") == 0;
}

static bus_code
see(void *context, const bus_record *record, bus_error *err)
{
    (void)record, (void)err;
    *(bool *)context = true;
    return BUS_OK;
}

/* FAILED says that it was not carried out; another copy of it may have been. */
static void
check_absent(sim_journal *j, const sim_entry *e)
{
    bool      found = false;
    bus_error err = {0};

    if (e->taken > 1)
        return;
    if (bus_store_memory.find(j->world->store, e->domain, NULL, 0, &e->id, 1, see, &found, &err) !=
        BUS_OK)
        sim_fail(j->world->sched, "%s", err.text);
    if (found)
        sim_fail(j->world->sched, "%s failed, so it was not carried out; but it was", e->type);
}

static void
note_done(sim_journal *j, sim_entry *e, const bus_reply *reply)
{
    if (reply->offset > 0)
        check_durable(j, e, reply);
    else if (!may_have_no_events(e))
        sim_fail(j->world->sched, "%s is acknowledged, with no event of it", e->type);
    if (e->done && e->offset > 0) {
        check_same(j, e, reply);
        j->repeats++;
    }
    if (reply->offset > 0) {
        e->offset = reply->offset;
        e->version = reply->version;
    }
    if (e->events == NULL && reply->events.len > 0)
        e->events = strndup(reply->events.at, reply->events.len);
    e->done = true;
}

void
sim_journal_answered(sim_journal *j, uint64_t ticket, const bus_reply *reply)
{
    sim_entry *e = find(j, &reply->command_id);

    if (e == NULL || ticket < 1 || ticket > (uint64_t)j->sendings_count ||
        j->sendings[ticket - 1].entry != e) {
        sim_fail(j->world->sched, "an answer to a command that nobody asked");
        return;
    }
    sim_note(j->world->sched, "%s is answered: %d %.*s", e->type, (int)reply->status,
             BUS_STR_ARG(reply->code));
    j->answers++;
    switch (reply->status) {
    case BUS_ANSWER_DONE: note_done(j, e, reply); break;
    case BUS_ANSWER_REFUSED:
        if (j->sendings[ticket - 1].after)
            sim_fail(j->world->sched, "%s was acknowledged, asked again, and is refused", e->type);
        if (e->of_there && bus_str_is(reply->code, "NOT_FOUND"))
            sim_fail(j->world->sched, "%s does not find a stream that was acknowledged", e->type);
        e->refused = true;
        break;
    case BUS_ANSWER_INVALID:
        sim_fail(j->world->sched, "%s is found invalid: %.*s", e->type, BUS_STR_ARG(reply->detail));
        break;
    case BUS_ANSWER_EXPIRED:
    case BUS_ANSWER_NOT_OWNER:
    case BUS_ANSWER_BUSY: break;                       /* asked again */
    case BUS_ANSWER_FAILED: check_absent(j, e); break; /* asked again */
    }
}
