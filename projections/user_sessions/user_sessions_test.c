/* user_sessions_test.c - the row by which the edge knows a session.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view user_sessions_projection;

#define USER "00000000-0000-4000-8000-0000000000a1"
#define SESSION "00000000-0000-4000-8000-0000000000e1"

static void
test_a_session(void **state)
{
    (void)state;
    view_story(&user_sessions_projection);
    projects("users.session_began.v1", SESSION,
             "{'user_id':'" USER "','generation':2,'family':'sha256:f','token':'sha256:1',"
             "'device':'a phone','expires_at':1700000000000}");
    then_row(SESSION, "{'user_id':'" USER "','generation':2,'status':'OPEN','device':'a phone',"
                      "'expires_at':1700000000000,'refreshed_at':null}");
    projects("users.session_refreshed.v1", SESSION, "{'token':'sha256:2'}");
    then_row(SESSION, "{'status':'OPEN'}");
    projects("users.session_revoked.v1", SESSION, "{'reason':'REUSED'}");
    then_row(SESSION, "{'status':'ENDED','end_reason':'REUSED'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_session)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
