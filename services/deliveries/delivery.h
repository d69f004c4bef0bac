/* delivery.h - what is remembered of one delivery. Private to services/deliveries.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_DELIVERIES_DELIVERY_H
#define SERVICES_DELIVERIES_DELIVERY_H

#include "bus/module/module.h"
#include "contracts/deliveries.h"

#define DELIVERY_BOXES_MAX 200
#define DELIVERY_NAME_BYTES 65

/* What stands for a barcode or an order in states and claims: itself, or its UUIDv5 if it has more
 * than 64 bytes (64 characters may have 256). */
struct delivery_name {
    char text[DELIVERY_NAME_BYTES];
};

struct delivery_box {
    uint64_t             key; /* FNV-1a-64 of the name, to find it */
    struct delivery_name name;
    bool                 scanned; /* in this attempt */
    bool                 handed;  /* over, in part of an earlier one */
};

struct delivery {
    enum deliveries_status status;
    enum deliveries_kind   kind;
    bus_id  customer_id, trip_id, driver_id; /* nil: none; the driver stays while he has it */
    bool    has_order;
    int32_t lat_e6, lon_e6;      /* of the place it goes to */
    int64_t from_at, to_at;      /* window */
    int64_t arrived_at, last_at; /* 0: not yet; last business time */
    int32_t attempts, outgoing_calls;
    struct delivery_name order;
    struct delivery_box  boxes[DELIVERY_BOXES_MAX];
    int32_t              boxes_count;
};

/* deliveries.c */
/* DELIVERY_WRONG_STATE with the state it is in. */
bus_verdict delivery_refuse_state(const struct delivery *s, bus_decision *out);

/* boxes.c */
struct delivery_name delivery_name_of(bus_str text);
void delivery_claim(const char *kind, bus_str text, const bus_refusal *taken, bus_decision *out);
/* A barcode twice in one command is refused. */
bus_verdict delivery_claim_boxes(const struct deliveries_box *boxes, uint32_t count,
                                 bus_decision *out);
/* The claims of a delivery that is over: its boxes and its order may come again. */
void delivery_release_claims(const struct delivery *s, bool with_order, bus_decision *out);
/* Where the box is; -1: not of this delivery. */
int32_t     delivery_find_box(const struct delivery *s, bus_str barcode);
bool        delivery_needs_scan(const struct delivery_box *box);
int32_t     delivery_count_unscanned(const struct delivery *s);
int32_t     delivery_count_left(const struct delivery *s); /* not handed over yet */
bus_verdict delivery_check_barcodes(const struct delivery *s, const bus_str *barcodes,
                                    uint32_t count, bus_decision *out);
bus_verdict delivery_attach_boxes(const struct delivery                *s,
                                  const struct deliveries_attach_boxes *cmd, bus_decision *out);
bus_verdict delivery_scan_boxes(const struct delivery *s, const struct deliveries_scan_boxes *cmd,
                                bus_decision *out);
void        delivery_remember_boxes(struct delivery *s, const struct deliveries_box *boxes,
                                    uint32_t count);

/* proof.c */
/* Metres between two places, rounded down; see the formula there. */
int64_t delivery_distance_m(int64_t lat1_e6, int64_t lon1_e6, int64_t lat2_e6, int64_t lon2_e6);
/* Does the proof do for this kind and place? unscanned: of the boxes that are handed over. */
bus_verdict delivery_check_proof(const struct delivery *s, const struct deliveries_proof *pod,
                                 int32_t unscanned, const bus_meta *meta, bus_decision *out);

#endif
