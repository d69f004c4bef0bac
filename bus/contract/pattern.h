/* pattern.h - regular expressions of contracts, compiled once each.
 * Private to bus/contract. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_PATTERN_H
#define BUS_CONTRACT_PATTERN_H

#include "bus/contract/shape.h"

/* Does the pattern match anywhere in s (ECMA 262 semantics as far as PCRE2 has them: \d and \w
 * are ASCII, $ is the very end)? Threads: any. */
bool bus_pattern_matches(const bus_shape *shape, bus_str s);

/* Gives the compiled form back: for shapes that do not live as long as the process. Nobody matches
 * with it meanwhile. */
void bus_pattern_forget(const bus_shape *shape);

#endif
