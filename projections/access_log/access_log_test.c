/* access_log_test.c - who came in, and who tried.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view access_log_projection;

#define USER "00000000-0000-4000-8000-0000000000a1"
#define SESSION "00000000-0000-4000-8000-0000000000e1"

/* Each is a row under the id of its command; in stories that is nil. */
#define ROW "00000000-0000-0000-0000-000000000000"

static void
test_who_came_and_who_tried(void **state)
{
    (void)state;
    view_story(&access_log_projection);
    projects("users.logged_in.v1", USER, "{'session_id':'" SESSION "','address':'192.0.2.1'}");
    then_row(ROW, "{'user_id':'" USER "','outcome':'LOGGED_IN','session_id':'" SESSION "'}");
    view_story(&access_log_projection);
    projects("users.log_in_failed.v1", USER, "{'failed_at':1700000000000,'address':'192.0.2.2'}");
    then_row(ROW, "{'user_id':'" USER "','outcome':'FAILED'}");
    projects("users.locked.v1", USER, "{'by':'FAILURES','until_at':1700000000000,'generation':2}");
    then_row(ROW, "{'outcome':'LOCKED'}");
}

static void
test_by_a_lock_by_hand_nobody_came(void **state)
{
    (void)state;
    view_story(&access_log_projection);
    projects("users.locked.v1", USER, "{'by':'BY_HAND','generation':2}");
    then_no_row(ROW);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_came_and_who_tried),
                                       cmocka_unit_test(test_by_a_lock_by_hand_nobody_came)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
