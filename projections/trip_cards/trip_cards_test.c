/* trip_cards_test.c - the profit waterfall of a trip.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view trip_cards_projection;

#define COMPUTED(stage)                     \
    "{'stage':'" stage "','profit':" PROFIT \
    ",'distance_m':0,'duration_s':0,'points':0,'fuel_ml':0,'fuel_litre_kop':5800}"

static void
test_three_values_and_adjustments(void **state)
{
    (void)state;
    an_assigned_trip(&trip_cards_projection);
    then_row(TRIP, "{'estimated':null,'stage':null,'profit_kop':0,'deliveries':["
                   "{'delivery_id':'" DELIVERY_1 "','price_kop':150000},"
                   "{'delivery_id':'" DELIVERY_2 "','price_kop':70000}]}");
    projects("trips.profit_computed.v1", TRIP, COMPUTED("ESTIMATED"));
    then_row(TRIP, "{'estimated':{'profit_kop':-208792},'provisional':null,"
                   "'stage':'ESTIMATED','profit_kop':-208792}");
    projects("trips.trip_completed.v1", TRIP, COMPLETED);
    projects("trips.profit_computed.v1", TRIP, COMPUTED("PROVISIONAL"));
    then_row(TRIP, "{'provisional':{'cost_fuel_kop':36192},'final':null,'day':'2026-11-23'}");
    projects("trips.trip_settled.v1", TRIP, SETTLED(DIMENSIONS));
    then_row(TRIP, "{'status':'SETTLED','final':{'profit_kop':-208792},"
                   "'adjusted':{'profit_kop':-208792}}");
    projects("trips.trip_adjusted.v1", TRIP, FUEL_ADJUSTED(DIMENSIONS));
    projects("trips.trip_adjusted.v1", TRIP, PENALTY_ADJUSTED(DIMENSIONS));
    /* FINAL stays as it was; beside it the value with adjustments */
    then_row(TRIP,
             "{'final':{'cost_fuel_kop':36192,'profit_kop':-208792},"
             "'adjusted':{'cost_fuel_kop':24192,'revenue_penalty_kop':-5000,"
             "'revenue_kop':215000,'cost_kop':416792,'profit_kop':-201792,"
             "'margin_bp':-9385},"
             "'revenue_kop':215000,'cost_kop':416792,'profit_kop':-201792,"
             "'margin_bp':-9385,"
             "'adjustments':[{'adjustment_no':1,'line':'COST_FUEL','amount_kop':-12000,"
             "'reference':'OPTI 41'},{'adjustment_no':2,'line':'REVENUE_PENALTY'}],"
             "'customers':[{'customer_id':'" CUSTOMER_A "','revenue_kop':150000,'cost_kop':284177},"
             "{'customer_id':'" CUSTOMER_B "','revenue_kop':65000,'cost_kop':132615}]}");
}

static void
test_lines(void **state)
{
    (void)state;
    a_planned_trip(&trip_cards_projection);
    projects("trips.revenue_added.v1", TRIP,
             "{'line_no':1,'kind':'WAITING','qty':5401,'rate_kop':1500,'free_s':3600,"
             "'amount_kop':46500,'customer_id':'" CUSTOMER_A "','reference':'act'}");
    projects("trips.revenue_added.v1", TRIP, "{'line_no':2,'kind':'PER_KM','rate_kop':1000}");
    projects("trips.revenue_voided.v1", TRIP, "{'line_no':1,'reason':'x'}");
    projects("trips.cost_added.v1", TRIP,
             "{'cost_no':1,'kind':'TOLL','amount_kop':45000,'receipt':'M-11'}");
    projects("trips.cost_added.v1", TRIP, "{'cost_no':2,'kind':'FINE','amount_kop':500}");
    projects("trips.cost_added.v1", TRIP, "{'cost_no':3,'kind':'OTHER','amount_kop':5}");
    projects("trips.cost_approved.v1", TRIP, "{'cost_no':1,'amount_kop':45000}");
    projects("trips.cost_rejected.v1", TRIP, "{'cost_no':2,'reason':'his own'}");
    projects("trips.delivery_rejected.v1", TRIP,
             "{'delivery_id':'" DELIVERY_1 "','load_g':300,'load_ml':1000,'code':'X',"
             "'detail':''}");
    then_row(TRIP, "{'revenue_lines':[{'line_no':1,'kind':'WAITING','amount_kop':46500,"
                   "'voided':true,'customer_id':'" CUSTOMER_A "','reference':'act'},"
                   "{'line_no':2,'amount_kop':null,'voided':false}],"
                   "'cost_lines':[{'cost_no':1,'status':'APPROVED','receipt':'M-11'},"
                   "{'cost_no':2,'status':'REJECTED'},{'cost_no':3,'status':'PENDING'}],"
                   "'deliveries':[{'delivery_id':'" DELIVERY_2 "'}]}");
}

static void
test_no_resources_no_estimate(void **state)
{
    (void)state;
    a_dispatched_trip(&trip_cards_projection);
    projects("trips.profit_computed.v1", TRIP, COMPUTED("ESTIMATED"));
    projects("trips.driver_refused.v1", TRIP, "{" RESOURCES ",'reason':'ill'}");
    then_row(TRIP,
             "{'status':'PLANNED','estimated':null,'stage':null,'profit_kop':0,'vehicle_id':null}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_values_and_adjustments),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_no_resources_no_estimate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
