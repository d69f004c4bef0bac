/* boxes.c - which boxes belong to a delivery, which were scanned, and whose barcodes they are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "services/deliveries/delivery.h"

struct delivery_name
delivery_name_of(bus_str text)
{
    struct delivery_name name = {0};

    if (text.len < sizeof(name.text))
        bus_str_store(name.text, sizeof(name.text), text);
    else
        (void)bus_id_format(bus_id_v5(BUS_ID_NIL, text.at, text.len), name.text);
    return name;
}

static bus_str
name_text(const struct delivery_name *name)
{
    return bus_str_load(name->text);
}

static uint64_t
key_of(const struct delivery_name *name)
{
    bus_str text = name_text(name);

    return bus_fnv1a64(text.at, text.len);
}

int32_t
delivery_find_box(const struct delivery *s, bus_str barcode)
{
    struct delivery_name name = delivery_name_of(barcode);
    uint64_t             key = key_of(&name);

    for (int32_t i = 0; i < s->boxes_count; i++)
        if (s->boxes[i].key == key && bus_str_equal(name_text(&s->boxes[i].name), name_text(&name)))
            return i;
    return -1;
}

bool
delivery_needs_scan(const struct delivery_box *box)
{
    return !box->handed && !box->scanned;
}

int32_t
delivery_count_unscanned(const struct delivery *s)
{
    int32_t count = 0;

    for (int32_t i = 0; i < s->boxes_count; i++)
        count += delivery_needs_scan(&s->boxes[i]);
    return count;
}

int32_t
delivery_count_left(const struct delivery *s)
{
    int32_t count = 0;

    for (int32_t i = 0; i < s->boxes_count; i++)
        count += !s->boxes[i].handed;
    return count;
}

void
delivery_claim(const char *kind, bus_str text, const bus_refusal *taken, bus_decision *out)
{
    struct delivery_name name = delivery_name_of(text);

    bus_claim(out, kind, name_text(&name), taken);
}

bus_verdict
delivery_claim_boxes(const struct deliveries_box *boxes, uint32_t count, bus_decision *out)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (bus_str_equal(boxes[i].barcode, boxes[j].barcode))
                return delivery_box_twice_refuse(
                    out, &(struct delivery_box_twice_params){.barcode = boxes[i].barcode});
        delivery_claim("delivery_box", boxes[i].barcode, DELIVERY_BOX_TAKEN, out);
    }
    return BUS_ACCEPTED;
}

/* The claims of a delivery that is over: its boxes and its order may come again. */
void
delivery_release_claims(const struct delivery *s, bool with_order, bus_decision *out)
{
    for (int32_t i = 0; i < s->boxes_count; i++)
        bus_release(out, "delivery_box", name_text(&s->boxes[i].name));
    if (with_order && s->has_order)
        bus_release(out, "delivery_order", name_text(&s->order));
}

bus_verdict
delivery_attach_boxes(const struct delivery *s, const struct deliveries_attach_boxes *cmd,
                      bus_decision *out)
{
    if (s->status != DELIVERIES_STATUS_CREATED && s->status != DELIVERIES_STATUS_CONFIRMED &&
        s->status != DELIVERIES_STATUS_PLANNED)
        return delivery_refuse_state(s, out);
    if (s->boxes_count + (int32_t)cmd->boxes.count > DELIVERY_BOXES_MAX)
        return delivery_boxes_full_refuse(
            out, &(struct delivery_boxes_full_params){.max = DELIVERY_BOXES_MAX});
    for (uint32_t i = 0; i < cmd->boxes.count; i++)
        if (delivery_find_box(s, cmd->boxes.items[i].barcode) >= 0)
            return delivery_box_twice_refuse(
                out, &(struct delivery_box_twice_params){.barcode = cmd->boxes.items[i].barcode});
    if (delivery_claim_boxes(cmd->boxes.items, cmd->boxes.count, out) == BUS_REFUSED)
        return BUS_REFUSED;
    return deliveries_emit_boxes_attached(
        out, &(struct deliveries_boxes_attached){
                 .boxes = {cmd->boxes.items, cmd->boxes.count, cmd->boxes.capacity}});
}

/* All barcodes are those of boxes that are still to be handed over. */
bus_verdict
delivery_check_barcodes(const struct delivery *s, const bus_str *barcodes, uint32_t count,
                        bus_decision *out)
{
    for (uint32_t i = 0; i < count; i++) {
        int32_t box = delivery_find_box(s, barcodes[i]);

        if (box < 0)
            return delivery_box_unknown_refuse(
                out, &(struct delivery_box_unknown_params){.barcode = barcodes[i]});
        if (s->boxes[box].handed)
            return delivery_box_handed_over_refuse(
                out, &(struct delivery_box_handed_over_params){.barcode = barcodes[i]});
    }
    return BUS_ACCEPTED;
}

/* A box that is scanned again counts once. */
bus_verdict
delivery_scan_boxes(const struct delivery *s, const struct deliveries_scan_boxes *cmd,
                    bus_decision *out)
{
    bus_str  fresh[DELIVERY_BOXES_MAX];
    uint32_t count = 0;

    if (s->status != DELIVERIES_STATUS_OUT)
        return delivery_refuse_state(s, out);
    if (delivery_check_barcodes(s, cmd->barcodes.items, cmd->barcodes.count, out) == BUS_REFUSED)
        return BUS_REFUSED;
    BUS_INVARIANT(cmd->barcodes.count <= DELIVERY_BOXES_MAX);
    for (uint32_t i = 0; i < cmd->barcodes.count; i++)
        if (delivery_needs_scan(&s->boxes[delivery_find_box(s, cmd->barcodes.items[i])]))
            fresh[count++] = cmd->barcodes.items[i];
    if (count == 0)
        return bus_accept(out);
    return deliveries_emit_boxes_scanned(
        out, &(struct deliveries_boxes_scanned){.barcodes = {fresh, count, count}});
}

void
delivery_remember_boxes(struct delivery *s, const struct deliveries_box *boxes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct delivery_box *box = &s->boxes[s->boxes_count];

        BUS_INVARIANT(s->boxes_count < DELIVERY_BOXES_MAX);
        box->name = delivery_name_of(boxes[i].barcode);
        box->key = key_of(&box->name);
        s->boxes_count++;
    }
}
