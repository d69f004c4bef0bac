/* command.h - commands from HTTP to the bus and their answers back. Internal.
 * Threads: the loop's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EDGE_HTTP_COMMAND_H
#define API_EDGE_HTTP_COMMAND_H

#include "api-edge/http/request.h"

BUS_CHECKED bus_code edge_commands_open(edge_commands **out, edge_loop *loop, bus_error *err);
/* All requests are answered by then. Its handles close with the loop's next turns; the memory is
 * given back by edge_commands_free, after the loop has run out. */
void edge_commands_close(edge_commands *commands);
void edge_commands_free(edge_commands *commands); /* accepts NULL */

/* handle() of a command's route. */
void edge_command_handle(edge_request *r);
/* Takes replies that wait: when the transport told so. */
void edge_commands_replies(edge_commands *commands);
/* Answers 503 to what is in flight: at the end of a stop. */
void edge_commands_abandon(edge_commands *commands);

int edge_commands_in_flight(const edge_commands *commands);

/* The id under which a command is carried out once: derived from tenant, actor and key, with the
 * time of the key if that is a UUIDv7. Pure. */
bus_id edge_command_id_of_key(bus_id tenant, bus_id actor, bus_str key);

#endif
