/* command.h - what the edge and the runtime must derive from a command in the same way.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_ENVELOPE_COMMAND_H
#define BUS_ENVELOPE_COMMAND_H

#include "bus/base/id.h"

/* The stream that a command with on: "new" makes. Derived, so that a repeated create meets its
 * first self in the same partition. Part of the log's format: never changes. Pure. */
bus_id bus_stream_of_new(bus_id command_id);

#endif
