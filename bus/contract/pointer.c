/* pointer.c - JSON pointers, with "~" and "/" of names escaped.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bus/contract/pointer.h"

#include <stdio.h>
#include <string.h>

bool
bus_pointer_add_name(char *pointer, size_t room, const char *name)
{
    size_t start = strlen(pointer), at = start;
    size_t need = 2; /* the slash and the NUL */

    for (const char *c = name; *c != '\0'; c++)
        need += *c == '~' || *c == '/' ? 2 : 1;
    if (start + need > room)
        return false;
    pointer[at++] = '/';
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '~' || *c == '/') {
            pointer[at++] = '~';
            pointer[at++] = *c == '~' ? '0' : '1';
        } else {
            pointer[at++] = *c;
        }
    }
    pointer[at] = '\0';
    return true;
}

bool
bus_pointer_add_index(char *pointer, size_t room, size_t index)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%zu", index);
    return bus_pointer_add_name(pointer, room, digits);
}
