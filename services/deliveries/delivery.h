/* delivery.h - what is remembered of one delivery. Private to services/deliveries.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_DELIVERIES_DELIVERY_H
#define SERVICES_DELIVERIES_DELIVERY_H

#include "bus/module/module.h"
#include "contracts/deliveries.h"

#define DELIVERY_BOXES_MAX 200

struct delivery_box {
    uint64_t key; /* FNV-1a-64 of the barcode: the barcode itself is in the log and the claim */
    bool     scanned;
};

struct delivery {
    enum deliveries_status status;
    enum deliveries_kind   kind;
    bus_id                 customer_id, trip_id, driver_id; /* nil: none */
    bool                   has_order;
    int32_t                lat_e6, lon_e6;      /* of the place it goes to */
    int64_t                from_at, to_at;      /* window */
    int64_t                arrived_at, last_at; /* 0: not yet; last business time */
    int32_t                attempts, outgoing_calls;
    char                   order[72];
    struct delivery_box    boxes[DELIVERY_BOXES_MAX];
    int32_t                boxes_count;
    char                   barcodes[DELIVERY_BOXES_MAX][65]; /* to release their claims */
};

/* proof.c */
/* Metres between two places, rounded down; see the formula there. */
int64_t     delivery_distance_m(int64_t lat1_e6, int64_t lon1_e6, int64_t lat2_e6, int64_t lon2_e6);
bus_verdict delivery_check_proof(const struct delivery *s, const struct deliveries_proof *pod,
                                 bool all_boxes, const bus_meta *meta, bus_decision *out);

#endif
