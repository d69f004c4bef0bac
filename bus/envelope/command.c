/* command.c - ids that follow from a command's id.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/envelope/command.h"

bus_id
bus_stream_of_new(bus_id command_id)
{
    return bus_id_v5_text(command_id, "stream");
}
