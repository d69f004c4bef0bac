/* conformance.h - what every key store must do.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_CONFORMANCE_CONFORMANCE_H
#define BUS_PERSONAL_CONFORMANCE_CONFORMANCE_H

#include "bus/personal/key_store.h"

/* Runs all tests on the store, which is empty; returns how many failed. */
int keys_conformance_run(const char *name, const bus_key_store_ops *ops, const char *url);

#endif
