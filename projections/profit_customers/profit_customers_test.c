/* profit_customers_test.c - the parts of customers add up to the trips.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_profit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view profit_customers_projection;

#define ROW_A "994ae451-78bc-5b69-8d16-a14b575d7a9e"  /* v5(CUSTOMER_A, "2026-11") */
#define ROW_B "980996f0-5f0b-5c58-b1f6-036bb304c640"  /* v5(CUSTOMER_B, "2026-11") */
#define NOBODY "bd4de5b0-c1c9-544a-b6af-008a06bc6e4d" /* v5(STORY_TENANT, "2026-11") */

/* -134177 and -67615 are the trip's -201792. */
static void
test_parts_add_up(void **state)
{
    (void)state;
    view_story(&profit_customers_projection);
    a_settled_and_adjusted_trip();
    then_row(ROW_A, "{'month':'2026-11','customer_id':'" CUSTOMER_A
                    "','trips':1,'revenue_kop':150000,'cost_kop':284177,'profit_kop':-134177,"
                    "'adjustments':1,'adjusted_kop':8182}");
    then_row(ROW_B, "{'customer_id':'" CUSTOMER_B
                    "','trips':1,'revenue_kop':65000,'cost_kop':132615,'profit_kop':-67615,"
                    "'adjustments':2,'adjusted_kop':-1182}");
}

static void
test_what_is_nobodys_has_a_row(void **state)
{
    (void)state;
    view_story(&profit_customers_projection);
    projects("trips.trip_settled.v1", TRIP,
             "{'day':'2026-11-01','profit':" PROFIT
             ",'customers':[{'revenue_kop':220000,'cost_kop':428792}],'distance_m':0,"
             "'duration_s':0,'points':0,'fuel_ml':0,'fuel_litre_kop':0}");
    then_row(NOBODY, "{'customer_id':null,'trips':1,'profit_kop':-208792}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_what_is_nobodys_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
