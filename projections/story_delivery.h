/* story_delivery.h - the events of one delivery, for the stories of its views: two boxes for
 * Wildberries, a window from 10:00 to 12:00 UTC of 2026-11-23, stop 3 of a trip.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PROJECTIONS_STORY_DELIVERY_H
#define PROJECTIONS_STORY_DELIVERY_H

#include "tests/support/story.h"

#define DELIVERY "00000000-0000-4000-8000-0000000000e1"
#define OTHER_DELIVERY "00000000-0000-4000-8000-0000000000e2"
#define CUSTOMER_A "00000000-0000-4000-8000-0000000000a1"
#define CUSTOMER_B "00000000-0000-4000-8000-0000000000a2"
#define TRIP "00000000-0000-4000-8000-000000000031"
#define DRIVER "00000000-0000-4000-8000-0000000000d1"
#define CALL "00000000-0000-4000-8000-0000000000f1"

#define TOMORROW "{'from_at':1795514400000,'to_at':1795521600000}"
#define CREATED                                                                          \
    "{'kind':'FBS_TO_WB','customer_id':'" CUSTOMER_A                                     \
    "','supply_id':'WB-GI-1','wb_order_id':'5632423','from':{'lat_e6':55700000,"         \
    "'lon_e6':37600000},'to':{'lat_e6':55750000,'lon_e6':37610000,'phone_e164':"         \
    "'+74950000000'},'window':{'from_at':1795428000000,'to_at':1795435200000},'boxes':[" \
    "{'barcode':'b-1','gross_g':1000,'volume_ml':5000},{'barcode':'b-2','gross_g':2000," \
    "'volume_ml':6000}],'cod_kop':0,'price_kop':25000,'created_at':1795400000000}"
#define OF(customer, day) "'customer_id':'" customer "','kind':'FBS_TO_WB','day':'" day "'"
#define ARRIVED(customer, day, late_s) \
    "{'arrived_at':1795431600000,'attempt':1,'late_s':" #late_s "," OF(customer, day) "}"
#define POD "'pod':{'receiver':'Anna','at':1795431900000,'office_id':'15'}"
#define COMPLETED(customer, day, nth) \
    "{'attempt':" #nth "," OF(customer, day) "," POD ",'distance_m':349}"
#define PARTLY(customer, day, nth) \
    "{'attempt':" #nth "," OF(customer, day) "," POD ",'barcodes':['b-1'],'reason':'DAMAGED'}"
#define FAILED(customer, day, why) \
    "{'reason':'" why              \
    "','note':'at the gate','failed_at':1795431900000,'attempt':1," OF(customer, day) "}"

static inline void
a_planned_delivery(const bus_view *view)
{
    view_story(view);
    projects("deliveries.created.v1", DELIVERY, CREATED);
    projects("deliveries.confirmed.v1", DELIVERY, "{'confirmed_at':1795400000001}");
    projects("deliveries.planned.v1", DELIVERY,
             "{'trip_id':'" TRIP "','stop_seq':3,'planned_arrival_at':1795430000000}");
}

static inline void
a_delivery_on_its_way(const bus_view *view)
{
    a_planned_delivery(view);
    projects("deliveries.started.v1", DELIVERY,
             "{'attempt':1,'trip_id':'" TRIP "','driver_id':'" DRIVER
             "','started_at':1795420800000}");
}

#endif
