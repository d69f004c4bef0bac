/* codec.h - between JSON text and the C structs of a contract.
 * Threads: any; nothing needs to be started.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_CODEC_H
#define BUS_CONTRACT_CODEC_H

#include "bus/base/arena.h"
#include "bus/base/error.h"
#include "bus/contract/shape.h"

#include <jansson.h>

#define BUS_PROBLEMS_MAX 32   /* collected per document; the rest is not looked for */
#define BUS_JSON_DEPTH_MAX 16 /* nesting of a document from outside */

/* One thing wrong with a document. */
typedef struct {
    char pointer[160]; /* JSON pointer (RFC 6901) of the place; "" is the whole document */
    char message[160]; /* for people, English */
} bus_problem;

/* In the caller's memory; zero-initialised is empty. */
typedef struct {
    bus_problem items[BUS_PROBLEMS_MAX];
    int         count;
} bus_problems;

void bus_problem_add(bus_problems *problems, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Text to jansson value under the depth bound, strict UTF-8, no duplicate members, no
 * trailing text, no U+0000, every whole number within 64 bits. NULL with one problem: its
 * pointer is the place if the text was JSON but for that (a duplicate, a number too large,
 * U+0000), else "" with line and column in the message. The caller owns the reference. */
json_t *bus_json_parse(bus_str text, bus_problems *problems);

/* Checks every keyword and fills *out (shape->size bytes, zeroed first). Strings are
 * copied to arena. BUS_INVALID: problems tells where; *out is not to be used. An integer may be
 * written as 1.0 or 1e3 (JSON Schema), but exactly: beyond 2^53 only in digits. */
BUS_CHECKED bus_code bus_decode(const bus_shape *shape, bus_str text, bus_arena *arena, void *out,
                                bus_problems *problems);
BUS_CHECKED bus_code bus_decode_json(const bus_shape *shape, const json_t *value, bus_arena *arena,
                                     void *out, bus_problems *problems);

/* In which form personal members (x-personal) stand in a document. The tombstone of a forgotten
 * value is the empty string, in JSON and in C alike; pattern, length and format do not hold for it.
 *   CLEAR   from outside: what the contract says and nothing else. What bus_decode does.
 *   OPENED  within: as the contract says, or a tombstone.
 *   SEALED  as in the log: "enc:1:..." (bus/personal/personal.h), taken as it is, or a tombstone;
 *           a value in clear is a problem. */
typedef enum { BUS_PERSONAL_CLEAR, BUS_PERSONAL_OPENED, BUS_PERSONAL_SEALED } bus_personal_form;
#define BUS_SEALED_PREFIX "enc:1:"

BUS_CHECKED bus_code bus_decode_as(bus_personal_form form, const bus_shape *shape, bus_str text,
                                   bus_arena *arena, void *out, bus_problems *problems);
BUS_CHECKED bus_code bus_decode_json_as(bus_personal_form form, const bus_shape *shape,
                                        const json_t *value, bus_arena *arena, void *out,
                                        bus_problems *problems);

/* Calls visit for each personal string that is there, at any depth, in the contract's order; visit
 * may put another in its place. subject: the id in the document that x-personal points to, or NULL:
 * the stream, also where that id is absent. Ends with the first code that is not BUS_OK. Costs
 * nothing for shapes without personal members. */
typedef bus_code (*bus_personal_visit)(void *context, const bus_field *field, const bus_id *subject,
                                       bus_str *text, bus_error *err);
BUS_CHECKED bus_code bus_personal_each(const bus_shape *shape, void *value,
                                       bus_personal_visit visit, void *context, bus_error *err);

/* Canonical form: members in the contract's order, no white space; two equal values give
 * equal bytes. An absent optional is left out, an absent required nullable is null, and so is an
 * absent nullable with a default. BUS_INVARIANT: enums are of the contract, numbers finite, days
 * and times of the years 1 to 9999. */
void bus_encode(const bus_shape *shape, const void *value, bus_buf *out);

/* Deep copy: *to shares nothing with *from but constants. */
void bus_copy(const bus_shape *shape, const void *from, void *to, bus_arena *arena);

/* Equal member by member (never memcmp: padding lies). */
bool bus_equal(const bus_shape *shape, const void *a, const void *b);

#endif
