/* look_up_test.c - a name that there is, one that there is not, and nobody who waits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/look_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef struct {
    int  calls;
    char addresses[400], why[200];
} seen;

static void
note(void *context, const char *addresses, const char *why)
{
    seen *s = context;

    s->calls++;
    (void)snprintf(s->addresses, sizeof(s->addresses), "%s", addresses == NULL ? "" : addresses);
    (void)snprintf(s->why, sizeof(s->why), "%s", why == NULL ? "" : why);
}

static seen
look_up(const char *host, bool cancel)
{
    seen          s = {0};
    uv_loop_t     loop;
    edge_look_up *l;

    assert_int_equal(uv_loop_init(&loop), 0);
    l = edge_look_up_begin(&loop, host, note, &s);
    if (l != NULL && cancel)
        edge_look_up_cancel(l);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return s;
}

static void
test_a_name(void **state)
{
    seen s = look_up("localhost", false);

    (void)state;
    assert_int_equal(s.calls, 1);
    s.addresses[strcspn(s.addresses, ",")] = '\0';
    assert_true(edge_is_numeric(s.addresses));
    assert_string_equal(s.why, "");
}

static void
test_no_name(void **state)
{
    seen s = look_up(LABEL, false); /* a label is too long for the DNS: nobody is asked */

    (void)state;
    assert_string_equal(s.addresses, "");
    assert_true(s.calls == 0 || s.why[0] != '\0');
}

static void
test_nobody_waits(void **state)
{
    seen s = look_up("localhost", true);

    (void)state;
    assert_int_equal(s.calls, 0);
}

static void
test_digits(void **state)
{
    (void)state;
    assert_true(edge_is_numeric("127.0.0.1") && edge_is_numeric("2001:db8::1"));
    assert_false(edge_is_numeric("localhost") || edge_is_numeric("") || edge_is_numeric("1.2.3"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name),
        cmocka_unit_test(test_no_name),
        cmocka_unit_test(test_nobody_waits),
        cmocka_unit_test(test_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
