/* after_fuzz.c - any bytes as a place in the log: X-After, ?after= and Last-Event-ID.
 *
 * An input that begins with '~' gets the checksum of a feed's cursor behind it, which no fuzzer
 * guesses; one that begins with "raw\n" is taken as it is, without these four bytes.
 * What must hold: offsets are never negative; a cursor that is read is written as the same place; a
 * position that is read names its domain within the text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api-edge/http/header.h"
#include "api-edge/live/place.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 8

static void
check_place(bus_str text)
{
    int64_t         offsets[PARTITIONS], again[PARTITIONS];
    edge_place_kind kind, kind_again;
    const char     *why = NULL;
    bus_buf         written = {0};

    if (!edge_place_decode(text, "vehicles", PARTITIONS, offsets, &kind, &why)) {
        BUS_INVARIANT(why != NULL && *why != '\0');
        return;
    }
    for (int i = 0; i < PARTITIONS; i++)
        BUS_INVARIANT(offsets[i] >= 0);
    edge_place_encode("vehicles", offsets, PARTITIONS, &written);
    BUS_INVARIANT(written.len <= EDGE_PLACE_TEXT_MAX);
    BUS_INVARIANT(
        edge_place_decode(bus_buf_str(&written), "vehicles", PARTITIONS, again, &kind_again, &why));
    BUS_INVARIANT(kind_again == EDGE_PLACE_GIVEN && memcmp(offsets, again, sizeof(again)) == 0);
    bus_buf_fini(&written);
}

static void
check_position(bus_str bytes)
{
    char         *text = fuzz_text(bytes);
    edge_position position;

    if (edge_position_parse(text, &position)) {
        BUS_INVARIANT(position.domain.at == text && position.domain.len > 0 &&
                      text[position.domain.len] == ':');
        BUS_INVARIANT(position.partition >= 0 && position.offset >= 0);
    }
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str  rest = fuzz_input(data, size), all = rest, text;
    bus_buf  made = {0};
    uint64_t hash;
    char    *exact;

    if (bus_str_is(fuzz_cut(&rest, '\n'), "raw"))
        all = rest;
    bus_buf_add_str(&made, all);
    if (all.at != rest.at && all.len > 0 && all.at[0] == '~') {
        hash = bus_fnv1a64(all.at, all.len);
        bus_buf_printf(&made, "~%08" PRIx32, (uint32_t)(hash ^ hash >> 32));
    }
    exact = fuzz_exact(bus_buf_str(&made));
    text = (bus_str){exact, (uint32_t)made.len};
    check_place(text);
    check_position(text);
    free(exact);
    bus_buf_fini(&made);
    return 0;
}
