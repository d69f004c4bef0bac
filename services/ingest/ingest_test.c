/* ingest_test.c - stories of sources and of what they push.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_module ingest_module;

#define REGISTERED \
    "{'name':'telephony','kind':'WEBHOOK','scheme':'BEARER','secret':'sec:1:k:AAAAAAAAAA'}"
#define EVENT                                                                                     \
    "{'source_id':'00000000-0000-4000-8000-000000000001','event_id':'e-1','event_source':'/pbx'," \
    "'event_type':'call.ended','form':'JSON','data':'{}'}"

static void
test_a_source_is_registered(void **state)
{
    (void)state;
    story(&ingest_module, "source");
    when("ingest.register", REGISTERED);
    then_exactly("ingest.source_registered.v1", REGISTERED);
    then_nothing_more();
}

static void
test_names_are_unique(void **state)
{
    (void)state;
    story(&ingest_module, "source");
    when("ingest.register", REGISTERED);
    then_claimed("source_name", "telephony", "INGEST_NAME_TAKEN");
}

/* Only the edge seals; what did not come through it has no secret, or one in clear. */
static void
test_a_secret_is_sealed(void **state)
{
    (void)state;
    story(&ingest_module, "source");
    when("ingest.register", "{'name':'telephony','kind':'WEBHOOK','scheme':'BEARER'}");
    then_refused("INGEST_SECRET_NEEDED");
    when("ingest.register", "{'name':'telephony','kind':'WEBHOOK','scheme':'BEARER',"
                            "'secret':'a secret in clear text'}");
    then_refused("INGEST_SECRET_NEEDED");
    given("ingest.source_registered.v1", REGISTERED);
    when("ingest.rotate_secret", "{}");
    then_refused("INGEST_SECRET_NEEDED");
    when("ingest.rotate_secret", "{'secret':'a secret in clear text'}");
    then_refused("INGEST_SECRET_NEEDED");
}

static void
test_the_old_secret_goes_on_for_a_while(void **state)
{
    (void)state;
    story(&ingest_module, "source");
    given("ingest.source_registered.v1", REGISTERED);
    at_time(1000000);
    when("ingest.rotate_secret", "{'secret':'sec:1:k:BBBBBBBBBB','overlap_s':60}");
    then_exactly("ingest.secret_rotated.v1",
                 "{'secret':'sec:1:k:BBBBBBBBBB','previous_until_at':1060000}");
    when("ingest.rotate_secret", "{'secret':'sec:1:k:CCCCCCCCCC'}");
    then_event("ingest.secret_rotated.v1", "{'previous_until_at':87400000}");
}

static void
test_off_and_on(void **state)
{
    (void)state;
    story(&ingest_module, "source");
    given("ingest.source_registered.v1", REGISTERED);
    when("ingest.enable", "{}");
    then_refused("INGEST_ALREADY_ENABLED");
    when("ingest.disable", "{}");
    then_event("ingest.source_disabled.v1", "{}");
    when("ingest.disable", "{}");
    then_refused("INGEST_ALREADY_DISABLED");
    when("ingest.enable", "{}");
    then_event("ingest.source_enabled.v1", "{}");
}

static void
test_what_comes_twice_is_one_event(void **state)
{
    (void)state;
    story(&ingest_module, "received");
    as_role("SERVICE");
    when("ingest.receive", EVENT);
    then_exactly("ingest.received.v1", EVENT);
    then_nothing_more();
    when("ingest.receive", EVENT);
    then_nothing_more();
    /* also if it looks otherwise: its id is what counts */
    when("ingest.receive",
         "{'source_id':'00000000-0000-4000-8000-000000000001','event_id':'e-1',"
         "'event_source':'/pbx','event_type':'call.ended','form':'JSON','data':'{\\\"n\\\":2}'}");
    then_nothing_more();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_source_is_registered),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_a_secret_is_sealed),
        cmocka_unit_test(test_the_old_secret_goes_on_for_a_while),
        cmocka_unit_test(test_off_and_on),
        cmocka_unit_test(test_what_comes_twice_is_one_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
