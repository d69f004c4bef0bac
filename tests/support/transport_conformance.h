/* transport_conformance.h - what every transport must do, whatever carries it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_TRANSPORT_CONFORMANCE_H
#define TESTS_SUPPORT_TRANSPORT_CONFORMANCE_H

#include "bus/transport/transport.h"

/* Runs all tests over one implementation; name: of the group. The asker and the subscriber are
 * reached at url, the server and the publisher at far_url, each a transport of its own as if they
 * were two processes; NULL: all of them share one transport. Returns the number of failed tests,
 * as main() should. */
int transport_conformance(const char *name, const bus_transport_ops *ops, const char *url,
                          const char *far_url);

#endif
