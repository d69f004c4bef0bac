/* meters.h - a small domain whose events are counted in windows, beside those of
 * tests/support/kernel. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_METERS_H
#define TESTS_SIM_METERS_H

#include "bus/module/module.h"
#include "contracts/meters.h"

#define SIM_METERS 6 /* streams */

extern const bus_module meters_module;
extern const bus_view   meter_loads_projection, meter_loads_late_projection;

#endif
