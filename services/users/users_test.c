/* users_test.c - stories of users: invited, changed, locked, disabled.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/users/story_users.h"

#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define DRIVER_2 "00000000-0000-4000-8000-0000000000d2"
#define SESSION "00000000-0000-4000-8000-0000000000e1"
#define DAYS(n) ((n)*INT64_C(86400000))

/* --- invitations ---------------------------------------------------------------------------- */

static void
test_invited(void **state)
{
    (void)state;
    story(&users_module, "user");
    at_time(T0);
    when("users.invite",
         "{'email':'Ivan@Example.com','full_name':'Иванов Иван','role':'DISPATCHER',"
         "'grants':['finance.read'],'code':'" CODE "'}");
    then_claimed("user_email", "ivan@example.com", "USER_EMAIL_TAKEN");
    then_event("users.invited.v1", "{'email':'ivan@example.com','role':'DISPATCHER','code':'" CODE
                                   "','expires_at':1700259200000}");
    then_nothing_more();
}

/* Only the edge hashes; what did not come through it has no code, or one in clear. */
static void
test_a_code_is_hashed(void **state)
{
    (void)state;
    story(&users_module, "user");
    when("users.invite", "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER'}");
    then_refused("USER_CODE_NEEDED");
    when("users.invite",
         "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER','code':'a code in clear text'}");
    then_refused("USER_CODE_NEEDED");
}

static void
test_a_driver_has_one_user(void **state)
{
    (void)state;
    story(&users_module, "user");
    when("users.invite", "{'email':'a@b.ru','full_name':'Имя','role':'DRIVER','code':'" CODE "'}");
    then_refused("USER_DRIVER_NEEDED");
    when("users.invite", "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER','driver_id':'" DRIVER
                         "','code':'" CODE "'}");
    then_refused("USER_DRIVER_NEEDED");
    when("users.invite", "{'email':'a@b.ru','full_name':'Имя','role':'DRIVER','driver_id':'" DRIVER
                         "','code':'" CODE "'}");
    then_claimed("user_driver", DRIVER, "USER_DRIVER_TAKEN");
    then_event("users.invited.v1", "{'driver_id':'" DRIVER "'}");
}

static void
test_an_invitation_is_accepted_once(void **state)
{
    (void)state;
    story(&users_module, "user");
    at_time(T0);
    given("users.invited.v1", "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER','code':'" CODE
                              "','expires_at':1700259200000}");
    when("users.set_password", "{'code':'" OTHER "','password':'sec:1:k:AAAAAAAAA'}");
    then_refused("USER_CODE_WRONG");
    when("users.set_password", "{'code':'" CODE "','password':'sec:1:k:AAAAAAAAA'}");
    then_exactly("users.invitation_accepted.v1", "{'password':'sec:1:k:AAAAAAAAA','generation':2}");
    then_nothing_more();
    when("users.set_password", "{'code':'" CODE "','password':'sec:1:k:BBBBBBBBB'}");
    then_refused("USER_CODE_WRONG");
}

static void
test_an_invitation_expires(void **state)
{
    (void)state;
    story(&users_module, "user");
    at_time(T0);
    given("users.invited.v1", "{'email':'a@b.ru','full_name':'Имя','role':'VIEWER','code':'" CODE
                              "','expires_at':1700259200000}");
    at_time(T0 + DAYS(3));
    when("users.set_password", "{'code':'" CODE "','password':'sec:1:k:AAAAAAAAA'}");
    then_refused("USER_CODE_EXPIRED");
    when("users.reinvite", "{}");
    then_refused("USER_CODE_NEEDED");
    when("users.reinvite", "{'code':'" OTHER "'}");
    then_event("users.reinvited.v1", "{'code':'" OTHER "'}");
    when("users.set_password", "{'code':'" CODE "','password':'sec:1:k:AAAAAAAAA'}");
    then_refused("USER_CODE_WRONG");
    when("users.set_password", "{'code':'" OTHER "','password':'sec:1:k:AAAAAAAAA'}");
    then_event("users.invitation_accepted.v1", "{'generation':2}");
    when("users.reinvite", "{'code':'" OTHER "'}");
    then_refused_with("USER_WRONG_STATE", "{'status':'ACTIVE'}");
}

/* Nobody is told of a seat before he has it. */
static void
test_an_admin_takes_a_seat_when_he_is_one(void **state)
{
    (void)state;
    story(&users_module, "user");
    at_time(T0);
    given("users.invited.v1", "{'email':'a@b.ru','full_name':'Имя','role':'ADMIN','code':'" CODE
                              "','expires_at':1700259200000}");
    when("users.set_password", "{'code':'" CODE "','password':'sec:1:k:AAAAAAAAA'}");
    then_event("users.invitation_accepted.v1", "{}");
    then_sent("users.seat_admin", STORY_TENANT, "{'user_id':'" STORY_STREAM "'}");
}

/* --- passwords ------------------------------------------------------------------------------ */

static void
test_a_password_is_changed_by_who_knew_it(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.change_password", "{'generation':1,'password':'sec:1:k:BBBBBBBBB'}");
    then_refused("USER_STALE");
    when("users.change_password", "{'generation':2,'password':'sec:1:k:BBBBBBBBB'}");
    then_exactly("users.password_changed.v1", "{'password':'sec:1:k:BBBBBBBBB','generation':3}");
    given("users.locked.v1", "{'by':'BY_HAND','generation':4}");
    when("users.change_password", "{'generation':4,'password':'sec:1:k:BBBBBBBBB'}");
    then_refused_with("USER_WRONG_STATE", "{'status':'LOCKED'}");
}

static void
test_a_password_is_reset(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.reset_password", "{'code':'in clear, and so not to be'}");
    then_refused("USER_CODE_NEEDED");
    as_user(STORY_STREAM); /* a token does not stand for his password */
    when("users.reset_password", "{'code':'" OTHER "'}");
    then_refused("USER_PROOF_NEEDED");
    as_user(STORY_ACTOR);
    when("users.reset_password", "{'code':'" OTHER "'}");
    then_event("users.password_reset.v1", "{'code':'" OTHER "','expires_at':1700086400000}");
    when("users.set_password", "{'code':'" OTHER "','password':'sec:1:k:CCCCCCCCC'}");
    then_exactly("users.password_changed.v1", "{'password':'sec:1:k:CCCCCCCCC','generation':3}");
    given("users.disabled.v1", "{'reason':'left','generation':4}");
    when("users.reset_password", "{'code':'" OTHER "'}");
    then_refused_with("USER_WRONG_STATE", "{'status':'DISABLED'}");
    when("users.set_password", "{'code':'" OTHER "','password':'sec:1:k:CCCCCCCCC'}");
    then_refused("USER_WRONG_STATE");
}

/* --- log-ins -------------------------------------------------------------------------------- */

#define LOG_IN(generation) "{'generation':" generation ",'session_id':'" SESSION "'}"

static void
test_logged_in(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.log_in", "{'generation':2,'session_id':'" SESSION "','address':'192.0.2.1'}");
    then_exactly("users.logged_in.v1", "{'session_id':'" SESSION "','address':'192.0.2.1'}");
    when("users.log_in", LOG_IN("1"));
    then_refused("USER_STALE");
    given("users.disabled.v1", "{'reason':'left','generation':3}");
    when("users.log_in", LOG_IN("3"));
    then_refused_with("USER_WRONG_STATE", "{'status':'DISABLED'}");
    when("users.note_failed_log_in", "{}");
    then_nothing_more();
}

/* The edge asks this before it refreshes a session: its views may be behind. */
static void
test_sessions_of_an_earlier_generation_do_not_stay(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.stay", "{'generation':2}");
    then_nothing_more();
    when("users.stay", "{'generation':1}");
    then_refused("USER_STALE");
    given("users.locked.v1", "{'by':'FAILURES','until_at':1700000900000,'generation':2}");
    when("users.stay", "{'generation':2}"); /* who guesses throws nobody out */
    then_nothing_more();
    given("users.disabled.v1", "{'reason':'left','generation':3}");
    when("users.stay", "{'generation':2}");
    then_refused_with("USER_WRONG_STATE", "{'status':'DISABLED'}");
    when("users.stay", "{'generation':3}");
    then_refused("USER_WRONG_STATE");
}

static void
test_ten_failures_lock(void **state)
{
    (void)state;
    a_user("VIEWER");
    for (int i = 0; i < 9; i++) {
        later_ms(MIN_MS);
        when("users.note_failed_log_in", "{'address':'192.0.2.1'}");
        then_event("users.log_in_failed.v1", "{'address':'192.0.2.1'}");
        then_nothing_more();
    }
    later_ms(MIN_MS);
    when("users.note_failed_log_in", "{}");
    then_event("users.log_in_failed.v1", "{}");
    then_event("users.locked.v1",
               "{'by':'FAILURES','until_at':1700001500000,'generation':2}"); /* sessions go on */
    then_wakes_at("users.lock_ends", T0 + 25 * MIN_MS);
    when("users.log_in", LOG_IN("2"));
    then_refused_with("USER_WRONG_STATE", "{'status':'LOCKED'}");
    when("users.note_failed_log_in", "{}"); /* no news */
    then_nothing_more();
    when("users.lock_ends", "{}");
    then_event("users.unlocked.v1", "{}");
    when("users.log_in", LOG_IN("2"));
    then_event("users.logged_in.v1", "{}");
}

static void
test_failures_far_apart_do_not_lock(void **state)
{
    (void)state;
    a_user("VIEWER");
    for (int i = 0; i < 30; i++) {
        later_ms(2 * MIN_MS);
        when("users.note_failed_log_in", "{}");
        then_event("users.log_in_failed.v1", "{}");
        then_nothing_more();
    }
}

static void
test_a_log_in_ends_the_count(void **state)
{
    (void)state;
    a_user("VIEWER");
    for (int i = 0; i < 9; i++)
        given("users.log_in_failed.v1", "{'failed_at':1700000000000}");
    when("users.log_in", LOG_IN("2"));
    then_event("users.logged_in.v1", "{}");
    when("users.note_failed_log_in", "{}");
    then_event("users.log_in_failed.v1", "{}");
    then_nothing_more();
}

/* The lock ends by its time, be the timer late. */
static void
test_a_late_timer_does_not_lock_longer(void **state)
{
    (void)state;
    a_user("VIEWER");
    given("users.locked.v1", "{'by':'FAILURES','until_at':1700000900000,'generation':2}");
    at_time(T0 + 15 * MIN_MS - 1);
    when("users.log_in", LOG_IN("2"));
    then_refused("USER_WRONG_STATE");
    at_time(T0 + 15 * MIN_MS);
    when("users.log_in", LOG_IN("2"));
    then_event("users.unlocked.v1", "{}");
    then_event("users.logged_in.v1", "{}");
    when("users.lock_ends", "{}");
    then_nothing_more();
    given("users.locked.v1", "{'by':'FAILURES','until_at':1700001800000,'generation':2}");
    at_time(T0 + 30 * MIN_MS);
    when("users.note_failed_log_in", "{}");
    then_event("users.unlocked.v1", "{}");
    then_event("users.log_in_failed.v1", "{}");
    then_nothing_more();
}

/* --- what is taken away --------------------------------------------------------------------- */

static void
test_locked_by_hand(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.lock", "{'reason':'a lost phone'}");
    then_exactly("users.locked.v1", "{'by':'BY_HAND','reason':'a lost phone','generation':3}");
    when("users.lock", "{'reason':'again'}");
    then_refused_with("USER_WRONG_STATE", "{'status':'LOCKED'}");
    when("users.lock_ends", "{}"); /* of an earlier lock */
    then_nothing_more();
    when("users.unlock", "{}");
    then_event("users.unlocked.v1", "{}");
    when("users.unlock", "{}");
    then_refused("USER_WRONG_STATE");
}

static void
test_disabled_and_enabled(void **state)
{
    (void)state;
    a_user("DISPATCHER");
    when("users.disable", "{'reason':'left'}");
    then_exactly("users.disabled.v1", "{'reason':'left','generation':3}");
    when("users.change_role", "{'role':'VIEWER'}");
    then_refused("USER_WRONG_STATE");
    when("users.change_grants", "{'grants':[]}");
    then_refused("USER_WRONG_STATE");
    when("users.enable", "{}");
    then_event("users.enabled.v1", "{}");
    when("users.enable", "{}");
    then_refused_with("USER_WRONG_STATE", "{'status':'ACTIVE'}");
}

static void
test_an_admin_is_not_taken_away_here(void **state)
{
    (void)state;
    a_user("ADMIN");
    when("users.disable", "{'reason':'left'}");
    then_refused("USER_IS_ADMIN");
    when("users.lock", "{'reason':'left'}");
    then_refused("USER_IS_ADMIN");
    when("users.change_role", "{'role':'VIEWER'}");
    then_refused("USER_IS_ADMIN");
    as_role("SERVICE"); /* the tenant has removed him */
    when("users.take_role", "{'role':'VIEWER'}");
    then_exactly("users.role_changed.v1", "{'role':'VIEWER','generation':3}");
    as_role("ADMIN");
    when("users.disable", "{'reason':'left'}");
    then_event("users.disabled.v1", "{'generation':4}");
}

static void
test_roles(void **state)
{
    (void)state;
    a_user("VIEWER");
    as_user(STORY_STREAM);
    when("users.change_role", "{'role':'ADMIN'}");
    then_refused("USER_OWN_ROLE");
    when("users.change_grants", "{'grants':['finance.read']}");
    then_refused("USER_OWN_ROLE");
    as_user(STORY_ACTOR);
    when("users.change_role", "{'role':'DRIVER'}");
    then_refused("USER_DRIVER_NEEDED");
    when("users.change_role", "{'role':'DRIVER','driver_id':'" DRIVER "'}");
    then_claimed("user_driver", DRIVER, "USER_DRIVER_TAKEN");
    then_exactly("users.role_changed.v1",
                 "{'role':'DRIVER','driver_id':'" DRIVER "','generation':3}");
    when("users.change_role", "{'role':'DRIVER','driver_id':'" DRIVER "'}"); /* is so already */
    then_nothing_more();
    when("users.change_role", "{'role':'DRIVER','driver_id':'" DRIVER_2 "'}");
    then_released("user_driver", DRIVER);
    then_claimed("user_driver", DRIVER_2, "USER_DRIVER_TAKEN");
    then_event("users.role_changed.v1", "{'generation':4}");
    when("users.change_role", "{'role':'ADMIN'}");
    then_released("user_driver", DRIVER_2);
    then_event("users.role_changed.v1", "{'role':'ADMIN','generation':5}");
    then_sent("users.close_account", account_of(DRIVER_2), "{'user_id':'" STORY_STREAM "'}");
    then_sent("users.seat_admin", STORY_TENANT, "{'user_id':'" STORY_STREAM "'}");
}

static void
test_grants(void **state)
{
    (void)state;
    a_user("VIEWER");
    when("users.change_grants", "{'grants':['finance.read']}");
    then_exactly("users.grants_changed.v1", "{'grants':['finance.read'],'generation':3}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invited),
        cmocka_unit_test(test_a_code_is_hashed),
        cmocka_unit_test(test_a_driver_has_one_user),
        cmocka_unit_test(test_an_invitation_is_accepted_once),
        cmocka_unit_test(test_an_invitation_expires),
        cmocka_unit_test(test_an_admin_takes_a_seat_when_he_is_one),
        cmocka_unit_test(test_a_password_is_changed_by_who_knew_it),
        cmocka_unit_test(test_a_password_is_reset),
        cmocka_unit_test(test_logged_in),
        cmocka_unit_test(test_sessions_of_an_earlier_generation_do_not_stay),
        cmocka_unit_test(test_ten_failures_lock),
        cmocka_unit_test(test_failures_far_apart_do_not_lock),
        cmocka_unit_test(test_a_log_in_ends_the_count),
        cmocka_unit_test(test_a_late_timer_does_not_lock_longer),
        cmocka_unit_test(test_locked_by_hand),
        cmocka_unit_test(test_disabled_and_enabled),
        cmocka_unit_test(test_an_admin_is_not_taken_away_here),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_grants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
