/* kernel_modules.c - items that can be taken, renamed and broken; orders that take them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernel/kernel_modules.h"

#include <string.h>

struct item {
    char    name[44];
    int64_t quantity;
    bool    promised;
};

static bus_verdict
decide_add(const struct inventory_add *cmd, bus_decision *out)
{
    struct inventory_added_v3_lots_item lot = {
        .quantity = cmd->quantity, .origin = INVENTORY_ADDED_V3_LOTS_ITEM_ORIGIN_BOUGHT};

    return inventory_emit_added_v3(
        out, &(struct inventory_added_v3){.label = cmd->name, .lots = {&lot, 1, 1}});
}

/* How many an item began with. */
static int64_t
total_of(const struct inventory_added_v3 *e)
{
    int64_t total = 0;

    for (uint32_t i = 0; i < e->lots.count; i++)
        total += e->lots.items[i].quantity;
    return total;
}

static bus_verdict
decide_take(const struct item *s, int64_t quantity, bus_decision *out)
{
    if (quantity > s->quantity)
        return item_short_refuse(out, &(struct item_short_params){.left = s->quantity});
    (void)inventory_emit_taken(
        out, &(struct inventory_taken){.quantity = quantity, .left = s->quantity - quantity});
    if (quantity == s->quantity)
        return inventory_emit_depleted_v2(out, &(struct inventory_depleted_v2){
                                                   .has_last_quantity = true,
                                                   .last_quantity = quantity,
                                               });
    return BUS_ACCEPTED;
}

static bus_verdict
decide_break(const struct inventory_break *cmd, bus_decision *out)
{
    BUS_INVARIANT(cmd->where != INVENTORY_BREAK_WHERE_DECIDE);
    return inventory_emit_broken(
        out, &(struct inventory_broken){.where = cmd->where == INVENTORY_BREAK_WHERE_APPLY
                                                     ? INVENTORY_BROKEN_WHERE_APPLY
                                                     : INVENTORY_BROKEN_WHERE_VIEW});
}

static bus_verdict
decide_promise(const bus_meta *meta, bus_decision *out)
{
    const struct inventory_settings *rules = meta->settings;

    (void)inventory_emit_promised(
        out, &(struct inventory_promised){.until_at = meta->at_ms + rules->promise_ms});
    bus_wake_at(out, &inventory_promise_over_command, meta->at_ms + rules->promise_ms);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_item(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct item                   *s = state;
    const struct inventory_item_command *c = command;

    switch (c->kind) {
    case INVENTORY_ADD:
        bus_claim(out, "item_name", c->add.name, ITEM_NAME_TAKEN);
        return decide_add(&c->add, out);
    case INVENTORY_RENAME:
        if (bus_str_is(c->rename.name, s->name))
            return bus_accept(out);
        bus_release(out, "item_name", bus_str_load(s->name));
        bus_claim(out, "item_name", c->rename.name, ITEM_NAME_TAKEN);
        return inventory_emit_renamed(out, &(struct inventory_renamed){.name = c->rename.name});
    case INVENTORY_TAKE: return decide_take(s, c->take.quantity, out);
    case INVENTORY_PROMISE: return decide_promise(meta, out);
    case INVENTORY_FORGET_PROMISE:
        (void)inventory_emit_promise_forgotten(out, &(struct inventory_promise_forgotten){0});
        bus_wake_cancel(out, &inventory_promise_over_command);
        return BUS_ACCEPTED;
    case INVENTORY_PROMISE_OVER:
        if (!s->promised)
            return bus_accept(out);
        return inventory_emit_promise_ended(out, &(struct inventory_promise_ended){0});
    case INVENTORY_LOOK: return bus_accept(out);
    case INVENTORY_BREAK: return decide_break(&c->break_, out);
    }
    BUS_UNREACHABLE();
}

static void
apply_item(void *state, const void *event)
{
    struct item                       *s = state;
    const struct inventory_item_event *e = event;

    switch (e->kind) {
    case INVENTORY_ADDED_V3:
        bus_str_store(s->name, sizeof(s->name), e->added_v3.label);
        s->quantity = total_of(&e->added_v3);
        break;
    case INVENTORY_RENAMED: bus_str_store(s->name, sizeof(s->name), e->renamed.name); break;
    case INVENTORY_TAKEN: s->quantity -= e->taken.quantity; break;
    case INVENTORY_DEPLETED_V2: break;
    case INVENTORY_PROMISED: s->promised = true; break;
    case INVENTORY_PROMISE_FORGOTTEN: s->promised = false; break;
    case INVENTORY_PROMISE_ENDED: s->promised = false; break;
    case INVENTORY_BROKEN: BUS_INVARIANT(e->broken.where != INVENTORY_BROKEN_WHERE_APPLY); break;
    }
    BUS_INVARIANT(s->quantity >= 0);
}

static const bus_aggregate items[] = {
    {.of = &inventory_item,
     .snapshot_version = 1,
     .state_size = sizeof(struct item),
     .decide = decide_item,
     .apply = apply_item},
};

const bus_module inventory_module = BUS_MODULE(inventory, items);

/* --- orders --------------------------------------------------------------------- */

struct order {
    int64_t noted;
};

static bus_verdict
decide_place(const struct orders_place *cmd, bus_decision *out)
{
    (void)orders_emit_placed(out, &(struct orders_placed){.count = cmd->items.count});
    for (uint32_t i = 0; i < cmd->items.count; i++)
        inventory_send_take(out, cmd->items.items[i],
                            &(struct inventory_take){.quantity = cmd->quantity},
                            &orders_item_answered_command);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_more(const struct orders_place_more *cmd, bus_decision *out)
{
    (void)orders_emit_placed(out, &(struct orders_placed){.count = cmd->items.count});
    for (uint32_t i = 0; i < cmd->items.count; i++)
        inventory_send_take(out, cmd->items.items[i],
                            &(struct inventory_take){.quantity = cmd->quantity},
                            &orders_item_answered_command);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_answered(const bus_answer *answer, bus_decision *out)
{
    if (!answer->accepted)
        return orders_emit_item_missed(
            out, &(struct orders_item_missed){.item = answer->stream, .code = answer->code});
    BUS_INVARIANT(answer->events_count >= 1 && answer->events[0].type == &inventory_taken_event);
    return orders_emit_item_got(
        out, &(struct orders_item_got){
                 .item = answer->stream,
                 .left = ((const struct inventory_taken *)answer->events[0].data)->left});
}

/* A buyer's stream is derived from the order's. */
bus_id
kernel_buyer_stream(bus_id order)
{
    return bus_id_v5_text(order, "buyer");
}

static bus_verdict
decide_greet(const struct orders_greet *cmd, const bus_meta *meta, bus_decision *out)
{
    (void)orders_emit_greeted(out, &(struct orders_greeted){.buyer = cmd->buyer});
    orders_send_remember(out, kernel_buyer_stream(meta->stream),
                         &(struct orders_remember){.name = cmd->buyer},
                         &orders_buyer_answered_command);
    return BUS_ACCEPTED;
}

static bus_verdict
decide_buyer_answered(const bus_answer *answer, bus_decision *out)
{
    if (!answer->accepted)
        return bus_accept(out);
    BUS_INVARIANT(answer->events_count == 1 && answer->events[0].type == &orders_remembered_event);
    return orders_emit_buyer_known(
        out, &(struct orders_buyer_known){
                 .name = ((const struct orders_remembered *)answer->events[0].data)->name});
}

static bus_verdict
decide_order(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct order                *s = state;
    const struct orders_order_command *c = command;

    switch (c->kind) {
    case ORDERS_GREET: return decide_greet(&c->greet, meta, out);
    case ORDERS_BUYER_ANSWERED: return decide_buyer_answered(&c->buyer_answered, out);
    case ORDERS_PLACE: return decide_place(&c->place, out);
    case ORDERS_PLACE_MORE: return decide_more(&c->place_more, out);
    case ORDERS_ITEM_ANSWERED: return decide_answered(&c->item_answered, out);
    case ORDERS_NOTE_DEPLETED:
        if (s->noted > 0)
            return bus_refuse(out, ORDER_KNOWS);
        return orders_emit_depletion_noted(out, &(struct orders_depletion_noted){0});
    }
    BUS_UNREACHABLE();
}

static void
apply_order(void *state, const void *event)
{
    struct order                    *s = state;
    const struct orders_order_event *e = event;

    if (e->kind == ORDERS_DEPLETION_NOTED)
        s->noted++;
}

/* --- buyers ---------------------------------------------------------------------- */

struct buyer {
    char name[164];
};

static bus_verdict
decide_buyer(const void *state, const void *command, const bus_meta *meta, bus_decision *out)
{
    const struct buyer                *s = state;
    const struct orders_buyer_command *c = command;

    (void)meta;
    bus_release_personal(out, "buyer_name", bus_str_load(s->name));
    bus_claim_personal(out, "buyer_name", c->remember.name, ORDER_KNOWS);
    return orders_emit_remembered(out, &(struct orders_remembered){.name = c->remember.name});
}

static void
apply_buyer(void *state, const void *event)
{
    struct buyer                    *s = state;
    const struct orders_buyer_event *e = event;

    bus_str_store(s->name, sizeof(s->name), e->remembered.name);
}

bus_id
kernel_depletion_stream(bus_id item)
{
    return bus_id_v5_text(item, "depletion");
}

static void
on_depleted(const bus_event *event, bus_reaction_out *out)
{
    orders_react_note_depleted(out, kernel_depletion_stream(event->stream),
                               &(struct orders_note_depleted){0});
}

static const bus_reaction reactions[] = {
    {.on = &inventory_depleted_v2_event, .react = on_depleted},
};

static const bus_aggregate orders[] = {
    {.of = &orders_order,
     .snapshot_version = 1,
     .state_size = sizeof(struct order),
     .decide = decide_order,
     .apply = apply_order},
    {.of = &orders_buyer,
     .snapshot_version = 1,
     .state_size = sizeof(struct buyer),
     .decide = decide_buyer,
     .apply = apply_buyer},
};

const bus_module orders_module = BUS_MODULE_WITH_REACTIONS(orders, orders, reactions);

/* --- views --------------------------------------------------------------------------- */

static void
project_items(void *state, const bus_event *event, bus_projection *out)
{
    struct items_row                  *row = state;
    const struct inventory_item_event *e = event->tagged;

    switch (e->kind) {
    case INVENTORY_ADDED_V3:
        row->name = e->added_v3.label;
        row->quantity = total_of(&e->added_v3);
        break;
    case INVENTORY_RENAMED: row->name = e->renamed.name; break;
    case INVENTORY_TAKEN: {
        struct items_row_takes *takes = &row->takes;

        row->quantity = e->taken.left;
        *BUS_ROW_PUSH(out, takes) = e->taken.quantity;
        break;
    }
    case INVENTORY_BROKEN: BUS_INVARIANT(e->broken.where != INVENTORY_BROKEN_WHERE_VIEW); break;
    case INVENTORY_DEPLETED_V2:
    case INVENTORY_PROMISED:
    case INVENTORY_PROMISE_FORGOTTEN:
    case INVENTORY_PROMISE_ENDED: break;
    }
}

const bus_view items_projection = {.of = &items_view, .view_version = 1, .project = project_items};

/* One row for the whole tenant. */
static void
keys_stock(const bus_event *event, bus_projection *out)
{
    bus_row_key(out, bus_id_v5_text(event->tenant, "stock"));
}

static void
project_stock(void *state, const bus_event *event, bus_projection *out)
{
    struct stock_row                  *row = state;
    const struct inventory_item_event *e = event->tagged;

    (void)out;
    if (e->kind == INVENTORY_ADDED_V3)
        row->added += total_of(&e->added_v3);
    if (e->kind == INVENTORY_TAKEN)
        row->taken += e->taken.quantity;
}

const bus_view stock_projection = {
    .of = &stock_view, .view_version = 1, .project = project_stock, .keys = keys_stock};
