/* ingest_sources_test.c - the row by which the edge knows a source.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view ingest_sources_projection;

#define SOURCE "00000000-0000-4000-8000-0000000000e1"

static void
test_a_source_and_its_secrets(void **state)
{
    (void)state;
    view_story(&ingest_sources_projection);
    projects("ingest.source_registered.v1", SOURCE,
             "{'name':'pbx','kind':'WEBHOOK','scheme':'BEARER','secret':'sec:1:k:A'}");
    then_row(SOURCE,
             "{'name':'pbx','kind':'WEBHOOK','scheme':'BEARER','status':'ACTIVE',"
             "'address':'/api/v1/ingest/" STORY_TENANT "." SOURCE "','secret':'sec:1:k:A'}");
    projects("ingest.secret_rotated.v1", SOURCE, "{'secret':'sec:1:k:B','previous_until_at':7000}");
    then_row(SOURCE, "{'secret':'sec:1:k:B','previous_secret':'sec:1:k:A',"
                     "'previous_until_at':7000,'status':'ACTIVE'}");
    projects("ingest.secret_rotated.v1", SOURCE, "{'secret':'sec:1:k:C','previous_until_at':8000}");
    then_row(SOURCE, "{'secret':'sec:1:k:C','previous_secret':'sec:1:k:B',"
                     "'previous_until_at':8000}");
    projects("ingest.source_disabled.v1", SOURCE, "{}");
    then_row(SOURCE, "{'status':'DISABLED'}");
    projects("ingest.source_enabled.v1", SOURCE, "{}");
    then_row(SOURCE, "{'status':'ACTIVE'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_source_and_its_secrets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
