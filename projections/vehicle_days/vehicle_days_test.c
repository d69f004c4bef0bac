/* vehicle_days_test.c - the shares of a vehicle's day, as people see them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view vehicle_days_projection;

#define TRIP_1 "00000000-0000-4000-8000-000000000031"
#define TRIP_2 "00000000-0000-4000-8000-000000000032"
#define VEHICLE "00000000-0000-4000-8000-0000000000f1"
#define COUNTED(trip, seconds)                     \
    "{'trip_id':'" trip "','vehicle_id':'" VEHICLE \
    "','day':'2026-11-23','fixed_kop_day':10000,'duration_s':" #seconds "}"

static void
test_shares_of_a_day(void **state)
{
    (void)state;
    view_story(&vehicle_days_projection);
    projects("trips.day_trip_counted.v1", STORY_STREAM, COUNTED(TRIP_1, 3600));
    projects("trips.day_shares_changed.v1", STORY_STREAM,
             "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':10000}]}");
    projects("trips.day_trip_counted.v1", STORY_STREAM, COUNTED(TRIP_2, 10800));
    projects("trips.day_shares_changed.v1", STORY_STREAM,
             "{'shares':[{'trip_id':'" TRIP_1 "','share_kop':2500},"
             "{'trip_id':'" TRIP_2 "','share_kop':7500}]}");
    projects("trips.day_share_frozen.v1", STORY_STREAM,
             "{'trip_id':'" TRIP_1 "','share_kop':2500}");
    then_row(STORY_STREAM,
             "{'vehicle_id':'" VEHICLE "','day':'2026-11-23','fixed_kop_day':10000,"
             "'shared_kop':10000,'trips':["
             "{'trip_id':'" TRIP_1 "','duration_s':3600,'share_kop':2500,'frozen':true},"
             "{'trip_id':'" TRIP_2 "','duration_s':10800,'share_kop':7500,'frozen':false}]}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_of_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
