/* driver_account_test.c - stories of drivers who have users, and leave the carrier.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/story_users.h"

#define ANNA "01900000-0000-7000-8000-00000000000a"
#define BORIS "01900000-0000-7000-8000-00000000000b"
#define DRIVER "01900000-0000-7000-8000-0000000000d1"
#define OTHER_DRIVER "01900000-0000-7000-8000-0000000000d2"

/* Who tells the id of another tenant's driver has a stream of his own. */
static void
test_each_tenant_has_its_own(void **state)
{
    bus_id one = {{1}}, other = {{2}}, driver = {{3}};

    (void)state;
    assert_false(bus_id_equal(driver_account_stream(one, driver), driver));
    assert_false(
        bus_id_equal(driver_account_stream(one, driver), driver_account_stream(other, driver)));
}

static void
test_the_user_of_a_driver_leaves_with_him(void **state)
{
    (void)state;
    story(&users_module, "driver_account");
    as_role("SERVICE");
    when("users.open_account", "{'driver_id':'" DRIVER "','user_id':'" ANNA "'}");
    then_exactly("users.account_opened.v1", "{'user_id':'" ANNA "'}");
    when("users.open_account", "{'driver_id':'" DRIVER "','user_id':'" ANNA "'}");
    then_nothing_more();
    when("users.note_left", "{'driver_id':'" DRIVER "'}");
    then_exactly("users.driver_left.v1", "{}");
    then_sent("users.leave", ANNA, "{'driver_id':'" DRIVER "'}");
    when("users.note_left", "{'driver_id':'" DRIVER "'}");
    then_nothing_more();
}

/* Events of two domains come in any order. */
static void
test_whoever_becomes_his_user_later_leaves_too(void **state)
{
    (void)state;
    story(&users_module, "driver_account");
    as_role("SERVICE");
    when("users.note_left", "{'driver_id':'" DRIVER "'}");
    then_exactly("users.driver_left.v1", "{}");
    when("users.open_account", "{'driver_id':'" DRIVER "','user_id':'" BORIS "'}");
    then_exactly("users.account_opened.v1", "{'user_id':'" BORIS "'}");
    then_sent("users.leave", BORIS, "{'driver_id':'" DRIVER "'}");
}

static void
test_who_was_his_user_stays(void **state)
{
    (void)state;
    story(&users_module, "driver_account");
    given("users.account_opened.v1", "{'user_id':'" ANNA "'}");
    as_role("SERVICE");
    when("users.close_account", "{'user_id':'" BORIS "'}");
    then_nothing_more();
    when("users.close_account", "{'user_id':'" ANNA "'}");
    then_exactly("users.account_closed.v1", "{}");
    when("users.note_left", "{'driver_id':'" DRIVER "'}");
    then_exactly("users.driver_left.v1", "{}");
}

static void
test_a_user_leaves(void **state)
{
    (void)state;
    a_user("DRIVER");
    given("users.role_changed.v1", "{'role':'DRIVER','driver_id':'" DRIVER "','generation':3}");
    as_role("SERVICE");
    when("users.leave", "{'driver_id':'" OTHER_DRIVER "'}"); /* his own is another by now */
    then_nothing_more();
    when("users.leave", "{'driver_id':'" DRIVER "'}");
    then_exactly("users.disabled.v1",
                 "{'reason':'the driver has left the carrier','generation':4}");
    when("users.leave", "{'driver_id':'" DRIVER "'}");
    then_nothing_more();
}

/* Who has not accepted yet cannot any more. */
static void
test_an_invited_one_leaves(void **state)
{
    (void)state;
    story(&users_module, "user");
    at_time(T0);
    as_role("ADMIN");
    when("users.invite", "{'email':'ivan@example.com','full_name':'Иванов Иван','role':'DRIVER',"
                         "'driver_id':'" DRIVER "','code':'" CODE "'}");
    then_event("users.invited.v1", "{'driver_id':'" DRIVER "'}");
    then_sent("users.open_account", account_of(DRIVER),
              "{'driver_id':'" DRIVER "','user_id':'" STORY_STREAM "'}");
    as_role("SERVICE");
    when("users.leave", "{'driver_id':'" DRIVER "'}");
    then_event("users.disabled.v1", "{'generation':2}");
    when("users.set_password", "{'code':'" CODE "','password':'sec:1:k:AAAAAAAAAAAAAAAA'}");
    then_refused("USER_WRONG_STATE");
}

/* A driver is forgotten after he was dismissed, and with him his user. */
static void
test_a_forgotten_driver(void **state)
{
    (void)state;
    story(&users_module, "driver_account");
    given("users.account_opened.v1", "{'user_id':'" ANNA "'}");
    given("users.driver_left.v1", "{}");
    as_role("SERVICE");
    when("users.note_forgotten", "{'driver_id':'" DRIVER "'}");
    then_exactly("users.driver_forgotten.v1", "{}");
    then_sent("users.forget", ANNA, "{'driver_id':'" DRIVER "'}");
    when("users.note_forgotten", "{'driver_id':'" DRIVER "'}");
    then_nothing_more();
    when("users.open_account", "{'driver_id':'" DRIVER "','user_id':'" BORIS "'}");
    then_exactly("users.account_opened.v1", "{'user_id':'" BORIS "'}");
    then_sent("users.leave", BORIS, "{'driver_id':'" DRIVER "'}");
    then_sent("users.forget", BORIS, "{'driver_id':'" DRIVER "'}");
}

static void
test_a_forgotten_user(void **state)
{
    (void)state;
    a_user("DRIVER");
    given("users.role_changed.v1", "{'role':'DRIVER','driver_id':'" DRIVER "','generation':3}");
    given("users.telegram_linked.v1", "{'telegram_id':'123456789'}");
    given("users.disabled.v1", "{'reason':'left','generation':4}");
    as_role("SERVICE");
    when("users.forget", "{'driver_id':'" OTHER_DRIVER "'}");
    then_nothing_more();
    when("users.forget", "{'driver_id':'" DRIVER "'}");
    then_released("user_email", "ivan@example.com");
    then_released("user_telegram", "123456789");
    then_exactly("users.forgotten.v1", "{'forgotten_at':1700000000000}");
    when("users.forget", "{'driver_id':'" DRIVER "'}");
    then_nothing_more();
    as_role("ADMIN");
    when("users.enable", "{}");
    then_refused("USER_WRONG_STATE");
}

/* An ADMIN had let him in again. */
static void
test_a_forgotten_user_is_disabled(void **state)
{
    (void)state;
    a_user("DRIVER");
    given("users.role_changed.v1", "{'role':'DRIVER','driver_id':'" DRIVER "','generation':3}");
    as_role("SERVICE");
    when("users.forget", "{'driver_id':'" DRIVER "'}");
    then_released("user_email", "ivan@example.com");
    then_event("users.disabled.v1", "{'generation':4}");
    then_event("users.forgotten.v1", "{}");
}

static void
test_another_driver(void **state)
{
    (void)state;
    a_user("DRIVER");
    given("users.role_changed.v1", "{'role':'DRIVER','driver_id':'" DRIVER "','generation':3}");
    as_role("ADMIN");
    when("users.change_role", "{'role':'DRIVER','driver_id':'" OTHER_DRIVER "'}");
    then_event("users.role_changed.v1", "{'driver_id':'" OTHER_DRIVER "'}");
    then_sent("users.close_account", account_of(DRIVER), "{'user_id':'" STORY_STREAM "'}");
    then_sent("users.open_account", account_of(OTHER_DRIVER),
              "{'driver_id':'" OTHER_DRIVER "','user_id':'" STORY_STREAM "'}");
    when("users.change_role", "{'role':'VIEWER'}");
    then_event("users.role_changed.v1", "{'role':'VIEWER'}");
    then_sent("users.close_account", account_of(OTHER_DRIVER), "{'user_id':'" STORY_STREAM "'}");
}

static void
test_a_dismissal_is_heard(void **state)
{
    (void)state;
    story(&users_module, "driver_account");
    reacts(&users_module, "drivers.dismissed.v1", "{'reason':'left','dismissed_at':1700000000000}");
    then_command("users.note_left", account_of(STORY_STREAM), "{'driver_id':'" STORY_STREAM "'}");
    reacts(&users_module, "drivers.forgotten.v1", "{'forgotten_at':1700000000000}");
    then_command("users.note_forgotten", account_of(STORY_STREAM),
                 "{'driver_id':'" STORY_STREAM "'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_tenant_has_its_own),
        cmocka_unit_test(test_the_user_of_a_driver_leaves_with_him),
        cmocka_unit_test(test_whoever_becomes_his_user_later_leaves_too),
        cmocka_unit_test(test_who_was_his_user_stays),
        cmocka_unit_test(test_a_user_leaves),
        cmocka_unit_test(test_an_invited_one_leaves),
        cmocka_unit_test(test_a_forgotten_driver),
        cmocka_unit_test(test_a_forgotten_user),
        cmocka_unit_test(test_a_forgotten_user_is_disabled),
        cmocka_unit_test(test_another_driver),
        cmocka_unit_test(test_a_dismissal_is_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
