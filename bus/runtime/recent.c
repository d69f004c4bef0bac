/* recent.c - a ring of answers with an index over it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/runtime/recent.h"

#include <stdlib.h>
#include <uthash.h>

typedef struct {
    bus_recent_answer answer;
    bool              used;
    UT_hash_handle    hh;
} slot;

struct bus_recent {
    slot *slots, *by_id;
    int   room, next;
};

bus_recent *
bus_recent_create(int answers_max)
{
    bus_recent *recent = calloc(1, sizeof(*recent));

    if (recent == NULL)
        abort();
    recent->room = answers_max;
    recent->slots = calloc((size_t)answers_max, sizeof(*recent->slots));
    if (recent->slots == NULL)
        abort();
    return recent;
}

void
bus_recent_destroy(bus_recent *recent)
{
    if (recent == NULL)
        return;
    HASH_CLEAR(hh, recent->by_id);
    free(recent->slots);
    free(recent);
}

static slot *
find(const bus_recent *recent, bus_id command_id)
{
    slot *s;

    HASH_FIND(hh, recent->by_id, &command_id, sizeof(command_id), s);
    return s;
}

void
bus_recent_put(bus_recent *recent, const bus_recent_answer *answer)
{
    slot *s = find(recent, answer->command_id);

    if (s != NULL) { /* it is the newest now, and the last to go */
        HASH_DELETE(hh, recent->by_id, s);
        s->used = false;
    }
    s = &recent->slots[recent->next];
    recent->next = (recent->next + 1) % recent->room;
    if (s->used)
        HASH_DELETE(hh, recent->by_id, s);
    s->answer = *answer;
    s->used = true;
    HASH_ADD(hh, recent->by_id, answer.command_id, sizeof(s->answer.command_id), s);
}

const bus_recent_answer *
bus_recent_find(const bus_recent *recent, bus_id command_id)
{
    const slot *s = find(recent, command_id);

    return s != NULL ? &s->answer : NULL;
}
