/* decode_fuzz.c - any bytes as documents of the specimen, which has every keyword (libFuzzer).
 *
 * The first byte picks the message, the rest is the text. Besides what the sanitizers see, these
 * must hold: a refusal names its problem in UTF-8; what was accepted encodes to a text that
 * decodes to an equal value and encodes to the same bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/contract/decode_internal.h"
#include "contracts/specimen.h"

#include <stdlib.h>
#include <string.h>

#define ALL ((size_t)(specimen_thing.commands_count + specimen_thing.events_count))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bus_arena arena;

static const bus_shape *
pick_shape(uint8_t choice)
{
    int n = (int)(choice % ALL);

    return n < specimen_thing.commands_count
               ? specimen_thing.commands[n]->shape
               : specimen_thing.events[n - specimen_thing.commands_count]->shape;
}

static void
check_problems(const bus_problems *problems)
{
    BUS_INVARIANT(problems->count > 0 && problems->count <= BUS_PROBLEMS_MAX);
    for (int i = 0; i < problems->count; i++) {
        json_t *pointer = json_string(problems->items[i].pointer); /* NULL unless UTF-8 */
        json_t *message = json_string(problems->items[i].message);

        BUS_INVARIANT(pointer != NULL && message != NULL && json_string_length(message) > 0);
        BUS_INVARIANT(json_string_length(pointer) == 0 || problems->items[i].pointer[0] == '/');
        json_decref(pointer);
        json_decref(message);
    }
}

static void
check_value(const bus_shape *shape, const void *value)
{
    bus_problems problems = {0};
    bus_buf      once = {0}, twice = {0};
    void        *back = bus_arena_alloc(&arena, shape->size);
    void        *copy = bus_arena_alloc(&arena, shape->size);

    bus_encode(shape, value, &once);
    BUS_INVARIANT(bus_decode(shape, bus_buf_str(&once), &arena, back, &problems) == BUS_OK);
    BUS_INVARIANT(bus_equal(shape, value, back));
    bus_copy(shape, back, copy, &arena);
    BUS_INVARIANT(bus_equal(shape, value, copy));
    bus_encode(shape, copy, &twice);
    BUS_INVARIANT(bus_str_equal(bus_buf_str(&once), bus_buf_str(&twice)));
    bus_buf_fini(&once);
    bus_buf_fini(&twice);
}

/* What is read without a tree, jansson reads as the same. */
static void
check_short_road(const bus_shape *shape, bus_str text)
{
    bus_problems problems = {0};
    void        *plain = bus_arena_alloc(&arena, shape->size);
    void        *parsed = bus_arena_alloc(&arena, shape->size);
    json_t      *tree;

    if (!bus_decode_plain(BUS_PERSONAL_CLEAR, shape, text, &arena, plain))
        return;
    tree = bus_json_parse(text, &problems);
    BUS_INVARIANT(tree != NULL);
    BUS_INVARIANT(bus_decode_json(shape, tree, &arena, parsed, &problems) == BUS_OK);
    BUS_INVARIANT(bus_equal(shape, plain, parsed));
    json_decref(tree);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_problems     problems = {0};
    const bus_shape *shape;
    bus_str          text;
    char            *exact;
    void            *value;

    if (size < 2 || size > 1 << 20)
        return 0;
    exact = malloc(size - 1); /* of its own: a byte too far is seen */
    if (exact == NULL)
        abort();
    memcpy(exact, data + 1, size - 1);
    text = (bus_str){exact, (uint32_t)(size - 1)};
    shape = pick_shape(data[0]);
    bus_arena_reset(&arena);
    check_short_road(shape, text);
    value = bus_arena_alloc(&arena, shape->size);
    if (bus_decode(shape, text, &arena, value, &problems) == BUS_OK)
        check_value(shape, value);
    else
        check_problems(&problems);
    free(exact);
    return 0;
}
