/* planted_fuzz.c - a target with faults: what the runner must find, or it finds nothing at all.
 * "leak" is not freed, "over" is read too far, "late" breaks an invariant, "slow" never ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bus_str        input = fuzz_input(data, size);
    char          *exact = fuzz_exact(input);
    volatile char *look = exact;

    if (bus_str_is(input, "over"))
        (void)look[input.len + 1];
    BUS_INVARIANT(!bus_str_is(input, "late"));
    while (bus_str_is(input, "slow"))
        (void)look[0];
    if (bus_str_is(input, "leak"))
        exact = malloc(16);
    free(exact);
    return 0;
}
