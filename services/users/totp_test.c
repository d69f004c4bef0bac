/* totp_test.c - stories of one-time passwords.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/story_users.h"

#define SECRET "'sec:1:k:TTTTTTTTTTTT'"
/* Of the generation since they are on. */
#define LOG_IN "{'generation':3,'session_id':'00000000-0000-4000-8000-0000000000e1'}"
#define LOG_IN_WITH(step) \
    "{'generation':3,'session_id':'00000000-0000-4000-8000-0000000000e1','totp_step':" step "}"

static void
test_switched_on_when_it_has_arrived(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.enable_totp", "{'checked':" SECRET ",'step':100}");
    then_refused("USER_STALE");
    when("users.begin_totp", "{'totp_secret':" SECRET "}");
    then_exactly("users.totp_begun.v1", "{'totp_secret':" SECRET "}");
    when("users.log_in", "{'generation':2,'session_id':'00000000-0000-4000-8000-0000000000e1'}");
    then_event("users.logged_in.v1", "{}");
    when("users.enable_totp", "{'checked':'sec:1:k:ANOTHER','step':100}");
    then_refused("USER_STALE");
    when("users.enable_totp", "{'checked':" SECRET ",'step':100}");
    then_exactly("users.totp_enabled.v1", "{'step':100,'generation':3}"); /* sessions end */
    when("users.stay", "{'generation':2}");
    then_refused("USER_STALE");
    when("users.enable_totp", "{'checked':" SECRET ",'step':101}");
    then_refused("USER_TOTP_ON");
    when("users.begin_totp", "{'totp_secret':" SECRET "}");
    then_refused("USER_TOTP_ON");
}

static void
test_each_is_taken_once(void **state)
{
    (void)state;
    a_user("VIEWER");
    given("users.totp_begun.v1", "{'totp_secret':" SECRET "}");
    given("users.totp_enabled.v1", "{'step':100,'generation':3}");
    when("users.log_in", LOG_IN);
    then_refused("USER_TOTP_NEEDED");
    when("users.log_in", LOG_IN_WITH("100"));
    then_refused("USER_TOTP_USED");
    when("users.log_in", LOG_IN_WITH("101"));
    then_event("users.logged_in.v1", "{'totp_step':101}");
    when("users.log_in", LOG_IN_WITH("101"));
    then_refused("USER_TOTP_USED");
    when("users.log_in", LOG_IN_WITH("99"));
    then_refused("USER_TOTP_USED");
    when("users.log_in", LOG_IN_WITH("102"));
    then_event("users.logged_in.v1", "{'totp_step':102}");
}

static void
test_switched_off(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.disable_totp", "{}");
    then_refused("USER_TOTP_OFF");
    given("users.totp_begun.v1", "{'totp_secret':" SECRET "}");
    when("users.disable_totp", "{}"); /* begun is not on */
    then_refused("USER_TOTP_OFF");
    given("users.totp_enabled.v1", "{'step':100,'generation':3}");
    when("users.disable_totp", "{}");
    then_exactly("users.totp_disabled.v1", "{'generation':4}");
    when("users.log_in", "{'generation':4,'session_id':'00000000-0000-4000-8000-0000000000e1'}");
    then_event("users.logged_in.v1", "{}");
    when("users.enable_totp", "{'checked':" SECRET ",'step':101}"); /* the old secret is gone */
    then_refused("USER_STALE");
    given("users.locked.v1", "{'by':'BY_HAND','generation':5}");
    when("users.begin_totp", "{'totp_secret':" SECRET "}");
    then_refused("USER_WRONG_STATE");
    when("users.enable_totp", "{'checked':" SECRET ",'step':101}");
    then_refused("USER_WRONG_STATE");
}

/* A code that was seen, or used, does not switch them off. */
static void
test_switched_off_by_himself(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.end_totp", "{'step':101}");
    then_refused("USER_TOTP_OFF");
    given("users.totp_begun.v1", "{'totp_secret':" SECRET "}");
    given("users.totp_enabled.v1", "{'step':100,'generation':3}");
    when("users.log_in", LOG_IN_WITH("101"));
    then_event("users.logged_in.v1", "{'totp_step':101}");
    when("users.end_totp", "{'step':101}");
    then_refused("USER_TOTP_USED");
    when("users.end_totp", "{'step':100}");
    then_refused("USER_TOTP_USED");
    when("users.end_totp", "{'step':102}");
    then_exactly("users.totp_disabled.v1", "{'generation':4}");
    given("users.locked.v1", "{'by':'BY_HAND','generation':5}");
    when("users.end_totp", "{'step':103}");
    then_refused("USER_WRONG_STATE");
}

/* An ADMIN's token does not stand for his password. */
static void
test_no_admin_switches_his_own_off(void **state)
{
    (void)state;
    a_user("ADMIN");
    given("users.totp_begun.v1", "{'totp_secret':" SECRET "}");
    given("users.totp_enabled.v1", "{'step':100,'generation':3}");
    as_user(STORY_STREAM);
    when("users.disable_totp", "{}");
    then_refused("USER_PROOF_NEEDED");
    as_user(STORY_ACTOR);
    when("users.disable_totp", "{}");
    then_event("users.totp_disabled.v1", "{}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switched_on_when_it_has_arrived),
        cmocka_unit_test(test_each_is_taken_once),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_switched_off_by_himself),
        cmocka_unit_test(test_no_admin_switches_his_own_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
