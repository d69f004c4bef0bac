/* tenants_test.c - the row of a carrier.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view tenants_projection;

#define TENANT STORY_TENANT
#define ADMIN "{'user_id':'00000000-0000-4000-8000-0000000000a1'}"

static void
test_a_carrier(void **state)
{
    (void)state;
    view_story(&tenants_projection);
    projects("users.admin_seated.v1", TENANT, ADMIN);
    projects("users.tenant_opened.v1", TENANT, "{'tenant_id':'" TENANT "','name':'Перевозчик'}");
    then_row(TENANT, "{'name':'Перевозчик','status':'TRIAL','admins':1}");
    projects("users.tenant_suspended.v1", TENANT, "{'reason':'unpaid'}");
    then_row(TENANT, "{'status':'SUSPENDED','reason':'unpaid'}");
    projects("users.tenant_activated.v1", TENANT, "{}");
    then_row(TENANT, "{'status':'ACTIVE','reason':null}");
    projects("users.admin_removed.v1", TENANT,
             "{'user_id':'00000000-0000-4000-8000-0000000000a1','role':'VIEWER'}");
    projects("users.tenant_closed.v1", TENANT, "{'reason':'gone'}");
    then_row(TENANT, "{'status':'CLOSED','reason':'gone','admins':0}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_carrier)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
