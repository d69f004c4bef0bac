/* clock.c - watermarks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "projections/stream/clock.h"
#include "bus/base/planted.h"

int64_t
bus_stream_clock_judges(const bus_stream_clock *clock, const bus_stream_pace *pace, int64_t at_ms)
{
    int64_t idle_ms = at_ms - clock->at_ms - pace->idle_ms;

    if (!clock->known)
        return BUS_STREAM_NEVER;
    return clock->watermark_ms +
           (idle_ms > 0 && !BUS_PLANTED("stream.idle_forgotten") ? idle_ms : 0);
}

void
bus_stream_clock_tick(bus_stream_clock *clock, const bus_stream_pace *pace, int64_t at_ms,
                      int64_t time_ms)
{
    int64_t judges_ms = bus_stream_clock_judges(clock, pace, at_ms);
    int64_t reached_ms = (time_ms < at_ms ? time_ms : at_ms) - pace->bound_ms;

    clock->watermark_ms = reached_ms > judges_ms ? reached_ms : judges_ms;
    clock->at_ms = at_ms;
    clock->known = true;
}

bool
bus_stream_clock_read(bus_stream_clock *clock, int64_t offset, int64_t at_ms)
{
    if (offset <= clock->offset)
        return false;
    clock->offset = offset;
    clock->seen_at_ms = at_ms;
    return true;
}

int64_t
bus_stream_horizon(const bus_stream_clock *clocks, int count, const bus_stream_pace *pace)
{
    int64_t now_ms = BUS_STREAM_NEVER, least_ms = INT64_MAX;

    for (int i = 0; i < count; i++)
        if (clocks[i].offset > 0 && clocks[i].seen_at_ms > now_ms)
            now_ms = clocks[i].seen_at_ms;
    for (int i = 0; i < count; i++) {
        int64_t reached_ms = bus_stream_clock_judges(&clocks[i], pace, now_ms);

        if (clocks[i].known && reached_ms < least_ms)
            least_ms = reached_ms;
    }
    return least_ms == INT64_MAX ? BUS_STREAM_NEVER : least_ms;
}
