/* derive.c - ids that follow from other ids.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/derive.h"
#include "bus/base/error.h"

#include <stdio.h>
#include <string.h>

bus_id
bus_derive_send(bus_id event_command, int event_nth, int send)
{
    char name[48];

    (void)snprintf(name, sizeof(name), "send:%d:%d", event_nth, send);
    return bus_id_v5_text(event_command, name);
}

bus_id
bus_derive_answer(bus_id sent_command)
{
    return bus_id_v5_text(sent_command, "answer");
}

bus_id
bus_derive_reaction(const char *module, bus_id event_command, int event_nth, int command)
{
    char name[128];
    int  len = snprintf(name, sizeof(name), "reaction:%s:%d:%d", module, event_nth, command);

    BUS_INVARIANT(len > 0 && (size_t)len < sizeof(name));
    return bus_id_v5_text(event_command, name);
}

bus_id
bus_derive_wake(bus_id stream, bus_str name, int64_t due_at_ms)
{
    char text[128];
    int  len =
        snprintf(text, sizeof(text), "wake:%.*s:%lld", BUS_STR_ARG(name), (long long)due_at_ms);

    BUS_INVARIANT(len > 0 && (size_t)len < sizeof(text));
    return bus_id_v5_text(stream, text);
}

bus_id
bus_derive_refused_stream(bus_id command, uint16_t partition, int partitions)
{
    char name[32];

    for (unsigned i = 0;; i++) {
        bus_id stream;

        (void)snprintf(name, sizeof(name), "refused:%u", i);
        stream = bus_id_v5_text(command, name);
        if (bus_id_partition(stream, partitions) == partition)
            return stream;
        BUS_INVARIANT(i < 100000); /* 256 partitions: found after some hundred at most */
    }
}

int64_t
bus_derive_digest(bus_str type, bus_id stream, bus_str data)
{
    uint64_t hash[3] = {bus_fnv1a64(type.at, type.len),
                        bus_fnv1a64(stream.bytes, sizeof(stream.bytes)),
                        bus_fnv1a64(data.at, data.len)};

    return (int64_t)bus_fnv1a64(hash, sizeof(hash));
}
