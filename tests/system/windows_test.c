/* windows_test.c - analytics over a real log in PostgreSQL, filled by a projector that is killed
 * again and again while events come in: every window is what one query in plain SQL over the log
 * says, each late event is listed and counted once, and a second set of tables, filled from zero
 * without any trouble, has the same bytes.
 *
 * The log is appended by the store itself, so that its time (`at`) can go ahead by hours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/envelope.h"
#include "bus/runtime/runtime.h"
#include "bus/store/view_table.h"
#include "contracts/deliveries.h"
#include "contracts/trips.h"
#include "tests/support/dice.h"
#include "tests/support/postgres.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PARTITIONS 8
#define STREAMS 1500 /* deliveries, each with two attempts */
#define STEPS 6      /* events of each: started, arrived, failed; started, arrived, cancelled */
#define BATCH 64
#define KILLS 50
#define WAIT_MS 60000
#define DOMAIN "deliveries"

extern const bus_view delivery_on_time_hours_projection, delivery_on_time_hours_late_projection;
extern const bus_view delivery_on_time_days_projection, delivery_on_time_days_late_projection;

static tests_postgres *pg;
static PGconn         *conn;
static bus_store      *st;
static bus_lease       leases[PARTITIONS];
static bus_arena       arena;
static int             steps_of[STREAMS];
static bus_id          stream_of[STREAMS];
static int64_t         at_ms = INT64_C(1795400000000);
static uint64_t        dice = TESTS_DICE;

static uint64_t
roll(uint64_t n)
{
    return tests_roll(&dice, n);
}

static void
ok(bus_code rc, const bus_error *err)
{
    if (rc != BUS_OK)
        fail_msg("%s: %s", bus_code_name(rc), err->text);
}

/* --- the log ------------------------------------------------------------------- */

/* When it happened: mostly within the hour, some within a day, some days ago, a little ahead. */
static int64_t
happened_ms(void)
{
    switch (roll(12)) {
    case 0:
    case 1: return at_ms - (int64_t)roll(26 * 3600000);
    case 2: return at_ms - (int64_t)roll(72 * 3600000);
    case 3: return at_ms + (int64_t)roll(600000);
    default: return at_ms - (int64_t)roll(3600000);
    }
}

static bus_str
data_of(int step, int nth)
{
    int64_t     when = happened_ms();
    const char *customer = "00000000-0000-4000-8000-0000000000a";
    int32_t     year, month, date;

    if (step % 3 == 0)
        return bus_arena_printf(&arena,
                                "{\"attempt\":%d,\"driver_id\":\"00000000-0000-4000-8000-"
                                "0000000000d%d\",\"started_at\":%lld}",
                                1 + step / 3, (int)roll(5), (long long)when);
    bus_civil_from_days(bus_day_of(when, 180), &year, &month, &date);
    if (step % 3 == 1)
        return bus_arena_printf(
            &arena,
            "{\"attempt\":%d,\"late_s\":%d,\"customer_id\":\"%s%d\",\"kind\":\"FBS_TO_WB\",\"day\":"
            "\"%04d-%02d-%02d\",\"arrived_at\":%lld,\"utc_offset_min\":180}",
            1 + step / 3, (int)roll(7200) - 5000, customer, nth % 4, (int)year, (int)month,
            (int)date, (long long)when);
    if (step == 2)
        return bus_arena_printf(&arena,
                                "{\"attempt\":1,\"customer_id\":\"%s%d\",\"kind\":\"FBS_TO_WB\","
                                "\"day\":\"%04d-%02d-%02d\",\"reason\":\"REFUSED\",\"failed_at\":"
                                "%lld}",
                                customer, nth % 4, (int)year, (int)month, (int)date,
                                (long long)when);
    return bus_arena_printf(&arena, "{\"reason\":\"none\",\"cancelled_at\":%lld}", (long long)when);
}

static bus_record
next_record(int nth)
{
    static const char *const types[STEPS] = {"deliveries.started.v1", "deliveries.arrived.v1",
                                             "deliveries.failed.v1",  "deliveries.started.v1",
                                             "deliveries.arrived.v1", "deliveries.cancelled.v1"};
    int                      step = steps_of[nth]++;

    return (bus_record){.partition = (uint16_t)bus_id_partition(stream_of[nth], PARTITIONS),
                        .stream = stream_of[nth],
                        .aggregate = BUS_STR("delivery"),
                        .version = step + 1,
                        .tenant = {{0x11, (uint8_t)(nth % 2)}},
                        .type = bus_str_of(types[step]),
                        .command_id = bus_new_v7(bus_clock_system()),
                        .correlation_id = bus_new_v7(bus_clock_system()),
                        .actor = BUS_STR("{\"id\":\"00000000-0000-4000-8000-000000000001\","
                                         "\"roles\":[\"ADMIN\"]}"),
                        .at_ms = at_ms,
                        .data = data_of(step, nth)};
}

static int
by_partition(const void *a, const void *b)
{
    const bus_record *x = a, *y = b;

    return x->partition != y->partition ? x->partition - y->partition
                                        : memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

/* False: every stream is at its end. */
static bool
append_some(void)
{
    bus_record           records[BATCH];
    bus_command_id       commands[BATCH];
    bus_append_partition parts[PARTITIONS];
    bus_append           batch = {.events = records, .partitions = parts, .commands = commands};
    bus_error            err = {0};
    int                  from = (int)roll(STREAMS);

    bus_arena_reset(&arena);
    at_ms += (int64_t)roll(240000) + (roll(60) == 0 ? 5 * 3600000 : 0);
    for (int i = 0; i < STREAMS && batch.events_count < BATCH; i++) {
        int nth = (from + i) % STREAMS;

        if (steps_of[nth] < STEPS)
            records[batch.events_count++] = next_record(nth);
    }
    for (int i = 0; i < batch.events_count; i++)
        records[i].digest = i;
    qsort(records, (size_t)batch.events_count, sizeof(*records), by_partition);
    for (int i = 0; i < batch.events_count; i++) {
        commands[batch.commands_count++] = (bus_command_id){.id = records[i].command_id};
        if (i == 0 || records[i].partition != records[i - 1].partition)
            parts[batch.partitions_count++] = (bus_append_partition){
                .partition = records[i].partition, .epoch = leases[records[i].partition].epoch};
    }
    if (batch.events_count > 0)
        ok(bus_store_postgres.append(st, DOMAIN, &batch, &err), &err);
    return batch.events_count > 0;
}

/* --- the projector, in a process of its own ------------------------------------- */

static void
run_projector(int version)
{
    static const bus_contract *const contracts[] = {&deliveries_contract, &trips_contract};
    bus_view views[4] = {delivery_on_time_hours_projection, delivery_on_time_hours_late_projection,
                         delivery_on_time_days_projection, delivery_on_time_days_late_projection};
    const bus_view       *list[4] = {&views[0], &views[1], &views[2], &views[3]};
    bus_runtime_options   options = {.store = &bus_store_postgres,
                                     .store_options = {.url = tests_postgres_url(pg)},
                                     .transport_ops = &bus_transport_inproc,
                                     .clock = bus_clock_system(),
                                     .contracts = contracts,
                                     .contracts_count = 2,
                                     .partitions = PARTITIONS,
                                     .process = "windows_test",
                                     .sole = true};
    bus_transport_options transport = {.queue_max = 64, .batches_max = 64};
    bus_projector        *projector;
    bus_error             err = {0};

    for (int i = 0; i < 4; i++)
        views[i].view_version = version;
    if (bus_transport_inproc.open(&options.transport, &transport, &err) != BUS_OK ||
        bus_projector_start(&projector, &deliveries_contract, list, 4, &options, &err) != BUS_OK) {
        (void)fprintf(stderr, "the projector: %s\n", err.text);
        _exit(1);
    }
    for (;;)
        (void)pause();
}

static pid_t
start_projector(int version)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_projector(version);
    }
    return pid;
}

static void
kill_projector(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it had not ended by itself */
}

/* --- plain SQL ----------------------------------------------------------------- */

static int64_t
number_of(const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    int64_t   number;

    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        fail_msg("%s in %s", PQerrorMessage(conn), sql);
    number = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return number;
}

/* What one walk over the log says. W: the watermark before each arrival, by the definition in
 * ARCHITECTURE.md: gaps beyond idle move it on, and the greatest time so far less the bound. */
#define ORACLE                                                                                     \
    "with seen as (select partition, \"offset\", tenant, stream, version,"                         \
    "  (extract(epoch from at) * 1000)::bigint at, data->>'customer_id' customer,"                 \
    "  data->>'day' as day, (data->>'late_s')::bigint late_s, (data->>'arrived_at')::bigint t"     \
    "  from deliveries.events where type = 'deliveries.arrived.v1'),"                              \
    " gaps as (select *, greatest(0, at - lag(at, 1, at) over w - 3600000) idle from seen"         \
    "  window w as (partition by partition order by \"offset\")),"                                 \
    " sums as (select *, sum(idle) over (partition by partition order by \"offset\") idles"        \
    "  from gaps),"                                                                                \
    " marks as (select *, idles + max(least(t, at) - 3600000 - idles) over (partition by"          \
    "  partition order by \"offset\" rows between unbounded preceding and 1 preceding) judged,"    \
    "  idles + max(least(t, at) - 3600000 - idles) over (partition by partition"                   \
    "  order by \"offset\") reached, floor((t + 10800000) / %lld.0) * %lld - 10800000 from_at"     \
    "  from sums),"                                                                                \
    " judged as (select *, coalesce(judged >= from_at + %lld + 86400000, false) late from marks)," \
    " horizon as (select floor(min(reached + greatest(0, newest - at - 3600000)) / 60000) * 60000" \
    "  as h from (select distinct on (partition) reached, at from marks"                           \
    "  order by partition, \"offset\" desc) q, (select (extract(epoch from max(at)) * 1000)"       \
    "  newest from deliveries.events) n),"                                                         \
    " grouped as (select j.*, g.by, case when g.by = 'CUSTOMER' then customer end customer_id,"    \
    "  case when g.by = 'DRIVER' then (select data->>'driver_id' from deliveries.events s"         \
    "   where s.stream = j.stream and s.version < j.version and s.type = 'deliveries.started.v1'"  \
    "   order by s.version desc limit 1) end driver_id"                                            \
    "  from judged j, (values ('ALL'), ('CUSTOMER'), ('DRIVER')) g(by) where not late),"           \
    " expected as (select tenant, by, customer_id, driver_id, from_at, count(*) arrived,"          \
    "  count(*) filter (where late_s <= 0) on_time, sum(greatest(0, late_s)) late_s, min(day) as"  \
    "  day, from_at + %lld + 86400000 <= (select h from horizon) closed from grouped"              \
    "  group by 1, 2, 3, 4, 5)"
#define ORACLE_ARGUMENTS(size) \
    (long long)(size), (long long)(size), (long long)(size), (long long)(size)

static void
table_of(const bus_view_contract *of, int version, char out[BUS_VIEW_TABLE_BYTES])
{
    bus_view_table_name(of, version, out);
}

/* Windows that differ from what the query says, or are missing, or too many. */
static int64_t
differing_windows(const bus_view_contract *of, int version)
{
    char      table[BUS_VIEW_TABLE_BYTES], sql[8192];
    long long size = of->windows->size_ms;

    table_of(of, version, table);
    assert_true(
        snprintf(sql, sizeof(sql),
                 ORACLE
                 " select count(*) from (select tenant, by, customer_id, driver_id, from_at,"
                 " arrived, on_time, late_s, day, closed, on_time * 10000 / arrived bp,"
                 " from_at + %lld to_at, arrived n from expected) e full join (select tenant,"
                 " body::json->>'by' as by, body::json->>'customer_id' customer_id,"
                 " body::json->>'driver_id' driver_id, from_at,"
                 " (body::json->>'arrived')::bigint arrived,"
                 " (body::json->>'on_time')::bigint on_time,"
                 " (body::json->>'late_s')::bigint late_s, body::json->>'day' as day, closed,"
                 " on_time_bp bp, to_at, version n from views.\"%s\") a"
                 " on e.tenant = a.tenant and e.by = a.by and e.from_at = a.from_at"
                 " and e.customer_id is not distinct from a.customer_id"
                 " and e.driver_id is not distinct from a.driver_id"
                 " where (e.arrived, e.on_time, e.late_s, e.day, e.closed, e.bp, e.to_at,"
                 " e.n) is distinct from (a.arrived, a.on_time, a.late_s, a.day, a.closed,"
                 " a.bp, a.to_at, a.n)",
                 ORACLE_ARGUMENTS(size), size, table) < (int)sizeof(sql));
    return number_of(sql);
}

static int64_t
late_by_sql(const bus_view_contract *of)
{
    char sql[8192];

    assert_true(snprintf(sql, sizeof(sql), ORACLE " select count(*) from judged where late",
                         ORACLE_ARGUMENTS(of->windows->size_ms)) < (int)sizeof(sql));
    return number_of(sql);
}

static int64_t
closed_by_sql(const bus_view_contract *of)
{
    char sql[8192];

    assert_true(snprintf(sql, sizeof(sql), ORACLE " select h::bigint from horizon",
                         ORACLE_ARGUMENTS(of->windows->size_ms)) < (int)sizeof(sql));
    return number_of(sql);
}

static void
compare_late(const bus_view_contract *of, int version)
{
    char late[BUS_VIEW_TABLE_BYTES], clocks[BUS_VIEW_TABLE_BYTES], sql[8192];

    table_of(of->windows->late, version, late);
    table_of(of->windows->clocks, version, clocks);
    assert_true(snprintf(sql, sizeof(sql),
                         ORACLE " select count(*) from (select partition, \"offset\" from judged"
                                " where late) e full join (select (body::json->>'partition')::int"
                                " partition, (body::json->>'offset')::bigint \"offset\""
                                " from views.\"%s\") a using (partition, \"offset\")"
                                " where e is null or a is null",
                         ORACLE_ARGUMENTS(of->windows->size_ms), late) < (int)sizeof(sql));
    assert_int_equal(number_of(sql), 0);
    (void)snprintf(sql, sizeof(sql), "select sum((body::json->>'late')::bigint) from views.\"%s\"",
                   clocks);
    assert_int_equal(number_of(sql), late_by_sql(of));
}

/* Until everything is read and closed. */
static void
wait_until_settled(const bus_view_contract *of, int version)
{
    char table[BUS_VIEW_TABLE_BYTES], behind[512], closed[512];

    table_of(of->windows->clocks, version, table);
    (void)snprintf(behind, sizeof(behind),
                   "select count(*) from deliveries.partitions p where head <> coalesce((select"
                   " (body::json->>'offset')::bigint from views.\"%s\" where body::json->>'domain'"
                   " <> '' and (body::json->>'partition')::int = p.partition), 0)",
                   table);
    (void)snprintf(closed, sizeof(closed),
                   "select max((body::json->>'closed_to_at')::bigint) from views.\"%s\""
                   " where body::json->>'domain' = ''",
                   table);
    for (int ms = 0; ms < WAIT_MS; ms += 50) {
        char there[256];

        (void)snprintf(there, sizeof(there),
                       "select count(*) from views.registry where table_name = '%s' and live",
                       table);
        if (number_of(there) == 1 && number_of(behind) == 0 &&
            number_of(closed) == closed_by_sql(of))
            return;
        (void)usleep(50000);
    }
    fail_msg("%s is not settled: %lld partitions are behind, closed to %lld, not %lld", of->name,
             (long long)number_of(behind), (long long)number_of(closed),
             (long long)closed_by_sql(of));
}

/* Rows that are not the same in both sets of tables, but for their places in the feed. */
static int64_t
differing_bytes(const bus_view_contract *part)
{
    char one[BUS_VIEW_TABLE_BYTES], other[BUS_VIEW_TABLE_BYTES], sql[1024];

    table_of(part, 1, one);
    table_of(part, 2, other);
    (void)snprintf(sql, sizeof(sql),
                   "select count(*) from views.\"%s\" a full join views.\"%s\" b"
                   " using (tenant, id) where a.version is distinct from b.version or"
                   " regexp_replace(a.body, '\"change\":[0-9]+', '') is distinct from"
                   " regexp_replace(b.body, '\"change\":[0-9]+', '')",
                   one, other);
    return number_of(sql);
}

/* --- the story ----------------------------------------------------------------- */

static int
start(void **state)
{
    bus_store_options options;
    bus_error         err = {0};

    (void)state;
    pg = tests_postgres_start(false);
    options = (bus_store_options){.url = tests_postgres_url(pg)};
    conn = PQconnectdb(options.url);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    ok(bus_store_postgres.open(&st, &options, &err), &err);
    ok(bus_store_postgres.create_domain(st, DOMAIN, PARTITIONS, &err), &err);
    for (int p = 0; p < PARTITIONS; p++)
        leases[p].partition = (uint16_t)p;
    ok(bus_store_postgres.lease_take(st, DOMAIN, "the test", false, leases, PARTITIONS, &err),
       &err);
    for (int i = 0; i < STREAMS; i++)
        stream_of[i] = bus_new_v7(bus_clock_system());
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    bus_store_postgres.close(st);
    PQfinish(conn);
    tests_postgres_stop(pg);
    bus_arena_fini(&arena);
    return 0;
}

static void
test_windows_are_what_sql_says_whoever_dies(void **state)
{
    static const bus_view_contract *const analytics[] = {&delivery_on_time_hours_view,
                                                         &delivery_on_time_days_view};
    bool                                  more = true;
    int                                   kills = 0;

    (void)state;
    while (more || kills < KILLS) {
        pid_t   pid = start_projector(1);
        int64_t until_us = bus_mono_us(bus_clock_system()) + 20000 + (int64_t)roll(250000);

        while (bus_mono_us(bus_clock_system()) < until_us) {
            more = roll(3) == 0 ? append_some() : more;
            (void)usleep(3000);
        }
        kill_projector(pid);
        kills++;
    }
    print_message("%d kills, %lld events, %lld windows late of %lld\n", kills,
                  (long long)number_of("select count(*) from deliveries.events"),
                  (long long)late_by_sql(analytics[0]),
                  (long long)number_of("select count(*) from deliveries.events"
                                       " where type = 'deliveries.arrived.v1'"));
    assert_true(late_by_sql(analytics[0]) > 20); /* the log was worth it */
    for (int version = 1; version <= 2; version++) {
        pid_t pid = start_projector(version);

        for (int i = 0; i < 2; i++) {
            wait_until_settled(analytics[i], version);
            assert_int_equal(differing_windows(analytics[i], version), 0);
            compare_late(analytics[i], version);
        }
        kill_projector(pid);
    }
    assert_int_equal(number_of("select count(*) from deliveries.parked"), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(differing_bytes(analytics[i]), 0);
        assert_int_equal(differing_bytes(analytics[i]->windows->late), 0);
        assert_int_equal(differing_bytes(analytics[i]->windows->clocks), 0);
        assert_int_equal(differing_bytes(analytics[i]->windows->memory), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_are_what_sql_says_whoever_dies),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
