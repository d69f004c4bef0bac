/* tenant_test.c - stories of carriers and of their last ADMIN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/story_users.h"

#define ANNA "00000000-0000-4000-8000-0000000000a1"
#define BORIS "00000000-0000-4000-8000-0000000000a2"

static void
test_opened_under_its_own_id(void **state)
{
    (void)state;
    story(&users_module, "tenant");
    when("users.open", "{'name':'Перевозчик'}"); /* STORY_STREAM is not STORY_TENANT */
    then_refused("TENANT_ELSEWHERE");
}

static void
test_what_an_operator_decides(void **state)
{
    (void)state;
    story(&users_module, "tenant");
    given("users.tenant_opened.v1", "{'tenant_id':'" STORY_TENANT "','name':'Перевозчик'}");
    when("users.activate", "{}");
    then_refused("TENANT_BY_OPERATOR");
    with_grant("tenants.manage");
    when("users.activate", "{}");
    then_event("users.tenant_activated.v1", "{}");
    when("users.activate", "{}");
    then_refused_with("TENANT_WRONG_STATE", "{'status':'ACTIVE'}");
    when("users.suspend", "{'reason':'unpaid'}");
    then_exactly("users.tenant_suspended.v1", "{'reason':'unpaid'}");
    when("users.suspend", "{'reason':'unpaid'}");
    then_refused_with("TENANT_WRONG_STATE", "{'status':'SUSPENDED'}");
    when("users.activate", "{}");
    then_event("users.tenant_activated.v1", "{}");
    when("users.close", "{'reason':'gone'}");
    then_event("users.tenant_closed.v1", "{}");
    when("users.activate", "{}");
    then_refused_with("TENANT_WRONG_STATE", "{'status':'CLOSED'}");
    when("users.close", "{'reason':'gone'}");
    then_refused("TENANT_WRONG_STATE");
}

static void
test_the_last_admin_stays(void **state)
{
    (void)state;
    story(&users_module, "tenant");
    as_role("SERVICE");
    when("users.seat_admin", "{'user_id':'" ANNA "'}");
    then_exactly("users.admin_seated.v1", "{'user_id':'" ANNA "'}");
    when("users.seat_admin", "{'user_id':'" ANNA "'}");
    then_nothing_more();
    as_role("ADMIN");
    when("users.remove_admin", "{'user_id':'" ANNA "','role':'VIEWER'}");
    then_refused("USER_LAST_ADMIN");
    when("users.remove_admin", "{'user_id':'" BORIS "','role':'VIEWER'}");
    then_refused("USER_NOT_ADMIN");
    given("users.admin_seated.v1", "{'user_id':'" BORIS "'}");
    as_user(ANNA);
    when("users.remove_admin", "{'user_id':'" ANNA "','role':'VIEWER'}");
    then_refused("USER_OWN_ROLE");
    when("users.remove_admin", "{'user_id':'" BORIS "','role':'DISPATCHER'}");
    then_exactly("users.admin_removed.v1", "{'user_id':'" BORIS "','role':'DISPATCHER'}");
    then_sent("users.take_role", BORIS, "{'role':'DISPATCHER'}");
    as_user(BORIS); /* who does not know it yet */
    when("users.remove_admin", "{'user_id':'" ANNA "','role':'VIEWER'}");
    then_refused("USER_LAST_ADMIN");
}

static void
test_seats_are_bounded(void **state)
{
    char user[100];

    (void)state;
    story(&users_module, "tenant");
    for (int i = 0; i < 64; i++) {
        (void)snprintf(user, sizeof(user), "{'user_id':'00000000-0000-4000-8000-%012d'}", i + 1);
        given("users.admin_seated.v1", user);
    }
    as_role("SERVICE");
    when("users.seat_admin", "{'user_id':'" ANNA "'}");
    then_exactly("users.admin_unseated.v1", "{'user_id':'" ANNA "'}"); /* nor stays she an ADMIN */
    then_sent("users.take_role", ANNA, "{'role':'VIEWER'}");
    as_role("ADMIN");
    when("users.remove_admin", "{'user_id':'" ANNA "','role':'VIEWER'}");
    then_refused("USER_NOT_ADMIN");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opened_under_its_own_id),
        cmocka_unit_test(test_what_an_operator_decides),
        cmocka_unit_test(test_the_last_admin_stays),
        cmocka_unit_test(test_seats_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
