/* stream_world_contract.c - the analytic that the histories are for, with its contract written by
 * hand: the sum of values by key. Memory, of each stream: the ids that it brought, so that a
 * duplicate is dropped, and what it brought last, so that a correction can take it back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/stream_world_contract.h"

#define INT_SHAPE                                                                                 \
    {                                                                                             \
        .kind = BUS_KIND_INT, .size = sizeof(int64_t), .minimum = INT64_MIN, .maximum = INT64_MAX \
    }
static const bus_shape whole = INT_SHAPE;
static const bus_shape truth = {.kind = BUS_KIND_BOOL, .size = sizeof(bool)};
static const bus_shape words = {.kind = BUS_KIND_STRING, .size = sizeof(bus_str), .maximum = 128};
static const bus_shape an_id = {.kind = BUS_KIND_UUID, .size = sizeof(bus_id)};

#define MEMBER(of, member, its_shape)                                                  \
    {                                                                                  \
        .name = #member, .shape = &(its_shape), .offset = offsetof(struct of, member), \
        .has_offset = BUS_NO_OFFSET, .required = true                                  \
    }
#define OBJECT(of, its_fields)                                                      \
    {                                                                               \
        .kind = BUS_KIND_OBJECT, .size = sizeof(struct of), .fields = (its_fields), \
        .fields_count = BUS_COUNT(its_fields)                                       \
    }

struct late_row {
    bus_str domain, event;
    int64_t partition, offset, logged_at, event_at, watermark_at, late_s, refused;
    bus_id  stream;
};
struct clocks_row {
    bus_str domain;
    int64_t partition, offset, seen_at, watermark_at, ticked_at, late, change, closed_to_at;
    bool    known;
};
struct memory_row {
    bool    there;
    int64_t key, time_ms, value;
    struct {
        int64_t *items;
        uint32_t count, capacity;
    } seen;
};
struct window_row {
    world_window w;
};

#define WINDOW_MEMBER(member, its_shape)                                                  \
    {                                                                                     \
        .name = #member, .shape = &(its_shape), .offset = offsetof(world_window, member), \
        .has_offset = BUS_NO_OFFSET, .required = true                                     \
    }
static const bus_field window_fields[] = {
    WINDOW_MEMBER(key, whole),
    WINDOW_MEMBER(from_at, whole),
    WINDOW_MEMBER(to_at, whole),
    WINDOW_MEMBER(closed, truth),
    WINDOW_MEMBER(change, whole),
    WINDOW_MEMBER(count, whole),
    WINDOW_MEMBER(sum, whole),
    {.name = "mean",
     .shape = &whole,
     .offset = offsetof(world_window, mean),
     .has_offset = offsetof(world_window, has_mean)},
};
const bus_shape        world_window_shape = OBJECT(window_row, window_fields);
const bus_field *const world_key[1] = {&window_fields[0]};
const bus_field *const world_from_at = &window_fields[1], *const world_to_at = &window_fields[2],
                       *const world_closed = &window_fields[3],
                       *const world_change = &window_fields[4];

static const bus_field late_fields[] = {
    MEMBER(late_row, domain, words),       MEMBER(late_row, event, words),
    MEMBER(late_row, partition, whole),    MEMBER(late_row, offset, whole),
    MEMBER(late_row, logged_at, whole),    MEMBER(late_row, event_at, whole),
    MEMBER(late_row, watermark_at, whole), MEMBER(late_row, late_s, whole),
    MEMBER(late_row, refused, whole),      MEMBER(late_row, stream, an_id),
};
static const bus_shape late_shape = OBJECT(late_row, late_fields);
static const bus_field clocks_fields[] = {
    MEMBER(clocks_row, domain, words),       MEMBER(clocks_row, partition, whole),
    MEMBER(clocks_row, offset, whole),       MEMBER(clocks_row, seen_at, whole),
    MEMBER(clocks_row, watermark_at, whole), MEMBER(clocks_row, ticked_at, whole),
    MEMBER(clocks_row, late, whole),         MEMBER(clocks_row, change, whole),
    MEMBER(clocks_row, closed_to_at, whole), MEMBER(clocks_row, known, truth),
};
static const bus_shape clocks_shape = OBJECT(clocks_row, clocks_fields);
static const bus_shape seen_shape = {.kind = BUS_KIND_ARRAY,
                                     .size = sizeof(((struct memory_row *)0)->seen),
                                     .maximum = WORLD_SEEN,
                                     .item = &whole};
static const bus_field memory_fields[] = {
    MEMBER(memory_row, there, truth),     MEMBER(memory_row, key, whole),
    MEMBER(memory_row, time_ms, whole),   MEMBER(memory_row, value, whole),
    MEMBER(memory_row, seen, seen_shape),
};
static const bus_shape memory_shape = OBJECT(memory_row, memory_fields);

const bus_view_contract world_late = {.name = "world_late", .row = &late_shape};
const bus_view_contract world_clocks = {.name = "world_clocks", .row = &clocks_shape};
const bus_view_contract world_memory = {.name = "world_memory", .row = &memory_shape};

static const bus_contract domains[WORLD_SOURCES] = {{.module = "east"}, {.module = "west"}};
static const bus_aggregate_contract aggregates[WORLD_SOURCES] = {
    {.name = "thing", .contract = &domains[0]}, {.name = "thing", .contract = &domains[1]}};
const bus_message world_events[WORLD_SOURCES] = {
    {.type = "east.happened.v1", .name = "happened", .aggregate = &aggregates[0], .version = 1},
    {.type = "west.happened.v1", .name = "happened", .aggregate = &aggregates[1], .version = 1},
};
const bus_message *const world_follows[WORLD_SOURCES] = {&world_events[0], &world_events[1]};

/* --- the analytic -------------------------------------------------------------- */

static bool
is_known(const struct memory_row *memory, int64_t id)
{
    for (uint32_t i = 0; i < memory->seen.count; i++)
        if (memory->seen.items[i] == id)
            return true;
    return false;
}

static void
map(void *state, const bus_event *event, bus_stream_out *out)
{
    struct memory_row *memory = state;
    const world_data  *d = event->data;
    world_window       one = {.key = d->key, .count = 1, .sum = d->value};

    bus_stream_tick(out, d->time_ms);
    if (is_known(memory, d->id))
        return;
    if (memory->seen.count < WORLD_SEEN)
        *BUS_STREAM_PUSH(out, &memory->seen) = d->id;
    if (!bus_stream_is_late(out, d->time_ms, 0) && d->corrects && memory->there) {
        world_window before = {.key = memory->key, .count = 1, .sum = memory->value};

        bus_stream_correct(out, &before, memory->time_ms, 0, -1);
    }
    bus_stream_put(out, &one, d->time_ms, 0);
    if (bus_stream_is_late(out, d->time_ms, 0))
        return;
    memory->there = true;
    memory->key = d->key;
    memory->time_ms = d->time_ms;
    memory->value = d->value;
}

static void
step(void *state, const void *contribution, int sign)
{
    world_window       *window = state;
    const world_window *one = contribution;

    BUS_INVARIANT(one->sum != WORLD_BREAKS);
    window->count += sign * one->count;
    window->sum += sign * one->sum;
}

static void
finish(void *state)
{
    world_window *window = state;

    window->has_mean = window->count != 0;
    window->mean = window->has_mean ? window->sum / window->count : 0;
}

const bus_analytic world_analytic = {.map = map, .step = step, .finish = finish};
