/* append_bench.c - how fast the log takes events, beside plain COPY into an equal table.
 *
 *   append_bench [seconds per line] [nosync]
 *   append_bench seconds one|ten|hot ASKS
 * A line of JSON per size of the batch. Both in one run, on one server with fsync on, as machines
 * differ from day to day: only the ratios count. With nosync, fsync is off: what is left is the
 * work of the CPU. The second form is for other event stores to be set beside: one line, of so many
 * asks that a writer carries out at once, each of one event for a new stream, of ten for a new
 * stream, or of one for always the same stream. SHINA_TEST_DATABASE_URL names another server than a
 * private one. SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/store.h"
#include "tests/support/postgres.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 8
#define BATCH_MAX 4096
#define DEFAULT_SECONDS 3

static const char data[] =
    "{\"odometer_m\":128400500,\"plate\":\"A123BC77\",\"driver_id\":"
    "\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\",\"visible_from_at\":\"2026-11-23T10:00:00.000Z\","
    "\"status\":\"AVAILABLE\",\"note\":\"a line of text as a dispatcher writes it\"}";
static const char actor[] =
    "{\"id\":\"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c\",\"roles\":[\"DISPATCHER\"],\"grants\":[],"
    "\"driver_id\":null}";

typedef struct {
    bus_store           *st;
    bus_lease            leases[PARTITIONS];
    bus_append_partition parts[PARTITIONS];
    bus_record           events[BATCH_MAX];
    bus_command_id       commands[BATCH_MAX];
} bench;

static bench b;

static void
check(bus_code rc, const bus_error *err)
{
    if (rc == BUS_OK)
        return;
    (void)fprintf(stderr, "append_bench: %s %s\n", bus_code_name(rc), err->text);
    exit(1);
}

static bus_record
new_event(int partition)
{
    const bus_clock *clock = bus_clock_system();
    bus_id           command = bus_new_v7(clock);

    return (bus_record){.partition = (uint16_t)partition,
                        .stream = command,
                        .aggregate = BUS_STR("vehicle"),
                        .version = 1,
                        .tenant = {{1, 2, 3}},
                        .type = BUS_STR("vehicles.odometer_recorded.v1"),
                        .command_id = command,
                        .digest = 4242,
                        .correlation_id = command,
                        .actor = BUS_STR(actor),
                        .at_ms = bus_now_ms(clock),
                        .data = BUS_STR(data)};
}

/* A batch over as many partitions as a writer would hold, at most one event less than rows. */
static void
append_batch(int rows)
{
    bus_append batch = {.partitions = b.parts,
                        .events = b.events,
                        .events_count = rows,
                        .commands = b.commands,
                        .commands_count = rows};
    int        partitions = rows < PARTITIONS ? rows : PARTITIONS;
    bus_error  err = {0};

    for (int i = 0; i < rows; i++) {
        b.events[i] = new_event(i * partitions / rows);
        b.commands[i] = (bus_command_id){.id = b.events[i].command_id};
    }
    for (int i = 0; i < partitions; i++)
        b.parts[i] = (bus_append_partition){.partition = (uint16_t)i, .epoch = b.leases[i].epoch};
    batch.partitions_count = partitions;
    check(bus_store_postgres.append(b.st, "bench", &batch, &err), &err);
}

/* --- plain COPY ------------------------------------------------------------- */

static bus_buf rows_buf;
static int64_t copied;

static void
put(const void *bytes, int32_t len)
{
    uint32_t wire = htobe32((uint32_t)len);

    bus_buf_add(&rows_buf, &wire, sizeof(wire));
    if (len > 0)
        bus_buf_add(&rows_buf, bytes, (size_t)len);
}

static void
put_number(int64_t value, int bytes)
{
    uint64_t wire = htobe64((uint64_t)value);

    put((const char *)&wire + 8 - bytes, bytes);
}

static void
put_row(int partition)
{
    bus_record e = new_event(partition);
    uint16_t   fields = htobe16(18);

    bus_buf_add(&rows_buf, &fields, sizeof(fields));
    put_number(e.partition, 2);
    put_number(++copied, 8);
    put_number(1, 8);
    put(e.stream.bytes, 16);
    put(e.aggregate.at, (int32_t)e.aggregate.len);
    put_number(e.version, 4);
    put(e.tenant.bytes, 16);
    put(e.type.at, (int32_t)e.type.len);
    put(e.command_id.bytes, 16);
    put_number(e.nth, 2);
    put_number(e.digest, 8);
    put(e.correlation_id.bytes, 16);
    put(NULL, -1);
    put(e.actor.at, (int32_t)e.actor.len);
    put_number(e.at_ms * 1000 - INT64_C(946684800000000), 8);
    put(NULL, -1);
    put(NULL, -1);
    put(e.data.at, (int32_t)e.data.len);
}

static void
copy_batch(PGconn *conn, int rows)
{
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    PGresult         *res;

    bus_buf_reset(&rows_buf);
    bus_buf_add(&rows_buf, header, sizeof(header) - 1);
    for (int i = 0; i < rows; i++)
        put_row(i % PARTITIONS);
    bus_buf_add(&rows_buf, "\377\377", 2);
    res = PQexec(conn,
                 "copy bench_copy.events (partition, \"offset\", epoch, stream, aggregate, version,"
                 " tenant, type, command_id, nth, digest, correlation_id, causation_id, actor,"
                 " at, device_at, sends, data) from stdin (format binary)");
    PQclear(res);
    if (PQputCopyData(conn, rows_buf.at, (int)rows_buf.len) != 1 || PQputCopyEnd(conn, NULL) != 1) {
        (void)fprintf(stderr, "append_bench: copy: %s", PQerrorMessage(conn));
        exit(1);
    }
    while ((res = PQgetResult(conn)) != NULL) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK) {
            (void)fprintf(stderr, "append_bench: copy: %s", PQerrorMessage(conn));
            exit(1);
        }
        PQclear(res);
    }
}

/* --- measuring -------------------------------------------------------------- */

/* Runs for so many seconds of appends, then of COPY, in turns, and prints a line. */
static void
measure(PGconn *conn, int rows, int seconds)
{
    enum { TURNS = 4 };
    const bus_clock *clock = bus_clock_system();
    int64_t          appends = 0, copies = 0, append_us = 0, copy_us = 0;
    double           append_rate, copy_rate;

    for (int turn = 0; turn < TURNS; turn++) {
        int64_t from = bus_mono_us(clock), until = from + seconds * INT64_C(1000000) / TURNS, now;

        do {
            append_batch(rows);
            appends++;
        } while ((now = bus_mono_us(clock)) < until);
        append_us += now - from;
        from = now;
        until = from + seconds * INT64_C(1000000) / TURNS;
        do {
            copy_batch(conn, rows);
            copies++;
        } while ((now = bus_mono_us(clock)) < until);
        copy_us += now - from;
    }
    append_rate = (double)appends * rows * 1e6 / (double)append_us;
    copy_rate = (double)copies * rows * 1e6 / (double)copy_us;
    (void)printf("{\"rows\": %d, \"append_per_s\": %.0f, \"append_us\": %.0f, \"copy_per_s\": %.0f,"
                 " \"copy_us\": %.0f, \"ratio\": %.3f}\n",
                 rows, append_rate, (double)append_us / (double)appends, copy_rate,
                 (double)copy_us / (double)copies, append_rate / copy_rate);
    (void)fflush(stdout);
}

/* --- shapes ----------------------------------------------------------------- */

typedef struct {
    const char *name;
    int         events; /* of an ask */
    bool        hot;    /* all asks go to one stream */
} shape;

static const shape shapes[] = {{"one", 1, false}, {"ten", 10, false}, {"hot", 1, true}};

static const shape *
find_shape(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

/* The nth ask of a batch: its events, in its partition. version: of the hot stream, moved on. */
static void
add_ask(const shape *of, int nth, int asks, const bus_id *hot, int32_t *version)
{
    bus_record *first = &b.events[(ptrdiff_t)nth * of->events];

    *first = new_event(of->hot ? 0 : nth * PARTITIONS / asks);
    b.commands[nth] = (bus_command_id){.id = first->command_id};
    if (of->hot) {
        first->stream = *hot;
        first->version = ++*version;
    }
    for (int i = 1; i < of->events; i++) {
        first[i] = *first;
        first[i].version = first->version + i;
        first[i].nth = (uint16_t)i;
    }
}

static void
append_asks(const shape *of, int asks, const bus_id *hot, int32_t *version)
{
    bus_append batch = {.partitions = b.parts,
                        .partitions_count = of->hot ? 1 : PARTITIONS,
                        .events = b.events,
                        .events_count = asks * of->events,
                        .commands = b.commands,
                        .commands_count = asks};
    bus_error  err = {0};

    for (int i = 0; i < asks; i++)
        add_ask(of, i, asks, hot, version);
    for (int i = 0; i < batch.partitions_count; i++)
        b.parts[i] = (bus_append_partition){.partition = (uint16_t)i, .epoch = b.leases[i].epoch};
    check(bus_store_postgres.append(b.st, "bench", &batch, &err), &err);
}

/* Bytes of all tables of the log and their indexes. */
static double
bytes_on_disk(PGconn *conn)
{
    PGresult *res = PQexec(conn, "select sum(pg_total_relation_size(oid)) from pg_class where "
                                 "relnamespace = 'bench'::regnamespace and relkind = 'r'");
    double    bytes =
        PQresultStatus(res) == PGRES_TUPLES_OK ? strtod(PQgetvalue(res, 0, 0), NULL) : -1;

    PQclear(res);
    return bytes;
}

static void
measure_shape(PGconn *conn, const shape *of, int asks, int seconds)
{
    const bus_clock *clock = bus_clock_system();
    bus_id           hot = bus_new_v7(clock);
    int32_t          version = 0;
    int64_t          events = 0, from = bus_mono_us(clock), took_us;

    do {
        append_asks(of, asks, &hot, &version);
        events += (int64_t)asks * of->events;
        took_us = bus_mono_us(clock) - from;
    } while (took_us < seconds * INT64_C(1000000));
    (void)printf("{\"shape\": \"%s\", \"per_s\": %.0f, \"events\": %lld, \"bytes\": %.0f}\n",
                 of->name, (double)events * 1e6 / (double)took_us, (long long)events,
                 bytes_on_disk(conn));
}

/* --- all of it -------------------------------------------------------------- */

static void
measure_sizes(PGconn *conn, int seconds)
{
    static const int sizes[] = {1, 32, 256, 1024, 2048, 4096};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        measure(conn, sizes[i], seconds);
}

static void
open_log(const bus_store_options *options)
{
    bus_error err = {0};

    check(bus_store_postgres.open(&b.st, options, &err), &err);
    check(bus_store_postgres.create_domain(b.st, "bench", PARTITIONS, &err), &err);
    check(bus_store_postgres.create_domain(b.st, "bench_copy", PARTITIONS, &err), &err);
    for (int i = 0; i < PARTITIONS; i++)
        b.leases[i].partition = (uint16_t)i;
    check(bus_store_postgres.lease_take(b.st, "bench", "bench", true, b.leases, PARTITIONS, &err),
          &err);
}

int
main(int argc, char **argv)
{
    int               seconds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : DEFAULT_SECONDS;
    const shape      *of = find_shape(argc > 2 ? argv[2] : NULL);
    int               asks = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    tests_postgres   *pg;
    bus_store_options options = {.application = "append_bench"};
    PGconn           *conn;

    if (of != NULL && (asks < PARTITIONS || asks > BATCH_MAX / of->events)) {
        (void)fprintf(stderr, "append_bench: ASKS is %d to %d\n", PARTITIONS,
                      BATCH_MAX / of->events);
        return 2;
    }
    if (seconds < 1)
        seconds = DEFAULT_SECONDS;
    pg = tests_postgres_start(argc < 3 || strcmp(argv[2], "nosync") != 0);
    options.url = tests_postgres_url(pg);
    open_log(&options);
    conn = PQconnectdb(options.url);
    if (of != NULL)
        measure_shape(conn, of, asks, seconds);
    else
        measure_sizes(conn, seconds);
    PQfinish(conn);
    bus_store_postgres.close(b.st);
    bus_buf_fini(&rows_buf);
    tests_postgres_stop(pg);
    return 0;
}
