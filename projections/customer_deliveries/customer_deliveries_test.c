/* customer_deliveries_test.c - the customer's cabinet.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view customer_deliveries_projection;

static void
test_from_order_to_hand(void **state)
{
    (void)state;
    a_planned_delivery(&customer_deliveries_projection);
    then_row(DELIVERY, "{'customer_id':'" CUSTOMER_A
                       "','status':'PLANNED','kind':'FBS_TO_WB','wb_order_id':'5632423',"
                       "'supply_id':'WB-GI-1','window':{'from_at':1795428000000},"
                       "'planned_arrival_at':1795430000000,'created_at':1795400000000,"
                       "'price_kop':null,'driver_id':null}");
    projects("deliveries.unplanned.v1", DELIVERY, "{'trip_id':'" TRIP "'}");
    then_row(DELIVERY, "{'status':'CONFIRMED','planned_arrival_at':null}");
    a_delivery_on_its_way(&customer_deliveries_projection);
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", 60));
    then_row(DELIVERY, "{'status':'OUT','arrived_at':1795431600000,'completed_at':null}");
    projects("deliveries.completed.v1", DELIVERY, COMPLETED(CUSTOMER_A, "2026-11-23", 1));
    then_row(DELIVERY, "{'status':'DELIVERED','completed_at':1795431900000}");
}

static void
test_what_went_wrong(void **state)
{
    (void)state;
    a_delivery_on_its_way(&customer_deliveries_projection);
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", 60));
    projects("deliveries.failed.v1", DELIVERY, FAILED(CUSTOMER_A, "2026-11-23", "GATE_CLOSED"));
    then_row(DELIVERY, "{'status':'FAILED','failure':'GATE_CLOSED'}");
    projects("deliveries.rescheduled.v1", DELIVERY, "{'window':" TOMORROW "}");
    then_row(DELIVERY, "{'status':'CONFIRMED','planned_arrival_at':null,'window':" TOMORROW "}");
    projects("deliveries.started.v1", DELIVERY, "{'attempt':2,'started_at':1}");
    then_row(DELIVERY, "{'status':'OUT','failure':null,'arrived_at':null}");
    projects("deliveries.completed_partly.v1", DELIVERY, PARTLY(CUSTOMER_A, "2026-11-23", 2));
    then_row(DELIVERY, "{'status':'PARTIAL','completed_at':1795431900000}");
    projects("deliveries.return_started.v1", DELIVERY, "{'started_at':1}");
    then_row(DELIVERY, "{'status':'RETURNING'}");
    projects("deliveries.returned.v1", DELIVERY, "{'returned_at':2}");
    then_row(DELIVERY, "{'status':'RETURNED'}");
    projects("deliveries.created.v1", OTHER_DELIVERY, CREATED);
    projects("deliveries.window_changed.v1", OTHER_DELIVERY, "{'window':" TOMORROW "}");
    projects("deliveries.cancelled.v1", OTHER_DELIVERY, "{'reason':'x','cancelled_at':1}");
    then_row(OTHER_DELIVERY, "{'status':'CANCELLED','window':" TOMORROW "}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_order_to_hand),
        cmocka_unit_test(test_what_went_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
