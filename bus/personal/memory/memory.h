/* memory.h - what tests do to keys in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_PERSONAL_MEMORY_MEMORY_H
#define BUS_PERSONAL_MEMORY_MEMORY_H

#include "bus/personal/key_store.h"

/* Out of reach, or back. */
void key_store_memory_down(const char *url, bool down);

#endif
