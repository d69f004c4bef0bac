/* fuzz.c - inputs in memory of their own; what holds for every refusal.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX ((size_t)1 << 20)

char *
fuzz_exact(bus_str bytes)
{
    char *copy = malloc(bytes.len > 0 ? bytes.len : 1);

    BUS_INVARIANT(copy != NULL);
    if (bytes.len > 0)
        memcpy(copy, bytes.at, bytes.len);
    return copy;
}

char *
fuzz_text(bus_str bytes)
{
    char *copy = malloc((size_t)bytes.len + 1);

    BUS_INVARIANT(copy != NULL);
    if (bytes.len > 0)
        memcpy(copy, bytes.at, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

bus_str
fuzz_cut(bus_str *rest, char end)
{
    const char *found = rest->len == 0 ? NULL : memchr(rest->at, end, rest->len);
    bus_str     piece = *rest;

    if (found == NULL) {
        *rest = (bus_str){rest->at + rest->len, 0};
        return piece;
    }
    piece.len = (uint32_t)(found - rest->at);
    *rest = (bus_str){found + 1, rest->len - piece.len - 1};
    return piece;
}

bus_str
fuzz_input(const uint8_t *data, size_t size)
{
    return (bus_str){size == 0 ? "" : (const char *)data,
                     (uint32_t)(size < INPUT_BYTES_MAX ? size : INPUT_BYTES_MAX)};
}

void
fuzz_check_problems(const bus_problems *problems)
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

void
fuzz_check_failure(bus_code rc, const bus_error *err)
{
    BUS_INVARIANT(rc != BUS_OK && err->code == rc);
    BUS_INVARIANT(err->text[0] != '\0' && memchr(err->text, '\0', sizeof(err->text)) != NULL);
}
