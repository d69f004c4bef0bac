/* webhooks_test.c - stories of a subscription.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_module webhooks_module;

#define SUBSCRIBED                                                                     \
    "{'url':'https://example.com/hooks','types':['trips.planned.v1'],'personal':true," \
    "'secret':'sec:1:k:AAAAAAAAAA'}"
#define STUCK "{'reason':'500','at':{'domain':'trips','partition':3,'offset':17}}"

static void
subscribed(void)
{
    story(&webhooks_module, "subscription");
    given("webhooks.subscribed.v1", SUBSCRIBED);
}

static void
test_subscribe(void **state)
{
    (void)state;
    story(&webhooks_module, "subscription");
    when("webhooks.subscribe", SUBSCRIBED);
    then_exactly("webhooks.subscribed.v1", SUBSCRIBED);
    then_nothing_more();
}

static void
test_addresses(void **state)
{
    (void)state;
    story(&webhooks_module, "subscription");
    when("webhooks.subscribe", "{'url':'http://example.com/'}");
    then_invalid("/url");
    when("webhooks.subscribe", "{'url':'https://user:word@example.com/'}");
    then_invalid("/url");
    when("webhooks.subscribe", "{'url':'http://127.0.0.1.example.com/'}");
    then_invalid("/url");
    when("webhooks.subscribe", "{'url':'https://example.com/a b'}");
    then_invalid("/url");
    when("webhooks.subscribe", "{'url':'http://[::1]:8080','secret':'sec:1:k:AAAAAAAAAA'}");
    then_event("webhooks.subscribed.v1", "{'personal':false}");
}

/* Only the edge seals; what did not come through it has no secret, or one in clear. */
static void
test_a_secret_is_sealed(void **state)
{
    (void)state;
    story(&webhooks_module, "subscription");
    when("webhooks.subscribe", "{'url':'https://example.com/'}");
    then_refused("WEBHOOK_SECRET_NEEDED");
    when("webhooks.subscribe", "{'url':'https://example.com/','secret':'a secret in clear text'}");
    then_refused("WEBHOOK_SECRET_NEEDED");
    subscribed();
    when("webhooks.rotate_secret", "{}");
    then_refused("WEBHOOK_SECRET_NEEDED");
    at_time(1000000);
    when("webhooks.rotate_secret", "{'secret':'sec:1:k:BBBBBBBBBB','overlap_s':60}");
    then_exactly("webhooks.secret_rotated.v1",
                 "{'secret':'sec:1:k:BBBBBBBBBB','previous_until_at':1060000}");
}

static void
test_pause_and_resume(void **state)
{
    (void)state;
    subscribed();
    when("webhooks.resume", "{}");
    then_refused("WEBHOOK_ALREADY_ACTIVE");
    when("webhooks.pause", "{}");
    then_event("webhooks.paused.v1", "{}");
    when("webhooks.pause", "{}");
    then_refused("WEBHOOK_NOT_ACTIVE");
    when("webhooks.resume", "{}");
    then_event("webhooks.resumed.v1", "{}");
}

static void
test_parked_until_somebody_looks(void **state)
{
    (void)state;
    subscribed();
    as_role("SERVICE");
    when("webhooks.park", STUCK);
    then_exactly("webhooks.parked.v1", STUCK);
    when("webhooks.park", STUCK);
    then_nothing_more();
    as_role("ADMIN");
    when("webhooks.resume", "{}");
    then_event("webhooks.resumed.v1", "{}");
}

static void
test_a_receiver_that_is_gone(void **state)
{
    (void)state;
    subscribed();
    as_role("SERVICE");
    when("webhooks.disable", STUCK);
    then_exactly("webhooks.disabled.v1", STUCK);
    when("webhooks.disable", STUCK);
    then_nothing_more();
    as_role("ADMIN");
    when("webhooks.pause", "{}");
    then_refused("WEBHOOK_NOT_ACTIVE");
    when("webhooks.resume", "{}");
    then_event("webhooks.resumed.v1", "{}");
}

/* The worker speaks of what it saw; a person was faster. */
static void
test_a_late_word_of_the_worker(void **state)
{
    (void)state;
    subscribed();
    given("webhooks.paused.v1", "{}");
    as_role("SERVICE");
    when("webhooks.park", STUCK);
    then_nothing_more();
    given("webhooks.deleted.v1", "{}");
    when("webhooks.disable", STUCK);
    then_nothing_more();
}

static void
test_replay(void **state)
{
    (void)state;
    subscribed();
    when("webhooks.replay", "{'from_at':5}");
    then_exactly("webhooks.replay_asked.v1", "{'from_at':5}");
    when("webhooks.replay", "{'after':{'domain':'trips','partition':3,'offset':16}}");
    then_exactly("webhooks.replay_asked.v1",
                 "{'after':{'domain':'trips','partition':3,'offset':16}}");
    when("webhooks.replay", "{}");
    then_refused("WEBHOOK_REPLAY_FROM");
    when("webhooks.replay", "{'from_at':5,'after':{'domain':'trips','partition':3,'offset':16}}");
    then_refused("WEBHOOK_REPLAY_FROM");
}

static void
test_deleted_for_good(void **state)
{
    static const char *const commands[][2] = {
        {"webhooks.pause", "{}"},
        {"webhooks.resume", "{}"},
        {"webhooks.delete", "{}"},
        {"webhooks.replay", "{'from_at':5}"},
        {"webhooks.rotate_secret", "{'secret':'sec:1:k:BBBBBBBBBB'}"},
    };

    (void)state;
    subscribed();
    when("webhooks.delete", "{}");
    then_event("webhooks.deleted.v1", "{}");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        when(commands[i][0], commands[i][1]);
        then_refused("WEBHOOK_DELETED");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscribe),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_secret_is_sealed),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_parked_until_somebody_looks),
        cmocka_unit_test(test_a_receiver_that_is_gone),
        cmocka_unit_test(test_a_late_word_of_the_worker),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_deleted_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
