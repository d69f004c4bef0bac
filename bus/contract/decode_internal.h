/* decode_internal.h - the two roads from JSON to C structs: decode_plain.c reads plain text,
 * decode.c whatever jansson reads, and tells problems. Private to bus/contract.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_DECODE_INTERNAL_H
#define BUS_CONTRACT_DECODE_INTERNAL_H

#include "bus/contract/codec.h"

#define BUS_FIELDS_MAX 256 /* of one object; the schema compiler keeps to it */

/* The field of that name; NULL: there is none. *hint: where to look first; set to the one after. */
const bus_field *bus_shape_field(const bus_shape *shape, bus_str name, uint32_t *hint);
/* Which of the names of an enum it is; -1: none. */
int bus_shape_name(const bus_shape *shape, bus_str s);

/* True: text is a right document of the shape, and *out is what bus_decode_json_as makes of it.
 * False: it is not, or its text is not of the plain kind that is read here; *out and some of the
 * arena were written to, and jansson has to decide. Never true where jansson would say no. */
BUS_CHECKED bool bus_decode_plain(bus_personal_form form, const bus_shape *shape, bus_str text,
                                  bus_arena *arena, void *out);

#endif
