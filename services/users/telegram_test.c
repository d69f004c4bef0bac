/* telegram_test.c - stories of users and their accounts of Telegram.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/story_users.h"

static void
test_linked_by_a_code(void **state)
{
    (void)state;
    a_user("DISPATCHER");
    as_role("DISPATCHER");
    as_user(STORY_STREAM);
    when("users.make_telegram_code", "{'code':'" OTHER "'}");
    then_exactly("users.telegram_code_made.v1", "{'code':'" OTHER "','expires_at':1700000600000}");
    as_role("VIEWER");
    with_grant("telegram.link");
    as_user(STORY_ACTOR);
    when("users.link_telegram", "{'code':'" CODE "','telegram_id':'123456789'}");
    then_refused("USER_CODE_WRONG");
    when("users.link_telegram", "{'code':'" OTHER "','telegram_id':'123456789'}");
    then_claimed("user_telegram", "123456789", "USER_TELEGRAM_TAKEN");
    then_exactly("users.telegram_linked.v1", "{'telegram_id':'123456789'}");
    when("users.link_telegram", "{'code':'" OTHER "','telegram_id':'987654321'}"); /* once */
    then_refused("USER_CODE_WRONG");
}

static void
test_a_code_for_telegram_expires(void **state)
{
    (void)state;
    a_user("VIEWER");
    given("users.telegram_code_made.v1", "{'code':'" OTHER "','expires_at':1700000600000}");
    as_role("VIEWER");
    when("users.link_telegram", "{'code':'" OTHER "','telegram_id':'123456789'}");
    then_refused("USER_BY_BOT");
    with_grant("telegram.link");
    at_time(T0 + 10 * MIN_MS);
    when("users.link_telegram", "{'code':'" OTHER "','telegram_id':'123456789'}");
    then_refused("USER_CODE_EXPIRED");
}

static void
test_only_ones_own(void **state)
{
    (void)state;
    a_user("VIEWER");
    as_role("DISPATCHER");
    when("users.make_telegram_code", "{'code':'" OTHER "'}");
    then_refused("USER_NOT_YOURS");
    when("users.unlink_telegram", "{}");
    then_refused("USER_NOT_YOURS");
    as_role("ADMIN");
    when("users.make_telegram_code", "{}");
    then_refused("USER_CODE_NEEDED");
    when("users.make_telegram_code", "{'code':'" OTHER "'}");
    then_event("users.telegram_code_made.v1", "{}");
    given("users.disabled.v1", "{'reason':'left','generation':3}");
    when("users.make_telegram_code", "{'code':'" OTHER "'}");
    then_refused("USER_WRONG_STATE");
}

static void
test_another_account_and_none(void **state)
{
    (void)state;
    a_user("VIEWER");
    given("users.telegram_linked.v1", "{'telegram_id':'123456789'}");
    given("users.telegram_code_made.v1", "{'code':'" OTHER "','expires_at':1700000600000}");
    as_role("SERVICE");
    when("users.link_telegram", "{'code':'" OTHER "','telegram_id':'987654321'}");
    then_released("user_telegram", "123456789");
    then_claimed("user_telegram", "987654321", "USER_TELEGRAM_TAKEN");
    then_event("users.telegram_linked.v1", "{}");
    when("users.unlink_telegram", "{}");
    then_released("user_telegram", "987654321");
    then_event("users.telegram_unlinked.v1", "{}");
    when("users.unlink_telegram", "{}");
    then_nothing_more();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linked_by_a_code),
        cmocka_unit_test(test_a_code_for_telegram_expires),
        cmocka_unit_test(test_only_ones_own),
        cmocka_unit_test(test_another_account_and_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
