/* conformance.h - what every store must do, as tests that run against any of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_STORE_CONFORMANCE_CONFORMANCE_H
#define BUS_STORE_CONFORMANCE_CONFORMANCE_H

#include "bus/store/store.h"

/* One implementation under test. */
typedef struct {
    const bus_store_ops *ops;
    bus_store_options    options;
    void (*expire)(void *context, const char *domain); /* every lease of it runs out now */
    void *context;
} conformance_subject;

/* Runs all tests as a cmocka group; returns how many failed. */
int conformance_run(const char *name, const conformance_subject *subject);

#endif
