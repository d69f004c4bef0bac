/* ingest_events_test.c - what came, with as much of its data as a list can bear.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern const bus_view ingest_events_projection;

#define EVENT "00000000-0000-4000-8000-0000000000e1"
#define HEAD                                                                                      \
    "{'source_id':'00000000-0000-4000-8000-000000000001','event_id':'e-1','event_source':'/pbx'," \
    "'event_type':'call.ended','form':'TEXT'"

static void
test_an_event(void **state)
{
    (void)state;
    view_story(&ingest_events_projection);
    projects("ingest.received.v1", EVENT,
             HEAD ",'subject':'7','occurred_at':5,'content_type':'text/plain','data':'a=b'}");
    then_row(EVENT, HEAD ",'subject':'7','occurred_at':5,'content_type':'text/plain',"
                         "'data':'a=b','data_bytes':3}");
}

/* Cyrillic has two bytes a letter: the cut falls between letters. */
static void
test_long_data_is_cut(void **state)
{
    bus_buf json = {0}, row = {0};

    (void)state;
    bus_buf_add_text(&json, HEAD ",'data':'x");
    bus_buf_add_text(&row, "{'data_bytes':6001,'data':'x");
    for (int i = 0; i < 3000; i++)
        bus_buf_add_text(&json, "я");
    for (int i = 0; i < 2047; i++)
        bus_buf_add_text(&row, "я");
    bus_buf_add_text(&json, "'}");
    bus_buf_add_text(&row, "'}");
    view_story(&ingest_events_projection);
    projects("ingest.received.v1", EVENT, json.at);
    then_row(EVENT, row.at);
    bus_buf_fini(&json);
    bus_buf_fini(&row);
}

static void
test_no_data(void **state)
{
    (void)state;
    view_story(&ingest_events_projection);
    projects("ingest.received.v1", EVENT, HEAD "}");
    then_row(EVENT, HEAD ",'data_bytes':0}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event),
        cmocka_unit_test(test_long_data_is_cut),
        cmocka_unit_test(test_no_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
