/* derive.h - ids that follow from other ids, so that a repeat meets its first self.
 * All pure. The texts are part of the log's format: never change them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_RUNTIME_DERIVE_H
#define BUS_RUNTIME_DERIVE_H

#include "bus/base/id.h"
#include "bus/envelope/envelope.h"

/* The nth command that the event <command_id>:<nth> sends. */
bus_id bus_derive_send(bus_id event_command, int event_nth, int send);
/* The answer to a sent command, as a command to the asking stream. */
bus_id bus_derive_answer(bus_id sent_command);
/* The nth command that `module` makes of the event <command_id>:<nth>. */
bus_id bus_derive_reaction(const char *module, bus_id event_command, int event_nth, int command);
/* The firing of a timer. */
bus_id bus_derive_wake(bus_id stream, bus_str name, int64_t due_at_ms);
/* The stream of a durable refusal: in the same partition as the stream it was for. */
bus_id bus_derive_refused_stream(bus_id command, uint16_t partition, int partitions);
/* What two requests with one id must share: FNV-1a-64 over type, stream and data. */
int64_t bus_derive_digest(bus_str type, bus_id stream, bus_str data);

#endif
