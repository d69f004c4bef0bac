/* transport_conformance.h - what every transport must do, whatever carries it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_TRANSPORT_CONFORMANCE_H
#define TESTS_SUPPORT_TRANSPORT_CONFORMANCE_H

#include "bus/transport/transport.h"

/* Runs all tests over one implementation; url: where it listens (inproc ignores it). Returns the
 * number of failed tests, as main() should. */
int transport_conformance(const bus_transport_ops *ops, const char *url);

#endif
