/* session_test.c - stories of refresh tokens: each is taken once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/story_users.h"

#define USER "00000000-0000-4000-8000-0000000000a1"
#define FAMILY HASH("fa")
#define FIRST HASH("01")
#define SECOND HASH("02")
#define THIRD HASH("03")
#define REFRESH(family, token, next)                                                               \
    "{'user_id':'" USER "','generation':2,'family':'" family "','token':'" token "','next':'" next \
    "'}"

static void
a_session(void)
{
    story(&users_module, "session");
    at_time(T0);
    given("users.session_began.v1", "{'user_id':'" USER "','generation':2,'family':'" FAMILY
                                    "','token':'" FIRST "','expires_at':1702592000000}");
}

static void
test_it_begins(void **state)
{
    (void)state;
    story(&users_module, "session");
    at_time(T0);
    as_role("SERVICE");
    when("users.begin", "{'user_id':'" USER "','generation':2,'family':'" FAMILY "','token':'" FIRST
                        "','device':'a phone'}");
    then_exactly("users.session_began.v1",
                 "{'user_id':'" USER "','generation':2,'family':'" FAMILY "','token':'" FIRST
                 "','device':'a phone','expires_at':1702592000000}");
}

static void
test_each_token_is_taken_once(void **state)
{
    (void)state;
    a_session();
    when("users.refresh", REFRESH(FAMILY, FIRST, SECOND));
    then_exactly("users.session_refreshed.v1", "{'token':'" SECOND "'}");
    when("users.refresh", REFRESH(FAMILY, SECOND, THIRD));
    then_exactly("users.session_refreshed.v1", "{'token':'" THIRD "'}");
    when("users.confirm", "{'token':'" THIRD "'}");
    then_nothing_more();
    when("users.confirm", "{'token':'" SECOND "'}");
    then_refused("SESSION_TOKEN_USED");
    when("users.refresh", REFRESH(FAMILY, FIRST, SECOND)); /* a thief, or his victim: it is over */
    then_exactly("users.session_revoked.v1", "{'reason':'REUSED'}");
    then_nothing_more();
    when("users.confirm", "{'token':'" SECOND "'}");
    then_refused("SESSION_OVER");
    when("users.refresh", REFRESH(FAMILY, THIRD, SECOND));
    then_refused("SESSION_OVER");
    when("users.end", "{'reason':'LOGGED_OUT'}");
    then_nothing_more();
}

/* Who guesses does not end it. */
static void
test_a_guess_is_not_a_used_token(void **state)
{
    (void)state;
    a_session();
    when("users.refresh", REFRESH(OTHER, FIRST, SECOND));
    then_refused("SESSION_TOKEN_WRONG");
    when("users.refresh", "{'user_id':'" STORY_ACTOR "','generation':2,'family':'" FAMILY
                          "','token':'" FIRST "','next':'" SECOND "'}");
    then_refused("SESSION_TOKEN_WRONG");
}

static void
test_it_is_over_in_time_and_with_the_generation(void **state)
{
    (void)state;
    a_session();
    when("users.refresh", "{'user_id':'" USER "','generation':3,'family':'" FAMILY
                          "','token':'" FIRST "','next':'" SECOND "'}");
    then_refused("SESSION_OVER");
    at_time(INT64_C(1702592000000));
    when("users.refresh", REFRESH(FAMILY, FIRST, SECOND));
    then_refused("SESSION_OVER");
}

static void
test_revoked_by_its_user_or_an_admin(void **state)
{
    (void)state;
    a_session();
    as_role("DISPATCHER");
    when("users.revoke", "{}");
    then_refused("SESSION_NOT_YOURS");
    as_user(USER);
    when("users.revoke", "{}");
    then_exactly("users.session_revoked.v1", "{'reason':'REVOKED'}");
    a_session();
    when("users.revoke", "{}"); /* an ADMIN */
    then_event("users.session_revoked.v1", "{}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_begins),
        cmocka_unit_test(test_each_token_is_taken_once),
        cmocka_unit_test(test_a_guess_is_not_a_used_token),
        cmocka_unit_test(test_it_is_over_in_time_and_with_the_generation),
        cmocka_unit_test(test_revoked_by_its_user_or_an_admin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
