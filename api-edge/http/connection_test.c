/* connection_test.c - who is cut when, and whose place a new connection takes. A connection is a
 * socket of ours; from where it comes is told in the place of libmicrohttpd.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/connection.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLACES 10
#define SPARE 64 /* as in connection.c */
#define IDLE_S 5
#define ALL (PLACES + 2 * SPARE)

/* What stands for a struct MHD_Connection. */
typedef struct {
    struct sockaddr_in       from;
    int                      ours, theirs;
    edge_connection         *kept;
    union MHD_ConnectionInfo info;
} client;

static edge      e;
static edge_loop loop;
static int64_t   now_us;
static client    clients[ALL];

const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(struct MHD_Connection *connection,
                                                               enum MHD_ConnectionInfoType type,
                                                               ...);

const union MHD_ConnectionInfo *
__wrap_MHD_get_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type,
                               ...)
{
    client *c = (client *)(void *)connection;

    if (type == MHD_CONNECTION_INFO_CONNECTION_FD)
        c->info.connect_fd = c->ours;
    else
        c->info.client_addr = (struct sockaddr *)(void *)&c->from;
    return &c->info;
}

static int64_t
mono_us(void *context)
{
    (void)context;
    return now_us;
}

static const bus_clock clock_of_test = {.mono_us = mono_us};

static struct sockaddr_in
from(int network)
{
    struct sockaddr_in out = {.sin_family = AF_INET};

    out.sin_addr.s_addr = htonl(0xc0000200U + (uint32_t)network);
    return out;
}

/* As the server does it. */
static edge_connection *
open_one(int nth, int network)
{
    client *c = &clients[nth];
    int     pair[2];

    c->from = from(network);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    c->ours = pair[0];
    c->theirs = pair[1];
    c->kept = edge_connection_open(&loop, (struct MHD_Connection *)(void *)c);
    loop.connections++;
    return c->kept;
}

static void
close_one(client *c)
{
    edge_connection_close(c->kept);
    loop.connections--;
    (void)close(c->ours);
    (void)close(c->theirs);
    c->kept = NULL;
}

/* Its client reads the end. */
static bool
is_cut(int nth)
{
    char byte;

    return read(clients[nth].theirs, &byte, 1) == 0;
}

static int
cut_of(int first, int count)
{
    int out = 0;

    for (int i = first; i < first + count; i++)
        out += is_cut(i);
    return out;
}

static bool
may_come(int network)
{
    struct sockaddr_in address = from(network);

    return edge_connection_may_come(&loop, (struct sockaddr *)(void *)&address);
}

static int
begin(void **state)
{
    (void)state;
    memset(clients, 0, sizeof(clients));
    loop = (edge_loop){.e = &e};
    e.options = (edge_options){
        .clock = &clock_of_test, .connections_max = PLACES, .idle_timeout_s = IDLE_S};
    now_us = 1000000;
    return 0;
}

static int
end(void **state)
{
    (void)state;
    for (int i = 0; i < ALL; i++)
        if (clients[i].kept != NULL)
            close_one(&clients[i]);
    return loop.clients == NULL && loop.connections == 0 ? 0 : -1;
}

static void
after(int seconds)
{
    now_us += (int64_t)seconds * 1000000;
    edge_connections_look(&loop);
}

static void
test_slow_ones_are_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        (void)open_one(i, i);
    edge_connection_reads_body(clients[1].kept);
    clients[1].kept->bytes = 4096 * 7;
    edge_connection_works(clients[2].kept);
    edge_connection_writes(clients[3].kept, 4096 * 20);
    after(2 * IDLE_S);
    assert_int_equal(cut_of(0, 5), 0);
    after(1);
    assert_true(is_cut(0) && is_cut(4));
    assert_int_equal(cut_of(1, 3), 0);
    after(7);
    assert_true(is_cut(1));
    assert_int_equal(cut_of(2, 2), 0);
    after(13);
    assert_true(is_cut(3));
    after(1000);
    assert_false(is_cut(2)); /* whoever waits for us is not slow */
}

static void
test_the_next_request_has_its_own_time(void **state)
{
    (void)state;
    (void)open_one(0, 0);
    after(2 * IDLE_S);
    edge_connection_writes(clients[0].kept, 10);
    edge_connection_reads_head(clients[0].kept);
    after(2 * IDLE_S);
    assert_false(is_cut(0));
    after(1);
    assert_true(is_cut(0));
}

/* Who has the most gives the one that has waited longest. */
static void
test_a_new_one_takes_a_place_of_whom_has_most(void **state)
{
    (void)state;
    (void)open_one(0, 1);
    for (int i = 1; i < PLACES; i++) {
        now_us++;
        (void)open_one(i, 2);
    }
    edge_connection_works(clients[1].kept); /* its request is at work: it stays */
    assert_false(open_one(PLACES, 3)->over);
    assert_true(is_cut(2));
    assert_int_equal(cut_of(0, 2) + cut_of(3, PLACES - 2), 0);
    assert_false(open_one(PLACES + 1, 3)->over);
    assert_true(is_cut(3));
}

static void
test_whom_there_is_no_place_for_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES; i++)
        (void)open_one(i, 2);
    assert_true(open_one(PLACES, 2)->over); /* his own takes none */
    assert_int_equal(cut_of(0, PLACES + 1), 0);
    after(3);
    assert_true(is_cut(PLACES)); /* soon gone, if it says nothing */
    assert_int_equal(cut_of(0, PLACES), 0);
    for (int i = 0; i < PLACES; i++)
        edge_connection_works(clients[i].kept);
    assert_true(open_one(PLACES + 1, 3)->over); /* all are at work */
}

static void
test_over_the_spare_ones_only_others_come(void **state)
{
    (void)state;
    for (int i = 0; i < PLACES + SPARE; i++) {
        assert_true(may_come(2));
        (void)open_one(i, 2);
    }
    assert_false(may_come(2));
    assert_true(may_come(3));
    assert_false(open_one(PLACES + SPARE, 3)->over);
    assert_int_equal(cut_of(0, PLACES + SPARE), 1);
    assert_true(edge_connections_bound(&loop) > PLACES + 2 * SPARE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slow_ones_are_cut, begin, end),
        cmocka_unit_test_setup_teardown(test_the_next_request_has_its_own_time, begin, end),
        cmocka_unit_test_setup_teardown(test_a_new_one_takes_a_place_of_whom_has_most, begin, end),
        cmocka_unit_test_setup_teardown(test_whom_there_is_no_place_for_is_told, begin, end),
        cmocka_unit_test_setup_teardown(test_over_the_spare_ones_only_others_come, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
