/* webhooks_test.c - a subscription as its owner sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view webhooks_projection;

#define ID "00000000-0000-4000-8000-0000000000e1"
#define PLACE "{'domain':'trips','partition':3,'offset':17}"

static void
test_a_subscription(void **state)
{
    (void)state;
    view_story(&webhooks_projection);
    projects("webhooks.subscribed.v1", ID,
             "{'url':'https://example.com/','domains':['trips'],'types':['trips.planned.v1'],"
             "'streams':['" ID "'],'personal':true,'secret':'sec:1:k:A'}");
    then_row(ID, "{'url':'https://example.com/','domains':['trips'],'types':['trips.planned.v1'],"
                 "'streams':['" ID "'],'personal':true,'status':'ACTIVE'}");
    projects("webhooks.parked.v1", ID, "{'reason':'HTTP 500','at':" PLACE "}");
    then_row(ID, "{'status':'PARKED','reason':'HTTP 500','stuck':" PLACE "}");
    projects("webhooks.resumed.v1", ID, "{}");
    then_row(ID, "{'status':'ACTIVE'}");
    projects("webhooks.disabled.v1", ID, "{'reason':'HTTP 410','at':" PLACE "}");
    then_row(ID, "{'status':'DISABLED','reason':'HTTP 410'}");
    projects("webhooks.resumed.v1", ID, "{}");
    projects("webhooks.paused.v1", ID, "{}");
    then_row(ID, "{'status':'PAUSED'}");
    projects("webhooks.secret_rotated.v1", ID, "{'secret':'sec:1:k:B','previous_until_at':7}");
    projects("webhooks.replay_asked.v1", ID, "{'from_at':7}");
    then_row(ID, "{'status':'PAUSED'}");
    projects("webhooks.deleted.v1", ID, "{}");
    then_no_row(ID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_subscription)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
