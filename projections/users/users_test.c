/* users_test.c - the row by which the edge knows a user.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view users_projection;

#define USER "00000000-0000-4000-8000-0000000000a1"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"

static void
test_a_user(void **state)
{
    (void)state;
    view_story(&users_projection);
    projects("users.invited.v1", USER,
             "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER','grants':['finance.read'],"
             "'code':'sha256:00','expires_at':1700000000000}");
    then_row(USER, "{'email':'a@b.ru','status':'INVITED','generation':1,'telegram':false,"
                   "'grants':['finance.read'],'invitation_expires_at':1700000000000}");
    projects("users.reinvited.v1", USER, "{'code':'sha256:01','expires_at':1700000000001}");
    then_row(USER, "{'invitation_expires_at':1700000000001}");
    projects("users.invitation_accepted.v1", USER, "{'password':'sec:1:k:A','generation':2}");
    then_row(USER, "{'status':'ACTIVE','password':'sec:1:k:A','generation':2,"
                   "'invitation_expires_at':null}");
    projects("users.password_changed.v1", USER, "{'password':'sec:1:k:B','generation':3}");
    then_row(USER, "{'password':'sec:1:k:B','generation':3}");
    projects("users.role_changed.v1", USER,
             "{'role':'DRIVER','driver_id':'" DRIVER "','generation':4}");
    then_row(USER, "{'role':'DRIVER','driver_id':'" DRIVER "','generation':4}");
    projects("users.grants_changed.v1", USER, "{'grants':[],'generation':5}");
    then_row(USER, "{'grants':[],'generation':5}");
    projects("users.logged_in.v1", USER, "{'session_id':'" DRIVER "'}");
    projects("users.totp_begun.v1", USER, "{'totp_secret':'sec:1:k:T'}");
    then_row(USER, "{'totp':false,'totp_secret':'sec:1:k:T'}");
    projects("users.totp_enabled.v1", USER, "{'step':7,'generation':6}");
    then_row(USER, "{'totp':true,'generation':6}");
    projects("users.totp_disabled.v1", USER, "{'generation':7}");
    then_row(USER, "{'totp':false,'totp_secret':null,'generation':7}");
    projects("users.telegram_linked.v1", USER, "{'telegram_id':'1'}");
    then_row(USER, "{'telegram':true}");
    projects("users.telegram_unlinked.v1", USER, "{}");
    then_row(USER, "{'telegram':false}");
}

static void
test_a_user_is_kept_out(void **state)
{
    (void)state;
    view_story(&users_projection);
    projects("users.invited.v1", USER,
             "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER','code':'sha256:00',"
             "'expires_at':1700000000000}");
    projects("users.invitation_accepted.v1", USER, "{'password':'sec:1:k:A','generation':2}");
    projects("users.locked.v1", USER, "{'by':'FAILURES','until_at':1700000000000,'generation':2}");
    then_row(USER, "{'status':'LOCKED','locked_until_at':1700000000000,'generation':2}");
    projects("users.unlocked.v1", USER, "{}");
    then_row(USER, "{'status':'ACTIVE','locked_until_at':null}");
    projects("users.locked.v1", USER, "{'by':'BY_HAND','reason':'lost','generation':3}");
    then_row(USER, "{'status':'LOCKED','status_reason':'lost','generation':3}");
    projects("users.disabled.v1", USER, "{'reason':'left','generation':4}");
    then_row(USER, "{'status':'DISABLED','status_reason':'left','generation':4}");
    projects("users.enabled.v1", USER, "{}");
    then_row(USER, "{'status':'ACTIVE','status_reason':null,'generation':4}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_user),
                                       cmocka_unit_test(test_a_user_is_kept_out)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
