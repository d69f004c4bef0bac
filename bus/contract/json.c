/* json.c - text from outside to jansson values, bounded before jansson sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/codec.h"
#include "bus/contract/pointer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- problems ------------------------------------------------------------------ */

/* Bytes of the UTF-8 sequence that starts with c; 0: none starts so. */
static size_t
sequence_bytes(unsigned char c)
{
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c < 0xe0)
        return 2;
    if (c >= 0xe0 && c < 0xf0)
        return 3;
    return c >= 0xf0 && c < 0xf5 ? 4 : 0;
}

/* Does a sequence begin here that ends only because s does? */
static bool
is_cut(const char *s, size_t left)
{
    size_t need = sequence_bytes((unsigned char)*s), have = 1;

    while (have < left && ((unsigned char)s[have] & 0xc0) == 0x80)
        have++;
    return have == left && have < need;
}

/* Problems go into JSON: what is no UTF-8 becomes "?", a sequence cut at the end is dropped. */
static void
mend_utf8(char *s)
{
    size_t len = strlen(s), at = 0;

    while (at < len) {
        size_t bytes = bus_utf8_sequence(s + at, len - at);

        if (bytes == 0 && is_cut(s + at, len - at)) {
            s[at] = '\0';
            return;
        }
        if (bytes == 0)
            s[at] = '?';
        at += bytes > 0 ? bytes : 1;
    }
}

void
bus_problem_add(bus_problems *problems, const char *pointer, const char *fmt, ...)
{
    bus_problem *p;
    va_list      args;

    if (problems->count == BUS_PROBLEMS_MAX)
        return;
    p = &problems->items[problems->count++];
    (void)snprintf(p->pointer, sizeof(p->pointer), "%s", pointer);
    mend_utf8(p->pointer);
    va_start(args, fmt);
    (void)vsnprintf(p->message, sizeof(p->message), fmt, args);
    va_end(args);
    mend_utf8(p->message);
}

/* --- where an error is ------------------------------------------------------------ */

/* One open bracket, and where in it we are. */
typedef struct {
    bool    array, named; /* named: we are past the member's name */
    size_t  index;
    bus_str name; /* as written, with its quotes */
} level;

/* The end of the string that starts at from, just past its closing quote. */
static uint32_t
string_end(bus_str text, uint32_t from)
{
    uint32_t i = from + 1;

    while (i < text.len && text.at[i] != '"')
        i += text.at[i] == '\\' ? 2 : 1;
    return i < text.len ? i + 1 : text.len;
}

/* One byte outside strings: opens, closes, steps on. Returns the new depth. */
static int
step(level *levels, int depth, char c)
{
    if ((c == '{' || c == '[') && depth < BUS_JSON_DEPTH_MAX)
        levels[depth++] = (level){.array = c == '['};
    else if ((c == '}' || c == ']') && depth > 0)
        depth--;
    else if (c == ',' && depth > 0) {
        levels[depth - 1].index++;
        levels[depth - 1].named = false;
        levels[depth - 1].name = (bus_str){NULL, 0};
    } else if (c == ':' && depth > 0) {
        levels[depth - 1].named = true;
    }
    return depth;
}

/* The pointer of what was being read when the reader had consumed `until` bytes. Only for texts
 * whose depth was checked, and only on the way to a refusal. */
static void
find_place(bus_str text, size_t until, char *pointer, size_t room)
{
    level levels[BUS_JSON_DEPTH_MAX];
    int   depth = 0;

    for (uint32_t i = 0; i < text.len && i < until;) {
        if (text.at[i] == '"') {
            uint32_t end = string_end(text, i);

            if (depth > 0 && !levels[depth - 1].array && !levels[depth - 1].named)
                levels[depth - 1].name = (bus_str){text.at + i, end - i};
            i = end;
        } else {
            depth = step(levels, depth, text.at[i++]);
        }
    }
    for (int d = 0; d < depth; d++) {
        json_t *name = NULL;
        bool    added;

        if (!levels[d].array && levels[d].name.at != NULL)
            name = json_loadb(levels[d].name.at, levels[d].name.len, JSON_DECODE_ANY, NULL);
        added = levels[d].array
                    ? bus_pointer_add_index(pointer, room, levels[d].index)
                    : name != NULL && bus_pointer_add_name(pointer, room, json_string_value(name));
        json_decref(name);
        if (!added)
            return;
    }
}

/* Names the place where the text is JSON but not of the kind that we take. */
static void
explain(bus_str text, const json_error_t *error, bus_problems *problems)
{
    char   pointer[sizeof(problems->items[0].pointer)] = "";
    size_t until = error->position < 0 ? 0 : (size_t)error->position;

    switch (json_error_code(error)) {
    case json_error_numeric_overflow:
        find_place(text, until, pointer, sizeof(pointer));
        bus_problem_add(problems, pointer, "is a number beyond what is supported (64 bits)");
        return;
    case json_error_duplicate_key:
        find_place(text, until, pointer, sizeof(pointer));
        bus_problem_add(problems, pointer, "is there twice in one object");
        return;
    case json_error_null_character:
        find_place(text, until, pointer, sizeof(pointer));
        bus_problem_add(problems, pointer, "must not contain the character U+0000");
        return;
    case json_error_null_byte_in_key:
        find_place(text, until, pointer, sizeof(pointer));
        bus_problem_add(problems, pointer, "has a member whose name contains U+0000");
        return;
    case json_error_invalid_utf8:
        bus_problem_add(problems, "", "not UTF-8: line %d, column %d", error->line, error->column);
        return;
    default: /* jansson's own enumeration: whatever else is wrong with the text */
        bus_problem_add(problems, "", "not JSON: line %d, column %d: %s", error->line,
                        error->column, error->text);
    }
}

/* --- parsing ----------------------------------------------------------------------- */

/* Is any bracket outside strings nested deeper than the bound? */
static bool
is_too_deep(bus_str text)
{
    int depth = 0;

    for (uint32_t i = 0; i < text.len;) {
        char c = text.at[i];

        if (c == '"') {
            i = string_end(text, i);
            continue;
        }
        if ((c == '{' || c == '[') && ++depth > BUS_JSON_DEPTH_MAX)
            return true;
        if (c == '}' || c == ']')
            depth--;
        i++;
    }
    return false;
}

json_t *
bus_json_parse(bus_str text, bus_problems *problems)
{
    json_error_t error;
    json_t      *value;

    if (text.len == 0) {
        bus_problem_add(problems, "", "there is no JSON document");
        return NULL;
    }
    if (memchr(text.at, '\0', text.len) != NULL) { /* jansson passes one over after a number */
        bus_problem_add(problems, "", "not JSON: contains a NUL byte");
        return NULL;
    }
    if (is_too_deep(text)) {
        bus_problem_add(problems, "", "nested deeper than %d levels", BUS_JSON_DEPTH_MAX);
        return NULL;
    }
    value = json_loadb(text.at, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        explain(text, &error, problems);
    return value;
}
