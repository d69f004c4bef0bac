/* window.c - a ring of offsets that grows up to its bound.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/transport/kafka/window.h"
#include "bus/base/error.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64

void
bus_kafka_window_start(bus_kafka_window *w, int64_t offset)
{
    w->first = w->count = 0;
    w->behind = offset;
}

void
bus_kafka_window_fini(bus_kafka_window *w)
{
    free(w->items);
    *w = (bus_kafka_window){0};
}

static uint32_t
at(const bus_kafka_window *w, uint32_t nth)
{
    return (w->first + nth) % w->room;
}

static void
grow(bus_kafka_window *w)
{
    uint32_t         room = w->room == 0 ? ROOM_FIRST : 2 * w->room;
    bus_kafka_window wider = {.items = calloc(room, sizeof(*w->items)), .room = room};

    if (wider.items == NULL)
        abort();
    for (; wider.count < w->count; wider.count++)
        wider.items[wider.count] = w->items[at(w, wider.count)];
    wider.behind = w->behind;
    free(w->items);
    *w = wider;
}

bool
bus_kafka_window_take(bus_kafka_window *w, int64_t offset, uint32_t max)
{
    uint32_t last;

    if (w->count >= max)
        return false;
    if (w->count == w->room)
        grow(w);
    last = at(w, w->count++);
    w->items[last].offset = offset;
    w->items[last].answered = false;
    w->behind = offset + 1;
    return true;
}

/* Its place among those that wait; count: it is not there. */
static uint32_t
find(const bus_kafka_window *w, int64_t offset)
{
    uint32_t low = 0, high = w->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (w->items[at(w, middle)].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->count && w->items[at(w, low)].offset == offset ? low : w->count;
}

void
bus_kafka_window_answer(bus_kafka_window *w, int64_t offset)
{
    uint32_t nth = find(w, offset);

    if (nth == w->count)
        return;
    w->items[at(w, nth)].answered = true;
    while (w->count > 0 && w->items[w->first].answered) {
        w->first = at(w, 1);
        w->count--;
    }
}

int64_t
bus_kafka_window_front(const bus_kafka_window *w)
{
    return w->count > 0 ? w->items[w->first].offset : w->behind;
}
