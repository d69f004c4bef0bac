/* fold.h - codes that people write in two alphabets, as they are compared. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BUS_BASE_FOLD_H
#define BUS_BASE_FOLD_H

#include "bus/base/str.h"

/* Latin capitals and digits of text, at most max, and a NUL after them: out has room for max + 1.
 * Small letters are capitals, the twelve Cyrillic letters that look like Latin ones are those,
 * blanks and hyphens are dropped. Returns how many; -1: something else is in it, or more. */
int bus_fold_latin(bus_str text, char *out, int max);

#endif
