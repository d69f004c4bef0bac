/* pointer.h - JSON pointers (RFC 6901) built segment by segment in a fixed array.
 * Private to bus/contract. SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_CONTRACT_POINTER_H
#define BUS_CONTRACT_POINTER_H

#include <stdbool.h>
#include <stddef.h>

/* Each appends "/" and one segment to the NUL-terminated pointer of room bytes, whole or not at
 * all: a pointer that was cut would name another place. false: no room, nothing changed. */
bool bus_pointer_add_name(char *pointer, size_t room, const char *name);
bool bus_pointer_add_index(char *pointer, size_t room, size_t index);

#endif
