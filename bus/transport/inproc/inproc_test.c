/* inproc_test.c - the transport between threads does what every transport does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/transport_conformance.h"

int
main(void)
{
    return transport_conformance("inproc", &bus_transport_inproc, "", NULL);
}
