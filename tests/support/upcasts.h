/* upcasts.h - a contract's superseded events, each tried with its examples.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_UPCASTS_H
#define TESTS_SUPPORT_UPCASTS_H

#include "bus/contract/contract.h"

/* Reads every valid example of every superseded event and fails the test where the newest
 * version that came of it breaks its own contract. Returns how many were tried. */
int tests_upcasts_are_valid(const bus_contract *contract);

#endif
