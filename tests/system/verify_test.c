/* verify_test.c - `shina verify` on a sound log, and on one where each rule in turn was broken.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/fold.h"
#include "bus/runtime/snapshot.h"
#include "bus/runtime/verify_internal.h"
#include "bus/store/view_table.h"
#include "tests/support/postgres.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PARTITIONS 4
#define STREAMS 10 /* of three events each */
#define OPS bus_store_postgres

/* --- a domain with one event and two views --------------------------------- */

struct counted {
    int64_t n;
};

static const bus_shape int_shape = {
    .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = -1000, .maximum = 1000000};
static const bus_field n_field = {
    .name = "n", .shape = &int_shape, .offset = 0, .has_offset = BUS_NO_OFFSET, .required = true};
static const bus_shape counted_shape = {
    .kind = BUS_KIND_OBJECT, .size = sizeof(struct counted), .fields = &n_field, .fields_count = 1};

extern const bus_contract           things_contract;
extern const bus_aggregate_contract things_thing;

static const bus_message        counted_event = {.type = "things.counted.v1",
                                                 .name = "counted",
                                                 .aggregate = &things_thing,
                                                 .shape = &counted_shape,
                                                 .version = 1};
static const bus_message *const events[] = {&counted_event};
const bus_aggregate_contract    things_thing = {.name = "thing",
                                                .contract = &things_contract,
                                                .events = events,
                                                .events_count = 1,
                                                .event_size = 16,
                                                .event_data_offset = 8};
static const bus_column         columns[] = {{.name = "n", .field = &n_field, .sort = true}};
static const bus_view_contract  sums_contract = {.name = "sums",
                                                 .contract = &things_contract,
                                                 .of = &things_thing,
                                                 .row = &counted_shape,
                                                 .columns = columns,
                                                 .columns_count = 1,
                                                 .follows = events,
                                                 .follows_count = 1,
                                                 .hash = 1};
static const bus_view_contract  totals_contract = {.name = "totals",
                                                   .contract = &things_contract,
                                                   .row = &counted_shape,
                                                   .columns = columns,
                                                   .columns_count = 1,
                                                   .follows = events,
                                                   .follows_count = 1,
                                                   .hash = 2};
static const bus_aggregate_contract *const aggregates[] = {&things_thing};
static const bus_view_contract *const      view_contracts[] = {&sums_contract, &totals_contract};
const bus_contract                         things_contract = {.module = "things",
                                                              .aggregates = aggregates,
                                                              .aggregates_count = 1,
                                                              .views = view_contracts,
                                                              .views_count = 2};

static void
project(void *row, const bus_event *event, bus_projection *out)
{
    struct counted       *r = row;
    const struct counted *e = event->data;

    (void)out;
    BUS_INVARIANT(e->n != 13);
    r->n += e->n;
}

/* All things of a parity count together. */
static void
keys(const bus_event *event, bus_projection *out)
{
    bus_row_key(out, (bus_id){{event->stream.bytes[15] & 1u, 77}});
}

/* A state with bytes between its members that nobody sets. */
struct thing {
    char    last;
    int64_t n;
};

static __attribute__((noinline)) void
add_to(struct thing *t, int64_t before, int64_t n)
{
    t->last = (char)('a' + n % 26);
    t->n = before + n;
}

/* Built on the stack and copied whole: what the stack held comes along. */
static void
apply(void *state, const void *event)
{
    struct thing         *s = state;
    const struct counted *e = (const void *)((const char *)event + 8);
    struct thing          next;

    add_to(&next, s->n, e->n);
    memcpy(s, &next, sizeof(next));
}

static bus_verdict
decide(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    (void)state;
    (void)command;
    (void)meta;
    return bus_accept(out);
}

static const bus_aggregate     things[] = {{.of = &things_thing,
                                            .snapshot_version = 1,
                                            .state_size = sizeof(struct thing),
                                            .decide = decide,
                                            .apply = apply}};
static const bus_module        things_module = BUS_MODULE(things, things);
static const bus_module *const modules[] = {&things_module};

static const bus_view sums = {.of = &sums_contract, .view_version = 1, .project = project};
static const bus_view totals = {
    .of = &totals_contract, .view_version = 1, .project = project, .keys = keys};
static const bus_view *const     views[] = {&sums, &totals};
static const bus_contract *const contracts[] = {&things_contract};

/* --- a database with such a log and its views ------------------------------- */

static tests_postgres *server;
static int             databases;

typedef struct {
    char          *url;
    bus_store     *st;
    bus_lease      leases[PARTITIONS];
    bus_checkpoint places[2][PARTITIONS];
    bus_arena      arena;
    bus_fold       folds[2];
    bus_error      err;
} world;

#define ok(w, call)                                                                    \
    do {                                                                               \
        if ((call) != BUS_OK)                                                          \
            fail_msg("%s: %s %s", #call, bus_code_name((w)->err.code), (w)->err.text); \
    } while (0)

static bus_id
stream_numbered(int number)
{
    return bus_id_v5(BUS_ID_NIL, &number, sizeof(number));
}

static void
append_event(world *w, int number, int32_t version, int n)
{
    bus_id               stream = stream_numbered(number);
    int                  p = bus_id_partition(stream, PARTITIONS);
    bus_append_partition part = {.partition = (uint16_t)p, .epoch = w->leases[p].epoch};
    bus_record           record = {.partition = (uint16_t)p,
                                   .stream = stream,
                                   .aggregate = BUS_STR("thing"),
                                   .version = version,
                                   .tenant = {{1}},
                                   .type = BUS_STR("things.counted.v1"),
                                   .command_id = bus_id_v5(stream, &version, sizeof(version)),
                                   .actor = BUS_STR("{\"id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
                                                              "\"roles\":[\"ADMIN\"],\"grants\":[]}"),
                                   .at_ms = 1764000000000 + version * 1000,
                                   .data = bus_arena_printf(&w->arena, "{\"n\":%d}", n)};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = &record, .events_count = 1};

    record.at_ms = 1764000000000; /* the same for all: it does not go back */
    ok(w, OPS.append(w->st, "things", &batch, &w->err));
}

static bus_code
fold_record(void *context, const bus_record *record, bus_error *err)
{
    world     *w = context;
    bus_record kept = *record;
    bus_event  event;
    bus_code   rc;

    kept.data = bus_arena_copy(&w->arena, record->data.at, record->data.len);
    rc = bus_event_of_record(contracts, 1, &kept, NULL, &w->arena, &event, err);
    for (int i = 0; rc == BUS_OK && i < 2; i++) {
        w->folds[i].view = views[i];
        w->folds[i].arena = &w->arena;
        rc = bus_fold_touch(&w->folds[i], &event, err);
        for (bus_row *row = w->folds[i].rows; row != NULL; row = row->hh.next)
            row->loaded = true;
        if (rc == BUS_OK)
            rc = bus_fold_event(&w->folds[i], &event, err);
        w->places[i][record->partition].offset = record->offset;
    }
    return rc;
}

static int
by_key(const void *a, const void *b)
{
    return bus_id_compare(((const bus_row_write *)a)->id, ((const bus_row_write *)b)->id);
}

static void
write_view(world *w, int i)
{
    char           table[BUS_VIEW_TABLE_BYTES], reader[BUS_VIEW_TABLE_BYTES + 8];
    bus_row_write  rows[64];
    bus_effect     effect = {.home = "things",
                             .reader = reader,
                             .domain = "things",
                             .checkpoints = w->places[i],
                             .checkpoints_count = PARTITIONS,
                             .rows = rows};
    bus_checkpoint taken[PARTITIONS];

    bus_view_table_name(views[i]->of, 1, table);
    (void)snprintf(reader, sizeof(reader), "view.%s", table);
    ok(w, OPS.view_create(w->st, views[i]->of, 1, &w->err));
    ok(w, OPS.checkpoint_take(w->st, "things", reader, "things", "test", true, taken, PARTITIONS,
                              &w->err));
    for (int p = 0; p < PARTITIONS; p++) {
        w->places[i][p].partition = (uint16_t)p;
        w->places[i][p].epoch = taken[p].epoch;
    }
    for (const bus_row *row = w->folds[i].rows; row != NULL; row = row->hh.next)
        rows[effect.rows_count++] = bus_row_write_of(&w->folds[i], row);
    qsort(rows, (size_t)effect.rows_count, sizeof(*rows), by_key);
    ok(w, OPS.effect(w->st, &effect, &w->err));
}

static int
make_world(void **state)
{
    world            *w = calloc(1, sizeof(*w));
    char              name[32];
    bus_store_options options = {0};

    assert_non_null(w);
    (void)snprintf(name, sizeof(name), "verify_%d_%d", (int)getpid(), databases++);
    w->url = tests_postgres_database(server, name);
    options.url = w->url;
    ok(w, OPS.open(&w->st, &options, &w->err));
    ok(w, OPS.create_domain(w->st, "things", PARTITIONS, &w->err));
    for (int p = 0; p < PARTITIONS; p++)
        w->leases[p].partition = (uint16_t)p;
    ok(w, OPS.lease_take(w->st, "things", "test", false, w->leases, PARTITIONS, &w->err));
    for (int version = 1; version <= 3; version++) {
        for (int number = 0; number < STREAMS; number++)
            append_event(w, number, version, number * 100 + version);
    }
    for (int p = 0; p < PARTITIONS; p++)
        ok(w, OPS.read(w->st, "things", (uint16_t)p, 0, 1000, fold_record, w, &w->err));
    write_view(w, 0);
    write_view(w, 1);
    *state = w;
    return 0;
}

static int
end_world(void **state)
{
    world *w = *state;

    OPS.close(w->st);
    for (int i = 0; i < 2; i++)
        HASH_CLEAR(hh, w->folds[i].rows);
    bus_arena_fini(&w->arena);
    free(w->url);
    free(w);
    return 0;
}

static void
tamper(world *w, const char *sql)
{
    PGconn   *conn = PQconnectdb(w->url);
    PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) != PGRES_COMMAND_OK || strcmp(PQcmdTuples(res), "0") == 0)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(res);
    PQfinish(conn);
}

/* --- verifying ---------------------------------------------------------------- */

typedef struct {
    int              count[BUS_VERIFY_VIEW + 1];
    bus_verify_fault last;
} findings;

static void
note(void *context, const bus_verify_fault *fault)
{
    findings *f = context;

    f->count[fault->check]++;
    f->last = *fault;
}

static findings
look(world *w, bus_verify_counts *counts)
{
    bus_runtime_options options = {.store = &OPS,
                                   .store_options = {.url = w->url},
                                   .partitions = PARTITIONS,
                                   .modules = modules,
                                   .modules_count = 1};
    findings            f = {0};

    ok(w, bus_verify(&options, contracts, 1, views, 2, note, &f, counts, &w->err));
    return f;
}

/* Exactly so many faults, all of one kind. */
static findings
assert_found(world *w, bus_verify_check check, int count)
{
    bus_verify_counts counts;
    findings          f = look(w, &counts);

    if (counts.faults != count || f.count[check] != count)
        fail_msg("%d faults, %d of them %s, last %s: %s", (int)counts.faults, f.count[check],
                 bus_verify_check_name(check), bus_verify_check_name(f.last.check), f.last.text);
    return f;
}

static void
test_a_sound_log_has_no_faults(void **state)
{
    bus_verify_counts counts;
    findings          f = look(*state, &counts);

    if (counts.faults != 0)
        fail_msg("%s: %s", bus_verify_check_name(f.last.check), f.last.text);
    assert_int_equal(counts.events, STREAMS * 3);
    assert_int_equal(counts.streams, STREAMS);
    assert_int_equal(counts.commands, STREAMS * 3);
    assert_int_equal(counts.rows, STREAMS + 2);
    assert_int_equal(counts.checkpoints, 2 * PARTITIONS);
    assert_int_equal(counts.unsure, 0);
    assert_int_equal(counts.passes, 1);
}

static void
test_a_view_that_is_behind_is_no_fault(void **state)
{
    append_event(*state, 0, 4, 5);
    (void)assert_found(*state, BUS_VERIFY_VIEW, 0);
}

static void
test_a_gap_and_a_wrong_head(void **state)
{
    tamper(*state, "update things.partitions set head = head + 1 where partition = 0");
    (void)assert_found(*state, BUS_VERIFY_OFFSET, 1);
    tamper(*state, "update things.events set \"offset\" = (select head from things.partitions"
                   " where partition = 0) where partition = 0 and \"offset\" = (select head - 1"
                   " from things.partitions where partition = 0)");
    assert_int_equal(look(*state, &(bus_verify_counts){0}).count[BUS_VERIFY_OFFSET], 1);
}

static void
test_epochs_and_times(void **state)
{
    findings f;

    tamper(*state, "update things.events set epoch = 9 where partition = 0 and \"offset\" = 1");
    f = look(*state, &(bus_verify_counts){0});
    assert_int_equal(f.count[BUS_VERIFY_EPOCH], 2); /* above the partition's, and it goes back */
    tamper(*state, "update things.events set epoch = 1 where partition = 0 and \"offset\" = 1");
    tamper(*state, "update things.events set at = at - interval '1 ms' where partition = 0 and"
                   " \"offset\" = 2");
    (void)assert_found(*state, BUS_VERIFY_TIME, 1);
}

static void
test_versions_tenants_and_commands(void **state)
{
    char sql[256], id[BUS_ID_TEXT_BYTES];

    (void)bus_id_format(stream_numbered(3), id);
    (void)snprintf(sql, sizeof(sql),
                   "update things.events set tenant = '%s' where stream = '%s' and version = 2", id,
                   id);
    tamper(*state, sql);
    assert_true(look(*state, &(bus_verify_counts){0}).count[BUS_VERIFY_STREAM] >= 1);
    tamper(*state, "update things.events set tenant = '01000000-0000-0000-0000-000000000000'");
    (void)snprintf(sql, sizeof(sql),
                   "update things.events set nth = 1 where stream = '%s' and version = 2", id);
    tamper(*state, sql);
    (void)assert_found(*state, BUS_VERIFY_COMMAND, 1);
    tamper(*state, "update things.events set nth = 0");
    tamper(*state, "drop index things.events_command; update things.events set command_id ="
                   " '01000000-0000-0000-0000-000000000000' where version = 1");
    (void)assert_found(*state, BUS_VERIFY_COMMAND, STREAMS - 1);
}

static void
test_a_version_that_is_missing(void **state)
{
    char sql[256], id[BUS_ID_TEXT_BYTES];

    (void)snprintf(sql, sizeof(sql),
                   "update things.events set version = 5 where stream = '%s' and version = 3",
                   bus_id_format(stream_numbered(1), id));
    tamper(*state, sql);
    assert_int_equal(look(*state, &(bus_verify_counts){0}).count[BUS_VERIFY_STREAM], 1);
}

static void
test_a_stream_in_a_strange_partition(void **state)
{
    tamper(*state, "update things.events set stream = 'ffffffff-0000-0000-0000-000000000001'"
                   " where partition = 1 and version = 1 and \"offset\" = 1");
    assert_true(look(*state, &(bus_verify_counts){0}).count[BUS_VERIFY_STREAM] >= 1);
    assert_int_equal(
        bus_id_partition((bus_id){{255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
                         PARTITIONS) != 1,
        look(*state, &(bus_verify_counts){0}).count[BUS_VERIFY_PARTITION]);
}

static void
test_events_outside_their_contract(void **state)
{
    world *w = *state;

    append_event(w, 20, 1, 2000000); /* over the maximum, and past the checkpoints */
    (void)assert_found(w, BUS_VERIFY_CONTRACT, 1);
    tamper(w, "update things.events set type = 'things.unheard_of.v1' where version = 1 and"
              " data::text = '{\"n\":2000000}'");
    (void)assert_found(w, BUS_VERIFY_CONTRACT, 1);
    tamper(w, "update things.events set type = 'things.command_refused.v1' where version = 1 and"
              " data::text = '{\"n\":2000000}'");
    (void)assert_found(w, BUS_VERIFY_CONTRACT, 0);
}

static void
test_rows_that_differ_are_missing_or_too_many(void **state)
{
    world   *w = *state;
    char     table[BUS_VIEW_TABLE_BYTES], sql[256], id[BUS_ID_TEXT_BYTES];
    findings f;

    bus_view_table_name(&sums_contract, 1, table);
    (void)bus_id_format(stream_numbered(4), id);
    (void)snprintf(
        sql, sizeof(sql),
        "update views.\"%s\" set body = replace(body, '\"n\"', '\"n\" ') where id = '%s'", table,
        id);
    tamper(w, sql);
    f = assert_found(w, BUS_VERIFY_VIEW, 1);
    assert_string_equal(f.last.view, "sums");
    assert_true(bus_id_equal(f.last.stream, stream_numbered(4)));
    (void)snprintf(sql, sizeof(sql), "delete from views.\"%s\" where id = '%s'", table, id);
    tamper(w, sql);
    f = assert_found(w, BUS_VERIFY_VIEW, 1);
    assert_non_null(strstr(f.last.text, "missing"));
    (void)snprintf(sql, sizeof(sql),
                   "insert into views.\"%s\" (tenant, id, version, body) select tenant, tenant, 1,"
                   " '{}' from views.\"%s\" limit 1",
                   table, table);
    tamper(w, sql);
    (void)assert_found(w, BUS_VERIFY_VIEW, 2);
}

static void
test_a_keyed_view_is_compared_too(void **state)
{
    char table[BUS_VIEW_TABLE_BYTES], sql[256];

    bus_view_table_name(&totals_contract, 1, table);
    (void)snprintf(sql, sizeof(sql), "update views.\"%s\" set version = version + 1", table);
    tamper(*state, sql);
    assert_string_equal(assert_found(*state, BUS_VERIFY_VIEW, 2).last.view, "totals");
}

static void
test_checkpoints_parkings_and_domains(void **state)
{
    world            *w = *state;
    findings          f;
    bus_verify_counts counts;

    tamper(w,
           "insert into things.parked values ('sends', 'things', gen_random_uuid(), 0, 1, 'no')");
    (void)assert_found(w, BUS_VERIFY_PARKED, 1);
    tamper(w, "delete from things.parked");
    tamper(w, "insert into things.checkpoints (reader, domain, partition, \"offset\") values"
              " ('sends', 'things', 0, 1000)");
    (void)assert_found(w, BUS_VERIFY_CHECKPOINT, 1);
    tamper(w, "delete from things.checkpoints where reader = 'sends'");
    tamper(w, "insert into things.checkpoints (reader, domain, partition, \"offset\") values"
              " ('replay 018f', 'things', 0, 1795420800000)"); /* a time, and no place in the log */
    assert_int_equal(look(w, &counts).count[BUS_VERIFY_CHECKPOINT], 0);
    tamper(w, "delete from things.partitions where partition = 3");
    f = look(w, &counts);
    assert_int_equal(f.count[BUS_VERIFY_DOMAIN], 1);
}

/* A fold that breaks is left out by the projector; not parked, it is a fault. */
static void
test_an_event_that_cannot_be_folded(void **state)
{
    world *w = *state;
    char   sql[512], table[BUS_VIEW_TABLE_BYTES], other[BUS_VIEW_TABLE_BYTES];
    char   id[BUS_ID_TEXT_BYTES];

    append_event(w, 0, 4, 13);
    tamper(w, "update things.checkpoints c set \"offset\" = p.head from things.partitions p where"
              " p.partition = c.partition");
    assert_int_equal(look(w, &(bus_verify_counts){0}).count[BUS_VERIFY_VIEW], 2);
    bus_view_table_name(&sums_contract, 1, table);
    bus_view_table_name(&totals_contract, 1, other);
    (void)snprintf(sql, sizeof(sql),
                   "insert into things.parked select r, 'things', stream, partition, \"offset\","
                   " 'cannot' from things.events, unnest(array['view.%s', 'view.%s']) r"
                   " where stream = '%s' and version = 4",
                   table, other, bus_id_format(stream_numbered(0), id));
    tamper(w, sql);
    (void)assert_found(w, BUS_VERIFY_PARKED, 2);
}

/* Keeps a state of stream 0 as of a version; skew: what is wrong with it. */
static void
keep_snapshot(world *w, int32_t version, int64_t skew)
{
    bus_snapshot_form form = bus_snapshot_form_of(&things[0]);
    bus_id            stream = stream_numbered(0);
    int               p = bus_id_partition(stream, PARTITIONS);
    struct thing      state;
    bus_buf           bytes = {0};
    bus_snapshot      s = {.stream = stream,
                           .tenant = {{1}},
                           .partition = (uint16_t)p,
                           .epoch = w->leases[p].epoch,
                           .aggregate = BUS_STR("thing"),
                           .version = version,
                           .snapshot_version = 1};

    memset(&state, 0x77, sizeof(state)); /* between the members, as another stack would have it */
    add_to(&state, (int64_t)version * (version - 1) / 2 + skew, version);
    ok(w, bus_snapshot_seal(&form, s.tenant, stream, version, &state, NULL, NULL, &bytes, &w->err));
    s.state = bus_buf_str(&bytes);
    ok(w, OPS.snapshots_write(w->st, "things", &s, 1, &w->err));
    bus_buf_fini(&bytes);
}

static void
test_a_snapshot_is_what_its_events_make(void **state)
{
    world            *w = *state;
    bus_verify_counts counts;

    keep_snapshot(w, 2, 0);
    (void)look(w, &counts);
    assert_int_equal(counts.faults, 0);
    assert_int_equal(counts.snapshots, 1);
    keep_snapshot(w, 3, 1);
    (void)assert_found(w, BUS_VERIFY_SNAPSHOT, 1);
    keep_snapshot(w, 3, 0);
    (void)assert_found(w, BUS_VERIFY_SNAPSHOT, 0);
    tamper(w, "update things.snapshots set version = 4"); /* its checksum knows better */
    (void)assert_found(w, BUS_VERIFY_SNAPSHOT, 1);
    tamper(w, "update things.snapshots set snapshot_version = 2"); /* of another shape: no fault */
    (void)assert_found(w, BUS_VERIFY_SNAPSHOT, 0);
}

static void
test_many_passes_find_what_one_finds(void **state)
{
    bus_verify_counts counts;
    char              table[BUS_VIEW_TABLE_BYTES], sql[256];

    verify_set_limits(4, 1); /* a few events each, and the folds made tight after every page */
    (void)look(*state, &counts);
    assert_int_equal(counts.faults, 0);
    assert_int_equal(counts.passes, 1 + STREAMS * 3 / 4);
    assert_int_equal(counts.events, STREAMS * 3);
    assert_int_equal(counts.streams, STREAMS);
    assert_int_equal(counts.commands, STREAMS * 3);
    assert_int_equal(counts.rows, STREAMS + 2);
    bus_view_table_name(&sums_contract, 1, table);
    (void)snprintf(sql, sizeof(sql), "update views.\"%s\" set version = 7", table);
    tamper(*state, sql);
    (void)assert_found(*state, BUS_VERIFY_VIEW, STREAMS);
    verify_set_limits(1000000, 64u << 20);
}

int
main(void)
{
#define VERIFY_TEST(f) cmocka_unit_test_setup_teardown(f, make_world, end_world)
    const struct CMUnitTest tests[] = {
        VERIFY_TEST(test_a_sound_log_has_no_faults),
        VERIFY_TEST(test_a_view_that_is_behind_is_no_fault),
        VERIFY_TEST(test_a_gap_and_a_wrong_head),
        VERIFY_TEST(test_epochs_and_times),
        VERIFY_TEST(test_versions_tenants_and_commands),
        VERIFY_TEST(test_a_version_that_is_missing),
        VERIFY_TEST(test_a_stream_in_a_strange_partition),
        VERIFY_TEST(test_events_outside_their_contract),
        VERIFY_TEST(test_rows_that_differ_are_missing_or_too_many),
        VERIFY_TEST(test_a_keyed_view_is_compared_too),
        VERIFY_TEST(test_checkpoints_parkings_and_domains),
        VERIFY_TEST(test_an_event_that_cannot_be_folded),
        VERIFY_TEST(test_a_snapshot_is_what_its_events_make),
        VERIFY_TEST(test_many_passes_find_what_one_finds),
    };
    int failed;

    server = tests_postgres_start(false);
    failed = cmocka_run_group_tests_name("verify", tests, NULL, NULL);
    tests_postgres_stop(server);
    return failed;
}
