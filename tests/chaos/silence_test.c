/* silence_test.c - a server that goes without a word while its answer is awaited is given up in the
 * time that the store was told, not in that of the kernel.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/store/store.h"
#include "tests/chaos/proxy.h"
#include "tests/chaos/say.h"
#include "tests/chaos/servers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libpq-fe.h>

#define OPS bus_store_postgres
#define PATIENCE_MS 3000
#define LATE_MS 5000 /* before the database's own bound on waiting for a lock, 6 s */
#define DOMAIN "silence"

typedef struct {
    bus_store  *st;
    bus_code    rc;
    bus_error   err;
    int64_t     took_ms;
    atomic_bool done;
} question;

static void *
ask(void *context)
{
    question *q = context;
    int64_t   began = chaos_now_ms(), head;

    q->rc = OPS.heads(q->st, DOMAIN, &head, 1, &q->err);
    q->took_ms = chaos_now_ms() - began;
    atomic_store(&q->done, true);
    return NULL;
}

static int
waiting_for_locks(PGconn *conn)
{
    PGresult *res = PQexec(conn, "select count(*) from pg_locks where not granted");
    int       count = (int)strtol(PQgetvalue(res, 0, 0), NULL, 10);

    PQclear(res);
    return count;
}

static void
test_who_awaits_an_answer_notices(void **state)
{
    chaos_servers     servers;
    char              url[CHAOS_URL_BYTES];
    bus_store_options options = {.url = url, .patience_ms = PATIENCE_MS};
    question          q = {0};
    proxy            *p;
    PGconn           *holder;
    pthread_t         thread;
    int64_t           head;

    (void)state;
    chaos_servers_start(&servers);
    p = proxy_start(servers.postgres_socket);
    chaos_servers_database_by(&servers, "127.0.0.1", proxy_port(p), url);
    assert_int_equal(OPS.open(&q.st, &options, &q.err), BUS_OK);
    assert_int_equal(OPS.create_domain(q.st, DOMAIN, 1, &q.err), BUS_OK);
    assert_int_equal(OPS.heads(q.st, DOMAIN, &head, 1, &q.err), BUS_OK);
    holder = PQconnectdb(servers.database_url);
    PQclear(PQexec(holder, "begin; lock table " DOMAIN ".partitions in access exclusive mode"));
    assert_int_equal(pthread_create(&thread, NULL, ask, &q), 0);
    while (waiting_for_locks(holder) == 0)
        chaos_pause_ms(10);
    chaos_pause_ms(200); /* the question is acknowledged by TCP: nothing is sent again */
    assert_false(atomic_load(&q.done));
    proxy_set(p, PROXY_HOLE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(q.rc, BUS_UNAVAILABLE);
    assert_true(q.took_ms < LATE_MS);
    proxy_set(p, PROXY_PASS);
    PQfinish(holder);
    assert_int_equal(OPS.heads(q.st, DOMAIN, &head, 1, &q.err), BUS_OK);
    OPS.close(q.st);
    proxy_stop(p);
    chaos_servers_stop(&servers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_awaits_an_answer_notices)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
