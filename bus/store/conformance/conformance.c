/* conformance.c - the meaning of bus/store/store.h, member by member and code by code.
 * Every test makes a domain of its own, so tests do not meet.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/conformance/conformance.h"
#include "bus/store/view_table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PARTITIONS 4
#define NOW_MS INT64_C(1764000000123)

static const conformance_subject *subject;
static int                        domains_made;

/* --- a small world --------------------------------------------------------- */

typedef struct {
    bus_store *st;
    char       domain[32];
    bus_lease  leases[PARTITIONS];
    bus_arena  arena;
    bus_error  err;
} world;

static bus_store *
open_store(void)
{
    bus_store *st = NULL;
    bus_error  err = {0};

    if (subject->ops->open(&st, &subject->options, &err) != BUS_OK)
        fail_msg("open: %s", err.text);
    return st;
}

#define ok(w, call)                                                                    \
    do {                                                                               \
        if ((call) != BUS_OK)                                                          \
            fail_msg("%s: %s %s", #call, bus_code_name((w)->err.code), (w)->err.text); \
    } while (0)
#define fails(w, expected, call)                                             \
    do {                                                                     \
        bus_code got = (call);                                               \
        if (got != (expected))                                               \
            fail_msg("%s: %s instead of %s (%s)", #call, bus_code_name(got), \
                     bus_code_name(expected), (w)->err.text);                \
        assert_int_equal((w)->err.code, (expected));                         \
    } while (0)

static void
take_all(world *w, const char *owner, bool steal)
{
    for (int i = 0; i < PARTITIONS; i++)
        w->leases[i] = (bus_lease){.partition = (uint16_t)i};
    ok(w, subject->ops->lease_take(w->st, w->domain, owner, steal, w->leases, PARTITIONS, &w->err));
}

static int
make_world(void **state)
{
    world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->st = open_store();
    (void)snprintf(w->domain, sizeof(w->domain), "conformance_%d", domains_made++);
    ok(w, subject->ops->create_domain(w->st, w->domain, PARTITIONS, &w->err));
    take_all(w, "tester", false);
    *state = w;
    return 0;
}

static int
end_world(void **state)
{
    world *w = *state;

    subject->ops->close(w->st);
    bus_arena_fini(&w->arena);
    free(w);
    return 0;
}

/* An id that is the same for the same name. */
static bus_id
id_of(const char *name)
{
    return bus_id_v5_text(BUS_ID_NIL, name);
}

static bus_id
id_numbered(const char *name, int number)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s%d", name, number);
    return id_of(text);
}

/* A stream of the world's, numbered, that lies in the partition. */
static bus_id
stream_in(const world *w, int partition, int number)
{
    char   text[96];
    bus_id id;

    for (int try = 0;; try++) {
        (void)snprintf(text, sizeof(text), "%s/%d/%d/%d", w->domain, partition, number, try);
        id = id_of(text);
        if (bus_id_partition(id, PARTITIONS) == partition)
            return id;
    }
}

static bus_record
event_of(bus_id stream, int32_t version, bus_id command)
{
    return (bus_record){.partition = (uint16_t)bus_id_partition(stream, PARTITIONS),
                        .stream = stream,
                        .aggregate = BUS_STR("thing"),
                        .version = version,
                        .tenant = id_of("tenant"),
                        .type = BUS_STR("things.made.v1"),
                        .command_id = command,
                        .digest = -77,
                        .correlation_id = id_of("trace"),
                        .actor = BUS_STR("{\"id\":\"x\",\"roles\":[\"ADMIN\"]}"),
                        .at_ms = NOW_MS,
                        .data = BUS_STR("{\"n\":1}")};
}

/* A batch of one partition around arrays of the caller's. */
static bus_append
batch_of(bus_append_partition *p, bus_record *events, int events_count, bus_command_id *commands,
         int commands_count)
{
    return (bus_append){.partitions = p,
                        .partitions_count = 1,
                        .events = events,
                        .events_count = events_count,
                        .commands = commands,
                        .commands_count = commands_count};
}

static bus_append_partition
held(const world *w, int partition)
{
    return (bus_append_partition){.partition = (uint16_t)partition,
                                  .epoch = w->leases[partition].epoch};
}

/* Appends one event of a fresh command. */
static bus_code
append_one(world *w, bus_id stream, int32_t version, bus_id command)
{
    int                  p = bus_id_partition(stream, PARTITIONS);
    bus_append_partition part = held(w, p);
    bus_record           event = event_of(stream, version, command);
    bus_command_id       id = {.id = command};
    bus_append           batch = batch_of(&part, &event, 1, &id, 1);

    return subject->ops->append(w->st, w->domain, &batch, &w->err);
}

/* Records seen by a visitor, strings copied. */
typedef struct {
    bus_arena  *arena;
    bus_record *records;
    int         count, room;
    int         stop_after; /* 0: never */
} seen;

static bus_str
copied(bus_arena *arena, bus_str s)
{
    return s.len == 0 ? (bus_str){0} : bus_arena_copy(arena, s.at, s.len);
}

static bus_code
see(void *context, const bus_record *record, bus_error *err)
{
    seen *s = context;

    if (s->stop_after > 0 && s->count == s->stop_after)
        return bus_fail(err, BUS_CLOSED, "enough");
    if (s->count == s->room) {
        bus_record *more = BUS_ARENA_ARRAY(s->arena, bus_record, (size_t)s->room * 2 + 16);

        if (s->count > 0)
            memcpy(more, s->records, sizeof(*more) * (size_t)s->count);
        s->records = more;
        s->room = s->room * 2 + 16;
    }
    s->records[s->count] = *record;
    s->records[s->count].aggregate = copied(s->arena, record->aggregate);
    s->records[s->count].type = copied(s->arena, record->type);
    s->records[s->count].causation_id = copied(s->arena, record->causation_id);
    s->records[s->count].actor = copied(s->arena, record->actor);
    s->records[s->count].sends = copied(s->arena, record->sends);
    s->records[s->count].data = copied(s->arena, record->data);
    s->count++;
    return BUS_OK;
}

static seen
read_all(world *w, int partition)
{
    seen s = {.arena = &w->arena};

    ok(w, subject->ops->read(w->st, w->domain, (uint16_t)partition, 0, 1000000, see, &s, &w->err));
    return s;
}

static void
assert_gapless(world *w, int partition, int expected)
{
    seen    s = read_all(w, partition);
    int64_t heads[PARTITIONS];

    assert_int_equal(s.count, expected);
    for (int i = 0; i < s.count; i++)
        assert_int_equal(s.records[i].offset, i + 1);
    ok(w, subject->ops->heads(w->st, w->domain, heads, PARTITIONS, &w->err));
    assert_int_equal(heads[partition], expected);
}

static void
assert_str(bus_str got, bus_str expected)
{
    if (!bus_str_equal(got, expected))
        fail_msg("\"%.*s\" instead of \"%.*s\"", BUS_STR_ARG(got), BUS_STR_ARG(expected));
}

static void
assert_id(bus_id got, bus_id expected)
{
    char a[BUS_ID_TEXT_BYTES], b[BUS_ID_TEXT_BYTES];

    if (!bus_id_equal(got, expected))
        fail_msg("%s instead of %s", bus_id_format(got, a), bus_id_format(expected, b));
}

/* --- domains --------------------------------------------------------------- */

static void
test_a_domain_is_made_once_with_its_partitions(void **state)
{
    world              *w = *state;
    bus_partition_info *infos;
    int                 count;

    ok(w, subject->ops->create_domain(w->st, w->domain, PARTITIONS, &w->err));
    fails(w, BUS_INVALID, subject->ops->create_domain(w->st, w->domain, PARTITIONS + 1, &w->err));
    fails(w, BUS_INVALID, subject->ops->create_domain(w->st, "none_such", 0, &w->err));
    ok(w, subject->ops->partitions(w->st, w->domain, &w->arena, &infos, &count, &w->err));
    assert_int_equal(count, PARTITIONS);
    for (int i = 0; i < count; i++) {
        assert_int_equal(infos[i].partition, i);
        assert_int_equal(infos[i].head, 0);
        assert_true(infos[i].live);
        assert_str(infos[i].owner, BUS_STR("tester"));
    }
    ok(w, subject->ops->follow_domain(w->st, w->domain, w->domain, &w->err));
    fails(w, BUS_NOT_FOUND, subject->ops->follow_domain(w->st, w->domain, "nowhere", &w->err));
}

static void *
make_same_domain(void *domain)
{
    bus_store *st = open_store();
    bus_error  err = {0};
    bus_code   rc = subject->ops->create_domain(st, domain, 2, &err);

    subject->ops->close(st);
    return rc == BUS_OK ? NULL : domain;
}

static void
test_a_domain_is_made_by_several_at_once(void **state)
{
    pthread_t threads[4];
    char      domain[40];

    (void)snprintf(domain, sizeof(domain), "%s_race", ((world *)*state)->domain);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_same_domain, domain), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

/* --- leases ---------------------------------------------------------------- */

static void
test_a_lease_is_held_until_it_runs_out(void **state)
{
    world    *w = *state;
    bus_lease other = {.partition = 1};
    int64_t   first_epoch = w->leases[1].epoch;

    for (int i = 0; i < PARTITIONS; i++)
        assert_true(w->leases[i].held);
    ok(w, subject->ops->lease_take(w->st, w->domain, "other", false, &other, 1, &w->err));
    assert_false(other.held);
    subject->expire(subject->context, w->domain);
    ok(w, subject->ops->lease_take(w->st, w->domain, "other", false, &other, 1, &w->err));
    assert_true(other.held);
    assert_true(other.epoch > first_epoch);
    fails(w, BUS_FENCED, append_one(w, stream_in(w, 1, 0), 1, id_of("late")));
}

static void
test_a_lease_is_stolen_and_taken_again_by_its_owner(void **state)
{
    world    *w = *state;
    bus_lease thief = {.partition = 2}, again = {.partition = 3};

    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    assert_true(thief.held);
    assert_true(thief.epoch > w->leases[2].epoch);
    ok(w, subject->ops->lease_take(w->st, w->domain, "tester", false, &again, 1, &w->err));
    assert_true(again.held);
    assert_true(again.epoch > w->leases[3].epoch);
}

static void
test_renewing_tells_what_was_lost(void **state)
{
    world              *w = *state;
    bus_lease           thief = {.partition = 0}, other = {.partition = 1};
    bus_partition_info *infos;
    int                 count;

    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    subject->expire(subject->context, w->domain);
    ok(w, subject->ops->lease_renew(w->st, w->domain, w->leases, PARTITIONS, &w->err));
    assert_false(w->leases[0].held);
    assert_true(w->leases[1].held);
    ok(w, subject->ops->lease_take(w->st, w->domain, "other", false, &other, 1, &w->err));
    assert_false(other.held); /* the renewal counts */
    ok(w, subject->ops->partitions(w->st, w->domain, &w->arena, &infos, &count, &w->err));
    assert_false(infos[0].live);
    assert_true(infos[1].live);
}

static void
test_a_lease_given_back_is_free_at_once(void **state)
{
    world    *w = *state;
    bus_lease other[2] = {{.partition = 0}, {.partition = 1}};
    bus_lease stale = {.partition = 1, .epoch = w->leases[1].epoch - 1};

    ok(w, subject->ops->lease_release(w->st, w->domain, w->leases, 1, &w->err));
    ok(w, subject->ops->lease_release(w->st, w->domain, &stale, 1, &w->err));
    ok(w, subject->ops->lease_take(w->st, w->domain, "other", false, other, 2, &w->err));
    assert_true(other[0].held);
    assert_false(other[1].held); /* another's epoch gives nothing back */
}

static void
test_a_lease_tells_head_and_time(void **state)
{
    world    *w = *state;
    bus_id    stream = stream_in(w, 1, 0);
    bus_lease lease[2] = {{.partition = 1}, {.partition = 2}};

    ok(w, append_one(w, stream, 1, id_of("c1")));
    ok(w, append_one(w, stream, 2, id_of("c2")));
    ok(w, subject->ops->lease_take(w->st, w->domain, "tester", false, lease, 2, &w->err));
    assert_int_equal(lease[0].head, 2);
    assert_int_equal(lease[0].at_ms, NOW_MS);
    assert_int_equal(lease[1].head, 0);
    assert_int_equal(lease[1].at_ms, 0);
}

static void
test_an_append_renews_its_leases(void **state)
{
    world    *w = *state;
    bus_lease other[2] = {{.partition = 1}, {.partition = 2}};

    subject->expire(subject->context, w->domain);
    ok(w, append_one(w, stream_in(w, 1, 0), 1, id_of("c1")));
    ok(w, subject->ops->lease_take(w->st, w->domain, "other", false, other, 2, &w->err));
    assert_false(other[0].held);
    assert_true(other[1].held);
}

/* --- appending ------------------------------------------------------------- */

static void
test_an_event_comes_back_as_it_was(void **state)
{
    static const char    data[] = "{ \"b\": 1.50, \"a\":\"\\u00e9 \\\"q\\\" \\\\ \\n 'x'\","
                                  " \"ключ\":\"значение €\",\"a\":null}";
    world               *w = *state;
    bus_id               stream = stream_in(w, 3, 0);
    bus_append_partition part = held(w, 3);
    bus_command_id       command = {.id = id_of("c")};
    bus_record events[2] = {event_of(stream, 1, command.id), event_of(stream, 2, command.id)};
    bus_append batch = batch_of(&part, events, 2, &command, 1);
    seen       s;

    events[0].data = BUS_STR(data);
    events[0].causation_id = BUS_STR("0190:1");
    events[0].device_at_ms = NOW_MS - 5000;
    events[0].sends = BUS_STR("[ {\"command\":\"x.y\"} ]");
    events[0].digest = INT64_MIN;
    events[1].nth = 1;
    events[1].at_ms = NOW_MS + 1;
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_int_equal(part.first_offset, 1);
    assert_int_equal(events[0].offset, 1);
    assert_int_equal(events[1].offset, 2);
    s = read_all(w, 3);
    assert_int_equal(s.count, 2);
    for (int i = 0; i < 2; i++) {
        const bus_record *got = &s.records[i], *want = &events[i];

        assert_int_equal(got->partition, 3);
        assert_int_equal(got->offset, want->offset);
        assert_int_equal(got->epoch, w->leases[3].epoch);
        assert_int_equal(got->version, want->version);
        assert_int_equal(got->nth, want->nth);
        assert_int_equal(got->digest, want->digest);
        assert_int_equal(got->at_ms, want->at_ms);
        assert_int_equal(got->device_at_ms, want->device_at_ms);
        assert_id(got->stream, stream);
        assert_id(got->tenant, want->tenant);
        assert_id(got->command_id, command.id);
        assert_id(got->correlation_id, want->correlation_id);
        assert_str(got->aggregate, want->aggregate);
        assert_str(got->type, want->type);
        assert_str(got->causation_id, want->causation_id);
        assert_str(got->actor, want->actor);
        assert_str(got->sends, want->sends);
        assert_str(got->data, want->data);
    }
}

static void
test_a_batch_spans_partitions(void **state)
{
    world               *w = *state;
    bus_append_partition parts[3] = {held(w, 0), held(w, 1), held(w, 3)};
    bus_record           events[4];
    bus_append           batch = {
                  .partitions = parts, .partitions_count = 3, .events = events, .events_count = 4};

    ok(w, append_one(w, stream_in(w, 3, 9), 1, id_of("earlier")));
    for (int i = 0; i < 4; i++) {
        static const int at[] = {0, 0, 3, 3};

        events[i] = event_of(stream_in(w, at[i], i), 1, id_numbered("c", i));
    }
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_int_equal(parts[0].first_offset, 1);
    assert_int_equal(parts[1].first_offset, 1); /* it has none: head + 1 */
    assert_int_equal(parts[2].first_offset, 2);
    assert_int_equal(events[3].offset, 3);
    assert_gapless(w, 0, 2);
    assert_gapless(w, 1, 0);
    assert_gapless(w, 3, 3);
}

static void
test_a_fenced_partition_is_named_and_nothing_written(void **state)
{
    world               *w = *state;
    bus_append_partition parts[2] = {held(w, 0), held(w, 1)};
    bus_record           events[2] = {event_of(stream_in(w, 0, 0), 1, id_of("c0")),
                                      event_of(stream_in(w, 1, 0), 1, id_of("c1"))};
    bus_append           batch = {
                  .partitions = parts, .partitions_count = 2, .events = events, .events_count = 2};
    bus_lease thief = {.partition = 1};

    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    fails(w, BUS_FENCED, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_false(parts[0].fenced);
    assert_true(parts[1].fenced);
    assert_gapless(w, 0, 0);
    assert_gapless(w, 1, 0);
    batch.partitions_count = 1;
    batch.events_count = 1;
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_int_equal(events[0].offset, 1); /* rolled back offsets are given again */
}

static void
test_repeats_are_named_before_anything_else(void **state)
{
    world               *w = *state;
    bus_id               stream = stream_in(w, 0, 0), other = stream_in(w, 0, 1);
    bus_append_partition part = held(w, 0);
    bus_command_id       commands[3] = {
              {.id = id_of("new")}, {.id = id_of("old")}, {.id = id_of("new2")}};
    bus_record      events[3] = {event_of(other, 1, commands[0].id),
                                 event_of(stream, 1, commands[1].id), /* conflicts too */
                                 event_of(other, 2, commands[2].id)};
    bus_claim_write claim = {
        .tenant = id_of("tenant"), .stream = other, .kind = "plate", .value = BUS_STR("A")};
    bus_append batch = batch_of(&part, events, 3, commands, 3);

    ok(w, append_one(w, stream, 1, commands[1].id));
    batch.claims = &claim;
    batch.claims_count = 1;
    fails(w, BUS_DUPLICATE, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_false(commands[0].found);
    assert_true(commands[1].found);
    assert_false(commands[2].found);
    assert_gapless(w, 0, 1);
    events[1] = events[2];
    commands[1] = commands[2];
    batch.events_count = batch.commands_count = 2;
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_gapless(w, 0, 3);
}

static void
test_a_moved_stream_and_an_unnamed_command_are_conflicts(void **state)
{
    world               *w = *state;
    bus_id               stream = stream_in(w, 0, 0);
    bus_append_partition part = held(w, 0);
    bus_record           event;
    bus_append           batch = batch_of(&part, &event, 1, NULL, 0);

    ok(w, append_one(w, stream, 1, id_of("c1")));
    fails(w, BUS_CONFLICT, append_one(w, stream, 1, id_of("c2")));
    assert_true(w->err.retryable);
    event = event_of(stream_in(w, 0, 1), 1, id_of("c1")); /* not told as a command: unique key */
    fails(w, BUS_CONFLICT, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_gapless(w, 0, 1);
}

static void
append_big(world *w, int partition, int number, int count)
{
    bus_append_partition part = held(w, partition);
    bus_record          *events = calloc((size_t)count, sizeof(*events));
    bus_command_id      *commands = calloc((size_t)count, sizeof(*commands));
    bus_append           batch = batch_of(&part, events, count, commands, count);

    for (int i = 0; i < count; i++) {
        commands[i].id = id_numbered("big", (partition * 100 + number) * 10000 + i);
        events[i] = event_of(stream_in(w, partition, number), i + 1, commands[i].id);
        if (i % 3 == 0)
            events[i].sends = BUS_STR("[]");
    }
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    for (int i = 0; i < count; i++)
        assert_int_equal(events[i].offset, part.first_offset + i);
    free(events);
    free(commands);
}

static void
test_batches_of_every_size(void **state)
{
    static const int sizes[] = {1, 2, 127, 129, 2000, 2100};
    world           *w = *state;
    int              total = 0;

    for (int i = 0; i < 6; i++) {
        append_big(w, 2, i, sizes[i]);
        total += sizes[i];
    }
    assert_gapless(w, 2, total);
}

static void
test_a_very_large_batch_fails_whole_like_a_small_one(void **state)
{
    enum { COUNT = 2100 };
    world               *w = *state;
    bus_append_partition part = held(w, 0);
    bus_id               stream = stream_in(w, 0, 0);
    bus_record          *events = calloc(COUNT, sizeof(*events));
    bus_command_id      *commands = calloc(COUNT, sizeof(*commands));
    bus_append           batch = batch_of(&part, events, COUNT, commands, COUNT);
    bus_lease            thief = {.partition = 0};

    for (int i = 0; i < COUNT; i++) {
        commands[i] = (bus_command_id){.id = id_numbered("c", i)};
        events[i] = event_of(stream, i + 1, commands[i].id);
    }
    events[COUNT - 1].version = 1; /* twice */
    fails(w, BUS_CONFLICT, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_gapless(w, 0, 0);
    events[COUNT - 1].version = COUNT;
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    fails(w, BUS_DUPLICATE, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_true(commands[0].found && commands[COUNT - 1].found);
    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    fails(w, BUS_FENCED, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_true(part.fenced);
    assert_gapless(w, 0, COUNT);
    free(events);
    free(commands);
}

/* --- claims ---------------------------------------------------------------- */

/* An append of claims with one event of a fresh command. */
static bus_code
append_claims(world *w, bus_claim_write *claims, int count)
{
    static int           number;
    bus_id               command = id_numbered("claim", number++);
    bus_append_partition part = held(w, 0);
    bus_record           event = event_of(stream_in(w, 0, 1000 + number), 1, command);
    bus_append           batch = batch_of(&part, &event, 1, NULL, 0);

    batch.claims = claims;
    batch.claims_count = count;
    return subject->ops->append(w->st, w->domain, &batch, &w->err);
}

static bus_claim_write
claim(bus_id stream, const char *value, bool release)
{
    return (bus_claim_write){.tenant = id_of("tenant"),
                             .stream = stream,
                             .kind = "plate",
                             .value = bus_str_of(value),
                             .release = release};
}

static void
test_a_claim_is_held_by_one_stream(void **state)
{
    world          *w = *state;
    bus_id          a = id_of("a"), b = id_of("b");
    bus_claim_write first = claim(a, "А123ВС77", false);
    bus_claim_write second[2] = {claim(b, "free", false), claim(b, "А123ВС77", false)};
    bus_claim_write elsewhere[2] = {claim(b, "А123ВС77", false), claim(b, "А123ВС77", false)};

    ok(w, append_claims(w, &first, 1));
    ok(w, append_claims(w, &first, 1)); /* its own again */
    fails(w, BUS_CLAIMED, append_claims(w, second, 2));
    assert_false(second[0].taken);
    assert_true(second[1].taken);
    assert_id(second[1].holder, a);
    elsewhere[0].tenant = id_of("another tenant");
    elsewhere[1].kind = "box";
    ok(w, append_claims(w, elsewhere, 2));
    ok(w, append_claims(w, second, 1)); /* "free" was not taken by what failed */
}

static void
test_a_claim_is_released_by_its_holder_only(void **state)
{
    world          *w = *state;
    bus_id          a = id_of("a"), b = id_of("b");
    bus_claim_write take_a = claim(a, "x", false), take_b = claim(b, "x", false);
    bus_claim_write release_a = claim(a, "x", true), release_b = claim(b, "x", true);

    ok(w, append_claims(w, &take_a, 1));
    ok(w, append_claims(w, &release_b, 1));
    fails(w, BUS_CLAIMED, append_claims(w, &take_b, 1));
    ok(w, append_claims(w, &release_a, 1));
    ok(w, append_claims(w, &take_b, 1));
    fails(w, BUS_CLAIMED, append_claims(w, &take_a, 1));
}

static void
test_a_claim_changes_hands_within_a_batch(void **state)
{
    world          *w = *state;
    bus_id          a = id_of("a"), b = id_of("b");
    bus_claim_write take = claim(a, "x", false);
    bus_claim_write hand_over[2] = {claim(a, "x", true), claim(b, "x", false)};
    bus_claim_write swap[2] = {claim(b, "x", true), claim(b, "x", false)};
    bus_claim_write both[2] = {claim(a, "y", false), claim(b, "y", false)};

    ok(w, append_claims(w, &take, 1));
    ok(w, append_claims(w, hand_over, 2));
    fails(w, BUS_CLAIMED, append_claims(w, &take, 1));
    assert_id(take.holder, b);
    ok(w, append_claims(w, swap, 2));
    fails(w, BUS_CLAIMED, append_claims(w, &take, 1));
    fails(w, BUS_CONFLICT, append_claims(w, both, 2)); /* the runtime refuses it before */
}

/* --- timers ---------------------------------------------------------------- */

static void
append_timers(world *w, int partition, bus_timer_write *timers, int count)
{
    bus_append_partition part = held(w, partition);
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .timers = timers, .timers_count = count};

    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
}

static bus_timer_write
timer(bus_id stream, const char *name, int64_t due_at_ms, bool fired)
{
    return (bus_timer_write){.partition = (uint16_t)bus_id_partition(stream, PARTITIONS),
                             .stream = stream,
                             .name = name,
                             .due_at_ms = due_at_ms,
                             .fired = fired};
}

static int
due(world *w, int64_t now_ms, int limit, bus_timer **timers, int64_t *next_ms)
{
    static const uint16_t partitions[] = {0, 1, 2};
    int                   count;

    ok(w, subject->ops->timers_due(w->st, w->domain, partitions, 3, now_ms, limit, &w->arena,
                                   timers, &count, next_ms, &w->err));
    return count;
}

static void
test_timers_come_due_earliest_first(void **state)
{
    world          *w = *state;
    bus_id          a = stream_in(w, 0, 0), b = stream_in(w, 1, 0), far = stream_in(w, 3, 0);
    bus_timer_write of_a[2] = {timer(a, "late", NOW_MS + 3000, false),
                               timer(a, "soon", NOW_MS + 1000, false)};
    bus_timer_write of_b = timer(b, "soon", NOW_MS + 2000, false);
    bus_timer_write of_far = timer(far, "soon", NOW_MS + 1, false);
    bus_timer      *timers;
    int64_t         next_ms;

    ok(w, append_one(w, a, 1, id_of("c1")));
    append_timers(w, 0, of_a, 2);
    append_timers(w, 1, &of_b, 1);
    append_timers(w, 3, &of_far, 1); /* of a partition that is not asked for */
    assert_int_equal(due(w, NOW_MS, 10, &timers, &next_ms), 0);
    assert_int_equal(next_ms, NOW_MS + 1000);
    assert_int_equal(due(w, NOW_MS + 2000, 10, &timers, &next_ms), 2);
    assert_int_equal(next_ms, NOW_MS + 3000);
    assert_id(timers[0].stream, a);
    assert_str(timers[0].name, BUS_STR("soon"));
    assert_int_equal(timers[0].partition, 0);
    assert_int_equal(timers[0].due_at_ms, NOW_MS + 1000);
    assert_id(timers[0].tenant, id_of("tenant"));
    assert_str(timers[0].aggregate, BUS_STR("thing"));
    assert_id(timers[1].stream, b);
    assert_int_equal(due(w, NOW_MS + 9000, 1, &timers, &next_ms), 1);
    assert_int_equal(next_ms, NOW_MS + 2000);
    assert_int_equal(due(w, NOW_MS + 9000, 3, &timers, &next_ms), 3);
    assert_int_equal(next_ms, 0);
}

static void
test_timers_are_replaced_cancelled_and_fired(void **state)
{
    world          *w = *state;
    bus_id          a = stream_in(w, 0, 0);
    bus_timer_write set = timer(a, "t", NOW_MS, false), moved = timer(a, "t", NOW_MS + 50, false);
    bus_timer_write fired_old = timer(a, "t", NOW_MS, true);
    bus_timer_write fired = timer(a, "t", NOW_MS + 50, true), cancel = timer(a, "t", 0, false);
    bus_timer      *timers;
    int64_t         next_ms;

    append_timers(w, 0, &set, 1);
    append_timers(w, 0, &moved, 1);
    append_timers(w, 0, &fired_old, 1); /* the old one fired: the new one stays */
    assert_int_equal(due(w, NOW_MS + 100, 10, &timers, &next_ms), 1);
    assert_int_equal(timers[0].due_at_ms, NOW_MS + 50);
    append_timers(w, 0, &fired, 1);
    assert_int_equal(due(w, NOW_MS + 100, 10, &timers, &next_ms), 0);
    append_timers(w, 0, &set, 1);
    append_timers(w, 0, &cancel, 1);
    assert_int_equal(due(w, NOW_MS + 100, 10, &timers, &next_ms), 0);
    assert_int_equal(next_ms, 0);
}

static void
test_a_fenced_owner_deletes_no_timer(void **state)
{
    world               *w = *state;
    bus_id               a = stream_in(w, 0, 0);
    bus_timer_write      set = timer(a, "t", NOW_MS, false), fired = timer(a, "t", NOW_MS, true);
    bus_append_partition part = held(w, 0);
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .timers = &fired, .timers_count = 1};
    bus_lease  thief = {.partition = 0};
    bus_timer *timers;
    int64_t    next_ms;

    append_timers(w, 0, &set, 1);
    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    fails(w, BUS_FENCED, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_int_equal(due(w, NOW_MS, 10, &timers, &next_ms), 1);
}

/* --- finding and loading --------------------------------------------------- */

static void
test_find_gives_the_events_of_commands(void **state)
{
    world               *w = *state;
    bus_id               stream = stream_in(w, 0, 0);
    bus_append_partition part = held(w, 0);
    bus_command_id       commands[2] = {{.id = id_of("c1")}, {.id = id_of("c2")}};
    bus_record           events[4] = {
                  event_of(stream, 1, commands[0].id), event_of(stream, 2, commands[0].id),
                  event_of(stream, 3, commands[1].id), event_of(stream, 4, commands[1].id)};
    bus_append batch = batch_of(&part, events, 4, commands, 2);
    bus_id     ids[3] = {commands[1].id, id_of("unknown"), commands[0].id};
    seen       s = {.arena = &w->arena}, none = {.arena = &w->arena};

    events[1].nth = events[3].nth = 1;
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
    ok(w, subject->ops->find(w->st, w->domain, &part, 1, ids, 3, see, &s, &w->err));
    assert_int_equal(s.count, 4);
    for (int i = 0; i < 4; i += 2) { /* the events of one command stand together, in order */
        assert_id(s.records[i].command_id, s.records[i + 1].command_id);
        assert_int_equal(s.records[i].nth, 0);
        assert_int_equal(s.records[i + 1].nth, 1);
    }
    ok(w, subject->ops->find(w->st, w->domain, &part, 1, ids + 1, 1, see, &none, &w->err));
    assert_int_equal(none.count, 0);
}

static void
test_find_tells_a_stale_owner_nothing(void **state)
{
    world               *w = *state;
    bus_append_partition parts[2] = {held(w, 0), held(w, 1)};
    bus_id               id = id_of("c1");
    bus_lease            thief = {.partition = 1};
    seen                 s = {.arena = &w->arena};

    ok(w, append_one(w, stream_in(w, 0, 0), 1, id));
    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    fails(w, BUS_FENCED, subject->ops->find(w->st, w->domain, parts, 2, &id, 1, see, &s, &w->err));
    assert_false(parts[0].fenced);
    assert_true(parts[1].fenced);
    assert_int_equal(s.count, 0);
    ok(w, subject->ops->find(w->st, w->domain, parts, 1, &id, 1, see, &s, &w->err));
    assert_int_equal(s.count, 1);
}

static void
test_load_gives_streams_in_version_order(void **state)
{
    world *w = *state;
    bus_id ids[3] = {stream_in(w, 0, 0), stream_in(w, 1, 0), id_of("unknown")};
    seen   s = {.arena = &w->arena}, stopped = {.arena = &w->arena, .stop_after = 1};

    append_big(w, 0, 0, 150);
    append_big(w, 1, 0, 3);
    append_big(w, 0, 1, 5);
    ok(w, append_one(w, ids[0], 151, id_of("more")));
    ok(w, subject->ops->load(w->st, w->domain, ids, 3, see, &s, &w->err));
    assert_int_equal(s.count, 154);
    for (int i = 0; i < s.count; i++) {
        int first = bus_id_equal(s.records[i].stream, s.records[0].stream) ? 0 : i;

        while (first > 0 && bus_id_equal(s.records[first - 1].stream, s.records[i].stream))
            first--;
        assert_int_equal(s.records[i].version, i - first + 1);
    }
    fails(w, BUS_CLOSED, subject->ops->load(w->st, w->domain, ids, 3, see, &stopped, &w->err));
    assert_gapless(w, 0, 156); /* the store goes on after a visitor that stopped it */
}

static void
test_load_after_leaves_out_what_is_known(void **state)
{
    world        *w = *state;
    bus_id        ids[3] = {stream_in(w, 0, 0), stream_in(w, 1, 0), id_of("unknown")};
    const int32_t versions[3] = {148, 3, 0};
    const int32_t none[3] = {0};
    seen          s = {.arena = &w->arena}, all = {.arena = &w->arena};

    append_big(w, 0, 0, 150);
    append_big(w, 1, 0, 3);
    ok(w, subject->ops->load_after(w->st, w->domain, ids, versions, 3, see, &s, &w->err));
    assert_int_equal(s.count, 2);
    assert_int_equal(s.records[0].version, 149);
    assert_int_equal(s.records[1].version, 150);
    ok(w, subject->ops->load_after(w->st, w->domain, ids, none, 3, see, &all, &w->err));
    assert_int_equal(all.count, 153);
}

/* --- snapshots -------------------------------------------------------------- */

static bus_snapshot
snapshot_of(const world *w, bus_id stream, int32_t version, const char *bytes)
{
    int p = bus_id_partition(stream, PARTITIONS);

    return (bus_snapshot){.stream = stream,
                          .tenant = id_of("tenant"),
                          .partition = (uint16_t)p,
                          .epoch = w->leases[p].epoch,
                          .aggregate = BUS_STR("thing"),
                          .version = version,
                          .snapshot_version = 1,
                          .state = {bytes, 4}};
}

typedef struct {
    bus_snapshot all[8];
    char         states[8][4];
    int          count;
} snapshots_seen;

static bus_code
see_snapshot(void *context, const bus_snapshot *snapshot, bus_error *err)
{
    snapshots_seen *s = context;

    (void)err;
    assert_in_range(s->count, 0, 7);
    assert_int_equal(snapshot->state.len, 4);
    assert_true(bus_str_is(snapshot->aggregate, "thing"));
    memcpy(s->states[s->count], snapshot->state.at, 4);
    s->all[s->count++] = *snapshot;
    return BUS_OK;
}

static void
assert_snapshot(world *w, bus_id stream, int32_t version, int32_t snapshot_version,
                const char *bytes)
{
    snapshots_seen s = {0};
    bus_id         ids[2] = {stream, id_of("unknown")};

    ok(w, subject->ops->snapshots_read(w->st, w->domain, ids, 2, see_snapshot, &s, &w->err));
    assert_int_equal(s.count, 1);
    assert_true(bus_id_equal(s.all[0].stream, stream));
    assert_true(bus_id_equal(s.all[0].tenant, id_of("tenant")));
    assert_int_equal(s.all[0].version, version);
    assert_int_equal(s.all[0].snapshot_version, snapshot_version);
    assert_memory_equal(s.states[0], bytes, 4);
}

static void
test_a_snapshot_is_replaced_and_never_ahead_of_the_log(void **state)
{
    world       *w = *state;
    bus_id       stream = stream_in(w, 0, 0);
    bus_lease    thief = {.partition = 0};
    bus_snapshot s = snapshot_of(w, stream, 5, "a\0b\xff");

    append_big(w, 0, 0, 10);
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 5, 1, "a\0b\xff");
    s = snapshot_of(w, stream, 10, "ten ");
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 10, 1, "ten ");
    s = snapshot_of(w, stream, 5, "old ");
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 10, 1, "ten "); /* an older one does not come back */
    s = snapshot_of(w, stream, 11, "soon");
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 10, 1, "ten "); /* nor one that is ahead */
    s = snapshot_of(w, stream, 7, "next");
    s.snapshot_version = 2;
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 7, 2, "next"); /* another shape replaces any */
    ok(w, subject->ops->lease_take(w->st, w->domain, "thief", true, &thief, 1, &w->err));
    s = snapshot_of(w, stream, 10, "late");
    s.snapshot_version = 2;
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 7, 2, "next"); /* the partition is another's now */
}

static void
test_snapshots_are_scanned_in_order(void **state)
{
    world         *w = *state;
    bus_snapshot   s[5];
    snapshots_seen seen_now = {0};
    bus_id         after = BUS_ID_NIL;

    for (int i = 0; i < 5; i++) {
        append_big(w, i % PARTITIONS, i, 2);
        s[i] = snapshot_of(w, stream_in(w, i % PARTITIONS, i), 2, "data");
    }
    ok(w, subject->ops->snapshots_write(w->st, w->domain, s, 5, &w->err));
    for (int page = 0; page < 3; page++) {
        int before = seen_now.count;

        ok(w, subject->ops->snapshots_scan(w->st, w->domain, after, 2, see_snapshot, &seen_now,
                                           &w->err));
        assert_int_equal(seen_now.count - before, page < 2 ? 2 : 1);
        after = seen_now.all[seen_now.count - 1].stream;
    }
    for (int i = 1; i < 5; i++)
        assert_true(bus_id_compare(seen_now.all[i - 1].stream, seen_now.all[i].stream) < 0);
    ok(w,
       subject->ops->snapshots_scan(w->st, w->domain, after, 2, see_snapshot, &seen_now, &w->err));
    assert_int_equal(seen_now.count, 5);
}

static void
test_read_pages_through_a_partition(void **state)
{
    world *w = *state;
    seen   s = {.arena = &w->arena};

    append_big(w, 0, 0, 10);
    ok(w, subject->ops->read(w->st, w->domain, 0, 4, 3, see, &s, &w->err));
    assert_int_equal(s.count, 3);
    assert_int_equal(s.records[0].offset, 5);
    assert_int_equal(s.records[2].offset, 7);
    s.count = 0;
    ok(w, subject->ops->read(w->st, w->domain, 0, 10, 3, see, &s, &w->err));
    assert_int_equal(s.count, 0);
}

/* --- archives -------------------------------------------------------------- */

/* Everything that a log tells: by position, by stream, by command. */
typedef struct {
    seen    read, pages, load, after, find;
    int64_t heads[PARTITIONS];
} told;

#define ARCHIVED_STREAMS 5

static told
ask_everything(world *w)
{
    told                 t;
    bus_append_partition parts[2] = {held(w, 0), held(w, 1)};
    bus_id               streams[ARCHIVED_STREAMS], commands[ARCHIVED_STREAMS * 2];
    int32_t              versions[ARCHIVED_STREAMS];

    t.read = t.pages = t.load = t.after = t.find = (seen){.arena = &w->arena};
    for (int i = 0; i < ARCHIVED_STREAMS; i++) {
        streams[i] = stream_in(w, i % 2, i);
        versions[i] = i * 5;
        commands[2 * i] = id_numbered("big", (i % 2 * 100 + i) * 10000 + i);
        commands[2 * i + 1] = id_numbered("big", (i % 2 * 100 + i) * 10000 + 19);
    }
    for (int p = 0; p < 2; p++) {
        ok(w, subject->ops->read(w->st, w->domain, (uint16_t)p, 0, 1000, see, &t.read, &w->err));
        for (int64_t at = 0; at < 70; at += 7)
            ok(w, subject->ops->read(w->st, w->domain, (uint16_t)p, at, 9, see, &t.pages, &w->err));
    }
    for (int i = 0; i < ARCHIVED_STREAMS; i++) /* one by one: streams come in any order */
        ok(w, subject->ops->load(w->st, w->domain, &streams[i], 1, see, &t.load, &w->err));
    for (int i = 0; i < ARCHIVED_STREAMS; i++)
        ok(w, subject->ops->load_after(w->st, w->domain, &streams[i], &versions[i], 1, see,
                                       &t.after, &w->err));
    for (int i = 0; i < ARCHIVED_STREAMS * 2; i++)
        ok(w,
           subject->ops->find(w->st, w->domain, parts, 2, &commands[i], 1, see, &t.find, &w->err));
    ok(w, subject->ops->heads(w->st, w->domain, t.heads, PARTITIONS, &w->err));
    return t;
}

static void
assert_same_record(const bus_record *got, const bus_record *want)
{
    assert_int_equal(got->partition, want->partition);
    assert_int_equal(got->offset, want->offset);
    assert_int_equal(got->epoch, want->epoch);
    assert_int_equal(got->version, want->version);
    assert_int_equal(got->nth, want->nth);
    assert_int_equal(got->digest, want->digest);
    assert_int_equal(got->at_ms, want->at_ms);
    assert_int_equal(got->device_at_ms, want->device_at_ms);
    assert_id(got->stream, want->stream);
    assert_id(got->tenant, want->tenant);
    assert_id(got->command_id, want->command_id);
    assert_id(got->correlation_id, want->correlation_id);
    assert_str(got->aggregate, want->aggregate);
    assert_str(got->type, want->type);
    assert_str(got->causation_id, want->causation_id);
    assert_str(got->actor, want->actor);
    assert_str(got->sends, want->sends);
    assert_str(got->data, want->data);
}

static void
assert_same_records(const seen *got, const seen *want)
{
    assert_int_equal(got->count, want->count);
    for (int i = 0; i < got->count; i++)
        assert_same_record(&got->records[i], &want->records[i]);
}

static void
assert_told_as_before(world *w, const told *before)
{
    told now = ask_everything(w);

    assert_same_records(&now.read, &before->read);
    assert_same_records(&now.pages, &before->pages);
    assert_same_records(&now.load, &before->load);
    assert_same_records(&now.after, &before->after);
    assert_same_records(&now.find, &before->find);
    assert_memory_equal(now.heads, before->heads, sizeof(now.heads));
}

/* An event with all that has to be kept byte by byte, in partition 0. */
static void
append_odd_event(world *w)
{
    static const char    data[] = "{ \"b\": 1.50, \"a\":\"\\u00e9 \\\"q\\\" \\\\ \\t \\\\N\",\n\t"
                                  "\"ключ\":\"значение €\"}";
    bus_append_partition part = held(w, 0);
    bus_command_id       command = {.id = id_of("odd")};
    bus_record           event = event_of(stream_in(w, 0, 50), 1, command.id);
    bus_append           batch = batch_of(&part, &event, 1, &command, 1);

    event.data = BUS_STR(data);
    event.causation_id = BUS_STR("\\N\t0190:1");
    event.device_at_ms = INT64_C(-86400123);
    event.sends = BUS_STR("[ {\"command\":\"x.y\"} ]");
    event.digest = INT64_MIN;
    ok(w, subject->ops->append(w->st, w->domain, &batch, &w->err));
}

static void
archive_to(world *w, int partition, int64_t up_to)
{
    int64_t reached = 0, before = -1;

    while (reached < up_to && reached > before) {
        before = reached;
        ok(w,
           subject->ops->archive(w->st, w->domain, (uint16_t)partition, up_to, &reached, &w->err));
    }
    assert_int_equal(reached, up_to);
}

/* Five streams of 20 events in two partitions; the archive ends in the middle of a stream. */
static told
make_and_archive(world *w)
{
    told before;

    append_odd_event(w);
    for (int i = 0; i < ARCHIVED_STREAMS; i++)
        append_big(w, i % 2, i, 20);
    before = ask_everything(w);
    archive_to(w, 0, 33);
    archive_to(w, 1, 39);
    return before;
}

static void
test_archived_events_are_read_like_others(void **state)
{
    world     *w = *state;
    told       before = make_and_archive(w);
    bus_store *other, *ours = w->st;

    assert_int_equal(before.read.count, 101);
    assert_told_as_before(w, &before);
    archive_to(w, 0, 34); /* one more file, which the readers do not know of yet */
    archive_to(w, 0, 60);
    assert_told_as_before(w, &before);
    other = w->st = open_store(); /* and one that knows nothing */
    assert_told_as_before(w, &before);
    w->st = ours;
    subject->ops->close(other);
}

static void
test_archived_commands_and_versions_stay_known(void **state)
{
    world               *w = *state;
    bus_id               stream = stream_in(w, 0, 0), command = id_numbered("big", 3);
    bus_append_partition part = held(w, 0);
    bus_record           again = event_of(stream_in(w, 0, 70), 1, command);
    bus_command_id       id = {.id = command};
    bus_append           batch = batch_of(&part, &again, 1, &id, 1);

    (void)make_and_archive(w);
    fails(w, BUS_DUPLICATE, subject->ops->append(w->st, w->domain, &batch, &w->err));
    assert_true(id.found);
    fails(w, BUS_CONFLICT, append_one(w, stream, 7, id_of("fresh")));
    ok(w, append_one(w, stream, 21, id_of("fresh")));
    ok(w, append_one(w, stream_in(w, 1, 1), 21, id_of("fresher")));
    assert_gapless(w, 0, 62);
    assert_gapless(w, 1, 41);
}

static void
test_archived_events_are_known_to_timers_snapshots_and_leases(void **state)
{
    world          *w = *state;
    bus_id          stream = stream_in(w, 0, 0);
    bus_timer_write soon = timer(stream, "soon", NOW_MS, false);
    bus_snapshot    s = snapshot_of(w, stream, 5, "five");
    bus_lease       lease = {.partition = 0};
    bus_timer      *timers;
    int64_t         next_ms;

    (void)make_and_archive(w);
    append_timers(w, 0, &soon, 1);
    assert_int_equal(due(w, NOW_MS, 10, &timers, &next_ms), 1);
    assert_id(timers[0].tenant, id_of("tenant"));
    assert_str(timers[0].aggregate, BUS_STR("thing"));
    ok(w, subject->ops->snapshots_write(w->st, w->domain, &s, 1, &w->err));
    assert_snapshot(w, stream, 5, 1, "five");
    archive_to(w, 0, 60);
    ok(w, subject->ops->lease_take(w->st, w->domain, "tester", false, &lease, 1, &w->err));
    assert_int_equal(lease.head, 61);
    assert_int_equal(lease.at_ms, NOW_MS);
}

static void
test_archives_are_listed_and_bounded(void **state)
{
    world            *w = *state;
    bus_archive_info *list;
    int64_t           reached, next[PARTITIONS] = {1, 1, 1, 1};
    int               count;

    ok(w, subject->ops->archives(w->st, w->domain, &w->arena, &list, &count, &w->err));
    assert_int_equal(count, 0);
    (void)make_and_archive(w);
    fails(w, BUS_INVALID,
          subject->ops->archive(w->st, w->domain, 0, 61, &reached, &w->err)); /* the last one */
    fails(w, BUS_INVALID, subject->ops->archive(w->st, w->domain, 2, 0, &reached, &w->err));
    fails(w, BUS_INVALID,
          subject->ops->archive(w->st, w->domain, PARTITIONS, 0, &reached, &w->err));
    ok(w, subject->ops->archive(w->st, w->domain, 0, 10, &reached, &w->err)); /* there already */
    assert_int_equal(reached, 33);
    archive_to(w, 0, 40);
    ok(w, subject->ops->archives(w->st, w->domain, &w->arena, &list, &count, &w->err));
    assert_true(count >= 3);
    for (int i = 0; i < count; i++) {
        assert_int_equal(list[i].first, next[list[i].partition]);
        next[list[i].partition] = list[i].last + 1;
        assert_true(i == 0 || list[i].partition >= list[i - 1].partition);
        assert_true(list[i].file.len > 0);
        assert_true(list[i].made_at_ms > 0);
        ok(w, subject->ops->archive_check(w->st, w->domain, &list[i], &w->err));
    }
    assert_int_equal(next[0], 41);
    assert_int_equal(next[1], 40);
}

/* --- readers --------------------------------------------------------------- */

static const bus_member *
member_named(world *w, const bus_member *self, const char *process)
{
    bus_member *list;
    int         count;

    ok(w, subject->ops->member_beat(w->st, self, &w->arena, &list, &count, &w->err));
    for (int i = 0; i < count; i++) {
        if (i > 0)
            assert_true(strcmp(list[i - 1].process.at, list[i].process.at) < 0);
        if (bus_str_is(list[i].process, process))
            return &list[i];
    }
    return NULL;
}

static void
test_members_come_stay_and_go(void **state)
{
    world            *w = *state;
    const bus_str     parts[] = {BUS_STR("service a"), BUS_STR("projector b")};
    const bus_member  one = {.process = BUS_STR("one"), .url = BUS_STR("ipc:///one")};
    bus_member        two = {.process = BUS_STR("two"), .parts = parts, .parts_count = 2};
    const bus_member *got;

    assert_non_null(member_named(w, &one, "one"));
    got = member_named(w, &two, "two");
    assert_non_null(got);
    assert_true(got->live);
    assert_int_equal(got->parts_count, 2);
    assert_str(got->parts[0], parts[0]);
    assert_str(got->parts[1], parts[1]);
    assert_int_equal(got->url.len, 0);
    got = member_named(w, &two, "one");
    assert_non_null(got);
    assert_str(got->url, one.url);
    assert_int_equal(got->parts_count, 0);
    two.parts_count = 1; /* its parts are what it said last */
    assert_int_equal(member_named(w, &two, "two")->parts_count, 1);
    subject->expire(subject->context, w->domain);
    got = member_named(w, &one, "two");
    assert_non_null(got);
    assert_false(got->live);
    assert_true(member_named(w, NULL, "one")->live);
    ok(w, subject->ops->member_leave(w->st, "two", &w->err));
    ok(w, subject->ops->member_leave(w->st, "two", &w->err));
    assert_null(member_named(w, NULL, "two"));
    ok(w, subject->ops->member_leave(w->st, "one", &w->err));
}

static void
take_checkpoints(world *w, const char *owner, bool steal, bus_checkpoint out[PARTITIONS])
{
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, "reader", w->domain, owner, steal, out,
                                        PARTITIONS, &w->err));
}

static bus_effect
effect_of(const world *w, bus_checkpoint *checkpoints, int count)
{
    return (bus_effect){.home = w->domain,
                        .reader = "reader",
                        .domain = w->domain,
                        .checkpoints = checkpoints,
                        .checkpoints_count = count};
}

static void
test_a_checkpoint_is_taken_moved_and_fenced(void **state)
{
    world         *w = *state;
    bus_checkpoint mine[PARTITIONS], other[PARTITIONS];
    bus_effect     effect = effect_of(w, mine, 2);

    take_checkpoints(w, "me", false, mine);
    assert_true(mine[0].held && mine[3].held);
    assert_int_equal(mine[0].offset, 0);
    take_checkpoints(w, "other", false, other);
    assert_false(other[0].held);
    mine[0].offset = 7;
    mine[1].offset = 9;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    take_checkpoints(w, "other", true, other);
    assert_true(other[0].held);
    assert_int_equal(other[0].offset, 7);
    assert_int_equal(other[1].offset, 9);
    assert_int_equal(other[2].offset, 0);
    assert_true(other[0].epoch > mine[0].epoch);
    mine[0].offset = 8;
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &effect, &w->err));
    ok(w, subject->ops->checkpoint_renew(w->st, w->domain, "reader", w->domain, mine, 2, &w->err));
    assert_false(mine[0].held);
    ok(w, subject->ops->checkpoint_renew(w->st, w->domain, "reader", w->domain, other, 2, &w->err));
    assert_true(other[0].held && other[1].held);
    subject->expire(subject->context, w->domain);
    take_checkpoints(w, "third", false, mine);
    assert_true(mine[0].held);
    assert_int_equal(mine[0].offset, 7);
}

static void
test_a_checkpoint_given_back_is_free_at_once(void **state)
{
    world         *w = *state;
    bus_checkpoint mine[PARTITIONS], other[PARTITIONS], stale;
    bus_effect     effect = effect_of(w, mine, 2);

    take_checkpoints(w, "me", false, mine);
    mine[0].offset = mine[1].offset = 3;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    stale = mine[1];
    stale.epoch--;
    ok(w,
       subject->ops->checkpoint_release(w->st, w->domain, "reader", w->domain, mine, 1, &w->err));
    ok(w,
       subject->ops->checkpoint_release(w->st, w->domain, "reader", w->domain, &stale, 1, &w->err));
    take_checkpoints(w, "other", false, other);
    assert_true(other[0].held);
    assert_int_equal(other[0].offset, 3);
    assert_false(other[1].held); /* another's epoch gives nothing back */
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &effect, &w->err));
}

static void
test_a_reader_that_is_gone_leaves_nothing(void **state)
{
    world               *w = *state;
    bus_checkpoint       mine[PARTITIONS], other[PARTITIONS];
    bus_effect           effect = effect_of(w, mine, 1);
    bus_checkpoint_info *list;
    int                  count;

    ok(w, subject->ops->checkpoint_forget(w->st, w->domain, "reader", &w->err)); /* nobody */
    take_checkpoints(w, "me", false, mine);
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, "reader two", w->domain, "me", false,
                                        other, PARTITIONS, &w->err));
    ok(w, subject->ops->checkpoint_forget(w->st, w->domain, "reader", &w->err));
    mine[0].offset = 3;
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &effect, &w->err));
    ok(w, subject->ops->checkpoints(w->st, w->domain, &w->arena, &list, &count, &w->err));
    assert_int_equal(count, PARTITIONS);
    assert_str(list[0].reader, BUS_STR("reader two"));
    take_checkpoints(w, "me", false, mine);
    assert_int_equal(mine[0].offset, 0); /* anew */
}

static void
test_checkpoints_are_listed(void **state)
{
    world               *w = *state;
    bus_checkpoint       mine[PARTITIONS];
    bus_effect           effect = effect_of(w, &mine[2], 1);
    bus_checkpoint_info *list;
    int                  count;

    take_checkpoints(w, "me", false, mine);
    mine[2].offset = 11;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    ok(w, subject->ops->checkpoints(w->st, w->domain, &w->arena, &list, &count, &w->err));
    assert_int_equal(count, PARTITIONS);
    for (int i = 0; i < count; i++) {
        assert_int_equal(list[i].partition, i);
        assert_int_equal(list[i].offset, i == 2 ? 11 : 0);
        assert_int_equal(list[i].epoch, mine[i].epoch);
        assert_str(list[i].reader, BUS_STR("reader"));
        assert_str(list[i].domain, bus_str_of(w->domain));
        assert_str(list[i].owner, BUS_STR("me"));
        assert_true(list[i].live);
    }
    subject->expire(subject->context, w->domain);
    ok(w, subject->ops->checkpoints(w->st, w->domain, &w->arena, &list, &count, &w->err));
    assert_false(list[0].live);
}

static int
parkings(world *w, const char *reader, bus_parked **out)
{
    int count;

    ok(w, subject->ops->parked(w->st, w->domain, reader, &w->arena, out, &count, &w->err));
    return count;
}

static void
test_parking_commits_with_its_checkpoint(void **state)
{
    world         *w = *state;
    bus_checkpoint mine[PARTITIONS];
    bus_effect     effect = effect_of(w, mine, 1);
    bus_park_write parks[2] = {
        {.stream = id_of("a"), .partition = 0, .from_offset = 5, .reason = "cannot: \"x\" €"},
        {.stream = id_of("b"), .partition = 0, .from_offset = 6, .reason = "target is down"}};
    bus_parked *list;

    take_checkpoints(w, "me", false, mine);
    effect.parks = parks;
    effect.parks_count = 2;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_int_equal(parkings(w, NULL, &list), 2);
    assert_int_equal(parkings(w, "no such reader", &list), 0);
    assert_int_equal(parkings(w, "reader", &list), 2);
    for (int i = 0; i < 2; i++) {
        bool a = bus_id_equal(list[i].stream, id_of("a"));

        assert_int_equal(list[i].from_offset, a ? 5 : 6);
        assert_str(list[i].reason, bus_str_of(parks[a ? 0 : 1].reason));
        assert_str(list[i].reader, BUS_STR("reader"));
        assert_str(list[i].domain, bus_str_of(w->domain));
    }
    parks[0].remove = true;
    parks[1].from_offset = 8; /* again: replaced */
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_int_equal(parkings(w, NULL, &list), 1);
    assert_int_equal(list[0].from_offset, 8);
    mine[0].epoch--;
    parks[1].remove = true;
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &effect, &w->err));
    assert_int_equal(parkings(w, NULL, &list), 1);
}

static void
test_what_an_operator_asks_for_is_done_once(void **state)
{
    world         *w = *state;
    bus_checkpoint mine[PARTITIONS];
    bus_effect     effect = effect_of(w, mine, 1);
    bus_park_write park = {.stream = id_of("a"), .from_offset = 5, .reason = "stuck"};
    bus_parked    *list;
    bus_skipped   *skipped;
    int            count;

    take_checkpoints(w, "me", false, mine);
    effect.parks = &park;
    effect.parks_count = 1;
    fails(w, BUS_NOT_FOUND,
          subject->ops->park_ask(w->st, w->domain, "reader", w->domain, park.stream, BUS_ASK_RETRY,
                                 &w->err));
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_int_equal(parkings(w, NULL, &list), 1);
    assert_int_equal(list[0].asked, BUS_ASK_NONE);
    ok(w, subject->ops->park_ask(w->st, w->domain, "reader", w->domain, park.stream, BUS_ASK_SKIP,
                                 &w->err));
    assert_int_equal(parkings(w, NULL, &list), 1);
    assert_int_equal(list[0].asked, BUS_ASK_SKIP);
    park.from_offset = 6; /* its reader left 5 out, and is stuck at 6 */
    park.skip_offset = 5;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_int_equal(parkings(w, NULL, &list), 1);
    assert_int_equal(list[0].asked, BUS_ASK_NONE);
    ok(w, subject->ops->park_ask(w->st, w->domain, "reader", w->domain, park.stream, BUS_ASK_RETRY,
                                 &w->err));
    ok(w, subject->ops->park_ask(w->st, w->domain, "reader", w->domain, park.stream, BUS_ASK_NONE,
                                 &w->err));
    park.remove = true;
    park.skip_offset = 6;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_int_equal(parkings(w, NULL, &list), 0);
    ok(w, subject->ops->skipped(w->st, w->domain, "reader", &w->arena, &skipped, &count, &w->err));
    assert_int_equal(count, 2);
    assert_int_equal(skipped[0].offset, 5);
    assert_int_equal(skipped[1].offset, 6);
    assert_id(skipped[1].stream, park.stream);
    assert_str(skipped[0].domain, bus_str_of(w->domain));
    ok(w, subject->ops->skipped(w->st, w->domain, "another", &w->arena, &skipped, &count, &w->err));
    assert_int_equal(count, 0);
}

/* --- views ----------------------------------------------------------------- */

static const bus_shape shapes[] = {
    {.kind = BUS_KIND_BOOL},   {.kind = BUS_KIND_INT},  {.kind = BUS_KIND_NUMBER},
    {.kind = BUS_KIND_STRING}, {.kind = BUS_KIND_ENUM}, {.kind = BUS_KIND_UUID},
    {.kind = BUS_KIND_DATE},   {.kind = BUS_KIND_TIME},
};
#define COLUMNS 8
static const bus_field fields[COLUMNS] = {
    {.name = "flag", .shape = &shapes[0]},   {.name = "count", .shape = &shapes[1]},
    {.name = "ratio", .shape = &shapes[2]},  {.name = "order", .shape = &shapes[3]},
    {.name = "status", .shape = &shapes[4]}, {.name = "driver_id", .shape = &shapes[5]},
    {.name = "day", .shape = &shapes[6]},    {.name = "made_at", .shape = &shapes[7]},
};
static const bus_column columns[COLUMNS] = {
    {.name = "flag", .field = &fields[0], .filter = true},
    {.name = "count", .field = &fields[1], .sort = true},
    {.name = "ratio", .field = &fields[2]},
    {.name = "order", .field = &fields[3], .filter = true, .sort = true}, /* a word of SQL */
    {.name = "status", .field = &fields[4], .filter = true},
    {.name = "driver_id", .field = &fields[5]},
    {.name = "day", .field = &fields[6], .sort = true},
    {.name = "made_at", .field = &fields[7], .sort = true},
};

/* A view of the world's own: the hash tells them apart. */
static bus_view_contract
view_of(const world *w)
{
    static bus_contract home;

    home.module = w->domain;
    return (bus_view_contract){.name = "conformance_things",
                               .contract = &home,
                               .columns = columns,
                               .columns_count = COLUMNS,
                               .hash = bus_fnv1a64(w->domain, strlen(w->domain))};
}

#define TEXT(s)          \
    {                    \
        s, sizeof(s) - 1 \
    }
static const bus_str values[COLUMNS] = {
    TEXT("t"),          TEXT("-9223372036854775808"),
    TEXT("1.5e-3"),     TEXT("кавычка ' и \" и \\"),
    TEXT("ACTIVE"),     TEXT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    TEXT("2026-02-28"), TEXT("1764000000123"),
};
static const bus_str nulls[COLUMNS];

static bus_row_write
row_of(const bus_view_contract *view, bus_id id, int32_t version, const char *body)
{
    return (bus_row_write){.view = view,
                           .view_version = 1,
                           .tenant = id_of("tenant"),
                           .id = id,
                           .version = version,
                           .body = bus_str_of(body),
                           .columns = values};
}

static void
assert_row(world *w, const bus_view_contract *view, bus_id id, int32_t version, const char *body)
{
    bus_id  ids[2] = {id, id}, tenants[2] = {id_of("stranger"), id_of("tenant")};
    bus_str bodies[2];
    int32_t versions[2];

    ok(w, subject->ops->view_rows(w->st, view, 1, tenants, ids, 2, &w->arena, bodies, versions,
                                  &w->err));
    assert_null(bodies[0].at);
    assert_int_equal(versions[1], version);
    if (body == NULL)
        assert_null(bodies[1].at);
    else
        assert_str(bodies[1], bus_str_of(body));
}

static int
parked_by(world *w, const char *reader, bus_parked **out)
{
    int count;

    ok(w, subject->ops->parked(w->st, w->domain, reader, &w->arena, out, &count, &w->err));
    return count;
}

static void
test_streams_are_parked_without_a_checkpoint(void **state)
{
    world         *w = *state;
    bus_id         a = stream_in(w, 0, 0), b = stream_in(w, 1, 0);
    int64_t        epochs[2] = {w->leases[0].epoch, w->leases[1].epoch};
    bus_park_write parks[2] = {{.stream = a, .from_offset = 7, .reason = "broke"},
                               {.stream = b, .partition = 1, .reason = "broke too"}};
    bus_parked    *list;

    ok(w, subject->ops->park(w->st, w->domain, "writer", w->domain, parks, epochs, 2, &w->err));
    assert_int_equal(parked_by(w, "writer", &list), 2);
    assert_int_equal(parked_by(w, "reader", &list), 0);
    epochs[0]--; /* it was ours */
    parks[0].reason = parks[1].reason = "again";
    ok(w, subject->ops->park(w->st, w->domain, "writer", w->domain, parks, epochs, 2, &w->err));
    assert_int_equal(parked_by(w, "writer", &list), 2);
    for (int i = 0; i < 2; i++) {
        bool first = bus_id_equal(list[i].stream, a);

        assert_true(bus_str_is(list[i].reason, first ? "broke" : "again"));
        assert_int_equal(list[i].from_offset, first ? 7 : 0);
        assert_int_equal(list[i].partition, first ? 0 : 1);
    }
    parks[0].remove = parks[1].remove = true;
    parks[1].stream = id_of("unknown");
    ok(w, subject->ops->park(w->st, w->domain, "writer", w->domain, parks, epochs, 1, &w->err));
    assert_int_equal(parked_by(w, "writer", &list), 2);
    ok(w, subject->ops->park(w->st, w->domain, "writer", w->domain, parks, NULL, 2, &w->err));
    assert_int_equal(parked_by(w, "writer", &list), 1);
    assert_true(bus_id_equal(list[0].stream, b));
}

static void
test_rows_are_written_read_and_removed(void **state)
{
    world            *w = *state;
    bus_view_contract view = view_of(w);
    bus_checkpoint    mine[PARTITIONS];
    bus_row_write     rows[2];
    bus_effect        effect = effect_of(w, mine, 1);
    bus_id            a = id_of("a"), b = id_of("b");

    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    take_checkpoints(w, "me", false, mine);
    rows[0] = row_of(&view, a, 1, "{\"order\": \"é €\"}");
    rows[1] = row_of(&view, b, 2, "{}");
    rows[1].columns = nulls;
    effect.rows = rows;
    effect.rows_count = 2;
    mine[0].offset = 3;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    ok(w, subject->ops->view_analyze(w->st, &view, 1, &w->err));
    assert_row(w, &view, a, 1, "{\"order\": \"é €\"}");
    assert_row(w, &view, b, 2, "{}");
    rows[0] = row_of(&view, a, 5, "{\"v\":5}");
    rows[0].columns = nulls;
    rows[1].remove = true;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_row(w, &view, a, 5, "{\"v\":5}");
    assert_row(w, &view, b, 0, NULL);
    mine[0].epoch--;
    rows[0].body = BUS_STR("{\"v\":6}");
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &effect, &w->err));
    assert_row(w, &view, a, 5, "{\"v\":5}");
}

static void
test_an_effect_fails_whole(void **state)
{
    world            *w = *state;
    bus_view_contract view = view_of(w), missing = view_of(w);
    bus_checkpoint    mine[PARTITIONS];
    bus_row_write     rows[2];
    bus_effect        effect = effect_of(w, mine, 1);

    missing.name = "conformance_missing";
    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    take_checkpoints(w, "me", false, mine);
    rows[0] = row_of(&view, id_of("a"), 1, "{}");
    rows[1] = row_of(&missing, id_of("a"), 1, "{}");
    effect.rows = rows;
    effect.rows_count = 2;
    mine[0].offset = 3;
    fails(w, BUS_NOT_FOUND, subject->ops->effect(w->st, &effect, &w->err));
    assert_row(w, &view, id_of("a"), 0, NULL);
    take_checkpoints(w, "me", false, mine);
    assert_int_equal(mine[0].offset, 0);
}

static void
test_effects_that_hang_together_commit_together(void **state)
{
    world            *w = *state;
    bus_view_contract view = view_of(w), second = view_of(w);
    bus_checkpoint    mine[PARTITIONS], theirs[PARTITIONS];
    bus_row_write     row = row_of(&view, id_of("a"), 1, "{}");
    bus_row_write     other_row = row_of(&second, id_of("a"), 2, "{}");
    bus_effect        also = effect_of(w, theirs, 1), effect = effect_of(w, mine, 1);

    second.name = "conformance_second";
    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    ok(w, subject->ops->view_create(w->st, &second, 1, &w->err));
    take_checkpoints(w, "me", false, mine);
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, "second", w->domain, "me", false, theirs,
                                        PARTITIONS, &w->err));
    effect.rows = &row;
    effect.rows_count = 1;
    effect.also = &also;
    also.reader = "second";
    also.rows = &other_row;
    also.rows_count = 1;
    mine[0].offset = theirs[0].offset = 4;
    theirs[0].epoch--;
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &effect, &w->err));
    assert_row(w, &view, id_of("a"), 0, NULL);
    theirs[0].epoch++;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    assert_row(w, &view, id_of("a"), 1, "{}");
    assert_row(w, &second, id_of("a"), 2, "{}");
    effect.rows_count = also.rows_count = 0; /* checkpoints alone */
    mine[0].offset = theirs[0].offset = 5;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    take_checkpoints(w, "me", false, mine);
    assert_int_equal(mine[0].offset, 5);
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, "second", w->domain, "me", false, theirs,
                                        PARTITIONS, &w->err));
    assert_int_equal(theirs[0].offset, 5);
}

typedef struct {
    int     count;
    int32_t last;
    bus_id  last_id;
} scanned;

static bus_code
scan_row(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    scanned *s = context;

    (void)err;
    assert_id(tenant, id_of("tenant"));
    assert_str(body, BUS_STR("{}"));
    if (s->count > 0)
        assert_true(bus_id_compare(s->last_id, id) < 0);
    s->last_id = id;
    s->last = version;
    s->count++;
    return BUS_OK;
}

static int
by_id(const void *a, const void *b)
{
    return bus_id_compare(((const bus_row_write *)a)->id, ((const bus_row_write *)b)->id);
}

static void
test_a_scan_visits_every_row_in_order(void **state)
{
    enum { ROWS = 1234 };
    world            *w = *state;
    bus_view_contract view = view_of(w);
    bus_checkpoint    mine[PARTITIONS];
    bus_row_write    *rows = calloc(ROWS, sizeof(*rows));
    bus_effect        effect = effect_of(w, mine, 1);
    scanned           s = {0};

    fails(w, BUS_NOT_FOUND, subject->ops->view_scan(w->st, &view, 1, scan_row, &s, &w->err));
    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    ok(w, subject->ops->view_scan(w->st, &view, 1, scan_row, &s, &w->err));
    assert_int_equal(s.count, 0);
    take_checkpoints(w, "me", false, mine);
    for (int i = 0; i < ROWS; i++)
        rows[i] = row_of(&view, id_numbered("row", i), i, "{}");
    qsort(rows, ROWS, sizeof(*rows), by_id);
    effect.rows = rows;
    effect.rows_count = ROWS;
    ok(w, subject->ops->effect(w->st, &effect, &w->err));
    ok(w, subject->ops->view_scan(w->st, &view, 1, scan_row, &s, &w->err));
    assert_int_equal(s.count, ROWS);
    free(rows);
}

/* Its reader, as a projector names it. */
static bus_effect
reader_of(const world *w, const bus_view_contract *view, char reader[96], bus_checkpoint *at,
          int count)
{
    char table[BUS_VIEW_TABLE_BYTES];

    bus_view_table_name(view, 1, table);
    (void)snprintf(reader, 96, "view.%s", table);
    return (bus_effect){.home = w->domain,
                        .reader = reader,
                        .domain = w->domain,
                        .checkpoints = at,
                        .checkpoints_count = count};
}

static bus_view_info
info_of(world *w, const bus_view_contract *view)
{
    bus_view_info *infos;
    char           table[BUS_VIEW_TABLE_BYTES];
    int            count;

    bus_view_table_name(view, 1, table);
    ok(w, subject->ops->view_infos(w->st, w->domain, &w->arena, &infos, &count, &w->err));
    for (int i = 0; i < count; i++) {
        if (bus_str_is(infos[i].table, table))
            return infos[i];
    }
    return (bus_view_info){0};
}

static void
assert_built(world *w, const bus_view_contract *view, bus_id id, int32_t version, const char *body)
{
    bus_id  tenant = id_of("tenant");
    bus_str found;
    int32_t there;

    ok(w, subject->ops->build_rows(w->st, view, 1, &tenant, &id, 1, &w->arena, &found, &there,
                                   &w->err));
    assert_int_equal(there, version);
    if (body == NULL)
        assert_null(found.at);
    else
        assert_str(found, bus_str_of(body));
}

static bus_code
scan_built(void *context, bus_id tenant, bus_id id, int32_t version, bus_str body, bus_error *err)
{
    scanned *s = context;

    (void)version, (void)body, (void)err;
    assert_id(tenant, id_of("tenant"));
    s->last_id = id;
    s->count++;
    return BUS_OK;
}

static void
test_a_table_is_built_beside_the_one_that_is_read(void **state)
{
    world            *w = *state;
    bus_view_contract view = view_of(w);
    bus_checkpoint    old[PARTITIONS], mine[PARTITIONS];
    char              reader[96];
    bus_effect        live = reader_of(w, &view, reader, old, 1);
    bus_effect        swap = reader_of(w, &view, reader, mine, PARTITIONS);
    bus_row_write     rows[2];
    bus_park_write    park = {.stream = id_of("stuck"), .from_offset = 7, .reason = "old"};
    bus_parked       *parked;
    int               count;
    bus_id            a = id_of("a"), b = id_of("b");
    const char       *odd = "{\"odd\":\"tab\t line\n \\\\ \\N\"}";
    scanned           scan = {0};

    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    assert_true(info_of(w, &view).live);
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, reader, w->domain, "live", false, old,
                                        PARTITIONS, &w->err));
    rows[0] = row_of(&view, a, 1, "{\"old\":1}");
    live.rows = rows;
    live.rows_count = 1;
    live.parks = &park;
    live.parks_count = 1;
    old[0].offset = 3;
    ok(w, subject->ops->effect(w->st, &live, &w->err));

    ok(w, subject->ops->build_begin(w->st, &view, 1, "me", &w->err));
    rows[0] = row_of(&view, a, 2, odd);
    rows[1] = row_of(&view, b, 3, "{}");
    rows[1].columns = nulls;
    ok(w, subject->ops->build_fill(w->st, "me", rows, 2, &w->err));
    ok(w, subject->ops->build_report(w->st, &view, 1, "me", 2, 9, &w->err));
    assert_int_equal(info_of(w, &view).done, 2);
    assert_int_equal(info_of(w, &view).total, 9);
    assert_str(info_of(w, &view).builder, BUS_STR("me"));
    assert_row(w, &view, a, 1, "{\"old\":1}"); /* readers see the old table */
    ok(w, subject->ops->build_index(w->st, &view, 1, "me", &w->err));
    assert_built(w, &view, a, 2, odd);
    rows[0] = row_of(&view, b, 4, "{\"v\":4}");
    ok(w, subject->ops->build_write(w->st, "me", rows, 1, &w->err));
    assert_built(w, &view, b, 4, "{\"v\":4}");
    ok(w, subject->ops->build_scan(w->st, &view, 1, scan_built, &scan, &w->err));
    assert_int_equal(scan.count, 2); /* not the one row of the table that is read */
    assert_true(bus_id_equal(scan.last_id, bus_id_compare(a, b) < 0 ? b : a));
    rows[0].remove = true;
    ok(w, subject->ops->build_write(w->st, "me", rows, 1, &w->err));
    assert_built(w, &view, b, 0, NULL);

    ok(w, subject->ops->checkpoint_take(w->st, w->domain, reader, w->domain, "me", true, mine,
                                        PARTITIONS, &w->err));
    assert_int_equal(mine[0].offset, 3);
    mine[0].offset = 8;
    mine[0].epoch--;
    fails(w, BUS_FENCED, subject->ops->build_swap(w->st, &view, 1, "me", &swap, &w->err));
    assert_row(w, &view, a, 1, "{\"old\":1}");
    mine[0].epoch++;
    ok(w, subject->ops->build_swap(w->st, &view, 1, "me", &swap, &w->err));
    assert_row(w, &view, a, 2, odd);
    assert_row(w, &view, b, 0, NULL);
    assert_int_equal(info_of(w, &view).builder.len, 0);
    ok(w, subject->ops->parked(w->st, w->domain, reader, &w->arena, &parked, &count, &w->err));
    assert_int_equal(count, 0);
    fails(w, BUS_FENCED, subject->ops->effect(w->st, &live, &w->err)); /* the old reader is out */
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, reader, w->domain, "next", false, old,
                                        PARTITIONS, &w->err)); /* the builder is nobody's owner */
    assert_true(old[0].held);
    assert_int_equal(old[0].offset, 8);
}

static void
test_one_builder_at_a_time(void **state)
{
    world            *w = *state;
    bus_view_contract view = view_of(w);
    bus_row_write     row = row_of(&view, id_of("a"), 1, "{}");

    ok(w, subject->ops->build_begin(w->st, &view, 1, "one", &w->err));
    fails(w, BUS_DENIED, subject->ops->build_begin(w->st, &view, 1, "two", &w->err));
    fails(w, BUS_FENCED, subject->ops->build_report(w->st, &view, 1, "two", 0, 0, &w->err));
    fails(w, BUS_FENCED, subject->ops->build_swap(w->st, &view, 1, "two", NULL, &w->err));
    assert_false(info_of(w, &view).live);
    ok(w, subject->ops->build_fill(w->st, "one", &row, 1, &w->err));
    ok(w, subject->ops->build_begin(w->st, &view, 1, "one", &w->err)); /* once more from nothing */
    assert_built(w, &view, id_of("a"), 0, NULL);
    ok(w, subject->ops->build_abandon(w->st, &view, 1, "two", &w->err)); /* not theirs to end */
    ok(w, subject->ops->build_report(w->st, &view, 1, "one", 1, 1, &w->err));
    ok(w, subject->ops->build_abandon(w->st, &view, 1, "one", &w->err));
    ok(w, subject->ops->build_begin(w->st, &view, 1, "two", &w->err));
    fails(w, BUS_FENCED, subject->ops->build_fill(w->st, "one", &row, 1, &w->err)); /* it slept */
    fails(w, BUS_FENCED, subject->ops->build_index(w->st, &view, 1, "one", &w->err));
    ok(w, subject->ops->build_index(w->st, &view, 1, "two", &w->err));
    fails(w, BUS_FENCED, subject->ops->build_write(w->st, "one", &row, 1, &w->err));
    assert_built(w, &view, id_of("a"), 0, NULL);
    ok(w, subject->ops->build_swap(w->st, &view, 1, "two", NULL, &w->err));
    assert_true(info_of(w, &view).live);
}

static void
test_tables_that_nobody_uses_are_dropped(void **state)
{
    world                   *w = *state;
    bus_view_contract        view = view_of(w), second = view_of(w);
    const bus_view_contract *used[] = {&view};
    const int                versions[] = {1};
    bus_checkpoint           mine[PARTITIONS];
    bus_checkpoint_info     *infos;
    bus_str                 *dropped;
    char                     reader[96], table[BUS_VIEW_TABLE_BYTES];
    bus_effect               effect = reader_of(w, &second, reader, mine, 1);
    int                      count;

    second.name = "conformance_second";
    effect = reader_of(w, &second, reader, mine, 1);
    bus_view_table_name(&second, 1, table);
    ok(w, subject->ops->view_create(w->st, &view, 1, &w->err));
    ok(w, subject->ops->view_create(w->st, &second, 1, &w->err));
    ok(w, subject->ops->checkpoint_take(w->st, w->domain, effect.reader, w->domain, "me", false,
                                        mine, PARTITIONS, &w->err));
    ok(w, subject->ops->view_drop_unused(w->st, w->domain, 60000, &w->arena, &dropped, &count,
                                         &w->err));
    assert_int_equal(count, 0);
    assert_int_equal(usleep(300000), 0);
    ok(w, subject->ops->view_use(w->st, used, versions, 1, &w->err));
    ok(w,
       subject->ops->view_drop_unused(w->st, w->domain, 200, &w->arena, &dropped, &count, &w->err));
    assert_int_equal(count, 1);
    assert_str(dropped[0], bus_str_of(table));
    assert_true(info_of(w, &view).live);
    assert_false(info_of(w, &second).live);
    ok(w, subject->ops->checkpoints(w->st, w->domain, &w->arena, &infos, &count, &w->err));
    assert_int_equal(count, 0);
}

static void *
make_same_view(void *context)
{
    bus_store *st = open_store();
    bus_error  err = {0};
    bus_code   rc = subject->ops->view_create(st, context, 1, &err);

    subject->ops->close(st);
    return rc == BUS_OK ? NULL : context;
}

static void
test_a_view_is_made_by_several_at_once(void **state)
{
    bus_view_contract view = view_of(*state);
    pthread_t         threads[4];

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_same_view, &view), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

/* --- at once --------------------------------------------------------------- */

enum { WRITERS = 4, ROUNDS = 60 };

typedef struct {
    const world *w;
    int          number;
    bool         same_partition; /* else each its own */
    atomic_int  *turns;
    int          written, claimed;
    char         failure[300];
} writer;

/* Appends batches with claims that others want too, in a random order of keys. */
static bus_code
write_round(writer *me, bus_store *st, int round, bus_error *err)
{
    int                  p = me->same_partition ? 0 : me->number;
    bus_append_partition part = held(me->w, p);
    bus_id               stream = stream_in(me->w, p, me->number * 1000 + round);
    bus_record           event = event_of(stream, 1, stream);
    bus_command_id       command = {.id = stream};
    bus_claim_write      claims[6];
    bus_append           batch = batch_of(&part, &event, 1, &command, 1);
    char                 keys[3][16];
    bus_code             rc;

    for (int i = 0; i < 3; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%d", (round * 7 + me->number * 3 + i * 5) % 11);
        claims[i] = claim(stream, keys[i], false);
    }
    batch.claims = claims;
    batch.claims_count = 3;
    do {
        rc = subject->ops->append(st, me->w->domain, &batch, err);
    } while (rc == BUS_CONFLICT);
    if (rc == BUS_CLAIMED) {
        me->claimed++;
        return BUS_OK;
    }
    if (rc != BUS_OK)
        return rc;
    me->written++;
    for (int i = 0; i < 3; i++)
        claims[i].release = true;
    event.version = 2;
    event.command_id = command.id = id_of(bus_id_format(stream, (char[BUS_ID_TEXT_BYTES]){0}));
    do {
        rc = subject->ops->append(st, me->w->domain, &batch, err);
    } while (rc == BUS_CONFLICT);
    me->written += rc == BUS_OK;
    return rc;
}

static void *
run_writer(void *context)
{
    writer    *me = context;
    bus_store *st = open_store();
    bus_error  err = {0};
    bus_code   rc = BUS_OK;

    for (int round = 0; rc == BUS_OK && round < ROUNDS; round++)
        rc = write_round(me, st, round, &err);
    if (rc != BUS_OK)
        (void)snprintf(me->failure, sizeof(me->failure), "%s %s", bus_code_name(rc), err.text);
    subject->ops->close(st);
    return NULL;
}

/* Reads while others write: what it sees must never have a gap and never shrink. */
typedef struct {
    const world *w;
    atomic_bool  stop;
    bool         gap;
} watcher;

typedef struct {
    int64_t last;
    bool    gap;
} watched;

static bus_code
watch_record(void *context, const bus_record *record, bus_error *err)
{
    watched *seen_so_far = context;

    (void)err;
    if (record->offset != seen_so_far->last + 1)
        seen_so_far->gap = true;
    seen_so_far->last = record->offset;
    return BUS_OK;
}

static void *
run_watcher(void *context)
{
    watcher   *me = context;
    bus_store *st = open_store();
    bus_error  err = {0};
    watched    at[PARTITIONS] = {{0, false}};

    while (!atomic_load(&me->stop)) {
        for (int p = 0; p < PARTITIONS; p++) {
            if (subject->ops->read(st, me->w->domain, (uint16_t)p, at[p].last, 50, watch_record,
                                   &at[p], &err) != BUS_OK)
                me->gap = true;
            me->gap = me->gap || at[p].gap;
        }
    }
    subject->ops->close(st);
    return NULL;
}

static void
run_writers(world *w, bool same_partition)
{
    writer    writers[WRITERS];
    watcher   watch = {.w = w};
    pthread_t threads[WRITERS], watch_thread;
    int       written[PARTITIONS] = {0};

    memset(writers, 0, sizeof(writers));
    assert_int_equal(pthread_create(&watch_thread, NULL, run_watcher, &watch), 0);
    for (int i = 0; i < WRITERS; i++) {
        writers[i].w = w;
        writers[i].number = i;
        writers[i].same_partition = same_partition;
        assert_int_equal(pthread_create(&threads[i], NULL, run_writer, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    atomic_store(&watch.stop, true);
    assert_int_equal(pthread_join(watch_thread, NULL), 0);
    for (int i = 0; i < WRITERS; i++) {
        if (writers[i].failure[0] != '\0')
            fail_msg("writer %d: %s", i, writers[i].failure);
        written[same_partition ? 0 : i] += writers[i].written;
    }
    assert_false(watch.gap);
    for (int p = 0; p < PARTITIONS; p++)
        assert_gapless(w, p, written[p]);
}

static void
test_writers_of_one_partition_at_once(void **state)
{
    run_writers(*state, true);
}

static void
test_writers_of_several_partitions_at_once(void **state)
{
    run_writers(*state, false);
}

int
conformance_run(const char *name, const conformance_subject *under_test)
{
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, make_world, end_world)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_domain_is_made_once_with_its_partitions),
        STORE_TEST(test_a_domain_is_made_by_several_at_once),
        STORE_TEST(test_a_lease_is_held_until_it_runs_out),
        STORE_TEST(test_a_lease_is_stolen_and_taken_again_by_its_owner),
        STORE_TEST(test_renewing_tells_what_was_lost),
        STORE_TEST(test_a_lease_given_back_is_free_at_once),
        STORE_TEST(test_a_lease_tells_head_and_time),
        STORE_TEST(test_an_append_renews_its_leases),
        STORE_TEST(test_an_event_comes_back_as_it_was),
        STORE_TEST(test_a_batch_spans_partitions),
        STORE_TEST(test_a_fenced_partition_is_named_and_nothing_written),
        STORE_TEST(test_repeats_are_named_before_anything_else),
        STORE_TEST(test_a_moved_stream_and_an_unnamed_command_are_conflicts),
        STORE_TEST(test_batches_of_every_size),
        STORE_TEST(test_a_very_large_batch_fails_whole_like_a_small_one),
        STORE_TEST(test_a_claim_is_held_by_one_stream),
        STORE_TEST(test_a_claim_is_released_by_its_holder_only),
        STORE_TEST(test_a_claim_changes_hands_within_a_batch),
        STORE_TEST(test_timers_come_due_earliest_first),
        STORE_TEST(test_timers_are_replaced_cancelled_and_fired),
        STORE_TEST(test_a_fenced_owner_deletes_no_timer),
        STORE_TEST(test_find_gives_the_events_of_commands),
        STORE_TEST(test_find_tells_a_stale_owner_nothing),
        STORE_TEST(test_load_gives_streams_in_version_order),
        STORE_TEST(test_load_after_leaves_out_what_is_known),
        STORE_TEST(test_a_snapshot_is_replaced_and_never_ahead_of_the_log),
        STORE_TEST(test_snapshots_are_scanned_in_order),
        STORE_TEST(test_read_pages_through_a_partition),
        STORE_TEST(test_archived_events_are_read_like_others),
        STORE_TEST(test_archived_commands_and_versions_stay_known),
        STORE_TEST(test_archived_events_are_known_to_timers_snapshots_and_leases),
        STORE_TEST(test_archives_are_listed_and_bounded),
        STORE_TEST(test_a_checkpoint_is_taken_moved_and_fenced),
        STORE_TEST(test_a_checkpoint_given_back_is_free_at_once),
        STORE_TEST(test_a_reader_that_is_gone_leaves_nothing),
        STORE_TEST(test_checkpoints_are_listed),
        STORE_TEST(test_members_come_stay_and_go),
        STORE_TEST(test_parking_commits_with_its_checkpoint),
        STORE_TEST(test_what_an_operator_asks_for_is_done_once),
        STORE_TEST(test_streams_are_parked_without_a_checkpoint),
        STORE_TEST(test_rows_are_written_read_and_removed),
        STORE_TEST(test_an_effect_fails_whole),
        STORE_TEST(test_effects_that_hang_together_commit_together),
        STORE_TEST(test_a_scan_visits_every_row_in_order),
        STORE_TEST(test_a_view_is_made_by_several_at_once),
        STORE_TEST(test_a_table_is_built_beside_the_one_that_is_read),
        STORE_TEST(test_one_builder_at_a_time),
        STORE_TEST(test_tables_that_nobody_uses_are_dropped),
        STORE_TEST(test_writers_of_one_partition_at_once),
        STORE_TEST(test_writers_of_several_partitions_at_once),
    };

    subject = under_test;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
