/* memory.c - the conformance of keys in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/personal/conformance/conformance.h"

int
main(void)
{
    return keys_conformance_run("keys memory", &bus_key_store_memory, "conformance");
}
