/* postgres_faults.c - what only a real server can do: break connections, hold rows, refuse.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/store.h"
#include "bus/store/view_table.h"
#include "tests/support/postgres.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OPS bus_store_postgres

static tests_postgres *server;
static bus_error       err;

static bus_store *
open_in_role(const char *url, const char *role)
{
    bus_store        *st = NULL;
    bus_store_options options = {.url = url, .application = "victim", .role = role};

    if (OPS.open(&st, &options, &err) != BUS_OK)
        fail_msg("open: %s", err.text);
    return st;
}

static bus_store *
open_url(const char *url)
{
    return open_in_role(url, NULL);
}

/* Runs SQL as an administrator; gives the first cell, which the caller frees. */
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
sql_number(const char *text)
{
    char *cell = sql("%s", text);
    int   number = (int)strtol(cell, NULL, 10);

    free(cell);
    return number;
}

static bus_lease
take(bus_store *st, const char *domain)
{
    bus_lease lease = {.partition = 0};

    assert_int_equal(OPS.create_domain(st, domain, 1, &err), BUS_OK);
    if (OPS.lease_take(st, domain, "me", true, &lease, 1, &err) != BUS_OK)
        fail_msg("lease_take: %s", err.text);
    assert_true(lease.held);
    return lease;
}

/* Appends count events of as many commands to one stream; the first command is `command`. */
static bus_code
append(bus_store *st, const char *domain, const bus_lease *lease, bus_id command, int count,
       const char *data)
{
    bus_append_partition part = {.partition = 0, .epoch = lease->epoch};
    bus_record          *events = calloc((size_t)count, sizeof(*events));
    bus_command_id      *commands = calloc((size_t)count, sizeof(*commands));
    bus_append           batch = {.partitions = &part,
                                  .partitions_count = 1,
                                  .events = events,
                                  .events_count = count,
                                  .commands = commands,
                                  .commands_count = count};
    bus_code             rc;

    for (int i = 0; i < count; i++) {
        commands[i].id = i == 0 ? command : bus_id_v5(command, &i, sizeof(i));
        events[i] = (bus_record){.stream = command,
                                 .aggregate = BUS_STR("thing"),
                                 .version = i + 1,
                                 .tenant = command,
                                 .type = BUS_STR("things.made.v1"),
                                 .command_id = commands[i].id,
                                 .actor = BUS_STR("{}"),
                                 .at_ms = 1764000000000,
                                 .data = bus_str_of(data)};
    }
    rc = OPS.append(st, domain, &batch, &err);
    free(events);
    free(commands);
    return rc;
}

static bus_code
count_record(void *context, const bus_record *record, bus_error *unused)
{
    (void)record;
    (void)unused;
    ++*(int *)context;
    return BUS_OK;
}

/* The way out of BUS_UNKNOWN: take the lease again, then look the command up. */
static int
found_after_retaking(bus_store *st, const char *domain, bus_id command)
{
    bus_lease            lease = {.partition = 0};
    bus_append_partition part = {.partition = 0};
    int                  found = 0;

    if (OPS.lease_take(st, domain, "me", false, &lease, 1, &err) != BUS_OK)
        fail_msg("lease_take: %s", err.text);
    assert_true(lease.held);
    part.epoch = lease.epoch;
    if (OPS.find(st, domain, &part, 1, &command, 1, count_record, &found, &err) != BUS_OK)
        fail_msg("find: %s", err.text);
    return found;
}

/* --- views ----------------------------------------------------------------- */

static const bus_contract      indexed = {.module = "indexed"};
static const bus_view_contract large = {.name = "large", .contract = &indexed, .hash = 77};

static void *
make_indexes(void *store)
{
    bus_error      failed = {0};
    const bus_code rc = OPS.build_index(store, &large, 1, "one", &failed);

    if (rc != BUS_OK)
        (void)fprintf(stderr, "build_index: %s\n", failed.text);
    return rc == BUS_OK ? NULL : store;
}

/* Large tables take longer than a lease, in which their builder cannot say that it is there. */
static void
test_nobody_takes_over_while_indexes_are_made(void **state)
{
    bus_store *one = open_url(tests_postgres_url(server)),
              *two = open_url(tests_postgres_url(server));
    PGconn   *slow = PQconnectdb(tests_postgres_url(server));
    char      table[BUS_VIEW_TABLE_BYTES], text[256];
    PGresult *res;
    pthread_t thread;
    void     *failed;

    (void)state;
    assert_int_equal(OPS.create_domain(one, "indexed", 1, &err), BUS_OK);
    assert_int_equal(OPS.build_begin(one, &large, 1, "one", &err), BUS_OK);
    bus_view_build_name(&large, 1, table);
    (void)snprintf(text, sizeof(text), "begin; lock table views.\"%s\" in share mode", table);
    res = PQexec(slow, text);
    assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
    PQclear(res);
    assert_int_equal(pthread_create(&thread, NULL, make_indexes, one), 0);
    while (sql_number("select count(*) from pg_locks where not granted") == 0)
        (void)usleep(10000);
    free(sql("update views.registry set builder_until = '-infinity' where view = 'large'"));
    assert_int_equal(OPS.build_begin(two, &large, 1, "two", &err), BUS_DENIED);
    PQfinish(slow);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(OPS.build_begin(two, &large, 1, "two", &err), BUS_DENIED); /* renewed */
    assert_int_equal(OPS.build_swap(one, &large, 1, "one", NULL, &err), BUS_OK);
    OPS.close(two);
    OPS.close(one);
}

/* --- reaching it ----------------------------------------------------------- */

static void
test_a_server_that_is_not_there(void **state)
{
    bus_store        *st = NULL;
    bus_store_options options = {.url = "postgres://shina:hush-hush@127.0.0.1:1/x?sslmode=disable"};

    (void)state;
    assert_int_equal(OPS.open(&st, &options, &err), BUS_UNAVAILABLE);
    assert_true(err.retryable);
    assert_null(strstr(err.text, "hush"));
    options.url = "postgres://shina:hush%zz@127.0.0.1/x";
    assert_int_equal(OPS.open(&st, &options, &err), BUS_INVALID);
    assert_null(strstr(err.text, "hush"));
    options.url = NULL;
    assert_int_equal(OPS.open(&st, &options, &err), BUS_INVALID);
    assert_null(st);
}

static void
test_a_connection_that_died_while_idle_is_made_anew(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "idle");
    int64_t    head;

    (void)state;
    free(sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name ="
             " 'victim'"));
    assert_int_equal(append(st, "idle", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    free(sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name ="
             " 'victim'"));
    assert_int_equal(OPS.heads(st, "idle", &head, 1, &err), BUS_OK);
    assert_int_equal(head, 1);
    OPS.close(st);
}

static void
test_a_crashed_server_is_unavailable_until_it_is_back(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "crash");
    int64_t    head;

    (void)state;
    assert_int_equal(append(st, "crash", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    if (!tests_postgres_crash(server)) {
        OPS.close(st);
        skip();
    }
    assert_int_equal(append(st, "crash", &lease, (bus_id){{2}}, 1, "{}"), BUS_UNAVAILABLE);
    assert_int_equal(OPS.heads(st, "crash", &head, 1, &err), BUS_UNAVAILABLE);
    assert_true(tests_postgres_revive(server));
    assert_int_equal(append(st, "crash", &lease, (bus_id){{2}}, 1, "{}"), BUS_OK);
    OPS.close(st);
}

/* --- calls of the system that fail ------------------------------------------ */

/* How many of libpq's waits for an answer fail from now on, as when the kernel has no memory. */
static atomic_int waits_fail;

/* Instead of the C library's, for libpq too. Only libpq waits without an end. */
int
poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                                     .tv_nsec = timeout_ms % 1000 * 1000000L};

    if (timeout_ms < 0 && atomic_load(&waits_fail) > 0) {
        atomic_fetch_sub(&waits_fail, 1);
        errno = ENOMEM;
        return -1;
    }
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* The answer that was not waited for comes all the same. It must not be taken for the next one's,
 * and nobody knows whether what was asked has been committed. */
static void
test_an_answer_that_could_not_be_waited_for_is_nobody_elses(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "unheard");
    int64_t    head;

    (void)state;
    assert_int_equal(append(st, "unheard", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    atomic_store(&waits_fail, 1);
    assert_int_equal(append(st, "unheard", &lease, (bus_id){{2}}, 1, "{}"), BUS_UNKNOWN);
    assert_int_equal(atomic_load(&waits_fail), 0);
    for (int i = 0; i < 3; i++) {
        head = -1;
        assert_int_equal(OPS.heads(st, "unheard", &head, 1, &err), BUS_OK);
        assert_in_range(head, 1, 2);
    }
    atomic_store(&waits_fail, 1);
    assert_int_equal(OPS.heads(st, "unheard", &head, 1, &err), BUS_UNAVAILABLE);
    assert_int_equal(OPS.heads(st, "unheard", &head, 1, &err), BUS_OK);
    OPS.close(st);
}

/* --- a connection that breaks in the middle -------------------------------- */

typedef struct {
    bus_store  *st;
    const char *domain;
    bus_lease   lease;
    int         count;
    bus_code    rc;
} waiting_append;

static void *
run_append(void *context)
{
    waiting_append *a = context;

    a->rc = append(a->st, a->domain, &a->lease, (bus_id){{7}}, a->count, "{}");
    return NULL;
}

/* Waits until the victim waits for a row, and ends it. */
static void
end_waiting_victim(void)
{
    for (int i = 0; i < 500; i++) {
        if (sql_number("select count(pg_terminate_backend(pid)) from pg_stat_activity where"
                       " application_name = 'victim' and wait_event_type = 'Lock'") > 0)
            return;
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("nobody waits for the row");
}

static void
break_while_waiting(const char *domain, int count, bus_code expected)
{
    waiting_append a = {
        .st = open_url(tests_postgres_url(server)), .domain = domain, .count = count};
    PGconn   *holder = PQconnectdb(tests_postgres_url(server));
    char      text[128];
    pthread_t thread;

    a.lease = take(a.st, domain);
    (void)snprintf(text, sizeof(text), "begin; select from %s.partitions for update", domain);
    PQclear(PQexec(holder, text));
    assert_int_equal(pthread_create(&thread, NULL, run_append, &a), 0);
    end_waiting_victim();
    assert_int_equal(pthread_join(thread, NULL), 0);
    PQfinish(holder);
    assert_int_equal(a.rc, expected);
    assert_int_equal(found_after_retaking(a.st, domain, (bus_id){{7}}), 0);
    a.lease = take(a.st, domain);
    assert_int_equal(append(a.st, domain, &a.lease, (bus_id){{7}}, count, "{}"), BUS_OK);
    assert_int_equal(found_after_retaking(a.st, domain, (bus_id){{7}}), 1);
    OPS.close(a.st);
}

typedef struct {
    bus_store *st;
    bus_lease  lease;
    bus_code   rc;
} waiting_take;

static void *
run_take(void *context)
{
    waiting_take *t = context;
    bus_error     unused;

    t->rc = OPS.lease_take(t->st, "taken_late", "next", true, &t->lease, 1, &unused);
    return NULL;
}

/* Who waits for a commit in flight gets what it wrote: the head, and the time of its event. */
static void
test_a_lease_knows_the_commit_it_waited_for(void **state)
{
    waiting_take t = {.st = open_url(tests_postgres_url(server))};
    PGconn      *writer = PQconnectdb(tests_postgres_url(server));
    PGresult    *res;
    pthread_t    thread;

    (void)state;
    (void)take(t.st, "taken_late");
    res = PQexec(writer,
                 "begin; update taken_late.partitions set head = 1; insert into taken_late.events"
                 " values (0, 1, 1, gen_random_uuid(), 'a', 1, gen_random_uuid(), 't',"
                 " gen_random_uuid(), 0, 0, gen_random_uuid(), null, '{}',"
                 " '2030-01-01T00:00:00Z', null, null, '{}')");
    assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
    PQclear(res);
    assert_int_equal(pthread_create(&thread, NULL, run_take, &t), 0);
    while (sql_number("select count(*) from pg_stat_activity where application_name = 'victim'"
                      " and wait_event_type = 'Lock'") == 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    PQclear(PQexec(writer, "commit"));
    assert_int_equal(pthread_join(thread, NULL), 0);
    PQfinish(writer);
    assert_int_equal(t.rc, BUS_OK);
    assert_true(t.lease.held);
    assert_int_equal(t.lease.head, 1);
    assert_int_equal(t.lease.at_ms, 1893456000000);
    OPS.close(t.st);
}

static void
test_a_break_during_a_call_is_unknown(void **state)
{
    (void)state;
    break_while_waiting("broken_small", 3, BUS_UNKNOWN);
}

static void
test_a_break_before_the_commit_was_sent_is_unavailable(void **state)
{
    (void)state;
    break_while_waiting("broken_large", 3000,
                        BUS_UNAVAILABLE); /* its commit is a step of its own */
}

/* A road to the server that can lose what the server says. */
typedef struct {
    char        folder[64];
    char        url[256];
    int         listener;
    pthread_t   thread;
    atomic_bool deaf, stop;
} proxy;

static void
unix_address(const char *folder, struct sockaddr_un *address)
{
    address->sun_family = AF_UNIX;
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%.80s/.s.PGSQL.5432", folder);
}

/* Passes bytes on; false when a side has ended. */
static bool
pass(int from, int to, bool drop)
{
    char    bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));

    return n > 0 && (drop || write(to, bytes, (size_t)n) == n);
}

/* Serves one connection after another. A deaf one drops the server's next words and hangs up. */
static void *
run_proxy(void *context)
{
    proxy *p = context;
    char  *folder = sql("show unix_socket_directories");

    while (!atomic_load(&p->stop)) {
        struct sockaddr_un address = {0};
        int                client = accept(p->listener, NULL, NULL);
        int                backend = socket(AF_UNIX, SOCK_STREAM, 0);
        bool               open = client >= 0;

        unix_address(folder, &address);
        open = open && connect(backend, (struct sockaddr *)&address, sizeof(address)) == 0;
        while (open && !atomic_load(&p->stop)) {
            struct pollfd fds[2] = {{client, POLLIN, 0}, {backend, POLLIN, 0}};

            (void)poll(fds, 2, 100);
            if (fds[0].revents != 0)
                open = pass(client, backend, false);
            if (open && fds[1].revents != 0) {
                bool drop = atomic_exchange(&p->deaf, false);

                open = pass(backend, client, drop) && !drop;
            }
        }
        (void)close(client);
        (void)close(backend);
    }
    free(folder);
    return NULL;
}

static void
start_proxy(proxy *p)
{
    struct sockaddr_un address = {0};
    const char        *url = tests_postgres_url(server), *host = strstr(url, "host=");

    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/shina-proxy-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    unix_address(p->folder, &address);
    p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(p->listener, 4), 0);
    (void)snprintf(p->url, sizeof(p->url), "%.*shost=%s&sslmode=disable", (int)(host - url), url,
                   p->folder);
    assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
}

static void
stop_proxy(proxy *p)
{
    struct sockaddr_un address = {0};
    int                knock = socket(AF_UNIX, SOCK_STREAM, 0);

    atomic_store(&p->stop, true);
    unix_address(p->folder, &address);
    (void)connect(knock, (struct sockaddr *)&address, sizeof(address));
    assert_int_equal(pthread_join(p->thread, NULL), 0);
    (void)close(knock);
    (void)close(p->listener);
    (void)unlink(address.sun_path);
    (void)rmdir(p->folder);
}

static void
test_a_commit_whose_answer_is_lost_is_found_later(void **state)
{
    proxy      p = {.listener = -1};
    bus_store *st;
    bus_lease  lease;

    (void)state;
    if (getenv("SHINA_TEST_DATABASE_URL") != NULL)
        skip();
    start_proxy(&p);
    st = open_url(p.url);
    lease = take(st, "lost_answer");
    assert_int_equal(append(st, "lost_answer", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    atomic_store(&p.deaf, true);
    assert_int_equal(append(st, "lost_answer", &lease, (bus_id){{2}}, 1, "{}"), BUS_UNKNOWN);
    assert_int_equal(found_after_retaking(st, "lost_answer", (bus_id){{2}}), 1);
    lease = take(st, "lost_answer");
    assert_int_equal(append(st, "lost_answer", &lease, (bus_id){{2}}, 1, "{}"), BUS_DUPLICATE);
    OPS.close(st);
    stop_proxy(&p);
}

static void
test_a_writer_that_stopped_in_its_transaction_is_put_out(void **state)
{
    bus_store *st = open_in_role(tests_postgres_url(server), "shina_stopped");
    bus_lease  lease = take(st, "stopped");
    PGconn    *sleeper = PQconnectdb(tests_postgres_url(server));

    (void)state;
    PQclear(PQexec(sleeper, "begin; update stopped.partitions set head = head + 1"));
    lease = take(st, "stopped"); /* waits, then ends the sleeper */
    assert_int_equal(append(st, "stopped", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    assert_int_equal(sql_number("select max(\"offset\") from stopped.events"), 1);
    PQfinish(sleeper);
    OPS.close(st);
}

/* --- refusals of the server ------------------------------------------------ */

static void
test_bytes_that_are_no_json_are_invalid(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "bytes");
    bus_id     id = {{1}};

    (void)state;
    assert_int_equal(append(st, "bytes", &lease, id, 1, "{\"secret\":tail"), BUS_INVALID);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(append(st, "bytes", &lease, id, 1, "{\"a\":\"\xff\xfe\"}"), BUS_INVALID);
    assert_int_equal(append(st, "bytes", &lease, id, 2100, "{\"a\":\"\xff\xfe\"}"), BUS_INVALID);
    assert_int_equal(append(st, "bytes", &lease, id, 1, "{}"), BUS_OK);
    assert_int_equal(sql_number("select head from bytes.partitions"), 1);
    OPS.close(st);
}

static void
test_a_read_only_database_is_full(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "readonly");
    char      *name = sql("select current_database()");
    int        count = 0;

    (void)state;
    free(sql("alter database %s set default_transaction_read_only = on", name));
    OPS.close(st);
    st = open_url(tests_postgres_url(server));
    assert_int_equal(append(st, "readonly", &lease, (bus_id){{1}}, 1, "{}"), BUS_FULL);
    assert_int_equal(append(st, "readonly", &lease, (bus_id){{1}}, 2100, "{}"), BUS_FULL);
    assert_true(err.retryable);
    assert_int_equal(OPS.read(st, "readonly", 0, 0, 10, count_record, &count, &err), BUS_OK);
    free(sql("begin read write; alter database %s reset default_transaction_read_only; commit",
             name));
    OPS.close(st);
    st = open_url(tests_postgres_url(server));
    assert_int_equal(append(st, "readonly", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    OPS.close(st);
    free(name);
}

/* A migration may change what a function returns while we hold its plan. */
static void
test_a_statement_that_no_longer_fits_is_prepared_anew(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "migrated");
    int64_t    head;

    (void)state;
    assert_int_equal(OPS.heads(st, "migrated", &head, 1, &err), BUS_OK);
    free(sql("alter table migrated.partitions alter column head type int"));
    assert_int_equal(OPS.heads(st, "migrated", &head, 1, &err), BUS_UNAVAILABLE);
    free(sql("alter table migrated.partitions alter column head type bigint"));
    assert_int_equal(OPS.heads(st, "migrated", &head, 1, &err), BUS_OK);
    assert_int_equal(append(st, "migrated", &lease, (bus_id){{1}}, 1, "{}"), BUS_OK);
    OPS.close(st);
}

static void
test_an_unknown_domain_is_not_found(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    bus_lease  lease = {.epoch = 1};
    int64_t    head;

    (void)state;
    assert_int_equal(append(st, "nowhere", &lease, (bus_id){{1}}, 1, "{}"), BUS_NOT_FOUND);
    assert_int_equal(OPS.heads(st, "nowhere", &head, 1, &err), BUS_NOT_FOUND);
    assert_int_equal(OPS.create_domain(st, "views", 8, &err), BUS_INVALID);
    assert_int_equal(OPS.create_domain(st, "a\"; drop schema shina", 8, &err), BUS_INVALID);
    OPS.close(st);
}

/* --- walls ------------------------------------------------------------------ */

/* Runs SQL under a role; the SQLSTATE, or "" when it went well. */
static void
state_as(const char *role, const char *statement, char out[6])
{
    PGconn   *conn = PQconnectdb(tests_postgres_url(server));
    char      text[512];
    PGresult *res;

    (void)snprintf(text, sizeof(text), "set role %s; %s", role, statement);
    res = PQexec(conn, text);
    (void)snprintf(
        out, 6, "%s",
        PQresultStatus(res) == PGRES_FATAL_ERROR ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : "");
    PQclear(res);
    PQfinish(conn);
}

static void
test_a_domain_writes_its_own_schema_only(void **state)
{
    bus_store *st = open_url(tests_postgres_url(server));
    char       got[6];

    (void)state;
    (void)take(st, "wall_one");
    (void)take(st, "wall_two");
    state_as("shina_wall_one", "update wall_one.partitions set owner = null", got);
    assert_string_equal(got, "");
    state_as("shina_wall_one", "select * from wall_one.lease_take(1, 'x', true, '{0}')", got);
    assert_string_equal(got, "");
    state_as("shina_wall_one", "select shina.create_domain('wall_one', 1)", got);
    assert_string_equal(got, "");
    state_as("shina_wall_one", "select shina.create_domain('wall_three', 1)", got);
    assert_string_equal(got, "42501");
    state_as("shina_wall_one", "delete from wall_one.events", got);
    assert_string_equal(got, "42501");
    state_as("shina_wall_one", "select from wall_two.events", got);
    assert_string_equal(got, "42501");
    assert_int_equal(OPS.reach_domain(st, "wall_one", "nowhere", &err), BUS_NOT_FOUND);
    assert_int_equal(OPS.reach_domain(st, "wall_one", "wall_two", &err), BUS_OK);
    state_as("shina_wall_one", "select from wall_two.partitions", got);
    assert_string_equal(got, "");
    state_as("shina_wall_one", "select from wall_two.events", got);
    assert_string_equal(got, "42501");
    assert_int_equal(OPS.follow_domain(st, "wall_one", "wall_two", &err), BUS_OK);
    state_as("shina_wall_one", "select from wall_two.events, wall_two.partitions", got);
    assert_string_equal(got, "");
    state_as("shina_wall_one", "select from wall_two.claims", got);
    assert_string_equal(got, "42501");
    state_as("shina_wall_one", "update wall_two.partitions set owner = null", got);
    assert_string_equal(got, "42501");
    state_as("shina_wall_one", "select keys.forget(gen_random_uuid(), gen_random_uuid())", got);
    assert_string_equal(got, "42501");
    assert_int_equal(OPS.let_forget(st, "nowhere", &err), BUS_NOT_FOUND);
    assert_int_equal(OPS.let_forget(st, "wall_one", &err), BUS_OK);
    state_as("shina_wall_one", "select keys.forget(gen_random_uuid(), gen_random_uuid())", got);
    assert_string_equal(got, "");
    OPS.close(st);
}

/* What a store in a role may, and nothing else: from the moment when its domain, and with it its
 * role, is made; also in a connection that is made anew. */
static void
test_a_store_keeps_to_its_role(void **state)
{
    bus_store *st = open_in_role(tests_postgres_url(server), "shina_kept");
    bus_store *other = open_url(tests_postgres_url(server));
    bus_lease  lease = take(st, "kept"), others = take(other, "kept_out");
    int64_t    head;

    (void)state;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(append(st, "kept", &lease, (bus_id){{(uint8_t)i}}, 1, "{}"), BUS_OK);
        assert_int_equal(append(st, "kept_out", &others, (bus_id){{(uint8_t)i}}, 1, "{}"),
                         BUS_DENIED);
        assert_int_equal(append(st, "kept_out", &others, (bus_id){{(uint8_t)i}}, 3000, "{}"),
                         BUS_DENIED);
        assert_int_equal(OPS.heads(st, "kept_out", &head, 1, &err), BUS_DENIED);
        free(sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                 " where application_name = 'victim'"));
    }
    assert_int_equal(OPS.create_domain(st, "kept_later", 1, &err), BUS_OK); /* as who logged in */
    assert_int_equal(OPS.follow_domain(st, "kept", "kept_later", &err), BUS_OK);
    assert_int_equal(OPS.create_domain(st, "views", 1, &err), BUS_INVALID);
    assert_int_equal(OPS.heads(st, "kept_later", &head, 1, &err), BUS_OK);
    assert_int_equal(OPS.heads(st, "kept_out", &head, 1, &err), BUS_DENIED);
    OPS.close(other);
    OPS.close(st);
}

/* Who may not take it does not go on without, but who owns the domain anyway. */
static void
test_a_role_that_is_refused(void **state)
{
    bus_store        *st = open_url(tests_postgres_url(server));
    bus_store_options options = {.role = "shina_refused"};
    char              url[512];

    (void)state;
    (void)take(st, "refused");
    OPS.close(st);
    free(sql("create role stranger login password 'x'"));
    (void)snprintf(url, sizeof(url), "postgres://stranger:x%s",
                   strchr(strstr(tests_postgres_url(server), "://") + 3, '@'));
    options.url = url;
    assert_int_equal(OPS.open(&st, &options, &err), BUS_DENIED);
    free(sql("alter schema refused owner to stranger"));
    assert_int_equal(OPS.open(&st, &options, &err), BUS_OK);
    OPS.close(st);
    free(sql("alter schema refused owner to current_user"));
    options.role = "shina_nobody_has_made";
    assert_int_equal(OPS.open(&st, &options, &err), BUS_OK);
    OPS.close(st);
    free(sql("drop role stranger"));
}

static const bus_shape shapes[] = {
    {.kind = BUS_KIND_BOOL},   {.kind = BUS_KIND_INT},  {.kind = BUS_KIND_NUMBER},
    {.kind = BUS_KIND_STRING}, {.kind = BUS_KIND_UUID}, {.kind = BUS_KIND_DATE},
};
#define COLUMNS 6
static const bus_field fields[COLUMNS] = {
    {.name = "a", .shape = &shapes[0]}, {.name = "b", .shape = &shapes[1]},
    {.name = "c", .shape = &shapes[2]}, {.name = "d", .shape = &shapes[3]},
    {.name = "e", .shape = &shapes[4]}, {.name = "f", .shape = &shapes[5]},
};
static const bus_column columns[COLUMNS] = {
    {.name = "a", .field = &fields[0]}, {.name = "b", .field = &fields[1], .sort = true},
    {.name = "c", .field = &fields[2]}, {.name = "d", .field = &fields[3], .sort = true},
    {.name = "e", .field = &fields[4]}, {.name = "f", .field = &fields[5]},
};
static const bus_contract      walls = {.module = "walls"};
static const bus_view_contract view = {
    .name = "walled", .contract = &walls, .columns = columns, .columns_count = COLUMNS, .hash = 42};

static void
test_columns_have_their_types_and_rows_their_tenant(void **state)
{
#define TEXT(s)          \
    {                    \
        s, sizeof(s) - 1 \
    }
    static const bus_str values[COLUMNS] = {TEXT("f"),
                                            TEXT("-7"),
                                            TEXT("2.5"),
                                            TEXT("don't \"{}\", \\ né"),
                                            TEXT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
                                            TEXT("2026-02-28")};
    static const bus_str nulls[COLUMNS];
    bus_store           *st = open_url(tests_postgres_url(server));
    bus_checkpoint       place[1];
    bus_row_write        rows[2] = {{.view = &view,
                                     .view_version = 3,
                                     .tenant = {{1}},
                                     .id = {{1}},
                                     .version = 1,
                                     .body = BUS_STR("{}"),
                                     .columns = values},
                                    {.view = &view,
                                     .view_version = 3,
                                     .tenant = {{2}},
                                     .id = {{1}},
                                     .version = 1,
                                     .body = BUS_STR("{}"),
                                     .columns = nulls}};
    bus_effect           effect = {.home = "walled",
                                   .reader = "r",
                                   .domain = "walled",
                                   .checkpoints = place,
                                   .checkpoints_count = 1,
                                   .rows = rows,
                                   .rows_count = 2};
    char                *table, *got;

    (void)state;
    (void)take(st, "walled");
    assert_int_equal(OPS.view_create(st, &view, 3, &err), BUS_OK);
    assert_int_equal(OPS.checkpoint_take(st, "walled", "r", "walled", "me", false, place, 1, &err),
                     BUS_OK);
    if (OPS.effect(st, &effect, &err) != BUS_OK)
        fail_msg("effect: %s", err.text);
    atomic_store(&waits_fail, 1); /* in the pipeline: it must come to an end */
    assert_int_equal(OPS.effect(st, &effect, &err), BUS_UNKNOWN);
    assert_int_equal(atomic_load(&waits_fail), 0);
    if (OPS.effect(st, &effect, &err) != BUS_OK)
        fail_msg("effect: %s", err.text);
    table = sql("select relname from pg_class where relnamespace = 'views'::regnamespace"
                " and relkind = 'r' and relname like 'walled%%'");
    got = sql("select (a, b, c, d, e, f)::text from views.%s order by tenant", table);
    assert_string_equal(got, "(f,-7,2.5,\"don't \"\"{}\"\", \\\\ né\","
                             "6ba7b810-9dad-11d1-80b4-00c04fd430c8,2026-02-28)");
    free(got);
    got = sql("select (a, b, c, d, e, f)::text from views.%s order by tenant desc", table);
    assert_string_equal(got, "(,,,,,)");
    free(got);
    got = sql("set role shina_edge; select count(*) from views.%s", table);
    assert_string_equal(got, "0");
    free(got);
    got = sql("set role shina_edge;"
              "select set_config('shina.tenant', '01000000-0000-0000-0000-000000000000', false);"
              "select count(*) from views.%s",
              table);
    assert_string_equal(got, "1");
    free(got);
    free(table);
    OPS.close(st);
}

/* --- plans ------------------------------------------------------------------ */

static void
test_the_log_is_never_scanned_whole(void **state)
{
    static const char scans[] =
        "select coalesce(sum(seq_scan), 0) from pg_stat_user_tables where schemaname = 'plans'"
        " and relname in ('events', 'claims', 'timers')";
    static const uint16_t partitions[] = {0};
    bus_store            *st = open_url(tests_postgres_url(server));
    bus_lease             lease = take(st, "plans");
    const struct timespec a_while = {.tv_nsec = 300000000};
    bus_id                ids[2] = {{{1}}, {{2}}};
    bus_arena             arena = {0};
    bus_timer            *timers;
    int64_t               next_ms;
    int                   before, count = 0;

    (void)state;
    OPS.close(st); /* hands its counters in: making an index counts as a scan */
    (void)nanosleep(&a_while, NULL);
    before = sql_number(scans);
    st = open_url(tests_postgres_url(server));
    assert_int_equal(append(st, "plans", &lease, ids[0], 3000, "{}"), BUS_OK);
    for (int i = 2; i < 20; i++)
        assert_int_equal(append(st, "plans", &lease, (bus_id){{(uint8_t)i}}, 5, "{}"), BUS_OK);
    assert_int_equal(append(st, "plans", &lease, ids[1], 5, "{}"), BUS_DUPLICATE);
    assert_int_equal(OPS.load(st, "plans", ids, 2, count_record, &count, &err), BUS_OK);
    assert_int_equal(OPS.read(st, "plans", 0, 0, 10, count_record, &count, &err), BUS_OK);
    assert_int_equal(
        OPS.timers_due(st, "plans", partitions, 1, 0, 5, &arena, &timers, &count, &next_ms, &err),
        BUS_OK);
    assert_int_equal(found_after_retaking(st, "plans", ids[1]), 1);
    OPS.close(st);
    (void)nanosleep(&a_while, NULL);
    assert_int_equal(sql_number(scans), before);
    bus_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_is_not_there),
        cmocka_unit_test(test_nobody_takes_over_while_indexes_are_made),
        cmocka_unit_test(test_a_connection_that_died_while_idle_is_made_anew),
        cmocka_unit_test(test_a_crashed_server_is_unavailable_until_it_is_back),
        cmocka_unit_test(test_an_answer_that_could_not_be_waited_for_is_nobody_elses),
        cmocka_unit_test(test_a_lease_knows_the_commit_it_waited_for),
        cmocka_unit_test(test_a_break_during_a_call_is_unknown),
        cmocka_unit_test(test_a_break_before_the_commit_was_sent_is_unavailable),
        cmocka_unit_test(test_a_commit_whose_answer_is_lost_is_found_later),
        cmocka_unit_test(test_a_writer_that_stopped_in_its_transaction_is_put_out),
        cmocka_unit_test(test_bytes_that_are_no_json_are_invalid),
        cmocka_unit_test(test_a_read_only_database_is_full),
        cmocka_unit_test(test_a_statement_that_no_longer_fits_is_prepared_anew),
        cmocka_unit_test(test_an_unknown_domain_is_not_found),
        cmocka_unit_test(test_a_domain_writes_its_own_schema_only),
        cmocka_unit_test(test_a_store_keeps_to_its_role),
        cmocka_unit_test(test_a_role_that_is_refused),
        cmocka_unit_test(test_columns_have_their_types_and_rows_their_tenant),
        cmocka_unit_test(test_the_log_is_never_scanned_whole),
    };
    int failed;

    server = tests_postgres_start(false);
    failed = cmocka_run_group_tests_name("store postgres, faults", tests, NULL, NULL);
    tests_postgres_stop(server);
    return failed;
}
