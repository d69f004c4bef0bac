/* sample_upcast.c - what the superseded events of the sample are read as.
 * SPDX-License-Identifier: Apache-2.0 */
#include "contracts/inventory.h"

/* Before shelves had numbers everything lay on the first. */
void
inventory_upcast_received(const struct inventory_received *from, struct inventory_received_v2 *to,
                          bus_upcasting *out)
{
    (void)out;
    to->quantity = from->quantity;
    to->shelf.row = 1;
}
