/* kernel_upcast.c - what the older events of items are read as.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/inventory.h"

void
inventory_upcast_added(const struct inventory_added *from, struct inventory_added_v2 *to,
                       bus_upcasting *out)
{
    (void)out;
    to->name = from->name;
    to->quantity = from->quantity;
    to->origin = INVENTORY_ADDED_V2_ORIGIN_UNKNOWN;
}

void
inventory_upcast_added_v2(const struct inventory_added_v2 *from, struct inventory_added_v3 *to,
                          bus_upcasting *out)
{
    struct inventory_added_v3_lots_item *lot = bus_upcast_room(out, 1, sizeof(*lot));

    /* No such item was ever made by command: a broken invariant, for tests. */
    BUS_INVARIANT(!bus_str_is(from->name, "unreadable"));
    to->label = bus_upcast_printf(out, "%.*s", BUS_STR_ARG(from->name));
    lot->quantity = from->quantity;
    lot->origin = from->origin == INVENTORY_ADDED_V2_ORIGIN_BOUGHT
                      ? INVENTORY_ADDED_V3_LOTS_ITEM_ORIGIN_BOUGHT
                      : INVENTORY_ADDED_V3_LOTS_ITEM_ORIGIN_UNKNOWN;
    to->lots.items = lot;
    to->lots.count = to->lots.capacity = 1;
}

void
inventory_upcast_depleted(const struct inventory_depleted *from, struct inventory_depleted_v2 *to,
                          bus_upcasting *out)
{
    (void)from;
    (void)to; /* nobody knows any more how many were taken last */
    (void)out;
}
