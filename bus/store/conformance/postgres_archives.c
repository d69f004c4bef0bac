/* postgres_archives.c - archives in files: an archiver that is killed anywhere, files that are
 * lost, changed or another's, and archiving beside writers and readers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/base/failpoint.h"
#include "bus/store/store.h"
#include "tests/support/postgres.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OPS bus_store_postgres
#define EVENTS 5000 /* more than are stripped at once */
#define STREAMS 50

static tests_postgres *server;
static char            folder[] = "/tmp/shina_archives_XXXXXX";
static bus_error       err;

static bus_store *
open_with(const char *archive)
{
    bus_store        *st = NULL;
    bus_store_options options = {
        .url = tests_postgres_url(server), .application = "archives", .archive = archive};

    if (OPS.open(&st, &options, &err) != BUS_OK)
        fail_msg("open: %s", err.text);
    return st;
}

static char *
sql(const char *fmt, ...)
{
    PGconn   *conn = PQconnectdb(tests_postgres_url(server));
    char      text[1024], *cell = NULL;
    PGresult *res;
    va_list   args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    res = PQexec(conn, text);
    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    if (PQntuples(res) > 0)
        cell = strdup(PQgetvalue(res, 0, 0));
    PQclear(res);
    PQfinish(conn);
    return cell;
}

static int
number(const char *what, const char *domain)
{
    char *cell = sql(what, domain);
    int   n = (int)strtol(cell, NULL, 10);

    free(cell);
    return n;
}

static bus_id
numbered(const char *domain, const char *what, int n)
{
    char text[96];

    (void)snprintf(text, sizeof(text), "%s/%s/%d", domain, what, n);
    return bus_id_v5_text(BUS_ID_NIL, text);
}

static void
append(bus_store *st, const char *domain, bus_lease *lease, int from, int count)
{
    bus_record          *events = calloc((size_t)count, sizeof(*events));
    bus_append_partition part = {.partition = 0, .epoch = lease->epoch};
    bus_append           batch = {
                  .partitions = &part, .partitions_count = 1, .events = events, .events_count = count};

    assert_non_null(events);
    for (int i = 0; i < count; i++)
        events[i] = (bus_record){
            .stream = numbered(domain, "stream", (from + i) % STREAMS),
            .version = (from + i) / STREAMS + 1,
            .aggregate = BUS_STR("thing"),
            .tenant = numbered(domain, "tenant", 0),
            .type = BUS_STR("things.made.v1"),
            .command_id = numbered(domain, "command", from + i),
            .actor = BUS_STR("{\"id\":\"somebody\",\"roles\":[\"ADMIN\"]}"),
            .at_ms = INT64_C(1764000000000) + from + i,
            .data = BUS_STR("{\"number\":12345678,\"text\":\"as long as events are\"}")};
    if (OPS.append(st, domain, &batch, &err) != BUS_OK)
        fail_msg("append: %s", err.text);
    free(events);
}

static bus_store *
make(const char *domain, int events, bus_lease *lease)
{
    bus_store *st = open_with(folder);

    *lease = (bus_lease){.partition = 0};
    assert_int_equal(OPS.create_domain(st, domain, 1, &err), BUS_OK);
    assert_int_equal(OPS.lease_take(st, domain, "me", true, lease, 1, &err), BUS_OK);
    append(st, domain, lease, 0, events);
    return st;
}

/* --- reading it whole ------------------------------------------------------- */

typedef struct {
    const char *domain;
    int64_t     last;
    int         count;
} reading;

static bus_code
see(void *context, const bus_record *record, bus_error *e)
{
    reading *r = context;

    if (record->offset != r->last + 1 || record->data.len == 0 ||
        !bus_id_equal(record->command_id, numbered(r->domain, "command", (int)r->last)))
        return bus_fail(e, BUS_FAULT, "offset %lld follows %lld", (long long)record->offset,
                        (long long)r->last);
    r->last = record->offset;
    r->count++;
    return BUS_OK;
}

static bus_code
count_records(void *context, const bus_record *record, bus_error *e)
{
    (void)e;
    assert_true(record->data.len > 0);
    ++*(int *)context;
    return BUS_OK;
}

static bus_code
read_whole(bus_store *st, const char *domain, int *count)
{
    reading  r = {.domain = domain};
    int64_t  before = -1;
    bus_code rc = BUS_OK;

    while (rc == BUS_OK && r.last > before) {
        before = r.last;
        rc = OPS.read(st, domain, 0, before, 700, see, &r, &err);
    }
    *count = r.count;
    return rc;
}

/* Every event once, by position, by stream and by command. */
static void
assert_whole(const char *domain, int events)
{
    bus_store           *st = open_with(folder);
    bus_append_partition none[1];
    bus_id               streams[STREAMS], ids[200];
    int                  count;

    if (read_whole(st, domain, &count) != BUS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(count, events);
    for (int i = 0; i < STREAMS; i++)
        streams[i] = numbered(domain, "stream", i);
    count = 0;
    assert_int_equal(OPS.load(st, domain, streams, STREAMS, count_records, &count, &err), BUS_OK);
    assert_int_equal(count, events);
    for (int i = 0; i < 200; i++)
        ids[i] = numbered(domain, "command", i * (events / 200));
    count = 0;
    assert_int_equal(OPS.find(st, domain, none, 0, ids, 200, count_records, &count, &err), BUS_OK);
    assert_int_equal(count, 200);
    OPS.close(st);
}

static void
archive_to(bus_store *st, const char *domain, int64_t up_to)
{
    int64_t reached = 0;

    if (OPS.archive(st, domain, 0, up_to, &reached, &err) != BUS_OK)
        fail_msg("archive: %s", err.text);
    assert_int_equal(reached, up_to);
}

/* --- tests ------------------------------------------------------------------ */

/* A child archives and is killed at a place. */
static void
archive_and_die(const char *domain, const char *place, int64_t up_to)
{
    pid_t pid = fork();
    int   status;

    if (pid == 0) {
        bus_store *st = open_with(folder);
        int64_t    reached;

        if (bus_fail_points_arm(place, &err) != BUS_OK)
            _exit(2);
        _exit(OPS.archive(st, domain, 0, up_to, &reached, &err) == BUS_OK ? 3 : 4);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
test_an_archiver_that_dies_anywhere_loses_nothing(void **state)
{
    static const char *const places[] = {"archive.kept_name", "archive.written",
                                         "archive.named",     "archive.recorded",
                                         "archive.stripped",  "archive.stripped:2"};

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char       domain[32];
        bus_lease  lease;
        bus_store *st;
        int64_t    reached;

        (void)snprintf(domain, sizeof(domain), "dying_%zu", i);
        st = make(domain, EVENTS, &lease);
        archive_and_die(domain, places[i], EVENTS - 100);
        assert_whole(domain, EVENTS);
        append(st, domain, &lease, EVENTS, 20); /* the writer goes on meanwhile */
        assert_whole(domain, EVENTS + 20);
        /* The next one may want another end; what was begun is finished, or begun anew. */
        for (int tries = 0; tries < 100; tries++) {
            bus_code rc = OPS.archive(st, domain, 0, EVENTS - 50, &reached, &err);

            if (rc == BUS_OK && reached >= EVENTS - 50)
                break;
            if (rc == BUS_DENIED) /* the dead one's session is not gone yet */
                (void)usleep(50000);
            else
                assert_int_equal(rc, BUS_OK);
        }
        assert_int_equal(reached, EVENTS - 50);
        assert_int_equal(number("select count(*) from %s.events where data is null", domain),
                         EVENTS - 50);
        assert_whole(domain, EVENTS + 20);
        OPS.close(st);
    }
}

static char *
path_of(const char *domain, int64_t first)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s/000-%019lld.zst", folder, domain, (long long)first) > 0);
    return path;
}

static bus_archive_info
only_archive(bus_store *st, const char *domain, bus_arena *arena)
{
    bus_archive_info *list;
    int               count;

    assert_int_equal(OPS.archives(st, domain, arena, &list, &count, &err), BUS_OK);
    assert_int_equal(count, 1);
    return list[0];
}

static void
test_a_lost_or_changed_file_is_named(void **state)
{
    const char      *domain = "lost";
    bus_lease        lease;
    bus_store       *st = make(domain, 1000, &lease), *fresh;
    bus_arena        arena = {0};
    bus_archive_info info;
    char            *path = path_of(domain, 1), away[128];
    int              count, fd;

    (void)state;
    archive_to(st, domain, 900);
    info = only_archive(st, domain, &arena);
    assert_int_equal(OPS.archive_check(st, domain, &info, &err), BUS_OK);
    (void)snprintf(away, sizeof(away), "%s/away", folder);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(OPS.archive_check(st, domain, &info, &err), BUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "lost/000-"));
    fresh = open_with(folder);
    assert_int_equal(read_whole(fresh, domain, &count), BUS_INVALID);
    assert_non_null(strstr(err.text, "lost/000-"));
    assert_int_equal(rename(away, path), 0); /* it comes back, as a folder that is mounted */
    assert_int_equal(read_whole(fresh, domain, &count), BUS_OK);
    assert_int_equal(count, 1000);
    OPS.close(fresh);
    fresh = open_with(NULL);
    assert_int_equal(read_whole(fresh, domain, &count), BUS_INVALID);
    OPS.close(fresh);

    free(sql("update lost.events set version = 1000 where \"offset\" = 300"));
    assert_int_equal(OPS.archive_check(st, domain, &info, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "300"));
    free(sql("delete from lost.events where \"offset\" = 300"));
    assert_int_equal(OPS.archive_check(st, domain, &info, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "300"));
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "#", 1, 3000), 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(OPS.archive_check(st, domain, &info, &err), BUS_INVALID);
    fresh = open_with(folder);
    assert_int_equal(read_whole(fresh, domain, &count), BUS_INVALID);
    assert_non_null(strstr(err.text, "lost/000-"));
    OPS.close(fresh);
    free(path);
    bus_arena_fini(&arena);
    OPS.close(st);
}

/* A folder that two systems share by mistake, or a database from an older backup. */
static void
test_a_file_of_others_is_not_overwritten(void **state)
{
    const char *domain = "others";
    bus_lease   lease;
    bus_store  *st = make(domain, 1000, &lease), *none = open_with(NULL);
    char       *path = path_of(domain, 1), dir[128];
    int64_t     reached;
    int         fd;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/%s", folder, domain);
    assert_int_equal(mkdir(dir, 0700), 0);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "theirs", 6), 6);
    assert_int_equal(close(fd), 0);
    assert_int_equal(OPS.archive(st, domain, 0, 900, &reached, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "others/000-"));
    assert_int_equal(number("select count(*) from %s.archives", domain), 0);
    assert_int_equal(unlink(path), 0);
    archive_to(st, domain, 900);
    assert_int_equal(OPS.archive(none, domain, 0, 950, &reached, &err), BUS_INVALID);
    free(path);
    OPS.close(none);
    OPS.close(st);
}

static void
test_one_archiver_at_a_time(void **state)
{
    bus_lease  lease;
    bus_store *st = make("two", 100, &lease);
    PGconn    *other = PQconnectdb(tests_postgres_url(server));
    int64_t    reached;

    (void)state;
    PQclear(PQexec(other, "select pg_advisory_lock(hashtextextended('shina.archive.two', 0))"));
    assert_int_equal(OPS.archive(st, "two", 0, 50, &reached, &err), BUS_DENIED);
    PQfinish(other);
    for (int i = 0; i < 100 && OPS.archive(st, "two", 0, 50, &reached, &err) == BUS_DENIED; i++)
        (void)usleep(20000);
    assert_int_equal(reached, 50);
    assert_int_equal(number("select count(*) from pg_locks where locktype = 'advisory'", ""), 0);
    OPS.close(st);
}

/* A gap in the table is not made permanent, nor is a changed row stripped. */
static void
test_a_damaged_log_is_not_archived(void **state)
{
    bus_lease  lease;
    bus_store *st = make("gap", 1000, &lease);
    int64_t    reached;

    (void)state;
    free(sql("delete from gap.events where \"offset\" = 500"));
    assert_int_equal(OPS.archive(st, "gap", 0, 900, &reached, &err), BUS_INVALID);
    assert_non_null(strstr(err.text, "500"));
    assert_int_equal(number("select count(*) from %s.events where archive is null", "gap"), 999);
    OPS.close(st);
}

/* A bound on the size of files stands for a disk that is full. */
static void
test_a_full_disk_leaves_everything_as_it_was(void **state)
{
    const char   *domain = "full";
    bus_lease     lease;
    bus_store    *st = make(domain, EVENTS, &lease);
    struct rlimit before, small;
    char         *path = path_of(domain, 1), part[128];
    int64_t       reached;

    (void)state;
    (void)snprintf(part, sizeof(part), "%s.part", path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 20000, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(OPS.archive(st, domain, 0, EVENTS - 1, &reached, &err), BUS_FULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(part, F_OK), -1);
    assert_whole(domain, EVENTS);
    archive_to(st, domain, EVENTS - 1);
    assert_whole(domain, EVENTS);
    free(path);
    OPS.close(st);
}

typedef struct {
    const char *domain;
    atomic_bool stop;
    char        failure[256];
    int         rounds;
} reader;

static void *
run_reader(void *context)
{
    reader           *r = context;
    bus_store        *st = NULL;
    bus_error         e = {0};
    bus_store_options options = {.url = tests_postgres_url(server), .archive = folder};

    if (OPS.open(&st, &options, &e) != BUS_OK)
        abort();
    while (!atomic_load(&r->stop) && r->failure[0] == '\0') {
        reading all = {.domain = r->domain};
        int64_t before = -1;

        while (all.last > before && r->failure[0] == '\0') {
            before = all.last;
            if (OPS.read(st, r->domain, 0, before, 500, see, &all, &e) != BUS_OK)
                (void)snprintf(r->failure, sizeof(r->failure), "%s", e.text);
        }
        if (all.last < EVENTS && r->failure[0] == '\0')
            (void)snprintf(r->failure, sizeof(r->failure), "only %d events", all.count);
        r->rounds++;
    }
    OPS.close(st);
    return NULL;
}

static void
test_archiving_beside_a_writer_and_a_reader(void **state)
{
    const char *domain = "beside";
    bus_lease   lease;
    bus_store  *st = make(domain, EVENTS, &lease), *archiver = open_with(folder);
    reader      r = {.domain = domain};
    pthread_t   thread;
    int         written = EVENTS;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_reader, &r), 0);
    for (int64_t up_to = 250; up_to < EVENTS; up_to += 250) {
        archive_to(archiver, domain, up_to);
        append(st, domain, &lease, written, 40);
        written += 40;
    }
    atomic_store(&r.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(r.failure, "");
    assert_true(r.rounds > 0);
    assert_whole(domain, written);
    OPS.close(archiver);
    OPS.close(st);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_archiver_that_dies_anywhere_loses_nothing),
        cmocka_unit_test(test_a_lost_or_changed_file_is_named),
        cmocka_unit_test(test_a_file_of_others_is_not_overwritten),
        cmocka_unit_test(test_one_archiver_at_a_time),
        cmocka_unit_test(test_a_damaged_log_is_not_archived),
        cmocka_unit_test(test_a_full_disk_leaves_everything_as_it_was),
        cmocka_unit_test(test_archiving_beside_a_writer_and_a_reader),
    };
    char command[64];
    int  failed;

    if (mkdtemp(folder) == NULL)
        return 1;
    server = tests_postgres_start(false);
    failed = cmocka_run_group_tests_name("archives in files", tests, NULL, NULL);
    tests_postgres_stop(server);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? failed : 1;
}
