/* cursor_fuzz.c - any bytes as the cursor of a list.
 *
 * An input that begins with "raw\n" is the cursor itself. Otherwise it is what a row holds: the id,
 * then the sort value; "null\n" before it: the value is SQL null.
 * What must hold: what decodes encodes to the same text; what was encoded decodes to itself, and
 * to nothing for another list.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/query/cursor.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define BINDING UINT64_C(0x0123456789abcdef)

static bus_arena arena;

static void
check_text(bus_str bytes)
{
    char       *exact = fuzz_exact(bytes);
    bus_str     text = {exact, bytes.len};
    bus_buf     again = {0};
    edge_cursor cursor;

    if (edge_cursor_decode(text, BINDING, &arena, &cursor)) {
        edge_cursor_encode(&cursor, BINDING, &again);
        BUS_INVARIANT(bus_str_equal(text, bus_buf_str(&again)));
    }
    bus_buf_fini(&again);
    free(exact);
}

static void
check_row(bus_str bytes, bool is_null)
{
    edge_cursor cursor = {.is_null = is_null}, back;
    bus_buf     text = {0};

    if (bytes.len < sizeof(cursor.id.bytes) ||
        bytes.len - sizeof(cursor.id.bytes) > EDGE_CURSOR_VALUE_MAX)
        return;
    memcpy(cursor.id.bytes, bytes.at, sizeof(cursor.id.bytes));
    cursor.value = (bus_str){bytes.at + sizeof(cursor.id.bytes),
                             bytes.len - (uint32_t)sizeof(cursor.id.bytes)};
    edge_cursor_encode(&cursor, BINDING, &text);
    BUS_INVARIANT(edge_cursor_decode(bus_buf_str(&text), BINDING, &arena, &back));
    BUS_INVARIANT(back.is_null == is_null && bus_id_equal(back.id, cursor.id) &&
                  bus_str_equal(back.value, cursor.value));
    BUS_INVARIANT(!edge_cursor_decode(bus_buf_str(&text), BINDING + 1, &arena, &back));
    text.at[0] = text.at[0] == 'A' ? 'B' : 'A'; /* of the checksum */
    BUS_INVARIANT(!edge_cursor_decode(bus_buf_str(&text), BINDING, &arena, &back));
    bus_buf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str rest = fuzz_input(data, size), all = rest, first = fuzz_cut(&rest, '\n');

    bus_arena_reset(&arena);
    if (bus_str_is(first, "raw"))
        check_text(rest);
    else if (bus_str_is(first, "null"))
        check_row(rest, true);
    else
        check_row(all, false);
    return 0;
}
