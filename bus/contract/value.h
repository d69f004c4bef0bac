/* value.h - what the codec does with jansson values besides reading them.
 * Private to bus/contract. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_VALUE_H
#define BUS_CONTRACT_VALUE_H

#include "bus/base/arena.h"
#include "bus/base/str.h"

#include <jansson.h>
#include <stdbool.h>

/* Equality of JSON Schema: 1 and 1.0 are equal, the order of members means nothing. */
bool bus_value_equal(const json_t *a, const json_t *b);

/* Canonical text: no white space, members sorted by the bytes of their names, numbers as
 * bus_encode writes them. arena: scratch. */
void bus_value_write(const json_t *value, bus_arena *arena, bus_buf *out);

#endif
