/* deliveries_test.c - the delivery board.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/story_delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const bus_view deliveries_projection;

static void
test_ordered_and_planned(void **state)
{
    (void)state;
    view_story(&deliveries_projection);
    projects("deliveries.created.v1", DELIVERY, CREATED);
    then_row(DELIVERY, "{'status':'CREATED','kind':'FBS_TO_WB','customer_id':'" CUSTOMER_A
                       "','wb_account_id':null,'supply_id':'WB-GI-1','wb_order_id':'5632423',"
                       "'from':{'lat_e6':55700000},'to':{'lon_e6':37610000},"
                       "'window':{'to_at':1795435200000},'window_from_at':1795428000000,"
                       "'boxes':[{'barcode':'b-1','gross_g':1000,'volume_ml':5000},"
                       "{'barcode':'b-2'}],'scanned':0,'price_kop':25000,'cod_kop':0,"
                       "'attempts':0,'trip_id':null,'driver_id':null,"
                       "'created_at':1795400000000}");
    projects("deliveries.boxes_attached.v1", DELIVERY,
             "{'boxes':[{'barcode':'b-3','gross_g':1,'volume_ml':1}]}");
    projects("deliveries.window_changed.v1", DELIVERY, "{'window':" TOMORROW "}");
    then_row(DELIVERY, "{'boxes':[{'barcode':'b-1'},{'barcode':'b-2'},{'barcode':'b-3'}],"
                       "'window':" TOMORROW ",'window_from_at':1795514400000}");
    a_planned_delivery(&deliveries_projection);
    then_row(DELIVERY, "{'status':'PLANNED','trip_id':'" TRIP
                       "','stop_seq':3,'planned_arrival_at':1795430000000}");
    projects("deliveries.unplanned.v1", DELIVERY, "{'trip_id':'" TRIP "'}");
    then_row(DELIVERY, "{'status':'CONFIRMED','trip_id':null,'stop_seq':null,"
                       "'planned_arrival_at':null}");
    projects("deliveries.cancelled.v1", DELIVERY, "{'reason':'x','cancelled_at':1}");
    then_row(DELIVERY, "{'status':'CANCELLED'}");
}

static void
test_handed_over(void **state)
{
    (void)state;
    a_delivery_on_its_way(&deliveries_projection);
    then_row(DELIVERY, "{'status':'OUT','driver_id':'" DRIVER "','attempts':1,'arrived_at':null}");
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", -3600));
    projects("deliveries.boxes_scanned.v1", DELIVERY, "{'barcodes':['b-1']}");
    projects("deliveries.boxes_scanned.v1", DELIVERY, "{'barcodes':['b-2']}");
    then_row(DELIVERY, "{'arrived_at':1795431600000,'late_s':-3600,'scanned':2}");
    projects("deliveries.completed.v1", DELIVERY, COMPLETED(CUSTOMER_A, "2026-11-23", 1));
    then_row(DELIVERY, "{'status':'DELIVERED','trip_id':'" TRIP "','driver_id':'" DRIVER
                       "','completed_at':1795431900000}");
}

/* The driver has it aboard until somebody plans another attempt, which begins at nothing. */
static void
test_failed_and_tried_again(void **state)
{
    (void)state;
    a_delivery_on_its_way(&deliveries_projection);
    projects("deliveries.arrived.v1", DELIVERY, ARRIVED(CUSTOMER_A, "2026-11-23", 60));
    projects("deliveries.boxes_scanned.v1", DELIVERY, "{'barcodes':['b-1']}");
    projects("deliveries.call_linked.v1", DELIVERY, "{'call_id':'" CALL "','direction':'OUT'}");
    projects("deliveries.call_linked.v1", DELIVERY, "{'call_id':'" CALL "','direction':'IN'}");
    projects("deliveries.failed.v1", DELIVERY, FAILED(CUSTOMER_A, "2026-11-23", "NO_ANSWER"));
    then_row(DELIVERY, "{'status':'FAILED','failure':'NO_ANSWER','note':'at the gate',"
                       "'outgoing_calls':1,'trip_id':null,'driver_id':'" DRIVER "'}");
    projects("deliveries.rescheduled.v1", DELIVERY, "{'window':" TOMORROW "}");
    then_row(DELIVERY, "{'status':'CONFIRMED','outgoing_calls':0,'driver_id':null,"
                       "'failure':'NO_ANSWER','window_from_at':1795514400000}");
    projects("deliveries.started.v1", DELIVERY, "{'attempt':2,'started_at':1795514400000}");
    then_row(DELIVERY, "{'status':'OUT','attempts':2,'scanned':0,'failure':null,'note':null,"
                       "'arrived_at':null,'late_s':null}");
}

static void
test_part_of_it_and_the_rest_back(void **state)
{
    (void)state;
    a_delivery_on_its_way(&deliveries_projection);
    projects("deliveries.completed_partly.v1", DELIVERY, PARTLY(CUSTOMER_A, "2026-11-23", 1));
    then_row(DELIVERY, "{'status':'PARTIAL','completed_at':1795431900000}");
    projects("deliveries.return_started.v1", DELIVERY, "{'started_at':1}");
    then_row(DELIVERY, "{'status':'RETURNING'}");
    projects("deliveries.returned.v1", DELIVERY, "{'returned_at':2}");
    then_row(DELIVERY, "{'status':'RETURNED'}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered_and_planned),
        cmocka_unit_test(test_handed_over),
        cmocka_unit_test(test_failed_and_tried_again),
        cmocka_unit_test(test_part_of_it_and_the_rest_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
