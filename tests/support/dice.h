/* dice.h - chance in tests that is the same in every run: xorshift64 of Marsaglia, "Xorshift RNGs"
 * (2003). The state is the test's own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_DICE_H
#define TESTS_SUPPORT_DICE_H

#include <stdint.h>

#define TESTS_DICE UINT64_C(88172645463325252) /* a state to begin with; any but 0 */

/* 0 to below - 1. */
static inline uint64_t
tests_roll(uint64_t *dice, uint64_t below)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return *dice % below;
}

#endif
