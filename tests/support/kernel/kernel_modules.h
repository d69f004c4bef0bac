/* kernel_modules.h - two small modules and two views to test the kernel with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_KERNEL_KERNEL_MODULES_H
#define TESTS_SUPPORT_KERNEL_KERNEL_MODULES_H

#include "bus/module/module.h"
#include "contracts/inventory.h"
#include "contracts/orders.h"

extern const bus_module inventory_module, orders_module;
extern const bus_view   items_projection, stock_projection;

/* The stream in which depletions of an item are noted. */
bus_id kernel_depletion_stream(bus_id item);
/* The stream of an order's buyer, whom `greet` names. */
bus_id kernel_buyer_stream(bus_id order);

#endif
