/* limits_test.c - a table of buckets that is full.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/limits/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384 /* as many as the table holds */
#define PER_MIN 1000

/* In place of libmicrohttpd's: nobody knows from where a request comes. */
const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(struct MHD_Connection *connection,
                                                               enum MHD_ConnectionInfoType type,
                                                               ...);

const union MHD_ConnectionInfo *
__wrap_MHD_get_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type,
                               ...)
{
    (void)connection;
    (void)type;
    return NULL;
}

typedef struct {
    edge      e;
    edge_loop loop;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));

    if (f == NULL || uv_loop_init(&f->loop.uv) != 0)
        return -1;
    f->e.options.clock = bus_clock_system();
    f->e.options.limits_per_min[EDGE_LIMIT_COMMANDS] = PER_MIN;
    f->loop.e = &f->e;
    f->loop.limits = edge_limits_open(&f->loop);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    edge_limits_close(f->loop.limits);
    (void)uv_run(&f->loop.uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&f->loop.uv) != 0)
        return -1;
    free(f);
    return 0;
}

static edge_request
command_of(fixture *f, int user)
{
    edge_request r = {.loop = &f->loop, .class = EDGE_CLASS_COMMAND};

    r.caller.session.bytes[0] = 1;
    r.caller.tenant.bytes[0] = 1;
    memcpy(r.caller.actor.id.bytes, &user, sizeof(user));
    return r;
}

static int
left_of(fixture *f, int user)
{
    edge_request r = command_of(f, user);

    assert_true(edge_limits_take(&r));
    return r.limit.left;
}

/* The oldest bucket is one that the request itself takes from, and another of it is new. */
static void
test_a_full_table(void **state)
{
    fixture *f = *state;

    for (int user = 0; user < BUCKETS; user++)
        assert_int_equal(left_of(f, user), PER_MIN - 1);
    f->e.options.limits_per_min[EDGE_LIMIT_TENANT] = BUCKETS * 4;
    (void)left_of(f, 0);
    /* It is still there: some tokens have come since, but it was not filled anew. */
    assert_in_range(left_of(f, 0), PER_MIN - 3, PER_MIN - 2);
    /* Another one went, the one that was not used for longest. */
    assert_int_equal(left_of(f, 1), PER_MIN - 1);
}

/* Heads of many batches came while there was one token for each; each stands for many lines. */
static void
test_a_batch_spends_what_it_stands_for(void **state)
{
    fixture     *f = *state;
    edge_request batches[4];

    for (int i = 0; i < 4; i++) {
        batches[i] = command_of(f, 1);
        assert_true(edge_limits_take(&batches[i]));
    }
    assert_true(edge_limits_add(&batches[0], PER_MIN - 1));
    assert_int_equal(batches[0].limit.left, 0);              /* and that is what is told */
    assert_false(edge_limits_add(&batches[1], PER_MIN - 1)); /* there is a debt */
    assert_true(batches[1].limit.refused && batches[1].answered);
    MHD_destroy_response(batches[1].held);
    bus_buf_fini(&batches[1].out);
    bus_arena_fini(&batches[1].arena);
    assert_int_equal(edge_limits_commands(&batches[2]), PER_MIN);
    batches[3].caller.session = BUS_ID_NIL; /* an operator's */
    assert_true(edge_limits_add(&batches[3], PER_MIN));
    assert_int_equal(edge_limits_commands(&batches[3]), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_full_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_spends_what_it_stands_for, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
